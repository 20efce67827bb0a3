package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/cmd/records"
	"powermgr/cmd/setup"
	"powermgr/control/forecast"
	"powermgr/control/history"
	"powermgr/control/tariff"
)

func historyCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "history",
		Short: "Show the history of your home, or add to it",
		Long: `Shows which days the history has, its gaps, and how far off recent forecasts were. powermgr adds a day
each night; history import adds earlier days from Tesla or from files.`,
		Example: "  powermgr history import --from tesla --days 400",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, _, err := config.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			return showHistory(cmd.OutOrStdout(), config)
		},
	}
	c.AddCommand(historyImportCommand(g))
	return c
}

// maxGaps is how many gaps are listed one by one.
const maxGaps = 10

func showHistory(w io.Writer, c config.Config) error {
	s, err := records.History(c)
	if err != nil {
		return err
	}
	const form = "2006-01-02 15:04"
	last := s.Slots[len(s.Slots)-1].Start.Add(s.Length)
	gaps := s.Gaps()
	fmt.Fprintf(w, "%s has %s to %s: %.1f days of quarter hours", c.Paths.HistoryDir, s.Slots[0].Start.In(s.Zone).Format(form), last.In(s.Zone).Format(form), float64(s.Known())*s.Length.Hours()/24)
	if len(gaps) > 0 {
		fmt.Fprintf(w, ", and %.1f hours in %d gaps that were not measured", float64(len(s.Slots)-s.Known())*s.Length.Hours(), len(gaps))
	}
	fmt.Fprintln(w)
	for _, g := range gaps[:min(len(gaps), maxGaps)] {
		fmt.Fprintf(w, "  nothing from %s on for %.2f hours\n", g.Start.In(s.Zone).Format(form), float64(g.Slots)*s.Length.Hours())
	}
	var prices *tariff.Table
	if t, ok := c.Prices(); ok {
		prices = &t
	}
	reviewForecasts(w, s, last.AddDate(0, 0, -reviewedDays), freeDays(prices))
	return nil
}

// reviewedDays are the last days whose forecasts are looked at.
const reviewedDays = 14

// reviewForecasts says by how much forecasts from an instant on would have been off.
func reviewForecasts(w io.Writer, s history.Series, from time.Time, free func(day time.Time) bool) {
	r := forecast.Review{
		Zone: s.Zone, Free: free, From: from, Every: time.Hour,
		Leads: []time.Duration{time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour},
	}
	for _, x := range s.Slots {
		r.Samples = append(r.Samples, forecast.Sample{Start: x.Start, Length: s.Length, LoadKWh: x.LoadKWh, SunKWh: x.SunKWh, OutdoorC: x.OutdoorC})
	}
	off := r.Errors()
	if !slices.ContainsFunc(off, func(o forecast.Off) bool { return o.N > 0 }) {
		fmt.Fprintf(w, "no forecasts yet: they need %d days of history\n", forecast.MinDays)
		return
	}
	fmt.Fprintf(w, "forecasts for the last %d days, made each hour from what was known at the time; averages per half hour, in kWh:\n", reviewedDays)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tused\tforecast\toff by\tsun off by\t\n")
	for _, o := range off {
		if o.N > 0 {
			fmt.Fprintf(t, "%g h ahead\t%.2f\t%.2f\t%.2f\t%.2f\t\n", o.Lead.Hours(), o.Used, o.Used+o.Bias, o.Load, o.Sun)
		}
	}
	_ = t.Flush()
}

func historyImportCommand(g *globals) *cobra.Command {
	o := pastFlags{days: 400}
	c := &cobra.Command{
		Use:   "import --from tesla|csv [FILE...]",
		Short: "Add past days to the history, from Tesla or from files",
		Long: `--from tesla fetches each day that is missing from the history, the most recent first: one call every
three seconds, so 20 minutes for a year. The calls count toward your limit with Tesla. You can stop it
at any time; the next run continues where it stopped. The last two days are always fetched again,
because Tesla may still revise them. What Tesla does not have stays a gap.

--from csv reads files, and changes nothing that is already in the history. A file has ` + history.CSVHelp,
		Example: "  powermgr history import --from tesla --days 400\n  powermgr history import --from csv year.csv",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, files []string) error {
			config, _, err := config.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			if err := o.check(files); err != nil {
				return err
			}
			if o.from == fromTesla {
				return importTesla(cmd, config, o.days, cmd.OutOrStdout())
			}
			return importFiles(cmd, config, o, files)
		},
	}
	o.declare(c.Flags(), "with --from tesla: how many days back", "the home", fromTesla, fromCSV)
	return c
}

// importTesla asks Tesla for the days that the history does not have, and prints the
// result to out.
func importTesla(cmd *cobra.Command, c config.Config, days int, out io.Writer) error {
	switch {
	case days < 1 || days > 3660:
		return usage("--days %d: 1 to 3660 can be asked for", days)
	case c.Tesla == nil:
		return wrong(errors.New("there is no tesla in the configuration: add it first, as in " + config.ExampleFile()))
	case len(c.Placeholders("tesla")) > 0:
		return wrong(stillExample(c.Placeholders("tesla"), "the configuration"))
	case c.Tesla.CallsPerMonth > 0 && days > c.Tesla.CallsPerMonth/2:
		return usage("--days %d may take that many calls, but tesla.calls_per_month is %d: import fewer days now, and the rest next month", days, c.Tesla.CallsPerMonth)
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	meter := &bridge.Meter{Next: http.DefaultTransport, Now: time.Now, Location: c.Zone()}
	adapter, err := c.TeslaClient(&http.Client{Transport: meter, Timeout: 30 * time.Second}, time.Now, bridge.Shared{Log: log})
	if err != nil {
		return wrong(err)
	}
	defer setup.CloseAccount(cmd.Context(), adapter)
	bar := newProgress(cmd.ErrOrStderr(), "days")
	done, err := records.Import{Config: c, Read: adapter.History, Now: time.Now, Sleep: pause, Progress: bar.update}.Import(cmd.Context(), days)
	bar.end()
	calls, failed := meter.Today(time.Now())
	fmt.Fprintf(out, "days read: %d, already there: %d, not available from Tesla: %d; calls to Tesla: %d, failed: %d\n", done.Days, done.Had, done.Empty, calls, failed)
	if err != nil {
		return fmt.Errorf("%w\nWhat was read is in %s: run it again later, and it continues from there", err, c.Paths.HistoryDir)
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return errors.New("interrupted")
	}
}

func importFiles(cmd *cobra.Command, c config.Config, o pastFlags, files []string) error {
	zone, err := o.zone(c.Zone())
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return wrong(err)
		}
		s, err := history.ReadCSV(f, zone)
		_ = f.Close()
		if err != nil {
			return wrong(fmt.Errorf("%s: %w", name, err))
		}
		added, err := records.ImportSeries(c, s)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "%s: %d quarter hours added, of %.0f hours; %.0f hours are gaps. Prices and temperatures are not kept.\n",
			name, added, float64(len(s.Slots))*s.Length.Hours(), float64(len(s.Slots)-s.Known())*s.Length.Hours())
		for _, n := range s.Notices {
			fmt.Fprintf(out, "  note: %s\n", n)
		}
	}
	return nil
}

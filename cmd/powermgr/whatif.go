package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/daemon"
	"powermgr/control/battery"
	"powermgr/control/history"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/whatif"
)

// whatIfFlags are the flags of powermgr what-if.
type whatIfFlags struct {
	battery  string
	timezone string
	policies []string
	weight   float64
	json     bool
	trace    string
}

func whatIfCommand(g *globals) *cobra.Command {
	var o whatIfFlags
	c := &cobra.Command{
		Use:   "what-if FILE...",
		Short: "Live a past year again, with a battery and each way to steer it",
		Long: `Lives what a home used and what its roof gave, from a file, with a battery that is steered in turn by
nobody, by the fixed rule, by the plan with forecasts that know only what was known by then, and with
perfect foresight. It says what each would have cost.

A file has ` + history.CSVHelp + `

Prices come from the file. Where it has none, they come from tariff and settings.seasons of the
configuration that --config names.`,
		Example: "  powermgr what-if year.csv\n  powermgr what-if --battery 27,10 --policies rule,plan,foresight year.csv",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			return o.run(cmd, g, files)
		},
	}
	f := c.Flags()
	f.StringVar(&o.battery, "battery", "13.5,5", "capacity in kWh, power in kW and, if it charges from the grid more slowly, that power: 13.5,5,1.7; 0 for that: never from the grid")
	f.StringVar(&o.timezone, "timezone", "", "of times without an offset, such as America/Los_Angeles (default that of this machine)")
	f.StringSliceVar(&o.policies, "policies", nil, "those to compare, of no battery, self-consumption, rule, plan and foresight (default all)")
	f.Float64Var(&o.weight, "peak-weight", plan.DefaultOptions().PeakWeight, "what the plan takes a kWh from the grid in expensive hours to cost on top of its price")
	f.BoolVar(&o.json, "json", false, "print the figures as JSON")
	f.StringVar(&o.trace, "trace", "", "write what the plan did, slot by slot, to this file (CSV)")
	return c
}

// roundTrip is what comes out of a battery of what went in.
const roundTrip = 0.9

// model reads the flag --battery.
func (o whatIfFlags) model() (battery.Model, error) {
	parts := strings.Split(o.battery, ",")
	figures := make([]float64, 0, 3)
	for _, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil || v < 0 || v > 1000 || math.IsNaN(v) {
			return battery.Model{}, usage("--battery %s: it has to read like 13.5,5 or 13.5,5,1.7", o.battery)
		}
		figures = append(figures, v)
	}
	if len(figures) < 2 || len(figures) > 3 || figures[0] == 0 || figures[1] == 0 {
		return battery.Model{}, usage("--battery %s: it has to read like 13.5,5 or 13.5,5,1.7", o.battery)
	}
	m := battery.Model{CapacityKWh: figures[0], PowerKW: figures[1], GridChargeKW: figures[1], OneWay: math.Sqrt(roundTrip)}
	if len(figures) == 3 {
		m.GridChargeKW = figures[2]
	}
	return m, nil
}

// lived is one file's comparison.
type lived struct {
	File     string `json:"file"`
	Currency string `json:"currency,omitempty"`
	whatif.Comparison
	Notices []string `json:"notices,omitempty"`
}

func (o whatIfFlags) run(cmd *cobra.Command, g *globals, files []string) error {
	m, err := o.model()
	if err != nil {
		return err
	}
	for _, p := range o.policies {
		if !slices.Contains(whatif.Names(), p) {
			return usage("--policies: there is no policy %q, only %s", p, strings.Join(whatif.Names(), ", "))
		}
	}
	if len(o.policies) == 0 {
		o.policies = whatif.Names()
	}
	if o.trace != "" && len(files) > 1 {
		return usage("--trace is for one file")
	}
	zone := time.Local
	if o.timezone != "" {
		if zone, err = time.LoadLocation(o.timezone); err != nil {
			return usage("--timezone: %v", err)
		}
	}
	setup := whatif.Setup{
		Battery: m, Plan: plan.Options{PeakWeight: o.weight, MinGain: plan.DefaultOptions().MinGain}, Policies: o.policies, OffPeak: 100,
	}
	var all []lived
	for _, name := range files {
		l, err := o.one(cmd, g, name, zone, setup)
		if err != nil {
			return err
		}
		all = append(all, l)
		if !o.json {
			l.print(cmd.OutOrStdout())
		}
	}
	if o.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	if len(all) > 1 {
		printMeans(cmd.OutOrStdout(), all)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "The battery holds %g kWh, gives and takes %g kW, fills from the grid with %g kW, and gives back %g %% of what it takes.\n"+
		"The first %d days only teach the forecasts and are not counted. The plan has no weather forecast.\n",
		m.CapacityKWh, m.PowerKW, m.GridChargeKW, 100*roundTrip, int(whatif.Learning.Hours()/24))
	return nil
}

func (o whatIfFlags) one(cmd *cobra.Command, g *globals, name string, zone *time.Location, setup whatif.Setup) (lived, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return lived{}, wrong(err)
	}
	s, err := history.ReadCSV(bytes.NewReader(b), zone)
	if err != nil {
		return lived{}, wrong(fmt.Errorf("%s: %w", name, err))
	}
	free := func(day time.Time) bool { return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday }
	var price func(time.Time) (in, out float64, expensive bool)
	if !slices.ContainsFunc(s.Slots, func(s history.Slot) bool { return s.Import != nil }) {
		if price, s.Currency, err = configured(g); err != nil {
			return lived{}, fmt.Errorf("%s has no prices: %w", name, err)
		}
	}
	y, err := whatif.NewYear(s, free, price)
	if err != nil {
		return lived{}, wrong(fmt.Errorf("%s: %w", name, err))
	}
	done := func() error { return nil }
	if o.trace != "" {
		if setup.EachOfPlan, done, err = tracer(o.trace); err != nil {
			return lived{}, wrong(err)
		}
	}
	if !o.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d days ...\n", filepath.Base(name), len(y.Slots)/96)
	}
	c, err := y.Compare(setup)
	return lived{name, s.Currency, c, s.Notices}, errors.Join(err, done())
}

// configured are the prices of the configuration.
func configured(g *globals) (price func(time.Time) (in, out float64, expensive bool), currency string, err error) {
	c, _, err := daemon.Load(g.config, os.Environ())
	if err != nil {
		return nil, "", err
	}
	t, cal := c.Tariff, c.Calendar()
	if t.PeakPerKWh == 0 && t.OffPeakPerKWh == 0 {
		return nil, "", usage("%s has none either: fill in tariff.peak_per_kwh and tariff.off_peak_per_kwh", g.config)
	}
	return func(at time.Time) (in, out float64, expensive bool) {
		if phase, _ := cal.At(at); phase == rules.InPeak {
			return t.PeakPerKWh, t.ExportPerKWh, true
		}
		return t.OffPeakPerKWh, t.ExportPerKWh, false
	}, t.Currency, nil
}

// tracer writes a line for each slot.
func tracer(name string) (each func(whatif.Lived), done func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	out := bufio.NewWriter(f)
	w := csv.NewWriter(out)
	if err := w.Write([]string{"start", "load_kwh", "solar_kwh", "price_per_kwh", "reserve_percent", "grid_charging", "stored_kwh", "grid_kwh"}); err != nil {
		return nil, nil, err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }
	each = func(l whatif.Lived) {
		_ = w.Write([]string{ // Flush tells what went wrong
			l.Start.Format(time.RFC3339), number(l.LoadKWh), number(l.SunKWh), number(l.Import), strconv.Itoa(l.Reserve),
			strconv.FormatBool(l.Charging), number(l.StoredKWh), number(l.Flow.GridIn - l.Flow.GridOut),
		})
	}
	return each, func() error {
		w.Flush()
		return errors.Join(w.Error(), out.Flush(), f.Close())
	}, nil
}

func (l lived) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %.0f days", l.File, l.Days)
	if l.Gaps > 0 {
		fmt.Fprintf(w, "; %.0f hours were not measured and are left out", l.Gaps)
	}
	fmt.Fprintln(w)
	for _, n := range l.Notices {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tbill %s\tof none\tin expensive hours\timport\texport\tcycles\twrites a day\tof the way\t\n", strings.ToUpper(l.Currency))
	for _, name := range whatif.Names() {
		r, ok := l.Results[name]
		if !ok {
			continue
		}
		share, way := "", ""
		if none, ok := l.Results[whatif.NoBattery]; ok && none.Bill > 0 {
			share = fmt.Sprintf("%.3f", r.Bill/none.Bill)
		}
		if x, ok := l.Way(name); ok && name != whatif.NoBattery {
			way = fmt.Sprintf("%.0f %%", 100*x)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%.1f kWh\t%.0f kWh\t%.0f kWh\t%.0f\t%.1f\t%s\t\n", name, r.Bill, share, r.ExpensiveImport, r.Import, r.Export, r.Cycles, r.WritesADay, way)
	}
	_ = t.Flush()
	fmt.Fprintln(w)
}

// printMeans are the means of several homes, each counting alike.
func printMeans(w io.Writer, all []lived) {
	fmt.Fprintf(w, "mean of %d homes\n", len(all))
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tof none\tin expensive hours\twrites a day\t\n")
	for _, name := range whatif.Names() {
		var share, kwh, writes float64
		for _, l := range all {
			r, ok := l.Results[name]
			none, known := l.Results[whatif.NoBattery]
			if !ok || !known {
				share = math.NaN()
				continue
			}
			n := float64(len(all))
			share, kwh, writes = share+r.Bill/none.Bill/n, kwh+r.ExpensiveImport/n, writes+r.WritesADay/n
		}
		if !math.IsNaN(share) {
			fmt.Fprintf(t, "%s\t%.4f\t%.1f kWh\t%.1f\t\n", name, share, kwh, writes)
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w)
}

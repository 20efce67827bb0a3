package main

import (
	"bytes"
	"cmp"
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
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"powermgr/cmd/config"
	"powermgr/cmd/records"
	"powermgr/control/battery"
	"powermgr/control/history"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/control/whatif"
)

// whatIfFlags are the flags of powermgr what-if.
type whatIfFlags struct {
	pastFlags
	batteries []string
	tariffs   []string
	fromDate  dateFlag
	toDate    dateFlag
	policies  []string
	weight    float64
	json      bool
	trace     string
	html      string
}

func whatIfCommand(g *globals) *cobra.Command {
	var o whatIfFlags
	c := &cobra.Command{
		Use:   "what-if [FILE...]",
		Short: "Replay a past year, and compare what each strategy would have cost",
		Long: `Takes what a home used and what its panels produced, from a file or from powermgr's own history, and
replays it with different strategies for the battery: left alone, the fixed rule, the plan with
forecasts made only from what was known at the time, and perfect foresight. It shows what each would
have cost.

A file has ` + history.CSVHelp + `

Prices come from the file, or if it has none, from tariff and settings.seasons in the configuration
(--config). --tariff gives other prices: a configuration, a file with only the section tariff (time
zone and holidays are in settings), or Tesla's tariff_content_v2. With --from history and --from tesla,
reserves, battery and peak weight come from settings in the configuration. Several tariffs or batteries
are all compared with each other.`,
		Example: "  powermgr what-if year.csv\n  powermgr what-if --battery 13.5,5 --battery 27,10 --policies none,plan,foresight year.csv\n  powermgr what-if --tariff now.yaml --tariff offer.yaml --days 365 year.csv",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := o.check(files); err != nil {
				return err
			}
			if o.from != fromCSV {
				files = []string{fromHistory}
			}
			return o.run(cmd, g, files)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.batteries, "battery", []string{"13.5,5"}, "capacity in kWh, power in kW, and the power for charging from the grid if that is lower (0: never from the grid): 13.5,5,1.7; may be repeated (with --from history or tesla, the default is settings.plan)")
	o.declare(f, "count only this many days, the last ones; 0: all (365 from Tesla)", "the home; for files, that of the first --tariff, or of this machine", fromCSV, fromHistory, fromTesla)
	f.StringArrayVar(&o.tariffs, "tariff", nil, "a file with prices, used instead of the prices in the data; may be repeated")
	f.Var(&o.fromDate, "from-date", "the first day to count, such as 2026-01-01; the forecasts also use the week before it")
	f.Var(&o.toDate, "to-date", "the last day to count")
	f.StringSliceVar(&o.policies, "policies", nil, "the strategies to compare: none (no battery), self-consumption, rule, plan, foresight (default all); --strategy is the same flag")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "strategy" {
			name = "policies"
		}
		return pflag.NormalizedName(name)
	})
	f.Float64Var(&o.weight, "peak-weight", plan.DefaultOptions().PeakWeight, "how much avoiding a kWh from the grid in expensive hours is worth, on top of its price")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	f.StringVar(&o.trace, "trace", "", "write each time slot of the plan to this CSV file (if --policies leaves out plan, of the last one; stored_kwh is at the start of the slot)")
	f.StringVar(&o.html, "html", "", "write a web page to this file: the result, tables, each month, the best and the worst day")
	return c
}

// fetch adds the requested days to the history, as far as Tesla has them.
func (o whatIfFlags) fetch(cmd *cobra.Command, g *globals) error {
	config, _, err := config.Load(g.config, os.Environ())
	if err != nil {
		return err
	}
	days := cmp.Or(o.days, 365)
	if o.fromDate.given() {
		days = int(time.Since(o.fromDate.in(config.Zone())).Hours()/24) + 1
	}
	return importTesla(cmd, config, days+int(whatif.Learning.Hours()/24), cmd.ErrOrStderr()) // stdout is for the result
}

// roundTrip is the share of the energy stored in a battery that comes out again.
const roundTrip = 0.9

// models reads the flag --battery.
func (o whatIfFlags) models() (all []battery.Model, err error) {
	for _, text := range o.batteries {
		m, err := batteryModel(text)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func batteryModel(text string) (battery.Model, error) {
	parts := strings.Split(text, ",")
	figures := make([]float64, 0, 3)
	for _, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil || v < 0 || v > 1000 || math.IsNaN(v) {
			return battery.Model{}, usage("--battery %s: it has to read like 13.5,5 or 13.5,5,1.7", text)
		}
		figures = append(figures, v)
	}
	if len(figures) < 2 || len(figures) > 3 || figures[0] == 0 || figures[1] == 0 {
		return battery.Model{}, usage("--battery %s: it has to read like 13.5,5 or 13.5,5,1.7", text)
	}
	m := battery.Model{CapacityKWh: figures[0], PowerKW: figures[1], GridChargeKW: figures[1], OneWay: math.Sqrt(roundTrip)}
	if len(figures) == 3 {
		m.GridChargeKW = figures[2]
	}
	return m, nil
}

// A namedTariff is one of the tariffs to compare.
type namedTariff struct {
	name  string        // empty: the prices of the file
	table *tariff.Table // nil: those of the file, or of the configuration
}

// priceLists reads the flag --tariff. Files of the same name are told apart by their
// folders, and amounts of two currencies cannot be compared.
func (o whatIfFlags) priceLists(w io.Writer, zone *time.Location) (all []namedTariff, err error) {
	names := map[string]int{}
	for _, path := range o.tariffs {
		names[baseName(path)]++
	}
	for _, path := range o.tariffs {
		t, notices, err := config.LoadTariff(path, zone)
		for _, n := range notices {
			fmt.Fprintf(w, "%s: %s\n", path, n)
		}
		if err != nil {
			return nil, wrong(err)
		}
		if len(all) > 0 && !sameCurrency(t.Currency, all[0].table.Currency) {
			return nil, usage("--tariff: %s has its prices in %s and %s in %s (tariff.currency, $ if it is left out): amounts of two currencies cannot be compared", o.tariffs[0], all[0].table.Currency, path, t.Currency)
		}
		name := baseName(path)
		if names[name] > 1 {
			name = path
		}
		all = append(all, namedTariff{name, &t})
	}
	if len(all) == 0 {
		all = append(all, namedTariff{})
	}
	return all, nil
}

// prices reads the flag --tariff, and determines the time zone for reading files: that of
// the first tariff, unless another one is asked for.
func (o whatIfFlags) prices(w io.Writer, zone *time.Location) ([]namedTariff, *time.Location, error) {
	lists, err := o.priceLists(w, zone)
	if err != nil {
		return nil, nil, err
	}
	t := lists[0].table
	if t == nil || o.from != fromCSV || o.timezone != "" || t.Zone.String() == zone.String() {
		return lists, zone, nil
	}
	fmt.Fprintf(w, "Times without an offset are taken to be in the time zone of %s, %s. Use --timezone for another one.\n", o.tariffs[0], t.Zone)
	lists, err = o.priceLists(io.Discard, t.Zone) // also the time zone of tariffs that name none
	return lists, t.Zone, err
}

// sameCurrency reports whether two names may be of one currency, as $ and USD are. An
// empty one may be any.
func sameCurrency(a, b string) bool {
	code := func(name string) string {
		return cmp.Or(map[string]string{"$": "USD", "€": "EUR", "£": "GBP"}[name], strings.ToUpper(name))
	}
	return a == "" || b == "" || code(a) == code(b)
}

// baseName returns the name of a file without its folder and its extension.
func baseName(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

// A comparison is one file's comparison, under one tariff with one battery.
type comparison struct {
	File     string        `json:"file"`
	Tariff   string        `json:"tariff,omitempty"`
	Battery  battery.Model `json:"battery"`
	Currency string        `json:"currency,omitempty"`
	whatif.Comparison
	OfTheWay  map[string]float64 `json:"of_the_way,omitempty"` // from self-consumption to foresight: 1 is all of it
	Notices   []string           `json:"notices,omitempty"`
	Sentences []string           `json:"sentences,omitempty"` // the conclusions from all cases of the file; only in the first of them

	zone  *time.Location
	free  func(day time.Time) bool
	slots map[string]*[]whatif.SlotOutcome // of each policy that a page shows; nil: there is no page
}

// complete checks the flags and fills in what was left out.
func (o *whatIfFlags) complete(g *globals, files []string) (zone *time.Location, err error) {
	for i, p := range o.policies {
		if p == "none" {
			o.policies[i], p = whatif.NoBattery, whatif.NoBattery
		}
		if !slices.Contains(whatif.Names(), p) {
			return nil, usage("--policies: there is no policy %q, only %s%s", p, strings.Join(whatif.Names(), ", "), config.DidYouMean(p, whatif.Names()))
		}
	}
	if len(o.policies) == 0 {
		o.policies = whatif.Names()
	}
	if o.trace != "" && len(files)*len(o.batteries)*max(1, len(o.tariffs)) > 1 {
		return nil, usage("--trace is for one file, one tariff and one battery")
	}
	if o.html != "" && len(files) > 1 {
		return nil, usage("--html is for one file")
	}
	if o.days < 0 || o.days > 0 && (o.fromDate.given() || o.toDate.given()) {
		return nil, usage("--days is a number of days, and goes without --from-date and --to-date")
	}
	if o.from == fromCSV || o.timezone != "" {
		return o.zone(time.Local)
	}
	c, _, err := config.Load(g.config, os.Environ())
	return c.Zone(), err
}

func (o whatIfFlags) run(cmd *cobra.Command, g *globals, files []string) error {
	zone, err := o.complete(g, files)
	if err != nil {
		return err
	}
	setup, err := o.setup(cmd, g)
	if err != nil {
		return err
	}
	models, err := o.models()
	if err != nil {
		return err
	}
	lists, zone, err := o.prices(cmd.ErrOrStderr(), zone)
	if err != nil {
		return err
	}
	if o.html != "" { // the run takes long, so report a file that cannot be written before it
		if err := writable(o.html); err != nil {
			return wrong(err)
		}
	}
	if o.from == fromTesla {
		if err := o.fetch(cmd, g); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	q := question{whatIfFlags: o, globals: g, tariffs: lists, models: models, setup: setup, text: out, progress: cmd.ErrOrStderr()}
	if o.json {
		q.text = io.Discard
	}
	var all []comparison
	for _, name := range files {
		s, err := o.read(g, name, zone)
		if err != nil {
			return err
		}
		of, err := q.answer(name, s)
		if err != nil {
			return err
		}
		all = append(all, of...)
	}
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	if len(files) > 1 && len(all) == len(files) {
		printMeans(out, all)
	}
	for _, text := range assumptions(models, setup) {
		fmt.Fprintln(out, text)
	}
	return nil
}

// A question is asked about each file: what would have happened with each tariff and each
// battery.
type question struct {
	whatIfFlags
	*globals
	tariffs  []namedTariff
	models   []battery.Model
	setup    whatif.Setup
	text     io.Writer // where the answers are printed for people
	progress io.Writer
}

// answer replays a file with each tariff and each battery, prints the results, and writes
// the page if one was asked for.
func (q question) answer(name string, s history.Series) ([]comparison, error) {
	var all []comparison
	var cases []whatif.Case
	for _, list := range q.tariffs {
		for _, m := range q.models {
			l, err := q.one(list, m, name, s)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
			cases = append(cases, whatif.Case{Tariff: list.name, Battery: m, Comparison: l.Comparison})
			l.print(q.text)
		}
	}
	all[0].Sentences = whatif.Sentences(cases, tariff.Table{Currency: all[0].Currency}.Amount)
	for _, sentence := range all[0].Sentences {
		fmt.Fprintln(q.text, sentence)
	}
	fmt.Fprintln(q.text)
	if q.html == "" {
		return all, nil
	}
	return all, all[0].page(q.html, cases, assumptions(q.models, q.setup))
}

// read reads the requested days of a file, and those before them that train the
// forecasts.
func (o whatIfFlags) read(g *globals, name string, zone *time.Location) (history.Series, error) {
	var s history.Series
	if o.from != fromCSV {
		c, _, err := config.Load(g.config, os.Environ())
		if err != nil {
			return s, err
		}
		if s, err = records.History(c); err != nil {
			return s, wrong(err)
		}
	} else {
		b, err := os.ReadFile(name)
		if err != nil {
			return s, wrong(err)
		}
		if s, err = history.ReadCSV(bytes.NewReader(b), zone); err != nil {
			return s, wrong(fmt.Errorf("%s: %w", name, err))
		}
	}
	from, until := o.bounds(s)
	if s = s.Between(from, until); len(s.Slots) == 0 {
		return history.Series{}, wrong(fmt.Errorf("%s has nothing in these days", name))
	}
	if first := s.Slots[0].Start; first.After(from) && !from.IsZero() {
		s.Notices = append(s.Notices, fmt.Sprintf("it starts on %s, and its first seven days only train the forecasts, so it counts fewer days than you asked for", first.In(s.Zone).Format(time.DateOnly)))
	}
	return s, nil
}

// bounds returns the instants between which s is used, including the week that trains the
// forecasts; zero: no limit.
func (o whatIfFlags) bounds(s history.Series) (from, until time.Time) {
	if o.fromDate.given() {
		from = o.fromDate.in(s.Zone).Add(-whatif.Learning)
	}
	if o.toDate.given() {
		until = o.toDate.in(s.Zone).AddDate(0, 0, 1)
	}
	if o.days > 0 {
		from = s.Slots[len(s.Slots)-1].Start.Add(s.Length).In(s.Zone).AddDate(0, 0, -o.days).Add(-whatif.Learning)
	}
	return from, until
}

// one replays a file with one tariff and one battery.
func (q question) one(list namedTariff, m battery.Model, name string, s history.Series) (comparison, error) {
	table := list.table
	if table == nil && !slices.ContainsFunc(s.Slots, func(s history.Slot) bool { return s.Import != nil }) {
		t, err := configured(q.globals)
		if err != nil {
			return comparison{}, fmt.Errorf("%s has no prices: %w", name, err)
		}
		table = &t
	}
	currency := s.Currency
	if table != nil {
		currency = table.Currency
	}
	free := freeDays(table)
	y, err := whatif.NewYear(s, free, table)
	if err != nil {
		return comparison{}, wrong(fmt.Errorf("%s: %w", name, err))
	}
	notices := s.Notices
	if y.Start == 0 {
		notices = append(slices.Clone(notices), "it has no more than the seven days that train the forecasts, so all of them count, and the plan follows the rule until the seventh day")
	}
	if dark := s.Dark(); dark > 0 {
		notices = append(slices.Clone(notices), fmt.Sprintf("solar production is missing for %s, and counts as zero there", hours(dark.Hours())))
	}
	setup := q.setup
	setup.Battery, setup.Each = m, map[string]func(whatif.SlotOutcome){}
	l := comparison{File: name, Tariff: list.name, Battery: m, Currency: currency, Notices: notices, zone: y.Zone, free: free}
	if q.html != "" {
		l.slots = keep(setup)
	}
	done := func() error { return nil }
	if q.trace != "" {
		var each func(whatif.SlotOutcome)
		if each, done, err = tracer(q.trace); err != nil {
			return comparison{}, wrong(err)
		}
		kept := setup.Each[q.traced()]
		setup.Each[q.traced()] = func(l whatif.SlotOutcome) {
			each(l)
			if kept != nil {
				kept(l)
			}
		}
	}
	bar := newProgress(q.progress, filepath.Base(name))
	setup.Progress = func(done, all int) { bar.update(done/96, all/96, "") }
	l.Comparison, err = y.Compare(setup)
	bar.end()
	l.OfTheWay = map[string]float64{}
	for _, name := range q.policies {
		if share, ok := l.Comparison.Way(name); ok && name != whatif.NoBattery {
			l.OfTheWay[name] = share
		}
	}
	return l, errors.Join(err, done())
}

// freeDays returns a function that reports whether a day is on a weekend, or a holiday of
// t, which may be nil.
func freeDays(t *tariff.Table) func(day time.Time) bool {
	return func(day time.Time) bool {
		return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday ||
			t != nil && t.Holidays != nil && t.Holidays.Has(rules.DateOf(day, day.Location()))
	}
}

// configured returns the prices of the configuration.
func configured(g *globals) (tariff.Table, error) {
	c, _, err := config.Load(g.config, os.Environ())
	if err != nil {
		return tariff.Table{}, err
	}
	t, ok := c.Prices()
	if !ok {
		return tariff.Table{}, usage("%s has none either: fill in tariff.rates, or tariff.peak_per_kwh and tariff.off_peak_per_kwh, or give --tariff", g.config)
	}
	return t, nil
}

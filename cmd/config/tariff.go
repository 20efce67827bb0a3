package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"powermgr/control/rules"
	"powermgr/control/tariff"
)

// Tariff says what energy costs: either by Rates, hour by hour, or by two prices, for
// the peaks of settings.seasons and for the rest. The report uses only the two prices:
// while they are 0, the default, it gives no amounts.
type Tariff struct {
	// Source is where the plan gets its prices: planner.FromConfig, the default,
	// FromTesla or FromMQTT. In every case the peaks of the rule are those of the
	// configuration.
	Source string `koanf:"source" default:"config" oneof:"config,tesla,mqtt"`
	// Currency is shown with amounts.
	Currency string `koanf:"currency" default:"$"`
	// PeakPerKWh and OffPeakPerKWh are what a kWh from the grid costs.
	PeakPerKWh    float64 `koanf:"peak_per_kwh" range:"0–100"`
	OffPeakPerKWh float64 `koanf:"off_peak_per_kwh" range:"0–100"`
	// ExportPerKWh is what a kWh to the grid earns.
	ExportPerKWh float64 `koanf:"export_per_kwh" range:"0–100"`
	// Rates are prices and when they apply; the first that applies counts. If one of
	// them is a peak, they say when power is expensive, and settings.seasons must not.
	// Empty: there are none.
	Rates []Rate `koanf:"rates"`
}

// A Rate is a price and when it applies.
type Rate struct {
	Name   string   `koanf:"name"`
	Price  *float64 `koanf:"price" range:"-100–100"`  // of a kWh from the grid, -100–100; required
	Export float64  `koanf:"export" range:"-100–100"` // what a kWh to the grid earns
	// Months are 1–12. Empty: From and To say which part of the year it is; empty
	// too: the whole year.
	Months []time.Month  `koanf:"months"`
	From   rules.YearDay `koanf:"from"`
	To     rules.YearDay `koanf:"to"`
	// Days are mon…sun, "weekdays", "weekends", "daily" or "holidays". A holiday
	// counts as a Sunday. Empty: daily.
	Days []string `koanf:"days"`
	// Start and End may cross midnight. Equal: the whole day.
	Start Minute `koanf:"start"`
	End   Minute `koanf:"end"`
	// Peak says that in these hours the home should draw nothing from the grid.
	Peak bool `koanf:"peak"`
	// Precool says whether a hot forecast leads to precooling before it. Nil: as Peak.
	Precool *bool `koanf:"precool"`
}

// hasPeaks reports whether the rates say when power is expensive.
func (t Tariff) hasPeaks() bool {
	return slices.ContainsFunc(t.Rates, func(r Rate) bool { return r.Peak })
}

// holidaysWord is a kind of day that a rate can have besides days of the week.
const holidaysWord = "holidays"

// rate converts r for package tariff. Load has checked it.
func (r Rate) rate() tariff.Rate {
	out := tariff.Rate{
		Name: r.Name, Export: r.Export, Peak: r.Peak, Precool: r.Peak,
		Days: rules.Days{Months: r.Months, From: r.From, To: r.To},
		Span: rules.Span{Start: int(r.Start), End: int(r.End)},
	}
	if r.Price != nil {
		out.Import = *r.Price
	}
	if r.Precool != nil {
		out.Precool = *r.Precool
	}
	if out.Span.End <= out.Span.Start {
		out.Span.End += 24 * 60
	}
	words := slices.DeleteFunc(slices.Clone(r.Days), func(w string) bool { return strings.EqualFold(w, holidaysWord) })
	out.Days.Weekdays, _ = weekdays(words)
	switch {
	case len(words) == len(r.Days):
	case len(words) == 0:
		out.Holidays = tariff.OnlyHolidays
	default:
		out.Holidays = tariff.AlsoHolidays
	}
	return out
}

// Prices returns what energy costs; ok is false if nothing is configured. The two prices
// apply to the windows of settings.seasons; both forms give one table.
func (c Config) Prices() (t tariff.Table, ok bool) {
	t = tariff.Table{Zone: c.Zone(), Currency: c.Tariff.Currency}
	if len(c.Settings.holidays()) > 0 {
		var holidays rules.Calendar
		c.Settings.addHolidays(&holidays)
		t.Holidays = holidayList{holidays}
	}
	for _, r := range c.Tariff.Rates {
		t.Rates = append(t.Rates, r.rate())
	}
	if c.Tariff.hasPeaks() {
		return t, true
	}
	var peaks []tariff.Rate // of the seasons
	for _, name := range c.Settings.SeasonNames() {
		season := c.Settings.Seasons[name]
		for _, p := range season.PeakPeriods {
			peaks = append(peaks, tariff.Rate{
				Name: name + " peak", Import: c.Tariff.PeakPerKWh, Export: c.Tariff.ExportPerKWh, Days: season.days(), Holidays: tariff.NeverHolidays,
				Span: p.span(), Peak: true, Precool: season.Precool != nil && *season.Precool,
			})
		}
	}
	if len(t.Rates) > 0 { // they have prices, and the seasons say which hours are expensive
		t.Peaks = peaks
		return t, true
	}
	t.Rates = append(peaks, tariff.Rate{Name: "off-peak", Import: c.Tariff.OffPeakPerKWh, Export: c.Tariff.ExportPerKWh})
	return t, c.Tariff.PeakPerKWh != 0 || c.Tariff.OffPeakPerKWh != 0
}

func (l *loader) checkTariff(c *Config) {
	t := c.Tariff
	if t.PeakPerKWh < t.OffPeakPerKWh {
		l.notice("tariff.peak_per_kwh", "the peak is cheaper than the rest of the day: are the two mixed up?")
	}
	if n := len(t.Rates); n > maxRates {
		l.problem("tariff.rates", "%d rates are more than %d", n, maxRates)
		return
	}
	before := len(l.problems)
	for i, r := range t.Rates {
		l.checkRate(fmt.Sprintf("tariff.rates[%d]", i), r)
	}
	if len(t.Rates) > 0 && len(l.problems) == before {
		l.checkWholeWeek(c)
	}
	if t.hasPeaks() && len(c.Settings.Seasons) > 0 {
		l.problem("settings.seasons", "tariff.rates say when power is expensive already: take settings.seasons out, or peak out of the rates")
	}
}

// checkReportPrices says what the report counts with where there are rates.
func (l *loader) checkReportPrices(t Tariff) {
	const others = "what-if and check-config go by tariff.rates"
	switch {
	case len(t.Rates) == 0:
	case t.PeakPerKWh == 0 && t.OffPeakPerKWh == 0:
		l.notice("tariff.peak_per_kwh", "the report says nothing in money: give tariff.peak_per_kwh and tariff.off_peak_per_kwh for it, too; "+others)
	default:
		l.notice("tariff.peak_per_kwh", "the report counts with tariff.peak_per_kwh and tariff.off_peak_per_kwh; "+others)
	}
}

// maxRates is more than any tariff has.
const maxRates = 100

func (l *loader) checkRate(key string, r Rate) {
	if r.Price == nil {
		l.problem(key+".price", "it is needed: what a kWh from the grid costs, such as 0.24")
	}
	dates := r.From != 0 || r.To != 0
	switch {
	case len(r.Months) > 0 && dates:
		l.problem(key+".from", "it has months already: give months, or from and to")
	case dates && (r.From == 0 || r.To == 0):
		l.problem(key+".from", "from and to go together, such as 06-15 and 09-30")
	}
	for i, m := range r.Months {
		if m < time.January || m > time.December {
			l.problem(fmt.Sprintf("%s.months[%d]", key, i), "%d is not a month, 1–12", int(m))
		}
	}
	words := slices.DeleteFunc(slices.Clone(r.Days), func(w string) bool { return strings.EqualFold(w, holidaysWord) })
	if _, err := weekdays(words, holidaysWord); err != nil {
		l.problem(key+".days", "%s", err)
	}
	if r.Start == 24*60 {
		l.problem(key+".start", "24:00 is the end of a day: its beginning is 00:00")
	}
}

// checkWholeWeek says which hours no rate has.
func (l *loader) checkWholeWeek(c *Config) {
	if c.Settings.Timezone == "" {
		return // that has been reported
	}
	t, _ := c.Prices()
	for _, part := range t.Week() {
		for _, k := range part.Kinds {
			for _, p := range k.Prices {
				if hours, ok := strings.CutSuffix(p, tariff.NoPrice); ok {
					l.problem("tariff.rates", "no rate has %s of %s, %s: add a last one with a price alone, which holds whenever no other does", strings.TrimSpace(hours), k.Days, part.Days)
					return
				}
			}
		}
	}
}

// LoadTariff reads a tariff from a file: a configuration, of which tariff and settings
// count; or only its keys that say what energy costs; or Tesla's tariff_content_v2. Times
// are in zone if the file names none.
func LoadTariff(path string, zone *time.Location) (t tariff.Table, notices []string, err error) {
	l := loader{open: openFile, now: time.Now, host: func() (string, error) { return "", nil }, origin: map[string]string{}, cycle: map[string]string{}}
	data, _, err := l.read(path)
	if err != nil {
		return tariff.Table{}, nil, fmt.Errorf("%s: %s", path, plain(err))
	}
	file := l.fromFile(data)
	if len(l.problems) == 0 {
		if _, ok := file.tree["seasons"]; ok || file.tree["energy_charges"] != nil {
			t, notices, err = tariff.FromTesla(data, zone)
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			return t, notices, err
		}
	}
	c := l.tariffOf(file, zone)
	for _, n := range l.notices {
		notices = append(notices, n.String())
	}
	if len(l.problems) > 0 {
		return tariff.Table{}, notices, &Error{File: path, Problems: l.problems}
	}
	t, ok := c.Prices()
	if !ok {
		return tariff.Table{}, notices, fmt.Errorf("%s has no prices: give tariff.rates, or tariff.peak_per_kwh and tariff.off_peak_per_kwh", path)
	}
	return t, notices, nil
}

// tariffOf reads the prices in a file, and checks only those.
func (l *loader) tariffOf(file source, zone *time.Location) Config {
	l.checkKeys(file)
	c := withDefaults[Config]()
	for _, section := range []struct {
		name string
		to   any
	}{{"tariff", &c.Tariff}, {"settings", &c.Settings}} {
		k := koanf.New(".")
		if err := k.Load(confmap.Provider(file.tree, ""), nil); err != nil {
			l.problem("", "%s", plain(err))
		}
		if err := k.UnmarshalWithConf(section.name, section.to, koanf.UnmarshalConf{DecoderConfig: decoding()}); err != nil {
			l.misread(err)
		}
	}
	if c.Settings.Timezone == "" && c.Settings.Location == "" {
		c.Settings.Timezone = zone.String()
	}
	own := len(c.Settings.Seasons) > 0
	l.complete(&c)
	l.checkCalendar(&c)
	l.checkBounds(reflect.ValueOf(c.Tariff), "tariff")
	l.checkTariff(&c)
	if !own && len(c.Tariff.Rates) > 0 {
		c.Settings.Seasons = nil // the prices say which hours are expensive
	}
	return c
}

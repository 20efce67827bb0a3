package config

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"powermgr/control/rules"
)

// The prices of settings.seasons are expensive exactly when the controller has a peak, also
// around holidays, midnight and the changes of daylight saving time.
func TestTheSeasonsAndTheirPricesAreTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for i := range 12 {
		c := withDefaults[Config]()
		c.Tariff.PeakPerKWh, c.Tariff.OffPeakPerKWh = 2, 1
		s := &c.Settings
		s.Timezone = []string{"America/Los_Angeles", "America/Santiago", "Australia/Lord_Howe"}[i%3]
		s.Holidays = []string{"us", "2026-07-06", "11-02"}
		s.Seasons = map[string]Season{
			"summer": {Months: []time.Month{5, 6, 7, 8, 9, 10}, Days: []string{"weekdays", "sun"}},
			"winter": {From: 1101, To: 430, Days: []string{"daily"}},
		}
		for name, season := range s.Seasons {
			for at := Minute(30 * rnd.IntN(8)); at < 22*60; {
				end := at + Minute(30*(1+rnd.IntN(8)))
				season.PeakPeriods = append(season.PeakPeriods, PeakPeriod{Start: at, End: end % (24 * 60)})
				at = end + Minute(30*(1+rnd.IntN(6)))
			}
			s.Seasons[name] = season
		}
		prices, ok := c.Prices()
		if !ok {
			t.Fatal("there are no prices")
		}
		cal, reader := c.Calendar(), prices.Reader()
		cal.Lead = 0
		for _, day := range []string{"2026-03-07", "2026-04-04", "2026-07-03", "2026-09-05", "2026-10-03", "2026-10-31"} {
			from, _ := time.ParseInLocation(time.DateOnly, day, cal.Location)
			peak, more := cal.Next(from)
			for m := from; m.Before(from.Add(72 * time.Hour)); m = m.Add(time.Minute) {
				if more && !m.Before(peak.End) {
					peak, more = cal.Next(m)
				}
				p, ok := reader.At(m)
				if in := more && !m.Before(peak.Start); in != p.Peak || !ok || in != (p.Import == 2) {
					t.Fatalf("%s: peak %v, price %+v\n%+v", m, in, p, s.Seasons)
				}
			}
		}
	}
}

func TestRatesThatMakeNoSense(t *testing.T) {
	for _, row := range []struct{ name, rates, want string }{
		{"no price", `[{name: a}]`, "tariff.rates[0].price: it is needed"},
		{"not a number", `[{price: cheap}]`, `tariff.rates[0].price: "cheap" is not a number`},
		{"an unknown key", `[{price: 1, weekdays: [mon]}]`, "tariff.rates[0].weekdays: there is no such key"},
		{"an unknown day", `[{price: 1, days: [monday, someday]}]`, `tariff.rates[0].days: "someday" is not one of mon`},
		{"months and dates", `[{price: 1, months: [5], from: 05-01, to: 06-01}]`, "tariff.rates[0].from: it has months already"},
		{"half of the dates", `[{price: 1, from: 05-01}]`, "tariff.rates[0].from: from and to go together"},
		{"an unknown month", `[{price: 1, months: [13]}]`, "tariff.rates[0].months[0]: 13 is not a month"},
		{"hours without a price", `[{price: 1, start: 06:00, end: 24:00}]`, "tariff.rates: no rate has 00:00–06:00 of Monday to Friday, May 1–October 31: add a last one"},
		{"no price in winter", `[{price: 1, months: [4, 5, 6, 7, 8, 9]}]`, "tariff.rates: no rate has 00:00–24:00 of every day, October 1–March 31"},
		{"seasons beside it", "[{price: 1, peak: true, start: 16:00, end: 20:00}, {price: 1}]\nsettings: {timezone: UTC, seasons: {all: {months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}}}", "settings.seasons: tariff.rates say when power is expensive already"},
		{"always expensive", `[{price: 1, peak: true}]`, "tariff.rates: the peak would never end"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := "tariff:\n  rates: " + row.rates + "\n"
			if !strings.Contains(text, "settings:") {
				text += "settings: {timezone: UTC}\n"
			}
			if _, _, err := load(t, text); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %s", err, row.want)
			}
		})
	}
}

func TestATariffFromAFile(t *testing.T) {
	summer := time.Date(2026, 7, 15, 17, 0, 0, 0, time.UTC) // a Wednesday
	for _, row := range []struct{ name, text, want string }{
		{"rates alone", "tariff:\n  currency: EUR\n  rates:\n  - {name: p, price: 0.5, start: 16:00, end: 21:00, days: weekdays, peak: true}\n  - {price: 0.2, export: 0.1}\n", "EUR 0.5 0 true"},
		{"two prices", "tariff: {peak_per_kwh: 0.4, off_peak_per_kwh: 0.2}\n", "$ 0.4 0 true"},
		{"in another time zone", "settings: {timezone: America/Los_Angeles}\ntariff: {peak_per_kwh: 0.4, off_peak_per_kwh: 0.2}\n", "$ 0.2 0 false"},
		{"rates, and seasons for what is expensive", "settings: {seasons: {all: {months: [1,2,3,4,5,6,7,8,9,10,11,12], peak_periods: [{start: 17:00, end: 18:00}]}}}\ntariff: {rates: [{price: 0.3}]}\n", "$ 0.3 0 true"},
		{"a holiday", "settings: {holidays: [07-15]}\ntariff: {rates: [{price: 0.5, days: weekdays, peak: true}, {price: 0.1, days: holidays}, {price: 0.3}]}\n", "$ 0.1 0 false"},
		{"a whole configuration", base + "mqtt: {url: 'mqtt://broker'}\ntariff: {peak_per_kwh: 0.4, off_peak_per_kwh: 0.2}\n", "0.2 0 false"},
		{"Tesla's", `{"currency": "USD", "energy_charges": {"S": {"rates": {"ON_PEAK": 0.7, "OFF_PEAK": 0.2}}}, "seasons": {"S": {"tou_periods": {"ON_PEAK": {"periods": [{"fromHour": 16, "toHour": 21}]}, "OFF_PEAK": {"periods": [{"fromHour": 21, "toHour": 16}]}}}}}`, "USD 0.7 0 true"},
		{"no prices", "tariff: {currency: $}\n", "has no prices: give tariff.rates"},
		{"a typo", "tariff:\n  rates: [{prise: 1}]\n", "did you mean"},
		{"not YAML", "tariff: [", "line 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tariff.yaml")
			write(t, path, row.text, 0o600)
			table, _, err := LoadTariff(path, time.UTC)
			got := fmt.Sprint(err)
			if err == nil {
				p, _ := table.At(summer)
				got = fmt.Sprint(table.Currency, " ", p.Import, p.Export, p.Peak)
			}
			if !strings.Contains(got, row.want) {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
	if _, _, err := LoadTariff(filepath.Join(t.TempDir(), "none.yaml"), time.UTC); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}

func TestRatesSayWhenTheControllerHasItsPeaks(t *testing.T) {
	c, _, err := load(t, base+`
tariff:
  rates:
    - {name: peak, price: 0.5, days: [weekdays], start: 16:00, end: 21:00, peak: true, precool: false}
    - {price: 0.2}
`)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 7, 15, 16, 0, 0, 0, c.Zone())
	phase, peak := c.Calendar().At(at)
	if phase != rules.InPeak || peak.Season != "peak" || peak.Precool || !peak.End.Equal(at.Add(5*time.Hour)) {
		t.Errorf("%s %+v", phase, peak)
	}
	if phase, _ := c.Rules().Calendar.At(at.Add(-10 * time.Minute)); phase != rules.PrePeak {
		t.Errorf("before it: %s", phase)
	}
}

// An owner who had only filled in rates waited in vain for a report in money.
func TestWhatTheReportCountsWithIsSaid(t *testing.T) {
	const rates = "rates: [{price: 0.5, start: 16:00, end: 21:00}, {price: 0.2}]"
	for _, row := range []struct{ name, tariff, want string }{
		{"rates alone", "{" + rates + "}", "the report says nothing in money: give tariff.peak_per_kwh"},
		{"both", "{peak_per_kwh: 0.5, off_peak_per_kwh: 0.2, " + rates + "}", "the report counts with tariff.peak_per_kwh"},
		{"the two prices", "{peak_per_kwh: 0.5, off_peak_per_kwh: 0.2}", ""},
		{"no prices", "{currency: EUR}", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, notices, err := load(t, base+"tariff: "+row.tariff+"\n")
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for _, n := range notices {
				if n.Key == "tariff.peak_per_kwh" {
					said.WriteString(n.Text)
				}
			}
			if !strings.HasPrefix(said.String(), row.want) || row.want == "" && said.String() != "" {
				t.Errorf("it says %q", said.String())
			}
		})
	}
}

package tesla_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	emulated "powermgr/devices/emulator/tesla"
	"powermgr/devices/tesla"
)

var losAngeles = func() *time.Location {
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return home
}()

func total(buckets []devices.EnergyBucket, of func(devices.EnergyBucket) *devices.WattHours) (wh float64) {
	for _, b := range buckets {
		if v := of(b); v != nil {
			wh += float64(*v)
		}
	}
	return wh
}

// The history of days on which daylight saving time changes, in every known form, adds up
// to the energies of the house.
func TestHistoryOfADay(t *testing.T) {
	for _, day := range []string{"2026-07-15", "2026-11-01", "2027-03-14"} {
		for name, q := range map[string]emulated.HistoryQuirks{
			"plain": {}, "one offset all day": {OneOffset: true}, "padded": {Padded: true}, "without sums": {NoTotals: true},
		} {
			t.Run(day+" "+name, func(t *testing.T) {
				now, err := time.ParseInLocation(time.DateOnly, day, losAngeles)
				if err != nil {
					t.Fatal(err)
				}
				midnight := devices.NextMidnight(now, losAngeles)
				cloud := emulator.New(emulator.Options{Now: func() time.Time { return now }, Location: losAngeles, House: emulator.HouseOptions{SolarPeakW: 7000}})
				emulated.Serve(cloud, emulated.Options{History: q})
				server := httptest.NewServer(cloud.Handler())
				defer server.Close()
				now = midnight
				books := cloud.Truth().Books
				now = now.Add(5 * time.Hour) // the next day has begun
				c, err := tesla.New(tesla.Options{BaseURL: server.URL, APIToken: "emulator-access", SiteID: 1234567890123})
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.History(t.Context(), midnight.Add(-time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if want := int(midnight.Sub(devices.Midnight(midnight.Add(-time.Hour), losAngeles)) / devices.BucketLength); len(got) != want {
					t.Errorf("%d buckets, want %d", len(got), want)
				}
				for name, c := range map[string]struct {
					of   func(devices.EnergyBucket) *devices.WattHours
					want float64
				}{
					"grid in":     {func(b devices.EnergyBucket) *devices.WattHours { return b.GridImport }, books.Import},
					"grid out":    {func(b devices.EnergyBucket) *devices.WattHours { return b.GridExport }, books.Export},
					"solar":       {func(b devices.EnergyBucket) *devices.WattHours { return b.Solar }, books.Solar},
					"battery in":  {func(b devices.EnergyBucket) *devices.WattHours { return b.BatteryIn }, books.BatteryIn},
					"battery out": {func(b devices.EnergyBucket) *devices.WattHours { return b.BatteryOut }, books.BatteryOut},
					"home":        {func(b devices.EnergyBucket) *devices.WattHours { return b.Home }, books.Home},
				} {
					if wh := total(got, c.of); math.Abs(wh-c.want) > 1 {
						t.Errorf("%s: %.1f Wh, the books have %.1f", name, wh, c.want)
					}
				}
			})
		}
	}
}

// The body is as published by Tesla.
const historyBody = `{"response":{"period":"day","installation_time_zone":"America/Los_Angeles","time_series":[{"timestamp":"2023-06-01T01:00:00-07:00",
 "solar_energy_exported":70940,"generator_energy_exported":0,"grid_energy_imported":521,"grid_services_energy_imported":17.53,"grid_services_energy_exported":3.8,
 "grid_energy_exported_from_solar":43660,"grid_energy_exported_from_generator":0,"grid_energy_exported_from_battery":19,
 "battery_energy_exported":10030,"battery_energy_imported_from_grid":80,"battery_energy_imported_from_solar":16800,"battery_energy_imported_from_generator":0,
 "consumer_energy_imported_from_grid":441,"consumer_energy_imported_from_solar":10480,"consumer_energy_imported_from_battery":10011,"consumer_energy_imported_from_generator":0,
 "total_home_usage":20932,"total_battery_charge":16880,"total_battery_discharge":10030,"total_solar_generation":70940,"total_grid_energy_exported":43679}]}}`

func TestHistoryBodies(t *testing.T) {
	entry := func(stamp, fields string) string { return fmt.Sprintf(`{"timestamp":%q,%s}`, stamp, fields) }
	series := func(entries ...string) string {
		return `{"response":{"time_series":[` + strings.Join(entries, ",") + `]}}`
	}
	const home = `"consumer_energy_imported_from_grid":100`
	for _, c := range []struct{ name, body, want string }{
		{"Tesla's own", historyBody, "01:00 521 43679 70940 16880 10030 20932"},
		{"only the sums", series(entry("2023-06-01T02:00:00-07:00", `"total_home_usage":7,"total_battery_charge":6,"total_battery_discharge":5,"total_solar_generation":4,"total_grid_energy_exported":3`)), "02:00 – 3 4 6 5 7"},
		{"a row of zeros is none", series(entry("2023-06-01T02:00:00-07:00", `"grid_energy_imported":0,"total_home_usage":0`)), ""},
		{"from another day", series(entry("2023-06-02T00:00:00-07:00", home), entry("2023-05-31T23:55:00-07:00", home)), ""},
		{"in any order", series(entry("2023-06-01T03:00:00-07:00", home), entry("2023-06-01T02:00:00-07:00", home)), "02:00 – – – – – 100; 03:00 – – – – – 100"},
		{"the same timestamp twice", series(entry("2023-06-01T02:00:00-07:00", home), entry("2023-06-01T02:00:00-07:00", home), entry("2023-06-01T02:05:00-07:00", home)), "02:05 – – – – – 100"},
		{"not on a step of five minutes", series(entry("2023-06-01T02:01:00-07:00", home)), ""},
		{"no timestamp", series(entry("yesterday", home)), ""},
		{"impossible values", series(entry("2023-06-01T02:00:00-07:00", `"grid_energy_imported":-50,"solar_energy_exported":1e9,`+home)), "02:00 – – – – – 100"},
		{"a meter that runs back a little", series(entry("2023-06-01T02:00:00-07:00", `"grid_energy_imported":-0.4,`+home)), "02:00 0 – – – – 100"},
		{"nothing yet", `{"response":{"time_series":[]}}`, ""},
		{"null", `{"response":null}`, "nonsense"},
		{"empty", `{"response":""}`, "nonsense"},
		{"another form", `{"response":{"time_series":{}}}`, "nonsense"},
		{"a page", `<html>`, "nonsense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t).on("GET calendar_history", 200, c.body)
			buckets, err := s.client(t, nil).History(context.Background(), time.Date(2023, 6, 1, 13, 0, 0, 0, losAngeles))
			var lines []string
			for _, b := range buckets {
				var line strings.Builder
				line.WriteString(b.Start.Format("15:04"))
				for _, v := range []*devices.WattHours{b.GridImport, b.GridExport, b.Solar, b.BatteryIn, b.BatteryOut, b.Home} {
					if v == nil {
						line.WriteString(" –")
					} else {
						line.WriteString(fmt.Sprintf(" %g", float64(*v)))
					}
				}
				lines = append(lines, line.String())
			}
			got := strings.Join(lines, "; ")
			if err != nil {
				got = devices.KindOf(err).String()
			}
			if got != c.want {
				t.Errorf("%s (%v), want %s", got, err, c.want)
			}
		})
	}
}

func TestHistoryAsksForOneLocalDay(t *testing.T) {
	var query string
	s := newServer(t).handle("GET calendar_history", func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		http.Error(w, `{"response":{"time_series":[]}}`, http.StatusOK)
	})
	if _, err := s.client(t, nil).History(context.Background(), time.Date(2026, 11, 1, 1, 30, 0, 0, losAngeles)); err != nil {
		t.Fatal(err)
	}
	const want = "end_date=2026-11-01T23%3A59%3A59-08%3A00&kind=energy&period=day&start_date=2026-11-01T00%3A00%3A00-07%3A00&time_zone=America%2FLos_Angeles"
	if query != want {
		t.Errorf("asked with\n%s, want\n%s", query, want)
	}
}

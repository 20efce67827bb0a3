package tesla_test

import (
	"encoding/json"
	"math"
	"net/url"
	"testing"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/tesla"
)

// told returns one answer of calendar_history, for the local date of day.
func (v *visit) told(day time.Time) []map[string]any {
	v.T.Helper()
	y, m, d := day.In(pacific).Date()
	return v.toldBetween(time.Date(y, m, d, 0, 0, 0, 0, pacific), time.Date(y, m, d, 23, 59, 59, 0, pacific))
}

func (v *visit) toldBetween(from, until time.Time) []map[string]any {
	v.T.Helper()
	q := url.Values{"kind": {"energy"}, "period": {"day"}, "time_zone": {"America/Los_Angeles"}, "start_date": {from.Format(time.RFC3339)}, "end_date": {until.Format(time.RFC3339)}}
	b, err := json.Marshal(v.Get(site + "calendar_history?" + q.Encode())["time_series"])
	var series []map[string]any
	if err != nil || json.Unmarshal(b, &series) != nil {
		v.T.Fatal(err)
	}
	return series
}

func sum(series []map[string]any, names ...string) (wh float64) {
	for _, e := range series {
		for _, name := range names {
			f, _ := e[name].(float64)
			wh += f
		}
	}
	return wh
}

// The history has all the energies of the house, each once.
func TestHistoryIsTheBooks(t *testing.T) {
	v := newVisit(t, emulator.HouseOptions{SolarPeakW: 6000}, tesla.Options{})
	v.now = time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)
	v.cloud.Truth()
	for range 12*60 - 1 {
		v.now = v.now.Add(time.Minute)
		v.cloud.Truth()
	}
	books, series := v.cloud.Truth().Books, v.told(v.now)
	if len(series) != 144 {
		t.Errorf("%d entries of 12 hours", len(series))
	}
	for name, c := range map[string]struct {
		want float64
		got  []string
	}{
		"solar":       {books.Solar, []string{"solar_energy_exported"}},
		"import":      {books.Import, []string{"grid_energy_imported"}},
		"export":      {books.Export, []string{"grid_energy_exported_from_solar", "grid_energy_exported_from_battery"}},
		"battery in":  {books.BatteryIn, []string{"battery_energy_imported_from_grid", "battery_energy_imported_from_solar"}},
		"battery out": {books.BatteryOut, []string{"battery_energy_exported"}},
		"home":        {books.Home, []string{"consumer_energy_imported_from_grid", "consumer_energy_imported_from_solar", "consumer_energy_imported_from_battery"}},
		"all home":    {books.Home, []string{"total_home_usage"}},
	} {
		if got := sum(series, c.got...); math.Abs(got-c.want) > 1 || c.want < 100 && name != "export" {
			t.Errorf("%s: %.1f Wh, the books have %.1f", name, got, c.want)
		}
	}
}

func TestHistoryQuirks(t *testing.T) {
	live := func(q tesla.HistoryQuirks) *visit {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
		v.now = time.Date(2026, 7, 15, 18, 0, 0, 0, pacific)
		v.cloud.Truth() // the house exists since noon
		v.api.SetHistory(q)
		return v
	}
	whole := sum(live(tesla.HistoryQuirks{}).told(time.Date(2026, 7, 15, 1, 0, 0, 0, pacific)), "total_home_usage")
	day := func(v *visit) []map[string]any { return v.told(v.now) }
	t.Run("late", func(t *testing.T) {
		if s := day(live(tesla.HistoryQuirks{LagSeconds: 600})); len(s) != 70 {
			t.Errorf("%d entries", len(s))
		}
	})
	t.Run("revised", func(t *testing.T) {
		v := live(tesla.HistoryQuirks{RevisedSeconds: 3600})
		before := sum(day(v)[:72], "total_home_usage")
		v.now = v.now.Add(2 * time.Hour)
		if after := sum(day(v)[:72], "total_home_usage"); before > after-100 || math.Abs(after-whole) > 1 {
			t.Errorf("%.0f Wh, later %.0f of %.0f", before, after, whole)
		}
	})
	t.Run("missing, always the same", func(t *testing.T) {
		v := live(tesla.HistoryQuirks{Missing: 0.2})
		if a, b := day(v), day(v); len(a) > 68 || len(a) < 45 || len(a) != len(b) || a[3]["timestamp"] != b[3]["timestamp"] {
			t.Errorf("%d and %d entries", len(a), len(b))
		}
	})
	t.Run("padded with zeros to the end of the day", func(t *testing.T) {
		if s := day(live(tesla.HistoryQuirks{Padded: true})); len(s) != 143 || sum(s[73:], "total_home_usage") != 0 {
			t.Errorf("%d entries, %v", len(s), s[len(s)-1])
		}
	})
	t.Run("without sums", func(t *testing.T) {
		if e := day(live(tesla.HistoryQuirks{NoTotals: true}))[0]; e["total_home_usage"] != nil || e["grid_energy_imported"] == nil {
			t.Error(e)
		}
	})
	t.Run("an end at midnight answers zeros", func(t *testing.T) {
		v := live(tesla.HistoryQuirks{})
		midnight := time.Date(2026, 7, 15, 0, 0, 0, 0, pacific)
		if s := v.toldBetween(midnight, midnight.AddDate(0, 0, 1)); len(s) == 0 || sum(s, "total_home_usage") != 0 {
			t.Errorf("%d entries, %.0f Wh", len(s), sum(s, "total_home_usage"))
		}
	})
}

// A day on which daylight saving time changes has 276 or 300 entries, each at its own
// instant, however the offsets are written.
func TestHistoryOfDaysOnWhichTheClockChanges(t *testing.T) {
	for day, want := range map[string]int{"2027-03-14": 276, "2026-11-01": 300} {
		for _, q := range []tesla.HistoryQuirks{{}, {OneOffset: true}} {
			v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
			at, err := time.ParseInLocation(time.DateOnly, day, pacific)
			if err != nil {
				t.Fatal(err)
			}
			v.api.SetHistory(q)
			v.now = at.AddDate(0, 0, 1)
			v.cloud.Truth()
			seen, last := map[string]bool{}, time.Time{}
			for _, e := range v.told(at) {
				stamp, _ := e["timestamp"].(string)
				now, err := time.Parse(time.RFC3339, stamp)
				if err != nil || !now.After(last) {
					t.Fatalf("%s after %s", stamp, last)
				}
				seen[stamp[19:]], last = true, now
			}
			if n := len(v.told(at)); n != want || len(seen) != map[bool]int{true: 1, false: 2}[q.OneOffset] {
				t.Errorf("%s has %d entries with offsets %v", day, n, seen)
			}
		}
	}
}

func TestHistoryRefusesWhatItDoesNotTell(t *testing.T) {
	v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
	for _, q := range []string{"", "?kind=power&period=day", "?kind=energy&period=day&start_date=x&end_date=y", "?kind=energy&period=day&start_date=2026-07-15T00:00:00Z&end_date=2026-07-15T23:59:59Z&time_zone=Mars/North"} {
		if status, _ := v.Do("GET", site+"calendar_history"+q, ""); status != 400 {
			t.Errorf("%q: %d", q, status)
		}
	}
	if status, body := v.Do("POST", "/emulator/history", `{"lag_seconds": 60, "padded": true}`); status != 200 {
		t.Error(status, body)
	}
	if status, _ := v.Do("POST", "/emulator/history", `{"lagging": 60}`); status != 400 {
		t.Error("an unknown quirk is accepted")
	}
}

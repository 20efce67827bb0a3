package report

import (
	"fmt"
	"math"
	"testing"
	"time"

	"powermgr/devices"
)

func TestQuartersOfADay(t *testing.T) {
	series := func(n int, w float64) (s Series) {
		for range n {
			s = append(s, w)
		}
		return s
	}
	for _, row := range []struct {
		name, date string
		samples    int
		quarters   int
		last       string
	}{
		{"a day", "2026-07-15", 288, 96, "2026-07-15T23:45:00-07:00"},
		{"on which summer time begins", "2026-03-08", 276, 92, "2026-03-08T23:45:00-07:00"},
		{"on which it ends", "2026-11-01", 300, 100, "2026-11-01T23:45:00-08:00"},
		{"that was cut short", "2026-07-15", 100, 34, "2026-07-15T08:15:00-07:00"},
		{"of which nothing is known", "2026-07-15", 0, 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := again(t, Record{Version: Version, Date: row.date, Timezone: "America/Los_Angeles", Samples: Samples{
				Home: series(row.samples, 1200), Grid: series(row.samples, -400), Battery: series(row.samples, 800), Charge: series(row.samples, 50),
			}})
			all := r.Quarters()
			if len(all) != row.quarters {
				t.Fatalf("%d quarters, want %d", len(all), row.quarters)
			}
			if len(all) == 0 {
				return
			}
			q := all[0]
			if got := fmt.Sprintf("%.2f %.2f %.2f %.2f %.2f", *q.Home, *q.GridIn, *q.GridOut, *q.BatteryOut, *q.BatteryIn); got != "0.30 0.00 0.10 0.20 0.00" || q.Solar != nil {
				t.Errorf("%s, sun %v", got, q.Solar)
			}
			if got := all[len(all)-1].Start.Format("2006-01-02T15:04:05Z07:00"); got != row.last {
				t.Errorf("the last one is %s, want %s", got, row.last)
			}
		})
	}
}

// A quarter with a sample that is unknown is no smaller one.
func TestAGapInAQuarterIsAGap(t *testing.T) {
	r := again(t, Record{Version: Version, Date: "2026-07-15", Timezone: "UTC", Samples: Samples{
		Home: Series{1000, math.NaN(), 1000, 1000, 1000, 1000}, Charge: Series{50},
	}})
	all := r.Quarters()
	if len(all) != 2 || all[0].Home != nil || *all[0].Charge != 50 || all[1].Home == nil || math.Abs(*all[1].Home-0.25) > 1e-9 {
		t.Errorf("%+v", all)
	}
}

// A reading every ten minutes does not fall into the first five minutes of a day
// or into the last ones; the quarters at midnight had no figures.
func TestNoQuarterIsLostAtMidnight(t *testing.T) {
	for _, row := range []struct {
		name, from string
		first      time.Duration
		every      time.Duration
		quarters   int
	}{
		{"every 10 minutes from :01", "2026-07-15 00:00", time.Minute, 10 * time.Minute, 96},
		{"every 10 minutes from :06", "2026-07-15 00:00", 6 * time.Minute, 10 * time.Minute, 96},
		{"every 15 minutes", "2026-07-15 00:00", 14 * time.Minute, 15 * time.Minute, 96},
		{"every 25 minutes", "2026-07-15 00:00", 7 * time.Minute, 25 * time.Minute, 96},
		{"when summer time begins, from :01", "2026-03-07 00:00", time.Minute, 10 * time.Minute, 92},
		{"when summer time begins, from :06", "2026-03-07 00:00", 6 * time.Minute, 10 * time.Minute, 92},
		{"when it ends, from :01", "2026-10-31 00:00", time.Minute, 10 * time.Minute, 100},
		{"when it ends, from :06", "2026-10-31 00:00", 6 * time.Minute, 10 * time.Minute, 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHome(t, row.from)
			at := h.now.Add(row.first)
			day := func() Record {
				for ; at.Before(h.r.end); at = at.Add(row.every) {
					h.now = at
					h.says(topics.Powerwall("state"), devices.PowerwallReading{
						PolledAt: at, ChargePercent: new(devices.Percent(50)), HomePower: new(devices.Watts(1200)),
						SolarPower: new(devices.Watts(400)), GridPower: new(devices.Watts(800)), BatteryPower: new(devices.Watts(0)),
					})
				}
				return again(t, h.midnight())
			}
			first, second := day(), day()
			if all := first.Quarters(); all[len(all)-1].Home == nil || all[len(all)-1].Start.Format(time.TimeOnly) != "23:45:00" {
				t.Errorf("the first day ends with %+v", all[len(all)-1])
			}
			all := second.Quarters()
			if len(all) != row.quarters {
				t.Errorf("%d quarters, want %d", len(all), row.quarters)
			}
			for _, q := range all {
				if q.Home == nil || q.Solar == nil || q.GridIn == nil || q.BatteryIn == nil || q.Charge == nil {
					t.Errorf("%v: %+v", q.Start, q)
				}
			}
		})
	}
}

// A vendor that was away at midnight leaves a gap there.
func TestAGapAtMidnightIsAGap(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.until("23:10")
	day := h.midnight()
	if n := len(day.Samples.Home); n >= 284 {
		t.Errorf("%d samples of a day whose last reading was at 23:10", n)
	}
	if n := len(h.r.Samples.Home); n != 0 {
		t.Errorf("the next day begins with %v", h.r.Samples.Home)
	}
}

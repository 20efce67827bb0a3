package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// What keeps a reserve from being sent, and what does not.
func TestTheGatesOfAReserve(t *testing.T) {
	percent := func(v int) devices.Setting { return devices.Setting{Reserve: &v} }
	for _, c := range []struct {
		name string
		when string
		with func(*world)
		want []string
	}{
		{"what has to go back does so, whatever one reading left in doubt", "2026-07-15 16:10", func(w *world) {
			w.start().until("18:59").take()
			w.mode = "backup"
			w.step(BatteryRead{w.battery()})
			w.mute[Powerwall] = true
			w.forth(time.Minute)
		}, []string{"powerwall 100"}},
		{"a plan that ends as a person may have chosen a reserve", "2026-07-15 12:00", func(w *world) {
			w.s.Settings.Strategy, w.s.Settings.PlanMinReserve = StrategyPlan, 10
			w.start().plan(10)
			w.forth(10 * time.Minute)
			w.take()
			w.reserve, w.s.Unwritable = 60, true
			w.step(BatteryRead{w.battery()})
			w.forth(10 * time.Minute)
		}, nil},
		{"a person's choice is put back once a write has landed over it", "2026-07-15 16:10", func(w *world) {
			w.s.Persisted.Battery = chosen(w, percent(0), FlightOf(100, 50, w.now), FlightOf(0, 50, w.now))
			w.reserve = 0
			w.step(BatteryRead{w.battery()})
		}, []string{"powerwall 50"}},
		{"and not before the last one has", "2026-07-15 16:10", func(w *world) {
			w.s.Persisted.Battery = chosen(w, percent(0), FlightOf(100, 50, w.now), FlightOf(0, 50, w.now))
			w.reserve = 100
			w.step(BatteryRead{w.battery()})
		}, nil},
		{"without a reading the peak's reserve goes back", "2026-07-15 20:00", func(w *world) {
			w.s.Persisted.Battery = BatteryRecord{Writes: Writes{Wanted: percent(0), Confirmed: true, WrittenAt: w.now.Add(-time.Hour)}, AtPeak: true}
			w.mute[Powerwall] = true
			w.forth(devices.RestoreRetry + time.Minute)
		}, []string{"powerwall 100"}},
		{"and so does it if what was in doubt would be over", "2026-07-15 20:00", func(w *world) {
			w.s.Persisted.Battery = BatteryRecord{Writes: Writes{Wanted: percent(0), Confirmed: true, WrittenAt: w.now.Add(-time.Hour)}, AtPeak: true, Doubt: Doubt{Polled: w.now.Add(-2 * time.Hour)}}
			w.s.Persisted.PeakEnd = w.now.Add(-time.Hour)
			w.mute[Powerwall] = true
			w.forth(devices.RestoreRetry + time.Minute)
		}, []string{"powerwall 100"}},
		{"and what a person may have chosen since does not", "2026-07-15 20:00", func(w *world) {
			w.s.Persisted.Battery = BatteryRecord{Writes: Writes{Wanted: percent(0), Confirmed: true, WrittenAt: w.now.Add(-time.Hour)}, AtPeak: true, Doubt: Doubt{Polled: w.now.Add(-time.Minute)}}
			w.s.Persisted.PeakEnd = w.now.Add(-time.Hour)
			w.mute[Powerwall] = true
			w.forth(devices.RestoreRetry + time.Minute)
		}, nil},
		{"and what a person has chosen since does not", "2026-07-15 20:00", func(w *world) {
			w.s.Persisted.Battery = chosen(w, percent(0))
			w.s.Persisted.Battery.AtPeak = true
			w.mute[Powerwall] = true
			w.forth(devices.RestoreRetry + time.Minute)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.when)
			c.with(w)
			w.want(c.want...)
		})
	}
}

// chosen returns the record of a battery whose reserve a person has just set to 50 %,
// while writes of the rules were on their way.
func chosen(w *world, wanted devices.Setting, flights ...Flight) BatteryRecord {
	return BatteryRecord{
		Mode:   w.mode,
		Writes: Writes{Wanted: wanted, WrittenAt: w.now, Flights: flights},
		Choice: &Choice{At: w.now, What: "reserve set to 50 %", Reserve: new(50)},
	}
}

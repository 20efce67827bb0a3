package rules_test

import (
	"slices"
	"testing"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// Two nodes that did not see each other have both set a thermostat.
func TestOfTwoClaimsTheLaterOneCounts(t *testing.T) {
	claim := func(from, to float64, written string) ThermostatRecord {
		h := ThermostatRecord{Claim: &Claim{
			Baseline: Baseline{Setting: devices.Setting{Cool: &from, Hold: devices.HoldPermanent}, Mode: "cool"},
			Writes:   Writes{Wanted: devices.Setting{Cool: &to, Hold: devices.HoldPermanent}, WrittenAt: at("2026-07-15 " + written)}, Kind: Setback,
		}}
		h.Claim.Flights = []Flight{{Setting: h.Claim.Wanted, At: h.Claim.WrittenAt}}
		h.LastWrite = h.Claim.WrittenAt
		return h
	}
	for _, c := range []struct {
		name           string
		higher, lower  ThermostatRecord
		wanted, goesTo float64
		flights        []float64
	}{
		{"the other node alone has one", ThermostatRecord{}, claim(74, 76, "16:00"), 76, 74, []float64{76}},
		{"one over the other's", claim(76, 78, "16:10"), claim(74, 76, "16:00"), 78, 74, []float64{76, 78}},
		{"both over the same", claim(74, 78, "16:10"), claim(74, 76, "16:00"), 78, 74, []float64{76, 78}},
		{"the lower version is the later one", claim(74, 76, "16:10"), claim(74, 80, "17:00"), 80, 74, []float64{76, 80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := mustJSON(t, c.higher)
			got := c.higher.With(c.lower)
			var flights []float64
			for _, f := range got.Claim.Flights {
				flights = append(flights, *f.Cool)
			}
			if *got.Claim.Wanted.Cool != c.wanted || *got.Claim.Baseline.Cool != c.goesTo || !slices.Equal(flights, c.flights) {
				t.Errorf("wants %g, goes back to %g, on their way %v", *got.Claim.Wanted.Cool, *got.Claim.Baseline.Cool, flights)
			}
			if mustJSON(t, c.higher) != before {
				t.Error("it has changed what it was given")
			}
			if again := got.With(c.lower); mustJSON(t, again) != mustJSON(t, got) {
				t.Errorf("once more: %s", mustJSON(t, again))
			}
		})
	}
}

// Writes that differ only in the set point that the mode does not use are different
// writes.
func TestAWriteForTheOtherSetPointIsAnother(t *testing.T) {
	claim := func(heat float64, goal Goal, written string) ThermostatRecord {
		h := ThermostatRecord{Claim: &Claim{
			Baseline: Baseline{Setting: devices.Setting{Cool: new(85.0), Heat: new(84.0), Hold: devices.HoldPermanent}, Mode: "cool"},
			Writes:   Writes{Wanted: devices.Setting{Cool: new(85.0), Heat: &heat, Hold: devices.HoldPermanent}, WrittenAt: at("2026-07-15 " + written)}, Kind: goal,
		}}
		h.Claim.Flights = []Flight{{Setting: h.Claim.Wanted, At: h.Claim.WrittenAt}}
		return h
	}
	got := claim(84, Restore, "19:00").With(claim(82, Setback, "18:50")).Claim
	if *got.Wanted.Heat != 84 || len(got.Flights) != 2 || *got.Flights[0].Heat != 82 {
		t.Errorf("%s", mustJSON(t, got))
	}
	w := newWorld(t, "2026-07-15 19:01")
	w.s.Persisted.Thermostats = map[string]ThermostatRecord{"up": claim(82, Setback, "18:50")}
	w.s.Pending = map[string]Pending{"up": {Tries: 3}}
	w.step(Recovered{Persisted{Thermostats: map[string]ThermostatRecord{"up": claim(84, Restore, "19:00")}}})
	if p, ok := w.s.Pending["up"]; ok {
		t.Errorf("what became of one says nothing of the other: %+v", p)
	}
}

// The node with the higher version may have been active only for a moment, hours ago.
func TestWhatAPersonChoseLastCounts(t *testing.T) {
	t.Run("for the battery", func(t *testing.T) {
		stale := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(0)}, WrittenAt: at("2026-07-15 16:00"), Flights: []Flight{FlightOf(0, 100, at("2026-07-15 16:00"))}}, AtPeak: true}
		choice := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}, Confirmed: true, WrittenAt: at("2026-07-15 16:20")}, Choice: &Choice{At: at("2026-07-15 18:00"), What: "reserve set to 60 %"}}
		if got := stale.With(choice); got.Choice == nil || *got.Wanted.Reserve != 100 || !got.AtPeak || len(got.Flights) != 1 {
			t.Errorf("%s", mustJSON(t, got))
		}
		stale.WrittenAt = at("2026-07-15 18:30")
		if got := stale.With(choice); got.Choice != nil {
			t.Error("an earlier choice counts, which was overtaken")
		}
	})
	t.Run("for a thermostat", func(t *testing.T) {
		stale := ThermostatRecord{LastWrite: at("2026-07-15 16:00")}
		choice := ThermostatRecord{Choice: &Choice{At: at("2026-07-15 18:00"), What: "set to cool 72"}}
		if got := stale.With(choice); got.Choice == nil {
			t.Errorf("%s", mustJSON(t, got))
		}
	})
	t.Run("for the home", func(t *testing.T) {
		higher := HomeRecord{Override: Override{Kind: OverridePeak}, LastUserInput: at("2026-07-15 17:00"), Latched: []int{60}, PeakEnd: at("2026-07-15 19:00")}
		lower := HomeRecord{Override: Override{Kind: OverridePause}, LastUserInput: at("2026-07-15 17:30"), Latched: []int{120}, PeakEnd: at("2026-07-15 19:00")}
		if got := higher.With(lower); got.Override.Kind != OverridePause || !slices.Equal(got.Latched, []int{60, 120}) {
			t.Errorf("%s", mustJSON(t, got))
		}
	})
}

// A record from before the peak does not hide anything that has happened in it.
func TestAnEventThatBeganLaterCounts(t *testing.T) {
	event := &Stretch{Start: at("2026-07-15 15:30"), End: at("2026-07-15 19:00")}
	during := HomeRecord{Window: event, PeakEnd: event.End, Latched: []int{120}}
	for name, before := range map[string]HomeRecord{
		"of nothing":         {},
		"of the day before":  {PeakEnd: at("2026-07-14 19:00"), PeakOver: true, Latched: []int{60}},
		"of another stretch": {Window: &Stretch{Start: at("2026-07-15 10:00"), End: at("2026-07-15 12:00")}},
	} {
		if got := before.With(during); got.Window != event || !slices.Equal(got.Latched, []int{120}) || got.PeakOver {
			t.Errorf("%s: %s", name, mustJSON(t, got))
		}
	}
	after := HomeRecord{PeakEnd: event.End, PeakOver: true}
	if got := after.With(during); got.Window != nil || !got.PeakOver {
		t.Errorf("an event that is over is open again: %s", mustJSON(t, got))
	}
}

// A node that had not seen the end of the peak discarded a choice that a person had made
// since, because it continued from its old record of the event.
func TestAnOldEventEndsNoLaterChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 19:20")
	w.reserve = 60
	k := Persisted{HomeRecord: HomeRecord{Window: &Stretch{Start: at("2026-07-15 15:30"), End: at("2026-07-15 19:00")}}}
	k.Battery = BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}, Confirmed: true, WrittenAt: at("2026-07-15 19:00")}, Mode: "self_consumption", Choice: &Choice{At: at("2026-07-15 19:12"), What: "reserve set to 60 %"}}
	k.Thermostats = map[string]ThermostatRecord{"up": {Choice: &Choice{At: at("2026-07-15 17:00"), What: "set to cool 72"}, Window: k.Window.Start}}
	w.step(Recovered{k})
	w.start().until("19:40").want()
	if w.s.Persisted.Battery.Choice == nil || w.s.Persisted.Thermostats["up"].Choice != nil || w.s.Persisted.Window != nil {
		t.Errorf("%s", mustJSON(t, w.s.Persisted))
	}
}

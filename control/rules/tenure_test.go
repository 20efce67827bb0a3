package rules

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"powermgr/devices"
)

// TestEveryRowOfTheTablesIsWhole: each cause occurs for at least one kind of device, and
// each row has an effect and a tenure.
func TestEveryRowOfTheTablesIsWhole(t *testing.T) {
	met := map[Cause]bool{}
	for _, table := range []Table{ReserveTable(), ThermostatTable()} {
		if len(table) != len(Tenures()) {
			t.Errorf("a table has %d tenures, and there are %d", len(table), len(Tenures()))
		}
		for from, rows := range table {
			for c, row := range rows {
				met[c] = true
				if row.Effect == "" || !slices.Contains(Tenures(), row.To) {
					t.Errorf("%s, %s: %v", from, c, row)
				}
			}
		}
	}
	for _, c := range Causes() {
		if !met[c] {
			t.Errorf("%s is in no table", c)
		}
	}
}

// records yields everything that can be on record for a battery, with few values for each
// field.
func records(yield func(BatteryRecord)) {
	values := []*int{nil, new(0), new(20), new(80), new(100)}
	at := time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC)
	for _, wanted := range values {
		for _, before := range values {
			for _, flights := range [][]Flight{nil, {FlightOf(0, 100, at)}, {FlightOf(100, 0, at)}, {FlightOf(0, 100, at), FlightOf(100, 100, at)}} {
				for _, choice := range []*Choice{nil, {At: at}, {At: at, Reserve: new(50)}, {At: at, Reserve: new(100)}} {
					for flags := range 4 {
						k := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: wanted}, Before: devices.Setting{Reserve: before}, Flights: flights, WrittenAt: at, Confirmed: flags&1 > 0}, Choice: choice, AtPeak: flags&2 > 0}
						if wanted == nil && (before != nil || k.Confirmed) {
							continue // forgotten as one
						}
						yield(k)
					}
				}
			}
		}
	}
}

// TestWhatCannotHappenDoesNot: whatever is on record and whatever is shown, the
// table has an answer, and what is on record afterwards is in the tenure that it
// names.
func TestWhatCannotHappenDoesNot(t *testing.T) {
	polls := []time.Duration{time.Minute, 3 * time.Minute, time.Hour}
	met := map[Tenure]map[Cause]bool{}
	for _, from := range Tenures() {
		met[from] = map[Cause]bool{}
	}
	records(func(k BatteryRecord) {
		for _, shown := range []*int{nil, new(0), new(20), new(50), new(80), new(100)} {
			for _, after := range polls {
				for flags := range 8 {
					discharge, owner, lifted := flags&1 > 0, flags&2 > 0, flags&4 > 0 && k.Choice == nil && shown != nil && k.Wanted.Reserve != nil
					polled := k.WrittenAt.Add(after)
					st := step{State: State{Settings: Settings{OffPeakReserve: 100}, Persisted: Persisted{Battery: k}}, now: polled}
					st.Settings.Calendar.Location = time.UTC
					st.plan.Discharge = discharge
					l := ReserveLedger{Record: k, OffPeak: 100, Discharge: discharge, Owner: owner, Lifted: lifted, ReadLast: k.WrittenAt}
					c, from := AttributeReserve(l, shown, polled), k.tenure(discharge)
					met[from][c] = true
					row, ok := reserveTable.Next(from, c)
					if !ok {
						t.Fatalf("%s, %s cannot happen, and has: %+v shows %v", from, c, k, shown)
					}
					b := Battery{Reserve: shown, Polled: polled}
					st.transitionBattery(b, c)
					if st.doubted(Powerwall) {
						st.recall(Powerwall)
						b.Polled = polled.Add(devices.ShownWithin)
						st.transitionBattery(b, c) // once more: one odd figure decides nothing
					}
					if got := st.Persisted.Battery.tenure(discharge); got != row.To {
						t.Fatalf("%s, %s: %s, not %s: %+v shows %v", from, c, got, row.To, k, *shown)
					}
				}
			}
		}
	})
	records(func(k BatteryRecord) {
		for _, phase := range []Phase{OffPeak, InPeak} {
			for _, holds := range []bool{true, false} {
				k.Mode = "self_consumption"
				b := Battery{Mode: "autonomous", Polled: k.WrittenAt.Add(time.Minute)}
				st := step{State: State{Persisted: Persisted{Battery: k}}, now: b.Polled}
				st.Settings.Calendar.Location = time.UTC
				st.plan.Discharge, st.plan.Phase = holds, phase
				from := k.tenure(holds)
				met[from][ModeMoved] = true
				row := reserveTable[from][ModeMoved]
				st.transitionBattery(b, AttributeMode(k.Mode, b.Mode))
				if st.doubted(Powerwall) {
					st.recall(Powerwall)
					b.Polled = b.Polled.Add(devices.ShownWithin)
					st.transitionBattery(b, ModeMoved)
				}
				want := row.To
				if phase == OffPeak {
					want = cmp.Or(row.Outside, row.To)
				}
				if got := st.Persisted.Battery; got.tenure(holds) != want || got.Mode != b.Mode {
					t.Fatalf("%s, %s: %s in %q, not %s: %+v", from, phase, got.tenure(holds), got.Mode, want, k)
				}
			}
		}
	})
	for _, from := range Tenures() {
		for _, c := range Causes() {
			if _, can := reserveTable.Next(from, c); can && !met[from][c] {
				t.Errorf("%s, %s never happened", from, c)
			}
		}
	}
}

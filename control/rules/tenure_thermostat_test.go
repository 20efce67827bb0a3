package rules

import (
	"testing"
	"time"

	"powermgr/devices"
)

var written = time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC)

// settings returns what a thermostat can show or be asked for, with few values for each
// field.
func settings() []devices.Setting {
	set := func(cool, heat float64, hold devices.Hold) devices.Setting {
		s := devices.Setting{Cool: &cool, Heat: &heat, Hold: hold}
		if hold == devices.HoldUntil {
			s.Until = written.Add(30 * time.Minute)
		}
		return s
	}
	return []devices.Setting{
		set(76, 68, devices.HoldSchedule), set(76, 68, devices.HoldPermanent), set(78, 68, devices.HoldPermanent),
		set(78, 68, devices.HoldUntil), set(78, 66, devices.HoldPermanent), set(73, 66, devices.HoldPermanent), set(76, 68, ""), set(78, 68, ""),
	}
}

// claims yields what can be on record of a write. Nil means none.
func claims(yield func(*Claim)) {
	yield(nil)
	all := settings()
	for _, baseline := range all[:2] {
		for _, wanted := range []devices.Setting{all[2], all[3], all[7]} {
			for _, kind := range []Goal{Setback, Restore} {
				for _, mode := range []devices.HVACMode{"", devices.Off} {
					for flags := range 6 {
						claim := Claim{Baseline: Baseline{baseline, devices.HeatCool}, Writes: Writes{Before: baseline, Wanted: wanted, WrittenAt: written}, Kind: kind, Mode: mode, Period: "1"}
						if claim.Confirmed = flags&1 > 0; !claim.Confirmed {
							claim.Flights = []Flight{{Setting: wanted, At: written}}
						}
						if flags&2 > 0 {
							claim.Contested = true
						}
						if flags&4 > 0 {
							claim.Flights = append(claim.Flights, Flight{Sender: SentByPerson, At: written})
						}
						yield(&claim)
					}
				}
			}
		}
	}
}

// readings yields what a thermostat can show, before a doubt or after it.
func readings(yield func(t, doubted Thermostat)) {
	all := settings()
	for _, after := range []time.Duration{time.Minute, time.Hour} {
		for _, s := range all {
			for _, mode := range []devices.HVACMode{devices.HeatCool, devices.Off} {
				t := Thermostat{Mode: mode, Setting: s, Alive: true, Period: "1", Polled: written.Add(after)}
				once := t
				once.Polled = t.Polled.Add(-time.Minute)
				yield(t, Thermostat{})
				once.Setting = all[5]
				yield(t, once)
				once.Setting = all[3]
				yield(t, once)
				once.Mode, once.Setting = devices.Heat, all[0]
				yield(t, once)
				t.Period = "2"
				yield(t, Thermostat{})
				t.UtilityEvent = true
				yield(t, Thermostat{})
			}
		}
	}
}

// TestWhatCannotHappenToAThermostatDoesNot: whatever is on record and whatever is
// shown, the table has an answer, and what is on record afterwards is in the tenure
// that it names.
func TestWhatCannotHappenToAThermostatDoesNot(t *testing.T) {
	met := map[Tenure]map[Cause]bool{}
	for _, from := range Tenures() {
		met[from] = map[Cause]bool{}
	}
	all := settings()
	before := Thermostat{Mode: devices.HeatCool, Setting: all[0], Period: "1", Polled: written}
	claims(func(claim *Claim) {
		for _, open := range []bool{true, false} {
			for _, taken := range []*Choice{nil, {At: written}} {
				for _, seen := range []bool{true, false} {
					h := ThermostatRecord{Claim: claim, Choice: taken, Window: written}
					if taken != nil && !open {
						continue // it ends with the window
					}
					if open && claim == nil && taken == nil {
						h.Baseline = &Baseline{all[0], devices.HeatCool}
					}
					readings(func(read, doubted Thermostat) {
						thermostatTransition{h, open, seen, before, read, doubted}.check(t, met)
					})
				}
			}
		}
	})
	for from, rows := range thermostatTable {
		for c := range rows {
			if !met[from][c] {
				t.Errorf("%s, %s never happened", from, c)
			}
		}
	}
}

// A thermostatTransition is a record and a reading of it.
type thermostatTransition struct {
	h             ThermostatRecord
	open, seen    bool
	before        Thermostat
	read, doubted Thermostat
}

func (c thermostatTransition) check(t *testing.T, met map[Tenure]map[Cause]bool) {
	t.Helper()
	st := step{State: State{Settings: Settings{Thermostats: []string{"up"}}, Persisted: Persisted{Thermostats: map[string]ThermostatRecord{"up": c.h}}}, now: c.read.Polled}
	st.Settings.Calendar.Location = time.UTC
	st.plan.Phase = OffPeak
	if c.open {
		st.plan.Phase, st.Persisted.Window = InPeak, &Stretch{Start: written, End: written.Add(3 * time.Hour)}
	}
	l := ThermostatLedger{Record: c.h, Before: c.before, Doubted: c.doubted, First: c.read, Window: c.open}
	if c.seen {
		l.ReadSinceStart = written
	}
	cause, from := AttributeSetting(l, c.read), c.h.tenure(st.Persisted.Window)
	if !c.doubted.Polled.IsZero() {
		st.doubt = Doubt{Polled: c.doubted.Polled}
	}
	met[from][cause] = true
	row, ok := thermostatTable.Next(from, cause)
	if !ok {
		t.Fatalf("%s, %s cannot happen, and has: %+v, %+v shows %+v", from, cause, c.h, c.h.Claim, c.read)
	}
	st.transitionThermostat("up", c.read, l)
	if st.doubted("up") {
		st.recall("up")
		c.read.Polled = c.read.Polled.Add(time.Second)
		st.transitionThermostat("up", c.read, l) // once more: one odd figure decides nothing
	}
	after := st.Persisted.Thermostats["up"]
	want := row.To
	if row.Outside != "" && after.Choice == nil {
		want = row.Outside
	}
	got := after.tenure(st.Persisted.Window)
	if auto := c.open && c.h.Choice == nil && from == Yielded; auto && got == Held {
		return // the rules have it again, on top of the choice
	}
	if got != want {
		t.Fatalf("%s, %s: %s, not %s: %+v, %+v shows %+v", from, cause, got, want, c.h, c.h.Claim, c.read)
	}
}

package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// The controller asked for what the bridge refuses: two set points closer together than
// the thermostat accepts. The one that the mode does not use gives way, as it does for a
// person.
func TestTheOtherSetPointGivesWay(t *testing.T) {
	for _, c := range []struct {
		name       string
		mode       devices.HVACMode
		cool, heat float64
		set        func(*Thermostat)
		precool    []string
		setback    []string // of one threshold
		stepF      float64
	}{
		{"cooling above the heat set point", "cool", 72, 69, func(th *Thermostat) { th.Deadband = 3 },
			[]string{"up permanent cool 70 heat 67"}, []string{"up permanent cool 74 heat 69"}, 2},
		{"without a deadband", "cool", 71, 70, func(*Thermostat) {},
			[]string{"up permanent cool 69 heat 69"}, []string{"up permanent cool 73 heat 70"}, 2},
		{"whose set points may cross", "cool", 71, 70, func(th *Thermostat) { th.Crossing = true },
			[]string{"up permanent cool 69 heat 70"}, []string{"up permanent cool 73 heat 70"}, 2},
		{"closer than its deadband already", "cool", 71, 70, func(th *Thermostat) { th.Deadband = 3 },
			[]string{"up permanent cool 69 heat 66"}, []string{"up permanent cool 72 heat 69"}, 1},
		{"heating, closer than its deadband already", "heat", 71, 70, func(th *Thermostat) { th.Deadband = 3 },
			nil, []string{"up permanent cool 72 heat 69"}, 1},
		{"automatic, closer than its deadband already", "heat_cool", 71, 70, func(th *Thermostat) { th.Deadband = 5 },
			[]string{"up permanent cool 69 heat 64"}, []string{"up permanent cool 72 heat 67"}, 1},
		{"in °C", "cool", 22, 21, func(th *Thermostat) {
			th.Deadband, th.Celsius, th.Step = 1.5, true, 0.5
			th.CoolMin, th.HeatMin, th.Temperature = new(10.0), new(5.0), new(22.0)
		}, []string{"up permanent cool 21 heat 19.5"}, []string{"up permanent cool 23 heat 21"}, 2},
		{"in °C whose deadband is no step", "cool", 22, 21, func(th *Thermostat) {
			th.Deadband, th.Celsius, th.Step = 1.7, true, 0.5
			th.CoolMin, th.HeatMin, th.Temperature = new(10.0), new(5.0), new(22.0)
		}, []string{"up permanent cool 21 heat 19"}, []string{"up permanent cool 23 heat 21"}, 2},
		{"automatic, at the lowest heat set point of a setback already", "heat_cool", 62, 62, func(th *Thermostat) { th.Deadband = 3 },
			nil, []string{"up permanent cool 65 heat 62"}, 2},
		{"automatic, below that already", "heat_cool", 62, 60, func(th *Thermostat) { th.Deadband = 3 },
			nil, []string{"up permanent cool 64 heat 60"}, 2},
		{"with no room left", "cool", 72, 69, func(th *Thermostat) { th.Deadband, th.HeatMin = 3, new(68.0) },
			nil, []string{"up permanent cool 74 heat 69"}, 2},
	} {
		world := func(t *testing.T, when string) (*world, *Thermostat) {
			w := newWorld(t, when)
			up := w.therm["up"]
			up.Mode, up.Cool, up.Heat, up.Hold = c.mode, new(c.cool), new(c.heat), devices.HoldPermanent
			up.Temperature = new(72.0)
			c.set(up)
			w.s.Settings.StepF = c.stepF
			if up.Celsius {
				w.s.Settings.StepF = 2
			}
			return w, up
		}
		t.Run(c.name+", precooling", func(t *testing.T) {
			w, up := world(t, "2026-07-15 15:00")
			w.start().until("15:59").want(c.precool...)
			w.until("16:30")
			if *up.Cool != c.cool || *up.Heat != c.heat {
				t.Errorf("given back as cool %g heat %g", *up.Cool, *up.Heat)
			}
		})
		t.Run(c.name+", set back", func(t *testing.T) {
			w, up := world(t, "2026-07-15 16:10")
			w.charge = 70
			w.start().until("17:10").want(append([]string{"powerwall 0"}, c.setback...)...)
			w.until("19:30")
			if *up.Cool != c.cool || *up.Heat != c.heat {
				t.Errorf("given back as cool %g heat %g", *up.Cool, *up.Heat)
			}
		})
	}
}

// A vendor that does not accept again what its thermostat has shown is asked for the
// nearest setting that the limits allow. It used to be asked for the same one forever.
func TestABaselineThatTheVendorRefuses(t *testing.T) {
	const precooling, setback = "2026-07-15 15:25", "2026-07-15 16:10"
	for _, c := range []struct {
		name           string
		touched        string           // by what, from when on
		mode, becomes  devices.HVACMode // becomes: what somebody sets it to during the window; empty: nothing else
		cool, heat     float64
		set            func(*Thermostat)
		strict         bool // it takes nothing beyond its limits
		toCool, toHeat float64
		writes         int
	}{
		{"takes it", setback, "cool", "", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, false, 71, 70, 1},
		{"cooling", setback, "cool", "", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 71, 68, 2},
		{"heating", setback, "heat", "", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 73, 70, 2},
		{"automatic", setback, "heat_cool", "", 71, 70, func(th *Thermostat) { th.Deadband = 5 }, true, 71, 66, 2},
		{"automatic, at the lowest heat set point of a setback", setback, "heat_cool", "", 62, 62, func(th *Thermostat) { th.Deadband = 3 }, true, 65, 62, 3},
		{"after precooling", precooling, "cool", "", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 71, 68, 2},
		{"cooling, and somebody heats", setback, "cool", "heat", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 73, 70, 3},
		{"heating, and somebody cools", setback, "heat", "cool", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 71, 68, 3},
		{"cooling, and somebody sets it to automatic", setback, "cool", "heat_cool", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 71, 68, 2},
		{"heating, and somebody sets it to automatic", setback, "heat", "heat_cool", 71, 70, func(th *Thermostat) { th.Deadband = 3 }, true, 73, 70, 2},
		{"above its limits", precooling, "cool", "", 78, 60, func(th *Thermostat) { th.CoolMax = new(77.0) }, true, 77, 60, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.touched)
			up := w.therm["up"]
			up.Mode, up.Cool, up.Heat, up.Hold, up.Temperature = c.mode, new(c.cool), new(c.heat), devices.HoldPermanent, new(72.0)
			c.set(up)
			if c.touched == setback {
				w.charge = 70
			}
			w.deaf["up"] = true // but for what is applied below
			w.start()
			given, moved, persons := 0, false, 0
			for w.now.Before(at("2026-07-15 20:00")) {
				if c.becomes != "" && !w.now.Before(at("2026-07-15 17:00")) {
					up.Mode, persons = c.becomes, 1
				}
				sent := w.sent
				w.sent = nil
				for _, s := range sent {
					if s.Target != "up" {
						continue
					}
					if s.Goal == Restore {
						given++
					}
					a := Answer{Target: "up", Setting: "hold", ID: s.ID, Final: true, Reason: "the vendor refuses it"}
					if th := s.Setting; !c.strict || *th.Cool-*th.Heat >= up.Deadband && *th.Cool <= *up.CoolMax && *th.Heat >= *up.HeatMin {
						w.deaf["up"] = false
						w.apply(s)
						w.deaf["up"] = true
						a.Accepted, a.Applied, a.Reason = true, true, ""
						moved = true
					}
					w.step(a)
				}
				w.untilTime(w.now.Add(time.Minute))
			}
			if !moved || *up.Cool != c.toCool || *up.Heat != c.toHeat || len(w.d.Owned) != 0 {
				t.Errorf("left cool %g heat %g, want %g and %g; owned %v", *up.Cool, *up.Heat, c.toCool, c.toHeat, w.d.Owned)
			}
			if given != c.writes || w.noted(NoteYielded) != persons {
				t.Errorf("asked to take it back %d times, want %d; %d times somebody was seen, want %d", given, c.writes, w.noted(NoteYielded), persons)
			}
			if c.strict && w.noted(NoteProblem) == 0 {
				t.Error("nothing was said of it")
			}
		})
	}
}

// A hold that ends at a time of day lasts less than a day: a longer override was
// refused by the bridge, again and again.
func TestASetbackForDays(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00")
	w.charge = 70
	w.start().take()
	w.s.Persisted.Override = Override{Kind: OverridePeak, Since: w.now, Until: at("2026-07-18 12:00")}
	w.untilTime(at("2026-07-16 12:00")).want("powerwall 0", "up permanent cool 78 heat 68")
	w.untilTime(at("2026-07-18 11:00")).want("up until 12:00 cool 78 heat 68")
	w.untilTime(at("2026-07-18 12:10")).want("powerwall 100")
	if up := w.therm["up"]; *up.Cool != 76 || up.Hold != devices.HoldSchedule {
		t.Errorf("left cool %g %s", *up.Cool, up.Hold)
	}
}

// A set point above the limit of setbacks stays there in a peak. After precooling the
// controller asked for both set points as they had been, closer together than the
// thermostat accepts, and the bridge refused that through the whole peak.
func TestASetbackToTheBaselineKeepsTheSetPointsApart(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	up := w.therm["up"]
	up.Cool, up.Heat, up.Hold, up.Deadband = new(85.0), new(84.0), devices.HoldPermanent, 3
	w.start().until("15:35").want("up permanent cool 83 heat 80")
	w.charge = 50
	w.until("16:12").want("powerwall 0", "up permanent cool 85 heat 82")
	w.until("19:02").want("powerwall 100", "up permanent cool 85 heat 84")
}

// Only the heat set point, which the mode had not used, was to be restored: that was
// treated as a repetition of the setback, so when the vendor refused it, what the
// thermostat still showed was mistaken for a person's choice.
func TestTheOtherSetPointIsGivenBackOnceMoreAfterARefusal(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	up := w.therm["up"]
	up.Cool, up.Heat, up.Hold, up.Deadband = new(85.0), new(84.0), devices.HoldPermanent, 3
	w.start().until("15:35")
	w.charge = 50
	w.until("16:12").want("up permanent cool 83 heat 80", "powerwall 0", "up permanent cool 85 heat 82")
	wall.switchTo(w, "heat")
	w.quiet("18:59").deaf["up"] = true
	for w.now.Before(at("2026-07-15 19:10")) {
		w.untilTime(w.now.Add(time.Minute))
		for _, s := range w.sent {
			if s.Target == "up" && s.ID == w.s.Pending["up"].ID {
				near := *s.Setting.Cool-*s.Setting.Heat < up.Deadband
				w.deaf["up"] = near
				w.apply(s)
				w.step(Answer{Target: "up", Setting: "hold", ID: s.ID, Final: true, Accepted: !near, Applied: !near, Reason: "the vendor refuses it"})
			}
		}
	}
	w.want("powerwall 100", "up permanent cool 85 heat 84", "up permanent cool 87 heat 84")
	if w.noted(NoteYielded) != 1 || len(w.d.Owned) != 0 {
		t.Errorf("%d times somebody was seen, want 1; owned %v", w.noted(NoteYielded), w.d.Owned)
	}
}

package rules_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// by says how a person changes a thermostat: at the wall, or by a command that the bridge
// accepts and carries out.
type by string

const (
	wall    by = "at the wall"
	command by = "by command"
)

// change lets a person change the thermostat, and reads it.
func (b by) change(w *world, setting string, change func(*Thermostat)) {
	w.t.Helper()
	a := Answer{Target: "up", Setting: setting, ID: "a person's", Accepted: true}
	if b == command {
		w.step(a)
	}
	change(w.therm["up"])
	w.read()
	if b == command {
		a.Final, a.Applied = true, true
		w.step(a)
	}
	w.untilTime(w.now.Add(6 * time.Minute))
}

func (b by) switchTo(w *world, mode devices.HVACMode) {
	w.t.Helper()
	b.change(w, "mode", func(th *Thermostat) { th.Mode = mode })
}

// quiet waits and checks that nothing is sent to the thermostat.
func (w *world) quiet(clock string) *world {
	w.t.Helper()
	w.take()
	w.until(clock)
	for _, s := range w.take() {
		if strings.HasPrefix(s, "up") {
			w.t.Errorf("by %s: sent %q", clock, s)
		}
	}
	return w
}

// Switching off and on again during a setback left its set point for good, although no
// one had chosen it.
func TestOffAndOnAgainIsNoChoiceOfTheSetBackSetPoint(t *testing.T) {
	holds := map[string]func(*Thermostat){
		"over a permanent hold": func(th *Thermostat) { th.Hold = devices.HoldPermanent },
		"over a temporary hold": func(th *Thermostat) { th.Hold, th.Until = devices.HoldTemporary, at("2026-07-15 23:00") },
		"over its schedule":     func(*Thermostat) {},
		"without holds":         func(th *Thermostat) { th.Hold, th.Holds = "", nil },
		"where none ends by itself": func(th *Thermostat) {
			th.Hold, th.Holds = devices.HoldPermanent, []devices.Hold{devices.HoldSchedule, devices.HoldPermanent}
		},
	}
	stories := map[string]func(w *world, b by, mode devices.HVACMode){
		"in the peak": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			b.switchTo(w, "off")
			w.charge = 40
			b.switchTo(w, mode)
			w.quiet("18:59")
			if len(w.d.Yielded) != 1 {
				w.t.Errorf("yielded %v", w.d.Yielded)
			}
		},
		"off in the peak and on after it": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			b.switchTo(w, "off")
			w.quiet("20:00")
			b.switchTo(w, mode)
		},
		"off in the precooling and on in the peak": func(w *world, b by, mode devices.HVACMode) {
			w.until("15:44")
			b.switchTo(w, "off")
			w.until("16:40")
			b.switchTo(w, mode)
			w.quiet("18:59")
		},
		"with a restart in between": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			b.switchTo(w, "off")
			w.restart().read()
			b.switchTo(w, mode)
			w.restart().read()
			w.quiet("18:59")
		},
		"off and on while nobody looked": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			b.switchTo(w, "off")
			w.now = w.now.Add(time.Hour)
			b.switchTo(w, mode)
			w.quiet("18:59")
		},
		"off before the setback had landed": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:04")
			w.deaf["up"], w.charge = true, 40
			w.until("16:10")
			var late []Write
			for _, s := range w.sent {
				if s.Target == "up" {
					late = append(late, s)
				}
			}
			w.take()
			w.therm["up"].Mode = "off"
			w.now = w.now.Add(30 * time.Second)
			w.deaf["up"] = false
			for _, s := range late[len(late)-1:] {
				w.apply(s)
			}
			b.switchTo(w, "off")
			b.switchTo(w, mode)
			w.quiet("18:59")
		},
		"off while it is being given back": func(w *world, b by, mode devices.HVACMode) {
			w.until("18:50")
			w.deaf["up"] = true
			w.until("19:00")
			b.switchTo(w, "off")
			w.deaf["up"] = false
			w.quiet("19:50")
			b.switchTo(w, mode)
		},
		"to another mode and back": func(w *world, b by, mode devices.HVACMode) {
			other := map[devices.HVACMode]devices.HVACMode{"cool": "heat", "heat": "cool", "heat_cool": "cool"}[mode]
			w.until("16:40")
			b.switchTo(w, other)
			w.quiet("17:40")
			b.switchTo(w, mode)
			w.quiet("18:59")
		},
		"on again by a command that a node died over": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			b.switchTo(w, "off")
			w.step(Answer{Target: "up", Setting: "mode", ID: "a person's", Accepted: true})
			w.therm["up"].Mode = "heat" // on the way to the mode that was asked for
			w.restart().read()
			w.quiet("18:59")
			w.until("19:30")
			w.take()
			b.switchTo(w, mode)
			w.quiet("21:00")
		},
		"and again": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			for range 3 {
				b.switchTo(w, "off")
				b.switchTo(w, mode)
			}
			w.quiet("18:59")
		},
		"and then the controller is switched off": func(w *world, b by, mode devices.HVACMode) {
			w.until("16:40")
			b.switchTo(w, "off")
			b.switchTo(w, mode)
			w.step(EnabledAsked{Enabled: false})
		},
	}
	n := 0
	for _, story := range slices.Sorted(maps.Keys(stories)) {
		for _, hold := range slices.Sorted(maps.Keys(holds)) {
			b, mode := []by{wall, command}[n%2], []devices.HVACMode{"cool", "heat", "heat_cool"}[n%3]
			n++
			t.Run(strings.Join([]string{story, string(mode), hold, string(b)}, ", "), func(t *testing.T) {
				w := newWorld(t, "2026-07-15 15:00")
				up := w.therm["up"]
				up.Mode, up.Cool, up.Heat, up.Temperature = mode, new(76.0), new(68.0), new(72.0)
				holds[hold](up)
				if up.Hold != devices.HoldSchedule {
					up.Cool, up.Heat = new(74.0), new(66.0)
				}
				was := *up
				w.start()
				w.charge = 70
				stories[story](w, b, mode)
				w.until("21:00")
				if *up.Cool != *was.Cool || *up.Heat != *was.Heat || up.Hold != was.Hold && up.Hold != devices.HoldUntil || up.Mode != mode {
					t.Errorf("left %s cool %g heat %g %s; it had cool %g heat %g %s", up.Mode, *up.Cool, *up.Heat, up.Hold, *was.Cool, *was.Heat, was.Hold)
				}
				if len(w.d.Owned) != 0 {
					t.Errorf("owned %v", w.d.Owned)
				}
			})
		}
	}
}

// Somebody who sets a temperature after switching the thermostat on again has chosen it.
func TestASetPointOfTheirOwnAfterSwitchingOnStays(t *testing.T) {
	for _, b := range []by{wall, command} {
		for _, mode := range []devices.HVACMode{"cool", "heat", "heat_cool"} {
			for name, story := range map[string]func(w *world, set func()){
				"in the peak": func(w *world, set func()) {
					b.switchTo(w, "off")
					b.switchTo(w, mode)
					set()
				},
				"after the peak, at the moment it is switched on": func(w *world, set func()) {
					b.switchTo(w, "off")
					w.until("19:30")
					w.therm["up"].Mode = mode
					set()
				},
			} {
				t.Run(string(b)+", "+string(mode)+", "+name, func(t *testing.T) {
					w := newWorld(t, "2026-07-15 16:10")
					up := w.therm["up"]
					up.Mode, up.Cool, up.Heat, up.Hold, up.Temperature = mode, new(74.0), new(66.0), devices.HoldPermanent, new(72.0)
					w.charge = 70
					w.start().until("16:20")
					story(w, func() {
						b.change(w, "hold", func(th *Thermostat) { th.Cool, th.Heat = new(73.0), new(69.0) })
					})
					w.until("21:00")
					if *up.Cool != 73 || *up.Heat != 69 || up.Hold != devices.HoldPermanent {
						t.Errorf("left cool %g heat %g %s", *up.Cool, *up.Heat, up.Hold)
					}
				})
			}
		}
	}
}

// In automatic mode somebody who moves one set point has not chosen the other.
func TestTheOtherSetPointIsGivenBack(t *testing.T) {
	for _, b := range []by{wall, command} {
		for _, c := range []struct {
			name, setting string
			change        func(*Thermostat)
			cool, heat    float64
		}{
			{"they choose heat", "heat_setpoint", func(th *Thermostat) { th.Heat = new(70.0) }, 76, 70},
			{"they choose cool", "cool_setpoint", func(th *Thermostat) { th.Cool = new(73.0) }, 73, 67},
			{"what they choose comes as near as it may", "heat_setpoint", func(th *Thermostat) { th.Heat = new(74.0) }, 77, 74},
			{"they choose both", "hold", func(th *Thermostat) { th.Cool, th.Heat = new(77.0), new(69.0) }, 77, 69},
			{"a hold is a choice of both", "hold", func(th *Thermostat) { th.Hold, th.Until = devices.HoldUntil, at("2026-07-15 23:00") }, 78, 65},
		} {
			t.Run(string(b)+", "+c.name, func(t *testing.T) {
				w := newWorld(t, "2026-07-15 16:10")
				up := w.therm["up"]
				up.Mode, up.Cool, up.Heat, up.Hold, up.Deadband = "heat_cool", new(76.0), new(67.0), devices.HoldPermanent, 3
				w.charge = 70
				w.start().until("16:20").want("powerwall 0", "up permanent cool 78 heat 65")
				b.change(w, c.setting, c.change)
				w.quiet("18:59").until("21:00")
				if *up.Cool != c.cool || *up.Heat != c.heat {
					t.Errorf("left cool %g heat %g, want %g and %g", *up.Cool, *up.Heat, c.cool, c.heat)
				}
			})
		}
	}
	t.Run("by a command for what the rules had asked for", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		up := w.therm["up"]
		up.Mode, up.Hold, w.charge = "heat_cool", devices.HoldPermanent, 70
		w.start().until("16:20").want("powerwall 0", "up permanent cool 78 heat 66")
		command.change(w, "heat_setpoint", func(*Thermostat) {})
		w.quiet("18:59").until("21:00")
		if *up.Cool != 76 || *up.Heat != 66 {
			t.Errorf("left cool %g heat %g", *up.Cool, *up.Heat)
		}
	})
}

// A command for a set point was carried out just before the window's end, and the vendor
// had moved the other one along. What was owed was calculated as if that had not been read,
// and the person's set point was replaced by the one of the rules.
func TestACommandThatMovesBothSetPointsLeavesNothingOwed(t *testing.T) {
	w := newWorld(t, "2026-01-14 17:05")
	up := w.therm["up"]
	up.Mode, up.Cool, up.Heat, up.Hold, up.Deadband = devices.Heat, new(67.0), new(67.0), devices.HoldPermanent, 3
	w.charge = 70
	w.start().until("17:20").want("powerwall 0", "up permanent cool 68 heat 65")
	w.until("19:59").take()
	w.step(Answer{Target: "up", Setting: "heat_setpoint", Accepted: true})
	up.Cool, up.Heat = new(70.0), new(67.0)
	w.read()
	w.step(Answer{Target: "up", Setting: "heat_setpoint", Accepted: true, Final: true, Applied: true})
	w.now = at("2026-01-14 20:00")
	w.step(Tick{})
	w.want("powerwall 100")
}

// Restoring after a change of mode leaves alone what a person has set in the other mode.
func TestASetPointOfTheOtherModeStays(t *testing.T) {
	for _, b := range []by{wall, command} {
		t.Run(string(b), func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			up := w.therm["up"]
			up.Hold, w.charge = devices.HoldPermanent, 70
			w.start().until("16:20").take()
			b.switchTo(w, "heat")
			b.change(w, "heat_setpoint", func(th *Thermostat) { th.Heat = new(71.0) })
			w.quiet("18:59").until("20:00")
			if *up.Cool != 76 || *up.Heat != 71 || up.Hold != devices.HoldPermanent {
				t.Errorf("left cool %g heat %g %s", *up.Cool, *up.Heat, up.Hold)
			}
		})
	}
}

// A thermostat whose mode a person has changed for good takes part in the next peak, even
// if something was still owed to it.
func TestAThermostatThatWasSwitchedTakesPartInTheNextPeak(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	up := w.therm["up"]
	up.Hold, w.charge = devices.HoldPermanent, 70
	w.start().until("16:20").take()
	wall.switchTo(w, "heat")
	w.untilTime(at("2026-07-16 16:30"))
	if *up.Cool != 76 || *up.Heat != 66 {
		t.Errorf("cool %g heat %g", *up.Cool, *up.Heat)
	}
	w.untilTime(at("2026-07-16 20:00"))
	if *up.Cool != 76 || *up.Heat != 68 || len(w.d.Owned) != 0 {
		t.Errorf("left cool %g heat %g, owned %v", *up.Cool, *up.Heat, w.d.Owned)
	}
}

// Override auto after switching off and on again: the setback continues, and its baseline
// is still the earlier one.
func TestAutoAfterOffAndOnAgain(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	up := w.therm["up"]
	up.Hold, w.charge = devices.HoldPermanent, 70
	w.start().until("16:20").take()
	wall.switchTo(w, "off")
	wall.switchTo(w, "cool")
	w.ask("auto")
	w.charge = 40
	w.until("18:59").want("up permanent cool 80 heat 68")
	w.until("19:30").want("powerwall 100", "up permanent cool 76 heat 68")
}

// Off through the next peak and on after it.
func TestOffForDays(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	up := w.therm["up"]
	up.Hold, w.charge = devices.HoldPermanent, 70
	w.start().until("16:20").take()
	wall.switchTo(w, "off")
	w.untilTime(at("2026-07-17 20:00"))
	if slices.ContainsFunc(w.sent, func(s Write) bool { return s.Target == "up" }) {
		t.Errorf("sent %v to a thermostat that is off", w.take())
	}
	if len(w.d.Owned) != 0 { // or it would be said that it cannot be given back
		t.Errorf("owned %v", w.d.Owned)
	}
	wall.switchTo(w, "cool")
	if *up.Cool != 76 || up.Hold != devices.HoldPermanent {
		t.Errorf("left cool %g %s", *up.Cool, up.Hold)
	}
}

// Somebody ended the hold of a thermostat that was off. After a restart, that passed for
// a hold that was lost meanwhile, and the setting from before the peak was restored over
// the choice.
func TestAHoldThatEndedWhileTheThermostatWasOffIsAChoice(t *testing.T) {
	for _, ended := range []bool{false, true} {
		w := newWorld(t, "2026-07-15 16:10")
		up := w.therm["up"]
		up.Hold, w.charge = devices.HoldPermanent, 70
		w.start().until("16:40").want("powerwall 0", "up permanent cool 78 heat 68")
		command.switchTo(w, "off")
		if ended {
			up.Hold, up.Cool = devices.HoldSchedule, new(75.0)
		}
		w.until("19:05").take()
		w.restart().until("19:20").take()
		command.switchTo(w, "cool")
		if w.until("19:40"); ended {
			w.want()
		} else {
			w.want("up permanent cool 76 heat 68")
		}
	}
}

// Somebody changed the mode while what was restored was on its way: it was sent once more at
// once.
func TestWhatIsOnItsWayIsNotSentOnceMoreForAnotherMode(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	up := w.therm["up"]
	up.Mode, up.Hold, w.charge = "heat_cool", devices.HoldPermanent, 70
	w.start().until("16:20").take()
	w.deaf["up"] = true
	w.until("19:01").want("powerwall 100", "up permanent cool 76 heat 68")
	up.Mode = devices.Heat
	w.until("19:08").want()
}

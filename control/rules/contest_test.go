package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// crossed returns a home where an automatic write is on its way to a battery that shows
// shown, and a person has chosen 60 % in the meantime. The choice has been seen.
func crossed(t *testing.T, when string, shown float64, write string) *world {
	t.Helper()
	w := newWorld(t, when)
	w.reserve, w.deaf[Powerwall] = shown, true
	w.start().want(write)
	w.reserve = 60
	w.now = w.now.Add(2 * time.Minute)
	w.read()
	if len(w.d.Yielded) != 1 {
		t.Fatalf("yielded %v", w.d.Yielded)
	}
	return w
}

// inPeak is crossed at the beginning of a peak, off peak at its end.
func inPeak(t *testing.T) *world  { return crossed(t, "2026-07-15 16:00", 100, "powerwall 0") }
func offPeak(t *testing.T) *world { return crossed(t, "2026-07-15 19:00", 0, "powerwall 100") }

// A person's choice and an automatic write cross on the way. Whichever lands last, the
// battery ends up with the person's reserve.
func TestAReserveThatCrossesAnAutomaticWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(w *world) // they have chosen 60 %
		want  []string
		ends  float64
	}{
		{"the automatic write never lands", func(*world) {}, nil, 60},
		{"the automatic write lands over it", func(w *world) { w.reserve = 0 }, []string{"powerwall 60"}, 60},
		{"and shows until the choice is back", func(w *world) {
			w.reserve, w.deaf[Powerwall] = 0, true
			w.until("16:07")
			w.reserve, w.deaf[Powerwall] = 60, false
		}, []string{"powerwall 60"}, 60},
		{"and they choose again before it does", func(w *world) { w.reserve = 50; w.until("16:04"); w.reserve = 0 }, []string{"powerwall 50"}, 50},
		{"and again after it is put back", func(w *world) { w.reserve = 0; w.until("16:06"); w.reserve = 70 }, []string{"powerwall 60"}, 70},
		{"the automatic write lands after powermgr was switched off", func(w *world) { w.step(EnabledAsked{Enabled: false}); w.reserve = 0 }, []string{"powerwall 60"}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := inPeak(t)
			w.deaf[Powerwall] = false
			c.after(w)
			w.until("18:58").want(c.want...)
			if w.reserve != c.ends || len(w.d.Yielded) != 1 {
				t.Errorf("the reserve is %g, taken %v", w.reserve, w.d.Yielded)
			}
			w.until("19:02")
			if w.s.Persisted.Disabled {
				w.want()
			} else {
				w.want("powerwall 100")
			}
		})
	}
	t.Run("the automatic write lands over it and nobody hears of it until the peak is over", func(t *testing.T) {
		w := inPeak(t)
		w.step(EnabledAsked{Enabled: false})
		w.mute[Powerwall], w.deaf[Powerwall], w.reserve = true, false, 0
		w.until("19:02").want("powerwall 100")
		w.mute[Powerwall] = false
		w.until("19:10").want()
		if w.reserve != 100 {
			t.Errorf("the reserve is %g", w.reserve)
		}
	})
}

// Override auto hands the battery back to the rules while a choice and an automatic write
// cross.
func TestAutoGivesABatteryBackThatIsContested(t *testing.T) {
	w := inPeak(t)
	w.ask("auto").want("powerwall 0") // deaf: it lands later
	w.until("16:04")                  // a reading still shows 60
	if len(w.d.Yielded) != 0 {
		t.Errorf("auto is forgotten: taken %v", w.d.Yielded)
	}
	w.deaf[Powerwall] = false
	w.reserve = 0 // it lands
	w.until("16:20").want()
	if w.reserve != 0 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

// A new window begins in the meantime, and wants the same.
func TestANewWindowEndsAContest(t *testing.T) {
	w := crossed(t, "2026-07-15 15:27", 40, "powerwall 100")
	w.until("15:30").take()
	w.until("15:32") // shows 60 still
	if len(w.d.Yielded) != 0 {
		t.Errorf("taken again: %v", w.d.Yielded)
	}
	w.deaf[Powerwall], w.reserve = false, 100
	w.until("15:58").want()
	if w.reserve != 100 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

// The bridge still repeats the first automatic command when the peak ends.
func TestAWriteThatIsStillRepeatedIsOvertaken(t *testing.T) {
	w := newWorld(t, "2026-07-15 18:53")
	w.deaf[Powerwall] = true
	w.start().want("powerwall 0")
	w.until("19:00") // last read at 18:58, shows 100: five minutes after the write
	w.deaf[Powerwall] = false
	w.reserve = 0 // the third attempt of the bridge lands
	w.until("23:50")
	if w.reserve != 100 {
		t.Errorf("the reserve is %g off peak, taken %v", w.reserve, w.d.Yielded)
	}
}

// An automatic write lands over a person's choice on a battery that keeps no more than 80 %.
func TestASnapBackDuringAContest(t *testing.T) {
	w := offPeak(t)
	w.deaf[Powerwall] = false
	w.reserve = 80 // the automatic write has landed and snapped back
	w.until("19:20")
	if w.reserve != 60 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

func TestASnapBackWhileAChoiceIsPutBack(t *testing.T) {
	w := offPeak(t)
	w.reserve = 100 // the automatic write has landed
	w.until("19:04").want("powerwall 60")
	w.reserve = 80 // and snaps back before the choice is there
	w.until("19:06")
	w.reserve, w.deaf[Powerwall] = 60, false // put back lands
	w.until("19:20").want()
	if w.reserve != 60 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

// After a command for the mode, the reserve that the person chose is not forgotten.
func TestACommandForTheModeDuringAContest(t *testing.T) {
	w := inPeak(t)
	w.step(Answer{Target: Powerwall, Setting: "mode", ID: "ha1", Accepted: true})
	w.step(Answer{Target: Powerwall, Setting: "mode", ID: "ha1", Accepted: true, Final: true, Applied: true})
	w.deaf[Powerwall], w.reserve = false, 0 // the automatic write lands
	w.until("17:00").want("powerwall 60")
}

// The bridge sends a command three times, two minutes apart.
func TestAnAutomaticWriteLandsAtTheBridgesLastAttempt(t *testing.T) {
	w := inPeak(t)
	w.until("16:06")
	w.deaf[Powerwall], w.reserve = false, 0
	w.until("17:00").want("powerwall 60")
}

// A reserve that a person sets long after the rules have written something else is not a
// limit of the device.
func TestALimitIsOfAnAutomaticWriteOnly(t *testing.T) {
	w := newWorld(t, "2026-07-15 18:40").start().want("powerwall 0")
	w.until("18:44")
	w.reserve = 100 // a person
	w.until("18:48")
	if len(w.d.Yielded) != 1 {
		t.Fatal("not taken")
	}
	w.until("19:04")
	w.take()
	w.reserve = 80 // a person
	w.until("19:08").want()
	if w.s.Persisted.Battery.Limit != 0 {
		t.Error("a person's choice passes for the device's limit")
	}
}

// A person's set point and a setback cross on the way to a thermostat. Whichever lands
// last, the thermostat ends up with the person's.
func TestASetPointThatCrossesAnAutomaticWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(w *world, th *Thermostat) // they have chosen 72
		want  []string
		cool  float64
	}{
		{"the automatic write never lands", func(*world, *Thermostat) {}, nil, 72},
		{"the automatic write lands over it", func(_ *world, th *Thermostat) { th.Cool = new(78.0) }, []string{"up permanent cool 72 heat 68"}, 72},
		{"they choose again before it lands", func(w *world, th *Thermostat) {
			th.Cool = new(70.0)
			w.now = w.now.Add(30 * time.Second)
			w.read()
			th.Cool = new(78.0)
		}, []string{"up permanent cool 70 heat 68"}, 70},
		{"they choose what the automatic write asked for, when that can land no more", func(w *world, th *Thermostat) {
			w.until("16:20")
			th.Cool = new(78.0)
		}, nil, 78},
		{"they make it heat as well", func(w *world, th *Thermostat) { th.Mode = "heat" }, nil, 72},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Hold, w.charge, w.deaf["up"] = devices.HoldPermanent, 70, true
			w.start().want("powerwall 0", "up permanent cool 78 heat 68")
			th.Cool = new(72.0)
			w.now = w.now.Add(30 * time.Second)
			w.read()
			w.want()
			w.deaf["up"] = false
			c.after(w, th)
			w.now = w.now.Add(20 * time.Second)
			w.read()
			w.until("18:58").want(c.want...)
			if len(w.d.Yielded) != 1 {
				t.Errorf("yielded %v", w.d.Yielded)
			}
			w.until("19:10").want("powerwall 100")
			if *th.Cool != c.cool {
				t.Errorf("in the end cool %g, want %g", *th.Cool, c.cool)
			}
		})
	}
}

// While a write is on its way, one reading shows something that neither the rules nor a
// command asked for. If it is a choice that the write then replaces, the thermostat is
// restored to it; if it is a glitch, after which everything is as before, it is not.
func TestWhatOneReadingShowsBeforeAWriteLands(t *testing.T) {
	for _, c := range []struct {
		name    string
		later   time.Duration // after the write
		between float64       // what the reading after that shows; 0: there is none
		taken   int
		cool    float64 // in the end
	}{
		{"a choice, and the write shows at once", 30 * time.Second, 0, 1, 82},
		{"a choice, and the vendor is minutes behind", 4 * time.Minute, 0, 1, 82},
		{"a glitch while an earlier setback is in force", 30 * time.Second, 78, 0, 76},
		{"a glitch, and the vendor is minutes behind", 4 * time.Minute, 78, 0, 76},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Hold, w.charge = devices.HoldPermanent, 70
			w.start()
			w.until("16:30")
			w.charge, w.deaf["up"] = 45, true
			w.until("16:36")
			if sent := w.take(); len(sent) != 3 || sent[2] != "up permanent cool 80 heat 68" {
				t.Fatalf("sent %q", sent)
			}
			w.now = w.s.Persisted.Thermostats["up"].Claim.WrittenAt
			show := func(cool float64, after time.Duration) {
				th.Cool, w.now = &cool, w.now.Add(after)
				w.read()
				if len(w.d.Yielded) > 0 && cool == 82 {
					t.Errorf("taken after one reading: %v", w.d.Yielded)
				}
			}
			show(82, c.later)
			if c.between > 0 {
				show(c.between, 30*time.Second)
			}
			show(80, 30*time.Second)
			if len(w.d.Yielded) != c.taken {
				t.Errorf("yielded %v", w.d.Yielded)
			}
			w.deaf["up"] = false
			w.until("19:10")
			if *th.Cool != c.cool || th.Hold != devices.HoldPermanent {
				t.Errorf("in the end cool %g %s, want %g permanent", *th.Cool, th.Hold, c.cool)
			}
		})
	}
}

// A vendor that accepts a write only together with a mode undid a mode that a person had
// chosen two seconds after the write, and in the next peak the rules continued as if no
// one had.
func TestAWriteThatUndoesAModeLeavesTheThermostatToThePerson(t *testing.T) {
	for _, chosen := range []devices.HVACMode{devices.HeatCool, devices.Off} {
		w := newWorld(t, "2026-07-15 15:29")
		w.start().take()
		w.deaf["up"] = true // it lands later
		w.until("15:30").want("up until 16:00 cool 74 heat 68")
		w.now = w.now.Add(5 * time.Second)
		w.therm["up"].Mode = chosen
		w.read()
		write := Write{Target: "up", Setting: &devices.Setting{Cool: new(74.0), Heat: new(68.0), Hold: devices.HoldUntil, Until: at("2026-07-15 16:00")}}
		w.deaf["up"] = false
		w.apply(write)
		w.therm["up"].Mode = devices.Cool
		w.now = w.now.Add(25 * time.Second)
		w.read()
		if taken := w.d.Yielded; len(taken) != 1 || !strings.Contains(taken[0].What, "mode changed to "+string(chosen)+", and back to cool") {
			t.Errorf("%s: taken %+v", chosen, taken)
		}
		w.charge = 40
		w.quiet("18:58").until("19:04")
		if th := w.therm["up"]; th.Hold != devices.HoldSchedule || th.Mode != devices.Cool {
			t.Errorf("%s: it ends as %s, %s", chosen, th.Mode, th.Hold)
		}
	}
	t.Run("it lands before the mode is chosen", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:29")
		w.start().take()
		w.until("15:30")
		w.now = w.now.Add(5 * time.Second)
		w.therm["up"].Mode = devices.HeatCool // one odd reading decides nothing
		w.read()
		w.therm["up"].Mode = devices.Cool
		w.now = w.now.Add(25 * time.Second)
		w.read()
		if len(w.d.Yielded) > 0 {
			t.Errorf("yielded %+v", w.d.Yielded)
		}
	})
}

// A write lands over a choice that two readings have shown, and the person changes the
// mode to heat: the set point they chose is restored.
func TestAnAutomaticWriteLandsOverAChoiceAndTheyMakeItHeat(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	th := w.therm["up"]
	th.Hold, w.charge, w.deaf["up"] = devices.HoldPermanent, 70, true
	w.start().want("powerwall 0", "up permanent cool 78 heat 68")
	th.Cool = new(72.0)
	for range 2 {
		w.now = w.now.Add(20 * time.Second)
		w.read()
	}
	w.deaf["up"] = false
	th.Cool, th.Mode = new(78.0), "heat"
	w.until("18:58").want("up permanent cool 72 heat 68")
	w.until("19:10").want("powerwall 100")
	if *th.Cool != 72 {
		t.Errorf("in the end cool %g, want 72", *th.Cool)
	}
}

// A setback that the vendor refused was restored over and over after a person's command
// had failed, although the thermostat had its own setting all along.
func TestACommandThatFailsAfterARefusedSetbackOwesNothing(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.charge, w.deaf["up"], w.busy = 40, true, true
	w.start().take()
	w.step(Answer{Target: "up", Setting: "hold", ID: w.s.Pending["up"].ID, Final: true, Reason: "refused"})
	w.step(Answer{Target: "up", Setting: "cool_setpoint", ID: "7", Accepted: true})
	w.step(Answer{Target: "up", Setting: "cool_setpoint", ID: "7", Final: true, Reason: "refused"})
	w.until("18:50").want()
	if h := w.s.Persisted.Thermostats["up"]; h.Claim != nil {
		t.Errorf("there is a claim: %+v", h.Claim)
	}
}

package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// setBack returns a world in a peak with one threshold latched and its setback shown.
func setBack(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "2026-07-15 16:10")
	w.charge = 70
	w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
	return w.until("16:20").want()
}

func TestPeopleWin(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Thermostat)
		taken  bool
	}{
		{"a set point on the device", func(th *Thermostat) { th.Cool = new(74.0) }, true},
		{"back to the schedule on the device", func(th *Thermostat) { th.Hold, th.Cool = devices.HoldSchedule, new(76.0) }, true},
		{"a permanent hold", func(th *Thermostat) { th.Hold = devices.HoldPermanent }, true},
		{"another end of the hold", func(th *Thermostat) { th.Until = at("2026-07-15 22:00") }, true},
		{"another mode", func(th *Thermostat) { th.Mode = "heat" }, true},
		{"switched off", func(th *Thermostat) { th.Mode = "off" }, true},
		{"the end rounded up by the vendor", func(th *Thermostat) { th.Until = at("2026-07-15 19:15") }, false},
		{"a set point the mode does not use", func(th *Thermostat) { th.Heat = new(60.0) }, false},
		{"the device drops off the net", func(th *Thermostat) { th.Alive, th.Cool = false, new(70.0) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := setBack(t)
			c.change(w.therm["up"])
			w.until("16:26")
			if got := len(w.d.Yielded) == 1; got != c.taken {
				t.Fatalf("yielded: %v, want %v (%+v)", got, c.taken, w.d.Yielded)
			}
			if !c.taken {
				return
			}
			w.charge = 10
			w.until("21:00")
			for _, s := range w.take() {
				if strings.HasPrefix(s, "up") {
					t.Errorf("sent %q over a person's choice", s)
				}
			}
			if w.noted(NoteYielded) != 1 {
				t.Errorf("%d notes of it, want 1", w.noted(NoteYielded))
			}
			w.untilTime(at("2026-07-16 16:10"))
			if len(w.d.Yielded) != 0 {
				t.Error("still taken on the next day")
			}
		})
	}
}

// In automatic mode each set point is a separate choice.
func TestOneOfTwoSetPointsIsAChoice(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Thermostat)
	}{
		{"heat alone", func(th *Thermostat) { th.Heat = new(70.0) }},
		{"cool alone", func(th *Thermostat) { th.Cool = new(73.0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			w.charge, w.therm["up"].Mode = 70, "heat_cool"
			w.start().until("16:20").want("powerwall 0", "up until 19:00 cool 78 heat 66")
			c.change(w.therm["up"])
			w.until("16:24")
			w.charge = 10
			w.until("18:50").want()
			if len(w.d.Yielded) != 1 {
				t.Errorf("yielded: %+v", w.d.Yielded)
			}
		})
	}
}

func TestAChangeBeforeOurFirstTouch(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:00").start()
	w.until("16:10").take()
	w.therm["up"].Hold, w.therm["up"].Until, w.therm["up"].Cool = devices.HoldTemporary, at("2026-07-15 22:00"), new(73.0)
	w.until("16:20")
	w.charge = 10
	w.until("18:50").want()
}

// An automatic hold that was requested on a clock a day behind ends at that time on the
// next day, which had an hour less.
func TestTheEndOfAHoldOnADayOnWhichClocksChange(t *testing.T) {
	for _, c := range []struct {
		name  string
		shown string
		taken int
	}{
		{"at its time of day", "2026-03-08 13:00", 0},
		{"at another one", "2026-03-08 15:30", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-03-07 12:00")
			w.start().ask("peak 55m")
			w.charge = 20
			w.until("12:04").take()
			if w.therm["up"].Hold != devices.HoldUntil {
				t.Fatalf("not set back: %+v", w.therm["up"].Setting)
			}
			w.therm["up"].Until = at(c.shown)
			w.until("12:08")
			if len(w.d.Yielded) != c.taken {
				t.Errorf("yielded %v", w.d.Yielded)
			}
		})
	}
}

// A new end of a hold that is requested in the last minutes may never reach the device,
// whose hold then ends as before. That is not a person's choice of the schedule.
func TestAHoldThatEndsWhenTheDeviceSaidIsNoChoice(t *testing.T) {
	for _, c := range []struct {
		name  string
		ends  string // as the device shows it; it is asked for until 19:00
		falls string // to its schedule
		taken int
	}{
		{"as asked", "2026-07-15 19:00", "19:00", 0},
		{"earlier", "2026-07-15 18:46", "18:46", 0},
		{"before its end", "2026-07-15 18:46", "18:42", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := setBack(t)
			up := w.therm["up"]
			up.Until = at(c.ends)
			w.until(c.falls).take()
			up.Hold, up.Until, up.Cool = devices.HoldSchedule, time.Time{}, new(76.0)
			w.until("19:30")
			if taken := w.noted(NoteYielded); taken != c.taken {
				t.Errorf("%d notes that a person has it", taken)
			}
		})
	}
}

// A person's hold ended between two readings, and they set it again.
func TestAHoldThatIsSetAnewIsAChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	up := w.therm["up"]
	up.Hold, up.Until, up.Cool = devices.HoldTemporary, at("2026-07-15 16:02"), new(74.0)
	w.forecast(70)
	w.start()
	w.forecast(70)
	w.until("16:01").take()
	w.mute["up"] = true
	w.until("16:05")
	w.mute["up"], up.Until, w.charge = false, at("2026-07-15 20:00"), 60
	w.until("16:20").want()
	if len(w.d.Yielded) != 1 {
		t.Errorf("yielded %v", w.d.Yielded)
	}
}

func TestTheScheduleIsNobodysChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:00").start()
	w.until("16:10").take()
	w.therm["up"].Cool = new(75.0) // its next period
	w.until("16:20")
	w.charge = 70
	w.until("16:30").want("up until 19:00 cool 77 heat 68")
}

func TestASetbackNeverCoolsMoreThanTheSchedule(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.until("16:01").take()
	w.until("16:04").want()
	w.therm["up"].Cool = new(80.0) // its schedule saves more from 16:00
	w.until("16:08").want()
	w.charge = 70
	w.until("16:30").want()
}

func TestCommandsOfPeople(t *testing.T) {
	for _, c := range []struct {
		name, target, setting string
		accepted, final       bool
		taken                 string
	}{
		{"a set point", "up", "cool_setpoint", true, false, "up"},
		{"a hold", "up", "hold", true, false, "up"},
		{"the fan", "up", "fan", true, false, ""},
		{"refused", "up", "cool_setpoint", false, true, ""},
		{"the reserve", Powerwall, "reserve", true, false, Powerwall},
		{"the mode", Powerwall, "mode", true, false, Powerwall},
		{"storm watch", Powerwall, "storm_watch", true, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := setBack(t)
			w.step(Answer{Target: c.target, Setting: c.setting, ID: "a person's", Accepted: c.accepted, Final: c.final})
			got := ""
			for _, o := range w.d.Yielded {
				got = o.Target
			}
			if got != c.taken {
				t.Errorf("yielded %q, want %q", got, c.taken)
			}
		})
	}
	t.Run("an answer to an automatic command of an earlier process", func(t *testing.T) {
		w := setBack(t)
		w.step(Answer{Target: "up", Setting: "hold", ID: "control-up-123", Accepted: true})
		if len(w.d.Yielded) != 0 {
			t.Error("an automatic command was taken for a person's")
		}
	})
}

// A command that was accepted may still fail. What the rules have set is then restored,
// as at the end of the window.
func TestAPersonsCommandThatFailsLeavesNothingOfTheRules(t *testing.T) {
	begun := func(t *testing.T) *world {
		w := newWorld(t, "2026-07-15 16:10")
		w.therm["up"].Hold = devices.HoldPermanent
		w.charge = 70
		w.start().want("powerwall 0", "up permanent cool 78 heat 68")
		w.until("16:30")
		w.step(Answer{Target: "up", Setting: "cool_setpoint", ID: "a person's", Accepted: true, Reason: "on its way to the device"})
		return w.until("16:32").want()
	}
	t.Run("it fails", func(t *testing.T) {
		w := begun(t)
		w.step(Answer{Target: "up", Setting: "cool_setpoint", ID: "a person's", Final: true, Reason: "the vendor does not answer"})
		w.until("18:00").want("up permanent cool 76 heat 68")
		w.until("20:00").want("powerwall 100")
	})
	t.Run("its end is never heard of", func(t *testing.T) {
		begun(t).restart().until("18:00").want("up permanent cool 76 heat 68")
	})
	t.Run("it is carried out", func(t *testing.T) {
		w := begun(t)
		w.therm["up"].Cool = new(72.0)
		w.step(Answer{Target: "up", Setting: "cool_setpoint", ID: "a person's", Accepted: true, Final: true, Applied: true})
		w.until("20:00").want("powerwall 100")
	})
	t.Run("it asks for what the rules had asked for", func(t *testing.T) {
		w := begun(t)
		w.step(Answer{Target: "up", Setting: "cool_setpoint", ID: "a person's", Accepted: true, Final: true, Applied: true})
		w.until("20:00").want("powerwall 100")
	})
	t.Run("it comes while the baseline is being given back", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.therm["up"].Hold = devices.HoldPermanent
		w.charge = 70
		w.start().until("18:59").take()
		w.deaf["up"] = true
		w.until("19:01").want("powerwall 100", "up permanent cool 76 heat 68")
		w.step(Answer{Target: "up", Setting: "mode", ID: "a person's", Accepted: true})
		w.step(Answer{Target: "up", Setting: "mode", ID: "a person's", Final: true, Reason: "the vendor does not answer"})
		w.deaf["up"] = false
		w.until("19:40").want("up permanent cool 76 heat 68")
	})
}

// A window began while a person's command was on its way: the rules sent a command every
// ten seconds, were refused, and wrote the journal each time.
func TestTheRulesWaitForAPersonsCommand(t *testing.T) {
	for _, c := range []struct{ target, setting, want string }{
		{"up", "cool_setpoint", "up until 16:00 cool 74 heat 68"},
		{Powerwall, "reserve", "powerwall 100"},
	} {
		for name, final := range map[string]bool{"that is answered": true, "that nobody answers": false} {
			t.Run(c.target+", "+name, func(t *testing.T) {
				w := newWorld(t, "2026-07-15 15:10").start()
				if c.target == Powerwall {
					w.s.Settings.Thermostats, w.reserve = nil, 40
				}
				w.until("15:29").take()
				w.now = w.now.Add(40 * time.Second)
				w.step(Answer{Target: c.target, Setting: c.setting, ID: "7", Accepted: true})
				journaled := w.journaled
				for range 40 {
					w.now = w.now.Add(10 * time.Second)
					w.read()
				}
				w.want()
				if n := w.journaled - journaled; n > 1 { // the window has begun
					t.Errorf("the journal was written %d times while nothing happened", n)
				}
				if final {
					w.step(Answer{Target: c.target, Setting: c.setting, ID: "7", Final: true, Reason: "the vendor does not answer"})
				} else {
					w.now = w.now.Add(4 * time.Minute)
					w.read()
				}
				w.want(c.want)
			})
		}
	}
	t.Run("a fan is nothing to wait for", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:10").start()
		w.untilTime(at("2026-07-15 15:29")).take()
		w.step(Answer{Target: "up", Setting: "fan", ID: "7", Accepted: true})
		w.until("15:31").want("up until 16:00 cool 74 heat 68")
	})
}

// A person who has the reserve set and then asks for an override has done
// nothing wrong.
func TestGivingWayIsNoFault(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.deaf[Powerwall] = true
	w.start().want("powerwall 0")
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: w.s.Pending[Powerwall].ID, Final: true, Reason: "a person's command came first", GaveWay: true})
	w.want()
	w.deaf[Powerwall] = false
	w.now = w.now.Add(5 * time.Second)
	w.read()
	w.want()
	w.now = w.now.Add(10 * time.Second)
	w.read()
	w.want("powerwall 0")
	if n := w.noted(NoteProblem); n != 0 {
		t.Errorf("%d problems", n)
	}
}

func TestAutoGivesItBack(t *testing.T) {
	w := setBack(t)
	w.therm["up"].Cool = new(74.0)
	w.until("16:26").want()
	w.ask("auto")
	w.until("16:40").want("up until 19:00 cool 76 heat 68")
}

func TestAPersonTakesTheBattery(t *testing.T) {
	t.Run("in a peak, until it ends", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00").start()
		w.take()
		w.until("16:10")
		w.reserve = 30
		w.until("18:59").want()
		w.until("19:01").want("powerwall 100")
	})
	t.Run("off peak, until the phase changes", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 12:00").start()
		w.forecast(70)
		w.reserve = 40
		w.until("15:29").want()
		w.until("15:31").want("powerwall 100")
	})
	t.Run("by its mode", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00").start()
		w.take()
		w.until("16:10")
		w.mode = "backup"
		w.until("16:14")
		if len(w.d.Yielded) != 1 {
			t.Error("a change of mode is a person's choice")
		}
	})
}

// After a person's command for the reserve fails, the peak's reserve is still restored,
// also when somebody pauses powermgr.
func TestACommandForTheReserveThatFailsLeavesNothingBehind(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10").start().want("powerwall 0")
	w.until("16:30")
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "a person's", Accepted: true})
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "a person's", Final: true, Reason: "the vendor does not answer"})
	w.until("16:40").want()
	w.ask("pause 6h").until("19:10").want("powerwall 100")
}

// The vendor was down for most of the peak: what it refused need not be undone. What it
// accepted and never showed does.
func TestAReserveThatNeverLanded(t *testing.T) {
	for name, c := range map[string]struct {
		accepted bool
		want     []string
	}{"it was refused": {}, "it was accepted": {true, []string{"powerwall 100"}}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:00")
			w.deaf[Powerwall] = true
			w.start()
			id := w.sent[0].ID
			w.want("powerwall 0")
			w.mute[Powerwall] = true
			w.step(Answer{Target: Powerwall, Setting: "reserve", ID: id, Accepted: c.accepted, Final: true, Reason: "the vendor does not answer"})
			w.now = at("2026-07-15 17:29")
			w.mute[Powerwall], w.mode = false, "backup"
			w.read()
			w.until("18:59").take()
			if len(w.d.Yielded) != 1 {
				t.Errorf("yielded %v", w.d.Yielded)
			}
			w.until("19:10").want(c.want...)
		})
	}
}

// A setback may ask for the set point that a person's temporary hold has; what
// differs is when it ends.
func TestATemporaryHoldIsMoreThanItsSetPoint(t *testing.T) {
	for _, c := range []struct {
		name  string
		holds []devices.Hold
		want  string
	}{
		{"where a hold can end at a time", []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent}, "up until 22:00 cool 84 heat 68"},
		{"where it ends with the period", []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldPermanent}, "up temporary cool 84 heat 68"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:00")
			up := w.therm["up"]
			up.Holds, up.Hold, up.Until, up.Cool = c.holds, devices.HoldTemporary, at("2026-07-15 22:00"), new(84.0)
			w.charge = 60
			w.start()
			w.until("16:02")
			if up.Cool == nil || *up.Cool != 84 || up.Until.Equal(at("2026-07-15 22:00")) {
				t.Fatalf("not set back: %+v", up.Setting)
			}
			w.take()
			up.Until = at("2026-07-15 19:00") // of a device that tells no other end
			w.until("19:02").want("powerwall 100", c.want)
		})
	}
}

// An automatic hold and then a person's hold ended while no process was running: the
// thermostat is already on its schedule.
func TestNothingIsGivenBackToTheSchedule(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:45")
	up := w.therm["up"]
	up.Hold, up.Until, up.Cool = devices.HoldUntil, at("2026-07-15 18:30"), new(80.0)
	w.start().ask("precool 87m")
	w.until("16:10").take()
	w.now, w.charge = at("2026-07-15 18:26"), 20
	w.restart()
	w.until("18:28")
	w.mute["up"] = true // it is read less often
	w.until("18:31").take()
	w.ask("off_peak").want("powerwall 100")
}

func TestHundredThatComesBackAsEighty(t *testing.T) {
	w := newWorld(t, "2026-07-15 18:50").start()
	w.take()
	w.until("19:04").want("powerwall 100")
	w.until("19:20")
	w.reserve = 80
	w.until("22:00").want()
	if w.noted(NoteLeft) != 1 || *w.d.Reserve != 80 || len(w.d.Yielded) != 0 {
		t.Errorf("limit said %d times, wanted %d, taken %v", w.noted(NoteLeft), *w.d.Reserve, w.d.Yielded)
	}
	w.untilTime(at("2026-07-16 19:30")).want("powerwall 0", "powerwall 80")
}

func TestEightyAfterAShortStormIsTheDevices(t *testing.T) {
	w := newWorld(t, "2026-07-15 19:00")
	w.reserve = 0
	w.start().want("powerwall 100")
	w.until("19:02")
	w.step(BatteryRead{Battery{Charge: new(90.0), Reserve: new(100), Mode: w.mode, StormActive: true, AsOf: w.now, Polled: w.now}})
	w.until("19:10")
	w.reserve = 80
	w.until("19:20").want()
	if len(w.d.Yielded) != 0 || w.s.Persisted.Battery.Limit != 80 {
		t.Errorf("yielded %v, limit %d", w.d.Yielded, w.s.Persisted.Battery.Limit)
	}
}

// The vendor may have been down when the reserve snapped back.
func TestEightySeenLateIsTheDevices(t *testing.T) {
	w := newWorld(t, "2026-07-15 19:00")
	w.reserve = 0
	w.start().want("powerwall 100")
	w.until("19:10")
	w.mute[Powerwall], w.reserve = true, 80
	w.until("20:30")
	w.mute[Powerwall] = false
	w.until("20:40").want()
	if len(w.d.Yielded) != 0 || w.s.Persisted.Battery.Limit != 80 {
		t.Errorf("yielded %v, limit %d", w.d.Yielded, w.s.Persisted.Battery.Limit)
	}
}

func TestEightyLongAfterIsAPersonsChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 19:00")
	w.reserve = 0
	w.start().want("powerwall 100")
	w.until("20:00")
	w.reserve = 80
	w.until("20:10")
	if len(w.d.Yielded) != 1 || w.s.Persisted.Battery.Limit != 0 {
		t.Errorf("yielded %v, limit %d", w.d.Yielded, w.s.Persisted.Battery.Limit)
	}
}

func TestTheBatteryIsTeslas(t *testing.T) {
	for _, c := range []struct {
		name string
		b    Battery
	}{
		{"storm", Battery{StormActive: true}},
		{"grid services", Battery{GridServices: true}},
		{"off the grid", Battery{GridConnected: new(false)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:58").start()
			w.take()
			w.mute[Powerwall] = true
			for w.now.Before(at("2026-07-15 16:30")) {
				w.now = w.now.Add(time.Minute)
				b := c.b
				b.Charge, b.Reserve, b.Mode, b.AsOf, b.Polled = new(90.0), new(100), "self_consumption", w.now, w.now
				w.step(BatteryRead{b})
			}
			w.want()
			if w.d.Reason != ByDevice || len(w.d.Yielded) != 0 {
				t.Errorf("reason %s, taken %v", w.d.Reason, w.d.Yielded)
			}
			w.mute[Powerwall] = false
			w.until("16:32").want("powerwall 0")
		})
	}
}

func TestModesThatDefeatTheReserveAreAProblem(t *testing.T) {
	for _, mode := range []string{"autonomous", "backup"} {
		w := newWorld(t, "2026-07-15 12:00")
		w.mode = mode
		w.start()
		if len(w.d.Problems) != 1 || !strings.Contains(w.d.Problems[0].Text, mode) {
			t.Errorf("%s: problems %q", mode, w.d.Problems)
		}
	}
}

// A command that the vendor carries out later shows the old value first.
func TestLateLandingIsNotAPersonsChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.charge, w.deaf["up"] = 70, true
	w.start()
	w.until("16:16").take()
	th := w.therm["up"]
	th.Hold, th.Until, th.Cool = devices.HoldUntil, at("2026-07-15 19:00"), new(78.0)
	w.until("16:20").want()
	if len(w.d.Yielded) != 0 || w.noted(NoteYielded) != 0 {
		t.Errorf("yielded %v", w.d.Yielded)
	}
	t.Run("nor is an earlier one that lands after a later one was asked for", func(t *testing.T) {
		w.charge = 10
		w.until("16:24").take()
		th.Cool = new(78.0)
		w.until("16:26")
		if len(w.d.Yielded) != 0 {
			t.Errorf("yielded %v", w.d.Yielded)
		}
	})
}

func TestOverrides(t *testing.T) {
	for _, c := range []struct {
		name  string
		start string
		asks  string
		until string
		want  []string
	}{
		{"peak off peak", "12:00", "peak 90m", "14:00", []string{"powerwall 0", "powerwall 100"}},
		{"peak without a time joins the lead", "15:10", "peak", "15:50", []string{"powerwall 0", "powerwall 100", "up until 16:00 cool 74 heat 68"}},
		{"off_peak in a peak, for a while", "16:10", "off_peak 30m", "16:50", []string{"powerwall 100", "powerwall 0"}},
		{"precool now", "11:58", "precool", "13:00", []string{"up until 12:30 cool 74 heat 68"}},
		{"precool for an hour", "11:58", "precool 1h", "13:30", []string{"up until 13:00 cool 74 heat 68"}},
		{"pause in the lead", "15:40", "pause 3h", "18:00", []string{"up schedule"}},
		{"pause in a peak gives the reserve back", "16:10", "pause", "18:00", []string{"powerwall 100"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 "+c.start).start()
			w.untilTime(w.now.Add(2 * time.Minute)).take()
			w.ask(c.asks)
			w.until(c.until).want(c.want...)
		})
	}
	t.Run("minutes left count to the override's end", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 12:00").start().ask("peak 90m")
		if w.d.Left == nil || *w.d.Left != 90*time.Minute {
			t.Errorf("left %v", w.d.Left)
		}
	})
	t.Run("one that adjoins the schedule is one event with one baseline", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 13:00")
		w.charge = 70
		w.start().ask("peak 3h")
		w.want("powerwall 0", "up until 19:00 cool 78 heat 68")
		w.until("16:30").want()
		w.until("19:10").want("powerwall 100")
	})
	t.Run("it survives a restart", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 12:00").start().ask("peak 2h")
		w.want("powerwall 0")
		w.until("12:10").restart()
		w.read()
		w.until("13:58").want()
		w.until("14:02").want("powerwall 100")
	})
	t.Run("it beats disabled, and disabled beats the schedule", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:50").start()
		w.step(EnabledAsked{false})
		w.take()
		w.until("16:20").want()
		w.ask("peak 30m")
		w.want("powerwall 0")
		w.until("17:30").want("powerwall 100")
	})
	t.Run("disabled in a peak", func(t *testing.T) {
		w := setBack(t)
		w.step(EnabledAsked{false})
		w.until("16:30").want("powerwall 100", "up schedule")
		w.until("20:00").want()
		w.step(EnabledAsked{true})
	})
	t.Run("restore now, then nothing until the window ends", func(t *testing.T) {
		w := setBack(t)
		w.step(RestoreAsked{})
		w.until("16:30").want("powerwall 100", "up schedule")
		w.charge = 5
		w.until("18:58").want()
		if w.s.Persisted.Override.Kind != OverridePause || !w.s.Persisted.Override.Until.Equal(at("2026-07-15 19:00")) {
			t.Errorf("override %+v", w.s.Persisted.Override)
		}
	})
}

func TestDryRunSendsAndKeepsNothing(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	w.s.Settings.DryRun = true
	w.charge = 10
	w.start()
	w.until("20:00").want()
	if w.noted(NoteDryRun) == 0 {
		t.Error("nothing was said")
	}
	if w.noted(NoteDryRun) > 8 {
		t.Errorf("said %d times", w.noted(NoteDryRun))
	}
	if len(w.s.Persisted.Thermostats) != 0 || w.s.Persisted.Battery.AtPeak {
		t.Errorf("kept %+v", w.s.Persisted)
	}
}

func TestUnwritableJournal(t *testing.T) {
	t.Run("nothing new starts", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:00").start()
		w.s.Unwritable = true
		w.charge = 10
		w.until("18:00")
		for _, s := range w.take() {
			if strings.HasPrefix(s, "up") {
				t.Errorf("sent %q", s)
			}
		}
	})
	t.Run("restoring goes on", func(t *testing.T) {
		w := setBack(t)
		w.therm["up"].Hold, w.therm["up"].Until = devices.HoldUntil, at("2026-07-15 19:00")
		w.s.Unwritable = true
		w.step(RestoreAsked{})
		w.until("16:30").want("powerwall 100", "up schedule")
	})
}

func TestRestart(t *testing.T) {
	t.Run("inside the window the event goes on, spacing and latches included", func(t *testing.T) {
		w := setBack(t)
		w.restart()
		w.read()
		w.charge = 45
		w.until("17:59").want("up until 19:00 cool 80 heat 68")
		if len(w.d.Latched) != 2 {
			t.Errorf("%d latched", len(w.d.Latched))
		}
	})
	t.Run("the spacing outlives it", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.charge = 70
		w.start().take()
		w.until("16:12").restart()
		w.charge = 10
		w.until("16:19").want()
		w.until("16:20").want("up until 19:00 cool 82 heat 68")
	})
	t.Run("after the window everything goes back first", func(t *testing.T) {
		w := setBack(t)
		th := w.therm["up"]
		w.now = at("2026-07-15 21:00")
		th.Until = at("2026-07-16 19:00") // a device that did not let go
		w.restart()
		w.read()
		w.until("21:04").want("powerwall 100", "up schedule")
	})
	t.Run("killed between journal and write", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.deaf["up"], w.deaf[Powerwall] = true, true
		w.charge = 70
		w.start().take()
		w.deaf["up"], w.deaf[Powerwall] = false, false
		w.now = w.now.Add(20 * time.Minute)
		w.restart()
		w.read()
		w.want("powerwall 0", "up until 19:00 cool 78 heat 68")
		if w.noted(NoteYielded) != 0 {
			t.Error("what never landed was taken for a person's choice")
		}
	})
	t.Run("over a permanent hold that fell to the schedule meanwhile", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.therm["up"].Hold = devices.HoldPermanent
		w.charge = 70
		w.start().want("powerwall 0", "up permanent cool 78 heat 68")
		w.until("16:20")
		w.therm["up"].Hold = devices.HoldSchedule
		w.now = at("2026-07-15 21:00")
		w.restart()
		w.read()
		w.until("21:04").want("powerwall 100", "up permanent cool 76 heat 68")
	})
	t.Run("over a permanent hold that fell to the schedule meanwhile, and the vendor is slow", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.therm["up"].Hold = devices.HoldPermanent
		w.charge = 70
		w.start().want("powerwall 0", "up permanent cool 78 heat 68")
		w.until("16:20")
		w.therm["up"].Hold, w.deaf["up"] = devices.HoldSchedule, true
		w.now = at("2026-07-15 16:40")
		w.restart()
		w.read()
		w.until("16:48").want("up permanent cool 78 heat 68")
		if w.noted(NoteYielded) != 0 {
			t.Error("what it fell to was taken for a person's choice")
		}
	})
	t.Run("changed by a person while we were away", func(t *testing.T) {
		w := setBack(t)
		w.therm["up"].Cool = new(72.0)
		w.now = at("2026-07-15 17:00")
		w.restart()
		w.read()
		w.until("21:00")
		for _, s := range w.take() {
			if strings.HasPrefix(s, "up") {
				t.Errorf("sent %q", s)
			}
		}
	})
	t.Run("into the next event: the old one is given back, then a new baseline", func(t *testing.T) {
		w := setBack(t)
		w.therm["up"].Hold, w.therm["up"].Until = devices.HoldPermanent, time.Time{}
		w.therm["up"].Cool = new(78.0)
		w.s.Persisted.Thermostats["up"] = ThermostatRecord{Claim: &Claim{
			Baseline: Baseline{Setting: devices.Setting{Cool: new(75.0), Heat: new(66.0), Hold: devices.HoldPermanent}, Mode: "cool"},
			Writes:   Writes{Wanted: devices.Setting{Cool: new(78.0), Heat: new(66.0), Hold: devices.HoldPermanent}, Confirmed: true, WrittenAt: w.now}, Kind: Setback,
		}, Window: w.s.Persisted.Thermostats["up"].Window, LastWrite: w.now}
		w.kept = mustJSON(t, w.s.Persisted)
		w.now = at("2026-07-16 16:30")
		w.charge = 70
		w.restart()
		w.read()
		w.until("17:00").want("up permanent cool 75 heat 66", "up permanent cool 77 heat 66")
	})
}

func TestRestoringNeverGivesUp(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.therm["up"].Hold = devices.HoldPermanent
	w.charge = 70
	w.start().take()
	w.until("18:59").take()
	w.deaf["up"] = true
	for w.now.Before(at("2026-07-15 23:00")) {
		w.untilTime(w.now.Add(time.Minute))
		for _, s := range w.sent {
			if s.Target == "up" {
				w.step(Answer{Target: "up", Setting: "hold", ID: s.ID, Accepted: true, Final: true, Reason: "not taken"})
			} else {
				w.step(Answer{Target: s.Target, Setting: "reserve", ID: s.ID, Accepted: true, Final: true, Applied: true})
			}
		}
		w.sent = nil
	}
	w.deaf["up"] = false
	w.until("23:40").want("up permanent cool 76 heat 68")
	w.until("23:50").want()
}

func TestASetbackThatIsIgnoredIsGivenUp(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.charge, w.deaf["up"] = 70, true
	w.start()
	tries := 0
	for w.now.Before(at("2026-07-15 18:50")) {
		for _, s := range w.sent {
			if s.Target == "up" {
				tries++
				w.step(Answer{Target: "up", Setting: "hold", ID: s.ID, Accepted: true, Final: true, Reason: "not taken"})
			}
		}
		w.sent = nil
		w.untilTime(w.now.Add(time.Minute))
	}
	if tries != 1 {
		t.Errorf("asked %d times; the bridge has tried three times already", tries)
	}
}

// Two readings show a choice, and the hold that it ended would have ended by
// itself between them.
func TestTheScheduleChosenJustBeforeAHoldEndsIsAChoice(t *testing.T) {
	for _, c := range []struct {
		name   string
		chosen string
		taken  bool
	}{
		{"a minute and a half before", "17:18", true},
		{"at its end", "17:20", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Hold, th.Until, th.Cool = devices.HoldUntil, at("2026-07-15 17:20"), new(79.0)
			w.start().until(c.chosen)
			th.Hold, th.Until, th.Cool, th.Heat = devices.HoldSchedule, time.Time{}, new(76.0), new(68.0)
			w.read()
			w.until("17:30")
			if got := w.s.Persisted.Thermostats["up"].Choice != nil; got != c.taken {
				t.Errorf("a person's: %v, want %v", got, c.taken)
			}
		})
	}
}

// A person had the battery, and its window ended while no process was running. What they
// set after that was mistaken for their earlier choice, and the plan or the peak
// overwrote it.
func TestAChoiceAfterTheWindowThatNobodySawIsAChoice(t *testing.T) {
	command := func(reserve int) func(*world) {
		return func(w *world) {
			ask := Answer{Target: Powerwall, Setting: "reserve", ID: "7", Accepted: true, Reserve: &reserve}
			w.step(ask)
			w.reserve, ask.Final, ask.Applied = float64(reserve), true, true
			w.step(ask)
		}
	}
	app := func(reserve float64) func(*world) { return func(w *world) { w.reserve = reserve } }
	both := func(a, b func(*world)) func(*world) {
		return func(w *world) { a(w); w.forth(10 * time.Minute); b(w) }
	}
	for _, c := range []struct {
		name         string
		from, gone   string
		chose, after func(*world) // nil: nothing
		back         string
		taken        bool
	}{
		{"a command in a peak, another in the app after it", "17:00", "18:30", command(45), app(55), "19:35", true},
		{"the app in a peak, and again after it", "17:00", "18:30", app(45), app(55), "19:35", true},
		{"the app after a command in a peak, and again after it", "17:00", "18:00", both(command(45), app(30)), app(55), "19:35", true},
		{"a command after the app in a peak, and the app after it", "17:00", "18:00", both(app(30), command(45)), app(55), "19:35", true},
		{"all of 100, and 80 after the peak", "17:00", "18:30", command(100), app(80), "19:35", true},
		{"a command in a peak, and nothing since", "17:00", "18:30", command(45), nil, "19:35", false},
		{"the app in a peak, and nothing since", "17:00", "18:30", app(45), nil, "19:35", false},
		{"the app after a command in a peak, and nothing since", "17:00", "18:00", both(command(45), app(30)), nil, "19:35", false},
		{"a command after the app in a peak, and nothing since", "17:00", "18:00", both(app(30), command(45)), nil, "19:35", false},
		{"before a peak, and again in it", "10:00", "15:00", app(45), app(55), "16:35", true},
		{"before a peak, and nothing since", "10:00", "15:00", app(45), nil, "16:35", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := plans(t, "2026-07-15 "+c.from)
			w.s.Settings.Thermostats = nil
			w.start()
			w.plan(100)
			w.forth(10 * time.Minute)
			c.chose(w)
			w.until(c.gone).take()
			w.now = at("2026-07-15 " + c.back)
			if c.after != nil {
				c.after(w)
			}
			w.restart().read()
			w.forth(2 * time.Minute)
			if taken := w.s.Persisted.Battery.Choice != nil; taken != c.taken {
				t.Errorf("yielded: %v, sent %v", taken, w.take())
			}
			w.forth(10 * time.Minute)
			if sent := w.take(); c.taken && len(sent) > 0 {
				t.Errorf("sent %v over a person's choice", sent)
			}
		})
	}
}

// Somebody switches a thermostat off, later has it follow its schedule, and switches it on
// after the peak: the hold that it had before is not put back.
func TestAHoldThatIsEndedWhileOffStaysEnded(t *testing.T) {
	for _, c := range []struct {
		name  string
		moved time.Duration // after it was switched off; zero: at the same time
		want  []string
	}{
		{"by a person", 20 * time.Minute, nil},
		{"by a person, a reading later", 3 * time.Minute, nil},
		{"by switching it off, as some devices do", 0, []string{"up until 21:00 cool 74 heat 68"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			up := w.therm["up"]
			up.Cool, up.Hold, up.Until = new(74.0), devices.HoldUntil, at("2026-07-15 21:00")
			w.charge = 70
			w.start().until("17:10").take()
			schedule := func() {
				up.Hold, up.Until, up.Cool = devices.HoldSchedule, time.Time{}, new(76.0)
			}
			if up.Mode = devices.Off; c.moved == 0 {
				schedule()
			}
			w.forth(c.moved)
			schedule()
			w.until("19:20")
			up.Mode = devices.Cool
			w.take()
			w.until("19:40").want(c.want...)
		})
	}
}

// A person had set the mode in a peak, skipped the rest of the peak and then chose a
// reserve. When the peak was over the plan took the reserve back: it counted as part of
// the earlier choice.
func TestAReserveThatIsChosenAfterTheModeIsAChoiceOfItsOwn(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	w.s.Settings.Strategy, w.s.Settings.PlanMinReserve = StrategyPlan, 5
	w.start().plan(0)
	w.until("17:00")
	w.step(Answer{Target: Powerwall, Setting: "mode", Accepted: true})
	w.step(Answer{Target: Powerwall, Setting: "mode", Accepted: true, Final: true, Applied: true})
	w.until("18:00").ask("off_peak")
	w.until("18:20")
	w.reserve = 10
	w.until("18:55").plan(10)
	w.until("19:05").take()
	w.plan(22)
	w.until("19:30").want()
}

// A person changed the mode moments before a hold of the rules ended. The hold with the new
// mode was taken for that person's own, which had ended, and the one from before the rules
// was not put back.
func TestTheModeIsChangedJustBeforeAHoldEnds(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:20")
	up := w.therm["up"]
	up.Hold, up.Until = devices.HoldUntil, at("2026-07-16 03:00")
	w.start().until("15:57").want("up until 16:00 cool 74 heat 68")
	up.Mode = devices.HeatCool
	w.until("19:20")
	if *up.Cool != 76 || up.Hold != devices.HoldUntil || !up.Until.Equal(at("2026-07-16 03:00")) {
		t.Errorf("left at %g, %s until %s; taken %+v", *up.Cool, up.Hold, up.Until, w.d.Yielded)
	}
}

package rules_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

func TestALimitNeverMovesASetPointTowardsMoreLoad(t *testing.T) {
	for _, c := range []struct {
		name       string
		mode       devices.HVACMode
		cool, heat float64
	}{
		{"cooling", "cool", 84, 68},
		{"heating", "heat", 76, 60},
		{"auto", "heat_cool", 84, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Mode, th.Cool, th.Heat, th.Hold = c.mode, &c.cool, &c.heat, devices.HoldPermanent
			w.charge = 10
			w.start().want("powerwall 0")
		})
	}
}

func TestAnOldChargeLatchesNothing(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.forecast(70)
	w.charge = 60
	w.until("15:40")
	w.mute[Powerwall] = true
	w.until("17:00").want("powerwall 0")
	if len(w.d.Latched) != 0 {
		t.Error("a charge 20 minutes old latched a threshold")
	}
}

func TestMaxSteps(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.s.Settings.MaxSteps = 2
	w.charge = 10
	w.start().want("powerwall 0", "up until 19:00 cool 80 heat 68")
	if len(w.d.Latched) != 3 {
		t.Errorf("%d latched; the limit is on the offset", len(w.d.Latched))
	}
}

// A person changed it while no process was running, and the window has passed: it is read
// before anything is restored.
func TestNothingIsGivenBackOverAChangeMadeWhileWeWereAway(t *testing.T) {
	w := setBack(t)
	w.therm["up"].Hold, w.therm["up"].Cool = devices.HoldPermanent, new(72.0)
	w.now = at("2026-07-15 21:00")
	w.restart()
	w.read()
	w.until("21:30").want("powerwall 100")
}

// The vendor queues commands: the first may land after the second was sent and, for a
// moment, seemed to be shown.
func TestAChangeMadeWhileWeWereAwayIsNotTheEventsBaseline(t *testing.T) {
	w := setBack(t)
	w.step(EnabledAsked{Enabled: false})
	w.until("16:40").take()
	w.therm["up"].Cool, w.therm["up"].Hold = new(72.0), devices.HoldPermanent
	w.restart()
	w.read()
	w.step(EnabledAsked{Enabled: true})
	w.charge = 20
	w.until("20:00").want("powerwall 0", "powerwall 100")
}

func TestWhatIsShownIsNotSentAgain(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.therm["up"].Hold = devices.HoldPermanent
	w.deaf["up"], w.charge = true, 70
	w.start().want("powerwall 0", "up permanent cool 78 heat 68")
	w.step(RestoreAsked{})
	w.want("powerwall 100", "up permanent cool 76 heat 68")
	w.now = w.now.Add(30 * time.Second)
	w.read()
	w.step(Answer{Target: "up", Setting: "hold", ID: w.s.Pending["up"].ID, Final: true, Reason: "the vendor does not answer"})
	w.until("16:40").want() // it has 76 all the time
}

// A process that has just started does not repeat a setback that is already shown but may
// still be replaced by an earlier one.
func TestASetbackThatIsShownIsNotSentAgain(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.s.Settings.Spacing = time.Minute
	w.deaf["up"], w.charge = true, 70
	w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
	w.charge = 45
	for len(w.sent) == 0 {
		w.now = w.now.Add(30 * time.Second)
		w.read()
	}
	w.want("up until 19:00 cool 80 heat 68")
	th := w.therm["up"]
	th.Hold, th.Until, th.Cool = devices.HoldUntil, at("2026-07-15 19:00"), new(80.0)
	w.now = w.now.Add(30 * time.Second)
	w.restart().read()
	w.want()
}

// A person had the reserve until the window ended, so what was asked for before says
// nothing about what it was just now.
func TestARestartAfterTheReserveIsTakenBack(t *testing.T) {
	w := newWorld(t, "2026-07-15 13:00")
	w.reserve = 20
	w.start().want("powerwall 100")
	w.until("13:10")
	w.mode, w.reserve = "backup", 5
	w.until("13:20").want()
	w.deaf[Powerwall] = true
	w.until("15:30")
	w.deaf[Powerwall] = false
	w.now = w.now.Add(30 * time.Second)
	w.restart()
	w.read()
	if len(w.d.Yielded) != 0 {
		t.Errorf("taken for a person's: %v", w.d.Yielded)
	}
}

func TestAPromotedNodeDecidesFromNoOldReading(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.step(Role{Active: false})
	w.now = at("2026-07-15 16:30")
	w.take()
	w.step(Role{Active: true})
	w.want()
	w.read()
	w.want("powerwall 0")
}

// A reading that was on its way when the node went on standby is too old when the node is
// active again.
func TestAPromotedNodeDecidesFromNoReadingOfItsLastMoment(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.step(Role{Active: false})
	w.read()
	w.now = at("2026-07-15 16:30")
	w.take()
	w.step(Role{Active: true})
	w.want()
	w.read()
	w.want("powerwall 0")
}

// A Round does not accept a write, and in the meantime its schedule moves to another
// period without changing its setting. What changes it after that is a person.
func TestAChoiceAtAThermostatThatTakesNothing(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	th := w.therm["up"]
	th.Hold, th.Period, w.charge, w.deaf["up"] = "", "wake", 70, true
	w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
	th.Hold = ""
	w.until("16:30")
	th.Period = "leave"
	w.until("17:30")
	w.take()
	w.deaf["up"] = false
	th.Cool = new(74.0)
	w.until("18:55").want()
	if n := w.noted(NoteYielded); n != 1 {
		t.Errorf("%d times somebody was seen", n)
	}
}

// A person sets a thermostat without holds just before its next period begins. One
// reading has already shown that by then: the period cannot have caused a change before
// it.
func TestAChoiceJustBeforeTheNextPeriod(t *testing.T) {
	for _, c := range []struct {
		name   string
		charge float64 // from 75 % down the thermostat is set back
	}{
		{"over a setback", 70},
		{"where there is no setback yet", 90},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Hold, th.Holds, th.Period, w.charge = "", nil, "wake", c.charge
			w.start()
			w.until("16:30")
			w.take()
			th.Cool = new(71.0)
			w.now = w.now.Add(2 * time.Minute)
			w.read()
			th.Period = "leave"
			w.until("16:40")
			w.charge = 40
			w.until("18:58").want()
			if len(w.d.Yielded) != 1 {
				t.Errorf("yielded %v", w.d.Yielded)
			}
		})
	}
}

// A journal from the other node, such as after both were active, does not make a node
// forget what it has read from the devices.
func TestAJournalOfTheOtherNodeHidesNoChoice(t *testing.T) {
	for _, c := range []struct {
		name          string
		thermostatIDs map[string]ThermostatRecord
		taken         int
	}{
		{"that says the same", nil, 1},
		{"that knows of a hand on the thermostat", map[string]ThermostatRecord{"up": {Claim: &Claim{
			Baseline: Baseline{Setting: devices.Setting{Cool: new(80.0), Heat: new(68.0), Hold: devices.HoldPermanent}, Mode: "cool"},
			Writes:   Writes{Wanted: devices.Setting{Cool: new(74.0), Heat: new(68.0), Hold: devices.HoldPermanent}, Confirmed: true}, Kind: Precool,
		}}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10").start()
			kept := w.s.Persisted
			kept.Thermostats = c.thermostatIDs
			w.step(Recovered{kept})
			th := w.therm["up"]
			th.Cool, th.Hold = new(74.0), devices.HoldPermanent
			w.until("16:14")
			if n := w.noted(NoteYielded); n != c.taken {
				t.Errorf("%d times somebody was seen", n)
			}
		})
	}
}

// It becomes known that the other node had set a thermostat after a person has put it
// back on its schedule.
func TestAHandThatComesToLightUndoesNoChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10").start()
	th := w.therm["up"]
	kept := w.s.Persisted
	kept.Thermostats = map[string]ThermostatRecord{"up": {
		Window: kept.Window.Start, Choice: &Choice{At: w.now, What: "set to 76, hold schedule"},
		Claim: &Claim{
			Baseline: Baseline{Setting: devices.Setting{Cool: new(80.0), Heat: new(68.0), Hold: devices.HoldPermanent}, Mode: "cool"},
			Writes:   Writes{Wanted: devices.Setting{Cool: new(82.0), Heat: new(68.0), Hold: devices.HoldPermanent}, Confirmed: true, WrittenAt: at("2026-07-15 16:00")}, Kind: Setback,
		},
	}}
	w.step(Recovered{kept})
	w.take()
	w.until("16:30").want()
	if th.Hold != devices.HoldSchedule || w.s.Persisted.Thermostats["up"].Choice == nil {
		t.Errorf("%+v", w.s.Persisted.Thermostats["up"])
	}
}

// A journal that wants the same arrives while an automatic command is on its way: the
// command is not sent a second time.
func TestAJournalOfTheOtherNodeRepeatsNoCommand(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.deaf["up"], w.charge = true, 60
	w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
	var kept Persisted
	if err := json.Unmarshal([]byte(w.kept), &kept); err != nil {
		t.Fatal(err)
	}
	w.step(Recovered{kept})
	w.until("16:18").want()
}

// A device that only ends holds on quarter hours already has what is asked for next.
func TestAHoldThatWasRoundedUpIsNotSentAgain(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:17").start().ask("precool 30m").want("up until 15:47 cool 74 heat 68")
	th := w.therm["up"]
	th.Until = at("2026-07-15 16:00")
	w.until("15:59").want()
	if h := w.s.Persisted.Thermostats["up"]; h.Claim == nil || !h.Claim.Wanted.Until.Equal(th.Until) {
		t.Errorf("kept: %s", w.kept)
	}
	w.until("16:04").want("powerwall 0")
}

// A hold that the device would round up to the end that it shows is not sent either.
func TestAHoldThatWouldBeRoundedUpIsNotSent(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:17").start().ask("precool 30m").want("up until 15:47 cool 74 heat 68")
	w.therm["up"].Until = at("2026-07-15 16:00")
	w.until("15:29").ask("precool 20m").want()
	w.until("15:45").want()
}

// A hold that was read while the clock was a day ahead seems to end tomorrow.
func TestABaselineOfADayAhead(t *testing.T) {
	w := newWorld(t, "2026-07-16 16:10")
	th := w.therm["up"]
	th.Hold, th.Until, w.charge = devices.HoldUntil, at("2026-07-16 22:00"), 70
	w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
	w.now = at("2026-07-15 19:30") // which it really is
	th.Until = at("2026-07-15 19:45")
	w.until("19:34").want("powerwall 100", "up until 22:00 cool 76 heat 68")
	if until := w.therm["up"].Until; !until.Equal(at("2026-07-15 22:00")) {
		t.Errorf("until %s", until)
	}
}

// A value that a vendor leaves out for a while does not count as changed, and is not
// forgotten when the thermostat is restored.
func TestSetPointsThatTheVendorLeavesOut(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to string
		leaveOut func(*Thermostat)
	}{
		{"the one in use, before the setback", "15:40", "16:02", func(th *Thermostat) { th.Cool = nil }},
		{"the other one, before the setback", "15:40", "16:02", func(th *Thermostat) { th.Heat = nil }},
		{"the other one, at the setback", "15:56", "16:02", func(th *Thermostat) { th.Heat = nil }},
		{"the one in use, in the peak", "17:00", "18:00", func(th *Thermostat) { th.Cool = nil }},
		{"the other one, in the peak", "17:00", "18:00", func(th *Thermostat) { th.Heat = nil }},
		{"all, in the peak", "17:00", "18:00", func(th *Thermostat) { th.Cool, th.Heat, th.Mode = nil, nil, "" }},
		{"the one in use, as the peak ends", "18:30", "19:05", func(th *Thermostat) { th.Cool = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:00")
			w.s.Settings.PrecoolAtF = 120 // no precooling
			w.therm["up"].Hold, w.therm["up"].Heat, w.charge = devices.HoldPermanent, new(66.0), 70
			w.start()
			w.until(c.from)
			w.leaves["up"] = c.leaveOut
			w.until(c.to)
			delete(w.leaves, "up")
			w.until("19:20")
			if n := w.noted(NoteYielded); n != 0 {
				t.Errorf("%d times somebody was seen", n)
			}
			if n := w.noted(NoteSetback); n == 0 {
				t.Error("no setback")
			}
			if th := w.therm["up"]; *th.Cool != 76 || *th.Heat != 66 || th.Hold != devices.HoldPermanent {
				t.Errorf("in the end cool %g heat %g %s", *th.Cool, *th.Heat, th.Hold)
			}
		})
	}
}

func TestACoolSetPointThatTheVendorLeavesOutWhileItHeats(t *testing.T) {
	w := newWorld(t, "2026-12-15 16:50")
	th := w.therm["up"]
	th.Mode, th.Cool, th.Heat, th.Hold, w.charge = "heat", new(80.0), new(70.0), devices.HoldPermanent, 70
	w.start()
	w.leaves["up"] = func(th *Thermostat) { th.Cool = nil }
	w.until("17:10").want("powerwall 0", "up permanent cool 80 heat 68")
	w.until("20:10").want("powerwall 100", "up permanent cool 80 heat 70")
}

func TestAPromotedNodeTakesNoOldReadingForGivenBack(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	w.therm["up"].Hold = devices.HoldPermanent
	w.start()
	w.step(Role{Active: false})
	w.now = at("2026-07-15 18:30")
	w.therm["up"].Cool = new(80.0)
	kept := w.s.Persisted
	kept.Window = &Stretch{at("2026-07-15 15:30"), at("2026-07-15 19:00")}
	kept.Thermostats = map[string]ThermostatRecord{"up": {Window: kept.Window.Start, Claim: &Claim{
		Baseline: Baseline{Setting: devices.Setting{Cool: new(76.0), Heat: new(68.0), Hold: devices.HoldPermanent}, Mode: "cool"},
		Writes:   Writes{Wanted: devices.Setting{Cool: new(80.0), Heat: new(68.0), Hold: devices.HoldPermanent}, Confirmed: true, WrittenAt: at("2026-07-15 17:00")}, Kind: Setback,
	}}}
	w.step(Recovered{kept})
	w.mute["up"] = true
	w.take()
	w.step(Role{Active: true})
	w.until("19:10")
	w.mute["up"] = false
	w.take()
	w.until("19:20").want("up permanent cool 76 heat 68")
}

// A vendor may show a write hours late, or not at all. A hold that lasts would then stay
// for good, so it is overtaken, although the thermostat shows what it had before.
func TestAWriteThatWasNeverShownIsOvertakenIfItLasts(t *testing.T) {
	for _, c := range []struct {
		hold devices.Hold
		want []string
	}{
		{devices.HoldPermanent, []string{"powerwall 0", "up permanent cool 85 heat 68"}},
		{devices.HoldSchedule, []string{"powerwall 0"}}, // what it was asked for has ended by itself
	} {
		t.Run(string(c.hold), func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:30")
			w.therm["up"].Cool, w.therm["up"].Hold = new(85.0), c.hold
			w.deaf["up"] = true
			if sent := w.start().take(); len(sent) != 1 {
				t.Fatalf("sent %q", sent)
			}
			w.step(Answer{Target: "up", Setting: "hold", ID: w.s.Pending["up"].ID, Accepted: true, Final: true, Reason: "the device did not change"})
			w.deaf["up"], w.charge = false, 70
			w.until("16:30").want(c.want...)
		})
	}
}

// A thermostat on vacation or in a utility event caused a critical problem because it was
// not restored in time. Now its owner is named instead, and it is restored afterward.
func TestWhatIsOwedToAThermostatThatSomebodyHasWaits(t *testing.T) {
	for _, c := range []struct {
		waits string
		take  func(*Thermostat)
	}{
		{"it is on vacation", func(th *Thermostat) { th.Hold = devices.HoldVacation }},
		{"a utility event is controlling it", func(th *Thermostat) { th.UtilityEvent = true }},
	} {
		t.Run(c.waits, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:50")
			th := w.therm["up"]
			th.Hold, w.charge = devices.HoldPermanent, 70
			w.start().until("16:30").take()
			before := *th
			c.take(th)
			w.until("19:30").want("powerwall 100")
			if len(w.d.Owned) != 1 || w.d.Owned[0].What != string(Restore) || w.d.Owned[0].Waits != c.waits {
				t.Errorf("owned: %+v", w.d.Owned)
			}
			*th = before
			w.until("19:40").want("up permanent cool 76 heat 68")
			if len(w.d.Owned) != 0 {
				t.Errorf("owned: %+v", w.d.Owned)
			}
		})
	}
	t.Run("one that its vendor does not reach is no such case", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:50")
		w.therm["up"].Hold, w.charge = devices.HoldPermanent, 70
		w.start().until("16:30").take()
		w.therm["up"].Alive, w.therm["up"].Hold = false, devices.HoldVacation
		w.until("19:30")
		if len(w.d.Owned) != 1 || w.d.Owned[0].Waits != "" {
			t.Errorf("owned: %+v", w.d.Owned)
		}
	})
}

// A set point chosen while the thermostat is on vacation counts from its end.
func TestAChoiceMadeOnVacation(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10").start()
	w.take()
	th := w.therm["up"]
	before := *th
	th.Hold = devices.HoldVacation
	w.until("16:20").want()
	th.Cool = new(74.0)
	w.until("16:30").want()
	*th = before
	th.Hold, th.Cool = devices.HoldPermanent, new(74.0)
	w.charge = 20
	w.until("16:40").want()
	if len(w.d.Yielded) != 1 {
		t.Errorf("yielded: %v", w.d.Yielded)
	}
}

// A Round shows a hold only while it is on vacation. Its readings after the vacation are
// complete without one.
func TestAVacationOfAThermostatWithoutHolds(t *testing.T) {
	for _, c := range []struct {
		name    string
		restart bool
	}{
		{"the same process all along", false},
		{"a restart while it is on vacation", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Hold, w.charge = "", 70
			w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
			th.Hold = "" // it took the set points, and knows no holds
			w.until("16:30").want()
			th.Hold = devices.HoldVacation
			w.until("16:40").want()
			if c.restart {
				w.restart()
			}
			w.until("17:00").want()
			th.Hold = ""
			w.until("19:10").want("powerwall 100", "up  cool 76 heat 68")
		})
	}
}

// A thermostat that was restored in this event and has an unexplained new setting since is
// restored to that one.
func TestABaselineThatIsNoMore(t *testing.T) {
	w := setBack(t)
	w.step(EnabledAsked{Enabled: false})
	w.until("16:40").take()
	th := w.therm["up"]
	th.UtilityEvent = true
	w.until("16:44")
	th.UtilityEvent = false
	th.Hold, th.Cool = devices.HoldPermanent, new(79.0)
	w.s.Persisted.Thermostats["up"] = ThermostatRecord{Baseline: w.s.Persisted.Thermostats["up"].Baseline, Window: w.s.Persisted.Thermostats["up"].Window}
	w.s.BeforeSuspension = nil
	w.kept = mustJSON(t, w.s.Persisted)
	w.until("16:50")
	if h := w.s.Persisted.Thermostats["up"]; h.Baseline != nil {
		t.Errorf("it still goes back to %+v", h.Baseline)
	}
}

func TestAnEarlierWriteThatLandsLate(t *testing.T) {
	t.Run("on a thermostat", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.deaf["up"], w.charge = true, 70
		w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
		w.ask("pause 10m")
		w.want("powerwall 100", "up schedule") // before the first was seen
		w.now = w.now.Add(time.Minute)
		w.read() // it shows its schedule, since neither has landed
		th := w.therm["up"]
		th.Hold, th.Until, th.Cool = devices.HoldUntil, at("2026-07-15 19:00"), new(78.0)
		w.now = w.now.Add(30 * time.Second)
		w.read() // the first lands
		th.Hold, th.Until, th.Cool = devices.HoldSchedule, time.Time{}, new(76.0)
		w.until("16:16") // the second
		if len(w.d.Yielded) != 0 || w.noted(NoteYielded) != 0 || len(w.d.Owned) != 0 {
			t.Errorf("yielded %v, owned %v", w.d.Yielded, w.d.Owned)
		}
	})
	t.Run("on the battery", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.deaf[Powerwall] = true
		w.start().want("powerwall 0")
		w.ask("off_peak 10m")
		w.want("powerwall 100") // though it still shows 100
		w.reserve = 0
		w.now = w.now.Add(30 * time.Second)
		w.read()
		w.reserve = 100
		w.until("16:14")
		if len(w.d.Yielded) != 0 || w.noted(NoteYielded) != 0 {
			t.Errorf("yielded %v", w.d.Yielded)
		}
	})
}

func TestAnEventBeginsWithTheOverrideThatBeganIt(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00").start().ask("peak 90m")
	if !w.s.Persisted.Window.Start.Equal(w.now) || !w.s.Persisted.Window.End.Equal(w.now.Add(90*time.Minute)) {
		t.Errorf("%+v", w.s.Persisted.Window)
	}
}

func TestStandbyDecidesNothing(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	w.step(Role{Active: false})
	w.charge = 10
	w.read()
	w.until("17:00").want()
	if w.s.Battery == nil || len(w.s.Thermostats) != 1 {
		t.Error("a standby follows what the devices say")
	}
	before := w.kept
	w.step(Role{Active: true})
	w.read()
	w.until("17:02")
	if got := w.take(); len(got) != 2 || before == w.kept {
		t.Errorf("promoted, it sent %q", got)
	}
}

func TestReloadedSettingsGiveBackWhatIsNoLongerControlled(t *testing.T) {
	w := setBack(t)
	s := w.s.Settings
	s.Thermostats = nil
	w.s.Settings = s
	w.restart()
	w.read()
	w.want("up schedule")
}

func TestReasonsAreSentences(t *testing.T) {
	w := setBack(t)
	for _, part := range []string{"peak until 19:00", "reserve 0 %", "battery 70 %", "setback 2 °F"} {
		if !strings.Contains(w.d.Why, part) {
			t.Errorf("%q lacks %q", w.d.Why, part)
		}
	}
}

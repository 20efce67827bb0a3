package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// late is a home whose battery does at once what it is told, but shows it later by a
// delay, as Tesla's site_info sometimes does.
type late struct {
	*world
	by   time.Duration
	real []shownFrom
	last Write
}

type shownFrom struct {
	at      time.Time
	reserve float64
}

func newLate(t *testing.T, when string, by time.Duration) *late {
	w := newWorld(t, when).start()
	w.take()
	w.deaf[Powerwall] = true
	return &late{world: w, by: by, real: []shownFrom{{w.now.Add(-48 * time.Hour), w.reserve}}}
}

// runs lets time pass. The bridge answers after eight minutes with what it has seen.
func (l *late) runs(clock string) {
	l.t.Helper()
	for end := at(l.now.In(pacific).Format("2006-01-02 ") + clock); l.now.Before(end); {
		l.now = l.now.Add(time.Minute)
		l.step(Tick{})
		l.carry()
		if l.now.Minute()%2 == 0 {
			for _, r := range l.real {
				if !r.at.After(l.now.Add(-l.by)) {
					l.reserve = r.reserve
				}
			}
			l.read()
			l.carry()
		}
		if l.last.ID != "" {
			switch shows := int(l.reserve) == *l.last.Reserve; {
			case shows:
				l.answer("")
			case l.now.Sub(l.real[len(l.real)-1].at) >= 8*time.Minute:
				l.answer("sent 3 times, but the device did not change: look at the device")
			}
		}
	}
}

func (l *late) answer(reason string) {
	id := l.last.ID
	l.last = Write{}
	l.step(Answer{Target: Powerwall, Setting: "reserve", ID: id, Accepted: true, Final: true, Applied: reason == "", Reason: reason})
	l.carry()
}

func (l *late) carry() {
	for _, w := range l.sent {
		if w.Reserve != nil {
			l.last = w
			l.real = append(l.real, shownFrom{l.now, float64(*w.Reserve)})
		}
	}
	l.sent = nil
}

func (l *late) has() float64 { return l.real[len(l.real)-1].reserve }

// TestAReserveThatShowsLate: whatever site_info shows, the battery has the peak's reserve
// in the peak and the other one after it, and nothing is mistaken for a person's choice.
func TestAReserveThatShowsLate(t *testing.T) {
	for _, by := range []time.Duration{12 * time.Minute, 20 * time.Minute, 45 * time.Minute, 2 * time.Hour, 4 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			l := newLate(t, "2026-07-15 15:50", by)
			l.runs("16:30")
			if l.has() != 0 {
				t.Errorf("in the peak the battery has %g %%", l.has())
			}
			l.runs("19:02")
			if l.has() != 100 {
				t.Errorf("after the peak the battery has %g %%", l.has())
			}
			l.runs("23:58")
			if l.has() != 100 || l.noted(NoteYielded) > 0 || len(l.d.Owned) > 0 {
				t.Errorf("at the end of the day the battery has %g %%, people have been seen %d times, owned %v", l.has(), l.noted(NoteYielded), l.d.Owned)
			}
		})
	}
	t.Run("after an override that ends before it shows", func(t *testing.T) {
		l := newLate(t, "2026-07-15 12:00", 20*time.Minute)
		l.ask("peak 15m")
		l.runs("12:18")
		if l.has() != 100 {
			t.Errorf("after the override the battery has %g %%", l.has())
		}
		l.runs("15:00")
		if l.has() != 100 || l.noted(NoteYielded) > 0 {
			t.Errorf("the battery has %g %%, people have been seen %d times", l.has(), l.noted(NoteYielded))
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		l := newLate(t, "2026-07-15 15:50", 4*time.Hour)
		l.runs("18:30")
		l.restart()
		l.runs("19:58")
		l.restart()
		l.runs("23:58")
		if l.has() != 100 || l.noted(NoteYielded) > 0 {
			t.Errorf("the battery has %g %%, people have been seen %d times", l.has(), l.noted(NoteYielded))
		}
	})
	t.Run("during a pause", func(t *testing.T) {
		l := newLate(t, "2026-07-15 15:50", 4*time.Hour)
		l.runs("19:10")
		l.ask("pause 4h")
		l.runs("23:00") // it has shown 0 since 20:00
		if l.has() != 100 {
			t.Errorf("the battery has %g %%", l.has())
		}
		if n := len(l.real); n < 3 {
			t.Errorf("what landed late was not overtaken: %v", l.real)
		}
	})
}

// TestAPersonIsSeenWhereReadingsAreInTime: a write that was shown once is over, and the
// same reserve later is a person's choice.
func TestAPersonIsSeenWhereReadingsAreInTime(t *testing.T) {
	for _, c := range []struct {
		name, at, until string
		reserve         float64
	}{
		{"the off-peak reserve in the peak", "17:00", "18:50", 100},
		{"the reserve of the peak in the evening", "21:00", "23:50", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:50").start()
			w.until(c.at)
			w.reserve = c.reserve
			w.until(c.until)
			if w.reserve != c.reserve || len(w.d.Yielded) != 1 {
				t.Errorf("the reserve is %g, taken %v", w.reserve, w.d.Yielded)
			}
		})
	}
}

// A vendor whose answers come from several places showed a reserve, then for hours the
// one before it, and then that reserve once more: it was mistaken for a person's choice,
// and the reserve of a peak was left behind.
func TestAReserveThatIsShownOnceMoreIsNobodysChoice(t *testing.T) {
	const sent = 44 // by plan, at noon
	for _, c := range []struct {
		name     string
		strategy Strategy
		shows    []shownFrom // after the write of the rules has shown
		until    string
		want     string // the last write
	}{
		{"the peak's reserve in the evening", StrategyRule, []shownFrom{{at("2026-07-15 16:10"), 100}, {at("2026-07-15 21:00"), 0}}, "21:30", "powerwall 100"},
		{"before another one that was sent meanwhile", StrategyPlan, []shownFrom{{at("2026-07-15 12:10"), 100}, {at("2026-07-15 15:50"), sent}}, "16:10", "powerwall 10"},
		{"after one of long before", StrategyPlan, []shownFrom{{at("2026-07-15 12:10"), 70}, {at("2026-07-15 15:50"), sent}}, "16:10", "powerwall 10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := plans(t, "2026-07-15 12:00")
			w.s.Settings.Strategy, w.s.Settings.Thermostats = c.strategy, nil
			w.start()
			plan, last := sent, ""
			w.plan(plan)
			for _, shows := range append(c.shows, shownFrom{at("2026-07-15 " + c.until), -1}) {
				for w.now.Before(shows.at) {
					w.forth(5 * time.Minute)
					if w.now.After(at("2026-07-15 15:00")) {
						plan = sent + 6
					}
					w.plan(plan)
				}
				if shows.reserve >= 0 {
					w.deaf[Powerwall], w.reserve = true, shows.reserve
				}
			}
			for _, s := range w.sent {
				last = short(s)
			}
			if last != c.want || len(w.d.Yielded) > 0 {
				t.Errorf("the last write was %s, want %s; taken %v", last, c.want, w.d.Yielded)
			}
		})
	}
}

// A person who has changed a reserve of the rules is respected, whatever they choose
// next: what the rules had asked for is taken for a late reading once, and any other
// value never.
func TestAPersonWhoChangesAReserveTwiceIsHeard(t *testing.T) {
	for _, c := range []struct {
		name   string
		chosen []float64 // in the evening, a quarter of an hour apart
		want   float64
	}{
		{"another value", []float64{30}, 30},
		{"what other Powerwalls make of the peak's reserve", []float64{20}, 20},
		{"the peak's reserve", []float64{0}, 100},
		{"the peak's reserve, once more", []float64{0, 0}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:50").start().until("17:00")
			w.reserve = 100 // by the person
			w.until("21:00")
			for _, v := range c.chosen {
				w.reserve = v
				w.forth(15 * time.Minute)
			}
			if w.reserve != c.want {
				t.Errorf("the reserve is %g %%, want %g %%", w.reserve, c.want)
			}
		})
	}
}

// A write that was never shown may land over a person's later choice.
func TestAChoiceIsPutBackAfterALateWrite(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:00")
	w.deaf[Powerwall] = true
	w.start()
	id := w.sent[0].ID
	w.want("powerwall 0")
	w.mute[Powerwall] = true
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: id, Accepted: true, Final: true, Unknown: true, Reason: "the vendor does not answer"})
	w.now = at("2026-07-15 16:20")
	w.mute[Powerwall], w.reserve = false, 50
	w.read()
	w.until("16:40").take()
	if len(w.d.Yielded) != 1 {
		t.Fatalf("yielded %v", w.d.Yielded)
	}
	w.deaf[Powerwall], w.reserve = false, 0
	w.until("17:00").want("powerwall 50")
}

// A write that had not been shown was still overtaken hours after a person's command was
// shown, and what the battery already had was sent once more.
func TestACommandThatIsShownRulesOutWhatWasSentBefore(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:00")
	w.s.Settings.OffPeakReserve, w.reserve, w.s.Settings.Thermostats = 60, 60, nil
	w.deaf[Powerwall] = true
	w.start()
	id := w.sent[0].ID
	w.want("powerwall 0")
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: id, Accepted: true, Final: true, Unknown: true, Reason: "the vendor does not answer"})
	w.now, w.reserve = at("2026-07-15 16:20"), 30
	w.read()
	w.until("16:40").take()
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "7", Reserve: new(60), Accepted: true})
	w.reserve = 60
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "7", Reserve: new(60), Accepted: true, Final: true, Applied: true})
	w.until("19:30").want()
}

// The same after a start: until the first reading it is only known what an earlier process
// was shown.
func TestACommandBeforeTheFirstReadingRulesOutWhatWasSentBefore(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:00")
	w.s.Settings.OffPeakReserve, w.reserve, w.s.Settings.Thermostats = 60, 80, nil
	w.deaf[Powerwall] = true // its process ends before it has sent anything
	w.start()
	w.want("powerwall 0")
	w.now = at("2026-07-15 16:40")
	w.restart().take()
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "7", Reserve: new(60), Accepted: true})
	w.reserve = 60
	w.until("19:30").want()
}

// A setback is extended a few minutes before its end, and the vendor does not carry that
// out. The old end is so close to the new one that it passed for it, and what the hold gave
// way to then passed for a person's choice.
func TestAnExtensionThatIsNotCarriedOutHidesNoBaseline(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:50")
	th := w.therm["up"]
	th.Hold, th.Until, w.charge = devices.HoldUntil, at("2026-07-16 01:15"), 40
	w.start().until("18:58")
	w.deaf["up"] = true
	w.ask("peak 21m").take()
	w.read()
	th.Hold, th.Until, th.Cool = devices.HoldSchedule, time.Time{}, new(78.0)
	w.now = at("2026-07-15 19:00").Add(30 * time.Second)
	for range 3 {
		w.read()
	}
	w.until("19:10")
	w.deaf["up"] = false
	w.take()
	w.until("19:25").want("powerwall 100", "up until 01:15 cool 76 heat 68")
}

// The first reading after a start left out a part of the setting, and a setback that was
// decided from it was refused. The baseline of the next one was still without that part: a
// setting of the schedule was given back without an end, and one set point not at all.
func TestABaselineIsReadAgainAfterARefusal(t *testing.T) {
	for _, c := range []struct {
		name      string
		leavesOut func(*Thermostat)
		first     string
		again     string
		hold      devices.Hold
	}{
		{"the hold", func(th *Thermostat) { th.Hold, th.Holds = "", nil }, "up  cool 80 heat 68", "up until 19:00 cool 80 heat 68", devices.HoldSchedule},
		{"the set point that the mode does not use", func(th *Thermostat) { th.Heat = nil }, "up permanent cool 80", "up permanent cool 80 heat 68", devices.HoldPermanent},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			th := w.therm["up"]
			th.Hold = c.hold
			whole := *th
			w.charge, w.busy, w.deaf["up"] = 40, true, true
			c.leavesOut(th)
			w.start().want("powerwall 0", c.first)
			w.step(Answer{Target: "up", Setting: "hold", ID: w.s.Pending["up"].ID, Final: true, Reason: "refused"})
			*th, w.busy, w.deaf["up"] = whole, false, false
			w.read()
			w.until("16:40").want(c.again)
			if b := w.s.Persisted.Thermostats["up"].Claim.Baseline; b.Hold != whole.Hold || b.Heat == nil {
				t.Errorf("the baseline is %+v", b)
			}
		})
	}
}

// A reserve that a vendor shows hours late looked as if the battery kept no more, and a
// Powerwall that keeps 100 was set to 80.
func TestALimitIsNotLearnedFromAVendorThatIsBehind(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:50")
	w.reserve = 80
	w.start().take()
	w.deaf[Powerwall] = true
	l := &late{world: w, by: 4 * time.Hour, real: []shownFrom{{w.now.Add(-48 * time.Hour), 80}}}
	w.reserve = 80
	l.runs("19:58")
	if limit := l.s.Persisted.Battery.Limit; limit != 0 || l.has() != 100 {
		t.Errorf("the limit is %d, and the battery has %g %%", limit, l.has())
	}
	l.runs("23:58")
	if l.has() != 100 {
		t.Errorf("at the end of the day the battery has %g %%", l.has())
	}
}

// A reserve was sent several times, and a vendor that was behind showed how the first try
// snapped back, and then the next one: that was not a person's choice.
func TestALaterTryThatShowsAfterTheLimitIsNobodysChoice(t *testing.T) {
	w := plans(t, "2026-07-15 12:00")
	w.s.Settings.Thermostats, w.reserve, w.deaf[Powerwall] = nil, 0, true
	w.start().plan(100)
	for range 3 {
		w.forth(10 * time.Minute)
		w.answer(Answer{Accepted: true})
		w.plan(100)
	}
	for _, v := range []float64{80, 100} {
		w.reserve = v
		w.forth(10 * time.Minute)
		w.plan(100)
	}
	if w.noted(NoteYielded) > 0 || w.noted(NoteLeft) == 0 {
		t.Errorf("yielded %v, notes %v", w.d.Yielded, w.notes)
	}
}

// Two nodes may each know of a write that the other has not seen.
func TestMergedRecordsKnowTheWritesOfBoth(t *testing.T) {
	at := at("2026-07-15 16:00")
	a := BatteryRecord{Writes: Writes{Flights: []Flight{FlightOf(100, 0, at.Add(time.Hour))}}}
	b := BatteryRecord{Writes: Writes{Flights: []Flight{FlightOf(0, 100, at), FlightOf(100, 0, at.Add(time.Hour))}}}
	if got := a.With(b).Flights; len(got) != 2 || *got[0].Reserve != 0 || *got[1].Reserve != 100 {
		t.Errorf("%+v", got)
	}
}

// A journal that arrives late from the broker is older than what this process has sent
// since its start: that is not sent again.
func TestAJournalThatComesLateDoesNotSendAgain(t *testing.T) {
	sent := at("2026-07-15 18:45")
	disk := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(0)}, Before: devices.Setting{Reserve: new(100)}, WrittenAt: sent, Flights: []Flight{FlightOf(0, 100, sent)}}, AtPeak: true}
	broker := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}, Before: devices.Setting{Reserve: new(0)}, WrittenAt: sent.Add(-time.Hour), Confirmed: true}}
	got := broker.With(disk)
	if *got.Wanted.Reserve != 0 || *got.Before.Reserve != 100 || got.Confirmed || !got.WrittenAt.Equal(sent) {
		t.Errorf("the later write does not count: %+v", got)
	}
	if got := disk.With(broker); *got.Wanted.Reserve != 0 {
		t.Errorf("the earlier write counts: %+v", got)
	}
	broker.Choice = &Choice{At: sent}
	if got := broker.With(disk); *got.Wanted.Reserve != 100 {
		t.Errorf("a person has it, and it is taken to be asked for %d %%", *got.Wanted.Reserve)
	}
}

// A clock that was corrected moments after a hold was sent made the hold look long over:
// it was not expected to land any more, and when it did, it lasted until the next day.
func TestTheClockIsPutRightWhileAHoldIsOnItsWay(t *testing.T) {
	for _, answered := range []string{"before the reading", "after the reading", "never"} {
		t.Run("answered "+answered, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:20")
			w.start().deaf["up"] = true
			w.until("15:30")
			sent := w.sent[len(w.sent)-1]
			w.want("up until 16:00 cool 74 heat 68")
			answer := func(when string) {
				if when == answered {
					w.step(Answer{Target: "up", Setting: "hold", ID: sent.ID, Accepted: true, Final: true, Reason: "16:00 is over"})
				}
			}
			w.now = at("2026-07-15 16:09")
			answer("before the reading")
			w.read()
			answer("after the reading")
			w.landsAfterItsEnd()
		})
	}
}

// landsAfterItsEnd lets a hold until 16:00 land when that is over: it lasts until the next
// day if nothing ends it.
func (w *world) landsAfterItsEnd() {
	w.t.Helper()
	up := w.therm["up"]
	w.deaf["up"] = false
	up.Cool, up.Hold, up.Until = new(74.0), devices.HoldUntil, at("2026-07-16 16:00")
	for _, s := range w.sent { // what was sent later lands later
		w.apply(s)
	}
	w.until("17:00")
	if up.Hold != devices.HoldSchedule || len(w.d.Yielded) > 0 || len(w.d.Owned) > 1 {
		w.t.Errorf("left %s until %s, taken %v, owned %v", up.Hold, up.Until, w.d.Yielded, w.d.Owned)
	}
}

// Another node took over seconds after a hold was sent, on a clock that was a day ahead:
// the hold looked as if it had never landed, and its end was forgotten. Then it landed.
func TestAHoldOfTheOtherNodeMayLandWhateverTheClockSays(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:20")
	up := w.therm["up"]
	up.Hold = devices.HoldPermanent
	w.start().deaf["up"] = true
	w.until("15:30").want("up permanent cool 74 heat 68")
	w.now = at("2026-07-16 12:00")
	w.restart().read()
	w.deaf["up"] = false
	up.Cool = new(74.0)
	for _, s := range w.sent { // what was sent later lands later
		w.apply(s)
	}
	w.until("12:40")
	if *up.Cool != 76 || up.Hold != devices.HoldPermanent || len(w.d.Owned) > 1 {
		t.Errorf("left at %g, %s, owned %v", *up.Cool, up.Hold, w.d.Owned)
	}
}

// On a clock that was a day ahead the reserve was given back, which failed. Once the clock
// was right, the next try waited until that time of the next day.
func TestAFailureOnAClockThatWasAheadDoesNotWait(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Answer
	}{
		{"refused", Answer{Reason: "unreachable"}},
		{"it may have arrived", Answer{Accepted: true, Unknown: true, Reason: "unreachable"}},
		{"ignored", Answer{Accepted: true, Reason: "not taken"}},
		{"done, and read otherwise", Answer{Accepted: true, Applied: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:20")
			w.start().until("17:00").take()
			w.deaf[Powerwall] = true
			w.now = at("2026-07-16 07:20")
			w.read()
			if len(w.sent) == 0 {
				t.Fatal("nothing was sent")
			}
			c.answer.Target, c.answer.Setting, c.answer.ID, c.answer.Final = Powerwall, "reserve", w.sent[0].ID, true
			w.step(c.answer)
			w.take()
			w.deaf[Powerwall] = false
			w.now = at("2026-07-15 17:05")
			w.until("19:10")
			if w.reserve != 100 {
				t.Errorf("the reserve is %g %%", w.reserve)
			}
		})
	}
}

// A thermostat went offline just as it was written to. Its last setting was taken for one
// that it showed hours later: nothing seemed to have arrived, and what the rules had set
// was never given back.
func TestAThermostatThatGoesOfflineAsItIsWrittenTo(t *testing.T) {
	for _, c := range []struct {
		name string
		hide func(*Thermostat)
	}{
		{"offline", func(th *Thermostat) { th.Alive = false }},
		{"its set points are left out", func(th *Thermostat) { th.Cool, th.Heat = nil, nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:20")
			up := w.therm["up"]
			up.Hold = devices.HoldPermanent
			w.start().deaf["up"] = true
			w.until("15:30").want("up permanent cool 74 heat 68")
			w.step(Answer{Target: "up", Setting: "hold", ID: w.s.Pending["up"].ID, Accepted: true, Final: true, Applied: true})
			w.leaves["up"] = c.hide
			w.until("19:30")
			delete(w.leaves, "up")
			w.deaf["up"] = false
			up.Cool = new(74.0) // it has arrived
			w.until("19:50")
			if *up.Cool != 76 || up.Hold != devices.HoldPermanent {
				t.Errorf("left at %g, %s", *up.Cool, up.Hold)
			}
		})
	}
}

// A node whose clock was behind asked for a hold that was over by then, and died. The other
// one took it for one that had ended, and then it landed, and lasted until the next day.
func TestAHoldOfTheOtherNodeWasAskedForOnAClockThatIsBehind(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:20")
	w.start().deaf["up"] = true
	w.until("15:30").want("up until 16:00 cool 74 heat 68")
	w.now = at("2026-07-15 16:01")
	w.restart().read()
	w.forth(30 * time.Second)
	w.landsAfterItsEnd()
}

package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"

	"powermgr/devices"
)

// Restoring while a vendor is down or gives incomplete answers.

// nothingBack returns a home at the end of a peak whose battery does not do what it is
// told.
func nothingBack(t *testing.T) *world {
	w := newWorld(t, "2026-07-15 16:10").start().until("18:59")
	w.take()
	w.deaf[Powerwall] = true
	return w
}

// answer gives the final answer to the last command to the battery.
func (w *world) answer(a Answer) {
	w.t.Helper()
	a.Target, a.Setting, a.ID, a.Final, a.Reason = Powerwall, "reserve", w.s.Pending[Powerwall].ID, true, "the vendor does not answer"
	w.step(a)
}

// pass lets time pass in steps of half a minute, and calls each after each.
func (w *world) pass(d time.Duration, each func()) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(devices.StepInterval)
		w.step(Tick{})
		if each != nil {
			each()
		}
	}
}

func TestTheFirstReadingAfterAnOutageBringsTheGiveBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Answer        // to each try
		outage time.Duration // of readings
	}{
		{"nobody knows whether it arrived", Answer{Accepted: true, Unknown: true}, 8 * time.Minute},
		{"it did not arrive", Answer{}, 8 * time.Minute},
		{"it did not arrive for an hour", Answer{}, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := nothingBack(t)
			w.mute[Powerwall] = true
			w.pass(c.outage, func() {
				if p := w.s.Pending[Powerwall]; p.ID != "" && w.now.Sub(p.Sent) >= 2*time.Minute {
					w.answer(c.answer)
				}
			})
			if p := w.s.Pending[Powerwall]; p.ID != "" {
				w.answer(c.answer)
			}
			w.take()
			w.pass(devices.StepInterval, nil)
			w.mute[Powerwall], w.deaf[Powerwall] = false, false
			w.read()
			w.want("powerwall 100")
		})
	}
}

func TestAGiveBackThatMayNotHaveArrivedIsSentAgainWithoutAReading(t *testing.T) {
	for _, c := range []struct {
		name        string
		answer      Answer
		least, most int // writes in an hour without a reading
	}{
		{"it did not arrive", Answer{}, 8, 14},
		{"nobody knows whether it arrived", Answer{Accepted: true, Unknown: true}, 4, 5},
		{"accepted, and nothing came of it", Answer{Accepted: true}, 3, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := nothingBack(t)
			w.mute[Powerwall] = true
			w.pass(time.Hour+time.Minute, func() {
				if w.s.Pending[Powerwall].ID != "" {
					w.answer(c.answer)
				}
			})
			if n := len(w.take()); n < c.least || n > c.most {
				t.Errorf("%d writes", n)
			}
		})
	}
}

// A reserve that a plan asked for was treated as something new: it waited for a reading,
// and a vendor that limits reads gave none for hours. The reserve of the peak stayed.
func TestAPlanThatGivesBackDoesSoWithoutAReading(t *testing.T) {
	for _, c := range []struct {
		name         string
		plan         int
		byHand       float64 // the reserve outside peaks, once the first write has failed; 0: as it was
		first, later Goal
	}{
		{"the reserve outside peaks", 100, 0, Restore, Restore},
		{"one that becomes the reserve outside peaks", 60, 60, Setback, Restore},
		{"another one", 60, 0, Setback, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := plans(t, "2026-07-15 16:10")
			w.s.Settings.Thermostats = nil
			w.start().plan(c.plan)
			w.until("18:59").plan(c.plan)
			w.take()
			w.deaf[Powerwall], w.mute[Powerwall] = true, true
			var goals []Goal
			w.pass(time.Hour, func() {
				for _, x := range w.sent {
					goals = append(goals, x.Goal)
				}
				if w.take(); w.s.Pending[Powerwall].ID != "" {
					w.answer(Answer{})
				}
				if c.byHand > 0 && len(goals) == 1 {
					w.byHand(AdjustOffPeakReserve, c.byHand)
				}
				w.plan(c.plan)
			})
			switch {
			case len(goals) == 0 || goals[0] != c.first:
				t.Errorf("sent for %q, want %s first", goals, c.first)
			case c.later == "" && len(goals) > 1 || c.later != "" && (len(goals) < 8 || goals[len(goals)-1] != c.later):
				t.Errorf("sent for %q, want %q later", goals, c.later)
			}
		})
	}
}

func TestAVendorThatRefusesCommandsIsNotHammered(t *testing.T) {
	w := nothingBack(t)
	w.pass(time.Hour+time.Minute, func() {
		w.read()
		if w.s.Pending[Powerwall].ID != "" {
			w.answer(Answer{})
		}
	})
	if n := len(w.take()); n < 12 || n > 15 {
		t.Errorf("%d writes in an hour", n)
	}
}

func TestAReserveThatWasNeverTakenIsNotOfTheRules(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:45").start()
	w.deaf[Powerwall] = true
	w.until("16:01")
	w.answer(Answer{})
	w.read()
	if len(w.d.Owned) != 0 {
		t.Errorf("owned: %+v", w.d.Owned)
	}
	w.deaf[Powerwall] = false
	w.until("16:07")
	if len(w.d.Owned) != 1 {
		t.Errorf("once it is taken, owned: %+v", w.d.Owned)
	}
}

// A node that starts or takes over while the vendor limits reads only has the journal to
// rely on, and otherwise the reserve would stay at 0 for hours.
func TestTheReserveGoesBackWithoutAReading(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Answer
		want   int // writes in an hour
	}{
		{"it arrives", Answer{Accepted: true, Unknown: true}, 4},
		{"it does not", Answer{}, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10").start().until("18:30")
			w.take()
			w.mute[Powerwall] = true
			w.restart().until("19:30")
			w.take()
			w.restart()
			w.pass(4*time.Minute, nil)
			w.want() // a reading would tell more
			w.pass(time.Hour, func() {
				if w.s.Pending[Powerwall].ID != "" {
					w.answer(c.answer)
				}
			})
			got := w.take()
			if len(got) != c.want || got[0] != "powerwall 100" {
				t.Errorf("sent %q, want %d writes", got, c.want)
			}
			if c.answer.Accepted {
				w.mute[Powerwall] = false
				w.read()
				w.want()
				if len(w.d.Owned) != 0 {
					t.Errorf("once a reading shows it, owned: %+v", w.d.Owned)
				}
			}
		})
	}
}

func TestInAPeakAReserveIsNotSetWithoutAReading(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10").start().until("17:00")
	w.take()
	w.mute[Powerwall] = true
	w.restart()
	w.pass(time.Hour, nil)
	w.want()
}

// The bridge reads soon after each failed command, and each of these readings was
// mistaken for the end of an outage.
func TestARefusedCommandIsNotSentWithEveryReading(t *testing.T) {
	w := nothingBack(t)
	n := 0
	w.pass(time.Hour+time.Minute, func() {
		if w.s.Pending[Powerwall].ID != "" {
			w.answer(Answer{})
			n = 0
		}
		if n++; n%2 == 0 {
			w.read()
		}
	})
	if sent := w.take(); len(sent) < 12 || len(sent) > 16 {
		t.Errorf("%d writes in an hour", len(sent))
	}
}

// A reserve asked for by command while Tesla limits reads was mistaken for a new choice
// in the next window, when it was shown for the first time.
func TestACommandThatIsShownLateIsNoNewChoice(t *testing.T) {
	for _, c := range []struct {
		name      string
		confirmed bool // the reserve that the rules had asked for before
	}{
		{"the last write of the rules had been shown", true},
		{"it had not", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 14:00").start().until("14:05")
			w.readBattery(w.now)
			if !c.confirmed {
				w.s.Persisted.Battery.Confirmed = false
			}
			w.mute[Powerwall] = true
			w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "a person's", Accepted: true, Reserve: new(70)})
			w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "a person's", Accepted: true, Reserve: new(70), Final: true, Unknown: true})
			w.reserve = 70
			w.until("15:31")
			w.mute[Powerwall] = false
			w.take()
			w.until("15:33").want("powerwall 100")
			w.until("16:01").want("powerwall 0")
		})
	}
}

// A command that the bridge had sent three times was sent a fourth time within
// three minutes of the first.
func TestACommandThatWasSentSeveralTimesWaitsLonger(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  time.Duration // the answer
		within time.Duration // it is sent again
		none   bool
	}{
		{"refused at once", 10 * time.Second, 90 * time.Second, false},
		{"sent three times", 90 * time.Second, 4 * time.Minute, true},
		{"sent three times, and time has passed", 90 * time.Second, 6 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := nothingBack(t)
			w.pass(time.Minute+devices.StepInterval, w.read)
			w.now = w.s.Pending[Powerwall].Sent.Add(c.after)
			w.answer(Answer{})
			w.take()
			w.pass(c.within, w.read)
			if sent := w.take(); (len(sent) == 0) != c.none {
				t.Errorf("sent %v within %v of the answer", sent, c.within)
			}
		})
	}
}

// A thermostat was asked to restore its setting, although neither the command before nor
// that one had ever reached the vendor.
func TestWhatAVendorWasNeverToldIsNotUndone(t *testing.T) {
	for name, told := range map[string]bool{"it was not told": false, "it may have been told": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:20")
			w.therm["up"].Hold, w.deaf["up"] = devices.HoldPermanent, true
			w.start().until("15:30")
			first := w.s.Pending["up"].ID
			w.want("up permanent cool 74 heat 68")
			w.now = w.now.Add(10 * time.Second)
			w.ask("pause 2h")
			second := w.s.Pending["up"].ID
			w.mute["up"] = true
			w.want("up permanent cool 76 heat 68")
			w.step(Answer{Target: "up", Setting: "hold", ID: first, Accepted: told, Final: true, Reason: "superseded by a newer command"})
			w.step(Answer{Target: "up", Setting: "hold", ID: second, Final: true, Reason: "the vendor could not be reached in time"})
			if told == (len(w.d.Owned) == 0) {
				t.Errorf("owned: %+v", w.d.Owned)
			}
			w.until("15:40")
			if told {
				w.want("up permanent cool 76 heat 68")
			} else {
				w.want()
			}
		})
	}
	for name, ev := range map[string]func(w *world){
		"a person's command fails": func(w *world) {
			w.step(Answer{Target: "up", Setting: "mode", ID: "a person's", Accepted: true})
			w.step(Answer{Target: "up", Setting: "mode", ID: "a person's", Final: true, Reason: "the vendor wants a new authorization"})
		},
		"a person switches it at the wall": func(w *world) {
			w.therm["up"].Mode = devices.HeatCool
			for range 2 { // one reading alone decides nothing
				w.now = w.now.Add(20 * time.Second)
				w.read()
			}
		},
		"everything is to go back": func(w *world) { w.ask("pause 2h") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:20")
			w.therm["up"].Hold, w.deaf["up"] = devices.HoldPermanent, true
			w.start().until("15:30").want("up permanent cool 74 heat 68")
			w.step(Answer{Target: "up", Setting: "hold", ID: w.s.Pending["up"].ID, Final: true, Reason: "the vendor could not be reached in time"})
			ev(w)
			w.mute["up"] = true
			w.until("15:58").want()
			w.until("20:00")
			for _, s := range w.take() {
				if strings.HasPrefix(s, "up") {
					t.Errorf("sent %q", s)
				}
			}
		})
	}
	t.Run("a reserve", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:50")
		w.s.Settings.Thermostats, w.deaf[Powerwall] = nil, true
		w.start().until("16:00")
		first := w.s.Pending[Powerwall].ID
		w.want("powerwall 0")
		w.ask("pause 2h")
		w.want("powerwall 100")
		w.step(Answer{Target: Powerwall, Setting: "reserve", ID: first, Final: true, Reason: "superseded by a newer command"})
		if f := w.s.Persisted.Battery.Flights; len(f) != 1 || *f[0].Reserve != 100 {
			t.Errorf("on its way: %+v", f)
		}
	})
}

// The vendor accepts no reads for hours, a person's command has changed the reserve since
// the last reading, and the write that restores it is lost. It was never sent again: the
// last reading showed what was wanted.
func TestALostWriteIsSentAgainWithoutAReading(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:50")
	w.s.Settings.Thermostats = nil
	w.start().take()
	w.mute[Powerwall], w.deaf[Powerwall] = true, true
	w.until("16:05").want("powerwall 0")
	w.answer(Answer{})
	w.until("17:28").take()
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "7", Reserve: new(5), Accepted: true})
	w.reserve = 5
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: "7", Reserve: new(5), Accepted: true, Final: true, Unknown: true})
	w.until("18:59").take()
	w.until("19:00").want("powerwall 100")
	w.answer(Answer{Accepted: true, Unknown: true})
	w.deaf[Powerwall] = false
	w.until("19:30")
	if w.reserve != 100 {
		t.Errorf("the reserve is %v, sent %v", w.reserve, w.take())
	}
}

// After a start, nothing is read. A write that restores the reserve never arrives, another
// one asks for something else, and the first reading shows the reserve of the peak: that
// passed for a person's choice, and was put back.
func TestWhatWasNeverReadSinceTheStartIsNobodysChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.s.Settings.Thermostats = nil
	w.start().until("18:30").take()
	w.mute[Powerwall], w.deaf[Powerwall], w.busy = true, true, true
	w.now = at("2026-07-15 19:24")
	w.s.Settings.OffPeakReserve = 75
	w.restart().until("19:40").want("powerwall 75")
	w.answer(Answer{})
	w.s.Settings.OffPeakReserve = 100
	w.until("19:50").want("powerwall 100")
	w.mute[Powerwall], w.deaf[Powerwall], w.busy = false, false, false
	w.read()
	w.read()
	w.until("20:30")
	if w.reserve != 100 || len(w.d.Yielded) > 0 {
		t.Errorf("the reserve is %v, yielded %v, sent %v", w.reserve, w.d.Yielded, w.take())
	}
}

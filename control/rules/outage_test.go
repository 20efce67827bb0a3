package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
)

// What is to go back while a vendor is away, or answers half.

// nothingBack is a home at the end of a peak whose battery does not do what it
// is told.
func nothingBack(t *testing.T) *world {
	w := newWorld(t, "2026-07-15 16:10").start().until("18:59")
	w.take()
	w.deaf[Powerwall] = true
	return w
}

// answer gives the final answer to what was last asked of the battery.
func (w *world) answer(a Answer) {
	w.t.Helper()
	a.Target, a.Setting, a.ID, a.Final, a.Reason = Powerwall, "reserve", w.s.Pending[Powerwall].ID, true, "the vendor does not answer"
	w.step(a)
}

// pass lets time pass in steps of half a minute, and calls each after each.
func (w *world) pass(d time.Duration, each func()) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(Beat)
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
			w.pass(Beat, nil)
			w.mute[Powerwall], w.deaf[Powerwall] = false, false
			w.read()
			w.want("powerwall 100")
		})
	}
}

func TestWhatSurelyDidNotArriveGoesBackWithoutAReading(t *testing.T) {
	for _, c := range []struct {
		name        string
		answer      Answer
		least, most int // writes in an hour without a reading
	}{
		{"it did not arrive", Answer{}, 8, 14},
		{"nobody knows whether it arrived", Answer{Accepted: true, Unknown: true}, 1, 1},
		{"accepted, and nothing came of it", Answer{Accepted: true}, 1, 1},
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

func TestAReserveThatWasNeverTakenIsNotOurs(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:45").start()
	w.deaf[Powerwall] = true
	w.until("16:01")
	w.answer(Answer{})
	w.read()
	if len(w.d.Owned) != 0 {
		t.Errorf("owned: %+v", w.d.Owned)
	}
	w.deaf[Powerwall] = false
	w.until("16:04")
	if len(w.d.Owned) != 1 {
		t.Errorf("once it is taken, owned: %+v", w.d.Owned)
	}
}

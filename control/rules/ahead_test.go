package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
)

// The bridge reads before it sends, and gave way to a reserve that a person had set in
// the app a moment before. The rules had seen that reading first: they took the person's
// reserve for a limit of the device, although nothing had been asked of the device, and
// overwrote it with the next change, or never asked for a full battery again.
func TestWhatAPersonSetJustBeforeAWriteLeftIsNoLimitOfTheDevice(t *testing.T) {
	for _, c := range []struct {
		name  string
		until string // just before the write
		sends string
		sets  float64 // the person
	}{
		{"a floor of 5 %", "15:59", "powerwall 0", 5},
		{"a floor of 20 %", "15:59", "powerwall 0", 20},
		{"a limit of 80 %", "18:59", "powerwall 100", 80},
		{"no limit at all", "15:59", "powerwall 0", 49},
	} {
		for _, order := range []string{"the reading comes first", "the answer comes first"} {
			t.Run(c.name+", "+order, func(t *testing.T) {
				w := newWorld(t, "2026-07-15 15:20")
				w.s.Settings.Thermostats = nil
				w.start().until(c.until).take()
				w.reserve, w.deaf[Powerwall], w.busy = c.sets, true, true
				w.now = w.now.Add(time.Minute)
				w.step(Tick{})
				gaveWay := Answer{Target: Powerwall, Setting: "reserve", ID: w.s.Pending[Powerwall].ID, Final: true, GaveWay: true, Reason: "it has just changed"}
				w.want(c.sends)
				if order == "the reading comes first" {
					w.read()
					w.step(gaveWay)
				} else {
					w.step(gaveWay)
					w.now = w.now.Add(5 * time.Second)
					w.read()
				}
				w.untilTime(w.now.Add(15 * time.Minute)).want()
				if k := w.s.Persisted.Battery; k.Floor != 0 || k.Limit != 0 || len(w.d.Yielded) != 1 {
					t.Errorf("floor %d, limit %d, taken %v", k.Floor, k.Limit, w.d.Yielded)
				}
			})
		}
	}
}

// A write to which the bridge had given way stayed on record as one that may still land.
// When the person later chose what it had asked for, their earlier choice was put back.
func TestAWriteThatNeverLeftHidesNoLaterChoice(t *testing.T) {
	for _, order := range []string{"the reading comes first", "the answer comes first"} {
		t.Run(order, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:20")
			w.s.Settings.Thermostats = nil
			w.start().until("15:59").take()
			w.reserve, w.deaf[Powerwall], w.busy = 49, true, true
			w.now = w.now.Add(time.Minute)
			w.step(Tick{})
			gaveWay := Answer{Target: Powerwall, Setting: "reserve", ID: w.s.Pending[Powerwall].ID, Final: true, GaveWay: true, Reason: "it has just changed"}
			w.want("powerwall 0")
			if order == "the reading comes first" {
				w.read()
				w.step(gaveWay)
			} else {
				w.step(gaveWay)
				w.now = w.now.Add(5 * time.Second)
				w.read()
			}
			w.now = w.now.Add(time.Minute)
			w.reserve = 0 // after all
			w.read()
			w.until("16:30").want()
			w.reserve = 20
			w.until("18:59").want()
		})
	}
}

// What an earlier write asked for was shown just when the next one was about to be sent:
// no person has chosen it, and it still explains the readings until the next one has
// landed.
func TestAnEarlierWriteThatShowsAsTheNextOneIsSentIsNoChoice(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:20")
	w.s.Settings.Thermostats = nil
	w.start().until("15:59").take()
	w.deaf[Powerwall] = true
	w.until("16:00").want("powerwall 0")
	w.until("18:59").take()
	w.busy, w.now = true, w.now.Add(time.Minute)
	w.step(Tick{})
	w.want("powerwall 100")
	w.reserve = 0
	w.read()
	w.step(Answer{Target: Powerwall, Setting: "reserve", ID: w.s.Pending[Powerwall].ID, Final: true, GaveWay: true, Reason: "it has just changed"})
	w.busy, w.now = false, w.now.Add(20*time.Second)
	w.read()
	w.want("powerwall 100")
	w.until("19:10")
	w.deaf[Powerwall] = false
	w.until("19:40")
	if w.reserve != 100 || w.noted(NoteYielded) > 0 {
		t.Errorf("the reserve is %g, %d times a person's", w.reserve, w.noted(NoteYielded))
	}
}

package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
)

// crossed is a home where a write of ours is on its way to a battery that shows
// shown, and where a person has chosen 60 % meanwhile. It has been seen.
func crossed(t *testing.T, when string, shown float64, ours string) *world {
	t.Helper()
	w := newWorld(t, when)
	w.reserve, w.deaf[Powerwall] = shown, true
	w.start().want(ours)
	w.reserve = 60
	w.now = w.now.Add(2 * time.Minute)
	w.read()
	if len(w.d.Taken) != 1 {
		t.Fatalf("taken %v", w.d.Taken)
	}
	return w
}

// inPeak is crossed at the beginning of a peak, off peak at its end.
func inPeak(t *testing.T) *world  { return crossed(t, "2026-07-15 16:00", 100, "powerwall 0") }
func offPeak(t *testing.T) *world { return crossed(t, "2026-07-15 19:00", 0, "powerwall 100") }

// A person's reserve and ours cross on the way. Whichever lands last, theirs is
// what there is in the end.
func TestAReserveThatCrossesOurs(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(w *world) // they have chosen 60 %
		want  []string
		ends  float64
	}{
		{"ours never lands", func(*world) {}, nil, 60},
		{"ours lands over it", func(w *world) { w.reserve = 0 }, []string{"powerwall 60"}, 60},
		{"and shows until theirs is back", func(w *world) {
			w.reserve, w.deaf[Powerwall] = 0, true
			w.until("16:07")
			w.reserve, w.deaf[Powerwall] = 60, false
		}, []string{"powerwall 60"}, 60},
		{"and they choose again before it does", func(w *world) { w.reserve = 50; w.until("16:04"); w.reserve = 0 }, []string{"powerwall 50"}, 50},
		{"and again after it is put back", func(w *world) { w.reserve = 0; w.until("16:06"); w.reserve = 70 }, []string{"powerwall 60"}, 70},
		{"ours lands after powermgr was switched off", func(w *world) { w.step(EnabledAsked{Enabled: false}); w.reserve = 0 }, []string{"powerwall 60"}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := inPeak(t)
			w.deaf[Powerwall] = false
			c.after(w)
			w.until("18:58").want(c.want...)
			if w.reserve != c.ends || len(w.d.Taken) != 1 {
				t.Errorf("the reserve is %g, taken %v", w.reserve, w.d.Taken)
			}
			w.until("19:02")
			if w.s.Kept.Disabled {
				w.want()
			} else {
				w.want("powerwall 100")
			}
		})
	}
	t.Run("ours lands over it and nobody hears of it until the peak is over", func(t *testing.T) {
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

// Override auto gives the battery back to the rules while a choice and a write
// of ours cross.
func TestAutoGivesABatteryBackThatIsContested(t *testing.T) {
	w := inPeak(t)
	w.ask("auto").want("powerwall 0") // deaf: it lands later
	w.until("16:04")                  // a reading still shows 60
	if len(w.d.Taken) != 0 {
		t.Errorf("auto is forgotten: taken %v", w.d.Taken)
	}
	w.deaf[Powerwall] = false
	w.reserve = 0 // it lands
	w.until("16:20").want()
	if w.reserve != 0 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

// A new window begins meanwhile, and wants the same.
func TestANewWindowEndsAContest(t *testing.T) {
	w := crossed(t, "2026-07-15 15:27", 40, "powerwall 100")
	w.until("15:30").take()
	w.until("15:32") // shows 60 still
	if len(w.d.Taken) != 0 {
		t.Errorf("taken again: %v", w.d.Taken)
	}
	w.deaf[Powerwall], w.reserve = false, 100
	w.until("15:58").want()
	if w.reserve != 100 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

// The bridge still repeats our first command when the peak ends.
func TestAWriteThatIsStillRepeatedIsOvertaken(t *testing.T) {
	w := newWorld(t, "2026-07-15 18:53")
	w.deaf[Powerwall] = true
	w.start().want("powerwall 0")
	w.until("19:00") // last read at 18:58, shows 100: five minutes after the write
	w.deaf[Powerwall] = false
	w.reserve = 0 // the third attempt of the bridge lands
	w.until("23:50")
	if w.reserve != 100 {
		t.Errorf("the reserve is %g off peak, taken %v", w.reserve, w.d.Taken)
	}
}

// Ours lands over a person's choice on a battery that keeps no more than 80 %.
func TestASnapBackDuringAContest(t *testing.T) {
	w := offPeak(t)
	w.deaf[Powerwall] = false
	w.reserve = 80 // ours has landed and snapped back
	w.until("19:20")
	if w.reserve != 60 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

func TestASnapBackWhileTheirsIsPutBack(t *testing.T) {
	w := offPeak(t)
	w.reserve = 100 // ours has landed
	w.until("19:04").want("powerwall 60")
	w.reserve = 80 // and snaps back before theirs is there
	w.until("19:06")
	w.reserve, w.deaf[Powerwall] = 60, false // put back lands
	w.until("19:20").want()
	if w.reserve != 60 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

// A command for the mode does not make the reserve that they chose forgotten.
func TestACommandForTheModeDuringAContest(t *testing.T) {
	w := inPeak(t)
	w.step(Answer{Target: Powerwall, Setting: "mode", ID: "ha1", Accepted: true})
	w.step(Answer{Target: Powerwall, Setting: "mode", ID: "ha1", Accepted: true, Final: true, Applied: true})
	w.deaf[Powerwall], w.reserve = false, 0 // ours lands
	w.until("17:00").want("powerwall 60")
}

// The bridge sends a command three times, two minutes apart.
func TestOursLandsAtTheBridgesLastAttempt(t *testing.T) {
	w := inPeak(t)
	w.until("16:06")
	w.deaf[Powerwall], w.reserve = false, 0
	w.until("17:00").want("powerwall 60")
}

// What a person sets long after we have written something else is no limit of
// the device.
func TestALimitIsOfOurOwnWriteOnly(t *testing.T) {
	w := newWorld(t, "2026-07-15 18:40").start().want("powerwall 0")
	w.until("18:44")
	w.reserve = 100 // a person
	w.until("18:48")
	if len(w.d.Taken) != 1 {
		t.Fatal("not taken")
	}
	w.until("19:04")
	w.take()
	w.reserve = 80 // a person
	w.until("19:08").want()
	if w.s.Kept.Battery.Limit != 0 {
		t.Error("a person's choice passes for the device's limit")
	}
}

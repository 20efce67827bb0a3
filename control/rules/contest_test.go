package rules_test

import (
	"testing"

	. "powermgr/control/rules"
)

// crossed: ours (0) is on its way, the person's 60 was seen.
func crossed(t *testing.T) *world {
	w := newWorld(t, "2026-07-15 16:00")
	w.deaf[Powerwall] = true
	w.start().want("powerwall 0")
	w.reserve = 60
	w.until("16:02")
	if len(w.d.Taken) != 1 {
		t.Fatal("not taken")
	}
	return w
}

// Override auto gives the battery back to the rules while a choice and a write
// of ours cross.
func TestAutoGivesABatteryBackThatIsContested(t *testing.T) {
	w := crossed(t)
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
	w := newWorld(t, "2026-07-15 15:27")
	w.reserve = 40
	w.deaf[Powerwall] = true
	w.start().want("powerwall 100")
	w.reserve = 60
	w.until("15:29")
	w.read()
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
	w := newWorld(t, "2026-07-15 19:00")
	w.reserve = 0
	w.deaf[Powerwall] = true
	w.start().want("powerwall 100")
	w.reserve = 60
	w.until("19:02")
	w.deaf[Powerwall] = false
	w.reserve = 80 // ours has landed and snapped back
	w.until("19:20")
	if w.reserve != 60 {
		t.Errorf("the reserve is %g", w.reserve)
	}
}

func TestASnapBackWhileTheirsIsPutBack(t *testing.T) {
	w := newWorld(t, "2026-07-15 19:00")
	w.reserve = 0
	w.deaf[Powerwall] = true
	w.start().want("powerwall 100")
	w.reserve = 60
	w.until("19:02")
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
	w := crossed(t)
	w.step(Answer{Target: Powerwall, Setting: "mode", ID: "ha1", Accepted: true})
	w.step(Answer{Target: Powerwall, Setting: "mode", ID: "ha1", Accepted: true, Final: true, Applied: true})
	w.deaf[Powerwall], w.reserve = false, 0 // ours lands
	w.until("17:00").want("powerwall 60")
}

// The bridge sends a command three times, two minutes apart.
func TestOursLandsAtTheBridgesLastAttempt(t *testing.T) {
	w := crossed(t)
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
	w.until("18:46")
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

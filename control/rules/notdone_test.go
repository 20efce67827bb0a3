package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// The state said "reserve 0 %" and no problem while Tesla refused every write and
// the reserve stayed at 100 %.
func TestTheStateSaysWhatIsNotSo(t *testing.T) {
	const refusal = "HTTP 403 Unauthorized missing scopes"
	w := newWorld(t, "2026-07-15 15:50").start()
	w.deaf[Powerwall] = true
	refuse := func() {
		if id := w.s.Pending[Powerwall].ID; id != "" {
			w.step(Answer{Target: Powerwall, Setting: "reserve", ID: id, Final: true, Reason: refusal})
		}
		w.readBattery(w.now)
	}
	problem := func() string {
		for _, p := range w.d.Problems {
			if p.Kind == NotDone {
				return p.Text
			}
		}
		return ""
	}
	for !strings.Contains(w.d.Why, "peak until") {
		w.now = w.now.Add(10 * time.Second)
		w.step(Tick{})
	}
	if problem() != "" {
		t.Errorf("a command on its way is a problem: %q", problem())
	}
	w.pass(20*time.Minute, refuse)
	if got, want := problem(), "the reserve is 100 % instead of 0 %: "+refusal; got != want {
		t.Errorf("the problem is %q, want %q", got, want)
	}
	if want := "reserve 100 %, should be 0 %"; !strings.Contains(w.d.Why, want) {
		t.Errorf("the reason is %q, without %q", w.d.Why, want)
	}
	w.deaf[Powerwall] = false
	w.pass(40*time.Minute, func() {
		if w.reserve == 100 {
			refuse()
		}
		w.readBattery(w.now)
	})
	if problem() != "" || !strings.Contains(w.d.Why, "reserve 0 %, battery") {
		t.Errorf("carried out in the end, and it says %q, %q", w.d.Why, problem())
	}
}

// The same for a thermostat that accepts no command.
func TestAThermostatThatIsNotSetIsAProblem(t *testing.T) {
	const refusal = "the portal says no"
	w := newWorld(t, "2026-07-15 16:05").start()
	w.deaf["up"] = true
	w.charge = 1
	w.pass(25*time.Minute, func() {
		if id := w.s.Pending["up"].ID; id != "" {
			w.step(Answer{Target: "up", Setting: "hold", ID: id, Final: true, Reason: refusal})
		}
		w.read()
	})
	for _, p := range w.d.Problems {
		if p.Kind == NotDone && strings.Contains(p.Text, refusal) {
			return
		}
	}
	t.Errorf("nothing is said of it: %v", w.d.Problems)
}

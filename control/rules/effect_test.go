package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
)

// powers are the powers of the battery and the grid in a reading.
type powers struct{ battery, grid float64 }

// flows lets time pass with these powers.
func (w *world) flows(p powers, clock string) *world {
	w.t.Helper()
	for end := at(w.now.In(pacific).Format("2006-01-02 ") + clock); w.now.Before(end); {
		w.now = w.now.Add(2 * time.Minute)
		w.step(BatteryRead{Battery{Charge: new(w.charge), Reserve: new(int(w.reserve)), Mode: w.mode, PowerW: new(p.battery), GridW: new(p.grid), AsOf: w.now, Polled: w.now}})
		if n := len(w.d.Writes); n > 0 && w.d.Writes[n-1].Reserve != nil {
			w.step(Answer{Target: Powerwall, Setting: "reserve", ID: w.d.Writes[n-1].ID, Accepted: true, Final: true, Applied: true})
		}
	}
	return w
}

func (w *world) ignored() bool {
	for _, p := range w.d.Problems {
		if p.Kind == NotObeyed {
			return true
		}
	}
	return false
}

// TestAReserveThatIsShownAndNotDone has a row for each thing that a battery may do
// with the reserve that it shows.
func TestAReserveThatIsShownAndNotDone(t *testing.T) {
	idle := powers{0, 2000}
	for _, c := range []struct {
		name    string
		change  func(*world)
		flow    powers
		writes  []string
		problem bool
	}{
		{"idle, and the home takes from the grid", nil, idle, []string{"powerwall 0"}, true},
		{"it charges from the grid", nil, powers{-3000, 5000}, []string{"powerwall 0"}, true},
		{"it carries the home", nil, powers{2000, 0}, nil, false},
		{"it gives all it can, and the grid the rest", nil, powers{5000, 3000}, nil, false},
		{"solar carries the home", nil, powers{0, -500}, nil, false},
		{"it is down at its reserve", func(w *world) { w.charge = 6 }, idle, nil, false},
		{"its mode is to blame", func(w *world) { w.mode = "autonomous"; w.until("16:06"); w.ask("auto") }, idle, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:00")
			w.s.Settings.Thermostats = nil
			w.start().charge = 90
			w.until("16:02").want("powerwall 0")
			if c.change != nil {
				c.change(w)
			}
			w.take()
			w.flows(c.flow, "16:40").want(c.writes...)
			if w.ignored() != c.problem {
				t.Errorf("problems %v", w.d.Problems)
			}
			w.until("18:58").want()
		})
	}
	t.Run("not before ten minutes", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00").start()
		w.take()
		w.flows(idle, "16:10").want()
		w.flows(powers{2000, 0}, "16:12").flows(idle, "16:20").want() // one that it does in between
		if w.ignored() {
			t.Errorf("problems %v", w.d.Problems)
		}
		w.flows(idle, "16:30").want("powerwall 0")
	})
	t.Run("until it goes by it", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00").start()
		w.take()
		w.flows(idle, "16:20").want("powerwall 0")
		if w.flows(powers{2000, 0}, "16:24"); w.ignored() {
			t.Errorf("problems %v", w.d.Problems)
		}
	})
	t.Run("off peak it discharges far below its reserve", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 19:30").start()
		w.charge = 60
		w.until("19:34").take()
		w.flows(powers{1500, 0}, "20:00").want("powerwall 100")
		if !w.ignored() {
			t.Errorf("problems %v", w.d.Problems)
		}
	})
	t.Run("off peak it need not charge", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 19:30").start()
		w.charge = 60
		w.until("19:34").take()
		w.flows(powers{0, 1500}, "20:00").want()
	})
	t.Run("in a dry run nothing is sent", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00")
		w.s.Settings.DryRun, w.reserve = true, 0
		w.start().flows(idle, "16:40").want()
	})
}

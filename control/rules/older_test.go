package rules_test

import (
	"os"
	"path/filepath"
	"testing"

	"powermgr/control/journal"
	. "powermgr/control/rules"
	"powermgr/devices"
)

// TestAnOlderJournal continues from files that earlier versions of powermgr wrote, one
// for each situation: what has to be restored is, once, and a person's choice is left
// alone until the peak is over.
func TestAnOlderJournal(t *testing.T) {
	held := func(cool float64, hold devices.Hold, until string) func(*world) {
		return func(w *world) {
			w.reserve, w.therm["up"].Cool, w.therm["up"].Hold = 0, &cool, hold
			if until != "" {
				w.therm["up"].Until = at("2026-07-15 " + until)
			}
		}
	}
	for _, c := range []struct {
		name, now string
		found     func(*world) // what the devices have when the process is there again
		peak      []string     // sent until 18:58
		after     []string     // sent until 22:30
	}{
		{"setback-over-permanent-hold", "16:41", held(78, devices.HoldPermanent, ""), nil, []string{"powerwall 100", "up permanent cool 76 heat 68"}},
		{"setback-over-temporary-hold", "16:41", held(78, devices.HoldUntil, "19:00"), nil, []string{"powerwall 100", "up until 22:00 cool 76 heat 68"}},
		{"reserve-at-peak", "16:41", func(w *world) { w.reserve = 0 }, nil, []string{"powerwall 100"}},
		{"taken", "16:41", func(w *world) { held(73, devices.HoldUntil, "19:00")(w); w.reserve = 50 }, nil, []string{"powerwall 100"}},
		{"override", "16:41", func(w *world) { w.reserve = 0 }, nil, []string{"powerwall 100"}},
		{"latched", "17:31", held(80, devices.HoldUntil, "19:00"), nil, []string{"powerwall 100"}},
		{"on-its-way", "16:12", func(*world) {}, []string{"powerwall 0", "up until 19:00 cool 78 heat 68"}, []string{"powerwall 100"}},
	} {
		for _, version := range []string{"version1", "version2"} {
			t.Run(version+"/"+c.name, func(t *testing.T) {
				b, err := os.ReadFile(filepath.Join("..", "journal", "testdata", version, c.name+".json"))
				if err != nil {
					t.Fatal(err)
				}
				e, err := journal.Decode(b)
				if err != nil {
					t.Fatal(err)
				}
				w := newWorld(t, "2026-07-15 "+c.now)
				c.found(w)
				w.step(Recovered{e.Persisted()})
				w.start()
				w.until("18:58").want(c.peak...)
				if up := w.therm["up"]; up.Hold == devices.HoldUntil {
					w.untilTime(up.Until)
					up.Hold, up.Cool = devices.HoldSchedule, new(76.0) // it ends by itself
				}
				w.until("22:30").want(c.after...)
			})
		}
	}
}

// TestADoubtOfAnOlderJournal: what one reading had shown before the upgrade is a
// person's choice once another reading confirms it.
func TestADoubtOfAnOlderJournal(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "journal", "testdata", "version2", "in-doubt.json"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := journal.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "2026-07-15 16:43")
	w.reserve = 0
	up := w.therm["up"]
	up.Cool, up.Hold = new(73.0), devices.HoldPermanent
	w.step(Recovered{e.Persisted()})
	w.start()
	if w.s.Persisted.Thermostats["up"].Choice == nil {
		t.Errorf("the choice of 73 °F is not the person's: %s", mustJSON(t, w.s.Persisted.Thermostats["up"]))
	}
	w.until("18:58").want()
}

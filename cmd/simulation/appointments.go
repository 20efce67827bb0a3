package simulation

// When the oracle looks at the devices itself, whatever the daemons say: a moment after a
// peak begins and ends, and at the end of the day.

import (
	"time"

	"powermgr/control/rules"
)

// judging is a check that the oracle makes.
type judging func(*home)

func (j judging) do(h *home)     { j(h) }
func (j judging) String() string { return "" }

// appointments returns when to look at the devices during the day.
func (w *oracle) appointments() (all []event) {
	for now := w.home.world.day(); now.Before(w.home.world.day().AddDate(0, 0, 1)); now = now.Add(30 * time.Minute) {
		phase, peak := w.calendar.At(now)
		if phase == rules.InPeak && peak.Start.Equal(now) && w.home.world.lives(peak) {
			all = append(all,
				event{now.Add(inTime), judging(func(h *home) { w.judgeReserveInTime(h, peak.Start) })},
				event{peak.End.Add(givenBack), judging(w.afterPeak)})
		}
	}
	return all
}

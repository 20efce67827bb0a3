package simulation

// When the judge looks at the devices, whoever says what: a moment after a peak begins and
// ends, and at the end of the day.

import (
	"slices"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// judging is something that the witness looks at.
type judging func(*home)

func (j judging) do(h *home)     { j(h) }
func (j judging) String() string { return "" }

// appointments are when to look at the reserve.
func (w *witness) appointments() (all []act) {
	for now := w.home.world.day(); now.Before(w.home.world.day().AddDate(0, 0, 1)); now = now.Add(30 * time.Minute) {
		phase, peak := w.calendar.At(now)
		if phase == rules.InPeak && peak.Start.Equal(now) && w.home.world.lives(peak) {
			all = append(all, act{now.Add(65 * time.Second), judging(func(h *home) {
				settle := h.world.Powerwall.SettleDelay
				truth, faulty := h.cloud.Truth(), slices.ContainsFunc(h.cloud.ActiveFaults(), teslas)
				w.mu.Lock()
				defer w.mu.Unlock()
				calm := h.active().well() && now.Sub(w.battery) < 6*time.Minute && now.Sub(w.disturbance) > 15*time.Minute && now.After(w.limits.unread) && w.free(now) && w.taken.IsZero() &&
					!w.touched.After(now.Add(-45*time.Minute)) && !w.owner && !h.world.DryRun && settle < time.Minute && !faulty && now.Sub(w.forgotten) > 3*time.Hour
				limited := !w.jumped.IsZero() && truth.Reserve == 80 // on a wrong clock it looks like a choice
				if calm && w.hand.sure(now) && truth.Reserve != w.peakReserve() && !limited {
					w.broken(I6, "a minute into the peak the reserve is %d %%", truth.Reserve)
				}
			})}, act{peak.End.Add(givenBack), judging(w.afterPeak)})
		}
	}
	return all
}

// free reports whether people have left everything to the rules for a while.
// Where it is in doubt what was heard of them, the daemon's word is taken.
func (w *witness) free(now time.Time) bool {
	if w.orders.doubt || w.orders.unheard {
		return w.override == string(rules.Auto) && now.Sub(w.overridden) > 10*time.Minute && !w.paused
	}
	return w.orders.free(now)
}

// givenBack is how long after a peak all is given back when nothing fails.
const givenBack = 20 * time.Minute

// afterPeak judges what is left of a peak that nothing has troubled.
func (w *witness) afterPeak(h *home) {
	truth, faults, away := h.cloud.Truth(), len(h.cloud.ActiveFaults()), false
	h.cloud.Person(func(e *emulator.House) { away = slices.ContainsFunc(e.Thermostats, others) })
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	unread := slices.ContainsFunc(w.homes, func(d *watched) bool { return d.chosen.After(d.shownAt) }) // who has just switched it on gets the rest at the next reading
	calm := h.active().well() && faults == 0 && !away && !unread && now.Sub(w.trouble) > time.Hour && now.Sub(w.disturbance) > time.Hour && w.jumped.IsZero() && now.Sub(w.forgotten) > 6*time.Hour &&
		w.phase == rules.OffPeak && w.override == string(rules.Auto) && now.Sub(w.overridden) > time.Hour && w.free(now) && !w.paused && !w.apart(now)
	if calm {
		w.judge(truth)
	}
}

// others reports whether a thermostat is not there, or not ours to set.
func others(t *emulator.Thermostat) bool { return !t.Alive || t.Vacation || t.UtilityEvent }

// finish judges what is left at the end of the day.
func (w *witness) finish(truth emulator.Truth) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judge(truth)
}

// judge compares what the devices are set to with what they are to be once
// nothing is ours any more.
func (w *witness) judge(truth emulator.Truth) {
	now := time.Now()
	for i, t := range truth.Thermostats {
		d := w.homes[i]
		real := setting{t.Mode, t.Cool, t.Heat, t.Hold, t.HoldUntil}
		// With a wrong clock nobody knows whether a hold has ended by itself,
		// nor which day a vendor's time of day means.
		wrong := !w.jumped.IsZero()
		lapsed := real.Hold == devices.HoldSchedule && d.timed && wrong
		fits := func(c setting) bool {
			return slices.ContainsFunc(c.aged(now).taken(d.gap), real.equal) || lapsed || c.timed() && (c.Until.IsZero() || wrong) && real.Hold == devices.HoldSchedule ||
				wrong && c.timed() && real.timed() && slices.ContainsFunc(setting{c.Mode, c.Cool, c.Heat, real.Hold, real.Until}.taken(d.gap), real.equal)
		}
		if !slices.ContainsFunc(d.choices, fits) && now.Sub(w.answered) < time.Hour {
			w.broken(I1, "%s is %s; it was to be one of %v", d.id, real, d.choices)
		}
	}
	want := w.offPeakReserve()
	if limit := w.home.world.Powerwall.ReserveCap; limit > 0 && truth.Reserve != want && want > limit { // it takes a while to snap back
		want = limit
	}
	theirs := w.strategy == rules.StrategyPlan || !w.touched.Before(w.changed) || w.unseen || w.home.world.DryRun || w.owner || !w.hand.sure(now)
	if floor := w.home.world.Powerwall.ReserveFloor; w.paused {
		theirs = theirs || truth.Reserve > floor || w.theirs != nil && truth.Reserve == max(*w.theirs, floor)
	}
	if truth.Reserve != want && !theirs && now.Sub(w.battery) < time.Hour {
		w.broken(I1, "the reserve is %d %%, not %d %%", truth.Reserve, want)
	}
}

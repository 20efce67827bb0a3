package simulation

// I1: once the rules no longer hold anything, the devices are set to what they were
// before, or to what people have chosen since.

import (
	"slices"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// givenBack is how long after a peak everything is restored if nothing fails.
const givenBack = 20 * time.Minute

// afterPeak judges what is left after a peak without faults.
func (w *oracle) afterPeak(h *home) {
	truth, faults, away := h.cloud.Truth(), len(h.cloud.ActiveFaults()), false
	h.cloud.Person(func(e *emulator.House) { away = slices.ContainsFunc(e.Thermostats, unavailable) })
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	unread := slices.ContainsFunc(w.homes, func(d *thermostatOracle) bool { return d.chosen.After(d.shownAt) }) // if a person has just switched a thermostat on, the rest is restored at the next reading
	calm := h.active().well() && faults == 0 && !away && !unread && now.Sub(w.trouble) > time.Hour && now.Sub(w.disturbance) > time.Hour && w.jumped.IsZero() && now.Sub(w.forgotten) > 6*time.Hour &&
		w.phase == rules.OffPeak && w.override == string(rules.Auto) && now.Sub(w.overridden) > time.Hour && w.free(now) && !w.paused && !w.apart(now)
	if calm {
		w.judgeGivenBack(truth)
	}
}

// finish judges what is left at the end of the day.
func (w *oracle) finish(truth emulator.Truth) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judgeGivenBack(truth)
}

// judgeGivenBack compares what the devices are set to with what they should be once the
// rules no longer hold anything.
func (w *oracle) judgeGivenBack(truth emulator.Truth) {
	for i, t := range truth.Thermostats {
		w.judgeThermostatGivenBack(w.homes[i], setting{t.Mode, t.Cool, t.Heat, t.Hold, t.HoldUntil})
	}
	w.judgeReserveGivenBack(truth.Reserve)
}

func (w *oracle) judgeThermostatGivenBack(d *thermostatOracle, real setting) {
	now := time.Now()
	// With a wrong clock it is not known whether a hold has ended by itself, nor which
	// day a vendor's time of day means.
	wrong := !w.jumped.IsZero()
	lapsed := real.Hold == devices.HoldSchedule && d.timed && wrong
	fits := func(c setting) bool {
		return slices.ContainsFunc(c.aged(now).taken(d.gap), real.equal) || lapsed || c.timed() && (c.Until.IsZero() || wrong) && real.Hold == devices.HoldSchedule ||
			wrong && c.timed() && real.timed() && slices.ContainsFunc(setting{c.Mode, c.Cool, c.Heat, real.Hold, real.Until}.taken(d.gap), real.equal)
	}
	silent := d.shownAt.Sub(d.lastAt) > time.Hour && now.Sub(d.shownAt) < givenBack // its vendor has only just answered again
	if !slices.ContainsFunc(d.choices, fits) && now.Sub(w.answered) < time.Hour && !silent {
		w.broken(I1, "%s is %s; it was to be one of %v", d.id, real, d.choices)
	}
}

func (w *oracle) judgeReserveGivenBack(real int) {
	now, want := time.Now(), w.offPeakReserve()
	if limit := w.home.world.Powerwall.ReserveCap; limit > 0 && real != want && want > limit { // it takes a while to snap back
		want = limit
	}
	excused := w.strategy == rules.StrategyPlan || !w.touched.Before(w.changed) || w.unseen || w.home.world.DryRun || w.owner || !w.hand.sure(now)
	if floor := w.home.world.Powerwall.ReserveFloor; w.paused {
		excused = excused || real > floor || w.chosenReserve != nil && real == max(*w.chosenReserve, floor)
	}
	if real != want && !excused && now.Sub(w.settingsAt) < time.Hour { // with few calls, the figures are read more often
		w.broken(I1, "the reserve is %d %%, not %d %%", real, want)
	}
}

// judgeJournal judges that the next start can continue from a journal: what has to be
// restored is on record there.
func (w *oracle) judgeJournal(node string, unreadable error) {
	if unreadable != nil {
		w.violation(I1, "%s has a journal that no start can continue from: %v", node, unreadable)
	}
}

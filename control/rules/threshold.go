package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

// The thresholds of the charge at which setbacks begin.

// measured applies the charge in a reading. A figure that was out of reach of the last
// one counts from the time it was read, once the next one agrees with it.
func (st *step) measured(b Battery) {
	if b.Charge == nil {
		return
	}
	var confirmed *Figure
	st.Charge, confirmed = st.Charge.and(Figure{*b.Charge, b.AsOf, st.now}, chargeReach)
	if confirmed != nil && st.now.Sub(confirmed.Read) <= devices.ComparableWithin {
		st.latchAt(confirmed.Value, confirmed.Read)
	}
}

// latch latches the thresholds that are met by what is known of the battery.
func (st *step) latch() {
	if f := st.Charge.Known; f != nil && st.fresh(f.AsOf, st.Settings.StaleCharge) {
		st.latchAt(f.Value, st.now)
	}
}

// latchAt latches the thresholds that are met by a charge, in percent, at a time in this
// peak.
func (st *step) latchAt(charge float64, at time.Time) {
	p := st.plan
	if p.Phase != InPeak || p.Paused || at.Before(p.Peak.Start) {
		return
	}
	left := p.Peak.End.Sub(at)
	for _, t := range st.Settings.Thresholds {
		minutes := int(t.Left / time.Minute)
		if left >= t.Left && charge <= t.Level && !slices.Contains(st.Persisted.Latched, minutes) {
			st.Persisted.Latched = append(slices.Clip(st.Persisted.Latched), minutes)
			st.note(NoteLatched, "", "the battery is at %.0f %% with %d minutes of the peak left; the threshold is %.0f %% at %d minutes",
				charge, int(left.Minutes()), t.Level, minutes)
		}
	}
}

// offsetF returns the setback in force, in °F.
func (st *step) offsetF() float64 {
	offset := st.latchedF()
	if c := st.comfort(); c != nil && st.plan.Phase == InPeak && !st.plan.Paused {
		offset = max(offset, c.SetbackF)
	}
	return offset
}

// latchedF returns the setback that the latched thresholds ask for, in °F.
func (st *step) latchedF() float64 {
	n := len(st.Persisted.Latched)
	if st.plan.Phase != InPeak || st.plan.Paused {
		n = 0
	}
	if m := st.Settings.MaxSteps; m > 0 {
		n = min(n, m)
	}
	return float64(n) * st.Settings.StepF
}

package rules

import (
	"fmt"
	"time"
)

// Times and phases as text.

// Roughly formats an age the way people say it: in quarters of an hour, and in hours from
// two hours on.
func Roughly(age time.Duration) string {
	if age < 2*time.Hour {
		return fmt.Sprintf("%d min", int(age.Truncate(15*time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h", int(age.Hours()))
}

// clock returns t as people read it: with the day of the week if it is not near, and with
// the date if it is days away. It asks for a step when that text changes.
func (st *step) clock(t time.Time) string {
	const near, week = 20 * time.Hour, 6 * 24 * time.Hour
	for _, at := range []time.Duration{-week, -near, near + 1, week + 1} {
		st.wake(t.Add(at))
	}
	t = t.In(st.Settings.Calendar.Location)
	switch away := t.Sub(st.now).Abs(); {
	case away > week:
		return t.Format("Mon Jan 2 15:04")
	case away > near:
		return t.Format("Mon 15:04")
	}
	return t.Format("15:04")
}

// until says when something ends; empty if no end is known, as in a home without an
// upcoming peak.
func (st *step) until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + st.clock(t)
}

// phaseText says what currently holds and, if a person asked for it, that it is an
// override: one sentence that never says two things at once.
func (st *step) phaseText() string {
	if st.Persisted.Disabled && st.Persisted.Override.Kind != "" {
		return st.planText() + "; powermgr is otherwise switched off"
	}
	return st.planText()
}

func (st *step) planText() string {
	o := st.Persisted.Override
	by, until := "", "" // until: the end of the override, if the phase that it caused does not end with it
	if o.Kind != "" {
		by = " by override"
		until = ", by override until " + st.clock(o.Until)
	}
	switch p := st.plan; {
	case o.Kind == OverridePause:
		return fmt.Sprintf("paused%s until %s", by, st.clock(o.Until))
	case p.Paused:
		return "switched off" + st.next(p.Peak)
	case o.Kind == OverridePeak && (o.Until.Equal(p.Peak.End) || st.Persisted.Disabled):
		return fmt.Sprintf("peak%s until %s", by, st.clock(o.Until))
	case p.Phase == InPeak:
		return fmt.Sprintf("peak until %s%s", st.clock(p.Peak.End), until)
	case p.Phase == PrePeak && p.Forced && p.Discharge:
		return fmt.Sprintf("precooling in the peak%s until %s", by, st.clock(o.Until))
	case p.Phase == PrePeak && p.Forced:
		return fmt.Sprintf("precooling%s until %s", by, st.clock(o.Until))
	case o.Kind == OverrideSkip:
		return fmt.Sprintf("the peak is skipped%s until %s", by, st.clock(o.Until)) + st.next(p.Peak)
	case o.Kind == OverrideOffPeak:
		return fmt.Sprintf("off peak%s until %s", by, st.clock(o.Until)) + st.next(p.Peak)
	case p.Phase == PrePeak:
		return fmt.Sprintf("the peak starts at %s", st.clock(p.Peak.Start))
	default:
		return "off peak" + st.next(p.Peak)
	}
}

// next says what happens with the current or next peak.
func (st *step) next(p Peak) string {
	switch {
	case p.Start.IsZero():
		return "; no peak is scheduled"
	case p.Start.After(st.now):
		return "; the next peak starts at " + st.clock(p.Start)
	}
	return "; the scheduled peak ends at " + st.clock(p.End)
}

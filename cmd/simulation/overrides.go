package simulation

import (
	"strconv"
	"time"

	"powermgr/control/rules"
)

// overrides are what people last told the controller, as they know it themselves: what
// the daemon says about it is not trusted.
type overrides struct {
	override rules.OverrideKind // Auto: none
	since    time.Time          // of override
	until    time.Time
	disabled bool
	switched time.Time // when disabled last changed
	doubt    bool      // the last of them may not have been heard
	unheard  bool      // the last time it was switched off or on was not heard
}

// slack is how long before and after its time a request may or may not be in force.
const slack = time.Minute

// inForce reports whether an override is in force at now.
func (o overrides) inForce(now time.Time) bool {
	return o.override != rules.Auto && now.Before(o.until)
}

// stopped reports whether it is certain that people have stopped the rules at now.
func (o overrides) stopped(now time.Time) bool {
	if o.doubt || o.unheard || now.Before(o.since.Add(slack)) || now.Before(o.switched.Add(slack)) {
		return false
	}
	if o.inForce(now) {
		return o.override == rules.OverridePause && now.Before(o.until.Add(-slack))
	}
	return o.disabled && now.After(o.until.Add(slack))
}

// free reports whether it is certain that people have left everything to the rules for a
// while.
func (o overrides) free(now time.Time) bool {
	const a = 10 * time.Minute
	return !o.doubt && !o.unheard && !o.disabled && !o.inForce(now) && now.After(o.until.Add(a)) && now.After(o.since.Add(a)) && now.After(o.switched.Add(a))
}

// ordered notes an override that somebody has sent.
func (w *oracle) ordered(kind rules.OverrideKind, length time.Duration, heard bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.overrides.doubt = !heard || !w.jumped.IsZero() // on a wrong clock its end is not known
	w.overrides.override, w.overrides.since, w.overrides.until = kind, now, now
	if kind == rules.Auto {
		return
	}
	w.overrides.until = now.Add(length)
	if length == 0 {
		w.overrides.until = w.unlimited(kind, now)
	}
}

// askedBattery notes a command of a person to the battery. Its answer may never be
// published.
func (w *oracle) askedBattery(payload string) {
	w.choseBattery(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commanded = true
	w.limits.commanded()
	if v, err := strconv.Atoi(payload); err == nil {
		w.chosenReserve = &v
	}
}

// unlimited returns when an override without a time ends: off_peak and pause last through
// the current peak or one whose lead begins before midnight, otherwise until midnight;
// the others last until the next change of phase, at most 12 hours.
func (w *oracle) unlimited(kind rules.OverrideKind, now time.Time) time.Time {
	if kind == rules.OverrideOffPeak || kind == rules.OverridePause {
		y, m, d := now.In(w.calendar.Location).Date()
		midnight := time.Date(y, m, d+1, 0, 0, 0, 0, w.calendar.Location)
		if p, ok := w.calendar.Next(now); ok && p.Start.Add(-w.calendar.Lead).Before(midnight) {
			return p.End
		}
		return midnight
	}
	until := now.Add(12 * time.Hour)
	if next := w.calendar.Change(now); !next.IsZero() && next.Before(until) {
		until = next
	}
	return until
}

// switched notes that the controller is switched on or off.
func (w *oracle) switched(on, heard bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.overrides.disabled, w.overrides.switched = !on, time.Now()
	w.overrides.unheard = !heard
	if !on && heard && w.overrides.override != rules.Auto { // switching it off ends an override, too
		w.overrides.override, w.overrides.until = rules.Auto, time.Now()
	}
}

// doubts notes that it cannot be known which overrides are in force.
func (w *oracle) doubts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.overrides.doubt = true
}

package simulation

// I15: a plan changes the reserve at most a dozen times a day, never just for a moment,
// and gives way with a reason.

import (
	"time"

	"powermgr/control"
	"powermgr/control/rules"
)

// changes are the changes of the reserve by the rules in a day.
type changes struct {
	day   string
	last  int
	was   *int      // the one before last; nil: unknown
	at    time.Time // when last was asked for
	count int
	acts  int       // overrides, switching off or on, and changes by hand: each allows one change when it begins and one when it ends
	off   bool      // the controller is switched off
	sent  time.Time // when people last sent something
}

// hearsPeople notes that people send something.
func (w *oracle) hearsPeople() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes.sent = time.Now()
}

// act notes that people override the rules, or switch them off or on.
func (c *changes) act(overridden, off bool) {
	if overridden || off != c.off {
		c.acts++
	}
	c.off = off
}

// judgeChange judges that the reserve is changed at most a dozen times a day. A write
// that is repeated or puts a choice back is not a change; changes that people cause do
// not count. The reserve must not be changed just for a moment: a start that does so has
// not waited for its plan.
func (w *oracle) judgeChange(percent int, restoresChoice bool) {
	day := time.Now().In(zone()).Format(time.DateOnly)
	if w.changes.day != day {
		w.changes = changes{day: day, last: w.changes.last, was: w.changes.was, at: w.changes.at, off: w.changes.off, sent: w.changes.sent}
	}
	if restoresChoice || percent == w.changes.last && !w.changes.at.IsZero() {
		return
	}
	now, calm := time.Now(), w.jumped.IsZero() && w.forgotten.IsZero() && !w.apart(time.Now())
	// Another node makes a different plan, and people may change their minds.
	unprompted := w.booted.Before(w.changes.at) && now.Sub(w.changes.sent) >= flap
	if was := w.changes.was; was != nil && *was == percent && now.Sub(w.changes.at) < flap && unprompted && w.changed.Before(w.changes.at) && calm && w.overrides.free(now) {
		w.broken(I15, "the reserve was %d %% for %v", w.changes.last, now.Sub(w.changes.at))
	}
	if last := w.changes.last; !w.changes.at.IsZero() {
		w.changes.was = &last
	}
	w.changes.last, w.changes.at = percent, now
	if w.changes.count++; w.changes.count > rules.MaxChanges+2*w.changes.acts && calm {
		w.broken(I15, "the reserve was changed %d times today", w.changes.count)
	}
}

// flap is how long a change of the reserve has to stay.
const flap = time.Minute

// judgeGivesWay judges that a rule that acts instead of the plan says why.
func (w *oracle) judgeGivesWay(s control.State) {
	if s.Strategy != w.strategy {
		w.strategy, w.chosen = s.Strategy, time.Now()
	}
	if s.Strategy == rules.StrategyPlan && s.Cause == rules.BySchedule && s.PlanIdle == "" {
		w.broken(I15, "the rule acts in the place of the plan, and nothing says why: %s", s.Reason)
	}
}

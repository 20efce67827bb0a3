package rules

import (
	"cmp"
	"fmt"
	"time"

	"powermgr/devices"
)

// A Strategy says what sets the battery's reserve while nothing of higher precedence
// does.
type Strategy string

// The strategies.
const (
	StrategyRule Strategy = "rule" // the calendar: full before each peak, the peak reserve in it
	StrategyPlan Strategy = "plan" // the plan, or the calendar while there is no plan to follow
)

// Strategies lists all strategies, in the order in which people see them.
func Strategies() []Strategy { return []Strategy{StrategyRule, StrategyPlan} }

// Planned is what the plan asks of the battery, or why there is no plan to follow.
type Planned struct {
	Reserve *int      // percent; nil: there is no plan to follow
	Made    time.Time // when the plan was made
	Why     string    // one sentence: why this reserve, or why there is no plan

	Comfort   *Comfort // for the thermostats; nil: the fixed rule decides
	NoComfort string   // why the fixed rule decides
}

// StrategyAsked is a person's choice of a strategy. It holds until the next one.
type StrategyAsked struct{ Strategy }

func (Planned) event()       {}
func (StrategyAsked) event() {}

const (
	// MaxChanges is how many changes of the reserve are allowed in a local day, including
	// those of the calendar.
	MaxChanges = 12
)

// Changes counts the changes of the reserve in a local day.
type Changes struct {
	Day   string    `json:"day,omitempty"` // 2026-07-15
	Count int       `json:"count,omitempty"`
	Last  time.Time `json:"last,omitzero"` // when the last one was decided
}

// on returns the count for a day.
func (c Changes) on(day string) int {
	if c.Day != day {
		return 0
	}
	return c.Count
}

// Strategy returns the one in force: a person's choice, or else that of the settings.
func (s State) Strategy() Strategy {
	return cmp.Or(s.Persisted.Strategy, s.Settings.Strategy, StrategyRule)
}

func (st *step) today() string { return DateOf(st.now, st.Settings.Calendar.Location).String() }

// changed counts a change of the reserve.
func (st *step) changed() {
	c, day := &st.Persisted.Battery.Changes, st.today()
	*c = Changes{Day: day, Count: c.on(day) + 1, Last: st.now}
}

// changesLeft returns how many changes the plan may still make today. The ones that the
// calendar may need for the rest of the day's peaks are reserved for it.
func (st *step) changesLeft() int {
	owed := 1 // to return to the calendar's reserve
	for p := range st.Settings.Calendar.From(st.now) {
		if DateOf(p.Start, st.Settings.Calendar.Location).String() > st.today() {
			break
		}
		owed += 2
	}
	return MaxChanges - owed - st.Persisted.Battery.Changes.on(st.today())
}

// planned returns the reserve that the plan wants, as far as the guards allow it. If
// reserve is nil and ok is true, what is in force stays, because a plan is expected. If
// ok is false, why says why the calendar decides; it is empty if the plan is not asked at
// all.
func (st *step) planned() (reserve *int, why string, ok bool) {
	if st.Strategy() != StrategyPlan || st.plan.Paused || st.Persisted.Override.Kind != "" {
		return nil, "", false
	}
	p := st.Planned
	switch why = st.noPlan(); {
	case st.Unwritable:
		return nil, "the journal cannot be written", false
	case why != "" && st.now.Before(st.PlanBy) && !st.plan.Discharge:
		return nil, "the reserve stays as it is for now, because " + why, true
	case why != "":
		return nil, why, false
	}
	want := st.allowed(*p.Reserve)
	if k := st.Persisted.Battery; k.Wanted.Reserve == nil || *k.Wanted.Reserve != want {
		switch {
		case st.justChanged():
			return nil, "the reserve stays as it is for now, because it has just been changed", true
		case st.justFailed():
			return nil, "the reserve stays as it is for now, because its last change has just failed", true
		case st.changesLeft() <= 0:
			return nil, fmt.Sprintf("the reserve has been changed %d times today", k.Changes.on(st.today())), false
		}
	}
	if why = p.Why; want < *p.Reserve && st.plan.Discharge {
		why = "the battery is never held back in a peak"
	}
	return &want, why, true
}

// justChanged reports whether the reserve was changed so recently that the next change of
// the plan waits: the plan may have known only half the picture then, and may know only
// half now. In a peak nothing waits.
func (st *step) justChanged() bool {
	since := st.now.Sub(st.Persisted.Battery.Changes.Last)
	return since >= 0 && since < devices.PlanSettles && !st.plan.Discharge
}

// justFailed reports whether a change of the reserve has failed so recently that the next
// change of the plan waits: each would be sent at once, however long the vendor refuses
// them. In a peak nothing waits.
func (st *step) justFailed() bool { return st.now.Before(st.planWaits()) && !st.plan.Discharge }

// planWaits returns until when a change of the plan waits because the last one failed; zero:
// it did not.
func (st *step) planWaits() time.Time {
	failed := st.Pending[Powerwall].Failed
	if failed.IsZero() || st.inFuture(failed) {
		return time.Time{}
	}
	return failed.Add(devices.RestoreRetry)
}

// noPlan says why there is no plan to follow; empty: there is one. What a planner
// publishes before it has read the Powerwall is not a plan.
func (st *step) noPlan() string {
	switch p := st.Planned; {
	case p == nil:
		return "there is no plan yet"
	case p.Reserve == nil:
		return p.Why
	case st.now.Sub(p.Made) >= devices.PlanIsOld:
		return fmt.Sprintf("the plan was made at %s", st.clock(p.Made))
	case st.Battery != nil && st.Battery.Age >= devices.TooOld:
		return "the readings from Tesla are old"
	}
	return ""
}

// allowed returns the reserve nearest to what the plan wants that the guards allow. In a
// peak it never holds back what the calendar would let the home use: whatever the plan
// expects, nothing is drawn from the grid while the battery has something left. Outside
// peaks, it never holds back more than the calendar would.
func (st *step) allowed(want int) int {
	least := max(st.InForce().PlanMinReserve, st.floor())
	most := max(least, st.offPeakReserve())
	if st.plan.Discharge {
		most = max(least, st.peakReserve())
	}
	if want > deviceLimit && want < 100 {
		want = deviceLimit // a Powerwall turns it into that
	}
	return min(max(want, least), most)
}

// holds reports whether the rules may now set a reserve other than the one outside peaks,
// which has to be restored later.
func (st *step) holds() bool {
	if st.plan.Discharge {
		return true
	}
	_, _, ok := st.planned()
	return ok
}

func (st *step) wantsPlan() (target, bool) {
	reserve, why, ok := st.planned()
	if !ok {
		return target{}, false
	}
	t := target{reserve: reserve, show: reserve, reason: ByPlan, why: "by plan: " + why}
	if reserve == nil {
		t.show = st.shownReserve()
	}
	if st.shownReserve() == nil {
		t.reserve, t.reason, t.why = nil, ByUnknown, "the Powerwall has not reported its reserve yet"
	}
	return t, true
}

// awaitPlan gives the first plan time to arrive, and likewise a plan that existed until
// now: what it lacks may come with the next reading. A deadline from a clock that was
// ahead is ignored.
func (st *step) awaitPlan() {
	why := st.noPlan()
	if by := st.now.Add(devices.PlanGone); why == "" || st.PlanBy.After(by) {
		st.PlanBy = by
	} else if st.PlanBy.IsZero() {
		st.PlanBy = st.now.Add(devices.FirstPlanWithin)
	}
	if why != "" && st.Strategy() == StrategyPlan {
		st.wake(st.PlanBy)
	}
	if st.justChanged() {
		st.wake(st.Persisted.Battery.Changes.Last.Add(devices.PlanSettles))
	}
	st.wake(st.planWaits())
	if p := st.Planned; p != nil && p.Reserve != nil {
		st.wake(p.Made.Add(devices.PlanIsOld))
	}
}

// choose applies a person's choice of a strategy.
func (st *step) choose(s Strategy) {
	if st.Strategy() == s {
		return
	}
	st.Persisted.Strategy, st.Persisted.LastUserInput = s, st.now
	if s == st.Settings.Strategy || s == StrategyRule && st.Settings.Strategy == "" {
		st.Persisted.Strategy = "" // the configuration says the same
	}
	st.note(NoteEnabled, "", "from now on the %s sets the reserve", s)
}

package rules

import (
	"fmt"

	"powermgr/devices"
)

// What the rules want of a device comes from a stack of levels. The first one that
// applies decides, and is the reason that people see.

// A Level is one of the sources of what is wanted of a device.
type Level string

// The levels, highest first.
const (
	LevelKnown    Level = "known"    // nothing is written to a device that has not said what it is set to
	LevelSafety   Level = "safety"   // too warm or too cold inside ends a setback
	LevelOwner    Level = "owner"    // Storm Watch, grid services, a home off the grid
	LevelPerson   Level = "person"   // a person has chosen a reserve
	LevelOverride Level = "override" // a pause changes nothing, except that it restores
	LevelPlan     Level = "plan"     // what is planned ahead, within its guards (planned.go)
	LevelCalendar Level = "calendar"
)

// A target is the reserve that is wanted of the battery, and why.
type target struct {
	level   Level
	reserve *int // nil: nothing is written
	show    *int // what people see as the wanted reserve
	reason  Reason
	why     string
}

// reserveLevels asks each level for its target; the first that has one decides.
var reserveLevels = []struct {
	level Level
	wants func(*step) (target, bool)
}{
	{LevelKnown, (*step).wantsKnown},
	{LevelOwner, (*step).wantsOwner},
	{LevelPerson, (*step).wantsPerson},
	{LevelOverride, (*step).wantsPause},
	{LevelPlan, (*step).wantsPlan},
	{LevelCalendar, (*step).wantsCalendar},
}

// wantedReserve returns the target of the highest level that has one.
func (st *step) wantedReserve() target {
	for _, l := range reserveLevels {
		if t, ok := l.wants(st); ok {
			t.level = l.level
			return t
		}
	}
	return target{}
}

func (st *step) wantsKnown() (target, bool) {
	want := st.calendarReserve()
	unknown := target{show: &want, reason: ByUnknown, why: "the Powerwall has not reported its reserve yet"}
	return unknown, st.Battery == nil
}

func (st *step) wantsOwner() (target, bool) {
	owner := st.Battery.owner()
	return target{reason: ByDevice, why: owner}, owner != ""
}

// wantsPerson wants what a person chose while a write of the rules was on its way: it has
// to be put back if that write lands. Any other choice stands without a write.
func (st *step) wantsPerson() (target, bool) {
	choice := st.Persisted.Battery.Choice
	if choice == nil {
		return target{}, false
	}
	t := target{reason: ByPerson, why: "someone has changed the battery: " + choice.What}
	if st.Persisted.Battery.Wanted.Reserve != nil {
		t.reserve = choice.Reserve
	}
	return t, true
}

func (st *step) wantsPause() (target, bool) {
	return target{}, st.plan.Paused && !st.Persisted.Battery.AtPeak
}

func (st *step) wantsCalendar() (target, bool) {
	want, b := st.calendarReserve(), st.Battery
	t := target{reserve: &want, show: &want, why: fmt.Sprintf("reserve %d %%", want)}
	switch {
	case want == st.floor() && want > 0:
		t.why += ", because this Powerwall accepts no less"
	case want == st.Persisted.Battery.Limit && want > 0:
		t.why += ", because this Powerwall accepts no more"
	}
	switch {
	case st.shownReserve() == nil:
		t.reserve, t.reason, t.why = nil, ByUnknown, "the Powerwall has not reported its reserve yet"
	case b.Charge != nil && b.Age < devices.TooOld:
		t.why += fmt.Sprintf(", battery %.0f %%", *b.Charge)
	}
	if _, why, _ := st.planned(); why != "" {
		st.d.PlanIdle = why
		t.why += "; the rule is in charge: " + why
	}
	return t, true
}

// calendarReserve returns the reserve of the phase.
func (st *step) calendarReserve() int {
	if st.plan.Discharge {
		return st.peakReserve()
	}
	return st.offPeakReserve()
}

package rules

import (
	"time"

	"powermgr/devices"
)

// When to step again although nothing has happened.

// wakes requests a step for each time at which the decision, the record or what people
// see may change merely because time passes.
func (st *step) wakes() {
	st.wake(st.plan.Next)
	if up := st.upcoming; !up.Start.IsZero() { // an override does not hide them
		st.wake(up.Start.Add(-st.Settings.Calendar.Lead))
		st.wake(up.Start)
		st.wake(up.End)
	}
	if st.unsettled() {
		st.wake(st.now.Add(devices.StepInterval))
	}
	for _, id := range st.Settings.Thermostats {
		if t, ok := st.Thermostats[id]; ok {
			st.wake(t.AsOf.Add(st.Settings.StaleAfter + 1)) // then it is too old to base a decision on
		}
	}
	if left := st.d.Left; left != nil {
		st.wake(st.now.Add(*left % time.Minute)) // the minutes left, which people see
		st.wake(st.now.Add(time.Minute))
	}
	y, m, day := st.now.In(st.location()).Date()
	st.wake(time.Date(y, m, day+1, 0, 0, 0, 0, st.location())) // the forecast is of one day, and so is the number of changes
}

// unsettled reports whether a write is on its way, something has to be restored, a
// reading is in doubt or the journal cannot be written.
func (st *step) unsettled() bool {
	k := st.Persisted.Battery
	if st.Unwritable || len(st.Pending) > 0 || st.doubted(Powerwall) || len(k.Flights) > 0 || k.Wanted.Reserve != nil && !k.Confirmed || k.AtPeak && !st.holds() {
		return true
	}
	for id, h := range st.Persisted.Thermostats {
		if st.doubted(id) || h.Claim != nil && (!h.Claim.Confirmed || len(h.Claim.Flights) > 0 || st.wantedGoal(id) == Restore) {
			return true
		}
	}
	return false
}

// location is the home's time zone.
func (st *step) location() *time.Location {
	if l := st.Settings.Calendar.Location; l != nil {
		return l
	}
	return time.UTC
}

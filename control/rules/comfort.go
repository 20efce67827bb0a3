package rules

import (
	"fmt"
	"time"

	"powermgr/devices"
)

// PlanMarginF is how far inside the comfort band the set points of a planned setback
// stay, in °F: the air temperature swings around a set point.
const PlanMarginF = 1

// Comfort is what the plan asks of the thermostats around one peak.
type Comfort struct {
	Peak     time.Time     `json:"peak"` // when it starts
	Lead     time.Duration `json:"lead,omitempty"`
	PrecoolF float64       `json:"precool_f,omitempty"` // below the cool set point in the lead; 0: no precooling
	SetbackF float64       `json:"setback_f,omitempty"` // in the peak; more if thresholds ask for more
	Why      string        `json:"why,omitempty"`
	InPeak   bool          `json:"in_peak,omitempty"` // the peak has begun, and the setback stays
}

// begins returns when the first part of it starts.
func (c Comfort) begins() time.Time {
	if c.PrecoolF > 0 {
		return c.Peak.Add(-c.Lead)
	}
	return c.Peak
}

// adoptComfort adopts what is planned for the thermostats once its time has come. From
// then on it stays, whatever later plans say and across a restart: precooling that has
// begun continues until the peak, and a setback until the end of the peak.
func (st *step) adoptComfort() {
	k := &st.Persisted
	if k.Comfort != nil {
		if st.upcoming.Start.IsZero() || !st.upcoming.Start.Equal(k.Comfort.Peak) || st.Strategy() != StrategyPlan {
			k.Comfort = nil
		}
	}
	c := st.plannedComfort()
	if c == nil {
		return
	}
	begun := !st.now.Before(c.Peak)
	switch {
	case st.now.Before(c.begins()):
		st.wake(c.begins())
	case k.Comfort == nil:
		next := *c
		next.InPeak = begun
		k.Comfort = &next
	case begun && !k.Comfort.InPeak:
		next := *k.Comfort // the setback is decided when the peak begins
		next.SetbackF, next.Why, next.InPeak = c.SetbackF, c.Why, true
		k.Comfort = &next
	}
}

// plannedComfort returns what the plan asks of the thermostats around the current or next
// peak; nil: there is nothing to follow.
func (st *step) plannedComfort() *Comfort {
	p := st.Planned
	if st.Strategy() != StrategyPlan || p == nil || p.Comfort == nil || st.Unwritable || st.now.Sub(p.Made) >= devices.PlanIsOld {
		return nil
	}
	if st.upcoming.Start.IsZero() || !st.upcoming.Start.Equal(p.Comfort.Peak) {
		return nil
	}
	return p.Comfort
}

// comfort returns what is planned around the peak of st.plan; nil: the fixed rule
// decides.
func (st *step) comfort() *Comfort {
	c := st.Persisted.Comfort
	if c == nil {
		c = st.plannedComfort()
	}
	if c == nil || !c.Peak.Equal(st.plan.Peak.Start) {
		return nil
	}
	return c
}

// calendar returns the calendar, with its lead extended to the planned precooling if that
// is longer.
func (st *step) calendar() Calendar {
	c := st.Settings.Calendar
	if k := st.Persisted.Comfort; k != nil && k.PrecoolF > 0 {
		c.Lead = max(c.Lead, k.Lead)
	}
	return c
}

// setback returns the setting of a setback: as far as is planned or as far as thresholds
// ask for, whichever is further.
func (st *step) setback(t Thermostat, base Baseline) devices.Setting {
	want := st.Settings.setback(t, base.Mode, base.Setting, st.latchedF())
	c := st.comfort()
	if c == nil {
		return want
	}
	within := st.Settings
	within.MaxCoolF, within.MinHeatF = within.MaxCoolF-PlanMarginF, within.MinHeatF+PlanMarginF
	planned := within.setback(t, base.Mode, base.Setting, c.SetbackF)
	if planned.Cool != nil && want.Cool != nil && *want.Cool > *planned.Cool {
		planned.Cool = want.Cool
	}
	if planned.Heat != nil && want.Heat != nil && *want.Heat < *planned.Heat {
		planned.Heat = want.Heat
	}
	return planned
}

// comfortIdle says why the fixed rule decides about the thermostats although the strategy
// is the plan; empty: it does not.
func (st *step) comfortIdle() string {
	p := st.Planned
	switch {
	case st.Strategy() != StrategyPlan || len(st.Settings.Thermostats) == 0 || st.comfort() != nil:
		return ""
	case p == nil || p.Reserve == nil || st.now.Sub(p.Made) >= devices.PlanIsOld:
		return "there is no plan to go by"
	case p.Comfort == nil:
		return p.NoComfort
	case st.Unwritable:
		return "the journal cannot be written"
	}
	return fmt.Sprintf("by the prices the next expensive hours start at %s, but the calendar has a different peak", st.clock(p.Comfort.Peak))
}

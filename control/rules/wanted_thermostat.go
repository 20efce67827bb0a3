package rules

import (
	"slices"
	"time"
)

// What the rules want of a thermostat comes from the same stack of levels. If a level
// says Restore, the baseline is wanted, and nothing if the thermostat already has it.

// goalLevels asks each level for its goal; the first that has one decides.
var goalLevels = []struct {
	level Level
	wants func(*step, string) (Goal, bool)
}{
	{LevelSafety, (*step).goalOfSafety},
	{LevelPerson, (*step).goalOfPerson},
	{LevelOverride, (*step).goalOfPause},
	{LevelCalendar, (*step).goalOfCalendar},
}

// wantedGoal returns the goal of the highest level that has one for a thermostat.
func (st *step) wantedGoal(id string) Goal {
	for _, l := range goalLevels {
		if g, ok := l.wants(st, id); ok {
			return g
		}
	}
	return Restore
}

// goalOfSafety restores if it was too warm or too cold inside in this window.
func (st *step) goalOfSafety(id string) (Goal, bool) {
	return Restore, st.Persisted.Thermostats[id].Ended
}

// goalOfPerson leaves the thermostat to the person who has taken it or changed its mode:
// only what is still owed is restored.
func (st *step) goalOfPerson(id string) (Goal, bool) {
	h := st.Persisted.Thermostats[id]
	return Restore, h.Choice != nil || h.Claim != nil && h.Claim.Mode != ""
}

func (st *step) goalOfPause(string) (Goal, bool) { return Restore, st.plan.Paused }

// goalOfCalendar returns what the phase asks for. A setting left from an earlier window is
// restored first.
func (st *step) goalOfCalendar(id string) (Goal, bool) {
	p, h := st.plan, st.Persisted.Thermostats[id]
	switch {
	case p.Phase == OffPeak, !slices.Contains(st.Settings.Thermostats, id):
		return Restore, true
	case h.Claim != nil && !h.Window.Equal(st.Persisted.Window.Start):
		return Restore, true
	case p.Phase == InPeak && st.offsetF() > 0:
		return Setback, true
	case p.Phase == InPeak:
		return Restore, true
	case p.Forced:
		return Precool, true
	}
	return st.precoolToday(id), true
}

// precoolToday returns Precool if the plan asks for it or, without a plan, if a hot day
// is forecast.
func (st *step) precoolToday(id string) Goal {
	t, claim, planned := st.Thermostats[id], st.Persisted.Thermostats[id].Claim, st.comfort()
	switch {
	case planned != nil && planned.PrecoolF > 0 && t.Mode.Cools() && !st.now.Before(planned.begins()):
		return Precool
	case planned != nil:
		return Restore
	case !st.plan.Peak.Precool || !t.Mode.Cools():
		return Restore
	case claim != nil && claim.Kind == Precool && st.ForecastF == nil:
		return Precool // it continues after a restart, before there is a forecast
	case st.ForecastF == nil || st.ForecastDay != st.now.In(st.Settings.Calendar.Location).Format(time.DateOnly):
		st.noteOnce("forecast", NoteProblem, "", "there is no forecast for today: no precooling")
		return Restore
	case *st.ForecastF < st.Settings.PrecoolAtF:
		return Restore
	}
	return Precool
}

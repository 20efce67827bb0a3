package rules

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"powermgr/devices"
)

// Step applies ev to s at the time now. It returns the next state and the decision that
// holds until the next event. It never changes s and never blocks.
//
// If Persisted differs between the two states, the next one must be safely on disk before
// the first of the decision's writes is sent. If it cannot be saved, the caller sets
// Unwritable in s, the old state, and steps again.
func Step(s State, ev Event, now time.Time) (State, Decision) {
	st := step{State: s, now: now}
	st.Coming = s.Coming.At(s.Settings.Calendar, now)
	st.upcoming = st.Coming.peak
	if !st.Standby {
		st.advance()
		st.apply(ev)
	} else {
		st.follow(ev)
	}
	if st.Standby {
		st.plan = planBefore(st.upcoming, st.Settings.Calendar, st.Persisted.Override, !st.Persisted.Disabled, now)
		st.d.Plan, st.d.Reason, st.d.Why = st.plan, ByStandby, "another node is active"
		st.wake(st.plan.Next)
		return st.State, st.d
	}
	st.advance()
	st.latch()
	st.battery()
	for _, id := range st.thermostatIDs() {
		st.thermostat(id)
	}
	st.describe()
	return st.State, st.d
}

// step is one call of Step in progress.
type step struct {
	State
	now      time.Time
	upcoming Peak // the current or next one; zero: none
	plan     Plan
	d        Decision
	doubt    Doubt // what the reading before this step's left in doubt
}

func (st *step) note(t NoteType, target, format string, args ...any) {
	st.d.Notes = append(st.d.Notes, Note{Type: t, Target: target, Why: fmt.Sprintf(format, args...)})
}

// noteOnce makes a note once, until clearNote or a different text on the same subject.
func (st *step) noteOnce(subject string, t NoteType, target, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	if st.AlreadyNoted[subject] == why {
		return
	}
	st.AlreadyNoted = with(st.AlreadyNoted, subject, why)
	st.d.Notes = append(st.d.Notes, Note{Type: t, Target: target, Why: why})
}

func (st *step) clearNote(subject string) { st.AlreadyNoted = without(st.AlreadyNoted, subject) }

func (st *step) problem(kind ProblemKind, text string) {
	st.d.Problems = append(st.d.Problems, Problem{kind, text})
}

// wake asks for a step at a later time. It ignores a time that has passed: a step at once
// would ask for the same time again, without end.
func (st *step) wake(at time.Time) {
	if at.After(st.now) {
		st.d.Wake = devices.Earliest(st.d.Wake, at)
	}
}

// thermostatIDs lists every thermostat to decide about: those that are controlled, and
// those with a record.
func (st *step) thermostatIDs() []string {
	ids := slices.Clone(st.Settings.Thermostats)
	for id := range st.Persisted.Thermostats {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (st *step) keep(id string, h ThermostatRecord) {
	switch {
	case h.empty():
		st.Persisted.Thermostats = without(st.Persisted.Thermostats, id)
	case h != st.Persisted.Thermostats[id]:
		st.Persisted.Thermostats = with(st.Persisted.Thermostats, id, h)
	}
}

// advance updates the plan to the current time: an override that is over ends, and a window
// begins, continues or ends.
func (st *step) advance() {
	k := &st.Persisted
	if k.Override.Kind != "" && st.inFuture(k.Override.Since) {
		// The clock was set back. What people choose from now on, they choose during it.
		k.Override.Since = devices.WholeSecond(st.now)
	}
	was := k.Override
	if k.Override.Kind != "" && !k.Override.active(st.now) {
		st.note(NoteOverride, "", "the override %s has ended", k.Override.Kind)
		k.Override = Override{}
	}
	st.adoptComfort()
	st.plan = planBefore(st.upcoming, st.calendar(), k.Override, !k.Disabled, st.now)
	if p := st.plan; k.PeakOver && !k.Override.active(st.now) && p.Phase != OffPeak && p.Peak.End.Equal(k.PeakEnd) {
		// The clock was set back. A hold until the end of the peak would last until that
		// time on the next day.
		st.plan = PlanAt(st.calendar(), k.Override, !k.Disabled, k.PeakEnd)
	}
	st.advanceWindow(was)
	st.advancePeak()
	if p := st.plan; st.Phase != p.Phase {
		if st.Phase != "" {
			st.note(NotePhase, "", "%s", st.phaseText())
		}
		st.Phase = p.Phase
	}
}

// advanceWindow begins and ends the window of a lead and its peak. o is the override that was
// in force until now.
func (st *step) advanceWindow(o Override) {
	k, p := &st.Persisted, st.plan
	was, is, over := k.Window, &Stretch{Start: p.Since, End: p.Until}, p.Since
	switch {
	case p.Until.IsZero() && was == nil:
		return
	case p.Until.IsZero():
		k.Window = nil
		over = was.End // this may be long ago if this node was down
		if o.offPeak() && !o.Until.Before(was.End) {
			// Off peak began with the override and continues, and so does what people
			// have chosen since.
			over = devices.Earliest(over, o.Since)
		}
	case was == nil || was.End.Before(p.Since):
		if k.Window = is; st.Phase == OffPeak && !o.offPeak() {
			over = st.now // it was off peak until now, although the plan's longer lead began earlier
		}
	default:
		if !was.End.Equal(p.Until) {
			k.Window = &Stretch{Start: was.Start, End: p.Until}
		}
		return
	}
	if was != nil && k.Battery.LimitDoubt {
		k.Battery.Limit, k.Battery.LimitDoubt = 0, false
	}
	st.endWindow(over)
}

// advancePeak forgets the thresholds of a peak that is over, and those that counted in one
// by override before that of the calendar.
func (st *step) advancePeak() {
	k, p, up := &st.Persisted, st.plan, st.upcoming
	if p.Phase == InPeak && !k.PeakEnd.Equal(p.Peak.End) {
		if st.Phase != InPeak || k.PeakEnd.Before(st.now) {
			k.Latched = nil
		}
		k.PeakEnd, k.PeakOver = p.Peak.End, false
	}
	if p.Phase == OffPeak && (up.Start.IsZero() || st.now.Before(up.Start)) {
		k.Latched = nil
	}
	if p.Phase == OffPeak && !k.PeakEnd.IsZero() && !k.PeakEnd.After(st.now) {
		k.Latched, k.PeakOver = nil, true
	}
}

// endWindow ends everything that lasts until the end of a window, which was at over: what
// people chose before that is controlled by the rules again, and a setback that the
// indoor temperature ended may begin again.
func (st *step) endWindow(over time.Time) {
	later := func(t *Choice) bool { return t != nil && t.At.After(over) && !t.At.After(st.now) }
	if !later(st.Persisted.Battery.Choice) {
		st.endYield()
	}
	for id, h := range st.Persisted.Thermostats {
		if !later(h.Choice) {
			h.Choice = nil
		}
		h.Ended, h.Baseline = false, nil
		if h.Claim == nil && !st.now.Before(h.LastWrite.Add(st.Settings.Spacing)) {
			h.LastWrite = time.Time{}
		}
		st.keep(id, h)
	}
	st.clearNote("forecast")
}

func (st *step) apply(ev Event) {
	switch ev := ev.(type) {
	case BatteryRead:
		if st.Battery != nil {
			st.read(Powerwall, st.Battery.Polled, ev.Polled)
		}
		st.measured(ev.Battery)
		st.readBattery(ev.Battery)
	case ThermostatRead:
		st.read(ev.ID, st.Thermostats[ev.ID].Polled, ev.Polled)
		if f := ev.indoorF(); f != nil && ev.Alive {
			next, _ := st.Indoor[ev.ID].and(Figure{*f, ev.AsOf, st.now}, indoorReach)
			st.Indoor = with(st.Indoor, ev.ID, next)
		}
		st.readThermostat(ev.ID, ev.Thermostat)
	case Forecast:
		st.forecast(ev)
	case Answer:
		st.answer(ev)
	case OverrideAsked:
		st.Persisted.LastUserInput = st.now
		st.override(ev.OverrideRequest)
	case RestoreAsked:
		st.restoreAll()
	case Planned:
		st.Planned = &ev
	case ByHandAsked:
		st.adjust(ev)
	case StrategyAsked:
		st.choose(ev.Strategy)
	case EnabledAsked:
		st.enable(ev.Enabled)
	case Role:
		if st.Standby == ev.Active {
			st.changeRole(ev.Active)
		}
	case Recovered:
		st.takeOver(ev.Persisted)
	}
}

// changeRole begins or ends a standby. Earlier readings say little about the present.
func (st *step) changeRole(active bool) {
	st.Standby = !active
	if st.Standby {
		st.Thermostats, st.BeforeSuspension = nil, nil
		st.Planned, st.PlanBy = nil, time.Time{}
	}
	// Readings from when this node was last active, including one that came just after
	// that, are old.
	if st.Battery != nil && (st.Standby || st.now.Sub(st.Battery.Polled) > devices.StepInterval) {
		st.Battery = nil
	}
	st.Thermostats = where(st.Thermostats, func(_ string, t Thermostat) bool { return st.now.Sub(t.Polled) <= devices.StepInterval })
	st.ReadSinceStart, st.Pending, st.Commanded = nil, nil, nil
	st.Charge, st.Indoor, st.Idle = Figures{}, nil, Idle{}
}

// takeOver adopts the records that another process has stored.
func (st *step) takeOver(k Persisted) {
	// If the record of a thermostat is the same, its readings so far still count.
	st.ReadSinceStart = where(st.ReadSinceStart, func(id string, _ time.Time) bool {
		was, is := st.Persisted.Thermostats[id], k.Thermostats[id]
		was.Doubt, is.Doubt = Doubt{}, Doubt{}
		return reflect.DeepEqual(was, is)
	})
	// If the records want the same of a device, a command for that is still on its way.
	st.Pending = where(st.Pending, func(target string, _ Pending) bool {
		return st.Persisted.wantsAs(k, target)
	})
	was := st.Persisted
	st.Persisted = k
	st.keepDoubts(was)
}

// follow is apply for a node on standby: it keeps track of what is going on, but judges
// nothing.
func (st *step) follow(ev Event) {
	switch ev := ev.(type) {
	case BatteryRead:
		st.Battery = &ev.Battery
	case ThermostatRead:
		st.Thermostats = with(st.Thermostats, ev.ID, ev.Thermostat)
	case Forecast, Planned, Role, Recovered:
		st.apply(ev)
	}
}

// fresh reports whether a reading as of t may decide something new.
func (st *step) fresh(t time.Time, limit time.Duration) bool {
	return !t.IsZero() && st.now.Sub(t) <= limit
}

// judgeAge reports the problem that a vendor repeats old figures: nothing new is decided
// from them, but whatever depends only on the clock continues.
func (st *step) judgeAge(target, figures string, age time.Duration) {
	subject := "old " + target
	if age < devices.TooOld {
		st.clearNote(subject)
		return
	}
	st.problem(OldData, fmt.Sprintf("%s are %s old: they start no new setback", figures, Roughly(age)))
	if _, said := st.AlreadyNoted[subject]; !said {
		st.noteOnce(subject, NoteProblem, "", "%s are %s old: they start no new setback", figures, Roughly(age))
	}
}

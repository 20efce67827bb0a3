package rules

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// Beat is the longest time between two steps: the wall clock may jump, and
// then a wake-up planned before the jump would come too late.
const Beat = 30 * time.Second

// Step folds ev into s as of now. It returns the next state and the decision
// that holds until the next event. It never changes s and never blocks.
//
// When Kept of the two states differs, the next one must be safe on disk
// before the first of the decision's writes leaves. If it cannot be made safe,
// the caller sets Unwritable in s, the old state, and steps again.
func Step(s State, ev Event, now time.Time) (State, Decision) {
	st := step{State: s, now: now}
	if !st.Standby {
		st.turn()
		st.fold(ev)
	} else {
		st.follow(ev)
	}
	if st.Standby {
		st.plan = PlanAt(st.Settings.Calendar, st.Kept.Override, !st.Kept.Disabled, now)
		st.d.Plan, st.d.Reason, st.d.Why, st.d.Wake = st.plan, ByStandby, "another node is active", now.Add(Beat)
		return st.State, st.d
	}
	st.turn()
	st.latch()
	st.battery()
	for _, id := range st.homes() {
		st.thermostat(id)
	}
	st.describe()
	return st.State, st.d
}

// step is one Step under way.
type step struct {
	State
	now  time.Time
	plan Plan
	d    Decision
	// Of the reading that this step folds: what the one before left in doubt, and
	// what the thermostat showed before that.
	doubt Doubt
	prev  Thermostat
}

func (st *step) note(t NoteType, target, format string, args ...any) {
	st.d.Notes = append(st.d.Notes, Note{Type: t, Target: target, Why: fmt.Sprintf(format, args...)})
}

// say makes a note once, until unsay or another text on the same subject.
func (st *step) say(subject string, t NoteType, target, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	if st.Said[subject] == why {
		return
	}
	st.Said = with(st.Said, subject, why)
	st.d.Notes = append(st.d.Notes, Note{Type: t, Target: target, Why: why})
}

func (st *step) unsay(subject string) { st.Said = without(st.Said, subject) }

func (st *step) problem(kind ProblemKind, text string) {
	st.d.Problems = append(st.d.Problems, Problem{kind, text})
}

func (st *step) wake(at time.Time) { st.d.Wake = earliest(st.d.Wake, at) }

// homes lists every thermostat that has a say: controlled, or with something
// of ours on it.
func (st *step) homes() []string {
	ids := slices.Clone(st.Settings.Thermostats)
	for id := range st.Kept.Homes {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (st *step) keep(id string, h Home) {
	switch {
	case h.empty():
		st.Kept.Homes = without(st.Kept.Homes, id)
	case h != st.Kept.Homes[id]:
		st.Kept.Homes = with(st.Kept.Homes, id, h)
	}
}

// turn brings the plan up to now: an override that is over ends, and an event
// begins, goes on or ends.
func (st *step) turn() {
	k := &st.Kept
	if k.Override.Kind != "" && !k.Override.active(st.now) {
		st.note(NoteOverride, "", "the override %s is over", k.Override.Kind)
		k.Override = Override{}
	}
	st.plan = PlanAt(st.Settings.Calendar, k.Override, !k.Disabled, st.now)
	if p := st.plan; k.PeakOver && !k.Override.active(st.now) && p.Phase != OffPeak && p.Peak.End.Equal(k.PeakEnd) {
		// The clock went back. A hold until the end of the peak would last until
		// that time of the next day.
		st.plan = PlanAt(st.Settings.Calendar, k.Override, !k.Disabled, k.PeakEnd)
	}
	p := st.plan
	begin, end := false, false
	switch {
	case p.Phase == OffPeak:
		begin, end = false, k.Event != nil
	case k.Event == nil:
		begin = true
	case k.Event.End.Before(p.Since):
		begin, end = true, true
	case !k.Event.End.Equal(p.Until):
		k.Event = &Stretch{Start: k.Event.Start, End: p.Until}
	}
	if end {
		k.Event = nil
	}
	if begin {
		k.Event = &Stretch{Start: p.Since, End: p.Until}
	}
	if begin || end {
		st.release()
	}
	if p.Phase == InPeak && !k.PeakEnd.Equal(p.Peak.End) {
		if st.Phase != InPeak || k.PeakEnd.Before(st.now) {
			k.Latched = nil
		}
		k.PeakEnd, k.PeakOver = p.Peak.End, false
	}
	if p.Phase == OffPeak && !k.PeakEnd.IsZero() && !k.PeakEnd.After(st.now) {
		k.Latched, k.PeakOver = nil, true
	}
	if st.Phase != p.Phase {
		if st.Phase != "" {
			st.note(NotePhase, "", "%s", st.phaseText())
		}
		st.Phase = p.Phase
	}
}

// release ends what lasts until the window ends: what people took is under the
// rules again, and a setback that the indoor temperature ended may begin anew.
func (st *step) release() {
	st.letGo()
	for id, h := range st.Kept.Homes {
		h.Taken, h.Ended, h.Baseline = nil, false, nil
		if h.Touch == nil && !st.now.Before(h.LastWrite.Add(st.Settings.Spacing)) {
			h.LastWrite = time.Time{}
		}
		st.keep(id, h)
	}
	st.unsay("forecast")
}

func (st *step) fold(ev Event) {
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
		st.Kept.Spoken = st.now
		st.override(ev.OverrideRequest)
	case RestoreAsked:
		st.Kept.Spoken = st.now
		until := st.plan.Until
		if until.IsZero() {
			until = st.Settings.Calendar.windowEnd(st.now)
		}
		st.Kept.Override = Override{Kind: OverridePause, Since: st.now, Until: earliest(until, st.now.Add(MaxOverride))}
		st.note(NoteOverride, "", "everything of ours is given back now, and nothing is touched until %s", st.clock(st.Kept.Override.Until))
	case EnabledAsked:
		if st.Kept.Disabled == ev.Enabled {
			st.Kept.Disabled, st.Kept.Spoken = !ev.Enabled, st.now
			st.note(NoteEnabled, "", "the controller is switched %s", map[bool]string{true: "on", false: "off"}[ev.Enabled])
		}
		if !ev.Enabled {
			st.endOverride()
		}
	case Standing:
		if st.Standby == ev.Active {
			st.Standby = !ev.Active
			if st.Standby {
				st.Thermostats, st.Aside = nil, nil
			}
			// Those of when this node was active last, one that came just after
			// among them, are of long ago.
			if st.Battery != nil && (st.Standby || st.now.Sub(st.Battery.Polled) > Beat) {
				st.Battery = nil
			}
			st.Thermostats = where(st.Thermostats, func(_ string, t Thermostat) bool { return st.now.Sub(t.Polled) <= Beat })
			st.Seen, st.Pending, st.Doubts = nil, nil, nil
			st.Charge, st.Indoor = Figures{}, nil
		}
	case Recovered:
		// Where it says the same of a thermostat, what was seen of that one counts on.
		st.Seen = where(st.Seen, func(id string, _ bool) bool {
			return reflect.DeepEqual(st.Kept.Homes[id], ev.Kept.Homes[id])
		})
		// And where it wants the same, a command for that is still on its way.
		st.Pending = where(st.Pending, func(target string, _ Pending) bool {
			return st.Kept.wantsAs(ev.Kept, target)
		})
		st.Kept = ev.Kept
	}
}

// follow is fold for a node on standby: it knows what is going on and judges
// nothing.
func (st *step) follow(ev Event) {
	switch ev := ev.(type) {
	case BatteryRead:
		st.Battery = &ev.Battery
	case ThermostatRead:
		st.Thermostats = with(st.Thermostats, ev.ID, ev.Thermostat)
	case Forecast, Standing, Recovered:
		st.fold(ev)
	}
}

func (st *step) override(r OverrideRequest) {
	o, err := r.Grant(st.Settings.Calendar, st.now)
	switch {
	case err != nil: // whoever sent it was told
	case r.Kind == Resume:
		st.endOverride()
	case r.Kind == Auto:
		// A person gives everything back to the rules.
		st.letGo()
		for id, h := range st.Kept.Homes {
			h.Taken, h.Ended = nil, false
			if h.Touch != nil && h.Touch.Mode == h.Touch.Baseline.Mode {
				touch := *h.Touch
				touch.Mode, h.Touch = "", &touch
			}
			st.keep(id, h)
		}
		st.endOverride()
	default:
		st.Kept.Override = o
		st.note(NoteOverride, "", "override %s until %s", r.Kind, st.clock(o.Until))
	}
}

// endOverride ends the override in force before its time.
func (st *step) endOverride() {
	if o := &st.Kept.Override; o.Kind != "" {
		st.note(NoteOverride, "", "the override %s is cleared", o.Kind)
		*o, st.Kept.Spoken = Override{}, st.now
	}
}

// latch latches the thresholds that are met by what is known of the battery.
func (st *step) latch() {
	if f := st.Charge.Known; f != nil && st.fresh(f.AsOf, st.Settings.StaleCharge) {
		st.latchAt(f.Value, st.now)
	}
}

// latchAt latches the thresholds that are met by a charge in percent at a time
// of this peak.
func (st *step) latchAt(charge float64, at time.Time) {
	p := st.plan
	if p.Phase != InPeak || p.Paused || at.Before(p.Peak.Start) {
		return
	}
	left := p.Peak.End.Sub(at)
	for _, t := range st.Settings.Thresholds {
		minutes := int(t.Left / time.Minute)
		if left >= t.Left && charge <= t.Level && !slices.Contains(st.Kept.Latched, minutes) {
			st.Kept.Latched = append(slices.Clip(st.Kept.Latched), minutes)
			st.note(NoteLatched, "", "the battery is at %.0f %% with %d minutes of the peak left; the threshold is %.0f %% at %d minutes",
				charge, int(left.Minutes()), t.Level, minutes)
		}
	}
}

// measured folds the charge of a reading. One that was out of reach of the last
// counts from when it was read, once the next agrees with it.
func (st *step) measured(b Battery) {
	if b.Charge == nil {
		return
	}
	var confirmed *Figure
	st.Charge, confirmed = st.Charge.and(Figure{*b.Charge, b.AsOf, st.now}, chargeReach)
	if confirmed != nil && st.now.Sub(confirmed.Read) <= comparable {
		st.latchAt(confirmed.Value, confirmed.Read)
	}
}

// offsetF is the setback in force, in °F.
func (st *step) offsetF() float64 {
	n := len(st.Kept.Latched)
	if st.plan.Phase != InPeak || st.plan.Paused {
		n = 0
	}
	if m := st.Settings.MaxSteps; m > 0 {
		n = min(n, m)
	}
	return float64(n) * st.Settings.StepF
}

// fresh reports whether a reading as of t may decide something new.
func (st *step) fresh(t time.Time, limit time.Duration) bool {
	return !t.IsZero() && st.now.Sub(t) <= limit
}

// judgeAge says that a vendor repeats old figures: nothing new is decided from
// them, and what follows the clock alone goes on.
func (st *step) judgeAge(target, whose string, age time.Duration) {
	subject := "old " + target
	if age < tooOld {
		st.unsay(subject)
		return
	}
	st.problem(OldData, fmt.Sprintf("%s are %s old: no new setback starts from them", whose, Roughly(age)))
	if _, said := st.Said[subject]; !said {
		st.say(subject, NoteProblem, "", "%s are %s old: no new setback starts from them", whose, Roughly(age))
	}
}

// tooOld is the age from which figures say nothing about the present any more,
// however recently they were read.
const tooOld = 15 * time.Minute

// Roughly is an age as people say it: in quarters of an hour, from two hours on
// in hours.
func Roughly(age time.Duration) string {
	if age < 2*time.Hour {
		return fmt.Sprintf("%d min", int(age.Truncate(15*time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h", int(age.Hours()))
}

func (st *step) clock(t time.Time) string {
	t = t.In(st.Settings.Calendar.Location)
	if t.Sub(st.now).Abs() > 6*24*time.Hour {
		return t.Format("Mon 2 Jan 15:04")
	}
	if t.Sub(st.now) > 20*time.Hour || st.now.Sub(t) > 20*time.Hour {
		return t.Format("Mon 15:04")
	}
	return t.Format("15:04")
}

func (st *step) phaseText() string {
	switch p := st.plan; {
	case p.Phase == InPeak:
		return fmt.Sprintf("peak until %s", st.clock(p.Peak.End))
	case p.Phase == PrePeak && p.Forced:
		return fmt.Sprintf("precooling until %s", st.clock(p.Next))
	case p.Phase == PrePeak:
		return fmt.Sprintf("the peak starts at %s", st.clock(p.Peak.Start))
	case p.Peak.Start.IsZero():
		return "off peak; no peak is scheduled"
	default:
		return fmt.Sprintf("off peak; the next peak starts at %s", st.clock(p.Peak.Start))
	}
}

// neverTaken reports whether the vendor has refused the reserve of this peak, and
// the battery shows what it had before: nothing of ours is there.
func (st *step) neverTaken() bool {
	k, b, p := st.Kept.Battery, st.Battery, st.Pending[Powerwall]
	return p.Tries > 0 && !p.Ignored && !p.Unknown && !k.Confirmed && len(k.Asked) == 0 &&
		b != nil && b.Reserve != nil && k.Before != nil && *b.Reserve == *k.Before && st.plan.Discharge
}

// describe fills in what people see.
func (st *step) describe() {
	d, p, k := &st.d, st.plan, st.Kept
	d.Plan = p
	if p.Phase == InPeak {
		left := p.Peak.End.Sub(st.now)
		d.Left = &left
	}
	d.OffsetF = st.offsetF()
	if p.Phase == InPeak {
		for _, t := range st.Settings.Thresholds {
			if slices.Contains(k.Latched, int(t.Left/time.Minute)) {
				d.Latched = append(d.Latched, t)
			}
		}
	}
	if k.Battery.AtPeak && !st.neverTaken() {
		what := "reserve"
		if !p.Discharge {
			what = string(Restore)
		}
		d.Owned = append(d.Owned, Owned{Target: Powerwall, Name: "Powerwall", What: what, Until: p.Until})
	}
	if k.Battery.Taken != nil {
		d.Taken = append(d.Taken, Owned{Target: Powerwall, Name: "Powerwall", What: k.Battery.Taken.What, Until: p.Next})
	}
	for _, id := range slices.Sorted(maps.Keys(k.Homes)) {
		h := k.Homes[id]
		if h.Touch != nil && !h.Touch.Theirs && (h.Touch.Mode == "" || h.Taken == nil && h.Touch.Mode != modeOff) {
			until := p.Until
			if h.Touch.Wanted.Hold == HoldUntil {
				until = h.Touch.Wanted.Until
			}
			what := h.Touch.Kind
			if st.Kept.Event == nil || st.goal(id, st.Thermostats[id], h) == Leave {
				what = Restore
			}
			d.Owned = append(d.Owned, Owned{Target: id, Name: st.nameOf(id), What: string(what), Until: until})
		}
		if h.Taken != nil {
			d.Taken = append(d.Taken, Owned{Target: id, Name: st.nameOf(id), What: h.Taken.What, Until: p.Until})
		}
	}
	why := st.phaseText()
	if d.Reason == "" {
		switch {
		case k.Override.Kind != "":
			d.Reason = ByOverride
		case k.Disabled:
			d.Reason = ByDisabled
		default:
			d.Reason = BySchedule
		}
	}
	switch {
	case k.Override.Kind != "":
		why += fmt.Sprintf(", by override %s until %s", k.Override.Kind, st.clock(k.Override.Until))
	case k.Disabled:
		why += ", the controller is switched off"
	}
	if d.Why != "" {
		why += "; " + d.Why
	}
	if d.OffsetF > 0 {
		why += fmt.Sprintf("; setback %.0f °F", d.OffsetF)
	}
	d.Why = why
	if st.Unwritable {
		st.problem(NoJournal, "the journal cannot be written: no setback or precooling starts, since it could not be undone; look at the disk")
		st.say("journal", NoteProblem, "", "the journal cannot be written: no new setback or precooling starts, since it could not be undone")
	} else {
		st.unsay("journal")
	}
	st.wake(p.Next)
	st.wake(st.now.Add(Beat))
}

package rules

import (
	"fmt"
	"math"
	"slices"
	"time"

	"powermgr/devices"
)

// blocked says why nothing may be written to a thermostat; empty if it may.
func (t Thermostat) blocked() string {
	switch {
	case !t.Alive:
		return "it is offline"
	case t.Mode == devices.Off:
		return "it is off"
	case t.EmergencyHeat:
		return "it is in emergency heat"
	case t.owner() != "":
		return t.owner()
	case !t.Mode.Cools() && !t.Mode.Heats():
		return "its mode is not known"
	}
	return ""
}

// owner says who currently commands the thermostat instead of the rules; empty if nobody
// does. What they do to it says nothing about what a person wants, and what the rules had
// set is in force again afterward.
func (t Thermostat) owner() string {
	switch {
	case t.Hold == devices.HoldVacation:
		return "it is on vacation"
	case t.UtilityEvent:
		return "a utility event is controlling it"
	}
	return ""
}

// thermostat decides about one thermostat.
func (st *step) thermostat(id string) {
	t, known := st.Thermostats[id]
	if known && slices.Contains(st.Settings.Thermostats, id) {
		st.judgeAge(id, "the readings of "+st.nameOf(id), t.Age)
	}
	if known {
		st.judgeIndoor(id, t)
	}
	st.reconcile(setPoints{id, st.wantedGoal(id)})
}

// setPoints are the set points of a thermostat, wanted for a goal.
type setPoints struct {
	id   string
	goal Goal
}

func (w setPoints) target() string   { return w.id }
func (setPoints) insists(*step) bool { return false }

// judgeIndoor ends this window's setback if it is too warm or too cold inside.
func (st *step) judgeIndoor(id string, t Thermostat) {
	f, h := st.Indoor[id].Known, st.Persisted.Thermostats[id]
	if st.wantedGoal(id) != Setback || !st.beyond(f) {
		return
	}
	if h.Claim != nil {
		st.note(NoteLeft, id, "%s: it is %s inside, beyond the limit, so its setback ends", t.Name, st.inside(f.Value))
	} else {
		st.note(NoteLeft, id, "%s: it is %s inside, beyond the limit, so there is no setback", t.Name, st.inside(f.Value))
		h.Window = st.Persisted.Window.Start
	}
	h.Ended = true
	st.keep(id, h)
}

// beyond reports whether it is too warm or too cold inside for a setback.
func (st *step) beyond(f *Figure) bool {
	return f != nil && st.fresh(f.AsOf, st.Settings.StaleAfter) && (f.Value > st.Settings.MaxIndoorF || f.Value < st.Settings.MinIndoorF)
}

func (w setPoints) known(st *step) bool {
	t, why := st.Thermostats[w.id], ""
	if w.goal == Restore {
		claim := st.Persisted.Thermostats[w.id].Claim
		if claim == nil || claim.yields() {
			return false // there is nothing to restore, or it is not known yet whether a person's choice stands
		}
		if !st.hasRead(w.id) && !t.Polled.IsZero() {
			st.later(w.id, t)
		}
		return st.hasRead(w.id) // a person may have changed it while no process was reading it
	}
	switch {
	case w.goal == Setback && st.beyond(st.Indoor[w.id].Doubt), t.Polled.IsZero():
		return false
	case !st.fresh(t.AsOf, st.Settings.StaleAfter):
		why = "its last reading is too old"
	default:
		why = t.blocked()
	}
	if why != "" {
		st.noteOnce("blocked "+w.id, NoteLeft, w.id, "%s is left alone: %s", t.Name, why)
		return false
	}
	st.clearNote("blocked " + w.id)
	return st.hasRead(w.id)
}

func (w setPoints) next(st *step) (request, bool) {
	t, h := st.Thermostats[w.id], st.Persisted.Thermostats[w.id]
	if w.goal == Restore {
		return st.giveBack(w.id, t, h)
	}
	base := h.base(t)
	if st.end(base, w.goal).Sub(st.now) < devices.MinRemaining {
		return request{}, false
	}
	want := st.target(t, base, w.goal)
	if h.Claim != nil && !h.Claim.Confirmed && !devices.SameRequest(want, h.Claim.Wanted, base.Mode) && !st.Pending[w.id].mayLand(t.Polled) && st.gone(w.id, t, base.Setting) {
		st.forgetClaim(w.id, t, h) // it never landed, and no longer can
		h = st.Persisted.Thermostats[w.id]
	}
	r := request{want: want, goal: w.goal, read: t.Polled}
	switch {
	case h.Claim == nil && devices.SamePoints(want, t.Setting, base.Mode):
		return r, false // it is there already: at a limit, or by its schedule
	case h.Claim != nil && devices.SameRequest(want, h.Claim.Wanted, base.Mode):
		r.again = true
		return r, !h.Claim.Confirmed && !h.Claim.shown(t) && !st.Pending[w.id].givenUp()
	case h.Claim != nil && h.Claim.Confirmed && devices.Same(want, t.Setting, base.Mode) && !t.Until.Before(want.Until):
		claim := *h.Claim
		claim.Wanted, h.Claim = want, &claim // the device had rounded the end of the hold up to this
		st.keep(w.id, h)
		return r, false
	case w.goal == Setback && moreLoad(base.Mode, want, t.Setting):
		return r, false // its schedule saves more than the setback would
	}
	return r, true
}

func (w setPoints) ready(st *step, r request) bool {
	switch h := st.Persisted.Thermostats[w.id]; {
	case w.goal == Restore:
		return !st.later(w.id, st.Thermostats[w.id])
	case r.again:
		return true
	case st.Unwritable:
		return false
	default:
		free := h.LastWrite.Add(st.Settings.Spacing)
		st.wake(free)
		return !st.now.Before(free)
	}
}

// givenUp reports whether a setback or precooling is given up: a device that ignores it, or
// a vendor that keeps refusing it, is not asked forever. Restoring never gives up.
func (p Pending) givenUp() bool { return p.Ignored || p.Tries >= 5 }

// mayLand reports whether a command is on its way, or was a moment before a reading. It
// does not rely on the time of sending, since the clock may have been set in between.
func (p Pending) mayLand(polled time.Time) bool {
	return p.ID != "" || (p.Ignored || p.Unknown) && polled.Sub(p.Failed) < devices.ShownWithin
}

// base returns the baseline of this window, or what the thermostat is set to if this window
// has not changed it yet.
func (h ThermostatRecord) base(t Thermostat) Baseline {
	present := Baseline{Setting: t.Setting, Mode: t.Mode}
	switch claim := h.Claim; {
	case claim != nil && claim.Baseline.Mode == t.Mode && claim.nothingLands(claim.Baseline.Setting, t):
		return present // the reading that the baseline was taken from may have left out a part
	case claim != nil:
		return claim.Baseline
	case h.Baseline != nil && h.Baseline.Mode == t.Mode:
		return *h.Baseline
	}
	return present
}

// nothingLands reports whether nothing that the claim asked for is on the thermostat, or may
// still land: it had its own setting, which is own, when it was last asked for something,
// it still has, and the vendor refused each write.
func (claim Claim) nothingLands(own devices.Setting, t Thermostat) bool {
	return !claim.Confirmed && len(claim.own()) == 0 && devices.Same(own, claim.Before, devices.HeatCool) && devices.Same(own, t.Setting, claim.Baseline.Mode)
}

// target returns the setting that goal asks of a thermostat with that baseline. It ends
// by itself if the device can do that and the baseline was not permanent: a timed hold
// over a permanent one would drop to the schedule.
func (st *step) target(t Thermostat, base Baseline, goal Goal) devices.Setting {
	var want devices.Setting
	if goal == Precool {
		want = st.Settings.precool(t, base.Mode, base.Setting, st.precoolF())
	} else {
		want = st.setback(t, base)
	}
	want.Until = time.Time{}
	switch {
	case len(t.Holds) == 0:
		want.Hold = ""
	case base.Hold == devices.HoldPermanent:
		want.Hold = devices.HoldPermanent
	case slices.Contains(t.Holds, devices.HoldUntil) && st.end(base, goal).Sub(st.now) < devices.MaxHold:
		want.Hold, want.Until = devices.HoldUntil, st.end(base, goal).In(st.Settings.Calendar.Location)
	case slices.Contains(t.Holds, devices.HoldTemporary) && !slices.Contains(t.Holds, devices.HoldUntil):
		want.Hold = devices.HoldTemporary
	default:
		want.Hold = devices.HoldPermanent
	}
	return want
}

// precoolF returns the depth of precooling: as planned, but not deeper than a person has
// set by hand, or else as in the settings.
func (st *step) precoolF() float64 {
	if c := st.comfort(); c != nil && !st.plan.Forced {
		if most, ok := st.Persisted.ByHand[AdjustPrecool]; ok {
			return min(c.PrecoolF, most)
		}
		return c.PrecoolF
	}
	return st.InForce().PrecoolAdjustF
}

// end returns when what goal asks for is over.
func (st *step) end(base Baseline, goal Goal) time.Time {
	until := st.plan.Peak.End
	if goal == Precool {
		until = st.plan.Peak.Start
		if st.plan.Forced {
			until = st.plan.Next
		}
	}
	if base.HasEnd() {
		// From the time when the old hold would have ended, the schedule may save more.
		until = devices.Earliest(base.Until, until)
	}
	return until
}

// moreLoad reports whether want asks for more cooling or heating than a thermostat that
// follows its schedule does now.
func moreLoad(mode devices.HVACMode, want, now devices.Setting) bool {
	if now.Hold != devices.HoldSchedule {
		return false
	}
	return mode.Cools() && want.Cool != nil && now.Cool != nil && *want.Cool < *now.Cool-0.3 ||
		mode.Heats() && want.Heat != nil && now.Heat != nil && *want.Heat > *now.Heat+0.3
}

func (w setPoints) write(st *step, r request) {
	id, want, goal := w.id, r.want, r.goal
	t, h := st.Thermostats[id], st.Persisted.Thermostats[id]
	if r.why != "" {
		st.noteOnce("nearest "+id, NoteProblem, id, "%s", r.why)
	}
	command := Write{Target: id, Setting: &want, Goal: goal, Why: st.sentence(t, h, goal, want)}
	if st.Settings.DryRun {
		st.send(command)
		return
	}
	if h.Claim == nil {
		h.Claim = &Claim{Baseline: h.base(t), Kind: goal, Writes: Writes{Wanted: want, Before: t.Setting}}
		h.Window, h.Baseline = st.Persisted.Window.Start, nil
	}
	claim := *h.Claim
	again := sameWrite(want, claim.Wanted) && !claim.WrittenAt.IsZero()
	if !again {
		claim.Before = t.Setting
		if goal != Restore || claim.Kind != Restore { // unless this is the next try of the same
			st.overtake(id, claim.WrittenAt)
		}
		st.note(noteOf(goal), id, "%s", command.Why)
	}
	claim.Kind, claim.Wanted, claim.WrittenAt, claim.Confirmed, claim.Period = goal, want, st.now, false, t.Period
	claim.Contested, claim.Baseline = false, h.base(t)
	claim.Flights = claim.sending(Flight{Setting: want, At: devices.WholeSecond(st.now)}, st.now)
	h.Claim, h.LastWrite = &claim, st.now
	st.Persisted.Thermostats = with(st.Persisted.Thermostats, id, h)
	st.send(command)
}

// sameWrite reports whether two writes ask a thermostat for the same. Both set points are
// compared because both are sent, and the one that the mode does not use now may be used
// next.
func sameWrite(a, b devices.Setting) bool { return devices.SameRequest(a, b, devices.HeatCool) }

func noteOf(g Goal) NoteType {
	switch g {
	case Precool:
		return NotePrecool
	case Setback:
		return NoteSetback
	}
	return NoteRestore
}

func (st *step) sentence(t Thermostat, h ThermostatRecord, goal Goal, want devices.Setting) string {
	name, points, end := t.Name, t.points(st.Settings.Unit, h.base(t).Mode, want), ""
	switch {
	case want.Hold == devices.HoldUntil:
		end = " until " + st.clock(want.Until)
	case want.Hold != "":
		end = ", " + string(want.Hold)
	}
	switch goal {
	case Precool:
		return fmt.Sprintf("%s precools:%s%s", name, points, end)
	case Setback:
		return fmt.Sprintf("%s is set back by %s:%s%s", name, devices.Fahrenheit.Difference(st.Settings.Unit, math.Round(st.offsetF())), points, end)
	}
	if want.Hold == devices.HoldSchedule {
		return fmt.Sprintf("%s goes back to its schedule", name)
	}
	return fmt.Sprintf("%s goes back:%s%s", name, points, end)
}

// inside formats an indoor temperature in °F for people.
func (st *step) inside(f float64) string {
	return devices.Fahrenheit.Degrees(st.Settings.Unit, math.Round(f))
}

// points formats the set points of a setting that the mode uses.
func (t Thermostat) points(owner devices.Unit, mode devices.HVACMode, s devices.Setting) string {
	text, unit := "", devices.Fahrenheit
	if t.Celsius {
		unit = devices.Celsius
	}
	if mode.Cools() && s.Cool != nil {
		text += " cool to " + unit.Degrees(owner, *s.Cool)
	}
	if mode.Heats() && s.Heat != nil {
		text += " heat to " + unit.Degrees(owner, *s.Heat)
	}
	return text
}

// giveBack returns what to ask of a thermostat that is to be restored.
func (st *step) giveBack(id string, t Thermostat, h ThermostatRecord) (request, bool) {
	if h.Claim.Mode != "" && h.Choice != nil {
		return request{}, false // a person has it until the window ends
	}
	want := st.baseline(t, h)
	switch {
	case st.neverReached(id, t):
		st.forgetClaim(id, t, h)
		return request{}, false
	case sameWrite(want, h.Claim.Wanted) && st.Pending[id].ID != "":
		claim := *h.Claim
		claim.Kind, h.Claim = Restore, &claim // what is on its way restores it already
		st.keep(id, h)
	}
	if h.Claim.Kind == Restore {
		return st.nextTry(id, t, h, want)
	}
	return request{want: want, goal: Restore, read: t.Polled}, !st.endsByItself(id, t, h, want)
}

// endsByItself reports whether a thermostat is back at its baseline without a write, or
// is about to be.
func (st *step) endsByItself(id string, t Thermostat, h ThermostatRecord, want devices.Setting) bool {
	claim := *h.Claim
	// A hold of the rules that is ending by itself now is not overwritten; the next
	// reading shows that it has ended. Only then is it known whether a write that was
	// still on its way landed after the end.
	if claim.Baseline.Hold == devices.HoldSchedule && claim.Wanted.Hold == devices.HoldUntil && !st.now.Before(claim.Wanted.Until) &&
		t.Polled.Before(claim.Wanted.Until.Add(devices.LapseWithin)) {
		return true
	}
	own := claim.Baseline.Setting
	if want.Hold == devices.HoldSchedule {
		own = want // the old hold would have ended by now
	}
	if st.Pending[id].mayLand(t.Polled) || !st.gone(id, t, own) {
		return false
	}
	st.forgetClaim(id, t, h)
	return true
}

// nextTry returns what to ask of a thermostat that was asked to restore before: want, or
// every other time the nearest setting that its limits allow. A thermostat that has the
// nearest setting keeps it.
func (st *step) nextTry(id string, t Thermostat, h ThermostatRecord, want devices.Setting) (request, bool) {
	claim := *h.Claim
	nearest, mode := t.nearest(st.Settings.staysIn(t, claim.nearestIn(t), want), want), claim.seenIn(t)
	r := request{want: want, goal: Restore, read: t.Polled}
	r.again = devices.SameRequest(want, claim.Wanted, mode) || devices.SameRequest(nearest, claim.Wanted, mode)
	tries := st.Pending[id].Tries
	if tries%2 == 0 || want.Hold == devices.HoldSchedule || devices.SamePoints(nearest, want, devices.HeatCool) {
		return r, !r.again || !claim.shown(t)
	}
	switch refused := fmt.Sprintf("%s does not accept%s again, which it had before", t.Name, t.points(st.Settings.Unit, devices.HeatCool, want)); {
	case !devices.Same(nearest, t.Setting, devices.HeatCool):
		r.want, r.why = nearest, refused+": it is asked for the nearest setting that its limits allow"
	case tries > 1 && !claim.leadsFrom(nearest): // a single failure may have another cause
		st.noteOnce("nearest "+id, NoteProblem, id, "%s: it keeps what it has, which is the nearest setting that its limits allow", refused)
		st.forgetClaim(id, t, h)
		return request{}, false
	}
	return r, !r.again || !claim.shown(t)
}

// leadsFrom reports whether a write of the rules that no reading has shown asked for
// something other than s, and may still land over it.
func (w Writes) leadsFrom(s devices.Setting) bool {
	return slices.ContainsFunc(w.own(), func(f Flight) bool { return !sameWrite(f.Setting, s) })
}

// later reports whether restoring has to wait, and makes a note of it.
func (st *step) later(id string, t Thermostat) bool {
	why := t.unready()
	if why != "" {
		st.noteOnce("blocked "+id, NoteLeft, id, "%s is restored later: %s", t.Name, why)
	}
	return why != ""
}

// unready says why a restoring write has to wait: while the device has an owner, nothing
// of the rules is in force there, and the write would be refused. A thermostat that is
// off may not accept set points.
func (t Thermostat) unready() string {
	if t.owner() != "" || !t.Alive || t.Mode == devices.Off {
		return t.blocked()
	}
	return ""
}

// shown reports whether a reading since the last write shows what it asked for. If that
// does not confirm the write, an earlier write may still land.
func (claim Claim) shown(t Thermostat) bool {
	return !t.Shown.Before(claim.WrittenAt) && devices.Same(claim.Wanted, t.Setting, claim.seenIn(t))
}

// gone reports whether a setting of the rules is no longer in force, or never was, and
// the device has its own setting again, which by now is own. A write that was not
// confirmed may still land for a while; a timed hold then ends by itself, and any other has
// to be overtaken. After a start, only the time since its first reading counts: the write
// is another process's, and the clock may have been set since.
func (st *step) gone(id string, t Thermostat, own devices.Setting) bool {
	claim := *st.Persisted.Thermostats[id].Claim
	since := min(t.Shown.Sub(claim.WrittenAt), t.Shown.Sub(st.ReadSinceStart[id]))
	if !claim.Confirmed && (since < devices.ShownWithin || claim.Wanted.Hold != devices.HoldUntil && since < devices.AnswerWithin) {
		return false
	}
	if !claim.Confirmed && claim.Wanted.Lasts() && len(claim.own()) > 0 {
		return false
	}
	if own.Hold != devices.HoldSchedule && devices.SamePoints(claim.Wanted, t.Setting, devices.HeatCool) && !devices.SamePoints(own, t.Setting, devices.HeatCool) {
		return false // the set point that the mode does not use has given way, and still has to be restored
	}
	return devices.Same(own, t.Setting, claim.Baseline.Mode)
}

// neverReached reports whether nothing of the rules can be on a thermostat.
func (st *step) neverReached(id string, t Thermostat) bool {
	h := st.Persisted.Thermostats[id]
	return h.Claim != nil && h.Claim.nothingLands(st.baseline(t, h), t)
}

// baseline returns what a thermostat would be restored to now: the schedule, or the old
// hold with the old set points if it would still last.
func (st *step) baseline(t Thermostat, h ThermostatRecord) devices.Setting {
	b := h.Claim.Baseline.Setting
	switch b.Hold {
	case devices.HoldSchedule:
		return devices.Setting{Hold: devices.HoldSchedule}
	case devices.HoldUntil, devices.HoldTemporary:
		if !b.Until.IsZero() && !st.now.Before(b.Until) {
			return devices.Setting{Hold: devices.HoldSchedule}
		}
		// A vendor only knows a time of day: an end that seems days away was read while
		// the clock was wrong.
		if days := int(b.Until.Sub(st.now) / (24 * time.Hour)); days > 0 {
			b.Until = b.Until.In(st.Settings.Calendar.Location).AddDate(0, 0, -days)
		}
		switch {
		case b.Until.IsZero():
		case slices.Contains(t.Holds, devices.HoldUntil):
			b.Hold = devices.HoldUntil // a temporary hold would now end at a different period
		default:
			b.Until = time.Time{} // it ends with the current period
		}
	}
	return b
}

// forgetClaim forgets what the rules set on a thermostat: it is at its baseline.
func (st *step) forgetClaim(id string, t Thermostat, h ThermostatRecord) {
	st.note(NoteRestored, id, "%s has its earlier setting again", t.Name)
	if b := h.Claim.Baseline; st.Persisted.Window != nil && h.Window.Equal(st.Persisted.Window.Start) && devices.Same(b.Setting, t.Setting, t.Mode) {
		h.Baseline = &b // anything else that it shows has replaced that
	}
	h.Claim = nil
	st.Pending = without(st.Pending, id)
	st.clearNote("failed " + id)
	st.keep(id, h)
}

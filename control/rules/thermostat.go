package rules

import (
	"fmt"
	"slices"
	"time"
)

// blocked says why nothing may be written to a thermostat; empty if it may.
func (t Thermostat) blocked() string {
	switch {
	case !t.Alive:
		return "it does not answer its vendor"
	case t.Mode == modeOff:
		return "it is off"
	case t.EmergencyHeat:
		return "it is in emergency heat"
	case t.Hold == HoldVacation:
		return "it is on vacation"
	case t.UtilityEvent:
		return "an event of the utility has it"
	case !cools(t.Mode) && !heats(t.Mode):
		return "its mode is not known"
	}
	return ""
}

// goal is what the plan wants of thermostat id, before asking whether it may
// be touched.
func (st *step) goal(id string, t Thermostat, h Home) Goal {
	p, s := st.plan, st.Settings
	switch {
	case p.Paused || p.Phase == OffPeak || h.Taken != nil || h.Ended || !slices.Contains(s.Thermostats, id):
		return Leave
	case h.Touch != nil && !h.Event.Equal(st.Kept.Event.Start):
		return Leave // an earlier event's, to be given back first
	case h.Touch != nil && h.Touch.Mode != "":
		return Leave // and so is what a person has made something else of
	case p.Phase == InPeak:
		if st.offsetF() > 0 {
			return Setback
		}
		return Leave
	case p.Forced:
		return Precool
	case !p.Peak.Precool || !cools(t.Mode):
		return Leave
	case h.Touch != nil && h.Touch.Kind == Precool && st.ForecastF == nil:
		return Precool // it goes on after a restart, before the forecast is there
	case st.ForecastF == nil || st.ForecastDay != st.now.In(s.Calendar.Location).Format(time.DateOnly):
		st.say("forecast", NoteProblem, "", "there is no forecast for today: no precooling")
		return Leave
	case *st.ForecastF < s.PrecoolAtF:
		return Leave
	}
	return Precool
}

// thermostat decides about one thermostat.
func (st *step) thermostat(id string) {
	t, known := st.Thermostats[id]
	h := st.Kept.Homes[id]
	goal := st.goal(id, t, h)
	if known && slices.Contains(st.Settings.Thermostats, id) {
		st.judgeAge(id, "the figures of "+st.nameOf(id), t.Age)
	}
	indoor := st.Indoor[id]
	if known && goal == Setback && st.beyond(indoor.Known) {
		if h.Touch != nil {
			st.note(NoteLeft, id, "%s: it is %.0f °F inside, beyond the limit: its setback ends", t.Name, indoor.Known.Value)
		} else {
			st.note(NoteLeft, id, "%s: it is %.0f °F inside, beyond the limit: there is no setback", t.Name, indoor.Known.Value)
			h.Event = st.Kept.Event.Start
		}
		h.Ended, goal = true, Leave
		st.keep(id, h)
	}
	switch {
	case st.doubted(id), goal == Setback && st.beyond(indoor.Doubt): // the next reading decides
	case goal != Leave:
		st.apply(id, t, h, goal)
	case h.Touch != nil && !h.Touch.Theirs:
		st.restore(id, t, h)
	}
}

// beyond reports whether it is too warm or too cold inside for a setback.
func (st *step) beyond(f *Figure) bool {
	return f != nil && st.fresh(f.AsOf, st.Settings.StaleAfter) && (f.Value > st.Settings.MaxIndoorF || f.Value < st.Settings.MinIndoorF)
}

// apply moves thermostat id to where goal wants it.
func (st *step) apply(id string, t Thermostat, h Home, goal Goal) {
	why := ""
	switch {
	case t.Polled.IsZero():
		return // not read since the start
	case !st.fresh(t.AsOf, st.Settings.StaleAfter):
		why = "its last reading is too old"
	default:
		why = t.blocked()
	}
	if why != "" {
		st.say("blocked "+id, NoteLeft, id, "%s is left alone: %s", t.Name, why)
		return
	}
	st.unsay("blocked " + id)
	if !st.Seen[id] {
		return
	}

	base := h.base(t)
	if st.end(base, goal).Sub(st.now) < tooLate {
		return
	}
	want := st.target(t, base, goal)
	if h.Touch != nil && !h.Touch.Confirmed && !sameSetting(base.Mode, want, h.Touch.Wanted) && st.Pending[id].ID == "" && h.Touch.gone(t, base.Setting) {
		st.drop(id, t, h) // it never landed, and will no more
		h = st.Kept.Homes[id]
	}
	switch {
	case h.Touch == nil && samePoints(base.Mode, want, t.Setting):
		return // there already: at a limit, or by its schedule
	case h.Touch != nil && sameSetting(base.Mode, want, h.Touch.Wanted):
		if !h.Touch.Confirmed && !h.Touch.shown(t) && !st.Pending[id].spent() && st.mayRetry(id, t.Polled) {
			st.write(id, t, h, goal, want)
		}
		return
	case h.Touch != nil && h.Touch.Confirmed && want.shownBy(base.Mode, t) && !t.Until.Before(want.Until):
		touch := *h.Touch
		touch.Wanted, h.Touch = want, &touch // the device had rounded the hold's end up to that
		st.keep(id, h)
		return
	case goal == Setback && moreLoad(base.Mode, want, t.Setting):
		return // its schedule saves more than the setback would
	case st.Unwritable:
		return
	}
	if free := h.LastWrite.Add(st.Settings.Spacing); st.now.Before(free) {
		st.wake(free)
		return
	}
	st.write(id, t, h, goal, want)
}

// spent reports whether a setback or precooling is given up: a device that
// ignores it, or a vendor that keeps refusing it, is not asked for ever.
// Restoring never gives up.
func (p Pending) spent() bool { return p.Ignored || p.Tries >= 5 }

// base is the baseline of this event, or what the thermostat is set to if
// this event has not touched it yet.
func (h Home) base(t Thermostat) Baseline {
	switch {
	case h.Touch != nil:
		return h.Touch.Baseline
	case h.Baseline != nil && h.Baseline.Mode == t.Mode:
		return *h.Baseline
	}
	return Baseline{Setting: t.Setting, Mode: t.Mode}
}

// target is the setting that goal asks of a thermostat with that baseline. It
// ends by itself where the device can do so and the baseline was not
// permanent: a timed hold over a permanent one would fall to the schedule.
func (st *step) target(t Thermostat, base Baseline, goal Goal) Setting {
	var want Setting
	if goal == Precool {
		want = st.Settings.precool(t, base.Mode, base.Setting)
	} else {
		want = st.Settings.setback(t, base.Mode, base.Setting, st.offsetF())
	}
	want.Until = time.Time{}
	switch {
	case len(t.Holds) == 0:
		want.Hold = ""
	case base.Hold == HoldPermanent:
		want.Hold = HoldPermanent
	case slices.Contains(t.Holds, HoldUntil) && st.end(base, goal).Sub(st.now) < longestHold:
		want.Hold, want.Until = HoldUntil, st.end(base, goal).In(st.Settings.Calendar.Location)
	case slices.Contains(t.Holds, HoldTemporary) && !slices.Contains(t.Holds, HoldUntil):
		want.Hold = HoldTemporary
	default:
		want.Hold = HoldPermanent
	}
	return want
}

// longestHold is less than the day after which a hold that ends at a time of day
// would be over.
const longestHold = 23 * time.Hour

// tooLate is how long before its end nothing is begun any more: vendors know
// only a time of day, and a hold that reaches the device after its end would
// last until that time of the next day.
const tooLate = 2*settle + time.Minute

// end is when what goal asks for is over.
func (st *step) end(base Baseline, goal Goal) time.Time {
	until := st.plan.Peak.End
	if goal == Precool {
		until = st.plan.Peak.Start
		if st.plan.Forced {
			until = st.plan.Next
		}
	}
	if base.timed() {
		// Where the old hold would end, the schedule may save more.
		until = earliest(base.Until, until)
	}
	return until
}

// timed reports whether a setting ends by itself at a known time.
func (s Setting) timed() bool {
	return (s.Hold == HoldUntil || s.Hold == HoldTemporary) && !s.Until.IsZero()
}

// moreLoad reports whether want asks for more cooling or heating than a
// thermostat that follows its schedule does at present.
func moreLoad(mode string, want, now Setting) bool {
	if now.Hold != HoldSchedule {
		return false
	}
	return cools(mode) && want.Cool != nil && now.Cool != nil && *want.Cool < *now.Cool-0.3 ||
		heats(mode) && want.Heat != nil && now.Heat != nil && *want.Heat > *now.Heat+0.3
}

// write notes in Kept what is about to be done, and sends it.
func (st *step) write(id string, t Thermostat, h Home, goal Goal, want Setting) {
	w := Write{Target: id, Setting: &want, Goal: goal, Why: st.sentence(t, h, goal, want)}
	if st.Settings.DryRun {
		st.send(w)
		return
	}
	if h.Touch == nil {
		h.Touch = &Touch{Baseline: h.base(t), Kind: goal, Wanted: want, Before: t.Setting}
		h.Event, h.Baseline = st.Kept.Event.Start, nil
	}
	touch := *h.Touch
	again := sameSetting(touch.Baseline.Mode, want, touch.Wanted) && !touch.WrittenAt.IsZero()
	if !again {
		if !touch.WrittenAt.IsZero() && !touch.Confirmed {
			touch.Asked = append(slices.Clone(touch.Asked), touch.Wanted)
		}
		touch.Before = t.Setting
		if goal != Restore || touch.Kind != Restore { // it is the next try of the same
			st.Pending = without(st.Pending, id)
		}
		st.note(noteOf(goal), id, "%s", w.Why)
	}
	touch.Kind, touch.Wanted, touch.WrittenAt, touch.Confirmed, touch.Period = goal, want, st.now, false, t.Period
	touch.Theirs, touch.Commanded = false, time.Time{}
	h.Touch, h.LastWrite = &touch, st.now
	st.Kept.Homes = with(st.Kept.Homes, id, h)
	st.send(w)
}

func noteOf(g Goal) NoteType {
	switch g {
	case Precool:
		return NotePrecool
	case Setback:
		return NoteSetback
	}
	return NoteRestore
}

func (st *step) sentence(t Thermostat, h Home, goal Goal, want Setting) string {
	name, points, end := t.Name, t.points(h.base(t).Mode, want), ""
	switch {
	case want.Hold == HoldUntil:
		end = " until " + st.clock(want.Until)
	case want.Hold != "":
		end = ", " + want.Hold
	}
	switch goal {
	case Precool:
		return fmt.Sprintf("%s precools:%s%s", name, points, end)
	case Setback:
		return fmt.Sprintf("%s is set back by %.0f °F:%s%s", name, st.offsetF(), points, end)
	}
	if want.Hold == HoldSchedule {
		return fmt.Sprintf("%s goes back to its schedule", name)
	}
	return fmt.Sprintf("%s goes back:%s%s", name, points, end)
}

// points are the set points of a setting in words, as far as the mode uses them.
func (t Thermostat) points(mode string, s Setting) string {
	text, unit := "", map[bool]string{true: "°C", false: "°F"}[t.Celsius]
	if cools(mode) && s.Cool != nil {
		text += fmt.Sprintf(" cool to %.4g %s", *s.Cool, unit)
	}
	if heats(mode) && s.Heat != nil {
		text += fmt.Sprintf(" heat to %.4g %s", *s.Heat, unit)
	}
	return text
}

// restore gives a thermostat back what it had.
func (st *step) restore(id string, t Thermostat, h Home) {
	if !st.Seen[id] { // a person may have changed it while nobody looked
		if !t.Polled.IsZero() {
			st.later(id, t)
		}
		return
	}
	if h.Touch.Mode != "" && h.Taken != nil {
		return // a person has it until the window ends
	}
	touch, want := *h.Touch, st.baseline(t, h)
	if touch.Kind != Restore {
		// A hold of ours that ends by itself now is not written over; the
		// next reading shows that it has ended. Only then is it known
		// whether a write that was still on its way came after the end.
		if touch.Baseline.Hold == HoldSchedule && touch.Wanted.Hold == HoldUntil && !st.now.Before(touch.Wanted.Until) {
			if t.Polled.Before(touch.Wanted.Until.Add(lapse)) {
				return
			}
		}
		own := touch.Baseline.Setting
		if want.Hold == HoldSchedule {
			own = want // it would have ended by now
		}
		if st.Pending[id].ID == "" && touch.gone(t, own) {
			st.drop(id, t, h)
			return
		}
	} else {
		nearest, mode := t.nearest(touch.Baseline.Mode, want), touch.Baseline.Mode
		asked := sameSetting(mode, want, touch.Wanted) || sameSetting(mode, nearest, touch.Wanted)
		if asked && (touch.shown(t) || !st.mayRetry(id, t.Polled)) {
			return
		}
		if p := st.Pending[id]; p.Tries%2 == 1 && want.Hold != HoldSchedule && !samePoints(modeHeatCool, nearest, want) {
			st.say("nearest "+id, NoteProblem, id, "%s does not take back%s, which it had: it is asked for the nearest that its limits allow", t.Name, t.points(modeHeatCool, want))
			want = nearest
		}
	}
	if !st.later(id, t) {
		st.write(id, t, h, Restore, want)
	}
}

// later reports whether restoring has to wait, and says so.
func (st *step) later(id string, t Thermostat) bool {
	why := t.unready()
	if why != "" {
		st.say("blocked "+id, NoteLeft, id, "%s is given back later: %s", t.Name, why)
	}
	return why != ""
}

// lapse is how long after its end a hold may still be shown.
const lapse = time.Minute

// unready says why a restoring write has to wait: while somebody else has the
// device nothing of ours is in force there, and it would be refused. One that is
// off may take no set points.
func (t Thermostat) unready() string {
	if t.UtilityEvent || t.Hold == HoldVacation || !t.Alive || t.Mode == modeOff {
		return t.blocked()
	}
	return ""
}

// shown reports whether a reading since the last write shows what it asked
// for. If it is not confirmed by that, an earlier write may still land.
func (touch Touch) shown(t Thermostat) bool {
	return !t.Polled.Before(touch.WrittenAt) && touch.Wanted.shownBy(touch.Baseline.Mode, t)
}

// gone reports whether a setting of ours is in force no more, or never was,
// and the device has its own again, which is own by now. One that was not
// confirmed may still land for a while; a timed one then ends by itself.
func (touch Touch) gone(t Thermostat, own Setting) bool {
	since := t.Polled.Sub(touch.WrittenAt)
	if !touch.Confirmed && (since < settle || touch.Wanted.Hold != HoldUntil && since < overdue) {
		return false
	}
	return own.shownBy(touch.Baseline.Mode, t)
}

// baseline is what a thermostat goes back to as of now: the schedule, or the
// old hold with the old set points if it would still last.
func (st *step) baseline(t Thermostat, h Home) Setting {
	b := h.Touch.Baseline.Setting
	switch b.Hold {
	case HoldSchedule:
		return Setting{Hold: HoldSchedule}
	case HoldUntil, HoldTemporary:
		if !b.Until.IsZero() && !st.now.Before(b.Until) {
			return Setting{Hold: HoldSchedule}
		}
		// A vendor knows a time of day: one that seems days away was read while the
		// clock was wrong.
		if days := int(b.Until.Sub(st.now) / (24 * time.Hour)); days > 0 {
			b.Until = b.Until.In(st.Settings.Calendar.Location).AddDate(0, 0, -days)
		}
		switch {
		case b.Until.IsZero():
		case slices.Contains(t.Holds, HoldUntil):
			b.Hold = HoldUntil // a temporary hold would end at another period now
		default:
			b.Until = time.Time{} // it ends with the period that there is
		}
	}
	return b
}

// drop forgets our hand on a thermostat: it has what it had.
func (st *step) drop(id string, t Thermostat, h Home) {
	st.note(NoteRestored, id, "%s has its own setting again", t.Name)
	if st.Kept.Event != nil && h.Event.Equal(st.Kept.Event.Start) {
		h.Baseline = &h.Touch.Baseline
	}
	h.Touch = nil
	st.Pending = without(st.Pending, id)
	st.unsay("taken " + id)
	st.keep(id, h)
}

package rules

import (
	"fmt"
	"slices"
	"time"
)

// untilSlack is by how much the end of a hold may differ from what was asked:
// vendors round it up to their step of at most 15 minutes.
const untilSlack = 20 * time.Minute

// sameSetting reports whether two settings ask for the same.
func sameSetting(mode string, a, b Setting) bool {
	return a.Hold == b.Hold && a.Until.Equal(b.Until) && (a.Hold == HoldSchedule || samePoints(mode, a, b))
}

// shownBy reports whether a thermostat shows setting s. A schedule is shown by
// its hold alone, since its set points are the schedule's business.
func (s Setting) shownBy(mode string, t Thermostat) bool {
	if t.Hold == "" || s.Hold == "" {
		return samePoints(mode, s, t.Setting)
	}
	timed := func(h string) bool { return h == HoldUntil || h == HoldTemporary }
	switch {
	case s.Hold == HoldSchedule:
		return t.Hold == HoldSchedule
	case s.Hold != t.Hold && !(timed(s.Hold) && timed(t.Hold)):
		return false
	case timed(s.Hold) && !s.Until.IsZero() && !t.Until.IsZero() && !sameEnd(s.Until, t.Until):
		return false
	}
	return samePoints(mode, s, t.Setting)
}

// sameEnd reports whether a hold that was to end at asked ends at shown. The
// vendors know only a time of day: one that reached the device after its end
// shows the next day's.
func sameEnd(asked, shown time.Time) bool {
	const day = 24 * time.Hour
	apart := shown.Sub(asked).Abs()
	near := func(d time.Duration) bool { return min(d%day, day-d%day) <= untilSlack }
	return near(apart) || apart > day/2 && (near(apart+time.Hour) || near(apart-time.Hour)) // a day on which clocks change
}

// readThermostat folds a reading: it confirms our write, or it shows that a
// hold of ours has lapsed, or a choice that is not ours.
func (st *step) readThermostat(id string, t Thermostat) {
	prev, known := st.Thermostats[id]
	st.Thermostats = with(st.Thermostats, id, t)
	seen := st.Seen[id]
	usual := prev.Hold
	if usual == HoldVacation {
		usual = st.Aside[id].Hold // a thermostat that knows no holds has none again
	}
	if !t.Alive || !t.told(usual) {
		// The last values of a device that does not answer are old.
		if known {
			t.Setting, t.Mode, t.Holds = prev.Setting, prev.Mode, prev.Holds
			st.Thermostats = with(st.Thermostats, id, t)
		}
		return
	}
	// A set point that the mode does not use, and that the vendor leaves out
	// today, is what it was: it is part of what the thermostat goes back to.
	if t.Cool == nil && !cools(t.Mode) {
		t.Cool = prev.Cool
	}
	if t.Heat == nil && !heats(t.Mode) {
		t.Heat = prev.Heat
	}
	st.Thermostats = with(st.Thermostats, id, t)
	if t.Hold == HoldVacation || t.UtilityEvent {
		// What others make of it meanwhile is nobody's choice, and ours is there
		// again afterwards. What is not, then, is somebody's.
		if _, ok := st.Aside[id]; !ok && seen {
			st.Aside = with(st.Aside, id, prev)
		}
		return
	}
	st.Seen = with(st.Seen, id, true)
	if before, ok := st.Aside[id]; ok {
		prev = before
		st.Aside = without(st.Aside, id)
	}
	lapsed := Thermostat{}
	if st.recall(id); !st.doubt.Polled.IsZero() {
		lapsed, prev = prev, st.doubt.Before
	}
	st.prev = prev
	switch h := st.Kept.Homes[id]; {
	case lapsed.timed() && lapsed.over(t.Polled) && t.Hold == HoldSchedule && t.Mode == lapsed.Mode && st.concerned(id):
		// The hold that was seen once was a person's: it has ended when it said.
		st.takeThermostat(id, "set to "+lapsed.text())
	case h.Touch != nil && !h.Touch.Commanded.IsZero():
		st.awaited(id, t, h, seen)
	case h.Touch != nil && h.Touch.Theirs:
		st.contested(id, t, h)
	case h.Touch != nil:
		st.explain(id, t, h, seen)
	case h.Taken != nil:
	case !seen && h.Baseline != nil:
		// It was given back before this process was there.
		if what := changed(Thermostat{Mode: h.Baseline.Mode, Setting: h.Baseline.Setting, Period: t.Period}, t); what != "" {
			st.takeThermostat(id, what)
		}
	case seen && st.plan.Phase != OffPeak && slices.Contains(st.Settings.Thermostats, id):
		if what := changed(prev, t); what != "" && !st.odd(id, t.Polled) {
			st.takeThermostat(id, what)
		}
	}
	if h := st.Kept.Homes[id]; h.Touch == nil && h.Baseline != nil && seen && !h.Baseline.shownBy(t.Mode, t) && !st.doubted(id) {
		h.Baseline = nil // whoever changed it, this is what it goes back to no more
		st.keep(id, h)
	}
}

// concerned reports whether a person's choice on a thermostat changes what the
// rules do there.
func (st *step) concerned(id string) bool {
	return st.Kept.Homes[id].Touch != nil || st.plan.Phase != OffPeak && slices.Contains(st.Settings.Thermostats, id)
}

// told reports whether a reading says all that it has to about the setting.
// usual is the hold of an earlier one of the same thermostat.
func (t Thermostat) told(usual string) bool {
	return t.Mode != "" && (!cools(t.Mode) || t.Cool != nil) && (!heats(t.Mode) || t.Heat != nil) && (t.Hold != "" || usual == "")
}

// explain finds out what a reading of a thermostat that we touched means.
func (st *step) explain(id string, t Thermostat, h Home, seen bool) {
	if t.Mode != h.Touch.mode() {
		if h.Touch.Mode == "" && st.odd(id, t.Polled) {
			return
		}
		h = st.switched(id, t, h)
	}
	touch, mode := *h.Touch, h.Touch.seenIn(t)
	early := len(touch.Asked) > 0 && t.Polled.Sub(touch.WrittenAt) < settle
	landed := touch.Confirmed || t.Polled.Sub(touch.WrittenAt) >= settle
	lapsed := landed && touch.Wanted.Hold == HoldUntil && t.Hold == HoldSchedule && !t.Polled.Before(touch.Wanted.Until.Add(-lapse))
	switch {
	case touch.Wanted.shownBy(mode, t):
		if t.Hold == "" && t.Period != touch.Period {
			touch.Period = t.Period // its schedule has moved on and left ours: what comes now is a person
			h.Touch = &touch
			st.keep(id, h)
		}
		if touch.Confirmed || early {
			return // an earlier write may still land and hide it
		}
		touch.Confirmed, touch.Asked = true, nil
		h.Touch = &touch
		st.keep(id, h)
		st.Pending = without(st.Pending, id)
		st.unsay("taken " + id)
		if touch.Kind == Restore {
			st.drop(id, t, h)
		}
	case lapsed && touch.Baseline.over(t.Polled):
		// It ended by itself, and the schedule has it again.
		if touch.Baseline.Hold != HoldSchedule {
			touch.Baseline.Setting = t.Setting
		}
		touch.Wanted, touch.Confirmed, touch.Asked = Setting{Hold: HoldSchedule}, true, nil
		h.Touch = &touch
		st.keep(id, h)
		st.Pending = without(st.Pending, id)
	case lapsed:
		// It ended before the old hold was put back; restore sees to it.
	case !touch.Confirmed && (touch.Before.explains(mode, t) || slices.ContainsFunc(touch.Asked,
		func(s Setting) bool { return s.explains(mode, t) })):
		// Our write has not landed yet, or never will.
		if t.Hold == "" && t.Period != touch.Period {
			touch.Period = t.Period // and its schedule has left that: what comes now is a person
			h.Touch = &touch
			st.keep(id, h)
		}
	case t.Hold == "" && (t.Period != touch.Period || samePoints(t.Mode, t.Setting, Setting{Cool: t.ScheduleCool, Heat: t.ScheduleHeat})):
		// A device without holds whose schedule has moved on.
		touch.Wanted, touch.Baseline.Setting, touch.Period, touch.Confirmed, touch.Asked = t.Setting, t.Setting, t.Period, true, nil
		h.Touch = &touch
		st.keep(id, h)
		st.Pending = without(st.Pending, id)
	case !seen && h.Taken == nil && touch.Baseline.Hold == HoldPermanent && t.Hold == HoldSchedule:
		// While this process was not there the device fell to its schedule.
		// Its permanent hold is brought back.
		touch.Confirmed = false
		h.Touch = &touch
		st.keep(id, h)
	case t.Mode == modeOff:
		// What it shows while it is off is no choice; that comes when it is on again.
	case !touch.Confirmed && t.Polled.Sub(touch.WrittenAt) < settle:
		st.contest(id, t, h)
	case st.odd(id, t.Polled):
	default:
		st.chosen(id, t, h)
	}
}

// explains reports whether a thermostat shows s, or what s has become by
// itself: the schedule, after a timed hold.
func (s Setting) explains(mode string, t Thermostat) bool {
	return s.shownBy(mode, t) || s.timed() && s.over(t.Polled) && t.Hold == HoldSchedule
}

// contest leaves a thermostat to a person who changed it while our last write
// was on its way. That write may land after their choice and hide it, so the
// choice is kept as what the thermostat goes back to.
func (st *step) contest(id string, t Thermostat, h Home) {
	touch := *h.Touch
	touch.Baseline.Setting, touch.Theirs = t.Setting, true
	st.takeThermostat(id, "set to "+t.text())
	h = st.Kept.Homes[id]
	h.Touch = &touch
	if h.Event.IsZero() {
		h.Event = touch.WrittenAt
	}
	st.Kept.Homes = with(st.Kept.Homes, id, h)
}

// contested folds a reading of a thermostat whose owner chose something while
// our write was on its way.
func (st *step) contested(id string, t Thermostat, h Home) {
	touch := *h.Touch
	switch {
	case t.Mode == touch.Baseline.Mode && touch.Wanted.shownBy(touch.Baseline.Mode, t) && !touch.Baseline.shownBy(touch.Baseline.Mode, t):
		touch.Theirs, touch.Confirmed, touch.Asked = false, true, nil // it landed after all: restore sees to their choice
	case t.Polled.Sub(touch.WrittenAt) >= settle:
		h.Touch = nil
		st.keep(id, h)
		return
	default:
		touch.Baseline = Baseline{Setting: t.Setting, Mode: t.Mode}
	}
	h.Touch = &touch
	st.keep(id, h)
}

// awaited folds a reading of a thermostat for which a person's command is on
// its way: until it shows, what is ours is remembered.
func (st *step) awaited(id string, t Thermostat, h Home, seen bool) {
	touch, mode := *h.Touch, h.Touch.seenIn(t)
	ours := t.Mode == modeOff || slices.ContainsFunc(append([]Setting{touch.Wanted, touch.Before}, touch.Asked...),
		func(s Setting) bool { return s.explains(mode, t) })
	switch inTime := t.Polled.Sub(touch.Commanded) < overdue; {
	case inTime && ours:
		if t.Mode != touch.mode() {
			touch.Mode, h.Touch = t.Mode, &touch
			st.keep(id, h)
		}
	case inTime:
		h.Touch = h.Touch.left(t)
		st.keep(id, h)
	default: // nobody will say what became of it
		h.Touch = touch.ours()
		st.keep(id, h)
		st.explain(id, t, h, seen)
	}
}

// ours is a touch that no person's command is awaited for any more.
func (touch Touch) ours() *Touch {
	touch.Theirs, touch.Commanded = false, time.Time{}
	return &touch
}

// over reports whether a setting would have given way to the schedule by now.
func (s Setting) over(now time.Time) bool {
	return s.Hold == HoldSchedule || s.timed() && !now.Before(s.Until.Add(-lapse))
}

// commanded leaves a thermostat to the person whose command for a setting of it
// is on its way. What is ours there is remembered until that has landed.
func (st *step) commanded(id, setting string) {
	before := st.Kept.Homes[id]
	if touch := before.Touch; touch == nil || touch.Mode == "" || setting != "mode" || st.plan.Phase != OffPeak {
		st.takeThermostat(id, "by command: "+setting)
	}
	if before.Touch == nil {
		return
	}
	h, theirs := st.Kept.Homes[id], *before.Touch
	theirs.Theirs, theirs.Commanded = true, st.now
	h.Touch = &theirs
	if h.Event.IsZero() {
		h.Event = theirs.WrittenAt
	}
	st.Kept.Homes = with(st.Kept.Homes, id, h)
}

// settled is how a person's command for a setting ended. After one that failed,
// what is ours is given back; after one that did not, what it was not about is.
func (st *step) settled(id, setting string, applied bool) {
	h := st.Kept.Homes[id]
	if h.Touch == nil || h.Touch.Commanded.IsZero() && h.Touch.Mode == "" {
		return
	}
	h.Touch = h.Touch.ours()
	if applied {
		h.Touch = h.Touch.but(setting, st.Thermostats[id])
	}
	st.keep(id, h)
}

// takeThermostat leaves a thermostat to the person who changed it.
func (st *step) takeThermostat(id, what string) {
	h := st.Kept.Homes[id]
	if h.Taken == nil {
		st.note(NoteTaken, id, "%s: %s; it is left alone until %s", st.nameOf(id), what, st.clock(st.takenUntil()))
	}
	h.Touch, h.Baseline = nil, nil
	if st.plan.Phase != OffPeak {
		h.Taken = &Taken{At: st.now, What: what}
	}
	st.Pending = without(st.Pending, id)
	st.keep(id, h)
}

func (st *step) nameOf(id string) string {
	if t, ok := st.Thermostats[id]; ok && t.Name != "" {
		return t.Name
	}
	return id
}

// changed says what a person changed between two readings of a thermostat that
// we have not touched; empty if nothing, or if its schedule explains it.
func changed(prev, t Thermostat) string {
	switch {
	case prev.Mode == "":
		return ""
	case prev.Mode != t.Mode:
		return fmt.Sprintf("mode changed from %s to %s", prev.Mode, t.Mode)
	case prev.Hold == t.Hold && samePoints(t.Mode, prev.Setting, t.Setting) && !again(prev, t):
		return ""
	case t.Hold == HoldSchedule && prev.Hold == HoldSchedule:
		return "" // the next period of the schedule
	case t.Hold == HoldSchedule && prev.Hold == HoldTemporary && prev.Until.IsZero(),
		t.Hold == HoldSchedule && !prev.Until.IsZero() && !t.Polled.Before(prev.Until.Add(-lapse)):
		return "" // a person's hold that has lapsed
	case t.Hold == "" && (t.Period != prev.Period || samePoints(t.Mode, t.Setting, Setting{Cool: t.ScheduleCool, Heat: t.ScheduleHeat})):
		return "" // the schedule of a device without holds
	case t.Hold == HoldVacation || prev.Hold == HoldVacation, t.UtilityEvent || prev.UtilityEvent:
		return "" // owned by the device, and left alone for that reason
	}
	return "set to " + t.text()
}

// again reports whether a hold that had ended since the last reading has been
// set anew.
func again(prev, t Thermostat) bool {
	return prev.timed() && t.timed() && prev.over(t.Polled) && !sameEnd(prev.Until, t.Until)
}

func (t Thermostat) text() string {
	text := ""
	if cools(t.Mode) && t.Cool != nil {
		text += fmt.Sprintf("cool %.4g, ", *t.Cool)
	}
	if heats(t.Mode) && t.Heat != nil {
		text += fmt.Sprintf("heat %.4g, ", *t.Heat)
	}
	if t.Hold != "" {
		return text + "hold " + t.Hold
	}
	return text + t.Mode
}

package rules

import (
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// A ThermostatLedger is everything that can explain what a thermostat shows: what is on
// record, and the readings before. Facts only.
type ThermostatLedger struct {
	Record         ThermostatRecord
	Before         Thermostat // the last reading that counts; zero: there is none
	Doubted        Thermostat // the one since then that was in doubt; zero: there is none
	First          Thermostat // the one that first showed what is shown now: Doubted, or this one
	ReadSinceStart time.Time  // when the thermostat's own setting was first read since the start; zero: it was not
	Window         bool       // the thermostat is controlled, and a window is open
	Underway       bool       // a command of the rules may still land, whatever the clock says
}

// known returns for how long the thermostat has been read since the start.
func (l ThermostatLedger) known(t Thermostat) time.Duration {
	if l.ReadSinceStart.IsZero() {
		return 0
	}
	return t.Polled.Sub(l.ReadSinceStart)
}

// AttributeSetting says why a thermostat shows what it shows. If the cause is that a
// person has changed the mode, call it once more for the rest of the setting.
func AttributeSetting(l ThermostatLedger, t Thermostat) Cause {
	claim, once := l.Record.Claim, l.Doubted
	switch {
	case t.owner() != "":
		return OwnerMoved
	case once.HasEnd() && once.Over(t.Polled) && t.Hold == devices.HoldSchedule && t.Mode == once.Mode && (claim != nil && !claim.shown(once) || claim == nil && l.Window):
		return ChoiceEnded
	case claim == nil:
		return l.untouched(t)
	case claim.commanded():
		return l.awaited(t)
	case claim.Contested:
		return l.contested(t)
	}
	return l.withRules(t)
}

// untouched returns the cause when the rules have set nothing on the thermostat.
func (l ThermostatLedger) untouched(t Thermostat) Cause {
	h := l.Record
	switch {
	case h.Choice != nil:
		return Unchanged
	case l.Window && changed(l.Before, t, l.First) != "":
		return Foreign
	case !l.ReadSinceStart.IsZero() && h.Baseline != nil && !devices.Same(h.Baseline.Setting, t.Setting, t.Mode):
		return ScheduleMoved
	}
	return Unchanged
}

// withRules returns the cause when a setting of the rules is on the thermostat, or may
// still land.
func (l ThermostatLedger) withRules(t Thermostat) Cause {
	claim, once := *l.Record.Claim, l.Doubted
	mode := claim.seenIn(t)
	switch {
	case t.Mode != claim.mode():
		return ModeMoved
	case l.undone(t):
		return ModeUndone
	case l.hidden(t):
		return ChoiceHidden
	case !claim.Confirmed && claim.moves(t) && devices.Same(claim.Before, t.Setting, mode):
		return claim.sinceWritten(t) // the end of the hold is still the one before
	case devices.Same(claim.Wanted, t.Setting, mode):
		return claim.asWritten(t)
	case l.lapsed(t, mode) && claim.Baseline.Over(t.Polled):
		return Lapsed
	case l.lapsed(t, mode):
		return Unchanged // it ended before the old hold was put back; reconcile does that
	case !claim.Confirmed && claim.onItsWay(t, mode):
		return claim.sinceWritten(t) // the write has not landed yet, or never will
	case t.Hold == "" && (l.First.Period != claim.Period || t.onSchedule()):
		return ScheduleMoved
	case t.Mode == devices.Off && !claim.keptOff(l.Before) && !claim.keptOff(once):
		return Unchanged // what switching it off has changed is not a choice; that is judged when it is on again
	case l.ReadSinceStart.IsZero() && once.Polled.IsZero() && l.Record.Choice == nil && claim.Baseline.Hold == devices.HoldPermanent && t.Hold == devices.HoldSchedule:
		return HoldLost
	case claim.mayLand(t):
		return Crossing
	case claim.owed(t) != nil:
		return PartForeign
	}
	return Foreign
}

// keptOff reports whether a reading showed that the thermostat was off and kept the hold of
// the rules.
func (claim Claim) keptOff(t Thermostat) bool {
	return t.Mode == devices.Off && devices.Same(claim.Wanted, t.Setting, claim.seenIn(t))
}

// moves reports whether the last write moves the end of a hold, and the thermostat shows
// the end from before. The two may be too close together for Same.
func (claim Claim) moves(t Thermostat) bool {
	was, asked := claim.Before, claim.Wanted
	return was.HasEnd() && asked.HasEnd() && t.HasEnd() && t.Until.Equal(was.Until) && asked.Until.Sub(was.Until).Abs() >= time.Minute
}

// asWritten returns the cause when the thermostat shows the last write.
func (claim Claim) asWritten(t Thermostat) Cause {
	early := claim.crossed() && t.Polled.Sub(claim.WrittenAt) < devices.ShownWithin
	switch {
	case claim.Confirmed || early: // an earlier write may still land and replace it
		return claim.sinceWritten(t)
	case claim.Kind == Restore:
		return GivenBack
	}
	return Landed
}

// sinceWritten returns the cause when the setting is as expected: nothing has happened,
// except perhaps that the schedule of a device without holds has moved on.
func (claim Claim) sinceWritten(t Thermostat) Cause {
	if t.Hold == "" && t.Period != claim.Period {
		return PeriodMoved
	}
	return Unchanged
}

// lapsed reports whether the hold of the rules has ended by itself.
func (l ThermostatLedger) lapsed(t Thermostat, mode devices.HVACMode) bool {
	claim := *l.Record.Claim
	// Another process may have written on another clock.
	landed := claim.Confirmed || !l.Underway && min(t.Polled.Sub(claim.WrittenAt), l.known(t)) >= devices.ShownWithin
	ended := claim.Wanted.Over(l.First.Polled) ||
		devices.Same(claim.Wanted, l.Before.Setting, mode) && l.Before.Over(l.First.Polled) // the device had an earlier end
	return landed && claim.Wanted.Hold == devices.HoldUntil && t.Hold == devices.HoldSchedule && ended
}

// onItsWay reports whether the thermostat shows what it did before the last write, or
// what an earlier write asked for.
func (claim Claim) onItsWay(t Thermostat, mode devices.HVACMode) bool {
	return explains(claim.Before, mode, t) ||
		slices.ContainsFunc(claim.earlier(), func(f Flight) bool { return explains(f.Setting, mode, t) })
}

// explains reports whether the thermostat shows s, or what s becomes by itself: after a
// timed hold, the schedule.
func explains(s devices.Setting, mode devices.HVACMode, t Thermostat) bool {
	return devices.Same(s, t.Setting, mode) || s.HasEnd() && s.Over(t.Polled) && t.Hold == devices.HoldSchedule
}

// mayLand reports whether the last write may still reach the thermostat, or has reached
// it but is not shown yet.
func (claim Claim) mayLand(t Thermostat) bool {
	return !claim.Confirmed && t.Polled.Sub(claim.WrittenAt) < devices.AnswerWithin
}

// hidden reports whether the last write has landed over what the reading before showed. A
// vendor that is behind shows a person's choice for a moment, and then the write that
// came after it.
func (l ThermostatLedger) hidden(t Thermostat) bool {
	claim, once := *l.Record.Claim, l.Doubted
	return claim.mayLand(once) && once.Mode == t.Mode && t.Mode == claim.Baseline.Mode && devices.Same(claim.Wanted, t.Setting, t.Mode)
}

// undone reports whether the last write has landed over the mode that the reading before
// showed. A vendor may accept a write only together with a mode, which is then the one in
// force when the write was sent.
func (l ThermostatLedger) undone(t Thermostat) bool {
	claim, once := *l.Record.Claim, l.Doubted
	return once.Mode != "" && once.Mode != t.Mode && claim.mayLand(once) &&
		devices.Same(claim.Wanted, t.Setting, t.Mode) && !devices.Same(claim.Wanted, once.Setting, devices.HeatCool)
}

// contested is the cause where a person chose something while a write of the rules
// was on its way.
func (l ThermostatLedger) contested(t Thermostat) Cause {
	claim := *l.Record.Claim
	switch {
	case devices.Same(claim.Wanted, t.Setting, claim.Baseline.Mode):
		return LandedOver
	case !claim.mayLand(t):
		return ChoiceStands
	}
	return Crossing
}

// awaited returns the cause while a person's command is on its way.
func (l ThermostatLedger) awaited(t Thermostat) Cause {
	claim := *l.Record.Claim
	mode := claim.seenIn(t)
	switch {
	case t.Mode == devices.Off, explains(claim.Wanted, mode, t), claim.onItsWay(t, mode):
		if t.Mode != claim.mode() {
			return CommandLanding
		}
		return Unchanged
	case claim.owed(t) != nil:
		return PartStands
	}
	return ChoiceStands
}

// changed says what a person changed between two readings of a thermostat that the rules
// have not touched. It is empty if nothing changed or the schedule explains it. first is
// the reading that first showed the change: a hold that ends after it has not lapsed, and
// a period that begins after it did not cause the change.
func changed(prev, t, first Thermostat) string {
	switch {
	case prev.Mode == "":
		return ""
	case prev.Mode != t.Mode:
		return fmt.Sprintf("mode changed from %s to %s", prev.Mode, t.Mode)
	case prev.Hold == t.Hold && devices.SamePoints(prev.Setting, t.Setting, t.Mode) && !again(prev, t):
		return ""
	case t.Hold == devices.HoldSchedule && prev.Hold == devices.HoldSchedule:
		return "" // the next period of the schedule
	case t.Hold == devices.HoldSchedule && prev.Hold == devices.HoldTemporary && prev.Until.IsZero(),
		t.Hold == devices.HoldSchedule && !prev.Until.IsZero() && !first.Polled.Before(prev.Until.Add(-devices.LapseWithin)):
		return "" // a person's hold has lapsed
	case t.Hold == "" && (first.Period != prev.Period || t.onSchedule()):
		return "" // the schedule of a device without holds
	case t.Hold == devices.HoldVacation || prev.Hold == devices.HoldVacation, t.UtilityEvent || prev.UtilityEvent:
		return "" // the device has an owner, and is left alone for that reason
	}
	return "set to " + t.text()
}

// again reports whether a hold that had ended since the last reading has been set again.
func again(prev, t Thermostat) bool {
	return prev.HasEnd() && t.HasEnd() && prev.Over(t.Polled) && !devices.SameEnd(prev.Until, t.Until)
}

// onSchedule reports whether a thermostat has the set points of its schedule, where
// it tells them.
func (t Thermostat) onSchedule() bool {
	return devices.SamePoints(t.Setting, devices.Setting{Cool: t.ScheduleCool, Heat: t.ScheduleHeat}, t.Mode)
}

package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

// A Cause is why a device shows what it shows. It is the only thing that a reading is
// examined for; the consequences are in the tables in tenure.go, and nowhere else.
type Cause string

// The causes.
const (
	Unchanged    Cause = "unchanged"     // nothing has happened, or nothing that counts yet
	Landed       Cause = "landed"        // the last write of the rules is shown
	GivenBack    Cause = "given back"    // the last write is shown, and it was the device's own setting
	ChoiceStands Cause = "choice stands" // a person's choice stands, and nothing can land over it any more
	AsWanted     Cause = "as wanted"     // it is what the rules want, whoever asked for it
	LandedLate   Cause = "landed late"   // an earlier write is shown, long after a later one seemed to be
	DeviceLimit  Cause = "device limit"  // the device does not keep as high a reserve as it was asked for
	DeviceFloor  Cause = "device floor"  // the device does not keep as low a reserve as it was asked for
	OwnerMoved   Cause = "owner moved"   // the device has an owner: what it shows says nothing about what a person wants
	Crossing     Cause = "crossing"      // a person's choice, over which a write of the rules may still land
	Rechosen     Cause = "rechosen"      // the person who has the device has chosen something else
	Foreign      Cause = "foreign"       // a person's choice
	ModeMoved    Cause = "mode moved"    // a person has changed its mode
)

// The causes that only a thermostat has.
const (
	PeriodMoved    Cause = "period moved"    // its schedule has moved to another period, and the setting is the same
	ScheduleMoved  Cause = "schedule moved"  // its schedule has changed the setting
	Lapsed         Cause = "lapsed"          // the hold of the rules has ended by itself
	HoldLost       Cause = "hold lost"       // it has dropped back to its schedule out of a hold that was meant to last
	ModeUndone     Cause = "mode undone"     // a write of the rules has landed over a mode that one reading showed
	PartForeign    Cause = "part foreign"    // a person's choice of one set point; the other is where the rules put it
	ChoiceHidden   Cause = "choice hidden"   // a write of the rules has landed over a choice that one reading showed
	ChoiceEnded    Cause = "choice ended"    // a choice that one reading showed has ended at the time it stated
	LandedOver     Cause = "landed over"     // a write of the rules has landed over a person's choice
	CommandLanding Cause = "command landing" // a person's command is on its way; so far it has changed the mode
	PartStands     Cause = "part stands"     // a person's command is done; one set point is where the rules put it
)

// Causes lists all causes.
func Causes() []Cause {
	return []Cause{Unchanged, Landed, GivenBack, ChoiceStands, AsWanted, LandedLate, DeviceLimit, DeviceFloor, OwnerMoved, Crossing, Rechosen, Foreign, ModeMoved,
		PeriodMoved, ScheduleMoved, Lapsed, HoldLost, ModeUndone, PartForeign, ChoiceHidden, ChoiceEnded, LandedOver, CommandLanding, PartStands}
}

// A ReserveLedger is everything that can explain the reserve that a Powerwall shows: what
// is on record, and what the rules want of it. Facts only.
type ReserveLedger struct {
	Record    BatteryRecord // without the flight of a write that has not been sent to the vendor yet
	OffPeak   int           // the reserve outside peaks, as far as the device keeps it
	Discharge bool          // the reserve of the peak, or of the plan, is wanted now
	Owner     bool          // the battery has an owner, or had one at the reading before
	Lifted    bool          // the device has just kept more than its limit on record
	Reached   bool          // the vendor has acknowledged the last write
	ReadLast  time.Time     // the reading before; zero: there is none since the start
}

// AttributeMode says why a Powerwall shows a mode, given the one that it showed last. An
// empty mode is unknown.
func AttributeMode(last, shown string) Cause {
	if last == "" || shown == "" || shown == last {
		return Unchanged
	}
	return ModeMoved
}

// AttributeReserve says why a Powerwall shows a reserve, or leaves it out (nil), in a
// reading that was polled at the given time.
func AttributeReserve(l ReserveLedger, shown *int, polled time.Time) Cause {
	k := l.Record
	switch {
	case l.Owner:
		return OwnerMoved
	case shown == nil, k.Wanted.Reserve == nil && (k.Choice == nil || same(k.Choice.Reserve, shown) || k.mayShow(*shown)):
		return Unchanged
	case k.Wanted.Reserve == nil:
		return Rechosen // or this is the first reading since the person has it
	case k.Choice == nil:
		return l.withRules(*shown, polled.Sub(k.WrittenAt))
	case k.Choice.Reserve != nil:
		return l.withPerson(*shown, polled.Sub(k.WrittenAt))
	case k.Confirmed && *shown != *k.Wanted.Reserve && !k.mayShow(*shown):
		return Foreign
	}
	return Unchanged
}

// withRules returns the cause when no person has the battery. since is the time since the
// last write.
func (l ReserveLedger) withRules(shown int, since time.Duration) Cause {
	k := l.Record
	switch {
	case l.Lifted && !l.Discharge && shown == l.OffPeak:
		return AsWanted
	case shown == *k.Wanted.Reserve && (k.Confirmed || k.crossed() && since < devices.ShownWithin):
		return Unchanged // an earlier write may still land and replace it
	case shown == *k.Wanted.Reserve && shown == l.OffPeak:
		return GivenBack
	case shown == *k.Wanted.Reserve:
		return Landed
	case l.snapsBack(shown, since):
		return DeviceLimit
	case l.snapsUp(shown):
		return DeviceFloor
	case k.Confirmed && k.mayShow(shown) && (k.AtPeak || !l.Discharge):
		return LandedLate
	case !k.Confirmed && k.Before.Reserve != nil && shown == *k.Before.Reserve, k.mayShow(shown):
		return Unchanged // the write has not landed yet, or never will: reconcile decides
	case shown == l.OffPeak && !l.Discharge && k.unshown():
		return Unchanged // reconcile overtakes the write first
	case shown == l.OffPeak && !l.Discharge:
		return AsWanted // set perhaps by a node that died before it could record it
	case !k.Confirmed && since < devices.AnswerWithin, k.unshown():
		return Crossing
	}
	return Foreign
}

// withPerson returns the cause when a person chose a reserve while a write of the rules
// was on its way.
func (l ReserveLedger) withPerson(shown int, since time.Duration) Cause {
	k, choice := l.Record, *l.Record.Choice.Reserve
	switch {
	case shown == choice && (shown == *k.Wanted.Reserve || since >= devices.AnswerWithin && len(k.own()) == 0):
		return ChoiceStands
	case shown == choice, k.asked(shown):
		return Unchanged // reconcile puts the choice back
	case shown == deviceLimit && (*k.Wanted.Reserve > deviceLimit && k.mayHaveArrived() || k.mayShow(shown)):
		return DeviceLimit
	case slices.Contains(deviceFloors, shown) && k.mayShow(shown):
		return DeviceFloor
	}
	return Crossing // another choice
}

// snapsBack reports whether the device shows its limit because it does not keep the
// higher reserve that it was asked for. If the battery was already at the limit before
// the write, the limit proves nothing at first, nor while an earlier write has not been
// shown either (the vendor is behind then), nor if the write may never have reached the
// vendor. And a reserve that the rules have not written may have been lowered by
// somebody.
func (l ReserveLedger) snapsBack(shown int, sinceWrite time.Duration) bool {
	k := l.Record
	early := !k.Confirmed && k.Before.Reserve != nil && *k.Before.Reserve == deviceLimit && (sinceWrite < devices.ShownWithin || k.crossed() || !l.Reached)
	// Nobody saw it snap back while this process was not running.
	since := k.WrittenAt
	if k.ShownAt.After(since) {
		since = k.ShownAt
	}
	inTime := l.ReadLast.IsZero() || l.ReadLast.Sub(since) <= devices.ReserveLimitWithin
	return *k.Wanted.Reserve > deviceLimit && k.mayHaveArrived() && shown == deviceLimit && inTime && !early && !k.WrittenAt.IsZero()
}

// snapsUp reports whether the device shows its floor because it does not keep the lower
// reserve that it was asked for. If it showed the floor before the write, this looks the
// same as a write that has not landed; if it has already shown the reserve, somebody has
// chosen the floor since.
func (l ReserveLedger) snapsUp(shown int) bool {
	k := l.Record
	inTime := l.ReadLast.IsZero() || l.ReadLast.Sub(k.WrittenAt) <= devices.ReserveLimitWithin
	return slices.Contains(deviceFloors, shown) && *k.Wanted.Reserve < shown && k.mayHaveArrived() && !k.Confirmed && inTime && (k.Before.Reserve == nil || *k.Before.Reserve != shown) && !k.asked(shown)
}

// same reports whether two reserves are both known and equal.
func same(a, b *int) bool { return a != nil && b != nil && *a == *b }

package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

// A Cause is why a device shows what it shows: the one thing that a reading is
// read for. What follows from it is in the table of tenure, and nowhere else.
type Cause string

// The causes.
const (
	Unchanged    Cause = "unchanged"     // nothing has happened, or nothing that counts yet
	Landed       Cause = "landed"        // the last write of the rules is shown
	GivenBack    Cause = "given back"    // the last write is shown, and it was what the device is to have of its own
	ChoiceStands Cause = "choice stands" // a person's choice stands, and nothing can land over it any more
	AsWanted     Cause = "as wanted"     // it is what the rules want, whoever asked for it
	LandedLate   Cause = "landed late"   // an earlier write is shown, long after a later one seemed to be
	DeviceLimit  Cause = "device limit"  // the device does not keep as much as it was asked for
	DeviceFloor  Cause = "device floor"  // the device does not keep as little as it was asked for
	OwnerMoved   Cause = "owner moved"   // somebody has the device: what it shows says nothing of what a person wants
	Crossing     Cause = "crossing"      // a person's choice, over which a write of the rules may still land
	Rechosen     Cause = "rechosen"      // the person who has the device has set it to something else
	Foreign      Cause = "foreign"       // a person's choice
	ModeMoved    Cause = "mode moved"    // a person has switched its mode
)

// The causes that only a thermostat has.
const (
	PeriodMoved    Cause = "period moved"    // its schedule has gone on to another period, and the setting is the same
	ScheduleMoved  Cause = "schedule moved"  // its schedule has set it
	Lapsed         Cause = "lapsed"          // the hold of the rules has ended by itself
	HoldLost       Cause = "hold lost"       // it has fallen to its schedule out of a hold that was to last
	ModeUndone     Cause = "mode undone"     // a write of the rules has landed over a mode that one reading showed
	PartForeign    Cause = "part foreign"    // a person's choice of one set point; the other is where the rules put it
	ChoiceHidden   Cause = "choice hidden"   // a write of the rules has landed over a choice that one reading showed
	ChoiceEnded    Cause = "choice ended"    // a choice that one reading showed has ended when it said
	LandedOver     Cause = "landed over"     // a write of the rules has landed over a person's choice
	CommandLanding Cause = "command landing" // a person's command is on its way, and has switched the mode so far
	PartStands     Cause = "part stands"     // a person's command is done; one set point is where the rules put it
)

// Causes lists all causes.
func Causes() []Cause {
	return []Cause{Unchanged, Landed, GivenBack, ChoiceStands, AsWanted, LandedLate, DeviceLimit, DeviceFloor, OwnerMoved, Crossing, Rechosen, Foreign, ModeMoved,
		PeriodMoved, ScheduleMoved, Lapsed, HoldLost, ModeUndone, PartForeign, ChoiceHidden, ChoiceEnded, LandedOver, CommandLanding, PartStands}
}

// A ReserveLedger is all that can explain the reserve that a Powerwall shows:
// what is on record, and what the rules want of it. Facts only.
type ReserveLedger struct {
	Record    BatteryRecord // without the flight of a write that the vendor was not told of yet
	OffPeak   int           // the reserve outside peaks, as far as the device keeps it
	Discharge bool          // the peak's reserve is wanted now, or the plan's
	Owner     bool          // somebody has the battery, or had it at the reading before
	Lifted    bool          // the device has just kept more than its limit
	Reached   bool          // the vendor has said that it took the last write
	ReadLast  time.Time     // the reading before; zero: there is none since the start
}

// AttributeMode says why a Powerwall shows a mode, which was another one when it was seen
// last. An empty one is not known.
func AttributeMode(last, shown string) Cause {
	if last == "" || shown == "" || shown == last {
		return Unchanged
	}
	return ModeMoved
}

// AttributeReserve says why a Powerwall shows a reserve, or leaves it out, in a reading
// that was polled at a time.
func AttributeReserve(l ReserveLedger, shown *int, polled time.Time) Cause {
	k := l.Record
	switch {
	case l.Owner:
		return OwnerMoved
	case shown == nil, k.Wanted.Reserve == nil && (k.Choice == nil || same(k.Choice.Reserve, shown) || k.mayShow(*shown)):
		return Unchanged
	case k.Wanted.Reserve == nil:
		return Rechosen // or the first reading since they have it
	case k.Choice == nil:
		return l.withRules(*shown, polled.Sub(k.WrittenAt))
	case k.Choice.Reserve != nil:
		return l.withPerson(*shown, polled.Sub(k.WrittenAt))
	case k.Confirmed && *shown != *k.Wanted.Reserve && !k.mayShow(*shown):
		return Foreign
	}
	return Unchanged
}

// withRules is the cause where no person has the battery, so long after the last
// write.
func (l ReserveLedger) withRules(shown int, since time.Duration) Cause {
	k := l.Record
	switch {
	case l.Lifted && !l.Discharge && shown == l.OffPeak:
		return AsWanted
	case shown == *k.Wanted.Reserve && (k.Confirmed || k.crossed() && since < devices.ShownWithin):
		return Unchanged // an earlier write may still land and hide it
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
		return AsWanted // set perhaps by a node that died before it could say so
	case !k.Confirmed && since < devices.AnswerWithin, k.unshown():
		return Crossing
	}
	return Foreign
}

// withPerson is the cause where a person chose a reserve while a write of the
// rules was on its way.
func (l ReserveLedger) withPerson(shown int, since time.Duration) Cause {
	k, choice := l.Record, *l.Record.Choice.Reserve
	switch {
	case shown == choice && (shown == *k.Wanted.Reserve || since >= devices.AnswerWithin && len(k.own()) == 0):
		return ChoiceStands
	case shown == choice, k.asked(shown):
		return Unchanged // reconcile puts the choice back
	case shown == deviceLimit && (*k.Wanted.Reserve > deviceLimit && k.told() || k.mayShow(shown)):
		return DeviceLimit
	case slices.Contains(deviceFloors, shown) && k.mayShow(shown):
		return DeviceFloor
	}
	return Crossing // another choice
}

// snapsBack reports whether the device shows its limit for a reserve that it was
// asked for and does not keep. A battery that was at the limit before shows no
// difference at first, nor while an earlier write is not shown either: then the vendor
// is behind. Nor does it where the write may never have reached the vendor. What the
// rules have not written may have been lowered by somebody.
func (l ReserveLedger) snapsBack(shown int, sinceWrite time.Duration) bool {
	k := l.Record
	early := !k.Confirmed && k.Before.Reserve != nil && *k.Before.Reserve == deviceLimit && (sinceWrite < devices.ShownWithin || k.crossed() || !l.Reached)
	// Nobody saw it snap back while this process was not there.
	since := k.WrittenAt
	if k.ShownAt.After(since) {
		since = k.ShownAt
	}
	inTime := l.ReadLast.IsZero() || l.ReadLast.Sub(since) <= devices.ReserveLimitWithin
	return *k.Wanted.Reserve > deviceLimit && k.told() && shown == deviceLimit && inTime && !early && !k.WrittenAt.IsZero()
}

// snapsUp reports whether the device shows its floor for a reserve that it was
// asked for and does not keep. Where it showed that before the write, nobody can
// tell it from a write that has not landed; where it has shown the reserve, somebody
// has chosen since.
func (l ReserveLedger) snapsUp(shown int) bool {
	k := l.Record
	inTime := l.ReadLast.IsZero() || l.ReadLast.Sub(k.WrittenAt) <= devices.ReserveLimitWithin
	return slices.Contains(deviceFloors, shown) && *k.Wanted.Reserve < shown && k.told() && !k.Confirmed && inTime && (k.Before.Reserve == nil || *k.Before.Reserve != shown) && !k.asked(shown)
}

// same reports whether two reserves are known and the same.
func same(a, b *int) bool { return a != nil && b != nil && *a == *b }

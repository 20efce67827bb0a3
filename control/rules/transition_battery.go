package rules

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// readBattery applies a reading: why the battery shows what it shows, and what the table
// says follows from that.
func (st *step) readBattery(b Battery) {
	k := &st.Persisted.Battery
	prevOwner, before := "", time.Time{}
	if st.Battery != nil {
		prevOwner, before = st.Battery.owner(), st.Battery.Polled
	}
	st.Battery, st.Unread = &b, time.Time{}
	st.recall(Powerwall)
	if b.owner() != "" || prevOwner != "" {
		// A reserve above the device's limit may snap back even then.
		st.transitionBattery(b, AttributeReserve(ReserveLedger{Record: *k, Owner: true}, b.Reserve, b.Polled))
		k.Mode = cmp.Or(b.Mode, k.Mode)
		return
	}
	st.transitionBattery(b, AttributeMode(k.Mode, b.Mode))
	k.Mode = cmp.Or(k.Mode, b.Mode)
	l := ReserveLedger{Discharge: st.holds(), Lifted: st.lifted(b), ReadLast: before, Reached: st.reached(Powerwall)}
	if b.Reserve != nil {
		st.unlearn(*b.Reserve, l.Lifted)
	}
	l.OffPeak = st.offPeakReserve()
	l.Record = *k
	ahead := st.ahead(b.Polled)
	l.Record.Flights = k.Flights[:len(k.Flights)-len(ahead)]
	st.transitionBattery(b, AttributeReserve(l, b.Reserve, b.Polled))
	if k.keepsMore(b) {
		k.Keeps.More = true
	}
	st.seeFlights(b, ahead)
	st.judgeEffect(b)
}

// transitionBattery makes the changes on record that a cause calls for.
func (st *step) transitionBattery(b Battery, c Cause) {
	t, ok := reserveTable.Next(st.Persisted.Battery.tenure(st.holds()), c)
	if !ok {
		return
	}
	k := &st.Persisted.Battery
	switch t.Effect {
	case Confirm:
		st.confirmReserve(t.To)
	case Adopt:
		k.Wanted.Reserve, k.Before.Reserve, k.Confirmed, k.AtPeak = b.Reserve, nil, true, false
	case LearnLimit:
		st.learnLimit(t.To)
	case LearnFloor:
		st.learnFloor(t.To, *b.Reserve)
	case Reclaim:
		st.reclaim(*b.Reserve)
	case Forget:
		if c == Foreign {
			k.undo(*b.Reserve)
		}
		st.forgetAsked(c)
	case Yield:
		if st.odd(Powerwall, Doubt{Polled: b.Polled}) {
			return // the next reading decides
		}
		st.yieldBattery(fmt.Sprintf("reserve set to %d %%", *b.Reserve))
		k.Choice.Reserve = b.Reserve
		k.undo(*b.Reserve)
		st.forgetWrites()
	case YieldOver:
		if b.Polled.Sub(k.WrittenAt) >= devices.AnswerWithin && st.odd(Powerwall, Doubt{Polled: b.Polled}) {
			return // the next reading decides
		}
		st.yieldBattery(fmt.Sprintf("reserve set to %d %%", *b.Reserve))
		k.Choice.Reserve = b.Reserve
	case Choose:
		choice := *k.Choice
		if b.Polled.Sub(choice.At) >= devices.AnswerWithin { // it is another choice, not what the first was about
			choice.At = st.now
		}
		choice.Reserve, k.Choice = b.Reserve, &choice
	case KeepChoice:
		st.choiceStands()
	case FollowMode:
		k.Mode = b.Mode
	case YieldMode:
		if t.Outside == "" || st.plan.Phase != OffPeak {
			if st.odd(Powerwall, Doubt{Polled: b.Polled}) {
				return // the next reading decides
			}
			st.yieldBattery(fmt.Sprintf("mode changed from %s to %s", k.Mode, b.Mode))
		}
		k.Mode = b.Mode
	}
}

// unlearn forgets a limit or floor that the shown reserve contradicts. lifted says that
// the device has just kept more than its limit on record.
func (st *step) unlearn(shown int, lifted bool) {
	k := &st.Persisted.Battery
	if lifted {
		k.Limit, k.LimitDoubt = 0, false
		if k.lastSent(shown) { // it was believed to be one that the device does not keep
			k.Wanted.Reserve, k.Confirmed = &shown, false
		}
	}
	if k.LimitDoubt && shown != k.Limit && !k.lastSent(k.Limit) {
		k.Limit, k.LimitDoubt = 0, false // from here on, the next write shows
	}
	if k.Floor > shown {
		k.Floor, k.FloorAt = 0, time.Time{} // the device keeps less, whoever set it
	}
}

// ahead returns the flight of a write that the vendor did not know of when the battery
// was polled: the bridge reads before it sends, and may give way to what it reads. If
// there is none, the result is empty.
func (st *step) ahead(polled time.Time) []Flight {
	p, flights := st.Pending[Powerwall], st.Persisted.Battery.Flights
	n := len(flights) - 1
	if n < 0 || p.ID == "" || p.Accepted || polled.Sub(p.Sent) >= devices.CommandLife {
		return nil
	}
	if last := flights[n]; last.Sender != SentByRules || !last.At.Equal(devices.WholeSecond(p.Sent)) {
		return nil // an earlier try of the same may have arrived
	}
	return flights[n:]
}

// seeFlights forgets the writes that a reading proves to be over. The reading says
// nothing about those in ahead.
func (st *step) seeFlights(b Battery, ahead []Flight) {
	k := &st.Persisted.Battery
	if b.Reserve == nil {
		return
	}
	if k.commandShown(*b.Reserve) {
		if k.Flights = k.commands(); k.Wanted.Reserve == nil { // all writes of the rules came before it
			k.Flights = nil // there is nothing left to distinguish it from
		}
		return
	}
	own := k.own()
	if len(own) == 0 {
		return
	}
	landed := slices.IndexFunc(own[:len(own)-len(ahead)], func(f Flight) bool { return f.landsWith(*b.Reserve, k.Keeps) })
	left := shown(own, landed, *b.Reserve, b.Polled)
	if left == nil && b.Polled.Sub(k.WrittenAt) >= devices.AnswerWithin {
		k.ShownAt = b.Polled
	}
	k.Flights = append(left, k.commands()...)
}

// lifted reports whether a battery shows more than the limit that it was believed to
// have, and no person has set it.
func (st *step) lifted(b Battery) bool {
	k := st.Persisted.Battery
	return b.Reserve != nil && k.Wanted.Reserve != nil && k.Choice == nil && k.Limit > 0 &&
		*b.Reserve > k.Limit && *b.Reserve <= st.InForce().OffPeakReserve
}

// confirmReserve notes that the last write has landed.
func (st *step) confirmReserve(to Tenure) {
	k := &st.Persisted.Battery
	k.Confirmed, k.AtPeak = true, k.AtPeak && to != Free
	k.Keeps = k.Keeps.with(*k.Wanted.Reserve)
	st.Pending = without(st.Pending, Powerwall)
	st.clearNote("failed " + Powerwall)
}

// learnLimit notes that the device keeps no more than its limit. If a person has the
// battery, this only says that a write of the rules has landed.
func (st *step) learnLimit(to Tenure) {
	k, limit := &st.Persisted.Battery, deviceLimit
	if to == Yielded {
		if *k.Wanted.Reserve > deviceLimit {
			k.Limit, k.Wanted.Reserve, k.Keeps.More = deviceLimit, &limit, false
		}
		return
	}
	if *k.Wanted.Reserve > limit && k.WrittenAt.After(k.firstSent()) { // a later try of it may still be shown, before it snaps back as well
		f := FlightOf(*k.Wanted.Reserve, limit, k.WrittenAt)
		f.Undone = true
		k.Flights = append(slices.Clone(k.Flights), f)
	}
	// This looks the same as a vendor that is late to show what was asked for. And if the
	// write may never have arrived, or the device has kept more before, it looks the same
	// as a person's choice.
	k.LimitDoubt = k.Before.Reserve != nil && *k.Before.Reserve == deviceLimit || st.lost(Powerwall) || k.Keeps.More
	k.Keeps.More = false
	k.Limit, k.Wanted.Reserve, k.Confirmed, k.AtPeak = deviceLimit, &limit, true, false
	st.Pending = without(st.Pending, Powerwall)
	st.note(NoteLeft, Powerwall, "this Powerwall does not accept a reserve above %d %%; powermgr asks for %d %% from now on", deviceLimit, deviceLimit)
}

// learnFloor notes that the device keeps no less than what it shows, and that the write
// has landed. If a person has the battery, this only says that the write has landed.
func (st *step) learnFloor(to Tenure, floor int) {
	k := &st.Persisted.Battery
	k.Wanted.Reserve = &floor
	if to == Yielded {
		return
	}
	k.Floor, k.FloorAt, k.Confirmed, k.Keeps.Least = floor, st.now, true, nil
	st.Pending = without(st.Pending, Powerwall)
	st.clearNote("failed " + Powerwall)
	st.note(NoteLeft, Powerwall, "this Powerwall does not accept a reserve below %d %%; powermgr asks for %d %% in peaks from now on. A utility program may require that; see the Tesla app", floor, floor)
}

// reclaim makes a write that has landed late pending again, so that a later one overtakes
// it.
func (st *step) reclaim(shown int) {
	k := &st.Persisted.Battery
	k.Before.Reserve, k.Confirmed, k.AtPeak = &shown, false, true
	st.note(NoteReserve, Powerwall, "the Powerwall now shows a reserve of %d %%, which powermgr asked for earlier; that is out of date", shown)
}

// forgetAsked forgets what was asked of the reserve, and which reserve a person had
// chosen: the next reading shows what they have now. A reserve that is to be restored
// still is, unless a person has chosen.
func (st *step) forgetAsked(c Cause) {
	k := &st.Persisted.Battery
	atPeak := k.AtPeak
	st.forgetWrites()
	k.AtPeak = atPeak && c == OwnerMoved
	if k.Choice != nil {
		choice := *k.Choice
		choice.Reserve, k.Choice = nil, &choice
	}
}

// yieldBattery leaves the battery to a person until the window ends.
func (st *step) yieldBattery(what string) {
	k := &st.Persisted.Battery
	if k.Choice == nil {
		st.note(NoteYielded, Powerwall, "%s: the battery is left alone%s", what, st.until(st.yieldedUntil(st.now)))
	}
	choice := Choice{At: st.now, What: what}
	if k.Choice != nil {
		choice.Reserve = k.Choice.Reserve
	}
	k.Choice = &choice
	st.overtake(Powerwall, st.Pending[Powerwall].Sent)
}

// choiceStands ends the watch over a person's choice: no write of the rules may land over
// it any more.
func (st *step) choiceStands() {
	st.forgetWrites()
	st.Pending = without(st.Pending, Powerwall)
}

// endYield puts the battery under the rules again after a person's choice.
func (st *step) endYield() {
	k := &st.Persisted.Battery
	if k.Choice == nil {
		return
	}
	choice := k.Choice.Reserve
	if choice == nil && k.Wanted.Reserve != nil {
		choice = k.commanded()
	}
	switch commanded := k.commanded(); {
	case choice == nil:
	case k.Wanted.Reserve != nil:
		// The choice is shown until a later write has landed.
		k.Before.Reserve, k.Confirmed = choice, k.Confirmed && *k.Wanted.Reserve == *choice
	case commanded == nil || *commanded == *choice: // otherwise the command may still be shown
		// So that a node that was down for a while can tell a new choice from this one.
		k.Wanted.Reserve, k.Confirmed = choice, true
	}
	k.Choice, k.Flights = nil, k.own()
}

// forgetWrites forgets what the rules asked of the reserve, because it is now a person's.
// With nothing on record, a battery that is left alone gets its off-peak reserve back in
// the end.
func (st *step) forgetWrites() {
	k := &st.Persisted.Battery
	if k.Wanted.Reserve != nil && *k.Wanted.Reserve <= deviceLimit {
		k.WrittenAt = time.Time{}
	}
	k.Wanted.Reserve, k.Before.Reserve, k.Confirmed, k.AtPeak = nil, nil, false, false
}

// yieldedUntil returns when the window ends for a choice that was made at the given time.
func (st *step) yieldedUntil(at time.Time) time.Time {
	p, o, c := st.plan, st.Persisted.Override, st.calendar()
	if o.offPeak() && (p.Until.IsZero() || !at.Before(o.Since) && !o.Until.Before(p.Until)) {
		switch phase, next := c.At(o.Until); {
		case phase == OffPeak: // before and after the end of the override
			return c.Change(o.Until)
		case at.After(next.Start.Add(-c.Lead)):
			return next.End
		}
		return o.Until
	}
	if !p.Until.IsZero() {
		return p.Until
	}
	return p.Next
}

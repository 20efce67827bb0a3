package rules

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// deviceLimit is what a Powerwall turns a higher reserve into that it does not keep.
const deviceLimit = 80

// deviceFloors are what Powerwalls turn a lower reserve into that they do not keep:
// 5 has been seen, and 20 where a utility's program asks for that.
var deviceFloors = []int{5, 20}

// owner names whoever commands the battery at present in place of the rules; empty if
// nobody does.
func (b Battery) owner() string {
	switch {
	case b.StormActive:
		return "Storm Watch is using the battery"
	case b.GridServices:
		return "grid services are using the battery"
	case b.GridConnected != nil && !*b.GridConnected:
		return "the home is off the grid"
	}
	return ""
}

// readBattery folds a reading: why the battery shows what it shows, and what the
// table makes of that.
func (st *step) readBattery(b Battery) {
	k := &st.Persisted.Battery
	prevOwner, before := "", time.Time{}
	if st.Battery != nil {
		prevOwner, before = st.Battery.owner(), st.Battery.Polled
	}
	st.Battery, st.Unread = &b, time.Time{}
	st.recall(Powerwall)
	if b.owner() != "" || prevOwner != "" {
		// A reserve above the device's limit may snap back all the same.
		st.transition(b, AttributeReserve(ReserveLedger{Record: *k, Owner: true}, b.Reserve, b.Polled))
		k.Mode = cmp.Or(b.Mode, k.Mode)
		return
	}
	st.transition(b, AttributeMode(k.Mode, b.Mode))
	k.Mode = cmp.Or(k.Mode, b.Mode)
	l := ReserveLedger{Discharge: st.holds(), Lifted: st.lifted(b), ReadLast: before, Reached: st.reached(Powerwall)}
	if b.Reserve != nil {
		st.unlearn(*b.Reserve, l.Lifted)
	}
	l.OffPeak = st.offPeakReserve()
	l.Record = *k
	ahead := st.ahead(b.Polled)
	l.Record.Flights = k.Flights[:len(k.Flights)-len(ahead)]
	st.transition(b, AttributeReserve(l, b.Reserve, b.Polled))
	if k.keepsMore(b) {
		k.Keeps.More = true
	}
	st.seeFlights(b, ahead)
	st.judgeEffect(b)
}

// unlearn forgets the limits that a reserve which is shown speaks against. Lifted says
// that the device has just kept more than its limit.
func (st *step) unlearn(shown int, lifted bool) {
	k := &st.Persisted.Battery
	if lifted {
		k.Limit, k.LimitDoubt = 0, false
		if k.lastSent(shown) { // it passed for one that the device does not keep
			k.Wanted.Reserve, k.Confirmed = &shown, false
		}
	}
	if k.LimitDoubt && shown != k.Limit {
		k.Limit, k.LimitDoubt = 0, false // from here the next write tells
	}
	if k.Floor > shown {
		k.Floor, k.FloorAt = 0, time.Time{} // whoever set it: the device keeps less
	}
}

// ahead is the flight of a write that no vendor knew of when a battery was polled: the
// bridge reads before it sends, and may give way to what it reads. Without one it is empty.
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

// seeFlights forgets the writes that a reading proves to be over, which says nothing of
// those ahead of it.
func (st *step) seeFlights(b Battery, ahead []Flight) {
	k := &st.Persisted.Battery
	if b.Reserve == nil {
		return
	}
	if k.commandShown(*b.Reserve) {
		if k.Flights = k.commands(); k.Wanted.Reserve == nil { // all of the rules came before it
			k.Flights = nil // nothing is left that it has to be told from
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

// lifted reports whether a battery shows more than the limit that it has been
// taken to have, and that a person has not set.
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
	st.unsay("taken " + Powerwall)
}

// learnLimit notes that the device keeps no more than its limit. Where a person
// has the battery, that only says that a write of the rules has landed.
func (st *step) learnLimit(to Tenure) {
	k, limit := &st.Persisted.Battery, deviceLimit
	if to == Yielded {
		if *k.Wanted.Reserve > deviceLimit {
			k.Limit, k.Wanted.Reserve, k.Keeps.More = deviceLimit, &limit, false
		}
		return
	}
	if *k.Wanted.Reserve > limit && k.WrittenAt.After(k.firstSent()) { // a later try of it may be shown before that snaps back as well
		f := FlightOf(*k.Wanted.Reserve, limit, k.WrittenAt)
		f.Undone = true
		k.Flights = append(slices.Clone(k.Flights), f)
	}
	// Nobody can tell it from a vendor that shows late what was asked, nor, where that
	// may never have arrived or the device has kept more before, from what a person has
	// chosen.
	k.LimitDoubt = k.Before.Reserve != nil && *k.Before.Reserve == deviceLimit || st.lost(Powerwall) || k.Keeps.More
	k.Keeps.More = false
	k.Limit, k.Wanted.Reserve, k.Confirmed, k.AtPeak = deviceLimit, &limit, true, false
	st.Pending = without(st.Pending, Powerwall)
	st.note(NoteLeft, Powerwall, "this Powerwall does not accept a reserve above %d %%; powermgr asks for %d %% from now on", deviceLimit, deviceLimit)
}

// learnFloor notes that the device keeps no less than what it shows, and that the
// write has landed. Where a person has the battery, it says no more than that.
func (st *step) learnFloor(to Tenure, floor int) {
	k := &st.Persisted.Battery
	k.Wanted.Reserve = &floor
	if to == Yielded {
		return
	}
	k.Floor, k.FloorAt, k.Confirmed, k.Keeps.Least = floor, st.now, true, nil
	st.Pending = without(st.Pending, Powerwall)
	st.unsay("taken " + Powerwall)
	st.note(NoteLeft, Powerwall, "this Powerwall does not accept a reserve below %d %%; powermgr asks for %d %% in peaks from now on. A utility program may require that; see the Tesla app", floor, floor)
}

// reclaim takes up a write again that has landed late: a later one is to overtake it.
func (st *step) reclaim(shown int) {
	k := &st.Persisted.Battery
	k.Before.Reserve, k.Confirmed, k.AtPeak = &shown, false, true
	st.note(NoteReserve, Powerwall, "the Powerwall now shows a reserve of %d %%, which powermgr asked for earlier; that is out of date", shown)
}

// forgetAsked forgets what was asked of the reserve, and what a person had of it: the
// next reading shows what they have now. What is to go back does so all the same,
// unless a person has chosen.
func (st *step) forgetAsked(c Cause) {
	k := &st.Persisted.Battery
	atPeak := k.AtPeak
	st.forgetWrites()
	k.AtPeak = atPeak && c == OwnerMoved
	if k.Choice != nil {
		taken := *k.Choice
		taken.Reserve, k.Choice = nil, &taken
	}
}

// takeBattery leaves the battery to a person until the window ends.
func (st *step) takeBattery(what string) {
	k := &st.Persisted.Battery
	if k.Choice == nil {
		st.note(NoteTaken, Powerwall, "%s: the battery is left alone%s", what, st.until(st.takenUntil(st.now)))
	}
	taken := Choice{At: st.now, What: what}
	if k.Choice != nil {
		taken.Reserve = k.Choice.Reserve
	}
	k.Choice = &taken
	st.overtake(Powerwall, st.Pending[Powerwall].Sent)
}

// choiceStands ends the watch over a person's choice: nothing of the rules may land over
// it any more.
func (st *step) choiceStands() {
	st.forgetWrites()
	st.Pending = without(st.Pending, Powerwall)
}

// endYield ends what a person took of the battery.
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
		// The choice shows until a later write has landed.
		k.Before.Reserve, k.Confirmed = choice, k.Confirmed && *k.Wanted.Reserve == *choice
	case commanded == nil || *commanded == *choice: // else it may still be shown
		// Whoever was not there for a while tells a new choice from this one.
		k.Wanted.Reserve, k.Confirmed = choice, true
	}
	k.Choice, k.Flights = nil, k.own()
}

// forgetWrites forgets what the rules asked of the reserve: it is a person's. Without it,
// a battery that is left alone gets its off-peak reserve back in the end.
func (st *step) forgetWrites() {
	k := &st.Persisted.Battery
	if k.Wanted.Reserve != nil && *k.Wanted.Reserve <= deviceLimit {
		k.WrittenAt = time.Time{}
	}
	k.Wanted.Reserve, k.Before.Reserve, k.Confirmed, k.AtPeak = nil, nil, false, false
}

// takenUntil is when the window ends of what a person took at a time.
func (st *step) takenUntil(at time.Time) time.Time {
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

// offPeakReserve is the reserve outside peaks, as far as the device keeps it.
func (st *step) offPeakReserve() int {
	want := max(st.InForce().OffPeakReserve, st.floor())
	if limit := st.Persisted.Battery.Limit; limit > 0 {
		want = min(want, limit)
	}
	return want
}

// peakReserve is the reserve in a peak, as far as the device keeps it.
func (st *step) peakReserve() int { return max(st.InForce().PeakReserve, st.floor()) }

// floor is the least that the device keeps, as far as that is known. It is asked
// for less from time to time: a utility's program ends some day.
func (st *step) floor() int {
	if k := st.Persisted.Battery; st.now.Sub(k.FloorAt) < devices.FloorMemory {
		return k.Floor
	}
	return 0
}

// battery decides the reserve.
func (st *step) battery() {
	b := st.Battery
	st.awaitPlan()
	if b != nil {
		st.judgeAge(Powerwall, "Tesla's figures", b.Age)
	}
	t := st.wantedReserve()
	st.d.Reserve, st.d.Reason, st.d.Why = t.show, t.reason, t.why
	switch t.level {
	case LevelKnown:
		st.reconcile(unreadReserve{want: st.calendarReserve()})
	case LevelOwner:
		st.say("owner", NoteLeft, Powerwall, "%s: its reserve is left alone", t.why)
	case LevelPerson:
		if t.reserve != nil {
			st.reconcile(chosenReserve{want: *t.reserve})
		}
	case LevelCalendar, LevelPlan:
		st.unsay("owner")
		if t.reserve != nil {
			st.judgeMode(b.Mode)
			st.reconcile(wantedReserve{want: *t.reserve})
		}
	}
}

// judgeMode says that the Powerwall's mode makes the reserve mean little.
func (st *step) judgeMode(mode string) {
	switch mode {
	case "autonomous":
		st.problem(WrongMode, "the Powerwall is in autonomous mode: the reserve is only a floor; set it to self_consumption")
	case "backup":
		st.problem(WrongMode, "the Powerwall is in backup mode: the reserve has no effect; set it to self_consumption")
	}
}

// A powerwall is what the battery's reserve has in common whoever wants it.
type powerwall struct{}

func (powerwall) target() string            { return Powerwall }
func (powerwall) known(*step) bool          { return true }
func (powerwall) ready(*step, request) bool { return true }

// A wantedReserve is one that the calendar or the plan wants.
type wantedReserve struct {
	powerwall
	want int
}

// insists is true of a reserve that has to go back, once.
func (w wantedReserve) insists(st *step) bool {
	return st.plan.Phase == OffPeak && !st.holds() && !st.Persisted.Battery.wants(w.want)
}

func (w wantedReserve) next(st *step) (request, bool) {
	k, b, shown := st.Persisted.Battery, st.Battery, *st.shownReserve()
	if shown == w.want && !st.mayLand(w.want) && (b.Reserve != nil || k.Confirmed) {
		if !k.wants(w.want) {
			st.adoptReserve(w.want)
		}
		st.effect(w.want)
		return request{}, false
	}
	return request{want: devices.Setting{Reserve: &w.want}, goal: st.goalOfReserve(w.want), again: k.wants(w.want), read: b.Polled}, true
}

func (w wantedReserve) write(st *step, r request) { st.setReserve(w.want, *st.shownReserve(), r.goal) }

// An unreadReserve is the one outside peaks, where an earlier process, or the other
// node, has left another one, and the battery was not read since the start. A vendor that
// limits reads shows nothing for hours, and takes commands all the same. The next reading
// confirms it.
type unreadReserve struct {
	powerwall
	want int
}

func (unreadReserve) insists(*step) bool { return true }

func (unreadReserve) known(st *step) bool {
	k := st.Persisted.Battery
	return k.AtPeak && k.Wanted.Reserve != nil && k.Choice == nil && !st.holds()
}

func (w unreadReserve) next(st *step) (request, bool) {
	if st.Unread.IsZero() || st.Unread.After(st.now) {
		st.Unread = st.now
	}
	if at := st.Unread.Add(devices.RestoreRetry); st.now.Before(at) {
		st.wake(at) // a reading would tell more
		return request{}, false
	}
	return request{want: devices.Setting{Reserve: &w.want}, goal: Restore, again: st.Persisted.Battery.wants(w.want)}, true
}

func (w unreadReserve) write(st *step, _ request) {
	st.setReserve(w.want, *st.Persisted.Battery.Wanted.Reserve, st.goalOfReserve(w.want))
}

// A chosenReserve is one that a person chose while a write of the rules was on its way,
// which may have landed over it.
type chosenReserve struct {
	powerwall
	want int
}

func (chosenReserve) insists(*step) bool { return true }

func (w chosenReserve) next(st *step) (request, bool) {
	k, b := st.Persisted.Battery, st.Battery
	again := k.wants(w.want)
	switch {
	case b.Reserve == nil || *b.Reserve == w.want,
		!again && *b.Reserve != *k.Wanted.Reserve, // nothing has landed over it
		devices.CheckReserve(w.want) != nil:       // it cannot be asked for
		return request{}, false
	}
	return request{want: devices.Setting{Reserve: &w.want}, goal: Restore, again: again, read: b.Polled}, true
}

func (w chosenReserve) write(st *step, r request) {
	k, shown := &st.Persisted.Battery, *st.Battery.Reserve
	why := fmt.Sprintf("reserve %d %%, was %d %%: someone had set it just before", w.want, shown)
	if !r.again {
		st.note(NoteReserve, Powerwall, "%s", why)
		k.Flights = k.sending(FlightOf(*k.Wanted.Reserve, shown, st.now), st.now) // it shows until this has landed
	}
	k.Flights = k.sending(FlightOf(w.want, shown, st.now), st.now)
	k.Wanted.Reserve, k.WrittenAt, k.Confirmed = &w.want, st.now, false
	st.send(Write{Target: Powerwall, Reserve: &w.want, Goal: r.goal, Why: why})
}

// mayLand reports whether a write of something else may still land. It has to be
// overtaken even if the device shows the right value at this moment.
func (st *step) mayLand(want int) bool {
	k := st.Persisted.Battery
	if own := k.own(); len(own) > 0 {
		if last := own[len(own)-1]; !last.hasLanded() && !last.Undone && !last.leads(want, k.Limit, k.Keeps) && last.pending(st.now) {
			return true
		}
	}
	return k.Wanted.Reserve != nil && !k.Confirmed && *k.Wanted.Reserve != want &&
		(st.Battery.Polled.Sub(k.WrittenAt) < devices.AnswerWithin || st.Pending[Powerwall].ID != "")
}

// adoptReserve takes over what is shown: it is what the rules want, whoever set it.
func (st *step) adoptReserve(want int) {
	k := &st.Persisted.Battery
	if k.Wanted.Reserve != nil {
		k.WrittenAt = time.Time{}
	}
	k.Wanted.Reserve, k.Before.Reserve, k.Confirmed = &want, nil, true
	k.AtPeak = st.holds() && want != st.offPeakReserve()
}

// shownReserve is what the Powerwall says that its reserve is. While it leaves
// that out, what was last asked for counts: a reserve of the rules has to go back,
// and a write that was not needed does no harm. Nil: nobody knows.
func (st *step) shownReserve() *int {
	k := st.Persisted.Battery
	switch {
	case st.Battery.Reserve != nil:
		return st.Battery.Reserve
	case k.Wanted.Reserve != nil:
		return k.Wanted.Reserve
	case k.AtPeak:
		return new(st.InForce().PeakReserve)
	}
	return nil
}

// goalOfReserve is what a reserve is for: outside a peak the one that the battery is to
// have of its own restores, whoever asks for it.
func (st *step) goalOfReserve(want int) Goal {
	if st.holds() && (st.plan.Discharge || want != st.offPeakReserve()) {
		return Setback
	}
	return Restore
}

// setReserve notes on record that the battery is asked for another reserve than it shows,
// and asks it.
func (st *step) setReserve(want, shown int, goal Goal) {
	k := &st.Persisted.Battery
	w := Write{Target: Powerwall, Reserve: &want, Goal: goal, Why: fmt.Sprintf("reserve %d %%, was %d %%: %s", want, shown, st.phaseText())}
	if planned, why, ok := st.planned(); ok && planned != nil {
		w.Why = fmt.Sprintf("reserve %d %%, was %d %%, by plan: %s", want, shown, why)
	}
	if !st.Settings.DryRun {
		if k.Wanted.Reserve == nil || *k.Wanted.Reserve != want || k.Confirmed {
			if k.Wanted.Reserve == nil || *k.Wanted.Reserve != want {
				st.changed()
			}
			k.Before.Reserve, st.Idle = &shown, Idle{}
			st.overtake(Powerwall, st.Pending[Powerwall].Sent)
			st.note(NoteReserve, Powerwall, "%s", w.Why)
		} else if shown != want {
			k.Before.Reserve = &shown
		}
		if k.mayTurnBack(st.now) && *k.Wanted.Reserve != want { // until this has landed
			k.Flights = append(slices.Clone(k.Flights), FlightOf(*k.Wanted.Reserve, *k.Wanted.Reserve, k.WrittenAt))
		}
		k.Flights = k.sending(FlightOf(want, shown, st.now), st.now)
		k.Wanted.Reserve, k.WrittenAt, k.Confirmed = &want, st.now, false
		if want != st.offPeakReserve() {
			k.AtPeak = true
		}
	}
	st.send(w)
}

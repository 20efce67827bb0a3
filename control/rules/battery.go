package rules

import (
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// deviceLimit is the reserve that a Powerwall falls back to when it does not keep a
// higher one.
const deviceLimit = 80

// deviceFloors are the reserves that Powerwalls rise to when they do not keep a lower
// one: 5 has been seen, and 20 where a utility's program requires it.
var deviceFloors = []int{5, 20}

// owner says who currently commands the battery instead of the rules; empty if nobody
// does.
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

// offPeakReserve returns the reserve outside peaks, as far as the device keeps it.
func (st *step) offPeakReserve() int {
	want := max(st.InForce().OffPeakReserve, st.floor())
	if limit := st.Persisted.Battery.Limit; limit > 0 {
		want = min(want, limit)
	}
	return want
}

// peakReserve returns the reserve in a peak, as far as the device keeps it.
func (st *step) peakReserve() int { return max(st.InForce().PeakReserve, st.floor()) }

// floor returns the lowest reserve that the device keeps, as far as that is known. It is
// forgotten after a while, so that the device is asked for less from time to time: a
// utility's program ends some day.
func (st *step) floor() int {
	if k := st.Persisted.Battery; st.now.Sub(k.FloorAt) < devices.FloorMemory {
		return k.Floor
	}
	return 0
}

// battery decides the battery's reserve.
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
		st.noteOnce("owner", NoteLeft, Powerwall, "%s: its reserve is left alone", t.why)
	case LevelPerson:
		if t.reserve != nil {
			st.reconcile(chosenReserve{want: *t.reserve})
		}
	case LevelCalendar, LevelPlan:
		st.clearNote("owner")
		if t.reserve != nil {
			st.judgeMode(b.Mode)
			st.reconcile(wantedReserve{want: *t.reserve})
		}
	}
}

// judgeMode reports the problem that the Powerwall's mode makes the reserve mean little.
func (st *step) judgeMode(mode string) {
	switch mode {
	case "autonomous":
		st.problem(WrongMode, "the Powerwall is in autonomous mode: the reserve is only a floor; set it to self_consumption")
	case "backup":
		st.problem(WrongMode, "the Powerwall is in backup mode: the reserve has no effect; set it to self_consumption")
	}
}

// A powerwall has the methods that are common to all wanted reserves.
type powerwall struct{}

func (powerwall) target() string            { return Powerwall }
func (powerwall) known(*step) bool          { return true }
func (powerwall) ready(*step, request) bool { return true }

// A wantedReserve is a reserve that the calendar or the plan wants.
type wantedReserve struct {
	powerwall
	want int
}

// insists is true for the first write that restores the reserve.
func (w wantedReserve) insists(st *step) bool {
	return st.plan.Phase == OffPeak && !st.holds() && !st.Persisted.Battery.wants(w.want) && st.doubtIsOver()
}

// doubtIsOver reports whether a choice that one reading has shown would be over by now:
// it was made before the end of the last peak. One made since then would not be, although
// the plan has ended in between.
func (st *step) doubtIsOver() bool {
	return !st.Persisted.Battery.Doubt.Polled.After(st.Persisted.PeakEnd)
}

func (w wantedReserve) next(st *step) (request, bool) {
	k, b, shown := st.Persisted.Battery, st.Battery, *st.shownReserve()
	if shown == w.want && !st.lostUnread(w.want) && !st.mayLand(w.want) && (b.Reserve != nil || k.Confirmed) {
		if !k.wants(w.want) {
			st.adoptReserve(w.want)
		}
		why := st.effect(w.want)
		return request{want: devices.Setting{Reserve: &w.want}, goal: st.goalOfReserve(w.want), read: b.Polled, why: why}, why != ""
	}
	return request{want: devices.Setting{Reserve: &w.want}, goal: st.goalOfReserve(w.want), again: k.wants(w.want), read: b.Polled}, true
}

func (w wantedReserve) write(st *step, r request) {
	if r.why != "" {
		st.repeat(w.want, r.why)
		return
	}
	st.setReserve(w.want, *st.shownReserve(), r.goal)
}

// An unreadReserve is the reserve outside peaks, to be restored when an earlier process
// or the other node has left a different one and the battery has not been read since the
// start. A vendor that limits reads may show nothing for hours but still accepts
// commands. The next reading confirms the write.
type unreadReserve struct {
	powerwall
	want int
}

func (unreadReserve) insists(st *step) bool { return st.doubtIsOver() }

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
	k := st.Persisted.Battery
	shown := *k.Wanted.Reserve
	if !k.Confirmed && k.Before.Reserve != nil {
		shown = *k.Before.Reserve // the last write may never have arrived
	}
	st.setReserve(w.want, shown, st.goalOfReserve(w.want))
}

// A chosenReserve is a reserve that a person chose while a write of the rules was on its
// way, which may have landed over it.
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
		devices.CheckReserve(w.want) != nil:       // no reserve that can be asked for
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

// mayLand reports whether a write of something other than want may still land. It has to
// be overtaken even if the device shows want at this moment.
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

// lostUnread reports whether a write of want may be lost, and the last reading is from long
// before it.
func (st *step) lostUnread(want int) bool {
	k, p := st.Persisted.Battery, st.Pending[Powerwall]
	return k.wants(want) && !k.Confirmed && k.WrittenAt.Sub(st.Battery.Polled) >= devices.AnswerWithin && (p.Unknown || p.Ignored)
}

// adoptReserve records what is shown as the last write: it is what the rules want,
// whoever set it.
func (st *step) adoptReserve(want int) {
	k := &st.Persisted.Battery
	if k.Wanted.Reserve != nil {
		k.WrittenAt = time.Time{}
	}
	k.Wanted.Reserve, k.Before.Reserve, k.Confirmed = &want, nil, true
	k.AtPeak = st.holds() && want != st.offPeakReserve()
}

// shownReserve returns the reserve that the Powerwall shows. While it leaves that out,
// the last write counts: a reserve of the rules has to be restored, and an unnecessary
// write does no harm. Nil: unknown.
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

// goalOfReserve returns the goal of a reserve. Outside peaks, writing the off-peak
// reserve restores, whichever level wants it.
func (st *step) goalOfReserve(want int) Goal {
	if st.holds() && (st.plan.Discharge || want != st.offPeakReserve()) {
		return Setback
	}
	return Restore
}

// setReserve records that the battery is asked for a different reserve than it shows, and
// sends the write.
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

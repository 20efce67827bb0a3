package rules

import (
	"fmt"
	"slices"
	"time"
)

// limitWindow is how long after a write of 100 the device may turn it into 80:
// the snap back has been seen half an hour later. The next reading after that
// tells, however late it comes.
const limitWindow = 35 * time.Minute

// deviceLimit is what a Powerwall turns a reserve into that it does not keep.
const deviceLimit = 80

// owner names whoever commands the battery at present in our place; empty if
// nobody does.
func (b Battery) owner() string {
	switch {
	case b.StormActive:
		return "Storm Watch has the battery"
	case b.GridServices:
		return "grid services have the battery"
	case b.GridConnected != nil && !*b.GridConnected:
		return "the home is off the grid"
	}
	return ""
}

// readBattery folds a reading: it confirms our write, or it shows a choice
// that is not ours.
func (st *step) readBattery(b Battery) {
	k := &st.Kept.Battery
	prevOwner, first, before := "", st.Battery == nil, time.Time{}
	if st.Battery != nil {
		prevOwner, before = st.Battery.owner(), st.Battery.Polled
	}
	st.Battery = &b
	st.recall(Powerwall)
	if b.owner() != "" || prevOwner != "" {
		// What Tesla does while it has the battery is nobody's choice. A reserve
		// above the device's limit may snap back all the same.
		if k.Wanted != nil && *k.Wanted <= deviceLimit {
			k.WrittenAt = time.Time{}
		}
		k.Wanted, k.Before, k.Asked, k.Confirmed = nil, nil, nil, false
		if b.Mode != "" {
			k.Mode = b.Mode
		}
		return
	}
	if b.Mode != "" && b.Mode != k.Mode {
		// A reserve of ours that is to go back does so, whatever the mode.
		goesBack := st.plan.Phase == OffPeak && k.AtPeak
		taken := k.Mode != "" && k.Taken == nil && !goesBack
		if !taken || !st.odd(Powerwall, b.Polled) {
			if taken {
				st.takeBattery(fmt.Sprintf("mode changed from %s to %s", k.Mode, b.Mode))
			}
			k.Mode = b.Mode
		}
	}
	if k.Taken != nil && k.Taken.Reserve != nil && k.Wanted != nil {
		st.contestedBattery(b)
		return
	}
	if k.Taken != nil && k.Wanted != nil && k.Confirmed && b.Reserve != nil && *b.Reserve != *k.Wanted {
		st.disown() // the reserve as well
	}
	if b.Reserve == nil || k.Wanted == nil || k.Taken != nil {
		return
	}
	if k.Limit > 0 && *b.Reserve > k.Limit && *b.Reserve <= st.Settings.OffPeakReserve {
		k.Limit = 0 // it keeps more after all
		if !st.plan.Discharge && *b.Reserve == st.Settings.OffPeakReserve {
			k.Wanted, k.Confirmed, k.Asked, k.AtPeak = b.Reserve, true, nil, false
			return
		}
	}
	switch shown := *b.Reserve; {
	case shown == *k.Wanted:
		if !k.Confirmed && (len(k.Asked) == 0 || b.Polled.Sub(k.WrittenAt) >= settle) {
			k.Confirmed, k.Asked = true, nil
			if k.AtPeak && shown == st.offPeakReserve() && shown != st.Settings.PeakReserve {
				k.AtPeak = false
			}
			st.Pending = without(st.Pending, Powerwall)
			st.unsay("taken " + Powerwall)
		}
	case *k.Wanted > deviceLimit && shown == deviceLimit && (first || before.Sub(k.WrittenAt) <= limitWindow) && !st.early(b):
		// Nobody saw it snap back while this process was not there.
		k.Limit, k.Wanted, k.Confirmed, k.AtPeak = deviceLimit, &shown, true, false
		st.Pending = without(st.Pending, Powerwall)
		st.note(NoteLeft, Powerwall, "this Powerwall keeps no reserve above %d %%: %d %% is wanted from now on", deviceLimit, deviceLimit)
	case !k.Confirmed && (k.Before != nil && shown == *k.Before || slices.Contains(k.Asked, shown)):
		// Our write has not landed yet, or never will; battery decides.
	case shown == st.offPeakReserve() && !st.plan.Discharge:
		// It is what the rules want, whoever asked for it: perhaps a node that
		// died before it could say so.
		k.Wanted, k.Before, k.Asked, k.Confirmed, k.AtPeak = &shown, nil, nil, true, false
	default:
		landed := k.Confirmed || b.Polled.Sub(k.WrittenAt) >= overdue
		if landed && st.odd(Powerwall, b.Polled) {
			return
		}
		st.takeBattery(fmt.Sprintf("reserve set to %d %%", shown))
		if landed {
			st.disown()
			return
		}
		k.Taken.Reserve = &shown // ours may land over it
	}
}

// contestedBattery folds a reading of a battery whose owner chose a reserve
// while our write was on its way.
func (st *step) contestedBattery(b Battery) {
	k := &st.Kept.Battery
	if b.Reserve == nil {
		return
	}
	taken := *k.Taken
	switch shown := *b.Reserve; {
	case shown == *taken.Reserve && (shown == *k.Wanted || b.Polled.Sub(k.WrittenAt) >= overdue):
		taken.Reserve = nil // it stands
		st.disown()
		st.Pending = without(st.Pending, Powerwall)
	case shown == *taken.Reserve, shown == *k.Wanted, slices.Contains(k.Asked, shown):
	case shown == deviceLimit && (*k.Wanted > deviceLimit || slices.ContainsFunc(k.Asked, func(v int) bool { return v > deviceLimit })):
		if *k.Wanted > deviceLimit { // ours has landed, and snapped back
			limit := deviceLimit
			k.Limit, k.Wanted = deviceLimit, &limit
		}
	default:
		taken.Reserve = &shown // another choice
	}
	k.Taken = &taken
}

// early reports whether b may still show the reserve of before our last write:
// a battery that was at the limit already shows no difference at first.
func (st *step) early(b Battery) bool {
	k := st.Kept.Battery
	return !k.Confirmed && k.Before != nil && *k.Before == deviceLimit && b.Polled.Sub(k.WrittenAt) < settle
}

// takeBattery leaves the battery to a person until the window ends.
func (st *step) takeBattery(what string) {
	k := &st.Kept.Battery
	if k.Taken == nil {
		st.note(NoteTaken, Powerwall, "%s: the battery is left alone until %s", what, st.clock(st.takenUntil()))
	}
	taken := Taken{At: st.now, What: what}
	if k.Taken != nil {
		taken.Reserve = k.Taken.Reserve
	}
	k.Taken = &taken
	st.Pending = without(st.Pending, Powerwall)
}

// letGo ends what a person took of the battery.
func (st *step) letGo() {
	k := &st.Kept.Battery
	if k.Taken != nil && k.Taken.Reserve != nil && k.Wanted != nil {
		k.Before = k.Taken.Reserve // it shows until a write of ours has landed
	}
	k.Taken = nil
}

// disown forgets what we asked of the reserve: it is a person's. Without it,
// a battery that is left alone gets its off-peak reserve back in the end.
func (st *step) disown() {
	k := &st.Kept.Battery
	if k.Wanted != nil && *k.Wanted <= deviceLimit {
		k.WrittenAt = time.Time{}
	}
	k.Wanted, k.Before, k.Asked, k.Confirmed, k.AtPeak = nil, nil, nil, false, false
}

func (st *step) takenUntil() time.Time {
	if !st.plan.Until.IsZero() {
		return st.plan.Until
	}
	return st.plan.Next
}

// offPeakReserve is the reserve outside peaks, as far as the device keeps it.
func (st *step) offPeakReserve() int {
	want := st.Settings.OffPeakReserve
	if limit := st.Kept.Battery.Limit; limit > 0 {
		want = min(want, limit)
	}
	return want
}

// battery decides the reserve.
func (st *step) battery() {
	k, b, p := &st.Kept.Battery, st.Battery, st.plan
	if b != nil {
		st.judgeAge(Powerwall, "Tesla's figures", b.Age)
	}
	want := st.offPeakReserve()
	if p.Discharge {
		want = st.Settings.PeakReserve
	}
	switch {
	case b == nil:
		st.d.Reserve = &want
		st.d.Reason, st.d.Why = ByUnknown, "the Powerwall has not said its reserve yet"
		return
	case k.Taken != nil:
		st.d.Reason, st.d.Why = ByPerson, "a person has the battery: "+k.Taken.What
		st.putBack()
		return
	case b.owner() != "":
		st.d.Reason, st.d.Why = ByDevice, b.owner()
		st.say("owner", NoteLeft, Powerwall, "%s: its reserve is left alone", b.owner())
		return
	case p.Paused && !k.AtPeak:
		return
	}
	st.unsay("owner")
	st.d.Reserve = &want
	shown := st.shownReserve()
	if shown == nil {
		st.d.Reason, st.d.Why = ByUnknown, "the Powerwall has not said its reserve yet"
		return
	}
	switch b.Mode {
	case "autonomous":
		st.problem(WrongMode, "the Powerwall is in autonomous mode: the reserve is only a floor; set it to self_consumption")
	case "backup":
		st.problem(WrongMode, "the Powerwall is in backup mode: the reserve has no effect; set it to self_consumption")
	}
	st.d.Why = fmt.Sprintf("reserve %d %%", want)
	if b.Charge != nil && b.Age < tooOld {
		st.d.Why += fmt.Sprintf(", battery %.0f %%", *b.Charge)
	}
	// A write that may still land must be overtaken even if the device shows
	// the right value at this moment.
	outstanding := k.Wanted != nil && !k.Confirmed && *k.Wanted != want && (b.Polled.Sub(k.WrittenAt) < overdue || st.Pending[Powerwall].ID != "")
	if *shown == want && !outstanding && (b.Reserve != nil || k.Confirmed) {
		if k.Wanted == nil || *k.Wanted != want {
			// Adopted: it is what the rules want, whoever set it.
			if k.Wanted != nil {
				k.WrittenAt = time.Time{}
			}
			k.Wanted, k.Before, k.Asked, k.Confirmed = &want, nil, nil, true
			k.AtPeak = p.Discharge && want != st.offPeakReserve()
		}
		return
	}
	if st.doubted(Powerwall) && (p.Phase != OffPeak || k.Wanted != nil && *k.Wanted == want) {
		return // the next reading tells whether a person has it; what has to go back does
	}
	if k.Wanted != nil && *k.Wanted == want && !st.mayRetry(Powerwall, b.Polled) {
		return
	}
	st.setReserve(want, *shown)
}

// putBack gives the battery the reserve that a person chose, after a write of
// ours has landed over it.
func (st *step) putBack() {
	k, b := &st.Kept.Battery, st.Battery
	theirs := k.Taken.Reserve
	if theirs == nil || k.Wanted == nil || b.Reserve == nil || b.owner() != "" || *b.Reserve == *theirs {
		return
	}
	if again := *k.Wanted == *theirs; !again && *b.Reserve != *k.Wanted || again && !st.mayRetry(Powerwall, b.Polled) {
		return
	}
	if *theirs > deviceLimit && *theirs < 100 {
		return // nothing between can be asked for
	}
	w := Write{Target: Powerwall, Reserve: theirs, Goal: Restore, Why: fmt.Sprintf("reserve %d %%, was %d %%: a person had set it just before", *theirs, *b.Reserve)}
	if *k.Wanted != *theirs {
		st.note(NoteReserve, Powerwall, "%s", w.Why)
		k.Asked = append(slices.Clone(k.Asked), *k.Wanted) // it shows until this has landed
	}
	k.Wanted, k.WrittenAt, k.Confirmed = theirs, st.now, false
	st.send(w)
}

// shownReserve is what the Powerwall says that its reserve is. While it leaves
// that out, what we last asked for counts: a reserve of ours has to go back,
// and a write that was not needed does no harm. Nil: nobody knows.
func (st *step) shownReserve() *int {
	k := st.Kept.Battery
	switch {
	case st.Battery.Reserve != nil:
		return st.Battery.Reserve
	case k.Wanted != nil:
		return k.Wanted
	case k.AtPeak:
		return &st.Settings.PeakReserve
	}
	return nil
}

func (st *step) setReserve(want, shown int) {
	k := &st.Kept.Battery
	w := Write{Target: Powerwall, Reserve: &want, Goal: Restore, Why: fmt.Sprintf("reserve %d %%, was %d %%: %s", want, shown, st.phaseText())}
	if st.plan.Discharge {
		w.Goal = Setback
	}
	if !st.Settings.DryRun {
		if k.Wanted == nil || *k.Wanted != want || k.Confirmed {
			if k.Wanted != nil && !k.Confirmed {
				k.Asked = append(slices.Clone(k.Asked), *k.Wanted)
			}
			k.Before = &shown
			st.Pending = without(st.Pending, Powerwall)
			st.note(NoteReserve, Powerwall, "%s", w.Why)
		}
		k.Wanted, k.WrittenAt, k.Confirmed = &want, st.now, false
		if want != st.offPeakReserve() {
			k.AtPeak = true
		}
	}
	st.send(w)
}

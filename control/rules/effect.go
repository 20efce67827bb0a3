package rules

import (
	"fmt"
	"time"

	"powermgr/devices"
)

// A Powerwall can accept a reserve, show it, and not go by it. What it does is
// judged by its power: in a peak it is not to leave the home to the grid while it
// has charge, and at no time to discharge far below its reserve.

// Idle is since when a battery has not gone by the reserve that it shows.
type Idle struct {
	Since time.Time // of the first reading that shows it; zero: it does
	Last  time.Time // of the last one
	Again bool      // the reserve has been sent once more
}

const (
	// clearPower is from how many watts a flow is no measuring error.
	clearPower = 300.0
	// idlePower is up to how many watts a battery does nothing.
	idlePower = 100.0
	// clearCharge is how far its charge has to be from the reserve, percent.
	clearCharge = 10.0
)

// judgeEffect folds what a reading says of whether the battery goes by the reserve
// that was asked for and is shown.
func (st *step) judgeEffect(b Battery) {
	k, i := st.Persisted.Battery, st.Idle
	switch {
	case !st.ignores(b):
		st.Idle = Idle{}
	case i.Since.IsZero() || b.AsOf.Sub(i.Last) > devices.ComparableWithin || b.AsOf.Before(i.Last) || i.Since.Before(k.WrittenAt) && !i.Again:
		st.Idle = Idle{Since: b.AsOf, Last: b.AsOf}
	default:
		st.Idle.Last = b.AsOf
	}
}

// ignores reports whether a reading shows a battery that does not go by its reserve.
func (st *step) ignores(b Battery) bool {
	k := st.Persisted.Battery
	switch {
	case b.Age >= devices.TooOld || b.Charge == nil || b.PowerW == nil || b.GridW == nil || b.Reserve == nil:
		return false
	case k.Wanted.Reserve == nil || !k.Confirmed || *k.Wanted.Reserve != *b.Reserve || k.Choice != nil || b.owner() != "":
		return false
	case b.Mode != "" && b.Mode != string(devices.SelfConsumption):
		return false // the mode is to blame, and is a problem of its own
	}
	above := *b.Charge - float64(*b.Reserve)
	return above >= clearCharge && *b.GridW >= clearPower && *b.PowerW <= idlePower && st.plan.Discharge ||
		above <= -clearCharge && *b.PowerW >= clearPower
}

// effect sends the reserve once more to a battery that does not go by it, and
// says that it does not.
func (st *step) effect(want int) {
	b, i := st.Battery, st.Idle
	const subject = "effect"
	if i.Since.IsZero() || i.Last.Sub(i.Since) < devices.NoEffectAfter {
		st.unsay(subject)
		return
	}
	does := "lets the home run on the grid"
	if *b.PowerW > idlePower {
		does = "discharges anyway"
	}
	why := fmt.Sprintf("the Powerwall shows a reserve of %d %% but does not follow it: at %.0f %% it %s", want, *b.Charge, does)
	st.problem(NotObeyed, why+"; powermgr has sent the reserve once more. If this goes on, set a different reserve or mode in the Tesla app and then change it back, or restart the Powerwall")
	if !i.Again && st.Pending[Powerwall].ID == "" {
		st.Idle.Again = true
		st.say(subject, NoteReserve, Powerwall, "%s; powermgr sends it once more", why)
		st.repeat(want, why)
	}
}

// repeat sends a reserve once more that the battery shows already.
func (st *step) repeat(want int, why string) {
	w := Write{Target: Powerwall, Reserve: &want, Goal: st.goalOfReserve(want), Why: why}
	if !st.Settings.DryRun {
		k := &st.Persisted.Battery
		k.WrittenAt, k.Flights = st.now, k.sending(FlightOf(want, want, st.now), st.now)
	}
	st.send(w)
}

package rules

import (
	"fmt"
	"time"

	"powermgr/devices"
)

// A Powerwall can accept a reserve, show it, and not follow it. Whether it does is judged
// by its power: in a peak it must not leave the home to the grid while it has charge, and
// it must never discharge far below its reserve.

// Idle says since when a battery has not followed the reserve that it shows.
type Idle struct {
	Since time.Time // of the first reading that shows this; zero: it follows the reserve
	Last  time.Time // of the last such reading
	Again bool      // the reserve has been sent once more
}

const (
	// clearPower is the power, in watts, from which a flow is not a measurement error.
	clearPower = 300.0
	// idlePower is the power, in watts, up to which a battery counts as doing nothing.
	idlePower = 100.0
	// clearCharge is how far the charge has to be from the reserve, in percent.
	clearCharge = 10.0
)

// judgeEffect tracks whether the battery follows the reserve that was asked for and is
// shown.
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

// ignores reports whether a reading shows a battery that does not follow its reserve.
func (st *step) ignores(b Battery) bool {
	k := st.Persisted.Battery
	switch {
	case b.Age >= devices.TooOld || b.Charge == nil || b.PowerW == nil || b.GridW == nil || b.Reserve == nil:
		return false
	case k.Wanted.Reserve == nil || !k.Confirmed || *k.Wanted.Reserve != *b.Reserve || k.Choice != nil || b.owner() != "":
		return false
	case b.Mode != "" && b.Mode != string(devices.SelfConsumption):
		return false // the mode is to blame, and is reported as a separate problem
	}
	above := *b.Charge - float64(*b.Reserve)
	return above >= clearCharge && *b.GridW >= clearPower && *b.PowerW <= idlePower && st.plan.Discharge ||
		above <= -clearCharge && *b.PowerW >= clearPower
}

// effect reports that a battery does not follow its reserve. It returns why the reserve is
// to be sent once more; empty: it is not.
func (st *step) effect(want int) (why string) {
	b, i := st.Battery, st.Idle
	if i.Since.IsZero() || i.Last.Sub(i.Since) < devices.NoEffectAfter {
		st.clearNote(effectNote)
		return ""
	}
	does := "lets the home run on the grid"
	if *b.PowerW > idlePower {
		does = "discharges anyway"
	}
	why = fmt.Sprintf("the Powerwall shows a reserve of %d %% but does not follow it: at %.0f %% it %s", want, *b.Charge, does)
	st.problem(NotObeyed, why+"; powermgr has sent the reserve once more. If this goes on, set a different reserve or mode in the Tesla app and then change it back, or restart the Powerwall")
	if i.Again || st.Pending[Powerwall].ID != "" {
		return ""
	}
	return why
}

// effectNote is the subject of the note about it.
const effectNote = "effect"

// repeat sends once more a reserve that the battery already shows.
func (st *step) repeat(want int, why string) {
	st.Idle.Again = true
	st.noteOnce(effectNote, NoteReserve, Powerwall, "%s; powermgr sends it once more", why)
	w := Write{Target: Powerwall, Reserve: &want, Goal: st.goalOfReserve(want), Why: why}
	if !st.Settings.DryRun {
		k := &st.Persisted.Battery
		k.WrittenAt, k.Flights = st.now, k.sending(FlightOf(want, want, st.now), st.now)
	}
	st.send(w)
}

package rules

import (
	"cmp"
	"fmt"
)

// What a thermostat is still owed after a person has changed a part of what the
// rules set. Somebody who switches it off and on again has chosen its mode, and
// somebody who moves one of its two set points has chosen that one. A set point
// that only the rules moved is given back all the same, once the window ends.

// mode is the mode that the thermostat was in when it was last seen.
func (touch Touch) mode() string { return cmp.Or(touch.Mode, touch.Baseline.Mode) }

// seenIn is the mode whose set points tell what a reading means: in another mode
// than that of the baseline both count.
func (touch Touch) seenIn(t Thermostat) string {
	if t.Mode == touch.Baseline.Mode || t.Mode == modeOff {
		return touch.Baseline.Mode
	}
	return modeHeatCool
}

// switched leaves a thermostat to the person who changed its mode. What the
// rules moved is still to be given back.
func (st *step) switched(id string, t Thermostat, h Home) Home {
	touch, awaited := *h.Touch, h.Touch.Mode != "" && st.plan.Phase == OffPeak
	if !awaited { // what is given back then is no choice to leave alone
		st.takeThermostat(id, fmt.Sprintf("mode changed from %s to %s", touch.mode(), t.Mode))
	}
	touch.Mode = t.Mode
	return st.owe(id, h, &touch)
}

// chosen leaves a thermostat to the person who set it to what t shows.
func (st *step) chosen(id string, t Thermostat, h Home) {
	st.takeThermostat(id, "set to "+t.text())
	st.owe(id, h, h.Touch.left(t))
}

// owe notes what of h is still to be given back, after a person has taken the
// thermostat; nil is nothing.
func (st *step) owe(id string, h Home, touch *Touch) Home {
	taken := st.Kept.Homes[id]
	taken.Touch = touch
	if touch != nil && taken.Event.IsZero() {
		taken.Event = h.Event
	}
	st.keep(id, taken)
	return taken
}

// left is what is still to be given back after a person has set a thermostat to
// what t shows: a set point that is where the rules had put it, under a hold that
// stayed as it was. One that ends by itself leaves nothing behind.
func (touch Touch) left(t Thermostat) *Touch {
	if !touch.Confirmed || t.Hold != touch.Wanted.Hold || !t.lasts() {
		return nil
	}
	own := func(was, wanted, shown *float64) (v *float64, owed bool) {
		if was == nil || shown == nil || !near(wanted, shown) || near(was, shown) {
			return shown, false
		}
		return was, true
	}
	cool, coolOwed := own(touch.Baseline.Cool, touch.Wanted.Cool, t.Cool)
	heat, heatOwed := own(touch.Baseline.Heat, touch.Wanted.Heat, t.Heat)
	switch back := (Setting{Cool: cool, Heat: heat}); { // theirs does not give way
	case coolOwed && !heatOwed:
		back, _ = t.apart(modeHeat, back)
		cool = back.Cool
	case heatOwed && !coolOwed:
		back, _ = t.apart(modeCool, back)
		heat = back.Heat
	}
	if near(cool, t.Cool) && near(heat, t.Heat) {
		return nil
	}
	next := *touch.ours()
	next.Baseline = Baseline{Setting: Setting{Cool: cool, Heat: heat, Hold: t.Hold}, Mode: touch.seenIn(t)}
	next.Wanted, next.Before, next.Asked, next.Confirmed, next.Mode = t.Setting, t.Setting, nil, true, t.Mode
	return &next
}

// but is what is still to be given back after a person's command for one setting
// has been carried out.
func (touch Touch) but(setting string, t Thermostat) *Touch {
	touch.Mode = touch.mode()
	switch base := &touch.Baseline.Setting; {
	case setting == "mode":
		return &touch
	case !touch.Wanted.lasts():
		return nil
	case setting == "cool_setpoint", setting == "setpoint" && t.Mode == modeCool:
		base.Cool = touch.Wanted.Cool
	case setting == "heat_setpoint", setting == "setpoint" && t.Mode == modeHeat:
		base.Heat = touch.Wanted.Heat
	default:
		return nil
	}
	if samePoints(modeHeatCool, touch.Baseline.Setting, touch.Wanted) {
		return nil
	}
	return &touch
}

// lasts reports whether a setting stays until somebody changes it.
func (s Setting) lasts() bool { return s.Hold == HoldPermanent || s.Hold == "" }

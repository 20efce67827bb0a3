package rules

import (
	"cmp"

	"powermgr/devices"
)

// What is still to be restored on a thermostat after a person has changed a part of what
// the rules set. Somebody who switches it off and on again has chosen its mode, and
// somebody who moves one of its two set points has chosen that one. A set point that only
// the rules moved is still restored once the window ends.

// mode returns the mode that the thermostat was in when it was last seen.
func (claim Claim) mode() devices.HVACMode { return cmp.Or(claim.Mode, claim.Baseline.Mode) }

// seenIn returns the mode whose set points count when a reading is compared: in a mode
// other than that of the baseline, both do.
func (claim Claim) seenIn(t Thermostat) devices.HVACMode {
	if t.Mode == claim.Baseline.Mode || t.Mode == devices.Off {
		return claim.Baseline.Mode
	}
	return devices.HeatCool
}

// nearestIn returns the mode whose set point stays when two that are restored are closer
// together than the thermostat accepts: the current mode or, if that uses both, the mode
// of the baseline.
func (claim Claim) nearestIn(t Thermostat) devices.HVACMode {
	if t.Mode.Cools() != t.Mode.Heats() {
		return t.Mode
	}
	return claim.Baseline.Mode
}

// switched leaves a thermostat to the person who changed its mode. What the rules moved
// is still to be restored.
func (st *step) switched(id string, t Thermostat, h ThermostatRecord, what string) {
	if st.neverReached(id, t) {
		st.yieldThermostat(id, what)
		return
	}
	claim, sent, awaited := *h.Claim, st.Pending[id], h.Claim.Mode != "" && st.plan.Phase == OffPeak
	if !awaited { // off peak, a change of the mode that was waited for is not a choice to leave alone
		st.yieldThermostat(id, what)
	}
	claim.Mode = t.Mode
	st.owe(id, h, &claim)
	if claim.Kind == Restore && sent.ID != "" && st.plan.Phase == OffPeak {
		st.Pending = with(st.Pending, id, sent) // it is on its way, and would be sent once more at once
	}
}

// owe records what is still to be restored after a person has taken the thermostat with
// the record h; nil: nothing.
func (st *step) owe(id string, h ThermostatRecord, claim *Claim) {
	yielded := st.Persisted.Thermostats[id]
	yielded.Claim = claim
	if claim != nil && yielded.Window.IsZero() {
		yielded.Window = h.Window
	}
	st.keep(id, yielded)
}

// owed returns what is still to be restored after a person has set a thermostat to what t
// shows: a set point that is still where the rules had put it, under a hold that has not
// changed. A hold that ends by itself leaves nothing to restore.
func (claim Claim) owed(t Thermostat) *Claim {
	if !claim.Confirmed || t.Hold != claim.Wanted.Hold || !t.Lasts() {
		return nil
	}
	own := func(was, wanted, shown *float64) (v *float64, owed bool) {
		if was == nil || shown == nil || !devices.SamePoint(wanted, shown) || devices.SamePoint(was, shown) {
			return shown, false
		}
		return was, true
	}
	cool, coolOwed := own(claim.Baseline.Cool, claim.Wanted.Cool, t.Cool)
	heat, heatOwed := own(claim.Baseline.Heat, claim.Wanted.Heat, t.Heat)
	switch back := (devices.Setting{Cool: cool, Heat: heat}); { // the set point that the person chose does not give way
	case coolOwed && !heatOwed:
		back, _ = t.apart(devices.Heat, back)
		cool = back.Cool
	case heatOwed && !coolOwed:
		back, _ = t.apart(devices.Cool, back)
		heat = back.Heat
	}
	if devices.SamePoint(cool, t.Cool) && devices.SamePoint(heat, t.Heat) {
		return nil
	}
	next := claim.withoutCommand()
	next.Baseline = Baseline{Setting: devices.Setting{Cool: cool, Heat: heat, Hold: t.Hold}, Mode: claim.seenIn(t)}
	next.Wanted, next.Before, next.Flights, next.Confirmed, next.Mode = t.Setting, t.Setting, nil, true, t.Mode
	return &next
}

// owedAfter returns what is still to be restored after a person's command for one setting
// has been carried out.
func (claim Claim) owedAfter(setting string, t Thermostat) *Claim {
	if setting != "mode" && claim.Wanted.Lasts() && t.Mode == claim.mode() && !devices.SamePoints(claim.Wanted, t.Setting, devices.HeatCool) {
		return claim.owed(t) // a reading shows what the command has changed
	}
	claim.Mode = claim.mode()
	switch base := &claim.Baseline.Setting; {
	case setting == "mode":
		return &claim
	case !claim.Wanted.Lasts():
		return nil
	case setting == "cool_setpoint", setting == "setpoint" && t.Mode == devices.Cool:
		base.Cool = claim.Wanted.Cool
	case setting == "heat_setpoint", setting == "setpoint" && t.Mode == devices.Heat:
		base.Heat = claim.Wanted.Heat
	default:
		return nil
	}
	if devices.SamePoints(claim.Baseline.Setting, claim.Wanted, devices.HeatCool) {
		return nil
	}
	return &claim
}

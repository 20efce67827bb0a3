package simulation

// I3: nothing is written over a person's choice that powermgr knows of.

import (
	"slices"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// judgeReserveIsFree judges that a reserve is commanded only while neither a person nor
// Tesla has the battery.
func (w *oracle) judgeReserveIsFree(c reserveCommand) (broken bool) {
	now := time.Now()
	recalled := !w.reallyOwned && w.booted.After(w.battery) // a daemon that died had read that, and told its journal alone
	switch {
	case w.owner && now.Sub(w.owned) > 2*moments && !recalled:
		w.broken(I3, "a reserve of %d %% was commanded while the battery is Tesla's", c.Value)
	case !w.choice.IsZero() && !c.restoresChoice && w.choice.Before(now.Add(-2*moments)) && !w.apart(now):
		w.broken(I3, "a reserve of %d %% was commanded; the battery has been a person's since %s", c.Value, w.choice.In(zone()).Format("15:04:05"))
	default:
		return false
	}
	return true
}

// judgeThermostatIsFree judges that a thermostat is commanded only while no person has
// it, or to put back what people have chosen.
func (w *oracle) judgeThermostatIsFree(d *thermostatOracle, c command) {
	restoresChoice := c.restore && slices.ContainsFunc(d.choices, func(choice setting) bool {
		ended := !w.jumped.IsZero() && choice.timed() && c.setting.Hold == devices.HoldSchedule // by a wrong clock
		choice = choice.aged(c.at)
		if w.far && choice.timed() && c.setting.timed() {
			choice.Until = c.setting.Until // a device knows no day
		}
		return ended || slices.ContainsFunc(choice.taken(d.gap), c.setting.same)
	})
	if !d.taken.IsZero() && d.taken.Before(c.at.Add(-2*moments)) && !restoresChoice && !w.apart(c.at) {
		w.broken(I3, "%s has been a person's since %s: %s", d.id, d.taken.In(zone()).Format("15:04:05"), c.reason)
	}
}

// judgeCarriedOut judges that a person's command to a thermostat that was accepted is
// carried out, unless something keeps the thermostat from it.
func (w *oracle) judgeCarriedOut(d *thermostatOracle, r devices.Result, m bus.Message) {
	if now := time.Now(); r.Applied != nil && r.Reason != "" && w.undisturbed(d, now) && now.Sub(w.slow) > devices.AnswerWithin {
		w.broken(I3, "what a person asked of %s was not carried out: %s", d.id, m.Payload)
	}
}

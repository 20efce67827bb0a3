package simulation

// What the oracle makes of each message about a thermostat.

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// thermostatSays is told of what the daemon says about one of them.
func (w *oracle) thermostatSays(d *thermostatOracle, name string, m bus.Message) {
	switch {
	case name == devices.StateLeaf:
		w.thermostatState(d, m)
	case name == "hold"+devices.Set && m.Source == devices.SourceControl:
		w.holdCommand(d, m.Payload)
	case strings.HasSuffix(name, devices.ResultSuffix):
		w.thermostatResult(d, name, m)
	}
}

func (w *oracle) thermostatState(d *thermostatOracle, m bus.Message) {
	r, err := bus.Decode[devices.ThermostatReading](m)
	if err != nil || !d.complete(r) {
		return
	}
	hold := d.holdShown(r)
	if d.bare && r.SchedulePeriod != d.period && d.period != "" {
		d.unseen = nil // it looks as if the schedule had moved on
	}
	d.period = r.SchedulePeriod
	repeated := r.PolledAt.Equal(d.polledAt) // as powermgr does after a refused command
	d.polledAt = r.PolledAt
	now := time.Now()
	if !repeated {
		w.answered = now
	}
	d.lastAt = d.shownAt
	d.shown, d.shownAt = setting{Mode: *r.Mode, Cool: *r.CoolSetpoint, Heat: *r.HeatSetpoint, Hold: hold}, now
	if r.HoldUntil != nil {
		d.shown.Until = *r.HoldUntil
	}
	d.automatic.shown = d.automatic.shown || d.shown.same(d.automatic.setting)
	if r.Alive && !r.UtilityEvent && hold != devices.HoldVacation {
		w.ownShown(d, repeated, now)
	}
}

// complete reports whether a reading says all that there is to say of a thermostat: one
// that has said a hold before may leave it out.
func (d *thermostatOracle) complete(r devices.ThermostatReading) bool {
	return r.Mode != nil && r.CoolSetpoint != nil && r.HeatSetpoint != nil && (r.Hold != nil || len(r.Holds) == 0 && !d.holds)
}

// holdShown is the hold that a reading shows; a thermostat without holds keeps what it
// is told.
func (d *thermostatOracle) holdShown(r devices.ThermostatReading) devices.Hold {
	d.holds = d.holds || r.Hold != nil && *r.Hold != devices.HoldVacation // which those without holds show as well
	d.bare = !d.holds
	if r.Hold == nil {
		return devices.HoldPermanent
	}
	return *r.Hold
}

// ownShown notes what a thermostat shows that is there, and that neither a vacation nor
// the utility has.
func (w *oracle) ownShown(d *thermostatOracle, repeated bool, now time.Time) {
	if d.known.Before(w.booted) {
		d.known = now
	}
	before, earlier := d.own, d.ownBefore
	if !repeated {
		d.own, d.ownBefore = d.shown, before
	}
	if d.sightings == 1 && !d.taken.IsZero() && !d.first.aged(now).same(d.shown) && !d.undone() {
		d.taken = time.Time{} // one reading that no other one confirms decides nothing
	}
	if d.unseen != nil && d.unseen.aged(now).same(d.shown) {
		w.sees(d, before, earlier, now)
	}
	if !d.taken.IsZero() && !repeated {
		if d.sightings++; d.sightings == 2 {
			d.proved = now
		}
	}
}

// sees notes that powermgr has been shown a person's choice.
// It showed before at the last reading, and earlier at the one before that.
func (w *oracle) sees(d *thermostatOracle, before, earlier setting, now time.Time) {
	choice, means := *d.unseen, d.means
	d.unseen, d.means = nil, nil
	if w.explained(d, choice, before, earlier, now) {
		return
	}
	if means == nil {
		means = append(d.parts(before, choice), choice)
	}
	d.replace(means...)
	if d.firstAt.Equal(d.lastAt) && !d.firstAt.IsZero() && choice.same(d.untaken) {
		d.taken = time.Time{} // one reading that no other one confirms decides nothing
		return
	}
	asleep := d.chosen.Before(d.known) && !d.over // it was made while nobody looked, at a thermostat that was left alone
	if d.taken.IsZero() && !asleep {
		d.taken, d.untaken, d.first, d.firstAt, d.sightings = now, before, choice, now, 0
	}
}

// explained reports whether all that powermgr has been shown has an explanation other
// than choice: nobody could tell that a person has made it.
func (w *oracle) explained(d *thermostatOracle, choice, before, earlier setting, now time.Time) bool {
	a := d.automatic
	lapsed := func(s setting) bool {
		return s.over(now.Add(time.Minute)) || s.timed() && !w.jumped.IsZero() // nobody knows with a wrong clock
	}
	switch {
	case choice.same(a.setting):
		return true // it is what the rules asked for too: nobody could tell whose it is
	case !a.at.IsZero() && !a.shown && choice.same(a.before):
		return true // it looks as if the write of the rules had not landed yet
	case d.back && d.chosen.Before(w.booted):
		return true // it looks as if an earlier life had given it back
	case choice.over(now):
		return true // it is no more
	case choice.same(before):
		return true // it was another for a while, and no reading has shown that
	case choice.same(earlier) && before.in(choice.Mode).same(choice) && before.Mode != choice.Mode && a.at.IsZero():
		return true // it was in another mode at one reading alone, which decides nothing
	case choice.Hold == devices.HoldSchedule && (lapsed(a.setting) || lapsed(a.before) || lapsed(before) || lapsed(d.earlier)):
		return true // it looks as if a hold had ended by itself
	case choice.Hold == devices.HoldSchedule && d.chosen.Before(d.known):
		return true // it looks as if the device had fallen to its schedule while nobody was there
	}
	return false
}

// holdCommand is told of an automatic command for a hold.
func (w *oracle) holdCommand(d *thermostatOracle, payload []byte) {
	var p struct {
		Value    devices.Hold `json:"value"`
		Until    time.Time    `json:"until"`
		Cool     float64      `json:"cool_setpoint"`
		Heat     float64      `json:"heat_setpoint"`
		Restores bool         `json:"restores"`
		Reason   string       `json:"reason"`
	}
	if json.Unmarshal(payload, &p) != nil {
		return
	}
	now := time.Now()
	if d.bare {
		p.Value = devices.HoldPermanent
	}
	c := command{at: now, before: d.shown, setting: setting{d.shown.Mode, p.Cool, p.Heat, p.Value, p.Until}, restore: p.Restores, reason: p.Reason}
	w.limits.command = now
	w.line("  command: %s", c.reason)
	if !c.restore && !slices.ContainsFunc(d.choices, c.setting.equal) { // which people have chosen themselves
		d.automatics = append(d.automatics, c.setting)
	}
	last := d.automatic
	d.automatic, d.earlier = c, last.setting
	w.judgeHoldWhileStopped(d, c)
	w.judgePrecooling(d, c)
	w.judgeThermostatIsFree(d, c)
	w.judgeHoldIsNeeded(d, c, last)
}

// thermostatResult is told how a person's command was answered.
func (w *oracle) thermostatResult(d *thermostatOracle, name string, m bus.Message) {
	r, err := bus.Decode[devices.Result](m)
	if err != nil || rules.OwnCommand(r.ID) {
		return
	}
	w.line("  %s %s", name, m.Payload)
	if name == "fan"+devices.ResultSuffix || !r.Accepted {
		return
	}
	if !r.Final {
		d.taken, d.unseen, d.sightings = time.Now(), nil, 2
		return
	}
	w.judgeCarriedOut(d, r, m)
	shown := d.afterVacation()
	d.bounds(shown)
	kept, means := d.meant(name, shown)
	if r.Applied != nil && r.Reason == "" && name != "hold"+devices.ResultSuffix {
		d.replace(kept...)
	}
	d.choices = append(d.choices, means...)
	if shown.timed() {
		// What ends at the next period of the schedule looks like what it
		// has replaced until it has landed.
		d.choices = append(d.choices, setting{shown.Mode, shown.Cool, shown.Heat, devices.HoldTemporary, time.Time{}})
	}
}

// meant is what people may want whose command has had this result: kept is what is left
// of what they wanted before, means is what the command may mean.
func (d *thermostatOracle) meant(result string, shown setting) (kept, means []setting) {
	if result == "mode"+devices.ResultSuffix { // what else they had is still to be given back
		means = d.moded(shown)
		if !d.byRules(shown) || d.hasBack(shown) {
			means = append(means, shown)
		}
		return nil, means
	}
	kept, means = d.parts(unsaid(d.automatic.setting, result), shown), []setting{shown}
	for _, c := range d.choices { // a mode that they have chosen may show late
		means = append(means, shown.in(c.Mode))
	}
	return kept, means
}

// unsaid is s without the set point that a command's result is about, which is
// not what it was even if it is the same.
func unsaid(s setting, result string) setting {
	switch strings.TrimSuffix(result, devices.ResultSuffix) {
	case "cool_setpoint":
		s.Cool = math.NaN()
	case "heat_setpoint":
		s.Heat = math.NaN()
	case "setpoint":
		s.Cool, s.Heat = math.NaN(), math.NaN()
	}
	return s
}

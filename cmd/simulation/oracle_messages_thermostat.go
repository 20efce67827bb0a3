package simulation

// What the oracle concludes from each message about a thermostat.

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

// thermostatSays notes what the daemon publishes about one thermostat.
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
	if err != nil {
		return
	}
	if d.partly = !d.complete(r); d.partly {
		return
	}
	hold := d.holdShown(r)
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
		if d.bare && r.SchedulePeriod != d.period && d.period != "" {
			d.unseen = nil // it looks as if the schedule had changed the setting
		}
		d.period = r.SchedulePeriod
		w.ownShown(d, repeated, now)
	}
}

// complete reports whether a reading has all values of a thermostat. One that has never
// shown a hold may leave it out.
func (d *thermostatOracle) complete(r devices.ThermostatReading) bool {
	return r.Mode != nil && r.CoolSetpoint != nil && r.HeatSetpoint != nil && (r.Hold != nil || len(r.Holds) == 0 && !d.holds)
}

// holdShown returns the hold that a reading shows; a thermostat without holds keeps what
// it is set to.
func (d *thermostatOracle) holdShown(r devices.ThermostatReading) devices.Hold {
	d.holds = d.holds || r.Hold != nil && *r.Hold != devices.HoldVacation // which thermostats without holds show as well
	d.bare = !d.holds
	if r.Hold == nil {
		return devices.HoldPermanent
	}
	return *r.Hold
}

// ownShown notes what a thermostat shows while it is online and has no owner: neither a
// vacation nor the utility.
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
		if d.covered {        // and a write that is repeated has replaced what it showed
			d.choices = append(d.choices, d.past...)
		}
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

// sees notes that powermgr has been shown a person's choice. before is what the last
// reading showed, earlier the one before that.
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
	asleep := d.chosen.Before(d.known) && !d.over // it was made while no daemon was reading, at a thermostat that the rules had left alone
	if d.taken.IsZero() && !asleep {
		d.taken, d.untaken, d.first, d.firstAt, d.sightings = now, before, choice, now, 0
	}
}

// explained reports whether everything that powermgr has been shown has an explanation
// other than choice: then it cannot know that a person has made it.
func (w *oracle) explained(d *thermostatOracle, choice, before, earlier setting, now time.Time) bool {
	a := d.automatic
	lapsed := func(s setting) bool {
		return s.over(now.Add(time.Minute)) || s.timed() && !w.jumped.IsZero() // with a wrong clock this is not known
	}
	asked := a.setting
	if !w.jumped.IsZero() && asked.timed() && choice.timed() {
		asked.Until = choice.Until // a device knows no day, and a wrong clock may mean another one
	}
	switch {
	case choice.same(asked):
		return true // the rules asked for the same: it cannot be told whose it is
	case !a.at.IsZero() && !a.shown && choice.same(a.before):
		return true // it looks as if the write of the rules had not landed yet
	case d.back && d.chosen.Before(w.booted):
		return true // it looks as if an earlier process had restored it
	case choice.over(now):
		return true // it has ended
	case choice.same(before):
		return true // there was another choice for a while, but no reading has shown it
	case choice.same(earlier) && before.in(choice.Mode).same(choice) && before.Mode != choice.Mode && a.at.IsZero():
		return true // it was in another mode at only one reading, which decides nothing
	case choice.Hold == devices.HoldSchedule && (lapsed(a.setting) || lapsed(a.before) || lapsed(before) || lapsed(d.earlier)):
		return true // it looks as if a hold had ended by itself
	case choice.Hold == devices.HoldSchedule && d.chosen.Before(d.known):
		return true // it looks as if the device had dropped to its schedule while no daemon was running
	}
	return false
}

// holdCommand judges an automatic command for a hold.
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
	w.limits.commanded()
	w.line("  command: %s", c.reason)
	if !c.restore && !slices.ContainsFunc(d.choices, c.setting.equal) { // people have chosen such a setting themselves
		d.automatics = append(d.automatics, c.setting)
	}
	last := d.automatic
	d.automatic, d.earlier = c, last.setting
	w.judgeHoldWhileStopped(d, c)
	w.judgePrecooling(d, c)
	w.judgeThermostatIsFree(d, c)
	w.judgeHoldIsNeeded(d, c, last)
}

// thermostatResult notes how a person's command was answered.
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
		d.choices = append(d.choices, d.ifCarriedOut(name, r.Requested)...) // a daemon that dies gives no final answer
		return
	}
	w.judgeCarriedOut(d, r, m)
	if d.partly { // what else it shows is not known
		d.choices = append(d.choices, d.ifCarriedOut(name, r.Requested)...)
		return
	}
	shown := d.afterVacation()
	d.bounds(shown)
	kept, means := d.meant(name, shown)
	hold, mode := name == "hold"+devices.ResultSuffix, name == "mode"+devices.ResultSuffix
	carriedOut := r.Applied != nil && r.Reason == ""
	if carriedOut && !hold {
		d.replace(kept...)
	}
	d.choices = append(d.choices, means...)
	if hold || carriedOut && !mode { // what the rules had set is now a person's choice as well
		d.automatics = slices.DeleteFunc(d.automatics, func(o setting) bool { return o.in(shown.Mode).equal(shown) })
	}
	if shown.timed() {
		// A hold that ends at the next period of the schedule looks like the one that it
		// has replaced until it has landed.
		d.choices = append(d.choices, setting{shown.Mode, shown.Cool, shown.Heat, devices.HoldTemporary, time.Time{}})
	}
}

// ifCarriedOut returns what people may want if their command is carried out: a set point,
// with which a hold may begin, or what they had, in another mode. It is empty for a hold.
func (d *thermostatOracle) ifCarriedOut(result string, requested any) (means []setting) {
	if mode, ok := requested.(string); ok && result == "mode"+devices.ResultSuffix {
		for _, c := range d.choices {
			if !d.byRules(c) {
				means = append(means, c.in(devices.HVACMode(mode)))
			}
		}
		return means
	}
	v, ok := requested.(float64)
	if !ok {
		return nil
	}
	for _, c := range d.choices {
		switch strings.TrimSuffix(result, devices.ResultSuffix) {
		case "cool_setpoint":
			c.Cool = v
		case "heat_setpoint":
			c.Heat = v
		default:
			return nil
		}
		held := c
		held.Hold, held.Until = devices.HoldTemporary, time.Time{}
		means = append(means, c, held)
	}
	return means
}

// meant returns what people may want if their command has had this result: kept is what
// remains of what they wanted before, means is what the command may mean.
func (d *thermostatOracle) meant(result string, shown setting) (kept, means []setting) {
	if result == "mode"+devices.ResultSuffix { // the rest of what they had is still to be restored
		means = d.moded(shown)
		if !d.byRules(shown) || d.hasBack(shown) {
			means = append(means, shown)
		}
		return nil, means
	}
	kept, means = d.parts(unsaid(d.automatic.setting, result), shown), []setting{shown}
	for _, c := range d.choices { // a mode that they have chosen may be shown late
		means = append(means, shown.in(c.Mode))
	}
	return kept, means
}

// unsaid returns s without the set point that a command's result is about: that set point
// is newly chosen even if its value is the same.
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

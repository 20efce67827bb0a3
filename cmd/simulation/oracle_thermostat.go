package simulation

// What the oracle knows about one thermostat.

import (
	"slices"
	"strconv"
	"time"

	"powermgr/devices"
)

// thermostatOracle is what is known about one thermostat.
type thermostatOracle struct {
	id        string
	unit      devices.Unit
	gap       float64   // the least distance that it keeps between its set points
	bare      bool      // it has no holds: it keeps what it is set to
	partly    bool      // the last reading leaves out a part of its setting
	holds     bool      // it has shown one
	period    string    // of its schedule, at the last reading at which it had no owner
	choices   []setting // any of them may be what the people want
	past      []setting // what they wanted before
	unseen    *setting  // a choice that powermgr has not been shown yet
	means     []setting // what unseen means: any of these; nil: unseen itself, and what it leaves unchanged
	chosen    time.Time // when unseen was made
	overtaken bool      // a write was on its way to the thermostat when it was made
	covered   bool      // a write reached the thermostat before a reading showed it
	over      bool      // it was made over a setting of the rules
	back      bool      // and it goes back to what people had wanted before
	taken     time.Time // since when it is known that a person has it; zero: no one has

	shown      setting // at the last reading
	own        setting // at the last reading at which it had no owner: neither a vacation nor the utility
	ownBefore  setting // and at the one before that
	shownAt    time.Time
	polledAt   time.Time // when shown was polled
	proved     time.Time // when a second reading confirmed what made it taken
	known      time.Time // the first reading since the daemon started
	written    time.Time // the last write by anyone
	timed      bool      // one of them ended by itself
	automatic  command   // the last one
	sightings  int       // readings that show what made it taken; a single one may be a glitch
	untaken    setting   // what was shown before those readings
	first      setting   // what the first of them showed
	firstAt    time.Time // and when
	lastAt     time.Time // the reading before the last
	commanded  bool      // by people
	automatics []setting // what the rules have set, except what people have chosen themselves
	earlier    setting   // what the automatic command before that asked for, which may have landed or not
	low, high  float64   // bounds of cool set points, °F
	cold, hot  float64   // bounds of heat set points, °F
	scheduled  float64   // the lowest cool set point of its schedule
}

// afterVacation returns what a thermostat shows or, during a vacation, what it will have
// once that is over: a set point that was sent in the meantime, until the next period.
func (d *thermostatOracle) afterVacation() setting {
	s := d.shown
	if s.Hold == devices.HoldVacation {
		s.Hold = devices.HoldTemporary
		if d.bare {
			s.Hold = devices.HoldPermanent
		}
	}
	return s
}

// command is an automatic command.
type command struct {
	at      time.Time
	setting setting
	before  setting // what the device showed then
	restore bool
	reason  string // for the story alone
	shown   bool   // the device has shown it
}

// bounds widens the range of what may be sent by what people have chosen, and by what a
// vendor that keeps the set points apart makes of it in a mode that uses either of them.
func (d *thermostatOracle) bounds(chosen setting) {
	for _, s := range []setting{chosen, chosen.in(devices.Cool).apart(d.gap), chosen.in(devices.Heat).apart(d.gap)} {
		cool, heat := d.unit.To(devices.Fahrenheit, s.Cool), d.unit.To(devices.Fahrenheit, s.Heat)
		d.low, d.high = min(d.low, cool), max(d.high, cool)
		d.cold, d.hot = min(d.cold, heat), max(d.hot, heat)
	}
}

// coolest returns the lowest cool set point that people have chosen, in the thermostat's
// unit.
func (d *thermostatOracle) coolest() float64 {
	least := d.scheduled
	for _, c := range append(append([]setting{d.own}, d.past...), d.choices...) {
		least = min(least, c.Cool)
	}
	return least
}

// replace notes that people want something else from now on.
func (d *thermostatOracle) replace(choices ...setting) {
	d.past = append(d.past, d.choices...)
	d.choices = choices
}

// parts returns what people may want after a choice that changed a part of what the
// thermostat showed: the rest stays as they wanted it before.
func (d *thermostatOracle) parts(before, choice setting) (all []setting) {
	for _, c := range d.choices {
		p := choice
		if before.Cool == choice.Cool {
			p.Cool = c.Cool
		}
		if before.Heat == choice.Heat {
			p.Heat = c.Heat
		}
		if before.Hold == choice.Hold && before.Until.Equal(choice.Until) {
			p.Hold, p.Until = c.Hold, c.Until
		}
		all = append(all, p)
	}
	return all
}

// undone reports whether a write that was on its way when people changed the mode has
// landed, and changed it back. A vendor may accept a write only together with a mode; and
// since a single reading says that there was another one, powermgr must not change the
// mode because of it. It leaves the thermostat to the people, and says so.
func (d *thermostatOracle) undone() bool {
	if d.first.Mode == d.shown.Mode || !d.overtaken && !d.covered || !d.shown.same(d.automatic.setting) {
		return false
	}
	for _, c := range d.choices {
		d.choices = append(d.choices, c.in(d.shown.Mode))
	}
	return d.overtaken // otherwise powermgr may not have seen two readings of it
}

// byRules reports whether the rules have set these set points with this hold.
func (d *thermostatOracle) byRules(s setting) bool {
	return slices.ContainsFunc(d.automatics, func(o setting) bool { return o.in(s.Mode).equal(s) })
}

// hasBack reports whether the rules have restored what people had, as closely as the
// vendor accepts it, and these set points and this hold are the result: they count as a
// person's, although the rules had set the same before.
func (d *thermostatOracle) hasBack(s setting) bool {
	return d.automatic.restore && slices.ContainsFunc(d.choices, func(c setting) bool {
		return slices.ContainsFunc(c.taken(d.gap), func(o setting) bool { return o.in(s.Mode).equal(s) })
	})
}

// moded returns what people want if they have changed only the mode of a thermostat with
// set points of the rules: the set points are not their choice. While it is off, they may
// stay.
func (d *thermostatOracle) moded(after setting) (means []setting) {
	for _, c := range d.choices {
		if !d.byRules(c) {
			means = append(means, c.in(after.Mode))
		}
	}
	if after.Mode == devices.Off || means == nil {
		means = append(means, after)
	}
	return means
}

// chose notes a choice made at a thermostat. pending says that a write was still on its
// way there.
func (w *oracle) chose(i int, before, after setting, pending bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.homes[i]
	if before.equal(after) {
		// They want what it shows: perhaps a write of the rules has replaced another
		// choice.
		if d.byRules(after) {
			d.choices = append(d.choices, d.moded(after)...)
		} else {
			d.choices = append(d.choices, after)
		}
		return
	}
	d.bounds(after)
	back := slices.ContainsFunc(d.choices, after.same)
	var means []setting // nil: after, and what it leaves unchanged
	modeAlone := before.in(after.Mode).equal(after)
	switch {
	case modeAlone && d.byRules(after) && !d.hasBack(after):
		means = d.moded(after)
		d.choices = append(d.choices, means...)
	case modeAlone: // the rest of what they had is still to be restored
		for _, c := range append(d.choices, after) {
			d.choices = append(d.choices, c.in(after.Mode))
		}
	default:
		d.choices = append(d.choices, after)
		if !pending { // what the rules had set is now a person's choice as well
			d.automatics = slices.DeleteFunc(d.automatics, func(o setting) bool { return o.in(after.Mode).equal(after) })
		}
	}
	if before.same(after) { // a set point that the mode does not use
		if d.unseen != nil {
			d.unseen, d.means = &after, means
		}
		return
	}
	d.unseen, d.means, d.chosen = &after, means, time.Now()
	d.overtaken, d.covered = pending, false
	d.over = pending || !d.automatic.restore && before.same(d.automatic.setting)
	d.back = d.over && back
	if pending {
		d.choices = append(d.choices, before)
	}
}

// commands notes a command of a person to a thermostat. It may be sent as often as any
// other.
func (w *oracle) commands(i int, payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.homes[i].commanded = true
	w.limits.commanded()
	device := w.home.house.Thermostats[i].LCCID
	delete(w.sent, device)
	w.asked[device] = true
	if v, err := strconv.ParseFloat(payload, 64); err == nil {
		w.homes[i].bounds(setting{Cool: v, Heat: v})
	}
}

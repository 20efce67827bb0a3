package simulation

// What the oracle knows of one thermostat.

import (
	"slices"
	"strconv"
	"time"

	"powermgr/devices"
)

// thermostatOracle is what is known of one thermostat.
type thermostatOracle struct {
	id        string
	unit      devices.Unit
	gap       float64   // that it keeps between its set points
	bare      bool      // it knows no holds: what it is told it keeps
	holds     bool      // it has said one
	period    string    // of its schedule, at the last reading
	choices   []setting // any of them may be what the people want
	past      []setting // what they wanted before
	unseen    *setting  // a choice that powermgr has not been shown yet
	means     []setting // what it means: any of these; nil: itself, and what it leaves as it was
	chosen    time.Time // when it was made
	overtaken bool      // a write was on its way to the thermostat when it was made
	over      bool      // it was made over a setting of the rules
	back      bool      // and back to what they had wanted before
	taken     time.Time // since when it is known that a person has it; zero: nobody has

	shown      setting // at the last reading
	own        setting // at the last one at which neither a vacation nor the utility had it
	ownBefore  setting // and at the one before it
	shownAt    time.Time
	polledAt   time.Time // of what it shows
	proved     time.Time // when a second reading confirmed what made it taken
	known      time.Time // the first reading since the daemon started
	written    time.Time // the last write of anybody
	timed      bool      // one of them ended by itself
	automatic  command   // the last one
	sightings  int       // of what made it taken; one alone may be a glitch
	untaken    setting   // what was shown before them
	first      setting   // what the first of them showed
	firstAt    time.Time // and when
	lastAt     time.Time // the reading before the last
	commanded  bool      // by people
	automatics []setting // what the rules have set, but for what people have chosen themselves
	earlier    setting   // what the one before asked for, which may have landed or not
	low, high  float64   // bounds of cool set points, °F
	cold, hot  float64   // bounds of heat set points, °F
	scheduled  float64   // the lowest cool set point of its schedule
}

// afterVacation is what a thermostat shows, and during a vacation what it is to have
// once that is over: a set point that was sent meanwhile, until the next period.
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

// bounds widens what may be sent by what the people have chosen, and by what becomes of
// it at a vendor that keeps the set points apart, in a mode that uses either of them.
func (d *thermostatOracle) bounds(chosen setting) {
	for _, s := range []setting{chosen, chosen.in(devices.Cool).apart(d.gap), chosen.in(devices.Heat).apart(d.gap)} {
		cool, heat := d.unit.To(devices.Fahrenheit, s.Cool), d.unit.To(devices.Fahrenheit, s.Heat)
		d.low, d.high = min(d.low, cool), max(d.high, cool)
		d.cold, d.hot = min(d.cold, heat), max(d.hot, heat)
	}
}

// coolest is the lowest cool set point that people have chosen, in the thermostat's
// own unit.
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

// parts are what people may want after a choice that changed a part of what the
// thermostat showed: the rest stays what they wanted before.
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

// undone reports whether a write that was on its way when people switched the mode has
// landed, and switched it back. A vendor may take a write only with a mode; and since
// one reading alone says that there was another one, powermgr must not switch a
// thermostat because of it. It leaves the thermostat to them, and says so.
func (d *thermostatOracle) undone() bool {
	if d.first.Mode == d.shown.Mode || !d.overtaken || !d.shown.same(d.automatic.setting) {
		return false
	}
	for _, c := range d.choices {
		d.choices = append(d.choices, c.in(d.shown.Mode))
	}
	return true
}

// byRules reports whether set points and hold are some that the rules have set.
func (d *thermostatOracle) byRules(s setting) bool {
	return slices.ContainsFunc(d.automatics, func(o setting) bool { return o.in(s.Mode).equal(s) })
}

// hasBack reports whether the rules have given back what people had, as near as the
// vendor takes it, and set points and hold are that: they count as a person's, although
// the rules had set the same before.
func (d *thermostatOracle) hasBack(s setting) bool {
	return d.automatic.restore && slices.ContainsFunc(d.choices, func(c setting) bool {
		return slices.ContainsFunc(c.taken(d.gap), func(o setting) bool { return o.in(s.Mode).equal(s) })
	})
}

// moded is what people want who have changed the mode alone of a thermostat with
// set points of the rules: these are not their choice. In one that is off they may stay.
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

// chose is a choice made at a thermostat. pending says that a write was still on its
// way there.
func (w *oracle) chose(i int, before, after setting, pending bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.homes[i]
	if before.equal(after) {
		// They want what it shows: perhaps a write of the rules has hidden another choice.
		if d.byRules(after) {
			d.choices = append(d.choices, d.moded(after)...)
		} else {
			d.choices = append(d.choices, after)
		}
		return
	}
	d.bounds(after)
	back := slices.ContainsFunc(d.choices, after.same)
	var means []setting // nil: after, and what it leaves as it was
	modeAlone := before.in(after.Mode).equal(after)
	switch {
	case modeAlone && d.byRules(after) && !d.hasBack(after):
		means = d.moded(after)
		d.choices = append(d.choices, means...)
	case modeAlone: // what else they had is still to be given back
		for _, c := range append(d.choices, after) {
			d.choices = append(d.choices, c.in(after.Mode))
		}
	default:
		d.choices = append(d.choices, after)
	}
	if before.same(after) { // a set point that the mode does not use
		if d.unseen != nil {
			d.unseen, d.means = &after, means
		}
		return
	}
	d.unseen, d.means, d.chosen = &after, means, time.Now()
	d.overtaken = pending
	d.over = pending || !d.automatic.restore && before.same(d.automatic.setting)
	d.back = d.over && back
	if pending {
		d.choices = append(d.choices, before)
	}
}

// asked is a command of a person to a thermostat. It is sent as often as any.
func (w *oracle) asked(i int, payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.homes[i].commanded, w.limits.command = true, time.Now()
	delete(w.sent, w.home.house.Thermostats[i].LCCID)
	if v, err := strconv.ParseFloat(payload, 64); err == nil {
		w.homes[i].bounds(setting{Cool: v, Heat: v})
	}
}

package simulation

// What the witness makes of each message that a node publishes.

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// message is told of everything the daemon of a node says.
func (w *witness) message(n *node, m bus.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.home.onMessage != nil {
		w.home.onMessage(n.name, m)
	}
	w.secrets("topic", m.Topic, m.Payload)
	if n.stranger {
		return
	}
	levels, ok := devices.Topics{Base: "powermgr"}.Split(m.Topic)
	if !ok {
		return
	}
	switch name := strings.Join(levels[1:], "/"); levels[0] {
	case "node":
		if name == n.name+"/state" {
			w.nodeSays(n.name, m)
		}
	case "control":
		w.controlSays(name, m)
	case "powerwall":
		w.batterySays(name, m)
	case "thermostat":
		id, name, _ := strings.Cut(name, "/")
		if i := slices.IndexFunc(w.homes, func(d *watched) bool { return d.id == id }); i >= 0 {
			w.thermostatSays(w.homes[i], name, m)
		}
	}
}

func (w *witness) controlSays(name string, m bus.Message) {
	switch name {
	case devices.StateLeaf:
		w.controlState(m)
	case "peak_reserve" + devices.ResultSuffix, "off_peak_reserve" + devices.ResultSuffix, "precool_depth" + devices.ResultSuffix, allByHand + devices.ResultSuffix:
		w.line("  %s %s", m.Topic, m.Payload)
		w.answersByHand(strings.TrimSuffix(name, devices.ResultSuffix), m)
	case "override" + devices.ResultSuffix, "enabled" + devices.ResultSuffix, "restore" + devices.ResultSuffix:
		w.line("  %s %s", m.Topic, m.Payload)
	}
}

func (w *witness) batterySays(name string, m bus.Message) {
	switch {
	case name == devices.StateLeaf:
		w.batteryState(m)
	case name == "reserve"+devices.Set && m.Source == devices.SourceControl:
		w.reserveCommand(m.Payload)
	case strings.HasSuffix(name, devices.ResultSuffix):
		w.batteryResult(name, m)
	}
}

func (w *witness) controlState(m bus.Message) {
	s, err := bus.Decode[control.State](m)
	if err != nil {
		return
	}
	if s.Override != w.override {
		w.overridden = time.Now()
	}
	w.changes.act(w.override != "" && s.Override != w.override, !s.Enabled)
	w.paused, w.override = s.Override == string(rules.OverridePause) || !s.Enabled && s.Override == string(rules.Auto), s.Override
	w.latches(s)
	w.gaveWay(s)
	w.honors(s)
	if s.Phase != w.phase {
		w.turns(s.Phase)
	}
}

// turns notes that another phase begins.
func (w *witness) turns(phase rules.Phase) {
	if event, was := phase != rules.OffPeak, w.phase != rules.OffPeak; event != was {
		w.taken, w.choice, w.glimpse = time.Time{}, time.Time{}, glimpse{}
		w.hidden = w.hidden && (event || !w.commanded) // a command ends with its peak, also if it is shown only later
		if event {
			for _, d := range w.homes {
				d.taken = time.Time{}
			}
		}
	}
	w.phase, w.changed = phase, time.Now()
}

// glimpse is a choice at the battery as a reading shows it.
type glimpse struct {
	reserve int    // -1: the choice is the mode
	mode    string // of such a choice
	is      bool   // there is one
}

// again reports whether a later reading shows the same choice.
func (g glimpse) again(later glimpse) bool {
	return g.is && (g.reserve == later.reserve || g.reserve < 0 && g.mode == later.mode)
}

func (w *witness) batteryState(m bus.Message) {
	r, err := bus.Decode[devices.PowerwallReading](m)
	if err != nil {
		return
	}
	if !r.PolledAt.Equal(w.polledAt) { // powermgr repeats a reading after a refused command
		w.battery, w.polledAt = time.Now(), r.PolledAt
	}
	if r.ChargePercent != nil {
		w.figures.says(float64(*r.ChargePercent), r.AsOf())
	}
	fresh := !r.SettingsAsOf().Equal(w.settingsAt) // else it repeats what was read before
	w.settingsAt = r.SettingsAsOf()
	is := func(b *bool) bool { return b != nil && *b }
	owner := is(r.StormActive) || is(r.GridServicesActive) || r.GridConnected != nil && !*r.GridConnected
	if owner && !w.owner {
		w.owned = time.Now()
	}
	if !owner && w.owner {
		w.disowned = time.Now()
	}
	theirs := owner || w.owner // what Tesla has done meanwhile is nobody's choice
	w.owner = owner
	if !fresh {
		return
	}
	first, shows := w.glimpse, glimpse{reserve: -1}
	if r.Mode != nil {
		shows.mode = string(*r.Mode)
	}
	if r.ReservePercent != nil {
		shows.reserve = *r.ReservePercent
	}
	// One reading that no other one confirms decides nothing: a choice counts with
	// the second that shows it.
	if w.glimpse = (glimpse{}); !theirs && first.again(shows) {
		w.choice = time.Now()
	}
	if r.ReservePercent != nil {
		// No rule asks for such a value, and no plan has: it is a person's, once they
		// have it.
		if v := *r.ReservePercent; w.hidden && v != w.reserve && !slices.Contains([]int{0, 20, 80, 100}, v) && !w.planned[v] && !w.hand.ever[v] && !theirs {
			w.glimpse = glimpse{reserve: v, is: true}
		}
		w.reserve, w.reserveAt = *r.ReservePercent, time.Now()
		if w.pending != nil && *w.pending == w.reserve {
			w.pending = nil
		}
	}
	if r.Mode != nil {
		// Nor for a mode; but a reserve of ours goes back whatever the mode is.
		if w.hidden && string(*r.Mode) != w.mode && w.mode != "" && w.phase != rules.OffPeak && !theirs && w.choice.IsZero() && !w.glimpse.is {
			w.glimpse = glimpse{reserve: -1, mode: string(*r.Mode), is: true}
		}
		w.mode = string(*r.Mode)
	}
	if w.hidden {
		w.touched, w.hidden = time.Now(), false // a choice counts from when it is shown
	}
	if !w.touched.Before(w.changed) && w.taken.IsZero() && !w.touched.IsZero() && !w.owner {
		w.taken = time.Now()
	}
}

func (w *witness) reserveCommand(payload []byte) {
	var c struct {
		Value  int    `json:"value"`
		Reason string `json:"reason"` // for the story alone
	}
	if json.Unmarshal(payload, &c) != nil {
		return
	}
	w.limits.command = time.Now()
	w.line("  command: %s", c.Reason)
	sent := w.reserveSent
	if time.Since(sent) <= moments { // what this command has led to
		sent = w.sentBefore
	}
	back := w.theirs != nil && c.Value == *w.theirs // a choice of theirs that ours has landed over
	switch {
	case w.home.world.DryRun:
		w.broken(I5, "a reserve of %d %% was commanded in dry run", c.Value)
	case (w.paused || w.orders.stopped(time.Now())) && c.Value < min(80, w.leastOffPeakReserve()) && !back && !w.apart(time.Now()):
		w.broken(I5, "a reserve of %d %% was commanded while paused", c.Value)
	case c.Value == w.reserve && !w.idles() && time.Since(w.idleAt) > moments && w.pending == nil && !w.hidden && w.reserveAt.Before(time.Now().Add(-moments)) && time.Since(w.reserveAt) < 10*time.Minute && w.reserveAt.Sub(sent) > 10*time.Minute && time.Since(w.booted) > 10*time.Minute && !w.apart(time.Now()) && !w.decided.overtakes(sent):
		w.broken(I4, "the reserve is %d %% already: %s", c.Value, c.Reason)
	case w.owner && time.Since(w.owned) > 2*moments:
		w.broken(I3, "a reserve of %d %% was commanded while the battery is Tesla's", c.Value)
	case !w.choice.IsZero() && !back && w.choice.Before(time.Now().Add(-2*moments)) && !w.apart(time.Now()):
		w.broken(I3, "a reserve of %d %% was commanded; the battery has been a person's since %s", c.Value, w.choice.In(zone()).Format("15:04:05"))
	}
	w.changedReserve(c.Value, back)
	if !back {
		w.planned[c.Value] = true
	}
	w.pending = &c.Value
}

func (w *witness) batteryResult(name string, m bus.Message) {
	r, err := bus.Decode[devices.Result](m)
	if err != nil {
		return
	}
	if !rules.OwnCommand(r.ID) {
		w.line("  %s %s", name, m.Payload)
		if r.Accepted {
			w.touched = time.Now()
		}
		if name == "reserve"+devices.ResultSuffix && r.Final && !r.Accepted {
			w.choice = time.Time{} // it may never have landed, and then ours goes back
		}
	}
}

// thermostatSays is told of what the daemon says about one of them.
func (w *witness) thermostatSays(d *watched, name string, m bus.Message) {
	now := time.Now()
	switch {
	case name == devices.StateLeaf:
		r, err := bus.Decode[devices.ThermostatReading](m)
		if err != nil || r.Mode == nil || r.CoolSetpoint == nil || r.HeatSetpoint == nil || r.Hold == nil && len(r.Holds) > 0 {
			return
		}
		// One that has said a hold before leaves it out today.
		if r.Hold == nil && d.holds {
			return
		}
		d.holds = d.holds || r.Hold != nil && *r.Hold != devices.HoldVacation // which those without holds show as well
		if d.bare = !d.holds; r.Hold == nil {
			r.Hold = new(devices.HoldPermanent)
		}
		if d.bare && r.SchedulePeriod != d.period && d.period != "" {
			d.unseen = nil // it looks as if the schedule had moved on
		}
		d.period = r.SchedulePeriod
		if !r.PolledAt.Equal(d.polledAt) { // powermgr repeats a reading after a refused command
			w.answered = now
		}
		others := !r.Alive || r.UtilityEvent || *r.Hold == devices.HoldVacation // have it
		if !others && d.known.Before(w.booted) {
			d.known = now
		}
		before := d.own
		d.lastAt = d.shownAt
		d.shown, d.shownAt = setting{Mode: *r.Mode, Cool: *r.CoolSetpoint, Heat: *r.HeatSetpoint, Hold: *r.Hold}, now
		if r.HoldUntil != nil {
			d.shown.Until = *r.HoldUntil
		}
		earlier := d.ownBefore
		if !others && !r.PolledAt.Equal(d.polledAt) { // one reading can be said twice
			d.own, d.ownBefore = d.shown, before
		}
		if d.sightings == 1 && !others && !d.taken.IsZero() && !d.first.aged(now).same(d.shown) && !d.undone() {
			d.taken = time.Time{} // one reading that no other one confirms decides nothing
		}
		d.automatic.shown = d.automatic.shown || d.shown.same(d.automatic.setting)
		if !others && d.unseen != nil && d.unseen.aged(now).same(d.shown) {
			w.sees(d, before, earlier, now)
		}
		if !others && !d.taken.IsZero() && !r.PolledAt.Equal(d.polledAt) {
			if d.sightings++; d.sightings == 2 {
				d.proved = now
			}
		}
		d.polledAt = r.PolledAt
	case name == "hold"+devices.Set && m.Source == devices.SourceControl:
		w.holdCommand(d, m.Payload)
	case strings.HasSuffix(name, devices.ResultSuffix):
		r, err := bus.Decode[devices.Result](m)
		if err != nil || rules.OwnCommand(r.ID) {
			return
		}
		w.line("  %s %s", name, m.Payload)
		if name == "fan"+devices.ResultSuffix || !r.Accepted {
			return
		}
		if !r.Final {
			d.taken, d.unseen, d.sightings = now, nil, 2
			return
		}
		if r.Applied != nil && r.Reason != "" && w.undisturbed(d, now) {
			w.broken(I3, "what a person asked of %s was not carried out: %s", d.id, m.Payload)
		}
		shown := d.afterVacation()
		d.bounds(shown)
		kept, means := []setting(nil), []setting{shown}
		if name == "mode"+devices.ResultSuffix { // what else they had is still to be given back
			if means = d.moded(shown); !d.ours(shown) {
				means = append(means, shown)
			}
		} else {
			kept = d.parts(unsaid(d.automatic.setting, name), shown)
			for _, c := range d.choices { // a mode of theirs may show late
				means = append(means, shown.in(c.Mode))
			}
		}
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
}

// undisturbed reports whether nothing has happened lately that could keep a
// thermostat from doing what it is told.
func (w *witness) undisturbed(d *watched, now time.Time) bool {
	const lately = 20 * time.Minute
	ends := d.automatic.setting.Until // of the hold that it has, perhaps: then it shows its schedule for a while
	return now.Sub(w.trouble) > lately && now.Sub(w.disturbance) > lately && now.Sub(d.chosen) > lately && !w.apart(now) && w.jumped.IsZero() &&
		ends.Sub(now).Abs() > lately
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

// sees notes that powermgr has been shown a person's choice.
// It showed before at the last reading, and earlier at the one before that.
func (w *witness) sees(d *watched, before, earlier setting, now time.Time) {
	choice, means, a := *d.unseen, d.means, d.automatic
	d.unseen, d.means = nil, nil
	lapsed := func(s setting) bool {
		return s.over(now.Add(time.Minute)) || s.timed() && !w.jumped.IsZero() // nobody knows with a wrong clock
	}
	switch {
	case choice.same(a.setting):
		return // it is what we asked for too: nobody could tell whose it is
	case !a.at.IsZero() && !a.shown && choice.same(a.before):
		return // it looks as if our write had not landed yet
	case d.back && d.chosen.Before(w.booted):
		return // it looks as if an earlier life had given it back
	case choice.over(now):
		return // it is no more
	case choice.same(before):
		return // it was another for a while, and no reading has shown that
	case choice.same(earlier) && before.in(choice.Mode).same(choice) && before.Mode != choice.Mode && a.at.IsZero():
		return // it was in another mode at one reading alone, which decides nothing
	case choice.Hold == devices.HoldSchedule && (lapsed(a.setting) || lapsed(a.before) || lapsed(before) || lapsed(d.earlier)):
		return // it looks as if a hold had ended by itself
	case choice.Hold == devices.HoldSchedule && d.chosen.Before(d.known):
		return // it looks as if the device had fallen to its schedule while nobody was there
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

func (w *witness) holdCommand(d *watched, payload []byte) {
	var c struct {
		Value    devices.Hold `json:"value"`
		Until    time.Time    `json:"until"`
		Cool     float64      `json:"cool_setpoint"`
		Heat     float64      `json:"heat_setpoint"`
		Restores bool         `json:"restores"`
		Reason   string       `json:"reason"` // for the story alone
	}
	if json.Unmarshal(payload, &c) != nil {
		return
	}
	now := time.Now()
	if d.bare {
		c.Value = devices.HoldPermanent
	}
	cmd := command{at: now, before: d.shown, setting: setting{d.shown.Mode, c.Cool, c.Heat, c.Value, c.Until}, restore: c.Restores}
	w.limits.command = now
	w.line("  command: %s", c.Reason)
	if !cmd.restore && !slices.ContainsFunc(d.choices, cmd.setting.equal) { // which people have chosen themselves
		d.hands = append(d.hands, cmd.setting)
	}
	last := d.automatic
	d.automatic, d.earlier = cmd, last.setting
	switch {
	case w.home.world.DryRun:
		w.broken(I5, "%s was commanded in dry run: %s", d.id, c.Reason)
	case !cmd.restore && (w.paused || w.orders.stopped(now)) && !w.apart(now):
		w.broken(I5, "%s was commanded while paused: %s", d.id, c.Reason)
	}
	w.precools(d, cmd, c.Reason)
	theirs := cmd.restore && slices.ContainsFunc(d.choices, func(c setting) bool {
		ended := !w.jumped.IsZero() && c.timed() && cmd.setting.Hold == devices.HoldSchedule // by a wrong clock
		return ended || slices.ContainsFunc(c.aged(now).taken(d.gap), cmd.setting.same)
	})
	if !d.taken.IsZero() && d.taken.Before(now.Add(-2*moments)) && !theirs && !w.apart(now) {
		w.broken(I3, "%s has been a person's since %s: %s", d.id, d.taken.In(zone()).Format("15:04:05"), c.Reason)
	}
	if w.apart(now) || !w.jumped.IsZero() && len(w.home.nodes) > 1 {
		return // nor does one node know what the other's wrong clock meant
	}
	// What is heard was said a few moments ago.
	if !cmd.restore && !last.at.IsZero() && now.Sub(last.at) < 10*time.Minute-10*moments && !cmd.setting.same(last.setting) && last.at.After(w.jumped) {
		w.broken(I4, "%s was commanded again after %v: %s", d.id, now.Sub(last.at), c.Reason)
	}
	// Another end of a hold is another hold, but for what the device rounds up.
	other := cmd.setting.timed() && roundedUp(cmd.setting.Until).Compare(d.shown.Until) != 0
	rest := cmd.restore && !d.shown.alike(cmd.setting) // it gives back what the present mode does not use
	if d.shown.same(cmd.setting) && !other && !rest && d.shownAt.Before(now.Add(-10*moments)) && (last.at.IsZero() || last.shown) && now.Sub(d.written) > 10*time.Minute && now.Sub(d.shownAt) < 10*time.Minute {
		w.broken(I4, "%s has that already: %s", d.id, c.Reason)
	}
}

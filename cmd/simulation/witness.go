package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/cmd/daemon"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Invariant is something that powermgr promises whatever happens.
type Invariant string

// The invariants.
const (
	I1 Invariant = "I1 given back"      // after the window everything is what it was, or what a person chose since
	I2 Invariant = "I2 within bounds"   // no set point or reserve outside its bounds was sent
	I3 Invariant = "I3 people win"      // nothing was written over a choice that was known
	I4 Invariant = "I4 few writes"      // spacing, and no write of what the device has
	I5 Invariant = "I5 hands off"       // no writes in dry run, only restores while disabled or paused
	I6 Invariant = "I6 reserve in time" // within a poll of the peak's start
	I7 Invariant = "I7 secrets"         // in no log line, topic or file
	I8 Invariant = "I8 never ends"      // the daemon does not exit by itself, and leaves nothing running
)

// A Violation is a broken promise.
type Violation struct {
	Invariant Invariant
	At        time.Time
	What      string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s %s: %s", v.At.Format("15:04:05"), v.Invariant, v.What)
}

// A setting is what a thermostat is set to.
type setting struct {
	Mode       devices.HVACMode
	Cool, Heat float64
	Hold       devices.Hold
	Until      time.Time
}

func settingOf(t *emulator.Thermostat) setting {
	return setting{t.Mode, t.Cool, t.Heat, t.Hold, t.HoldUntil}
}

// asWritten is what becomes of s with a write to a vendor.
func asWritten(s setting, values map[string]any) setting {
	if v, ok := values["cool_setpoint"].(float64); ok {
		s.Cool = v
	}
	if v, ok := values["heat_setpoint"].(float64); ok {
		s.Heat = v
	}
	if v, ok := values["mode"].(string); ok {
		s.Mode = devices.HVACMode(v)
	}
	if v, ok := values["hold"].(string); ok {
		s.Hold, s.Until = devices.Hold(v), time.Time{}
	}
	if v, ok := values["hold_until"].(time.Time); ok {
		s.Until = v
	}
	return s
}

func (s setting) timed() bool { return s.Hold == devices.HoldUntil || s.Hold == devices.HoldTemporary }

// aged is what becomes of a setting by itself.
func (s setting) aged(now time.Time) setting {
	if s.timed() && !s.Until.IsZero() && !s.Until.After(now) {
		s.Hold, s.Until = devices.HoldSchedule, time.Time{}
	}
	return s
}

// over reports whether a setting has ended by itself.
func (s setting) over(now time.Time) bool { return s.timed() && !s.aged(now).timed() }

// same reports whether two settings are one to whoever lives with them: a hold
// that ends at the same time is the same, and a schedule is a schedule.
func (s setting) same(o setting) bool {
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.3 }
	switch {
	case s.Mode != o.Mode:
		return false
	case s.Hold == devices.HoldSchedule || o.Hold == devices.HoldSchedule:
		return s.Hold == o.Hold
	case s.timed() != o.timed():
		return false
	case s.timed() && !s.Until.IsZero() && !o.Until.IsZero() && s.Until.Sub(o.Until).Abs() > 20*time.Minute:
		return false
	}
	cools := s.Mode == devices.Cool || s.Mode == devices.HeatCool
	heats := s.Mode == devices.Heat || s.Mode == devices.HeatCool
	return (!cools || near(s.Cool, o.Cool)) && (!heats || near(s.Heat, o.Heat))
}

// equal is same for all that a setting has, used or not.
func (s setting) equal(o setting) bool {
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.3 }
	return s.same(o) && (s.Hold == devices.HoldSchedule || near(s.Cool, o.Cool) && near(s.Heat, o.Heat))
}

func (s setting) String() string {
	text := fmt.Sprintf("%s cool %g heat %g %s", s.Mode, s.Cool, s.Heat, s.Hold)
	if s.timed() {
		text += s.Until.Format(" until 15:04")
	}
	return text
}

// watched is what is known of one thermostat.
type watched struct {
	id      string
	unit    devices.Unit
	choices []setting // any of them may be what the people want
	unseen  *setting  // a choice that powermgr has not been shown yet
	chosen  time.Time // when it was made
	over    bool      // it was made over a setting of ours
	taken   time.Time // since when it is known that a person has it; zero: nobody has

	shown     setting // at the last reading
	shownAt   time.Time
	known     time.Time // the first reading since the daemon started
	written   time.Time // the last write of anybody
	timed     bool      // one of them ended by itself
	automatic command   // the last one
	low, high float64   // bounds of cool set points, °F
	cold, hot float64   // bounds of heat set points, °F
}

// command is an automatic command.
type command struct {
	at      time.Time
	setting setting
	before  setting // what the device showed then
	restore bool
	shown   bool // the device has shown it
}

// A witness sees everything that happens and judges it.
type witness struct {
	home     *home
	calendar rules.Calendar

	mu          sync.Mutex
	story       []string
	violations  []Violation
	writes      int
	deaths      int
	booted      time.Time // the daemon, last
	jumped      time.Time // when the clock last jumped; a simulated one takes the monotonic one along
	disturbance time.Time // the last thing that excuses being late
	answered    time.Time // of the thermostats' vendor, last
	battery     time.Time // of Tesla, last
	phase       rules.Phase
	changed     time.Time // of phase
	paused      bool
	override    string
	overridden  time.Time // when override last changed
	owner       bool      // the battery is Tesla's
	owned       time.Time // since when
	taken       time.Time
	touched     time.Time // when a person last set the battery
	hidden      bool      // and powermgr has not been shown it
	unseen      bool      // and no node ran: nobody can tell in which window it was
	homes       []*watched
	standby     map[string]time.Time // since when a node has stood by
	forgotten   time.Time            // when what could not be written was last lost
	split       time.Time            // when the nodes last lost or found sight of each other
}

func newWitness(h *home) *witness {
	return &witness{home: h, disturbance: time.Now(), standby: map[string]time.Time{}}
}

func (w *witness) begin(h *emulator.House) {
	for _, t := range h.Thermostats {
		d := &watched{id: devices.TopicID(w.home.world.vendorID(t)), unit: t.Unit, choices: []setting{settingOf(t)}, low: 67, high: 82, cold: 62, hot: 62}
		for _, p := range t.Schedule {
			d.bounds(setting{Cool: p.Cool, Heat: p.Heat})
		}
		d.bounds(settingOf(t))
		w.homes = append(w.homes, d)
		w.tell("%s is %s, on %s", t.Name, settingOf(t), t.Unit)
	}
	w.tell("battery %.0f %%, reserve %d %%, %s, dry run %v", h.Stored/135, h.Reserve, w.home.world.backend, w.home.world.dry)
}

// bounds widens what may be sent by what the people have chosen.
func (d *watched) bounds(s setting) {
	cool, heat := d.unit.To(devices.Fahrenheit, s.Cool), d.unit.To(devices.Fahrenheit, s.Heat)
	d.low, d.high = min(d.low, cool), max(d.high, cool)
	d.cold, d.hot = min(d.cold, heat), max(d.hot, heat)
}

func (w *witness) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line(format, args...)
}

func (w *witness) line(format string, args ...any) {
	w.story = append(w.story, time.Now().In(w.home.world.zone).Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *witness) violation(i Invariant, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken(i, format, args...)
}

func (w *witness) broken(i Invariant, format string, args ...any) {
	v := Violation{i, time.Now().In(w.home.world.zone), fmt.Sprintf(format, args...)}
	w.violations = append(w.violations, v)
	w.line("VIOLATION of %s: %s", i, v.What)
}

// disturbed notes that something is not as it should be, from now on.
func (w *witness) disturbed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbance = time.Now()
}

// boots notes that the daemon starts.
func (w *witness) boots() {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaths++
	w.booted = time.Now()
}

// jumps notes that the daemon's clock jumps.
func (w *witness) jumps() {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jumped = time.Now()
}

// chose is a choice made at a thermostat. pending says that a command of ours
// was still on its way there.
func (w *witness) chose(i int, before, after setting, pending bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.homes[i]
	if before.equal(after) {
		return
	}
	d.bounds(after)
	d.choices = append(d.choices, after)
	if before.same(after) { // a set point that the mode does not use
		if d.unseen != nil {
			d.unseen = &after
		}
		return
	}
	d.unseen, d.chosen = &after, time.Now()
	d.over = pending || !d.automatic.restore && before.same(d.automatic.setting)
	if pending {
		d.choices = append(d.choices, before)
	}
}

// asked is a command of a person to a thermostat.
func (w *witness) asked(i int, payload string) {
	if v, err := strconv.ParseFloat(payload, 64); err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.homes[i].bounds(setting{Cool: v, Heat: v})
	}
}

// given is a person's word that everything is the rules' again.
func (w *witness) given() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken = time.Time{}
	for _, d := range w.homes {
		d.taken, d.unseen = time.Time{}, nil
	}
}

func (w *witness) choseBattery(changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !changed {
		return
	}
	w.touched, w.hidden = time.Now(), true
	if !slices.ContainsFunc(w.home.nodes, (*node).up) {
		w.unseen = true
	}
}

// request is told of every request to the vendors, under the cloud's lock.
func (w *witness) request(q emulator.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.home.onRequest != nil {
		w.home.onRequest(q)
	}
	if q.Fault != "" {
		w.disturbance = time.Now()
	}
	if q.Write == nil {
		return
	}
	w.writes++
	w.line("  -> %s %v%s", q.Write.Device, q.Write.Values, map[bool]string{false: " (not carried out)"}[q.Write.Carried])
	if w.home.world.dry {
		w.broken(I5, "%s was written in dry run: %v", q.Write.Device, q.Write.Values)
	}
	if r, ok := q.Write.Values["reserve"].(int); ok && devices.CheckReserve(r) != nil {
		w.broken(I2, "a reserve of %d %% was sent", r)
	}
	for i, t := range w.home.house.Thermostats {
		if t.LCCID != q.Write.Device {
			continue
		}
		d := w.homes[i]
		d.written, d.timed = time.Now(), d.timed || q.Write.Values["hold"] == string(devices.HoldUntil)
		if !d.taken.IsZero() && q.Write.Carried {
			d.choices = append(d.choices, asWritten(settingOf(t), q.Write.Values)) // perhaps the end of its command is never heard of
		}
		for _, p := range []struct {
			name    string
			low, up float64
		}{{"cool_setpoint", d.low, d.high}, {"heat_setpoint", d.cold, d.hot}} {
			v, ok := q.Write.Values[p.name].(float64)
			if f := d.unit.To(devices.Fahrenheit, v); ok && (f < p.low-0.6 || f > p.up+0.6) {
				w.broken(I2, "%s %g °F for %s is outside %g–%g", p.name, f, d.id, p.low, p.up)
			}
		}
	}
}

// forgets notes that a daemon dies which could not write what it knew.
func (w *witness) forgets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgotten, w.taken = time.Now(), time.Time{}
	for _, d := range w.homes {
		d.taken = time.Time{}
	}
}

// splits notes that the nodes of a pair lose sight of each other, or find it.
func (w *witness) splits() {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.split = time.Now()
}

// apart reports whether two nodes may both be the active one, or have just
// been: neither knows what the other sees.
func (w *witness) apart(now time.Time) bool {
	return w.home.keepalived.apart.Load() || !w.split.IsZero() && now.Sub(w.split) < 15*time.Minute
}

// wrote is told of a node's write to a vendor before it arrives.
func (w *witness) wrote(node string, active bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since, ok := w.standby[node]; ok && since.Before(time.Now()) && !active {
		w.broken(I5, "%s has been standing by since %s, and writes", node, since.In(w.home.world.zone).Format("15:04:05"))
	}
}

// nodeSays is told of what a node says of itself.
func (w *witness) nodeSays(node string, payload []byte) {
	var s daemon.NodeState
	if json.Unmarshal(payload, &s) != nil {
		return
	}
	_, was := w.standby[node]
	switch {
	case s.Role == daemon.Standby && !was:
		w.standby[node] = time.Now()
	case s.Role == daemon.Active && was:
		delete(w.standby, node)
		w.booted, w.disturbance = time.Now(), time.Now() // it has seen nothing itself yet
	}
}

// message is told of everything the daemon of a node says.
func (w *witness) message(node string, m bus.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.home.onMessage != nil {
		w.home.onMessage(node, m)
	}
	w.secrets("topic "+m.Topic, string(m.Payload))
	levels, ok := devices.Topics{Base: "powermgr"}.Split(m.Topic)
	if !ok {
		return
	}
	switch name := strings.Join(levels[1:], "/"); levels[0] {
	case "node":
		if name == node+"/state" {
			w.nodeSays(node, m.Payload)
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
		w.controlState(m.Payload)
	case "override" + devices.ResultSuffix, "enabled" + devices.ResultSuffix, "restore" + devices.ResultSuffix:
		w.line("  %s %s", m.Topic, m.Payload)
	}
}

func (w *witness) batterySays(name string, m bus.Message) {
	switch {
	case name == devices.StateLeaf:
		w.batteryState(m.Payload)
	case name == "reserve"+devices.Set && m.Source == devices.SourceControl:
		w.reserveCommand(m.Payload)
	case strings.HasSuffix(name, devices.ResultSuffix):
		w.batteryResult(name, m.Payload)
	}
}

func (w *witness) controlState(payload []byte) {
	var s control.State
	if json.Unmarshal(payload, &s) != nil {
		return
	}
	if s.Override != w.override {
		w.overridden = time.Now()
	}
	w.paused, w.override = s.Override == string(rules.OverridePause) || !s.Enabled && s.Override == string(rules.Auto), s.Override
	if s.Phase == w.phase {
		return
	}
	if event, was := s.Phase != rules.OffPeak, w.phase != rules.OffPeak; event != was {
		w.taken = time.Time{}
		if event {
			for _, d := range w.homes {
				d.taken = time.Time{}
			}
		}
	}
	w.phase, w.changed = s.Phase, time.Now()
}

func (w *witness) batteryState(payload []byte) {
	var r devices.PowerwallReading
	if json.Unmarshal(payload, &r) != nil {
		return
	}
	w.battery = time.Now()
	is := func(b *bool) bool { return b != nil && *b }
	owner := is(r.StormActive) || is(r.GridServicesActive) || r.GridConnected != nil && !*r.GridConnected
	if owner && !w.owner {
		w.owned = time.Now()
	}
	w.owner = owner
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
		Reason string `json:"reason"`
	}
	if json.Unmarshal(payload, &c) != nil {
		return
	}
	w.line("  command: %s", c.Reason)
	switch {
	case w.home.world.dry:
		w.broken(I5, "a reserve of %d %% was commanded in dry run", c.Value)
	case w.paused && c.Value < 80:
		w.broken(I5, "a reserve of %d %% was commanded while paused", c.Value)
	case w.owner && w.owned.Before(time.Now()):
		w.broken(I3, "a reserve of %d %% was commanded while the battery is Tesla's", c.Value)
	}
}

func (w *witness) batteryResult(name string, payload []byte) {
	var r devices.Result
	if json.Unmarshal(payload, &r) != nil {
		return
	}
	if !strings.HasPrefix(r.ID, "control-") {
		w.line("  %s %s", name, payload)
		if r.Accepted {
			w.touched = time.Now()
		}
	}
}

// thermostatSays is told of what the daemon says about one of them.
func (w *witness) thermostatSays(d *watched, name string, m bus.Message) {
	now := time.Now()
	switch {
	case name == devices.StateLeaf:
		var r devices.ThermostatReading
		if json.Unmarshal(m.Payload, &r) != nil || r.Mode == nil || r.CoolSetpoint == nil || r.HeatSetpoint == nil || r.Hold == nil {
			return
		}
		w.answered = now
		others := !r.Alive || r.UtilityEvent || *r.Hold == devices.HoldVacation // have it
		if !others && d.known.Before(w.booted) {
			d.known = now
		}
		before := d.shown
		d.shown, d.shownAt = setting{Mode: *r.Mode, Cool: *r.CoolSetpoint, Heat: *r.HeatSetpoint, Hold: *r.Hold}, now
		if r.HoldUntil != nil {
			d.shown.Until = *r.HoldUntil
		}
		d.automatic.shown = d.automatic.shown || d.shown.same(d.automatic.setting)
		if !others && d.unseen != nil && d.unseen.aged(now).same(d.shown) {
			w.sees(d, before, now)
		}
	case name == "hold"+devices.Set && m.Source == devices.SourceControl:
		w.holdCommand(d, m.Payload)
	case strings.HasSuffix(name, devices.ResultSuffix):
		var r devices.Result
		if json.Unmarshal(m.Payload, &r) != nil || strings.HasPrefix(r.ID, "control-") {
			return
		}
		w.line("  %s %s", name, m.Payload)
		if name == "fan"+devices.ResultSuffix || !r.Accepted {
			return
		}
		if !r.Final {
			d.taken, d.unseen = now, nil
			return
		}
		d.bounds(d.shown)
		if r.Applied != nil && r.Reason == "" && name != "hold"+devices.ResultSuffix {
			d.choices = nil
		}
		d.choices = append(d.choices, d.shown)
		if name == "hold"+devices.ResultSuffix && d.shown.timed() {
			// What ends at the next period of the schedule looks like what it
			// has replaced until it has landed.
			d.choices = append(d.choices, setting{d.shown.Mode, d.shown.Cool, d.shown.Heat, devices.HoldTemporary, time.Time{}})
		}
	}
}

// sees notes that powermgr has been shown a person's choice.
// It showed something else before.
func (w *witness) sees(d *watched, before setting, now time.Time) {
	choice, a := *d.unseen, d.automatic
	d.unseen = nil
	lapsed := func(s setting) bool {
		return s.over(now.Add(time.Minute)) || s.timed() && !w.jumped.IsZero() // nobody knows with a wrong clock
	}
	switch {
	case choice.same(a.setting):
		return // it is what we asked for too: nobody could tell whose it is
	case !a.at.IsZero() && !a.shown && choice.same(a.before):
		return // it looks as if our write had not landed yet
	case choice.over(now):
		return // it is no more
	case choice.Hold == devices.HoldSchedule && (lapsed(a.setting) || lapsed(a.before) || lapsed(before)):
		return // it looks as if a hold had ended by itself
	case choice.Hold == devices.HoldSchedule && d.chosen.Before(d.known):
		return // it looks as if the device had fallen to its schedule while nobody was there
	}
	d.choices = []setting{choice}
	asleep := d.chosen.Before(d.known) && !d.over // it was made while nobody looked, at a thermostat that was left alone
	if d.taken.IsZero() && !asleep {
		d.taken = now
	}
}

func (w *witness) holdCommand(d *watched, payload []byte) {
	var c struct {
		Value  devices.Hold `json:"value"`
		Until  time.Time    `json:"until"`
		Cool   float64      `json:"cool_setpoint"`
		Heat   float64      `json:"heat_setpoint"`
		Reason string       `json:"reason"`
	}
	if json.Unmarshal(payload, &c) != nil {
		return
	}
	now := time.Now()
	cmd := command{at: now, before: d.shown, setting: setting{d.shown.Mode, c.Cool, c.Heat, c.Value, c.Until}, restore: strings.Contains(c.Reason, " goes back")}
	w.line("  command: %s", c.Reason)
	last := d.automatic
	d.automatic = cmd
	switch {
	case w.home.world.dry:
		w.broken(I5, "%s was commanded in dry run: %s", d.id, c.Reason)
	case !cmd.restore && w.paused:
		w.broken(I5, "%s was commanded while paused: %s", d.id, c.Reason)
	}
	theirs := cmd.restore && slices.ContainsFunc(d.choices, func(c setting) bool { return c.aged(now).same(cmd.setting) })
	if !d.taken.IsZero() && d.taken.Before(now) && !theirs && !w.apart(now) {
		w.broken(I3, "%s has been a person's since %s: %s", d.id, d.taken.In(w.home.world.zone).Format("15:04:05"), c.Reason)
	}
	if w.apart(now) || !w.jumped.IsZero() && len(w.home.nodes) > 1 {
		return // nor does one node know what the other's wrong clock meant
	}
	if !cmd.restore && !last.at.IsZero() && now.Sub(last.at) < 10*time.Minute && !cmd.setting.same(last.setting) && last.at.After(w.jumped) {
		w.broken(I4, "%s was commanded again after %v: %s", d.id, now.Sub(last.at), c.Reason)
	}
	extends := cmd.setting.timed() && cmd.setting.Until.After(d.shown.Until)
	if d.shown.same(cmd.setting) && !extends && d.shownAt.Before(now) && (last.at.IsZero() || last.shown) && now.Sub(d.written) > 10*time.Minute && now.Sub(d.shownAt) < 10*time.Minute {
		w.broken(I4, "%s has that already: %s", d.id, c.Reason)
	}
}

// appointments are when to look at the reserve.
func (w *witness) appointments() (all []act) {
	for now := w.home.world.day; now.Before(w.home.world.day.AddDate(0, 0, 1)); now = now.Add(30 * time.Minute) {
		phase, peak := w.calendar.At(now)
		if phase == rules.InPeak && peak.Start.Equal(now) {
			all = append(all, act{at: now.Add(65 * time.Second), do: func(h *home) {
				settle := h.world.house.SettleDelay
				truth, faults := h.cloud.Truth(), len(h.cloud.ActiveFaults())
				w.mu.Lock()
				defer w.mu.Unlock()
				calm := h.active().well() && now.Sub(w.battery) < 6*time.Minute && now.Sub(w.disturbance) > 15*time.Minute && w.override == string(rules.Auto) && now.Sub(w.overridden) > 10*time.Minute && !w.paused && w.taken.IsZero() &&
					!w.touched.After(now.Add(-45*time.Minute)) && !w.owner && !h.world.dry && settle < time.Minute && faults == 0 && now.Sub(w.forgotten) > 3*time.Hour &&
					(h.world.house.ReserveCap == 0 || now.Sub(w.disturbance) > 2*time.Hour) // or it may be taken for a person's reserve
				if calm && truth.Reserve != 0 {
					w.broken(I6, "a minute into the peak the reserve is %d %%", truth.Reserve)
				}
			}})
		}
	}
	return all
}

// finish judges what is left at the end of the day.
func (w *witness) finish(truth emulator.Truth) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for i, t := range truth.Thermostats {
		d := w.homes[i]
		real := setting{t.Mode, t.Cool, t.Heat, t.Hold, t.HoldUntil}
		// With a wrong clock nobody knows whether a hold has ended by itself,
		// nor which day a vendor's time of day means.
		wrong := !w.jumped.IsZero()
		lapsed := real.Hold == devices.HoldSchedule && d.timed && wrong
		fits := func(c setting) bool {
			return c.aged(now).equal(real) || lapsed || c.timed() && (c.Until.IsZero() || wrong) && real.Hold == devices.HoldSchedule ||
				wrong && c.timed() && real.timed() && setting{c.Mode, c.Cool, c.Heat, real.Hold, real.Until}.equal(real)
		}
		if !slices.ContainsFunc(d.choices, fits) && now.Sub(w.answered) < time.Hour {
			w.broken(I1, "%s is %s; it was to be one of %v", d.id, real, d.choices)
		}
	}
	want := 100
	if limit := w.home.world.house.ReserveCap; limit > 0 {
		want = limit
	}
	theirs := !w.touched.Before(w.changed) || w.unseen || w.home.world.dry || w.owner
	if w.paused {
		theirs = theirs || truth.Reserve != 0
	}
	if truth.Reserve != want && !theirs && now.Sub(w.battery) < time.Hour {
		w.broken(I1, "the reserve is %d %%, not %d %%", truth.Reserve, want)
	}
}

func (w *witness) result() Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Result{Seed: w.home.world.seed, Violations: w.violations, Story: w.story, Writes: w.writes, Deaths: w.deaths}
}

// secrets looks for what must never be seen: all secrets of the emulated
// vendors begin alike.
func (w *witness) secrets(where, text string) {
	if strings.Contains(text, "emulator-") {
		w.broken(I7, "%s: %.200s", where, text)
	}
}

// file is told of everything that is written to a file.
func (w *witness) file(name string, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets("file "+name, string(b))
}

// The witness is the daemon's log too.

// Enabled takes what an installation would write to its journal.
func (w *witness) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle looks for secrets, and adds the line to the story.
func (w *witness) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.Key + "=" + a.Value.String()
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets("log", text)
	w.line("  log: %s", text)
	return nil
}

// WithAttrs leaves attributes of loggers out: they are names of parts.
func (w *witness) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup has no groups.
func (w *witness) WithGroup(string) slog.Handler { return w }

package simulation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/cmd/pair"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Invariant is something that powermgr promises whatever happens.
type Invariant string

// The invariants.
const (
	I1  Invariant = "I1 given back"      // after the window everything is what it was, or what a person chose since
	I2  Invariant = "I2 within bounds"   // no set point or reserve outside its bounds was sent
	I3  Invariant = "I3 people win"      // nothing was written over a choice that was known
	I4  Invariant = "I4 few writes"      // spacing, and no write of what the device has
	I5  Invariant = "I5 hands off"       // no writes in dry run, only restores while disabled or paused
	I6  Invariant = "I6 reserve in time" // within a poll of the peak's start
	I7  Invariant = "I7 secrets"         // in no log line, topic or file
	I8  Invariant = "I8 never ends"      // the daemon does not exit by itself, and leaves nothing running
	I9  Invariant = "I9 energy counters" // never fall, as Home Assistant sees them
	I10 Invariant = "I10 tokens kept"    // a refresh token is lost by nothing that powermgr could have waited for
	I11 Invariant = "I11 limits"         // of a vendor are kept to
	I12 Invariant = "I12 quiet disk"     // few writes, whatever happens
	I13 Invariant = "I13 real figures"   // what no battery can do decides nothing
	I14 Invariant = "I14 soon"           // what is not given back is, once the vendor takes commands
	I15 Invariant = "I15 a plan"         // changes the reserve a dozen times a day at most, and gives way with a reason
	I16 Invariant = "I16 by hand"        // what was changed by hand holds until a person gives it back
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

// A sending is a write to a vendor.
type sending struct {
	at      time.Time
	node    string
	values  string
	carried bool // and the vendor said so
}

// A command that is not taken is sent twice more, two minutes apart.
const (
	mostSendings = 3
	sendingsIn   = 5 * time.Minute
)

// A witness sees everything that happens and judges it.
type witness struct {
	home     *home
	calendar rules.Calendar
	limits   limits
	figures  figures
	owed     owed
	decided  decided

	mu          sync.Mutex
	story       []string
	violations  []Violation
	writes      int
	deaths      int
	booted      time.Time // the daemon, last
	jumped      time.Time // when the clock last jumped; a simulated one takes the monotonic one along
	disturbance time.Time // the last thing that excuses being late with the reserve
	trouble     time.Time // the last thing that excuses being late with anything
	answered    time.Time // of the thermostats' vendor, last
	battery     time.Time // of Tesla, last
	polledAt    time.Time // when what it last said of the battery was read
	settingsAt  time.Time // when what it last said of its settings was read
	phase       rules.Phase
	changed     time.Time // of phase
	paused      bool
	override    string
	overridden  time.Time // when override last changed
	owner       bool      // the battery is Tesla's
	owned       time.Time // since when
	disowned    time.Time // since when it is not any more, as powermgr has read
	taken       time.Time
	touched     time.Time // when a person last set the battery
	theirs      *int      // the reserve that a person has last asked for; nil: none
	hidden      bool      // and powermgr has not been shown it
	commanded   bool      // it was a command, whose time powermgr knows before it is shown
	reserve     int       // as last shown
	has         int       // the reserve of the battery itself, at the last request
	idle        bool      // the battery does not go by its reserve, or its mode does not
	idleAt      time.Time // when it last did not
	reserveAt   time.Time // when it was
	reserveSent time.Time // the last write of it, by anybody
	sentBefore  time.Time // the one before, some moments earlier at least
	pending     *int      // the last command for it, until it is shown
	mode        string    // as last shown
	changes     changes
	planned     map[int]bool   // reserves that the rules have asked for: a late write of theirs is no choice
	strategy    rules.Strategy // as powermgr last said
	chosen      time.Time      // when it last became that: what a plan held was to stay until then
	choice      time.Time      // since when powermgr knows of a reserve that a person chose; zero: there is none
	glimpse     glimpse        // a choice that one reading has shown so far
	unseen      bool           // and no node ran: nobody can tell in which window it was
	homes       []*watched
	orders      orders
	hand        hand
	sent        map[string][]sending         // lately, by device
	writer      string                       // the node whose write arrives
	standby     map[string]time.Time         // since when a node has stood by
	forgotten   time.Time                    // when what could not be written was last lost
	split       time.Time                    // when the nodes last lost or found sight of each other
	counters    map[string]devices.WattHours // as the broker last had them
}

func newWitness(h *home) *witness {
	return &witness{home: h, disturbance: time.Now(), standby: map[string]time.Time{}, counters: map[string]devices.WattHours{}, planned: map[int]bool{}, hand: hand{value: map[rules.Adjustable]float64{}, open: map[string][]int{}, ever: map[int]bool{}}, orders: orders{override: rules.Auto}, sent: map[string][]sending{}, limits: limits{until: map[limited]time.Time{}}, owed: owed{hindered: map[string]time.Time{}, told: map[string]bool{}}}
}

func (w *witness) begin(h *emulator.House) {
	for i, t := range h.Thermostats {
		d := &watched{id: devices.TopicID(w.home.world.vendorID(i)), unit: t.Unit, gap: t.Deadband, choices: []setting{settingOf(t)}, low: 67, high: 82, cold: 62, hot: 62}
		d.scheduled = math.Inf(1)
		for _, p := range t.Schedule {
			d.scheduled = min(d.scheduled, p.Cool)
			d.bounds(setting{Cool: p.Cool, Heat: p.Heat})
		}
		d.bounds(settingOf(t))
		w.homes = append(w.homes, d)
		w.tell("%s is %s, on %s", t.Name, settingOf(t), t.Unit)
	}
	w.tell("battery %.0f %%, reserve %d %%, %s, dry run %v", h.Stored/135, h.Reserve, w.home.world.Backend, w.home.world.DryRun)
}

func (w *witness) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line(format, args...)
}

func (w *witness) line(format string, args ...any) {
	w.story = append(w.story, time.Now().In(zone()).Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *witness) violation(i Invariant, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken(i, format, args...)
}

func (w *witness) broken(i Invariant, format string, args ...any) {
	if w.contested(i) {
		return
	}
	v := Violation{i, time.Now().In(zone()), fmt.Sprintf(format, args...)}
	w.violations = append(w.violations, v)
	w.line("VIOLATION of %s: %s", i, v.What)
}

// contested reports whether a promise cannot be kept, since a stranger controls
// the same devices.
func (w *witness) contested(i Invariant) bool {
	s := w.home.world.Stranger
	return s.is() && !s.DryRun && time.Now().After(s.Begins) && !slices.Contains([]Invariant{I2, I7, I8, I10, I12}, i)
}

// disturbed notes that something is not as it should be, from now on.
func (w *witness) disturbed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbance = time.Now()
}

// troubled notes that a vendor fails, from now on.
func (w *witness) troubled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = time.Now()
}

// boots notes that the daemon starts.
func (w *witness) boots() {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaths++
	clear(w.limits.until) // a daemon that starts asks once
	w.knowsNothing()
}

// lastMoments is how long before another node takes over the one before may have
// died: what a reading confirmed then was not in its journal yet.
const lastMoments = 5 * time.Second

// knowsNothing notes that whoever is active now has seen nothing itself yet. What
// the one before had seen once was in doubt, and the doubt has ended with it.
func (w *witness) knowsNothing() {
	w.booted, w.glimpse = time.Now(), glimpse{}
	w.orphans()
	for _, d := range w.homes {
		unsaved := time.Since(d.proved) < lastMoments
		if d.sightings < 2 || d.taken.Equal(d.shownAt) || unsaved {
			d.taken = time.Time{}
		}
	}
}

// jumps notes that the daemon's clock jumps. If it is far off, nobody knows in
// which window what is.
func (w *witness) jumps(far bool) {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jumped, w.orders.doubt = time.Now(), true
	clear(w.limits.until) // who knows when that is on a wrong clock?
	if far {
		w.taken, w.choice, w.glimpse = time.Time{}, time.Time{}, glimpse{}
		for _, d := range w.homes {
			d.taken = time.Time{}
		}
	}
}

// given is a person's word that everything is the rules' again.
func (w *witness) given() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken, w.choice, w.glimpse = time.Time{}, time.Time{}, glimpse{}
	for _, d := range w.homes {
		d.taken, d.unseen = time.Time{}, nil
	}
}

func (w *witness) choseReserve(v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.theirs = &v
}

func (w *witness) choseBattery(changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !changed {
		return
	}
	w.touched, w.hidden, w.commanded = time.Now(), true, false
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
	if q.Fault != "" && !mild(q.Injected) {
		w.trouble = time.Now()
		if q.Vendor == "tesla" {
			w.disturbance = time.Now()
		}
	}
	w.asks(q)
	w.figures.see(w.home.house.Stored)
	if w.idles() {
		w.idleAt = time.Now() // this request may end it, and be heard of later
	}
	w.idle, w.has = w.home.house.Idle || w.home.house.Mode != devices.SelfConsumption, w.home.house.Reserve
	if emulator.KindOf(q.Endpoint) == emulator.KindWrite { // the portal may have ended the session
		w.limits.command = time.Now() // of a daemon that dies nothing more may be heard
	}
	if q.Write == nil {
		return
	}
	w.writes++
	w.line("  -> %s %v%s", q.Write.Device, q.Write.Values, map[bool]string{false: " (not carried out)"}[q.Write.Carried])
	w.sends(q.Write.Device, fmt.Sprint(q.Write.Values), q.Write.Carried && q.Fault == "")
	if w.home.world.DryRun {
		w.broken(I5, "%s was written in dry run: %v", q.Write.Device, q.Write.Values)
	}
	if r, ok := q.Write.Values["reserve"].(int); ok {
		if time.Since(w.reserveSent) > moments {
			w.sentBefore = w.reserveSent
		}
		w.reserveSent = time.Now()
		if devices.CheckReserve(r) != nil {
			w.broken(I2, "a reserve of %d %% was sent", r)
		}
	}
	for i, t := range w.home.house.Thermostats {
		if t.LCCID != q.Write.Device {
			continue
		}
		d := w.homes[i]
		d.written, d.timed = time.Now(), d.timed || q.Write.Values["hold"] == string(devices.HoldUntil)
		if !d.taken.IsZero() && q.Write.Carried {
			after := asWritten(settingOf(t), q.Write.Values) // perhaps the end of its command is never heard of
			d.choices = append(d.choices, after)
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

// idles reports whether the battery does something else than the reserve that it shows
// says: it may be told that reserve although it shows it.
func (w *witness) idles() bool { return w.idle || w.has != w.reserve } // which is on its way, or shows late

// sends judges how often one and the same is sent to a device.
func (w *witness) sends(device, values string, carried bool) {
	now := time.Now()
	lately := slices.DeleteFunc(w.sent[device], func(s sending) bool {
		return now.Sub(s.at) > sendingsIn || s.at.Before(w.booted) || s.at.Before(w.split) || s.at.Before(w.jumped)
	})
	w.sent[device] = append(lately, sending{now, w.writer, values, carried})
	n := 0
	for _, s := range w.sent[device] {
		if s.values == values && s.node == w.writer { // one that takes over is heard of later

			n++
		}
	}
	if n > mostSendings && !w.apart(now) {
		w.broken(I4, "%s was sent %s %d times in %v", device, values, n, sendingsIn)
	}
	if carried && len(lately) > 0 && len(w.home.nodes) == 1 { // of a pair one may not know of the other's yet
		if last := lately[len(lately)-1]; last.values == values && last.carried && now.Sub(last.at) < onceIn {
			w.broken(I4, "%s was sent %s twice in %v, and had taken it the first time", device, values, now.Sub(last.at))
		}
	}
}

// onceIn is how soon a command that was taken is certainly not to be sent again.
const onceIn = 20 * time.Second

// forgets notes that a daemon dies which could not write what it knew.
func (w *witness) forgets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgotten, w.taken, w.choice, w.glimpse, w.orders.doubt = time.Now(), time.Time{}, time.Time{}, glimpse{}, true
	w.hand.doubt = w.hand.doubt || !w.hand.asked.IsZero()
	for _, d := range w.homes {
		d.taken = time.Time{}
		d.choices = append(d.choices, d.past...) // nobody knows any better
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
	w.writer = node
	if since, ok := w.standby[node]; ok && since.Before(time.Now()) && !active {
		w.broken(I5, "%s has been standing by since %s, and writes", node, since.In(zone()).Format("15:04:05"))
	}
}

// nodeSays is told of what a node says of itself.
func (w *witness) nodeSays(node string, m bus.Message) {
	s, err := bus.Decode[pair.State](m)
	if err != nil {
		return
	}
	_, was := w.standby[node]
	switch {
	case s.Role == pair.Standby && !was:
		w.standby[node] = time.Now()
	case s.Role == pair.Active && was:
		delete(w.standby, node)
		w.disturbance = time.Now()
		w.knowsNothing()
	}
}

// teslas reports whether a fault is one of the battery's vendor that can keep
// the reserve from following the clock: nothing else may.
func teslas(f emulator.Fault) bool { return strings.HasPrefix(f.Endpoint, "tesla.") && !mild(f) }

func (w *witness) result() Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Result{Seed: w.home.world.Seed, Violations: w.violations, Story: w.story, Writes: w.writes, Deaths: w.deaths}
}

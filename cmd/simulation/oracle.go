package simulation

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/cmd/pair"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// An oracle sees everything that happens and judges it.
type oracle struct {
	home     *home
	calendar rules.Calendar
	coming   rules.Coming // from calendar
	limits   limits
	figures  figures
	owed     owed
	decided  decided

	mu            sync.Mutex
	story         []string
	violations    []Violation
	writes        int
	deaths        int
	booted        time.Time // when a daemon last started
	jumped        time.Time // when the clock last jumped; times of a simulated day have no monotonic part, so a jump changes how long ago something was
	far           bool      // it was far off
	disturbance   time.Time // the last event that excuses being late with the reserve
	trouble       time.Time // the last event that excuses being late with anything
	answered      time.Time // the last answer of the thermostats' vendor
	slow          time.Time // when that vendor last showed its thermostats later than any does
	battery       time.Time // the last answer of Tesla
	polledAt      time.Time // when Tesla's last figures of the battery were read
	settingsAt    time.Time // when the last settings of the battery were read
	phase         rules.Phase
	changed       time.Time // of phase
	paused        bool
	override      string
	overridden    time.Time // when override last changed
	owner         bool      // the battery has an owner
	owned         time.Time // since when
	disowned      time.Time // since when it has had none again, according to powermgr's readings
	reallyOwned   bool      // it had an owner at the last request to a vendor
	taken         time.Time
	touched       time.Time // when a person last set the battery
	hidden        bool      // and no reading has shown that to powermgr yet
	commanded     bool      // it was a command, whose time powermgr knows before it is shown
	chosenReserve *int      // the reserve that a person has last asked for; nil: none
	reserve       int       // as last shown
	has           int       // the reserve of the battery itself, at the last request
	idle          bool      // the battery does not follow its reserve, perhaps because of its mode
	idleAt        time.Time // when that was last the case
	reserveAt     time.Time // when it was shown
	reserveSent   time.Time // the last write of it, by any node
	sentBefore    time.Time // the one before, some moments earlier at least
	unshown       *int      // the last one that Tesla may have accepted and that was not shown since; nil: there is none
	unshownBefore *int      // the same before reserveSent
	pending       *int      // the last command for it, until it is shown
	mode          string    // as last shown
	changes       changes
	planned       map[int]bool   // reserves that the rules have asked for: if one of them lands late, it is not a choice
	strategy      rules.Strategy // as powermgr last said
	chosen        time.Time      // when it last became that: until then, what a plan held should stay
	choice        time.Time      // since when powermgr knows of a reserve that a person chose; zero: there is none
	glimpse       glimpse        // a choice that one reading has shown so far
	unseen        bool           // a choice was made while no node ran: its window cannot be known
	homes         []*thermostatOracle
	overrides     overrides
	hand          hand
	sent          map[string][]sending         // recently, by device
	asked         map[string]bool              // devices for which a person's command is on its way
	writer        string                       // the node whose write arrives
	standby       map[string]time.Time         // since when a node has been on standby
	forgotten     time.Time                    // when something that could not be written was last lost
	split         time.Time                    // when the nodes last stopped or started seeing each other
	counters      map[string]devices.WattHours // as the broker last had them
}

func newOracle(h *home) *oracle {
	return &oracle{home: h, disturbance: time.Now(), standby: map[string]time.Time{}, counters: map[string]devices.WattHours{}, planned: map[int]bool{}, hand: hand{value: map[rules.Adjustable]float64{}, open: map[string][]int{}, ever: map[int]bool{}}, overrides: overrides{override: rules.Auto}, sent: map[string][]sending{}, asked: map[string]bool{}, limits: limits{until: map[limited]time.Time{}}, owed: owed{hindered: map[string]time.Time{}, told: map[string]bool{}}}
}

func (w *oracle) begin(h *emulator.House) {
	for i, t := range h.Thermostats {
		d := &thermostatOracle{id: devices.TopicID(w.home.world.vendorID(i)), unit: t.Unit, gap: t.Deadband, choices: []setting{settingOf(t)}, low: 67, high: 82, cold: 62, hot: 62}
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

func (w *oracle) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line(format, args...)
}

func (w *oracle) line(format string, args ...any) {
	w.story = append(w.story, time.Now().In(zone()).Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// scheduled returns the current phase according to the calendar.
func (w *oracle) scheduled(now time.Time) rules.Phase {
	w.coming = w.coming.At(w.calendar, now)
	return w.coming.Scheduled(w.calendar, now).Phase
}

// disturbed notes that something goes wrong from now on.
func (w *oracle) disturbed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbance = time.Now()
}

// troubled notes that a vendor fails, from now on.
func (w *oracle) troubled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = time.Now()
}

// boots notes that the daemon starts.
func (w *oracle) boots() {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaths++
	clear(w.limits.until) // a daemon that starts asks once
	w.knowsNothing()
}

// lastMoments is the time before a takeover within which the previous node may have died:
// what a reading confirmed in that time was not in its journal yet.
const lastMoments = 5 * time.Second

// knowsNothing notes that the node that is active now has not seen anything itself yet.
// What the one before had seen once was in doubt, and the doubt has ended with it.
func (w *oracle) knowsNothing() {
	w.booted, w.glimpse = time.Now(), glimpse{}
	w.orphans()
	for _, d := range w.homes {
		unsaved := time.Since(d.proved) < lastMoments
		if d.sightings < 2 || d.taken.Equal(d.shownAt) || unsaved {
			d.taken = time.Time{}
		}
	}
}

// jumps notes that the daemon's clock jumps. If it is far off, it is not known which
// window anything belongs to.
func (w *oracle) jumps(far bool) {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jumped, w.overrides.doubt = time.Now(), true
	clear(w.limits.until) // a wrong clock does not tell when that is
	if far {
		w.far = true
		w.taken, w.choice, w.glimpse = time.Time{}, time.Time{}, glimpse{}
		for _, d := range w.homes {
			d.taken, d.unseen = time.Time{}, nil
		}
	}
}

// given notes that a person hands everything back to the rules.
func (w *oracle) given() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken, w.choice, w.glimpse = time.Time{}, time.Time{}, glimpse{}
	for _, d := range w.homes {
		d.taken, d.unseen = time.Time{}, nil
	}
}

func (w *oracle) choseReserve(v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chosenReserve = &v
}

func (w *oracle) choseBattery(changed bool) {
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

// forgets notes the death of a daemon that could not write what it knew.
func (w *oracle) forgets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgotten, w.taken, w.choice, w.glimpse, w.overrides.doubt = time.Now(), time.Time{}, time.Time{}, glimpse{}, true
	w.overrides.unheard = true
	w.hand.doubt = w.hand.doubt || !w.hand.asked.IsZero()
	for _, d := range w.homes {
		d.taken = time.Time{}
		d.choices = append(d.choices, d.past...) // no one can know better
	}
}

// splits notes that the nodes of a pair stop or start seeing each other.
func (w *oracle) splits() {
	w.disturbed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.split = time.Now()
}

// nodeSays notes the state that a node publishes of itself.
func (w *oracle) nodeSays(node string, m bus.Message) {
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

func (w *oracle) result() Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Result{Seed: w.home.world.Seed, Violations: w.violations, Story: w.story, Writes: w.writes, Deaths: w.deaths}
}

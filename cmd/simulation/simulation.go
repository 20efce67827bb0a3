// Package simulation tries to make powermgr leave a setting behind or override a person.
// It simulates days of an emulated home in virtual time: the real daemon without its
// sockets, the emulated vendors behind it, people who change their minds, and faults that
// overlap. Everything random comes from one seed.
//
// An oracle judges the days: oracle_*.go note what it sees of the daemons and the
// vendors, and each invariant (invariants.go) is judged in the file that is named after
// it, such as I4 in i4_few_writes.go; excuses.go says what excuses powermgr.
//
// It has to run in a testing/synctest bubble.
package simulation

import (
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/resideo"
	"powermgr/devices/emulator/tcc"
	"powermgr/devices/emulator/vendors"
)

// Options say what to simulate.
type Options struct {
	Seed   uint64
	Faults Level
	// World is the day to simulate. Nil: the one that Seed and Faults draw.
	World *world
	// Script adds to the day before it begins; nil: nothing.
	Script func(*home)
}

// Result is the result of a day.
type Result struct {
	Seed       uint64
	Violations []Violation
	Story      []string // a line for each thing that happened
	Writes     int      // writes that reached a vendor
	Deaths     int      // deaths of the daemon
	Saves      int      // writes to the disk of the journal, the most of any node
}

// home is the simulated home with everything in it.
type home struct {
	world      *world
	cloud      *vendors.Cloud
	house      *emulator.House // only to be accessed under the cloud's lock
	nodes      []*node         // one, or a pair
	stranger   *node           // nil: there is none
	keepalived *keepalived
	broker     *broker
	oracle     *oracle
	tokens     *tokenWatch
	scheduler  *scheduler

	// Called for every request and message, under the oracle's lock; nil: not called.
	onRequest func(emulator.Request)
	onMessage func(node string, m bus.Message)
}

// grace is how long after the last trouble everything has to be as it should.
const grace = 75 * time.Minute

// Run simulates one day. An error is about the simulator, not about powermgr.
func Run(o Options) (Result, error) {
	dir, remove, err := newDir()
	if err != nil {
		return Result{}, err
	}
	defer remove()
	w := o.World
	if w == nil {
		w = draw(o.Seed, o.Faults)
	}
	time.Sleep(time.Until(w.Begins))
	h := &home{world: w, scheduler: newScheduler(w.Seed)}
	h.oracle, h.tokens = newOracle(h), &tokenWatch{home: h, lost: map[string]bool{}}
	h.broker = &broker{oracle: h.oracle, up: true, echoes: w.Echoes, retained: map[string]bus.Message{}}
	h.keepalived = &keepalived{home: h}
	h.cloud = vendors.New(emulator.Options{
		Now: time.Now, Location: zone(), Seed: w.Seed, House: w.house(), Weather: emulator.Day(w.Weather).In(zone()), OnRequest: h.oracle.request,
		Sleep: h.scheduler.sleep,
	}, vendors.Options{
		TCC: tcc.Options{Delay: w.Landing}, Resideo: resideo.Options{Landing: [2]time.Duration{w.Landing, w.Landing * 3 / 2}},
	})
	h.cloud.Person(func(e *emulator.House) { h.house = e; h.oracle.begin(e) })
	for _, n := range []*node{{name: "a", dry: w.DryRun}, {name: "b", own: second, dry: w.DryRun}}[:w.Nodes] {
		if err := n.prepare(h, dir); err != nil {
			return Result{}, err
		}
		h.nodes = append(h.nodes, n)
	}
	if w.Stranger.is() {
		h.stranger = &node{name: "stranger", own: second, stranger: true, dry: w.Stranger.DryRun}
		if err := h.stranger.prepare(h, dir); err != nil {
			return Result{}, err
		}
	}
	config, err := h.nodes[0].configuration()
	if err != nil {
		return Result{}, err
	}
	h.oracle.calendar = config.Calendar()
	if o.Script != nil {
		o.Script(h)
	}

	ctx, cancel := context.WithCancel(pprof.WithLabels(context.Background(), pprof.Labels("day", h.label())))
	pprof.SetGoroutineLabels(ctx)
	defer pprof.SetGoroutineLabels(context.Background())
	var all sync.WaitGroup
	h.keepalived.begin()
	start := h.scheduler.starter()
	for _, n := range h.nodes {
		start()
		all.Go(func() { n.live(ctx) })
	}
	if h.stranger != nil {
		start()
		all.Go(func() {
			if h.scheduler.sleep(ctx, time.Until(w.Stranger.Begins)) == nil {
				h.tell("a stranger starts, dry run %v", h.stranger.dry)
				h.stranger.live(ctx)
			}
		})
	}
	for _, a := range append(w.Acts, h.oracle.appointments()...) {
		start()
		all.Go(func() {
			if h.scheduler.sleep(ctx, time.Until(a.at)) != nil {
				return
			}
			if line := a.what.String(); line != "" {
				h.tell("%s", line)
			}
			a.what.do(h)
		})
	}
	all.Go(func() { h.oracle.look(ctx) })
	time.Sleep(time.Until(w.Ends.Add(grace)))
	truth := h.cloud.Truth()
	h.oracle.finish(truth)
	cancel()
	all.Wait()
	h.tokens.finish()
	h.leftovers(dir)
	r := h.oracle.result()
	for _, n := range h.all() {
		r.Saves = max(r.Saves, n.saves())
	}
	return r, nil
}

// all returns every node, including a stranger.
func (h *home) all() []*node {
	if h.stranger == nil {
		return h.nodes
	}
	return append(slices.Clone(h.nodes), h.stranger)
}

// label returns a label that is unique to this day among those that are simulated at the
// same time.
func (h *home) label() string { return fmt.Sprintf("%p", h) }

// tell adds a line to the story.
func (h *home) tell(format string, args ...any) { h.oracle.tell(format, args...) }

// wall is somebody at a thermostat, or at its app.
func (h *home) wall(i int, s emulator.Setting) {
	h.cloud.Person(func(e *emulator.House) {
		t := e.Thermostats[i]
		before := settingOf(t)
		if (s.Cool != nil || s.Heat != nil) && s.Hold == nil && t.Hold == devices.HoldSchedule {
			s.Hold = new(devices.HoldTemporary)
		}
		t.Touch(time.Now(), s)
		h.oracle.chose(i, before, settingOf(t), t.Pending())
	})
}

// app is somebody in the battery's app.
func (h *home) app(change func(*emulator.House)) {
	h.cloud.Person(func(e *emulator.House) {
		reserve, mode := e.Reserve, e.Mode
		change(e)
		h.oracle.choseBattery(reserve != e.Reserve || mode != e.Mode)
		if reserve != e.Reserve {
			h.oracle.choseReserve(e.Reserve)
		}
	})
}

// device makes something happen to the devices that no person has chosen.
func (h *home) device(change func(*emulator.House)) {
	h.oracle.disturbed()
	h.cloud.Person(change)
}

// publish is somebody's mosquitto_pub; %d in topic stands for the thermostat.
func (h *home) publish(topic string, thermostat int, payload string) {
	if thermostat >= 0 {
		id := devices.TopicID(h.world.vendorID(thermostat))
		topic = strings.ReplaceAll(topic, "%d", id)
		h.oracle.commands(thermostat, payload)
	}
	if strings.HasPrefix(topic, "powerwall/") {
		h.oracle.askedBattery(payload)
	}
	h.send(bus.Message{Topic: "powermgr/" + topic, Payload: []byte(payload)})
}

// send gives a message to the broker. It reports whether an active daemon receives it.
func (h *home) send(m bus.Message) bool {
	heard := h.broker.reaches(h.active()) && h.active().active() && !h.keepalived.apart.Load()
	h.oracle.hearsPeople()
	if !h.broker.send(m) {
		h.tell("  there is no broker to publish to")
		return false
	}
	return heard
}

// override is somebody's override of the controller; a length of 0: not stated.
func (h *home) override(kind rules.OverrideKind, length time.Duration, payload string) {
	if kind == rules.Auto {
		h.oracle.given()
	}
	heard := h.send(bus.Message{Topic: "powermgr/control/override/set", Payload: []byte(payload)})
	h.oracle.ordered(kind, length, heard)
}

// enable switches the controller on or off.
func (h *home) enable(on bool) {
	payload := map[bool]string{true: "ON", false: "OFF"}[on]
	h.oracle.switched(on, h.send(bus.Message{Topic: "powermgr/control/enabled/set", Payload: []byte(payload)}))
}

// restore presses the button.
func (h *home) restore() {
	h.oracle.doubts() // how long it lasts depends on the plan
	h.send(bus.Message{Topic: "powermgr/control/restore/set", Payload: []byte("PRESS")})
}

func (h *home) fault(f emulator.Fault) {
	h.oracle.troubled()
	if teslas(f) {
		h.oracle.disturbed()
	}
	h.tokens.fault(f)
	if err := h.cloud.AddFaults(f); err != nil {
		panic(fmt.Sprintf("simulation: %v", err)) // a mistake in the world
	}
}

// calm ends all current and future faults.
func (h *home) calm() {
	h.cloud.ClearFaults()
	for _, n := range h.nodes {
		n.disarm()
	}
}

func (h *home) full(full bool) {
	h.oracle.disturbed()
	for _, n := range h.nodes {
		n.disk.mu.Lock()
		n.disk.full = full
		n.disk.mu.Unlock()
	}
}

func (h *home) jump(off time.Duration) {
	h.oracle.jumps(off.Abs() > time.Hour || h.wrong())
	h.active().clock.jump(off)
}

// wrong reports whether a node's clock is far off.
func (h *home) wrong() bool {
	return slices.ContainsFunc(h.nodes, func(n *node) bool { return time.Duration(n.clock.off.Load()).Abs() > time.Hour })
}

func (h *home) right() {
	h.oracle.jumps(h.wrong())
	for _, n := range h.nodes {
		n.clock.jump(0)
	}
}

// active returns the node that keepalived last told to be active.
func (h *home) active() *node { return h.nodes[h.keepalived.master()] }

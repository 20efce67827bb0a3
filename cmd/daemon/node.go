package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/devices"
)

// A node is what this machine is: alone, or one of a pair. It is bridge's and
// control's Standing.
type node interface {
	Active() bool
	Generation() uint64
	Alone() bool // it is none of a pair
	Run(ctx context.Context) error
	state() NodeState // what it says of itself
	farewell() []byte // the last will of a standby, and the last word of both
	resume(last node) // goes on where last was, in the same process
}

// newNode reads what this node was told to be, if it is one of a pair.
func (d *Daemon) newNode(s bridge.Shared) node {
	c := d.options.Config
	s.Log = s.Log.With("part", "node")
	self := NodeState{Version: d.options.Version, Life: strconv.FormatInt(s.Bus.Now().UnixNano(), 36), DryRun: c.Settings.DryRun, Alone: !c.HA.Enabled}
	if c.HA.Enabled {
		p := newPair(s, c.HA.Node, self, d.options.Role)
		p.health = d.health
		return p
	}
	return newAlone(s, c.HA.Node, self, d.options.Parts)
}

// newNeighbors is who else runs beside a node that says self of itself.
func newNeighbors(s bridge.Shared, name string, self NodeState) neighbors {
	return neighbors{topics: s.Topics, node: name, life: self.Life, paired: !self.Alone, known: map[string]neighbor{}}
}

// alone is a node without another: always active, but for a dry run that would
// get in the way of a daemon that runs under the same base topic.
type alone struct {
	shared    bridge.Shared
	name      string
	mute      bool // the other half of this node speaks for it
	sub       *bus.Subscription
	neighbors neighbors

	mu   sync.Mutex
	self NodeState
}

// newAlone returns a node that has subscribed already.
func newAlone(s bridge.Shared, name string, self NodeState, parts Parts) *alone {
	self.Role, self.Generation, self.Since, self.Health = Active, 1, devices.WholeSecond(s.Bus.Now()), "ok"
	a := &alone{
		shared: s, name: name, self: self, mute: parts == ControlAlone, neighbors: newNeighbors(s, name, self),
		sub: s.Bus.Subscribe("alone", s.Topics.NodeState("+"), bus.LinkState),
	}
	a.neighbors.half = parts != Whole
	return a
}

// resume is called before Run.
func (a *alone) resume(last node) {
	l, ok := last.(*alone)
	if !ok || l.name != a.name || l.shared.Topics != a.shared.Topics {
		return
	}
	a.neighbors.resume(l.neighbors)
	if a.self.Life = l.self.Life; a.self.DryRun == l.self.DryRun {
		a.self = l.self
	}
}

// Active may be called from any goroutine.
func (a *alone) Active() bool { return a.state().Role == Active }

// Generation is that of a node which no other one can follow.
func (a *alone) Generation() uint64 { return 1 }

// Alone reports that there is no other node.
func (a *alone) Alone() bool { return true }

func (a *alone) state() NodeState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.self
}

func (a *alone) farewell() []byte { return a.state().farewell() }

// Run says what this node is, and looks who else runs, until ctx ends; its
// error is ctx's.
func (a *alone) Run(ctx context.Context) error {
	defer a.sub.Close()
	a.say()
	beat := a.shared.Bus.Now().Add(heartbeat)
	for {
		m, ok, err := a.sub.Next(ctx, sooner(beat, a.neighbors.next(a.shared.Bus.Now())))
		if err != nil {
			return err
		}
		now := a.shared.Bus.Now()
		switch {
		case ok && m.Topic == bus.LinkState:
			a.neighbors.link(string(m.Payload) == "up", now)
		case ok && a.neighbors.hear(m, now), !now.Before(beat):
			beat = now // it is said once it is known
		}
		a.judge(now)
		if !now.Before(beat) {
			beat = now.Add(heartbeat)
			a.say()
		}
	}
}

func (a *alone) say() {
	if !a.mute {
		a.shared.Bus.Publish(bus.Message{Topic: a.shared.Topics.NodeState(a.name), Payload: mustJSON(a.state()), Retain: true})
	}
}

// judge sees whether others run as the active one. A dry run gets out of their
// way; with any other both go on, since neither can know which one is right, and
// the owner is told.
func (a *alone) judge(now time.Time) {
	self := a.state()
	role, health := Active, "ok"
	if self.DryRun {
		if first := a.neighbors.before(now); len(first) > 0 {
			role, health = Standby, fmt.Sprintf("%s: this dry run stands by; to try it out, give it another mqtt.base_topic", a.neighbors.too(first))
		}
	}
	if role == Active {
		contested(a.shared, a.neighbors.contest(now))
	}
	if role == self.Role {
		return
	}
	a.mu.Lock()
	a.self.Role, a.self.Since, a.self.Health = role, devices.WholeSecond(now), health
	a.mu.Unlock()
	if role == Standby {
		contested(a.shared, "")
		a.shared.Log.Warn(health)
	} else {
		a.shared.Log.Info("this dry run goes on: no other powermgr runs under its base topic")
	}
	a.say()
	a.shared.Bus.Publish(bus.Message{Topic: bus.Standing, Payload: []byte(role), Retain: true})
}

// contested tells the controller that others command the same devices; an empty
// text that they do not.
func contested(s bridge.Shared, text string) {
	if last, _ := s.Bus.Retained(bus.Contest); string(last.Payload) != text {
		s.Bus.Publish(bus.Message{Topic: bus.Contest, Payload: []byte(text), Retain: true})
	}
}

// notRunning is the health of a node that is gone.
const notRunning = "not running"

func mustJSON(s any) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("daemon: " + err.Error()) // a programming error: it is plain data
	}
	return b
}

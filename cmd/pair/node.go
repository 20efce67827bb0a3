// Package pair decides what this machine is: a single node, or one of a pair of which
// only one polls, commands and decides. keepalived is the authority for a pair; this
// package follows it, and what the other nodes publish about themselves on the broker.
package pair

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

// A Node is what this machine is: single, or one of a pair. It implements the Role of
// bridge and of control.
type Node interface {
	Active() bool
	Generation() uint64
	Alone() bool // it is not one of a pair
	Run(ctx context.Context) error
	State() State     // what it publishes about itself
	LastWill() []byte // the last will of a standby, and the last message of either role
	Resume(last Node) // continues where last stopped, in the same process
}

// A Share says how much of a node a process is.
type Share int

// The shares. A node alone can be two processes, of which one publishes the state of both.
const (
	Whole Share = iota
	Half
	SilentHalf
)

// Options are what a Node needs.
type Options struct {
	Shared  bridge.Shared
	Name    string // of this node, on topics
	Version string // as shown to people; empty: unknown
	DryRun  bool   // it commands no device
	// Paired says that the node is one of a pair, of which keepalived decides which is
	// active.
	Paired bool
	Store  RoleStore     // keeps the role that keepalived last set; nil: nothing does
	Health func() string // the health that a node of a pair publishes; required for one
	Share  Share         // of a single node
}

// New returns a node that is already subscribed. One of a pair reads the role that it
// was last given.
func New(o Options) Node {
	s := o.Shared
	s.Log = s.Log.With("part", "node")
	self := State{Version: o.Version, Life: strconv.FormatInt(s.Bus.Now().UnixNano(), 36), DryRun: o.DryRun, Alone: !o.Paired}
	if o.Paired {
		p := newPair(s, o.Name, self, o.Store)
		p.health = o.Health
		return p
	}
	return newAlone(s, o.Name, self, o.Share)
}

// newNeighbors returns the neighbors of a node that publishes self about itself.
func newNeighbors(s bridge.Shared, name string, self State) neighbors {
	return neighbors{topics: s.Topics, node: name, life: self.Life, paired: !self.Alone, known: map[string]neighbor{}}
}

// alone is a node without a partner: always active, unless it is a dry run that would
// get in the way of another daemon under the same base topic.
type alone struct {
	shared    bridge.Shared
	name      string
	silent    bool // the other half of this node publishes its state
	sub       *bus.Subscription
	neighbors neighbors

	mu   sync.Mutex
	self State

	published State  // the state that was published last
	payload   []byte // published, as JSON
}

// newAlone returns a node that is already subscribed.
func newAlone(s bridge.Shared, name string, self State, share Share) *alone {
	self.Role, self.Generation, self.Since, self.Health = Active, 1, devices.WholeSecond(s.Bus.Now()), "ok"
	a := &alone{
		shared: s, name: name, self: self, silent: share == SilentHalf, neighbors: newNeighbors(s, name, self),
		sub: s.Bus.Subscribe("alone", s.Topics.NodeState("+"), bus.LinkState),
	}
	a.neighbors.half = share != Whole
	return a
}

// Resume has to be called before Run.
func (a *alone) Resume(last Node) {
	l, ok := last.(*alone)
	if !ok || l.name != a.name || l.shared.Topics != a.shared.Topics {
		return
	}
	a.neighbors.Resume(l.neighbors)
	if a.self.Life = l.self.Life; a.self.DryRun == l.self.DryRun {
		a.self = l.self
	}
}

// Active may be called from any goroutine.
func (a *alone) Active() bool { return a.State().Role == Active }

// Generation returns the generation of a node that no other can replace.
func (a *alone) Generation() uint64 { return 1 }

// Alone reports that there is no other node.
func (a *alone) Alone() bool { return true }

func (a *alone) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.self
}

func (a *alone) LastWill() []byte { return a.State().LastWill() }

// Run publishes what this node is, and checks who else runs, until ctx ends. It returns
// ctx's error.
func (a *alone) Run(ctx context.Context) error {
	defer a.sub.Close()
	a.publishState()
	beat := a.shared.Bus.Now().Add(heartbeat)
	for {
		m, ok, err := a.sub.Next(ctx, devices.Earliest(beat, a.neighbors.next(a.shared.Bus.Now())))
		if err != nil {
			return err
		}
		now := a.shared.Bus.Now()
		switch {
		case ok && m.Topic == bus.LinkState:
			a.neighbors.link(string(m.Payload) == "up", now)
		case ok && a.neighbors.hear(m, now), !now.Before(beat):
			beat = now // publish as soon as that is known
		}
		a.checkNeighbors(now)
		if !now.Before(beat) {
			beat = now.Add(heartbeat)
			a.publishState()
		}
	}
}

func (a *alone) publishState() {
	if a.silent {
		return
	}
	if s := a.State(); a.payload == nil || s != a.published {
		a.published, a.payload = s, mustJSON(s)
	}
	a.shared.Bus.Publish(bus.Message{Topic: a.shared.Topics.NodeState(a.name), Payload: a.payload, Retain: true})
}

// checkNeighbors handles other active nodes. A dry run stands by for them. Otherwise
// both continue, since neither can know which one is right, and the owner is told.
func (a *alone) checkNeighbors(now time.Time) {
	self := a.State()
	role, health := Active, "ok"
	if self.DryRun {
		if first := a.neighbors.yieldTo(now); len(first) > 0 {
			role, health = Standby, fmt.Sprintf("%s: this dry run stands by; to try it out, give it another mqtt.base_topic", a.neighbors.describe(first))
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
	a.publishState()
	a.shared.Bus.Publish(bus.Message{Topic: bus.Role, Payload: []byte(role), Retain: true})
}

// contested tells the controller that others command the same devices; an empty text
// says that none do.
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
		panic("pair: " + err.Error()) // a programming error: it is plain data
	}
	return b
}

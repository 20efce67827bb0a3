package daemon

import (
	"context"
	"encoding/json"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
)

// A node is what this machine is: alone, or one of a pair. It is bridge's and
// control's Standing.
type node interface {
	Active() bool
	Generation() uint64
	Run(ctx context.Context) error
	state() NodeState // what it says of itself
	farewell() []byte // the last will of a standby, and the last word of both
}

// newNode reads what this node was told to be, if it is one of a pair.
func (d *Daemon) newNode(s bridge.Shared) node {
	c := d.options.Config
	s.Log = s.Log.With("part", "node")
	if c.HA.Enabled {
		p := newPair(s, c.HA.Node, d.options.Version, d.options.RoleFile)
		p.health = d.health
		return p
	}
	return alone{s, c.HA.Node, d.options.Version, s.Bus.Now().Round(0)}
}

// alone is a node without another: always active.
type alone struct {
	shared  bridge.Shared
	name    string
	version string
	since   time.Time
}

func (alone) Active() bool       { return true }
func (alone) Generation() uint64 { return 1 }

func (a alone) state() NodeState {
	return NodeState{Role: Active, Version: a.version, Generation: 1, Since: a.since, Health: "ok"}
}

func (a alone) farewell() []byte {
	s := a.state()
	s.Role, s.Health = Gone, notRunning
	return mustJSON(s)
}

// Run says once what this node is.
func (a alone) Run(ctx context.Context) error {
	a.shared.Bus.Publish(bus.Message{Topic: a.shared.Topics.NodeState(a.name), Payload: mustJSON(a.state()), Retain: true})
	_, err := a.shared.Bus.Clock().Wait(ctx, time.Time{}, nil)
	return err
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

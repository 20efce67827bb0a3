package pair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// neighbors are the other daemons that run under the same base topic, except for the
// other node of a pair. A broker keeps the message of a daemon that has died, so a
// neighbor counts as running only once it has published something while this one
// listened; running daemons answer one that has just started.
type neighbors struct {
	topics devices.Topics
	node   string
	life   string // identifies this daemon
	paired bool   // this node is one of a pair; its partner is not a neighbor
	half   bool   // the other half of this node has the same name; messages with that name are not a neighbor's

	linked bool // the broker has delivered all that it had stored
	known  map[string]neighbor
}

// Resume continues with what the previous daemon in this process knew.
func (n *neighbors) Resume(last neighbors) { n.life, n.known = last.life, last.known }

// A neighbor is one other daemon.
type neighbor struct {
	name string
	State
	messages  int       // received on this connection; the first may have been stored
	confirmed bool      // it has published while this daemon listened
	heard     time.Time // when it last did so; before that, when it was first seen
}

// maxNeighbors limits how many are remembered: anyone can publish to the topic.
const maxNeighbors = 16

// link records that the broker is connected, or not. While it is not, nobody can be
// heard, so nobody counts as gone.
func (n *neighbors) link(up bool, now time.Time) {
	n.linked = up
	for name, b := range n.known {
		if b.heard = now; !up {
			b.messages = 0
		}
		n.known[name] = b
	}
}

// hear processes the state of a node. It reports whether that is a daemon that has just
// started and waits for an answer.
func (n *neighbors) hear(m bus.Message, now time.Time) bool {
	levels, ok := n.topics.Split(m.Topic)
	if !ok || len(levels) != 3 || levels[2] != devices.StateLeaf || m.Origin != bus.Broker {
		return false
	}
	s, err := bus.Decode[State](m)
	name := levels[1]
	own := name == n.node && (n.half || s.Life == "" || s.Life == n.life)
	if err != nil || own {
		return false
	}
	b, known := n.known[name]
	switch {
	case s.Role == Gone, n.paired && !s.Alone:
		delete(n.known, name)
		return false
	case !known && len(n.known) >= maxNeighbors:
		return false
	}
	fresh := !known || b.Life != s.Life
	if fresh {
		b = neighbor{name: name, heard: now}
	}
	b.State = s
	if b.messages++; n.linked || b.messages > 1 {
		b.confirmed, b.heard = true, now
	}
	n.known[name] = b
	return fresh && b.confirmed
}

// running lists, by name, the neighbors that run as active nodes.
func (n *neighbors) running(now time.Time) []neighbor {
	return n.active(func(b neighbor) bool {
		return b.confirmed && (now.Sub(b.heard) <= claimExpiry || !n.linked)
	})
}

// possible lists, by name, the neighbors that may run as active nodes: those that do,
// and those known only from stored messages, as long as they may still answer.
func (n *neighbors) possible(now time.Time) []neighbor {
	doubtful := n.active(func(b neighbor) bool { return !b.confirmed && now.Sub(b.heard) < answerTimeout })
	all := append(n.running(now), doubtful...)
	slices.SortFunc(all, byName)
	return all
}

// active lists, by name, the active nodes that meet a condition.
func (n *neighbors) active(meets func(neighbor) bool) (all []neighbor) {
	for _, b := range n.known {
		if b.Role == Active && meets(b) {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, byName)
	return all
}

func byName(a, b neighbor) int { return strings.Compare(a.name, b.name) }

// next returns when an unconfirmed neighbor has had its time to answer; zero: there is
// none.
func (n *neighbors) next(now time.Time) (at time.Time) {
	for _, b := range n.known {
		if answer := b.heard.Add(answerTimeout); !b.confirmed && b.Role == Active && answer.After(now) {
			at = devices.Earliest(answer, at)
		}
	}
	return at
}

// contest describes the problem that others command the same devices, and what to do;
// empty: nobody does.
func (n *neighbors) contest(now time.Time) string {
	others := slices.DeleteFunc(n.running(now), func(b neighbor) bool { return b.DryRun })
	if len(others) == 0 {
		return ""
	}
	return n.describe(others) + ": stop one, give one another mqtt.base_topic, or make them a pair"
}

// yieldTo lists those that a dry run has to stand by for: anyone who commands devices,
// and an earlier dry run.
func (n *neighbors) yieldTo(now time.Time) []neighbor {
	return slices.DeleteFunc(n.possible(now), func(b neighbor) bool { return b.DryRun && b.Life > n.life })
}

// describe says that others run.
func (n *neighbors) describe(others []neighbor) string {
	verb := "runs"
	if len(others) > 1 {
		verb = "run"
	}
	names := make([]string, len(others))
	for i, b := range others {
		if names[i] = b.name; b.name == n.node {
			names[i] = "another " + b.name // two machines with one name
		}
	}
	return fmt.Sprintf("%s %s powermgr under %s too", strings.Join(names, " and "), verb, n.topics.Base)
}

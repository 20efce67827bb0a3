package pair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// neighbors are the other daemons that say on the broker that they run under
// the same base topic, but for the other node of a pair. A broker keeps the
// word of a daemon that has died, so one counts as running only once it has
// spoken while this one listened; a daemon that comes up gets an answer from
// those that run.
type neighbors struct {
	topics devices.Topics
	node   string
	life   string // of this daemon
	paired bool   // this node is one of a pair, and leaves the other one to it
	half   bool   // the other half of this node has its name too, and speaks for both

	linked bool // the broker has delivered all that it had stored
	known  map[string]neighbor
}

// resume goes on with what was known to the daemon before in the same process.
func (n *neighbors) Resume(last neighbors) { n.life, n.known = last.life, last.known }

// neighbor is one of them.
type neighbor struct {
	name string
	State
	messages  int       // heard on this connection; the first of them may have been stored
	confirmed bool      // it has spoken while this daemon listened
	heard     time.Time // when it last did; until then, when it was first seen
}

// maxNeighbors is how many are remembered: anyone can write to the topic.
const maxNeighbors = 16

// link takes in that the broker is there, or is not. While it is away nobody
// can be heard, and so nobody is gone.
func (n *neighbors) link(up bool, now time.Time) {
	n.linked = up
	for name, b := range n.known {
		if b.heard = now; !up {
			b.messages = 0
		}
		n.known[name] = b
	}
}

// hear takes in what a node says of itself. It reports whether that is a daemon
// that has just come up, and waits for an answer.
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

// running lists, by name, those that run as the active one.
func (n *neighbors) running(now time.Time) []neighbor {
	return n.active(func(b neighbor) bool {
		return b.confirmed && (now.Sub(b.heard) <= claimExpiry || !n.linked)
	})
}

// possible lists, by name, those that may run as the active one: those that do,
// and those that only the broker names, as long as they may still answer.
func (n *neighbors) possible(now time.Time) []neighbor {
	doubtful := n.active(func(b neighbor) bool { return !b.confirmed && now.Sub(b.heard) < answerTimeout })
	all := append(n.running(now), doubtful...)
	slices.SortFunc(all, byName)
	return all
}

// active lists, by name, those of the active role that meet a condition.
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

// next is when a doubtful one has had its time to answer; zero: there is none.
func (n *neighbors) next(now time.Time) (at time.Time) {
	for _, b := range n.known {
		if answer := b.heard.Add(answerTimeout); !b.confirmed && b.Role == Active && answer.After(now) {
			at = devices.Earliest(answer, at)
		}
	}
	return at
}

// contest says what is wrong while others command the same devices, and what to
// do; empty: nobody does.
func (n *neighbors) contest(now time.Time) string {
	others := slices.DeleteFunc(n.running(now), func(b neighbor) bool { return b.DryRun })
	if len(others) == 0 {
		return ""
	}
	return n.describe(others) + ": stop one, give one another mqtt.base_topic, or make them a pair"
}

// yieldTo lists those that a dry run has to stand by for: whoever commands
// devices, and an earlier dry run.
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

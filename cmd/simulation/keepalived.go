package simulation

import (
	"sync"
	"sync/atomic"
	"time"

	"powermgr/cmd/pair"
)

// keepalived decides which node of a pair is the active one, as the real one does: the
// other node takes over a few seconds after the active one died, and keeps the role.
// Nodes that do not see each other are both told to be active; when they see each other
// again, the second one is told to stand by.
type keepalived struct {
	home *home

	mu    sync.Mutex   // held while nodes are told
	first atomic.Int32 // the node that should be active
	apart atomic.Bool  // the nodes do not see each other
}

// takeover is how long keepalived takes to notice that a node is gone.
const takeover = 3600 * time.Millisecond

func (k *keepalived) master() int { return int(k.first.Load()) }

// pair returns the node that should be active, and the other one.
func (k *keepalived) pair() (first, second *node) {
	i := k.master()
	return k.home.nodes[i], k.home.nodes[1-i]
}

// other returns the node that is not the active one, or the only one.
func (h *home) other() *node { return h.nodes[(h.keepalived.master()+1)%len(h.nodes)] }

func (k *keepalived) begin() {
	for i, n := range k.home.nodes {
		if i == 0 {
			n.tell(pair.Active)
		} else {
			n.tell(pair.Standby)
		}
	}
}

// died handles the death of a node. It is called under that node's lock.
func (k *keepalived) died(n *node) {
	if len(k.home.nodes) < 2 {
		return
	}
	time.AfterFunc(takeover+k.home.scheduler.next(), func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if first, second := k.pair(); n == first && !n.up() && second.up() {
			k.move()
		}
	})
}

// booted handles the start of a node.
func (k *keepalived) booted(n *node) {
	if len(k.home.nodes) < 2 {
		return
	}
	time.AfterFunc(takeover+k.home.scheduler.next(), func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		n.catchUp()
		switch first, _ := k.pair(); {
		case !n.up():
		case n == first || k.apart.Load():
			n.tell(pair.Active)
		case !first.up():
			k.move()
		default:
			n.tell(pair.Standby)
		}
	})
}

// handOver moves the role between two nodes that are up.
func (k *keepalived) handOver() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, second := k.pair(); !k.apart.Load() && second.up() {
		k.move()
	}
}

func (k *keepalived) move() {
	k.home.oracle.disturbed()
	first, second := k.pair()
	if !k.home.broker.has(first) && (!k.home.world.Rsync || first.isFull()) {
		k.home.oracle.splits() // the second one does not know what the first has done
		k.home.oracle.forgets()
	}
	k.first.Store(1 - k.first.Load())
	k.home.tell("%s is told to be active", second.name)
	first.tell(pair.Standby)
	second.tell(pair.Active)
}

// split cuts the connection between the nodes, or restores it.
func (k *keepalived) split(apart bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.apart.Swap(apart) == apart {
		return
	}
	k.home.oracle.splits()
	if _, second := k.pair(); apart {
		second.tell(pair.Active)
	} else {
		second.tell(pair.Standby)
	}
}

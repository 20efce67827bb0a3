package simulation

// How the daemon of a node runs and ends: killed, stopped, or made to read its
// configuration again.

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/cmd/local"
)

// A life is one process, from start to death. A dead one can no longer do anything,
// whatever its goroutines still try.
type life struct {
	dead     atomic.Bool
	stopping atomic.Bool // it has been told to stop
	cancel   context.CancelCauseFunc

	mu          sync.Mutex
	crashpoints []*crashpoint
	asks        map[string]int // requests for new tokens in progress, by vendor
}

// A crashpoint ends the daemon at the n-th moment of a kind.
type crashpoint struct {
	moment moment
	left   int
	ending ending
}

// An ending is how a daemon ends.
type ending struct {
	how    how
	after  time.Duration // after its cause; not for a kill
	off    time.Duration // how long the daemon stays down; not for a reload
	reboot bool          // the ramdisk is empty when it starts again
}

type how string

// The endings.
const (
	killed   how = ""
	stopped  how = "stop"
	reloaded how = "reload" // it continues at once, as the same process
)

// A moment is when a crashpoint can end a daemon.
type moment string

const (
	journalBefore moment = "the journal was about to be saved" // and was not
	journalSaved  moment = "the journal was saved"
	writeBefore   moment = "a write was about to leave"
	writeAfter    moment = "a write had arrived"
	tokenAsked    moment = "a new token was asked for"
)

var errDead = errors.New("the daemon is dead")

// pass counts down the crashpoints of a moment, and reports whether the daemon still lives.
func (n *node) pass(l *life, m moment) bool {
	if l.dead.Load() {
		return false
	}
	l.mu.Lock()
	var hit *crashpoint
	for _, f := range l.crashpoints {
		if f.moment == m && f.left > 0 {
			if f.left--; f.left == 0 {
				hit = f
			}
		}
	}
	l.mu.Unlock()
	switch {
	case hit == nil:
		return true
	case hit.ending.how != killed:
		time.AfterFunc(hit.ending.after+n.home.scheduler.next(), func() {
			n.home.tell("%s: %s, since %s", n.name, hit.ending.how, m)
			n.end(hit.ending)
		})
		return true
	}
	n.home.tell("%s killed when %s", n.name, m)
	if m == journalSaved && len(n.home.nodes) > 1 || m == journalBefore {
		n.home.oracle.forgets() // it is lost
	}
	n.end(hit.ending)
	return false
}

// arm sets a crashpoint in the daemon that runs now.
func (n *node) arm(f crashpoint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		n.life.mu.Lock()
		n.life.crashpoints = append(n.life.crashpoints, &f)
		n.life.mu.Unlock()
	}
}

// disarm removes all crashpoints from the daemon that runs now.
func (n *node) disarm() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		n.life.mu.Lock()
		n.life.crashpoints = nil
		n.life.mu.Unlock()
	}
}

// end ends the daemon: as kill -9 or a power cut would, or as systemctl stop or systemctl
// reload does.
func (n *node) end(e ending) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.life
	if l == nil || l.dead.Load() || l.stopping.Load() || n.daemon == nil && e.how == reloaded {
		return
	}
	n.home.oracle.disturbed()
	if n.isFull() {
		n.home.oracle.forgets()
	}
	if e.how == reloaded {
		n.reload(l)
		return
	}
	n.off = e.off
	n.home.keepalived.died(n)
	if e.how == stopped {
		l.stopping.Store(true)
		n.empty = e.reboot
		time.AfterFunc(longestStop, func() { n.hangs(l) })
		l.cancel(nil)
		return
	}
	if e.reboot {
		n.ram.clear()
		n.role.clear()
	}
	n.home.tokens.killed(n, l)
	l.dead.Store(true)
	l.cancel(nil)
}

// longestStop is how long systemd waits for a daemon to stop.
const longestStop = 45 * time.Second

// hangs kills a daemon that should have stopped long ago.
func (n *node) hangs(l *life) {
	if !l.dead.Swap(true) {
		n.home.oracle.hangs(n.name)
	}
}

// reload replaces the running daemon by one with the current configuration, in the same
// process. The lock must be held.
func (n *node) reload(l *life) {
	if n.next != nil {
		return
	}
	next, err := n.build(l, n.daemon)
	if err != nil {
		n.home.oracle.cannotReload(err)
		return
	}
	n.next = next
	l.cancel(local.ErrReloading)
}

// isFull reports whether the disk of the journal is full.
func (n *node) isFull() bool {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return n.disk.full
}

// well reports whether the daemon runs and its clock is right.
func (n *node) well() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life != nil && n.clock.off.Load() == 0
}

// up reports whether the daemon runs and has not been told to stop.
func (n *node) up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life != nil && !n.life.dead.Load() && !n.life.stopping.Load()
}

// live starts the daemon again and again until ctx ends.
func (n *node) live(ctx context.Context) {
	for ctx.Err() == nil {
		l := &life{cancel: func(error) {}, asks: map[string]int{}}
		n.mu.Lock()
		n.life = l
		n.mu.Unlock()
		n.disk.mu.Lock()
		n.disk.inTheHour = 0 // a start may write more
		n.disk.mu.Unlock()
		if !n.stranger {
			n.home.oracle.boots()
			n.home.keepalived.booted(n)
		}
		if err := n.run(ctx, l); ctx.Err() == nil && !l.dead.Load() && !l.stopping.Load() {
			n.home.oracle.endedByItself(err)
			n.off = time.Hour
		}
		l.dead.Store(true)
		n.mu.Lock()
		n.life, n.daemon, n.next = nil, nil, nil
		if n.empty {
			n.ram.clear()
			n.role.clear()
			n.empty = false
		}
		off := n.off
		n.mu.Unlock()
		if ctx.Err() == nil {
			_ = n.home.scheduler.sleep(ctx, max(off, time.Second))
			n.home.tell("%s starts again", n.name)
		}
	}
}

// run does what powermgr run does: it runs a daemon, and another one each time it is told
// to read its configuration again.
func (n *node) run(ctx context.Context, l *life) error {
	d, err := n.build(l, nil)
	for err == nil && d != nil {
		running, cancel := context.WithCancelCause(ctx)
		n.mu.Lock()
		n.daemon, n.next, l.cancel = d, nil, cancel
		n.mu.Unlock()
		err = d.Run(running)
		cancel(nil)
		n.mu.Lock()
		d = n.next
		n.mu.Unlock()
		if d != nil && err == nil {
			n.home.oracle.boots()
		}
	}
	return err
}

// build creates a daemon; last is the one that it follows in the same process, if any.
func (n *node) build(l *life, last *daemon.Daemon) (*daemon.Daemon, error) {
	config, err := n.configuration()
	if err != nil {
		return nil, err
	}
	o := daemon.Options{
		Config: config, Version: "simulated", Clock: n.clock, Log: slog.New(logOf{n.home.oracle, n}), Began: n.home.scheduler.starter(), Ended: func() {}, Chance: n.home.scheduler.chance,
		Transport: &transport{n, l}, Journal: &living{n, l, n.disk}, Peer: &living{n, l, n.peer}, Role: n.role, Counters: [2]bridge.Store{n.ram.of(l), n.card.of(l)},
		Link: n.home.broker.link(n, l), Last: last, Past: n.home.world.past, Rooms: n.home.world.rooms,
	}
	return daemon.New(o)
}

// configuration returns the configuration in the node's file, which is the same for all
// its processes.
func (n *node) configuration() (config.Config, error) {
	if n.config == nil {
		c, _, err := config.Load(n.configFile, nil)
		if err != nil {
			return config.Config{}, err
		}
		n.config = &c
	}
	return *n.config, nil
}

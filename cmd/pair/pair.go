package pair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/control/health"
	"powermgr/control/journal"
	"powermgr/control/notify"
	"powermgr/devices"
	"powermgr/devices/durable"
)

// Role is what a node of a pair is.
type Role string

// The roles. A node's last will publishes Gone; it is never assigned.
const (
	Active  Role = "active"
	Standby Role = "standby"
	Gone    Role = "gone"
)

// ParseRole parses a role that a node can be given.
func ParseRole(text string) (Role, error) {
	switch r := Role(strings.TrimSpace(text)); r {
	case Active, Standby:
		return r, nil
	}
	return "", fmt.Errorf("%.20q is not a role: it is active or standby", text)
}

// roleName is the file in the runtime directory that holds the role this node was last
// given.
const roleName = "role"

// A RoleStore keeps the role that keepalived last set across a restart.
type RoleStore interface {
	Load() (Role, error) // fs.ErrNotExist: there is none
	Save(Role) error
}

// roleFile is a RoleStore in the file at this path.
type roleFile string

// RoleFile returns a store for the role in a runtime directory.
func RoleFile(dir string) RoleStore { return roleFile(filepath.Join(dir, roleName)) }

func (f roleFile) Load() (Role, error) {
	b, err := os.ReadFile(string(f))
	if err != nil {
		return "", err
	}
	r, err := ParseRole(string(b))
	if err != nil {
		err = fmt.Errorf("%s: %w", string(f), err)
	}
	return r, err
}

func (f roleFile) Save(r Role) error { return durable.Replace(string(f), []byte(r+"\n"), 0o644) }

// State is the payload of node/<node>/state: what a node publishes about itself.
type State struct {
	Role       Role      `json:"role"`
	Version    string    `json:"version"`
	Generation uint64    `json:"generation"` // of its last claim
	Since      time.Time `json:"since"`      // of the role
	Health     string    `json:"health"`     // ok, or what is wrong
	// Life distinguishes daemons that claim to be the same node. Empty: the daemon is
	// of a version that did not publish it.
	Life   string `json:"life,omitempty"`
	Alone  bool   `json:"alone,omitempty"` // it is not one of a pair
	DryRun bool   `json:"dry_run,omitempty"`
}

// LastWill returns the state for when the node is gone.
func (s State) LastWill() []byte {
	s.Role, s.Health = Gone, notRunning
	return mustJSON(s)
}

// A claim is a node's statement that it is the active one. Claims are ordered by
// generation, then by node, so no two are equal.
type claim struct {
	generation uint64
	node       string
}

func (c claim) outranks(o claim) bool {
	if c.generation != o.generation {
		return c.generation > o.generation
	}
	return c.node > o.node
}

const (
	// answerTimeout is how long a node that was active before its start waits for
	// the claims stored at the broker before it claims again, and how long another
	// node that only the broker names has to answer.
	answerTimeout = 10 * time.Second
	// heartbeat is how often an active node repeats its claim.
	heartbeat = time.Minute
	// claimExpiry is how long another node's higher claim counts without being
	// repeated: a node that died while active cannot withdraw its claim.
	claimExpiry = 3*heartbeat + heartbeat/2
)

// Pair is this node's place in a pair; it is the Role for all other parts.
//
// keepalived is the authority, and speaks through SetRole. A node that is made active
// claims the pair with a generation one above the highest it has seen. A node that sees
// a higher claim stands down at once, and stays down until it is made active again, or
// until that claim is no longer repeated.
type Pair struct {
	shared    bridge.Shared
	node      string
	self      State     // what never changes in the state of this node
	store     RoleStore // of the role; nil: it is not stored
	sub       *bus.Subscription
	neighbors neighbors // daemons outside of the pair

	// storeMu is held while a role from keepalived is applied and stored, so that an
	// older one is not read back in between.
	storeMu    sync.Mutex
	storeStale bool // the stored role is older than the assigned one; guarded by storeMu

	mu sync.Mutex
	// the role that keepalived last set
	assigned   Role
	claimsSeen bool // the broker's claims were received, or there was no broker for a while
	active     bool
	since      time.Time // of active
	ownClaim   claim     // this node's latest
	otherClaim claim     // the highest of another node, or of an earlier daemon of this one
	otherHeard time.Time // when it was last repeated
	noneActive bool      // no node is active, and that was reported
	health     func() string
}

// newPair returns a pair that is already subscribed. A stored role counts as assigned;
// without one that can be read, this node stands by.
func newPair(s bridge.Shared, node string, self State, store RoleStore) *Pair {
	p := &Pair{
		shared: s, node: node, self: self, neighbors: newNeighbors(s, node, self), store: store, assigned: Standby, since: s.Bus.Now(), health: func() string { return "ok" },
		sub: s.Bus.Subscribe("pair", s.Topics.NodeState("+"), s.Topics.NodeJournal("+"), bus.LinkState),
	}
	if r, err := p.load(); err == nil {
		p.assigned = r
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.Log.Warn("the role that this node had cannot be read: it stands by", "reason", err)
	}
	return p
}

// Resume has to be called before Run. The role that keepalived last set counts, as at
// any start; a claim lasts as long as the process does.
func (p *Pair) Resume(last Node) {
	l, ok := last.(*Pair)
	if !ok || l.node != p.node || l.shared.Topics != p.shared.Topics {
		return
	}
	p.self.Life = l.self.Life
	p.neighbors.Resume(l.neighbors)
	p.assigned, p.storeStale = l.assigned, l.storeStale
	p.claimsSeen, p.active, p.since, p.ownClaim, p.otherClaim, p.otherHeard, p.noneActive = l.claimsSeen, l.active, l.since, l.ownClaim, l.otherClaim, l.otherHeard, l.noneActive
	if p.active {
		p.announce()
	}
}

// load returns the stored role.
func (p *Pair) load() (Role, error) {
	if p.store == nil {
		return "", fs.ErrNotExist
	}
	return p.store.Load()
}

// Active reports whether this node is the one that polls, commands and decides. It may
// be called from any goroutine.
func (p *Pair) Active() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active
}

// Generation returns that of this node's latest claim.
func (p *Pair) Generation() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ownClaim.generation
}

// SetRole applies a role from keepalived. An error says that the role will be lost in a
// restart; it is applied all the same.
func (p *Pair) SetRole(r Role) error {
	p.storeMu.Lock()
	defer p.storeMu.Unlock()
	p.applyRole(r)
	if p.store == nil {
		return nil
	}
	err := p.store.Save(r)
	if p.storeStale = err != nil; p.storeStale {
		return fmt.Errorf("the role holds until the next restart: %w", err)
	}
	return nil
}

func (p *Pair) applyRole(r Role) {
	p.mu.Lock()
	p.assigned = r
	p.mu.Unlock()
	if r == Active {
		p.claim()
	} else {
		p.standDown("this node is told to stand by")
	}
}

// reloadRole applies a role that keepalived has set while no daemon listened: while
// this one replaced another, it went to that one, or only to the file.
func (p *Pair) reloadRole() {
	p.storeMu.Lock()
	defer p.storeMu.Unlock()
	r, err := p.load()
	p.mu.Lock()
	news := err == nil && !p.storeStale && r != p.assigned
	p.mu.Unlock()
	if news {
		p.applyRole(r)
	}
}

// claim makes this node the active one, unless it already is.
func (p *Pair) claim() {
	p.mu.Lock()
	if p.active && p.ownClaim.outranks(p.otherClaim) {
		p.mu.Unlock()
		return
	}
	p.ownClaim = claim{max(p.ownClaim.generation, p.otherClaim.generation) + 1, p.node}
	p.active, p.since = true, p.shared.Bus.Now()
	generation := p.ownClaim.generation
	p.mu.Unlock()
	p.shared.Log.Info("this node is the active one", "generation", generation)
	p.announce()
}

func (p *Pair) standDown(why string, args ...any) {
	p.mu.Lock()
	was := p.active
	if p.active {
		p.active, p.since = false, p.shared.Bus.Now()
	}
	p.mu.Unlock()
	if was {
		p.shared.Log.Log(context.Background(), slog.LevelInfo, "this node stands by", append([]any{"reason", why}, args...)...)
	}
	p.announce()
}

// announce publishes what this node is, for other nodes and for the parts.
func (p *Pair) announce() {
	p.publishState()
	p.shared.Bus.Publish(bus.Message{Topic: bus.Role, Payload: []byte(p.State().Role), Retain: true})
}

func (p *Pair) publishState() {
	p.shared.Bus.Publish(bus.Message{Topic: p.shared.Topics.NodeState(p.node), Payload: mustJSON(p.State()), Retain: true})
}

// State returns what this node publishes about itself.
func (p *Pair) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.self
	s.Role, s.Generation, s.Since, s.Health = Standby, p.ownClaim.generation, devices.WholeSecond(p.since), p.health()
	if p.active {
		s.Role = Active
	}
	return s
}

// LastWill returns the state that the broker is to publish when this node is gone.
func (p *Pair) LastWill() []byte { return p.State().LastWill() }

// Alone reports that there may be another node.
func (p *Pair) Alone() bool { return false }

// Run follows the other node until ctx ends, and returns ctx's error.
func (p *Pair) Run(ctx context.Context) error {
	defer p.sub.Close()
	p.reloadRole()
	if p.State().Role == Standby { // no role has been set yet
		p.announce()
	}
	claimAt := p.shared.Bus.Now().Add(answerTimeout)
	beat := p.shared.Bus.Now().Add(heartbeat)
	linked := time.Time{} // since when there is a broker; zero: there is none
	for {
		m, ok, err := p.sub.Next(ctx, devices.Earliest(claimAt, beat))
		if err != nil {
			return err
		}
		now := p.shared.Bus.Now()
		switch {
		case ok && m.Topic == bus.LinkState:
			linked = time.Time{}
			up := string(m.Payload) == "up"
			p.neighbors.link(up, now)
			if up {
				linked = now
				if !claimAt.IsZero() {
					claimAt = now // the claims at the broker have been seen
				}
			}
		case ok:
			p.handle(m, now)
		}
		p.publishContest(now)
		if !claimAt.IsZero() && !now.Before(claimAt) {
			claimAt = time.Time{}
			p.mu.Lock()
			p.claimsSeen = true
			p.mu.Unlock()
			p.reloadRole()
			p.reclaim(time.Time{})
		}
		if !now.Before(beat) {
			beat = now.Add(heartbeat)
			p.reloadRole()
			p.reclaim(now.Add(-claimExpiry))
			if p.Active() {
				p.publishState()
			}
			p.checkNoneActive(!linked.IsZero() && now.Sub(linked) > claimExpiry, now)
		}
	}
}

// checkNoneActive checks whether any node is active, as far as the broker tells. If
// none is for a while, the owner is told: nothing is polled or controlled, although
// both nodes look well.
func (p *Pair) checkNoneActive(listened bool, now time.Time) {
	p.mu.Lock()
	nobody := listened && !p.active && now.Sub(p.otherHeard) > claimExpiry
	news := nobody && !p.noneActive
	p.noneActive = nobody
	p.mu.Unlock()
	if !news {
		return
	}
	const text = "no node of the pair is active: nothing is polled or controlled. keepalived decides which one is: look at systemctl status keepalived on both nodes"
	p.shared.Log.Error(text)
	b, err := notify.Encode(notify.Mail{Key: "pair/nobody/" + now.UTC().Format(time.RFC3339), Level: health.Critical, Subject: "no node of the pair is active", Text: text, At: now})
	if err != nil {
		p.shared.Log.Error("a mail cannot be written", "reason", err)
		return
	}
	p.shared.Bus.Publish(bus.Message{Topic: notify.Topic, Payload: b})
}

// publishContest tells the controller of the active node that daemons outside of the
// pair command the same devices.
func (p *Pair) publishContest(now time.Time) {
	text := ""
	if p.Active() {
		text = p.neighbors.contest(now)
	}
	contested(p.shared, text)
}

// reclaim claims the pair again if keepalived has made this node active and nobody has
// repeated a higher claim since since; if that is zero, in any case.
func (p *Pair) reclaim(since time.Time) {
	p.mu.Lock()
	again := p.assigned == Active && !p.active && p.claimsSeen && (since.IsZero() || p.otherHeard.Before(since))
	p.mu.Unlock()
	if again {
		p.claim()
	}
}

// handle processes what a node publishes: the other one, or an earlier daemon of this one.
func (p *Pair) handle(m bus.Message, now time.Time) {
	levels, ok := p.shared.Topics.Split(m.Topic)
	if !ok || len(levels) != 3 {
		return
	}
	s, err := bus.Decode[State](m) // a journal has its generation at the same place
	if err != nil || s.Generation > journal.MaxGeneration {
		return
	}
	if p.neighbors.hear(m, now) && p.Active() {
		p.publishState()
	}
	if s.Alone { // it takes no part in the claims of the pair; a journal says so too
		return
	}
	said := claim{s.Generation, levels[1]}
	p.mu.Lock()
	mine := said.node == p.node
	if mine {
		said.node = "" // an earlier daemon of this node is no rival
	}
	if said.outranks(p.otherClaim) {
		p.otherClaim = said
	}
	rival := !mine && levels[2] == "state" && s.Role == Active
	if rival {
		p.otherHeard = now
	}
	lost := rival && p.active && said.outranks(p.ownClaim)
	left := !mine && !rival && levels[2] == "state"
	p.mu.Unlock()
	if left {
		p.reclaim(time.Time{})
	}
	if lost {
		p.shared.Log.Warn("another node has claimed the pair", "node", said.node, "generation", said.generation)
		p.standDown("another node has claimed the pair")
	}
}

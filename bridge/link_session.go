package bridge

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

var (
	errRoleChanged = errors.New("the role of this node has changed")
	errClosing     = errors.New("powermgr is stopping")
	errStuck       = errors.New("the broker no longer accepts messages")

	errHandedOver = errors.New("another link has taken over the connection")
)

// serving is the work on one connection while it lasts.
type serving struct {
	*Link
	c                *connection
	nonce            []byte
	echoed           chan struct{} // holds a token when the nonce has come back
	statusOffline    chan struct{} // holds a token when somebody has published the status offline
	stateOverwritten chan struct{} // holds a token when somebody has published another state of this node
	birth            chan struct{} // holds a token when Home Assistant has started
	timeouts         int           // publishes without an answer, in a row
}

// A preparation comes first on a connection, whether new or handed over by another
// link.
type preparation struct {
	do     func(*serving, context.Context, <-chan struct{}) error
	repeat time.Duration // until the online status is published again
}

// serve prepares a connection and then uses it until it ends. The error is the reason.
func (l *Link) serve(ctx context.Context, c *connection, closing <-chan struct{}, first preparation) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.down:
		case <-ctx.Done():
		}
		cancel()
	}()
	s := &serving{
		Link: l, c: c, nonce: []byte(rand.Text()),
		echoed: make(chan struct{}, 1), statusOffline: make(chan struct{}, 1), stateOverwritten: make(chan struct{}, 1), birth: make(chan struct{}, 1),
	}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		s.pump(ctx, closing)
	}()
	defer func() { cancel(); <-pumped }()

	err := first.do(s, ctx, closing)
	if err == nil {
		err = s.run(ctx, closing, first.repeat)
		if errors.Is(err, errClosing) && s.handOver(ctx) {
			return errHandedOver
		}
	}
	if errors.Is(err, errClosing) {
		s.leave(ctx)
		return err
	}
	select {
	case <-c.down:
		return c.downCause()
	default:
		return err
	}
}

// pump passes on what comes from the broker. It never waits for anybody. What arrives
// at the end is left to the link that follows, if there is one.
func (s *serving) pump(ctx context.Context, closing <-chan struct{}) {
	for {
		var m bus.Message
		select {
		case m = <-s.c.inbox:
		case <-ctx.Done():
			return
		case <-closing:
			if s.successor.Load() != nil {
				return
			}
			closing = nil
			continue
		}
		s.mu.Lock()
		s.received++
		s.overflowed += int(s.c.overflowed.Swap(0))
		s.mu.Unlock()
		if m, pass := s.intercept(m); pass {
			s.deliver(m)
		}
	}
}

// intercept acts on messages for the link itself. pass is false if a message is for
// nobody else.
func (s *serving) intercept(m bus.Message) (_ bus.Message, pass bool) {
	switch {
	case bus.Private(m.Topic): // these are made in this process alone
	case m.Topic == s.selfTestTopic():
		if bytes.Equal(m.Payload, s.nonce) {
			signal(s.echoed)
		}
	case !s.o.SecondaryProcess && m.Topic == s.o.Topics.Status():
		if string(m.Payload) == devices.Offline {
			signal(s.statusOffline)
		}
	case m.Topic == s.o.Topics.NodeState(s.o.Node) && s.sawRetained.Load():
		// After the first connection, which may show the claim of an earlier
		// process, this is a late will of this node, or a machine with the same name.
		if own, ok := s.out.own(m.Topic); ok && !bytes.Equal(own.Payload, m.Payload) {
			signal(s.stateOverwritten)
			m.Retain = false // the bus keeps what this process says of itself
			return m, true
		}
	case slices.Contains(s.o.Stored, m.Topic):
		s.out.noteStored(m)
		m.Topic, m.Retain = bus.Stored(m.Topic), true
		s.o.Bus.Publish(m)
	case slices.Contains(s.births(), m.Topic):
		// A stored birth is answered by the replay of every connection.
		if !m.Retain && strings.EqualFold(strings.TrimSpace(string(m.Payload)), devices.Online) {
			signal(s.birth)
		}
	default:
		return m, true
	}
	return m, false
}

// deliver publishes a message on the bus if it is for this process.
func (s *serving) deliver(m bus.Message) {
	switch {
	case s.out.isEcho(m, time.Now()):
	case s.o.foreign(m):
		s.warnForeign(m)
	case s.o.Wants(m):
		s.o.Bus.Publish(m)
	}
}

// signal puts a token into a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// warnForeign logs once per node that commands of its controller arrive here.
func (s *serving) warnForeign(m bus.Message) {
	if !s.foreignNodes[m.Node] && len(s.foreignNodes) < maxForeign {
		s.foreignNodes[m.Node] = true
		s.o.Log.Warn("commands of the controller of another node are not carried out; the two halves of one node need the same ha.node", "node", m.Node, "topic", m.Topic)
	}
}

// maxForeign is how many such nodes are remembered.
const maxForeign = 16

// willOutdated reports whether the last will no longer fits the role.
func (s *serving) willOutdated() bool {
	w := s.will()
	return w.Topic != s.c.will.Topic
}

// replay queues everything that this process has retained to be published again.
func (l *Link) replay() { l.out.replay(l.online()) }

// run publishes what is queued, and responds to the broker, until the connection ends.
func (s *serving) run(ctx context.Context, closing <-chan struct{}, first time.Duration) error {
	repeat := time.NewTimer(first)
	defer repeat.Stop()
	stable := time.NewTimer(s.timing.short) // the outage is over
	defer stable.Stop()
	again := time.NewTimer(math.MaxInt64) // the next replay
	defer again.Stop()
	planned := false
	plan := func(in time.Duration) {
		if !planned {
			planned = true
			again.Reset(in)
		}
	}
	up := false
	var putBack time.Time // the state of this node
	for {
		m, ok, due := s.out.take(time.Now())
		if ok {
			if err := s.publish(ctx, m); err != nil {
				return err
			}
		} else if !up && s.out.idle() {
			up = true
			s.up()
		}
		soon := time.NewTimer(nextSend(ok, due))
		select {
		case <-ctx.Done():
			soon.Stop()
			return ctx.Err()
		case <-closing:
			soon.Stop()
			return errClosing
		case <-s.roleChanged:
			if s.willOutdated() {
				soon.Stop()
				return errRoleChanged
			}
			s.replay()
		case <-s.statusOffline:
			s.o.Log.Info("status was offline on the broker, and is put back")
			s.out.put(s.online())
		case <-s.stateOverwritten:
			// Not at once: another node of the same name would answer likewise.
			if time.Since(putBack) > s.timing.repeat && s.putBackState() {
				putBack = time.Now()
			}
		case <-s.birth:
			plan(s.timing.birthMin + mathrand.N(s.timing.birthMax-s.timing.birthMin))
		case <-s.overrunSignal:
			s.enqueueAll()
		case <-again.C:
			planned = false
			s.replay()
		case <-repeat.C:
			// Another's will may have come late, and what corrects it may have
			// been lost.
			repeat.Reset(s.timing.heartbeat)
			if online := s.online(); online.Topic != "" {
				s.out.put(online)
			}
			s.publishHealth(true)
		case <-stable.C:
			s.lastProblem, s.shortInARow = "", 0
			clear(s.warned)
			s.publishHealth(true)
		case <-s.out.ready:
		case <-soon.C:
		}
		soon.Stop()
	}
}

// nextSend returns how long to wait before publishing: not at all after a message, and
// otherwise until the next one is due, if any is.
func nextSend(published bool, due time.Time) time.Duration {
	switch {
	case published:
		return 0
	case due.IsZero():
		return math.MaxInt64
	}
	return time.Until(due)
}

// putBackState publishes the state of this node again, if it has one.
func (s *serving) putBackState() bool {
	own, ok := s.out.own(s.o.Topics.NodeState(s.o.Node))
	if ok {
		s.out.put(own)
	}
	return ok
}

// enqueueAll queues the retained messages of the bus, after some did not fit the link's
// queue.
func (s *serving) enqueueAll() {
	for _, m := range s.o.Bus.Snapshot() {
		s.out.noteSeen(m)
		s.enqueue(m)
	}
}

// up announces that the broker has everything.
func (s *serving) up() {
	s.o.Log.Info("connected to the broker", "broker", redacted{s.url}, "client_id", s.o.ClientID)
	s.publishHealth(true)
	s.publishState("up")
}

// publish sends one message. An error means that the connection is unusable.
func (s *serving) publish(ctx context.Context, m bus.Message) error {
	if !s.mayPublish(m) {
		s.out.sent(m)
		return nil
	}
	var expiry uint32
	if !m.Expires.IsZero() {
		left := m.Expires.Sub(s.o.Bus.Now())
		if left <= 0 {
			s.out.sent(m)
			return nil
		}
		expiry = uint32(min(math.Ceil(left.Seconds()), math.MaxUint32))
	}
	p := s.c.packet(m, expiry)
	s.inFlight = flight{m.Topic, size(p)}
	if no, refused := s.knownRefusal(s.inFlight); refused {
		s.inFlight = flight{}
		s.out.sent(m)
		if s.refusedBy(m.Topic, no) {
			s.publishHealth(true)
		}
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, s.timing.publish)
	defer cancel()
	err := s.c.publish(wait, p)
	if no, refused := errors.AsType[*publishRefusedError](err); err == nil || refused {
		s.inFlight, s.timeouts = flight{}, 0
		s.out.sent(m)
		if refused {
			if s.refusedBy(m.Topic, no.refusal) {
				s.publishHealth(true)
			}
			return nil
		}
		s.health.Sent++
		if _, was := s.denied[m.Topic]; was {
			delete(s.denied, m.Topic)
			s.publishHealth(true)
		}
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		s.out.requeue(m)
		if s.timeouts++; s.timeouts >= s.timing.stuck {
			return errStuck
		}
	default:
		return err
	}
	return nil
}

// knownRefusal reports whether a message must not be sent, because the broker accepts
// none of its size or has ended connections for it.
func (s *serving) knownRefusal(f flight) (refusal, bool) {
	if s.c.maxPacketSize > 0 && f.size > s.c.maxPacketSize {
		return refusal{code: codeTooLarge, maxSize: s.c.maxPacketSize, size: f.size}, true
	}
	if s.maxSize > 0 && f.size >= s.maxSize {
		return refusal{code: codeTooLarge, size: f.size}, true
	}
	r := s.denied[f.topic]
	return r, r.ends && f.size >= r.size
}

// leave sends what is queued, and then the last messages.
func (s *serving) leave(ctx context.Context) {
	s.flush(ctx)
	ctx, cancel := context.WithTimeout(ctx, s.timing.shutdown/3)
	defer cancel()
	if !s.o.SecondaryProcess && s.o.Role.Active() {
		m := s.online()
		m.Payload = []byte(devices.Offline)
		_ = s.publish(ctx, m) // nobody is left to hear of it
	}
	if m := s.nodeLastWill(); m.Topic != "" {
		_ = s.publish(ctx, m)
	}
}

// flush sends what is queued, but takes no more than half of the time for shutting
// down.
func (s *serving) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.shutdown/2)
	defer cancel()
	for {
		m, ok, due := s.out.take(time.Now())
		if !ok && due.IsZero() {
			return
		}
		if !ok {
			if bus.Sleep(ctx, bus.Wall{}, time.Until(due)) != nil {
				return
			}
			continue
		}
		if s.publish(ctx, m) != nil {
			s.out.requeue(m)
			return
		}
	}
}

package bridge

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

var (
	errTurned  = errors.New("the standing of this node has changed")
	errClosing = errors.New("powermgr is stopping")
	errStuck   = errors.New("the broker takes no messages any more")
)

// keep makes one connection after another until closing is closed or ctx ends.
func (l *Link) keep(ctx context.Context, closing <-chan struct{}) {
	trying, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-closing:
		case <-trying.Done():
		}
		stop()
	}()
	pause := time.Duration(0)
	for {
		c, err := connect(ctx, trying, connecting{
			url: l.url, username: l.o.Username, password: l.o.Password.Reveal(), clientID: l.o.ClientID, alive: l.o.KeepAlive,
			tls: l.o.TLS, dial: l.o.Dial, will: l.will, refused: l.refused, now: l.o.Bus.Now,
			wait: func(attempt int) time.Duration {
				if attempt == 0 {
					return pause
				}
				return l.wait.NextBackOff()
			},
		})
		if err != nil {
			return
		}
		born := time.Now()
		err = l.serve(ctx, c, closing)
		c.close()
		l.out.disconnected()
		l.state("down")
		pause = l.ended(err, time.Since(born))
		l.say(false)
		if errors.Is(err, errClosing) || ctx.Err() != nil {
			return
		}
	}
}

// refused is told of each attempt that did not succeed. It is called by the
// library, while keep waits for it.
func (l *Link) refused(err error, answer greeting) {
	why := explain(err, l.o.Username, answer, time.Now())
	if !l.warn(why.key) {
		l.o.Log.Debug("the broker cannot be reached", "broker", redacted{l.url}, "reason", err)
	} else {
		l.o.Log.Warn("the broker cannot be reached; control goes on without it", "broker", redacted{l.url}, "reason", why.text)
	}
	if why.key != l.why {
		l.why, l.health.Problem = why.key, why.text
		l.say(false)
	}
}

// warn reports whether a trouble is to be warned of: it was not yet in this
// outage, in which several may come in turns.
func (l *Link) warn(key string) bool {
	if l.warned[key] || len(l.warned) >= warnedMost {
		return false
	}
	l.warned[key] = true
	return true
}

// warnedMost is how many troubles of one outage are warned of.
const warnedMost = 16

// ended says why a connection that lived so long is over, and returns how
// long to wait before the next.
func (l *Link) ended(err error, lived time.Duration) time.Duration {
	switch {
	case errors.Is(err, errClosing):
		return 0
	case errors.Is(err, errTurned):
		l.o.Log.Info("connecting to the broker anew", "reason", err)
		return l.timing.settle
	}
	end, said := errors.AsType[disconnectedError](err)
	switch {
	case said && end.code == codeTakenOver, !said && lived < l.timing.short:
		l.short++
	default:
		l.short = 0
	}
	l.blame(err)
	if lived > l.timing.long {
		l.wait.Reset()
		l.forgive()
	}
	pause := l.wait.NextBackOff()
	err = devices.Cause(err)
	switch {
	case l.short == shortMost:
		l.why = fmt.Sprintf("connections to the broker end soon after they are made: is another powermgr running with client id %s? Give one of them another mqtt.client_id", l.o.ClientID)
		l.warn(l.why)
		l.health.Problem = l.why
		l.o.Log.Warn("connections to the broker end soon after they are made: is another powermgr running with this client id?", "client_id", l.o.ClientID, "reason", err)
	case l.why == "":
		l.why = err.Error()
		l.warn(l.why)
		l.health.Problem = "the connection to the broker is lost: " + l.why
		l.o.Log.Warn("the connection to the broker is lost; control goes on without it", "broker", redacted{l.url}, "reason", err)
	default:
		l.o.Log.Debug("the connection to the broker is lost", "reason", err)
	}
	if l.short >= shortMost {
		pause = max(pause, l.timing.contested+mathrand.N(l.timing.contested/2))
	}
	return pause
}

// problem is what is wrong with a connection that is there; empty: nothing is.
func (l *Link) problem() string {
	if l.rightsProblem != "" {
		return l.rightsProblem
	}
	return l.denied.problem(l.out.isConfig)
}

// serving is one connection while it lasts.
type serving struct {
	*Link
	c       *connection
	nonce   []byte
	echoed  chan struct{} // closed when the nonce is back
	offline chan struct{} // holds a token when somebody has said offline
	other   chan struct{} // holds a token when somebody has said another state of this node
	birth   chan struct{} // holds a token when Home Assistant has started
	late    int           // publishes without an answer, in a row
}

// serve does what a connection is for, until it ends. The error is why.
func (l *Link) serve(ctx context.Context, c *connection, closing <-chan struct{}) error {
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
		echoed: make(chan struct{}), offline: make(chan struct{}, 1), other: make(chan struct{}, 1), birth: make(chan struct{}, 1),
	}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		s.pump(ctx)
	}()
	defer func() { cancel(); <-pumped }()

	err := s.bringUp(ctx, closing)
	if err == nil {
		err = s.run(ctx, closing)
	}
	if errors.Is(err, errClosing) {
		s.leave(ctx)
		return err
	}
	select {
	case <-c.down:
		return c.cause()
	default:
		return err
	}
}

// pump hands on what comes from the broker. It never waits for anybody.
func (s *serving) pump(ctx context.Context) {
	token := func(c chan<- struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	echoed := false
	for {
		var m bus.Message
		select {
		case m = <-s.c.inbox:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		s.received++
		s.missed += int(s.c.missed.Swap(0))
		s.mu.Unlock()
		switch {
		case bus.Private(m.Topic):
			continue // these are made in this process alone
		case m.Topic == s.selfTestTopic():
			if !echoed && bytes.Equal(m.Payload, s.nonce) {
				echoed = true
				close(s.echoed)
			}
			continue
		case !s.o.Guest && m.Topic == s.o.Topics.Status():
			if string(m.Payload) == devices.Offline {
				token(s.offline)
			}
			continue
		case m.Topic == s.o.Topics.NodeState(s.o.Node) && s.introduced.Load():
			// After the first connection, which may show the claim of an earlier
			// process, this is a late will of ours.
			if own, ok := s.out.own(m.Topic); ok && !bytes.Equal(own.Payload, m.Payload) {
				token(s.other)
				m.Retain = false // the bus keeps what this process says of itself
				break            // or it is a machine with the same name
			}
			continue
		case slices.Contains(s.o.Stored, m.Topic):
			m.Topic, m.Retain = bus.Stored(m.Topic), true
			s.o.Bus.Publish(m)
			continue
		case slices.Contains(s.births(), m.Topic):
			// A stored birth is answered by the replay of every connection.
			if !m.Retain && strings.EqualFold(strings.TrimSpace(string(m.Payload)), devices.Online) {
				token(s.birth)
			}
			continue
		}
		if s.o.foreign(m) {
			s.stranger(m)
		} else if s.o.Wants(m) && !s.out.isEcho(m, time.Now()) {
			s.o.Bus.Publish(m)
		}
	}
}

// stranger says once of a node that its controller's commands come here.
func (s *serving) stranger(m bus.Message) {
	if !s.strangers[m.Node] && len(s.strangers) < strangersMost {
		s.strangers[m.Node] = true
		s.o.Log.Warn("commands of the controller of another node are not carried out; the two halves of one node need the same ha.node", "node", m.Node, "topic", m.Topic)
	}
}

// strangersMost is how many nodes are remembered whose commands are not carried out.
const strangersMost = 16

// turnedAway reports whether the last will is no longer the right one.
func (s *serving) turnedAway() bool {
	w := s.will()
	return w.Topic != s.c.will.Topic
}

// replay makes all that this process has retained wait to be said again.
func (l *Link) replay() { l.out.replay(l.online()) }

// run publishes what is to be published and answers what the broker brings.
func (s *serving) run(ctx context.Context, closing <-chan struct{}) error {
	repeat := time.NewTimer(s.timing.repeat)
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
		soon := time.NewTimer(math.MaxInt64)
		switch {
		case ok:
			soon.Reset(0)
		case !due.IsZero():
			soon.Reset(time.Until(due))
		}
		select {
		case <-ctx.Done():
			soon.Stop()
			return ctx.Err()
		case <-closing:
			soon.Stop()
			return errClosing
		case <-s.turned:
			if s.turnedAway() {
				soon.Stop()
				return errTurned
			}
			s.replay()
		case <-s.offline:
			s.o.Log.Info("status was offline on the broker, and is put back")
			s.out.put(s.online())
		case <-s.other:
			// Not at once: another node of the same name would answer likewise.
			if own, ok := s.out.own(s.o.Topics.NodeState(s.o.Node)); ok && time.Since(putBack) > s.timing.repeat {
				putBack = time.Now()
				s.out.put(own)
			}
		case <-s.birth:
			plan(s.timing.birthMin + mathrand.N(s.timing.birthMax-s.timing.birthMin))
		case <-s.gap:
			// What did not fit the link's queue is on the bus still.
			for _, m := range s.o.Bus.Snapshot() {
				s.offer(m)
			}
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
			s.say(true)
		case <-stable.C:
			s.why, s.short = "", 0
			clear(s.warned)
			s.say(true)
		case <-s.out.ready:
		case <-soon.C:
		}
		soon.Stop()
	}
}

// up says that the broker has everything.
func (s *serving) up() {
	s.o.Log.Info("connected to the broker", "broker", redacted{s.url}, "client_id", s.o.ClientID)
	s.say(true)
	s.state("up")
}

// publish sends one message. An error means that the connection is no good.
func (s *serving) publish(ctx context.Context, m bus.Message) error {
	if !s.may(m) {
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
	s.flight = flight{m.Topic, size(p)}
	if no, refused := s.leftOut(s.flight); refused {
		s.flight = flight{}
		s.out.sent(m)
		if s.refusedBy(m.Topic, no) {
			s.say(true)
		}
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, s.timing.publish)
	defer cancel()
	err := s.c.publish(wait, p)
	if no, refused := errors.AsType[*publishRefusedError](err); err == nil || refused {
		s.flight, s.late = flight{}, 0
		s.out.sent(m)
		if refused {
			if s.refusedBy(m.Topic, no.refusal) {
				s.say(true)
			}
			return nil
		}
		s.health.Sent++
		if _, was := s.denied[m.Topic]; was {
			delete(s.denied, m.Topic)
			s.say(true)
		}
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		s.out.again(m)
		if s.late++; s.late >= s.timing.stuck {
			return errStuck
		}
	default:
		return err
	}
	return nil
}

// leftOut reports whether a message must not be sent, since the broker takes none
// of its size, or has ended connections for it.
func (s *serving) leftOut(f flight) (refusal, bool) {
	if s.c.most > 0 && f.size > s.c.most {
		return refusal{code: codeTooLarge, most: s.c.most, size: f.size}, true
	}
	if s.most > 0 && f.size >= s.most {
		return refusal{code: codeTooLarge, size: f.size}, true
	}
	r := s.denied[f.topic]
	return r, r.ends && f.size >= r.size
}

// leave says what waits, then the last words.
func (s *serving) leave(ctx context.Context) {
	s.flush(ctx)
	ctx, cancel := context.WithTimeout(ctx, s.timing.farewell/3)
	defer cancel()
	if !s.o.Guest && s.o.Standing.Active() {
		m := s.online()
		m.Payload = []byte(devices.Offline)
		_ = s.publish(ctx, m) // nobody is left to hear of it
	}
	if m := s.farewell(); m.Topic != "" {
		_ = s.publish(ctx, m)
	}
}

// flush sends what waits, as far as it takes no more than half of the farewell.
func (s *serving) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.farewell/2)
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
			return
		}
	}
}

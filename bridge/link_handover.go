package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"slices"
	"strings"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// One link follows another in the same process when the configuration is read
// again. If nothing that concerns the broker has changed, the connection and its
// subscriptions go on, nobody hears "offline", and of what the new parts say only
// that is sent which the broker does not have already.

// estate is what a link leaves to the one that follows it.
type estate struct {
	c      *connection
	has    map[string]bus.Message // what the broker has of this process, by topic
	stored []bus.Message          // what others have stored there
	link   *Link
}

// Follow has l take over the connection of last when that one's Run ends, if
// what both say of the broker is the same. Call it before that, and run l in
// any case, or nothing ends the connection.
func (l *Link) Follow(last *Link) {
	if last == nil || !l.sameBroker(last) {
		return
	}
	inheritance := make(chan estate, 1)
	l.inheritance = inheritance
	last.heir.Store(&inheritance)
}

// sameBroker reports whether a connection of last is as one of l would be.
func (l *Link) sameBroker(last *Link) bool {
	a, b := l.o, last.o
	return *l.url == *last.url && a.Username == b.Username && a.Password == b.Password && a.ClientID == b.ClientID && a.KeepAlive == b.KeepAlive &&
		a.Dial == nil && b.Dial == nil && sameTLS(a.TLS, b.TLS) &&
		a.Topics == b.Topics && a.Node == b.Node && a.StatusTopic == b.StatusTopic && a.SecondaryProcess == b.SecondaryProcess && a.Controller == b.Controller &&
		slices.Equal(a.Filters, b.Filters) && slices.Equal(a.Stored, b.Stored)
}

// sameTLS reports whether two configurations of TLSFiles are the same.
func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ServerName == b.ServerName && a.RootCAs.Equal(b.RootCAs) &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(a, b tls.Certificate) bool { return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal) })
}

// handOver leaves the connection to the link that follows, if there is one and
// the connection is good. What waited has been sent.
func (s *serving) handOver(ctx context.Context) bool {
	heir := s.heir.Load()
	if heir == nil || s.turnedAway() {
		return false
	}
	s.flush(ctx)
	select {
	case <-s.c.down:
		return false
	default:
	}
	if !s.c.free() {
		return false
	}
	e := estate{c: s.c, has: s.out.has(), link: s.Link}
	maps.DeleteFunc(e.has, func(topic string, m bus.Message) bool {
		r, refused := s.denied[topic]
		return refused && !r.ends || !s.may(m)
	})
	for _, m := range s.o.Bus.Snapshot() {
		if m.Origin == bus.Broker && !bus.Private(m.Topic) && !strings.HasSuffix(m.Topic, devices.Set) {
			e.stored = append(e.stored, m)
		}
	}
	*heir <- e
	return true
}

// inherit takes what the link before has left. It returns no connection if there
// is none.
func (l *Link) inherit(life context.Context) *connection {
	var e estate
	select {
	case e = <-l.inheritance:
	default:
		return nil
	}
	last := e.link
	l.health, l.received, l.missed = last.health, last.received, last.missed
	l.short, l.most, l.rightsProblem = last.short, last.most, last.rightsProblem
	l.denied, l.warned, l.strangers = last.denied, last.warned, last.strangers
	l.introduced.Store(true)
	l.out.inherit(last.out, e.has)
	l.out.connected() // what parts say from now on waits
	e.c.belongs(life)
	own := l.o.Topics.NodeState(l.o.Node)
	for _, m := range e.stored {
		if _, said := e.has[m.Topic]; !said && m.Topic != own {
			l.o.Bus.Publish(m)
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(e.has)) {
		m := e.has[topic]
		m.Origin = bus.Broker
		switch {
		case slices.Contains(l.o.Stored, topic):
			l.out.came(m)
			m.Topic = bus.Stored(topic)
			l.o.Bus.Publish(m)
		case l.out.isConfig(topic):
			l.o.Bus.Publish(m)
		}
	}
	return e.c
}

// takeOver is what bringUp is for a connection that goes on.
func (s *serving) takeOver(ctx context.Context, closing <-chan struct{}) error {
	select {
	case <-s.turned:
	default:
	}
	if err := s.settle(ctx, closing); err != nil && !errors.Is(err, errClosing) { // run hands over at once
		return err
	}
	if s.turnedAway() {
		return errTurned
	}
	s.out.resume()
	return nil
}

// has is what the broker has of this process.
func (o *outbox) has() map[string]bus.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	has := maps.Clone(o.known)
	if has == nil {
		has = map[string]bus.Message{}
	}
	maps.Copy(has, o.owned)
	for _, m := range o.states {
		delete(has, m.Topic)
	}
	for topic, u := range o.unseen.topics { // what the broker has, and not what waits here
		has[topic] = bus.Message{Topic: topic, Payload: u.payload, Retain: true}
	}
	maps.DeleteFunc(has, func(_ string, m bus.Message) bool { return len(m.Payload) == 0 })
	return has
}

// inherit goes on from the outbox before, of whose messages the broker has these.
func (o *outbox) inherit(last *outbox, has map[string]bus.Message) {
	last.mu.Lock()
	defer last.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known, o.echoes, o.configs, o.lastConfig, o.dropped = has, last.echoes, last.configs, last.lastConfig, o.dropped+last.dropped
}

// resume makes what the broker does not have of this process wait to be said.
func (o *outbox) resume() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.states = slices.DeleteFunc(o.all(), o.repeats)
	o.replayed = true
	o.wake()
}

// repeats reports whether m is the first word of this process on a topic, and
// the broker has it of the one before. o is locked.
func (o *outbox) repeats(m bus.Message) bool {
	last, ok := o.known[m.Topic]
	delete(o.known, m.Topic)
	return ok && bytes.Equal(last.Payload, m.Payload)
}

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

// A handover is what a link passes on to the one that follows it.
type handover struct {
	c         *connection
	published map[string]bus.Message // what the broker has from this process, by topic
	stored    []bus.Message          // what others have stored there
	link      *Link
}

// Follow has l take over the connection of last when last's Run ends, if both have the
// same settings for the broker. Call it before that, and then run l in any case, or
// nothing ends the connection.
func (l *Link) Follow(last *Link) {
	if last == nil || !l.sameBroker(last) {
		return
	}
	inheritance := make(chan handover, 1)
	l.predecessor = inheritance
	last.successor.Store(&inheritance)
}

// sameBroker reports whether last's connection is the one that l would make.
func (l *Link) sameBroker(last *Link) bool {
	a, b := l.o, last.o
	return *l.url == *last.url && a.Username == b.Username && a.Password == b.Password && a.ClientID == b.ClientID && a.KeepAlive == b.KeepAlive &&
		a.Dial == nil && b.Dial == nil && sameTLS(a.TLS, b.TLS) &&
		a.Topics == b.Topics && a.Node == b.Node && a.StatusTopic == b.StatusTopic && a.SecondaryProcess == b.SecondaryProcess && a.Controller == b.Controller &&
		slices.Equal(a.Filters, b.Filters) && slices.Equal(a.Stored, b.Stored)
}

// sameTLS reports whether two configurations made by TLSFiles are the same.
func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ServerName == b.ServerName && a.RootCAs.Equal(b.RootCAs) &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(a, b tls.Certificate) bool { return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal) })
}

// handOver passes the connection on to the link that follows, if there is one and the
// connection is good. What was queued has been sent.
func (s *serving) handOver(ctx context.Context) bool {
	heir := s.successor.Load()
	if heir == nil || s.willOutdated() {
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
	e := handover{c: s.c, published: s.out.published(), link: s.Link}
	maps.DeleteFunc(e.published, func(topic string, m bus.Message) bool {
		r, refused := s.denied[topic]
		return refused && !r.ends || !s.mayPublish(m)
	})
	for _, m := range s.o.Bus.Snapshot() {
		if m.Origin == bus.Broker && !bus.Private(m.Topic) && !strings.HasSuffix(m.Topic, devices.Set) {
			e.stored = append(e.stored, m)
		}
	}
	*heir <- e
	return true
}

// takeHandover takes over from the link before this one. It returns nil if there is no
// connection to take over.
func (l *Link) takeHandover(life context.Context) *connection {
	var e handover
	select {
	case e = <-l.predecessor:
	default:
		return nil
	}
	last := e.link
	l.health, l.received, l.overflowed = last.health, last.received, last.overflowed
	l.shortInARow, l.maxSize, l.rightsProblem = last.shortInARow, last.maxSize, last.rightsProblem
	l.denied, l.warned, l.foreignNodes = last.denied, last.warned, last.foreignNodes
	l.sawRetained.Store(true)
	l.out.inherit(last.out, e.published)
	l.out.connected() // what parts say from now on waits
	e.c.bindTo(life)
	own := l.o.Topics.NodeState(l.o.Node)
	for _, m := range e.stored {
		if _, said := e.published[m.Topic]; !said && m.Topic != own {
			l.o.Bus.Publish(m)
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(e.published)) {
		m := e.published[topic]
		m.Origin = bus.Broker
		switch {
		case slices.Contains(l.o.Stored, topic):
			l.out.noteStored(m)
			m.Topic = bus.Stored(topic)
			l.o.Bus.Publish(m)
		case l.out.isConfig(topic):
			l.o.Bus.Publish(m)
		}
	}
	return e.c
}

// takeOver is the counterpart of bringUp for a connection that was handed over.
func (s *serving) takeOver(ctx context.Context, closing <-chan struct{}) error {
	select {
	case <-s.roleChanged:
	default:
	}
	if err := s.awaitSubscribers(ctx, closing); err != nil && !errors.Is(err, errClosing) { // run hands over at once
		return err
	}
	if s.willOutdated() {
		return errRoleChanged
	}
	s.out.resume()
	return nil
}

// published returns what the broker has from this process.
func (o *outbox) published() map[string]bus.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	has := maps.Clone(o.previous)
	if has == nil {
		has = map[string]bus.Message{}
	}
	maps.Copy(has, o.owned)
	for _, m := range o.queued {
		delete(has, m.Topic)
	}
	for topic, u := range o.unseen.topics { // what the broker has, and not what waits here
		has[topic] = bus.Message{Topic: topic, Payload: u.payload, Retain: true}
	}
	maps.DeleteFunc(has, func(_ string, m bus.Message) bool { return len(m.Payload) == 0 })
	return has
}

// inherit continues from the previous outbox; published is what the broker has of its
// messages.
func (o *outbox) inherit(last *outbox, has map[string]bus.Message) {
	last.mu.Lock()
	defer last.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.previous, o.echoes, o.configs, o.lastConfig, o.dropped = has, last.echoes, last.configs, last.lastConfig, o.dropped+last.dropped
}

// resume queues what the broker does not have yet.
func (o *outbox) resume() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queued = slices.DeleteFunc(o.all(), o.repeats)
	o.replayed = true
	o.wake()
}

// repeats reports whether m is the first message of this process on a topic, and the
// same as the last one of the process before. o is locked.
func (o *outbox) repeats(m bus.Message) bool {
	last, ok := o.previous[m.Topic]
	delete(o.previous, m.Topic)
	return ok && bytes.Equal(last.Payload, m.Payload)
}

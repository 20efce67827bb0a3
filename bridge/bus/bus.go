// Package bus is the in-process bus that all parts talk over. Its messages are MQTT
// messages, so a part cannot tell whether the other end is in this process or behind
// the broker.
//
// Publish never blocks and never runs a subscriber's code: each subscription has a
// bounded queue of its own, and messages that do not fit are dropped and counted. A
// retained message is kept, and delivered to later subscribers.
package bus

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Origin is where a message entered this process.
type Origin int

// The origins.
const (
	Local  Origin = iota // a part of this process; mirrored to the broker
	Broker               // the broker; never mirrored back
)

// A Message is one MQTT message. Payload is never changed after Publish.
type Message struct {
	Topic   string
	Payload []byte
	Retain  bool // kept for later subscribers; from the broker: it was stored before, or published with the retain flag

	Origin  Origin
	Expires time.Time // zero: never
	ID      string    // MQTT correlation data

	// Who sent it: MQTT user properties. Only powermgr sets them.
	Source     string
	Node       string
	Generation uint64

	encoded []any    // what Payload was made of, of types *as[T]; nil: that is not known
	decoded *decoded // what readers have made of Payload; nil: it was not published yet
}

// Expired reports whether the message is too old to act on at now.
func (m Message) Expired(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

// A Bus delivers messages. The zero value is not usable; see New.
type Bus struct {
	clock Clock

	mu       sync.Mutex
	retained map[string]Message
	subs     []*Subscription
	readers  map[string][]*Subscription // who wants a topic, of those that were published since subs last changed
}

// New returns an empty bus on clock.
func New(clock Clock) *Bus {
	return &Bus{clock: clock, retained: map[string]Message{}, readers: map[string][]*Subscription{}}
}

// Clock returns the clock that the bus and all its subscribers use.
func (b *Bus) Clock() Clock { return b.clock }

// Now returns the time on the bus's clock.
func (b *Bus) Now() time.Time { return b.clock.Now() }

// Private reports whether a topic stays within this process: one that begins with "$".
// The link never mirrors it.
func Private(topic string) bool { return strings.HasPrefix(topic, "$") }

// LinkState is the private, retained topic on which the link publishes "up" once it has
// subscribed at the broker, and "down".
const LinkState = "$link/state"

// LinkHealth is the private, retained topic on which the link publishes its condition
// as JSON, and what the owner should do if something is wrong.
const LinkHealth = "$link/health"

// Role is the private, retained topic that announces whether this node is the active
// one of the pair.
const Role = "$node/standing"

// Stored returns the private, retained topic on which the link publishes what the
// broker has under topic, a topic of this process itself: the last message of an
// earlier process, or of the other node. The link does so before it sends anything of
// this process on topic.
func Stored(topic string) string { return storedRoot + topic }

const storedRoot = "$stored/"

// Seen returns the private topic on which the publisher of topic acknowledges what the
// broker had there: the payload is that of Stored. Until then, the link holds back what
// this process publishes on topic.
func Seen(topic string) string { return seenRoot + topic }

const seenRoot = "$seen/"

// SeenTopic returns the topic that a message on Seen is about.
func SeenTopic(private string) (topic string, ok bool) { return strings.CutPrefix(private, seenRoot) }

// Contest is the private, retained topic that tells, in a sentence for the owner, that
// other daemons command the same devices; empty: none does.
const Contest = "$node/contest"

// Missing is the private, retained topic that tells, in a sentence for the owner, which
// thermostats are to be controlled but not on the account; empty: none is missing.
const Missing = "$thermostats/missing"

// Publish delivers m to every subscription with a matching filter.
func (b *Bus) Publish(m Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last, ok := b.retained[m.Topic]; ok && bytes.Equal(last.Payload, m.Payload) {
		m.decoded = last.decoded // it is said again, as most of what is retained is
	} else {
		m.decoded = &decoded{all: m.encoded}
	}
	m.encoded = nil
	if m.Retain {
		if len(m.Payload) == 0 {
			delete(b.retained, m.Topic)
		} else {
			b.retained[m.Topic] = m
		}
	}
	for _, s := range b.readersOf(m.Topic) {
		s.offer(&m)
	}
}

// maxTopics is for how many topics it is kept who wants them: more than a home has.
// Anyone can invent topics at the broker.
const maxTopics = 1024

// readersOf lists the subscriptions that want topic. The same topics are published
// again and again, so each is matched once.
func (b *Bus) readersOf(topic string) []*Subscription {
	readers, known := b.readers[topic]
	if known {
		return readers
	}
	for _, s := range b.subs {
		if s.wants(topic) {
			readers = append(readers, s)
		}
	}
	if len(b.readers) >= maxTopics {
		clear(b.readers)
	}
	b.readers[topic] = readers
	return readers
}

// Retained returns the last retained message on topic.
func (b *Bus) Retained(topic string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.retained[topic]
	return m, ok
}

// Snapshot returns every retained message, sorted by topic.
func (b *Bus) Snapshot() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Message, 0, len(b.retained))
	for _, topic := range slices.Sorted(maps.Keys(b.retained)) {
		all = append(all, b.retained[topic])
	}
	return all
}

// Queued reports whether any reader waiting in Next has a message to take, so that work
// is about to begin. The queue of a reader that is busy with something else does not
// count.
func (b *Bus) Queued() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.subs, func(s *Subscription) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.waiting && len(s.queue) > 0
	})
}

// Depth is how many messages a subscription holds; more are dropped.
const Depth = 256

// Subscribe returns a subscription to all topics that match one of filters. Retained
// messages that match are in its queue already, sorted by topic. name is used in the
// count of dropped messages.
func (b *Bus) Subscribe(name string, filters ...string) *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Subscription{name: name, bus: b, filters: filters, ready: make(chan struct{}, 1)}
	for _, topic := range slices.Sorted(maps.Keys(b.retained)) {
		if m := b.retained[topic]; s.wants(topic) {
			s.offer(&m)
		}
	}
	b.subs = append(b.subs, s)
	clear(b.readers)
	return s
}

// A Subscription is one subscriber's queue. It has one reader.
type Subscription struct {
	name    string
	bus     *Bus
	filters []string
	ready   chan struct{} // holds a token while the queue has something that the reader was not woken for

	mu      sync.Mutex
	queue   []*Message
	dropped int
	waiting bool               // the reader is in Next
	urgent  context.CancelFunc // ends what Free was given for; nil: nothing
}

func (s *Subscription) wants(topic string) bool {
	return slices.ContainsFunc(s.filters, func(f string) bool { return Match(f, topic) })
}

func (s *Subscription) offer(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) < Depth {
		s.queue = append(s.queue, m)
	} else {
		s.dropped++
	}
	if s.urgent != nil {
		s.urgent()
		s.urgent = nil
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *Subscription) take() (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Message{}, false
	}
	m := s.queue[0]
	s.queue[0] = nil // let go of the payload
	s.queue = s.queue[1:]
	if len(s.queue) == 0 {
		s.queue = nil
		select {
		case <-s.ready: // it came while the reader was busy, and would only wake it for nothing
		default:
		}
	}
	return *m, true
}

// Next returns the next message; ok is false when wake came first (a zero wake never
// comes). It waits as long as it was until wake when the wait began: if the clock is set
// back meanwhile, wake may still be ahead. The error is ctx's. Every loop of the program
// is built on it.
func (s *Subscription) Next(ctx context.Context, wake time.Time) (m Message, ok bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return Message{}, false, err
		}
		if m, ok := s.take(); ok {
			return m, true, nil
		}
		if !wake.IsZero() && !s.bus.clock.Now().Before(wake) {
			return Message{}, false, nil
		}
		s.wait(true)
		woken, err := s.bus.clock.Wait(ctx, wake, s.ready)
		s.wait(false)
		if err != nil || !woken {
			return Message{}, false, err
		}
	}
}

func (s *Subscription) wait(waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = waiting
}

// Free returns a context that ends with ctx, or as soon as there is a message to take:
// for work that any message should interrupt. Call stop when done.
func (s *Subscription) Free(ctx context.Context) (free context.Context, stop context.CancelFunc) {
	free, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urgent = cancel
	if len(s.queue) > 0 {
		cancel()
	}
	return free, cancel
}

// Name returns the name given to Subscribe.
func (s *Subscription) Name() string { return s.name }

// Dropped returns how many messages have not fit so far.
func (s *Subscription) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.bus.subs = slices.DeleteFunc(s.bus.subs, func(o *Subscription) bool { return o == s })
	clear(s.bus.readers)
}

// Match reports whether an MQTT topic filter with + and # matches topic.
func Match(filter, topic string) bool {
	for filter != "" {
		switch {
		case filter[0] == '#':
			return true
		case filter[0] == '+':
			level := strings.IndexByte(topic, '/')
			if level < 0 {
				level = len(topic)
			}
			filter, topic = filter[1:], topic[level:]
		case topic == "":
			return filter == "/#" // which matches the level above it too
		case filter[0] != topic[0]:
			return false
		default:
			filter, topic = filter[1:], topic[1:]
		}
	}
	return topic == ""
}

// Refusal returns why a message must not be carried out as a command at now, by a
// process of that generation; empty if it may. A stored command would be carried out
// again at every restart, and an old one is no longer what anybody wants.
func (m Message) Refusal(now time.Time, generation uint64) string {
	switch {
	case m.Retain:
		return "it was sent retained: send it without -r"
	case m.Expired(now):
		return "it is too old"
	case m.Generation != 0 && m.Generation < generation:
		return "it comes from a node that is no longer active"
	}
	return ""
}

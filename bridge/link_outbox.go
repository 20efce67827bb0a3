package bridge

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/bridge/bus"
)

const (
	maxEvents     = 256                    // messages that are not retained and wait for the broker
	maxOwned      = 4096                   // retained topics of this process
	configSpacing = 100 * time.Millisecond // between two discovery configs
	configRepeat  = 2 * time.Second        // between two configs on one topic
)

// An outbox holds what is to go to the broker. It keeps the last value of each retained
// topic that a part of this process has published, to publish it again on each
// connection. The bus cannot provide those, since it also has what the broker had
// stored on this process's topics, such as its own late will. Only the last value of a
// topic is queued. Other messages wait in a bounded queue, and only while there is a
// connection.
//
// Home Assistant drops components of a discovery config that arrives while it is still
// processing one, so configs are sent one by one, and those of one topic at most every
// two seconds.
type outbox struct {
	base  string // topics outside of it are discovery configs
	ready chan struct{}

	mu       sync.Mutex
	open     bool // there is a connection
	replayed bool // retained messages are queued as they come; before that, the replay includes them
	events   []bus.Message
	queued   []bus.Message
	owned    map[string]bus.Message // by topic; an empty payload until the broker has it
	previous map[string]bus.Message // what the broker has from the process before, by topics on which this one has published nothing yet
	dropped  int

	echoes Echoes
	unseen Unseen

	eventLast  bool // the message taken last was an event
	lastConfig time.Time
	configs    map[string]time.Time // when each config was last taken
}

func newOutbox(base string) *outbox {
	return &outbox{base: base, ready: make(chan struct{}, 1), owned: map[string]bus.Message{}, configs: map[string]time.Time{}}
}

func (o *outbox) isConfig(topic string) bool { return !strings.HasPrefix(topic, o.base+"/") }

// put queues m, if it can wait.
func (o *outbox) put(m bus.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case m.Retain:
		if _, known := o.owned[m.Topic]; !known && len(o.owned) >= maxOwned {
			o.dropped++
			return
		}
		o.owned[m.Topic] = m
		if !o.replayed || o.unseen.Hold(m.Topic) || o.repeats(m) {
			return
		}
		o.queued = o.latest(o.queued, m)
	case o.open && len(o.events) < maxEvents:
		o.events = append(o.events, m)
		o.echoes.Expect(m, time.Now())
	default:
		o.dropped++
		return
	}
	o.wake()
}

// noteStored records what the broker had on a topic of this process. The topic's
// publisher has to see it before this process sends its own.
func (o *outbox) noteStored(m bus.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unseen.Add(m.Topic, m.Payload)
	if i := slices.IndexFunc(o.queued, func(s bus.Message) bool { return s.Topic == m.Topic }); i >= 0 {
		o.unseen.Hold(m.Topic)
		o.queued = slices.Delete(o.queued, i, i+1)
	}
}

// noteSeen releases what has waited until the publisher had seen a stored message.
func (o *outbox) noteSeen(m bus.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	topic, waited := o.unseen.Acknowledge(m)
	if own, ok := o.owned[topic]; ok && waited && o.replayed {
		o.queued = o.latest(o.queued, own)
		o.wake()
	}
}

// isEcho reports whether m, from the broker, is a command that this process sent
// itself.
func (o *outbox) isEcho(m bus.Message, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.echoes.Has(m, now)
}

// own returns the last value of a retained topic of this process.
func (o *outbox) own(topic string) (bus.Message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, ok := o.owned[topic]
	return m, ok
}

// latest returns states with m in place of an older message on its topic, or at the
// end.
func (o *outbox) latest(states []bus.Message, m bus.Message) []bus.Message {
	if i := slices.IndexFunc(states, func(s bus.Message) bool { return s.Topic == m.Topic }); i >= 0 {
		states[i] = m
		return states
	}
	return append(states, m)
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// connected starts a connection: events are queued from now on.
func (o *outbox) connected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open, o.replayed = true, false
	o.events, o.queued = nil, nil
}

// disconnected drops what is queued.
func (o *outbox) disconnected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropped += len(o.events)
	o.open, o.replayed = false, false
	o.events, o.queued = nil, nil
}

// replay queues all retained messages: discovery first, then availability, then states.
// Topics that were emptied in the meantime are emptied again.
func (o *outbox) replay(first bus.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queued = nil
	if first.Topic != "" {
		o.queued = append(o.queued, first)
	}
	for _, m := range o.all() {
		if m.Topic != first.Topic {
			o.queued = append(o.queued, m)
		}
	}
	o.replayed, o.previous = true, nil
	o.wake()
}

// all returns the retained messages in the order in which they are published. o is
// locked.
func (o *outbox) all() (all []bus.Message) {
	for _, topic := range slices.Sorted(maps.Keys(o.owned)) {
		if !o.unseen.Hold(topic) {
			all = append(all, o.owned[topic])
		}
	}
	rank := func(m bus.Message) int {
		switch {
		case o.isConfig(m.Topic):
			return 0
		case strings.HasSuffix(m.Topic, "/availability"):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b bus.Message) int { return rank(a) - rank(b) })
	return all
}

// take returns the next message to publish at now. If there is none, due is when to ask
// again; zero: when something is put.
func (o *outbox) take(now time.Time) (m bus.Message, ok bool, due time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, due := o.nextState(now)
	if len(o.events) > 0 && (i < 0 || !o.eventLast) && o.replayed {
		m, o.events = o.events[0], o.events[1:]
		o.eventLast = true
		return m, true, time.Time{}
	}
	if i < 0 {
		return bus.Message{}, false, due
	}
	m = o.queued[i]
	o.queued = slices.Delete(o.queued, i, i+1)
	o.eventLast = false
	if o.isConfig(m.Topic) {
		o.lastConfig = now
		o.configs[m.Topic] = now
	}
	return m, true, time.Time{}
}

// nextState returns the index of the first state that may be sent now, or -1 and when
// there will be one.
func (o *outbox) nextState(now time.Time) (i int, due time.Time) {
	for i, m := range o.queued {
		if !o.isConfig(m.Topic) {
			return i, time.Time{}
		}
		if at := o.configs[m.Topic].Add(configRepeat); now.Before(at) {
			// The same config again: the others need not wait for it.
			if due.IsZero() || at.Before(due) {
				due = at
			}
			continue
		}
		if at := o.lastConfig.Add(configSpacing); now.Before(at) {
			return -1, at // in order: no state before its config
		}
		return i, time.Time{}
	}
	return -1, due
}

// requeue puts back a state that did not get through, unless there is a newer one.
func (o *outbox) requeue(m bus.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !m.Retain {
		o.dropped++
		return
	}
	newer := slices.ContainsFunc(o.queued, func(s bus.Message) bool { return s.Topic == m.Topic })
	if newer || !o.open {
		return
	}
	delete(o.configs, m.Topic)
	o.queued = slices.Insert(o.queued, 0, m)
	o.wake()
}

// sent records that the broker has m.
func (o *outbox) sent(m bus.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.Retain && len(m.Payload) == 0 && len(o.owned[m.Topic].Payload) == 0 {
		delete(o.owned, m.Topic)
	}
}

// forget keeps topics from being published until this process publishes them again.
func (o *outbox) forget(topics []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, topic := range topics {
		delete(o.owned, topic)
	}
}

// idle reports that no state is queued.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queued) == 0
}

func (o *outbox) droppedCount() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}

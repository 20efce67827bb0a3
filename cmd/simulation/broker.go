package simulation

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/cmd/local"
	"powermgr/devices"
)

// broker does what every MQTT broker does, and nothing else: it stores retained messages,
// and passes messages on. The real link is tested with real brokers in package bridge.
type broker struct {
	oracle *oracle

	mu       sync.Mutex
	up       bool
	echoes   bool // it sends a message back to its sender
	retained map[string]bus.Message
	links    []*link
}

// link is a daemon's connection.
type link struct {
	o     bridge.LinkOptions
	life  *life
	node  *node
	owned map[string]bus.Message
	cut   bool // this link has lost the broker
	known bool // it has been connected once

	handsOver bool // the next daemon of the process continues with the connection: no one hears that it ended

	echoes bridge.Echoes
	unseen bridge.Unseen

	settling *time.Timer   // until the messages that the broker had are taken in; nil: they are
	events   []bus.Message // that wait for settling
}

// settling is how long bridge.Link gives the parts to take in the messages that the
// broker had, before it sends its own.
const settling = 50 * time.Millisecond

// link returns what replaces a node's bridge.Link.
func (b *broker) link(n *node, l *life) func(bridge.LinkOptions) (func(context.Context) error, error) {
	return func(o bridge.LinkOptions) (func(context.Context) error, error) {
		sub := o.Bus.Subscribe("link", "#")
		me := &link{o: o, life: l, node: n, owned: map[string]bus.Message{}}
		return func(ctx context.Context) error {
			defer sub.Close()
			b.attach(me)
			defer b.detach(me)
			return b.run(ctx, me, sub)
		}, nil
	}
}

// run sends the messages on the daemon's bus to the broker until ctx ends.
func (b *broker) run(ctx context.Context, from *link, sub *bus.Subscription) error {
	for {
		m, ok, err := sub.Next(ctx, time.Time{})
		if err != nil && (from.life.stopping.Load() || errors.Is(context.Cause(ctx), local.ErrReloading)) {
			// Pending messages are sent before it leaves.
			if m, ok, err = sub.Next(context.WithoutCancel(ctx), time.Unix(1, 0)); !ok {
				b.leave(from)
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		if ok && !from.life.dead.Load() {
			b.take(from, m)
		}
	}
}

// take handles a message on a living daemon's bus.
func (b *broker) take(from *link, m bus.Message) {
	b.seen(from, m)
	if m.Origin != bus.Local || bus.Private(m.Topic) {
		return
	}
	b.oracle.message(from.node, m)
	if from.o.Keeps(m) {
		b.publish(from, m)
	}
}

// leave ends a link that has sent all its messages: either the next daemon of the process
// continues with the connection, or a daemon that stops sends its last message.
func (b *broker) leave(l *link) {
	if l.handsOver = !l.life.stopping.Load(); !l.handsOver {
		b.publishLastWord(l)
	}
}

func (b *broker) attach(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links = append(b.links, l)
	l.cut = l.node.cut
	if b.up && !l.cut {
		b.greet(l)
	}
}

// lastWord returns what a daemon publishes when it leaves, which is also its will when it
// dies.
func (l *link) lastWord() bus.Message {
	return bus.Message{Topic: l.o.Topics.NodeState(l.o.Node), Payload: l.o.LastWill(), Retain: true}
}

// publishLastWord publishes the last word of a daemon that stops.
func (b *broker) publishLastWord(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.up && !l.cut && !l.life.dead.Load() {
		b.pass(l, l.lastWord())
	}
}

func (b *broker) detach(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.settling = nil
	for i, o := range b.links {
		if o == l {
			b.links = append(b.links[:i], b.links[i+1:]...)
			break
		}
	}
	if will := l.lastWord(); b.up && !l.cut && !l.handsOver && !l.o.Role.Active() {
		b.pass(l, will)
	}
}

// greet delivers the retained messages, and lets the link send its own once they have
// been taken in.
func (b *broker) greet(l *link) {
	for _, topic := range slices.Sorted(maps.Keys(b.retained)) {
		m := b.retained[topic]
		if !strings.HasSuffix(m.Topic, "/set") {
			l.deliver(m)
		}
	}
	var timer *time.Timer
	timer = time.AfterFunc(settling+b.oracle.home.scheduler.next(), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if l.settling == timer {
			b.settled(l)
		}
	})
	l.settling = timer
}

// settled lets the link send its own messages.
func (b *broker) settled(l *link) {
	l.o.Bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
	waiting := l.events
	l.known = true
	for _, topic := range slices.Sorted(maps.Keys(l.owned)) {
		if !l.unseen.Hold(topic) {
			waiting = append(waiting, l.owned[topic])
		}
	}
	for _, m := range waiting {
		if l.may(m) {
			b.pass(l, m)
		}
	}
	l.settling, l.events = nil, nil
}

// lost drops what waits for the broker.
func (l *link) lost() {
	l.settling, l.events = nil, nil
	l.o.Bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("down"), Retain: true})
}

// may reports what the method of bridge.Link does: a standby publishes only its own
// state.
func (l *link) may(m bus.Message) bool {
	return !m.Retain || l.o.Role.Active() || strings.Contains(m.Topic, "/node/"+l.o.Node+"/")
}

// deliver gives the link the messages that it has subscribed to, except those that
// bridge.Link recognizes as this process's own.
func (l *link) deliver(m bus.Message) {
	m.Origin = bus.Broker
	if l.known && m.Topic == l.o.Topics.NodeState(l.o.Node) {
		if bytes.Equal(l.owned[m.Topic].Payload, m.Payload) {
			return
		}
		m.Retain = false
	}
	if slices.Contains(l.o.Stored, m.Topic) {
		l.unseen.Add(m.Topic, m.Payload)
		m.Topic, m.Retain = bus.Stored(m.Topic), true
		l.o.Bus.Publish(m)
		return
	}
	if l.o.Wants(m) && !l.echoes.Has(m, time.Now()) {
		l.o.Bus.Publish(m)
	}
}

// publish takes a message from a daemon.
func (b *broker) publish(from *link, m bus.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Retain {
		from.owned[m.Topic] = m
	}
	from.echoes.Expect(m, time.Now())
	switch {
	case !b.up || from.cut:
	case m.Retain && from.unseen.Hold(m.Topic):
	case from.settling == nil && from.may(m):
		b.pass(from, m)
	case from.settling != nil && !m.Retain:
		from.events = append(from.events, m)
	}
}

// seen passes on a message that has waited until the broker's was taken in, and forgets
// the messages that bridge.Link forgets.
func (b *broker) seen(from *link, m bus.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, topic := range from.o.Forgets(m) {
		delete(from.owned, topic)
	}
	topic, waited := from.unseen.Acknowledge(m)
	if own, ok := from.owned[topic]; ok && waited && b.up && !from.cut && from.settling == nil && from.may(own) {
		b.pass(from, own)
	}
}

// cut disconnects one node from the broker, or connects it again.
func (b *broker) cut(n *node, cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n.cut = cut
	for _, l := range b.links {
		if l.node != n || l.cut == cut {
			continue
		}
		l.cut = cut
		switch {
		case !b.up:
		case cut:
			l.lost()
		default:
			b.greet(l)
		}
	}
}

// has reports whether a node is connected to the broker, or was when it died.
func (b *broker) has(n *node) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.up && !n.cut
}

// heal connects all nodes again.
func (b *broker) heal() {
	for _, n := range b.oracle.home.nodes {
		b.cut(n, false)
	}
}

// pass delivers a message to all who want it, with the retain flag that it was sent with.
func (b *broker) pass(from *link, m bus.Message) {
	if from != nil && !from.node.stranger && m.Topic == from.o.Topics.Powerwall(devices.StateLeaf) {
		b.oracle.counted(m)
	}
	if m.Retain {
		if len(m.Payload) == 0 {
			delete(b.retained, m.Topic)
		} else {
			b.retained[m.Topic] = m
		}
	}
	for _, l := range b.links {
		if (l != from || b.echoes) && !l.cut {
			l.deliver(m)
		}
	}
}

// send publishes a message as a person's mosquitto_pub does. It reports whether there was
// a broker.
func (b *broker) send(m bus.Message) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.up {
		b.pass(nil, m)
	}
	return b.up
}

// reaches reports whether a node receives what the broker passes on.
func (b *broker) reaches(n *node) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.up && slices.ContainsFunc(b.links, func(l *link) bool { return l.node == n && !l.cut && !l.life.dead.Load() })
}

// set starts or stops the broker; one without persistence forgets what was retained.
func (b *broker) set(up, forgets bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if up == b.up {
		return
	}
	b.up = up
	if forgets {
		clear(b.retained)
		b.oracle.uncounted()
	}
	for _, l := range b.links {
		switch {
		case l.cut:
		case up:
			b.greet(l)
		default:
			l.lost()
		}
	}
}

package bridge

import (
	"context"
	"errors"
	"slices"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
	"powermgr/discovery"
)

// A Cleaner finds and removes what this program has announced under names that are no
// longer used. It has a connection of its own.
type Cleaner struct {
	c *connection
}

const (
	cleanConnectTimeout = 15 * time.Second // for the broker to accept the connection
	cleanQuiet          = time.Second      // without another retained message: there are no more
	cleanTimeout        = 30 * time.Second // for all that is retained
)

// NewCleaner connects to the broker of o; only the fields about the connection are
// used. The daemon may be connected at the same time, under another client id.
func NewCleaner(ctx context.Context, o LinkOptions) (*Cleaner, error) {
	broker, err := o.broker()
	if err != nil {
		return nil, err
	}
	trying, stop := context.WithTimeoutCause(ctx, cleanConnectTimeout, errors.New("it does not answer"))
	defer stop()
	trying, refuse := context.WithCancelCause(trying)
	defer refuse(nil)
	c, err := connect(ctx, trying, connecting{
		url: broker, username: o.Username, password: o.Password.Reveal(), clientID: o.ClientID, alive: 20 * time.Second, tls: o.TLS, dial: o.Dial,
		will: func() bus.Message { return bus.Message{} }, now: time.Now,
		wait: func(attempt int) time.Duration {
			if attempt == 0 {
				return 0
			}
			return time.Second
		},
		refused: func(err error, answer greeting) {
			refuse(errors.New(explain(err, o.Username, answer, time.Now()).text))
		},
	})
	if err != nil {
		return nil, context.Cause(trying)
	}
	return &Cleaner{c}, nil
}

// Close ends the connection.
func (c *Cleaner) Close() { c.c.close() }

// Find lists what was announced under names other than those of prefix and topics, and
// what is retained below the base topics of those names. It leaves out what belongs to
// another base topic that is online, which is another home's powermgr; living lists
// those base topics.
func (c *Cleaner) Find(ctx context.Context, prefix string, topics devices.Topics) (stale []discovery.Stale, living []string, err error) {
	retained, err := c.retained(ctx, discovery.AnyPrefix())
	if err != nil {
		return nil, nil, err
	}
	var all []discovery.Message
	for _, m := range retained {
		all = append(all, discovery.Message{Topic: m.Topic, Payload: m.Payload})
	}
	found := discovery.FindStale(all, prefix, topics)
	var statuses []string
	for _, s := range found {
		if topic := (devices.Topics{Base: s.Base}).Status(); s.Base != topics.Base && !slices.Contains(statuses, topic) {
			statuses = append(statuses, topic)
		}
	}
	online := map[string]bool{}
	if len(statuses) > 0 {
		said, err := c.retained(ctx, statuses)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range said {
			online[m.Topic] = discovery.Lives(m.Payload)
		}
	}
	for _, s := range found {
		switch {
		case !online[devices.Topics{Base: s.Base}.Status()]:
			stale = append(stale, s)
		case !slices.Contains(living, s.Base):
			living = append(living, s.Base)
		}
	}
	left, err := c.left(ctx, stale, topics.Base)
	return append(stale, left...), living, err
}

// left lists what is retained below the base topics of stale other than base.
func (c *Cleaner) left(ctx context.Context, stale []discovery.Stale, base string) (all []discovery.Stale, err error) {
	var filters, bases []string
	for _, s := range stale {
		if s.Base != base && !slices.Contains(bases, s.Base) {
			bases = append(bases, s.Base)
			filters = append(filters, discovery.Left(devices.Topics{Base: s.Base})...)
		}
	}
	if len(filters) == 0 {
		return nil, nil
	}
	retained, err := c.retained(ctx, filters)
	if err != nil {
		return nil, err
	}
	var messages []discovery.Message
	for _, m := range retained {
		messages = append(messages, discovery.Message{Topic: m.Topic, Payload: m.Payload})
	}
	for _, b := range bases {
		all = append(all, discovery.FindLeft(messages, devices.Topics{Base: b})...)
	}
	return all, nil
}

// Remove removes what was announced on a topic.
func (c *Cleaner) Remove(ctx context.Context, s discovery.Stale) error {
	ctx, stop := context.WithTimeout(ctx, ioTimeout)
	defer stop()
	return c.c.publish(ctx, c.c.packet(bus.Message{Topic: s.Topic, Retain: true}, 0))
}

// retained returns what the broker has on the topics of filters.
func (c *Cleaner) retained(ctx context.Context, filters []string) ([]bus.Message, error) {
	var all []subscribing
	for _, f := range filters {
		all = append(all, subscribing{filter: f, keepRetainFlag: true})
	}
	ctx, stop := context.WithTimeout(ctx, cleanTimeout)
	defer stop()
	refused, err := c.c.subscribe(ctx, all)
	switch {
	case err != nil:
		return nil, err
	case len(refused) > 0:
		return nil, errors.New("the broker does not let this user look at " + refused[0] + ": allow it in the broker's access list for as long as this takes")
	}
	var out []bus.Message
	quiet := time.NewTimer(cleanQuiet)
	defer quiet.Stop()
	for {
		select {
		case m := <-c.c.inbox:
			if m.Retain && len(m.Payload) > 0 {
				out = append(out, m)
			}
			quiet.Reset(cleanQuiet)
		case <-c.c.down:
			return nil, c.c.downCause()
		case <-ctx.Done():
			return nil, errors.New("the broker did not finish sending its retained messages")
		case <-quiet.C:
			if n := c.c.overflowed.Load(); n > 0 {
				return nil, errors.New("the broker sent more at once than could be taken: try again")
			}
			return out, nil
		}
	}
}

package bridge

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// LinkOptions are what a Link needs. Bus, Topics, Node, Role and Log are required, and
// URL or Dial.
type LinkOptions struct {
	URL      string         // mqtt://host:1883, or mqtts://host:8883; a user and a password in it are used if Username is empty
	Username string         // empty: anonymous
	Password devices.Secret // of Username
	ClientID string         // empty: "powermgr-" and the node
	// KeepAlive is how long the connection may be silent; after one and a half times
	// that, either side ends it. Zero: 20 s.
	KeepAlive time.Duration
	TLS       *tls.Config // of TLSFiles.Config; nil with mqtts: the system's certificates
	// Dial makes the connection instead of URL, for a broker in this process.
	Dial func(context.Context) (net.Conn, error)

	Topics devices.Topics
	Node   string
	// Filters are the topics that this process receives from the broker: those that end
	// in "/set" as commands, without messages stored earlier, and all others with what
	// is retained.
	Filters []string
	// Stored are topics that this process publishes itself, and of which it wants to
	// know what the broker has: see bus.Stored. Empty: none.
	Stored []string
	// StatusTopic is where Home Assistant announces that it has started; empty: the
	// link does not listen for it.
	StatusTopic string
	// SecondaryProcess leaves status, last will and Home Assistant to another process
	// of this node.
	SecondaryProcess bool
	// Controller says that this node's controller is in this process, so that
	// controller commands from the broker are another node's.
	Controller bool
	Role       Role
	// LastWill returns the payload of the node's state for when this process is gone:
	// the last will of a standby, and the last message of either role. Nil: none.
	LastWill func() []byte

	Bus *bus.Bus
	Log *slog.Logger
}

// LinkHealth is the payload of bus.LinkHealth.
type LinkHealth struct {
	Connected bool      `json:"connected"`
	Broker    string    `json:"broker"`
	Since     time.Time `json:"since"`   // of Connected, on the machine's clock
	Problem   string    `json:"problem"` // what is wrong and what to do; empty: nothing
	Denied    []string  `json:"denied"`  // topics that the broker does not let powermgr publish or subscribe to
	Sent      int       `json:"sent"`
	Received  int       `json:"received"`
	Dropped   int       `json:"dropped"` // messages in either direction that did not fit, or came while the broker was unreachable
}

// Link connects the bus to the broker; see Run.
//
// It mirrors to the broker what parts of this process publish, and publishes on the bus
// what comes from the broker. It queues nothing while the broker is unreachable: once
// it is back, everything retained is published again, but only after the link has
// subscribed, has seen the other node's claim, and finds this node still active.
type Link struct {
	o             LinkOptions
	url           *url.URL // without user and password
	timing        timing
	sub           *bus.Subscription
	out           *outbox
	roleChanged   chan struct{} // holds a token when the role of this node may have changed
	overrunSignal chan struct{} // holds a token when messages of the bus were missed
	wait          *backoff.ExponentialBackOff

	overrun int // of sub, as last seen by Run

	predecessor <-chan handover               // hands over the connection of the link before this one; nil: there was none
	successor   atomic.Pointer[chan handover] // takes the connection over; nil: no link follows
	sawRetained atomic.Bool                   // a connection has delivered what the broker had of this node

	// the last problem of an outage; empty: there is none
	lastProblem string          // the last trouble of an outage; empty: there is none
	warned      map[string]bool // the problems of this outage that were warned about
	shortInARow int             // connections in a row that ended soon after they were made
	denied      refusals
	maxSize     int    // size in bytes of a message for which the broker has ended a connection; 0: none yet
	inFlight    flight // the message that the broker has not acknowledged yet
	endedWith   flight // the message in flight when the last connection ended without a reason
	endedInARow int    // how often in a row it was that message
	// Of the goroutine that takes in what the broker sends.
	foreignNodes map[string]bool
	health       LinkHealth
	// rightsProblem is what the self-test last found wrong; empty: nothing.
	rightsProblem string

	mu         sync.Mutex
	received   int
	overflowed int // messages from the broker that did not fit
}

// timing is how long things take, in real time.
type timing struct {
	publish    time.Duration // until a publish counts as lost
	stuck      int           // publishes lost in a row that end the connection
	subscribe  time.Duration // for the broker's answer to the subscriptions
	selfTest   time.Duration // until this connection's nonce must be back
	settleStep time.Duration // for the parts to process the claims that were received
	repeat     time.Duration // from connecting until the online status is published again
	heartbeat  time.Duration // between repetitions of the online status afterwards
	birthMin   time.Duration // from Home Assistant's birth to the replay, at least
	birthMax   time.Duration // and at most
	short      time.Duration // a connection that lasted less may have been taken over by another client with our id; longer than that client's backoff
	long       time.Duration // a connection that lasted longer was a good one
	contested  time.Duration // between connections when several in a row were short
	shutdown   time.Duration // for the last messages
}

func realTiming() timing {
	return timing{
		publish: 5 * time.Second, stuck: 3, subscribe: 10 * time.Second, selfTest: 5 * time.Second, settleStep: 50 * time.Millisecond,
		repeat: 5 * time.Second, heartbeat: time.Minute, birthMin: 2 * time.Second, birthMax: 10 * time.Second,
		short: 15 * time.Second, long: time.Minute, contested: 30 * time.Second, shutdown: 3 * time.Second,
	}
}

// maxShort is how many connections in a row may end that soon before another client is
// suspected of using the same client id. Not every broker reports that.
const maxShort = 3

// NewLink checks o and subscribes to the bus, so that nothing published from now on is
// missed. Its errors are about the configuration.
func NewLink(o LinkOptions) (*Link, error) {
	broker, err := o.broker()
	if err != nil {
		return nil, err
	}
	if o.ClientID == "" {
		o.ClientID = "powermgr-" + o.Node
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 20 * time.Second
	}
	l := &Link{
		o: o, url: broker, timing: realTiming(), out: newOutbox(o.Topics.Base), roleChanged: make(chan struct{}, 1), overrunSignal: make(chan struct{}, 1),
		wait: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(time.Second), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.3),
			backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(0)),
		denied: refusals{}, warned: map[string]bool{}, foreignNodes: map[string]bool{}, health: LinkHealth{Broker: broker.String()},
		sub: o.Bus.Subscribe("link", "#"),
	}
	return l, nil
}

// broker returns the address without user and password, and fills in what follows from
// it.
func (o *LinkOptions) broker() (*url.URL, error) {
	if o.Dial != nil {
		return &url.URL{Scheme: "mqtt", Host: "in this process"}, nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("mqtt.url: this is not an address of a broker: write mqtt://host:1883") // err may show a password
	}
	secure, err := secureScheme(u)
	if err != nil {
		return nil, err
	}
	if secure && o.TLS == nil {
		if o.TLS, err = (TLSFiles{}).Config(u); err != nil {
			return nil, err
		}
	}
	if !secure {
		o.TLS = nil
	}
	port := map[bool]string{false: "1883", true: "8883"}[secure]
	if u.Port() != "" {
		port = u.Port()
	}
	if o.Username == "" && u.User != nil {
		password, _ := u.User.Password()
		o.Username, o.Password = u.User.Username(), devices.Secret(password)
	}
	// The library puts the URL into what it reports.
	return &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// reconnect signals that the role of this node has changed, and with it the last will.
func (l *Link) reconnect() {
	select {
	case l.roleChanged <- struct{}{}:
	default:
	}
}

// Run links until ctx ends. Then it publishes offline and disconnects cleanly, or hands
// the connection to the link that follows. Its error is ctx's: a broker that is
// unreachable, or refuses the connection, is no reason to end.
func (l *Link) Run(ctx context.Context) error {
	defer l.sub.Close()
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	inherited := l.takeHandover(life)
	l.publishHealth(inherited != nil)
	closing, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		l.keepConnected(life, inherited, closing)
	}()
	var err error
	for err == nil {
		var m bus.Message
		var ok bool
		if m, ok, err = l.sub.Next(ctx, time.Time{}); ok {
			l.forward(m)
		}
	}
	// What parts have said at their end goes out too.
	for {
		m, ok, rest := l.sub.Next(context.WithoutCancel(ctx), l.o.Bus.Now())
		if !ok || rest != nil {
			break
		}
		l.forward(m)
	}
	close(closing)
	last := time.AfterFunc(l.timing.shutdown, cancel)
	defer last.Stop()
	<-done
	return err
}

// forward passes a message of the bus on, and notices when the queue has overflowed.
func (l *Link) forward(m bus.Message) {
	if m.Topic == bus.Role {
		l.reconnect()
	}
	l.out.forget(l.o.Forgets(m))
	l.out.noteSeen(m)
	l.enqueue(m)
	if dropped := l.sub.Dropped(); dropped > l.overrun {
		l.overrun = dropped
		select {
		case l.overrunSignal <- struct{}{}:
		default:
		}
	}
}

// enqueue queues m for the broker, if it is to go there.
func (l *Link) enqueue(m bus.Message) {
	if m.Origin == bus.Local && !bus.Private(m.Topic) && m.Topic != "" && !strings.ContainsAny(m.Topic, "+#") && l.o.Keeps(m) {
		l.out.put(m)
	}
}

// Forgets returns the topics on which nothing that this process has published counts
// any more once m was on the bus, because another node continues from it. Otherwise an
// energy counter would fall when this node is active again.
func (o LinkOptions) Forgets(m bus.Message) []string {
	if m.Topic == bus.Role && !o.Role.Active() {
		return o.Stored
	}
	return nil
}

// Keeps reports whether m is to be sent as soon as possible. A reading that finishes
// when this node is already on standby comes too late.
func (o LinkOptions) Keeps(m bus.Message) bool {
	return o.Role.Active() || !slices.Contains(o.Stored, m.Topic)
}

// mayPublish reports whether this node may publish m now. A standby publishes only
// about itself; what it has retained of other things is old.
func (l *Link) mayPublish(m bus.Message) bool {
	return !m.Retain || l.o.Role.Active() || strings.HasPrefix(m.Topic, l.o.Topics.Base+"/node/"+l.o.Node+"/")
}

// online returns the status that the active node publishes for the whole.
func (l *Link) online() bus.Message {
	if l.o.SecondaryProcess {
		return bus.Message{}
	}
	return bus.Message{Topic: l.o.Topics.Status(), Payload: []byte(devices.Online), Retain: true}
}

// will returns what the broker is to publish when it loses the connection.
func (l *Link) will() bus.Message {
	switch {
	case l.o.SecondaryProcess:
		return bus.Message{}
	case l.o.Role.Active():
		return bus.Message{Topic: l.o.Topics.Status(), Payload: []byte(devices.Offline), Retain: true}
	}
	return l.nodeLastWill()
}

// nodeLastWill returns the state of this node for when it is gone.
func (l *Link) nodeLastWill() bus.Message {
	if l.o.SecondaryProcess || l.o.LastWill == nil {
		return bus.Message{}
	}
	return bus.Message{Topic: l.o.Topics.NodeState(l.o.Node), Payload: l.o.LastWill(), Retain: true}
}

// publishHealth publishes the condition of the link on the bus.
func (l *Link) publishHealth(connected bool) {
	if connected != l.health.Connected || l.health.Since.IsZero() {
		l.health.Connected, l.health.Since = connected, devices.WholeSecond(time.Now())
	}
	l.mu.Lock()
	l.health.Received = l.received
	l.health.Dropped = l.overflowed + l.out.droppedCount()
	l.mu.Unlock()
	l.health.Denied = l.denied.topics()
	if connected && l.shortInARow < maxShort {
		l.health.Problem = l.problem()
	}
	b, err := json.Marshal(l.health)
	if err != nil {
		l.o.Log.Error("a message cannot be written", "topic", bus.LinkHealth, "reason", err)
		return
	}
	l.o.Bus.Publish(bus.Message{Topic: bus.LinkHealth, Payload: b, Retain: true})
}

// publishState publishes up or down, if that is a change.
func (l *Link) publishState(s string) {
	if m, ok := l.o.Bus.Retained(bus.LinkState); ok && string(m.Payload) == s {
		return
	}
	l.o.Bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte(s), Retain: true})
}

package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"powermgr/bridge/bus"
)

// This is the only file that knows the MQTT library. A connection here is one
// network connection: it comes up once, and when it is lost it stays down and
// the link makes another, with a session, a will and a backoff of its own. The
// library would reconnect by itself, but with the old will, with what was in
// flight on the old connection, and at once: its backoffs are 0 for the first
// attempt after a loss, which two clients with one id turn into a storm.

const (
	inboxDepth = 1024      // packets that wait for the pump
	maxReceive = 100       // QoS 1 packets the broker may send ahead of our acknowledgments
	maxPacket  = 256 << 10 // bytes of one packet from the broker; larger ones it keeps to itself
	maxID      = 128       // bytes of a correlation id
	ioTimeout  = 10 * time.Second
)

// subscribing is one topic filter and how it is subscribed.
type subscribing struct {
	filter         string
	skipRetained   bool // retain handling 2: messages stored earlier are not sent
	keepRetainFlag bool // retain as published: a live message sent with the retain flag is recognizable
	echo           bool // our own messages come back too
}

type connecting struct {
	url      *url.URL // without user and password
	username string
	password string
	clientID string
	alive    time.Duration
	tls      *tls.Config
	dial     func(context.Context) (net.Conn, error) // nil: to url
	will     func() bus.Message                      // called for each attempt; without a topic there is no will
	wait     func(attempt int) time.Duration         // before attempt 0, 1, …
	refused  func(error, greeting)                   // called for each attempt that did not succeed
	now      func() time.Time                        // that message expiry counts from
}

type connection struct {
	cm            *autopaho.ConnectionManager
	inbox         chan bus.Message
	down          chan struct{} // closed when the connection is lost
	cause         chan error    // holds the cause once, if there is one
	will          bus.Message   // what the broker publishes if the connection is lost
	overflowed    atomic.Int64  // packets that did not fit the inbox
	maxPacketSize int           // bytes of a packet that the broker accepts; 0: it sets no limit
	qos           byte          // of what is published
	end           context.CancelFunc
	free          func() bool // unbinds the connection from the life it was given
}

// bindTo ends the connection when life ends, instead of with the life before.
func (c *connection) bindTo(life context.Context) { c.free = context.AfterFunc(life, c.end) }

// connect tries until the broker accepts the connection or trying ends. The connection
// lasts until life ends, which is after trying, for the last messages.
func connect(life, trying context.Context, o connecting) (*connection, error) {
	c := &connection{qos: 1, inbox: make(chan bus.Message, inboxDepth), down: make(chan struct{}), cause: make(chan error, 1)}
	own, end := context.WithCancel(context.WithoutCancel(life))
	c.end = end
	c.bindTo(life)
	up := make(chan struct{})
	var first *atomic.Pointer[[]byte] // of the attempt; nil: it made no connection
	now := o.now
	cfg := autopaho.ClientConfig{
		ServerUrls: []*url.URL{o.url}, KeepAlive: uint16(max(1, math.Ceil(o.alive.Seconds()))),
		CleanStartOnInitialConnection: true, SessionExpiryInterval: 0, // the broker stores nothing while there is no connection
		ConnectUsername: o.username, ConnectPassword: []byte(o.password),
		ReconnectBackoff: func(attempt int) time.Duration { return o.wait(attempt) }, ConnectTimeout: ioTimeout,
		OnConnectError: func(err error) { // after each attempt, and before the next
			answer := greeting{made: first != nil, secure: o.tls != nil}
			if first != nil {
				if seen := first.Load(); seen != nil {
					answer.first = *seen
				}
			}
			o.refused(err, answer)
		},
		AttemptConnection: func(ctx context.Context, _ autopaho.ClientConfig, _ *url.URL) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, ioTimeout)
			defer cancel()
			first = nil
			conn, err := o.open(ctx)
			if err != nil {
				return nil, err
			}
			first = &atomic.Pointer[[]byte]{}
			return packets.NewThreadSafeConn(urgentConn{recordingConn{conn, first}}), nil
		},
		ConnectPacketBuilder: func(p *paho.Connect, _ *url.URL) (*paho.Connect, error) {
			receive, size := uint16(maxReceive), uint32(maxPacket)
			// Some brokers keep user properties back from who does not request problem information.
			p.Properties = &paho.ConnectProperties{ReceiveMaximum: &receive, MaximumPacketSize: &size, RequestProblemInfo: true}
			p.WillMessage, p.WillProperties = nil, nil
			if c.will = o.will(); c.will.Topic != "" {
				p.WillMessage = &paho.WillMessage{Topic: c.will.Topic, Payload: c.will.Payload, Retain: c.will.Retain, QoS: 1}
				p.WillProperties = &paho.WillProperties{} // no delay
			}
			return p, nil
		},
		OnConnectionUp: func(_ *autopaho.ConnectionManager, ack *paho.Connack) {
			c.limits(ack)
			// The connection may outlive the link that has made it: it keeps nothing of
			// that one.
			o = connecting{}
			close(up)
		},
		OnConnectionDown: func() bool { close(c.down); return false },
		ClientConfig: paho.ClientConfig{
			ClientID: o.clientID, PacketTimeout: ioTimeout,
			OnClientError: c.because,
			OnServerDisconnect: func(d *paho.Disconnect) {
				c.because(disconnectedError{d.ReasonCode})
			},
			// A handler added later would be lost with the connection.
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
				select {
				case c.inbox <- received(r.Packet, now):
				default:
					c.overflowed.Add(1)
				}
				return true, nil
			}},
		},
	}
	cm, err := autopaho.NewConnection(own, cfg)
	if err != nil {
		end()
		return nil, err
	}
	c.cm = cm
	select {
	case <-up:
		return c, nil
	case <-trying.Done():
		c.close()
		return nil, trying.Err()
	}
}

func (o connecting) open(ctx context.Context) (net.Conn, error) {
	if o.dial != nil {
		return o.dial(ctx)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.url.Host)
	if err != nil {
		return nil, err
	}
	conn = quickAck(conn)
	if o.tls == nil {
		return conn, nil
	}
	config := o.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = o.url.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// urgentConn is a connection that gives up a write that does not get away, such
// as one into a half-open connection whose buffers are full.
type urgentConn struct{ net.Conn }

func (h urgentConn) Write(b []byte) (int, error) {
	if err := h.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil { // a socket knows no other clock
		return 0, err
	}
	return h.Conn.Write(b)
}

// limits takes in what the broker says that it takes.
func (c *connection) limits(ack *paho.Connack) {
	if ack == nil || ack.Properties == nil {
		return
	}
	if p := ack.Properties.MaximumPacketSize; p != nil {
		c.maxPacketSize = int(*p)
	}
	if q := ack.Properties.MaximumQoS; q != nil {
		c.qos = min(c.qos, *q)
	}
}

func (c *connection) because(err error) {
	select {
	case c.cause <- err:
	default:
	}
}

// downCause is why the connection is down; the library says so a little later.
func (c *connection) downCause() error {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case err := <-c.cause:
		return err
	case <-t.C:
		return errors.New("the connection ended")
	}
}

// close says DISCONNECT, so that the will is not sent, and waits for the end.
func (c *connection) close() {
	defer c.end()
	ctx, cancel := context.WithTimeout(context.Background(), 2*ioTimeout)
	defer cancel()
	_ = c.cm.Disconnect(ctx) // the connection is given up in any case
}

// subscribe returns the filters the broker refused. A broker with an access
// list may grant what it will never deliver.
func (c *connection) subscribe(ctx context.Context, all []subscribing) (refused []string, err error) {
	s := &paho.Subscribe{}
	for _, f := range all {
		o := paho.SubscribeOptions{Topic: f.filter, QoS: 1, NoLocal: !f.echo, RetainAsPublished: f.keepRetainFlag}
		if f.skipRetained {
			o.RetainHandling = 2
		}
		s.Subscriptions = append(s.Subscriptions, o)
	}
	ack, err := c.cm.Subscribe(ctx, s)
	if ack == nil || len(ack.Reasons) != len(all) {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	for i, code := range ack.Reasons {
		if code >= 0x80 {
			refused = append(refused, all[i].filter)
		}
	}
	return refused, nil
}

// packet is m as it goes to the broker. expiry is in whole seconds; 0 is none.
func (c *connection) packet(m bus.Message, expiry uint32) *paho.Publish {
	p := &paho.Publish{Topic: m.Topic, Payload: m.Payload, Retain: m.Retain, QoS: c.qos, Properties: &paho.PublishProperties{}}
	if expiry > 0 {
		p.Properties.MessageExpiry = &expiry
	}
	if m.ID != "" {
		p.Properties.CorrelationData = []byte(m.ID)
	}
	user := func(key, value string) {
		if value != "" {
			p.Properties.User.Add(key, value)
		}
	}
	user("source", m.Source)
	user("node", m.Node)
	if m.Generation != 0 {
		user("generation", strconv.FormatUint(m.Generation, 10))
	}
	return p
}

// publish sends p, and waits for the broker's word if it gives one.
func (c *connection) publish(ctx context.Context, p *paho.Publish) error {
	resp, err := c.cm.Publish(ctx, p)
	switch {
	case resp != nil && resp.ReasonCode >= 0x80:
		return &publishRefusedError{p.Topic, refusal{code: resp.ReasonCode}, err}
	case errors.Is(err, paho.ErrInvalidArguments): // the library has read the same in the broker's greeting
		return &publishRefusedError{p.Topic, refusal{code: codeNoRetain}, err}
	}
	return err // code 0x10, nobody listens, is none
}

// size is how many bytes p has on its way.
func size(p *paho.Publish) int {
	n, err := p.Packet().WriteTo(io.Discard)
	if err != nil {
		return len(p.Payload) // it cannot fail
	}
	return int(n)
}

// received turns a packet into a message of the bus. Nothing in it can be
// other than a message: what is odd is left out.
func received(p *paho.Publish, now func() time.Time) bus.Message {
	m := bus.Message{Topic: p.Topic, Payload: p.Payload, Retain: p.Retain, Origin: bus.Broker}
	if p.Properties == nil {
		return m
	}
	if p.Properties.MessageExpiry != nil { // the broker has taken off what it kept the message for
		m.Expires = now().Add(time.Duration(*p.Properties.MessageExpiry) * time.Second)
	}
	m.ID = shortText(string(p.Properties.CorrelationData))
	m.Source = shortText(p.Properties.User.Get("source"))
	m.Node = shortText(p.Properties.User.Get("node"))
	m.Generation, _ = strconv.ParseUint(p.Properties.User.Get("generation"), 10, 64) // 0: not from powermgr
	return m
}

func shortText(s string) string {
	if len(s) > maxID || !utf8.ValidString(s) {
		return ""
	}
	return s
}

var _ slog.LogValuer = redacted{}

// redacted is a URL that shows no password.
type redacted struct{ *url.URL }

// LogValue writes the URL without the password.
func (r redacted) LogValue() slog.Value { return slog.StringValue(r.Redacted()) }

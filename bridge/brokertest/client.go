package brokertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Message is what a Client sends or has received.
type Message struct {
	Topic, Payload string
	Retain         bool
	Expiry         uint32            // message expiry in seconds; 0: none
	ID             string            // correlation data
	User           map[string]string // user properties
}

// Login is who a Client is. The zero value is anonymous with a name of its own.
type Login struct{ ID, User, Password string }

// A Client is a person with an MQTT client, or Home Assistant: a small client
// that shares no code with the link. It keeps all that it has received.
type Client struct {
	conn net.Conn

	mu    sync.Mutex
	next  uint16
	acks  map[uint16]chan byte
	got   []Message
	fresh chan struct{} // closed and replaced when something came
	ended error         // of the connection
}

// Client connects to the broker, past its proxy.
func (b *Broker) Client(t testing.TB, who Login) *Client {
	t.Helper()
	return newClient(t, b.connection(t), who)
}

// TurnsAway reports whether the broker refuses who, past its proxy.
func (b *Broker) TurnsAway(t testing.TB, who Login) bool {
	t.Helper()
	_, code := tryClient(t, b.connection(t), who)
	return code != 0
}

func (b *Broker) connection(t testing.TB) net.Conn {
	t.Helper()
	b.mu.Lock()
	upstream := b.upstream
	b.mu.Unlock()
	conn, err := b.dial(upstream)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Client connects to the broker.
func (m *Memory) Client(t testing.TB, who Login) *Client {
	t.Helper()
	conn, _ := m.Dial(t.Context())
	return newClient(t, conn, who)
}

func newClient(t testing.TB, conn net.Conn, who Login) *Client {
	t.Helper()
	c, code := tryClient(t, conn, who)
	if code != 0 {
		t.Fatalf("the broker refuses %q: 0x%02X", who.User, code)
	}
	return c
}

// tryClient connects; the code is the broker's, 0 for welcome.
func tryClient(t testing.TB, conn net.Conn, who Login) (*Client, byte) {
	t.Helper()
	c := &Client{conn: conn, acks: map[uint16]chan byte{}, fresh: make(chan struct{})}
	t.Cleanup(c.Close)
	if who.ID == "" {
		who.ID = fmt.Sprintf("client-%p", c)
	}
	p := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Connect}, Connect: packets.ConnectParams{
		ProtocolName: []byte("MQTT"), Clean: true, ClientIdentifier: who.ID,
		UsernameFlag: who.User != "", Username: []byte(who.User), PasswordFlag: who.User != "", Password: []byte(who.Password),
	}}
	up := make(chan byte, 1)
	go func() {
		err := c.read(up)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = err
	}()
	if err := c.send(p.ConnectEncode); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-up:
		return c, code
	case <-time.After(10 * time.Second):
		t.Fatal("the broker does not answer a client")
	}
	return nil, 0
}

// Close ends the connection without a word.
func (c *Client) Close() { c.conn.Close() }

func (c *Client) send(encode func(*bytes.Buffer) error) error {
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.conn.Write(b.Bytes())
	return err
}

func (c *Client) read(up chan<- byte) error {
	r := bufio.NewReader(c.conn)
	for {
		first, err := r.ReadByte()
		if err != nil {
			return err
		}
		p := packets.Packet{ProtocolVersion: 5}
		if err := p.FixedHeader.Decode(first); err != nil {
			return err
		}
		if p.FixedHeader.Remaining, _, err = packets.DecodeLength(r); err != nil {
			return err
		}
		body := make([]byte, p.FixedHeader.Remaining)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		switch p.FixedHeader.Type {
		case packets.Connack:
			_ = p.ConnackDecode(body)
			up <- p.ReasonCode
		case packets.Suback:
			_ = p.SubackDecode(body)
			c.acked(p.PacketID, p.ReasonCodes[0])
		case packets.Puback:
			_ = p.PubackDecode(body)
			c.acked(p.PacketID, p.ReasonCode)
		case packets.Publish:
			if p.PublishDecode(body) == nil {
				c.received(p)
			}
		}
	}
}

func (c *Client) received(p packets.Packet) {
	m := Message{
		Topic: p.TopicName, Payload: string(p.Payload), Retain: p.FixedHeader.Retain,
		Expiry: p.Properties.MessageExpiryInterval, ID: string(p.Properties.CorrelationData), User: map[string]string{},
	}
	for _, u := range p.Properties.User {
		m.User[u.Key] = u.Val
	}
	c.mu.Lock()
	c.got = append(c.got, m)
	close(c.fresh)
	c.fresh = make(chan struct{})
	c.mu.Unlock()
	if p.FixedHeader.Qos > 0 {
		ack := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.PacketID}
		_ = c.send(ack.PubackEncode)
	}
}

func (c *Client) acked(id uint16, code byte) {
	c.mu.Lock()
	ch := c.acks[id]
	delete(c.acks, id)
	c.mu.Unlock()
	if ch != nil {
		ch <- code
	}
}

// ask sends a packet that the broker acknowledges, and returns its code.
func (c *Client) ask(t testing.TB, encode func(id uint16, b *bytes.Buffer) error) byte {
	t.Helper()
	ch := make(chan byte, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.acks[id] = ch
	c.mu.Unlock()
	if err := c.send(func(b *bytes.Buffer) error { return encode(id, b) }); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ch:
		return code
	case <-time.After(10 * time.Second):
		t.Fatal("the broker does not acknowledge")
	}
	return 0
}

// Subscribe subscribes with QoS 1; what is retained comes, and each message
// shows whether it was sent with -r.
func (c *Client) Subscribe(t testing.TB, filter string) {
	t.Helper()
	code := c.ask(t, func(id uint16, b *bytes.Buffer) error {
		p := packets.Packet{
			ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: id,
			Filters: packets.Subscriptions{{Filter: filter, Qos: 1, RetainAsPublished: true}},
		}
		return p.SubscribeEncode(b)
	})
	if code >= 0x80 {
		t.Fatalf("the broker refuses the subscription to %s: 0x%02X", filter, code)
	}
}

// Publish sends m with QoS 1 and waits for the broker to have it.
func (c *Client) Publish(t testing.TB, m Message) {
	t.Helper()
	if code := c.publish(t, m); code >= 0x80 {
		t.Fatalf("the broker refuses a message on %s: 0x%02X", m.Topic, code)
	}
}

// MayPublish sends m as Publish does, and reports whether the broker accepted it.
func (c *Client) MayPublish(t testing.TB, m Message) bool {
	t.Helper()
	return c.publish(t, m) < 0x80
}

func (c *Client) publish(t testing.TB, m Message) byte {
	t.Helper()
	return c.ask(t, func(id uint16, b *bytes.Buffer) error {
		p := packets.Packet{
			ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1, Retain: m.Retain}, PacketID: id,
			TopicName: m.Topic, Payload: []byte(m.Payload),
			Properties: packets.Properties{MessageExpiryInterval: m.Expiry, CorrelationData: []byte(m.ID)},
			Mods:       packets.Mods{AllowResponseInfo: true}, // or the codec leaves correlation data out
		}
		for k, v := range m.User {
			p.Properties.User = append(p.Properties.User, packets.UserProperty{Key: k, Val: v})
		}
		return p.PublishEncode(b)
	})
}

// Received is all that has come so far, or what came on topic if it is given.
func (c *Client) Received(topics ...string) []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Message
	for _, m := range c.got {
		if len(topics) == 0 || strings.Contains(" "+strings.Join(topics, " ")+" ", " "+m.Topic+" ") {
			all = append(all, m)
		}
	}
	return all
}

// Forget drops what has come so far.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = nil
}

// Await waits for a message on topic with that payload and returns it. It
// looks at what has come already first.
func (c *Client) Await(t testing.TB, topic, payload string) Message {
	t.Helper()
	give := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		fresh := c.fresh
		c.mu.Unlock()
		for _, m := range c.Received(topic) {
			if m.Payload == payload {
				return m
			}
		}
		select {
		case <-fresh:
		case <-give:
			t.Fatalf("no %q on %s; there was %+v; the client's connection: %v", payload, topic, c.Received(), c.err())
		}
	}
}

func (c *Client) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

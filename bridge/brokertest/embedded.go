package brokertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"powermgr/bridge/bus"
	"powermgr/bridge/embedded"
)

type rule struct {
	user        string
	read, write bool
	filter      string
}

// rulesOf reads an access list in Mosquitto's format: "user NAME" and "topic
// [read|write|readwrite] FILTER".
func rulesOf(acl string) []rule {
	var rules []rule
	user := ""
	for line := range strings.Lines(acl) {
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "user":
			user = words[1]
		case len(words) == 2 && words[0] == "topic":
			rules = append(rules, rule{user, true, true, words[1]})
		case len(words) == 3 && words[0] == "topic":
			rules = append(rules, rule{user, strings.HasPrefix(words[1], "read"), strings.HasSuffix(words[1], "write"), words[2]})
		}
	}
	return rules
}

// access is the configuration's, for the embedded broker; its own access lists
// take a filter for a prefix.
func (c Config) access() embedded.Access {
	var a embedded.Access
	if len(c.Users) > 0 {
		a.Login = func(user, password string) bool {
			want, known := c.Users[user]
			return known && want == password
		}
	}
	if rules := rulesOf(c.ACL); len(rules) > 0 {
		a.May = func(user, topic string, write bool) bool {
			return slices.ContainsFunc(rules, func(r rule) bool {
				return r.user == user && bus.Match(r.filter, topic) && (write && r.write || !write && r.read)
			})
		}
	}
	return a
}

func runEmbedded(_ testing.TB, cfg Config) (instance, error) {
	s, err := embedded.New(cfg.access())
	if err != nil {
		return instance{}, err
	}
	s.Options.Capabilities.MaximumPacketSize = uint32(cfg.PacketLimit)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return instance{}, err
	}
	addr := ln.Addr().String()
	if cfg.Certs != nil {
		pair, err := tls.LoadX509KeyPair(cfg.Certs.ServerCert, cfg.Certs.ServerKey)
		if err != nil {
			return instance{}, err
		}
		tc := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: cfg.Certs.pool()}
		if cfg.ClientCerts {
			tc.ClientAuth = tls.RequireAndVerifyClientCert
		}
		ln = tls.NewListener(ln, tc)
	}
	if err := s.AddListener(listeners.NewNet("test", ln)); err != nil {
		return instance{}, err
	}
	if err := s.Serve(); err != nil { // it returns at once
		return instance{}, err
	}
	return instance{addr: addr, stop: func() { _ = s.Close() }, logs: func() string { return "" }}, nil
}

// Memory is the embedded broker without a socket. Unlike one with, it can run
// in a testing/synctest bubble: start and use it inside.
type Memory struct{ server *mqtt.Server }

// StartMemory starts one that ends with the test.
func StartMemory(t testing.TB) *Memory {
	t.Helper()
	s, err := embedded.New(embedded.Access{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &Memory{server: s}
}

// Dial connects to the broker; it is bridge.LinkOptions.Dial.
func (m *Memory) Dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	broker := buffer(server)
	go func() {
		_ = m.server.EstablishConnection("memory", broker) // it says how the connection ended
		_ = broker.Close()
	}()
	return buffer(client), nil
}

// buffered is an end of a net.Pipe that buffers what is written to it, as a
// socket does. Without a buffer a write waits for the other end to read, and
// both ends hold a lock while they write: each could wait for the other forever.
type buffered struct {
	net.Conn
	written chan []byte   // from Write to flush
	closed  chan struct{} // by Close
	once    sync.Once
}

func buffer(conn net.Conn) *buffered {
	b := &buffered{Conn: conn, written: make(chan []byte, 1<<12), closed: make(chan struct{})}
	go b.flush()
	return b
}

// Write buffers p. It blocks only when thousands of packets are unread.
func (b *buffered) Write(p []byte) (int, error) {
	select {
	case <-b.closed:
		return 0, net.ErrClosed
	default:
	}
	select {
	case b.written <- bytes.Clone(p):
		return len(p), nil
	case <-b.closed:
		return 0, net.ErrClosed
	}
}

// Close ends reading at once; what was written before still arrives if the
// other end reads it within a second.
func (b *buffered) Close() error {
	b.once.Do(func() {
		_ = b.SetReadDeadline(time.Now())
		_ = b.SetWriteDeadline(time.Now().Add(time.Second))
		close(b.closed)
	})
	return nil
}

// flush writes to the pipe what was buffered, until Close.
func (b *buffered) flush() {
	defer func() { _ = b.Conn.Close() }()
	for p, ok := b.take(); ok; p, ok = b.take() {
		if _, err := b.Conn.Write(p); err != nil {
			return
		}
	}
}

// take returns what was buffered first; ok is false if it is closed and nothing is left.
func (b *buffered) take() (p []byte, ok bool) {
	select {
	case p = <-b.written:
		return p, true
	case <-b.closed:
	}
	select {
	case p = <-b.written:
		return p, true
	default:
		return nil, false
	}
}

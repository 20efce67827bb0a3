package brokertest

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"

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
	go func() {
		_ = m.server.EstablishConnection("memory", server) // it says how the connection ended
		server.Close()
	}()
	return client, nil
}

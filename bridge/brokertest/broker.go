// Package brokertest starts MQTT brokers for tests: the Mosquitto container if
// Docker has its image, otherwise a mosquitto binary, otherwise the embedded
// broker. It also has a client to inspect them with. Only tests use it.
//
// TEST_BROKER=docker, binary or embedded asks for one of the three; a test fails
// if that one is missing.
// TEST_MOSQUITTO_IMAGE is the image, eclipse-mosquitto:2 by default.
package brokertest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Kind is which broker a test runs against.
type Kind string

// The kinds, the best first.
const (
	Docker   Kind = "docker"   // Mosquitto in a container
	Binary   Kind = "binary"   // Mosquitto of this system
	Embedded Kind = "embedded" // mochi, in this process
)

// Config is how a broker is set up. The zero value lets everybody do anything.
type Config struct {
	Users       map[string]string // password of each user; empty: anonymous
	ACL         string            // in Mosquitto's format; empty: everything is allowed
	Certs       *Certificates     // nil: no TLS
	ClientCerts bool              // with Certs: clients must show a certificate of the same authority
	// PacketLimit is how many bytes of a packet it takes; 0: any. Mosquitto says
	// so to who connects, and the embedded broker just ends the connection.
	PacketLimit int
	// Conf is a configuration to use as it is, with Users, ACL and Certs as the
	// files that it names: only its port 8883 and its folder, ConfFolder, are
	// changed. Empty: one is written. Mosquitto alone reads it.
	Conf string
}

// ConfFolder is where a Config's Conf has its files.
const ConfFolder = "/etc/mosquitto/powermgr"

// A Broker listens behind a Proxy, so its address outlives a restart.
type Broker struct {
	*Proxy
	Kind Kind
	cfg  Config

	stop func() // of the instance that runs; nil: none does
}

// An instance is one run of a broker, without anything it had before.
type instance struct {
	addr string
	stop func()
	logs func() string
}

// Use is the kind of broker that tests run against, and why it is that one.
func Use() (kind Kind, why string, err error) {
	c := chosen()
	return c.kind, c.why, c.err
}

type choice struct {
	kind Kind
	why  string
	err  error
}

// chosen asks Docker once per test binary.
var chosen = sync.OnceValue(func() choice {
	kind, why, err := pick()
	return choice{kind, why, err}
})

func pick() (Kind, string, error) {
	wanted := Kind(os.Getenv("TEST_BROKER"))
	dockerErr := dockerReady()
	binary, binaryErr := mosquittoBinary()
	switch wanted {
	case "":
		switch {
		case dockerErr == nil:
			return Docker, image(), nil
		case binaryErr == nil:
			return Binary, binary + ", since Docker: " + dockerErr.Error(), nil
		}
		return Embedded, "since Docker: " + dockerErr.Error() + "; and there is no mosquitto binary", nil
	case Docker:
		return Docker, image(), dockerErr
	case Binary:
		return Binary, binary, binaryErr
	case Embedded:
		return Embedded, "as asked", nil
	}
	return "", "", fmt.Errorf("TEST_BROKER is %q: it may be docker, binary or embedded", wanted)
}

// Has says why this machine has no broker of a kind; nil: it has.
func Has(kind Kind) error {
	switch kind {
	case Docker:
		return dockerReady()
	case Binary:
		_, err := mosquittoBinary()
		return err
	}
	return nil
}

func mosquittoBinary() (string, error) {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/mosquitto" // not on the path of everybody
	if _, err := os.Stat(debian); err != nil {
		return "", fmt.Errorf("there is no mosquitto binary: install the package mosquitto")
	}
	return debian, nil
}

// Start starts a broker that ends with the test.
func Start(t testing.TB, cfg Config) *Broker {
	t.Helper()
	kind, why, err := Use()
	if err != nil {
		t.Fatalf("broker: %v", err)
	}
	t.Logf("broker: %s (%s)", kind, why)
	return StartKind(t, kind, cfg)
}

// StartEmbedded starts the embedded broker, whatever else there is: for tests
// that need no more and many of them.
func StartEmbedded(t testing.TB, cfg Config) *Broker {
	t.Helper()
	return StartKind(t, Embedded, cfg)
}

// StartKind starts a broker of that kind.
func StartKind(t testing.TB, kind Kind, cfg Config) *Broker {
	t.Helper()
	proxy, err := NewProxy()
	if err != nil {
		t.Fatalf("broker: %v", err)
	}
	b := &Broker{Proxy: proxy, Kind: kind, cfg: cfg}
	t.Cleanup(func() {
		proxy.Close()
		if b.stop != nil {
			b.stop()
		}
	})
	b.Start(t)
	return b
}

// Mosquitto skips the test if the broker is not Mosquitto.
func (b *Broker) Mosquitto(t testing.TB, why string) {
	t.Helper()
	if b.Kind == Embedded {
		t.Skipf("needs Mosquitto: %s", why)
	}
}

// Start starts the broker again after Stop; it remembers nothing.
func (b *Broker) Start(t testing.TB) {
	t.Helper()
	run := map[Kind]func(testing.TB, Config) (instance, error){Docker: runDocker, Binary: runBinary, Embedded: runEmbedded}[b.Kind]
	in, err := run(t, b.cfg)
	if err != nil {
		t.Fatalf("broker: %v", err)
	}
	b.stop = in.stop
	if err := b.answers(in.addr, 20*time.Second); err != nil {
		t.Fatalf("broker: %v\n%s", err, in.logs())
	}
	b.SetUpstream(in.addr)
}

// Stop ends the broker and all its connections at once.
func (b *Broker) Stop() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
	b.SetUpstream("")
	b.Cut()
}

// URL is the broker's address as powermgr is configured with.
func (b *Broker) URL() string {
	if b.cfg.Certs != nil {
		return "mqtts://" + b.Addr()
	}
	return "mqtt://" + b.Addr()
}

// Certs are the broker's certificates; nil without TLS.
func (b *Broker) Certs() *Certificates { return b.cfg.Certs }

// DirectURL is the broker's address past the proxy, for measurements: a proxy
// has delays of its own. It is another one after a restart.
func (b *Broker) DirectURL() string { return "mqtt://" + b.Upstream() }

// Dial connects to the broker, past the proxy if addr is the broker's own.
func (b *Broker) dial(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil || b.cfg.Certs == nil {
		return conn, err
	}
	return tls.Client(conn, b.cfg.Certs.ClientTLS()), nil
}

// answers waits until the broker answers a CONNECT; that the port takes
// connections says nothing, since Docker's own proxy does so too.
func (b *Broker) answers(addr string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		var conn net.Conn
		if conn, err = b.dial(addr); err == nil {
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			// CONNECT of MQTT 5, clean start, keep alive 10 s, an id of its own.
			_, err = conn.Write([]byte{0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 10, 0, 0, 5, 'r', 'e', 'a', 'd', 'y'})
			answer := make([]byte, 1)
			if err == nil {
				_, err = conn.Read(answer)
			}
			conn.Close()
			if err == nil && answer[0] == 0x20 { // CONNACK, be it a refusal
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("no answer within %v: %w", within, err)
}

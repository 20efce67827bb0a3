package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
)

// An outage is why the broker cannot be reached, in plain words, and what to do about
// it. Two outages with the same key are the same problem, even if the text differs.
type outage struct{ key, text string }

// explain turns the error of a connection attempt, and what the other end has answered,
// into plain words.
func explain(err error, username string, answer greeting, now time.Time) outage {
	if denied, ok := errors.AsType[*autopaho.ConnackError](err); ok {
		return plain(refusedConnect(denied.ReasonCode, username))
	}
	if text := answer.explain(err); text != "" {
		return plain(text)
	}
	return network(err, now)
}

func plain(text string) outage { return outage{text, text} }

const noMQTT5 = "the broker does not support MQTT 5: use Mosquitto 1.6 or later, or another broker with MQTT 5"

// refusedConnect reads the code with which a broker refuses a connection.
func refusedConnect(code byte, username string) string {
	switch code {
	case 0x84:
		return noMQTT5
	case 0x85:
		return "the broker does not accept this client ID: change mqtt.client_id"
	case 0x86, 0x8C, codeNotAuthorized:
		if username == "" {
			return "the broker requires a user name and password: set mqtt.username and mqtt.password"
		}
		return fmt.Sprintf("the broker refuses user %s: check mqtt.username and mqtt.password", username)
	case 0x8A:
		return "the broker has banned this client: check the broker's log"
	case codeNoTopic:
		return "the broker does not accept this topic for the last will: change mqtt.base_topic"
	case codeNoRetain:
		return "the broker does not keep retained messages, which Home Assistant needs after a restart: allow them (Mosquitto: retain_available true)"
	case codeNoQoS:
		return "the broker accepts only quality of service 0: allow 1 (Mosquitto: max_qos 1)"
	case 0x9C, 0x9D:
		return "the broker sends its clients to another server: change mqtt.url"
	case 0x88, 0x89, codeQuota, 0x9F:
		return "the broker is busy or full"
	}
	return fmt.Sprintf("the broker refuses the connection, code 0x%02X", code)
}

// network reads an error of the connection below MQTT.
func network(err error, now time.Time) outage {
	var (
		dns     *net.DNSError
		timeout net.Error
		cert    *tls.CertificateVerificationError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &dns):
		return plain("the broker's host name cannot be found: check mqtt.url")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return notValid(invalid.Cert, now)
	case errors.As(err, &cert):
		return plain(fmt.Sprintf("the broker's certificate is not accepted: check mqtt.tls.ca_file and mqtt.tls.server_name (%v)", cert.Err))
	case errors.As(err, &record):
		return plain("the broker does not use TLS on this port: check mqtt.url")
	case errors.As(err, &alert):
		return plain("the broker does not accept powermgr's certificate: check mqtt.tls.cert_file and mqtt.tls.key_file")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return plain("the broker does not answer: check mqtt.url, and whether the broker is running")
	case errors.As(err, &op) && op.Op == "dial":
		return plain(fmt.Sprintf("the broker does not accept connections: check mqtt.url, and whether the broker is running (%v)", op.Err))
	}
	return plain(fmt.Sprintf("the broker closes the connection before it is established: check mqtt.url and mqtt.tls (%v)", bare(err)))
}

// notValid is for a certificate that is not valid by this machine's clock: a
// Raspberry Pi has none that runs without power, or its owner has to renew it.
func notValid(c *x509.Certificate, now time.Time) outage {
	const layout = "2006-01-02 15:04"
	o := outage{key: "certificate", text: "the broker's certificate is not valid at " + now.Format(layout)}
	if c != nil {
		o.key += c.NotBefore.String() + c.NotAfter.String()
		if now.Before(c.NotBefore) {
			o.text += ", only from " + c.NotBefore.In(now.Location()).Format(layout) + " on"
		} else {
			o.text += ", only until " + c.NotAfter.In(now.Location()).Format(layout)
		}
	}
	o.text += ": check this machine's clock (timedatectl) or renew the certificate"
	return o
}

// bare returns the innermost cause, without addresses that differ with each attempt.
func bare(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// A greeting is the beginning of what the other end has sent: the library understands
// only MQTT 5 answers. The zero value stands for a connection that was not made.
type greeting struct {
	made, secure bool
	first        []byte // at most greetingMost bytes
}

const maxGreeting = 16

// explain returns what the answer means, if it is not an MQTT 5 answer; empty: it does
// not tell.
func (g greeting) explain(err error) string {
	switch {
	case !g.made || errors.Is(err, context.DeadlineExceeded):
		return ""
	case len(g.first) >= 2 && g.first[0] == 0x20 && g.first[1] == 2: // a CONNACK before MQTT 5 is two bytes long
		return noMQTT5
	case len(g.first) > 0 && g.first[0] != 0x20 && g.first[0] != 0xE0:
		return fmt.Sprintf("what answers there is not an MQTT broker (it starts with %q): check the host and port in mqtt.url", printable(g.first))
	case len(g.first) == 0 && closedByPeer(err):
		text := "the broker accepts the connection and closes it without an answer: it may not support MQTT 5"
		if !g.secure {
			text += ", or it may require TLS (mqtts://)"
		}
		return text
	}
	return ""
}

// closedByPeer reports whether the other end has closed the connection.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func printable(b []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, b))
}

// A recordingConn is a connection that records how the other end begins.
type recordingConn struct {
	net.Conn
	first *atomic.Pointer[[]byte]
}

func (h recordingConn) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if seen := h.first.Load(); n > 0 && (seen == nil || len(*seen) < maxGreeting) {
		var all []byte
		if seen != nil {
			all = append(all, *seen...)
		}
		all = append(all, b[:min(n, maxGreeting-len(all))]...)
		h.first.Store(&all)
	}
	return n, err
}

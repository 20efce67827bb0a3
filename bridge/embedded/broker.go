// Package embedded is the MQTT broker of the demo and of tests that need no
// better one: mochi, with the traps in it defused. It is no broker for a home.
package embedded

import (
	"bytes"
	"log/slog"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Access says who may do what. The zero value lets everybody do anything.
type Access struct {
	Login func(user, password string) bool
	// May is asked for each message a user publishes, with write, and for each
	// that is to be delivered to one. Subscriptions are always granted, as
	// Mosquitto grants them.
	May func(user, topic string, write bool) bool
}

// New returns a broker without listeners.
func New(a Access) (*mqtt.Server, error) {
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumMessageExpiryInterval = 0 // or retained messages would expire after a day
	s := mqtt.New(&mqtt.Options{Capabilities: capabilities, Logger: slog.New(slog.DiscardHandler), SysTopicResendInterval: 3600})
	return s, s.AddHook(&hook{access: a}, nil)
}

type hook struct {
	mqtt.HookBase
	access Access
}

// ID is the hook's name.
func (h *hook) ID() string { return "access" }

// Provides says which of the methods below are to be called.
func (h *hook) Provides(b byte) bool {
	return bytes.Contains([]byte{mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnSessionEstablished}, []byte{b})
}

// OnConnectAuthenticate checks the password.
func (h *hook) OnConnectAuthenticate(_ *mqtt.Client, p packets.Packet) bool {
	return h.access.Login == nil || h.access.Login(string(p.Connect.Username), string(p.Connect.Password))
}

// OnACLCheck checks a message; a filter of a subscription passes.
func (h *hook) OnACLCheck(c *mqtt.Client, topic string, write bool) bool {
	if h.access.May == nil || !write && bytes.ContainsAny([]byte(topic), "+#") {
		return true
	}
	return h.access.May(string(c.Properties.Username), topic, write)
}

// OnSessionEstablished takes the send quota away. With one, mochi 2.7.9 looks
// at each packet for the next message to send, and Inflight.NextImmediate
// locks for reading what it has locked for reading: a delivery to the same
// client in between stops that client, and whoever publishes to it, for ever.
func (h *hook) OnSessionEstablished(c *mqtt.Client, _ packets.Packet) {
	c.State.Inflight.ResetSendQuota(0)
}

package bridge

import (
	"bytes"

	"powermgr/bridge/bus"
)

// Unseen are the topics of this process on which the broker had something that the
// publisher has not processed yet. What this process publishes there without knowing it
// is held back: otherwise an energy counter would fall. The zero value is ready to use;
// it is not safe for concurrent use.
type Unseen struct {
	topics map[string]unseen
}

type unseen struct {
	payload []byte
	holds   bool // something waits until it has been seen
}

// Add records a message that the broker had, which is announced on bus.Stored.
func (u *Unseen) Add(topic string, payload []byte) {
	if u.topics == nil {
		u.topics = map[string]unseen{}
	}
	u.topics[topic] = unseen{payload, u.topics[topic].holds}
}

// Hold reports whether what this process publishes on topic has to wait, and remembers
// that something does.
func (u *Unseen) Hold(topic string) bool {
	s, ok := u.topics[topic]
	if ok {
		s.holds = true
		u.topics[topic] = s
	}
	return ok
}

// Acknowledge takes in a message of this process; only those on bus.Seen matter. It
// returns the topic, and whether something has waited for it.
func (u *Unseen) Acknowledge(m bus.Message) (topic string, waited bool) {
	topic, ok := bus.SeenTopic(m.Topic)
	s := u.topics[topic]
	if !ok || !bytes.Equal(s.payload, m.Payload) {
		return "", false
	}
	delete(u.topics, topic)
	return topic, s.holds
}

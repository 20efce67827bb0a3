package bridge

import (
	"bytes"

	"powermgr/bridge/bus"
)

// Unseen are the topics of this process on which the broker had something that
// its publisher has not taken in yet. What was said there without knowing it is
// held back: an energy counter would fall. The zero value is ready; it is not
// safe for concurrent use.
type Unseen struct {
	topics map[string]unseen
}

type unseen struct {
	payload []byte
	holds   bool // something waits for it to be seen
}

// Add notes a message that the broker had, which is told on bus.Stored.
func (u *Unseen) Add(topic string, payload []byte) {
	if u.topics == nil {
		u.topics = map[string]unseen{}
	}
	u.topics[topic] = unseen{payload, u.topics[topic].holds}
}

// Hold reports whether what this process has said on topic has to wait.
func (u *Unseen) Hold(topic string) bool {
	s, ok := u.topics[topic]
	if ok {
		s.holds = true
		u.topics[topic] = s
	}
	return ok
}

// Acknowledge takes in a message of this process, on bus.Seen or not. It reports the
// topic on which something has waited for it.
func (u *Unseen) Acknowledge(m bus.Message) (topic string, waited bool) {
	topic, ok := bus.SeenTopic(m.Topic)
	s := u.topics[topic]
	if !ok || !bytes.Equal(s.payload, m.Payload) {
		return "", false
	}
	delete(u.topics, topic)
	return topic, s.holds
}

package bridge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What the broker does not take, and what to do about it. It says so to a
// message or to a subscription; for what is larger than it takes, it has said so
// before, or says so by ending the connection, or ends it without a word.

// The reason codes of MQTT 5 that the link has something to say about.
const (
	codeNotAuthorized = 0x87
	codeTakenOver     = 0x8E
	codeNoTopic       = 0x90
	codeTooLarge      = 0x95
	codeQuota         = 0x97
	codeFormat        = 0x99
	codeNoRetain      = 0x9A
	codeNoQoS         = 0x9B
)

// A refusal is why the broker does not accept a topic.
type refusal struct {
	subscribing bool
	ends        bool // the broker ends the connection: a message of that size is not sent again
	code        byte // 0: the broker gives none
	maxSize     int  // bytes, with codeTooLarge: what the broker accepts; 0: it does not say
	size        int  // bytes of the message
}

// sentences describe the topics with one kind of refusal; %s stands for the topics.
var sentences = map[byte]string{
	codeNotAuthorized: "the broker does not let this user publish on %s: allow it in the broker's access list",
	codeTooLarge:      "the broker refuses as too large what is sent on %s: raise its limit (Mosquitto: message_size_limit or max_packet_size)",
	codeQuota:         "the broker's quota for this user is used up, and it refuses %s: raise the quota",
	codeFormat:        "the broker does not take the format of %s: have it pass on every payload as it is",
	codeNoRetain:      "the broker keeps no retained messages, and refuses %s: allow them (Mosquitto: retain_available true)",
	0:                 "the broker ends the connection whenever it is sent %s, which it does not get any more: look at the broker's log, and at its limit of a message's size",
}

// sentence describes what is wrong with topics that are refused for one reason.
func (r refusal) sentence(topics string, configs bool) string {
	text, known := sentences[r.code]
	switch {
	case r.subscribing:
		text = "the broker does not let this user subscribe to %s: allow it in the broker's access list"
	case r.code == codeTooLarge && r.maxSize > 0:
		text = fmt.Sprintf("the broker takes no message of more than %d bytes, and so does not get %%s: raise its limit (Mosquitto: max_packet_size)", r.maxSize)
	case !known:
		text = fmt.Sprintf("the broker refuses %%s, code 0x%02X: look at the broker's log", r.code)
	}
	text = fmt.Sprintf(text, topics)
	if r.code == codeTooLarge && configs {
		text += ", or set discovery.format to component, which is one small message for each entity"
	}
	return text
}

// refusals are by topic.
type refusals map[string]refusal

// maxRefusals is how many are remembered.
const maxRefusals = 256

// blamed are the disconnect codes that are caused by the message in flight.
var blamed = []byte{codeNotAuthorized, codeNoTopic, codeTooLarge, codeFormat}

// minSuspectSize is the size of a message, in bytes, from which it may be the cause of
// a disconnect without a reason.
const minSuspectSize = 1024

// maxSilentEnds is how many connections in a row may end without a reason while a
// message is in flight before that message is left out.
const maxSilentEnds = 3

// A flight is a message on its way to the broker.
type flight struct {
	topic string // empty: none is
	size  int
}

// blame determines whether the message in flight ended the connection, with a code or
// without a reason. Otherwise it would be sent first on the next connection too, and
// nothing else would ever get through. It reports whether that is certain.
func (l *Link) blame(err error) bool {
	f, last := l.inFlight, l.endedWith
	l.inFlight, l.endedWith = flight{}, flight{}
	end, said := errors.AsType[disconnectedError](err)
	switch {
	case f.topic == "" || errors.Is(err, errStuck):
	case slices.Contains(blamed, end.code):
		if end.code == codeTooLarge {
			l.maxSize = f.size
		} else {
			f.size = 0 // nothing on this topic is taken
		}
		l.refusedBy(f.topic, refusal{ends: true, code: end.code, size: f.size})
		return true
	case !said && f.size >= minSuspectSize:
		if l.endedWith = f; f != last {
			l.endedInARow = 0
		}
		if l.endedInARow++; l.endedInARow >= maxSilentEnds {
			l.refusedBy(f.topic, refusal{ends: true, size: f.size})
			return true
		}
	}
	return false
}

// forgetSizeLimits forgets the messages that ended connections, since the broker may
// accept them by now.
func (l *Link) forgetSizeLimits() {
	l.maxSize = 0
	maps.DeleteFunc(l.denied, func(_ string, r refusal) bool { return r.ends })
}

// refusedBy records that the broker does not accept a topic, and logs it once. It
// reports whether that is news.
func (l *Link) refusedBy(topic string, r refusal) bool {
	news := l.denied.note(topic, r)
	if news {
		l.o.Log.Warn("the broker does not take a topic", "topic", topic, "reason", r.sentence(topic, l.out.isConfig(topic)))
	}
	return news
}

// maxNamed is how many topics are named in a sentence.
const maxNamed = 4

// problem says what is refused and what to do; empty: nothing is. isConfig tells
// the topics of discovery.
func (all refusals) problem(isConfig func(topic string) bool) string {
	groups := map[refusal][]string{}
	for topic, r := range all {
		r.size = 0
		groups[r] = append(groups[r], topic)
	}
	var out []string
	for r, topics := range groups {
		configs := slices.ContainsFunc(topics, isConfig)
		slices.Sort(topics)
		named := strings.Join(topics[:min(maxNamed, len(topics))], ", ")
		if more := len(topics) - maxNamed; more > 0 {
			named += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, r.sentence(named, configs))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// topics are those that are refused, in order.
func (all refusals) topics() []string { return slices.Sorted(maps.Keys(all)) }

// note remembers a refusal, and reports whether it is news.
func (all refusals) note(topic string, r refusal) bool {
	old, known := all[topic]
	if !known && len(all) >= maxRefusals {
		return false
	}
	all[topic] = r
	old.size = r.size
	return !known || old != r
}

// A publishRefusedError reports a message that the broker will not take however
// often it is sent.
type publishRefusedError struct {
	topic string
	refusal
	err error
}

func (e *publishRefusedError) Error() string { return e.sentence(e.topic, false) }

func (e *publishRefusedError) Unwrap() error { return e.err }

// A disconnectedError reports that the broker has ended the connection, and its
// reason code.
type disconnectedError struct{ code byte }

// words are the reasons that have some.
var disconnectWords = map[byte]string{
	0x8B:              "it is shutting down",
	0x8D:              "it has heard nothing for too long",
	0x89:              "it is busy",
	codeTakenOver:     "it gave the connection to another client with the same id",
	codeTooLarge:      "a message was larger than it takes",
	codeQuota:         "the quota for this user is used up",
	0x98:              "somebody has ended it there",
	codeNoRetain:      "it keeps no retained messages",
	codeNoQoS:         "it does not take this quality of service",
	codeNotAuthorized: "this user may not be there",
}

func (e disconnectedError) Error() string {
	if words, known := disconnectWords[e.code]; known {
		return "the broker ended the connection: " + words
	}
	return fmt.Sprintf("the broker ended the connection, code 0x%02X", e.code)
}

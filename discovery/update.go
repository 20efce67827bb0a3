package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"powermgr/devices"
)

// Filter returns the topic filter that matches all discovery messages of both formats.
func Filter(prefix string) string { return prefix + "/+/+/config" }

// Slug returns the start of all our ids for a base topic, so that two homes on one
// broker do not mix. An id would lose whatever a base topic has besides lowercase
// letters, digits and levels; such a base topic is identified by a checksum.
func Slug(topics devices.Topics) string {
	id := devices.TopicID(topics.Base)
	if strings.ReplaceAll(topics.Base, "/", "_") == id && !strings.Contains(topics.Base, "_") {
		return id
	}
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, topics.Base) // writing to a hash never fails
	return fmt.Sprintf("%s_%08x", id, sum.Sum32())
}

// maxBase is the longest base topic that is considered, in bytes.
const maxBase = 1024

// maxPayload is the longest retained message that is considered, in bytes. powermgr's
// own have some ten thousand.
const maxPayload = 1 << 18

// Announced reports whether a retained message was announced by this program for the
// home with these topics. All others are left alone: those of other software, and those
// of another home whose ids begin the same, as with the base topics powermgr and
// powermgr/cabin.
func Announced(m Message, prefix string, topics devices.Topics) bool {
	in, base, ok := announcedBy(m)
	return ok && in == prefix && base == topics.Base
}

// announcedBy returns the prefix below which this program has announced m, and the base
// topic of the home; ok is false for any other message. A home's ids begin with its
// slug; in earlier versions they began with its base topic alone.
func announcedBy(m Message) (prefix, base string, ok bool) {
	levels := strings.Split(m.Topic, "/")
	if n := len(levels) - 3; n > 0 && len(m.Payload) > 0 && len(m.Payload) <= maxPayload {
		prefix = strings.Join(levels[:n], "/")
		levels = levels[n:]
	} else {
		return "", "", false
	}
	if !legal(levels[0]) || !legal(levels[1]) || levels[2] != "config" {
		return "", "", false
	}
	var body struct {
		Origin struct {
			Name string `json:"name"`
		} `json:"origin"`
		Availability []struct {
			Topic string `json:"topic"`
		} `json:"availability"`
	}
	if json.Unmarshal(m.Payload, &body) != nil || body.Origin.Name != originName {
		return "", "", false
	}
	for _, a := range body.Availability {
		base, ok := strings.CutSuffix(a.Topic, devices.Topics{}.Status())
		if !ok || base == "" || len(base) > maxBase || strings.ContainsAny(base, "+#\x00") {
			continue
		}
		t := devices.Topics{Base: base}
		if strings.HasPrefix(levels[1], Slug(t)+"_") || strings.HasPrefix(levels[1], devices.TopicID(base)+"_") {
			return prefix, base, true
		}
	}
	return "", "", false
}

// legal reports whether Home Assistant accepts s as an id or a platform.
func legal(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// Update lists what to send, in order, so that Home Assistant ends up with wanted and
// nothing else that this program announced. retained is what the broker has; each of
// these messages has to be Announced. Messages that the broker already has are not sent
// again. A change of format is covered: the topics of the other format are emptied
// first, since a second topic for the same unique id would be refused.
//
// Leaving a component out of a device's message does not remove it. It has to be sent
// once with nothing but its platform, so there can be two messages on one topic, the
// last of which stays.
func Update(retained, wanted []Message) []Message {
	var out []Message
	want := map[string]bool{}
	for _, m := range wanted {
		want[m.Topic] = true
	}
	have := map[string][]byte{}
	for _, m := range retained {
		if _, twice := have[m.Topic]; !want[m.Topic] && !twice {
			out = append(out, Message{Topic: m.Topic})
		}
		have[m.Topic] = m.Payload
	}
	slices.SortFunc(out, func(a, b Message) int { return strings.Compare(a.Topic, b.Topic) })
	for _, m := range wanted {
		old, known := have[m.Topic]
		if known && bytes.Equal(old, m.Payload) {
			continue
		}
		if stub, ok := withVanished(old, m.Payload); ok {
			out = append(out, Message{m.Topic, stub})
		}
		out = append(out, m)
	}
	return out
}

// platforms returns the platform of each component in a device's message; nil for a
// message of another kind. Illegal ones are left out: Home Assistant never accepted
// them.
func platforms(payload []byte) map[string]string {
	var body struct {
		Components map[string]json.RawMessage `json:"components"`
	}
	if len(payload) > maxPayload || json.Unmarshal(payload, &body) != nil {
		return nil
	}
	out := map[string]string{}
	for key, raw := range body.Components {
		var c struct {
			Platform string `json:"platform"`
		}
		if json.Unmarshal(raw, &c) == nil && legal(key) && legal(c.Platform) {
			out[key] = c.Platform
		}
	}
	return out
}

// withVanished returns the new payload of a device, plus each component that has
// vanished since the old one, reduced to its platform; ok is false if none has. A
// component whose platform has changed counts as vanished from the old one.
func withVanished(was, is []byte) (payload []byte, ok bool) {
	if len(was) == 0 {
		return nil, false // the device is new
	}
	var whole map[string]any
	if json.Unmarshal(is, &whole) != nil {
		return nil, false
	}
	components, isMap := whole["components"].(map[string]any)
	if !isMap {
		return nil, false
	}
	still := platforms(is)
	for key, platform := range platforms(was) {
		if still[key] != platform {
			components[key] = map[string]any{"platform": platform}
			ok = true
		}
	}
	if !ok {
		return nil, false
	}
	return render(whole), true
}

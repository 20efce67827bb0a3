package discovery

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"powermgr/devices"
)

// Filter is the topic filter that matches all discovery messages of both
// formats.
func Filter(prefix string) string { return prefix + "/+/+/config" }

// Slug is what all our ids begin with for a base topic, so that two homes at
// one broker do not mix.
func Slug(topics devices.Topics) string { return devices.TopicID(topics.Base) }

// maxPayload is the longest retained message that is looked at, in bytes. Ours
// have some ten thousand.
const maxPayload = 1 << 18

// Ours reports whether a retained message was announced by this program for
// the home with that slug. Anything else is somebody else's and left alone:
// other software's, and that of another home whose ids begin alike, as those
// of the base topic powermgr/cabin begin like those of powermgr.
func Ours(m Message, prefix, slug string) bool {
	if len(m.Payload) == 0 || len(m.Payload) > maxPayload || !ourTopic(m.Topic, prefix, slug) {
		return false
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
		return false
	}
	for _, a := range body.Availability {
		base, ok := strings.CutSuffix(a.Topic, devices.Topics{}.Status())
		if ok && Slug(devices.Topics{Base: base}) == slug {
			return true
		}
	}
	return false
}

// ourTopic reports whether topic is prefix/<component>/<id>/config with an id
// of ours.
func ourTopic(topic, prefix, slug string) bool {
	rest, ok := strings.CutPrefix(topic, prefix+"/")
	levels := strings.Split(rest, "/")
	return ok && len(levels) == 3 && legal(levels[0]) && legal(levels[1]) && strings.HasPrefix(levels[1], slug+"_") && levels[2] == "config"
}

// legal reports whether Home Assistant takes s as an id or a platform.
func legal(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// Update lists what to send, in order, so that Home Assistant ends up with
// wanted and nothing else of ours: retained is what the broker has, Ours all.
// What it has already is not sent again. A change of format is covered: the
// topics of the other format are emptied first, since a second topic for the
// same unique id would be refused.
//
// Leaving a component out of a device's message does not remove it. It has to
// be sent once with nothing but its platform; so there can be two messages on
// one topic, the last of which stays.
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

// platforms is the platform of each component in a device's message; nil for
// a message of another kind. Illegal ones are left out: Home Assistant never
// took them.
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

// withVanished is the new payload of a device with what vanished since the old
// one as mere platforms; ok is false if nothing did. A component that is of
// another platform now has vanished as the one it was.
func withVanished(was, is []byte) (payload []byte, ok bool) {
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

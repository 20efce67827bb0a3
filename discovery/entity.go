package discovery

import (
	"maps"
	"strings"

	"powermgr/devices"
)

// build makes an entity's body out of what all have and what it has of its own.
type build struct {
	device string // its device's id
	object string // its device's name, as entity ids begin with it after the domain
	state  string // the topic of its device's JSON
}

// entity is called name within its device; empty: it is the device's main
// feature and goes by the device's name. default_entity_id repeats what Home
// Assistant before 2025.10 makes of the names, so that dashboards fit all.
func (b build) entity(platform, key, name string, own map[string]any) Entity {
	body := map[string]any{
		"unique_id": b.device + "_" + key, "name": name, "default_entity_id": platform + "." + objectID(b.object+" "+name),
	}
	if name == "" {
		body["name"] = nil
	}
	maps.Copy(body, own)
	return Entity{Key: key, Platform: platform, Body: body}
}

// objectID is the part of an entity id after the domain.
func objectID(name string) string {
	words := strings.FieldsFunc(devices.TopicID(name), func(r rune) bool { return r == '_' })
	return strings.Join(words, "_")
}

// value is the template of one field. JSON null becomes None, which Home
// Assistant takes for unknown on every platform used here.
func value(field string) string { return "{{ value_json." + field + " }}" }

// decided is a template of settings that renders nothing, which changes nothing in
// Home Assistant, as long as one of them was asked for and is not decided: the
// reading shows the old value still. The entity has to be optimistic.
func decided(template string, settings ...string) string {
	return "{% if not ['" + strings.Join(settings, "', '") + "'] | select('in', value_json.pending | default([])) | list %}" + template + "{% endif %}"
}

// optimistic has an entity show what was asked for until it is decided.
func optimistic(setting string, e Entity) Entity {
	e.Body["optimistic"], e.Body["value_template"] = true, decided(e.Body["value_template"].(string), setting)
	return e
}

// sensor is a number, a text or a time of the device's state.
func (b build) sensor(key, name, field string, own map[string]any) Entity {
	body := map[string]any{"state_topic": b.state, "value_template": value(field)}
	maps.Copy(body, own)
	return b.entity("sensor", key, name, body)
}

// timestamp is a time of the device's state.
func (b build) timestamp(key, name, field string) Entity {
	return b.sensor(key, name, field, map[string]any{"device_class": "timestamp"})
}

// A template prints JSON's true and false as Python does.
const (
	yes = "True"
	no  = "False"
)

// binary is a true or false of the device's state; null is unknown.
func (b build) binary(key, name, field string, own map[string]any) Entity {
	body := map[string]any{"state_topic": b.state, "value_template": value(field), "payload_on": yes, "payload_off": no}
	maps.Copy(body, own)
	return b.entity("binary_sensor", key, name, body)
}

// toggle is a true or false that can be set with ON and OFF.
func (b build) toggle(key, name, field, command string, own map[string]any) Entity {
	body := map[string]any{
		"state_topic": b.state, "value_template": value(field), "state_on": yes, "state_off": no,
		"command_topic": command, "payload_on": "ON", "payload_off": "OFF", "qos": 1,
	}
	maps.Copy(body, own)
	return b.entity("switch", key, name, body)
}

// names are words on topics, and how people read them.
type names map[string]string

// An option is a word on a topic as people read it.
type option struct{ word, name string }

// all are the options for words; one without a name is shown as it is.
func (n names) all(words []string) (out []option) {
	for _, w := range words {
		name, ok := n[w]
		if !ok {
			name = w
		}
		out = append(out, option{w, name})
	}
	return out
}

// choice is one of some words that can be set. Home Assistant shows the names; on
// topics there are the words, in both directions.
func (b build) choice(key, name, field, command string, options []option, own map[string]any) Entity {
	shown := make([]string, len(options))
	toName, toWord := make([]string, len(options)), make([]string, len(options))
	for i, o := range options {
		shown[i] = o.name
		toName[i] = "'" + o.word + "': '" + o.name + "'"
		toWord[i] = "'" + o.name + "': '" + o.word + "'"
	}
	body := map[string]any{
		"state_topic": b.state, "command_topic": command, "options": shown, "qos": 1,
		"value_template":   "{{ {" + strings.Join(toName, ", ") + "}.get(value_json." + field + ") }}",
		"command_template": "{{ {" + strings.Join(toWord, ", ") + "}.get(value, value) }}",
	}
	maps.Copy(body, own)
	return b.entity("select", key, name, body)
}

// button sends one payload.
func (b build) button(key, name, command, press, icon string) Entity {
	return b.entity("button", key, name, map[string]any{"command_topic": command, "payload_press": press, "icon": icon, "qos": 1})
}

func texts[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return out
}

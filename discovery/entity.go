package discovery

import (
	"maps"
	"strings"

	"powermgr/devices"
)

// build builds entities: their bodies consist of what all of a device's entities share,
// and of what each has on its own.
type build struct {
	device string // its device's id
	object string // its device's name in the form in which entity ids contain it, after the domain
	state  string // the topic of its device's JSON
}

// entity returns an entity that is called name within its device; if name is empty, it
// is the device's main feature and has the device's name. default_entity_id is the id
// that Home Assistant before 2025.10 derives from the names, so that dashboards work
// with all versions.
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

// objectID returns the part of an entity id after the domain.
func objectID(name string) string {
	words := strings.FieldsFunc(devices.TopicID(name), func(r rune) bool { return r == '_' })
	return strings.Join(words, "_")
}

// value returns the template of one field. JSON null becomes None, which Home Assistant
// treats as unknown on every platform used here.
func value(field string) string { return "{{ value_json." + field + " }}" }

// decided returns template changed so that it renders nothing, which changes nothing in
// Home Assistant, while a command for one of the settings is pending: the reading still
// shows the old value. The entity has to be optimistic.
func decided(template string, settings ...string) string {
	return "{% if not ['" + strings.Join(settings, "', '") + "'] | select('in', value_json.pending | default([])) | list %}" + template + "{% endif %}"
}

// optimistic makes an entity show the value that was asked for while the command is
// pending.
func optimistic(setting string, e Entity) Entity {
	e.Body["optimistic"], e.Body["value_template"] = true, decided(e.Body["value_template"].(string), setting)
	return e
}

// sensor returns a sensor for a number, a text or a time in the device's state.
func (b build) sensor(key, name, field string, own map[string]any) Entity {
	body := map[string]any{"state_topic": b.state, "value_template": value(field)}
	maps.Copy(body, own)
	return b.entity("sensor", key, name, body)
}

// timestamp returns a sensor for a time in the device's state.
func (b build) timestamp(key, name, field string) Entity {
	return b.sensor(key, name, field, map[string]any{"device_class": "timestamp"})
}

// Templates print JSON's true and false as Python does.
const (
	yes = "True"
	no  = "False"
)

// binary returns a binary sensor for a true or false in the device's state; null is
// unknown.
func (b build) binary(key, name, field string, own map[string]any) Entity {
	body := map[string]any{"state_topic": b.state, "value_template": value(field), "payload_on": yes, "payload_off": no}
	maps.Copy(body, own)
	return b.entity("binary_sensor", key, name, body)
}

// toggle returns a switch for a true or false that can be set with ON and OFF.
func (b build) toggle(key, name, field, command string, own map[string]any) Entity {
	body := map[string]any{
		"state_topic": b.state, "value_template": value(field), "state_on": yes, "state_off": no,
		"command_topic": command, "payload_on": "ON", "payload_off": "OFF", "qos": 1,
	}
	maps.Copy(body, own)
	return b.entity("switch", key, name, body)
}

// names map words on topics to what people see for them.
type names map[string]string

// An option is a word on topics, and the name that people see for it.
type option struct{ word, name string }

// all returns the options for words; a word without a name is shown as it is.
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

// choice returns a select for a setting that takes one of several words. Home Assistant
// shows the names; topics have the words, in both directions.
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

// button returns a button that sends one payload.
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

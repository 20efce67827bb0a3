package discovery

import (
	"bytes"
	"encoding/json"
	"strings"

	"powermgr/devices"
)

// Finds what a powermgr that is gone has left retained below its base topic. A base
// topic may be shared with other programs, so a topic alone proves nothing: a state has
// to have the fields of powermgr's own, and a message without fields counts only next to
// such a state.

// left returns the topics below a base topic on which powermgr retains messages.
func left(t devices.Topics) []struct {
	filter string
	fields []string // that all have to be there: other programs may have one of them
	beside string   // without fields: the state next to it that proves it, with + as in filter; empty: no proof is needed
} {
	return []struct {
		filter string
		fields []string
		beside string
	}{
		{t.Powerwall(devices.StateLeaf), []string{"reserve_percent", "polled_at"}, ""},
		{t.Powerwall(devices.AvailLeaf), nil, t.Powerwall(devices.StateLeaf)},
		{t.Powerwall(devices.APILeaf), []string{"failed_in_a_row", "reauthorise"}, ""},
		{t.Powerwall(devices.TariffLeaf), nil, t.Powerwall(devices.StateLeaf)},
		{t.Thermostat("+", devices.StateLeaf), []string{"cool_setpoint", "polled_at"}, ""},
		{t.Thermostat("+", devices.AvailLeaf), nil, t.Thermostat("+", devices.StateLeaf)},
		{t.Thermostats(devices.APILeaf), []string{"failed_in_a_row", "reauthorise"}, ""},
		{t.Weather(devices.StateLeaf), []string{"high_f", "as_of"}, ""},
		{t.Weather(devices.APILeaf), []string{"failed_in_a_row", "reauthorise"}, ""},
		{t.Control(devices.StateLeaf), []string{"reserve_wanted_percent", "phase"}, ""},
		{t.Control(devices.ChartLeaf), nil, t.Control(devices.StateLeaf)},
		{t.Control(devices.CommandLeaf), []string{"result", "topic"}, ""},
		{t.Control(devices.PlanLeaf), []string{"made_at", "slots"}, ""},
		{t.Control(devices.TodayLeaf), []string{"day_start", "month"}, ""},
		{t.Control(devices.HealthLeaf), []string{"faults", "parts"}, ""},
		{t.NodeState("+"), []string{"generation", "role"}, ""},
		{t.NodeJournal("+"), []string{"generation", "node"}, ""},
		{t.Status(), nil, t.Control(devices.StateLeaf)},
	}
}

// Left returns the topic filters of what a powermgr may have left below its base topic.
func Left(t devices.Topics) (filters []string) {
	for _, l := range left(t) {
		filters = append(filters, l.filter)
	}
	return filters
}

// FindLeft lists those of the retained messages that a powermgr has left below a base
// topic.
func FindLeft(retained []Message, t devices.Topics) (out []Stale) {
	proved := map[string]bool{}
	for _, l := range left(t) {
		for _, m := range retained {
			if len(l.fields) > 0 && matches(l.filter, m.Topic) && hasFields(m.Payload, l.fields) {
				proved[m.Topic] = true
			}
		}
	}
	for _, l := range left(t) {
		for _, m := range retained {
			if !matches(l.filter, m.Topic) {
				continue
			}
			if proved[m.Topic] || len(l.fields) == 0 && proved[like(m.Topic, l.beside)] {
				out = append(out, Stale{m.Topic, t.Base})
			}
		}
	}
	return out
}

// matches reports whether topic matches filter, in which each + stands for one level.
func matches(filter, topic string) bool {
	f, levels := strings.Split(filter, "/"), strings.Split(topic, "/")
	return len(f) == len(levels) && like(topic, filter) == topic
}

// like returns filter with each + replaced by the level of topic there.
func like(topic, filter string) string {
	f, levels := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i := range f {
		if f[i] == "+" && i < len(levels) {
			f[i] = levels[i]
		}
	}
	return strings.Join(f, "/")
}

// hasFields reports whether payload is an object with all of these fields.
func hasFields(payload []byte, fields []string) bool {
	var object map[string]json.RawMessage
	if !bytes.HasPrefix(payload, []byte("{")) || json.Unmarshal(payload, &object) != nil {
		return false
	}
	for _, f := range fields {
		if _, has := object[f]; !has {
			return false
		}
	}
	return true
}

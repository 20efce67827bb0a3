package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"powermgr/devices"
)

// hass does with discovery messages what Home Assistant does: an entity stays until its
// component topic is emptied, its device's topic is emptied, or it is sent with only its
// platform. An entity that a device's message merely leaves out stays. A second topic for a
// unique id is refused.
type hass struct {
	retained map[string][]byte
	entities map[string]map[string]hassEntity // by topic and "platform key"
	refused  []string
}

type hassEntity struct {
	uniqueID string
	body     map[string]any
}

func newHass() *hass {
	return &hass{retained: map[string][]byte{}, entities: map[string]map[string]hassEntity{}}
}

func (h *hass) receive(m Message) {
	if len(m.Payload) == 0 {
		delete(h.retained, m.Topic)
		delete(h.entities, m.Topic)
		return
	}
	h.retained[m.Topic] = m.Payload
	var body map[string]any
	if json.Unmarshal(m.Payload, &body) != nil {
		return
	}
	components, ok := body["components"].(map[string]any)
	if !ok {
		h.add(m.Topic, strings.Split(m.Topic, "/")[1], body)
		return
	}
	for key, c := range components {
		component := c.(map[string]any)
		name := fmt.Sprint(component["platform"], " ", key)
		if len(component) == 1 {
			delete(h.entities[m.Topic], name)
			continue
		}
		h.add(m.Topic, name, component)
	}
}

func (h *hass) add(topic, name string, body map[string]any) {
	id := fmt.Sprint(body["unique_id"])
	for t, all := range h.entities {
		for n, e := range all {
			if e.uniqueID == id && (t != topic || n != name) {
				h.refused = append(h.refused, topic+" "+id)
				return
			}
		}
	}
	if h.entities[topic] == nil {
		h.entities[topic] = map[string]hassEntity{}
	}
	h.entities[topic][name] = hassEntity{id, body}
}

func (h *hass) count() (n int) {
	for _, all := range h.entities {
		n += len(all)
	}
	return n
}

func (h *hass) messages() []Message {
	var out []Message
	for _, topic := range slices.Sorted(maps.Keys(h.retained)) {
		out = append(out, Message{topic, h.retained[topic]})
	}
	return out
}

func after(all ...[]Message) *hass {
	h := newHass()
	for _, m := range slices.Concat(all...) {
		h.receive(m)
	}
	return h
}

func without(d Device, keys ...string) Device {
	d.Entities = slices.DeleteFunc(slices.Clone(d.Entities), func(e Entity) bool { return slices.Contains(keys, e.Key) })
	return d
}

// The configuration changes: whatever was announced before, after Update Home Assistant has
// exactly what is wanted, and nothing is sent if nothing has changed.
func TestUpdate(t *testing.T) {
	moved := powerwall() // the same key and unique id, another platform
	moved.Entities = slices.Clone(moved.Entities)
	i := slices.IndexFunc(moved.Entities, func(e Entity) bool { return e.Key == "storm_watch" })
	moved.Entities[i] = Entity{Key: "storm_watch", Platform: "binary_sensor", Body: map[string]any{"unique_id": moved.ID + "_storm_watch", "state_topic": "x"}}

	dev := func(all ...Device) []Message { return messages(ByDevice, all...) }
	comp := func(all ...Device) []Message { return messages(ByComponent, all...) }
	few := without(powerwall(), "charge", "reserve", "export_rule")
	n := len(powerwall().Entities)
	for _, c := range []struct {
		name     string
		old, new []Message
		sent     int
	}{
		{"nothing there yet", nil, dev(powerwall(), controller()), 2},
		{"the same again", dev(powerwall(), controller()), dev(powerwall(), controller()), 0},
		{"the same again, by component", comp(powerwall()), comp(powerwall()), 0},
		{"entities vanished", dev(powerwall(), controller()), dev(few, controller()), 2},
		{"entities vanished, by component", comp(powerwall()), comp(few), 3},
		{"new entities", dev(few), dev(powerwall()), 1},
		{"new entities, and others vanished", dev(few), dev(without(powerwall(), "mode")), 2},
		{"another platform under the same key", dev(powerwall()), dev(moved), 2},
		{"another platform under the same key, by component", comp(powerwall()), comp(moved), 2},
		{"a thermostat vanished", dev(controller(), thermostat(downstairs()), thermostat(heatOnly())), dev(controller(), thermostat(heatOnly())), 1},
		{"a thermostat vanished, by component", comp(thermostat(downstairs()), thermostat(heatOnly())), comp(thermostat(heatOnly())), len(thermostat(downstairs()).Entities)},
		{"a thermostat lost its holds", dev(thermostat(downstairs())), dev(without(thermostat(downstairs()), "hold_until", "resume_schedule")), 2},
		{"everything vanished, and the broker delivered it twice", slices.Concat(dev(powerwall()), dev(powerwall())), nil, 1},
		{"everything vanished", dev(powerwall(), controller()), nil, 2},
		{"from device to component", dev(powerwall()), comp(powerwall()), 1 + n},
		{"from component to device", comp(powerwall()), dev(powerwall()), n + 1},
		{"an older version", Messages(powerwall(), ByDevice, prefix, Origin{"0.9"}), dev(powerwall()), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := after(c.old)
			sent := Update(c.old, c.new)
			for _, m := range sent {
				h.receive(m)
			}
			want := after(c.new)
			if !reflect.DeepEqual(h.entities, want.entities) && h.count()+want.count() > 0 {
				t.Errorf("Home Assistant has %d entities, want %d", h.count(), want.count())
			}
			if !reflect.DeepEqual(h.retained, want.retained) {
				t.Errorf("retained on %v, want %v", slices.Sorted(maps.Keys(h.retained)), slices.Sorted(maps.Keys(want.retained)))
			}
			if len(h.refused) > 0 {
				t.Errorf("refused: %v", h.refused)
			}
			if len(sent) != c.sent {
				t.Errorf("%d messages, want %d", len(sent), c.sent)
			}
			if again := Update(h.messages(), c.new); len(again) != 0 {
				t.Errorf("%d messages when everything is announced", len(again))
			}
		})
	}
}

// Removals come first, whatever the order in which the broker delivered the messages.
func TestUpdateIsInOrder(t *testing.T) {
	retained := messages(ByComponent, thermostat(heatOnly()), controller())
	slices.Reverse(retained)
	wanted := messages(ByDevice, controller())
	got := Update(retained, wanted)
	if len(got) != len(retained)+1 || got[len(retained)].Topic != wanted[0].Topic {
		t.Fatalf("%d messages, or the wanted one is not the last", len(got))
	}
	if !slices.IsSortedFunc(got[:len(retained)], func(a, b Message) int { return strings.Compare(a.Topic, b.Topic) }) {
		t.Error("removals are not in the order of topics")
	}
}

// If a daemon is stopped between the two messages of a removal, the next one finds the
// first message retained.
func TestUpdateGoesOnWhereItWasStopped(t *testing.T) {
	few := messages(ByDevice, without(powerwall(), "charge"))
	sent := Update(messages(ByDevice, powerwall()), few)
	if len(sent) != 2 || !strings.Contains(string(sent[0].Payload), `"charge":{"platform":"sensor"}`) || strings.Contains(string(sent[1].Payload), `"charge"`) {
		t.Fatalf("%d messages, or the wrong ones", len(sent))
	}
	h := after(messages(ByDevice, powerwall()), sent[:1])
	for _, m := range Update(h.messages(), few) {
		h.receive(m)
	}
	if want := after(few); !reflect.DeepEqual(h.entities, want.entities) || !reflect.DeepEqual(h.retained, want.retained) {
		t.Error("the result is not what is wanted")
	}
}

func TestUpdateBearsGarbage(t *testing.T) {
	wanted := messages(ByDevice, powerwall())
	for _, c := range []struct{ name, payload string }{
		{"not JSON", "{"},
		{"not an object", "[1]"},
		{"components that are a list", `{"components":[1]}`},
		{"a component that is a number", `{"components":{"x":7}}`},
		{"a component without a platform", `{"components":{"x":{}}}`},
		{"a platform that is a number", `{"components":{"x":{"platform":7}}}`},
		{"an illegal platform", `{"components":{"x":{"platform":"a/b"}}}`},
		{"an illegal key", `{"components":{"x/y":{"platform":"sensor"}}}`},
		{"null", "null"},
		{"too long", `{"components":{"x":{"platform":"sensor"}},"pad":"` + strings.Repeat("x", maxPayload) + `"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Update([]Message{{wanted[0].Topic, []byte(c.payload)}}, wanted)
			if len(got) != 1 || !reflect.DeepEqual(got[0], wanted[0]) {
				t.Errorf("%d messages; want just the wanted one", len(got))
			}
		})
	}
}

func TestAnnounced(t *testing.T) {
	cabin := devices.Topics{Base: "powermgr/cabin"}
	device := messages(ByDevice, powerwall())[0]
	ofCabin := Messages(Powerwall(PowerwallDescription{Topics: cabin}), ByDevice, prefix, Origin{})[0]
	long := Message{device.Topic, append(device.Payload[:len(device.Payload):len(device.Payload)], strings.Repeat(" ", maxPayload)...)}
	for _, c := range []struct {
		name   string
		m      Message
		prefix string
		base   string
		want   bool
	}{
		{"a device", device, prefix, "powermgr", true},
		{"a thermostat", messages(ByDevice, thermostat(heatOnly()))[0], prefix, "powermgr", true},
		{"an entity with its own availability", messages(ByComponent, powerwall())[20], prefix, "powermgr", true},
		{"under a prefix with two levels", Messages(powerwall(), ByDevice, "my/ha", Origin{})[0], "my/ha", "powermgr", true},
		{"under a base topic with two levels", ofCabin, prefix, "powermgr/cabin", true},
		{"a home whose base topic begins in the same way", ofCabin, prefix, "powermgr", false},
		{"another program's", Message{device.Topic, []byte(`{"origin":{"name":"zigbee2mqtt"},"availability":[{"topic":"powermgr/status"}]}`)}, prefix, "powermgr", false},
		{"of no home", Message{device.Topic, []byte(`{"origin":{"name":"powermgr"}}`)}, prefix, "powermgr", false},
		{"another home's", Message{"homeassistant/device/cabin_powerwall/config", device.Payload}, prefix, "powermgr", false},
		{"with ids as they were before they had a checksum", Message{"homeassistant/device/haus__st_a_powerwall/config", Messages(Powerwall(PowerwallDescription{Topics: devices.Topics{Base: "haus/öst-a"}}), ByDevice, prefix, Origin{})[0].Payload}, prefix, "haus/öst-a", true},
		{"a home whose base topic differs in one character", Messages(Powerwall(PowerwallDescription{Topics: devices.Topics{Base: "haus/öst-a"}}), ByDevice, prefix, Origin{})[0], prefix, "haus/äst-a", false},
		{"another prefix", device, "ha", "powermgr", false},
		{"not a configuration", Message{"homeassistant/device/powermgr_powerwall/state", device.Payload}, prefix, "powermgr", false},
		{"too many levels", Message{"homeassistant/sensor/x/powermgr_powerwall/config", device.Payload}, prefix, "powermgr", false},
		{"a level after it", Message{device.Topic + "/config", device.Payload}, prefix, "powermgr", false},
		{"an illegal id", Message{"homeassistant/device/powermgr_power wall/config", device.Payload}, prefix, "powermgr", false},
		{"not JSON", Message{device.Topic, []byte("x")}, prefix, "powermgr", false},
		{"availability that is not a list", Message{device.Topic, []byte(`{"origin":{"name":"powermgr"},"availability":"powermgr/status"}`)}, prefix, "powermgr", false},
		{"too long", long, prefix, "powermgr", false},
		{"removed", Message{device.Topic, nil}, prefix, "powermgr", false},
	} {
		if got := Announced(c.m, c.prefix, devices.Topics{Base: c.base}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for _, f := range formats {
		for _, m := range allMessages(f) {
			if !Announced(m, prefix, topics) {
				t.Errorf("%s is not recognized as announced", m.Topic)
			}
		}
	}
}

func FuzzAnnounced(f *testing.F) {
	for _, m := range allMessages(ByDevice) {
		f.Add(m.Topic, m.Payload)
	}
	f.Add("homeassistant/device/powermgr_powerwall/config", []byte(`{"origin":{"name":"powermgr"},"availability":[{"topic":"/status"}]}`))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		if Announced(Message{topic, payload}, prefix, topics) && (!strings.HasPrefix(topic, prefix+"/") || !strings.Contains(topic, "/powermgr_") || !strings.HasSuffix(topic, "/config")) {
			t.Errorf("%q is announced", topic)
		}
	})
}

// Whatever is retained on the topic, there is at most one stub before the wanted message,
// and it adds only platforms.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte(`{"origin":{"name":"powermgr"},"components":{"x":{"platform":"sensor"}}}`))
	f.Add([]byte(`{"components":[1]}`))
	f.Add(messages(ByDevice, controller())[0].Payload)
	wanted := messages(ByDevice, powerwall())
	var want map[string]any
	if err := json.Unmarshal(wanted[0].Payload, &want); err != nil {
		f.Fatal(err)
	}
	keep := want["components"].(map[string]any)
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := Update([]Message{{wanted[0].Topic, payload}}, wanted)
		if string(payload) == string(wanted[0].Payload) {
			return
		}
		if len(got) < 1 || len(got) > 2 || !reflect.DeepEqual(got[len(got)-1], wanted[0]) {
			t.Fatalf("%d messages", len(got))
		}
		if len(got) == 1 {
			return
		}
		var stub struct{ Components map[string]map[string]any }
		if err := json.Unmarshal(got[0].Payload, &stub); err != nil {
			t.Fatal(err)
		}
		for key, c := range stub.Components {
			if platform, ok := c["platform"].(string); !ok || !legal(key) || !legal(platform) || len(c) > 1 && !reflect.DeepEqual(keep[key], any(c)) {
				t.Errorf("%q: %v", key, c)
			}
		}
	})
}

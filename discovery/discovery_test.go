package discovery

import (
	"encoding/json"
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"powermgr/devices"
)

var update = flag.Bool("update", false, "write the golden files again")

var topics = devices.Topics{Base: "powermgr"}

const prefix = "homeassistant"

var formats = []Format{ByDevice, ByComponent}

func downstairs() devices.ThermostatReading {
	return devices.ThermostatReading{
		VendorID: "LCC-00A01AB10001", Name: "Downstairs", Unit: devices.Fahrenheit, OutdoorTemperature: new(88.0), Humidity: new(41.0),
		Modes: []devices.HVACMode{devices.Off, devices.Heat, devices.Cool, devices.HeatCool},
		Fans:  []devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate},
		Holds: []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent}, Step: 1,
		CoolMin: new(50.0), CoolMax: new(99.0), HeatMin: new(40.0), HeatMax: new(90.0),
		Nameplate: devices.Nameplate{Model: "T5-T6", Firmware: "RCHT8610WF2006"},
	}
}

// heatOnly returns a device in °C without a name or holds.
func heatOnly() devices.ThermostatReading {
	return devices.ThermostatReading{
		VendorID: "TCC-7", Unit: devices.Celsius, Modes: []devices.HVACMode{devices.Off, devices.Heat}, Step: 0.5,
		HeatMin: new(5.0), HeatMax: new(35.0),
	}
}

func coolOnly() devices.ThermostatReading {
	r := downstairs()
	r.VendorID, r.Name, r.Modes, r.Fans = "1234567", "Guest  room's", []devices.HVACMode{devices.Off, devices.Cool}, nil
	r.Nameplate = devices.Nameplate{Page: "https://mytotalconnectcomfort.com/portal/Device/Control/1234567"}
	return r
}

func thermostat(r devices.ThermostatReading) Device {
	return Thermostat(ThermostatDescription{Topics: topics, Reading: r})
}

func controller() Device {
	return Controller(ControllerDescription{
		Currency: "$",
		Topics:   topics, Version: "1.0.0", Phases: []string{"off_peak", "pre_peak", "peak"},
		Strategies: []string{"rule", "plan"}, Overrides: []string{"auto", "peak", "off_peak", "precool", "pause", "skip"}, EventTypes: []string{"phase", "reserve", "setback"}, Parts: []string{"powerwall", "broker"},
	})
}

func powerwall() Device {
	return Powerwall(PowerwallDescription{Topics: topics, Nameplate: devices.Nameplate{Model: "Powerwall 2", Serial: "TG123456789012", Firmware: "23.44.0 eb113390"}})
}

func home() map[string]Device {
	return map[string]Device{
		"powerwall": powerwall(), "controller": controller(),
		"thermostat": thermostat(downstairs()), "heat_only": thermostat(heatOnly()), "cool_only": thermostat(coolOnly()),
	}
}

// messages renders devices as the announcer does.
func messages(f Format, all ...Device) []Message {
	var out []Message
	for _, d := range all {
		out = append(out, Messages(d, f, prefix, Origin{"1.0.0"})...)
	}
	return out
}

func allMessages(f Format) []Message {
	h := home()
	var out []Message
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out = append(out, messages(f, h[name])...)
	}
	return out
}

func object(t *testing.T, payload []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A select showed the values from the topics, such as autonomous.
func TestOptionsAreReadable(t *testing.T) {
	body := func(d Device, key string) map[string]any {
		i := slices.IndexFunc(d.Entities, func(e Entity) bool { return e.Key == key })
		if i < 0 {
			t.Fatalf("%s has no %s", d.Name, key)
		}
		return d.Entities[i].Body
	}
	for key, want := range map[string]struct{ option, word string }{
		"mode": {"Time-based control", "'Time-based control': 'autonomous'"}, "export_rule": {"Solar only", "'Solar only': 'pv_only'"},
	} {
		b := body(powerwall(), key)
		if !slices.Contains(b["options"].([]string), want.option) || !strings.Contains(b["command_template"].(string), want.word) || !strings.HasSuffix(b["command_template"].(string), ".get(value, value) }}") {
			t.Errorf("%s: %v", key, b)
		}
	}
	if b := body(controller(), "override"); !slices.Contains(b["options"].([]string), "Off peak") || !strings.Contains(b["value_template"].(string), "'off_peak': 'Off peak'") {
		t.Errorf("override: %v", b)
	}
	for key, press := range map[string]string{"peak_now": "peak", "off_peak_now": "off_peak", "pause_now": "pause"} {
		if b := body(controller(), key); b["payload_press"] != press {
			t.Errorf("%s: %v", key, b)
		}
	}
}

// A TCC thermostat without an outdoor temperature had an entity that was always unknown.
func TestNothingIsAnnouncedThatADeviceNeverTells(t *testing.T) {
	told := downstairs()
	silent := told
	silent.OutdoorTemperature = nil
	has := func(r devices.ThermostatReading) bool {
		return slices.ContainsFunc(thermostat(r).Entities, func(e Entity) bool { return e.Key == "outdoor_temperature" })
	}
	if !has(told) || has(silent) {
		t.Errorf("with an outdoor temperature: %v, without: %v", has(told), has(silent))
	}
}

func TestGolden(t *testing.T) {
	for name, d := range home() {
		for _, f := range formats {
			t.Run(name+"_"+string(f), func(t *testing.T) {
				got := map[string]json.RawMessage{}
				for _, m := range messages(f, d) {
					got[m.Topic] = m.Payload
				}
				b, err := json.MarshalIndent(got, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				b = append(b, '\n')
				path := filepath.Join("testdata", name+"_"+string(f)+".json")
				if *update {
					if err := os.WriteFile(path, b, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if string(want) != string(b) {
					t.Errorf("%s differs; look at it, and run with -update if it is right", path)
				}
			})
		}
	}
}

// An entity, with what Home Assistant inherits from its device, is the same in both
// formats.
func TestBothFormatsHaveTheSameBodies(t *testing.T) {
	for name, d := range home() {
		whole := object(t, messages(ByDevice, d)[0].Payload)
		components := whole["components"].(map[string]any)
		delete(whole, "components")
		single := messages(ByComponent, d)
		if len(single) != len(components) || len(single) != len(d.Entities) {
			t.Fatalf("%s: %d messages, %d components, %d entities", name, len(single), len(components), len(d.Entities))
		}
		for i, e := range d.Entities {
			inherited := maps.Clone(whole)
			component := components[e.Key].(map[string]any)
			if component["platform"] != e.Platform {
				t.Errorf("%s %s: platform %v", name, e.Key, component["platform"])
			}
			delete(component, "platform")
			maps.Copy(inherited, component)
			if body := object(t, single[i].Payload); !reflect.DeepEqual(body, inherited) {
				t.Errorf("%s %s:\n%v\n%v", name, e.Key, body, inherited)
			}
			if want := prefix + "/" + e.Platform + "/" + component["unique_id"].(string) + "/config"; single[i].Topic != want {
				t.Errorf("%s %s is on %s, want %s", name, e.Key, single[i].Topic, want)
			}
		}
	}
}

// Every topic in discovery messages is one of the topic tree, and none is in the root of a
// device, where it would be for all entities.
func TestTopicsAreThoseOfTheTree(t *testing.T) {
	state := []string{"status", "powerwall/state", "powerwall/availability", "powerwall/api", "control/state", "control/event", "control/health", "control/chart", "control/plan", "control/today", "control/last_command"}
	set := []string{
		"powerwall/reserve/set", "powerwall/mode/set", "powerwall/storm_watch/set", "powerwall/grid_charging/set", "powerwall/export_rule/set",
		"control/override/set", "control/enabled/set", "control/restore/set", "control/strategy/set", "control/peak_reserve/set", "control/off_peak_reserve/set", "control/precool_depth/set", "control/configured/set",
	}
	for _, id := range []string{"lcc_00a01ab10001", "tcc_7", "1234567"} {
		for _, leaf := range []string{"state", "availability"} {
			state = append(state, "thermostat/"+id+"/"+leaf)
		}
		for _, leaf := range []string{"mode", "setpoint", "cool_setpoint", "heat_setpoint", "fan", "hold"} {
			set = append(set, "thermostat/"+id+"/"+leaf+"/set")
		}
	}
	used := map[string]bool{}
	check := func(where, topic string, known []string) {
		t.Helper()
		if rest, ok := strings.CutPrefix(topic, "powermgr/"); !ok || !slices.Contains(known, rest) {
			t.Errorf("%s uses %s", where, topic)
		} else {
			used[rest] = true
		}
	}
	for _, m := range allMessages(ByComponent) {
		body := object(t, m.Payload)
		for k, v := range body {
			switch {
			case strings.HasSuffix(k, "command_topic"):
				check(m.Topic, v.(string), set)
			case strings.HasSuffix(k, "topic"):
				check(m.Topic, v.(string), state)
			}
		}
		for _, a := range body["availability"].([]any) {
			check(m.Topic, a.(map[string]any)["topic"].(string), state)
		}
	}
	for _, topic := range slices.Concat(state[:8], set[:8]) {
		if !used[topic] {
			t.Errorf("nothing uses %s", topic)
		}
	}
	for _, m := range allMessages(ByDevice) {
		root := slices.Sorted(maps.Keys(object(t, m.Payload)))
		if want := []string{"availability", "availability_mode", "components", "device", "origin"}; !slices.Equal(root, want) {
			t.Errorf("%s has %v in its root", m.Topic, root)
		}
	}
}

// Controls of a device become unavailable with its vendor; those of the controller stay
// available, and so do the figures about the vendor's API.
func TestAvailability(t *testing.T) {
	for name, d := range home() {
		for i, m := range messages(ByComponent, d) {
			var body struct {
				Availability []struct{ Topic string }
				Mode         string `json:"availability_mode"`
			}
			if err := json.Unmarshal(m.Payload, &body); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range body.Availability {
				got = append(got, a.Topic)
			}
			want := []string{"powermgr/status"}
			key := d.Entities[i].Key
			switch {
			case name == "powerwall" && !strings.HasPrefix(key, "api_"):
				want = append(want, "powermgr/powerwall/availability")
			case strings.Contains(d.ID, "thermostat"):
				want = append(want, "powermgr/thermostat/"+strings.TrimPrefix(d.ID, "powermgr_thermostat_")+"/availability")
			}
			if !slices.Equal(got, want) || body.Mode != "all" {
				t.Errorf("%s %s: %v %s, want %v all", name, key, got, body.Mode, want)
			}
		}
	}
}

func TestUniqueIDs(t *testing.T) {
	seen := map[string]string{}
	other := devices.Topics{Base: "powermgr/cabin"}
	all := slices.Collect(maps.Values(home()))
	all = append(all, Powerwall(PowerwallDescription{Topics: other}), Thermostat(ThermostatDescription{Topics: other, Reading: downstairs()}))
	for _, d := range all {
		for _, m := range messages(ByComponent, d) {
			id := object(t, m.Payload)["unique_id"].(string)
			if seen[id] != "" {
				t.Errorf("%s is in %s and %s", id, seen[id], m.Topic)
			}
			seen[id] = m.Topic
		}
	}
	for _, id := range []string{"powermgr_powerwall_charge", "powermgr_thermostat_lcc_00a01ab10001_climate", "powermgr_control_phase", "powermgr_cabin_powerwall_charge"} {
		if seen[id] == "" {
			t.Errorf("there is no %s: unique ids may not change", id)
		}
	}
}

// Homes on one broker share no id and no topic, however similar their base topics are.
func TestHomesWithBaseTopicsAlike(t *testing.T) {
	seen := map[string]string{}
	for _, base := range []string{"haus/öst-a", "haus/äst-a", "haus/öst_a", "haus/ost/a", "haus/ost_a", "haus_ost_a", "haus/ost-a", "Haus/ost/a", "haus/ost a", "haus//ost/a"} {
		of := devices.Topics{Base: base}
		for _, f := range formats {
			for _, d := range []Device{Powerwall(PowerwallDescription{Topics: of}), Controller(ControllerDescription{Topics: of}), Thermostat(ThermostatDescription{Topics: of, Reading: downstairs()})} {
				ids := []string{string(f) + " device " + d.ID}
				for _, m := range messages(f, d) {
					ids = append(ids, m.Topic)
				}
				for _, e := range d.Entities {
					ids = append(ids, string(f)+" entity "+e.Body["unique_id"].(string))
				}
				for _, id := range ids {
					if other, taken := seen[id]; taken {
						t.Errorf("%s belongs to %s and to %s", id, other, base)
					}
					seen[id] = base
				}
			}
		}
	}
}

// Home Assistant before 2025.10 derives entity ids from names; dashboards have to work
// with both.
func TestEntityIDsAreThoseOfTheNames(t *testing.T) {
	for _, d := range home() {
		for _, e := range d.Entities {
			words := d.Name
			if name, ok := e.Body["name"].(string); ok {
				words += " " + name
			}
			slug := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(words), "_"), "_")
			if got, want := e.Body["default_entity_id"], e.Platform+"."+slug; got != want {
				t.Errorf("%s %q: %v, want %s", d.Name, words, got, want)
			}
		}
	}
}

func TestClimate(t *testing.T) {
	bare := func(modes ...devices.HVACMode) devices.ThermostatReading {
		return devices.ThermostatReading{VendorID: "7", Modes: modes}
	}
	with := func(change func(*devices.ThermostatReading)) devices.ThermostatReading {
		r := downstairs()
		change(&r)
		return r
	}
	nan := new(math.NaN())
	const set = "powermgr/thermostat/"
	for _, c := range []struct {
		name    string
		reading devices.ThermostatReading
		key     string
		want    any
	}{
		{"all modes: the set point of the current mode", downstairs(), "temperature_command_topic", set + "lcc_00a01ab10001/setpoint/set"},
		{"high is the cool set point", downstairs(), "temperature_high_command_topic", set + "lcc_00a01ab10001/cool_setpoint/set"},
		{"low is the heat set point", downstairs(), "temperature_low_command_topic", set + "lcc_00a01ab10001/heat_setpoint/set"},
		{"heat only: the heat set point", heatOnly(), "temperature_command_topic", set + "tcc_7/heat_setpoint/set"},
		{"heat only: no range", heatOnly(), "temperature_high_command_topic", nil},
		{"cool only: the cool set point", coolOnly(), "temperature_command_topic", set + "1234567/cool_setpoint/set"},
		{"heat and cool by hand", bare(devices.Off, devices.Heat, devices.Cool), "temperature_command_topic", set + "7/setpoint/set"},
		{"heat and cool by hand: no range", bare(devices.Off, devices.Heat, devices.Cool), "temperature_low_command_topic", nil},
		{"heat_cool alone: no single set point", bare(devices.Off, devices.HeatCool), "temperature_command_topic", nil},
		{"cool only: limits of heating do not count", coolOnly(), "min_temp", 50.0},
		{"all modes: limits of both", downstairs(), "min_temp", 40.0},
		{"limits unknown", bare(devices.Off, devices.Heat), "max_temp", nil},
		{"limits that are not numbers", with(func(r *devices.ThermostatReading) { r.CoolMin, r.CoolMax, r.HeatMin, r.HeatMax = nan, nan, nan, nan }), "min_temp", nil},
		{"one limit that is not a number", with(func(r *devices.ThermostatReading) { r.CoolMax = new(math.Inf(1)) }), "max_temp", 90.0},
		{"a step that is not a number", with(func(r *devices.ThermostatReading) { r.Step = math.NaN() }), "temp_step", 1.0},
		{"the device's step", with(func(r *devices.ThermostatReading) { r.Step = 0.5 }), "temp_step", 0.5},
		{"step unknown in °C", with(func(r *devices.ThermostatReading) { r.Unit, r.Step = devices.Celsius, 0 }), "temp_step", 0.5},
		{"unit unknown", bare(devices.Off, devices.Heat), "temperature_unit", "F"},
		{"no fan", coolOnly(), "fan_modes", nil},
		{"no fan to set", coolOnly(), "fan_mode_command_topic", nil},
		{"fan", downstairs(), "fan_modes", []string{"auto", "on", "circulate"}},
		{"holds that can be asked for", downstairs(), "preset_modes", []string{"temporary", "until", "permanent"}},
		{"a vacation while it lasts", with(func(r *devices.ThermostatReading) { r.Hold = new(devices.HoldVacation) }), "preset_modes", []string{"temporary", "until", "permanent", "vacation"}},
		{"on schedule", with(func(r *devices.ThermostatReading) { r.Hold = new(devices.HoldSchedule) }), "preset_modes", []string{"temporary", "until", "permanent"}},
		{"a device without holds", heatOnly(), "preset_modes", nil},
		{"a device that shows a hold that cannot be asked for", with(func(r *devices.ThermostatReading) { r.Holds, r.Hold = nil, new(devices.HoldPermanent) }), "preset_modes", nil},
		{"a device without holds: nothing to set", heatOnly(), "preset_mode_command_topic", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := thermostat(c.reading)
			messages(ByDevice, d) // must render whatever a device says
			if got := d.Entities[0].Body[c.key]; !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: %v, want %v", c.key, got, c.want)
			}
		})
	}
}

func TestThermostatNames(t *testing.T) {
	for _, c := range []struct{ name, vendorName, want, entity string }{
		{"as the owner has named it", "Downstairs", "Downstairs", "climate.downstairs"},
		{"none", "", "Thermostat lcc_1", "climate.thermostat_lcc_1"},
		{"only spaces", " \t ", "Thermostat lcc_1", "climate.thermostat_lcc_1"},
		{"spaces and control characters", " Guest\x00\n room ", "Guest room", "climate.guest_room"},
		{"no Latin letters", "客厅", "客厅", "climate.thermostat_lcc_1"},
		{"symbols at the ends", "(Office)", "(Office)", "climate.office"},
		{"not text", "a\xffb", "a b", "climate.a_b"},
		{"too long", strings.Repeat("x", 5000), strings.Repeat("x", 60), "climate." + strings.Repeat("x", 60)},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := thermostat(devices.ThermostatReading{VendorID: "LCC-1", Name: c.vendorName, Modes: []devices.HVACMode{devices.Off, devices.Heat}})
			if got := d.Entities[0].Body["default_entity_id"]; d.Name != c.want || got != c.entity {
				t.Errorf("%q %v, want %q %s", d.Name, got, c.want, c.entity)
			}
			if d.ID != "powermgr_thermostat_lcc_1" {
				t.Errorf("the name must not be part of %s", d.ID)
			}
		})
	}
}

// People read these messages with mosquitto_sub.
func TestNamesStayReadable(t *testing.T) {
	r := heatOnly()
	r.Name = "Kids & <guests>"
	if m := messages(ByDevice, thermostat(r))[0]; !strings.Contains(string(m.Payload), `"name":"Kids & <guests>"`) {
		t.Errorf("%s", m.Payload)
	}
}

// Home Assistant drops the whole message of a device because of one invalid URL.
func TestOnlyAnAddressIsAPage(t *testing.T) {
	for page, want := range map[string]string{
		"https://example.com/device/1": "https://example.com/device/1", "": "", "homeassistant://x": "", "/portal": "", "https://": "", "http://[": "",
	} {
		r := downstairs()
		r.Nameplate.Page = page
		if got := thermostat(r).Page; got != want {
			t.Errorf("%q becomes %q, want %q", page, got, want)
		}
	}
}

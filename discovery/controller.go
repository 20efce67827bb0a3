package discovery

import (
	"strings"

	"powermgr/devices"
)

// ControllerDescription is what has to be known to announce the peak
// controller. The words are the controller's own.
type ControllerDescription struct {
	Topics     devices.Topics
	Version    string   // of powermgr; empty: unknown
	Phases     []string // off_peak, pre_peak, peak
	Overrides  []string // auto, peak, off_peak, precool, pause, skip
	EventTypes []string // all that control/event can have
	Parts      []string // those of control/health: powerwall, broker, …
}

// What the buttons send; see Topics in the design.
const (
	pressPrecool = "precool"
	pressAuto    = "auto"
	pressSkip    = "skip"
	pressResume  = "resume"
	pressRestore = "PRESS"
)

// Controller describes the peak controller. It depends on no vendor: its
// controls are there while powermgr is.
func Controller(p ControllerDescription) Device {
	t := p.Topics
	id, name := Slug(t)+"_control", "Peak controller"
	b := build{device: id, object: objectID(name), state: t.Control(devices.StateLeaf)}
	override := t.Control("override" + devices.Set)
	health := t.Control(devices.HealthLeaf)
	device := Device{
		ID: id, Name: name, Manufacturer: "powermgr", Model: "Peak controller", Version: p.Version,
		Availability: []string{t.Status()},
		Entities: []Entity{
			b.sensor("phase", "Phase", "phase", map[string]any{"device_class": "enum", "options": p.Phases, "icon": "mdi:clock-alert-outline"}),
			b.sensor("reason", "Reason", "reason", map[string]any{
				// A state has at most 255 characters.
				"value_template": "{{ (value_json.reason | string)[:250] }}", "icon": "mdi:comment-question-outline",
			}),
			b.timestamp("peak_start", "Next peak start", "peak_start"),
			b.timestamp("peak_end", "Next peak end", "peak_end"),
			b.sensor("minutes_left", "Minutes left", "minutes_left", map[string]any{
				"device_class": "duration", "state_class": "measurement", "unit_of_measurement": "min", "suggested_display_precision": 0,
			}),
			// No device class temperature: Home Assistant would turn an offset of
			// 2 °F into −16.7 °C.
			b.sensor("offset", "Offset", "offset_f", map[string]any{
				"state_class": "measurement", "unit_of_measurement": "°F", "suggested_display_precision": 0, "icon": "mdi:thermometer-plus",
			}),
			b.sensor("forecast_high", "Forecast high", "forecast_high_f", map[string]any{
				"device_class": "temperature", "state_class": "measurement", "unit_of_measurement": "°F", "suggested_display_precision": 0,
			}),
			b.choice("override", "Override", "override", override, p.Overrides, map[string]any{"icon": "mdi:hand-back-right-outline"}),
			b.timestamp("override_until", "Override until", "override_until"),
			b.toggle("enabled", "Enabled", "enabled", t.Control("enabled"+devices.Set), map[string]any{"icon": "mdi:power"}),
			b.binary("problem", "Problem", "problem", map[string]any{
				"device_class":          "problem",
				"json_attributes_topic": b.state, "json_attributes_template": "{{ {'problems': value_json.problems} | tojson }}",
			}),
			b.binary("dry_run", "Dry run", "dry_run", map[string]any{"entity_category": "diagnostic", "icon": "mdi:test-tube"}),
			b.entity("event", "decision", "Last decision", map[string]any{
				"state_topic": t.Control(devices.EventLeaf), "event_types": p.EventTypes, "icon": "mdi:gavel", "qos": 1,
			}),
			b.button("precool_now", "Precool now", override, pressPrecool, "mdi:snowflake"),
			b.button("restore_now", "Restore now", t.Control("restore"+devices.Set), pressRestore, "mdi:restore"),
			b.button("clear_override", "Clear override", override, pressAuto, "mdi:hand-back-right-off-outline"),
			b.button("skip_peak", "Skip next peak", override, pressSkip, "mdi:debug-step-over"),
			b.button("resume", "Resume", override, pressResume, "mdi:play-outline"),
			b.entity("image", "chart", "Day", map[string]any{
				"image_topic": t.Control(devices.ChartLeaf), "content_type": "image/png", "icon": "mdi:chart-line",
			}),
		},
	}
	for _, part := range p.Parts {
		field := "value_json.parts." + part
		device.Entities = append(device.Entities, b.entity("binary_sensor", "health_"+part, capital(part)+" problem", map[string]any{
			"state_topic": health, "value_template": "{{ not " + field + ".ok }}", "payload_on": yes, "payload_off": no,
			"device_class": "problem", "entity_category": "diagnostic",
			"json_attributes_topic": health, "json_attributes_template": "{{ {'problem': " + field + ".problem} | tojson }}",
		}))
	}
	return device
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

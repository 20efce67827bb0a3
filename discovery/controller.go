package discovery

import (
	"maps"
	"strings"

	"powermgr/devices"
)

// ControllerDescription is what has to be known to announce the peak controller. Its
// lists hold the controller's own names.
type ControllerDescription struct {
	Topics     devices.Topics
	Version    string       // of powermgr; empty: unknown
	Currency   string       // of amounts: "$", "EUR"
	Phases     []string     // off_peak, pre_peak, peak
	Strategies []string     // rule, plan
	Overrides  []string     // auto, peak, off_peak, precool, pause, skip
	EventTypes []string     // all types of event that control/event can have
	Parts      []string     // the parts that control/health reports: powerwall, broker, …
	Unit       devices.Unit // of a setback and of the depth of precooling; empty: °F
}

// offset returns the properties of a setback in the owner's unit.
func offset(owner devices.Unit) map[string]any {
	if owner != devices.Celsius {
		return map[string]any{"state_class": "measurement", "unit_of_measurement": "°F", "suggested_display_precision": 0, "icon": "mdi:thermometer-plus"}
	}
	return map[string]any{
		"state_class": "measurement", "unit_of_measurement": "°C", "suggested_display_precision": 1, "icon": "mdi:thermometer-plus",
		"value_template": "{{ ((value_json.offset_f | float(0)) / 1.8) | round(1) }}",
	}
}

// depth returns the properties of the depth of precooling in the owner's unit, which
// also applies to numbers that are sent. 5 °F are 2.8 °C.
func depth(owner devices.Unit) map[string]any {
	if owner != devices.Celsius {
		return map[string]any{"max": 5, "step": 0.5, "unit_of_measurement": "°F", "icon": "mdi:snowflake-thermometer"}
	}
	return map[string]any{
		"max": 2.8, "step": 0.1, "unit_of_measurement": "°C", "icon": "mdi:snowflake-thermometer",
		"value_template": "{{ ((value_json.precool_depth_f | float(0)) / 1.8) | round(1) }}",
	}
}

// What the buttons send; see Topics in the design.
const (
	pressPrecool = "precool"
	pressPeak    = "peak"
	pressOffPeak = "off_peak"
	pressPause   = "pause"
	pressAuto    = "auto"
	pressSkip    = "skip"
	pressResume  = "resume"
	pressRestore = "PRESS"
)

// Controller describes the peak controller. It depends on no vendor: its controls exist
// as long as powermgr runs.
func Controller(p ControllerDescription) Device {
	t := p.Topics
	id, name := controllerID(t), "Peak controller"
	b := build{device: id, object: objectID(name), state: t.Control(devices.StateLeaf)}
	today := build{device: id, object: b.object, state: t.Control(devices.TodayLeaf)}
	planned := build{device: id, object: b.object, state: t.Control(devices.PlanLeaf)}
	override := t.Control("override" + devices.Set)
	health, lastCommand := t.Control(devices.HealthLeaf), t.Control(devices.CommandLeaf)
	device := Device{
		ID: id, Name: name, Manufacturer: "powermgr", Model: "Peak controller", Version: p.Version,
		Availability: []string{t.Status()},
		Entities: []Entity{
			b.sensor("phase", "Phase", "phase", map[string]any{"device_class": "enum", "options": p.Phases, "icon": "mdi:clock-alert-outline"}),
			b.sensor("reason", "Reason", "reason", map[string]any{
				// A state has at most 255 characters.
				"value_template": "{{ (value_json.reason | string)[:250] }}", "icon": "mdi:comment-question-outline",
			}),
			b.timestamp("peak_start", "Next peak start", "next_peak_start"),
			b.timestamp("peak_end", "Next peak end", "peak_end"),
			b.sensor("minutes_left", "Minutes left", "minutes_left", map[string]any{
				"device_class": "duration", "state_class": "measurement", "unit_of_measurement": "min", "suggested_display_precision": 0,
			}),
			// No device class temperature: Home Assistant would turn an offset of
			// 2 °F into −16.7 °C.
			b.sensor("offset", "Offset", "offset_f", offset(p.Unit)),
			b.sensor("forecast_high", "Forecast high", "forecast_high_f", map[string]any{
				"device_class": "temperature", "state_class": "measurement", "unit_of_measurement": "°F", "suggested_display_precision": 0,
			}),
			b.choice("override", "Override", "override", override, overrideNames.all(p.Overrides), map[string]any{"icon": "mdi:hand-back-right-outline"}),
			b.timestamp("override_until", "Override until", "override_until"),
			b.choice("strategy", "Strategy", "strategy", t.Control("strategy"+devices.Set), strategyNames.all(p.Strategies), map[string]any{"icon": "mdi:strategy"}),
			planned.sensor("planned_reserve", "Planned reserve", "reserve_percent", map[string]any{
				"unit_of_measurement": "%", "state_class": "measurement", "suggested_display_precision": 0, "icon": "mdi:battery-clock-outline",
			}),
			planned.sensor("plan", "Plan", "reason", map[string]any{
				// A state has at most 255 characters; the slots are on the topic.
				"value_template": "{{ (value_json.reason | string)[:250] }}", "icon": "mdi:calendar-clock-outline",
				"json_attributes_topic":    planned.state,
				"json_attributes_template": "{{ {'made_at': value_json.made_at, 'expected': value_json.expected, 'inputs': value_json.inputs, 'peak_start': value_json.peak_start | default(none), 'peak_end': value_json.peak_end | default(none)} | tojson }}",
			}),
			planned.sensor("expected_peak_import", "Expected import in the peak", "", map[string]any{
				"value_template":      "{{ value_json.expected.plan.peak_import_kwh if value_json.expected else None }}",
				"unit_of_measurement": "kWh", "state_class": "measurement", "suggested_display_precision": 1, "icon": "mdi:transmission-tower-import",
			}),
			today.soFar("peak_import_today", "Import in today's peaks", "peak_import_kwh", "kWh", "mdi:transmission-tower-import"),
			today.soFar("saved_energy_today", "Saved energy today", "saved_kwh", "kWh", "mdi:home-lightning-bolt-outline"),
			today.soFar("saved_today", "Saved today", "saved", p.Currency, "mdi:piggy-bank-outline"),
			today.soFar("saved_energy_month", "Saved energy this month", "month.saved_kwh", "kWh", "mdi:home-lightning-bolt-outline"),
			today.soFar("saved_month", "Saved this month", "month.saved", p.Currency, "mdi:piggy-bank-outline"),
			today.forecastError("forecast_error_home", "Forecast error home", "load", "mdi:home-search-outline"),
			today.forecastError("forecast_error_sun", "Forecast error sun", "sun", "mdi:weather-sunny-alert"),
			b.byHand("peak_reserve", "Peak reserve", "peak_reserve_percent", t, map[string]any{
				"max": 100, "step": 1, "unit_of_measurement": "%", "icon": "mdi:battery-arrow-down-outline",
			}),
			b.byHand("off_peak_reserve", "Off-peak reserve", "off_peak_reserve_percent", t, map[string]any{
				"max": 100, "step": 1, "unit_of_measurement": "%", "icon": "mdi:battery-lock",
			}),
			// No device class: a depth is a difference, as the offset is.
			b.byHand("precool_depth", "Precool depth", "precool_depth_f", t, depth(p.Unit)),
			b.list("changed_by_hand", "Changed by hand", "changed_by_hand", "(o.setting | replace('_', ' ')) ~ ' ' ~ (o.text | default(o.value))", map[string]any{"icon": "mdi:hand-back-right-outline"}),
			b.button("configured", "Back to configuration", t.Control("configured"+devices.Set), pressRestore, "mdi:cog-refresh-outline"),
			b.list("owned", "Set by powermgr", "owned", held, map[string]any{"icon": "mdi:robot-outline"}),
			b.list("yielded", "Changed by someone", "yielded", held, map[string]any{"icon": "mdi:account-outline"}),
			b.list("thresholds", "Thresholds latched", "thresholds_latched", "o.level_percent | round(0, default=0) | int ~ ' % with ' ~ o.minutes_left ~ ' min left'", map[string]any{"icon": "mdi:stairs-up"}),
			b.toggle("enabled", "Enabled", "enabled", t.Control("enabled"+devices.Set), map[string]any{"icon": "mdi:power"}),
			b.binary("problem", "Problem", "problem", map[string]any{
				"device_class":          "problem",
				"json_attributes_topic": b.state, "json_attributes_template": "{{ {'problems': value_json.problems} | tojson }}",
			}),
			b.binary("dry_run", "Dry run", "dry_run", map[string]any{"entity_category": "diagnostic", "icon": "mdi:test-tube"}),
			b.entity("event", "decision", "Last decision", map[string]any{
				"state_topic": t.Control(devices.EventLeaf), "event_types": p.EventTypes, "icon": "mdi:gavel", "qos": 1,
			}),
			b.entity("sensor", "last_command", "Last command", map[string]any{
				"state_topic": lastCommand, "value_template": value("state"), "json_attributes_topic": lastCommand,
				"json_attributes_template": "{{ {'topic': value_json.topic, 'value': value_json.value, 'result': value_json.result, 'reason': value_json.reason, 'time': value_json.time} | tojson }}",
				"entity_category":          "diagnostic", "icon": "mdi:message-reply-text-outline",
			}),
			b.button("precool_now", "Precool now", override, pressPrecool, "mdi:snowflake"),
			b.button("peak_now", "Peak now", override, pressPeak, "mdi:transmission-tower-off"),
			b.button("off_peak_now", "Off peak now", override, pressOffPeak, "mdi:transmission-tower"),
			b.button("pause_now", "Pause", override, pressPause, "mdi:pause-circle-outline"),
			b.button("restore_now", "Restore now", t.Control("restore"+devices.Set), pressRestore, "mdi:restore"),
			b.button("clear_override", "Clear override", override, pressAuto, "mdi:hand-back-right-off-outline"),
			b.button("skip_peak", "Skip next peak", override, pressSkip, "mdi:debug-step-over"),
			b.button("resume", "Resume", override, pressResume, "mdi:play-outline"),
			b.entity("image", "chart", "Day", map[string]any{
				"image_topic": t.Control(devices.ChartLeaf), "content_type": "image/png", "icon": "mdi:chart-line",
			}),
		},
	}
	node := build{device: id, object: b.object, state: health}
	device.Entities = append(device.Entities, node.sensor("node", "Active node", "node", map[string]any{"entity_category": "diagnostic", "icon": "mdi:server"}))
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

// soFar is a figure of the day or the month that starts from zero with it.
func (b build) soFar(key, name, field, unit, icon string) Entity {
	since := "day_start"
	if strings.HasPrefix(field, "month.") {
		since = "month.start"
	}
	body := map[string]any{
		"state_class": "total", "last_reset_value_template": value(since), "suggested_display_precision": 2, "icon": icon,
	}
	if unit != "" {
		body["unit_of_measurement"] = unit
	}
	return b.sensor(key, name, field, body)
}

// forecastError is the error of the forecasts on the last day that had a plan.
func (b build) forecastError(key, name, of, icon string) Entity {
	return b.sensor(key, name, "", map[string]any{
		"value_template":      "{{ value_json.forecast." + of + "_off_percent if value_json.forecast else None }}",
		"unit_of_measurement": "%", "state_class": "measurement", "suggested_display_precision": 0, "entity_category": "diagnostic", "icon": icon,
		"json_attributes_topic":    b.state,
		"json_attributes_template": "{{ (value_json.forecast or {}) | tojson }}",
	})
}

// held is the template of an entry of owned or yielded: who has set what, and until
// when. The end is in the home's local time, as the controller gives it; an entry that
// ends with the next change of phase has none.
const held = "o.name ~ ' ' ~ o.what ~ (' until ' ~ o.until[11:16] if o.until is defined and o.until else '')"

// list is a sensor that shows the entries of a field in one line, each rendered by the
// template o; its attributes have the entries unchanged.
func (b build) list(key, name, field, o string, own map[string]any) Entity {
	body := map[string]any{
		// A state has at most 255 characters.
		"value_template": "{% set all = namespace(of=[]) %}{% for o in value_json." + field + " | default([], true) %}{% set all.of = all.of + [" + o + "] %}{% endfor %}" +
			"{{ (all.of | join(', '))[:250] or 'Nothing' }}",
		"json_attributes_topic": b.state, "json_attributes_template": "{{ {'list': value_json." + field + " | default([], true)} | tojson }}",
	}
	maps.Copy(body, own)
	return b.sensor(key, name, field, body)
}

// byHand is a setting that people change without the configuration.
func (b build) byHand(key, name, field string, t devices.Topics, own map[string]any) Entity {
	body := map[string]any{
		"state_topic": b.state, "value_template": value(field), "command_topic": t.Control(key + devices.Set), "min": 0, "mode": "box", "qos": 1,
	}
	maps.Copy(body, own)
	return b.entity("number", key, name, body)
}

// controllerID returns the id of the controller, which is the hub of the devices.
func controllerID(t devices.Topics) string { return Slug(t) + "_control" }

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// strategyNames are the names that people see for the strategies.
var strategyNames = names{"rule": "Rule", "plan": "Plan"}

// overrideNames are the names that people see for the overrides.
var overrideNames = names{
	"auto": "Automatic", "peak": "Peak", "off_peak": "Off peak", "precool": "Precool", "pause": "Pause", "skip": "Skip next peak",
}

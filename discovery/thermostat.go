package discovery

import (
	"slices"
	"strings"
	"unicode"

	"powermgr/devices"
)

// ThermostatDescription is what has to be known to announce a thermostat: a reading,
// which says what it can do.
type ThermostatDescription struct {
	Topics  devices.Topics
	Reading devices.ThermostatReading // an unknown unit counts as °F
}

// Thermostat describes one thermostat.
func Thermostat(p ThermostatDescription) Device {
	t, r := p.Topics, p.Reading
	id := Slug(t) + "_thermostat_" + r.ID()
	name := deviceName(r)
	b := build{device: id, object: objectID(name), state: t.Thermostat(r.ID(), devices.StateLeaf)}
	if b.object == "" { // a name without a Latin letter
		b.object = objectID("thermostat " + r.ID())
	}
	d := Device{
		ID: id, Name: name, Manufacturer: "Honeywell", Model: "Thermostat", Via: controllerID(t),
		Availability: []string{t.Status(), t.Thermostat(r.ID(), devices.AvailLeaf)},
		Entities: []Entity{
			climate(b, p),
		},
	}
	temperature := func(key, name, field string, precision int) Entity {
		return b.sensor(key, name, field, map[string]any{
			"device_class": "temperature", "state_class": "measurement", "unit_of_measurement": "°" + string(unit(r)), "suggested_display_precision": precision,
		})
	}
	// Home Assistant keeps statistics only for sensors, not for what a climate entity
	// shows.
	d.Entities = append(d.Entities, temperature("indoor_temperature", "Indoor temperature", "temperature", 1))
	if r.Humidity != nil { // not every vendor reports this and the following
		d.Entities = append(d.Entities, b.sensor("humidity", "Humidity", "humidity", map[string]any{
			"device_class": "humidity", "state_class": "measurement", "unit_of_measurement": "%", "suggested_display_precision": 0,
		}))
	}
	if r.OutdoorTemperature != nil {
		d.Entities = append(d.Entities, temperature("outdoor_temperature", "Outdoor temperature", "outdoor_temperature", 0))
	}
	if len(r.Holds) > 0 {
		d.Entities = append(d.Entities,
			b.timestamp("hold_until", "Hold until", "hold_until"),
			b.button("resume_schedule", "Resume schedule", t.Thermostat(r.ID(), "hold"+devices.Set), string(devices.HoldSchedule), "mdi:calendar-clock"))
	}
	return d.with(r.Nameplate)
}

// longestName is how many characters of a thermostat's own name are shown at most.
const longestName = 60

// deviceName returns the owner's name for the thermostat, as far as it can be shown, or
// its id.
func deviceName(r devices.ThermostatReading) string {
	clean := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return ' '
		}
		return c
	}, r.Name)
	name := []rune(strings.Join(strings.Fields(clean), " "))
	if len(name) == 0 {
		return "Thermostat " + r.ID()
	}
	return strings.TrimSpace(string(name[:min(len(name), longestName)]))
}

// climate returns the entity of the thermostat itself. A set point that does not apply
// in the current mode is None; otherwise Home Assistant would show both kinds.
func climate(b build, p ThermostatDescription) Entity {
	t, r := p.Topics, p.Reading
	command := func(setting string) string { return t.Thermostat(r.ID(), setting+devices.Set) }
	c := map[string]any{
		"modes": texts(r.Modes), "mode_state_topic": b.state, "mode_state_template": decided(value("mode"), "mode"), "mode_command_topic": command("mode"),
		"action_topic": b.state, "action_template": value("action"),
		"current_temperature_topic": b.state, "current_temperature_template": value("temperature"),
		"current_humidity_topic": b.state, "current_humidity_template": value("humidity"),
		"temperature_unit": string(unit(r)), "temp_step": step(r), "precision": 0.1, "qos": 1, "optimistic": true,
	}
	if lo, hi, ok := span(r); ok {
		c["min_temp"], c["max_temp"] = lo, hi
	}
	heat, cool, both := has(r, devices.Heat), has(r, devices.Cool), has(r, devices.HeatCool)
	if heat || cool {
		c["temperature_state_topic"] = b.state
		c["temperature_state_template"] = decided("{{ value_json.cool_setpoint if value_json.mode == 'cool' else value_json.heat_setpoint if value_json.mode == 'heat' else None }}", "mode", "cool_setpoint", "heat_setpoint")
		c["temperature_command_topic"] = command("setpoint") // the one of the current mode
	}
	switch {
	case both:
		c["temperature_high_state_topic"], c["temperature_high_command_topic"] = b.state, command("cool_setpoint")
		c["temperature_high_state_template"] = decided("{{ value_json.cool_setpoint if value_json.mode == 'heat_cool' else None }}", "mode", "cool_setpoint")
		c["temperature_low_state_topic"], c["temperature_low_command_topic"] = b.state, command("heat_setpoint")
		c["temperature_low_state_template"] = decided("{{ value_json.heat_setpoint if value_json.mode == 'heat_cool' else None }}", "mode", "heat_setpoint")
	// With only one set point it is clear which one is meant, even while it is off.
	case heat && !cool:
		c["temperature_command_topic"] = command("heat_setpoint")
	case cool && !heat:
		c["temperature_command_topic"] = command("cool_setpoint")
	}
	if len(r.Fans) > 0 {
		c["fan_modes"], c["fan_mode_state_topic"], c["fan_mode_state_template"] = texts(r.Fans), b.state, decided(value("fan"), "fan")
		c["fan_mode_command_topic"] = command("fan")
	}
	if list := presets(r); len(list) > 0 {
		// Home Assistant adds none itself, shows it for None, and sends it to
		// resume the schedule.
		c["preset_modes"] = list
		c["preset_mode_state_topic"], c["preset_mode_command_topic"] = b.state, command("hold")
		// A hold until a time needs that time: whoever picks the bare word gets the
		// hold that ends by itself.
		c["preset_mode_command_template"] = "{{ 'temporary' if value == 'until' else value }}"
		c["preset_mode_value_template"] = decided("{{ None if value_json.hold == 'schedule' else value_json.hold }}", "hold")
	}
	return b.entity("climate", "climate", "", c)
}

// presets returns the holds that can be set, and the current one: a vacation is shown
// while it lasts, although nobody can choose it here.
func presets(r devices.ThermostatReading) []string {
	if len(r.Holds) == 0 {
		return nil
	}
	var out []string
	for _, h := range []devices.Hold{devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent, devices.HoldVacation} {
		if slices.Contains(r.Holds, h) || r.Hold != nil && *r.Hold == h {
			out = append(out, string(h))
		}
	}
	return out
}

func has(r devices.ThermostatReading, m devices.HVACMode) bool { return slices.Contains(r.Modes, m) }

func unit(r devices.ThermostatReading) devices.Unit {
	if r.Unit == devices.Celsius {
		return devices.Celsius
	}
	return devices.Fahrenheit
}

// step returns the step of set points.
func step(r devices.ThermostatReading) float64 {
	switch {
	case devices.Finite(r.Step) && r.Step > 0:
		return r.Step
	case unit(r) == devices.Celsius:
		return 0.5
	}
	return 1
}

// span returns the range of the set points of all modes that the thermostat has.
func span(r devices.ThermostatReading) (lo, hi float64, ok bool) {
	var limits []*float64
	both := has(r, devices.HeatCool)
	if both || has(r, devices.Cool) {
		limits = append(limits, r.CoolMin, r.CoolMax)
	}
	if both || has(r, devices.Heat) {
		limits = append(limits, r.HeatMin, r.HeatMax)
	}
	for _, v := range limits {
		if v == nil || !devices.Finite(*v) {
			continue
		}
		if !ok {
			lo, hi, ok = *v, *v, true
		}
		lo, hi = min(lo, *v), max(hi, *v)
	}
	return lo, hi, ok && lo < hi
}

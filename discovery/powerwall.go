package discovery

import "powermgr/devices"

// PowerwallDescription is what has to be known to announce a Powerwall.
type PowerwallDescription struct {
	Topics    devices.Topics
	Nameplate devices.Nameplate // as far as known
}

// The names that Tesla's app uses for the settings of a Powerwall.
var (
	modeNames   = names{string(devices.SelfConsumption): "Self-powered", string(devices.Autonomous): "Time-based control", string(devices.Backup): "Backup only"}
	exportNames = names{string(devices.ExportAll): "Solar and battery", string(devices.ExportSolar): "Solar only", string(devices.ExportNone): "Nothing"}
)

// Powerwall describes the battery.
func Powerwall(p PowerwallDescription) Device {
	t := p.Topics
	id, name := Slug(t)+"_powerwall", "Powerwall"
	b := build{device: id, object: objectID(name), state: t.Powerwall(devices.StateLeaf)}
	power := func(key, name, field, icon string) Entity {
		return b.sensor(key, name, field, map[string]any{
			"device_class": "power", "state_class": "measurement", "unit_of_measurement": "W", "suggested_display_precision": 0, "icon": icon,
		})
	}
	// Home Assistant's energy dashboard needs counters that only grow.
	energy := func(key, name, field string) Entity {
		return b.sensor(key, name, field, map[string]any{
			"device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh", "suggested_display_precision": 1,
		})
	}
	api := b
	api.state = t.Powerwall(devices.APILeaf)
	diagnostic := func(own map[string]any) map[string]any {
		own["entity_category"], own["enabled_by_default"] = "diagnostic", false
		// They are useful above all while the vendor does not answer.
		own["availability"] = availability([]string{t.Status()})
		return own
	}
	command := func(setting string) string { return t.Powerwall(setting + devices.Set) }
	config := func(icon string) map[string]any { return map[string]any{"entity_category": "config", "icon": icon} }
	d := Device{
		ID: id, Name: name, Manufacturer: "Tesla", Model: "Powerwall", Via: controllerID(t),
		Availability: []string{t.Status(), t.Powerwall(devices.AvailLeaf)},
		Entities: []Entity{
			b.sensor("charge", "Charge", "charge_percent", map[string]any{
				"device_class": "battery", "state_class": "measurement", "unit_of_measurement": "%", "suggested_display_precision": 1,
			}),
			b.sensor("stored", "Stored energy", "stored_kwh", map[string]any{
				"device_class": "energy_storage", "state_class": "measurement", "unit_of_measurement": "kWh", "suggested_display_precision": 1,
			}),
			power("battery_power", "Battery power", "battery_power_w", "mdi:home-battery"),
			power("solar_power", "Solar power", "solar_power_w", "mdi:solar-power"),
			power("grid_power", "Grid power", "grid_power_w", "mdi:transmission-tower"),
			power("home_power", "Home power", "home_power_w", "mdi:home-lightning-bolt"),
			energy("grid_import", "Grid import", "grid_import_kwh"),
			energy("grid_export", "Grid export", "grid_export_kwh"),
			energy("solar", "Solar energy", "solar_kwh"),
			energy("battery_in", "Battery energy in", "battery_in_kwh"),
			energy("battery_out", "Battery energy out", "battery_out_kwh"),
			energy("home", "Home energy", "home_kwh"),
			b.binary("grid_connected", "Grid connected", "grid_connected", map[string]any{"device_class": "connectivity"}),
			b.binary("storm_active", "Storm watch active", "storm_active", map[string]any{"icon": "mdi:weather-lightning"}),
			b.binary("grid_services_active", "Grid services active", "grid_services_active", map[string]any{"icon": "mdi:transmission-tower-export"}),
			optimistic("reserve", b.entity("number", "reserve", "Reserve", map[string]any{
				"state_topic": b.state, "value_template": value("reserve_percent"), "command_topic": command("reserve"),
				"min": 0, "max": 100, "step": 1, "mode": "box", "unit_of_measurement": "%", "icon": "mdi:battery-lock", "qos": 1,
			})),
			optimistic("mode", b.choice("mode", "Mode", "mode", command("mode"), modeNames.all(texts(devices.Modes())), map[string]any{"icon": "mdi:home-battery-outline"})),
			optimistic("storm_watch", b.toggle("storm_watch", "Storm watch", "storm_watch", command("storm_watch"), config("mdi:weather-lightning-rainy"))),
			optimistic("grid_charging", b.toggle("grid_charging", "Grid charging", "grid_charging", command("grid_charging"), config("mdi:battery-charging-outline"))),
			optimistic("export_rule", b.choice("export_rule", "Export rule", "export_rule", command("export_rule"), exportNames.all(texts(devices.ExportRules())), config("mdi:transmission-tower-export"))),
			api.sensor("api_age", "API age", "age_seconds", diagnostic(map[string]any{
				"device_class": "duration", "state_class": "measurement", "unit_of_measurement": "s", "suggested_display_precision": 0,
			})),
			api.sensor("api_calls", "API calls today", "calls_today", diagnostic(map[string]any{
				"state_class": "total_increasing", "icon": "mdi:counter",
			})),
			api.sensor("api_calls_month", "API calls this month", "calls_this_month", diagnostic(map[string]any{
				"state_class": "total_increasing", "icon": "mdi:counter",
			})),
		},
	}
	return d.with(p.Nameplate)
}

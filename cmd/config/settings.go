package config

import (
	"fmt"
	"strings"

	"powermgr/control/rules"
	"powermgr/devices"
)

// Whether the settings make sense: the battery, the thermostats.

func (l *loader) checkBattery(s Settings) {
	for _, r := range []struct {
		key   string
		value int
	}{
		{"settings.peak_reserve_percent", s.PeakReservePercent}, {"settings.off_peak_reserve_percent", s.OffPeakReservePercent},
	} {
		if r.value < 0 || r.value > 80 && r.value != 100 {
			l.problem(r.key, "%d is not 0–80 or 100; a Powerwall turns 81–99 into 80", r.value)
		}
	}
	if s.PeakReservePercent > s.OffPeakReservePercent {
		l.problem("settings.peak_reserve_percent", "%d is above settings.off_peak_reserve_percent %d: the battery would not be used in the peak",
			s.PeakReservePercent, s.OffPeakReservePercent)
	}
	l.oneOf("settings.strategy", string(s.Strategy), string(rules.StrategyRule), string(rules.StrategyPlan))
	switch least := s.Plan.MinReservePercent; {
	case least < 0 || least > 80:
		l.problem("settings.plan.min_reserve_percent", "%d is not 0–80", least)
	case least > s.OffPeakReservePercent:
		l.problem("settings.plan.min_reserve_percent", "%d is above settings.off_peak_reserve_percent %d: there is nothing to plan between the two", least, s.OffPeakReservePercent)
	}
	l.among("settings.plan.peak_weight_per_kwh", s.Plan.PeakWeightPerKWh, 0, 100)
	l.among("settings.plan.battery_kwh", s.Plan.BatteryKWh, 1, 1000)
	l.among("settings.plan.battery_kw", s.Plan.BatteryKW, 0.5, 1000)
	l.among("settings.plan.grid_charge_kw", s.Plan.GridChargeKW, 0, 1000)
	l.among("settings.eod_battery_warning_threshold", s.EODBatteryWarningThreshold, 0, 100)
	l.among("settings.reserve_without_percent", float64(s.ReserveWithoutPercent), 0, 100)
	if n := len(s.BatteryThresholds); n > 10 {
		l.problem("settings.battery_thresholds", "%d are more than 10", n)
	}
	seen := map[int]bool{}
	for i, t := range s.BatteryThresholds {
		at := fmt.Sprintf("settings.battery_thresholds[%d]", i)
		l.among(at+".time_remaining_minutes", float64(t.TimeRemainingMinutes), 1, 1440)
		l.among(at+".level_percent", t.LevelPercent, 0, 100)
		if seen[t.TimeRemainingMinutes] {
			l.problem(at+".time_remaining_minutes", "%d is there twice: a threshold counts once for its time", t.TimeRemainingMinutes)
		}
		seen[t.TimeRemainingMinutes] = true
	}
}

func (l *loader) checkThermostats(c *Config) {
	s := c.Settings
	if s.Unit != "" {
		l.oneOf("settings.unit", string(s.Unit), string(devices.Fahrenheit), string(devices.Celsius))
	}
	l.difference("settings.thermostat_increment_f", s.ThermostatIncrementF, 5)
	l.difference("settings.precool_adjustment_f", s.PrecoolAdjustmentF, 5)
	l.temperature("settings.precool_threshold_f", s.PrecoolThresholdF, 50, 130)
	l.temperature("settings.min_thermostat_temp_f", s.MinThermostatTempF, 60, 85)
	l.temperature("settings.max_thermostat_temp_f", s.MaxThermostatTempF, 70, 90)
	l.temperature("settings.min_heat_setpoint_f", s.MinHeatSetpointF, 50, 75)
	l.temperature("settings.max_indoor_f", s.MaxIndoorF, 70, 95)
	l.temperature("settings.min_indoor_f", s.MinIndoorF, 45, 70)
	l.among("settings.max_thermostat_adjustments", float64(s.MaxThermostatAdjustments), 0, 10)
	l.among("settings.min_write_interval_minutes", float64(s.MinWriteIntervalMinutes), 5, 120)
	if s.MinThermostatTempF >= s.MaxThermostatTempF {
		l.problem(l.written("settings.min_thermostat_temp_f"), "%s is not below %s, %s", s.degrees(s.MinThermostatTempF), l.written("settings.max_thermostat_temp_f"), s.degrees(s.MaxThermostatTempF))
	}
	if s.MinHeatSetpointF >= s.MaxThermostatTempF {
		l.problem(l.written("settings.min_heat_setpoint_f"), "%s is not below %s, %s", s.degrees(s.MinHeatSetpointF), l.written("settings.max_thermostat_temp_f"), s.degrees(s.MaxThermostatTempF))
	}
	// The last two are for whoever is inside: stricter than the set points they
	// end the setback early, which may be what is wanted.
	if s.MaxIndoorF < s.MaxThermostatTempF {
		l.notice(l.written("settings.max_indoor_f"), "%s is below %s, %s, so a setback to that ends early", s.degrees(s.MaxIndoorF), l.written("settings.max_thermostat_temp_f"), s.degrees(s.MaxThermostatTempF))
	}
	if s.MinIndoorF > s.MinHeatSetpointF {
		l.notice(l.written("settings.min_indoor_f"), "%s is above %s, %s, so a setback to that ends early", s.degrees(s.MinIndoorF), l.written("settings.min_heat_setpoint_f"), s.degrees(s.MinHeatSetpointF))
	}
	seen := map[string]bool{}
	for i, id := range s.ThermostatIDs {
		at := fmt.Sprintf("settings.thermostat_ids[%d]", i)
		topic := devices.TopicID(id)
		switch {
		case strings.Trim(topic, "_") == "":
			l.problem(at, "%s is not a thermostat's id: powermgr auth honeywell lists those on the account", quoted(id))
		case seen[topic]:
			l.problem(at, "%s is there twice", quoted(id))
		}
		seen[topic] = true
	}
	switch {
	case c.Honeywell != nil && len(s.ThermostatIDs) == 0:
		l.notice("settings.thermostat_ids", "none is given: thermostats are shown and never touched")
	case c.Honeywell == nil && len(s.ThermostatIDs) > 0 && c.Tesla != nil:
		l.notice("settings.thermostat_ids", "no thermostat is polled by this process, since there is no honeywell")
	}
}

package daemon

import (
	"fmt"
	"strings"

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
	l.among("settings.thermostat_increment_f", s.ThermostatIncrementF, 0, 5)
	l.among("settings.precool_adjustment_f", s.PrecoolAdjustmentF, 0, 5)
	l.among("settings.precool_threshold_f", s.PrecoolThresholdF, 50, 130)
	l.among("settings.min_thermostat_temp_f", s.MinThermostatTempF, 60, 85)
	l.among("settings.max_thermostat_temp_f", s.MaxThermostatTempF, 70, 90)
	l.among("settings.min_heat_setpoint_f", s.MinHeatSetpointF, 50, 75)
	l.among("settings.max_indoor_f", s.MaxIndoorF, 70, 95)
	l.among("settings.min_indoor_f", s.MinIndoorF, 45, 70)
	l.among("settings.max_thermostat_adjustments", float64(s.MaxThermostatAdjustments), 0, 10)
	l.among("settings.min_write_interval_minutes", float64(s.MinWriteIntervalMinutes), 5, 120)
	if s.MinThermostatTempF >= s.MaxThermostatTempF {
		l.problem("settings.min_thermostat_temp_f", "%g is not below settings.max_thermostat_temp_f %g", s.MinThermostatTempF, s.MaxThermostatTempF)
	}
	if s.MinHeatSetpointF >= s.MaxThermostatTempF {
		l.problem("settings.min_heat_setpoint_f", "%g is not below settings.max_thermostat_temp_f %g", s.MinHeatSetpointF, s.MaxThermostatTempF)
	}
	// The last two are for whoever is inside: stricter than the set points they
	// end the setback early, which may be what is wanted.
	if s.MaxIndoorF < s.MaxThermostatTempF {
		l.notice("settings.max_indoor_f", "%g is below settings.max_thermostat_temp_f %g, so a setback to that ends early", s.MaxIndoorF, s.MaxThermostatTempF)
	}
	if s.MinIndoorF > s.MinHeatSetpointF {
		l.notice("settings.min_indoor_f", "%g is above settings.min_heat_setpoint_f %g, so a setback to that ends early", s.MinIndoorF, s.MinHeatSetpointF)
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

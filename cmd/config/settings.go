package config

import (
	"fmt"
	"strings"

	"powermgr/control/rules"
	"powermgr/devices"
)

// The rules of the home: the battery, the thermostats.

// Settings are the rules of the home. Temperatures are °F whatever the
// thermostats show.
type Settings struct {
	// DryRun makes the daemon read, decide and report everything, but send nothing to
	// devices. Default false; the example configuration has true.
	DryRun bool `koanf:"dry_run"`
	// Timezone is the IANA name of the home's time zone. Required, unless Location is
	// given.
	Timezone string `koanf:"timezone"`
	// Location is v2.0's name for Timezone, which has priority. Load fills Timezone in.
	Location string `koanf:"location"`
	// Holidays are local days on which no peak begins: 2026-07-04, 12-25 of every
	// year, the public holidays of a country (us), or one of them (us Memorial Day).
	Holidays []string `koanf:"holidays"`
	// Seasons by name. None in the file: summer and winter as in
	// defaultSeasons. Each day of the year belongs to at least one, and to several
	// if they have different days of the week.
	Seasons map[string]Season `koanf:"seasons"`

	// PeakReservePercent is the battery's reserve in a peak.
	PeakReservePercent int `koanf:"peak_reserve_percent" range:"0–80,100" why:"a Powerwall turns 81–99 into 80"`
	// OffPeakReservePercent is the reserve outside peaks.
	OffPeakReservePercent int `koanf:"off_peak_reserve_percent" default:"100" range:"0–80,100" why:"a Powerwall turns 81–99 into 80"`

	// Unit is what the owner reads temperatures in, and what those of this section
	// may be given in: devices.Fahrenheit, or devices.Celsius, with keys that end
	// with _c. Empty, the default: °F, and each thermostat's own where it is read.
	Unit devices.Unit `koanf:"unit" oneof:",F,C"`

	// Strategy is StrategyRule or StrategyPlan. A person may choose the
	// other one in Home Assistant.
	Strategy rules.Strategy `koanf:"strategy" default:"rule" oneof:"rule,plan"`
	Plan     Plan           `koanf:"plan"`

	// ThermostatIDs are the vendor's ids of the thermostats to control. Others
	// on the account are shown and never touched. Empty: none is controlled.
	ThermostatIDs []string `koanf:"thermostat_ids"`

	// PrecoolLeadMinutes is how long pre_peak lasts before each peak. A shorter one
	// would be announced and never precool: commands take minutes to reach a
	// thermostat, and none is sent that might land after its hold has ended.
	PrecoolLeadMinutes int `koanf:"precool_lead_minutes" default:"30" range:"10–180"`
	// PrecoolThresholdF is the forecast high from which powermgr precools.
	PrecoolThresholdF float64 `koanf:"precool_threshold_f" default:"95" range:"50–130" unit:"°F"`
	// PrecoolAdjustmentF is how much it precools. 0: not at all.
	PrecoolAdjustmentF float64 `koanf:"precool_adjustment_f" default:"2" range:"0–5" unit:"°F apart"`
	// MinThermostatTempF is the lowest cool set point of precooling.
	MinThermostatTempF float64 `koanf:"min_thermostat_temp_f" default:"67" range:"60–85" unit:"°F"`

	// BatteryThresholds are when a setback step is due. Absent: those in
	// defaultThresholds; an empty list: there is no setback.
	BatteryThresholds []Threshold `koanf:"battery_thresholds"`
	// ThermostatIncrementF is the setback of one step. 0: there is no setback.
	ThermostatIncrementF float64 `koanf:"thermostat_increment_f" default:"2" range:"0–5" unit:"°F apart"`
	// MaxThermostatAdjustments is how many steps count at most. 0: all.
	MaxThermostatAdjustments int `koanf:"max_thermostat_adjustments" range:"0–10"`
	// MaxThermostatTempF is the highest cool set point of a setback.
	MaxThermostatTempF float64 `koanf:"max_thermostat_temp_f" default:"82" range:"70–90" unit:"°F"`
	// MinHeatSetpointF is the lowest heat set point of a setback.
	MinHeatSetpointF float64 `koanf:"min_heat_setpoint_f" default:"62" range:"50–75" unit:"°F"`
	// MaxIndoorF and MinIndoorF are the indoor temperatures at which a setback ends, for
	// the comfort of whoever is inside.
	MaxIndoorF float64 `koanf:"max_indoor_f" default:"86" range:"70–95" unit:"°F"`
	MinIndoorF float64 `koanf:"min_indoor_f" default:"58" range:"45–70" unit:"°F"`
	// MinWriteIntervalMinutes is the shortest time between automatic writes to one
	// thermostat.
	MinWriteIntervalMinutes int `koanf:"min_write_interval_minutes" default:"10" range:"5–120"`

	// EODBatteryWarningThreshold is the charge at the end of the day's last peak
	// below which a warning is sent. 0: never.
	EODBatteryWarningThreshold float64 `koanf:"eod_battery_warning_threshold" default:"20" range:"0–100"`
	// ReserveWithoutPercent is the reserve that the battery would have without powermgr,
	// only for the report's comparison. The default is Tesla's own.
	ReserveWithoutPercent int `koanf:"reserve_without_percent" default:"20" range:"0–100"`
	// CheckIntervalSeconds is v2.0's cycle: the time between polls of Powerwall and
	// thermostats, unless Poll says otherwise. 0, the default: 300.
	CheckIntervalSeconds int `koanf:"check_interval_seconds"`
}

// A Threshold says when a setback step is due: with at least TimeRemainingMinutes of the
// peak left, 1–1440, and the battery at or below that level, 0–100 %.
type Threshold struct {
	TimeRemainingMinutes int     `koanf:"time_remaining_minutes" range:"1–1440"`
	LevelPercent         float64 `koanf:"level_percent" range:"0–100"`
}

func defaultThresholds() []Threshold {
	return []Threshold{{120, 75}, {60, 50}, {30, 25}}
}

func (l *loader) checkBattery(s Settings) {
	if s.PeakReservePercent > s.OffPeakReservePercent {
		l.problem("settings.peak_reserve_percent", "%d is above settings.off_peak_reserve_percent %d: the battery would not be used in the peak",
			s.PeakReservePercent, s.OffPeakReservePercent)
	}
	if least := s.Plan.MinReservePercent; least > s.OffPeakReservePercent {
		l.problem("settings.plan.min_reserve_percent", "%d is above settings.off_peak_reserve_percent %d: there is nothing to plan between the two", least, s.OffPeakReservePercent)
	}
	if n := len(s.BatteryThresholds); n > 10 {
		l.problem("settings.battery_thresholds", "there are %d, and at most 10 are allowed", n)
	}
	seen := map[int]bool{}
	for i, t := range s.BatteryThresholds {
		at := fmt.Sprintf("settings.battery_thresholds[%d]", i)
		if seen[t.TimeRemainingMinutes] {
			l.problem(at+".time_remaining_minutes", "%d is listed twice: there can be only one threshold for a time", t.TimeRemainingMinutes)
		}
		seen[t.TimeRemainingMinutes] = true
	}
}

func (l *loader) checkThermostats(c *Config) {
	s := c.Settings
	if s.MinThermostatTempF >= s.MaxThermostatTempF {
		l.problem(l.written("settings.min_thermostat_temp_f"), "%s is not below %s, %s", s.degrees(s.MinThermostatTempF), l.written("settings.max_thermostat_temp_f"), s.degrees(s.MaxThermostatTempF))
	}
	if s.MinHeatSetpointF >= s.MaxThermostatTempF {
		l.problem(l.written("settings.min_heat_setpoint_f"), "%s is not below %s, %s", s.degrees(s.MinHeatSetpointF), l.written("settings.max_thermostat_temp_f"), s.degrees(s.MaxThermostatTempF))
	}
	// The last two are for the comfort of whoever is inside: if they are stricter than
	// the set points, they end the setback early, which may be intended.
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
			l.problem(at, "%s is listed twice", quoted(id))
		}
		seen[topic] = true
	}
	switch {
	case c.Honeywell != nil && len(s.ThermostatIDs) == 0:
		l.notice("settings.thermostat_ids", "none is listed: powermgr shows thermostats but never changes them")
	case c.Honeywell == nil && len(s.ThermostatIDs) > 0 && c.Tesla != nil:
		l.notice("settings.thermostat_ids", "no thermostat is polled by this process, since there is no honeywell")
	}
}

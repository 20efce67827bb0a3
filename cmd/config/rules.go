package config

import (
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
)

// Zone returns the home's time zone. Load has checked it.
func (c Config) Zone() *time.Location {
	zone, err := time.LoadLocation(c.Settings.Timezone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Calendar returns when power is expensive.
func (c Config) Calendar() rules.Calendar {
	s := c.Settings
	cal := rules.Calendar{Location: c.Zone(), Lead: inMinutes(s.PrecoolLeadMinutes)}
	s.addHolidays(&cal)
	if c.Tariff.hasPeaks() {
		cal.Schedule, _ = c.Prices()
		return cal
	}
	for _, name := range s.SeasonNames() {
		season := s.Seasons[name]
		out := rules.Season{Name: name, Months: season.Months, From: season.From, To: season.To, Days: season.Weekdays(), Precool: season.Precool != nil && *season.Precool}
		for _, p := range season.PeakPeriods {
			out.Peaks = append(out.Peaks, p.span())
		}
		cal.Seasons = append(cal.Seasons, out)
	}
	return cal
}

// Rules returns the settings in the terms of package rules.
func (c Config) Rules() rules.Settings {
	s := c.Settings
	out := rules.Settings{
		Calendar: c.Calendar(), Unit: s.Unit, PeakReserve: s.PeakReservePercent, OffPeakReserve: s.OffPeakReservePercent,
		Strategy: s.Strategy, PlanMinReserve: s.Plan.MinReservePercent,
		PrecoolAdjustF: s.PrecoolAdjustmentF, PrecoolAtF: s.PrecoolThresholdF, PrecoolFloorF: s.MinThermostatTempF,
		StepF: s.ThermostatIncrementF, MaxSteps: s.MaxThermostatAdjustments, MaxCoolF: s.MaxThermostatTempF, MinHeatF: s.MinHeatSetpointF,
		MaxIndoorF: s.MaxIndoorF, MinIndoorF: s.MinIndoorF, Spacing: inMinutes(s.MinWriteIntervalMinutes),
		StaleAfter: devices.Stale(Seconds(c.Poll.ThermostatSeconds)), StaleCharge: devices.Stale(c.slowestPeak()),
		DryRun: s.DryRun,
	}
	for _, id := range s.ThermostatIDs {
		out.Thermostats = append(out.Thermostats, devices.TopicID(id))
	}
	for _, t := range s.BatteryThresholds {
		out.Thresholds = append(out.Thresholds, rules.Threshold{Left: inMinutes(t.TimeRemainingMinutes), Level: t.LevelPercent})
	}
	return out
}

// minPlannedReserve returns the reserve that a plan never goes below.
func (s Settings) minPlannedReserve() int { return max(s.Plan.MinReservePercent, s.PeakReservePercent) }

func inMinutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// Seconds converts a time in the configuration, which is in seconds.
func Seconds(n int) time.Duration { return time.Duration(n) * time.Second }

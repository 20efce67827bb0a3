package daemon

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

// Whether the settings make sense: the calendar, the battery, the thermostats.

func (l *loader) checkCalendar(s Settings) {
	switch _, err := time.LoadLocation(s.Timezone); {
	case s.Timezone == "":
		l.problem("settings.timezone", "it is needed: the home's time zone, such as America/Los_Angeles")
	case err != nil || s.Timezone == "Local":
		key := "settings.timezone"
		if s.Timezone == s.Location {
			key = "settings.location"
		}
		l.problem(key, "%s is not a time zone such as America/Los_Angeles", quoted(s.Timezone))
	}
	for i, day := range s.Holidays {
		key := fmt.Sprintf("settings.holidays[%d]", i)
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			l.problem(key, "%s is not a day such as 2026-07-04", quoted(day))
		} else if first := slices.Index(s.Holidays, day); first < i {
			l.notice(key, "%s is there twice", day)
		}
	}
	l.among("settings.precool_lead_minutes", float64(s.PrecoolLeadMinutes), 5, 180)

	owner := map[time.Month]string{}
	for _, name := range s.SeasonNames() {
		season, key := s.Seasons[name], "settings.seasons."+name
		if strings.ContainsFunc(name, func(r rune) bool { return !nodeRune(r) }) || name == "" || !asciiLetter(name[0]) {
			l.problem(key, "a season's name is a letter, then letters, digits, - and _")
		}
		if len(season.Months) == 0 {
			l.problem(key+".months", "it needs the months of the season, such as [5, 6, 7]")
		}
		for i, m := range season.Months {
			at := fmt.Sprintf("%s.months[%d]", key, i)
			switch {
			case m < time.January || m > time.December:
				l.problem(at, "%d is not a month, 1–12", int(m))
			case owner[m] != "":
				l.problem(at, "%d is in season %s already", int(m), owner[m])
			default:
				owner[m] = name
			}
		}
		if _, err := weekdays(season.Days); err != nil {
			l.problem(key+".days", "%s", err)
		}
		l.checkPeaks(key, season.PeakPeriods)
	}
	var none []string
	for m := time.January; m <= time.December; m++ {
		if owner[m] == "" {
			none = append(none, strconv.Itoa(int(m)))
		}
	}
	if len(none) > 0 {
		l.problem("settings.seasons", "no season has the months %s: add them to one, or a season with peak_periods: [] if they have no peaks", strings.Join(none, ", "))
	}
}

func asciiLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func (l *loader) checkPeaks(season string, peaks []PeakPeriod) {
	for i, p := range peaks {
		at := fmt.Sprintf("%s.peak_periods[%d]", season, i)
		if p.End <= p.Start {
			midnight := ""
			if p.End == 0 {
				midnight = "; midnight at the end of a day is 24:00"
			}
			l.problem(at+".end", "%s is not after start %s%s", p.End, p.Start, midnight)
			continue
		}
		for j, q := range peaks[:i] {
			if p.Start < q.End && q.Start < p.End {
				l.problem(at, "%s–%s overlaps %s–%s of peak_periods[%d]", p.Start, p.End, q.Start, q.End, j)
			}
		}
	}
}

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

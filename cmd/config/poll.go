package config

import (
	"powermgr/devices"
	"time"
)

// How often vendors are polled.

// Poll says how often vendors are polled. The lower bounds follow from the vendors'
// limits and the age of their figures; the upper one is an hour, and a day for weather.
// If Tesla.CallsPerMonth is not 0, the Powerwall is polled at most that often.
type Poll struct {
	// PowerwallPeakSeconds applies in a peak and its lead, where it is limited to 240;
	// PowerwallSeconds applies otherwise, 0: 300. Tesla allows 60 calls a minute; its
	// figures are older than the shortest of these intervals.
	PowerwallPeakSeconds int `koanf:"powerwall_peak_seconds" default:"60" range:"30–3600"`
	PowerwallSeconds     int `koanf:"powerwall_seconds" range:"30–3600"`
	// ThermostatSeconds is limited to 240 in a peak and its lead. 0: 300. Resideo allows
	// some 240 calls an hour; the portal locks out whoever polls too often.
	ThermostatSeconds int `koanf:"thermostat_seconds" range:"120–3600"`
	WeatherSeconds    int `koanf:"weather_seconds" default:"3600" range:"900–86400"`
}

// usualCycle is the default time between polls, in seconds.
const usualCycle = 300

// peakSeconds is the longest time between polls in a peak and its lead, even if the
// owner has chosen a longer one. For thermostats it means 15 polls an hour; Honeywell
// allows many more.
const peakSeconds = int(devices.PeakPoll / time.Second)

// PowerwallInPeak returns the seconds between polls of the Powerwall in a peak and its
// lead.
func (p Poll) PowerwallInPeak() int { return min(p.PowerwallPeakSeconds, peakSeconds) }

// ThermostatsInPeak returns the seconds between polls of the thermostats in a peak and
// its lead.
func (p Poll) ThermostatsInPeak() int { return min(p.ThermostatSeconds, peakSeconds) }

// completePolls uses v2.0's cycle for polls that are not set. A cycle that is too quick
// for a vendor is slowed down, since v2.0 had one for all. It does not apply to a
// Powerwall whose calls are limited.
func (l *loader) completePolls(c *Config) {
	every := usualCycle
	if c.Settings.CheckIntervalSeconds != 0 {
		every = c.Settings.CheckIntervalSeconds
	}
	for name, value := range map[string]*int{"powerwall_seconds": &c.Poll.PowerwallSeconds, "thermostat_seconds": &c.Poll.ThermostatSeconds} {
		if *value != 0 {
			continue
		}
		if value == &c.Poll.PowerwallSeconds && c.Tesla != nil && c.Tesla.CallsPerMonth > 0 {
			*value = usualCycle // the limit on calls sets its pace
			continue
		}
		*value = every
		if c.Settings.CheckIntervalSeconds != 0 {
			l.cycle["poll."+name] = "settings.check_interval_seconds"
		}
		if least := minimum[Poll](name); every > 0 && every < least {
			*value = least
			l.notice("settings.check_interval_seconds", "%d is too often for poll.%s: it is %d", every, name, least)
		}
	}
}

package config

import (
	"powermgr/devices"
	"time"
)

// How often vendors are asked.

// Poll is how often vendors are asked. The lower bounds are what their limits
// and the age of their figures make sensible. At most an hour; weather a day. For
// the Powerwall it is how often at most, if Tesla.CallsPerMonth is not 0.
type Poll struct {
	// PowerwallPeakSeconds is in a peak and its lead, where it is 240 at most;
	// PowerwallSeconds is otherwise, 0: 300. Tesla allows 60 calls a minute; its
	// figures are older than the least of these.
	PowerwallPeakSeconds int `koanf:"powerwall_peak_seconds" default:"60" range:"30–3600"`
	PowerwallSeconds     int `koanf:"powerwall_seconds" range:"30–3600"`
	// ThermostatSeconds is 240 at most in a peak and its lead. 0: 300. Resideo allows
	// some 240 calls an hour; the portal locks out who asks often.
	ThermostatSeconds int `koanf:"thermostat_seconds" range:"120–3600"`
	WeatherSeconds    int `koanf:"weather_seconds" default:"3600" range:"900–86400"`
}

// usualCycle is what all is polled by where nothing else is said, in seconds.
const usualCycle = 300

// peakSeconds is the longest time between polls in a peak and its lead, however
// rarely the owner wants them. Of thermostats it makes 15 an hour, of which Honeywell
// allows many more.
const peakSeconds = int(devices.PeakPoll / time.Second)

// PowerwallInPeak is between polls of the Powerwall in a peak and its lead.
func (p Poll) PowerwallInPeak() int { return min(p.PowerwallPeakSeconds, peakSeconds) }

// ThermostatsInPeak is between those of thermostats.
func (p Poll) ThermostatsInPeak() int { return min(p.ThermostatSeconds, peakSeconds) }

// completePolls takes v2.0's cycle where it has to do. A cycle that would be
// too quick for a vendor is slowed down, since v2.0 had one for all. It does not
// apply to a Powerwall whose calls are limited.
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
			*value = usualCycle // the calls there are pace it
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

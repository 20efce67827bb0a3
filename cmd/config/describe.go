package config

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

// Describe says in plain words what the daemon would do with c: what happens on a day
// with peaks in each season, to which devices, who gets mail, and where everything is. c
// has to come from Load.
func Describe(c Config) string {
	var d description
	if c.Settings.DryRun {
		d.line("Dry run: powermgr reads the devices, decides and reports, and sends nothing to any device.")
	} else {
		d.line("Not a dry run: powermgr commands the devices.")
	}
	for _, name := range c.Settings.SeasonNames() {
		d.line("")
		d.season(c, name)
	}
	if c.Tariff.hasPeaks() {
		d.line("")
		d.ratesPeaks(c)
	}
	d.prices(c)
	d.line("")
	d.thermostats(c)
	d.powerwall(c)
	d.strategy(c, time.Now())
	d.forecast(c.Weather, devices.Topics{Base: c.MQTT.BaseTopic})
	d.mqtt(c.MQTT, c.Discovery)
	d.mail(c.Notifications)
	d.node(c)
	return d.String()
}

type description struct{ strings.Builder }

func (d *description) line(format string, args ...any) {
	d.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// item writes a label, which may be empty, and a text for it.
func (d *description) item(label, format string, args ...any) {
	d.line("%-12s %s", label, fmt.Sprintf(format, args...))
}

// at writes a line for a time of the day; clock may be empty.
func (d *description) at(clock, format string, args ...any) {
	d.line("  %-12s %s", clock, fmt.Sprintf(format, args...))
}

func reserve(c Config, percent int) string {
	if c.Tesla == nil {
		return "no Powerwall is controlled"
	}
	return fmt.Sprintf("the battery's reserve is %d %%", percent)
}

func controlled(c Config) bool { return c.Honeywell != nil && len(c.Settings.ThermostatIDs) > 0 }

// degrees writes a temperature, given in °F, in the owner's unit; difference writes a
// temperature difference.
func (s Settings) degrees(f float64) string    { return devices.Fahrenheit.Degrees(s.Unit, f) }
func (s Settings) difference(f float64) string { return devices.Fahrenheit.Difference(s.Unit, f) }

func beforePeak(c Config, season Season) string {
	s := c.Settings
	switch {
	case !controlled(c):
		return "the peak is coming up; no thermostat is controlled"
	case season.Precool == nil || !*season.Precool || s.PrecoolAdjustmentF == 0:
		return "the peak is coming up; no precooling"
	case c.Weather.Source == WeatherNone:
		return "the peak is coming up; no precooling without a forecast"
	}
	return fmt.Sprintf("if today's high is at least %s, precooling: cool set points %s lower, but not under %s",
		s.degrees(s.PrecoolThresholdF), s.difference(s.PrecoolAdjustmentF), s.degrees(s.MinThermostatTempF))
}

func (d *description) thermostats(c Config) {
	h, s := c.Honeywell, c.Settings
	if h == nil {
		d.item("Thermostats", "none: there is no honeywell in the configuration")
		return
	}
	what, how := "the Honeywell Home API of Resideo", "authorized by powermgr auth honeywell, in "+h.TokenFile
	if h.Backend == BackendTCC {
		what, how = "the Total Connect Comfort portal", "logged in as "+h.Username+", session in "+h.TokenFile
	}
	d.item("Thermostats", "through %s (%s)", what, host(h.BaseURL))
	if peak, other := c.Poll.ThermostatsInPeak(), c.Poll.ThermostatSeconds; peak == other {
		d.item("", "read every %s", seconds(other))
	} else {
		d.item("", "read every %s in and just before a peak, every %s otherwise", seconds(peak), seconds(other))
	}
	d.item("", "%s", how)
	if !controlled(c) {
		d.item("", "none is controlled: all are only shown")
		return
	}
	d.item("", "controlled: %s; all others are shown and never changed", enumerate(s.ThermostatIDs))
	d.item("", "a setback goes up to %s cooling and down to %s heating; it ends above %s or below %s inside",
		s.degrees(s.MaxThermostatTempF), s.degrees(s.MinHeatSetpointF), s.degrees(s.MaxIndoorF), s.degrees(s.MinIndoorF))
	d.item("", "at least %d minutes between automatic changes to one", s.MinWriteIntervalMinutes)
}

func (d *description) powerwall(c Config) {
	t := c.Tesla
	if t == nil {
		d.item("Powerwall", "none: there is no tesla in the configuration")
		return
	}
	site := "the account's only site"
	if t.EnergySiteID != 0 {
		site = "site " + strconv.FormatInt(t.EnergySiteID, 10)
	}
	d.item("Powerwall", "%s at %s", site, host(t.BaseURL))
	paces, calls := c.busiestMonth()
	about := (calls + 50) / 100 * 100
	d.item("", "read every %s in and just before a peak, every %s otherwise", minutes(paces.Peak), minutes(paces.Other))
	limit := fmt.Sprintf("tesla.calls_per_month is %d, and reading slows down to stay below it", t.CallsPerMonth)
	switch {
	case t.CallsPerMonth == 0:
		limit = "tesla.calls_per_month is 0: there is no limit"
	case calls > t.CallsPerMonth:
		limit = fmt.Sprintf("tesla.calls_per_month is %d, too few for so many hours of peaks even when reading is at its slowest", t.CallsPerMonth)
	}
	d.item("", "about %s calls in a month with many peaks, %s; %s", thousands(about), price(about), limit)
	if t.APIToken == "" {
		d.item("", "authorized by powermgr auth tesla, in %s", t.TokenFile)
	} else {
		d.item("", "authorized by tesla.api_token")
	}
	if below := c.Settings.EODBatteryWarningThreshold; below > 0 {
		d.item("", "a warning if less than %g %% is left at the end of the day's last peak", below)
	}
}

func (d *description) forecast(w Weather, topics devices.Topics) {
	switch w.Source {
	case WeatherOpenMeteo:
		d.item("Forecast", "Open-Meteo's for latitude %g, longitude %g (%s)", *w.Latitude, *w.Longitude, host(w.BaseURL))
	case WeatherMQTT:
		d.item("Forecast", "today's high as a number on %s", topics.Weather("forecast_high"+devices.Set))
	default:
		d.item("Forecast", "none")
	}
}

func (d *description) mqtt(m MQTT, disco Discovery) {
	if m.Off() {
		d.item("MQTT", "no broker: Home Assistant sees nothing, and the page and mail are how you see what happens")
		return
	}
	who := "without a user name"
	if m.Username != "" {
		who = "as " + m.Username
	}
	d.item("MQTT", "broker %s, %s; topics below %s", m.URL, who, m.BaseTopic)
	if disco.Enabled {
		d.item("", "announced to Home Assistant below %s, one message for each %s", disco.Prefix, map[string]string{FormatDevice: "device", FormatComponent: "entity"}[disco.Format])
	} else {
		d.item("", "not announced to Home Assistant")
	}
	d.item("", "entities announced under an earlier base topic or prefix stay until powermgr discovery clean removes them")
}

func (d *description) mail(n Notifications) {
	r := n.Recipients
	if n.SMTP.Server == "" || len(r.Info)+len(r.Warning)+len(r.Critical) == 0 {
		d.item("Mail", "none is sent")
		return
	}
	d.item("Mail", "through %s, port %d", n.SMTP.Server, n.SMTP.Port)
	for _, m := range []struct {
		what string
		who  []string
	}{{"daily report to", r.Info}, {"warnings to", r.Warning}, {"what somebody has to do to", r.Critical}} {
		who := "nobody"
		if len(m.who) > 0 {
			who = enumerate(m.who)
		}
		d.item("", "%s %s", m.what, who)
	}
}

func (d *description) node(c Config) {
	if c.HA.Enabled {
		var addresses strings.Builder
		for _, a := range []struct{ label, address string }{{"primary", c.HA.PrimaryNodeIP}, {"backup", c.HA.BackupNodeIP}, {"virtual", c.HA.VirtualIP}} {
			if a.address != "" {
				addresses.WriteString(", " + a.label + " " + a.address)
			}
		}
		d.item("Node", "%s, one of a pair; keepalived says which is active%s", c.HA.Node, addresses.String())
	} else {
		d.item("Node", "%s, alone and always active", c.HA.Node)
	}
	d.item("Files", "journal %s, state %s", c.Paths.JournalFile, c.Paths.RamdiskStateFile)
	keep := "forever"
	if c.Paths.MetricsKeepDays > 0 {
		keep = "for " + strconv.Itoa(c.Paths.MetricsKeepDays) + " days"
	}
	d.item("", "daily records in %s, kept %s", c.Paths.PermanentMetricsDir, keep)
	if c.HTTP.Listen != "" {
		d.item("HTTP", "metrics, health and the page on %s", c.HTTP.Listen)
		d.item("", "%s", c.HTTP.audience())
	}
}

func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func seconds(n int) string {
	if n%60 == 0 {
		return strconv.Itoa(n/60) + " min"
	}
	return strconv.Itoa(n) + " s"
}

// minutes writes a time between polls the way people say it.
func minutes(d time.Duration) string {
	if d < time.Minute {
		return seconds(int(d.Seconds()))
	}
	return strconv.FormatFloat(math.Round(d.Minutes()*2)/2, 'f', -1, 64) + " min"
}

// thousands writes a number with its thousands separated.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func host(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return address
}

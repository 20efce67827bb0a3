package config

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// Defaults that depend on other keys. All others are in the tags of the keys.

const stateDir = "/var/lib/powermgr"

// complete fills in defaults that depend on other keys. It never changes a value that
// was given.
func (l *loader) complete(c *Config) {
	s := &c.Settings
	if s.Unit = devices.Unit(strings.ToUpper(string(s.Unit))); s.Unit == "" && len(l.celsius) > 0 {
		s.Unit = devices.Celsius
	}
	if s.Timezone == "" {
		s.Timezone = s.Location
		l.origin["settings.timezone"] = l.origin["settings.location"]
	}
	if len(s.Seasons) == 0 && !c.Tariff.hasPeaks() {
		s.Seasons = defaultSeasons()
	}
	for name, season := range s.Seasons {
		if len(season.Days) == 0 {
			season.Days = []string{"weekdays"}
		}
		if season.Precool == nil {
			season.Precool = new(name == "summer")
		}
		s.Seasons[name] = season
	}
	if s.BatteryThresholds == nil {
		s.BatteryThresholds = defaultThresholds()
	}
	l.completePolls(c)

	c.Notifications.completeFrom()
	if c.HA.Node == "" {
		c.HA.Node = l.nodeName()
	}
	if c.MQTT.ClientID == "" {
		c.MQTT.ClientID = "powermgr-" + c.HA.Node
	}
	c.MQTT.completeURL()
	if c.Discovery.StatusTopic == "" {
		c.Discovery.StatusTopic = c.Discovery.Prefix + "/status"
	}
	if c.Weather.Source == "" {
		c.Weather.Source = c.nearestForecast()
	}
	if c.Paths.HistoryDir == "" {
		c.Paths.HistoryDir = filepath.Join(filepath.Dir(c.Paths.JournalFile), "history")
	}
	for _, path := range []*string{
		&c.Paths.HistoryDir, &c.Paths.JournalFile, &c.Paths.RamdiskStateFile, &c.Paths.PermanentMetricsDir,
		&c.MQTT.TLS.CAFile, &c.MQTT.TLS.CertFile, &c.MQTT.TLS.KeyFile, &c.Notifications.SMTP.CAFile,
	} {
		*path = l.absolute(*path)
	}
	if c.Tesla != nil {
		l.completeTesla(c.Tesla)
	}
	if c.Honeywell != nil {
		l.completeHoneywell(c.Honeywell)
	}
}

// nearestForecast returns where to get a forecast if the configuration does not say.
func (c *Config) nearestForecast() string {
	switch {
	case c.Weather.Latitude != nil && c.Weather.Longitude != nil:
		return WeatherOpenMeteo
	case c.MQTT.Off():
		return WeatherNone
	}
	return WeatherMQTT
}

// completeURL adds a missing port to the broker's address.
func (m *MQTT) completeURL() {
	if strings.EqualFold(m.URL, WithoutBroker) {
		m.URL = WithoutBroker
		return
	}
	if u, err := url.Parse(m.URL); err == nil && u.Host != "" && u.Port() == "" {
		port := map[string]string{"mqtt": "1883", "tcp": "1883", "mqtts": "8883", "tls": "8883", "ssl": "8883"}[u.Scheme]
		u.Host = net.JoinHostPort(u.Hostname(), port)
		m.URL = u.String()
	}
}

// authorized reports whether there is a refresh token at path.
func (l *loader) authorized(path string) bool {
	data, _, err := l.read(path)
	if err != nil {
		return false
	}
	t, err := cloud.ParseToken(data, time.Time{})
	return err == nil && t.Refresh != ""
}

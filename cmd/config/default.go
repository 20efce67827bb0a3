package config

import (
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"powermgr/control/plan"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/cloud"
	"powermgr/devices/resideo"
	"powermgr/devices/tcc"
	"powermgr/devices/tesla"
)

// What holds where the configuration says nothing.

const stateDir = "/var/lib/powermgr"

// Polls, in seconds.
const (
	cycle              = 300 // what all was polled by in v2.0
	leastPowerwall     = 30  // Tesla allows 60 calls a minute; its figures are older than that
	leastThermostat    = 120 // Resideo allows some 240 calls an hour; the portal locks out who asks often
	leastWeather       = 900
	mostPoll, mostRare = 3600, 86400
)

// Tesla's calls a month. Fewer than leastCalls do not last for peaks on workdays.
const (
	usualCalls = 5000
	leastCalls = 2000
	mostCalls  = 1_000_000
)

// defaults is a Config before anything is read into it. What depends on
// something that is read is filled in by complete.
func defaults() Config {
	return Config{
		MQTT:          MQTT{URL: "mqtt://127.0.0.1:1883", BaseTopic: "powermgr", KeepaliveSeconds: 20},
		Discovery:     Discovery{Enabled: true, Prefix: "homeassistant", Format: FormatDevice},
		Weather:       Weather{BaseURL: "https://api.open-meteo.com"},
		Notifications: Notifications{SMTP: SMTP{Port: 587}, PerHour: 10},
		Settings: Settings{
			OffPeakReservePercent: 100,
			PrecoolLeadMinutes:    30, PrecoolThresholdF: 95, PrecoolAdjustmentF: 2, MinThermostatTempF: 67,
			ThermostatIncrementF: 2, MaxThermostatTempF: 82, MinHeatSetpointF: 62, MaxIndoorF: 86, MinIndoorF: 58,
			MinWriteIntervalMinutes: 10, EODBatteryWarningThreshold: 20, ReserveWithoutPercent: 20,
			Strategy: rules.StrategyRule, Plan: Plan{PeakWeightPerKWh: plan.DefaultOptions().PeakWeight, BatteryKWh: 13.5, BatteryKW: 5},
		},
		Tariff: Tariff{Currency: "$", Source: planner.FromConfig},
		Poll:   Poll{PowerwallPeakSeconds: 60, WeatherSeconds: 3600},
		Paths: Paths{
			JournalFile:      stateDir + "/journal.json",
			RamdiskStateFile: "/mnt/ramdisk/powermgr_state.json", PermanentMetricsDir: "/var/log/powermgr/metrics", MetricsKeepDays: 400,
		},
		Logging: Logging{Output: LogAuto},
	}
}

// defaultSeasons are a common tariff: expensive afternoons in summer, expensive mornings
// and evenings in winter.
func defaultSeasons() map[string]Season {
	clock := func(from, to Minute) PeakPeriod { return PeakPeriod{Start: from * 60, End: to * 60} }
	return map[string]Season{
		"summer": {Months: []time.Month{5, 6, 7, 8, 9, 10}, PeakPeriods: []PeakPeriod{clock(16, 19)}},
		"winter": {Months: []time.Month{11, 12, 1, 2, 3, 4}, PeakPeriods: []PeakPeriod{clock(6, 9), clock(17, 20)}},
	}
}

func defaultThresholds() []Threshold {
	return []Threshold{{120, 75}, {60, 50}, {30, 25}}
}

// complete fills in what depends on other keys. It never touches what was
// given.
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
			season.Precool = devices.Pointer(name == "summer")
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
	if u, err := url.Parse(c.MQTT.URL); err == nil && u.Host != "" && u.Port() == "" {
		port := map[string]string{"mqtt": "1883", "tcp": "1883", "mqtts": "8883", "tls": "8883", "ssl": "8883"}[u.Scheme]
		u.Host = net.JoinHostPort(u.Hostname(), port)
		c.MQTT.URL = u.String()
	}
	if c.Discovery.StatusTopic == "" {
		c.Discovery.StatusTopic = c.Discovery.Prefix + "/status"
	}
	if c.Weather.Source == "" {
		c.Weather.Source = WeatherMQTT
		if c.Weather.Latitude != nil && c.Weather.Longitude != nil {
			c.Weather.Source = WeatherOpenMeteo
		}
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

// completeFrom finds a sender: most servers want it to be the user.
func (n *Notifications) completeFrom() {
	r := n.Recipients
	for _, address := range slices.Concat([]string{n.SMTP.Username}, r.Critical, r.Warning, r.Info) {
		if _, err := mail.ParseAddress(address); err == nil && n.SMTP.From == "" {
			n.SMTP.From = address
		}
	}
}

// completePolls takes v2.0's cycle where it has to do. A cycle that would be
// too quick for a vendor is slowed down, since v2.0 had one for all. It does not
// apply to a Powerwall whose calls are limited.
func (l *loader) completePolls(c *Config) {
	every := cycle
	if c.Settings.CheckIntervalSeconds != 0 {
		every = c.Settings.CheckIntervalSeconds
	}
	for _, p := range []struct {
		key   string
		value *int
		least int
	}{
		{"poll.powerwall_seconds", &c.Poll.PowerwallSeconds, leastPowerwall},
		{"poll.thermostat_seconds", &c.Poll.ThermostatSeconds, leastThermostat},
	} {
		if *p.value != 0 {
			continue
		}
		if p.value == &c.Poll.PowerwallSeconds && c.Tesla != nil && c.Tesla.CallsPerMonth > 0 {
			*p.value = cycle // the calls there are pace it
			continue
		}
		*p.value = every
		if every > 0 && every < p.least {
			*p.value = p.least
			l.notice("settings.check_interval_seconds", "%d is too often for %s: it is %d", every, p.key, p.least)
		}
	}
}

func (l *loader) completeTesla(t *Tesla) {
	if t.TokenFile == "" && t.APIToken == "" && t.ClientID != "" && l.isAddon() {
		t.TokenFile = filepath.Join(l.state, "tesla_token.json") // an add-on has one place alone for it
	}
	t.TokenFile = l.absolute(t.TokenFile)
	if t.TokenFile != "" && t.APIToken != "" {
		if l.authorized(t.TokenFile) {
			t.APIToken = "" // the one that can be refreshed
			l.notice("tesla.api_token", "not used, since there is an authorization in tesla.token_file")
		} else {
			l.notice("tesla.api_token", "used until powermgr auth tesla has filled tesla.token_file")
		}
	}
	owner := t.ClientID == tesla.OwnerClient && t.TokenFile != ""
	if t.BaseURL == "" {
		t.BaseURL = tesla.FleetURL
		if owner {
			t.BaseURL = tesla.OwnerURL
		}
	}
	if t.TokenURL == "" {
		t.TokenURL = tesla.FleetTokenURL
		if owner {
			t.TokenURL = tesla.OwnerTokenURL
		}
	}
	t.BaseURL = strings.TrimRight(t.BaseURL, "/")
}

func (l *loader) completeHoneywell(h *Honeywell) {
	h.TokenFile = l.absolute(h.TokenFile)
	authorization, session := h.TokenFile, h.TokenFile
	if h.TokenFile == "" {
		authorization, session = filepath.Join(l.state, "honeywell_token.json"), filepath.Join(l.state, "honeywell_session.json")
	}
	if h.Backend == "" {
		app, account := h.ClientID != "" && h.ClientSecret != "", h.Username != "" && h.Password != ""
		switch {
		case app && l.authorized(authorization):
			h.Backend = BackendResideo
		case account:
			h.Backend = BackendTCC
		default:
			h.Backend = BackendResideo
		}
		if app && account {
			l.notice("honeywell.backend", "not given, with the keys of both clouds: taking %s", h.Backend)
		}
	}
	h.TokenFile = authorization
	if h.Backend == BackendTCC {
		h.TokenFile = session
	}
	if h.BaseURL == "" {
		h.BaseURL = map[string]string{BackendResideo: resideo.DefaultBaseURL, BackendTCC: tcc.DefaultBaseURL}[h.Backend]
	}
	h.BaseURL = strings.TrimRight(h.BaseURL, "/")
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

// nodeName is the host's name as far as it can be part of a topic.
func (l *loader) nodeName() string {
	host, err := l.host()
	if err != nil || host == "" {
		host = "powermgr"
	}
	host, _, _ = strings.Cut(host, ".")
	name := []rune(strings.Map(func(r rune) rune {
		if nodeRune(r) {
			return r
		}
		return '-'
	}, host))
	return string(name[:min(len(name), 64)])
}

func nodeRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || slices.Contains([]rune("-_"), r)
}

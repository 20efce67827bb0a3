package config

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"powermgr/devices"
	"powermgr/devices/cloud"
	"powermgr/devices/tesla"
)

// Whether a configuration makes sense. Everything that is wrong is said; what
// is only odd is a notice.

func (l *loader) check(c *Config) {
	l.checkTesla(c.Tesla)
	if text := c.Expiring(l.now()); text != "" {
		l.notice("tesla", "%s", text)
	}
	l.checkHoneywell(c.Honeywell)
	if c.Tesla == nil && c.Honeywell == nil {
		l.notice("tesla", "neither tesla nor honeywell is there: nothing is polled by this process")
	}
	l.checkPlaceholders(c)
	l.checkMQTT(c.MQTT)
	l.checkTopics(c)
	l.checkWeather(c)
	l.checkMail(c.Notifications)
	l.checkCalendar(c)
	l.checkBattery(c.Settings)
	l.checkThermostats(c)
	l.checkPolls(c)
	l.checkTariff(c)
	l.checkReportPrices(c.Tariff)
	l.checkNode(c)
}

// among notes a value outside of its range, both ends allowed.
func (l *loader) among(key string, value, least, most float64) {
	if value < least || value > most || !devices.Finite(value) {
		l.problem(key, "%g is not between %g and %g", value, least, most)
	}
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		l.problem(key, "%s is not one of %s%s", quoted(value), strings.Join(allowed, ", "), DidYouMean(value, allowed))
	}
}

// vendorURL notes an address that secrets must not be sent to.
func (l *loader) vendorURL(key, value string) {
	u, err := cloud.BaseURL(value)
	if err != nil {
		l.problem(key, "%s", err)
		return
	}
	if u.Scheme == "http" {
		l.notice(key, "plain HTTP on this machine: right for the emulator alone")
	}
}

func (l *loader) checkTesla(t *Tesla) {
	if t == nil {
		return
	}
	switch {
	case t.TokenFile == "" && t.APIToken == "":
		l.problem("tesla", "it needs token_file, which powermgr auth tesla fills, or api_token; or leave tesla out if there is no Powerwall")
	case t.TokenFile != "" && t.ClientID == "":
		l.problem("tesla.client_id", "token_file needs the client id of the app that the token is for, or ownerapi")
	}
	if t.TokenFile == "" && t.ClientID == tesla.OwnerClient {
		l.notice("tesla.client_id", "ownerapi counts with a token_file alone: the API is %s", t.BaseURL)
	}
	if t.EnergySiteID < 0 {
		l.problem("tesla.energy_site_id", "%d is not a site: leave it out if the account has one", t.EnergySiteID)
	}
	if n := t.CallsPerMonth; n != 0 && (n < leastCalls || n > mostCalls) {
		l.problem("tesla.calls_per_month", "%d is not between %d and %d: fewer do not last for the peaks of a month; 0 is for no limit", n, leastCalls, mostCalls)
	}
	l.vendorURL("tesla.base_url", t.BaseURL)
	l.vendorURL("tesla.token_url", t.TokenURL)
	if t.BaseURL == tesla.OwnerURL {
		l.notice("tesla.client_id", "Tesla refuses many clients of the owner API since June 2026: if it does so here, make an app for the Fleet API")
	}
}

func (l *loader) checkHoneywell(h *Honeywell) {
	if h == nil {
		return
	}
	l.oneOf("honeywell.backend", h.Backend, BackendResideo, BackendTCC)
	switch missing := h.missing(); {
	case len(missing) == 0:
	case h.ClientID == "" && h.ClientSecret == "" && h.Username == "" && h.Password == "":
		l.problem("honeywell", "it needs client_id and client_secret (Resideo), or username and password (Total Connect Comfort); or leave honeywell out if there are no thermostats")
	default:
		l.problem("honeywell."+missing[0], "backend %s needs %s", h.Backend, strings.Join(missing, " and "))
	}
	if l.knownBackend(h) {
		l.vendorURL("honeywell.base_url", h.BaseURL)
	}
	if u, err := url.Parse(h.BaseURL); err == nil && u.Hostname() == "api.honeywell.com" {
		l.notice("honeywell.base_url", "this host has had no valid certificate since May 2026: leave the key out for the new one")
	}
}

func (l *loader) knownBackend(h *Honeywell) bool {
	return h.Backend == BackendResideo || h.Backend == BackendTCC
}

// missing are the keys that the backend needs and has not got.
func (h *Honeywell) missing() []string {
	needs := map[string]bool{}
	switch h.Backend {
	case BackendResideo:
		needs = map[string]bool{"client_id": h.ClientID == "", "client_secret": h.ClientSecret == ""}
	case BackendTCC:
		needs = map[string]bool{"username": h.Username == "", "password": h.Password == ""}
	}
	var keys []string
	for _, key := range []string{"client_id", "client_secret", "username", "password"} {
		if needs[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// brokerURL is what mqtt.url says; secure is that of TLS. It is nil when it
// cannot be used.
func (l *loader) brokerURL(text string) (u *url.URL, secure bool) {
	u, err := url.Parse(text)
	schemes := map[string]bool{"mqtt": false, "tcp": false, "mqtts": true, "tls": true, "ssl": true} // to whether it is TLS
	switch {
	case err == nil && (u.Scheme == "ws" || u.Scheme == "wss"):
		l.problem("mqtt.url", "MQTT over WebSockets is not spoken: write mqtt://host:1883, or mqtts://host:8883 for TLS")
		return nil, false
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		l.problem("mqtt.url", "it must read like mqtt://192.168.1.10:1883, or mqtts://broker.example:8883 for TLS")
		return nil, false
	case u.User != nil:
		l.problem("mqtt.url", "user name and password belong in mqtt.username and mqtt.password, where they are never printed")
		return nil, false
	}
	secure, known := schemes[u.Scheme]
	if !known {
		l.problem("mqtt.url", "%s is not a scheme for a broker: write mqtt://host:1883, or mqtts://host:8883 for TLS", quoted(u.Scheme))
		return nil, false
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil {
		l.problem("mqtt.url", "%s is not a port", quoted(u.Port()))
	}
	return u, secure
}

func (l *loader) checkMQTT(m MQTT) {
	u, secure := l.brokerURL(m.URL)
	for _, f := range []struct{ key, value string }{
		{"ca_file", m.TLS.CAFile}, {"cert_file", m.TLS.CertFile}, {"key_file", m.TLS.KeyFile}, {"server_name", m.TLS.ServerName},
	} {
		key := "mqtt.tls." + f.key
		if f.value == "" {
			continue
		}
		if u != nil && !secure {
			l.problem(key, "it has no effect, since %s is without TLS: write mqtts:// in mqtt.url", u.Scheme)
		} else if strings.HasSuffix(key, "_file") {
			if _, _, err := l.read(f.value); err != nil {
				l.problem(key, "%s cannot be read: %s", f.value, plain(err))
			}
		}
	}
	if (m.TLS.CertFile == "") != (m.TLS.KeyFile == "") {
		l.problem("mqtt.tls", "cert_file and key_file go together")
	}
	if m.Password != "" && m.Username == "" {
		l.problem("mqtt.password", "it needs mqtt.username")
	}
	if u != nil && m.Password != "" && !secure {
		ip, err := netip.ParseAddr(u.Hostname())
		if local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback() || l.isAddon() && m.URL == usualBroker; !local {
			l.notice("mqtt.password", "it goes over the network without TLS: mqtts:// in mqtt.url, if the broker can")
		}
	}
	if len(m.ClientID) > 128 || strings.ContainsFunc(m.ClientID, func(r rune) bool { return r < '!' || r > '~' }) {
		l.problem("mqtt.client_id", "%s has to be at most 128 letters, digits and signs without spaces", quoted(m.ClientID))
	}
	l.among("mqtt.keepalive_seconds", float64(m.KeepaliveSeconds), 5, 300)
}

func (l *loader) checkTopics(c *Config) {
	for _, t := range []struct{ key, value string }{
		{"mqtt.base_topic", c.MQTT.BaseTopic}, {"discovery.prefix", c.Discovery.Prefix}, {"discovery.status_topic", c.Discovery.StatusTopic},
	} {
		if why := badTopic(t.value); why != "" {
			l.problem(t.key, "%s %s", quoted(t.value), why)
		}
	}
	base := c.MQTT.BaseTopic
	if base == c.Discovery.Prefix || strings.HasPrefix(base, c.Discovery.Prefix+"/") || strings.HasPrefix(c.Discovery.Prefix, base+"/") {
		l.problem("mqtt.base_topic", "%s and discovery.prefix %s must not lie in each other", quoted(base), quoted(c.Discovery.Prefix))
	}
	l.oneOf("discovery.format", c.Discovery.Format, FormatDevice, FormatComponent)
}

// badTopic says why nothing can be published on a topic, or below it.
func badTopic(topic string) string {
	switch {
	case topic == "":
		return "is no topic"
	case strings.ContainsAny(topic, "+#"):
		return "must not have the wildcards + and #"
	case strings.HasPrefix(topic, "$"):
		return "must not begin with $, which is the broker's"
	case strings.HasPrefix(topic, "/"), strings.HasSuffix(topic, "/"), strings.Contains(topic, "//"):
		return "must have words between its slashes, and none at its ends"
	case strings.ContainsFunc(topic, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xfffd }):
		return "must not have spaces"
	case len(topic) > 128:
		return "must not be longer than 128 bytes"
	}
	return ""
}

func (l *loader) checkWeather(c *Config) {
	w := c.Weather
	l.oneOf("weather.source", w.Source, WeatherOpenMeteo, WeatherMQTT, WeatherNone)
	switch {
	case (w.Latitude == nil) != (w.Longitude == nil):
		l.problem("weather", "latitude and longitude go together")
	case w.Latitude != nil:
		l.among("weather.latitude", *w.Latitude, -90, 90)
		l.among("weather.longitude", *w.Longitude, -180, 180)
	case w.Source == WeatherOpenMeteo:
		l.problem("weather.source", "open-meteo needs weather.latitude and weather.longitude")
	}
	l.vendorURL("weather.base_url", w.BaseURL)
	if w.APIKey != "" || w.APIURL != "" {
		l.notice("weather.api_key", "weather.api_key and weather.api_url are not used: the forecast is Open-Meteo's, which needs neither")
	}
	precools := func(s Season) bool { return *s.Precool && len(s.PeakPeriods) > 0 }
	rates := slices.ContainsFunc(c.Tariff.Rates, func(r Rate) bool { return r.rate().Peak && r.rate().Precool })
	if w.Source != WeatherOpenMeteo && c.Honeywell != nil && c.Settings.PrecoolAdjustmentF > 0 &&
		(rates || slices.ContainsFunc(c.Settings.SeasonNames(), func(name string) bool { return precools(c.Settings.Seasons[name]) })) {
		if w.Source == WeatherNone {
			l.notice("weather.source", "without a forecast nothing is precooled")
		} else {
			l.notice("weather.source", "precooling waits for a number on %s: for a forecast give weather.latitude and weather.longitude",
				devices.Topics{Base: c.MQTT.BaseTopic}.Weather("forecast_high"+devices.Set))
		}
	}
}

func (l *loader) checkMail(n Notifications) {
	s := n.SMTP
	l.among("notifications.smtp.port", float64(s.Port), 1, 65535)
	l.among("notifications.per_hour", float64(n.PerHour), 1, 60)
	if s.From != "" {
		if _, err := mail.ParseAddress(s.From); err != nil {
			l.problem("notifications.smtp.from", "%s is not an e-mail address", quoted(s.From))
		}
	}
	if strings.ContainsAny(s.Server, ":/ ") && net.ParseIP(s.Server) == nil {
		l.problem("notifications.smtp.server", "%s is not a host name: the port belongs in notifications.smtp.port", quoted(s.Server))
	}
	if s.CAFile != "" {
		if data, _, err := l.read(s.CAFile); err != nil || !x509.NewCertPool().AppendCertsFromPEM(data) {
			l.notice("notifications.smtp.ca_file", "%s has no certificate in PEM that can be read here: no mail leaves if it is the same for the daemon", s.CAFile)
		}
	}
	if (s.Username == "") != (s.Password == "") {
		l.problem("notifications.smtp", "username and password go together")
	}
	somebody := false
	for _, r := range []struct {
		key       string
		addresses []string
	}{
		{"info", n.Recipients.Info}, {"warning", n.Recipients.Warning}, {"critical", n.Recipients.Critical},
	} {
		for i, a := range r.addresses {
			somebody = true
			if _, err := mail.ParseAddress(a); err != nil {
				l.problem(fmt.Sprintf("notifications.recipients.%s[%d]", r.key, i), "%s is not an e-mail address", quoted(a))
			}
		}
	}
	switch {
	case somebody && s.Server == "":
		l.notice("notifications.smtp.server", "there are recipients and no server: no mail is sent")
	case s.Server != "" && len(n.Recipients.Critical) == 0:
		l.notice("notifications.recipients.critical", "nobody is told when somebody has to do something")
	}
}

func (l *loader) checkPolls(c *Config) {
	for _, p := range []struct {
		key                string
		value, least, most int
	}{
		{"poll.powerwall_peak_seconds", c.Poll.PowerwallPeakSeconds, leastPowerwall, mostPoll},
		{"poll.powerwall_seconds", c.Poll.PowerwallSeconds, leastPowerwall, mostPoll},
		{"poll.thermostat_seconds", c.Poll.ThermostatSeconds, leastThermostat, mostPoll},
		{"poll.weather_seconds", c.Poll.WeatherSeconds, leastWeather, mostRare},
	} {
		if p.value == c.Settings.CheckIntervalSeconds && p.value > p.most || p.value < 0 && p.value == c.Settings.CheckIntervalSeconds {
			p.key = "settings.check_interval_seconds"
		}
		l.among(p.key, float64(p.value), float64(p.least), float64(p.most))
	}
}

func (l *loader) checkNode(c *Config) {
	if node := c.HA.Node; len(node) > 64 || strings.ContainsFunc(node, func(r rune) bool { return !nodeRune(r) }) {
		l.problem("ha.node", "%s has to be at most 64 letters, digits, - and _", quoted(node))
	}
	pair := false
	for _, a := range []struct{ key, value string }{
		{"ha.primary_node_ip", c.HA.PrimaryNodeIP}, {"ha.backup_node_ip", c.HA.BackupNodeIP}, {"ha.virtual_ip", c.HA.VirtualIP},
	} {
		if a.value == "" {
			continue
		}
		pair = true
		_, err1 := netip.ParseAddr(a.value)
		_, err2 := netip.ParsePrefix(a.value)
		if err1 != nil && err2 != nil {
			l.problem(a.key, "%s is not an IP address", quoted(a.value))
		}
	}
	if pair && !c.HA.Enabled {
		l.notice("ha.enabled", "it is false: this node acts alone, whatever keepalived says")
	}
	l.checkHTTP(&c.HTTP)
	for _, p := range []struct{ key, value, without string }{
		{"paths.journal_file", c.Paths.JournalFile, "no setback or precooling begins, since it could not be undone after a crash"},
		{"paths.ramdisk_state_file", c.Paths.RamdiskStateFile, "what is counted is kept nowhere but at paths.journal_file, a few times a day"},
	} {
		if p.value == "" {
			l.problem(p.key, "it needs a path: leave the key out for the usual one")
		} else if info, err := os.Stat(p.value); err == nil && info.IsDir() {
			// Said, and no reason not to start, as with any path that cannot be
			// written: what is to be restored may be at the broker.
			l.notice(p.key, "%s is a folder and not a file in one: %s", p.value, p.without)
		}
	}
	if c.Paths.JournalFile != "" && filepath.Clean(c.Paths.JournalFile) == filepath.Clean(c.Paths.RamdiskStateFile) {
		l.problem("paths.ramdisk_state_file", "it must not be paths.journal_file, which has to survive a reboot")
	}
	if c.Paths.PermanentMetricsDir == "" {
		l.problem("paths.permanent_metrics_dir", "it needs a path: leave the key out for the usual one")
	}
	l.among("paths.metrics_keep_days", float64(c.Paths.MetricsKeepDays), 0, 3650)
	l.oneOf("logging.output", c.Logging.Output, LogAuto, LogText, LogJSON, LogJournal)
	if c.Logging.Format != "" {
		l.notice("logging.format", "it is Python's and has no effect: logging.output chooses among auto, text, json, journal")
	}
}

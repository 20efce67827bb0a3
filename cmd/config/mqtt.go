package config

import (
	"net/url"
	"strconv"
	"strings"

	"powermgr/control/planner"
	"powermgr/devices"
)

// The broker.

// MQTT is the broker. It may be down: control continues without it.
type MQTT struct {
	// URL has the scheme mqtt or tcp (plain), or mqtts, tls or ssl (TLS), a host and a
	// port; Load adds a missing port. WithoutBroker: there is no broker.
	URL string `koanf:"url" default:"mqtt://127.0.0.1:1883"`
	// Username and Password are for the broker. Empty, the default: anonymous.
	Username string         `koanf:"username"`
	Password devices.Secret `koanf:"password"`
	// ClientID has to be unique to this node. Empty in the file: "powermgr-" and ha.node.
	// Load fills it in.
	ClientID string `koanf:"client_id"`
	// BaseTopic is the start of all topics.
	BaseTopic string `koanf:"base_topic" default:"powermgr"`
	// KeepaliveSeconds is how long the connection may be silent.
	KeepaliveSeconds int     `koanf:"keepalive_seconds" default:"20" range:"5–300"`
	TLS              MQTTTLS `koanf:"tls"`
}

// WithoutBroker is the mqtt.url of an installation that has no broker.
const WithoutBroker = "none"

// Off reports whether there is no broker.
func (m MQTT) Off() bool { return m.URL == WithoutBroker }

// MQTTTLS is for a broker with a certificate that you issued yourself. It needs a
// scheme with TLS.
type MQTTTLS struct {
	// CAFile holds the certificate authority, PEM. Empty: the system's.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are a client certificate, PEM. Empty, both: none.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ServerName is the name in the broker's certificate. Empty: the host of
	// mqtt.url.
	ServerName string `koanf:"server_name"`
}

// brokerURL parses mqtt.url; nil if it cannot be used. secure reports whether the scheme
// is one with TLS.
func (l *loader) brokerURL(text string) (u *url.URL, secure bool) {
	u, err := url.Parse(text)
	schemes := map[string]bool{"mqtt": false, "tcp": false, "mqtts": true, "tls": true, "ssl": true} // whether each has TLS
	switch {
	case err == nil && (u.Scheme == "ws" || u.Scheme == "wss"):
		l.problem("mqtt.url", "MQTT over WebSockets is not supported: write mqtt://host:1883, or mqtts://host:8883 for TLS")
		return nil, false
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		l.problem("mqtt.url", "it must read like mqtt://192.168.1.10:1883, or mqtts://broker.example:8883 for TLS; write none if there is no broker")
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

func (l *loader) checkMQTT(c *Config) {
	m := c.MQTT
	if m.Off() {
		l.checkNoBroker(c)
		return
	}
	u, secure := l.brokerURL(m.URL)
	for _, f := range []struct{ key, value string }{
		{"ca_file", m.TLS.CAFile}, {"cert_file", m.TLS.CertFile}, {"key_file", m.TLS.KeyFile}, {"server_name", m.TLS.ServerName},
	} {
		key := "mqtt.tls." + f.key
		if f.value == "" {
			continue
		}
		if u != nil && !secure {
			l.problem(key, "it has no effect, since %s has no TLS: write mqtts:// in mqtt.url", u.Scheme)
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
		if local := devices.Loopback(u.Hostname()) || l.isAddon() && m.URL == usualBroker; !local {
			l.notice("mqtt.password", "it goes over the network without TLS: write mqtts:// in mqtt.url, if the broker supports that")
		}
	}
	if len(m.ClientID) > 128 || strings.ContainsFunc(m.ClientID, func(r rune) bool { return r < '!' || r > '~' }) {
		l.problem("mqtt.client_id", "%s has to be at most 128 letters, digits and symbols, without spaces", quoted(m.ClientID))
	}
}

// checkNoBroker reports settings that cannot work without a broker.
func (l *loader) checkNoBroker(c *Config) {
	for _, needs := range []struct {
		key string
		is  bool
		why string
	}{
		{"ha.enabled", c.HA.Enabled, "the nodes of a pair share a broker"},
		{"tariff.source", c.Tariff.Source == planner.FromMQTT, "prices by mqtt come over a broker"},
		{"weather.source", c.Weather.Source == WeatherMQTT, "a forecast by mqtt comes over a broker"},
	} {
		if needs.is {
			l.problem(needs.key, "%s, and mqtt.url is %s", needs.why, WithoutBroker)
		}
	}
}

package config

import (
	"net/url"
	"slices"
	"strings"

	"powermgr/deploy"
	"powermgr/devices"
)

// Finds client ids, user names and passwords that are still those of the example. Vendors
// count failed log-ins, so these are never used for one.

// credential is a value that is used for a log-in.
type credential struct{ key, value string }

// credentials returns the credentials that are in use, of every account in the
// configuration.
func (c Config) credentials() []credential {
	all := []credential{
		{"mqtt.username", c.MQTT.Username}, {"mqtt.password", c.MQTT.Password.Reveal()},
		{"notifications.smtp.username", c.Notifications.SMTP.Username}, {"notifications.smtp.password", c.Notifications.SMTP.Password.Reveal()},
	}
	if t := c.Tesla; t != nil && !emulated(t.BaseURL) {
		all = append(all, credential{"tesla.api_token", t.APIToken.Reveal()})
		if t.TokenFile != "" {
			all = append(all, credential{"tesla.client_id", t.ClientID}, credential{"tesla.client_secret", t.ClientSecret.Reveal()})
		}
	}
	if h := c.Honeywell; h != nil && !emulated(h.BaseURL) {
		if h.Backend == BackendTCC {
			all = append(all, credential{"honeywell.username", h.Username}, credential{"honeywell.password", h.Password.Reveal()})
		} else {
			all = append(all, credential{"honeywell.client_id", h.ClientID}, credential{"honeywell.client_secret", h.ClientSecret.Reveal()})
		}
	}
	return all
}

// Placeholders returns the keys below section, such as tesla or notifications.smtp,
// that still have the values of the example. Empty: those of the whole configuration.
func (c Config) Placeholders(section string) (keys []string) {
	for _, k := range c.credentials() {
		if within(k.key, section) || section == "" {
			if deploy.IsPlaceholder(k.value) {
				keys = append(keys, k.key)
			}
		}
	}
	return keys
}

// emulated reports whether an address is on this machine: what listens there is an
// emulator with log-ins of its own.
func emulated(base string) bool {
	u, err := url.Parse(base)
	return err == nil && (devices.Loopback(u.Hostname()) || u.Scheme == "http")
}

func (l *loader) checkPlaceholders(c *Config) {
	for _, key := range c.Placeholders("") {
		section, _, _ := strings.Cut(key, ".")
		then := map[string]string{
			"tesla":         "Tesla is not contacted until you set your own (an app's, from developer.tesla.com)",
			"honeywell":     "Honeywell is not contacted until you set your own",
			"mqtt":          "set the broker's, or leave it empty if the broker needs no log-in",
			"notifications": "no mail is sent until you set that of your mail account",
		}[section]
		if !slices.ContainsFunc(l.problems, func(p Problem) bool { return p.Key == key }) {
			l.notice(key, "this is still the example value: %s", then)
		}
	}
}

package config

import "strings"

// Announcements to Home Assistant, and their topics.

// The formats of discovery.
const (
	FormatDevice    = "device"    // one message for a device: Home Assistant 2024.12 and later
	FormatComponent = "component" // one message for an entity: any Home Assistant
)

// Discovery configures how devices are announced to Home Assistant.
type Discovery struct {
	// Enabled announces the devices. False: what was announced earlier is removed.
	Enabled bool `koanf:"enabled" default:"true"`
	// Prefix is Home Assistant's discovery prefix.
	Prefix string `koanf:"prefix" default:"homeassistant"`
	// Format is FormatDevice or FormatComponent.
	Format string `koanf:"format" default:"device" oneof:"device,component"`
	// StatusTopic is where Home Assistant says that it has started. Empty in
	// the file: Prefix and "/status". Load fills it in.
	StatusTopic string `koanf:"status_topic"`
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
		l.problem("mqtt.base_topic", "%s and discovery.prefix %s must not contain each other", quoted(base), quoted(c.Discovery.Prefix))
	}
}

// badTopic returns why nothing can be published on a topic, or below it.
func badTopic(topic string) string {
	switch {
	case topic == "":
		return "is not a topic"
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

// Package config is the configuration: which keys there are, where their values come
// from, whether they make sense, and what they mean, both in plain words and in the
// terms of the other packages. It starts nothing and commands nothing.
package config

// Config is the whole configuration, as Load returns it: complete, checked,
// with every default filled in. The tags of a field say what its key is and may be, as
// bounds.go explains; the comment says what it means, its unit, and what its zero
// value does. Each part is in the file of its name, with its checks.
//
// deploy/config.example.yaml has the same keys with words for whoever installs
// powermgr; a test holds the two together.
type Config struct {
	// Tesla is the Powerwall. Nil, no such section: there is none to control.
	Tesla *Tesla `koanf:"tesla"`
	// Honeywell are the thermostats. Nil, no such section: there are none.
	Honeywell *Honeywell `koanf:"honeywell"`

	MQTT          MQTT          `koanf:"mqtt"`
	Discovery     Discovery     `koanf:"discovery"`
	Weather       Weather       `koanf:"weather"`
	Notifications Notifications `koanf:"notifications"`
	Settings      Settings      `koanf:"settings"`
	Tariff        Tariff        `koanf:"tariff"`
	Poll          Poll          `koanf:"poll"`
	Paths         Paths         `koanf:"paths"`
	HA            HA            `koanf:"ha"`
	HTTP          HTTP          `koanf:"http"`
	Logging       Logging       `koanf:"logging"`
}

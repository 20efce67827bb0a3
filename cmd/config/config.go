// Package config is the configuration: which keys there are, where their values come
// from, whether they make sense, and what they mean, both in plain words and in the
// terms of the other packages. It starts nothing and commands nothing.
package config

// Config is the whole configuration, as Load returns it: complete, checked, with every
// default filled in. The tags of a field give its key and the allowed values, as
// bounds.go explains; the comment gives its meaning, its unit, and the effect of its
// zero value. Each part is in the file of its name, with its checks.
//
// deploy/config.example.yaml explains the same keys to whoever installs powermgr; a test
// keeps the two in step.
type Config struct {
	// Tesla is the Powerwall. Nil, no such section: there is no Powerwall to control.
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

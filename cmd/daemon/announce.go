package daemon

import (
	"context"

	"powermgr/bridge"
	"powermgr/control/health"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/discovery"
)

// announcer is the part that tells Home Assistant what there is.
func (d *Daemon) announcer(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	if c.MQTT.Off() {
		return "", nil, nil
	}
	s.Log = s.Log.With("part", "discovery")
	o := bridge.AnnouncerOptions{
		Shared: s, Prefix: c.Discovery.Prefix, Format: discovery.Format(c.Discovery.Format), Version: d.options.Version,
		Thermostats: c.Honeywell != nil, Controlled: c.Rules().Thermostats, Disabled: !c.Discovery.Enabled, Devices: []discovery.Device{Controller(s.Topics, d.options.Version, c.Tariff.Currency, c.Settings.Unit)},
	}
	if c.Tesla != nil {
		o.Powerwall = func(n devices.Nameplate) discovery.Device {
			return discovery.Powerwall(discovery.PowerwallDescription{Topics: s.Topics, Nameplate: n})
		}
	}
	return "discovery", bridge.NewAnnouncer(o).Run, nil
}

// Controller describes the peak controller, with the words of its rules, to an
// owner who reads temperatures in a unit; empty: °F.
func Controller(topics devices.Topics, version, currency string, owner devices.Unit) discovery.Device {
	return discovery.Controller(discovery.ControllerDescription{
		Topics: topics, Version: version, Currency: currency, Unit: owner, Phases: words(rules.Phases()), Strategies: words(rules.Strategies()), Overrides: words(rules.OverrideKinds()), EventTypes: words(rules.NoteTypes()), Parts: health.Parts(),
	})
}

func words[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}

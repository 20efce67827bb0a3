package daemon

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/cloud"
	"powermgr/devices/openmeteo"
	"powermgr/devices/resideo"
	"powermgr/devices/tcc"
	"powermgr/devices/tesla"
)

// client is the HTTP client of one vendor account, and the meter of its calls.
func (d *Daemon) client() (*http.Client, *bridge.Meter) {
	next := d.options.Transport
	if next == nil {
		next = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 10 * time.Minute, MaxIdleConnsPerHost: 2,
		}
	}
	m := &bridge.Meter{Next: timed{next, d.clockCheck}, Now: d.Bus.Now, Location: d.options.Config.Zone()}
	return &http.Client{Transport: m, Timeout: callLimit}, m
}

// powerwall is the part of the battery; no name if there is none.
func (d *Daemon) powerwall(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	if c.Tesla == nil {
		return "", nil, nil
	}
	client, meter := d.client()
	s.Log = s.Log.With("part", "powerwall")
	adapter, err := c.TeslaClient(client, d.Bus.Now, s)
	if err != nil {
		return "powerwall", nil, err
	}
	d.accounts = append(d.accounts, adapter)
	var device bridge.PowerwallDevice = adapter
	if c.Settings.DryRun {
		device = bridge.DryPowerwall{PowerwallDevice: adapter, Log: s.Log}
	}
	often, safely := d.options.Counters[0], d.options.Counters[1]
	return "powerwall", d.follows(bridge.NewPowerwall(bridge.PowerwallOptions{
		Shared: s, Device: device, Every: d.pace(c.Poll.PowerwallPeakSeconds, c.Poll.PowerwallSeconds), Meter: meter,
		Owed:    d.owed(func(target string) bool { return target == rules.Powerwall }),
		History: adapter,
		Energy:  &bridge.Energy{Often: often, Safely: safely, Log: s.Log, Gap: devices.Stale(inSeconds(c.Poll.PowerwallSeconds)), Location: c.Zone()},
	}).Run), nil
}

// TeslaClient is the adapter for the account in the configuration.
func (c Config) TeslaClient(client *http.Client, now func() time.Time, s bridge.Shared) (*tesla.Client, error) {
	return tesla.New(tesla.Options{
		BaseURL: c.Tesla.BaseURL, TokenURL: c.Tesla.TokenURL, SiteID: c.Tesla.EnergySiteID, ClientID: c.Tesla.ClientID,
		ClientSecret: c.Tesla.ClientSecret, TokenFile: c.Tesla.TokenFile, APIToken: c.Tesla.APIToken, HTTP: client, Now: now, Log: s.Log,
	})
}

// thermostats is the part of the thermostats; no name if there are none.
func (d *Daemon) thermostats(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	if c.Honeywell == nil || c.Honeywell.isExample() {
		return "", nil, nil
	}
	client, meter := d.client()
	s.Log = s.Log.With("part", "thermostats")
	adapter, err := c.thermostatClient(client, s)
	if err != nil {
		return "thermostats", nil, err
	}
	d.accounts = append(d.accounts, adapter)
	var device bridge.ThermostatDevices = adapter
	if c.Settings.DryRun {
		device = bridge.DryThermostats{ThermostatDevices: adapter, Log: s.Log}
	}
	every := inSeconds(c.Poll.ThermostatSeconds)
	return "thermostats", d.follows(bridge.NewThermostats(bridge.ThermostatsOptions{
		Shared: s, Device: device, Every: func(time.Time) time.Duration { return every }, Meter: meter, Location: c.Zone(),
		Owed: d.owed(func(target string) bool { return target != rules.Powerwall }),
	}).Run), nil
}

// thermostatAccount is an adapter for thermostats.
type thermostatAccount interface {
	bridge.ThermostatDevices
	account
}

func (c Config) thermostatClient(client *http.Client, s bridge.Shared) (thermostatAccount, error) {
	h := c.Honeywell
	if h.Backend == BackendTCC {
		return tcc.New(tcc.Options{
			BaseURL: h.BaseURL, Username: h.Username, Password: h.Password, SessionFile: h.TokenFile, Location: c.Zone(),
			HTTP: client, Now: s.Bus.Now, Log: s.Log,
		})
	}
	var sleep cloud.Sleep = func(ctx context.Context, d time.Duration) error { return bus.Sleep(ctx, s.Bus.Clock(), d) }
	return resideo.New(resideo.Options{
		BaseURL: h.BaseURL, ClientID: h.ClientID, ClientSecret: h.ClientSecret, TokenFile: h.TokenFile, Location: c.Zone(),
		HTTP: client, Now: s.Bus.Now, Sleep: sleep, Log: s.Log,
	})
}

// weather is the part of the forecast; no name if nobody wants one.
func (d *Daemon) weather(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	if c.Weather.Source == WeatherNone {
		return "", nil, nil
	}
	s.Log = s.Log.With("part", "weather")
	every := inSeconds(c.Poll.WeatherSeconds)
	o := bridge.WeatherOptions{Shared: s, Store: d.options.Counters[0], Every: func(time.Time) time.Duration { return every }, Location: c.Zone()}
	if c.Weather.Source == WeatherOpenMeteo {
		client, meter := d.client()
		adapter, err := openmeteo.New(openmeteo.Options{
			BaseURL: c.Weather.BaseURL, Latitude: *c.Weather.Latitude, Longitude: *c.Weather.Longitude, Location: c.Zone(), HTTP: client, Now: s.Bus.Now,
		})
		if err != nil {
			return "weather", nil, err
		}
		o.Source, o.Meter = adapter, meter
	}
	return "weather", bridge.NewWeather(o).Run, nil
}

// pace is how often to poll: more often in a peak and before it, be it by the
// schedule or by an override.
func (d *Daemon) pace(peakSeconds, otherSeconds int) func(time.Time) time.Duration {
	calendar, topic := d.options.Config.Calendar(), devices.Topics{Base: d.options.Config.MQTT.BaseTopic}.Control(devices.StateLeaf)
	return func(now time.Time) time.Duration {
		phase, peak := calendar.At(now)
		if m, ok := d.Bus.Retained(topic); ok && phase == rules.OffPeak {
			if state, err := bus.Decode[control.State](m); err == nil && state.Phase != "" {
				phase = state.Phase
			}
		}
		if phase != rules.OffPeak {
			return inSeconds(peakSeconds)
		}
		every := inSeconds(otherSeconds)
		if lead := peak.Start.Add(-calendar.Lead); !peak.Start.IsZero() && lead.After(now) {
			every = min(every, max(lead.Sub(now), time.Second)) // the lead begins with fresh figures
		}
		return every
	}
}

// owed reports whether something of one of the targets has still to be given
// back, as the controller says.
func (d *Daemon) owed(is func(target string) bool) func() bool {
	topic := devices.Topics{Base: d.options.Config.MQTT.BaseTopic}.Control(devices.StateLeaf)
	return func() bool {
		m, ok := d.Bus.Retained(topic)
		if !ok {
			return false
		}
		state, err := bus.Decode[control.State](m)
		return err == nil && slices.ContainsFunc(state.Owned, func(o rules.Owned) bool { return o.What == string(rules.Restore) && is(o.Target) })
	}
}

func brokerTLS(m MQTT) (*tls.Config, error) {
	u, err := url.Parse(m.URL)
	if err != nil {
		return nil, nil // NewLink says so
	}
	return bridge.TLSFiles{CAFile: m.TLS.CAFile, CertFile: m.TLS.CertFile, KeyFile: m.TLS.KeyFile, ServerName: m.TLS.ServerName}.Config(u)
}

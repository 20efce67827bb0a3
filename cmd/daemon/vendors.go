package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/control"
	"powermgr/control/health"
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
	return &http.Client{Transport: m, Timeout: callTimeout}, m
}

// absent is a part that answers the commands to what the configuration leaves out.
func absent(s bridge.Shared, name, filter, why string, args ...any) (string, func(context.Context) error, error) {
	s.Log = s.Log.With("part", name)
	return name, bridge.NewAbsent(s, filter, fmt.Sprintf(why, args...)).Run, nil
}

// unset says which keys of a section still have the example's values, and what to do.
const unset = "%s in the configuration still has the example's value: set your own, and load the configuration again"

// powerwall is the part of the battery, or of the answer that there is none.
func (d *Daemon) powerwall(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	commands := s.Topics.Powerwall("+" + devices.Set)
	if c.Tesla == nil {
		return absent(s, "powerwall", commands, "no Powerwall is configured: add a tesla section to the configuration, with powermgr setup or by hand")
	}
	if keys := c.Placeholders("tesla"); len(keys) > 0 {
		return absent(s, "powerwall", commands, unset, keys[0])
	}
	client, meter := d.client()
	s.Log = s.Log.With("part", "powerwall")
	meter.Budget, meter.Billed = d.budget(s), tesla.Data
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
	return "powerwall", d.afterPredecessor(bridge.NewPowerwall(bridge.PowerwallOptions{
		Shared: s, Device: device, Every: d.pace(c.Poll.PowerwallInPeak(), c.Poll.PowerwallSeconds), Meter: meter, Budget: meter.Budget, Moment: d.moment,
		Restoring: d.owed(func(target string) bool { return target == rules.Powerwall }),
		History:   adapter,
		Energy:    &bridge.Energy{Ramdisk: often, Disk: safely, Log: s.Log, Gap: devices.Stale(c.SlowestPowerwall()), Location: c.Zone()},
	}).Run), nil
}

// thermostats is the part of the thermostats, or of the answer that there are none.
func (d *Daemon) thermostats(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	commands := s.Topics.Thermostat("+", "+"+devices.Set)
	if c.Honeywell == nil {
		return absent(s, "thermostats", commands, "no thermostats are configured: add a honeywell section to the configuration, with powermgr setup or by hand")
	}
	if keys := c.Placeholders("honeywell"); len(keys) > 0 {
		return absent(s, "thermostats", commands, unset, keys[0])
	}
	client, meter := d.client()
	s.Log = s.Log.With("part", "thermostats")
	adapter, err := thermostatClient(c, client, s)
	if err != nil {
		return "thermostats", nil, err
	}
	d.accounts = append(d.accounts, adapter)
	var device bridge.ThermostatDevices = adapter
	if c.Settings.DryRun {
		device = bridge.DryThermostats{ThermostatDevices: adapter, Log: s.Log}
	}
	every := d.pace(c.Poll.ThermostatsInPeak(), c.Poll.ThermostatSeconds)
	d.thermostatPart = bridge.NewThermostats(bridge.ThermostatsOptions{
		Shared: s, Device: device, Every: every, Meter: meter, Location: c.Zone(),
		Restoring:  d.owed(func(target string) bool { return target != rules.Powerwall }),
		Controlled: c.Settings.ThermostatIDs, Listed: adapter.Listed,
		Missing: func(problem string) {
			d.Report(health.Thermostats, health.Report{Level: health.Warning, Problem: problem})
			if last, _ := s.Bus.Retained(bus.Missing); string(last.Payload) != problem {
				s.Bus.Publish(bus.Message{Topic: bus.Missing, Payload: []byte(problem), Retain: true})
			}
		},
	})
	return "thermostats", d.afterPredecessor(d.thermostatPart.Run), nil
}

// thermostatAccount is an adapter for thermostats.
type thermostatAccount interface {
	bridge.ThermostatDevices
	account
	// Listed is what the account has, by the vendor's last list of it; not sure
	// if that made no sense in part.
	Listed() (ids []string, sure bool)
}

func thermostatClient(c config.Config, client *http.Client, s bridge.Shared) (thermostatAccount, error) {
	h := c.Honeywell
	if h.Backend == config.BackendTCC {
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

// weather is the part of the forecast, or of the answer that nobody wants one.
func (d *Daemon) weather(s bridge.Shared) (string, func(context.Context) error, error) {
	c := d.options.Config
	if c.Weather.Source == config.WeatherNone {
		return absent(s, "weather", s.Topics.Weather("+"+devices.Set), "weather.source is none in the configuration, so no forecast is used: set it to mqtt to give one here")
	}
	s.Log = s.Log.With("part", "weather")
	every := config.Seconds(c.Poll.WeatherSeconds)
	o := bridge.WeatherOptions{Shared: s, Store: d.options.Counters[0], Every: func(time.Time) time.Duration { return every }, Location: c.Zone(), Unit: c.Settings.Unit}
	if c.Weather.Source == config.WeatherOpenMeteo {
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
	return func(now time.Time) time.Duration {
		m := d.moment(now)
		if m.Peak {
			return config.Seconds(peakSeconds)
		}
		every := config.Seconds(otherSeconds)
		if m.Fresh.After(now) {
			every = min(every, max(m.Fresh.Sub(now), time.Second))
		}
		return every
	}
}

// moment is what the pace depends on: the phase by the schedule, or by an override
// as the controller says.
func (d *Daemon) moment(now time.Time) bridge.Moment {
	scheduled := d.scheduled(now)
	m := bridge.Moment{Peak: scheduled.Phase != rules.OffPeak, Change: scheduled.Next}
	if !m.Peak {
		m.Fresh = scheduled.Next // the lead begins with fresh figures
	}
	said, ok := d.Bus.Retained(devices.Topics{Base: d.options.Config.MQTT.BaseTopic}.Control(devices.StateLeaf))
	if !ok {
		return m
	}
	state, err := bus.Decode[control.State](said)
	if err != nil {
		return m
	}
	m.Peak = m.Peak || state.Phase == rules.PrePeak || state.Phase == rules.InPeak
	if state.Until != nil && state.Until.After(now) && (m.Change.IsZero() || state.Until.Before(m.Change)) {
		m.Change = *state.Until
	}
	return m
}

// scheduled is what the calendar has at now.
func (d *Daemon) scheduled(now time.Time) rules.Plan {
	d.coming.mu.Lock()
	defer d.coming.mu.Unlock()
	d.coming.Coming = d.coming.At(d.calendar, now)
	return d.coming.Scheduled(d.calendar, now)
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

func brokerTLS(m config.MQTT) (*tls.Config, error) {
	u, err := url.Parse(m.URL)
	if err != nil {
		return nil, nil // NewLink says so
	}
	return bridge.TLSFiles{CAFile: m.TLS.CAFile, CertFile: m.TLS.CertFile, KeyFile: m.TLS.KeyFile, ServerName: m.TLS.ServerName}.Config(u)
}

// budget is what Tesla's calls may come to in a month.
func (d *Daemon) budget(s bridge.Shared) *bridge.Budget {
	c := d.options.Config
	return &bridge.Budget{
		Calls: c.Tesla.CallsPerMonth, Account: c.Tesla.Account(), Location: c.Zone(), Log: s.Log,
		Ahead:   func(now time.Time) bridge.Ahead { return config.AheadOf(d.calendar, now) },
		Ramdisk: d.options.Counters[0], Disk: d.options.Counters[1],
	}
}

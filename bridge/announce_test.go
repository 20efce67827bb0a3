package bridge

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
	"powermgr/discovery"
)

// home is what is announced of a Powerwall, with some entities or without.
func announced(without ...string) discovery.Device {
	d := discovery.Powerwall(discovery.PowerwallDescription{Topics: treeTopics})
	var kept []discovery.Entity
	for _, e := range d.Entities {
		if !strings.Contains(" "+strings.Join(without, " ")+" ", " "+e.Key+" ") {
			kept = append(kept, e)
		}
	}
	d.Entities = kept
	return d
}

func announcing(o AnnouncerOptions) func(Shared) func(context.Context) error {
	return func(s Shared) func(context.Context) error {
		o.Shared, o.Prefix = s, "homeassistant"
		if o.Format == "" {
			o.Format = discovery.ByDevice
		}
		return NewAnnouncer(o).Run
	}
}

// stored is what a broker still has from an earlier configuration.
func stored(r *rig, f discovery.Format, devs ...discovery.Device) {
	for _, d := range devs {
		for _, m := range discovery.Messages(d, f, "homeassistant", discovery.Origin{}) {
			r.bus.Publish(bus.Message{Topic: m.Topic, Payload: m.Payload, Retain: true, Origin: bus.Broker})
		}
	}
	r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
	synctest.Wait()
}

// sent returns what this process has published on discovery topics since the last call,
// as "topic: what".
func sent(r *rig, sub *bus.Subscription) (all []string) {
	for {
		m, ok, err := sub.Next(r.t.Context(), time.Now())
		if err != nil || !ok {
			return all
		}
		if m.Origin != bus.Local {
			continue
		}
		what := "announced"
		var body struct {
			Components map[string]map[string]any `json:"components"`
		}
		switch {
		case len(m.Payload) == 0:
			what = "emptied"
		case json.Unmarshal(m.Payload, &body) == nil:
			for key, c := range body.Components {
				if len(c) == 1 {
					what = "without " + key
				}
			}
		}
		topic := strings.TrimSuffix(strings.TrimPrefix(m.Topic, "homeassistant/"), "/config")
		all = append(all, topic+": "+what)
	}
}

func thermostatState(vendorID string) bus.Message {
	r := newThermostats().r
	r.VendorID = vendorID
	b, _ := json.Marshal(r)
	return bus.Message{Topic: treeTopics.Thermostat(r.ID(), devices.StateLeaf), Payload: b, Retain: true}
}

func announcedBattery(n devices.Nameplate) discovery.Device {
	return discovery.Powerwall(discovery.PowerwallDescription{Topics: treeTopics, Nameplate: n})
}

func powerwallState(firmware string) bus.Message {
	b, _ := json.Marshal(devices.PowerwallReading{PolledAt: time.Unix(1, 0), Nameplate: devices.Nameplate{Firmware: firmware}})
	return bus.Message{Topic: "powermgr/powerwall/state", Payload: b, Retain: true}
}

func TestAnnouncing(t *testing.T) {
	gone := discovery.Thermostat(discovery.ThermostatDescription{Topics: treeTopics, Reading: func() devices.ThermostatReading {
		r := newThermostats().r
		r.VendorID = "OLD"
		return r
	}()})
	other := discovery.Powerwall(discovery.PowerwallDescription{Topics: devices.Topics{Base: "elsewhere"}})
	for _, c := range []struct {
		name   string
		o      AnnouncerOptions
		before func(r *rig)
		want   []string
	}{
		{"at once, without a broker", AnnouncerOptions{Devices: []discovery.Device{announced()}}, func(*rig) {}, []string{"device/powermgr_powerwall: announced"}},
		{"a Powerwall when it was read, with what it is", AnnouncerOptions{Powerwall: announcedBattery}, func(r *rig) { r.bus.Publish(powerwallState("26.2")) },
			[]string{"device/powermgr_powerwall: announced"}},
		{"a Powerwall whose vendor is away", AnnouncerOptions{Powerwall: announcedBattery}, func(r *rig) { r.sleep(time.Minute) },
			[]string{"device/powermgr_powerwall: announced"}},
		{"a Powerwall that the broker knows more of, while its vendor is away", AnnouncerOptions{Powerwall: announcedBattery},
			func(r *rig) {
				stored(r, discovery.ByDevice, announcedBattery(devices.Nameplate{Firmware: "26.2"}))
				r.sleep(time.Minute)
			}, nil},
		{"a Powerwall after a restart", AnnouncerOptions{Powerwall: announcedBattery}, func(r *rig) {
			stored(r, discovery.ByDevice, announcedBattery(devices.Nameplate{Firmware: "26.2"}))
			r.bus.Publish(powerwallState("26.2"))
			r.bus.Publish(powerwallState(""))
		}, []string{"device/powermgr_powerwall: announced"}},
		{"a Powerwall with new firmware", AnnouncerOptions{Powerwall: announcedBattery}, func(r *rig) {
			r.bus.Publish(powerwallState("26.2"))
			r.sleep(time.Minute)
			r.bus.Publish(powerwallState("26.3"))
		}, []string{"device/powermgr_powerwall: announced", "device/powermgr_powerwall: announced"}},
		{"a thermostat when it was read", AnnouncerOptions{Thermostats: true}, func(r *rig) { r.bus.Publish(thermostatState("UP")) },
			[]string{"device/powermgr_thermostat_up: announced"}},
		{"what is at the broker already is not sent again", AnnouncerOptions{Devices: []discovery.Device{announced()}},
			func(r *rig) { stored(r, discovery.ByDevice, announced()) }, []string{"device/powermgr_powerwall: announced"}},
		{"a thermostat that is gone is taken back, once another was read", AnnouncerOptions{Thermostats: true}, func(r *rig) {
			stored(r, discovery.ByDevice, gone)
			r.sleep(time.Minute)
			r.bus.Publish(thermostatState("UP"))
		}, []string{"device/powermgr_thermostat_up: announced", "device/powermgr_thermostat_old: emptied", "device/powermgr_thermostat_up: announced"}},
		{"a thermostat that its vendor does not reach", AnnouncerOptions{Thermostats: true}, func(r *rig) {
			stored(r, discovery.ByDevice, gone)
			b, _ := json.Marshal(devices.ThermostatReading{VendorID: "OLD", Name: "Old"})
			r.bus.Publish(bus.Message{Topic: "powermgr/thermostat/old/state", Payload: b, Retain: true})
			r.bus.Publish(thermostatState("UP"))
		}, []string{"device/powermgr_thermostat_up: announced", "device/powermgr_thermostat_up: announced"}},
		{"a thermostat that is controlled and not shown", AnnouncerOptions{Thermostats: true, Controlled: []string{"old"}}, func(r *rig) {
			stored(r, discovery.ByDevice, gone)
			r.bus.Publish(thermostatState("UP"))
		}, []string{"device/powermgr_thermostat_up: announced", "device/powermgr_thermostat_up: announced"}},
		{"thermostats that are no longer configured", AnnouncerOptions{}, func(r *rig) { stored(r, discovery.ByDevice, gone) },
			[]string{"device/powermgr_thermostat_old: emptied"}},
		{"an entity that is gone", AnnouncerOptions{Devices: []discovery.Device{announced("mode")}},
			func(r *rig) { stored(r, discovery.ByDevice, announced()) },
			[]string{"device/powermgr_powerwall: announced", "device/powermgr_powerwall: without mode", "device/powermgr_powerwall: announced"}},
		{"another node that announces it otherwise is not corrected, since it would do the same", AnnouncerOptions{Devices: []discovery.Device{announced()}}, func(r *rig) {
			stored(r, discovery.ByDevice, announced())
			r.sleep(10 * time.Second)
			for range 3 {
				stored(r, discovery.ByDevice, announced("mode"))
				r.sleep(5 * time.Second)
			}
		}, []string{"device/powermgr_powerwall: announced"}},
		{"somebody else's is left alone", AnnouncerOptions{}, func(r *rig) { stored(r, discovery.ByDevice, other) }, nil},
		{"discovery switched off", AnnouncerOptions{Devices: []discovery.Device{announced()}, Disabled: true},
			func(r *rig) { stored(r, discovery.ByDevice, announced(), gone) },
			[]string{"device/powermgr_powerwall: emptied", "device/powermgr_thermostat_old: emptied"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sub *bus.Subscription
			bubble(t, func(s Shared) func(context.Context) error {
				sub = s.Bus.Subscribe("sent", "homeassistant/#")
				return announcing(c.o)(s)
			}, func(r *rig) {
				c.before(r)
				r.sleep(time.Minute)
				if got := sent(r, sub); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
					t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
			})
		})
	}
}

// A second topic for a unique id that Home Assistant has would be refused, so
// the topics of the other format are emptied before they are announced again.
func TestChangeOfFormat(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to discovery.Format
	}{{"to components", discovery.ByDevice, discovery.ByComponent}, {"to devices", discovery.ByComponent, discovery.ByDevice}} {
		t.Run(c.name, func(t *testing.T) {
			var sub *bus.Subscription
			bubble(t, func(s Shared) func(context.Context) error {
				sub = s.Bus.Subscribe("sent", "homeassistant/#")
				return announcing(AnnouncerOptions{Devices: []discovery.Device{announced()}, Format: c.to})(s)
			}, func(r *rig) {
				stored(r, c.from, announced())
				r.sleep(time.Minute)
				was := map[string]bool{}
				for _, m := range discovery.Messages(announced(), c.from, "homeassistant", discovery.Origin{}) {
					was[strings.TrimSuffix(strings.TrimPrefix(m.Topic, "homeassistant/"), "/config")+": emptied"] = true
				}
				emptied, after := 0, 0
				for _, line := range sent(r, sub) {
					switch {
					case was[line]:
						emptied++
					case emptied == len(was):
						after++
					}
				}
				if want := len(discovery.Messages(announced(), c.to, "homeassistant", discovery.Origin{})); emptied != len(was) || after != want {
					t.Errorf("%d of %d emptied, then %d of %d announced", emptied, len(was), after, want)
				}
			})
		})
	}
}

func TestWhatAPersonHasRemovedStaysAway(t *testing.T) {
	var sub *bus.Subscription
	bubble(t, func(s Shared) func(context.Context) error {
		sub = s.Bus.Subscribe("sent", "homeassistant/#")
		return announcing(AnnouncerOptions{Devices: []discovery.Device{announced()}, Thermostats: true})(s)
	}, func(r *rig) {
		stored(r, discovery.ByDevice)
		r.sleep(10 * time.Second)
		r.bus.Publish(bus.Message{Topic: "homeassistant/device/powermgr_powerwall/config", Retain: true, Origin: bus.Broker})
		r.sleep(10 * time.Second)
		sent(r, sub)
		r.bus.Publish(thermostatState("UP"))
		r.sleep(time.Minute)
		for _, line := range sent(r, sub) {
			if strings.Contains(line, "powerwall") {
				t.Errorf("%s", line)
			}
		}
	})
}

package main_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
)

// A reload made everything unavailable for a moment, and automations on the phase fired
// five times in one peak. Home Assistant must see what a reload has changed, and nothing
// else.
func TestAReloadIsInvisible(t *testing.T) {
	for _, c := range []struct {
		name       string
		edit       [2]string
		changed    map[string]any // in control/state
		gone       string         // a discovery config that is removed
		reconnects bool           // the daemon has to connect to the broker again
		dry        bool           // it commands nothing yet
	}{
		{name: "nothing was changed"},
		{name: "another reserve", edit: [2]string{"settings:", "settings:\n  peak_reserve_percent: 10"}, changed: map[string]any{"reserve_wanted_percent": 10.0}},
		{name: "no peak any more", edit: [2]string{`peak_periods: [{start: "10:00", end: "20:00"}]`, `peak_periods: []`}, changed: map[string]any{"phase": "off_peak"}},
		{name: "no thermostats any more", edit: [2]string{"honeywell: {", "#honeywell: {"}, gone: "homeassistant/device/powermgr_thermostat_1000002/config"},
		{name: "another client id", edit: [2]string{"mqtt: {", "mqtt: {client_id: other, "}, reconnects: true},
		{name: "nothing is commanded yet", dry: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t, "now")
			person := h.broker.Client(t, brokertest.Login{})
			person.Subscribe(t, "powermgr/#")
			person.Subscribe(t, "homeassistant/#")
			var flags []string
			reserve := 0.0
			if c.dry {
				flags, reserve = []string{"--begin-dry"}, 100
			}
			p := h.start(flags...)
			h.until("everything is published", func() bool {
				if all := person.Received("powermgr/control/health"); c.dry && (len(all) == 0 || !strings.Contains(all[len(all)-1].Payload, "sudo powermgr live")) {
					return false
				}
				owned, _ := state(person, "powermgr/control/state")["owned"].([]any)
				return state(person, "powermgr/powerwall/state")["reserve_percent"] == reserve && state(person, "powermgr/thermostat/1000002/state") != nil &&
					len(person.Received("homeassistant/device/powermgr_thermostat_1000002/config")) > 0 && (c.dry || len(owned) == 1)
			})
			time.Sleep(6 * time.Second) // online is published again, and late announcements arrive
			before := map[string]string{}
			for _, m := range person.Received() {
				before[m.Topic] = m.Payload
			}
			person.Forget()
			if c.edit[0] != "" {
				h.edit(c.edit[0], c.edit[1])
			}
			for range 2 { // the second one takes over from one that has taken over
				time.Sleep(time.Second) // readings of the same second are equal, and are not published twice
				seen := len(person.Received("powermgr/powerwall/state"))
				logged := strings.Count(p.log.String(), "the configuration was read again")
				_ = p.Process.Signal(syscall.SIGHUP)
				h.until("it is read again", func() bool { return strings.Count(p.log.String(), "the configuration was read again") > logged })
				h.until("and the battery is polled", func() bool { return len(person.Received("powermgr/powerwall/state")) > seen })
			}
			if c.gone != "" {
				h.until(c.gone+" is removed", func() bool {
					all := person.Received(c.gone)
					return len(all) > 0 && all[len(all)-1].Payload == ""
				})
			}
			for key, want := range c.changed {
				h.until(key+" is shown", func() bool { return state(person, "powermgr/control/state")[key] == want })
			}
			time.Sleep(4 * time.Second)
			if c.reconnects {
				if len(person.Received("powermgr/node/test/selftest")) == 0 {
					t.Error("it has not connected to the broker again")
				}
				return
			}
			for _, m := range person.Received() {
				was := before[m.Topic]
				before[m.Topic] = m.Payload
				switch {
				case was == m.Payload:
					t.Errorf("published again on %s: %.200s", m.Topic, m.Payload)
				case strings.Contains(m.Payload, "has not been read yet"):
					t.Errorf("%s: %.200s", m.Topic, m.Payload)
				case m.Topic == c.gone:
				case strings.HasPrefix(m.Topic, "homeassistant/") && c.gone == "", m.Topic == "powermgr/status", strings.HasSuffix(m.Topic, "/availability"),
					m.Topic == "powermgr/control/health", m.Topic == "powermgr/node/test/state", m.Topic == "powermgr/node/test/selftest":
					t.Errorf("%s: %.200s", m.Topic, m.Payload)
				case m.Topic == "powermgr/control/state" && slices.Equal(differ(was, m.Payload), []string{"minutes_left"}):
				case m.Topic == "powermgr/control/event" && len(c.changed) == 0, m.Topic == "powermgr/control/state" && len(c.changed) == 0:
					t.Errorf("%s: %s, was %s", m.Topic, m.Payload, was)
				case len(c.changed) > 0 && m.Topic == "powermgr/powerwall/state" && slices.Equal(differ(was, m.Payload), []string{"reserve_percent"}):
					// The new reserve was read in the second in which the battery was polled.
				case strings.HasSuffix(m.Topic, "/state"):
					if keys := differ(was, m.Payload); len(keys) == 0 {
						t.Errorf("%s: only the order has changed", m.Topic)
					} else if !strings.Contains(m.Topic, "/control/") && !slices.Contains(keys, "polled_at") {
						t.Errorf("%s: %v", m.Topic, keys)
					}
				}
			}
			// It still receives and answers commands.
			person.Forget()
			person.Publish(t, brokertest.Message{Topic: "powermgr/control/override/set", Payload: "pause 1h"})
			h.until("it still does what a person asks for", func() bool { return state(person, "powermgr/control/state")["override"] == "pause" })
			p.end(syscall.SIGTERM)
			person.Await(t, "powermgr/status", "offline")
		})
	}
}

// differ returns the fields in which two JSON objects differ.
func differ(a, b string) (keys []string) {
	var was, is map[string]any
	_ = json.Unmarshal([]byte(a), &was)
	_ = json.Unmarshal([]byte(b), &is)
	for key := range maps.Keys(is) {
		if !reflect.DeepEqual(was[key], is[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}

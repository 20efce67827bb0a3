package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/devices"
	"powermgr/discovery"
)

// What was announced under names that are no longer used is removed when a person agrees,
// and nothing else is.
func TestOldNamesAreTakenBack(t *testing.T) {
	broker := brokertest.Start(t, brokertest.Config{})
	person := broker.Client(t, brokertest.Login{})
	announced := func(base, prefix string, f discovery.Format) (topics []string) {
		d := discovery.Powerwall(discovery.PowerwallDescription{Topics: devices.Topics{Base: base}})
		for _, m := range discovery.Messages(d, f, prefix, discovery.Origin{}) {
			person.Publish(t, brokertest.Message{Topic: m.Topic, Payload: string(m.Payload), Retain: true})
			topics = append(topics, m.Topic)
		}
		return topics
	}
	stays := announced("haus/öst_b", "homeassistant", discovery.ByDevice)
	stays = append(stays, announced("haus/cabin", "homeassistant", discovery.ByDevice)...) // another home, whose powermgr runs
	person.Publish(t, brokertest.Message{Topic: "haus/cabin/status", Payload: "online", Retain: true})
	for topic, payload := range map[string]string{
		"ha/device/other_program/config":            `{"origin":{"name":"zigbee2mqtt"},"availability":[{"topic":"other/status"}]}`,
		"ha/device/haus_other_x/config":             `{"origin":{"name":"zigbee2mqtt"},"availability":[{"topic":"haus/other/status"}]}`,
		"ha/device/not_its_own_id/config":           `{"origin":{"name":"powermgr"},"availability":[{"topic":"haus/öst-a/status"}]}`,
		"ha/device/wild__powerwall/config":          `{"origin":{"name":"powermgr"},"availability":[{"topic":"wild/+/status"}]}`,
		"ha/device/no_json/config":                  `{`,
		"somebody/elses/powermgr_powerwall/state/x": `{"origin":{"name":"powermgr"},"availability":[{"topic":"powermgr/status"}]}`,
	} {
		person.Publish(t, brokertest.Message{Topic: topic, Payload: payload, Retain: true})
		stays = append(stays, topic)
	}
	goes := announced("haus/öst-a", "ha", discovery.ByDevice)                                         // another base and prefix
	goes = append(goes, announced("haus/öst_b", "my/ha", discovery.ByComponent)...)                   // another prefix of two levels, by entity
	goes = append(goes, announced("powermgr", "homeassistant", discovery.ByDevice)...)                // another base
	person.Publish(t, brokertest.Message{Topic: "powermgr/status", Payload: "offline", Retain: true}) // whose daemon has ended

	// What the daemon has left below its base topic, which another program shares.
	for topic, payload := range map[string]string{
		"powermgr/control/state":              `{"phase":"off_peak","reserve_wanted_percent":100}`,
		"powermgr/control/chart":              "\x89PNG",
		"powermgr/powerwall/state":            `{"reserve_percent":100,"polled_at":"2026-07-15T16:00:00Z"}`,
		"powermgr/powerwall/availability":     "online",
		"powermgr/thermostat/10/state":        `{"cool_setpoint":76,"polled_at":"2026-07-15T16:00:00Z"}`,
		"powermgr/thermostat/10/availability": "offline",
		"powermgr/node/pi1/state":             `{"role":"active","generation":3}`,
	} {
		person.Publish(t, brokertest.Message{Topic: topic, Payload: payload, Retain: true})
		goes = append(goes, topic)
	}
	for topic, payload := range map[string]string{
		"powermgr/thermostat/7/state":        `{"temperature":20}`,
		"powermgr/thermostat/7/availability": "online",
		"powermgr/control/plan":              "of somebody else",
		"powermgr/lamp/state":                `{"reserve_percent":100,"polled_at":"2026-07-15T16:00:00Z"}`,
		"haus/cabin/control/state":           `{"phase":"off_peak","reserve_wanted_percent":100}`, // a powermgr is online there
		"haus/öst_b/control/state":           `{"phase":"off_peak","reserve_wanted_percent":100}`, // the present one
	} {
		person.Publish(t, brokertest.Message{Topic: topic, Payload: payload, Retain: true})
		stays = append(stays, topic)
	}

	config := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("settings: {timezone: UTC}\nmqtt: {url: %q, base_topic: haus/öst_b}\n", broker.URL())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	clean := func(answer string, args ...string) string {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var out bytes.Buffer
		if code := run(ctx, append([]string{"--config", config, "discovery", "clean"}, args...), streams{in: strings.NewReader(answer), out: &out, err: &out}); code != exitDone {
			t.Errorf("exit %d: %s", code, &out)
		}
		return out.String()
	}
	left := func() (topics []string) {
		t.Helper()
		c := broker.Client(t, brokertest.Login{})
		defer c.Close()
		c.Subscribe(t, "#")
		c.Publish(t, brokertest.Message{Topic: "end", Payload: "x"})
		c.Await(t, "end", "x")
		for _, m := range c.Received() {
			if m.Topic != "end" && !strings.HasSuffix(m.Topic, "/status") && m.Payload != "" {
				topics = append(topics, m.Topic)
			}
		}
		slices.Sort(topics)
		return topics
	}
	all := slices.Sorted(slices.Values(slices.Concat(stays, goes)))
	for _, answer := range []string{"", "\n", "no\n"} {
		out := clean(answer)
		for _, topic := range goes {
			if !strings.Contains(out, topic) {
				t.Errorf("%s is not listed:\n%s", topic, out)
			}
		}
		for _, topic := range stays {
			if strings.Contains(out, topic) {
				t.Errorf("%s is listed:\n%s", topic, out)
			}
		}
		if got := left(); !slices.Equal(got, all) {
			t.Errorf("after the answer %q there are %v, want %v", answer, got, all)
		}
	}
	if out := clean("", "--yes"); !strings.Contains(out, fmt.Sprintf("Removed: %d.", len(goes)+1)) || !strings.Contains(out, `"haus/cabin" is left alone`) {
		t.Errorf("it says %s", out)
	}
	slices.Sort(stays)
	if got := left(); !slices.Equal(got, stays) {
		t.Errorf("there are %v, want %v", got, stays)
	}
	if out := clean("", "--yes"); !strings.Contains(out, "The broker has nothing under earlier names") {
		t.Errorf("it says %s", out)
	}
}

func TestOldNamesAtABrokerThatIsAway(t *testing.T) {
	broker := brokertest.StartEmbedded(t, brokertest.Config{})
	broker.Stop()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("settings: {timezone: UTC}\nmqtt: {url: "+broker.URL()+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, err := call("--config", config, "discovery", "clean", "--yes"); code != exitFailed || !strings.Contains(err, "the broker cannot be asked") {
		t.Errorf("exit %d: %s", code, err)
	}
	if code, _, err := call("discovery", "sweep"); code != exitWrong || !strings.Contains(err, `there is no command "sweep"`) {
		t.Errorf("exit %d: %s", code, err)
	}
}

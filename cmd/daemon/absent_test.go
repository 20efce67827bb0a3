package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/control"
	"powermgr/devices"
)

type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network here")
}

// A command to something that is not configured was never answered.
func TestEveryCommandIsAnswered(t *testing.T) {
	const nothing = "mqtt: {url: \"tcp://127.0.0.1:1\"}\nweather: {source: none}\nsettings: {timezone: UTC, dry_run: false}\n"
	const examples = "tesla: {client_id: 00000000-0000-0000-0000-000000000000, client_secret: s, token_file: /tmp/t.json}\nhoneywell: {backend: tcc, username: owner@example.com, password: p, token_file: /tmp/h.json}\n"
	for _, c := range []struct{ name, text, topic, payload, says string }{
		{"no forecast", nothing, "weather/forecast_high/set", "101", "set it to mqtt"},
		{"no Powerwall", nothing, "powerwall/reserve/set", "20", "add a tesla section"},
		{"no thermostats", nothing, "thermostat/hall/cool_setpoint/set", "74", "add a honeywell section"},
		{"the example's client id", nothing + examples, "powerwall/reserve/set", "20", "tesla.client_id in the configuration still has"},
		{"the example's user", nothing + examples, "thermostat/hall/mode/set", "cool", "honeywell.username in the configuration still has"},
		{"prices from another source", nothing, "tariff/set", "[]", "tariff.source is config"},
		{"no prices", nothing + "tariff: {source: mqtt}\n", "tariff/set", "", "not JSON"},
		{"no such command", nothing, "control/party/set", "ON", "there is no such command"},
		{"an empty payload", nothing, "control/override/set", "", "the payload is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "config.yaml")
			text := c.text + "paths: {journal_file: " + dir + "/journal.json, ramdisk_state_file: " + dir + "/state.json, permanent_metrics_dir: " + dir + "}\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			conf, _, err := config.Load(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				d, err := New(Options{Config: conf, Log: slog.New(slog.DiscardHandler), Transport: noNetwork{}, Link: func(bridge.LinkOptions) (func(context.Context) error, error) {
					return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil
				}})
				if err != nil {
					t.Fatal(err)
				}
				topics := devices.Topics{Base: conf.MQTT.BaseTopic}
				results, events := d.Bus.Subscribe("test", devices.ResultTopic(topics.Base+"/"+c.topic)), d.Bus.Subscribe("test", topics.Control(devices.EventLeaf))
				ctx, stop := context.WithCancel(t.Context())
				go d.Run(ctx)
				time.Sleep(time.Minute)
				d.Bus.Publish(bus.Message{Topic: topics.Base + "/" + c.topic, Payload: []byte(c.payload), Origin: bus.Broker, Retain: c.payload != ""})
				d.Bus.Publish(bus.Message{Topic: topics.Base + "/" + c.topic, Payload: []byte(c.payload), Origin: bus.Broker})
				time.Sleep(time.Second)
				var answered, told bool
				for {
					m, ok, _ := results.Next(ctx, time.Now())
					if !ok {
						break
					}
					r, _ := bus.Decode[devices.Result](m)
					answered = !r.Accepted && r.Final && strings.Contains(r.Reason, c.says)
				}
				for {
					m, ok, _ := events.Next(ctx, time.Now())
					if !ok {
						break
					}
					e, _ := bus.Decode[control.Event](m)
					told = told || e.Type == "refused" && strings.Contains(e.Reason, c.says)
				}
				if !answered || !told {
					t.Errorf("answered: %v, control/event: %v", answered, told)
				}
				if m, _ := d.Bus.Retained(topics.Base + "/" + c.topic); len(m.Payload) > 0 {
					t.Error("the retained command stays on the broker")
				}
				stop()
				synctest.Wait()
				time.Sleep(time.Minute)
			})
		})
	}
}

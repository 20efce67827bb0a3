package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

var published = regexp.MustCompile(`(?m)^ +mosquitto_pub -t (\S+) -m ('[^']*'|\S+)`)

// Each mosquitto_pub line of the documents is a command that powermgr accepts.
func TestTheDocumentsPublishWhatIsAccepted(t *testing.T) {
	mqtt := brokertest.StartEmbedded(t, brokertest.Config{})
	server := httptest.NewServer(vendors.New(emulator.Options{Now: time.Now}, vendors.Options{}).Handler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	config := filepath.Join(dir, "config.yaml")
	err := os.WriteFile(config, []byte(`
tesla: {api_token: emulator-access, base_url: `+server.URL+`}
honeywell: {backend: tcc, username: owner@example.com, password: emulator-password, base_url: `+server.URL+`, token_file: `+dir+`/session.json}
mqtt: {url: "`+mqtt.URL()+`"}
weather: {source: mqtt}
tariff: {source: mqtt}
paths: {journal_file: `+dir+`/journal.json, ramdisk_state_file: `+dir+`/state.json, permanent_metrics_dir: `+dir+`/metrics}
settings: {timezone: America/Los_Angeles, dry_run: true, thermostat_ids: ["1000002"]}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	person := mqtt.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	ctx, stop := context.WithCancel(context.Background())
	log, done := &newcomer{}, make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"run", "--config", config}, streams{in: strings.NewReader(""), out: log, err: log})
	}()
	defer func() { stop(); <-done }()
	within := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s\n%s", what, log)
			}
		}
	}
	within("the devices were not read", func() bool {
		return len(person.Received("powermgr/thermostat/1000002/state")) > 0 && len(person.Received("powermgr/powerwall/state")) > 0 && len(person.Received("powermgr/control/state")) > 0
	})

	// The examples in the documents, with the ids of this home and the date of tomorrow.
	tomorrow := time.Now().Add(24 * time.Hour)
	here := strings.NewReplacer("lcc_00a01ab10001", "1000002", "2026-12-01", tomorrow.Format(time.DateOnly), "2026-07-15", tomorrow.Format(time.DateOnly))
	for file, least := range map[string]int{"../../README.md": 1, "../../deploy/GUIDE.md": 15} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := published.FindAllStringSubmatch(string(text), -1)
		if len(lines) < least {
			t.Errorf("%s has %d lines with mosquitto_pub", file, len(lines))
		}
		for _, line := range lines {
			topic := here.Replace(line[1])
			payload := here.Replace(strings.Trim(line[2], "'"))
			answers := strings.TrimSuffix(topic, devices.Set) + devices.ResultSuffix
			before := len(person.Received(answers))
			person.Publish(t, brokertest.Message{Topic: topic, Payload: payload})
			within(line[0]+" was not answered", func() bool { return len(person.Received(answers)) > before })
			var res devices.Result
			if err := json.Unmarshal([]byte(person.Received(answers)[before].Payload), &res); err != nil || !res.Accepted {
				t.Errorf("%s: %s: %s (%v)", file, line[0], res.Reason, err)
			}
		}
	}
}

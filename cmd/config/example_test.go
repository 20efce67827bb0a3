package config

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"powermgr/deploy"
)

const examplePath = "../../deploy/config.example.yaml"

// People install the example: it must be valid as it is, and harmless.
func TestExample(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	c, notices, err := load(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Settings.DryRun {
		t.Error("the example does not begin in dry run")
	}
	if len(c.Settings.ThermostatIDs) != 0 {
		t.Error("the example controls somebody's thermostat")
	}
	var keys []string
	for _, n := range notices {
		keys = append(keys, n.Key)
	}
	if want := []string{"tesla.client_id", "honeywell.username", "honeywell.password", "settings.thermostat_ids"}; !slices.Equal(keys, want) {
		t.Errorf("it has notices about %v, want %v: %v", keys, want, notices)
	}
}

// withRates returns the example with the rates in it uncommented.
func withRates(text string) []byte {
	return []byte(strings.NewReplacer("\n  #rates:", "\n  rates:", "\n  #  - ", "\n    - ").Replace(text))
}

// The rates of the example are valid once they are uncommented.
func TestExampleRates(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = load(t, string(withRates(string(text))))
	if err == nil || !strings.Contains(err.Error(), "settings.seasons: tariff.rates say when power is expensive already") || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("beside settings.seasons: %v", err)
	}
	seasons := regexp.MustCompile(`(?s)\n  seasons:.*?\n  # The holidays of`)
	c, _, err := load(t, seasons.ReplaceAllString(string(withRates(string(text))), "\n  # The holidays of"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Calendar().Schedule == nil {
		t.Error("the rates do not say when power is expensive")
	}
}

// A key that is not in the example is one that nobody finds.
func TestExampleHasEveryKey(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	_, lines, err := parse(withRates(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range allKeys(reflect.TypeFor[Config](), "") {
		pattern := strings.NewReplacer(".", `\.`, "*", `\w+`, "[]", `\[\d+\]`).Replace(key)
		if found := regexp.MustCompile("^" + pattern + "$"); !slices.ContainsFunc(slices.Collect(maps.Keys(lines)), found.MatchString) {
			t.Errorf("%s is not there", key)
		}
	}
}

// The example sets each key to its default, except for the owner's own, so that leaving a
// key out has the effect that the example describes.
func TestExampleHasTheDefaults(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	example, _, err := load(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	least, _, err := load(t, `
tesla: {token_file: /var/lib/powermgr/tesla_token.json, client_id: 00000000-0000-0000-0000-000000000000}
honeywell: {username: owner@example.com, password: change-me}
weather: {latitude: 34.09, longitude: -117.43}
settings:
  dry_run: true
  timezone: America/Los_Angeles
  holidays: ["01-01", "us Memorial Day", "us Independence Day", "us Labor Day", "us Thanksgiving Day", "12-25"]
`)
	if err != nil {
		t.Fatal(err)
	}
	// Empty and missing lists are the same.
	least.Settings.ThermostatIDs, least.HTTP.TrustedProxies, least.Notifications.Recipients = []string{}, []string{}, Recipients{Info: []string{}, Warning: []string{}, Critical: []string{}}
	if !reflect.DeepEqual(example, least) {
		t.Errorf("the example has\n%+v\nthe defaults are\n%+v", example, least)
	}
}

// The credentials in the example are recognized as placeholders, and nothing else is.
func TestEveryPlaceholderOfTheExampleIsKnown(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	for _, backend := range []string{"tcc", "resideo"} {
		example, _, err := load(t, strings.Replace(string(text), "backend: tcc", "backend: "+backend, 1))
		var broken *Error
		if errors.As(err, &broken) { // resideo needs what the example leaves empty
			example = broken.Read
		} else if err != nil {
			t.Fatal(err)
		}
		for _, c := range example.credentials() {
			if c.value != "" && !deploy.IsPlaceholder(c.value) {
				t.Errorf("%s has %q, which is not in deploy/placeholders.txt", c.key, c.value)
			}
		}
	}
	list, err := os.ReadFile("../../deploy/placeholders.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); deploy.IsPlaceholder(line) != strings.Contains(string(text), ": "+line+"\n") {
			t.Errorf("deploy/placeholders.txt has %q, and the example does not", line)
		}
	}
}

// Each key for a log-in is checked, so that a new one is not forgotten.
func TestEveryCredentialIsLookedAt(t *testing.T) {
	for _, c := range []struct{ key, config string }{
		{"tesla.client_id", "tesla: {token_file: /t, client_id: 00000000-0000-0000-0000-000000000000}"},
		{"tesla.client_secret", "tesla: {token_file: /t, client_id: a, client_secret: change-me}"},
		{"tesla.api_token", "tesla: {api_token: change-me}"},
		{"honeywell.username", "honeywell: {backend: tcc, username: owner@example.com, password: a}"},
		{"honeywell.password", "honeywell: {backend: tcc, username: a, password: change-me}"},
		{"honeywell.client_id", "honeywell: {backend: resideo, client_id: 00000000-0000-0000-0000-000000000000, client_secret: a}"},
		{"honeywell.client_secret", "honeywell: {backend: resideo, client_id: a, client_secret: change-me}"},
		{"mqtt.username", "mqtt: {username: owner@example.com, password: a}"},
		{"mqtt.password", "mqtt: {username: a, password: change-me}"},
		{"notifications.smtp.username", "notifications: {smtp: {server: a, username: owner@example.com, password: a}, recipients: {critical: [a@b.example]}}"},
		{"notifications.smtp.password", "notifications: {smtp: {server: a, username: a, password: change-me}, recipients: {critical: [a@b.example]}}"},
	} {
		t.Run(c.key, func(t *testing.T) {
			config, notices, err := load(t, c.config+"\nsettings: {timezone: America/Los_Angeles}\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Placeholders(""); !slices.Equal(got, []string{c.key}) {
				t.Errorf("it finds %v", got)
			}
			if !slices.ContainsFunc(notices, func(n Notice) bool { return n.Key == c.key && strings.Contains(n.Text, "still the example value") }) {
				t.Errorf("no notice: %v", notices)
			}
		})
	}
	config, _, err := load(t, "honeywell: {backend: tcc, username: owner@example.com, password: a, base_url: 'http://127.0.0.1:1'}\nsettings: {timezone: America/Los_Angeles}\n")
	if err != nil || len(config.Placeholders("")) > 0 {
		t.Errorf("the emulator has that very log-in: %v %v", config.Placeholders(""), err)
	}
}

package daemon

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examplePath = "../../deploy/config.example.yaml"

// The example is what people install: it must be good as it is, and harmless.
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
	if want := []string{"honeywell.password", "settings.thermostat_ids"}; !slices.Equal(keys, want) {
		t.Errorf("it has notices about %v, want %v: %v", keys, want, notices)
	}
}

// A key that is not in the example is one that nobody finds.
func TestExampleHasEveryKey(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	_, lines, err := parse(text)
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

// What the example sets is the default, except for what is the owner's: so
// that a key which is left out does what the example says.
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
	// Empty lists and none are the same.
	least.Settings.ThermostatIDs, least.Notifications.Recipients = []string{}, Recipients{Info: []string{}, Warning: []string{}, Critical: []string{}}
	if !reflect.DeepEqual(example, least) {
		t.Errorf("the example has\n%+v\nleft out, it is\n%+v", example, least)
	}
}

package cmd

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"powermgr/cmd/pair"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/plan"
	"powermgr/control/report"
	"powermgr/devices"
)

// TOPICS.md is a contract: nobody can rely on a field that it does not name.
func TestTopicsNamesEveryField(t *testing.T) {
	b, err := os.ReadFile("../bridge/TOPICS.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(b), "\n**`")[1:] {
		topic, text, _ := strings.Cut(s, "`**")
		text, _, _ = strings.Cut(text, "\n\n")
		sections[topic] = text
	}
	for topic, payload := range map[string]any{
		"…/result":              devices.Result{},
		"powerwall/state":       devices.PowerwallReading{},
		"thermostat/<id>/state": devices.ThermostatReading{},
		"weather/state":         devices.Forecast{},
		"…/api":                 devices.API{},
		"control/state":         control.State{},
		"control/event":         control.Event{},
		"control/last_command":  control.LastCommand{},
		"control/plan":          plan.Plan{},
		"control/today":         report.Today{},
		"control/health":        health.Health{},
		"node/<node>/state":     pair.State{},
	} {
		text, ok := sections[topic]
		if !ok {
			t.Errorf("there is no paragraph about %s", topic)
		}
		for _, field := range fields(reflect.TypeOf(payload)) {
			if !strings.Contains(text, "`"+field+"`") {
				t.Errorf("%s: the field %s is not named", topic, field)
			}
		}
	}
}

// Discovery messages contain only topics that are in TOPICS.md.
func TestTopicsNamesEveryTopicOfDiscovery(t *testing.T) {
	page, err := os.ReadFile("../bridge/TOPICS.md")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := filepath.Glob("../discovery/testdata/*.json")
	if err != nil || len(golden) == 0 {
		t.Fatalf("%d golden files, %v", len(golden), err)
	}
	topic := regexp.MustCompile(`"powermgr/([a-z_]+/[^"]+|status)"`)
	thermostat := regexp.MustCompile(`^thermostat/[^/]+/`)
	seen := map[string]bool{}
	for _, path := range golden {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range topic.FindAllStringSubmatch(string(b), -1) {
			name := thermostat.ReplaceAllString(m[1], "thermostat/<id>/")
			if !seen[name] && !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s is not named", name)
			}
			seen[name] = true
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d topics were looked for", len(seen))
	}
}

// fields returns the names of the fields in a payload, including nested ones.
func fields(t reflect.Type) (all []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fields(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "-" || !f.IsExported() && !f.Anonymous:
				continue
			case name != "":
				all = append(all, name)
			}
			if f.Type.PkgPath() != "time" {
				all = append(all, fields(f.Type)...)
			}
		}
	}
	return all
}

package discovery

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"powermgr/deploy"
)

const readyMade = "../deploy/homeassistant"

// announced lists the entity ids of a home with everything: two thermostats, a
// Powerwall with all fields, and the controller.
func announced() map[string]bool {
	upstairs := downstairs()
	upstairs.VendorID, upstairs.Name = "LCC-00A01AB10002", "Upstairs"
	ids := map[string]bool{}
	for _, d := range []Device{controller(), powerwall(), thermostat(downstairs()), thermostat(upstairs)} {
		for _, e := range d.Entities {
			if id, ok := e.Body["default_entity_id"].(string); ok {
				ids[id] = true
			}
		}
	}
	return ids
}

// entityID finds ids of the kinds that powermgr announces. Apart from names of services,
// dashboards and blueprints must not contain ids of other integrations.
var entityID = regexp.MustCompile(`\b(?:binary_sensor|button|climate|event|image|number|select|sensor|switch)\.[a-z0-9_]+\b`)

func TestReadyMadeNamesNoEntityThatIsNotAnnounced(t *testing.T) {
	ids := announced()
	err := filepath.WalkDir(readyMade, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, id := range entityID.FindAllString(string(text), -1) {
			if !ids[id] {
				t.Errorf("%s: nobody announces %s", path, id)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The keys that an automation, a blueprint and its selectors may have: those of Home
// Assistant's schema that are used here.
var (
	blueprintKeys  = []string{"name", "description", "domain", "author", "source_url", "homeassistant", "input"}
	inputKeys      = []string{"name", "description", "default", "selector"}
	selectors      = []string{"action", "boolean", "entity", "number", "text"}
	automationKeys = []string{"blueprint", "mode", "max", "variables", "trigger_variables", "triggers", "conditions", "actions"}
	triggerKeys    = map[string][]string{
		"state": {"trigger", "entity_id", "to", "from", "not_from", "not_to", "for", "id"},
		"time":  {"trigger", "at", "id"},
	}
	conditionKeys = map[string][]string{"trigger": {"condition", "id"}, "template": {"condition", "value_template"}}
	stepKeys      = [][]string{
		{"choose"}, {"variables"}, {"condition", "value_template"}, {"action", "target", "data", "response_variable"},
	}
)

func TestBlueprintsKeepTheSchema(t *testing.T) {
	files, _ := filepath.Glob(readyMade + "/blueprints/automation/powermgr/*.yaml")
	if len(files) == 0 {
		t.Fatal("there are no blueprints")
	}
	readme, err := os.ReadFile(readyMade + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var document yaml.Node
			if err := yaml.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			page := deploy.Repository + "/blob/main/deploy/homeassistant/blueprints/automation/powermgr/" + filepath.Base(file)
			if got := field(field(document.Content[0], "blueprint"), "source_url").Value; got != page {
				t.Errorf("its source_url is %s, want %s", got, page)
			}
			if link := "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url=" + url.QueryEscape(page); !strings.Contains(string(readme), "| `"+filepath.Base(file)+"` |") || !strings.Contains(string(readme), "("+link+")") {
				t.Errorf("the README has no import link %s", link)
			}
			c := blueprintCheck{T: t, used: map[string]bool{}, triggers: map[string]bool{}}
			c.automation(document.Content[0])
		})
	}
}

// A blueprintCheck checks one blueprint.
type blueprintCheck struct {
	*testing.T
	used     map[string]bool // inputs that something refers to
	triggers map[string]bool // ids; true: a condition asks for it
}

func (c blueprintCheck) automation(n *yaml.Node) {
	c.keys(n, "the blueprint", automationKeys)
	c.inputs(n)
	blueprint := field(n, "blueprint")
	c.keys(blueprint, "blueprint", blueprintKeys)
	if field(blueprint, "domain").Value != "automation" || field(blueprint, "name").Value == "" {
		c.Error("a blueprint needs a name, and is for automations")
	}
	declared := map[string]bool{}
	for name, input := range fields(field(blueprint, "input")) {
		declared[name] = true
		c.keys(input, "input "+name, inputKeys)
		c.keys(field(input, "selector"), "selector of "+name, selectors)
		if field(input, "name").Value == "" {
			c.Errorf("input %s has no name", name)
		}
	}
	if !maps.Equal(declared, c.used) {
		c.Errorf("inputs that are declared: %v; used: %v", slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(c.used)))
	}
	for _, trigger := range field(n, "triggers").Content {
		c.trigger(trigger)
	}
	c.steps(field(n, "actions"))
	for id, asked := range c.triggers {
		if !asked {
			c.Errorf("no condition uses the trigger %q", id)
		}
	}
}

// trigger also checks that a state that becomes available again runs nothing.
func (c blueprintCheck) trigger(n *yaml.Node) {
	kind := field(n, "trigger").Value
	c.keys(n, "trigger "+kind, triggerKeys[kind])
	if id := field(n, "id").Value; id != "" {
		if _, known := c.triggers[id]; !known {
			c.triggers[id] = false
		}
	}
	if entity := field(n, "entity_id").Value; entity == "phase" || entity == "guests" {
		if field(n, "from").Value == "" && len(field(n, "not_from").Content) == 0 {
			c.Errorf("line %d: a restart runs this trigger: not_from unavailable is missing", n.Line)
		}
		for _, side := range []string{"to", "from"} {
			if state := field(n, side).Value; entity == "phase" && state != "" && !slices.Contains([]string{"off_peak", "pre_peak", "peak"}, state) {
				c.Errorf("line %d: there is no phase %s", n.Line, state)
			}
		}
	}
}

func (c blueprintCheck) steps(n *yaml.Node) {
	for _, step := range n.Content {
		if !slices.ContainsFunc(stepKeys, func(keys []string) bool { return len(unknown(step, keys)) == 0 }) {
			c.Errorf("line %d: no kind of action has these keys", step.Line)
		}
		for _, option := range field(step, "choose").Content {
			c.keys(option, "a choice", []string{"conditions", "sequence"})
			for _, condition := range field(option, "conditions").Content {
				kind := field(condition, "condition").Value
				c.keys(condition, "condition "+kind, conditionKeys[kind])
				id := field(condition, "id").Value
				if _, known := c.triggers[id]; kind == "trigger" && !known {
					c.Errorf("line %d: there is no trigger %q", condition.Line, id)
				} else if kind == "trigger" {
					c.triggers[id] = true
				}
			}
			c.steps(field(option, "sequence"))
		}
		if topic := field(field(step, "data"), "topic").Value; topic != "" {
			if sent := strings.Replace(topic, "{{ base }}", topics.Base, 1); !slices.Contains([]string{topics.Control("override/set"), topics.Weather("forecast_high/set"), topics.Tariff("set")}, sent) {
				c.Errorf("line %d: nothing reads %s", step.Line, sent)
			}
		}
	}
}

// inputs records every !input of a node.
func (c blueprintCheck) inputs(n *yaml.Node) {
	if n.Tag == "!input" {
		c.used[n.Value] = true
	}
	for _, child := range n.Content {
		c.inputs(child)
	}
}

func (c blueprintCheck) keys(n *yaml.Node, what string, known []string) {
	if wrong := unknown(n, known); len(wrong) > 0 || n.Kind != yaml.MappingNode {
		c.Errorf("line %d: %s has no key %v", n.Line, what, wrong)
	}
}

func unknown(n *yaml.Node, known []string) (wrong []string) {
	for key := range fields(n) {
		if !slices.Contains(known, key) {
			wrong = append(wrong, key)
		}
	}
	return wrong
}

// fields returns the fields of a mapping; anything else has none.
func fields(n *yaml.Node) map[string]*yaml.Node {
	all := map[string]*yaml.Node{}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			all[n.Content[i].Value] = n.Content[i+1]
		}
	}
	return all
}

// field returns the field of that name; an empty node if there is none.
func field(n *yaml.Node, name string) *yaml.Node {
	if f := fields(n)[name]; f != nil {
		return f
	}
	return &yaml.Node{}
}

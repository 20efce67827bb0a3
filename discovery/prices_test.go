package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"powermgr/control/tariff"
)

// renderTemplate renders a template of a blueprint with Jinja2, with the functions of Home
// Assistant that it uses. It reads the template, the attributes of the sensor and the inputs.
const renderTemplate = `
import json, sys, datetime
from jinja2.sandbox import ImmutableSandboxedEnvironment
asked = json.load(sys.stdin)
home = datetime.timezone(datetime.timedelta(hours=-7))
def as_datetime(v):
    return v if isinstance(v, datetime.datetime) else datetime.datetime.fromisoformat(v)
def as_local(v):
    return v.replace(tzinfo=home) if v.tzinfo is None else v.astimezone(home)
def is_number(v):
    try: return abs(float(v)) < float("inf")
    except (TypeError, ValueError): return False
e = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
e.filters.update(as_datetime=as_datetime, as_local=as_local, tojson=json.dumps)
e.globals.update(state_attr=lambda _, name: asked["attributes"].get(name), is_number=is_number, timedelta=datetime.timedelta)
print(e.from_string(asked["template"]).render(asked["inputs"]))
`

// The blueprint turns a sensor's attributes, whatever their names, into a list of prices
// that powermgr accepts.
func TestHourlyPricesAreTaken(t *testing.T) {
	python := python(t)
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import jinja2").CombinedOutput(); err != nil {
		t.Skipf("there is no jinja2: %s", out)
	}
	text, err := os.ReadFile(readyMade + "/blueprints/automation/powermgr/hourly_prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	template := field(field(field(document.Content[0], "actions").Content[0], "variables"), "prices").Value
	for _, tt := range []struct {
		name, attributes string
		inputs           map[string]any
		want             string
	}{
		{"hours with their offset, tomorrow still unknown", `{"raw_today": [{"start": "2026-07-15T00:00:00-07:00", "end": "2026-07-15T01:00:00-07:00", "value": 0.25}, {"start": "2026-07-15T01:00:00-07:00", "value": -0.01}], "raw_tomorrow": []}`, nil,
			"00:00-01:00 0.25, 01:00-02:00 -0.01"},
		{"no attributes", `{}`, nil, ""},
		{"an unknown price", `{"raw_today": [{"start": "2026-07-15T00:00:00-07:00", "value": null}, {"start": "2026-07-15T01:00:00-07:00", "value": 1}]}`, nil, "01:00-02:00 1"},
		{"quarter hours in cents with a tax, in any order and without an offset", `{"data": [{"at": "2026-07-15T00:15:00", "ct": 20}, {"at": "2026-07-15T00:00:00", "ct": 10}]}`,
			map[string]any{"today": "data", "start": "at", "price": "ct", "factor": 0.01, "added": 0.05}, "00:00-00:15 0.15, 00:15-00:30 0.25"},
		{"both lists have tomorrow's prices", `{"raw_today": [{"start": "2026-07-15T00:00:00-07:00", "value": 1}, {"start": "2026-07-15T01:00:00-07:00", "value": 2}], "raw_tomorrow": [{"start": "2026-07-15T01:00:00-07:00", "value": 2}]}`, nil,
			"00:00-01:00 1, 01:00-02:00 2"},
		{"a gap", `{"raw_today": [{"start": "2026-07-15T00:00:00-07:00", "value": 1}, {"start": "2026-07-15T05:00:00-07:00", "value": 2}]}`, nil, "00:00-01:00 1, 05:00-06:00 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inputs := map[string]any{"sensor": "", "today": "raw_today", "tomorrow": "raw_tomorrow", "start": "start", "price": "value", "factor": 1, "added": 0}
			maps.Copy(inputs, tt.inputs)
			asked, err := json.Marshal(map[string]any{"template": template, "attributes": json.RawMessage(tt.attributes), "inputs": inputs})
			if err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), python, "-c", renderTemplate)
			c.Stdin = strings.NewReader(string(asked))
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if tt.want == "" {
				if strings.TrimSpace(string(out)) != "[]" { // which the condition does not send
					t.Errorf("%s", out)
				}
				return
			}
			quotes, err := tariff.ParseQuotes(out)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got []string
			for _, q := range quotes {
				got = append(got, fmt.Sprintf("%s-%s %g", q.Start.Format("15:04"), q.End.Format("15:04"), q.Import))
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

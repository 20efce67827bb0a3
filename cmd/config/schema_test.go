package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

// schemaPath is the schema with which editors check a configuration and complete keys. It
// is generated from the fields and the comments of the example:
// go test ./cmd/config -update.
const schemaPath = "../../deploy/config.schema.json"

func TestTheSchemaHasWhatTheKeysAre(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	root := schemaOf(reflect.TypeFor[Config](), "", wordsOf(t, withRates(string(text))))
	root["$schema"], root["title"] = "http://json-schema.org/draft-07/schema#", "powermgr"
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	to.SetIndent("", " ")
	if err := to.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaPath, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaPath)
	if err != nil || b.String() != string(want) {
		t.Errorf("%s is out of date: go test ./cmd/config -update (%v)", schemaPath, err)
	}
	if !strings.Contains(string(text), "# yaml-language-server: $schema=/usr/share/powermgr/config.schema.json\n") {
		t.Error("the example does not name its schema to editors")
	}
}

// wordsOf returns the comments of a configuration by key: those above the key, or at the
// end of its line, or otherwise those of the previous key. Items of lists have none.
func wordsOf(t *testing.T, text []byte) map[string]string {
	t.Helper()
	_, at, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	byLine := map[int]string{}
	for key, line := range at {
		if key != "" && !strings.Contains(key, "[") && len(byLine[line]) < len(key) {
			byLine[line] = key
		}
	}
	words, said := map[string]string{}, ""
	var above []string
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		key := byLine[i+1]
		comment, isComment := strings.CutPrefix(line, "#")
		_, beside, has := strings.Cut(line, "  # ")
		switch {
		case isComment:
			above = append(above, strings.TrimSpace(comment))
			continue
		case line == "":
			said = ""
		case len(above) > 0:
			said = strings.Join(above, " ")
		case has:
			said = strings.TrimSpace(beside)
		}
		above = nil
		if key != "" {
			words[key] = said
		}
		if _, isList := at[key+"[0]"]; strings.HasSuffix(line, ":") && !isList {
			said = "" // of the section, and not of what is in it
		}
	}
	return words
}

// schemaOf returns the JSON schema of a part. To Load, quotes around text make no
// difference, and a key without a value counts as not set.
func schemaOf(part reflect.Type, key string, words map[string]string) map[string]any {
	properties := map[string]any{}
	for field := range part.Fields() {
		name := field.Tag.Get("koanf")
		below := joined(key, name)
		of := valueSchema(field, below, words)
		if text := words[below]; text != "" {
			of["description"] = text
		}
		properties[name] = of
		if unit := field.Tag.Get("unit"); unit != "" {
			in := map[string]any{"type": of["type"], "description": name + " in °C"}
			all, _ := intervals(field.Tag.Get("range"))
			in["minimum"], in["maximum"] = celsius(unit, all[0].min), celsius(unit, all[0].max)
			properties[inCelsius(name)] = in
		}
		if bare(field.Type) == reflect.TypeFor[devices.Secret]() {
			properties[name+"_file"] = map[string]any{"type": []string{"string", "null"}, "description": "the file that has " + name}
		}
	}
	return map[string]any{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
}

func valueSchema(field reflect.StructField, key string, words map[string]string) map[string]any {
	of := typeSchema(field.Type, key, words)
	if text, ok := field.Tag.Lookup("default"); ok {
		of["default"] = text
		if value, err := typed(text, bare(field.Type)); err == nil {
			of["default"] = value
		}
	}
	if text, ok := field.Tag.Lookup("oneof"); ok {
		words := strings.Split(text, ",")
		if of["default"] == nil && words[0] != "" {
			words = append(words, "") // Load fills it in
		}
		of["enum"], of["type"] = words, "string"
	}
	all, _ := intervals(field.Tag.Get("range"))
	var parts []map[string]float64
	for _, i := range all {
		parts = append(parts, map[string]float64{"minimum": i.min, "maximum": i.max})
	}
	switch len(parts) {
	case 0:
	case 1:
		of["minimum"], of["maximum"] = all[0].min, all[0].max
	default:
		of["anyOf"] = parts
	}
	return of
}

func typeSchema(t reflect.Type, key string, words map[string]string) map[string]any {
	t = bare(t)
	_, reads := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	switch {
	case t == reflect.TypeFor[time.Month]():
		return map[string]any{"type": "integer", "minimum": 1, "maximum": 12}
	case t == reflect.TypeFor[Minute]():
		return map[string]any{"type": "string", "pattern": `^([01]?[0-9]|2[0-3]):[0-5][0-9]$|^24:00$`}
	case t == reflect.TypeFor[rules.YearDay]():
		return map[string]any{"type": []string{"string", "null"}, "pattern": `^([0-9]{2}-[0-9]{2})?$`}
	case reads:
		return map[string]any{"type": []string{"string", "null"}}
	case t.Kind() == reflect.Struct:
		return schemaOf(t, key, words)
	case t.Kind() == reflect.Map: // the comments are at the first one in the example
		first := ""
		for name := range words {
			if rest, ok := strings.CutPrefix(name, key+"."); ok && !strings.Contains(rest, ".") && (first == "" || rest < first) {
				first = rest
			}
		}
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": schemaOf(bare(t.Elem()), joined(key, first), words)}
	case t.Kind() == reflect.Slice:
		of := map[string]any{"type": []string{"array", "null"}, "items": typeSchema(t.Elem(), key+"[]", words)}
		if bare(t.Elem()).Kind() != reflect.Struct {
			of["type"] = []string{"array", "string", "number", "null"} // one is a list of one
		}
		return of
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": []string{"boolean", "null"}}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return map[string]any{"type": []string{"integer", "null"}}
	case t.Kind() == reflect.Float64:
		return map[string]any{"type": []string{"number", "null"}}
	}
	return map[string]any{"type": []string{"string", "number", "null"}}
}

// Otherwise people who install powermgr would find a tag that cannot be parsed, or a
// default outside of its range.
func TestWhatTheTagsSayIsPossible(t *testing.T) {
	number := regexp.MustCompile(`^-?\d`)
	var walk func(part reflect.Type)
	walk = func(part reflect.Type) {
		for field := range part.Fields() {
			inner := bare(field.Type)
			if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				inner = bare(inner.Elem())
			}
			if inner.Kind() == reflect.Struct {
				walk(inner)
			}
			allowed, ok := field.Tag.Lookup("range")
			if !ok {
				continue
			}
			all, err := intervals(allowed)
			if err != nil || !number.MatchString(allowed) {
				t.Errorf("%s.%s: %q is not a range: %v", part.Name(), field.Name, allowed, err)
			}
			for _, i := range all {
				if i.min > i.max {
					t.Errorf("%s.%s: %q is empty", part.Name(), field.Name, allowed)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config]())
	l := loader{}
	c := withDefaults[Config]()
	c.Poll.PowerwallSeconds, c.Poll.ThermostatSeconds, c.Weather.Source = usualCycle, usualCycle, WeatherNone // complete fills these in
	l.checkBounds(reflect.ValueOf(c), "")
	for _, p := range l.problems {
		t.Errorf("the default of %s", p)
	}
	if got := c.Settings.Plan.PeakWeightPerKWh; got != plan.DefaultOptions().PeakWeight {
		t.Errorf("a peak weighs %g by default, and the plan's own default is another", got)
	}
}

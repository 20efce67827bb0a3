package config

import (
	"encoding/json"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"powermgr/devices"
)

// Decides what may be shown to somebody who helps: everything except secrets and what
// says who lives where.

// Redaction removes secrets and personal data from texts.
type Redaction struct{ hidden *strings.Replacer }

// personal are keys whose values say who lives where.
var personal = []string{
	"tesla.energy_site_id", "honeywell.username", "weather.latitude", "weather.longitude", "mqtt.username",
	"notifications.smtp.username", "notifications.smtp.from", "notifications.recipients",
}

// removed replaces a value.
const removed = "(removed)"

// minHidden is the minimum length of a value to search for in texts: a shorter one is
// part of every other word.
const minHidden = 4

// tokenLike matches what looks like a token, no matter whose, or like the log-in in an
// address.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9._-]*|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{8,}|//[^/@\s"]+@`)

// Redaction returns the Redaction for texts about a home with this configuration. It
// includes the secrets in the files that the configuration names.
func (c Config) Redaction() Redaction {
	var values []string
	add := func(v string) {
		if len(v) < minHidden {
			return
		}
		inJSON, _ := json.Marshal(v) // never fails for a string
		values = append(values, v, url.QueryEscape(v), strings.Trim(string(inJSON), `"`))
	}
	var walk func(v reflect.Value, key string)
	walk = func(v reflect.Value, key string) {
		switch {
		case v.Kind() == reflect.Pointer && !v.IsNil():
			walk(v.Elem(), key)
		case v.Type() == reflect.TypeFor[devices.Secret]():
			add(v.String())
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), joined(key, v.Type().Field(i).Tag.Get("koanf")))
			}
		case v.Kind() == reflect.Slice && isPersonal(key):
			for i := range v.Len() {
				walk(v.Index(i), key)
			}
		case v.Kind() == reflect.String && isPersonal(key):
			add(v.String())
		case isPersonal(key) && v.CanInterface() && !v.IsZero():
			text, _ := json.Marshal(v.Interface()) // a number
			add(string(text))
		}
	}
	walk(reflect.ValueOf(c), "")
	if c.Tesla != nil {
		secretsIn(c.Tesla.TokenFile, add)
	}
	if c.Honeywell != nil {
		secretsIn(c.Honeywell.TokenFile, add)
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) }) // a value may be part of a longer one
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, v, removed)
	}
	return Redaction{strings.NewReplacer(pairs...)}
}

// isPersonal reports whether a key says who lives where.
func isPersonal(key string) bool {
	return slices.ContainsFunc(personal, func(p string) bool { return within(key, p) })
}

// secretsIn adds every string in a JSON file, such as a token file.
func secretsIn(path string, add func(string)) {
	b, err := os.ReadFile(path)
	var all any
	if err != nil || json.Unmarshal(b, &all) != nil {
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) > len("Bearer") {
				add(v)
			}
		case map[string]any:
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(all)
}

// Text returns text without what must not be shown.
func (r Redaction) Text(text []byte) []byte {
	return tokenLike.ReplaceAll([]byte(r.hidden.Replace(string(text))), []byte(removed))
}

// RedactedFile returns a configuration file with only those values of known keys that
// may be shown. Comments are removed: one may contain a password.
func RedactedFile(file []byte) []byte {
	tree, _, err := parse(file)
	if err != nil {
		return []byte("# it cannot be read as YAML, and so is left out\n")
	}
	hide(tree, reflect.TypeFor[Config](), "")
	b, err := yaml.Marshal(tree)
	if err != nil {
		return []byte("# it cannot be written\n")
	}
	return b
}

// hide replaces what must not be shown in the section t at key.
func hide(section map[string]any, t reflect.Type, key string) {
	for name, value := range section {
		below := joined(key, name)
		field, known := fieldType(t, name)
		_, file := secretFile(t, name) // the name of a file is not a secret
		inner, isSection := value.(map[string]any)
		_, isList := value.([]any)
		switch {
		case file && !isSection && !isList:
		case !known, isPersonal(below), field == reflect.TypeFor[devices.Secret]():
			section[name] = removed
		case isSection != (field.Kind() == reflect.Struct || field.Kind() == reflect.Map), isList && field.Kind() != reflect.Slice:
			section[name] = removed // not what belongs there
		case isSection:
			hide(inner, field, below)
		}
		if list, ok := section[name].([]any); ok && field.Kind() == reflect.Slice {
			for _, item := range list {
				if inner, ok := item.(map[string]any); ok {
					hide(inner, bare(field.Elem()), below+"[]")
				}
			}
		}
	}
}

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The tags of a field describe its key, so that a key is declared in one place:
//
//	koanf    its name
//	default  its value if it is not set; without this tag that is the zero value
//	range    the allowed numbers, both ends included: "5–300", or "0–80,100"
//	why      the reason for the range, where it is not obvious
//	oneof    the allowed words: "rule,plan"; an empty one first: it may be left empty
//	unit     that it is a temperature, which may be given in °C too: "°F", or
//	         "°F apart" for a difference of two
//
// A check that needs more than the key itself is in the file of its part.

// setDefaults sets the fields of a part, and of the parts in it, to the defaults in the
// tags.
func setDefaults(part reflect.Value) {
	for field, v := range part.Fields() {
		if v.Kind() == reflect.Struct {
			setDefaults(v)
		}
		text, ok := field.Tag.Lookup("default")
		if !ok {
			continue
		}
		value, err := typed(text, v.Type())
		if err != nil {
			panic("config: the default of " + field.Name + ": " + err.Error()) // a programming error
		}
		v.Set(reflect.ValueOf(value).Convert(v.Type()))
	}
}

// withDefaults returns a part with its defaults.
func withDefaults[Part any]() (p Part) {
	setDefaults(reflect.ValueOf(&p).Elem())
	return p
}

// An interval is a range that includes both ends.
type interval struct{ min, max float64 }

// intervals parses the tag of a range.
func intervals(tag string) (all []interval, err error) {
	for part := range strings.SplitSeq(tag, ",") {
		low, high, two := strings.Cut(part, "–")
		if !two {
			high = low
		}
		var i interval
		if i.min, err = strconv.ParseFloat(low, 64); err != nil {
			return nil, err
		}
		if i.max, err = strconv.ParseFloat(high, 64); err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// minimum returns the smallest allowed value of a key in a part.
func minimum[Part any](name string) int {
	for field := range reflect.TypeFor[Part]().Fields() {
		if field.Tag.Get("koanf") == name {
			all, _ := intervals(field.Tag.Get("range"))
			return int(all[0].min)
		}
	}
	panic("config: there is no key " + name) // a programming error
}

// checkBounds reports each value below key that its tags do not allow.
func (l *loader) checkBounds(v reflect.Value, key string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			l.checkBounds(v.Elem(), key)
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			l.checkBounds(v.MapIndex(name), joined(key, name.String()))
		}
	case reflect.Slice:
		for i := range v.Len() {
			l.checkBounds(v.Index(i), fmt.Sprintf("%s[%d]", key, i))
		}
	case reflect.Struct:
		for field, inner := range v.Fields() {
			below := joined(key, field.Tag.Get("koanf"))
			l.checkBounds(inner, below)
			l.checkField(field.Tag, reflect.Indirect(inner), below)
		}
	}
}

func (l *loader) checkField(tag reflect.StructTag, v reflect.Value, key string) {
	if words, ok := tag.Lookup("oneof"); ok {
		l.oneOf(key, v.String(), strings.Split(words, ",")...)
	}
	allowed, ok := tag.Lookup("range")
	if !ok || !v.IsValid() {
		return
	}
	value := v.Convert(reflect.TypeFor[float64]()).Float()
	all, _ := intervals(allowed) // a test has parsed them all
	if slices.ContainsFunc(all, func(i interval) bool { return i.min <= value && value <= i.max }) {
		return
	}
	shown := func(f float64) string {
		if _, ok := l.celsius[key]; ok {
			f = celsius(tag.Get("unit"), f)
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	text := shown(value) + " is not between " + shown(all[0].min) + " and " + shown(all[0].max)
	if len(all) > 1 {
		text = shown(value) + " is not " + strings.ReplaceAll(allowed, ",", " or ")
	}
	if why := tag.Get("why"); why != "" {
		text += "; " + why
	}
	l.problem(l.written(key), "%s", text)
}

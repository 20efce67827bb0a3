package config

import (
	"math"
	"reflect"
	"strconv"
	"strings"

	"powermgr/devices"
)

// Temperatures in °C. The configuration has them in °F, with keys that end with _f;
// each may be given in °C instead, with the same key but _c at its end.

// apart is the unit of a difference of two temperatures.
const apart = "°F apart"

// celsius and fahrenheit turn a key's value into the other unit; celsius rounds it
// as people write it.
func celsius(unit string, f float64) float64 {
	c := devices.Fahrenheit.To(devices.Celsius, f)
	if unit == apart {
		c = f / 1.8
	}
	return math.Round(c*10) / 10
}

func fahrenheit(unit string, c float64) float64 {
	f := devices.Celsius.To(devices.Fahrenheit, c)
	if unit == apart {
		f = c * 1.8
	}
	return math.Round(f*100) / 100
}

// inFahrenheit replaces the keys of settings that end with _c.
func (l *loader) inFahrenheit(s source) {
	settings, ok := s.tree["settings"].(map[string]any)
	if !ok {
		return
	}
	for field := range reflect.TypeFor[Settings]().Fields() {
		if unit := field.Tag.Get("unit"); unit != "" {
			l.replaceCelsius(settings, field.Tag.Get("koanf"), unit)
		}
	}
}

// inCelsius is the name that a key in °F has where it is given in °C.
func inCelsius(name string) string { return strings.TrimSuffix(name, "_f") + "_c" }

func (l *loader) replaceCelsius(settings map[string]any, name, unit string) {
	given := inCelsius(name)
	value, ok := settings[given]
	if !ok {
		return
	}
	delete(settings, given)
	if _, both := settings[name]; both {
		l.problem("settings."+given, "settings.%s says the same in °F: keep one of the two", name)
		return
	}
	text, _ := value.(string)
	c, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !devices.Finite(c) {
		l.problem("settings."+given, "%s is not a number", quoted(text))
		return
	}
	if l.celsius == nil {
		l.celsius = map[string]string{}
	}
	settings[name] = strconv.FormatFloat(fahrenheit(unit, c), 'f', -1, 64)
	l.celsius["settings."+name] = "settings." + given
}

// written returns a key as it is written in the configuration: one in °C, or v2.0's cycle.
func (l *loader) written(key string) string {
	for _, given := range []string{l.celsius[key], l.cycle[key]} {
		if given != "" {
			return given
		}
	}
	return key
}

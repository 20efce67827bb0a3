package config

import (
	"math"
	"strconv"
	"strings"

	"powermgr/devices"
)

// Temperatures in °C. The configuration has them in °F, with keys that end with _f;
// each may be given in °C instead, with the same key but _c at its end.

// inFahrenheit replaces the keys of settings that end with _c.
func (l *loader) inFahrenheit(s source) {
	settings, ok := s.tree["settings"].(map[string]any)
	if !ok {
		return
	}
	for _, name := range []string{"precool_threshold", "min_thermostat_temp", "max_thermostat_temp", "min_heat_setpoint", "max_indoor", "min_indoor"} {
		l.replaceCelsius(settings, name, func(c float64) float64 { return devices.Celsius.To(devices.Fahrenheit, c) })
	}
	for _, name := range []string{"precool_adjustment", "thermostat_increment"} {
		l.replaceCelsius(settings, name, func(c float64) float64 { return c * 1.8 })
	}
}

func (l *loader) replaceCelsius(settings map[string]any, name string, convert func(float64) float64) {
	celsius, fahrenheit := name+"_c", name+"_f"
	value, ok := settings[celsius]
	if !ok {
		return
	}
	delete(settings, celsius)
	if _, both := settings[fahrenheit]; both {
		l.problem("settings."+celsius, "settings.%s says the same in °F: keep one of the two", fahrenheit)
		return
	}
	text, _ := value.(string)
	c, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !devices.Finite(c) {
		l.problem("settings."+celsius, "%s is not a number", quoted(text))
		return
	}
	if l.celsius == nil {
		l.celsius = map[string]string{}
	}
	settings[fahrenheit] = strconv.FormatFloat(math.Round(convert(c)*100)/100, 'f', -1, 64)
	l.celsius["settings."+fahrenheit] = "settings." + celsius
}

// temperature notes a key in °F that is not between two others, as the owner has
// given it.
func (l *loader) temperature(key string, f, least, most float64) {
	celsius, ok := l.celsius[key]
	if !ok {
		l.among(key, f, least, most)
		return
	}
	c := func(f float64) float64 { return math.Round(devices.Fahrenheit.To(devices.Celsius, f)*10) / 10 }
	if f < least || f > most {
		l.problem(celsius, "%g is not between %g and %g", c(f), c(least), c(most))
	}
}

// difference is temperature for a key that is a difference of two, from 0 on.
func (l *loader) difference(key string, f, most float64) {
	celsius, ok := l.celsius[key]
	if !ok {
		l.among(key, f, 0, most)
		return
	}
	if f < 0 || f > most {
		l.problem(celsius, "%g is not between 0 and %.1f", math.Round(f/1.8*10)/10, most/1.8)
	}
}

// written is a key in °F as the owner has written it.
func (l *loader) written(key string) string {
	if celsius, ok := l.celsius[key]; ok {
		return celsius
	}
	return key
}

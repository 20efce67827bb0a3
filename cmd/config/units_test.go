package config

import (
	"errors"
	"strings"
	"testing"

	"powermgr/devices"
)

func TestTemperaturesInCelsius(t *testing.T) {
	c, _, err := load(t, `settings:
  timezone: Europe/Berlin
  precool_threshold_c: 35
  precool_adjustment_c: 1
  max_indoor_c: 30
`)
	s := c.Settings
	if err != nil || s.PrecoolThresholdF != 95 || s.PrecoolAdjustmentF != 1.8 || s.MaxIndoorF != 86 || s.Unit != devices.Celsius {
		t.Fatalf("%+v, %v", s, err)
	}
	c.Honeywell = &Honeywell{Backend: BackendTCC}
	c.Settings.ThermostatIDs = []string{"1"}
	if text := Describe(c); strings.Contains(text, "°F") || !strings.Contains(text, "27.8 °C cooling") {
		t.Errorf("an owner who reads °C is told\n%s", text)
	}
	for _, bad := range []struct{ name, text, want string }{
		{"out of bounds", "precool_threshold_c: 95", "settings.precool_threshold_c: 95 is not between 10 and 54.4 (line 2)"},
		{"too much of a difference", "precool_adjustment_c: 5", "settings.precool_adjustment_c: 5 is not between 0 and 2.8 (line 2)"},
		{"not a number", "max_indoor_c: warm", `settings.max_indoor_c: "warm" is not a number (line 2)`},
		{"both", "max_indoor_c: 30\n  max_indoor_f: 86", "settings.max_indoor_c: settings.max_indoor_f says the same in °F: keep one of the two (line 2)"},
		{"in the wrong order", "max_thermostat_temp_c: 22\n  min_thermostat_temp_c: 25", "settings.min_thermostat_temp_c: 25 °C is not below settings.max_thermostat_temp_c, 22 °C (line 3)"},
		{"an unknown unit", "unit: K", `settings.unit: "K" is not one of F, C`},
	} {
		_, _, err := load(t, "settings:\n  "+bad.text+"\n  timezone: UTC\n")
		if config := new(Error); !errors.As(err, &config) || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v\nwant %s", bad.name, err, bad.want)
		}
	}
}

package simulation

// What people do to the home.

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// change is what somebody changes at a thermostat. It has the fields of emulator.Setting.
type change struct {
	Mode          *devices.HVACMode `yaml:"mode,omitempty"`
	EmergencyHeat *bool             `yaml:"emergency_heat,omitempty"`
	Cool          *float64          `yaml:"cool,omitempty"`
	Heat          *float64          `yaml:"heat,omitempty"`
	Hold          *devices.Hold     `yaml:"hold,omitempty"` // none: the usual one
	HoldUntil     *time.Time        `yaml:"hold_until,omitempty"`
	Fan           *devices.Fan      `yaml:"fan,omitempty"`
}

func (c change) String() string {
	var all []string
	say := func(is bool, format string, value any) {
		if is {
			all = append(all, fmt.Sprintf(format, reflect.ValueOf(value).Elem()))
		}
	}
	say(c.Mode != nil, "%v", c.Mode)
	say(c.EmergencyHeat != nil, "emergency heat %v", c.EmergencyHeat)
	say(c.Cool != nil, "cool %v", c.Cool)
	say(c.Heat != nil, "heat %v", c.Heat)
	say(c.Hold != nil, "hold %v", c.Hold)
	say(c.HoldUntil != nil, "until %v", c.HoldUntil)
	say(c.Fan != nil, "fan %v", c.Fan)
	return strings.Join(all, " ")
}

// wall is somebody at a thermostat, or in its app.
type wall struct {
	Thermostat int `yaml:"thermostat"`
	change     `yaml:",inline"`
}

func (a wall) do(h *home) { h.wall(a.Thermostat, emulator.Setting(a.change)) }
func (a wall) String() string {
	return fmt.Sprintf("somebody sets thermostat %d to %v", a.Thermostat, a.change)
}

// app is somebody in the battery's app.
type app struct {
	Reserve *int         `yaml:"reserve,omitempty"`
	Mode    devices.Mode `yaml:"mode,omitempty"`
}

func (a app) do(h *home) {
	h.app(func(e *emulator.House) {
		if a.Reserve != nil {
			e.SetReserve(*a.Reserve)
		}
		if a.Mode != "" {
			e.Mode = a.Mode
		}
	})
}

func (a app) String() string {
	if a.Reserve != nil {
		return fmt.Sprintf("somebody sets the reserve to %d %% in the app", *a.Reserve)
	}
	return fmt.Sprintf("somebody sets the battery to %s in the app", a.Mode)
}

// publish is somebody's mosquitto_pub of a command to a device.
type publish struct {
	Thermostat *int   `yaml:"thermostat,omitempty"` // none: to the battery
	Setting    string `yaml:"setting"`              // as the topic names it: reserve, hold …
	Payload    string `yaml:"payload"`
}

func (a publish) do(h *home) {
	if a.Thermostat == nil {
		h.publish("powerwall/"+a.Setting+devices.Set, -1, a.Payload)
		return
	}
	h.publish("thermostat/%d/"+a.Setting+devices.Set, *a.Thermostat, a.Payload)
}

func (a publish) String() string {
	if a.Thermostat == nil {
		return fmt.Sprintf("somebody publishes %s %s for the battery", a.Setting, a.Payload)
	}
	return fmt.Sprintf("somebody publishes %s %s for thermostat %d", a.Setting, a.Payload, *a.Thermostat)
}

// override is somebody's override of the controller.
type override struct {
	Kind    rules.OverrideKind `yaml:"kind"`
	For     time.Duration      `yaml:"for,omitempty"` // 0: as long as it lasts without a time
	Payload string             `yaml:"payload"`       // that asks for it
}

func (a override) do(h *home)     { h.override(a.Kind, a.For, a.Payload) }
func (a override) String() string { return "override " + a.Payload }

// enabled is the controller's switch.
type enabled struct {
	On bool `yaml:"on"`
}

func (a enabled) do(h *home) { h.enable(a.On) }
func (a enabled) String() string {
	return "somebody switches the controller " + map[bool]string{true: "on", false: "off"}[a.On]
}

// restore is the button that restores everything.
type restore struct{}

func (restore) do(h *home)     { h.restore() }
func (restore) String() string { return "somebody presses restore" }

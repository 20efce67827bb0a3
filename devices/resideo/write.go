package resideo

import (
	"errors"
	"math"
	"time"

	"powermgr/devices"
)

// A write is always complete: the API fills in missing fields arbitrarily.

// change is the body of POST /v2/devices/thermostats/{id}.
type change struct {
	Mode                     string   `json:"mode,omitempty"`
	HeatSetpoint             *float64 `json:"heatSetpoint,omitempty"` // whole °F, half °C; always both
	CoolSetpoint             *float64 `json:"coolSetpoint,omitempty"`
	AutoChangeoverActive     *bool    `json:"autoChangeoverActive,omitempty"` // only if the device shows it
	EmergencyHeatActive      *bool    `json:"emergencyHeatActive,omitempty"`  // only if the device shows it
	ThermostatSetpointStatus string   `json:"thermostatSetpointStatus,omitempty"`
	NextPeriodTime           string   `json:"nextPeriodTime,omitempty"` // local "19:00:00", with HoldUntil only
}

// bareChange is the body for devices of model Unknown, which accept nothing else.
type bareChange struct {
	ThermostatSetpoint float64 `json:"thermostatSetpoint"`
	Unit               string  `json:"unit"`
}

// fanChange is the body of POST …/fan.
type fanChange struct {
	Mode string `json:"mode"`
}

// plan holds the requests that carry out a command.
type plan struct {
	posts []any      // bodies for …/{id}, sent changeoverPause apart; none: only the fan changes
	fan   *fanChange // nil: the fan stays as it is
	after changeable // what the device shows once the posts have landed
}

// changeoverPause is how long a device that was off needs to be in the mode Heat before
// it can change over by itself; without the pause it falls back to Off.
const changeoverPause = 3 * time.Second

// plan returns what has to be sent for cmd. The error says why the command cannot be
// carried out, and what could be sent instead.
func (t thermostat) plan(cmd devices.ThermostatCommand, now time.Time) (plan, error) {
	whole, err := t.reading.Merge(cmd, now)
	if err != nil {
		return plan{}, err
	}
	var p plan
	if whole.Fan != nil {
		p.fan = &fanChange{fanWords[*whole.Fan]}
	}
	if whole.Mode == nil && whole.Hold == nil && whole.CoolSetpoint == nil && whole.HeatSetpoint == nil {
		return p, nil
	}
	if t.wire.bare() {
		return t.barePlan(p, cmd, whole)
	}
	v := t.wire.ChangeableValues
	c := change{
		Mode: v.Mode, AutoChangeoverActive: v.AutoChangeoverActive, EmergencyHeatActive: v.EmergencyHeatActive,
		HeatSetpoint: t.onStep(whole.HeatSetpoint, v.HeatSetpoint),
		CoolSetpoint: t.onStep(whole.CoolSetpoint, v.CoolSetpoint),
	}
	if t.wire.byFlag() && t.reading.Mode != nil && *t.reading.Mode == devices.HeatCool {
		c.Mode = t.heatOrCool()
	}
	hold, until := whole.Hold, whole.HoldUntil
	if hold == nil { // only the mode changes: the hold stays
		hold, until = t.reading.Hold, t.reading.HoldUntil
		if hold != nil && *hold == devices.HoldUntil && (until == nil || !until.After(now)) {
			hold = new(devices.HoldTemporary) // its end, if sent again, would mean tomorrow
		}
	}
	if hold != nil && t.wire.holds() {
		c.ThermostatSetpointStatus = statuses[*hold]
		if *hold == devices.HoldUntil {
			c.NextPeriodTime = until.In(t.home).Format(time.TimeOnly)
		}
	}
	if whole.Mode != nil {
		wake := t.switchTo(*whole.Mode, &c)
		if wake != nil {
			p.posts = append(p.posts, *wake)
		}
	}
	p.posts, p.after = append(p.posts, c), v.with(c)
	return p, nil
}

// switchTo sets mode in c. A device that is off and changes over by a flag needs
// another change before c, which is returned.
func (t thermostat) switchTo(mode devices.HVACMode, c *change) (wake *change) {
	d, r := t.wire, t.reading
	if r.EmergencyHeat && mode == devices.Heat {
		return nil // it shows heat already; whoever set emergency heat ends it
	}
	flag := func(p **bool, to bool) {
		if *p != nil {
			*p = &to
		}
	}
	flag(&c.EmergencyHeatActive, false)
	switch mode {
	case devices.Off:
		c.Mode = "Off"
		if d.byFlag() {
			flag(&c.AutoChangeoverActive, false)
		}
	case devices.Heat, devices.Cool:
		c.Mode = map[devices.HVACMode]string{devices.Heat: "Heat", devices.Cool: "Cool"}[mode]
		flag(&c.AutoChangeoverActive, false)
	case devices.HeatCool:
		if !d.byFlag() {
			c.Mode = "Auto"
			flag(&c.AutoChangeoverActive, true)
			return nil
		}
		if d.ChangeableValues.Mode == "Off" {
			c.Mode = "Heat"
			first := *c
			flag(&first.AutoChangeoverActive, false)
			wake = &first
		} else {
			c.Mode = t.heatOrCool()
		}
		flag(&c.AutoChangeoverActive, true)
	}
	return wake
}

// heatOrCool returns the mode to send with the flag for automatic changeover: the one
// by which the device heats or cools at present.
func (t thermostat) heatOrCool() string {
	v := t.wire.ChangeableValues
	switch {
	case v.HeatCoolMode != nil && (*v.HeatCoolMode == "Heat" || *v.HeatCoolMode == "Cool"):
		return *v.HeatCoolMode
	case v.Mode == "Cool":
		return "Cool"
	}
	return "Heat"
}

// onStep returns a set point rounded to the device's step: the merged one or, for a
// side that the device does not use, the one that it shows.
func (t thermostat) onStep(merged, shown *float64) *float64 {
	if merged == nil {
		merged = shown
	}
	if merged == nil {
		return nil
	}
	return new(math.Round(*merged/t.reading.Step) * t.reading.Step)
}

// barePlan returns the plan for a device that accepts one set point and nothing else.
func (t thermostat) barePlan(p plan, cmd, whole devices.ThermostatCommand) (plan, error) {
	mode := t.reading.Mode
	c := change{Mode: t.wire.ChangeableValues.Mode}
	var to, other, shown *float64
	switch {
	case whole.Mode != nil && cmd.CoolSetpoint == nil && cmd.HeatSetpoint == nil:
		return p, errors.New("the mode of this model can only be changed on the device, and it is in it already")
	case mode != nil && *mode == devices.Cool && (cmd.CoolSetpoint != nil || cmd.HeatSetpoint == nil):
		to, c.CoolSetpoint = whole.CoolSetpoint, whole.CoolSetpoint
		other, shown = whole.HeatSetpoint, t.reading.HeatSetpoint
	case mode != nil && *mode == devices.Heat && (cmd.HeatSetpoint != nil || cmd.CoolSetpoint == nil):
		to, c.HeatSetpoint = whole.HeatSetpoint, whole.HeatSetpoint
		other, shown = whole.CoolSetpoint, t.reading.CoolSetpoint
	}
	switch {
	case to == nil:
		return p, errors.New("this model takes only the set point of the mode it is in, and that in heat or cool")
	case cmd.CoolSetpoint != nil && cmd.HeatSetpoint != nil && !equal(other, t.onStep(nil, shown)):
		return p, errors.New("this model takes only the set point of the mode it is in: leave the other one as it is")
	case !equal(other, t.onStep(nil, shown)):
		return p, errors.New("too close to the other set point, which this model does not let be moved")
	}
	p.posts = []any{bareChange{*to, t.wire.Units}}
	p.after = t.wire.ChangeableValues.with(c)
	return p, nil
}

// with returns what v becomes when c has landed.
func (v changeable) with(c change) changeable {
	v.Mode = c.Mode
	if c.HeatSetpoint != nil {
		v.HeatSetpoint = c.HeatSetpoint
	}
	if c.CoolSetpoint != nil {
		v.CoolSetpoint = c.CoolSetpoint
	}
	if c.AutoChangeoverActive != nil {
		v.AutoChangeoverActive = c.AutoChangeoverActive
	}
	if c.EmergencyHeatActive != nil {
		v.EmergencyHeatActive = c.EmergencyHeatActive
	}
	if c.ThermostatSetpointStatus != "" {
		v.ThermostatSetpointStatus = &c.ThermostatSetpointStatus
	}
	if c.NextPeriodTime != "" {
		v.NextPeriodTime = &c.NextPeriodTime
	}
	return v
}

package resideo

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// The commands that the emulated Honeywell Home API accepts. A command is accepted at
// once and reaches the device seconds later.

type changes struct {
	Mode                     *string  `json:"mode"`
	HeatSetpoint             *float64 `json:"heatSetpoint"`
	CoolSetpoint             *float64 `json:"coolSetpoint"`
	AutoChangeoverActive     *bool    `json:"autoChangeoverActive"`
	EmergencyHeatActive      *bool    `json:"emergencyHeatActive"`
	ThermostatSetpointStatus *string  `json:"thermostatSetpointStatus"`
	NextPeriodTime           *string  `json:"nextPeriodTime"`

	ThermostatSetpoint *float64 `json:"thermostatSetpoint"` // of the model Unknown
	Unit               *string  `json:"unit"`
}

func (a *API) write(w http.ResponseWriter, r *http.Request, h *emulator.House, t *emulator.Thermostat) {
	var change changes
	if json.NewDecoder(r.Body).Decode(&change) != nil {
		refuse(w, http.StatusBadRequest, 400, "Invalid request body")
		return
	}
	setting, problem := understand(t, change, h.Now())
	if problem != "" {
		refuse(w, http.StatusBadRequest, 400, problem)
		return
	}
	s := a.record(t)
	if change.Mode != nil {
		s.changeover(t, change, &setting, h.Now())
	}
	s.partner = true
	a.submit(h, t, setting)
	w.WriteHeader(http.StatusOK) // and no body
}

// submit sends a setting to the device, which receives it some seconds later.
func (a *API) submit(h *emulator.House, t *emulator.Thermostat, s emulator.Setting) {
	from, to := a.options.Landing[0], a.options.Landing[1]
	delay := from + time.Duration(a.rand.Float64()*float64(to-from))
	h.CommandThermostat(t, logged(s), s, delay)
}

// logged returns a setting for the log of requests, in the terms of readings.
func logged(s emulator.Setting) map[string]any {
	v := map[string]any{}
	if s.Mode != nil {
		v["mode"] = string(*s.Mode)
	}
	if s.EmergencyHeat != nil {
		v["emergency_heat"] = *s.EmergencyHeat
	}
	if s.Cool != nil {
		v["cool_setpoint"] = *s.Cool
	}
	if s.Heat != nil {
		v["heat_setpoint"] = *s.Heat
	}
	if s.Hold != nil {
		v["hold"] = string(*s.Hold)
	}
	if s.HoldUntil != nil {
		v["hold_until"] = *s.HoldUntil
	}
	if s.Fan != nil {
		v["fan"] = string(*s.Fan)
	}
	return v
}

// understand checks a change as the API does; problem is the API's message if it is
// wrong.
func understand(t *emulator.Thermostat, c changes, now time.Time) (s emulator.Setting, problem string) {
	if t.Model == "Unknown" {
		return bare(t, c)
	}
	switch {
	case c.Mode == nil:
		return s, "'Mode' is required."
	case legacy(t) && c.EmergencyHeatActive == nil:
		return s, "'EmergencyHeatActive' is required."
	case !slices.Contains(allowedModes(t), *c.Mode):
		allowed := slices.Sorted(slices.Values(allowedModes(t)))
		mode := *c.Mode
		if mode == "Auto" {
			mode = "7" // the message names modes by their numbers
		}
		return s, fmt.Sprintf("Mode %s is not allowed. Allowed modes are %s.", mode, strings.Join(allowed, ", "))
	case c.HeatSetpoint == nil || c.CoolSetpoint == nil:
		return s, "Both set points are required."
	}
	if problem = checkPoints(t, *c.HeatSetpoint, *c.CoolSetpoint); problem != "" {
		return s, problem
	}
	for m, word := range modes {
		if word == *c.Mode {
			s.Mode = &m
		}
	}
	s.EmergencyHeat = c.EmergencyHeatActive
	if *c.Mode == "EmergencyHeat" {
		s.Mode, s.EmergencyHeat = new(devices.Heat), new(true)
	}
	s.Heat, s.Cool = c.HeatSetpoint, c.CoolSetpoint
	return s, holdOf(t, c, &s, now)
}

// checkPoints checks the set points that the device uses.
func checkPoints(t *emulator.Thermostat, heat, cool float64) string {
	for _, p := range []struct {
		name           string
		v, lowest, top float64
		used           bool
	}{
		{"Heat", heat, t.HeatMin, t.HeatMax, t.Has(devices.Heat)}, {"Cool", cool, t.CoolMin, t.CoolMax, t.Has(devices.Cool)},
	} {
		switch {
		case math.Abs(p.v/t.Step-math.Round(p.v/t.Step)) > 0:
			return fmt.Sprintf("%s setpoint has to be a multiple of %g.", p.name, t.Step)
		case p.used && (p.v < p.lowest || p.v > p.top):
			return fmt.Sprintf("%s setpoint has to be between %g and %g.", p.name, p.lowest, p.top)
		}
	}
	if t.Has(devices.Heat) && t.Has(devices.Cool) && (t.Deadband > 0 || t.Has(devices.HeatCool) && t.Model != "Unknown") && cool < heat+t.Deadband {
		return "Cool setpoint can not be lower than heat setpoint plus deadband."
	}
	return ""
}

func holdOf(t *emulator.Thermostat, c changes, s *emulator.Setting, now time.Time) string {
	if legacy(t) {
		if c.ThermostatSetpointStatus != nil {
			return "'ThermostatSetpointStatus' is not supported."
		}
		// The device itself overrides its schedule until the next period.
		if t.Hold == devices.HoldSchedule && (*s.Cool != t.Cool || *s.Heat != t.Heat) {
			s.Hold = new(devices.HoldTemporary)
		}
		return ""
	}
	if c.ThermostatSetpointStatus == nil {
		return "'ThermostatSetpointStatus' is required."
	}
	for hold, word := range holds {
		if word == *c.ThermostatSetpointStatus && hold != devices.HoldVacation {
			s.Hold = &hold
		}
	}
	switch {
	case s.Hold == nil:
		return fmt.Sprintf("ThermostatSetpointStatus %.20q is not allowed.", *c.ThermostatSetpointStatus)
	case *s.Hold == devices.HoldSchedule:
		s.Cool, s.Heat = nil, nil // the schedule has its own set points
	case *s.Hold == devices.HoldUntil:
		if c.NextPeriodTime == nil {
			return "'NextPeriodTime' is required for HoldUntil."
		}
		at, err := time.Parse(time.TimeOnly, *c.NextPeriodTime)
		if err != nil || at.Second() != 0 || t.HoldStep > 0 && at.Minute()%t.HoldStep != 0 {
			return fmt.Sprintf("NextPeriodTime %.20q is not valid.", *c.NextPeriodTime)
		}
		y, m, d := now.In(t.Location).Date()
		until := time.Date(y, m, d, at.Hour(), at.Minute(), 0, 0, t.Location)
		if !until.After(now) {
			until = time.Date(y, m, d+1, at.Hour(), at.Minute(), 0, 0, t.Location)
		}
		s.HoldUntil = &until
	case c.NextPeriodTime != nil:
		return "'NextPeriodTime' is for HoldUntil only."
	}
	return ""
}

// bare checks a change to a thermostat that accepts only one set point.
func bare(t *emulator.Thermostat, c changes) (s emulator.Setting, problem string) {
	unit := map[devices.Unit]string{devices.Fahrenheit: "Fahrenheit", devices.Celsius: "Celsius"}[t.Unit]
	if c.ThermostatSetpoint == nil || c.Unit == nil || *c.Unit != unit || c.Mode != nil || c.ThermostatSetpointStatus != nil {
		return s, "Invalid request body"
	}
	heat, cool := t.Heat, t.Cool
	if t.Mode == devices.Cool {
		cool, s.Cool = *c.ThermostatSetpoint, c.ThermostatSetpoint
	} else {
		heat, s.Heat = *c.ThermostatSetpoint, c.ThermostatSetpoint
	}
	if t.Hold == devices.HoldSchedule {
		s.Hold = new(devices.HoldTemporary)
	}
	return s, checkPoints(t, heat, cool)
}

// wake is how long a device that was off has to be in Heat before it can
// change over by a flag.
const wake = 3 * time.Second

// changeover determines the mode from the requested mode and the flag together. It
// starts from what was last requested, since commands are still on their way.
func (s *record) changeover(t *emulator.Thermostat, c changes, to *emulator.Setting, now time.Time) {
	last := s.mode
	if last == "" || !t.Pending() {
		last = modes[t.Mode]
	}
	if last == "Off" && *c.Mode != "Off" {
		s.woken = now
	}
	s.mode = *c.Mode
	if !flagged(t) || c.AutoChangeoverActive == nil || !*c.AutoChangeoverActive || *c.Mode == "Off" {
		return
	}
	to.Mode = new(devices.HeatCool)
	if now.Sub(s.woken) < wake {
		to.Mode, s.mode = new(devices.Off), "Off" // it shows Auto for a moment, and falls back
	}
}

func (a *API) writeFan(w http.ResponseWriter, r *http.Request, h *emulator.House, t *emulator.Thermostat) {
	var body struct {
		Mode string `json:"mode"`
	}
	if json.NewDecoder(r.Body).Decode(&body) == nil {
		for fan, word := range fans {
			if word == body.Mode {
				a.submit(h, t, emulator.Setting{Fan: &fan})
				w.WriteHeader(http.StatusOK)
				return
			}
		}
	}
	refuse(w, http.StatusBadRequest, 400, "Fan mode is not allowed.")
}

func (a *API) writePriority(w http.ResponseWriter, r *http.Request, _ *emulator.House, t *emulator.Thermostat) {
	var body struct {
		CurrentPriority priority `json:"currentPriority"`
	}
	kinds := []string{"PickARoom", "FollowMe", "WholeHouse"}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !rooms(t) || !slices.Contains(kinds, body.CurrentPriority.Type) {
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"code": "SetPriorityFailed"})
		return
	}
	a.record(t).priority = body.CurrentPriority
	w.WriteHeader(http.StatusOK)
}

// writeSchedule pauses the schedule, which holds the current set points, or resumes
// it.
func (a *API) writeSchedule(w http.ResponseWriter, r *http.Request, h *emulator.House, t *emulator.Thermostat) {
	hold, ok := map[string]devices.Hold{"pause": devices.HoldPermanent, "resume": devices.HoldSchedule}[r.PathValue("to")]
	if !ok || legacy(t) {
		refuse(w, http.StatusBadRequest, 400, "Schedule status is not allowed.")
		return
	}
	a.record(t).paused = hold == devices.HoldPermanent
	a.submit(h, t, emulator.Setting{Hold: &hold})
	w.WriteHeader(http.StatusOK)
}

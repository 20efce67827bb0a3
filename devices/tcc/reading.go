package tcc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"powermgr/devices"
)

// Decodes the portal's answers. Every number that a decision depends on is checked
// here; impossible ones are refused, so that no code outside this file sees them.

// screen is one thermostat as the portal's control screen shows it.
type screen struct {
	reading devices.ThermostatReading

	id           int64
	heat, cool   *float64 // the set points as sent, whether or not the device can use them
	heatEnd      *int     // the next period, in quarter hours since midnight
	coolEnd      *int
	position     *int // of the system switch
	takesTouches bool // set points may be changed at present
}

// truth is a JSON boolean that the portal also writes as 0 and 1.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", "1":
		*t = true
	case "false", "0":
		*t = false
	case "null":
	default:
		return fmt.Errorf("%.20q is neither true nor false", b)
	}
	return nil
}

func (t *truth) or(unknown bool) bool {
	if t == nil {
		return unknown
	}
	return bool(*t)
}

type checkData struct {
	Success           *truth  `json:"success"`
	DeviceLive        *truth  `json:"deviceLive"`
	CommunicationLost *truth  `json:"communicationLost"`
	LatestData        *latest `json:"latestData"`
}

type latest struct {
	UI     *uiData  `json:"uiData"`
	Fan    *fanData `json:"fanData"`
	HasFan *truth   `json:"hasFan"`
	DR     *struct {
		Phase json.RawMessage `json:"Phase"`
	} `json:"drData"`
}

type uiData struct {
	DeviceID                      *int64
	DisplayUnits                  *string
	DispTemperature               *float64
	DispTemperatureAvailable      *truth
	IndoorHumidity                *float64
	IndoorHumiditySensorAvailable *truth
	IndoorHumiditySensorNotFault  *truth
	OutdoorTemperature            *float64
	OutdoorTemperatureAvailable   *truth

	HeatSetpoint, CoolSetpoint               *float64
	HeatLowerSetptLimit, HeatUpperSetptLimit *float64
	CoolLowerSetptLimit, CoolUpperSetptLimit *float64
	Deadband                                 *float64
	ScheduleHeatSp, ScheduleCoolSp           *float64

	StatusHeat, StatusCool         *float64
	HeatNextPeriod, CoolNextPeriod *float64
	HoldUntilCapable               *truth
	ScheduleCapable                *truth
	IsInVacationHoldMode           *truth
	VacationHold                   json.RawMessage // a number or a boolean
	SetpointChangeAllowed          *truth

	SystemSwitchPosition  *float64
	SwitchAutoAllowed     *truth
	SwitchCoolAllowed     *truth
	SwitchHeatAllowed     *truth
	SwitchOffAllowed      *truth
	EquipmentOutputStatus *float64
}

type fanData struct {
	FanMode                      *float64 `json:"fanMode"`
	FanModeAutoAllowed           *truth   `json:"fanModeAutoAllowed"`
	FanModeOnAllowed             *truth   `json:"fanModeOnAllowed"`
	FanModeCirculateAllowed      *truth   `json:"fanModeCirculateAllowed"`
	FanModeFollowScheduleAllowed *truth   `json:"fanModeFollowScheduleAllowed"`
	FanIsRunning                 *truth   `json:"fanIsRunning"`
}

// The fan modes in the portal's order.
var fans = [...]devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate, devices.FanSchedule}

// noValue is what the portal sends in place of an unknown temperature or humidity.
const noValue = 128

// parse decodes an answer of CheckDataSession.
func parse(body []byte) (checkData, error) {
	var raw checkData
	if err := json.Unmarshal(body, &raw); err != nil {
		return checkData{}, unreadable(err)
	}
	return raw, nil
}

// screen converts the answer about d, received at now, to powermgr's terms.
func (raw checkData) screen(d device, now time.Time, home *time.Location) (screen, error) {
	if raw.Success == nil || !bool(*raw.Success) {
		return screen{}, errors.New("the portal says that it could not ask the thermostat")
	}
	s := screen{id: d.id, reading: devices.ThermostatReading{
		VendorID: d.vendorID(), Name: d.name, PolledAt: now, HoldStep: 15,
		Alive: raw.DeviceLive.or(false) && !raw.CommunicationLost.or(false),
	}}
	data := raw.LatestData
	if data == nil || data.UI == nil {
		if s.reading.Alive || raw.DeviceLive == nil && raw.CommunicationLost == nil {
			return screen{}, errors.New("there is no uiData")
		}
		s.reading.Unit, s.reading.Step = units(cmp.Or(d.unit, devices.Fahrenheit))
		return s, nil
	}
	ui := data.UI
	if ui.DeviceID != nil && *ui.DeviceID != d.id {
		return screen{}, fmt.Errorf("the answer is about thermostat %d", *ui.DeviceID)
	}
	if ui.DisplayUnits == nil || *ui.DisplayUnits != "F" && *ui.DisplayUnits != "C" {
		return screen{}, errors.New("DisplayUnits is neither F nor C")
	}
	r := &s.reading
	r.Unit, r.Step = units(devices.Unit(*ui.DisplayUnits))
	c := checker{devices.Checker{Unit: r.Unit, Lost: !r.Alive}}
	c.air(ui, r)
	c.control(ui, &s, now, home)
	c.fan(data.Fan, data.HasFan.or(data.Fan != nil), r)
	c.action(ui.EquipmentOutputStatus, data.Fan, r)
	if data.DR != nil {
		phase := number(data.DR.Phase)
		r.UtilityEvent = phase != nil && *phase != -1
	}
	if c.Err != nil {
		return screen{}, c.Err
	}
	return s, nil
}

// units returns u and the step of set points in that unit.
func units(u devices.Unit) (devices.Unit, float64) {
	if u == devices.Celsius {
		return u, 0.5
	}
	return u, 1
}

// air decodes the measured values.
func (c *checker) air(ui *uiData, r *devices.ThermostatReading) {
	if ui.DispTemperatureAvailable.or(true) {
		r.Temperature = c.temperature("DispTemperature", ui.DispTemperature)
	}
	if ui.OutdoorTemperatureAvailable.or(false) {
		r.OutdoorTemperature = c.shown(ui.OutdoorTemperature)
	}
	h := ui.IndoorHumidity
	if h == nil || *h == noValue || !ui.IndoorHumiditySensorAvailable.or(false) || !ui.IndoorHumiditySensorNotFault.or(true) {
		return
	}
	if *h >= 0 && *h <= 100 {
		r.Humidity = h
	}
}

// control decodes the settings.
func (c *checker) control(ui *uiData, s *screen, now time.Time, home *time.Location) {
	r := &s.reading
	heats, cools := ui.SwitchHeatAllowed.or(false), ui.SwitchCoolAllowed.or(false)
	if ui.SwitchAutoAllowed.or(false) {
		heats, cools = true, true
	}
	for _, m := range []struct {
		mode    devices.HVACMode
		allowed bool
	}{
		{devices.Off, ui.SwitchOffAllowed.or(false)}, {devices.Heat, ui.SwitchHeatAllowed.or(false)},
		{devices.Cool, ui.SwitchCoolAllowed.or(false)}, {devices.HeatCool, ui.SwitchAutoAllowed.or(false)},
	} {
		if m.allowed {
			r.Modes = append(r.Modes, m.mode)
		}
	}
	s.position = c.whole("SystemSwitchPosition", ui.SystemSwitchPosition, 0, 255)
	r.Mode, r.EmergencyHeat = modeOf(s.position)

	s.heat, s.cool = c.shown(ui.HeatSetpoint), c.shown(ui.CoolSetpoint)
	s.takesTouches = ui.SetpointChangeAllowed.or(true)
	if heats {
		s.heat = c.temperature("HeatSetpoint", ui.HeatSetpoint)
		r.HeatSetpoint = s.heat
		l := c.Unit.HeatLimits(ui.HeatLowerSetptLimit, ui.HeatUpperSetptLimit)
		r.HeatMin, r.HeatMax = &l.Lowest, &l.Highest
	}
	if cools {
		s.cool = c.temperature("CoolSetpoint", ui.CoolSetpoint)
		r.CoolSetpoint = s.cool
		l := c.Unit.CoolLimits(ui.CoolLowerSetptLimit, ui.CoolUpperSetptLimit)
		r.CoolMin, r.CoolMax = &l.Lowest, &l.Highest
	}
	if ui.Deadband != nil {
		if *ui.Deadband < 0 || *ui.Deadband > 20 {
			c.Fail("Deadband of %g", *ui.Deadband)
		} else {
			r.Deadband = *ui.Deadband
		}
	}
	scheduled := ui.ScheduleCapable.or(true)
	if scheduled && heats {
		r.ScheduleHeat = c.shown(ui.ScheduleHeatSp)
	}
	if scheduled && cools {
		r.ScheduleCool = c.shown(ui.ScheduleCoolSp)
	}
	c.hold(ui, s, scheduled, now, home)
}

// hold decodes why the set points are what they are. The portal uses the same status
// for a hold until the next period and for one until a chosen time, and the same field
// for the end of either. So a status of 1 with an end reads as "until" on a thermostat
// that accepts such holds, and otherwise as "temporary".
func (c *checker) hold(ui *uiData, s *screen, scheduled bool, now time.Time, home *time.Location) {
	r := &s.reading
	heat := c.whole("StatusHeat", ui.StatusHeat, 0, 3)
	cool := c.whole("StatusCool", ui.StatusCool, 0, 3)
	s.heatEnd, s.coolEnd = quarter(ui.HeatNextPeriod), quarter(ui.CoolNextPeriod)

	status, end := governing(r.Mode, heat, cool, s.heatEnd, s.coolEnd)
	vacation := number(ui.VacationHold)
	// 3 is "vacation hold" in Honeywell's older interface.
	if ui.IsInVacationHoldMode.or(false) || vacation != nil && *vacation != 0 || status != nil && *status == 3 {
		r.Hold = new(devices.HoldVacation)
	}
	if !scheduled || status == nil {
		return // without a schedule there is nothing to hold against
	}
	untilCapable := ui.HoldUntilCapable.or(false)
	r.Holds = []devices.Hold{devices.HoldSchedule, devices.HoldTemporary}
	if untilCapable {
		r.Holds = append(r.Holds, devices.HoldUntil)
	}
	r.Holds = append(r.Holds, devices.HoldPermanent)
	if r.Hold != nil {
		return
	}
	switch *status {
	case 0:
		r.Hold = new(devices.HoldSchedule)
	case 2:
		r.Hold = new(devices.HoldPermanent)
	case 1:
		r.Hold = new(devices.HoldTemporary)
		if end != nil {
			at := devices.NextClock(time.Duration(*end)*15*time.Minute, now, home)
			r.HoldUntil = &at
			if untilCapable {
				*r.Hold = devices.HoldUntil
			}
		}
	}
}

// quarter returns v as a time of day in quarter hours since midnight; nil if v is not
// one.
func quarter(v *float64) *int {
	if v == nil || *v < 0 || *v > 96 || *v != float64(int(*v)) {
		return nil
	}
	return new(int(*v))
}

// number returns the number in a field, or nil for null, false and a missing field.
// Anything else counts as 1: something is active.
func number(raw json.RawMessage) *float64 {
	var v float64
	switch s := string(raw); {
	case s == "" || s == "null" || s == "false":
		return nil
	case json.Unmarshal(raw, &v) != nil:
		v = 1
	}
	return &v
}

// governing returns the status that counts in a mode, with its end: the stronger one
// if both count.
func governing(mode *devices.HVACMode, heat, cool, heatEnd, coolEnd *int) (status, end *int) {
	switch {
	case cool == nil, mode != nil && *mode == devices.Heat && heat != nil:
		return heat, heatEnd
	case heat == nil, mode != nil && *mode == devices.Cool, *cool >= *heat:
		return cool, coolEnd
	}
	return heat, heatEnd
}

func modeOf(position *int) (mode *devices.HVACMode, emergency bool) {
	if position == nil {
		return nil, false
	}
	switch *position {
	case 0:
		return new(devices.Heat), true
	case 1:
		return new(devices.Heat), false
	case 2:
		return new(devices.Off), false
	case 3:
		return new(devices.Cool), false
	case 4, 5: // automatic, heating or cooling last
		return new(devices.HeatCool), false
	}
	return nil, false // 6 is "southern away", 7 unknown
}

func (c *checker) fan(f *fanData, has bool, r *devices.ThermostatReading) {
	if f == nil || !has {
		return
	}
	for i, allowed := range []*truth{f.FanModeAutoAllowed, f.FanModeOnAllowed, f.FanModeCirculateAllowed, f.FanModeFollowScheduleAllowed} {
		if allowed.or(false) {
			r.Fans = append(r.Fans, fans[i])
		}
	}
	for i := range fans {
		if f.FanMode != nil && *f.FanMode == float64(i) {
			r.Fan = &fans[i]
		}
	}
}

// action decodes what the equipment is doing. Some models never say.
func (c *checker) action(status *float64, f *fanData, r *devices.ThermostatReading) {
	n := status
	if n == nil {
		return
	}
	switch {
	case *n == 1:
		r.Action = new(devices.ActionHeating)
	case *n == 2:
		r.Action = new(devices.ActionCooling)
	case *n != 0:
	case f != nil && f.FanIsRunning.or(false):
		r.Action = new(devices.ActionFan)
	case r.Mode != nil && *r.Mode == devices.Off:
		r.Action = new(devices.ActionOff)
	default:
		r.Action = new(devices.ActionIdle)
	}
}

// checker is a devices.Checker that knows how the portal marks a missing value.
type checker struct{ devices.Checker }

// temperature checks a temperature and returns it; nil if the portal has none.
func (c *checker) temperature(name string, v *float64) *float64 {
	if v != nil && *v == noValue {
		return nil
	}
	return c.Temperature(name, v)
}

// shown returns a temperature that no decision depends on. An impossible one counts as
// unknown, and does not invalidate the reading.
func (c *checker) shown(v *float64) *float64 {
	if v == nil || *v == noValue || !c.Unit.Possible(*v) {
		return nil
	}
	return v
}

// whole checks a whole number against bounds and returns it; the portal writes some of
// its whole numbers as 3.0000.
func (c *checker) whole(name string, v *float64, lowest, highest int) *int {
	if v == nil {
		return nil
	}
	if *v < float64(lowest) || *v > float64(highest) || *v != float64(int(*v)) {
		c.Fail("%s of %g", name, *v)
		return nil
	}
	return new(int(*v))
}

// parseList decodes a page of GetLocationListData.
func parseList(body []byte) ([]device, error) {
	var locations []struct {
		Devices []struct {
			DeviceID int64
			Name     string
		}
	}
	if err := json.Unmarshal(body, &locations); err != nil {
		return nil, unreadable(err)
	}
	var found []device
	for _, l := range locations {
		for _, d := range l.Devices {
			if d.DeviceID <= 0 {
				continue // it can be neither read nor set, but the others can
			}
			found = append(found, device{id: d.DeviceID, name: devices.Label(d.Name)})
		}
	}
	return found, nil
}

// unreadable returns an error that says where a body is not as expected, without
// quoting it.
func unreadable(err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) && t.Field != "" {
		return fmt.Errorf("%s is a %s", t.Field, t.Value)
	}
	return errors.New("not the JSON it should be")
}

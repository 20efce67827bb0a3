package resideo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/devices"
)

// thermostat is one device, with everything that a write needs.
type thermostat struct {
	wire    wireDevice
	reading devices.ThermostatReading
	home    *time.Location
}

// statuses are the API's names for holds. VacationHold is only read, never written.
var statuses = map[devices.Hold]string{
	devices.HoldSchedule:  "NoHold",
	devices.HoldTemporary: "TemporaryHold",
	devices.HoldUntil:     "HoldUntil",
	devices.HoldPermanent: "PermanentHold",
	devices.HoldVacation:  "VacationHold",
}

// fanWords are the API's names for fan modes.
var fanWords = map[devices.Fan]string{
	devices.FanAuto:      "Auto",
	devices.FanOn:        "On",
	devices.FanCirculate: "Circulate",
}

// thermostat checks a device and converts it to powermgr's terms. Impossible figures
// that a decision depends on are an error; humidity and the outdoor temperature are
// only shown, and count as unknown if they are impossible.
func (d wireDevice) thermostat(now time.Time, home *time.Location) (thermostat, error) {
	r := devices.ThermostatReading{
		VendorID:  d.DeviceID,
		Name:      devices.Label(cmp.Or(d.UserDefinedDeviceName, d.Name, d.DeviceID)),
		PolledAt:  now,
		Alive:     d.alive(),
		HoldStep:  d.holdStep(),
		Nameplate: devices.Nameplate{Model: devices.Label(d.DeviceModel), Firmware: devices.Label(d.DeviceOSVersion)},
	}
	if d.bare() {
		r.Nameplate.Model = "" // "Unknown"
	}
	switch d.Units {
	case "Celsius":
		r.Unit, r.Step = devices.Celsius, 0.5
	case "Fahrenheit":
		r.Unit, r.Step = devices.Fahrenheit, 1
	case "":
		if r.Alive {
			return thermostat{}, fmt.Errorf("no units")
		}
		r.Unit, r.Step = devices.Fahrenheit, 1
	default:
		return thermostat{}, fmt.Errorf("units are neither Celsius nor Fahrenheit")
	}
	if d.ChangeableValues == nil {
		if r.Alive {
			return thermostat{}, fmt.Errorf("no changeableValues")
		}
		d.ChangeableValues = &changeable{}
	}
	c := devices.Checker{Unit: r.Unit, Lost: !r.Alive}
	r.Temperature = c.Temperature("indoorTemperature", d.IndoorTemperature)
	if d.IndoorHumidity != nil && *d.IndoorHumidity >= 0 && *d.IndoorHumidity <= 100 {
		r.Humidity = d.IndoorHumidity
	}
	if d.OutdoorTemperature != nil && r.Unit.Possible(*d.OutdoorTemperature) {
		r.OutdoorTemperature = d.OutdoorTemperature
	}
	d.mode(&r)
	d.setpoints(&r, &c)
	d.hold(&r, now, home)
	d.fan(&r)
	d.action(&r)
	if p := d.CurrentSchedulePeriod; p != nil {
		r.SchedulePeriod = devices.Label(p.Day + " " + p.Period)
	}
	return thermostat{wire: d, reading: r, home: home}, c.Err
}

func (d wireDevice) alive() bool {
	if d.IsAlive != nil && !*d.IsAlive || d.IsUpgrading != nil && *d.IsUpgrading {
		return false
	}
	return d.Service == nil || d.Service.Mode == "" || strings.EqualFold(d.Service.Mode, "Up")
}

// holdStep returns the minutes that the end of a hold is rounded to: 10 in Europe, and
// 15 in North America, where the device does not say.
func (d wireDevice) holdStep() int {
	if s := d.AllowedTimeIncrements; s != nil && *s >= 1 && *s <= 60 && *s == float64(int(*s)) && 60%int(*s) == 0 {
		return int(*s)
	}
	return 15
}

// tcc reports whether the device belongs to the older platform, where a schedule can be
// overridden but the API does not document how.
func (d wireDevice) tcc() bool {
	return strings.HasPrefix(d.DeviceID, "TCC-") || d.DeviceModel == "Round"
}

// bare reports whether the device accepts one set point and nothing else.
func (d wireDevice) bare() bool { return d.DeviceModel == "Unknown" }

// holds reports whether the device has holds that can be written.
func (d wireDevice) holds() bool {
	return d.ChangeableValues.ThermostatSetpointStatus != nil && !d.tcc() && !d.bare()
}

// allowed reports whether the device allows a mode, given by the API's name.
func (d wireDevice) allowed(mode string) bool {
	if len(d.AllowedModes) == 0 {
		return mode == d.ChangeableValues.Mode
	}
	return slices.Contains(d.AllowedModes, mode)
}

// byFlag reports whether automatic changeover is a flag next to the mode instead of a
// mode. Such a device answers "Mode 7 is not allowed" to the mode Auto.
func (d wireDevice) byFlag() bool {
	return d.ChangeableValues.AutoChangeoverActive != nil && d.allowed("Heat") && d.allowed("Cool") &&
		(d.tcc() || d.DeviceModel == "D6")
}

func (d wireDevice) heats() bool { return d.allowed("Heat") || d.allowed("EmergencyHeat") }
func (d wireDevice) cools() bool { return d.allowed("Cool") }

// mode decodes the mode, and the modes that can be set.
func (d wireDevice) mode(r *devices.ThermostatReading) {
	v := d.ChangeableValues
	on := func(flag *bool) bool { return flag != nil && *flag }
	switch v.Mode {
	case "Off":
		r.Mode = new(devices.Off)
	case "Auto":
		r.Mode = new(devices.HeatCool)
	case "EmergencyHeat":
		r.Mode, r.EmergencyHeat = new(devices.Heat), true
	case "Heat":
		r.Mode, r.EmergencyHeat = new(devices.Heat), on(v.EmergencyHeatActive)
	case "Cool":
		r.Mode = new(devices.Cool)
	}
	if (v.Mode == "Heat" || v.Mode == "Cool") && d.byFlag() && on(v.AutoChangeoverActive) && !r.EmergencyHeat {
		r.Mode = new(devices.HeatCool)
	}
	if d.bare() {
		if r.Mode != nil {
			r.Modes = []devices.HVACMode{*r.Mode}
		}
		return
	}
	for _, m := range []struct {
		mode devices.HVACMode
		has  bool
	}{
		{devices.Off, d.allowed("Off")},
		{devices.Heat, d.allowed("Heat")},
		{devices.Cool, d.allowed("Cool")},
		{devices.HeatCool, d.allowed("Auto") || d.byFlag()},
	} {
		if m.has {
			r.Modes = append(r.Modes, m.mode)
		}
	}
}

// setpoints decodes the set points that the device can use. A unit that only heats
// shows a cool set point as well, with limits of 0 °F.
func (d wireDevice) setpoints(r *devices.ThermostatReading, c *devices.Checker) {
	v := d.ChangeableValues
	if d.heats() {
		r.HeatSetpoint = c.Temperature("heatSetpoint", v.HeatSetpoint)
		limits := r.Unit.HeatLimits(d.MinHeatSetpoint, d.MaxHeatSetpoint)
		r.HeatMin, r.HeatMax = &limits.Lowest, &limits.Highest
	}
	if d.cools() {
		r.CoolSetpoint = c.Temperature("coolSetpoint", v.CoolSetpoint)
		limits := r.Unit.CoolLimits(d.MinCoolSetpoint, d.MaxCoolSetpoint)
		r.CoolMin, r.CoolMax = &limits.Lowest, &limits.Highest
	}
	if d.Deadband != nil {
		if *d.Deadband < 0 || *d.Deadband > 20 {
			c.Fail("deadband of %g", *d.Deadband)
			return
		}
		r.Deadband = *d.Deadband
	}
}

// hold decodes why the set points are what they are.
func (d wireDevice) hold(r *devices.ThermostatReading, now time.Time, home *time.Location) {
	v := d.ChangeableValues
	if d.holds() {
		r.Holds = []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent}
		for hold, word := range statuses {
			if word == *v.ThermostatSetpointStatus {
				r.Hold = &hold
			}
		}
	}
	if d.VacationHold != nil && d.VacationHold.Enabled ||
		v.ThermostatSetpointStatus != nil && *v.ThermostatSetpointStatus == statuses[devices.HoldVacation] {
		r.Hold = new(devices.HoldVacation)
	}
	if r.Hold == nil || *r.Hold != devices.HoldTemporary && *r.Hold != devices.HoldUntil || v.NextPeriodTime == nil {
		return
	}
	if clock, ok := timeOfDay(*v.NextPeriodTime); ok {
		r.HoldUntil = new(devices.NextClock(clock, now, home))
	}
}

// timeOfDay parses "19:00:00", which is in the thermostat's local time.
func timeOfDay(s string) (time.Duration, bool) {
	t, err := time.Parse(time.TimeOnly, s)
	if err != nil {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second, true
}

func (d wireDevice) fan(r *devices.ThermostatReading) {
	if d.Settings == nil || d.Settings.Fan == nil {
		return
	}
	f := d.Settings.Fan
	for _, fan := range []devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate} {
		if slices.Contains(f.AllowedModes, fanWords[fan]) {
			r.Fans = append(r.Fans, fan)
		}
		if f.ChangeableValues != nil && f.ChangeableValues.Mode == fanWords[fan] {
			r.Fan = &fan
		}
	}
}

// action decodes what the equipment is doing.
func (d wireDevice) action(r *devices.ThermostatReading) {
	o := d.OperationStatus
	if o == nil {
		return
	}
	switch {
	case o.Mode == "Heat" || o.Mode == "EmergencyHeat":
		r.Action = new(devices.ActionHeating)
	case o.Mode == "Cool":
		r.Action = new(devices.ActionCooling)
	case o.Mode != "EquipmentOff":
	case o.FanRequest || o.CirculationFanRequest:
		r.Action = new(devices.ActionFan)
	case r.Mode != nil && *r.Mode == devices.Off:
		r.Action = new(devices.ActionOff)
	default:
		r.Action = new(devices.ActionIdle)
	}
}

package planner

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"powermgr/control/thermal"
	"powermgr/devices"
)

// A Band is what the owner allows a plan to do with the thermostats. If it has no
// thermostats, they are not planned.
type Band struct {
	Thermostats []string // topic ids of those that are controlled
	PrecoolMinF float64  // never cooled below this
	MaxCoolF    float64  // highest cool set point of a setback
	MinHeatF    float64  // lowest heat set point of a setback
	StepF       float64  // between setbacks
	Steps       int      // number of setbacks
}

// A House is what has been learned about the thermostats' zones: a few numbers, by id,
// kept across a restart.
type House struct {
	Fitted time.Time                `json:"fitted_at"`
	Models map[string]thermal.Model `json:"models"`
	Power  thermal.Power            `json:"power_kw"`
}

const (
	roomDays     = 14                  // days that a model is fitted to
	fitEvery     = 24 * time.Hour      // how long a model is used before it is fitted again
	fitRetry     = time.Hour           // when fitting failed
	houseExpires = 21 * 24 * time.Hour // when an old model is no longer used
	binsInADay   = int(24 * time.Hour / thermal.Step)
)

// A room is the zone of one thermostat.
type room struct {
	last    devices.ThermostatReading
	open    halfHour // the current half hour
	samples []thermal.Sample
	points  [binsInADay]*thermal.Setting // what it follows by itself, by time of day
}

// A halfHour accumulates readings.
type halfHour struct {
	start                            time.Time
	n, indoor, outdoor, cools, heats float64
}

// A powers is what the Powerwall measured in a half hour.
type powers struct {
	start        time.Time
	n, sun, home float64
}

// ReadThermostat takes in a reading of a thermostat.
func (d *Engine) ReadThermostat(r devices.ThermostatReading, now time.Time) {
	if !slices.Contains(d.Band.Thermostats, r.ID()) || r.Temperature == nil || !r.Alive {
		return
	}
	x := d.room(r.ID())
	if !r.AsOf().After(x.last.AsOf()) {
		return
	}
	x.last = r
	start := r.AsOf().Truncate(thermal.Step)
	if !x.open.start.Equal(start) {
		x.close(d.powers)
		x.open = halfHour{start: start}
	}
	out := d.outdoorC(r, now)
	x.open.n++
	x.open.indoor += r.Unit.To(devices.Celsius, *r.Temperature)
	x.open.outdoor += out
	switch {
	case r.Action == nil:
		x.open.cools = math.NaN()
	case *r.Action == devices.ActionCooling:
		x.open.cools++
	case *r.Action == devices.ActionHeating:
		x.open.heats++
	}
	if s, ok := ownPoints(r); ok {
		x.points[d.bin(start)] = &s
	}
}

func (d *Engine) room(id string) *room {
	if d.rooms[id] == nil {
		d.rooms[id] = &room{}
	}
	return d.rooms[id]
}

// bin returns the half hour of the local day.
func (d *Engine) bin(t time.Time) int {
	t = t.In(d.Zone)
	return (t.Hour()*60 + t.Minute()) / int(thermal.Step.Minutes())
}

// ownPoints returns the set points that a thermostat follows by itself; ok is false if
// something else is in force and it does not report them.
func ownPoints(r devices.ThermostatReading) (s thermal.Setting, ok bool) {
	cool, heat := r.ScheduleCool, r.ScheduleHeat
	if cool == nil && heat == nil {
		if r.Hold == nil || *r.Hold != devices.HoldSchedule {
			return s, false
		}
		cool, heat = r.CoolSetpoint, r.HeatSetpoint
	}
	return points(r, cool, heat), true
}

// points returns the set points that the mode uses.
func points(r devices.ThermostatReading, cool, heat *float64) thermal.Setting {
	s := thermal.Setting{CoolC: math.NaN(), HeatC: math.NaN()}
	if r.Mode == nil {
		return s
	}
	if cool != nil && (*r.Mode == devices.Cool || *r.Mode == devices.HeatCool) {
		s.CoolC = r.Unit.To(devices.Celsius, *cool)
	}
	if heat != nil && (*r.Mode == devices.Heat || *r.Mode == devices.HeatCool) {
		s.HeatC = r.Unit.To(devices.Celsius, *heat)
	}
	return s
}

// outdoorC returns the temperature outside, from the thermostat or from the forecast.
func (d *Engine) outdoorC(r devices.ThermostatReading, now time.Time) float64 {
	if r.OutdoorTemperature != nil {
		return r.Unit.To(devices.Celsius, *r.OutdoorTemperature)
	}
	return d.foretoldC(now)
}

// foretoldC returns the temperature outside that is forecast for a time; NaN: there is
// none.
func (d *Engine) foretoldC(at time.Time) float64 {
	if d.forecast == nil {
		return math.NaN()
	}
	for i, h := range d.forecast.Hourly {
		if at.Before(h.At) || !at.Before(h.At.Add(time.Hour)) {
			continue
		}
		f := h.DegF
		if i+1 < len(d.forecast.Hourly) && d.forecast.Hourly[i+1].At.Equal(h.At.Add(time.Hour)) {
			f += (d.forecast.Hourly[i+1].DegF - f) * at.Sub(h.At).Hours()
		}
		return devices.Fahrenheit.To(devices.Celsius, f)
	}
	return math.NaN()
}

// close turns the current half hour into a sample.
func (x *room) close(known []powers) {
	h := x.open
	if h.n == 0 {
		return
	}
	s := thermal.Sample{
		Start: h.start, IndoorC: h.indoor / h.n, OutdoorC: h.outdoor / h.n, Cools: h.cools / h.n, Heats: h.heats / h.n,
		SunKW: math.NaN(), HomeKW: math.NaN(),
	}
	for _, p := range known {
		if p.start.Equal(h.start) && p.n > 0 {
			s.SunKW, s.HomeKW = p.sun/p.n, p.home/p.n
		}
	}
	if n := len(x.samples); n > 0 && !x.samples[n-1].Start.Before(s.Start) {
		return
	}
	if x.samples = append(x.samples, s); len(x.samples) > roomDays*binsInADay {
		x.samples = x.samples[1:]
	}
}

// notePower adds what the home draws to the half hours of the rooms.
func (d *Engine) notePower(r devices.PowerwallReading) {
	if r.HomePower == nil {
		return
	}
	start := r.AsOf().Truncate(thermal.Step)
	if n := len(d.powers); n == 0 || d.powers[n-1].start.Before(start) {
		d.powers = append(d.powers, powers{start: start})
		d.powers = d.powers[max(0, len(d.powers)-4):]
	}
	p := &d.powers[len(d.powers)-1]
	p.n, p.home = p.n+1, p.home+float64(*r.HomePower)/1000
	if r.SolarPower != nil {
		p.sun += float64(*r.SolarPower) / 1000
	}
}

// AddHistory takes in the past of a thermostat's zone.
func (d *Engine) AddHistory(l RoomHistory) {
	x := d.room(l.ID)
	for i, s := range l.Samples {
		x.samples = append(x.samples, s)
		if i < len(l.Follows) {
			x.points[d.bin(s.Start)] = &l.Follows[i]
		}
	}
	x.samples = x.samples[max(0, len(x.samples)-roomDays*binsInADay):]
}

// SetHouse restores what was learned before a restart.
func (d *Engine) SetHouse(h House) { d.house = h }

// House returns what has been learned by now.
func (d *Engine) House() House { return d.house }

// fit learns the house, if that is due. It returns why there is no model; empty: there
// is one.
func (d *Engine) fit(now time.Time) string {
	since := now.Sub(d.house.Fitted)
	if d.house.Models != nil && since < fitEvery || d.noHouse != "" && now.Sub(d.fitTriedAt) < fitRetry {
		return d.noHouse
	}
	d.fitTriedAt = now
	next := House{Fitted: devices.WholeSecond(now), Models: map[string]thermal.Model{}}
	var models []thermal.Model
	var zones [][]thermal.Sample
	for _, id := range d.Band.Thermostats {
		x := d.room(id)
		m, err := thermal.Fit(x.samples)
		if errors.Is(err, thermal.ErrTooYoung) && d.house.Models != nil && since < houseExpires {
			d.noHouse = "" // what was learned before a restart is good for a while
			return ""
		}
		if err != nil {
			d.noHouse = fmt.Sprintf("%s: %s", x.name(id), err)
			d.house = House{}
			return d.noHouse
		}
		next.Models[id] = m
		models, zones = append(models, m), append(zones, x.samples)
	}
	power, err := thermal.FitPower(models, zones)
	if err != nil {
		d.noHouse, d.house = err.Error(), House{}
		return d.noHouse
	}
	next.Power = power
	d.house, d.noHouse = next, ""
	return ""
}

func (x *room) name(id string) string {
	if x.last.Name != "" {
		return x.last.Name
	}
	return id
}

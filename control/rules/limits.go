package rules

import (
	"math"

	"powermgr/devices"
)

// degrees converts a temperature in °F to the thermostat's unit.
func (t Thermostat) degrees(f float64) float64 {
	if t.Celsius {
		return (f - 32) / 1.8
	}
	return f
}

// indoorF returns the indoor temperature in °F; nil if it is unknown.
func (t Thermostat) indoorF() *float64 {
	if t.Temperature == nil {
		return nil
	}
	f := *t.Temperature
	if t.Celsius {
		f = f*1.8 + 32
	}
	return &f
}

func (t Thermostat) step() float64 {
	switch {
	case t.Step > 0:
		return t.Step
	case t.Celsius:
		return 0.5
	}
	return 1
}

// offset returns a difference of f °F in the thermostat's unit, rounded down to its step,
// which is toward comfort.
func (t Thermostat) offset(f float64) float64 {
	if t.Celsius {
		f /= 1.8
	}
	return math.Floor(f/t.step()+1e-6) * t.step()
}

func (t Thermostat) floor(v float64) float64 { return math.Floor(v/t.step()+1e-6) * t.step() }
func (t Thermostat) ceil(v float64) float64  { return math.Ceil(v/t.step()-1e-6) * t.step() }

// setback returns the baseline moved toward less load by f °F, within the limits of the
// settings and of the device. A limit never moves a set point toward more load: a
// baseline beyond the limit stays.
func (s Settings) setback(t Thermostat, mode devices.HVACMode, base devices.Setting, f float64) devices.Setting {
	want := base
	if mode.Cools() && base.Cool != nil {
		v := min(*base.Cool+t.offset(f), t.floor(t.degrees(s.MaxCoolF)))
		if t.CoolMax != nil {
			v = min(v, *t.CoolMax)
		}
		v = max(v, *base.Cool)
		want.Cool = &v
	}
	if mode.Heats() && base.Heat != nil {
		v := max(*base.Heat-t.offset(f), s.lowestHeat(t))
		if t.HeatMin != nil {
			v = max(v, *t.HeatMin)
		}
		v = min(v, *base.Heat)
		want.Heat = &v
	}
	return t.room(s.staysIn(t, mode, want), base, want)
}

// precool returns the baseline with the cool set point lowered by f °F, never below the
// floor.
func (s Settings) precool(t Thermostat, mode devices.HVACMode, base devices.Setting, f float64) devices.Setting {
	want := base
	if !mode.Cools() || base.Cool == nil {
		return want
	}
	v := max(*base.Cool-t.offset(f), t.ceil(t.degrees(s.PrecoolFloorF)))
	if t.CoolMin != nil {
		v = max(v, *t.CoolMin)
	}
	v = min(v, *base.Cool)
	want.Cool = &v
	return t.room(s.staysIn(t, mode, want), base, want)
}

// lowestHeat returns the lowest heat set point of a setback, in the thermostat's unit.
func (s Settings) lowestHeat(t Thermostat) float64 { return t.ceil(t.degrees(s.MinHeatF)) }

// staysIn returns the mode whose set point stays when the two are closer together than
// the thermostat accepts. In a mode that uses both, the heat set point gives way, but it
// does not go below the lowest one of a setback for that: then the cool set point gives
// way.
func (s Settings) staysIn(t Thermostat, mode devices.HVACMode, want devices.Setting) devices.HVACMode {
	if mode == devices.HeatCool && want.Cool != nil && want.Heat != nil && t.floor(*want.Cool-t.Deadband) < min(s.lowestHeat(t), *want.Heat) {
		return devices.Heat
	}
	return mode
}

// room returns want with the deadband that the thermostat requires between its set
// points, or base if its limits leave no space for it. Set points that are closer than
// that can stay where they are, but only a restoring write can ask for them again.
func (t Thermostat) room(mode devices.HVACMode, base, want devices.Setting) devices.Setting {
	if devices.SamePoints(base, want, devices.HeatCool) && devices.SamePoints(base, t.Setting, devices.HeatCool) {
		return base
	}
	if apart, ok := t.apart(mode, want); ok {
		return apart
	}
	return base
}

// apart moves the set point that the mode does not use away from the one that it uses
// (the heat set point if it uses both): toward less load, as it is done for a person who
// asks for one set point only. It reports whether the limits of the device allow that.
func (t Thermostat) apart(mode devices.HVACMode, want devices.Setting) (devices.Setting, bool) {
	if t.Crossing || want.Cool == nil || want.Heat == nil || *want.Cool-*want.Heat >= t.Deadband-1e-6 {
		return want, true
	}
	if !mode.Cools() {
		c := t.ceil(*want.Heat + t.Deadband)
		want.Cool = &c
		return want, t.CoolMax == nil || c <= *t.CoolMax
	}
	h := t.floor(*want.Cool - t.Deadband)
	want.Heat = &h
	return want, t.HeatMin == nil || h >= *t.HeatMin
}

// nearest returns a setting that the thermostat once had, as closely as its own limits
// and its deadband allow.
func (t Thermostat) nearest(mode devices.HVACMode, s devices.Setting) devices.Setting {
	within := func(v, lowest, highest *float64) *float64 {
		switch {
		case v != nil && lowest != nil && *v < *lowest:
			return lowest
		case v != nil && highest != nil && *v > *highest:
			return highest
		}
		return v
	}
	s.Cool, s.Heat = within(s.Cool, t.CoolMin, t.CoolMax), within(s.Heat, t.HeatMin, t.HeatMax)
	if apart, ok := t.apart(mode, s); ok {
		return apart
	}
	return s
}

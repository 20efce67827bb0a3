package devices

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Merge completes cmd with what the thermostat shows, so that an adapter can
// write a complete setting. It is pure. Its error says why the command cannot be
// carried out, and what could be sent instead.
//
// In the result, Mode and Fan are nil if they do not change. If cmd has neither a
// set point nor a hold, both set points and the hold are nil. Otherwise the result
// has both set points (except one that the device does not show), rounded to Step,
// those that were asked for within their limits. On a device that knows holds it
// also has Hold, and the time HoldUntil if the hold is an until hold. A return to
// the schedule has no set points.
//
// If a single set point that was asked for is closer to the other one than Deadband,
// the other one moves: the heat set point down or the cool set point up, both of
// which mean less load. Two that were asked for together and are too close are
// refused. On a thermostat with heat_cool and no deadband, the cool set point still
// has to be at or above the heat set point. Neither the limits nor the deadband
// apply to set points that the device already shows, or that cmd restores.
func (r ThermostatReading) Merge(cmd ThermostatCommand, now time.Time) (ThermostatCommand, error) {
	points := cmd.CoolSetpoint != nil || cmd.HeatSetpoint != nil
	switch {
	case cmd.Mode == nil && cmd.Fan == nil && cmd.Hold == nil && !points:
		return ThermostatCommand{}, errors.New("the command changes nothing")
	case !r.Alive:
		return ThermostatCommand{}, errors.New("the vendor's cloud does not reach the thermostat: look at its power and its Wi-Fi")
	case r.Hold != nil && *r.Hold == HoldVacation:
		return ThermostatCommand{}, errors.New("the thermostat is on vacation: end that on the device or in the vendor's app")
	}
	out := ThermostatCommand{Mode: cmd.Mode, Fan: cmd.Fan, Restores: cmd.Restores}
	if err := oneOf("mode", cmd.Mode, r.Modes); err != nil {
		return ThermostatCommand{}, err
	}
	if err := oneOf("fan mode", cmd.Fan, r.Fans); err != nil {
		return ThermostatCommand{}, err
	}
	if !points && cmd.Hold == nil {
		if cmd.HoldUntil != nil {
			return ThermostatCommand{}, errors.New("a time without a hold: send hold until as well")
		}
		return out, nil
	}
	if err := r.mergeHold(&out, cmd, now); err != nil {
		return ThermostatCommand{}, err
	}
	if out.Hold != nil && *out.Hold == HoldSchedule {
		if points {
			return ThermostatCommand{}, errors.New("the schedule has its own set points: send either a set point or hold schedule")
		}
		return out, nil
	}
	if err := r.mergeSetpoints(&out, cmd); err != nil {
		return ThermostatCommand{}, err
	}
	return out, nil
}

// mergeHold decides the hold: the one that was asked for; otherwise a temporary one
// if the thermostat follows its schedule; otherwise the current one. A hold that will
// have ended when the write lands counts as ended.
func (r ThermostatReading) mergeHold(out *ThermostatCommand, cmd ThermostatCommand, now time.Time) error {
	want, until := cmd.Hold, cmd.HoldUntil
	if want == nil {
		if until != nil {
			return errors.New("a time without a hold: send hold until as well")
		}
		if len(r.Holds) == 0 {
			return nil
		}
		want, until = new(HoldTemporary), nil
		if r.Hold != nil && *r.Hold != HoldSchedule {
			want, until = r.Hold, r.HoldUntil
		}
		if *want == HoldUntil && (until == nil || until.Sub(now) < Landing) {
			want, until = new(HoldTemporary), nil
		}
	}
	if err := oneOf("hold", want, r.Holds); err != nil {
		return err
	}
	out.Hold = want
	if *want != HoldUntil {
		return nil
	}
	if until == nil {
		return errors.New("hold until without a time")
	}
	end := roundUp(*until, time.Duration(r.HoldStep)*time.Minute)
	// A device keeps a time of day, so a hold is shorter than a day, by enough
	// that its end is not read as one that has just been.
	if !until.After(now) || end.Sub(now) >= 24*time.Hour-JustOver {
		return fmt.Errorf("a hold until %s: send a time within the next 23 hours", until.Format(time.RFC3339))
	}
	out.HoldUntil = &end
	return nil
}

func (r ThermostatReading) mergeSetpoints(out *ThermostatCommand, cmd ThermostatCommand) error {
	var err error
	cool := setpoint{"cool", cmd.CoolSetpoint, r.CoolSetpoint, r.CoolMin, r.CoolMax, cmd.Restores}
	heat := setpoint{"heat", cmd.HeatSetpoint, r.HeatSetpoint, r.HeatMin, r.HeatMax, cmd.Restores}
	if out.CoolSetpoint, err = cool.merge(r); err != nil {
		return err
	}
	if out.HeatSetpoint, err = heat.merge(r); err != nil {
		return err
	}
	gap, keeps := r.Gap()
	if !keeps || out.CoolSetpoint == nil || out.HeatSetpoint == nil || *out.CoolSetpoint-*out.HeatSetpoint >= gap ||
		cmd.CoolSetpoint == nil && cmd.HeatSetpoint == nil {
		return nil
	}
	switch {
	case cmd.Restores, cool.stays(r, out.CoolSetpoint) && heat.stays(r, out.HeatSetpoint):
		return nil
	case cmd.CoolSetpoint != nil && cmd.HeatSetpoint != nil && gap == 0:
		return fmt.Errorf("cool %g is below heat %g", *out.CoolSetpoint, *out.HeatSetpoint)
	case cmd.CoolSetpoint != nil && cmd.HeatSetpoint != nil:
		return fmt.Errorf("cool %g and heat %g are closer than the %g° the thermostat keeps between them", *out.CoolSetpoint, *out.HeatSetpoint, r.Deadband)
	case cmd.CoolSetpoint != nil:
		give := r.onStep(*out.CoolSetpoint-gap, math.Floor)
		if r.HeatMin != nil && give < *r.HeatMin {
			return fmt.Errorf("a cool set point of %g would push the heat set point below %g: send at least %g", *out.CoolSetpoint, *r.HeatMin, *r.HeatMin+gap)
		}
		out.HeatSetpoint = &give
	default:
		give := r.onStep(*out.HeatSetpoint+gap, math.Ceil)
		if r.CoolMax != nil && give > *r.CoolMax {
			return fmt.Errorf("a heat set point of %g would push the cool set point above %g: send at most %g", *out.HeatSetpoint, *r.CoolMax, *r.CoolMax-gap)
		}
		out.CoolSetpoint = &give
	}
	return nil
}

// setpoint is one of the two: what was asked for, what the device shows, and its limits.
type setpoint struct {
	name            string
	asked, shown    *float64
	lowest, highest *float64
	givesBack       bool // asked is what the device had before
}

// stays reports whether v is what the device shows already.
func (s setpoint) stays(r ThermostatReading, v *float64) bool {
	return s.shown != nil && r.onStep(*s.shown, math.Round) == *v
}

func (s setpoint) merge(r ThermostatReading) (*float64, error) {
	if s.asked == nil {
		if s.shown == nil {
			return nil, nil
		}
		return new(r.onStep(*s.shown, math.Round)), nil
	}
	if !Finite(*s.asked) {
		return nil, fmt.Errorf("the %s set point is not a number", s.name)
	}
	if s.shown == nil {
		return nil, fmt.Errorf("the thermostat has no %s set point", s.name)
	}
	v := r.onStep(*s.asked, math.Round)
	if s.givesBack || s.stays(r, &v) {
		return &v, nil
	}
	if s.lowest != nil && v < *s.lowest || s.highest != nil && v > *s.highest {
		return nil, fmt.Errorf("a %s set point of %g °%s is outside %s", s.name, v, r.Unit, span(s.lowest, s.highest))
	}
	return &v, nil
}

func (r ThermostatReading) onStep(v float64, round func(float64) float64) float64 {
	if r.Step <= 0 {
		return v
	}
	return round(v/r.Step) * r.Step
}

func span(lowest, highest *float64) string {
	end := func(v *float64) string {
		if v == nil {
			return "…"
		}
		return fmt.Sprintf("%g", *v)
	}
	return end(lowest) + "–" + end(highest)
}

// roundUp rounds to a whole step of the wall clock. Steps divide a quarter
// hour or the hour, and so do the offsets of time zones, so rounding the
// instant rounds the clock.
func roundUp(t time.Time, step time.Duration) time.Time {
	if step <= 0 {
		return t
	}
	if down := t.Truncate(step); !down.Equal(t) {
		return down.Add(step)
	}
	return t
}

func oneOf[T ~string](what string, v *T, allowed []T) error {
	if v == nil || slices.Contains(allowed, *v) {
		return nil
	}
	if len(allowed) == 0 {
		return fmt.Errorf("the thermostat has no %s to set", what)
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Errorf("%s %.40q is not one of %s", what, string(*v), strings.Join(names, ", "))
}

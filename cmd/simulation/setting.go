package simulation

import (
	"fmt"
	"math"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// A setting is what a thermostat is set to.
type setting struct {
	Mode       devices.HVACMode
	Cool, Heat float64
	Hold       devices.Hold
	Until      time.Time
}

func settingOf(t *emulator.Thermostat) setting {
	return setting{t.Mode, t.Cool, t.Heat, t.Hold, t.HoldUntil}
}

// asWritten returns s after a write to a vendor.
func asWritten(s setting, values map[string]any) setting {
	if v, ok := values["cool_setpoint"].(float64); ok {
		s.Cool = v
	}
	if v, ok := values["heat_setpoint"].(float64); ok {
		s.Heat = v
	}
	if v, ok := values["mode"].(string); ok {
		s.Mode = devices.HVACMode(v)
	}
	if v, ok := values["hold"].(string); ok {
		s.Hold, s.Until = devices.Hold(v), time.Time{}
	}
	if v, ok := values["hold_until"].(time.Time); ok {
		s.Until = v
	}
	return s
}

func (s setting) timed() bool { return s.Hold == devices.HoldUntil || s.Hold == devices.HoldTemporary }

// aged returns what a setting has become by itself.
func (s setting) aged(now time.Time) setting {
	if s.timed() && !s.Until.IsZero() && !s.Until.After(now) {
		s.Hold, s.Until = devices.HoldSchedule, time.Time{}
	}
	return s
}

// over reports whether a setting has ended by itself.
func (s setting) over(now time.Time) bool { return s.timed() && !s.aged(now).timed() }

// same reports whether two settings are the same to the people who live with them: with a
// hold that ends at the same time they are the same, and a schedule is always the same.
func (s setting) same(o setting) bool {
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.3 }
	switch {
	case s.Mode != o.Mode:
		return false
	case s.Hold == devices.HoldSchedule || o.Hold == devices.HoldSchedule:
		return s.Hold == o.Hold
	case s.timed() != o.timed():
		return false
	case s.timed() && !s.Until.IsZero() && !o.Until.IsZero() && s.Until.Sub(o.Until).Abs() > 20*time.Minute && !s.twice(o):
		return false
	}
	cools := s.Mode == devices.Cool || s.Mode == devices.HeatCool
	heats := s.Mode == devices.Heat || s.Mode == devices.HeatCool
	return (!cools || near(s.Cool, o.Cool)) && (!heats || near(s.Heat, o.Heat))
}

// alike reports whether two settings have the same set points, including those that the
// mode does not use. One that is not given counts as the same.
func (s setting) alike(o setting) bool {
	near := func(a, b float64) bool { return b == 0 || math.Abs(a-b) < 0.3 }
	return near(s.Cool, o.Cool) && near(s.Heat, o.Heat)
}

// twice reports whether two holds end at the same time of day, which occurs twice in the
// night when the clocks are set back: a thermostat cannot tell the two apart.
func (s setting) twice(o setting) bool {
	return s.Until.Sub(o.Until).Abs() == time.Hour && s.Until.Format(time.TimeOnly) == o.Until.In(s.Until.Location()).Format(time.TimeOnly)
}

// apart returns s as accepted by a vendor that keeps the set points so far apart.
func (s setting) apart(gap float64) setting {
	switch {
	case s.Cool-s.Heat >= gap:
	case s.Mode == devices.Heat:
		s.Cool = s.Heat + gap
	default:
		s.Heat = s.Cool - gap
	}
	return s
}

// taken returns s and what a vendor that keeps the set points gap apart makes of it: in a
// mode that uses both, either of them may give way.
func (s setting) taken(gap float64) []setting {
	all := []setting{s, s.apart(gap)}
	if s.Mode == devices.HeatCool {
		all = append(all, s.in(devices.Heat).apart(gap).in(s.Mode))
	}
	return all
}

// equal is like same, but compares everything that a setting has, used or not.
func (s setting) equal(o setting) bool {
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.3 }
	return s.same(o) && (s.Hold == devices.HoldSchedule || near(s.Cool, o.Cool) && near(s.Heat, o.Heat))
}

// in returns s in another mode.
func (s setting) in(m devices.HVACMode) setting {
	s.Mode = m
	return s
}

func (s setting) String() string {
	text := fmt.Sprintf("%s cool %g heat %g %s", s.Mode, s.Cool, s.Heat, s.Hold)
	if s.timed() {
		text += s.Until.Format(" until 15:04")
	}
	return text
}

// roundedUp returns when a hold ends that was requested until at.
func roundedUp(at time.Time) time.Time {
	const step = 15 * time.Minute
	return at.Add(step - 1).Truncate(step)
}

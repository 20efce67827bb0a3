package devices

import (
	"math"
	"time"
)

// A Setting is what a device is set to: the reserve of a battery, or the set points of
// a thermostat and the hold that they have. What does not apply is nil.
type Setting struct {
	Reserve *int      `json:"reserve,omitempty"` // percent
	Cool    *float64  `json:"cool,omitempty"`    // in the device's unit
	Heat    *float64  `json:"heat,omitempty"`
	Hold    Hold      `json:"hold,omitempty"` // empty: the device knows no holds
	Until   time.Time `json:"until,omitzero"` // end of a temporary or until hold, where known
}

// SetpointTolerance is how far two set points that count as equal may differ. Devices
// in °C report a set point in °F with a rounding of up to a quarter of a degree; the
// finest step of a device is half a degree.
const SetpointTolerance = 0.3

// Same reports whether two settings are the same in a mode of the thermostat: whether a
// device shows what it was asked for. Set points that follow the schedule do not count,
// and neither does one that the mode does not use; a portal shows a temporary hold as
// one until the end of the period. A hold that is unknown in one of the two is not
// compared.
func Same(a, b Setting, mode HVACMode) bool {
	switch {
	case !same(a.Reserve, b.Reserve):
		return false
	case a.Hold == "" || b.Hold == "":
		return SamePoints(a, b, mode)
	case a.Hold == HoldSchedule:
		return b.Hold == HoldSchedule
	case a.Hold != b.Hold && !(a.Timed() && b.Timed()):
		return false
	case a.HasEnd() && !b.Until.IsZero() && !SameEnd(a.Until, b.Until):
		return false
	}
	return SamePoints(a, b, mode)
}

// SameRequest reports whether two settings ask for the same thing, to the minute.
func SameRequest(a, b Setting, mode HVACMode) bool {
	return same(a.Reserve, b.Reserve) && a.Hold == b.Hold && a.Until.Equal(b.Until) && (a.Hold == HoldSchedule || SamePoints(a, b, mode))
}

// SamePoints reports whether two settings have the same set points, as far as the mode
// uses them.
func SamePoints(a, b Setting, mode HVACMode) bool {
	return (!mode.Cools() || SamePoint(a.Cool, b.Cool)) && (!mode.Heats() || SamePoint(a.Heat, b.Heat))
}

// SamePoint compares two set points; unknown equals only unknown.
func SamePoint(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return math.Abs(*a-*b) < SetpointTolerance
}

// SameEnd reports whether a hold requested until asked ends at shown. Vendors know only
// a time of day: a hold that reached the device after its end shows the next day's.
func SameEnd(asked, shown time.Time) bool {
	const day = 24 * time.Hour
	apart := shown.Sub(asked).Abs()
	near := func(d time.Duration) bool { return min(d%day, day-d%day) <= HoldEndTolerance }
	return near(apart) || apart > day/2 && (near(apart+time.Hour) || near(apart-time.Hour)) // a day on which clocks change
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Timed reports whether a setting ends by itself.
func (s Setting) Timed() bool { return s.Hold == HoldUntil || s.Hold == HoldTemporary }

// HasEnd reports whether a setting ends by itself at a known time.
func (s Setting) HasEnd() bool { return s.Timed() && !s.Until.IsZero() }

// Lasts reports whether a setting stays until somebody changes it.
func (s Setting) Lasts() bool { return s.Hold == HoldPermanent || s.Hold == "" }

// Over reports whether a setting would have given way to the schedule by now.
func (s Setting) Over(now time.Time) bool {
	return s.Hold == HoldSchedule || s.HasEnd() && !now.Before(s.Until.Add(-LapseWithin))
}

// Cools reports whether a mode uses the cool set point.
func (m HVACMode) Cools() bool { return m == Cool || m == HeatCool }

// Heats reports whether a mode uses the heat set point.
func (m HVACMode) Heats() bool { return m == Heat || m == HeatCool }

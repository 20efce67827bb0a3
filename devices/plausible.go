package devices

import (
	"math"
	"strings"
	"unicode"
)

// What adapters check of a vendor's words before anything behind them sees it.

// Possible reports whether a temperature in u can occur in or around a home:
// −60 to 160 °F.
func (u Unit) Possible(degrees float64) bool {
	f := u.To(Fahrenheit, degrees)
	return f >= -60 && f <= 160
}

// Limits of set points, both ends allowed.
type Limits struct{ Lowest, Highest float64 }

// The limits that Honeywell thermostats usually have, in °F.
var (
	usualHeat = Limits{40, 90}
	usualCool = Limits{50, 99}
)

// HeatLimits are the limits a device gives for its heat set point, or the usual
// ones where it gives none that make sense: nothing is written without limits.
func (u Unit) HeatLimits(lowest, highest *float64) Limits {
	return u.limits(lowest, highest, usualHeat)
}

// CoolLimits is HeatLimits for the cool set point.
func (u Unit) CoolLimits(lowest, highest *float64) Limits {
	return u.limits(lowest, highest, usualCool)
}

func (u Unit) limits(lowest, highest *float64, usual Limits) Limits {
	if lowest != nil && highest != nil && *lowest < *highest &&
		u.To(Fahrenheit, *lowest) >= 32 && u.To(Fahrenheit, *highest) <= 120 {
		return Limits{*lowest, *highest}
	}
	if u == Celsius {
		half := func(f float64) float64 { return math.Round(Fahrenheit.To(u, f)*2) / 2 }
		return Limits{half(usual.Lowest), half(usual.Highest)}
	}
	return usual
}

// Label makes a name from a vendor fit to be shown: one line of at most 64
// printable characters.
func Label(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 64 {
		s = strings.TrimSpace(string(r[:64]))
	}
	return s
}

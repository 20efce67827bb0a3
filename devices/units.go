package devices

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"
)

// Watts is power. Signs are those of Tesla and of Home Assistant's energy dashboard: a
// battery is positive when it discharges, the grid when the home imports; solar and
// home are always positive.
type Watts float64

// MarshalJSON writes whole watts; the meters are no finer.
func (w Watts) MarshalJSON() ([]byte, error) { return rounded(float64(w), 1) }

// WattHours is energy. On topics it is written in kWh.
type WattHours float64

// MarshalJSON writes kWh with three decimals.
func (e WattHours) MarshalJSON() ([]byte, error) { return rounded(float64(e)/1000, 1000) }

// UnmarshalJSON reads kWh.
func (e *WattHours) UnmarshalJSON(b []byte) error {
	var kwh float64
	if err := json.Unmarshal(b, &kwh); err != nil {
		return err
	}
	*e = WattHours(kwh * 1000)
	return nil
}

// Percent is 0 to 100.
type Percent float64

// MarshalJSON writes one decimal.
func (p Percent) MarshalJSON() ([]byte, error) { return rounded(float64(p), 10) }

func rounded(v, perUnit float64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, round(v, perUnit), 'f', -1, 64), nil
}

func round(v, perUnit float64) float64 {
	r := math.Round(v*perUnit) / perUnit
	if r == 0 {
		return 0 // no "-0"
	}
	return r
}

// Unit is a temperature unit, as the device reports it.
type Unit string

// The units of Home Assistant's climate platform.
const (
	Fahrenheit Unit = "F"
	Celsius    Unit = "C"
)

// To converts a temperature from u to v.
func (u Unit) To(v Unit, degrees float64) float64 {
	switch {
	case u == v:
		return degrees
	case v == Celsius:
		return (degrees - 32) / 1.8
	default:
		return degrees*1.8 + 32
	}
}

// Degrees formats a temperature in u for people who read in another unit; empty: they
// read u.
func (u Unit) Degrees(owner Unit, v float64) string {
	if owner == "" {
		owner = u
	}
	return tenths(u.To(owner, v)) + " °" + string(owner)
}

// Difference formats a temperature difference in u for people who read in another unit;
// empty: they read u.
func (u Unit) Difference(owner Unit, v float64) string {
	if owner == "" {
		owner = u
	}
	return tenths(u.DifferenceTo(owner, v)) + " °" + string(owner)
}

// DifferenceTo converts a temperature difference from u to v.
func (u Unit) DifferenceTo(v Unit, degrees float64) float64 {
	switch {
	case u == v:
		return degrees
	case v == Celsius:
		return degrees / 1.8
	default:
		return degrees * 1.8
	}
}

func tenths(v float64) string {
	if v = math.Round(v*10) / 10; v == 0 {
		v = 0 // no "-0"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Finite reports whether v is a number that a device can have measured. Adapters refuse
// a body with any other number as nonsense.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// A Secret is a password or token. It is never printed: not with fmt, not in JSON, not
// in a log. Reveal is for the one line that sends it.
type Secret string

const concealed = "(secret)"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String says only whether there is one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return concealed
}

// GoString keeps %#v from printing the secret.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format keeps every other verb from printing the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalJSON writes what String says.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText writes what String says.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue writes what String says.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Stale returns how old a reading may be before nothing new is decided from it: three
// polls or 15 minutes, whichever is longer. Tesla refreshes its figures about every
// five minutes, however often they are read.
func Stale(poll time.Duration) time.Duration { return max(3*poll, TooOld) }

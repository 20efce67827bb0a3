package page

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"powermgr/control/health"
	"powermgr/control/rules"
	"powermgr/devices"
)

// How figures, times and the words of topics are shown to people.

// phaseName names a phase for people.
func phaseName(p rules.Phase) string {
	switch p {
	case rules.InPeak:
		return "Peak"
	case rules.PrePeak:
		return "Peak ahead"
	case rules.OffPeak:
		return "Off peak"
	}
	return string(p)
}

// overrideName names an override for people.
func overrideName(kind string) string {
	switch rules.OverrideKind(kind) {
	case rules.OverridePeak:
		return "Peak"
	case rules.OverrideOffPeak:
		return "Off peak"
	case rules.OverridePrecool:
		return "Precool"
	case rules.OverridePause:
		return "Paused"
	case rules.OverrideSkip:
		return "Skipping the next peak"
	}
	return kind
}

// Clock formats a time for people at home.
func (v view) Clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	local := t.In(v.Now.Location())
	switch {
	case local.Format(time.DateOnly) == v.Now.Format(time.DateOnly):
		return local.Format("15:04")
	case local.Sub(v.Now).Abs() < 6*24*time.Hour:
		return local.Format("Mon 15:04")
	}
	return local.Format("Jan 2 15:04")
}

// Until returns " until 19:00", or nothing if there is no such time.
func (v view) Until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + v.Clock(t)
}

// kilowatts formats power without its sign: "1.2 kW"; below a kilowatt in watts.
func kilowatts(w *devices.Watts) string {
	if w == nil {
		return "–"
	}
	v := math.Abs(float64(*w))
	if v < 995 {
		return fmt.Sprintf("%.0f W", v)
	}
	return fmt.Sprintf("%.1f kW", v/1000)
}

// still is the power below which nothing counts as flowing.
const still devices.Watts = 30

// flow returns which way power flows: in, from the device to the home; out; or "" for
// neither.
func flow(w *devices.Watts) string {
	switch {
	case w == nil || *w > -still && *w < still:
		return ""
	case *w > 0:
		return "in"
	}
	return "out"
}

// direction describes which way power flows, for the battery and the grid.
func direction(w *devices.Watts, in, out string) string {
	switch flow(w) {
	case "in":
		return in
	case "out":
		return out
	}
	if w == nil {
		return "not known"
	}
	return "idle"
}

// degrees formats a temperature of a device in the owner's unit.
func (p *Page) degrees(t *float64, unit devices.Unit) string {
	if t == nil {
		return "–"
	}
	return unit.Degrees(p.Settings.Unit, *t)
}

// high formats a forecast in °F in the owner's unit.
func (p *Page) high(f float64) string {
	return devices.Fahrenheit.Degrees(p.Settings.Unit, math.Round(f))
}

// offset formats a setback of f °F in the owner's unit.
func (p *Page) offset(f float64) string { return devices.Fahrenheit.Difference(p.Settings.Unit, f) }

// percentText formats a percentage of any type without decimals.
func percentText(v any) string {
	switch p := v.(type) {
	case *devices.Percent:
		if p != nil {
			return fmt.Sprintf("%.0f %%", float64(*p))
		}
	case *float64:
		if p != nil {
			return fmt.Sprintf("%.0f %%", *p)
		}
	case *int:
		if p != nil {
			return fmt.Sprintf("%d %%", *p)
		}
	}
	return "–"
}

// figure formats a number that a template has a pointer to.
func figure(format string, v any) string {
	return fmt.Sprintf(format, reflect.Indirect(reflect.ValueOf(v)).Interface())
}

// modeName names a Powerwall's mode as Tesla's app does.
func modeName(m *devices.Mode) string {
	if m == nil {
		return "–"
	}
	switch *m {
	case devices.SelfConsumption:
		return "Self-powered"
	case devices.Autonomous:
		return "Time-based control"
	case devices.Backup:
		return "Backup"
	}
	return string(*m)
}

// hvac describes what a thermostat is doing.
func hvac(t thermostat) string {
	words := "mode not known"
	if t.Mode != nil {
		words = map[devices.HVACMode]string{devices.Off: "Off", devices.Heat: "Heat", devices.Cool: "Cool", devices.HeatCool: "Auto"}[*t.Mode]
		if words == "" {
			words = string(*t.Mode)
		}
	}
	if t.EmergencyHeat {
		words = "Emergency heat"
	}
	if t.Action != nil && *t.Action != devices.ActionOff && *t.Action != devices.ActionIdle {
		words += ", " + string(*t.Action)
	} else if t.Action != nil && *t.Action == devices.ActionIdle {
		words += ", idle"
	}
	return words
}

// what describes what somebody has set a device to.
func what(o *rules.Owned) string {
	switch o.What {
	case string(rules.Precool):
		return "precooled"
	case string(rules.Setback):
		return "set back"
	case string(rules.Restore):
		return "being restored"
	case "reserve":
		return "reserve set for the peak"
	}
	return o.What
}

// Hold describes why a thermostat has its set points.
func (v view) Hold(t thermostat) string {
	if t.Hold == nil {
		return ""
	}
	end := ""
	if t.HoldUntil != nil {
		end = v.Until(*t.HoldUntil)
	}
	switch *t.Hold {
	case devices.HoldSchedule:
		return "On its schedule"
	case devices.HoldPermanent:
		return "Permanent hold"
	case devices.HoldVacation:
		return "On vacation" + end
	}
	if end == "" {
		return "Held until its next period"
	}
	return "Held" + end
}

// partName names a part of powermgr for people.
func partName(part string) string {
	switch part {
	case health.Powerwall:
		return "Tesla"
	case health.Thermostats:
		return "Honeywell"
	case health.Weather:
		return "Forecast"
	case health.Restoring:
		return "Giving back"
	}
	return capital(part)
}

// capital capitalizes a sentence.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// money formats an amount: $1.20, −$0.35, 1.20 EUR.
func money(v float64, currency string) string {
	sign := ""
	if v <= -0.005 {
		sign, v = "−", -v
	}
	if utf8.RuneCountInString(currency) > 1 {
		return fmt.Sprintf("%s%.2f %s", sign, math.Abs(v), currency)
	}
	return fmt.Sprintf("%s%s%.2f", sign, currency, math.Abs(v))
}

// thousands formats a number with its thousands separated.
func thousands(n *int) string {
	if *n < 1000 {
		return fmt.Sprint(*n)
	}
	above := *n / 1000
	return fmt.Sprintf("%s,%03d", thousands(&above), *n%1000)
}

// dayName formats a date such as 2026-07-15 for people.
func dayName(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("Monday, January 2")
}

// age describes roughly how long ago something was; "" for less than two minutes.
func (v view) age(t time.Time) string {
	switch d := v.Now.Sub(t); {
	case t.IsZero():
		return "never read"
	case d < 2*time.Minute:
		return ""
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// lines splits a text into lines.
func lines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }

// setting formats the value of a setting that people change by hand.
func (p *Page) setting(a rules.Adjustable, value float64) string {
	return a.Text(value, p.Settings.Unit)
}

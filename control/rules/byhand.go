package rules

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"powermgr/devices"
)

// An Adjustable is a setting that people can change by hand, in addition to the
// configuration. A value set by hand holds until the configuration's is restored, across
// restarts and changes of node.
type Adjustable string

// The settings that can be changed by hand.
const (
	AdjustPeakReserve    Adjustable = "peak_reserve"     // percent: 0–80 or 100
	AdjustOffPeakReserve Adjustable = "off_peak_reserve" // percent: 0–80 or 100
	AdjustPrecool        Adjustable = "precool_depth"    // °F: 0–MaxPrecoolF; 0: no precooling
)

// MaxPrecoolF is the deepest precooling, in °F.
const MaxPrecoolF = 5

// Adjustables lists all of them, in the order in which people see them.
func Adjustables() []Adjustable {
	return []Adjustable{AdjustPeakReserve, AdjustOffPeakReserve, AdjustPrecool}
}

// String returns a's name as people know it.
func (a Adjustable) String() string { return strings.ReplaceAll(string(a), "_", " ") }

// Text formats a value of a with its unit, for people who read temperatures in the unit
// owner (empty: °F).
func (a Adjustable) Text(value float64, owner devices.Unit) string {
	if a == AdjustPrecool {
		return devices.Fahrenheit.Difference(owner, value)
	}
	return strconv.FormatFloat(value, 'f', -1, 64) + " %"
}

// Shown returns a value of a as a number in the unit that Text uses.
func (a Adjustable) Shown(value float64, owner devices.Unit) float64 {
	if a == AdjustPrecool && owner == devices.Celsius {
		return math.Round(devices.Fahrenheit.DifferenceTo(owner, value)*10) / 10
	}
	return value
}

// ByHandAsked is a person's change of a setting by hand.
type ByHandAsked struct {
	Setting Adjustable // empty, with a nil Value: all of them
	Value   *float64   // nil: back to the value of the configuration
}

// event makes ByHandAsked an Event.
func (ByHandAsked) event() {}

// Adjusted is a setting that has been changed by hand.
type Adjusted struct {
	Setting    Adjustable `json:"setting"`
	Value      float64    `json:"value"`
	Configured float64    `json:"configured"`
	Text       string     `json:"text"` // Value as people read it
}

// configured returns the value of a in the settings.
func (s Settings) configured(a Adjustable) float64 {
	switch a {
	case AdjustPeakReserve:
		return float64(s.PeakReserve)
	case AdjustOffPeakReserve:
		return float64(s.OffPeakReserve)
	}
	return s.PrecoolAdjustF
}

// ByHand returns the settings that have been changed by hand.
func (s State) ByHand() []Adjusted {
	all := []Adjusted{}
	for _, a := range Adjustables() {
		if v, ok := s.Persisted.ByHand[a]; ok {
			all = append(all, Adjusted{a, v, s.Settings.configured(a), a.Text(v, s.Settings.Unit)})
		}
	}
	return all
}

// InForce returns the settings with the changes made by hand. A peak never holds back
// more than the hours around it, even if the configuration has changed since, and a plan
// never goes below the peak's reserve.
func (s State) InForce() Settings {
	out := s.Settings
	for a, v := range s.Persisted.ByHand {
		switch a {
		case AdjustPeakReserve:
			out.PeakReserve = int(v)
		case AdjustOffPeakReserve:
			out.OffPeakReserve = int(v)
		case AdjustPrecool:
			out.PrecoolAdjustF = v
		}
	}
	out.PeakReserve = min(out.PeakReserve, out.OffPeakReserve)
	out.PlanMinReserve = max(out.PlanMinReserve, out.PeakReserve)
	return out
}

// Check says why a change by hand cannot be made; nil: it can.
func (s State) Check(c ByHandAsked) error {
	if c.Value == nil {
		return nil
	}
	v, now := *c.Value, s.InForce()
	switch reserve := c.Setting != AdjustPrecool; {
	case !reserve && !(v >= 0 && v <= MaxPrecoolF):
		return fmt.Errorf("the precool depth has to be 0 to %s", devices.Fahrenheit.Difference(s.Settings.Unit, MaxPrecoolF))
	case !reserve:
		return nil
	case v != float64(int(v)) || v < 0 || v > deviceLimit && v != 100:
		return fmt.Errorf("a reserve has to be a whole number of percent, 0 to %d or 100; a Powerwall turns values in between into %d", deviceLimit, deviceLimit)
	case c.Setting == AdjustPeakReserve && int(v) > now.OffPeakReserve:
		return fmt.Errorf("the reserve in a peak would be above the reserve at other times, which is %d %%", now.OffPeakReserve)
	case c.Setting == AdjustOffPeakReserve && int(v) < now.PeakReserve:
		return fmt.Errorf("the reserve would be below the reserve in a peak, which is %d %%", now.PeakReserve)
	}
	return nil
}

// adjust applies a change by hand that has passed Check.
func (st *step) adjust(c ByHandAsked) {
	if c.Setting == "" {
		for _, a := range st.ByHand() {
			st.adjust(ByHandAsked{Setting: a.Setting})
		}
		return
	}
	before, changed := st.Persisted.ByHand[c.Setting]
	configured := st.Settings.configured(c.Setting)
	switch {
	case c.Value == nil && !changed, c.Value != nil && changed && before == *c.Value, c.Value != nil && !changed && configured == *c.Value:
		return
	}
	st.Persisted.LastUserInput = st.now
	all := maps.Clone(st.Persisted.ByHand)
	if all == nil {
		all = map[Adjustable]float64{}
	}
	if c.Value == nil || *c.Value == configured {
		delete(all, c.Setting)
		st.note(NoteEnabled, "", "%s is %s again, as configured", c.Setting, c.Setting.Text(configured, st.Settings.Unit))
	} else {
		all[c.Setting] = *c.Value
		st.note(NoteEnabled, "", "%s is %s, changed by hand; the configuration says %s", c.Setting, c.Setting.Text(*c.Value, st.Settings.Unit), c.Setting.Text(configured, st.Settings.Unit))
	}
	if len(all) == 0 {
		all = nil
	}
	st.Persisted.ByHand = all
}

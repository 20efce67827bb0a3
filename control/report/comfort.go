package report

import (
	"time"

	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Thermostat is one thermostat's day. Degrees are in its unit.
type Thermostat struct {
	Name       string       `json:"name"`
	Unit       devices.Unit `json:"unit"`
	Controlled bool         `json:"controlled"`
	Readings   int          `json:"readings"`
	IndoorMin  *Extreme     `json:"indoor_min"`
	IndoorMax  *Extreme     `json:"indoor_max"`
	Setback    Shift        `json:"setback"`
	Precool    Shift        `json:"precool"`

	// On the grid of Samples.
	Indoor Series `json:"indoor"`
	Cool   Series `json:"cool_setpoint"` // while the mode uses it
	Heat   Series `json:"heat_setpoint"`

	// As of the last message.
	What     rules.Goal `json:"what"` // what the rules hold it for; empty: nothing
	Since    time.Time  `json:"since,omitzero"`
	CoolNow  *float64   `json:"cool_now"`
	HeatNow  *float64   `json:"heat_now"`
	CoolBase *float64   `json:"cool_base"` // before the rules held it; both nil: not known
	HeatBase *float64   `json:"heat_base"`
}

// Shift is how long and how far set points were moved.
type Shift struct {
	Minutes       float64 `json:"minutes"`
	DegreeMinutes float64 `json:"degree_minutes"` // divided by Minutes it is the mean
	MaxDegrees    float64 `json:"max_degrees"`
}

// thermostat folds a reading.
func (r *Record) thermostat(id string, d devices.ThermostatReading, now time.Time) {
	at, id := r.local(now), clip(id, longestName)
	t, known := r.Thermostats[id]
	if !known && len(r.Thermostats) >= maxThermostats {
		r.LeftOut["thermostats"]++
		return
	}
	for _, v := range []*float64{d.Temperature, d.CoolSetpoint, d.HeatSetpoint} {
		if v != nil && !d.Unit.Possible(*v) {
			r.LeftOut["messages"]++
			return
		}
	}
	t.accrue(at, r.Open.OffsetF)
	t.Name, t.Unit = devices.Label(d.Name), d.Unit
	if t.Name == "" {
		t.Name = clip(id, longestName)
	}
	if d.Alive { // otherwise its last values are old
		t.Readings++
		t.CoolNow, t.HeatNow = uses(d.Mode, devices.Cool, d.CoolSetpoint), uses(d.Mode, devices.Heat, d.HeatSetpoint)
		i := r.slot(at)
		t.Cool.set(i, t.CoolNow)
		t.Heat.set(i, t.HeatNow)
		t.Indoor.set(i, d.Temperature)
		if d.Temperature != nil {
			t.IndoorMin, t.IndoorMax = lower(t.IndoorMin, *d.Temperature, at), higher(t.IndoorMax, *d.Temperature, at)
		}
	}
	r.Thermostats[id] = t
}

// uses returns a set point if the mode uses it; heat_cool uses both.
func uses(mode *devices.HVACMode, want devices.HVACMode, v *float64) *float64 {
	if mode == nil || *mode != want && *mode != devices.HeatCool {
		return nil
	}
	return v
}

// owned folds which thermostats the rules have set, and what for.
func (r *Record) owned(s control.State, now time.Time) {
	what := map[string]rules.Goal{}
	for _, o := range s.Owned {
		what[o.Target] = rules.Goal(o.What)
	}
	for id, t := range r.Thermostats {
		t.accrue(now, r.Open.OffsetF)
		if is := what[id]; is != t.What {
			switch {
			case is == rules.Leave:
				t.CoolBase, t.HeatBase = nil, nil
			case t.What == rules.Leave && r.Open.Heard:
				// Its set points are still the old ones: the write is sent together
				// with this message.
				t.CoolBase, t.HeatBase = t.CoolNow, t.HeatNow
			}
			t.What, t.Since = is, now
		}
		r.Thermostats[id] = t
	}
	r.Open.OffsetF = s.OffsetF
}

// accrue adds the time up to now to what the rules hold the thermostat for. A gap is not
// counted: it is unknown how long that lasted.
func (t *Thermostat) accrue(now time.Time, offsetF float64) {
	length := now.Sub(t.Since)
	t.Since = now
	shift := &t.Setback
	switch {
	case length <= 0 || length > longestGap:
		return
	case t.What == rules.Precool:
		shift = &t.Precool
	case t.What != rules.Setback:
		return
	}
	degrees := t.shifted(offsetF)
	shift.Minutes = round(shift.Minutes + length.Minutes())
	shift.DegreeMinutes = round(shift.DegreeMinutes + length.Minutes()*degrees)
	shift.MaxDegrees = max(shift.MaxDegrees, degrees)
}

// shifted returns by how much the set points are moved: what the thermostat shows
// compared with what it showed before. If that is unknown, a setback counts as what the
// controller says, in °F.
func (t *Thermostat) shifted(offsetF float64) float64 {
	if t.CoolBase == nil && t.HeatBase == nil {
		if t.What == rules.Precool {
			return 0
		}
		if t.Unit == devices.Celsius {
			return round(offsetF / 1.8)
		}
		return offsetF
	}
	apart := func(from, to *float64) float64 {
		if from == nil || to == nil {
			return 0
		}
		return round(*to - *from)
	}
	if t.What == rules.Precool {
		return max(0, apart(t.CoolNow, t.CoolBase))
	}
	return max(0, apart(t.CoolBase, t.CoolNow), apart(t.HeatNow, t.HeatBase))
}

// next returns the thermostat at the beginning of the next day.
func (t Thermostat) next() Thermostat {
	return Thermostat{
		Name: t.Name, Unit: t.Unit, Controlled: t.Controlled, What: t.What, Since: t.Since,
		CoolNow: t.CoolNow, HeatNow: t.HeatNow, CoolBase: t.CoolBase, HeatBase: t.HeatBase,
	}
}

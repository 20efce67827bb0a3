package rules

import (
	"math"
	"time"

	"powermgr/devices"
)

// A single odd figure decides nothing that lasts. The charge of a battery and the indoor
// temperature can only change so fast, so a figure counts once it is within reach of
// another one, that is, once two agree. A setting that neither the rules nor a command
// asked for is a person's choice once two readings in a row show it.

// A Figure is a value that a device has measured.
type Figure struct {
	Value float64
	AsOf  time.Time // by the clock of its source
	Read  time.Time // when it was read
}

// Figures is what is known about one quantity.
type Figures struct {
	Known *Figure // the last one that counts; nil: none
	Doubt *Figure // a later one that does not, until another agrees with it
}

// reach is how far a quantity may move between two figures that agree. It is never more
// than most: after a long time almost any figure would be plausible, and then a single
// one would decide.
type reach struct{ atOnce, perMinute, most float64 }

var (
	// chargeReach is in percent. A Powerwall 3 at its highest power is empty in 70
	// minutes, and a figure from Tesla may be five minutes older than it says. A quarter
	// of an hour at that power is within reach.
	chargeReach = reach{10, 1.5, 25}
	indoorReach = reach{3, 0.5, 8} // °F
)

func (r reach) agree(earlier, later Figure) bool {
	apart := later.AsOf.Sub(earlier.AsOf)
	return apart <= devices.ComparableWithin && math.Abs(later.Value-earlier.Value) <= min(r.atOnce+r.perMinute*apart.Minutes(), r.most)
}

// and returns what is known after f has been read as well. confirmed is the doubted
// figure that f has confirmed; nil: none. A figure that is only repeated confirms
// nothing, nor does an older one.
func (s Figures) and(f Figure, r reach) (next Figures, confirmed *Figure) {
	last := s.Doubt
	if last == nil {
		last = s.Known
	}
	switch {
	case last != nil && last.AsOf.After(f.Read):
		return Figures{Doubt: &f}, nil // the clock went back
	case last != nil && (f.AsOf.Before(last.AsOf) || f.AsOf.Equal(last.AsOf) && f.Value == last.Value):
		return s, nil
	case s.Known != nil && r.agree(*s.Known, f):
		return Figures{Known: &f}, nil
	case s.Doubt != nil && r.agree(*s.Doubt, f):
		return Figures{Known: &f}, s.Doubt
	}
	return Figures{s.Known, &f}, nil
}

// A Doubt is the first reading that shows something that neither the rules nor a command
// asked for. It is stored because this node may die or go on standby before the next
// reading: otherwise the node after it would take the same setting for one that has long
// been there.
type Doubt struct {
	Polled time.Time `json:"polled"`
	Shown  Sight     `json:"shown,omitzero"`  // by a thermostat; zero for the battery
	Before Sight     `json:"before,omitzero"` // at the last reading that counts
}

// none reports whether nothing is in doubt.
func (d Doubt) none() bool { return d.Polled.IsZero() }

// A Sight is what a reading shows of a thermostat's setting.
type Sight struct {
	Baseline
	Period string `json:"period,omitempty"`
}

func (t Thermostat) sight() Sight { return Sight{Baseline{t.Setting, t.Mode}, t.Period} }

// at returns a sight as a reading of that time.
func (s Sight) at(polled time.Time) Thermostat {
	return Thermostat{Mode: s.Mode, Setting: s.Setting, Period: s.Period, Polled: polled, Shown: polled}
}

// odd reports whether a reading shows for the first time something that neither the rules
// nor a command asked for, and records the doubt. Nothing is written to the device until
// the next reading decides.
func (st *step) odd(target string, d Doubt) bool {
	if !st.doubt.none() && !st.doubt.Polled.Equal(d.Polled) {
		return false
	}
	st.setDoubt(target, d)
	return true
}

// doubted reports whether the last reading of target is in doubt.
func (st *step) doubted(target string) bool { return !st.doubtOf(target).none() }

// recall loads what the last reading of target left in doubt, and clears it on record.
func (st *step) recall(target string) {
	if st.doubt = st.doubtOf(target); !st.doubt.none() {
		st.setDoubt(target, Doubt{})
	}
}

func (st *step) doubtOf(target string) Doubt {
	if target == Powerwall {
		return st.Persisted.Battery.Doubt
	}
	return st.Persisted.Thermostats[target].Doubt
}

func (st *step) setDoubt(target string, d Doubt) {
	if target == Powerwall {
		st.Persisted.Battery.Doubt = d
		return
	}
	h := st.Persisted.Thermostats[target]
	h.Doubt = d
	st.keep(target, h)
}

// keepDoubts keeps what the last readings have left in doubt, although other records have
// just replaced was: the next readings still decide.
func (st *step) keepDoubts(was Persisted) {
	keep := func(target string, d Doubt, polled time.Time) {
		if !d.none() && d.Polled.Equal(polled) && !st.doubted(target) {
			st.setDoubt(target, d)
		}
	}
	if st.Battery != nil {
		keep(Powerwall, was.Battery.Doubt, st.Battery.Polled)
	}
	for id, t := range st.Thermostats {
		keep(id, was.Thermostats[id].Doubt, t.Polled)
	}
}

// forecast applies a forecast. If a weather service's forecast is far from the last one
// for the same day, it waits for the next.
func (st *step) forecast(f Forecast) {
	near := func(v *float64) bool { return v != nil && math.Abs(*v-*f.HighF) <= forecastReach }
	if f.Service && f.HighF != nil && f.Day == st.ForecastDay && st.ForecastF != nil && !near(st.ForecastF) && !near(st.ForecastDoubt) {
		st.ForecastDoubt = f.HighF
		return
	}
	st.ForecastF, st.ForecastDay, st.ForecastDoubt = f.HighF, f.Day, nil
}

// forecastReach is how much the forecasts of one day's high may differ, in °F.
const forecastReach = 20.0

package report

import (
	"encoding/json"
	"math"
	"time"

	"powermgr/devices"
)

// Samples are the day in steps of five minutes from its beginning: 288 of them, or 276
// and 300 on the days on which the clock changes. Each is the last reading in its five
// minutes.
type Samples struct {
	Charge  Series `json:"battery_percent"`
	Reserve Series `json:"reserve_percent"`
	Home    Series `json:"home_w"`
	Solar   Series `json:"solar_w"`
	Grid    Series `json:"grid_w"`    // + imports
	Battery Series `json:"battery_w"` // + discharges
}

// Step is the time between two samples.
const Step = 5 * time.Minute

// A Series is a row of samples. NaN is unknown, and null in JSON.
type Series []float64

// MarshalJSON writes null for what is unknown.
func (s Series) MarshalJSON() ([]byte, error) {
	all := make([]*float64, len(s))
	for i := range s {
		if !math.IsNaN(s[i]) {
			all[i] = &s[i]
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Series) UnmarshalJSON(b []byte) error {
	var all []*float64
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*s = nil
	for _, v := range all {
		if v == nil {
			v = new(math.NaN())
		}
		*s = append(*s, *v)
	}
	return nil
}

// in is a row of temperatures in another unit.
func (s Series) in(u, owner devices.Unit) Series {
	if u == owner {
		return s
	}
	all := make(Series, len(s))
	for i, v := range s {
		all[i] = u.To(owner, v)
	}
	return all
}

// maxRepeated is how many samples in a row may be filled with the one before
// them. Polls drift, and a poll that slips out of its five minutes is no gap.
const maxRepeated = int(longestGap/Step) - 1

// set puts v, or that it is unknown, at i. A sample that is there already is
// replaced.
func (s *Series) set(i int, v *float64) {
	if i < 0 {
		return
	}
	s.repeat(i)
	for len(*s) <= i {
		*s = append(*s, math.NaN())
	}
	(*s)[i] = math.NaN()
	if v != nil {
		(*s)[i] = tenths(*v)
	}
}

// repeat fills s up to n samples with its last one, unless they are too many.
func (s *Series) repeat(n int) {
	if have := len(*s); have > 0 && n-have <= maxRepeated {
		for len(*s) < n {
			*s = append(*s, (*s)[have-1])
		}
	}
}

// tenths is v with one decimal, and never "-0".
func tenths(v float64) float64 {
	if v = math.Round(v*10) / 10; v == 0 {
		return 0
	}
	return v
}

// slot is the sample that t belongs to; −1: t is not in the day.
func (r *Record) slot(t time.Time) int {
	if r.over(t) {
		return -1
	}
	return int(t.Sub(r.start) / Step)
}

// slots is how many samples the day has room for.
func (r *Record) slots() int { return int((r.end.Sub(r.start) + Step - 1) / Step) }

func (r *Record) sampleBattery(p devices.PowerwallReading, at time.Time) {
	i, s := r.slot(at), &r.Samples
	watts := func(to *Series, w *devices.Watts) {
		if w == nil {
			to.set(i, nil)
			return
		}
		to.set(i, new(float64(*w)))
	}
	watts(&s.Home, p.HomePower)
	watts(&s.Solar, p.SolarPower)
	watts(&s.Grid, p.GridPower)
	watts(&s.Battery, p.BatteryPower)
	var charge, reserve *float64
	if p.ChargePercent != nil {
		charge = new(float64(*p.ChargePercent))
	}
	if p.ReservePercent != nil {
		reserve = new(float64(*p.ReservePercent))
	}
	s.Charge.set(i, charge)
	s.Reserve.set(i, reserve)
}

// battery is every row of samples that a reading of the Powerwall adds to.
func (s *Samples) battery() []*Series {
	return []*Series{&s.Charge, &s.Reserve, &s.Home, &s.Solar, &s.Grid, &s.Battery}
}

// series is every row of samples in r.
func (r *Record) series() []*Series {
	all := r.Samples.battery()
	for _, id := range r.ids() {
		t := r.Thermostats[id]
		all = append(all, &t.Indoor, &t.Cool, &t.Heat)
	}
	return all
}

package forecast

import (
	"math"
	"time"
)

// A Review is made of a past: what would have been forecast then, and by how much it
// was off.
type Review struct {
	Zone    *time.Location
	Free    func(day time.Time) bool // no working day
	Samples []Sample                 // oldest first; those before From teach alone
	From    time.Time                // the first forecast that counts
	Every   time.Duration            // between two forecasts
	Leads   []time.Duration          // how far ahead the half hours are that are looked at; each ends so long after the forecast
}

// An Off is by how much forecasts of one lead time were off: means over half hours, in
// kWh.
type Off struct {
	Lead      time.Duration
	N         int     // half hours
	Load, Sun float64 // up or down
	Bias      float64 // of the load: more was forecast than came
	Used      float64 // what the home used
}

// Errors are those of each lead time. Where nothing could be forecast or was measured N
// is 0.
func (r Review) Errors() []Off {
	measured := r.measured()
	off := make([]Off, len(r.Leads))
	longest := time.Duration(0)
	for i, lead := range r.Leads {
		off[i].Lead, longest = lead, max(longest, lead)
	}
	past := NewPast(r.Zone, r.Free)
	next := r.From
	for _, s := range r.Samples {
		if !s.Start.Before(next) {
			next = s.Start.Add(r.Every)
			if courses, err := past.Courses(s.Start, int(longest/binLength), binLength); err == nil {
				for i := range off {
					off[i].compare(courses, s.Start, measured)
				}
			}
		}
		past.Add(s)
	}
	for i, o := range off {
		n := float64(o.N)
		off[i].Load, off[i].Sun, off[i].Bias, off[i].Used = o.Load/n, o.Sun/n, o.Bias/n, o.Used/n
	}
	return off
}

// loadAndSun are what was measured in a half hour; bin 0 alone is used.
type loadAndSun [2]quantity

// measured are the load and sun of the samples, by the Unix time of their half hour.
func (r Review) measured() map[int64]*loadAndSun {
	measured := map[int64]*loadAndSun{}
	for _, s := range r.Samples {
		at := s.Start.Truncate(binLength).Unix()
		if measured[at] == nil {
			measured[at] = new(loadAndSun)
		}
		for i, v := range []*float64{s.LoadKWh, s.SunKWh} {
			if v != nil && s.Length <= binLength {
				measured[at][i].add(0, *v, s.Length.Hours())
			}
		}
	}
	return measured
}

// compare counts what courses from start on said of the half hour that ends Lead later,
// where that half hour was measured.
func (o *Off) compare(courses []Course, start time.Time, measured map[int64]*loadAndSun) {
	slot := int(o.Lead/binLength) - 1
	was := measured[start.Add(time.Duration(slot)*binLength).Unix()]
	if slot >= 0 && was != nil {
		o.count(courses, slot, was[0].at(0), was[1].at(0))
	}
}

func (o *Off) count(courses []Course, slot int, load, sun float64) {
	if math.IsNaN(load) || len(courses) == 0 {
		return
	}
	var l, s float64
	for _, c := range courses {
		l, s = l+c.Weight*c.Load[slot], s+c.Weight*c.Sun[slot]
	}
	o.N++
	o.Load += math.Abs(l - load)
	o.Bias += l - load
	o.Used += load
	if !math.IsNaN(sun) {
		o.Sun += math.Abs(s - sun)
	}
}

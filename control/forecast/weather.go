package forecast

import (
	"math"
	"time"
)

// What a weather forecast adds: what the sun will give.

// An Ahead is the time that courses are asked for.
type Ahead struct {
	Now    time.Time
	Slots  int
	Length time.Duration // of a slot
	// Sun is what a weather forecast comes to on this roof, in kWh for each slot.
	// NaN, or a slot that it does not reach: unknown.
	Sun []float64
}

// weatherOff is by how much the sun of a weather forecast is off, as a share of it.
const weatherOff = 0.25

// A Radiation is the mean power of the sun on level ground between two instants, in
// W/m², as a weather service has it; ok is false where it does not say.
type Radiation func(from, until time.Time) (wm2 float64, ok bool)

// What the roof makes of the sun is learned from so many days, and from the half hours
// in which there is more of it than this.
const (
	roofDays  = 14
	minRoof   = 3    // days of a half hour, with the half hours beside it
	minSunWM2 = 20.0 // mean
)

// Roof is what the sun that is forecast comes to on this roof, for Ahead.Sun: what the
// roof has made of the sun lately, half hour by half hour, since it has a slope and
// shades. NaN where the forecast does not reach, or too little is known of the roof.
func (p *Past) Roof(a Ahead, sun Radiation) []float64 {
	var made, had, days [Bins]float64
	for _, d := range p.days[max(0, len(p.days)-roofDays):] {
		year, month, date := d.date.Date()
		for b := range Bins {
			from := time.Date(year, month, date, 0, b*int(binLength.Minutes()), 0, 0, p.zone)
			wm2, ok := sun(from, from.Add(binLength))
			if kWh := d.sun.at(b); ok && !math.IsNaN(kWh) {
				made[b], had[b], days[b] = made[b]+kWh, had[b]+wm2, days[b]+1
			}
		}
	}
	out := make([]float64, a.Slots)
	for i := range out {
		from := a.Now.Add(time.Duration(i) * a.Length)
		wm2, ok := sun(from, from.Add(a.Length))
		_, b := p.locate(from)
		var m, h, n float64
		for near := max(0, b-1); near <= min(b+1, Bins-1); near++ {
			m, h, n = m+made[near], h+had[near], n+days[near]
		}
		switch share := float64(a.Length) / float64(binLength); {
		case !ok || n < minRoof:
			out[i] = math.NaN()
		case h >= minSunWM2*n:
			out[i] = wm2 * m / h * share
		}
	}
	return out
}

// Look is Courses with a weather forecast. The courses' sun moves to what that says,
// and closer together, the more the less they agree: where days are as clear as the
// ones before, the past knows better. A weather forecast is off by much the same share
// all day, while the half hours of past days differ for each cloud: it is by the sun
// of what is left of a day that the two are weighed against each other.
func (p *Past) Look(a Ahead) ([]Course, error) {
	courses, err := p.Courses(a.Now, a.Slots, a.Length)
	if err != nil {
		return nil, err
	}
	for from := 0; from < min(len(a.Sun), a.Slots); {
		date, _ := p.locate(a.Now.Add(time.Duration(from) * a.Length))
		var known []int // slots of that day
		to := from
		for ; to < min(len(a.Sun), a.Slots); to++ {
			if d, _ := p.locate(a.Now.Add(time.Duration(to) * a.Length)); d != date {
				break
			}
			if !math.IsNaN(a.Sun[to]) {
				known = append(known, to)
			}
		}
		heed(courses, a.Sun, known)
		from = to
	}
	return courses, nil
}

// heed moves the courses' sun of some slots to that of a weather forecast.
func heed(courses []Course, sun []float64, slots []int) {
	mean, middle := make([]float64, len(slots)), 0.0
	sums, foretold := make([]float64, len(courses)), 0.0
	for n, i := range slots {
		foretold += sun[i]
		for c := range courses {
			mean[n] += courses[c].Weight * courses[c].Sun[i]
			sums[c] += courses[c].Sun[i]
		}
		middle += mean[n]
	}
	variance := 0.0
	for c := range courses {
		variance += courses[c].Weight * (sums[c] - middle) * (sums[c] - middle)
	}
	if variance == 0 {
		return
	}
	// Two estimates of one quantity, each weighed by the inverse of its variance.
	trust := variance / (variance + weatherOff*weatherOff*foretold*foretold)
	spread := math.Sqrt(1 - trust)
	for n, i := range slots {
		to := mean[n] + trust*(sun[i]-mean[n])
		for _, c := range courses {
			c.Sun[i] = max(0, to+spread*(c.Sun[i]-mean[n]))
		}
	}
}

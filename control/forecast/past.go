package forecast

import (
	"math"
	"time"
)

// Bins is how many stretches a day is divided into: half hours on the wall
// clock. What a home does follows the clock on its wall.
const Bins = 48

// binLength is the length of a bin.
const binLength = 24 * time.Hour / Bins

// A Sample is what was measured in a stretch of at most an hour. Nil is
// unknown.
type Sample struct {
	Start    time.Time
	Length   time.Duration
	LoadKWh  *float64 // what the home used
	SunKWh   *float64 // what the panels gave
	OutdoorC *float64
}

// A Past is what a home used and what its roof gave, day by day. It only
// grows, by Add, and keeps as many days as a forecast looks back.
type Past struct {
	zone *time.Location
	free func(day time.Time) bool // no working day
	days []*day                   // oldest first, without gaps; the last is the newest that Add has seen
}

// NewPast returns an empty past. free tells week-ends and holidays from
// working days.
func NewPast(zone *time.Location, free func(day time.Time) bool) *Past {
	return &Past{zone: zone, free: free}
}

// keepDays is how many days are kept: those that a forecast compares with
// today, and those that their usual course was made of.
const keepDays = comparedDays + 45

// A day is one local day. Its quantities are those of a half hour each, in
// kWh, and NaN where nothing was measured.
type day struct {
	date    time.Time // noon, UTC, of the local date
	free    bool
	load    quantity
	sun     quantity
	outdoor quantity
	usual   [Bins]float64 // of load, as it looked when the day began
	clear   [Bins]float64 // of sun, under a clear sky, likewise
}

// A quantity adds up what was measured in each bin.
type quantity struct{ sum, hours [Bins]float64 }

// add counts that sum was measured in that many hours of bin b.
func (q *quantity) add(b int, sum, hours float64) { q.sum[b] += sum; q.hours[b] += hours }

// minMeasured is how much of a bin has to be measured for it to count, in hours.
const minMeasured = 0.15

// at is the mean of bin b as a rate per bin; NaN when it is unknown.
func (q *quantity) at(b int) float64 {
	if q.hours[b] < minMeasured {
		return math.NaN()
	}
	return q.sum[b] / q.hours[b] * binLength.Hours()
}

// Add takes in what was measured. Samples come in the order of their time;
// one of before the newest day but one is dropped.
func (p *Past) Add(s Sample) {
	for at, end := s.Start, s.Start.Add(s.Length); at.Before(end); {
		d, b := p.locate(at)
		until := at.Truncate(binLength).Add(binLength) // zones differ by whole quarter hours from UTC
		if until.After(end) {
			until = end
		}
		if d := p.day(d); d != nil {
			share, hours := float64(until.Sub(at))/float64(s.Length), until.Sub(at).Hours()
			d.count(b, s, share, hours)
		}
		at = until
	}
}

func (d *day) count(b int, s Sample, share, hours float64) {
	if s.LoadKWh != nil {
		d.load.add(b, *s.LoadKWh*share, hours)
	}
	if s.SunKWh != nil {
		d.sun.add(b, *s.SunKWh*share, hours)
	}
	if s.OutdoorC != nil {
		d.outdoor.add(b, *s.OutdoorC*hours, hours)
	}
}

// locate is the local date, as noon UTC, and the bin of an instant.
func (p *Past) locate(t time.Time) (date time.Time, bin int) {
	t = t.In(p.zone)
	y, m, d := t.Date()
	return time.Date(y, m, d, 12, 0, 0, 0, time.UTC), (t.Hour()*60 + t.Minute()) / int(binLength.Minutes())
}

// day is the day of that date. A new one begins with what is usual by then.
// Nil: it is too old.
func (p *Past) day(date time.Time) *day {
	for len(p.days) == 0 || p.days[len(p.days)-1].date.Before(date) {
		next := date
		if n := len(p.days); n > 0 {
			next = p.days[n-1].date.AddDate(0, 0, 1)
			if date.Sub(next) > keepDays*24*time.Hour {
				p.days, next = nil, date // it was off for longer than is remembered
			}
		}
		d := &day{date: next, free: p.free(next)}
		for b := range Bins {
			d.usual[b], d.clear[b] = p.usual(d.free, b), p.clearSky(b)
		}
		p.days = append(p.days, d)
		if len(p.days) > keepDays {
			p.days = p.days[1:]
		}
	}
	i := len(p.days) - 1 - int(p.days[len(p.days)-1].date.Sub(date)/(24*time.Hour))
	if i < max(0, len(p.days)-2) {
		return nil
	}
	return p.days[i]
}

// What is usual is a mean of the last weeks, in which a day counts less the longer
// ago it is, and one of the other kind less again: most of what a home uses is
// the same on working days and free ones.
const (
	usualDays = 30
	aging     = 0.92 // a day counts so much of what the next one does
	otherDays = 0.2  // one of the other kind so much of one of the same
)

// usual is what the home uses in bin b of a day of that kind; NaN when nothing
// is known.
func (p *Past) usual(free bool, b int) float64 {
	sum, weights, weight := 0.0, 0.0, 1.0
	for i := len(p.days) - 1; i >= max(0, len(p.days)-usualDays); i-- {
		weight *= aging
		d := p.days[i]
		if d.load.hours[b] < minMeasured {
			continue
		}
		w := weight
		if d.free != free {
			w *= otherDays
		}
		sum, weights = sum+w*d.load.at(b), weights+w
	}
	return sum / weights
}

// clearDays is how many days back the clearest half hour stands for a clear
// sky: few enough for the sun to stand as high.
const clearDays = 21

// clearSky is the most that the roof gave in bin b lately.
func (p *Past) clearSky(b int) float64 {
	most := 0.0
	for _, d := range p.days[max(0, len(p.days)-clearDays):] {
		if d.sun.hours[b] >= minMeasured {
			most = max(most, d.sun.at(b))
		}
	}
	return most
}

// Days is how many days are known well enough to count.
func (p *Past) Days() int {
	n := 0
	for _, d := range p.days {
		known := 0.0
		for b := range Bins {
			known += min(d.load.hours[b], binLength.Hours())
		}
		if known >= 12 {
			n++
		}
	}
	return n
}

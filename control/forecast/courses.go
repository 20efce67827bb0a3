package forecast

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"
)

// A Course is one way in which the hours ahead may go, in kWh for each slot.
type Course struct {
	Weight float64 // how likely, beside the others; they add up to 1
	Load   []float64
	Sun    []float64
}

// What a forecast is made of. None of it is tuned to one home.
const (
	comparedDays = 80   // days that are compared with today
	courses      = 24   // of them, those most like it
	likely       = 2.0  // a day that is further from today by this distance is less likely by e
	otherKind    = 0.5  // distance of a working day from a free one
	recentBins   = 6    // the last three hours say how today differs from the usual,
	fade         = 0.7  // and this much of it is left an hour later
	sunBins      = 10   // the last five hours say how clear it is,
	skyFade      = 0.85 // and this much of it is left an hour later
)

// MinDays is how many days have to be known for a forecast.
const MinDays = 7

// ErrTooYoung says that too few days are known.
var ErrTooYoung = errors.New("fewer than seven days are known")

// Courses are possible courses of the time from now on, for n slots of that
// length, from what is known by now. Each is a past day that was like today,
// set on what is usual and on how today has gone so far: whole days, so that
// a heavy evening stays heavy.
func (p *Past) Courses(now time.Time, n int, length time.Duration) ([]Course, error) {
	if p.Days() < MinDays {
		return nil, ErrTooYoung
	}
	date, bin := p.locate(now)
	p.day(date)
	v := view{p, len(p.days) - 1, bin}
	ahead := v.ahead(now, n, length)
	today := v.signs(0)
	alike := v.alike(today)
	out := make([]Course, len(alike))
	total := 0.0
	for i, a := range alike {
		out[i] = v.course(a, today, ahead)
		out[i].Weight = math.Exp(-(a.apart - alike[0].apart) / likely)
		total += out[i].Weight
	}
	for i := range out {
		out[i].Weight /= total
	}
	return out, nil
}

// A view is the past as of a bin of its newest day.
type view struct {
	*Past
	today, bin int
}

// cell is the day and the bin that are offset bins after the present one, days
// days earlier. ok is false if that is not known.
func (v view) cell(days, offset int) (d *day, b int, ok bool) {
	at := v.bin + offset
	i := v.today - days + floorDiv(at, Bins)
	if i < 0 || i >= len(v.days) {
		return nil, 0, false
	}
	return v.days[i], at - floorDiv(at, Bins)*Bins, true
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// departure is by how much the load departed from what was usual.
func (v view) departure(days, offset int) float64 {
	d, b, ok := v.cell(days, offset)
	if !ok {
		return math.NaN()
	}
	return d.load.at(b) - d.usual[b]
}

// signs are what makes one day like another at this time of day.
type signs struct {
	free    bool
	recent  float64 // departure of the load in the last hours, kW
	day     float64 // in the last 24 hours
	outdoor float64 // mean of the last 24 hours, °C
	clear   float64 // share of a clear sky in the last hours
}

// signs reads those of the day that many days ago. What is not known is NaN.
func (v view) signs(days int) signs {
	d, _, _ := v.cell(days, 0)
	s := signs{free: d.free, recent: v.recent(days)}
	var day, outdoor, sun, clear mean
	for k := 1; k <= Bins; k++ {
		day.add(v.departure(days, -k))
		if d, b, ok := v.cell(days, -k); ok {
			outdoor.add(d.outdoor.at(b) / binLength.Hours())
			if k <= sunBins && d.clear[b] > 0.02 {
				sun.add(d.sun.at(b))
				clear.add(d.clear[b])
			}
		}
	}
	s.day, s.outdoor, s.clear = day.value()/binLength.Hours(), outdoor.value(), sun.value()/clear.value()
	return s
}

// recent is the departure of the last hours, in kW, the newest counting most.
func (v view) recent(days int) float64 {
	sum, weight := 0.0, 0.0
	for k := 1; k <= recentBins; k++ {
		if x := v.departure(days, -k); !math.IsNaN(x) {
			w := math.Pow(fade, float64(k)*binLength.Hours())
			sum, weight = sum+w*x, weight+w
		}
	}
	return sum / weight / binLength.Hours()
}

// mean is the mean of what is known.
type mean struct{ sum, n float64 }

func (m *mean) add(x float64) {
	if !math.IsNaN(x) {
		m.sum, m.n = m.sum+x, m.n+1
	}
}

func (m mean) value() float64 { return m.sum / m.n }

// distance is how little two days are alike. A sign that is not known of one
// of them does not count.
func (s signs) distance(o signs) float64 {
	sum := square(s.recent-o.recent, 1) + square(s.day-o.day, 0.5) + square(s.outdoor-o.outdoor, 4) + square(s.clear-o.clear, 0.3)
	if s.free != o.free {
		sum += otherKind
	}
	return sum
}

func square(x, unit float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return x / unit * x / unit
}

// An analog is a past day that is like today.
type analog struct {
	days  int // ago
	signs signs
	apart float64
}

// alike are the days most like today. A day longer ago has to be more alike.
func (v view) alike(today signs) []analog {
	var all []analog
	for days := 1; days <= comparedDays && days < v.today; days++ {
		if x := v.departure(days, 0); math.IsNaN(x) {
			continue
		}
		s := v.signs(days)
		all = append(all, analog{days, s, s.distance(today) + float64(days)/60})
	}
	slices.SortFunc(all, func(a, b analog) int { return cmp.Compare(a.apart, b.apart) })
	return all[:min(len(all), courses)]
}

// A place is a slot ahead: its offset from the present bin, what is usual
// there, and how much of a bin it is.
type place struct {
	offset       int
	usual, clear float64 // kWh in a bin
	left, sky    float64 // of what today has more in load, and in clearness
	share        float64 // slot length in bins
}

// ahead are the slots to forecast.
func (v view) ahead(now time.Time, n int, length time.Duration) []place {
	out := make([]place, n)
	for i := range out {
		at := now.Add(time.Duration(i) * length)
		date, b := v.locate(at)
		hours := at.Sub(now).Hours() + length.Hours()/2
		out[i] = place{
			offset: int(date.Sub(v.days[v.today].date)/(24*time.Hour))*Bins + b - v.bin,
			usual:  v.usual(v.free(date), b), clear: v.clearSky(b),
			left: math.Pow(fade, hours), sky: math.Pow(skyFade, hours),
			share: float64(length) / float64(binLength),
		}
	}
	return out
}

// course is how the time ahead goes if it goes as it did on the day of a: what
// is usual, with that day's departures, and with what today had more than that
// day in the last hours, which fades.
func (v view) course(a analog, today signs, ahead []place) Course {
	c := Course{Load: make([]float64, len(ahead)), Sun: make([]float64, len(ahead))}
	more, clearer := known(today.recent-a.signs.recent), known(today.clear-a.signs.clear)
	for i, at := range ahead {
		d, b := v.lived(a.days, at.offset)
		load := at.usual + more*binLength.Hours()*at.left
		if x := d.load.at(b) - d.usual[b]; !math.IsNaN(x) {
			load += x
		}
		c.Load[i] = max(0.02, load) * at.share
		sky := 1.0
		if d.clear[b] > 0.02 {
			sky = d.sun.at(b) / d.clear[b]
		}
		sky = max(0, min(1.1, sky+clearer*at.sky))
		if math.IsNaN(sky) {
			sky = 0.5
		}
		c.Sun[i] = at.clear * sky * at.share
	}
	return c
}

// lived is the cell that many days ago, or as many days earlier still as it
// takes for it to have been lived already.
func (v view) lived(days, offset int) (*day, int) {
	for ; ; days++ {
		if at := v.bin + offset - days*Bins; at >= v.bin {
			continue
		}
		if d, b, ok := v.cell(days, offset); ok {
			return d, b
		}
		return v.days[0], floorMod(v.bin+offset, Bins)
	}
}

func floorMod(a, b int) int { return a - floorDiv(a, b)*b }

// known is x, or 0 if that is not known.
func known(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return x
}

package history

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// What the meters of a home show, slot by slot, and the load that results. A meter
// without a figure is not the same as a meter that has counted nothing.

// flows are the kWh of one slot by what their meters count. A nil value is a meter of the
// file without a figure there; a missing key means that there is no such meter.
type flows map[string]*float64

// slot converts a line to a slot without energy, and what its meters show.
func (t *table) slot(r row, length time.Duration) (Slot, flows) {
	s, flow := Slot{Start: r.start}, flows{}
	for _, c := range t.columns {
		v, ok := r.values[c]
		switch {
		case c.is == isAir && ok:
			if c.fahr {
				v = (v - 32) / 1.8
			}
			s.OutdoorC = &v
		case c.is == isPrice && ok:
			s.Import = &v
		case c.is == isPaid && ok:
			s.Export = &v
		case c.is != isAir && c.is != isPrice && c.is != isPaid:
			var kWh *float64
			if ok {
				kWh = c.energy(v, r.start, length)
			}
			if other, several := flow[c.is]; several {
				kWh = plus(other, kWh)
			}
			flow[c.is] = kWh
		}
	}
	return s, flow
}

// load returns what the home used: as measured, or as calculated from the grid's meter
// and all others that the file has. It is nil if one of them has no figure.
func (f flows) load() *float64 {
	if f[isLoad] != nil || f[isIn] == nil {
		return f[isLoad]
	}
	load := *f[isIn]
	for _, flow := range []struct {
		is   string
		sign float64
	}{{isSun, 1}, {isOut, -1}, {isGiven, 1}, {isFed, -1}} {
		v, metered := f[flow.is]
		switch {
		case metered && v == nil:
			return nil
		case metered:
			load += flow.sign * *v
		}
	}
	load = max(0, load)
	return &load
}

const (
	nightDays  = 15             // days before and after, whose same time of day shows whether it is dark
	longNight  = 20 * time.Hour // the longest time between two figures of an inverter that sleeps at night
	twilightOf = 0.05           // of the strongest sun: less counts as none
	duskOf     = 0.2            // of the strongest sun: the most that the figures before and after a night have
)

// asleep fills in zero sun if a meter of the sun has no figure at night, since many
// inverters sleep then: between two low figures that are no more than a night apart, and
// at a time of day that had no more than twilight on the surrounding days.
func asleep(meters []flows, length time.Duration) {
	sun := make([]*float64, len(meters))
	most := 0.0
	for i, f := range meters {
		if sun[i] = f[isSun]; sun[i] != nil {
			most = max(most, *sun[i])
		}
	}
	day, night := int(24*time.Hour/length), int(longNight/length)
	for from := 0; from < len(sun); from++ {
		until := from
		for until < len(sun) && sun[until] == nil {
			until++
		}
		if from == 0 || until == len(sun) || until-from > night || max(*sun[from-1], *sun[until]) > duskOf*most {
			from = until
			continue
		}
		for i := from; i < until; i++ {
			if _, metered := meters[i][isSun]; metered && dark(sun, i, day, twilightOf*most) {
				meters[i][isSun] = new(float64)
			}
		}
		from = until
	}
}

// dark reports whether the sun gave no more than twilight at the time of day of slot i on
// the surrounding days, which have day slots each.
func dark(sun []*float64, i, day int, twilight float64) bool {
	for j := max(i%day, i-nightDays*day); j < len(sun) && j <= i+nightDays*day; j += day {
		if sun[j] != nil && *sun[j] > twilight {
			return false
		}
	}
	return true
}

// silent says where meters that the load is calculated from have no figure; empty:
// nowhere, except perhaps in the first line of a counter.
func silent(meters []flows) string {
	var parts []string
	for _, is := range []string{isIn, isOut, isSun, isFed, isGiven} {
		n := 0
		for _, f := range meters {
			if v, metered := f[is]; metered && v == nil && f.load() == nil {
				n++
			}
		}
		if n > 1 {
			parts = append(parts, fmt.Sprintf("%s has no figure in %d lines", is, n))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + ": what the home used is not known there"
}

// has reports whether there is a column of that kind.
func (t *table) has(is string) bool {
	return slices.ContainsFunc(t.columns, func(c *column) bool { return c.is == is })
}

// withoutMeters says which of the meters that the load is calculated from are missing;
// empty: none is, or the load itself is measured.
func (t *table) withoutMeters() string {
	var missing []string
	for _, is := range []string{isLoad, isOut, isFed, isGiven} {
		if !t.has(is) {
			missing = append(missing, is)
		}
	}
	if len(missing) == 0 || missing[0] != isLoad || len(missing) == 1 {
		return ""
	}
	return "what the home used is worked out from the meters, and nothing is known of " + strings.Join(missing[1:], ", ") + ", which counts as none"
}

// energy returns a figure of a column in kWh. The first figure of a counter, one after a
// gap, and one after a drop say nothing about their slot.
func (c *column) energy(v float64, at time.Time, length time.Duration) *float64 {
	v *= c.factor
	switch {
	case c.power:
		v *= length.Hours()
	case c.counter:
		last, lastAt := c.last, c.lastAt
		c.last, c.lastAt = &v, at
		if last == nil || v < *last || at.Sub(lastAt) != length {
			return nil
		}
		rise := v - *last
		return &rise
	}
	return &v
}

// rise returns how much a counter has risen in all, and over how many slots of that
// length.
func (c *column) rise(rows []row, length time.Duration) (sum float64, n float64) {
	last, lastAt := math.NaN(), time.Time{}
	for _, r := range rows {
		v, ok := r.values[c]
		if !ok {
			continue
		}
		if v >= last && r.start.Sub(lastAt) == length {
			sum, n = sum+v-last, n+1
		}
		last, lastAt = v, r.start
	}
	return sum, n
}

// shift moves the figures of counters that were read at an instant to the slot that ends
// there.
func (t *table) shift(length time.Duration) {
	last := len(t.rows) - 1
	for _, c := range t.columns {
		if !c.counter {
			continue
		}
		if v, ok := t.rows[0].values[c]; ok {
			v *= c.factor
			c.last, c.lastAt = &v, t.rows[0].start.Add(-length)
		}
		for i := range t.rows {
			delete(t.rows[i].values, c)
			if i == last || t.rows[i+1].start.Sub(t.rows[i].start) != length {
				continue
			}
			if v, ok := t.rows[i+1].values[c]; ok {
				t.rows[i].values[c] = v
			}
		}
	}
	if len(t.rows[last].values) == 0 {
		t.rows = t.rows[:last] // it only had the value at the end of the slot before it
	}
}

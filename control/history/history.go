// Package history is a home's past: what it used, how much sun there was, how warm it
// was outside and what energy cost, in slots of one length. It reads files in several
// formats, and reports how it has interpreted them. Gaps stay gaps.
package history

import (
	"fmt"
	"math"
	"time"
)

// A Slot is what was measured in one period of time. Nil is unknown.
type Slot struct {
	Start    time.Time
	LoadKWh  *float64 // what the home used
	SunKWh   *float64 // what the panels produced; nil in a home without panels
	OutdoorC *float64
	Import   *float64 // price per kWh from the grid
	Export   *float64 // price per exported kWh
}

// A Series is a home's past, oldest first, without missing slots: if nothing was
// measured, the slot is there and its quantities are nil.
type Series struct {
	Length   time.Duration  // of each slot
	Zone     *time.Location // of the clock that the slots follow
	Slots    []Slot
	Currency string // of the prices, as the file names it: usd; empty if it has none
	Notices  []string
}

// Gap is a period in which nothing was measured.
type Gap struct {
	Start time.Time
	Slots int
}

// Gaps lists the periods without a load, oldest first.
func (s Series) Gaps() []Gap {
	var gaps []Gap
	open := false
	for _, slot := range s.Slots {
		if slot.LoadKWh != nil {
			open = false
			continue
		}
		if !open {
			gaps = append(gaps, Gap{Start: slot.Start})
		}
		open = true
		gaps[len(gaps)-1].Slots++
	}
	return gaps
}

// Known returns how many slots have a load.
func (s Series) Known() int {
	n := 0
	for _, slot := range s.Slots {
		if slot.LoadKWh != nil {
			n++
		}
	}
	return n
}

// Dark returns for how long the load is known but the sun is not, in a home whose panels
// are measured at all.
func (s Series) Dark() time.Duration {
	roof, n := false, 0
	for _, slot := range s.Slots {
		roof = roof || slot.SunKWh != nil
		if slot.LoadKWh != nil && slot.SunKWh == nil {
			n++
		}
	}
	if !roof {
		return 0
	}
	return time.Duration(n) * s.Length
}

// Between returns the part of s from one instant until another; a zero time means no
// limit.
func (s Series) Between(from, until time.Time) Series {
	out := s
	out.Slots = nil
	for _, slot := range s.Slots {
		if (from.IsZero() || !slot.Start.Before(from)) && (until.IsZero() || slot.Start.Before(until)) {
			out.Slots = append(out.Slots, slot)
		}
	}
	return out
}

// In returns s in slots of another length. Shorter slots share the energy evenly; the
// energy of a longer slot is known if that of all its parts is, and its prices are their
// means.
func (s Series) In(length time.Duration) (Series, error) {
	part := s.Length // the greatest length that divides both
	for rest := length; rest > 0; {
		part, rest = rest, part%rest
	}
	s, err := s.split(part)
	if err != nil {
		return Series{}, err
	}
	return s.merge(length)
}

// split returns s in slots of a shorter length that divides its own: energy is shared
// evenly, the rest stays as it is.
func (s Series) split(length time.Duration) (Series, error) {
	n := int(s.Length / length)
	if n < 1 || time.Duration(n)*length != s.Length {
		return Series{}, fmt.Errorf("slots of %v cannot be divided into %v", s.Length, length)
	}
	out := s
	out.Length, out.Slots = length, make([]Slot, 0, n*len(s.Slots))
	share := func(v *float64) *float64 {
		if v == nil {
			return nil
		}
		part := *v / float64(n)
		return &part
	}
	for _, slot := range s.Slots {
		slot.LoadKWh, slot.SunKWh = share(slot.LoadKWh), share(slot.SunKWh)
		for range n {
			out.Slots = append(out.Slots, slot)
			slot.Start = slot.Start.Add(length)
		}
	}
	return out, nil
}

// merge returns s in slots of a longer length that is a multiple of its own. Energy is
// known if that of all parts is; a price is the mean of the prices of its parts.
func (s Series) merge(length time.Duration) (Series, error) {
	n := int(length / s.Length)
	if n < 1 || time.Duration(n)*s.Length != length {
		return Series{}, fmt.Errorf("slots of %v cannot be put together to %v", s.Length, length)
	}
	out := s
	out.Length, out.Slots = length, nil
	first := 0
	for first < len(s.Slots) && s.Slots[first].Start.Truncate(length) != s.Slots[first].Start {
		first++
	}
	for i := first; i+n <= len(s.Slots); i += n {
		slot, parts := s.Slots[i], s.Slots[i:i+n]
		slot.Import = mean(parts, func(p Slot) *float64 { return p.Import })
		slot.Export = mean(parts, func(p Slot) *float64 { return p.Export })
		for _, next := range parts[1:] {
			slot.LoadKWh, slot.SunKWh = plus(slot.LoadKWh, next.LoadKWh), plus(slot.SunKWh, next.SunKWh)
		}
		out.Slots = append(out.Slots, slot)
	}
	return out, nil
}

// mean returns the mean of the known values of a quantity; nil: none is known.
func mean(parts []Slot, of func(Slot) *float64) *float64 {
	sum, n := 0.0, 0
	for _, p := range parts {
		if v := of(p); v != nil {
			sum, n = sum+*v, n+1
		}
	}
	if n == 0 {
		return nil
	}
	sum /= float64(n)
	return &sum
}

func plus(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	sum := *a + *b
	return &sum
}

// finite reports whether v is neither NaN nor infinite.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

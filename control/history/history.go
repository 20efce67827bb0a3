// Package history is what a home lived through: what it used, what the sun
// gave, how warm it was outside and what energy cost, in slots of one length.
// It reads files of several makes and says what it made of them. Gaps stay
// gaps.
package history

import (
	"fmt"
	"math"
	"time"
)

// A Slot is what was measured in one stretch of time. Nil is unknown.
type Slot struct {
	Start    time.Time
	LoadKWh  *float64 // what the home used
	SunKWh   *float64 // what the panels gave; nil in a home without
	OutdoorC *float64
	Import   *float64 // price per kWh from the grid
	Export   *float64 // price per kWh fed in
}

// A Series is a home's past, oldest first, without a slot missing: where
// nothing was measured, the slot is there and its quantities are nil.
type Series struct {
	Length   time.Duration  // of each slot
	Zone     *time.Location // of the clock that the slots follow
	Slots    []Slot
	Currency string // of the prices, as the file names it: usd; empty if it has none
	Notices  []string
}

// Gap is a stretch in which nothing was measured.
type Gap struct {
	Start time.Time
	Slots int
}

// Gaps lists the stretches without a load, oldest first.
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

// Known is how many slots have a load.
func (s Series) Known() int {
	n := 0
	for _, slot := range s.Slots {
		if slot.LoadKWh != nil {
			n++
		}
	}
	return n
}

// Split is s in slots of a shorter length that divides its own: energy is
// shared evenly, the rest stays as it is.
func (s Series) Split(length time.Duration) (Series, error) {
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

// Merge is s in slots of a longer length that its own divides. A slot is known
// if all of its parts are.
func (s Series) Merge(length time.Duration) (Series, error) {
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
		slot := s.Slots[i]
		for _, next := range s.Slots[i+1 : i+n] {
			slot.LoadKWh, slot.SunKWh = plus(slot.LoadKWh, next.LoadKWh), plus(slot.SunKWh, next.SunKWh)
		}
		out.Slots = append(out.Slots, slot)
	}
	return out, nil
}

func plus(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	sum := *a + *b
	return &sum
}

// finite reports whether v is a number that can be counted with.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

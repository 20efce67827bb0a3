package tariff

import (
	"iter"
	"slices"
	"time"

	"powermgr/control/rules"
)

// A Rate is a price and when it applies.
type Rate struct {
	Name     string
	Import   float64      // what a kWh from the grid costs
	Export   float64      // what is paid for an exported kWh
	Days     rules.Days   // on which its span begins; no weekdays: all of them
	Holidays HolidayMatch // how it treats holidays
	Span     rules.Span   // in wall-clock time; zero: the whole day
	Peak     bool         // an hour in which the owner wants no power from the grid
	Precool  bool         // the lead before it precools if the forecast is hot
}

// HolidayMatch says on which holidays a rate applies.
type HolidayMatch int

// A holiday counts as a Sunday unless a rate says otherwise.
const (
	LikeSunday HolidayMatch = iota
	AlsoHolidays
	NeverHolidays
	OnlyHolidays
	IgnoreHolidays // the day of the week decides
)

// A Price is what energy costs at some time.
type Price struct {
	Name           string
	Import, Export float64
	Peak           bool
	Precool        bool
}

// A Table is a tariff made of rates. The first one that applies counts.
type Table struct {
	Zone     *time.Location
	Currency string
	Rates    []Rate
	// Exports say what is paid for exported energy if that has different hours: the
	// Import of the first one that applies. Empty: Rates say it.
	Exports []Rate
	// Peaks are the expensive hours if Rates do not mark them. Their prices do not count.
	Peaks    []Rate
	Holidays rules.PublicHolidays // nil: there are none
}

const minutesPerDay = 24 * 60

// A dayKind is what decides which rates apply on a day.
type dayKind struct {
	date    rules.Date
	weekday time.Weekday
	holiday func() bool // called only if it matters
}

func (t Table) kind(d rules.Date) dayKind {
	known, is := false, false
	return dayKind{d, d.Weekday(), func() bool {
		if !known {
			known, is = true, t.Holidays != nil && t.Holidays.Has(d)
		}
		return is
	}}
}

// holds reports whether the span of r begins on a day.
func (r Rate) holds(d dayKind) bool {
	if !r.Days.InSeason(d.date) {
		return false
	}
	on := func(w time.Weekday) bool { return len(r.Days.Weekdays) == 0 || slices.Contains(r.Days.Weekdays, w) }
	switch {
	case r.Holidays == IgnoreHolidays:
		return on(d.weekday)
	case r.Holidays == OnlyHolidays:
		return d.holiday()
	case r.Holidays == LikeSunday && len(r.Days.Weekdays) == 0:
		return true
	case !d.holiday():
		return on(d.weekday)
	case r.Holidays == LikeSunday:
		return on(time.Sunday)
	}
	return r.Holidays == AlsoHolidays
}

// span returns when r applies on a day on which it begins.
func (r Rate) span() rules.Span {
	if r.Span == (rules.Span{}) {
		return rules.Span{End: minutesPerDay}
	}
	return r.Span
}

// A piece is a stretch of a day's wall clock with one price.
type piece struct {
	rules.Span
	price Price
}

// pieces returns those of a day, in order. Minutes without a rate are in none.
func (t Table) pieces(before, day dayKind) []piece {
	buy, sell, peaks := paint(t.Rates, before, day), paint(t.Exports, before, day), paint(t.Peaks, before, day)
	var all []piece
	for start := 0; start < minutesPerDay; {
		end := min(buy.ends(start), sell.ends(start), peaks.ends(start))
		if i := buy.at(start); i >= 0 {
			r := t.Rates[i]
			p := Price{r.Name, r.Import, r.Export, r.Peak, r.Precool}
			if len(t.Exports) > 0 {
				p.Export = 0
				if j := sell.at(start); j >= 0 {
					p.Export = t.Exports[j].Import
				}
			}
			if j := peaks.at(start); j >= 0 {
				p.Peak, p.Precool = true, t.Peaks[j].Precool
			}
			if n := len(all); n > 0 && all[n-1].End == start && all[n-1].price == p {
				all[n-1].End = end
			} else {
				all = append(all, piece{rules.Span{Start: start, End: end}, p})
			}
		}
		start = end
	}
	return all
}

// A painted day says from which minute on each rate applies; -1 means none.
type painted struct{ from, rate []int }

func (p painted) index(minute int) int {
	i, found := slices.BinarySearch(p.from, minute)
	if !found {
		i--
	}
	return i
}

func (p painted) at(minute int) int { return p.rate[p.index(minute)] }

func (p painted) ends(minute int) int {
	if i := p.index(minute) + 1; i < len(p.from) {
		return p.from[i]
	}
	return minutesPerDay
}

// paint determines which of some rates applies when on a day: the first one that does. A
// span that begins on the day before may reach into it.
func paint(all []Rate, before, day dayKind) painted {
	type stretch struct{ start, end, rate int }
	var held []stretch
	p := painted{from: []int{0}}
	add := func(i, start, end int) {
		start, end = max(start, 0), min(end, minutesPerDay)
		if start < end {
			held = append(held, stretch{start, end, i})
			p.from = append(p.from, start, end)
		}
	}
	for i, r := range all {
		s := r.span()
		if r.holds(day) {
			add(i, s.Start, s.End)
		}
		if s.End > minutesPerDay && r.holds(before) {
			add(i, s.Start-minutesPerDay, s.End-minutesPerDay)
		}
	}
	slices.Sort(p.from)
	p.from = slices.DeleteFunc(slices.Compact(p.from), func(m int) bool { return m >= minutesPerDay })
	for _, m := range p.from {
		i := slices.IndexFunc(held, func(h stretch) bool { return h.start <= m && m < h.end })
		if i >= 0 {
			i = held[i].rate
		}
		p.rate = append(p.rate, i)
	}
	return p
}

// A Reader answers for one instant after another and caches the current day. It must not
// be used by several goroutines at the same time.
type Reader struct {
	table Table
	date  rules.Date
	cells []cell
}

// A cell is a piece as a period of time.
type cell struct {
	piece
	date        rules.Date
	from, until time.Time
}

// Reader returns a reader of t.
func (t Table) Reader() *Reader { return &Reader{table: t} }

// At returns the price at an instant; ok is false if no rate covers it.
func (t Table) At(at time.Time) (p Price, ok bool) { return t.Reader().At(at) }

// open caches the cells of a day and its neighbors: if the clock is set back across
// midnight, the cells of a neighbor reach into the day.
func (r *Reader) open(date rules.Date) {
	if r.date == date {
		return
	}
	r.date, r.cells = date, r.cells[:0]
	for n := -1; n <= 1; n++ {
		d := date.Add(n)
		for _, p := range r.table.pieces(r.table.kind(d.Add(-1)), r.table.kind(d)) {
			if from, until := p.On(d, r.table.Zone); from.Before(until) {
				r.cells = append(r.cells, cell{p, d, from, until})
			}
		}
	}
}

// At returns the price at an instant; ok is false if no rate covers it. In an hour that
// the clock shows twice, a peak covers everything between its beginning and its end, in
// one stretch, as it does for the peak controller.
func (r *Reader) At(at time.Time) (p Price, ok bool) {
	local := at.In(r.table.Zone)
	date, minute := rules.DateOf(at, r.table.Zone), local.Hour()*60+local.Minute()
	r.open(date)
	for _, c := range r.cells {
		if at.Before(c.from) || !at.Before(c.until) {
			continue
		}
		if c.price.Peak {
			return c.price, true
		}
		if !ok || c.date == date && c.Start <= minute && minute < c.End {
			p, ok = c.price, true
		}
	}
	return p, ok
}

// A Slot is a period of time with one price.
type Slot struct {
	Start, End time.Time
	Price
	Known bool // a rate covers it
}

// Slots yields the periods of constant price between two instants.
func (t Table) Slots(from, until time.Time) iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		r := t.Reader()
		var open Slot
		for start := from; start.Before(until); {
			end := r.change(start, until)
			p, ok := r.At(start)
			if open.End.Equal(start) && !open.End.IsZero() && open.Price == p && open.Known == ok {
				open.End = end
			} else {
				if !open.End.IsZero() && !yield(open) {
					return
				}
				open = Slot{start, end, p, ok}
			}
			start = end
		}
		if !open.End.IsZero() {
			yield(open)
		}
	}
}

// change returns the next instant after at when the price may change.
func (r *Reader) change(at, until time.Time) time.Time {
	date := rules.DateOf(at, r.table.Zone)
	r.open(date)
	next := until
	midnight, _ := rules.Span{Start: minutesPerDay, End: minutesPerDay + 1}.On(date, r.table.Zone)
	consider := func(t time.Time) {
		if t.After(at) && t.Before(next) {
			next = t
		}
	}
	consider(midnight)
	for _, c := range r.cells {
		consider(c.from)
		consider(c.until)
	}
	// When the clock is set back, minutes are shown again.
	for h := at.Truncate(30 * time.Minute).Add(30 * time.Minute); h.Before(next); h = h.Add(30 * time.Minute) {
		_, was := at.In(r.table.Zone).Zone()
		if _, is := h.In(r.table.Zone).Zone(); was != is {
			consider(h)
			break
		}
	}
	if next.After(until) {
		return until
	}
	return next
}

// Windows returns the peaks of a day, for rules.Calendar.
func (t Table) Windows(d rules.Date) []rules.Window {
	before := d.Add(-1)
	soon := func(r Rate) bool { return r.Days.InSeason(d) || r.Days.InSeason(before) }
	if !slices.ContainsFunc(t.Peaks, soon) && !slices.ContainsFunc(t.Rates, func(r Rate) bool { return r.Peak && soon(r) }) {
		return nil
	}
	var all []rules.Window
	for _, p := range t.pieces(t.kind(before), t.kind(d)) {
		if p.price.Peak {
			all = append(all, rules.Window{Span: p.Span, Name: p.price.Name, Precool: p.price.Precool})
		}
	}
	return all
}

// HasPeaks reports whether t says which hours are expensive.
func (t Table) HasPeaks() bool {
	return len(t.Peaks) > 0 || slices.ContainsFunc(t.Rates, func(r Rate) bool { return r.Peak })
}

// Calendar returns a calendar of the windows in which power is expensive.
func (t Table) Calendar(lead time.Duration) rules.Calendar {
	return rules.Calendar{Location: t.Zone, Schedule: t, Lead: lead}
}

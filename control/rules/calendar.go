package rules

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Phase is what the grid's tariff makes of the time of day.
type Phase string

// The phases.
const (
	OffPeak Phase = "off_peak"
	PrePeak Phase = "pre_peak" // the lead before a peak
	InPeak  Phase = "peak"
)

// Phases lists all phases, in the order of a day.
func Phases() []Phase { return []Phase{OffPeak, PrePeak, InPeak} }

// A Season describes the peaks of a part of the year.
type Season struct {
	Name     string
	Months   []time.Month   // empty: From and To say which part of the year
	From, To YearDay        // both included; zero: the whole year
	Days     []time.Weekday // on which peaks begin; none ever begins on a holiday
	Peaks    []Span
	Precool  bool // the lead of its peaks precools if the forecast is hot
}

// days returns the days on which the season's peaks begin, before holidays are excluded.
func (s Season) days() Days {
	return Days{Months: s.Months, From: s.From, To: s.To, Weekdays: s.Days}
}

// A Calendar knows when power is expensive. Windows are wall-clock times, so a daylight
// saving change lengthens or shortens a peak.
type Calendar struct {
	Location *time.Location
	Seasons  []Season
	Holidays []string       // local days without peaks: "2026-07-04", or "07-04" of every year
	Public   PublicHolidays // additional holidays; nil: none
	Schedule Schedule       // provides the windows instead of Seasons and holidays; nil: those do
	Lead     time.Duration  // of pre_peak before each peak
}

// A Schedule knows the windows of each local day, ordered by their start.
type Schedule interface{ Windows(Date) []Window }

// A Window is a part of a day in which power is expensive.
type Window struct {
	Span
	Name    string // what people call it, like a season's name
	Precool bool
}

// PublicHolidays are holidays that follow a rule, such as the fourth Thursday of
// November.
type PublicHolidays interface{ Has(Date) bool }

// A Peak is one stretch in which power is expensive. Windows that touch form one peak,
// across midnight and from one season into the next. The zero Peak means none.
type Peak struct {
	Season  string // in which it begins
	Precool bool
	Start   time.Time
	End     time.Time // exclusive
}

// horizon is how many days ahead the next peak is looked for: longer than any run of
// weekends and holidays, and than a winter without windows.
const horizon = 400

// SeasonOf returns the season of the local day of t; nil if there is none. If several
// seasons cover the same part of the year, it is the one that has peaks on that day.
func (c Calendar) SeasonOf(t time.Time) *Season {
	var found *Season
	date := DateOf(t, c.Location)
	for i := range c.Seasons {
		s := &c.Seasons[i]
		if s.days().Has(date) {
			return s
		}
		if found == nil && s.days().InSeason(date) {
			found = s
		}
	}
	return found
}

// Peaks lists the peaks that begin on the local day that is the given number of days
// after that of t, in order.
func (c Calendar) Peaks(t time.Time, days int) (peaks []Peak) {
	date := DateOf(t, c.Location).Add(days)
	for p := range c.from(date) {
		starts := DateOf(p.Start, c.Location).wall(0)
		if starts.After(date.wall(0)) {
			break
		}
		if starts.Equal(date.wall(0)) {
			peaks = append(peaks, p)
		}
	}
	return peaks
}

// From yields the peaks that end after t, in order: the current one, if there is one, and
// all that begin within the horizon.
func (c Calendar) From(t time.Time) iter.Seq[Peak] {
	return func(yield func(Peak) bool) {
		for p := range c.from(DateOf(t, c.Location)) {
			if t.Before(p.End) && !yield(p) {
				return
			}
		}
	}
}

// from yields the peaks of a day and of the days after it, and earlier ones that may
// reach into it.
func (c Calendar) from(date Date) iter.Seq[Peak] {
	return func(yield func(Peak) bool) {
		first := date
		if c.reaches(date.Add(-1)) {
			first = date.Add(-1)
			for n := 0; n < horizon && c.goesOn(first); n++ {
				first = first.Add(-1)
			}
		}
		run := joined{yield: yield}
		for day, last := first, date.Add(horizon); day != last; day = day.Add(1) {
			for _, w := range c.windows(day) {
				if !run.add(w) {
					return
				}
			}
			if !c.reaches(day) && !run.end() {
				return
			}
		}
		run.end()
	}
}

// joined joins windows that touch into one peak.
type joined struct {
	open  Peak // the next window may extend it; zero: none
	yield func(Peak) bool
}

// add joins the next window, in the order of their starts. It reports whether more are
// wanted.
func (j *joined) add(w Peak) bool {
	if !j.open.Start.IsZero() && !w.Start.After(j.open.End) {
		j.open.End = latest(j.open.End, w.End)
		return true
	}
	more := j.end()
	j.open = w
	return more
}

// end yields the open peak: no further window touches it.
func (j *joined) end() bool {
	p := j.open
	j.open = Peak{}
	return p.Start.IsZero() || j.yield(p)
}

// goesOn reports whether a peak of the day before continues through the whole of date.
func (c Calendar) goesOn(date Date) bool {
	windows := c.windows(date)
	if len(windows) == 0 {
		return false
	}
	run := windows[0]
	for _, w := range windows[1:] {
		if !w.Start.After(run.End) {
			run.End = latest(run.End, w.End)
		}
	}
	if midnight, _ := moments(date.Add(1).wall(0), c.Location); run.End.Before(midnight) {
		return false
	}
	return slices.ContainsFunc(c.windows(date.Add(-1)), func(w Peak) bool { return !w.End.Before(run.Start) })
}

// nearMidnight is the time of day from which a window that ends on the same day may touch
// one of the next day: the clock may be set back across midnight.
const nearMidnight = minutesPerDay - 3*60

// reaches reports whether a window of date may touch one of the next day.
func (c Calendar) reaches(date Date) bool {
	if c.Schedule != nil {
		return slices.ContainsFunc(c.Schedule.Windows(date), func(w Window) bool { return w.End >= nearMidnight })
	}
	for i := range c.Seasons {
		late := func(p Span) bool { return p.End >= nearMidnight }
		if s := &c.Seasons[i]; slices.ContainsFunc(s.Peaks, late) && s.days().Has(date) {
			return !c.IsHoliday(date)
		}
	}
	return false
}

// spans returns the windows that begin on a local day, ordered by their start.
func (c Calendar) spans(date Date) (spans []Window) {
	if c.Schedule != nil {
		return c.Schedule.Windows(date)
	}
	for i := range c.Seasons {
		s := &c.Seasons[i]
		if len(s.Peaks) == 0 || !s.days().Has(date) {
			continue
		}
		for _, p := range s.Peaks {
			spans = append(spans, Window{p, s.Name, s.Precool})
		}
	}
	if len(spans) == 0 || c.IsHoliday(date) {
		return nil
	}
	slices.SortStableFunc(spans, func(a, b Window) int { return a.Start - b.Start })
	return spans
}

// IsHoliday reports whether date is a holiday, on which no season's peak begins.
func (c Calendar) IsHoliday(date Date) bool {
	if c.Public != nil && c.Public.Has(date) {
		return true
	}
	if len(c.Holidays) == 0 {
		return false
	}
	text := date.String()
	return slices.Contains(c.Holidays, text) || slices.Contains(c.Holidays, text[len("2026-"):])
}

// HolidaysOver says that the last known holiday has passed, and what to do about it. It
// is empty if it has not, or if there are holidays that recur every year.
func (c Calendar) HolidaysOver(now time.Time) string {
	if len(c.Holidays) == 0 || c.Public != nil {
		return ""
	}
	today, last := DateOf(now, c.Location).String(), ""
	for _, h := range c.Holidays {
		if len(h) < len(today) {
			return "" // recurs every year
		}
		last = max(last, h)
	}
	if last >= today {
		return ""
	}
	after := "after " + last + " is known"
	if year := today[:len("2026")]; last < year {
		after = fmt.Sprintf("of %s or later is known, the last one is %s", year, last)
	}
	return "no holiday " + after + ": add the coming ones to settings.holidays, or write 12-25 for a date in every year, or a country such as \"us\" for its public holidays"
}

// windows returns the spans of a day as stretches of time. A span that lies within the
// hour that daylight saving time skips is left out.
func (c Calendar) windows(date Date) []Peak {
	spans := c.spans(date)
	if len(spans) == 0 {
		return nil
	}
	windows := make([]Peak, 0, len(spans))
	for _, s := range spans {
		if from, until := s.On(date, c.Location); from.Before(until) {
			windows = append(windows, Peak{Season: s.Name, Precool: s.Precool, Start: from, End: until})
		}
	}
	return windows
}

// Next returns the peak that is running at t, or else the next one; ok is false if there
// is none within the horizon.
func (c Calendar) Next(t time.Time) (p Peak, ok bool) {
	for p := range c.From(t) {
		return p, true
	}
	return Peak{}, false
}

// At returns the scheduled phase at t, with the peak that it belongs to or, in off_peak,
// the next one.
func (c Calendar) At(t time.Time) (Phase, Peak) {
	p, _ := c.Next(t)
	return c.phase(p, t), p
}

// phase returns the scheduled phase at t, given the peak that Next returned for it.
func (c Calendar) phase(p Peak, t time.Time) Phase {
	switch {
	case p.Start.IsZero() || t.Before(p.Start.Add(-c.Lead)):
		return OffPeak
	case t.Before(p.Start):
		return PrePeak
	}
	return InPeak
}

// Change returns when the scheduled phase next changes after t; zero if it never does
// within the horizon.
func (c Calendar) Change(t time.Time) time.Time { return c.change(c.At(t)) }

// change returns when a phase ends, given the peak that At returned with it.
func (c Calendar) change(phase Phase, p Peak) time.Time {
	switch {
	case p.Start.IsZero():
		return time.Time{}
	case phase == OffPeak:
		return p.Start.Add(-c.Lead)
	case phase == PrePeak:
		return p.Start
	default:
		return p.End
	}
}

package rules

import (
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

// A Span is a part of the local day, in wall-clock minutes since midnight: 960
// is 16:00. Its end is exclusive, at most 1440.
type Span struct{ Start, End int }

// A Season says what holds in some months.
type Season struct {
	Name    string
	Months  []time.Month
	Days    []time.Weekday // on which there are peaks; holidays never have any
	Peaks   []Span
	Precool bool // the lead of its peaks precools if the forecast is hot
}

// A Calendar knows when the grid is dear. Windows are wall-clock times, so a
// change to or from summer time lengthens or shortens a peak.
type Calendar struct {
	Location *time.Location
	Seasons  []Season
	Holidays []string      // local days without peaks: "2026-07-04"
	Lead     time.Duration // of pre_peak before each peak
}

// A Peak is one window in which the grid is dear. The zero Peak is none.
type Peak struct {
	Season  string
	Precool bool
	Start   time.Time
	End     time.Time // exclusive
}

// horizon is how many days ahead a next peak is looked for: longer than any
// run of week-ends and holidays, and than a winter without windows.
const horizon = 400

// SeasonOf is the season of the local day of t; nil if no season has its month.
func (c Calendar) SeasonOf(t time.Time) *Season {
	month := t.In(c.Location).Month()
	for i := range c.Seasons {
		if slices.Contains(c.Seasons[i].Months, month) {
			return &c.Seasons[i]
		}
	}
	return nil
}

// Peaks lists the peaks of the local day that is days after that of t, in
// order; windows that touch are one.
func (c Calendar) Peaks(t time.Time, days int) []Peak {
	y, m, d := t.In(c.Location).Date()
	noon := time.Date(y, m, d+days, 12, 0, 0, 0, c.Location)
	season := c.SeasonOf(noon)
	if season == nil || !slices.Contains(season.Days, noon.Weekday()) ||
		len(c.Holidays) > 0 && slices.Contains(c.Holidays, noon.Format(time.DateOnly)) {
		return nil
	}
	spans, byStart := season.Peaks, func(a, b Span) int { return a.Start - b.Start }
	if !slices.IsSortedFunc(spans, byStart) {
		spans = slices.SortedFunc(slices.Values(spans), byStart)
	}
	peaks := make([]Peak, 0, len(spans))
	for _, span := range spans {
		p := Peak{
			Season: season.Name, Precool: season.Precool,
			Start: c.wall(y, m, d+days, span.Start),
			End:   c.wall(y, m, d+days, span.End),
		}
		if !p.Start.Before(p.End) {
			continue // the whole window fell into the hour that summer time takes
		}
		if last := len(peaks) - 1; last >= 0 && !peaks[last].End.Before(p.Start) {
			peaks[last].End = p.End
			continue
		}
		peaks = append(peaks, p)
	}
	return peaks
}

// wall is the moment at which the clock on the wall shows that minute of the
// day. A minute that summer time leaves out is the moment of the change.
func (c Calendar) wall(y int, m time.Month, d, minute int) time.Time {
	t := time.Date(y, m, d, 0, minute, 0, 0, c.Location)
	shown := t.Hour()*60 + t.Minute()
	if shown == minute%1440 {
		return t
	}
	from, to := t.ZoneBounds()
	if shown < minute {
		return to
	}
	return from
}

// Next is the peak that runs at t, or else the next one; ok is false if there
// is none within the horizon.
func (c Calendar) Next(t time.Time) (p Peak, ok bool) {
	// Yesterday counts until noon, since its last peak may end at or after midnight.
	first := -1
	if t.In(c.Location).Hour() >= 12 {
		first = 0
	}
	for day := first; day < horizon; day++ {
		for _, p := range c.Peaks(t, day) {
			if t.Before(p.End) {
				return p, true
			}
		}
	}
	return Peak{}, false
}

// At is the scheduled phase at t, with the peak that it belongs to or, in
// off_peak, the next one.
func (c Calendar) At(t time.Time) (Phase, Peak) {
	p, ok := c.Next(t)
	switch {
	case !ok || t.Before(p.Start.Add(-c.Lead)):
		return OffPeak, p
	case t.Before(p.Start):
		return PrePeak, p
	}
	return InPeak, p
}

// Change is when the scheduled phase changes next after t; zero if it never
// does within the horizon.
func (c Calendar) Change(t time.Time) time.Time { return c.change(c.At(t)) }

// change is when a phase ends, given the peak that At returned with it.
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

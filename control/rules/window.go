package rules

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"powermgr/devices"
)

// Windows of wall-clock time on some days of the year, and the moments at which they
// begin and end. Nothing here depends on what a window is for: peaks are made of them,
// and anything else that depends on the time of use can be.

// A Date is a calendar day, without a time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the local date at t.
func DateOf(t time.Time, zone *time.Location) Date {
	y, m, d := t.In(zone).Date()
	return Date{y, m, d}
}

// Add returns the date that many days later.
func (d Date) Add(days int) Date { return DateOf(d.wall(days*minutesPerDay), time.UTC) }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.wall(0).Weekday() }

// YearDay returns the day of the year.
func (d Date) YearDay() YearDay { return YearDay(int(d.Month)*100 + d.Day) }

// String formats a date as 2026-07-04.
func (d Date) String() string { return d.wall(0).Format(time.DateOnly) }

const minutesPerDay = 24 * 60

// wall returns what the wall clock shows that many minutes after midnight, as a time in
// UTC.
func (d Date) wall(minute int) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, minute, 0, 0, time.UTC)
}

// A YearDay is a day of every year: 704 is July 4. Zero means none.
type YearDay int

// ParseYearDay parses "07-04", or "7-4". "02-29" is a day of leap years only.
func ParseYearDay(text string) (YearDay, error) {
	day, err := time.Parse("2006-1-2", "2000-"+text)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a day of the year such as 07-04", text)
	}
	return DateOf(day, time.UTC).YearDay(), nil
}

// UnmarshalText parses what ParseYearDay does; empty text means none.
func (y *YearDay) UnmarshalText(text []byte) (err error) {
	*y = 0
	if len(text) > 0 {
		*y, err = ParseYearDay(string(text))
	}
	return err
}

// String formats a day as 07-04.
func (y YearDay) String() string { return fmt.Sprintf("%02d-%02d", int(y)/100, int(y)%100) }

// Days are some days of the year. The zero value has none, since it has no weekday.
type Days struct {
	Months   []time.Month   // empty: From and To say which part of the year
	From, To YearDay        // both included, across the turn of the year if To is earlier; zero: the whole year
	Weekdays []time.Weekday // of that part
}

// InSeason reports whether d lies in that part of the year, whatever its weekday.
func (s Days) InSeason(d Date) bool {
	switch day := d.YearDay(); {
	case len(s.Months) > 0:
		return slices.Contains(s.Months, d.Month)
	case s.From == 0 || s.To == 0:
		return true
	case s.From <= s.To:
		return s.From <= day && day <= s.To
	default:
		return s.From <= day || day <= s.To
	}
}

// Has reports whether d is one of the days.
func (s Days) Has(d Date) bool { return s.InSeason(d) && slices.Contains(s.Weekdays, d.Weekday()) }

// A Span is a part of a local day, in wall-clock minutes since midnight: 960 is 16:00.
// Its end is exclusive. An end above 1440 lies in the next day: a span belongs to the day
// on which it begins, and 22:00–02:00 is {1320, 1560}.
type Span struct{ Start, End int }

// On returns when s begins and ends on a day: from the first moment at which the clock
// shows its start or later, until the last one before which the clock shows less than its
// end. So it covers every minute that the clock shows in it, in one stretch: an hour that
// occurs twice lengthens it. It is empty, with from not before until, if the clock skips
// all of it.
func (s Span) On(d Date, zone *time.Location) (from, until time.Time) {
	from, _ = moments(d.wall(s.Start), zone)
	_, until = moments(d.wall(s.End), zone)
	return from, until
}

// maxOffset is more than the difference between any home's clock and UTC.
const maxOffset = 26 * time.Hour

// moments returns when the clock of a zone first shows wall or later, and from when on it
// never shows less again. They differ if the clock is set back across wall; if it is set
// forward across it, both are the moment of the change.
//
// It compares offsets, because time.Date picks sometimes one moment and sometimes the
// other, and ZoneBounds ends some years that have no change.
func moments(wall time.Time, zone *time.Location) (first, last time.Time) {
	from, until := wall.Add(-maxOffset), wall.Add(maxOffset)
	was, is := offset(from, zone), offset(until, zone)
	before, after := wall.Add(-was), wall.Add(-is) // when the clock shows wall with these
	if was == is {
		return before.In(zone), before.In(zone)
	}
	seconds := sort.Search(int(until.Sub(from)/time.Second), func(n int) bool {
		return offset(from.Add(time.Duration(n)*time.Second), zone) != was
	})
	change := from.Add(time.Duration(seconds) * time.Second)
	first, last = before, after
	if !before.Before(change) {
		first = latest(change, after)
	}
	if !after.After(change) {
		last = devices.Earliest(change, before)
	}
	return first.In(zone), last.In(zone)
}

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

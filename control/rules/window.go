package rules

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"powermgr/devices"
)

// Windows of wall-clock time on some days of the year, and the moments at
// which they begin and end. Nothing here knows what a window is for: peaks are
// made of them, and whatever else depends on the time of use can be.

// A Date is a day as calendars have it, in no time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the local date at t.
func DateOf(t time.Time, zone *time.Location) Date {
	y, m, d := t.In(zone).Date()
	return Date{y, m, d}
}

// Add is the date that many days later.
func (d Date) Add(days int) Date { return DateOf(d.wall(days*minutesPerDay), time.UTC) }

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.wall(0).Weekday() }

// YearDay is the day of the year.
func (d Date) YearDay() YearDay { return YearDay(int(d.Month)*100 + d.Day) }

// String writes 2026-07-04.
func (d Date) String() string { return d.wall(0).Format(time.DateOnly) }

const minutesPerDay = 24 * 60

// wall is what the clock on the wall shows that many minutes after midnight,
// written as a time of UTC.
func (d Date) wall(minute int) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, minute, 0, 0, time.UTC)
}

// A YearDay is a day of every year: 704 is July 4. Zero is none.
type YearDay int

// ParseYearDay reads "07-04", or "7-4". "02-29" is a day of leap years alone.
func ParseYearDay(text string) (YearDay, error) {
	day, err := time.Parse("2006-1-2", "2000-"+text)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a day of the year such as 07-04", text)
	}
	return DateOf(day, time.UTC).YearDay(), nil
}

// UnmarshalText reads what ParseYearDay does; the empty text is none.
func (y *YearDay) UnmarshalText(text []byte) (err error) {
	*y = 0
	if len(text) > 0 {
		*y, err = ParseYearDay(string(text))
	}
	return err
}

// String writes 07-04.
func (y YearDay) String() string { return fmt.Sprintf("%02d-%02d", int(y)/100, int(y)%100) }

// Days are some days of the year. The zero value is none, since it has no
// weekday.
type Days struct {
	Months   []time.Month   // empty: From and To say which part of the year
	From, To YearDay        // both included, over the turn of the year if To comes first; zero: the whole year
	Weekdays []time.Weekday // of that part
}

// InSeason reports whether d lies in that part of the year, whatever the day of
// the week.
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

// A Span is a part of a local day, in wall-clock minutes since midnight: 960 is
// 16:00. Its end is exclusive. One above 1440 lies in the next day: a span
// belongs to the day on which it begins, and 22:00–02:00 is {1320, 1560}.
type Span struct{ Start, End int }

// On is when s begins and ends on a day: from the first moment at which the
// clock shows its start or later, until the last one before which the clock
// shows less than its end. So it covers every minute that the clock shows in
// it, in one stretch: an hour that comes twice lengthens it. It is empty, from
// not before until, when the clock leaves out the whole of it.
func (s Span) On(d Date, zone *time.Location) (from, until time.Time) {
	from, _ = moments(d.wall(s.Start), zone)
	_, until = moments(d.wall(s.End), zone)
	return from, until
}

// maxOffset is more than a clock at home is ever away from UTC.
const maxOffset = 26 * time.Hour

// moments are when the clock of a zone first shows wall or later, and from when
// on it never shows less any more. They differ where the clock is put back over
// wall; where it is put forward over it, both are the moment of the change.
//
// Offsets are compared, since time.Date chooses now the one and now the other
// moment, and ZoneBounds ends some years that have no change.
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

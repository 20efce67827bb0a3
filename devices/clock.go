package devices

import "time"

// WholeSecond is t as it is published and shown: the clock's fraction of a second,
// and its monotonic reading, are of no use there.
func WholeSecond(t time.Time) time.Time { return t.Round(0).Truncate(time.Second) }

// Earliest is the earlier of two times, of which zero is never.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// NextClock is when the clock at home next shows clock, the time since
// midnight, or did within the last JustOver. Thermostats tell and take the end
// of a hold as a time of day.
func NextClock(clock time.Duration, now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	clock %= 24 * time.Hour
	if today := clockAt(y, m, d, clock, home); now.Sub(today) <= JustOver {
		return today
	}
	return clockAt(y, m, d+1, clock, home)
}

// Midnight is when the day at home of now began.
func Midnight(now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	return clockAt(y, m, d, 0, home)
}

// NextMidnight is when the day at home that comes after that of now begins.
func NextMidnight(now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	return clockAt(y, m, d+1, 0, home)
}

// clockAt is when the clock at home shows clock on a day. Where summer time
// leaves that out it is the moment of the change: time.Date may give an earlier
// one, which at midnight is one of the day before.
func clockAt(y int, m time.Month, d int, clock time.Duration, home *time.Location) time.Time {
	// Hours and minutes apart from the date: a day can have 23 or 25 hours.
	on := func(zone *time.Location) time.Time {
		return time.Date(y, m, d, int(clock/time.Hour), int(clock%time.Hour/time.Minute), int(clock%time.Minute/time.Second), 0, zone)
	}
	at, wall := on(home), on(time.UTC)
	_, offset := at.Zone()
	switch shown := at.Add(time.Duration(offset) * time.Second); {
	case shown.Before(wall):
		_, at = at.ZoneBounds()
	case shown.After(wall):
		at, _ = at.ZoneBounds()
	}
	return at
}

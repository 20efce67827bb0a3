package devices

import "time"

// WholeSecond returns t as it is published and shown: fractions of a second and the
// monotonic reading are of no use there.
func WholeSecond(t time.Time) time.Time { return t.Round(0).Truncate(time.Second) }

// Earliest returns the earlier of two times. Zero stands for never.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// NextClock returns when the clock at home next shows clock, the time since midnight,
// or did so within the last JustOver. Thermostats use a time of day for the end of a
// hold.
func NextClock(clock time.Duration, now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	clock %= 24 * time.Hour
	if today := clockAt(y, m, d, clock, home); now.Sub(today) <= JustOver {
		return today
	}
	return clockAt(y, m, d+1, clock, home)
}

// Midnight returns when the day at home of now began.
func Midnight(now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	return clockAt(y, m, d, 0, home)
}

// NextMidnight returns when the day after that of now begins at home.
func NextMidnight(now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	return clockAt(y, m, d+1, 0, home)
}

// clockAt returns when the clock at home shows clock on a day. If that time is skipped
// when the clocks change, it is the moment of the change: time.Date may return an
// earlier time, which for midnight would be on the day before.
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

package devices

import "time"

// JustOver is how long after its end a hold may still be shown. It keeps one
// that ended a moment ago from being read as one that ends tomorrow; so a hold
// cannot be asked for that ends within JustOver of this time tomorrow.
const JustOver = 15 * time.Minute

// NextClock is when the clock at home next shows clock, the time since
// midnight, or did within the last JustOver. Thermostats tell and take the end
// of a hold as a time of day.
func NextClock(clock time.Duration, now time.Time, home *time.Location) time.Time {
	y, m, d := now.In(home).Date()
	clock %= 24 * time.Hour
	// Hours and minutes apart from the date: a day can have 23 or 25 hours.
	at := func(day int) time.Time {
		return time.Date(y, m, day, int(clock/time.Hour), int(clock%time.Hour/time.Minute), int(clock%time.Minute/time.Second), 0, home)
	}
	if today := at(d); now.Sub(today) <= JustOver {
		return today
	}
	return at(d + 1)
}

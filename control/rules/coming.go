package rules

import "time"

// Coming is the peak that a calendar said is running or comes next. It holds until that
// peak is over, so that the calendar need not be asked at every step. Each Coming belongs
// to one calendar; the zero Coming belongs to none yet.
type Coming struct {
	peak  Peak
	asked time.Time // by the wall clock; if that is set back, an earlier peak may come again
}

// At returns what c says comes next at t.
func (n Coming) At(c Calendar, t time.Time) Coming {
	if t = t.Round(0); !n.peak.Start.IsZero() && !t.Before(n.asked) && t.Before(n.peak.End) {
		return n
	}
	p, _ := c.Next(t)
	return Coming{p, t}
}

// Scheduled returns the plan of c at now, the time that n was made for.
func (n Coming) Scheduled(c Calendar, now time.Time) Plan {
	return planBefore(n.peak, c, Override{}, true, now)
}

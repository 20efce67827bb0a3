package rules

import "time"

// Coming is what a calendar said comes next. It holds until that peak is over, so that
// the calendar need not be asked at each step. The zero Coming is of no calendar yet; each
// is of one alone.
type Coming struct {
	peak  Peak
	asked time.Time // by the clock on the wall; if that is set back, an earlier peak may come again
}

// At is what c says comes next at t.
func (n Coming) At(c Calendar, t time.Time) Coming {
	if t = t.Round(0); !n.peak.Start.IsZero() && !t.Before(n.asked) && t.Before(n.peak.End) {
		return n
	}
	p, _ := c.Next(t)
	return Coming{p, t}
}

// Scheduled is the plan of c at now, which is when n is of.
func (n Coming) Scheduled(c Calendar, now time.Time) Plan {
	return planBefore(n.peak, c, Override{}, true, now)
}

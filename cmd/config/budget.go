package config

import (
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"powermgr/bridge"
	"powermgr/control/rules"
)

// Account returns a name for the Tesla account that would be billed. It reveals no
// credential.
func (t Tesla) Account() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s\n%d", t.BaseURL, t.ClientID, t.EnergySiteID)
	return fmt.Sprintf("tesla %x", h.Sum64())
}

// AheadOf returns what is left of the home's month at now.
func AheadOf(c rules.Calendar, now time.Time) (a bridge.Ahead) {
	local := now.In(c.Location)
	end := time.Date(local.Year(), local.Month()+1, 1, 0, 0, 0, 0, c.Location)
	covered := now // up to here, so that no time counts twice
	for p := range c.From(now) {
		from := p.Start.Add(-c.Lead)
		if !from.Before(end) {
			break
		}
		if from.Before(covered) {
			from = covered
		}
		until := p.End
		if until.After(end) {
			until = end
		}
		if until.After(from) {
			a.Peak += until.Sub(from)
			covered = until
		}
		a.Peaks++
	}
	a.Other = end.Sub(now) - a.Peak
	return a
}

// busiestMonth returns how often the Powerwall is read in the month with the most peaks,
// and the approximate number of calls in that month.
func (c Config) busiestMonth() (bridge.Paces, int) {
	var most bridge.Ahead
	calendar := c.Calendar()
	for month := time.January; month <= time.December; month++ {
		// For an estimate, any year will do.
		if a := AheadOf(calendar, time.Date(2026, month, 1, 0, 0, 0, 0, calendar.Location)); a.Peak >= most.Peak {
			most = a
		}
	}
	peak, other := Seconds(c.Poll.PowerwallInPeak()), Seconds(c.Poll.PowerwallSeconds)
	p := bridge.Paces{Peak: peak, Other: other, PeakSettings: peak, OtherSettings: other, History: time.Hour}
	if c.Tesla.CallsPerMonth > 0 {
		p = bridge.PacesFor(c.Tesla.CallsPerMonth, most)
		p.Peak, p.Other = max(p.Peak, peak), max(p.Other, other)
	}
	return p, p.Calls(most)
}

// price returns what calls may cost in a month: sources disagree on whether Tesla bills
// calls for a home battery, and those that say so give about $1 for 500 to 1,000 calls.
func price(calls int) string {
	return fmt.Sprintf("$0 to $%.0f", math.Round(float64(calls)/500))
}

// Calls says how many calls were made in the month of now, how many it will be at this
// rate, and what that may cost, if it is a hundred or more.
func Calls(made int, limit *int, now time.Time) string {
	begin := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	text := thousands(made) + " calls this month"
	if limit != nil && *limit > 0 {
		text = fmt.Sprintf("%s of %s calls this month", thousands(made), thousands(*limit))
	}
	gone := now.Sub(begin)
	if gone < 24*time.Hour { // too short for an estimate
		return text
	}
	about := int(float64(made)*begin.AddDate(0, 1, 0).Sub(begin).Hours()/gone.Hours()+50) / 100 * 100
	if about == 0 {
		return text
	}
	return fmt.Sprintf("%s: at this rate about %s, %s", text, thousands(about), price(about))
}

// SlowestPowerwall is the longest usual time between two readings of the figures.
func (c Config) SlowestPowerwall() time.Duration {
	slowest := Seconds(max(c.Poll.PowerwallSeconds, c.Poll.PowerwallPeakSeconds))
	if c.Tesla != nil && c.Tesla.CallsPerMonth > 0 {
		slowest = max(slowest, 30*time.Minute) // if it takes even longer, Tesla's history has the energies
	}
	return slowest
}

// slowestPeak is SlowestPowerwall for a peak and its lead.
func (c Config) slowestPeak() time.Duration {
	slowest := Seconds(c.Poll.PowerwallInPeak())
	if c.Tesla != nil && c.Tesla.CallsPerMonth > 0 {
		slowest = max(slowest, bridge.Slowest.Peak)
	}
	return slowest
}

package config

import (
	"slices"
	"strings"
	"time"

	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/control/tariff"
)

// Describes what sets the reserve, and what happens in hours for which prices and peaks
// disagree.

// strategy says what sets the reserve and the thermostats.
func (d *description) strategy(c Config, now time.Time) {
	s := c.Settings
	if c.Tesla == nil {
		return
	}
	if s.Strategy != rules.StrategyPlan {
		d.item("Strategy", "rule: the calendar sets the reserve; a plan is also made, but only shown (powermgr plan)")
	} else {
		d.item("Strategy", "plan: looks 36 hours ahead and keeps the reserve between %d %% and %d %%, with at most %d changes a day",
			s.minPlannedReserve(), max(s.OffPeakReservePercent, s.minPlannedReserve()), rules.MaxChanges)
		d.item("", "without a plan to go by the rule above acts, and powermgr status says why")
		if controlled(c) {
			d.item("", "thermostats are planned for once five days are known of each; until then, as above")
		}
	}
	d.disagreement(c, now)
}

// disagreement says what happens if the hours that are expensive by the prices are not
// the peaks of the rule.
func (d *description) disagreement(c Config, now time.Time) {
	where := ""
	switch {
	case c.Tariff.Source == planner.FromTesla:
		where = "the prices of Tesla's app say which hours are expensive"
	case c.Tariff.Source == planner.FromMQTT:
		where = "the prices by MQTT say which hours are expensive: those in the upper half of a day's prices"
	default:
		if day, prices, peaks := c.differing(now); prices != "" {
			d.item("", "the highest prices of a %s are at %s, and the peak of settings.seasons is %s: the plan and the rule go by", day, prices, peaks)
			d.item("", "the seasons; to have them go by the prices, write peak: true into those of tariff.rates")
		}
		return
	}
	peaks := "settings.seasons"
	if c.Tariff.hasPeaks() {
		peaks = "tariff.rates"
	}
	d.item("", "%s, and %s say when the rule's peaks are; where they differ:", where, peaks)
	d.item("", "in a peak of the rule nothing is held back, whatever the price; in other expensive hours the plan alone saves;")
	d.item("", "thermostats are planned for in peaks that begin with expensive hours, and follow the rule in the others")
}

// differing returns the first day within the next year on which the highest prices of
// tariff.rates are at other times than the peaks of the seasons, with a description of
// both; empty: there is no such day, or the rates do not tell expensive hours by their
// price.
func (c Config) differing(now time.Time) (day, prices, peaks string) {
	t, ok := c.Prices()
	if !ok || len(c.Tariff.Rates) == 0 || c.Tariff.hasPeaks() {
		return "", "", ""
	}
	reader, calendar := t.Reader(), c.Calendar()
	const part = 30 * time.Minute
	for n := range 366 {
		noon := time.Date(now.Year(), now.Month(), now.Day()+n, 12, 0, 0, 0, c.Zone())
		var starts []time.Time
		var all []float64
		for at := noon.Add(-12 * time.Hour); at.Before(noon.Add(12 * time.Hour)); at = at.Add(part) {
			if p, ok := reader.At(at); ok {
				starts, all = append(starts, at), append(all, p.Import)
			}
		}
		above, worth := tariff.ExpensiveAbove(all)
		if !worth {
			continue
		}
		var high, peak []time.Time
		for i, at := range starts {
			if all[i] > above {
				high = append(high, at)
			}
			if phase, _ := calendar.At(at); phase == rules.InPeak {
				peak = append(peak, at)
			}
		}
		if len(peak) > 0 && !slices.EqualFunc(high, peak, time.Time.Equal) {
			return noon.Format("Monday in January"), stretchesOf(high, part), stretchesOf(peak, part)
		}
	}
	return "", "", ""
}

// stretchesOf writes consecutive parts of a day as 16:00–19:00.
func stretchesOf(starts []time.Time, part time.Duration) string {
	var words []string
	for i := 0; i < len(starts); {
		end := i
		for end+1 < len(starts) && starts[end+1].Sub(starts[end]) == part {
			end++
		}
		words = append(words, starts[i].Format("15:04")+"–"+strings.Replace(starts[end].Add(part).Format("15:04"), "00:00", "24:00", 1))
		i = end + 1
	}
	return enumerate(words)
}

package report

import (
	"fmt"
	"math"
	"time"

	"powermgr/control/plan"
	"powermgr/control/rules"
)

// Compares the day with its first plan: what was expected and what happened, why the two
// differ, and the errors of the plan's forecasts.

// A Measure is a quantity as it was planned and as it turned out.
type Measure struct{ Planned, Real float64 }

func (m *Measure) add(planned, real float64) { m.Planned += planned; m.Real += real }

func (m Measure) more() float64 { return m.Real - m.Planned }

// A comparison compares the day with its first plan, in kWh, over the half hours that
// were measured.
type comparison struct {
	hours              float64
	expensive          Measure // from the grid in expensive hours
	grid               Measure // from the grid at all hours
	cost               Measure // of that, in the currency
	load, sun          Measure
	loadOff, sunOff    float64 // the sums of the half hours' errors
	expensiveLoad      float64 // more than planned, in expensive hours
	byExpensive, byOff float64 // the extra cost due to the load, in expensive hours and outside
	bySun              float64 // the extra cost due to the sun
}

// minCompared is how many hours have to be known for a meaningful comparison.
const minCompared = 6

// againstPlan compares the day with its first plan; ok is false if too little is known.
func (r Record) againstPlan() (c comparison, ok bool) {
	o := r.Planned.First
	if o == nil {
		return c, false
	}
	const parts = int(plan.Length / QuarterLength)
	quarters := map[int64]Quarter{}
	for _, q := range r.Quarters() {
		quarters[q.Start.Unix()] = q
	}
	for n := range o.Load {
		var home, sun, grid *float64
		known := 0
		for part := range parts {
			q := quarters[o.at(n).Add(time.Duration(part)*QuarterLength).Unix()]
			if q.Home != nil && q.GridIn != nil && q.Solar != nil {
				known++
				plus(&home, *q.Home)
				plus(&sun, *q.Solar)
				plus(&grid, *q.GridIn)
			}
		}
		if known == parts {
			c.add(o, n, *home, *sun, *grid)
		}
	}
	return c, c.hours >= minCompared
}

// add adds half hour n, with the energies that the home used and that came from the sun
// and from the grid.
func (c *comparison) add(o *Outline, n int, home, sun, grid float64) {
	planned, price := max(0, o.Grid[n]), o.Price[n]
	c.hours += plan.Length.Hours()
	c.grid.add(planned, grid)
	c.cost.add(planned*price, grid*price)
	c.load.add(o.Load[n], home)
	c.sun.add(o.Sun[n], sun)
	c.loadOff += math.Abs(home - o.Load[n])
	c.sunOff += math.Abs(sun - o.Sun[n])
	c.bySun += (o.Sun[n] - sun) * price
	if o.Expensive[n] {
		c.expensive.add(planned, grid)
		c.expensiveLoad += home - o.Load[n]
		c.byExpensive += (home - o.Load[n]) * price
	} else {
		c.byOff += (home - o.Load[n]) * price
	}
}

// Differences that are too small to mention.
const (
	littleKWh  = 0.3
	littleCost = 0.03 // of what was planned
)

// why returns the main reason for the difference, in one sentence.
func (r Record) why(c comparison) string {
	p := r.Planned
	p.accrue(r.Until)
	more := c.cost.more()
	if math.Abs(more) <= littleCost*c.cost.Planned && math.Abs(c.expensive.more()) < littleKWh {
		return "It went as planned."
	}
	if p.Other > p.Decided {
		if p.GaveWay != "" {
			return fmt.Sprintf("Most of the difference: the rule set the reserve instead of the plan, because %s.", p.GaveWay)
		}
		return "Most of the difference: the rule set the reserve, and the plan was only shown."
	}
	word := func(v float64) string {
		if v < 0 {
			return "less"
		}
		return "more"
	}
	battery := more - c.byExpensive - c.byOff - c.bySun
	best, text := math.Inf(-1), ""
	for _, x := range []struct {
		by   float64
		text string
	}{
		{c.byExpensive, fmt.Sprintf("the home used %.1f kWh %s in expensive hours than forecast", math.Abs(c.expensiveLoad), word(c.expensiveLoad))},
		{c.byOff, fmt.Sprintf("the home used %.1f kWh %s outside expensive hours than forecast", math.Abs(c.load.more()-c.expensiveLoad), word(c.load.more()-c.expensiveLoad))},
		{c.bySun, fmt.Sprintf("the sun delivered %.1f kWh %s than forecast", math.Abs(c.sun.more()), word(c.sun.more()))},
		{battery, r.otherwise()},
	} {
		if toward := x.by * sign(more); toward > best {
			best, text = toward, x.text
		}
	}
	return "Most of the difference: " + text + "."
}

func sign(v float64) float64 { return math.Copysign(1, v) }

// otherwise says why the battery was not used as planned.
func (r Record) otherwise() string {
	for _, t := range r.Takings {
		if t.Target == string(rules.Powerwall) {
			return "someone changed the battery at " + r.clock(t.At)
		}
	}
	for _, o := range r.Overrides {
		return fmt.Sprintf("the override %s from %s on", o.Kind, r.clock(o.From))
	}
	if o, end := r.Planned.First, r.Charge.End; o != nil && end != nil {
		if planned := o.Charge[len(o.Charge)-1]; math.Abs(end.Value-planned) >= 5 {
			return fmt.Sprintf("the battery ended at %.0f %%, and %.0f %% was planned", end.Value, planned)
		}
	}
	return "the battery was charged and used at different times than planned"
}

// expected returns the section about the plan.
func (r Record) expected() section {
	c, ok := r.againstPlan()
	if !ok {
		return section{}
	}
	s := section{Title: "Planned and actual", Head: []string{"kWh", "planned", "real", "difference"}, Figures: true}
	for _, x := range []struct {
		name string
		Measure
	}{{"From the grid in expensive hours", c.expensive}, {"From the grid at all hours", c.grid}, {"Used at home", c.load}, {"From the sun", c.sun}} {
		s.Rows = append(s.Rows, []string{x.name, fmt.Sprintf("%.2f", tidy(x.Planned)), fmt.Sprintf("%.2f", tidy(x.Real)), signed(x.more(), fmt.Sprintf("%.2f", math.Abs(x.more())))})
	}
	currency := r.Tariff.Currency
	s.Rows = append(s.Rows, []string{"Paid for energy from the grid", money(c.cost.Planned, currency), money(c.cost.Real, currency), signed(c.cost.more(), money(math.Abs(c.cost.more()), currency))})
	s.Note = fmt.Sprintf("%s Compared with the plan made at %s, over the %.4g hours of it that were measured. Both columns are based on the power in each half hour; the counters above are more exact.", r.why(c), r.clock(r.Planned.First.Made), c.hours)
	return s
}

// Accuracy is how far the forecasts of a day's first plan were off.
type Accuracy struct {
	Date string `json:"date"`
	// LoadOff is the mean by which a half hour's load was off, in percent of the mean
	// load; nil: there was none. SunOff likewise.
	LoadOff      *float64 `json:"load_off_percent"`
	SunOff       *float64 `json:"sun_off_percent"`
	Load         float64  `json:"load_kwh"` // that was used
	LoadForecast float64  `json:"load_forecast_kwh"`
	Sun          float64  `json:"sun_kwh"`
	SunForecast  float64  `json:"sun_forecast_kwh"`
}

// accuracy returns the Accuracy of the day; nil: too little is known.
func (r Record) accuracy() *Accuracy {
	c, ok := r.againstPlan()
	if !ok {
		return nil
	}
	share := func(off, all float64) *float64 {
		if all < littleKWh {
			return nil
		}
		return new(tenths(100 * off / all))
	}
	return &Accuracy{
		Date: r.Date, LoadOff: share(c.loadOff, c.load.Real), SunOff: share(c.sunOff, c.sun.Real),
		Load: thousandths(c.load.Real), LoadForecast: thousandths(c.load.Planned), Sun: thousandths(c.sun.Real), SunForecast: thousandths(c.sun.Planned),
	}
}

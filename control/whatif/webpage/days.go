package webpage

import (
	"fmt"
	"math"
	"strings"
	"time"

	"powermgr/control/whatif"
)

// The best and the worst day: on which steering saved most and least against a
// battery that nobody steers, and why.

// A day is one that is looked at closely.
type day struct {
	date           time.Time
	name, other    string // the policy, and what it is compared with
	saved          float64
	did, would     whatif.Day // under the policy, and under the other
	slots, unaided []whatif.SlotOutcome
	need, usual    float64 // kWh that the home used in expensive hours, and on such a day before; NaN: unknown
	sun            float64
	capacity       float64 // kWh
}

// minSaved is by how much the best day has to be better than the worst: what is
// written as 0.00 is nothing.
const minSaved = 0.005

func (p Page) days() ([]figure, error) {
	if len(p.Cases) == 0 {
		return nil, nil
	}
	c := p.Cases[0]
	name, r, ok := c.Steered()
	other, known := c.Results[whatif.Alone]
	if !ok || !known || name == whatif.Alone || len(r.Daily) != len(other.Daily) || len(r.Daily) < 2 || len(p.Slots[name]) == 0 || len(p.Slots[name]) != len(p.Slots[whatif.Alone]) {
		return nil, nil
	}
	all := make([]day, len(r.Daily))
	at := 0
	for i := range all {
		d := day{date: r.Daily[i].Date, name: name, other: whatif.Alone, did: r.Daily[i], would: other.Daily[i], capacity: c.Battery.CapacityKWh}
		from, cheap := at, math.Inf(1)
		for end := d.date.AddDate(0, 0, 1); at < len(p.Slots[name]) && p.Slots[name][at].Start.Before(end); at++ {
			s := p.Slots[name][at]
			cheap = min(cheap, s.Import)
			d.sun += s.SunKWh
			if s.Expensive {
				d.need += s.LoadKWh
			}
		}
		d.slots, d.unaided = p.Slots[name][from:at], p.Slots[whatif.Alone][from:at]
		// What is left for the next day is worth what it saves buying.
		d.saved = d.would.Bill - d.did.Bill + (d.did.StoredKWh-d.would.StoredKWh)*c.Battery.OneWay*cheap
		d.usual = usual(all[:i], d.date, p.Free)
		all[i] = d
	}
	best, worst := all[0], all[0]
	for _, d := range all {
		if d.saved > best.saved {
			best = d
		}
		if d.saved < worst.saved {
			worst = d
		}
	}
	type titled struct {
		title string
		day
	}
	shown := []titled{{"The best day", best}, {"The worst day", worst}}
	if best.saved-worst.saved < minSaved { // they would be one day twice, or two that nothing tells apart
		shown = []titled{{"One day, as good as any other", best}}
	}
	var figures []figure
	for _, x := range shown {
		f := figure{
			Title: x.title + ", " + x.date.Format("Monday, January 2, 2006"), Text: x.reason(p.Money), Note: "Above power in kW, below what is in the battery in % of its capacity.", Alt: "Power and charge on " + x.date.Format("January 2, 2006"),
			Keys: []key{{"home", "home"}, {"sun", "sun"}, {"grid", "grid"}, {"charge, " + x.name, "steered"}, {"charge, " + x.other, "alone"}, {"reserve", "none"}, {"expensive hours", "expensive"}},
		}
		f, err := f.picture(x.draw)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// sameKind is how many days of a kind, working or free, what is usual is the mean of.
const sameKind = 10

// usual is what the home used in expensive hours on the days of the same kind before.
func usual(before []day, date time.Time, free func(time.Time) bool) float64 {
	sum, n := 0.0, 0.0
	for i := len(before) - 1; i >= 0 && n < sameKind; i-- {
		if b := before[i]; free(b.date) == free(date) {
			sum, n = sum+b.need, n+1
		}
	}
	return sum / n
}

// reason says what the day came to, and why.
func (d day) reason(money func(float64) string) string {
	var b strings.Builder
	if d.saved >= 0 {
		fmt.Fprintf(&b, "The %s saved %s against %s. ", d.name, money(d.saved), d.other)
	} else {
		fmt.Fprintf(&b, "The %s cost %s more than %s. ", d.name, money(-d.saved), d.other)
	}
	b.WriteString(d.cause())
	if d.need > 0.05 {
		fmt.Fprintf(&b, " The home used %.1f kWh in the expensive hours", d.need)
		if !math.IsNaN(d.usual) {
			fmt.Fprintf(&b, ", where %.1f is usual on such a day", d.usual)
		}
		fmt.Fprintf(&b, "; the sun gave %.1f kWh.", d.sun)
	} else {
		fmt.Fprintf(&b, " The sun gave %.1f kWh.", d.sun)
	}
	cheap := func(x whatif.Day) float64 { return x.Import - x.ExpensiveImport }
	fmt.Fprintf(&b, " Bought: %.1f kWh in expensive hours (%s: %.1f) and %.1f in the others (%.1f). Fed in: %.1f (%.1f).",
		d.did.ExpensiveImport, d.other, d.would.ExpensiveImport, cheap(d.did), cheap(d.would), d.did.Export, d.would.Export)
	if more := d.did.StoredKWh - d.would.StoredKWh; math.Abs(more) > 0.5 {
		word := "more"
		if more < 0 {
			word = "less"
		}
		fmt.Fprintf(&b, " %.1f kWh %s was left for the next day, which counts at the cheapest price.", math.Abs(more), word)
	}
	return b.String()
}

// cause is what made most of the difference.
func (d day) cause() string {
	filled := d.did.Import - d.did.ExpensiveImport - (d.would.Import - d.would.ExpensiveImport)
	lacked := d.would.ExpensiveImport - d.did.ExpensiveImport // that the battery gave
	wasted := d.did.Export - d.would.Export
	switch {
	case d.saved >= 0 && lacked > 0.5:
		return "What was bought while energy was cheap carried hours in which it is expensive."
	case d.saved >= 0:
		return "It did no more than to serve the home, as a battery does by itself."
	case lacked < -0.5:
		return "It held back for later what an expensive hour would have needed."
	case filled > 0.5 && wasted > 0.5:
		return "It bought what the sun then brought: the battery was full, and sun went to the grid."
	case wasted > 0.5:
		return "What it had held left no room for the sun, which went to the grid."
	case filled > 0.5 && d.need < 0.8*d.usual:
		return "It bought ahead for an evening that needed less than usual."
	case filled > 0.5:
		return "It bought more ahead than the day needed, and what is stored loses a part."
	}
	return "It held what would have served the home earlier."
}

// expensive are the stretches of expensive hours, in hours from midnight on.
func (d day) expensive() (all [][2]float64) {
	for _, s := range d.slots {
		if !s.Expensive {
			continue
		}
		from := s.Start.Sub(d.date).Hours()
		if n := len(all); n > 0 && all[n-1][1] >= from-1e-9 {
			all[n-1][1] = from + whatif.Step.Hours()
			continue
		}
		all = append(all, [2]float64{from, from + whatif.Step.Hours()})
	}
	return all
}

// series are a quantity of the day's slots, over hours from midnight on.
func (d day) series(slots []whatif.SlotOutcome, of func(whatif.SlotOutcome) float64) (x, y []float64) {
	for _, s := range slots {
		x, y = append(x, s.Start.Sub(d.date).Hours()), append(y, of(s))
	}
	return x, y
}

// hours is how long the day is: 23 or 25 when the clock is changed.
func (d day) hours() float64 { return d.date.AddDate(0, 0, 1).Sub(d.date).Hours() }

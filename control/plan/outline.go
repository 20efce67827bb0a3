package plan

import (
	"fmt"
	"math"
	"time"
)

// A Plan is the plan for people and for the rules: the payload of control/plan. If
// there is none, Reserve is nil, Reason says why, and there are no slots.
type Plan struct {
	Made     time.Time `json:"made_at"`
	Decided  time.Time `json:"decided_at"`      // when the reserve was last asked for
	Reserve  *int      `json:"reserve_percent"` // now
	Reason   string    `json:"reason"`
	Currency string    `json:"currency"`
	Inputs   *Known    `json:"inputs"`
	Expected *Expected `json:"expected"`
	// Thermostats is what is planned for them; nil: there are none to control.
	Thermostats *Comfort  `json:"thermostats"`
	PeakStart   time.Time `json:"peak_start,omitzero"` // of the current or next expensive hours
	PeakEnd     time.Time `json:"peak_end,omitzero"`
	Slots       []Ahead   `json:"slots"`
}

// Known is what a plan was made from.
type Known struct {
	HistoryDays   int     `json:"history_days"`
	Courses       int     `json:"courses"` // possible courses of the time ahead
	ChargePercent float64 `json:"charge_percent"`
	CapacityKWh   float64 `json:"capacity_kwh"`
	PowerKW       float64 `json:"power_kw"`
	GridChargeKW  float64 `json:"grid_charge_kw"` // 0: it does not charge from the grid
	Prices        string  `json:"prices"`         // their source: config, tesla, mqtt
	Weather       string  `json:"weather"`        // the source of the forecast used for the sun; empty: past days only

}

// Expected is the expected result of the time ahead, on average over the courses: under
// the plan, under the rule, and with the battery left alone.
type Expected struct {
	Hours   float64 `json:"hours"`
	Plan    Outcome `json:"plan"`
	Rule    Outcome `json:"rule"`
	Nothing Outcome `json:"nothing"`
}

// An Outcome is a bill, minus the value of the energy left in the battery, and the
// import in the current or next expensive hours.
type Outcome struct {
	Bill       float64 `json:"bill"`
	PeakImport float64 `json:"peak_import_kwh"`
}

// Ahead is a slot of a plan. Energies are in kWh, averages over the courses.
type Ahead struct {
	Start     time.Time `json:"start"`
	Reserve   int       `json:"reserve_percent"`
	Charge    float64   `json:"charge_percent"` // at its beginning
	Load      float64   `json:"load_kwh"`
	Sun       float64   `json:"sun_kwh"`
	Grid      float64   `json:"grid_kwh"` // negative: exported
	Price     float64   `json:"price"`
	Expensive bool      `json:"expensive"`
	Reason    string    `json:"reason"`
}

// A Fixed rule has one reserve in expensive hours and one at other times, in percent.
type Fixed struct{ Peak, OffPeak int }

// Reserves are what control/state says of a rule. Nil: an earlier version published it,
// which did not say it.
type Reserves struct {
	Peak    *int `json:"peak_reserve_percent"`
	OffPeak *int `json:"off_peak_reserve_percent"`
}

func (f Fixed) at(s Slot) int {
	if s.Expensive {
		return f.Peak
	}
	return f.OffPeak
}

// An Outlook is what a plan is compared with, and the time zone of its reasons.
type Outlook struct {
	Rule  Fixed
	Alone int // the reserve of a battery that is left alone, percent
	Zone  *time.Location
	Now   Question // of the first slot
}

// Outline returns what the values lead to, slot by slot. Later slots are decided with
// what is known now; when they come, more will be known. The reserve is at most that of
// the rule: the rules allow no more.
func (v *Values) Outline(o Outlook) (slots []Ahead, e Expected) {
	n, capacity := len(v.in.Slots), v.in.Battery.CapacityKWh
	most := Fixed{max(o.Rule.Peak, v.in.Options.MinReserve), max(o.Rule.OffPeak, v.in.Options.MinReserve)}
	peak := v.peak(0)
	stored := v.all(o.Now.StoredKWh)
	reserve := o.Now.Reserve
	for t := range n {
		s := v.in.Slots[t]
		q := Question{Slot: t, StoredKWh: v.mean(stored), Reserve: reserve}
		if t == 0 {
			q.NetKWh = o.Now.NetKWh
		}
		reserve, _ = v.Ask(q)
		reserve = min(reserve, most.at(s))
		a := Ahead{Start: s.Start, Reserve: reserve, Charge: round(q.StoredKWh/capacity*100, 10), Price: s.Import, Expensive: s.Expensive}
		for c, w := range v.weight {
			a.Load += w * v.in.Courses[c].Load[t]
			a.Sun += w * v.in.Courses[c].Sun[t]
		}
		a.Grid = v.live(t, stored, reserve, &e.Plan, peak)
		a.Reason = v.Reason(t, reserve, q.StoredKWh, o.Zone)
		a.Load, a.Sun, a.Grid = round(a.Load, 1000), round(a.Sun, 1000), round(a.Grid, 1000)
		slots = append(slots, a)
	}
	v.finish(stored, &e.Plan)
	for _, other := range []struct {
		fixed Fixed
		to    *Outcome
	}{{o.Rule, &e.Rule}, {Fixed{o.Alone, o.Alone}, &e.Nothing}} {
		stored := v.all(o.Now.StoredKWh)
		for t := range n {
			v.live(t, stored, other.fixed.at(v.in.Slots[t]), other.to, peak)
		}
		v.finish(stored, other.to)
	}
	e.Hours = float64(n) * v.in.Length.Hours()
	return slots, e
}

// all returns the same charge for each course.
func (v *Values) all(kWh float64) []float64 {
	out := make([]float64, len(v.weight))
	for c := range out {
		out[c] = kWh
	}
	return out
}

func (v *Values) mean(of []float64) (sum float64) {
	for c, w := range v.weight {
		sum += w * of[c]
	}
	return sum
}

// live applies a reserve in slot t to each course, and returns the average energy drawn
// from the grid.
func (v *Values) live(t int, stored []float64, percent int, o *Outcome, peak stretch) (mean float64) {
	for c, w := range v.weight {
		var grid float64
		stored[c], grid = v.step.Grid(stored[c], v.in.Battery.CapacityKWh*float64(percent)/100, v.net[t][c])
		mean += w * grid
		if grid > 0 {
			o.Bill += w * grid * v.in.Slots[t].Import
			if peak.has(t) {
				o.PeakImport += w * grid
			}
		} else {
			o.Bill += w * grid * v.in.Slots[t].Export
		}
	}
	return mean
}

// finish subtracts the value of what is left in the battery.
func (v *Values) finish(stored []float64, o *Outcome) {
	cheap := math.Inf(1)
	for _, s := range v.in.Slots {
		cheap = min(cheap, s.Import)
	}
	o.Bill -= v.mean(stored) * v.in.Battery.OneWay * cheap * leftWorth
	o.Bill, o.PeakImport = round(o.Bill, 1000), round(o.PeakImport, 1000)
}

func round(v, steps float64) float64 { return math.Round(v*steps) / steps }

// A stretch is a range of slots, excluding its end. Empty: there are none.
type stretch struct{ from, to int }

func (s stretch) has(t int) bool { return s.from <= t && t < s.to }

// peak returns the expensive slots that contain t or come next.
func (v *Values) peak(t int) stretch {
	n := len(v.in.Slots)
	for t < n && !v.in.Slots[t].Expensive {
		t++
	}
	p := stretch{t, t}
	for p.to < n && v.in.Slots[p.to].Expensive {
		p.to++
	}
	return p
}

// Peak returns when the expensive hours that contain a slot or come next begin and end;
// ok is false if there are none.
func (v *Values) Peak(slot int) (start, end time.Time, ok bool) {
	p := v.peak(slot)
	if p.from == p.to {
		return start, end, false
	}
	return v.in.Slots[p.from].Start, v.in.Slots[p.to-1].Start.Add(v.in.Length), true
}

// Reason explains why a reserve is right in slot t for a charge in kWh: what the
// battery does, what the expensive hours ahead need, and what the sun brings until
// then.
func (v *Values) Reason(t, reserve int, stored float64, zone *time.Location) string {
	if v.in.Slots[t].Expensive {
		_, end, _ := v.Peak(t)
		return "serve the home: power is expensive until " + clock(end, v.in.Slots[t].Start, zone)
	}
	p, held := v.peak(t), float64(reserve)/100*v.in.Battery.CapacityKWh
	what := "serve the home"
	switch room := v.in.Battery.CapacityKWh / 100; {
	case held > stored+2*room:
		what = fmt.Sprintf("fill to %d %%", reserve)
		if v.in.Battery.GridChargeKW == 0 {
			what = fmt.Sprintf("keep what the sun brings up to %d %%", reserve)
		}
	case held >= stored-room && reserve > v.in.Options.MinReserve:
		what = fmt.Sprintf("hold %d %%", reserve)
	case held > room && reserve > v.in.Options.MinReserve:
		what = fmt.Sprintf("serve the home down to %d %%", reserve)
	}
	if p.from == p.to {
		return what + ": no expensive hours are ahead"
	}
	need, sun := 0.0, 0.0
	for c, w := range v.weight {
		for i := t; i < p.to; i++ {
			switch n := v.net[i][c]; {
			case i >= p.from && n > 0:
				need += w * n
			case i < p.from && n < 0:
				sun -= w * n
			}
		}
	}
	at := clock(v.in.Slots[p.from].Start, v.in.Slots[t].Start, zone)
	text := fmt.Sprintf("%s: the expensive hours from %s need %.1f kWh", what, at, need)
	if sun >= 0.05 {
		text += fmt.Sprintf(" and the sun leaves over %.1f kWh until then", sun)
	} else if need >= 0.05 {
		text += " and the sun leaves nothing over until then"
	}
	return text
}

// clock formats a time for people, relative to another.
func clock(t, of time.Time, zone *time.Location) string {
	t, of = t.In(zone), of.In(zone)
	if t.YearDay() == of.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("Mon 15:04")
}

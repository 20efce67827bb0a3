package report

import (
	"fmt"
	"math"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/plan"
	"powermgr/control/rules"
)

// The plans for the day: the newest one, whose future course the picture shows, and the
// first one, with which the day is compared.

// Planned is what plans expected of the day.
type Planned struct {
	First  *Outline `json:"first"`  // of the day; nil: there was none
	Newest *Outline `json:"newest"` // nil: there is no usable plan

	Decided  float64   `json:"decided_minutes"` // for which a plan set the reserve
	Other    float64   `json:"other_minutes"`   // for which something else did
	GaveWay  string    `json:"gave_way"`        // the last reason why the rule acted in place of a plan
	Deciding bool      `json:"deciding"`        // for the fold
	Since    time.Time `json:"since,omitzero"`
}

// An Outline is the course of a plan in half hours, up to the end of the day.
type Outline struct {
	Made      time.Time `json:"made_at"`
	Start     time.Time `json:"start"`
	Reserve   Series    `json:"reserve_percent"`
	Charge    Series    `json:"charge_percent"` // as each half hour begins
	Load      Series    `json:"load_kwh"`
	Sun       Series    `json:"sun_kwh"`
	Grid      Series    `json:"grid_kwh"` // negative: fed in
	Price     Series    `json:"price"`
	Expensive []bool    `json:"expensive"`
}

// maxOutlined is how many half hours an outline has at most: a day may have 25 hours.
const maxOutlined = 50

// planned folds a plan.
func (r *Record) planned(m message) error {
	p, err := bus.Decode[plan.Plan](m.Message)
	if err != nil {
		return err
	}
	r.Planned.Newest = r.outline(p)
	if r.Planned.First == nil {
		r.Planned.First = r.Planned.Newest
	}
	return nil
}

// outline returns the course of a plan within the day; nil: there is none.
func (r *Record) outline(p plan.Plan) *Outline {
	o := Outline{Made: r.local(p.Made)}
	for _, s := range p.Slots {
		n := len(o.Load)
		if s.Start.Before(r.start) || n == 0 && s.Start.Sub(r.start)%plan.Length != 0 {
			continue
		}
		if n == 0 {
			o.Start = r.local(s.Start)
		}
		if !s.Start.Before(r.end) || n == maxOutlined || !s.Start.Equal(o.at(n)) {
			break
		}
		o.Reserve, o.Charge = append(o.Reserve, float64(s.Reserve)), append(o.Charge, tenths(s.Charge))
		o.Load, o.Sun, o.Grid = append(o.Load, thousandths(s.Load)), append(o.Sun, thousandths(s.Sun)), append(o.Grid, thousandths(s.Grid))
		o.Price, o.Expensive = append(o.Price, round(s.Price)), append(o.Expensive, s.Expensive)
	}
	if len(o.Load) == 0 {
		return nil
	}
	return &o
}

func thousandths(v float64) float64 { return math.Round(v*1000) / 1000 }

// at returns when half hour n begins.
func (o Outline) at(n int) time.Time { return o.Start.Add(time.Duration(n) * plan.Length) }

// check refuses an outline that cannot come from a plan.
func (o *Outline) check() error {
	if o == nil {
		return nil
	}
	for _, s := range []Series{o.Reserve, o.Charge, o.Load, o.Sun, o.Grid, o.Price} {
		if len(s) != len(o.Expensive) || len(s) > maxOutlined {
			return fmt.Errorf("its plan has %d half hours in one place and %d in another", len(s), len(o.Expensive))
		}
	}
	return nil
}

// steers counts for how long a plan has set the reserve.
func (r *Record) steers(s control.State, now time.Time) {
	p := &r.Planned
	p.accrue(now)
	p.Deciding, p.Since = s.Enabled && !s.DryRun && s.Strategy == rules.StrategyPlan && s.PlanIdle == "", now
	if s.PlanIdle != "" {
		p.GaveWay = clip(s.PlanIdle, longestText)
	}
}

func (p *Planned) accrue(now time.Time) {
	if p.Since.IsZero() || !now.After(p.Since) {
		return
	}
	minutes := now.Sub(p.Since).Minutes()
	if p.Deciding {
		p.Decided = round(p.Decided + minutes)
	} else {
		p.Other = round(p.Other + minutes)
	}
	p.Since = now
}

// next returns what is planned at the beginning of the next day, at midnight.
func (p Planned) next(midnight time.Time) Planned {
	if p.Since.IsZero() {
		return Planned{}
	}
	return Planned{Deciding: p.Deciding, Since: midnight}
}

// aheadOf returns a series of a plan from the last message on, as samples: the values of
// its half hours, or straight lines between them if they are values at moments. It is
// empty for a day that is over.
func (r Record) aheadOf(o *Outline, of Series, moments bool) Series {
	if o == nil || r.Complete {
		return nil
	}
	all := make(Series, r.slots())
	for i := range all {
		all[i] = math.NaN()
		at := r.start.Add(time.Duration(i) * Step)
		n := int(at.Sub(o.Start) / plan.Length)
		if at.Before(r.Until) || at.Before(o.Start) || n >= len(of) {
			continue
		}
		all[i] = of[n]
		if share := at.Sub(o.at(n)).Hours() / plan.Length.Hours(); moments && n+1 < len(of) {
			all[i] += share * (of[n+1] - of[n])
		}
	}
	return all
}

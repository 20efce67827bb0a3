package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

// horizon is how far the page looks ahead.
const horizon = 36 * time.Hour

// maxSlots limits what is used of a plan: 36 hours of five minutes each.
const maxSlots = 432

// ahead is what will happen next, as a table and as a picture.
type ahead struct {
	From, Until time.Time
	Plan        *plan.Plan // that is followed; nil: it is what the rules do by the calendar
	Steps       []step
	Peaks       []stretch
	Leads       []stretch
	Charge      string // the expected charge, as points of a line in a square of 100; empty: not known
}

// A step is a time at which something changes.
type step struct {
	At      time.Time
	Until   time.Time
	Phase   rules.Phase
	Reserve *float64 // percent; nil: nothing is set
	Price   *float64
	What    string
}

// A stretch is a part of the picture, in percent of its width.
type stretch struct{ From, Width float64 }

// ahead returns what will happen next: by the plan if it is followed, and otherwise by
// the rules.
func (p *Page) ahead(v view, known *plan.Plan) ahead {
	a := ahead{From: v.Now, Until: v.Now.Add(horizon)}
	c := p.Settings.Calendar
	a.shade(v, c)
	if known != nil && v.ByPlan() {
		a.fromPlan(known, c)
	}
	if a.Plan == nil {
		a.Steps = p.fromRules(v, a)
	}
	return a
}

// shade marks the peaks and their leads: first those of a person's override, then those
// of the calendar.
func (a *ahead) shade(v view, c rules.Calendar) {
	begin := a.From
	mark := func(phase rules.Phase, from, until time.Time) {
		if from.Before(begin) {
			from = begin
		}
		switch {
		case !until.After(from):
		case phase == rules.InPeak:
			a.Peaks = append(a.Peaks, a.stretch(from, until))
		case phase == rules.PrePeak:
			a.Leads = append(a.Leads, a.stretch(from, until))
		}
	}
	if o, ok := a.overridden(v); ok {
		mark(o.Phase, o.At, o.Until)
		begin = o.Until
	}
	for peak := range c.From(begin) {
		lead := peak.Start.Add(-c.Lead)
		if !lead.Before(a.Until) {
			break
		}
		mark(rules.PrePeak, lead, peak.Start)
		mark(rules.InPeak, peak.Start, peak.End)
	}
}

// overridden returns the step of a person's override that has an end.
func (a *ahead) overridden(v view) (step, bool) {
	c := v.Control
	if c == nil || c.Until == nil || c.Override == string(rules.Auto) || !c.Until.After(a.From) {
		return step{}, false
	}
	o := step{At: a.From, Until: devices.Earliest(c.Until.In(a.From.Location()), a.Until), Phase: c.Phase, What: overrideStep(c.Override)}
	if c.Reserve != nil {
		o.Reserve = percent(*c.Reserve)
	}
	return o, true
}

// fromPlan uses the slots of a plan that are still ahead; neighbors that do the same
// are one step. A plan without slots changes nothing.
func (a *ahead) fromPlan(known *plan.Plan, c rules.Calendar) {
	slots := known.Slots[:min(len(known.Slots), maxSlots)]
	for i, s := range slots {
		until := a.Until
		if i+1 < len(slots) {
			until = slots[i+1].Start
		} else if i > 0 {
			until = s.Start.Add(s.Start.Sub(slots[i-1].Start))
		}
		if !until.After(a.From) || !s.Start.Before(a.Until) {
			continue
		}
		a.Charge += fmt.Sprintf("%.2f,%.1f ", a.x(s.Start), 100-max(0, min(100, s.Charge)))
		at := s.Start.In(a.From.Location())
		if at.Before(a.From) {
			at = a.From
		}
		phase, _ := c.At(at)
		next := step{At: at, Until: until, Phase: phase, Reserve: percent(s.Reserve), Price: &slots[i].Price, What: capital(s.Reason) + "."}
		if n := len(a.Steps); n > 0 && a.Steps[n-1].same(next) {
			a.Steps[n-1].Until = until
			continue
		}
		a.Steps = append(a.Steps, next)
	}
	if len(a.Steps) > 0 {
		a.Plan = known
	}
}

// same reports whether two steps do the same; the figures in their reasons may differ.
func (s step) same(o step) bool {
	does, _, _ := strings.Cut(s.What, ":")
	other, _, _ := strings.Cut(o.What, ":")
	return equal(s.Reserve, o.Reserve) && equal(s.Price, o.Price) && does == other && s.Phase == o.Phase
}

func equal(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

// ByPlan reports whether the plan decides now.
func (v view) ByPlan() bool {
	c := v.Control
	return c != nil && c.Strategy == rules.StrategyPlan && c.PlanIdle == "" && c.Enabled && c.Override == string(rules.Auto)
}

// fromRules returns what the rules will do by the calendar: first a person's override,
// then each lead, peak and end of a peak.
func (p *Page) fromRules(v view, a ahead) (steps []step) {
	s, at := p.inForce(v), a.From
	if o, ok := a.overridden(v); ok {
		steps, at = append(steps, o), o.Until
	} else if c := v.Control; c != nil && !c.Enabled {
		return []step{{At: at, Until: a.Until, Phase: c.Phase, What: "Switched off: powermgr changes nothing until it is switched on again."}}
	}
	for at.Before(a.Until) {
		phase, peak := s.Calendar.At(at)
		until := s.Calendar.Change(at)
		if until.IsZero() || until.After(a.Until) {
			until = a.Until
		}
		next := step{At: at, Until: until, Phase: phase, Reserve: percent(s.OffPeakReserve)}
		switch phase {
		case rules.InPeak:
			next.Reserve = percent(s.PeakReserve)
			next.What = "The battery runs the home down to its reserve" + p.setback()
		case rules.PrePeak:
			next.What = p.precooling(v, peak)
		default:
			next.What = fmt.Sprintf("The battery fills up, and keeps %d %% in reserve.", s.OffPeakReserve)
		}
		steps, at = append(steps, next), until
	}
	return steps
}

// inForce returns the settings with the changes that people made by hand.
func (p *Page) inForce(v view) rules.Settings {
	if v.Control == nil {
		return p.Settings
	}
	return v.Control.InForce(p.Settings)
}

func overrideStep(kind string) string {
	switch rules.OverrideKind(kind) {
	case rules.OverridePeak:
		return "Your override: act as if there were a peak."
	case rules.OverrideOffPeak:
		return "Your override: act as off peak."
	case rules.OverridePrecool:
		return "Your override: precooling."
	case rules.OverridePause:
		return "Your override: paused. Everything has been restored, and powermgr changes nothing."
	case rules.OverrideSkip:
		return "Your override: the next peak is skipped."
	}
	return "Your override: " + kind + "."
}

// setback describes when thermostats are set back in a peak.
func (p *Page) setback() string {
	if len(p.Settings.Thresholds) == 0 || p.Settings.StepF == 0 || len(p.Settings.Thermostats) == 0 {
		return "."
	}
	return "; each time it might not last, thermostats go " + devices.Fahrenheit.Difference(p.Settings.Unit, p.Settings.StepF) + " further."
}

// precooling describes what happens in the lead of a peak.
func (p *Page) precooling(v view, peak rules.Peak) string {
	s := p.inForce(v)
	if !peak.Precool || s.PrecoolAdjustF == 0 || len(s.Thermostats) == 0 {
		return "The peak is coming up; no precooling."
	}
	by, at := devices.Fahrenheit.Difference(s.Unit, s.PrecoolAdjustF), devices.Fahrenheit.Degrees(s.Unit, s.PrecoolAtF)
	if v.Control == nil || v.Control.ForecastF == nil || peak.Start.In(v.Now.Location()).Format(time.DateOnly) != v.Now.Format(time.DateOnly) {
		return fmt.Sprintf("Precools by %s if the forecast is at least %s.", by, at)
	}
	high := p.high(*v.Control.ForecastF)
	if *v.Control.ForecastF >= s.PrecoolAtF {
		return fmt.Sprintf("Precools by %s, because the forecast is %s.", by, high)
	}
	return fmt.Sprintf("No precooling: the forecast is %s, and it takes at least %s.", high, at)
}

func percent(v int) *float64 {
	f := float64(v)
	return &f
}

// x returns the position of a time in the picture, in percent of its width.
func (a ahead) x(t time.Time) float64 {
	return max(0, min(100, 100*float64(t.Sub(a.From))/float64(a.Until.Sub(a.From))))
}

func (a ahead) stretch(from, until time.Time) stretch {
	return stretch{a.x(from), a.x(until) - a.x(from)}
}

// A bar is the reserve of a step in the picture: in percent of width and height.
type bar struct{ X, Width, Y, Height float64 }

// Bars returns the reserves ahead.
func (a ahead) Bars() (bars []bar) {
	for _, s := range a.Steps {
		if s.Reserve != nil {
			at := a.stretch(s.At, s.Until)
			r := max(0, min(100, *s.Reserve))
			bars = append(bars, bar{at.From, at.Width, 100 - r, r})
		}
	}
	return bars
}

// Prices returns the prices ahead, as bars of which the highest has the full height;
// none if the plan has no prices.
func (a ahead) Prices() (bars []bar) {
	highest := 0.0
	for _, s := range a.Steps {
		if s.Price != nil {
			highest = max(highest, *s.Price)
		}
	}
	if highest <= 0 {
		return nil
	}
	for _, s := range a.Steps {
		if s.Price != nil && *s.Price > 0 {
			at, h := a.stretch(s.At, s.Until), 100**s.Price/highest
			bars = append(bars, bar{at.From, at.Width, 100 - h, h})
		}
	}
	return bars
}

// Money describes what the plan is expected to save; empty: it does not say.
func (a ahead) Money() string {
	if a.Plan == nil || a.Plan.Expected == nil {
		return ""
	}
	e := a.Plan.Expected
	return fmt.Sprintf("Expected bill for the next %.0f hours: %s with the plan, %s with the fixed rule, %s with the battery left alone.",
		e.Hours, money(e.Plan.Bill, a.Plan.Currency), money(e.Rule.Bill, a.Plan.Currency), money(e.Nothing.Bill, a.Plan.Currency))
}

// A tick is a time on the axis of the picture.
type tick struct {
	X     float64
	Label string
	Day   bool // a day begins
}

// Ticks returns every sixth hour of the clock at home.
func (a ahead) Ticks() (ticks []tick) {
	home := a.From.Location()
	y, m, d := a.From.Date()
	for h := 0; h <= 72; h += 6 {
		t := time.Date(y, m, d, h, 0, 0, 0, home)
		if x := a.x(t); t.After(a.From) && t.Before(a.Until) && x > 3 && x < 97 {
			label := t.Format("15:04")
			if t.Hour() == 0 {
				label = t.Format("Mon")
			}
			ticks = append(ticks, tick{x, label, t.Hour() == 0})
		}
	}
	return ticks
}

// Description describes the picture in words, for screen readers.
func (a ahead) Description() string {
	var said strings.Builder
	said.WriteString("The next 36 hours.")
	for _, s := range a.Steps {
		said.WriteString(fmt.Sprintf(" From %s: %s.", s.At.Format("Mon 15:04"), phaseName(s.Phase)))
	}
	return said.String()
}

// Priced reports whether the table has prices.
func (a ahead) Priced() bool {
	return slices.ContainsFunc(a.Steps, func(s step) bool { return s.Price != nil })
}

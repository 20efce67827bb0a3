package planner

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"powermgr/control/forecast"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/control/thermal"
	"powermgr/devices"
)

// The plan for the thermostats: a few ways to set them around the next peak, each run
// through the plan of the battery. The best one is planned.

// What is tried, and what is asked of it.
const (
	candidateLevels = 23   // number of charge levels the battery is divided into for a candidate
	degreeShare     = 0.05 // being 1 °F away from the set point for an hour counts as this share of the highest price
	slackC          = 0.3  // how far a thermostat lets the air pass its set point
	maxNamedLosers  = 3    // in the reason
)

var (
	precoolDepths = []float64{2, 3} // °F
	precoolLeads  = []int{1, 2, 3}  // hours
)

// An evaluated candidate includes its effect on the home's load.
type evaluated struct {
	plan.Candidate
	more   []float64 // kWh of each slot
	supply float64   // what the time ahead costs with that load
}

// comfort plans the thermostats around the next peak, and returns the courses of load
// with that plan.
func (d *Engine) comfort(now time.Time, in plan.Inputs, q plan.Question) (*plan.Comfort, []forecast.Course, error) {
	if len(d.Band.Thermostats) == 0 {
		return nil, in.Courses, nil
	}
	refuse := func(why string) (*plan.Comfort, []forecast.Course, error) {
		d.chosen = nil
		return &plan.Comfort{Reason: "the fixed rule decides: " + why}, in.Courses, nil
	}
	if why := d.fit(now); why != "" {
		return refuse(why)
	}
	v := view{Engine: d, in: in, now: now}
	if why := v.prepare(); why != "" {
		return refuse(why)
	}
	d.shifted = shiftedLoad{}
	if c := d.chosen; c != nil && c.PeakStart.Equal(v.start) && !now.Before(c.PeakStart.Add(-time.Duration(c.LeadMinutes)*time.Minute)) {
		// It has begun, and goes on.
		t, _ := v.simulate(plan.Candidate{PrecoolF: c.PrecoolF, LeadMinutes: c.LeadMinutes, SetbackF: c.SetbackF})
		d.shifted = v.shift(t)
		return c, addLoad(in.Courses, t.more), nil
	}
	all, err := v.evaluate(q)
	if err != nil {
		return nil, in.Courses, err
	}
	best := all[0]
	c := &plan.Comfort{
		Planned: true, PeakStart: v.start.In(d.Zone), PeakEnd: v.end.In(d.Zone),
		PrecoolF: best.PrecoolF, LeadMinutes: best.LeadMinutes, SetbackF: best.SetbackF, Reason: d.why(all),
	}
	for _, t := range all {
		c.Candidates = append(c.Candidates, t.Candidate)
	}
	d.chosen, d.shifted = c, v.shift(best)
	return c, addLoad(in.Courses, best.more), nil
}

// A shiftedLoad is what a plan for the thermostats changes in the load of a half hour.
type shiftedLoad struct {
	start time.Time
	kWh   float64
	usual map[string]thermal.Setting // by id: what each thermostat would be set to without the plan
}

func (v *view) shift(t evaluated) shiftedLoad {
	m := shiftedLoad{start: v.in.Slots[0].Start, kWh: t.more[0], usual: map[string]thermal.Setting{}}
	for id, all := range v.usual {
		m.usual[id] = all[0]
	}
	return m
}

// shiftedEnergy returns what the plan for the thermostats has changed in the load of a
// stretch of time, in kWh. The past has to be learned as it would have been without the
// plan, or the saving of a setback would be subtracted twice. It is 0 while the
// thermostats are set, and the rooms are as warm, as they would be without a plan.
func (d *Engine) shiftedEnergy(from, until time.Time) float64 {
	begin, end := d.shifted.start, d.shifted.start.Add(plan.Length)
	if from.Before(begin) {
		from = begin
	}
	if end.Before(until) {
		until = end
	}
	if !from.Before(until) {
		return 0
	}
	for id, usual := range d.shifted.usual {
		r := d.rooms[id].last
		now := points(r, r.CoolSetpoint, r.HeatSetpoint)
		air := r.Unit.To(devices.Celsius, *r.Temperature)
		if math.Abs(now.CoolC-usual.CoolC) > slackC || math.Abs(now.HeatC-usual.HeatC) > slackC || air > usual.CoolC+2*slackC || air < usual.HeatC-2*slackC {
			return d.shifted.kWh * float64(until.Sub(from)) / float64(plan.Length)
		}
	}
	return 0
}

// addLoad returns courses with more load.
func addLoad(courses []forecast.Course, more []float64) []forecast.Course {
	out := slices.Clone(courses)
	for i, c := range out {
		out[i].Load = slices.Clone(c.Load)
		for t, kWh := range more {
			out[i].Load[t] = max(0.02, c.Load[t]+kWh)
		}
	}
	return out
}

// A view is the time ahead from the thermostats' point of view.
type view struct {
	*Engine
	in         plan.Inputs
	now        time.Time
	start, end time.Time // of the peak
	outside    []thermal.Outside
	usual      map[string][]thermal.Setting // by id: what each thermostat follows by itself
	highest    float64                      // price
}

// prepare finds the next peak, and what acts on the house until some hours after it. It
// returns why nothing can be planned; empty: it can.
func (v *view) prepare() string {
	for _, s := range v.in.Slots {
		v.highest = max(v.highest, s.Import)
	}
	from := slices.IndexFunc(v.in.Slots, func(s plan.Slot) bool { return s.Expensive })
	if from < 0 {
		return "no expensive hours are ahead"
	}
	to := from
	for to+1 < len(v.in.Slots) && v.in.Slots[to+1].Expensive {
		to++
	}
	v.start, v.end = v.in.Slots[from].Start, v.in.Slots[to].Start.Add(v.in.Length)
	if from == 0 && v.chosen != nil {
		v.start = v.chosen.PeakStart
	}
	for i := 0; i < min(len(v.in.Slots), to+9); i++ {
		s := v.in.Slots[i]
		o := thermal.Outside{OutdoorC: v.foretoldC(s.Start.Add(v.in.Length / 2))}
		for _, c := range v.in.Courses {
			o.SunKW += c.Weight * c.Sun[i] / v.in.Length.Hours()
		}
		if math.IsNaN(o.OutdoorC) {
			break
		}
		v.outside = append(v.outside, o)
	}
	if len(v.outside) <= to {
		return "no weather forecast says how warm it will be outside until the end of the peak"
	}
	v.usual = map[string][]thermal.Setting{}
	for _, id := range v.Band.Thermostats {
		x := v.rooms[id]
		switch r := x.last; {
		case r.PolledAt.IsZero() || v.now.Sub(r.AsOf()) > staleAfter:
			return x.name(id) + " has not been read lately"
		case r.Mode == nil || *r.Mode == devices.Off || r.EmergencyHeat:
			continue
		}
		v.usual[id] = v.usualOf(x)
	}
	return ""
}

// usualOf returns what a thermostat follows by itself in the time ahead: its schedule
// as observed, or its present setting where a person holds it.
func (v *view) usualOf(x *room) []thermal.Setting {
	r := x.last
	out := make([]thermal.Setting, len(v.outside))
	held := points(r, r.CoolSetpoint, r.HeatSetpoint)
	for i := range out {
		out[i] = held
		if p := x.points[v.bin(v.in.Slots[i].Start)]; p != nil && (r.Hold == nil || *r.Hold != devices.HoldPermanent && *r.Hold != devices.HoldVacation) {
			out[i] = *p
		}
	}
	return out
}

func celsius(f float64) float64 { return devices.Fahrenheit.To(devices.Celsius, f) }

// setPointsOf returns the set points under a candidate.
func (v *view) setPointsOf(usual []thermal.Setting, c plan.Candidate) []thermal.Setting {
	out := slices.Clone(usual)
	for i := range out {
		s := &out[i]
		switch at := v.in.Slots[i].Start; {
		case at.Before(v.start.Add(-c.Lead())) || !at.Before(v.end):
		case at.Before(v.start):
			s.CoolC = min(s.CoolC, max(s.CoolC-c.PrecoolF/1.8, celsius(v.Band.PrecoolMinF)))
		default:
			s.CoolC = max(s.CoolC, min(s.CoolC+c.SetbackF/1.8, celsius(v.Band.MaxCoolF-rules.PlanMarginF)))
			s.HeatC = min(s.HeatC, max(s.HeatC-c.SetbackF/1.8, celsius(v.Band.MinHeatF+rules.PlanMarginF)))
		}
	}
	return out
}

// simulate returns the effect of a candidate on the load, and what it costs in comfort.
// ok is false if it would leave the comfort band where the usual settings would not.
func (v *view) simulate(c plan.Candidate) (t evaluated, ok bool) {
	t = evaluated{Candidate: c, more: make([]float64, len(v.outside))}
	ok = true
	degrees := 0.0
	for id, usual := range v.usual {
		x, m := v.rooms[id], v.house.Models[id]
		air, walls := x.last.Unit.To(devices.Celsius, *x.last.Temperature), m.Walls(x.samples)
		own := air // where it would be without the plan, which may have begun
		if s := usual[0]; !math.IsNaN(s.CoolC) {
			own = min(own, s.CoolC)
		}
		if s := usual[0]; !math.IsNaN(s.HeatC) {
			own = max(own, s.HeatC)
		}
		base, cand := m.Live(own, walls, v.outside, usual), m.Live(air, walls, v.outside, v.setPointsOf(usual, c))
		for i := range cand {
			t.more[i] += (v.house.Power.At(v.outside[i].OutdoorC, cand[i]) - v.house.Power.At(v.outside[i].OutdoorC, base[i])) * v.in.Length.Hours()
			away := math.Abs(cand[i].AirC - base[i].AirC)
			if at := v.in.Slots[i].Start; !at.Before(v.start.Add(-c.Lead())) && at.Before(v.end) {
				degrees += away * 1.8 * v.in.Length.Hours()
				high, low := celsius(v.Band.MaxCoolF), celsius(v.Band.MinHeatF)
				ok = ok && cand[i].AirC <= max(high, base[i].AirC)+slackC && cand[i].AirC >= min(low, base[i].AirC)-slackC
			}
		}
	}
	t.Cost = degrees * degreeShare * v.highest
	return t, ok
}

// candidates returns the setbacks within the band, each without precooling and with
// every precooling that there is still time for.
func (v *view) candidates() (all []plan.Candidate) {
	cools := false
	for id := range v.usual {
		cools = cools || v.house.Models[id].Cooling < 0
	}
	for step := range v.Band.Steps + 1 {
		setback := float64(step) * v.Band.StepF
		all = append(all, plan.Candidate{SetbackF: setback})
		for _, depth := range precoolDepths {
			for _, hours := range precoolLeads {
				c := plan.Candidate{PrecoolF: depth, LeadMinutes: 60 * hours, SetbackF: setback}
				if cools && !v.start.Add(-c.Lead()).Before(v.now.Truncate(v.in.Length)) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// evaluate returns the candidates with their costs, the best first.
func (v *view) evaluate(q plan.Question) ([]evaluated, error) {
	var all []evaluated
	var first *plan.Values // of the others, only the time in which the load differs is solved
	for _, c := range v.candidates() {
		t, ok := v.simulate(c)
		if !ok {
			continue
		}
		same := slices.IndexFunc(all, func(o evaluated) bool { return slices.Equal(o.more, t.more) })
		switch courses := addLoad(v.in.Courses, t.more); {
		case same >= 0: // such as all precooling while it is cool outside
			t.supply = all[same].supply
		case first == nil:
			in := v.in
			in.Courses, in.Levels = courses, candidateLevels
			var err error
			if first, err = plan.Solve(in); err != nil {
				return nil, err
			}
			_, t.supply = first.Ask(q)
		default:
			_, t.supply = first.With(courses, len(t.more)).Ask(q)
		}
		t.Cost = math.Round((t.Cost+t.supply)*1000) / 1000
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b evaluated) int { return cmp.Compare(a.Cost, b.Cost) })
	// What gains next to nothing is not done.
	if i := slices.IndexFunc(all, func(t evaluated) bool { return t.PrecoolF == 0 && t.SetbackF == 0 }); i > 0 && all[i].Cost-all[0].Cost < v.Options.MinGain {
		nothing := all[i]
		all = slices.Insert(slices.Delete(all, i, i+1), 0, nothing)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("nothing keeps the house within its comfort band")
	}
	return all, nil
}

// why describes the plan, and which candidates lost by how much.
func (d *Engine) why(all []evaluated) string {
	money := func(v float64) string { return tariff.Table{Currency: d.Currency}.Amount(v) }
	text := words(all[0].Candidate, d.Unit)
	var lost []string
	for i, t := range all[1:] {
		if nothing := t.PrecoolF == 0 && t.SetbackF == 0; i < maxNamedLosers || nothing {
			lost = append(lost, fmt.Sprintf("%s would cost %s more", words(t.Candidate, d.Unit), money(t.Cost-all[0].Cost)))
		}
	}
	if len(lost) > 0 {
		text += "; " + strings.Join(lost, ", ")
	}
	return text
}

// words describes a candidate for people who read temperatures in owner; empty: °F.
func words(c plan.Candidate, owner devices.Unit) string {
	setback := "set back by " + devices.Fahrenheit.Difference(owner, c.SetbackF)
	precool := fmt.Sprintf("precool by %s for %g h", devices.Fahrenheit.Difference(owner, c.PrecoolF), c.Lead().Hours())
	switch {
	case c.PrecoolF > 0 && c.SetbackF > 0:
		return precool + " and " + setback
	case c.PrecoolF > 0:
		return precool
	case c.SetbackF > 0:
		return setback
	}
	return "leave the thermostats alone"
}

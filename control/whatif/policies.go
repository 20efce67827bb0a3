package whatif

import (
	"time"

	"powermgr/control/battery"
	"powermgr/control/forecast"
	"powermgr/control/plan"
)

// SelfConsumption keeps one reserve and does nothing else.
func SelfConsumption(reserve int) Policy { return func(int, float64) int { return reserve } }

// Rule is the fixed rule: peak in expensive hours, offPeak at other times.
func (y Year) Rule(peak, offPeak int) Policy {
	return func(t int, _ float64) int {
		if y.Slots[t].Expensive {
			return peak
		}
		return offPeak
	}
}

// Plan plans with no more than what was known at each slot. Until enough is known it
// follows the rule.
func (y Year) Plan(m battery.Model, o plan.Options, rule Policy) Policy {
	p := &planner{year: y, battery: m, options: o, rule: rule, past: forecast.NewPast(y.Zone, y.Free)}
	return p.reserve
}

// A planner is the plan on its way through a year.
type planner struct {
	year    Year
	battery battery.Model
	options plan.Options
	rule    Policy
	past    *forecast.Past
	weather func(t, slots int) []float64 // sun of the plan's slots from slot t on, as a weather forecast has it; nil: there is none
	values  *plan.Values                 // nil: there is no plan
	now     int                          // reserve in force
}

const perPlan = int(plan.Length / Step)

func (p *planner) reserve(t int, stored float64) int {
	if t > 0 {
		p.learn(p.year.Slots[t-1])
	}
	since := t % perPlan
	if since == 0 {
		p.plan(t)
	}
	switch {
	case p.values == nil:
		p.now = p.rule(t, stored)
	case since == 0 || !p.year.Slots[t-1].Known:
		p.now, _ = p.values.Ask(plan.Question{StoredKWh: stored, Reserve: p.now})
	default: // what the home draws is known by now
		s := p.year.Slots[t-1]
		net := (s.LoadKWh - s.SunKWh) * float64(perPlan)
		p.now, _ = p.values.Ask(plan.Question{StoredKWh: stored, Reserve: p.now, NetKWh: &net})
	}
	return p.now
}

func (p *planner) learn(s Slot) {
	sample := forecast.Sample{Start: s.Start, Length: Step, OutdoorC: s.OutdoorC}
	if s.Known {
		sample.LoadKWh, sample.SunKWh = &s.LoadKWh, &s.SunKWh
	}
	p.past.Add(sample)
}

func (p *planner) plan(t int) {
	p.values = nil
	slots := make([]plan.Slot, min(plan.Horizon, (len(p.year.Slots)-t)/perPlan))
	for i := range slots {
		s := p.year.Slots[t+i*perPlan]
		slots[i] = plan.Slot{Start: s.Start, Import: s.Import, Export: s.Export, Expensive: s.Expensive}
	}
	ahead := forecast.Ahead{Now: p.year.Slots[t].Start, Slots: len(slots), Length: plan.Length}
	if p.weather != nil {
		ahead.Sun = p.weather(t, len(slots))
	}
	courses, err := p.past.Look(ahead)
	if err != nil {
		return
	}
	if v, err := plan.Solve(plan.Inputs{Battery: p.battery, Slots: slots, Length: plan.Length, Courses: courses, Options: p.options}); err == nil {
		p.values = v
	}
}

// Foresight knows the year as it will be: the lowest bill that any policy can
// reach by steering the reserve. Where exports are paid, a smaller battery or none
// can be cheaper still: no reserve keeps sun out of a battery. It goes back through the year a week at a time
// and keeps what each charge is worth as a week begins; the weeks themselves are
// worked out once more when they are lived. A year at once would take 80 MB.
func (y Year) Foresight(m battery.Model) (Policy, error) {
	var known []int // slots that were measured
	at := make([]int, len(y.Slots))
	for t, s := range y.Slots {
		at[t] = len(known)
		if s.Known {
			known = append(known, t)
		}
	}
	week := func(n int, after []float64) (*plan.Values, error) {
		in := plan.Inputs{Battery: m, Length: Step, Levels: foresightLevels, After: after}
		course := forecast.Course{Weight: 1}
		for _, t := range known[n*perWeek : min(len(known), (n+1)*perWeek)] {
			s := y.Slots[t]
			in.Slots = append(in.Slots, plan.Slot{Start: s.Start, Import: s.Import, Export: s.Export, Expensive: s.Expensive})
			course.Load, course.Sun = append(course.Load, s.LoadKWh), append(course.Sun, s.SunKWh)
		}
		in.Courses = []forecast.Course{course}
		return plan.Solve(in)
	}
	weeks := (len(known) + perWeek - 1) / perWeek
	after := make([][]float64, weeks+1)             // from the beginning of each week on
	after[weeks] = make([]float64, foresightLevels) // what is left at the end is in no bill
	for n := weeks - 1; n >= 0; n-- {
		v, err := week(n, after[n+1])
		if err != nil {
			return nil, err
		}
		after[n] = v.Beginning()
	}
	var values *plan.Values
	now, open := 0, -1
	return func(t int, stored float64) int {
		if !y.Slots[t].Known {
			return now
		}
		if n := at[t] / perWeek; n != open {
			open = n
			values, _ = week(n, after[n+1]) // it has been worked out once
		}
		now, _ = values.Ask(plan.Question{Slot: at[t] % perWeek, StoredKWh: stored, Reserve: now})
		return now
	}, nil
}

// foresightLevels is how many charge levels foresight divides the battery into: more
// than the plan does, since it has only one course.
const foresightLevels = 271

const perWeek = int(7 * 24 * time.Hour / Step)

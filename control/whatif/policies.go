package whatif

import (
	"powermgr/control/battery"
	"powermgr/control/forecast"
	"powermgr/control/plan"
)

// SelfConsumption keeps one reserve and nothing else.
func SelfConsumption(reserve int) Policy { return func(int, float64) int { return reserve } }

// Rule is the fixed rule: offPeak outside expensive hours, peak in them.
func (y Year) Rule(peak, offPeak int) Policy {
	return func(t int, _ float64) int {
		if y.Slots[t].Expensive {
			return peak
		}
		return offPeak
	}
}

// Plan plans with what was known by each slot and nothing more. Until enough is
// known it goes by the rule.
func (y Year) Plan(m battery.Model, o plan.Options, rule Policy) Policy {
	p := &planner{year: y, battery: m, options: o, rule: rule, past: forecast.NewPast(y.Zone, y.Free)}
	return p.reserve
}

// A planner is the plan as it goes through a year.
type planner struct {
	year    Year
	battery battery.Model
	options plan.Options
	rule    Policy
	past    *forecast.Past
	values  *plan.Values // nil: there is no plan
	now     int          // reserve in force
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
	courses, err := p.past.Courses(p.year.Slots[t].Start, len(slots), plan.Length)
	if err != nil {
		return
	}
	if v, err := plan.Solve(plan.Inputs{Battery: p.battery, Slots: slots, Length: plan.Length, Courses: courses, Options: p.options}); err == nil {
		p.values = v
	}
}

// Foresight knows the year as it will be: the lowest bill that any policy can
// reach by steering the reserve.
func (y Year) Foresight(m battery.Model) (Policy, error) {
	in := plan.Inputs{Battery: m, Length: Step, Levels: foresightLevels}
	course := forecast.Course{Weight: 1}
	at := make([]int, len(y.Slots)) // of each slot among the known ones
	for t, s := range y.Slots {
		at[t] = len(in.Slots)
		if s.Known {
			in.Slots = append(in.Slots, plan.Slot{Start: s.Start, Import: s.Import, Export: s.Export, Expensive: s.Expensive})
			course.Load, course.Sun = append(course.Load, s.LoadKWh), append(course.Sun, s.SunKWh)
		}
	}
	in.Courses = []forecast.Course{course}
	v, err := plan.Solve(in)
	if err != nil {
		return nil, err
	}
	now := 0
	return func(t int, stored float64) int {
		if y.Slots[t].Known {
			now, _ = v.Ask(plan.Question{Slot: at[t], StoredKWh: stored, Reserve: now})
		}
		return now
	}, nil
}

// foresightLevels is into how many charges foresight divides the battery: more
// than the plan does, since it has one course alone.
const foresightLevels = 271

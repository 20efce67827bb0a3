package whatif

import (
	"fmt"
	"runtime"
	"sync"

	"powermgr/control/battery"
	"powermgr/control/plan"
)

// The policies that are compared, in the order in which people see them.
const (
	NoBattery = "no battery"
	Alone     = "self-consumption"
	Rule      = "rule"
	Planned   = "plan"
	Foresight = "foresight"
)

// Names lists the policies.
func Names() []string { return []string{NoBattery, Alone, Rule, Planned, Foresight} }

// Setup is the battery, and how it is steered.
type Setup struct {
	Battery    battery.Model
	Plan       plan.Options
	Alone      int // reserve of self-consumption, percent
	Peak       int // of the rule in expensive hours
	OffPeak    int // and outside
	Policies   []string
	EachOfPlan func(Lived) // told of each slot under Planned or the one policy asked for; nil: nobody is
}

// A Comparison is what the policies made of the same year.
type Comparison struct {
	Days    float64           `json:"days"`
	Gaps    float64           `json:"unknown_hours"`
	Results map[string]Result `json:"results"`
}

// Way is how much of the way from self-consumption to foresight a policy went:
// 1 is all of it. ok is false where there is no way to go.
func (c Comparison) Way(policy string) (share float64, ok bool) {
	alone, a := c.Results[Alone]
	best, b := c.Results[Foresight]
	r, d := c.Results[policy]
	if !a || !b || !d || alone.Bill-best.Bill < 0.005*max(1, c.Days/365) {
		return 0, false
	}
	return (alone.Bill - r.Bill) / (alone.Bill - best.Bill), true
}

// Compare lives the year under each policy, side by side on the cores there
// are.
func (y Year) Compare(s Setup) (Comparison, error) {
	c := Comparison{Results: map[string]Result{}}
	for _, slot := range y.Slots[y.Start:] {
		if !slot.Known {
			c.Gaps += Step.Hours()
		}
	}
	var (
		mu    sync.Mutex
		all   sync.WaitGroup
		first error
		cores = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	)
	for _, name := range s.Policies {
		all.Go(func() {
			cores <- struct{}{}
			defer func() { <-cores }()
			r, err := y.live(name, s)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
			}
			c.Results[name], c.Days = r, r.Days
		})
	}
	all.Wait()
	return c, first
}

func (y Year) live(name string, s Setup) (Result, error) {
	rule := y.Rule(s.Peak, s.OffPeak)
	each := func(l Lived) {}
	if s.EachOfPlan != nil && (name == Planned || len(s.Policies) == 1) {
		each = s.EachOfPlan
	}
	switch name {
	case NoBattery:
		return y.Live(battery.Model{OneWay: 1}, SelfConsumption(0), each), nil
	case Alone:
		return y.Live(s.Battery, SelfConsumption(s.Alone), each), nil
	case Rule:
		return y.Live(s.Battery, rule, each), nil
	case Planned:
		return y.Live(s.Battery, y.Plan(s.Battery, s.Plan, rule), each), nil
	case Foresight:
		p, err := y.Foresight(s.Battery)
		if err != nil {
			return Result{}, err
		}
		return y.Live(s.Battery, p, each), nil
	}
	return Result{}, fmt.Errorf("%q is no policy: there are %v", name, Names())
}

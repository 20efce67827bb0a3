package whatif

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

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

// Setup is the battery and how it is controlled.
type Setup struct {
	Battery  battery.Model
	Plan     plan.Options
	Alone    int // reserve of self-consumption, percent
	Peak     int // of the rule in expensive hours
	OffPeak  int // and outside
	Policies []string
	// Each is told of each slot that counts, under a policy. Those of two policies
	// may be called at the same time.
	Each map[string]func(SlotOutcome)
	// Progress is told now and then how many of all slots of all policies were
	// lived; nil: nobody is. It is not called by two at once.
	Progress func(done, all int)
}

// A Comparison has the results of the policies for the same year.
type Comparison struct {
	Days    float64           `json:"days"`
	Gaps    float64           `json:"unknown_hours"`
	Results map[string]Result `json:"results"`
}

// minWay is the least difference between self-consumption and foresight of which a
// share is meaningful, as a share of the bill without a battery or in self-consumption,
// whichever is larger.
const minWay = 0.005

// Way returns how much of the possible saving, from self-consumption to foresight, a
// policy achieved: 1 is all of it. ok is false if there is hardly anything to save.
func (c Comparison) Way(policy string) (share float64, ok bool) {
	alone, a := c.Results[Alone]
	best, b := c.Results[Foresight]
	r, d := c.Results[policy]
	bill := max(math.Abs(alone.Bill), math.Abs(c.Results[NoBattery].Bill))
	if way := alone.Bill - best.Bill; !a || !b || !d || way < 0.005 || way < minWay*bill {
		return 0, false
	}
	return (alone.Bill - r.Bill) / (alone.Bill - best.Bill), true
}

// perTick is how many slots there are between calls of Progress: a day.
const perTick = int(24 * time.Hour / Step)

// Compare replays the year under each policy, in parallel on the available cores.
func (y Year) Compare(s Setup) (Comparison, error) {
	c := Comparison{Results: map[string]Result{}}
	for _, slot := range y.Slots[y.Start:] {
		if !slot.Known {
			c.Gaps += Step.Hours()
		}
	}
	var (
		done  int
		mu    sync.Mutex
		all   sync.WaitGroup
		first error
		cores = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	)
	for _, name := range s.Policies {
		all.Go(func() {
			cores <- struct{}{}
			defer func() { <-cores }()
			r, err := y.live(name, s, func() {
				mu.Lock()
				defer mu.Unlock()
				if done += perTick; s.Progress != nil {
					s.Progress(min(done, len(y.Slots)*len(s.Policies)), len(y.Slots)*len(s.Policies))
				}
			})
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

func (y Year) live(name string, s Setup, tick func()) (Result, error) {
	m, policy := s.Battery, Policy(nil)
	switch name {
	case NoBattery:
		m, policy = battery.Model{OneWay: 1}, SelfConsumption(0)
	case Alone:
		policy = SelfConsumption(s.Alone)
	case Rule:
		policy = y.Rule(s.Peak, s.OffPeak)
	case Planned:
		policy = y.Plan(m, s.Plan, y.Rule(s.Peak, s.OffPeak))
	case Foresight:
		var err error
		if policy, err = y.Foresight(m); err != nil {
			return Result{}, err
		}
	default:
		return Result{}, fmt.Errorf("%q is no policy: there are %v", name, Names())
	}
	return y.Live(m, func(t int, stored float64) int {
		if t%perTick == 0 {
			tick()
		}
		return policy(t, stored)
	}, s.Each[name]), nil
}

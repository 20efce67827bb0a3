package simulation

import (
	"testing"

	"powermgr/control"
	"powermgr/control/rules"
)

// A rule that acts instead of a plan says why.
func TestTheWitnessWantsAReason(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    control.State
		want int
	}{
		{"the plan decides", control.State{Strategy: rules.StrategyPlan, Cause: rules.ByPlan}, 0},
		{"the rule decides", control.State{Strategy: rules.StrategyRule, Cause: rules.BySchedule}, 0},
		{"the plan gives way", control.State{Strategy: rules.StrategyPlan, Cause: rules.BySchedule, PlanIdle: "it is old"}, 0},
		{"and says nothing", control.State{Strategy: rules.StrategyPlan, Cause: rules.BySchedule}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}})
			w.judgeGivesWay(tt.s)
			if len(w.violations) != tt.want {
				t.Errorf("%v", w.violations)
			}
		})
	}
}

// Whether a day follows a plan changes nothing else that its seed draws.
func TestAPlanIsDrawnBeside(t *testing.T) {
	plans := 0
	for seed := range uint64(100) {
		if draw(seed, Some).Plan != nil {
			t.Fatalf("seed %d goes by a plan at %s", seed, Some)
		}
		if draw(seed, All).Plan != nil {
			plans++
		}
	}
	if plans < 35 || plans > 65 {
		t.Errorf("%d of 100 days go by a plan", plans)
	}
}

package planner

import (
	"testing"

	"powermgr/control/plan"
	"powermgr/devices"
)

func TestACandidateInTheOwnersUnit(t *testing.T) {
	c := plan.Candidate{SetbackF: 4}
	for unit, want := range map[devices.Unit]string{"": "set back by 4 °F", devices.Celsius: "set back by 2.2 °C"} {
		if got := words(c, unit); got != want {
			t.Errorf("%q: %s", unit, got)
		}
	}
}

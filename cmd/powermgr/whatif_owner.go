package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/control/plan"
	"powermgr/control/whatif"
)

// setup returns how each battery is controlled. For a home whose history powermgr keeps,
// the configuration says so, and which battery it has; flags have priority over it.
func (o *whatIfFlags) setup(cmd *cobra.Command, g *globals) (whatif.Setup, error) {
	s := whatif.Setup{Plan: plan.DefaultOptions(), OffPeak: 100, Policies: o.policies}
	if o.from != fromCSV {
		c, _, err := config.Load(g.config, os.Environ())
		if err != nil {
			return s, err
		}
		owner := c.Planning()
		s.Plan, s.Alone, s.Peak, s.OffPeak = owner.PlanOptions(), owner.Alone, owner.Rule.Peak, owner.Rule.OffPeak
		if !cmd.Flags().Changed("battery") {
			o.batteries = []string{fmt.Sprintf("%g,%g,%g", owner.CapacityKWh, owner.PowerKW, min(owner.PowerKW, cmp.Or(owner.GridChargeKW, owner.PowerKW)))}
		}
	}
	if o.from == fromCSV || cmd.Flags().Changed("peak-weight") {
		s.Plan.PeakWeight = o.weight
	}
	return s, nil
}

// reserves describes the reserves that a setup uses.
func reserves(s whatif.Setup) string {
	return fmt.Sprintf("Reserves: self-consumption keeps %d %%; the rule %d %% in expensive hours and %d %% outside; the plan %d %% at least. The plan takes a kWh from the grid in expensive hours to cost %g more than its price.",
		s.Alone, s.Peak, s.OffPeak, s.Plan.MinReserve, s.Plan.PeakWeight)
}

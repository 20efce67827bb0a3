package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"powermgr/control"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/devices"
)

func planCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what is planned for the battery, hour by hour, and why",
		Long: `Asks the daemon on this machine for its plan: what it was made of, what it expects the time ahead to
cost against the rule and against a battery that is left alone, and the reserve of each stretch of
time with its reason. There is a plan whatever settings.strategy says; with rule it is only shown.`,
		Example: "  powermgr plan",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := ask(cmd)
			if err != nil {
				return err
			}
			p := page{s, cmd.OutOrStdout()}
			raw, ok := p.Topics["control/"+devices.PlanLeaf]
			if !ok {
				return errors.New("there is no plan yet: this node does not control the battery, or it has just started")
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(raw)
			}
			return p.plan()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "the plan as it is on control/plan")
	return c
}

// plan prints the plan as a table.
func (p page) plan() error {
	var c control.State
	if p.topic("control/state", &c) {
		switch {
		case c.Strategy != rules.StrategyPlan:
			p.line("Strategy", "%s: the plan is only shown; choose plan with settings.strategy or in Home Assistant", c.Strategy)
		case c.PlanIdle != "":
			p.line("Strategy", "plan; the rule acts: %s", c.PlanIdle)
		default:
			p.line("Strategy", "plan")
		}
	}
	var all plan.Plan
	p.topic("control/"+devices.PlanLeaf, &all)
	p.line("Made", "%s, last asked %s", p.clock(all.Made), p.clock(all.Decided))
	if all.Reserve == nil {
		p.line("Plan", "none: %s", all.Reason)
		return nil
	}
	p.line("Now", "reserve %d %%: %s", *all.Reserve, all.Reason)
	if t := all.Thermostats; t != nil && t.Planned {
		p.line("Thermostats", "for the peak from %s: %s", p.clock(t.PeakStart), t.Reason)
	} else if t != nil {
		p.line("Thermostats", "%s", t.Reason)
	}
	if in := all.Inputs; in != nil {
		from := fmt.Sprintf("fills from the grid at %.1f kW", in.GridChargeKW)
		if in.GridChargeKW == 0 {
			from = "does not fill from the grid"
		}
		sun := "the sun of past days"
		if in.Weather != "" {
			sun = "the sun as " + in.Weather + " has it"
		}
		p.line("Inputs", "%d days of history, %d courses, prices from %s, %s", in.HistoryDays, in.Courses, in.Prices, sun)
		p.line("", "battery %.0f %% of %.1f kWh, %.1f kW, %s", in.ChargePercent, in.CapacityKWh, in.PowerKW, from)
	}
	if e := all.Expected; e != nil {
		p.line("Expected", "in %.0f hours, and in the next peak:", e.Hours)
		for _, o := range []struct {
			name string
			plan.Outcome
		}{{"plan", e.Plan}, {"rule", e.Rule}, {"battery alone", e.Nothing}} {
			p.line("", "%-13s %s, %.1f kWh from the grid in the peak", o.name, money(all.Currency, o.Bill), o.PeakImport)
		}
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nfrom\treserve\tcharge\tload kWh\tsun kWh\tgrid kWh\tprice\t\t")
	for _, s := range stretches(all.Slots) {
		mark := ""
		if s.Expensive {
			mark = "expensive"
		}
		fmt.Fprintf(t, "%s\t%d %%\t%.0f %%\t%.1f\t%.1f\t%.1f\t%s\t%s\t  %s\n", p.clock(s.Start), s.Reserve, s.Charge, s.Load, s.Sun, s.Grid, tariff.Table{Currency: all.Currency}.Money(s.Price), mark, s.Reason)
	}
	return t.Flush()
}

// stretches puts together slots that differ in their energies alone.
func stretches(slots []plan.Ahead) (all []plan.Ahead) {
	for _, s := range slots {
		if n := len(all); n > 0 && all[n-1].Reserve == s.Reserve && all[n-1].Price == s.Price && all[n-1].Expensive == s.Expensive {
			last := &all[n-1]
			last.Load, last.Sun, last.Grid = last.Load+s.Load, last.Sun+s.Sun, last.Grid+s.Grid
			continue
		}
		all = append(all, s)
	}
	return all
}

// money writes an amount of a bill.
func money(currency string, v float64) string { return tariff.Table{Currency: currency}.Amount(v) }

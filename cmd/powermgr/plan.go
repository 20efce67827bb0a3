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
		Short: "Show the plan for the battery, hour by hour, with reasons",
		Long: `Shows the plan of the daemon on this machine: what it is based on, what the hours ahead should cost
compared with the rule and with a battery left alone, and the reserve for each period with its reason.
There is a plan with either settings.strategy; with rule it is only shown.`,
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
				return errors.New("there is no plan yet: this node does not control a battery, or it has just started")
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(raw)
			}
			return p.plan()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON, as it is on control/plan")
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
			p.line("Strategy", "plan; the rule is in charge: %s", c.PlanIdle)
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
		from := fmt.Sprintf("charges from the grid with %.1f kW", in.GridChargeKW)
		if in.GridChargeKW == 0 {
			from = "does not charge from the grid"
		}
		sun := "the sun from past days"
		if in.Weather != "" {
			sun = "the sun from " + in.Weather
		}
		p.line("Inputs", "%d days of history, %d courses, prices from %s, %s", in.HistoryDays, in.Courses, in.Prices, sun)
		p.line("", "battery %.0f %% of %.1f kWh, %.1f kW, %s", in.ChargePercent, in.CapacityKWh, in.PowerKW, from)
	}
	if e := all.Expected; e != nil {
		p.line("Expected", "cost for %.0f hours, and grid energy in the next peak:", e.Hours)
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

// stretches merges consecutive slots that differ only in their energies.
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

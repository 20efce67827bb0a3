package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"powermgr/control/battery"
	"powermgr/control/whatif"
)

// assumptions lists what the figures are based on.
func assumptions(models []battery.Model, s whatif.Setup) (all []string) {
	for _, m := range models {
		all = append(all, fmt.Sprintf("Each battery holds %g kWh, charges and discharges with %g kW, charges from the grid with %g kW, and returns %g %% of what it takes in.",
			m.CapacityKWh, m.PowerKW, m.GridChargeKW, 100*roundTrip))
	}
	return append(all, reserves(s),
		fmt.Sprintf("If there are enough days, the first %d only train the forecasts and are not counted. The plan has no weather forecast.", int(whatif.Learning.Hours()/24)),
		"Use and sun are netted within each quarter of an hour; a real bill is a little higher, because loads switch on and off within it.",
		"Each battery starts the counted days half full; what is left in it at the end is not part of any bill.",
		"A battery always stores surplus sun, whatever its reserve, so if exports are paid, a bigger battery can cost more.",
		"Hours without data are left out for all strategies. Bills do not include fixed charges.")
}

// hours writes a number of hours.
func hours(n float64) string {
	if n == 1 {
		return "1 hour"
	}
	return fmt.Sprintf("%g hours", math.Round(100*n)/100)
}

// unmeasured says how much of the time is left out.
func (l comparison) unmeasured() string {
	if l.Gaps == 1 {
		return "1 hour without data is left out"
	}
	return hours(l.Gaps) + " without data are left out"
}

func (l comparison) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %s", l.File, whatif.Length(l.Days))
	if l.Tariff != "" {
		fmt.Fprintf(w, ", tariff %s", l.Tariff)
	}
	fmt.Fprintf(w, ", battery of %s", whatif.Describe(l.Battery))
	if l.Gaps > 0 {
		fmt.Fprint(w, "; ", l.unmeasured())
	}
	fmt.Fprintln(w)
	for _, n := range l.Notices {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tbill %s\tof none\tin expensive hours\timport\texport\tcycles\twrites a day\tof the way\t\n", strings.ToUpper(l.Currency))
	for _, name := range whatif.Names() {
		r, ok := l.Results[name]
		if !ok {
			continue
		}
		share, way := "", ""
		if none, ok := l.Results[whatif.NoBattery]; ok && none.Bill > 0 {
			share = fmt.Sprintf("%.3f", r.Bill/none.Bill)
		}
		if x, ok := l.OfTheWay[name]; ok {
			way = fmt.Sprintf("%.0f %%", 100*x)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%.1f kWh\t%.0f kWh\t%.0f kWh\t%.0f\t%.1f\t%s\t\n", name, r.Bill, share, r.ExpensiveImport, r.Import, r.Export, r.Cycles, r.WritesADay, way)
	}
	_ = t.Flush()
	fmt.Fprintln(w)
}

// printMeans prints the averages of several homes, each with the same weight.
func printMeans(w io.Writer, all []comparison) {
	fmt.Fprintf(w, "average of %d homes\n", len(all))
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tof none\tin expensive hours\twrites a day\t\n")
	for _, name := range whatif.Names() {
		var share, kwh, writes float64
		for _, l := range all {
			r, ok := l.Results[name]
			none, known := l.Results[whatif.NoBattery]
			if !ok || !known {
				share = math.NaN()
				continue
			}
			n := float64(len(all))
			share, kwh, writes = share+r.Bill/none.Bill/n, kwh+r.ExpensiveImport/n, writes+r.WritesADay/n
		}
		if !math.IsNaN(share) {
			fmt.Fprintf(t, "%s\t%.4f\t%.1f kWh\t%.1f\t\n", name, share, kwh, writes)
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w)
}

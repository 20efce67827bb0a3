package report

import (
	"fmt"
	"math"
	"slices"
)

// A page is the report in words and figures, before it is text or HTML: both
// have the same content.
type page struct {
	Title    string
	Headline string
	Lines    []string // below the headline; the first says what the day is compared with
	Sections []section
}

// A section is one table. Its head may be empty. A cell may have several lines.
type section struct {
	Title string
	Head  []string
	Rows  [][]string
	Note  string // below the table, or in its place

	Figures bool // all columns but the first are figures
	Marks   bool // the first column has the numbers of the chart's markers
}

// unknown stands for an unknown figure.
const unknown = "–"

// Headline describes the day in one line, for example for the subject of a mail.
func Headline(r Record) string {
	f := r.Figures()
	peak, _ := r.elapsed(r.Until)
	none := !slices.ContainsFunc(r.Peaks, func(p Peak) bool { return p.From.Before(r.end) })
	in := "the peak"
	if len(r.Peaks) > 1 {
		in = "the peaks"
	}
	switch {
	case f.GridIn == nil && f.Home == nil:
		return "No energy data for this day"
	case none:
		return fmt.Sprintf("No peak: %s kWh from the grid", short(f.GridIn))
	case peak == 0:
		return fmt.Sprintf("%s kWh from the grid before %s", short(f.GridIn), in)
	case f.PeakGridInActual == nil:
		return fmt.Sprintf("%s kWh from the grid in %s", short(f.PeakGridIn), in)
	}
	text := fmt.Sprintf("%s kWh from the grid in %s instead of %s", short(f.PeakGridInActual), in, short(f.PeakGridInWithout))
	if f.Saved == nil {
		return text
	}
	stored := r.stored()
	switch net := *f.Saved + stored; {
	case math.Abs(net) < 0.005:
		return text
	case net < 0:
		return text + ": cost " + money(-net, f.Currency) + " more"
	case stored >= 0.005:
		return text + ": " + money(net, f.Currency) + " saved, counting " + money(stored, f.Currency) + " stored for tomorrow"
	default:
		return text + ": " + money(net, f.Currency) + " saved"
	}
}

// stored returns the value of the energy by which the real battery ended ahead of the
// one without powermgr, at the price outside peaks; it is negative if the battery ended
// with less, which has yet to be replaced.
func (r Record) stored() float64 {
	ahead, ok := r.ahead()
	if !ok {
		return 0
	}
	return ahead * r.Tariff.OffPeakPerKWh
}

// paged returns the whole report of r.
func paged(r Record) page {
	p := page{
		Title:    "powermgr, " + r.noon().Format("Monday, January 2, 2006"),
		Headline: Headline(r),
		Lines:    append([]string{r.compared()}, r.remarks()...),
	}
	if !r.Complete {
		p.Title += ", up to " + r.clock(r.Until)
	}
	for _, s := range []section{
		r.failures(), r.comparison(), r.expected(), r.energy(), r.battery(), r.thermostats(), r.decisions(), r.overrides(), r.people(),
		r.commands(), r.refused(), r.vendors(), r.unknowns(),
	} {
		if len(s.Rows) > 0 || s.Note != "" {
			p.Sections = append(p.Sections, s)
		}
	}
	return p
}

// compared returns one sentence on what the day is compared with.
func (r Record) compared() string {
	w := r.Counterfactual
	if !w.known() {
		return "There is no comparison with a day without powermgr: the Powerwall did not report enough."
	}
	began := fmt.Sprintf("it started the day with the real battery's %s", percentOf(w.StartKWh, *w.CapacityKWh))
	if w.StartFrom != "" {
		began = fmt.Sprintf("it started the day with %s, as it had ended %s", percentOf(w.StartKWh, *w.CapacityKWh), day(w.StartFrom))
	}
	a := w.complete()
	return fmt.Sprintf("Without powermgr: the same home use and sun, and a battery of the same capacity (%.1f kWh), left in self-consumption with a reserve of %.0f %%, "+
		"charging only from surplus sun with at most %.4g kW, at %.0f %% round-trip efficiency; %s.",
		*w.CapacityKWh, a.ReservePercent, w.battery().PowerKW, a.RoundTrip*100, began)
}

// minUnknownMinutes is from how many unknown minutes on the report mentions them.
const minUnknownMinutes = 15

// remarks returns what people have to know to understand the figures.
func (r Record) remarks() (all []string) {
	if r.DryRun {
		all = append(all, "Dry run: powermgr made decisions but sent nothing. Any difference from the day without it has other causes.")
	}
	if r.Disabled {
		all = append(all, "The controller was switched off for at least part of the day.")
	}
	if diff, ok := r.ahead(); ok && math.Abs(diff) >= 0.5 {
		if diff > 0 {
			worth := ""
			if r.Tariff.known() {
				worth = fmt.Sprintf(" (%s, at the price outside peaks)", money(diff*r.Tariff.OffPeakPerKWh, r.Tariff.Currency))
			}
			all = append(all, fmt.Sprintf("The real battery ended the day with %.1f kWh more%s than the one without powermgr: energy that is paid for, but not used yet.", diff, worth))
		} else {
			all = append(all, fmt.Sprintf("The real battery ended the day with %.1f kWh less than the one without powermgr: that is not a saving, because it has to be replaced.", -diff))
		}
	}
	peak, other := r.elapsed(r.Until)
	peak, other = peak-r.Counterfactual.PeakMinutes, other-r.Counterfactual.OtherMinutes
	if peak+other >= minUnknownMinutes && r.Counterfactual.PeakMinutes+r.Counterfactual.OtherMinutes > 0 {
		all = append(all, fmt.Sprintf("Not compared, because home, sun or grid was not measured: %.0f minutes in peaks and %.0f outside.", peak, other))
	}
	return all
}

// ahead returns how much more the real battery ended with than the other, in kWh.
func (r Record) ahead() (kwh float64, ok bool) {
	w := r.Counterfactual
	if !w.known() || r.Charge.End == nil {
		return 0, false
	}
	return r.Charge.End.Value/100**w.CapacityKWh - *w.EndKWh, true
}

func (r Record) comparison() section {
	w := r.Counterfactual
	if !w.known() || w.PeakMinutes+w.OtherMinutes == 0 {
		return section{}
	}
	row := func(name string, actual, alone float64) []string {
		return []string{name, fmt.Sprintf("%.2f", actual), fmt.Sprintf("%.2f", alone), signed(actual-alone, fmt.Sprintf("%.2f", math.Abs(actual-alone)))}
	}
	s := section{
		Title: "With powermgr and without", Head: []string{"kWh", "with", "without", "difference"}, Figures: true,
		Rows: [][]string{
			row("From the grid in peaks", w.Actual.PeakIn, w.Alone.PeakIn),
			row("From the grid outside peaks", w.Actual.OtherIn, w.Alone.OtherIn),
			row("To the grid", w.Actual.Out, w.Alone.Out),
		},
	}
	if r.Charge.Start != nil && r.Charge.End != nil {
		s.Rows = append(s.Rows, row("In the battery, start of day", r.Charge.Start.Value/100**w.CapacityKWh, *w.StartKWh),
			row("In the battery, end of day", r.Charge.End.Value/100**w.CapacityKWh, *w.EndKWh))
	}
	s.Note = fmt.Sprintf("Based on the energy counters over %.0f minutes; the battery starts from %s.", w.PeakMinutes+w.OtherMinutes, r.origin())
	if t := r.Tariff; t.known() {
		actual, alone := t.cost(w.Actual), t.cost(w.Alone)
		s.Rows = append(s.Rows, []string{"Cost", money(actual, t.Currency), money(alone, t.Currency), signed(actual-alone, money(math.Abs(actual-alone), t.Currency))})
		s.Note += fmt.Sprintf(" A kWh costs %s in peaks and %s outside; a kWh sent to the grid earns %s.",
			price(t.PeakPerKWh, t.Currency), price(t.OffPeakPerKWh, t.Currency), price(t.ExportPerKWh, t.Currency))
	}
	return s
}

// origin says where the battery without powermgr got its first charge from.
func (r Record) origin() string {
	if r.Counterfactual.StartFrom == "" {
		return "the charge of the real battery, because there is no day before this one"
	}
	return "its own end of " + day(r.Counterfactual.StartFrom)
}

func (r Record) energy() section {
	peak, outside, all := r.Energy.Peak, r.Energy.PrePeak, r.Energy.Day
	sum := Measured{Minutes: outside.Minutes + r.Energy.OffPeak.Minutes}
	sum.plus(outside.Flows, 1)
	sum.plus(r.Energy.OffPeak.Flows, 1)
	s := section{Title: "Energy", Head: []string{"kWh", "in peaks", "outside", "day"}, Figures: true}
	to := [3]Flows{peak.Flows, sum.Flows, all.Flows}
	for i, name := range []string{"Used at home", "From the sun", "Into the battery", "From the battery", "From the grid", "To the grid"} {
		row := []string{name}
		for _, f := range to {
			row = append(row, long(*f.all()[i]))
		}
		s.Rows = append(s.Rows, row)
	}
	s.Note = fmt.Sprintf("Measured for %.0f minutes of the day, %.0f of them in peaks.", all.Minutes, peak.Minutes)
	return s
}

package report

import (
	"math"
	"time"

	"powermgr/control/battery"
	"powermgr/control/rules"
	"powermgr/devices"
)

// What the day would have been without powermgr: the same home and sun, and a battery
// that nobody controls. It has a charge of its own, which continues from day to day and
// is never set to the real one's at midnight: each day's saving begins where the one
// before ended.

// Assumptions are what is assumed about the battery without powermgr.
type Assumptions struct {
	ReservePercent float64 `json:"reserve_percent"`
	PowerKW        float64 `json:"power_kw"`   // the most that it charges and discharges with; 0: 5 for each 13.5 kWh that it holds
	RoundTrip      float64 `json:"round_trip"` // what comes out of what went in; 0: 0.9
}

// The default assumptions. 20 % is Tesla's own default reserve; one Powerwall 2 holds
// 13.5 kWh and delivers 5 kW.
const (
	UsualReserve   = 20
	onePowerwall   = 13.5 // kWh
	powerOfOne     = 5    // kW
	usualRoundTrip = 0.9
)

// complete fills in defaults.
func (a Assumptions) complete() Assumptions {
	if a.RoundTrip <= 0 || a.RoundTrip > 1 {
		a.RoundTrip = usualRoundTrip
	}
	return a
}

// Counterfactual is the day without powermgr, and what it is calculated from. Only
// times in which home, sun and grid were measured are compared, for both.
type Counterfactual struct {
	Assumptions
	CapacityKWh *float64 `json:"capacity_kwh"` // from stored_kwh and charge_percent
	StartKWh    *float64 `json:"start_kwh"`    // stored as the day began
	StartFrom   string   `json:"start_from"`   // the day whose end that was; empty: the real battery
	EndKWh      *float64 `json:"end_kwh"`      // stored at the last reading

	PeakMinutes  float64 `json:"compared_peak_minutes"`
	OtherMinutes float64 `json:"compared_other_minutes"`
	Actual       Grid    `json:"with_powermgr"`
	Alone        Grid    `json:"without_powermgr"`
}

// Grid is what went through the meter in the time compared, in kWh.
type Grid struct {
	PeakIn  float64 `json:"peak_in_kwh"`
	OtherIn float64 `json:"other_in_kwh"`
	Out     float64 `json:"out_kwh"`
}

// A Tariff is what energy costs. The zero value means that there is none, and no
// amounts are given.
type Tariff struct {
	Currency      string  `json:"currency,omitempty"` // "$", "EUR"
	PeakPerKWh    float64 `json:"peak_per_kwh,omitempty"`
	OffPeakPerKWh float64 `json:"off_peak_per_kwh,omitempty"`
	ExportPerKWh  float64 `json:"export_per_kwh,omitempty"` // paid for what is fed in
}

// known reports whether there is a tariff.
func (t Tariff) known() bool { return t.PeakPerKWh != 0 || t.OffPeakPerKWh != 0 }

// cost returns what the energy from the grid cost.
func (t Tariff) cost(g Grid) float64 {
	return g.PeakIn*t.PeakPerKWh + g.OtherIn*t.OffPeakPerKWh - g.Out*t.ExportPerKWh
}

// known reports whether the battery without powermgr has a charge.
func (w Counterfactual) known() bool {
	return w.CapacityKWh != nil && w.StartKWh != nil && w.EndKWh != nil
}

// next is the start of the day after that of date.
func (w Counterfactual) next(date string) Counterfactual {
	n := Counterfactual{Assumptions: w.Assumptions, CapacityKWh: w.CapacityKWh, StartKWh: w.EndKWh, EndKWh: w.EndKWh}
	if w.EndKWh != nil {
		n.StartFrom = date
	}
	return n
}

// capacity learns the capacity of the battery from a reading with enough charge for
// that.
func (w *Counterfactual) capacity(p devices.PowerwallReading) {
	if p.StoredEnergy == nil || *p.ChargePercent < 20 {
		return
	}
	kwh := math.Round(float64(*p.StoredEnergy)/float64(*p.ChargePercent)) / 10
	if kwh >= 1 && kwh <= 1000 {
		w.CapacityKWh = &kwh
	}
}

// begin gives the battery without powermgr the charge of the real one, unless it has one
// from the day before.
func (w *Counterfactual) begin(percent float64) {
	if w.EndKWh != nil || w.CapacityKWh == nil {
		return
	}
	stored := round(percent / 100 * *w.CapacityKWh)
	w.StartKWh, w.EndKWh = &stored, &stored
}

// step advances the battery without powermgr by a measured time.
func (w *Counterfactual) step(phase rules.Phase, f Flows, length time.Duration) {
	if !w.known() || f.Home == nil || f.Solar == nil || f.GridIn == nil || f.GridOut == nil {
		return
	}
	reserve := w.complete().ReservePercent / 100 * *w.CapacityKWh
	stored, passed := w.battery().Step(*w.EndKWh, reserve, *f.Home, *f.Solar, length)
	stored = round(stored)
	w.EndKWh = &stored
	w.Actual.add(phase, *f.GridIn, *f.GridOut)
	w.Alone.add(phase, passed.GridIn, passed.GridOut)
	if phase == rules.InPeak {
		w.PeakMinutes = round(w.PeakMinutes + length.Minutes())
	} else {
		w.OtherMinutes = round(w.OtherMinutes + length.Minutes())
	}
}

// battery returns a battery in self-consumption, which never charges from the grid.
func (w *Counterfactual) battery() battery.Model {
	a := w.complete()
	b := battery.Model{CapacityKWh: *w.CapacityKWh, PowerKW: a.PowerKW, OneWay: math.Sqrt(a.RoundTrip)}
	if b.PowerKW <= 0 {
		b.PowerKW = powerOfOne * b.CapacityKWh / onePowerwall
	}
	return b
}

func (g *Grid) add(phase rules.Phase, in, out float64) {
	if phase == rules.InPeak {
		g.PeakIn = round(g.PeakIn + in)
	} else {
		g.OtherIn = round(g.OtherIn + in)
	}
	g.Out = round(g.Out + out)
}

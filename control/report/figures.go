package report

import (
	"time"
)

// Figures are the results of a day, as at the top of a metrics file. Nil is unknown.
type Figures struct {
	Version  int       `json:"version"`
	Date     string    `json:"date"`
	Timezone string    `json:"timezone"`
	Complete bool      `json:"complete"` // false: up to Until
	Until    time.Time `json:"until"`

	Home       *float64 `json:"home_kwh"`
	Solar      *float64 `json:"solar_kwh"`
	BatteryIn  *float64 `json:"battery_in_kwh"`
	BatteryOut *float64 `json:"battery_out_kwh"`
	GridIn     *float64 `json:"grid_in_kwh"`
	GridOut    *float64 `json:"grid_out_kwh"`

	PeakHome       *float64 `json:"peak_home_kwh"`
	PeakSolar      *float64 `json:"peak_solar_kwh"`
	PeakBatteryOut *float64 `json:"peak_battery_out_kwh"`
	PeakGridIn     *float64 `json:"peak_grid_in_kwh"`

	// Over the time that could be compared.
	ComparedMinutes   float64  `json:"compared_minutes"`
	PeakGridInActual  *float64 `json:"peak_grid_in_compared_kwh"`
	PeakGridInWithout *float64 `json:"peak_grid_in_without_kwh"`
	Currency          string   `json:"currency"`
	Cost              *float64 `json:"cost"`
	CostWithout       *float64 `json:"cost_without"`
	Saved             *float64 `json:"saved"`

	BatteryMin *float64 `json:"battery_min_percent"`
	BatteryMax *float64 `json:"battery_max_percent"`
	BatteryEnd *float64 `json:"battery_end_percent"`

	ForecastF      *float64 `json:"forecast_high_f"`
	SetbackMinutes float64  `json:"setback_minutes"` // of all thermostats
	Decisions      int      `json:"decisions"`
	Commands       int      `json:"commands"`
	CommandsFailed int      `json:"commands_failed"`
	Overrides      int      `json:"overrides"`
	Taken          int      `json:"taken_by_people"`
}

// Figures returns the results of r.
func (r Record) Figures() Figures {
	day, peak, w := r.Energy.Day, r.Energy.Peak, r.Counterfactual
	f := Figures{
		Version: Version, Date: r.Date, Timezone: r.Timezone, Complete: r.Complete, Until: r.Until,
		Home: day.Home, Solar: day.Solar, BatteryIn: day.BatteryIn, BatteryOut: day.BatteryOut, GridIn: day.GridIn, GridOut: day.GridOut,
		PeakHome: peak.Home, PeakSolar: peak.Solar, PeakBatteryOut: peak.BatteryOut, PeakGridIn: peak.GridIn,
		ComparedMinutes: round(w.PeakMinutes + w.OtherMinutes),
		BatteryMin:      r.Charge.Min.percent(), BatteryMax: r.Charge.Max.percent(), BatteryEnd: r.Charge.End.percent(),
		ForecastF: r.ForecastF, Decisions: len(r.Decisions), Commands: len(r.Commands), Overrides: len(r.Overrides), Taken: len(r.Takings),
	}
	if w.PeakMinutes > 0 {
		f.PeakGridInActual, f.PeakGridInWithout = &w.Actual.PeakIn, &w.Alone.PeakIn
	}
	if f.ComparedMinutes > 0 && r.Tariff.known() {
		actual, alone := round(r.Tariff.cost(w.Actual)), round(r.Tariff.cost(w.Alone))
		saved := round(alone - actual)
		f.Currency, f.Cost, f.CostWithout, f.Saved = r.Tariff.Currency, &actual, &alone, &saved
	}
	for _, t := range r.Thermostats {
		f.SetbackMinutes = round(f.SetbackMinutes + t.Setback.Minutes)
	}
	for _, c := range r.Commands {
		if c.failed() && !c.pending(r.Until) {
			f.CommandsFailed++
		}
	}
	return f
}

func (e *Extreme) percent() *float64 {
	if e == nil {
		return nil
	}
	return &e.Value
}

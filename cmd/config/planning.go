package config

import (
	"time"

	"powermgr/control/plan"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Plan configures the plan of the battery. There is a plan with every strategy.
type Plan struct {
	// MinReservePercent is the lowest reserve of a plan, which also never goes below
	// PeakReservePercent.
	MinReservePercent int `koanf:"min_reserve_percent" range:"0–80"`
	// PeakWeightPerKWh is added to the price of a kWh from the grid in a peak. To the
	// owner, drawing nothing in a peak matters more than the cost.
	PeakWeightPerKWh float64 `koanf:"peak_weight_per_kwh" default:"0.4" range:"0–100"`
	// BatteryKWh is the capacity of the battery, until its readings show it. The default
	// is one Powerwall.
	BatteryKWh float64 `koanf:"battery_kwh" default:"13.5" range:"1–1000"`
	// BatteryKW is the most that it charges or discharges with.
	BatteryKW float64 `koanf:"battery_kw" default:"5" range:"0.5–1000"`
	// GridChargeKW is the most that it charges with from the grid. 0: it is learned.
	GridChargeKW float64 `koanf:"grid_charge_kw" range:"0–1000"`
}

// oneWay is the efficiency of charging a Powerwall, and of discharging it: 90 % for both
// together, according to its data sheet.
const oneWay = 0.95

// Planning returns the settings in the terms of package planner.
func (c Config) Planning() planner.Settings {
	s := c.Settings
	out := planner.Settings{
		Zone: c.Zone(), Free: c.Free(), Source: c.Tariff.Source, Currency: c.Tariff.Currency, Unit: c.Settings.Unit,
		CapacityKWh: s.Plan.BatteryKWh, PowerKW: s.Plan.BatteryKW, GridChargeKW: s.Plan.GridChargeKW, OneWay: oneWay,
		Rule: plan.Fixed{Peak: s.PeakReservePercent, OffPeak: s.OffPeakReservePercent}, Alone: s.ReserveWithoutPercent,
		Options: plan.Options{PeakWeight: s.Plan.PeakWeightPerKWh, MinGain: plan.DefaultOptions().MinGain, MinReserve: s.Plan.MinReservePercent},
	}
	out.Band = c.band()
	if t, ok := c.Prices(); ok {
		out.Prices = &t
	}
	return out
}

// band returns what a plan may do with the thermostats: at most what the fixed rule may.
func (c Config) band() planner.Band {
	s := c.Settings
	b := planner.Band{
		PrecoolMinF: s.MinThermostatTempF, MaxCoolF: s.MaxThermostatTempF, MinHeatF: s.MinHeatSetpointF,
		StepF: s.ThermostatIncrementF, Steps: len(s.BatteryThresholds),
	}
	if s.MaxThermostatAdjustments > 0 {
		b.Steps = min(b.Steps, s.MaxThermostatAdjustments)
	}
	for _, id := range s.ThermostatIDs {
		b.Thermostats = append(b.Thermostats, devices.TopicID(id))
	}
	return b
}

// Free returns a function that reports whether a day is a weekend day or a holiday.
func (c Config) Free() func(day time.Time) bool {
	var holidays rules.Calendar
	c.Settings.addHolidays(&holidays)
	return func(day time.Time) bool {
		return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday || holidays.IsHoliday(rules.DateOf(day, day.Location()))
	}
}

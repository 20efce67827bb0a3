package config

import (
	"time"

	"powermgr/control/plan"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Plan is what a plan of the battery goes by. There is one whatever the strategy.
type Plan struct {
	// MinReservePercent is never gone below, nor is PeakReservePercent.
	MinReservePercent int `koanf:"min_reserve_percent" range:"0–80"`
	// PeakWeightPerKWh is what a kWh from the grid in a peak counts beside its
	// price. The owner wants the peak clean before he wants it cheap.
	PeakWeightPerKWh float64 `koanf:"peak_weight_per_kwh" default:"0.4" range:"0–100"`
	// BatteryKWh is what the battery holds until its readings tell. The default is
	// one Powerwall.
	BatteryKWh float64 `koanf:"battery_kwh" default:"13.5" range:"1–1000"`
	// BatteryKW is the most it charges or discharges with.
	BatteryKW float64 `koanf:"battery_kw" default:"5" range:"0.5–1000"`
	// GridChargeKW is the most it fills with from the grid. 0: it is learned.
	GridChargeKW float64 `koanf:"grid_charge_kw" range:"0–1000"`
}

// oneWay is what is left of energy after going into a Powerwall, or out of it:
// 90 % for both ways together, as its data sheet has it.
const oneWay = 0.95

// Planning are the settings in the words of package planner.
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

// band is what a plan may do with the thermostats: what the fixed rule may, at most.
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

// Free tells week-ends and holidays from working days.
func (c Config) Free() func(day time.Time) bool {
	var holidays rules.Calendar
	c.Settings.addHolidays(&holidays)
	return func(day time.Time) bool {
		return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday || holidays.IsHoliday(rules.DateOf(day, day.Location()))
	}
}

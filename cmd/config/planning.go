package config

import (
	"time"

	"powermgr/control/plan"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/devices"
)

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

package daemon

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"powermgr/bridge"
	"powermgr/control/forecast"
	"powermgr/control/plan"
	"powermgr/control/planner"
	"powermgr/control/report"
	"powermgr/control/rules"
	"powermgr/devices"
)

// oneWay is what is left of energy after going into a Powerwall, or out of it:
// 90 % for both ways together, as its data sheet has it.
const oneWay = 0.95

// planner is the part that keeps a plan.
func (d *Daemon) planner(s bridge.Shared) *planner.Planner {
	c := d.options.Config
	return planner.New(planner.Options{
		Settings: c.Planning(), Bus: s.Bus, Topics: s.Topics, Standing: s.Standing, Log: s.Log.With("part", "plan"),
		Past: d.past, Rooms: d.options.Rooms, Store: d.options.Counters[0], Learned: d.options.Counters[1],
	})
}

// Planning are the settings in the words of package planner.
func (c Config) Planning() planner.Settings {
	s := c.Settings
	out := planner.Settings{
		Zone: c.Zone(), Free: c.free(), Source: c.Tariff.Source, Currency: c.Tariff.Currency, Unit: c.Settings.Unit,
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

// free tells week-ends and holidays from working days.
func (c Config) free() func(day time.Time) bool {
	var holidays rules.Calendar
	c.Settings.addHolidays(&holidays)
	return func(day time.Time) bool {
		return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday || holidays.IsHoliday(rules.DateOf(day, day.Location()))
	}
}

// past is what the home lived through, for the forecasts. A daemon whose files are
// somewhere else has none in them.
func (d *Daemon) past(now time.Time) ([]forecast.Sample, error) {
	if d.options.Past != nil {
		return d.options.Past(now), nil
	}
	if d.options.Journal != nil {
		return nil, nil
	}
	return d.options.Config.past(now)
}

// recentMonths is how many months of the history the forecasts look back on, with
// the one that goes on.
const recentMonths = 5

// past reads the history, and the days since then from their records. What cannot
// be read is left out, and the error says so.
func (c Config) past(now time.Time) (all []forecast.Sample, err error) {
	var problems []error
	first := now.In(c.Zone()).AddDate(0, -recentMonths, 0)
	files, err := filepath.Glob(filepath.Join(c.Paths.HistoryDir, "[0-9][0-9][0-9][0-9]-[0-9][0-9].csv"))
	problems = append(problems, err)
	slices.Sort(files)
	for _, path := range files {
		if filepath.Base(path) < first.Format("2006-01")+".csv" {
			continue
		}
		lines, err := historyLines(path)
		problems = append(problems, err)
		for _, l := range lines {
			load, sun := parsed(l[1]), parsed(l[2])
			all = append(all, forecast.Sample{Start: startOf(l), Length: report.QuarterLength, LoadKWh: load, SunKWh: sun})
		}
	}
	for _, path := range append(report.Finished(c.DayFile()), c.DayFile()) {
		r, err := report.Load(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, err)
			}
			continue
		}
		for _, q := range r.Quarters() {
			if n := len(all); n == 0 || q.Start.After(all[n-1].Start) {
				all = append(all, forecast.Sample{Start: q.Start, Length: report.QuarterLength, LoadKWh: q.Home, SunKWh: q.Solar})
			}
		}
	}
	for len(all) > 0 && all[len(all)-1].Start.After(now) { // the clock was wrong
		all = all[:len(all)-1]
	}
	return all, errors.Join(problems...)
}

// parsed reads a quantity of the history; nil: it is unknown, or none.
func parsed(text string) *float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v > 1000 {
		return nil
	}
	return &v
}

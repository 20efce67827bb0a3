package records

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/battery"
	"powermgr/control/forecast"
	"powermgr/control/health"
	"powermgr/control/history"
	"powermgr/control/notify"
	"powermgr/control/report"
	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/control/whatif"
)

// firstWeek is after how many days of a dry run its owner is told the result.
const firstWeek = 7

// newest is after every date.
const newest = "9999"

// SwitchOn is the command that ends a dry run.
const SwitchOn = "sudo powermgr live"

// NoDryRun means that there is no dry run to report.
type NoDryRun struct{}

// Is makes the error match fs.ErrNotExist.
func (NoDryRun) Is(target error) bool { return target == fs.ErrNotExist }

func (NoDryRun) Error() string { return "there is no dry run, or it has no day yet" }

// FirstWeek returns what the last days of the current dry run would have been, at most
// seven of them. The error is fs.ErrNotExist when there is no dry run.
func (e DailyReport) FirstWeek() (report.Week, error) {
	if !e.Config.DryRun() {
		return report.Week{}, NoDryRun{}
	}
	records, err := e.dryDays(newest, firstWeek)
	if err != nil {
		return report.Week{}, err
	}
	if len(records) == 0 {
		return report.Week{}, NoDryRun{}
	}
	return e.week(records), nil
}

// dryDays returns the records of the newest days up to last, at most most of them, back
// to the first day that was not a dry run; the oldest first.
func (e DailyReport) dryDays(last string, most int) (records []report.Record, err error) {
	live := e.Config.DayFile()
	dates, err := e.Config.Metrics().Dates()
	if err != nil {
		return nil, err
	}
	for _, path := range append(report.Finished(live), live) {
		if r, err := report.Load(path); err == nil {
			dates = append(dates, r.Date)
		}
	}
	slices.Sort(dates)
	dates = slices.Compact(dates)
	for _, date := range slices.Backward(dates) {
		if date > last {
			continue
		}
		r, err := e.Config.Metrics().Find(live, date)
		if err != nil || !r.DryRun || len(records) == most {
			break // powermgr has not written a file that cannot be read
		}
		records = append(records, r)
	}
	slices.Reverse(records)
	return records, nil
}

// week simulates the days of a dry run with powermgr and without it.
func (e DailyReport) week(days []report.Record) report.Week {
	c := e.Config
	w := report.Week{
		Days: days, SwitchOn: SwitchOn, Alone: c.Settings.ReserveWithoutPercent, Planned: c.Settings.Strategy == rules.StrategyPlan,
	}
	capacity := days[len(days)-1].Counterfactual.CapacityKWh
	if capacity == nil {
		return w
	}
	prices, priced := c.Prices()
	y, err := yearOf(c, days[0].Date, e.Now, prices)
	if err != nil {
		return w // nothing was measured, or not for long enough
	}
	p := c.Planning()
	b := battery.Model{CapacityKWh: *capacity, PowerKW: p.PowerKW * *capacity / p.CapacityKWh, GridChargeKW: p.GridChargeKW, OneWay: p.OneWay}
	if b.GridChargeKW == 0 {
		b.GridChargeKW = b.PowerKW
	}
	steered := y.Rule(p.Rule.Peak, p.Rule.OffPeak)
	if w.Planned {
		steered = y.Plan(b, p.PlanOptions(), steered)
	}
	with, alone := y.Live(b, steered, nil), y.Live(b, whatif.SelfConsumption(p.Alone), nil)
	for i, d := range with.Daily { // both have the same days
		a := alone.Daily[i]
		w.DryRunDays = append(w.DryRunDays, report.DryRunDay{
			Date: d.Date.Format(time.DateOnly), PeakWith: d.ExpensiveImport, PeakAlone: a.ExpensiveImport, With: d.Import, Alone: a.Import,
		})
	}
	if priced {
		saved := alone.Bill - with.Bill + (with.StoredKWh-alone.StoredKWh)*cheapest(y)
		w.Saved, w.Currency = &saved, prices.Currency
	}
	return w
}

// learningDays is from how many days before a dry run the plan learns, if there is a
// history.
const learningDays = 14

// yearOf returns what is known about the home from a date on, with the days before from
// which the plan learns.
func yearOf(c config.Config, date string, now time.Time, prices tariff.Table) (whatif.Year, error) {
	first, err := time.ParseInLocation(time.DateOnly, date, c.Zone())
	if err != nil {
		return whatif.Year{}, err
	}
	samples, _ := Past(c, now) // as far as it can be read
	samples = slices.DeleteFunc(samples, func(s forecast.Sample) bool { return s.Start.Before(first.AddDate(0, 0, -learningDays)) })
	series := history.Series{Length: whatif.Step, Zone: c.Zone()}
	for _, s := range samples {
		for n := len(series.Slots); n > 0 && series.Slots[n-1].Start.Add(whatif.Step).Before(s.Start); n++ {
			series.Slots = append(series.Slots, history.Slot{Start: series.Slots[n-1].Start.Add(whatif.Step)})
		}
		series.Slots = append(series.Slots, history.Slot{Start: s.Start, LoadKWh: s.LoadKWh, SunKWh: s.SunKWh})
	}
	y, err := whatif.NewYear(series, c.Free(), &prices)
	if err != nil {
		return y, err
	}
	y.Start = slices.IndexFunc(y.Slots, func(s whatif.Slot) bool { return s.Known && !s.Start.Before(first) })
	if y.Start < 0 {
		return y, errors.New("nothing was measured")
	}
	return y, nil
}

// cheapest returns the lowest price of a kWh in the days that count: energy stored at
// the end is worth at least that.
func cheapest(y whatif.Year) float64 {
	least := y.Slots[y.Start].Import
	for _, s := range y.Slots[y.Start:] {
		if s.Known {
			least = min(least, s.Import)
		}
	}
	return least
}

// firstWeekMail returns the mail at the end of the first week of a dry run, if one of
// days is that end.
func (e DailyReport) firstWeekMail(days []Day) (notify.Mail, bool, error) {
	if !e.Config.DryRun() {
		return notify.Mail{}, false, nil
	}
	for _, d := range days {
		records, err := e.dryDays(d.Date, firstWeek+1)
		if err != nil {
			return notify.Mail{}, false, err
		}
		if len(records) != firstWeek {
			continue
		}
		w := e.week(records)
		html, err := report.WeekHTML(w)
		return notify.Mail{
			Key: "first week/" + records[0].Date, Level: health.Info, Subject: "[powermgr] " + report.WeekHeadline(w),
			Text: report.WeekText(w), HTML: string(html), At: e.Now,
		}, err == nil, err
	}
	return notify.Mail{}, false, nil
}

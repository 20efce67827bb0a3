package report

import (
	"encoding/json"
	"reflect"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// What the day and its month have come to so far, for those who look at it while
// it goes on.

// Today is the payload of control/today. Nil is unknown.
type Today struct {
	Date     string    `json:"date"` // local: 2026-07-15
	DayStart time.Time `json:"day_start"`
	// PeakImport is what came from the grid in today's peaks, in kWh; 0 before the
	// first of them.
	PeakImport *float64 `json:"peak_import_kwh"`
	// PeakWithout is what it would have been without powermgr, in the time that can
	// be compared.
	PeakWithout *float64 `json:"peak_import_without_kwh"`
	// SavedKWh is what did not come from the grid in today's peaks, less than 0 if
	// more did.
	SavedKWh *float64 `json:"saved_kwh"`
	// Saved is in money, at all hours. What the battery holds more than without
	// powermgr counts at the price outside peaks. Nil: there are no prices, or
	// powermgr sent nothing.
	Saved    *float64 `json:"saved"`
	Currency string   `json:"currency"`
	Month    Month    `json:"month"`
	// Forecast is by how much the forecasts of the last day that had a plan were off;
	// nil: there was none.
	Forecast *Accuracy `json:"forecast"`
}

// A Month is the total of its days, today included.
type Month struct {
	Start    time.Time `json:"start"`
	Days     int       `json:"days"` // that were recorded
	SavedKWh *float64  `json:"saved_kwh"`
	Saved    *float64  `json:"saved"`
}

// Earlier is the total of the earlier days of the month.
type Earlier struct {
	Days     int      `json:"days"`
	SavedKWh *float64 `json:"saved_kwh"` // see Today
	Saved    *float64 `json:"saved"`     // without what was stored at the end of the day
	// Forecast is by how much the forecasts of the last day that had a plan were off;
	// nil: there was none.
	Forecast *Accuracy `json:"forecast"`
}

// saved is what the day has saved: energy in its peaks, and money without what is
// stored. Nothing is powermgr's doing if it sent nothing.
func (r Record) saved(f Figures) (kWh, amount *float64) {
	if r.DryRun {
		return nil, nil
	}
	if f.PeakGridInActual != nil {
		kWh = new(round(*f.PeakGridInWithout - *f.PeakGridInActual))
	}
	return kWh, f.Saved
}

// earlier is what a day of that date begins with, if r was the last one before it.
func (r Record) earlier(date string) Earlier {
	const month = len("2026-07")
	e := Earlier{Forecast: r.Earlier.Forecast}
	if a := r.accuracy(); a != nil {
		e.Forecast = a
	}
	if len(date) < month || r.Date[:month] != date[:month] {
		return e
	}
	e.Days = r.Earlier.Days + 1
	kWh, amount := r.saved(r.Figures())
	e.SavedKWh, e.Saved = sum(r.Earlier.SavedKWh, kWh), sum(r.Earlier.Saved, amount)
	return e
}

// sum is that of what is known; nil: nothing is.
func sum(all ...*float64) (to *float64) {
	for _, v := range all {
		if v != nil {
			plus(&to, *v)
		}
	}
	return to
}

// Today returns the results of r so far.
func (r Record) Today() Today {
	f := r.Figures()
	y, m, _ := r.noon().Date()
	t := Today{
		Date: r.Date, DayStart: r.start.In(r.zone), PeakImport: f.PeakGridIn, PeakWithout: f.PeakGridInWithout, Currency: r.Tariff.Currency, Forecast: r.Earlier.Forecast,
		Month: Month{Start: midnight(time.Date(y, m, 1, 12, 0, 0, 0, r.zone), r.zone), Days: r.Earlier.Days + 1},
	}
	if !r.peaked() {
		t.PeakImport = new(0.0)
	}
	kWh, amount := r.saved(f)
	t.SavedKWh = kWh
	if amount != nil {
		t.Saved = new(round(*amount + r.stored()))
	}
	t.Month.SavedKWh, t.Month.Saved = sum(r.Earlier.SavedKWh, t.SavedKWh), sum(r.Earlier.Saved, t.Saved)
	return t
}

// publishTodayEvery is the least time between two publications of control/today.
const publishTodayEvery = time.Minute

// publishToday publishes control/today if it has changed.
func (r *Recorder) publishToday(now time.Time) {
	if since := now.Sub(r.todayAt); r.todayCurrent || since >= 0 && since < publishTodayEvery {
		return
	}
	r.todayCurrent = true
	today := r.day.Today()
	if r.today != nil && reflect.DeepEqual(today, *r.today) {
		return
	}
	b, err := json.Marshal(today)
	if err != nil {
		r.Log.Error("what the day has come to cannot be written", "reason", err)
		return
	}
	r.todayAt, r.today = now, &today
	r.Bus.Publish(bus.Message{Topic: r.Topics.Control(devices.TodayLeaf), Payload: b, Retain: true})
}

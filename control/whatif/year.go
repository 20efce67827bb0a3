// Package whatif replays a home's past: the same load, sun and prices, with another
// battery or another strategy. The result is what a year would have cost.
package whatif

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"powermgr/control/battery"
	"powermgr/control/history"
	"powermgr/control/tariff"
)

// Step is the length of the slots of a year.
const Step = 15 * time.Minute

// Learning is the part of the past that is used only to learn the forecasts. It counts
// for no policy, so all are compared over the same time.
const Learning = 7 * 24 * time.Hour

// A Slot is a part of the past: what was measured, and what energy cost per kWh.
type Slot struct {
	Start     time.Time
	Known     bool // measured; else nothing flows and nothing is counted
	LoadKWh   float64
	SunKWh    float64
	OutdoorC  *float64
	Import    float64
	Export    float64
	Expensive bool // an hour in which the owner wants no power from the grid
}

// A Year is a home's past, a year of it or less.
type Year struct {
	Zone  *time.Location
	Free  func(day time.Time) bool // reports whether a day is not a working day
	Slots []Slot                   // each Step long, none missing
	Start int                      // the first slot that counts
}

// NewYear makes a Year of a series with slots of any length. Prices come from a tariff;
// nil: from the series. If neither says which hours are expensive, they are those in
// the upper half of a day's prices. A series no longer than Learning counts as a whole.
func NewYear(s history.Series, free func(day time.Time) bool, prices *tariff.Table) (Year, error) {
	s, err := s.In(Step)
	if err != nil {
		return Year{}, err
	}
	y := Year{Zone: s.Zone, Free: free, Start: int(Learning / Step)}
	var reader *tariff.Reader
	if prices != nil {
		reader = prices.Reader()
	}
	for _, h := range s.Slots {
		slot := Slot{Start: h.Start, Known: h.LoadKWh != nil, OutdoorC: h.OutdoorC}
		if slot.Known {
			slot.LoadKWh = *h.LoadKWh
		}
		if h.SunKWh != nil {
			slot.SunKWh = *h.SunKWh
		}
		priced := false
		switch {
		case reader != nil:
			var p tariff.Price
			p, priced = reader.At(h.Start)
			slot.Import, slot.Export, slot.Expensive = p.Import, p.Export, p.Peak
		case h.Import != nil:
			priced, slot.Import = true, *h.Import
			if h.Export != nil {
				slot.Export = *h.Export
			}
		}
		if !priced && slot.Known {
			return Year{}, fmt.Errorf("there is no price at %s: give a tariff that has one", h.Start.In(s.Zone).Format("2006-01-02 15:04"))
		}
		y.Slots = append(y.Slots, slot)
	}
	if prices == nil || !prices.HasPeaks() {
		y.markExpensive()
	}
	if len(y.Slots) == 0 {
		return Year{}, errors.New("there is not a whole quarter of an hour in it")
	}
	if len(y.Slots) <= y.Start {
		y.Start = 0
	}
	if !slices.ContainsFunc(y.Slots[y.Start:], func(s Slot) bool { return s.Known }) {
		return Year{}, errors.New("nothing was measured in the days that count")
	}
	return y, nil
}

// markExpensive marks those hours of each day as expensive whose price is in the upper
// half of that day's.
func (y *Year) markExpensive() {
	day := func(i int) int { return y.Slots[i].Start.In(y.Zone).YearDay() }
	for from := 0; from < len(y.Slots); {
		to := from
		var prices []float64
		for ; to < len(y.Slots) && day(to) == day(from); to++ {
			prices = append(prices, y.Slots[to].Import)
		}
		above, worth := tariff.ExpensiveAbove(prices)
		for i := from; i < to; i++ {
			y.Slots[i].Expensive = worth && y.Slots[i].Import > above
		}
		from = to
	}
}

// A Policy decides the reserve at the beginning of slot t, in percent, given what is
// stored then.
type Policy func(t int, storedKWh float64) (reserve int)

// A Result is the result of a policy over a year.
type Result struct {
	Bill            float64 `json:"bill"`
	ExpensiveImport float64 `json:"expensive_import_kwh"`
	Import          float64 `json:"import_kwh"`
	Export          float64 `json:"export_kwh"`
	Cycles          float64 `json:"cycles"`         // what went out, in times of the capacity
	WritesADay      float64 `json:"writes_per_day"` // changes of the reserve
	Days            float64 `json:"days"`           // that were counted
	StoredKWh       float64 `json:"stored_kwh"`     // more at the end than at the beginning
	Daily           []Day   `json:"-"`
}

// A Day is the result of a policy over a local day.
type Day struct {
	Date            time.Time // its midnight
	Bill            float64
	Import          float64 // kWh
	ExpensiveImport float64
	Export          float64
	StoredKWh       float64 // more at its end than at its beginning
}

// SlotOutcome is the result of a policy in one slot.
type SlotOutcome struct {
	Slot
	Reserve   int     // asked for, percent
	Charging  bool    // it took power from the grid to fill
	StoredKWh float64 // at the end
	Flow      battery.Flow
}

// Live replays the year under a policy. The battery is half full at the first slot, and
// set to half full again at the first one that counts: otherwise whatever a policy
// happened to leave from the days before would be in its bill. each is called for every
// slot that counts; nil: it is not called.
func (y Year) Live(m battery.Model, p Policy, each func(SlotOutcome)) Result {
	var r Result
	step := m.Over(Step)
	begin := m.CapacityKWh / 2
	stored, reserve, discharged, slots := begin, -1, 0.0, 0
	var midnight time.Time // the next one
	for t := range y.Slots {
		s := y.Slots[t]
		if t == y.Start {
			stored = begin
		}
		was := reserve
		reserve = p(t, stored)
		if !s.Known {
			continue
		}
		before := stored
		var f battery.Flow
		stored, f = step.Step(stored, float64(reserve)/100*m.CapacityKWh, s.LoadKWh-s.SunKWh)
		if t < y.Start {
			continue
		}
		slots++
		if reserve != was && was >= 0 { // the first one is no change
			r.WritesADay++
		}
		if !s.Start.Before(midnight) {
			local := s.Start.In(y.Zone)
			today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, y.Zone)
			midnight = today.AddDate(0, 0, 1)
			r.Daily = append(r.Daily, Day{Date: today})
		}
		r.Daily[len(r.Daily)-1].add(s, f, stored-before)
		discharged += f.Out
		if each != nil {
			each(SlotOutcome{s, reserve, f.In > 0 && f.GridIn > 1e-9, stored, f})
		}
	}
	for _, d := range r.Daily {
		r.Bill += d.Bill
		r.Import += d.Import
		r.Export += d.Export
		r.ExpensiveImport += d.ExpensiveImport
	}
	r.Days = float64(slots) * Step.Hours() / 24
	r.WritesADay /= r.Days
	r.StoredKWh = stored - begin
	if m.CapacityKWh > 0 {
		r.Cycles = discharged / m.CapacityKWh
	}
	return r
}

func (d *Day) add(s Slot, f battery.Flow, stored float64) {
	d.Bill += f.GridIn*s.Import - f.GridOut*s.Export
	d.Import += f.GridIn
	d.Export += f.GridOut
	d.StoredKWh += stored
	if s.Expensive {
		d.ExpensiveImport += f.GridIn
	}
}

// Package whatif lives a home's past again: the same load, sun and prices with
// another battery or another way to steer it. What it finds is what a year
// would have cost.
package whatif

import (
	"errors"
	"fmt"
	"time"

	"powermgr/control/battery"
	"powermgr/control/history"
)

// Step is the length of the slots that a year is lived in.
const Step = 15 * time.Minute

// Learning is how much of the past only teaches the forecasts. It counts for
// no policy, so that all are compared over the same time.
const Learning = 7 * 24 * time.Hour

// A Slot is a stretch of the past: what was measured, and what energy cost per
// kWh.
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

// A Year is what a home lived through, a year of it or less.
type Year struct {
	Zone  *time.Location
	Free  func(day time.Time) bool // no working day
	Slots []Slot                   // each Step long, none missing
	Start int                      // the first slot that counts
}

// NewYear makes a series of any length of slot a Year. price tells what energy
// costs and which hours are expensive, for slots whose own prices are not
// known; nil: the series has them all.
func NewYear(s history.Series, free func(day time.Time) bool, price func(at time.Time) (in, out float64, expensive bool)) (Year, error) {
	var err error
	if s.Length > Step {
		s, err = s.Split(Step)
	} else if s.Length < Step {
		s, err = s.Merge(Step)
	}
	if err != nil {
		return Year{}, err
	}
	y := Year{Zone: s.Zone, Free: free, Start: int(Learning / Step)}
	for _, h := range s.Slots {
		slot := Slot{Start: h.Start, Known: h.LoadKWh != nil, OutdoorC: h.OutdoorC}
		if slot.Known {
			slot.LoadKWh = *h.LoadKWh
		}
		if h.SunKWh != nil {
			slot.SunKWh = *h.SunKWh
		}
		switch {
		case price != nil:
			slot.Import, slot.Export, slot.Expensive = price(h.Start)
		case h.Import != nil:
			slot.Import = *h.Import
			if h.Export != nil {
				slot.Export = *h.Export
			}
		case slot.Known:
			return Year{}, fmt.Errorf("there is no price at %s: give a tariff", h.Start.In(s.Zone).Format("2006-01-02 15:04"))
		}
		y.Slots = append(y.Slots, slot)
	}
	if price == nil {
		y.markExpensive()
	}
	if len(y.Slots) <= y.Start {
		return Year{}, errors.New("it has seven days or less: the first seven days only teach the forecasts")
	}
	return y, nil
}

// worthwhile is by how much the highest price of a day has to exceed its
// lowest for it to have expensive hours.
const worthwhile = 1.25

// markExpensive calls those hours of each day expensive whose price is in the
// upper half of that day's.
func (y *Year) markExpensive() {
	day := func(i int) int { return y.Slots[i].Start.In(y.Zone).YearDay() }
	for from := 0; from < len(y.Slots); {
		to, low, high := from, y.Slots[from].Import, y.Slots[from].Import
		for ; to < len(y.Slots) && day(to) == day(from); to++ {
			low, high = min(low, y.Slots[to].Import), max(high, y.Slots[to].Import)
		}
		for i := from; i < to; i++ {
			y.Slots[i].Expensive = high > worthwhile*low && y.Slots[i].Import > (low+high)/2
		}
		from = to
	}
}

// A Policy decides the reserve at the beginning of slot t, in percent, with
// what is stored then.
type Policy func(t int, storedKWh float64) (reserve int)

// A Result is what a policy made of a year.
type Result struct {
	Bill            float64 `json:"bill"`
	ExpensiveImport float64 `json:"expensive_import_kwh"`
	Import          float64 `json:"import_kwh"`
	Export          float64 `json:"export_kwh"`
	Cycles          float64 `json:"cycles"`         // what went out, in times of the capacity
	WritesADay      float64 `json:"writes_per_day"` // changes of the reserve
	Days            float64 `json:"days"`           // that were counted
	StoredKWh       float64 `json:"stored_kwh"`     // more at the end than at the beginning
}

// Lived is what a slot came to under a policy.
type Lived struct {
	Slot
	Reserve   int     // asked for, percent
	Charging  bool    // it took power from the grid to fill
	StoredKWh float64 // at the end
	Flow      battery.Flow
}

// Live lets a battery that is half full live the year under a policy. each is
// told of every slot that counts; nil: nobody is.
func (y Year) Live(m battery.Model, p Policy, each func(Lived)) Result {
	var r Result
	step := m.Over(Step)
	stored := m.CapacityKWh / 2
	begin, reserve, discharged, slots := stored, -1, 0.0, 0
	for t := range y.Slots {
		s := y.Slots[t]
		was := reserve
		reserve = p(t, stored)
		if !s.Known {
			continue
		}
		var f battery.Flow
		stored, f = step.Step(stored, float64(reserve)/100*m.CapacityKWh, s.LoadKWh-s.SunKWh)
		if t < y.Start {
			begin = stored
			continue
		}
		slots++
		if reserve != was {
			r.WritesADay++
		}
		r.Bill += f.GridIn*s.Import - f.GridOut*s.Export
		r.Import += f.GridIn
		r.Export += f.GridOut
		discharged += f.Out
		if s.Expensive {
			r.ExpensiveImport += f.GridIn
		}
		if each != nil {
			each(Lived{s, reserve, f.In > 0 && f.GridIn > 1e-9, stored, f})
		}
	}
	r.Days = float64(slots) * Step.Hours() / 24
	r.WritesADay /= r.Days
	r.StoredKWh = stored - begin
	if m.CapacityKWh > 0 {
		r.Cycles = discharged / m.CapacityKWh
	}
	return r
}

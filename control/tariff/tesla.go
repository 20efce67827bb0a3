package tariff

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"powermgr/control/rules"
)

// The tariff that the owner has set in the Tesla app: tariff_content_v2 of site_info, or
// the older tariff_content. Prices are by season and period
// (energy_charges.<season>.rates.<period>), periods are windows of a season
// (seasons.<season>.tou_periods.<period>.periods), and sell_tariff has the same for
// exported energy. Zero values are left out, the week begins with Monday, and months,
// weekdays and hours may wrap around.

// FromTesla parses such a tariff. The notices say what it leaves open.
func FromTesla(content []byte, zone *time.Location) (t Table, notices []string, err error) {
	var c teslaTariff
	if err := json.Unmarshal(content, &c); err != nil {
		return Table{}, nil, fmt.Errorf("it is not a tariff in the format of Tesla: %w", err)
	}
	if len(c.Seasons) == 0 && len(c.Charges) == 0 {
		return Table{}, nil, errors.New("no tariff is set in Tesla's app")
	}
	t = Table{Zone: zone, Currency: c.Currency}
	t.Rates, notices = c.rates()
	if len(t.Rates) == 0 {
		return Table{}, notices, errors.New("the tariff has no hours with a price")
	}
	if c.Sell != nil && (len(c.Sell.Seasons) > 0 || len(c.Sell.Charges) > 0) {
		var more []string
		t.Exports, more = c.Sell.rates()
		for _, n := range more {
			notices = append(notices, "sell_tariff: "+n)
		}
	}
	return t, notices, nil
}

type teslaTariff struct {
	Currency string                     `json:"currency"`
	Charges  map[string]json.RawMessage `json:"energy_charges"`
	Seasons  map[string]teslaSeason     `json:"seasons"`
	Sell     *teslaTariff               `json:"sell_tariff"`
}

type teslaSeason struct {
	FromDay, FromMonth, ToDay, ToMonth int
	Periods                            map[string]teslaPeriods `json:"tou_periods"`
}

// teslaPeriods are a list: directly, in the older form, or in "periods".
type teslaPeriods []teslaPeriod

func (p *teslaPeriods) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(b)), "[") {
		return json.Unmarshal(b, (*[]teslaPeriod)(p))
	}
	var in struct{ Periods []teslaPeriod }
	err := json.Unmarshal(b, &in)
	*p = in.Periods
	return err
}

type teslaPeriod struct {
	FromDayOfWeek, ToDayOfWeek             *int
	FromHour, FromMinute, ToHour, ToMinute int
}

// wrong reports whether p has days or hours that do not exist.
func (p teslaPeriod) wrong() bool {
	outside := func(v, most int) bool { return v < 0 || v > most }
	day := func(d *int) bool { return d != nil && outside(*d, 6) }
	return day(p.FromDayOfWeek) || day(p.ToDayOfWeek) || outside(p.FromHour, 23) || outside(p.ToHour, 24) || outside(p.FromMinute, 59) || outside(p.ToMinute, 59)
}

// A reading is an interpretation of what the format leaves open. The one used is that in
// which a week has the fewest minutes without a price or with two.
type reading struct {
	lastSunday bool // a last day of the week that is left out means Sunday; otherwise it means 0, which is Monday
	sameDay    bool // 21:00–07:00 means the morning and the night of each of its days; otherwise it continues into the next day
}

var readings = []reading{{sameDay: true}, {}, {lastSunday: true, sameDay: true}, {lastSunday: true}}

// spans returns the windows of a day; if from and to are the same, it is the whole day.
func (p teslaPeriod) spans(read reading) []rules.Span {
	s := rules.Span{Start: p.FromHour*60 + p.FromMinute, End: p.ToHour*60 + p.ToMinute}
	if s.End == 0 {
		s.End = minutesPerDay
	}
	switch {
	case s.Start < s.End:
		return []rules.Span{s}
	case read.sameDay:
		return []rules.Span{{End: s.End}, {Start: s.Start, End: minutesPerDay}}
	}
	s.End += minutesPerDay
	return []rules.Span{s}
}

// weekdays returns the days of the week of a period.
func (p teslaPeriod) weekdays(read reading) (days []time.Weekday) {
	from, to := 0, 0
	if p.FromDayOfWeek != nil {
		from = *p.FromDayOfWeek
	}
	switch {
	case p.ToDayOfWeek != nil:
		to = *p.ToDayOfWeek
	case read.lastSunday:
		to = 6
	}
	for d := from; ; d++ {
		days = append(days, time.Weekday((d+1)%7)) // Go's week begins with Sunday
		if d%7 == to || len(days) == 7 {
			return days
		}
	}
}

// days returns the part of the year that a season covers. If all fields are left out,
// that is the whole year.
func (s teslaSeason) days() (rules.Days, error) {
	or := func(v, usual int) int {
		if v == 0 {
			return usual
		}
		return v
	}
	fromMonth, toMonth := or(s.FromMonth, 1), or(s.ToMonth, 12)
	from, to := or(s.FromDay, 1), or(s.ToDay, 31)
	for _, v := range [][2]int{{fromMonth, 12}, {toMonth, 12}, {from, 31}, {to, 31}} {
		if v[0] < 1 || v[0] > v[1] {
			return rules.Days{}, fmt.Errorf("from %d-%d to %d-%d is not a part of a year", fromMonth, from, toMonth, to)
		}
	}
	return rules.Days{From: rules.YearDay(fromMonth*100 + from), To: rules.YearDay(toMonth*100 + to)}, nil
}

// price returns what a kWh costs in a period of a season: 0 if it is left out of a season
// that has prices, and the price of ALL if the season has none.
func (t teslaTariff) price(season, period string) (float64, error) {
	for _, name := range []string{season, "ALL"} {
		var of struct {
			Rates map[string]float64 `json:"rates"`
		}
		raw, ok := t.Charges[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, &of); err != nil {
			return 0, fmt.Errorf("energy_charges.%s: %w", name, err)
		}
		if of.Rates == nil { // the older form has them directly
			_ = json.Unmarshal(raw, &of.Rates) // or has none
		}
		if v, ok := of.Rates[period]; ok {
			return v, nil
		}
		if v, ok := of.Rates["ALL"]; ok {
			return v, nil
		}
		if len(of.Rates) > 0 {
			return 0, nil
		}
	}
	return 0, nil
}

// teslaPeak begins the names of the periods that Tesla considers expensive.
const teslaPeak = "ON_PEAK"

// rates returns the rates of the tariff.
func (t teslaTariff) rates() (rates []Rate, notices []string) {
	seasons := t.Seasons
	if !slices.ContainsFunc(slices.Collect(maps.Values(seasons)), func(s teslaSeason) bool { return len(s.Periods) > 0 }) {
		seasons = map[string]teslaSeason{"ALL": {Periods: map[string]teslaPeriods{"ALL": {{ToDayOfWeek: new(6)}}}}}
	}
	covered := map[rules.YearDay]bool{}
	for _, name := range slices.Sorted(maps.Keys(seasons)) {
		s := seasons[name]
		if len(s.Periods) == 0 {
			continue // Tesla leaves a season without periods empty
		}
		part, err := s.days()
		if err != nil {
			notices = append(notices, fmt.Sprintf("season %s is left out: %v", name, err))
			continue
		}
		for _, d := range daysOfYear() {
			covered[d.YearDay()] = covered[d.YearDay()] || part.InSeason(d)
		}
		of, more := t.season(name, s, part)
		rates, notices = append(rates, of...), append(notices, more...)
	}
	if missing := slices.DeleteFunc(daysOfYear(), func(d rules.Date) bool { return covered[d.YearDay()] }); len(missing) > 0 && len(rates) > 0 {
		notices = append(notices, fmt.Sprintf("no season has %s and %d other days of the year", missing[0].YearDay(), len(missing)-1))
	}
	return rates, notices
}

// season returns the rates of one season.
func (t teslaTariff) season(name string, s teslaSeason, part rules.Days) (rates []Rate, notices []string) {
	prices := map[string]float64{}
	for _, period := range slices.Sorted(maps.Keys(s.Periods)) {
		price, err := t.price(name, period)
		if err != nil {
			notices = append(notices, err.Error())
		}
		prices[period] = price
	}
	for period, all := range s.Periods {
		if slices.ContainsFunc(all, teslaPeriod.wrong) {
			return nil, append(notices, fmt.Sprintf("season %s is left out: a period of %s is not a part of a week", name, period))
		}
	}
	holes, doubles := 0, 0
	for _, read := range readings {
		other := s.rates(name, prices, part, read)
		if h, d := weekOf(other); rates == nil || h+d < holes+doubles {
			rates, holes, doubles = other, h, d
		}
	}
	if holes > 0 {
		notices = append(notices, fmt.Sprintf("season %s has no price for %s of a week", name, minutes(holes)))
	}
	if doubles > 0 {
		notices = append(notices, fmt.Sprintf("season %s has two prices for %s of a week: the higher one counts", name, minutes(doubles)))
	}
	if !slices.ContainsFunc(rates, func(r Rate) bool { return r.Peak }) {
		markPeaks(rates)
	}
	return rates, notices
}

// rates returns the rates of a season with the prices of its periods, on the days of
// part, according to one reading of its hours.
func (s teslaSeason) rates(name string, prices map[string]float64, part rules.Days, read reading) (all []Rate) {
	for _, period := range slices.Sorted(maps.Keys(s.Periods)) {
		for _, p := range s.Periods[period] {
			days := part
			days.Weekdays = p.weekdays(read)
			for _, span := range p.spans(read) {
				r := Rate{Name: name + " " + period, Import: prices[period], Days: days, Holidays: IgnoreHolidays, Span: span, Peak: strings.HasPrefix(period, teslaPeak)}
				r.Precool = r.Peak
				all = append(all, r)
			}
		}
	}
	// Where windows overlap, the more expensive one counts.
	slices.SortStableFunc(all, func(a, b Rate) int { return cmp.Compare(b.Import, a.Import) })
	return all
}

func minutes(n int) string {
	if n%60 == 0 {
		return fmt.Sprintf("%d hours", n/60)
	}
	return fmt.Sprintf("%d minutes", n)
}

// weekOf counts the minutes of a week that no rate covers, and those that several cover.
func weekOf(rates []Rate) (holes, doubles int) {
	var count [7 * minutesPerDay]int
	for _, r := range rates {
		for _, w := range r.Days.Weekdays {
			for m := r.Span.Start; m < r.Span.End; m++ {
				count[(int(w)*minutesPerDay+m)%len(count)]++
			}
		}
	}
	for _, n := range count {
		switch {
		case n == 0:
			holes++
		case n > 1:
			doubles++
		}
	}
	return holes, doubles
}

// markPeaks marks rates as expensive by their prices alone.
func markPeaks(rates []Rate) {
	prices := make([]float64, len(rates))
	for i, r := range rates {
		prices[i] = r.Import
	}
	if above, ok := ExpensiveAbove(prices); ok {
		for i := range rates {
			rates[i].Peak = rates[i].Import > above
			rates[i].Precool = rates[i].Peak
		}
	}
}

// daysOfYear returns the days of a leap year.
func daysOfYear() (days []rules.Date) {
	for d := (rules.Date{Year: 2000, Month: time.January, Day: 1}); d.Year == 2000; d = d.Add(1) {
		days = append(days, d)
	}
	return days
}

package tariff

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/control/rules"
)

// A Part is a part of the year in which all weeks have the same prices.
type Part struct {
	Days  string // "June 1–September 30", "all year"
	Kinds []Kind
}

// A Kind is a group of weekdays that have the same prices.
type Kind struct {
	Days   string // "Monday to Friday", "holidays"
	Prices []string
}

// Week describes the week in each part of the year.
func (t Table) Week() []Part {
	type stretch struct {
		from, to rules.Date
		kinds    []Kind
	}
	var all []stretch
	for _, d := range daysOfYear() {
		kinds := t.kinds(d)
		if n := len(all); n > 0 && sameKinds(all[n-1].kinds, kinds) {
			all[n-1].to = d
			continue
		}
		all = append(all, stretch{d, d, kinds})
	}
	// A part may continue across the turn of the year.
	if n := len(all); n > 1 && sameKinds(all[0].kinds, all[n-1].kinds) {
		all[n-1].to = all[0].to
		all = all[1:]
	}
	var parts []Part
	day := func(d rules.Date) string { return fmt.Sprintf("%s %d", d.Month, d.Day) }
	for _, s := range all {
		name := day(s.from) + "–" + day(s.to)
		if len(all) == 1 {
			name = "all year"
		}
		parts = append(parts, Part{name, s.kinds})
	}
	return parts
}

// kinds groups the days of a week around a date by their prices, from Monday.
func (t Table) kinds(d rules.Date) (kinds []Kind) {
	type group struct {
		days    []time.Weekday
		holiday bool
		prices  []string
	}
	var all []group
	is := func(holiday bool) func() bool { return func() bool { return holiday } }
	like := func(prices []string) int {
		return slices.IndexFunc(all, func(g group) bool { return slices.Equal(g.prices, prices) })
	}
	for n := range 7 {
		w := time.Weekday((n + 1) % 7)
		prices := t.words(t.pieces(dayKind{d, (w + 6) % 7, is(false)}, dayKind{d, w, is(false)}))
		if i := like(prices); i >= 0 {
			all[i].days = append(all[i].days, w)
		} else {
			all = append(all, group{days: []time.Weekday{w}, prices: prices})
		}
	}
	if t.Holidays != nil {
		const usual = time.Wednesday // the weekday that a holiday is assumed to fall on
		prices := t.words(t.pieces(dayKind{d, usual - 1, is(false)}, dayKind{d, usual, is(true)}))
		switch i := like(prices); {
		case i < 0:
			all = append(all, group{holiday: true, prices: prices})
		case !slices.Contains(all[i].days, usual):
			all[i].holiday = true
		}
	}
	for _, g := range all {
		name := weekdayNames(g.days)
		switch {
		case g.holiday && name == "":
			name = "holidays"
		case g.holiday:
			name += " and holidays"
		}
		kinds = append(kinds, Kind{name, g.prices})
	}
	return kinds
}

func sameKinds(a, b []Kind) bool {
	return slices.EqualFunc(a, b, func(x, y Kind) bool { return x.Days == y.Days && slices.Equal(x.Prices, y.Prices) })
}

// NoPrice ends the text for hours that no rate covers.
const NoPrice = "no price"

// words describes what a day costs, hour by hour.
func (t Table) words(pieces []piece) (words []string) {
	clock := func(m int) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }
	last := 0
	none := func(until int) {
		if last < until {
			words = append(words, fmt.Sprintf("%s–%s %s", clock(last), clock(until), NoPrice))
		}
	}
	for _, p := range pieces {
		none(p.Start)
		text := fmt.Sprintf("%s–%s %s %s", clock(p.Start), clock(p.End), p.price.Name, t.Money(p.price.Import))
		if p.price.Export != 0 {
			text += ", pays " + t.Money(p.price.Export)
		}
		if p.price.Peak {
			text += " (expensive)"
		}
		words, last = append(words, strings.ReplaceAll(text, "  ", " ")), p.End
	}
	none(minutesPerDay)
	return words
}

// Money formats an amount: $0.54, 0.54 EUR.
func (t Table) Money(v float64) string {
	text := fmt.Sprintf("%.4f", v)
	for strings.HasSuffix(text, "0") && len(text)-strings.Index(text, ".") > 3 {
		text = text[:len(text)-1]
	}
	if len([]rune(t.Currency)) < 2 {
		return t.Currency + text
	}
	return text + " " + strings.ToUpper(t.Currency)
}

// Amount formats an amount of a bill: $214.03, 214.03 EUR.
func (t Table) Amount(v float64) string {
	if len([]rune(t.Currency)) < 2 {
		return t.Currency + fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2f %s", v, strings.ToUpper(t.Currency))
}

// weekdayNames formats "Monday to Friday", "Saturday and Sunday".
func weekdayNames(days []time.Weekday) string {
	if len(days) == 7 {
		return "every day"
	}
	var names []string
	for _, d := range days {
		names = append(names, d.String())
	}
	last := len(names) - 1
	switch {
	case last < 1:
		return strings.Join(names, "")
	case last > 1 && (days[last]-days[0]+7)%7 == time.Weekday(last):
		return names[0] + " to " + names[last]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

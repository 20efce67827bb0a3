package tariff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"powermgr/control/rules"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return z
}

var (
	working = []time.Weekday{1, 2, 3, 4, 5}
	weekend = []time.Weekday{0, 6}
)

// the4th makes July 3, 2026 a holiday, a Friday.
type the4th struct{}

func (the4th) Has(d rules.Date) bool { return d == rules.Date{Year: 2026, Month: time.July, Day: 3} }

// summery has a peak on working days from June to September, a cheap night across
// midnight, and a price for everything else.
func summery(t *testing.T) Table {
	return Table{Zone: zone(t, "America/Los_Angeles"), Currency: "$", Holidays: the4th{}, Rates: []Rate{
		{Name: "peak", Import: 0.54, Export: 0.08, Days: rules.Days{From: 601, To: 930, Weekdays: working}, Span: rules.Span{Start: 960, End: 1260}, Peak: true},
		{Name: "night", Import: 0.15, Days: rules.Days{Weekdays: working}, Span: rules.Span{Start: 1380, End: 1800}},
		{Name: "week-end", Import: 0.20, Days: rules.Days{Weekdays: weekend}},
		{Name: "rest", Import: 0.25, Export: 0.03},
	}}
}

func TestTheFirstRateThatHoldsCounts(t *testing.T) {
	for _, row := range []struct{ name, at, want string }{
		{"a working day's peak", "2026-07-15 16:00", "peak 0.54 0.08 true"},
		{"its end is exclusive", "2026-07-15 21:00", "rest 0.25 0.03 false"},
		{"before the season", "2026-05-29 17:00", "rest 0.25 0.03 false"},
		{"the season's first day", "2026-06-01 17:00", "peak 0.54 0.08 true"},
		{"the season's last day", "2026-09-30 20:59", "peak 0.54 0.08 true"},
		{"the day after", "2026-10-01 17:00", "rest 0.25 0.03 false"},
		{"a night", "2026-07-15 23:30", "night 0.15 0 false"},
		{"goes on over midnight", "2026-07-16 05:59", "night 0.15 0 false"},
		{"until its end", "2026-07-16 06:00", "rest 0.25 0.03 false"},
		{"Friday's night reaches into Saturday", "2026-07-18 03:00", "night 0.15 0 false"},
		{"and the week-end goes on from there", "2026-07-18 06:00", "week-end 0.2 0 false"},
		{"Sunday's night is none", "2026-07-20 03:00", "rest 0.25 0.03 false"},
		{"a holiday is like a Sunday", "2026-07-03 17:00", "week-end 0.2 0 false"},
		{"the night before it reaches into it", "2026-07-03 03:00", "night 0.15 0 false"},
		{"and none begins on it", "2026-07-03 23:30", "week-end 0.2 0 false"},
	} {
		t.Run(row.name, func(t *testing.T) {
			table := summery(t)
			at, err := time.ParseInLocation("2006-01-02 15:04", row.at, table.Zone)
			if err != nil {
				t.Fatal(err)
			}
			p, _ := table.At(at)
			if got := fmt.Sprint(p.Name, " ", p.Import, p.Export, p.Peak); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestHolidaysAreWhatARateSays(t *testing.T) {
	holiday := time.Date(2026, 7, 3, 12, 0, 0, 0, zone(t, "America/Los_Angeles"))
	for _, row := range []struct {
		name string
		rate Rate
		want bool
	}{
		{"working days are none", Rate{Days: rules.Days{Weekdays: working}}, false},
		{"like a Sunday", Rate{Days: rules.Days{Weekdays: weekend}}, true},
		{"a rate for every day", Rate{}, true},
		{"for every day but holidays", Rate{Holidays: NeverHolidays}, false},
		{"for Saturdays and holidays", Rate{Days: rules.Days{Weekdays: []time.Weekday{6}}, Holidays: AlsoHolidays}, true},
		{"for no other day", Rate{Holidays: OnlyHolidays}, true},
		{"the day of the week alone", Rate{Days: rules.Days{Weekdays: working}, Holidays: IgnoreHolidays}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, ok := (Table{Zone: holiday.Location(), Holidays: the4th{}, Rates: []Rate{row.rate}}).At(holiday); ok != row.want {
				t.Errorf("it holds: %v, want %v", ok, row.want)
			}
		})
	}
}

// drawn returns a table with overlapping rates of every kind.
func drawn(rnd *rand.Rand, z *time.Location) Table {
	t := Table{Zone: z, Holidays: the4th{}}
	for i := range 2 + rnd.IntN(5) {
		r := Rate{Name: fmt.Sprint(i), Import: float64(i), Peak: rnd.IntN(2) == 0, Holidays: HolidayMatch(rnd.IntN(5))}
		if start, length := 15*rnd.IntN(96), 15+15*rnd.IntN(80); rnd.IntN(4) > 0 {
			r.Span = rules.Span{Start: start, End: start + length}
		}
		for w := range time.Weekday(7) {
			if rnd.IntN(2) == 0 {
				r.Days.Weekdays = append(r.Days.Weekdays, w)
			}
		}
		t.Rates = append(t.Rates, r)
	}
	return t
}

// Across days on which the clock changes, including at midnight, minute by minute.
func TestPricesSlotsAndWindowsAgreeOverChangesOfClocks(t *testing.T) {
	for _, c := range []struct{ zone, day string }{
		{"America/Los_Angeles", "2026-03-08"}, {"America/Los_Angeles", "2026-11-01"},
		{"Australia/Lord_Howe", "2026-04-05"}, {"Australia/Lord_Howe", "2026-10-04"},
		{"America/Santiago", "2026-04-05"}, {"America/Santiago", "2026-09-06"},
		{"America/Havana", "2026-11-01"}, {"Asia/Kolkata", "2026-07-03"},
	} {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			z := zone(t, c.zone)
			noon, _ := time.ParseInLocation("2006-01-02 15:04", c.day+" 12:00", z)
			rnd := rand.New(rand.NewPCG(1, 2))
			for range 8 {
				table := drawn(rnd, z)
				cal, reader := table.Calendar(0), table.Reader()
				from, until := noon.Add(-36*time.Hour), noon.Add(36*time.Hour)
				bySlot := map[time.Time]string{}
				last := from
				for s := range table.Slots(from, until) {
					if !s.Start.Equal(last) || !s.Start.Before(s.End) {
						t.Fatalf("a slot %s–%s after %s", s.Start, s.End, last)
					}
					last = s.End
					for m := s.Start; m.Before(s.End); m = m.Add(time.Minute) {
						bySlot[m] = fmt.Sprint(s.Price, s.Known)
					}
				}
				if !last.Equal(until) {
					t.Fatalf("the slots end at %s", last)
				}
				peak, more := cal.Next(from)
				for m := from; m.Before(until); m = m.Add(time.Minute) {
					p, ok := reader.At(m)
					if got := fmt.Sprint(p, ok); got != bySlot[m] {
						t.Fatalf("%s: %s, its slot has %s\n%+v", m.In(z), got, bySlot[m], table.Rates)
					}
					if more && !m.Before(peak.End) {
						peak, more = cal.Next(m)
					}
					if in := more && !m.Before(peak.Start); in != (ok && p.Peak) {
						t.Fatalf("%s: price %v, the calendar's peak is %v: %+v\n%+v", m.In(z), p, in, peak, table.Rates)
					}
				}
			}
		})
	}
}

func TestAPriceWithoutARateIsUnknown(t *testing.T) {
	table := Table{Zone: time.UTC, Rates: []Rate{{Import: 1, Span: rules.Span{Start: 60, End: 120}}}}
	noon := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	if p, ok := table.At(noon); ok {
		t.Errorf("%+v", p)
	}
	var got []string
	for s := range table.Slots(noon, noon.Add(24*time.Hour)) {
		got = append(got, fmt.Sprint(s.Start.Hour(), "-", s.End.Hour(), s.Known))
	}
	if want := "12-1 false 1-2 true 2-12 false"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}

func BenchmarkAYearOfQuarterHours(b *testing.B) {
	table := Table{Zone: time.UTC, Rates: []Rate{{Days: rules.Days{Weekdays: working}, Span: rules.Span{Start: 960, End: 1260}, Peak: true}, {Import: 0.2}}}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for range b.N {
		r := table.Reader()
		for q := range 365 * 96 {
			r.At(from.Add(time.Duration(q) * 15 * time.Minute))
		}
	}
}

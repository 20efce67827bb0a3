package tariff

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A tariff as the app writes it: winter wraps around the turn of the year, the weekend
// around Sunday, the night around midnight, and zeros are left out.
const fromApp = `{"version":1,"name":"TOU-D","currency":"USD","utility":"SCE","daily_charges":[{"name":"Charge"}],
 "energy_charges":{"ALL":{"rates":{"ALL":0}},"Summer":{"rates":{"ON_PEAK":0.54,"OFF_PEAK":0.23}},"Winter":{"rates":{"OFF_PEAK":0.2}}},
 "seasons":{
  "Summer":{"fromDay":1,"fromMonth":6,"toDay":30,"toMonth":9,"tou_periods":{
    "ON_PEAK":{"periods":[{"toDayOfWeek":4,"fromHour":16,"toHour":21}]},
    "OFF_PEAK":{"periods":[{"toDayOfWeek":4,"fromHour":21,"toHour":16},{"fromDayOfWeek":5,"toDayOfWeek":6}]}}},
  "Winter":{"fromDay":1,"fromMonth":10,"toDay":31,"toMonth":5,"tou_periods":{
    "SUPER_OFF_PEAK":{"periods":[{"toDayOfWeek":6,"fromHour":8,"fromMinute":30,"toHour":16}]},
    "OFF_PEAK":{"periods":[{"toDayOfWeek":6,"fromHour":16,"toHour":8,"toMinute":30}]}}},
  "Spring":{}},
 "sell_tariff":{"energy_charges":{"ALL":{"rates":{"ALL":0.05}}},"seasons":{"Summer":{"toMonth":12,"tou_periods":{"ALL":{"periods":[{"toDayOfWeek":6}]}}}}}}`

func TestTeslasTariff(t *testing.T) {
	one := func(season, charges string) string {
		return fmt.Sprintf(`{"currency":"EUR","energy_charges":{"S":{"rates":%s}},"seasons":{"S":%s}}`, charges, season)
	}
	for _, row := range []struct{ name, content, at, want string }{
		{"the peak of a working day", fromApp, "2026-07-15 16:00", "Summer ON_PEAK 0.54 0.05 true"},
		{"Monday is the day that is left out", fromApp, "2026-07-13 17:00", "Summer ON_PEAK 0.54 0.05 true"},
		{"Saturday has none", fromApp, "2026-07-18 17:00", "Summer OFF_PEAK 0.23 0.05 false"},
		{"the night goes on over midnight", fromApp, "2026-07-15 03:00", "Summer OFF_PEAK 0.23 0.05 false"},
		{"the last night of summer", fromApp, "2026-10-01 03:00", "Winter OFF_PEAK 0.2 0.05 true"},
		{"a night from Sunday to Thursday goes on into the next day", one(`{"tou_periods":{"ON_PEAK":{"periods":[{"fromDayOfWeek":6,"toDayOfWeek":3,"fromHour":21,"toHour":7}]},"OFF_PEAK":{"periods":[{"fromDayOfWeek":0,"toDayOfWeek":3,"fromHour":7,"toHour":21},{"fromDayOfWeek":4,"toDayOfWeek":4,"fromHour":7},{"fromDayOfWeek":5,"toDayOfWeek":5},{"fromDayOfWeek":6,"toDayOfWeek":6,"toHour":21}]}}}`, `{"ON_PEAK":2,"OFF_PEAK":1}`), "2026-07-17 03:00", "S ON_PEAK 2 0 true"},
		{"Monday has its morning though Sunday has another price", fromApp, "2026-07-13 03:00", "Summer OFF_PEAK 0.23 0.05 false"},
		{"winter goes over the turn of the year", fromApp, "2026-01-14 03:00", "Winter OFF_PEAK 0.2 0.05 true"},
		{"a price of zero is left out", fromApp, "2026-01-14 08:30", "Winter SUPER_OFF_PEAK 0 0.05 false"},
		{"weekdays wrap around Sunday", one(`{"toMonth":12,"tou_periods":{"ON_PEAK":{"periods":[{"fromDayOfWeek":4,"toDayOfWeek":1}]},"OFF_PEAK":{"periods":[{"fromDayOfWeek":2,"toDayOfWeek":3}]}}}`, `{"ON_PEAK":2,"OFF_PEAK":1}`), "2026-07-20 12:00", "S ON_PEAK 2 0 true"},
		{"and the others are outside", one(`{"toMonth":12,"tou_periods":{"ON_PEAK":{"periods":[{"fromDayOfWeek":4,"toDayOfWeek":1}]},"OFF_PEAK":{"periods":[{"fromDayOfWeek":2,"toDayOfWeek":3}]}}}`, `{"ON_PEAK":2,"OFF_PEAK":1}`), "2026-07-15 12:00", "S OFF_PEAK 1 0 false"},
		{"a last day that is left out is Monday", one(`{"tou_periods":{"ON_PEAK":{"periods":[{"fromDayOfWeek":5}]},"OFF_PEAK":{"periods":[{"fromDayOfWeek":1,"toDayOfWeek":4}]}}}`, `{"ON_PEAK":2,"OFF_PEAK":1}`), "2026-07-20 12:00", "S ON_PEAK 2 0 true"},
		{"or Sunday, if only that makes a week", one(`{"tou_periods":{"ON_PEAK":{"periods":[{"fromHour":16,"toHour":21}]},"OFF_PEAK":{"periods":[{"fromHour":21,"toHour":16}]}}}`, `{"ON_PEAK":2,"OFF_PEAK":1}`), "2026-07-15 17:00", "S ON_PEAK 2 0 true"},
		{"periods as a list, prices without rates", `{"energy_charges":{"S":{"A":1,"B":3}},"seasons":{"S":{"fromMonth":1,"toMonth":12,"tou_periods":{"A":[{"toDayOfWeek":6,"toHour":12}],"B":[{"toDayOfWeek":6,"fromHour":12}]}}}}`, "2026-07-15 17:00", "S B 3 0 true"},
		{"one price for all", `{"energy_charges":{"ALL":{"rates":{"ALL":0.31}}},"seasons":{"Summer":{},"Winter":{}}}`, "2026-07-15 17:00", "ALL ALL 0.31 0 false"},
		{"February 29", fromApp, "2028-02-29 17:00", "Winter OFF_PEAK 0.2 0.05 true"},
	} {
		t.Run(row.name, func(t *testing.T) {
			table, notices, err := FromTesla([]byte(row.content), zone(t, "America/Los_Angeles"))
			if err != nil || len(notices) > 0 {
				t.Fatal(err, notices)
			}
			at, _ := time.ParseInLocation("2006-01-02 15:04", row.at, table.Zone)
			p, ok := table.At(at)
			if got := fmt.Sprint(p.Name, " ", p.Import, p.Export, p.Peak); got != row.want || !ok {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestTeslasTariffThatLeavesSomethingOpen(t *testing.T) {
	for _, row := range []struct{ name, content, want string }{
		{"no tariff", `{}`, "no tariff is set"},
		{"not JSON", `<html>`, "not a tariff in the format of Tesla"},
		{"hours without a price", `{"energy_charges":{"S":{"rates":{"A":1}}},"seasons":{"S":{"tou_periods":{"A":{"periods":[{"toDayOfWeek":6,"fromHour":6}]}}}}}`, "no price for 42 hours of a week"},
		{"hours with two", `{"energy_charges":{"S":{"rates":{"A":1,"B":2}}},"seasons":{"S":{"tou_periods":{"A":{"periods":[{"toDayOfWeek":6}]},"B":{"periods":[{"toDayOfWeek":6,"fromHour":16,"toHour":20}]}}}}}`, "two prices for 28 hours"},
		{"a part of the year without", `{"energy_charges":{"S":{"rates":{"A":1}}},"seasons":{"S":{"fromMonth":2,"toMonth":12,"tou_periods":{"A":{"periods":[{"toDayOfWeek":6}]}}}}}`, "no season has 01-01 and 30 other days"},
		{"a month that is none", `{"energy_charges":{},"seasons":{"S":{"fromMonth":13,"tou_periods":{"A":{"periods":[{}]}}}}}`, "no hours with a price"},
		{"a negative day", `{"seasons":{"S":{"fromDay":-3,"tou_periods":{"A":{"periods":[{"fromDayOfWeek":-9,"toDayOfWeek":99}]}}}}}`, "no hours with a price"},
		{"a weekday that is none", `{"seasons":{"S":{"tou_periods":{"A":{"periods":[{"fromDayOfWeek":-9,"toDayOfWeek":99,"fromHour":-5,"toHour":99999}]}}}}}`, "not a part of a week"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, notices, err := FromTesla([]byte(row.content), time.UTC)
			if got := fmt.Sprint(err, notices); !strings.Contains(got, row.want) {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func FuzzTeslasTariff(f *testing.F) {
	f.Add([]byte(fromApp))
	f.Add([]byte(`{"seasons":{"S":{"tou_periods":{"A":[{"fromDayOfWeek":-9,"toHour":99999}]}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, _, err := FromTesla(b, time.UTC)
		if err == nil {
			table.At(time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC))
			table.Week()
		}
	})
}

func TestPricesByTheHour(t *testing.T) {
	entry := func(start, end, price string) string {
		return fmt.Sprintf(`{"start":%q,"end":%q,"price":%s}`, start, end, price)
	}
	eight, nine, ten := "2026-07-15T08:00:00+02:00", "2026-07-15T09:00:00+02:00", "2026-07-15T10:00:00+02:00"
	for _, row := range []struct{ name, list, want string }{
		{"not JSON", `[{"start"`, "not JSON"},
		{"no list", `{"start": 1}`, "has to be a list"},
		{"an empty one", `[]`, "empty"},
		{"price as text", `[` + entry(eight, nine, `"0.5"`) + `]`, "entry 1: price is a string and has to be a number"},
		{"no price", `[{"start":"` + eight + `","end":"` + nine + `"}]`, "entry 1: it has to have start, end and price"},
		{"another key", `[` + entry(eight, nine, "1,\"cost\":2") + `]`, `unknown field "cost"`},
		{"no offset", `[` + entry("2026-07-15T08:00:00", nine, "1") + `]`, `entry 1: start "2026-07-15T08:00:00" is not a time with an offset`},
		{"ends before it starts", `[` + entry(nine, eight, "1") + `]`, "is not after start"},
		{"a whole week", `[` + entry(eight, "2026-07-22T08:00:00+02:00", "1") + `]`, "one price holds for a day at most"},
		{"two at once", `[` + entry(eight, ten, "1") + `,` + entry(nine, ten, "2") + `]`, "two prices at 2026-07-15T09:00:00+02:00"},
		{"more than can be", `[` + entry(eight, nine, "1e9") + `]`, "more than can be"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := ParseQuotes([]byte(row.list)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %s", err, row.want)
			}
		})
	}
	q, err := ParseQuotes([]byte(`[` + entry(nine, ten, "0.5") + `,` + entry(eight, nine, "-0.1") + `]`))
	if err != nil {
		t.Fatal(err)
	}
	at, _ := time.Parse(time.RFC3339, nine)
	if p, ok := q.Price(at, time.UTC); !ok || p.Import != 0.5 || !p.Peak {
		t.Errorf("%+v %v", p, ok)
	}
	if p, ok := q.Price(at.Add(-time.Minute), time.UTC); !ok || p.Import != -0.1 || p.Peak {
		t.Errorf("a negative price: %+v %v", p, ok)
	}
	if _, ok := q.Price(at.Add(time.Hour), time.UTC); ok || !q.Until(at).Equal(at.Add(time.Hour)) {
		t.Errorf("prices are known until %s", q.Until(at))
	}
}

func TestAWeekInWords(t *testing.T) {
	var b strings.Builder
	for _, p := range summery(t).Week() {
		fmt.Fprintln(&b, p.Days)
		for _, k := range p.Kinds {
			fmt.Fprintf(&b, "  %s: %s\n", k.Days, strings.Join(k.Prices, "; "))
		}
	}
	const night = "00:00–06:00 night $0.15"
	want := `June 1–September 30
  Monday: 00:00–16:00 rest $0.25, pays $0.03; 16:00–21:00 peak $0.54, pays $0.08 (expensive); 21:00–23:00 rest $0.25, pays $0.03; 23:00–24:00 night $0.15
  Tuesday to Friday: ` + night + `; 06:00–16:00 rest $0.25, pays $0.03; 16:00–21:00 peak $0.54, pays $0.08 (expensive); 21:00–23:00 rest $0.25, pays $0.03; 23:00–24:00 night $0.15
  Saturday and holidays: ` + night + `; 06:00–24:00 week-end $0.20
  Sunday: 00:00–24:00 week-end $0.20
October 1–May 31
  Monday: 00:00–23:00 rest $0.25, pays $0.03; 23:00–24:00 night $0.15
  Tuesday to Friday: ` + night + `; 06:00–23:00 rest $0.25, pays $0.03; 23:00–24:00 night $0.15
  Saturday and holidays: ` + night + `; 06:00–24:00 week-end $0.20
  Sunday: 00:00–24:00 week-end $0.20
`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/control/rules"
)

func TestPublicHolidays(t *testing.T) {
	for _, tt := range []struct{ entry, want string }{ // the days of 2026 and 2027
		{"us Memorial Day", "2026-05-25 2027-05-31"},
		{"us thanksgiving", "2026-11-26 2027-11-25"},
		{"USA: New Years Day", "2026-01-01 2027-01-01 2027-12-31"}, // that of 2028 is a Saturday
		{"us independence day", "2026-07-03 2026-07-04 2027-07-04 2027-07-05"},
		{"gb Boxing Day", "2026-12-26 2026-12-28 2027-12-26 2027-12-28"},
		{"de-by Allerheiligen", "2026-11-01 2027-11-01"},
	} {
		t.Run(tt.entry, func(t *testing.T) {
			h, err := parseHoliday(tt.entry)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for day := (rules.Date{Year: 2026, Month: 1, Day: 1}); day.Year < 2028; day = day.Add(1) {
				if h.Days.Has(day) {
					got = append(got, day.String())
				}
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
	for _, name := range []string{"us", "United States", "USA", "UK", "gb", "de", "de-by", "DE_BY", "Germany, BY", "au-nsw", "ch"} {
		if h, err := parseHoliday(name); err != nil || len(h.Days) < 5 {
			t.Errorf("%s: %v, %d days", name, err, len(h.Days))
		}
	}
}

// A list whose last day was over was described as if it continued.
func TestHolidaysThatHaveRunOut(t *testing.T) {
	const over = "settings.holidays: no holiday of "
	year := time.Now().Year()
	for _, tt := range []struct {
		holidays string
		want     string // of the notices; empty: none
	}{
		{`["2020-07-04", "2021-11-26"]`, over + rules.Date{Year: year, Month: 1, Day: 1}.String()[:4] + " or later is known, the last one is 2021-11-26"},
		{`["2020-07-04", "12-25"]`, ""},
		{`["2020-07-04", us]`, ""},
		{`["2020-07-04", "` + rules.Date{Year: year + 1, Month: 1, Day: 1}.String() + `"]`, ""},
		{`[]`, ""},
		{`[gb Platinum Jubilee Bank Holiday]`, "settings.holidays[0]: United Kingdom: Platinum Jubilee Bank Holiday is not a holiday in "},
		{`[us, United States]`, "settings.holidays[1]: United States is listed twice"},
	} {
		t.Run(tt.holidays, func(t *testing.T) {
			_, notices, err := load(t, "tesla: {api_token: x}\nsettings: {timezone: UTC, holidays: "+tt.holidays+"}")
			if err != nil {
				t.Fatal(err)
			}
			said := slices.ContainsFunc(notices, func(n Notice) bool {
				return strings.HasPrefix(n.String(), tt.want) && strings.HasPrefix(n.Key, "settings.holidays")
			})
			if said != (tt.want != "") {
				t.Errorf("notices %v", notices)
			}
		})
	}
}

// In this machine's time zone, daylight saving time may skip midnight.
func TestHolidaysOnAMachineWithoutAMidnight(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	if got := day(time.Date(2026, 9, 6, 0, 0, 0, 0, santiago)); got.String() != "2026-09-06" {
		t.Errorf("%s", got)
	}
}

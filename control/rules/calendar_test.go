package rules_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

func TestPhases(t *testing.T) {
	c := calendar()
	for _, row := range []struct {
		name, at string
		want     Phase
	}{
		{"summer morning", "2026-07-15 07:00", OffPeak},
		{"before the lead", "2026-07-15 15:29", OffPeak},
		{"the lead begins", "2026-07-15 15:30", PrePeak},
		{"the peak begins", "2026-07-15 16:00", InPeak},
		{"its last minute", "2026-07-15 18:59", InPeak},
		{"its end is exclusive", "2026-07-15 19:00", OffPeak},
		{"winter's first", "2026-01-14 06:30", InPeak},
		{"between winter's two", "2026-01-14 12:00", OffPeak},
		{"winter's second", "2026-01-14 19:59", InPeak},
		{"Saturday", "2026-07-18 17:00", OffPeak},
		{"holiday", "2026-07-03 17:00", OffPeak},
		{"the last day of summer", "2026-10-30 17:00", InPeak},
		{"the first winter weekday", "2026-11-02 16:30", PrePeak},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, _ := c.At(at(row.at)); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// On the days on which the clocks change, windows follow the wall clock.
func TestDaylightSavingTime(t *testing.T) {
	daily := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	all := []time.Month{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for _, row := range []struct {
		name, day string
		span      Span
		want      time.Duration // of the peak
		peaks     int
	}{
		{"spring forward shortens it", "2026-03-08", Span{60, 240}, 2 * time.Hour, 1},
		{"fall back lengthens it", "2026-11-01", Span{60, 180}, 3 * time.Hour, 1},
		{"spring, a peak of the evening", "2026-03-08", Span{960, 1140}, 3 * time.Hour, 1},
		{"fall, a peak of the evening", "2026-11-01", Span{960, 1140}, 3 * time.Hour, 1},
		{"spring takes the whole window", "2026-03-08", Span{120, 180}, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := Calendar{Location: pacific, Lead: 30 * time.Minute,
				Seasons: []Season{{Name: "all", Months: all, Days: daily, Peaks: []Span{row.span}}}}
			noon := at(row.day + " 12:00")
			peaks := c.Peaks(noon, 0)
			if len(peaks) != row.peaks {
				t.Fatalf("%d peaks, want %d", len(peaks), row.peaks)
			}
			if row.peaks == 0 {
				return
			}
			if got := peaks[0].End.Sub(peaks[0].Start); got != row.want {
				t.Errorf("it lasts %v, want %v", got, row.want)
			}
			// Minute by minute, the peak is entered once and left once.
			changes, last := 0, OffPeak
			for m := at(row.day + " 00:00"); m.Before(at(row.day + " 23:59")); m = m.Add(time.Minute) {
				p, _ := c.At(m)
				if (p == InPeak) != (last == InPeak) {
					changes++
				}
				last = p
			}
			if changes != 2 {
				t.Errorf("%d changes into or out of the peak", changes)
			}
		})
	}
}

func TestAWholeDayOverEachChangeOfClocks(t *testing.T) {
	for _, c := range []struct {
		day   string
		hours time.Duration // of a peak over the change
	}{{"2026-03-08", 2}, {"2026-11-01", 4}} {
		t.Run(c.day, func(t *testing.T) {
			w := newWorld(t, c.day+" 00:00")
			winter := &w.s.Settings.Calendar.Seasons[1]
			winter.Days = append(slices.Clone(winter.Days), time.Sunday)
			winter.Peaks = append([]Span{{Start: 1 * 60, End: 4 * 60}}, winter.Peaks...)
			w.therm["up"].Mode = "heat"
			w.start().untilTime(at(c.day + " 00:59"))
			w.take()
			w.charge = 60 // the setback spans the change
			begins := w.now.Add(time.Minute)
			w.untilTime(begins.Add(c.hours*time.Hour - time.Minute))
			w.want("powerwall 0", "up until 04:00 cool 76 heat 66")
			w.untilTime(begins.Add(c.hours*time.Hour + 10*time.Minute))
			w.want("powerwall 100")
			if th := w.therm["up"]; th.Hold != devices.HoldSchedule || len(w.s.Persisted.Thermostats) > 0 && w.s.Persisted.Thermostats["up"].Claim != nil {
				t.Errorf("at %s: %+v, kept %+v", w.now.In(pacific).Format("15:04"), th.Setting, w.s.Persisted.Thermostats)
			}
			w.charge = 100
			w.untilTime(at(c.day + " 23:59"))
			peaks := 0
			for _, s := range w.take() {
				if s == "powerwall 0" {
					peaks++
				}
			}
			if peaks != 2 || w.reserve != 100 {
				t.Errorf("%d further peaks, reserve %v at the end", peaks, w.reserve)
			}
		})
	}
}

func TestAClockThatJumps(t *testing.T) {
	t.Run("back into the peak that is over by the clock", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		w.charge = 70
		w.start().take()
		w.until("16:30").want()
		w.now = at("2026-07-15 16:05")
		w.step(Tick{})
		w.until("16:20").want()
		if len(w.d.Latched) != 1 {
			t.Errorf("%d latched", len(w.d.Latched))
		}
	})
	t.Run("back into the peak that is over", func(t *testing.T) {
		w := setBack(t)
		w.until("19:20").take()
		w.now = at("2026-07-15 18:30")
		w.step(Tick{})
		w.until("18:50").want()
		if w.d.Plan.Phase != OffPeak {
			t.Errorf("phase %s", w.d.Plan.Phase)
		}
		w.ask("peak") // a person may
		w.step(Tick{})
		if w.d.Plan.Phase != InPeak {
			t.Errorf("asked for: phase %s", w.d.Plan.Phase)
		}
	})
	t.Run("ahead over the whole peak", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:50").start()
		w.until("15:58").take()
		w.now = at("2026-07-15 19:30")
		w.step(Tick{})
		w.until("19:40").want()
	})
	t.Run("ahead out of the peak", func(t *testing.T) {
		w := setBack(t)
		w.now = at("2026-07-15 19:30")
		w.step(Tick{})
		w.until("19:40").want("powerwall 100")
	})
}

func TestWindowsThatTouchAreOne(t *testing.T) {
	c := calendar()
	c.Seasons[0].Peaks = []Span{{960, 1140}, {1140, 1200}}
	if got := c.Peaks(at("2026-07-15 12:00"), 0); len(got) != 1 || !got[0].End.Equal(at("2026-07-15 20:00")) {
		t.Errorf("%+v", got)
	}
}

// A peak across midnight was treated as two, each with a separate lead and thresholds.
func TestPeaksGoOverMidnight(t *testing.T) {
	workdays := func(spans ...Span) Calendar {
		c := daily(pacific, spans...)
		c.Seasons[0].Days = weekdays
		return c
	}
	wholeDays := daily(pacific)
	wholeDays.Seasons = []Season{{Name: "week", Days: weekdays, Peaks: []Span{{0, 1440}}}, {Name: "rest", Days: []time.Weekday{0, 6}}}
	ends := daily(pacific)
	ends.Seasons = []Season{
		{Name: "summer", From: 615, To: 930, Days: everyDay, Peaks: []Span{{1320, 1560}}},
		{Name: "other", From: 1001, To: 614, Days: everyDay, Peaks: []Span{{90, 180}}},
	}
	holiday := workdays(Span{1320, 1560})
	holiday.Holidays = []string{"2026-07-15", "12-25"}
	for _, row := range []struct {
		name string
		c    Calendar
		day  string // a Wednesday unless the row is about another
		want string // the peaks that begin on it
	}{
		{"in two windows", daily(pacific, Span{330, 1440}, Span{0, 30}), "2026-07-15", "Wed 05:30 – Thu 00:30"},
		{"in one window", daily(pacific, Span{1320, 1560}), "2026-07-15", "Wed 22:00 – Thu 02:00"},
		{"with a window after midnight that goes on", daily(pacific, Span{1320, 1560}, Span{100, 300}), "2026-07-15", "Wed 22:00 – Thu 05:00"},
		{"with one that ends first", daily(pacific, Span{1320, 1560}, Span{30, 60}), "2026-07-15", "Wed 22:00 – Thu 02:00"},
		{"on Friday", workdays(Span{1320, 1560}), "2026-07-17", "Fri 22:00 – Sat 02:00"},
		{"on Saturday", workdays(Span{1320, 1560}), "2026-07-18", ""},
		{"on Sunday", workdays(Span{1320, 1560}), "2026-07-19", ""},
		{"five days on end", wholeDays, "2026-07-13", "Mon 00:00 – Sat 00:00"},
		{"in the middle of five days", wholeDays, "2026-07-15", ""},
		{"out of a season", ends, "2026-09-30", "Wed 22:00 – Thu 03:00"},
		{"into a season", ends, "2026-06-15", "Mon 22:00 – Tue 02:00"},
		{"before a season", ends, "2026-06-14", "Sun 01:30 – Sun 03:00"},
		{"on a holiday", holiday, "2026-07-15", ""},
		{"into a holiday", holiday, "2026-07-14", "Tue 22:00 – Wed 02:00"},
		{"on a holiday of every year", holiday, "2028-12-25", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got strings.Builder
			for _, p := range row.c.Peaks(at(row.day+" 12:00"), 0) {
				got.WriteString(p.Start.Format("Mon 15:04") + " – " + p.End.Format("Mon 15:04"))
			}
			if got.String() != row.want {
				t.Errorf("got %q, want %q", got.String(), row.want)
			}
		})
	}
	phase, p := wholeDays.At(at("2026-07-16 12:00"))
	if phase != InPeak || !p.Start.Equal(at("2026-07-13 00:00")) || !p.End.Equal(at("2026-07-18 00:00")) {
		t.Errorf("in the middle of five days: %s, %+v", phase, p)
	}
}

// The thresholds and holds of a peak across midnight are those of one peak.
func TestSetbackInAPeakOverMidnight(t *testing.T) {
	for name, spans := range map[string][]Span{"one window": {{1320, 1560}}, "two windows": {{1320, 1440}, {0, 120}}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 20:00")
			w.s.Settings.Calendar = daily(pacific, spans...)
			w.charge = 90
			w.start().until("22:01").want("powerwall 0")
			w.charge = 70
			w.until("22:04").want("up until 02:00 cool 78 heat 68")
			w.untilTime(at("2026-07-16 00:10")).want()
			w.charge = 45
			w.until("00:20").want("up until 02:00 cool 80 heat 68")
			w.until("02:10").want("powerwall 100")
			if phases := w.noted(NotePhase); phases != 3 {
				t.Errorf("%d changes of phase, want the lead, the peak and its end", phases)
			}
		})
	}
}

// Weekends in the same months have different hours.
func TestTwoSeasonsShareTheirMonths(t *testing.T) {
	c := daily(pacific)
	summer := []time.Month{6, 7, 8}
	c.Seasons = []Season{
		{Name: "week", Months: summer, Days: weekdays, Peaks: []Span{{960, 1140}}, Precool: true},
		{Name: "weekend", Months: summer, Days: []time.Weekday{0, 6}, Peaks: []Span{{1080, 1320}}},
	}
	for day, want := range map[string]string{"2026-07-17": "week 16:00–19:00", "2026-07-18": "weekend 18:00–22:00", "2026-09-05": ""} {
		got := ""
		for _, p := range c.Peaks(at(day+" 12:00"), 0) {
			got = p.Season + " " + clocks([]Peak{p})
		}
		if got != want {
			t.Errorf("%s: %q, want %q", day, got, want)
		}
	}
	if s := c.SeasonOf(at("2026-07-18 12:00")); s == nil || s.Name != "weekend" {
		t.Errorf("the season of a Saturday is %+v", s)
	}
	if s := c.SeasonOf(at("2026-09-05 12:00")); s != nil {
		t.Errorf("the season of September is %+v", s)
	}
}

// A list of holidays that has run out is reported.
func TestHolidaysOver(t *testing.T) {
	for _, row := range []struct {
		holidays []string
		at, want string // begins with; empty: nothing is said
	}{
		{nil, "2026-07-04 12:00", ""},
		{[]string{"2026-07-03"}, "2026-07-03 23:59", ""},
		{[]string{"2026-07-03"}, "2026-07-04 00:00", "no holiday after 2026-07-03 is known: "},
		{[]string{"2026-07-03", "2025-12-25"}, "2027-01-01 12:00", "no holiday of 2027 or later is known, the last one is 2026-07-03: "},
		{[]string{"2026-07-03", "12-25"}, "2027-01-01 12:00", ""},
	} {
		got := Calendar{Location: pacific, Holidays: row.holidays}.HolidaysOver(at(row.at))
		if !strings.HasPrefix(got, row.want) || (got == "") != (row.want == "") {
			t.Errorf("%v at %s: %q, want %q", row.holidays, row.at, got, row.want)
		}
	}
}

func TestNoPeaksAtAll(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00")
	w.s.Settings.Calendar.Seasons = nil
	w.start().until("20:00").want()
	w.ask("peak")
	w.want("powerwall 0")
	w.untilTime(at("2026-07-16 08:30")).want("powerwall 100")
}

// counted is a schedule with a peak each evening that counts how often it is asked.
type counted struct{ days *int }

func (s counted) Windows(Date) []Window {
	*s.days++
	return []Window{{Span: Span{Start: 960, End: 1140}}}
}

// The phase is needed several times a minute: only the relevant days are checked, and
// whether their windows end late.
func TestTheNextPeakIsFoundInFewDays(t *testing.T) {
	for now, most := range map[string]int{"2026-07-15 12:00": 3, "2026-07-15 19:00": 5} {
		days := 0
		if _, ok := (Calendar{Location: pacific, Schedule: counted{&days}}).Next(at(now)); !ok || days > most {
			t.Errorf("%s: the windows of %d days were asked for, at most %d are needed; there is a next peak: %v", now, days, most, ok)
		}
	}
}

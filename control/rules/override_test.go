package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

func TestParseOverride(t *testing.T) {
	for _, c := range []struct {
		value, length string
		want          OverrideRequest
		err           string
	}{
		{"peak", "", OverrideRequest{Kind: OverridePeak}, ""},
		{"PEAK 90m", "", OverrideRequest{Kind: OverridePeak, For: 90 * time.Minute}, ""},
		{"pause 2h 30m", "", OverrideRequest{Kind: OverridePause, For: 150 * time.Minute}, ""},
		{"pause 7 days", "", OverrideRequest{Kind: OverridePause, For: 168 * time.Hour}, ""},
		{"pause 1d 12h", "", OverrideRequest{Kind: OverridePause, For: 36 * time.Hour}, ""},
		{"peak 1.5 hours", "", OverrideRequest{Kind: OverridePeak, For: 90 * time.Minute}, ""},
		{"pause 31d", "", OverrideRequest{Kind: OverridePause, For: 31 * 24 * time.Hour}, ""},
		{"off_peak", "45m", OverrideRequest{Kind: OverrideOffPeak, For: 45 * time.Minute}, ""},
		{"pause until 2026-12-01 08:00", "", OverrideRequest{Kind: OverridePause, Until: "2026-12-01 08:00"}, ""},
		{"pause", "until 19:00", OverrideRequest{Kind: OverridePause, Until: "19:00"}, ""},
		{"Pause Until 2026-12-01T08:00:00Z", "", OverrideRequest{Kind: OverridePause, Until: "2026-12-01t08:00:00z"}, ""},
		{"auto", "", OverrideRequest{Kind: Auto}, ""},
		{"resume", "", OverrideRequest{Kind: Resume}, ""},
		{"skip", "", OverrideRequest{Kind: OverrideSkip}, ""},
		{"peak 90", "", OverrideRequest{}, "with its unit"},
		{"peak m", "", OverrideRequest{}, "with its unit"},
		{"peak 90 parsecs", "", OverrideRequest{}, "with its unit"},
		{"peak 5m 5m", "", OverrideRequest{}, "send it once"},
		{"peak 5m 2h", "", OverrideRequest{}, "send it once"},
		{"peak 5m", "5m", OverrideRequest{}, "two times"},
		{"peak 1h-90m", "", OverrideRequest{}, "longer than"},
		{"peak -5m", "", OverrideRequest{}, "longer than"},
		{"peak 0h", "", OverrideRequest{}, "longer than"},
		{"peak 32 days", "", OverrideRequest{}, "at most 31 days"},
		{"peak 1" + strings.Repeat("0", 300) + "h", "", OverrideRequest{}, "at most 31 days"},
		{"peak 1" + strings.Repeat("0", 400) + "h", "", OverrideRequest{}, "with its unit"},
		{"pause until", "", OverrideRequest{}, "until 19:00"},
		{"pause until tomorrow", "", OverrideRequest{}, "until 19:00"},
		{"auto 5m", "", OverrideRequest{}, "takes no time"},
		{"skip 5m", "", OverrideRequest{}, "takes no time"},
		{"resume until 19:00", "", OverrideRequest{}, "takes no time"},
		{"peek", "", OverrideRequest{}, "not an override"},
		{"", "", OverrideRequest{}, "one of"},
	} {
		t.Run(c.value+c.length, func(t *testing.T) {
			got, err := ParseOverride(c.value, c.length)
			if c.err == "" && (err != nil || got != c.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q in it", err, c.err)
			}
		})
	}
}

// Off peak for a day that the utility exempts, requested in the morning, ended with the
// lead of the very peak that it was meant for.
func TestHowLongAnOverrideLasts(t *testing.T) {
	midnights := calendar()
	midnights.Seasons[0].Peaks = []Span{{10, 120}, {1320, 1560}}
	for _, c := range []struct {
		name, now, value string
		until            string // empty: it is refused
		reason           string
		c                *Calendar
	}{
		{"off peak before the peak", "2026-07-15 08:00", "off_peak", "2026-07-15 19:00", "", nil},
		{"off peak in the lead", "2026-07-15 15:45", "off_peak", "2026-07-15 19:00", "", nil},
		{"off peak in the peak", "2026-07-15 17:00", "off_peak", "2026-07-15 19:00", "", nil},
		{"off peak after it, for the rest of the day", "2026-07-15 20:00", "off_peak", "2026-07-16 00:00", "", nil},
		{"off peak on a day without one", "2026-07-18 08:00", "off_peak", "2026-07-19 00:00", "", nil},
		{"pause before the peak", "2026-07-15 08:00", "pause", "2026-07-15 19:00", "", nil},
		{"pause between winter's two", "2026-01-14 12:00", "pause", "2026-01-14 20:00", "", nil},
		{"pause late in the evening, before a peak just after midnight", "2026-07-15 12:00", "pause", "2026-07-16 02:00", "", &midnights},
		{"pause in a peak over midnight", "2026-07-16 01:00", "pause", "2026-07-16 02:00", "", &midnights},
		{"pause as that ends, for the next one today", "2026-07-16 02:00", "pause", "2026-07-17 02:00", "", &midnights},
		{"pause in the evening, before a peak in the morning", "2026-01-14 20:30", "pause", "2026-01-15 09:00", "", nil},
		{"off peak in the evening, before a peak in the morning", "2026-01-14 22:00", "off_peak", "2026-01-15 09:00", "", nil},
		{"pause in a morning, before an announcement at midnight", "2026-07-15 10:00", "pause", "2026-07-16 02:00", "", &Calendar{Location: pacific, Lead: 30 * time.Minute, Seasons: []Season{{Days: calendar().Seasons[0].Days, Peaks: []Span{{30, 120}}}}}},
		{"with a time it lasts just as long", "2026-07-15 08:00", "off_peak 30m", "2026-07-15 08:30", "", nil},
		{"for a holiday", "2026-07-15 08:00", "pause 31d", "2026-08-15 08:00", "", nil},
		{"until a day and a time", "2026-07-15 08:00", "pause until 2026-08-01 08:00", "2026-08-01 08:00", "", nil},
		{"until a time today", "2026-07-15 08:00", "pause until 18:30", "2026-07-15 18:30", "", nil},
		{"until a time tomorrow", "2026-07-15 20:00", "pause until 18:30", "2026-07-16 18:30", "", nil},
		{"until an instant", "2026-07-15 08:00", "pause until 2026-07-15T18:00:00Z", "2026-07-15 11:00", "", nil},
		{"until a time that summer time leaves out", "2026-03-07 08:00", "pause until 2026-03-08 02:30", "2026-03-08 03:00", "", nil},
		{"until a time that is over", "2026-07-15 08:00", "pause until 2026-07-15 07:00", "", "is in the past", nil},
		{"until a time too far ahead", "2026-07-15 08:00", "pause until 2026-09-01 08:00", "", "at most 31 days", nil},
		{"peak until the announcement", "2026-07-15 10:00", "peak", "2026-07-15 15:30", "", nil},
		{"peak on a Friday evening", "2026-07-17 20:00", "peak", "2026-07-18 08:00", "", nil},
		{"precool for a lead", "2026-07-15 10:00", "precool", "2026-07-15 10:30", "", nil},
		{"precool shortly before the announcement", "2026-07-15 15:10", "precool", "2026-07-15 16:00", "", nil},
		{"precool in the lead", "2026-07-15 15:40", "precool", "2026-07-15 16:00", "", nil},
		{"skip the next peak", "2026-07-15 08:00", "skip", "2026-07-15 19:00", "", nil},
		{"skip the one after the week-end", "2026-07-17 20:00", "skip", "2026-07-20 19:00", "", nil},
		{"skip the one that runs", "2026-07-15 17:00", "skip", "2026-07-15 19:00", "", nil},
		{"skip where there is none", "2026-07-15 08:00", "skip", "", "none is scheduled", &Calendar{Location: pacific}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cal := calendar()
			if c.c != nil {
				cal = *c.c
			}
			r, err := ParseOverride(c.value, "")
			if err != nil {
				t.Fatal(err)
			}
			o, err := r.Grant(cal, at(c.now))
			switch {
			case c.until == "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
				t.Errorf("got %+v, %v, want %q", o, err, c.reason)
			case c.until != "" && (err != nil || !o.Until.Equal(at(c.until))):
				t.Errorf("until %s, %v, want %s", o.Until.In(pacific).Format("2006-01-02 15:04"), err, c.until)
			}
		})
	}
}

// The reserve went to 0 at 16:00 all the same.
func TestAnOverrideBeforeThePeakLastsThroughIt(t *testing.T) {
	for _, word := range []string{"off_peak", "pause", "skip"} {
		t.Run(word, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 08:00").start().ask(word)
			w.charge = 20
			w.until("18:58").want()
			if word != "pause" && w.noted(NotePhase) != 0 {
				t.Errorf("%d changes of phase", w.noted(NotePhase))
			}
			w.charge = 100
			w.untilTime(at("2026-07-16 16:02")).want("powerwall 0")
		})
	}
}

// An override without a time that keeps powermgr from acting never ends within a lead or
// a peak that begins after the request.
func TestNoOverrideEndsInTheLeadThatItWasGivenBefore(t *testing.T) {
	midnights := calendar()
	midnights.Seasons[0].Peaks = []Span{{30, 120}, {1320, 1560}}
	for name, cal := range map[string]Calendar{"a peak in summer, two in winter": calendar(), "peaks around midnight": midnights} {
		t.Run(name, func(t *testing.T) {
			for _, day := range []string{"2026-01-14", "2026-03-06", "2026-07-15", "2026-07-17", "2026-10-30"} {
				for now, end := at(day+" 00:00"), at(day+" 00:00").Add(72*time.Hour); now.Before(end); now = now.Add(5 * time.Minute) {
					before, given := cal.At(now)
					for _, kind := range []OverrideKind{OverrideOffPeak, OverridePause, OverrideSkip, OverridePrecool} {
						o, err := OverrideRequest{Kind: kind}.Grant(cal, now)
						if err != nil || !o.Until.After(now) {
							t.Fatalf("%s at %s: %+v, %v", kind, now.Format(time.DateTime), o, err)
						}
						after, next := cal.At(o.Until)
						if kind == OverridePrecool && (before == InPeak || after == InPeak && next.Start.Equal(o.Until)) {
							continue // up to the beginning of the peak
						}
						if before == InPeak && o.Until.Equal(given.End) {
							continue // through the peak that runs, into the lead of the next one at most
						}
						if after != OffPeak {
							t.Fatalf("%s at %s ends at %s, in the %s of %s", kind, now.Format(time.DateTime), o.Until.In(pacific).Format(time.DateTime), after, next.Start.In(pacific).Format(time.DateTime))
						}
					}
				}
			}
		})
	}
}

// Pressed before a peak, it lasted only until the lead: at 16:00 the reserve went to 0
// anyway.
func TestRestoreBeforeAPeakLeavesEverythingThroughIt(t *testing.T) {
	for _, now := range []string{"2026-07-15 08:00", "2026-07-15 15:40", "2026-07-15 17:00"} {
		t.Run(now, func(t *testing.T) {
			w := newWorld(t, now).start()
			w.take()
			w.step(RestoreAsked{})
			w.until("18:58")
			if w.reserve != 100 || !w.s.Persisted.Override.Until.Equal(at("2026-07-15 19:00")) {
				t.Errorf("reserve %v, override %+v", w.reserve, w.s.Persisted.Override)
			}
		})
	}
}

// A pause of several days lasts through peaks and restarts, and ends at the stated time.
func TestAPauseForAHoliday(t *testing.T) {
	w := newWorld(t, "2026-07-14 20:00").start().ask("pause until 2026-07-17 12:00")
	w.charge = 20
	w.untilTime(at("2026-07-15 17:00")).restart()
	w.read()
	w.untilTime(at("2026-07-17 15:20")).want()
	w.forecast(80)
	w.until("16:02")
	if got := w.take(); len(got) < 1 || got[0] != "powerwall 0" {
		t.Errorf("on the day on which it ends: %q", got)
	}
}

// auto hands back what people have chosen, resume does not.
func TestResumeLeavesWhatPeopleTook(t *testing.T) {
	for word, taken := range map[string]int{"auto": 0, "resume": 1} {
		t.Run(word, func(t *testing.T) {
			w := setBack(t)
			w.therm["up"].Cool, w.therm["up"].Hold = new(71.0), devices.HoldPermanent
			w.until("16:40")
			w.ask("pause 2h")
			w.until("16:44").take()
			w.ask(word)
			w.until("16:50")
			if len(w.d.Yielded) != taken {
				t.Errorf("%d taken: %+v", len(w.d.Yielded), w.d.Yielded)
			}
			if w.s.Persisted.Override.Kind != "" || w.reserve != 0 {
				t.Errorf("override %+v, reserve %v", w.s.Persisted.Override, w.reserve)
			}
		})
	}
}

// An override that acts as if off peak ended what people had chosen, and resume could not
// keep it.
func TestResumeInAPeakLeavesWhatPeopleTookBeforeAndDuringTheOverride(t *testing.T) {
	for _, word := range []string{"skip", "off_peak", "off_peak 1h"} {
		t.Run(word, func(t *testing.T) {
			w := setBack(t)
			w.therm["up"].Cool, w.therm["up"].Hold = new(71.0), devices.HoldPermanent
			w.until("16:40").ask(word)
			w.until("16:50")
			w.reserve = 40
			w.until("17:10")
			w.ask("resume")
			w.until("18:50")
			if cool := *w.therm["up"].Cool; cool != 71 || w.reserve != 40 || len(w.d.Yielded) != 2 {
				t.Errorf("a person had set it to 71 and the reserve to 40: it is %g and %v, taken %+v", cool, w.reserve, w.d.Yielded)
			}
			w.until("19:10")
			if len(w.d.Yielded) != 0 {
				t.Errorf("after the peak: %+v", w.d.Yielded)
			}
		})
	}
}

// The end of the peak during an override that acts as if off peak took the battery from a
// person, although for them it was off peak before and after.
func TestAPeakThatIsOffPeakByOverrideTakesNothingFromPeople(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second string // what is asked for, and when
		taken         string // when the reserve is chosen
		after         string // when the override is over, and the peak
		until         string // when the choice ends
	}{
		{"an override from the lead until after the peak", "15:49 off_peak 197m", "", "16:33", "19:20", "2026-07-16 15:30"},
		{"an override from before the lead", "15:00 off_peak until 19:06", "", "16:33", "19:20", "2026-07-16 15:30"},
		{"the lead begins below the override", "14:00 off_peak until 19:06", "", "15:10", "19:20", "2026-07-16 15:30"},
		{"a peak that is skipped", "15:49 skip", "", "16:33", "19:20", "2026-07-16 15:30"},
		{"an override that is lengthened", "15:49 off_peak 2h", "17:00 off_peak until 19:06", "16:33", "19:20", "2026-07-16 15:30"},
		{"an override that ends in the peak", "15:49 off_peak 1h", "", "16:33", "18:50", "2026-07-15 19:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 13:50").start()
			ask := func(what string) {
				if when, word, ok := strings.Cut(what, " "); ok {
					w.until(when).ask(word)
				}
			}
			ask(tt.first)
			w.until(tt.taken)
			w.reserve = 25
			w.untilTime(w.now.Add(10 * time.Minute))
			ask(tt.second)
			if end := at(tt.until); len(w.d.Yielded) != 1 || !w.d.Yielded[0].Until.Equal(end) {
				t.Errorf("a person has the battery until %s: %+v", tt.until, w.d.Yielded)
			}
			w.until("18:30").restart()
			w.until(tt.after)
			if w.reserve != 25 || len(w.d.Yielded) != 1 {
				t.Errorf("a person had set the reserve to 25: it is %v, taken %+v", w.reserve, w.d.Yielded)
			}
			w.untilTime(at(tt.until).Add(10 * time.Minute))
			if w.reserve == 25 || len(w.d.Yielded) != 0 {
				t.Errorf("after the window: reserve %v, taken %+v", w.reserve, w.d.Yielded)
			}
		})
	}
}

// The same, where the override was asked for on a clock that was ahead by then.
func TestAnOverrideFromAClockThatWasAheadTakesNothingFromPeople(t *testing.T) {
	for _, c := range []struct{ name, from, ahead string }{
		{"until the next day, in the lead", "15:00", "2026-07-16 10:35"},
		{"in the next peak, in the peak", "16:30", "2026-07-16 16:35"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 "+c.from).start()
			right := w.now.Add(10 * time.Minute)
			w.now = at(c.ahead)
			w.step(Tick{})
			w.ask("off_peak 183m")
			w.now = right
			w.until("17:00")
			w.reserve = 25
			w.until("19:20")
			if w.reserve != 25 || len(w.d.Yielded) != 1 {
				t.Errorf("a person had set the reserve to 25: it is %v, taken %+v", w.reserve, w.d.Yielded)
			}
		})
	}
}

// The same, where the clock was behind for a while: what a person chose then seemed to be
// from before the override.
func TestAClockThatGoesBackInAnOverrideTakesNothingFromPeople(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:50").start()
	w.until("16:05").ask("off_peak")
	w.until("16:40")
	w.now = at("2026-07-15 15:55")
	w.step(Tick{})
	w.reserve = 25
	w.until("16:10")
	w.now = at("2026-07-15 16:55")
	w.until("19:20")
	if w.reserve != 25 {
		t.Errorf("a person had set the reserve to 25: it is %v", w.reserve)
	}
}

// What a person has chosen in the peak before such an override ends with the peak, as
// stated.
func TestWhatWasTakenBeforeASkipEndsWithThePeak(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.until("16:10")
	w.reserve = 25
	w.until("16:30").ask("skip")
	w.until("18:50")
	if len(w.d.Yielded) != 1 || w.d.Yielded[0].Until.Format("15:04") != "19:00" {
		t.Errorf("until 19:00: %+v", w.d.Yielded)
	}
	w.until("19:10")
	if w.reserve != 100 || len(w.d.Yielded) != 0 {
		t.Errorf("after the peak: reserve %v, taken %+v", w.reserve, w.d.Yielded)
	}
}

// An override outlasted the switch: powermgr still acted after it had been switched off.
func TestSwitchingOffEndsAnOverride(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00").start().ask("peak 3h")
	w.want("powerwall 0")
	w.step(EnabledAsked{Enabled: false})
	w.until("12:04").want("powerwall 100")
	if w.d.Reason != ByDisabled || !strings.Contains(w.d.Why, "switched off") || w.s.Persisted.Override.Kind != "" {
		t.Errorf("%s: %s, override %+v", w.d.Reason, w.d.Why, w.s.Persisted.Override)
	}
	w.ask("peak 1h").want("powerwall 0") // one that comes later counts
	w.step(EnabledAsked{Enabled: false}) // until it is switched off again
	w.until("12:10").want("powerwall 100")
}

// A threshold had counted in a peak by override in the early afternoon. It still did when
// the peak of the calendar began, although the battery had been filled since.
func TestAThresholdOfAnEarlierPeakByOverrideDoesNotCount(t *testing.T) {
	w := newWorld(t, "2026-07-15 13:50")
	w.charge = 20
	w.start().until("14:00").ask("peak 150m")
	if len(w.s.Persisted.Latched) == 0 {
		t.Fatal("no threshold counts")
	}
	w.until("14:20").ask("pause 20m")
	w.charge = 95
	w.until("15:50").take()
	w.until("16:05").want("powerwall 0")
	if len(w.s.Persisted.Latched) > 0 {
		t.Errorf("%v count", w.s.Persisted.Latched)
	}
}

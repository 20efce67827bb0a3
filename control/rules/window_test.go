package rules_test

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// zones returns the names of all time zones that Go or the system knows.
func zones(t *testing.T) (names []string) {
	t.Helper()
	root, _ := exec.Command("go", "env", "GOROOT").Output()
	if z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip")); err == nil {
		defer z.Close()
		for _, f := range z.File {
			names = append(names, f.Name)
		}
	} else if names, err = fs.Glob(os.DirFS("/usr/share/zoneinfo"), "*/*"); err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		_, err := time.LoadLocation(name)
		return strings.HasSuffix(name, "/") || err != nil
	})
	if len(names) < 300 {
		t.Fatalf("only %d zones", len(names))
	}
	return names
}

// Where daylight saving time begins at midnight, a window from 00:00 on that day became a
// peak of five months.
func TestSummerTimeThatBeginsAtMidnight(t *testing.T) {
	for _, c := range []struct{ zone, day string }{
		{"America/Santiago", "2026-09-06"}, {"Atlantic/Azores", "2026-03-29"}, {"America/Havana", "2026-03-08"}, {"Africa/Cairo", "2026-04-24"},
		{"Asia/Beirut", "2026-03-29"}, {"America/Asuncion", "2023-10-01"}, {"Asia/Tehran", "2022-03-22"}, {"America/Sao_Paulo", "2018-11-04"},
	} {
		t.Run(c.zone, func(t *testing.T) {
			zone := mustZone(c.zone)
			cal := daily(zone, Span{0, 60}, Span{30, 90}, Span{420, 480})
			noon, err := time.ParseInLocation("2006-01-02 15", c.day+" 12", zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := clocks(cal.Peaks(noon, 0)); got != "01:00–01:30 07:00–08:00" {
				t.Errorf("peaks of that day: %s", got)
			}
			if got := clocks(cal.Peaks(noon, -1)); got != "00:00–01:30 07:00–08:00" {
				t.Errorf("peaks of the day before: %s", got)
			}
			if phase, _ := cal.At(noon.Add(-24 * time.Hour)); phase != OffPeak {
				t.Errorf("noon of the day before is %s", phase)
			}
			// The evening's window continues into the day that begins an hour late.
			if got := clocks(daily(zone, Span{1320, 1560}).Peaks(noon, -1)); got != "22:00–02:00" {
				t.Errorf("over the change: %s", got)
			}
			// A window that the change skips does not exist.
			if got := clocks(daily(zone, Span{10, 50}).Peaks(noon, 0)); got != "" {
				t.Errorf("a window that no clock shows: %s", got)
			}
		})
	}
}

func daily(zone *time.Location, spans ...Span) Calendar {
	return Calendar{Location: zone, Lead: 30 * time.Minute, Seasons: []Season{{Name: "all", Days: everyDay, Peaks: spans}}}
}

var everyDay = []time.Weekday{0, 1, 2, 3, 4, 5, 6}

func clocks(peaks []Peak) string {
	var all []string
	for _, p := range peaks {
		all = append(all, p.Start.Format("15:04")+"–"+p.End.Format("15:04"))
	}
	return strings.Join(all, " ")
}

// Random windows in every time zone, around its clock changes, match what a person who
// looks at the clock every minute would find.
func TestWindowsAreWhatTheClockShows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for i, name := range zones(t) {
		if testing.Short() && i%20 != 0 && name != "America/Santiago" && name != "Pacific/Apia" {
			continue
		}
		zone := mustZone(name)
		around := time.Date(2011, 12, 1+r.IntN(28), r.IntN(24), 0, 0, 0, time.UTC) // in which Samoa leaves out a day
		for range 3 {
			c := randomCalendar(r, zone)
			from, until := around.Add(-30*time.Hour), around.Add(30*time.Hour)
			got, want := peaksWithin(c, from, until), watched(c, from, until)
			if !slices.Equal(got, want) {
				t.Fatalf("%s, %+v:\ngot  %s\nwant %s", name, c.Seasons, got, want)
			}
			_, next := around.In(zone).ZoneBounds()
			if around = next; next.IsZero() || next.Year() > 2037 {
				around = time.Date(2012+r.IntN(20), 1, 1+r.IntN(365), 0, 0, 0, 0, time.UTC)
			} else if r.IntN(3) == 0 {
				around = next.AddDate(r.IntN(12), 0, 0)
			}
		}
	}
}

// randomCalendar has windows on most days of the week, some of which cross
// midnight.
func randomCalendar(r *rand.Rand, zone *time.Location) Calendar {
	c := daily(zone)
	s := &c.Seasons[0]
	s.Days = slices.DeleteFunc(slices.Clone(everyDay), func(time.Weekday) bool { return r.IntN(8) == 0 })
	for range 1 + r.IntN(3) {
		start := r.IntN(1440)
		if r.IntN(2) == 0 {
			start = []int{0, 1, 30, 60, 90, 120, 1320, 1410}[r.IntN(8)]
		}
		end := min(start+1+r.IntN(400), 2880)
		if r.IntN(3) == 0 {
			end = max(start+1, []int{1, 30, 60, 1440, 1441, 1470, 1500}[r.IntN(7)])
		}
		s.Peaks = append(s.Peaks, Span{start, end})
	}
	return c
}

func peaksWithin(c Calendar, from, until time.Time) (all []string) {
	for p := range c.From(from) {
		if !p.Start.Before(until) {
			break
		}
		if p.Start.Before(from) {
			p.Start = from
		}
		if p.End.After(until) {
			p.End = until
		}
		all = append(all, fmt.Sprint(p.Start.UTC().Format(time.DateTime), " – ", p.End.UTC().Format(time.DateTime)))
	}
	return all
}

// watched finds the windows by looking at the clock every minute: a window lasts from the
// first to the last minute that the clock shows in it.
func watched(c Calendar, from, until time.Time) (all []string) {
	type window struct{ day, span int } // the day counted from 1970
	const margin = 50 * time.Hour
	begin := from.Add(-margin)
	season := c.Seasons[0]
	first, last := map[window]int{}, map[window]int{}
	minutes := int(until.Add(margin).Sub(begin) / time.Minute)
	for n := range minutes {
		at := begin.Add(time.Duration(n) * time.Minute)
		_, offset := at.In(c.Location).Zone()
		shown := int(at.Unix()) + offset
		for day := shown/86400 - 1; day <= shown/86400; day++ { // a window of yesterday may go on
			if minute := (shown - day*86400) / 60; slices.Contains(season.Days, time.Weekday((day+4)%7)) {
				for i, s := range season.Peaks {
					if minute < s.Start || minute >= s.End {
						continue
					}
					w := window{day, i}
					if _, ok := first[w]; !ok {
						first[w] = n
					}
					last[w] = n
				}
			}
		}
	}
	in := make([]bool, minutes)
	for w := range first {
		for n := first[w]; n <= last[w]; n++ {
			in[n] = true
		}
	}
	lo, hi := int(from.Sub(begin)/time.Minute), int(until.Sub(begin)/time.Minute)
	for n := lo; n < hi; n++ {
		if !in[n] {
			continue
		}
		start := n
		for n < hi && in[n] {
			n++
		}
		at := func(n int) string { return begin.Add(time.Duration(n) * time.Minute).UTC().Format(time.DateTime) }
		all = append(all, at(start)+" – "+at(n))
	}
	return all
}

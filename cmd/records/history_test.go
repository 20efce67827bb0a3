package records

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/report"
)

// remembered returns a configuration whose files are in a folder of the test.
func remembered(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	writeFile(t, file, "settings: {timezone: America/Los_Angeles}\npaths: {journal_file: "+dir+"/journal.json, ramdisk_state_file: "+dir+"/ram/state.json, permanent_metrics_dir: "+dir+"/metrics}\n")
	c, _, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dayOf returns the record of a day on which the home used watts.
func dayOf(t *testing.T, c config.Config, date string, watts float64, complete bool) {
	t.Helper()
	r := report.Record{Version: report.Version, Date: date, Timezone: c.Settings.Timezone, Complete: complete}
	for range 276 {
		r.Samples.Home, r.Samples.Charge = append(r.Samples.Home, watts), append(r.Samples.Charge, 50)
	}
	if err := c.Metrics().Write(r); err != nil {
		t.Fatal(err)
	}
}

func TestTheHistoryGrowsByADay(t *testing.T) {
	c := remembered(t)
	e := DailyReport{Config: c}
	dayOf(t, c, "2026-07-31", 1000, true)
	dayOf(t, c, "2026-08-01", 2000, true)
	dayOf(t, c, "2026-08-02", 3000, false)
	for _, want := range []string{"2026-07-31 2026-08-01", ""} { // a second run changes nothing
		if added, err := e.Remember(); err != nil || strings.Join(added, " ") != want {
			t.Fatal(added, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(c.Paths.HistoryDir, "2026-08.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(string(b), "\n"); len(lines) != 1+92+1 || lines[1] != "2026-08-01T00:00:00-07:00,0.5,,,,,,50" {
		t.Errorf("%d lines, the second is %s", len(lines), lines[1])
	}
	s, err := History(c)
	if err != nil {
		t.Fatal(err)
	}
	kWh := 0.0
	for _, slot := range s.Slots {
		if slot.LoadKWh != nil {
			kWh += *slot.LoadKWh
		}
	}
	// The last hour of the first day is not known: it is a gap of four quarters.
	if gaps := s.Gaps(); s.Length != 15*time.Minute || len(gaps) != 1 || gaps[0].Slots != 4 || kWh < 68.99 || kWh > 69.01 || len(s.Notices) > 0 {
		t.Errorf("%v, %+v, %g kWh, %v", s.Length, gaps, kWh, s.Notices)
	}
}

func TestAFileOfSomebodyElseStays(t *testing.T) {
	c := remembered(t)
	dayOf(t, c, "2026-07-31", 1000, true)
	path := filepath.Join(c.Paths.HistoryDir, "2026-07.csv")
	if err := os.MkdirAll(c.Paths.HistoryDir, 0o750); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "a,b\n1,2\n")
	if added, err := (DailyReport{Config: c}).Remember(); err == nil || len(added) > 0 {
		t.Error(added, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "a,b\n1,2\n" {
		t.Errorf("%s", b)
	}
}

// A day that could not be added at the first attempt was never added.
func TestADayThatCouldNotBeAddedIsAddedLater(t *testing.T) {
	c := remembered(t)
	e := DailyReport{Config: c}
	july := filepath.Join(c.Paths.HistoryDir, "2026-07.csv")
	run := func(want string, broken bool) {
		t.Helper()
		if added, err := e.Remember(); strings.Join(added, " ") != want || (err != nil) != broken {
			t.Fatal(added, err)
		}
	}
	dayOf(t, c, "2026-07-29", 1000, true)
	run("2026-07-29", false)
	good, err := os.ReadFile(july)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, july, strings.Replace(string(good), "start,", "Start;", 1)) // a spreadsheet has saved it
	dayOf(t, c, "2026-07-30", 1000, true)
	dayOf(t, c, "2026-08-01", 1000, true)
	run("2026-08-01", true) // a broken month does not keep other months from being added
	dayOf(t, c, "2026-07-31", 1000, true)
	run("", true)
	writeFile(t, july, string(good))
	// A file that is not one of powermgr's records is not reported each evening.
	writeFile(t, filepath.Join(c.Paths.PermanentMetricsDir, "2026-07-01.json"), "{}")
	run("2026-07-30 2026-07-31", false)
	run("", false)
	all, err := os.ReadFile(july)
	if lines := strings.Split(string(all), "\n"); err != nil || len(lines) != 1+3*92+1 || !strings.HasPrefix(string(all), string(good)) {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

// A day without any figures has no lines, and is not added again each evening.
func TestADayWithoutAFigureIsNotAdded(t *testing.T) {
	c := remembered(t)
	if err := c.Metrics().Write(report.Record{Version: report.Version, Date: "2026-07-31", Timezone: c.Settings.Timezone, Complete: true}); err != nil {
		t.Fatal(err)
	}
	if added, err := (DailyReport{Config: c}).Remember(); err != nil || len(added) > 0 {
		t.Error(added, err)
	}
}

func TestWithoutAHistoryItSaysWhereItComesFrom(t *testing.T) {
	if _, err := History(remembered(t)); err == nil || !strings.Contains(err.Error(), "a day is added to it each night") {
		t.Error(err)
	}
}

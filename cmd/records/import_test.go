package records

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/control/history"
	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/tesla"
	"powermgr/devices/emulator/vendors"
)

// teslas is Tesla's cloud with the records of a house from October 28 to November 4, 2026,
// including the day on which daylight saving time ends, and the history that they are
// imported to. Waiting advances the clock.
type teslas struct {
	config config.Config
	cloud  *vendors.Cloud
	now    time.Time
	waited []time.Duration
	job    Import
}

func newTeslas(t *testing.T, quirks tesla.HistoryQuirks) *teslas {
	t.Helper()
	v := &teslas{config: remembered(t)}
	zone := v.config.Zone()
	v.now = time.Date(2026, 10, 28, 0, 0, 0, 0, zone)
	v.cloud = vendors.New(emulator.Options{Now: func() time.Time { return v.now }, Location: zone}, vendors.Options{Tesla: tesla.Options{History: quirks}})
	for end := time.Date(2026, 11, 4, 12, 0, 0, 0, zone); v.now.Before(end); v.now = v.now.Add(time.Hour) {
		v.cloud.Truth()
	}
	server := httptest.NewServer(v.cloud.Handler())
	t.Cleanup(server.Close)
	v.config.Tesla = &config.Tesla{BaseURL: server.URL, APIToken: "emulator-access", EnergySiteID: 1234567890123}
	now := func() time.Time { return v.now }
	adapter, err := v.config.TeslaClient(&http.Client{}, now, bridge.Shared{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	v.job = Import{Config: v.config, Read: adapter.History, Now: now, Sleep: func(_ context.Context, d time.Duration) error {
		v.now, v.waited = v.now.Add(d), append(v.waited, d)
		return nil
	}}
	return v
}

func (v *teslas) fail(t *testing.T, f emulator.Fault) {
	t.Helper()
	if err := v.cloud.AddFaults(f); err != nil {
		t.Fatal(err)
	}
}

func (v *teslas) run(t *testing.T, days int) Imported {
	t.Helper()
	done, err := v.job.Import(t.Context(), days)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// days lists how many quarters of an hour the history has of each day.
func (v *teslas) days(t *testing.T) string {
	t.Helper()
	s, err := History(v.config)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	var order []string
	for _, slot := range s.Slots {
		date := slot.Start.In(s.Zone).Format("01-02")
		if len(order) == 0 || order[len(order)-1] != date {
			order = append(order, date)
		}
		if slot.LoadKWh != nil {
			counts[date]++
		}
	}
	var b strings.Builder
	for _, date := range order {
		fmt.Fprintf(&b, "%s:%d ", date, counts[date])
	}
	return strings.TrimSpace(b.String())
}

const whole = "10-28:96 10-29:96 10-30:96 10-31:96 11-01:100 11-02:96 11-03:96"

func TestTeslasDaysAreAddedToTheHistory(t *testing.T) {
	for _, tt := range []struct {
		name   string
		quirks tesla.HistoryQuirks
		want   string
	}{
		{"as they were", tesla.HistoryQuirks{}, whole},
		{"without sums", tesla.HistoryQuirks{NoTotals: true}, whole},
		{"padded with zeros", tesla.HistoryQuirks{Padded: true}, whole},
		{"one offset for the whole day", tesla.HistoryQuirks{OneOffset: true}, whole},
		{"every day with holes", tesla.HistoryQuirks{Missing: 0.02}, "10-28:92 10-29:93 10-30:90 10-31:92 11-01:86 11-02:88 11-03:91"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newTeslas(t, tt.quirks)
			done := v.run(t, 7)
			if got := v.days(t); got != tt.want || done.Days != 7 || done.Calls != 7 || done.First != "2026-10-28" {
				t.Errorf("%s, %+v, want %s", got, done, tt.want)
			}
			for _, d := range v.waited {
				if d < betweenDays {
					t.Errorf("it waits %v between two calls", d)
				}
			}
		})
	}
}

// The energies in the history are those that the house has used.
func TestTheHistoryHasWhatTheHouseUsed(t *testing.T) {
	v := newTeslas(t, tesla.HistoryQuirks{})
	v.run(t, 7)
	s, err := History(v.config)
	if err != nil {
		t.Fatal(err)
	}
	load, sun := 0.0, 0.0
	for _, slot := range s.Slots {
		load, sun = load+*slot.LoadKWh, sun+*slot.SunKWh
	}
	// The last morning is in the books, and not in the history yet.
	other := newTeslas(t, tesla.HistoryQuirks{})
	other.now = time.Date(2026, 11, 5, 0, 1, 0, 0, v.config.Zone())
	other.cloud.Truth()
	last := other.run(t, 1)
	if last.Days != 1 {
		t.Fatal(last)
	}
	s, err = History(other.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range s.Slots {
		load, sun = load+*slot.LoadKWh, sun+*slot.SunKWh
	}
	books := other.cloud.Truth().Books
	if math.Abs(load-books.Home/1000) > 0.1 || math.Abs(sun-books.Solar/1000) > 0.1 {
		t.Errorf("%.2f kWh used and %.2f from the sun, the books have %.2f and %.2f", load, sun, books.Home/1000, books.Solar/1000)
	}
}

func TestAnImportThatIsThrottledGoesOn(t *testing.T) {
	v := newTeslas(t, tesla.HistoryQuirks{})
	v.run(t, 1) // the later days of an account that works
	v.fail(t, emulator.Fault{Endpoint: "tesla.calendar_history", Class: emulator.Status, Status: 429, RetryAfter: 90, Count: 2})
	v.waited = nil
	done := v.run(t, 7)
	if got := v.days(t); got != whole || done.Calls != 9 || v.waited[0] < 90*time.Second {
		t.Errorf("%s, %+v, waited %v", got, done, v.waited)
	}
}

// A throttle of hours ends the run. The next one asks for what is missing, and for
// the two days that Tesla may have revised.
func TestAnImportGoesOnWhereItEnded(t *testing.T) {
	v := newTeslas(t, tesla.HistoryQuirks{})
	read, calls := v.job.Read, 0
	v.job.Read = func(ctx context.Context, day time.Time) ([]devices.EnergyBucket, error) {
		if calls++; calls == 4 {
			v.fail(t, emulator.Fault{Endpoint: "tesla.calendar_history", Class: emulator.Status, Status: 429, RetryAfter: 7200})
		}
		return read(ctx, day)
	}
	done, err := v.job.Import(t.Context(), 7)
	var e *devices.Error
	if !errors.As(err, &e) || e.Kind != devices.Throttled || done.Days != 3 || v.days(t) != "11-01:100 11-02:96 11-03:96" {
		t.Fatalf("%v, %+v, %s", err, done, v.days(t))
	}
	v.now = v.now.Add(3 * time.Hour)
	done = v.run(t, 7)
	if got := v.days(t); got != whole || done.Calls != 6 || done.Had != 1 {
		t.Errorf("%s, %+v", got, done)
	}
}

// Yesterday is read when Tesla has three quarters of its final energy, and again the next
// day.
func TestSumsThatAreRevisedAreReadAgain(t *testing.T) {
	v := newTeslas(t, tesla.HistoryQuirks{RevisedSeconds: 86400})
	first := v.config
	v.run(t, 1)
	before, err := History(first)
	if err != nil {
		t.Fatal(err)
	}
	v.now = v.now.Add(24 * time.Hour)
	v.cloud.Truth()
	v.run(t, 2)
	after, err := History(first)
	if err != nil {
		t.Fatal(err)
	}
	last := 80 // a quarter of yesterday evening
	if b, a := *before.Slots[last].LoadKWh, *after.Slots[last].LoadKWh; math.Abs(b-0.75*a) > 0.01*a {
		t.Errorf("%.3f kWh, and %.3f revised", b, a)
	}
}

// Tesla has nothing from before the battery was installed, and is not asked for years of
// such days.
func TestAnImportEndsWhereTeslaKnowsNothing(t *testing.T) {
	v := newTeslas(t, tesla.HistoryQuirks{})
	if done := v.run(t, 400); done.Calls != 7+nothingForDays || done.Days != 7 {
		t.Errorf("%+v", done)
	}
}

func TestAnImportThatIsRefusedSaysSoAtOnce(t *testing.T) {
	v := newTeslas(t, tesla.HistoryQuirks{})
	v.fail(t, emulator.Fault{Endpoint: "tesla.calendar_history", Class: emulator.Status, Status: 404, Count: -1})
	if done, err := v.job.Import(t.Context(), 7); err == nil || done.Calls != 1 || !strings.Contains(err.Error(), "2026-11-03") {
		t.Errorf("%v, %+v", err, done)
	}
}

// A file adds what is missing; what was measured stays.
func TestAFileIsAddedToTheHistory(t *testing.T) {
	c := remembered(t)
	dayOf(t, c, "2026-07-31", 1000, true)
	if _, err := (DailyReport{Config: c}).Remember(); err != nil {
		t.Fatal(err)
	}
	s, err := history.ReadCSV(strings.NewReader("start,load_wh,solar_wh\n2026-07-31T22:00,4000,400\n2026-07-31T23:00,4000,0\n2026-08-01T00:00,8000,0\n"), c.Zone())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{12, 0} { // the sun of the first hour was not known, either
		if added, err := ImportSeries(c, s); err != nil || added != want {
			t.Fatal(added, err)
		}
	}
	july, err := os.ReadFile(filepath.Join(c.Paths.HistoryDir, "2026-07.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "2026-07-31T22:45:00-07:00,0.25,0.1,,,,,50\n2026-07-31T23:00:00-07:00,1,0,,,,,\n"; !strings.Contains(string(july), want) {
		t.Errorf("it lacks %q:\n%s", want, july)
	}
	august, err := os.ReadFile(filepath.Join(c.Paths.HistoryDir, "2026-08.csv"))
	if err != nil || !strings.Contains(string(august), "2026-08-01T00:45:00-07:00,2,0,,,,,\n") {
		t.Errorf("%v: %s", err, august)
	}
}

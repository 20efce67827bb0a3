package records

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/report"
	"powermgr/control/rules"
)

// dryDay writes the record of a day of a dry run: a home that uses 2 kW all day,
// with 3 kW of sun from 9:00 to 15:00.
func dryDay(t *testing.T, c config.Config, date string, dry bool) {
	t.Helper()
	midnight, err := time.ParseInLocation(time.DateOnly, date, c.Zone())
	if err != nil {
		t.Fatal(err)
	}
	r := report.Record{Version: report.Version, Date: date, Timezone: c.Settings.Timezone, Complete: true, DryRun: dry}
	for i := range 288 {
		sun := 0.0
		if hour := i / 12; hour >= 9 && hour < 15 {
			sun = 3000
		}
		s := &r.Samples
		s.Home, s.Solar, s.Grid, s.Battery, s.Charge = append(s.Home, 2000), append(s.Solar, sun), append(s.Grid, 2000-sun), append(s.Battery, 0), append(s.Charge, 50)
	}
	r.Counterfactual.CapacityKWh = new(13.5)
	r.Energy.Peak.GridIn = new(3.0)
	r.Decisions = []report.Decision{
		{At: midnight.Add(16 * time.Hour), Type: rules.NoteDryRun, Target: "powerwall", Reason: rules.NotSent + "reserve 0 %, was 20 %: peak until 19:00"},
		{At: midnight.Add(16 * time.Hour), Type: rules.NotePhase, Reason: "the peak begins"},
	}
	if err := c.Metrics().Write(r); err != nil {
		t.Fatal(err)
	}
}

// firstWeekMailed returns the text of the mail that is sent on the evening of a date.
func firstWeekMailed(t *testing.T, c config.Config, date string) string {
	t.Helper()
	now, err := time.ParseInLocation("2006-01-02 15:04", date+" 23:30", c.Zone())
	if err != nil {
		t.Fatal(err)
	}
	m, ok, err := (DailyReport{Config: c, Now: now, Log: slog.New(slog.DiscardHandler)}).firstWeekMail([]Day{{Record: report.Record{Date: date}}})
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return ""
	}
	if m.Key != "first week/2026-07-13" || !strings.Contains(m.HTML, SwitchOn) {
		t.Errorf("%s\n%s", m.Key, m.HTML)
	}
	return m.Subject + "\n" + m.Text
}

func TestTheFirstWeekOfADryRunEndsWithAMail(t *testing.T) {
	c := remembered(t)
	c.Settings.DryRun, c.Settings.PeakReservePercent, c.Settings.ReserveWithoutPercent = true, 0, 20
	c.Tariff.Currency, c.Tariff.PeakPerKWh, c.Tariff.OffPeakPerKWh = "$", 0.54, 0.24
	dryDay(t, c, "2026-07-12", false) // before the dry run
	mails := map[int]string{}
	for day := 13; day <= 21; day++ {
		date := fmt.Sprintf("2026-07-%d", day)
		dryDay(t, c, date, true)
		if _, err := (DailyReport{Config: c}).Remember(); err != nil {
			t.Fatal(err)
		}
		if text := firstWeekMailed(t, c, date); text != "" {
			mails[day] = text
		}
	}
	text := mails[19]
	if len(mails) != 1 || text == "" {
		t.Fatalf("%d mails, %v", len(mails), mails)
	}
	for _, want := range []string{
		"[powermgr] 7 days of dry run: 0.0 kWh from the grid in the peaks instead of 12.9, for $6.03 more", "Monday, July 13 to Sunday, July 19, 2026",
		"switch it on: sudo powermgr live", "Reserve 0 %, was 20 %: peak until 19:00", "Mon Jul 13", "Sun Jul 19", "$",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "not sent") || strings.Contains(text, "The peak begins") {
		t.Errorf("more than what it would have done:\n%s", text)
	}
	c.Settings.DryRun = false
	if text := firstWeekMailed(t, c, "2026-07-19"); text != "" {
		t.Errorf("of a configuration that commands devices:\n%s", text)
	}
	if _, err := (DailyReport{Config: c}).FirstWeek(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Without prices and without readings of a Powerwall, the report still says what would
// have been done.
func TestAFirstWeekWithoutFigures(t *testing.T) {
	c := remembered(t)
	c.Settings.DryRun = true
	dryDay(t, c, "2026-07-13", true)
	e := DailyReport{Config: c, Now: time.Date(2026, 7, 14, 12, 0, 0, 0, c.Zone())}
	w, err := e.FirstWeek()
	if err != nil || len(w.DryRunDays) != 0 { // nothing in the history yet
		t.Fatal(w.DryRunDays, err)
	}
	if text := report.WeekText(w); !strings.Contains(text, "is not known") || !strings.Contains(text, "1 day of dry run") {
		t.Error(text)
	}
	if _, err := e.Remember(); err != nil {
		t.Fatal(err)
	}
	if w, err = e.FirstWeek(); err != nil || len(w.DryRunDays) != 1 || w.Saved != nil {
		t.Errorf("%+v, %v", w, err)
	}
}

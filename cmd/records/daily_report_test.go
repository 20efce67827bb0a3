package records

import (
	"testing"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/report"
)

// The report of a day is due in its last hour, in the home's time zone, whatever that of
// the machine is.
func TestWhatIsDue(t *testing.T) {
	for _, c := range []struct {
		name, now string
		due       string
		key       string // of today's report
	}{
		{"a boot in the morning", "2026-07-15T07:10:00-07:00", "2026-07-14", "report/2026-07-15/so far"},
		{"half past eleven on a machine in UTC", "2026-07-15T23:30:00Z", "2026-07-14", "report/2026-07-15/so far"},
		{"just before the last hour", "2026-07-15T22:59:00-07:00", "2026-07-14", "report/2026-07-15/so far"},
		{"in the evening", "2026-07-15T23:30:00-07:00", "2026-07-15", "report/2026-07-15"},
		{"the same moment on a machine in UTC", "2026-07-16T06:30:00Z", "2026-07-15", "report/2026-07-15"},
		{"after midnight", "2026-07-16T00:05:00-07:00", "2026-07-15", "report/2026-07-16/so far"},
		{"on the evening of the longest day", "2026-11-01T23:30:00-08:00", "2026-11-01", "report/2026-11-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			config := config.Config{}
			config.Settings.Timezone = "America/Los_Angeles"
			e := DailyReport{Config: config, Now: now}
			due, err := e.Date("due")
			if err != nil || due != c.due {
				t.Errorf("due is %s, %v, want %s", due, err, c.due)
			}
			today, err := e.Date("today")
			if key, _ := mailHeader(report.Record{Date: today}, due); err != nil || key != c.key {
				t.Errorf("%s, %v, want %s", key, err, c.key)
			}
		})
	}
}

// Where daylight saving time skips the first hour of a day, the day before it was skipped
// too.
func TestYesterdayWithoutAMidnight(t *testing.T) {
	config := config.Config{}
	config.Settings.Timezone = "America/Santiago"
	now, err := time.Parse(time.RFC3339, "2026-09-07T00:30:00-03:00")
	if err != nil {
		t.Fatal(err)
	}
	e := DailyReport{Config: config, Now: now}
	for _, word := range []string{"yesterday", "due"} {
		if got, err := e.Date(word); err != nil || got != "2026-09-06" {
			t.Errorf("%s is %s, %v", word, got, err)
		}
	}
}

package devices

import (
	"testing"
	"time"
)

func TestNextClock(t *testing.T) {
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04:05", s, home)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct{ name, now, clock, want string }{
		{"later today", "2026-07-15 16:02:00", "19h", "2026-07-15 19:00:00"},
		{"past midnight", "2026-07-15 23:30:00", "30m", "2026-07-16 00:30:00"},
		{"midnight as 24 hours", "2026-07-15 20:00:00", "24h", "2026-07-16 00:00:00"},
		{"just past is not tomorrow", "2026-07-15 19:15:00", "19h", "2026-07-15 19:00:00"},
		{"long past is tomorrow", "2026-07-15 19:15:01", "19h", "2026-07-16 19:00:00"},
		{"seconds count", "2026-07-15 16:02:00", "16h30m30s", "2026-07-15 16:30:30"},
		{"over the end of a month", "2026-07-31 23:00:00", "6h", "2026-08-01 06:00:00"},
		{"a day with 23 hours", "2026-03-08 01:30:00", "17h", "2026-03-08 17:00:00"},
		{"a day with 25 hours", "2026-11-01 00:30:00", "17h", "2026-11-01 17:00:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock, err := time.ParseDuration(tt.clock)
			if err != nil {
				t.Fatal(err)
			}
			if got := NextClock(clock, at(tt.now).UTC(), home); !got.Equal(at(tt.want)) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Where daylight saving time begins at midnight, the next midnight was already an hour ago
// at 23:00, and a hold until midnight ended then.
func TestMidnightThatSummerTimeLeavesOut(t *testing.T) {
	for _, tt := range []struct{ zone, evening, want string }{
		{"America/Santiago", "2026-09-05 23:30", "2026-09-06T01:00:00-03:00"},
		{"Asia/Beirut", "2026-03-28 23:30", "2026-03-29T01:00:00+03:00"},
		{"Atlantic/Azores", "2026-03-28 23:30", "2026-03-29T01:00:00Z"},
		{"America/Los_Angeles", "2026-07-15 23:30", "2026-07-16T00:00:00-07:00"},
	} {
		t.Run(tt.zone, func(t *testing.T) {
			home, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.ParseInLocation("2006-01-02 15:04", tt.evening, home)
			if err != nil {
				t.Fatal(err)
			}
			if got := NextMidnight(now.UTC(), home).Format(time.RFC3339); got != tt.want {
				t.Errorf("the next midnight is %s, want %s", got, tt.want)
			}
			if got := NextClock(24*time.Hour, now.UTC(), home).Format(time.RFC3339); got != tt.want {
				t.Errorf("a hold until midnight ends %s, want %s", got, tt.want)
			}
		})
	}
}

package simulation

import (
	"testing"
	"time"
)

// A home with peaks on every day gets through a whole day within its share of a month's
// calls, including commands.
func TestADayStaysWithinItsShareOfCalls(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin time.Time
		days  int // of the month
	}{
		{"summer, one peak", time.Date(2026, 7, 15, 0, 0, 0, 0, zone()), 31},
		{"winter, two peaks", time.Date(2026, 12, 16, 0, 0, 0, 0, zone()), 31},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := hot(1, "tcc")
			w.Begins, w.Ends, w.Calls = tt.begin, tt.begin.Add(24*time.Hour-time.Minute), 5000
			if tt.begin.Month() == time.December {
				w.Weather = weather{LowC: 2, HighC: 12, Clear: 0.5}
			}
			d := lives(t, w, func(*day) {})
			calls := map[string]int{}
			total := 0
			for _, q := range d.requests {
				if q.Vendor == "tesla" && q.Endpoint != "tesla.token" && q.At.Before(w.Ends) {
					calls[q.Endpoint]++
					total++
				}
			}
			share := 5000 / tt.days
			t.Logf("%d calls, %d a month: %v", total, total*tt.days, calls)
			if total > share || total < share*3/4 {
				t.Errorf("%d calls; its share is %d", total, share)
			}
		})
	}
}

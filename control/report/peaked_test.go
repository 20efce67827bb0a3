package report

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Whether there was a peak yet, and for how long there was one, are told alike.
func TestADayThatHadAPeak(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	start := time.Date(2026, 7, 15, 0, 0, 0, 0, time.UTC)
	hour := func() time.Time { return start.Add(time.Duration(r.IntN(34)-5) * time.Hour) }
	for range 2000 {
		d := Record{start: start, end: start.Add(24 * time.Hour), Until: hour()}
		for range r.IntN(3) {
			from := hour()
			d.Peaks = append(d.Peaks, Peak{Lead: from.Add(-30 * time.Minute), From: from, Until: from.Add(time.Duration(r.IntN(4)) * time.Hour)})
		}
		if peak, _ := d.elapsed(d.Until); d.peaked() != (peak > 0) {
			t.Fatalf("peaked %v, %g minutes: until %s, peaks %v", d.peaked(), peak, d.Until, d.Peaks)
		}
	}
}

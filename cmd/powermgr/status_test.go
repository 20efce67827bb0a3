package main

import (
	"testing"
	"time"

	"powermgr/cmd/daemon"
)

func TestWhatIsPlannedOfPrecooling(t *testing.T) {
	home := time.FixedZone("home", -7*3600)
	at := func(hour int) time.Time { return time.Date(2026, 7, 15, hour, 0, 0, 0, home) }
	from, hot, mild := 95.0, 103.4, 88.0
	for _, c := range []struct {
		name     string
		lead     time.Time
		from     *float64
		forecast *float64
		want     string
	}{
		{"never in this season", at(15), nil, &hot, ""},
		{"today, hot", at(15), &from, &hot, "; precools from 15:00, since 103 °F are forecast"},
		{"today, mild", at(15), &from, &mild, "; no precooling, since only 88 °F are forecast and not 95"},
		{"today, nobody knows", at(15), &from, nil, "; precools from 15:00 if 95 °F are forecast"},
		{"tomorrow, which today's forecast is not about", at(24 + 15), &from, &hot, "; precools from Thu 15:00 if 95 °F are forecast"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := page{Status: daemon.Status{Now: at(9)}}
			if got := p.precooling(daemon.Window{Lead: c.lead, Start: c.lead.Add(time.Hour), PrecoolF: c.from}, c.forecast); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

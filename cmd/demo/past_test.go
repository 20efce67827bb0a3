package demo

import (
	"testing"
	"time"

	"powermgr/control/thermal"
)

func TestThePastOfTheHouse(t *testing.T) {
	home, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 7, 15, 0, 0, 0, 0, home)
	s, rooms := past(start, home, House{})
	for _, r := range rooms {
		m, err := thermal.Fit(r.Samples)
		if len(r.Samples) != pastDays*48 || len(r.Follows) != len(r.Samples) || err != nil || m.Explained < 0.8 {
			t.Errorf("%s: %d half hours, %+v, %v", r.ID, len(r.Samples), m, err)
		}
	}
	if len(s.Slots) != pastDays*96 || !s.Slots[0].Start.Equal(start.AddDate(0, 0, -pastDays)) {
		t.Fatalf("%d slots from %s", len(s.Slots), s.Slots[0].Start)
	}
	load, sun, night := 0.0, 0.0, 0.0
	for _, q := range s.Slots {
		load, sun = load+*q.LoadKWh, sun+*q.SunKWh
		if q.Start.Hour() < 4 {
			night += *q.SunKWh
		}
	}
	if load /= pastDays; load < 20 || load > 100 {
		t.Errorf("it uses %.1f kWh a day", load)
	}
	if sun /= pastDays; sun < 10 || sun > 40 || night != 0 {
		t.Errorf("the sun gives %.1f kWh a day, and %.1f at night", sun, night)
	}
}

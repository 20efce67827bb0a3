package emulator

import (
	"testing"
	"time"

	"powermgr/devices"
)

func TestAThermostatThatShowsLate(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }})
	first := c.Truth().Thermostats[0]
	now = now.Add(time.Minute)
	if err := c.people([]byte(`{"device":"` + first.ID + `","cool":71,"hold":"permanent"}`)); err != nil {
		t.Fatal(err)
	}
	then := c.house.asOf(now.Add(-30 * time.Second))
	if th := then.Thermostats[0]; th.Cool != first.Cool || th.Hold != devices.HoldSchedule || !then.IsPast() {
		t.Errorf("half a minute before it was %g, %s; it was %g", th.Cool, th.Hold, first.Cool)
	}
	if th := c.house.asOf(now).Thermostats[0]; th.Cool != 71 || th == c.house.Thermostats[0] || c.house.IsPast() {
		t.Errorf("now it is %g, or not a copy", th.Cool)
	}
}

// The stored past is limited, and goes back as far as the longest lag.
func TestThePastIsBounded(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }})
	for range 5 * 24 {
		now = now.Add(time.Hour)
		c.Truth()
	}
	if n := len(c.house.past); n > 3*1024 {
		t.Errorf("%d moments are kept", n)
	}
	if at := c.house.asOf(now.Add(-longestLag)).at; now.Sub(at) > longestLag+time.Minute || now.Sub(at) < longestLag {
		t.Errorf("a day ago is %v ago", now.Sub(at))
	}
}

package rules_test

import (
	"math/rand/v2"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// The stored answer of a calendar is what it would say now, whatever the clock does.
func TestComingIsWhatTheCalendarSays(t *testing.T) {
	c, r := calendar(), rand.New(rand.NewPCG(1, 1))
	now, coming := at("2026-07-15 12:00"), Coming{}
	for range 20000 {
		switch r.IntN(50) {
		case 0:
			now = now.Add(time.Duration(r.Int64N(int64(200 * time.Hour)))) // the clock is set
		case 1:
			now = now.Add(-time.Duration(r.Int64N(int64(100 * time.Hour))))
		default:
			now = now.Add(time.Duration(r.Int64N(int64(30 * time.Minute))))
		}
		coming = coming.At(c, now)
		if got, want := coming.Scheduled(c, now), PlanAt(c, Override{}, true, now); got != want {
			t.Fatalf("%s: %+v, want %+v", now, got, want)
		}
	}
}

// The calendar is asked only once a day.
func TestTheCalendarIsNotAskedAtEachStep(t *testing.T) {
	days := 0
	c := Calendar{Location: pacific, Schedule: counted{&days}}
	coming := Coming{}.At(c, at("2026-07-15 00:00"))
	asked := days
	for m := range 19 * 60 {
		coming = coming.At(c, at("2026-07-15 00:00").Add(time.Duration(m)*time.Minute))
	}
	if days != asked {
		t.Errorf("the calendar was asked for the windows of %d days more", days-asked)
	}
	if coming.At(c, at("2026-07-15 19:00")); days == asked {
		t.Error("the peak that is over is still coming")
	}
}

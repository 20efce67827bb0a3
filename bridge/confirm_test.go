package bridge

import (
	"testing"
	"time"

	"powermgr/devices"
)

// The clock went back by 20 hours, and every command of the controller gave way to
// one that a person had sent "tomorrow": it was asked for again every ten seconds,
// and the journal was written as often.
func TestACommandThatSeemsAheadIsOver(t *testing.T) {
	now := time.Date(2026, 11, 26, 23, 10, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		at   time.Time // of the person's command
		want bool
	}{
		{"a moment ago", now.Add(-time.Second), true},
		{"as long ago as it counts", now.Add(-devices.JustRead), true},
		{"long ago", now.Add(-devices.JustRead - time.Second), false},
		{"a moment ago, and the clock was set back by a second since", now.Add(time.Second), true},
		{"before the clock went back", now.Add(20 * time.Hour), false},
	} {
		ws := &commandQueue{}
		ws.notePerson("reserve", c.at)
		if got := ws.yields("reserve", now) != nil; got != c.want {
			t.Errorf("%s: gives way %v, want %v", c.name, got, c.want)
		}
	}
}

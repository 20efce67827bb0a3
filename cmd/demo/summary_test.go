package demo

import (
	"testing"
	"time"

	"powermgr/devices/emulator"
)

// A person who tried a set point by MQTT, as the demo suggests, was shown a violation.
func TestWhatSomebodyAsksForIsNoViolation(t *testing.T) {
	at := time.Date(2026, 7, 15, 18, 0, 0, 0, time.UTC)
	set := func(after time.Duration, cool float64) emulator.Request {
		return emulator.Request{At: at.Add(after), Write: &emulator.Write{Device: "1000002", Values: map[string]any{"cool_setpoint": cool}}}
	}
	for _, c := range []struct {
		name   string
		writes []emulator.Request
		asked  []time.Time
		broken int
	}{
		{"by the rules", []emulator.Request{set(0, 79), set(4*time.Minute, 81)}, nil, 1},
		{"by a person", []emulator.Request{set(0, 79), set(4*time.Minute, 76)}, []time.Time{at.Add(4 * time.Minute)}, 0},
		{"by the rules, after a person", []emulator.Request{set(0, 79), set(4*time.Minute, 76), set(8*time.Minute, 81)}, []time.Time{at.Add(4 * time.Minute)}, 1},
		{"out of range by a person", []emulator.Request{set(0, 60)}, []time.Time{at}, 0},
		{"out of range by the rules", []emulator.Request{set(0, 60)}, nil, 1},
	} {
		if got := violations(c.writes, c.asked); len(got) != c.broken {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

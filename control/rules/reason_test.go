package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// Reasons said two things at once: "peak until 19:00, by override pause until
// 20:00", and "reserve 100 %, was 0 %: peak until 19:00".
func TestReasonsDoNotContradictThemselves(t *testing.T) {
	for _, tt := range []struct {
		name, at, override string
		off                bool
		want               string
	}{
		{"the schedule", "2026-07-15 17:00", "", false, "peak until 19:00"},
		{"nothing is on", "2026-07-15 12:00", "", false, "off peak; the next peak starts at 16:00"},
		{"paused in a peak", "2026-07-15 17:00", "pause until 20:00", false, "paused by override until 20:00"},
		{"paused through a peak", "2026-07-15 17:00", "pause", false, "paused by override until 19:00"},
		{"paused off peak", "2026-07-15 12:00", "pause 1h", false, "paused by override until 13:00"},
		{"peak off peak", "2026-07-15 12:00", "peak 1h", false, "peak by override until 13:00"},
		{"peak into a peak", "2026-07-15 15:00", "peak until 16:30", false, "peak until 19:00, by override until 16:30"},
		{"off peak in a peak", "2026-07-15 17:00", "off_peak", false, "off peak by override until 19:00; the next peak starts at Thu 16:00"},
		{"off peak for a part of a peak", "2026-07-15 17:00", "off_peak 1h", false, "off peak by override until 18:00; the next peak starts at 18:00"},
		{"the peak is left out", "2026-07-15 17:00", "skip", false, "the peak is skipped by override until 19:00; the next peak starts at Thu 16:00"},
		{"precooling off peak", "2026-07-15 12:00", "precool", false, "precooling by override until 12:30"},
		{"precooling in a peak", "2026-07-15 17:00", "precool 1h", false, "precooling in the peak by override until 18:00"},
		{"switched off in a peak", "2026-07-15 17:00", "", true, "switched off; the scheduled peak ends at 19:00"},
		{"switched off", "2026-07-15 12:00", "", true, "switched off; the next peak starts at 16:00"},
		{"a peak while switched off", "2026-07-15 12:00", "peak 1h", true, "peak by override until 13:00; powermgr is otherwise switched off"},
		{"a part of a peak while switched off", "2026-07-15 17:00", "peak 1h", true, "peak by override until 18:00; powermgr is otherwise switched off"},
		{"paused while switched off", "2026-07-15 17:00", "pause", true, "paused by override until 19:00; powermgr is otherwise switched off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := at(tt.at)
			s := State{Settings: settings()}
			s.Persisted.Battery.AtPeak = true
			read := BatteryRead{Battery{Charge: new(60.0), Reserve: new(50), Mode: "self_consumption", AsOf: now, Polled: now}}
			var d Decision
			s, _ = Step(s, read, now)
			if tt.off {
				s, d = Step(s, EnabledAsked{Enabled: false}, now)
			}
			if tt.override != "" {
				r, err := ParseOverride(tt.override, "")
				if err != nil {
					t.Fatal(err)
				}
				s, d = Step(s, OverrideAsked{r}, now)
			} else if !tt.off {
				s, d = Step(s, EnabledAsked{Enabled: true}, now)
			}
			if got, _, _ := strings.Cut(d.Why, "; reserve"); got != tt.want {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
			for _, w := range d.Writes {
				if !strings.HasSuffix(w.Why, ": "+tt.want) {
					t.Errorf("the write says %q", w.Why)
				}
			}
			if start := d.Plan.Peak.Start; d.Plan.Phase != InPeak && !start.After(now) {
				t.Errorf("the next peak starts at %v, which is past", start)
			}
		})
	}
}

// In a home without an upcoming peak a battery was left alone "until Mon Jan 1 00:00".
func TestNoEndIsSaidWhereNoneIsKnown(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00")
	w.s.Settings.Calendar.Seasons = nil
	w.start()
	w.reserve = 40
	for range 3 {
		w.now = w.now.Add(5 * time.Minute)
		w.readBattery(w.now)
	}
	said := ""
	for _, n := range w.notes {
		if n.Type == NoteYielded {
			said = n.Why
		}
	}
	if said != "reserve set to 40 %: the battery is left alone" {
		t.Errorf("%q", said)
	}
}

// control/state had "2026-11-26T16:16:59.349851025-08:00" after an override.
func TestOverridesBeginAndEndOnWholeSeconds(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 349851025, pacific)
	for _, text := range []string{"peak", "peak 90m", "peak 1.5s", "pause", "precool", "off_peak", "skip", "pause until 20:00", "peak 0.3s"} {
		r, err := ParseOverride(text, "")
		if err != nil {
			t.Fatal(err)
		}
		o, err := r.Grant(settings().Calendar, now)
		if err != nil || o.Since.Nanosecond() != 0 || o.Until.Nanosecond() != 0 || !o.Until.After(now) {
			t.Errorf("%s: %+v, %v", text, o, err)
		}
	}
}

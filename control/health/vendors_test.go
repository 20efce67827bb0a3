package health_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/health"
)

func failed(n int) string {
	return fmt.Sprintf(`{"age_seconds": 300, "failed_in_a_row": %d, "problem": "unreachable", "reason": "connection refused"}`, n)
}

const (
	well    = `{"age_seconds": 10, "failed_in_a_row": 0, "problem": null}`
	inPeak  = `{"phase": "peak", "problems": []}`
	inLead  = `{"phase": "pre_peak", "problems": []}`
	offPeak = `{"phase": "off_peak", "problems": []}`
)

// A vendor that was silent for a quarter of an hour of a peak showed no problem.
func TestAVendorThatIsSilentInAPeak(t *testing.T) {
	for name, tt := range map[string]struct {
		phase string
		polls []int         // failures in a row that a poll says, 30 s apart
		wait  time.Duration // since the last good answer
		shown bool
	}{
		"two failed polls in a peak":           {inPeak, []int{1, 2}, 3 * time.Minute, true},
		"two failed polls in the lead":         {inLead, []int{1, 2}, 3 * time.Minute, true},
		"two failed polls off peak":            {offPeak, []int{1, 2}, 14 * time.Minute, false},
		"one failed poll is not a problem yet": {inPeak, []int{1}, 4 * time.Minute, false},
		"one failed poll, and none since":      {inPeak, []int{1}, 5 * time.Minute, true},
	} {
		for _, part := range []string{health.Powerwall, health.Thermostats} {
			t.Run(name+", "+part, func(t *testing.T) {
				watch(t, func(h *home) {
					h.say("powermgr/control/state", tt.phase)
					h.say("powermgr/"+part+"/api", well)
					start := h.bus.Now()
					h.wait(2 * time.Minute)
					for i, n := range tt.polls {
						if i > 0 {
							h.wait(30 * time.Second)
						}
						h.say("powermgr/"+part+"/api", failed(n))
					}
					h.wait(tt.wait - h.bus.Now().Sub(start))
					if got := h.faults(); got != "" {
						t.Errorf("there would be mail: %q", got)
					}
					p := h.last().Parts[part]
					if p.OK == tt.shown || tt.shown && p.Problem == nil {
						t.Errorf("after %v: %+v", tt.wait, p)
					}
					h.say("powermgr/"+part+"/api", well)
					h.faults()
					if p := h.last().Parts[part]; !p.OK {
						t.Errorf("it answers again: %+v", p)
					}
				})
			})
		}
	}
}

// The mail waits as long as ever, and what was silent before the lead is shown with
// its beginning.
func TestASilentVendorIsShownAsAPeakComes(t *testing.T) {
	watch(t, func(h *home) {
		h.say("powermgr/control/state", offPeak)
		h.say("powermgr/powerwall/api", failed(1))
		h.wait(6 * time.Minute)
		h.say("powermgr/powerwall/api", failed(4))
		if h.faults(); !h.last().Parts[health.Powerwall].OK {
			t.Error("shown off peak")
		}
		h.say("powermgr/control/state", inLead)
		if got := h.faults(); got != "" || h.last().Parts[health.Powerwall].OK {
			t.Errorf("in the lead: %q, %+v", got, h.last())
		}
		h.wait(9 * time.Minute)
		if got := h.faults(); got != "warning powerwall/answers" {
			t.Errorf("after a quarter of an hour: %q", got)
		}
	})
}

func TestTimesOfFaultsAreInWholeSeconds(t *testing.T) {
	watch(t, func(h *home) {
		h.wait(1234567890 * time.Nanosecond)
		h.say(bus.LinkHealth, `{"connected": true, "broker": "mqtt://broker:1883", "problem": "refused"}`)
		h.faults()
		for _, at := range []time.Time{h.last().At, h.last().Faults[0].Since} {
			if b, _ := json.Marshal(at); at.Nanosecond() != 0 {
				t.Errorf("published: %s", b)
			}
		}
	})
}

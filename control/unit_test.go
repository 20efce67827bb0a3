package control_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A home that uses °C was shown the depth of precooling in °F, and a number that it sent
// was taken for °F.
func TestADepthOfPrecoolingInTheOwnersUnit(t *testing.T) {
	celsius := settings()
	celsius.Unit, celsius.PrecoolAdjustF = "C", 1.8
	runWith(t, celsius, alone{}, false, &memory{}, func(r *rig) {
		for _, tt := range []struct {
			payload string
			depthF  float64 // of the state afterwards
			shown   string  // of the last command
		}{
			{"2", 3.6, "precool depth 2 °C: accepted"},
			{"2.8", 5, "precool depth 2.8 °C: accepted"}, // the deepest, as people see it
			{"3", 5, "precool depth 3 °C: refused: the precool depth has to be 0 to 2.8 °C"},
			{"2 F", 2, "precool depth 1.1 °C: accepted"},
			{`{"value": 0.5, "unit": "C"}`, 0.9, "precool depth 0.5 °C: accepted"},
			{"two", 0.9, `precool_depth two: refused: "two" is not a number of degrees: send one such as 2 or 1.5 C, or configured for that of the configuration`},
			{"configured", 1.8, "precool_depth configured: accepted"},
		} {
			r.send("powermgr/control/precool_depth/set", tt.payload)
			if m, _ := r.bus.Retained("powermgr/control/state"); !strings.Contains(string(m.Payload), fmt.Sprintf(`"precool_depth_f":%g,`, tt.depthF)) {
				t.Errorf("%s: %s", tt.payload, m.Payload)
			}
			var c struct{ State string }
			m, _ := r.bus.Retained("powermgr/control/last_command")
			if err := json.Unmarshal(m.Payload, &c); err != nil || c.State != tt.shown {
				t.Errorf("%s: %q, want %q", tt.payload, c.State, tt.shown)
			}
		}
		r.send("powermgr/control/precool_depth/set", "1.5")
		if m, _ := r.bus.Retained("powermgr/control/state"); !strings.Contains(string(m.Payload), `"text":"1.5 °C"`) {
			t.Errorf("changed by hand: %s", m.Payload)
		}
	})
}

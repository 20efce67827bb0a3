package discovery

import (
	"encoding/json"
	"strings"
	"testing"

	"powermgr/devices"
)

// Home Assistant converts temperatures by itself, but not differences of temperatures.
func TestDifferencesInCelsius(t *testing.T) {
	d := Controller(ControllerDescription{Topics: devices.Topics{Base: "powermgr"}, Unit: devices.Celsius})
	var all strings.Builder
	for _, e := range d.Entities {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"offset_f", "precool_depth_f"} {
			if text := string(b); strings.Contains(text, field) {
				all.WriteString(field)
				if !strings.Contains(text, "°C") || !strings.Contains(text, "/ 1.8") || strings.Contains(text, "°F") {
					t.Error(text)
				}
			}
		}
	}
	if all.String() != "offset_fprecool_depth_f" {
		t.Errorf("found: %s", &all)
	}
}

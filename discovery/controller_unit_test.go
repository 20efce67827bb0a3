package discovery

import (
	"encoding/json"
	"strings"
	"testing"

	"powermgr/devices"
)

// Home Assistant converts temperatures by itself, and no differences of them.
func TestASetbackInCelsius(t *testing.T) {
	d := Controller(ControllerDescription{Topics: devices.Topics{Base: "powermgr"}, Unit: devices.Celsius})
	for _, e := range d.Entities {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(b); strings.Contains(text, "offset_f") {
			if !strings.Contains(text, "°C") || !strings.Contains(text, "/ 1.8") {
				t.Error(text)
			}
			return
		}
	}
	t.Error("there is no setback")
}

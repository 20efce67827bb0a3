package bridge

import (
	"testing"

	"powermgr/devices"
)

// The unit in a field counts: 23 °C was taken as 23 in the unit of the device.
func TestASetPointWithAUnit(t *testing.T) {
	for _, tt := range []struct {
		payload string
		unit    devices.Unit // of the device
		want    float64
		refused bool
	}{
		{`74`, devices.Fahrenheit, 74, false},
		{`{"value": 23.5, "unit": "C"}`, devices.Fahrenheit, 74.3, false},
		{`{"value": 23.5, "unit": "°c"}`, devices.Celsius, 23.5, false},
		{`74 F`, devices.Celsius, 23.33, false},
		{`{"value": "73.40000000000001"}`, devices.Fahrenheit, 73.4, false},
		{`{"value": 74, "unit": 5}`, devices.Fahrenheit, 0, true},
		{`{"value": 74, "hold": "permanent"}`, devices.Fahrenheit, 0, true},
		{`warm`, devices.Fahrenheit, 0, true},
		{`C`, devices.Fahrenheit, 0, true},
	} {
		t.Run(tt.payload, func(t *testing.T) {
			req, err := devices.ParseRequest([]byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			cmd, err := parseThermostat(parsing{setting: "cool_setpoint", req: req, r: devices.ThermostatReading{Unit: tt.unit}})
			if (err != nil) != tt.refused {
				t.Fatalf("refused %v: %v", err != nil, err)
			}
			if err == nil && *cmd.CoolSetpoint != tt.want {
				t.Errorf("got %g, want %g", *cmd.CoolSetpoint, tt.want)
			}
		})
	}
}

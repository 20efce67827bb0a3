package bridge

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"powermgr/devices"
)

// Temperatures that people send: a number, and if they like its unit, behind it
// (38 °C) or in a field of its own ({"value": 38, "unit": "C"}).

// A temperature that was sent.
type temperature struct {
	degrees float64
	unit    devices.Unit // empty: none was said
}

// in is its degrees in u, which a temperature without a unit is in already.
func (t temperature) in(u devices.Unit) float64 {
	if t.unit == "" {
		return t.degrees
	}
	return t.unit.To(u, t.degrees)
}

// parseTemperature reads one. Home Assistant converts units, and sends
// 73.40000000000001.
func parseTemperature(text string, unit devices.Unit) (temperature, error) {
	number := strings.TrimSpace(text)
	for _, u := range []devices.Unit{devices.Fahrenheit, devices.Celsius} {
		if before, ok := strings.CutSuffix(strings.ToUpper(number), string(u)); ok {
			number, unit = strings.TrimRight(before, " °"), u
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !devices.Finite(v) || math.Abs(v) > 1000 {
		return temperature{}, fmt.Errorf("%.40q is not a temperature", text)
	}
	return temperature{math.Round(v*100) / 100, unit}, nil
}

// unitOf reads the unit of a command's temperatures; empty if it has none.
func unitOf(req devices.Request) (devices.Unit, error) {
	raw, ok := req.Fields["unit"]
	if !ok {
		return "", nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		switch strings.ToUpper(strings.Trim(text, " °")) {
		case "C", "CELSIUS":
			return devices.Celsius, nil
		case "F", "FAHRENHEIT":
			return devices.Fahrenheit, nil
		}
	}
	return "", fmt.Errorf("\"unit\" is %.40s: send \"F\" or \"C\"", raw)
}

package devices

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Temperatures that people send: a number, and if they like its unit, behind it
// (38 °C) or in a field of its own ({"value": 38, "unit": "C"}).

// A Temperature is one that somebody sent, or a difference of two.
type Temperature struct {
	Degrees float64
	Unit    Unit // empty: none was said
}

// In returns its degrees in u. One without a unit is in the owner's (empty: °F).
func (t Temperature) In(u, owner Unit) float64 {
	return cmp.Or(t.Unit, owner, Fahrenheit).To(u, t.Degrees)
}

// DifferenceIn is In for a difference of two temperatures.
func (t Temperature) DifferenceIn(u, owner Unit) float64 {
	return cmp.Or(t.Unit, owner, Fahrenheit).DifferenceTo(u, t.Degrees)
}

// Temperature parses a temperature of the request: its value, or one of its fields.
// Home Assistant converts units, and sends 73.40000000000001.
func (r Request) Temperature(text string) (Temperature, error) {
	unit, err := r.unit()
	if err != nil {
		return Temperature{}, err
	}
	number := strings.TrimSpace(text)
	for _, u := range []Unit{Fahrenheit, Celsius} {
		before, said := strings.CutSuffix(strings.ToUpper(number), string(u))
		if !said {
			continue
		}
		if unit != "" && unit != u {
			return Temperature{}, fmt.Errorf("%.40q is in °%s, and \"unit\" says °%s: send one", text, u, unit)
		}
		number, unit = strings.TrimRight(before, " °"), u
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !Finite(v) || math.Abs(v) > 1000 {
		return Temperature{}, fmt.Errorf("%.40q is not a temperature", text)
	}
	return Temperature{math.Round(v*100) / 100, unit}, nil
}

// unit is the unit of the request's temperatures; empty if it has none.
func (r Request) unit() (Unit, error) {
	raw, ok := r.Fields["unit"]
	if !ok {
		return "", nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		switch strings.ToUpper(strings.Trim(text, " °")) {
		case "C", "CELSIUS":
			return Celsius, nil
		case "F", "FAHRENHEIT":
			return Fahrenheit, nil
		}
	}
	return "", fmt.Errorf("\"unit\" is %.40s: send \"F\" or \"C\"", raw)
}

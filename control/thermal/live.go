package thermal

import "math"

// A Setting is what a thermostat is set to for a half hour, in °C. NaN: it does not cool,
// or does not heat.
type Setting struct{ CoolC, HeatC float64 }

// Outside is what acts on a zone in a coming half hour.
type Outside struct{ OutdoorC, SunKW float64 }

// Inside is the result of a half hour in a zone: the air temperature at its end, and the
// shares of the time in which it was cooled and heated.
type Inside struct{ AirC, Cools, Heats float64 }

// parts is how many steps a half hour is divided into.
const parts = 6

// Live simulates a zone under settings of a half hour each, starting with the
// temperatures of its air and its walls. Equipment runs for as long as it takes to keep
// the set point.
func (m Model) Live(airC, wallsC float64, outside []Outside, settings []Setting) []Inside {
	dt := Step.Hours() / parts
	follow := 1 - math.Exp(-dt/m.Lag.Hours())
	out := make([]Inside, len(settings))
	for i, s := range settings {
		o := &out[i]
		for range parts {
			idle := airC + dt*(m.Outdoors*(outside[i].OutdoorC-airC)+m.Mass*(wallsC-airC)+m.Sun*outside[i].SunKW+m.Gain)
			cools, heats := 0.0, 0.0
			switch {
			case idle > s.CoolC && m.Cooling < 0:
				cools = min(1, (s.CoolC-idle)/(dt*m.Cooling))
			case idle < s.HeatC && m.Heating > 0:
				heats = min(1, (s.HeatC-idle)/(dt*m.Heating))
			}
			airC = idle + dt*(m.Cooling*cools+m.Heating*heats)
			wallsC += follow * (airC - wallsC)
			o.Cools, o.Heats = o.Cools+cools/parts, o.Heats+heats/parts
		}
		o.AirC = airC
	}
	return out
}

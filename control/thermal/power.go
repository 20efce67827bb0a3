package thermal

import (
	"errors"
	"math"
)

// warmer is the share by which a compressor's power rises for each °C that it is warmer
// outside than 25 °C; this is a typical value. When heating, it draws about the same at
// all temperatures.
const warmer = 0.02

// A Power is what the equipment of one zone draws while it runs, in kW; if it cools, at
// 25 °C outside.
type Power float64

// At returns what is drawn for a run time.
func (p Power) At(outdoorC float64, in Inside) float64 {
	return float64(p) * (in.Cools*stronger(outdoorC) + in.Heats)
}

func stronger(outdoorC float64) float64 { return max(0.5, 1+warmer*(outdoorC-25)) }

// The power that a compressor can draw, in kW, and how well its run time has to follow
// from the weather for its power to be determined: the square of their correlation.
const minPower, maxPower, minRunR2 = 0.3, 12.0, 0.1

// ErrPower says that the readings do not tell what the equipment draws.
var ErrPower = errors.New("the home's power does not show what heating and cooling draw")

// FitPower finds the power of the equipment of a zone: how much more the home draws at
// times when, according to the models and the weather, the equipment has to run longer
// than at the same time on other days. Using the run time that was read instead would
// find too little, because it is only read now and then. The samples are those of each
// zone at the same times; the zones are assumed to be alike.
func FitPower(models []Model, zones [][]Sample) (Power, error) {
	type half struct{ home, ran, needed, zones float64 }
	at := map[int64]half{}
	var order []int64 // sums of floats depend on the order
	for z, m := range models {
		mass := walls(zones[z], m.Lag)
		for i := 1; i+1 < len(zones[z]); i++ {
			s := zones[z][i]
			ran := s.Cools*stronger(s.OutdoorC) + s.Heats
			idle := m.Outdoors*(s.OutdoorC-s.IndoorC) + m.Mass*(mass[i]-s.IndoorC) + m.Sun*s.SunKW + m.Gain
			needed := max(0, min(1, ((zones[z][i+1].IndoorC-zones[z][i-1].IndoorC)/(2*Step.Hours())-idle)/(m.Cooling+m.Heating)))
			if math.IsNaN(ran + needed + s.HomeKW) {
				continue
			}
			h, seen := at[s.Start.Unix()]
			if !seen {
				order = append(order, s.Start.Unix())
			}
			at[s.Start.Unix()] = half{s.HomeKW, h.ran + ran, h.needed + needed, h.zones + 1}
		}
	}
	// What else the home draws follows the time of day.
	var usual [48]half
	slot := func(unix int64) *half { return &usual[unix/1800%48] }
	for _, unix := range order {
		if h := at[unix]; h.zones == float64(len(models)) {
			u := slot(unix)
			*u = half{u.home + h.home, u.ran + h.ran, u.needed + h.needed, u.zones + 1}
		}
	}
	var home, ran, together, alone float64
	for _, unix := range order {
		h, u := at[unix], *slot(unix)
		if h.zones != float64(len(models)) {
			continue
		}
		more := h.needed - u.needed/u.zones
		home += more * (h.home - u.home/u.zones)
		together += more * (h.ran - u.ran/u.zones)
		alone += more * more
		ran += (h.ran - u.ran/u.zones) * (h.ran - u.ran/u.zones)
	}
	p := Power(home / together)
	if !(together*together >= minRunR2*ran*alone) || !(p >= minPower && p <= maxPower) {
		return 0, ErrPower
	}
	return p, nil
}

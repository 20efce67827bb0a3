package emulator

// The history of the house, in stretches of five minutes.

import "time"

// StretchLength is how long one entry of the history is.
const StretchLength = 5 * time.Minute

// maxStretches is how far back the history goes: 400 days.
const maxStretches = 400 * 288

// A Stretch holds the energies of five minutes, in Wh, by source and destination.
type Stretch struct {
	Start                                    int64 // Unix seconds
	SolarToHome, SolarToBattery, SolarToGrid float64
	BatteryToHome, BatteryToGrid             float64
	GridToHome, GridToBattery                float64
}

// History returns the energies of the past, the oldest first. They must not be changed.
func (h *House) History() []Stretch { return h.lived }

// enter adds what flows for hours from h.at on to the history.
func (h *House) enter(f flows, hours float64) {
	start := h.at.Unix() - mod(h.at.Unix(), int64(StretchLength/time.Second))
	if n := len(h.lived); n == 0 || h.lived[n-1].Start != start {
		if n >= maxStretches {
			h.lived = append(h.lived[:0], h.lived[n-maxStretches+1:]...)
		}
		h.lived = append(h.lived, Stretch{Start: start})
	}
	s := &h.lived[len(h.lived)-1]
	solar, out, in := f.solar*hours, max(0, f.battery)*hours, max(0, -f.battery)*hours
	home, imported := f.home*hours, max(0, f.grid)*hours
	toHome := min(solar, home)
	toBattery := min(solar-toHome, in)
	s.SolarToHome += toHome
	s.SolarToBattery += toBattery
	s.SolarToGrid += solar - toHome - toBattery
	fromBattery := min(out, home-toHome)
	s.BatteryToHome += fromBattery
	s.BatteryToGrid += out - fromBattery
	fromGrid := min(imported, in-toBattery)
	s.GridToBattery += fromGrid
	s.GridToHome += imported - fromGrid
}

func mod(a, b int64) int64 { return (a%b + b) % b }

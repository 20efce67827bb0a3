package devices

import "time"

// Forecast is today's weather at the home. Its JSON is the payload of
// weather/state. Temperatures are °F.
type Forecast struct {
	HighF  *float64     `json:"high_f"` // today's high, local day
	Hourly []HourlyDegF `json:"hourly"`
	// Radiation is the sun's, of some days past and of those ahead; nil: the source
	// does not tell.
	Radiation *Radiation `json:"radiation,omitempty"`
	Source    string     `json:"source"` // "open-meteo", "mqtt"
	Day       string     `json:"day"`    // the local day it is for: 2026-07-15
	AsOf      time.Time  `json:"as_of"`
}

// HourlyDegF is the forecast for the hour that begins at At.
type HourlyDegF struct {
	At   time.Time `json:"at"`
	DegF float64   `json:"f"`
}

// Radiation is the mean power of the sun on level ground, in W/m², in each hour from
// Start on. Nil: it is unknown.
type Radiation struct {
	Start time.Time  `json:"start"`
	WM2   []*float64 `json:"w_m2"`
}

// Between is the mean from one instant to a later one. ok is false if it is not known
// all the time.
func (r *Radiation) Between(from, until time.Time) (wm2 float64, ok bool) {
	if r == nil || !from.Before(until) {
		return 0, false
	}
	sum := 0.0
	for at := from; at.Before(until); {
		i := int(at.Sub(r.Start) / time.Hour)
		if at.Before(r.Start) || i >= len(r.WM2) || r.WM2[i] == nil {
			return 0, false
		}
		end := r.Start.Add(time.Duration(i+1) * time.Hour)
		if end.After(until) {
			end = until
		}
		sum += *r.WM2[i] * end.Sub(at).Hours()
		at = end
	}
	return sum / until.Sub(from).Hours(), true
}

package devices

import "time"

// Forecast is today's weather at the home. Its JSON is the payload of
// weather/state. Temperatures are °F.
type Forecast struct {
	HighF  *float64     `json:"high_f"` // today's high, local day
	Hourly []HourlyDegF `json:"hourly"`
	Source string       `json:"source"` // "open-meteo", "mqtt"
	Day    string       `json:"day"`    // the local day it is for: 2026-07-15
	AsOf   time.Time    `json:"as_of"`
}

// HourlyDegF is the forecast for the hour that begins at At.
type HourlyDegF struct {
	At   time.Time `json:"at"`
	DegF float64   `json:"f"`
}

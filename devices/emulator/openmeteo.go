package emulator

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

func (c *Cloud) openMeteo(mux *http.ServeMux) {
	c.handle(mux, "GET /v1/forecast", "openmeteo.forecast", c.forecast)
}

// forecast answers as Open-Meteo does: parallel arrays of local times and
// values.
func (c *Cloud) forecast(w http.ResponseWriter, r *http.Request, h *House) {
	q := r.URL.Query()
	refuse := func(why string) { reply(w, http.StatusBadRequest, map[string]any{"error": true, "reason": why}) }
	lat, errLat := strconv.ParseFloat(q.Get("latitude"), 64)
	lon, errLon := strconv.ParseFloat(q.Get("longitude"), 64)
	switch {
	case errLat != nil || errLon != nil:
		refuse("Parameter 'latitude' and 'longitude' must have the same number of elements")
		return
	case !(math.Abs(lat) <= 90 && math.Abs(lon) <= 180): // NaN is neither
		refuse("Latitude must be in range of -90 to 90°. Given: " + q.Get("latitude"))
		return
	}
	days := 7
	if v := q.Get("forecast_days"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 16 {
			refuse("Forecast days is invalid. Allowed range 0 to 16. Given " + v + ".")
			return
		}
		days = n
	}
	zone, unit, mark := time.UTC, devices.Celsius, "°C"
	if z := q.Get("timezone"); z != "" && z != "GMT" {
		zone = h.local
		if z != "auto" && z != zone.String() {
			l, err := time.LoadLocation(z)
			if err != nil {
				refuse("Invalid timezone")
				return
			}
			zone = l
		}
	}
	if q.Get("temperature_unit") == "fahrenheit" {
		unit, mark = devices.Fahrenheit, "°F"
	}
	now := c.options.Now().In(zone)
	_, offset := now.Zone()
	body := map[string]any{
		"latitude": lat, "longitude": lon, "generationtime_ms": 0.05, "utc_offset_seconds": offset, "timezone": zone.String(),
		"timezone_abbreviation": now.Format("MST"), "elevation": 380.0,
	}
	var hours, dates []string
	var temps, highs []float64
	for d := range days {
		high := math.Inf(-1)
		for hour := range 24 {
			at := time.Date(now.Year(), now.Month(), now.Day()+d, hour, 0, 0, 0, zone)
			f := math.Round(devices.Celsius.To(unit, h.outdoor(at)+c.options.ForecastErrorF/1.8)*10) / 10
			hours, temps, high = append(hours, at.Format("2006-01-02T15:04")), append(temps, f), max(high, f)
		}
		dates, highs = append(dates, time.Date(now.Year(), now.Month(), now.Day()+d, 0, 0, 0, 0, zone).Format(time.DateOnly)), append(highs, high)
	}
	if strings.Contains(q.Get("hourly"), "temperature_2m") {
		body["hourly_units"] = map[string]string{"time": "iso8601", "temperature_2m": mark}
		body["hourly"] = map[string]any{"time": hours, "temperature_2m": temps}
	}
	if strings.Contains(q.Get("daily"), "temperature_2m_max") {
		body["daily_units"] = map[string]string{"time": "iso8601", "temperature_2m_max": mark}
		body["daily"] = map[string]any{"time": dates, "temperature_2m_max": highs}
	}
	reply(w, http.StatusOK, body)
}

// outdoor is the temperature there will be.
func (h *House) outdoor(at time.Time) float64 {
	if m := h.hour(at); m != nil {
		return m.OutdoorC
	}
	return h.weather(at).OutdoorC
}

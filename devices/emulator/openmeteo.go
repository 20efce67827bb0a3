package emulator

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

func (c *Cloud) openMeteo(mux *http.ServeMux) {
	c.handle(mux, "GET /v1/forecast", "openmeteo.forecast", c.forecast)
}

// forecast answers as Open-Meteo does: with parallel arrays of local times and values.
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
	days, ok := within(q.Get("forecast_days"), 7, 1, 16)
	if !ok {
		refuse("Forecast days is invalid. Allowed range 0 to 16. Given " + q.Get("forecast_days") + ".")
		return
	}
	before, ok := within(q.Get("past_days"), 0, 0, 92)
	if !ok {
		refuse("Past days is invalid. Allowed range 0 to 92. Given " + q.Get("past_days") + ".")
		return
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
	asked := r.URL.RawQuery + now.Format(" 2006-01-02 MST")
	if c.told.asked == asked {
		answer(w, http.StatusOK, c.told.answer, nil)
		return
	}
	_, offset := now.Zone()
	body := map[string]any{
		"latitude": lat, "longitude": lon, "generationtime_ms": 0.05, "utc_offset_seconds": offset, "timezone": zone.String(),
		"timezone_abbreviation": now.Format("MST"), "elevation": 380.0,
	}
	var hours, dates []string
	var temps, highs, radiation []float64
	for d := -before; d < days; d++ {
		high := math.Inf(-1)
		for hour := range 24 {
			at := time.Date(now.Year(), now.Month(), now.Day()+d, hour, 0, 0, 0, zone)
			f := math.Round(devices.Celsius.To(unit, h.outdoor(at)+c.options.ForecastErrorF/1.8)*10) / 10
			radiation = append(radiation, math.Round(h.radiation(at, now, c.options.ForecastSky)*10)/10)
			hours, temps, high = append(hours, at.Format("2006-01-02T15:04")), append(temps, f), max(high, f)
		}
		dates, highs = append(dates, time.Date(now.Year(), now.Month(), now.Day()+d, 0, 0, 0, 0, zone).Format(time.DateOnly)), append(highs, high)
	}
	hourly, units := map[string]any{"time": hours}, map[string]string{"time": "iso8601"}
	for _, v := range []struct {
		name, unit string
		values     []float64
	}{{"temperature_2m", mark, temps}, {"shortwave_radiation", "W/m²", radiation}} {
		if slices.Contains(strings.Split(q.Get("hourly"), ","), v.name) {
			hourly[v.name], units[v.name] = v.values, v.unit
			body["hourly"], body["hourly_units"] = hourly, units
		}
	}
	if strings.Contains(q.Get("daily"), "temperature_2m_max") {
		body["daily_units"] = map[string]string{"time": "iso8601", "temperature_2m_max": mark}
		body["daily"] = map[string]any{"time": dates, "temperature_2m_max": highs}
	}
	b, err := json.Marshal(body)
	if err == nil && c.options.ForecastSky == 0 { // otherwise past hours have no error, so the answer changes during the day
		c.told = told{asked, b}
	}
	answer(w, http.StatusOK, b, err)
}

// told is the last forecast, which stays the same all day.
type told struct {
	asked  string // the query and the day; empty: there is no forecast
	answer []byte
}

// within parses a number in a query, from least to most; empty means byDefault.
func within(text string, byDefault, least, most int) (n int, ok bool) {
	if text == "" {
		return byDefault, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= most
}

// outdoor returns the outdoor temperature at a time.
func (h *House) outdoor(at time.Time) float64 {
	if m := h.hour(at); m != nil {
		return m.OutdoorC
	}
	return h.weather(at).OutdoorC
}

// fullSun is the radiation on level ground at noon on a clear day in June, in W/m².
const fullSun = 1000.0

// radiation returns the mean of the hour that ends at a time, in W/m². For hours that are
// still to come it has a relative error of share, up or down, the same all day.
func (h *House) radiation(end, now time.Time, share float64) float64 {
	off := 1.0
	if end.After(now) {
		local := end.Add(-time.Minute).In(h.local)
		off += share * (2*noise(h.seed, uint64(local.Year()*1000+local.YearDay())) - 1) * math.Sqrt(3)
	}
	return fullSun * max(0, off) * h.sunBefore(end) / sunParts
}

// sunParts is the number of parts of an hour over which its sun is summed.
const sunParts = 6

// maxSunHours is how many hours of sun are cached: more than a forecast has.
const maxSunHours = 3000

// sunBefore returns the sun of the hour that ends at a time, as the sum of its parts. It
// is computed once, since each forecast asks for the same hours.
func (h *House) sunBefore(end time.Time) (sum float64) {
	if sum, ok := h.suns[end.Unix()]; ok {
		return sum
	}
	for i := range sunParts {
		at := end.Add(-time.Duration(2*i+1) * time.Hour / (2 * sunParts))
		if m := h.hour(at); m != nil {
			sum += m.SolarWh / max(h.options.SolarPeakW, 1)
		} else {
			sum += h.weather(at).Sun
		}
	}
	if h.suns == nil || len(h.suns) >= maxSunHours {
		h.suns = map[int64]float64{}
	}
	h.suns[end.Unix()] = sum
	return sum
}

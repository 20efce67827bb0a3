// Package openmeteo is the dialect of Open-Meteo, which forecasts the weather of the house.
package openmeteo

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Options say how wrong the forecasts are.
type Options struct {
	// ErrorF is added to the temperatures, in °F.
	ErrorF float64
	// Sky is the relative error of the sun, up or down, different for each day: 0.25 is a
	// quarter.
	Sky float64
}

// api is the emulated Open-Meteo. The cloud's lock guards it.
type api struct {
	cloud   *emulator.Cloud
	options Options
	told    told
	suns    map[int64]float64 // the sun of hours, by the Unix time of their end; see sunBefore
}

// Serve puts Open-Meteo on a cloud.
func Serve(c *emulator.Cloud, o Options) {
	a := &api{cloud: c, options: o, suns: map[int64]float64{}}
	c.Add(emulator.Vendor{Name: "openmeteo"})
	c.Handle("GET /v1/forecast", "openmeteo.forecast", a.forecast)
}

// forecast answers as Open-Meteo does: with parallel arrays of local times and values.
func (a *api) forecast(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	q := r.URL.Query()
	refuse := func(why string) {
		emulator.Reply(w, http.StatusBadRequest, map[string]any{"error": true, "reason": why})
	}
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
		zone = h.Location()
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
	now := a.cloud.Now().In(zone)
	asked := r.URL.RawQuery + now.Format(" 2006-01-02 MST")
	if a.told.asked == asked {
		answer(w, a.told.answer)
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
			f := math.Round(devices.Celsius.To(unit, h.Conditions(at).OutdoorC+a.options.ErrorF/1.8)*10) / 10
			radiation = append(radiation, math.Round(a.radiation(h, at, now)*10)/10)
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
	if err != nil { // impossible for finite numbers
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if a.options.Sky == 0 { // otherwise past hours have no error, so the answer changes during the day
		a.told = told{asked, b}
	}
	answer(w, b)
}

func answer(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(b)
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

// fullSun is the radiation on level ground at noon on a clear day in June, in W/m².
const fullSun = 1000.0

// radiation returns the mean of the hour that ends at a time, in W/m². For hours that are
// still to come it has a relative error of Sky, up or down, the same all day.
func (a *api) radiation(h *emulator.House, end, now time.Time) float64 {
	off := 1.0
	if end.After(now) {
		local := end.Add(-time.Minute).In(h.Location())
		off += a.options.Sky * (2*h.Noise(uint64(local.Year()*1000+local.YearDay())) - 1) * math.Sqrt(3)
	}
	return fullSun * max(0, off) * a.sunBefore(h, end) / sunParts
}

// sunParts is the number of parts of an hour over which its sun is summed.
const sunParts = 6

// maxSunHours is how many hours of sun are cached: more than a forecast has.
const maxSunHours = 3000

// sunBefore returns the sun of the hour that ends at a time, as the sum of its parts. It
// is computed once, since each forecast asks for the same hours.
func (a *api) sunBefore(h *emulator.House, end time.Time) (sum float64) {
	if sum, ok := a.suns[end.Unix()]; ok {
		return sum
	}
	for i := range sunParts {
		at := end.Add(-time.Duration(2*i+1) * time.Hour / (2 * sunParts))
		sum += h.Conditions(at).Sun
	}
	if len(a.suns) >= maxSunHours {
		clear(a.suns)
	}
	a.suns[end.Unix()] = sum
	return sum
}

package config

import (
	"powermgr/devices"
	"slices"
)

// The forecast.

// Where the forecast comes from.
const (
	WeatherOpenMeteo = "open-meteo" // needs latitude and longitude
	WeatherMQTT      = "mqtt"       // a number on weather/forecast_high/set
	WeatherNone      = "none"       // nowhere: no precooling
)

// Weather is the forecast that decides on precooling.
type Weather struct {
	// Source is one of the Weather constants. Empty in the file: open-meteo if
	// there are coordinates, else mqtt, or none without a broker. Load fills it in.
	Source string `koanf:"source" oneof:"open-meteo,mqtt,none"`
	// BaseURL is Open-Meteo's.
	BaseURL string `koanf:"base_url" default:"https://api.open-meteo.com"`
	// Latitude and Longitude are the home's in degrees, −90–90 and −180–180,
	// both or neither. Nil: not known; 0 is a place.
	Latitude  *float64 `koanf:"latitude" range:"-90–90"`
	Longitude *float64 `koanf:"longitude" range:"-180–180"`
	// APIKey and APIURL are from Power Manager v2.0, which never used them.
	// They are accepted, and have no effect.
	APIKey devices.Secret `koanf:"api_key"`
	APIURL string         `koanf:"api_url"`
}

func (l *loader) checkWeather(c *Config) {
	w := c.Weather
	switch {
	case (w.Latitude == nil) != (w.Longitude == nil):
		l.problem("weather", "latitude and longitude go together")
	case w.Latitude == nil && w.Source == WeatherOpenMeteo:
		l.problem("weather.source", "open-meteo needs weather.latitude and weather.longitude")
	}
	l.vendorURL("weather.base_url", w.BaseURL)
	if w.APIKey != "" || w.APIURL != "" {
		l.notice("weather.api_key", "weather.api_key and weather.api_url are not used: the forecast is Open-Meteo's, which needs neither")
	}
	precools := func(s Season) bool { return *s.Precool && len(s.PeakPeriods) > 0 }
	rates := slices.ContainsFunc(c.Tariff.Rates, func(r Rate) bool { return r.rate().Peak && r.rate().Precool })
	if w.Source != WeatherOpenMeteo && c.Honeywell != nil && c.Settings.PrecoolAdjustmentF > 0 &&
		(rates || slices.ContainsFunc(c.Settings.SeasonNames(), func(name string) bool { return precools(c.Settings.Seasons[name]) })) {
		if w.Source == WeatherNone {
			l.notice("weather.source", "without a forecast nothing is precooled")
		} else {
			l.notice("weather.source", "precooling waits for a number on %s: for a forecast give weather.latitude and weather.longitude",
				devices.Topics{Base: c.MQTT.BaseTopic}.Weather("forecast_high"+devices.Set))
		}
	}
}

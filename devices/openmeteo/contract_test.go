package openmeteo_test

import (
	"testing"

	"powermgr/devices/devicetest"
	"powermgr/devices/openmeteo"
)

// TestContract checks that the adapter does what every adapter promises.
func TestContract(t *testing.T) {
	devicetest.Forecast(t, devicetest.Vendor{
		Name:      "open-meteo",
		Endpoints: []devicetest.Endpoint{{Name: "openmeteo.forecast", Vital: "daily"}},
	}, func(t *testing.T, h devicetest.House) devicetest.Forecaster {
		c, err := openmeteo.New(openmeteo.Options{BaseURL: h.URL, Latitude: 34.1, Longitude: -117.43, Location: h.Location, HTTP: h.HTTP, Now: h.Now})
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}

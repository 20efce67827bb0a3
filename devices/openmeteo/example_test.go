package openmeteo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"powermgr/devices/openmeteo"
)

// An adapter is a client of one vendor's interface. It makes a call when it is
// asked to and returns a reading, or a devices.Error that says whether to try again.
func ExampleClient_Read() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"timezone": "UTC", "utc_offset_seconds": 0, "daily_units": {"temperature_2m_max": "°F"}, "hourly_units": {"temperature_2m": "°F"},
			"daily": {"time": ["2026-07-15"], "temperature_2m_max": [103.4]}, "hourly": {"time": [], "temperature_2m": []}}`)
	}))
	defer service.Close()
	client, err := openmeteo.New(openmeteo.Options{
		BaseURL: service.URL, Latitude: 34.1, Longitude: -117.4, Location: time.UTC,
		HTTP: service.Client(), Now: func() time.Time { return time.Date(2026, 7, 15, 8, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	forecast, err := client.Read(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: a high of %.1f °F, by %s\n", forecast.Day, *forecast.HighF, forecast.Source)
	// Output:
	// 2026-07-15: a high of 103.4 °F, by open-meteo
}

package openmeteo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/openmeteo"
)

// body is an answer of the service for two days of a home in California, shortened to a
// few hours.
const body = `{"latitude":34.1,"longitude":-117.4,"generationtime_ms":0.05,"utc_offset_seconds":-25200,"timezone":"America/Los_Angeles",
"timezone_abbreviation":"GMT-7","elevation":380.0,"hourly_units":{"time":"iso8601","temperature_2m":"°F"},
"hourly":{"time":["2026-07-15T00:00","2026-07-15T15:00","2026-07-16T00:00"],"temperature_2m":[74.1,102.6,null]},
"daily_units":{"time":"iso8601","temperature_2m_max":"°F"},"daily":{"time":["2026-07-15","2026-07-16"],"temperature_2m_max":[103.2,99.0]}}`

func forecast(t *testing.T, status int, answer, now string) (devices.Forecast, string, error) {
	t.Helper()
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", now, home)
	if err != nil {
		t.Fatal(err)
	}
	asked := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RequestURI()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	c, err := openmeteo.New(openmeteo.Options{BaseURL: srv.URL, Latitude: 34.1, Longitude: -117.4, Location: home, Now: func() time.Time { return at.UTC() }})
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Read(t.Context())
	return f, asked, err
}

func TestTheHighOfTheHomesOwnDay(t *testing.T) {
	for _, c := range []struct {
		name, now, day string
		high           float64
		hours          int // of the day and those after it
	}{
		{"at noon", "2026-07-15 12:00", "2026-07-15", 103.2, 2},
		{"late in the evening, when it is tomorrow in UTC", "2026-07-15 23:59", "2026-07-15", 103.2, 2},
		{"after midnight", "2026-07-16 00:00", "2026-07-16", 99, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, asked, err := forecast(t, 200, body, c.now)
			if err != nil || f.Day != c.day || f.HighF == nil || *f.HighF != c.high || f.Source != "open-meteo" {
				t.Fatalf("%+v, %v", f, err)
			}
			if len(f.Hourly) != c.hours || c.hours > 0 && (f.Hourly[1].DegF != 102.6 || f.Hourly[1].At.Format(time.RFC3339) != "2026-07-15T15:00:00-07:00") {
				t.Errorf("hours: %+v", f.Hourly)
			}
			for _, part := range []string{"latitude=34.1", "longitude=-117.4", "temperature_unit=fahrenheit", "timezone=America%2FLos_Angeles", "daily=temperature_2m_max", "hourly=temperature_2m%2Cshortwave_radiation", "past_days=10"} {
				if !strings.Contains(asked, part) {
					t.Errorf("%s is not in %s", part, asked)
				}
			}
		})
	}
}

// Each value of Open-Meteo is the average of the hour before its time.
func TestTheSunOfAnHour(t *testing.T) {
	with := strings.Replace(body, `"hourly":{`, `"hourly":{"shortwave_radiation":[-1.5,612,null],`, 1)
	f, _, err := forecast(t, 200, with, "2026-07-15 12:00")
	if err != nil || f.Radiation == nil {
		t.Fatalf("%+v, %v", f.Radiation, err)
	}
	at := func(day, hour, minute int) time.Time {
		return time.Date(2026, 7, day, hour, minute, 0, 0, f.Radiation.Start.Location())
	}
	for _, c := range []struct {
		name        string
		from, until time.Time
		want        float64
		ok          bool
	}{
		{"an hour at night", at(14, 23, 0), at(15, 0, 0), 0, true},
		{"the hour before three", at(15, 14, 0), at(15, 15, 0), 612, true},
		{"half of it", at(15, 14, 30), at(15, 15, 0), 612, true},
		{"the hour after three, which is not known", at(15, 15, 0), at(15, 16, 0), 0, false},
		{"an hour that is known and one that is not", at(15, 14, 0), at(15, 16, 0), 0, false},
		{"before the first value", at(14, 22, 30), at(14, 23, 30), 0, false},
		{"no time at all", at(15, 14, 0), at(15, 14, 0), 0, false},
	} {
		if got, ok := f.Radiation.Between(c.from, c.until); got != c.want || ok != c.ok {
			t.Errorf("%s: %g, %v; want %g, %v", c.name, got, ok, c.want, c.ok)
		}
	}
	for _, odd := range []string{`"shortwave_radiation":[1e9,-5000,null],`, `"shortwave_radiation":[],`} {
		if f, _, err := forecast(t, 200, strings.Replace(body, `"hourly":{`, `"hourly":{`+odd, 1), "2026-07-15 12:00"); err != nil || f.Radiation != nil {
			t.Errorf("%s: %+v, %v", odd, f.Radiation, err)
		}
	}
}

func TestWhatIsNoForecast(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   devices.Kind
	}{
		{"its own error", 400, `{"error":true,"reason":"Latitude must be in range of -90 to 90°"}`, devices.Refused},
		{"too many calls", 429, `{"error":true,"reason":"Minutely API request limit exceeded."}`, devices.Throttled},
		{"the service is down", 503, `<html>`, devices.Unreachable},
		{"a page", 200, `<html>`, devices.Nonsense},
		{"nothing", 200, `{}`, devices.Nonsense},
		{"null", 200, `null`, devices.Nonsense},
		{"another day", 200, strings.ReplaceAll(body, "2026-07-15", "2026-07-14"), devices.Nonsense},
		{"no high", 200, strings.Replace(body, "[103.2,99.0]", "[null,99.0]", 1), devices.Nonsense},
		{"an impossible high", 200, strings.Replace(body, "103.2", "1032", 1), devices.Nonsense},
		{"fewer temperatures than times", 200, strings.Replace(body, "[103.2,99.0]", "[103.2]", 1), devices.Nonsense},
		{"a text for a temperature", 200, strings.Replace(body, "103.2", `"hot"`, 1), devices.Nonsense},
	} {
		t.Run(c.name, func(t *testing.T) {
			if f, _, err := forecast(t, c.status, c.body, "2026-07-15 12:00"); devices.KindOf(err) != c.kind || err == nil || f.HighF != nil {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name string
		o    openmeteo.Options
		ok   bool
	}{
		{"a location", openmeteo.Options{Latitude: 34.1, Longitude: -117.4}, true},
		{"too far north", openmeteo.Options{Latitude: 91}, false},
		{"too far east", openmeteo.Options{Longitude: 181}, false},
		{"without TLS", openmeteo.Options{BaseURL: "http://api.example.com"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := openmeteo.New(c.o); (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
}

func FuzzForecast(f *testing.F) {
	f.Add(body)
	f.Add(`{"daily":{"time":["2026-07-15"],"temperature_2m_max":[1e400]}}`)
	answer := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	f.Cleanup(srv.Close)
	c, err := openmeteo.New(openmeteo.Options{BaseURL: srv.URL, Now: func() time.Time { return time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC) }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		answer = text
		got, err := c.Read(t.Context())
		if err == nil && (got.HighF == nil || !devices.Fahrenheit.Possible(*got.HighF)) {
			t.Fatalf("%+v", got)
		}
	})
}

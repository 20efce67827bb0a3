package openmeteo_test

import (
	"encoding/json"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/openmeteo"
)

type openMeteoAnswer struct {
	Error    bool
	Reason   string
	Timezone string
	Hourly   struct {
		Time           []string
		Temperature_2m []float64
	}
	Daily struct {
		Time               []string
		Temperature_2m_max []float64
	}
	Units map[string]string `json:"daily_units"`
}

// A visit is a cloud with a clock, and questions to it without a network.
type visit struct {
	cloud *emulator.Cloud
	now   time.Time
}

func newVisit(o openmeteo.Options) *visit {
	v := &visit{now: time.Date(2026, 7, 15, 19, 0, 0, 0, time.UTC)}
	v.cloud = emulator.New(emulator.Options{Now: func() time.Time { return v.now }})
	openmeteo.Serve(v.cloud, o)
	return v
}

func (v *visit) get(path string) (status int, body string) {
	w := httptest.NewRecorder()
	v.cloud.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestOpenMeteo(t *testing.T) {
	v := newVisit(openmeteo.Options{})
	_, body := v.get("/v1/forecast?latitude=34.1&longitude=-117.4&hourly=temperature_2m&daily=temperature_2m_max&temperature_unit=fahrenheit&timezone=America%2FLos_Angeles&forecast_days=2")
	var a openMeteoAnswer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Hourly.Time) != 48 || a.Hourly.Time[0] != "2026-07-15T00:00" || len(a.Hourly.Temperature_2m) != 48 || len(a.Daily.Time) != 2 || a.Daily.Time[0] != "2026-07-15" || a.Units["temperature_2m_max"] != "°F" {
		t.Errorf("%s", body)
	}
	if high := a.Daily.Temperature_2m_max[0]; high < 102 || high > 104 {
		t.Errorf("the hot day's high is %g °F", high)
	}
	off := newVisit(openmeteo.Options{ErrorF: -9})
	_, body = off.get("/v1/forecast?latitude=34.1&longitude=-117.4&daily=temperature_2m_max&temperature_unit=fahrenheit&timezone=auto&forecast_days=1")
	if err := json.Unmarshal([]byte(body), &a); err != nil || a.Daily.Temperature_2m_max[0] > 95 || a.Timezone != "America/Los_Angeles" {
		t.Errorf("%v %s", err, body)
	}
}

// TestAForecastIsOfItsDay: a forecast stays the same for a day, in any unit.
func TestAForecastIsOfItsDay(t *testing.T) {
	v := newVisit(openmeteo.Options{})
	const question = "/v1/forecast?latitude=34.1&longitude=-117.4&daily=temperature_2m_max&timezone=auto&forecast_days=1"
	ask := func(path string) string {
		_, body := v.get(path)
		return body
	}
	first := ask(question)
	v.now = v.now.Add(time.Hour)
	if ask(question) != first {
		t.Error("an hour later it is a different one")
	}
	if ask(question+"&temperature_unit=fahrenheit") == first {
		t.Error("it is not converted to another unit")
	}
	v.now = v.now.Add(24 * time.Hour)
	if !strings.Contains(ask(question), `["2026-07-16"]`) {
		t.Error("the next day it is still that of the day before")
	}
}

// The radiation of past days is what the panels received; that of the days ahead may be
// off, by a different share each day.
func TestOpenMeteoTellsTheSun(t *testing.T) {
	for _, c := range []struct {
		name string
		off  float64
	}{{"a forecast that is right", 0}, {"one that is off", 0.25}} {
		v := newVisit(openmeteo.Options{Sky: c.off})
		_, body := v.get("/v1/forecast?latitude=34.1&longitude=-117.4&hourly=temperature_2m,shortwave_radiation&timezone=auto&past_days=2&forecast_days=3")
		var a struct {
			Hourly struct {
				Time []string
				Sun  []float64 `json:"shortwave_radiation"`
			}
		}
		if err := json.Unmarshal([]byte(body), &a); err != nil || len(a.Hourly.Sun) != 5*24 || a.Hourly.Time[0] != "2026-07-13T00:00" {
			t.Fatalf("%s: %v %s", c.name, err, body)
		}
		sums := make([]float64, 5)
		for i, sun := range a.Hourly.Sun {
			sums[i/24] += sun
		}
		if sums[0] < 5000 || sums[0] > 9000 || math.Abs(sums[1]-sums[0]) > 0.02*sums[0] {
			t.Errorf("%s: the past days had %v Wh per square meter", c.name, sums)
		}
		if differs := math.Abs(sums[4]-sums[0]) > 0.02*sums[0]; differs != (c.off > 0) {
			t.Errorf("%s: %v Wh per square meter", c.name, sums)
		}
	}
}

func TestOpenMeteoRefuses(t *testing.T) {
	for _, tt := range []struct{ name, query, want string }{
		{"no location", "hourly=temperature_2m", "latitude"},
		{"no such location", "latitude=134&longitude=0", "Latitude"},
		{"no such zone", "latitude=34&longitude=0&timezone=Mars%2FBase", "timezone"},
		{"too many days", "latitude=34&longitude=0&forecast_days=17", "Forecast days"},
		{"days that are not a number", "latitude=34&longitude=0&forecast_days=x", "Forecast days"},
		{"not a number", "latitude=NaN&longitude=0", "Latitude"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(openmeteo.Options{})
			status, body := v.get("/v1/forecast?" + tt.query)
			var a openMeteoAnswer
			if err := json.Unmarshal([]byte(body), &a); err != nil || status != 400 || !a.Error || !strings.Contains(a.Reason, tt.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

package emulator

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
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

func TestOpenMeteo(t *testing.T) {
	v := newVisit(t, Options{})
	_, body := v.do("GET", "/v1/forecast?latitude=34.1&longitude=-117.4&hourly=temperature_2m&daily=temperature_2m_max&temperature_unit=fahrenheit&timezone=America%2FLos_Angeles&forecast_days=2", "")
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
	off := newVisit(t, Options{ForecastErrorF: -9})
	_, body = off.do("GET", "/v1/forecast?latitude=34.1&longitude=-117.4&daily=temperature_2m_max&temperature_unit=fahrenheit&timezone=auto&forecast_days=1", "")
	if err := json.Unmarshal([]byte(body), &a); err != nil || a.Daily.Temperature_2m_max[0] > 95 || a.Timezone != "America/Los_Angeles" {
		t.Errorf("%v %s", err, body)
	}
}

// TestAForecastIsOfItsDay: a forecast stays the same for a day, in any unit.
func TestAForecastIsOfItsDay(t *testing.T) {
	v := newVisit(t, Options{})
	const question = "/v1/forecast?latitude=34.1&longitude=-117.4&daily=temperature_2m_max&timezone=auto&forecast_days=1"
	ask := func(path string) string {
		_, body := v.do("GET", path, "")
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
		v := newVisit(t, Options{ForecastSky: c.off})
		_, body := v.do("GET", "/v1/forecast?latitude=34.1&longitude=-117.4&hourly=temperature_2m,shortwave_radiation&timezone=auto&past_days=2&forecast_days=3", "")
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

func TestTheColdDayIsCold(t *testing.T) {
	v := &visit{t: t, now: time.Date(2026, 1, 15, 5, 0, 0, 0, pacific)}
	v.cloud = New(Options{Now: func() time.Time { return v.now }})
	x := v.cloud.Truth()
	if f := x.OutdoorC*1.8 + 32; f < 29 || f > 33 {
		t.Errorf("at five it is %g °F", f)
	}
	v.now = v.now.Add(24 * time.Hour)
	next := v.cloud.Truth()
	if used := next.Books.HVAC - x.Books.HVAC; used < 5_000 || used > 60_000 {
		t.Errorf("heating took %g Wh in a day", used)
	}
	for _, th := range next.Thermostats {
		if th.Temperature < 62 || th.Temperature > 72 {
			t.Errorf("%s has %.1f °F", th.Name, th.Temperature)
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
			v := newVisit(t, Options{})
			status, body := v.do("GET", "/v1/forecast?"+tt.query, "")
			var a openMeteoAnswer
			if err := json.Unmarshal([]byte(body), &a); err != nil || status != 400 || !a.Error || !strings.Contains(a.Reason, tt.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

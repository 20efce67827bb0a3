package bridge

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"powermgr/devices"
)

type countingForecast struct{ reads atomic.Int64 }

func (f *countingForecast) Read(context.Context) (devices.Forecast, error) {
	f.reads.Add(1)
	return devices.Forecast{HighF: new(80.0), AsOf: time.Now()}, nil
}

// Where summer time begins at midnight, the service was asked without a pause
// for an hour: the next midnight was always an hour ago.
func TestTheForecastInTheHourBeforeAMidnightThatIsLeftOut(t *testing.T) {
	home, err := time.LoadLocation("America/Havana")
	if err != nil {
		t.Fatal(err)
	}
	source := &countingForecast{}
	bubble(t, func(s Shared) func(context.Context) error {
		return NewWeather(WeatherOptions{Shared: s, Source: source, Location: home, Every: func(time.Time) time.Duration { return 24 * time.Hour }}).Run
	}, func(r *rig) {
		evening := time.Date(2000, 4, 1, 22, 50, 0, 0, home)
		r.sleep(evening.Sub(r.bus.Now()))
		source.reads.Store(0)
		r.sleep(80 * time.Minute)
		if n := source.reads.Load(); n != 1 {
			t.Errorf("%d questions over midnight, want one about the new day", n)
		}
	})
}

// A high in °C was taken for °F: on a day of 100 °F nothing was precooled.
func TestAHighInCelsius(t *testing.T) {
	store := &memoryStore{}
	weather := func(s Shared) func(context.Context) error {
		return NewWeather(WeatherOptions{Shared: s, Location: time.UTC, Store: store, Every: func(time.Time) time.Duration { return time.Hour }}).Run
	}
	type sent struct {
		payload string
		high    string // of the state afterwards
		refusal string // part of the reason; empty: it is taken
	}
	try := func(r *rig, all ...sent) {
		for _, s := range all {
			r.got("#")
			r.send("powermgr/weather/forecast_high/set", s.payload)
			res := r.results("powermgr/weather/+/result")
			if len(res) != 1 || res[0].Accepted != (s.refusal == "") || !strings.Contains(res[0].Reason, s.refusal) {
				t.Errorf("%s: answered %+v", s.payload, res)
			}
			if m, _ := r.bus.Retained("powermgr/weather/state"); !strings.Contains(string(m.Payload), `"high_f":`+s.high+`,`) {
				t.Errorf("%s: %s", s.payload, m.Payload)
			}
		}
	}
	bubble(t, weather, func(r *rig) {
		try(r,
			sent{`38`, `38`, ""}, // nothing is known that speaks against it
			sent{`{"value": 38, "unit": "C"}`, `100.4`, ""},
			sent{`38`, `100.4`, `{"value": 38, "unit": "C"}`},
			sent{`{"value": "38"}`, `100.4`, "hard to believe"},
			sent{`38 °C`, `100.4`, ""},
			sent{`96F`, `96`, ""},
			sent{`{"value": 38, "unit": "K"}`, `96`, `send "F" or "C"`},
			sent{`{"value": 100, "units": "C"}`, `96`, `"units" is not understood`},
			sent{`{"value": "38 C", "unit": "F"}`, `96`, `is in °C, and "unit" says °F`},
			sent{`38 CF`, `96`, "not a temperature"},
			sent{`{"value": 300, "unit": "C"}`, `96`, "not a temperature"},
			sent{`61`, `61`, ""}, // a cold front
			sent{`{"value": 10, "unit": "F"}`, `10`, ""},
			sent{`{"value": 100, "unit": "F"}`, `100`, ""},
		)
	})
	// Yesterday's counts after a restart.
	bubble(t, weather, func(r *rig) {
		r.sleep(24 * time.Hour)
		try(r, sent{`38`, `100`, "hard to believe"})
		r.sleep(10 * 24 * time.Hour)
		try(r, sent{`38`, `38`, ""}) // long ago it was summer
	})
}

// A home that uses °C sent 38, and nothing was precooled.
func TestAPlainHighIsInTheOwnersUnit(t *testing.T) {
	bubble(t, func(s Shared) func(context.Context) error {
		return NewWeather(WeatherOptions{Shared: s, Location: time.UTC, Unit: devices.Celsius, Every: func(time.Time) time.Duration { return time.Hour }}).Run
	}, func(r *rig) {
		for _, tt := range []struct {
			payload string
			high    string  // of the state afterwards, °F
			applied float64 // 0: it is refused
			refusal string  // part of the reason
		}{
			{"38", "100.4", 38, ""},
			{"96 F", "96", 35.56, ""},
			{"100", "96", 0, `"100" is not a temperature in °C`},
			{"400", "96", 0, `"400" is not a temperature in °C; one in °F is {"value": 100, "unit": "F"}`},
			{"10", "96", 0, `a high of 10 °C is hard to believe after 35.6 °C on 2000-01-01: send {"value": 10, "unit": "F"} if it is in °F, and with "C" if it is right`},
			{"20", "68", 20, ""},
		} {
			r.got("#")
			r.send("powermgr/weather/forecast_high/set", tt.payload)
			res := r.results("powermgr/weather/+/result")
			if len(res) != 1 || res[0].Accepted != (tt.applied != 0) || !strings.Contains(res[0].Reason, tt.refusal) || tt.applied != 0 && res[0].Applied != tt.applied {
				t.Errorf("%s: answered %+v", tt.payload, res)
			}
			if m, _ := r.bus.Retained("powermgr/weather/state"); !strings.Contains(string(m.Payload), `"high_f":`+tt.high+`,`) {
				t.Errorf("%s: %s", tt.payload, m.Payload)
			}
		}
	})
}

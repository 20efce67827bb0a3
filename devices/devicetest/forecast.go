package devicetest

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/openmeteo"
	"powermgr/devices/emulator/vendors"
)

// Forecast holds an adapter for the weather to the contract.
func Forecast(t *testing.T, v Vendor, open func(*testing.T, House) Forecaster) {
	f := forecastSuite{suite{Vendor: v}, open}
	f.suite.open = f.adapter
	t.Run("Days", f.days)
	t.Run("NextDay", f.nextDay)
	f.run(t)
}

type forecastSuite struct {
	suite
	open func(*testing.T, House) Forecaster
}

func (f forecastSuite) adapter(s *stage) adapter {
	d := f.open(s.t, s.House)
	return adapter{read: func(ctx context.Context) (string, error) {
		r, err := d.Read(ctx)
		return fmt.Sprintf("%s %s, %d hours", r.Day, text(r.HighF), len(r.Hourly)), err
	}}
}

func readForecast(t *testing.T, d Forecaster) devices.Forecast {
	t.Helper()
	r, err := d.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f forecastSuite) days(t *testing.T) {
	for _, tt := range []struct {
		name    string
		at      time.Time
		weather emulator.Weather
		errorF  float64
		day     string
		high    float64
		hours   int // of the home's day
	}{
		{"a hot day", start, nil, 0, "2026-07-15", 102.9, 24},
		{"a forecast that is wrong", start, nil, 5, "2026-07-15", 107.9, 24},
		{"shortly before midnight", time.Date(2026, 7, 15, 23, 59, 0, 0, pacific()), nil, 0, "2026-07-15", 102.9, 24},
		{"shortly after midnight", time.Date(2026, 7, 16, 0, 1, 0, 0, pacific()), nil, 0, "2026-07-16", 102.9, 24},
		{"a cold day", time.Date(2027, 1, 13, 7, 0, 0, 0, pacific()), nil, 0, "2027-01-13", 51.8, 24},
		{"a frosty day", time.Date(2027, 1, 13, 7, 0, 0, 0, pacific()), emulator.Day{LowC: -30, HighC: -20}.In(pacific()), 0, "2027-01-13", -4, 24},
		{"summer time begins", time.Date(2027, 3, 14, 12, 0, 0, 0, pacific()), nil, 0, "2027-03-14", 51.8, 23},
		{"summer time ends", time.Date(2026, 11, 1, 12, 0, 0, 0, pacific()), nil, 0, "2026-11-01", 51.8, 25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, emulator.Options{Weather: tt.weather}, vendors.Options{OpenMeteo: openmeteo.Options{ErrorF: tt.errorF}})
			s.pass(tt.at.Sub(s.clock()))
			d := f.open(t, s.House)
			r := readForecast(t, d)
			if r.Day != tt.day || r.HighF == nil || math.Abs(*r.HighF-tt.high) > 0.05 || r.Source == "" || !r.AsOf.Equal(tt.at) {
				t.Errorf("got %s on %s, as of %s from %q; want %g on %s, as of %s", text(r.HighF), r.Day, r.AsOf, r.Source, tt.high, tt.day, tt.at)
			}
			today, high := 0, math.Inf(-1)
			for i, h := range r.Hourly {
				if h.At.In(pacific()).Minute() != 0 || i > 0 && h.At.Before(r.Hourly[i-1].At) {
					t.Errorf("hour %d begins at %s", i, h.At)
				}
				if h.At.In(pacific()).Format(time.DateOnly) == tt.day {
					today, high = today+1, max(high, h.DegF)
				}
			}
			// A vendor may have 24 rows for every day.
			if most := max(tt.hours, 24); today < min(tt.hours, 24) || today > most || math.Abs(high-tt.high) > 0.05 {
				t.Errorf("%d hours of today with %g at most, want %d with %g", today, high, tt.hours, tt.high)
			}
			if again := readForecast(t, d); !reflect.DeepEqual(r, again) {
				t.Errorf("read again, and nothing has happened:\n%+v\n%+v", r, again)
			}
		})
	}
}

// nextDay lets midnight pass: the high is the new day's.
func (f forecastSuite) nextDay(t *testing.T) {
	weather := func(at time.Time) emulator.Conditions {
		return emulator.Conditions{OutdoorC: float64(at.In(pacific()).Day())}
	}
	s := newStage(t, emulator.Options{Weather: weather}, vendors.Options{})
	d := f.open(t, s.House)
	for _, want := range []string{"2026-07-15 59", "2026-07-16 60.8", "2026-07-17 62.6"} {
		r := readForecast(t, d)
		if got := r.Day + " " + text(r.HighF); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		s.pass(24 * time.Hour)
	}
}

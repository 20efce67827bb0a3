package bridge

import (
	"context"
	"testing"
	"time"

	"powermgr/devices"
)

type countingForecast struct{ reads int }

func (f *countingForecast) Read(context.Context) (devices.Forecast, error) {
	f.reads++
	return devices.Forecast{HighF: devices.Pointer(80.0), AsOf: time.Now()}, nil
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
		source.reads = 0
		r.sleep(80 * time.Minute)
		if source.reads != 1 {
			t.Errorf("%d questions over midnight, want one about the new day", source.reads)
		}
	})
}

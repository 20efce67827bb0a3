package thermal

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// truth is a zone whose model is known.
var truth = Model{Outdoors: 0.3, Mass: 1.2, Lag: 8 * time.Hour, Sun: 0.4, Gain: 0.3, Cooling: -9}

// lived returns the samples of a zone that keeps 24 °C by day and 25 °C by night, in
// weather that differs each day.
func lived(m Model, days int) (all []Sample) {
	air, mass := 24.0, 24.0
	for i := range days * 48 {
		hour := float64(i%48) / 2
		day := math.Sin(float64(i/48) * 1.3)
		o := Outside{OutdoorC: 26 + 4*day + 7*math.Sin((hour-9)/12*math.Pi), SunKW: max(0, (2+day)*math.Sin((hour-6)/12*math.Pi))}
		s := Setting{CoolC: 24, HeatC: math.NaN()}
		if hour < 7 {
			s.CoolC = 25
		}
		in := m.Live(air, mass, []Outside{o}, []Setting{s})[0]
		middle := (air + in.AirC) / 2
		air, mass = in.AirC, mass+(1-math.Exp(-Step.Hours()/m.Lag.Hours()))*(in.AirC-mass)
		all = append(all, Sample{
			Start: time.Date(2026, 7, 1, 0, 30*i, 0, 0, time.UTC), IndoorC: middle, OutdoorC: o.OutdoorC, SunKW: o.SunKW, Cools: in.Cools,
			HomeKW: 0.5 + 0.4*math.Sin(hour) + Power(2).At(o.OutdoorC, in),
		})
	}
	return all
}

func TestAModelIsFound(t *testing.T) {
	samples := lived(truth, 14)
	m, err := Fit(samples)
	if err != nil || m.Explained < 0.9 {
		t.Fatalf("%+v, %v", m, err)
	}
	// The purpose of the model: how long the equipment runs, and how the air temperature
	// changes, in a setback.
	air, walls := samples[len(samples)-1].IndoorC, m.Walls(samples)
	var outside []Outside
	var settings []Setting
	for i := range 10 {
		outside = append(outside, Outside{OutdoorC: 36, SunKW: 1.5})
		settings = append(settings, Setting{CoolC: 24, HeatC: math.NaN()})
		if i >= 4 {
			settings[i].CoolC = 27
		}
	}
	want, got := truth.Live(air, walls, outside, settings), m.Live(air, walls, outside, settings)
	for i := range want {
		if math.Abs(want[i].AirC-got[i].AirC) > 0.5 || math.Abs(want[i].Cools-got[i].Cools) > 0.1 {
			t.Errorf("after %d half hours: %+v, and the zone itself %+v", i+1, got[i], want[i])
		}
	}
	if p, err := FitPower([]Model{m}, [][]Sample{samples}); err != nil || math.Abs(float64(p)-2) > 0.3 {
		t.Errorf("a compressor of %.2f kW, %v; want 2", p, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   func([]Sample)
		days int
		want string
	}{
		{"four days", nil, 4, ErrTooYoung.Error()},
		{"it never ran", func(all []Sample) {
			for i := range all {
				all[i].Cools = 0
			}
		}, 14, "neither cooled nor heated"},
		{"it does not tell when it runs", func(all []Sample) {
			for i := range all {
				all[i].Cools = math.NaN()
			}
		}, 14, ErrTooYoung.Error()},
		{"it runs whatever the weather", func(all []Sample) {
			for i := range all {
				all[i].Cools = float64(i*i%7) / 7
			}
		}, 14, "explains"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := lived(truth, tt.days)
			if tt.of != nil {
				tt.of(all)
			}
			m, err := Fit(all)
			if err == nil || !strings.Contains(err.Error(), tt.want) && !strings.Contains(err.Error(), "contradict") {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	samples := lived(truth, 14)
	m, _ := Fit(samples)
	for i := range samples {
		samples[i].HomeKW = 1
	}
	if p, err := FitPower([]Model{m}, [][]Sample{samples}); !errors.Is(err, ErrPower) {
		t.Errorf("a home that always draws the same: %.2f kW", p)
	}
}

// Gaps and unknown figures do no harm.
func TestGaps(t *testing.T) {
	all := lived(truth, 14)
	for i := range all {
		if i%50 == 0 {
			all[i].IndoorC, all[i].SunKW = math.NaN(), math.NaN()
		}
	}
	all = append(all[:100], all[150:]...)
	if m, err := Fit(all); err != nil || m.Explained < 0.9 {
		t.Errorf("%+v, %v", m, err)
	}
}

package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	yaml "go.yaml.in/yaml/v3"

	"powermgr/devices/emulator"
)

// A House is a house for the demo, as described by a file. Heat figures are for each of
// its two zones. Every figure that is missing, or 0, is that of the default house.
type House struct {
	// Name describes the house.
	Name string `yaml:"name"`
	// Insulation is the heat loss through the envelope, in W per K: 205. Less is better.
	Insulation float64 `yaml:"insulation_w_per_k"`
	// Mass is the heat capacity of walls and floors, in Wh per K: 4,500.
	Mass float64 `yaml:"mass_wh_per_k"`
	// Windows is the heat gain through windows in full sun, in W: 950.
	Windows float64 `yaml:"windows_w"`
	// Compressor is the heat that it moves, in W: 7,000 out when it cools, 7,500 in when
	// it heats at 8 °C.
	Compressor struct {
		Cooling float64 `yaml:"cooling_w"`
		Heating float64 `yaml:"heating_w"`
	} `yaml:"compressor"`
	// BaseLoad is the approximate load of everything else, in W: 2,050.
	BaseLoad float64 `yaml:"base_load_w"`
	// Roof is what the panels produce at noon in June, in W: 2,400.
	Roof float64 `yaml:"roof_w"`
	// Battery holds 13.5 kWh and delivers 5 kW.
	Battery struct {
		KWh float64 `yaml:"kwh"`
		KW  float64 `yaml:"kw"`
	} `yaml:"battery"`
	// Weather is that of May to October, and of the other months.
	Weather struct {
		Summer HouseWeather `yaml:"summer"`
		Winter HouseWeather `yaml:"winter"`
	} `yaml:"weather"`
}

// HouseWeather is the weather of a season.
type HouseWeather struct {
	Low    *float64 `yaml:"low_c"`   // at sunrise; 22 in summer, -1 in winter
	High   *float64 `yaml:"high_c"`  // in the afternoon; 39.4 and 11
	Swing  float64  `yaml:"swing_c"` // by how much a day is hotter or colder, at most
	Clear  *float64 `yaml:"clear"`   // share of the sun on a clear day: 1 and 0.7
	Clouds float64  `yaml:"clouds"`  // share of it that clouds block on the cloudiest day
}

// largestHouse is the maximum size of a file that describes a house, in bytes.
const largestHouse = 1 << 16

// ReadHouse reads a house from a YAML file. Its errors name the file and what is wrong.
func ReadHouse(path string) (h House, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, fmt.Errorf("--house: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, largestHouse))
	if err != nil {
		return h, fmt.Errorf("--house: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&h); err != nil && !errors.Is(err, io.EOF) {
		return h, fmt.Errorf("--house %s: %w", path, err)
	}
	if err := h.check(); err != nil {
		return h, fmt.Errorf("--house %s: %w", path, err)
	}
	return h, nil
}

// check returns what is impossible for a house.
func (h House) check() error {
	s, w := h.Weather.Summer, h.Weather.Winter
	for _, v := range []struct {
		key         string
		value       float64
		least, most float64
	}{
		{"insulation_w_per_k", h.Insulation, 20, 1000}, {"mass_wh_per_k", h.Mass, 500, 50_000}, {"windows_w", h.Windows, 0, 10_000},
		{"compressor.cooling_w", h.Compressor.Cooling, 1000, 30_000}, {"compressor.heating_w", h.Compressor.Heating, 1000, 30_000},
		{"base_load_w", h.BaseLoad, 50, 20_000}, {"roof_w", h.Roof, 0, 50_000}, {"battery.kwh", h.Battery.KWh, 1, 200}, {"battery.kw", h.Battery.KW, 0.5, 100},
		{"weather.summer.swing_c", s.Swing, 0, 20}, {"weather.winter.swing_c", w.Swing, 0, 20}, {"weather.summer.clouds", s.Clouds, 0, 1}, {"weather.winter.clouds", w.Clouds, 0, 1},
	} {
		if v.value != 0 && !(v.value >= v.least && v.value <= v.most) {
			return fmt.Errorf("%s: %g is not %g–%g", v.key, v.value, v.least, v.most)
		}
	}
	for _, v := range []struct {
		key   string
		value *float64
		least float64
		most  float64
	}{
		{"weather.summer.low_c", s.Low, -40, 50}, {"weather.summer.high_c", s.High, -40, 50}, {"weather.winter.low_c", w.Low, -40, 50}, {"weather.winter.high_c", w.High, -40, 50},
		{"weather.summer.clear", s.Clear, 0, 1}, {"weather.winter.clear", w.Clear, 0, 1},
	} {
		if v.value != nil && !(*v.value >= v.least && *v.value <= v.most) {
			return fmt.Errorf("%s: %g is not %g–%g", v.key, *v.value, v.least, v.most)
		}
	}
	return nil
}

// Options returns the house for the emulator, at the beginning of a day: nearly charged.
func (h House) Options() emulator.HouseOptions {
	return emulator.HouseOptions{
		ChargePercent: new(90.0), Reserve: new(100),
		Leak: h.Insulation, Walls: h.Mass, Windows: h.Windows, CoolingW: h.Compressor.Cooling, HeatingW: h.Compressor.Heating,
		BaseLoadW: h.BaseLoad, SolarPeakW: h.Roof, CapacityWh: 1000 * h.Battery.KWh, PowerW: 1000 * h.Battery.KW,
	}
}

// Sky returns the weather at the house.
func (h House) Sky(zone *time.Location) emulator.Weather {
	summer, winter := h.Weather.Summer.changing(emulator.HotDay).In(zone), h.Weather.Winter.changing(emulator.ColdDay).In(zone)
	return func(t time.Time) emulator.Conditions {
		if m := t.In(zone).Month(); m >= time.May && m <= time.October {
			return summer(t)
		}
		return winter(t)
	}
}

func (w HouseWeather) changing(usual emulator.Day) emulator.Changing {
	c := emulator.Changing{Day: usual, SwingC: w.Swing, Clouds: w.Clouds, Seed: uint64(math.Abs(usual.HighC))}
	for _, v := range []struct {
		from *float64
		to   *float64
	}{{w.Low, &c.LowC}, {w.High, &c.HighC}, {w.Clear, &c.Clear}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	return c
}

// changing returns the default house with weather that differs from day to day.
func changing() House {
	h := House{Name: "the default house"}
	h.Weather.Summer, h.Weather.Winter = HouseWeather{Swing: 5, Clouds: 0.7}, HouseWeather{Swing: 5, Clouds: 0.7}
	return h
}

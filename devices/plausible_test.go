package devices

import (
	"math"
	"strings"
	"testing"
)

func TestPossible(t *testing.T) {
	for _, tt := range []struct {
		name    string
		unit    Unit
		degrees float64
		want    bool
	}{
		{"a room", Fahrenheit, 72, true},
		{"the coldest", Fahrenheit, -60, true},
		{"colder than anywhere", Fahrenheit, -60.1, false},
		{"the hottest", Fahrenheit, 160, true},
		{"hotter than an attic", Fahrenheit, 160.1, false},
		{"a room in Celsius", Celsius, 23.5, true},
		{"too hot for a room in Celsius", Celsius, 72, false},
		{"not a number", Fahrenheit, math.NaN(), false},
		{"infinite", Celsius, math.Inf(1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.unit.Possible(tt.degrees); got != tt.want {
				t.Errorf("%g °%s: got %t", tt.degrees, tt.unit, got)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want Limits
	}{
		{"the device's own", Celsius.HeatLimits(new(5.0), new(35.0)), Limits{5, 35}},
		{"none", Fahrenheit.HeatLimits(nil, nil), Limits{40, 90}},
		{"one of two", Fahrenheit.CoolLimits(new(60.0), nil), Limits{50, 99}},
		{"a heat-only unit's zeros", Celsius.CoolLimits(new(-18.0), new(-18.0)), Limits{10, 37}},
		{"in the wrong order", Fahrenheit.HeatLimits(new(90.0), new(50.0)), Limits{40, 90}},
		{"below freezing", Fahrenheit.HeatLimits(new(0.0), new(90.0)), Limits{40, 90}},
		{"an oven", Fahrenheit.HeatLimits(new(50.0), new(400.0)), Limits{40, 90}},
		{"not numbers", Fahrenheit.CoolLimits(new(math.NaN()), new(math.NaN())), Limits{50, 99}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
}

func TestLabel(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "Living Room", "Living Room"},
		{"other letters", "Küche ☕", "Küche ☕"},
		{"several lines", " Living\r\n\tRoom ", "Living Room"},
		{"a terminal's codes", "\x1b[31mHall\x00", "[31mHall"},
		{"not text", "Ha\xffll", "Hall"},
		{"long", strings.Repeat("é", 65), strings.Repeat("é", 64)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Label(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

package devices

import "testing"

func TestTemperaturesInTheOwnersUnit(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Fahrenheit.Degrees("", 95), "95 °F"},
		{Fahrenheit.Degrees(Celsius, 95), "35 °C"},
		{Fahrenheit.Degrees(Celsius, 32.05), "0 °C"},
		{Celsius.Degrees("", 21.5), "21.5 °C"},
		{Celsius.Degrees(Fahrenheit, 21.5), "70.7 °F"},
		{Fahrenheit.Difference("", 2), "2 °F"},
		{Fahrenheit.Difference(Celsius, 2), "1.1 °C"},
		{Celsius.Difference(Fahrenheit, 1), "1.8 °F"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

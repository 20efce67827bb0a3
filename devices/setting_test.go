package devices

import (
	"testing"
	"time"
)

func TestSame(t *testing.T) {
	p := func(degrees float64) *float64 { return &degrees }
	seven := time.Date(2026, 7, 15, 19, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		a, b Setting
		mode HVACMode
		want bool
	}{
		{"the same reserve", Setting{Reserve: new(20)}, Setting{Reserve: new(20)}, "", true},
		{"another reserve", Setting{Reserve: new(20)}, Setting{Reserve: new(21)}, "", false},
		{"a reserve that is not known is not zero", Setting{Reserve: new(0)}, Setting{}, "", false},
		{"78 °F on a device in °C", Setting{Cool: p(25.5)}, Setting{Cool: p(25.56)}, Cool, true},
		{"the finest step of a device", Setting{Cool: p(25)}, Setting{Cool: p(25.5)}, Cool, false},
		{"a set point that the mode does not use", Setting{Cool: p(78), Heat: p(60)}, Setting{Cool: p(78), Heat: p(68)}, Cool, true},
		{"both count in heat_cool", Setting{Cool: p(78), Heat: p(60)}, Setting{Cool: p(78), Heat: p(68)}, HeatCool, false},
		{"a schedule, whatever it sets", Setting{Hold: HoldSchedule}, Setting{Cool: p(78), Hold: HoldSchedule}, Cool, true},
		{"the schedule is not a hold", Setting{Cool: p(78), Hold: HoldPermanent}, Setting{Cool: p(78), Hold: HoldSchedule}, Cool, false},
		{"a temporary hold shown with its end", Setting{Cool: p(78), Hold: HoldTemporary}, Setting{Cool: p(78), Hold: HoldUntil, Until: seven}, Cool, true},
		{"an end rounded up by the device", Setting{Cool: p(78), Hold: HoldUntil, Until: seven}, Setting{Cool: p(78), Hold: HoldUntil, Until: seven.Add(HoldStep)}, Cool, true},
		{"an hour later", Setting{Cool: p(78), Hold: HoldUntil, Until: seven}, Setting{Cool: p(78), Hold: HoldUntil, Until: seven.Add(time.Hour)}, Cool, false},
		{"the same time of the next day", Setting{Cool: p(78), Hold: HoldUntil, Until: seven}, Setting{Cool: p(78), Hold: HoldUntil, Until: seven.Add(24 * time.Hour)}, Cool, true},
		{"a device without holds", Setting{Cool: p(78), Hold: HoldPermanent}, Setting{Cool: p(78)}, Cool, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Same(c.a, c.b, c.mode); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

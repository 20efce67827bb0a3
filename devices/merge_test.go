package devices

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	now := time.Date(2026, 7, 15, 16, 2, 3, 0, time.FixedZone("PDT", -7*3600))
	at := func(h, m int) *time.Time { return new(time.Date(2026, 7, 15, h, m, 0, 0, now.Location())) }
	base := func() ThermostatReading {
		return ThermostatReading{
			Alive: true, Unit: Fahrenheit, Step: 1, HoldStep: 15, Deadband: 3,
			Mode: new(Cool), CoolSetpoint: new(75.0), HeatSetpoint: new(68.0), Hold: new(HoldSchedule),
			Modes: []HVACMode{Off, Heat, Cool, HeatCool}, Fans: []Fan{FanAuto, FanOn},
			Holds:   []Hold{HoldSchedule, HoldTemporary, HoldUntil, HoldPermanent},
			CoolMin: new(50.0), CoolMax: new(90.0), HeatMin: new(40.0), HeatMax: new(88.0),
		}
	}
	for _, tt := range []struct {
		name    string
		reading func(*ThermostatReading)
		cmd     ThermostatCommand
		want    ThermostatCommand
		refused string
	}{
		{name: "a set point on a schedule becomes a temporary hold, with both set points",
			cmd:  ThermostatCommand{CoolSetpoint: new(77.0)},
			want: ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0), Hold: new(HoldTemporary)}},
		{name: "a permanent hold stays permanent",
			reading: func(r *ThermostatReading) { r.Hold = new(HoldPermanent) },
			cmd:     ThermostatCommand{CoolSetpoint: new(77.0)},
			want:    ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0), Hold: new(HoldPermanent)}},
		{name: "a hold until a time keeps its time",
			reading: func(r *ThermostatReading) { r.Hold, r.HoldUntil = new(HoldUntil), at(19, 0) },
			cmd:     ThermostatCommand{CoolSetpoint: new(77.0)},
			want:    ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0), Hold: new(HoldUntil), HoldUntil: at(19, 0)}},
		{name: "a hold until a time that has passed is over",
			reading: func(r *ThermostatReading) { r.Hold, r.HoldUntil = new(HoldUntil), at(16, 0) },
			cmd:     ThermostatCommand{CoolSetpoint: new(77.0)},
			want:    ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0), Hold: new(HoldTemporary)}},
		{name: "a hold that ends before the write may land is over",
			reading: func(r *ThermostatReading) { r.Hold, r.HoldUntil = new(HoldUntil), at(16, 2) },
			cmd:     ThermostatCommand{CoolSetpoint: new(77.0)},
			want:    ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0), Hold: new(HoldTemporary)}},
		{name: "a device without holds gets none",
			reading: func(r *ThermostatReading) { r.Hold, r.Holds = nil, nil },
			cmd:     ThermostatCommand{CoolSetpoint: new(77.0)},
			want:    ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0)}},
		{name: "a hold end is rounded up to the device's step",
			cmd:  ThermostatCommand{CoolSetpoint: new(77.0), Hold: new(HoldUntil), HoldUntil: at(18, 46)},
			want: ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(68.0), Hold: new(HoldUntil), HoldUntil: at(19, 0)}},
		{name: "a hold end on the step stays",
			cmd:  ThermostatCommand{Hold: new(HoldUntil), HoldUntil: at(18, 45)},
			want: ThermostatCommand{CoolSetpoint: new(75.0), HeatSetpoint: new(68.0), Hold: new(HoldUntil), HoldUntil: at(18, 45)}},
		{name: "back to the schedule sends no set points",
			cmd: ThermostatCommand{Hold: new(HoldSchedule)}, want: ThermostatCommand{Hold: new(HoldSchedule)}},
		{name: "a mode alone changes nothing else",
			cmd: ThermostatCommand{Mode: new(Off)}, want: ThermostatCommand{Mode: new(Off)}},
		{name: "65.30000000000001 is 65",
			cmd:  ThermostatCommand{HeatSetpoint: new(65.30000000000001)},
			want: ThermostatCommand{CoolSetpoint: new(75.0), HeatSetpoint: new(65.0), Hold: new(HoldTemporary)}},
		{name: "Celsius has half degrees",
			reading: func(r *ThermostatReading) {
				r.Unit, r.Step, r.Deadband, r.CoolSetpoint, r.HeatSetpoint = Celsius, 0.5, 1.5, new(24.0), new(20.0)
				r.HeatMin, r.HeatMax = new(5.0), new(35.0)
			},
			cmd:  ThermostatCommand{HeatSetpoint: new(21.3)},
			want: ThermostatCommand{CoolSetpoint: new(24.0), HeatSetpoint: new(21.5), Hold: new(HoldTemporary)}},
		{name: "a low cool set point pushes heat down",
			cmd:  ThermostatCommand{CoolSetpoint: new(69.0)},
			want: ThermostatCommand{CoolSetpoint: new(69.0), HeatSetpoint: new(66.0), Hold: new(HoldTemporary)}},
		{name: "a high heat set point pushes cool up",
			cmd:  ThermostatCommand{HeatSetpoint: new(74.0)},
			want: ThermostatCommand{CoolSetpoint: new(77.0), HeatSetpoint: new(74.0), Hold: new(HoldTemporary)}},
		{name: "exactly the deadband apart is far enough",
			cmd:  ThermostatCommand{CoolSetpoint: new(71.0)},
			want: ThermostatCommand{CoolSetpoint: new(71.0), HeatSetpoint: new(68.0), Hold: new(HoldTemporary)}},
		{name: "a deadband between steps is rounded up to a whole step",
			reading: func(r *ThermostatReading) { r.Deadband = 2.5 },
			cmd:     ThermostatCommand{CoolSetpoint: new(69.0)},
			want:    ThermostatCommand{CoolSetpoint: new(69.0), HeatSetpoint: new(66.0), Hold: new(HoldTemporary)}},

		{name: "without a deadband cool still pushes heat down", reading: func(r *ThermostatReading) { r.Deadband = 0 },
			cmd:  ThermostatCommand{CoolSetpoint: new(66.0)},
			want: ThermostatCommand{CoolSetpoint: new(66.0), HeatSetpoint: new(66.0), Hold: new(HoldTemporary)}},
		{name: "a device without automatic changeover keeps what was not asked for",
			reading: func(r *ThermostatReading) { r.Deadband, r.Modes = 0, []HVACMode{Off, Heat, Cool} },
			cmd:     ThermostatCommand{CoolSetpoint: new(66.0)},
			want:    ThermostatCommand{CoolSetpoint: new(66.0), HeatSetpoint: new(68.0), Hold: new(HoldTemporary)}},

		{name: "both asked, in the wrong order", reading: func(r *ThermostatReading) { r.Deadband = 0 },
			cmd: ThermostatCommand{CoolSetpoint: new(66.0), HeatSetpoint: new(68.0)}, refused: "cool 66 is below heat 68"},
		{name: "nothing", refused: "changes nothing"},
		{name: "not alive", reading: func(r *ThermostatReading) { r.Alive = false }, cmd: ThermostatCommand{Mode: new(Cool)}, refused: "does not reach"},
		{name: "on vacation", reading: func(r *ThermostatReading) { r.Hold = new(HoldVacation) }, cmd: ThermostatCommand{Mode: new(Cool)}, refused: "vacation"},
		{name: "a mode it does not have", reading: func(r *ThermostatReading) { r.Modes = []HVACMode{Off, Heat} }, cmd: ThermostatCommand{Mode: new(Cool)}, refused: "off, heat"},
		{name: "no fan", reading: func(r *ThermostatReading) { r.Fans = nil }, cmd: ThermostatCommand{Fan: new(FanOn)}, refused: "no fan mode to set"},
		{name: "asking for a vacation", cmd: ThermostatCommand{Hold: new(HoldVacation)}, refused: "not one of"},
		{name: "too cold", cmd: ThermostatCommand{CoolSetpoint: new(49.0)}, refused: "50–90"},
		{name: "too hot", cmd: ThermostatCommand{HeatSetpoint: new(89.0)}, refused: "40–88"},
		{name: "NaN", cmd: ThermostatCommand{HeatSetpoint: new(math.NaN())}, refused: "not a number"},
		{name: "both asked too close", cmd: ThermostatCommand{CoolSetpoint: new(70.0), HeatSetpoint: new(70.0)}, refused: "closer than the 3°"},
		{name: "both asked too close, as the device shows them", reading: func(r *ThermostatReading) { r.CoolSetpoint, r.HeatSetpoint = new(71.0), new(70.0) },
			cmd:  ThermostatCommand{CoolSetpoint: new(71.0), HeatSetpoint: new(70.0), Hold: new(HoldPermanent)},
			want: ThermostatCommand{CoolSetpoint: new(71.0), HeatSetpoint: new(70.0), Hold: new(HoldPermanent)}},
		{name: "beyond its limits, as the device shows it", reading: func(r *ThermostatReading) { r.CoolSetpoint = new(95.0) },
			cmd:  ThermostatCommand{CoolSetpoint: new(95.0), HeatSetpoint: new(66.0)},
			want: ThermostatCommand{CoolSetpoint: new(95.0), HeatSetpoint: new(66.0), Hold: new(HoldTemporary)}},
		{name: "both too close and beyond the limits, restored",
			cmd:  ThermostatCommand{CoolSetpoint: new(92.0), HeatSetpoint: new(91.0), Hold: new(HoldPermanent), Restores: true},
			want: ThermostatCommand{CoolSetpoint: new(92.0), HeatSetpoint: new(91.0), Hold: new(HoldPermanent), Restores: true}},
		{name: "NaN, restored", cmd: ThermostatCommand{HeatSetpoint: new(math.NaN()), Restores: true}, refused: "not a number"},
		{name: "heat would be pushed below its limit", reading: func(r *ThermostatReading) { r.HeatMin = new(67.0) }, cmd: ThermostatCommand{CoolSetpoint: new(69.0)}, refused: "at least 70"},
		{name: "cool would be pushed above its limit", cmd: ThermostatCommand{HeatSetpoint: new(88.0)}, refused: "at most 87"},
		{name: "no cooling", reading: func(r *ThermostatReading) { r.CoolSetpoint = nil }, cmd: ThermostatCommand{CoolSetpoint: new(70.0)}, refused: "no cool set point"},
		{name: "schedule with a set point", cmd: ThermostatCommand{Hold: new(HoldSchedule), CoolSetpoint: new(70.0)}, refused: "the schedule has its own"},
		{name: "until without a time", cmd: ThermostatCommand{Hold: new(HoldUntil)}, refused: "without a time"},
		{name: "a time without until", cmd: ThermostatCommand{CoolSetpoint: new(70.0), HoldUntil: at(19, 0)}, refused: "without a hold"},
		{name: "a time that is past", cmd: ThermostatCommand{Hold: new(HoldUntil), HoldUntil: at(16, 0)}, refused: "next 23 hours"},
		{name: "a time that would look as if it had just passed", cmd: ThermostatCommand{Hold: new(HoldUntil), HoldUntil: new(at(15, 50).Add(24 * time.Hour))}, refused: "next 23 hours"},
		{name: "a time after tomorrow", cmd: ThermostatCommand{Hold: new(HoldUntil), HoldUntil: new(at(16, 2).Add(48 * time.Hour))}, refused: "next 23 hours"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := base()
			if tt.reading != nil {
				tt.reading(&r)
			}
			got, err := r.Merge(tt.cmd, now)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Fatalf("got %s, %v; want a refusal with %q", show(got), err, tt.refused)
				}
				if show(got) != show(ThermostatCommand{}) {
					t.Errorf("a refused command returns %s", show(got))
				}
				return
			}
			if err != nil || show(got) != show(tt.want) {
				t.Errorf("got %s, %v\nwant %s", show(got), err, show(tt.want))
			}
		})
	}
}

func show(c ThermostatCommand) string {
	b, _ := json.Marshal(c)
	return string(b)
}

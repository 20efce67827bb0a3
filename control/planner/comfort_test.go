package planner

import (
	"math"
	"strings"
	"testing"
	"time"

	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/control/thermal"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// An emulated house and the engine that plans for it.
type emulated struct {
	t      *testing.T
	now    time.Time
	zone   *time.Location
	cloud  *emulator.Cloud
	sky    emulator.Weather
	engine *Engine
}

// newEmulated has a house that the engine has seen for so many days.
func newEmulated(t *testing.T, weather emulator.Changing, until time.Time, days int) *emulated {
	t.Helper()
	zone := until.Location()
	e := &emulated{t: t, now: until.AddDate(0, 0, -days), zone: zone, sky: weather.In(zone)}
	e.cloud = emulator.New(emulator.Options{Now: func() time.Time { return e.now }, Location: zone, Weather: e.sky})
	s := settings()
	s.Zone = zone
	s.Prices = &tariff.Table{Zone: zone, Rates: []tariff.Rate{
		{Name: "peak", Import: 0.6, Span: rules.Span{Start: 16 * 60, End: 21 * 60}, Peak: true}, {Name: "other", Import: 0.3},
	}}
	s.Band = Band{Thermostats: []string{"lcc_00a01ab10001", "lcc_00a01ab10002"}, PrecoolMinF: 67, MaxCoolF: 82, MinHeatF: 62, StepF: 2, Steps: 3}
	e.engine = NewEngine(s, nil)
	for e.now.Before(until) {
		e.read()
	}
	return e
}

// read lets five minutes pass, and has everything read.
func (e *emulated) read() {
	e.now = e.now.Add(5 * time.Minute)
	truth := e.cloud.Truth()
	watts := func(w float64) *devices.Watts { return new(devices.Watts(w)) }
	e.engine.ReadPowerwall(devices.PowerwallReading{
		PolledAt: e.now, ChargePercent: new(devices.Percent(truth.ChargePercent)), ReservePercent: &truth.Reserve,
		HomePower: watts(truth.HomeW), SolarPower: watts(truth.SolarW), GridPower: watts(truth.GridW), BatteryPower: watts(truth.BatteryW),
		Mode: new(devices.SelfConsumption), GridCharging: &truth.GridCharging,
	}, e.now)
	for _, th := range truth.Thermostats {
		out := devices.Celsius.To(th.Unit, truth.OutdoorC)
		e.engine.ReadThermostat(devices.ThermostatReading{
			VendorID: th.ID, Name: th.Name, Mode: &th.Mode, Action: &th.Action, Temperature: &th.Temperature, CoolSetpoint: &th.Cool, HeatSetpoint: &th.Heat,
			Hold: &th.Hold, Unit: th.Unit, OutdoorTemperature: &out, PolledAt: e.now, Alive: true,
		}, e.now)
	}
}

// foretell says how the next days will be.
func (e *emulated) foretell() {
	f := devices.Forecast{Source: "open-meteo", AsOf: e.now}
	for at := e.now.Truncate(time.Hour); at.Before(e.now.AddDate(0, 0, 2)); at = at.Add(time.Hour) {
		f.Hourly = append(f.Hourly, devices.HourlyDegF{At: at, DegF: devices.Celsius.To(devices.Fahrenheit, e.sky(at).OutdoorC)})
	}
	f.Radiation = &devices.Radiation{Start: e.now.Truncate(time.Hour)}
	e.engine.SetForecast(f)
}

var (
	hot  = emulator.Changing{Day: emulator.HotDay, SwingC: 5, Clouds: 0.6}
	cold = emulator.Changing{Day: emulator.ColdDay, SwingC: 5, Clouds: 0.6}
)

func TestThermostatsArePlannedFor(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct {
		name    string
		weather emulator.Changing
		now     time.Time
	}{
		{"a hot day", hot, time.Date(2026, 7, 15, 11, 0, 0, 0, zone)},
		{"a cold day", cold, time.Date(2026, 1, 14, 11, 0, 0, 0, zone)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEmulated(t, tt.weather, tt.now, 12)
			e.foretell()
			p, _ := e.engine.Step(e.now)
			c := p.Thermostats
			if c == nil || !c.Planned || !c.PeakStart.Equal(time.Date(tt.now.Year(), tt.now.Month(), tt.now.Day(), 16, 0, 0, 0, zone)) {
				t.Fatalf("%+v, %s", c, p.Reason)
			}
			t.Log(c.Reason)
			for id, m := range e.engine.House().Models {
				t.Logf("%s: %+v, %.2f kW", id, m, e.engine.House().Power)
			}
			if !strings.Contains(c.Reason, "would cost") || !strings.Contains(c.Reason, "leave the thermostats alone") {
				t.Errorf("the reason does not name who lost: %s", c.Reason)
			}
			for i, a := range c.Candidates {
				if i > 1 && a.Cost < c.Candidates[i-1].Cost || a.SetbackF > 6 || a.PrecoolF > 3 {
					t.Errorf("candidate %d: %+v", i, a)
				}
			}
			if best := c.Candidates[0]; best.SetbackF != c.SetbackF || best.PrecoolF != c.PrecoolF || best.LeadMinutes != c.LeadMinutes {
				t.Errorf("%+v is planned, and %+v the best", c, best)
			}
			if kW := float64(e.engine.House().Power); kW < 1.2 || kW > 3 {
				t.Errorf("a compressor of %.1f kW", kW)
			}
		})
	}
}

// The past is learned as it would have been without the plan for the thermostats: what a
// setback saves is not taken off the days to come a second time.
func TestTheLoadThatAPlanMoves(t *testing.T) {
	engine := NewEngine(settings(), nil)
	cool, room := 80.0, 78.0
	mode, hold := devices.Cool, devices.HoldUntil
	x := engine.room("up")
	x.last = devices.ThermostatReading{VendorID: "up", Unit: devices.Fahrenheit, Mode: &mode, Hold: &hold, CoolSetpoint: &cool, Temperature: &room, PolledAt: noon, Alive: true}
	usual := celsius(76)
	for _, tt := range []struct {
		name        string
		from, until time.Duration // from the beginning of the half hour on
		do          func()
		want        float64
	}{
		{"a part of a half hour that is set back", 10 * time.Minute, 25 * time.Minute, func() {}, -0.6},
		{"the whole", 0, 30 * time.Minute, func() {}, -1.2},
		{"a part lies after it", 20 * time.Minute, 50 * time.Minute, func() {}, -0.4},
		{"after it", 30 * time.Minute, 40 * time.Minute, func() {}, 0},
		{"before it", -10 * time.Minute, 0, func() {}, 0},
		{"it has its own set point and is still warm", 0, 30 * time.Minute, func() { cool = 76 }, -1.2},
		{"nothing of the plan is in force", 0, 30 * time.Minute, func() { cool, room = 76, 76 }, 0},
	} {
		tt.do()
		engine.shifted = shiftedLoad{start: noon, kWh: -1.2, usual: map[string]thermal.Setting{"up": {CoolC: usual, HeatC: math.NaN()}}}
		if got := engine.shiftedEnergy(noon.Add(tt.from), noon.Add(tt.until)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %.2f kWh, want %.2f", tt.name, got, tt.want)
		}
	}
}

func TestWhatIsPlannedForNoThermostat(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip(err)
	}
	now := time.Date(2026, 7, 15, 11, 0, 0, 0, zone)
	for _, tt := range []struct {
		name string
		days int
		with func(*emulated)
		want string
	}{
		{"four days are known", 4, func(e *emulated) {
			e.engine.past = NewEngine(e.engine.Settings, home(now, 14, 3)).past
		}, "fewer than five days"},
		{"nobody says how warm it will be", 12, func(e *emulated) { e.engine.forecast = nil }, "no weather forecast"},
		{"a thermostat that has not been read lately", 12, func(e *emulated) {
			e.engine.rooms["lcc_00a01ab10001"].last.PolledAt = now.Add(-3 * time.Hour)
		}, "Downstairs has not been read lately"},
		{"readings that explain nothing", 12, func(e *emulated) {
			for i := range e.engine.rooms["lcc_00a01ab10002"].samples {
				s := &e.engine.rooms["lcc_00a01ab10002"].samples[i]
				s.Cools = float64(i*i%7) / 7
			}
		}, "Upstairs: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEmulated(t, hot, now, tt.days)
			e.foretell()
			tt.with(e)
			p, _ := e.engine.Step(e.now)
			if c := p.Thermostats; c == nil || c.Planned || !strings.Contains(c.Reason, "the fixed rule decides: ") || !strings.Contains(c.Reason, tt.want) {
				t.Errorf("%+v, want %q", c, tt.want)
			}
			if p.Reserve == nil {
				t.Errorf("there is no plan for the battery: %s", p.Reason)
			}
		})
	}
}

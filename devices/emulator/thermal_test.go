package emulator

import (
	"math"
	"testing"
	"time"

	"powermgr/devices"
)

var usualHouse = HouseOptions{Leak: 205, Walls: 4_500, Windows: 950, CoolingW: 7_000, HeatingW: 7_500}

// The heat that air and walls gain comes in through the hull and the windows, and from
// appliances and equipment.
func TestHeatIsConserved(t *testing.T) {
	z := zone{air: 24, mass: 21}
	c := conditions{Conditions{OutdoorC: 39, Sun: 0.6}, usualHouse, 1_500}
	stored := func() float64 { return z.air*airWhPerK + z.mass*c.house.Walls }
	for i, action := range []devices.Action{devices.ActionCooling, devices.ActionIdle, devices.ActionHeating, devices.ActionFan, devices.ActionOff} {
		heat, watts := equipment(action, c)
		before, air := stored(), z.air
		z.step(heat, c, 1.0/60)
		came := (c.house.Leak*(c.OutdoorC-air) + c.house.Windows*c.Sun + inner*c.base + heat) / 60
		if d := stored() - before - came; math.Abs(d) > 1e-6*math.Abs(came) {
			t.Errorf("step %d, %s: %g Wh of heat appeared", i, action, d)
		}
		if (heat != 0 || action == devices.ActionFan) != (watts > 0) {
			t.Errorf("%s brings %g W of heat for %g W", action, heat, watts)
		}
	}
}

func TestTheWeatherMakesHeatDear(t *testing.T) {
	cop := func(action devices.Action, outdoor float64) float64 {
		heat, watts := equipment(action, conditions{house: usualHouse, Conditions: Conditions{OutdoorC: outdoor}})
		return math.Abs(heat) / watts
	}
	if mild, hot := cop(devices.ActionCooling, 27), cop(devices.ActionCooling, 40); hot >= mild || hot < 1.5 {
		t.Errorf("cooling: %.2f at 27 °C, %.2f at 40 °C", mild, hot)
	}
	if mild, cold := cop(devices.ActionHeating, 8), cop(devices.ActionHeating, -2); cold >= mild || cold < 1.5 {
		t.Errorf("heating: %.2f at 8 °C, %.2f at −2 °C", mild, cold)
	}
	warm, _ := equipment(devices.ActionHeating, conditions{house: usualHouse, Conditions: Conditions{OutdoorC: 8}})
	cold, _ := equipment(devices.ActionHeating, conditions{house: usualHouse, Conditions: Conditions{OutdoorC: -4}})
	if cold >= warm {
		t.Errorf("the heat pump brings %g W at −4 °C, %g W at 8 °C", cold, warm)
	}
	_, without := equipment(devices.ActionHeating, conditions{house: usualHouse, Conditions: Conditions{OutdoorC: auxBelowC}})
	_, with := equipment(devices.ActionHeating, conditions{house: usualHouse, Conditions: Conditions{OutdoorC: auxBelowC - 0.1}})
	if with-without < auxW/2 {
		t.Errorf("no resistance heater helps: %g W, then %g W", without, with)
	}
}

func TestACompressorRests(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)
	th := DefaultThermostats()[0]
	th.Cool, th.Temperature = 76, 78
	if a := th.demand(now); a != devices.ActionCooling {
		t.Fatalf("it does not cool: %s", a)
	}
	th.Cool = 82
	if a := th.demand(now); a != devices.ActionIdle {
		t.Fatalf("it does not stop: %s", a)
	}
	th.Cool = 76
	if a := th.demand(now.Add(resting - time.Second)); a != devices.ActionIdle {
		t.Errorf("it starts again too early: %s", a)
	}
	if a := th.demand(now.Add(resting)); a != devices.ActionCooling {
		t.Errorf("it does not start again: %s", a)
	}
}

// Off grid with little energy left, heating and cooling stop first, and there is no
// cooling without energy.
func TestAnOutageShedsCoolingFirst(t *testing.T) {
	now := time.Date(2026, 7, 15, 21, 0, 0, 0, pacific) // no sun
	c := New(Options{Now: func() time.Time { return now }, House: HouseOptions{ChargePercent: new(3.0)}})
	c.Person(func(h *House) { h.OffGrid = true })
	now = now.Add(3 * time.Hour)
	x := c.Truth()
	if x.GridW != 0 || x.Books.Import != 0 || x.StoredWh > 1 || x.Books.Unserved < 1_000 {
		t.Errorf("grid %g W, %g Wh imported, %g Wh stored, %g Wh unserved", x.GridW, x.Books.Import, x.StoredWh, x.Books.Unserved)
	}
	if x.HVACW != 0 || x.Thermostats[0].Temperature < 78 {
		t.Errorf("it cools with %g W, %g °F inside", x.HVACW, x.Thermostats[0].Temperature)
	}
}

func TestModes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hour   int
		person func(*House)
		want   func(Truth) bool
	}{
		{"self consumption covers the home", 20, func(*House) {}, func(x Truth) bool { return x.BatteryW > 0 && (x.GridW < 1 || x.BatteryW == 5_000) }},
		{"not below the reserve", 20, func(h *House) { h.SetReserve(60) }, func(x Truth) bool { return x.BatteryW <= 0 && x.GridW > 0 }},
		{"backup holds and charges", 20, func(h *House) { h.Mode = devices.Backup }, func(x Truth) bool { return x.BatteryW == -backupCharge }},
		{"backup without charging from the grid holds", 22, func(h *House) { h.Mode, h.GridCharging = devices.Backup, false }, func(x Truth) bool { return x.BatteryW == 0 }},
		{"a storm charges, whatever the reserve", 22, func(h *House) { h.SetReserve(0); h.StormActive = true }, func(x Truth) bool { return x.BatteryW == -backupCharge }},
		{"time-based covers the expensive hours", 20, func(h *House) { h.Mode = devices.Autonomous }, func(x Truth) bool { return x.BatteryW > 0 }},
		{"time-based keeps its charge for them", 23, func(h *House) { h.Mode = devices.Autonomous }, func(x Truth) bool { return x.BatteryW == 0 && x.GridW > 0 }},
		{"time-based charges faster below the reserve", 23, func(h *House) { h.Mode = devices.Autonomous; h.SetReserve(80) }, func(x Truth) bool { return x.BatteryW == -backupCharge }},
		{"an outage ignores the reserve", 22, func(h *House) { h.SetReserve(80); h.OffGrid = true }, func(x Truth) bool { return x.BatteryW > 0 && x.GridW == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 7, 15, tt.hour, 0, 0, 0, pacific)
			c := New(Options{Now: func() time.Time { return now }})
			c.Person(func(h *House) { tt.person(h) })
			now = now.Add(10 * time.Minute)
			if x := c.Truth(); !tt.want(x) {
				t.Errorf("battery %g W, grid %g W, home %g W, %g %%", x.BatteryW, x.GridW, x.HomeW, x.ChargePercent)
			}
		})
	}
}

func TestItTapersNearFull(t *testing.T) {
	now := time.Date(2026, 7, 15, 22, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }, House: HouseOptions{ChargePercent: new(99.0)}})
	c.Person(func(h *House) { h.Mode = devices.Backup })
	now = now.Add(time.Minute)
	if w := -c.Truth().BatteryW; w <= 0 || w > backupCharge/2 {
		t.Errorf("at 99 %% it charges with %g W", w)
	}
	now = now.Add(4 * time.Hour)
	if x := c.Truth(); x.ChargePercent < 99.9 || x.ChargePercent > 100 {
		t.Errorf("it never gets full: %g %%", x.ChargePercent)
	}
}

func TestTheColdDayIsCold(t *testing.T) {
	now := time.Date(2026, 1, 15, 5, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }})
	x := c.Truth()
	if f := x.OutdoorC*1.8 + 32; f < 29 || f > 33 {
		t.Errorf("at five it is %g °F", f)
	}
	now = now.Add(24 * time.Hour)
	next := c.Truth()
	if used := next.Books.HVAC - x.Books.HVAC; used < 5_000 || used > 60_000 {
		t.Errorf("heating took %g Wh in a day", used)
	}
	for _, th := range next.Thermostats {
		if th.Temperature < 62 || th.Temperature > 72 {
			t.Errorf("%s has %.1f °F", th.Name, th.Temperature)
		}
	}
}

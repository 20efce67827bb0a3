package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

func TestSummerDay(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.want()
	w.until("15:30").want("up until 16:00 cool 74 heat 68")
	w.until("15:59").want()
	w.until("16:02").want("powerwall 0")
	w.charge = 80
	w.until("16:30").want()
	w.charge = 70
	w.until("16:32").want("up until 19:00 cool 78 heat 68")
	w.charge = 45
	w.until("16:41").want() // ten minutes between writes
	w.until("16:42").want("up until 19:00 cool 80 heat 68")
	w.charge = 20
	w.until("18:59").want("up until 19:00 cool 82 heat 68")
	w.until("19:00").want("powerwall 100")
	w.until("20:00").want() // the hold ended by itself
	if len(w.d.Owned) != 0 || len(w.s.Persisted.Thermostats) > 1 {
		t.Errorf("the rules still hold: %+v", w.d.Owned)
	}
	if w.journaled > 40 {
		t.Errorf("the journal changed %d times", w.journaled)
	}
	before := w.journaled
	w.untilTime(w.now.Add(3 * time.Hour))
	if w.journaled > before+1 {
		t.Errorf("the journal changed %d times in quiet hours", w.journaled-before)
	}
}

func TestWinterDayHasTwoPeaks(t *testing.T) {
	w := newWorld(t, "2026-01-14 05:00")
	w.therm["up"] = cooling(76)
	w.therm["up"].Mode, w.therm["up"].Heat = "heat", new(68.0)
	w.therm["up"].Temperature = new(68.0)
	w.start().want()
	w.until("05:59").want() // no precooling in winter
	w.until("06:00").want("powerwall 0")
	w.charge = 60
	w.until("06:04").want("up until 09:00 cool 76 heat 66")
	w.charge = 40
	w.until("08:00").want("up until 09:00 cool 76 heat 64")
	w.until("09:30").want("powerwall 100")
	w.charge = 100
	w.until("17:00").want("powerwall 0")
	w.until("17:30").want()
	w.charge = 20 // all three at once
	w.until("17:34").want("up until 20:00 cool 76 heat 62")
	w.until("20:30").want("powerwall 100")
}

func TestNoPeakOn(t *testing.T) {
	for _, day := range []struct{ name, date string }{
		{"a Saturday", "2026-07-18"}, {"a Sunday in winter", "2026-01-18"}, {"a holiday", "2026-07-03"},
	} {
		t.Run(day.name, func(t *testing.T) {
			w := newWorld(t, day.date+" 05:00").start()
			w.until("21:00").want()
			if w.d.Plan.Phase != OffPeak {
				t.Errorf("phase %s", w.d.Plan.Phase)
			}
		})
	}
}

// Each threshold alone, in any order, and at its edges.
func TestThresholds(t *testing.T) {
	type reading struct {
		at     string
		charge float64
	}
	for _, c := range []struct {
		name     string
		readings []reading
		latched  int
		set      []string
	}{
		{"none", []reading{{"18:58", 76}}, 0, nil},
		{"the first at its level", []reading{{"16:30", 75}, {"18:58", 75}}, 1, []string{"up until 19:00 cool 78 heat 68"}},
		{"the first at its last moment", []reading{{"17:00", 75}, {"18:58", 75}}, 1, []string{"up until 19:00 cool 78 heat 68"}},
		{"the first a poll too late", []reading{{"17:02", 75}, {"18:58", 75}}, 0, nil},
		{"the second alone", []reading{{"17:30", 50}, {"18:58", 50}}, 1, []string{"up until 19:00 cool 78 heat 68"}},
		{"the third alone", []reading{{"18:20", 25}, {"18:58", 25}}, 1, []string{"up until 19:00 cool 78 heat 68"}},
		{"the third too late", []reading{{"18:32", 20}, {"18:58", 20}}, 0, nil},
		{"second and third together", []reading{{"17:30", 20}, {"18:58", 20}}, 2, []string{"up until 19:00 cool 80 heat 68"}},
		{"all at once", []reading{{"16:10", 10}, {"18:58", 10}}, 3, []string{"up until 19:00 cool 82 heat 68"}},
		{"a level that recovers stays latched", []reading{{"16:10", 74}, {"16:20", 90}, {"18:58", 90}}, 1, []string{"up until 19:00 cool 78 heat 68"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:00")
			w.start()
			w.forecast(80) // no precooling
			w.until("16:00").take()
			for _, r := range c.readings {
				if w.now.Before(at("2026-07-15 " + r.at).Add(-time.Minute)) {
					w.untilTime(at("2026-07-15 " + r.at).Add(-time.Minute))
				}
				w.charge = r.charge
				w.until(r.at)
			}
			if got := len(w.d.Latched); got != c.latched {
				t.Errorf("%d thresholds latched, want %d", got, c.latched)
			}
			w.want(c.set...)
		})
	}
}

func TestOneWriteStraightToTheSetbackAtPeakStart(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00").start()
	w.until("15:45").want("up until 16:00 cool 74 heat 68")
	w.charge = 70
	w.until("16:10").want("powerwall 0", "up until 19:00 cool 78 heat 68")
}

func TestStaleOrMissingReadings(t *testing.T) {
	t.Run("a stale battery latches nothing and the reserve follows the clock", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:00").start()
		w.until("15:40").take()
		w.charge, w.mute[Powerwall] = 50, true
		w.until("17:00").want("powerwall 0")
		if len(w.d.Latched) != 0 {
			t.Error("latched from a stale reading")
		}
	})
	t.Run("no reading at all writes nothing", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:00")
		w.mute[Powerwall] = true
		w.start()
		w.until("16:30")
		for _, s := range w.take() {
			if s == "powerwall 0" {
				t.Error("wrote a reserve without knowing the present one")
			}
		}
	})
	t.Run("a stale thermostat gets no new setback", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00").start()
		w.take()
		w.mute["up"] = true
		w.until("16:20")
		w.charge = 70
		w.until("17:00").want()
		w.mute["up"] = false
		w.until("17:02").want("up until 19:00 cool 78 heat 68")
	})
	t.Run("an unknown charge latches nothing", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00").start()
		w.take()
		w.step(BatteryRead{Battery{Reserve: new(0), Mode: "self_consumption", AsOf: w.now, Polled: w.now}})
		if len(w.d.Latched) != 0 {
			t.Error("unknown was taken for zero")
		}
	})
}

func TestPrecooling(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*world)
		want  []string
	}{
		{"hot", func(w *world) {}, []string{"up until 16:00 cool 74 heat 68"}},
		{"just hot enough", func(w *world) { w.forecast(95) }, []string{"up until 16:00 cool 74 heat 68"}},
		{"not hot enough", func(w *world) { w.forecast(94.9) }, nil},
		{"no forecast", func(w *world) { w.step(Forecast{}) }, nil},
		{"yesterday's forecast", func(w *world) { w.step(Forecast{HighF: new(103.0), Day: "2026-07-14"}) }, nil},
		{"the floor", func(w *world) { w.therm["up"].Cool = new(68.0) }, []string{"up until 16:00 cool 67 heat 67"}},
		{"a baseline under the floor stays", func(w *world) { w.therm["up"].Cool = new(66.0) }, nil},
		{"heating is not precooled", func(w *world) { w.therm["up"].Mode = "heat" }, nil},
		{"off", func(w *world) { w.therm["up"].Mode = "off" }, nil},
		{"vacation", func(w *world) { w.therm["up"].Hold = devices.HoldVacation }, nil},
		{"a utility's event", func(w *world) { w.therm["up"].UtilityEvent = true }, nil},
		{"not alive", func(w *world) { w.therm["up"].Alive = false }, nil},
		{"emergency heat", func(w *world) { w.therm["up"].EmergencyHeat = true }, nil},
		{"over a permanent hold", func(w *world) { w.therm["up"].Hold = devices.HoldPermanent }, []string{"up permanent cool 74 heat 68"}},
		{"auto keeps the deadband", func(w *world) {
			w.therm["up"].Mode, w.therm["up"].Deadband, w.therm["up"].Heat = "heat_cool", 3, new(72.0)
		}, []string{"up until 16:00 cool 74 heat 71"}},
		{"a device in °C, toward comfort", func(w *world) {
			w.therm["up"].Celsius, w.therm["up"].Step, w.therm["up"].Cool, w.therm["up"].Heat = true, 0.5, new(24.0), new(20.0)
			w.therm["up"].Temperature, w.therm["up"].CoolMin = new(24.0), new(10.0)
		}, []string{"up until 16:00 cool 23 heat 20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:00")
			w.start()
			w.take()
			w.now = at("2026-07-15 15:25")
			c.setup(w)
			w.read()
			w.until("15:58")
			w.want(c.want...)
		})
	}
}

func TestPrecoolingOverAPermanentHoldIsGivenBackAtPeakStart(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:00")
	w.therm["up"].Hold = devices.HoldPermanent
	w.start()
	w.until("15:59").want("up permanent cool 74 heat 68")
	w.until("16:10").want("powerwall 0", "up permanent cool 76 heat 68")
}

// The reserve stayed at 0 after a peak, and the battery ran empty, because the vendor had
// stopped reporting the reserve.
func TestAReserveThatIsNotSaidIsGivenBack(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:50")
	w.start().until("18:30").want("up until 16:00 cool 74 heat 68", "powerwall 0")
	w.hidden = true
	w.until("19:08").want("powerwall 100")
	w.hidden = false
	w.until("20:30").want()
	if k := w.s.Persisted.Battery; k.AtPeak || !k.Confirmed || k.Choice != nil {
		t.Errorf("%+v", k)
	}
	t.Run("and one that nobody has ever heard is left alone", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 15:50")
		w.hidden = true
		w.start().until("16:30").want("up until 16:00 cool 74 heat 68")
	})
}

// A node died after it had asked for the off-peak reserve and before it could record
// that. The node that took over believed that a person had chosen it, and left it alone
// through the peak.
func TestAReserveThatTheRulesWantIsNobodysChoice(t *testing.T) {
	for name, known := range map[string]BatteryRecord{ // as the other node knows it
		"its last write has landed":         {Writes: Writes{Wanted: devices.Setting{Reserve: new(20)}, Confirmed: true}, Mode: "self_consumption"},
		"its last write may still be going": {Writes: Writes{Wanted: devices.Setting{Reserve: new(20)}, Before: devices.Setting{Reserve: new(40)}, WrittenAt: at("2026-07-15 15:39")}, Mode: "self_consumption"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 15:40")
			w.s.Persisted.Battery = known
			w.start()
			w.until("16:10").want("up until 16:00 cool 74 heat 68", "powerwall 0")
		})
	}
}

// A reserve that snapped back to 80 while the daemon was down was mistaken for a person's
// choice, and stayed through the peak.
func TestALimitThatShowsWhileNobodyIsThere(t *testing.T) {
	w := newWorld(t, "2026-07-15 14:30")
	w.reserve = 60
	w.start().until("14:34").want("powerwall 100")
	w.reserve, w.now = 80, at("2026-07-15 16:20")
	w.restart().read()
	w.want("powerwall 0")
	if k := w.s.Persisted.Battery; k.Limit != 80 || k.Choice != nil {
		t.Errorf("%+v", k)
	}
}

// The battery was charged from the grid at the highest price when somebody requested
// precooling in a peak.
func TestPrecoolingInAPeakLeavesTheBatteryToIt(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.start().until("17:00").want("powerwall 0")
	w.ask("precool 30m").until("17:20").want("up until 17:30 cool 74 heat 68")
	w.until("18:50").want()
	w.until("19:10").want("powerwall 100")
}

func TestSetbackLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(th *Thermostat)
		want  []string
	}{
		{"clamped at the maximum", func(th *Thermostat) { th.Cool = new(79.0) }, []string{"up until 19:00 cool 82 heat 68"}},
		{"a baseline above the maximum stays", func(th *Thermostat) { th.Cool = new(84.0) }, nil},
		{"the device's own maximum", func(th *Thermostat) { th.CoolMax = new(78.0) }, []string{"up until 19:00 cool 78 heat 68"}},
		{"heating clamped at the minimum", func(th *Thermostat) { th.Mode, th.Heat = "heat", new(65.0) }, []string{"up until 19:00 cool 76 heat 62"}},
		{"a heating baseline under the minimum stays", func(th *Thermostat) { th.Mode, th.Heat = "heat", new(60.0) }, nil},
		{"auto moves both", func(th *Thermostat) { th.Mode = "heat_cool" }, []string{"up until 19:00 cool 82 heat 62"}},
		{"°C, rounded toward comfort", func(th *Thermostat) {
			th.Celsius, th.Step, th.Cool, th.Heat, th.Temperature = true, 0.5, new(24.0), new(20.0), new(24.0)
		}, []string{"up until 19:00 cool 27 heat 20"}},
		{"°C, the maximum is rounded toward comfort", func(th *Thermostat) {
			th.Celsius, th.Step, th.Cool, th.Heat, th.Temperature = true, 0.5, new(26.0), new(20.0), new(26.0)
		}, []string{"up until 19:00 cool 27.5 heat 20"}},
		{"without holds", func(th *Thermostat) { th.Hold, th.Holds = "", nil }, []string{"up  cool 82 heat 68"}},
		{"a device that cannot hold until a time", func(th *Thermostat) {
			th.Holds = []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldPermanent}
		}, []string{"up temporary cool 82 heat 68"}},
		{"a person's hold that ends first", func(th *Thermostat) { th.Hold, th.Until = devices.HoldUntil, at("2026-07-15 18:00") }, []string{"up until 18:00 cool 82 heat 68"}},
		{"off", func(th *Thermostat) { th.Mode = "off" }, nil},
		{"no set point known", func(th *Thermostat) { th.Cool, th.Heat = nil, nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			c.setup(w.therm["up"])
			w.charge = 10
			w.start()
			var got []string
			for _, s := range w.take() {
				if s != "powerwall 0" {
					got = append(got, s)
				}
			}
			if mustText(got) != mustText(c.want) {
				t.Errorf("sent %q, want %q", got, c.want)
			}
		})
	}
}

func TestTooWarmInsideEndsTheSetback(t *testing.T) {
	w := newWorld(t, "2026-07-15 16:10")
	w.charge = 70
	w.start().want("powerwall 0", "up until 19:00 cool 78 heat 68")
	w.therm["up"].Temperature = new(86.0)
	w.until("16:20").want() // at the limit is not beyond it
	w.therm["up"].Temperature = new(86.5)
	w.until("16:22").want("up schedule")
	w.charge = 10
	w.until("18:50").want()
}

func TestColdInsideEndsTheSetback(t *testing.T) {
	w := newWorld(t, "2026-01-14 06:10")
	w.therm["up"].Mode, w.therm["up"].Temperature = "heat", new(60.0)
	w.charge = 70
	w.start().want("powerwall 0", "up until 09:00 cool 76 heat 66")
	w.therm["up"].Temperature = new(57.0)
	w.until("06:14").want("up schedule")
}

package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// A measured is a charge at a time of day.
type measured struct {
	at     string
	charge float64
}

// plays reads the battery, and the thermostat with it, at these times only.
func (w *world) plays(readings ...measured) *world {
	w.t.Helper()
	for _, r := range readings {
		w.mute[Powerwall], w.mute["up"] = true, true
		w.untilTime(at("2026-07-15 " + r.at))
		w.mute[Powerwall], w.mute["up"], w.charge = false, false, r.charge
		w.read()
	}
	return w
}

// In some homes Tesla has a glitch once or twice a day: a single reading of 0 % set the
// house back for the whole peak.
func TestOneOddChargeDecidesNothing(t *testing.T) {
	for _, c := range []struct {
		name     string
		start    string
		readings []measured
		latched  int
	}{
		{"between two of 98", "15:55", []measured{{"16:08", 98}, {"16:10", 0}, {"16:12", 97}, {"16:14", 97}}, 0},
		{"again and again", "15:55", []measured{{"16:08", 98}, {"16:10", 0}, {"16:12", 97}, {"16:14", 0}, {"16:16", 97}, {"16:18", 0}, {"16:20", 96}}, 0},
		{"and nothing after it", "15:55", []measured{{"16:08", 98}, {"16:10", 0}}, 0},
		{"between readings five minutes apart", "15:55", []measured{{"16:05", 98}, {"16:10", 0}, {"16:15", 96}, {"16:20", 95}}, 0},
		{"between readings a quarter of an hour apart", "15:55", []measured{{"16:10", 98}, {"16:25", 0}, {"16:40", 92}, {"16:55", 90}}, 0},
		{"that is not 0", "15:55", []measured{{"16:08", 98}, {"16:10", 40}, {"16:12", 97}}, 0},
		{"as the first reading ever", "16:20", []measured{{"16:20", 0}, {"16:22", 97}, {"16:24", 97}}, 0},
		{"after an hour without one", "15:00", []measured{{"15:05", 98}, {"16:20", 0}, {"16:22", 92}, {"16:24", 92}}, 0},
		{"half an hour after one of 50", "16:20", []measured{{"16:20", 50}, {"16:50", 0}, {"16:54", 46}, {"16:56", 45}}, 2},
		{"that is 100", "16:20", []measured{{"16:20", 70}, {"16:22", 70}, {"16:24", 100}, {"16:26", 69}}, 1},

		{"a true fall", "15:55", []measured{{"16:08", 80}, {"16:10", 75}}, 1},
		{"a true fall, read every five minutes", "15:55", []measured{{"16:50", 78}, {"16:55", 76}, {"17:00", 74}}, 1},
		{"a true fall at the highest power, a quarter of an hour apart", "15:55", []measured{{"16:15", 96}, {"16:30", 75}}, 1},
		{"two that agree", "15:55", []measured{{"16:10", 98}, {"16:15", 70}, {"16:20", 69}}, 1},
		{"two that agree, the second too late for the threshold", "15:55", []measured{{"16:50", 98}, {"16:58", 70}, {"17:03", 69}}, 1},
		{"the first two after a start, the second too late for the threshold", "16:58", []measured{{"16:58", 70}, {"17:03", 69}}, 1},
		{"the first two after a start, both too late", "17:01", []measured{{"17:01", 70}, {"17:06", 69}}, 0},
		{"two that agree, one of them before the peak", "15:50", []measured{{"15:56", 70}, {"16:01", 69}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 "+c.start)
			w.step(Tick{})
			w.plays(c.readings...)
			w.mute[Powerwall] = true
			w.until("18:59")
			if got := len(w.d.Latched); got != c.latched {
				t.Errorf("%d thresholds latched, want %d", got, c.latched)
			}
		})
	}
	t.Run("a reading that is only repeated is no second one", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10").start()
		glitch := Battery{Charge: new(0.0), Reserve: new(0), Mode: w.mode, AsOf: w.now.Add(time.Minute)}
		for range 5 {
			w.now = w.now.Add(time.Minute)
			glitch.Polled = w.now
			w.step(BatteryRead{glitch})
		}
		if len(w.d.Latched) != 0 {
			t.Error("latched")
		}
	})
	t.Run("the clock went back", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 17:30").start()
		w.now = at("2026-07-15 16:30")
		w.charge = 70
		w.read()
		w.until("16:40")
		if len(w.d.Latched) != 1 {
			t.Errorf("%d latched", len(w.d.Latched))
		}
	})
}

// One odd temperature ended a thermostat's setback for the whole event.
func TestOneOddTemperatureEndsNoSetback(t *testing.T) {
	for _, c := range []struct {
		name   string
		inside []float64 // every two minutes
		want   []string
	}{
		{"one of 128", []float64{76, 128, 76, 76}, nil},
		{"one of 0", []float64{76, 0, 76}, nil},
		{"two that agree", []float64{76, 90, 90}, []string{"up schedule"}},
		{"it gets warmer", []float64{84, 84, 86, 86.5}, []string{"up schedule"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := setBack(t)
			for _, f := range c.inside {
				w.therm["up"].Temperature = &f
				w.untilTime(w.now.Add(2 * time.Minute))
			}
			w.until("16:40").want(c.want...)
		})
	}
	t.Run("one of 89 after half an hour without any", func(t *testing.T) {
		w := setBack(t)
		w.mute["up"] = true
		w.until("16:46")
		w.mute["up"], w.therm["up"].Temperature = false, new(89.0)
		w.until("16:48")
		w.therm["up"].Temperature = new(76.0)
		w.until("17:00").want()
	})
	t.Run("before the setback: it begins with the next reading", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10").start()
		w.until("16:20").take()
		w.charge = 85
		w.until("16:24")
		w.mute[Powerwall], w.therm["up"].Temperature = true, new(128.0)
		w.until("16:26")
		w.mute[Powerwall], w.charge = false, 74
		w.readBattery(w.now)
		w.want()
		w.therm["up"].Temperature = new(76.0)
		w.until("16:28").want("up until 19:00 cool 78 heat 68")
	})
}

// After precooling, a setback that the limits stop at the earlier set point is also what
// restores it: it is not sent twice.
func TestASetbackThatRestoresIsNotSentTwice(t *testing.T) {
	w := newWorld(t, "2026-07-15 15:25")
	up := w.therm["up"]
	up.Cool, up.Hold = new(82.0), devices.HoldPermanent
	w.charge = 70
	w.start().until("15:59").want("up permanent cool 80 heat 68")
	w.mute["up"], w.deaf["up"] = true, true // the vendor is late to show it
	w.until("16:00").want("powerwall 0", "up permanent cool 82 heat 68")
	for _, inside := range []float64{88, 88.5} {
		r := *up
		w.now = w.now.Add(10 * time.Second)
		r.Temperature, r.AsOf, r.Polled = &inside, w.now, w.now
		w.step(ThermostatRead{ID: "up", Thermostat: r})
	}
	w.want()
	w.mute["up"], w.deaf["up"] = false, false
	up.Cool, up.Temperature = new(82.0), new(88.0)
	w.until("16:10").want()
	if claim := w.s.Persisted.Thermostats["up"].Claim; claim != nil {
		t.Errorf("it is still to be restored: %+v", claim)
	}
}

// A single odd reading of a setting was mistaken for a person's choice, and the battery
// or a thermostat was left alone for the whole peak; a thermostat in a permanent hold
// kept the set point of the setback for good.
func TestOneOddReadingIsNoPerson(t *testing.T) {
	for _, c := range []struct {
		name string
		odd  func(*world)
	}{
		{"an old reserve", func(w *world) { w.reserve = 100 }},
		{"another reserve", func(w *world) { w.reserve = 37 }},
		{"the battery's mode", func(w *world) { w.mode = "backup" }},
		{"an old set point", func(w *world) { w.therm["up"].Cool = new(76.0) }},
		{"another set point", func(w *world) { w.therm["up"].Cool = new(60.0) }},
		{"an old hold", func(w *world) { w.therm["up"].Hold = devices.HoldSchedule }},
		{"a thermostat's mode", func(w *world) { w.therm["up"].Mode = "off" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			up := w.therm["up"]
			up.Hold, w.charge = devices.HoldPermanent, 70
			w.start().until("16:40").want("powerwall 0", "up permanent cool 78 heat 68")
			was, reserve, mode := *up, w.reserve, w.mode
			c.odd(w)
			w.charge = 62
			w.until("16:42").want()
			*up, w.reserve, w.mode = was, reserve, mode
			w.until("16:50").want()
			if w.noted(NoteYielded) != 0 || len(w.d.Yielded) != 0 {
				t.Errorf("taken for a person: %v", w.d.Yielded)
			}
			w.charge = 49
			w.until("18:00").want("up permanent cool 80 heat 68")
			w.until("19:20").want("powerwall 100", "up permanent cool 76 heat 68")
		})
		t.Run(c.name+", twice", func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			w.therm["up"].Hold, w.charge = devices.HoldPermanent, 70
			w.start().until("16:40").want("powerwall 0", "up permanent cool 78 heat 68")
			c.odd(w)
			w.charge = 20
			w.until("16:44")
			if w.noted(NoteYielded) != 1 || len(w.d.Yielded) != 1 {
				t.Errorf("a person's choice is not left alone: %v", w.d.Yielded)
			}
		})
	}
	t.Run("what is odd before the first touch is no baseline", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:00")
		up := w.therm["up"]
		up.Hold = devices.HoldPermanent
		w.charge = 80
		w.start().until("16:10").take()
		w.mute[Powerwall], up.Cool = true, new(60.0)
		w.until("16:12")
		w.mute[Powerwall], w.charge = false, 74
		w.readBattery(w.now)
		w.want()
		up.Cool = new(76.0)
		w.until("16:20").want("up permanent cool 78 heat 68")
		w.until("19:20").want("powerwall 100", "up permanent cool 76 heat 68")
	})
	t.Run("nor is a battery moved within a window before the next reading tells who has it", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 18:00")
		w.start().take()
		w.ask("precool 2h")
		w.until("18:58").take()
		w.mode, w.mute["up"] = "backup", true
		w.now = w.now.Add(time.Minute)
		w.readBattery(w.now)
		w.mute[Powerwall] = true
		w.until("19:04").want() // the peak is over, the override is not
		w.mute[Powerwall] = false
		w.until("19:10").want()
		if w.noted(NoteYielded) != 1 {
			t.Errorf("a person's choice is not left alone: %v", w.d.Yielded)
		}
	})
	t.Run("nor is a window's end written over what the next reading tells", func(t *testing.T) {
		w := newWorld(t, "2026-07-15 16:10")
		up := w.therm["up"]
		up.Hold, w.charge = devices.HoldPermanent, 70
		w.start().until("18:58").take()
		up.Cool = new(73.0)
		w.now = w.now.Add(90 * time.Second)
		w.read()
		w.until("19:01").want("powerwall 100")
		w.until("19:30").want()
		if *up.Cool != 73 {
			t.Errorf("left cool %g", *up.Cool)
		}
	})
}

// One odd forecast began or ended the precooling of a day.
func TestOneOddForecastOfAServiceDecidesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		high []float64
		want []string
	}{
		{"cold among hot ones", []float64{103, 38}, []string{"up until 16:00 cool 74 heat 68"}},
		{"hot among mild ones", []float64{75, 130}, nil},
		{"two that agree", []float64{75, 103, 104}, []string{"up until 16:00 cool 74 heat 68"}},
		{"within reach", []float64{90, 97}, []string{"up until 16:00 cool 74 heat 68"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 12:00")
			w.step(Tick{})
			w.read()
			for _, f := range c.high {
				w.step(Forecast{HighF: &f, Day: "2026-07-15", Service: true})
				w.untilTime(w.now.Add(time.Hour))
			}
			w.until("15:59").want(c.want...)
		})
	}
}

// A single odd reading just after a start was mistaken for a choice that somebody had
// made while the process was not running.
func TestOneOddReadingAfterAStartIsNoPerson(t *testing.T) {
	for _, c := range []struct {
		name  string
		again float64 // what the second reading shows
		taken int
	}{
		{"once", 76, 0},
		{"twice", 73, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			w.step(Tick{})
			kept, up := w.s.Persisted, w.therm["up"]
			up.Hold = devices.HoldPermanent
			kept.Thermostats = map[string]ThermostatRecord{"up": {Window: kept.Window.Start, Baseline: &Baseline{Setting: up.Setting, Mode: up.Mode}}}
			w.step(Recovered{kept})
			up.Cool = new(73.0)
			w.start()
			if len(w.d.Yielded) != 0 {
				t.Fatalf("one reading is enough: %v", w.d.Yielded)
			}
			up.Cool = &c.again
			w.until("16:14")
			if len(w.d.Yielded) != c.taken {
				t.Errorf("yielded %v", w.d.Yielded)
			}
		})
	}
}

// The journal of the disk was old, and a person had chosen something since. A reading showed
// that once, and then the journal of the broker came: nothing was in doubt any more, and
// the choice was overwritten.
func TestADoubtOutlivesAnotherJournal(t *testing.T) {
	for _, c := range []struct {
		name   string
		target string
		choice func(*world)
	}{
		{"a set point", "up", func(w *world) {
			w.therm["up"].Cool, w.therm["up"].Hold, w.therm["up"].Until = new(73.0), devices.HoldUntil, at("2026-07-15 22:00")
		}},
		{"a reserve", Powerwall, func(w *world) { w.reserve = 37 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			w.charge = 70
			w.start().until("18:40")
			disk := w.s.Persisted
			broker := disk
			broker.LastUserInput = w.now
			w.now = at("2026-07-15 20:30")
			w.take()
			w.s = State{Settings: w.s.Settings}
			w.step(Tick{})
			w.step(Recovered{disk})
			c.choice(w)
			w.read()
			w.step(Recovered{broker})
			w.until("20:50")
			for _, sent := range w.sent {
				if sent.Target == c.target {
					t.Errorf("it was written over: %+v", sent)
				}
			}
		})
	}
}

// What a single reading had shown was lost with the process. A person who ended a
// permanent hold then found it restored: the next process believed that the hold had been
// lost while no process was running.
func TestAChoiceThatOneReadingHasShownOutlivesTheProcess(t *testing.T) {
	for _, c := range []struct {
		name   string
		charge float64
		choice func(*world)
	}{
		{"a setback over a permanent hold is ended", 70, func(w *world) { w.therm["up"].Hold, w.therm["up"].Cool = devices.HoldSchedule, new(75.0) }},
		{"a set point before anything was touched", 80, func(w *world) { w.therm["up"].Cool = new(71.0) }},
		{"a reserve", 70, func(w *world) { w.reserve = 37 }},
		{"the battery's mode", 70, func(w *world) { w.mode = "backup" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			w.therm["up"].Hold, w.charge = devices.HoldPermanent, c.charge
			w.start().until("16:40").take()
			c.choice(w)
			w.until("16:42").want()
			w.now = w.now.Add(30 * time.Minute)
			w.charge = 20
			w.restart().read()
			w.until("18:50").take()
			if len(w.d.Yielded) != 1 {
				t.Errorf("a person's choice is not left alone: %v", w.d.Yielded)
			}
		})
		t.Run(c.name+", and it was one odd reading", func(t *testing.T) {
			w := newWorld(t, "2026-07-15 16:10")
			w.therm["up"].Hold, w.charge = devices.HoldPermanent, c.charge
			w.start().until("16:40").take()
			was, reserve, mode := *w.therm["up"], w.reserve, w.mode
			c.choice(w)
			w.until("16:42").want()
			*w.therm["up"], w.reserve, w.mode = was, reserve, mode
			w.restart().read()
			w.until("16:50").want()
			if len(w.d.Yielded) != 0 || !w.s.Persisted.Battery.Doubt.Polled.IsZero() {
				t.Errorf("taken for a person: %v, in doubt %v", w.d.Yielded, w.s.Persisted.Battery.Doubt)
			}
		})
	}
}

package emulator

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"powermgr/devices"
)

var pacific = func() *time.Location {
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return l
}()

// With random houses, days, commands and outages, no energy appears or is lost in any
// step.
func TestEnergyIsConserved(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := time.Date(2026, time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, pacific)
		capacity := 5_000 + r.Float64()*30_000
		c := New(Options{Now: func() time.Time { return now }, Location: pacific, Seed: seed, House: HouseOptions{
			CapacityWh: capacity, PowerW: 2_000 + r.Float64()*9_000, ChargePercent: new(r.Float64() * 100),
			SolarPeakW: r.Float64() * 12_000, BaseLoadW: 200 + r.Float64()*4_000,
		}})
		start := c.Truth()
		for range 300 {
			now = now.Add(time.Duration(1+r.IntN(600)) * time.Second)
			c.Person(func(h *House) {
				switch r.IntN(14) {
				case 0:
					h.Reserve = r.IntN(101)
				case 1:
					h.Mode = devices.Modes()[r.IntN(3)]
				case 2:
					h.GridCharging = !h.GridCharging
				case 3:
					h.ExportRule = devices.ExportRules()[r.IntN(3)]
				case 4:
					h.StormActive = !h.StormActive
				case 5:
					h.OffGrid = !h.OffGrid
				case 7:
					h.SetReserve(r.IntN(101))
				case 6:
					h.Thermostats[0].Submit(now, Setting{Cool: new(60 + r.Float64()*30), Hold: new(devices.HoldPermanent)}, 0)
				}
			})
			x := c.Truth()
			b := x.Books
			if d := b.Solar + b.Import - b.Export + b.BatteryOut - b.BatteryIn - b.Home; math.Abs(d) > 1e-6*max(1, b.Home) {
				t.Fatalf("seed %d: %g Wh appeared at the meter by %v", seed, d, now)
			}
			if d := b.BatteryIn - b.BatteryOut - b.Loss - (x.StoredWh - start.StoredWh); math.Abs(d) > 1e-6*max(1, b.BatteryIn) {
				t.Fatalf("seed %d: %g Wh appeared in the battery", seed, d)
			}
			if d := x.SolarW + x.BatteryW + x.GridW - x.HomeW; math.Abs(d) > 1e-6*max(1, x.HomeW) {
				t.Fatalf("seed %d: powers are off by %g W", seed, d)
			}
			if d := b.Base + b.HVAC - b.Home; math.Abs(d) > 1e-6*max(1, b.Home) {
				t.Fatalf("seed %d: base and HVAC are %g Wh off the home", seed, d)
			}
			if b.PeakImport < 0 || b.PeakImport > b.Import*(1+1e-9) || b.Unserved < -1e-6 {
				t.Fatalf("seed %d: impossible books: %+v", seed, b)
			}
			if x.StoredWh < 0 || x.StoredWh > capacity+1e-6 || b.Loss < -1e-9 || x.SolarW < -1e-9 {
				t.Fatalf("seed %d: impossible: %+v", seed, x)
			}
			for _, th := range x.Thermostats {
				if th.Temperature < -20 || th.Temperature > 150 || math.IsNaN(th.Temperature) {
					t.Fatalf("seed %d: %g °F inside", seed, th.Temperature)
				}
			}
		}
		b := c.Truth().Books
		if most := b.BatteryIn*oneWay - b.BatteryOut/oneWay; math.Abs(most-(c.Truth().StoredWh-start.StoredWh)) > 1e-3 {
			t.Errorf("seed %d: the efficiency is not the configured one: %g", seed, most)
		}
	}
}

// A peak is the result of a strategy for 16:00–19:00 on the standard hot day. The battery
// is full when it starts.
type peak struct {
	importKWh float64
	latched   int // thresholds
	warmest   float64
}

// hotPeak simulates the day; setback is added to the set points for each threshold that
// latches.
func hotPeak(t *testing.T, reserve int, setback float64) peak {
	t.Helper()
	now := time.Date(2026, 7, 15, 0, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }, House: HouseOptions{ChargePercent: new(100.0), Reserve: new(100)}})
	now = time.Date(2026, 7, 15, 16, 0, 0, 0, pacific)
	if full := c.Truth(); full.ChargePercent != 100 || full.Books.PeakImport != 0 {
		t.Fatalf("at 16:00 it has %g %% and has imported %g Wh in the peak", full.ChargePercent, full.Books.PeakImport)
	}
	end := now.Add(3 * time.Hour)
	left := []struct {
		minutes, percent float64
	}{{120, 75}, {60, 50}, {30, 25}}
	got, latched := peak{}, map[int]bool{}
	var base []float64
	c.Person(func(h *House) {
		h.SetReserve(reserve)
		for _, th := range h.Thermostats {
			base = append(base, th.Cool)
		}
	})
	for ; now.Before(end); now = now.Add(time.Minute) {
		x := c.Truth()
		for _, th := range x.Thermostats {
			got.warmest = max(got.warmest, th.Temperature)
		}
		for i, l := range left {
			if !latched[i] && end.Sub(now).Minutes() >= l.minutes && x.ChargePercent <= l.percent {
				latched[i] = true
			}
		}
		c.Person(func(h *House) {
			for i, th := range h.Thermostats {
				if cool := min(base[i]+setback*float64(len(latched)), 82); cool > th.Cool {
					th.Submit(now, Setting{Cool: &cool, Hold: new(devices.HoldUntil), HoldUntil: &end}, 0)
				}
			}
		})
	}
	got.importKWh, got.latched = c.Truth().Books.PeakImport/1000, len(latched)
	return got
}

func TestTheHotDayIsHardButNotHopeless(t *testing.T) {
	held, both, plain, saver := hotPeak(t, 100, 0), hotPeak(t, 0, 2), hotPeak(t, 20, 0), hotPeak(t, 20, 2)
	t.Logf("reserve 100 %+v, 0 with setbacks %+v, 20 without %+v, 20 with %+v", held, both, plain, saver)
	if held.importKWh < 10 || held.importKWh > 20 {
		t.Errorf("without the battery the peak imports %.1f kWh", held.importKWh)
	}
	if both.importKWh > 0.15*held.importKWh {
		t.Errorf("with the battery and setbacks the peak imports %.2f of %.2f kWh", both.importKWh, held.importKWh)
	}
	if both.latched < 1 || both.latched > 3 {
		t.Errorf("%d thresholds latch", both.latched)
	}
	if plain.importKWh < 2*both.importKWh || plain.importKWh < both.importKWh+1 {
		t.Errorf("reserve 20 without setbacks imports %.2f kWh, with both %.2f", plain.importKWh, both.importKWh)
	}
	if both.warmest > 84 {
		t.Errorf("it gets %.1f °F inside", both.warmest)
	}
}

func TestAReserveAboveTheChargeChargesSlowlyFromTheGrid(t *testing.T) {
	now := time.Date(2026, 7, 15, 1, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }, Location: pacific, House: HouseOptions{ChargePercent: new(20.0), Reserve: new(100)}})
	c.Truth()
	now = now.Add(10 * time.Minute)
	if w := c.Truth().BatteryW; w != -slowCharge {
		t.Errorf("it charges with %g W", w)
	}
	c.Person(func(h *House) { h.Mode = devices.Backup })
	now = now.Add(10 * time.Minute)
	if w := c.Truth().BatteryW; w != -backupCharge {
		t.Errorf("in backup it charges with %g W", w)
	}
	c.Person(func(h *House) { h.Mode, h.GridCharging = devices.SelfConsumption, false })
	now = now.Add(10 * time.Minute)
	if w := c.Truth().BatteryW; w != 0 {
		t.Errorf("without permission to charge from the grid it moves %g W", w)
	}
}

func TestThermostatHoldsAndQueue(t *testing.T) {
	day := func(clock string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15:04", "2026-07-15 "+clock, pacific)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	hold := func(h devices.Hold) *devices.Hold { return &h }
	for _, c := range []struct {
		name   string
		submit func(th *Thermostat)
		want   map[string]string // at a time of day: cool set point and hold
	}{
		{"the schedule moves the set points", func(*Thermostat) {}, map[string]string{"07:00": "76 schedule", "12:00": "77 schedule", "23:00": "77 schedule"}},
		{"until a time", func(th *Thermostat) {
			th.Submit(day("10:00"), Setting{Cool: new(80.0), Hold: hold(devices.HoldUntil), HoldUntil: new(day("13:00"))}, 0)
		}, map[string]string{"12:59": "80 until", "13:00": "77 schedule"}},
		{"until a time that has passed is tomorrow's", func(th *Thermostat) {
			th.Submit(day("10:00"), Setting{Cool: new(80.0), Hold: hold(devices.HoldUntil), HoldUntil: new(day("09:59"))}, 0)
		}, map[string]string{"23:00": "80 until"}},
		{"temporary until the next period", func(th *Thermostat) {
			th.Submit(day("10:00"), Setting{Cool: new(80.0), Hold: hold(devices.HoldTemporary)}, 0)
		}, map[string]string{"14:59": "80 temporary", "15:00": "76 schedule"}},
		{"permanent", func(th *Thermostat) {
			th.Submit(day("10:00"), Setting{Cool: new(80.0), Hold: hold(devices.HoldPermanent)}, 0)
		}, map[string]string{"23:59": "80 permanent"}},
		{"it lands later, and in order", func(th *Thermostat) {
			th.Submit(day("10:00"), Setting{Cool: new(80.0), Hold: hold(devices.HoldPermanent)}, 10*time.Minute)
			th.Submit(day("10:01"), Setting{Cool: new(70.0), Hold: hold(devices.HoldPermanent)}, time.Minute)
		}, map[string]string{"10:09": "77 schedule", "10:10": "70 permanent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for clock, want := range c.want {
				th := DefaultThermostats()[0]
				th.Location = pacific
				th.Live(day("05:00"))
				c.submit(th)
				th.Live(day(clock))
				if got := fmt.Sprintf("%g %s", th.Cool, th.Hold); got != want {
					t.Errorf("at %s: %s, want %s", clock, got, want)
				}
			}
		})
	}
}

func TestTheClockMayJump(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }, Location: pacific})
	before := c.Truth().Books
	now = now.Add(-time.Hour)
	if after := c.Truth().Books; after != before {
		t.Error("a clock that was set back changed the books")
	}
	now = now.Add(400 * 24 * time.Hour)
	if x := c.Truth(); !x.At.Equal(now) {
		t.Errorf("after a year it is %v", x.At)
	}
}

func TestMeasuredHoursDriveTheHouse(t *testing.T) {
	start := time.Date(2016, 8, 1, 0, 0, 0, 0, pacific)
	hours := make([]Hour, 48)
	for i := range hours {
		hours[i] = Hour{Start: start.Add(time.Duration(i) * time.Hour), LoadWh: 1_000, SolarWh: 500, OutdoorC: 20}
	}
	now := start
	c := New(Options{Now: func() time.Time { return now }, Location: pacific, House: HouseOptions{Hours: hours}})
	now = now.Add(24 * time.Hour)
	b := c.Truth().Books
	if math.Abs(b.Solar-12_000) > 1 || math.Abs(b.Home-b.HVAC-24_000) > 1 {
		t.Errorf("%+v", b)
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add([]byte(`{"endpoint":"tesla.backup","class":"status","status":503,"count":2}`))
	f.Add([]byte(`[{"endpoint":"*","class":"missing","fields":["response"]}]`))
	f.Add([]byte(`[{"endpoint":"","class":"x"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		faults, err := ParseFaults(b)
		if err != nil {
			return
		}
		if _, err := json.Marshal(faults); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkHouseDay(b *testing.B) {
	now := time.Date(2026, 7, 15, 0, 0, 0, 0, pacific)
	c := New(Options{Now: func() time.Time { return now }, Location: pacific})
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(24 * time.Hour)
		c.Truth()
	}
}

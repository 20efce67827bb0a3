package planner

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"powermgr/control/forecast"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/devices"
)

// 2026-07-15 is a Wednesday.
var noon = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)

// home is a home that uses half a kilowatt, and two and a half from 16:00 to
// 21:00, with a roof that gives up to sun kilowatts.
func home(until time.Time, days int, sun float64) (past []forecast.Sample) {
	for at := until.AddDate(0, 0, -days); at.Before(until); at = at.Add(15 * time.Minute) {
		load, roof := loadAt(at)/4, max(0, sun*math.Sin(float64(at.Hour()-6)/12*math.Pi))/4
		past = append(past, forecast.Sample{Start: at, Length: 15 * time.Minute, LoadKWh: &load, SunKWh: &roof})
	}
	return past
}

func loadAt(at time.Time) float64 {
	if h := at.Hour(); h >= 16 && h < 21 {
		return 2.5
	}
	return 0.5
}

// settings have a peak from 16:00 to 21:00.
func settings() Settings {
	return Settings{
		Zone: time.UTC, Free: func(time.Time) bool { return false }, Source: FromConfig, Currency: "$",
		Prices: &tariff.Table{Zone: time.UTC, Rates: []tariff.Rate{
			{Name: "peak", Import: 0.5, Span: rules.Span{Start: 16 * 60, End: 21 * 60}, Peak: true}, {Name: "other", Import: 0.2},
		}},
		CapacityKWh: 13.5, PowerKW: 5, OneWay: 0.95, Rule: plan.Fixed{Peak: 0, OffPeak: 100}, Alone: 20, Options: plan.DefaultOptions(),
	}
}

// reading is what the Powerwall says at a time.
func reading(at time.Time, charge float64, reserve int) devices.PowerwallReading {
	return devices.PowerwallReading{
		ChargePercent: new(devices.Percent(charge)), ReservePercent: &reserve, PolledAt: at, HomePower: new(devices.Watts(loadAt(at) * 1000)),
		SolarPower: new(devices.Watts(0)), Mode: new(devices.SelfConsumption),
	}
}

func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		name        string
		sun, charge float64
		with        func(*Engine)
		least, most int // the reserve
		why         string
	}{
		{"without sun it fills before the peak", 0, 40, nil, 85, 100, "fill to"},
		{"what the sun brings is not bought", 5, 60, nil, 0, 70, "the sun leaves over"},
		{"a site that may not fill from the grid holds", 0, 60, func(d *Engine) { d.last.GridCharging = new(false) }, 55, 100, "kWh"},
		{"never below the least reserve", 5, 90, func(d *Engine) { d.Options.MinReserve = 30 }, 30, 100, ""},
		{"never below the reserve in a peak, changed by hand", 5, 90, func(d *Engine) { d.SetRule(plan.Fixed{Peak: 30, OffPeak: 100}) }, 30, 100, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewEngine(settings(), home(noon, 14, tt.sun))
			d.ReadPowerwall(reading(noon, tt.charge, 100), noon)
			if tt.with != nil {
				tt.with(d)
			}
			p, ok := d.Step(noon)
			if !ok || p.Reserve == nil {
				t.Fatalf("there is no plan: %s", p.Reason)
			}
			if *p.Reserve < tt.least || *p.Reserve > tt.most || !strings.Contains(p.Reason, tt.why) {
				t.Errorf("%d %%: %s; want %d to %d and %q", *p.Reserve, p.Reason, tt.least, tt.most, tt.why)
			}
			for _, s := range p.Slots {
				if s.Expensive && s.Reserve > d.PlanOptions().MinReserve || s.Reason == "" || s.Charge < 0 || s.Charge > 100.5 {
					t.Errorf("slot %+v", s)
				}
			}
			if e := p.Expected; e.Plan.Bill > e.Rule.Bill+0.02 || e.Plan.Bill > e.Nothing.Bill+0.02 && d.PlanOptions().MinReserve <= d.Alone {
				t.Errorf("it expects to cost %+v", *e)
			}
		})
	}
}

// A cloudy day that is forecast is filled for; one that is forecast no more is not.
func TestTheSunThatIsForecast(t *testing.T) {
	morning := noon.Add(-4 * time.Hour)
	sky := func(ahead float64, asOf time.Time) devices.Forecast {
		f := devices.Forecast{Source: "open-meteo", AsOf: asOf, Radiation: &devices.Radiation{Start: morning.AddDate(0, 0, -10)}}
		for at := f.Radiation.Start; at.Before(morning.AddDate(0, 0, 2)); at = at.Add(time.Hour) {
			wm2 := 180 * max(0, 5*math.Sin(float64(at.Hour()-6)/12*math.Pi))
			if !at.Before(morning) {
				wm2 *= ahead
			}
			f.Radiation.WM2 = append(f.Radiation.WM2, &wm2)
		}
		return f
	}
	plans := map[string]plan.Plan{}
	for name, f := range map[string]devices.Forecast{
		"nothing": {}, "clear": sky(1, morning), "clouds": sky(0.1, morning), "old": sky(0.1, morning.Add(-13*time.Hour)),
	} {
		d := NewEngine(settings(), cloudy(morning, 5))
		d.ReadPowerwall(reading(morning, 30, 20), morning)
		d.SetForecast(f)
		plans[name], _ = d.Step(morning)
	}
	sun := func(name string) (kWh float64) {
		for _, s := range plans[name].Slots[:24] {
			kWh += s.Sun
		}
		return kWh
	}
	if clear, clouds := sun("clear"), sun("clouds"); clouds > 0.6*clear || plans["clouds"].Inputs.Weather != "open-meteo" {
		t.Errorf("%.1f kWh with clouds and %.1f kWh without; %+v", clouds, clear, plans["clouds"].Inputs)
	}
	if old, nothing := sun("old"), sun("nothing"); old != nothing || plans["old"].Inputs.Weather != "" || plans["nothing"].Inputs.Weather != "" {
		t.Errorf("an old forecast: %.1f kWh, none: %.1f kWh", old, nothing)
	}
}

// cloudy is a home with every third day cloudy.
func cloudy(until time.Time, sun float64) []forecast.Sample {
	past := home(until, 14, sun)
	for i := range past {
		if past[i].Start.YearDay()%3 == 0 {
			*past[i].SunKWh *= 0.2
		}
	}
	return past
}

func TestWhatMakesNoPlan(t *testing.T) {
	later := noon.Add(2 * time.Hour)
	for _, tt := range []struct {
		name   string
		engine func() *Engine
		want   string
	}{
		{"no reading", func() *Engine { return NewEngine(settings(), home(noon, 14, 3)) }, "the Powerwall has not been read yet"},
		{"six days of history", func() *Engine {
			d := NewEngine(settings(), home(noon.Add(-12*time.Hour), 6, 3))
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "6 days of history are known, and a plan takes 7"},
		{"no history", func() *Engine {
			d := NewEngine(settings(), nil)
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "0 days of history"},
		{"stale readings", func() *Engine {
			d := NewEngine(settings(), home(noon, 14, 3))
			d.ReadPowerwall(reading(noon.Add(-staleAfter-time.Minute), 50, 100), noon)
			return d
		}, "the last figures of the Powerwall are of 09:44"},
		{"no charge", func() *Engine {
			d := NewEngine(settings(), home(noon, 14, 3))
			r := reading(noon, 50, 100)
			r.ChargePercent = nil
			d.ReadPowerwall(r, noon)
			return d
		}, "does not say its charge"},
		{"another mode", func() *Engine {
			d := NewEngine(settings(), home(noon, 14, 3))
			r := reading(noon, 50, 100)
			r.Mode = new(devices.Backup)
			d.ReadPowerwall(r, noon)
			return d
		}, "backup mode"},
		{"no prices", func() *Engine {
			s := settings()
			s.Prices = nil
			d := NewEngine(s, home(noon, 14, 3))
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "nothing says what energy costs"},
		{"no tariff in Tesla's app", func() *Engine {
			s := settings()
			s.Source = FromTesla
			d := NewEngine(s, home(noon, 14, 3))
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "has not been read yet"},
		{"no prices by MQTT", func() *Engine {
			s := settings()
			s.Source = FromMQTT
			d := NewEngine(s, home(noon, 14, 3))
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "no prices have been sent"},
		{"prices that are over", func() *Engine {
			s := settings()
			s.Source = FromMQTT
			d := NewEngine(s, home(noon, 14, 3))
			d.SetQuotes(tariff.Quotes{{Start: noon.Add(-2 * time.Hour), End: noon.Add(-time.Hour), Import: 0.3}})
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "ended at Wed 11:00"},
		{"prices that are soon over", func() *Engine {
			s := settings()
			s.Source = FromMQTT
			d := NewEngine(s, home(noon, 14, 3))
			d.SetQuotes(tariff.Quotes{{Start: noon, End: later, Import: 0.3}})
			d.ReadPowerwall(reading(noon, 50, 100), noon)
			return d
		}, "known for 2 hours only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, ok := tt.engine().Step(noon)
			if !ok || p.Reserve != nil || !strings.Contains(p.Reason, tt.want) {
				t.Errorf("%v %v: %q, want %q", ok, p.Reserve, p.Reason, tt.want)
			}
		})
	}
}

func TestWhenItPlansAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		does  func(d *Engine, now time.Time)
		want  bool // a new plan
	}{
		{"nothing happens", 20 * time.Minute, func(*Engine, time.Time) {}, false},
		{"the rule's reserves are what they were", 20 * time.Minute, func(d *Engine, _ time.Time) { d.SetRule(d.Rule) }, false},
		{"the rule's reserves are changed by hand", 20 * time.Minute, func(d *Engine, _ time.Time) { d.SetRule(plan.Fixed{Peak: 20, OffPeak: 70}) }, true},
		{"half an hour is over", 30 * time.Minute, func(*Engine, time.Time) {}, true},
		{"a person speaks", time.Minute, func(d *Engine, _ time.Time) { d.PlanAgain() }, true},
		{"prices change", time.Minute, func(d *Engine, _ time.Time) { d.SetTariff(d.table, "") }, true},
		{"a charge on its course", 10 * time.Minute, func(d *Engine, now time.Time) { d.ReadPowerwall(reading(now, 61, 100), now) }, false},
		{"a charge off its course", 10 * time.Minute, func(d *Engine, now time.Time) { d.ReadPowerwall(reading(now, 50, 100), now) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewEngine(settings(), home(noon, 14, 3))
			d.ReadPowerwall(reading(noon, 60, 60), noon)
			first, _ := d.Step(noon)
			now := noon.Add(tt.after)
			tt.does(d, now)
			next, _ := d.Step(now)
			if got := next.Made.After(first.Made); got != tt.want {
				t.Errorf("a new plan: %v, want %v", got, tt.want)
			}
		})
	}
}

// Between plans the reserve follows what the home draws.
func TestItIsAskedAgainBetweenPlans(t *testing.T) {
	d := NewEngine(settings(), home(noon, 14, 0))
	d.ReadPowerwall(reading(noon, 60, 60), noon)
	first, _ := d.Step(noon)
	if at := d.Next(); !at.Equal(noon.Add(decideEvery)) {
		t.Errorf("it is due at %s", at)
	}
	made := d.published.Made
	now := noon.Add(5 * time.Minute)
	r := reading(now, 60, *first.Reserve)
	r.HomePower = new(devices.Watts(0)) // and the sun is out, which nobody expected
	r.SolarPower = new(devices.Watts(6000))
	d.ReadPowerwall(r, now)
	if _, _ = d.Step(now); !d.decidedAt.Equal(now) || !d.published.Made.Equal(made) {
		t.Errorf("asked at %s, planned at %s", d.decidedAt, d.published.Made)
	}
	q := d.question(now)
	want, _ := d.values.Ask(q)
	if *d.published.Reserve != want || *q.NetKWh != -3 {
		t.Errorf("it wants %d %% for %+v, and publishes %d", want, q, *d.published.Reserve)
	}
}

func TestItLearnsTheBattery(t *testing.T) {
	d := NewEngine(settings(), nil)
	for n := range 30 {
		r := reading(noon.Add(time.Duration(n)*time.Minute), 50, 100)
		r.StoredEnergy, r.BatteryPower, r.GridPower = new(devices.WattHours(13000)), new(devices.Watts(-3300)), new(devices.Watts(3800))
		d.ReadPowerwall(r, r.PolledAt)
	}
	if m := d.model(); math.Abs(m.CapacityKWh-26) > 0.01 || math.Abs(m.GridChargeKW-3.3) > 0.05 {
		t.Errorf("it has learned %+v", m)
	}
}

// What was measured before a start and since is the same past.
func TestReadingsTeachTheForecast(t *testing.T) {
	d := NewEngine(settings(), home(noon.Add(-12*time.Hour), 6, 3))
	for at := noon.Add(-12 * time.Hour); at.Before(noon.Add(12 * time.Hour)); at = at.Add(10 * time.Minute) {
		d.ReadPowerwall(reading(at, 50, 100), at)
	}
	if got := d.past.Days(); got != 7 {
		t.Errorf("%d days are known", got)
	}
}

func TestTheSameInputsGiveTheSamePlan(t *testing.T) {
	one := func() plan.Plan {
		d := NewEngine(settings(), home(noon, 14, 3))
		d.ReadPowerwall(reading(noon, 60, 60), noon)
		p, _ := d.Step(noon)
		return p
	}
	a, b := one(), one()
	if !reflect.DeepEqual(a, b) {
		t.Error("two plans of the same differ")
	}
	text, err := json.Marshal(a)
	if err != nil || len(text) > 32<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// A plan with its courses, its outline and its reasons.
func BenchmarkPlan(b *testing.B) {
	d := NewEngine(settings(), home(noon, 90, 3))
	d.ReadPowerwall(reading(noon, 60, 60), noon)
	b.ReportAllocs()
	for range b.N {
		if d.plan(noon).Reserve == nil {
			b.Fatal("there is no plan")
		}
	}
}

// With few calls left in a month a Powerwall is read every two hours outside peaks: its
// figures make a plan until the next come.
func TestAsSeldomAsAPowerwallIsReadThereIsAPlan(t *testing.T) {
	d := NewEngine(settings(), home(noon, 14, 3))
	d.ReadPowerwall(reading(noon.Add(-devices.SlowestFigures-time.Minute), 50, 100), noon)
	if p, ok := d.Step(noon); !ok || p.Reserve == nil {
		t.Errorf("there is no plan: %q", p.Reason)
	}
}

// A node that takes over decides by the reading that the broker has, and its first own one
// comes a moment later: what was just decided is not taken back since that shows another
// reserve.
func TestWhatWasJustDecidedIsNotTakenBack(t *testing.T) {
	for charge := 5.0; charge <= 95; charge += 15 {
		for shown := 0; shown <= 100; shown += 10 {
			d := NewEngine(settings(), home(noon, 14, 3))
			d.ReadPowerwall(reading(noon, charge, 0), noon)
			first, _ := d.Step(noon)
			d.ReadPowerwall(reading(noon.Add(time.Second), charge, shown), noon.Add(time.Second))
			d.PlanAgain()
			again, _ := d.Step(noon.Add(time.Second))
			if first.Reserve == nil || again.Reserve == nil || *first.Reserve != *again.Reserve {
				t.Errorf("at %.0f %%, %d %% shown: %s, a second later %s", charge, shown, first.Reason, again.Reason)
			}
		}
	}
}

package demo

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/forecast"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

var houses = flag.String("houses", "", "a folder with houses of powermgr demo --house, to simulate two hot weeks and two cold ones in each")

// An outcome is the result of some days.
type outcome struct {
	peak, bill float64 // kWh from the grid in peaks, and $, less what the battery holds more than at first
	outside    float64 // °F hours outside the band of set points and half a degree around it
	away       float64 // °F hours in peaks away from what the schedules ask for
	writes     int     // to the battery
	setbacks   int     // and to thermostats, for setback or precooling
	idle       map[string]int
}

func (a outcome) and(b outcome) outcome {
	return outcome{peak: a.peak + b.peak, bill: a.bill + b.bill, outside: a.outside + b.outside, away: a.away + b.away, writes: a.writes + b.writes, setbacks: a.setbacks + b.setbacks}
}

// A stay simulates a house that only the rules control, without broker and clouds: devices
// do at once what the rules ask for, and each is read every five minutes.
type stay struct {
	t        *testing.T
	house    House
	now      time.Time
	zone     *time.Location
	cloud    *emulator.Cloud
	settings rules.Settings
	state    rules.State
	engine   *planner.Engine
	out      outcome
}

// newStay begins a stay in a house with as much history as the demo's.
func newStay(t *testing.T, h House, c config.Config, start time.Time, thermostats bool) *stay {
	s := &stay{t: t, house: h, now: start, zone: start.Location(), settings: c.Rules()}
	s.out.idle = map[string]int{}
	s.cloud = emulator.New(emulator.Options{Now: func() time.Time { return s.now }, Location: s.zone, House: h.Options(), Weather: h.Sky(s.zone)})
	s.state = rules.State{Settings: s.settings}
	p := c.Planning()
	if !thermostats {
		p.Band.Thermostats = nil
	}
	before, rooms := past(start, s.zone, h)
	var samples []forecast.Sample
	for _, q := range before.Slots {
		samples = append(samples, forecast.Sample{Start: q.Start, Length: quarter, LoadKWh: q.LoadKWh, SunKWh: q.SunKWh})
	}
	s.engine = planner.NewEngine(p, samples)
	for _, l := range rooms {
		s.engine.AddHistory(l)
	}
	return s
}

// days simulates a number of days.
func (s *stay) days(n int) outcome {
	first := s.cloud.Truth()
	for end := s.now.AddDate(0, 0, n); s.now.Before(end); {
		if s.now.Minute() == 0 && s.now.Hour()%3 == 0 {
			s.foretell()
		}
		s.read()
		if p, ok := s.engine.Step(s.now); ok {
			ev := rules.Planned{Reserve: p.Reserve, Made: p.Made, Why: p.Reason}
			if c := p.Thermostats; c != nil && c.Planned {
				ev.Comfort = &rules.Comfort{Peak: c.PeakStart, Lead: time.Duration(c.LeadMinutes) * time.Minute, PrecoolF: c.PrecoolF, SetbackF: c.SetbackF, Why: c.Reason}
			} else if c != nil {
				ev.NoComfort = c.Reason
				s.out.idle[c.Reason]++
			}
			s.step(ev)
		}
		s.step(rules.Tick{})
		s.now = s.now.Add(look)
		s.judge()
	}
	last := s.cloud.Truth()
	books := func(of func(emulator.Books) float64) float64 { return (of(last.Books) - of(first.Books)) / 1000 }
	s.out.peak = books(func(b emulator.Books) float64 { return b.PeakImport })
	bought, sold := books(func(b emulator.Books) float64 { return b.Import }), books(func(b emulator.Books) float64 { return b.Export })
	s.out.bill = 0.58*s.out.peak + 0.31*(bought-s.out.peak) - 0.05*sold - 0.31*(last.StoredWh-first.StoredWh)/1000
	return s.out
}

// foretell sets the weather forecast: right about the temperature, and off by a quarter
// about the sun.
func (s *stay) foretell() {
	sky := s.house.Sky(s.zone)
	today := time.Date(s.now.Year(), s.now.Month(), s.now.Day(), 0, 0, 0, 0, s.zone)
	f := devices.Forecast{Source: "open-meteo", AsOf: s.now, Day: today.Format(time.DateOnly), Radiation: &devices.Radiation{Start: today.AddDate(0, 0, -10)}}
	high := math.Inf(-1)
	for at := f.Radiation.Start; at.Before(today.AddDate(0, 0, 3)); at = at.Add(time.Hour) {
		c := sky(at.Add(30 * time.Minute))
		wm2, degF := 1000*c.Sun, devices.Celsius.To(devices.Fahrenheit, sky(at).OutdoorC)
		if !at.Before(today) {
			if off := []float64{0.75, 1.25, 0.9, 1.1}[at.YearDay()%4]; at.After(s.now) {
				wm2 *= off
			}
			f.Hourly = append(f.Hourly, devices.HourlyDegF{At: at, DegF: degF})
		}
		if at.In(s.zone).Format(time.DateOnly) == f.Day {
			high = max(high, degF)
		}
		f.Radiation.WM2 = append(f.Radiation.WM2, &wm2)
	}
	f.HighF = &high
	s.engine.SetForecast(f)
	s.step(rules.Forecast{HighF: &high, Day: f.Day, Service: true})
}

// read reads everything.
func (s *stay) read() {
	truth := s.cloud.Truth()
	watts := func(w float64) *devices.Watts { return new(devices.Watts(w)) }
	s.engine.ReadPowerwall(devices.PowerwallReading{
		PolledAt: s.now, ChargePercent: new(devices.Percent(truth.ChargePercent)), ReservePercent: &truth.Reserve,
		StoredEnergy: nil, HomePower: watts(truth.HomeW), SolarPower: watts(truth.SolarW), GridPower: watts(truth.GridW), BatteryPower: watts(truth.BatteryW),
		Mode: &truth.Mode, GridCharging: &truth.GridCharging,
	}, s.now)
	s.step(rules.BatteryRead{Battery: rules.Battery{
		Charge: &truth.ChargePercent, Reserve: &truth.Reserve, Mode: string(truth.Mode), GridW: &truth.GridW, PowerW: &truth.BatteryW, AsOf: s.now, Polled: s.now,
	}})
	for _, th := range truth.Thermostats {
		out := th.Unit.To(devices.Fahrenheit, th.Temperature)
		outdoor := devices.Celsius.To(th.Unit, truth.OutdoorC)
		s.engine.ReadThermostat(devices.ThermostatReading{
			VendorID: th.VendorID(), Name: th.Name, Mode: &th.Mode, Action: &th.Action, Temperature: &th.Temperature, CoolSetpoint: &th.Cool, HeatSetpoint: &th.Heat,
			Hold: &th.Hold, Unit: th.Unit, OutdoorTemperature: &outdoor, PolledAt: s.now, Alive: true,
		}, s.now)
		s.step(rules.ThermostatRead{ID: devices.TopicID(th.VendorID()), Thermostat: rules.Thermostat{
			Name: th.Name, Mode: th.Mode, Setting: devices.Setting{Cool: &th.Cool, Heat: &th.Heat, Hold: th.Hold, Until: th.HoldUntil}, Temperature: &out,
			Step: 1, Deadband: 3, Alive: true, Holds: []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent}, AsOf: s.now, Polled: s.now,
		}})
	}
}

// step passes an event to the rules, and does what they ask for.
func (s *stay) step(ev rules.Event) {
	next, d := rules.Step(s.state, ev, s.now)
	s.state = next
	for _, w := range d.Writes {
		s.cloud.Person(func(h *emulator.House) {
			if w.Reserve != nil {
				s.out.writes++
				h.SetReserve(*w.Reserve)
				return
			}
			if w.Goal != rules.Restore {
				s.out.setbacks++
			}
			for _, t := range h.Thermostats {
				if devices.TopicID(fmt.Sprint(t.TCCID)) != w.Target {
					continue
				}
				set := emulator.Setting{Cool: w.Setting.Cool, Heat: w.Setting.Heat, Hold: &w.Setting.Hold}
				if w.Setting.Hold == devices.HoldUntil {
					set.HoldUntil = &w.Setting.Until
				}
				t.Touch(s.now, set)
			}
		})
	}
}

// judge records how comfortable the last five minutes were for people.
func (s *stay) judge() {
	truth := s.cloud.Truth()
	phase, _ := s.settings.Calendar.At(s.now)
	for i, th := range truth.Thermostats {
		out := math.Max(th.Temperature-s.settings.MaxCoolF-0.5, s.settings.MinHeatF-0.5-th.Temperature)
		s.out.outside += max(0, out) * look.Hours()
		if phase == rules.InPeak {
			own := emulator.DefaultThermostats()[i]
			own.Location = s.zone
			p := own.Period(s.now)
			s.out.away += max(0, th.Temperature-p.Cool-0.5, p.Heat-0.5-th.Temperature) * look.Hours()
		}
	}
}

// TestHouses simulates two hot weeks and two cold ones in emulated houses. The plan for the
// thermostats is judged by the table that it prints.
func TestHouses(t *testing.T) {
	if *houses == "" {
		t.Skip("no houses: give -houses, such as deploy/houses")
	}
	files, err := filepath.Glob(filepath.Join(*houses, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: no house in %s", err, *houses)
	}
	home, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	policies := []struct {
		name        string
		strategy    rules.Strategy
		thermostats bool // the plan is for them, too
	}{{"rule", rules.StrategyRule, false}, {"plan, battery alone", rules.StrategyPlan, false}, {"plan", rules.StrategyPlan, true}}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "house\t\tpolicy\tpeak kWh\tbill\t°F h outside the band\t°F h away in peaks\tbattery writes\tset points\t")
	sums := map[string]outcome{}
	for _, file := range files {
		h, err := ReadHouse(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, start := range []time.Time{time.Date(2026, 7, 13, 0, 0, 0, 0, home), time.Date(2026, 1, 12, 0, 0, 0, 0, home)} {
			season := map[bool]string{true: "hot", false: "cold"}[start.Month() == time.July]
			for _, p := range policies {
				c, err := configuration(t.TempDir(), "127.0.0.1:1", Options{Listen: "127.0.0.1:1883", Strategy: p.strategy, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				l := newStay(t, h, c, start, p.thermostats).days(14)
				sums[p.name] = sums[p.name].and(l)
				row(w, strings.TrimSuffix(filepath.Base(file), ".yaml"), season, p.name, l)
				for why, n := range l.idle {
					t.Logf("%s, %s: %d times %s", file, season, n, why)
				}
			}
		}
	}
	for _, p := range policies {
		row(w, "all", "", p.name, sums[p.name])
	}
	_ = w.Flush()
	t.Logf("\n%s", out.String())
	rule, plan := sums["rule"], sums["plan"]
	if plan.peak > rule.peak/2 || plan.bill >= rule.bill || plan.outside > rule.outside+0.05 {
		t.Errorf("the plan: %+v; the rule: %+v", plan, rule)
	}
}

func row(w *tabwriter.Writer, house, season, policy string, l outcome) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%.2f\t%.1f\t%.1f\t%d\t%d\t\n", house, season, policy, l.peak, l.bill, l.outside, l.away, l.writes, l.setbacks)
}

package simulation

// Days on which the reserve follows a plan.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/forecast"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/control/thermal"
	"powermgr/devices"
)

// planned is what a day with a plan has in addition.
type planned struct {
	HistoryDays int  `yaml:"history_days"`    // fewer than seven make no plan
	Wrong       bool `yaml:"wrong"`           // the history is that of another home
	MQTT        bool `yaml:"mqtt"`            // prices come by MQTT, and may run out
	Rooms       bool `yaml:"rooms,omitempty"` // the zones of the thermostats are known: the plan is for them too
}

// plan draws whether a day follows a plan. It uses a separate random stream, so that
// everything else that a seed draws stays the same.
func (w *drawing) plan(seed uint64) {
	r := rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15, 0x706c616e)) // seeds that follow each other begin much alike
	if !chance(r, 0.5) {
		return
	}
	w.Plan = &planned{HistoryDays: pick(r, 30, 30, 14, 8, 5, 0), Wrong: chance(r, 0.2), MQTT: chance(r, 0.3)}
	if w.Plan.MQTT {
		for at := w.Begins.Add(time.Duration(1+r.IntN(60)) * time.Minute); at.Before(w.Ends); at = at.Add(time.Duration(30+r.IntN(240)) * time.Minute) {
			w.add(at, prices{Hours: pick(r, 48, 24, 8, 2)})
		}
	}
	if chance(r, 0.3) {
		at := w.Begins.Add(time.Duration(r.Float64() * float64(w.Ends.Sub(w.Begins))))
		w.add(at, strategy{rules.StrategyRule})
		w.add(at.Add(time.Duration(5+r.IntN(60))*time.Minute), strategy{rules.StrategyPlan})
	}
	w.add(w.Ends.Add(time.Minute), strategy{rules.StrategyRule}) // so that everything can be restored
}

// learnsRooms draws whether the zones of the thermostats are known on a day with a plan.
// It uses a separate random stream, so that everything else that a seed draws stays the
// same.
func (w *drawing) learnsRooms(seed uint64) {
	r := rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15, 0x726f6f6d)) // seeds that follow each other begin much alike
	if w.Plan != nil {
		w.Plan.Rooms = chance(r, 0.6)
	}
}

// prices is somebody's automation that sends the prices of the coming hours.
type prices struct {
	Hours int `yaml:"hours"`
}

func (a prices) do(h *home) {
	list, from := "[", time.Now().Truncate(time.Hour)
	for n := range a.Hours {
		at := from.Add(time.Duration(n) * time.Hour)
		price := 0.2 + 0.02*float64(n%5)
		if hour := at.In(zone()).Hour(); hour >= 16 && hour < 20 {
			price = 0.55
		}
		if n > 0 {
			list += ","
		}
		list += fmt.Sprintf(`{"start":%q,"end":%q,"price":%.2f}`, at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339), price)
	}
	h.send(bus.Message{Topic: "powermgr/tariff/set", Payload: []byte(list + "]")})
}

func (a prices) String() string { return fmt.Sprintf("prices of %d hours are sent", a.Hours) }

// strategy is the select entity in Home Assistant.
type strategy struct {
	Is rules.Strategy `yaml:"is"`
}

func (a strategy) do(h *home) {
	h.send(bus.Message{Topic: "powermgr/control/strategy/set", Payload: []byte(a.Is)})
}

func (a strategy) String() string { return "somebody chooses the strategy " + string(a.Is) }

// settings returns the strategy and the source of prices in the configuration.
func (p *planned) settings() (strategy, source string) {
	switch {
	case p == nil:
		return "rule", "config"
	case p.MQTT:
		return "plan", "mqtt"
	}
	return "plan", "config"
}

// past returns the history of the home, or of another one.
func (w *world) past(now time.Time) (all []forecast.Sample) {
	if w.Plan == nil {
		return nil
	}
	base, peak := w.Powerwall.BaseLoadW/1000, w.Powerwall.SolarPeakW/1000
	if w.Plan.Wrong {
		base, peak = 5-base/2, 6-peak
	}
	const quarter = 15 * time.Minute
	now = now.Truncate(quarter)
	for at := now.AddDate(0, 0, -w.Plan.HistoryDays); at.Before(now); at = at.Add(quarter) {
		hour := float64(at.In(zone()).Hour()) + float64(at.Minute())/60
		load := base * (0.7 + 0.5*math.Max(0, math.Sin((hour-12)/12*math.Pi))) / 4
		sun := peak * math.Max(0, math.Sin((hour-6)/12*math.Pi)) / 4
		all = append(all, forecast.Sample{Start: at, Length: quarter, LoadKWh: &load, SunKWh: &sun})
	}
	return all
}

// rooms returns the history of the thermostats' zones, or of those of another home: two
// weeks of much the same weather, controlled only by their schedules.
func (w *world) rooms(now time.Time) (all []planner.RoomHistory) {
	if w.Plan == nil || !w.Plan.Rooms {
		return nil
	}
	m := thermal.Model{Outdoors: 0.06, Mass: 0.25, Lag: 8 * time.Hour, Sun: 0.1, Gain: 0.2, Cooling: -4, Heating: 4}
	if w.Plan.Wrong {
		m = thermal.Model{Outdoors: 0.02, Mass: 0.1, Lag: 16 * time.Hour, Sun: 0.3, Gain: 0.5, Cooling: -8, Heating: 1.5}
	}
	const days, halves = 14, int(24 * time.Hour / thermal.Step)
	now = now.Truncate(thermal.Step)
	outside := make([]thermal.Outside, days*halves)
	settings := make([]thermal.Setting, len(outside))
	starts := make([]time.Time, len(outside))
	for i := range outside {
		starts[i] = now.Add(time.Duration(i-len(outside)) * thermal.Step)
		hour := float64(starts[i].In(zone()).Hour()) + float64(starts[i].Minute())/60
		unlike := 4 * math.Sin(float64(i/halves)) // no day is like the one before
		outside[i].OutdoorC = unlike + w.Weather.LowC + (w.Weather.HighC-w.Weather.LowC)*(1+math.Sin((hour-9)/12*math.Pi))/2
		outside[i].SunKW = w.Powerwall.SolarPeakW / 1000 * max(0, math.Sin((hour-6)/12*math.Pi))
		settings[i] = thermal.Setting{CoolC: 25, HeatC: 20}
		if hour < 7 || hour >= 22 {
			settings[i] = thermal.Setting{CoolC: 26.5, HeatC: 17}
		}
	}
	const compressorKW = 2.5
	inside := m.Live(22, 22, outside, settings)
	for n := range w.Thermostats {
		l := planner.RoomHistory{ID: devices.TopicID(w.vendorID(n)), Follows: settings}
		for i, in := range inside {
			l.Samples = append(l.Samples, thermal.Sample{
				Start: starts[i], IndoorC: in.AirC, OutdoorC: outside[i].OutdoorC, SunKW: outside[i].SunKW, Cools: in.Cools, Heats: in.Heats,
				HomeKW: w.Powerwall.BaseLoadW/1000 + compressorKW*float64(len(w.Thermostats))*(in.Cools+in.Heats),
			})
		}
		all = append(all, l)
	}
	return all
}

package report

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

var topics = devices.Topics{Base: "powermgr"}

func pacific(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func calendar(t testing.TB) rules.Calendar {
	days := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	return rules.Calendar{Location: pacific(t), Lead: 30 * time.Minute, Seasons: []rules.Season{
		{Name: "summer", Months: []time.Month{5, 6, 7, 8, 9, 10}, Days: days, Peaks: []rules.Span{{Start: 960, End: 1140}}, Precool: true},
		{Name: "winter", Months: []time.Month{11, 12, 1, 2, 3, 4}, Days: append(days, time.Saturday, time.Sunday),
			Peaks: []rules.Span{{Start: 360, End: 540}, {Start: 1020, End: 1200}}},
	}}
}

var tariff = Tariff{Currency: "$", PeakPerKWh: 0.58, OffPeakPerKWh: 0.31, ExportPerKWh: 0.05}

// home is an emulated house whose bridge and controller are played by a test,
// and the record that is made of what they say.
type home struct {
	t     testing.TB
	r     *Record
	now   time.Time
	cal   rules.Calendar
	cloud *emulator.Cloud
	state control.State
	calls int
	mute  bool // the vendors do not answer
	sent  int
	dies  bool // and starts again from its file after every eleventh message

	folded int
}

// newHome is a home with the default house, nearly charged, and an empty
// record, at a local time: "2026-07-15 00:00".
func newHome(t testing.TB, at string) *home {
	t.Helper()
	h := &home{t: t, cal: calendar(t)}
	h.now = h.at(at)
	h.state = control.State{Enabled: true, Override: "auto"}
	h.cloud = emulator.New(emulator.Options{
		Now: func() time.Time { return h.now }, Location: h.cal.Location,
		House: emulator.HouseOptions{ChargePercent: new(90.0), Reserve: new(100)},
	})
	r := begin(h.now, h.cal)
	r.Tariff, r.Counterfactual.Assumptions = tariff, Assumptions{ReservePercent: UsualReserve}.complete()
	r.Nodes = []string{"pi1"}
	for _, id := range []string{"up", "down"} {
		r.Thermostats[id] = Thermostat{Controlled: true}
	}
	h.r = &r
	return h
}

func (h *home) at(text string) time.Time {
	h.t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", text, h.cal.Location)
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}

// says folds a message that a part published now.
func (h *home) says(topic string, v any) {
	h.message(bus.Message{Topic: topic, Payload: mustJSON(h.t, v)})
}

func (h *home) message(m bus.Message) {
	levels, _ := topics.Split(m.Topic)
	h.r.add(message{Message: m, levels: levels, now: h.now})
	if h.folded++; h.dies && h.folded%11 == 0 {
		*h.r = again(h.t, *h.r)
	}
}

// again is r after a way through its file.
func again(t testing.TB, r Record) Record {
	t.Helper()
	b, err := Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	read, err := Decode(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return read
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// poll publishes what the devices show.
func (h *home) poll() {
	h.calls++
	var problem *string
	if h.mute {
		problem = new("unreachable")
	}
	for _, topic := range []string{topics.Powerwall("api"), topics.Thermostats("api")} {
		h.says(topic, map[string]any{"calls_today": h.calls, "failed_today": 0, "problem": problem})
	}
	if h.mute {
		return
	}
	h.says(topics.Powerwall("state"), h.powerwall())
	for _, t := range h.cloud.Truth().Thermostats {
		h.says(topics.Thermostat(places[t.Name], "state"), devices.ThermostatReading{
			VendorID: t.ID, Name: t.Name, Unit: t.Unit, Alive: true, Mode: &t.Mode, Action: &t.Action, PolledAt: h.now,
			Temperature: &t.Temperature, CoolSetpoint: &t.Cool, HeatSetpoint: &t.Heat, Hold: &t.Hold,
		})
	}
}

var places = map[string]string{"Upstairs": "up", "Downstairs": "down"}

// powerwall is a reading with the house's own books for its counters.
func (h *home) powerwall() devices.PowerwallReading {
	t := h.cloud.Truth()
	wh := func(v float64) *devices.WattHours { return new(devices.WattHours(v)) }
	w := func(v float64) *devices.Watts { return new(devices.Watts(v)) }
	return devices.PowerwallReading{
		ChargePercent: new(devices.Percent(t.ChargePercent)), StoredEnergy: wh(t.StoredWh), ReservePercent: &t.Reserve, Mode: &t.Mode,
		BatteryPower: w(t.BatteryW), SolarPower: w(t.SolarW), GridPower: w(t.GridW), HomePower: w(t.HomeW), PolledAt: h.now,
		GridImport: wh(t.Books.Import), GridExport: wh(t.Books.Export), Solar: wh(t.Books.Solar), Home: wh(t.Books.Home),
		BatteryIn: wh(t.Books.BatteryIn), BatteryOut: wh(t.Books.BatteryOut),
	}
}

// until lives to a local time of the day, with polls as the daemon has them.
func (h *home) until(clock string) {
	h.t.Helper()
	end := h.at(h.now.In(h.cal.Location).Format(time.DateOnly) + " " + clock)
	for h.now.Before(end) {
		phase, _ := h.cal.At(h.now)
		h.now = h.now.Add(time.Minute)
		if phase != rules.OffPeak || h.now.Unix()%300 == 0 {
			h.poll()
		}
	}
}

// midnight closes the day and goes on in the next one.
func (h *home) midnight() Record {
	h.t.Helper()
	h.now = h.r.end
	done := *h.r
	done.finish()
	h.r = new(done.next(h.now, h.cal))
	h.calls = 0
	return done
}

// control publishes the controller's state after a change.
func (h *home) control(change func(s *control.State)) {
	change(&h.state)
	h.says(topics.Control("state"), h.state)
}

func (h *home) event(kind rules.NoteType, target, format string, args ...any) {
	h.says(topics.Control("event"), control.Event{Type: kind, Target: target, Reason: fmt.Sprintf(format, args...), At: h.now})
}

// command plays a command of the controller that the device shows after a
// while.
func (h *home) command(set string, value any, after time.Duration) {
	h.sent++
	id := fmt.Sprintf("control-%d", h.sent)
	h.message(bus.Message{Topic: set, Payload: mustJSON(h.t, map[string]any{"value": value, "id": id}), ID: id, Source: devices.SourceControl})
	h.says(devices.ResultTopic(set), devices.Result{ID: id, Accepted: true, Requested: value, Reason: "on its way to the device"})
	h.now = h.now.Add(after)
	h.says(devices.ResultTopic(set), devices.Result{ID: id, Accepted: true, Final: true, Requested: value, Applied: value})
	h.now = h.now.Truncate(time.Minute)
}

// reserve sets the battery's reserve.
func (h *home) reserve(percent int, why string) {
	h.event(rules.NoteReserve, "powerwall", "reserve %d %%: %s", percent, why)
	h.cloud.Person(func(e *emulator.House) { e.SetReserve(percent) })
	h.command(topics.Powerwall("reserve/set"), percent, 6*time.Second)
}

// own moves both thermostats by degrees, or restores them.
func (h *home) own(what rules.Goal, degrees float64, until string) {
	h.control(func(s *control.State) {
		s.Owned = []rules.Owned{{Target: "down", What: string(what)}, {Target: "up", What: string(what)}}
		if what == rules.Leave {
			s.Owned = nil
		}
	})
	for i, name := range []string{"Downstairs", "Upstairs"} {
		id := places[name]
		if what == rules.Leave {
			h.event(rules.NoteRestored, id, "%s has its earlier setting again", name)
			continue
		}
		cool := 76 + float64(i) + degrees
		h.event(rules.NoteType(what), id, "%s: cool to %.0f °F until %s", name, cool, until)
		end := h.at(h.now.In(h.cal.Location).Format(time.DateOnly) + " " + until)
		h.cloud.Person(func(e *emulator.House) {
			e.Thermostats[i].Touch(h.now, emulator.Setting{Cool: &cool, Hold: new(devices.HoldUntil), HoldUntil: &end})
		})
		h.command(topics.Thermostat(id, "hold/set"), fmt.Sprintf("cool %.0f heat 69 until %s", cool, until), 34*time.Second)
	}
	h.poll()
}

// hotDay is a Wednesday in July from midnight to midnight, with all that
// powermgr does on one, a person who meddles, and a vendor that is away for
// 40 minutes.
func hotDay(t testing.TB, dies bool) *home {
	h := newHome(t, "2026-07-15 00:00")
	h.dies = dies
	h.control(func(s *control.State) { s.Phase = rules.OffPeak; s.ForecastF = new(103.0) })
	h.poll()
	h.until("09:20")
	h.mute = true
	h.until("10:00")
	h.mute = false
	h.until("13:00")
	h.message(bus.Message{Topic: topics.Control("override/set"), Payload: []byte("pause 30m")})
	h.says(topics.Control("override/result"), devices.Result{Accepted: true, Final: true, Requested: "pause 30m", Applied: "pause"})
	h.event(rules.NoteOverride, "", "override pause until 13:30")
	until := h.now.Add(30 * time.Minute)
	h.control(func(s *control.State) { s.Override = "pause"; s.Until = &until })
	h.until("13:30")
	h.event(rules.NoteOverride, "", "the override pause is over")
	h.control(func(s *control.State) { s.Override = "auto"; s.Until = nil })
	h.until("15:30")
	h.event(rules.NotePhase, "", "the peak starts at 16:00")
	h.control(func(s *control.State) { s.Phase = rules.PrePeak })
	h.own(rules.Precool, -2, "16:00")
	h.until("16:00")
	h.event(rules.NotePhase, "", "peak until 19:00")
	h.control(func(s *control.State) { s.Phase = rules.InPeak })
	h.reserve(0, "peak until 19:00")
	h.own(rules.Leave, 0, "")
	h.until("16:55")
	h.event(rules.NoteLatched, "", "the battery is at 75 %% with 125 minutes of the peak left; the threshold is 75 %% at 120 minutes")
	h.own(rules.Setback, 2, "19:00")
	h.until("17:40")
	h.says(topics.Thermostat("up", "cool_setpoint/set"), 74)
	h.says(topics.Thermostat("up", "cool_setpoint/result"), devices.Result{Accepted: true, Requested: 74.0, Reason: "on its way to the device"})
	h.event(rules.NoteYielded, "up", "Upstairs: by command: cool_setpoint; it is left alone until 19:00")
	h.control(func(s *control.State) {
		s.Owned = []rules.Owned{{Target: "down", What: "setback"}}
		s.Yielded = []rules.Owned{{Target: "up", What: "by command: cool_setpoint", Until: h.at("2026-07-15 19:00")}}
	})
	h.cloud.Person(func(e *emulator.House) { e.Thermostats[1].Touch(h.now, emulator.Setting{Cool: new(74.0)}) })
	h.until("17:41")
	h.says(topics.Thermostat("up", "cool_setpoint/result"), devices.Result{Accepted: true, Final: true, Requested: 74.0, Applied: 74.0})
	h.until("19:00")
	h.event(rules.NotePhase, "", "off peak; the next peak starts at Thu 16:00")
	h.control(func(s *control.State) { s.Phase = rules.OffPeak; s.Yielded, s.Owned = nil, nil })
	h.reserve(100, "off peak; the next peak starts at Thu 16:00")
	h.event(rules.NoteRestored, "down", "Downstairs has its own setting again")
	h.until("21:10")
	h.message(bus.Message{Topic: topics.Powerwall("mode/set"), Payload: []byte("turbo")})
	h.says(topics.Powerwall("mode/result"), devices.Result{Final: true, Requested: "turbo",
		Reason: `"turbo" is not a mode: send self_consumption, autonomous or backup`})
	h.until("23:55")
	return h
}

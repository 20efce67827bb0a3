package simulation

// What a seed draws.

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Level is how much goes wrong.
type Level string

// The levels.
const (
	None Level = "none" // nothing but people
	Some Level = "some" // one or two faults
	All  Level = "all"  // up to eight faults at the same time, and odd homes, vendors and people
	// Ahead is All, plus faults that powermgr is known not to withstand yet.
	Ahead Level = "ahead"
)

// drawing is a world while it is being drawn.
type drawing struct {
	*world
	rand  *rand.Rand
	date  time.Time // local midnight
	hours hours     // the hours of it that are simulated

	glitched time.Time // when the last reading of an empty battery was drawn; zero: none has been
}

// hours are the part of a day that is simulated: from an hour and a half before its first
// peak until all trouble is over. The other hours would be like those after the last
// peak.
type hours struct {
	from, to float64   // wall-clock time
	peaks    []float64 // when they start
}

var (
	summer    = hours{14.5, 20.5, []float64{16}}
	morning   = hours{4.5, 10.5, []float64{6}}
	evening   = hours{15.5, 21, []float64{17}}
	winter    = hours{4.5, 21, []float64{6, 17}}
	turnNight = hours{0.5, 10.5, []float64{6}} // with the hour that occurs twice, or not at all
)

// turns are the days on which daylight saving time begins or ends in the home's zone.
var turns = []string{"2026-03-08", "2026-11-01", "2027-03-14", "2027-11-07"}

func draw(seed uint64, level Level) *world {
	r := rand.New(rand.NewPCG(seed, 0x73696d756c617465))
	w := &drawing{rand: r, world: &world{
		Seed: seed, DryRun: chance(r, 0.03), Daily: chance(r, 0.9), Backend: pick(r, "tcc", "resideo"),
		Nodes: pick(r, 1, 1, 2), Rsync: chance(r, 0.7), Polls: polls{pick(r, 300, 600), pick(r, 60, 120, 180), pick(r, 300, 450, 600)},
	}}
	if seed%8 != 0 { // most homes have the default number of calls
		w.Calls = 5000
	}
	w.date = time.Date(2026, 1, 1+r.IntN(730), 0, 0, 0, 0, zone())
	if chance(r, 0.08) {
		w.date, _ = time.ParseInLocation(time.DateOnly, pick(r, turns...), zone())
		w.Daily, w.hours = true, pick(r, turnNight, winter)
	} else {
		w.hours = pick(r, morning, morning, morning, evening, evening, evening, winter)
	}
	hot := w.date.Month() >= time.May && w.date.Month() <= time.October
	w.Weather = weather{LowC: between(r, -5, 5), HighC: between(r, 5, 20), Clear: r.Float64()}
	if hot {
		w.hours = summer
		w.Weather = weather{LowC: between(r, 14, 25), HighC: between(r, 26, 43), Clear: between(r, 0.3, 1)}
	}
	w.Begins, w.Ends = w.clock(w.hours.from), w.clock(w.hours.to)
	w.Powerwall = powerwall{
		ChargePercent: between(r, 15, 100), Reserve: pick(r, 100, 100, 80, 0, 20), BaseLoadW: between(r, 600, 5000), SolarPeakW: between(r, 0, 6000),
		SettleDelay: time.Duration(r.IntN(3)*r.IntN(20)) * time.Second,
	}
	for range emulator.DefaultThermostats() {
		w.Thermostats = append(w.Thermostats, w.thermostat(hot))
	}
	if chance(r, 0.1) {
		w.Powerwall.ReserveCap, w.Powerwall.CapDelay = 80, time.Duration(r.IntN(25))*time.Minute
		w.Powerwall.Reserve = min(w.Powerwall.Reserve, 80)
	}
	w.people()
	w.add(w.Ends, faultsEnd{})
	w.add(w.Ends.Add(time.Minute), override{Kind: rules.Auto, Payload: "auto"})
	switch level {
	case Some:
		w.faults(1 + r.IntN(2))
	case All, Ahead:
		w.faults(1 + r.IntN(8))
		if chance(r, 0.2) {
			w.offAndOn()
		}
		w.oddities(r.IntN(5))
	}
	switch level {
	case All:
		w.stubborn(0.1)
		w.plan(seed)
		w.learnsRooms(seed)
		w.adjusts(seed)
	case Ahead:
		w.stubborn(0.3)
		w.ahead()
		w.plan(seed)
		w.learnsRooms(seed)
		w.adjusts(seed)
	}
	sort.SliceStable(w.Acts, func(i, j int) bool { return w.Acts[i].at.Before(w.Acts[j].at) })
	return w.world
}

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func between(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }

func (w *drawing) thermostat(hot bool) thermostat {
	r, t := w.rand, thermostat{Mode: devices.Heat}
	if hot {
		t.Mode = devices.Cool
	}
	if chance(r, 0.3) {
		t.Mode = devices.HeatCool
	}
	if chance(r, 0.04) {
		t.Mode = devices.Off
	}
	if w.Backend == "resideo" && chance(r, 0.15) {
		t.Unit = devices.Celsius
	}
	t.Round = w.Backend == "resideo" && chance(r, 0.1)
	cool, heat := w.points(t)
	s := change{Cool: &cool, Heat: &heat}
	if t.Round {
		t.Set = s
		return t
	}
	switch r.IntN(8) {
	case 0, 1:
		s.Hold = new(devices.HoldPermanent)
	case 2:
		s.Hold = new(devices.HoldTemporary)
	case 3:
		s.Hold = new(devices.HoldUntil)
		s.HoldUntil = new(w.Begins.Add(time.Duration(1+r.IntN(90)) * 15 * time.Minute))
	default:
		return t
	}
	t.Set = s
	return t
}

// points draws set points that somebody might want.
func (w *drawing) points(t thermostat) (cool, heat float64) {
	f := float64(70 + w.rand.IntN(16))
	h := min(float64(56+w.rand.IntN(16)), f-5)
	if t.Unit == devices.Celsius {
		return half(f), half(h)
	}
	return f, h
}

// at draws a time within the simulated hours, mostly around the peaks.
func (w *drawing) at() time.Time {
	first, last := w.Begins.Add(time.Minute), w.Ends
	at := first.Add(time.Duration(w.rand.Int64N(int64(last.Sub(first)))))
	if chance(w.rand, 0.7) {
		at = w.clock(pick(w.rand, w.hours.peaks...)).Add(time.Duration(w.rand.IntN(255)-45) * time.Minute)
	}
	at = at.Truncate(time.Minute).Add(time.Duration(w.rand.IntN(60)) * time.Second)
	switch {
	case at.Before(first):
		return first
	case at.After(last):
		return last
	}
	return at
}

// clock returns when the wall clock shows so many hours.
func (w *drawing) clock(hours float64) time.Time {
	return time.Date(w.date.Year(), w.date.Month(), w.date.Day(), 0, int(hours*60), 0, 0, zone())
}

// later draws a time up to so many minutes after at, and before the quiet begins.
func (w *drawing) later(at time.Time, minutes int) time.Time {
	at = at.Add(time.Duration(1+w.rand.IntN(minutes))*time.Minute + time.Duration(w.rand.IntN(60))*time.Second)
	if at.After(w.Ends) {
		return w.Ends
	}
	return at
}

// people draws what the people of the home do.
func (w *drawing) people() {
	r := w.rand
	for range r.IntN(4) {
		at, i := w.at(), r.IntN(len(w.Thermostats))
		t := w.Thermostats[i]
		cool, heat := w.points(t)
		switch r.IntN(18) {
		case 0, 1:
			w.add(at, wall{i, change{Cool: &cool, Heat: &heat}})
		case 2:
			w.add(at, wall{i, change{Cool: &cool, Heat: &heat, Hold: new(devices.HoldPermanent)}})
		case 3:
			if t.Round {
				continue // it has none
			}
			w.add(at, wall{i, change{Hold: new(devices.HoldSchedule)}})
		case 4:
			w.add(at, wall{i, change{Mode: new(pick(r, devices.Off, devices.Cool, devices.Heat, devices.HeatCool))}})
		case 5:
			w.add(at, wall{i, change{Fan: new(pick(r, devices.FanOn, devices.FanAuto))}})
		case 6:
			w.add(at, app{Reserve: new(pick(r, 5, 10, 30, 55, 60))})
		case 7:
			w.add(at, app{Mode: pick(r, devices.Autonomous, devices.Backup)})
		case 8, 9:
			setting, value := "cool_setpoint", cool
			if t.Mode == devices.Heat {
				setting, value = "heat_setpoint", heat
			}
			w.add(at, publish{&i, setting, fmt.Sprint(value)})
		case 10:
			w.add(at, publish{&i, "hold", pick(r, "schedule", "permanent", "temporary", "until 18:00")})
		case 11:
			w.add(at, publish{nil, "reserve", pick(r, "5", "25", "45%", "90", "70")})
		case 12, 13, 14:
			w.override(at)
		case 15:
			w.add(at, enabled{On: false})
			if chance(r, 0.7) {
				w.add(w.later(at, 120), enabled{On: true})
			}
		case 16:
			w.add(at, restore{})
		case 17:
			w.add(at, publish{nil, "mode", string(pick(r, devices.Autonomous, devices.Backup, devices.SelfConsumption))})
		}
	}
}

func (w *drawing) override(at time.Time) {
	o := override{Kind: pick(w.rand, rules.Auto, rules.OverridePeak, rules.OverrideOffPeak, rules.OverridePrecool, rules.OverridePause)}
	o.Payload = string(o.Kind)
	if most := int(w.Ends.Sub(at).Minutes()); o.Kind != rules.Auto && most > 5 && chance(w.rand, 0.7) {
		minutes := 1 + w.rand.IntN(min(most, 240))
		o.For = time.Duration(minutes) * time.Minute
		o.Payload = fmt.Sprintf("%s %dm", o.Kind, minutes)
		if chance(w.rand, 0.3) {
			o.Payload = fmt.Sprintf(`{"value":"%s","for":"%dm","id":"person"}`, o.Kind, minutes)
		}
	}
	w.add(at, o)
}

// endpoints are the requests to each vendor that can fail.
var endpoints = map[string][]string{
	"tesla":     {"tesla.*", "tesla.live_status", "tesla.site_info", "tesla.backup", "tesla.token"},
	"tcc":       {"tcc.*", "tcc.login", "tcc.check", "tcc.zones", "tcc.submit", "tcc.locations"},
	"resideo":   {"resideo.*", "resideo.token", "resideo.locations", "resideo.thermostat"},
	"openmeteo": {"openmeteo.forecast"},
}

// faults draws what goes wrong, n times.
func (w *drawing) faults(n int) {
	r := w.rand
	for range n {
		at := w.at()
		kinds := 18
		if w.Nodes > 1 {
			kinds = 22
		}
		switch r.IntN(kinds) {
		case 0, 1, 2, 3, 4:
			w.outage(at)
		case 5:
			w.add(at, tokensEnd{})
		case 6:
			w.add(at, kill{Node: active, Down: time.Duration(1+r.IntN(20)) * time.Second})
		case 7:
			k := kill{Node: active, Down: min(time.Duration(1+r.IntN(150))*time.Minute, w.Ends.Sub(at)), Reboot: true}
			w.add(at, k)
			if chance(r, 0.5) { // a power cut of the whole house
				k.Node = other
				w.add(at, k)
			}
		case 8, 9:
			w.add(at, killWhen{
				Moment: pick(r, journalBefore, journalSaved, journalSaved, writeBefore, writeAfter), Nth: 1 + r.IntN(3),
				Down: time.Duration(1+r.IntN(40)) * time.Second, Reboot: chance(r, 0.3),
			})
		case 10:
			w.add(at, diskFull{true})
			w.add(w.later(at, 90), diskFull{false})
		case 11:
			if w.Nodes > 1 && !w.Rsync {
				continue // the nodes would have no way left to know of each other
			}
			w.add(at, brokerUp{Up: false, Forgets: chance(r, 0.5)})
			w.add(w.later(at, 120), brokerUp{Up: true})
		case 12:
			jump := time.Duration(r.IntN(7200)-3600) * time.Second
			if chance(r, 0.2) {
				jump *= 24
			}
			w.add(at, clockJumps{jump})
			w.add(w.later(at, 60), clockRight{})
		case 13:
			w.episode(at)
		case 14:
			w.add(at, message{Topic: "homeassistant/status", Payload: "online"})
		case 15, 16:
			w.nonsense(at)
		case 17:
			w.add(at, journalIs{pick(r, "", "\x00\x00\x00\x00", `{"version":99,"sequence":1000000}`, `{"version":1,"kept":{"homes"`)})
		case 18:
			w.add(at, roleMoves{})
		case 19:
			w.add(at, nodesSeparate{true})
			w.add(w.later(at, 90), nodesSeparate{false})
		case 20:
			if !w.Rsync {
				continue // the nodes would have no way left to know of each other
			}
			w.add(at, brokerCut{true})
			w.add(w.later(at, 90), brokerCut{false})
		case 21:
			w.add(at, kill{other, time.Duration(1+r.IntN(150)) * time.Minute, chance(r, 0.5)})
		}
	}
}

// nonsense draws a command that must not be acted on.
func (w *drawing) nonsense(at time.Time) {
	r := w.rand
	i := r.IntN(len(w.Thermostats))
	thermostat := "thermostat/" + devices.TopicID(w.vendorID(i))
	m := pick(r,
		message{Topic: "powerwall/reserve", Payload: pick(r, "85", "-5", "101", "NaN", "1e3", "abc", `{"value":null}`, "{", "\xff\xfe", strings.Repeat("9", 5000))},
		message{Topic: "powerwall/mode", Payload: pick(r, "off", "self consumption", "1", "[]")},
		message{Topic: thermostat + "/cool_setpoint", Payload: pick(r, "999", "-40", "NaN", "warm", `{"value":"72 K"}`, "")},
		message{Topic: thermostat + "/hold", Payload: pick(r, "until 25:00", "forever", "until", `{"value":["permanent"]}`)},
		message{Topic: "control/override", Payload: pick(r, "peak -3h", "peak 999h", "peak 3", "party", "{", `{"value":"peak","for":7}`)},
		message{Topic: "control/enabled", Payload: pick(r, "maybe", "2", "null")},
		message{Topic: "powerwall/reserve", Payload: "35", Retain: true},
		message{Topic: "control/override", Payload: "pause 2h", Retain: true},
		message{Topic: thermostat + "/cool_setpoint", Payload: "71", Expires: at.Add(-time.Minute)},
		message{Topic: "control/enabled", Payload: "OFF", Expires: at.Add(-time.Hour)},
		message{Topic: "control/reserve", Payload: "35"},
	)
	m.Topic = "powermgr/" + m.Topic + devices.Set
	w.add(at, m)
}

// outage draws a vendor that fails for a while, or for some requests.
func (w *drawing) outage(at time.Time) {
	r := w.rand
	vendor := pick(r, "tesla", "tesla", "tesla", w.Backend, w.Backend, w.Backend, "openmeteo")
	f := vendorFault{Endpoint: pick(r, endpoints[vendor]...), Count: -1}
	classes := []emulator.Class{emulator.Status, emulator.Status, emulator.Status, emulator.Latency, emulator.Hang, emulator.HTML,
		emulator.Garbage, emulator.Missing, emulator.Ignore, emulator.Ignore, emulator.Expire}
	switch f.Class = pick(r, classes...); f.Class {
	case emulator.Status:
		f.Status = pick(r, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504)
		if f.Status == 429 {
			f.RetryAfter = r.IntN(900)
		}
	case emulator.Latency:
		f.Seconds = between(r, 0.1, 60)
	case emulator.Missing:
		f.Fields = []string{pick(r, "percentage_charged", "backup_reserve_percent", "default_real_mode", "response", "result", "changeableValues", "coolSetpoint",
			"heatSetpoint", "mode", "thermostatSetpointStatus", "CoolSetpoint", "StatusCool", "latestData", "uiData", "success", "devices", "access_token")}
	}
	if chance(r, 0.4) {
		f.Count = 1 + r.IntN(6)
	}
	w.add(at, f)
	if f.Count < 0 {
		w.add(w.later(at, pick(r, 3, 30, 120)), vendorsWell{})
	}
}

// episode draws something that takes a device away from powermgr for a while.
func (w *drawing) episode(at time.Time) {
	r := w.rand
	i, until := r.IntN(len(w.Thermostats)), w.later(at, 120)
	by := pick(r, storm, gridServices, gridOutage, notAlive, vacation, utilityEvent)
	w.add(at, deviceAway{by, i, true})
	w.add(until, deviceAway{by, i, false})
}

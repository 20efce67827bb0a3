package simulation

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Level is how much goes wrong.
type Level string

// The levels.
const (
	None Level = "none" // nothing but people
	Some Level = "some" // one fault or two
	All  Level = "all"  // up to eight, on top of each other
)

// world is what a seed draws.
type world struct {
	seed    uint64
	rand    *rand.Rand
	zone    *time.Location
	day     time.Time // local midnight
	hours   hours     // of it that are lived
	dry     bool
	nodes   int    // 1, or a pair
	rsync   bool   // the pair's journals are copied from disk to disk
	daily   bool   // peaks on weekends too
	backend string // tcc or resideo
	polls   [3]int // seconds: of the battery, in and before a peak, and of the thermostats
	weather emulator.Day
	house   emulator.HouseOptions
	landing time.Duration // of what is sent to a thermostat, about; 0: as usual
	acts    []act
}

// act is something that happens at a time.
type act struct {
	at   time.Time
	what string
	do   func(*home)
}

// hours are the part of a day that is lived: from an hour and a half before
// its first peak until all trouble is over. The other hours are like those
// after the last peak.
type hours struct {
	from, to float64   // on the wall
	peaks    []float64 // when they start
}

var (
	summer    = hours{14.5, 20.5, []float64{16}}
	morning   = hours{4.5, 10.5, []float64{6}}
	evening   = hours{15.5, 21, []float64{17}}
	winter    = hours{4.5, 21, []float64{6, 17}}
	turnNight = hours{0.5, 10.5, []float64{6}} // with the hour that is there twice, or not at all
)

// turns are the days on which summer time begins or ends, in the zone of the home.
var turns = []string{"2026-03-08", "2026-11-01", "2027-03-14", "2027-11-07"}

func draw(seed uint64, level Level) *world {
	r := rand.New(rand.NewPCG(seed, 0x73696d756c617465))
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err) // the emulator brings the zones along
	}
	w := &world{seed: seed, rand: r, zone: zone, dry: chance(r, 0.03), daily: chance(r, 0.9), backend: pick(r, "tcc", "resideo"),
		nodes: pick(r, 1, 1, 2), rsync: chance(r, 0.7), polls: [3]int{pick(r, 300, 600), pick(r, 60, 120, 180), pick(r, 300, 450, 600)}}
	w.day = time.Date(2026, 1, 1+r.IntN(730), 0, 0, 0, 0, zone)
	if chance(r, 0.08) {
		w.day, _ = time.ParseInLocation(time.DateOnly, pick(r, turns...), zone)
		w.daily, w.hours = true, pick(r, turnNight, winter)
	} else {
		w.hours = pick(r, morning, morning, morning, evening, evening, evening, winter)
	}
	hot := w.day.Month() >= time.May && w.day.Month() <= time.October
	w.weather = emulator.Day{LowC: between(r, -5, 5), HighC: between(r, 5, 20), Clear: r.Float64()}
	if hot {
		w.hours = summer
		w.weather = emulator.Day{LowC: between(r, 14, 25), HighC: between(r, 26, 43), Clear: between(r, 0.3, 1)}
	}
	charge, reserve := between(r, 15, 100), pick(r, 100, 100, 80, 0, 20)
	w.house = emulator.HouseOptions{
		ChargePercent: &charge, Reserve: &reserve, BaseLoadW: between(r, 600, 5000), SolarPeakW: between(r, 0, 6000),
		SettleDelay: time.Duration(r.IntN(3)*r.IntN(20)) * time.Second, Thermostats: w.thermostats(hot),
	}
	if chance(r, 0.1) {
		w.house.ReserveCap, w.house.CapDelay = 80, time.Duration(r.IntN(25))*time.Minute
		reserve = min(reserve, 80)
	}
	w.people()
	w.add(w.ends(), (*home).calm, "")
	w.add(w.ends().Add(time.Minute), func(h *home) { h.override(rules.Auto, 0, "auto") }, "override auto")
	switch level {
	case Some:
		w.faults(1 + r.IntN(2))
	case All:
		w.faults(1 + r.IntN(8))
	}
	sort.SliceStable(w.acts, func(i, j int) bool { return w.acts[i].at.Before(w.acts[j].at) })
	return w
}

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func between(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }

func (w *world) thermostats(hot bool) []*emulator.Thermostat {
	all := emulator.DefaultThermostats()
	for _, t := range all {
		t.Location = w.zone
		t.Mode = devices.Heat
		if hot {
			t.Mode = devices.Cool
		}
		if chance(w.rand, 0.3) {
			t.Mode = devices.HeatCool
		}
		if chance(w.rand, 0.04) {
			t.Mode = devices.Off
		}
		if w.backend == "resideo" && chance(w.rand, 0.15) {
			celsius(t)
		}
		bare := w.backend == "resideo" && chance(w.rand, 0.1)
		if bare {
			round(t)
		}
		cool, heat := w.points(t)
		s := emulator.Setting{Cool: &cool, Heat: &heat}
		if bare {
			t.Submit(w.begins(), s, 0)
			continue
		}
		switch w.rand.IntN(8) {
		case 0, 1:
			s.Hold = devices.Pointer(devices.HoldPermanent)
		case 2:
			s.Hold = devices.Pointer(devices.HoldTemporary)
		case 3:
			s.Hold = devices.Pointer(devices.HoldUntil)
			until := w.begins().Add(time.Duration(1+w.rand.IntN(90)) * 15 * time.Minute)
			s.HoldUntil = &until
		default:
			continue
		}
		t.Submit(w.begins(), s, 0)
	}
	return all
}

// points are set points that somebody might want.
func (w *world) points(t *emulator.Thermostat) (cool, heat float64) {
	f := float64(70 + w.rand.IntN(16))
	h := min(float64(56+w.rand.IntN(16)), f-5)
	if t.Unit == devices.Celsius {
		return half(f), half(h)
	}
	return f, h
}

func half(f float64) float64 { return float64(int((f-32)/1.8*2+0.5)) / 2 }

func celsius(t *emulator.Thermostat) {
	t.Unit, t.Step, t.Deadband = devices.Celsius, 0.5, 1.5
	t.CoolMin, t.CoolMax, t.HeatMin, t.HeatMax = 10, 37, 4.5, 32
	for i := range t.Schedule {
		t.Schedule[i].Cool, t.Schedule[i].Heat = half(t.Schedule[i].Cool), half(t.Schedule[i].Heat)
	}
}

// round makes t one that knows no holds: what it is told it keeps.
func round(t *emulator.Thermostat) {
	t.LCCID, t.Model, t.Hold = "TCC-"+fmt.Sprint(t.TCCID), "Round", devices.HoldPermanent
}

// at draws a time of the hours that are lived: mostly about the peaks.
func (w *world) at() time.Time {
	first, last := w.begins().Add(time.Minute), w.ends()
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

func (w *world) begins() time.Time { return w.clock(w.hours.from) }

// ends is when all trouble is over, so that all can be given back.
func (w *world) ends() time.Time { return w.clock(w.hours.to) }

// lives reports whether the whole of a peak is lived.
func (w *world) lives(p rules.Peak) bool {
	return p.Start.After(w.begins()) && !p.End.After(w.ends())
}

// clock is when the clock on the wall shows so many hours.
func (w *world) clock(hours float64) time.Time {
	return time.Date(w.day.Year(), w.day.Month(), w.day.Day(), 0, int(hours*60), 0, 0, w.zone)
}

func (w *world) add(at time.Time, do func(*home), format string, args ...any) {
	w.acts = append(w.acts, act{at, fmt.Sprintf(format, args...), do})
}

// people draws what the people of the home do.
func (w *world) people() {
	r := w.rand
	for range r.IntN(4) {
		at, i := w.at(), r.IntN(len(w.house.Thermostats))
		t := w.house.Thermostats[i]
		cool, heat := w.points(t)
		switch r.IntN(18) {
		case 0, 1:
			w.add(at, func(h *home) { h.wall(i, emulator.Setting{Cool: &cool, Heat: &heat}) }, "somebody sets thermostat %d to cool %g heat %g", i, cool, heat)
		case 2:
			w.add(at, func(h *home) {
				h.wall(i, emulator.Setting{Cool: &cool, Heat: &heat, Hold: devices.Pointer(devices.HoldPermanent)})
			}, "somebody sets thermostat %d to cool %g heat %g for good", i, cool, heat)
		case 3:
			if t.Model == "Round" {
				continue // it has none
			}
			w.add(at, func(h *home) { h.wall(i, emulator.Setting{Hold: devices.Pointer(devices.HoldSchedule)}) }, "somebody puts thermostat %d back on its schedule", i)
		case 4:
			mode := pick(r, devices.Off, devices.Cool, devices.Heat, devices.HeatCool)
			w.add(at, func(h *home) { h.wall(i, emulator.Setting{Mode: &mode}) }, "somebody sets thermostat %d to %s", i, mode)
		case 5:
			w.add(at, func(h *home) {
				h.wall(i, emulator.Setting{Fan: devices.Pointer(pick(r, devices.FanOn, devices.FanAuto))})
			}, "somebody sets the fan of thermostat %d", i)
		case 6:
			reserve := pick(r, 5, 10, 30, 55, 60)
			w.add(at, func(h *home) { h.app(func(e *emulator.House) { e.SetReserve(reserve) }) }, "somebody sets the reserve to %d %% in the app", reserve)
		case 7:
			mode := pick(r, devices.Autonomous, devices.Backup)
			w.add(at, func(h *home) { h.app(func(e *emulator.House) { e.Mode = mode }) }, "somebody sets the battery to %s in the app", mode)
		case 8, 9:
			setting, value := "cool_setpoint", cool
			if t.Mode == devices.Heat {
				setting, value = "heat_setpoint", heat
			}
			w.add(at, func(h *home) { h.publish(fmt.Sprintf("thermostat/%%d/%s/set", setting), i, fmt.Sprint(value)) }, "somebody publishes %s %g for thermostat %d", setting, value, i)
		case 10:
			hold := pick(r, "schedule", "permanent", "temporary", "until 18:00")
			w.add(at, func(h *home) { h.publish("thermostat/%d/hold/set", i, hold) }, "somebody publishes hold %s for thermostat %d", hold, i)
		case 11:
			reserve := pick(r, "5", "25", "45%", "90", "70")
			w.add(at, func(h *home) { h.publish("powerwall/reserve/set", -1, reserve) }, "somebody publishes reserve %s", reserve)
		case 12, 13, 14:
			w.override(at)
		case 15:
			w.add(at, func(h *home) { h.enable(false) }, "somebody switches the controller off")
			if chance(r, 0.7) {
				w.add(w.later(at, 120), func(h *home) { h.enable(true) }, "somebody switches the controller on")
			}
		case 16:
			w.add(at, (*home).restore, "somebody presses restore")
		case 17:
			mode := string(pick(r, devices.Autonomous, devices.Backup, devices.SelfConsumption))
			w.add(at, func(h *home) { h.publish("powerwall/mode/set", -1, mode) }, "somebody publishes mode %s", mode)
		}
	}
}

// later is up to so many minutes after at, and before the quiet begins.
func (w *world) later(at time.Time, minutes int) time.Time {
	at = at.Add(time.Duration(1+w.rand.IntN(minutes))*time.Minute + time.Duration(w.rand.IntN(60))*time.Second)
	if end := w.ends(); at.After(end) {
		return end
	}
	return at
}

func (w *world) override(at time.Time) {
	kind, length := pick(w.rand, rules.OverrideKinds()...), time.Duration(0)
	payload := string(kind)
	if most := int(w.ends().Sub(at).Minutes()); kind != rules.Auto && most > 5 && chance(w.rand, 0.7) {
		minutes := 1 + w.rand.IntN(min(most, 240))
		length = time.Duration(minutes) * time.Minute
		payload = fmt.Sprintf("%s %dm", kind, minutes)
		if chance(w.rand, 0.3) {
			payload = fmt.Sprintf(`{"value":"%s","for":"%dm","id":"person"}`, kind, minutes)
		}
	}
	w.add(at, func(h *home) { h.override(kind, length, payload) }, "override %s", payload)
}

// what can be asked for of each vendor while it fails.
var endpoints = map[string][]string{
	"tesla":     {"tesla.*", "tesla.live_status", "tesla.site_info", "tesla.backup", "tesla.token"},
	"tcc":       {"tcc.*", "tcc.login", "tcc.check", "tcc.zones", "tcc.submit", "tcc.locations"},
	"resideo":   {"resideo.*", "resideo.token", "resideo.locations", "resideo.thermostat"},
	"openmeteo": {"openmeteo.forecast"},
}

// faults draws what goes wrong, n times.
func (w *world) faults(n int) {
	r := w.rand
	for range n {
		at := w.at()
		kinds := 18
		if w.nodes > 1 {
			kinds = 22
		}
		switch r.IntN(kinds) {
		case 0, 1, 2, 3, 4:
			w.outage(at)
		case 5:
			w.add(at, func(h *home) { h.cloud.KillTeslaTokens(); h.cloud.KillResideoTokens(); h.cloud.EndPortalSessions() }, "all tokens and sessions end")
		case 6:
			off := time.Duration(1+r.IntN(20)) * time.Second
			w.add(at, func(h *home) { h.active().kill(off, false) }, "kill -9, up again in %v", off)
		case 7:
			off := time.Duration(1+r.IntN(150)) * time.Minute
			if end := w.ends(); at.Add(off).After(end) {
				off = end.Sub(at)
			}
			w.add(at, func(h *home) { h.active().kill(off, true) }, "a power cut of %v", off)
			if chance(r, 0.5) { // of the whole house
				w.add(at, func(h *home) { h.other().kill(off, true) }, "")
			}
		case 8, 9:
			f := fuse{moment: pick(r, journalBefore, journalSaved, journalSaved, writeBefore, writeAfter), left: 1 + r.IntN(3), off: time.Duration(1+r.IntN(40)) * time.Second, reboot: chance(r, 0.3)}
			w.add(at, func(h *home) { h.active().arm(f) }, "a fuse for the %d. time that %s", f.left, f.moment)
		case 10:
			w.add(at, func(h *home) { h.full(true) }, "the disk is full")
			w.add(w.later(at, 90), func(h *home) { h.full(false) }, "the disk has room again")
		case 11:
			if w.nodes > 1 && !w.rsync {
				continue // there would be no way left to know of each other
			}
			forgets := chance(r, 0.5)
			w.add(at, func(h *home) { h.broker.set(false, forgets) }, "the broker is gone")
			w.add(w.later(at, 120), func(h *home) { h.broker.set(true, false) }, "the broker is back")
		case 12:
			jump := time.Duration(r.IntN(7200)-3600) * time.Second
			if chance(r, 0.2) {
				jump *= 24
			}
			w.add(at, func(h *home) { h.jump(jump) }, "the clock jumps by %v", jump)
			w.add(w.later(at, 60), func(h *home) { h.right() }, "the clock is right again")
		case 13:
			w.episode(at)
		case 14:
			w.add(at, func(h *home) { h.send(bus.Message{Topic: "homeassistant/status", Payload: []byte("online")}) }, "Home Assistant starts again")
		case 15, 16:
			w.nonsense(at)
		case 17:
			left := pick(r, "", "\x00\x00\x00\x00", `{"version":99,"sequence":1000000}`, `{"version":1,"kept":{"homes"`)
			w.add(at, func(h *home) { h.active().spoil([]byte(left)) }, "the journal on the disk is %q", left)
		case 18:
			w.add(at, func(h *home) { h.keepalived.handOver() }, "keepalived moves to the other node")
		case 19:
			w.add(at, func(h *home) { h.keepalived.split(true) }, "the nodes do not see each other")
			w.add(w.later(at, 90), func(h *home) { h.keepalived.split(false) }, "the nodes see each other again")
		case 20:
			if !w.rsync {
				continue // there would be no way left to know of each other
			}
			w.add(at, func(h *home) { h.broker.cut(h.active(), true) }, "the active node has lost the broker")
			w.add(w.later(at, 90), func(h *home) { h.broker.heal() }, "every node has the broker again")
		case 21:
			off := time.Duration(1+r.IntN(150)) * time.Minute
			w.add(at, func(h *home) { h.other().kill(off, chance(r, 0.5)) }, "the other node is down for %v", off)
		}
	}
}

// nonsense is a command that nobody may act on.
func (w *world) nonsense(at time.Time) {
	r := w.rand
	i := r.IntN(len(w.house.Thermostats))
	thermostat := "thermostat/" + devices.TopicID(w.vendorID(w.house.Thermostats[i]))
	m := pick(r,
		bus.Message{Topic: "powerwall/reserve", Payload: []byte(pick(r, "85", "-5", "101", "NaN", "1e3", "abc", `{"value":null}`, "{", "\xff\xfe", strings.Repeat("9", 5000)))},
		bus.Message{Topic: "powerwall/mode", Payload: []byte(pick(r, "off", "self consumption", "1", "[]"))},
		bus.Message{Topic: thermostat + "/cool_setpoint", Payload: []byte(pick(r, "999", "-40", "NaN", "warm", `{"value":"72 F"}`, ""))},
		bus.Message{Topic: thermostat + "/hold", Payload: []byte(pick(r, "until 25:00", "forever", "until", `{"value":["permanent"]}`))},
		bus.Message{Topic: "control/override", Payload: []byte(pick(r, "peak -3h", "peak 99h", "peak 3", "party", "{", `{"value":"peak","for":7}`))},
		bus.Message{Topic: "control/enabled", Payload: []byte(pick(r, "maybe", "2", "null"))},
		bus.Message{Topic: "powerwall/reserve", Payload: []byte("35"), Retain: true},
		bus.Message{Topic: "control/override", Payload: []byte("pause 2h"), Retain: true},
		bus.Message{Topic: thermostat + "/cool_setpoint", Payload: []byte("71"), Expires: at.Add(-time.Minute)},
		bus.Message{Topic: "control/enabled", Payload: []byte("OFF"), Expires: at.Add(-time.Hour)},
		bus.Message{Topic: "control/reserve", Payload: []byte("35")},
	)
	m.Topic = "powermgr/" + m.Topic + devices.Set
	w.add(at, func(h *home) { h.send(m) }, "nonsense to %s, retained %v: %.60q", m.Topic, m.Retain, m.Payload)
}

// outage is a vendor that fails for a while, or for some requests.
func (w *world) outage(at time.Time) {
	r := w.rand
	vendor := pick(r, "tesla", "tesla", "tesla", w.backend, w.backend, w.backend, "openmeteo")
	f := emulator.Fault{Endpoint: pick(r, endpoints[vendor]...), Count: -1}
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
	w.add(at, func(h *home) { h.fault(f) }, "fault: %s %s %d %.0fs %v, %d times", f.Endpoint, f.Class, f.Status, f.Seconds, f.Fields, f.Count)
	if f.Count < 0 {
		w.add(w.later(at, pick(r, 3, 30, 120)), func(h *home) { h.cloud.ClearFaults() }, "the faults are over")
	}
}

// episode is something that takes a device away from us for a while.
func (w *world) episode(at time.Time) {
	r := w.rand
	i, until := r.IntN(len(w.house.Thermostats)), w.later(at, 120)
	on := func(what string, set func(*emulator.House, bool)) {
		w.add(at, func(h *home) { h.device(func(e *emulator.House) { set(e, true) }) }, "%s begins", what)
		w.add(until, func(h *home) { h.device(func(e *emulator.House) { set(e, false) }) }, "%s ends", what)
	}
	switch r.IntN(6) {
	case 0:
		on("a storm", func(h *emulator.House, b bool) { h.StormActive = b })
	case 1:
		on("a call of grid services", func(h *emulator.House, b bool) { h.GridServices = b })
	case 2:
		on("an outage of the grid", func(h *emulator.House, b bool) { h.OffGrid = b })
	case 3:
		on(fmt.Sprintf("thermostat %d away", i), func(h *emulator.House, b bool) { h.Thermostats[i].Alive = !b })
	case 4:
		on(fmt.Sprintf("thermostat %d on vacation", i), func(h *emulator.House, b bool) { h.Thermostats[i].Vacation = b })
	case 5:
		on(fmt.Sprintf("thermostat %d in an event of the utility", i), func(h *emulator.House, b bool) { h.Thermostats[i].UtilityEvent = b })
	}
}

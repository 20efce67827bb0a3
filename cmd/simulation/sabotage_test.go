package simulation

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// TestEachInvariantCanFail breaks one mechanism after another, and checks that the oracle
// notices. The same days without the sabotage have no violations.
func TestEachInvariantCanFail(t *testing.T) {
	const days = 3
	for seed := uint64(1); seed <= days; seed++ {
		for _, v := range live(t, Options{Seed: seed, Faults: None}).Violations {
			t.Errorf("without sabotage, seed %d: %s", seed, v)
		}
	}
	for _, c := range []struct {
		invariant Invariant
		how       string
		sabotage  func(*home)
	}{
		{I1, "the journal keeps nothing, and the daemon is killed in the peak", func(h *home) {
			h.nodes[0].disk.forgets, h.world.Rsync = true, false
			h.people(emulator.Setting{Hold: new(devices.HoldPermanent)})
			h.at(-10*time.Minute, func() { h.broker.set(false, true) })
			h.at(20*time.Minute, func() { h.active().end(ending{off: time.Minute, reboot: true}) })
		}},
		{I2, "the limits of the configuration are not those that were agreed", func(h *home) {
			h.configure("dry_run: false", "dry_run: false\n  thermostat_increment_f: 5\n  max_thermostat_temp_f: 90\n  min_heat_setpoint_f: 50")
		}},
		{I3, "the controller writes over what a person has chosen", func(h *home) {
			h.at(40*time.Minute, func() { h.wall(0, emulator.Setting{Hold: new(devices.HoldPermanent)}) })
			h.at(60*time.Minute, func() { h.rogue(0, "is set back", 79, 61) })
		}},
		{I3, "the controller writes over a person's reserve", func(h *home) {
			h.at(20*time.Minute, func() { h.app(func(e *emulator.House) { e.SetReserve(35) }) })
			h.at(80*time.Minute, func() { h.rogueReserve(0) }) // the bridge has read the choice by then
		}},
		{I4, "the controller writes too often", func(h *home) {
			h.at(40*time.Minute, func() { h.rogue(0, "is set back", 79, 61) })
			h.at(43*time.Minute, func() { h.rogue(0, "is set back", 81, 59) })
		}},
		{I15, "the controller changes its mind all the time", func(h *home) {
			for n := range 14 {
				h.at(time.Duration(10+4*n)*time.Minute, func() { h.rogueReserve(30 + n%2*40) })
			}
		}},
		{I5, "a person has paused, and the controller goes on", func(h *home) {
			h.at(10*time.Minute, func() { h.override(rules.OverridePause, time.Hour, "pause 1h") })
			h.at(40*time.Minute, func() { h.rogue(0, "is set back", 79, 61) })
		}},
		{I3, "the controller writes over a person's mode", func(h *home) {
			h.at(20*time.Minute, func() { h.app(func(e *emulator.House) { e.Mode = devices.Autonomous }) })
			h.at(80*time.Minute, func() { h.rogueReserve(80) })
		}},
		{I4, "an adapter sends again and again", func(h *home) {
			for i := range 5 {
				h.at(time.Hour+time.Duration(i)*20*time.Second, func() {
					h.cloud.Person(func(*emulator.House) { // as a request does, with the house to itself
						h.oracle.request(emulator.Request{Write: &emulator.Write{Device: "powerwall", Values: map[string]any{"storm_watch": true}}})
					})
				})
			}
		}},
		{I4, "the controller asks for the reserve that is there", func(h *home) {
			h.at(60*time.Minute, func() { h.rogueReserve(0) })
		}},
		{I4, "the controller asks for the set points that are there", func(h *home) {
			h.people(emulator.Setting{Cool: new(77.0), Heat: new(60.0), Hold: new(devices.HoldPermanent)})
			for _, before := range []time.Duration{-75, -60, -45} { // each may be heard after the reading that it causes
				h.at(before*time.Minute, func() { h.rogue(0, "is set back", 77, 60) })
			}
		}},
		{I5, "the node that stands by writes", func(h *home) {
			if h.world.Nodes > 1 {
				h.at(30*time.Minute, func() { h.other().write("backup", `{"backup_reserve_percent":0}`) })
			}
		}},
		{I5, "dry run is not dry", func(h *home) { h.world.DryRun = true }},
		{I6, "the calendar is another zone's", func(h *home) {
			h.configure("calls_per_month: 5000", "calls_per_month: 0") // else nothing is read when the peak begins
			h.configure("America/Los_Angeles", "America/Anchorage")
		}},
		{I7, "a token is published", func(h *home) {
			h.at(0, func() { h.say("powermgr/control/event", `{"reason":"the token is emulator-access"}`) })
		}},
		{I7, "a token is logged", func(h *home) {
			h.at(0, func() { _ = logOf{oracle: h.oracle}.Handle(t.Context(), record("the token is emulator-refresh")) })
		}},
		{I7, "a token is written to a file", func(h *home) {
			h.at(0, func() {
				file := filepath.Join(filepath.Dir(h.nodes[0].configFile), "2026-07-15.json")
				if err := os.WriteFile(file, []byte(`{"reason":"emulator-access"}`), 0o600); err != nil {
					panic(err)
				}
			})
		}},
		{I7, "a logger has a token for an attribute", func(h *home) {
			h.at(0, func() { slog.New(logOf{oracle: h.oracle}).With("token", "emulator-refresh").Info("asked") })
		}},
		{I9, "nothing is left of the energy counters", func(h *home) {
			h.at(50*time.Minute, func() {
				h.broker.mu.Lock()
				delete(h.broker.retained, "powermgr/powerwall/state") // behind the oracle's back
				h.broker.mu.Unlock()
				h.nodes[0].card.clear()
				h.active().end(ending{off: time.Minute, reboot: true})
			})
		}},
		{I8, "something goes on after the daemon has ended", func(h *home) {
			h.at(0, func() { go time.Sleep(24 * time.Hour) })
		}},
		{I10, "the answer to a refresh is lost", func(h *home) {
			h.at(0, func() {
				if err := token(filepath.Dir(h.nodes[0].configFile), "resideo.json", "emulator-resideo-lost"); err != nil {
					panic(err)
				}
			})
		}},
		{I11, "a poll does not wait as long as the vendor says", func(h *home) {
			h.world.Nodes, h.nodes = 1, h.nodes[:1]
			h.at(0, func() {
				h.fault(emulator.Fault{Endpoint: "tesla.*", Only: emulator.KindRead, Class: emulator.Status, Status: http.StatusTooManyRequests, RetryAfter: 30_000, Count: 2})
				h.ask("live_status")
			})
			h.at(20*time.Minute, func() { h.ask("live_status") })
		}},
		{I12, "the journal is written again and again", func(h *home) {
			h.at(-time.Hour, func() {
				n := h.active()
				for range maxSaves + 1 {
					_ = (&living{n, n.life, n.disk}).Write(n.disk.b) // its error does not matter here
				}
			})
		}},
		{I13, "a glitch sets the house back", func(h *home) {
			h.at(time.Hour, func() {
				h.say("powermgr/control/state", `{"phase":"peak","thresholds_latched":[{"minutes_left":30,"level_percent":-5}],"override":"auto","enabled":true}`)
			})
		}},
		{I16, "what was changed by hand is forgotten", func(h *home) {
			h.at(20*time.Minute, func() { h.byHand("peak_reserve", "30") })
			h.at(time.Hour, func() { h.say("powermgr/control/state", `{"phase":"peak","override":"auto","enabled":true}`) })
		}},
		{I16, "the button gives nothing back", func(h *home) {
			h.at(20*time.Minute, func() { h.byHand("peak_reserve", "30") })
			h.at(30*time.Minute, func() { h.byHand(allByHand, "PRESS") })
			h.at(time.Hour, func() {
				h.say("powermgr/control/state", `{"phase":"peak","override":"auto","enabled":true,"changed_by_hand":[{"setting":"peak_reserve","value":30}]}`)
			})
		}},
		{I16, "precooling is deeper than was set by hand", func(h *home) {
			h.at(-time.Hour, func() { h.byHand("precool_depth", "1") })
			h.at(-20*time.Minute, func() { h.rogue(0, "is cooled", 61, 55) })
		}},
		{I6, "the reserve that was set by hand does not hold in the peak", func(h *home) {
			h.at(-time.Hour, func() { h.byHand("peak_reserve", "30") })
			h.at(-time.Minute, func() { // people have set 30; the oracle believes 40
				h.oracle.mu.Lock()
				defer h.oracle.mu.Unlock()
				h.oracle.hand.value[rules.AdjustPeakReserve] = 40
			})
		}},
		{I14, "the reserve is never given back", func(h *home) { h.configure("dry_run: false", "dry_run: false\n  off_peak_reserve_percent: 0") }},
		{I5, "a stranger that is a dry run writes", func(h *home) {
			h.stranger = &node{name: "stranger", stranger: true, dry: true, own: second}
			if err := h.stranger.prepare(h, filepath.Dir(filepath.Dir(h.nodes[0].configFile))); err != nil {
				panic(err)
			}
			h.at(time.Hour, func() { h.stranger.write("backup", `{"backup_reserve_percent":0}`) })
		}},
		{I8, "the daemon does not stop", func(h *home) {
			h.at(time.Hour, func() {
				n := h.active()
				n.life.cancel = func(error) {}
				n.end(ending{how: stopped})
			})
		}},
		{I8, "the daemon ends", func(h *home) { h.at(0, func() { h.active().life.cancel(nil) }) }},
	} {
		t.Run(fmt.Sprintf("%s: %s", c.invariant[:2], c.how), func(t *testing.T) {
			found, others := 0, ""
			for seed := uint64(1); seed <= days; seed++ {
				for _, v := range live(t, Options{Seed: seed, Faults: None, Script: c.sabotage}).Violations {
					if v.Invariant == c.invariant {
						found++
					}
					others += "\n" + v.String()
				}
			}
			if found == 0 {
				t.Error("nobody noticed; there was only", others)
			}
		})
	}
}

// at makes something happen so long after the first peak's start.
func (h *home) at(after time.Duration, do func()) {
	peak, _ := h.oracle.calendar.Next(h.world.Begins)
	h.world.add(peak.Start.Add(after), scripted(func(*home) { do() }))
}

// configure changes the daemon's configuration behind the oracle's back.
func (h *home) configure(old, changed string) {
	for _, n := range h.nodes {
		text, err := os.ReadFile(n.configFile)
		if err == nil {
			err = os.WriteFile(n.configFile, []byte(strings.ReplaceAll(string(text), old, changed)), 0o600)
		}
		if err != nil {
			panic(err)
		}
		n.config = nil // what has been read of it does not count
	}
}

// write sends a command to Tesla, bypassing everything that would keep the node from it.
func (n *node) write(command, body string) {
	n.send(http.MethodPost, command, body)
}

// ask makes an extra poll.
func (h *home) ask(what string) { h.active().send(http.MethodGet, what, "") }

func (n *node) send(method, path, body string) {
	r, err := http.NewRequest(method, "http://127.0.0.1:1/api/1/energy_sites/1234567890123/"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	l := n.life
	if l == nil {
		l = &life{asks: map[string]int{}}
	}
	if res, err := (&transport{n, l}).RoundTrip(r); err == nil {
		res.Body.Close()
	}
}

// people sets all thermostats before the day begins.
func (h *home) people(s emulator.Setting) {
	h.cloud.Person(func(e *emulator.House) {
		for i, t := range e.Thermostats {
			t.Touch(time.Now(), s)
			h.oracle.homes[i].choices = []setting{settingOf(t)}
		}
	})
}

// bus returns the bus of the active node.
func (h *home) bus() *bus.Bus {
	h.broker.mu.Lock()
	defer h.broker.mu.Unlock()
	for _, l := range h.broker.links {
		if l.node == h.active() {
			return l.o.Bus
		}
	}
	panic("the active node has no link")
}

// say publishes something as if it came from a part of the daemon.
func (h *home) say(topic, payload string) {
	h.bus().Publish(bus.Message{Topic: topic, Payload: []byte(payload)})
}

// rogueReserve acts like a controller that asks for a reserve when it should not.
func (h *home) rogueReserve(percent int) {
	h.bus().Publish(bus.Message{
		Topic: "powermgr/powerwall/reserve/set", Source: devices.SourceControl, Generation: 1,
		Payload: fmt.Appendf(nil, `{"value":%d,"reason":"peak","id":"control-rogue"}`, percent),
	})
}

// rogue acts like a controller that does what it must not.
func (h *home) rogue(thermostat int, why string, cool, heat float64) {
	id := devices.TopicID(h.world.vendorID(thermostat))
	h.bus().Publish(bus.Message{
		Topic: "powermgr/thermostat/" + id + "/hold/set", Source: devices.SourceControl, Generation: 1,
		Payload: fmt.Appendf(nil, `{"value":"permanent","cool_setpoint":%g,"heat_setpoint":%g,"reason":"it %s","id":"control-rogue-%d"}`, cool, heat, why, time.Now().Unix()),
	})
}

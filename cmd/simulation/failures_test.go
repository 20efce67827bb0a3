package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/cmd/pair"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// hot returns a summer day without people and faults, on which the battery runs low: the
// first thermostat is on its schedule, the second in a permanent hold.
func hot(nodes int, backend string) *world {
	w := draw(1, None)
	w.Begins, w.Ends = time.Date(2026, 7, 15, 14, 30, 0, 0, zone()), time.Date(2026, 7, 15, 20, 30, 0, 0, zone())
	w.DryRun, w.Daily, w.Backend, w.Nodes, w.Rsync, w.Polls = false, true, backend, nodes, true, polls{300, 60, 300}
	w.Calls = 0 // the times of the rows are those of these polls
	w.Weather = weather{LowC: 20, HighC: 40, Clear: 1}
	w.Powerwall = powerwall{ChargePercent: 66, Reserve: 100, BaseLoadW: 2500}
	cool, heat := 75.0, 66.0
	w.Thermostats = []thermostat{{Mode: devices.Cool}, {Mode: devices.Cool, Set: change{Cool: &cool, Heat: &heat, Hold: new(devices.HoldPermanent)}}}
	w.Acts = nil
	return w
}

// day is a hot day, and everything that happened on it.
type day struct {
	t *testing.T
	*home
	requests []emulator.Request
	messages []bus.Message
	at       []time.Time    // of messages
	books    emulator.Books // as a script has recorded them
}

// lives simulates a hot day with what script adds to it; no promise may be broken except
// those that the script breaks on purpose.
func lives(t *testing.T, w *world, script func(*day), meant ...Invariant) *day {
	t.Helper()
	d := &day{t: t}
	r := live(t, Options{World: w, Script: func(h *home) {
		d.home = h
		h.onRequest = func(q emulator.Request) { d.requests = append(d.requests, q) }
		h.onMessage = func(_ string, m bus.Message) {
			d.messages, d.at = append(d.messages, m), append(d.at, time.Now())
		}
		script(d)
	}})
	for _, v := range r.Violations {
		if !slices.Contains(meant, v.Invariant) {
			t.Error(v)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("\n" + strings.Join(r.Story, "\n"))
		}
	})
	return d
}

// scripted is an event of a test.
type scripted func(*home)

func (s scripted) do(h *home)     { s(h) }
func (s scripted) String() string { return "script" }

// on makes something happen at a time of day such as 16:30.
func (d *day) on(clock string, do func()) {
	d.world.add(d.time(clock), scripted(func(*home) { do() }))
}

func (d *day) time(clock string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", d.world.day().Format("2006-01-02 ")+clock, zone())
	if err != nil {
		t, err = time.ParseInLocation("2006-01-02 15:04", d.world.day().Format("2006-01-02 ")+clock, zone())
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return t
}

func (d *day) between(from, to string) func(time.Time) bool {
	a, b := d.time(from), d.time(to)
	return func(t time.Time) bool { return !t.Before(a) && t.Before(b) }
}

// asked returns the requests to an endpoint, or to a whole vendor, in a period.
func (d *day) asked(endpoint, from, to string) (all []emulator.Request) {
	in := d.between(from, to)
	for _, q := range d.requests {
		if in(q.At) && (q.Endpoint == endpoint || q.Vendor == endpoint) {
			all = append(all, q)
		}
	}
	return all
}

// wrote returns the writes to a device in a period.
func (d *day) wrote(device, from, to string) (all []emulator.Request) {
	in := d.between(from, to)
	for _, q := range d.requests {
		if in(q.At) && q.Write != nil && q.Write.Device == device {
			all = append(all, q)
		}
	}
	return all
}

// last decodes the last payload on a topic before a time.
func (d *day) last(topic, before string, v any) {
	said := d.said(topic, "00:00", before)
	if len(said) == 0 {
		d.t.Fatalf("nothing was said on %s before %s", topic, before)
	}
	if err := json.Unmarshal([]byte(said[len(said)-1]), v); err != nil {
		d.t.Fatal(err)
	}
}

// said returns the payloads on a topic in a period.
func (d *day) said(topic, from, to string) (all []string) {
	in := d.between(from, to)
	for i, m := range d.messages {
		if in(d.at[i]) && m.Topic == "powermgr/"+topic {
			all = append(all, string(m.Payload))
		}
	}
	return all
}

// problems returns the reasons of the problems published as events in a period.
func (d *day) problems(from, to string) (all []string) {
	for _, payload := range d.said("control/event", from, to) {
		var e control.Event
		if json.Unmarshal([]byte(payload), &e) == nil && e.Type == "problem" {
			all = append(all, e.Reason)
		}
	}
	return all
}

func (d *day) is(what string, got, want any) {
	d.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		d.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const upstairs = "LCC-00A01AB10002"

// neverBlind checks that there is a read between two writes to a thermostat, and that
// there are writes.
func (d *day) neverBlind(vendor, reading string) {
	d.t.Helper()
	read := true
	for _, q := range d.asked(vendor, "15:29:30", "16:30") {
		if q.Endpoint == reading {
			read = true
		}
		if q.Write != nil && q.Write.Device == upstairs {
			if !read {
				d.t.Errorf("a blind second write at %s", q.At)
			}
			read = false
		}
	}
	if len(d.wrote(upstairs, "15:30", "16:30")) < 2 {
		d.t.Error("it was never sent again")
	}
}

// notTaken checks the precooling at 15:30, which no thermostat accepts.
func (d *day) notTaken(reading string) {
	d.t.Helper()
	d.is("writes before it is given up for a while", len(d.wrote(upstairs, "15:30", "15:39")), 3)
	if n := len(d.asked(reading, "15:30", "15:32:10")); n < 3 {
		d.t.Errorf("it was read back %d times", n)
	}
	if p := d.problems("15:30", "16:00"); len(p) != 2 || !strings.Contains(p[0], "did not change") { // one for each thermostat
		d.t.Errorf("told: %q", p)
	}
}

// nonsense makes a vendor answer nonsense for half an hour of the peak.
func (d *day) nonsense(endpoint string, bodies ...string) {
	for i, b := range bodies {
		d.on(fmt.Sprintf("16:%02d:30", 10+6*i), func() {
			d.cloud.ClearFaults()
			d.fault(emulator.Fault{Endpoint: endpoint, Class: emulator.Status, Status: 200, Body: b, Count: -1})
		})
	}
	d.on("16:45", func() { d.cloud.ClearFaults() })
}

// noneBelieved checks that nonsense did not become a reading.
func (d *day) noneBelieved() {
	d.t.Helper()
	id := "thermostat/" + devices.TopicID(d.world.vendorID(1))
	for _, payload := range d.said(id+"/state", "16:10:30", "16:45") {
		d.t.Errorf("it was published: %s", payload)
	}
	d.is("availability", slices.Compact(d.said(id+"/availability", "16:00", "18:00")), "[offline online]")
	if s := strings.Join(d.said("thermostats/api", "16:10", "16:45"), ""); !strings.Contains(s, `"problem":"nonsense"`) && !strings.Contains(s, `"problem":"unreachable"`) {
		d.t.Errorf("told: %q", s)
	}
}

// TestWhenThingsBreak has a row for each failure in the design's table. Rows about the
// broker's side of a connection are tested with real brokers in package bridge.
func TestWhenThingsBreak(t *testing.T) {
	for _, c := range []struct {
		row     string
		nodes   int
		backend string
		meant   []Invariant // promises that the script breaks on purpose
		script  func(*day)
		check   func(*day)
	}{
		{row: "a session is kept over restarts", backend: "tcc", meant: []Invariant{I12},
			script: func(d *day) {
				for i := range 200 {
					d.world.add(d.time("14:40").Add(time.Duration(i)*time.Minute), kill{Node: active, Down: time.Second})
				}
			},
			check: func(d *day) {
				if n := len(d.asked("tcc.login", "14:30", "18:05")); n > 8 { // the portal ends an idle session
					d.t.Errorf("%d log-ins in 200 restarts", n)
				}
			}},
		{row: "a vendor is unreachable", backend: "tcc",
			script: func(d *day) {
				d.on("14:52", func() { d.fault(emulator.Fault{Endpoint: "tcc.*", Class: emulator.Status, Status: 503, Count: -1}) })
				d.on("16:40", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) {
				d.is("readings during the outage", len(d.said("thermostat/1000002/state", "14:53", "16:39")), 0)
				d.is("availability", slices.Compact(d.said("thermostat/1000002/availability", "14:53", "18:00")), "[offline online]")
				d.is("the reserve in the peak", d.wrote("powerwall", "15:59", "16:01")[0].Write.Values["reserve"], 0)
				if n := len(d.asked("tcc", "14:53", "16:39")); n < 5 || n > 40 {
					d.t.Errorf("%d requests in two hours: that is no backing off", n)
				}
				if len(d.wrote(upstairs, "16:40", "19:00")) == 0 {
					d.t.Error("no setback once it answered")
				}
			}},
		{row: "a reading is stale", backend: "resideo",
			script: func(d *day) {
				d.on("15:36", func() {
					d.fault(emulator.Fault{Endpoint: "resideo.locations", Class: emulator.Status, Status: 500, Count: -1})
				})
				d.on("19:30", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) {
				d.is("set backs", len(d.wrote(upstairs, "16:05", "18:59")), 0)
				d.is("the reserve in the peak", d.wrote("powerwall", "15:59", "16:01")[0].Write.Values["reserve"], 0)
				n := 0
				for _, payload := range d.said("control/event", "16:00", "19:00") {
					if strings.Contains(payload, "too old") {
						n++
					}
				}
				if n > 2 { // one for each thermostat
					d.t.Errorf("it was said %d times", n)
				}
			}},
		{row: "a write times out", backend: "resideo",
			script: func(d *day) {
				d.on("15:59", func() {
					d.fault(emulator.Fault{Endpoint: "resideo.thermostat", Class: emulator.Hang, Count: 2})
				})
			},
			check: func(d *day) { d.neverBlind("resideo", "resideo.locations") }},
		{row: "a write is accepted and not carried out", backend: "resideo",
			script: func(d *day) {
				d.on("15:59", func() { d.fault(emulator.Fault{Endpoint: "tesla.backup", Class: emulator.Ignore, Count: -1}) })
				d.on("18:00", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) {
				d.is("writes before it is given up for a while", len(d.wrote("powerwall", "16:00", "16:09")), 3)
				if n := len(d.asked("tesla.site_info", "16:00", "16:02:10")); n < 3 {
					d.t.Errorf("it was read back %d times", n)
				}
				if p := d.problems("16:00", "16:30"); len(p) != 1 || !strings.Contains(p[0], "did not change") {
					d.t.Errorf("told: %q", p)
				}
			}},
		{row: "a write to a thermostat is accepted and not carried out, resideo", backend: "resideo",
			script: func(d *day) {
				d.on("15:20", func() { d.fault(emulator.Fault{Endpoint: "resideo.write", Class: emulator.Ignore, Count: -1}) })
				d.on("18:00", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) { d.notTaken("resideo.locations") }},
		{row: "a write to a thermostat is accepted and not carried out, tcc", backend: "tcc",
			script: func(d *day) {
				d.on("15:20", func() { d.fault(emulator.Fault{Endpoint: "tcc.submit", Class: emulator.Ignore, Count: -1}) })
				d.on("18:00", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) { d.notTaken("tcc.check") }},
		{row: "a write to the portal times out", backend: "tcc",
			script: func(d *day) {
				d.on("15:20", func() { d.fault(emulator.Fault{Endpoint: "tcc.submit", Class: emulator.Hang, Count: 2}) })
			},
			check: func(d *day) { d.neverBlind("tcc", "tcc.check") }},
		{row: "nonsense about thermostats, tcc", backend: "tcc",
			script: func(d *day) {
				d.nonsense("tcc.check", `<html>`, `null`, ``, `{"success":true}`, `{"success":true,"deviceLive":true,"latestData":{"uiData":{"CoolSetpoint":"NaN"}}}`)
			},
			check: func(d *day) { d.noneBelieved() }},
		{row: "nonsense about thermostats, resideo", backend: "resideo",
			script: func(d *day) {
				d.nonsense("resideo.locations", `<html>`, `null`, ``, `{}`, `[{"devices":[{"deviceID":"LCC-00A01AB10002","units":"Kelvin","changeableValues":{"coolSetpoint":4000}}]}]`)
			},
			check: func(d *day) { d.noneBelieved() }},
		{row: "401: one refresh and one retry", backend: "resideo",
			script: func(d *day) {
				d.on("15:07", func() { d.cloud.Tesla.KillTokens() })
			},
			check: func(d *day) {
				d.is("refreshes", len(d.asked("tesla.token", "15:07", "15:20")), 1)
				d.is("problems", len(d.problems("15:07", "16:00")), 0)
			}},
		{row: "401: needs re-authorization", backend: "resideo", meant: []Invariant{I10},
			script: func(d *day) {
				d.on("15:07", func() { d.cloud.Resideo.Revoke() })
			},
			check: func(d *day) {
				if n := len(d.asked("resideo", "15:07", "18:00")); n > 12 {
					d.t.Errorf("%d requests in three hours: that is hammering", n)
				}
				if !strings.Contains(strings.Join(d.said("thermostats/api", "15:07", "16:00"), ""), `"reauthorise":true`) {
					d.t.Error("nobody is told")
				}
			}},
		{row: "the broker is gone", backend: "resideo",
			script: func(d *day) {
				d.on("14:40", func() { d.broker.set(false, true) })
				d.on("20:00", func() { d.broker.set(true, false) })
			},
			check: func(d *day) {
				d.is("the reserve in the peak", d.wrote("powerwall", "15:59", "16:01")[0].Write.Values["reserve"], 0)
				if len(d.wrote(upstairs, "16:00", "19:00")) == 0 || len(d.wrote(upstairs, "19:00", "19:05")) == 0 {
					d.t.Error("no setback, or it was not given back")
				}
				for _, topic := range []string{"powermgr/control/state", "powermgr/powerwall/state", "powermgr/node/a/journal"} {
					if _, ok := d.broker.retained[topic]; !ok {
						d.t.Errorf("%s was not said again", topic)
					}
				}
			}},
		{row: "the daemon is away when the peak ends", backend: "tcc",
			script: func(d *day) {
				d.on("18:30", func() { d.active().end(ending{off: 2 * time.Hour, reboot: true}) })
			},
			check: func(d *day) {
				w := append(d.wrote(upstairs, "20:30", "20:31"), d.wrote("powerwall", "20:30", "20:31")...)
				if len(w) < 2 || w[0].Write.Values["cool_setpoint"] != 75.0 {
					d.t.Errorf("first of all it wrote %+v", w)
				}
			}},
		{row: "the disk is full", backend: "resideo",
			script: func(d *day) {
				d.on("15:00", func() { d.full(true) })
				d.on("18:00", func() { d.full(false) })
			},
			check: func(d *day) {
				d.is("setbacks while nothing could be kept", len(d.wrote(upstairs, "15:00", "18:00")), 0)
				d.is("the reserve in the peak", d.wrote("powerwall", "15:59", "16:01")[0].Write.Values["reserve"], 0)
				if len(d.wrote(upstairs, "18:00", "18:20")) == 0 {
					d.t.Error("no setback once it could")
				}
				if p := d.problems("15:00", "16:30"); len(p) != 1 || !strings.Contains(p[0], "journal") {
					d.t.Errorf("told: %q", p)
				}
			}},
		{row: "the disk is full when all is to be given back", backend: "resideo",
			script: func(d *day) {
				d.on("18:50", func() { d.full(true) })
			},
			check: func(d *day) {
				d.is("given back", d.wrote(upstairs, "19:00", "19:01")[0].Write.Values["cool_setpoint"], 75.0)
				d.is("the reserve", d.wrote("powerwall", "19:00", "19:01")[0].Write.Values["reserve"], 100)
			}},
		{row: "the clock jumps back into the peak", backend: "resideo",
			script: func(d *day) {
				d.on("19:10", func() { d.jump(-20 * time.Minute) })
				d.on("19:20", func() { d.right() })
			},
			check: func(d *day) {
				d.is("what the thresholds asked for is not asked for again", len(d.wrote(upstairs, "19:11", "19:20")), 0)
			}},
		{row: "nonsense from a vendor", backend: "resideo",
			script: func(d *day) {
				bodies := []string{"<html>", "null", "", "NaN", `{"response":{"percentage_charged":400,"grid_status":"Active"}}`, `{"response":{"percentage_charged":"NaN"}}`, `{"response":null}`}
				for i, b := range bodies {
					d.on(fmt.Sprintf("16:%02d:30", 10+i), func() {
						d.cloud.ClearFaults()
						d.fault(emulator.Fault{Endpoint: "tesla.live_status", Class: emulator.Status, Status: 200, Body: b, Count: -1})
					})
				}
				d.on("16:20", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) {
				for _, payload := range d.said("powerwall/state", "16:10:30", "16:20") {
					d.t.Errorf("it was published: %s", payload)
				}
				d.is("availability", slices.Compact(d.said("powerwall/availability", "16:00", "17:00")), "[offline online]")
				if s := d.said("powerwall/api", "16:10", "16:20"); len(s) == 0 || !strings.Contains(s[len(s)-1], `"problem":"nonsense"`) {
					d.t.Errorf("told: %q", s)
				}
			}},
		{row: "the power fails, the ramdisk is lost and the broker has forgotten", backend: "tcc",
			script: func(d *day) {
				d.on("16:40", func() {
					d.broker.set(false, true)
					d.active().end(ending{off: 30 * time.Minute, reboot: true})
				})
				d.on("16:45", func() { d.broker.set(true, false) })
				d.on("18:30", func() { d.books = d.cloud.Truth().Books })
			},
			check: func(d *day) {
				var r devices.PowerwallReading
				d.last("powerwall/state", "18:30:01", &r)
				// All energy is counted by Tesla's meters, except for the last hour.
				for what, v := range map[string][2]float64{
					"home": {float64(*r.Home), d.books.Home}, "solar": {float64(*r.Solar), d.books.Solar}, "grid import": {float64(*r.GridImport), d.books.Import},
					"battery out": {float64(*r.BatteryOut), d.books.BatteryOut}, "battery in": {float64(*r.BatteryIn), d.books.BatteryIn},
				} {
					if off := v[0] - v[1]; off < -300 || off > 300 {
						d.t.Errorf("%s: %.0f Wh are counted, the house has %.0f", what, v[0], v[1])
					}
				}
			}},
		{row: "the gateway is offline and the cloud repeats its last figures", backend: "tcc",
			script: func(d *day) {
				d.on("16:10:30", func() {
					d.fault(emulator.Fault{Endpoint: "tesla.live_status", Class: emulator.Status, Status: 200, Count: -1, Body: fmt.Sprintf(
						`{"response":{"percentage_charged":20,"battery_power":0,"solar_power":0,"load_power":3000,"grid_power":3000,"island_status":"on_grid","timestamp":%q}}`,
						d.time("10:10").Format(time.RFC3339))})
				})
				d.on("17:10:30", func() { d.cloud.ClearFaults() })
			},
			check: func(d *day) {
				var before, after devices.PowerwallReading
				d.last("powerwall/state", "16:10:31", &before)
				d.last("powerwall/state", "17:10:31", &after)
				d.is("what was integrated over one measurement", float64(*after.GridImport), float64(*before.GridImport))
				d.is("availability", slices.Compact(d.said("powerwall/availability", "16:00", "18:00")), "[offline online]")
				var c control.State
				d.last("control/state", "16:20", &c)
				d.is("a problem", c.Problem, true)
				d.is("which", c.Problems, "[{old Tesla's figures are 6 h old: they start no new setback}]")
				d.is("what it decides from", strings.Contains(c.Reason, "battery"), false)
				d.is("thresholds from it", len(c.Latched), 0)
				var h health.Health
				d.last("control/health", "16:20", &h)
				d.is("a fault", strings.HasPrefix(*h.Parts[health.Powerwall].Problem, "Tesla's data is 6 h old"), true)
				d.last("control/health", "17:20", &h)
				d.is("its end", h.Parts[health.Powerwall].OK, true)
			}},
		{row: "two nodes are active", nodes: 2, backend: "tcc",
			script: func(d *day) {
				d.on("16:30", func() { d.keepalived.split(true) })
				d.on("17:30", func() { d.keepalived.split(false) })
			},
			check: func(d *day) {
				var s pair.State
				said := d.said("node/a/state", "16:30", "16:31")
				if len(said) == 0 || json.Unmarshal([]byte(said[len(said)-1]), &s) != nil || s.Role != pair.Standby {
					d.t.Errorf("the one with the lower claim says %q", said)
				}
				d.is("set points changed by it", len(d.wrote(upstairs, "16:30", "16:32")), 0)
			}},
		{row: "the active node dies in the peak", nodes: 2, backend: "tcc",
			script: func(d *day) {
				d.on("17:02", func() { d.active().end(ending{off: time.Hour, reboot: true}) })
			},
			check: func(d *day) {
				d.is("who polls then", len(d.asked("tesla.live_status", "17:02:03", "17:02:05")), 1)
				d.is("set points changed by it", len(d.wrote(upstairs, "17:02", "17:03")), 0)
				d.is("given back", d.wrote(upstairs, "19:00", "19:01")[0].Write.Values["cool_setpoint"], 75.0)
			}},
	} {
		t.Run(c.row, func(t *testing.T) {
			t.Parallel()
			d := lives(t, hot(max(c.nodes, 1), c.backend), c.script, c.meant...)
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("there is less to check than there should be: %v", r)
				}
			}()
			d.t = t
			c.check(d)
		})
	}
}

// TestRotatedTokensAreOnDiskFirst looks into the token file at the first use of
// each access token.
func TestRotatedTokensAreOnDiskFirst(t *testing.T) {
	var kept []string
	lives(t, hot(1, "resideo"), func(d *day) {
		d.onRequest = func(q emulator.Request) {
			file, ok := map[string]string{"resideo.locations": "resideo.json", "tesla.live_status": "tesla.json"}[q.Endpoint]
			if !ok || q.Status != 200 {
				return
			}
			b, err := os.ReadFile(filepath.Join(filepath.Dir(d.nodes[0].configFile), file))
			if err != nil {
				t.Error(err)
			}
			kept = append(kept, string(b))
		}
		d.on("16:02", func() { d.cloud.Tesla.KillTokens(); d.cloud.Resideo.KillTokens() })
	})
	all := len(slices.Compact(slices.Sorted(slices.Values(kept))))
	for _, text := range kept {
		if strings.Contains(text, `"emulator-refresh"`) || strings.Contains(text, `"emulator-resideo-refresh"`) {
			t.Errorf("a call was made while the file still had the token that was rotated away: %s", text)
			break
		}
	}
	if all < 4 {
		t.Errorf("only %d contents of the files were seen", all)
	}
}

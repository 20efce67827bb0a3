package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// activeNode is a single node, of generation 3.
type activeNode struct{}

func (activeNode) Active() bool       { return true }
func (activeNode) Generation() uint64 { return 3 }

var treeTopics = devices.Topics{Base: "powermgr"}

// fakeBattery does what its fields say.
type fakeBattery struct {
	mu      sync.Mutex
	reserve int
	applied []int
	lands   time.Duration // after the write; negative: never
	snaps   int           // the value it takes instead of the requested one; 0: the requested one
	read    error
	apply   error
	slow    time.Duration // how long a read takes
	storm   bool
	tariff  string

	applying func() // called during a write; may be nil

	lives, settings []time.Time // when each was read
}

func (f *fakeBattery) Read(ctx context.Context) (devices.PowerwallReading, error) {
	f.note(&f.lives)
	f.note(&f.settings)
	return f.answer(ctx)
}

func (f *fakeBattery) ReadLive(ctx context.Context) (devices.PowerwallReading, error) {
	f.note(&f.lives)
	r, err := f.answer(ctx)
	r.ReservePercent = nil
	return r, err
}

func (f *fakeBattery) ReadSettings(ctx context.Context) (devices.PowerwallReading, error) {
	f.note(&f.settings)
	r, err := f.answer(ctx)
	return devices.PowerwallReading{ReservePercent: r.ReservePercent}, err
}

func (f *fakeBattery) note(reads *[]time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*reads = append(*reads, time.Now())
}

func (f *fakeBattery) answer(ctx context.Context) (devices.PowerwallReading, error) {
	f.mu.Lock()
	slow, err := f.slow, f.read
	f.mu.Unlock()
	if slow > 0 {
		select {
		case <-ctx.Done():
			return devices.PowerwallReading{}, ctx.Err()
		case <-time.After(slow):
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	reserve, storm := f.reserve, f.storm
	return devices.PowerwallReading{ReservePercent: &reserve, ChargePercent: new(devices.Percent(50)), StormActive: &storm, Tariff: json.RawMessage(f.tariff)}, err
}

func (f *fakeBattery) Apply(_ context.Context, c devices.PowerwallCommand) error {
	if f.applying != nil {
		f.applying()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Reserve == nil {
		return nil
	}
	f.applied = append(f.applied, *c.Reserve)
	var e *devices.Error
	if f.apply != nil && !(errors.As(f.apply, &e) && e.MaybeDone) {
		return f.apply
	}
	if f.lands >= 0 {
		to := *c.Reserve
		if f.snaps != 0 {
			to = f.snaps
		}
		if f.lands == 0 {
			f.reserve = to
			return f.apply
		}
		time.AfterFunc(f.lands, func() { f.set(func() { f.reserve = to }) })
	}
	return f.apply
}

func (f *fakeBattery) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeBattery) writes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.applied...)
}

// rig is a part of the bridge on a bus in a bubble.
type rig struct {
	t   *testing.T
	bus *bus.Bus
	sub *bus.Subscription
}

func bubble(t *testing.T, part func(s Shared) func(context.Context) error, scenario func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := bus.New(bus.Wall{})
		r := &rig{t: t, bus: b, sub: b.Subscribe("test", "powermgr/#")}
		run := part(Shared{Bus: b, Topics: treeTopics, Role: activeNode{}, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- run(ctx) }()
		synctest.Wait()
		defer func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run ended with %v", err)
			}
		}()
		scenario(r)
	})
}

func battery(f *fakeBattery) func(Shared) func(context.Context) error {
	return func(s Shared) func(context.Context) error {
		return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return 5 * time.Minute }}).Run
	}
}

func (r *rig) send(topic, payload string) {
	r.bus.Publish(bus.Message{Topic: topic, Payload: []byte(payload), Origin: bus.Broker})
	synctest.Wait()
}

func (r *rig) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// got returns the payloads on topics that match filter, and drops all others.
func (r *rig) got(filter string) (payloads []string) {
	for {
		m, ok, err := r.sub.Next(r.t.Context(), time.Now())
		if err != nil || !ok {
			return payloads
		}
		if bus.Match(filter, m.Topic) {
			payloads = append(payloads, string(m.Payload))
		}
	}
}

func (r *rig) results(filter string) (out []devices.Result) {
	r.t.Helper()
	for _, p := range r.got(filter) {
		var res devices.Result
		if err := json.Unmarshal([]byte(p), &res); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, res)
	}
	return out
}

func TestReserveCommand(t *testing.T) {
	for _, c := range []struct {
		name    string
		battery *fakeBattery
		after   time.Duration // until the final answer is there
		writes  int
		applied any
		reason  string // a part of the final one
	}{
		{"shown at once", &fakeBattery{reserve: 100}, time.Second, 1, 20.0, ""},
		{"lands after a minute", &fakeBattery{reserve: 100, lands: time.Minute}, 3 * time.Minute, 1, 20.0, ""},
		{"ignored: three writes, then a reason", &fakeBattery{reserve: 100, lands: -1}, 8 * time.Minute, 3, 100.0, "sent 3 times, but the device did not change"},
		{"the device makes something else of it", &fakeBattery{reserve: 100, snaps: 25}, 40 * time.Second, 1, 25.0, "the device shows something else"},
		{"timed out and yet done: read back, no second write", &fakeBattery{reserve: 100, apply: &devices.Error{Kind: devices.Unreachable, MaybeDone: true, Err: errors.New("x")}}, time.Second, 1, 20.0, ""},
		{"shown before it was sent, and its answer is lost each time", &fakeBattery{reserve: 20, apply: &devices.Error{Kind: devices.Nonsense, MaybeDone: true, Err: errors.New("no JSON")}}, 8 * time.Minute, 3, nil, "it is not known whether it arrived"},
		{"refused by the vendor", &fakeBattery{reserve: 100, apply: &devices.Error{Kind: devices.Refused, Err: errors.New("no such site")}}, time.Second, 1, nil, "no such site"},
		{"dry run", &fakeBattery{reserve: 100, apply: ErrDryRun}, time.Second, 1, nil, "not sent, dry run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.battery
			bubble(t, battery(f), func(r *rig) {
				r.got("#")
				r.send("powermgr/powerwall/reserve/set", `{"value":20,"id":"7"}`)
				r.sleep(c.after)
				res := r.results("powermgr/powerwall/reserve/result")
				if len(res) != 2 || !res[0].Accepted || res[0].Final || res[0].Applied != nil || res[0].ID != "7" || res[0].Requested != 20.0 {
					t.Fatalf("answers: %+v", res)
				}
				last := res[1]
				if !last.Final || last.Applied != c.applied || (c.reason == "") != (last.Reason == "") || !strings.Contains(last.Reason, c.reason) {
					t.Errorf("final: %+v", last)
				}
				if got := len(f.writes()); got != c.writes {
					t.Errorf("%d writes, want %d", got, c.writes)
				}
			})
		})
	}
}

// The first answer triggers work, above all a save of the journal, which delayed the
// request on its way to the vendor.
func TestTheFirstAnswerHoldsUpNoRequest(t *testing.T) {
	const results = "powermgr/powerwall/reserve/result"
	f := &fakeBattery{reserve: 100}
	bubble(t, battery(f), func(r *rig) {
		for _, c := range []struct {
			name    string
			takes   time.Duration // the vendor, until it answers
			answers int           // by then
		}{
			{"a vendor that answers at once", 0, 0},
			{"the request has left", firstAnswer, 1},
			{"a vendor that lets a person wait", 20 * time.Second, 1},
		} {
			var before, during []devices.Result
			r.got("#")
			f.applying = func() {
				before = r.results(results)
				time.Sleep(c.takes)
				if c.takes > 0 {
					time.Sleep(time.Nanosecond) // lets everything else that is due now happen first
				}
				during = r.results(results)
			}
			r.send("powermgr/powerwall/reserve/set", "20")
			r.sleep(time.Minute)
			after := r.results(results)
			if len(before) > 0 || len(during) != c.answers || len(during)+len(after) != 2 {
				t.Errorf("%s: answered with %+v, %+v and then %+v", c.name, before, during, after)
			}
			if all := append(during, after...); len(all) == 2 && (all[0].Final || !all[1].Final) {
				t.Errorf("%s: the answers are %+v", c.name, all)
			}
		}
	})
}

func TestRefusedPowerwallCommands(t *testing.T) {
	for _, c := range []struct{ name, topic, payload, reason string }{
		{"81–99", "reserve", "90", "81–99 into 80"},
		{"too much", "reserve", "101", "outside 0–100"},
		{"half a percent", "reserve", "20.5", "whole number"},
		{"no number", "reserve", "lots", "whole number"},
		{"nothing", "reserve", "", "the payload is empty"},
		{"not finite", "reserve", "NaN", "whole number"},
		{"huge", "reserve", "1e300", "whole number"},
		{"an unknown mode", "mode", "turbo", "send self_consumption"},
		{"an unknown export rule", "export_rule", "all", "send battery_ok"},
		{"neither on nor off", "storm_watch", "2", "neither ON nor OFF"},
		{"an unknown setting", "color", "red", "send to reserve"},
		{"half an object", "reserve", `{"value":`, "JSON"},
		{"no value", "reserve", `{"id":"1"}`, `no "value"`},
		{"a list", "reserve", `{"value":[1]}`, "not a text"},
		{"too long", "reserve", strings.Repeat("9", 5000), "4096 is the most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeBattery{reserve: 100}
			bubble(t, battery(f), func(r *rig) {
				r.got("#")
				r.send("powermgr/powerwall/"+c.topic+"/set", c.payload)
				res := r.results("powermgr/powerwall/+/result")
				if len(res) != 1 || res[0].Accepted || !res[0].Final || !strings.Contains(res[0].Reason, c.reason) {
					t.Errorf("%+v", res)
				}
				if len(f.writes()) != 0 {
					t.Error("it was written")
				}
			})
		})
	}
}

func TestStaleCommandsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		m       bus.Message
		cleared bool
	}{
		{"retained", bus.Message{Retain: true}, true},
		{"expired", bus.Message{Expires: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}, false},
		{"of an older generation", bus.Message{Generation: 2, Source: devices.SourceControl}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeBattery{reserve: 100}
			bubble(t, battery(f), func(r *rig) {
				r.got("#")
				m := c.m
				m.Topic, m.Payload, m.Origin = "powermgr/powerwall/reserve/set", []byte("20"), bus.Broker
				r.bus.Publish(m)
				synctest.Wait()
				answered, cleared := 0, false
				for {
					m, ok, _ := r.sub.Next(t.Context(), time.Now())
					if !ok {
						break
					}
					if strings.HasSuffix(m.Topic, "/result") {
						answered++
					}
					cleared = cleared || strings.HasSuffix(m.Topic, "/set") && m.Retain && len(m.Payload) == 0 && m.Origin == bus.Local
				}
				if answered != 1 || cleared != c.cleared || len(f.writes()) != 0 {
					t.Errorf("answered %d, cleared %v, written %v", answered, cleared, f.writes())
				}
			})
		})
	}
}

func TestANewerCommandSupersedes(t *testing.T) {
	f := &fakeBattery{reserve: 100, lands: time.Minute}
	bubble(t, battery(f), func(r *rig) {
		r.got("#")
		r.send("powermgr/powerwall/reserve/set", `{"value":20,"id":"a"}`)
		r.sleep(10 * time.Second)
		r.send("powermgr/powerwall/reserve/set", `{"value":30,"id":"b"}`)
		r.sleep(4 * time.Minute)
		for _, res := range r.results("powermgr/powerwall/reserve/result") {
			if res.Final && (res.ID == "a" && !strings.Contains(res.Reason, "superseded") || res.ID == "b" && res.Applied != 30.0) {
				t.Errorf("%+v", res)
			}
		}
	})
}

// The broker delivers a command again to a daemon that has just started, which by itself
// sends commands that were not answered.
func TestACommandDeliveredTwiceIsWrittenOnce(t *testing.T) {
	b, th, quick := &fakeBattery{reserve: 100, lands: time.Minute}, newThermostats(), &fakeBattery{reserve: 100}
	th.delay = time.Minute
	for _, c := range []struct {
		name   string
		topic  string
		value  string
		apart  time.Duration
		part   func(Shared) func(context.Context) error
		writes func() int
		want   int
	}{
		{"reserve", "powermgr/powerwall/reserve", `20`, 3 * time.Second, battery(b), func() int { return len(b.writes()) }, 1},
		{"reserve, a person asks again later", "powermgr/powerwall/reserve", `40`, 15 * time.Second, battery(b), func() int { return len(b.writes()) }, 2},
		{"reserve, which the battery shows already", "powermgr/powerwall/reserve", `30`, 6 * time.Second, battery(quick), func() int { return len(quick.writes()) }, 1},
		{"the fan", "powermgr/thermostat/up/fan", `on`, 3 * time.Second, thermostats(th), func() int { return len(th.commands()) }, 1},
		{"set point", "powermgr/thermostat/up/cool_setpoint", `78`, 3 * time.Second, thermostats(th), func() int { return len(th.commands()) }, 1},
		{"set point, a person asks again later", "powermgr/thermostat/up/cool_setpoint", `77`, 15 * time.Second, thermostats(th), func() int { return len(th.commands()) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.part, func(r *rig) {
				r.got("#")
				before := c.writes()
				for _, id := range []string{"a", "b"} {
					r.send(c.topic+"/set", fmt.Sprintf(`{"value":%q,"id":%q}`, c.value, id))
					r.sleep(c.apart)
				}
				r.sleep(5 * time.Minute)
				if got := c.writes() - before; got != c.want {
					t.Errorf("%d writes, want %d", got, c.want)
				}
				carried := map[string]bool{}
				for _, res := range r.results(c.topic + "/result") {
					carried[res.ID] = carried[res.ID] || res.Final && res.Accepted && res.Reason == ""
				}
				if c.want == 1 && !carried["a"] || !carried["b"] {
					t.Errorf("carried out: %v", carried)
				}
			})
		})
	}
}

// The controller has nothing to undo after a command that never reached the vendor.
func TestASupersededCommandSaysWhetherTheVendorWasTold(t *testing.T) {
	away := &devices.Error{Vendor: "tesla", Op: "x", Kind: devices.Unreachable, Err: errors.New("no route")}
	for name, told := range map[string]bool{"it was": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			b, th := &fakeBattery{reserve: 100, lands: time.Minute}, newThermostats()
			th.delay = time.Minute
			if !told {
				b.apply, th.apply = away, away
			}
			for topic, part := range map[string]func(Shared) func(context.Context) error{"powermgr/powerwall/reserve": battery(b), "powermgr/thermostat/up/hold": thermostats(th)} {
				bubble(t, part, func(r *rig) {
					values := []string{`{"value":0,"id":"a"}`, `{"value":100,"id":"b"}`}
					if strings.HasSuffix(topic, "hold") {
						values = []string{`{"value":"permanent","cool_setpoint":78,"id":"a"}`, `{"value":"permanent","cool_setpoint":77,"id":"b"}`}
					}
					r.got("#")
					r.command(topic+"/set", values[0])
					r.sleep(2 * time.Second)
					r.command(topic+"/set", values[1])
					ended := 0
					for _, res := range r.results(topic + "/result") {
						if res.ID == "a" && res.Final {
							ended++
							if res.Accepted != told || !strings.Contains(res.Reason, "superseded") {
								t.Errorf("%+v", res)
							}
						}
					}
					if ended != 1 {
						t.Errorf("%s: the first command ended %d times", topic, ended)
					}
				})
			}
		})
	}
}

// The controller may repeat a command that is on its way, for example after grid
// services controlled the battery for a moment.
func TestACommandForWhatIsOnItsWayIsNotSentOnceMore(t *testing.T) {
	f := &fakeBattery{reserve: 0, lands: time.Hour}
	bubble(t, battery(f), func(r *rig) {
		r.got("#")
		r.command("powermgr/powerwall/reserve/set", `{"value":100,"id":"a"}`)
		r.sleep(3 * time.Minute)
		r.command("powermgr/powerwall/reserve/set", `{"value":100,"id":"b"}`)
		r.sleep(10 * time.Minute)
		if got := len(f.writes()); got != devices.MaxSends {
			t.Errorf("it was sent %d times, want %d: %v", got, devices.MaxSends, f.writes())
		}
		ended := map[string]bool{}
		for _, res := range r.results("powermgr/powerwall/reserve/result") {
			ended[res.ID] = ended[res.ID] || res.Final
		}
		if !ended["a"] || !ended["b"] {
			t.Errorf("answered to the end: %v", ended)
		}
	})
}

func TestAPersonComesFirst(t *testing.T) {
	f := &fakeBattery{reserve: 100}
	bubble(t, battery(f), func(r *rig) {
		r.send("powermgr/powerwall/reserve/set", "40")
		r.sleep(time.Second)
		r.got("#")
		r.bus.Publish(bus.Message{Topic: "powermgr/powerwall/reserve/set", Payload: []byte("0"), Source: devices.SourceControl, Generation: 3})
		synctest.Wait()
		if res := r.results("powermgr/powerwall/reserve/result"); len(res) != 1 || res[0].Accepted || !res[0].GaveWay {
			t.Errorf("%+v", res)
		}
		r.sleep(time.Minute)
		r.bus.Publish(bus.Message{Topic: "powermgr/powerwall/reserve/set", Payload: []byte("0"), Source: devices.SourceControl, Generation: 3})
		r.sleep(time.Second)
		if got := f.writes(); fmt.Sprint(got) != "[40 0]" {
			t.Errorf("written %v", got)
		}
	})
}

func TestACommandEndsASlowPoll(t *testing.T) {
	f := &fakeBattery{reserve: 100}
	bubble(t, battery(f), func(r *rig) {
		f.set(func() { f.slow = 20 * time.Second })
		r.sleep(5*time.Minute + time.Second) // into the next poll
		start := time.Now()
		r.send("powermgr/powerwall/reserve/set", "20")
		if len(f.writes()) != 1 || time.Since(start) != 0 {
			t.Errorf("it was sent after %v: %v", time.Since(start), f.writes())
		}
	})
}

func TestAvailability(t *testing.T) {
	f := &fakeBattery{reserve: 100}
	bubble(t, battery(f), func(r *rig) {
		avail := func() string {
			m, _ := r.bus.Retained("powermgr/powerwall/availability")
			return string(m.Payload)
		}
		if avail() != "online" {
			t.Fatalf("at first %q", avail())
		}
		f.set(func() { f.read = &devices.Error{Kind: devices.Unreachable, Err: errors.New("x")} })
		r.sleep(5*time.Minute + time.Second)
		if avail() != "online" {
			t.Error("one miss took it offline")
		}
		r.sleep(10 * time.Minute)
		if avail() != "offline" {
			t.Error("three misses did not")
		}
		if m, ok := r.bus.Retained("powermgr/powerwall/state"); !ok || !strings.Contains(string(m.Payload), `"reserve_percent":100`) {
			t.Error("the last reading was not kept")
		}
		f.set(func() { f.read = nil })
		r.sleep(10 * time.Minute)
		if avail() != "online" {
			t.Error("it did not come back")
		}
	})
	t.Run("at once when a person has to authorize again", func(t *testing.T) {
		f := &fakeBattery{read: &devices.Error{Kind: devices.Unauthorized, Err: errors.New("x")}}
		bubble(t, battery(f), func(r *rig) {
			if got := r.got("powermgr/powerwall/+"); len(got) != 2 || !strings.Contains(strings.Join(got, " "), `"reauthorise":true`) || !strings.Contains(strings.Join(got, " "), "offline") {
				t.Errorf("%q", got)
			}
		})
	})
	t.Run("a Retry-After is obeyed", func(t *testing.T) {
		var reads atomic.Int64
		f := &counting{fakeBattery: fakeBattery{read: &devices.Error{Kind: devices.Throttled, RetryAfter: time.Hour, Err: errors.New("x")}}, reads: &reads}
		bubble(t, func(s Shared) func(context.Context) error {
			return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return time.Minute }}).Run
		}, func(r *rig) {
			r.sleep(59 * time.Minute)
			if n := reads.Load(); n != 1 {
				t.Errorf("%d reads within the hour", n)
			}
		})
	})
}

type counting struct {
	fakeBattery
	reads *atomic.Int64
}

func (c *counting) Read(ctx context.Context) (devices.PowerwallReading, error) {
	c.reads.Add(1)
	return c.fakeBattery.Read(ctx)
}

func (c *counting) ReadSettings(ctx context.Context) (devices.PowerwallReading, error) {
	c.reads.Add(1)
	return c.fakeBattery.ReadSettings(ctx)
}

// fakeThermostats is one thermostat that carries out commands at once, unless delay is
// set.
type fakeThermostats struct {
	mu      sync.Mutex
	delay   time.Duration
	r       devices.ThermostatReading
	applied []devices.ThermostatCommand
	apply   error // returned by Apply; nil: the command is carried out
}

func newThermostats() *fakeThermostats {
	return &fakeThermostats{r: devices.ThermostatReading{
		VendorID: "UP", Name: "Up", Unit: devices.Fahrenheit, Step: 1, Deadband: 3, HoldStep: 15, Alive: true,
		Mode: new(devices.Cool), CoolSetpoint: new(76.0), HeatSetpoint: new(68.0), Hold: new(devices.HoldSchedule),
		Fan: new(devices.FanAuto), Modes: []devices.HVACMode{devices.Off, devices.Heat, devices.Cool, devices.HeatCool},
		Fans: []devices.Fan{devices.FanAuto, devices.FanOn}, Holds: []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent},
		CoolMin: new(50.0), CoolMax: new(99.0), HeatMin: new(40.0), HeatMax: new(90.0),
	}}
}

func (f *fakeThermostats) Read(context.Context) ([]devices.ThermostatReading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []devices.ThermostatReading{f.r}, nil
}

func (f *fakeThermostats) Apply(_ context.Context, id string, c devices.ThermostatCommand) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.apply != nil {
		return f.apply
	}
	merged, err := f.r.Merge(c, time.Now())
	if err != nil {
		return &devices.Error{Vendor: "fake", Kind: devices.Refused, Err: err}
	}
	f.applied = append(f.applied, c)
	lay := func(m devices.ThermostatCommand) {
		if m.Mode != nil {
			f.r.Mode = m.Mode
		}
		if m.Fan != nil {
			f.r.Fan = m.Fan
		}
		if m.CoolSetpoint != nil {
			f.r.CoolSetpoint = m.CoolSetpoint
		}
		if m.HeatSetpoint != nil {
			f.r.HeatSetpoint = m.HeatSetpoint
		}
		if m.Hold != nil {
			f.r.Hold, f.r.HoldUntil = m.Hold, m.HoldUntil
		}
	}
	if f.delay == 0 {
		lay(merged)
		return nil
	}
	time.AfterFunc(f.delay, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		lay(merged)
	})
	return nil
}

func (f *fakeThermostats) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.applied {
		out = append(out, describeThermostat(c))
	}
	return out
}

func thermostats(f *fakeThermostats) func(Shared) func(context.Context) error {
	return func(s Shared) func(context.Context) error {
		return NewThermostats(ThermostatsOptions{
			Shared: s, Device: f, Location: time.UTC, Every: func(time.Time) time.Duration { return 5 * time.Minute },
		}).Run
	}
}

// The bubble's clock begins at midnight UTC.
func TestThermostatCommands(t *testing.T) {
	type command struct{ setting, payload string }
	for _, c := range []struct {
		name   string
		send   []command
		want   string // what reached the device, commands separated by "; "
		reason string // a part of the refusal; empty: done
	}{
		{"a set point", []command{{"cool_setpoint", "74"}}, "cool 74", ""},
		{"in the present mode", []command{{"setpoint", "73"}}, "cool 73", ""},
		{"as Home Assistant sends it", []command{{"setpoint", "73.40000000000001"}}, "cool 73.4", ""},
		{"both set points at once", []command{{"heat_setpoint", "66"}, {"cool_setpoint", "78"}}, "cool 78 heat 66", ""},
		{"mode, then set points", []command{{"mode", "heat_cool"}, {"heat_setpoint", "66"}, {"cool_setpoint", "78"}}, "heat_cool cool 78 heat 66", ""},
		{"a later one of the same moment counts", []command{{"cool_setpoint", "74"}, {"cool_setpoint", "75"}}, "cool 75", "superseded"},
		{"the fan", []command{{"fan", "on"}}, "fan on", ""},
		{"the schedule", []command{{"hold", "schedule"}}, "schedule", ""},
		{"the schedule in Home Assistant's word", []command{{"hold", "none"}}, "schedule", ""},
		{"until a time", []command{{"hold", "until 19:00"}}, "until 19:00", ""},
		{"permanent with set points", []command{{"hold", `{"value":"permanent","cool_setpoint":77,"heat_setpoint":65}`}}, "cool 77 heat 65 permanent", ""},
		{"too warm", []command{{"cool_setpoint", "150"}}, "", "outside 50–99"},
		{"no number", []command{{"cool_setpoint", "warm"}}, "", "not a temperature"},
		{"not finite", []command{{"cool_setpoint", "Inf"}}, "", "not a temperature"},
		{"an unknown mode", []command{{"mode", "dry"}}, "", "not one of"},
		{"an unknown fan mode", []command{{"fan", "turbo"}}, "", "not one of"},
		{"an unknown hold", []command{{"hold", "forever"}}, "", "not a hold"},
		{"a hold without its time", []command{{"hold", "until"}}, "", "without a time"},
		{"vacation can only be read", []command{{"hold", "vacation"}}, "", "not a hold"},
		{"an unknown setting", []command{{"color", "red"}}, "", "send to mode"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newThermostats()
			bubble(t, thermostats(f), func(r *rig) {
				r.got("#")
				for _, cmd := range c.send {
					r.send("powermgr/thermostat/up/"+cmd.setting+"/set", cmd.payload)
				}
				r.sleep(5 * time.Second)
				if got := strings.Join(f.commands(), "; "); got != c.want {
					t.Errorf("the device was told %q, want %q", got, c.want)
				}
				finals, refusals := 0, ""
				for _, res := range r.results("powermgr/thermostat/up/+/result") {
					if res.Final {
						finals++
						refusals += res.Reason
					}
				}
				if finals != len(c.send) || (c.reason == "") != (refusals == "") || !strings.Contains(refusals, c.reason) {
					t.Errorf("%d final answers, %q", finals, refusals)
				}
			})
		})
	}
	t.Run("an unknown thermostat", func(t *testing.T) {
		f := newThermostats()
		bubble(t, thermostats(f), func(r *rig) {
			r.got("#")
			r.send("powermgr/thermostat/down/cool_setpoint/set", "74")
			if res := r.results("powermgr/thermostat/down/+/result"); len(res) != 1 || !strings.Contains(res[0].Reason, "no thermostat") {
				t.Errorf("%+v", res)
			}
		})
	})
}

func TestTheControllersHoldIsOneWriteAtOnce(t *testing.T) {
	f := newThermostats()
	bubble(t, thermostats(f), func(r *rig) {
		r.bus.Publish(bus.Message{
			Topic: "powermgr/thermostat/up/hold/set", Source: devices.SourceControl, Generation: 3,
			Payload: []byte(`{"value":"until","until":"2000-01-01T03:00:00Z","cool_setpoint":78,"heat_setpoint":68,"id":"c1"}`),
		})
		synctest.Wait()
		if got := f.commands(); len(got) != 1 || got[0] != "cool 78 heat 68 until 03:00" {
			t.Errorf("%q", got)
		}
	})
}

func TestAHoldIsNotRepeatedOverAPersonsCommand(t *testing.T) {
	f := newThermostats()
	f.delay = time.Hour
	bubble(t, thermostats(f), func(r *rig) {
		r.got("#")
		r.bus.Publish(bus.Message{
			Topic: "powermgr/thermostat/up/hold/set", Source: devices.SourceControl, Generation: 3,
			Payload: []byte(`{"value":"until","until":"2000-01-01T03:00:00Z","cool_setpoint":78,"heat_setpoint":68,"id":"c1"}`),
		})
		r.sleep(100 * time.Second)
		r.send("powermgr/thermostat/up/mode/set", "off")
		r.sleep(time.Minute)
		if got := f.commands(); len(got) != 2 || got[1] != "off" {
			t.Errorf("the device was told %q, want the hold once and off last", got)
		}
		if res := r.results("powermgr/thermostat/up/hold/result"); len(res) != 2 || !res[1].Final || !res[1].GaveWay || res[1].Reason == "" {
			t.Errorf("the hold ended with %+v", res)
		}
	})
}

// Tesla accepted a reserve and did not show it, grid services began, and the bridge
// sent it again, though the battery is left to them. So with an event of the utility at
// a thermostat. A person's command goes on.
func TestACommandIsNotRepeatedWhileSomebodyElseHasTheDevice(t *testing.T) {
	ended := func(t *testing.T, r *rig, topic string, gaveWay bool) {
		t.Helper()
		res := r.results(topic)
		if len(res) == 0 || !res[len(res)-1].Final || !res[len(res)-1].Accepted || res[len(res)-1].GaveWay != gaveWay {
			t.Errorf("it ended with %+v", res)
		}
	}
	for source, sends := range map[string]int{devices.SourceControl: 1, "": 3} {
		f := &fakeBattery{reserve: 100, lands: -1}
		bubble(t, battery(f), func(r *rig) {
			r.bus.Publish(bus.Message{Topic: "powermgr/powerwall/reserve/set", Payload: []byte("0"), Source: source, Generation: 3})
			r.sleep(time.Second)
			f.set(func() { f.storm = true })
			r.sleep(10 * time.Minute)
			if got := f.writes(); len(got) != sends {
				t.Errorf("of %q: the battery was told %v", source, got)
			}
			ended(t, r, "powermgr/powerwall/reserve/result", source != "")
		})
	}
	for source, sends := range map[string]int{devices.SourceControl: 1, "": 3} {
		f := newThermostats()
		f.delay = time.Hour
		bubble(t, thermostats(f), func(r *rig) {
			r.bus.Publish(bus.Message{
				Topic: "powermgr/thermostat/up/hold/set", Source: source, Generation: 3,
				Payload: []byte(`{"value":"until","until":"2000-01-01T03:00:00Z","cool_setpoint":78,"heat_setpoint":68,"id":"c1"}`),
			})
			r.sleep(time.Second)
			f.mu.Lock()
			f.r.UtilityEvent = true
			f.mu.Unlock()
			r.sleep(10 * time.Minute)
			if got := f.commands(); len(got) != sends {
				t.Errorf("of %q: the thermostat was told %q", source, got)
			}
			ended(t, r, "powermgr/thermostat/up/hold/result", source != "")
		})
	}
}

// A command that a person sends while an earlier one is still on its way to the device
// is complete: otherwise the values that it leaves open would come from the earlier one.
// A person continues from their own earlier command and from what is restored to them,
// never from a setback.
func TestACommandOverOneOnItsWay(t *testing.T) {
	type command struct{ source, setting, payload string }
	setback := command{devices.SourceControl, "hold", `{"value":"until","until":"2000-01-01T03:00:00Z","cool_setpoint":80,"heat_setpoint":64,"id":"c1"}`}
	restore := command{devices.SourceControl, "hold", `{"value":"permanent","cool_setpoint":77,"heat_setpoint":66,"id":"c1","restores":true}`}
	tight := command{devices.SourceControl, "hold", `{"value":"until","until":"2000-01-01T03:00:00Z","cool_setpoint":80,"id":"c1"}`}
	resume := command{devices.SourceControl, "hold", `{"value":"schedule","id":"c1","restores":true}`}
	for _, c := range []struct {
		name         string
		first, later command
		want, shows  string
	}{
		{"a set point over a setback", setback, command{"", "cool_setpoint", "74"}, "cool 74 heat 68 temporary", "cool 74 heat 68 temporary"},
		{"a hold over a setback", setback, command{"", "hold", "permanent"}, "cool 76 heat 68 permanent", "cool 76 heat 68 permanent"},
		{"a set point over a set point with a hold", command{"", "hold", `{"value":"permanent","cool_setpoint":77}`}, command{"", "cool_setpoint", "74"}, "cool 74 heat 68 permanent", "cool 74 heat 68 permanent"},
		{"a hold over a set point", command{"", "cool_setpoint", "74"}, command{"", "hold", "permanent"}, "cool 74 permanent", "cool 74 heat 68 permanent"},
		{"a set point over what is restored", restore, command{"", "cool_setpoint", "74"}, "cool 74 heat 66 permanent", "cool 74 heat 66 permanent"},
		{"a hold over what is restored", restore, command{"", "hold", "permanent"}, "cool 77 heat 66 permanent", "cool 77 heat 66 permanent"},
		{"a hold over the schedule that is restored", resume, command{"", "hold", "permanent"}, "cool 79 heat 65 permanent", "cool 79 heat 65 permanent"},
		{"a hold where the set points are closer than they may be asked for", tight, command{"", "hold", "permanent"}, "cool 76 heat 68 permanent", "cool 76 heat 68 permanent"},
		{"the schedule over a setback", setback, command{"", "hold", "schedule"}, "schedule", "schedule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newThermostats()
			f.delay, f.r.ScheduleCool, f.r.ScheduleHeat = 20*time.Second, new(79.0), new(65.0)
			if c.first == tight { // the device is closer to itself than it lets anybody ask for
				f.r.Deadband = 9
			}
			if c.first == resume { // what is restored
				f.r.Hold, f.r.CoolSetpoint = new(devices.HoldPermanent), new(82.0)
			}
			bubble(t, thermostats(f), func(r *rig) {
				r.got("#")
				for _, cmd := range []command{c.first, c.later} {
					r.bus.Publish(bus.Message{Topic: "powermgr/thermostat/up/" + cmd.setting + "/set", Source: cmd.source, Payload: []byte(cmd.payload)})
					r.sleep(3 * time.Second)
				}
				if got := f.commands(); len(got) != 2 || got[1] != c.want {
					t.Errorf("the device was told %q, want %q last", got, c.want)
				}
				r.sleep(3 * time.Minute)
				if n := len(f.commands()); n != 2 {
					t.Errorf("it was told %d times", n)
				}
				rs, _ := f.Read(t.Context())
				if got := shows("hold", rs[0]); !strings.HasSuffix(fmt.Sprint(got), c.shows) {
					t.Errorf("it shows %q, want %q", got, c.shows)
				}
				done := 0
				for _, res := range r.results("powermgr/thermostat/up/+/result") {
					if res.Final && res.Reason == "" {
						done++
					}
				}
				if done == 0 {
					t.Error("nothing was carried out")
				}
			})
		})
	}
}

// Values that a thermostat had before were refused when the controller restored them:
// the set points were closer than its deadband, or beyond its limits.
func TestWhatADeviceHasHadIsGivenBack(t *testing.T) {
	for _, c := range []struct {
		name, source, payload string
		want                  string // empty: refused
	}{
		{"closer than the deadband", devices.SourceControl, `{"value":"permanent","cool_setpoint":71,"heat_setpoint":70,"restores":true}`, "cool 71 heat 70 permanent"},
		{"beyond the limits", devices.SourceControl, `{"value":"permanent","cool_setpoint":95,"heat_setpoint":20,"restores":true}`, "cool 95 heat 20 permanent"},
		{"a setback is within them", devices.SourceControl, `{"value":"permanent","cool_setpoint":71,"heat_setpoint":70}`, ""},
		{"a person gives nothing back", "", `{"value":"permanent","cool_setpoint":71,"heat_setpoint":70,"restores":true}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newThermostats()
			f.r.Deadband, f.r.CoolMax, f.r.HeatMin = 3, new(90.0), new(40.0)
			bubble(t, thermostats(f), func(r *rig) {
				r.got("#")
				r.bus.Publish(bus.Message{Topic: "powermgr/thermostat/up/hold/set", Source: c.source, Payload: []byte(c.payload)})
				r.sleep(time.Minute)
				got := f.commands()
				if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || got[0] != c.want) {
					t.Errorf("the device was told %q, want %q", got, c.want)
				}
				res := r.results("powermgr/thermostat/up/hold/result")
				if last := res[len(res)-1]; (last.Reason == "") != (c.want != "") {
					t.Errorf("%+v", last)
				}
			})
		})
	}
}

// A device without holds was never precooled nor set back: it refused the hold that came
// with the set points.
func TestTheControllersHoldOnADeviceWithoutHolds(t *testing.T) {
	f := newThermostats()
	f.r.Hold, f.r.Holds = nil, nil
	bubble(t, thermostats(f), func(r *rig) {
		r.bus.Publish(bus.Message{
			Topic: "powermgr/thermostat/up/hold/set", Source: devices.SourceControl, Generation: 3,
			Payload: []byte(`{"value":"temporary","cool_setpoint":78,"heat_setpoint":68,"id":"c1"}`),
		})
		r.sleep(5 * time.Second)
		if got := f.commands(); len(got) != 1 || got[0] != "cool 78 heat 68" {
			t.Errorf("%q", got)
		}
		if res := r.results("powermgr/thermostat/up/+/result"); len(res) == 0 || !res[len(res)-1].Final || !res[len(res)-1].Accepted {
			t.Errorf("answered %+v", res)
		}
	})
}

// A home whose automation publishes the forecast once a day was not precooled
// on the day of a restart.
func TestWeatherByHandOutlivesARestart(t *testing.T) {
	store := &memoryStore{}
	weather := func(s Shared) func(context.Context) error {
		return NewWeather(WeatherOptions{Shared: s, Location: time.UTC, Store: store, Every: func(time.Time) time.Duration { return time.Hour }}).Run
	}
	bubble(t, weather, func(r *rig) { r.send("powermgr/weather/forecast_high/set", "101") })
	bubble(t, weather, func(r *rig) {
		if m, _ := r.bus.Retained("powermgr/weather/state"); !strings.Contains(string(m.Payload), `"high_f":101`) {
			t.Errorf("%s", m.Payload)
		}
	})
	store.all[byHandKey] = bytes.Replace(store.all[byHandKey], []byte("2000-01-01"), []byte("1999-12-31"), 1)
	bubble(t, weather, func(r *rig) {
		if m, said := r.bus.Retained("powermgr/weather/state"); said {
			t.Errorf("yesterday's counts: %s", m.Payload)
		}
	})
}

func TestWeatherByHand(t *testing.T) {
	bubble(t, func(s Shared) func(context.Context) error {
		return NewWeather(WeatherOptions{Shared: s, Location: time.UTC, Every: func(time.Time) time.Duration { return time.Hour }}).Run
	}, func(r *rig) {
		r.send("powermgr/weather/forecast_high/set", "101")
		m, _ := r.bus.Retained("powermgr/weather/state")
		if !strings.Contains(string(m.Payload), `"high_f":101`) || !strings.Contains(string(m.Payload), `"day":"2000-01-01"`) {
			t.Errorf("%s", m.Payload)
		}
		r.got("#")
		for _, bad := range []string{"hot", "500", "NaN"} {
			r.send("powermgr/weather/forecast_high/set", bad)
			if res := r.results("powermgr/weather/+/result"); len(res) != 1 || res[0].Accepted {
				t.Errorf("%s: %+v", bad, res)
			}
		}
	})
}

// A lost ramdisk with a disk of this morning: Home Assistant has counted up to
// what the broker has, and would count the difference twice.
func TestEnergyGoesOnFromWhatTheBrokerHas(t *testing.T) {
	stored := func(kwh string) bus.Message {
		return bus.Message{Topic: bus.Stored("powermgr/powerwall/state"), Payload: []byte(`{"grid_import_kwh":` + kwh + `,"reserve_percent":7,"charge_percent":1}`), Retain: true, Origin: bus.Broker}
	}
	disk := func() *memoryStore {
		return &memoryStore{all: map[string][]byte{energyKey: []byte(`{"grid_import_kwh":0.403,"home_kwh":5}`)}}
	}
	for _, c := range []struct {
		name   string
		before []bus.Message // than the first reading
		after  []bus.Message
		want   float64
	}{
		{"nothing there", nil, nil, 0.403},
		{"known before the first reading", []bus.Message{stored("1.121")}, nil, 1.121},
		{"known after it", nil, []bus.Message{stored("1.121")}, 1.121},
		{"the broker's is older", nil, []bus.Message{stored("0.2")}, 0.403},
		{"less later", nil, []bus.Message{stored("1.121"), stored("0.5")}, 1.121},
		{"nonsense", []bus.Message{stored("-3"), stored("1e300"), stored(`"x"`), stored("null"), {Topic: bus.Stored("powermgr/powerwall/state"), Payload: []byte("{"), Retain: true}}, nil, 0.403},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(s Shared) func(context.Context) error {
				for _, m := range c.before {
					s.Bus.Publish(m)
				}
				return NewPowerwall(PowerwallOptions{
					Shared: s, Device: &fakeBattery{reserve: 100}, Every: func(time.Time) time.Duration { return 5 * time.Minute },
					Energy: &Energy{Disk: disk(), Log: slog.New(slog.DiscardHandler)},
				}).Run
			}, func(r *rig) {
				told := r.bus.Subscribe("link", "$seen/#")
				for _, m := range c.after {
					r.bus.Publish(m)
				}
				synctest.Wait()
				for _, m := range c.after {
					if seen, _, _ := told.Next(t.Context(), r.bus.Now()); seen.Topic != bus.Seen("powermgr/powerwall/state") || !bytes.Equal(seen.Payload, m.Payload) {
						t.Errorf("the link waits for a word that %s was seen; came %s %s", m.Payload, seen.Topic, seen.Payload)
					}
				}
				for _, at := range []string{"at once", "after another reading"} {
					var shown devices.PowerwallReading
					m, _ := r.bus.Retained("powermgr/powerwall/state")
					if err := json.Unmarshal(m.Payload, &shown); err != nil {
						t.Fatal(err)
					}
					if got := float64(*shown.GridImport) / 1000; got != c.want || *shown.Home != 5000 {
						t.Errorf("%s: %g kWh, want %g; home %v", at, got, c.want, *shown.Home)
					}
					if *shown.ReservePercent != 100 || *shown.ChargePercent != 50 {
						t.Errorf("%s: what the device said was taken from the broker: %s", at, m.Payload)
					}
					r.sleep(5 * time.Minute)
				}
			})
		})
	}
}

func TestEnergyNeverFalls(t *testing.T) {
	var often, safely memoryStore
	reading := func(minute int, grid, battery float64) *devices.PowerwallReading {
		return &devices.PowerwallReading{
			GridPower: new(devices.Watts(grid)), BatteryPower: new(devices.Watts(battery)),
			PolledAt: time.Date(2026, 7, 15, 12, minute, 0, 0, time.UTC),
		}
	}
	e := &Energy{Ramdisk: &often, Disk: &safely, Log: slog.New(slog.DiscardHandler)}
	e.Add(reading(0, 1200, -600))
	r := reading(5, 1200, -600)
	e.Add(r)
	if *r.GridImport != 100 || *r.GridExport != 0 || *r.BatteryIn != 50 || *r.BatteryOut != 0 {
		t.Errorf("import %v export %v in %v out %v", *r.GridImport, *r.GridExport, *r.BatteryIn, *r.BatteryOut)
	}
	r = reading(59, -1200, 600) // it is unknown what happened in the gap
	e.Add(r)
	if *r.GridImport != 100 || *r.GridExport != 0 {
		t.Errorf("over a gap: import %v export %v", *r.GridImport, *r.GridExport)
	}
	again := &Energy{Ramdisk: &often, Disk: &safely, Log: slog.New(slog.DiscardHandler)}
	r = reading(59, 0, 0)
	again.Add(r)
	if *r.GridImport != 100 {
		t.Errorf("after a restart: %v", *r.GridImport)
	}
	lost := &Energy{Ramdisk: &memoryStore{all: map[string][]byte{energyKey: []byte("{garbage")}}, Disk: &often, Log: slog.New(slog.DiscardHandler)}
	r = reading(59, 0, 0)
	lost.Add(r)
	if *r.GridImport != 100 {
		t.Errorf("with a corrupt ramdisk: %v", *r.GridImport)
	}
	if safely.saves > 1 {
		t.Errorf("%d writes to the disk within the hour", safely.saves)
	}
}

// A gateway that is offline, whose last figures the cloud repeats: they were
// measured once.
func TestEnergyIsNotIntegratedOverOneMeasurement(t *testing.T) {
	e := &Energy{Log: slog.New(slog.DiscardHandler)}
	start := time.Date(2026, 7, 15, 10, 0, 0, 0, time.UTC)
	add := func(polled, measured time.Duration) float64 {
		at := start.Add(measured)
		r := devices.PowerwallReading{GridPower: new(devices.Watts(3000)), MeasuredAt: &at, PolledAt: start.Add(polled)}
		e.Add(&r)
		return float64(*r.GridImport)
	}
	add(0, 0)
	if got := add(10*time.Minute, 10*time.Minute); got != 500 {
		t.Errorf("10 minutes of 3 kW: %g Wh", got)
	}
	for i := range 72 {
		if got := add(time.Duration(i)*5*time.Minute+11*time.Minute, 10*time.Minute); got != 500 {
			t.Fatalf("after reading it again: %g Wh", got)
		}
	}
	if got := add(7*time.Hour, 7*time.Hour); got != 500 {
		t.Errorf("over hours that nobody measured: %g Wh", got)
	}
	add(7*time.Hour+5*time.Minute, 7*time.Hour) // read twice between two measurements
	if got := add(7*time.Hour+10*time.Minute, 7*time.Hour+10*time.Minute); got != 1000 {
		t.Errorf("from measurement to measurement: %g Wh", got)
	}
}

type memoryStore struct {
	all   map[string][]byte
	saves int
}

func (m *memoryStore) Load(key string, v any) error {
	b, ok := m.all[key]
	if !ok {
		return fs.ErrNotExist
	}
	return json.Unmarshal(b, v)
}

func (m *memoryStore) Save(key string, v any) error {
	b, err := json.Marshal(v)
	if m.all == nil {
		m.all = map[string][]byte{}
	}
	m.all[key], m.saves = b, m.saves+1
	return err
}

func FuzzThermostatCommand(f *testing.F) {
	for _, s := range []string{"hold", "cool_setpoint", "mode"} {
		f.Add(s, "until 19:00")
		f.Add(s, `{"value":"until","until":"2026-07-15T19:00:00-07:00","cool_setpoint":78}`)
		f.Add(s, "1e999")
	}
	r := newThermostats().r
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, setting, payload string) {
		req, err := devices.ParseRequest([]byte(payload))
		if err != nil {
			return
		}
		cmd, err := parseThermostat(parsing{setting: setting, req: req, r: r, now: now, home: time.UTC})
		if err != nil {
			return
		}
		out, err := r.Merge(cmd, now)
		if err != nil {
			return
		}
		if v := out.CoolSetpoint; v != nil && (*v < 50 || *v > 99) {
			t.Fatalf("%q %q asks for cool %g", setting, payload, *v)
		}
	})
}

func FuzzPowerwallCommand(f *testing.F) {
	f.Add("reserve", "80")
	f.Add("reserve", "1e2")
	f.Add("mode", "backup")
	f.Fuzz(func(t *testing.T, setting, value string) {
		cmd, err := powerwallCommand(setting, value)
		if err == nil && cmd.Reserve != nil && devices.CheckReserve(*cmd.Reserve) != nil {
			t.Fatalf("%q %q gives a reserve of %d", setting, value, *cmd.Reserve)
		}
	})
}

func FuzzForecastCommand(f *testing.F) {
	for _, s := range []string{"101", " 95.5 ", `{"value": 99}`, "NaN", "1e999", "-500", "0x1p4", "", "{"} {
		f.Add([]byte(s))
	}
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, node := bus.New(bus.Wall{}), &turning{}
		node.active.Store(true)
		w := NewWeather(WeatherOptions{
			Shared:   Shared{Bus: b, Topics: treeTopics, Role: node, Log: slog.New(slog.DiscardHandler)},
			Location: time.UTC, Every: func(time.Time) time.Duration { return time.Hour },
		})
		w.command(bus.Message{Topic: treeTopics.Weather("forecast_high" + devices.Set), Payload: payload, Origin: bus.Broker}, now)
		m, said := b.Retained(treeTopics.Weather(devices.StateLeaf))
		var r devices.Forecast
		if said && (json.Unmarshal(m.Payload, &r) != nil || r.HighF == nil || !devices.Fahrenheit.Possible(*r.HighF)) {
			t.Fatalf("%q gives %s", payload, m.Payload)
		}
	})
}

// turning is a node whose role can be changed.
type turning struct{ active atomic.Bool }

func (s *turning) Active() bool     { return s.active.Load() }
func (*turning) Generation() uint64 { return 3 }

// A standby does not poll, and checks once a day whether it could.
func TestAStandbyKeepsAnEyeOnItsAuthorization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		battery := &countingBattery{fakeBattery: fakeBattery{reserve: 100}}
		shared := Shared{Bus: bus.New(bus.Wall{}), Topics: treeTopics, Role: &turning{}, Log: slog.New(slog.DiscardHandler)}
		p := NewPowerwall(PowerwallOptions{Shared: shared, Device: battery, Every: func(time.Time) time.Duration { return time.Minute }})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(50 * time.Hour)
		stop()
		<-done
		if n := battery.reads.Load(); n != 3 {
			t.Errorf("%d reads in 50 hours", n)
		}
		if all := shared.Bus.Snapshot(); len(all) != 0 {
			t.Errorf("it says %+v", all)
		}
	})
}

// A limit that a standby meets still applies once the node is the active one.
func TestALimitThatAStandbyMeetsHoldsOnceItIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		battery := &countingBattery{fakeBattery: fakeBattery{read: throttled(3*time.Hour, true)}}
		node := &turning{}
		shared := Shared{Bus: bus.New(bus.Wall{}), Topics: treeTopics, Role: node, Log: slog.New(slog.DiscardHandler)}
		p := NewPowerwall(PowerwallOptions{Shared: shared, Device: battery, Every: func(time.Time) time.Duration { return time.Minute }})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(2 * time.Hour) // its look is an hour after the start
		node.active.Store(true)
		shared.Bus.Publish(bus.Message{Topic: bus.Role})
		time.Sleep(119 * time.Minute)
		if n := battery.reads.Load(); n != 1 {
			t.Errorf("%d reads before the vendor wants any", n)
		}
		time.Sleep(2 * time.Minute)
		if n := battery.reads.Load(); n != 2 {
			t.Errorf("%d reads after that", n)
		}
		stop()
		<-done
	})
}

// A storm that a node saw when it was last the active one says nothing once it takes over
// again: it may be over, and the vendor may want no reads for hours.
func TestANodeThatTakesOverAgainForgetsTheStormItSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		battery, node := &fakeBattery{storm: true}, &turning{}
		node.active.Store(true)
		shared := Shared{Bus: bus.New(bus.Wall{}), Topics: treeTopics, Role: node, Log: slog.New(slog.DiscardHandler)}
		p := NewPowerwall(PowerwallOptions{Shared: shared, Device: battery, Every: func(time.Time) time.Duration { return time.Minute }})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		give := func() {
			shared.Bus.Publish(bus.Message{Topic: treeTopics.Powerwall("reserve" + devices.Set), Payload: []byte(giveBack), Source: devices.SourceControl, Generation: 3, Expires: time.Now().Add(devices.CommandLife)})
			time.Sleep(10 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		if give(); len(battery.writes()) != 0 {
			t.Fatalf("written in the storm: %v", battery.writes())
		}
		battery.set(func() { battery.read = throttled(13*time.Hour, true) })
		time.Sleep(2 * time.Minute)
		for _, active := range []bool{false, true} {
			node.active.Store(active)
			shared.Bus.Publish(bus.Message{Topic: bus.Role})
			time.Sleep(time.Hour)
		}
		if give(); len(battery.writes()) != 1 {
			t.Errorf("written after it: %v", battery.writes())
		}
		stop()
		<-done
	})
}

type countingBattery struct {
	fakeBattery
	reads atomic.Int64
}

func (c *countingBattery) Read(ctx context.Context) (devices.PowerwallReading, error) {
	c.reads.Add(1)
	return c.fakeBattery.Read(ctx)
}

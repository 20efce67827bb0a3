package bridge

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

func throttled(wait time.Duration, ofRead bool) error {
	return &devices.Error{Vendor: "tesla", Op: "x", Kind: devices.Throttled, RetryAfter: wait, OfRead: ofRead, Err: errors.New("HTTP 429")}
}

// giveBack is the command that the controller sends at the end of a peak.
const giveBack = `{"value":100,"restores":true}`

// command is one of the controller's.
func (r *rig) command(topic, payload string) {
	r.bus.Publish(bus.Message{Topic: topic, Payload: []byte(payload), Source: devices.SourceControl, Generation: 3, Expires: time.Now().Add(devices.CommandLife)})
	synctest.Wait()
}

func TestALimitOfReadsHoldsNoCommandBack(t *testing.T) {
	var reads atomic.Int64
	f := &counting{fakeBattery: fakeBattery{reserve: 0}, reads: &reads}
	bubble(t, func(s Shared) func(context.Context) error {
		return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return time.Minute }}).Run
	}, func(r *rig) {
		f.set(func() { f.read = throttled(13*time.Hour, true) })
		r.sleep(3 * time.Minute)
		r.got("#")
		before := reads.Load()
		r.command("powermgr/powerwall/reserve/set", giveBack)
		if got := f.writes(); len(got) != 1 || got[0] != 100 {
			t.Fatalf("written %v", got)
		}
		r.sleep(5 * time.Minute)
		res := r.results("powermgr/powerwall/reserve/result")
		if last := res[len(res)-1]; len(res) != 2 || !last.Final || !last.Accepted || !last.Unknown || !strings.Contains(last.Reason, "allows no reads") {
			t.Errorf("it came to no end: %+v", res)
		}
		if n := reads.Load() - before; n != 0 {
			t.Errorf("%d reads in the time in which the vendor wants none", n)
		}
	})
}

// A command that does not arrive at first is sent again within its life, even if no
// reading shows that the vendor answers.
func TestACommandIsTriedAgainWhileReadsAreLimited(t *testing.T) {
	f := &fakeBattery{reserve: 0}
	bubble(t, battery(f), func(r *rig) {
		f.set(func() { f.read = throttled(13*time.Hour, true) })
		r.sleep(10 * time.Minute)
		f.set(func() { f.apply = &devices.Error{Kind: devices.Unreachable, Err: errors.New("HTTP 502")} })
		r.command("powermgr/powerwall/reserve/set", giveBack)
		f.set(func() { f.apply = nil })
		r.sleep(tryAgain + time.Second)
		if got := f.writes(); len(got) != 2 {
			t.Errorf("written %v", got)
		}
	})
}

func TestALimitOfCommandsHoldsNoReadBack(t *testing.T) {
	var reads atomic.Int64
	f := &counting{fakeBattery: fakeBattery{reserve: 0}, reads: &reads}
	bubble(t, func(s Shared) func(context.Context) error {
		return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return time.Minute }}).Run
	}, func(r *rig) {
		f.set(func() { f.apply = throttled(time.Hour, false) })
		r.command("powermgr/powerwall/reserve/set", giveBack)
		before := reads.Load()
		r.sleep(10 * time.Minute)
		if n := reads.Load() - before; n < 9 {
			t.Errorf("%d reads in ten minutes", n)
		}
		f.set(func() { f.apply = nil })
		r.got("#")
		r.command("powermgr/powerwall/reserve/set", giveBack)
		if res := r.results("powermgr/powerwall/reserve/result"); !strings.Contains(res[len(res)-1].Reason, "accepts no commands for another") {
			t.Errorf("a good reading ended what the vendor asked of commands: %+v", res)
		}
		r.sleep(51 * time.Minute)
		r.command("powermgr/powerwall/reserve/set", giveBack)
		if got := f.writes(); len(got) != 2 {
			t.Errorf("written %v", got)
		}
	})
}

// An adapter that has to read first meets the limit of reads, and the next
// command is not held back by it.
func TestALimitOfTheReadInACommandIsNoneOfCommands(t *testing.T) {
	f := &fakeBattery{reserve: 0, apply: throttled(time.Hour, true)}
	bubble(t, battery(f), func(r *rig) {
		r.command("powermgr/powerwall/reserve/set", giveBack)
		r.sleep(devices.CommandLife)
		f.set(func() { f.apply = nil })
		r.command("powermgr/powerwall/reserve/set", giveBack)
		if n := len(f.writes()); n != 3 { // at once, a quarter of a minute later, and now
			t.Errorf("%d writes", n)
		}
	})
}

// limitedThermostats can be read when it has not met a limit.
type limitedThermostats struct {
	*fakeThermostats
	read error
	n    atomic.Int64
}

func (f *limitedThermostats) Read(ctx context.Context) ([]devices.ThermostatReading, error) {
	f.mu.Lock()
	f.n.Add(1)
	err := f.read
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.fakeThermostats.Read(ctx)
}

func TestAThermostatIsGivenBackWhileReadsAreLimited(t *testing.T) {
	f := &limitedThermostats{fakeThermostats: newThermostats()}
	bubble(t, func(s Shared) func(context.Context) error {
		return NewThermostats(ThermostatsOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return 5 * time.Minute }, Location: time.UTC}).Run
	}, func(r *rig) {
		f.mu.Lock()
		f.read = throttled(13*time.Hour, true)
		f.mu.Unlock()
		r.sleep(20 * time.Minute)
		reads := f.n.Load()
		r.command("powermgr/thermostat/up/hold/set", `{"value":"permanent","cool_setpoint":80,"heat_setpoint":68}`)
		if len(f.applied) != 0 {
			t.Error("a setback is begun on figures that may be hours old")
		}
		r.command("powermgr/thermostat/up/hold/set", `{"value":"permanent","cool_setpoint":75,"heat_setpoint":68,"restores":true}`)
		if len(f.applied) != 1 {
			t.Errorf("%d writes", len(f.applied))
		}
		if n := f.n.Load(); n != reads {
			t.Errorf("%d reads in the time in which the vendor wants none", n-reads)
		}
	})
}

func TestARestartKeepsToALimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		until time.Duration // from the start on, as the file has it
		reads int           // within half an hour
	}{
		{"of two hours", 2 * time.Hour, 0},
		{"that is over", -time.Minute, 7},
		{"from a clock that was ahead", 90 * 24 * time.Hour, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := NewFileStore(filepath.Join(t.TempDir(), "energy.json"))
			life := func(scenario func(r *rig, f *counting, reads *atomic.Int64)) {
				var reads atomic.Int64
				f := &counting{fakeBattery: fakeBattery{reserve: 0}, reads: &reads}
				bubble(t, func(s Shared) func(context.Context) error {
					if now := s.Bus.Now(); c.until != 2*time.Hour {
						if err := store.Save("limits of powerwall", quiet{Reads: now.Add(c.until)}); err != nil {
							t.Fatal(err)
						}
					}
					s.Limits = store
					return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return 5 * time.Minute }}).Run
				}, func(r *rig) { scenario(r, f, &reads) })
			}
			if c.until == 2*time.Hour {
				life(func(r *rig, f *counting, _ *atomic.Int64) {
					f.set(func() { f.read = throttled(c.until+6*time.Minute, true) })
					r.sleep(6 * time.Minute)
				})
			}
			// Every bubble begins at the same moment.
			life(func(r *rig, f *counting, reads *atomic.Int64) {
				r.command("powermgr/powerwall/reserve/set", giveBack)
				r.sleep(30*time.Minute - time.Second)
				if n := int(reads.Load()); n != c.reads {
					t.Errorf("%d reads", n)
				}
				if len(f.writes()) != 1 {
					t.Errorf("%d writes", len(f.writes()))
				}
			})
		})
	}
}

// A limit of minutes, met on a clock that was ahead, lasted as many hours as the clock was
// then set back.
func TestALimitFromAClockThatWasAhead(t *testing.T) {
	for _, c := range []struct {
		name      string
		restarted bool
		later     bool // it is met as soon as the clock is right
	}{
		{"in the same process", false, false},
		{"over a restart", true, false},
		{"met later", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &shifted{off: 12 * time.Hour}
			poller := func(s Store) *poller {
				return newPoller(Shared{Bus: bus.New(clock), Limits: s, Log: slog.New(slog.DiscardHandler)}, "powerwall", "a", func(time.Time) time.Duration { return time.Minute }, nil)
			}
			store := NewFileStore(filepath.Join(t.TempDir(), "energy.json"))
			a := poller(store)
			a.due(time.Time{})
			if !c.later {
				a.limit(throttled(10*time.Minute, true), clock.Now())
			}
			clock.off = 0
			if c.restarted {
				a = poller(store)
				a.loadLimits(clock.Now())
			}
			if c.later {
				a.limit(throttled(10*time.Minute, true), clock.Now())
			}
			if got := a.due(time.Time{}).Sub(clock.Now()); got != 10*time.Minute {
				t.Errorf("the vendor is left alone for %v", got)
			}
		})
	}
}

func TestALimitIsWrittenOnce(t *testing.T) {
	store := NewFileStore(filepath.Join(t.TempDir(), "energy.json"))
	a := &poller{Shared: Shared{Bus: bus.New(bus.Wall{}), Limits: store}, name: "powerwall"}
	now := time.Now()
	a.limit(throttled(time.Minute, true), now)
	var q quiet
	if store.Load("limits of powerwall", &q) == nil {
		t.Error("a limit of a minute wears the disk")
	}
	a.limit(throttled(time.Hour, true), now)
	if err := store.Load("limits of powerwall", &q); err != nil || !q.Reads.Equal(now.Add(time.Hour)) {
		t.Errorf("%v, %v", q, err)
	}
	a.answered(now.Add(time.Minute))
	q = quiet{}
	if err := store.Load("limits of powerwall", &q); err != nil || !q.Reads.IsZero() {
		t.Errorf("a vendor that answers is left alone after a restart: %v, %v", q, err)
	}
}

func TestAVendorIsAskedOftenWhileSomethingHasToGoBack(t *testing.T) {
	for _, c := range []struct {
		name        string
		owed        bool
		least, most int // reads in an hour without an answer
	}{
		{"nothing", false, 5, 12},
		{"a reserve", true, 30, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reads atomic.Int64
			f := &counting{fakeBattery: fakeBattery{read: &devices.Error{Kind: devices.Unreachable, Err: errors.New("x")}}, reads: &reads}
			bubble(t, func(s Shared) func(context.Context) error {
				return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return 15 * time.Minute }, Restoring: func() bool { return c.owed }}).Run
			}, func(r *rig) {
				r.sleep(time.Hour)
				if n := int(reads.Load()); n < c.least || n > c.most {
					t.Errorf("%d reads", n)
				}
			})
		})
	}
}

// Once a command of the controller has failed, the next reading comes sooner than in a
// quarter of an hour.
func TestACommandThatCameToNothingIsFollowedByAReading(t *testing.T) {
	var reads atomic.Int64
	f := &counting{fakeBattery: fakeBattery{reserve: 0, apply: &devices.Error{Kind: devices.Refused, Err: errors.New("HTTP 400")}}, reads: &reads}
	bubble(t, func(s Shared) func(context.Context) error {
		return NewPowerwall(PowerwallOptions{Shared: s, Device: f, Every: func(time.Time) time.Duration { return 15 * time.Minute }}).Run
	}, func(r *rig) {
		r.sleep(time.Minute)
		r.command("powermgr/powerwall/reserve/set", giveBack)
		before := reads.Load() // that before the command is among them
		r.sleep(devices.RereadWithin)
		if n := reads.Load() - before; n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

func TestAnAuthorizationForReadsAloneIsSaid(t *testing.T) {
	f := &fakeBattery{reserve: 100, apply: &devices.Error{Kind: devices.Unauthorized, Err: errors.New("HTTP 403 Unauthorized missing scopes")}}
	bubble(t, battery(f), func(r *rig) {
		said := func() string {
			m, _ := r.bus.Retained("powermgr/powerwall/api")
			return string(m.Payload)
		}
		r.command("powermgr/powerwall/reserve/set", "0")
		r.sleep(time.Second)
		if s := said(); !strings.Contains(s, `"reauthorise":true`) || !strings.Contains(s, "missing scopes") || !strings.Contains(s, "needs re-authorization") {
			t.Errorf("said %s", s)
		}
		r.sleep(10 * time.Minute)
		if s := said(); !strings.Contains(s, `"reauthorise":true`) {
			t.Errorf("good readings hide it: %s", s)
		}
		f.set(func() { f.apply = nil })
		r.command("powermgr/powerwall/reserve/set", "0")
		r.sleep(time.Second)
		if s := said(); !strings.Contains(s, `"reauthorise":false`) || !strings.Contains(s, `"problem":null`) {
			t.Errorf("still said: %s", s)
		}
	})
}

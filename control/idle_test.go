package control_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/journal"
	"powermgr/devices"
)

// settable is a clock that somebody sets. What waits for a time does not notice it, as
// on a real machine.
type settable struct {
	bus.Wall
	off atomic.Int64
}

func (c *settable) Now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

func (c *settable) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	if !at.IsZero() {
		at = at.Add(-time.Duration(c.off.Load()))
	}
	return c.Wall.Wait(ctx, at, ready)
}

// counted is a node of its own that counts how often something was decided.
type counted struct {
	alone
	decisions atomic.Int64
}

func (c *counted) Generation() uint64 {
	if c.decisions.Add(1) > 10000 {
		panic("it decides without end")
	}
	return 1
}

// begin runs a controller on r's bus, which goes on for last unless that is nil. The
// broker is there and holds nothing.
func (r *rig) begin(node control.Role, last *control.Controller) (c *control.Controller, stop func()) {
	c = control.New(control.Options{
		Bus: r.bus, Topics: topics, Settings: settings(), Role: node, Log: slog.New(slog.DiscardHandler),
		Journal: &journal.Journal{Disk: r.disk, Peer: &memory{}, Node: "a", Now: r.bus.Now},
	})
	if last != nil {
		c.Resume(last)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
	synctest.Wait()
	return c, func() { cancel(); <-done }
}

// While nothing happens the controller decides nothing: it looks at the clock, and
// notices within half a minute that it was set.
func TestAQuietController(t *testing.T) {
	for _, tt := range []struct {
		name   string
		set    time.Duration // the clock, half past four in the morning
		heard  string        // a topic of a message that nothing is decided about; empty: none comes
		within time.Duration
		most   int64 // decisions
		want   []string
	}{
		{"a quiet hour", 0, "", time.Hour, 2, nil},
		{"the clock is set to the peak of the next day", 21 * time.Hour, "", devices.StepInterval + time.Second, 10, []string{"reserve 0 %, was 100 %: peak until 04:00"}},
		{"the clock is set back to the peak of this day", -time.Hour, topics.Weather("state"), 0, 10, []string{"reserve 0 %, was 100 %: peak until 04:00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(4*time.Hour + 30*time.Minute)
				clock, node := &settable{}, &counted{}
				b := bus.New(clock)
				r := &rig{t: t, bus: b, disk: &memory{}, all: b.Subscribe("test", "#")}
				c, stop := r.begin(node, nil)
				r.battery(100, 100)
				time.Sleep(time.Minute)
				before := node.decisions.Load()
				clock.off.Store(int64(tt.set))
				if tt.heard != "" {
					r.send(tt.heard, "no forecast")
				}
				time.Sleep(tt.within)
				synctest.Wait()
				if n := node.decisions.Load() - before; n > tt.most {
					t.Errorf("it has decided %d times, want at most %d", n, tt.most)
				}
				var sent []string
				for {
					m, ok, err := r.all.Next(t.Context(), clock.Now())
					if err != nil || !ok {
						break
					}
					var c struct{ Reason string }
					if m.Topic == topics.Powerwall("reserve/set") {
						if err := json.Unmarshal(m.Payload, &c); err != nil {
							t.Fatal(err)
						}
						sent = append(sent, c.Reason)
					}
				}
				if !slices.Equal(sent, tt.want) {
					t.Errorf("sent %q, want %q", sent, tt.want)
				}
				if age := clock.Now().Sub(c.LastStep()); age > devices.StepInterval+time.Second {
					t.Errorf("the watchdog sees a controller that hangs for %s", age)
				}
				stop()
			})
		})
	}
}

// A controller that goes on for another in the same process waits half a minute for what
// that one knew, and no longer: here a thermostat is never read again, and all that people
// see is as it was.
func TestAQuietControllerAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, node := bus.New(bus.Wall{}), &counted{}
		r := &rig{t: t, bus: b, disk: &memory{}, all: b.Subscribe("test", "#")}
		var last *control.Controller
		for range 2 {
			c, stop := r.begin(node, last)
			if last == nil {
				r.battery(100, 100)
				r.thermostat(76, devices.HoldSchedule)
				b.Publish(bus.Message{Topic: topics.Thermostat("up", "state"), Retain: true})
			}
			before := node.decisions.Load()
			time.Sleep(10 * time.Minute)
			if n := node.decisions.Load() - before; n > 10 {
				t.Errorf("it has decided %d times in ten minutes", n)
			}
			last = c
			stop()
		}
	})
}

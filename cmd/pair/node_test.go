package pair

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/devices"
)

// lone is a single node, and a test that plays the broker on its bus.
type lone struct {
	t      *testing.T
	bus    *bus.Bus
	node   *alone
	states *bus.Subscription
}

func newLone(t *testing.T, self State, share Share) *lone {
	l := &lone{t: t, bus: bus.New(bus.Wall{})}
	l.states = l.bus.Subscribe("test", "powermgr/node/a/state")
	self.Alone = true
	l.node = newAlone(bridge.Shared{Bus: l.bus, Topics: devices.Topics{Base: "powermgr"}, Log: slog.New(slog.DiscardHandler)}, "a", self, share)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.node.Run(t.Context())
	}()
	t.Cleanup(func() { <-done })
	synctest.Wait()
	return l
}

func (l *lone) hears(name string, s State) {
	b, err := json.Marshal(s)
	if err != nil {
		l.t.Fatal(err)
	}
	l.bus.Publish(bus.Message{Topic: "powermgr/node/" + name + "/state", Payload: b, Retain: true, Origin: bus.Broker})
	synctest.Wait()
}

func (l *lone) link(state string) {
	l.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte(state), Retain: true})
	synctest.Wait()
}

func (l *lone) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (l *lone) contest() string {
	m, _ := l.bus.Retained(bus.Contest)
	return string(m.Payload)
}

// publications counts how often it has published its state since the last call.
func (l *lone) publications() (n int) {
	for {
		m, ok, err := l.states.Next(l.t.Context(), time.Now())
		if err != nil || !ok {
			return n
		}
		if m.Origin == bus.Local {
			n++
		}
	}
}

// Two daemons that are not a pair but run under one base topic both commanded the same
// devices, and neither reported it.
func TestAnotherDaemonUnderTheSameBaseTopic(t *testing.T) {
	const b = "b runs powermgr under powermgr too: stop one, give one another mqtt.base_topic, or make them a pair"
	self := State{Life: "5"}
	active := State{Role: Active, Life: "3", Alone: true}
	for _, c := range []struct {
		name string
		self State
		do   func(l *lone)
		want string // of the contest
		role Role
	}{
		{"nobody else", self, func(l *lone) { l.link("up"); l.wait(time.Hour) }, "", Active},
		{"one that starts later", self, func(l *lone) { l.link("up"); l.hears("b", active) }, b, Active},
		{"one that was there before and answers", self, func(l *lone) { l.hears("b", active); l.hears("b", active); l.link("up") }, b, Active},
		{"one that has died", self, func(l *lone) { l.hears("b", active); l.link("up"); l.wait(time.Hour) }, "", Active},
		{"one that has died, with several connections to the broker", self, func(l *lone) {
			for range 3 {
				l.hears("b", active)
				l.link("up")
				l.wait(time.Hour)
				l.link("down")
			}
		}, "", Active},
		{"one that stops", self, func(l *lone) {
			l.link("up")
			l.hears("b", active)
			l.hears("b", State{Role: Gone, Life: "3", Alone: true})
		}, "", Active},
		{"one that dies", self, func(l *lone) { l.link("up"); l.hears("b", active); l.wait(claimExpiry + 2*heartbeat) }, "", Active},
		{"one that keeps running", self, func(l *lone) {
			l.link("up")
			for range 60 {
				l.hears("b", active)
				l.wait(heartbeat)
			}
		}, b, Active},
		{"one that keeps running while the broker is down", self, func(l *lone) {
			l.link("up")
			l.hears("b", active)
			l.link("down")
			l.wait(time.Hour)
		}, b, Active},
		{"one that stands by", self, func(l *lone) { l.link("up"); l.hears("b", State{Role: Standby, Life: "3"}) }, "", Active},
		{"the active one of a pair", self, func(l *lone) { l.link("up"); l.hears("b", State{Role: Active, Life: "3", Generation: 7}) }, b, Active},
		{"a dry run, which stands by on its own", self, func(l *lone) {
			l.link("up")
			l.hears("b", State{Role: Active, Life: "3", Alone: true, DryRun: true})
		}, "", Active},
		{"two", self, func(l *lone) { l.link("up"); l.hears("c", active); l.hears("b", active) }, strings.Replace(b, "b runs", "b and c run", 1), Active},
		{"one with the same name", self, func(l *lone) { l.link("up"); l.hears("a", active) }, strings.Replace(b, "b runs", "another a runs", 1), Active},
		{"itself", self, func(l *lone) { l.link("up"); l.hears("a", State{Role: Active, Life: "5", Alone: true}) }, "", Active},
		{"nonsense", self, func(l *lone) {
			l.link("up")
			for _, payload := range []string{"", "null", "[]", "{", `{"role": 7}`, "\x00"} {
				l.bus.Publish(bus.Message{Topic: "powermgr/node/b/state", Payload: []byte(payload), Origin: bus.Broker})
			}
			l.wait(time.Second)
		}, "", Active},

		{"a dry run beside one that runs", State{Life: "5", DryRun: true}, func(l *lone) { l.hears("b", active); l.hears("b", active); l.link("up"); l.wait(3 * time.Minute) }, "", Standby},
		{"a dry run, before it can know", State{Life: "5", DryRun: true}, func(l *lone) { l.hears("b", active) }, "", Standby},
		{"a dry run, when another one starts", State{Life: "5", DryRun: true}, func(l *lone) { l.link("up"); l.hears("b", active) }, "", Standby},
		{"a dry run beside one that has died", State{Life: "5", DryRun: true}, func(l *lone) { l.hears("b", active); l.link("up"); l.wait(answerTimeout) }, "", Active},
		{"a dry run, when the other one stops", State{Life: "5", DryRun: true}, func(l *lone) {
			l.link("up")
			l.hears("b", active)
			l.hears("b", State{Role: Gone, Life: "3", Alone: true})
		}, "", Active},
		{"a dry run beside an earlier one", State{Life: "5", DryRun: true}, func(l *lone) {
			l.link("up")
			l.hears("b", State{Role: Active, Life: "3", Alone: true, DryRun: true})
		}, "", Standby},
		{"a dry run beside a later one", State{Life: "5", DryRun: true}, func(l *lone) {
			l.link("up")
			l.hears("b", State{Role: Active, Life: "7", Alone: true, DryRun: true})
		}, "", Active},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLone(t, c.self, Whole)
				c.do(l)
				if got := l.contest(); got != c.want {
					t.Errorf("contest %q, want %q", got, c.want)
				}
				if got := l.node.State(); got.Role != c.role || l.node.Active() != (c.role == Active) || (got.Health == "ok") != (c.role == Active) {
					t.Errorf("its state is %+v, want %s", got, c.role)
				}
			})
		})
	}
}

// Two nodes that start at the same time must not answer each other's answers forever.
func TestAnAnswerIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLone(t, State{Life: "5"}, Whole)
		l.link("up")
		l.publications()
		for range 10 {
			l.hears("b", State{Role: Active, Life: "3", Alone: true})
		}
		if n := l.publications(); n != 1 {
			t.Errorf("it published %d times", n)
		}
		l.hears("b", State{Role: Active, Life: "7", Alone: true}) // it was restarted
		if n := l.publications(); n != 1 {
			t.Errorf("it answered the restarted one %d times", n)
		}
	})
}

// The two halves of a node have the same name, and are not rivals.
func TestTheOtherHalfIsNoOtherDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLone(t, State{Life: "5"}, SilentHalf)
		l.link("up")
		l.hears("a", State{Role: Active, Life: "3", Alone: true})
		l.wait(10 * time.Minute)
		if got := l.contest(); got != "" || l.publications() != 0 {
			t.Errorf("contest %q", got)
		}
	})
}

// Only the two nodes of a pair take part in its claims.
func TestAPairAndADaemonThatIsNoneOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairing(t, "a")
		p.link("up")
		p.tell(Active)
		lone := func(r Role, generation uint64) {
			b, err := json.Marshal(State{Role: r, Generation: generation, Life: "3", Alone: true})
			if err != nil {
				t.Fatal(err)
			}
			p.bus.Publish(bus.Message{Topic: "powermgr/node/z/state", Payload: b, Origin: bus.Broker})
			synctest.Wait()
		}
		lone(Active, 1) // with the same generation and a higher name
		p.is(Active, 1)
		if m, _ := p.bus.Retained(bus.Contest); !strings.HasPrefix(string(m.Payload), "z runs powermgr under powermgr too") {
			t.Errorf("contest %q", m.Payload)
		}
		p.tell(Standby)
		if m, _ := p.bus.Retained(bus.Contest); len(m.Payload) != 0 {
			t.Errorf("on a standby: contest %q", m.Payload)
		}
		p.says("b", "state", Active, 7)
		p.tell(Active)
		lone(Gone, 1)
		p.is(Active, 8)
		if m, _ := p.bus.Retained(bus.Contest); len(m.Payload) != 0 {
			t.Errorf("after the other one has gone: contest %q", m.Payload)
		}
	})
}

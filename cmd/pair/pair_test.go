package pair

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/control/notify"
	"powermgr/devices"
)

// pairing is one node of a pair, and a test that plays everything else on its bus.
type pairing struct {
	t    *testing.T
	bus  *bus.Bus
	pair *Pair
	file string
}

func newPairing(t *testing.T, node string, kept ...string) *pairing {
	p := &pairing{t: t, bus: bus.New(bus.Wall{}), file: filepath.Join(t.TempDir(), "role")}
	if len(kept) > 0 {
		if err := os.WriteFile(p.file, []byte(kept[0]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.pair = newPair(bridge.Shared{Bus: p.bus, Topics: devices.Topics{Base: "powermgr"}, Log: slog.New(slog.DiscardHandler)}, node, State{Version: "1", Life: "life"}, roleFile(p.file))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.pair.Run(t.Context())
	}()
	t.Cleanup(func() { <-done })
	synctest.Wait()
	return p
}

// says publishes what a node says, as the broker delivers it.
func (p *pairing) says(node, topic string, r Role, generation uint64) {
	b, err := json.Marshal(State{Role: r, Generation: generation})
	if err != nil {
		p.t.Fatal(err)
	}
	p.bus.Publish(bus.Message{Topic: "powermgr/node/" + node + "/" + topic, Payload: b, Origin: bus.Broker})
	synctest.Wait()
}

func (p *pairing) link(state string) {
	p.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte(state), Retain: true})
	synctest.Wait()
}

func (p *pairing) tell(r Role) {
	if err := p.pair.SetRole(r); err != nil {
		p.t.Error(err)
	}
	synctest.Wait()
}

// is checks the role, both in the node and as published, and the generation.
func (p *pairing) is(r Role, generation uint64) {
	p.t.Helper()
	m, _ := p.bus.Retained("powermgr/node/" + p.pair.node + "/state")
	var s State
	if err := json.Unmarshal(m.Payload, &s); err != nil {
		p.t.Fatal(err)
	}
	told, _ := p.bus.Retained(bus.Role)
	if p.pair.Active() != (r == Active) || s.Role != r || string(told.Payload) != string(r) || s.Generation != generation || p.pair.Generation() != generation {
		p.t.Errorf("active %v, publishes %s of generation %d, told the parts %s; want %s of %d", p.pair.Active(), s.Role, s.Generation, told.Payload, r, generation)
	}
}

func TestPair(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"no role was set", func(t *testing.T) {
			p := newPairing(t, "a")
			time.Sleep(time.Hour)
			p.is(Standby, 0)
		}},
		{"told to be active", func(t *testing.T) {
			p := newPairing(t, "a")
			p.says("b", "state", Active, 7)
			p.tell(Active)
			p.is(Active, 8)
			p.tell(Active)
			p.is(Active, 8)
			p.tell(Standby)
			p.is(Standby, 8)
			p.tell(Active)
			p.is(Active, 9)
		}},
		{"told to be active while another daemon had the socket", func(t *testing.T) {
			p := newPairing(t, "a", "standby")
			p.is(Standby, 0)
			if err := os.WriteFile(p.file, []byte("active"), 0o600); err != nil {
				t.Fatal(err)
			}
			p.link("up")
			p.is(Active, 1)
			if err := os.WriteFile(p.file, []byte("standby"), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			p.is(Standby, 1)
		}},
		{"a role that could not be stored has priority over an older file", func(t *testing.T) {
			p := newPairing(t, "a", "standby")
			dir := filepath.Dir(p.file)
			if err := errors.Join(os.Rename(p.file, p.file+".old"), os.Mkdir(p.file, 0o700), os.WriteFile(filepath.Join(p.file, "x"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			if err := p.pair.SetRole(Active); err == nil {
				t.Errorf("it was stored in %s", dir)
			}
			if err := errors.Join(os.RemoveAll(p.file), os.Rename(p.file+".old", p.file)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			p.is(Active, 1)
		}},
		{"nobody is active", func(t *testing.T) {
			p := newPairing(t, "a")
			mails := p.bus.Subscribe("test", notify.Topic)
			told := func() (n int) {
				for {
					if _, ok, err := mails.Next(t.Context(), time.Now()); err != nil || !ok {
						return n
					}
					n++
				}
			}
			time.Sleep(time.Hour) // without a broker, this is unknown
			p.link("up")
			p.says("b", "state", Active, 1)
			time.Sleep(2 * time.Minute)
			if n := told(); n != 0 {
				t.Errorf("%d mails, and b is active", n)
			}
			time.Sleep(time.Hour)
			if n := told(); n != 1 {
				t.Errorf("%d mails", n)
			}
		}},
		{"a journal of a later generation", func(t *testing.T) {
			p := newPairing(t, "a")
			p.says("b", "journal", "", 11)
			p.tell(Active)
			p.is(Active, 12)
		}},
		{"a higher claim", func(t *testing.T) {
			p := newPairing(t, "a")
			p.tell(Active)
			p.says("b", "state", Active, 2)
			p.is(Standby, 1)
			p.tell(Active)
			p.is(Active, 3)
		}},
		{"a lower claim", func(t *testing.T) {
			p := newPairing(t, "b")
			p.says("a", "state", Standby, 4)
			p.tell(Active)
			p.says("a", "state", Active, 4)
			p.is(Active, 5)
		}},
		{"two claims of one generation", func(t *testing.T) {
			a, b := newPairing(t, "a"), newPairing(t, "b")
			a.tell(Active)
			b.tell(Active)
			a.says("b", "state", Active, 1)
			b.says("a", "state", Active, 1)
			a.is(Standby, 1)
			b.is(Active, 1)
		}},
		{"a claim of a standby", func(t *testing.T) {
			p := newPairing(t, "a")
			p.tell(Active)
			p.says("b", "state", Standby, 2)
			p.is(Active, 1)
		}},
		{"the one with the higher claim is told to stand by", func(t *testing.T) {
			p := newPairing(t, "a")
			p.link("up")
			p.tell(Active)
			p.says("b", "state", Active, 2)
			p.says("b", "state", Standby, 2)
			p.is(Active, 3)
		}},
		{"the one with the higher claim dies", func(t *testing.T) {
			p := newPairing(t, "a")
			p.link("up")
			p.tell(Active)
			p.says("b", "state", Active, 2)
			for range 5 {
				time.Sleep(time.Minute)
				p.says("b", "state", Active, 2)
			}
			p.is(Standby, 1)
			time.Sleep(5 * time.Minute)
			p.is(Active, 3)
		}},
		{"started again after it was active", func(t *testing.T) {
			p := newPairing(t, "a", "active\n")
			p.says("b", "state", Active, 5)
			p.says("a", "state", Active, 4)
			p.is(Standby, 0)
			p.link("up")
			p.is(Active, 6)
		}},
		{"started again without a broker", func(t *testing.T) {
			p := newPairing(t, "a", "active\n")
			p.says("a", "journal", "", 4)
			time.Sleep(answerTimeout + time.Second)
			p.is(Active, 5)
		}},
		{"started again as the standby", func(t *testing.T) {
			p := newPairing(t, "a", "standby\n")
			p.link("up")
			time.Sleep(time.Hour)
			p.is(Standby, 0)
		}},
		{"nonsense in the role file", func(t *testing.T) {
			p := newPairing(t, "a", "master")
			p.link("up")
			p.is(Standby, 0)
		}},
		{"the role is stored", func(t *testing.T) {
			p := newPairing(t, "a")
			p.tell(Active)
			if b, err := os.ReadFile(p.file); err != nil || strings.TrimSpace(string(b)) != "active" {
				t.Errorf("%q, %v", b, err)
			}
		}},
		{"the last will", func(t *testing.T) {
			p := newPairing(t, "a")
			p.tell(Active)
			var s State
			if err := json.Unmarshal(p.pair.LastWill(), &s); err != nil || s.Role != Gone || s.Generation != 1 {
				t.Errorf("%+v, %v", s, err)
			}
		}},
		{"nonsense on the bus", func(t *testing.T) {
			p := newPairing(t, "a")
			p.tell(Active)
			for _, payload := range []string{"", "null", "[]", `{"generation":-1}`, `{"role":7}`, `{"role":"active","generation":18446744073709551615}`, "\x00"} {
				p.bus.Publish(bus.Message{Topic: "powermgr/node/b/state", Payload: []byte(payload), Origin: bus.Broker})
			}
			synctest.Wait()
			p.is(Active, 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, c.do) })
	}
}

// FuzzClaims: whatever arrives on the topics of nodes, an active node stands down only for
// a higher claim.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{"role":"active","generation":9}`, `{"role":"active","generation":1}`, `{"role":"standby","generation":9}`, `{"role":"active","generation":-1}`,
		`{"role":"active","generation":18446744073709551615}`, `{"role":["active"]}`, `null`, ``, `{`,
	} {
		f.Add("b", []byte(s))
	}
	f.Add("a", []byte(`{"role":"active","generation":9}`))
	f.Fuzz(func(t *testing.T, node string, payload []byte) {
		b := bus.New(bus.Wall{})
		p := newPair(bridge.Shared{Bus: b, Topics: devices.Topics{Base: "powermgr"}, Log: slog.New(slog.DiscardHandler)}, "a", State{Version: "1", Life: "life"}, RoleFile(t.TempDir()))
		p.active, p.assigned, p.claimsSeen, p.ownClaim = true, Active, true, claim{3, "a"}
		p.handle(bus.Message{Topic: "powermgr/node/" + node + "/state", Payload: payload, Origin: bus.Broker}, time.Now())
		var s State
		higher := json.Unmarshal(payload, &s) == nil && s.Role == Active && node != "a" && (claim{s.Generation, node}).outranks(claim{3, "a"})
		if !p.Active() && !higher {
			t.Fatalf("it stands down for %q of %q", payload, node)
		}
	})
}

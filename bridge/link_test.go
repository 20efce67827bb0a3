package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/bridge/bus"
	"powermgr/devices"
)

// linkStanding is the role of a node of a pair; it can change.
type linkStanding struct{ active atomic.Bool }

func (s *linkStanding) Active() bool       { return s.active.Load() }
func (s *linkStanding) Generation() uint64 { return 1 }

// linkLog stores what is logged.
type linkLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *linkLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *linkLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// linkRig is one process: a bus with a link.
type linkRig struct {
	*Link
	bus      *bus.Bus
	standing *linkStanding
	log      *linkLog
	taken    *bus.Subscription
	stop     func() // ends the link and waits for its end
}

var linkTopics = devices.Topics{Base: "powermgr"}

// startLink runs a link; set changes the options, and tune the timing.
func startLink(t *testing.T, set func(*LinkOptions), tune func(*timing)) *linkRig {
	t.Helper()
	r := &linkRig{bus: bus.New(bus.Wall{}), standing: &linkStanding{}, log: &linkLog{}}
	r.standing.active.Store(true)
	o := LinkOptions{
		Topics: linkTopics, Node: "a", StatusTopic: "homeassistant/status", Role: r.standing, Bus: r.bus,
		Filters: []string{"powermgr/control/+/set", "powermgr/powerwall/+/set", "powermgr/node/+/state"},
		Log:     slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if set != nil {
		set(&o)
	}
	var err error
	if r.Link, err = NewLink(o); err != nil {
		t.Fatal(err)
	}
	if tune != nil {
		tune(&r.timing)
	}
	r.taken = r.bus.Subscribe("test", o.Filters...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("the log:\n%s", r.log)
		}
	})
	return r
}

// retain publishes a retained message of this process.
func (r *linkRig) retain(topic, payload string) {
	r.bus.Publish(bus.Message{Topic: topic, Payload: []byte(payload), Retain: true})
}

// up waits until the link says so.
func (r *linkRig) up(t *testing.T) {
	t.Helper()
	r.until(t, "the link is up", func() bool {
		m, _ := r.bus.Retained(bus.LinkState)
		return string(m.Payload) == "up"
	})
}

func (r *linkRig) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 40*time.Second {
			t.Fatalf("it is not so that %s; the log:\n%s", what, r.log)
		}
	}
}

// next returns the next message from the broker, which has to come within a moment.
func (r *linkRig) next(t *testing.T) bus.Message {
	t.Helper()
	m, ok, _ := r.taken.Next(t.Context(), time.Now().Add(10*time.Second))
	if !ok {
		t.Fatalf("nothing came from the broker; the log:\n%s", r.log)
	}
	return m
}

// nothing checks that no other message came from the broker.
func (r *linkRig) nothing(t *testing.T) {
	t.Helper()
	if m, ok, _ := r.taken.Next(t.Context(), time.Now().Add(200*time.Millisecond)); ok {
		t.Errorf("from the broker came %s %q", m.Topic, m.Payload)
	}
}

func (r *linkRig) healthNow(t *testing.T) LinkHealth {
	t.Helper()
	m, _ := r.bus.Retained(bus.LinkHealth)
	var h LinkHealth
	if err := json.Unmarshal(m.Payload, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

func at(b *brokertest.Broker) func(*LinkOptions) {
	return func(o *LinkOptions) { o.URL = b.URL() }
}

func (r *linkRig) logged(words string) int { return strings.Count(r.log.String(), words) }

func TestLinkMirrorsWithPropertiesAndWithoutEcho(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	person.Subscribe(t, "#")
	r := startLink(t, at(b), nil)
	r.up(t)
	r.bus.Publish(bus.Message{
		Topic: "powermgr/powerwall/reserve/set", Payload: []byte(`{"value":20}`), ID: "id-1", Expires: time.Now().Add(90 * time.Second),
		Source: "control", Node: "a", Generation: 7,
	})
	m := person.Await(t, "powermgr/powerwall/reserve/set", `{"value":20}`)
	if m.ID != "id-1" || m.Retain || m.Expiry < 80 || m.Expiry > 90 || m.User["source"] != "control" || m.User["node"] != "a" || m.User["generation"] != "7" {
		t.Errorf("the command came as %+v", m)
	}
	if own := r.next(t); own.Origin != bus.Local {
		t.Errorf("%+v", own)
	}
	r.retain("powermgr/powerwall/state", "{}")
	if m := person.Await(t, "powermgr/powerwall/state", "{}"); !m.Retain || m.Expiry != 0 {
		t.Errorf("the state came as %+v", m)
	}
	r.retain("$private/thing", "secret")
	r.bus.Publish(bus.Message{Topic: "powermgr/control/event", Payload: []byte("late"), Expires: time.Now().Add(-time.Second)})
	r.retain("powermgr/powerwall/state", "end")
	person.Await(t, "powermgr/powerwall/state", "end")
	for _, m := range person.Received() {
		if strings.HasPrefix(m.Topic, "$") || m.Payload == "late" {
			t.Errorf("mirrored: %+v", m)
		}
	}
	r.nothing(t) // no echo
}

func TestLinkTakesCommandsOnly(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	const set = "powermgr/control/override/set"
	person.Publish(t, brokertest.Message{Topic: set, Payload: "peak", Retain: true})
	person.Publish(t, brokertest.Message{Topic: "powermgr/node/b/state", Payload: `{"generation":3}`, Retain: true})
	person.Publish(t, brokertest.Message{Topic: "powermgr/powerwall/state", Payload: "of another process", Retain: true})
	r := startLink(t, at(b), nil)
	r.up(t)
	// What was stored before: the claim comes, the command and the state do not.
	if m := r.next(t); m.Topic != "powermgr/node/b/state" || !m.Retain || m.Origin != bus.Broker {
		t.Errorf("first came %+v", m)
	}
	r.nothing(t)
	person.Publish(t, brokertest.Message{Topic: set, Payload: "pause 30m", ID: "x", Expiry: 60, User: map[string]string{"source": "s", "node": "n", "generation": "9"}})
	m := r.next(t)
	left := time.Until(m.Expires)
	if string(m.Payload) != "pause 30m" || m.Retain || m.ID != "x" || m.Source != "s" || m.Node != "n" || m.Generation != 9 || left < 50*time.Second || left > time.Minute {
		t.Errorf("the command came as %+v", m)
	}
	// A live -r is recognized as retained, and can be cleared.
	person.Publish(t, brokertest.Message{Topic: set, Payload: "peak 1h", Retain: true})
	if m := r.next(t); !m.Retain || m.Refusal(time.Now(), 0) == "" {
		t.Errorf("a live -r came as %+v", m)
	}
	r.retain(set, "")
	r.retain("powermgr/powerwall/state", "{}")
	person.Subscribe(t, "powermgr/powerwall/state")
	person.Await(t, "powermgr/powerwall/state", "{}")
	late := b.Client(t, brokertest.Login{})
	late.Subscribe(t, set)
	late.Publish(t, brokertest.Message{Topic: set, Payload: "end"})
	late.Await(t, set, "end")
	if n := len(late.Received(set)); n != 1 {
		t.Errorf("the retained command was not cleared: %+v", late.Received())
	}
}

// What the broker has on this process's own topics is delivered under another name,
// before anything is published over it.
func TestLinkTellsWhatTheBrokerHasOfItsOwn(t *testing.T) {
	t.Parallel()
	const state = "powermgr/powerwall/state"
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	person.Publish(t, brokertest.Message{Topic: state, Payload: `{"grid_import_kwh":7}`, Retain: true})
	person.Subscribe(t, state)
	person.Await(t, state, `{"grid_import_kwh":7}`)
	r := startLink(t, func(o *LinkOptions) { at(b)(o); o.Stored = []string{state} }, nil)
	r.retain(state, "less")
	heard := r.bus.Subscribe("hears", bus.Stored(state), state)
	for range 2 { // its own, and the broker's
		m, ok, _ := heard.Next(t.Context(), time.Now().Add(10*time.Second))
		switch {
		case !ok:
			t.Fatal("nothing was told")
		case m.Origin == bus.Local:
		case m.Topic != bus.Stored(state) || string(m.Payload) != `{"grid_import_kwh":7}`:
			t.Errorf("told: %s %s", m.Topic, m.Payload)
		}
	}
	r.retain(state, "raised") // as the part does that hears it
	r.bus.Publish(bus.Message{Topic: bus.Seen(state), Payload: []byte(`{"grid_import_kwh":7}`)})
	person.Await(t, state, "raised")
	for _, m := range person.Received(state) {
		if m.Payload == "less" {
			t.Error("the lower value was said first")
		}
	}
}

// A part that waits for its vendor takes in late what the broker has. What it
// had said before that, and what it says without knowing of it, waits as well.
func TestLinkHoldsBackWhatWasSaidBeforeTheBrokersWasSeen(t *testing.T) {
	t.Parallel()
	const state, before = "powermgr/powerwall/state", `{"grid_import_kwh":7}`
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	person.Publish(t, brokertest.Message{Topic: state, Payload: before, Retain: true})
	person.Subscribe(t, "powermgr/#")
	person.Await(t, state, before)
	r := startLink(t, func(o *LinkOptions) { at(b)(o); o.Stored = []string{state} }, nil)
	r.retain(state, "of before the connection")
	r.retain("powermgr/weather/state", "of another part")
	person.Await(t, "powermgr/weather/state", "of another part")
	r.up(t)
	r.retain(state, "of a reading under way")
	r.retain("powermgr/weather/state", "later")
	person.Await(t, "powermgr/weather/state", "later")
	r.bus.Publish(bus.Message{Topic: bus.Seen(state), Payload: []byte("of long ago")})
	r.retain(state, "raised")
	r.bus.Publish(bus.Message{Topic: bus.Seen(state), Payload: []byte(before)})
	person.Await(t, state, "raised")
	r.retain(state, "as ever")
	person.Await(t, state, "as ever")
	for _, m := range person.Received(state) {
		if strings.HasPrefix(m.Payload, "of") {
			t.Errorf("without knowing what the broker had, it was said: %s", m.Payload)
		}
	}
}

func TestLinkAfterAnOutageTakesNoOldCommands(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	r := startLink(t, at(b), nil)
	r.up(t)
	r.retain("powermgr/weather/state", "gone soon")
	person.Subscribe(t, "#")
	person.Await(t, "powermgr/weather/state", "gone soon")
	b.Pause() // delays reconnecting
	b.Cut()
	r.until(t, "the link is down", func() bool { m, _ := r.bus.Retained(bus.LinkState); return string(m.Payload) == "down" })
	person.Publish(t, brokertest.Message{Topic: "powermgr/control/override/set", Payload: "peak"})
	r.bus.Publish(bus.Message{Topic: "powermgr/control/event", Payload: []byte("while down")})
	r.retain("powermgr/powerwall/state", "first")
	r.retain("powermgr/powerwall/state", "last")
	r.retain("powermgr/weather/state", "") // emptied while the broker was away
	b.Heal()
	r.up(t)
	person.Await(t, "powermgr/powerwall/state", "last")
	person.Await(t, "powermgr/weather/state", "")
	r.nothing(t)
	if n := len(person.Received("powermgr/control/event")); n != 0 {
		t.Error("an event of the outage was queued")
	}
	if h := r.healthNow(t); h.Dropped == 0 || !h.Connected {
		t.Errorf("%+v", h)
	}
	for _, m := range person.Received("powermgr/powerwall/state") {
		if m.Payload == "first" {
			t.Error("a state that no longer held was said")
		}
	}
	if n := r.logged("is lost"); n != 1 {
		t.Errorf("%d warnings of one outage:\n%s", n, r.log)
	}
}

func TestLinkReplaysInOrderAfterTheClaims(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	person.Publish(t, brokertest.Message{Topic: "powermgr/node/b/state", Payload: "{}", Retain: true})
	person.Subscribe(t, "#")
	r := startLink(t, at(b), nil)
	r.retain("powermgr/control/state", "{}")
	r.retain("powermgr/powerwall/state", "{}")
	r.retain("powermgr/powerwall/availability", "online")
	r.retain("homeassistant/device/one/config", "{}")
	r.retain("homeassistant/device/two/config", "{}")
	r.up(t)
	person.Await(t, "powermgr/powerwall/state", "{}")
	var order []string
	for _, m := range person.Received() {
		if m.Topic != "powermgr/node/b/state" && !slices.Contains(order, m.Topic) {
			order = append(order, m.Topic)
		}
	}
	want := []string{
		"powermgr/node/a/selftest", "powermgr/status", "homeassistant/device/one/config", "homeassistant/device/two/config",
		"powermgr/powerwall/availability", "powermgr/control/state", "powermgr/powerwall/state",
	}
	if !slices.Equal(order, want) {
		t.Errorf("said in the order\n%v, want\n%v", order, want)
	}
	r.next(t) // the claim was there before
}

func TestLinkBrokerRestartBringsEverythingBack(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	r := startLink(t, at(b), nil)
	r.retain("powermgr/powerwall/state", "{}")
	r.retain("powermgr/powerwall/availability", "online")
	r.retain("homeassistant/device/one/config", "{}")
	r.up(t)
	b.Stop()
	r.until(t, "the link is down", func() bool { m, _ := r.bus.Retained(bus.LinkState); return string(m.Payload) == "down" })
	b.Start(t)
	back := time.Now()
	r.up(t)
	if took := time.Since(back); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	person := b.Client(t, brokertest.Login{})
	person.Subscribe(t, "#")
	for topic, payload := range map[string]string{
		"powermgr/status": "online", "powermgr/powerwall/state": "{}", "powermgr/powerwall/availability": "online", "homeassistant/device/one/config": "{}",
	} {
		if m := person.Await(t, topic, payload); !m.Retain {
			t.Errorf("%s is not retained", topic)
		}
	}
}

func TestLinkStatus(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/status")
	r := startLink(t, at(b), nil)
	r.up(t)
	person.Await(t, "powermgr/status", "online")
	person.Forget()
	person.Publish(t, brokertest.Message{Topic: "powermgr/status", Payload: "offline", Retain: true}) // another's late will
	person.Await(t, "powermgr/status", "online")
	person.Forget()
	b.Cut() // as kill -9 does
	person.Await(t, "powermgr/status", "offline")
	person.Await(t, "powermgr/status", "online") // and it comes back
	person.Forget()
	r.up(t)
	r.stop()
	if m := person.Await(t, "powermgr/status", "offline"); !m.Retain {
		t.Errorf("%+v", m)
	}
}

func TestLinkOfAStandbySpeaksOfItselfAlone(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	standing := &linkStanding{}
	r := startLink(t, func(o *LinkOptions) {
		o.URL = b.URL()
		o.Role = standing
		o.LastWill = func() []byte { return []byte("gone") }
	}, nil)
	r.retain("powermgr/powerwall/state", "old")
	r.retain("powermgr/node/a/state", "standby")
	r.up(t)
	person.Await(t, "powermgr/node/a/state", "standby")
	if n := len(person.Received("powermgr/powerwall/state", "powermgr/status")); n != 0 {
		t.Errorf("a standby said %+v", person.Received())
	}
	b.Cut()
	person.Await(t, "powermgr/node/a/state", "gone")
	person.Forget()
	r.until(t, "it is back", func() bool { return len(person.Received("powermgr/node/a/state")) > 0 })
	r.up(t)
	person.Forget()

	standing.active.Store(true)
	r.bus.Publish(bus.Message{Topic: bus.Role, Retain: true, Payload: []byte("active")})
	person.Await(t, "powermgr/status", "online")
	person.Await(t, "powermgr/powerwall/state", "old")
	for _, m := range person.Received() {
		if m.Payload == "gone" {
			t.Error("the promotion looked like a death")
		}
	}
	r.up(t)
	b.Cut()
	person.Await(t, "powermgr/status", "offline")
}

// What a node has published as the active one is old when it becomes active again: an
// energy counter would fall.
func TestLinkOfAStandbyForgetsWhatTheActiveNodeSays(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	const state, later = "powermgr/powerwall/state", "powermgr/weather/state"
	standing := &linkStanding{}
	r := startLink(t, func(o *LinkOptions) { at(b)(o); o.Role, o.Stored = standing, []string{state} }, nil)
	turn := func(active bool) {
		standing.active.Store(active)
		r.bus.Publish(bus.Message{Topic: bus.Role, Retain: true, Payload: []byte("turned")})
	}
	turn(true)
	person.Subscribe(t, "powermgr/#")
	r.retain(state, "100")
	person.Await(t, state, "100")
	turn(false)
	r.retain(state, "105") // from a reading that was in progress
	r.retain("powermgr/node/a/state", "standby")
	person.Await(t, "powermgr/node/a/state", "standby")
	person.Publish(t, brokertest.Message{Topic: state, Payload: "110", Retain: true})
	person.Await(t, state, "110")
	person.Forget()
	turn(true)
	person.Await(t, "powermgr/status", "online")
	r.bus.Publish(bus.Message{Topic: bus.Seen(state), Payload: []byte("110"), Retain: true})
	r.retain(later, "20")
	person.Await(t, later, "20")
	for _, m := range person.Received(state) {
		if m.Payload == "100" || m.Payload == "105" {
			t.Errorf("the old state %s was said again", m.Payload)
		}
	}
}

func TestLinkSaysAgainWhatTheBrokerHasStoredOtherwise(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	const config, state, journal = "homeassistant/device/one/config", "powermgr/node/a/state", "powermgr/node/a/journal"
	for _, topic := range []string{config, state, journal} {
		person.Publish(t, brokertest.Message{Topic: topic, Payload: "of before", Retain: true})
	}
	r := startLink(t, func(o *LinkOptions) {
		o.URL = b.URL()
		o.Filters = []string{"homeassistant/+/+/config", "powermgr/node/+/state", "powermgr/node/+/journal"}
	}, func(tm *timing) { tm.repeat = 100 * time.Millisecond })
	for _, topic := range []string{config, state, journal} {
		r.retain(topic, "now")
	}
	r.up(t)
	// What this process said comes too, before or after.
	for seen := map[string]bool{}; len(seen) < 3; {
		if m := r.next(t); m.Origin == bus.Broker && string(m.Payload) == "of before" {
			seen[m.Topic] = true
		}
	}
	person.Subscribe(t, "#")
	for _, topic := range []string{config, state, journal} {
		person.Await(t, topic, "now")
	}
	time.Sleep(200 * time.Millisecond)
	person.Forget()
	person.Publish(t, brokertest.Message{Topic: state, Payload: "gone", Retain: true}) // a late will, or a machine with the same name
	person.Await(t, state, "now")
	m := r.next(t)
	for m.Origin != bus.Broker || string(m.Payload) == "of before" {
		m = r.next(t)
	}
	if string(m.Payload) != "gone" || m.Retain {
		t.Errorf("of what another says of this node came %+v", m)
	}
	r.nothing(t)
}

// Two daemons that are not a pair each have a bridge, which would carry out the decisions
// of the other one's controller, even if that one is a dry run.
func TestLinkTakesNoCommandsOfTheControllerOfAnotherNode(t *testing.T) {
	const set = "powermgr/powerwall/reserve/set"
	for name, c := range map[string]struct {
		controller bool
		node       string
		taken      bool
	}{
		"of another node":                                      {true, "laptop", false},
		"of another node, by a bridge alone":                   {false, "laptop", false},
		"of a machine with the same name":                      {true, "a", false},
		"of the controller that is a process of its own":       {false, "a", true},
		"of a person, who says nothing of a node or a program": {true, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := brokertest.Start(t, brokertest.Config{})
			r := startLink(t, func(o *LinkOptions) { o.URL, o.Controller = b.URL(), c.controller }, nil)
			r.up(t)
			user := map[string]string{"source": "control", "node": c.node, "generation": "1"}
			if c.node == "" {
				user = nil
			}
			person := b.Client(t, brokertest.Login{})
			for range 2 {
				person.Publish(t, brokertest.Message{Topic: set, Payload: "30", User: user})
			}
			if c.taken {
				r.next(t)
				r.next(t)
			}
			r.nothing(t)
			if n := r.logged("not carried out"); n > 1 || (n == 0) != c.taken {
				t.Errorf("said %d times", n)
			}
		})
	}
}

// A message larger than the broker accepts was sent first on every connection, and ended
// each of them: nothing else ever arrived.
func TestLinkLeavesOutWhatIsTooLargeForTheBroker(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{PacketLimit: 3000})
	person := b.Client(t, brokertest.Login{})
	person.Subscribe(t, "#")
	const config, state = "homeassistant/device/one/config", "powermgr/powerwall/state"
	r := startLink(t, at(b), func(tm *timing) { tm.short = time.Second })
	large := strings.Repeat("x", 3000)
	r.retain(config, large)
	r.retain(state, "small")
	r.up(t)
	person.Await(t, state, "small")
	r.until(t, "the health says what and why", func() bool {
		h := r.healthNow(t)
		return h.Connected && strings.Contains(h.Problem, config) && strings.Contains(h.Problem, "max_packet_size") == (b.Kind != brokertest.Embedded) &&
			slices.Contains(h.Denied, config) && !strings.Contains(h.Problem, state)
	})
	if n := r.logged("topic=" + config); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if n := r.logged("mqtt.client_id"); n != 0 {
		t.Error("it looks for another powermgr")
	}
	if b.Kind != brokertest.Embedded && r.logged("is lost") != 0 {
		t.Error("what is too large was sent")
	}
	r.retain(config, "small again")
	person.Await(t, config, "small again")
	r.until(t, "the health says nothing any more", func() bool { h := r.healthNow(t); return h.Problem == "" && len(h.Denied) == 0 })
}

// A refusal by the broker for a reason other than the access list was ignored.
func TestLinkSaysWhatTheBrokerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		all   refusals
		wants []string
	}{
		"nothing": {nil, nil},
		"the access list": {refusals{
			"homeassistant/device/a/config": {code: codeNotAuthorized}, "homeassistant/device/b/config": {code: codeNotAuthorized},
		}, []string{"does not let this user publish on homeassistant/device/a/config, homeassistant/device/b/config: allow it in the broker's access list"}},
		"a subscription":     {refusals{"powermgr/control/+/set": {subscribing: true, code: codeNotAuthorized}}, []string{"subscribe to powermgr/control/+/set: allow"}},
		"too large":          {refusals{"powermgr/control/chart": {code: codeTooLarge, maxSize: 2000, size: 9000}}, []string{"more than 2000 bytes, and so does not get powermgr/control/chart", "max_packet_size)"}},
		"a large config":     {refusals{"homeassistant/device/a/config": {code: codeTooLarge, maxSize: 2000, size: 9000}}, []string{"discovery.format to component"}},
		"a limit of its own": {refusals{"powermgr/control/chart": {code: codeTooLarge, size: 9000}}, []string{"too large", "message_size_limit"}},
		"a quota":            {refusals{"powermgr/control/chart": {code: codeQuota}}, []string{"quota"}},
		"the format":         {refusals{"powermgr/control/chart": {code: codeFormat}}, []string{"format"}},
		"something else":     {refusals{"powermgr/control/chart": {code: 0x83}}, []string{"powermgr/control/chart, code 0x83"}},
		"without a word":     {refusals{"powermgr/control/chart": {ends: true, size: 9000}}, []string{"ends the connection whenever it is sent powermgr/control/chart"}},
		"many":               {refusals{"a/1": {code: 1}, "a/2": {code: 1}, "a/3": {code: 1}, "a/4": {code: 1}, "a/5": {code: 1}, "a/6": {code: 1}}, []string{"a/1, a/2, a/3, a/4 and 2 more"}},
		"two kinds":          {refusals{"a/1": {code: 1}, "a/2": {code: 2}}, []string{"a/1, code 0x01: look at the broker's log; the broker refuses a/2"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.all.problem(newOutbox("powermgr").isConfig)
			for _, want := range c.wants {
				if !strings.Contains(got, want) {
					t.Errorf("%q lacks %q", got, want)
				}
			}
			if len(c.wants) == 0 && got != "" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestLinkSaysWhatTheAccessListForbids(t *testing.T) {
	for _, c := range []struct {
		name, acl, problem, denied string
	}{
		{"no reading", "user pm\ntopic write powermgr/#\n", "delivers nothing", ""},
		{"no writing", "user pm\ntopic read powermgr/#\n", "does not let this user publish", "powermgr/status"},
		{"one topic", "user pm\ntopic readwrite powermgr/node/#\ntopic readwrite powermgr/status\ntopic readwrite powermgr/control/#\n", "publish on powermgr/powerwall/state: allow it", "powermgr/powerwall/state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := brokertest.Start(t, brokertest.Config{Users: map[string]string{"pm": "hush-hush"}, ACL: c.acl})
			r := startLink(t, func(o *LinkOptions) {
				o.URL, o.Username, o.Password = b.URL(), "pm", "hush-hush"
			}, func(tm *timing) { tm.selfTest = time.Second })
			r.retain("powermgr/powerwall/state", "1")
			r.up(t)
			r.retain("powermgr/powerwall/state", "2")
			r.until(t, "the denial is shown", func() bool {
				h := r.healthNow(t)
				return strings.Contains(h.Problem, c.problem) && (c.denied == "" || slices.Contains(h.Denied, c.denied))
			})
			if c.denied != "" && r.logged("topic="+c.denied) != 1 {
				t.Errorf("not said once:\n%s", r.log)
			}
			if strings.Contains(r.log.String(), "hush-hush") {
				t.Error("the password is in the log")
			}
		})
	}
}

func TestLinkWrongPassword(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{Users: map[string]string{"pm": "right"}})
	for _, c := range []struct{ name, user, password, says string }{
		{"wrong", "pm", "wr0ng-pw", "refuses user pm: check mqtt.username and mqtt.password"},
		{"none", "", "", "set mqtt.username and mqtt.password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startLink(t, func(o *LinkOptions) {
				o.URL = strings.Replace(b.URL(), "://", "://"+c.user+":"+c.password+"@", 1)
			}, nil)
			r.until(t, "it says so", func() bool { return r.logged(c.says) > 0 })
			r.until(t, "there was a second attempt", func() bool { return r.logged("DEBUG") > 0 })
			if n := r.logged("WARN"); n != 1 {
				t.Errorf("%d warnings:\n%s", n, r.log)
			}
			if c.password != "" && strings.Contains(r.log.String(), c.password) {
				t.Errorf("the password is in the log:\n%s", r.log)
			}
			if h := r.healthNow(t); !strings.Contains(h.Problem, c.says) || h.Connected {
				t.Errorf("%+v", h)
			}
		})
	}
}

// Home Assistant's birth is on homeassistant/status whatever its prefix is.
func TestLinkHearsABirthBelowAnotherPrefix(t *testing.T) {
	for _, topic := range []string{"ha/status", "homeassistant/status"} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			b := brokertest.Start(t, brokertest.Config{})
			person := b.Client(t, brokertest.Login{})
			person.Subscribe(t, "powermgr/powerwall/state")
			r := startLink(t, func(o *LinkOptions) { o.URL, o.StatusTopic = b.URL(), "ha/status" }, func(tm *timing) { tm.birthMin, tm.birthMax = time.Millisecond, 2*time.Millisecond })
			r.retain("powermgr/powerwall/state", "1")
			r.up(t)
			person.Await(t, "powermgr/powerwall/state", "1")
			person.Forget()
			person.Publish(t, brokertest.Message{Topic: topic, Payload: "online"})
			person.Await(t, "powermgr/powerwall/state", "1")
		})
	}
}

// A broker that ignores No Local sends each command of the controller back, and
// it was carried out twice.
func TestLinkDropsItsOwnCommandThatComesBack(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	person := b.Client(t, brokertest.Login{})
	const set = "powermgr/powerwall/reserve/set"
	person.Subscribe(t, set)
	r := startLink(t, func(o *LinkOptions) { o.URL, o.Filters, o.Controller = b.URL(), []string{set}, true }, nil)
	r.up(t)
	r.bus.Publish(bus.Message{Topic: set, Payload: []byte(`{"id":"control-1","value":0}`), ID: "control-1", Source: "control", Node: "a", Generation: 1})
	r.next(t) // on the bus
	m := person.Await(t, set, `{"id":"control-1","value":0}`)
	for _, properties := range []map[string]string{m.User, nil} {
		person.Publish(t, brokertest.Message{Topic: set, Payload: m.Payload, ID: m.ID, User: properties})
	}
	r.nothing(t)
	person.Publish(t, brokertest.Message{Topic: set, Payload: "20"})
	if m := r.next(t); string(m.Payload) != "20" {
		t.Errorf("a person's command came as %+v", m)
	}
	if r.logged("the controller of another node") != 0 {
		t.Error("it is taken for that of another node")
	}
}

// A Pi that had no power does not know the time. The text of the warning had the
// time in it, so each attempt was warned of, with advice about what was right.
func TestLinkSaysOnceThatACertificateIsNotValidNow(t *testing.T) {
	for name, c := range map[string]struct {
		begin time.Duration
		says  string
	}{"not yet": {24 * time.Hour, "only from"}, "not any more": {-72 * time.Hour, "only until"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs := brokertest.CertificatesFrom(t, time.Now().Add(c.begin))
			b := brokertest.Start(t, brokertest.Config{Certs: certs})
			r := startLink(t, func(o *LinkOptions) {
				o.URL = b.URL()
				u, _ := url.Parse(o.URL)
				cfg, err := TLSFiles{CAFile: certs.CAFile}.Config(u)
				if err != nil {
					t.Fatal(err)
				}
				o.TLS = cfg
			}, nil)
			r.until(t, "it has tried again", func() bool { return r.logged("level=DEBUG") > 1 })
			if n := r.logged("level=WARN"); n != 1 || r.logged("the broker's certificate is not valid at 20") != 1 || r.logged(c.says) != 1 || r.logged("timedatectl") != 1 || r.logged("ca_file") != 0 {
				t.Errorf("%d warnings", n)
			}
			if h := r.healthNow(t); !strings.Contains(h.Problem, "timedatectl") {
				t.Errorf("%+v", h)
			}
		})
	}
}

// A broker without MQTT 5 has no code for that, which was mistaken for a wrong URL.
func TestLinkKnowsWhatIsNoBrokerOfMQTT5(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		stays  bool // the connection
		says   string
	}{
		"refused by MQTT 3.1.1":      {"\x20\x02\x00\x01", false, "does not support MQTT 5"},
		"accepted by MQTT 3.1.1":     {"\x20\x02\x00\x00", true, "does not support MQTT 5"},
		"ended without a word":       {"", false, "may not support MQTT 5"},
		"a web server":               {"HTTP/1.1 400 Bad Request\r\n\r\n", false, "what answers there is not an MQTT broker"},
		"a mail server":              {"220 mail.example.com ESMTP\r\n", false, "what answers there is not an MQTT broker"},
		"refused by MQTT 5":          {"\x20\x03\x00\x84\x00", false, "does not support MQTT 5"},
		"a user that it wants":       {"\x20\x03\x00\x87\x00", false, "set mqtt.username"},
		"no retained messages":       {"\x20\x03\x00\x9a\x00", false, "retain_available"},
		"a code that nobody expects": {"\x20\x03\x00\x83\x00", false, "code 0x83"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_, _ = conn.Write([]byte(c.answer))
					if !c.stays {
						conn.Close()
					}
				}
			}()
			r := startLink(t, func(o *LinkOptions) { o.URL = "mqtt://" + listener.Addr().String() }, nil)
			r.until(t, "it says what is wrong", func() bool { return r.logged("level=WARN") > 0 })
			if r.logged(c.says) != 1 {
				t.Errorf("it does not say %q:\n%s", c.says, r.log)
			}
		})
	}
}

func TestLinkTLS(t *testing.T) {
	t.Parallel()
	certs, others := brokertest.NewCertificates(t), brokertest.NewCertificates(t)
	b := brokertest.Start(t, brokertest.Config{Certs: certs, ClientCerts: true})
	for _, c := range []struct {
		name  string
		files TLSFiles
		says  string // empty: it connects
	}{
		{"good", TLSFiles{CAFile: certs.CAFile, CertFile: certs.ClientCert, KeyFile: certs.ClientKey}, ""},
		{"server name", TLSFiles{CAFile: certs.CAFile, CertFile: certs.ClientCert, KeyFile: certs.ClientKey, ServerName: "localhost"}, ""},
		{"another authority", TLSFiles{CAFile: others.CAFile, CertFile: certs.ClientCert, KeyFile: certs.ClientKey}, "check mqtt.tls.ca_file"},
		{"another name", TLSFiles{CAFile: certs.CAFile, CertFile: certs.ClientCert, KeyFile: certs.ClientKey, ServerName: "elsewhere"}, "mqtt.tls.server_name"},
		{"no client certificate", TLSFiles{CAFile: certs.CAFile}, "mqtt.tls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startLink(t, func(o *LinkOptions) {
				o.URL = b.URL()
				u, _ := url.Parse(o.URL)
				cfg, err := c.files.Config(u)
				if err != nil {
					t.Fatal(err)
				}
				o.TLS = cfg
			}, nil)
			if c.says == "" {
				r.up(t)
				return
			}
			r.until(t, "it says "+c.says, func() bool { return r.logged("WARN") > 0 })
			if r.logged(c.says) == 0 {
				t.Errorf("it says\n%s", r.log)
			}
		})
	}
}

func TestLinkHalfOpenConnection(t *testing.T) {
	t.Parallel()
	b := brokertest.StartEmbedded(t, brokertest.Config{})
	r := startLink(t, func(o *LinkOptions) { o.URL = b.URL(); o.KeepAlive = time.Second }, nil)
	r.up(t)
	b.BlackHole()
	r.until(t, "the link is down", func() bool { m, _ := r.bus.Retained(bus.LinkState); return string(m.Payload) == "down" })
	b.Cut()
	b.Heal()
	r.up(t)
}

func TestLinkGivesUpAConnectionThatTakesNoMessages(t *testing.T) {
	t.Parallel()
	b := brokertest.StartEmbedded(t, brokertest.Config{})
	r := startLink(t, at(b), func(tm *timing) { tm.publish, tm.stuck = 100*time.Millisecond, 3 })
	r.up(t)
	b.BlackHole()
	for i := range 3 {
		r.retain("powermgr/powerwall/state", fmt.Sprint(i))
		time.Sleep(150 * time.Millisecond)
	}
	r.until(t, "it was given up", func() bool { return r.logged(errStuck.Error()) > 0 })
	b.Cut()
	b.Heal()
	r.up(t)
	person := b.Client(t, brokertest.Login{})
	person.Subscribe(t, "#")
	person.Await(t, "powermgr/powerwall/state", "2")
}

func TestTwoLinksWithOneClientID(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	before := b.Accepted()
	set := func(o *LinkOptions) { o.URL, o.ClientID = b.URL(), "same" }
	tune := func(tm *timing) { tm.contested = 5 * time.Second }
	one, two := startLink(t, set, tune), startLink(t, set, tune)
	said := func() bool { return one.logged("another powermgr")+two.logged("another powermgr") > 0 }
	start := time.Now()
	one.until(t, "it is said", said)
	rate := float64(b.Accepted()-before) / max(1, time.Since(start).Seconds())
	if rate > 4 {
		t.Errorf("%.1f connections a second", rate)
	}
	n := b.Accepted()
	time.Sleep(2 * time.Second)
	if more := b.Accepted() - n; more > 3 {
		t.Errorf("%d connections in two seconds after it was said", more)
	}
}

func TestLinkTakesAFloodWithoutGrowing(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{})
	r := startLink(t, at(b), nil)
	r.up(t)
	person := b.Client(t, brokertest.Login{})
	for i := range 2000 {
		person.Publish(t, brokertest.Message{Topic: "powermgr/control/override/set", Payload: fmt.Sprintf("%d%s", i, strings.Repeat("x", 500))})
	}
	person.Subscribe(t, "powermgr/powerwall/state")
	for i := range 1000 {
		r.bus.Publish(bus.Message{Topic: "powermgr/control/event", Payload: fmt.Append(nil, i)})
	}
	r.retain("powermgr/powerwall/state", "{}")
	person.Await(t, "powermgr/powerwall/state", "{}")
	if got := r.taken.Dropped(); got < 1 || got > 2000-bus.Depth {
		t.Errorf("%d dropped by a subscriber that does not read", got)
	}
	r.out.mu.Lock()
	defer r.out.mu.Unlock()
	if len(r.out.events) > maxEvents {
		t.Errorf("%d events wait", len(r.out.events))
	}
}

func TestLinkWithoutABrokerHoldsNothingUp(t *testing.T) {
	t.Parallel()
	r := startLink(t, func(o *LinkOptions) { o.URL = "mqtt://127.0.0.1:1" }, nil)
	r.until(t, "it is said", func() bool { return r.logged("cannot be reached") == 1 })
	for range 3 * bus.Depth {
		r.bus.Publish(bus.Message{Topic: "powermgr/control/event", Payload: []byte("x")})
		time.Sleep(10 * time.Microsecond)
	}
	r.until(t, "all was taken", func() bool { return !r.bus.Queued() })
	start := time.Now()
	r.stop()
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// In virtual time, on the embedded broker without a socket.

func TestHomeAssistantsBirthBringsEverythingBackOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		birth  brokertest.Message
		before bool // of the link's start
		want   int  // replays
	}{
		{"live", brokertest.Message{Payload: "online"}, false, 1},
		{"another case", brokertest.Message{Payload: "ONLINE"}, false, 1},
		{"retained and live", brokertest.Message{Payload: "online", Retain: true}, false, 1},
		{"stored", brokertest.Message{Payload: "online", Retain: true}, true, 0},
		{"death", brokertest.Message{Payload: "offline"}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := brokertest.StartMemory(t)
				ha := m.Client(t, brokertest.Login{})
				c.birth.Topic = "homeassistant/status"
				if c.before {
					ha.Publish(t, c.birth)
				}
				ha.Subscribe(t, "#")
				r := startLink(t, func(o *LinkOptions) { o.Dial = m.Dial }, nil)
				r.retain("homeassistant/device/one/config", "{}")
				r.retain("powermgr/powerwall/state", "{}")
				r.up(t)
				time.Sleep(30 * time.Second)
				ha.Forget()
				if !c.before {
					for range 3 { // a storm
						ha.Publish(t, c.birth)
						time.Sleep(200 * time.Millisecond)
					}
					time.Sleep(time.Second)
					if len(ha.Received("homeassistant/device/one/config")) > 0 {
						t.Error("the answer came before Home Assistant can take it")
					}
				}
				time.Sleep(30 * time.Second)
				for _, topic := range []string{"homeassistant/device/one/config", "powermgr/powerwall/state"} {
					if n := len(ha.Received(topic)); n != c.want {
						t.Errorf("%d times %s, want %d", n, topic, c.want)
					}
				}
				r.stop()
			})
		})
	}
}

func TestStatusIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := brokertest.StartMemory(t)
		ha := m.Client(t, brokertest.Login{})
		ha.Subscribe(t, "powermgr/status")
		r := startLink(t, func(o *LinkOptions) { o.Dial = m.Dial }, nil)
		time.Sleep(4 * time.Second)
		if n := len(ha.Received()); n != 1 {
			t.Errorf("%d times at first", n)
		}
		time.Sleep(4 * time.Second)
		if n := len(ha.Received()); n != 2 {
			t.Errorf("%d times after eight seconds", n)
		}
		time.Sleep(10 * time.Minute)
		if n := len(ha.Received()); n != 12 {
			t.Errorf("%d times after ten minutes", n)
		}
		r.stop()
	})
}

func TestConfigsGoOutOneByOne(t *testing.T) {
	o := newOutbox("powermgr")
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	msg := func(topic, payload string) bus.Message {
		return bus.Message{Topic: topic, Payload: []byte(payload), Retain: true}
	}
	next := func() string {
		m, ok, due := o.take(now)
		if !ok && due.IsZero() {
			return ""
		}
		if !ok {
			return "in " + due.Sub(now).String()
		}
		return m.Topic + " " + string(m.Payload)
	}
	expect := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if got := next(); got != w {
				t.Errorf("got %q, want %q", got, w)
			}
		}
	}
	o.connected()
	for _, topic := range []string{"powermgr/a", "powermgr/z/availability", "ha/x/config", "ha/y/config"} {
		o.put(msg(topic, "1"))
	}
	expect("") // the replay brings them
	o.replay(bus.Message{})
	expect("ha/x/config 1", "in 100ms")
	now = now.Add(100 * time.Millisecond)
	expect("ha/y/config 1", "powermgr/z/availability 1", "powermgr/a 1", "")
	o.put(msg("ha/x/config", "2"))
	o.put(msg("ha/x/config", "3"))
	o.put(msg("powermgr/a", "2"))
	o.put(bus.Message{Topic: "powermgr/e", Payload: []byte("e")})
	expect("powermgr/e e", "powermgr/a 2", "in 1.9s")
	now = now.Add(1900 * time.Millisecond)
	expect("ha/x/config 3", "")
	o.put(msg("powermgr/a", "3"))
	m, _, _ := o.take(now)
	o.put(msg("powermgr/a", "4"))
	o.requeue(m) // it did not get through, but there is a newer one
	expect("powermgr/a 4", "")
}

func TestNewLinkRefusesWhatItCannotUse(t *testing.T) {
	for _, url := range []string{"", "broker", "http://broker", "ws://broker:9001", "mqtt://user:hush%zz@host"} {
		_, err := NewLink(LinkOptions{URL: url, Bus: bus.New(bus.Wall{}), Topics: linkTopics})
		if err == nil || !strings.Contains(err.Error(), "mqtt.url") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

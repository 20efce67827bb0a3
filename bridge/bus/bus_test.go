package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a", false},
		{"a/+/c", "a/b/c", true},
		{"+/b", "a/b", true},
		{"#", "a/b", true},
		{"a/#", "a/b/c", true},
		{"a/#", "a", true},
		{"a/#", "b", false},
		{"a/+", "a/b/c", false},
		{"a/+", "a/", true},
		{"a/+/#", "a/b", true},
		{"a/b/#", "a", false},
		{"a/b", "a/bc", false},
		{"a/bc", "a/b", false},
		{"", "", true},
	} {
		if got := bus.Match(c.filter, c.topic); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.filter, c.topic, got)
		}
	}
}

func TestDeliversInOrderAndKeepsRetained(t *testing.T) {
	b := bus.New(bus.Wall{})
	early := b.Subscribe("early", "a/#")
	for i := range 3 {
		b.Publish(bus.Message{Topic: "a/x", Payload: fmt.Append(nil, i), Retain: true})
	}
	b.Publish(bus.Message{Topic: "b/x", Payload: []byte("other")})
	late := b.Subscribe("late", "a/+")
	for i := range 3 {
		if m, ok, err := early.Next(t.Context(), time.Now()); !ok || err != nil || string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("%d: %q %v %v", i, m.Payload, ok, err)
		}
	}
	if m, ok, _ := late.Next(t.Context(), time.Now()); !ok || string(m.Payload) != "2" {
		t.Errorf("a late subscriber got %q", m.Payload)
	}
	b.Publish(bus.Message{Topic: "a/x", Retain: true})
	if _, ok := b.Retained("a/x"); ok || len(b.Snapshot()) != 0 {
		t.Error("an empty payload did not clear what was retained")
	}
}

func TestASlowSubscriberLosesAndCounts(t *testing.T) {
	b := bus.New(bus.Wall{})
	slow, other := b.Subscribe("slow", "a"), b.Subscribe("other", "b")
	for range bus.Depth + 7 {
		b.Publish(bus.Message{Topic: "a"})
	}
	b.Publish(bus.Message{Topic: "b"})
	if slow.Dropped() != 7 || other.Dropped() != 0 {
		t.Errorf("dropped %d and %d", slow.Dropped(), other.Dropped())
	}
	if _, ok, _ := other.Next(t.Context(), time.Now()); !ok {
		t.Error("a slow subscriber held up another")
	}
}

func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New(bus.Wall{})
		s := b.Subscribe("s", "a")
		start := time.Now()
		if _, ok, err := s.Next(t.Context(), start.Add(time.Hour)); ok || err != nil || time.Since(start) != time.Hour {
			t.Errorf("woke after %v: %v %v", time.Since(start), ok, err)
		}
		go func() {
			time.Sleep(time.Minute)
			b.Publish(bus.Message{Topic: "a", Payload: []byte("x")})
		}()
		if m, ok, err := s.Next(t.Context(), time.Time{}); !ok || err != nil || string(m.Payload) != "x" {
			t.Errorf("%v %v", ok, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := s.Next(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		s.Close()
		b.Publish(bus.Message{Topic: "a"})
		if b.Queued() {
			t.Error("a closed subscription still gets messages")
		}
	})
}

// waits is a clock that counts how often a reader waits.
type waits struct {
	bus.Wall
	n int
}

func (w *waits) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	w.n++
	return w.Wall.Wait(ctx, at, ready)
}

// A reader is not woken for a message that it took while it was busy.
func TestAReaderIsNotWokenForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &waits{}
		b := bus.New(clock)
		s := b.Subscribe("s", "a")
		for range 3 {
			b.Publish(bus.Message{Topic: "a"})
		}
		for i := range 4 {
			if _, ok, _ := s.Next(t.Context(), time.Now().Add(time.Minute)); ok != (i < 3) {
				t.Errorf("%d: %v", i, ok)
			}
		}
		if clock.n != 1 {
			t.Errorf("it waited %d times", clock.n)
		}
	})
}

// set is a clock that is set back an hour by the first wait.
type set struct {
	bus.Wall
	back time.Duration
}

func (c *set) Now() time.Time { return time.Now().Add(-c.back) }

func (c *set) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	at = at.Add(c.back)
	c.back = time.Hour
	return c.Wall.Wait(ctx, at, ready)
}

// A loop that waits a minute does not wait an hour because the clock is set back.
func TestAWaitIsNotLongerBecauseTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &set{}
		began := time.Now()
		if _, ok, err := bus.New(clock).Subscribe("s", "a").Next(t.Context(), clock.Now().Add(time.Minute)); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestRefusal(t *testing.T) {
	now := time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		m       bus.Message
		refused bool
	}{
		{"plain", bus.Message{}, false},
		{"retained", bus.Message{Retain: true}, true},
		{"in time", bus.Message{Expires: now.Add(time.Second)}, false},
		{"expired", bus.Message{Expires: now}, true},
		{"of this generation", bus.Message{Generation: 4}, false},
		{"of an older generation", bus.Message{Generation: 3}, true},
	} {
		if got := c.m.Refusal(now, 4) != ""; got != c.refused {
			t.Errorf("%s: refused %v", c.name, got)
		}
	}
}

func TestPrivate(t *testing.T) {
	if !bus.Private(bus.LinkState) || bus.Private("powermgr/status") {
		t.Error("only topics that begin with $ are private")
	}
}

func TestDecode(t *testing.T) {
	type reading struct {
		Charge *int `json:"charge"`
	}
	b := bus.New(bus.Wall{})
	one, other := b.Subscribe("one", "+"), b.Subscribe("other", "+")
	take := func(s *bus.Subscription) bus.Message {
		m, _, _ := s.Next(t.Context(), time.Now())
		return m
	}
	b.Publish(bus.Message{Topic: "a", Payload: []byte(`{"charge":7}`)})
	first, again := take(one), take(other)
	r, err := bus.Decode[reading](first)
	if err != nil || r.Charge == nil || *r.Charge != 7 {
		t.Fatalf("%+v %v", r, err)
	}
	if same, err := bus.Decode[reading](again); err != nil || same.Charge != r.Charge {
		t.Error("it was decoded once for each reader")
	}
	if m, err := bus.Decode[map[string]int](again); err != nil || m["charge"] != 7 {
		t.Errorf("as another type: %v %v", m, err)
	}
	b.Publish(bus.Message{Topic: "a", Payload: []byte(`{"charge":8}`)})
	if r, err := bus.Decode[reading](take(one)); err != nil || *r.Charge != 8 {
		t.Errorf("the next one: %+v %v", r, err)
	}
	b.Publish(bus.Message{Topic: "r", Payload: []byte(`{"charge":8}`), Retain: true})
	said, _ := bus.Decode[reading](take(one))
	b.Publish(bus.Message{Topic: "r", Payload: []byte(`{"charge":8}`), Retain: true})
	if same, err := bus.Decode[reading](take(one)); err != nil || same.Charge != said.Charge {
		t.Errorf("what is said again was decoded again: %v", err)
	}
	b.Publish(bus.Message{Topic: "r", Payload: []byte(`{"charge":9}`), Retain: true})
	if r, err := bus.Decode[reading](take(one)); err != nil || *r.Charge != 9 {
		t.Errorf("what is said next: %+v %v", r, err)
	}
	charge := 10
	said10, err := bus.Encode(bus.Message{Topic: "r", Retain: true}, reading{&charge})
	if err != nil || string(said10.Payload) != `{"charge":10}` {
		t.Fatalf("%s, %v", said10.Payload, err)
	}
	b.Publish(said10)
	told := take(one)
	if r, err := bus.Decode[reading](told); err != nil || r.Charge != &charge {
		t.Errorf("what is known already was decoded: %v", err)
	}
	if m, err := bus.Decode[map[string]int](told); err != nil || m["charge"] != 10 {
		t.Errorf("as another type: %v %v", m, err)
	}
	b.Publish(bus.Message{Topic: "a", Payload: []byte("<html>")})
	page := take(one)
	for range 2 {
		if _, err := bus.Decode[reading](page); err == nil {
			t.Error("a page is a reading")
		}
	}
	if r, err := bus.Decode[reading](bus.Message{Payload: []byte(`{"charge":9}`)}); err != nil || *r.Charge != 9 {
		t.Errorf("a message that nobody published: %+v %v", r, err)
	}
}

package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"powermgr/bridge/bus"
)

// relay runs a day in which one part asks another every ten minutes, and the other takes
// some real time to answer. It returns what happened, with the times on the fast clock.
func relay(t *testing.T, speed float64) []string {
	t.Helper()
	start := time.Date(2026, 7, 15, 0, 0, 0, 0, time.UTC)
	clock := NewFastClock(start, speed, nil)
	b := bus.New(clock)
	clock.Watch(b.Queued)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var mu sync.Mutex
	var log []string
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, clock.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
	}
	var parts sync.WaitGroup
	asks, answers := b.Subscribe("b", "ask"), b.Subscribe("a", "answer")
	clock.Begin()
	parts.Go(func() {
		defer clock.End()
		for {
			m, _, err := asks.Next(ctx, time.Time{})
			if err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond)
			b.Publish(bus.Message{Topic: "answer", Payload: m.Payload})
		}
	})
	clock.Begin()
	parts.Go(func() {
		defer clock.End()
		defer cancel()
		next := start
		for i := 0; i < 144; {
			m, ok, err := answers.Next(ctx, next)
			switch {
			case err != nil:
				return
			case ok:
				say("answer %s", m.Payload)
			default:
				say("ask %d", i)
				b.Publish(bus.Message{Topic: "ask", Payload: fmt.Append(nil, i)})
				i++
				next = next.Add(10 * time.Minute)
			}
		}
	})
	clock.Run(ctx)
	parts.Wait()
	return log
}

func TestFastClockWaitsForWork(t *testing.T) {
	slow, fast := relay(t, 100_000), relay(t, 1e9)
	if len(slow) < 286 {
		t.Fatalf("only %d things happened", len(slow))
	}
	if !slices.Equal(slow, fast) {
		t.Error("the speed changed what happened, or when")
	}
	// Each answer comes in the same minute as its question.
	if slow[0] != "00:00:00 ask 0" || slow[1] != "00:00:00 answer 0" || slow[2] != "00:10:00 ask 1" {
		t.Errorf("%q", slow[:3])
	}
}

func TestFastClockWaitEnds(t *testing.T) {
	clock := NewFastClock(time.Unix(0, 0), 1, nil)
	clock.Begin()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clock.Wait(ctx, time.Time{}, nil); err == nil {
		t.Error("the wait goes on after the context has ended")
	}
	ready := make(chan struct{}, 1)
	ready <- struct{}{}
	if woken, err := clock.Wait(t.Context(), time.Unix(60, 0), ready); !woken || err != nil {
		t.Errorf("woken %v, %v", woken, err)
	}
	if woken, err := clock.Wait(t.Context(), time.Unix(0, 0), nil); woken || err != nil {
		t.Errorf("a time in the past: woken %v, %v", woken, err)
	}
}

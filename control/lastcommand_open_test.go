package control

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

type node struct{ standby atomic.Bool }

func (n *node) Active() bool       { return !n.standby.Load() }
func (n *node) Generation() uint64 { return 1 }
func (n *node) Alone() bool        { return false }

// Anybody who may publish on the broker could make the daemon remember any number of
// topics.
func TestCommandsOnTheirWayDoNotGrowWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := bus.New(bus.Wall{}), &node{}
		r := NewCommandReporter(Options{Bus: b, Topics: devices.Topics{Base: "powermgr"}, Role: n, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		for i := range 10 * maxOpen {
			b.Publish(bus.Message{Topic: r.topics.Thermostat(fmt.Sprint(i), "mode/result"), Payload: []byte(`{"accepted":true,"requested":"cool"}`)})
			synctest.Wait()
		}
		if len(r.open) != maxOpen {
			t.Errorf("%d are remembered", len(r.open))
		}
		n.standby.Store(true)
		b.Publish(bus.Message{Topic: bus.Role, Payload: []byte("standby"), Retain: true})
		synctest.Wait()
		if len(r.open) != 0 {
			t.Errorf("a standby remembers %d", len(r.open))
		}
		cancel()
		<-done
	})
}

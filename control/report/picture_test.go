package report

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// The picture of the day came once, at 23:30, and never under compose.
func TestTheDayIsDrawnWhileItLasts(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		var n *node
		drawn := 0
		n = start(t, file, func(o *Options) {
			o.Painter = NewPainter(o.Bus, o.Topics, slog.New(slog.DiscardHandler), func() { drawn++ })
			go func() { _ = o.Painter.Run(t.Context()) }()
		})
		sub := n.bus.Subscribe("test", topics.Control(devices.ChartLeaf))
		pictures := func() string {
			var at []string
			for {
				m, ok, err := sub.Next(t.Context(), n.bus.Now())
				if !ok || err != nil {
					return strings.Join(at, " ")
				}
				if !m.Retain || m.Origin != bus.Local || !bytes.HasPrefix(m.Payload, []byte("\x89PNG")) {
					t.Errorf("%v: %.20q", m.Retain, m.Payload)
				}
				at = append(at, n.bus.Now().Format("15:04:05"))
			}
		}
		follow := func(from, until string) (all []string) {
			t.Helper()
			end, _ := time.Parse("2006-01-02 15:04:05", "2000-01-01 "+until)
			if now := n.bus.Now().UTC().Format("15:04:05"); now != from {
				t.Errorf("it is %s, not %s", now, from)
			}
			for n.bus.Now().Before(end) {
				time.Sleep(time.Second)
				synctest.Wait()
				if at := pictures(); at != "" {
					all = append(all, at)
				}
			}
			return all
		}
		for _, tt := range []struct {
			name, from, until string
			before            func()
			want              string
		}{
			{"at the start, and at the next quarter", "00:00:00", "00:20:00", func() {}, "[00:00:15 00:15:00]"},
			{"soon after the phase has changed", "00:20:00", "00:30:30", func() { n.decides("peak until 01:00") }, "[00:20:15 00:30:00]"},
			{"on standby nothing is drawn", "00:30:30", "01:01:00", func() { n.turns(false) }, "[]"},
			{"active again", "01:01:00", "01:20:00", func() { n.turns(true) }, "[01:01:15 01:15:00]"},
		} {
			tt.before()
			if got := fmt.Sprint(follow(tt.from, tt.until)); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
		n.stop()
		if drawn != 6 {
			t.Errorf("the memory was given back %d times", drawn)
		}
	})
}

package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"powermgr/devices"
)

// told is a vendor's history in which every bucket has 100 Wh.
type told struct {
	mu   sync.Mutex
	days []string
	err  error
	slow time.Duration
}

// asked lists the days that were asked for, from the n-th on.
func (h *told) asked(n int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.days[min(n, len(h.days)):])
}

func (h *told) History(ctx context.Context, day time.Time) (all []devices.EnergyBucket, err error) {
	h.mu.Lock()
	h.days = append(h.days, day.Format(time.DateOnly))
	h.mu.Unlock()
	if h.slow > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(h.slow):
		}
	}
	for at := devices.Midnight(day, day.Location()); at.Before(time.Now()) && at.Before(devices.NextMidnight(day, day.Location())); at = at.Add(devices.BucketLength) {
		all = append(all, devices.EnergyBucket{Start: at, Home: new(devices.WattHours(100))})
	}
	return all, h.err
}

func following(h *told) func(Shared) func(context.Context) error {
	return func(s Shared) func(context.Context) error {
		return NewPowerwall(PowerwallOptions{
			Shared: s, Device: &fakeBattery{reserve: 100}, Every: func(time.Time) time.Duration { return 10 * time.Minute },
			Energy: &Energy{Log: slog.New(slog.DiscardHandler)}, History: h,
		}).Run
	}
}

func TestHistoryIsReadOnceAnHour(t *testing.T) {
	h := &told{}
	bubble(t, following(h), func(r *rig) { // it begins at midnight
		r.sleep(23*time.Hour + 55*time.Minute)
		if n := len(h.asked(0)); n != 24 {
			t.Errorf("%d calls in 24 hours", n)
		}
		r.sleep(12 * time.Hour)
		days := map[string]int{}
		for _, day := range h.asked(24) {
			days[day]++
		}
		// A past day is read if parts are missing, and once more for corrections.
		if days["2000-01-01"] != 2 || days["2000-01-02"] != 12 {
			t.Errorf("then %v", days)
		}
		var last devices.PowerwallReading
		m, _ := r.bus.Retained("powermgr/powerwall/state")
		if err := json.Unmarshal(m.Payload, &last); err != nil {
			t.Fatal(err)
		}
		// 35 hours and 55 minutes, of which the last hour is not told yet.
		if wh := float64(*last.Home); wh < 41800 || wh > 43000 {
			t.Errorf("%g Wh", wh)
		}
	})
}

func TestHistoryThatIsNotTold(t *testing.T) {
	for _, c := range []struct {
		name string
		kind devices.Kind
		wait time.Duration
		most int // calls in ten hours
	}{
		{"an outage", devices.Unreachable, 0, 41},
		{"a limit", devices.Throttled, 5 * time.Hour, 3},
		{"an interface that has none", devices.Refused, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &told{err: &devices.Error{Vendor: "fake", Kind: c.kind, RetryAfter: c.wait, Err: errors.New("x")}}
			bubble(t, following(h), func(r *rig) {
				r.sleep(10 * time.Hour)
				if n := len(h.asked(0)); n == 0 || n > c.most {
					t.Errorf("%d calls in ten hours", n)
				}
				if m, ok := r.bus.Retained("powermgr/powerwall/availability"); !ok || string(m.Payload) != "online" {
					t.Errorf("the battery is %q for want of its history", m.Payload)
				}
			})
		})
	}
}

func TestACommandGoesBeforeHistory(t *testing.T) {
	h := &told{slow: 30 * time.Second}
	bubble(t, following(h), func(r *rig) {
		r.sleep(5 * time.Second)
		r.got("#")
		start := time.Now()
		r.send("powermgr/powerwall/reserve/set", "20")
		if res := r.results("powermgr/powerwall/reserve/result"); len(res) == 0 || time.Since(start) != 0 {
			t.Errorf("answers after %v: %v", time.Since(start), res)
		}
	})
}

// A limit applies to all reads, whichever of them has met it.
func TestALimitThatTheHistoryMeetsIsOfAllReads(t *testing.T) {
	for _, c := range []struct {
		name        string
		wait        time.Duration
		least, most int // polls in the five hours after it
	}{
		{"of five hours", 5 * time.Hour, 0, 0},
		{"that says no time", 0, 29, 31},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reads atomic.Int64
			f := &counting{fakeBattery: fakeBattery{reserve: 100}, reads: &reads}
			bubble(t, func(s Shared) func(context.Context) error {
				return NewPowerwall(PowerwallOptions{
					Shared: s, Device: f, Every: func(time.Time) time.Duration { return 10 * time.Minute },
					Energy: &Energy{Log: slog.New(slog.DiscardHandler)}, History: &told{err: throttled(c.wait, true)},
				}).Run
			}, func(r *rig) {
				r.sleep(time.Second)
				if m, ok := r.bus.Retained("powermgr/powerwall/state"); !ok {
					t.Errorf("what was read before the limit is not published: %s", m.Payload)
				}
				if m, _ := r.bus.Retained("powermgr/powerwall/api"); strings.Contains(string(m.Payload), `"problem":"throttled"`) != (c.wait > 0) {
					t.Errorf("said %s", m.Payload)
				}
				before := reads.Load()
				r.sleep(5*time.Hour - 2*time.Second)
				if n := int(reads.Load() - before); n < c.least || n > c.most {
					t.Errorf("%d polls", n)
				}
				r.sleep(time.Minute)
				if reads.Load() == before {
					t.Error("it is not read after the limit")
				}
			})
		})
	}
}

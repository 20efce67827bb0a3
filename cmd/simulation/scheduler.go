package simulation

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A scheduler makes a day the same whatever the machine does: no two of its loops run at
// the same instant. A loop that has waited for something continues a moment after it, and
// each wait has a different moment. The scheduler also draws what the daemons leave to
// chance.
type scheduler struct {
	mu     sync.Mutex
	rand   *rand.Rand
	timers []*time.Timer // that no loop waits for
}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{rand: rand.New(rand.NewPCG(seed, 0x6261746f6e))}
}

// moments is the longest time between a cause and its effect. Two out of so many
// nanoseconds are hardly ever the same.
const moments = 8 * time.Millisecond

// next returns the moment of a wait that is about to begin. Only the running loop may
// call it.
func (b *scheduler) next() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Duration(b.rand.Int64N(int64(moments)))
}

func (b *scheduler) chance() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rand.Float64()
}

// sleep waits for d or until ctx ends, and then for its moment.
func (b *scheduler) sleep(ctx context.Context, d time.Duration) error {
	_, _ = b.wait(ctx, time.Now().Add(d), nil)
	return ctx.Err()
}

// wait is bus.Clock's Wait, and then waits for its moment. It does not wake in between if
// only the time ends it, as it mostly does.
func (b *scheduler) wait(ctx context.Context, at time.Time, ready <-chan struct{}) (woken bool, err error) {
	moment := b.next()
	var over <-chan time.Time
	if !at.IsZero() {
		left := max(0, time.Until(at)) + moment
		at = time.Now().Add(left)
		timer := b.timer(left)
		defer b.release(timer)
		over = timer.C
	}
	select {
	case <-over:
		return false, nil
	case <-ready:
		woken = true
	case <-ctx.Done():
		err = ctx.Err()
	}
	if over != nil {
		moment = min(moment, time.Until(at))
	}
	time.Sleep(moment)
	return woken, err
}

// timer returns a timer that ends after d.
func (b *scheduler) timer(d time.Duration) *time.Timer {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.timers) - 1
	if last < 0 {
		return time.NewTimer(d)
	}
	t := b.timers[last]
	b.timers = b.timers[:last]
	t.Reset(d)
	return t
}

// release lets another wait use t.
func (b *scheduler) release(t *time.Timer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Stop()
	b.timers = append(b.timers, t)
}

// starter returns a function to call before each of several loops is started: it gives
// the one before time to reach its first wait.
func (b *scheduler) starter() func() {
	moment := b.next()
	return func() {
		time.Sleep(moment)
		moment = b.next() // while no other loop runs
	}
}

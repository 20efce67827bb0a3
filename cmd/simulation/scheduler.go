package simulation

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A scheduler keeps a day the same whatever the machine does: no two
// loops of it run at the same instant. Whoever has waited for something goes on
// a moment after it, and each wait has a moment of its own. What the daemons
// leave to chance it draws as well.
type scheduler struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{rand: rand.New(rand.NewPCG(seed, 0x6261746f6e))}
}

// moments is how long after its cause anything happens, at most. Two out of so
// many nanoseconds are hardly ever the same.
const moments = 8 * time.Millisecond

// next is the moment of a wait that is about to begin. Only the loop that runs
// may ask for it.
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
	moment := b.next()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	time.Sleep(moment)
	return ctx.Err()
}

// starter returns what to call before each of several loops is started: it lets
// the one before come to wait.
func (b *scheduler) starter() func() {
	moment := b.next()
	return func() {
		time.Sleep(moment)
		moment = b.next() // while nobody else runs
	}
}

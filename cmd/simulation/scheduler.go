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
	mu   sync.Mutex
	rand *rand.Rand
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

// starter returns a function to call before each of several loops is started: it gives
// the one before time to reach its first wait.
func (b *scheduler) starter() func() {
	moment := b.next()
	return func() {
		time.Sleep(moment)
		moment = b.next() // while no other loop runs
	}
}

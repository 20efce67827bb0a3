package daemon

import (
	"context"
	"slices"
	"sync"
	"time"
)

// FastClock is a bus.Clock that runs ahead of real time, for the demo. It
// jumps from one planned wake-up to the next, never faster than speed, and
// only while nobody works: so its speed never changes a decision.
//
// Somebody works between Begin and End, except while waiting in Wait; and
// while busy, if it is set, says so.
type FastClock struct {
	speed float64
	busy  func() bool

	mu      sync.Mutex
	now     time.Time
	working int
	waiting []*fastWait
	changed chan struct{} // holds a token when something above has changed
}

type fastWait struct {
	at    time.Time
	due   chan struct{}
	fired bool
}

// NewFastClock returns a clock that stands at start until Run. busy tells of
// work that Begin and End do not, such as messages in queues; it may be nil.
func NewFastClock(start time.Time, speed float64, busy func() bool) *FastClock {
	if busy == nil {
		busy = func() bool { return false }
	}
	return &FastClock{speed: speed, busy: busy, now: start.Round(0), changed: make(chan struct{}, 1)}
}

// Watch sets busy; call it before Run.
func (c *FastClock) Watch(busy func() bool) { c.busy = busy }

// Now is the time on this clock.
func (c *FastClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Begin says that one more works; the clock stands until End, or Wait.
func (c *FastClock) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working++
}

// End takes back one Begin.
func (c *FastClock) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working--
	c.poke()
}

func (c *FastClock) poke() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Wait is bus.Clock's.
func (c *FastClock) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	w := &fastWait{at: at, due: make(chan struct{})}
	c.mu.Lock()
	if !at.IsZero() && !c.now.Before(at) {
		c.mu.Unlock()
		select {
		case <-ready:
			return true, nil
		default:
			return false, ctx.Err()
		}
	}
	c.waiting = append(c.waiting, w)
	c.working--
	c.poke()
	c.mu.Unlock()

	woken, err := false, error(nil)
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case <-ready:
		woken = true
	case <-w.due:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.fired {
		c.waiting = slices.DeleteFunc(c.waiting, func(o *fastWait) bool { return o == w })
		c.working++
	}
	return woken, err
}

// Run moves the clock until ctx ends.
func (c *FastClock) Run(ctx context.Context) {
	real, virtual := time.Now(), c.Now()
	for ctx.Err() == nil {
		next, ok := c.idleUntil()
		if !ok {
			c.rest(ctx, 100*time.Microsecond)
			continue
		}
		if next.IsZero() {
			c.rest(ctx, 10*time.Millisecond)
			continue
		}
		due := real.Add(time.Duration(float64(next.Sub(virtual)) / c.speed))
		if wait := time.Until(due); wait > 0 {
			c.rest(ctx, wait)
			if time.Now().Before(due) {
				continue // something has changed meanwhile
			}
		} else if wait < -10*time.Second {
			real, virtual = time.Now(), c.Now() // behind: the ceiling holds from here
		}
		c.fire(next)
	}
}

// idleUntil is the next planned wake-up; ok is false while somebody works. A
// reader that has just been woken may not have said so yet, so nobody may work
// at two looks with a moment between.
func (c *FastClock) idleUntil() (next time.Time, ok bool) {
	for look := range 3 {
		if look > 0 {
			time.Sleep(20 * time.Microsecond)
		}
		if c.busy() {
			return time.Time{}, false
		}
		c.mu.Lock()
		working := c.working
		next = time.Time{}
		for _, w := range c.waiting {
			if !w.at.IsZero() && (next.IsZero() || w.at.Before(next)) {
				next = w.at
			}
		}
		c.mu.Unlock()
		if working > 0 {
			return time.Time{}, false
		}
	}
	return next, true
}

// rest waits for d, or until something changes.
func (c *FastClock) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-c.changed:
	case <-t.C:
	}
}

// fire moves the clock to at and wakes whoever planned to wake by then.
func (c *FastClock) fire(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.now) {
		c.now = at
	}
	c.waiting = slices.DeleteFunc(c.waiting, func(w *fastWait) bool {
		if w.at.IsZero() || w.at.After(c.now) {
			return false
		}
		w.fired = true
		c.working++
		close(w.due)
		return true
	})
}

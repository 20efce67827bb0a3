package bus

import (
	"context"
	"time"
)

// A Clock is the time that loops run on. Wall is the machine's; a fast one runs the
// demo's day in minutes.
type Clock interface {
	Now() time.Time
	// Wait blocks until a token can be taken from ready, at has come, or ctx has ended;
	// only the last is an error. woken reports that it took a token from ready. A zero
	// at never comes; a nil ready never has a token.
	Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (woken bool, err error)
}

// Wall is the machine's own clock. In a testing/synctest bubble it is the
// bubble's.
type Wall struct{}

// Now is time.Now.
func (Wall) Now() time.Time { return time.Now() }

// Wait waits in real time; see Clock.
func (Wall) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	var due <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-ready:
		return true, nil
	case <-due:
		return false, nil
	}
}

// Sleep waits for d on clock, or until ctx ends.
func Sleep(ctx context.Context, clock Clock, d time.Duration) error {
	_, err := clock.Wait(ctx, clock.Now().Add(d), nil)
	return err
}

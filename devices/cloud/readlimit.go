package cloud

import (
	"errors"
	"sync"
	"time"

	"powermgr/devices"
)

// A ReadLimit remembers that a vendor wants nothing to be read for a while, where
// a command went on without that reading. Whoever polls learns it from Err. The
// zero ReadLimit is none.
type ReadLimit struct {
	mu    sync.Mutex
	met   devices.Error
	until time.Time
}

// Met notes the limit that err says, at now; another error changes nothing.
func (l *ReadLimit) Met(err error, now time.Time) {
	e, ok := errors.AsType[*devices.Error](err)
	if !ok || e.Kind != devices.Throttled {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := now.Add(e.RetryAfter); until.After(l.until) {
		l.met, l.until = *e, until
	}
}

// Err is the limit as of now, a *devices.Error that says how long it lasts; nil:
// the vendor can be asked.
func (l *ReadLimit) Err(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.until) {
		return nil
	}
	e := l.met
	e.RetryAfter = l.until.Sub(now)
	return &e
}

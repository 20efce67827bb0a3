package cloud

import (
	"errors"
	"sync"
	"time"

	"powermgr/devices"
)

// A ReadLimit remembers that a vendor allows no reads for a while, if a command has met
// that and its own result does not say so: it went on without reading, or was refused for
// another reason. Whoever polls learns of it from Err. The zero ReadLimit has no limit.
type ReadLimit struct {
	mu    sync.Mutex
	met   devices.Error
	until time.Time
}

// Met records the limit in err, at now; other errors change nothing.
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

// Err returns the limit as of now, a *devices.Error that says how long it lasts; nil:
// the vendor can be read.
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

package devices

import (
	"errors"
	"fmt"
	"time"
)

// A Kind says what a failed call to a vendor means for the next one.
type Kind int

// The kinds of failure.
const (
	Unreachable  Kind = iota // network, time-out, 408, 5xx: back off and try again
	Throttled                // 429: wait RetryAfter, then try again
	Unauthorized             // a person must authorize again: the vendor said so plainly, or it has lasted; a single refusal is Unreachable
	LockedOut                // too many log-ins: wait RetryAfter, and never log in before that
	Refused                  // the vendor or the adapter refuses this very request: do not repeat it
	Nonsense                 // an answer that cannot be true: treated like a missed poll
)

func (k Kind) String() string {
	return [...]string{"unreachable", "throttled", "needs re-authorization", "locked out", "refused", "nonsense"}[k]
}

// An Error is a failed call to a vendor. It answers two questions: may I retry, and
// might it already have happened? It never contains a secret, an address with a query,
// or more than a line of a vendor's body.
type Error struct {
	Vendor     string // "tesla", "resideo", "tcc", "open-meteo"
	Op         string // "read site info", "set reserve"
	Kind       Kind
	RetryAfter time.Duration // what the vendor asked for; 0: nothing
	OfRead     bool          // the limit is on reads, even if the read was for a command
	// MaybeDone reports that a write may have been carried out, such as one
	// whose reply timed out. Read the device before trying again.
	MaybeDone bool
	Err       error // what happened, and for Refused and Unauthorized what to do
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s: %v", e.Vendor, e.Op, e.Kind, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// MayRetry reports whether the same call can succeed later by itself.
func (e *Error) MayRetry() bool { return e.Kind != Refused && e.Kind != Unauthorized }

// KindOf returns the kind of the first *Error in err's chain, or Unreachable if there
// is none, which is how an unknown error is treated.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unreachable
}

package simulation

import (
	"fmt"
	"time"
)

// Invariant is a promise that powermgr keeps whatever happens. The file that judges it is
// named after it: I4 is judged in i4_few_writes.go.
type Invariant string

// The invariants.
const (
	I1  Invariant = "I1 given back"      // after the window everything is as it was, or as a person has chosen since
	I2  Invariant = "I2 within bounds"   // no set point or reserve outside its bounds was sent
	I3  Invariant = "I3 people win"      // nothing was written over a known choice
	I4  Invariant = "I4 few writes"      // spacing, and no write of what the device already has
	I5  Invariant = "I5 hands off"       // no writes in dry run, only restores while disabled or paused
	I6  Invariant = "I6 reserve in time" // within one poll of the peak's start
	I7  Invariant = "I7 secrets"         // in no log line, topic or file
	I8  Invariant = "I8 never ends"      // the daemon does not exit by itself, and leaves nothing running
	I9  Invariant = "I9 energy counters" // never fall, as Home Assistant sees them
	I10 Invariant = "I10 tokens kept"    // no refresh token is lost that powermgr could have waited for
	I11 Invariant = "I11 limits"         // of a vendor are respected
	I12 Invariant = "I12 quiet disk"     // few writes, whatever happens
	I13 Invariant = "I13 real figures"   // figures that no battery can have decide nothing
	I14 Invariant = "I14 soon"           // what was not restored is, once the vendor accepts commands
	I15 Invariant = "I15 a plan"         // changes the reserve at most a dozen times a day, and gives way with a reason
	I16 Invariant = "I16 by hand"        // what was changed by hand stays in force until a person undoes it
)

// A Violation is a broken promise.
type Violation struct {
	Invariant Invariant
	At        time.Time
	What      string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s %s: %s", v.At.Format("15:04:05"), v.Invariant, v.What)
}

// violation notes that a promise is broken.
func (w *oracle) violation(i Invariant, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken(i, format, args...)
}

// broken is violation for callers that hold the oracle's lock.
func (w *oracle) broken(i Invariant, format string, args ...any) {
	if w.contested(i) {
		return
	}
	v := Violation{i, time.Now().In(zone()), fmt.Sprintf(format, args...)}
	w.violations = append(w.violations, v)
	w.line("VIOLATION of %s: %s", i, v.What)
}

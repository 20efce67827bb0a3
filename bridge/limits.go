package bridge

import (
	"errors"
	"io/fs"
	"time"

	"powermgr/devices"
)

// A vendor's limits: until when it allows no reads, and until when no commands.
// The two are separate: a limit that a poll has met never holds back a command, and one
// that a command has met never holds back a poll.

// quiet is until when a vendor is left alone. Zero times are in the past.
type quiet struct {
	Reads  time.Time `json:"reads,omitzero"`
	Writes time.Time `json:"writes,omitzero"`
	Asked  time.Time `json:"asked,omitzero"` // when the vendor last asked for it
}

// earlier returns q after the clock was set back. A time with a monotonic part is right
// without it.
func (q quiet) earlier(by time.Duration) quiet {
	for _, at := range []*time.Time{&q.Reads, &q.Writes, &q.Asked} {
		if !at.IsZero() && *at == at.Round(0) {
			*at = at.Add(-by)
		}
	}
	return q
}

// maxQuiet is the most that a vendor can ask for. A later time was written by a clock
// that has been set back since.
const maxQuiet = 24 * time.Hour

// minSavedQuiet is how long a limit has to last for it to be saved for a restart.
const minSavedQuiet = 2 * time.Minute

// limit records what err says about the vendor's limits, after a read.
func (a *poller) limit(err error, now time.Time) {
	if until, ok := limited(err, now); ok {
		a.extendQuiet(quiet{Reads: until}, now)
	}
}

// limit records what err says about the vendor's limits, after an attempt to send a
// command. The adapter may have had to read first.
func (ws *commandQueue) limit(err error, now time.Time) {
	until, ok := limited(err, now)
	if e, _ := errors.AsType[*devices.Error](err); ok && e.OfRead {
		ws.extendQuiet(quiet{Reads: until}, now)
	} else if ok {
		ws.extendQuiet(quiet{Writes: until}, now)
	}
}

// limited returns until when a vendor wants to be left alone.
func limited(err error, now time.Time) (until time.Time, ok bool) {
	e, ok := errors.AsType[*devices.Error](err)
	if !ok || e.Kind != devices.Throttled && e.Kind != devices.LockedOut {
		return time.Time{}, false
	}
	return now.Add(min(e.RetryAfter, maxQuiet)), true
}

// extendQuiet lengthens the quiet times, and saves them for a restart.
func (a *poller) extendQuiet(more quiet, now time.Time) {
	a.checkClock() // more is by the clock of now
	was := a.quiet
	a.quiet = quiet{maxTime(was.Reads, more.Reads), maxTime(was.Writes, more.Writes), now}
	if (a.quiet.Reads != was.Reads || a.quiet.Writes != was.Writes) && maxTime(more.Reads, more.Writes).Sub(now) >= minSavedQuiet {
		a.saveLimits()
	}
}

// answered records that the vendor has answered a read.
func (a *poller) answered(now time.Time) {
	early := a.quiet.Reads.Sub(now) >= minSavedQuiet
	a.quiet.Reads = time.Time{}
	if early {
		a.saveLimits()
	}
}

// readsPaused reports whether the vendor allows no reads at now.
func (a *poller) readsPaused(now time.Time) bool { return now.Before(a.quiet.Reads) }

func (a *poller) limitsKey() string { return "limits of " + a.name }

func (a *poller) saveLimits() {
	if a.Limits == nil {
		return
	}
	if err := a.Limits.Save(a.limitsKey(), a.quiet); err != nil {
		a.Log.Warn("a restart will forget how long the vendor wants to be left alone", "device", a.name, "reason", err)
	}
}

// loadLimits restores the limits from before the start.
func (a *poller) loadLimits(now time.Time) {
	if a.Limits == nil {
		return
	}
	var q quiet
	if err := a.Limits.Load(a.limitsKey(), &q); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.Log.Warn("how long the vendor wants to be left alone cannot be read", "device", a.name, "reason", err)
		}
		return
	}
	if ahead := q.Asked.Sub(now); ahead > 0 {
		q = q.earlier(ahead)
	}
	for _, at := range []*time.Time{&q.Reads, &q.Writes} {
		if at.Sub(now) > maxQuiet {
			*at = time.Time{}
		}
	}
	a.quiet = q
	if a.readsPaused(now) {
		a.Log.Info("the vendor allows no reads yet", "device", a.name, "until", q.Reads)
	}
}

// minTime returns the earlier of two times. Zero is the earliest of all: the next poll is
// then due at once. With devices.Earliest, zero stands for never.
func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// maxTime returns the later of two times.
func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

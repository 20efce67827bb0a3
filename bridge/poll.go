package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// Role reports what this node is in the pair.
type Role interface {
	Active() bool       // false: another node polls and commands
	Generation() uint64 // of the claim this node holds
}

// Shared is what every part of the bridge needs; all fields are required but Limits and
// Chance.
type Shared struct {
	Bus    *bus.Bus
	Topics devices.Topics
	Role   Role
	Log    *slog.Logger
	// Limits stores, over a restart, how long vendors want to be left alone. Nil: that
	// is forgotten.
	Limits Store
	// Chance randomizes retries, so that homes do not all come back at once: it returns
	// a number in [0, 1). Nil: a random one.
	Chance func() float64
}

// publish publishes v as it is if it is a string, and as JSON otherwise.
func (s Shared) publish(topic string, retain bool, v any) {
	text, ok := v.(string)
	b := []byte(text)
	if !ok {
		var err error
		if b, err = json.Marshal(v); err != nil {
			s.Log.Error("a message cannot be written", "topic", topic, "reason", err)
			return
		}
	}
	s.Bus.Publish(bus.Message{Topic: topic, Payload: b, Retain: retain})
}

// publishReading says what was read, which the parts of this process are given as it is:
// each poll is published, and has several readers.
func publishReading[T any](s Shared, topic string, reading T) {
	m, err := bus.Encode(bus.Message{Topic: topic, Retain: true}, reading)
	if err != nil {
		s.Log.Error("a message cannot be written", "topic", topic, "reason", err)
		return
	}
	s.Bus.Publish(m)
}

// A poller schedules the polling of one vendor account, and tracks and publishes
// whether the vendor answers.
type poller struct {
	Shared
	name      string                            // "powerwall", for logs
	topic     string                            // of the API figures
	every     func(now time.Time) time.Duration // between polls; required
	meter     *Meter                            // nil: calls are not counted
	restoring func() bool                       // whether something still has to be restored; nil: never

	next          time.Time // of the regular poll; zero: at once
	looked        time.Time // at the clock on the wall
	quiet         quiet     // until when the vendor asked to be left alone
	waits         *backoff.ExponentialBackOff
	failures      int       // in a row
	interruptions int       // polls in a row that a command interrupted
	readAsOf      time.Time // of the last good reading
	readAt        time.Time // when that was
	readAll       bool      // the next poll reads everything there is
	checked       time.Time // when a standby last checked its authorization
	problem       string    // the kind of problem that was last warned about; empty: none
	reason        string    // the latest reason of problem
	suspect       string    // why a command was not authorized, until a poll has shown whether reads are; empty: none
	denied        string    // why commands are not authorized, though reads are; empty: they are
	online        *bool     // whether it answers; nil: not known yet
}

// How a vendor is polled that does not answer.
const (
	firstWait        = 30 * time.Second
	longWait         = 10 * time.Minute
	restoringWait    = 90 * time.Second // maximum while something has to be restored
	waitJitter       = 0.3              // share of a wait by which it is varied, either way
	failuresOffline  = 3                // in a row, before the vendor counts as offline
	maxInterruptions = 2                // polls in a row that commands may interrupt
)

func newPoller(s Shared, name, topic string, every func(time.Time) time.Duration, m *Meter) *poller {
	if s.Chance == nil {
		s.Chance = rand.Float64
	}
	return &poller{Shared: s, name: name, topic: topic, every: every, meter: m, waits: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstWait), backoff.WithMaxInterval(longWait), backoff.WithMultiplier(2),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0))}
}

// roleChanged reports whether m announces a new role of this node, and then has the
// next poll made at once.
func (a *poller) roleChanged(m bus.Message) bool {
	if m.Topic != bus.Role {
		return false
	}
	a.next, a.readAll = a.Bus.Now(), true
	return true
}

// standby is when a node that is not the active one checks its role again, in case it
// missed the change.
const standby = time.Hour

// checkEvery is how often a standby checks its own authorization with a vendor: when it
// has to take over, it would be too late to find out.
const checkEvery = 24 * time.Hour

// standBy is the turn of a node that is not the active one. It polls only to check its
// own authorization.
func (a *poller) standBy(ctx context.Context, sub *bus.Subscription, work func(context.Context) error) {
	now := a.Bus.Now()
	a.next = now.Add(standby)
	if a.checked.IsZero() {
		a.checked = now.Add(standby - checkEvery)
	}
	if now.Sub(a.checked) < checkEvery {
		return
	}
	interrupted, err := a.read(ctx, sub, work)
	if interrupted || ctx.Err() != nil {
		return
	}
	a.checked, a.next = now, now.Add(standby)
	a.limit(err, now)
	if kind := devices.KindOf(err); err != nil && (kind == devices.Unauthorized || kind == devices.LockedOut) {
		a.Log.Warn("this node has no access of its own to the vendor, and could not take over", "device", a.name, "reason", err)
	}
}

// read makes one poll with work. interrupted says that a command interrupted it and
// goes first; but commands cannot keep an account from ever being read.
func (a *poller) read(ctx context.Context, sub *bus.Subscription, work func(context.Context) error) (interrupted bool, err error) {
	if a.interruptions >= maxInterruptions {
		a.interruptions = 0
		return false, bounded(ctx, work)
	}
	free, stop := sub.Free(ctx)
	defer stop()
	if err = bounded(free, work); err != nil && free.Err() != nil {
		a.interruptions++
		a.next = a.Bus.Now()
		return true, err
	}
	a.interruptions = 0
	return false, err
}

// polled records the outcome of a poll at now; asOf is when the figures were measured.
func (a *poller) polled(now, asOf time.Time, err error) {
	if err == nil {
		a.readAsOf, a.readAt = asOf, now
		a.good(now)
		if a.suspect != "" {
			a.denied = a.suspect
		}
		a.suspect = ""
		a.next = now.Add(a.every(now))
		a.publishAPI(now)
		return
	}
	kind := devices.KindOf(err)
	a.suspect = "" // it is about all of the account
	a.failures++
	a.reason = err.Error()
	a.limit(err, now)
	a.next = now.Add(a.wait(kind, err))
	if trouble := kind.String(); trouble != a.problem {
		a.Log.Warn("the vendor did not answer as it should", "device", a.name, "kind", trouble, "reason", err)
		a.problem = trouble
	}
	if a.failures >= failuresOffline || kind == devices.Unauthorized || kind == devices.LockedOut {
		a.online = new(false)
	}
	a.publishAPI(now)
}

// good records that the vendor has answered properly, even if only part of the data was
// read.
func (a *poller) good(now time.Time) {
	a.failures = 0
	a.answered(now)
	a.waits.Reset()
	if a.problem != "" {
		a.Log.Info("the vendor answers again", "device", a.name)
		a.problem = ""
	}
	a.online = new(true)
}

// publishAPI publishes the API payload.
func (a *poller) publishAPI(now time.Time) {
	var api devices.API
	if !a.readAsOf.IsZero() {
		at := now // the figures grow old while the vendor does not answer
		if a.problem == "" {
			at = a.readAt
		}
		api.AgeSeconds = new(math.Round(max(0, at.Sub(a.readAsOf)).Seconds()))
	}
	if a.meter != nil {
		api.CallsToday, api.FailedToday = a.meter.Today(now)
		if b := a.meter.Budget; b != nil {
			api.CallsMonth, api.CallsPerMonth = new(b.Month(now)), new(b.Calls)
		}
	}
	api.Failed = a.failures
	if a.problem != "" {
		api.Problem, api.Reason = new(a.problem), new(a.reason)
	}
	unauthorized := devices.Unauthorized.String()
	if a.denied != "" && a.problem != unauthorized {
		api.Problem, api.Reason = &unauthorized, new(a.denied)
	}
	api.Reauthorise = a.problem == unauthorized || a.denied != ""
	publishReading(a.Shared, a.topic, api)
}

// wait returns how long to leave the vendor alone after a failed poll.
func (a *poller) wait(kind devices.Kind, err error) time.Duration {
	var asked time.Duration
	var e *devices.Error
	if errors.As(err, &e) {
		asked = e.RetryAfter
	}
	next := a.waits.NextBackOff()
	next += time.Duration((2*a.Chance() - 1) * waitJitter * float64(next))
	switch kind {
	case devices.Unauthorized, devices.LockedOut, devices.Refused:
		return max(asked, longWait) // the adapter answers without a call until something has changed
	case devices.Throttled:
		return max(asked, next)
	}
	most := max(a.every(a.Bus.Now()), firstWait)
	if a.restoring != nil && a.restoring() {
		most = min(most, restoringWait) // the first good reading brings the command
	}
	return max(asked, min(next, most))
}

// due returns when to act next: at the regular poll, but not before the vendor accepts
// reads; or for a write in progress (zero: none), which has to be concluded whether the
// device can be read or not.
func (a *poller) due(write time.Time) time.Time {
	a.checkClock()
	at := maxTime(a.next, a.quiet.Reads)
	if !write.IsZero() {
		at = minTime(at, write)
	}
	if at.IsZero() {
		at = time.Unix(0, 0) // Next takes zero for never
	}
	return at
}

// checkClock looks at the clock on the wall. If it was set back, what was planned by it
// might come hours late: the next poll is made at once.
func (a *poller) checkClock() {
	now := a.Bus.Now().Round(0)
	if back := a.looked.Sub(now); back > devices.StepInterval {
		a.next, a.readAll, a.quiet = now, true, a.quiet.earlier(back)
	}
	a.looked = now
}

// noReads returns an error that says until when the vendor accepts no reads; nil: it
// can be read.
func (a *poller) noReads(now time.Time) error {
	if !a.readsPaused(now) {
		return nil
	}
	return &devices.Error{Vendor: a.name, Op: "read it first", Kind: devices.Throttled, Err: fmt.Errorf("the vendor allows no reads for another %s", a.quiet.Reads.Sub(now).Round(time.Second))}
}

// publishAvailability publishes whether a device is online, if that has changed.
func (s Shared) publishAvailability(topic string, online bool) {
	state := devices.Offline
	if online {
		state = devices.Online
	}
	if last, said := s.Bus.Retained(topic); !said || string(last.Payload) != state {
		s.publish(topic, true, state)
	}
}

// bounded runs work under a deadline in real time, whatever clock the part uses: the
// network knows no other.
func bounded(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, devices.CallWithin)
	defer cancel()
	return work(ctx)
}

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

// Role says what this node is in the pair.
type Role interface {
	Active() bool       // false: another node polls and commands
	Generation() uint64 // of the claim this node holds
}

// Shared is what every part of the bridge needs; all are required but Limits
// and Chance.
type Shared struct {
	Bus    *bus.Bus
	Topics devices.Topics
	Role   Role
	Log    *slog.Logger
	// Limits keeps over a restart how long vendors want to be left alone. Nil:
	// nothing does.
	Limits Store
	// Chance spreads retries, so that homes do not all come back at once: it
	// gives a number in [0, 1). Nil: a random one.
	Chance func() float64
}

// publish says v, a text or what becomes JSON.
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

// poller is the polling of one vendor account: when, whether it answers, and
// what is said of it.
type poller struct {
	Shared
	name      string                            // "powerwall", for logs
	topic     string                            // of the API figures
	every     func(now time.Time) time.Duration // between polls; required
	meter     *Meter                            // nil: calls are not counted
	restoring func() bool                       // whether something has still to be restored; nil: never

	next          time.Time // of the regular poll; zero: at once
	quiet         quiet     // what the vendor asked for
	waits         *backoff.ExponentialBackOff
	failures      int       // in a row
	interruptions int       // polls in a row that a command ended
	readAsOf      time.Time // of the last good reading
	readAt        time.Time // when that was
	readAll       bool      // the next poll reads all there is to read
	checked       time.Time // by a standby: its authorization
	problem       string    // what was last warned of; empty: all is well
	reason        string    // of trouble, as it was last
	suspect       string    // why a command was not authorized, until a poll has shown whether reads are; empty: none
	denied        string    // why commands are not authorized, though reads are; empty: they are
	online        *bool     // whether it answers; nil: not known yet
}

// How a vendor is polled that does not answer.
const (
	firstWait        = 30 * time.Second
	longWait         = 10 * time.Minute
	restoringWait    = 90 * time.Second // at most, while something has to be restored
	waitJitter       = 0.3              // of a wait, either way
	failuresOffline  = 3                // in a row, after which it is said to be offline
	maxInterruptions = 2                // polls in a row that commands may end
)

func newPoller(s Shared, name, topic string, every func(time.Time) time.Duration, m *Meter) *poller {
	if s.Chance == nil {
		s.Chance = rand.Float64
	}
	return &poller{Shared: s, name: name, topic: topic, every: every, meter: m, waits: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstWait), backoff.WithMaxInterval(longWait), backoff.WithMultiplier(2),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0))}
}

// API is the payload of powerwall/api, thermostats/api and weather/api, which
// is retained: how one vendor's interface fares.
type API struct {
	AgeSeconds  *float64 `json:"age_seconds"`  // of the last figures; null: there were none yet
	CallsToday  int      `json:"calls_today"`  // in the home's local day, since the start
	FailedToday int      `json:"failed_today"` // of them
	// CallsMonth are those that may cost money in the home's calendar month, by
	// this node, and CallsPerMonth what they are to stay below: 0 is no limit.
	// Both are null where no vendor bills.
	CallsMonth    *int `json:"calls_this_month"`
	CallsPerMonth *int `json:"calls_per_month"`

	Failed      int     `json:"failed_in_a_row"` // polls, of late
	Problem     *string `json:"problem"`         // a devices.Kind; null: none
	Reason      *string `json:"reason"`          // what happened, and for some kinds what to do; null: nothing
	Reauthorise bool    `json:"reauthorise"`     // a person has to run powermgr auth
}

// roleChanged reports whether m says that the standing of this node has changed:
// then it is time to look.
func (a *poller) roleChanged(m bus.Message) bool {
	if m.Topic != bus.Role {
		return false
	}
	a.next, a.readAll = a.Bus.Now(), true
	return true
}

// standby is when a node that is not the active one looks again, should it
// have missed that it is.
const standby = time.Hour

// checkEvery is how often a standby looks whether its own authorization with a
// vendor is good: when it has to take over it would be late to learn.
const checkEvery = 24 * time.Hour

// standBy is a look of a node that is not the active one, which polls nothing
// but for the sake of its own authorization.
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

// read makes one poll of it. interrupted says that a command ended it, which
// then goes first; but commands cannot keep an account from ever being read.
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

// polled notes the outcome of a poll at now; asOf is that of the figures.
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

// good notes that the vendor has answered as it should, be it with a part of
// what there is to read.
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

// publishAPI publishes the API figures.
func (a *poller) publishAPI(now time.Time) {
	var api API
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
			api.CallsMonth, api.CallsPerMonth = new(b.Month(now)), &b.Calls
		}
	}
	api.Failed = a.failures
	if a.problem != "" {
		api.Problem, api.Reason = &a.problem, &a.reason
	}
	unauthorized := devices.Unauthorized.String()
	if a.denied != "" && a.problem != unauthorized {
		api.Problem, api.Reason = &unauthorized, &a.denied
	}
	api.Reauthorise = a.problem == unauthorized || a.denied != ""
	a.publish(a.topic, true, api)
}

// wait is how long to leave the vendor alone after a poll without success.
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

// due is when to look next: regularly, but never before the vendor wants to be
// read, or for a write under way (zero: none), which has to come to its end
// whether the device can be read or not.
func (a *poller) due(write time.Time) time.Time {
	at := maxTime(a.next, a.quiet.Reads)
	if !write.IsZero() {
		at = minTime(at, write)
	}
	if at.IsZero() {
		at = time.Unix(0, 0) // Next takes zero for never
	}
	return at
}

// noReads says until when the vendor wants no reads; nil: it can be read.
func (a *poller) noReads(now time.Time) error {
	if !a.readsPaused(now) {
		return nil
	}
	return &devices.Error{Vendor: a.name, Op: "read it first", Kind: devices.Throttled, Err: fmt.Errorf("the vendor wants no reads for another %s", a.quiet.Reads.Sub(now).Round(time.Second))}
}

// publishAvailability publishes whether a device is there, if it was not said before.
func (s Shared) publishAvailability(topic string, online bool) {
	state := devices.Offline
	if online {
		state = devices.Online
	}
	if last, said := s.Bus.Retained(topic); !said || string(last.Payload) != state {
		s.publish(topic, true, state)
	}
}

// bounded runs work under a deadline in real time, whatever clock the part
// lives by: a socket knows no other.
func bounded(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, devices.CallWithin)
	defer cancel()
	return work(ctx)
}

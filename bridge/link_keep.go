package bridge

// One connection to the broker after another: when the next is made, and what is
// said of the one that has ended.

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"powermgr/devices"
)

// keepConnected makes one connection after another until closing is closed or ctx ends.
// The first may be an inherited one.
func (l *Link) keepConnected(ctx context.Context, inherited *connection, closing <-chan struct{}) {
	trying, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-closing:
		case <-trying.Done():
		}
		stop()
	}()
	pause := time.Duration(0)
	for {
		first := preparation{(*serving).takeOver, l.timing.heartbeat}
		c := inherited
		if inherited = nil; c == nil {
			first = preparation{(*serving).bringUp, l.timing.repeat}
			var err error
			c, err = connect(ctx, trying, connecting{
				url: l.url, username: l.o.Username, password: l.o.Password.Reveal(), clientID: l.o.ClientID, alive: l.o.KeepAlive,
				tls: l.o.TLS, dial: l.o.Dial, will: l.will, refused: l.connectFailed, now: l.o.Bus.Clock().Now,
				wait: func(attempt int) time.Duration {
					if attempt == 0 {
						return pause
					}
					return l.wait.NextBackOff()
				},
			})
			if err != nil {
				return
			}
		}
		born := time.Now()
		err := l.serve(ctx, c, closing, first)
		if errors.Is(err, errHandedOver) {
			return
		}
		c.close()
		l.out.disconnected()
		l.publishState("down")
		pause = l.connectionEnded(err, time.Since(born))
		l.publishHealth(false)
		if errors.Is(err, errClosing) || ctx.Err() != nil {
			return
		}
	}
}

// connectFailed handles a failed connection attempt. The library calls it while
// keepConnected waits.
func (l *Link) connectFailed(err error, answer greeting) {
	why := explain(err, l.o.Username, answer, time.Now())
	if !l.warn(why.key) {
		l.o.Log.Debug("the broker cannot be reached", "broker", redacted{l.url}, "reason", err)
	} else {
		l.o.Log.Warn("the broker cannot be reached; control goes on without it", "broker", redacted{l.url}, "reason", why.text)
	}
	if why.key != l.lastProblem {
		l.lastProblem, l.health.Problem = why.key, why.text
		l.publishHealth(false)
	}
}

// warn reports whether to warn about a problem: only once per outage, in which several
// may alternate.
func (l *Link) warn(key string) bool {
	if l.warned[key] || len(l.warned) >= maxWarned {
		return false
	}
	l.warned[key] = true
	return true
}

// maxWarned is how many problems of one outage are warned about.
const maxWarned = 16

// connectionEnded records why a connection ended that lasted for lived, and returns how
// long to wait before the next.
func (l *Link) connectionEnded(err error, lived time.Duration) time.Duration {
	switch {
	case errors.Is(err, errClosing):
		return 0
	case errors.Is(err, errRoleChanged):
		l.o.Log.Info("connecting to the broker again", "reason", err)
		return l.timing.settleStep
	}
	end, said := errors.AsType[disconnectedError](err)
	switch {
	case said && end.code == codeTakenOver, !said && lived < l.timing.short:
		l.shortInARow++
	default:
		l.shortInARow = 0
	}
	if l.blame(err) {
		l.shortInARow = 0 // no other client has ended them
	}
	if lived > l.timing.long {
		l.wait.Reset()
		l.forgetSizeLimits()
	}
	pause := l.wait.NextBackOff()
	err = devices.Cause(err)
	switch {
	case l.shortInARow == maxShort:
		l.lastProblem = fmt.Sprintf("connections to the broker end soon after they are made: is another powermgr running with client id %s? Give one of them another mqtt.client_id", l.o.ClientID)
		l.warn(l.lastProblem)
		l.health.Problem = l.lastProblem
		l.o.Log.Warn("connections to the broker end soon after they are made: is another powermgr running with this client id?", "client_id", l.o.ClientID, "reason", err)
	case l.lastProblem == "":
		l.lastProblem = err.Error()
		l.warn(l.lastProblem)
		l.health.Problem = "the connection to the broker is lost: " + l.lastProblem
		l.o.Log.Warn("the connection to the broker is lost; control goes on without it", "broker", redacted{l.url}, "reason", err)
	default:
		l.o.Log.Debug("the connection to the broker is lost", "reason", err)
	}
	if l.shortInARow >= maxShort {
		pause = max(pause, l.timing.contested+mathrand.N(l.timing.contested/2))
	}
	return pause
}

// problem returns what is wrong with a connection that is up; empty: nothing.
func (l *Link) problem() string {
	if l.rightsProblem != "" {
		return l.rightsProblem
	}
	return l.denied.problem(l.out.isConfig)
}

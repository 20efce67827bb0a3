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

// keep makes one connection after another until closing is closed or ctx ends.
// The first is the one that it inherited, if it did.
func (l *Link) keep(ctx context.Context, inherited *connection, closing <-chan struct{}) {
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
				tls: l.o.TLS, dial: l.o.Dial, will: l.will, refused: l.refused, now: l.o.Bus.Clock().Now,
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
		l.state("down")
		pause = l.ended(err, time.Since(born))
		l.say(false)
		if errors.Is(err, errClosing) || ctx.Err() != nil {
			return
		}
	}
}

// refused is told of each attempt that did not succeed. It is called by the
// library, while keep waits for it.
func (l *Link) refused(err error, answer greeting) {
	why := explain(err, l.o.Username, answer, time.Now())
	if !l.warn(why.key) {
		l.o.Log.Debug("the broker cannot be reached", "broker", redacted{l.url}, "reason", err)
	} else {
		l.o.Log.Warn("the broker cannot be reached; control goes on without it", "broker", redacted{l.url}, "reason", why.text)
	}
	if why.key != l.why {
		l.why, l.health.Problem = why.key, why.text
		l.say(false)
	}
}

// warn reports whether a trouble is to be warned of: it was not yet in this
// outage, in which several may come in turns.
func (l *Link) warn(key string) bool {
	if l.warned[key] || len(l.warned) >= warnedMost {
		return false
	}
	l.warned[key] = true
	return true
}

// warnedMost is how many troubles of one outage are warned of.
const warnedMost = 16

// ended says why a connection that lived so long is over, and returns how
// long to wait before the next.
func (l *Link) ended(err error, lived time.Duration) time.Duration {
	switch {
	case errors.Is(err, errClosing):
		return 0
	case errors.Is(err, errTurned):
		l.o.Log.Info("connecting to the broker again", "reason", err)
		return l.timing.settle
	}
	end, said := errors.AsType[disconnectedError](err)
	switch {
	case said && end.code == codeTakenOver, !said && lived < l.timing.short:
		l.short++
	default:
		l.short = 0
	}
	if l.blame(err) {
		l.short = 0 // no other client has ended them
	}
	if lived > l.timing.long {
		l.wait.Reset()
		l.forgive()
	}
	pause := l.wait.NextBackOff()
	err = devices.Cause(err)
	switch {
	case l.short == shortMost:
		l.why = fmt.Sprintf("connections to the broker end soon after they are made: is another powermgr running with client id %s? Give one of them another mqtt.client_id", l.o.ClientID)
		l.warn(l.why)
		l.health.Problem = l.why
		l.o.Log.Warn("connections to the broker end soon after they are made: is another powermgr running with this client id?", "client_id", l.o.ClientID, "reason", err)
	case l.why == "":
		l.why = err.Error()
		l.warn(l.why)
		l.health.Problem = "the connection to the broker is lost: " + l.why
		l.o.Log.Warn("the connection to the broker is lost; control goes on without it", "broker", redacted{l.url}, "reason", err)
	default:
		l.o.Log.Debug("the connection to the broker is lost", "reason", err)
	}
	if l.short >= shortMost {
		pause = max(pause, l.timing.contested+mathrand.N(l.timing.contested/2))
	}
	return pause
}

// problem is what is wrong with a connection that is there; empty: nothing is.
func (l *Link) problem() string {
	if l.rightsProblem != "" {
		return l.rightsProblem
	}
	return l.denied.problem(l.out.isConfig)
}

package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"powermgr/bridge/bus"
	"powermgr/control/health"
	"powermgr/devices"
)

// When the spool is flushed: at once when a mail comes. While the server is down,
// after a minute, and then at growing intervals of up to half an hour; for a new mail
// sooner, but not within retryAfter of the last attempt. A server or recipient that
// refuses for good is tried again after refusedFor, or by the daemon that a new
// configuration starts: the answer would be the same until somebody has corrected
// something.
const (
	retryAfter = time.Minute
	refusedFor = 6 * time.Hour
	// maxFailing is how many mails of a level may fail in one flush; the others
	// of that level, which have the same recipients, wait for the next one.
	maxFailing = 3
)

// delivery is the loop's view of sending.
type delivery struct {
	waiting     int       // mails to send, as far as the loop knows
	flushing    bool      // the spool is being flushed
	lastAttempt time.Time // when the last flush began
	nextAttempt time.Time // the earliest time of the next flush, if there is anything to send
	retrying    bool      // the last attempt failed, and another may succeed
	refused     bool      // the last attempt failed for good
	problem     string    // what went wrong last; empty: nothing
	backoff     *backoff.ExponentialBackOff
}

// An outcome is the result of one flush.
type outcome struct {
	sent    int
	kept    int   // mails still to be sent
	retry   bool  // some of those are tried again soon
	refused bool  // the server refuses everything
	err     error // the last error; nil: none, or nothing new
}

// noteNewMail schedules a flush for a new mail, from this process or another.
func (n *Notifier) noteNewMail(now time.Time) {
	switch {
	case n.refused:
	case n.retrying:
		n.nextAttempt = devices.Earliest(n.nextAttempt, n.lastAttempt.Add(retryAfter))
	default:
		n.nextAttempt = now
	}
}

// attemptAt returns when the loop has to look at the spool; zero: when the current
// flush is done.
func (n *Notifier) attemptAt() time.Time {
	if n.flushing {
		return time.Time{}
	}
	at := n.Bus.Now().Add(spoolInterval)
	if n.nextAttempt.After(n.Bus.Now()) {
		at = devices.Earliest(at, n.nextAttempt)
	}
	return at
}

// deliver has the spool flushed if it is not empty and it is time.
func (n *Notifier) deliver() {
	waiting, now := n.Spool.Waiting(), n.Bus.Now()
	n.publishReport(waiting)
	if n.flushing {
		return
	}
	if waiting > n.waiting {
		n.noteNewMail(now)
	}
	if n.waiting = waiting; waiting > 0 && !now.Before(n.nextAttempt) {
		n.flushing, n.lastAttempt = true, now
		n.flushRequests <- struct{}{}
	}
}

// collect takes the outcome of a flush, if there is one.
func (n *Notifier) collect() {
	var o outcome
	select {
	case o = <-n.done:
	default:
		return
	}
	now := n.Bus.Now()
	n.flushing, n.retrying, n.refused = false, o.retry, o.refused
	n.waiting -= o.sent // if there are more than that, some came meanwhile
	switch {
	case o.retry:
		n.nextAttempt = now.Add(n.backoff.NextBackOff())
	case o.refused, o.kept > 0:
		n.nextAttempt = now.Add(refusedFor)
	default:
		n.nextAttempt = now
	}
	if !o.retry {
		n.backoff.Reset()
	}
	n.logOutcome(o)
}

// logOutcome logs changes, once each.
func (n *Notifier) logOutcome(o outcome) {
	switch {
	case o.err != nil:
		if problem := o.err.Error(); problem != n.problem {
			n.problem = problem
			if errors.As(o.err, new(*PermanentError)) {
				n.Log.Error("mail is refused", "reason", o.err)
			} else {
				n.Log.Warn("mail cannot be sent; it is kept and tried again", "reason", o.err)
			}
		}
	case o.sent > 0 && o.kept == 0 && n.problem != "":
		n.problem = ""
		n.Log.Info("mail is sent again")
	}
}

// publishReport publishes the condition of mail, if that has changed.
func (n *Notifier) publishReport(waiting int) {
	problem := n.problem
	if problem == "" {
		problem = n.spoolProblem
	}
	level := health.Warning
	if n.refused {
		level = health.Critical
	}
	b, err := json.Marshal(Report{health.Report{Level: level, Problem: problem}, waiting})
	if err != nil || string(b) == string(n.published) {
		return
	}
	n.published = b
	n.Bus.Publish(bus.Message{Topic: health.Topic(health.Mail), Payload: b, Retain: true})
}

// A Report is the condition of mail itself.
type Report struct {
	health.Report
	Waiting int `json:"waiting"` // mails in the spool
}

// runFlushes flushes the spool whenever it is asked to. It runs next to the loop, and
// shares only the spool with it.
func (n *Notifier) runFlushes(ctx context.Context) {
	retryAfter := map[string]time.Time{} // when a mail that was refused may be tried again, by its key
	for range n.flushRequests {
		n.done <- n.flush(ctx, retryAfter)
		n.Bus.Publish(bus.Message{Topic: doneTopic})
	}
}

func (n *Notifier) flush(ctx context.Context, retryAfter map[string]time.Time) (o outcome) {
	failing := map[health.Level]int{}
	err := n.Spool.Flush(ctx, func(ctx context.Context, m Mail) error {
		if failing[m.Level] >= maxFailing {
			o.kept++
			o.retry = true
			return &MailError{Err: errors.New("mail: others of its level have failed just now")}
		}
		if n.Bus.Now().Before(retryAfter[m.Key]) {
			o.kept++
			return &MailError{Err: errors.New("mail: refused not long ago")}
		}
		delete(retryAfter, m.Key)
		err := n.Send(ctx, m)
		var part *MailError
		switch {
		case err == nil:
			o.sent++
		case !errors.As(err, &part):
			return err
		case part.Sent && len(part.Left) == 0:
			o.sent++
			o.err = err
		default:
			o.kept++
			o.err = err
			failing[m.Level]++
			if len(part.Left) > 0 {
				o.retry = true
			} else {
				retryAfter[m.Key] = n.Bus.Now().Add(refusedFor)
			}
		}
		if err == nil || part.Sent {
			n.Log.Info("mail sent", "subject", m.Subject, "level", m.Level)
		}
		return err
	})
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, new(*PermanentError)):
		o.refused, o.err = true, err
	case errors.Is(err, ErrBusy):
		o.retry = true
	default:
		o.retry, o.err = true, err
	}
	return o
}

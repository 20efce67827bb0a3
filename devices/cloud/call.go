package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"powermgr/devices"
)

// Calls under an authorization, and what it means that one is refused.

// A refused call can be the vendor's own problem, for a moment or longer: the very same
// token has been accepted again a minute later. After doubtLimit it is reported to a
// person, and still tried again every retryRejectedEvery. A token that is refused is
// renewed at most once every renewEvery.
const (
	doubtLimit         = time.Hour
	retryRejectedEvery = 10 * time.Minute
	renewEvery         = 10 * time.Minute
)

// A Call is one request under an authorization.
type Call struct {
	Op      string // what it does, for errors
	Send    func(ctx context.Context, token devices.Secret) (Reply, error)
	Refuses func(Reply) bool        // whether an answer refuses the authorization and not the request
	Why     func(Reply) (as string) // what such an answer says, without secrets; it may be empty
}

// Do sends a call with a token that is believed to be valid, and once more with a new
// one if the vendor refuses that. A second refusal may be the vendor's own problem and
// is Unreachable, so that the next call tries again; once it has lasted, or says that
// the authorization has ended, it is Unauthorized, and Reply is the refusal. While a
// person has to authorize again, the answer is Unauthorized at once, without a call,
// until the token file is replaced.
func (o *OAuth) Do(ctx context.Context, call Call) (Reply, error) {
	token, err := o.Token(ctx)
	if err != nil {
		return Reply{}, err
	}
	reply, err := call.Send(ctx, token)
	if err != nil || !call.Refuses(reply) {
		o.accepted(reply, err)
		return reply, err
	}
	used := token
	if token, err = o.Renew(ctx, used); err != nil {
		return Reply{}, err
	}
	if token != used {
		reply, err = call.Send(ctx, token)
		if err != nil || !call.Refuses(reply) {
			o.accepted(reply, err)
			return reply, err
		}
	}
	return reply, o.reject(call.Op, token, fmt.Sprintf("HTTP %d %s", reply.Status, call.Why(reply)))
}

// accepted records that the vendor has accepted the authorization.
func (o *OAuth) accepted(reply Reply, err error) {
	if err != nil || reply.Status/100 != 2 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doubtedSince = time.Time{}
}

// ErrDoubted says that a vendor refuses an authorization that may still be valid: one
// refusal can be the vendor's mistake.
var ErrDoubted = errors.New("the authorization is refused at present")

// reject records that the vendor refuses used, which was believed to be valid, for op,
// with the words of why.
func (o *OAuth) reject(op string, used devices.Secret, why string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	why = Line(why)
	e := &devices.Error{Vendor: o.Vendor, Op: op, Kind: devices.Unreachable}
	if o.token.Access != used { // another caller has a newer token already
		e.Err = errors.New(why)
		return e
	}
	now := o.Now()
	if o.doubtedSince.IsZero() {
		o.doubtedSince = now
	}
	switch {
	case strings.Contains(why, "login_required") || strings.Contains(why, "invalid_grant"):
		o.markDead(op, why+": "+o.Advice, now.Add(retryInterval))
		return o.gone()
	case now.Sub(o.doubtedSince) >= doubtLimit:
		o.markDead(op, fmt.Sprintf("%s, for %s: %s", why, now.Sub(o.doubtedSince).Round(time.Minute), o.Advice), now.Add(retryRejectedEvery))
		return o.gone()
	}
	e.Err = fmt.Errorf("%s: %w, and tried again; if this lasts, %s", why, ErrDoubted, o.Advice)
	return e
}

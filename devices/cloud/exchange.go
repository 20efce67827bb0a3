// Package cloud has what every vendor API needs: a bounded HTTP exchange with typed
// errors, and OAuth tokens that rotate and are stored on disk. It knows no vendor.
package cloud

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"powermgr/devices"
)

// MaxBody is the longest answer that is read, in bytes: /v2/locations of a large
// account has about 100 kB.
const MaxBody = 4 << 20

// A Reply is a vendor's complete answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON reports whether the answer claims to be JSON. Both vendors answer 200 with a web
// page when a session is gone or a gateway in front has failed.
func (r Reply) JSON() bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// Do sends req and reads the complete answer, whatever its status. A redirect is an
// answer too: following it would carry secrets to wherever it points. The error is a
// *devices.Error without the address, since a query can hold a key; MaybeDone is set
// when req was not a GET and may have arrived.
func Do(client *http.Client, vendor, op string, req *http.Request) (Reply, error) {
	write := req.Method != http.MethodGet
	fail := func(kind devices.Kind, maybe bool, err error) (Reply, error) {
		return Reply{}, &devices.Error{Vendor: vendor, Op: op, Kind: kind, MaybeDone: maybe && write, Err: devices.Cause(err)}
	}
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return fail(devices.Unreachable, false, err)
	}
	if client.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, client.Timeout)
		defer stop()
	}
	// A request that waited for a connection and got none was never sent. A
	// transport that tells nothing of connections may have sent it.
	var waited, connected atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { waited.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	once := *client
	once.Timeout = 0 // ctx has it: a client would start a goroutine for it
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return fail(devices.Unreachable, connected.Load() || !waited.Load(), err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if n := res.ContentLength; n > 0 && n <= MaxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(io.LimitReader(res.Body, MaxBody+1)); err != nil {
		return fail(devices.Unreachable, true, err)
	}
	if body.Len() > MaxBody {
		return fail(devices.Nonsense, true, fmt.Errorf("the answer is longer than %d bytes", MaxBody))
	}
	return Reply{Status: res.StatusCode, Header: res.Header, Body: body.Bytes()}, nil
}

// StatusError returns the error for an answer with an unsuccessful status, by its usual
// meaning. what is the vendor's own description.
func StatusError(vendor, op string, r Reply, write bool, what string) *devices.Error {
	e := &devices.Error{Vendor: vendor, Op: op, Kind: devices.Refused}
	switch {
	case r.Status == http.StatusUnauthorized:
		e.Kind = devices.Unauthorized
	case r.Status == http.StatusTooManyRequests:
		e.Kind, e.RetryAfter, e.OfRead = devices.Throttled, RetryAfter(r.Header), !write
	case r.Status == http.StatusRequestTimeout || r.Status >= 500:
		e.Kind, e.RetryAfter, e.MaybeDone = devices.Unreachable, RetryAfter(r.Header), write
	}
	e.Err = errors.New(strings.TrimSpace(fmt.Sprintf("HTTP %d %s", r.Status, Line(what)))) // what is often empty
	return e
}

// RetryAfter parses a Retry-After header, in seconds or as a date, up to a day; 0 when
// there is none.
func RetryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, 24*time.Hour)
	}
	if at, err := http.ParseTime(v); err == nil {
		if from, err := http.ParseTime(h.Get("Date")); err == nil && at.After(from) {
			return min(at.Sub(from), 24*time.Hour)
		}
	}
	return 0
}

// BaseURL parses the address of a vendor's API, without a slash at its end. Without TLS
// it is refused unless it is on loopback: everything that is sent there carries a
// secret.
func BaseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the base URL must read like https://api.example.com")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && devices.Loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("the base URL must be https, or secrets could be read on the way")
}

// Line makes a vendor's text fit for a log: one line, 120 characters.
func Line(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "…"
	}
	return s
}

// shortestSecret is in letters. Less stands in any text by chance, and taking it out
// would make nonsense of an answer; no vendor gives out such a token.
const shortestSecret = 4

// Hide removes secrets from a vendor's text: gateways quote what they refuse.
func Hide(text string, secrets ...devices.Secret) string {
	for _, s := range secrets {
		if len(s) >= shortestSecret {
			text = strings.ReplaceAll(text, s.Reveal(), "(secret)")
		}
	}
	return text
}

// Sleep waits for d or until ctx ends; adapters are given one so that they can run on
// another clock.
type Sleep func(ctx context.Context, d time.Duration) error

// RealSleep is Sleep on the machine's clock.
func RealSleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package cloud

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"powermgr/devices"
)

// Style is how a token endpoint wants to be told who the client is.
type Style int

// The styles in use.
const (
	InBody    Style = iota // client_id (and secret) in the form: Tesla
	BasicAuth              // Authorization: Basic: Resideo
)

// OAuth keeps one authorization alive. Its methods may be called from several
// goroutines; only one refresh is under way at a time, since a refresh token
// is good for one use. A caller that gives up does not end a refresh: its
// answer may hold the only refresh token that is still good.
type OAuth struct {
	Vendor       string
	TokenURL     string
	ClientID     string
	ClientSecret devices.Secret
	Style        Style
	Extra        url.Values // further fields of every request: scope, audience
	File         TokenFile  // zero: the authorization is not kept
	Advice       string     // what a person has to do for another authorization: "run powermgr auth tesla"
	HTTP         *http.Client
	Now          func() time.Time

	mu      sync.Mutex // never held while the endpoint is asked
	flight  *flight    // the refresh under way; nil: none
	closed  bool
	token   Token
	loaded  bool
	filed   Token          // what the file holds as far as is known: another process may have replaced it
	seen    fs.FileInfo    // of the file as it was last read; nil: it was not
	dead    *devices.Error // the refusal that needs a person; nil: alive
	again   time.Time      // when the dead one is tried again all the same; zero: never
	denied  time.Time      // since when the endpoint has refused without saying why; zero: it does not
	renewed time.Time      // when token last was
	unsafe  bool           // token is not on disk yet

	doubted time.Time // since when the vendor has refused calls without saying that the authorization has ended; zero: it does not
}

// flight is a refresh that callers wait for.
type flight struct {
	done   chan struct{}
	access devices.Secret // after done
	err    error          // after done
}

// refreshTimeout is how long a refresh may take, whoever still waits for it.
const refreshTimeout = 30 * time.Second

// A refusal can be the vendor's own outage. Refusals without a clear cause are
// reported to the owner as a lost authorization after refusalLimit; a refresh
// that was given up that way is tried again every retryInterval.
const (
	refusalLimit  = 6 * time.Hour
	retryInterval = time.Hour
)

// renewBefore is how long before its end a token is renewed. Both vendors have
// tokens that die before expires_in says so; a 401 catches the rest.
const renewBefore = 2 * time.Minute

// Use starts with t instead of the file: a bare access token from the
// configuration.
func (o *OAuth) Use(t Token) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token, o.filed, o.loaded = t, t, true
}

// Close ends the use of the authorization: no refresh begins any more. It
// waits, until ctx ends, for the answer of one that has left, since that may
// hold the only refresh token that is still good, and puts it on disk.
func (o *OAuth) Close(ctx context.Context) error {
	o.mu.Lock()
	o.closed = true
	f := o.flight
	o.mu.Unlock()
	if f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
			return fmt.Errorf("%s: the answer to a refresh of the token is still to come: if the next start asks for it, %s", o.Vendor, o.Advice)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.unsafe {
		return nil
	}
	if err := o.save(o.token); err != nil {
		return fmt.Errorf("%s: the new token is lost with this process: %w", o.Vendor, err)
	}
	return nil
}

// Token returns an access token that is believed to be alive, refreshing it
// if it is not.
func (o *OAuth) Token(ctx context.Context) (devices.Secret, error) {
	return o.get(ctx, func() bool {
		if o.unsafe {
			_ = o.save(o.token) // it has been said, and the next call tries again
		}
		return o.token.Refresh == "" || o.Now().Add(renewBefore).Before(o.token.Expires)
	})
}

// Renew is called when the vendor refused the access token used: it refreshes
// unless another caller has done so meanwhile, and returns the new one. It
// returns used itself where there is nothing to refresh it with, and when the
// last refresh has changed nothing.
func (o *OAuth) Renew(ctx context.Context, used devices.Secret) (devices.Secret, error) {
	return o.get(ctx, func() bool {
		lately := !o.doubted.IsZero() && o.Now().Sub(o.renewed) < renewEvery
		return o.token.Access != used || o.token.Refresh == "" || lately
	})
}

// get returns the access token if it is good, and one from a refresh if not.
func (o *OAuth) get(ctx context.Context, good func() bool) (devices.Secret, error) {
	o.mu.Lock()
	if err := o.load(); err != nil {
		o.mu.Unlock()
		return "", err
	}
	if o.token.Access != "" && good() {
		defer o.mu.Unlock()
		return o.token.Access, nil
	}
	if err := ctx.Err(); err != nil || o.closed {
		o.mu.Unlock()
		return "", &devices.Error{Vendor: o.Vendor, Op: opRefresh, Kind: devices.Unreachable, Err: cmp.Or(err, errClosed)}
	}
	f := o.refresh(ctx)
	o.mu.Unlock()
	select {
	case <-f.done:
		return f.access, own(f.err)
	case <-ctx.Done():
		return "", &devices.Error{Vendor: o.Vendor, Op: opRefresh, Kind: devices.Unreachable, Err: ctx.Err()}
	}
}

// Exchange turns the code of a consent into the first token and keeps it.
func (o *OAuth) Exchange(ctx context.Context, code, redirect string, more url.Values) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
	maps.Copy(form, more)
	const op = "exchange the code"
	reply, err := o.post(ctx, op, form)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if reply.Status != http.StatusOK {
		_, why := o.refusal(reply, devices.Secret(code))
		return StatusError(o.Vendor, op, reply, false, why)
	}
	t, err := o.parse(op, reply)
	if err != nil {
		return err
	}
	o.token = Token{} // another consent: nothing of the old one is worth keeping
	o.dead, o.denied, o.doubted = nil, time.Time{}, time.Time{}
	return o.keep(op, t)
}

// load looks at the token file, each time: another process may have put a new
// authorization there, such as powermgr auth with more rights than the old one
// had.
func (o *OAuth) load() error {
	if o.dead != nil && !o.again.IsZero() && !o.Now().Before(o.again) {
		o.dead, o.again = nil, time.Time{}
	}
	if o.File.Path != "" {
		_, err := o.adopt()
		if err != nil && !o.loaded {
			if Missing(err) {
				err = fmt.Errorf("there is no authorization yet at %s: %s", o.File.Path, o.Advice)
			}
			return &devices.Error{Vendor: o.Vendor, Op: "read the token", Kind: devices.Unauthorized, Err: err}
		}
	}
	if o.dead != nil {
		return o.gone()
	}
	return nil
}

// adopt takes over what another process has put into the token file, and
// reports whether there was something.
func (o *OAuth) adopt() (bool, error) {
	info, err := os.Stat(o.File.Path)
	if err == nil && o.loaded && o.seen != nil && sameFile(info, o.seen) {
		return false, nil
	}
	o.seen = nil
	t, err := o.File.Load()
	if err != nil {
		return false, err
	}
	o.seen = info // of before it was read: a change meanwhile is read the next time
	if o.loaded && t.Access == o.filed.Access && t.Refresh == o.filed.Refresh {
		return false, nil
	}
	o.token, o.filed, o.loaded, o.unsafe = t, t, true, false
	o.dead, o.again, o.denied, o.doubted = nil, time.Time{}, time.Time{}, time.Time{}
	return true, nil
}

// sameFile reports whether nobody has written the file between a and b. It is
// replaced, never written over, so that another authorization is another file.
func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// gone is the refusal that needs a person.
func (o *OAuth) gone() error { return own(o.dead) }

// own is err in a copy that the caller may add to.
func own(err error) error {
	if e, ok := errors.AsType[*devices.Error](err); ok {
		c := *e
		return &c
	}
	return err
}

// die notes a refusal that needs a person; it is tried again then all the same,
// the zero time: never.
func (o *OAuth) die(op, why string, then time.Time) {
	o.again = then
	o.dead = &devices.Error{Vendor: o.Vendor, Op: op, Kind: devices.Unauthorized, Err: errors.New(why)}
}

const opRefresh = "refresh the token"

var errClosed = errors.New("powermgr stops")

// refresh begins a refresh, or joins the one under way.
func (o *OAuth) refresh(ctx context.Context) *flight {
	if o.flight != nil {
		return o.flight
	}
	f := &flight{done: make(chan struct{})}
	o.flight = f
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {o.token.Refresh.Reveal()}}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
		defer cancel()
		reply, err := o.post(ctx, opRefresh, form)
		o.mu.Lock()
		defer o.mu.Unlock()
		if err == nil {
			err = o.refreshed(reply)
		}
		f.access, f.err, o.flight = o.token.Access, err, nil
		close(f.done)
	}()
	return f
}

// refreshed takes the answer to a refresh.
func (o *OAuth) refreshed(reply Reply) error {
	if o.File.Path != "" {
		if other, _ := o.adopt(); other {
			return nil // a person has authorized again meanwhile: the answer is about the old authorization
		}
	}
	if reply.Status != http.StatusOK {
		refusal, why := o.refusal(reply)
		if terminal(reply.Status, refusal.Error, refusal.Description) {
			o.die(opRefresh, why+": "+o.Advice, time.Time{})
			return o.gone()
		}
		return o.refused(StatusError(o.Vendor, opRefresh, reply, false, why))
	}
	o.denied = time.Time{}
	t, err := o.parse(opRefresh, reply)
	if err != nil {
		return err
	}
	if t.Refresh == "" {
		t.Refresh = o.token.Refresh
	}
	return o.keep(opRefresh, t)
}

// keep takes t into use: first on disk, then in memory, so that a rotated
// refresh token is never used before it is safe.
func (o *OAuth) keep(op string, t Token) (err error) {
	if o.File.Path != "" && (t.Refresh != o.token.Refresh || t.Refresh == "") {
		// One that cannot be saved goes into memory all the same: the old one is
		// dead already, and without the new one nothing could be restored.
		if err = o.save(t); err != nil {
			err = &devices.Error{Vendor: o.Vendor, Op: op, Kind: devices.Unreachable, Err: err}
		}
	}
	o.token, o.loaded, o.renewed, o.dead = t, true, o.Now(), nil
	return err
}

// save puts t on disk.
func (o *OAuth) save(t Token) error {
	err := o.File.Save(t, o.Now())
	if o.unsafe = err != nil; err == nil {
		o.filed = t
	}
	return err
}

func (o *OAuth) parse(op string, reply Reply) (Token, error) {
	t, err := ParseToken(reply.Body, o.Now())
	if err != nil || t.Access == "" {
		return Token{}, &devices.Error{Vendor: o.Vendor, Op: op, Kind: devices.Nonsense, Err: errors.New("the token endpoint answered no token")}
	}
	return t, nil
}

// post sends form to the token endpoint.
func (o *OAuth) post(ctx context.Context, op string, form url.Values) (Reply, error) {
	maps.Copy(form, o.Extra)
	if o.Style == InBody {
		form.Set("client_id", o.ClientID)
		if o.ClientSecret != "" {
			form.Set("client_secret", o.ClientSecret.Reveal())
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return Reply{}, &devices.Error{Vendor: o.Vendor, Op: op, Kind: devices.Refused, Err: errors.New("the token address is not valid")}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if o.Style == BasicAuth {
		req.SetBasicAuth(o.ClientID, o.ClientSecret.Reveal())
	}
	reply, err := Do(o.HTTP, o.Vendor, op, req)
	var e *devices.Error
	if errors.As(err, &e) {
		e.MaybeDone = false // no device was told anything
	}
	return reply, err
}

// refusal is the body of an answer that is no token.
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refusal reads a refusal, also in words without secrets.
func (o *OAuth) refusal(reply Reply, more ...devices.Secret) (r refusal, why string) {
	_ = json.Unmarshal(reply.Body, &r) // an empty refusal is one that names no cause
	basic := base64.StdEncoding.EncodeToString([]byte(o.ClientID + ":" + o.ClientSecret.Reveal()))
	more = append(more, o.ClientSecret, o.token.Access, o.token.Refresh, devices.Secret(basic))
	return r, Line(Hide(r.Error+" "+r.Description, more...))
}

// refused says what a refused refresh means. The refresh token is kept, since
// 400 and 5xx have been seen for hours while the vendor was down, but not
// believed in for ever.
func (o *OAuth) refused(e *devices.Error) error {
	if e.Kind == devices.Throttled || e.Kind == devices.Unreachable {
		return e
	}
	e.Kind = devices.Unreachable
	switch now := o.Now(); {
	case o.denied.IsZero():
		o.denied = now
	case now.Sub(o.denied) >= refusalLimit:
		o.die(opRefresh, fmt.Sprintf("refused for %s: %v: if the vendor works otherwise, %s", now.Sub(o.denied).Round(time.Hour), e.Err, o.Advice), now.Add(retryInterval))
		return o.gone()
	}
	return e
}

// terminal reports whether a refusal means that only a person can help. Tesla
// says login_required or "token is invalid"; RFC 6749 has invalid_grant. Any
// other 400 or 401 has been seen to be an outage.
func terminal(status int, code, description string) bool {
	if status != http.StatusBadRequest && status != http.StatusUnauthorized && status != http.StatusForbidden {
		return false
	}
	switch code {
	case "login_required", "invalid_grant", "invalid_client", "unauthorized_client":
		return true
	}
	return strings.Contains(strings.ToLower(description), "token is invalid")
}

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

// Style is how a token endpoint expects the client to identify itself.
type Style int

// The styles in use.
const (
	InBody    Style = iota // client_id (and secret) in the form: Tesla
	BasicAuth              // Authorization: Basic: Resideo
)

// OAuth keeps one authorization valid. Its methods may be called from several
// goroutines; there is only one refresh at a time, since a refresh token can be used
// once. A caller that gives up does not end a refresh, whose answer may hold the only
// refresh token that still works.
type OAuth struct {
	Vendor       string
	TokenURL     string
	ClientID     string
	ClientSecret devices.Secret
	Style        Style
	Extra        url.Values // further fields of every request: scope, audience
	File         TokenFile  // zero: the authorization is not stored
	Advice       string     // how a person gets another authorization: "run powermgr auth tesla"
	HTTP         *http.Client
	Now          func() time.Time

	mu           sync.Mutex // never held during a request
	flight       *flight    // the refresh in progress; nil: none
	closed       bool
	token        Token
	loaded       bool
	onFile       Token          // what the file has, as far as is known: another process may have replaced it
	fileInfo     fs.FileInfo    // of the file when it was last read; nil: it was not
	dead         *devices.Error // the refusal that only a person can resolve; nil: none
	retryAt      time.Time      // when to try again even so; zero: never
	refusedSince time.Time      // since when the endpoint has refused without a clear cause; zero: it does not
	renewed      time.Time      // when token was last renewed
	unsaved      bool           // token is not on disk yet

	doubtedSince time.Time // since when the vendor has refused calls without saying that the authorization has ended; zero: it does not
}

// A flight is a refresh that callers wait for.
type flight struct {
	done   chan struct{}
	access devices.Secret // after done
	err    error          // after done
}

// refreshTimeout is how long a refresh may take, no matter who still waits for it.
const refreshTimeout = 30 * time.Second

// A refusal can be the vendor's own outage. Refusals without a clear cause are
// reported to the owner as a lost authorization after refusalLimit; a refresh
// that was given up that way is tried again every retryInterval.
const (
	refusalLimit  = 6 * time.Hour
	retryInterval = time.Hour
)

// renewBefore is how long before its end a token is renewed. Tokens of both vendors
// have stopped working before expires_in; a 401 covers the rest.
const renewBefore = 2 * time.Minute

// Use starts with t instead of the file: a bare access token from the configuration.
func (o *OAuth) Use(t Token) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token, o.onFile, o.loaded = t, t, true
}

// Close ends the use of the authorization: no new refresh begins. It waits, until ctx
// ends, for the answer to a refresh in progress, since that may hold the only refresh
// token that still works, and stores it.
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
	if !o.unsaved {
		return nil
	}
	if err := o.save(o.token); err != nil {
		return fmt.Errorf("%s: the new token is lost with this process: %w", o.Vendor, err)
	}
	return nil
}

// Token returns an access token that is believed to be valid, after a refresh if
// necessary.
func (o *OAuth) Token(ctx context.Context) (devices.Secret, error) {
	return o.get(ctx, func() bool {
		if o.unsaved {
			_ = o.save(o.token) // it has been said, and the next call tries again
		}
		return o.token.Refresh == "" || o.Now().Add(renewBefore).Before(o.token.Expires)
	})
}

// Renew is called when the vendor has refused the access token used: it refreshes,
// unless another caller has done so meanwhile, and returns the new one. It returns used
// itself if there is nothing to refresh it with, or if the last refresh has changed
// nothing.
func (o *OAuth) Renew(ctx context.Context, used devices.Secret) (devices.Secret, error) {
	return o.get(ctx, func() bool {
		lately := !o.doubtedSince.IsZero() && o.Now().Sub(o.renewed) < renewEvery
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

// Exchange exchanges the code of a consent for the first token, and stores it.
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
	o.dead, o.refusedSince, o.doubtedSince = nil, time.Time{}, time.Time{}
	return o.setToken(op, t)
}

// load checks the token file each time: another process may have put a new
// authorization there, for example powermgr auth with more rights.
func (o *OAuth) load() error {
	if o.dead != nil && !o.retryAt.IsZero() && !o.Now().Before(o.retryAt) {
		o.dead, o.retryAt = nil, time.Time{}
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

// adopt takes over what another process has put into the token file, and reports
// whether there was anything.
func (o *OAuth) adopt() (bool, error) {
	info, err := os.Stat(o.File.Path)
	if err == nil && o.loaded && o.fileInfo != nil && sameFile(info, o.fileInfo) {
		return false, nil
	}
	o.fileInfo = nil
	t, err := o.File.Load()
	if err != nil {
		return false, err
	}
	o.fileInfo = info // of before it was read: a change meanwhile is read the next time
	if o.loaded && t.Access == o.onFile.Access && t.Refresh == o.onFile.Refresh {
		return false, nil
	}
	o.token, o.onFile, o.loaded, o.unsaved = t, t, true, false
	o.dead, o.retryAt, o.refusedSince, o.doubtedSince = nil, time.Time{}, time.Time{}, time.Time{}
	return true, nil
}

// sameFile reports whether nobody has written the file between a and b. It is always
// replaced, never overwritten, so another authorization is another file.
func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// gone returns the refusal that only a person can resolve.
func (o *OAuth) gone() error { return own(o.dead) }

// own returns a copy of err that the caller may change.
func own(err error) error {
	if e, ok := errors.AsType[*devices.Error](err); ok {
		c := *e
		return &c
	}
	return err
}

// markDead records a refusal that only a person can resolve, and when to try again even
// so; the zero time: never.
func (o *OAuth) markDead(op, why string, then time.Time) {
	o.retryAt = then
	o.dead = &devices.Error{Vendor: o.Vendor, Op: op, Kind: devices.Unauthorized, Err: errors.New(why)}
}

const opRefresh = "refresh the token"

var errClosed = errors.New("powermgr stops")

// refresh starts a refresh, or joins the one in progress.
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

// refreshed processes the answer to a refresh.
func (o *OAuth) refreshed(reply Reply) error {
	if o.File.Path != "" {
		if other, _ := o.adopt(); other {
			return nil // a person has authorized again meanwhile: the answer is about the old authorization
		}
	}
	if reply.Status != http.StatusOK {
		refusal, why := o.refusal(reply)
		if terminal(reply.Status, refusal.Error, refusal.Description) {
			o.markDead(opRefresh, why+": "+o.Advice, time.Time{})
			return o.gone()
		}
		return o.refused(StatusError(o.Vendor, opRefresh, reply, false, why))
	}
	o.refusedSince = time.Time{}
	t, err := o.parse(opRefresh, reply)
	if err != nil {
		return err
	}
	if t.Refresh == "" {
		t.Refresh = o.token.Refresh
	}
	return o.setToken(opRefresh, t)
}

// setToken makes t the token: first on disk, then in memory, so that a rotated refresh
// token is never used before it is stored.
func (o *OAuth) setToken(op string, t Token) (err error) {
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

// save writes t to disk.
func (o *OAuth) save(t Token) error {
	err := o.File.Save(t, o.Now())
	if o.unsaved = err != nil; err == nil {
		o.onFile = t
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

// A refusal is the body of an answer without a token.
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refusal parses a refusal, and describes it without secrets.
func (o *OAuth) refusal(reply Reply, more ...devices.Secret) (r refusal, why string) {
	_ = json.Unmarshal(reply.Body, &r) // an empty refusal is one that names no cause
	basic := base64.StdEncoding.EncodeToString([]byte(o.ClientID + ":" + o.ClientSecret.Reveal()))
	more = append(more, o.ClientSecret, o.token.Access, o.token.Refresh, devices.Secret(basic))
	return r, Line(Hide(r.Error+" "+r.Description, more...))
}

// refused decides what a refused refresh means. The refresh token is kept, since 400
// and 5xx have been seen for hours while the vendor was down, but not trusted forever.
func (o *OAuth) refused(e *devices.Error) error {
	if e.Kind == devices.Throttled || e.Kind == devices.Unreachable {
		return e
	}
	e.Kind = devices.Unreachable
	switch now := o.Now(); {
	case o.refusedSince.IsZero():
		o.refusedSince = now
	case now.Sub(o.refusedSince) >= refusalLimit:
		o.markDead(opRefresh, fmt.Sprintf("refused for %s: %v: if the vendor works otherwise, %s", now.Sub(o.refusedSince).Round(time.Hour), e.Err, o.Advice), now.Add(retryInterval))
		return o.gone()
	}
	return e
}

// terminal reports whether a refusal means that only a person can help. Tesla says
// login_required or "token is invalid"; RFC 6749 has invalid_grant. Any other 400 or
// 401 has turned out to be an outage.
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

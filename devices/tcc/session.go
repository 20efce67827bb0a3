package tcc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// Texts and paths by which the portal tells the state of a session, and what powermgr
// says about them.
const (
	wrongCredentials = "email or password provided is incorrect"
	tooManyAttempts  = "toomanyattempts"
	terms            = "termsandconditions"
	newTerms         = "Honeywell wants its new terms to be accepted: log in once at mytotalconnectcomfort.com"
	international    = "international.mytotalconnectcomfort.com"
	elsewhere        = "accounts outside North America belong to " + international + ", which this program does not speak"
)

// maxUnclear is how many consecutive answers that are neither data nor a clear statement
// about the session count as a session that ended without the portal saying so.
const maxUnclear = 3

// request is one request inside a session.
type request struct {
	method string
	path   string
	query  url.Values
	body   []byte // JSON; nil: none
	write  bool   // it changes a thermostat
}

// verdict is what an answer means for the session.
type verdict int

const (
	final   verdict = iota // data, or a plain refusal: the session is as it was
	gone                   // not carried out: the session has ended
	trouble                // the portal is malfunctioning
)

// call sends r and returns the JSON of the answer. It logs in when there is no session,
// and once more when the portal says that the session has ended. A change is sent again
// only when the first one was certainly not carried out.
func (c *Client) call(ctx context.Context, op string, r request) ([]byte, error) {
	for first := true; ; first = false {
		if left := c.session.locked(c.now()); left > 0 {
			return nil, lockedOut(op, left)
		}
		if c.session.Cookies[authCookie] == "" {
			if err := c.login(ctx); err != nil {
				return nil, err
			}
		}
		reply, err := c.send(ctx, op, r)
		if err != nil {
			return nil, err
		}
		body, v, err := c.judge(op, r, reply)
		switch v {
		case final:
			return body, err
		case trouble:
			if c.unclear++; c.unclear < maxUnclear || r.write {
				return nil, err
			}
		}
		if !first {
			return nil, err
		}
		c.unclear = 0
		if wait := c.session.wait(c.now()); wait > 0 {
			// The cookie stays, and the next call tries it: the fault may have been
			// the portal's, not the session's.
			return nil, failure(op, devices.Unreachable, fmt.Errorf("the session seems to have ended, and the next log-in has to wait %s", wait.Round(time.Second)))
		}
		if err := c.login(ctx); err != nil {
			return nil, err
		}
	}
}

// send sends r and stores the cookies of the answer.
func (c *Client) send(ctx context.Context, op string, r request) (cloud.Reply, error) {
	req, err := c.request(ctx, r.method, r.path, r.query, bytes.NewReader(r.body))
	if err != nil {
		return cloud.Reply{}, failure(op, devices.Refused, errors.New("the address of the portal is not valid"))
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	reply, err := cloud.Do(c.http, vendor, op, req)
	if err != nil {
		var e *devices.Error
		if errors.As(err, &e) {
			e.MaybeDone = e.MaybeDone && r.write // the portal also reads by POST
		}
		return cloud.Reply{}, err
	}
	if c.renewed = c.storeCookies(reply.Header) || c.renewed; c.renewed && c.now().Sub(c.savedAt) >= renewEvery {
		c.keep()
	}
	return reply, nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	u := *c.base
	u.Path += path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("X-Requested-With", "XMLHttpRequest") // otherwise the answer to an ended session is a redirect
	req.Header.Set("User-Agent", "powermgr")
	for name, value := range c.session.Cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return req, nil
}

// storeCookies stores the cookies of an answer and reports whether any changed. It
// ignores their expiry: the portal sends a malformed one, and signals the end of a
// session by an empty value.
func (c *Client) storeCookies(h http.Header) bool {
	changed := false
	for _, line := range h.Values("Set-Cookie") {
		ck, err := http.ParseSetCookie(line)
		if err != nil {
			continue
		}
		if c.session.setCookie(ck.Name, ck.Value) {
			changed = true
		}
	}
	return changed
}

// judge classifies an answer. With final, the body is JSON, or err says why the portal
// refuses the request.
func (c *Client) judge(op string, r request, reply cloud.Reply) ([]byte, verdict, error) {
	unreachable := func(format string, args ...any) *devices.Error {
		e := failure(op, devices.Unreachable, fmt.Errorf(format, args...))
		e.MaybeDone = r.write
		return e
	}
	sent := redirected(reply)
	switch {
	case strings.Contains(sent, terms):
		return nil, final, failure(op, devices.Unauthorized, errors.New(newTerms))
	case reply.Status == http.StatusOK && strings.Contains(sent, "/account/log"):
		return nil, gone, failure(op, devices.Unreachable, errors.New("the portal asks for a log-in"))
	case reply.Status == http.StatusOK && sent != "":
		return nil, trouble, unreachable("the portal is in trouble: it points to another page")
	case reply.Status == http.StatusOK && isJSON(reply):
		c.settled()
		return reply.Body, final, nil
	case reply.Status == http.StatusOK && (!r.write || isLoginPage(reply.Body)) && !isErrorPage(reply.Body):
		return nil, gone, failure(op, devices.Unreachable, errors.New("the portal answered a web page instead of data"))
	case reply.Status == http.StatusOK:
		return nil, trouble, unreachable("the portal answered a web page instead of data")
	case reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden:
		return nil, gone, failure(op, devices.Unreachable, fmt.Errorf("HTTP %d: the session has ended", reply.Status))
	case reply.Status >= 300 && reply.Status < 400:
		to := strings.ToLower(reply.Header.Get("Location"))
		switch {
		case strings.Contains(to, tooManyAttempts):
			return nil, final, c.lockOut(op, reply)
		case strings.Contains(to, international):
			return nil, final, failure(op, devices.Refused, errors.New(elsewhere))
		case strings.Contains(to, "/account/log"):
			return nil, gone, failure(op, devices.Unreachable, errors.New("the portal asks for a log-in"))
		}
		return nil, trouble, unreachable("the portal is in trouble: HTTP %d to another page", reply.Status)
	}
	e := cloud.StatusError(vendor, op, reply, r.write, "")
	return nil, final, e
}

// redirected returns where an answer redirects a browser to, in lower case: by its
// header, or as {"Redirect": "/portal/…"} instead of data. Empty: nowhere.
func redirected(r cloud.Reply) string {
	if r.Status >= 300 && r.Status < 400 {
		return strings.ToLower(r.Header.Get("Location"))
	}
	var body struct{ Redirect string }
	if !isJSON(r) || !bytes.Contains(bytes.ToLower(r.Body), []byte("redirect")) || json.Unmarshal(r.Body, &body) != nil {
		return ""
	}
	return strings.ToLower(body.Redirect)
}

// settled records that the portal answered with data.
func (c *Client) settled() {
	c.unclear = 0
	if c.session.settle() {
		c.denied = false
		c.keep()
	}
}

func isJSON(r cloud.Reply) bool {
	text := bytes.TrimSpace(r.Body)
	// Some answers claim to be application/octet-stream, so the body is checked as well.
	return !strings.Contains(r.Header.Get("Content-Type"), "html") && len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

func isLoginPage(body []byte) bool { return bytes.Contains(body, []byte(`name="Password"`)) }

func isErrorPage(body []byte) bool {
	return bytes.Contains(body, []byte("Unexpected Error")) || bytes.Contains(body, []byte("aspxerrorpath"))
}

// login opens a session, if that is allowed now. The attempt is recorded on disk before
// it is sent, so that a crash loop cannot try more often.
func (c *Client) login(ctx context.Context) error {
	const op = "log in"
	now := c.now()
	if c.denied {
		return c.refused(op)
	}
	if wait := c.session.wait(now); wait > 0 {
		e := failure(op, devices.Unreachable, fmt.Errorf("the next log-in has to wait %s, or the portal would lock the account", wait.Round(time.Second)))
		e.RetryAfter = wait
		return e
	}
	before := c.session
	c.session.try(now)
	if err := c.save(); err != nil {
		c.complain(err)
		// Without the file, only the age of this process shows that ten minutes have passed.
		if lived := now.Sub(c.started); lived < loginEvery {
			c.session.Logins--
			c.session.NextLogin = c.started.Add(loginEvery)
			e := failure(op, devices.Unreachable, fmt.Errorf("the session file cannot be written, so the log-in waits %s: make its directory writable", (loginEvery-lived).Round(time.Second)))
			e.RetryAfter = loginEvery - lived
			return e
		}
	}
	return c.through(ctx, op, func(ctx context.Context) error {
		sent, err := c.submitLogin(ctx, op)
		if !sent {
			c.session = before // nothing has reached the portal
		}
		c.keep()
		if err == nil {
			c.log.Info("logged in to the portal")
		}
		return err
	})
}

// through runs work to its end even if the caller stops waiting: a session that was
// opened but not stored could not be opened again for a while. The mutex stays locked
// until work has ended.
func (c *Client) through(ctx context.Context, op string, work func(context.Context) error) error {
	ended := make(chan struct{})
	var err error
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		defer close(ended)
		err = work(ctx)
	}()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		c.after = ended
		return failure(op, devices.Unreachable, ctx.Err())
	}
}

// submitLogin sends the two requests of a log-in. It reports whether they may have
// reached the portal: an attempt without a connection does not count.
func (c *Client) submitLogin(ctx context.Context, op string) (sent bool, err error) {
	form := url.Values{"timeOffset": {"480"}, "UserName": {c.username}, "Password": {c.password.Reveal()}, "RememberMe": {"false"}}
	req, err := c.request(ctx, http.MethodPost, "/portal", nil, strings.NewReader(form.Encode()))
	if err != nil {
		return false, failure(op, devices.Refused, errors.New("the address of the portal is not valid"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if sent, err = c.loginStep(op, req); err != nil {
		return sent, err
	}
	// Only this answer shows whether the session is valid: the portal may clear the
	// cookie again.
	req, err = c.request(ctx, http.MethodGet, "/portal", nil, nil)
	if err != nil {
		return true, failure(op, devices.Refused, errors.New("the address of the portal is not valid"))
	}
	_, err = c.loginStep(op, req)
	return true, err
}

// loginStep sends one step of a log-in, and reports whether it may have arrived.
func (c *Client) loginStep(op string, req *http.Request) (sent bool, err error) {
	reply, err := cloud.Do(c.http, vendor, op, req)
	if err != nil {
		var e *devices.Error
		if errors.As(err, &e) {
			sent, e.MaybeDone = e.MaybeDone, false // logging in changes no thermostat
		}
		return sent, err
	}
	return true, c.entered(op, reply)
}

// entered checks the answer to one step of a log-in for a session.
func (c *Client) entered(op string, reply cloud.Reply) error {
	c.storeCookies(reply.Header)
	to := strings.ToLower(reply.Header.Get("Location"))
	redirect := reply.Status >= 300 && reply.Status < 400
	switch {
	case strings.Contains(redirected(reply), terms):
		return failure(op, devices.Unauthorized, errors.New(newTerms))
	case redirect && strings.Contains(to, tooManyAttempts), reply.Status == http.StatusTooManyRequests:
		return c.lockOut(op, reply)
	case redirect && strings.Contains(to, international):
		return c.deny(op, elsewhere)
	case bytes.Contains(bytes.ToLower(reply.Body), []byte(wrongCredentials)):
		return c.deny(op, "the portal says that the e-mail address or the password is incorrect: correct honeywell.username and honeywell.password, and restart; "+elsewhere)
	case redirect && strings.Contains(to, "/error"):
		return failure(op, devices.Unreachable, errors.New("the portal answered the log-in with its page for mishaps"))
	case reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden, c.session.Cookies[authCookie] == "" && (reply.Status == http.StatusOK || redirect):
		return c.null(op, reply)
	case reply.Status != http.StatusOK && !redirect:
		e := cloud.StatusError(vendor, op, reply, false, "")
		e.Kind = devices.Unreachable // the answer to a log-in says nothing about a thermostat
		return e
	}
	return nil
}

// null records a log-in that was answered without a session, which means that the site
// is down or that there were too many log-ins. The second one in a row counts as a
// lock-out.
func (c *Client) null(op string, reply cloud.Reply) error {
	c.session.setCookie(authCookie, "")
	c.session.Nulls++
	if c.session.Nulls >= 2 {
		return c.lockOut(op, reply)
	}
	e := failure(op, devices.Unreachable, errors.New("the portal gave no session: it may be down, or tired of log-ins"))
	if bytes.Contains(reply.Body, []byte(international)) {
		e.Err = fmt.Errorf("%w; %s", e.Err, elsewhere)
	}
	e.RetryAfter = c.session.wait(c.now())
	return e
}

// lockOut records a lock-out: nothing may be sent to the portal for a while, longer
// each time.
func (c *Client) lockOut(op string, reply cloud.Reply) error {
	c.session.lock(c.now(), cloud.RetryAfter(reply.Header))
	c.keep()
	return lockedOut(op, c.session.locked(c.now()))
}

func lockedOut(op string, left time.Duration) error {
	e := failure(op, devices.LockedOut, fmt.Errorf("the portal has locked the account after too many log-ins; nothing is asked for %s", left.Round(time.Second)))
	e.RetryAfter = left
	return e
}

// deny records that these credentials must not be tried again.
func (c *Client) deny(op, why string) error {
	c.session.setCookie(authCookie, "")
	mark, err := refuse(c.username, c.password, why)
	if err != nil {
		return failure(op, devices.Unauthorized, err)
	}
	c.session.Refused, c.denied = mark, true
	return c.refused(op)
}

func (c *Client) refused(op string) error {
	why := c.session.Refused.Why
	if c.file != "" {
		why += "; to try the same ones again, remove " + c.file + " and restart"
	}
	return failure(op, devices.Unauthorized, errors.New(why))
}

package tcc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/devices"
)

const (
	user     = "owner@example.com"
	password = "hunter2+&%ü"
	badDate  = "; expires=Mon, 01-Jan-1 00:00:00 GM; path=/; HttpOnly"
)

// portal is a portal all of whose answers a test can replace. By default everything works:
// it has one thermostat, and sessions do not end.
type portal struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	enter   http.HandlerFunc // POST /portal
	confirm http.HandlerFunc // GET /portal
	data    http.HandlerFunc // everything else; nil or not writing: the default
	live    string           // the session that is alive
	logins  int
	paths   []string // of all requests but log-ins, without queries
	submits [][]byte
}

func newPortal(t *testing.T) *portal {
	p := &portal{t: t}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	return p
}

func (p *portal) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path == "/portal" && r.Method == http.MethodPost {
		p.logins++
		if len(r.Cookies()) > 0 {
			p.t.Errorf("the log-in came with %d cookies of an earlier session", len(r.Cookies()))
		}
		if err := r.ParseForm(); err != nil || r.PostForm.Get("UserName") != user || r.PostForm.Get("Password") != password ||
			r.PostForm.Get("timeOffset") != "480" || r.PostForm.Get("RememberMe") != "false" || r.URL.RawQuery != "" {
			p.t.Errorf("the log-in form is %d bytes with query %q", len(r.PostForm.Encode()), r.URL.RawQuery)
		}
		if p.enter != nil {
			p.enter(w, r)
			return
		}
		p.live = fmt.Sprintf("session%d", p.logins)
		w.Header().Add("Set-Cookie", authCookie+"="+p.live+badDate)
		w.Header().Add("Set-Cookie", "affinity=node7; path=/")
		page(w, "<html>welcome</html>")
		return
	}
	if r.URL.Path == "/portal" {
		if p.confirm != nil {
			p.confirm(w, r)
			return
		}
		w.Header().Set("Location", "/portal/123/Zones")
		w.WriteHeader(http.StatusFound)
		return
	}
	p.paths = append(p.paths, r.URL.Path)
	if ck, err := r.Cookie(authCookie); err == nil && ck.Value == "of-another-account" {
		p.t.Error("another account's session was sent")
	}
	if r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		p.t.Errorf("%s without X-Requested-With", r.URL.Path)
	}
	if p.data != nil {
		rec := httptest.NewRecorder()
		p.data(rec, r)
		if rec.Body.Len() > 0 || rec.Code != http.StatusOK || len(rec.Header()) > 0 {
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
			return
		}
	}
	if ck, err := r.Cookie(authCookie); err != nil || ck.Value != p.live {
		page(w, `<form><input name="UserName"><input name="Password"></form>`)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch {
	case strings.Contains(r.URL.Path, "GetLocationListData"):
		if r.URL.Query().Get("page") != "1" {
			_, _ = w.Write([]byte(`[]`))
			return
		}
		_, _ = w.Write(bytes.ReplaceAll(testdata(p.t, "location_list.json"), []byte("1234567"), []byte("123456")))
	case strings.HasSuffix(r.URL.Path, "/CheckDataSession/123456"):
		_, _ = w.Write(testdata(p.t, "check_data_session.json"))
	case strings.HasSuffix(r.URL.Path, "SubmitControlScreenChanges"):
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		p.submits = append(p.submits, b.Bytes())
		_, _ = w.Write(testdata(p.t, "submit_answer.json"))
	default:
		p.t.Errorf("%s was asked", r.URL.Path)
	}
}

func page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(body))
}

func (p *portal) loginsSoFar() int { p.mu.Lock(); defer p.mu.Unlock(); return p.logins }

func (p *portal) set(f func()) { p.mu.Lock(); defer p.mu.Unlock(); f() }

// house is a portal, a clock and a session file for clients that are started again and
// again.
type house struct {
	*portal
	t    *testing.T
	now  time.Time
	file string
	logs bytes.Buffer
}

func newHouse(t *testing.T) *house {
	return &house{portal: newPortal(t), t: t, now: noon, file: filepath.Join(t.TempDir(), "session.json")}
}

func (h *house) start(change ...func(*Options)) *Client {
	h.t.Helper()
	o := Options{
		BaseURL: h.server.URL, Username: user, Password: password, SessionFile: h.file,
		Location: home, HTTP: h.server.Client(), Now: func() time.Time { return h.now },
		Log: slog.New(slog.NewTextHandler(&h.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) reads(c *Client) {
	h.t.Helper()
	if r, err := c.Read(context.Background()); err != nil || len(r) != 1 || r[0].VendorID != "123456" {
		h.t.Fatalf("got %v, %v; want the thermostat", r, err)
	}
}

func (h *house) fails(c *Client, kind devices.Kind, words string) *devices.Error {
	h.t.Helper()
	_, err := c.Read(context.Background())
	var e *devices.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), words) {
		h.t.Fatalf("got %v; want %v with %q", err, kind, words)
	}
	return e
}

func (h *house) loggedIn(want int) {
	h.t.Helper()
	if got := h.loginsSoFar(); got != want {
		h.t.Fatalf("%d log-ins, want %d", got, want)
	}
}

func TestOneLoginServesAProcess(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	for range 50 {
		h.reads(c)
		h.now = h.now.Add(5 * time.Minute)
	}
	h.loggedIn(1)
	lists := 0
	for _, p := range h.paths {
		if strings.Contains(p, "GetLocationListData") {
			lists++
		}
	}
	if lists != 2 {
		t.Errorf("%d pages of the device list in four hours, want the first and the empty second", lists)
	}
}

func TestTwoHundredRestartsLogInOnce(t *testing.T) {
	h := newHouse(t)
	for range 200 {
		h.reads(h.start())
		h.now = h.now.Add(10 * time.Second)
	}
	h.loggedIn(1)
}

// A process that always dies right after its log-in must not cause a storm of log-ins when
// it is restarted again and again.
func TestCrashLoopInTheMiddleOfALogin(t *testing.T) {
	h := newHouse(t)
	var left []byte // on the disk, by the process that died
	h.set(func() {
		h.enter = func(http.ResponseWriter, *http.Request) { left, _ = os.ReadFile(h.file) }
	})
	_, _ = h.start().Read(context.Background())
	if err := os.WriteFile(h.file, left, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		h.now = h.now.Add(5 * time.Second)
		e := h.fails(h.start(), devices.Unreachable, "next log-in")
		if e.RetryAfter <= 0 || e.RetryAfter > 10*time.Minute {
			t.Fatalf("RetryAfter is %v", e.RetryAfter)
		}
	}
	h.loggedIn(1)
	h.set(func() { h.enter = nil })
	h.now = noon.Add(10 * time.Minute)
	h.reads(h.start())
	h.loggedIn(2)
}

// late delays the answers to log-ins until the returned function is called; asked says
// when one is waiting.
func (h *house) late() (change func(*Options), asked <-chan struct{}, answer func()) {
	came, release := make(chan struct{}, 8), make(chan struct{})
	return func(o *Options) {
		o.HTTP = &http.Client{Transport: waiting{h.server.Client().Transport, came, release}}
	}, came, func() { close(release) }
}

// waiting is a transport that delays the answers to log-ins.
type waiting struct {
	next    http.RoundTripper
	came    chan<- struct{}
	release <-chan struct{}
}

func (w waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(r)
	if r.Method == http.MethodPost && r.URL.Path == "/portal" {
		w.came <- struct{}{}
		<-w.release
	}
	return res, err
}

func TestAStopDuringALoginKeepsTheSession(t *testing.T) {
	h := newHouse(t)
	change, asked, answer := h.late()
	c := h.start(change)
	next := h.start() // after a reload
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := c.Read(ctx)
		gone <- err
	}()
	<-asked
	stop()
	if err := <-gone; devices.KindOf(err) != devices.Unreachable {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- c.Close(t.Context()) }()
	select {
	case err := <-closed:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	answer()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	h.reads(next)
	h.loggedIn(1)
}

// A command that arrives during the log-in of a poll ends the poll, and then needs the
// session itself.
func TestACommandDuringALoginUsesItsSession(t *testing.T) {
	h := newHouse(t)
	change, asked, answer := h.late()
	c := h.start(change)
	ctx, command := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = c.Read(ctx)
	}()
	<-asked
	command()
	<-gone
	answer()
	if err := c.Apply(t.Context(), "123456", devices.ThermostatCommand{CoolSetpoint: new(76.0)}); err != nil {
		t.Error(err)
	}
	h.loggedIn(1)
}

func TestAStopDoesNotWaitForALoginForEver(t *testing.T) {
	h := newHouse(t)
	change, asked, answer := h.late()
	c := h.start(change)
	go func() { _, _ = c.Read(t.Context()) }()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err == nil {
		t.Error("no error about the session that may be lost")
	}
	answer()
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStopKeepsARenewedSession(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.now = h.now.Add(time.Minute) // too soon to write it just because time has passed
	h.set(func() {
		h.data = func(w http.ResponseWriter, _ *http.Request) {
			h.live = "renewed"
			w.Header().Add("Set-Cookie", authCookie+"=renewed"+badDate)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(testdata(t, "check_data_session.json"))
		}
	})
	h.reads(c)
	h.set(func() { h.data = nil })
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reads(h.start())
	h.loggedIn(1)
}

// The time of a log-in is in the file before the log-in is sent.
func TestAttemptIsOnDiskBeforeItIsSent(t *testing.T) {
	h := newHouse(t)
	var seen sessionFile
	h.set(func() {
		h.enter = func(w http.ResponseWriter, _ *http.Request) {
			b, err := os.ReadFile(h.file)
			if err != nil {
				t.Error(err)
			}
			if seen, err = parseSession(b); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	h.fails(h.start(), devices.Unreachable, "503")
	if !seen.NextLogin.Equal(noon.Add(10 * time.Minute)) {
		t.Errorf("the file had %+v while the log-in was under way", seen)
	}
}

func TestNeverTwoLoginsWithinTenMinutes(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.set(func() { h.live = "another" })
	e := h.fails(c, devices.Unreachable, "has to wait 10m0s")
	if e.RetryAfter != 0 {
		t.Errorf("RetryAfter is %v: a session that comes back would not be noticed", e.RetryAfter)
	}
	h.now = h.now.Add(10*time.Minute - time.Second)
	h.fails(c, devices.Unreachable, "has to wait 1s")
	h.loggedIn(1)
	h.now = h.now.Add(time.Second)
	h.reads(c)
	h.loggedIn(2)
}

// A session that works again by itself needs no log-in.
func TestSessionThatComesBack(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.set(func() { h.data = func(w http.ResponseWriter, _ *http.Request) { page(w, "<html>maintenance</html>") } })
	h.fails(c, devices.Unreachable, "wait")
	h.set(func() { h.data = nil })
	h.reads(c)
	h.loggedIn(1)
}

// The time between log-ins that never lead to data grows, up to an hour.
func TestFruitlessLoginsGrowApart(t *testing.T) {
	h := newHouse(t)
	h.set(func() { h.data = func(w http.ResponseWriter, _ *http.Request) { page(w, "<html>maintenance</html>") } })
	c := h.start()
	for range 24 * 60 {
		_, _ = c.Read(context.Background())
		h.now = h.now.Add(time.Minute)
	}
	if n := h.loginsSoFar(); n < 20 || n > 27 {
		t.Errorf("%d log-ins in a day of web pages, want about one an hour", n)
	}
	h.set(func() { h.data = nil })
	h.now = h.now.Add(time.Hour)
	h.reads(c)
}

func TestAnswersOfADeadSession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		again  bool // a log-in is tried
		kind   devices.Kind
	}{
		{"401", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, true, devices.Unreachable},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, true, devices.Unreachable},
		{"200 with the log-in page", func(w http.ResponseWriter, _ *http.Request) { page(w, `<input name="Password">`) }, true, devices.Unreachable},
		{"200 with any page", func(w http.ResponseWriter, _ *http.Request) { page(w, `<html>Please wait</html>`) }, true, devices.Unreachable},
		{"JSON by name, a page by content", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("\r\n<!DOCTYPE html>"))
		}, true, devices.Unreachable},
		{"a redirect to the log-in page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/portal/Account/LogOn?ReturnUrl=x")
			w.WriteHeader(302)
		}, true, devices.Unreachable},
		{"200 with Unexpected Error", func(w http.ResponseWriter, _ *http.Request) { page(w, `<h1>Unexpected Error</h1>`) }, false, devices.Unreachable},
		{"a redirect to the error page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/portal/Error?aspxerrorpath=/portal/Device")
			w.WriteHeader(302)
		}, false, devices.Unreachable},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, false, devices.Unreachable},
		{"502", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, false, devices.Unreachable},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, false, devices.Unreachable},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "60"); w.WriteHeader(429) }, false, devices.Throttled},
		{"a redirect to Europe", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://international.mytotalconnectcomfort.com/")
			w.WriteHeader(302)
		}, false, devices.Refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			c := h.start()
			h.reads(c)
			h.now = h.now.Add(time.Hour)
			h.set(func() { h.data = tt.answer })
			if e := h.fails(c, tt.kind, ""); e.MaybeDone {
				t.Error("a read may have changed something")
			}
			h.loggedIn(map[bool]int{false: 1, true: 2}[tt.again])
			h.now = h.now.Add(time.Hour)
			h.set(func() { h.data = nil })
			h.reads(c)
		})
	}
}

// A session whose end is hidden behind an error page is noticed the third time.
func TestTroubleThatGoesOnIsADeadSession(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.now = h.now.Add(time.Hour)
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			if ck, err := r.Cookie(authCookie); err == nil && ck.Value == "session1" {
				page(w, "Unexpected Error")
			}
		}
	})
	h.fails(c, devices.Unreachable, "web page")
	h.fails(c, devices.Unreachable, "web page")
	h.reads(c)
	h.loggedIn(2)
}

// The portal ends a session with an empty cookie in a good answer.
func TestNullCookieBesideData(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.now = h.now.Add(time.Hour)
	h.set(func() {
		h.data = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", authCookie+"="+badDate)
			w.WriteHeader(401)
			h.data = nil
		}
	})
	h.reads(c)
	h.loggedIn(2)
}

func TestRefusedLogins(t *testing.T) {
	wrong := func(w http.ResponseWriter, _ *http.Request) {
		page(w, "<li>The email or password provided is incorrect.</li>")
	}
	to := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", where)
			w.WriteHeader(302)
		}
	}
	null := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", authCookie+"="+badDate)
		page(w, "<html></html>")
	}
	for _, tt := range []struct {
		name           string
		enter, confirm http.HandlerFunc
		kind           devices.Kind
		words          string
		retry          time.Duration
	}{
		{"wrong password", wrong, nil, devices.Unauthorized, "honeywell.password", 0},
		{"an account of Europe", to("https://international.mytotalconnectcomfort.com/Account/Login"), nil, devices.Unauthorized, "outside North America", 0},
		{"too many attempts", to("/portal/Account/TooManyAttempts"), nil, devices.LockedOut, "locked", 15 * time.Minute},
		{"429", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		}, nil, devices.LockedOut, "locked", time.Hour},
		{"an empty cookie", null, nil, devices.Unreachable, "no session", 10 * time.Minute},
		{"no cookie", func(w http.ResponseWriter, _ *http.Request) { page(w, "<html></html>") }, nil, devices.Unreachable, "no session", 10 * time.Minute},
		{"an empty cookie in the confirmation", nil, null, devices.Unreachable, "no session", 10 * time.Minute},
		{"401", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, nil, devices.Unreachable, "no session", 10 * time.Minute},
		{"the error page", to("/portal/Error"), nil, devices.Unreachable, "mishaps", 0},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, nil, devices.Unreachable, "503", 0},
		{"404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, nil, devices.Unreachable, "404", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.set(func() { h.enter, h.confirm = tt.enter, tt.confirm })
			e := h.fails(h.start(), tt.kind, tt.words)
			if e.RetryAfter != tt.retry || e.MaybeDone {
				t.Errorf("RetryAfter %v, MaybeDone %v; want %v, false", e.RetryAfter, e.MaybeDone, tt.retry)
			}
			h.fails(h.start(), tt.kind, "")
			h.loggedIn(1)
		})
	}
}

func TestLockOutGrowsAndOutlivesARestart(t *testing.T) {
	h := newHouse(t)
	h.set(func() {
		h.enter = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/portal/Account/TooManyAttempts")
			w.WriteHeader(302)
		}
	})
	want := 15 * time.Minute
	for n := 1; n <= 10; n++ {
		e := h.fails(h.start(), devices.LockedOut, "locked")
		if e.RetryAfter != want {
			t.Fatalf("lock-out %d lasts %v, want %v", n, e.RetryAfter, want)
		}
		h.loggedIn(n)
		h.now = h.now.Add(want - time.Second)
		if e := h.fails(h.start(), devices.LockedOut, "locked"); e.RetryAfter != time.Second {
			t.Fatalf("a second before its end RetryAfter is %v", e.RetryAfter)
		}
		h.loggedIn(n)
		h.now = h.now.Add(max(time.Second, time.Hour-want)) // a log-in may have to wait longer than the lock-out
		want = min(2*want, 24*time.Hour)
	}
	h.set(func() { h.enter = nil })
	h.now = h.now.Add(24 * time.Hour)
	h.reads(h.start())
	b, _ := os.ReadFile(h.file)
	if m, err := parseSession(b); err != nil || m.Lockouts != 0 || m.Logins != 0 {
		t.Errorf("after data the file still has %+v, %v", m, err)
	}
}

// During a lock-out, a valid session is not used either.
func TestLockOutOnDataStopsEverything(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.set(func() {
		h.data = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/portal/TooManyAttempts")
			w.WriteHeader(302)
		}
	})
	h.fails(c, devices.LockedOut, "locked")
	asked := len(h.paths)
	h.fails(c, devices.LockedOut, "locked")
	if len(h.paths) != asked {
		t.Error("the portal was asked during a lock-out")
	}
	h.set(func() { h.data = nil })
	h.now = h.now.Add(15 * time.Minute)
	h.reads(c)
	h.loggedIn(1)
}

func TestSecondNullCookieIsALockOut(t *testing.T) {
	h := newHouse(t)
	h.set(func() {
		h.confirm = func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("Set-Cookie", authCookie+"=") }
	})
	h.fails(h.start(), devices.Unreachable, "no session")
	h.now = h.now.Add(10 * time.Minute)
	h.fails(h.start(), devices.LockedOut, "locked")
	h.loggedIn(2)
}

// Credentials that were refused are never sent again, until they change.
func TestRefusedCredentialsAreNotTriedAgain(t *testing.T) {
	h := newHouse(t)
	h.set(func() {
		h.enter = func(w http.ResponseWriter, _ *http.Request) {
			page(w, "The email or password provided is incorrect")
		}
	})
	for range 4 {
		h.fails(h.start(), devices.Unauthorized, "correct honeywell.username")
		h.now = h.now.Add(24 * time.Hour)
	}
	h.loggedIn(1)
	if b, _ := os.ReadFile(h.file); bytes.Contains(b, []byte("hunter2")) {
		t.Errorf("the session file has the password: %s", b)
	}
	// A person can force another attempt by removing the file.
	if e := h.fails(h.start(), devices.Unauthorized, "remove "+h.file); e.MayRetry() {
		t.Error("the error says that it may be retried")
	}
	// A changed password is tried.
	h.set(func() { h.enter = nil })
	other := h.start(func(o *Options) { o.Password = "changed" })
	h.set(func() {
		h.enter = func(w http.ResponseWriter, r *http.Request) {
			if r.PostForm.Get("Password") != "changed" {
				t.Error("the old password was sent")
			}
		}
	})
	h.portal.t = &testing.T{} // the form differs on purpose
	_, err := other.Read(context.Background())
	h.portal.t = t
	if devices.KindOf(err) != devices.Unreachable {
		t.Errorf("got %v", err)
	}
	h.loggedIn(2)
}

func TestSessionFile(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(h *house)
		logins  int // of the first read
		kind    devices.Kind
	}{
		{"none", func(*house) {}, 1, -1},
		{"damaged", func(h *house) { _ = os.WriteFile(h.file, []byte(`{"next_login":`), 0o600) }, 0, devices.Unreachable},
		{"a directory", func(h *house) { _ = os.Mkdir(h.file, 0o700) }, 0, devices.Unreachable},
		{"huge", func(h *house) { _ = os.WriteFile(h.file, bytes.Repeat([]byte{' '}, maxFile+1), 0o600) }, 0, devices.Unreachable},
		{"in a directory that does not exist", func(h *house) { h.file = filepath.Join(h.file, "no", "file") }, 0, devices.Unreachable},
		{"written by a clock that was years ahead", func(h *house) {
			b, _ := json.Marshal(sessionFile{NextLogin: h.now.AddDate(5, 0, 0)})
			_ = os.WriteFile(h.file, b, 0o600)
		}, 0, devices.Unreachable},
		{"with a lock-out that ends in years", func(h *house) {
			b, _ := json.Marshal(sessionFile{LockedUntil: h.now.AddDate(5, 0, 0)})
			_ = os.WriteFile(h.file, b, 0o600)
		}, 0, devices.LockedOut},
		{"of another account", func(h *house) {
			b, _ := json.Marshal(sessionFile{Host: "example.com", Username: "someone", Cookies: map[string]string{authCookie: "of-another-account"}})
			_ = os.WriteFile(h.file, b, 0o600)
		}, 1, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			tt.prepare(h)
			c := h.start()
			_, err := c.Read(context.Background())
			if tt.kind < 0 && err != nil || tt.kind >= 0 && (err == nil || devices.KindOf(err) != tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			h.loggedIn(tt.logins)
			h.now = h.now.Add(15 * time.Minute)
			h.reads(c) // each of them recovers
			h.loggedIn(1)
			if info, err := os.Stat(h.file); err == nil && info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
				t.Errorf("the file's mode is %v", info.Mode())
			}
		})
	}
}

// If the file cannot be written, a crash loop must not become a storm of log-ins.
func TestCrashLoopWithAFileThatCannotBeWritten(t *testing.T) {
	h := newHouse(t)
	h.file = filepath.Join(h.file, "no", "file")
	for range 100 {
		c := h.start()
		h.fails(c, devices.Unreachable, "make its directory writable")
		h.now = h.now.Add(time.Minute)
		h.fails(c, devices.Unreachable, "")
	}
	h.loggedIn(0)
	if n := strings.Count(h.logs.String(), "cannot be written"); n != 100 {
		t.Errorf("%d warnings in 100 starts", n)
	}
}

// An uneventful day must not wear out an SD card.
func TestSessionFileIsWrittenSeldom(t *testing.T) {
	h := newHouse(t)
	n := 0
	h.set(func() {
		h.data = func(w http.ResponseWriter, _ *http.Request) { // the portal renews the cookie with every answer
			n++
			w.Header().Add("Set-Cookie", fmt.Sprintf("sliding=%d", n))
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`[{"LocationID":1,"Devices":[{"DeviceID":1}]}]`))
		}
	})
	c := h.start()
	writes, last := 0, []byte(nil)
	for range 24 * 12 {
		_, _ = c.Read(context.Background())
		if b, _ := os.ReadFile(h.file); !bytes.Equal(b, last) {
			writes, last = writes+1, b
		}
		h.now = h.now.Add(5 * time.Minute)
	}
	if writes < 40 || writes > 50 {
		t.Errorf("the file changed %d times in a day, want about every half hour", writes)
	}
}

func TestApply(t *testing.T) {
	cool := devices.ThermostatCommand{CoolSetpoint: new(78.0)}
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "SubmitControlScreenChanges") {
				w.Header().Set("Content-Type", kind)
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}
		}
	}
	for _, tt := range []struct {
		name  string
		id    string
		cmd   devices.ThermostatCommand
		data  http.HandlerFunc
		kind  devices.Kind // −1: success
		maybe bool
	}{
		{"success 1", "123456", cool, nil, -1, false},
		{"success true", "123456", cool, answer(200, "application/json", `{"success":true}`), -1, false},
		{"an answer without a type", "123456", cool, answer(200, "application/octet-stream", `{"success":true}`), -1, false},
		{"success 0", "123456", cool, answer(200, "application/json", `{"success":0}`), devices.Refused, false},
		{"success false", "123456", cool, answer(200, "application/json", `{"success":false}`), devices.Refused, false},
		{"success null", "123456", cool, answer(200, "application/json", `{"success":null}`), devices.Refused, false},
		{"success 2", "123456", cool, answer(200, "application/json", `{"success":2}`), devices.Refused, false},
		{"something else", "123456", cool, answer(200, "application/json", `{}`), devices.Nonsense, true},
		{"a list", "123456", cool, answer(200, "application/json", `[1]`), devices.Nonsense, true},
		{"400", "123456", cool, answer(400, "application/json", `{}`), devices.Refused, false},
		{"500", "123456", cool, answer(500, "text/html", `oops`), devices.Unreachable, true},
		{"Unexpected Error", "123456", cool, answer(200, "text/html", `Unexpected Error`), devices.Unreachable, true},
		{"any page", "123456", cool, answer(200, "text/html", `<html>`), devices.Unreachable, true},
		{"an unknown thermostat", "99", cool, nil, devices.Refused, false},
		{"an empty command", "123456", devices.ThermostatCommand{}, nil, devices.Refused, false},
		{"outside the limits", "123456", devices.ThermostatCommand{CoolSetpoint: new(10.0)}, nil, devices.Refused, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.set(func() { h.data = tt.data })
			err := h.start().Apply(context.Background(), tt.id, tt.cmd)
			var e *devices.Error
			switch {
			case tt.kind < 0:
				if err != nil {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &e) || e.Kind != tt.kind || e.MaybeDone != tt.maybe:
				t.Errorf("got %+v; want %v, maybe done %v", err, tt.kind, tt.maybe)
			}
			h.loggedIn(1)
		})
	}
}

// A change is sent again only if the portal says that nobody is logged in.
func TestChangeAfterTheSessionEnded(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.now = h.now.Add(time.Hour)
	sent := 0
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "SubmitControlScreenChanges") {
				if sent++; sent == 1 {
					w.WriteHeader(401)
				}
			}
		}
	})
	if err := c.Apply(context.Background(), "123456", devices.ThermostatCommand{CoolSetpoint: new(78.0)}); err != nil {
		t.Fatal(err)
	}
	h.loggedIn(2)
	if sent != 2 || len(h.submits) != 1 {
		t.Errorf("sent %d times, carried out %d times", sent, len(h.submits))
	}
}

// The portal shows a change only after a while. Until then, changes are based on what was
// sent before, unless something else is shown.
func TestCommandsInQuickSuccession(t *testing.T) {
	cool := devices.ThermostatCommand{CoolSetpoint: new(78.0)}
	heat := devices.ThermostatCommand{HeatSetpoint: new(66.0)}
	type sent struct{ Switch, Heat, Cool, Period, Status, Fan any }
	for _, tt := range []struct {
		name  string
		edit  []string // what the portal shows at first
		first []devices.ThermostatCommand
		wait  time.Duration
		then  []string // what it shows at the last command
		last  devices.ThermostatCommand
		want  sent
	}{
		{"cool, then heat, keeps both", nil, []devices.ThermostatCommand{cool}, time.Second, nil, heat, sent{nil, 66.0, 78.0, nil, 2.0, nil}},
		{"three in a row keep all", nil, []devices.ThermostatCommand{cool, {Fan: new(devices.FanOn)}}, time.Second, nil, heat, sent{nil, 66.0, 78.0, nil, 2.0, nil}},
		{"the first has landed, but not the second", nil, []devices.ThermostatCommand{cool, {HeatSetpoint: new(60.0)}}, time.Second, []string{`"CoolSetpoint":75`, `"CoolSetpoint":78`},
			devices.ThermostatCommand{CoolSetpoint: new(80.0)}, sent{nil, 60.0, 80.0, nil, 2.0, nil}},
		{"a person at the thermostat in between", nil, []devices.ThermostatCommand{cool}, time.Second, []string{`"CoolSetpoint":75`, `"CoolSetpoint":72`}, heat, sent{nil, 66.0, 72.0, nil, 2.0, nil}},
		{"one that has not landed in two minutes is lost", nil, []devices.ThermostatCommand{cool}, 2 * time.Minute, nil, heat, sent{nil, 66.0, 75.0, nil, 2.0, nil}},
		{"a hold, then a set point, keeps the hold", []string{`"StatusHeat":2,"StatusCool":2`, `"StatusHeat":0,"StatusCool":0`},
			[]devices.ThermostatCommand{{Hold: new(devices.HoldUntil), HoldUntil: new(noon.Add(7 * time.Hour))}}, time.Second, nil, cool, sent{nil, 70.0, 78.0, 76.0, 1.0, nil}},
		{"back to the schedule, then a set point, gives a hold over the schedule", nil, []devices.ThermostatCommand{{Hold: new(devices.HoldSchedule)}}, time.Second, nil, heat, sent{nil, 66.0, 78.0, 71.0, 1.0, nil}},
		{"a mode, then a set point that was not accepted before", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":2`, `"SetpointChangeAllowed":true`, `"SetpointChangeAllowed":false`},
			[]devices.ThermostatCommand{{Mode: new(devices.Cool)}}, time.Second, nil, cool, sent{nil, 70.0, 78.0, nil, 2.0, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			shown := edit(t, tt.edit...)
			h.set(func() {
				h.data = func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.Path, "CheckDataSession") {
						w.Header().Set("Content-Type", "application/json")
						_, _ = w.Write(shown)
					}
				}
			})
			c := h.start()
			for _, cmd := range tt.first {
				if err := c.Apply(context.Background(), "123456", cmd); err != nil {
					t.Fatal(err)
				}
				h.now = h.now.Add(tt.wait)
			}
			if tt.then != nil {
				h.set(func() { shown = edit(t, tt.then...) })
			}
			if err := c.Apply(context.Background(), "123456", tt.last); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			_ = json.Unmarshal(h.submits[len(h.submits)-1], &got)
			if s := (sent{got["SystemSwitch"], got["HeatSetpoint"], got["CoolSetpoint"], got["CoolNextPeriod"], got["StatusCool"], got["FanMode"]}); s != tt.want {
				t.Errorf("the last one sent %+v, want %+v", s, tt.want)
			}
		})
	}
}

func TestChangeWhoseReplyTimesOutMayBeDone(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "SubmitControlScreenChanges") {
				_, _ = io.Copy(io.Discard, r.Body) // otherwise the server would not notice that the client is gone
				cancel()
				<-r.Context().Done()
			}
		}
	})
	err := c.Apply(ctx, "123456", devices.ThermostatCommand{CoolSetpoint: new(78.0)})
	var e *devices.Error
	if !errors.As(err, &e) || !e.MaybeDone || e.Kind != devices.Unreachable {
		t.Errorf("got %+v", err)
	}
}

// One thermostat with an answer that makes no sense does not affect the others.
func TestOneBadThermostat(t *testing.T) {
	h := newHouse(t)
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.Contains(r.URL.Path, "GetLocationListData"):
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`[{"LocationID":1,"Devices":[{"DeviceID":7,"Name":"BAD"},{"DeviceID":123456,"Name":"MAIN"}]}]`))
			case strings.HasSuffix(r.URL.Path, "/7"):
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"success":false}`))
			}
		}
	})
	c := h.start()
	for range 3 {
		if got, err := c.Read(context.Background()); err != nil || len(got) != 1 || got[0].Name != "MAIN" {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if ids, sure := c.Listed(); !slices.Equal(ids, []string{"7", "123456"}) || !sure {
		t.Errorf("the account has %v, %v: the one with a nonsensical answer is on it", ids, sure)
	}
	if n := strings.Count(h.logs.String(), "left a thermostat out"); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/7") {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(bytes.ReplaceAll(testdata(t, "check_data_session.json"), []byte("123456"), []byte("7")))
			}
		}
	})
	if got, err := c.Read(context.Background()); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	if !strings.Contains(h.logs.String(), "make sense again") {
		t.Error("it was not logged that they make sense again")
	}
}

// When the portal itself fails, the other thermostats are not tried.
func TestTroubleIsNotAskedForTwice(t *testing.T) {
	h := newHouse(t)
	checks := 0
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "GetLocationListData") {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`[{"LocationID":1,"Devices":[{"DeviceID":7,"Name":"ONE"},{"DeviceID":123456,"Name":"TWO"}]}]`))
				return
			}
			checks++
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	h.fails(h.start(), devices.Unreachable, "502")
	if checks != 1 {
		t.Errorf("%d requests to a portal that is down", checks)
	}
}

// The portal also reads by POST; that is not a change that may have been carried out.
func TestReadThatTimesOutChangesNothing(t *testing.T) {
	h := newHouse(t)
	h.set(func() { h.data = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) } })
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if e := h.fails(h.start(), devices.Unreachable, "list the thermostats"); e.MaybeDone {
		t.Errorf("got %+v", e)
	}
}

// The list is kept when the portal has none a day later.
func TestDeviceListOfYesterday(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.now = h.now.Add(25 * time.Hour)
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "GetLocationListData") {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`[]`))
			}
		}
	})
	asked := len(h.paths)
	for range 11 { // less than an hour
		h.reads(c)
		h.now = h.now.Add(5 * time.Minute)
	}
	if n := len(h.paths) - asked; n != 12 {
		t.Errorf("%d requests in 11 polls, want one for the list", n)
	}
	h.fails(h.start(), devices.Nonsense, "no thermostat") // a client that never had a list reports an error
}

func TestBodiesAreBounded(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.set(func() {
		h.data = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(bytes.Repeat([]byte("["), 5<<20))
		}
	})
	h.fails(c, devices.Nonsense, "longer than")
}

func TestNothingSecretIsSaid(t *testing.T) {
	h := newHouse(t)
	var said []string
	note := func(err error) {
		if err != nil {
			said = append(said, err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err))
		}
	}
	c := h.start()
	_, err := c.Read(context.Background())
	note(err)
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) { page(w, "echo "+password+" session1") },
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/portal/Error?p="+password+"&c=session1")
			w.WriteHeader(302)
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(password + "session1"))
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"success":"` + password + `session1"}`))
		},
	} {
		h.set(func() { h.data = answer })
		_, err := c.Read(context.Background())
		note(err)
		note(c.Apply(context.Background(), "123456", devices.ThermostatCommand{CoolSetpoint: new(78.0)}))
	}
	h.set(func() { h.data, h.live = nil, "x" })
	h.server.CloseClientConnections()
	h.now = h.now.Add(time.Hour)
	h.server.Close()
	_, err = c.Read(context.Background())
	note(err)
	_, err = h.start(func(o *Options) { o.SessionFile = "" }).Read(context.Background())
	note(err)
	if len(said) < 20 {
		t.Fatalf("only %d messages were checked", len(said))
	}
	for _, s := range append(said, h.logs.String()) {
		for _, secret := range []string{"hunter2", "session1", user} {
			if strings.Contains(s, secret) {
				t.Errorf("%q is in %s", secret, s)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"the portal", Options{Username: user, Password: password}, ""},
		{"loopback without TLS", Options{BaseURL: "http://127.0.0.1:8080", Username: user, Password: password}, ""},
		{"no TLS", Options{BaseURL: "http://mytotalconnectcomfort.com", Username: user, Password: password}, "https"},
		{"a name that only begins like loopback", Options{BaseURL: "http://127.0.0.1.example.com", Username: user, Password: password}, "https"},
		{"no host", Options{BaseURL: "mytotalconnectcomfort.com", Username: user, Password: password}, "must read like"},
		{"no password", Options{Username: user}, "honeywell.password"},
		{"no user", Options{Password: password}, "honeywell.username"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.o)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzSessionFile(f *testing.F) {
	f.Add([]byte(`{"host":"h","cookies":{"a":"b"},"next_login":"2026-07-15T12:00:00Z","logins":3,"refused":{"salt":"AAAA","key":"AAAA","why":"x"}}`))
	f.Add([]byte(`{"next_login":"9999-12-31T23:59:59Z","locked_until":"0001-01-01T00:00:00Z","lockouts":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseSession(b)
		if err != nil {
			return
		}
		if w := m.wait(noon); w < 0 || w > maxLoginWait {
			t.Errorf("a log-in waits for %v", w)
		}
		if w := m.locked(noon); w < 0 || w > maxLock {
			t.Errorf("locked for %v", w)
		}
		m.try(noon)
		if w := m.wait(noon); w < loginEvery {
			t.Errorf("after a log-in the next one waits for %v", w)
		}
		m.lock(noon, 0)
		if w := m.locked(noon); w < lockFirst {
			t.Errorf("a lock-out of %v", w)
		}
		for name, value := range m.Cookies {
			_ = (&http.Cookie{Name: name, Value: value}).String()
		}
	})
}

// There is no network yet when the machine boots.
func TestALoginThatNeverLeftCostsNothing(t *testing.T) {
	for _, away := range []time.Duration{time.Minute, 3 * time.Hour} {
		h := newHouse(t)
		up := false
		transport := h.server.Client().Transport.(*http.Transport).Clone()
		var d net.Dialer
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !up {
				return nil, &net.DNSError{Err: "no such host", Name: "portal", IsNotFound: true}
			}
			return d.DialContext(ctx, network, address)
		}
		c := h.start(func(o *Options) { o.HTTP = &http.Client{Transport: transport} })
		for end := h.now.Add(away); h.now.Before(end); h.now = h.now.Add(30 * time.Second) {
			if e := h.fails(c, devices.Unreachable, "no such host"); e.RetryAfter != 0 {
				t.Fatalf("it waits %s", e.RetryAfter)
			}
		}
		up = true
		h.reads(h.start(func(o *Options) { o.HTTP = &http.Client{Transport: transport} })) // after a restart
		h.reads(c)
		h.loggedIn(2)
	}
}

func TestNewTermsAreForAPerson(t *testing.T) {
	const page = "/portal/Home/TermsAndConditions"
	for name, answer := range map[string]http.HandlerFunc{
		"as data": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = w.Write([]byte(`{"Redirect":"` + page + `"}`))
		},
		"by redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", page)
			w.WriteHeader(http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.set(func() { h.data = answer })
			c := h.start()
			for range 6 {
				h.fails(c, devices.Unauthorized, "new terms")
				h.now = h.now.Add(15 * time.Minute)
			}
			h.loggedIn(1)
			h.set(func() { h.data = nil })
			h.reads(c)
			h.loggedIn(1)
		})
	}
}

func TestARedirectToTheLogInAsDataIsAnEndedSession(t *testing.T) {
	h := newHouse(t)
	c := h.start()
	h.reads(c)
	h.now = h.now.Add(time.Hour)
	first := true
	h.set(func() {
		h.data = func(w http.ResponseWriter, _ *http.Request) {
			if first {
				first = false
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"Redirect":"/portal/Account/LogOn"}`))
			}
		}
	})
	h.reads(c)
	h.loggedIn(2)
}

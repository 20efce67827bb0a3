package cloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/devices"
)

// endpoint is a token endpoint: it issues numbered pairs of tokens, each refresh token
// valid for one use, unless answer is set.
type endpoint struct {
	mu     sync.Mutex
	given  int
	asked  []string // grant types with what was presented
	answer http.HandlerFunc
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, r.PostFormValue("grant_type")+" "+r.PostFormValue("refresh_token")+r.PostFormValue("code"))
	if e.answer != nil {
		e.answer(w, r)
		return
	}
	if r.PostFormValue("grant_type") == "refresh_token" && r.PostFormValue("refresh_token") != fmt.Sprint("r", e.given) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	e.given++
	_, _ = fmt.Fprintf(w, `{"access_token":"a%d","refresh_token":"r%d","expires_in":1800}`, e.given, e.given)
}

type fixture struct {
	*OAuth
	*endpoint
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{endpoint: &endpoint{}, now: time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)}
	srv := httptest.NewServer(f.endpoint)
	t.Cleanup(srv.Close)
	file := TokenFile{filepath.Join(t.TempDir(), "token.json")}
	f.OAuth = &OAuth{Vendor: "test", TokenURL: srv.URL, ClientID: "id", ClientSecret: "key", File: file, Advice: "run powermgr auth test", HTTP: srv.Client(), Now: func() time.Time { return f.now }}
	f.put(t, "r0")
	return f
}

func (f *fixture) put(t *testing.T, refresh devices.Secret) {
	t.Helper()
	if err := f.File.Save(Token{Refresh: refresh}, f.now); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) kept(t *testing.T) string {
	t.Helper()
	tok, err := f.File.Load()
	if err != nil {
		t.Fatal(err)
	}
	return tok.Refresh.Reveal()
}

func (f *fixture) token(t *testing.T) string {
	t.Helper()
	tok, err := f.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tok.Reveal()
}

func refused(t *testing.T, err error, want devices.Kind) {
	t.Helper()
	var e *devices.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	f := newFixture(t)
	for range 2 {
		if got := f.token(t); got != "a1" || f.given != 1 {
			t.Fatalf("%s of %d tokens", got, f.given)
		}
	}
	f.now = f.now.Add(28*time.Minute - time.Second)
	if f.token(t) != "a1" {
		t.Error("renewed too soon")
	}
	f.now = f.now.Add(2 * time.Second)
	if f.token(t) != "a2" || f.kept(t) != "r2" {
		t.Errorf("kept %s", f.kept(t))
	}
}

func TestRenewOnlyOnceForSeveralCallers(t *testing.T) {
	f := newFixture(t)
	used, err := f.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if tok, err := f.Renew(context.Background(), used); err != nil || tok.Reveal() != "a2" {
				t.Errorf("%q, %v", tok.Reveal(), err)
			}
		})
	}
	wg.Wait()
	if f.given != 2 {
		t.Errorf("%d tokens", f.given)
	}
}

func TestTokenThatCannotBeKept(t *testing.T) {
	f := newFixture(t)
	path := f.File.Path
	f.File.Path = filepath.Join(filepath.Dir(path), "gone", "token.json")
	f.Use(Token{Refresh: "r0"})
	_, err := f.Token(t.Context())
	refused(t, err, devices.Unreachable)
	if f.token(t) != "a1" {
		t.Error("the new token is lost, and the old one is dead")
	}
	if err := f.Close(t.Context()); err == nil {
		t.Error("no error about a token that is lost when the process ends")
	}
	f.closed = false
	f.File.Path = path // the disk works again
	if err := f.Close(t.Context()); err != nil || f.kept(t) != "r1" {
		t.Errorf("the end leaves %s on disk: %v", f.kept(t), err)
	}
	f.put(t, "r0")
	f.unsaved, f.closed, f.onFile = true, false, Token{Refresh: "r0"}
	if f.token(t) != "a1" || f.kept(t) != "r1" || f.given != 1 {
		t.Errorf("kept %s after %d tokens", f.kept(t), f.given)
	}
}

func TestExchangeThatIsRefusedLeavesTheAuthorizationAlone(t *testing.T) {
	f := newFixture(t)
	f.token(t)
	f.answer = answering(http.StatusBadRequest, `{"error":"invalid_grant"}`)
	refused(t, f.Exchange(t.Context(), "old", "http://127.0.0.1/", nil), devices.Refused)
	f.answer = nil
	if f.token(t) != "a1" {
		t.Error("the old token is gone")
	}
	if err := f.Exchange(t.Context(), "new", "http://127.0.0.1/", nil); err != nil || f.kept(t) != "r2" {
		t.Errorf("%v, kept %s", err, f.kept(t))
	}
}

func TestRefusalIsFinal(t *testing.T) {
	f := newFixture(t)
	f.given = 5 // somebody else has used r0
	for range 3 {
		_, err := f.Token(t.Context())
		refused(t, err, devices.Unauthorized)
		f.now = f.now.Add(24 * time.Hour)
	}
	if len(f.asked) != 1 {
		t.Errorf("asked %d times", len(f.asked))
	}
	f.put(t, "r5")
	if f.token(t) != "a6" {
		t.Error("the new authorization is not used")
	}
}

func TestRefusalWithoutACause(t *testing.T) {
	f := newFixture(t)
	f.answer = answering(http.StatusBadRequest, "Bad Request")
	ask := func(want devices.Kind) {
		t.Helper()
		_, err := f.Token(t.Context())
		refused(t, err, want)
	}
	ask(devices.Unreachable)
	f.now = f.now.Add(refusalLimit - time.Second)
	ask(devices.Unreachable)
	f.answer = nil // it works for a moment
	f.token(t)
	f.answer = answering(http.StatusBadRequest, "")
	f.now = f.now.Add(time.Hour)
	ask(devices.Unreachable) // counted again
	f.now = f.now.Add(refusalLimit)
	ask(devices.Unauthorized)
	asked := len(f.asked)
	f.now = f.now.Add(retryInterval - time.Second)
	ask(devices.Unauthorized)
	if len(f.asked) != asked {
		t.Error("the endpoint was asked anyway")
	}
	f.answer = nil
	f.now = f.now.Add(time.Second)
	f.token(t)
}

// late delays the next answers of the endpoint until the returned function is called;
// asked says when one is waiting.
func (f *fixture) late() (asked <-chan struct{}, answer func()) {
	came, release := make(chan struct{}, 8), make(chan struct{})
	f.OAuth.HTTP = &http.Client{Transport: waiting{f.OAuth.HTTP.Transport, came, release}}
	return came, func() { close(release) }
}

// waiting is a transport that delays an answer.
type waiting struct {
	next    http.RoundTripper
	came    chan<- struct{}
	release <-chan struct{}
}

func (w waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(r)
	w.came <- struct{}{}
	<-w.release
	return res, err
}

func TestAStopDuringARefreshLosesNoToken(t *testing.T) {
	f := newFixture(t)
	asked, answer := f.late()
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := f.Token(ctx)
		gone <- err
	}()
	<-asked
	stop()
	refused(t, <-gone, devices.Unreachable)
	closed := make(chan error)
	go func() { closed <- f.Close(t.Context()) }()
	select {
	case err := <-closed:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	answer()
	if err := <-closed; err != nil || f.kept(t) != "r1" {
		t.Errorf("%v, kept %s", err, f.kept(t))
	}
	f.now = f.now.Add(time.Hour)
	_, err := f.Token(t.Context())
	refused(t, err, devices.Unreachable)
	if len(f.asked) != 1 {
		t.Errorf("a refresh began after the end: %v", f.asked)
	}
}

func TestAStopDoesNotWaitForEver(t *testing.T) {
	f := newFixture(t)
	asked, answer := f.late()
	go func() { _, _ = f.Token(t.Context()) }()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := f.Close(ctx); err == nil {
		t.Error("no error about the token that may be lost")
	}
	answer()
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoRefreshBeginsForACallerThatIsGone(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Token(ctx)
	refused(t, err, devices.Unreachable)
	if len(f.asked) != 0 {
		t.Errorf("asked %v", f.asked)
	}
}

// powermgr auth is run while the daemon works, for example for a consent with more scopes.
func TestAnAuthorizationGivenBesideARunningDaemon(t *testing.T) {
	t.Run("while nothing happens", func(t *testing.T) {
		f := newFixture(t)
		f.token(t)
		f.given = 7
		f.put(t, "r7")
		if f.token(t) != "a8" || f.kept(t) != "r8" {
			t.Errorf("kept %s", f.kept(t))
		}
	})
	t.Run("while a refresh is under way", func(t *testing.T) {
		f := newFixture(t)
		asked, answer := f.late()
		got := make(chan devices.Secret)
		go func() {
			token, _ := f.Token(t.Context())
			got <- token
		}()
		<-asked
		if err := f.File.Save(Token{Access: "new", Refresh: "r7"}, f.now); err != nil {
			t.Fatal(err)
		}
		answer()
		if token := <-got; token != "new" || f.kept(t) != "r7" {
			t.Errorf("%s, kept %s: the authorization by the person is lost", token.Reveal(), f.kept(t))
		}
	})
}

func TestErrorsAreTheCallersOwn(t *testing.T) {
	f := newFixture(t)
	f.given = 5
	_, err := f.Token(t.Context())
	var e *devices.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	e.MaybeDone = true
	if _, err = f.Token(t.Context()); !errors.As(err, &e) || e.MaybeDone {
		t.Error("one caller sees what another one has added")
	}
}

func TestTokenFileThatIsMissing(t *testing.T) {
	f := newFixture(t)
	if err := os.Remove(f.File.Path); err != nil {
		t.Fatal(err)
	}
	_, err := f.Token(t.Context())
	refused(t, err, devices.Unauthorized)
	if !strings.Contains(err.Error(), "powermgr auth") {
		t.Error(err)
	}
}

func TestWireOfTokens(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, body string
		life       time.Duration
		wrong      bool
	}{
		{"Resideo's, with a text", `{"access_token":"a","refresh_token":"r","expires_in":"1799","token_type":"Bearer"}`, 1799 * time.Second, false},
		{"all others', with a number", `{"access_token":"a","expires_in":1799}`, 1799 * time.Second, false},
		{"none", `{"access_token":"a"}`, 0, false},
		{"null", `{"access_token":"a","expires_in":null}`, 0, false},
		{"a word", `{"access_token":"a","expires_in":"soon"}`, 0, true},
		{"longer than a lifetime", `{"access_token":"a","expires_in":1e300}`, 0, true},
		{"nothing in it", `{}`, 0, true},
		{"a web page", `<html>`, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tok, err := ParseToken([]byte(tt.body), now)
			if (err != nil) != tt.wrong {
				t.Fatal(err)
			}
			life := time.Duration(0)
			if !tok.Expires.IsZero() {
				life = tok.Expires.Sub(now)
			}
			if life != tt.life {
				t.Errorf("lives %s, want %s", life, tt.life)
			}
		})
	}
}

func TestBaseURL(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"with TLS", "https://api.honeywellhome.com/", true},
		{"on loopback", "http://localhost:8080", true},
		{"on loopback by number", "http://127.3.2.1:8080", true},
		{"on loopback of IPv6", "http://[::1]:8080", true},
		{"elsewhere without TLS", "http://192.168.1.2", false},
		{"a name that only begins like one", "http://127.0.0.1.example.com", false},
		{"a path of its own", "https://proxy.example/honeywell/", true},
		{"a query", "https://a.example?x=1", false},
		{"a password", "https://u:p@a.example", false},
		{"no scheme", "api.honeywellhome.com", false},
		{"another scheme", "ftp://localhost", false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := BaseURL(tt.text)
			if (err == nil) != tt.ok {
				t.Fatalf("%v, %v", u, err)
			}
			if tt.ok && strings.HasSuffix(u.String(), "/") {
				t.Error(u)
			}
		})
	}
}

func TestMaybeDone(t *testing.T) {
	gone := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer gone.Close()
	for _, tt := range []struct {
		name, method, url string
		want              bool
	}{
		{"a write whose answer never came", http.MethodPost, gone.URL, true},
		{"a read whose answer never came", http.MethodGet, gone.URL, false},
		{"a write that nobody received", http.MethodPost, "http://127.0.0.1:1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, tt.url+"/?apikey=secret", nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Do(gone.Client(), "test", "set", req)
			var e *devices.Error
			if !errors.As(err, &e) || e.Kind != devices.Unreachable || e.MaybeDone != tt.want || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v", err)
			}
		})
	}
}

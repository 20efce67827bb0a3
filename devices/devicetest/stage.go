package devicetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// start is a hot Wednesday, two minutes into the peak: the schedule is in P3,
// which lasts until 22:00, and the sun is still on the panels.
var start = time.Date(2026, 7, 15, 16, 2, 3, 0, pacific())

func pacific() *time.Location {
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err) // the emulator brings the time zones along
	}
	return home
}

// stage is one emulated house with its clock, and everything that was asked of
// it. Nothing on it waits in real time.
type stage struct {
	House
	t     *testing.T
	cloud *vendors.Cloud
	line  *line
	log   notes

	mu       sync.Mutex
	now      time.Time
	requests []emulator.Request
	onHang   func() // what happens once a request is left hanging
}

func newStage(t *testing.T, house emulator.Options, o vendors.Options) *stage {
	s := &stage{t: t, now: start, line: &line{}}
	house.Now, house.Location, house.Seed, house.Sleep = s.clock, pacific(), 7, s.delay
	house.OnRequest = func(r emulator.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, r)
	}
	s.cloud = vendors.New(house, o)
	server := httptest.NewServer(s.cloud.Handler())
	s.line.base = server.Client().Transport
	s.onHang = s.line.giveUp
	t.Cleanup(func() {
		s.line.giveUp()
		server.Close()
	})
	s.House = House{
		URL: server.URL, HTTP: &http.Client{Transport: s.line, Timeout: time.Minute}, Now: s.clock, Location: pacific(), Dir: scratch(t),
		Sleep: func(_ context.Context, d time.Duration) error { s.pass(d); return nil },
		Log:   slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	s.pass(time.Minute) // until something flows
	return s
}

// scratch is a new folder, in memory where the machine has such a place:
// adapters sync what they keep, and hundreds of them would wait for a disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "devicetest")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (s *stage) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *stage) pass(d time.Duration) { s.mu.Lock(); s.now = s.now.Add(d); s.mu.Unlock() }

// delay is how the emulator waits: an answer that is late lets the clock jump,
// one that never comes makes the caller give up.
func (s *stage) delay(ctx context.Context, d time.Duration) error {
	if d < time.Hour {
		s.pass(d)
		return nil
	}
	s.mu.Lock()
	hung := s.onHang
	s.mu.Unlock()
	hung()
	<-ctx.Done()
	return ctx.Err()
}

func (s *stage) whenHung(do func()) { s.mu.Lock(); s.onHang = do; s.mu.Unlock() }

// inject makes a fault happen at an endpoint until it is cleared, or once.
func (s *stage) inject(endpoint string, f emulator.Fault) {
	s.t.Helper()
	f.Endpoint = endpoint
	if err := s.cloud.AddFaults(f); err != nil {
		s.t.Fatal(err)
	}
}

// asked is what has been asked since the mark that an earlier call returned.
func (s *stage) asked(since int) (requests []emulator.Request, mark int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]emulator.Request{}, s.requests[since:]...), len(s.requests)
}

// watch runs call and returns what was asked meanwhile.
func (s *stage) watch(call func() error) ([]emulator.Request, error) {
	_, mark := s.asked(0)
	err := call()
	requests, _ := s.asked(mark)
	return requests, err
}

func count(requests []emulator.Request, endpoint string) int {
	n := 0
	for _, r := range requests {
		if r.Endpoint == endpoint {
			n++
		}
	}
	return n
}

// changed reports whether a request was carried out that changes a device.
func changed(requests []emulator.Request) bool {
	for _, r := range requests {
		if r.Write != nil && r.Write.Carried {
			return true
		}
	}
	return false
}

// quote in an answer becomes what the request had of secrets: there are
// gateways that quote what they refuse.
const quote = "(quote)"

// line is the wire to the vendor. It remembers which secrets went over it, and
// gives up when it is told to, so that no test has to wait for a time-out.
type line struct {
	base http.RoundTripper

	mu      sync.Mutex
	flying  map[*http.Request]context.CancelCauseFunc
	secrets []string
	instead func(*http.Response) bool // changes an answer, and says whether it did; nil, once it did: none
}

// RoundTrip reads the answer to its end: until then it can be given up.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	caller := r.Context()
	ctx, stop := context.WithCancelCause(caller)
	defer stop(nil)
	r = r.WithContext(ctx)
	secrets, err := secretsOf(r)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.flying == nil {
		l.flying = map[*http.Request]context.CancelCauseFunc{}
	}
	l.flying[r] = stop
	l.secrets = append(l.secrets, secrets...)
	l.mu.Unlock()
	defer func() { l.mu.Lock(); delete(l.flying, r); l.mu.Unlock() }()

	res, err := l.base.RoundTrip(r)
	if err == nil {
		l.mu.Lock()
		if l.instead != nil && l.instead(res) {
			l.instead = nil
		}
		l.mu.Unlock()
		var body []byte
		body, err = io.ReadAll(res.Body)
		res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(quote), []byte(strings.Join(secrets, " ")))))
	}
	if gaveUp := context.Cause(ctx); gaveUp != nil && caller.Err() == nil {
		err = gaveUp
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// giveUp ends every request under way, as a time-out does.
func (l *line) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stop := range l.flying {
		stop(context.DeadlineExceeded)
	}
}

// sent are the secrets that went over the line.
func (l *line) sent() []string { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.secrets) }

// secretsOf are the tokens, cookies, passwords and the query of a request.
func secretsOf(r *http.Request) ([]string, error) {
	found := []string{r.URL.RawQuery}
	if scheme, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		found = append(found, credentials)
		if plain, err := base64.StdEncoding.DecodeString(credentials); scheme == "Basic" && err == nil {
			found = append(found, strings.Split(string(plain), ":")...)
		}
	}
	for _, ck := range r.Cookies() {
		found = append(found, ck.Value)
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		found = append(found, form.Get("refresh_token"), form.Get("client_secret"), form.Get("Password"))
	}
	// Nothing shorter can be told from a word.
	return slices.DeleteFunc(found, func(s string) bool { return len(s) < 5 }), nil
}

// notes is a log that several goroutines write to.
type notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) { n.mu.Lock(); defer n.mu.Unlock(); return n.buf.Write(b) }

func (n *notes) String() string { n.mu.Lock(); defer n.mu.Unlock(); return n.buf.String() }

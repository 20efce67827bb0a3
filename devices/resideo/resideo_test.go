package resideo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	clientID     = "consumer-key-1234"
	clientSecret = "consumer-secret-5678"
	lcc          = "lcc_00a01ab1abcd"
)

// portal is a scripted API: each answer is a function of the request, and all requests are
// recorded.
type portal struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	asked   []string // "GET /v2/locations", "POST /v2/devices/thermostats/X {…}"
	device  []byte   // what it shows
	answer  map[string]http.HandlerFunc
	refresh int // tokens issued so far
	slept   []time.Duration
	log     bytes.Buffer
	now     time.Time
}

func newPortal(t *testing.T) *portal {
	p := &portal{t: t, device: deviceJSON(t), answer: map[string]http.HandlerFunc{}, now: noon}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	what := r.Method + " " + r.URL.Path
	p.mu.Lock()
	p.asked = append(p.asked, strings.TrimSpace(what+" "+string(body)))
	answer, device := p.answer[what], p.device
	p.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case what == "POST /oauth2/token":
		p.token(w, r)
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusOK)
	case what == "GET /v2/locations":
		_, _ = w.Write(locationsJSON(device))
	default:
		_, _ = w.Write(device)
	}
}

// token issues a new pair of tokens, with expires_in as Resideo writes it.
func (p *portal) token(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh++
	_, _ = fmt.Fprintf(w, `{"access_token":"access-%d","refresh_token":"refresh-%d","expires_in":"1799","token_type":"Bearer"}`, p.refresh, p.refresh)
}

func (p *portal) on(what string, answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer[what] = answer
}

func (p *portal) show(device []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.device = device
}

// said returns what was asked since the last call, without the token endpoint.
func (p *portal) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := slices.DeleteFunc(p.asked, func(s string) bool { return strings.Contains(s, "oauth2") })
	p.asked = nil
	return asked
}

func (p *portal) client(tokenFile string) *Client {
	p.t.Helper()
	if tokenFile == "" {
		tokenFile = filepath.Join(p.t.TempDir(), "token.json")
		if err := os.WriteFile(tokenFile, []byte(`{"refresh_token":"refresh-0"}`), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	c, err := New(Options{
		BaseURL: p.url, ClientID: clientID, ClientSecret: clientSecret, TokenFile: tokenFile, Location: london,
		HTTP: &http.Client{Timeout: 2 * time.Second},
		Now:  func() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return p.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.slept = append(p.slept, d)
			return ctx.Err()
		},
		Log: slog.New(slog.NewTextHandler(&p.log, nil)),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *portal) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func status(code int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if k, v, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(k, v)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func kind(t *testing.T, err error, want devices.Kind) *devices.Error {
	t.Helper()
	var e *devices.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	return e
}

var warmer = devices.ThermostatCommand{HeatSetpoint: new(16.0)}

func TestReadIsOneCall(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	file := c.oauth.File.Path
	p.on("POST /oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		id, key, ok := r.BasicAuth()
		if !ok || id != clientID || key != clientSecret {
			t.Errorf("the token endpoint received %q", r.Header.Get("Authorization"))
		}
		if r.PostFormValue("grant_type") != "refresh_token" || r.PostFormValue("refresh_token") != "refresh-0" {
			t.Errorf("it was asked %v", r.PostForm)
		}
		p.token(w, r)
	})
	p.on("GET /v2/locations", func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("apikey"); got != clientID {
			t.Errorf("apikey %q", got)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer access-1" {
			t.Errorf("authorized by %q", got)
		}
		if kept, err := os.ReadFile(file); err != nil || !bytes.Contains(kept, []byte("refresh-1")) {
			t.Errorf("a rotated token was used before it was on disk: %s, %v", kept, err)
		}
		_, _ = w.Write(locationsJSON(deviceJSON(t), []byte(`{"deviceClass":"LeakDetector"}`)))
	})
	for range 3 {
		readings, err := c.Read(t.Context())
		if err != nil || len(readings) != 1 || readings[0].ID() != lcc || !readings[0].PolledAt.Equal(noon) {
			t.Fatalf("%v, %v", readings, err)
		}
	}
	if got := p.said(); len(got) != 3 || p.refresh != 1 {
		t.Errorf("three polls asked %v and took %d tokens", got, p.refresh)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token file is %v, %v", info.Mode(), err)
	}
}

func TestTokenThatDiesEarly(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	p.on("GET /v2/locations", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access-2" {
			status(401, "", string(testdata(t, "refusal_401.json")))(w, r)
			return
		}
		_, _ = w.Write(locationsJSON(deviceJSON(t)))
	})
	if _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.refresh != 2 {
		t.Errorf("%d tokens, want 2", p.refresh)
	}
}

func TestVendorThatRefusesEveryToken(t *testing.T) {
	for _, code := range []int{401, 403} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			p.on("GET /v2/locations", status(code, "", string(testdata(t, "refusal_401.json"))))
			_, err := c.Read(t.Context())
			_ = kind(t, err, devices.Unreachable) // at first
			if p.said(); p.refresh != 2 {
				t.Errorf("%d tokens, want one refresh and one retry", p.refresh)
			}
			p.pass(time.Hour)
			_, err = c.Read(t.Context())
			e := kind(t, err, devices.Unauthorized)
			if !strings.Contains(e.Error(), "powermgr auth honeywell") || !strings.Contains(e.Error(), "denied for this request") {
				t.Errorf("%v does not say what happened and what to do", e)
			}
			p.said()
			for range 5 {
				_, err := c.Read(t.Context())
				_ = kind(t, err, devices.Unauthorized)
			}
			if got := p.said(); len(got) != 0 {
				t.Errorf("hammering: %v", got)
			}
			p.on("GET /v2/locations", nil)
			p.pass(time.Hour)
			if _, err := c.Read(t.Context()); err != nil {
				t.Errorf("an hour later: %v", err)
			}
		})
	}
}

func TestNewAuthorizationIsTakenUpAtOnce(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	p.on("GET /v2/locations", status(401, "", ""))
	_, _ = c.Read(t.Context())
	p.pass(time.Hour)
	_, err := c.Read(t.Context())
	_ = kind(t, err, devices.Unauthorized)
	p.on("GET /v2/locations", nil)
	if err := p.client(c.oauth.File.Path).Exchange(t.Context(), "code", "http://127.0.0.1/"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTokenEndpointInTrouble(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  http.HandlerFunc
		first   devices.Kind
		aDay    devices.Kind // after a day of it
		recover bool
	}{
		{"400 without a cause", status(400, "", "Bad Request"), devices.Unreachable, devices.Unauthorized, true},
		{"400 of a gateway", status(400, "", `{"ErrorCode":"invalid_request","Error":"Invalid Refresh Token"}`), devices.Unreachable, devices.Unauthorized, true},
		{"500", status(500, "", ""), devices.Unreachable, devices.Unreachable, true},
		{"503 with a web page", status(503, "Retry-After: 120", "<html>"), devices.Unreachable, devices.Unreachable, true},
		{"429", status(429, "", `{"code":"429.02.001"}`), devices.Throttled, devices.Throttled, true},
		{"200 with a web page", status(200, "Content-Type: text/html", "<html>"), devices.Nonsense, devices.Nonsense, true},
		{"200 with no token in it", status(200, "", `{"access_token":""}`), devices.Nonsense, devices.Nonsense, true},
		{"a clear refusal", status(400, "", `{"error":"invalid_grant"}`), devices.Unauthorized, devices.Unauthorized, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			p.on("POST /oauth2/token", tt.answer)
			_, err := c.Read(t.Context())
			_ = kind(t, err, tt.first)
			for range 24 {
				p.pass(time.Hour)
				_, err = c.Read(t.Context())
			}
			_ = kind(t, err, tt.aDay)
			p.on("POST /oauth2/token", nil)
			p.pass(time.Hour)
			if _, err = c.Read(t.Context()); (err == nil) != tt.recover {
				t.Errorf("when it is over: %v", err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		read   devices.Kind // of the list
		write  devices.Kind // of a change
		maybe  bool         // the change may have been carried out
		after  time.Duration
		text   string
	}{
		{name: "429", answer: status(429, "", string(testdata(t, "refusal_429.json"))), read: devices.Throttled, write: devices.Throttled, text: "rate limit has been exhausted"},
		{name: "429 with Retry-After", answer: status(429, "Retry-After: 90", `{}`), read: devices.Throttled, write: devices.Throttled, after: 90 * time.Second},
		{name: "500", answer: status(500, "", ""), read: devices.Unreachable, write: devices.Unreachable, maybe: true},
		{name: "503", answer: status(503, "Retry-After: 60", "<html>"), read: devices.Unreachable, write: devices.Unreachable, maybe: true, after: time.Minute},
		{name: "408", answer: status(408, "", ""), read: devices.Unreachable, write: devices.Unreachable, maybe: true},
		{name: "400 with a number as its code", answer: status(400, "", string(testdata(t, "refusal_deadband.json"))), read: devices.Unreachable, write: devices.Refused, text: "lower than heat setpoint plus deadband"},
		{name: "400, not found", answer: status(400, "", string(testdata(t, "refusal_not_found.json"))), read: devices.Unreachable, write: devices.Refused, text: "Device Not Found"},
		{name: "400 with a text as its code", answer: status(400, "", string(testdata(t, "priority_failed.json"))), read: devices.Unreachable, write: devices.Refused},
		{name: "403", answer: status(403, "", `{"code":403,"message":"no permission"}`), read: devices.Unreachable, write: devices.Refused, text: "no permission"},
		{name: "a gateway's fault", answer: status(404, "", `{"fault":{"faultstring":"no route"}}`), read: devices.Unreachable, write: devices.Refused, text: "no route"},
		{name: "a redirect", answer: status(302, "Location: http://127.0.0.1:1/", ""), read: devices.Unreachable, write: devices.Unreachable},
		{name: "200 with a web page", answer: status(200, "Content-Type: text/html", "<html>sorry</html>"), read: devices.Nonsense, write: devices.Nonsense, maybe: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			if _, err := c.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.on("POST /v2/devices/thermostats/LCC-00A01AB1ABCD", tt.answer)
			e := kind(t, c.Apply(t.Context(), lcc, warmer), tt.write)
			if e.MaybeDone != tt.maybe || e.RetryAfter != tt.after || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("write: maybe done %t, retry after %s, %v", e.MaybeDone, e.RetryAfter, e)
			}
			p.on("GET /v2/locations", tt.answer)
			_, err := c.Read(t.Context())
			if e := kind(t, err, tt.read); e.MaybeDone || e.RetryAfter != tt.after {
				t.Errorf("read: %+v", e)
			}
		})
	}
}

func TestWriteThatTimesOut(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	release := make(chan struct{})
	defer close(release)
	p.on("POST /v2/devices/thermostats/LCC-00A01AB1ABCD", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	c.http.Timeout = 50 * time.Millisecond
	if e := kind(t, c.Apply(t.Context(), lcc, warmer), devices.Unreachable); !e.MaybeDone {
		t.Error("a write whose answer never came may have been done")
	}
}

func TestNobodyThere(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	if _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.base, _ = url.Parse("http://127.0.0.1:1")
	if e := kind(t, c.Apply(t.Context(), lcc, warmer), devices.Unreachable); e.MaybeDone {
		t.Error("nothing was sent")
	}
	_, err := c.Read(t.Context())
	_ = kind(t, err, devices.Unreachable)
}

func TestThermostatThatMakesNoSense(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	answer := func(bodies ...[]byte) {
		p.on("GET /v2/locations", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(locationsJSON(bodies...)) })
	}
	good, bad := deviceJSON(t), deviceJSON(t, `{"deviceID":"LCC-B","indoorTemperature":400}`)
	answer(good, bad)
	for range 3 {
		readings, err := c.Read(t.Context())
		if err != nil || len(readings) != 1 || readings[0].ID() != lcc {
			t.Fatalf("%v, %v", readings, err)
		}
	}
	if ids, sure := c.Listed(); !slices.Contains(ids, "LCC-B") || len(ids) != 2 || !sure {
		t.Errorf("the account has %v, %v: the thermostat with impossible figures is on it", ids, sure)
	}
	answer(good, deviceJSON(t, `{"deviceID":"no id"}`))
	if _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ids, sure := c.Listed(); len(ids) != 1 || sure {
		t.Errorf("%v, %v: it is unknown which one has the invalid id", ids, sure)
	}
	answer(good, bad)
	if got := strings.Count(p.log.String(), "indoorTemperature of 400"); got != 1 {
		t.Errorf("logged %d times:\n%s", got, p.log.String())
	}
	answer(good, deviceJSON(t, `{"deviceID":"LCC-B"}`))
	if readings, err := c.Read(t.Context()); err != nil || len(readings) != 2 {
		t.Fatalf("%v, %v", readings, err)
	}
	answer(bad)
	_, err := c.Read(t.Context())
	_ = kind(t, err, devices.Nonsense)
	if got := strings.Count(p.log.String(), "indoorTemperature of 400"); got != 2 {
		t.Errorf("logged %d times:\n%s", got, p.log.String())
	}
	c = p.client("") // one that has never had a good reading of it
	p.on("GET /v2/devices/thermostats/LCC-B", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bad) })
	p.said()
	_ = kind(t, c.Apply(t.Context(), "lcc_b", warmer), devices.Nonsense)
	if got := p.said(); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "POST") }) {
		t.Errorf("written to anyway: %v", got)
	}
}

func TestAccountWithoutThermostats(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	p.on("GET /v2/locations", status(200, "", `[{"locationID":1,"devices":[]}]`))
	for range 2 {
		if readings, err := c.Read(t.Context()); err != nil || len(readings) != 0 {
			t.Fatalf("%v, %v", readings, err)
		}
	}
	if got := strings.Count(p.log.String(), "tick the thermostats"); got != 1 {
		t.Errorf("logged %d times", got)
	}
}

func TestTimeZoneNobodyKnows(t *testing.T) {
	for _, zone := range []string{"../etc/passwd", "Local", "", "GMT Standard Time"} {
		t.Run(zone, func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			c.home = time.FixedZone("home", 2*3600)
			p.on("GET /v2/locations", func(w http.ResponseWriter, _ *http.Request) {
				body := locationsJSON(deviceJSON(t, `{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"19:00:00"}}`))
				_, _ = w.Write(bytes.Replace(body, []byte("Europe/London"), []byte(zone), 1))
			})
			for range 2 {
				readings, err := c.Read(t.Context())
				if err != nil || readings[0].HoldUntil.Format(time.RFC3339) != "2026-07-15T19:00:00+02:00" {
					t.Fatalf("%v, %v", readings, err)
				}
			}
			if got := strings.Count(p.log.String(), "a location's time zone"); got != 1 {
				t.Errorf("logged %d times", got)
			}
		})
	}
}

// TestRedirectIsNotFollowed: following it would send the key to wherever it points.
func TestRedirectIsNotFollowed(t *testing.T) {
	p, other := newPortal(t), newPortal(t)
	p.on("GET /v2/locations", status(http.StatusFound, "Location: "+other.url+"/v2/locations", ""))
	_, err := p.client("").Read(t.Context())
	_ = kind(t, err, devices.Unreachable)
	if got := other.said(); len(got) != 0 {
		t.Errorf("followed: %v", got)
	}
}

func TestApplyReadsFirst(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	p.on("POST /v2/devices/thermostats/LCC-00A01AB1ABCD", func(_ http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("apikey") != clientID || q.Get("locationId") != "35202000168931" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("asked with %v, %v", q, r.Header)
		}
	})
	cmd := warmer
	cmd.Fan = new(devices.FanOn)
	for range 2 {
		if err := c.Apply(t.Context(), lcc, cmd); err != nil {
			t.Fatal(err)
		}
	}
	body := `{"mode":"Heat","heatSetpoint":16,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`
	once := []string{"GET /v2/devices/thermostats/LCC-00A01AB1ABCD", "POST /v2/devices/thermostats/LCC-00A01AB1ABCD " + body, `POST /v2/devices/thermostats/LCC-00A01AB1ABCD/fan {"mode":"On"}`}
	if got, want := p.said(), slices.Concat([]string{"GET /v2/locations"}, once, once); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestApplyRefusesBeforeItWrites(t *testing.T) {
	for _, tt := range []struct {
		name  string
		patch string
		id    string
		cmd   devices.ThermostatCommand
		text  string
	}{
		{"beyond the limits", "", lcc, devices.ThermostatCommand{HeatSetpoint: new(40.0)}, "5–35"},
		{"a mode it does not have", "", lcc, devices.ThermostatCommand{Mode: new(devices.Cool)}, "off, heat"},
		{"not alive", `{"isAlive":false}`, lcc, warmer, "does not reach"},
		{"on vacation", `{"vacationHold":{"enabled":true}}`, lcc, warmer, "vacation"},
		{"an unknown thermostat", "", "lcc_elsewhere", warmer, "no such thermostat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			p.show(deviceJSON(t, tt.patch))
			for range 2 {
				if e := kind(t, c.Apply(t.Context(), tt.id, tt.cmd), devices.Refused); !strings.Contains(e.Error(), tt.text) || e.MaybeDone {
					t.Errorf("%+v", e)
				}
			}
			got := p.said()
			if slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "POST") }) {
				t.Errorf("written to anyway: %v", got)
			}
			lists := len(slices.DeleteFunc(got, func(s string) bool { return s != "GET /v2/locations" }))
			if lists != 1 {
				t.Errorf("the list was asked for %d times", lists)
			}
		})
	}
}

func TestAnswerAboutAnotherDevice(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	p.on("GET /v2/devices/thermostats/LCC-00A01AB1ABCD", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(deviceJSON(t, `{"deviceID":"LCC-OTHER"}`))
	})
	_ = kind(t, c.Apply(t.Context(), lcc, warmer), devices.Nonsense)
}

func TestOffToAutomaticTakesTwoSteps(t *testing.T) {
	const path = "POST /v2/devices/thermostats/TCC-1234567"
	for _, tt := range []struct {
		name   string
		answer func(n int) int // the status of the n-th change
		posts  int
		maybe  bool
	}{
		{"both taken", func(int) int { return 200 }, 2, false},
		{"the first refused", func(int) int { return 400 }, 1, false},
		{"the second refused", func(n int) int { return []int{200, 400}[n] }, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			p.show(deviceJSON(t, round, `{"changeableValues":{"mode":"Off"}}`))
			var bodies []map[string]any
			p.on(path, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				bodies = append(bodies, object(t, b))
				w.WriteHeader(tt.answer(len(bodies) - 1))
			})
			err := c.Apply(t.Context(), "tcc_1234567", devices.ThermostatCommand{Mode: new(devices.HeatCool)})
			var e *devices.Error
			if errors.As(err, &e); (err == nil) != (tt.name == "both taken") || e != nil && e.MaybeDone != tt.maybe {
				t.Errorf("%+v", err)
			}
			if len(bodies) != tt.posts {
				t.Fatalf("%d changes: %v", len(bodies), bodies)
			}
			if tt.posts == 2 && (!slices.Equal(p.slept, []time.Duration{3 * time.Second}) || bodies[0]["autoChangeoverActive"] != false || bodies[1]["autoChangeoverActive"] != true || bodies[0]["mode"] != "Heat") {
				t.Errorf("slept %v; %v", p.slept, bodies)
			}
		})
	}
}

// TestCommandWhileAnEarlierOneIsQueued: the cloud shows a write seconds to a minute later. A
// command in between must not undo what the earlier one changed.
func TestCommandWhileAnEarlierOneIsQueued(t *testing.T) {
	cool := devices.ThermostatCommand{Mode: new(devices.Cool)}
	lower := devices.ThermostatCommand{CoolSetpoint: new(76.0)}
	heat := devices.ThermostatCommand{HeatSetpoint: new(60.0)}
	const off = `{"changeableValues":{"mode":"Off"}}`
	type step struct {
		wait  time.Duration
		shows string // patch on the American device
		cmd   devices.ThermostatCommand
		want  string // mode, heat, cool and hold that are sent; empty: none, the vendor refuses
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a set point after a mode", []step{{0, off, cool, "Cool 62 80 NoHold"}, {3 * time.Second, off, lower, "Cool 62 76 TemporaryHold"}}},
		{"three in a row, the first landing in between", []step{
			{0, off, cool, "Cool 62 80 NoHold"}, {3 * time.Second, off, lower, "Cool 62 76 TemporaryHold"},
			{3 * time.Second, `{}`, heat, "Cool 60 76 TemporaryHold"}}},
		{"after it has landed", []step{{0, off, cool, "Cool 62 80 NoHold"}, {30 * time.Second, `{}`, lower, "Cool 62 76 TemporaryHold"}}},
		{"after somebody else has changed it", []step{{0, off, cool, "Cool 62 80 NoHold"},
			{30 * time.Second, `{"changeableValues":{"mode":"Heat"}}`, lower, "Heat 62 76 TemporaryHold"}}},
		{"when it was never carried out", []step{{0, off, cool, "Cool 62 80 NoHold"}, {3 * time.Minute, off, lower, "Off 62 76 TemporaryHold"}}},
		{"after one that was refused", []step{{0, off, cool, "Cool 62 80 NoHold"}, {time.Second, off, heat, ""}, {time.Second, off, lower, "Cool 62 76 TemporaryHold"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPortal(t)
			c := p.client("")
			for i, s := range tt.steps {
				p.pass(s.wait)
				p.show(deviceJSON(t, american, s.shows))
				sent := ""
				p.on("POST /v2/devices/thermostats/LCC-00A01AB1ABCD", func(w http.ResponseWriter, r *http.Request) {
					if s.want == "" {
						w.WriteHeader(http.StatusTooManyRequests)
						return
					}
					var b change
					if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
						t.Error(err)
						return
					}
					sent = fmt.Sprintf("%s %g %g %s", b.Mode, *b.HeatSetpoint, *b.CoolSetpoint, b.ThermostatSetpointStatus)
				})
				if err := c.Apply(t.Context(), lcc, s.cmd); (err == nil) != (s.want != "") {
					t.Fatal(err)
				}
				if sent != s.want {
					t.Errorf("command %d sent %q, want %q", i+1, sent, s.want)
				}
			}
		})
	}
}

func TestCommandAfterOneThatMayHaveBeenDone(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	p.show(deviceJSON(t, american))
	const path = "POST /v2/devices/thermostats/LCC-00A01AB1ABCD"
	cmd := devices.ThermostatCommand{CoolSetpoint: new(76.0)}
	if err := c.Apply(t.Context(), lcc, cmd); err != nil {
		t.Fatal(err)
	}
	p.on(path, status(500, "", ""))
	_ = kind(t, c.Apply(t.Context(), lcc, devices.ThermostatCommand{CoolSetpoint: new(77.0)}), devices.Unreachable)
	p.on(path, nil)
	p.said()
	if err := c.Apply(t.Context(), lcc, devices.ThermostatCommand{HeatSetpoint: new(60.0)}); err != nil {
		t.Fatal(err)
	}
	if got := p.said(); !strings.Contains(strings.Join(got, ""), `"coolSetpoint":80`) {
		t.Errorf("based on something other than what is shown: %v", got)
	}
}

func TestApplyWaitsNoLongerThanItsContext(t *testing.T) {
	p := newPortal(t)
	c := p.client("")
	c.commands <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e := kind(t, c.Apply(ctx, lcc, warmer), devices.Unreachable); e.MaybeDone {
		t.Error("nothing was sent")
	}
}

// TestSecretsStayIn: a gateway quotes everything that it was sent, and none of that gets into
// errors or the log.
func TestSecretsStayIn(t *testing.T) {
	quote := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			id, key, _ := r.BasicAuth()
			said := fmt.Sprint(r.URL.String(), " ", r.Header.Get("Authorization"), " ", id, " ", key, " ", string(body))
			b, _ := json.Marshal(map[string]string{"message": said, "error_description": said, "code": said})
			w.Header().Set("Location", said)
			w.WriteHeader(code)
			_, _ = w.Write(b)
		}
	}
	gone := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	secrets := []string{clientID, clientSecret, "access-", "refresh-", "code-9999"}
	for _, at := range []string{"POST /oauth2/token", "GET /v2/locations", "GET /v2/devices/thermostats/LCC-00A01AB1ABCD", "POST /v2/devices/thermostats/LCC-00A01AB1ABCD"} {
		for _, how := range []struct {
			name   string
			answer http.HandlerFunc
		}{{"200", quote(200)}, {"302", quote(302)}, {"400", quote(400)}, {"401", quote(401)}, {"403", quote(403)}, {"429", quote(429)}, {"500", quote(500)}, {"gone", gone}} {
			t.Run(at+" "+how.name, func(t *testing.T) {
				p := newPortal(t)
				c := p.client("")
				p.on(at, how.answer)
				var said strings.Builder
				_, err := c.Read(t.Context())
				fmt.Fprintf(&said, "%v %+v\n", err, err)
				err = c.Apply(t.Context(), lcc, warmer)
				fmt.Fprintf(&said, "%v %+v\n", err, err)
				err = c.Exchange(t.Context(), "code-9999", "http://127.0.0.1/")
				fmt.Fprintf(&said, "%v %+v\n", err, err)
				said.WriteString(p.log.String())
				for _, s := range secrets {
					if strings.Contains(said.String(), s) {
						t.Errorf("%s in %s", s, said.String())
					}
				}
			})
		}
	}
}

func TestConsent(t *testing.T) {
	p := newPortal(t)
	file := filepath.Join(t.TempDir(), "token.json")
	c := p.client(file)
	_, err := c.Read(t.Context())
	if e := kind(t, err, devices.Unauthorized); !strings.Contains(e.Error(), "powermgr auth") {
		t.Error(e)
	}

	u, err := url.Parse(c.AuthorizeURL("st&te", "http://192.168.1.2:8585/auth"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Path != "/oauth2/authorize" || q.Get("response_type") != "code" || q.Get("client_id") != clientID || q.Get("state") != "st&te" || q.Get("redirect_uri") != "http://192.168.1.2:8585/auth" {
		t.Errorf("the owner is sent to %s", u)
	}

	p.on("POST /oauth2/token", status(401, "", `{"error":"invalid_grant"}`))
	if e := kind(t, c.Exchange(t.Context(), "old", "http://192.168.1.2:8585/auth"), devices.Unauthorized); !strings.Contains(e.Error(), "good once") {
		t.Error(e)
	}
	p.on("POST /oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("code") != "new" || r.PostFormValue("redirect_uri") != "http://192.168.1.2:8585/auth" {
			t.Errorf("it was asked %v", r.PostForm)
		}
		_, _ = w.Write(testdata(t, "token.json"))
	})
	if err := c.Exchange(t.Context(), "new", "http://192.168.1.2:8585/auth"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := c.Read(t.Context()); err != nil {
		t.Errorf("after the consent: %v", err)
	}
}

func TestOptions(t *testing.T) {
	ok := Options{ClientID: "id", ClientSecret: "key"}
	for _, tt := range []struct {
		name  string
		with  func(*Options)
		wrong string
	}{
		{"only what is required", func(*Options) {}, ""},
		{"another server", func(o *Options) { o.BaseURL = "http://127.0.0.1:8080/" }, ""},
		{"without TLS", func(o *Options) { o.BaseURL = "http://api.honeywellhome.com" }, "https"},
		{"no address", func(o *Options) { o.BaseURL = "honeywell" }, "base URL"},
		{"a key in the address", func(o *Options) { o.BaseURL = "https://x.example?apikey=1" }, "base URL"},
		{"no client id", func(o *Options) { o.ClientID = " " }, "client_id"},
		{"no client secret", func(o *Options) { o.ClientSecret = "" }, "client_secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := ok
			tt.with(&o)
			c, err := New(o)
			if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("got %v, want %q", err, tt.wrong)
			}
			if err == nil && strings.HasSuffix(c.base.String(), "/") {
				t.Error(c.base)
			}
		})
	}
}

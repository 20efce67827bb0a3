package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

var topics = devices.Topics{Base: "powermgr"}

// A house has the page, and a bus that a test speaks on.
type house struct {
	*Page
	t   *testing.T
	bus *bus.Bus
}

// newHouse is a page that listens, with what change does to its options.
func newHouse(t *testing.T, change func(*Options)) *house {
	t.Helper()
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(bus.Wall{})
	o := Options{
		Bus: b, Topics: topics, Node: "test", Version: "1.2.3", Active: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
		Settings: rules.Settings{
			OffPeakReserve: 100, Thermostats: []string{"down"}, PrecoolAdjustF: 2, PrecoolAtF: 95, StepF: 2, StaleAfter: 15 * time.Minute, StaleCharge: 15 * time.Minute,
			Thresholds: []rules.Threshold{{Left: time.Hour, Level: 50}},
			Calendar: rules.Calendar{Location: home, Lead: 30 * time.Minute, Seasons: []rules.Season{{
				Name: "all", Days: []time.Weekday{0, 1, 2, 3, 4, 5, 6}, Precool: true, Peaks: []rules.Span{{Start: 16 * 60, End: 19 * 60}},
			}}},
		},
	}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return &house{p, t, b}
}

func (h *house) publish(topic string, v any) {
	h.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		h.t.Fatal(err)
	}
	h.bus.Publish(bus.Message{Topic: topic, Payload: b, Retain: !strings.HasSuffix(topic, "event")})
}

// ask is one request from this machine; change may make it another's.
func (h *house) ask(method, path, form string, change func(*http.Request)) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.RemoteAddr, r.Host = "127.0.0.1:5000", "localhost:9469"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w
}

// until waits for what Run does on its own.
func (h *house) until(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return
		}
	}
	h.t.Fatalf("it never came to be: %s", what)
}

// full has a home with something of everything.
func (h *house) full() {
	now := devices.WholeSecond(time.Now())
	p, watts := func(v devices.Percent) *devices.Percent { return &v }, func(v devices.Watts) *devices.Watts { return &v }
	h.publish(topics.Powerwall("state"), devices.PowerwallReading{
		ChargePercent: p(62), StoredEnergy: new(devices.WattHours(8400)), BatteryPower: watts(2100), SolarPower: watts(1500), GridPower: watts(0), HomePower: watts(3600),
		ReservePercent: new(0), Mode: new(devices.SelfConsumption), PolledAt: now, StormActive: new(true),
	})
	h.publish(topics.Thermostat("down", "state"), devices.ThermostatReading{
		Name: `<script>alert("x")</script>`, Mode: new(devices.Cool), Action: new(devices.ActionCooling), Temperature: new(76.5), Humidity: new(41.0),
		CoolSetpoint: new(78.0), Hold: new(devices.HoldUntil), HoldUntil: &now, Unit: devices.Fahrenheit, Alive: true, PolledAt: now,
	})
	h.publish(topics.Thermostat("up", "state"), devices.ThermostatReading{VendorID: "LCC-42", Name: "Upstairs", Unit: devices.Celsius, PolledAt: now.Add(-time.Hour), Alive: true})
	h.bus.Publish(bus.Message{Topic: topics.Thermostat("up", "availability"), Payload: []byte("offline"), Retain: true})
	h.publish(topics.Control("state"), control.State{
		Phase: rules.InPeak, Reason: "the peak runs", MinutesLeft: new(42), OffsetF: 2, Latched: []control.Latched{{MinutesLeft: 60, LevelPercent: 50}}, ForecastF: new(101.0),
		Override: "peak", Until: new(now.Add(time.Hour)), Enabled: true, Reserve: new(0),
		Owned:   []rules.Owned{{Target: "down", Name: "Downstairs", What: "setback", Until: now.Add(time.Hour)}},
		Yielded: []rules.Owned{{Target: rules.Powerwall, Name: "Powerwall", What: "somebody set the reserve to 20 %", Until: now.Add(time.Hour)}},
	})
	problem := "log in again with powermgr auth tesla"
	h.publish(topics.Control("health"), health.Health{
		Parts:  map[string]health.Part{health.Powerwall: {Problem: &problem}, health.Mail: {OK: true}},
		Faults: []health.Fault{{Key: "powerwall/authorisation", Part: health.Powerwall, Level: health.Critical, Text: problem, Since: now}},
	})
	h.publish(topics.Control("last_command"), control.LastCommand{State: "override pause: refused", At: now})
	h.publish(topics.Powerwall("api"), map[string]any{"calls_this_month": 1234, "calls_per_month": 5000})
	h.publish(bus.LinkHealth, map[string]any{"connected": true, "broker": "mqtt://127.0.0.1:1883", "since": now})
	h.publish(topics.NodeState("test"), map[string]any{"role": "active", "health": "ok"})
	h.publish(topics.Control("event"), control.Event{Type: rules.NoteRefused, Reason: "override \"peek\" was refused", At: now})
	h.publish(topics.Control("event"), control.Event{Type: rules.NotePhase, Reason: "the peak starts", At: now})
	h.until("the decisions are there", func() bool { return len(h.newView().Events) >= 2 })
}

func TestWhatThePageShows(t *testing.T) {
	h := newHouse(t, nil)
	if w := h.ask("GET", "/", "", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Nothing has been decided yet") {
		t.Errorf("before anything is known: %d", w.Code)
	}
	h.full()
	h.publish(topics.Control("plan"), "nonsense") // is as if there were no plan
	w := h.ask("GET", "/", "", nil)
	text := w.Body.String()
	for _, want := range []string{
		"The peak runs.", "42 min left", "62 %", "8.4 kWh", "2.1 kW", "3.6 kW", "Self-powered", "a person until", "Somebody set the reserve to 20 %", "Storm Watch is active",
		"76.5 °F", "Cool, cooling", "41 % humidity", "78 °F", "powermgr's until", "Set back.", "Only shown", "Its id, LCC-42, is not in", "The vendor does not answer", "High 101 °F today", "Setback 2 °F", "1 problem",
		"Log in again with powermgr auth tesla.", "somebody has to do something", "1,234 of 5,000", "override pause: refused", "Refused commands", "Override &#34;peek&#34; was refused", "The peak starts",
		"powermgr 1.2.3", "As a table, with reasons", "The battery fills up, and keeps 100 % in reserve.", "End the override", "Undo what people changed", "Restore everything now", "Switch powermgr off",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not show %q", want)
		}
	}
	for _, not := range []string{"<script>alert", "%!", "&lt;nil&gt;", "0x", "style=", "http:", "https:", "onclick"} {
		if body, _, _ := strings.Cut(strings.ReplaceAll(text, "http://www.w3.org", ""), "</body>"); strings.Contains(body, not) {
			t.Errorf("it has %q", not)
		}
	}
	if total := len(text) + len(style) + len(script) + len(icon); total > 60_000 {
		t.Errorf("the first load takes %d bytes", total)
	}
}

func TestThePageShowsWhatIsChangedByHand(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Settings.Unit = devices.Celsius })
	h.publish(topics.Control("state"), control.State{Enabled: true, Override: "auto", ByHand: []rules.Adjusted{
		{Setting: rules.AdjustOffPeakReserve, Value: 60, Configured: 100}, {Setting: rules.AdjustPrecool, Value: 1.8, Configured: 3.6},
	}})
	h.until("it is known", func() bool { return h.newView().Control != nil })
	w := h.ask("GET", "/", "", nil)
	for _, want := range []string{"Off peak reserve is 60 %, changed by hand; configured is 100 %.", "Precool depth is 1 °C, changed by hand; configured is 2 °C."} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("it does not show %q: %d", want, w.Code)
		}
	}
}

// Whoever sends long nonsense does not make the page long.
func TestLongReasonsAreCut(t *testing.T) {
	h := newHouse(t, nil)
	h.full()
	last := strings.Repeat("ü", 4000) + " of the last"
	for i := range maxEvents + 1 {
		h.publish(topics.Control("event"), control.Event{Type: rules.NoteRefused, Reason: fmt.Sprint(i, last), At: time.Now()})
	}
	h.until("all are there", func() bool { return strings.HasPrefix(h.newView().Events[0].Reason, fmt.Sprint(maxEvents)) })
	text := h.ask("GET", "/", "", nil).Body.String()
	if total := len(text) + len(style) + len(script) + len(icon); total > 60_000 || strings.Contains(text, "of the last") || !strings.Contains(text, "ü…") {
		t.Errorf("the first load takes %d bytes", total)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	h := newHouse(t, nil)
	for _, path := range []string{"/", "/days", "/check", "/page.css", "/page.js", "/icon.svg", "/day/2026-07-15", "/nothing"} {
		head := h.ask("GET", path, "", nil).Header()
		if !strings.HasPrefix(head.Get("Content-Security-Policy"), "default-src 'none'") || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, head)
		}
	}
}

func TestWhoGetsIn(t *testing.T) {
	secret := func(a *Access) { a.Password = "correct horse" }
	proxied := func(a *Access) { a.Proxies = []netip.Prefix{netip.MustParsePrefix("172.30.32.2/32")} }
	is := func(from, host string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr, r.Host = from, host }
	}
	for _, c := range []struct {
		name   string
		access func(*Access)
		asks   func(*http.Request)
		want   int
	}{
		{"this machine", nil, is("127.0.0.1:1", "localhost:9469"), http.StatusOK},
		{"this machine, by its address", nil, is("[::1]:1", "[::1]:9469"), http.StatusOK},
		{"this machine, by a name that leads here", nil, is("127.0.0.1:1", "evil.example:9469"), http.StatusForbidden},
		{"another machine", nil, is("192.168.1.7:1", "localhost"), http.StatusForbidden},
		{"another machine, by a proxy on this one that nobody trusts", nil, func(r *http.Request) {
			is("127.0.0.1:1", "127.0.0.1:9469")(r)
			r.Header.Set("X-Forwarded-For", "192.168.1.7")
		}, http.StatusForbidden},
		{"another machine, with a password to say", secret, is("192.168.1.7:1", "pi.local"), http.StatusUnauthorized},
		{"this machine, with a password to say", secret, is("127.0.0.1:1", "localhost"), http.StatusUnauthorized},
		{"a proxy that is trusted", proxied, is("172.30.32.2:1", "home.example"), http.StatusOK},
		{"its neighbor", proxied, is("172.30.32.3:1", "home.example"), http.StatusForbidden},
		{"a proxy that is trusted, and a password", func(a *Access) { secret(a); proxied(a) }, is("172.30.32.2:1", "home.example"), http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, func(o *Options) {
				if c.access != nil {
					c.access(&o.Access)
				}
			})
			for _, path := range []string{"/", "/live", "/days", "/check", "/today.png", "/page.js"} {
				if c.want == http.StatusOK && (path == "/live" || path == "/today.png") {
					continue
				}
				if w := h.ask("GET", path, "", c.asks); w.Code != c.want {
					t.Errorf("%s: %d: %.200s", path, w.Code, w.Body)
				}
			}
			if w := h.ask("POST", "/do", "do=nothing", c.asks); (w.Code == http.StatusSeeOther) != (c.want == http.StatusOK) {
				t.Errorf("a command: %d: %.200s", w.Code, w.Body)
			}
		})
	}
}

func TestLogIn(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Access.Password = "correct horse" })
	w := h.ask("POST", "/login", "password=correct+horse", func(r *http.Request) {
		r.RemoteAddr = "192.168.1.7:1"
		r.Header.Set("X-Ingress-Path", "/api/hassio_ingress/abc")
		r.Header.Set("X-Forwarded-Proto", "https")
	})
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "./" || len(cookies) != 1 {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	c := cookies[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/api/hassio_ingress/abc" || strings.Contains(c.Value, "correct") {
		t.Errorf("the cookie: %v", c)
	}
	with := func(value string) int {
		return h.ask("GET", "/", "", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: value}) }).Code
	}
	if got := with(c.Value); got != http.StatusOK {
		t.Errorf("with the session: %d", got)
	}
	for name, value := range map[string]string{
		"one that somebody made up":       strings.Repeat("A", len(c.Value)),
		"one that has ended":              h.Access.token(time.Now().Add(-session - time.Minute)),
		"one of an earlier password":      Access{Password: "wrong horse"}.token(time.Now()),
		"one whose end somebody put off":  "B" + c.Value[1:],
		"one that is longer than it says": c.Value + "AAAA",
	} {
		if got := with(value); got != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestWrongPasswordsAreCounted(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Access.Password = "correct horse" })
	try := func(from, password string) *httptest.ResponseRecorder {
		return h.ask("POST", "/login", "password="+url.QueryEscape(password), func(r *http.Request) { r.RemoteAddr = from + ":1" })
	}
	for range wrongFromOne {
		if w := try("192.168.1.7", "guess"); w.Code != http.StatusUnauthorized {
			t.Fatalf("%d", w.Code)
		}
	}
	if w := try("192.168.1.7", "correct horse"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("after too many attempts: %d %v", w.Code, w.Header())
	}
	if w := try("192.168.1.8", "correct horse"); w.Code != http.StatusSeeOther {
		t.Errorf("somebody else: %d", w.Code)
	}
	for i := range 3 * wrongFromAll {
		try(fmt.Sprintf("10.0.%d.%d", i/200, i%200), "guess")
	}
	if len(h.logins.all) > wrongFromAll {
		t.Errorf("%d attempts are remembered", len(h.logins.all))
	}
	if w := try("192.168.1.9", "correct horse"); w.Code != http.StatusTooManyRequests {
		t.Errorf("while a whole network guesses: %d", w.Code)
	}
	if wait := h.logins.wait(netip.MustParseAddr("192.168.1.9"), time.Now().Add(time.Minute)); wait != 0 {
		t.Errorf("a minute later: %v", wait)
	}
}

func TestAnotherPageCommandsNothing(t *testing.T) {
	h := newHouse(t, nil)
	heard := h.bus.Subscribe("test", topics.Control("+/set"))
	for name, change := range map[string]func(*http.Request){
		"by its site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"by its origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
	} {
		if w := h.ask("POST", "/do", "do=override&value=pause", change); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if m, ok, _ := heard.Next(t.Context(), time.Now()); ok {
		t.Errorf("it sent %s on %s", m.Payload, m.Topic)
	}
}

// A proxy in front of the page may ask under a name of its own. The browser then says
// where its page is from by Origin alone, since without TLS it sends no Sec-Fetch-Site.
func TestAProxyThatChangesTheHost(t *testing.T) {
	for _, c := range []struct {
		name, from, origin, host string
		want                     int
	}{
		{"the name that the browser knows is passed on", "172.30.32.2:1", "http://nas.lan:8080", "nas.lan:8080", http.StatusSeeOther},
		{"by several proxies", "172.30.32.2:1", "http://nas.lan:8080", "nas.lan:8080, inner.lan", http.StatusSeeOther},
		{"another page", "172.30.32.2:1", "http://evil.example", "nas.lan:8080", http.StatusForbidden},
		{"nothing is passed on", "172.30.32.2:1", "http://nas.lan:8080", "", http.StatusForbidden},
		{"a proxy that nobody trusts", "192.168.1.7:1", "http://evil.example", "evil.example", http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, func(o *Options) {
				o.Access = Access{Password: "correct horse", Proxies: []netip.Prefix{netip.MustParsePrefix("172.30.32.2/32")}}
			})
			w := h.ask("POST", "/do", "do=nothing", func(r *http.Request) {
				r.RemoteAddr, r.Host = c.from, "127.0.0.1:9469"
				r.Header.Set("Origin", c.origin)
				r.Header.Set("X-Forwarded-Host", c.host)
				r.AddCookie(&http.Cookie{Name: cookieName, Value: h.Access.token(time.Now())})
			})
			if w.Code != c.want || w.Code == http.StatusForbidden && !strings.Contains(w.Body.String(), "proxy_set_header Host") {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		})
	}
}

// answering is a controller that accepts what refused does not name.
func (h *house) answering(refused string) <-chan bus.Message {
	heard := make(chan bus.Message, 16)
	s := h.bus.Subscribe("controller", topics.Control("+/set"))
	go func() {
		defer s.Close()
		for {
			m, _, err := s.Next(h.t.Context(), time.Time{})
			if err != nil {
				return
			}
			r, err := devices.ParseRequest(m.Payload)
			answer := devices.Result{ID: r.ID, Accepted: err == nil && !strings.Contains(r.Value, refused), Final: true, Reason: "not now"}
			if answer.Accepted {
				answer.Reason = ""
			}
			b, _ := json.Marshal(answer)
			heard <- m
			h.bus.Publish(bus.Message{Topic: devices.ResultTopic(m.Topic), Payload: b})
		}
	}()
	return heard
}

func TestPressing(t *testing.T) {
	for _, c := range []struct{ name, form, topic, value, said string }{
		{"an override", "do=override&value=peak", "override/set", "peak", "Peak: done."},
		{"for a time", "do=override&value=pause&for=2h", "override/set", "pause 2h", "Paused for 2h: done."},
		{"until a time", "do=override&value=off_peak&for=2h&until=21:30", "override/set", "off_peak until 21:30", "Off peak until 21:30: done."},
		{"skip takes no time", "do=override&value=skip&for=2h", "override/set", "skip", "Skipping the next peak: done."},
		{"resume", "do=override&value=resume", "override/set", "resume", "Resume: done."},
		{"off", "do=enabled&value=OFF", "enabled/set", "OFF", "Switch off: done."},
		{"restore", "do=restore&value=PRESS", "restore/set", "PRESS", "Restore everything: done."},
		{"refused", "do=override&value=precool", "override/set", "precool", "Not done: not now"},
		{"another topic", "do=../powerwall/reserve&value=20", "", "", "Not done: this button is out of date: reload the page"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, nil)
			heard := h.answering("precool")
			w := h.ask("POST", "/do", c.form, func(r *http.Request) { r.Header.Set("Accept", "application/json") })
			var outcome struct {
				OK   bool
				Said string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &outcome); err != nil || outcome.Said != c.said || outcome.OK != !strings.HasPrefix(c.said, "Not done") {
				t.Errorf("%s %v", w.Body, err)
			}
			if c.topic == "" {
				if len(heard) > 0 {
					t.Error("it sent something")
				}
				return
			}
			m := <-heard
			r, err := devices.ParseRequest(m.Payload)
			if m.Topic != topics.Control(c.topic) || err != nil || r.Value != c.value || m.Retain || m.Expires.IsZero() || m.Source != "" || rules.OwnCommand(r.ID) {
				t.Errorf("%s: %s %+v", m.Topic, m.Payload, m)
			}
			if w := h.ask("POST", "/do", c.form, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "./#command" {
				t.Errorf("without a script: %d %v", w.Code, w.Header())
			}
		})
	}
}

func TestWhatTakesNoCommands(t *testing.T) {
	json := func(r *http.Request) { r.Header.Set("Accept", "application/json") }
	h := newHouse(t, func(o *Options) { o.Access.ReadOnly = true })
	if w := h.ask("POST", "/do", "do=override&value=pause", json); w.Code != http.StatusForbidden {
		t.Errorf("read-only: %d", w.Code)
	}
	h.full()
	if text := h.ask("GET", "/", "", nil).Body.String(); strings.Contains(text, "<button") || !strings.Contains(text, "read-only") {
		t.Error("a page that is read-only has buttons")
	}
	h = newHouse(t, func(o *Options) { o.Active = func() bool { return false } })
	if w := h.ask("POST", "/do", "do=override&value=pause", json); !strings.Contains(w.Body.String(), "is the standby") {
		t.Errorf("a standby: %s", w.Body)
	}
}

// serve serves the page until the test has let go of its streams.
func (h *house) serve() *httptest.Server {
	server := httptest.NewServer(h.Handler())
	h.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// listen reads what the stream says, an event at a time.
func listen(t *testing.T, url string) (next func() (name, data string)) {
	t.Helper()
	res, err := http.Get(url + "/live")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	return func() (name, data string) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return "", "" // it is over
			}
			if text, ok := strings.CutPrefix(line, "event: "); ok {
				name = strings.TrimSpace(text)
			} else if text, ok := strings.CutPrefix(line, "data: "); ok {
				return name, text
			}
		}
	}
}

func TestLiveSaysWhatHasChangedAlone(t *testing.T) {
	h := newHouse(t, nil)
	h.full()
	server := h.serve()
	next := listen(t, server.URL)
	if name, _ := next(); name != "build" {
		t.Fatalf("first comes %s", name)
	}
	news := func() (n map[string]string) {
		_, data := next()
		if err := json.Unmarshal([]byte(data), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if all := news(); len(all) != len(sections) {
		t.Fatalf("%d sections", len(all))
	}
	h.publish(topics.Control("event"), control.Event{Type: rules.NotePhase, Reason: "something new", At: time.Now()})
	for {
		n := news()
		if !strings.Contains(n["decisions"], "Something new") {
			continue // a second has passed
		}
		if n["thermostats"] != "" || n["battery"] != "" {
			t.Errorf("it said what was known: %v", n)
		}
		return
	}
}

// What came in grew with the day, and so did the daemon.
func TestFiveHundredEventsCauseNoGrowth(t *testing.T) {
	h := newHouse(t, nil)
	h.full()
	server := h.serve()
	for range 3 {
		next := listen(t, server.URL)
		go func() {
			for { // ends with the connection
				if name, _ := next(); name == "" {
					return
				}
			}
		}()
	}
	day := func(n int) {
		for i := range n {
			h.publish(topics.Control("event"), control.Event{Type: rules.NoteRefused, Reason: fmt.Sprintf("%d %s", i, strings.Repeat("x", 4000)), At: time.Now()})
			if i%100 == 0 {
				h.until("it is read", func() bool { return strings.HasPrefix(h.newView().Events[0].Reason, fmt.Sprint(i)) })
			}
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	day(101)
	before := heap()
	day(501)
	// What the streams still write is not kept: the heap has to come back, and
	// how soon depends on the machine.
	after := heap()
	for range 300 {
		if after <= before+1<<20 {
			break
		}
		time.Sleep(100 * time.Millisecond)
		after = heap()
	}
	if after > before+1<<20 {
		t.Errorf("500 events cost %d bytes", after-before)
	}
	if len(h.events) > maxEvents || len(h.refused) > maxRefused || len(h.awaiting) != 0 {
		t.Errorf("%d events, %d refused, %d asked", len(h.events), len(h.refused), len(h.awaiting))
	}
}

func TestTooManyBrowsers(t *testing.T) {
	h := newHouse(t, nil)
	server := h.serve()
	for range maxStreams {
		listen(t, server.URL)
	}
	res, err := http.Get(server.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s", res.Status, b)
	}
}

func TestAhead(t *testing.T) {
	h := newHouse(t, nil)
	home := h.Settings.Calendar.Location
	at := func(clock string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", "2026-07-"+clock, home)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	state := func(change func(*control.State)) *control.State {
		c := &control.State{Override: "auto", Enabled: true}
		change(c)
		return c
	}
	followed := state(func(c *control.State) { c.Strategy = rules.StrategyPlan })
	slots := func(all ...plan.Ahead) *plan.Plan { return &plan.Plan{Slots: all} }
	calendar := []string{"15 12:00 100 The", "15 15:30 100 Precools", "15 16:00 0 The", "15 19:00 100 The", "16 15:30 100 Precools", "16 16:00 0 The", "16 19:00 100 The"}
	for _, c := range []struct {
		name  string
		state *control.State
		plan  *plan.Plan
		want  []string // clock, reserve, what it begins with
	}{
		{"by the calendar", nil, nil, []string{
			"15 12:00 100 The battery fills up", "15 15:30 100 Precools by 2 °F if the forecast is at least 95", "15 16:00 0 The battery runs the home down to its reserve; each time",
			"15 19:00 100 The battery fills up", "16 15:30 100 Precools by 2 °F if", "16 16:00 0 The battery runs", "16 19:00 100 The battery fills"}},
		{"a hot day", state(func(c *control.State) { c.ForecastF = new(101.0) }), nil, []string{
			"15 12:00 100 The", "15 15:30 100 Precools by 2 °F, because the forecast is 101 °F", "15 16:00 0 The", "15 19:00 100 The", "16 15:30 100 Precools by 2 °F if", "16 16:00 0 The", "16 19:00 100 The"}},
		{"a mild day", state(func(c *control.State) { c.ForecastF = new(80.0) }), nil, []string{
			"15 12:00 100 The", "15 15:30 100 No precooling: the forecast is 80 °F", "15 16:00 0 The", "15 19:00 100 The", "16 15:30 100 Precools", "16 16:00 0 The", "16 19:00 100 The"}},
		{"a pause into the peak", state(func(c *control.State) { c.Override, c.Until = "pause", new(at("15 17:00")) }), nil, []string{
			"15 12:00 - Your override: paused", "15 17:00 0 The battery runs", "15 19:00 100 The", "16 15:30 100 Precools", "16 16:00 0 The", "16 19:00 100 The"}},
		{"switched off", state(func(c *control.State) { c.Enabled = false }), nil, []string{"15 12:00 - Switched off"}},
		{"a plan, with slots that do the same", followed, slots(
			plan.Ahead{Start: at("15 11:30"), Reserve: 80, Charge: 40, Price: 0.2, Reason: "fill to 80 %: 4.1 kWh"}, plan.Ahead{Start: at("15 12:30"), Reserve: 80, Charge: 60, Price: 0.2, Reason: "fill to 80 %: 4.3 kWh"},
			plan.Ahead{Start: at("15 13:00"), Reserve: 20, Charge: 80, Price: 0.4, Reason: "serve the home"}, plan.Ahead{Start: at("18 14:00"), Reason: "too far"}),
			[]string{"15 12:00 80 Fill to 80 %: 4.1 kWh.", "15 13:00 20 Serve the home."}},
		{"a plan that the rule goes before", state(func(c *control.State) { c.Strategy = rules.StrategyRule }), slots(plan.Ahead{Start: at("15 12:00"), Reserve: 20}), calendar},
		{"a plan that gives way", state(func(c *control.State) { c.Strategy, c.PlanIdle = rules.StrategyPlan, "it is too old" }), slots(plan.Ahead{Start: at("15 12:00"), Reserve: 20}), calendar},
		{"a plan without slots", followed, slots(), calendar},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := h.ahead(view{Now: at("15 12:00"), Control: c.state}, c.plan)
			var got []string
			for _, s := range a.Steps {
				reserve := "-"
				if s.Reserve != nil {
					reserve = fmt.Sprint(*s.Reserve)
				}
				got = append(got, s.At.Format("02 15:04 ")+reserve+" "+s.What)
			}
			if len(got) != len(c.want) {
				t.Fatalf("%q", got)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("%q, want %q", got[i], c.want[i])
				}
			}
			for _, b := range append(a.Bars(), a.Prices()...) {
				if b.X < 0 || b.X+b.Width > 100.001 || b.Y < 0 || b.Y+b.Height > 100.001 {
					t.Errorf("outside of the picture: %+v", b)
				}
			}
			if len(a.Peaks) != 2 || len(a.Ticks()) < 4 {
				t.Errorf("%d peaks, %d ticks", len(a.Peaks), len(a.Ticks()))
			}
		})
	}
}

// What the picture marks as a peak is what the table says: a person's override first.
func TestThePictureShowsAnOverride(t *testing.T) {
	h := newHouse(t, nil)
	at := func(hour int) time.Time { return time.Date(2026, 7, 15, hour, 0, 0, 0, h.Settings.Calendar.Location) }
	for _, c := range []struct {
		name        string
		override    string
		phase       rules.Phase
		until       int
		peaks       int
		from, width float64 // of the first, in hours
	}{
		{"none", "auto", rules.OffPeak, 0, 2, 4, 3},
		{"a peak by hand", "peak", rules.InPeak, 14, 3, 0, 2},
		{"off peak into the peak", "off_peak", rules.OffPeak, 17, 2, 5, 2},
		{"off peak beyond the peak", "off_peak", rules.OffPeak, 20, 1, 28, 3},
	} {
		state := &control.State{Enabled: true, Override: c.override, Phase: c.phase}
		if c.until > 0 {
			state.Until = new(at(c.until))
		}
		a := h.ahead(view{Now: at(12), Control: state}, nil)
		if len(a.Peaks) != c.peaks || math.Abs(a.Peaks[0].From-c.from/.36) > 0.01 || math.Abs(a.Peaks[0].Width-c.width/.36) > 0.01 {
			t.Errorf("%s: %+v", c.name, a.Peaks)
		}
	}
}

package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// binary is powermgr itself, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "powermgr-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "powermgr")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if began := os.Getenv(quickEnv); began != "" {
		os.Exit(quickDaemon(began, os.Args[1]))
	}
	if listen := os.Getenv(cloudEnv); listen != "" {
		os.Exit(pairCloud(listen))
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// home is a broker, the emulated clouds and a configuration for a daemon, in a time zone
// where it is noon, on a day whose peaks the test chooses.
type home struct {
	t      testing.TB
	broker *brokertest.Broker
	cloud  *vendors.Cloud
	dir    string
	config string

	arrived chan time.Time // when writes to the battery arrived; those that nobody receives are dropped

	mu     sync.Mutex
	writes []emulator.Request
}

// newHome returns a home with a peak around now if peak is "now", and without one today
// otherwise.
func newHome(t testing.TB, peak string) *home {
	t.Helper()
	return newHomeAt(t, brokertest.Start(t, brokertest.Config{}), peak)
}

// newHomeAt is newHome with a broker.
func newHomeAt(t testing.TB, broker *brokertest.Broker, peak string) *home {
	t.Helper()
	h := &home{t: t, broker: broker, dir: t.TempDir(), arrived: make(chan time.Time, 1)}
	h.cloud = vendors.New(emulator.Options{Now: time.Now, House: emulator.HouseOptions{ChargePercent: new(80.0), Reserve: new(100)},
		OnRequest: func(q emulator.Request) {
			if q.Write != nil {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.writes = append(h.writes, q)
			}
		}}, vendors.Options{})
	cloud := h.cloud.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/1/energy_sites/") {
			select {
			case h.arrived <- time.Now():
			default:
			}
		}
		cloud.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	// Etc/GMT+5 is five hours behind UTC.
	offset := (time.Now().UTC().Hour() - 12)
	zone := fmt.Sprintf("Etc/GMT%+d", offset)
	if offset == 0 {
		zone = "UTC"
	}
	window := `[{start: "10:00", end: "20:00"}]`
	if peak != "now" {
		window = "[]"
	}
	h.config = filepath.Join(h.dir, "config.yaml")
	text := fmt.Sprintf(`
tesla: {calls_per_month: 0, api_token: emulator-access, base_url: %[1]q, energy_site_id: 1234567890123}
honeywell: {backend: tcc, username: owner@example.com, password: emulator-password, base_url: %[1]q, token_file: %[2]s/honeywell.json}
weather: {source: mqtt}
mqtt: {url: %[3]q}
settings:
  timezone: %[4]s
  thermostat_ids: ["1000001"]
  seasons: {all: {months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], days: [daily], peak_periods: %[5]s}}
paths: {journal_file: "%[2]s/journal.json", ramdisk_state_file: "%[2]s/state.json", permanent_metrics_dir: "%[2]s/metrics"}
ha: {node: test}
`, server.URL, h.dir, h.broker.URL(), zone, window)
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// process is powermgr running.
type process struct {
	*exec.Cmd
	log  *lockedBuffer
	done chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (h *home) start(args ...string) *process {
	h.t.Helper()
	path, err := binary()
	if err != nil {
		h.t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(path, append([]string{"run", "--config", h.config}, args...)...), log: &lockedBuffer{}, done: make(chan struct{})}
	p.Stderr = p.log
	p.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+h.dir)
	if err := p.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.done) }()
	h.t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if h.t.Failed() {
			h.t.Logf("log of %v:\n%s", args, p.log)
		}
	})
	return p
}

func (p *process) end(s syscall.Signal) {
	_ = p.Process.Signal(s)
	<-p.done
}

// until waits until a condition holds.
func (h *home) until(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	h.t.Fatalf("it never happened: %s", what)
}

// writesOf returns the writes to a device.
func (h *home) writesOf(device string) (all []map[string]any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.writes {
		if w.Write.Device == device {
			all = append(all, w.Write.Values)
		}
	}
	return all
}

func state(c *brokertest.Client, topic string) map[string]any {
	var s map[string]any
	if all := c.Received(topic); len(all) > 0 {
		_ = json.Unmarshal([]byte(all[len(all)-1].Payload), &s)
	}
	return s
}

func TestBridgeAndControllerInSeparateProcesses(t *testing.T) {
	h := newHome(t, "now")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	h.start("--only", "bridge")
	person.Await(t, "powermgr/status", "online")
	if len(h.writesOf("powerwall")) != 0 {
		t.Fatal("the bridge decided something")
	}
	h.start("--only", "control")
	h.until("the reserve is the peak's", func() bool { return h.cloud.Truth().Reserve == 0 })
	h.until("the state shows it", func() bool { return state(person, "powermgr/powerwall/state")["reserve_percent"] == 0.0 })
	h.until("the controller says so", func() bool { return state(person, "powermgr/control/state")["reserve_wanted_percent"] == 0.0 })
	for _, m := range person.Received("powermgr/powerwall/reserve/set") {
		if m.User["source"] != "control" || m.User["node"] != "test" || m.User["generation"] == "" || m.ID == "" || m.Expiry == 0 || m.Retain {
			t.Errorf("an automatic command lacks something: %+v", m)
		}
	}
}

// The Powerwall is announced once its model is known, which may be before or after its
// availability is published.
func TestAllIsThereAfterAStart(t *testing.T) {
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	person.Subscribe(t, "homeassistant/#")
	h.start()
	for _, topic := range []string{
		"homeassistant/device/powermgr_powerwall/config", "powermgr/powerwall/availability", "powermgr/powerwall/state",
		"homeassistant/device/powermgr_thermostat_1000001/config", "powermgr/thermostat/1000001/state",
		"powermgr/thermostat/1000002/state", // which is not controlled
	} {
		h.until(topic+" is there", func() bool { return len(person.Received(topic)) > 0 })
	}
}

func TestStaleCommandsAreNotObeyed(t *testing.T) {
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/+/+/result")
	person.Publish(t, brokertest.Message{Topic: "powermgr/powerwall/reserve/set", Payload: "30", Retain: true})
	p := h.start()
	person.Subscribe(t, "powermgr/#")
	h.until("it has started", func() bool { return len(person.Received("powermgr/powerwall/state")) > 0 })
	p.end(syscall.SIGTERM)
	person.Publish(t, brokertest.Message{Topic: "powermgr/powerwall/reserve/set", Payload: "40"}) // while no daemon runs
	h.start()
	person.Forget()
	person.Await(t, "powermgr/status", "online")
	h.until("it polls", func() bool { return len(person.Received("powermgr/powerwall/state")) > 0 })
	person.Publish(t, brokertest.Message{Topic: "powermgr/powerwall/reserve/set", Payload: "50", Retain: true}) // live, with -r
	h.until("a live retained command is answered", func() bool {
		all := person.Received("powermgr/powerwall/reserve/result")
		return len(all) > 0 && strings.Contains(all[len(all)-1].Payload, "retained")
	})
	late := h.broker.Client(t, brokertest.Login{})
	h.until("and taken off the broker", func() bool {
		late.Subscribe(t, "powermgr/powerwall/reserve/set")
		stored := slices.ContainsFunc(late.Received("powermgr/powerwall/reserve/set"), func(m brokertest.Message) bool { return m.Payload == "50" })
		late.Forget()
		return !stored
	})
	for _, v := range h.writesOf("powerwall") {
		t.Errorf("it wrote %v", v)
	}
}

func TestOverrideInBothForms(t *testing.T) {
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	h.start()
	h.until("it has started", func() bool { return state(person, "powermgr/control/state")["override"] == "auto" })
	publish := func(payload string) {
		t.Helper()
		if path, err := exec.LookPath("mosquitto_pub"); err == nil {
			host, port, _ := strings.Cut(h.broker.Addr(), ":")
			out, err := exec.Command(path, "-V", "5", "-h", host, "-p", port, "-q", "1", "-t", "powermgr/control/override/set", "-m", payload).CombinedOutput()
			if err != nil {
				t.Fatalf("mosquitto_pub: %v\n%s", err, out)
			}
			return
		}
		person.Publish(t, brokertest.Message{Topic: "powermgr/control/override/set", Payload: payload})
	}
	publish("peak 90m")
	h.until("the plain form holds", func() bool {
		s := state(person, "powermgr/control/state")
		return s["override"] == "peak" && s["phase"] == "peak" && s["minutes_left"] == 90.0
	})
	h.until("and reaches the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	publish(`{"value": "off_peak", "for": "2h", "id": "guests"}`)
	h.until("the JSON form holds", func() bool { return state(person, "powermgr/control/state")["override"] == "off_peak" })
	h.until("and is answered by its id", func() bool {
		return slices.ContainsFunc(person.Received("powermgr/control/override/result"), func(m brokertest.Message) bool {
			return strings.Contains(m.Payload, `"id":"guests"`) && strings.Contains(m.Payload, `"accepted":true`)
		})
	})
	h.until("and reaches the battery", func() bool { return h.cloud.Truth().Reserve == 100 })
}

func TestABrokerThatForgetsEverything(t *testing.T) {
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	h.start()
	h.until("it has started", func() bool {
		return state(person, "powermgr/control/state") != nil && state(person, "powermgr/powerwall/state") != nil
	})
	h.broker.Stop()
	h.broker.Start(t)
	person = h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	person.Subscribe(t, "homeassistant/#")
	person.Await(t, "powermgr/status", "online")
	for _, topic := range []string{
		"powermgr/powerwall/state", "powermgr/powerwall/availability", "powermgr/thermostat/1000001/state", "powermgr/control/state",
		"powermgr/node/test/state", "powermgr/node/test/journal", "homeassistant/device/powermgr_control/config", "homeassistant/device/powermgr_powerwall/config",
	} {
		h.until(topic+" is back", func() bool { return len(person.Received(topic)) > 0 })
	}
}

func TestKilledAndStopped(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
	}{{"killed, which publishes the last will", syscall.SIGKILL}, {"told to stop", syscall.SIGTERM}} {
		t.Run(c.name, func(t *testing.T) {
			h := newHome(t, "")
			person := h.broker.Client(t, brokertest.Login{})
			person.Subscribe(t, "powermgr/#")
			p := h.start()
			person.Await(t, "powermgr/status", "online")
			h.until("it polls", func() bool { return state(person, "powermgr/powerwall/state") != nil })
			person.Forget()
			p.end(c.signal)
			person.Await(t, "powermgr/status", "offline")
			if c.signal == syscall.SIGTERM && p.ProcessState.ExitCode() != 0 {
				t.Errorf("it ended with %d", p.ProcessState.ExitCode())
			}
			person.Forget()
			h.start()
			person.Await(t, "powermgr/status", "online")
		})
	}
}

func TestHomeAssistantRestarts(t *testing.T) {
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	person.Subscribe(t, "homeassistant/#")
	h.start()
	h.until("it has started", func() bool { return state(person, "powermgr/thermostat/1000001/state") != nil })
	time.Sleep(3 * time.Second) // late announcements have arrived by then
	person.Forget()
	person.Publish(t, brokertest.Message{Topic: "homeassistant/status", Payload: "ONLINE"})
	for _, topic := range []string{"homeassistant/device/powermgr_control/config", "homeassistant/device/powermgr_powerwall/config", "powermgr/powerwall/availability", "powermgr/powerwall/state", "powermgr/control/state"} {
		h.until(topic+" is back", func() bool { return len(person.Received(topic)) > 0 })
	}
}

func TestBadConfigurationEndsWithTwo(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("settings: {timezone: Mars/Base, holidys: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", "--config", config}, {"check-config", config}, {"run", "--nonsense"}, {"fly"}} {
		c := exec.Command(path, args...)
		out, err := c.CombinedOutput()
		if err == nil || c.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: exit %d\n%s", args, c.ProcessState.ExitCode(), out)
		}
		if slices.Contains(args, config) && (!strings.Contains(string(out), "Mars/Base") || !strings.Contains(string(out), "holidays")) {
			t.Errorf("%v does not name both problems:\n%s", args, out)
		}
	}
}

func TestDemoDay(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := exec.Command(path, "demo", "--json", "--speed", "36000", "--listen", "127.0.0.1:0")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var s map[string]any
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", bytes.TrimSpace(out))
	number := func(key string) float64 { f, _ := s[key].(float64); return f }
	if s["day"] != "2026-07-15" || s["reserve_in_peak_percent"] != 0.0 || s["reserve_after_peak_percent"] != 100.0 || s["precooled"] != true ||
		s["thermostats_restored"] != true || number("setbacks") < 1 || s["violations"] != 0.0 || number("commands") < 1 ||
		number("peak_import_without_kwh") == 0 || number("peak_import_kwh") > 0.15*number("peak_import_without_kwh") {
		t.Errorf("%s", out)
	}
}

package main_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

var kills = flag.Int("kills", 0, "how many homes to run whose daemon is killed at a random moment around a peak; each takes a minute, 16 at a time")

// speed is how much faster than real time these homes run: a peak takes 45 seconds.
const speed = 240

// A quickClock is a clock that several processes share without communicating: it started
// at the same moment in all of them.
type quickClock struct{ real, home time.Time }

func (c quickClock) Now() time.Time {
	return c.home.Add(time.Duration(float64(time.Since(c.real)) * speed))
}

func (c quickClock) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	if !at.IsZero() {
		at = time.Now().Add(at.Sub(c.Now()) / speed)
	}
	return bus.Wall{}.Wait(ctx, at, ready)
}

// quickEnv makes this test binary a daemon on a quick clock: its value is when the clock
// started, in real time and in the home's time, in Unix nanoseconds.
const quickEnv = "TEST_QUICK_DAEMON"

// quickDaemon is powermgr run on a quick clock. It exits in the same way.
func quickDaemon(began, configFile string) int {
	a, b, _ := strings.Cut(began, " ")
	real, err1 := strconv.ParseInt(a, 10, 64)
	homes, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil {
		return 2
	}
	config, _, err := config.Load(configFile, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	d, err := daemon.New(daemon.Options{Config: config, Clock: quickClock{time.Unix(0, real), time.Unix(0, homes)}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if d.Run(ctx) != nil {
		return 1
	}
	return 0
}

// killed simulates the afternoon of a home whose daemon is killed at a random moment, and
// checks whether everything was restored. It returns that moment, and an error with the
// log if something was not restored.
func killed(t *testing.T, broker *brokertest.Broker, i int) (when time.Time, err error) {
	zone, _ := time.LoadLocation("America/Los_Angeles")
	clock := quickClock{time.Now(), time.Date(2026, 7, 15, 15, 20, 0, 0, zone)}
	ran := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i)))
	house := emulator.HouseOptions{ChargePercent: new(30 + 50*ran.Float64()), Reserve: new(100), Thermostats: emulator.DefaultThermostats(), BaseLoadW: 3000}
	for _, th := range house.Thermostats {
		th.Mode, th.Location = devices.Cool, zone
	}
	house.Thermostats[1].Submit(clock.Now(), emulator.Setting{Cool: new(75.0), Heat: new(66.0), Hold: new(devices.HoldPermanent)}, 0)
	cloud := vendors.New(emulator.Options{Now: clock.Now, Location: zone, House: house,
		Sleep: func(ctx context.Context, d time.Duration) error { return bus.Sleep(ctx, clock, d) }}, vendors.Options{})
	before := cloud.Truth()
	server := httptest.NewServer(cloud.Handler())
	defer server.Close()
	dir := t.TempDir()
	account := fmt.Sprintf(`{backend: tcc, username: owner@example.com, password: emulator-password, base_url: %q, token_file: %s/tcc.json}`, server.URL, dir)
	ids, tokens := `"1000001", "1000002"`, []string{"tesla.json"}
	if i%2 == 0 {
		account = fmt.Sprintf(`{backend: resideo, client_id: emulator-client, client_secret: emulator-client-secret, base_url: %q, token_file: %s/resideo.json}`, server.URL, dir)
		ids, tokens = `"LCC-00A01AB10001", "LCC-00A01AB10002"`, append(tokens, "resideo.json")
	}
	files := map[string]string{
		"tesla.json":   `{"access_token": "", "refresh_token": "emulator-refresh", "token_type": "Bearer", "expires_in": 1}`,
		"resideo.json": `{"access_token": "", "refresh_token": "emulator-resideo-refresh", "token_type": "Bearer", "expires_in": 1}`,
		"config.yaml": fmt.Sprintf(`
tesla: {calls_per_month: 0, token_file: %[2]s/tesla.json, client_id: my-app, base_url: %[1]q, token_url: "%[1]s/oauth2/v3/token", energy_site_id: 1234567890123}
honeywell: %[3]s
weather: {latitude: 34.1, longitude: -117.4, base_url: %[1]q}
mqtt: {url: %[4]q, base_topic: home%[5]d, client_id: home%[5]d}
discovery: {enabled: false}
settings:
  timezone: America/Los_Angeles
  thermostat_ids: [%[6]s]
  seasons: {summer: {months: [5, 6, 7, 8, 9, 10], precool: true, peak_periods: [{start: "16:00", end: "19:00"}]}, winter: {months: [11, 12, 1, 2, 3, 4], peak_periods: []}}
paths: {journal_file: %[2]s/journal.json, ramdisk_state_file: %[2]s/state.json, permanent_metrics_dir: %[2]s}
ha: {node: test}
`, server.URL, dir, account, broker.URL(), i, ids),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return when, err
		}
	}
	log := &lockedBuffer{}
	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0], filepath.Join(dir, "config.yaml"))
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", quickEnv, clock.real.UnixNano(), clock.home.UnixNano()))
		c.Stderr = log
		if err := c.Start(); err != nil {
			t.Error(err)
		}
		return c
	}
	until := func(at time.Time) { _, _ = clock.Wait(t.Context(), at, nil) }

	first := start()
	// Half of the moments are close to those at which something is written.
	moment := clock.home.Add(10*time.Minute + time.Duration(ran.Int64N(int64(3*time.Hour+40*time.Minute))))
	if ran.IntN(2) == 0 {
		moment = []time.Time{clock.home.Add(10 * time.Minute), clock.home.Add(40 * time.Minute), clock.home.Add(220 * time.Minute)}[ran.IntN(3)].Add(time.Duration(ran.Int64N(int64(4 * time.Minute))))
	}
	until(moment)
	for !stored(cloud, dir, tokens) {
		time.Sleep(time.Millisecond)
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	until(moment.Add(time.Duration(ran.Int64N(int64(20 * time.Minute)))))
	second := start()
	defer func() {
		_ = second.Process.Signal(syscall.SIGTERM)
		_ = second.Wait()
	}()
	given := func() string {
		now, wrong := cloud.Truth(), ""
		if now.Reserve != 100 {
			wrong = fmt.Sprintf("the reserve is %d %%; ", now.Reserve)
		}
		for i, th := range now.Thermostats {
			b := before.Thermostats[i]
			if th.Hold != b.Hold || b.Hold == devices.HoldPermanent && (math.Abs(th.Cool-b.Cool) > 0.1 || math.Abs(th.Heat-b.Heat) > 0.1) {
				wrong += fmt.Sprintf("%s has cool %g heat %g %s, and had cool %g heat %g %s; ", th.Name, th.Cool, th.Heat, th.Hold, b.Cool, b.Heat, b.Hold)
			}
		}
		return wrong
	}
	until(clock.home.Add(235 * time.Minute)) // 19:15
	for end := clock.home.Add(340 * time.Minute); given() != "" && clock.Now().Before(end); {
		until(clock.Now().Add(time.Minute))
	}
	if wrong := given(); wrong != "" {
		return moment, fmt.Errorf("%s\n%s", wrong, log)
	}
	if !strings.Contains(log.String(), "is set back") {
		return moment, fmt.Errorf("it was never set back:\n%s", log)
	}
	return moment, nil
}

// stored reports whether all token files in dir have tokens that the vendors still
// accept. A refresh token is valid once: a daemon that dies between the vendor's answer
// and the write to disk has lost it, and a person has to authorize powermgr again.
func stored(cloud *vendors.Cloud, dir string, tokens []string) bool {
	for _, name := range tokens {
		var token struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || json.Unmarshal(b, &token) != nil || token.Access == "" || !cloud.Refreshes(strings.TrimSuffix(name, ".json"), token.Refresh) {
			return false
		}
	}
	return true
}

// TestKilledAtAnyMoment kills the daemon, a process with real sockets, files and broker,
// at random moments around a peak; after the next one has started, everything has to be
// restored.
func TestKilledAtAnyMoment(t *testing.T) {
	if *kills == 0 {
		t.Skip("it takes a minute and more: run make kill-test")
	}
	broker := brokertest.Start(t, brokertest.Config{})
	var all sync.WaitGroup
	var mu sync.Mutex
	restored := 0
	places := make(chan struct{}, 16)
	for i := range *kills {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			when, err := killed(t, broker, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("killed at %s: %v", when.Format("15:04:05"), err)
				return
			}
			restored++
		})
	}
	all.Wait()
	fmt.Printf("killed at %d random moments, everything restored after %d\n", *kills, restored)
}

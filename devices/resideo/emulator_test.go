package resideo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	emulated "powermgr/devices/emulator/resideo"
	"powermgr/devices/resideo"
)

// house is the adapter against the emulated cloud, both on one clock.
type house struct {
	t     *testing.T
	now   time.Time
	cloud *emulator.Cloud
	api   *emulated.API
	*resideo.Client
	refused []emulator.Request // by the cloud, with 400
	writes  []emulator.Write
}

var pacific = func() *time.Location {
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return home
}()

func newHouse(t *testing.T, o emulated.Options, thermostats ...*emulator.Thermostat) *house {
	h := &house{t: t, now: time.Date(2026, 7, 15, 16, 2, 3, 0, pacific)}
	clock := func() time.Time { return h.now }
	h.cloud = emulator.New(emulator.Options{
		Now: clock, Location: pacific, Seed: 7, House: emulator.HouseOptions{Thermostats: thermostats},
		Sleep: func(context.Context, time.Duration) error { return nil },
		OnRequest: func(r emulator.Request) {
			if r.Status == http.StatusBadRequest {
				h.refused = append(h.refused, r)
			}
			if r.Write != nil {
				h.writes = append(h.writes, *r.Write)
			}
		},
	})
	h.api = emulated.Serve(h.cloud, o)
	h.Client = h.client(filepath.Join(t.TempDir(), "token.json"))
	h.consent()
	return h
}

// direct is a transport without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func (h *house) client(file string) *resideo.Client {
	h.t.Helper()
	c, err := resideo.New(resideo.Options{
		BaseURL: "http://localhost", HTTP: &http.Client{Transport: direct{h.cloud.Handler()}}, ClientID: "emulator-client", ClientSecret: "emulator-client-secret", TokenFile: file,
		Now:   func() time.Time { return h.now },
		Sleep: func(_ context.Context, d time.Duration) error { h.now = h.now.Add(d); return nil },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// consent does what powermgr auth does with the owner's browser.
func (h *house) consent() {
	h.t.Helper()
	const redirect = "http://127.0.0.1:8585/auth"
	browser := http.Client{
		Transport:     direct{h.cloud.Handler()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := browser.Get(h.AuthorizeURL("state", redirect))
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != "state" {
		h.t.Fatalf("sent back to %s, %v", back, err)
	}
	if err := h.Exchange(h.t.Context(), back.Query().Get("code"), redirect); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) read() []devices.ThermostatReading {
	h.t.Helper()
	readings, err := h.Read(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return readings
}

func kindOf(t *testing.T, err error, want devices.Kind) *devices.Error {
	t.Helper()
	var e *devices.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	return e
}

func TestSetbackEndsByItself(t *testing.T) {
	h := newHouse(t, emulated.Options{})
	before := h.read()
	if len(before) != 2 || *before[0].Mode != devices.HeatCool || *before[0].CoolSetpoint != 76 || *before[0].Hold != devices.HoldSchedule || before[0].SchedulePeriod != "Wednesday P3" {
		t.Fatalf("%+v", before)
	}
	end := time.Date(2026, 7, 15, 19, 0, 0, 0, pacific)
	if err := h.Apply(t.Context(), before[0].ID(), devices.ThermostatCommand{CoolSetpoint: new(78.0), Hold: new(devices.HoldUntil), HoldUntil: &end}); err != nil {
		t.Fatal(err)
	}
	if r := h.read()[0]; *r.CoolSetpoint != 76 {
		t.Errorf("it landed at once: %g", *r.CoolSetpoint)
	}
	h.now = h.now.Add(time.Minute)
	if r := h.read()[0]; *r.CoolSetpoint != 78 || *r.HeatSetpoint != 69 || *r.Hold != devices.HoldUntil || !r.HoldUntil.Equal(end) || *r.Mode != devices.HeatCool {
		t.Errorf("a minute later %+v", r)
	}
	h.now = end
	if r := h.read()[0]; *r.CoolSetpoint != 76 || *r.Hold != devices.HoldSchedule || r.HoldUntil != nil {
		t.Errorf("at the end %+v", r)
	}
}

func TestCommandsInARow(t *testing.T) {
	h := newHouse(t, emulated.Options{Landing: [2]time.Duration{20 * time.Second, 30 * time.Second}})
	id := h.read()[1].ID()
	for _, cmd := range []devices.ThermostatCommand{
		{Mode: new(devices.Cool)},
		{CoolSetpoint: new(80.0)},
		{Hold: new(devices.HoldPermanent)},
		{HeatSetpoint: new(62.0)},
		{Fan: new(devices.FanOn)},
	} {
		if err := h.Apply(t.Context(), id, cmd); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(8 * time.Second)
	}
	h.now = h.now.Add(time.Minute)
	if r := h.read()[1]; *r.Mode != devices.Cool || *r.CoolSetpoint != 80 || *r.HeatSetpoint != 62 || *r.Hold != devices.HoldPermanent || *r.Fan != devices.FanOn {
		t.Errorf("%+v", r)
	}
}

func TestRoundFromOffToAutomatic(t *testing.T) {
	th := emulator.DefaultThermostats()[0]
	th.LCCID, th.Model, th.Mode = "TCC-1234567", "Round", devices.Off
	h := newHouse(t, emulated.Options{}, th)
	if r := h.read()[0]; *r.Mode != devices.Off || r.Hold != nil || len(r.Holds) != 0 {
		t.Fatalf("%+v", r)
	}
	if err := h.Apply(t.Context(), "tcc_1234567", devices.ThermostatCommand{Mode: new(devices.HeatCool)}); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(time.Minute)
	if r := h.read()[0]; *r.Mode != devices.HeatCool {
		t.Errorf("it is in %s", *r.Mode)
	}
}

// TestNothingThatTheCloudRefuses: whatever the thermostat and the command, either the
// adapter refuses the command before it writes, or the cloud accepts it and the thermostat
// then shows it.
func TestNothingThatTheCloudRefuses(t *testing.T) {
	done, refused := 0, 0
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 5))
		th := anyThermostat(r)
		name := fmt.Sprintf("seed %d: %s in %s, hold %s", seed, th.Model, th.Mode, th.Hold)
		h := newHouse(t, emulated.Options{}, th)
		for range 4 {
			before := h.read()[0]
			cmd := anyCommand(r, before, h.now)
			want, mergeErr := before.Merge(cmd, h.now)
			writes := len(h.writes)
			err := h.Apply(t.Context(), before.ID(), cmd)
			if len(h.refused) > 0 {
				t.Fatalf("%s: the cloud refused %+v: %v", name, cmd, err)
			}
			if err != nil {
				refused++
				if e := kindOf(t, err, devices.Refused); e.MaybeDone || len(h.writes) != writes {
					t.Fatalf("%s: %v after %d writes", name, err, len(h.writes)-writes)
				}
				if mergeErr == nil && th.Model != "Unknown" {
					t.Fatalf("%s: %+v refused: %v", name, cmd, err)
				}
				continue
			}
			done++
			h.now = h.now.Add(time.Minute)
			after := h.read()[0]
			if what := differs(after, before, want, th.Model); what != "" {
				t.Fatalf("%s: after %s %s\nbefore %+v\nafter %+v", name, text(cmd), what, before, after)
			}
		}
	}
	if done < 250 || refused < 100 {
		t.Errorf("%d done and %d refused: the test tries too little", done, refused)
	}
}

func text(c devices.ThermostatCommand) string {
	var parts []string
	if c.Mode != nil {
		parts = append(parts, string(*c.Mode))
	}
	if c.CoolSetpoint != nil {
		parts = append(parts, fmt.Sprint("cool ", *c.CoolSetpoint))
	}
	if c.HeatSetpoint != nil {
		parts = append(parts, fmt.Sprint("heat ", *c.HeatSetpoint))
	}
	if c.Hold != nil {
		parts = append(parts, string(*c.Hold))
	}
	return strings.Join(parts, ", ")
}

// differs says which part of a command a reading does not show; empty if it shows all of
// it.
func differs(after, before devices.ThermostatReading, want devices.ThermostatCommand, model string) string {
	same := func(a, b *float64) bool { return b == nil || a != nil && *a == *b }
	switch {
	case want.Mode != nil && *after.Mode != *want.Mode:
		return fmt.Sprintf("it is in %s", *after.Mode)
	case want.Mode == nil && *after.Mode != *before.Mode:
		return fmt.Sprintf("its mode became %s, unasked", *after.Mode)
	case want.Fan != nil && *after.Fan != *want.Fan:
		return fmt.Sprintf("its fan is %s", *after.Fan)
	case model != "Unknown" && (!same(after.CoolSetpoint, want.CoolSetpoint) || !same(after.HeatSetpoint, want.HeatSetpoint)):
		return "its set points differ"
	case want.Hold != nil && *after.Hold != *want.Hold:
		return fmt.Sprintf("its hold is %s", *after.Hold)
	case want.HoldUntil != nil && !after.HoldUntil.Equal(*want.HoldUntil):
		return fmt.Sprintf("its hold ends at %s", after.HoldUntil)
	case want.Hold == nil && len(before.Holds) > 0 && *after.Hold != *before.Hold:
		return fmt.Sprintf("its hold became %s, unasked", *after.Hold)
	}
	return ""
}

func anyThermostat(r *rand.Rand) *emulator.Thermostat {
	th := emulator.DefaultThermostats()[0]
	th.Model = []string{"T5-T6", "T9-T10", "D6", "Round", "Unknown"}[r.IntN(5)]
	if th.Model == "Round" {
		th.LCCID = "TCC-1234567"
	}
	th.HoldStep = []int{10, 15}[r.IntN(2)]
	th.Deadband = []float64{0, 2, 3}[r.IntN(3)]
	th.Modes = [][]devices.HVACMode{
		{devices.Heat, devices.Off}, {devices.Cool, devices.Off}, {devices.Heat, devices.Off, devices.Cool},
		{devices.Heat, devices.Off, devices.Cool, devices.HeatCool},
	}[r.IntN(4)]
	th.Mode = th.Modes[r.IntN(len(th.Modes))]
	if r.IntN(3) == 0 {
		th.Unit, th.Step, th.Deadband = devices.Celsius, 0.5, th.Deadband/2
		th.CoolMin, th.CoolMax, th.HeatMin, th.HeatMax = 10, 37, 5, 32
		th.Schedule = []emulator.Period{{Name: "P1", Cool: 24.5, Heat: 20}}
	}
	th.Alive, th.Vacation = r.IntN(20) > 0, r.IntN(20) == 0
	return th
}

func anyCommand(r *rand.Rand, from devices.ThermostatReading, now time.Time) devices.ThermostatCommand {
	var cmd devices.ThermostatCommand
	degrees := func() *float64 { return new(devices.Fahrenheit.To(from.Unit, 50+r.Float64()*45)) }
	if r.IntN(3) == 0 {
		cmd.Mode = new([]devices.HVACMode{devices.Off, devices.Heat, devices.Cool, devices.HeatCool}[r.IntN(4)])
	}
	if r.IntN(2) == 0 {
		cmd.CoolSetpoint = degrees()
	}
	if r.IntN(2) == 0 {
		cmd.HeatSetpoint = degrees()
	}
	if r.IntN(6) == 0 {
		cmd.Fan = new([]devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate}[r.IntN(3)])
	}
	if r.IntN(2) == 0 && len(from.Holds) > 0 {
		cmd.Hold = &from.Holds[r.IntN(len(from.Holds))]
		if *cmd.Hold == devices.HoldUntil {
			cmd.HoldUntil = new(now.Add(2*time.Minute + time.Duration(r.IntN(23*60))*time.Minute))
		}
	}
	return cmd
}

func TestTokensInTrouble(t *testing.T) {
	h := newHouse(t, emulated.Options{DiesAfter: 10 * time.Minute})
	for range 12 { // an hour of polls, with tokens that expire after a third of their lifetime
		h.now = h.now.Add(5 * time.Minute)
		h.read()
	}
	h.api.KillTokens()
	h.read()
	h.api.Revoke()
	h.now = h.now.Add(time.Hour)
	_, err := h.Read(t.Context())
	if e := kindOf(t, err, devices.Unauthorized); !strings.Contains(e.Error(), "powermgr auth") {
		t.Error(e)
	}
	h.consent()
	h.read()
}

func TestTwoNodesEachWithItsOwnConsent(t *testing.T) {
	h := newHouse(t, emulated.Options{})
	first := h.Client
	h.Client = h.client(filepath.Join(t.TempDir(), "other.json"))
	h.consent()
	for range 4 {
		h.now = h.now.Add(time.Hour)
		h.read()
		if _, err := first.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRateLimit(t *testing.T) {
	h := newHouse(t, emulated.Options{HourlyCalls: 2})
	h.read()
	h.read()
	_, err := h.Read(t.Context())
	if e := kindOf(t, err, devices.Throttled); e.RetryAfter != 0 || !strings.Contains(e.Error(), "rate limit has been exhausted") {
		t.Errorf("%+v", e)
	}
	h.now = h.now.Add(time.Hour)
	h.read()
}

func TestFaults(t *testing.T) {
	cmd := devices.ThermostatCommand{CoolSetpoint: new(79.0)}
	for _, tt := range []struct {
		name  string
		fault emulator.Fault
		read  devices.Kind
		write devices.Kind
		maybe bool
	}{
		{"a web page", emulator.Fault{Class: emulator.HTML}, devices.Nonsense, devices.Nonsense, true},
		{"an outage", emulator.Fault{Class: emulator.Status, Status: 503, RetryAfter: 30}, devices.Unreachable, devices.Unreachable, true},
		{"too many", emulator.Fault{Class: emulator.Status, Status: 429, Body: `{"code":"429.02.001"}`}, devices.Throttled, devices.Throttled, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, emulated.Options{})
			id := h.read()[0].ID()
			h.inject(tt.fault, "resideo.locations", "resideo.write")
			_, err := h.Read(t.Context())
			_ = kindOf(t, err, tt.read)
			if e := kindOf(t, h.Apply(t.Context(), id, cmd), tt.write); e.MaybeDone != tt.maybe {
				t.Errorf("%+v", e)
			}
			h.read()
			if err := h.Apply(t.Context(), id, cmd); err != nil {
				t.Errorf("when it is over: %v", err)
			}
		})
	}
	t.Run("garbage", func(t *testing.T) {
		h := newHouse(t, emulated.Options{})
		id := h.read()[0].ID()
		h.inject(emulator.Fault{Class: emulator.Garbage}, "resideo.locations", "resideo.thermostat")
		_, err := h.Read(t.Context())
		_ = kindOf(t, err, devices.Nonsense)
		_ = kindOf(t, h.Apply(t.Context(), id, cmd), devices.Nonsense)
		if len(h.writes) != 0 {
			t.Errorf("written to: %v", h.writes)
		}
	})
	t.Run("a write that is ignored", func(t *testing.T) {
		h := newHouse(t, emulated.Options{})
		id := h.read()[0].ID()
		h.inject(emulator.Fault{Class: emulator.Ignore}, "resideo.write")
		if err := h.Apply(t.Context(), id, cmd); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(3 * time.Minute)
		if r := h.read()[0]; *r.CoolSetpoint != 76 || *r.Hold != devices.HoldSchedule {
			t.Errorf("%+v", r)
		}
	})
}

func (h *house) inject(f emulator.Fault, endpoints ...string) {
	h.t.Helper()
	for _, e := range endpoints {
		f.Endpoint = e
		if err := h.cloud.AddFaults(f); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestFieldsThatAreMissing: whichever field the cloud leaves out, nothing breaks, and each
// figure is as before or unknown.
func TestFieldsThatAreMissing(t *testing.T) {
	for _, field := range []string{
		"units", "changeableValues", "isAlive", "isUpgrading", "service", "indoorTemperature", "indoorHumidity", "outdoorTemperature", "allowedModes",
		"deadband", "minHeatSetpoint", "maxCoolSetpoint", "mode", "autoChangeoverActive", "emergencyHeatActive", "heatSetpoint", "coolSetpoint",
		"thermostatSetpointStatus", "nextPeriodTime", "heatCoolMode", "operationStatus", "settings", "fan", "vacationHold", "currentSchedulePeriod",
		"allowedTimeIncrements", "name", "userDefinedDeviceName", "ianaTimeZone", "deviceModel", "locationID", "deviceID", "deviceClass", "devices",
	} {
		t.Run(field, func(t *testing.T) {
			h := newHouse(t, emulated.Options{})
			whole := h.read()
			h.inject(emulator.Fault{Class: emulator.Missing, Fields: []string{field}, Count: -1}, "resideo.locations", "resideo.thermostat")
			readings, err := h.Read(t.Context())
			if err != nil {
				_ = kindOf(t, err, devices.Nonsense)
			}
			for i, r := range readings {
				if r.CoolSetpoint != nil && *r.CoolSetpoint != *whole[i].CoolSetpoint || r.Mode != nil && !slices.Contains(r.Modes, *r.Mode) && len(r.Modes) > 0 {
					t.Errorf("%+v", r)
				}
			}
			if err := h.Apply(t.Context(), whole[0].ID(), devices.ThermostatCommand{CoolSetpoint: new(79.0)}); err != nil {
				kind := devices.KindOf(err)
				if kind != devices.Nonsense && kind != devices.Refused {
					t.Errorf("%v", err)
				}
				return
			}
			h.cloud.ClearFaults()
			h.now = h.now.Add(time.Minute)
			if r := h.read()[0]; *r.CoolSetpoint != 79 || *r.HeatSetpoint != 69 || *r.Mode != devices.HeatCool {
				t.Errorf("a write without having seen %s resulted in %+v", field, r)
			}
		})
	}
}

// A limit on reads does not apply to commands. Otherwise nothing could be restored while it
// lasts.
func TestLimitOnReadsHoldsBackNoGiveBack(t *testing.T) {
	h := newHouse(t, emulated.Options{})
	id := h.read()[0].ID()
	if err := h.cloud.AddFaults(emulator.Fault{Endpoint: "resideo.*", Only: emulator.KindRead, Class: emulator.Status, Status: 429, RetryAfter: 7200, Count: -1}); err != nil {
		t.Fatal(err)
	}
	hold := devices.HoldSchedule
	kindOf(t, h.Apply(t.Context(), id, devices.ThermostatCommand{Hold: &hold}), devices.Throttled)
	if err := h.Apply(t.Context(), id, devices.ThermostatCommand{Hold: &hold, Restores: true}); err != nil || len(h.writes) != 1 {
		t.Errorf("a restoring command: %v, %d writes", err, len(h.writes))
	}
	// The next restoring command and the next poll respect the limit that the first one hit.
	h.cloud.ClearFaults()
	if err := h.Apply(t.Context(), id, devices.ThermostatCommand{Hold: &hold, Restores: true}); err != nil {
		t.Errorf("restored again: %v", err)
	}
	_, err := h.Read(t.Context())
	if e := kindOf(t, err, devices.Throttled); e.RetryAfter <= 0 || e.RetryAfter > 2*time.Hour {
		t.Errorf("a poll may be tried after %v", e.RetryAfter)
	}
	h.now = h.now.Add(2*time.Hour + time.Second)
	h.read()
}

package tcc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	emulated "powermgr/devices/emulator/tcc"
)

// estate is the emulated portal on the emulated house, and a clock.
type estate struct {
	t      *testing.T
	cloud  *emulator.Cloud
	portal *emulated.Portal
	url    string
	file   string

	mu     sync.Mutex
	now    time.Time
	counts map[string]int // requests by endpoint
}

func newEstate(t *testing.T, o emulated.Options) *estate {
	e := &estate{t: t, now: noon, counts: map[string]int{}, file: filepath.Join(t.TempDir(), "session.json")}
	e.cloud = emulator.New(emulator.Options{
		Now: e.clock, Location: home,
		OnRequest: func(r emulator.Request) { e.mu.Lock(); e.counts[r.Endpoint]++; e.mu.Unlock() },
	})
	e.portal = emulated.Serve(e.cloud, o)
	server := httptest.NewServer(e.cloud.Handler())
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

func (e *estate) clock() time.Time { e.mu.Lock(); defer e.mu.Unlock(); return e.now }

func (e *estate) pass(d time.Duration) { e.mu.Lock(); e.now = e.now.Add(d); e.mu.Unlock() }

func (e *estate) count(endpoint string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[endpoint]
}

func (e *estate) start(change ...func(*Options)) *Client {
	e.t.Helper()
	o := Options{BaseURL: e.url, Username: "owner@example.com", Password: "emulator-password", SessionFile: e.file, Location: home, Now: e.clock}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		e.t.Fatal(err)
	}
	return c
}

func (e *estate) read(c *Client) []devices.ThermostatReading {
	e.t.Helper()
	r, err := c.Read(context.Background())
	if err != nil {
		e.t.Fatal(err)
	}
	return r
}

func (e *estate) apply(c *Client, cmd devices.ThermostatCommand) error {
	return c.Apply(context.Background(), "1000001", cmd)
}

// The emulated portal's answers have every field of the real ones, with the same types.
func TestEmulatedAnswersHaveTheRealShape(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	c := e.start()
	e.read(c)
	for _, tt := range []struct {
		file string
		r    request
	}{
		{"check_data_session.json", request{method: http.MethodGet, path: "/portal/Device/CheckDataSession/1000001"}},
		{"location_list.json", request{method: http.MethodPost, path: "/portal/Location/GetLocationListData/", query: url.Values{"page": {"1"}}}},
		{"zone_list.json", request{method: http.MethodPost, path: "/portal/Device/GetZoneListData", query: url.Values{"locationId": {"123456"}, "page": {"1"}}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			body, err := c.call(context.Background(), "look", tt.r)
			if err != nil {
				t.Fatal(err)
			}
			var real, emulated any
			if err := errors.Join(json.Unmarshal(testdata(t, tt.file), &real), json.Unmarshal(body, &emulated)); err != nil {
				t.Fatal(err)
			}
			for _, lack := range lacking("", real, emulated) {
				t.Error(lack)
			}
		})
	}
}

func lacking(at string, real, emulated any) (lacks []string) {
	switch real := real.(type) {
	case map[string]any:
		got, ok := emulated.(map[string]any)
		if !ok {
			return []string{at + " is not an object"}
		}
		for k, v := range real {
			if _, ok := got[k]; !ok {
				lacks = append(lacks, at+"."+k+" is missing")
			} else if v != nil {
				lacks = append(lacks, lacking(at+"."+k, v, got[k])...)
			}
		}
	case []any:
		got, ok := emulated.([]any)
		switch {
		case !ok || len(real) > 0 && len(got) == 0:
			return []string{at + " is not a list"}
		case len(real) > 0:
			return lacking(at+"[0]", real[0], got[0])
		}
	default:
		if fmt.Sprintf("%T", real) != fmt.Sprintf("%T", emulated) {
			return []string{fmt.Sprintf("%s is %T, not %T", at, emulated, real)}
		}
	}
	return lacks
}

func TestEmulatedHouseIsRead(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	rs := e.read(e.start())
	if len(rs) != 2 {
		t.Fatalf("%d thermostats, want 2", len(rs))
	}
	r := rs[0]
	if r.ID() != "1000001" || r.Name != "DOWNSTAIRS" || *r.Mode != devices.HeatCool || *r.CoolSetpoint != 77 || *r.HeatSetpoint != 67 ||
		*r.Hold != devices.HoldSchedule || r.HoldUntil != nil || r.Unit != devices.Fahrenheit || r.Deadband != 3 || !r.Alive || r.UtilityEvent ||
		*r.ScheduleCool != 77 || *r.ScheduleHeat != 67 || *r.Fan != devices.FanAuto || r.Action == nil || r.OutdoorTemperature != nil || *r.Humidity != 41 {
		t.Errorf("got %+v", r)
	}
}

func TestEmulatedPages(t *testing.T) {
	e := newEstate(t, emulated.Options{PerPage: 1})
	if rs := e.read(e.start()); len(rs) != 2 {
		t.Errorf("%d thermostats on two pages, want 2", len(rs))
	}
	if n := e.count("tcc.locations"); n != 3 {
		t.Errorf("%d pages were asked for, want two and an empty one", n)
	}
}

func TestEmulatedModels(t *testing.T) {
	e := newEstate(t, emulated.Options{NoEquipmentStatus: true, OutdoorSensor: true})
	r := e.read(e.start())[0]
	if r.Action != nil || r.OutdoorTemperature == nil || *r.OutdoorTemperature < 60 {
		t.Errorf("action %v, outdoor %v", r.Action, r.OutdoorTemperature)
	}
}

// A set point for the peak is written with its end, is shown a while later, and ends by
// itself.
func TestHoldUntilTheEndOfThePeak(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	c := e.start()
	end := time.Date(2026, 7, 15, 18, 50, 0, 0, home)
	err := e.apply(c, devices.ThermostatCommand{CoolSetpoint: new(79.0), Hold: new(devices.HoldUntil), HoldUntil: &end})
	if err != nil {
		t.Fatal(err)
	}
	if r := e.read(c)[0]; *r.CoolSetpoint != 77 {
		t.Errorf("the portal shows %g at once", *r.CoolSetpoint)
	}
	e.pass(20 * time.Second)
	r := e.read(c)[0]
	if *r.CoolSetpoint != 79 || *r.HeatSetpoint != 67 || *r.Hold != devices.HoldUntil || !r.HoldUntil.Equal(time.Date(2026, 7, 15, 19, 0, 0, 0, home)) {
		t.Errorf("got %g, %g, %v until %v; want 79, 67, until 19:00", *r.CoolSetpoint, *r.HeatSetpoint, *r.Hold, r.HoldUntil)
	}
	e.pass(7*time.Hour + time.Minute)
	if r := e.read(c)[0]; *r.Hold != devices.HoldSchedule || *r.CoolSetpoint != 76 {
		t.Errorf("after the end it is %g by %v", *r.CoolSetpoint, *r.Hold)
	}
}

func TestEmulatedCommands(t *testing.T) {
	for _, tt := range []struct {
		name string
		cmd  devices.ThermostatCommand
		want func(r devices.ThermostatReading) bool
	}{
		{"permanent", devices.ThermostatCommand{CoolSetpoint: new(80.0), Hold: new(devices.HoldPermanent)},
			func(r devices.ThermostatReading) bool {
				return *r.CoolSetpoint == 80 && *r.Hold == devices.HoldPermanent
			}},
		{"temporary ends with the period, and shows as until", devices.ThermostatCommand{CoolSetpoint: new(80.0), Hold: new(devices.HoldTemporary)},
			func(r devices.ThermostatReading) bool {
				return *r.Hold == devices.HoldUntil && r.HoldUntil.Equal(time.Date(2026, 7, 15, 15, 0, 0, 0, home))
			}},
		{"mode", devices.ThermostatCommand{Mode: new(devices.Cool)}, func(r devices.ThermostatReading) bool { return *r.Mode == devices.Cool }},
		{"off", devices.ThermostatCommand{Mode: new(devices.Off)}, func(r devices.ThermostatReading) bool {
			return *r.Mode == devices.Off && *r.Action == devices.ActionOff
		}},
		{"fan", devices.ThermostatCommand{Fan: new(devices.FanOn)}, func(r devices.ThermostatReading) bool { return *r.Fan == devices.FanOn }},
		{"deadband", devices.ThermostatCommand{CoolSetpoint: new(68.0)}, func(r devices.ThermostatReading) bool { return *r.CoolSetpoint == 68 && *r.HeatSetpoint == 65 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEstate(t, emulated.Options{})
			c := e.start()
			if err := e.apply(c, tt.cmd); err != nil {
				t.Fatal(err)
			}
			e.pass(time.Minute)
			if r := e.read(c)[0]; !tt.want(r) {
				t.Errorf("got mode %v, cool %g, heat %g, hold %v until %v, fan %v, action %v", *r.Mode, *r.CoolSetpoint, *r.HeatSetpoint, *r.Hold, r.HoldUntil, *r.Fan, r.Action)
			}
			if err := e.apply(c, devices.ThermostatCommand{Hold: new(devices.HoldSchedule)}); err != nil {
				t.Fatal(err)
			}
			e.pass(time.Minute)
			if r := e.read(c)[0]; *r.Hold != devices.HoldSchedule || *r.CoolSetpoint != 77 || *r.HeatSetpoint != 67 {
				t.Errorf("back on the schedule it is %g and %g by %v", *r.CoolSetpoint, *r.HeatSetpoint, *r.Hold)
			}
		})
	}
}

// Low and high arrive as two messages; neither undoes the other, and neither is read before
// the portal shows it.
func TestTwoSetpointsOneAfterTheOther(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	c := e.start()
	before := e.read(c)[0]
	if err := errors.Join(
		e.apply(c, devices.ThermostatCommand{HeatSetpoint: new(64.0)}),
		e.apply(c, devices.ThermostatCommand{CoolSetpoint: new(81.0)}),
	); err != nil {
		t.Fatal(err)
	}
	if r := e.read(c)[0]; *r.HeatSetpoint != *before.HeatSetpoint || *r.CoolSetpoint != *before.CoolSetpoint {
		t.Errorf("the portal shows %g and %g; read were %g and %g", *before.HeatSetpoint, *before.CoolSetpoint, *r.HeatSetpoint, *r.CoolSetpoint)
	}
	e.pass(time.Minute)
	if r := e.read(c)[0]; *r.HeatSetpoint != 64 || *r.CoolSetpoint != 81 {
		t.Errorf("got %g and %g, want 64 and 81", *r.HeatSetpoint, *r.CoolSetpoint)
	}
}

func TestThermostatsToBeLeftAlone(t *testing.T) {
	cool := devices.ThermostatCommand{CoolSetpoint: new(80.0)}
	for _, tt := range []struct {
		name    string
		person  func(*emulator.Thermostat)
		shows   func(devices.ThermostatReading) bool
		refuses string // "": it still accepts a person's command
	}{
		{"without power", func(th *emulator.Thermostat) { th.Alive = false }, func(r devices.ThermostatReading) bool { return !r.Alive }, "does not reach"},
		{"on vacation", func(th *emulator.Thermostat) { th.Vacation = true }, func(r devices.ThermostatReading) bool { return *r.Hold == devices.HoldVacation }, "vacation"},
		{"in a utility's event", func(th *emulator.Thermostat) { th.UtilityEvent = true }, func(r devices.ThermostatReading) bool { return r.UtilityEvent }, ""},
		{"in emergency heat", func(th *emulator.Thermostat) { th.EmergencyHeat = true }, func(r devices.ThermostatReading) bool { return r.EmergencyHeat && *r.Mode == devices.Heat }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEstate(t, emulated.Options{})
			c := e.start()
			e.cloud.Person(func(h *emulator.House) { tt.person(h.Thermostats[0]) })
			if r := e.read(c)[0]; !tt.shows(r) {
				t.Errorf("got %+v", r)
			}
			err := e.apply(c, cool)
			if tt.refuses == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if devices.KindOf(err) != devices.Refused || !strings.Contains(err.Error(), tt.refuses) {
				t.Errorf("got %v", err)
			}
			if n := e.count("tcc.submit"); n != 0 {
				t.Errorf("%d submissions", n)
			}
		})
	}
}

func TestEmulatedSessions(t *testing.T) {
	for _, gone := range []int{0, 401, 403} {
		t.Run(fmt.Sprintf("a dead session answers %d", gone), func(t *testing.T) {
			e := newEstate(t, emulated.Options{Gone: gone})
			c := e.start()
			e.read(c)
			e.portal.EndSessions()
			if _, err := c.Read(context.Background()); devices.KindOf(err) != devices.Unreachable {
				t.Errorf("within ten minutes: %v", err)
			}
			e.pass(10 * time.Minute)
			e.read(c)
			e.pass(31 * time.Minute)
			e.read(c)
			if n := e.count("tcc.login"); n != 3 {
				t.Errorf("%d log-ins, want 3", n)
			}
		})
	}
}

func TestTwoHundredRestartsAgainstTheEmulator(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	for range 200 {
		if rs := e.read(e.start()); len(rs) != 2 {
			t.Fatalf("%d thermostats", len(rs))
		}
		e.pass(5 * time.Second)
	}
	if n := e.count("tcc.login"); n != 1 {
		t.Errorf("%d log-ins in 200 restarts", n)
	}
}

// A portal that drops its sessions all day does not lock the account.
func TestSessionsThatNeverLast(t *testing.T) {
	e := newEstate(t, emulated.Options{SessionLife: time.Second, MostLogIns: 1})
	for range 24 * 12 {
		_, err := e.start().Read(context.Background())
		if k := devices.KindOf(err); err != nil && k != devices.Unreachable {
			t.Fatalf("got %v", err)
		}
		e.pass(5 * time.Minute)
	}
	if n := e.count("tcc.login"); n < 100 || n > 145 {
		t.Errorf("%d log-ins in a day", n)
	}
}

func TestEmulatedLogIns(t *testing.T) {
	t.Run("wrong password", func(t *testing.T) {
		e := newEstate(t, emulated.Options{})
		for range 3 {
			_, err := e.start(func(o *Options) { o.Password = "wrong" }).Read(context.Background())
			if devices.KindOf(err) != devices.Unauthorized {
				t.Errorf("got %v", err)
			}
			e.pass(time.Hour)
		}
		if n := e.count("tcc.login"); n != 1 {
			t.Errorf("the wrong password was sent %d times", n)
		}
		e.read(e.start()) // the right password works at once
	})
	t.Run("an empty cookie, the error page, then a session", func(t *testing.T) {
		e := newEstate(t, emulated.Options{LogIns: []string{emulated.LogInNull, emulated.LogInMishap}})
		for range 2 {
			if _, err := e.start().Read(context.Background()); devices.KindOf(err) != devices.Unreachable {
				t.Errorf("got %v", err)
			}
			e.pass(20 * time.Minute)
		}
		e.read(e.start())
	})
	t.Run("locked out by somebody else's app", func(t *testing.T) {
		e := newEstate(t, emulated.Options{})
		for range 6 {
			if res, err := http.PostForm(e.url+"/portal", url.Values{"UserName": {"owner@example.com"}, "Password": {"guess"}}); err == nil {
				res.Body.Close()
			}
		}
		before := e.count("tcc.login")
		for range 60 {
			_, err := e.start().Read(context.Background())
			if err == nil {
				break
			}
			if devices.KindOf(err) != devices.LockedOut {
				t.Fatalf("got %v", err)
			}
			e.pass(time.Minute)
		}
		if n := e.count("tcc.login") - before; n < 2 || n > 4 {
			t.Errorf("%d log-ins in an hour of being locked out", n)
		}
		e.pass(2 * time.Hour)
		e.read(e.start())
	})
}

func TestEmulatedFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault emulator.Fault
		kind  devices.Kind
	}{
		{"503", emulator.Fault{Endpoint: "tcc.check", Class: emulator.Status, Status: 503}, devices.Unreachable},
		{"Unexpected Error", emulator.Fault{Endpoint: "tcc.check", Class: emulator.HTML}, devices.Unreachable},
		{"garbage from both", emulator.Fault{Endpoint: "tcc.check", Class: emulator.Garbage, Count: 2}, devices.Nonsense},
		{"no unit from both", emulator.Fault{Endpoint: "tcc.check", Class: emulator.Missing, Fields: []string{"DisplayUnits"}, Count: 2}, devices.Nonsense},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEstate(t, emulated.Options{})
			c := e.start()
			e.read(c)
			e.cloud.AddFaults(tt.fault)
			if _, err := c.Read(context.Background()); devices.KindOf(err) != tt.kind {
				t.Errorf("got %v, want %v", err, tt.kind)
			}
			e.read(c)
			if n := e.count("tcc.login"); n != 1 {
				t.Errorf("%d log-ins", n)
			}
		})
	}
}

// The emulated portal is as strict as the real one; otherwise the tests above would prove
// nothing.
func TestEmulatedPortalRefuses(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	c := e.start()
	e.read(c)
	const good = `{"DeviceID":1000001,"SystemSwitch":null,"HeatSetpoint":66,"CoolSetpoint":78,"HeatNextPeriod":76,"CoolNextPeriod":76,"StatusHeat":1,"StatusCool":1,"FanMode":null}`
	for _, tt := range []struct{ name, old, new, want string }{
		{"nothing", "", "", "1"},
		{"a tenth field", `"FanMode":null`, `"FanMode":null,"Humidity":40`, "0"},
		{"a single set point", `"HeatSetpoint":66`, `"HeatSetpoint":null`, "0"},
		{"a single status", `"StatusHeat":1`, `"StatusHeat":null`, "0"},
		{"a set point between steps", `"CoolSetpoint":78`, `"CoolSetpoint":78.3`, "0"},
		{"a set point outside the limits", `"CoolSetpoint":78`, `"CoolSetpoint":100`, "0"},
		{"set points within the deadband", `"CoolSetpoint":78`, `"CoolSetpoint":68`, "0"},
		{"an invalid time", `"HeatNextPeriod":76,"CoolNextPeriod":76`, `"HeatNextPeriod":97,"CoolNextPeriod":97`, "0"},
		{"emergency heat", `"SystemSwitch":null`, `"SystemSwitch":0`, "0"},
		{"another device", `1000001`, `5`, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := c.call(context.Background(), "set", request{
				method: http.MethodPost, path: "/portal/Device/SubmitControlScreenChanges", body: []byte(strings.Replace(good, tt.old, tt.new, 1)), write: true,
			})
			if want := `{"success":` + tt.want + `}`; err != nil || string(body) != want {
				t.Errorf("got %s, %v; want %s", body, err, want)
			}
		})
	}
}

func TestLogOffEndsTheSession(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	c := e.start()
	e.read(c)
	req, err := http.NewRequest(http.MethodPost, e.url+"/portal/Account/LogOff", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: authCookie, Value: c.session.Cookies[authCookie]})
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if _, err := c.Read(context.Background()); devices.KindOf(err) != devices.Unreachable {
		t.Errorf("got %v after a log-off", err)
	}
}

// A limit on reads does not apply to commands. Otherwise nothing could be restored while it
// lasts.
func TestLimitOnReadsHoldsBackNoGiveBack(t *testing.T) {
	e := newEstate(t, emulated.Options{})
	c := e.start()
	e.read(c)
	if err := e.cloud.AddFaults(emulator.Fault{Endpoint: "tcc.*", Only: emulator.KindRead, Class: emulator.Status, Status: 429, RetryAfter: 7200, Count: -1}); err != nil {
		t.Fatal(err)
	}
	hold := devices.HoldSchedule
	if err := e.apply(c, devices.ThermostatCommand{Hold: &hold}); devices.KindOf(err) != devices.Throttled {
		t.Errorf("another command: %v", err)
	}
	if err := e.apply(c, devices.ThermostatCommand{Hold: &hold, Restores: true}); err != nil || e.count("tcc.submit") != 1 {
		t.Errorf("a restoring command: %v, %d submits", err, e.count("tcc.submit"))
	}
	// The next restoring command and the next poll respect the limit that the first one hit.
	asked := e.count("tcc.check")
	if err := e.apply(c, devices.ThermostatCommand{Hold: &hold, Restores: true}); err != nil || e.count("tcc.submit") != 2 {
		t.Errorf("restored again: %v, %d submits", err, e.count("tcc.submit"))
	}
	if _, err := c.Read(t.Context()); devices.KindOf(err) != devices.Throttled {
		t.Errorf("a poll: %v", err)
	}
	if n := e.count("tcc.check") - asked; n != 0 {
		t.Errorf("asked %d times before the portal allows it", n)
	}
}

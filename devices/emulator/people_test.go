package emulator_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"powermgr/devices"

	"powermgr/devices/emulator"
)

func TestPeople(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		is         func(emulator.Truth) bool
	}{
		{"the reserve", `{"device":"powerwall","reserve":50}`, func(x emulator.Truth) bool { return x.Reserve == 50 }},
		{"a reserve that Tesla changes", `{"device":"powerwall","reserve":90}`, func(x emulator.Truth) bool { return x.Reserve == 80 }},
		{"a site that keeps 20 % at least", `{"device":"powerwall","reserve":0,"reserve_floor":20}`, func(x emulator.Truth) bool { return x.Reserve == 20 }},
		{"a site that accepts 80 % at most", `{"device":"powerwall","reserve":100,"reserve_cap":80}`, func(x emulator.Truth) bool { return x.Reserve == 80 }},
		{"the mode", `{"device":"powerwall","mode":"autonomous"}`, func(x emulator.Truth) bool { return x.Mode == devices.Autonomous }},
		{"a storm", `{"device":"powerwall","storm_active":true,"storm_watch":true}`, func(x emulator.Truth) bool { return x.StormActive }},
		{"an outage", `{"device":"powerwall","off_grid":true}`, func(x emulator.Truth) bool { return x.OffGrid }},
		{"grid services", `{"device":"powerwall","grid_services_active":true}`, func(x emulator.Truth) bool { return x.GridServices }},
		{"export", `{"device":"powerwall","export_rule":"never","grid_charging":false}`, func(x emulator.Truth) bool { return x.ExportRule == devices.ExportNone && !x.GridCharging }},
		{"a set point on a schedule is a temporary hold", `{"device":"LCC-00A01AB10001","cool":74}`, func(x emulator.Truth) bool {
			th := x.Thermostats[0]
			return th.Cool == 74 && th.Hold == devices.HoldTemporary && th.HoldUntil.In(pacific).Hour() == 15
		}},
		{"a permanent hold", `{"device":"LCC-00A01AB10002","cool":74,"heat":66,"hold":"permanent"}`, func(x emulator.Truth) bool {
			th := x.Thermostats[1]
			return th.Cool == 74 && th.Heat == 66 && th.Hold == devices.HoldPermanent
		}},
		{"until a time", `{"device":"LCC-00A01AB10001","cool":74,"hold":"until","hold_until":"2026-07-15T18:30:00-07:00"}`, func(x emulator.Truth) bool {
			return x.Thermostats[0].Hold == devices.HoldUntil && x.Thermostats[0].HoldUntil.In(pacific).Minute() == 30
		}},
		{"off", `{"device":"LCC-00A01AB10001","mode":"off"}`, func(x emulator.Truth) bool { return x.Thermostats[0].Mode == devices.Off }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(t, emulator.Options{})
			status, body := v.Do("POST", "/emulator/people", tt.body)
			if status != 200 || !json.Valid([]byte(body)) || !tt.is(v.cloud.Truth()) {
				t.Errorf("%d %s", status, body)
			}
			if len(v.seen) != 0 {
				t.Errorf("a person counts as a request to a vendor: %+v", v.seen)
			}
		})
	}
}

func TestPeopleThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", ``, "send {"},
		{"an unknown field", `{"device":"powerwall","reserv":5}`, "reserv"},
		{"an unknown device", `{"device":"LCC-1","cool":74}`, "there is no device"},
		{"a reserve over 100", `{"device":"powerwall","reserve":101}`, "0–100"},
		{"a floor over 100", `{"device":"powerwall","reserve_floor":101}`, "0–100"},
		{"an unknown mode", `{"device":"powerwall","mode":"cool"}`, "self_consumption"},
		{"a battery's setting on a thermostat", `{"device":"LCC-00A01AB10001","reserve":20}`, "none of a Powerwall's"},
		{"a set point on a battery", `{"device":"powerwall","cool":74}`, "none of a thermostat's"},
		{"a set point out of range", `{"device":"LCC-00A01AB10001","cool":120}`, "outside 50–99"},
		{"an unknown hold", `{"device":"LCC-00A01AB10001","hold":"forever"}`, "permanent"},
		{"until without a time", `{"device":"LCC-00A01AB10001","cool":74,"hold":"until"}`, "go together"},
		{"until yesterday", `{"device":"LCC-00A01AB10001","hold":"until","hold_until":"2026-07-14T18:30:00-07:00"}`, "within a day"},
		{"one wrong value: nothing changes", `{"device":"powerwall","reserve":50,"export_rule":"all"}`, "export rule"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(t, emulator.Options{})
			before := v.cloud.Truth()
			status, body := v.Do("POST", "/emulator/people", tt.body)
			if status != 400 || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s", status, body)
			}
			if after := v.cloud.Truth(); after.Reserve != before.Reserve || after.Thermostats[0] != before.Thermostats[0] {
				t.Error("something changed anyway")
			}
		})
	}
}

// A change at the thermostat itself does not wait for the cloud's queue.
func TestAPersonDoesNotQueueBehindTheCloud(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	v.cloud.Person(func(h *emulator.House) {
		h.Thermostats[0].Submit(v.now, emulator.Setting{Cool: new(82.0), Hold: new(devices.HoldPermanent)}, 20*time.Second)
	})
	v.Do("POST", "/emulator/people", `{"device":"LCC-00A01AB10001","cool":72}`)
	if th := v.cloud.Truth().Thermostats[0]; th.Cool != 72 || !th.Pending {
		t.Errorf("%+v", th)
	}
	v.now = v.now.Add(20 * time.Second)
	if th := v.cloud.Truth().Thermostats[0]; th.Cool != 82 || th.Pending {
		t.Errorf("the pending command did not land: %+v", th)
	}
}

func TestStateIsTheTruth(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	v.now = v.now.Add(time.Hour)
	status, body := v.Do("GET", "/emulator/state", "")
	var x emulator.Truth
	if err := json.Unmarshal([]byte(body), &x); err != nil || status != 200 || x.Books != v.cloud.Truth().Books || x.Books.Home <= 0 {
		t.Errorf("%d %v %s", status, err, body)
	}
}

func FuzzPeople(f *testing.F) {
	f.Add([]byte(`{"device":"powerwall","reserve":50,"mode":"backup"}`))
	f.Add([]byte(`{"device":"LCC-00A01AB10001","cool":74,"hold":"until","hold_until":"2026-07-15T18:30:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)
		c := emulator.New(emulator.Options{Now: func() time.Time { return now }})
		w := httptest.NewRecorder()
		if c.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/emulator/people", bytes.NewReader(b))); w.Code != 200 {
			return
		}
		now = now.Add(10 * time.Minute)
		if x := c.Truth(); !devices.Finite(x.HomeW) || !devices.Finite(x.Thermostats[0].Temperature) || x.Reserve < 0 || x.Reserve > 100 {
			t.Errorf("%s made %+v", b, x)
		}
	})
}

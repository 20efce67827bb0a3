package emulator_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"powermgr/devices/emulator"
)

func TestFaultClasses(t *testing.T) {
	backup := site + "backup"
	const fifty = `{"backup_reserve_percent":50}`
	for _, tt := range []struct {
		name, fault  string
		method, path string
		status       int
		body         func(string) bool
		done         bool // the reserve is 50 afterwards
		slept        time.Duration
	}{
		{"status", `{"endpoint":"tesla.backup","class":"status","status":503,"body":"busy","retry_after":7}`, "POST", backup, 503,
			func(b string) bool { return b == "busy" }, false, 0},
		{"latency: done, and answered late", `{"endpoint":"tesla.backup","class":"latency","seconds":45}`, "POST", backup, 200,
			func(b string) bool { return strings.HasPrefix(b, `{"response":`) }, true, 45 * time.Second},
		{"hang", `{"endpoint":"tesla.backup","class":"hang"}`, "POST", backup, 504, func(b string) bool { return b == "" }, false, time.Hour},
		{"html", `{"endpoint":"tesla.backup","class":"html"}`, "POST", backup, 200, func(b string) bool { return strings.HasPrefix(b, "<!DOCTYPE html>") }, false, 0},
		{"garbage", `{"endpoint":"tesla.backup","class":"garbage"}`, "POST", backup, 200,
			func(b string) bool { return b != "" && !json.Valid([]byte(b)) }, true, 0},
		{"missing", `{"endpoint":"tesla.site_info","class":"missing","fields":["storm_mode_enabled","backup_reserve_percent"]}`, "GET", site + "site_info", 200,
			func(b string) bool {
				return json.Valid([]byte(b)) && !strings.Contains(b, "storm_mode_enabled") && !strings.Contains(b, "backup_reserve_percent") && strings.Contains(b, "sync_grid_alert_enabled")
			}, false, 0},
		{"ignore: answered, and not done", `{"endpoint":"tesla.backup","class":"ignore"}`, "POST", backup, 200,
			func(b string) bool { return strings.HasPrefix(b, `{"response":`) }, false, 0},
		{"expire", `{"endpoint":"tesla.backup","class":"expire"}`, "POST", backup, 401, func(b string) bool { return b == "" }, false, 0},
		{"a prefix", `{"endpoint":"tesla.*","class":"status","status":500}`, "POST", backup, 500, func(b string) bool { return b == "" }, false, 0},
		{"everything", `[{"endpoint":"*","class":"status","status":502}]`, "GET", "/v1/forecast", 502, func(b string) bool { return b == "" }, false, 0},
		{"another endpoint", `{"endpoint":"tesla.operation","class":"status","status":503}`, "POST", backup, 200, func(b string) bool { return b != "" }, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			slept := time.Duration(0)
			v := newVisit(t, emulator.Options{Sleep: func(_ context.Context, d time.Duration) error { slept += d; return nil }})
			if status, body := v.Do("POST", "/emulator/faults", tt.fault); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			status, body := v.Do(tt.method, tt.path, fifty)
			if status != tt.status || !tt.body(body) || slept != tt.slept {
				t.Errorf("%d %q after %v", status, body, slept)
			}
			x := v.cloud.Truth()
			if (x.Reserve == 50) != tt.done {
				t.Errorf("the reserve is %d", x.Reserve)
			}
			r := v.seen[len(v.seen)-1]
			if tt.name == "hang" && r.Status != 0 {
				t.Errorf("a hanging request is reported as %d", r.Status)
			}
			if w := r.Write; w != nil && w.Carried != tt.done {
				t.Errorf("carried %v, done %v", w.Carried, tt.done)
			}
		})
	}
}

func TestFaultsRunOut(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	statuses := func(n int) (got []int) {
		for range n {
			status, _ := v.Do("GET", "/api/1/products", "")
			got = append(got, status)
		}
		return got
	}
	equal := func(name string, got []int, want ...int) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", name, got, want)
				return
			}
		}
	}
	v.Do("POST", "/emulator/faults", `[{"endpoint":"tesla.products","class":"status","status":503,"count":2},{"endpoint":"tesla.*","class":"status","status":500}]`)
	equal("one after the other", statuses(4), 503, 503, 500, 200)
	v.Do("POST", "/emulator/faults", `{"endpoint":"tesla.*","class":"status","status":408,"count":-1}`)
	equal("until cleared", statuses(5), 408, 408, 408, 408, 408)
	if _, body := v.Do("GET", "/emulator/faults", ""); !strings.Contains(body, `"status":408`) {
		t.Errorf("it is not listed: %s", body)
	}
	if status, _ := v.Do("DELETE", "/emulator/faults", ""); status != 204 {
		t.Errorf("clearing answers %d", status)
	}
	equal("cleared", statuses(1), 200)
	if r := v.seen[0]; r.Fault != emulator.Status || r.Status != 503 {
		t.Errorf("reported as %+v", r)
	}
}

// A caller that has given up gets no answer, but its write is still carried out: the
// outcome of a write that timed out is unknown.
func TestALatencyThatNobodyWaitsFor(t *testing.T) {
	v := newVisit(t, emulator.Options{Sleep: func(context.Context, time.Duration) error { return context.Canceled }})
	if err := v.cloud.AddFaults(emulator.Fault{Endpoint: "tesla.backup", Class: emulator.Latency, Seconds: 60}); err != nil {
		t.Fatal(err)
	}
	if _, body := v.Do("POST", site+"backup", `{"backup_reserve_percent":50}`); body != "" {
		t.Errorf("%q", body)
	}
	if got := v.cloud.Truth().Reserve; got != 50 {
		t.Errorf("the reserve is %d", got)
	}
}

func TestFaultsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", ``, "send {"},
		{"not JSON", `503`, "not as expected"},
		{"an unknown field", `{"endpoint":"tesla.backup","class":"hang","counts":2}`, "counts"},
		{"two values", `{"endpoint":"tesla.backup","class":"hang"} {}`, "goes on"},
		{"no endpoint", `{"class":"hang"}`, "no endpoint"},
		{"an unknown endpoint", `{"endpoint":"tesla.bakup","class":"hang"}`, "tesla.backup"},
		{"a prefix without an endpoint", `{"endpoint":"nest.*","class":"hang"}`, "there is no endpoint"},
		{"no class", `{"endpoint":"*"}`, "latency"},
		{"an invalid status", `{"endpoint":"*","class":"status","status":99}`, "200–599"},
		{"a status without a number", `{"endpoint":"*","class":"status"}`, "200–599"},
		{"a negative count", `{"endpoint":"*","class":"hang","count":-2}`, "count"},
		{"a latency of zero", `{"endpoint":"*","class":"latency"}`, "latency"},
		{"a latency of a day", `{"endpoint":"*","class":"latency","seconds":86400}`, "latency"},
		{"no fields", `{"endpoint":"*","class":"missing"}`, "fields"},
		{"no values", `{"endpoint":"*","class":"replace"}`, "values"},
		{"a lag of zero", `{"endpoint":"*","class":"lag"}`, "lag"},
		{"a lag of two days", `{"endpoint":"*","class":"lag","seconds":172800}`, "lag"},
		{"a negative length", `{"endpoint":"*","class":"hang","lasts":-1}`, "last"},
		{"an unknown kind of request", `{"endpoint":"*","class":"hang","only":"get"}`, "login"},
		{"a kind that the endpoint does not have", `{"endpoint":"tesla.backup","class":"hang","only":"read"}`, "there is no endpoint"},
		{"the second of two", `[{"endpoint":"*","class":"hang"},{"endpoint":"*","class":"x"}]`, "fault 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(t, emulator.Options{})
			status, body := v.Do("POST", "/emulator/faults", tt.body)
			if status != 400 || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s", status, body)
			}
			if n := len(v.cloud.ActiveFaults()); n != 0 {
				t.Errorf("%d faults were injected anyway", n)
			}
		})
	}
}

func TestBodiesAreBounded(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	long := `{"endpoint":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, path := range []string{"/emulator/faults", "/emulator/people", site + "backup"} {
		if status, _ := v.Do("POST", path, long); status < 400 || status > 499 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

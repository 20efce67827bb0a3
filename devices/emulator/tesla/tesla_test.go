package tesla_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/devicetest"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/tesla"
)

// A visit is a cloud with a clock, and requests to it without a network.
type visit struct {
	devicetest.Visit

	cloud *emulator.Cloud
	api   *tesla.API
	now   time.Time
	seen  []emulator.Request
}

var pacific = func() *time.Location {
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return l
}()

func newVisit(t *testing.T, house emulator.HouseOptions, o tesla.Options) *visit {
	t.Helper()
	v := &visit{Visit: devicetest.Visit{T: t, Token: "emulator-access"}, now: time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)}
	v.cloud = emulator.New(emulator.Options{
		Now: func() time.Time { return v.now }, House: house, OnRequest: func(r emulator.Request) { v.seen = append(v.seen, r) },
	})
	v.api, v.Cloud = tesla.Serve(v.cloud, o), v.cloud.Handler()
	return v
}

// form posts a form to the token endpoint.
func (v *visit) form(pairs ...string) (int, map[string]any) {
	v.T.Helper()
	f := url.Values{"client_id": {"any"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	status, body := v.Do("POST", "/oauth2/v3/token", f.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		v.T.Fatalf("%d %q: %v", status, body, err)
	}
	return status, out
}

const site = "/api/1/energy_sites/1234567890123/"

func TestTeslaReserve(t *testing.T) {
	for _, tt := range []struct {
		name   string
		house  emulator.HouseOptions
		send   string
		status int
		wait   time.Duration
		want   float64
	}{
		{"zero is a reserve", emulator.HouseOptions{}, "0", 200, 0, 0},
		{"80", emulator.HouseOptions{}, "80", 200, 0, 80},
		{"81 becomes 80", emulator.HouseOptions{}, "81", 200, 0, 80},
		{"99 becomes 80", emulator.HouseOptions{}, "99", 200, 0, 80},
		{"100 stays", emulator.HouseOptions{}, "100", 200, time.Hour, 100},
		{"100 becomes 80 at once", emulator.HouseOptions{ReserveCap: 80}, "100", 200, 0, 80},
		{"100 is still shown before the cap applies", emulator.HouseOptions{ReserveCap: 80, CapDelay: 10 * time.Minute}, "100", 200, 9 * time.Minute, 100},
		{"100 becomes 80 after a while", emulator.HouseOptions{ReserveCap: 80, CapDelay: 10 * time.Minute}, "100", 200, 10 * time.Minute, 80},
		{"site_info lags", emulator.HouseOptions{SettleDelay: 20 * time.Second}, "50", 200, 19 * time.Second, 20},
		{"site_info catches up", emulator.HouseOptions{SettleDelay: 20 * time.Second}, "50", 200, 20 * time.Second, 50},
		{"over 100", emulator.HouseOptions{}, "101", 400, 0, 20},
		{"below 0", emulator.HouseOptions{}, "-1", 400, 0, 20},
		{"a fraction", emulator.HouseOptions{}, "20.5", 400, 0, 20},
		{"a text", emulator.HouseOptions{}, `"50"`, 400, 0, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(t, tt.house, tesla.Options{})
			if status, body := v.Do("POST", site+"backup", `{"backup_reserve_percent":`+tt.send+`}`); status != tt.status {
				t.Fatalf("%d %s", status, body)
			}
			v.now = v.now.Add(tt.wait)
			if got := v.Get(site + "site_info")["backup_reserve_percent"]; got != tt.want {
				t.Errorf("site_info shows %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTeslaWritesAreSeenAsSent(t *testing.T) {
	v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
	for _, tt := range []struct {
		endpoint, body, field string
		value                 any
		is                    func(emulator.Truth) bool
	}{
		{"backup", `{"backup_reserve_percent":90}`, "reserve", 90, func(x emulator.Truth) bool { return x.Reserve == 80 }},
		{"operation", `{"default_real_mode":"backup"}`, "mode", "backup", func(x emulator.Truth) bool { return x.Mode == devices.Backup }},
		{"storm_mode", `{"enabled":false}`, "storm_watch", false, func(x emulator.Truth) bool { return !x.StormWatch }},
		{"grid_import_export", `{"disallow_charge_from_grid_with_solar_installed":true}`, "grid_charging", false, func(x emulator.Truth) bool { return !x.GridCharging }},
		{"grid_import_export", `{"customer_preferred_export_rule":"never"}`, "export_rule", "never", func(x emulator.Truth) bool { return x.ExportRule == devices.ExportNone }},
	} {
		if status, body := v.Do("POST", site+tt.endpoint, tt.body); status > 204 {
			t.Fatalf("%s: %d %s", tt.endpoint, status, body)
		}
		r := v.seen[len(v.seen)-1]
		if r.Vendor != "tesla" || r.Endpoint != "tesla."+tt.endpoint || r.Write == nil || r.Write.Device != "powerwall" || !r.Write.Carried || r.Write.Values[tt.field] != tt.value {
			t.Errorf("%s %s was seen as %+v %+v", tt.endpoint, tt.body, r, r.Write)
		}
		if !tt.is(v.cloud.Truth()) {
			t.Errorf("%s %s was not done", tt.endpoint, tt.body)
		}
	}
	info := v.Get(site + "site_info")["components"].(map[string]any)
	if info["disallow_charge_from_grid_with_solar_installed"] != true || info["non_export_configured"] != true {
		t.Errorf("%v", info)
	}
	v.cloud.Person(func(h *emulator.House) { h.GridCharging = true })
	info = v.Get(site + "site_info")["components"].(map[string]any)
	if _, there := info["disallow_charge_from_grid_with_solar_installed"]; there {
		t.Error("the flag is there although charging from the grid is allowed")
	}
}

// Tesla has several answers that mean success; the emulator gives all of them.
func TestTeslaSuccessHasSeveralFaces(t *testing.T) {
	v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
	faces := map[string]bool{}
	for range 4 {
		_, body := v.Do("POST", site+"backup", `{"backup_reserve_percent":20}`)
		faces[body] = true
		status, body := v.Do("POST", site+"grid_import_export", `{"customer_preferred_export_rule":"pv_only"}`)
		faces[http.StatusText(status)+body] = true
		v.Do("POST", site+"storm_mode", `{"enabled":true}`)
	}
	for _, want := range []string{
		`{"response":{"code":201,"message":"Updated"}}`, `{"response":{"Code":200,"Message":"Backup reserve updated"}}`, `No Content`, `OK{"response":""}`,
	} {
		if !faces[want] {
			t.Errorf("there was no %s: %v", want, faces)
		}
	}
}

func TestTeslaDoor(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		want                     string
	}{
		{"a bad bearer", "GET", "/api/1/products", "", []string{"Authorization", "Bearer nobody"}, 401, ""},
		{"no bearer", "GET", "/api/1/products", "", []string{"Authorization", ""}, 401, ""},
		{"the token in another scheme", "GET", "/api/1/products", "", []string{"Authorization", "Basic emulator-access"}, 401, ""},
		{"not JSON", "POST", site + "backup", `{"backup_reserve_percent":20}`, []string{"Content-Type", "text/plain"}, 406, "application/json"},
		{"a zombie site", "GET", "/api/1/energy_sites/98765/live_status", "", nil, 500, "upstream internal error"},
		{"no such site", "GET", "/api/1/energy_sites/1/site_info", "", nil, 404, "not_found"},
		{"not a number", "GET", "/api/1/energy_sites/abc/site_info", "", nil, 400, "invalid_request"},
		{"not an object", "POST", site + "backup", `[]`, nil, 400, "invalid_request"},
		{"an unknown mode", "POST", site + "operation", `{"default_real_mode":"sleep"}`, nil, 400, "invalid_field"},
		{"nothing asked", "POST", site + "grid_import_export", `{}`, nil, 400, "invalid_request"},
		{"status needs no token", "GET", "/status", "", []string{"Authorization", ""}, 200, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
			status, body := v.Do(tt.method, tt.path, tt.body, tt.header...)
			if status != tt.status || !strings.Contains(body, tt.want) || tt.want == "" && body != "" {
				t.Errorf("%d %q", status, body)
			}
			if v.seen[0].Write != nil {
				t.Errorf("it counts as a write: %+v", v.seen[0].Write)
			}
		})
	}
}

func TestTeslaProductsAreAMixedBag(t *testing.T) {
	v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
	_, body := v.Do("GET", "/api/1/products", "")
	var e struct{ Response []map[string]any }
	if err := json.Unmarshal([]byte(body), &e); err != nil || len(e.Response) != 3 {
		t.Fatalf("%v %s", err, body)
	}
	vehicle, home, zombie := e.Response[0], e.Response[1], e.Response[2]
	if vehicle["vin"] == nil || vehicle["energy_site_id"] != nil {
		t.Errorf("vehicle: %v", vehicle)
	}
	if home["energy_site_id"] != 1234567890123.0 || home["percentage_charged"] == nil {
		t.Errorf("home: %v", home)
	}
	if zombie["energy_site_id"] == nil || zombie["percentage_charged"] != nil {
		t.Errorf("zombie: %v", zombie)
	}
}

func TestTeslaLiveStatus(t *testing.T) {
	v := newVisit(t, emulator.HouseOptions{}, tesla.Options{Refresh: 5 * time.Minute})
	v.now = v.now.Add(time.Minute)
	first := v.Get(site + "live_status")
	sum := first["solar_power"].(float64) + first["battery_power"].(float64) + first["grid_power"].(float64) - first["load_power"].(float64)
	if sum < -2 || sum > 2 {
		t.Errorf("powers are off by %g W: %v", sum, first)
	}
	if first["timestamp"] != "2026-07-15T12:01:00-07:00" || first["island_status"] != "on_grid" || first["grid_status"] != "Active" {
		t.Errorf("%v", first)
	}
	v.now = v.now.Add(299 * time.Second)
	if again := v.Get(site + "live_status"); again["timestamp"] != first["timestamp"] || again["percentage_charged"] != first["percentage_charged"] {
		t.Error("the figures are new too early")
	}
	v.cloud.Person(func(h *emulator.House) { h.OffGrid, h.StormActive = true, true })
	v.now = v.now.Add(time.Minute)
	later := v.Get(site + "live_status")
	if later["timestamp"] == first["timestamp"] || later["island_status"] != "off_grid" || later["grid_status"] != "Inactive" || later["grid_power"] != 0.0 || later["storm_mode_active"] != true {
		t.Errorf("%v", later)
	}
}

func TestTeslaTokens(t *testing.T) {
	refresh := func(v *visit, with string) (int, map[string]any) {
		return v.form("grant_type", "refresh_token", "refresh_token", with)
	}
	alive := func(v *visit) bool { status, _ := v.Do("GET", "/api/1/products", ""); return status == 200 }

	t.Run("rotation rejects the old token", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
		status, got := refresh(v, "emulator-refresh")
		if status != 200 || got["expires_in"] != 28800.0 || got["refresh_token"] == "emulator-refresh" {
			t.Fatalf("%d %v", status, got)
		}
		if v.Token = got["access_token"].(string); !alive(v) {
			t.Error("the new access token is not valid")
		}
		if status, got := refresh(v, "emulator-refresh"); status != 401 || got["error"] != "login_required" {
			t.Errorf("the old token: %d %v", status, got)
		}
		if status, _ := refresh(v, got["refresh_token"].(string)); status != 200 {
			t.Errorf("the new token: %d", status)
		}
	})
	t.Run("a grace period for the old token", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{Grace: time.Hour})
		refresh(v, "emulator-refresh")
		v.now = v.now.Add(59 * time.Minute)
		if status, _ := refresh(v, "emulator-refresh"); status != 200 {
			t.Errorf("within the grace: %d", status)
		}
		v.now = v.now.Add(time.Minute)
		if status, _ := refresh(v, "emulator-refresh"); status != 401 {
			t.Errorf("after the grace: %d", status)
		}
	})
	t.Run("a token dies before it expires", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{DiesAfter: time.Hour})
		_, got := refresh(v, "emulator-refresh")
		v.Token = got["access_token"].(string)
		v.now = v.now.Add(59 * time.Minute)
		if !alive(v) {
			t.Error("dead too early")
		}
		v.now = v.now.Add(time.Minute)
		if alive(v) || got["expires_in"] != 28800.0 {
			t.Errorf("alive although it died: %v", got)
		}
	})
	t.Run("an expire fault ends access, a refresh restores it", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
		if err := v.cloud.AddFaults(emulator.Fault{Endpoint: "tesla.*", Class: emulator.Expire}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if alive(v) {
				t.Error("the token still works")
			}
		}
		_, got := refresh(v, "emulator-refresh")
		if v.Token = got["access_token"].(string); !alive(v) {
			t.Error("a refresh did not help")
		}
	})
	t.Run("revoked", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
		v.api.Revoke()
		if status, _ := refresh(v, "emulator-refresh"); status != 401 || alive(v) {
			t.Errorf("%d", status)
		}
	})
	t.Run("two nodes do not disturb each other", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
		r := httptest.NewRequest("GET", "/oauth2/v3/authorize?response_type=code&client_id=x&state=s&redirect_uri=http%3A%2F%2Flocalhost%2Fback%3Fa%3D1", nil)
		w := httptest.NewRecorder()
		v.cloud.Handler().ServeHTTP(w, r)
		back, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != 302 || back.Query().Get("state") != "s" || back.Query().Get("a") != "1" {
			t.Fatalf("%d %v %v", w.Code, back, err)
		}
		code := back.Query().Get("code")
		status, second := v.form("grant_type", "authorization_code", "code", code)
		if status != 200 {
			t.Fatalf("%d %v", status, second)
		}
		if status, _ := v.form("grant_type", "authorization_code", "code", code); status != 401 {
			t.Error("a code works twice")
		}
		if status, _ := refresh(v, "emulator-refresh"); status != 200 {
			t.Error("the first node lost its authorization")
		}
		if status, _ := refresh(v, second["refresh_token"].(string)); status != 200 {
			t.Error("the second node lost its authorization")
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		v := newVisit(t, emulator.HouseOptions{}, tesla.Options{})
		if status, _ := v.form("grant_type", "password"); status != 400 {
			t.Errorf("%d", status)
		}
		if status, _ := refresh(v, ""); status != 401 {
			t.Errorf("no token: %d", status)
		}
	})
}

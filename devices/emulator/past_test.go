package emulator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

// shown returns a field of the answer to a GET, at any depth.
func (v *visit) shown(path, field string) any {
	v.t.Helper()
	_, body := v.do("GET", path, "")
	var answer any
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		v.t.Fatalf("%s: %v: %s", path, err, body)
	}
	return find(answer, field)
}

func find(v any, field string) any {
	inner, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if found, ok := inner[field]; ok {
		return found
	}
	for _, deeper := range inner {
		if found := find(deeper, field); found != nil {
			return found
		}
	}
	return nil
}

func (v *visit) inject(faults string) {
	v.t.Helper()
	if status, body := v.do("POST", "/emulator/faults", faults); status != 200 {
		v.t.Fatalf("%d %s", status, body)
	}
}

// A write is in force at once, but shows only after the lag.
func TestSettingsThatShowLate(t *testing.T) {
	v := newVisit(t, Options{})
	v.do("POST", site+"backup", `{"backup_reserve_percent":70}`)
	v.now = v.now.Add(2 * time.Hour)
	v.inject(`{"endpoint":"tesla.site_info","class":"lag","seconds":1200,"count":-1}`)
	v.do("POST", site+"backup", `{"backup_reserve_percent":0}`)
	sent := v.now
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{0, 70}, {19 * time.Minute, 70}, {20 * time.Minute, 0}, {3 * time.Hour, 0}} {
		v.now = sent.Add(c.after)
		if got := v.shown(site+"site_info", "backup_reserve_percent"); got != c.want {
			t.Errorf("after %v: %v, want %v", c.after, got, c.want)
		}
	}
	if got := v.cloud.Truth().Reserve; got != 0 {
		t.Errorf("the reserve is %d", got)
	}
}

func TestAThermostatThatShowsLate(t *testing.T) {
	v := newVisit(t, Options{TCC: TCCOptions{Delay: time.Second}})
	first := v.cloud.Truth().Thermostats[0]
	v.now = v.now.Add(time.Minute)
	v.do("POST", "/emulator/people", `{"device":"`+first.ID+`","cool":71,"hold":"permanent"}`)
	then := v.cloud.house.asOf(v.now.Add(-30 * time.Second)).Thermostats[0]
	if then.Cool != first.Cool || then.Hold != devices.HoldSchedule {
		t.Errorf("half a minute before it was %g, %s; it was %g", then.Cool, then.Hold, first.Cool)
	}
	if now := v.cloud.house.asOf(v.now).Thermostats[0]; now.Cool != 71 || now == v.cloud.house.Thermostats[0] {
		t.Errorf("now it is %g, or not a copy", now.Cool)
	}
}

// While a gateway is offline, the cloud repeats the last figures, with their timestamp,
// but still accepts commands.
func TestFiguresThatNoLongerMove(t *testing.T) {
	v := newVisit(t, Options{})
	v.now = v.now.Add(10 * time.Minute)
	v.inject(`{"endpoint":"tesla.*","class":"freeze","count":-1,"lasts":7200}`)
	stamp, charge := v.shown(site+"live_status", "timestamp"), v.shown(site+"live_status", "percentage_charged")
	v.now = v.now.Add(time.Hour)
	v.do("POST", site+"backup", `{"backup_reserve_percent":45}`)
	if got := v.shown(site+"live_status", "timestamp"); got != stamp || !strings.HasPrefix(stamp.(string), "2026-07-15T12:10:00") {
		t.Errorf("measured %v, then %v", stamp, got)
	}
	if got := v.shown(site+"live_status", "percentage_charged"); got != charge {
		t.Errorf("charge %v, then %v", charge, got)
	}
	if got := v.cloud.Truth().Reserve; got != 45 {
		t.Errorf("the reserve is %d", got)
	}
	v.now = v.now.Add(time.Hour)
	if got := v.shown(site+"site_info", "backup_reserve_percent"); got != 45.0 {
		t.Errorf("when it is over the reserve shows as %v", got)
	}
	if n := len(v.cloud.ActiveFaults()); n != 0 {
		t.Errorf("%d faults are left after two hours", n)
	}
}

// A single answer says that the battery is empty.
func TestAGlitch(t *testing.T) {
	v := newVisit(t, Options{})
	v.inject(`{"endpoint":"tesla.live_status","class":"replace","values":{"percentage_charged":0,"battery_power":0,"timestamp":null}}`)
	if got := v.shown(site+"live_status", "percentage_charged"); got != 0.0 {
		t.Errorf("the glitch shows %v", got)
	}
	if got := v.shown(site+"live_status", "percentage_charged"); got == 0.0 {
		t.Error("the glitch is repeated")
	}
	v.inject(`{"endpoint":"tesla.live_status","class":"replace","values":{"response":null}}`)
	if _, body := v.do("GET", site+"live_status", ""); strings.TrimSpace(body) != `{"response":null}` {
		t.Error(body)
	}
}

// A limit on reads lets writes and log-ins through.
func TestALimitOnReadsAlone(t *testing.T) {
	v := newVisit(t, Options{})
	v.inject(`{"endpoint":"tesla.*","only":"read","class":"status","status":429,"retry_after":48000,"count":-1}`)
	for path, want := range map[string]int{site + "live_status": 429, site + "site_info": 429, "/api/1/products": 429} {
		if status, _ := v.do("GET", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, body := v.do("POST", site+"backup", `{"backup_reserve_percent":45}`); status != 200 || v.cloud.Truth().Reserve != 45 {
		t.Errorf("the write: %d %s", status, body)
	}
	form := "grant_type=refresh_token&client_id=x&refresh_token=emulator-refresh"
	if status, body := v.do("POST", "/oauth2/v3/token", form, "Content-Type", "application/x-www-form-urlencoded"); status != 200 {
		t.Errorf("the refresh: %d %s", status, body)
	}
	if v.cloud.Refreshes("tesla", "emulator-refresh") || !v.cloud.Refreshes("tesla", "emulator-refresh-2") {
		t.Error("a rotated token still refreshes, or one that was not rotated does not")
	}
}

// The battery accepts a reserve and shows it, but does not obey until it is sent again.
func TestAcceptedShownAndNotDone(t *testing.T) {
	charge, reserve := 90.0, 100
	v := newVisit(t, Options{House: HouseOptions{ChargePercent: &charge, Reserve: &reserve}})
	v.now = time.Date(2026, 7, 15, 19, 0, 0, 0, pacific)
	v.cloud.Truth()
	v.inject(`{"endpoint":"tesla.backup","class":"idle"}`)
	write := func() {
		t.Helper()
		if status, body := v.do("POST", site+"backup", `{"backup_reserve_percent":0}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		v.now = v.now.Add(10 * time.Minute)
	}
	write()
	if x := v.cloud.Truth(); x.Reserve != 0 || x.BatteryW != 0 || x.GridW < 500 {
		t.Errorf("reserve %d, battery %.0f W, grid %.0f W", x.Reserve, x.BatteryW, x.GridW)
	}
	if w := v.seen[len(v.seen)-1].Write; w == nil || !w.Carried {
		t.Errorf("reported as %+v", w)
	}
	write()
	if x := v.cloud.Truth(); x.BatteryW < 500 {
		t.Errorf("after a second command: battery %.0f W", x.BatteryW)
	}
}

func TestASiteThatKeepsAReserve(t *testing.T) {
	for _, floor := range []int{5, 20} {
		v := newVisit(t, Options{House: HouseOptions{ReserveFloor: floor}})
		for _, asked := range []int{0, floor, 60} {
			v.do("POST", site+"backup", string(must(json.Marshal(map[string]int{"backup_reserve_percent": asked}))))
			if got := v.cloud.Truth().Reserve; got != max(asked, floor) {
				t.Errorf("asked for %d it is %d", asked, got)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The stored past is limited, and goes back as far as the longest lag.
func TestThePastIsBounded(t *testing.T) {
	v := newVisit(t, Options{})
	for range 5 * 24 {
		v.now = v.now.Add(time.Hour)
		v.cloud.Truth()
	}
	if n := len(v.cloud.house.past); n > 3*1024 {
		t.Errorf("%d moments are kept", n)
	}
	if at := v.cloud.house.asOf(v.now.Add(-longestLag)).at; v.now.Sub(at) > longestLag+time.Minute || v.now.Sub(at) < longestLag {
		t.Errorf("a day ago is %v ago", v.now.Sub(at))
	}
}

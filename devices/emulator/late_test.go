package emulator_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/devices/emulator"
)

// shown returns a field of the answer to a GET, at any depth.
func (v *visit) shown(path, field string) any {
	v.T.Helper()
	_, body := v.Do("GET", path, "")
	var answer any
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		v.T.Fatalf("%s: %v: %s", path, err, body)
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
	v.T.Helper()
	if status, body := v.Do("POST", "/emulator/faults", faults); status != 200 {
		v.T.Fatalf("%d %s", status, body)
	}
}

// A write is in force at once, but shows only after the lag.
func TestSettingsThatShowLate(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	v.Do("POST", site+"backup", `{"backup_reserve_percent":70}`)
	v.now = v.now.Add(2 * time.Hour)
	v.inject(`{"endpoint":"tesla.site_info","class":"lag","seconds":1200,"count":-1}`)
	v.Do("POST", site+"backup", `{"backup_reserve_percent":0}`)
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

// While a gateway is offline, the cloud repeats the last figures, with their timestamp,
// but still accepts commands.
func TestFiguresThatNoLongerMove(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	v.now = v.now.Add(10 * time.Minute)
	v.inject(`{"endpoint":"tesla.*","class":"freeze","count":-1,"lasts":7200}`)
	stamp, charge := v.shown(site+"live_status", "timestamp"), v.shown(site+"live_status", "percentage_charged")
	v.now = v.now.Add(time.Hour)
	v.Do("POST", site+"backup", `{"backup_reserve_percent":45}`)
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
	v := newVisit(t, emulator.Options{})
	v.inject(`{"endpoint":"tesla.live_status","class":"replace","values":{"percentage_charged":0,"battery_power":0,"timestamp":null}}`)
	if got := v.shown(site+"live_status", "percentage_charged"); got != 0.0 {
		t.Errorf("the glitch shows %v", got)
	}
	if got := v.shown(site+"live_status", "percentage_charged"); got == 0.0 {
		t.Error("the glitch is repeated")
	}
	v.inject(`{"endpoint":"tesla.live_status","class":"replace","values":{"response":null}}`)
	if _, body := v.Do("GET", site+"live_status", ""); strings.TrimSpace(body) != `{"response":null}` {
		t.Error(body)
	}
}

// A limit on reads lets writes and log-ins through.
func TestALimitOnReadsAlone(t *testing.T) {
	v := newVisit(t, emulator.Options{})
	v.inject(`{"endpoint":"tesla.*","only":"read","class":"status","status":429,"retry_after":48000,"count":-1}`)
	for path, want := range map[string]int{site + "live_status": 429, site + "site_info": 429, "/api/1/products": 429} {
		if status, _ := v.Do("GET", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, body := v.Do("POST", site+"backup", `{"backup_reserve_percent":45}`); status != 200 || v.cloud.Truth().Reserve != 45 {
		t.Errorf("the write: %d %s", status, body)
	}
	form := "grant_type=refresh_token&client_id=x&refresh_token=emulator-refresh"
	if status, body := v.Do("POST", "/oauth2/v3/token", form, "Content-Type", "application/x-www-form-urlencoded"); status != 200 {
		t.Errorf("the refresh: %d %s", status, body)
	}
	if v.cloud.Refreshes("tesla", "emulator-refresh") || !v.cloud.Refreshes("tesla", "emulator-refresh-2") {
		t.Error("a rotated token still refreshes, or one that was not rotated does not")
	}
}

// The battery accepts a reserve and shows it, but does not obey until it is sent again.
func TestAcceptedShownAndNotDone(t *testing.T) {
	charge, reserve := 90.0, 100
	v := newVisit(t, emulator.Options{House: emulator.HouseOptions{ChargePercent: &charge, Reserve: &reserve}})
	v.now = time.Date(2026, 7, 15, 19, 0, 0, 0, pacific)
	v.cloud.Truth()
	v.inject(`{"endpoint":"tesla.backup","class":"idle"}`)
	write := func() {
		t.Helper()
		if status, body := v.Do("POST", site+"backup", `{"backup_reserve_percent":0}`); status != 200 {
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
		v := newVisit(t, emulator.Options{House: emulator.HouseOptions{ReserveFloor: floor}})
		for _, asked := range []int{0, floor, 60} {
			v.Do("POST", site+"backup", string(must(json.Marshal(map[string]int{"backup_reserve_percent": asked}))))
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

// A request shows what has landed since the last one, and does not change the day.
func TestALookChangesNothing(t *testing.T) {
	day := func(look func(v *visit)) (stored float64, books emulator.Books) {
		v := newVisit(t, emulator.Options{House: emulator.HouseOptions{SettleDelay: 20 * time.Second}})
		v.now = v.now.Add(7 * time.Second)
		v.Do("POST", site+"backup", `{"backup_reserve_percent":80}`)
		for range 60 * 12 {
			v.now = v.now.Add(15 * time.Second)
			look(v)
		}
		v.Get(site + "live_status")
		v.cloud.Look(func(h *emulator.House) { stored, books = h.Stored, h.Books })
		return stored, books
	}
	var reserves []int
	stored, books := day(func(v *visit) { v.cloud.Look(func(h *emulator.House) { reserves = append(reserves, h.Reserve) }) })
	if reserves[0] != 20 || !slices.Contains(reserves[:5], 80) {
		t.Errorf("the reserve is seen as %v", reserves[:5])
	}
	if s, b := day(func(*visit) {}); s != stored || b != books {
		t.Errorf("%v and %+v; without requests it is %v and %+v", stored, books, s, b)
	}
}

package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"powermgr/control/rules"
)

// FuzzDecode: whatever is in a file, it is refused or it can be shown, drawn,
// gone on with and written again.
func FuzzDecode(f *testing.F) {
	for _, day := range []string{"2026-07-15", "2026-11-01"} {
		h := newHome(f, day+" 16:00")
		h.poll()
		h.event(rules.NotePhase, "", "peak")
		h.reserve(0, "peak")
		h.own(rules.Setback, 2, "19:00")
		b, err := Encode(*h.r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"version":1,"date":"2026-07-15","timezone":"UTC","thermostats":{"up":{"controlled":true,"readings":1,"indoor":[1,null,3]}}}`))
	f.Add([]byte(`{"version":1,"date":"2026-07-15","timezone":"UTC","without":{"capacity_kwh":1,"start_kwh":2,"end_kwh":3,"compared_peak_minutes":4}}`))
	f.Fuzz(func(t *testing.T, b []byte) { survives(t, b) })
}

// survives reports whether b was read as a record; then all that is done with
// one has been.
func survives(t *testing.T, b []byte) bool {
	r, err := Decode(b)
	if err != nil {
		return false
	}
	Text(r)
	if _, err := HTML(r, "cid:chart"); err != nil {
		t.Fatal(err)
	}
	r.marks(0, ChartWidth)
	for _, p := range r.panels() { // to draw the pixels takes too long here
		if _, err := r.plot(p); err != nil {
			t.Fatal(err)
		}
	}
	one, err := Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Decode(one)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	if other, err := Encode(second); err != nil || !bytes.Equal(one, other) {
		t.Fatalf("%v\n%s\n%s", err, one, other)
	}
	h := &home{t: t, cal: calendar(t), r: &second, now: second.start.Add(16 * time.Minute)}
	for _, topic := range []string{"powerwall/state", "control/state", "control/event", "thermostat/up/state", "powerwall/api", "powerwall/reserve/set", "powerwall/reserve/result"} {
		h.says("powermgr/"+topic, map[string]any{"charge_percent": 50, "stored_kwh": 6, "home_kwh": 3, "home_power_w": 500, "polled_at": h.now, "name": "x", "alive": true, "unit": "F"})
	}
	second.finish()
	next := second.next(second.end, h.cal)
	if b, err := Encode(next); err != nil || len(b) > MaxSize {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	return true
}

// TestAnyFieldMayBeWrong puts values into each field that do not belong there.
func TestAnyFieldMayBeWrong(t *testing.T) {
	h := hotDay(t, false)
	for _, s := range h.r.series() {
		*s = (*s)[:2]
	}
	for id, th := range h.r.Thermostats {
		th.Indoor, th.Cool, th.Heat = th.Indoor[:2], th.Cool[:2], th.Heat[:2]
		h.r.Thermostats[id] = th
	}
	h.r.Commands, h.r.Decisions = h.r.Commands[:2], h.r.Decisions[:3]
	b, err := Encode(*h.r)
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	if err := json.Unmarshal(b, &whole); err != nil {
		t.Fatal(err)
	}
	tried, read := 0, 0
	wrong := func(set func(v any)) {
		for _, v := range []any{nil, -1, 1e8, "", "2026-07-20T00:00:00Z"} {
			set(v)
			tried++
			if survives(t, mustJSON(t, whole)) {
				read++
			}
		}
	}
	var walk func(v any, set func(v any))
	walk = func(v any, set func(v any)) {
		wrong(set)
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name], func(to any) { v[name] = to })
			}
		case []any:
			for i := range v {
				walk(v[i], func(to any) { v[i] = to })
			}
		}
	}
	walk(whole, func(v any) {})
	t.Logf("%d of %d were read", read, tried)
	if read == 0 || read == tried {
		t.Error("the test shows nothing")
	}
}

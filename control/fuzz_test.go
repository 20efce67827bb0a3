package control

import (
	"encoding/json"
	"io/fs"
	"math"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/journal"
	"powermgr/control/rules"
	"powermgr/devices"
)

// fuzzed is a home in a peak whose battery and thermostat have been read.
func fuzzed(t *testing.T, now time.Time) rules.State {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	all := []time.Month{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	days := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	s := rules.State{Settings: rules.Settings{
		Calendar:       rules.Calendar{Location: zone, Lead: 30 * time.Minute, Seasons: []rules.Season{{Name: "all", Months: all, Days: days, Peaks: []rules.Span{{Start: 960, End: 1140}}}}},
		OffPeakReserve: 100, Thermostats: []string{"up"}, PrecoolAdjustF: 2, PrecoolAtF: 95, PrecoolFloorF: 67, StepF: 2, MaxCoolF: 82, MinHeatF: 62,
		MaxIndoorF: 86, MinIndoorF: 58, Thresholds: []rules.Threshold{{Left: time.Hour, Level: 75}}, Spacing: 10 * time.Minute, StaleAfter: 15 * time.Minute, StaleCharge: 15 * time.Minute,
	}}
	for _, m := range []struct{ topic, payload string }{
		{"powermgr/powerwall/state", `{"charge_percent":70,"reserve_percent":100,"mode":"self_consumption","polled_at":"2026-07-15T16:30:00-07:00","measured_at":"2026-07-15T16:30:00-07:00"}`},
		{"powermgr/thermostat/up/state", `{"name":"Up","mode":"cool","alive":true,"temperature":77,"cool_setpoint":76,"heat_setpoint":65,"hold":"schedule","holds":["schedule","until","permanent"],"unit":"F","polled_at":"2026-07-15T16:30:00-07:00","measured_at":"2026-07-15T16:30:00-07:00"}`},
	} {
		levels, _ := devices.Topics{Base: "powermgr"}.Split(m.topic)
		ev, err := event(levels, bus.Message{Payload: []byte(m.payload)})
		if err != nil {
			t.Fatal(err)
		}
		s, _ = rules.Step(s, ev, now)
	}
	return s
}

// judge checks what is about to be sent, and lets a day pass.
func judge(t *testing.T, s rules.State, d rules.Decision, now time.Time) {
	for range 30 {
		for _, w := range d.Writes {
			if w.Reserve != nil && devices.CheckReserve(*w.Reserve) != nil {
				t.Fatalf("a reserve of %d %%", *w.Reserve)
			}
			if w.Setting == nil {
				continue
			}
			for _, p := range []*float64{w.Setting.Cool, w.Setting.Heat} {
				if p != nil && (math.IsNaN(*p) || *p < -40 || *p > 120) {
					t.Fatalf("a set point of %g", *p)
				}
			}
			_, body := command(devices.Topics{Base: "powermgr"}, w)
			if _, err := json.Marshal(body); err != nil {
				t.Fatalf("the command cannot be written: %v", err)
			}
		}
		if _, err := json.Marshal(present(s, d, &following{}, now)); err != nil {
			t.Fatalf("the state cannot be written: %v", err)
		}
		now = now.Add(time.Hour)
		s, d = rules.Step(s, rules.Tick{}, now)
	}
}

// FuzzMessage publishes anything on any topic that the controller hears.
func FuzzMessage(f *testing.F) {
	for _, m := range []struct{ topic, payload string }{
		{"powermgr/powerwall/state", `{"charge_percent":20,"reserve_percent":0,"storm_active":true,"polled_at":"2026-07-15T16:31:00-07:00"}`},
		{"powermgr/powerwall/reserve/result", `{"id":"x","accepted":true,"final":false,"requested":20,"applied":null,"reason":""}`},
		{"powermgr/thermostat/up/state", `{"mode":"heat_cool","alive":true,"cool_setpoint":1e308,"heat_setpoint":-5,"hold":"until","hold_until":"2026-07-15T18:00:00Z","step":0.5,"unit":"C"}`},
		{"powermgr/thermostat/up/hold/result", `{"id":"control-up-1","accepted":true,"final":true,"applied":"until"}`},
		{"powermgr/weather/state", `{"high":103,"unit":"F","day":"2026-07-15"}`},
		{"powermgr/control/override/set", `peak 90m`},
		{"powermgr/control/override/set", `{"value":"pause","for":"2h","id":"a","reason":"b"}`},
		{"powermgr/control/override/set", `skip`},
		{"powermgr/control/override/set", `{"value":"pause","until":"2026-08-01 08:00"}`},
		{"powermgr/control/override/set", `{"value":"off_peak","minutes":1e99}`},
		{"powermgr/control/enabled/set", `OFF`},
		{"powermgr/control/restore/set", `PRESS`},
	} {
		f.Add(m.topic, []byte(m.payload))
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		now := time.Date(2026, 7, 15, 23, 30, 0, 0, time.UTC)
		s := fuzzed(t, now)
		levels, ok := devices.Topics{Base: "powermgr"}.Split(topic)
		if !ok {
			return
		}
		var ev rules.Event
		var err error
		if levels[0] == "control" && len(levels) > 1 {
			var req devices.Request
			if req, err = devices.ParseRequest(payload); err == nil {
				ev, err = settingChange(levels[1], req, "")
			}
		} else {
			ev, err = event(levels, bus.Message{Payload: payload})
		}
		if err != nil || ev == nil {
			return
		}
		s, d := rules.Step(s, ev, now)
		judge(t, s, d, now)
	})
}

// nowhere is a disk that stores nothing.
type nowhere struct{}

func (nowhere) Read() ([]byte, error)     { return nil, fs.ErrNotExist }
func (nowhere) Write([]byte) error        { return nil }
func (nowhere) SetAside() (string, error) { return "", nil }

// FuzzRetainedJournal continues from any journal that a broker may have.
func FuzzRetainedJournal(f *testing.F) {
	for _, payload := range []string{
		`{"version":2,"node":"a","generation":1,"sequence":2,"saved_at":"2026-07-15T23:00:00Z","knows":{"a/1":2,"b/1":1},"battery":[{"version":{"generation":1,"sequence":2,"writer":"a/1"},"value":{"wanted":0,"at_peak":true}},{"version":{"generation":1,"sequence":1,"writer":"b/1"},"value":{"taken":{"at":"2026-07-15T22:30:00Z","what":"reserve set to 50 %","reserve":50}}}]}`,
		`{"version":1,"node":"a","generation":1,"sequence":2,"saved_at":"2026-07-15T23:00:00Z","kept":{}}`,
		`{"version":1,"kept":{"override":{"kind":"peak","since":"9999-12-31T23:00:00Z","until":"9999-12-31T23:59:59-12:00"},"peak_end":"9999-12-31T23:59:59Z"}}`,
		`{"version":1,"node":"a","generation":1,"sequence":2,"saved_at":"2026-07-15T23:00:00Z","kept":{"event":{"start":"2026-07-15T22:30:00Z","end":"2026-07-16T02:00:00Z"},"latched":[60],"battery":{"wanted":0,"at_peak":true,"limit":80},"override":{"kind":"peak","since":"2026-07-15T23:00:00Z","until":"2026-07-16T03:00:00Z"},
			"thermostats":{"up":{"touch":{"baseline":{"cool":74,"heat":65,"hold":"permanent","mode":"cool"},"before":{"cool":74},"wanted":{"cool":78,"hold":"permanent"},"kind":"setback","written_at":"2026-07-15T23:10:00Z","confirmed":true},"last_write":"2026-07-15T23:10:00Z"}}}}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := journal.Decode(payload)
		if err != nil {
			return
		}
		now := time.Date(2026, 7, 15, 23, 30, 0, 0, time.UTC)
		s, d := rules.Step(fuzzed(t, now), rules.Recovered{Persisted: e.Persisted()}, now)
		judge(t, s, d, now)
		j := journal.Journal{Disk: nowhere{}, Node: "a", Now: func() time.Time { return now }}
		saved, _, err := j.Save(s.Persisted, 1)
		if err != nil {
			t.Fatalf("it cannot be written again: %v", err)
		}
		b, err := journal.Encode(saved)
		if err == nil {
			_, err = journal.Decode(b)
		}
		if err != nil {
			t.Fatalf("it cannot be read again: %v: %s", err, b)
		}
	})
}

package health_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/health"
	"powermgr/control/rules"
	"powermgr/devices"
)

// home is a bus with a watcher on it, in a bubble of its own time.
type home struct {
	t      *testing.T
	bus    *bus.Bus
	topics devices.Topics
	active bool
	heard  []health.Health
	sub    *bus.Subscription
}

func watch(t *testing.T, do func(h *home)) {
	t.Helper()
	watchWith(t, rules.Calendar{}, do)
}

func watchWith(t *testing.T, c rules.Calendar, do func(h *home)) {
	synctest.Test(t, func(t *testing.T) {
		h := &home{t: t, bus: bus.New(bus.Wall{}), topics: devices.Topics{Base: "powermgr"}, active: true}
		h.sub = h.bus.Subscribe("test", h.topics.Control("health"))
		w := health.NewWatcher(health.Options{Bus: h.bus, Topics: h.topics, Active: func() bool { return h.active }, Log: slog.New(slog.DiscardHandler), Calendar: c})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = w.Run(ctx) }()
		synctest.Wait()
		do(h)
		cancel()
		<-done
	})
}

func (h *home) say(topic string, payload string) {
	h.bus.Publish(bus.Message{Topic: topic, Payload: []byte(payload)})
	synctest.Wait()
}

func (h *home) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// faults are the keys of the faults there are, the most urgent first.
func (h *home) faults() string {
	h.t.Helper()
	for {
		m, ok, err := h.sub.Next(h.t.Context(), h.bus.Now())
		if err != nil {
			h.t.Fatal(err)
		}
		if !ok {
			break
		}
		var said health.Health
		if err := json.Unmarshal(m.Payload, &said); err != nil || !m.Retain {
			h.t.Fatalf("%v: %s", err, m.Payload)
		}
		h.heard = append(h.heard, said)
	}
	if len(h.heard) == 0 {
		return "nothing said"
	}
	keys := []string{}
	for _, f := range h.last().Faults {
		keys = append(keys, string(f.Level)+" "+f.Key)
	}
	return strings.Join(keys, ", ")
}

func (h *home) last() health.Health { return h.heard[len(h.heard)-1] }

func TestFaults(t *testing.T) {
	const (
		wellAPI  = `{"age_seconds": 20, "calls_today": 10, "failed_today": 0, "problem": null, "reauthorise": false}`
		badAPI   = `{"age_seconds": 900, "problem": "unreachable", "reason": "connection refused", "reauthorise": false}`
		lostAPI  = `{"age_seconds": 900, "problem": "needs re-authorisation", "reauthorise": true}`
		linkUp   = `{"connected": true, "broker": "mqtt://broker:1883", "problem": ""}`
		linkDown = `{"connected": false, "broker": "mqtt://broker:1883", "problem": "connection refused"}`
		denied   = `{"connected": true, "broker": "mqtt://broker:1883", "problem": "the broker does not let powermgr publish"}`
	)
	type said struct{ topic, payload string }
	for name, tt := range map[string]struct {
		begin  said
		before time.Duration // after this there is no fault yet
		after  time.Duration // after this there is; 0: never
		want   string
		end    said
	}{
		"a vendor does not answer":                               {said{"powermgr/powerwall/api", badAPI}, 14 * time.Minute, time.Minute, "warning powerwall/answers", said{"powermgr/powerwall/api", wellAPI}},
		"the other vendor does not answer":                       {said{"powermgr/thermostats/api", badAPI}, 14 * time.Minute, time.Minute, "warning thermostats/answers", said{"powermgr/thermostats/api", wellAPI}},
		"the forecast is old":                                    {said{"powermgr/weather/api", badAPI}, 179 * time.Minute, time.Minute, "warning weather/answers", said{"powermgr/weather/api", wellAPI}},
		"a gateway is offline and its last figures are repeated": {said{"powermgr/powerwall/api", `{"age_seconds": 21600, "problem": null}`}, -1, 0, "warning powerwall/age", said{"powermgr/powerwall/api", wellAPI}},
		"a thermostat's last figures are repeated":               {said{"powermgr/thermostats/api", `{"age_seconds": 900, "problem": null}`}, -1, 0, "warning thermostats/age", said{"powermgr/thermostats/api", wellAPI}},
		"an old forecast is repeated":                            {said{"powermgr/weather/api", `{"age_seconds": 10800, "problem": null}`}, -1, 0, "warning weather/age", said{"powermgr/weather/api", wellAPI}},
		"figures of a while ago":                                 {said{"powermgr/powerwall/api", `{"age_seconds": 899, "problem": null}`}, time.Hour, 0, "", said{"powermgr/powerwall/api", wellAPI}},
		"old figures are one fault":                              {said{"powermgr/control/state", `{"problems": [{"kind": "old", "text": "6 h old"}]}`}, time.Hour, 0, "", said{"powermgr/control/state", `{"problems": []}`}},
		"a token was refused":                                    {said{"powermgr/powerwall/api", lostAPI}, -1, 0, "critical powerwall/authorisation", said{"powermgr/powerwall/api", wellAPI}},
		"the broker is gone":                                     {said{bus.LinkHealth, linkDown}, 4 * time.Minute, time.Minute, "warning broker/connection", said{bus.LinkHealth, linkUp}},
		"the broker refuses a topic":                             {said{bus.LinkHealth, denied}, -1, 0, "warning broker/rights", said{bus.LinkHealth, linkUp}},
		"something is not given back":                            {said{"powermgr/control/state", `{"owned": [{"target": "1000001", "name": "Upstairs", "what": "restore"}]}`}, 19 * time.Minute, time.Minute, "critical restoring/1000001", said{"powermgr/control/state", `{"owned": []}`}},
		"a setback is not to be given back":                      {said{"powermgr/control/state", `{"owned": [{"target": "1000001", "name": "Upstairs", "what": "setback"}]}`}, time.Hour, 0, "", said{"powermgr/control/state", `{"owned": []}`}},
		"the journal cannot be written":                          {said{"powermgr/control/state", `{"problems": [{"kind": "journal", "text": "disk full"}]}`}, -1, 0, "critical control/journal", said{"powermgr/control/state", `{"problems": []}`}},
		"the Powerwall is in the wrong mode":                     {said{"powermgr/control/state", `{"problems": [{"kind": "mode", "text": "backup"}]}`}, -1, 0, "warning control/mode", said{"powermgr/control/state", `{"problems": []}`}},
		"a command did not come through":                         {said{"powermgr/control/event", `{"event_type": "problem", "target": "1000001", "reason": "no"}`}, -1, 0, "warning command/1000001", said{"powermgr/thermostat/1000001/hold/result", `{"id": "control-1", "accepted": true, "final": true, "applied": 1, "reason": ""}`}},
		"a decision is none":                                     {said{"powermgr/control/event", `{"event_type": "setback", "target": "1000001", "reason": "set back"}`}, time.Hour, 0, "", said{"powermgr/control/event", `{}`}},
		"a part says so itself":                                  {said{health.Topic(health.Mail), `{"level": "warning", "problem": "the server refuses the password"}`}, -1, 0, "warning mail", said{health.Topic(health.Mail), `{"level": "warning", "problem": ""}`}},
		"nonsense":                                               {said{"powermgr/powerwall/api", `{"problem": 7}`}, time.Hour, 0, "", said{"powermgr/powerwall/api", `[`}},
		"another daemon commands the same":                       {said{"powermgr/control/state", `{"problems": [{"kind": "contested", "text": "b runs powermgr too"}]}`}, -1, 0, "critical control/contested", said{"powermgr/control/state", `{"problems": []}`}},
	} {
		t.Run(name, func(t *testing.T) {
			watch(t, func(h *home) {
				if got := h.faults(); got != "" {
					t.Fatalf("at the beginning: %s", got)
				}
				h.say(tt.begin.topic, tt.begin.payload)
				if tt.before > 0 {
					h.wait(tt.before)
					if got := h.faults(); got != "" {
						t.Errorf("too soon: %s", got)
					}
				}
				h.wait(tt.after)
				if got := h.faults(); got != tt.want {
					t.Errorf("faults %q, want %q", got, tt.want)
				}
				if tt.want != "" {
					f := h.last().Faults[0]
					if p := h.last().Parts[f.Part]; p.OK || p.Problem == nil || *p.Problem != f.Text || f.Text == "" {
						t.Errorf("part %q: %+v, fault %+v", f.Part, p, f)
					}
				}
				n := len(h.heard)
				h.say(tt.begin.topic, tt.begin.payload) // once more says nothing new
				if h.faults(); len(h.heard) != n {
					t.Errorf("said again: %+v", h.last())
				}
				h.say(tt.end.topic, tt.end.payload)
				if got := h.faults(); got != "" {
					t.Errorf("after its end: %s", got)
				}
				for name, p := range h.last().Parts {
					if !p.OK {
						t.Errorf("%s is not well: %+v", name, p)
					}
				}
			})
		})
	}
}

func TestACommandThatFailedIsForgotten(t *testing.T) {
	watch(t, func(h *home) {
		h.say("powermgr/control/event", `{"event_type": "problem", "target": "powerwall", "reason": "no"}`)
		if got := h.faults(); got != "warning command/powerwall" || h.last().Parts[health.Powerwall].OK {
			t.Errorf("faults %q, %+v", got, h.last())
		}
		h.wait(6 * time.Hour)
		if got := h.faults(); got != "" {
			t.Errorf("the day after: %s", got)
		}
	})
}

func TestTheMostUrgentComesFirst(t *testing.T) {
	watch(t, func(h *home) {
		h.say(health.Topic(health.Mail), `{"level": "warning", "problem": "a"}`)
		h.say("powermgr/control/state", `{"problems": [{"kind": "mode", "text": "b"}, {"kind": "journal", "text": "c"}]}`)
		if got := h.faults(); got != "critical control/journal, warning control/mode, warning mail" {
			t.Error(got)
		}
	})
}

func TestAStandbySaysNothing(t *testing.T) {
	watch(t, func(h *home) {
		h.say("powermgr/powerwall/api", `{"problem": "x", "reauthorise": true}`)
		h.active = false
		h.say(bus.Standing, "standby")
		h.faults()
		n := len(h.heard)
		h.say(health.Topic(health.Mail), `{"level": "warning", "problem": "no"}`)
		h.say("powermgr/control/state", `{"problems": [{"kind": "journal", "text": "c"}]}`)
		if h.faults(); len(h.heard) != n {
			t.Errorf("a standby says %+v", h.last())
		}
		h.active = true
		h.say(bus.Standing, "active")
		if got := h.faults(); got != "warning mail" || len(h.heard) != n+1 {
			t.Errorf("a node that becomes active begins with %q", got)
		}
	})
}

func TestEveryPartHasAName(t *testing.T) {
	if parts := health.Parts(); len(slices.Compact(slices.Sorted(slices.Values(parts)))) != len(parts) {
		t.Errorf("parts %q", parts)
	}
}

func TestOldFiguresAreToldWithTheirAge(t *testing.T) {
	watch(t, func(h *home) {
		h.say("powermgr/powerwall/api", `{"age_seconds": 21700, "problem": null}`)
		if got := h.faults(); got != "warning powerwall/age" || !strings.HasPrefix(h.last().Faults[0].Text, "Tesla's figures are 6 h old") {
			t.Errorf("%s: %+v", got, h.last())
		}
		n := len(h.heard)
		h.say("powermgr/powerwall/api", `{"age_seconds": 21760, "problem": null}`)
		if h.faults(); len(h.heard) != n {
			t.Error("said again a minute later")
		}
	})
}

// A daemon that ran over the end of its list of holidays said nothing, and there
// was a peak on Christmas.
func TestHolidaysThatRunOut(t *testing.T) {
	c := rules.Calendar{Location: time.UTC, Holidays: []string{"1999-12-25", "2000-01-02"}}
	watchWith(t, c, func(h *home) {
		if got := h.faults(); got != "" {
			t.Errorf("while the last one is to come: %q", got)
		}
		h.wait(48 * time.Hour)
		h.say("powermgr/powerwall/api", `{}`)
		if got := h.faults(); got != "warning configuration/holidays" {
			t.Errorf("afterwards: %q", got)
		}
	})
}

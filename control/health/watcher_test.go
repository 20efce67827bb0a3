package health_test

import (
	"context"
	"encoding/json"
	"fmt"
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
	watchWith(t, health.Options{}, do)
}

func watchWith(t *testing.T, o health.Options, do func(h *home)) {
	synctest.Test(t, func(t *testing.T) {
		h := &home{t: t, bus: bus.New(bus.Wall{}), topics: devices.Topics{Base: "powermgr"}, active: true}
		h.sub = h.bus.Subscribe("test", h.topics.Control("health"))
		o.Bus, o.Topics, o.Active, o.Log = h.bus, h.topics, func() bool { return h.active }, slog.New(slog.DiscardHandler)
		w := health.NewWatcher(o)
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
		lostAPI  = `{"age_seconds": 900, "problem": "needs re-authorization", "reauthorise": true}`
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
		"something is not restored":                              {said{"powermgr/control/state", `{"owned": [{"target": "1000001", "name": "Upstairs", "what": "restore"}]}`}, 19 * time.Minute, time.Minute, "critical restoring/1000001", said{"powermgr/control/state", `{"owned": []}`}},
		"a reserve is not restored":                              {said{"powermgr/control/state", `{"cause": "schedule", "owned": [{"target": "powerwall", "name": "Powerwall", "what": "restore"}]}`}, 19 * time.Minute, time.Minute, "critical restoring/powerwall", said{"powermgr/control/state", `{"owned": []}`}},
		"a storm keeps a reserve from being restored":            {said{"powermgr/control/state", `{"cause": "device", "owned": [{"target": "powerwall", "name": "Powerwall", "what": "restore", "waits": "Storm Watch is using the battery"}]}`}, time.Hour, 0, "", said{"powermgr/control/state", `{"owned": []}`}},
		"a vacation keeps a thermostat from being restored":      {said{"powermgr/control/state", `{"owned": [{"target": "1000001", "name": "Upstairs", "what": "restore", "waits": "it is on vacation"}]}`}, time.Hour, 0, "", said{"powermgr/control/state", `{"owned": []}`}},
		"a setback is not to be restored":                        {said{"powermgr/control/state", `{"owned": [{"target": "1000001", "name": "Upstairs", "what": "setback"}]}`}, time.Hour, 0, "", said{"powermgr/control/state", `{"owned": []}`}},
		"the journal cannot be written":                          {said{"powermgr/control/state", `{"problems": [{"kind": "journal", "text": "disk full"}]}`}, -1, 0, "critical control/journal", said{"powermgr/control/state", `{"problems": []}`}},
		"the Powerwall is in the wrong mode":                     {said{"powermgr/control/state", `{"problems": [{"kind": "mode", "text": "backup"}]}`}, -1, 0, "warning control/mode", said{"powermgr/control/state", `{"problems": []}`}},
		"a command did not come through":                         {said{"powermgr/control/event", `{"event_type": "problem", "target": "1000001", "reason": "no"}`}, -1, 0, "warning command/1000001", said{"powermgr/thermostat/1000001/hold/result", `{"id": "control-1", "accepted": true, "final": true, "applied": 1, "reason": ""}`}},
		"a decision is none":                                     {said{"powermgr/control/event", `{"event_type": "setback", "target": "1000001", "reason": "set back"}`}, time.Hour, 0, "", said{"powermgr/control/event", `{}`}},
		"a part says so itself":                                  {said{health.Topic(health.Mail), `{"level": "warning", "problem": "the server refuses the password"}`}, -1, 0, "warning mail", said{health.Topic(health.Mail), `{"level": "warning", "problem": ""}`}},
		"calls are spent too fast":                               {said{"powermgr/powerwall/api", `{"calls_this_month": 4000, "calls_per_month": 5000, "problem": null}`}, -1, 0, "warning powerwall/calls", said{"powermgr/powerwall/api", wellAPI}},
		"calls are still there":                                  {said{"powermgr/powerwall/api", `{"calls_this_month": 3999, "calls_per_month": 5000, "problem": null}`}, time.Hour, 0, "", said{"powermgr/powerwall/api", wellAPI}},
		"calls that nobody limits":                               {said{"powermgr/powerwall/api", `{"calls_this_month": 4000, "calls_per_month": 0, "problem": null}`}, time.Hour, 0, "", said{"powermgr/powerwall/api", wellAPI}},
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

// A consent without energy_cmds was two faults: of the consent, and of the
// command that was refused for it.
func TestOneFaultForOneCause(t *testing.T) {
	const (
		refused = `{"event_type": "problem", "target": "powerwall", "reason": "no"}`
		other   = `{"event_type": "problem", "target": "1000001", "reason": "no"}`
		lost    = `{"problem": "needs re-authorization", "reauthorise": true}`
	)
	for _, first := range []string{"event", "api"} {
		t.Run(first+" first", func(t *testing.T) {
			watch(t, func(h *home) {
				if first == "event" {
					h.say("powermgr/control/event", refused)
				}
				h.say("powermgr/powerwall/api", lost)
				h.say("powermgr/control/event", refused)
				if got := h.faults(); got != "critical powerwall/authorisation" {
					t.Errorf("faults %q", got)
				}
				h.say("powermgr/control/event", other)
				if got := h.faults(); got != "critical powerwall/authorisation, warning command/1000001" {
					t.Errorf("another vendor's command: faults %q", got)
				}
			})
		})
	}
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
		h.say(bus.Role, "standby")
		h.faults()
		n := len(h.heard)
		h.say(health.Topic(health.Mail), `{"level": "warning", "problem": "no"}`)
		h.say("powermgr/control/state", `{"problems": [{"kind": "journal", "text": "c"}]}`)
		if h.faults(); len(h.heard) != n {
			t.Errorf("a standby says %+v", h.last())
		}
		h.active = true
		h.say(bus.Role, "active")
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
		if got := h.faults(); got != "warning powerwall/age" || !strings.HasPrefix(h.last().Faults[0].Text, "Tesla's data is 6 h old") {
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
	watchWith(t, health.Options{Calendar: c}, func(h *home) {
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

func TestAnAuthorizationThatEnds(t *testing.T) {
	ends := time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)
	o := health.Options{Expiring: func(now time.Time) string {
		if now.After(ends.Add(-24 * time.Hour)) {
			return "renew it"
		}
		return ""
	}}
	watchWith(t, o, func(h *home) {
		if got := h.faults(); got != "" {
			t.Errorf("long before: %q", got)
		}
		h.wait(36 * time.Hour)
		h.say("powermgr/powerwall/api", `{}`)
		if got := h.faults(); got != "warning configuration/authorization" {
			t.Errorf("a day before: %q", got)
		}
		ends = ends.Add(90 * 24 * time.Hour)
		h.say("powermgr/powerwall/api", `{"age_seconds": 1}`)
		if got := h.faults(); got != "" {
			t.Errorf("renewed: %q", got)
		}
	})
}

// A warning whose text changes with each call would be mailed with each call.
func TestThatCallsRunOutIsSaidOnce(t *testing.T) {
	watch(t, func(h *home) { // it begins with a month
		say := func(calls int) {
			h.say("powermgr/powerwall/api", fmt.Sprintf(`{"calls_this_month": %d, "calls_per_month": 5000, "problem": null}`, calls))
		}
		h.wait(10 * 24 * time.Hour)
		say(4100)
		h.faults()
		heard := len(h.heard)
		for calls := 4101; calls < 5200; calls += 100 {
			say(calls)
		}
		if got := h.faults(); got != "warning powerwall/calls" || len(h.heard) != heard {
			t.Errorf("%s, said %d times", got, 1+len(h.heard)-heard)
		}
		h.wait(22 * 24 * time.Hour)
		say(3)
		if got := h.faults(); got != "" {
			t.Errorf("in a new month: %s", got)
		}
		h.wait(26 * 24 * time.Hour)
		say(4600)
		if got := h.faults(); got != "" {
			t.Errorf("spent as fast as the month goes: %s", got)
		}
	})
}

// next is h after a reload: another watcher, on a bus of its own, that goes on where
// the one before it was. before publishes what is said before it runs.
func (h *home) next(last *health.Watcher, before func(*home)) (*home, *health.Watcher, func()) {
	n := &home{t: h.t, bus: bus.New(bus.Wall{}), topics: h.topics, active: true}
	n.sub = n.bus.Subscribe("test", n.topics.Control("health"))
	w := health.NewWatcher(health.Options{Bus: n.bus, Topics: n.topics, Active: func() bool { return n.active }, Log: slog.New(slog.DiscardHandler)})
	if before != nil {
		before(n)
	}
	if last != nil {
		w.Resume(last)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	synctest.Wait()
	return n, w, func() { cancel(); <-done }
}

// A fault that a part reports of itself was gone after a reload, and came back: it
// was mailed twice.
func TestAReloadKeepsTheFaultsThereAre(t *testing.T) {
	const dry = `{"level": "warning", "problem": "begin-dry"}`
	for _, tt := range []struct {
		name          string
		part, said    string
		before, after string        // reported again before the watcher runs, and once it does; empty: it is not
		delay         time.Duration // of after
		want, then    string        // what is shown at once, and what two minutes later
	}{
		{"a dry run that goes on", health.Configuration, dry, dry, "", 0, "warning configuration", "warning configuration"},
		{"a configuration that could not be used", health.Configuration, dry, "", "", 0, "", ""},
		{"another one that cannot be used as it is", health.Configuration, `{"level": "critical", "problem": "no"}`, dry, "", 0, "warning configuration", "warning configuration"},
		{"a thermostat that is still missing", health.Thermostats, dry, "", dry, 20 * time.Second, "warning thermostats", "warning thermostats"},
		{"a thermostat that is there again", health.Thermostats, dry, "", `{"level": "warning", "problem": ""}`, 20 * time.Second, "warning thermostats", ""},
		{"a clock that nobody finds wrong any more", health.Clock, dry, "", "", 0, "warning clock", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, w, stop := (&home{t: t, topics: devices.Topics{Base: "powermgr"}}).next(nil, nil)
				h.say(health.Topic(tt.part), tt.said)
				h.faults()
				since := h.last().Faults[0].Since
				h.wait(time.Hour)
				stop()
				h, _, stop = h.next(w, func(n *home) {
					if tt.before != "" {
						n.bus.Publish(bus.Message{Topic: health.Topic(tt.part), Payload: []byte(tt.before), Retain: true})
					}
				})
				defer stop()
				if got := h.faults(); got != tt.want {
					t.Errorf("at once %q, want %q", got, tt.want)
				}
				h.wait(tt.delay)
				if tt.after != "" {
					h.say(health.Topic(tt.part), tt.after)
				}
				h.wait(2 * time.Minute)
				if got := h.faults(); got != tt.then {
					t.Errorf("later %q, want %q", got, tt.then)
				}
				for _, said := range h.heard {
					if tt.want == tt.then && tt.want != "" && len(said.Faults) != 1 {
						t.Errorf("meanwhile it says %+v", said.Faults)
					}
					for _, f := range said.Faults {
						if !f.Since.Equal(since) {
							t.Errorf("since %v, it was %v", f.Since, since)
						}
					}
				}
			})
		})
	}
}

// After a reload in a peak Home Assistant saw a vendor that does not answer ten
// minutes later than without.
func TestAReloadInAPeakKnowsWhenAVendorLastAnswered(t *testing.T) {
	const bad = `{"age_seconds": 200, "problem": "unreachable", "reason": "no", "reauthorise": false}`
	synctest.Test(t, func(t *testing.T) {
		h, w, stop := (&home{t: t, topics: devices.Topics{Base: "powermgr"}}).next(nil, nil)
		h.say("powermgr/control/state", `{"phase": "peak"}`)
		h.say("powermgr/powerwall/api", `{"age_seconds": 20, "problem": null}`)
		h.wait(4 * time.Minute)
		stop()
		h, _, stop = h.next(w, nil)
		defer stop()
		h.say("powermgr/powerwall/api", bad)
		h.wait(time.Minute)
		if h.faults(); h.last().Parts[health.Powerwall].OK {
			t.Error("five minutes after its last answer all is well")
		}
	})
}

package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

func TestFold(t *testing.T) {
	override := func(h *home, kind, until string) {
		h.control(func(s *control.State) {
			s.Override, s.Until = kind, nil
			if until != "" {
				s.Until = new(h.at("2026-07-15 " + until))
			}
		})
	}
	yielded := func(targets ...string) func(s *control.State) {
		return func(s *control.State) {
			s.Yielded = nil
			for _, id := range targets {
				s.Yielded = append(s.Yielded, rules.Owned{Target: id, What: "set to cool 70"})
			}
		}
	}
	api := func(h *home, calls, failed int, problem any) {
		h.says(topics.Weather("api"), map[string]any{"calls_today": calls, "failed_today": failed, "problem": problem})
	}
	result := func(h *home, id string, r devices.Result) {
		r.ID = id
		h.says(topics.Powerwall("reserve/result"), r)
	}
	for _, tt := range []struct {
		name  string
		happy func(h *home)
		shown func(r *Record) any
		want  string
	}{
		{"a decision and why", func(h *home) { h.event(rules.NotePhase, "", "peak until 19:00") },
			func(r *Record) any { return r.Decisions }, "[{2026-07-15 12:00:00 -0700 PDT phase  peak until 19:00}]"},
		{"control characters are not kept", func(h *home) { h.event(rules.NotePhase, "", "\x1b[31mred") },
			func(r *Record) any { return r.Decisions[0].Reason }, " [31mred"},
		{"dry run and switched off are remembered", func(h *home) {
			h.control(func(s *control.State) { s.DryRun, s.Enabled = true, false })
			h.control(func(s *control.State) { s.DryRun, s.Enabled = false, true })
		}, func(r *Record) any { return []bool{r.DryRun, r.Disabled} }, "[true true]"},

		{"an override that ended at its time", func(h *home) {
			override(h, "pause", "12:30")
			h.until("12:30")
			override(h, "auto", "")
		}, func(r *Record) any { return overrides(r) }, "pause 12:00–12:30 by time"},
		{"an override that a person ended", func(h *home) {
			override(h, "pause", "12:30")
			h.until("12:10")
			override(h, "auto", "")
		}, func(r *Record) any { return overrides(r) }, "pause 12:00–12:10 by person"},
		{"an override that another replaced", func(h *home) {
			override(h, "pause", "12:30")
			h.until("12:10")
			override(h, "peak", "13:00")
		}, func(r *Record) any { return overrides(r) }, "pause 12:00–12:10 by person, peak 12:10–now"},
		{"an override goes on though other things change", func(h *home) {
			override(h, "pause", "12:30")
			h.control(func(s *control.State) { s.MinutesLeft = new(3) })
		}, func(r *Record) any { return overrides(r) }, "pause 12:00–now"},

		{"an override goes on over midnight", func(h *home) {
			override(h, "pause", "12:30")
			h.midnight()
		}, func(r *Record) any { return overrides(r) }, "pause 12:00–now"},
		{"one that is over does not", func(h *home) {
			override(h, "pause", "12:30")
			override(h, "auto", "")
			h.midnight()
		}, func(r *Record) any { return overrides(r) }, ""},

		{"a person won, until the window ended", func(h *home) {
			h.event(rules.NoteYielded, "up", "Upstairs: set to cool 70")
			h.control(yielded("up"))
			h.until("12:40")
			h.control(yielded())
		}, func(r *Record) any { return takings(r) }, "up 12:00–12:40 held: Upstairs: set to cool 70"},
		{"a person won off peak, where nothing is left alone", func(h *home) {
			h.event(rules.NoteYielded, "up", "Upstairs: set to cool 70")
			h.control(yielded())
		}, func(r *Record) any { return takings(r) }, "up 12:00–? : Upstairs: set to cool 70"},
		{"a person had won before this node heard of it", func(h *home) { h.control(yielded("powerwall")) },
			func(r *Record) any { return takings(r) }, "powerwall 12:00–? held: set to cool 70"},
		{"what a person has goes on over midnight, and nothing else does", func(h *home) {
			h.event(rules.NoteYielded, "down", "Downstairs: set to cool 70")
			h.control(yielded("up"))
			h.control(yielded())
			h.control(yielded("powerwall"))
			h.midnight()
		}, func(r *Record) any { return takings(r) }, "powerwall 12:00–? held: set to cool 70"},
		{"a person wins twice", func(h *home) {
			h.control(yielded("up"))
			h.control(yielded())
			h.control(yielded("up"))
		}, func(r *Record) any { return takings(r) }, "up 12:00–12:00 held: set to cool 70, up 12:00–? held: set to cool 70"},

		{"calls over a restart", func(h *home) {
			api(h, 10, 1, nil)
			api(h, 12, 1, nil)
			api(h, 3, 2, nil) // of another process
		}, func(r *Record) any { return []int{r.Vendors["weather"].Calls, r.Vendors["weather"].Failed} }, "[15 3]"},
		{"calls on another node count from where it is", func(h *home) {
			api(h, 10, 1, nil)
			h.r.noteNewProcess()
			api(h, 40, 7, nil)
			api(h, 42, 7, nil)
		}, func(r *Record) any { return []int{r.Vendors["weather"].Calls, r.Vendors["weather"].Failed} }, "[12 1]"},
		{"calls of a new day count from nothing", func(h *home) {
			api(h, 10, 1, nil)
			h.midnight()
			api(h, 4, 1, nil)
		}, func(r *Record) any { return []int{r.Vendors["weather"].Calls, r.Vendors["weather"].Failed} }, "[4 1]"},
		{"minutes without an answer, and the last problem", func(h *home) {
			api(h, 1, 0, nil)
			h.until("12:05")
			api(h, 2, 1, "unreachable")
			h.until("12:25")
			api(h, 3, 1, nil)
			h.until("12:45")
			api(h, 4, 1, nil)
		}, func(r *Record) any {
			return fmt.Sprint(r.Vendors["weather"].MinutesOffline, " ", r.Vendors["weather"].LastProblem)
		}, "20 unreachable"},
		{"offline over midnight", func(h *home) {
			h.now = h.at("2026-07-15 23:50")
			api(h, 1, 1, "unreachable")
			h.midnight()
			h.now = h.at("2026-07-16 00:05")
			api(h, 1, 0, nil)
		}, func(r *Record) any { return r.Vendors["weather"].MinutesOffline }, "5"},

		{"a command that the device showed", func(h *home) { h.command(topics.Powerwall("reserve/set"), 20, 6*time.Second) },
			func(r *Record) any { return commands(r) }, "powerwall reserve 20 by control: 20 after 6 s"},
		{"a command that was refused", func(h *home) {
			h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte(`{"value":90,"id":"1"}`)})
			result(h, "1", devices.Result{Final: true, Requested: 90, Reason: "send 80 or 100"})
		}, func(r *Record) any { return commands(r) }, "powerwall reserve 90 by person: send 80 or 100"},
		{"a command that the device did not take", func(h *home) {
			h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte("20")})
			result(h, "", devices.Result{Accepted: true, Requested: 20})
			result(h, "", devices.Result{Accepted: true, Final: true, Requested: 20, Applied: 100, Reason: "not applied"})
		}, func(r *Record) any { return commands(r) }, "powerwall reserve 20 by person: not applied, shows 100"},
		{"a command that nobody answered", func(h *home) {
			h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte("20")})
			h.until("12:20")
		}, func(r *Record) any { return commands(r) }, "powerwall reserve 20 by person: "},
		{"two without an id are answered in their order", func(h *home) {
			for _, v := range []string{"20", "30"} {
				h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte(v)})
			}
			result(h, "", devices.Result{Accepted: true, Final: true, Requested: 20, Applied: 20})
			result(h, "", devices.Result{Accepted: true, Final: true, Requested: 30, Applied: 30})
		}, func(r *Record) any { return commands(r) },
			"powerwall reserve 20 by person: 20 after 0 s, powerwall reserve 30 by person: 30 after 0 s"},
		{"an answer to a command that came another way", func(h *home) {
			result(h, "control-7", devices.Result{Accepted: true, Final: true, Requested: 20, Applied: 20})
		}, func(r *Record) any { return commands(r) }, "powerwall reserve 20 by control: 20 after 0 s"},
		{"what a newer command took the place of has not failed", func(h *home) {
			for _, v := range []string{"20", "30"} {
				h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte(v)})
			}
			result(h, "", devices.Result{Accepted: true, Final: true, Requested: 20, Reason: "superseded by a newer command"})
			result(h, "", devices.Result{Accepted: true, Final: true, Requested: 30, Applied: 100, Reason: "not applied"})
		}, func(r *Record) any { return r.Figures().CommandsFailed }, "1"},
		{"a command on its way has not failed", func(h *home) { h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte("20")}) },
			func(r *Record) any { return r.Figures().CommandsFailed }, "0"},
		{"the clearing of a retained command is none", func(h *home) { h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Retain: true}) },
			func(r *Record) any { return len(r.Commands) }, "0"},
		{"a command on its way at midnight is answered in the new day", func(h *home) {
			h.now = h.at("2026-07-15 23:59")
			h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte("20")})
			h.midnight()
			result(h, "", devices.Result{Accepted: true, Final: true, Requested: 20, Applied: 20})
		}, func(r *Record) any { return commands(r) }, "powerwall reserve 20 by person: 20 after 60 s"},

		{"a message that is not understood is counted", func(h *home) {
			for _, topic := range []string{topics.Powerwall("state"), topics.Control("state"), topics.Control("event"), topics.Weather("api"), topics.Thermostat("up", "state")} {
				h.message(bus.Message{Topic: topic, Payload: []byte("<html>")})
			}
		}, func(r *Record) any { return r.LeftOut["messages"] }, "5"},
		{"the last values of a thermostat that does not answer are old", func(h *home) {
			h.says(topics.Thermostat("up", "state"), devices.ThermostatReading{Name: "Up", Unit: "F", Temperature: new(77.0)})
		}, func(r *Record) any { return fmt.Sprint(r.Thermostats["up"].Readings, r.Thermostats["up"].IndoorMax) }, "0 <nil>"},
		{"nonsense of a thermostat is counted and not kept", func(h *home) {
			h.says(topics.Thermostat("up", "state"), devices.ThermostatReading{Name: "Up", Unit: "F", Temperature: new(777.0), Alive: true})
		}, func(r *Record) any { return fmt.Sprint(r.LeftOut["messages"], r.Thermostats["up"].Readings) }, "1 0"},
		{"nonsense of a battery is counted and not kept", func(h *home) {
			h.says(topics.Powerwall("state"), map[string]any{"charge_percent": 400, "polled_at": h.now})
			h.says(topics.Powerwall("state"), map[string]any{"home_power_w": 1e12, "polled_at": h.now})
		}, func(r *Record) any { return fmt.Sprint(r.LeftOut["messages"], r.Charge.Start, r.Open.Last) }, "2 <nil> <nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 12:00")
			tt.happy(h)
			if got := fmt.Sprint(tt.shown(h.r)); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
			again(t, *h.r)
		})
	}
}

func overrides(r *Record) string {
	var all []string
	for _, o := range r.Overrides {
		text := o.Kind + " " + o.From.Format("15:04") + "–now"
		if o.Until != nil {
			text = o.Kind + " " + o.From.Format("15:04") + "–" + o.Until.Format("15:04") + " by " + o.EndedBy
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func takings(r *Record) string {
	var all []string
	for _, k := range r.Takings {
		until, held := "?", ""
		if k.Until != nil {
			until = k.Until.Format("15:04")
		}
		if k.Held {
			held = "held"
		}
		all = append(all, fmt.Sprintf("%s %s–%s %s: %s", k.Target, k.At.Format("15:04"), until, held, k.What))
	}
	return strings.Join(all, ", ")
}

func commands(r *Record) string {
	var all []string
	for _, c := range r.Commands {
		text := fmt.Sprintf("%s %s %v by %s: %s", c.Target, c.Setting, c.Requested, c.Source, c.Reason)
		switch {
		case c.ConfirmedAfter != nil:
			text += fmt.Sprintf("%v after %d s", c.Applied, *c.ConfirmedAfter)
		case c.Applied != nil:
			text += fmt.Sprintf(", shows %v", c.Applied)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestSetBack(t *testing.T) {
	shown := func(mode devices.HVACMode, unit devices.Unit, cool, heat float64) devices.ThermostatReading {
		return devices.ThermostatReading{Name: "Up", Mode: &mode, Unit: unit, CoolSetpoint: &cool, HeatSetpoint: &heat, Temperature: &cool, Alive: true}
	}
	for _, tt := range []struct {
		name          string
		before, after devices.ThermostatReading
		what          rules.Goal
		unheard       bool // nothing was heard of the controller before
		want          string
	}{
		{"cooling", shown("cool", "F", 76, 60), shown("cool", "F", 80, 60), rules.Setback, false, "{20 80 4} {0 0 0}"},
		{"heating", shown("heat", "F", 76, 68), shown("heat", "F", 76, 64), rules.Setback, false, "{20 80 4} {0 0 0}"},
		{"both, by the larger", shown("heat_cool", "F", 76, 68), shown("heat_cool", "F", 78, 67), rules.Setback, false, "{20 40 2} {0 0 0}"},
		{"Celsius", shown("cool", "C", 24, 18), shown("cool", "C", 25.5, 18), rules.Setback, false, "{20 30 1.5} {0 0 0}"},
		{"at its limit already", shown("cool", "F", 84, 60), shown("cool", "F", 84, 60), rules.Setback, false, "{20 0 0} {0 0 0}"},
		{"precooling", shown("cool", "F", 76, 60), shown("cool", "F", 74, 60), rules.Precool, false, "{0 0 0} {20 40 2}"},
		{"being restored is none", shown("cool", "F", 76, 60), shown("cool", "F", 74, 60), rules.Restore, false, "{0 0 0} {0 0 0}"},
		{"what it was before is not known", shown("cool", "F", 80, 60), shown("cool", "F", 80, 60), rules.Setback, true, "{20 120 6} {0 0 0}"},
		{"the same on a Celsius device", shown("cool", "C", 27, 18), shown("cool", "C", 27, 18), rules.Setback, true, "{20 66.66666 3.333333} {0 0 0}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 16:00")
			topic := topics.Thermostat("up", "state")
			if !tt.unheard {
				h.control(func(s *control.State) {})
			}
			h.says(topic, tt.before)
			h.control(func(s *control.State) {
				s.Owned, s.OffsetF = []rules.Owned{{Target: "up", What: string(tt.what)}}, 6
			})
			h.says(topic, tt.after)
			for _, clock := range []string{"16:10", "16:20"} {
				h.now = h.at("2026-07-15 " + clock)
				h.says(topic, tt.after)
			}
			h.control(func(s *control.State) { s.Owned = nil })
			h.now = h.at("2026-07-15 16:30")
			h.says(topic, tt.before)
			up := h.r.Thermostats["up"]
			if got := fmt.Sprint(up.Setback, up.Precool); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// A setback over midnight is counted in both days; over a gap nobody knows.
func TestSetBackOverMidnight(t *testing.T) {
	h := newHome(t, "2026-07-15 23:40")
	h.control(func(s *control.State) {})
	h.control(func(s *control.State) { s.Owned, s.OffsetF = []rules.Owned{{Target: "up", What: "setback"}}, 2 })
	h.now = h.at("2026-07-15 23:50")
	h.control(func(s *control.State) { s.MinutesLeft = new(9) })
	first := h.midnight()
	for _, clock := range []string{"00:05", "01:05"} { // 60 minutes of which nothing is known
		h.now = h.at("2026-07-16 " + clock)
		h.control(func(s *control.State) { s.MinutesLeft = nil })
	}
	if a, b := first.Thermostats["up"].Setback.Minutes, h.r.Thermostats["up"].Setback.Minutes; a != 20 || b != 5 {
		t.Errorf("%v and %v minutes, want 20 and 5", a, b)
	}
}

// A day that goes through its file again and again comes to the same.
func TestARestartAtAnyMoment(t *testing.T) {
	straight, restarted := hotDay(t, false), hotDay(t, true)
	for range 2 {
		a, b := straight.midnight(), restarted.midnight()
		one, _ := Encode(a)
		other, _ := Encode(b)
		if !bytes.Equal(one, other) {
			t.Fatalf("they differ:\n%s\n%s", one, other)
		}
		if text := Text(a); text != Text(b) {
			t.Error("the reports differ")
		}
		straight.until("12:00")
		restarted.until("12:00")
	}
}

func TestListsAreBounded(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	long := strings.Repeat("<é>", 400)
	for i := range 300 {
		h.now = h.now.Add(280 * time.Second)
		h.says(topics.Control("event"), control.Event{Type: rules.NoteYielded, Target: fmt.Sprint(i, long), Reason: long})
		h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: mustJSON(t, map[string]any{"value": long[:200], "id": fmt.Sprint(i)}), Source: devices.SourceControl})
		h.says(topics.Powerwall("reserve/result"), devices.Result{ID: fmt.Sprint(i), Final: true, Requested: long, Applied: long, Reason: long})
		h.control(func(s *control.State) { s.Override = fmt.Sprint(i, long) })
		h.says(topics.Thermostat(fmt.Sprint(i, long), "state"), devices.ThermostatReading{
			Name: long, Alive: true, Unit: "F", Mode: new(devices.HeatCool),
			Temperature: new(77.77), CoolSetpoint: new(77.77), HeatSetpoint: new(77.77)})
		p := h.powerwall()
		p.Home = new(devices.WattHours((i % 2) * 1e6)) // jumps, and falls
		h.says(topics.Powerwall("state"), p)
	}
	b, err := Encode(*h.r)
	if err != nil || len(b) > MaxSize {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	t.Logf("%d bytes", len(b))
	r := again(t, *h.r)
	if got, want := fmt.Sprint(r.LeftOut), "map[commands:150 decisions:100 gaps:249 overrides:250 people:250 thermostats:286]"; got != want {
		t.Errorf("left out %s, want %s", got, want)
	}
	Text(r)
}

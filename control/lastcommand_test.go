package control_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

func (r *rig) lastCommand() (c control.LastCommand, told bool) {
	r.t.Helper()
	m, told := r.bus.Retained(topics.Control(devices.CommandLeaf))
	if told && json.Unmarshal(m.Payload, &c) != nil {
		r.t.Fatalf("%s", m.Payload)
	}
	return c, told
}

// A command and its outcome were invisible to anybody who had not subscribed to its
// answers before it was sent.
func TestTheLastCommandIsTold(t *testing.T) {
	long := strings.Repeat("ü", 1000)
	for _, c := range []struct {
		name           string
		topic, payload string // of a command to the controller, or of an answer
		want           string
		result         control.CommandOutcome
	}{
		{"an override", "control/override/set", "pause 3h", "override pause until 03:00: accepted", control.Accepted},
		{"an override for days", "control/override/set", "pause 3 days", "override pause until 2000-01-04 00:00: accepted", control.Accepted},
		{"as JSON with a reason", "control/override/set", `{"value":"pause","minutes":90,"reason":"guests"}`, "override pause until 01:30: accepted", control.Accepted},
		{"without an end", "control/override/set", "auto", "override auto: accepted", control.Accepted},
		{"resume", "control/override/set", "resume", "override resume: accepted", control.Accepted},
		{"a mistyped override", "control/override/set", "puase", `override puase: refused: "puase" is not an override`, control.Refused},
		{"the switch", "control/enabled/set", "OFF", "enabled OFF: accepted", control.Accepted},
		{"the button", "control/restore/set", "PRESS", "restore: accepted", control.Accepted},
		{"no such command", "control/schedule/set", "x", "schedule x: refused: there is no such command", control.Refused},
		{"line breaks", "control/override/set", "a\nb\x00c", "override a b c: refused: ", control.Refused},
		{"a long one", "control/override/set", long, "override " + strings.Repeat("ü", 59) + "…: refused: ", control.Refused},
		{"reserve", "powerwall/reserve/result", `{"accepted":true,"final":true,"requested":30,"applied":30}`, "reserve 30 %: accepted", control.Accepted},
		{"reserve on its way", "powerwall/reserve/result", `{"accepted":true,"final":false,"requested":30,"reason":"on its way to the device"}`, "reserve 30 %: on its way", control.OnItsWay},
		{"storm watch", "powerwall/storm_watch/result", `{"accepted":true,"final":true,"requested":false,"applied":false}`, "storm_watch OFF: accepted", control.Accepted},
		{"forecast", "weather/forecast_high/result", `{"final":true,"requested":"380","reason":"380 is too high"}`, "forecast_high 380: refused: 380 is too high", control.Refused},
		{"forecast taken", "weather/forecast_high/result", `{"accepted":true,"final":true,"requested":101,"applied":101,"reason":"radio"}`, "forecast_high 101 °F: accepted", control.Accepted},
		{"thermostat", "thermostat/up/cool_setpoint/result", `{"accepted":true,"final":true,"requested":74,"applied":76,"reason":"the device shows 76"}`,
			"thermostat Up cool_setpoint 74 °F: not applied: the device shows 76", control.NotApplied},
		{"thermostat that was not read", "thermostat/den/mode/result", `{"accepted":true,"final":true,"unknown":true,"requested":"cool","reason":"no answer"}`,
			"thermostat den mode cool: not known: no answer", control.Unclear},
		{"no value", "thermostat/up/mode/result", `{"final":true,"requested":null,"reason":"it was retained"}`, "thermostat Up mode: refused: it was retained", control.Refused},
		{"the controller's own", "powerwall/reserve/result", `{"id":"control-powerwall-1","accepted":true,"final":true,"requested":0,"applied":0}`, "", ""},
		{"not an answer", "powerwall/reserve/result", `{"accepted":`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, false, &memory{}, func(r *rig) {
				r.thermostat(76, devices.HoldSchedule)
				r.send("powermgr/"+c.topic, c.payload)
				got, told := r.lastCommand()
				if told != (c.want != "") || !strings.HasPrefix(got.State, c.want) || got.Result != c.result {
					t.Errorf("%+v, want %q, %s", got, c.want, c.result)
				}
				if c.result == control.Accepted && got.State != c.want {
					t.Errorf("%q, want %q", got.State, c.want)
				}
				if utf8.RuneCountInString(got.State) > 255 || utf8.RuneCountInString(got.Value) > 60 || utf8.RuneCountInString(got.Reason) > 500 {
					t.Errorf("too long: %+v", got)
				}
				if told && (got.Topic != "powermgr/"+strings.TrimSuffix(strings.TrimSuffix(c.topic, "/set"), "/result")+"/set" || !got.At.Equal(time.Now().Truncate(time.Second))) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// The success of an older command does not hide a newer one; its failure does.
func TestTheLastCommandIsTheNewest(t *testing.T) {
	for _, c := range []struct{ name, end, want string }{
		{"the older one came through", `{"accepted":true,"final":true,"requested":74,"applied":74}`, "enabled OFF: accepted"},
		{"the older one did not", `{"accepted":true,"final":true,"requested":74,"applied":76,"reason":"it shows 76"}`, "thermostat up setpoint 74: not applied: it shows 76"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, false, &memory{}, func(r *rig) {
				r.send(topics.Thermostat("up", "setpoint/result"), `{"accepted":true,"final":false,"requested":74}`)
				r.send(topics.Control("enabled/set"), "OFF")
				r.send(topics.Thermostat("up", "setpoint/result"), c.end)
				if got, _ := r.lastCommand(); got.State != c.want {
					t.Errorf("%q, want %q", got.State, c.want)
				}
			})
		})
	}
}

// A refused forecast was not reported like other refused commands.
func TestARefusedForecastIsAnEvent(t *testing.T) {
	run(t, false, &memory{}, func(r *rig) {
		r.got("#")
		r.send(topics.Weather("forecast_high/result"), `{"final":true,"requested":"380","reason":"too high"}`)
		want := `forecast_high "380" was refused: too high`
		for _, m := range r.got(topics.Control(devices.EventLeaf)) {
			var e control.Event
			if json.Unmarshal(m.Payload, &e) == nil && e.Type == rules.NoteRefused && e.Reason == want {
				return
			}
		}
		t.Error("there is no event")
	})
}

// The standby node publishes nothing about the answers of the active one.
func TestAStandbyTellsNoLastCommand(t *testing.T) {
	runAs(t, &standby{}, false, &memory{}, func(r *rig) {
		r.send(topics.Powerwall("reserve/result"), `{"final":true,"requested":"90","reason":"not possible"}`)
		if got, told := r.lastCommand(); told {
			t.Errorf("%+v", got)
		}
	})
}

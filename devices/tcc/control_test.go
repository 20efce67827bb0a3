package tcc

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

func TestChangeInThePortalsWords(t *testing.T) {
	at := func(h, m, s int) *time.Time {
		return new(time.Date(2026, 7, 15, h, m, s, 0, home))
	}
	type cmd = devices.ThermostatCommand
	const auto = `"SwitchAutoAllowed":true`
	for _, tt := range []struct {
		name string
		edit []string
		cmd  cmd
		want string // "": refused with no
		no   string
	}{
		{"mode heat in emergency heat ends nothing", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":0`}, cmd{Mode: new(devices.Heat), HeatSetpoint: new(68.0)},
			`"SystemSwitch":null,"HeatSetpoint":68,"CoolSetpoint":75,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},
		{"a set point keeps a permanent hold and sends both, with both statuses", nil, cmd{CoolSetpoint: new(78.0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},
		{"a set point over the schedule ends with the period that the portal shows", []string{`"StatusCool":2`, `"StatusCool":0`}, cmd{CoolSetpoint: new(78.0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":71,"CoolNextPeriod":71,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"an unknown period is not sent", []string{`"StatusCool":2`, `"StatusCool":0`, `"HeatNextPeriod":71,"CoolNextPeriod":71`, `"HeatNextPeriod":null,"CoolNextPeriod":-1`}, cmd{CoolSetpoint: new(78.0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"a set point keeps a hold until a time", []string{`"StatusCool":2`, `"StatusCool":1`}, cmd{CoolSetpoint: new(78.0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":71,"CoolNextPeriod":71,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"a set point over the schedule whose period ends now lasts a quarter hour", []string{`"StatusCool":2`, `"StatusCool":0`, `"HeatNextPeriod":71,"CoolNextPeriod":71`, `"HeatNextPeriod":48,"CoolNextPeriod":48`}, cmd{CoolSetpoint: new(78.0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":49,"CoolNextPeriod":49,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"a set point over a hold until now lasts a quarter hour", []string{`"StatusCool":2`, `"StatusCool":1`, `"HeatNextPeriod":71,"CoolNextPeriod":71`, `"HeatNextPeriod":48,"CoolNextPeriod":48`}, cmd{CoolSetpoint: new(78.0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":49,"CoolNextPeriod":49,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"until 19:00 is 76", nil, cmd{CoolSetpoint: new(78.0), Hold: new(devices.HoldUntil), HoldUntil: at(19, 0, 0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":76,"CoolNextPeriod":76,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"18:45:01 is rounded up to 19:00", nil, cmd{CoolSetpoint: new(78.0), Hold: new(devices.HoldUntil), HoldUntil: at(18, 45, 1)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":76,"CoolNextPeriod":76,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"a time given in UTC is the home's", nil, cmd{CoolSetpoint: new(78.0), Hold: new(devices.HoldUntil), HoldUntil: new(at(19, 0, 0).UTC())},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":76,"CoolNextPeriod":76,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"23:50 is midnight, 0", nil, cmd{CoolSetpoint: new(78.0), Hold: new(devices.HoldUntil), HoldUntil: at(23, 50, 0)},
			`"SystemSwitch":null,"HeatSetpoint":70,"CoolSetpoint":78,"HeatNextPeriod":0,"CoolNextPeriod":0,"StatusHeat":1,"StatusCool":1,"FanMode":null`, ""},
		{"back to the schedule", nil, cmd{Hold: new(devices.HoldSchedule)},
			`"SystemSwitch":null,"HeatSetpoint":null,"CoolSetpoint":null,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":0,"StatusCool":0,"FanMode":null`, ""},
		{"permanent", []string{`"StatusCool":2`, `"StatusCool":0`}, cmd{HeatSetpoint: new(66.0), CoolSetpoint: new(80.0), Hold: new(devices.HoldPermanent)},
			`"SystemSwitch":null,"HeatSetpoint":66,"CoolSetpoint":80,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},
		{"65.30000000000001 is 65", nil, cmd{HeatSetpoint: new(65.30000000000001)},
			`"SystemSwitch":null,"HeatSetpoint":65,"CoolSetpoint":75,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},
		{"a deadband moves the other set point", []string{`"Deadband":0`, `"Deadband":3.0000`}, cmd{CoolSetpoint: new(72.0)},
			`"SystemSwitch":null,"HeatSetpoint":69,"CoolSetpoint":72,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},
		{"a mode alone", nil, cmd{Mode: new(devices.Heat)},
			`"SystemSwitch":1,"HeatSetpoint":null,"CoolSetpoint":null,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":null,"StatusCool":null,"FanMode":null`, ""},
		{"the present mode is sent, too, since another one may be queued", nil, cmd{Mode: new(devices.Cool)},
			`"SystemSwitch":3,"HeatSetpoint":null,"CoolSetpoint":null,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":null,"StatusCool":null,"FanMode":null`, ""},
		{"automatic", []string{`"SwitchAutoAllowed":false`, auto}, cmd{Mode: new(devices.HeatCool)},
			`"SystemSwitch":4,"HeatSetpoint":null,"CoolSetpoint":null,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":null,"StatusCool":null,"FanMode":null`, ""},
		{"automatic keeps the present kind of automatic", []string{`"SwitchAutoAllowed":false`, auto, `"SystemSwitchPosition":3`, `"SystemSwitchPosition":5`}, cmd{Mode: new(devices.HeatCool)},
			`"SystemSwitch":5,"HeatSetpoint":null,"CoolSetpoint":null,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":null,"StatusCool":null,"FanMode":null`, ""},
		{"the fan", nil, cmd{Fan: new(devices.FanCirculate)},
			`"SystemSwitch":null,"HeatSetpoint":null,"CoolSetpoint":null,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":null,"StatusCool":null,"FanMode":2`, ""},
		{"a device that only heats sends its cool set point unchanged", []string{`"SwitchCoolAllowed":true`, `"SwitchCoolAllowed":false`}, cmd{HeatSetpoint: new(66.0)},
			`"SystemSwitch":null,"HeatSetpoint":66,"CoolSetpoint":75,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},
		{"a device without a schedule is held", []string{`"ScheduleCapable":true`, `"ScheduleCapable":false`, `"StatusHeat":2,"StatusCool":2`, `"StatusHeat":0,"StatusCool":0`}, cmd{HeatSetpoint: new(66.0)},
			`"SystemSwitch":null,"HeatSetpoint":66,"CoolSetpoint":75,"HeatNextPeriod":null,"CoolNextPeriod":null,"StatusHeat":2,"StatusCool":2,"FanMode":null`, ""},

		{"outside the limits", nil, cmd{CoolSetpoint: new(49.0)}, "", "50–99"},
		{"a mode it does not have", nil, cmd{Mode: new(devices.HeatCool)}, "", "off, heat, cool"},
		{"a fan mode it does not have", nil, cmd{Fan: new(devices.FanSchedule)}, "", "auto, on, circulate"},
		{"not alive", []string{`"deviceLive":true`, `"deviceLive":false`}, cmd{CoolSetpoint: new(78.0)}, "", "does not reach"},
		{"on vacation", []string{`"IsInVacationHoldMode":false`, `"IsInVacationHoldMode":true`}, cmd{CoolSetpoint: new(78.0)}, "", "vacation"},
		{"until on a device without it", []string{`"HoldUntilCapable":true`, `"HoldUntilCapable":false`}, cmd{Hold: new(devices.HoldUntil), HoldUntil: at(19, 0, 0)}, "", "schedule, temporary, permanent"},
		{"a hold of almost a day", nil, cmd{Hold: new(devices.HoldUntil), HoldUntil: new(at(12, 0, 0).Add(24*time.Hour - 10*time.Minute))}, "", "send"},
		{"a set point while it accepts none", []string{`"SetpointChangeAllowed":true`, `"SetpointChangeAllowed":false`}, cmd{CoolSetpoint: new(78.0)}, "", "send a mode first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseScreen(edit(t, tt.edit...), upstairs, noon, home)
			if err != nil {
				t.Fatal(err)
			}
			body, err := s.change(tt.cmd, noon, home)
			if tt.no != "" {
				if err == nil || !strings.Contains(err.Error(), tt.no) {
					t.Errorf("got %v; want a refusal with %q", err, tt.no)
				}
				return
			}
			got, _ := json.Marshal(body)
			if want := `{"DeviceID":123456,` + tt.want + `}`; err != nil || string(got) != want {
				t.Errorf("got %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// The body is byte for byte the same as that of the public clients.
func TestChangeAsThePortalTakesIt(t *testing.T) {
	s, err := parseScreen(testdata(t, "check_data_session.json"), upstairs, noon, home)
	if err != nil {
		t.Fatal(err)
	}
	body, err := s.change(devices.ThermostatCommand{
		HeatSetpoint: new(68.0), CoolSetpoint: new(78.0),
		Hold: new(devices.HoldUntil), HoldUntil: new(noon.Add(7 * time.Hour)),
	}, noon, home)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(body)
	if want := bytes.TrimSpace(testdata(t, "submit.json")); !bytes.Equal(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

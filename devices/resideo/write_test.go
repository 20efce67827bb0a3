package resideo

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

func TestPlan(t *testing.T) {
	type command = devices.ThermostatCommand
	p := func(degrees float64) *float64 { return &degrees }
	mode := func(m devices.HVACMode) *devices.HVACMode { return &m }
	hold := func(h devices.Hold) *devices.Hold { return &h }
	at := func(h, m int) *time.Time { return new(time.Date(2026, 7, 15, h, m, 0, 0, london)) }
	status := func(s string) string { return `{"changeableValues":{"thermostatSetpointStatus":"` + s + `"}}` }
	const untilSeven = `{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"19:00:00"}}`

	for _, tt := range []struct {
		name    string
		patches []string
		cmd     command
		want    []string // bodies
		fan     string
		refused string
	}{
		{name: "a set point over the schedule is a temporary hold, with both set points and no time", patches: []string{american},
			cmd: command{CoolSetpoint: p(78)}, want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":78,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "a setback ends by itself, in the thermostat's time zone and rounded up", patches: []string{american},
			cmd:  command{CoolSetpoint: p(82), Hold: hold(devices.HoldUntil), HoldUntil: new(at(18, 50).UTC())},
			want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":82,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"19:00:00"}`}},
		{name: "in Europe to ten minutes",
			cmd:  command{HeatSetpoint: p(14), Hold: hold(devices.HoldUntil), HoldUntil: at(18, 41)},
			want: []string{`{"mode":"Heat","heatSetpoint":14,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"18:50:00"}`}},
		{name: "past midnight",
			cmd:  command{HeatSetpoint: p(14), Hold: hold(devices.HoldUntil), HoldUntil: at(30, 30)},
			want: []string{`{"mode":"Heat","heatSetpoint":14,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"06:30:00"}`}},
		{name: "back to the schedule", patches: []string{status("TemporaryHold")},
			cmd:  command{Hold: hold(devices.HoldSchedule)},
			want: []string{`{"mode":"Heat","heatSetpoint":15,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"NoHold"}`}},
		{name: "a permanent hold alone holds the present set points",
			cmd:  command{Hold: hold(devices.HoldPermanent)},
			want: []string{`{"mode":"Heat","heatSetpoint":15,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"PermanentHold"}`}},
		{name: "a permanent hold stays permanent", patches: []string{status("PermanentHold")},
			cmd:  command{HeatSetpoint: p(16)},
			want: []string{`{"mode":"Heat","heatSetpoint":16,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"PermanentHold"}`}},
		{name: "a hold until a time keeps its time", patches: []string{untilSeven},
			cmd:  command{HeatSetpoint: p(16)},
			want: []string{`{"mode":"Heat","heatSetpoint":16,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"19:00:00"}`}},
		{name: "a time that has passed is not sent again", patches: []string{untilSeven, `{"changeableValues":{"nextPeriodTime":"12:00:00"}}`},
			cmd:  command{HeatSetpoint: p(16)},
			want: []string{`{"mode":"Heat","heatSetpoint":16,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "an unrounded set point of Home Assistant's", patches: []string{american},
			cmd: command{HeatSetpoint: p(65.30000000000001)}, want: []string{`{"mode":"Cool","heatSetpoint":65,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "half degrees in Celsius",
			cmd: command{HeatSetpoint: p(16.3)}, want: []string{`{"mode":"Heat","heatSetpoint":16.5,"coolSetpoint":28,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "the other set point is rounded too", patches: []string{american, `{"changeableValues":{"heatSetpoint":61.7}}`},
			cmd: command{CoolSetpoint: p(78)}, want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":78,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "a set point that the device does not use is rounded too", patches: []string{`{"changeableValues":{"coolSetpoint":28.3}}`},
			cmd: command{HeatSetpoint: p(16)}, want: []string{`{"mode":"Heat","heatSetpoint":16,"coolSetpoint":28.5,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "emergency heat is not sent to a device that does not show it", patches: []string{american, `{"changeableValues":{"emergencyHeatActive":null,"autoChangeoverActive":null}}`},
			cmd: command{CoolSetpoint: p(78)}, want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":78,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "raising cool leaves heat alone", patches: []string{american, `{"deadband":3}`},
			cmd: command{CoolSetpoint: p(85)}, want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":85,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "lowering cool pushes heat down", patches: []string{american, `{"deadband":3}`},
			cmd: command{CoolSetpoint: p(64)}, want: []string{`{"mode":"Cool","heatSetpoint":61,"coolSetpoint":64,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},

		{name: "a mode alone keeps the schedule", patches: []string{american},
			cmd: command{Mode: mode(devices.Off)}, want: []string{`{"mode":"Off","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"NoHold"}`}},
		{name: "a mode alone keeps the hold and its time", patches: []string{american, untilSeven},
			cmd: command{Mode: mode(devices.Heat)}, want: []string{`{"mode":"Heat","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"19:00:00"}`}},
		{name: "a mode alone does not send a time that has passed", patches: []string{american, untilSeven, `{"changeableValues":{"nextPeriodTime":"11:50:00"}}`},
			cmd: command{Mode: mode(devices.Heat)}, want: []string{`{"mode":"Heat","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "automatic on an LCC device is a mode and the flag", patches: []string{american},
			cmd: command{Mode: mode(devices.HeatCool)}, want: []string{`{"mode":"Auto","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":true,"emergencyHeatActive":false,"thermostatSetpointStatus":"NoHold"}`}},
		{name: "from automatic on an LCC device", patches: []string{american, auto, `{"changeableValues":{"mode":"Auto"}}`},
			cmd: command{Mode: mode(devices.Cool)}, want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"NoHold"}`}},
		{name: "a set point in automatic leaves the flag alone", patches: []string{american, auto, `{"changeableValues":{"mode":"Auto"}}`},
			cmd: command{CoolSetpoint: p(82)}, want: []string{`{"mode":"Auto","heatSetpoint":62,"coolSetpoint":82,"autoChangeoverActive":true,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "a mode and a set point together", patches: []string{american},
			cmd: command{Mode: mode(devices.Heat), HeatSetpoint: p(66)}, want: []string{`{"mode":"Heat","heatSetpoint":66,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"TemporaryHold"}`}},

		{name: "a Round never gets a hold", patches: []string{round},
			cmd: command{CoolSetpoint: p(78)}, want: []string{`{"mode":"Cool","heatSetpoint":68,"coolSetpoint":78,"autoChangeoverActive":false,"emergencyHeatActive":false}`}},
		{name: "a Round in automatic sends the mode it is in", patches: []string{round, auto, `{"changeableValues":{"mode":"Cool","heatCoolMode":"Heat"}}`},
			cmd: command{CoolSetpoint: p(78)}, want: []string{`{"mode":"Heat","heatSetpoint":68,"coolSetpoint":78,"autoChangeoverActive":true,"emergencyHeatActive":false}`}},
		{name: "a Round to automatic keeps its mode", patches: []string{round},
			cmd: command{Mode: mode(devices.HeatCool)}, want: []string{`{"mode":"Cool","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":true,"emergencyHeatActive":false}`}},
		{name: "a Round that does not say whether it heats or cools", patches: []string{round, `{"changeableValues":{"heatCoolMode":null}}`},
			cmd: command{Mode: mode(devices.HeatCool)}, want: []string{`{"mode":"Cool","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":true,"emergencyHeatActive":false}`}},
		{name: "a Round from off with the flag still set", patches: []string{round, auto, `{"changeableValues":{"mode":"Off"}}`},
			cmd: command{Mode: mode(devices.HeatCool)}, want: []string{
				`{"mode":"Heat","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":false,"emergencyHeatActive":false}`,
				`{"mode":"Heat","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":true,"emergencyHeatActive":false}`}},
		{name: "a Round from off to automatic goes via heat", patches: []string{round, `{"changeableValues":{"mode":"Off"}}`},
			cmd: command{Mode: mode(devices.HeatCool)}, want: []string{
				`{"mode":"Heat","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":false,"emergencyHeatActive":false}`,
				`{"mode":"Heat","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":true,"emergencyHeatActive":false}`}},
		{name: "a Round from automatic to cool", patches: []string{round, auto},
			cmd: command{Mode: mode(devices.Cool)}, want: []string{`{"mode":"Cool","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":false,"emergencyHeatActive":false}`}},
		{name: "a Round from automatic to off", patches: []string{round, auto},
			cmd: command{Mode: mode(devices.Off)}, want: []string{`{"mode":"Off","heatSetpoint":68,"coolSetpoint":74,"autoChangeoverActive":false,"emergencyHeatActive":false}`}},
		{name: "a D6 has a hold and the flag", patches: []string{american, `{"deviceModel":"D6"}`},
			cmd: command{Mode: mode(devices.HeatCool)}, want: []string{`{"mode":"Heat","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":true,"emergencyHeatActive":false,"thermostatSetpointStatus":"NoHold"}`}},

		{name: "emergency heat is kept", patches: []string{american, `{"changeableValues":{"mode":"EmergencyHeat","emergencyHeatActive":true}}`},
			cmd: command{HeatSetpoint: p(60)}, want: []string{`{"mode":"EmergencyHeat","heatSetpoint":60,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":true,"thermostatSetpointStatus":"TemporaryHold"}`}},
		{name: "asking for heat does not end emergency heat", patches: []string{american, `{"changeableValues":{"mode":"EmergencyHeat","emergencyHeatActive":true}}`},
			cmd: command{Mode: mode(devices.Heat)}, want: []string{`{"mode":"EmergencyHeat","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":true,"thermostatSetpointStatus":"NoHold"}`}},
		{name: "asking for off ends emergency heat", patches: []string{american, `{"changeableValues":{"mode":"EmergencyHeat","emergencyHeatActive":true}}`},
			cmd: command{Mode: mode(devices.Off)}, want: []string{`{"mode":"Off","heatSetpoint":62,"coolSetpoint":80,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"NoHold"}`}},

		{name: "the model Unknown in Celsius", patches: []string{`{"deviceModel":"Unknown"}`},
			cmd: command{HeatSetpoint: p(16.5)}, want: []string{`{"thermostatSetpoint":16.5,"unit":"Celsius"}`}},
		{name: "the model Unknown with both, one unchanged", patches: []string{american, `{"deviceModel":"Unknown"}`},
			cmd: command{CoolSetpoint: p(78), HeatSetpoint: p(62)}, want: []string{`{"thermostatSetpoint":78,"unit":"Fahrenheit"}`}},
		{name: "the model Unknown with both, neither unchanged", patches: []string{american, `{"deviceModel":"Unknown"}`}, cmd: command{CoolSetpoint: p(78), HeatSetpoint: p(60)}, refused: "leave the other one"},
		{name: "the model Unknown has one set point", patches: []string{american, `{"deviceModel":"Unknown"}`}, cmd: command{HeatSetpoint: p(66)}, refused: "only the set point of the mode it is in"},
		{name: "the model Unknown too close to the other set point", patches: []string{american, `{"deviceModel":"Unknown","deadband":3}`}, cmd: command{CoolSetpoint: p(63)}, refused: "too close to the other"},
		{name: "the model Unknown in automatic", patches: []string{american, `{"deviceModel":"Unknown","changeableValues":{"mode":"Auto"}}`}, cmd: command{HeatSetpoint: p(66)}, refused: "in heat or cool"},
		{name: "the model Unknown keeps its mode", patches: []string{american, `{"deviceModel":"Unknown"}`}, cmd: command{Mode: mode(devices.Heat)}, refused: "not one of cool"},
		{name: "the model Unknown has no holds", patches: []string{american, `{"deviceModel":"Unknown"}`}, cmd: command{Hold: hold(devices.HoldPermanent)}, refused: "no hold to set"},

		{name: "only the fan", cmd: command{Fan: new(devices.FanCirculate)}, fan: "Circulate"},
		{name: "the fan and a set point", patches: []string{american, status("PermanentHold")}, cmd: command{Fan: new(devices.FanOn), CoolSetpoint: p(77)}, fan: "On",
			want: []string{`{"mode":"Cool","heatSetpoint":62,"coolSetpoint":77,"autoChangeoverActive":false,"emergencyHeatActive":false,"thermostatSetpointStatus":"PermanentHold"}`}},

		{name: "a mode it does not have", cmd: command{Mode: mode(devices.Cool)}, refused: "not one of off, heat"},
		{name: "a set point beyond its limits", cmd: command{HeatSetpoint: p(36)}, refused: "5–35"},
		{name: "a cool set point for a heat-only unit", cmd: command{CoolSetpoint: p(25)}, refused: "no cool set point"},
		{name: "a Round back to a schedule", patches: []string{round}, cmd: command{Hold: hold(devices.HoldSchedule)}, refused: "no hold to set"},
		{name: "not alive", patches: []string{`{"isAlive":false}`}, cmd: command{HeatSetpoint: p(16)}, refused: "does not reach"},
		{name: "upgrading", patches: []string{`{"isUpgrading":true}`}, cmd: command{HeatSetpoint: p(16)}, refused: "does not reach"},
		{name: "on vacation", patches: []string{`{"vacationHold":{"enabled":true}}`}, cmd: command{HeatSetpoint: p(16)}, refused: "vacation"},
		{name: "cool below heat, both asked", patches: []string{american}, cmd: command{HeatSetpoint: p(70), CoolSetpoint: p(69)}, refused: "cool 69 is below heat 70"},
		{name: "nothing", cmd: command{}, refused: "changes nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := parseDevice(deviceJSON(t, tt.patches...))
			if err != nil {
				t.Fatal(err)
			}
			th, err := d.thermostat(noon, london)
			if err != nil {
				t.Fatal(err)
			}
			got, err := th.plan(tt.cmd, noon)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("got %v, %v; want %q", got, err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var bodies []string
			for _, b := range got.posts {
				text, err := json.Marshal(b)
				if err != nil {
					t.Fatal(err)
				}
				bodies = append(bodies, string(text))
			}
			if len(bodies) != len(tt.want) {
				t.Fatalf("got %d bodies %s, want %d", len(bodies), bodies, len(tt.want))
			}
			for i := range bodies {
				if !reflect.DeepEqual(object(t, []byte(bodies[i])), object(t, []byte(tt.want[i]))) {
					t.Errorf("got  %s\nwant %s", bodies[i], tt.want[i])
				}
			}
			if fan := got.fan; (fan == nil) != (tt.fan == "") || fan != nil && fan.Mode != tt.fan {
				t.Errorf("fan %v, want %q", fan, tt.fan)
			}
		})
	}
}

// TestPrintedBodies compares the adapter's bodies with those in the vendor's documentation.
func TestPrintedBodies(t *testing.T) {
	for _, tt := range []struct {
		file    string
		patches []string
		cmd     devices.ThermostatCommand
	}{
		{"write_lcc.json", []string{american, `{"changeableValues":{"emergencyHeatActive":null,"autoChangeoverActive":null,"mode":"Heat"}}`},
			devices.ThermostatCommand{HeatSetpoint: new(62.0)}},
		{"write_tcc.json", []string{round, auto, `{"changeableValues":{"emergencyHeatActive":null,"heatSetpoint":72}}`},
			devices.ThermostatCommand{CoolSetpoint: new(74.0)}},
		{"write_unknown.json", []string{american, `{"deviceModel":"Unknown"}`}, devices.ThermostatCommand{CoolSetpoint: new(72.0)}},
		{"fan.json", nil, devices.ThermostatCommand{Fan: new(devices.FanAuto)}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			d, err := parseDevice(deviceJSON(t, tt.patches...))
			if err != nil {
				t.Fatal(err)
			}
			th, err := d.thermostat(noon, london)
			if err != nil {
				t.Fatal(err)
			}
			p, err := th.plan(tt.cmd, noon)
			if err != nil {
				t.Fatal(err)
			}
			var body any = p.fan
			if len(p.posts) > 0 {
				body = p.posts[0]
			}
			b, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := object(t, b), object(t, testdata(t, tt.file)); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

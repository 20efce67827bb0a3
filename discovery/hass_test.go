package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

var at = time.Date(2026, 7, 15, 17, 2, 3, 0, time.FixedZone("", -7*3600))

func fullPowerwall() devices.PowerwallReading {
	kwh := func(v devices.WattHours) *devices.WattHours { v *= 1000; return &v }
	w := func(v devices.Watts) *devices.Watts { return &v }
	return devices.PowerwallReading{
		ChargePercent: new(devices.Percent(63.4)), StoredEnergy: kwh(8.5), BatteryPower: w(2100), SolarPower: w(0), GridPower: w(-20), HomePower: w(2080),
		ReservePercent: new(0), Mode: new(devices.SelfConsumption), StormWatch: new(true), StormActive: new(false),
		GridServicesActive: new(false), GridCharging: new(false), ExportRule: new(devices.ExportSolar), GridConnected: new(true),
		GridImport: kwh(1234.5), GridExport: kwh(0), Solar: kwh(4321), BatteryIn: kwh(10), BatteryOut: kwh(9), Home: kwh(5000), MeasuredAt: &at, PolledAt: at,
	}
}

// shown returns a thermostat in a mode, with every field set.
func shown(r devices.ThermostatReading, m devices.HVACMode) devices.ThermostatReading {
	r.Mode, r.Action = &m, new(devices.ActionIdle)
	r.Temperature, r.Humidity, r.OutdoorTemperature = new(76.0), new(41.0), new(97.0)
	r.CoolSetpoint, r.HeatSetpoint = new(75.0), new(68.0)
	if r.Unit == devices.Celsius {
		r.Temperature, r.OutdoorTemperature, r.CoolSetpoint, r.HeatSetpoint = new(21.5), new(4.0), new(26.0), new(20.5)
	}
	if len(r.Holds) > 0 {
		r.Hold, r.HoldUntil = new(devices.HoldUntil), &at
	}
	if len(r.Fans) > 0 {
		r.Fan = new(devices.FanCirculate)
	}
	return r
}

const (
	fullControl = `{"phase":"peak","reason":"it is the peak","cause":"peak","season":"summer","peak_start":"2026-07-15T16:00:00-07:00","peak_end":"2026-07-15T19:00:00-07:00","next_peak_start":"2026-07-16T16:00:00-07:00",
		"minutes_left":118,"reserve_wanted_percent":0,"offset_f":2,"thresholds_latched":[],"forecast_high_f":101.3,"override":"precool","override_until":"2026-07-15T19:00:00-07:00",
		"enabled":true,"strategy":"plan","dry_run":false,"peak_reserve_percent":10,"off_peak_reserve_percent":80,"precool_depth_f":2.5,
		"changed_by_hand":[{"setting":"peak_reserve","value":10,"configured":0}],"owned":[{"target":"powerwall","name":"Powerwall","what":"reserve","until":"2026-07-15T19:00:00-07:00"}],"yielded":[{"target":"1","name":"Den","what":"set to 74"}],"problem":true,"problems":["the mode is backup"]}`
	nullControl = `{"phase":"off_peak","reason":"","cause":"","season":"","peak_start":null,"peak_end":null,"next_peak_start":null,"minutes_left":null,"reserve_wanted_percent":null,"offset_f":0,
		"thresholds_latched":[],"forecast_high_f":null,"override":"auto","override_until":null,"enabled":false,"strategy":"rule","dry_run":true,"peak_reserve_percent":0,"off_peak_reserve_percent":100,"precool_depth_f":2,"changed_by_hand":[],"owned":[],"yielded":[],"problem":false,"problems":[]}`
	fullAPI = `{"age_seconds":12.5,"calls_today":311,"failed_today":2,"calls_this_month":4321,"calls_per_month":5000,"problem":null,"reauthorise":false}`
	nullAPI = `{"age_seconds":null,"calls_today":0,"failed_today":0,"calls_this_month":null,"calls_per_month":null,"problem":"unreachable","reauthorise":false}`
)

// states returns the retained messages besides discovery, with all fields or as few as
// possible.
func states(t *testing.T, full bool) map[string]string {
	t.Helper()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	oneLine := strings.NewReplacer("\n", "", "\t", "")
	s := map[string]string{
		topics.Status(): devices.Online, topics.Powerwall(devices.AvailLeaf): devices.Offline,
		topics.Powerwall(devices.StateLeaf): text(devices.PowerwallReading{}), topics.Powerwall(devices.APILeaf): nullAPI, topics.Control(devices.StateLeaf): oneLine.Replace(nullControl),
		topics.Control(devices.CommandLeaf): `{"state": "override auto: accepted", "topic": "powermgr/control/override/set", "value": "auto", "result": "accepted", "reason": "", "time": "2026-07-15T16:00:00-07:00"}`,
		topics.Control(devices.TodayLeaf):   `{"date":"2026-07-15","day_start":"2026-07-15T00:00:00-07:00","peak_import_kwh":null,"peak_import_without_kwh":null,"saved_kwh":null,"saved":null,"currency":"$","month":{"start":"2026-07-01T00:00:00-07:00","days":1,"saved_kwh":null,"saved":null},"forecast":null}`,
		topics.Control(devices.PlanLeaf):    `{"made_at":"2026-07-15T12:00:00-07:00","decided_at":"2026-07-15T12:00:00-07:00","reserve_percent":null,"reason":"no history","currency":"$","inputs":null,"expected":null,"slots":[]}`,
		topics.Control(devices.HealthLeaf):  `{"parts": {"powerwall": {"ok": true, "problem": null}, "broker": {"ok": false, "problem": "it is gone"}}, "faults": [], "node": "pi-1"}`,
	}
	if full {
		s[topics.Powerwall(devices.StateLeaf)], s[topics.Powerwall(devices.APILeaf)], s[topics.Control(devices.StateLeaf)] = text(fullPowerwall()), fullAPI, oneLine.Replace(fullControl)
		s[topics.Control(devices.TodayLeaf)] = `{"date":"2026-07-15","day_start":"2026-07-15T00:00:00-07:00","peak_import_kwh":1.2,"peak_import_without_kwh":6.5,"saved_kwh":5.3,"saved":2.14,"currency":"$",` +
			`"month":{"start":"2026-07-01T00:00:00-07:00","days":15,"saved_kwh":61.4,"saved":21.7},"forecast":{"date":"2026-07-14","load_off_percent":21.5,"sun_off_percent":12,"load_kwh":24,"load_forecast_kwh":21.3,"sun_kwh":12.9,"sun_forecast_kwh":14.2}}`
		s[topics.Control(devices.PlanLeaf)] = `{"made_at":"2026-07-15T12:00:00-07:00","decided_at":"2026-07-15T12:00:00-07:00","reserve_percent":62,"reason":"hold 62 %","currency":"$","inputs":{"history_days":14},` +
			`"expected":{"hours":36,"plan":{"bill":1.2,"peak_import_kwh":0.3},"rule":{"bill":2,"peak_import_kwh":0},"nothing":{"bill":1.5,"peak_import_kwh":2}},"peak_start":"2026-07-15T16:00:00-07:00","peak_end":"2026-07-15T19:00:00-07:00","slots":[]}`
	}
	for _, r := range []devices.ThermostatReading{downstairs(), heatOnly(), coolOnly()} {
		s[topics.Thermostat(r.ID(), devices.AvailLeaf)] = devices.Online
		if full {
			r = shown(r, r.Modes[1])
		}
		s[topics.Thermostat(r.ID(), devices.StateLeaf)] = text(r)
	}
	return s
}

func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3, in which the checker of discovery is written")
	}
	return path
}

// checker is a program that reads messages as Home Assistant does.
const checker = "hass/lint-discovery"

// TestTheCheckerOfDiscovery runs the checker on messages with known mistakes.
func TestTheCheckerOfDiscovery(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), python(t), "hass/test_lint.py").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHomeAssistantTakesItAll(t *testing.T) {
	python := python(t)
	// Before 2024.9 a sensor had no list of options; it is dropped without harm.
	const noOptions = "WARNING homeassistant/sensor/powermgr_control_phase/config [sensor] options needs Home Assistant 2024.9; older versions drop it (newer)"
	for _, c := range []struct {
		format Format
		oldest string
		want   string // all findings
	}{
		{ByDevice, "2024.12", ""}, {ByComponent, "2024.9", ""}, {ByComponent, "2024.2", noOptions},
	} {
		for _, full := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s since %s, full %v", c.format, c.oldest, full), func(t *testing.T) {
				t.Parallel()
				var in, out, summary bytes.Buffer
				for _, m := range allMessages(c.format) { // as mosquitto_sub -v prints it
					fmt.Fprintf(&in, "%s %s\n", m.Topic, m.Payload)
				}
				for topic, payload := range states(t, full) {
					fmt.Fprintf(&in, "%s %s\n", topic, payload)
				}
				cmd := exec.CommandContext(t.Context(), python, checker, "--states", "--min-ha", c.oldest)
				cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &summary
				if err := cmd.Run(); err != nil {
					t.Errorf("%v: %s", err, summary.String())
				}
				if !strings.Contains(summary.String(), fmt.Sprint(len(allMessages(c.format)), " discovery messages")) {
					t.Errorf("not all messages were checked: %s", summary.String())
				}
				if got := strings.TrimSpace(out.String()); got != c.want {
					t.Errorf("findings:\n%s\nwant:\n%s", got, c.want)
				}
			})
		}
	}
}

// renderer prints what Jinja renders for each of a list of templates. A missing field is an
// exception: Home Assistant would log it every time.
const renderer = `
import json, sys
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
env = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
print(json.dumps([env.from_string(c["template"]).render(value_json=json.loads(c["state"])).strip() for c in json.load(sys.stdin)]))
`

type rendering struct {
	Name     string `json:"-"`
	Template string `json:"template"`
	State    string `json:"state"`
	Want     string `json:"-"`
}

func jinja(t *testing.T, list []rendering) []string {
	t.Helper()
	python := python(t)
	if exec.CommandContext(t.Context(), python, "-c", "import jinja2").Run() != nil {
		t.Skip("there is no jinja2 for python3")
	}
	in, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", renderer)
	cmd.Stdin = bytes.NewReader(in)
	var trouble strings.Builder
	cmd.Stderr = &trouble
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, trouble.String())
	}
	var out []string
	if err := json.Unmarshal(b, &out); err != nil || len(out) != len(list) {
		t.Fatalf("%v: %s", err, b)
	}
	return out
}

func TestTemplates(t *testing.T) {
	body := func(d Device, key string) map[string]any {
		for _, e := range d.Entities {
			if e.Key == key {
				return e.Body
			}
		}
		t.Fatalf("%s has no %s", d.Name, key)
		return nil
	}
	var list []rendering
	add := func(name string, d Device, entity, template, state, want string) {
		list = append(list, rendering{name, body(d, entity)[template].(string), state, want})
	}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		mode              devices.HVACMode
		single, low, high string
	}{
		{devices.Off, "None", "None", "None"},
		{devices.Heat, "68", "None", "None"},
		{devices.Cool, "75", "None", "None"},
		{devices.HeatCool, "None", "68", "75"},
	} {
		state, d := text(shown(downstairs(), c.mode)), thermostat(downstairs())
		add("single set point in "+string(c.mode), d, "climate", "temperature_state_template", state, c.single)
		add("low in "+string(c.mode), d, "climate", "temperature_low_state_template", state, c.low)
		add("high in "+string(c.mode), d, "climate", "temperature_high_state_template", state, c.high)
	}
	climate := thermostat(downstairs())
	for _, h := range []devices.Hold{devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent, devices.HoldVacation} {
		r := downstairs()
		r.Hold = &h
		add("preset "+string(h), climate, "climate", "preset_mode_value_template", text(r), string(h))
	}
	scheduled := downstairs()
	scheduled.Hold = new(devices.HoldSchedule)
	add("on schedule there is no preset", climate, "climate", "preset_mode_value_template", text(scheduled), "None")
	unknown := downstairs()
	unknown.Humidity, unknown.OutdoorTemperature = nil, nil
	for _, template := range []string{
		"mode_state_template", "action_template", "current_temperature_template", "current_humidity_template", "temperature_state_template",
		"temperature_low_state_template", "temperature_high_state_template", "fan_mode_state_template", "preset_mode_value_template",
	} {
		add("unknown "+template, climate, "climate", template, text(unknown), "None")
	}
	for key, want := range map[string]string{"indoor_temperature": "76", "humidity": "41", "outdoor_temperature": "97"} {
		add(key, climate, key, "value_template", text(shown(downstairs(), devices.Cool)), want)
		add("unknown "+key, climate, key, "value_template", text(unknown), "None")
	}
	add("unknown hold_until", climate, "hold_until", "value_template", text(downstairs()), "None")
	add("hold_until", climate, "hold_until", "value_template", text(shown(downstairs(), devices.Cool)), "2026-07-15T17:02:03-07:00")

	for _, e := range powerwall().Entities {
		state := text(devices.PowerwallReading{})
		want := "None"
		if strings.HasPrefix(e.Key, "api_") {
			state = nullAPI
		}
		if e.Key == "api_calls" {
			want = "0" // it counts from 0
		}
		add("unknown "+e.Key, powerwall(), e.Key, "value_template", state, want)
	}
	for key, want := range map[string]string{
		"charge": "63.4", "stored": "8.5", "battery_power": "2100", "solar_power": "0", "grid_power": "-20", "home_power": "2080",
		"grid_import": "1234.5", "grid_export": "0", "solar": "4321", "battery_in": "10", "battery_out": "9", "home": "5000",
		"grid_connected": "True", "storm_active": "False", "storm_watch": "True", "grid_charging": "False",
		"reserve": "0", "mode": "Self-powered", "export_rule": "Solar only",
	} {
		add(key, powerwall(), key, "value_template", text(fullPowerwall()), want)
	}
	for key, want := range map[string][2]string{
		"phase": {"peak", "off_peak"}, "reason": {"it is the peak", ""}, "peak_start": {"2026-07-16T16:00:00-07:00", "None"}, "peak_end": {"2026-07-15T19:00:00-07:00", "None"},
		"minutes_left": {"118", "None"}, "offset": {"2", "0"}, "forecast_high": {"101.3", "None"}, "override": {"Precool", "Automatic"},
		"override_until": {"2026-07-15T19:00:00-07:00", "None"}, "enabled": {"True", "False"}, "problem": {"True", "False"}, "dry_run": {"False", "True"},
	} {
		add(key, controller(), key, "value_template", fullControl, want[0])
		add(key+" out of a peak", controller(), key, "value_template", nullControl, want[1])
	}
	add("a long reason", controller(), "reason", "value_template", text(map[string]any{"reason": strings.Repeat("é", 400)}), strings.Repeat("é", 250))
	add("problems", controller(), "problem", "json_attributes_template", fullControl, `{"problems": ["the mode is backup"]}`)
	for i, got := range jinja(t, list) {
		if got != list[i].Want {
			t.Errorf("%s: %q, want %q", list[i].Name, got, list[i].Want)
		}
	}
}

// A template renders true as True, so the entity has to accept that as on; what it sends
// is ON.
func TestOnIsOn(t *testing.T) {
	n := 0
	for name, d := range home() {
		for _, e := range d.Entities {
			want := map[string]any{}
			switch e.Platform {
			case "binary_sensor":
				want = map[string]any{"payload_on": "True", "payload_off": "False"}
			case "switch":
				want = map[string]any{"state_on": "True", "state_off": "False", "payload_on": "ON", "payload_off": "OFF"}
			}
			for k, v := range want {
				if n++; e.Body[k] != v {
					t.Errorf("%s %s: %s is %v", name, e.Key, k, e.Body[k])
				}
			}
		}
	}
	if n == 0 {
		t.Error("there is no switch")
	}
}

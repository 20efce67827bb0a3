package resideo

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

var update = flag.Bool("update", false, "write the golden files")

var london = func() *time.Location {
	home, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic(err)
	}
	return home
}()

// noon is on a Wednesday in summer.
var noon = time.Date(2026, 7, 15, 12, 2, 3, 0, london)

func inLondon(string) *time.Location { return london }

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func object(t testing.TB, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

// patched merges patch into base: objects into objects; null removes a field, and "@null"
// writes a null.
func patched(base, patch map[string]any) map[string]any {
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(base, k)
		case map[string]any:
			inner, _ := base[k].(map[string]any)
			if inner == nil {
				inner = map[string]any{}
			}
			base[k] = patched(inner, v)
		case string:
			base[k] = v
			if v == "@null" {
				base[k] = nil
			}
		default:
			base[k] = v
		}
	}
	return base
}

// deviceJSON returns the device of testdata/location.json with patches applied. A patch is
// JSON, or the name of a file with JSON.
func deviceJSON(t testing.TB, patches ...string) []byte {
	t.Helper()
	d := object(t, testdata(t, "location.json"))["devices"].([]any)[0].(map[string]any)
	for _, p := range patches {
		if p == "" {
			continue
		}
		if strings.HasSuffix(p, ".json") {
			p = string(testdata(t, p))
		}
		d = patched(d, object(t, []byte(p)))
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// locationsJSON returns an answer of /v2/locations with the given devices.
func locationsJSON(devices ...[]byte) []byte {
	return []byte(`[{"locationID":35202000168931,"ianaTimeZone":"Europe/London","devices":[` + string(bytes.Join(devices, []byte(","))) + `]}]`)
}

const (
	american = "us_device.json"
	round    = `{"deviceID":"TCC-1234567","deviceModel":"Round","units":"Fahrenheit","indoorTemperature":74,
		"allowedModes":["Heat","Off","Cool"],"minHeatSetpoint":40,"maxHeatSetpoint":90,"minCoolSetpoint":50,"maxCoolSetpoint":99,
		"changeableValues":{"mode":"Cool","heatSetpoint":68,"coolSetpoint":74,"thermostatSetpointStatus":null,"nextPeriodTime":null,"heatCoolMode":"Cool"}}`
	auto = `{"changeableValues":{"autoChangeoverActive":true}}`
)

func TestReading(t *testing.T) {
	for _, tt := range []struct {
		name    string
		patches []string
		want    string // a part of the reading
		wrong   string // or a part of the error
	}{
		{name: "the vendor's American example", patches: []string{american},
			want: `{"mode":"cool","unit":"F","step":1,"modes":["off","heat","cool","heat_cool"],"cool_min":50,"cool_max":90,"heat_min":50,"heat_max":90,
				"hold":"schedule","holds":["schedule","temporary","until","permanent"],"hold_step_minutes":15,"schedule_period":"Monday Away","deadband":0}`},
		{name: "a heat-only unit has no cool set point, whatever it shows",
			want: `{"cool_setpoint":null,"cool_min":null,"cool_max":null,"heat_setpoint":15,"heat_min":5,"heat_max":35,"modes":["off","heat"]}`},
		{name: "Celsius has half degrees", want: `{"unit":"C","step":0.5,"temperature":23.5}`},
		{name: "a unit without limits has the default ones",
			patches: []string{american, `{"minCoolSetpoint":null,"maxCoolSetpoint":null,"minHeatSetpoint":"@null","maxHeatSetpoint":"@null"}`},
			want:    `{"cool_min":50,"cool_max":99,"heat_min":40,"heat_max":90}`},

		{name: "off", patches: []string{`{"changeableValues":{"mode":"Off"}}`}, want: `{"mode":"off","action":"off"}`},
		{name: "automatic changeover as a mode", patches: []string{american, auto, `{"changeableValues":{"mode":"Auto"}}`}, want: `{"mode":"heat_cool"}`},
		{name: "automatic changeover as a flag on a Round", patches: []string{round, auto}, want: `{"mode":"heat_cool","modes":["off","heat","cool","heat_cool"]}`},
		{name: "automatic changeover as a flag on a D6", patches: []string{american, auto, `{"deviceModel":"D6"}`}, want: `{"mode":"heat_cool"}`},
		{name: "the flag has no meaning where there is a mode for it", patches: []string{american, auto}, want: `{"mode":"cool"}`},
		{name: "a unit whose installer switched automatic off", patches: []string{american, `{"allowedModes":["Heat","Off","Cool"]}`}, want: `{"modes":["off","heat","cool"]}`},
		{name: "a Round that is off is off", patches: []string{round, auto, `{"changeableValues":{"mode":"Off"}}`}, want: `{"mode":"off"}`},
		{name: "a Round without the flag cannot change over", patches: []string{round, `{"changeableValues":{"autoChangeoverActive":null}}`},
			want: `{"mode":"cool","modes":["off","heat","cool"]}`},
		{name: "a heat-only unit cannot change over", patches: []string{auto}, want: `{"mode":"heat","modes":["off","heat"]}`},
		{name: "a Round under another id", patches: []string{round, auto, `{"deviceID":"LCC-1","allowedModes":["Heat","Off","Cool","Auto"],"changeableValues":{"thermostatSetpointStatus":"NoHold"}}`},
			want: `{"mode":"heat_cool","hold":null,"holds":null}`},
		{name: "a Round in emergency heat", patches: []string{round, auto, `{"changeableValues":{"mode":"Heat","emergencyHeatActive":true}}`}, want: `{"mode":"heat","emergency_heat":true}`},
		{name: "a unit with no heat but the emergency's", patches: []string{`{"allowedModes":["EmergencyHeat","Off"]}`}, want: `{"modes":["off"],"heat_setpoint":15,"heat_max":35}`},
		{name: "emergency heat", patches: []string{american, `{"changeableValues":{"mode":"EmergencyHeat"},"operationStatus":{"mode":"EmergencyHeat"}}`},
			want: `{"mode":"heat","emergency_heat":true,"action":"heating"}`},
		{name: "emergency heat as a flag", patches: []string{`{"changeableValues":{"emergencyHeatActive":true}}`}, want: `{"mode":"heat","emergency_heat":true}`},
		{name: "an unknown mode", patches: []string{`{"changeableValues":{"mode":"SouthernAway"}}`}, want: `{"mode":null,"modes":["off","heat"]}`},
		{name: "no list of modes", patches: []string{`{"allowedModes":null}`}, want: `{"mode":"heat","modes":["heat"],"heat_setpoint":15}`},

		{name: "idle", want: `{"action":"idle"}`},
		{name: "heating", patches: []string{`{"operationStatus":{"mode":"Heat"}}`}, want: `{"action":"heating"}`},
		{name: "cooling", patches: []string{`{"operationStatus":{"mode":"Cool"}}`}, want: `{"action":"cooling"}`},
		{name: "only the fan", patches: []string{`{"operationStatus":{"fanRequest":true}}`}, want: `{"action":"fan"}`},
		{name: "the fan that circulates", patches: []string{`{"operationStatus":{"circulationFanRequest":true}}`}, want: `{"action":"fan"}`},
		{name: "an unknown action", patches: []string{`{"operationStatus":{"mode":"Dry"}}`}, want: `{"action":null}`},
		{name: "no action", patches: []string{`{"operationStatus":"@null"}`}, want: `{"action":null}`},

		{name: "a temporary hold shows its end", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"TemporaryHold"}}`},
			want: `{"hold":"temporary","hold_until":"2026-07-15T19:00:00+01:00"}`},
		{name: "a hold until a time", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"22:30:00"}}`},
			want: `{"hold":"until","hold_until":"2026-07-15T22:30:00+01:00"}`},
		{name: "a hold past midnight", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"06:30:00"}}`},
			want: `{"hold":"until","hold_until":"2026-07-16T06:30:00+01:00"}`},
		{name: "a hold that is just over ended today", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"12:00:00"}}`},
			want: `{"hold":"until","hold_until":"2026-07-15T12:00:00+01:00"}`},
		{name: "a permanent hold has no end", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"PermanentHold"}}`},
			want: `{"hold":"permanent","hold_until":null}`},
		{name: "the schedule's next period is not a hold", want: `{"hold":"schedule","hold_until":null}`},
		{name: "a hold without its end", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"@null"}}`},
			want: `{"hold":"until","hold_until":null}`},
		{name: "a hold until an invalid time of day", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"HoldUntil","nextPeriodTime":"25:00:00"}}`},
			want: `{"hold":"until","hold_until":null}`},
		{name: "vacation, with a capital", patches: []string{`{"vacationHold":{"enabled":null,"Enabled":true}}`}, want: `{"hold":"vacation"}`},
		{name: "vacation as a status", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"VacationHold"}}`}, want: `{"hold":"vacation"}`},
		{name: "a Round has no holds", patches: []string{round}, want: `{"hold":null,"holds":null}`},
		{name: "a Round on vacation", patches: []string{round, `{"vacationHold":{"enabled":true}}`}, want: `{"hold":"vacation","holds":null}`},
		{name: "a TCC device that shows a hold anyway", patches: []string{american, `{"deviceID":"TCC-1"}`}, want: `{"hold":null,"holds":null}`},
		{name: "an unknown hold", patches: []string{`{"changeableValues":{"thermostatSetpointStatus":"AwayHold"}}`},
			want: `{"hold":null,"holds":["schedule","temporary","until","permanent"]}`},
		{name: "no vacationHold", patches: []string{`{"vacationHold":"@null"}`}, want: `{"hold":"schedule"}`},
		{name: "endHeatSetpoint is null", patches: []string{`{"changeableValues":{"endHeatSetpoint":"@null"}}`}, want: `{"heat_setpoint":15}`},
		{name: "a hold step that does not divide the hour", patches: []string{`{"allowedTimeIncrements":7}`}, want: `{"hold_step_minutes":15}`},

		{name: "no fan", patches: []string{`{"settings":{"fan":null}}`}, want: `{"fan":null,"fans":null}`},
		{name: "no settings", patches: []string{`{"settings":"@null"}`}, want: `{"fan":null,"fans":null}`},
		{name: "an unknown fan mode", patches: []string{`{"settings":{"fan":{"allowedModes":["Auto","Breeze"],"changeableValues":{"mode":"Breeze"}}}}`}, want: `{"fan":null,"fans":["auto"]}`},

		{name: "not alive", patches: []string{`{"isAlive":false}`}, want: `{"alive":false,"temperature":23.5}`},
		{name: "not alive, with impossible figures", patches: []string{`{"isAlive":false,"indoorTemperature":-32768,"deadband":-32768}`}, want: `{"alive":false,"temperature":null}`},
		{name: "upgrading", patches: []string{`{"isUpgrading":true}`}, want: `{"alive":false}`},
		{name: "service down", patches: []string{`{"service":{"mode":"Down"}}`}, want: `{"alive":false}`},
		{name: "no service", patches: []string{`{"service":null}`}, want: `{"alive":true}`},
		{name: "not alive, with nothing to show", patches: []string{`{"isAlive":false,"changeableValues":null,"units":null,"indoorTemperature":null}`},
			want: `{"alive":false,"mode":null,"temperature":null,"heat_setpoint":null}`},

		{name: "a humidity of 400 % is not known", patches: []string{`{"indoorHumidity":400}`}, want: `{"humidity":null,"temperature":23.5}`},
		{name: "no humidity is not zero", patches: []string{`{"indoorHumidity":null}`}, want: `{"humidity":null}`},
		{name: "an impossible outdoor temperature", patches: []string{`{"outdoorTemperature":3276.7}`}, want: `{"outdoor_temperature":null}`},
		{name: "no indoor temperature", patches: []string{`{"indoorTemperature":"@null"}`}, want: `{"temperature":null}`},
		{name: "its own name is missing", patches: []string{`{"userDefinedDeviceName":"","name":""}`}, want: `{"name":"LCC-00A01AB1ABCD"}`},
		{name: "no schedule", patches: []string{`{"currentSchedulePeriod":"@null"}`}, want: `{"schedule_period":""}`},

		{name: "hotter than an oven", patches: []string{`{"indoorTemperature":400}`}, wrong: "indoorTemperature of 400 °C"},
		{name: "a set point colder than anywhere", patches: []string{`{"changeableValues":{"heatSetpoint":-60}}`}, wrong: "heatSetpoint of -60 °C"},
		{name: "a deadband below zero", patches: []string{`{"deadband":-1}`}, wrong: "deadband of -1"},
		{name: "a deadband wider than a home's range", patches: []string{`{"deadband":30}`}, wrong: "deadband of 30"},
		{name: "no units", patches: []string{`{"units":null}`}, wrong: "no units"},
		{name: "unknown units", patches: []string{`{"units":"Kelvin"}`}, wrong: "neither Celsius nor Fahrenheit"},
		{name: "alive, with nothing to show", patches: []string{`{"changeableValues":"@null"}`}, wrong: "no changeableValues"},
		{name: "a temperature in words", patches: []string{`{"indoorTemperature":"NaN"}`}, wrong: "indoorTemperature is a string"},
		{name: "no class", patches: []string{`{"deviceClass":null}`}, wrong: "no deviceClass"},
		{name: "an id that leads elsewhere", patches: []string{`{"deviceID":"../../oauth2"}`}, wrong: "usable deviceID"},
		{name: "no id", patches: []string{`{"deviceID":null}`}, wrong: "usable deviceID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := new(listing).parse(locationsJSON(deviceJSON(t, tt.patches...)), noon, inLondon)
			if err != nil || len(all) != 1 {
				t.Fatalf("%d devices, %v", len(all), err)
			}
			got := all[0]
			if tt.wrong != "" {
				if got.err == nil || !strings.Contains(got.err.Error(), tt.wrong) {
					t.Errorf("got %v, want %q", got.err, tt.wrong)
				}
				return
			}
			if got.err != nil {
				t.Fatal(got.err)
			}
			checkPart(t, got.reading, tt.want)
		})
	}
}

func checkPart(t *testing.T, r devices.ThermostatReading, part string) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got := object(t, b)
	for k, want := range object(t, []byte(part)) {
		if v, ok := got[k]; !ok || !reflect.DeepEqual(v, want) {
			t.Errorf("%s: got %v, want %v", k, v, want)
		}
	}
}

func TestReadingOfTheWholeAnswer(t *testing.T) {
	body := append(append([]byte("["), testdata(t, "location.json")...), ']')
	all, err := new(listing).parse(body, noon, inLondon)
	if err != nil || len(all) != 1 || all[0].err != nil {
		t.Fatalf("%+v, %v", all, err)
	}
	got, err := json.MarshalIndent(all[0].reading, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	golden := filepath.Join("testdata", "location.reading.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := testdata(t, "location.reading.json"); !bytes.Equal(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestLocations(t *testing.T) {
	good := string(deviceJSON(t))
	for _, tt := range []struct {
		name, body string
		ids        []string
		wrong      string
	}{
		{name: "an id of a location that needs 64 bits", body: string(locationsJSON([]byte(good))), ids: []string{"LCC-00A01AB1ABCD"}},
		{name: "other classes, whatever they look like",
			body: string(locationsJSON([]byte(`{"deviceClass":"LeakDetector","deviceID":"x","isAlive":"yes"}`), []byte(good), []byte(`{"deviceClass":"Camera"}`), []byte(`{"deviceClass":"ShutoffValve","units":7}`))),
			ids:  []string{"LCC-00A01AB1ABCD"}},
		{name: "one that is not an object", body: string(locationsJSON([]byte(`7`), []byte(good))), ids: []string{"bad", "LCC-00A01AB1ABCD"}},
		{name: "the same one twice", body: string(locationsJSON([]byte(good), []byte(good))), ids: []string{"LCC-00A01AB1ABCD", "bad"}},
		{name: "a location without its id", body: `[{"devices":[` + good + `]}]`, ids: []string{"bad"}},
		{name: "no location", body: `[]`},
		{name: "a location without devices", body: `[{"locationID":1,"devices":null}]`},
		{name: "null", body: `null`, wrong: "null instead"},
		{name: "an object", body: `{"message":"hello"}`, wrong: "not the JSON"},
		{name: "a web page", body: "\n<html>", wrong: "a web page"},
		{name: "nothing", body: ``, wrong: "not the JSON"},
		{name: "half", body: good[:40], wrong: "not the JSON"},
		{name: "NaN", body: `[{"locationID":NaN}]`, wrong: "not the JSON"},
		{name: "an id in words", body: `[{"locationID":"home"}]`, wrong: "locationID is a string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := new(listing).parse([]byte(tt.body), noon, inLondon)
			if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Fatalf("got %v, want %q", err, tt.wrong)
			}
			var ids []string
			for _, f := range all {
				if f.err != nil {
					ids = append(ids, "bad")
					continue
				}
				ids = append(ids, f.deviceID)
				if f.locationID != 35202000168931 {
					t.Errorf("location %d", f.locationID)
				}
			}
			if !reflect.DeepEqual(ids, tt.ids) {
				t.Errorf("got %v, want %v", ids, tt.ids)
			}
		})
	}
}

// Most answers about a device are the same as at the poll before, and are not decoded again.
func TestADeviceThatSaysTheSameIsDecodedOnce(t *testing.T) {
	l := &listing{}
	parse := func(temperature string) []found {
		t.Helper()
		all, err := l.parse(locationsJSON(deviceJSON(t, `{"deviceID":"LCC-A"}`), deviceJSON(t, `{"deviceID":"LCC-B","indoorTemperature":`+temperature+`}`)), noon, inLondon)
		if err != nil || len(all) != 2 || all[0].err != nil || all[1].err != nil {
			t.Fatalf("%v, %v", all, err)
		}
		return all
	}
	first, same, other := parse("20"), parse("20"), parse("21")
	for i, f := range first {
		if f.wire.ChangeableValues != same[i].wire.ChangeableValues {
			t.Errorf("%s was decoded twice", f.deviceID)
		}
	}
	if first[0].wire.ChangeableValues != other[0].wire.ChangeableValues {
		t.Error("a change of another device has the first one decoded again")
	}
	if got := *other[1].reading.Temperature; got != 21 {
		t.Errorf("it shows %g °C", got)
	}
}

func TestAccountOfMoreThermostatsThanFit(t *testing.T) {
	var many [][]byte
	for i := range 3 * maxThermostats {
		many = append(many, deviceJSON(t, `{"deviceID":"LCC-`+strings.Repeat("A", i%60+1)+string(rune('a'+i/60))+`"}`))
	}
	all, err := new(listing).parse(locationsJSON(many...), noon, inLondon)
	if err != nil || len(all) != maxThermostats {
		t.Errorf("%d, %v", len(all), err)
	}
}

func FuzzLocations(f *testing.F) {
	f.Add(append(append([]byte("["), testdata(f, "location.json")...), ']'))
	for _, p := range []string{american, round, `{"isAlive":false,"changeableValues":null}`} {
		f.Add(locationsJSON(deviceJSON(f, p)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := new(listing).parse(body, noon, inLondon)
		if err != nil {
			return
		}
		for _, got := range all {
			if got.err == nil {
				checkSane(t, got.thermostat)
			}
		}
	})
}

func FuzzDevice(f *testing.F) {
	for _, p := range []string{"{}", american, round, auto, `{"deviceModel":"Unknown"}`, `{"changeableValues":{"thermostatSetpointStatus":"HoldUntil"}}`} {
		f.Add(deviceJSON(f, p), 21.0, uint8(0))
	}
	holds := []*devices.Hold{nil, new(devices.HoldSchedule), new(devices.HoldTemporary), new(devices.HoldPermanent)}
	f.Fuzz(func(t *testing.T, body []byte, point float64, pick uint8) {
		d, err := parseDevice(body)
		if err != nil {
			return
		}
		th, err := d.thermostat(noon, london)
		if err != nil {
			return
		}
		checkSane(t, th)
		p, err := th.plan(devices.ThermostatCommand{HeatSetpoint: &point, Hold: holds[int(pick)%len(holds)]}, noon)
		if err != nil {
			return
		}
		for _, body := range p.posts {
			if c, ok := body.(change); ok && c.HeatSetpoint != nil && (*c.HeatSetpoint < *th.reading.HeatMin || *c.HeatSetpoint > *th.reading.HeatMax) {
				t.Errorf("would set %g outside %g–%g", *c.HeatSetpoint, *th.reading.HeatMin, *th.reading.HeatMax)
			}
			if _, err := json.Marshal(body); err != nil {
				t.Error(err)
			}
		}
	})
}

func checkSane(t *testing.T, th thermostat) {
	t.Helper()
	r := th.reading
	for _, v := range []*float64{r.Temperature, r.OutdoorTemperature, r.CoolSetpoint, r.HeatSetpoint, r.CoolMin, r.CoolMax, r.HeatMin, r.HeatMax} {
		if v != nil && !r.Unit.Possible(*v) {
			t.Errorf("%g °%s got through", *v, r.Unit)
		}
	}
	if r.Humidity != nil && (*r.Humidity < 0 || *r.Humidity > 100) {
		t.Errorf("a humidity of %g got through", *r.Humidity)
	}
	if r.HoldUntil != nil && (r.HoldUntil.Before(noon.Add(-devices.JustOver)) || r.HoldUntil.After(noon.Add(25*time.Hour))) {
		t.Errorf("a hold until %s got through", r.HoldUntil)
	}
	if r.Step != 0.5 && r.Step != 1 || r.Deadband < 0 || r.HoldStep < 1 || r.HoldStep > 60 {
		t.Errorf("step %g, deadband %g, hold step %d got through", r.Step, r.Deadband, r.HoldStep)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

package tcc

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

var update = flag.Bool("update", false, "write the golden files again")

// parseScreen parses an answer as a poll does.
func parseScreen(body []byte, d device, now time.Time, home *time.Location) (screen, error) {
	raw, err := parse(body)
	if err != nil {
		return screen{}, err
	}
	return raw.screen(d, now, home)
}

// golden compares got with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := testdata(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	home     = time.FixedZone("PDT", -7*3600)
	noon     = time.Date(2026, 7, 15, 12, 0, 0, 0, home)
	upstairs = device{id: 123456, name: "MAIN"}
)

// A real answer of the portal, as a reading.
func TestCheckDataSessionAsThePortalSendsIt(t *testing.T) {
	s, err := parseScreen(testdata(t, "check_data_session.json"), upstairs, noon, home)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(s.reading, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "reading.golden.json", append(got, '\n'))
}

func TestLocationListAsThePortalSendsIt(t *testing.T) {
	got, err := parseList(testdata(t, "location_list.json"))
	if want := []device{{id: 1234567, name: "MAIN"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// edit returns the portal's answer with parts replaced.
func edit(t *testing.T, pairs ...string) []byte {
	t.Helper()
	s := string(testdata(t, "check_data_session.json"))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("the answer has no %s", pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return []byte(s)
}

func TestReadingQuirks(t *testing.T) {
	at := func(h, m int) *time.Time {
		return new(time.Date(2026, 7, 15, h, m, 0, 0, home))
	}
	type r = devices.ThermostatReading
	for _, tt := range []struct {
		name string
		edit []string
		now  time.Time // zero: noon
		get  func(r) any
		want any // the result of get, with pointers followed
	}{
		{"128 is not an outdoor temperature", nil, noon, func(r r) any { return r.OutdoorTemperature }, nil},
		{"128 is none, even if flagged as available", []string{`"OutdoorTemperatureAvailable":false`, `"OutdoorTemperatureAvailable":true`}, noon, func(r r) any { return r.OutdoorTemperature }, nil},
		{"an outdoor temperature", []string{`"OutdoorTemperature":128,"OutdoorTemperatureAvailable":false`, `"OutdoorTemperature":99,"OutdoorTemperatureAvailable":true`}, noon, func(r r) any { return r.OutdoorTemperature }, 99.0},
		{"128 is not an indoor temperature", []string{`"DispTemperature":75`, `"DispTemperature":128.0000`}, noon, func(r r) any { return r.Temperature }, nil},
		{"a temperature that is not available", []string{`"DispTemperature":75`, `"DispTemperature":0,"DispTemperatureAvailable":false`}, noon, func(r r) any { return r.Temperature }, nil},
		{"EquipmentOutputStatus null is no action, not idle", []string{`"EquipmentOutputStatus":2`, `"EquipmentOutputStatus":null`}, noon, func(r r) any { return r.Action }, nil},
		{"EquipmentOutputStatus absent is no action", []string{`,"EquipmentOutputStatus":2`, ``}, noon, func(r r) any { return r.Action }, nil},
		{"cooling", nil, noon, func(r r) any { return r.Action }, devices.ActionCooling},
		{"heating", []string{`"EquipmentOutputStatus":2`, `"EquipmentOutputStatus":1`}, noon, func(r r) any { return r.Action }, devices.ActionHeating},
		{"off with the fan running is fan", []string{`"EquipmentOutputStatus":2`, `"EquipmentOutputStatus":0`}, noon, func(r r) any { return r.Action }, devices.ActionFan},
		{"off without the fan is idle", []string{`"EquipmentOutputStatus":2`, `"EquipmentOutputStatus":0`, `"fanIsRunning":true`, `"fanIsRunning":false`}, noon, func(r r) any { return r.Action }, devices.ActionIdle},
		{"off in mode off is off", []string{`"EquipmentOutputStatus":2`, `"EquipmentOutputStatus":0`, `"fanIsRunning":true`, `"fanIsRunning":false`, `"SystemSwitchPosition":3`, `"SystemSwitchPosition":2`}, noon, func(r r) any { return r.Action }, devices.ActionOff},

		{"switch 0 is heat", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":0`}, noon, func(r r) any { return r.Mode }, devices.Heat},
		{"switch 0 is emergency heat", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":0`}, noon, func(r r) any { return r.EmergencyHeat }, true},
		{"switch 1 is heat", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":1`}, noon, func(r r) any { return r.Mode }, devices.Heat},
		{"switch 1 is not emergency heat", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":1`}, noon, func(r r) any { return r.EmergencyHeat }, false},
		{"switch 2 is off", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":2`}, noon, func(r r) any { return r.Mode }, devices.Off},
		{"switch 3 is cool", nil, noon, func(r r) any { return r.Mode }, devices.Cool},
		{"switch 4 is automatic", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":4`}, noon, func(r r) any { return r.Mode }, devices.HeatCool},
		{"switch 5 is automatic", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":5.0000`}, noon, func(r r) any { return r.Mode }, devices.HeatCool},
		{"switch 6, southern away, is unknown to powermgr", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":6`}, noon, func(r r) any { return r.Mode }, nil},
		{"switch 7 is unknown", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":7`}, noon, func(r r) any { return r.Mode }, nil},

		{"status 2 is permanent", nil, noon, func(r r) any { return r.Hold }, devices.HoldPermanent},
		{"a permanent hold has no end", nil, noon, func(r r) any { return r.HoldUntil }, nil},
		{"status 0 is the schedule", []string{`"StatusCool":2`, `"StatusCool":0`}, noon, func(r r) any { return r.Hold }, devices.HoldSchedule},
		{"status 1 is until, if the device can hold until a time", []string{`"StatusCool":2`, `"StatusCool":1`}, noon, func(r r) any { return r.Hold }, devices.HoldUntil},
		{"period 71 is 17:45", []string{`"StatusCool":2`, `"StatusCool":1`}, noon, func(r r) any { return r.HoldUntil }, *at(17, 45)},
		{"period 71 after 18:00 is tomorrow's", []string{`"StatusCool":2`, `"StatusCool":1`}, *at(18, 1), func(r r) any { return r.HoldUntil }, at(17, 45).AddDate(0, 0, 1)},
		{"a hold that has just ended does not end tomorrow", []string{`"StatusCool":2`, `"StatusCool":1`}, *at(17, 46), func(r r) any { return r.HoldUntil }, *at(17, 45)},
		{"period 96 is midnight", []string{`"StatusCool":2`, `"StatusCool":1`, `"CoolNextPeriod":71`, `"CoolNextPeriod":96`}, noon, func(r r) any { return r.HoldUntil }, *at(24, 0)},
		{"a period that is not a time of day is unknown", []string{`"StatusCool":2`, `"StatusCool":1`, `"CoolNextPeriod":71`, `"CoolNextPeriod":255`}, noon, func(r r) any { return r.HoldUntil }, nil},
		{"without a period the hold is temporary", []string{`"StatusCool":2`, `"StatusCool":1`, `"CoolNextPeriod":71`, `"CoolNextPeriod":null`}, noon, func(r r) any { return r.Hold }, devices.HoldTemporary},
		{"status 1 is temporary on a device that cannot hold until", []string{`"StatusCool":2`, `"StatusCool":1`, `"HoldUntilCapable":true`, `"HoldUntilCapable":false`}, noon, func(r r) any { return r.Hold }, devices.HoldTemporary},
		{"a temporary hold still has its end", []string{`"StatusCool":2`, `"StatusCool":1`, `"HoldUntilCapable":true`, `"HoldUntilCapable":false`}, noon, func(r r) any { return r.HoldUntil }, *at(17, 45)},
		{"in cool, the cool status counts", []string{`"StatusHeat":2,"StatusCool":2`, `"StatusHeat":2,"StatusCool":0`}, noon, func(r r) any { return r.Hold }, devices.HoldSchedule},
		{"in heat, the heat status counts", []string{`"StatusHeat":2,"StatusCool":2`, `"StatusHeat":0,"StatusCool":2`, `"SystemSwitchPosition":3`, `"SystemSwitchPosition":1`}, noon, func(r r) any { return r.Hold }, devices.HoldSchedule},
		{"in automatic, the stronger status counts", []string{`"StatusHeat":2,"StatusCool":2`, `"StatusHeat":2,"StatusCool":0`, `"SystemSwitchPosition":3`, `"SystemSwitchPosition":4`}, noon, func(r r) any { return r.Hold }, devices.HoldPermanent},
		{"vacation by its flag", []string{`"IsInVacationHoldMode":false`, `"IsInVacationHoldMode":true`}, noon, func(r r) any { return r.Hold }, devices.HoldVacation},
		{"vacation by its number", []string{`"VacationHold":0`, `"VacationHold":5`}, noon, func(r r) any { return r.Hold }, devices.HoldVacation},
		{"no vacation, written with decimals", []string{`"VacationHold":0`, `"VacationHold":0.0000`}, noon, func(r r) any { return r.Hold }, devices.HoldPermanent},
		{"vacation by the status", []string{`"StatusCool":2`, `"StatusCool":3`}, noon, func(r r) any { return r.Hold }, devices.HoldVacation},
		{"without a schedule there are no holds", []string{`"ScheduleCapable":true`, `"ScheduleCapable":false`}, noon, func(r r) any { return r.Hold }, nil},
		{"without a schedule there are no holds to ask for", []string{`"ScheduleCapable":true`, `"ScheduleCapable":false`}, noon, func(r r) any { return len(r.Holds) }, 0},

		{"phase −1 is not an event", nil, noon, func(r r) any { return r.UtilityEvent }, false},
		{"phase −1, written with decimals", []string{`"Phase":-1`, `"Phase":-1.0000`}, noon, func(r r) any { return r.UtilityEvent }, false},
		{"phase null is not an event", []string{`"Phase":-1`, `"Phase":null`}, noon, func(r r) any { return r.UtilityEvent }, false},
		{"an absent phase is not an event", []string{`"Phase":-1,`, ``}, noon, func(r r) any { return r.UtilityEvent }, false},
		{"phase 0 is an event", []string{`"Phase":-1`, `"Phase":0`}, noon, func(r r) any { return r.UtilityEvent }, true},
		{"phase 2 is an event", []string{`"Phase":-1`, `"Phase":2`}, noon, func(r r) any { return r.UtilityEvent }, true},
		{"an unknown kind of phase is an event", []string{`"Phase":-1`, `"Phase":"Active"`}, noon, func(r r) any { return r.UtilityEvent }, true},

		{"alive", nil, noon, func(r r) any { return r.Alive }, true},
		{"not live is not alive", []string{`"deviceLive":true`, `"deviceLive":false`}, noon, func(r r) any { return r.Alive }, false},
		{"communication lost is not alive", []string{`"communicationLost":false`, `"communicationLost":true`}, noon, func(r r) any { return r.Alive }, false},
		{"success may be a number", []string{`"success":true`, `"success":1`}, noon, func(r r) any { return r.Alive }, true},

		{"humidity", nil, noon, func(r r) any { return r.Humidity }, 40.0},
		{"no humidity sensor", []string{`"IndoorHumiditySensorAvailable":true`, `"IndoorHumiditySensorAvailable":false`}, noon, func(r r) any { return r.Humidity }, nil},
		{"a faulty humidity sensor", []string{`"IndoorHumiditySensorNotFault":true`, `"IndoorHumiditySensorNotFault":false`}, noon, func(r r) any { return r.Humidity }, nil},
		{"128 is not a humidity", []string{`"IndoorHumidity":40`, `"IndoorHumidity":128`}, noon, func(r r) any { return r.Humidity }, nil},

		{"no fan", []string{`"hasFan":true`, `"hasFan":false`}, noon, func(r r) any { return r.Fan }, nil},
		{"no fan to set", []string{`"hasFan":true`, `"hasFan":false`}, noon, func(r r) any { return len(r.Fans) }, 0},
		{"the fan follows the schedule", []string{`"fanMode":0`, `"fanMode":3`}, noon, func(r r) any { return r.Fan }, devices.FanSchedule},
		{"an unknown fan mode", []string{`"fanMode":0`, `"fanMode":9`}, noon, func(r r) any { return r.Fan }, nil},

		{"a device that only heats has no cool set point", []string{`"SwitchCoolAllowed":true`, `"SwitchCoolAllowed":false`}, noon, func(r r) any { return r.CoolSetpoint }, nil},
		{"a device that only heats has no limits for cooling", []string{`"SwitchCoolAllowed":true`, `"SwitchCoolAllowed":false`}, noon, func(r r) any { return r.CoolMax }, nil},
		{"automatic has both", []string{`"SwitchCoolAllowed":true`, `"SwitchCoolAllowed":false`, `"SwitchAutoAllowed":false`, `"SwitchAutoAllowed":true`}, noon, func(r r) any { return r.CoolMax }, 99.0},
		{"limits of zero are replaced by the default ones", []string{`"HeatLowerSetptLimit":40,"HeatUpperSetptLimit":90`, `"HeatLowerSetptLimit":0,"HeatUpperSetptLimit":0`}, noon, func(r r) any { return r.HeatMin }, 40.0},
		{"Celsius", []string{`"DispTemperature":75,"HeatSetpoint":70,"CoolSetpoint":75,"DisplayUnits":"F"`, `"DispTemperature":23.5,"HeatSetpoint":20,"CoolSetpoint":24,"DisplayUnits":"C"`, `"ScheduleHeatSp":70,"ScheduleCoolSp":78`, `"ScheduleHeatSp":20,"ScheduleCoolSp":25`}, noon, func(r r) any { return r.Step }, 0.5},
		{"the schedule's set point", nil, noon, func(r r) any { return r.ScheduleCool }, 78.0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseScreen(edit(t, tt.edit...), upstairs, tt.now, home)
			if err != nil {
				t.Fatal(err)
			}
			if got := followed(tt.get(s.reading)); !same(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// followed returns what a pointer points at, or nil.
func followed(v any) any {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer {
		return v
	}
	if p.IsNil() {
		return nil
	}
	return p.Elem().Interface()
}

func same(a, b any) bool {
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	return reflect.DeepEqual(a, b)
}

func TestNonsenseIsRefusedAtTheEdge(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
		want string
	}{
		{"a room at 750 °F", edit(t, `"DispTemperature":75`, `"DispTemperature":750`), "DispTemperature of 750"},
		{"a room at −300 °F", edit(t, `"DispTemperature":75`, `"DispTemperature":-300`), "DispTemperature of -300"},
		{"75 °C", edit(t, `"DisplayUnits":"F"`, `"DisplayUnits":"C"`), "°C"},
		{"NaN", edit(t, `"DispTemperature":75`, `"DispTemperature":NaN`), "not the JSON"},
		{"a number that is too large", edit(t, `"DispTemperature":75`, `"DispTemperature":1e999`), "DispTemperature"},
		{"a set point of 0", edit(t, `"CoolSetpoint":75`, `"CoolSetpoint":-99`), "CoolSetpoint"},
		{"a text where a number should be", edit(t, `"HeatSetpoint":70`, `"HeatSetpoint":"70"`), "HeatSetpoint is a string"},
		{"an unknown unit", edit(t, `"DisplayUnits":"F"`, `"DisplayUnits":"K"`), "DisplayUnits"},
		{"no unit", edit(t, `"DisplayUnits":"F",`, ``), "DisplayUnits"},
		{"an unknown hold", edit(t, `"StatusCool":2`, `"StatusCool":9`), "StatusCool of 9"},
		{"half a switch position", edit(t, `"SystemSwitchPosition":3`, `"SystemSwitchPosition":2.5`), "SystemSwitchPosition of 2.5"},
		{"a negative deadband", edit(t, `"Deadband":0`, `"Deadband":-3`), "Deadband"},
		{"another thermostat's answer", edit(t, `"DeviceID":123456`, `"DeviceID":654321`), "about thermostat 654321"},
		{"success is false", edit(t, `"success":true`, `"success":false`), "could not ask"},
		{"success is absent", edit(t, `"success":true,`, ``), "could not ask"},
		{"null", []byte(`null`), "could not ask"},
		{"a list", []byte(`[]`), "not the JSON"},
		{"a web page", []byte(`<html></html>`), "not the JSON"},
		{"half an answer", testdata(t, "check_data_session.json")[:300], "not the JSON"},
		{"success alone", []byte(`{"success":true}`), "no uiData"},
		{"no data from a live device", []byte(`{"success":true,"deviceLive":true,"communicationLost":false,"latestData":null}`), "no uiData"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseScreen(tt.body, upstairs, noon, home)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v; want a refusal with %q", s.reading, err, tt.want)
			}
		})
	}
}

// An impossible figure that is only shown, or that belongs to a side that the thermostat
// does not use, made the whole thermostat unreadable.
func TestOneOddFigureTakesNoThermostatAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit []string
	}{
		{"400 % humidity", []string{`"IndoorHumidity":40`, `"IndoorHumidity":400`}},
		{"-1 % humidity", []string{`"IndoorHumidity":40`, `"IndoorHumidity":-1`}},
		{"255 °F outside", []string{`"OutdoorTemperature":128,"OutdoorTemperatureAvailable":false`, `"OutdoorTemperature":255,"OutdoorTemperatureAvailable":true`}},
		{"fan mode -1", []string{`"fanMode":0`, `"fanMode":-1`}},
		{"equipment -1", []string{`"EquipmentOutputStatus":2`, `"EquipmentOutputStatus":-1`}},
		{"a schedule of 255 °F", []string{`"ScheduleHeatSp":70`, `"ScheduleHeatSp":255`}},
		{"a heat set point of 255 °F where it does not heat", []string{`"HeatSetpoint":70`, `"HeatSetpoint":255`, `"SwitchHeatAllowed":true`, `"SwitchHeatAllowed":false`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseScreen(edit(t, tt.edit...), upstairs, noon, home)
			if err != nil || !s.reading.Alive || s.reading.CoolSetpoint == nil || *s.reading.CoolSetpoint != 75 {
				t.Fatalf("got %+v, %v", s.reading, err)
			}
			if h, o, f := s.reading.Humidity, s.reading.OutdoorTemperature, s.reading.ScheduleHeat; h != nil && *h != 40 || o != nil || f != nil && *f != 70 || s.reading.HeatSetpoint != nil && *s.reading.HeatSetpoint != 70 {
				t.Errorf("the odd figure is shown: %+v", s.reading)
			}
		})
	}
	t.Run("a device without an id in the list", func(t *testing.T) {
		got, err := parseList([]byte(`[{"LocationID":1,"Devices":[{"DeviceID":0,"Name":"GONE"},{"DeviceID":1234567,"Name":"MAIN"}]}]`))
		if err != nil || len(got) != 1 || got[0].id != 1234567 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// A thermostat without power has no data, which is not nonsense: its reading says that it
// is not alive, in its last unit.
func TestLostThermostatReadsAsNotAlive(t *testing.T) {
	s, err := parseScreen([]byte(`{"success":true,"deviceLive":false,"communicationLost":true,"latestData":null}`), device{id: 1, unit: devices.Celsius}, noon, home)
	if err != nil || s.reading.Alive || s.reading.Unit != devices.Celsius || s.reading.Step != 0.5 {
		t.Errorf("got %+v, %v", s.reading, err)
	}
	// Impossible figures of an unreachable one are not nonsense either: the portal may send anything.
	for _, tt := range []struct {
		name string
		edit []string
		got  func(devices.ThermostatReading) bool // whether the reading has the odd figure
	}{
		{"inside", []string{`"DispTemperature":75`, `"DispTemperature":-32768`}, func(r devices.ThermostatReading) bool { return r.Temperature != nil }},
		{"a set point", []string{`"CoolSetpoint":75`, `"CoolSetpoint":-32768`}, func(r devices.ThermostatReading) bool { return r.CoolSetpoint != nil }},
		{"the switch", []string{`"SystemSwitchPosition":3`, `"SystemSwitchPosition":-1`}, func(r devices.ThermostatReading) bool { return r.Mode != nil }},
		{"the status", []string{`"StatusCool":2`, `"StatusCool":-1`, `"StatusHeat":2`, `"StatusHeat":-1`}, func(r devices.ThermostatReading) bool { return r.Hold != nil }},
		{"the deadband", []string{`"Deadband":0`, `"Deadband":-32768`}, func(r devices.ThermostatReading) bool { return r.Deadband != 0 }},
	} {
		for _, lost := range [][]string{{`"communicationLost":false`, `"communicationLost":true`}, {`"deviceLive":true`, `"deviceLive":false`}} {
			s, err := parseScreen(edit(t, append(lost, tt.edit...)...), upstairs, noon, home)
			if err != nil || s.reading.Alive || tt.got(s.reading) {
				t.Errorf("%s, %s: got %+v, %v", tt.name, lost[1], s.reading, err)
			}
		}
	}
}

// Quarter hours are in local time, even in the night in which daylight saving time changes.
func TestQuarterHoursFollowTheWallClock(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip("no time zones on this machine")
	}
	for _, tt := range []struct {
		name string
		now  time.Time
		want string
	}{
		{"daylight saving time begins", time.Date(2026, 3, 8, 1, 0, 0, 0, la), "2026-03-08T17:45:00-07:00"},
		{"daylight saving time ends", time.Date(2026, 11, 1, 0, 30, 0, 0, la), "2026-11-01T17:45:00-08:00"},
		{"the evening before it ends", time.Date(2026, 10, 31, 20, 0, 0, 0, la), "2026-11-01T17:45:00-08:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := devices.NextClock(71*15*time.Minute, tt.now.UTC(), la).Format(time.RFC3339); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzCheckDataSession(f *testing.F) {
	f.Add(testdata(f, "check_data_session.json"))
	f.Add([]byte(`{"success":1,"deviceLive":1,"latestData":{"uiData":{"DisplayUnits":"C","StatusHeat":1,"HeatNextPeriod":96}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseScreen(body, upstairs, noon, home)
		if err != nil {
			return
		}
		r := s.reading
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("a reading that cannot be published: %v", err)
		}
		for _, v := range []*float64{r.Temperature, r.CoolSetpoint, r.HeatSetpoint, r.OutdoorTemperature, r.ScheduleCool, r.ScheduleHeat} {
			if v != nil && (*v < -60 || *v > 160) {
				t.Errorf("%g° was accepted", *v)
			}
		}
		if r.Humidity != nil && (*r.Humidity < 0 || *r.Humidity > 100) {
			t.Errorf("%g %% was accepted", *r.Humidity)
		}
		if r.HoldUntil != nil && (r.HoldUntil.Before(noon.Add(-devices.JustOver)) || r.HoldUntil.After(noon.Add(25*time.Hour))) {
			t.Errorf("a hold until %s", r.HoldUntil)
		}
	})
}

package devicetest

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Thermostats holds an adapter for the thermostats of an account to the
// contract. Commands of Endpoints are cool, fan, and cool and fan.
func Thermostats(t *testing.T, v Vendor, open func(*testing.T, House) ThermostatDevice) {
	th := thermostatSuite{suite{Vendor: v}, open}
	th.suite.open = th.adapter
	t.Run("Reading", th.reading)
	t.Run("Unknown", th.unknown)
	t.Run("Commands", th.commands)
	t.Run("Holds", th.holds)
	t.Run("InARow", th.inARow)
	t.Run("Refused", th.refused)
	th.run(t)
}

type thermostatSuite struct {
	suite
	open func(*testing.T, House) ThermostatDevice
}

// thermostatCommands are the commands that endpoints are tried with.
var thermostatCommands = map[string]devices.ThermostatCommand{
	"cool":         {CoolSetpoint: new(79.0)},
	"fan":          {Fan: new(devices.FanOn)},
	"cool and fan": {CoolSetpoint: new(79.0), Fan: new(devices.FanOn)},
}

func (th thermostatSuite) adapter(s *stage) adapter {
	d := th.open(s.t, s.House)
	return adapter{
		read: func(ctx context.Context) (string, error) {
			readings, err := d.Read(ctx)
			if err != nil {
				return "", err
			}
			var shown []string
			for _, r := range readings {
				shown = append(shown, settings(r))
			}
			return strings.Join(shown, "; "), nil
		},
		apply: func(ctx context.Context, command string) error {
			cmd, ok := thermostatCommands[command]
			if !ok {
				s.t.Fatalf("there is no command %q to try", command)
			}
			return d.Apply(ctx, th.id(s), cmd)
		},
	}
}

// id is the first thermostat's name on topics, read or not.
func (th thermostatSuite) id(s *stage) string {
	truth := s.cloud.Truth().Thermostats[0]
	if th.Numbers {
		return strconv.Itoa(truth.TCCID)
	}
	return devices.TopicID(truth.ID)
}

// settings is all that can be set, in words: "heat_cool 76/69, schedule, fan
// auto". A vendor need not tell a hold until the next period of the schedule
// from one until a time.
func settings(r devices.ThermostatReading) string {
	if r.Mode == nil || r.CoolSetpoint == nil || r.HeatSetpoint == nil || r.Hold == nil || r.Fan == nil {
		return fmt.Sprintf("not everything: %+v", r)
	}
	hold := string(*r.Hold)
	if r.HoldUntil != nil {
		hold = "until " + r.HoldUntil.In(pacific()).Format("15:04")
	}
	return fmt.Sprintf("%s %g/%g, %s, fan %s", *r.Mode, *r.CoolSetpoint, *r.HeatSetpoint, hold, *r.Fan)
}

func readAll(t *testing.T, d ThermostatDevice) []devices.ThermostatReading {
	t.Helper()
	readings, err := d.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(readings) != 2 {
		t.Fatalf("%d thermostats, want 2", len(readings))
	}
	return readings
}

// european makes the thermostats ones that show °C.
func european(h *emulator.House) {
	for _, t := range h.Thermostats {
		t.Unit, t.Step, t.Deadband = devices.Celsius, 0.5, 1.5
		t.CoolMin, t.CoolMax, t.HeatMin, t.HeatMax = 10, 37, 5, 32
		t.Schedule = []emulator.Period{{Name: "P1", Cool: 24.5, Heat: 20}}
		t.Cool, t.Heat, t.Temperature = 24.5, 20, 25
	}
}

func downstairs(change func(*emulator.Thermostat)) func(*emulator.House) {
	return func(h *emulator.House) { change(h.Thermostats[0]) }
}

// hold lets a person hold set points.
func hold(cool, heat float64, kind devices.Hold, until string) func(*emulator.House) {
	return downstairs(func(th *emulator.Thermostat) {
		th.Cool, th.Heat, th.Hold, th.HoldUntil = cool, heat, kind, time.Time{}
		if until != "" {
			th.HoldUntil = clock(until)
		}
	})
}

// clock is a time of day on the day of the test.
func clock(text string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", start.Format(time.DateOnly)+" "+text, pacific())
	if err != nil {
		panic(err) // a mistake in a row
	}
	return at
}

func (th thermostatSuite) reading(t *testing.T) {
	for _, tt := range []struct {
		name   string
		person func(*emulator.House)
		want   string // of the first thermostat
	}{
		{"on its schedule", func(*emulator.House) {}, "heat_cool 76/69, schedule, fan auto"},
		{"held until seven", hold(79, 67, devices.HoldUntil, "19:00"), "heat_cool 79/67, until 19:00, fan auto"},
		{"held until the next period", hold(74, 69, devices.HoldTemporary, "22:00"), "heat_cool 74/69, until 22:00, fan auto"},
		{"held for good", hold(80, 60, devices.HoldPermanent, ""), "heat_cool 80/60, permanent, fan auto"},
		{"off", downstairs(func(th *emulator.Thermostat) { th.Mode = devices.Off }), "off 76/69, schedule, fan auto"},
		{"cool", downstairs(func(th *emulator.Thermostat) { th.Mode = devices.Cool }), "cool 76/69, schedule, fan auto"},
		{"heat", downstairs(func(th *emulator.Thermostat) { th.Mode = devices.Heat }), "heat 76/69, schedule, fan auto"},
		{"fan on", downstairs(func(th *emulator.Thermostat) { th.Fan = devices.FanOn }), "heat_cool 76/69, schedule, fan on"},
		{"fan circulating", downstairs(func(th *emulator.Thermostat) { th.Fan = devices.FanCirculate }), "heat_cool 76/69, schedule, fan circulate"},
		{"emergency heat", downstairs(func(th *emulator.Thermostat) { th.Mode = devices.Heat; th.EmergencyHeat = true }), "heat 76/69, schedule, fan auto"},
		{"vacation", downstairs(func(th *emulator.Thermostat) { th.Vacation = true }), "heat_cool 76/69, vacation, fan auto"},
		{"without power", downstairs(func(th *emulator.Thermostat) { th.Alive = false }), ""}, // what it shows then is its own
		{"in °C", european, "heat_cool 24.5/20, schedule, fan auto"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := th.stage(t)
			d := th.open(t, s.House)
			s.cloud.Person(tt.person)
			s.pass(time.Minute)
			readings := readAll(t, d)
			for i, r := range readings {
				truth := s.cloud.Truth().Thermostats[i]
				for _, lie := range append(thermostatLies(r, truth), timeLies(r.PolledAt, r.MeasuredAt, s.clock())...) {
					t.Errorf("%s: %s", truth.Name, lie)
				}
				for _, lack := range lacks(r) {
					t.Errorf("%s: %s", truth.Name, lack)
				}
			}
			r := readings[0]
			if got := settings(r); tt.want != "" && got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if r.Alive != (tt.name != "without power") || r.EmergencyHeat != (tt.name == "emergency heat") || r.ID() != th.id(s) {
				t.Errorf("%s: alive %t, emergency heat %t", r.ID(), r.Alive, r.EmergencyHeat)
			}
			if again := readAll(t, d); !reflect.DeepEqual(readings, again) {
				t.Errorf("read again, and nothing has happened:\n%+v\n%+v", readings, again)
			}
		})
	}
}

// thermostatLies says where a reading is not what the thermostat is.
func thermostatLies(r devices.ThermostatReading, truth emulator.ThermostatTruth) (lies []string) {
	half := 0.5 // of the display's last digit
	if truth.Unit == devices.Celsius {
		half = 0.25
	}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			lies = append(lies, fmt.Sprintf(format, args...))
		}
	}
	check(strings.EqualFold(r.Name, truth.Name), "its name is %q", r.Name)
	check(r.Unit == truth.Unit, "the unit is %s", r.Unit)
	check(r.Temperature != nil && math.Abs(*r.Temperature-truth.Temperature) <= half, "it is %s inside, in truth %g", text(r.Temperature), truth.Temperature)
	check(r.CoolSetpoint != nil && *r.CoolSetpoint == truth.Cool, "cool is %s, in truth %g", text(r.CoolSetpoint), truth.Cool)
	check(r.HeatSetpoint != nil && *r.HeatSetpoint == truth.Heat, "heat is %s, in truth %g", text(r.HeatSetpoint), truth.Heat)
	check(r.Mode != nil && *r.Mode == truth.Mode, "the mode is %s, in truth %s", text(r.Mode), truth.Mode)
	check(r.Action == nil || *r.Action == truth.Action, "the action is %s, in truth %s", text(r.Action), truth.Action)
	check((r.HoldUntil == nil) == truth.HoldUntil.IsZero() && (r.HoldUntil == nil || r.HoldUntil.Equal(truth.HoldUntil)), "the hold ends at %s, in truth %s", text(r.HoldUntil), truth.HoldUntil)
	return lies
}

// lacks says what a command could not be completed or checked with.
func lacks(r devices.ThermostatReading) (lacks []string) {
	limits, step, deadband := [4]float64{50, 99, 40, 90}, 1.0, 3.0
	if r.Unit == devices.Celsius {
		limits, step, deadband = [4]float64{10, 37, 5, 32}, 0.5, 1.5
	}
	for i, limit := range []*float64{r.CoolMin, r.CoolMax, r.HeatMin, r.HeatMax} {
		if limit == nil || *limit != limits[i] {
			lacks = append(lacks, fmt.Sprintf("limit %d is %s, want %g", i, text(limit), limits[i]))
		}
	}
	if r.Step != step || r.Deadband != deadband || r.HoldStep != 15 {
		lacks = append(lacks, fmt.Sprintf("the step is %g, the deadband %g, the step of holds %d minutes", r.Step, r.Deadband, r.HoldStep))
	}
	for _, m := range []devices.HVACMode{devices.Off, devices.Heat, devices.Cool, devices.HeatCool} {
		if !slices.Contains(r.Modes, m) {
			lacks = append(lacks, fmt.Sprintf("no mode %s", m))
		}
	}
	for _, f := range []devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate} {
		if !slices.Contains(r.Fans, f) {
			lacks = append(lacks, fmt.Sprintf("no fan mode %s", f))
		}
	}
	for _, h := range []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent} {
		if !slices.Contains(r.Holds, h) {
			lacks = append(lacks, fmt.Sprintf("no hold %s", h))
		}
	}
	return lacks
}

func (th thermostatSuite) unknown(t *testing.T) {
	for field, nils := range th.Unknown {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			s := th.stage(t)
			d := th.open(t, s.House)
			whole := readAll(t, d)
			th.leaveOut(s, field)
			for i, r := range readAll(t, d) {
				for _, problem := range onlyNil(whole[i], r, nils) {
					t.Error(problem)
				}
			}
		})
	}
}

func (th thermostatSuite) commands(t *testing.T) {
	asBuilt := func(*emulator.House) {}
	degrees := func(cool, heat float64) devices.ThermostatCommand {
		var cmd devices.ThermostatCommand
		if cool != 0 {
			cmd.CoolSetpoint = &cool
		}
		if heat != 0 {
			cmd.HeatSetpoint = &heat
		}
		return cmd
	}
	held := func(cmd devices.ThermostatCommand, hold devices.Hold, until string) devices.ThermostatCommand {
		cmd.Hold = &hold
		if until != "" {
			at := clock(until)
			if at.Before(start) {
				at = at.AddDate(0, 0, 1)
			}
			cmd.HoldUntil = &at
		}
		return cmd
	}
	mode := func(m devices.HVACMode) devices.ThermostatCommand { return devices.ThermostatCommand{Mode: &m} }
	fan := func(f devices.Fan) devices.ThermostatCommand { return devices.ThermostatCommand{Fan: &f} }
	for _, tt := range []struct {
		name   string
		person func(*emulator.House)
		cmd    devices.ThermostatCommand
		want   string
	}{
		{"cool", asBuilt, degrees(79, 0), "heat_cool 79/69, until 22:00, fan auto"},
		{"heat", asBuilt, degrees(0, 66), "heat_cool 76/66, until 22:00, fan auto"},
		{"both", asBuilt, degrees(80, 64), "heat_cool 80/64, until 22:00, fan auto"},
		{"cool as it is", asBuilt, degrees(76, 0), "heat_cool 76/69, until 22:00, fan auto"},
		{"cool between steps", asBuilt, degrees(78.4, 0), "heat_cool 78/69, until 22:00, fan auto"},
		{"cool pushes heat", asBuilt, degrees(68, 0), "heat_cool 68/65, until 22:00, fan auto"},
		{"heat pushes cool", asBuilt, degrees(0, 75), "heat_cool 78/75, until 22:00, fan auto"},
		{"until seven", asBuilt, held(degrees(79, 0), devices.HoldUntil, "19:00"), "heat_cool 79/69, until 19:00, fan auto"},
		{"until ten to seven", asBuilt, held(degrees(79, 0), devices.HoldUntil, "18:50"), "heat_cool 79/69, until 19:00, fan auto"},
		{"until after midnight", asBuilt, held(degrees(79, 0), devices.HoldUntil, "00:30"), "heat_cool 79/69, until 00:30, fan auto"},
		{"until the next period", asBuilt, held(degrees(79, 0), devices.HoldTemporary, ""), "heat_cool 79/69, until 22:00, fan auto"},
		{"for good", asBuilt, held(degrees(79, 0), devices.HoldPermanent, ""), "heat_cool 79/69, permanent, fan auto"},
		{"for good as it is", asBuilt, held(degrees(0, 0), devices.HoldPermanent, ""), "heat_cool 76/69, permanent, fan auto"},
		{"over a hold for good", hold(80, 60, devices.HoldPermanent, ""), degrees(82, 0), "heat_cool 82/60, permanent, fan auto"},
		{"over a hold until seven", hold(80, 60, devices.HoldUntil, "19:00"), degrees(82, 0), "heat_cool 82/60, until 19:00, fan auto"},
		{"back to the schedule", hold(80, 60, devices.HoldPermanent, ""), held(degrees(0, 0), devices.HoldSchedule, ""), "heat_cool 76/69, schedule, fan auto"},
		{"back to the schedule it has", asBuilt, held(degrees(0, 0), devices.HoldSchedule, ""), "heat_cool 76/69, schedule, fan auto"},
		{"off", asBuilt, mode(devices.Off), "off 76/69, schedule, fan auto"},
		{"mode cool", asBuilt, mode(devices.Cool), "cool 76/69, schedule, fan auto"},
		{"mode heat", asBuilt, mode(devices.Heat), "heat 76/69, schedule, fan auto"},
		{"mode heat_cool from off", downstairs(func(t *emulator.Thermostat) { t.Mode = devices.Off }), mode(devices.HeatCool), "heat_cool 76/69, schedule, fan auto"},
		{"mode in a hold", hold(80, 60, devices.HoldUntil, "19:00"), mode(devices.Cool), "cool 80/60, until 19:00, fan auto"},
		{"fan on", asBuilt, fan(devices.FanOn), "heat_cool 76/69, schedule, fan on"},
		{"fan circulating in a hold", hold(80, 60, devices.HoldPermanent, ""), fan(devices.FanCirculate), "heat_cool 80/60, permanent, fan circulate"},
		{"all at once", asBuilt, devices.ThermostatCommand{
			Mode: new(devices.Cool), Fan: new(devices.FanOn), CoolSetpoint: new(80.0), Hold: new(devices.HoldPermanent),
		}, "cool 80/69, permanent, fan on"},
		{"in °C", european, held(degrees(25.5, 0), devices.HoldPermanent, ""), "heat_cool 25.5/20, permanent, fan auto"},
		{"in °C between steps", european, held(degrees(25.6, 19.2), devices.HoldPermanent, ""), "heat_cool 25.5/19, permanent, fan auto"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := th.stage(t)
			d := th.open(t, s.House)
			s.cloud.Person(tt.person)
			readings := readAll(t, d)
			before, upstairs := settings(readings[0]), settings(readings[1])
			th.apply(t, s, d, tt.cmd)
			if got := settings(readAll(t, d)[0]); got != before {
				t.Errorf("before the device has it, it shows %s", got)
			}
			th.settled(t, s, d, "sent", tt.want, upstairs)
			th.apply(t, s, d, tt.cmd)
			th.settled(t, s, d, "sent again", tt.want, upstairs)
		})
	}
}

func (th thermostatSuite) apply(t *testing.T, s *stage, d ThermostatDevice, cmd devices.ThermostatCommand) {
	t.Helper()
	requests, err := s.watch(func() error { return d.Apply(t.Context(), th.id(s), cmd) })
	if err != nil || len(requests) > maxOfAll {
		t.Fatalf("%d requests, %v", len(requests), err)
	}
}

// settled checks the first thermostat once a command has had the time to reach it, and
// that the other one is as it was.
func (th thermostatSuite) settled(t *testing.T, s *stage, d ThermostatDevice, when, want, upstairs string) {
	t.Helper()
	s.pass(th.Settle)
	readings := readAll(t, d)
	if got := settings(readings[0]); got != want {
		t.Errorf("%s: got %s, want %s", when, got, want)
	}
	if got := settings(readings[1]); got != upstairs {
		t.Errorf("%s: the other one was %s and is %s", when, upstairs, got)
	}
	for _, lie := range thermostatLies(readings[0], s.cloud.Truth().Thermostats[0]) {
		t.Errorf("%s: %s", when, lie)
	}
}

// holds follows a hold to its end, which comes by itself.
func (th thermostatSuite) holds(t *testing.T) {
	s := th.stage(t)
	d := th.open(t, s.House)
	readAll(t, d)
	cmd := devices.ThermostatCommand{CoolSetpoint: new(79.0), Hold: new(devices.HoldUntil), HoldUntil: new(clock("19:00"))}
	if err := d.Apply(t.Context(), th.id(s), cmd); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   string
		want string
	}{
		{"16:10", "heat_cool 79/69, until 19:00, fan auto"},
		{"18:59", "heat_cool 79/69, until 19:00, fan auto"},
		{"19:00", "heat_cool 76/69, schedule, fan auto"},
		{"21:59", "heat_cool 76/69, schedule, fan auto"},
		{"22:00", "heat_cool 77/65, schedule, fan auto"},
	} {
		s.pass(clock(tt.at).Sub(s.clock()))
		if got := settings(readAll(t, d)[0]); got != tt.want {
			t.Errorf("at %s got %s, want %s", tt.at, got, tt.want)
		}
	}
}

// inARow sends commands faster than the device takes them: none undoes another.
func (th thermostatSuite) inARow(t *testing.T) {
	s := th.stage(t)
	d := th.open(t, s.House)
	readAll(t, d)
	for _, cmd := range []devices.ThermostatCommand{
		{CoolSetpoint: new(80.0)},
		{HeatSetpoint: new(64.0)},
		{Mode: new(devices.Cool)},
		{Fan: new(devices.FanOn)},
		{Hold: new(devices.HoldPermanent)},
	} {
		if err := d.Apply(t.Context(), th.id(s), cmd); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
	}
	s.pass(th.Settle)
	if got, want := settings(readAll(t, d)[0]), "cool 80/64, permanent, fan on"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func (th thermostatSuite) refused(t *testing.T) {
	asBuilt := func(*emulator.House) {}
	cool := func(v float64) devices.ThermostatCommand { return devices.ThermostatCommand{CoolSetpoint: &v} }
	heat := func(v float64) devices.ThermostatCommand { return devices.ThermostatCommand{HeatSetpoint: &v} }
	until := func(at time.Time) devices.ThermostatCommand {
		return devices.ThermostatCommand{CoolSetpoint: new(79.0), Hold: new(devices.HoldUntil), HoldUntil: &at}
	}
	for _, tt := range []struct {
		name   string
		person func(*emulator.House)
		cmd    devices.ThermostatCommand
	}{
		{"nothing", asBuilt, devices.ThermostatCommand{}},
		{"cool 100", asBuilt, cool(100)},
		{"cool 49", asBuilt, cool(49)},
		{"cool 0", asBuilt, cool(0)},
		{"cool NaN", asBuilt, cool(math.NaN())},
		{"cool infinite", asBuilt, cool(math.Inf(1))},
		{"heat 91", asBuilt, heat(91)},
		{"heat 39", asBuilt, heat(39)},
		{"both too close", asBuilt, devices.ThermostatCommand{CoolSetpoint: new(72.0), HeatSetpoint: new(70.0)}},
		{"°F to a thermostat in °C", european, cool(79)},
		{"mode that is none", asBuilt, devices.ThermostatCommand{Mode: new(devices.HVACMode("dry"))}},
		{"fan mode that is none", asBuilt, devices.ThermostatCommand{Fan: new(devices.Fan("turbo"))}},
		{"hold that is none", asBuilt, devices.ThermostatCommand{Hold: new(devices.Hold("forever"))}},
		{"hold vacation", asBuilt, devices.ThermostatCommand{Hold: new(devices.HoldVacation)}},
		{"set point on the schedule", asBuilt, devices.ThermostatCommand{CoolSetpoint: new(79.0), Hold: new(devices.HoldSchedule)}},
		{"until without a time", asBuilt, devices.ThermostatCommand{Hold: new(devices.HoldUntil)}},
		{"time without until", asBuilt, devices.ThermostatCommand{CoolSetpoint: new(79.0), HoldUntil: new(clock("19:00"))}},
		{"until an hour ago", asBuilt, until(clock("15:00"))},
		{"until tomorrow night", asBuilt, until(clock("22:00").AddDate(0, 0, 1))},
		{"on vacation", downstairs(func(t *emulator.Thermostat) { t.Vacation = true }), cool(79)},
		{"without power", downstairs(func(t *emulator.Thermostat) { t.Alive = false }), cool(79)},
		{"not one of this account", asBuilt, cool(79)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := th.stage(t)
			d := th.open(t, s.House)
			s.cloud.Person(tt.person)
			readAll(t, d)
			id := th.id(s)
			if tt.name == "not one of this account" {
				id = "4711"
			}
			requests, err := s.watch(func() error { return d.Apply(t.Context(), id, tt.cmd) })
			if failed := th.failure(t, s, err, devices.Refused); failed != nil && (failed.MaybeDone || failed.MayRetry()) {
				t.Errorf("it may be repeated: %v", failed)
			}
			for _, r := range requests {
				if r.Method != http.MethodGet || r.Write != nil {
					t.Errorf("%s was asked, with %d", r.Endpoint, r.Status)
				}
			}
		})
	}
}

package devicetest

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Powerwall holds an adapter for a battery to the contract. Commands of
// Endpoints are reserve, mode, storm watch, grid charging and export rule.
func Powerwall(t *testing.T, v Vendor, open func(*testing.T, House) PowerwallDevice) {
	b := batterySuite{suite{Vendor: v, house: emulator.HouseOptions{SettleDelay: v.Settle}}, open}
	b.suite.open = b.adapter
	t.Run("Reading", b.reading)
	t.Run("Unknown", b.unknown)
	t.Run("Commands", b.commands)
	t.Run("Refused", b.refused)
	b.run(t)
}

type batterySuite struct {
	suite
	open func(*testing.T, House) PowerwallDevice
}

// batteryCommands are the commands that endpoints are tried with.
var batteryCommands = map[string]devices.PowerwallCommand{
	"reserve":       {Reserve: new(35)},
	"mode":          {Mode: new(devices.Autonomous)},
	"storm watch":   {StormWatch: new(false)},
	"grid charging": {GridCharging: new(false)},
	"export rule":   {ExportRule: new(devices.ExportNone)},
}

func (b batterySuite) adapter(s *stage) adapter {
	d := b.open(s.t, s.House)
	return adapter{
		read: func(ctx context.Context) (string, error) {
			r, err := d.Read(ctx)
			if err != nil {
				return "", err
			}
			return batterySettings(r), nil
		},
		apply: func(ctx context.Context, command string) error {
			cmd, ok := batteryCommands[command]
			if !ok {
				s.t.Fatalf("there is no command %q to try", command)
			}
			return d.Apply(ctx, cmd)
		},
	}
}

// batterySettings is all that can be set, in words.
func batterySettings(r devices.PowerwallReading) string {
	if r.ReservePercent == nil || r.Mode == nil || r.StormWatch == nil || r.GridCharging == nil || r.ExportRule == nil {
		return fmt.Sprintf("not everything: %+v", r)
	}
	return fmt.Sprintf("%d %% %s, storm watch %t, grid charging %t, export %s", *r.ReservePercent, *r.Mode, *r.StormWatch, *r.GridCharging, *r.ExportRule)
}

func readBattery(t *testing.T, d PowerwallDevice) devices.PowerwallReading {
	t.Helper()
	r, err := d.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b batterySuite) reading(t *testing.T) {
	for _, tt := range []struct {
		name   string
		person func(*emulator.House)
		want   string // its settings
	}{
		{"as it was built", func(*emulator.House) {}, "20 % self_consumption, storm watch true, grid charging true, export pv_only"},
		{"it charges from the grid", func(h *emulator.House) { h.SetReserve(100) }, "100 % self_consumption, storm watch true, grid charging true, export pv_only"},
		{"empty", func(h *emulator.House) { h.Stored = 0; h.SetReserve(0); h.GridCharging = false }, "0 % self_consumption, storm watch true, grid charging false, export pv_only"},
		{"full", func(h *emulator.House) { h.Stored = 13_500; h.Mode = devices.Backup }, "20 % backup, storm watch true, grid charging true, export pv_only"},
		{"off the grid", func(h *emulator.House) { h.OffGrid = true; h.ExportRule = devices.ExportNone }, "20 % self_consumption, storm watch true, grid charging true, export never"},
		{"a storm comes", func(h *emulator.House) { h.StormActive = true; h.ExportRule = devices.ExportAll }, "20 % self_consumption, storm watch true, grid charging true, export battery_ok"},
		{"the utility calls", func(h *emulator.House) { h.GridServices = true; h.Mode = devices.Autonomous; h.StormWatch = false }, "20 % autonomous, storm watch false, grid charging true, export pv_only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := b.stage(t)
			d := b.open(t, s.House)
			s.cloud.Person(tt.person)
			s.pass(time.Minute)
			r := readBattery(t, d)
			for _, lie := range batteryLies(r, s.cloud.Truth()) {
				t.Error(lie)
			}
			if got := batterySettings(r); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			for _, lie := range timeLies(r.PolledAt, r.MeasuredAt, s.clock()) {
				t.Error(lie)
			}
			if again := readBattery(t, d); !reflect.DeepEqual(r, again) {
				t.Errorf("read again, and nothing has happened:\n%+v\n%+v", r, again)
			}
		})
	}
}

// batteryLies says where a reading is not what the house is.
func batteryLies(r devices.PowerwallReading, truth emulator.Truth) (lies []string) {
	number := func(what string, got *float64, want, within float64) {
		if got == nil || math.Abs(*got-want) > within {
			lies = append(lies, fmt.Sprintf("%s is %s, in truth %g", what, text(got), want))
		}
	}
	flag := func(what string, got *bool, want bool) {
		if got == nil || *got != want {
			lies = append(lies, fmt.Sprintf("%s is %s, in truth %t", what, text(got), want))
		}
	}
	number("the charge", (*float64)(r.ChargePercent), truth.ChargePercent, 0.05)
	number("what is stored", (*float64)(r.StoredEnergy), truth.StoredWh, 1)
	number("the battery's power", (*float64)(r.BatteryPower), truth.BatteryW, 0.5)
	number("the sun's power", (*float64)(r.SolarPower), truth.SolarW, 0.5)
	number("the grid's power", (*float64)(r.GridPower), truth.GridW, 0.5)
	number("the home's power", (*float64)(r.HomePower), truth.HomeW, 0.5)
	flag("a storm", r.StormActive, truth.StormActive)
	flag("the utility's call", r.GridServicesActive, truth.GridServices)
	flag("the grid", r.GridConnected, !truth.OffGrid)
	return lies
}

// timeLies says where the times of a reading cannot be. An adapter may leave
// the time of the poll to whoever polls.
func timeLies(polled time.Time, measured *time.Time, now time.Time) (lies []string) {
	if !polled.IsZero() && !polled.Equal(now) {
		lies = append(lies, fmt.Sprintf("polled at %s, at %s", polled, now))
	}
	if measured != nil && (measured.After(now) || now.Sub(*measured) > time.Hour) {
		lies = append(lies, fmt.Sprintf("measured at %s, at %s", measured, now))
	}
	return lies
}

func text[T any](v *T) string {
	if v == nil {
		return "not known"
	}
	return fmt.Sprint(*v)
}

func (b batterySuite) unknown(t *testing.T) {
	for field, nils := range b.Unknown {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			s := b.stage(t)
			d := b.open(t, s.House)
			whole := readBattery(t, d)
			b.leaveOut(s, field)
			for _, problem := range onlyNil(whole, readBattery(t, d), nils) {
				t.Error(problem)
			}
		})
	}
}

// leaveOut lets a field be missing from all answers of the vendor.
func (v suite) leaveOut(s *stage, field string) {
	s.t.Helper()
	api, _, _ := strings.Cut(v.Endpoints[0].Name, ".")
	s.inject(api+".*", emulator.Fault{Class: emulator.Missing, Fields: []string{field}, Count: -1})
}

// onlyNil says what else than the field name, which is nil, differs between two
// readings.
func onlyNil(whole, part any, name string) (problems []string) {
	w, p := reflect.ValueOf(whole), reflect.ValueOf(part)
	for i := range w.NumField() {
		f := w.Type().Field(i)
		switch {
		case f.Name == name && (f.Type.Kind() != reflect.Pointer || w.Field(i).IsNil()):
			problems = append(problems, name+" was not known before either")
		case f.Name == name && !p.Field(i).IsNil():
			problems = append(problems, fmt.Sprintf("%s is %v, and nobody said so", name, p.Field(i).Elem()))
		case f.Name != name && !reflect.DeepEqual(w.Field(i).Interface(), p.Field(i).Interface()):
			problems = append(problems, f.Name+" differs")
		}
	}
	return problems
}

func (b batterySuite) commands(t *testing.T) {
	type row struct {
		name string
		cmd  devices.PowerwallCommand
		want string
	}
	rows := []row{
		{"storm watch off", devices.PowerwallCommand{StormWatch: new(false)}, "20 % self_consumption, storm watch false, grid charging true, export pv_only"},
		{"storm watch on", devices.PowerwallCommand{StormWatch: new(true)}, "20 % self_consumption, storm watch true, grid charging true, export pv_only"},
		{"grid charging off", devices.PowerwallCommand{GridCharging: new(false)}, "20 % self_consumption, storm watch true, grid charging false, export pv_only"},
		{"grid charging on", devices.PowerwallCommand{GridCharging: new(true)}, "20 % self_consumption, storm watch true, grid charging true, export pv_only"},
	}
	for _, percent := range []int{0, 1, 20, 50, 80, 100} {
		rows = append(rows, row{fmt.Sprintf("reserve %d", percent), devices.PowerwallCommand{Reserve: &percent},
			fmt.Sprintf("%d %% self_consumption, storm watch true, grid charging true, export pv_only", percent)})
	}
	for _, mode := range devices.Modes() {
		rows = append(rows, row{"mode " + string(mode), devices.PowerwallCommand{Mode: &mode},
			fmt.Sprintf("20 %% %s, storm watch true, grid charging true, export pv_only", mode)})
	}
	for _, rule := range devices.ExportRules() {
		rows = append(rows, row{"export " + string(rule), devices.PowerwallCommand{ExportRule: &rule},
			fmt.Sprintf("20 %% self_consumption, storm watch true, grid charging true, export %s", rule)})
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := b.stage(t)
			d := b.open(t, s.House)
			before := batterySettings(readBattery(t, d))
			for _, when := range []string{"sent", "sent again"} {
				requests, err := s.watch(func() error { return d.Apply(t.Context(), tt.cmd) })
				if err != nil || !changed(requests) {
					t.Fatalf("%s: %d requests, %v", when, len(requests), err)
				}
				if got := batterySettings(readBattery(t, d)); b.Settle > 0 && when == "sent" && got != before {
					t.Errorf("before the device has it, it shows %s", got)
				}
				s.pass(b.Settle)
				if got := batterySettings(readBattery(t, d)); got != tt.want {
					t.Errorf("%s: got %s, want %s", when, got, tt.want)
				}
			}
		})
	}
}

func (b batterySuite) refused(t *testing.T) {
	reserve := func(percent int) devices.PowerwallCommand { return devices.PowerwallCommand{Reserve: &percent} }
	for _, tt := range []struct {
		name string
		cmd  devices.PowerwallCommand
	}{
		{"nothing", devices.PowerwallCommand{}},
		{"reserve -1", reserve(-1)},
		{"reserve 81", reserve(81)},
		{"reserve 99", reserve(99)},
		{"reserve 101", reserve(101)},
		{"mode that is none", devices.PowerwallCommand{Mode: new(devices.Mode("turbo"))}},
		{"export rule that is none", devices.PowerwallCommand{ExportRule: new(devices.ExportRule("everything"))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := b.stage(t)
			d := b.open(t, s.House)
			readBattery(t, d)
			requests, err := s.watch(func() error { return d.Apply(t.Context(), tt.cmd) })
			if failed := b.failure(t, s, err, devices.Refused); failed != nil && (failed.MaybeDone || failed.MayRetry()) {
				t.Errorf("it may be repeated: %v", failed)
			}
			for _, r := range requests {
				if r.Method != http.MethodGet {
					t.Errorf("%s was asked, with %d", r.Endpoint, r.Status)
				}
			}
		})
	}
}

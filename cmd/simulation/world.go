package simulation

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// world is a day to simulate: the home, and everything that people and faults do to it.
// It is only data, so that it can be stored in a file (see save) and simulated again
// whatever a seed draws later. Code in tests may add events that a file cannot contain.
type world struct {
	// What went wrong on this day before it was fixed; only for days in files.
	Bug string `yaml:"bug,omitempty"`
	// Random decisions during the simulation come from Seed too.
	Seed   uint64    `yaml:"seed"`
	Begins time.Time `yaml:"begins"`
	Ends   time.Time `yaml:"ends"` // all trouble is over then, so that everything can be restored
	DryRun bool      `yaml:"dry_run"`
	Nodes  int       `yaml:"nodes"` // 1, or a pair
	// Stranger is a daemon that does not belong to the home: an old Pi that still runs,
	// or a trial on a laptop.
	Stranger  stranger  `yaml:"stranger,omitempty"`
	APIToken  bool      `yaml:"api_token,omitempty"` // for Tesla there is only an access token, which cannot be renewed
	Echoes    bool      `yaml:"echoes,omitempty"`    // the broker does not support No Local: what is sent comes back
	Rsync     bool      `yaml:"rsync"`               // the pair's journals are copied from disk to disk
	Daily     bool      `yaml:"daily"`               // peaks on weekends too
	Backend   string    `yaml:"backend"`             // tcc or resideo
	Polls     polls     `yaml:"polls"`
	Calls     int       `yaml:"calls_per_month,omitempty"` // to Tesla; 0: as many as the polls need
	Weather   weather   `yaml:"weather"`
	Powerwall powerwall `yaml:"powerwall"`
	// Landing is about how long a write to a thermostat takes; 0: as usual.
	Landing     time.Duration `yaml:"landing,omitempty"`
	Thermostats []thermostat  `yaml:"thermostats"`    // in the order of emulator.DefaultThermostats
	Plan        *planned      `yaml:"plan,omitempty"` // the reserve follows a plan; none: it follows the rule
	Acts        []event       `yaml:"acts"`           // sorted by time
}

// polls are in seconds.
type polls struct {
	Powerwall     int `yaml:"powerwall"`
	PowerwallPeak int `yaml:"powerwall_peak"` // and before it
	Thermostat    int `yaml:"thermostat"`
}

// stranger is another daemon under the base topic of the home.
type stranger struct {
	Begins time.Time `yaml:"begins,omitempty"` // none: there is none
	DryRun bool      `yaml:"dry_run,omitempty"`
}

func (s stranger) is() bool { return !s.Begins.IsZero() }

// second is the suffix of the tokens of the second node of a home, or of a stranger.
const second = "-2"

type weather struct {
	LowC  float64 `yaml:"low_c"`
	HighC float64 `yaml:"high_c"`
	Clear float64 `yaml:"clear"` // 0 to 1
}

// powerwall has the fields of emulator.HouseOptions except the thermostats.
type powerwall struct {
	ChargePercent float64       `yaml:"charge_percent"`
	Reserve       int           `yaml:"reserve"`
	BaseLoadW     float64       `yaml:"base_load_w"`
	SolarPeakW    float64       `yaml:"solar_peak_w"`
	SettleDelay   time.Duration `yaml:"settle_delay,omitempty"`
	ReserveCap    int           `yaml:"reserve_cap,omitempty"`
	CapDelay      time.Duration `yaml:"cap_delay,omitempty"`
	ReserveFloor  int           `yaml:"reserve_floor,omitempty"`
}

// thermostat says how one of the home's thermostats differs from the default.
type thermostat struct {
	Mode  devices.HVACMode `yaml:"mode"`
	Unit  devices.Unit     `yaml:"unit,omitempty"`  // none: Fahrenheit
	Round bool             `yaml:"round,omitempty"` // it has no holds: it keeps what it is set to
	Set   change           `yaml:"set,omitempty"`   // when the day begins
}

// zone returns the home's time zone. It is loaded only once, because every line of the
// story needs it.
var zone = sync.OnceValue(func() *time.Location {
	z, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err) // the emulator includes the zones
	}
	return z
})

// day returns the local midnight at which the day begins.
func (w *world) day() time.Time {
	y, m, d := w.Begins.In(zone()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone())
}

// lives reports whether the whole of a peak is simulated.
func (w *world) lives(p rules.Peak) bool {
	return p.Start.After(w.Begins) && !p.End.After(w.Ends)
}

// house returns the emulated house at the beginning of the day.
func (w *world) house() emulator.HouseOptions {
	p := w.Powerwall
	return emulator.HouseOptions{
		ChargePercent: &p.ChargePercent, Reserve: &p.Reserve, BaseLoadW: p.BaseLoadW, SolarPeakW: p.SolarPeakW,
		SettleDelay: p.SettleDelay, ReserveCap: p.ReserveCap, CapDelay: p.CapDelay, ReserveFloor: p.ReserveFloor, Thermostats: w.thermostats(),
	}
}

func (w *world) thermostats() []*emulator.Thermostat {
	all := emulator.DefaultThermostats()
	for i, as := range w.Thermostats {
		t := all[i]
		t.Location, t.Mode = zone(), as.Mode
		if as.Unit == devices.Celsius {
			celsius(t)
		}
		if as.Round {
			t.LCCID, t.Model, t.Hold = "TCC-"+fmt.Sprint(t.TCCID), "Round", devices.HoldPermanent
		}
		if as.Set != (change{}) {
			t.Submit(w.Begins, emulator.Setting(as.Set), 0)
		}
	}
	return all
}

func half(f float64) float64 { return float64(int((f-32)/1.8*2+0.5)) / 2 }

func celsius(t *emulator.Thermostat) {
	t.Unit, t.Step, t.Deadband = devices.Celsius, 0.5, 1.5
	t.CoolMin, t.CoolMax, t.HeatMin, t.HeatMax = 10, 37, 4.5, 32
	for i := range t.Schedule {
		t.Schedule[i].Cool, t.Schedule[i].Heat = half(t.Schedule[i].Cool), half(t.Schedule[i].Heat)
	}
}

// vendorID returns the account's id of thermostat i.
func (w *world) vendorID(i int) string {
	t := w.thermostats()[i]
	if w.Backend == "tcc" {
		return fmt.Sprint(t.TCCID)
	}
	return t.LCCID
}

// save writes the day to a file: YAML, with an event on each line.
func (w *world) save(file string) error {
	b, err := w.encode()
	if err != nil {
		return fmt.Errorf("simulation: write %s: %w", file, err)
	}
	return os.WriteFile(file, b, 0o644)
}

func (w *world) encode() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(w)
	return b.Bytes(), err
}

// load reads the day in a file.
func load(file string) (*world, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	w, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("simulation: read %s: %w", file, err)
	}
	return w, nil
}

// decode parses what encode has written. It refuses unknown fields.
func decode(b []byte) (*world, error) {
	w := &world{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(w); err != nil {
		return nil, err
	}
	if n := len(emulator.DefaultThermostats()); len(w.Thermostats) != n {
		return nil, fmt.Errorf("it has %d thermostats; the emulated home has %d", len(w.Thermostats), n)
	}
	w.Begins, w.Ends = w.Begins.In(zone()), w.Ends.In(zone())
	if w.Stranger.is() {
		w.Stranger.Begins = w.Stranger.Begins.In(zone())
	}
	again, err := w.encode()
	if err != nil {
		return nil, err
	}
	// Only this finds parameters of an event that are unknown or have their zero value.
	if !bytes.Equal(b, again) {
		return nil, fmt.Errorf("it would be written as\n%s", again)
	}
	return w, nil
}

func (w *world) add(at time.Time, what action) { w.Acts = append(w.Acts, event{at, what}) }

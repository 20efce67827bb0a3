package emulator

import (
	"math"
	"strconv"
	"time"

	"powermgr/devices"
)

// HouseOptions describe the house; zero fields have the values of the default house.
type HouseOptions struct {
	CapacityWh    float64  // of the battery, 13,500
	PowerW        float64  // the most that it charges or discharges with, 5,000
	ChargePercent *float64 // at the start, 50
	Reserve       *int     // percent, at the start, 20
	SolarPeakW    float64  // of the panels at noon in June, 2,400
	BaseLoadW     float64  // the load without heating and cooling varies around it, 2,050
	Leak          float64  // heat loss through the envelope of one zone, W/K, 205
	Walls         float64  // heat capacity of the walls and floors of one zone, Wh/K, 4,500
	Windows       float64  // heat gain through the windows of one zone in full sun, W, 950
	CoolingW      float64  // heat that the air conditioner of one zone removes, 7,000
	HeatingW      float64  // heat from the heat pump of one zone at 8 °C, 7,500
	Thermostats   []*Thermostat
	// Peak reports whether Books.PeakImport counts a local time; nil: Monday to Friday,
	// 16–19 in May–October, otherwise 6–9 and 17–20.
	Peak  func(local time.Time) bool
	Hours []Hour // measured hours that replace the load, the sun and the weather; sorted
	// SettleDelay is how long it takes after a write until the Powerwall's settings show
	// and have an effect.
	SettleDelay time.Duration
	// ReserveCap is the highest reserve; a higher one is lowered to it. 0: 100 is possible.
	ReserveCap int
	// CapDelay is how long after the write ReserveCap takes effect.
	CapDelay time.Duration
	// ReserveFloor is the lowest reserve; a lower one is raised to it. 0: 0 is possible.
	ReserveFloor int
}

// Hour is one measured hour.
type Hour struct {
	Start    time.Time
	LoadWh   float64 // regardless of what the thermostats do
	SolarWh  float64
	OutdoorC float64
}

// House is the physical house: a battery, panels, two zones with a thermostat each, and
// the grid. It advances in steps of at most a minute, each of which conserves energy.
type House struct {
	Powerwall
	Thermostats []*Thermostat
	Books       Books
	OutdoorC    float64
	OffGrid     bool // the grid is down

	options HouseOptions
	weather Weather
	seed    uint64
	local   *time.Location
	at      time.Time
	zones   []zone
	flows   flows
	lived   []Stretch // the energies of the past, the oldest first
	later   []due     // settings on their way

	past   []moment
	before bool // this is a past state, for showing only

	asked *Write // the command in the current request
	hit   Class  // the fault that has hit the current request
}

// Books are the energies since the house was created, in Wh.
type Books struct {
	Solar      float64 `json:"solar_wh"`
	Home       float64 `json:"home_wh"`
	Base       float64 `json:"base_wh"` // part of Home
	HVAC       float64 `json:"hvac_wh"` // the other part
	Import     float64 `json:"import_wh"`
	PeakImport float64 `json:"peak_import_wh"` // part of Import, see HouseOptions.Peak
	Unserved   float64 `json:"unserved_wh"`    // demand of the home that was not met, off the grid
	Export     float64 `json:"export_wh"`
	BatteryIn  float64 `json:"battery_in_wh"`
	BatteryOut float64 `json:"battery_out_wh"`
	Loss       float64 `json:"loss_wh"` // in the battery
}

// flows are the powers at one moment, in W, with the signs of package devices.
type flows struct{ solar, home, hvac, battery, grid float64 }

type due struct {
	at time.Time
	do func()
}

// Truth is the true state of the house.
type Truth struct {
	At            time.Time          `json:"at"`
	ChargePercent float64            `json:"charge_percent"`
	StoredWh      float64            `json:"stored_wh"`
	Reserve       int                `json:"reserve_percent"`
	Mode          devices.Mode       `json:"mode"`
	StormWatch    bool               `json:"storm_watch"`
	StormActive   bool               `json:"storm_active"`
	GridServices  bool               `json:"grid_services_active"`
	GridCharging  bool               `json:"grid_charging"`
	ExportRule    devices.ExportRule `json:"export_rule"`
	OffGrid       bool               `json:"off_grid"`
	SolarW        float64            `json:"solar_w"`
	HomeW         float64            `json:"home_w"`
	HVACW         float64            `json:"hvac_w"` // part of HomeW
	BatteryW      float64            `json:"battery_w"`
	GridW         float64            `json:"grid_w"`
	OutdoorC      float64            `json:"outdoor_c"`
	Thermostats   []ThermostatTruth  `json:"thermostats"`
	Books         Books              `json:"books"`
}

// ThermostatTruth is the true state of a thermostat.
type ThermostatTruth struct {
	ID          string           `json:"id"` // its LCC id
	TCCID       int              `json:"tcc_id"`
	Name        string           `json:"name"`
	Unit        devices.Unit     `json:"unit"`
	Mode        devices.HVACMode `json:"mode"`
	Action      devices.Action   `json:"action"`
	Cool        float64          `json:"cool"`
	Heat        float64          `json:"heat"`
	Hold        devices.Hold     `json:"hold"`
	HoldUntil   time.Time        `json:"hold_until,omitzero"`
	Temperature float64          `json:"temperature"`
	Pending     bool             `json:"pending"` // a command is on its way
}

// VendorID returns the thermostat's id at Total Connect Comfort.
func (t ThermostatTruth) VendorID() string { return strconv.Itoa(t.TCCID) }

func newHouse(o Options) *House {
	h := &House{options: o.House, weather: o.Weather, seed: o.Seed, local: o.Location, at: o.Now()}
	d := &h.options
	def := func(v *float64, to float64) {
		if *v == 0 {
			*v = to
		}
	}
	def(&d.CapacityWh, 13_500)
	def(&d.PowerW, 5_000)
	def(&d.SolarPeakW, 2_400)
	def(&d.BaseLoadW, 2_050)
	def(&d.Leak, 205)
	def(&d.Walls, 4_500)
	def(&d.Windows, 950)
	def(&d.CoolingW, 7_000)
	def(&d.HeatingW, 7_500)
	if h.weather == nil {
		h.weather = Seasonal(o.Location)
	}
	charge, reserve := 50.0, 20
	if d.Peak == nil {
		d.Peak = usualPeak
	}
	if d.ChargePercent != nil {
		charge = *d.ChargePercent
	}
	if d.Reserve != nil {
		reserve = *d.Reserve
	}
	h.Powerwall = Powerwall{
		Stored: charge / 100 * d.CapacityWh, Reserve: reserve, Mode: devices.SelfConsumption,
		GridCharging: true, ExportRule: devices.ExportSolar, StormWatch: true,
	}
	h.Thermostats = d.Thermostats
	if h.Thermostats == nil {
		h.Thermostats = DefaultThermostats()
	}
	cond := h.weather(h.at)
	h.OutdoorC = cond.OutdoorC
	for _, t := range h.Thermostats {
		t.Location = o.Location
		if len(t.Schedule) == 0 {
			t.Schedule = []Period{{Name: "P1", Cool: t.Cool, Heat: t.Heat}}
		}
		t.Live(h.at)
		inside := devices.Celsius
		c := t.Unit.To(inside, min(max(t.Unit.To(devices.Celsius, t.Cool), 0), 60))
		if t.Unit == devices.Fahrenheit {
			c = devices.Fahrenheit.To(devices.Celsius, t.Cool)
		}
		if cond.OutdoorC < 18 {
			c = t.Unit.To(devices.Celsius, t.Heat)
		}
		h.zones = append(h.zones, zone{air: c, mass: c})
	}
	h.feel()
	return h
}

// DefaultThermostats returns the two thermostats of the default house, on schedules.
func DefaultThermostats() []*Thermostat {
	make := func(lcc string, tcc int, name string, day float64) *Thermostat {
		return &Thermostat{
			LCCID: lcc, TCCID: tcc, MAC: lcc[4:], Name: name, Model: "T5-T6", Unit: devices.Fahrenheit,
			Mode: devices.HeatCool, Hold: devices.HoldSchedule, Fan: devices.FanAuto, Alive: true,
			Modes:   []devices.HVACMode{devices.Heat, devices.Off, devices.Cool, devices.HeatCool},
			CoolMin: 50, CoolMax: 99, HeatMin: 40, HeatMax: 90, Deadband: 3, Step: 1, HoldStep: 15,
			Humidity: 41,
			Schedule: []Period{
				{"P1", 6 * time.Hour, day, 69}, {"P2", 8 * time.Hour, day + 1, 67},
				{"P3", 15 * time.Hour, day, 69}, {"P4", 22 * time.Hour, day + 1, 65},
			},
		}
	}
	return []*Thermostat{make("LCC-00A01AB10001", 1000001, "Downstairs", 76), make("LCC-00A01AB10002", 1000002, "Upstairs", 77)}
}

// longestLife is how far the house advances in one call; a longer gap is skipped.
const longestLife = 10 * 24 * time.Hour

// Step advances the house to now. It does nothing if now is in the past.
func (h *House) Step(now time.Time) {
	if now.Sub(h.at) > longestLife {
		h.at = now.Add(-longestLife)
	}
	for h.at.Before(now) {
		h.remember()
		next := h.at.Truncate(time.Minute).Add(time.Minute) // so that no step straddles a peak's end
		if next.After(now) {
			next = now
		}
		h.live(next, next.Sub(h.at).Hours())
		h.at = next
	}
	for _, t := range h.Thermostats {
		t.Live(h.at)
	}
	h.arrive(h.at)
}

func (h *House) arrive(now time.Time) {
	for len(h.later) > 0 && !h.later[0].at.After(now) {
		do := h.later[0].do
		h.later = h.later[1:]
		do()
	}
}

// live advances the house by one step of length hours that ends at now.
func (h *House) live(now time.Time, hours float64) {
	h.arrive(now)
	cond := h.Conditions(now)
	base, solar := h.baseLoad(now), h.options.SolarPeakW*cond.Sun
	if m := h.hour(now); m != nil {
		base, solar = m.LoadWh, m.SolarWh
	}
	h.OutdoorC = cond.OutdoorC
	around := conditions{cond, h.options, base}
	hvac := 0.0
	for _, t := range h.Thermostats {
		t.Live(now)
		_, watts := equipment(t.demand(now), around)
		hvac += watts
	}
	local := h.at.In(h.local)
	s := situation{solar: solar, offGrid: h.OffGrid, expensive: timeBased(local), hours: hours, capacity: h.options.CapacityWh, power: h.options.PowerW}
	wanted := base + hvac
	shed := h.OffGrid && wanted > solar+h.Powerwall.most(0, s) // heating and cooling go first
	if shed {
		hvac = 0
	}
	for i, t := range h.Thermostats {
		heat, _ := equipment(t.Action, around)
		if shed {
			heat = 0
		}
		h.zones[i].step(heat, around, hours)
	}
	h.feel()
	s.home = base + hvac
	imported := h.Books.Import
	h.flows = h.Powerwall.step(s, &h.Books)
	h.flows.hvac = hvac
	h.enter(h.flows, hours)
	h.Books.HVAC += hvac * hours
	h.Books.Base += (h.flows.home - hvac) * hours
	h.Books.Unserved += (wanted - h.flows.home) * hours
	if h.options.Peak(local) {
		h.Books.PeakImport += h.Books.Import - imported
	}
}

// usualPeak is the default calendar of a configuration.
func usualPeak(local time.Time) bool {
	hour := local.Hour()
	if day := local.Weekday(); day == time.Saturday || day == time.Sunday {
		return false
	}
	if m := local.Month(); m >= time.May && m <= time.October {
		return hour >= 16 && hour < 19
	}
	return hour >= 6 && hour < 9 || hour >= 17 && hour < 20
}

// timeBased reports whether local is in an expensive hour of the tariff that Time-Based
// Control knows.
func timeBased(local time.Time) bool { return local.Hour() >= 16 && local.Hour() < 21 }

// feel updates the thermostats' measurements.
func (h *House) feel() {
	for i, t := range h.Thermostats {
		t.Temperature = devices.Celsius.To(t.Unit, h.zones[i].air)
		t.Outdoor = devices.Celsius.To(t.Unit, h.OutdoorC)
	}
}

// baseLoad returns the load without heating and cooling, in W: low at night, higher in
// the morning, highest in the evening, and never smooth.
func (h *House) baseLoad(now time.Time) float64 {
	t := now.In(h.local)
	hour := float64(t.Hour()) + float64(t.Minute())/60
	bump := func(at, width, height float64) float64 {
		d := (hour - at) / width
		return height * math.Exp(-d*d)
	}
	shape := 0.35 + bump(7.5, 1.2, 0.5) + bump(13, 3, 0.3) + bump(18.2, 2.2, 1.15)
	quarter := uint64(now.Unix() / 900)
	return h.options.BaseLoadW * shape * (0.9 + 0.2*noise(h.seed, quarter))
}

// Noise returns a number in [0, 1) that depends only on n and the cloud's seed.
func (h *House) Noise(n uint64) float64 { return noise(h.seed, n) }

// noise returns a number in [0, 1) that depends only on its arguments.
func noise(seed, n uint64) float64 {
	x := seed ^ n*0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

// Conditions returns the weather at a time, past or future.
func (h *House) Conditions(at time.Time) Conditions {
	if m := h.hour(at); m != nil {
		return Conditions{OutdoorC: m.OutdoorC, Sun: m.SolarWh / max(h.options.SolarPeakW, 1)}
	}
	return h.weather(at)
}

func (h *House) hour(now time.Time) *Hour {
	n := len(h.options.Hours)
	if n == 0 {
		return nil
	}
	i := int(now.Sub(h.options.Hours[0].Start) / time.Hour)
	if i < 0 || i >= n {
		return nil
	}
	return &h.options.Hours[i]
}

// Now returns the time of the last step: that of the state that the house shows.
func (h *House) Now() time.Time { return h.at }

// Location returns the time zone of the house.
func (h *House) Location() *time.Location { return h.local }

// Options returns what the house is built of, with the defaults filled in.
func (h *House) Options() HouseOptions { return h.options }

// Truth returns the true state of the house after the last step.
func (h *House) Truth() Truth {
	t := Truth{
		At: h.at, StoredWh: h.Stored, ChargePercent: h.Stored / h.options.CapacityWh * 100, Reserve: h.Reserve, Mode: h.Mode,
		StormWatch: h.StormWatch, StormActive: h.StormActive, GridServices: h.GridServices, GridCharging: h.GridCharging, ExportRule: h.ExportRule,
		OffGrid: h.OffGrid, SolarW: h.flows.solar, HomeW: h.flows.home, HVACW: h.flows.hvac, BatteryW: h.flows.battery, GridW: h.flows.grid, OutdoorC: h.OutdoorC, Books: h.Books,
	}
	for _, th := range h.Thermostats {
		t.Thermostats = append(t.Thermostats, ThermostatTruth{
			ID: th.LCCID, TCCID: th.TCCID, Name: th.Name, Unit: th.Unit, Mode: th.Mode, Action: th.Action, Cool: th.Cool, Heat: th.Heat,
			Hold: th.Hold, HoldUntil: th.HoldUntil, Temperature: th.Temperature, Pending: th.Pending(),
		})
	}
	return t
}

// SetReserve sets the reserve the way the battery does: it raises a value below
// ReserveFloor to that, turns 81–99 into 80, and lowers the reserve to ReserveCap, at
// once or after CapDelay.
func (h *House) SetReserve(percent int) {
	h.Reserve = max(percent, h.options.ReserveFloor)
	if percent > 80 && percent < 100 {
		h.Reserve = 80
	}
	limit := h.options.ReserveCap
	if limit <= 0 || h.Reserve <= limit {
		return
	}
	h.after(h.options.CapDelay, func() { h.Reserve = min(h.Reserve, limit) })
}

// CommandPowerwall carries out a vendor's command to the Powerwall, once it has settled:
// do changes the settings, and values are what Request.Write says.
func (h *House) CommandPowerwall(values map[string]any, do func()) {
	idle := h.hit == Idle
	h.command("powerwall", values, func() {
		h.after(h.options.SettleDelay, func() {
			do()
			h.Idle = idle
		})
	})
}

// CommandThermostat sends a vendor's command to a thermostat, which receives it after
// delay; one that is not alive never does. values are what Request.Write says.
func (h *House) CommandThermostat(t *Thermostat, values map[string]any, s Setting, delay time.Duration) {
	h.command(t.LCCID, values, func() {
		if t.Alive {
			t.Submit(h.at, s, delay)
		}
	})
}

// command records what a request asks a device to do, and does it unless a fault makes
// the device ignore it.
func (h *House) command(device string, values map[string]any, do func()) {
	h.asked = &Write{Device: device, Values: values, Carried: h.hit != Ignore}
	if h.hit != Ignore {
		do()
	}
}

// after calls do later; settings keep their order.
func (h *House) after(delay time.Duration, do func()) {
	if delay <= 0 {
		do()
		return
	}
	if len(h.later) >= maxQueued {
		h.later = h.later[1:]
	}
	at := h.at.Add(delay)
	i := len(h.later)
	for i > 0 && h.later[i-1].at.After(at) {
		i--
	}
	h.later = append(h.later[:i], append([]due{{at, do}}, h.later[i:]...)...)
}

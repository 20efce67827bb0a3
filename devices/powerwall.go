package devices

import "time"

// Mode is what a Powerwall does on its own.
type Mode string

// The modes of Tesla's operation endpoint.
const (
	SelfConsumption Mode = "self_consumption" // the reserve holds: what powermgr wants
	Autonomous      Mode = "autonomous"       // Time-Based Control: the reserve is only a floor
	Backup          Mode = "backup"           // the reserve has no effect
)

// Modes lists all modes, in the order people see them.
func Modes() []Mode { return []Mode{SelfConsumption, Autonomous, Backup} }

// ExportRule is what a Powerwall may send to the grid.
type ExportRule string

// The export rules of Tesla's grid_import_export endpoint.
const (
	ExportAll   ExportRule = "battery_ok"
	ExportSolar ExportRule = "pv_only"
	ExportNone  ExportRule = "never"
)

// ExportRules lists all export rules, in the order people see them.
func ExportRules() []ExportRule { return []ExportRule{ExportAll, ExportSolar, ExportNone} }

// PowerwallReading is what a Powerwall said in one poll. A nil field is one it
// did not say: zero is a measurement, not an absence. Its JSON is the payload
// of powerwall/state.
type PowerwallReading struct {
	ChargePercent      *Percent    `json:"charge_percent"`
	StoredEnergy       *WattHours  `json:"stored_kwh"`
	BatteryPower       *Watts      `json:"battery_power_w"` // + discharges
	SolarPower         *Watts      `json:"solar_power_w"`
	GridPower          *Watts      `json:"grid_power_w"` // + imports
	HomePower          *Watts      `json:"home_power_w"`
	ReservePercent     *int        `json:"reserve_percent"`
	Mode               *Mode       `json:"mode"`
	StormWatch         *bool       `json:"storm_watch"`  // the setting
	StormActive        *bool       `json:"storm_active"` // a storm is being prepared for now
	GridServicesActive *bool       `json:"grid_services_active"`
	GridCharging       *bool       `json:"grid_charging"`
	ExportRule         *ExportRule `json:"export_rule"`
	GridConnected      *bool       `json:"grid_connected"`

	// Lifetime energy. A vendor that gives none leaves these nil and the
	// bridge integrates them from power; they never fall.
	GridImport *WattHours `json:"grid_import_kwh"`
	GridExport *WattHours `json:"grid_export_kwh"`
	Solar      *WattHours `json:"solar_kwh"`
	BatteryIn  *WattHours `json:"battery_in_kwh"`
	BatteryOut *WattHours `json:"battery_out_kwh"`
	Home       *WattHours `json:"home_kwh"`

	MeasuredAt *time.Time `json:"measured_at"` // the vendor's own time stamp
	PolledAt   time.Time  `json:"polled_at"`
}

// AsOf is the time a reading is judged by: the older of the vendor's own stamp
// and the time of the poll.
func (r PowerwallReading) AsOf() time.Time { return asOf(r.MeasuredAt, r.PolledAt) }

// Age is how old the figures were already when they were read. It grows while
// the vendor's cloud repeats what it heard last of a device it has lost.
func (r PowerwallReading) Age() time.Duration { return r.PolledAt.Sub(r.AsOf()) }

func asOf(measured *time.Time, polled time.Time) time.Time {
	if measured != nil && measured.Before(polled) {
		return *measured
	}
	return polled
}

// PowerwallCommand is one change of a Powerwall's settings. Exactly one field
// is set.
type PowerwallCommand struct {
	Reserve      *int        // percent: 0–80 or 100, see ParseReserve
	Mode         *Mode       //
	StormWatch   *bool       //
	GridCharging *bool       // may the battery charge from the grid
	ExportRule   *ExportRule //
}

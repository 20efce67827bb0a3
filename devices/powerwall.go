package devices

import (
	"encoding/json"
	"time"
)

// Mode is how a Powerwall operates on its own.
type Mode string

// The modes of Tesla's operation endpoint.
const (
	SelfConsumption Mode = "self_consumption" // the reserve holds: what powermgr wants
	Autonomous      Mode = "autonomous"       // Time-Based Control: the reserve is only a floor
	Backup          Mode = "backup"           // the reserve has no effect
)

// Modes lists all modes, in the order in which people see them.
func Modes() []Mode { return []Mode{SelfConsumption, Autonomous, Backup} }

// ExportRule is what a Powerwall may send to the grid.
type ExportRule string

// The export rules of Tesla's grid_import_export endpoint.
const (
	ExportAll   ExportRule = "battery_ok"
	ExportSolar ExportRule = "pv_only"
	ExportNone  ExportRule = "never"
)

// ExportRules lists all export rules, in the order in which people see them.
func ExportRules() []ExportRule { return []ExportRule{ExportAll, ExportSolar, ExportNone} }

// PowerwallReading is what a Powerwall reported: its figures in one poll, its settings
// in that or an earlier one. A nil field was not reported: zero is a measurement, not
// an absence. Its JSON is the payload of powerwall/state.
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
	PolledAt   time.Time  `json:"polled_at"`   // when the figures were read
	SettingsAt time.Time  `json:"settings_at"` // when the settings were read, which can be longer ago; zero: with the figures
	// Pending are the settings that a person has asked for and that are not decided
	// yet: the reading still shows what was there before. Home Assistant, which shows
	// what was asked for, leaves them as they are until then.
	Pending []string `json:"pending,omitempty"`
	// Tariff is the tariff that the owner has set in Tesla's app, as it came with the
	// settings. Nil: there is none. It has a topic of its own.
	Tariff    json.RawMessage `json:"-"`
	Nameplate Nameplate       `json:"nameplate,omitzero"`
}

// WithSettings is r with the settings of another reading.
func (r PowerwallReading) WithSettings(of PowerwallReading) PowerwallReading {
	r.ReservePercent, r.Mode, r.StormWatch, r.GridCharging, r.ExportRule = of.ReservePercent, of.Mode, of.StormWatch, of.GridCharging, of.ExportRule
	r.SettingsAt, r.Tariff = of.SettingsAt, of.Tariff
	if of.Nameplate != (Nameplate{}) {
		r.Nameplate = of.Nameplate
	}
	return r
}

// SettingsAsOf is when the settings were read.
func (r PowerwallReading) SettingsAsOf() time.Time {
	if r.SettingsAt.IsZero() {
		return r.PolledAt
	}
	return r.SettingsAt
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

// Published returns r as its topic shows it.
func (r PowerwallReading) Published() PowerwallReading {
	r.MeasuredAt, r.PolledAt, r.SettingsAt = wholeSecond(r.MeasuredAt), WholeSecond(r.PolledAt), WholeSecond(r.SettingsAt)
	r.Tariff = nil
	if len(r.Pending) == 0 {
		r.Pending = nil
	}
	r.ChargePercent = published(r.ChargePercent, func(p Percent) Percent { return Percent(round(float64(p), 10)) })
	for _, w := range []**Watts{&r.BatteryPower, &r.SolarPower, &r.GridPower, &r.HomePower} {
		*w = published(*w, func(w Watts) Watts { return Watts(round(float64(w), 1)) })
	}
	for _, e := range []**WattHours{&r.StoredEnergy, &r.GridImport, &r.GridExport, &r.Solar, &r.BatteryIn, &r.BatteryOut, &r.Home} {
		*e = published(*e, func(e WattHours) WattHours { return WattHours(round(float64(e)/1000, 1000) * 1000) })
	}
	return r
}

// published is a figure as it is published; nil: there is none.
func published[T ~float64](v *T, rounded func(T) T) *T {
	if v == nil || !Finite(float64(*v)) {
		return nil
	}
	return new(rounded(*v))
}

func wholeSecond(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	whole := WholeSecond(*t)
	return &whole
}

package devices

import (
	"slices"
	"time"
)

// HVACMode is a thermostat's mode, in Home Assistant's words.
type HVACMode string

// The modes of Home Assistant's climate platform that Honeywell devices have.
const (
	Off      HVACMode = "off"
	Heat     HVACMode = "heat"
	Cool     HVACMode = "cool"
	HeatCool HVACMode = "heat_cool" // "Auto" on the device
)

// Action is what the equipment is doing at present, in Home Assistant's words.
type Action string

// The actions of Home Assistant's climate platform that Honeywell devices show.
const (
	ActionOff     Action = "off"
	ActionIdle    Action = "idle"
	ActionHeating Action = "heating"
	ActionCooling Action = "cooling"
	ActionFan     Action = "fan"
)

// Hold is why a thermostat has its present set points.
type Hold string

// The holds. A person or powermgr may ask for all but HoldVacation.
const (
	HoldSchedule  Hold = "schedule"  // it follows its schedule
	HoldTemporary Hold = "temporary" // until the next period of the schedule
	HoldUntil     Hold = "until"     // until a time of day
	HoldPermanent Hold = "permanent" // until somebody changes it
	HoldVacation  Hold = "vacation"  // set on the device, only read here
)

// Fan is the mode of the fan.
type Fan string

// The fan modes of Honeywell devices.
const (
	FanAuto      Fan = "auto"
	FanOn        Fan = "on"
	FanCirculate Fan = "circulate"
	FanSchedule  Fan = "schedule" // TCC: the fan follows the schedule
)

// ThermostatReading is what one thermostat reported in one poll. A nil field was not
// reported. Temperatures are in Unit. Its JSON is the payload of thermostat/<id>/state.
type ThermostatReading struct {
	// VendorID is the vendor's own name of the device, as settings.thermostat_ids
	// has it: "LCC-00A01AB1ABCD", "1234567".
	VendorID string `json:"vendor_id"`

	Name               string     `json:"name"`
	Mode               *HVACMode  `json:"mode"`
	Action             *Action    `json:"action"` // nil: the device does not tell
	Temperature        *float64   `json:"temperature"`
	Humidity           *float64   `json:"humidity"` // percent
	CoolSetpoint       *float64   `json:"cool_setpoint"`
	HeatSetpoint       *float64   `json:"heat_setpoint"`
	Hold               *Hold      `json:"hold"`       // nil: the device knows no holds
	HoldUntil          *time.Time `json:"hold_until"` // of a temporary or until hold, where the device says
	Fan                *Fan       `json:"fan"`
	Unit               Unit       `json:"unit"`
	OutdoorTemperature *float64   `json:"outdoor_temperature"`
	MeasuredAt         *time.Time `json:"measured_at"`
	PolledAt           time.Time  `json:"polled_at"`
	// Pending are the settings that a person has asked for and that are not decided
	// yet: the reading still shows what was there before. Home Assistant, which shows
	// what was asked for, leaves them as they are until then.
	Pending   []string  `json:"pending,omitempty"`
	Nameplate Nameplate `json:"nameplate,omitzero"`

	// What decides whether and how it may be touched.
	Alive         bool    `json:"alive"`          // the vendor's cloud reaches the device
	EmergencyHeat bool    `json:"emergency_heat"` // then Mode is heat
	UtilityEvent  bool    `json:"utility_event"`  // a demand response event of the utility runs
	Deadband      float64 `json:"deadband"`       // least cool − heat in heat_cool; 0 none
	Step          float64 `json:"step"`           // of set points: 1 °F or 0.5 °C
	HoldStep      int     `json:"hold_step_minutes"`

	Modes   []HVACMode `json:"modes"` // those the device allows
	Fans    []Fan      `json:"fans"`  // empty: no fan to set
	Holds   []Hold     `json:"holds"` // those that can be asked for; empty: none
	CoolMin *float64   `json:"cool_min"`
	CoolMax *float64   `json:"cool_max"`
	HeatMin *float64   `json:"heat_min"`
	HeatMax *float64   `json:"heat_max"`

	// The schedule, as far as the device tells: the set points it would have
	// now (TCC), and a name that changes with the period (Resideo).
	ScheduleCool   *float64 `json:"schedule_cool_setpoint"`
	ScheduleHeat   *float64 `json:"schedule_heat_setpoint"`
	SchedulePeriod string   `json:"schedule_period"`
}

// ID returns the thermostat's name on topics: the vendor's, lower case, [a-z0-9_].
func (r ThermostatReading) ID() string { return TopicID(r.VendorID) }

// AsOf returns the time that a reading counts for: the older of the vendor's own time
// stamp and the time of the poll.
func (r ThermostatReading) AsOf() time.Time { return asOf(r.MeasuredAt, r.PolledAt) }

// Age returns how old the figures already were when they were read.
func (r ThermostatReading) Age() time.Duration { return r.PolledAt.Sub(r.AsOf()) }

// ThermostatCommand is one change of a thermostat; nil fields stay as they are. Set
// points are in the device's unit. Adapters read, merge and write everything, and
// always send both set points.
type ThermostatCommand struct {
	Mode *HVACMode
	Fan  *Fan

	CoolSetpoint *float64
	HeatSetpoint *float64

	// Hold is the hold the set points get. When it is nil and a set point is
	// given, a scheduled thermostat gets a temporary hold and any other hold
	// stays. HoldSchedule resumes the schedule and takes no set points.
	Hold *Hold
	// HoldUntil is the end of a HoldUntil; adapters round it up to HoldStep.
	HoldUntil *time.Time

	// Restores says that the device has had these set points before: they are
	// asked of it again even where its limits or its deadband speak against them.
	Restores bool
}

// Gap returns the least distance that the thermostat keeps from its heat set point up
// to its cool set point. It keeps none if it has no deadband, and no mode that uses
// both.
func (r ThermostatReading) Gap() (gap float64, keeps bool) {
	return max(0, r.Deadband), r.Deadband > 0 || slices.Contains(r.Modes, HeatCool)
}

// Published returns r as its topic shows it.
func (r ThermostatReading) Published() ThermostatReading {
	r.HoldUntil, r.MeasuredAt, r.PolledAt = wholeSecond(r.HoldUntil), wholeSecond(r.MeasuredAt), WholeSecond(r.PolledAt)
	if len(r.Pending) == 0 {
		r.Pending = nil
	}
	return r
}

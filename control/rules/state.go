package rules

import (
	"maps"
	"time"

	"powermgr/devices"
)

// Settings are the home's configured figures. Temperatures are in °F whatever the
// thermostats show.
type Settings struct {
	Calendar Calendar
	Unit     devices.Unit // of temperatures in texts for people; empty: °F, and each thermostat's own unit

	PeakReserve    int // percent, 0
	OffPeakReserve int // percent, 100

	Strategy       Strategy // empty: StrategyRule
	PlanMinReserve int      // percent that a plan never goes below

	Thermostats []string // the topic ids of the controlled thermostats

	PrecoolAdjustF float64 // 2
	PrecoolAtF     float64 // forecast high from which the lead of a peak precools, 95
	PrecoolFloorF  float64 // lowest cool set point for precooling, 67

	StepF       float64 // set point change for each latched threshold, 2
	MaxSteps    int     // the most thresholds that count at once; 0: all
	MaxCoolF    float64 // highest cool set point for a setback, 82
	MinHeatF    float64 // lowest heat set point for a setback, 62
	MaxIndoorF  float64 // a higher indoor temperature ends a setback, 86
	MinIndoorF  float64 // a lower indoor temperature ends a setback, 58
	Thresholds  []Threshold
	Spacing     time.Duration // between automatic writes to one thermostat, 10 min
	StaleAfter  time.Duration // age from which a thermostat's reading decides nothing new, 15 min
	StaleCharge time.Duration // the same for the battery, 15 min

	DryRun bool // decide and report, but write nothing and record nothing
}

// A Threshold latches a setback step: when at least Left of the peak is left
// and the battery is at or below Level percent.
type Threshold struct {
	Left  time.Duration
	Level float64
}

// Battery is what the rules need to know about a Powerwall. Nil means unknown.
type Battery struct {
	Charge        *float64 // percent
	Reserve       *int     // percent
	Mode          string   // empty: unknown
	StormActive   bool
	GridServices  bool
	GridConnected *bool
	GridW         *float64      // watts; + imports
	PowerW        *float64      // watts; + discharges
	AsOf          time.Time     // of the figures, whose age is judged by this
	Polled        time.Time     // when reserve and mode were read, which can be longer ago: what they prove, they prove for that time
	Age           time.Duration // of the figures when they were read; if it is high, the vendor repeats old ones
}

// Thermostat is what the rules need to know about a thermostat. Temperatures are in the
// device's unit; nil means unknown.
type Thermostat struct {
	Name            string
	Mode            devices.HVACMode // empty: unknown
	devices.Setting                  // its current setting
	Temperature     *float64
	Celsius         bool
	Step            float64 // of set points
	Deadband        float64 // the least difference cool − heat
	Crossing        bool    // its set points are independent of each other, so they may cross
	CoolMin         *float64
	CoolMax         *float64
	HeatMin         *float64
	HeatMax         *float64
	Alive           bool
	EmergencyHeat   bool
	UtilityEvent    bool
	ScheduleCool    *float64 // what its schedule would set now, if the vendor says
	ScheduleHeat    *float64
	Period          string         // changes with the period of the schedule, if the vendor says
	Holds           []devices.Hold // those that can be asked for; empty: none
	AsOf            time.Time
	Polled          time.Time
	Shown           time.Time     // when the setting was last shown: a device that is offline shows none
	Age             time.Duration // of the figures when they were read
}

// Persisted is what must survive a crash, a reboot and a change of node: a record for the
// home, one for the battery and one for each thermostat. It changes only when something
// is decided or confirmed, never in a quiet hour.
type Persisted struct {
	HomeRecord
	Battery     BatteryRecord               `json:"battery,omitzero"`
	Thermostats map[string]ThermostatRecord `json:"thermostats,omitempty"`
}

// HomeRecord is what is stored about the home as a whole: what people have asked for, and
// the window and the peak that are open.
type HomeRecord struct {
	Disabled bool     `json:"disabled,omitempty"`
	Override Override `json:"override,omitzero"`
	Strategy Strategy `json:"strategy,omitempty"` // a person's choice; empty: that of the settings
	// ByHand holds the values of the settings that a person has changed.
	ByHand        map[Adjustable]float64 `json:"by_hand,omitempty"`
	LastUserInput time.Time              `json:"spoken,omitzero"`    // when a person last set one of these four
	Window        *Stretch               `json:"event,omitempty"`    // the stretch of pre_peak and peak that is open
	PeakEnd       time.Time              `json:"peak_end,omitzero"`  // the end of the peak that Latched belongs to
	PeakOver      bool                   `json:"peak_over,omitzero"` // PeakEnd has passed: that peak is not entered again
	Latched       []int                  `json:"latched,omitempty"`  // the latched thresholds of that peak, as minutes
	Comfort       *Comfort               `json:"comfort,omitempty"`  // what is planned for the thermostats around the current or next peak, once it has begun
	// Commands are people's commands on their way to a device, by topic.
	Commands map[string]Command `json:"commands,omitempty"`
}

// A Command is one that a person has sent to a device and that was accepted. It is stored
// until its final answer: a process that dies before that may have sent a part of it.
type Command struct {
	Payload string    `json:"payload"`
	At      time.Time `json:"at"`
	Open    int       `json:"open"` // commands of the same topic without a final answer
}

// wantsAs reports whether k and o ask the same of a target.
func (k Persisted) wantsAs(o Persisted, target string) bool {
	if target == Powerwall {
		a, b := k.Battery.Wanted.Reserve, o.Battery.Wanted.Reserve
		return a != nil && b != nil && *a == *b
	}
	a, b := k.Thermostats[target].Claim, o.Thermostats[target].Claim
	return a != nil && b != nil && sameWrite(a.Wanted, b.Wanted)
}

// Stretch is a period of time.
type Stretch struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// BatteryRecord is what the rules have done to the reserve, and what they have learned
// about the battery.
type BatteryRecord struct {
	Writes
	ShownAt    time.Time `json:"shown_at,omitzero"`     // when the last write was first shown, if it was late
	AtPeak     bool      `json:"at_peak,omitempty"`     // the reserve of the peak, or of the plan, is in force and must be restored
	Changes    Changes   `json:"changes,omitzero"`      // how often the reserve was changed today
	Limit      int       `json:"limit,omitempty"`       // what the device makes of 100, once seen
	LimitDoubt bool      `json:"limit_doubt,omitempty"` // the limit may be an error: the device is asked for more again once it shows something else, or after the next peak
	Floor      int       `json:"floor,omitempty"`       // what the device makes of 0, once seen
	FloorAt    time.Time `json:"floor_at,omitzero"`     // when it was seen last
	Keeps      Keeps     `json:"keeps,omitzero"`
	Mode       string    `json:"mode,omitempty"` // the last one seen
	Choice     *Choice   `json:"taken,omitempty"`
	Doubt      Doubt     `json:"doubt,omitzero"` // what the last reading showed for the first time
}

// Choice is a person's choice that is left alone until the window ends.
type Choice struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	// Reserve is what a person chose for the battery while the last write was on its way.
	// If the write lands over it, the choice is put back. If no write of the rules is on
	// record, it is what the battery has shown since: if the battery shows anything else
	// after the window, that is a new choice.
	Reserve *int `json:"reserve,omitempty"`
}

// ThermostatRecord is what is stored about one thermostat.
type ThermostatRecord struct {
	Claim     *Claim    `json:"touch,omitempty"`      // of the rules, to be restored
	Choice    *Choice   `json:"taken,omitempty"`      // a person has it
	Ended     bool      `json:"ended,omitempty"`      // it was too warm or too cold inside: no more setback in this window
	LastWrite time.Time `json:"last_write,omitzero"`  // for the spacing
	Baseline  *Baseline `json:"baseline,omitempty"`   // of this window, while Claim is nil
	Window    time.Time `json:"event_start,omitzero"` // the start of the window that Claim, Ended and Choice belong to
	Doubt     Doubt     `json:"doubt,omitzero"`       // what the last reading showed for the first time
}

func (h ThermostatRecord) empty() bool {
	return h.Claim == nil && h.Choice == nil && h.Baseline == nil && !h.Ended && h.LastWrite.IsZero() && h.Doubt.none()
}

// Baseline is what a thermostat was set to, and in which mode, when this window first
// changed it.
type Baseline struct {
	devices.Setting
	Mode devices.HVACMode `json:"mode"`
}

// Claim is what the rules have set on one thermostat.
type Claim struct {
	Baseline Baseline `json:"baseline"` // what it is restored to
	Period   string   `json:"period,omitempty"`
	Kind     Goal     `json:"kind"`
	Writes
	// Mode is the mode that a person has changed it to since, or that resulted from
	// another choice; empty: no one has. What is left of the setting of the rules is
	// restored, but not before the window ends.
	Mode devices.HVACMode `json:"mode,omitempty"`
	// Contested says that Baseline is a choice that a person made while the last write
	// was on its way. It is watched until that write can no longer land. Journals use an
	// older name for this field.
	Contested bool `json:"theirs,omitempty"`
}

// Goal is what a thermostat should be made to do.
type Goal string

// The goals. Leave means none.
const (
	Leave   Goal = ""
	Precool Goal = "precool"
	Setback Goal = "setback"
	Restore Goal = "restore"
)

// State is everything that Step bases its decision on. It is a value: Step never changes
// the one it is given.
type State struct {
	Settings  Settings
	Persisted Persisted

	Standby    bool // another node is active: nothing is decided
	Unwritable bool // the journal cannot be written: nothing new may start

	Battery     *Battery
	Thermostats map[string]Thermostat
	ForecastF   *float64
	ForecastDay string // the local day ForecastF is for: 2026-07-15

	Planned *Planned  // the latest message of the planner; nil: none since the start
	PlanBy  time.Time // until when to wait for a plan while there is none; zero: not yet decided

	ForecastDoubt *float64 // a forecast that is far from ForecastF, and is not trusted yet

	// What is in progress. It is lost with the process; Persisted is enough to continue
	// without it.
	Pending          map[string]Pending
	Phase            Phase                 // at the last step
	AlreadyNoted     map[string]string     // notes that are made once for each change, by subject
	ReadSinceStart   map[string]time.Time  // when each thermostat's own setting was first read since the start
	BeforeSuspension map[string]Thermostat // as they were before a vacation or a utility's event began
	Sent             int                   // commands since the start
	Unread           time.Time             // since when there has been a reserve to restore but no reading of the battery; zero: that is not the case
	Charge           Figures               // of the battery, percent
	Indoor           map[string]Figures    // °F, by thermostat
	Idle             Idle                  // the battery shows its reserve but does not follow it
	Commanded        map[string]Commanded  // by target: people's commands on their way
	Coming           Coming                // at the last step
}

// Resumed returns the state of a controller that continues with other settings in the
// same process. Notes that were already made are not made again; everything else is read
// again, as after any start.
func (s State) Resumed(settings Settings) State {
	return State{Settings: settings, Phase: s.Phase, AlreadyNoted: s.AlreadyNoted, Planned: s.Planned}
}

// Pending is a command on its way, until its final answer or until it is overdue.
type Pending struct {
	ID       string
	Goal     Goal // of the last one
	Sent     time.Time
	Accepted bool      // the bridge has accepted the last one, and sends it
	Failed   time.Time // when the final answer was a failure; zero: there has been none
	Retry    time.Time // the time of the next try, once Failed
	Tries    int       // failures in a row
	Why      string    // the reason of the last failure
	Ignored  bool      // the last one was accepted, but nothing came of it
	Unknown  bool      // the last one was sent, but nothing showed whether it was carried out
	Back     bool      // a reading has already brought the next try forward

	Overtaken Overtaken // the command that this one followed; zero: it was answered, or may have arrived
}

// Commanded counts the commands that people have sent to a device and that the bridge has
// accepted but not yet given a final answer.
type Commanded struct {
	Open int
	Last time.Time // when the last one was accepted
}

// A state shares its maps with the one before it, so a step never writes to a map: it
// replaces it with a changed copy. Empty maps are nil.

// with returns m with v for k.
func with[V any](m map[string]V, k string, v V) map[string]V {
	all := make(map[string]V, len(m)+1)
	maps.Copy(all, m)
	all[k] = v
	return all
}

// without returns m without k.
func without[V any](m map[string]V, k string) map[string]V {
	if _, ok := m[k]; !ok {
		return m
	}
	return where(m, func(o string, _ V) bool { return o != k })
}

// where returns the entries of m that are to stay.
func where[V any](m map[string]V, stays func(string, V) bool) map[string]V {
	all := maps.Clone(m)
	maps.DeleteFunc(all, func(k string, v V) bool { return !stays(k, v) })
	if len(all) == 0 {
		return nil
	}
	return all
}

// Powerwall is the target of reserve writes; any other target is a
// thermostat's id.
const Powerwall = "powerwall"

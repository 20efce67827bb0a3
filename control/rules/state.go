package rules

import (
	"maps"
	"time"

	"powermgr/devices"
)

// Settings are the home's own figures. Temperatures are °F whatever the
// thermostats show.
type Settings struct {
	Calendar Calendar
	Unit     devices.Unit // of temperatures in what is said; empty: °F, and each thermostat's own

	PeakReserve    int // percent, 0
	OffPeakReserve int // percent, 100

	Strategy       Strategy // empty: StrategyRule
	PlanMinReserve int      // percent that a plan never goes below

	Thermostats []string // ids on topics of the thermostats that are controlled

	PrecoolAdjustF float64 // 2
	PrecoolAtF     float64 // forecast high from which it precools, 95
	PrecoolFloorF  float64 // lowest cool set point of precooling, 67

	StepF       float64 // set point change per latched threshold, 2
	MaxSteps    int     // most thresholds that count at once; 0: all
	MaxCoolF    float64 // highest cool set point of a setback, 82
	MinHeatF    float64 // lowest heat set point of a setback, 62
	MaxIndoorF  float64 // warmer inside ends a setback, 86
	MinIndoorF  float64 // colder inside ends a setback, 58
	Thresholds  []Threshold
	Spacing     time.Duration // between automatic writes to one thermostat, 10 min
	StaleAfter  time.Duration // age from which a thermostat's reading decides nothing new, 15 min
	StaleCharge time.Duration // the same for the battery, 15 min

	DryRun bool // decide and say, write nothing and remember nothing
}

// A Threshold latches a setback step: when at least Left of the peak is left
// and the battery is at or below Level percent.
type Threshold struct {
	Left  time.Duration
	Level float64
}

// Battery is what the rules need to know of a Powerwall. Nil is unknown.
type Battery struct {
	Charge        *float64 // percent
	Reserve       *int     // percent
	Mode          string   // empty: unknown
	StormActive   bool
	GridServices  bool
	GridConnected *bool
	GridW         *float64      // watts; + imports
	PowerW        *float64      // watts; + discharges
	AsOf          time.Time     // of the figures: their age is judged by this
	Polled        time.Time     // when reserve and mode were read, which can be longer ago: what they prove, they prove of then
	Age           time.Duration // of the figures when they were read; long: the vendor repeats old ones
}

// Thermostat is what the rules need to know of a thermostat. Temperatures are
// in the device's unit; nil is unknown.
type Thermostat struct {
	Name            string
	Mode            devices.HVACMode // empty: unknown
	devices.Setting                  // what it is set to
	Temperature     *float64
	Celsius         bool
	Step            float64 // of set points
	Deadband        float64 // least cool − heat
	Crossing        bool    // its set points may cross: they are independent of each other
	CoolMin         *float64
	CoolMax         *float64
	HeatMin         *float64
	HeatMax         *float64
	Alive           bool
	EmergencyHeat   bool
	UtilityEvent    bool
	ScheduleCool    *float64 // what its schedule would set now, where it tells
	ScheduleHeat    *float64
	Period          string         // changes with the period of the schedule, where it tells
	Holds           []devices.Hold // those that can be asked for; empty: none
	AsOf            time.Time
	Polled          time.Time
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

// HomeRecord is what is kept about the home as a whole: what people have asked for, and
// the event and the peak that are open.
type HomeRecord struct {
	Disabled bool     `json:"disabled,omitempty"`
	Override Override `json:"override,omitzero"`
	Strategy Strategy `json:"strategy,omitempty"` // a person's choice; empty: that of the settings
	// ByHand are the settings that a person has changed, by their value.
	ByHand        map[Adjustable]float64 `json:"by_hand,omitempty"`
	LastUserInput time.Time              `json:"spoken,omitzero"`    // when a person last set one of these four
	Event         *Stretch               `json:"event,omitempty"`    // the stretch of pre_peak and peak that is open
	PeakEnd       time.Time              `json:"peak_end,omitzero"`  // the peak that Latched is about
	PeakOver      bool                   `json:"peak_over,omitzero"` // PeakEnd has come: that peak is not entered again
	Latched       []int                  `json:"latched,omitempty"`  // minutes of the thresholds latched in it
	Comfort       *Comfort               `json:"comfort,omitempty"`  // what is planned for the thermostats around the peak that runs or comes next, once it has begun
	// Commands are people's, on their way to a device, by topic.
	Commands map[string]Command `json:"commands,omitempty"`
}

// A Command is one that a person has sent to a device and that was accepted. It is kept
// until its final answer: whoever dies before that may have sent it in part.
type Command struct {
	Payload string    `json:"payload"`
	At      time.Time `json:"at"`
	Open    int       `json:"open"` // commands of the same topic without a final answer
}

// wantsAs reports whether o has asked the same of a target.
func (k Persisted) wantsAs(o Persisted, target string) bool {
	if target == Powerwall {
		a, b := k.Battery.Wanted.Reserve, o.Battery.Wanted.Reserve
		return a != nil && b != nil && *a == *b
	}
	a, b := k.Thermostats[target].Claim, o.Thermostats[target].Claim
	return a != nil && b != nil && sameWrite(a.Wanted, b.Wanted)
}

// Stretch is a stretch of time.
type Stretch struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// BatteryRecord is what the rules did to the reserve.
type BatteryRecord struct {
	Writes
	ShownAt    time.Time `json:"shown_at,omitzero"`     // when the last write was first shown, if that was late
	AtPeak     bool      `json:"at_peak,omitempty"`     // the peak's value, or the plan's, is in force and must go back
	Changes    Changes   `json:"changes,omitzero"`      // of the reserve today
	Limit      int       `json:"limit,omitempty"`       // what the device makes of 100, once seen
	LimitDoubt bool      `json:"limit_doubt,omitempty"` // the limit may be none: it is asked again once it shows something else, or after the next peak
	Floor      int       `json:"floor,omitempty"`       // what the device makes of 0, once seen
	FloorAt    time.Time `json:"floor_at,omitzero"`     // when it was seen last
	Keeps      Keeps     `json:"keeps,omitzero"`
	Mode       string    `json:"mode,omitempty"` // last seen
	Choice     *Choice   `json:"taken,omitempty"`
	Doubt      Doubt     `json:"doubt,omitzero"` // what the last reading showed for the first time
}

// Choice is a person's choice that is left alone until the window ends.
type Choice struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	// Reserve is what a person chose for the battery while the last write was on
	// its way. If that lands over it, the choice is put back. Where no write of the
	// rules is on record, it is what the battery has shown since: what it shows after
	// the window, and is not this, is a new choice.
	Reserve *int `json:"reserve,omitempty"`
}

// ThermostatRecord is what is kept about one thermostat.
type ThermostatRecord struct {
	Claim     *Claim    `json:"touch,omitempty"`      // of the rules, to be restored
	Choice    *Choice   `json:"taken,omitempty"`      // a person has it
	Ended     bool      `json:"ended,omitempty"`      // too warm or cold inside: no setback any more in this event
	LastWrite time.Time `json:"last_write,omitzero"`  // for the spacing
	Baseline  *Baseline `json:"baseline,omitempty"`   // of this event, while Claim is nil
	Event     time.Time `json:"event_start,omitzero"` // the event that Claim, Ended and Choice belong to
	Doubt     Doubt     `json:"doubt,omitzero"`       // what the last reading showed for the first time
}

func (h ThermostatRecord) empty() bool {
	return h.Claim == nil && h.Choice == nil && h.Baseline == nil && !h.Ended && h.LastWrite.IsZero() && h.Doubt.none()
}

// Baseline is what a thermostat was set to, and in which mode, when this event
// first touched it.
type Baseline struct {
	devices.Setting
	Mode devices.HVACMode `json:"mode"`
}

// Claim is what the rules have set on one thermostat.
type Claim struct {
	Baseline Baseline `json:"baseline"` // what it goes back to
	Period   string   `json:"period,omitempty"`
	Kind     Goal     `json:"kind"`
	Writes
	// Mode is what a person has switched it to since, or made of it by another
	// choice; empty: nobody has. What is left of the rules goes back, but not before
	// the window ends.
	Mode devices.HVACMode `json:"mode,omitempty"`
	// Contested says that Baseline is a choice which a person made while the last
	// write was on its way. It is watched until that write can land no more. Journals
	// have it by an older name.
	Contested bool `json:"theirs,omitempty"`
}

// Goal is what a thermostat is to be made to do.
type Goal string

// The goals. Leave is none.
const (
	Leave   Goal = ""
	Precool Goal = "precool"
	Setback Goal = "setback"
	Restore Goal = "restore"
)

// State is everything Step decides from. It is a value: Step never changes the
// one it is given.
type State struct {
	Settings  Settings
	Persisted Persisted

	Standby    bool // another node is active: nothing is decided
	Unwritable bool // the journal cannot be written: nothing new may start

	Battery     *Battery
	Thermostats map[string]Thermostat
	ForecastF   *float64
	ForecastDay string // the local day ForecastF is for: 2026-07-15

	Planned *Planned  // what the plan said last; nil: nothing since the start
	PlanBy  time.Time // until when a plan is waited for where there is none; zero: it is not yet known

	ForecastDoubt *float64 // one that is far from ForecastF, and is not believed yet

	// What is under way. It is lost with the process; what Persisted says is
	// enough to go on.
	Pending          map[string]Pending
	Phase            Phase                 // at the last step
	AlreadyNoted     map[string]string     // notes that are made once per change, by subject
	ReadSinceStart   map[string]time.Time  // when the own setting of each thermostat was first read since the start
	BeforeSuspension map[string]Thermostat // as they were before a vacation or a utility's event began
	Sent             int                   // commands since the start
	Unread           time.Time             // since when the battery has something to give back and has shown nothing; zero: it has
	Charge           Figures               // of the battery, percent
	Indoor           map[string]Figures    // °F, by thermostat
	Idle             Idle                  // the battery shows its reserve but does not follow it
	Commanded        map[string]Commanded  // by target: people's commands on their way
	Coming           Coming                // at the last step
}

// Resumed is the state of a controller that goes on with other settings in the
// same process. What was noted once is not noted again; everything else is read
// again, as after any start.
func (s State) Resumed(settings Settings) State {
	return State{Settings: settings, Phase: s.Phase, AlreadyNoted: s.AlreadyNoted, Planned: s.Planned}
}

// Pending is a command on its way: until its final answer, or until it is
// overdue.
type Pending struct {
	ID       string
	Goal     Goal // of the last one
	Sent     time.Time
	Accepted bool      // the bridge has accepted the last one, and sends it
	Failed   time.Time // when the final answer said no; zero: there is none yet
	Retry    time.Time // not before, once Failed
	Tries    int       // that failed in a row
	Why      string    // what the last failure said
	Ignored  bool      // the last one was accepted and nothing came of it
	Unknown  bool      // the last one was sent, and nothing showed what became of it
	Back     bool      // a reading has brought the next try forward already

	Overtaken Overtaken // the command that this one followed; zero: that was answered, or may have arrived
}

// Commanded are the commands that people have sent to a device and that the bridge has
// accepted and not answered to the end.
type Commanded struct {
	Open int
	Last time.Time // when the last one was accepted
}

// A state shares its maps with the one before it, so a step never writes to one:
// it takes another that differs. An empty one is nil.

// with is m with v for k.
func with[V any](m map[string]V, k string, v V) map[string]V {
	all := make(map[string]V, len(m)+1)
	maps.Copy(all, m)
	all[k] = v
	return all
}

// without is m without k.
func without[V any](m map[string]V, k string) map[string]V {
	if _, ok := m[k]; !ok {
		return m
	}
	return where(m, func(o string, _ V) bool { return o != k })
}

// where is what is to stay of m.
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

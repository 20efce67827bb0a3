package rules

import (
	"maps"
	"time"
)

// Settings are the home's own figures. Temperatures are °F whatever the
// thermostats show.
type Settings struct {
	Calendar Calendar

	PeakReserve    int // percent, 0
	OffPeakReserve int // percent, 100

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

// settle is how long a command may take from the vendor's acceptance to the
// device. Until then an earlier one may still land.
const settle = 2 * time.Minute

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
	AsOf          time.Time // age is judged by this
	Polled        time.Time
	Age           time.Duration // of the figures when they were read; long: the vendor repeats old ones
}

// Thermostat is what the rules need to know of a thermostat. Temperatures are
// in the device's unit; nil is unknown.
type Thermostat struct {
	Name          string
	Mode          string // off, heat, cool, heat_cool; empty: unknown
	Setting              // what it is set to
	Temperature   *float64
	Celsius       bool
	Step          float64 // of set points
	Deadband      float64 // least cool − heat
	Crossing      bool    // its set points may cross: they are independent of each other
	CoolMin       *float64
	CoolMax       *float64
	HeatMin       *float64
	HeatMax       *float64
	Alive         bool
	EmergencyHeat bool
	UtilityEvent  bool
	ScheduleCool  *float64 // what its schedule would set now, where it tells
	ScheduleHeat  *float64
	Period        string   // changes with the period of the schedule, where it tells
	Holds         []string // those that can be asked for; empty: none
	AsOf          time.Time
	Polled        time.Time
	Age           time.Duration // of the figures when they were read
}

// The holds a thermostat can have, as on topics. The empty hold is that of a
// device which knows none.
const (
	HoldSchedule  = "schedule"
	HoldTemporary = "temporary"
	HoldUntil     = "until"
	HoldPermanent = "permanent"
	HoldVacation  = "vacation"
)

// A Setting is a thermostat's set points and why it has them.
type Setting struct {
	Cool  *float64  `json:"cool,omitempty"`
	Heat  *float64  `json:"heat,omitempty"`
	Hold  string    `json:"hold,omitempty"`
	Until time.Time `json:"until,omitzero"` // end of a temporary or until hold, where known
}

// Kept is what must survive a crash, a reboot and a change of node. It changes
// only when something is decided or confirmed, never in a quiet hour.
type Kept struct {
	Disabled bool            `json:"disabled,omitempty"`
	Override Override        `json:"override,omitzero"`
	Spoken   time.Time       `json:"spoken,omitzero"`    // when a person last set one of these two
	Event    *Stretch        `json:"event,omitempty"`    // the stretch of pre_peak and peak we are in
	PeakEnd  time.Time       `json:"peak_end,omitzero"`  // the peak that Latched is about
	PeakOver bool            `json:"peak_over,omitzero"` // PeakEnd has come: that peak is not entered again
	Latched  []int           `json:"latched,omitempty"`  // minutes of the thresholds latched in it
	Battery  KeptBattery     `json:"battery,omitzero"`
	Homes    map[string]Home `json:"thermostats,omitempty"`
}

// wantsAs reports whether o has asked the same of a target.
func (k Kept) wantsAs(o Kept, target string) bool {
	if target == Powerwall {
		a, b := k.Battery.Wanted, o.Battery.Wanted
		return a != nil && b != nil && *a == *b
	}
	a, b := k.Homes[target].Touch, o.Homes[target].Touch
	return a != nil && b != nil && a.Baseline.Mode == b.Baseline.Mode && sameSetting(a.Baseline.Mode, a.Wanted, b.Wanted)
}

// Merge is newer with the hands on devices that older alone knows of: another
// node thought that it was the active one, and left them. Whether they are
// still there is for the next reading to say. Of two hands on one thermostat
// the later one counts; if what it took for a baseline was the other node's
// doing, that one's baseline does. What a person said last holds.
func Merge(newer, older Kept) Kept {
	for id, theirs := range older.Homes {
		h := newer.Homes[id]
		switch {
		case theirs.Touch == nil:
			continue
		case h.Touch == nil:
			h.Touch, h.Event, h.Baseline = theirs.Touch, theirs.Event, nil
		default:
			later, earlier := *h.Touch, *theirs.Touch
			if earlier.WrittenAt.After(later.WrittenAt) {
				later, earlier = earlier, later
			}
			if sameSetting(later.Baseline.Mode, later.Baseline.Setting, earlier.Wanted) {
				later.Baseline = earlier.Baseline
			}
			h.Touch = &later
		}
		if theirs.LastWrite.After(h.LastWrite) {
			h.LastWrite = theirs.LastWrite
		}
		newer.Homes = with(newer.Homes, id, h)
	}
	if older.Spoken.After(newer.Spoken) {
		newer.Disabled, newer.Override, newer.Spoken = older.Disabled, older.Override, older.Spoken
	}
	newer.Battery.AtPeak = newer.Battery.AtPeak || older.Battery.AtPeak
	return newer
}

// Stretch is a stretch of time.
type Stretch struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// KeptBattery is what we did to the reserve.
type KeptBattery struct {
	Wanted    *int      `json:"wanted,omitempty"` // what we last asked for
	Before    *int      `json:"before,omitempty"` // what it was before
	Asked     []int     `json:"asked,omitempty"`  // what earlier writes asked for and may still land
	WrittenAt time.Time `json:"written_at,omitzero"`
	Confirmed bool      `json:"confirmed,omitempty"`
	AtPeak    bool      `json:"at_peak,omitempty"` // the peak value is in force and must go back
	Limit     int       `json:"limit,omitempty"`   // what the device makes of 100, once seen
	Mode      string    `json:"mode,omitempty"`    // last seen
	Taken     *Taken    `json:"taken,omitempty"`
}

// Taken is a person's choice that is left alone until the window ends.
type Taken struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	// Reserve is what a person chose for the battery while our last write was on
	// its way. If that lands over it, theirs is put back.
	Reserve *int `json:"reserve,omitempty"`
}

// Home is what is kept about one thermostat.
type Home struct {
	Touch     *Touch    `json:"touch,omitempty"`      // ours to restore
	Taken     *Taken    `json:"taken,omitempty"`      // a person has it
	Ended     bool      `json:"ended,omitempty"`      // too warm or cold inside: no setback any more in this event
	LastWrite time.Time `json:"last_write,omitzero"`  // for the spacing
	Baseline  *Baseline `json:"baseline,omitempty"`   // of this event, while Touch is nil
	Event     time.Time `json:"event_start,omitzero"` // the event that Touch, Ended and Taken belong to
}

func (h Home) empty() bool {
	return h.Touch == nil && h.Taken == nil && h.Baseline == nil && !h.Ended && h.LastWrite.IsZero()
}

// Baseline is what a thermostat was set to, and in which mode, when this event
// first touched it.
type Baseline struct {
	Setting
	Mode string `json:"mode"`
}

// Touch is our hand on one thermostat.
type Touch struct {
	Baseline  Baseline  `json:"baseline"` // what it goes back to
	Period    string    `json:"period,omitempty"`
	Before    Setting   `json:"before"`          // what it was just before the last write
	Wanted    Setting   `json:"wanted"`          // what the last write asked for
	Asked     []Setting `json:"asked,omitempty"` // what earlier writes asked for and may still land
	Kind      Goal      `json:"kind"`
	WrittenAt time.Time `json:"written_at"`
	Confirmed bool      `json:"confirmed,omitempty"` // the device has shown Wanted
	// Mode is what a person has switched it to since, or made of it by another
	// choice; empty: nobody has. What is left of ours goes back, but not before
	// the window ends.
	Mode string `json:"mode,omitempty"`
	// Theirs says that Baseline is a choice which a person made while our last
	// write was on its way. It is watched until that write can land no more.
	Theirs bool `json:"theirs,omitempty"`
	// Commanded is when the bridge took on a person's command for the
	// thermostat, until its end is known. It may fail, and ours then has to go
	// back. Theirs is set as well.
	Commanded time.Time `json:"commanded,omitzero"`
}

// Goal is what a thermostat is to be made to do.
type Goal string

// The goals. The empty one is to be left alone.
const (
	Leave   Goal = ""
	Precool Goal = "precool"
	Setback Goal = "setback"
	Restore Goal = "restore"
)

// State is everything Step decides from. It is a value: Step never changes the
// one it is given.
type State struct {
	Settings Settings
	Kept     Kept

	Standby    bool // another node is active: nothing is decided
	Unwritable bool // the journal cannot be written: nothing new may start

	Battery     *Battery
	Thermostats map[string]Thermostat
	ForecastF   *float64
	ForecastDay string // the local day ForecastF is for: 2026-07-15

	ForecastDoubt *float64 // one that is far from ForecastF, and is not believed yet

	// What is under way. It is lost with the process; what Kept says is
	// enough to go on.
	Pending map[string]Pending
	Phase   Phase                 // at the last step
	Said    map[string]string     // notes that are made once per change, by subject
	Seen    map[string]bool       // thermostats whose own setting was read since the start
	Aside   map[string]Thermostat // as they were before a vacation or a utility's event began
	Sent    int                   // commands since the start
	Charge  Figures               // of the battery, percent
	Indoor  map[string]Figures    // °F, by thermostat
	Doubts  map[string]Doubt      // by target: what the last reading showed for the first time
}

// Pending is a command on its way: until its final answer, or until it is
// overdue.
type Pending struct {
	ID      string
	Goal    Goal // of the last one
	Sent    time.Time
	Failed  time.Time // when the final answer said no; zero: there is none yet
	Retry   time.Time // not before, once Failed
	Tries   int       // that failed in a row
	Ignored bool      // the last one was accepted and nothing came of it
	Unknown bool      // the last one was sent, and nothing showed what became of it
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

package rules

import (
	"time"

	"powermgr/devices"
)

// An Event is something that happened: a reading, an answer, a person's request, or only
// that time has passed (Tick).
type Event interface{ event() }

// Tick is the passing of time.
type Tick struct{}

// BatteryRead is a reading of the Powerwall.
type BatteryRead struct{ Battery }

// ThermostatRead is a reading of one thermostat.
type ThermostatRead struct {
	ID string
	Thermostat
}

// Forecast is today's high. A nil HighF means that there is no longer a forecast.
type Forecast struct {
	HighF *float64
	Day   string // the local day it is for: 2026-07-15

	Service bool // from a weather service, not from a person
}

// Answer is a result of a command of the rules or of a person.
type Answer struct {
	Target   string // Powerwall or a thermostat's id
	Setting  string // reserve, mode, cool_setpoint, …
	ID       string
	Reserve  *int // asked for; nil: the command is for something else, or states no number
	Accepted bool
	Final    bool
	Applied  bool // the device shows what was asked for
	Unknown  bool // it was sent, but nothing shows whether it was carried out
	Reason   string
	GaveWay  bool // to a choice that came first, which is not a failure
}

// OverrideAsked is a person's request for an override.
type OverrideAsked struct{ OverrideRequest }

// RestoreAsked is a person's request to restore everything now.
type RestoreAsked struct{}

// EnabledAsked switches the controller on or off.
type EnabledAsked struct{ Enabled bool }

// Role says whether this node is the active one.
type Role struct{ Active bool }

// Recovered replaces the records, at the start or when a newer journal from the other
// node was found.
type Recovered struct{ Persisted }

func (Tick) event()           {}
func (BatteryRead) event()    {}
func (ThermostatRead) event() {}
func (Forecast) event()       {}
func (Answer) event()         {}
func (OverrideAsked) event()  {}
func (RestoreAsked) event()   {}
func (EnabledAsked) event()   {}
func (Role) event()           {}
func (Recovered) event()      {}

// A Decision is what holds until the next event, and what to do now.
type Decision struct {
	Plan     Plan
	Reason   Reason
	Why      string         // the reason in one sentence
	Left     *time.Duration // of the peak; nil outside one
	Reserve  *int           // percent wanted; nil while the rules do not set the battery
	PlanIdle string         // why the calendar acts instead of the plan; empty: it does not
	OffsetF  float64        // of the setback in force
	// Comfort is what is planned for the thermostats around the next peak, and why;
	// empty: nothing. In that case ComfortIdle says why the fixed rule decides about
	// them, if the strategy is the plan.
	Comfort     string
	ComfortIdle string
	Latched     []Threshold
	Owned       []Owned
	Yielded     []Owned // what a person has
	Problems    []Problem

	Writes []Write   // to be sent, in this order, after Persisted is safe
	Notes  []Note    // to be published and logged
	Wake   time.Time // when to call Step with a Tick at the latest
}

// Reason says which source decided.
type Reason string

// The reasons.
const (
	BySchedule Reason = "schedule"
	ByOverride Reason = "override"
	ByDisabled Reason = "disabled"
	ByPlan     Reason = "plan"
	ByDevice   Reason = "device" // the battery has an owner at present
	ByPerson   Reason = "person"
	ByUnknown  Reason = "unknown" // the readings of the battery are not sufficient
	ByStandby  Reason = "standby"
)

// A Problem is something that keeps the rules from doing their whole job.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	Text string      `json:"text"` // one sentence: what it is, and what to do
}

// ProblemKind names a problem.
type ProblemKind string

// The problems.
const (
	WrongMode ProblemKind = "mode"       // the Powerwall's mode makes the reserve mean little
	OldData   ProblemKind = "old"        // a vendor repeats old figures
	NoJournal ProblemKind = "journal"    // nothing may start that could not be undone
	NotDone   ProblemKind = "command"    // a device does not have what was asked of it
	NotObeyed ProblemKind = "not_obeyed" // the Powerwall shows its reserve but does not follow it
)

// Owned is a target that somebody has, what for, and until when. What is Restore while
// the rules are restoring what they had set.
type Owned struct {
	Target string    `json:"target"`
	Name   string    `json:"name"` // as people know it
	What   string    `json:"what"`
	Until  time.Time `json:"until,omitzero"`
	Waits  string    `json:"waits,omitempty"` // why restoring has to wait: who commands the target in the meantime
}

// A Write is one absolute command. Exactly one of Reserve and devices.Setting is set.
type Write struct {
	Target  string // Powerwall or a thermostat's id
	ID      string
	Reserve *int
	Setting *devices.Setting
	Goal    Goal // Restore for every write that restores
	Why     string
}

// A Note is an event for people: on control/event, in the log, and in e-mail.
type Note struct {
	Type   NoteType
	Target string // empty: the home
	Why    string // one sentence
}

// NoteType is the event_type of a note.
type NoteType string

// The note types.
const (
	NotePhase    NoteType = "phase"
	NoteReserve  NoteType = "reserve"
	NotePrecool  NoteType = "precool"
	NoteLatched  NoteType = "threshold"
	NoteSetback  NoteType = "setback"
	NoteRestore  NoteType = "restore"
	NoteRestored NoteType = "restored"
	NoteYielded  NoteType = "person"
	NoteOverride NoteType = "override"
	NoteEnabled  NoteType = "enabled"
	NoteLeft     NoteType = "left_alone"
	NoteDryRun   NoteType = "dry_run"
	NoteProblem  NoteType = "problem"
	NoteRefused  NoteType = "refused" // a command that somebody sent
)

// NoteTypes lists all note types.
func NoteTypes() []NoteType {
	return []NoteType{NotePhase, NoteReserve, NotePrecool, NoteLatched, NoteSetback, NoteRestore, NoteRestored,
		NoteYielded, NoteOverride, NoteEnabled, NoteLeft, NoteDryRun, NoteProblem, NoteRefused}
}

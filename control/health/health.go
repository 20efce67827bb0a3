// Package health determines which faults there are at present from what all parts
// publish on the bus: one fault per cause, since when, how urgent, and what to do about
// it. Mail, Home Assistant and the metrics all get faults from here.
//
// It decides nothing and repairs nothing.
package health

import (
	"slices"
	"time"
)

// Level is how urgent something is, and decides who gets mail about it.
type Level string

// The levels, from the least urgent.
const (
	Info     Level = "info"     // nothing is wrong
	Warning  Level = "warning"  // it may go away by itself
	Critical Level = "critical" // somebody has to do something
)

// Levels lists all levels, from the least urgent.
func Levels() []Level { return []Level{Info, Warning, Critical} }

// A Fault is one thing that does not work at present.
type Fault struct {
	Key   string    `json:"key"`   // stays the same as long as the fault lasts: powerwall/authorisation
	Part  string    `json:"part"`  // one of the parts
	Level Level     `json:"level"` // Warning or Critical
	Text  string    `json:"text"`  // one sentence: what it is, and what to do
	Since time.Time `json:"since"`
}

// The parts that a fault can be of.
const (
	Powerwall     = "powerwall"     // Tesla's interface, and commands to the battery
	Thermostats   = "thermostats"   // Honeywell's interface, and commands to thermostats
	Weather       = "weather"       // the forecast
	Broker        = "broker"        // the link to MQTT
	Journal       = "journal"       // what has to survive a crash
	Restoring     = "restoring"     // restoring what powermgr has changed
	Configuration = "configuration" // the file, when it was read again
	Clock         = "clock"         // this machine's
	Mail          = "mail"
)

// Parts lists the parts that every home has.
func Parts() []string {
	return []string{Powerwall, Thermostats, Weather, Broker, Journal, Restoring, Configuration, Clock, Mail}
}

// Part is the condition of one part.
type Part struct {
	OK      bool    `json:"ok"`
	Problem *string `json:"problem"` // the text of the most urgent fault, or of what may become one; null: none
}

// same reports whether two conditions are equal.
func (p Part) same(o Part) bool {
	return p.OK == o.OK && (p.Problem == nil) == (o.Problem == nil) && (p.Problem == nil || *p.Problem == *o.Problem)
}

// Health is the payload of control/health, which is retained.
type Health struct {
	Parts  map[string]Part `json:"parts"`
	Faults []Fault         `json:"faults"` // the most urgent first, by key
	At     time.Time       `json:"at"`     // of the last change
	Node   string          `json:"node"`   // the active one, which publishes this
}

// A Report is what a part says of itself on Topic: its problem, or none.
type Report struct {
	Level   Level  `json:"level"`
	Problem string `json:"problem"` // one sentence; empty: all is well
}

// Topic is the private, retained topic of a part's Report.
func Topic(part string) string { return topicRoot + part }

const topicRoot = "$health/"

// of returns the condition of each part, given faults in order. A part also shows what
// is only about to become a fault: early.
func of(faults, early []Fault, at time.Time) Health {
	h := Health{Parts: map[string]Part{}, Faults: faults, At: at}
	all := slices.Concat(faults, early)
	for _, name := range Parts() {
		p := Part{OK: true}
		if i := slices.IndexFunc(all, func(f Fault) bool { return f.Part == name }); i >= 0 {
			p = Part{Problem: &all[i].Text}
		}
		h.Parts[name] = p
	}
	return h
}

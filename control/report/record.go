package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"powermgr/control/rules"
	"powermgr/devices"
)

// Version is the version of the format that is written. A record of a later version is
// not read: the same words may mean something else in it.
const Version = 1

// MaxSize is the size of the largest record that is read, in bytes; a real one has less
// than 60,000.
const MaxSize = 1 << 20

// The most that a list of a record holds. What does not fit is counted in
// LeftOut: a day on which everything goes wrong must not fill the ramdisk.
const (
	maxDecisions   = 200
	maxCommands    = 150
	maxOverrides   = 50
	maxTakings     = 50
	maxGaps        = 50
	maxNodes       = 20
	maxThermostats = 16
	longestText    = 200 // of one reason, in bytes
	longestName    = 64  // of an id or a value, in bytes
)

// A Record is one local day of the home, as seen on the bus. Nil is unknown. SCHEMA.md
// describes every field.
type Record struct {
	Version  int       `json:"version"`
	Date     string    `json:"date"` // local: 2026-07-15
	Timezone string    `json:"timezone"`
	From     time.Time `json:"from"`     // nothing of the day is known from before this
	Until    time.Time `json:"until"`    // the last message, or the end of the day
	Complete bool      `json:"complete"` // the day is over
	Nodes    []string  `json:"nodes"`    // those that kept it, in order

	DryRun   bool `json:"dry_run"`  // at any time of the day
	Disabled bool `json:"disabled"` // at any time of the day
	// Unit is what the owner reads temperatures in; empty: °F, and each thermostat's
	// own.
	Unit      devices.Unit `json:"unit,omitempty"`
	ForecastF *float64     `json:"forecast_high_f"`
	Peaks     []Peak       `json:"peaks"`

	Charge         Charge                `json:"battery"`
	Energy         Energy                `json:"energy"`
	Counterfactual Counterfactual        `json:"without"`
	Earlier        Earlier               `json:"earlier"` // of the same month
	Planned        Planned               `json:"planned"`
	Tariff         Tariff                `json:"tariff"`
	Thermostats    map[string]Thermostat `json:"thermostats"` // by their ids on topics
	Vendors        map[string]Vendor     `json:"vendors"`     // powerwall, thermostats, weather

	Decisions []Decision     `json:"decisions"`
	Commands  []Command      `json:"commands"`
	Overrides []Override     `json:"overrides"`
	Takings   []Taking       `json:"people"`
	Gaps      []Gap          `json:"gaps"`
	LeftOut   map[string]int `json:"left_out"` // by list; "messages": lost or not understood
	Samples   Samples        `json:"samples"`
	Open      Open           `json:"open"`

	zone       *time.Location
	start, end time.Time // of the local day
}

// A Peak is one window of the day in which power is expensive, and its lead.
type Peak struct {
	Lead  time.Time `json:"lead"` // when pre_peak begins
	From  time.Time `json:"from"`
	Until time.Time `json:"until"` // exclusive
}

// Charge is the charge of the battery, in percent.
type Charge struct {
	Start *Extreme `json:"start"` // the first reading
	Min   *Extreme `json:"min"`
	Max   *Extreme `json:"max"`
	End   *Extreme `json:"end"` // the last reading
}

// An Extreme is a value and when it was first reached.
type Extreme struct {
	Value float64   `json:"value"`
	At    time.Time `json:"at"`
}

// A Decision is an event of the controller.
type Decision struct {
	At     time.Time      `json:"at"`
	Type   rules.NoteType `json:"type"`
	Target string         `json:"target"` // empty: the home
	Reason string         `json:"reason"`
}

// A Gap is a time of which something is not known.
type Gap struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// Open is what the next message is compared with. It is of no use to readers.
type Open struct {
	Last    *Reading `json:"last_reading"` // of the Powerwall
	OffsetF float64  `json:"offset_f"`
	Heard   bool     `json:"control_heard"` // there was a control/state
}

// Encode returns r as in its file.
func Encode(r Record) ([]byte, error) { return json.Marshal(r) }

// Decode parses a record. The error says why it cannot be used.
func Decode(b []byte) (Record, error) {
	var head struct {
		Version int `json:"version"`
	}
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return Record{}, errors.New("it is empty")
	case len(b) > MaxSize:
		return Record{}, fmt.Errorf("it is longer than %d bytes", MaxSize)
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Record{}, fmt.Errorf("it is no record of a day: %w", err)
	}
	if head.Version < 1 || head.Version > Version {
		return Record{}, fmt.Errorf("it has version %d; this program reads up to %d", head.Version, Version)
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("it is no record of a day: %w", err)
	}
	return r, r.check()
}

// check refuses what no version of this program has written, and determines when the
// day begins and ends.
func (r *Record) check() error {
	zone, err := time.LoadLocation(r.Timezone)
	if err != nil || r.Timezone == "" {
		return fmt.Errorf("its time zone %.40q is not known here", r.Timezone)
	}
	day, err := time.ParseInLocation(time.DateOnly, r.Date, zone)
	if err != nil || r.Date < "2000-01-01" || r.Date > "2999-12-31" {
		return fmt.Errorf("its date %.40q is none", r.Date)
	}
	if err := plausible(reflect.ValueOf(*r)); err != nil {
		return err
	}
	r.locate(day.Add(12*time.Hour), zone)
	longest := r.slots()
	for _, s := range r.series() {
		if len(*s) > longest {
			return fmt.Errorf("it has %d samples; the day has room for %d", len(*s), longest)
		}
	}
	r.fill()
	return errors.Join(r.Planned.First.check(), r.Planned.Newest.check())
}

// fill creates the maps that a fold writes to, and the lists that are empty instead of
// null in JSON.
func (r *Record) fill() {
	r.Nodes, r.Peaks, r.Decisions, r.Commands = filled(r.Nodes), filled(r.Peaks), filled(r.Decisions), filled(r.Commands)
	r.Overrides, r.Takings, r.Gaps = filled(r.Overrides), filled(r.Takings), filled(r.Gaps)
	if r.Thermostats == nil {
		r.Thermostats = map[string]Thermostat{}
	}
	if r.Vendors == nil {
		r.Vendors = map[string]Vendor{}
	}
	if r.LeftOut == nil {
		r.LeftOut = map[string]int{}
	}
}

func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// plausible refuses impossible times and figures, with which nothing could be computed
// or drawn.
func plausible(v reflect.Value) error {
	if v.Kind() == reflect.Float64 {
		if f := v.Float(); math.Abs(f) > 1e9 { // not a number is an unknown sample
			return fmt.Errorf("it has the figure %g", f)
		}
		return nil
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		t := v.Interface().(time.Time)
		if y := t.Year(); !t.IsZero() && (y < 1999 || y > 3000) {
			return fmt.Errorf("it has a time in the year %d", y)
		}
		return nil
	}
	for part := range devices.Parts(v) {
		if err := plausible(part); err != nil {
			return err
		}
	}
	return nil
}

// keep adds v to a list of r that holds at most most.
func keep[T any](r *Record, name string, list *[]T, v T, most int) {
	if len(*list) >= most {
		r.LeftOut[name]++
		return
	}
	*list = append(*list, v)
}

// clip makes a text from elsewhere suitable for storing and showing: one line of at most
// most bytes.
func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// round rounds a figure to millionths, so that it is the same after a round trip through
// JSON, and files stay readable.
func round(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// plus adds v to a figure that may still be unknown.
func plus(to **float64, v float64) {
	if *to == nil {
		*to = new(0.0)
	}
	*to = new(round(**to + v))
}

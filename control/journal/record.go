package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"powermgr/control/rules"
)

// A Version says which change produced a record: the generation of the pair, the number
// of the save, and the process that made it.
type Version struct {
	Generation uint64 `json:"generation"`
	Sequence   uint64 `json:"sequence"`
	// Writer is the node and the time when its process first saved, so that two processes
	// of one node never write the same version. In version 1 it was only the node.
	Writer string `json:"writer"`
}

// compare orders versions by generation, then by sequence: the clocks of two nodes prove
// nothing.
func (v Version) compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Generation, o.Generation), cmp.Compare(v.Sequence, o.Sequence), cmp.Compare(v.Writer, o.Writer))
}

// A Record is the home's record, or that of the battery or a thermostat, as one change
// left it.
type Record[T any] struct {
	Version Version `json:"version"`
	Value   T       `json:"value"`
}

// Records are everything that a journal knows. There is usually one record of each thing,
// and none of a thing about which nothing is stored. If nodes that did not know of each
// other have changed the same thing, all their records are there, highest version first,
// until the next change makes them one.
type Records struct {
	Home        []Record[rules.HomeRecord]                  `json:"home,omitempty"`
	Battery     []Record[rules.BatteryRecord]               `json:"battery,omitempty"`
	Thermostats map[string][]Record[rules.ThermostatRecord] `json:"thermostats,omitempty"`
	// Knows is the last known save of each writer. A record that it covers but that is
	// not in the journal has been replaced.
	Knows map[string]uint64 `json:"knows,omitempty"`
}

// knows reports whether a change, or what has replaced it, is known here.
func (r Records) knows(v Version) bool { return r.Knows[v.Writer] >= v.Sequence }

// Join returns what both know. The result does not depend on the order in which any
// number of journals are joined, nor on how often: every change that has been replaced is
// gone, and every other one is there.
func (r Records) Join(o Records) Records {
	all := Records{
		Home:        join(r.Home, o.Home, r.knows, o.knows),
		Battery:     join(r.Battery, o.Battery, r.knows, o.knows),
		Thermostats: map[string][]Record[rules.ThermostatRecord]{},
		Knows:       maps.Clone(r.Knows),
	}
	for _, of := range []map[string][]Record[rules.ThermostatRecord]{r.Thermostats, o.Thermostats} {
		for id := range of {
			if records := join(r.Thermostats[id], o.Thermostats[id], r.knows, o.knows); len(records) > 0 {
				all.Thermostats[id] = records
			}
		}
	}
	for writer, sequence := range o.Knows {
		if all.Knows == nil {
			all.Knows = map[string]uint64{}
		}
		all.Knows[writer] = max(all.Knows[writer], sequence)
	}
	return all
}

// join returns the records of one thing in two journals that have not been replaced.
func join[T any](a, b []Record[T], aKnows, bKnows func(Version) bool) []Record[T] {
	var all []Record[T]
	for _, r := range a {
		if has(b, r.Version) || !bKnows(r.Version) {
			all = append(all, r)
		}
	}
	for _, r := range b {
		if !has(a, r.Version) && !aKnows(r.Version) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Record[T]) int { return b.Version.compare(a.Version) })
	return all
}

func has[T any](records []Record[T], v Version) bool {
	return slices.ContainsFunc(records, func(r Record[T]) bool { return r.Version == v })
}

// Persisted returns what the rules continue from.
func (r Records) Persisted() rules.Persisted {
	k := rules.Persisted{HomeRecord: united(r.Home), Battery: united(r.Battery)}
	for id, records := range r.Thermostats {
		if k.Thermostats == nil {
			k.Thermostats = make(map[string]rules.ThermostatRecord, len(r.Thermostats))
		}
		k.Thermostats[id] = united(records)
	}
	return k
}

// united returns the record with the highest version, plus what the others say that it
// cannot know. Without records it is empty.
func united[T interface{ With(other T) T }](records []Record[T]) (out T) {
	for i, r := range records {
		if i == 0 {
			out = r.Value
		} else {
			out = out.With(r.Value)
		}
	}
	return out
}

// changed returns the records after saving k with a version: those that are unchanged,
// and new ones.
func (r Records) changed(k rules.Persisted, v Version) (Records, error) {
	next := Records{Thermostats: make(map[string][]Record[rules.ThermostatRecord], len(k.Thermostats)), Knows: r.Knows}
	var err error
	if next.Home, err = changed(r.Home, k.HomeRecord, v); err != nil {
		return r, err
	}
	if next.Battery, err = changed(r.Battery, k.Battery, v); err != nil {
		return r, err
	}
	for id, h := range k.Thermostats {
		records, err := changed(r.Thermostats[id], h, v)
		if err != nil {
			return r, fmt.Errorf("%s: %w", id, err)
		}
		if len(records) > 0 {
			next.Thermostats[id] = records
		}
	}
	if next.same(r) {
		return r, nil
	}
	next.Knows = maps.Clone(r.Knows)
	if next.Knows == nil {
		next.Knows = map[string]uint64{}
	}
	next.Knows[v.Writer] = v.Sequence
	next.forget()
	return next, nil
}

// changed returns the records of one thing after a save with a version. Records of nodes
// that did not know of each other stay as they are as long as nothing changes: both nodes
// derive the same from them, and need not tell each other.
func changed[T interface{ With(other T) T }](records []Record[T], value T, v Version) ([]Record[T], error) {
	old := united(records)
	if reflect.DeepEqual(old, value) {
		return records, nil
	}
	// Times that went through JSON differ in memory but not in meaning.
	was, err := json.Marshal(old)
	if err != nil {
		return records, err
	}
	if now, err := json.Marshal(value); err != nil || bytes.Equal(was, now) {
		return records, err
	}
	return []Record[T]{{v, value}}, nil
}

// maxWriters limits how many writers are remembered: far more processes than can have
// started within the age of any journal that may still arrive.
const maxWriters = 32

// forget removes the writers with the oldest saves, except those of a record.
func (r Records) forget() {
	if len(r.Knows) <= maxWriters {
		return
	}
	needed := map[string]bool{}
	note(needed, r.Home)
	note(needed, r.Battery)
	for _, records := range r.Thermostats {
		note(needed, records)
	}
	writers := slices.SortedFunc(maps.Keys(r.Knows), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Knows[b], r.Knows[a]), cmp.Compare(a, b))
	})
	for _, w := range writers[maxWriters:] {
		if !needed[w] {
			delete(r.Knows, w)
		}
	}
}

func note[T any](writers map[string]bool, records []Record[T]) {
	for _, r := range records {
		writers[r.Version.Writer] = true
	}
}

// same reports whether r and o have the same records.
func (r Records) same(o Records) bool {
	return sameVersions(r.Home, o.Home) && sameVersions(r.Battery, o.Battery) && maps.EqualFunc(r.Thermostats, o.Thermostats, sameVersions[rules.ThermostatRecord])
}

func sameVersions[T any](a, b []Record[T]) bool {
	return slices.EqualFunc(a, b, func(a, b Record[T]) bool { return a.Version == b.Version })
}

// check refuses records that no save can have produced.
func (r Records) check() error {
	if err := check(r.Home, r.knows); err != nil {
		return err
	}
	if err := check(r.Battery, r.knows); err != nil {
		return err
	}
	for id, records := range r.Thermostats {
		if err := check(records, r.knows); err != nil {
			return fmt.Errorf("%w for %s", err, id)
		}
	}
	return nil
}

func check[T interface{ Check() error }](records []Record[T], knows func(Version) bool) error {
	for i, r := range records {
		switch v := r.Version; {
		case v.Writer == "" || v.Sequence == 0 || v.Generation > MaxGeneration || v.Sequence > MaxGeneration:
			return fmt.Errorf("it has a record of generation %d and sequence %d by %q, which cannot be", v.Generation, v.Sequence, v.Writer)
		case !knows(v):
			return fmt.Errorf("it has a record by %q that it does not know of", v.Writer)
		case i > 0 && records[i-1].Version.compare(v) <= 0:
			return errors.New("it has records in the wrong order")
		}
		if err := r.Value.Check(); err != nil {
			return err
		}
	}
	return nil
}

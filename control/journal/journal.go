// Package journal keeps what must survive a crash, a reboot and a change of
// node: one small versioned file, replaced as a whole and synced before any
// write to a device that it would have to undo. It is written only when its
// content changes. A file that cannot be read is set aside and survived.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/durable"
)

// Version is the version of the format that is written. A file of a later
// version is set aside: it may hold what this program would not restore.
const Version = 1

// MaxSize is the longest journal that is read, in bytes; a real one has a few
// thousand.
const MaxSize = 1 << 20

// MostGeneration is the highest generation that is believed: nobody has been
// told to be active that often, and there has to be one more.
const MostGeneration = 1 << 52

// An Entry is a whole journal.
type Entry struct {
	Version    int        `json:"version"`
	Node       string     `json:"node"`
	Generation uint64     `json:"generation"`
	Sequence   uint64     `json:"sequence"` // counts the saves of all generations
	SavedAt    time.Time  `json:"saved_at"`
	Kept       rules.Kept `json:"kept"`
	// Knows is the sequence of each node's last save that this entry was made
	// in the knowledge of. Two entries that do not know of each other were made
	// by two nodes which both thought that they were the active one.
	Knows map[string]uint64 `json:"knows,omitempty"`

	// What the node that publishes it on its topic is. The file does not say.
	Alone  bool `json:"alone,omitempty"`   // none of a pair
	DryRun bool `json:"dry_run,omitempty"` // it commands nothing
}

// Newer reports whether e was written after o, by generation and then by
// sequence: the clocks of two nodes prove nothing.
func (e Entry) Newer(o Entry) bool {
	if e.Generation != o.Generation {
		return e.Generation > o.Generation
	}
	return e.Sequence > o.Sequence
}

// Encode writes e as it stands in the file and on the topic.
func Encode(e Entry) ([]byte, error) {
	e.Version = Version
	return json.Marshal(e)
}

// Decode reads an entry. Errors say why it cannot be used.
func Decode(b []byte) (Entry, error) {
	var head struct {
		Version int `json:"version"`
	}
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return Entry{}, errors.New("it is empty")
	case len(b) > MaxSize:
		return Entry{}, fmt.Errorf("it is longer than %d bytes", MaxSize)
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Entry{}, fmt.Errorf("it is not a journal: %w", err)
	}
	if head.Version < 1 || head.Version > Version {
		return Entry{}, fmt.Errorf("it has version %d; this program reads up to %d", head.Version, Version)
	}
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return Entry{}, fmt.Errorf("it is not a journal: %w", err)
	}
	if e.Generation > MostGeneration || e.Sequence > MostGeneration {
		return Entry{}, fmt.Errorf("its generation %d or its sequence %d cannot be", e.Generation, e.Sequence)
	}
	if err := errors.Join(check(e.Kept), plausible(reflect.ValueOf(e))); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// plausible refuses times that no clock has shown, not even one that was never
// set: they could not be written again, or sums of them.
func plausible(v reflect.Value) error {
	if t, ok := v.Interface().(time.Time); ok {
		if y := t.Year(); !t.IsZero() && (y < 1969 || y > 2999) {
			return fmt.Errorf("it has a time in the year %d", y)
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return plausible(v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			if err := plausible(field); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := plausible(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if err := plausible(v.MapIndex(key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// check refuses what no version of this program has written.
func check(k rules.Kept) error {
	if r := k.Battery.Wanted; r != nil && devices.CheckReserve(*r) != nil {
		return fmt.Errorf("it wants a reserve of %d %%", *r)
	}
	if t := k.Battery.Taken; t != nil && t.Reserve != nil && (*t.Reserve < 0 || *t.Reserve > 100) {
		return fmt.Errorf("it has a person's reserve of %d %%", *t.Reserve)
	}
	for _, f := range k.Battery.Flights {
		if f.Reserve == nil || *f.Reserve < 0 || *f.Reserve > 100 {
			return errors.New("it has a write of the reserve that asks for none")
		}
	}
	if s := k.Strategy; s != "" && !slices.Contains(rules.Strategies(), s) {
		return fmt.Errorf("it has the strategy %q", s)
	}
	if err := k.CheckByHand(); err != nil {
		return err
	}
	if n := k.Battery.Changes.Count; n < 0 {
		return fmt.Errorf("it has %d changes of the reserve", n)
	}
	for id, h := range k.Thermostats {
		if h.Claim == nil {
			continue
		}
		for _, v := range []*float64{h.Claim.Baseline.Cool, h.Claim.Baseline.Heat} {
			if v != nil && (*v < -40 || *v > 120) {
				return fmt.Errorf("it has a baseline of %g° for %s", *v, id)
			}
		}
	}
	return nil
}

// A Disk is where the journal is kept.
type Disk interface {
	Read() ([]byte, error)     // fs.ErrNotExist when there is none
	Write(b []byte) error      // safe against a power cut when it returns
	SetAside() (string, error) // out of the way; says where to
}

// File is a Disk on the file system.
type File struct{ Path string }

// Read reads the file.
func (f File) Read() ([]byte, error) {
	info, err := os.Stat(f.Path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", f.Path)
	case info.Size() > MaxSize:
		return make([]byte, MaxSize+1), nil // Decode refuses it by its length
	}
	return os.ReadFile(f.Path)
}

// Write replaces the file.
func (f File) Write(b []byte) error { return durable.Replace(f.Path, b, 0o640) }

// SetAside renames the file; an earlier one set aside is replaced, so that a
// loop of restarts fills no disk.
func (f File) SetAside() (string, error) {
	aside := f.Path + ".unusable"
	return aside, os.Rename(f.Path, aside)
}

// Journal is one node's journal.
type Journal struct {
	Disk Disk
	// Peer is where the other node's journal is copied to. Nil: nowhere.
	Peer Disk
	Node string
	Now  func() time.Time

	last   Entry // the newest seen
	saved  []byte
	safe   *rules.Kept // what saved was made of; nil: unknown
	draft  []byte      // what last was made of while it could not be written
	grown  bool        // last was made in this life
	writes int
}

// Load reads the journal. found is false when there is none that can be used;
// the error then says what was wrong with the one that is there.
func (j *Journal) Load() (e Entry, found bool, err error) {
	b, err := j.Disk.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, false, nil
	}
	switch {
	case err == nil:
		e, err = Decode(b)
	case !errors.Is(err, fs.ErrPermission): // one that may not be read is somebody's all the same: a save would replace it
		return Entry{}, false, fmt.Errorf("journal: %w", err)
	}
	if err != nil {
		where, moved := j.Disk.SetAside()
		if moved != nil {
			return Entry{}, false, fmt.Errorf("journal: %w; it could not be set aside: %w", err, moved)
		}
		return Entry{}, false, fmt.Errorf("journal: %w; it is set aside as %s", err, where)
	}
	j.last, j.safe = e, nil
	// Times that went through JSON differ in memory and not in meaning.
	j.saved, err = json.Marshal(e.Kept)
	return e, err == nil, err
}

// Try writes what was read once more, to find out whether the disk can be
// written.
func (j *Journal) Try() error {
	whole, err := Encode(j.last)
	if err == nil {
		err = j.Disk.Write(whole)
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.writes++
	return nil
}

// Reread takes over the copy of the other node's journal, if there is one that
// is newer than all seen so far. One that cannot be read is left alone: the
// next copy replaces it.
func (j *Journal) Reread() (Entry, bool) {
	if j.Peer == nil {
		return Entry{}, false
	}
	b, err := j.Peer.Read()
	if err != nil {
		return Entry{}, false
	}
	e, err := Decode(b)
	if err != nil {
		return Entry{}, false
	}
	return j.Adopt(e)
}

// longer is by how much a node has to have gone on after the other one to know
// more, whatever keepalived has said since: far longer than a change takes.
const longer = 10 * time.Minute

// Adopt takes in an entry that came from elsewhere, such as the retained one
// of the other node. A newer one is taken over. What the older of the two did
// to thermostats in ignorance of the newer is kept, so that it is given back.
// It returns what is to go on from; ok is false when that is nothing new.
func (j *Journal) Adopt(e Entry) (out Entry, ok bool) {
	newer, older := e, j.last
	if !e.Newer(j.last) {
		newer, older = j.last, e
	}
	unknown := older.Knows[older.Node] > newer.Knows[older.Node]
	if e.Node == j.Node && j.grown && e.Newer(j.last) {
		// It is of an earlier life of this node, which could not write it down.
		// This life has counted from where the file ended.
		unknown = true
	}
	if !e.Newer(j.last) && !unknown {
		return j.last, false
	}
	if unknown && e.Node != j.Node && older.SavedAt.After(newer.SavedAt.Add(longer)) && older.SavedAt.Before(j.Now().Add(time.Minute)) {
		// One node was told to be active later than the other, but not for long:
		// they did not see each other, and the other has gone on ever since. A
		// clock that is ahead of this one proves nothing.
		highest := newer.Generation
		newer, older = older, newer
		newer.Generation = highest
	}
	if unknown {
		newer.Kept = rules.Merge(newer.Kept, older.Kept)
	}
	newer.Knows = maps.Clone(newer.Knows)
	for node, sequence := range older.Knows {
		if newer.Knows == nil {
			newer.Knows = map[string]uint64{}
		}
		newer.Knows[node] = max(newer.Knows[node], sequence)
	}
	newer.Sequence = max(newer.Sequence, older.Sequence)
	j.last, j.saved, j.safe, j.draft, j.grown = newer, nil, nil, nil, false
	return newer, true
}

// Save makes k safe under generation. It does nothing when k is what is safe
// already. It returns the newest entry; fresh says that it is a new one, for
// the topic, which it is even if it cannot be written.
func (j *Journal) Save(k rules.Kept, generation uint64) (e Entry, fresh bool, err error) {
	if j.safe != nil && reflect.DeepEqual(j.safe, &k) {
		return j.last, false, nil // as nearly always
	}
	b, err := json.Marshal(k)
	if err != nil {
		return j.last, false, fmt.Errorf("journal: %w", err)
	}
	if bytes.Equal(b, j.saved) {
		j.safe = &k
		return j.last, false, nil
	}
	if fresh = !bytes.Equal(b, j.draft); fresh {
		e = Entry{
			Version: Version, Node: j.Node, Generation: max(generation, j.last.Generation),
			Sequence: j.last.Sequence + 1, SavedAt: j.Now(), Kept: k, Knows: map[string]uint64{},
		}
		maps.Copy(e.Knows, j.last.Knows)
		e.Knows[j.Node] = e.Sequence
		j.last, j.draft, j.saved, j.safe, j.grown = e, b, nil, nil, true
	}
	whole, err := Encode(j.last)
	if err == nil {
		err = j.Disk.Write(whole)
	}
	if err != nil {
		return j.last, fresh, fmt.Errorf("journal: %w", err)
	}
	j.saved, j.safe, j.draft = b, &k, nil
	j.writes++
	return j.last, fresh, nil
}

// Writes is how often the journal was written.
func (j *Journal) Writes() int { return j.writes }

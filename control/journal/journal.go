// Package journal stores what must survive a crash, a reboot and a change of node: one
// small file of records, which is replaced as a whole and synced before any write to a
// device that it would have to undo. It is written only when its content changes. Every
// record has the version of its last change, and the journals of two nodes are merged
// record by record. A file that cannot be read is set aside, and the program continues
// without it.
package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/durable"
)

// Format is the version of the format that is written. Versions 1 and 2 can be read too.
// A file of a later version is set aside: it may contain something that this program
// would not restore.
const Format = 3

// MaxSize is the longest journal that is read, in bytes; a typical one has a few
// thousand.
const MaxSize = 1 << 20

// MaxGeneration is the highest generation that is accepted: no node has been told to
// become active that often, and there has to be room for one more.
const MaxGeneration = 1 << 52

// An Entry is a whole journal.
type Entry struct {
	Format     int       `json:"version"`
	Node       string    `json:"node"`
	Generation uint64    `json:"generation"`
	Sequence   uint64    `json:"sequence"` // counts the saves of all generations
	SavedAt    time.Time `json:"saved_at"`
	Records

	// What is known of the node that publishes the journal on its topic. The file does
	// not contain this.
	Alone  bool `json:"alone,omitempty"`   // the node is not part of a pair
	DryRun bool `json:"dry_run,omitempty"` // the node commands nothing
}

// Join returns what both journals know, with the node and time of the later save.
func (e Entry) Join(o Entry) Entry {
	if later := cmp.Or(o.SavedAt.Compare(e.SavedAt), cmp.Compare(o.Node, e.Node)); later > 0 {
		e, o = o, e
	}
	return Entry{
		Node: e.Node, SavedAt: e.SavedAt, Generation: max(e.Generation, o.Generation), Sequence: max(e.Sequence, o.Sequence),
		Records: e.Records.Join(o.Records),
	}
}

// Encode returns e as it is stored in the file and published on the topic.
func Encode(e Entry) ([]byte, error) {
	e.Format = Format
	return json.Marshal(e)
}

// Decode parses an entry. Its errors say why the entry cannot be used.
func Decode(b []byte) (Entry, error) {
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return Entry{}, errors.New("it is empty")
	case len(b) > MaxSize:
		return Entry{}, fmt.Errorf("it is longer than %d bytes", MaxSize)
	}
	var e Entry
	err := json.Unmarshal(b, &e)
	if err != nil || e.Format != Format {
		e, err = older(b, err)
	}
	if err != nil {
		return Entry{}, err
	}
	if e.Generation > MaxGeneration || e.Sequence > MaxGeneration {
		return Entry{}, fmt.Errorf("its generation %d or its sequence %d cannot be", e.Generation, e.Sequence)
	}
	if err := errors.Join(e.check(), plausible(reflect.ValueOf(e))); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// plausible refuses times that no clock has ever shown, not even one that was never set:
// such times, or sums of them, could not be written again.
func plausible(v reflect.Value) error {
	if v.Type() == reflect.TypeFor[time.Time]() { // Interface copies, so it is only for these
		t, _ := v.Interface().(time.Time)
		if y := t.Year(); !t.IsZero() && (y < 1969 || y > 2999) {
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

// A Disk is where the journal is stored.
type Disk interface {
	Read() ([]byte, error)     // fs.ErrNotExist if there is none
	Write(b []byte) error      // safe from a power failure once it returns
	SetAside() (string, error) // moves the file out of the way; says where to
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

// SetAside renames the file. It replaces an earlier one that was set aside, so that a
// restart loop does not fill the disk.
func (f File) SetAside() (string, error) {
	aside := f.Path + ".unusable"
	return aside, os.Rename(f.Path, aside)
}

// Journal is the journal of one node.
type Journal struct {
	Disk Disk
	// Peer is where a copy of the other node's journal is stored. Nil: nowhere.
	Peer Disk
	Node string
	Now  func() time.Time

	last   Entry            // all that is known
	writer string           // of the saves of this process; empty: there are none yet
	stored bool             // last is on the disk
	told   bool             // last was returned to the caller of Save
	safe   *rules.Persisted // what was last saved; nil: unknown
	writes int
}

// Load reads the journal. found is false if there is no usable one; if there is an
// unusable one, the error says what is wrong with it.
func (j *Journal) Load() (e Entry, found bool, err error) {
	b, err := j.Disk.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, false, nil
	}
	switch {
	case err == nil:
		e, err = Decode(b)
	case !errors.Is(err, fs.ErrPermission): // a file without permission to read it is still somebody's: a save would replace it
		return Entry{}, false, fmt.Errorf("journal: %w", err)
	}
	if err != nil {
		where, moved := j.Disk.SetAside()
		if moved != nil {
			return Entry{}, false, fmt.Errorf("journal: %w; it could not be set aside: %w", err, moved)
		}
		return Entry{}, false, fmt.Errorf("journal: %w; it is set aside as %s", err, where)
	}
	j.last, j.stored, j.told, j.safe = e, true, true, nil
	return e, true, nil
}

// Try writes once more what was read, to find out whether the disk is writable.
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

// Reread merges the copy of the other node's journal, if there is one with anything new.
// A copy that cannot be read is left alone: the next copy replaces it.
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

// Adopt merges an entry from elsewhere, such as the retained one of the other node,
// record by record. It returns what to continue from; ok is false if that is nothing new.
func (j *Journal) Adopt(e Entry) (out Entry, ok bool) {
	joined := j.last.Join(e)
	ok = !joined.same(j.last.Records)
	if j.last = joined; ok {
		j.stored, j.told, j.safe = false, false, nil
	}
	return joined, ok
}

// Save stores k under generation. It does nothing if k is stored already. It returns the
// newest entry; fresh says that the entry is new and should be published, which it should
// be even if it cannot be written.
func (j *Journal) Save(k rules.Persisted, generation uint64) (e Entry, fresh bool, err error) {
	if j.stored && j.safe != nil && j.safe.Same(k) {
		return j.last, false, nil // this is nearly always the case
	}
	return j.save(k, generation)
}

// save is Save for records that may have changed. It keeps a pointer to k, so it is
// separate from Save, which is called at every step.
func (j *Journal) save(k rules.Persisted, generation uint64) (e Entry, fresh bool, err error) {
	if j.stored && j.safe != nil && reflect.DeepEqual(j.safe, &k) {
		j.safe = &k
		return j.last, false, nil
	}
	if j.writer == "" {
		j.writer = j.Node + "/" + strconv.FormatInt(j.Now().UnixNano(), 36)
	}
	next := Version{max(generation, j.last.Generation), j.last.Sequence + 1, j.writer}
	records, err := j.last.changed(k, next)
	if err != nil {
		return j.last, false, fmt.Errorf("journal: %w", err)
	}
	if !records.same(j.last.Records) {
		if err := records.check(); err != nil {
			return j.last, false, fmt.Errorf("journal: a start would refuse it: %w", err) // what is on the disk can be read
		}
		j.last = Entry{Sequence: next.Sequence, SavedAt: j.Now(), Records: records, Generation: next.Generation}
		j.stored, j.told = false, false
	}
	fresh = !j.told
	j.told, j.safe = true, &k
	if j.stored {
		return j.last, fresh, nil
	}
	j.last.Node, j.last.Generation = j.Node, max(generation, j.last.Generation)
	whole, err := Encode(j.last)
	if err == nil {
		err = j.Disk.Write(whole)
	}
	if err != nil {
		return j.last, fresh, fmt.Errorf("journal: %w", err)
	}
	j.stored = true
	j.writes++
	return j.last, fresh, nil
}

// Writes returns how often the journal was written.
func (j *Journal) Writes() int { return j.writes }

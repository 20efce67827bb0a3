// Package journal keeps what must survive a crash, a reboot and a change of
// node: one small file of records, replaced as a whole and synced before any
// write to a device that it would have to undo. It is written only when its
// content changes. Every record has the version of its last change, and journals
// of two nodes come together record by record. A file that cannot be read is set
// aside and survived.
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

// Format is the version of the format that is written. Versions 1 and 2 are read too. A file of a later version is set aside: it may
// hold what this program would not restore.
const Format = 3

// MaxSize is the longest journal that is read, in bytes; a real one has a few
// thousand.
const MaxSize = 1 << 20

// MostGeneration is the highest generation that is believed: nobody has been
// told to be active that often, and there has to be one more.
const MostGeneration = 1 << 52

// An Entry is a whole journal.
type Entry struct {
	Format     int       `json:"version"`
	Node       string    `json:"node"`
	Generation uint64    `json:"generation"`
	Sequence   uint64    `json:"sequence"` // counts the saves of all generations
	SavedAt    time.Time `json:"saved_at"`
	Records

	// What the node that publishes it on its topic is. The file does not say.
	Alone  bool `json:"alone,omitempty"`   // none of a pair
	DryRun bool `json:"dry_run,omitempty"` // it commands nothing
}

// Join is what both journals know, as of the later save.
func (e Entry) Join(o Entry) Entry {
	if later := cmp.Or(o.SavedAt.Compare(e.SavedAt), cmp.Compare(o.Node, e.Node)); later > 0 {
		e, o = o, e
	}
	return Entry{
		Node: e.Node, SavedAt: e.SavedAt, Generation: max(e.Generation, o.Generation), Sequence: max(e.Sequence, o.Sequence),
		Records: e.Records.Join(o.Records),
	}
}

// Encode writes e as it stands in the file and on the topic.
func Encode(e Entry) ([]byte, error) {
	e.Format = Format
	return json.Marshal(e)
}

// Decode reads an entry. Errors say why it cannot be used.
func Decode(b []byte) (Entry, error) {
	var head struct {
		Format int `json:"version"`
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
	var e Entry
	var err error
	switch head.Format {
	case 1:
		e, err = version1(b)
	case 2:
		e, err = version2(b)
	case Format:
		err = json.Unmarshal(b, &e)
	default:
		return Entry{}, fmt.Errorf("it has version %d; this program reads up to %d", head.Format, Format)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("it is not a journal: %w", err)
	}
	if e.Generation > MostGeneration || e.Sequence > MostGeneration {
		return Entry{}, fmt.Errorf("its generation %d or its sequence %d cannot be", e.Generation, e.Sequence)
	}
	if err := errors.Join(e.check(), plausible(reflect.ValueOf(e))); err != nil {
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
	for part := range devices.Parts(v) {
		if err := plausible(part); err != nil {
			return err
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

	last   Entry            // all that is known
	writer string           // of this life's saves; empty: there is none yet
	stored bool             // last is on the disk
	told   bool             // last was given to the caller of Save
	safe   *rules.Persisted // what was saved last; nil: unknown
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
	j.last, j.stored, j.told, j.safe = e, true, true, nil
	return e, true, nil
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

// Reread takes in the copy of the other node's journal, if there is one that says
// something new. One that cannot be read is left alone: the next copy replaces it.
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

// Adopt takes in an entry that came from elsewhere, such as the retained one of the
// other node, record by record. It returns what is to go on from; ok is false when that
// is nothing new.
func (j *Journal) Adopt(e Entry) (out Entry, ok bool) {
	joined := j.last.Join(e)
	ok = !joined.same(j.last.Records)
	if j.last = joined; ok {
		j.stored, j.told, j.safe = false, false, nil
	}
	return joined, ok
}

// Save makes k safe under generation. It does nothing when k is what is safe
// already. It returns the newest entry; fresh says that it is a new one, for
// the topic, which it is even if it cannot be written.
func (j *Journal) Save(k rules.Persisted, generation uint64) (e Entry, fresh bool, err error) {
	if j.stored && j.safe != nil && j.safe.Same(k) {
		return j.last, false, nil // as nearly always
	}
	return j.save(k, generation)
}

// save is Save of what may have changed. It keeps k, and so is no part of Save, which is
// called at each step.
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

// Writes is how often the journal was written.
func (j *Journal) Writes() int { return j.writes }

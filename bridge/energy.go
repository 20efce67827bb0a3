package bridge

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"powermgr/devices"
)

// Energy keeps lifetime counters for a vendor that provides none: from power, and from
// the vendor's history if there is one. They never fall. They are stored in three
// places: often on the ramdisk, a few times a day on the disk, and with each reading at
// the broker.
type Energy struct {
	Ramdisk Store // nil: not stored there
	Disk    Store // nil: not stored there
	Log     *slog.Logger
	// Gap is the longest time between two readings over which energy is counted: nobody
	// knows what happened in a longer one. Zero: 15 minutes.
	Gap time.Duration
	// Location is the home's: history comes by local day. Nil: UTC.
	Location *time.Location

	book        book
	loaded      bool
	stored      counters  // what the broker was last seen to have
	storedAt    time.Time // as of when; zero: nothing was seen
	diskSavedAt time.Time // when the counters were last saved to the disk
	onDiskAsOf  time.Time // of the measurement that was last saved to the disk
	failing     bool
}

// energyKey is the key of the counters in a Store.
const energyKey = "energy"

// counters are lifetime energies.
type counters struct {
	GridImport devices.WattHours `json:"grid_import_kwh"`
	GridExport devices.WattHours `json:"grid_export_kwh"`
	Solar      devices.WattHours `json:"solar_kwh"`
	BatteryIn  devices.WattHours `json:"battery_in_kwh"`
	BatteryOut devices.WattHours `json:"battery_out_kwh"`
	Home       devices.WattHours `json:"home_kwh"`
}

func (c *counters) all() [6]*devices.WattHours {
	return [...]*devices.WattHours{&c.GridImport, &c.GridExport, &c.Solar, &c.BatteryIn, &c.BatteryOut, &c.Home}
}

func (c counters) max(o counters) counters {
	for i, v := range c.all() {
		*v = max(*v, *o.all()[i])
	}
	return c
}

// possible reports whether a home can have counted that much.
func (c counters) possible() bool {
	for _, v := range c.all() {
		if !(*v >= 0 && *v <= maxCounted) {
			return false
		}
	}
	return true
}

// maxCounted is more than any home has used: a thousand years of it.
const maxCounted devices.WattHours = 1e10

// countersOf returns the counters in a reading, in the order of counters.all.
func countersOf(r *devices.PowerwallReading) [6]**devices.WattHours {
	return [...]**devices.WattHours{&r.GridImport, &r.GridExport, &r.Solar, &r.BatteryIn, &r.BatteryOut, &r.Home}
}

// measured returns the power flows of a reading.
func measured(r devices.PowerwallReading) measurement {
	part := func(w *devices.Watts, sign devices.Watts) *float64 {
		if w == nil {
			return nil
		}
		return new(max(0, float64(sign**w)))
	}
	return measurement{At: r.AsOf().Round(0), Power: [...]*float64{
		part(r.GridPower, 1), part(r.GridPower, -1), part(r.SolarPower, 1), part(r.BatteryPower, -1), part(r.BatteryPower, 1), part(r.HomePower, 1),
	}}
}

const (
	diskInterval             = 6 * time.Hour // between saves to the disk while nothing happens
	diskIntervalAfterCommand = 2 * time.Hour // when a command has caused the disk to be written anyway
)

// Add takes in the power of r, and fills in the counters of r that the vendor has not
// provided.
func (e *Energy) Add(r *devices.PowerwallReading) {
	e.load()
	e.book.measure(measured(*r), r.PolledAt, cmp.Or(e.Gap, 15*time.Minute))
	e.book.close(r.PolledAt.In(e.location()))
	now := e.book.show()
	for i, to := range countersOf(r) {
		if *to == nil {
			*to = new(*now.all()[i])
		}
	}
	e.save(r.PolledAt)
}

// HistoryDue returns a local day whose history is to be read at now; ok is false if
// there is none. Today's is due at every interval.
func (e *Energy) HistoryDue(now time.Time, every time.Duration) (day time.Time, ok bool) {
	e.load()
	return e.book.historyDue(now.In(e.location()), every)
}

// AddHistory takes in the history of day, as read at now.
func (e *Energy) AddHistory(history []devices.EnergyBucket, day, now time.Time) {
	e.load()
	e.book.addHistory(history, day, now)
}

// Recall takes in the counters of a reading that the broker has from an earlier process
// or from the other node, and raises those of shown, this process's last reading, that
// are behind. It reports whether it raised any; shown may be nil.
func (e *Energy) Recall(stored devices.PowerwallReading, shown *devices.PowerwallReading, now time.Time) (raised bool) {
	var c counters
	for i, from := range countersOf(&stored) {
		if v := *from; v != nil && *v >= 0 && *v <= maxCounted {
			*c.all()[i] = *v
		}
	}
	e.stored, e.storedAt = e.stored.max(c), now.Round(0)
	if at := stored.AsOf().Round(0); !at.IsZero() {
		e.storedAt = minTime(at, e.storedAt)
	}
	if !e.loaded {
		return false
	}
	e.book.recall(e.stored, e.storedAt)
	if shown == nil {
		return false
	}
	is := e.book.show()
	for i, to := range countersOf(shown) {
		if v := *is.all()[i]; *to != nil && **to < v {
			*to, raised = new(v), true
		}
	}
	return raised
}

func (e *Energy) location() *time.Location { return cmp.Or(e.Location, time.UTC) }

// kept is what a Store holds: the book, and the counters as published, which is all
// that earlier versions stored.
type kept struct {
	counters
	Book *keptBook `json:"book,omitempty"`
}

type keptBook struct {
	book
	Row row `json:"buckets,omitempty"`
}

// open returns the book; closed is what other books have closed, for a version that
// stored none.
func (k kept) open(closed counters) (b book, err error) {
	b.Closed = k.counters.max(closed)
	if k.Book != nil {
		b = k.Book.book
		b.Buckets, err = k.Book.Row.buckets()
	}
	b.Shown = k.counters
	if err == nil && !(k.possible() && b.sound()) {
		err = errors.New("they cannot be true")
	}
	return b, err
}

// load continues from the latest of what the two stores and the broker have.
func (e *Energy) load() {
	if e.loaded {
		return
	}
	e.loaded, e.onDiskAsOf, e.book = true, time.Time{}, book{}
	for i, s := range []Store{e.Ramdisk, e.Disk} {
		if s == nil {
			continue
		}
		var k kept
		var b book
		err := s.Load(energyKey, &k)
		if err == nil {
			b, err = k.open(e.book.Closed)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			e.Log.Warn("the energy counters kept earlier cannot be read", "reason", err)
			continue
		}
		if i == 1 {
			e.onDiskAsOf = b.Last.At
		}
		e.book = e.book.later(b)
	}
	e.diskSavedAt = e.onDiskAsOf // never: as soon as there is something to save
	if !e.storedAt.IsZero() {
		e.book.recall(e.stored, e.storedAt)
	}
}

func (e *Energy) saveTo(s Store) error {
	return s.Save(energyKey, kept{e.book.Shown, &keptBook{e.book, rowOf(e.book.Buckets)}})
}

func (e *Energy) save(now time.Time) {
	var err error
	if e.Ramdisk != nil {
		err = e.saveTo(e.Ramdisk)
	}
	if now.Sub(e.diskSavedAt).Abs() >= diskInterval { // either way: the clock may have been wrong
		e.diskSavedAt = now
		err = errors.Join(err, e.saveToDisk())
	}
	e.noteSave(err)
}

// AfterCommand is called when a command was carried out at now: the journal is written
// about then, so the counters are saved to the disk as well.
func (e *Energy) AfterCommand(now time.Time) {
	if e.loaded && now.Sub(e.diskSavedAt) >= diskIntervalAfterCommand {
		e.diskSavedAt = now
		e.noteSave(e.saveToDisk())
	}
}

// StandBy saves the counters to the disk, for whoever continues them. They are loaded
// again when this node counts again.
func (e *Energy) StandBy() {
	if e.loaded {
		e.noteSave(e.saveToDisk())
	}
	e.loaded = false // the other node may go on with them
}

func (e *Energy) saveToDisk() error {
	if e.Disk == nil || e.book.Last.At.Equal(e.onDiskAsOf) {
		return nil
	}
	if err := e.saveTo(e.Disk); err != nil {
		return err
	}
	e.onDiskAsOf = e.book.Last.At
	return nil
}

// noteSave logs once that the counters cannot be saved.
func (e *Energy) noteSave(err error) {
	if failing := err != nil; failing != e.failing {
		e.failing = failing
		if failing {
			e.Log.Warn("the energy counters cannot be kept", "reason", err)
		}
	}
}

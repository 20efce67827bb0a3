package bridge

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"powermgr/devices"
)

// Energy integrates lifetime counters from power, for a vendor that gives
// none. They never fall, and what they were is kept twice: often on the
// ramdisk, and a few times a day on the disk.
type Energy struct {
	Often  Store // the ramdisk; nil: not kept there
	Safely Store // the disk; nil: not kept there
	Log    *slog.Logger
	// Gap is the longest time between two readings that is bridged: over a
	// longer one nobody knows what happened. Zero: 15 minutes.
	Gap time.Duration

	counters counters
	onDisk   counters // as they were last saved safely
	loaded   bool
	last     devices.PowerwallReading
	saved    time.Time // safely
	failing  bool
}

// energyKey is where a Store has the counters.
const energyKey = "energy"

type counters struct {
	GridImport devices.WattHours `json:"grid_import_kwh"`
	GridExport devices.WattHours `json:"grid_export_kwh"`
	Solar      devices.WattHours `json:"solar_kwh"`
	BatteryIn  devices.WattHours `json:"battery_in_kwh"`
	BatteryOut devices.WattHours `json:"battery_out_kwh"`
	Home       devices.WattHours `json:"home_kwh"`
}

const (
	safelyEvery = 6 * time.Hour // in quiet times
	safelyBusy  = 2 * time.Hour // when the disk is written to anyway, since something was commanded
)

// Add puts the counters as of r into r, where the vendor has not.
func (e *Energy) Add(r *devices.PowerwallReading) {
	if !e.loaded {
		e.load(r.PolledAt)
	}
	if gap := r.PolledAt.Sub(e.last.PolledAt); gap > 0 && gap <= cmp.Or(e.Gap, 15*time.Minute) {
		hours := gap.Hours()
		into := func(to *devices.WattHours, a, b *devices.Watts, sign devices.Watts) {
			if a != nil && b != nil {
				*to += devices.WattHours(float64(max(0, sign**a)+max(0, sign**b)) / 2 * hours)
			}
		}
		c := &e.counters
		into(&c.GridImport, e.last.GridPower, r.GridPower, 1)
		into(&c.GridExport, e.last.GridPower, r.GridPower, -1)
		into(&c.Solar, e.last.SolarPower, r.SolarPower, 1)
		into(&c.BatteryOut, e.last.BatteryPower, r.BatteryPower, 1)
		into(&c.BatteryIn, e.last.BatteryPower, r.BatteryPower, -1)
		into(&c.Home, e.last.HomePower, r.HomePower, 1)
	}
	e.last = *r
	for _, f := range []struct {
		to   **devices.WattHours
		from devices.WattHours
	}{
		{&r.GridImport, e.counters.GridImport}, {&r.GridExport, e.counters.GridExport}, {&r.Solar, e.counters.Solar},
		{&r.BatteryIn, e.counters.BatteryIn}, {&r.BatteryOut, e.counters.BatteryOut}, {&r.Home, e.counters.Home},
	} {
		if *f.to == nil {
			*f.to = devices.Pointer(f.from)
		}
	}
	e.save(r.PolledAt)
}

// load takes the larger of what the two stores have.
func (e *Energy) load(now time.Time) {
	e.loaded, e.saved = true, now
	for _, s := range []Store{e.Often, e.Safely} {
		if s == nil {
			continue
		}
		var c counters
		switch err := s.Load(energyKey, &c); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			e.Log.Warn("the energy counters kept earlier cannot be read", "reason", err)
		default:
			e.counters = c.max(e.counters)
		}
	}
	e.onDisk = e.counters
}

func (c counters) max(o counters) counters {
	return counters{
		GridImport: max(c.GridImport, o.GridImport), GridExport: max(c.GridExport, o.GridExport), Solar: max(c.Solar, o.Solar),
		BatteryIn: max(c.BatteryIn, o.BatteryIn), BatteryOut: max(c.BatteryOut, o.BatteryOut), Home: max(c.Home, o.Home),
	}
}

func (e *Energy) save(now time.Time) {
	var err error
	if e.Often != nil {
		err = e.Often.Save(energyKey, e.counters)
	}
	if now.Sub(e.saved) >= safelyEvery {
		e.saved = now
		err = errors.Join(err, e.saveSafely())
	}
	e.note(err)
}

// Busy is told when a command was carried out at now: the journal is written
// about then, so the counters are made safe as well.
func (e *Energy) Busy(now time.Time) {
	if e.loaded && now.Sub(e.saved) >= safelyBusy {
		e.saved = now
		e.note(e.saveSafely())
	}
}

// Rest saves the counters safely: nothing is added for a while, by this node.
func (e *Energy) Rest() {
	if e.loaded {
		e.note(e.saveSafely())
	}
	e.loaded, e.last = false, devices.PowerwallReading{} // the other node may go on with them
}

func (e *Energy) saveSafely() error {
	if e.Safely == nil || e.counters == e.onDisk {
		return nil
	}
	if err := e.Safely.Save(energyKey, e.counters); err != nil {
		return err
	}
	e.onDisk = e.counters
	return nil
}

// note says once that the counters cannot be kept.
func (e *Energy) note(err error) {
	if failing := err != nil; failing != e.failing {
		e.failing = failing
		if failing {
			e.Log.Warn("the energy counters cannot be kept", "reason", err)
		}
	}
}

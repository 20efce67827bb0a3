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
// none. They never fall, and what they were is kept three times: often on the
// ramdisk, a few times a day on the disk, and by the broker, with each reading.
type Energy struct {
	Often  Store // the ramdisk; nil: not kept there
	Safely Store // the disk; nil: not kept there
	Log    *slog.Logger
	// Gap is the longest time between two readings that is bridged: over a
	// longer one nobody knows what happened. Zero: 15 minutes.
	Gap time.Duration

	counters counters
	onDisk   counters // as they were last saved safely
	stored   counters // the highest that the broker was seen to have
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
	// From measurement to measurement: one that is only read again tells nothing.
	gap := r.AsOf().Sub(e.last.AsOf())
	if gap > 0 && gap <= cmp.Or(e.Gap, 15*time.Minute) {
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
	if gap > 0 || r.PolledAt.Before(e.last.PolledAt) { // or the clock was set back
		e.last = *r
	}
	for i, to := range countersOf(r) {
		if *to == nil {
			*to = devices.Pointer(*e.counters.all()[i])
		}
	}
	e.save(r.PolledAt)
}

// Recall takes in the counters of a reading that the broker has from an earlier
// process or from the other node, and raises those of shown, the last reading of
// this process, that are behind. It reports whether there are any; shown may be
// nil.
func (e *Energy) Recall(stored devices.PowerwallReading, shown *devices.PowerwallReading) (raised bool) {
	for i, from := range countersOf(&stored) {
		if v := *from; v != nil && *v >= 0 && *v <= mostCounted {
			*e.stored.all()[i] = max(*e.stored.all()[i], *v)
		}
	}
	if !e.loaded || shown == nil {
		return false
	}
	e.counters = e.counters.max(e.stored)
	for i, to := range countersOf(shown) {
		if now := *e.counters.all()[i]; *to != nil && **to < now {
			*to, raised = devices.Pointer(now), true
		}
	}
	return raised
}

// mostCounted is more than any home has used: a thousand years of it.
const mostCounted devices.WattHours = 1e10

// countersOf are the counters in a reading, in the order of counters.all.
func countersOf(r *devices.PowerwallReading) [6]**devices.WattHours {
	return [...]**devices.WattHours{&r.GridImport, &r.GridExport, &r.Solar, &r.BatteryIn, &r.BatteryOut, &r.Home}
}

func (c *counters) all() [6]*devices.WattHours {
	return [...]*devices.WattHours{&c.GridImport, &c.GridExport, &c.Solar, &c.BatteryIn, &c.BatteryOut, &c.Home}
}

// load takes the largest of what the two stores and the broker have.
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
	e.counters = e.counters.max(e.stored)
}

func (c counters) max(o counters) counters {
	for i, v := range c.all() {
		*v = max(*v, *o.all()[i])
	}
	return c
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

package simulation

// I13: figures that the battery cannot have had decide nothing.

import (
	"time"

	"powermgr/control"
	"powermgr/control/rules"
)

// figures are the real charges of the battery, and what was concluded from them.
type figures struct {
	charges []charge
	said    charge           // the charge in the last reading, and when it was measured
	latched map[float64]bool // thresholds, by their level, in this event
}

type charge struct {
	at      time.Time
	percent float64
}

// capacity is the capacity of the emulated battery, in Wh.
const capacity = 13_500

// lately is the greatest age of a charge that a decision may be based on.
const lately = 45 * time.Minute

// see notes the energy in the battery.
func (f *figures) see(storedWh float64) {
	now := time.Now()
	for len(f.charges) > 0 && now.Sub(f.charges[0].at) > lately {
		f.charges = f.charges[1:]
	}
	f.charges = append(f.charges, charge{now, storedWh / capacity * 100})
}

// says notes the charge in a reading. Two consecutive readings that agree have to be
// believed, whatever the real charge is.
func (f *figures) says(percent float64, asOf time.Time) {
	if !asOf.After(f.said.at) {
		return // it repeats the last one
	}
	if !f.said.at.IsZero() {
		f.charges = append(f.charges, charge{time.Now(), max(percent, f.said.percent)})
	}
	f.said = charge{asOf, percent}
}

// judgeLatches judges the thresholds that count from now on: the battery has to have
// been as low as each of them.
func (w *oracle) judgeLatches(s control.State) {
	// A threshold that counts in a peak counts for the whole peak, whatever an override
	// says.
	if s.Phase == rules.OffPeak && w.scheduled(time.Now()) == rules.OffPeak || w.figures.latched == nil {
		w.figures.latched = map[float64]bool{}
	}
	for _, l := range s.Latched {
		if w.figures.latched[l.LevelPercent] {
			continue
		}
		w.figures.latched[l.LevelPercent] = true
		low := 100.0
		for _, c := range w.figures.charges {
			low = min(low, c.percent)
		}
		if len(w.figures.charges) > 0 && low > l.LevelPercent+2 && w.jumped.IsZero() && !w.apart(time.Now()) {
			w.broken(I13, "the threshold at %d %% counts; the battery has had no less than %.0f %%", int(l.LevelPercent), low)
		}
	}
}

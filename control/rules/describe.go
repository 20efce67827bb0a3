package rules

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"powermgr/devices"
)

// This file fills in what people see of a decision.

// describe fills in what people see.
func (st *step) describe() {
	d, p := &st.d, st.plan
	d.Plan, d.OffsetF, d.ComfortIdle = p, st.offsetF(), st.comfortIdle()
	if c := st.comfort(); c != nil {
		d.Comfort = c.Why
	}
	if p.Phase == InPeak {
		left := p.Peak.End.Sub(st.now)
		d.Left = &left
		for _, t := range st.Settings.Thresholds {
			if slices.Contains(st.Persisted.Latched, int(t.Left/time.Minute)) {
				d.Latched = append(d.Latched, t)
			}
		}
	}
	st.describeBattery()
	for _, id := range slices.Sorted(maps.Keys(st.Persisted.Thermostats)) {
		st.describeThermostat(id)
	}
	d.Reason, d.Why = st.reason(), st.why()
	st.judgeCommands()
	st.judgeJournal()
	st.wakes()
}

// describeBattery fills in who has the battery.
func (st *step) describeBattery() {
	d, k := &st.d, st.Persisted.Battery
	if k.AtPeak && !st.neverAccepted() {
		o := Owned{Target: Powerwall, Name: "Powerwall", What: "reserve", Until: st.plan.Until}
		if !st.holds() {
			o.What = string(Restore)
			if st.Battery != nil {
				o.Waits = st.Battery.owner()
			}
		}
		d.Owned = append(d.Owned, o)
	}
	if k.Choice != nil {
		d.Yielded = append(d.Yielded, Owned{Target: Powerwall, Name: "Powerwall", What: k.Choice.What, Until: st.yieldedUntil(k.Choice.At)})
	}
}

// describeThermostat fills in who has a thermostat.
func (st *step) describeThermostat(id string) {
	d, h := &st.d, st.Persisted.Thermostats[id]
	if claim := h.Claim; claim != nil && !claim.yields() && (claim.Mode == "" || h.Choice == nil && claim.Mode != devices.Off) {
		until := st.plan.Until
		if claim.Wanted.Hold == devices.HoldUntil {
			until = claim.Wanted.Until
		}
		o := Owned{Target: id, Name: st.nameOf(id), What: string(claim.Kind), Until: until}
		if st.wantedGoal(id) == Restore {
			o.What = string(Restore)
		}
		if t := st.Thermostats[id]; o.What == string(Restore) && t.Alive {
			o.Waits = t.owner()
		}
		d.Owned = append(d.Owned, o)
	}
	if h.Choice != nil {
		d.Yielded = append(d.Yielded, Owned{Target: id, Name: st.nameOf(id), What: h.Choice.What, Until: st.yieldedUntil(h.Choice.At)})
	}
}

// reason returns the reason of the level that decided about the battery, or else what
// determines the phase.
func (st *step) reason() Reason {
	switch {
	case st.d.Reason != "":
		return st.d.Reason
	case st.Persisted.Override.Kind != "":
		return ByOverride
	case st.Persisted.Disabled:
		return ByDisabled
	}
	return BySchedule
}

// why returns the reason in one sentence.
func (st *step) why() string {
	why := st.phaseText()
	switch shown, wanted, failure := st.reserveNotDone(); {
	case failure != "":
		why += fmt.Sprintf("; reserve %d %%, should be %d %%", shown, wanted)
	case st.d.Why != "":
		why += "; " + st.d.Why
	}
	if st.d.OffsetF > 0 {
		why += "; setback " + devices.Fahrenheit.Difference(st.Settings.Unit, math.Round(st.d.OffsetF))
	}
	return why
}

// judgeJournal reports the problem that the journal cannot be written.
func (st *step) judgeJournal() {
	if !st.Unwritable {
		st.clearNote("journal")
		return
	}
	st.problem(NoJournal, "the journal cannot be written: no setback or precooling starts, because it could not be undone; check the disk")
	st.noteOnce("journal", NoteProblem, "", "the journal cannot be written: no new setback or precooling starts, because it could not be undone")
}

// neverAccepted reports whether the vendor has refused the reserve of this peak and the
// battery still shows what it had before: the rules have changed nothing there.
func (st *step) neverAccepted() bool {
	k, b, p := st.Persisted.Battery, st.Battery, st.Pending[Powerwall]
	return p.Tries > 0 && !p.Ignored && !p.Unknown && !k.Confirmed && len(k.own()) == 0 &&
		b != nil && b.Reserve != nil && k.Before.Reserve != nil && *b.Reserve == *k.Before.Reserve && st.holds()
}

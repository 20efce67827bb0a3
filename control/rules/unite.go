package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

// Two nodes of a pair that do not see each other may both change a record. The record
// with the higher version counts, and With adds what it cannot know: what the other node
// has set on the device, and what a person has told that node since. The next reading
// shows whether that is still in force.

// With returns r with what another record of the home says that r cannot know: what
// people asked for last, and a window or a peak that began later.
func (r HomeRecord) With(o HomeRecord) HomeRecord {
	if o.LastUserInput.After(r.LastUserInput) {
		r.Disabled, r.Override, r.Strategy, r.ByHand, r.LastUserInput = o.Disabled, o.Override, o.Strategy, o.ByHand, o.LastUserInput
	}
	if o.Window != nil && o.Window.Start.After(r.lastWindow()) {
		r.Window, r.Comfort = o.Window, o.Comfort
	}
	switch {
	case o.PeakEnd.After(r.PeakEnd):
		r.PeakEnd, r.PeakOver, r.Latched = o.PeakEnd, o.PeakOver, o.Latched
	case o.PeakEnd.Equal(r.PeakEnd):
		r.PeakOver, r.Latched = r.PeakOver || o.PeakOver, unitedThresholds(r.Latched, o.Latched)
	}
	return r
}

// lastWindow returns when the last window on record began, or a time that is not before its
// beginning.
func (r HomeRecord) lastWindow() time.Time {
	if r.Window != nil {
		return r.Window.Start
	}
	return r.PeakEnd
}

// unitedThresholds returns the thresholds that are in either of two lists.
func unitedThresholds(a, b []int) []int {
	all := slices.Clone(a)
	for _, minutes := range b {
		if !slices.Contains(all, minutes) {
			all = append(all, minutes)
		}
	}
	return all
}

// With returns k with what another record of the same battery says that k cannot know.
// The later of two writes counts, and so does a person's latest choice, whichever node
// has seen it.
func (k BatteryRecord) With(o BatteryRecord) BatteryRecord {
	if o.Choice.since(k.Choice, k.WrittenAt) {
		k, o = o, k
	}
	flights := united(k.Flights, o.Flights)
	if k.Choice == nil && o.WrittenAt.After(k.WrittenAt) {
		k.Writes, k.ShownAt = o.Writes, o.ShownAt
	}
	k.AtPeak, k.Flights = k.AtPeak || o.AtPeak, flights
	return k
}

// since reports whether a choice was made after another one and after a write.
func (t *Choice) since(o *Choice, written time.Time) bool {
	return t != nil && t.At.After(written) && (o == nil || t.At.After(o.At))
}

// With returns h with what another record of the same thermostat says that h cannot know.
// Of two claims the later one counts; if its baseline was set by the other node, that
// node's baseline counts. So does a person's latest choice, whichever node has seen it.
func (h ThermostatRecord) With(o ThermostatRecord) ThermostatRecord {
	if o.Choice.since(h.Choice, h.LastWrite) {
		h, o = o, h
	}
	switch {
	case o.Claim == nil:
		return h
	case h.Claim == nil:
		h.Claim, h.Window, h.Baseline = o.Claim, o.Window, nil
	default:
		claim := h.Claim.with(*o.Claim)
		h.Claim = &claim
	}
	if o.LastWrite.After(h.LastWrite) {
		h.LastWrite = o.LastWrite
	}
	return h
}

// with returns the later of two claims on a thermostat, with the writes of both.
func (claim Claim) with(o Claim) Claim {
	later, earlier := claim, o
	if earlier.WrittenAt.After(later.WrittenAt) {
		later, earlier = earlier, later
	}
	if devices.SameRequest(later.Baseline.Setting, earlier.Wanted, later.Baseline.Mode) {
		later.Baseline = earlier.Baseline
	}
	if later.Confirmed {
		return later // a reading has shown it after everything that was sent before
	}
	later.Flights = united(later.Flights, earlier.own())
	return later
}

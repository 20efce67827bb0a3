package rules

import (
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// readThermostat applies a reading: why the thermostat shows what it shows, and what the
// table says follows from that.
func (st *step) readThermostat(id string, t Thermostat) {
	prev := st.Thermostats[id]
	t, complete := st.completed(id, t, prev)
	st.Thermostats = with(st.Thermostats, id, t)
	if !complete {
		return
	}
	if t.owner() != "" {
		st.transitionThermostat(id, t, ThermostatLedger{Record: st.Persisted.Thermostats[id], Before: prev})
		return
	}
	st.expire(id, t.Polled)
	l := st.thermostatLedger(id, t, prev)
	if !st.hasRead(id) {
		st.ReadSinceStart = with(st.ReadSinceStart, id, t.Polled)
	}
	if c := st.transitionThermostat(id, t, l); (c == ModeMoved || c == ModeUndone) && !st.doubted(id) {
		l.Record = st.Persisted.Thermostats[id]
		st.transitionThermostat(id, t, l)
	}
}

// hasRead reports whether the thermostat's own setting was read since the start.
func (st *step) hasRead(id string) bool { return !st.ReadSinceStart[id].IsZero() }

// completed returns a reading with the values that it leaves out filled in, and whether
// it says everything that it has to.
func (st *step) completed(id string, t, prev Thermostat) (Thermostat, bool) {
	usual := prev.Hold
	if usual == devices.HoldVacation {
		usual = st.BeforeSuspension[id].Hold // a thermostat without holds has none again
	}
	if !t.Alive || !t.complete(usual) {
		// The values of a device that does not answer are old.
		if !prev.Polled.IsZero() {
			t.Setting, t.Mode, t.Holds = prev.Setting, prev.Mode, prev.Holds
		}
		t.Shown = prev.Shown
		return t, false
	}
	t.Shown = t.Polled
	// A set point that the mode does not use and that the vendor leaves out is unchanged:
	// it is part of what the thermostat is restored to.
	if t.Cool == nil && !t.Mode.Cools() {
		t.Cool = prev.Cool
	}
	if t.Heat == nil && !t.Mode.Heats() {
		t.Heat = prev.Heat
	}
	return t, true
}

// complete reports whether a reading says everything that it has to about the setting. usual
// is the hold in an earlier reading of the same thermostat.
func (t Thermostat) complete(usual devices.Hold) bool {
	return t.Mode != "" && (!t.Mode.Cools() || t.Cool != nil) && (!t.Mode.Heats() || t.Heat != nil) && (t.Hold != "" || usual == "")
}

// expire stops waiting for a person's command when no answer to it can be expected any
// more.
func (st *step) expire(id string, polled time.Time) {
	h := st.Persisted.Thermostats[id]
	if h.Claim == nil {
		return
	}
	if c := h.Claim.commands(); len(c) > 0 && polled.Sub(c[0].At) >= devices.AnswerWithin {
		claim := h.Claim.withoutCommand()
		h.Claim = &claim
		st.keep(id, h)
	}
}

// thermostatLedger returns what can explain a reading. prev is the reading before.
func (st *step) thermostatLedger(id string, t, prev Thermostat) ThermostatLedger {
	st.recall(id)
	h := st.Persisted.Thermostats[id]
	if before, ok := st.BeforeSuspension[id]; ok {
		prev = before
		st.BeforeSuspension = without(st.BeforeSuspension, id)
	}
	l := ThermostatLedger{Record: h, Before: prev, First: t, ReadSinceStart: st.ReadSinceStart[id]}
	l.Underway = st.Pending[id].mayLand(t.Polled)
	l.Window = st.plan.Phase != OffPeak && slices.Contains(st.Settings.Thermostats, id)
	if !st.doubt.none() {
		l.Doubted, l.Before = st.doubt.Shown.at(st.doubt.Polled), st.doubt.Before.at(time.Time{})
		if l.Doubted.Mode == t.Mode && devices.SameRequest(l.Doubted.Setting, t.Setting, t.Mode) {
			l.First = l.Doubted
			l.First.Polled = devices.Earliest(t.Polled, st.doubt.Polled)
		}
	}
	if h.Claim == nil && l.ReadSinceStart.IsZero() && l.Doubted.Polled.IsZero() {
		l.Before = Thermostat{}
		if b := h.Baseline; b != nil { // it was restored before this process started
			l.Before = Thermostat{Mode: b.Mode, Setting: b.Setting, Period: t.Period}
		}
	}
	return l
}

// transitionThermostat makes the changes on record that the cause of a reading calls for.
func (st *step) transitionThermostat(id string, t Thermostat, l ThermostatLedger) Cause {
	h, c := l.Record, AttributeSetting(l, t)
	row, ok := thermostatTable.Next(h.tenure(st.Persisted.Window), c)
	if !ok || h.needsProof(c) && st.odd(id, Doubt{t.Polled, t.sight(), l.Before.sight()}) {
		return c // the next reading decides
	}
	switch row.Effect {
	case NoEffect:
	case SetAside:
		if _, ok := st.BeforeSuspension[id]; !ok && st.hasRead(id) {
			st.BeforeSuspension = with(st.BeforeSuspension, id, l.Before)
		}
	case Yield:
		st.yieldThermostat(id, l.choice(c, t))
	case YieldMode:
		st.switched(id, t, h, l.choice(c, t))
	case YieldPart:
		st.yieldThermostat(id, l.choice(c, t))
		st.owe(id, h, h.Claim.owed(t))
	case YieldOver, Choose:
		st.contest(id, t, h)
	case YieldHidden:
		st.contest(id, l.Doubted, h)
		st.record(id, PutBack, t)
	case Forget:
		st.forgetClaim(id, t, h)
	default:
		st.record(id, row.Effect, t)
	}
	return c
}

// needsProof reports whether the effect of a cause lasts so long that a single odd
// reading must not decide it.
func (h ThermostatRecord) needsProof(c Cause) bool {
	switch c {
	case Foreign, PartForeign:
		return true
	case ModeMoved:
		return h.Claim.Mode == ""
	case Crossing:
		return !h.Claim.Contested
	}
	return false
}

// choice says what a person chose.
func (l ThermostatLedger) choice(c Cause, t Thermostat) string {
	switch {
	case c == ChoiceEnded:
		return "set to " + l.Doubted.text()
	case c == ModeMoved:
		return fmt.Sprintf("mode changed from %s to %s", l.Record.Claim.mode(), t.Mode)
	case c == ModeUndone:
		return fmt.Sprintf("mode changed to %s, and back to %s by a command that was on its way: change it again", l.Doubted.Mode, t.Mode)
	case l.Record.Claim == nil:
		return changed(l.Before, t, l.First)
	}
	return "set to " + t.text()
}

// record carries out an effect that only changes the record of a thermostat.
func (st *step) record(id string, e Effect, t Thermostat) {
	h := st.Persisted.Thermostats[id]
	switch e {
	case ForgetBaseline:
		h.Baseline = nil
	case KeepChoice:
		h.Claim = nil
	case KeepPart:
		h.Claim = h.Claim.owed(t)
	default:
		h.Claim = h.Claim.after(e, t)
	}
	st.keep(id, h)
	switch e {
	case Confirm:
		st.clearNote("failed " + id)
		fallthrough
	case EndHold, Adopt:
		st.Pending = without(st.Pending, id)
	}
}

// after returns a claim as it is after an effect.
func (claim Claim) after(e Effect, t Thermostat) *Claim {
	if e == Confirm || e == Adopt || e == FollowPeriod {
		claim.Period = t.Period // from now on, a change within this period is a person's
	}
	switch e {
	case Confirm:
		claim.Confirmed, claim.Flights = true, nil
	case Adopt:
		claim.Wanted, claim.Baseline.Setting, claim.Confirmed, claim.Flights = t.Setting, t.Setting, true, nil
	case EndHold:
		if claim.Baseline.Hold != devices.HoldSchedule {
			claim.Baseline.Setting = t.Setting
		}
		claim.Wanted, claim.Confirmed, claim.Flights = devices.Setting{Hold: devices.HoldSchedule}, true, nil
	case Reclaim:
		claim.Before, claim.Confirmed = t.Setting, false
	case FollowMode:
		claim.Mode = t.Mode
	case PutBack:
		claim.Contested, claim.Confirmed, claim.Flights = false, true, nil
	}
	return &claim
}

// contest leaves a thermostat to a person who changed it while the last write was on its
// way. The write may land after their choice and replace it, so the choice becomes the
// baseline.
func (st *step) contest(id string, t Thermostat, h ThermostatRecord) {
	claim := *h.Claim
	if !claim.Contested {
		st.yieldThermostat(id, "set to "+t.text())
	}
	claim.Baseline, claim.Contested = Baseline{Setting: t.Setting, Mode: t.Mode}, true
	h = st.Persisted.Thermostats[id]
	h.Claim = &claim
	if h.Window.IsZero() {
		h.Window = claim.WrittenAt
	}
	st.keep(id, h)
}

// commanded reports whether a person's command for the thermostat is on its way.
func (claim Claim) commanded() bool { return len(claim.commands()) > 0 }

// yields reports whether it is not known yet if a person's choice stands.
func (claim Claim) yields() bool { return claim.Contested || claim.commanded() }

// withoutCommand returns the claim without waiting for a person's command.
func (claim Claim) withoutCommand() Claim {
	claim.Contested, claim.Flights = false, claim.own()
	return claim
}

// commanded leaves a thermostat to the person whose command for one of its settings is on
// its way. What the rules set there is remembered until the command has landed.
func (st *step) commanded(id, setting string) {
	before := st.Persisted.Thermostats[id]
	if claim := before.Claim; claim == nil || claim.Mode == "" || setting != "mode" || st.plan.Phase != OffPeak {
		st.yieldThermostat(id, "by command: "+setting)
	}
	if before.Claim == nil {
		return
	}
	h, claim := st.Persisted.Thermostats[id], before.Claim.withoutCommand()
	claim.Flights = append(claim.Flights, Flight{Sender: SentByPerson, At: devices.WholeSecond(st.now)})
	h.Claim = &claim
	if h.Window.IsZero() {
		h.Window = claim.WrittenAt
	}
	st.Persisted.Thermostats = with(st.Persisted.Thermostats, id, h)
}

// settled applies the end of a person's command for a setting. If it failed, what the
// rules set is restored; if it was carried out, only what it did not change is.
func (st *step) settled(id, setting string, applied bool) {
	h := st.Persisted.Thermostats[id]
	if h.Claim == nil || !h.Claim.commanded() && h.Claim.Mode == "" {
		return
	}
	claim := h.Claim.withoutCommand()
	h.Claim = &claim
	if applied {
		h.Claim = h.Claim.owedAfter(setting, st.Thermostats[id])
	}
	st.keep(id, h)
}

// yieldThermostat leaves a thermostat to the person who changed it.
func (st *step) yieldThermostat(id, what string) {
	h := st.Persisted.Thermostats[id]
	if h.Choice == nil {
		st.note(NoteYielded, id, "%s: %s; it is left alone%s", st.nameOf(id), what, st.until(st.yieldedUntil(st.now)))
	}
	h.Claim, h.Baseline = nil, nil
	if st.plan.Phase != OffPeak {
		h.Choice = &Choice{At: st.now, What: what}
	}
	st.Pending = without(st.Pending, id)
	st.keep(id, h)
}

func (st *step) nameOf(id string) string {
	if t, ok := st.Thermostats[id]; ok && t.Name != "" {
		return t.Name
	}
	return id
}

func (t Thermostat) text() string {
	text := ""
	if t.Mode.Cools() && t.Cool != nil {
		text += fmt.Sprintf("cool %.4g, ", *t.Cool)
	}
	if t.Mode.Heats() && t.Heat != nil {
		text += fmt.Sprintf("heat %.4g, ", *t.Heat)
	}
	if t.Hold != "" {
		return text + "hold " + string(t.Hold)
	}
	return text + string(t.Mode)
}

package rules

// Commands on their way: sent, answered, failed and retried.

import (
	"fmt"
	"strings"
	"time"

	"powermgr/devices"
)

// answer applies the answer to a command: one of the rules ends what is pending, a
// person's leaves the target to that person.
func (st *step) answer(a Answer) {
	st.count(a)
	p := st.Pending[a.Target]
	if p.ID == "" || p.ID != a.ID {
		st.answerToAnother(a, p.Overtaken)
		return
	}
	if !a.Final {
		p.Accepted = p.Accepted || a.Accepted
		st.Pending = with(st.Pending, a.Target, p)
		return
	}
	if a.Applied {
		p.Failed, p.Tries, p.Back = time.Time{}, 0, false
		p.ID = ""
		st.Pending = with(st.Pending, a.Target, p)
		st.clearNote("failed " + a.Target)
		return
	}
	if a.GaveWay {
		if !a.Accepted {
			st.refused(a.Target, p.Sent)
		}
		p.ID, p.Failed, p.Retry = "", st.now, st.now.Add(devices.GaveWayRetry)
		st.Pending = with(st.Pending, a.Target, p)
		return
	}
	p.Ignored, p.Unknown = a.Accepted && !a.Unknown, a.Unknown
	if !a.Accepted && !a.Unknown {
		st.refused(a.Target, p.Sent)
	}
	st.failed(a.Target, p, a.Reason)
}

// answerToAnother applies the answer to a command other than the pending one.
func (st *step) answerToAnother(a Answer, overtaken Overtaken) {
	switch {
	case OwnCommand(a.ID) && a.ID == overtaken.ID && a.Final && !a.Accepted && !a.Unknown:
		st.neverSent(a.Target)
	case OwnCommand(a.ID):
	case a.Final && a.Setting != fan:
		if a.Target == Powerwall && a.Setting == "reserve" && a.Applied {
			st.forgetWrites()
		}
		st.settled(a.Target, a.Setting, a.Applied)
	case a.Accepted:
		st.commandAccepted(a)
	}
}

// count tracks how many commands of people are on their way to a setting that the rules
// write.
func (st *step) count(a Answer) {
	c := st.Commanded[a.Target]
	switch {
	case OwnCommand(a.ID), a.Setting == fan, a.Target == Powerwall && a.Setting != "reserve":
	case !a.Final && a.Accepted:
		st.Commanded = with(st.Commanded, a.Target, Commanded{c.Open + 1, st.now})
	case a.Final && c.Open > 0:
		st.Commanded = with(st.Commanded, a.Target, Commanded{c.Open - 1, c.Last})
	}
}

// awaits reports whether a person's command is on its way to a target, or was accepted a
// moment ago. The bridge refuses commands of the rules for that long.
func (st *step) awaits(target string) bool {
	c := st.Commanded[target]
	until := c.Last.Add(devices.JustRead + time.Second) // the bridge still refuses one at the very end of that time
	if c.Open > 0 {
		until = c.Last.Add(devices.AnswerWithin)
	}
	st.wake(until)
	return st.now.Before(until)
}

// commandAccepted applies a person's command that the bridge has accepted.
func (st *step) commandAccepted(a Answer) {
	switch {
	case a.Target == Powerwall && (a.Setting == "reserve" || a.Setting == "mode"):
		st.yieldBattery("by command: " + a.Setting) // what the rules set stays on record until the command has landed
		if a.Setting == "reserve" {
			if st.Persisted.Battery.Wanted.Reserve != nil {
				st.Persisted.Battery.Choice.Reserve = nil // this command supersedes what the person chose before
			}
			st.command(a.Reserve)
		}
	case a.Target != Powerwall && a.Setting != fan:
		if st.plan.Phase != OffPeak || st.Persisted.Thermostats[a.Target].Claim != nil {
			st.commanded(a.Target, a.Setting)
		}
	}
}

// fan is the only setting of a thermostat that leaves everything else to the rules.
const fan = "fan"

// ownPrefix begins the ids of the commands of the rules, so that a late answer to one
// sent before a restart is not mistaken for an answer to a person's.
const ownPrefix = "control-"

// OwnCommand reports whether an id belongs to a command of the rules.
func OwnCommand(id string) bool { return strings.HasPrefix(id, ownPrefix) }

// NotSent begins the text of a NoteDryRun; what would have been sent follows.
const NotSent = "not sent, dry run: "

func (st *step) send(w Write) {
	p := st.Pending[w.Target]
	if st.Settings.DryRun {
		st.noteOnce("dry "+w.Target, NoteDryRun, w.Target, NotSent+"%s", w.Why)
		return
	}
	st.Sent++ // several commands can be sent at the same instant
	w.ID = fmt.Sprintf("%s%s-%d-%d", ownPrefix, w.Target, st.now.UnixMilli(), st.Sent)
	p.ID, p.Goal, p.Sent, p.Accepted, p.Failed = w.ID, w.Goal, st.now, false, time.Time{}
	st.Pending = with(st.Pending, w.Target, p)
	st.d.Writes = append(st.d.Writes, w)
}

// failed records that a command failed, and when it may be retried: sooner when the
// vendor could not be reached than when it accepted the command and did nothing, and
// soonest when the command restores something.
func (st *step) failed(target string, p Pending, reason string) {
	p.ID, p.Failed, p.Why = "", st.now, reason
	p.Tries++
	wait := devices.RefusedRetry << min(p.Tries-1, 4)
	switch {
	case p.Ignored:
		wait = devices.IgnoredRetry << min(p.Tries-1, 1)
	case p.Goal == Restore:
		wait = min(wait, devices.RestoreRetry)
	}
	if st.now.Sub(p.Sent) >= devices.RereadWithin {
		wait = max(wait, devices.RestoreRetry) // the bridge has already sent it several times
	}
	p.Retry = st.now.Add(wait)
	st.Pending = with(st.Pending, target, p)
	st.noteOnce("failed "+target, NoteProblem, target, "the command failed: %s", reason)
}

// reached reports whether the vendor has acknowledged the last command to target.
func (st *step) reached(target string) bool {
	p, ok := st.Pending[target]
	return ok && p.ID == "" && !st.lost(target)
}

// lost reports whether the last command to target may never have reached the vendor.
func (st *step) lost(target string) bool {
	p := st.Pending[target]
	return !p.Failed.IsZero() && !p.Ignored
}

// notDone says why target does not have what was last asked of it: the vendor refused it,
// or nothing came of it. It is empty if nothing has failed since a command was last
// carried out.
func (st *step) notDone(target string) string {
	if p := st.Pending[target]; p.Tries > 0 {
		return p.Why
	}
	return ""
}

// judgeCommands reports a problem for each device that does not have what was asked of
// it.
func (st *step) judgeCommands() {
	if shown, wanted, why := st.reserveNotDone(); why != "" {
		st.problem(NotDone, fmt.Sprintf("the reserve is %d %% instead of %d %%: %s", shown, wanted, why))
	}
	for _, id := range st.thermostatIDs() {
		claim, why := st.Persisted.Thermostats[id].Claim, st.notDone(id)
		if claim == nil || claim.Confirmed || why == "" || claim.shown(st.Thermostats[id]) {
			continue
		}
		st.problem(NotDone, fmt.Sprintf("%s does not have the setting that powermgr asked for: %s", st.nameOf(id), why))
	}
}

// reserveNotDone returns the reserve that the Powerwall shows instead of the wanted one,
// and why; why is empty if that is not the case.
func (st *step) reserveNotDone() (shown, wanted int, why string) {
	k, b := st.Persisted.Battery, st.Battery
	if b == nil || b.Reserve == nil || k.Wanted.Reserve == nil || k.Confirmed || k.Choice != nil || *b.Reserve == *k.Wanted.Reserve {
		return 0, 0, ""
	}
	return *b.Reserve, *k.Wanted.Reserve, st.notDone(Powerwall)
}

// read notes that target was read, and when it was read before. The first reading since a
// command failed says that the vendor answers again, so the command need not wait any
// longer. If it fails again, the vendor's silence was not the cause, and readings no
// longer bring it forward.
func (st *step) read(target string, before, polled time.Time) {
	p := st.Pending[target]
	if p.Failed.IsZero() || p.Ignored || p.Back || !before.Before(p.Sent) || polled.Sub(p.Failed) < devices.OutageOver {
		return
	}
	p.Retry, p.Back = devices.Earliest(p.Retry, st.now), true
	st.Pending = with(st.Pending, target, p)
}

// inFuture reports whether at, at which something was done, is in the future by the clock on
// the wall: it was set back since.
func (st *step) inFuture(at time.Time) bool { return at.Round(0).After(st.now.Round(0)) }

// mayRetry reports whether an unconfirmed write to target may be sent (again), and asks
// for a wake-up when it may. The goal is the current one: what was sent for a plan may
// have to be restored by now.
func (st *step) mayRetry(target string, goal Goal, lastRead time.Time) bool {
	p, ok := st.Pending[target]
	switch {
	case !ok:
		return true // the process that sent it is gone
	case p.ID != "":
		if st.now.Sub(p.Sent) >= devices.AnswerWithin {
			p.Ignored, p.Unknown = true, false
			st.failed(target, p, "there was no answer")
		}
		st.wake(p.Sent.Add(devices.AnswerWithin))
		st.wake(st.Pending[target].Retry)
		return false
	case st.inFuture(p.Sent), st.inFuture(p.Failed):
		return true // how long ago it was is not known, and the next try would wait for the old time
	case p.Failed.IsZero():
		// The answer said that the device shows it, but the reading says otherwise: the
		// next reading decides.
		return lastRead.After(p.Sent.Add(devices.ShownWithin))
	case st.now.Before(p.Retry):
		st.wake(p.Retry)
		return false
	}
	// A reading since then says that the vendor answers again; the reading that the
	// refusal was based on arrives together with the refusal. A vendor that limits reads
	// gives none for hours: a restoring write is retried without one, and less often if
	// it may have arrived.
	unread := devices.RestoreRetry
	if p.Ignored || p.Unknown {
		unread = devices.UnreadRetry
	}
	return lastRead.After(p.Failed.Add(-time.Second)) || goal == Restore && st.now.Sub(p.Failed) >= unread
}

package rules

// Commands on their way: sent, answered, failed and tried again.

import (
	"fmt"
	"strings"
	"time"
)

// answer folds the answer to a command: ours ends what is pending, a person's
// makes the target theirs.
func (st *step) answer(a Answer) {
	p, ours := st.Pending[a.Target]
	if ours = ours && p.ID != "" && p.ID == a.ID; !ours {
		switch {
		case Ours(a.ID):
		case a.Final && a.Setting != fan:
			if a.Target == Powerwall && a.Setting == "reserve" && a.Applied {
				st.disown()
			}
			st.settled(a.Target, a.Setting, a.Applied)
		case a.Accepted:
			st.asked(a)
		}
		return
	}
	if !a.Final {
		return
	}
	if a.Applied {
		p.Failed, p.Tries = time.Time{}, 0
		p.ID = ""
		st.Pending = with(st.Pending, a.Target, p)
		st.unsay("taken " + a.Target)
		return
	}
	if a.GaveWay {
		p.ID, p.Failed, p.Retry = "", st.now, st.now.Add(giveWay)
		st.Pending = with(st.Pending, a.Target, p)
		return
	}
	p.Ignored, p.Unknown = a.Accepted && !a.Unknown, a.Unknown
	st.failed(a.Target, p, a.Reason)
}

// asked is a person's command, accepted by the bridge.
func (st *step) asked(a Answer) {
	switch {
	case a.Target == Powerwall && (a.Setting == "reserve" || a.Setting == "mode"):
		st.takeBattery("by command: " + a.Setting) // what is ours there stays so until that has landed
		if a.Setting == "reserve" {
			st.Kept.Battery.Taken.Reserve = nil // it comes after what they chose before
		}
	case a.Target != Powerwall && a.Setting != fan:
		if st.plan.Phase != OffPeak || st.Kept.Homes[a.Target].Touch != nil {
			st.commanded(a.Target, a.Setting)
		}
	}
}

// fan is the one setting of a thermostat that leaves everything else ours.
const fan = "fan"

// ownPrefix begins the ids of our own commands, so that a late answer to one
// sent before a restart is not taken for a person's.
const ownPrefix = "control-"

// OwnCommand reports whether an id is of a command of the rules, and of nobody
// else's.
func OwnCommand(id string) bool { return strings.HasPrefix(id, ownPrefix) }

// Ours reports whether a command's id is one of the controller's.
func Ours(id string) bool { return strings.HasPrefix(id, ownPrefix) }

func (st *step) send(w Write) {
	p := st.Pending[w.Target]
	if st.Settings.DryRun {
		st.say("dry "+w.Target, NoteDryRun, w.Target, "not sent, dry run: %s", w.Why)
		return
	}
	st.Sent++ // several commands can leave at one instant
	w.ID = fmt.Sprintf("%s%s-%d-%d", ownPrefix, w.Target, st.now.UnixMilli(), st.Sent)
	p.ID, p.Goal, p.Sent, p.Failed = w.ID, w.Goal, st.now, time.Time{}
	st.Pending = with(st.Pending, w.Target, p)
	st.d.Writes = append(st.d.Writes, w)
}

// failed notes that a command did not come through, and when it may be tried
// again: sooner when the vendor could not be reached than when it accepted the
// command and did nothing, and soonest when it gives something back.
func (st *step) failed(target string, p Pending, reason string) {
	p.ID, p.Failed = "", st.now
	p.Tries++
	wait := time.Minute << min(p.Tries-1, 4)
	switch {
	case p.Ignored:
		wait = 10 * time.Minute << min(p.Tries-1, 1)
	case p.Goal == Restore:
		wait = min(wait, owedRetry)
	}
	p.Retry = st.now.Add(wait)
	st.Pending = with(st.Pending, target, p)
	st.say("taken "+target, NoteProblem, target, "the command did not come through: %s", reason)
}

// owedRetry is the longest that something which has to go back waits for the
// next try, and how long it waits for a reading before it goes without one.
const owedRetry = 5 * time.Minute

// outage is how long after a command came to nothing a reading has to be to say
// that the vendor has been away since.
const outage = 30 * time.Second

// read notes that target was read, and when it was before. The first reading
// since a command that did not come through says that the vendor answers again:
// the command need not wait any longer.
func (st *step) read(target string, before, polled time.Time) {
	p := st.Pending[target]
	if p.Failed.IsZero() || p.Ignored || !before.Before(p.Sent) || polled.Sub(p.Failed) < outage {
		return
	}
	p.Retry = earliest(p.Retry, st.now)
	st.Pending = with(st.Pending, target, p)
}

// giveWay is how long a command waits that gave way to a person's. The bridge
// refuses ours that long after theirs, and a reading is due before it.
const giveWay = 10 * time.Second

// overdue is how long a final answer may take: three writes, each read back
// for two and a half minutes.
const overdue = 10 * time.Minute

// mayRetry reports whether an unconfirmed write to target may be sent (again),
// and sees to it that there is a wake-up when it may.
func (st *step) mayRetry(target string, lastRead time.Time) bool {
	p, ok := st.Pending[target]
	switch {
	case !ok:
		return true // the process that sent it is gone
	case p.ID != "":
		if st.now.Sub(p.Sent) >= overdue {
			p.Ignored, p.Unknown = true, false
			st.failed(target, p, "there was no answer")
		}
		st.wake(p.Sent.Add(overdue))
		return false
	case p.Failed.IsZero():
		// Shown by the device, as the answer said, and yet the reading says
		// otherwise: the next reading decides.
		return lastRead.After(p.Sent.Add(2 * time.Minute))
	case st.now.Before(p.Retry):
		st.wake(p.Retry)
		return false
	}
	// A reading since then says that the vendor answers again; the one that the
	// refusal was about comes with it. A vendor that limits reads gives none for
	// hours: what surely did not arrive goes back without one.
	arrived := p.Ignored || p.Unknown
	return lastRead.After(p.Failed.Add(-time.Second)) || p.Goal == Restore && !arrived && st.now.Sub(p.Failed) >= owedRetry
}

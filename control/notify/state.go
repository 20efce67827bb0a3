package notify

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"powermgr/control/health"
	"powermgr/devices/durable"
)

// The part of the State that must survive a reboot, although the ramdisk does not:
// which faults were mailed, so that each of them and its end is mailed once; and
// critical messages that wait for a digest. It is written when one of these changes,
// a few times on a bad day.

// lasting returns that part of s. Two with the same mark differ only in words and
// figures that change while a fault lasts.
func (s State) lasting() (kept State, mark string) {
	kept = State{Faults: map[string]FaultRecord{}}
	marks := map[string]FaultRecord{}
	for key, t := range s.Faults {
		if t.Level == "" {
			continue
		}
		t.GoneSince = time.Time{} // it is looked for again
		kept.Faults[key] = t
		t.Fault = health.Fault{}
		marks[key] = t
	}
	held := Rate{Held: s.Rates[health.Critical].Held, Since: s.Rates[health.Critical].Since}
	if len(held.Held) > 0 {
		kept.Rates = map[health.Level]Rate{health.Critical: held}
	}
	b, err := json.Marshal([]any{marks, held})
	if err != nil {
		return kept, err.Error() // it cannot
	}
	return kept, string(b)
}

// saveLasting saves that part if it has changed.
func (n *Notifier) saveLasting() error {
	kept, mark := n.state.lasting()
	if n.LastingFile == "" || mark == n.lastingMark {
		return nil
	}
	b, err := json.Marshal(kept)
	if err == nil {
		err = durable.Replace(n.LastingFile, b, 0o600)
	}
	if err == nil {
		n.lastingMark = mark
	}
	return err
}

// forgetLasting removes that part on a node that stands down: from now on, the other
// node sends mail.
func (n *Notifier) forgetLasting() {
	n.lastingMark = ""
	if n.LastingFile == "" {
		return
	}
	if err := os.Remove(n.LastingFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.Log.Warn("what was mailed cannot be forgotten", "file", n.LastingFile, "reason", err)
	}
}

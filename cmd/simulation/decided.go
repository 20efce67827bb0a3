package simulation

// Writes of the reserve that a daemon had decided on when it died.

import (
	"time"

	"powermgr/control/journal"
	"powermgr/control/rules"
)

// decided is what the journal says about writes that are on their way. It is saved before
// each of them is sent, so a daemon that continues from it may have to overtake a write
// that was never sent.
type decided struct {
	write  time.Time // when the last write that the journal lists was decided
	listed time.Time // when the journal first listed it; zero: it lists none
	orphan time.Time // the listed time of a write that had not been sent when its daemon ended
}

// lists notes the writes in a journal that is saved.
func (w *oracle) lists(e journal.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	if len(e.Battery) > 0 {
		for _, f := range e.Battery[0].Value.Flights {
			if f.Sender == rules.SentByRules && !f.Undone {
				last = f.At
			}
		}
	}
	switch d := &w.decided; {
	case last.IsZero():
		d.write, d.listed = last, time.Time{}
	case !last.Equal(d.write):
		d.write, d.listed = last, time.Now()
	}
}

// orphans notes that the daemon that decided on the last write may be gone.
func (w *oracle) orphans() {
	if w.decided.listed.After(w.reserveSent) {
		w.decided.orphan = w.decided.listed
	}
}

// overtakes reports whether a write of a reserve that the battery already shows is
// justified, because its daemon may believe that it overtakes an earlier one. sent is
// when the last write was really sent.
func (d decided) overtakes(sent time.Time) bool { return d.orphan.After(sent) }

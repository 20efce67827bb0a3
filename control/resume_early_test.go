package control

import (
	"testing"
	"time"

	"powermgr/control/rules"
)

func TestWhatIsShownWhileTheDevicesAreReadAgain(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	until, later := now.Add(time.Hour), now.Add(2*time.Hour)
	problem := func(kind rules.ProblemKind) []rules.Problem { return []rules.Problem{{Kind: kind}} }
	for _, c := range []struct {
		name        string
		shown, next State
		held        bool
	}{
		{"the reserve is not known yet", State{Until: &until}, State{Until: &until, Reserve: new(int)}, true},
		{"the battery was not read yet", State{}, State{Problems: problem(rules.OldData)}, true},
		{"an override ends later", State{Until: &until}, State{Until: &later}, false},
		{"another daemon commands the same", State{}, State{Problems: problem(Contested)}, false},
		{"it did before", State{Problems: problem(Contested)}, State{Problems: problem(Contested), Reserve: new(int)}, true},
		{"the journal cannot be written", State{}, State{Problems: problem(rules.NoJournal)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Controller{shown: &c.shown, unread: &knownHome{battery: true, until: now.Add(resumeTimeout)}}
			if got := r.onlyUnread(&c.next, now); got != c.held {
				t.Errorf("held back: %v", got)
			}
		})
	}
}

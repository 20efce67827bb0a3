package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"powermgr/control/health"
)

// The rule for faults. A critical fault is mailed at once, a warning when it has
// lasted for firstMailAfter; either is mailed again only if it becomes more urgent. A
// fault is over when it has been gone for firstMailAfter, and then that is mailed once:
// so neither a short gap, nor the first messages of a daemon that has just started and
// does not know everything yet, count as its end. A fault that returns within
// flappingWindow of that mail is flapping: it is mailed again, and is over only when it
// has been gone for flappingWindow. So however fast a fault comes and goes, there are
// two mails in the first hour and two when it ends, and no critical one waits.
const (
	firstMailAfter = 5 * time.Minute
	flappingWindow = time.Hour
)

// FaultRecord is what is known about one fault.
type FaultRecord struct {
	Fault      health.Fault `json:"fault"`          // as last seen
	Since      time.Time    `json:"since"`          // when it began this time
	Level      health.Level `json:"level"`          // at which it was mailed; empty: it was not
	GoneSince  time.Time    `json:"gone,omitzero"`  // since when it has not been seen
	OverMailed time.Time    `json:"over,omitzero"`  // when its end was mailed
	Flapping   bool         `json:"again,omitzero"` // it keeps coming back
}

// updateFaults takes in the present faults. A fault of mail itself is not mailed.
func (st *step) updateFaults(all []health.Fault) {
	seen := map[string]bool{}
	for _, f := range all {
		if f.Part == health.Mail {
			continue
		}
		seen[f.Key] = true
		t, known := st.Faults[f.Key]
		switch {
		case !known:
			t = FaultRecord{Since: st.began(f, time.Time{})}
		case !t.OverMailed.IsZero():
			t = FaultRecord{Since: st.began(f, t.OverMailed), Flapping: st.now.Before(t.OverMailed.Add(flappingWindow))}
		}
		t.Fault, t.GoneSince = f, time.Time{}
		st.Faults[f.Key] = t
	}
	for key, t := range st.Faults {
		switch {
		case seen[key] || !t.GoneSince.IsZero():
		case t.Level == "":
			delete(st.Faults, key) // it was over before anybody was told
		default:
			t.GoneSince = st.now
			st.Faults[key] = t
		}
	}
}

// began returns when f began this time, which cannot be before it last ended: it is
// part of the key of the mail.
func (st *step) began(f health.Fault, last time.Time) time.Time {
	if f.Since.IsZero() || f.Since.After(st.now) || f.Since.Before(last) {
		return st.now.Round(0)
	}
	return f.Since
}

// mailFaults sends the mails that are due, the most urgent first.
func (st *step) mailFaults() {
	order := slices.SortedFunc(maps.Keys(st.Faults), func(a, b string) int {
		return cmp.Or(urgency(st.Faults[b].Fault.Level)-urgency(st.Faults[a].Fault.Level), strings.Compare(a, b))
	})
	for _, key := range order {
		t := st.Faults[key]
		switch {
		case !t.OverMailed.IsZero():
			if !st.now.Before(t.OverMailed.Add(flappingWindow)) {
				delete(st.Faults, key)
			}
			continue
		case !t.GoneSince.IsZero():
			if st.due(t.GoneSince.Add(t.overAfter())) {
				st.mailOver(key, t)
				t.OverMailed = st.now
			}
		case urgency(t.Fault.Level) > urgency(t.Level):
			if t.Fault.Level == health.Critical || st.due(t.Since.Add(firstMailAfter)) {
				st.mailFault(key, t)
				t.Level = t.Fault.Level
			}
		}
		st.Faults[key] = t
	}
}

// urgency orders the levels; it is -1 for an unknown level, or none.
func urgency(l health.Level) int { return slices.Index(health.Levels(), l) }

func (t FaultRecord) overAfter() time.Duration {
	if t.Flapping {
		return flappingWindow
	}
	return firstMailAfter
}

func (st *step) mailFault(key string, t FaultRecord) {
	f := t.Fault
	l := Message{
		Key:   fmt.Sprintf("fault/%s/%s/%s", key, f.Level, t.Since.UTC().Format(time.RFC3339)),
		Level: f.Level, Subject: f.Text, Text: oneLine(f.Text, longestText), At: st.now,
		Facts: []Fact{{"Part", oneLine(f.Part, 60)}, {"Since", st.date(t.Since)}},
	}
	if t.Flapping {
		l.Text += "\n\nthis was over less than an hour ago, so it comes and goes. The next mail says that it is over once it has been gone for an hour"
	}
	st.send(l)
}

func (st *step) mailOver(key string, t FaultRecord) {
	text := oneLine(t.Fault.Text, longestText)
	st.send(Message{
		Key:   fmt.Sprintf("over/%s/%s", key, t.Since.UTC().Format(time.RFC3339)),
		Level: t.Level, Over: true, Subject: text, At: st.now,
		Text: fmt.Sprintf("this is over after %s:\n\n%s", length(t.GoneSince.Sub(t.Since)), text),
		Facts: []Fact{
			{"Part", oneLine(t.Fault.Part, 60)}, {"From", st.date(t.Since)}, {"Until", st.date(t.GoneSince)},
		},
	})
}

// longestText limits a sentence that came from elsewhere, in characters.
const longestText = 600

package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/rules"
)

// The mails about a peak. The decisions of a peak and its lead are collected, and
// mailed as one digest when the phase is off_peak again and everything is restored, or
// after maxRestoreWait. Without decisions there is no mail. The first threshold that
// latches is mailed at once; later ones are in the digest.
const (
	maxRestoreWait = 30 * time.Minute
	// sameDecisionWithin is how far apart messages about one decision may be: the
	// controller publishes a decision before it shows the new phase.
	sameDecisionWithin = 5 * time.Second
	// maxChargeAge is how old a charge may be to be judged.
	maxChargeAge = 30 * time.Minute
	// maxDecisions is how many decisions of one peak are listed; the rest are counted.
	maxDecisions = 200
)

// Peak is what is known about the current or the last peak.
type Peak struct {
	Phase       rules.Phase     `json:"phase,omitempty"` // as last seen; empty: unknown
	Began       time.Time       `json:"began,omitzero"`  // when the phase was last off_peak
	Start       time.Time       `json:"start,omitzero"`  // of the first peak in it; zero: only a lead so far
	End         time.Time       `json:"end,omitzero"`    // of the last
	Ended       time.Time       `json:"ended,omitzero"`  // when it was off_peak again; zero: it is still going on, or was mailed
	Reserve     *int            `json:"reserve,omitempty"`
	Decisions   []control.Event `json:"decisions,omitempty"`
	More        int             `json:"more,omitempty"`      // decisions that are only counted
	Unrestored  []string        `json:"unsettled,omitempty"` // the names of what is not restored yet
	LowMailedAt time.Time       `json:"low,omitzero"`        // when it was mailed that the battery is low
}

// phase follows the controller's phase.
func (st *step) phase(c control.State) {
	if !slices.Contains(rules.Phases(), c.Phase) {
		return
	}
	p := &st.Peak
	before := p.Phase
	p.Phase, p.Unrestored = c.Phase, nil
	for _, o := range c.Owned {
		p.Unrestored = append(p.Unrestored, oneLine(o.Name, 60))
	}
	if before == rules.InPeak && c.Phase != rules.InPeak {
		st.endOfDay(c)
	}
	switch {
	case c.Phase == rules.OffPeak:
		if before == rules.PrePeak || before == rules.InPeak {
			p.Ended = st.now
		}
		return
	case before == rules.OffPeak || before == "":
		st.begin()
	}
	if c.Phase == rules.InPeak && c.PeakStart != nil && c.PeakEnd != nil {
		if p.Start.IsZero() {
			p.Start = *c.PeakStart
		}
		p.End = *c.PeakEnd
		if c.Reserve != nil {
			p.Reserve = c.Reserve
		}
	}
}

// begin starts a new peak. Decisions that belong to it came a moment before.
func (st *step) begin() {
	if !st.Peak.Ended.IsZero() {
		st.mailPeak() // not everything is restored, and it is time
	}
	p := Peak{Phase: st.Peak.Phase, Unrestored: st.Peak.Unrestored, Began: st.now, Decisions: st.recent()}
	if st.now.Sub(st.Peak.LowMailedAt) <= sameDecisionWithin {
		p.LowMailedAt = st.Peak.LowMailedAt
	}
	st.Peak = p
}

// recent returns the decisions of this moment.
func (st *step) recent() (all []control.Event) {
	for _, d := range st.Peak.Decisions {
		if st.now.Sub(d.At).Abs() <= sameDecisionWithin {
			all = append(all, d)
		}
	}
	return all
}

// decided collects a decision. A mere change of phase is not one.
func (st *step) decided(e control.Event) {
	if e.Type == rules.NotePhase {
		return
	}
	p := &st.Peak
	e.Reason = oneLine(e.Reason, longestText)
	if (p.Phase == rules.OffPeak || p.Phase == "") && p.Ended.IsZero() {
		p.Decisions = st.recent() // there is no peak, or it is about to begin
	}
	if len(p.Decisions) < maxDecisions {
		p.Decisions = append(p.Decisions, e)
	} else {
		p.More++
	}
	if e.Type == rules.NoteLatched && p.LowMailedAt.IsZero() {
		p.LowMailedAt = st.now
		st.send(Message{
			Key: "low-battery/" + e.At.UTC().Format(time.RFC3339), Level: health.Warning, At: st.now,
			Subject: "low battery: " + e.Reason,
			Text:    e.Reason + "\n\nthe mail after the peak lists any further thresholds",
		})
	}
}

// mailFinishedPeak mails what happened in a peak once it is over.
func (st *step) mailFinishedPeak() {
	if p := &st.Peak; !p.Ended.IsZero() && (len(p.Unrestored) == 0 || st.due(p.Ended.Add(maxRestoreWait))) {
		st.mailPeak()
		p.Ended, p.Decisions, p.More = time.Time{}, nil, 0
	}
}

func (st *step) mailPeak() {
	p := st.Peak
	if len(p.Decisions) == 0 {
		return
	}
	l := Message{
		Key:   "peak/" + p.Began.UTC().Format(time.RFC3339),
		Level: health.Info, At: st.now, Subject: st.title() + ": " + strings.Join(p.summary(), ", "),
		Text: "what powermgr decided, and why",
	}
	for _, d := range p.Decisions {
		l.Facts = append(l.Facts, Fact{st.clock(d.At, p.Began), d.Reason})
	}
	if p.More > 0 {
		l.Text += fmt.Sprintf("; %d more decisions are in the log", p.More)
	}
	if len(p.Unrestored) > 0 {
		l.Text += "\n\nnot restored yet; powermgr keeps trying: " + strings.Join(p.Unrestored, ", ")
	}
	st.send(l)
}

// title names the peak: Peak on July 15, 16:00–19:00.
func (st *step) title() string {
	p, what := st.Peak, "Peak on"
	if p.Start.IsZero() {
		p.Start, p.End, what = p.Began, p.Ended, "Precooling on"
	}
	start, end := st.local(p.Start), st.local(p.End)
	return fmt.Sprintf("%s %s–%s", what, start.Format("January 2, 15:04"), end.Format("15:04"))
}

// summary describes what happened in a few words.
func (p Peak) summary() (parts []string) {
	count := map[rules.NoteType]int{}
	for _, d := range p.Decisions {
		count[d.Type]++
	}
	if p.Reserve != nil && count[rules.NoteReserve] > 0 {
		parts = append(parts, fmt.Sprintf("reserve %d %%", *p.Reserve))
	}
	for _, w := range []struct {
		t         rules.NoteType
		one, many string
	}{
		{rules.NotePrecool, "precooled once", "precooled %d times"},
		{rules.NoteSetback, "1 setback", "%d setbacks"},
		{rules.NoteYielded, "1 change by a person", "%d changes by people"},
		{rules.NoteProblem, "1 problem", "%d problems"},
		{rules.NoteDryRun, "dry run", "dry run"},
	} {
		switch n := count[w.t]; {
		case n == 1 || w.one == w.many && n > 1:
			parts = append(parts, w.one)
		case n > 1:
			parts = append(parts, fmt.Sprintf(w.many, n))
		}
	}
	switch {
	case len(p.Unrestored) > 0:
		parts = append(parts, "not everything restored")
	case count[rules.NoteReserve]+count[rules.NotePrecool]+count[rules.NoteSetback] > 0:
		parts = append(parts, "everything restored")
	case len(parts) == 0:
		parts = append(parts, "nothing to restore")
	}
	return parts
}

// endOfDay warns if the battery is low when the day's last peak has ended, with the
// evening still to come. An unknown charge is not low.
func (st *step) endOfDay(c control.State) {
	p, percent := st.Peak, st.Charge.Percent
	switch {
	case st.LowPercent <= 0 || percent == nil || *percent >= st.LowPercent:
		return
	case st.now.Sub(st.Charge.AsOf) > maxChargeAge || st.now.Sub(p.End) > maxChargeAge:
		return // of long ago, or the daemon was down when the peak ended
	case c.PeakStart != nil && st.day(*c.PeakStart) == st.day(p.Start):
		return // there is another today
	}
	facts := []Fact{
		{"Charge", fmt.Sprintf("%.0f %%", *percent)},
		{"Threshold", fmt.Sprintf("%.0f %% (settings.eod_battery_warning_threshold)", st.LowPercent)},
		{"Peak", st.clock(p.Start, st.now) + "–" + st.clock(p.End, st.now)},
	}
	if c.PeakStart != nil {
		facts = append(facts, Fact{"Next peak", st.date(*c.PeakStart)})
	}
	st.send(Message{
		Key: "end-of-day/" + st.day(p.Start), Level: health.Warning, At: st.now, Facts: facts,
		Subject: fmt.Sprintf("battery at %.0f %% at the end of the day's last peak", *percent),
		Text:    fmt.Sprintf("the battery is at %.0f %% at the end of the day's last peak, below the %.0f %% at which you want a warning", *percent, st.LowPercent),
	})
}

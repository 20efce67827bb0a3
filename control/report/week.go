package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"powermgr/control/rules"
)

// A Week is the first days of a dry run: what powermgr would have done in them, and
// what that would have saved.
type Week struct {
	Days []Record // the oldest first; at least one
	// DryRunDays are the results for each of Days. Empty: unknown.
	DryRunDays []DryRunDay
	// Saved is what powermgr would have saved in all Days, less than 0 if it would
	// have cost more. Nil: there are no prices.
	Saved    *float64
	Currency string // of Saved
	Alone    int    // reserve of the battery without powermgr, in percent
	Planned  bool   // with powermgr is by the plan, not by the fixed rule
	SwitchOn string // the command that ends the dry run
}

// A DryRunDay is a day with powermgr and without it, in kWh from the grid.
type DryRunDay struct {
	Date                string // 2026-07-15
	PeakWith, PeakAlone float64
	With, Alone         float64
}

// WeekHeadline describes the week in one line, for example for the subject of a mail.
func WeekHeadline(w Week) string {
	if len(w.DryRunDays) == 0 {
		return days(len(w.Days)) + " of dry run: not enough data to compare"
	}
	with, alone := w.peaks()
	text := fmt.Sprintf("%s of dry run: %.1f kWh from the grid in the peaks instead of %.1f", days(len(w.Days)), tidy(with), tidy(alone))
	switch {
	case w.Saved == nil || math.Abs(*w.Saved) < 0.005:
		return text
	case *w.Saved < 0:
		return text + ", for " + money(-*w.Saved, w.Currency) + " more"
	}
	return text + ", and " + money(*w.Saved, w.Currency) + " saved"
}

func (w Week) peaks() (with, alone float64) {
	for _, d := range w.DryRunDays {
		with, alone = with+d.PeakWith, alone+d.PeakAlone
	}
	return with, alone
}

// WeekText renders the week as text, in lines of at most 78 characters.
func WeekText(w Week) string { return w.paged().text() }

// WeekHTML renders the week as a page for a phone, a mail or a browser.
func WeekHTML(w Week) ([]byte, error) { return w.paged().html("") }

func (w Week) paged() page {
	first, last := w.Days[0], w.Days[len(w.Days)-1]
	p := page{
		Title:    fmt.Sprintf("powermgr, dry run from %s to %s", first.noon().Format("Monday, January 2"), last.noon().Format("Monday, January 2, 2006")),
		Headline: WeekHeadline(w),
		Lines: []string{
			"powermgr has watched your home, and sent nothing to any device. This is what it would have done, and what that would have saved.",
			"If you like what you see, switch it on: " + w.SwitchOn,
		},
	}
	if w.Saved != nil && *w.Saved < 0 && !w.Planned {
		p.Lines = append(p.Lines, "The fixed rule fills the battery before each peak, and in your home that cost more than it saved. The plan buys only what the sun will not deliver, in cheap hours: "+
			"powermgr plan shows what it would do; settings.strategy: plan turns it on.")
	}
	if len(w.DryRunDays) > 0 {
		p.Sections = append(p.Sections, w.savings())
	} else {
		p.Lines = append(p.Lines, "It is not known what it would have saved: there are not enough readings of the Powerwall.")
	}
	p.Sections = append(p.Sections, w.actions())
	return p
}

func (w Week) savings() section {
	s := section{Title: "From the grid in peak hours", Head: []string{"kWh", "with powermgr", "without", "measured"}, Figures: true}
	for _, d := range w.DryRunDays {
		measured := unknown
		for _, r := range w.Days {
			if r.Date == d.Date {
				measured = long(r.Energy.Peak.GridIn)
			}
		}
		s.Rows = append(s.Rows, []string{weekday(d.Date), fmt.Sprintf("%.2f", tidy(d.PeakWith)), fmt.Sprintf("%.2f", tidy(d.PeakAlone)), measured})
	}
	var with, alone float64
	for _, d := range w.DryRunDays {
		with, alone = with+d.With, alone+d.Alone
	}
	peakWith, peakAlone := w.peaks()
	s.Rows = append(s.Rows, []string{"In all", fmt.Sprintf("%.2f", tidy(peakWith)), fmt.Sprintf("%.2f", tidy(peakAlone)), ""})
	s.Note = fmt.Sprintf("At all hours: %.1f kWh from the grid with powermgr, and %.1f without. ", with, alone)
	if w.Saved != nil {
		s.Note += "Money saved includes the energy left in the battery at the end. "
	}
	s.Note += fmt.Sprintf("Both are computed from what your home used and your panels produced. Without powermgr means a battery in self-consumption with a reserve of %d %%. "+
		"The measured values are with the settings that your Powerwall really had. Savings from thermostats are not included.", w.Alone)
	return s
}

// maxActions is how many of one day are shown.
const maxActions = 15

// actions is what was not sent.
func (w Week) actions() section {
	s := section{Title: "What it would have done", Note: "Nothing. There may have been no peak, or nothing to change in it."}
	for _, r := range w.Days {
		name, shown, more := weekday(r.Date), 0, 0
		for _, d := range r.Decisions {
			if d.Type != rules.NoteDryRun {
				continue
			}
			if shown++; shown > maxActions {
				more++
				continue
			}
			s.Rows = append(s.Rows, []string{name, r.clock(d.At), sentence(strings.TrimPrefix(d.Reason, rules.NotSent))})
			name = ""
		}
		if more > 0 {
			s.Rows = append(s.Rows, []string{"", "", fmt.Sprintf("and %d more", more)})
		}
	}
	if len(s.Rows) > 0 {
		s.Note = ""
	}
	return s
}

func weekday(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("Mon Jan 2")
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

package report

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"powermgr/control/rules"
)

// The labels along the axes of the picture: hours, figures, and decisions with their
// numbers in the report.

// A mark is the label of one or several decisions.
type mark struct {
	from, to    vg.Length // of the label
	lane        int       // 0 is the lowest
	first, last int
	word        string
	weight      int // of the word
}

const (
	markSize = 34
	markEdge = 9 // from the moment to the label's left end
	markGap  = 4
	lanes    = 4
)

// markWords are the words for the kinds of decisions on the picture, the most important
// last: if there is room for only one word, it is that one.
var markWords = []struct {
	kind rules.NoteType
	word string
}{
	{rules.NotePhase, "phase"}, {rules.NoteDryRun, "dry run"}, {rules.NoteRestored, "restored"}, {rules.NoteLeft, "left alone"},
	{rules.NoteLatched, "battery low"}, {rules.NoteRestore, "restore"}, {rules.NoteReserve, "reserve"}, {rules.NotePrecool, "precool"},
	{rules.NoteSetback, "setback"}, {rules.NoteEnabled, "on/off"}, {rules.NoteOverride, "override"}, {rules.NoteYielded, "a person"},
	{rules.NoteRefused, "refused"}, {rules.NoteProblem, "fault"},
}

// phaseWords are the beginnings of the sentences about a change of phase, and the words
// for the phase on the picture.
var phaseWords = []struct{ begins, word string }{
	{"the peak starts", "lead"}, {"precooling", "lead"}, {"peak", "peak"}, {"off peak", "off peak"},
}

// reserveSet matches the beginning of the sentence about a reserve.
var reserveSet = regexp.MustCompile(`^reserve \d+ %`)

// word returns the word for a decision, and its weight.
func (d Decision) word() (string, int) {
	i := slices.IndexFunc(markWords, func(w struct {
		kind rules.NoteType
		word string
	}) bool {
		return w.kind == d.Type
	})
	if i < 0 {
		return string(d.Type), 0 // from a later version
	}
	word := markWords[i].word
	switch d.Type {
	case rules.NotePhase:
		for _, p := range phaseWords {
			if strings.HasPrefix(d.Reason, p.begins) {
				return p.word, i
			}
		}
	case rules.NoteReserve:
		word = cmp.Or(reserveSet.FindString(d.Reason), word)
	}
	return word, i
}

func (m mark) label() string {
	if m.first == m.last {
		return fmt.Sprintf("%d %s", m.first, m.word)
	}
	return fmt.Sprintf("%d–%d %s", m.first, m.last, m.word)
}

func markStyle() text.Style {
	s := style(fontSize, white, true)
	s.YAlign = text.YCenter
	return s
}

// at places a mark for a moment at x.
func (m *mark) at(x, right vg.Length) {
	width := markStyle().Width(m.label()) + 2*markEdge
	m.from = min(x-markEdge, right+markEdge-width)
	m.to = m.from + width
}

// marks places the decisions. One for which there is no room shares the mark before it.
func (r Record) marks(left, right vg.Length) (all []mark) {
	var last [lanes]int // the mark at the end of each lane, from 1; 0: none
	fits := func(lane int, m mark) bool { return last[lane] == 0 || all[last[lane]-1].to+markGap <= m.from }
	for i, moment := range r.moments() {
		x := left + (right-left)*vg.Length(r.hour(moment.at)/r.end.Sub(r.start).Hours())
		x = min(max(x, left), right)
		m := mark{first: i + 1, last: i + 1, word: moment.word, weight: moment.weight}
		m.at(x, right)
		for m.lane < lanes && !fits(m.lane, m) {
			m.lane++
		}
		if m.lane < lanes {
			all = append(all, m)
			last[m.lane] = len(all)
			continue
		}
		before := &all[len(all)-1]
		before.last = m.last
		if m.weight > before.weight {
			before.word, before.weight = m.word, m.weight
		}
		before.at(before.from+markEdge, right)
	}
	return all
}

// mark draws the marks of the decisions.
func (r Record) mark(c draw.Canvas) {
	for _, m := range r.marks(c.Min.X, c.Max.X) {
		y := c.Min.Y + markSize/2 + vg.Length(m.lane)*(markSize+3)
		c.FillPolygon(black, []vg.Point{
			{X: m.from, Y: y - markSize/2}, {X: m.to, Y: y - markSize/2}, {X: m.to, Y: y + markSize/2}, {X: m.from, Y: y + markSize/2},
		})
		c.FillText(markStyle(), vg.Point{X: m.from + markEdge, Y: y}, m.label())
	}
}

// hour returns how many hours of the day have passed at t.
func (r Record) hour(t time.Time) float64 { return t.Sub(r.start).Hours() }

// hours returns ticks for every three hours of local time. On the days on which the
// clock changes, they are not all three hours apart.
func (r Record) hours() (ticks plot.ConstantTicks) {
	y, m, d := r.noon().Date()
	for h := 0; h <= 24; h += 3 {
		at := time.Date(y, m, d, h, 0, 0, 0, r.zone)
		ticks = append(ticks, plot.Tick{Value: r.hour(at), Label: fmt.Sprintf("%02d", h)})
	}
	return ticks
}

// whole places a handful of ticks at whole numbers.
type whole struct{}

// Ticks implements plot.Ticker.
func (whole) Ticks(low, high float64) (ticks []plot.Tick) {
	step := 1.0
	for _, s := range []float64{1, 2, 5, 10, 25, 50, 100, 1e3, 1e4, 1e5, 1e6} {
		if step = s; (high-low)/s <= 5.5 {
			break
		}
	}
	for i := math.Ceil(low / step); i*step <= high && len(ticks) < 20; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.Itoa(int(i * step))})
	}
	return ticks
}

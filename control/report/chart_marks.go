package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// What stands along the axes of the picture: hours, figures, and the numbers
// of the decisions as the report lists them.

// A mark is the numbers of one or several decisions.
type mark struct {
	x           vg.Length
	lane        int // 0 is the lowest
	first, last int
}

const (
	markSize = 34
	lanes    = 2
)

func (m mark) label() string {
	if m.first == m.last {
		return strconv.Itoa(m.first)
	}
	return fmt.Sprintf("%d–%d", m.first, m.last)
}

func (m mark) style() text.Style {
	s := style(fontSize-5, white, true)
	s.XAlign, s.YAlign = text.XCenter, text.YCenter
	return s
}

func (m mark) width() vg.Length { return max(markSize, m.style().Width(m.label())+16) }

// marks places the numbers of the decisions. Those that have no room of their
// own share the mark before them.
func (r Record) marks(left, right vg.Length) (all []mark) {
	var free [lanes]vg.Length // where each lane is free
	for i := range free {
		free[i] = left - ChartWidth
	}
	for i, moment := range r.moments() {
		x := left + (right-left)*vg.Length(r.hour(moment.at)/r.end.Sub(r.start).Hours())
		m := mark{x: min(max(x, left), right), first: i + 1, last: i + 1}
		for m.lane < lanes && m.x-m.width()/2 < free[m.lane] {
			m.lane++
		}
		if m.lane == lanes {
			before := &all[len(all)-1]
			before.last = m.last
			m = *before
		} else {
			all = append(all, m)
		}
		free[m.lane] = m.x + m.width()/2 + 3
	}
	return all
}

// mark draws the marks of the decisions.
func (r Record) mark(c draw.Canvas) {
	for _, m := range r.marks(c.Min.X, c.Max.X) {
		y := c.Min.Y + markSize/2 + vg.Length(m.lane)*(markSize+3)
		half := m.width()/2 - markSize/2
		round := draw.GlyphStyle{Color: black, Radius: markSize / 2, Shape: draw.CircleGlyph{}}
		c.DrawGlyphNoClip(round, vg.Point{X: m.x - half, Y: y})
		c.DrawGlyphNoClip(round, vg.Point{X: m.x + half, Y: y})
		c.FillPolygon(black, []vg.Point{
			{X: m.x - half, Y: y - markSize/2}, {X: m.x + half, Y: y - markSize/2}, {X: m.x + half, Y: y + markSize/2}, {X: m.x - half, Y: y + markSize/2},
		})
		c.FillText(m.style(), vg.Point{X: m.x, Y: y}, m.label())
	}
}

// hour is how many hours of the day have passed at t.
func (r Record) hour(t time.Time) float64 { return t.Sub(r.start).Hours() }

// hours ticks every three hours of the clock at home, which on the days on
// which it changes are not three hours apart.
func (r Record) hours() (ticks plot.ConstantTicks) {
	y, m, d := r.noon().Date()
	for h := 0; h <= 24; h += 3 {
		at := time.Date(y, m, d, h, 0, 0, 0, r.zone)
		ticks = append(ticks, plot.Tick{Value: r.hour(at), Label: fmt.Sprintf("%02d", h)})
	}
	return ticks
}

// whole ticks at whole numbers, a handful of them.
type whole struct{}

// Ticks is for plot.Axis.
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

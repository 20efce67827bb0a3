package report

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"powermgr/control/plan"
)

// The picture of a day: panels one below the other on a common time axis, with the peaks
// shaded through all of them. It is narrow, for a phone: on a screen 360 pixels wide it
// gets 328 of them, and its labels are still 11 pixels high.

// ChartWidth and ChartHeight are the size of the picture in pixels. One point is one
// pixel.
const (
	ChartWidth  = 840
	ChartHeight = 1280
)

// The measures of the picture.
const (
	margin   = 16
	fontSize = 29
	thick    = 4
	thin     = 3
	headRoom = 50  // for the date
	laneRoom = 152 // for the marks
	legend   = 50  // over each panel
	axisRoom = 46  // under the lowest panel
)

// An ink is a color. They are from the palette of Okabe and Ito, which color-blind
// people can distinguish, on white.
type ink int

const (
	black ink = iota
	gray
	faint
	blue
	sky
	green
	orange
	red
	purple
	sunny     // the area under the sun's line
	expensive // the shade of a peak
	ahead     // the shade of a lead
	white
)

// RGBA implements color.Color.
func (i ink) RGBA() (r, g, b, a uint32) {
	return [...]color.NRGBA{
		{0x1f, 0x23, 0x28, 0xff}, {0x57, 0x60, 0x6a, 0xff}, {0xd8, 0xdc, 0xe0, 0xff}, {0x00, 0x72, 0xb2, 0xff},
		{0x56, 0xb4, 0xe9, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0xd5, 0x5e, 0x00, 0xff},
		{0xcc, 0x79, 0xa7, 0xff}, {0xe6, 0x9f, 0x00, 0x40}, {0xf3, 0xe3, 0xd3, 0xff}, {0xfb, 0xf4, 0xec, 0xff},
		{0xff, 0xff, 0xff, 0xff},
	}[i].RGBA()
}

// A line is one series of samples in a panel.
type line struct {
	name   string // empty: it is not in the legend
	ink    ink
	series Series
	scale  float64 // of the samples; 0: 1
	dashed bool
	filled bool // down to zero
	steps  bool // a value lasts until the next sample
}

// A panel is one plot of the picture.
type panel struct {
	title    string
	lines    []line
	height   float64 // its share of the space
	min, max float64 // of the axis, if min < max
	zero     bool    // the axis includes zero
	least    float64 // the smallest span of the axis
}

// maxCharted is how many thermostats have a panel at most.
const maxCharted = 3

// Chart draws the picture of a day, a PNG.
func Chart(r Record) ([]byte, error) {
	image := vgimg.NewWith(vgimg.UseWH(ChartWidth, ChartHeight), vgimg.UseDPI(72))
	c := draw.Crop(draw.New(image), margin, -margin, margin, -margin)
	r.head(c)

	panels := r.panels()
	plots, areas := make([]*plot.Plot, len(panels)), r.areas(c, panels)
	left := c.Min.X
	for i, p := range panels {
		var err error
		if plots[i], err = r.plot(p); err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		left = max(left, plots[i].DataCanvas(areas[i]).Min.X)
	}
	plots[len(plots)-1].X.Tick.Label.Color = gray
	for i, p := range panels {
		areas[i].Min.X += left - plots[i].DataCanvas(areas[i]).Min.X // one time axis for all
		plots[i].Draw(areas[i])
		p.legend(box(c, left, areas[i].Max.Y, c.Max.X, areas[i].Max.Y+legend))
	}
	right := plots[0].DataCanvas(areas[0]).Max.X
	r.mark(box(c, left, c.Max.Y-headRoom-laneRoom, right, c.Max.Y-headRoom))

	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: image}).WriteTo(&b); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// head writes the date, and what the shades mean.
func (r Record) head(c draw.Canvas) {
	y := c.Max.Y - 32
	c.FillText(style(fontSize+3, black, true), vg.Point{X: c.Min.X, Y: y}, r.noon().Format("Monday, January 2, 2006"))
	s, x := style(fontSize, black, false), c.Max.X
	for _, shade := range []struct {
		ink
		name string
	}{{expensive, "peak"}, {ahead, "lead"}} {
		x -= s.Width(shade.name)
		c.FillText(s, vg.Point{X: x, Y: y}, shade.name)
		x -= 34
		c.FillPolygon(shade.ink, []vg.Point{{X: x, Y: y - 4}, {X: x + 24, Y: y - 4}, {X: x + 24, Y: y + 24}, {X: x, Y: y + 24}})
		x -= 22
	}
}

// noon returns a time that is certainly in the day.
func (r Record) noon() time.Time { return r.start.Add(r.end.Sub(r.start) / 2).In(r.zone) }

// areas returns the space of each panel, including its axes.
func (r Record) areas(c draw.Canvas, panels []panel) (areas []draw.Canvas) {
	y, sum := c.Max.Y-headRoom-laneRoom, 0.0
	for _, p := range panels {
		sum += p.height
	}
	room := float64(y-c.Min.Y) - axisRoom - float64(legend*len(panels))
	for _, p := range panels {
		top := y - legend
		y = top - vg.Length(room*p.height/sum)
		areas = append(areas, box(c, c.Min.X, y, c.Max.X, top))
	}
	areas[len(areas)-1].Min.Y -= axisRoom
	return areas
}

func box(c draw.Canvas, left, bottom, right, top vg.Length) draw.Canvas {
	c.Min, c.Max = vg.Point{X: left, Y: bottom}, vg.Point{X: right, Y: top}
	return c
}

// panels returns the panels that show r.
func (r Record) panels() []panel {
	s := r.Samples
	all := []panel{
		{title: "Battery, %", height: 0.8, min: 0, max: 100, lines: []line{
			{name: "reserve", ink: gray, series: s.Reserve, dashed: true, steps: true},
			{name: "charge", ink: green, series: s.Charge},
		}},
		{title: "Power, kW", height: 1.5, zero: true, least: 1, lines: []line{
			{name: "sun", ink: orange, series: calm(s.Solar), scale: 1e-3, filled: true},
			{name: "battery", ink: green, series: calm(s.Battery), scale: 1e-3},
			{name: "home", ink: blue, series: calm(s.Home), scale: 1e-3},
			{name: "grid", ink: red, series: calm(s.Grid), scale: 1e-3},
		}},
	}
	if o := r.Planned.Newest; o != nil && !r.Complete {
		all[0].lines = append(all[0].lines, line{name: "planned", ink: green, series: r.aheadOf(o, o.Charge, true), dashed: true})
		for _, l := range []line{{ink: orange, series: o.Sun}, {ink: blue, series: o.Load}, {ink: red, series: o.Grid}} {
			l.series, l.scale, l.dashed = r.aheadOf(o, l.series, false), 1/plan.Length.Hours(), true
			all[1].lines = append(all[1].lines, l)
		}
	}
	charted := 0
	for _, id := range r.ids() {
		t := r.Thermostats[id]
		if !t.Controlled || t.Readings == 0 || charted == maxCharted {
			continue
		}
		charted++
		owner := cmp.Or(r.Unit, t.Unit)
		all = append(all, panel{title: t.Name + ", °" + string(owner), height: 0.8, least: 6, lines: []line{
			{name: "heat to", ink: purple, series: t.Heat.in(t.Unit, owner), steps: true},
			{name: "cool to", ink: sky, series: t.Cool.in(t.Unit, owner), steps: true},
			{name: "inside", ink: black, series: t.Indoor.in(t.Unit, owner)},
		}})
	}
	return all
}

// calm returns the means over a quarter of an hour around each sample: otherwise a
// compressor that starts and stops would hide everything else.
func calm(s Series) Series {
	out := make(Series, len(s))
	for i := range s {
		sum, n := 0.0, 0.0
		for _, v := range s[max(0, i-1):min(len(s), i+2)] {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		out[i] = sum / n
		if math.IsNaN(s[i]) {
			out[i] = s[i]
		}
	}
	return out
}

// plot returns a panel without its legend.
func (r Record) plot(p panel) (*plot.Plot, error) {
	pl := plot.New()
	pl.BackgroundColor = nil
	pl.X.Min, pl.X.Max = 0, r.end.Sub(r.start).Hours()
	pl.Y.Min, pl.Y.Max = p.span()
	pl.X.Tick.Marker, pl.Y.Tick.Marker = r.hours(), whole{}
	hair := draw.LineStyle{Color: faint, Width: 1}
	for _, a := range []*plot.Axis{&pl.X, &pl.Y} {
		a.Padding, a.LineStyle.Width, a.Tick.Length = 0, 0, 0
		align := a.Tick.Label
		a.Tick.Label = style(fontSize, gray, false)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = align.XAlign, align.YAlign
	}
	pl.X.Tick.Label.Color, pl.Y.Padding = color.Transparent, 6
	grid := plotter.NewGrid()
	grid.Vertical, grid.Horizontal = hair, hair
	if err := r.shade(pl); err != nil {
		return nil, err
	}
	pl.Add(grid)
	drawn := -1.0
	for _, m := range r.moments() {
		x := r.hour(m.at)
		if x < drawn+0.3 || x > pl.X.Max {
			continue // too many would hide the rest
		}
		drawn = x
		when, err := plotter.NewLine(plotter.XYs{{X: x, Y: pl.Y.Min}, {X: x, Y: pl.Y.Max}})
		if err != nil {
			return nil, err
		}
		when.LineStyle = draw.LineStyle{Color: gray, Width: 1, Dashes: []vg.Length{2, 5}}
		pl.Add(when)
	}
	for _, l := range p.lines {
		if err := l.draw(pl); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// draw adds a line to a plot.
func (l line) draw(pl *plot.Plot) error {
	for _, xys := range l.strokes() {
		if l.filled {
			area := append(plotter.XYs{{X: xys[0].X}}, append(xys, plotter.XY{X: xys[len(xys)-1].X})...)
			if err := fill(pl, sunny, area); err != nil {
				return err
			}
		}
		drawn, err := plotter.NewLine(xys)
		if err != nil {
			return err
		}
		drawn.LineStyle = l.stroke()
		if l.steps {
			drawn.StepStyle = plotter.PostStep
		}
		pl.Add(drawn)
	}
	return nil
}

// shade fills the peaks and their leads.
func (r Record) shade(pl *plot.Plot) error {
	for _, peak := range r.Peaks {
		for _, band := range []struct {
			ink
			from, until time.Time
		}{{ahead, peak.Lead, peak.From}, {expensive, peak.From, peak.Until}} {
			from, until := max(r.hour(band.from), pl.X.Min), min(r.hour(band.until), pl.X.Max)
			if from >= until {
				continue
			}
			low, high := pl.Y.Min, pl.Y.Max
			if err := fill(pl, band.ink, plotter.XYs{{X: from, Y: low}, {X: until, Y: low}, {X: until, Y: high}, {X: from, Y: high}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func fill(pl *plot.Plot, i ink, area plotter.XYs) error {
	poly, err := plotter.NewPolygon(area)
	if err != nil {
		return err
	}
	poly.Color, poly.Width = i, 0
	pl.Add(poly)
	return nil
}

// strokes returns a line's points, in hours of the day. The line is interrupted where
// samples are unknown.
func (l line) strokes() (all []plotter.XYs) {
	scale := l.scale
	if scale == 0 {
		scale = 1
	}
	var now plotter.XYs
	for i, v := range append(l.series[:len(l.series):len(l.series)], math.NaN()) {
		if !math.IsNaN(v) {
			now = append(now, plotter.XY{X: float64(i) * Step.Hours(), Y: v * scale})
			continue
		}
		if len(now) > 1 {
			all = append(all, now)
		}
		now = nil
	}
	return all
}

func (l line) stroke() draw.LineStyle {
	if l.dashed {
		return draw.LineStyle{Color: l.ink, Width: thin, Dashes: []vg.Length{10, 8}}
	}
	return draw.LineStyle{Color: l.ink, Width: thick}
}

// span returns the ends of a panel's axis.
func (p panel) span() (low, high float64) {
	if p.min < p.max {
		return p.min, p.max
	}
	low, high = math.Inf(1), math.Inf(-1)
	if p.zero {
		low, high = 0, 0
	}
	for _, l := range p.lines {
		for _, xys := range l.strokes() {
			for _, xy := range xys {
				low, high = min(low, xy.Y), max(high, xy.Y)
			}
		}
	}
	if low > high {
		return 0, p.least
	}
	if short := p.least - (high - low); short > 0 && p.zero {
		high += short
	} else if short > 0 {
		low, high = low-short/2, high+short/2
	}
	edge := (high - low) * 0.04
	return low - edge, high + edge
}

// legend writes what a panel shows, and the colors.
func (p panel) legend(c draw.Canvas) {
	y, x := c.Min.Y+15, c.Max.X
	for _, l := range slices.Backward(p.lines) {
		if l.name == "" {
			continue
		}
		s := style(fontSize, black, false)
		x -= s.Width(l.name)
		c.FillText(s, vg.Point{X: x, Y: y}, l.name)
		c.StrokeLine2(l.stroke(), x-44, y+9, x-8, y+9)
		x -= 44 + 22
	}
	title := []rune(p.title)
	s := style(fontSize, black, true)
	for len(title) > 1 && c.Min.X+s.Width(string(title)) > x {
		title = title[:len(title)-1] // a long name of a thermostat
	}
	c.FillText(s, vg.Point{X: c.Min.X, Y: y}, string(title))
}

// bold is font.WeightBold of golang.org/x/image.
const bold = 3

func style(size vg.Length, i ink, strong bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if strong {
		f.Weight = bold
	}
	return text.Style{Color: i, Font: f, Handler: plot.DefaultTextHandler}
}

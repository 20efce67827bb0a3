package webpage

import (
	"bytes"
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

	"powermgr/control/whatif"
)

// The pictures. A length of one point is one pixel; each is shown at half its size.

// A size is that of a picture, and of its writing.
type size struct{ width, height, font vg.Length }

var (
	wide = size{1440, 640, 28}
	slim = size{720, 640, 26}
)

// A scheme is the colors of a picture. Those of policies and quantities are by
// Okabe and Ito, which the color-blind can tell apart; page.html has them, too.
type scheme struct {
	ink, hair, none, alone, steered, home, sun, grid, expensive color.NRGBA
}

var (
	light = scheme{
		ink: rgb(0x57606a), hair: rgb(0xd8dce0), none: rgb(0xafb8c1), alone: rgb(0x56b4e9), steered: rgb(0x009e73),
		home: rgb(0x0072b2), sun: rgb(0xe69f00), grid: rgb(0xd55e00), expensive: rgb(0xf6e9dc),
	}
	dark = scheme{
		ink: rgb(0x9da7b1), hair: rgb(0x30363d), none: rgb(0x6e7681), alone: rgb(0x56b4e9), steered: rgb(0x2fbf95),
		home: rgb(0x4aa3e0), sun: rgb(0xe6b23c), grid: rgb(0xf0803c), expensive: rgb(0x3a2c1e),
	}
)

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

func faded(c color.NRGBA) color.NRGBA { c.A = 0x40; return c }

// A surface is what a picture is drawn on: how large, and for which scheme. Its
// ground is left open.
type surface struct {
	size
	scheme
}

func (s surface) policy(name string) color.NRGBA {
	return [3]color.NRGBA{s.none, s.alone, s.steered}[colorOf(name)]
}

// plot is an empty plot in the surface's style.
func (s surface) plot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		align := a.Tick.Label
		a.Tick.Label = s.style()
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = align.XAlign, align.YAlign
		a.LineStyle.Width, a.Tick.Length, a.Padding = 0, 0, 6
	}
	return p
}

func (s surface) style() text.Style {
	return text.Style{Color: s.ink, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: s.font}, Handler: plot.DefaultTextHandler}
}

// png draws plots one under the other.
func (s surface) png(plots ...*plot.Plot) ([]byte, error) {
	image := vgimg.NewWith(vgimg.UseWH(s.width, s.height), vgimg.UseDPI(72), vgimg.UseBackgroundColor(color.Transparent))
	rows := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		rows[i] = []*plot.Plot{p}
	}
	areas := plot.Align(rows, draw.Tiles{Rows: len(plots), Cols: 1, PadX: 8, PadY: 12, PadTop: 8, PadBottom: 8, PadLeft: 4, PadRight: 12}, draw.New(image))
	for i, p := range plots {
		p.Draw(areas[i][0])
	}
	var b bytes.Buffer
	_, err := (vgimg.PngCanvas{Canvas: image}).WriteTo(&b)
	return b.Bytes(), err
}

func (s surface) gridlines(vertical bool) *plotter.Grid {
	g := plotter.NewGrid()
	g.Horizontal = draw.LineStyle{Color: s.hair, Width: 2}
	g.Vertical = g.Horizontal
	if !vertical {
		g.Vertical.Width = 0
	}
	return g
}

func (s surface) months(names []string, all []month) ([]byte, error) {
	p := s.plot()
	p.Add(s.gridlines(false))
	room := (float64(s.width) - 110) / float64(max(4, len(all)))
	each := vg.Length(0.8 * room / float64(len(names)))
	for i, name := range names {
		bills := make(plotter.Values, len(all))
		for j, m := range all {
			bills[j] = m.bills[i]
		}
		bars, err := plotter.NewBarChart(bills, each)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = s.policy(name), 0
		bars.Offset = each * vg.Length(float64(i)-float64(len(names)-1)/2)
		p.Add(bars)
	}
	middle, half := float64(len(all)-1)/2, max(2, float64(len(all))/2)
	p.X.Min, p.X.Max = middle-half, middle+half
	p.Y.Min, p.Y.Max = min(0, p.Y.Min), 1.05*p.Y.Max
	var ticks plot.ConstantTicks
	for i, m := range all {
		label := m.start.Format("Jan")
		if s.size == slim && len(all) > 8 {
			label = label[:1]
		}
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: label})
	}
	p.X.Tick.Marker = ticks
	p.Y.Tick.Marker = round{}
	return s.png(p)
}

// draw is the picture of a day: power above, charge below.
func (d day) draw(s surface) ([]byte, error) {
	perHour := 1 / whatif.Step.Hours()
	power := s.plot()
	x, home := d.series(d.slots, func(l whatif.SlotOutcome) float64 { return l.LoadKWh * perHour })
	_, sun := d.series(d.slots, func(l whatif.SlotOutcome) float64 { return l.SunKWh * perHour })
	_, grid := d.series(d.slots, func(l whatif.SlotOutcome) float64 { return (l.Flow.GridIn - l.Flow.GridOut) * perHour })
	power.Y.Min, power.Y.Max = min(0, slices.Min(grid)), 1.05*max(1, slices.Max(slices.Concat(home, sun, grid)))
	if err := s.stage(power, d); err != nil {
		return nil, err
	}
	if err := fill(power, faded(s.sun), append(append(plotter.XYs{{X: x[0]}}, xys(x, sun)...), plotter.XY{X: x[len(x)-1]})); err != nil {
		return nil, err
	}
	charge := s.plot()
	charge.Y.Min, charge.Y.Max = 0, 100
	if err := s.stage(charge, d); err != nil {
		return nil, err
	}
	percent := func(l whatif.SlotOutcome) float64 { return 100 * l.StoredKWh / d.capacity }
	_, reserve := d.series(d.slots, func(l whatif.SlotOutcome) float64 { return float64(l.Reserve) })
	_, charged := d.series(d.slots, percent)
	_, unaided := d.series(d.unaided, percent)
	for _, line := range []struct {
		on     *plot.Plot
		y      []float64
		color  color.NRGBA
		dashed bool
	}{
		{power, sun, s.sun, false}, {power, home, s.home, false}, {power, grid, s.grid, false},
		{charge, reserve, s.none, true}, {charge, unaided, s.alone, false}, {charge, charged, s.steered, false},
	} {
		drawn, err := plotter.NewLine(xys(x, line.y))
		if err != nil {
			return nil, err
		}
		drawn.LineStyle = draw.LineStyle{Color: line.color, Width: 4}
		if line.dashed {
			drawn.LineStyle.Dashes, drawn.StepStyle = []vg.Length{10, 8}, plotter.PostStep
		}
		line.on.Add(drawn)
	}
	power.X.Tick.Marker = bare{power.X.Tick.Marker}
	return s.png(power, charge)
}

// stage shades the expensive hours of a plot over a day, and draws its grid.
func (s surface) stage(p *plot.Plot, d day) error {
	p.X.Min, p.X.Max = 0, d.hours()
	for _, e := range d.expensive() {
		if err := fill(p, s.expensive, plotter.XYs{{X: e[0], Y: p.Y.Min}, {X: e[1], Y: p.Y.Min}, {X: e[1], Y: p.Y.Max}, {X: e[0], Y: p.Y.Max}}); err != nil {
			return err
		}
	}
	var ticks plot.ConstantTicks
	for h := 0; h <= 24; h += 6 {
		at := time.Date(d.date.Year(), d.date.Month(), d.date.Day(), h, 0, 0, 0, d.date.Location())
		ticks = append(ticks, plot.Tick{Value: at.Sub(d.date).Hours(), Label: fmt.Sprintf("%d:00", h)})
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks, round{}
	p.Add(s.gridlines(true))
	return nil
}

func fill(p *plot.Plot, c color.NRGBA, area plotter.XYs) error {
	poly, err := plotter.NewPolygon(area)
	if err != nil {
		return err
	}
	poly.Color, poly.LineStyle.Width = c, 0
	p.Add(poly)
	return nil
}

func xys(x, y []float64) plotter.XYs {
	all := make(plotter.XYs, len(x))
	for i := range x {
		all[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	return all
}

// round are about four round figures on an axis.
type round struct{}

func (round) Ticks(low, high float64) (ticks []plot.Tick) {
	step := 0.0
	for _, times := range []float64{1, 2, 5, 10} {
		if step = times * math.Pow(10, math.Floor(math.Log10((high-low)/4))); (high-low)/step <= 5 {
			break
		}
	}
	for v := math.Ceil(low/step) * step; v <= high+1e-9; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%g", math.Round(v*1e6)/1e6+0)}) // +0 makes 0 of −0
	}
	return ticks
}

// bare are the ticks of an axis without what is written at them.
type bare struct{ plot.Ticker }

func (b bare) Ticks(low, high float64) []plot.Tick {
	ticks := b.Ticker.Ticks(low, high)
	for i := range ticks {
		ticks[i].Label = " "
	}
	return ticks
}

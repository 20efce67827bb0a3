package plan

import (
	"errors"
	"math"
	"slices"
	"time"

	"powermgr/control/battery"
	"powermgr/control/forecast"
)

// A Slot is a part of the time ahead with its prices, per kWh.
type Slot struct {
	Start     time.Time
	Import    float64
	Export    float64
	Expensive bool // an hour in which the owner wants no power from the grid
}

// Options are the owner's preferences.
type Options struct {
	PeakWeight float64 // extra cost of a kWh from the grid in expensive hours, in the currency
	MinGain    float64 // a change of the reserve has to gain more than this
	MinReserve int     // percent; never planned below
}

// DefaultOptions returns the options of an owner who has configured none.
func DefaultOptions() Options { return Options{PeakWeight: 0.4, MinGain: 0.01} }

// Inputs are everything that a plan depends on: the same inputs give the same plan.
type Inputs struct {
	Battery battery.Model
	Slots   []Slot // from now on
	Length  time.Duration
	Courses []forecast.Course
	Options Options
	// Levels is how many charge levels the battery is divided into; values in between
	// are interpolated. 0: 45.
	Levels int
	// After is the cost from the end on, for each course and level, as returned by
	// Beginning for the time that follows. Nil: what is left saves buying it at 0.9 of
	// the lowest price.
	After []float64
}

// How far and how finely a plan looks ahead.
const (
	Length  = 30 * time.Minute // of a slot
	Horizon = 72               // slots
)

const usualLevels = 45

// leftWorth is the value of the energy left at the end, as a share of the lowest price:
// it saves buying that energy, but not before it is needed.
const leftWorth = 0.9

// A Values has the value of each charge at each time, for each course. It is kept between
// plans, and asked again as more becomes known.
type Values struct {
	in       Inputs
	weight   []float64   // of each course
	net      [][]float64 // load less sun, of each slot and course
	buy      []float64   // price including the weight, of each slot
	most     []float64   // the highest of buy after each slot
	step     battery.Slot
	levels   int
	perKWh   float64 // levels
	choices  []choice
	percents []int       // reserves that can be requested
	cost     [][]float64 // from each slot on, of each course and level
	// Scratch of back.
	try, average, lowest []float64
}

// ErrNothing says that there is nothing to plan with.
var ErrNothing = errors.New("a plan needs slots, courses for each of them, and a battery")

// Solve calculates the value of each charge, backward from the end.
func Solve(in Inputs) (*Values, error) {
	if len(in.Slots) == 0 || len(in.Courses) == 0 || in.Battery.CapacityKWh <= 0 || in.Length <= 0 {
		return nil, ErrNothing
	}
	for _, c := range in.Courses {
		if len(c.Load) < len(in.Slots) || len(c.Sun) < len(in.Slots) {
			return nil, ErrNothing
		}
	}
	v := prepare(in)
	v.cost = make([][]float64, len(in.Slots)+1)
	if v.cost[len(in.Slots)] = in.After; len(in.After) != v.levels*len(in.Courses) {
		v.cost[len(in.Slots)] = v.left()
	}
	for t := len(in.Slots) - 1; t > 0; t-- {
		v.cost[t] = v.back(t)
	}
	return v, nil
}

// With returns the values for other courses, which have the same weights and differ only
// in the slots before end.
func (v *Values) With(courses []forecast.Course, end int) *Values {
	w := *v
	w.in.Courses = courses
	w.net, w.cost = slices.Clone(v.net), slices.Clone(v.cost)
	for t := range end {
		w.net[t] = w.netOf(t)
	}
	for t := end - 1; t > 0; t-- {
		w.cost[t] = w.back(t)
	}
	return &w
}

// Beginning returns the cost from the first slot on, for each course and level.
func (v *Values) Beginning() []float64 { return v.back(0) }

func prepare(in Inputs) *Values {
	v := &Values{in: in, step: in.Battery.Over(in.Length), levels: in.Levels}
	if v.levels < 2 {
		v.levels = usualLevels
	}
	total := 0.0
	for _, c := range in.Courses {
		total += c.Weight
	}
	for _, c := range in.Courses {
		v.weight = append(v.weight, c.Weight/total)
	}
	for t, s := range in.Slots {
		v.net = append(v.net, v.netOf(t))
		buy := s.Import
		if s.Expensive {
			buy += in.Options.PeakWeight
		}
		v.buy = append(v.buy, buy)
	}
	v.most = make([]float64, len(v.buy))
	for t := len(v.buy) - 2; t >= 0; t-- {
		v.most[t] = max(v.most[t+1], v.buy[t+1])
	}
	v.perKWh = float64(v.levels-1) / in.Battery.CapacityKWh
	v.choices = v.worthTrying()
	for p := v.in.Options.MinReserve; p <= highest; p++ {
		v.percents = append(v.percents, p)
	}
	v.percents = append(v.percents, full)
	v.try, v.average, v.lowest = make([]float64, len(v.weight)*v.levels), make([]float64, v.levels), make([]float64, v.levels)
	return v
}

// netOf returns the load less the sun of a slot, in each course.
func (v *Values) netOf(t int) []float64 {
	net := make([]float64, len(v.in.Courses))
	for c, course := range v.in.Courses {
		net[c] = course.Load[t] - course.Sun[t]
	}
	return net
}

// left returns the cost from the end on: the more is left, the lower it is.
func (v *Values) left() []float64 {
	cheap := math.Inf(1)
	for _, s := range v.in.Slots {
		if s.Import >= 0 { // a negative price is not one to expect when buying later
			cheap = min(cheap, s.Import)
		}
	}
	if math.IsInf(cheap, 1) {
		cheap = 0
	}
	cost := make([]float64, len(v.weight)*v.levels)
	for at := range cost {
		cost[at] = -v.stored(at%v.levels) * v.in.Battery.OneWay * cheap * leftWorth
	}
	return cost
}

// stored returns the charge of level i, in kWh.
func (v *Values) stored(i int) float64 {
	return float64(i) * v.in.Battery.CapacityKWh / float64(v.levels-1)
}

// A Powerwall keeps no reserve between these two, in percent.
const (
	highest = 80
	full    = 100
)

// settable returns the reserve in kWh that can be requested for one that is wanted.
func (v *Values) settable(kWh float64) float64 {
	switch c := v.in.Battery.CapacityKWh; {
	case kWh > c*highest/100:
		return c
	default:
		return max(kWh, c*float64(v.in.Options.MinReserve)/100)
	}
}

// fillable reports whether energy bought in slot t can replace buying it at a price
// that is higher by more than the losses, or is itself paid for.
func (v *Values) fillable(t int) bool {
	return v.in.After != nil || v.buy[t] < 0 || v.most[t]*v.in.Battery.OneWay*v.in.Battery.OneWay > v.buy[t]
}

// expect returns the average cost of slot t and everything after it with the battery as
// it is, given the home's net draw in each course.
func (v *Values) expect(t int, held battery.Held, net []float64) (sum float64) {
	for c, n := range net {
		after, grid := held.Grid(n)
		sum += v.weight[c] * (v.price(t, grid) + v.worth(t+1, c, after))
	}
	return sum
}

// A Question is what is known when the reserve is decided.
type Question struct {
	Slot      int
	StoredKWh float64
	Reserve   int      // in force, percent
	NetKWh    *float64 // what the home draws net of the sun in this slot; nil: as the courses have it
}

// Ask returns the reserve to request, in percent, and the expected cost from that slot
// on. The reserve in force stays unless another one gains more than MinGain. Of several
// with the same result in this slot, it returns the one that is best to keep.
func (v *Values) Ask(q Question) (reserve int, cost float64) {
	net := v.net[q.Slot]
	if q.NetKWh != nil {
		net = make([]float64, len(v.weight))
		for c := range net {
			net[c] = *q.NetKWh
		}
	}
	kWh := v.in.Battery.CapacityKWh / 100
	reserve, cost = q.Reserve, math.Inf(1)
	if q.Reserve >= v.in.Options.MinReserve && (q.Reserve <= highest || q.Reserve == full) {
		cost = v.expect(q.Slot, v.step.Under(q.StoredKWh, float64(q.Reserve)*kWh), net)
	}
	keep, stay := cost-v.in.Options.MinGain, math.Inf(1)
	var last battery.Held
	c := math.NaN() // with last
	for _, p := range v.percents {
		if held := v.step.Under(q.StoredKWh, float64(p)*kWh); math.IsNaN(c) || held != last { // most reserves come to the same in one slot
			last, c = held, v.expect(q.Slot, held, net)
		}
		switch {
		case c >= keep || c > cost+1e-9:
		case c < cost-1e-9:
			reserve, cost, stay = p, c, v.staying(q, float64(p)*kWh, net)
		default:
			if s := v.staying(q, float64(p)*kWh, net); s < stay-1e-9 {
				reserve, stay = p, s
			}
		}
	}
	return reserve, cost
}

// stayFor is how many slots ahead a reserve is evaluated for being kept.
const stayFor = 5

// staying returns the average cost of keeping a reserve for the next slots, as long as
// the price stays the same.
func (v *Values) staying(q Question, reserve float64, net []float64) float64 {
	last := q.Slot
	for last+1 < len(v.in.Slots) && last+1 < q.Slot+stayFor && v.buy[last+1] == v.buy[q.Slot] {
		last++
	}
	sum := 0.0
	for c, w := range v.weight {
		stored, n := q.StoredKWh, net[c]
		for t := q.Slot; t <= last; t++ {
			if t > q.Slot {
				n = v.net[t][c]
			}
			var grid float64
			stored, grid = v.step.Grid(stored, reserve, n)
			sum += w * v.price(t, grid)
		}
		sum += w * v.worth(last+1, c, stored)
	}
	return sum
}

// price returns the cost of drawing from the grid in slot t; negative for energy that
// is exported.
func (v *Values) price(t int, kWh float64) float64 {
	if kWh > 0 {
		return kWh * v.buy[t]
	}
	return kWh * v.in.Slots[t].Export
}

// worth returns the cost from slot t on with that charge, in course c.
func (v *Values) worth(t, c int, stored float64) float64 {
	at := stored * v.perKWh
	i := min(int(at), v.levels-2)
	near := v.cost[t][c*v.levels+i:]
	return near[0] + (near[1]-near[0])*(at-float64(i))
}

// row returns the cost from slot t on of each level, in course c.
func (v *Values) row(t, c int) []float64 { return v.cost[t][c*v.levels:][:v.levels] }

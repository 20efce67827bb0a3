package plan

import (
	"math"
	"slices"

	"powermgr/control/battery"
)

// back calculates the cost from slot t on, for each course and level, from that of the
// next slot.
func (v *Values) back(t int) []float64 {
	cost := make([]float64, len(v.weight)*v.levels)
	v.outcomes(t, v.choices[0], cost, v.lowest)
	others := v.choices[1:]
	if !v.fillable(t) {
		others = others[:1]
	}
	for _, choice := range others {
		v.outcomes(t, choice, v.try, v.average)
		for i, mean := range v.average {
			if mean >= v.lowest[i]-1e-9 {
				continue
			}
			v.lowest[i] = mean
			for at := i; at < len(cost); at += v.levels {
				cost[at] = v.try[at]
			}
		}
	}
	return cost
}

// A choice is a reserve for each level of charge: runs of levels at which the battery
// takes the same from the grid, and the levels between them.
type choice struct{ alike, others []run }

// A run is neighboring levels, with the battery as it is under a reserve.
type run struct {
	first int
	held  []battery.Held
}

// few is how many levels are as fast one by one.
const few = 4

// worthTrying returns the choices that are worth trying: supply the home, hold, and
// charge slowly or fast, where that differs.
func (v *Values) worthTrying() (choices []choice) {
	reach := v.in.Battery.PowerKW * v.in.Length.Hours() * v.in.Battery.OneWay
	var last []battery.Held
	for _, wanted := range []func(stored float64) float64{
		func(float64) float64 { return 0 },
		func(stored float64) float64 { return stored },
		func(stored float64) float64 { return stored + 0.4*reach },
		func(stored float64) float64 { return stored + reach },
	} {
		held := make([]battery.Held, v.levels)
		for i := range held {
			held[i] = v.step.Under(v.stored(i), v.settable(wanted(v.stored(i))))
		}
		if len(choices) < 2 || !slices.Equal(held, last) {
			choices = append(choices, v.divide(held))
		}
		last = held
	}
	return choices
}

// divide returns the choice with the battery as it is at each level.
func (v *Values) divide(held []battery.Held) (c choice) {
	all, done := run{0, held}, 0
	for from := 0; from < len(held); {
		moved, grid := v.move(all, from, 0)
		to := from + 1
		for ; to < len(held); to++ {
			if m, g := v.move(all, to, 0); differ(m, moved) || differ(g, grid) {
				break
			}
		}
		if to-from >= few {
			c.others = append(c.others, run{done, held[done:from]})
			c.alike = append(c.alike, run{from, held[from:to]})
			done = to
		}
		from = to
	}
	c.others = append(c.others, run{done, held[done:]})
	return c
}

// rounding is by how much two moves of the charge differ that are the same.
const rounding = 1e-11

func differ(a, b float64) bool { return math.Abs(a-b) > rounding }

// move returns by how many levels the charge changes from the nth level of a run on, in a
// slot in which the home draws net, and what the grid gives.
func (v *Values) move(r run, n int, net float64) (levels, grid float64) {
	after, grid := r.held[n].Grid(net)
	return after*v.perKWh - float64(r.first+n), grid
}

// outcomes writes to out the cost of slot t and everything after it with a choice, for
// each course and level, and to mean the average of each level.
func (v *Values) outcomes(t int, choice choice, out, mean []float64) {
	clear(mean)
	for c, w := range v.weight {
		out := out[c*v.levels:][:len(mean)]
		for _, r := range choice.others {
			v.each(t, c, r, out)
		}
		for _, r := range choice.alike {
			v.together(t, c, r, out)
		}
		for i := range mean {
			mean[i] += w * out[i]
		}
	}
}

// each is outcomes for the levels of a run in course c, one by one.
func (v *Values) each(t, c int, r run, out []float64) {
	for i := range r.held {
		after, grid := r.held[i].Grid(v.net[t][c])
		out[r.first+i] = v.price(t, grid) + v.worth(t+1, c, after)
	}
}

// together is each for levels at which the battery takes the same from the grid. All of
// them move by the same, but for some at the ends, which are nearly empty, full or at the
// reserve: so their costs are between those of two levels at the same place.
func (v *Values) together(t, c int, r run, out []float64) {
	net, from, to := v.net[t][c], 0, len(r.held)
	moved, grid := v.move(r, to/2, net)
	differs := func(n int) bool {
		m, _ := v.move(r, n, net)
		return differ(m, moved)
	}
	for from < to && differs(from) {
		from++
	}
	for from < to && differs(to-1) {
		to--
	}
	down := int(math.Floor(moved + rounding))
	to = max(from, min(to, v.levels-1-down-r.first)) // up to the last that has a level above it
	v.each(t, c, run{r.first, r.held[:from]}, out)
	v.each(t, c, run{r.first + to, r.held[to:]}, out)
	if from == to {
		return
	}
	price, share := v.price(t, grid), moved-float64(down)
	out = out[r.first+from : r.first+to]
	next := v.row(t+1, c)[r.first+from+down:]
	low := next[0]
	for i, high := range next[1:][:len(out)] {
		out[i] = price + low + (high-low)*share
		low = high
	}
}

// Package battery is the only model of how a home battery behaves: how much it charges
// and discharges in a period of time under a reserve. The report uses it for the day
// without powermgr, the planner to look ahead, and what-if to replay a year. It is pure
// arithmetic and knows no vendor.
package battery

import "time"

// A Model is a battery that supplies the home by itself, as a Powerwall in
// self_consumption does: it stores excess sun, and supplies what the sun does not, down
// to its reserve.
type Model struct {
	CapacityKWh  float64 `json:"capacity_kwh"`
	PowerKW      float64 `json:"power_kw"`       // the most it charges or discharges with
	GridChargeKW float64 `json:"grid_charge_kw"` // the most it charges with while it takes power from the grid; 0: it never does
	OneWay       float64 `json:"one_way"`        // share of energy that remains after charging, and again after discharging: 0.95 is 95 %
	StandbyKW    float64 `json:"standby_kw"`     // what it consumes itself, all the time
}

// Flow is what flowed in one step, in kWh. Energy is conserved:
// sun + GridIn + Out = load + GridOut + In, and In − Out − Loss is stored.
type Flow struct{ In, Out, GridIn, GridOut, Loss float64 }

// Step runs a battery with stored kWh through a period in which the home used load kWh
// and the sun gave sun kWh, under a reserve of reserve kWh. Below the reserve it charges,
// from the sun and, as far as allowed, from the grid. At the reserve it holds. Above it,
// it supplies the home. Step returns the charge at the end.
func (m Model) Step(stored, reserve, load, sun float64, length time.Duration) (float64, Flow) {
	s := m.Over(length)
	return s.Step(stored, min(reserve, m.CapacityKWh), load-sun)
}

// A Slot is a Model for steps of one length. It does the arithmetic that only depends on
// the length once, for callers that take millions of steps.
type Slot struct {
	capacity, most, grid, standby float64 // kWh
	in, out                       float64 // OneWay and 1/OneWay
}

// Over returns the model for steps of that length.
func (m Model) Over(length time.Duration) Slot {
	h := length.Hours()
	return Slot{
		capacity: m.CapacityKWh, most: m.PowerKW * h, grid: min(m.GridChargeKW, m.PowerKW) * h, standby: m.StandbyKW * h,
		in: m.OneWay, out: 1 / m.OneWay,
	}
}

// Step is like Model.Step for a home that used net kWh more than the sun gave; net is
// negative if the sun gave more.
func (s *Slot) Step(stored, reserve, net float64) (float64, Flow) {
	next, grid := s.Grid(stored, reserve, net)
	f := Flow{GridIn: max(0, grid), GridOut: max(0, -grid)}
	if in := grid - net; in > 0 {
		f.In = in
	} else {
		f.Out = max(0, -in)
	}
	f.Loss = stored + f.In - f.Out - next
	return next, f
}

// Grid returns the result of Step: the charge at the end, and the energy that the home
// drew from the grid, negative if it was exported.
func (s *Slot) Grid(stored, reserve, net float64) (next, grid float64) {
	h := s.Under(stored, reserve)
	return h.Grid(net)
}

// Held is a battery with a given charge and reserve, for callers that need the result for
// many homes.
type Held struct {
	stored, sun, fill, serve float64 // kWh; the last three are the most it takes from the sun, takes from the grid, and supplies
	serves                   bool    // it is above the reserve
	in, out                  float64
}

// Under returns a battery with stored kWh under a reserve of reserve kWh.
func (s *Slot) Under(stored, reserve float64) Held {
	if stored -= s.standby; stored < 0 {
		stored = 0
	}
	h := Held{stored: stored, sun: min(s.most, (s.capacity-stored)*s.out), in: s.in, out: s.out}
	if short := (reserve - stored) * s.out; short < 0 { // what it has to charge to reach the reserve
		h.serves, h.serve = true, min((stored-reserve)*s.in, s.most)
	} else {
		h.fill = min(short, s.grid)
	}
	return h
}

// Grid is like Slot.Grid for a home that used net kWh more than the sun gave.
func (h *Held) Grid(net float64) (next, grid float64) {
	if net > 0 && h.serves {
		out := h.serve
		if out > net { // not min or max, which are slower because they handle NaN
			out = net
		}
		return h.stored - out*h.out, net - out
	}
	in := -net
	if in > h.sun {
		in = h.sun
	}
	if in < h.fill { // the grid adds to what the sun gives
		in = h.fill
	}
	return h.stored + in*h.in, net + in
}

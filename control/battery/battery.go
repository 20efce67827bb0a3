// Package battery is the one model of how a home battery behaves: what it takes in and
// gives in a stretch of time under a reserve. The report uses it for the day without
// powermgr, the plan to look ahead, and what-if to replay a year. It is pure arithmetic
// and knows no vendor.
package battery

import "time"

// A Model is a battery that serves the home by itself, as a Powerwall in
// self_consumption does: it stores what sun is left over, and gives the home
// what the sun does not, down to its reserve.
type Model struct {
	CapacityKWh  float64 `json:"capacity_kwh"`
	PowerKW      float64 `json:"power_kw"`       // most it charges or discharges with
	GridChargeKW float64 `json:"grid_charge_kw"` // most it charges with while it takes power from the grid; 0: it never does
	OneWay       float64 `json:"one_way"`        // what is left of energy after going in, or out: 0.95 is 95 %
	StandbyKW    float64 `json:"standby_kw"`     // what it uses up by itself, all the time
}

// Flow is what flowed in one step, in kWh. Energy is conserved:
// sun + GridIn + Out = load + GridOut + In, and In − Out − Loss is stored.
type Flow struct{ In, Out, GridIn, GridOut, Loss float64 }

// Step lets a battery with stored kWh live for a time in which the home used
// load kWh and the sun gave sun kWh, under a reserve of reserve kWh. Below the
// reserve it fills, from the sun and as far as it may from the grid. At the
// reserve it holds. Above it, it serves the home. It returns what is stored at
// the end.
func (m Model) Step(stored, reserve, load, sun float64, length time.Duration) (float64, Flow) {
	s := m.Over(length)
	return s.Step(stored, min(reserve, m.CapacityKWh), load-sun)
}

// A Slot is a Model for steps of one length. It saves the arithmetic that only
// depends on the length, for those who take millions of steps.
type Slot struct {
	capacity, most, grid, standby float64 // kWh
	in, out                       float64 // OneWay and 1/OneWay
}

// Over is the model for steps of that length.
func (m Model) Over(length time.Duration) Slot {
	h := length.Hours()
	return Slot{
		capacity: m.CapacityKWh, most: m.PowerKW * h, grid: min(m.GridChargeKW, m.PowerKW) * h, standby: m.StandbyKW * h,
		in: m.OneWay, out: 1 / m.OneWay,
	}
}

// Step is Model.Step for a home that used net kWh more than the sun gave; net
// is negative when the sun gave more.
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

// Grid is what Step comes to: what is stored at the end, and what the home
// drew from the grid, negative for what it fed in.
func (s *Slot) Grid(stored, reserve, net float64) (next, grid float64) {
	h := s.Under(stored, reserve)
	return h.Grid(net)
}

// Held is a battery with a charge and a reserve, for those who ask what comes of
// it for many homes.
type Held struct {
	stored, sun, fill, serve float64 // kWh; the last three are the most it takes from the sun, takes from the grid, and gives
	serves                   bool    // it is above the reserve
	in, out                  float64
}

// Under is a battery with stored kWh under a reserve of reserve kWh.
func (s *Slot) Under(stored, reserve float64) Held {
	if stored -= s.standby; stored < 0 {
		stored = 0
	}
	h := Held{stored: stored, sun: min(s.most, (s.capacity-stored)*s.out), in: s.in, out: s.out}
	if short := (reserve - stored) * s.out; short < 0 { // what has to go in to reach the reserve
		h.serves, h.serve = true, min((stored-reserve)*s.in, s.most)
	} else {
		h.fill = min(short, s.grid)
	}
	return h
}

// Grid is Slot.Grid for a home that used net kWh more than the sun gave.
func (h *Held) Grid(net float64) (next, grid float64) {
	if net > 0 && h.serves {
		out := h.serve
		if out > net { // min and max take their time over what is no number
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

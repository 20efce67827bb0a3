package report

import (
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
)

// Energy according to the lifetime counters on powerwall/state. What flowed between two
// readings is split by time where the phase changes.

// Flows are energies in kWh, in a stretch of time or since the beginning. Nil is
// unknown: no source has reported it yet.
type Flows struct {
	Home       *float64 `json:"home_kwh"`
	Solar      *float64 `json:"solar_kwh"`
	BatteryIn  *float64 `json:"battery_in_kwh"`
	BatteryOut *float64 `json:"battery_out_kwh"`
	GridIn     *float64 `json:"grid_in_kwh"`
	GridOut    *float64 `json:"grid_out_kwh"`
}

// Energy is what flowed in each phase, and in how many minutes.
type Energy struct {
	Peak    Measured `json:"peak"`
	PrePeak Measured `json:"pre_peak"`
	OffPeak Measured `json:"off_peak"`
	Day     Measured `json:"day"`
}

// Measured is what flowed in the minutes that were measured.
type Measured struct {
	Minutes float64 `json:"minutes"`
	Flows
}

// A Reading is what the next reading of the Powerwall is compared with.
type Reading struct {
	At time.Time `json:"at"`
	Flows
	// Power is the power of each of the six, in kW.
	Power Flows `json:"power_kw"`
	// Estimated says that the counters were extrapolated to midnight from the power. The
	// readings after it make up for what they are ahead by.
	Estimated bool `json:"estimated,omitempty"`
}

const (
	// longestGap is the longest time between readings that is not reported as a gap.
	// With few calls left, a battery is read every half hour.
	longestGap = 40 * time.Minute
	maxPower   = 100.0 // kW, more than a home's connection: a counter that runs faster is a different one
	maxJump    = 1.0   // kWh, for a counter that is reported in steps
	maxAhead   = 13.0  // kWh, the most that an estimate can be ahead: 20 kW for longestGap
)

func (f *Flows) all() [6]**float64 {
	return [...]**float64{&f.Home, &f.Solar, &f.BatteryIn, &f.BatteryOut, &f.GridIn, &f.GridOut}
}

// plus adds share of g to f.
func (f *Flows) plus(g Flows, share float64) {
	to := f.all()
	for i, v := range g.all() {
		if *v != nil {
			plus(to[i], **v*share)
		}
	}
}

// since returns by how much the counters f are ahead of those of an earlier reading.
func (f Flows) since(earlier Flows) (d Flows) {
	to, old := d.all(), earlier.all()
	for i, v := range f.all() {
		if *v != nil && *old[i] != nil {
			plus(to[i], **v-**old[i])
		}
	}
	return d
}

// beyond reports whether any of f is outside these limits.
func (f Flows) beyond(least, most float64) bool {
	for _, v := range f.all() {
		if *v != nil && (**v < least || **v > most) {
			return true
		}
	}
	return false
}

// of returns where energy of a phase is counted.
func (e *Energy) of(p rules.Phase) *Measured {
	switch p {
	case rules.InPeak:
		return &e.Peak
	case rules.PrePeak:
		return &e.PrePeak
	}
	return &e.OffPeak
}

// powerwall folds a reading of the battery.
func (r *Record) powerwall(p devices.PowerwallReading, now time.Time) {
	at := r.local(p.PolledAt)
	if p.PolledAt.IsZero() || at.After(now) {
		at = r.local(now)
	}
	read := reading(p, at)
	if !possible(p) || read.beyond(0, 1e8) {
		r.LeftOut["messages"]++
		return
	}
	if last := r.Open.Last; last != nil && !at.After(last.At) {
		if now.Sub(at) < time.Minute && last.At.Sub(at) > time.Minute {
			r.Open.Last = &read // the clock was set back
		}
		return // otherwise it is already known
	}
	if p.Age() >= devices.TooOld { // a gap: the cloud repeats old figures
		p.ChargePercent, p.HomePower, p.SolarPower, p.GridPower, p.BatteryPower = nil, nil, nil, nil, nil
		if !r.over(at) {
			r.sampleBattery(p, at)
		}
		return
	}
	r.interval(&read)
	if p.ChargePercent != nil && !r.over(at) {
		r.charge(p, at)
	}
	if !r.over(at) {
		r.sampleBattery(p, at)
	}
	r.Open.Last = &read
}

// interval counts what has flowed since the last reading.
func (r *Record) interval(read *Reading) {
	last := r.Open.Last
	if last == nil {
		return
	}
	if last.Estimated {
		read.catchUp(*last)
	}
	length := read.At.Sub(last.At)
	d := read.since(last.Flows)
	why := ""
	switch {
	case d.beyond(0, maxPower*length.Hours()+maxJump):
		why = "the energy counters went back or jumped: the energy is not known"
	case length > longestGap && !d.beyond(0, 0):
		why = "nothing was measured"
	}
	if why == "" {
		r.book(last.At, read.At, d)
		if length > longestGap {
			why = "no readings: the energy is spread evenly over this time"
		}
	}
	if why != "" {
		keep(r, "gaps", &r.Gaps, Gap{From: latest(last.At, r.start).In(r.zone), Until: read.At, Why: why}, maxGaps)
	}
}

// book counts what flowed in an interval, for the part that is in the day.
func (r *Record) book(from, until time.Time, d Flows) {
	if d == (Flows{}) {
		return
	}
	length := until.Sub(from)
	for _, p := range r.pieces(from, until) {
		part := p.until.Sub(p.from)
		share := part.Seconds() / length.Seconds()
		for _, m := range []*Measured{r.Energy.of(p.phase), &r.Energy.Day} {
			m.plus(d, share)
			m.Minutes = round(m.Minutes + part.Minutes())
		}
		var mine Flows
		mine.plus(d, share)
		r.Counterfactual.step(p.phase, mine, part)
	}
}

// estimate extrapolates the counters to midnight, so that the last minutes of a day count
// for it and not for the next one. The sum of the two days stays correct.
func (r *Record) estimate(at time.Time) {
	last := r.Open.Last
	if last == nil || !last.At.Before(at) || at.Sub(last.At) > longestGap {
		return
	}
	guess := Reading{At: at.In(r.zone), Power: last.Power, Estimated: true}
	guess.plus(last.Flows, 1)
	guess.plus(last.Power, at.Sub(last.At).Hours())
	r.book(last.At, guess.At, guess.since(last.Flows))
	r.Open.Last = &guess
}

// catchUp keeps counters at the value of an estimate that is ahead of them, until they
// have caught up with it.
func (read *Reading) catchUp(last Reading) {
	now := read.all()
	for i, v := range last.all() {
		if ahead := *v != nil && *now[i] != nil && **now[i] < **v && **v-**now[i] < maxAhead; ahead {
			*now[i] = *v
			read.Estimated = true
		}
	}
}

// reading returns a Powerwall's reading, in kWh and kW.
func reading(p devices.PowerwallReading, at time.Time) Reading {
	kwh := func(e *devices.WattHours) *float64 {
		if e == nil {
			return nil
		}
		return new(round(float64(*e) / 1000))
	}
	kw := func(w *devices.Watts, sign float64) *float64 {
		if w == nil {
			return nil
		}
		return new(round(max(0, sign*float64(*w)) / 1000))
	}
	return Reading{
		At: at,
		Flows: Flows{
			Home: kwh(p.Home), Solar: kwh(p.Solar), BatteryIn: kwh(p.BatteryIn), BatteryOut: kwh(p.BatteryOut),
			GridIn: kwh(p.GridImport), GridOut: kwh(p.GridExport),
		},
		Power: Flows{
			Home: kw(p.HomePower, 1), Solar: kw(p.SolarPower, 1), BatteryIn: kw(p.BatteryPower, -1), BatteryOut: kw(p.BatteryPower, 1),
			GridIn: kw(p.GridPower, 1), GridOut: kw(p.GridPower, -1),
		},
	}
}

// possible reports whether a reading is suitable for drawing and computing. What the
// adapters return always is, but anybody may publish on a broker.
func possible(p devices.PowerwallReading) bool {
	for _, w := range []*devices.Watts{p.HomePower, p.SolarPower, p.BatteryPower, p.GridPower} {
		if w != nil && !(*w > -1e6 && *w < 1e6) {
			return false
		}
	}
	return p.ChargePercent == nil || *p.ChargePercent >= 0 && *p.ChargePercent <= 100
}

// charge folds how full the battery is.
func (r *Record) charge(p devices.PowerwallReading, at time.Time) {
	percent := round(float64(*p.ChargePercent))
	now := &Extreme{percent, at}
	c := &r.Charge
	if r.Counterfactual.CapacityKWh == nil || c.Start == nil {
		r.Counterfactual.capacity(p)
	}
	if c.Start == nil {
		c.Start = now
	}
	c.Min, c.Max, c.End = lower(c.Min, percent, at), higher(c.Max, percent, at), now
	r.Counterfactual.begin(percent)
}

// lower returns the lower of an extreme and a value at a time; if they are equal, the
// earlier one.
func lower(e *Extreme, v float64, at time.Time) *Extreme {
	if e == nil || v < e.Value {
		return &Extreme{v, at}
	}
	return e
}

// higher is like lower, for the higher one.
func higher(e *Extreme, v float64, at time.Time) *Extreme {
	if e == nil || v > e.Value {
		return &Extreme{v, at}
	}
	return e
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

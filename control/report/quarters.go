package report

import (
	"math"
	"time"
)

// A Quarter is a quarter of an hour of a day, in kWh. Nil is unknown: a quarter with
// any sample missing has no figure.
type Quarter struct {
	Start                 time.Time
	Home, Solar           *float64
	GridIn, GridOut       *float64
	BatteryIn, BatteryOut *float64
	Charge                *float64 // percent, at its beginning
}

// QuarterLength is how long one is.
const QuarterLength = 15 * time.Minute

// Quarters returns the quarters of the day of which something is known, in order.
func (r Record) Quarters() (all []Quarter) {
	const samples = int(QuarterLength / Step)
	for i := 0; i+samples <= r.slots(); i += samples {
		q := Quarter{Start: r.start.Add(time.Duration(i) * Step).In(r.zone)}
		q.Home, _ = r.Samples.Home.energy(i, samples)
		q.Solar, _ = r.Samples.Solar.energy(i, samples)
		q.GridIn, q.GridOut = r.Samples.Grid.energy(i, samples)
		q.BatteryOut, q.BatteryIn = r.Samples.Battery.energy(i, samples)
		if s := r.Samples.Charge; i < len(s) && !math.IsNaN(s[i]) {
			q.Charge = &s[i]
		}
		if q.Home != nil || q.Solar != nil || q.GridIn != nil || q.BatteryIn != nil || q.Charge != nil {
			all = append(all, q)
		}
	}
	return all
}

// energy returns what flowed in n samples from i on: forth where the power was positive,
// and back where it was negative.
func (s Series) energy(i, n int) (forth, back *float64) {
	if i+n > len(s) {
		return nil, nil
	}
	var in, out float64
	for _, w := range s[i : i+n] {
		if math.IsNaN(w) {
			return nil, nil
		}
		kWh := w / 1000 * Step.Hours()
		in, out = in+max(0, kWh), out+max(0, -kWh)
	}
	return &in, &out
}

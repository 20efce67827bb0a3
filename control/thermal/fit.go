package thermal

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Step is the length of a sample.
const Step = 30 * time.Minute

// A Sample is the means of a half hour in one zone. NaN is unknown.
type Sample struct {
	Start    time.Time
	IndoorC  float64
	OutdoorC float64
	SunKW    float64 // output of the panels, as a measure of how much sun there is
	Cools    float64 // share of the time in which the zone was cooled, 0–1
	Heats    float64
	HomeKW   float64 // power of the whole home
}

// A Model is how one zone warms and cools, in °C and hours.
type Model struct {
	Outdoors  float64       `json:"outdoors_per_hour"` // of the difference from the outdoors
	Mass      float64       `json:"mass_per_hour"`     // of the difference from the walls
	Lag       time.Duration `json:"lag"`               // of the walls
	Sun       float64       `json:"sun_c_per_kwh"`
	Gain      float64       `json:"gain_c_per_hour"`    // from people and what they use
	Cooling   float64       `json:"cooling_c_per_hour"` // while it is cooled; below 0, or 0 if it never was
	Heating   float64       `json:"heating_c_per_hour"` // while it is heated; 0: it never was
	Explained float64       `json:"explained"`          // share of the variation of the run time
}

// What a fit requires.
const (
	minSamples   = 5 * 48 // five days
	minRun       = 0.02   // share of the time in which equipment has to have run for its effect to be known
	MinExplained = 0.5    // of the run time; a model that explains less is refused
	block        = 4      // half hours over which run time is compared
)

// ErrTooYoung says that too little is known about a zone.
var ErrTooYoung = errors.New("fewer than five days of it are known")

var errContradicts = errors.New("its readings contradict how heat flows")

// lags are the lags that are tried.
var lags = []time.Duration{2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 32 * time.Hour}

// Fit finds the model of a zone in its samples, oldest first. Its errors say why there
// is none, as the end of a sentence about the zone.
func Fit(samples []Sample) (Model, error) {
	best := Model{Explained: math.Inf(-1)}
	why := ErrTooYoung
	for _, lag := range lags {
		m, err := fit(samples, lag)
		switch {
		case err == nil && m.Explained > best.Explained:
			best = m
		case err != nil && errors.Is(why, ErrTooYoung):
			why = err
		}
	}
	switch {
	case math.IsInf(best.Explained, -1):
		return Model{}, why
	case best.Cooling == 0 && best.Heating == 0:
		return best, errors.New("it was neither cooled nor heated lately")
	case best.Outdoors < 0 || best.Mass < -0.05:
		return best, errContradicts
	case best.Explained < MinExplained:
		return best, fmt.Errorf("its model explains %.0f %% of the run time, and %.0f %% are needed", 100*max(0, best.Explained), 100*MinExplained)
	}
	return best, nil
}

// Walls returns the temperature of the walls after the samples.
func (m Model) Walls(samples []Sample) float64 {
	mass := walls(samples, m.Lag)
	if len(mass) == 0 {
		return math.NaN()
	}
	return mass[len(mass)-1]
}

// walls returns the temperature of the walls at each sample: it follows that of the air
// with a lag.
func walls(samples []Sample, lag time.Duration) []float64 {
	out := make([]float64, len(samples))
	at := math.NaN()
	follow := 1 - math.Exp(-Step.Hours()/lag.Hours())
	for i, s := range samples {
		switch {
		case math.IsNaN(s.IndoorC):
		case math.IsNaN(at):
			at = s.IndoorC
		default:
			at += follow * (s.IndoorC - at)
		}
		out[i] = at
	}
	return out
}

// A change is what happened in the hour around a sample: how fast the air temperature
// changed, in °C per hour, and what caused it.
type change struct {
	of, outdoors, mass, sun, ran, ranElse float64
}

// changes returns the changes around the samples in which equipment of one kind ran or
// none did.
func changes(samples []Sample, lag time.Duration, ran, ranElse func(Sample) float64) (all []change) {
	mass := walls(samples, lag)
	settled := int(2*lag/Step) + 1 // until then the temperature of the walls is not known
	for i := settled; i+1 < len(samples); i++ {
		a, b, c := samples[i-1], samples[i], samples[i+1]
		mid := func(of func(Sample) float64) float64 { return of(a)/4 + of(b)/2 + of(c)/4 }
		air := mid(func(s Sample) float64 { return s.IndoorC })
		x := change{
			of:       (c.IndoorC - a.IndoorC) / (2 * Step.Hours()),
			outdoors: mid(func(s Sample) float64 { return s.OutdoorC }) - air, mass: mass[i] - air,
			sun: mid(func(s Sample) float64 { return s.SunKW }), ran: mid(ran), ranElse: mid(ranElse),
		}
		if sum := x.of + x.outdoors + x.mass + x.sun + x.ran + x.ranElse; !math.IsNaN(sum) && x.ranElse == 0 && c.Start.Sub(a.Start) == 2*Step {
			all = append(all, x)
		}
	}
	return all
}

func cools(s Sample) float64 { return s.Cools }
func heats(s Sample) float64 { return s.Heats }

// fit returns the best model with that lag. What is fitted is the run time, since it is
// the least precise: a thermostat is read every five minutes, and compressors switch on
// and off within ten. The model is of one kind of equipment, the one that ran longer.
func fit(samples []Sample, lag time.Duration) (m Model, err error) {
	cooled, heated := 0.0, 0.0
	for _, s := range samples {
		if !math.IsNaN(s.Cools + s.Heats) {
			cooled, heated = cooled+s.Cools, heated+s.Heats
		}
	}
	ran, ranElse, to, sign := cools, heats, &m.Cooling, -1.0
	if heated > cooled {
		ran, ranElse, to, sign = heats, cools, &m.Heating, 1
	}
	all := changes(samples, lag, ran, ranElse)
	if len(all) < minSamples {
		return m, ErrTooYoung
	}
	if m.Lag = lag; max(cooled, heated) < minRun*float64(len(samples)) {
		return m, nil
	}
	var rows [][]float64
	var y []float64
	for _, c := range all {
		rows, y = append(rows, []float64{c.of, c.outdoors, c.mass, c.sun, 1}), append(y, c.ran)
	}
	x, ok := leastSquares(rows, y)
	if !ok || x[0]*sign <= 0 {
		return m, errContradicts
	}
	*to = 1 / x[0]
	m.Outdoors, m.Mass, m.Sun, m.Gain = -x[1]/x[0], -x[2]/x[0], -x[3]/x[0], -x[4]/x[0]
	m.Explained = m.explains(all)
	return m, nil
}

// explains returns the share of the variation of the run time, over blocks of hours, that
// the model accounts for. The model says how long the equipment had to run for the air to
// do what it did.
func (m Model) explains(all []change) float64 {
	var real, guess []float64
	for i := 0; i+block <= len(all); i += block {
		var ran, needed float64
		for _, c := range all[i : i+block] {
			ran += c.ran
			idle := m.Outdoors*c.outdoors + m.Mass*c.mass + m.Sun*c.sun + m.Gain
			needed += max(0, min(1, (c.of-idle)/(m.Cooling+m.Heating)))
		}
		real, guess = append(real, ran), append(guess, needed)
	}
	mean := 0.0
	for _, v := range real {
		mean += v / float64(len(real))
	}
	missed, varied := 0.0, 0.0
	for i, v := range real {
		missed, varied = missed+(v-guess[i])*(v-guess[i]), varied+(v-mean)*(v-mean)
	}
	if varied == 0 {
		return 0
	}
	return 1 - missed/varied
}

// leastSquares solves rows·x = y with the least squared error. ok is false if the rows do
// not determine x.
func leastSquares(rows [][]float64, y []float64) (x []float64, ok bool) {
	if len(rows) == 0 {
		return nil, false
	}
	n := len(rows[0])
	a := make([][]float64, n) // the normal equations, with their right side
	for i := range a {
		a[i] = make([]float64, n+1)
	}
	for r, row := range rows {
		for i := range n {
			for j := range n {
				a[i][j] += row[i] * row[j]
			}
			a[i][n] += row[i] * y[r]
		}
	}
	for i := range n {
		a[i][i] *= 1 + 1e-6 // so that columns that say the same share their weight
	}
	return solve(a)
}

// solve solves n equations by Gaussian elimination; their right side is in the last
// column.
func solve(a [][]float64) (x []float64, ok bool) {
	n := len(a)
	for i := range n {
		pivot := i
		for j := i + 1; j < n; j++ {
			if math.Abs(a[j][i]) > math.Abs(a[pivot][i]) {
				pivot = j
			}
		}
		if a[i], a[pivot] = a[pivot], a[i]; math.Abs(a[i][i]) < 1e-9 {
			return nil, false
		}
		for j := i + 1; j < n; j++ {
			f := a[j][i] / a[i][i]
			for k := i; k <= n; k++ {
				a[j][k] -= f * a[i][k]
			}
		}
	}
	x = make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = a[i][n]
		for j := i + 1; j < n; j++ {
			x[i] -= a[i][j] * x[j]
		}
		x[i] /= a[i][i]
	}
	return x, true
}

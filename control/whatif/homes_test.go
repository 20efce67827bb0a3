package whatif

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"powermgr/control/battery"
	"powermgr/control/forecast"
	"powermgr/control/history"
	"powermgr/control/plan"
)

var homes = flag.String("homes", os.Getenv("POWERMGR_HOMES"), "a folder with a year of each of several homes, a CSV each, as what-if reads them")

var sky = flag.Float64("sky", 0, "also plan with a weather forecast whose sun of each day is off by this, such as 0.25; 0: do not")

// leads are how far ahead the forecasts are looked at.
var leads = []time.Duration{
	30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour, 18 * time.Hour, 24 * time.Hour, 30 * time.Hour, 36 * time.Hour,
}

// TestHomes lives the years of real homes: the table that the plan is judged by.
func TestHomes(t *testing.T) {
	if *homes == "" {
		t.Skip("no homes: give -homes, or POWERMGR_HOMES, a folder with a CSV of each home's year")
	}
	files, err := filepath.Glob(filepath.Join(*homes, "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: no CSV in %s", err, *homes)
	}
	m := battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 5, OneWay: math.Sqrt(0.9)}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "home\tof none: rule\tplan\tforesight\tof the way\tpeak kWh: rule\tplan\tforesight\twrites a day\tplan p50\tp99\t")
	var sum [8]float64
	known, knownPeak := 0.0, 0.0 // with a weather forecast
	off := make([]forecast.Off, len(leads))
	var took []time.Duration
	for _, file := range files {
		y := readHome(t, file)
		s := Setup{Battery: m, OffPeak: 100, Plan: plan.DefaultOptions(), Policies: []string{NoBattery, Alone, Rule, Foresight}}
		c, err := y.Compare(s)
		if err != nil {
			t.Fatal(err)
		}
		var times []time.Duration
		p := &planner{year: y, battery: m, options: s.Plan, rule: y.Rule(0, 100), past: forecast.NewPast(y.Zone, y.Free)}
		c.Results[Planned] = y.Live(m, func(i int, stored float64) int {
			began := time.Now()
			reserve := p.reserve(i, stored)
			if i%perPlan == 0 {
				times = append(times, time.Since(began))
			}
			return reserve
		}, nil)
		slices.Sort(times)
		took = append(took, times...)
		none := c.Results[NoBattery].Bill
		way, _ := c.Way(Planned)
		row := [8]float64{c.Results[Rule].Bill / none, c.Results[Planned].Bill / none, c.Results[Foresight].Bill / none, 100 * way,
			c.Results[Rule].ExpensiveImport, c.Results[Planned].ExpensiveImport, c.Results[Foresight].ExpensiveImport, c.Results[Planned].WritesADay}
		for i := range row {
			sum[i] += row[i] / float64(len(files))
		}
		for i, o := range y.review() {
			off[i].Load += o.Load / float64(len(files))
			off[i].Sun += o.Sun / float64(len(files))
			off[i].Bias += o.Bias / float64(len(files))
		}
		if *sky > 0 {
			r := y.Live(m, y.foretold(m, *sky).reserve, nil)
			known, knownPeak = known+r.Bill/none/float64(len(files)), knownPeak+r.ExpensiveImport/float64(len(files))
		}
		if alone := c.Results[Alone].Bill / none; row[1] >= alone || row[1] >= row[0] {
			t.Errorf("%s: the plan's bill is %.4f of that without a battery, by self-consumption %.4f, by the rule %.4f", file, row[1], alone, row[0])
		}
		line(w, strings.TrimSuffix(filepath.Base(file), ".csv"), row, times)
	}
	slices.Sort(took)
	line(w, "mean", sum, took)
	_ = w.Flush()
	if *sky > 0 {
		fmt.Fprintf(&out, "with the sun of each day known to %.0f %%: %.4f, %.1f kWh\n", 100**sky, known, knownPeak)
		if known >= sum[1] {
			t.Errorf("to know the sun is worth nothing: %.4f, and %.4f without", known, sum[1])
		}
	}
	fmt.Fprintf(&out, "memory: %d MB at most\n\nmean errors of the forecasts, kWh in half an hour, all homes\n", maxMemory())
	w = tabwriter.NewWriter(&out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "hours ahead\tload, absolute\tload\tsun, absolute\t")
	for i, o := range off {
		fmt.Fprintf(w, "%g\t%.3f\t%+.3f\t%.3f\t\n", leads[i].Hours(), o.Load, o.Bias, o.Sun)
	}
	_ = w.Flush()
	t.Logf("\n%s", out.String())
}

// foretold is a plan with a weather forecast whose sun of each day is off by share,
// up or down.
func (y Year) foretold(m battery.Model, share float64) *planner {
	off := map[string]float64{}
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, s := range y.Slots {
		if day := s.Start.In(y.Zone).Format(time.DateOnly); off[day] == 0 {
			off[day] = max(0.05, 1+share*rnd.NormFloat64())
		}
	}
	p := &planner{year: y, battery: m, options: plan.DefaultOptions(), rule: y.Rule(0, 100), past: forecast.NewPast(y.Zone, y.Free)}
	p.weather = func(t, slots int) []float64 {
		sun := make([]float64, slots)
		for i := range sun {
			for _, s := range y.Slots[t+i*perPlan : t+(i+1)*perPlan] {
				sun[i] += s.SunKWh * off[s.Start.In(y.Zone).Format(time.DateOnly)]
			}
		}
		return sun
	}
	return p
}

func line(w *tabwriter.Writer, name string, row [8]float64, times []time.Duration) {
	at := func(share float64) time.Duration {
		return times[min(len(times)-1, int(share*float64(len(times))))].Round(10 * time.Microsecond)
	}
	fmt.Fprintf(w, "%s\t%.4f\t%.4f\t%.4f\t%.1f %%\t%.1f\t%.1f\t%.1f\t%.1f\t%v\t%v\t\n", name, row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], at(0.5), at(0.99))
}

func readHome(t *testing.T, file string) Year {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	s, err := history.ReadCSV(bytes.NewReader(b), zone)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	y, err := NewYear(s, func(day time.Time) bool { return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday }, nil)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return y
}

// review is by how much the forecasts of a year were off.
func (y Year) review() []forecast.Off {
	r := forecast.Review{Zone: y.Zone, Free: y.Free, From: y.Slots[y.Start].Start, Every: 90 * time.Minute, Leads: leads}
	for _, s := range y.Slots {
		sample := forecast.Sample{Start: s.Start, Length: Step, OutdoorC: s.OutdoorC}
		if s.Known {
			sample.LoadKWh, sample.SunKWh = &s.LoadKWh, &s.SunKWh
		}
		r.Samples = append(r.Samples, sample)
	}
	return r.Errors()
}

// maxMemory is the most that this process has had in memory, in MB.
func maxMemory() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss / 1024 // Linux has it in kB
}

package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"powermgr/devices"
)

func TestBattery(t *testing.T) {
	b := Battery{CapacityKWh: 13.5, ReserveKWh: 2.7, PowerKW: 5, OneWay: 0.95}
	for _, tt := range []struct {
		name                string
		stored, home, solar float64
		want                string // stored, in, out, grid in, grid out
	}{
		{"gives what the sun does not", 10, 2, 1, "8.95 0.00 1.00 0.00 0.00"},
		{"keeps its reserve", 2.7, 2, 1, "2.70 0.00 0.00 1.00 0.00"},
		{"gives down to its reserve", 3.7, 3, 1, "2.70 0.00 0.95 1.05 0.00"},
		{"has less than its reserve, and gets nothing from the grid", 1, 2, 1, "1.00 0.00 0.00 1.00 0.00"},
		{"takes what is left of the sun", 5, 1, 3, "6.90 2.00 0.00 0.00 0.00"},
		{"is full", 13.5, 1, 3, "13.50 0.00 0.00 0.00 2.00"},
		{"gives no more than it can", 13, 9, 0, "7.74 0.00 5.00 4.00 0.00"},
		{"takes no more than it can", 2.7, 0, 9, "7.45 5.00 0.00 0.00 4.00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stored, p := b.Step(tt.stored, tt.home, tt.solar, time.Hour)
			if got := fmt.Sprintf("%.2f %.2f %.2f %.2f %.2f", stored, p.In, p.Out, p.GridIn, p.GridOut); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// Whatever the home and the sun do, energy is conserved and the battery stays
// within its limits.
func TestEnergyIsConserved(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := Battery{CapacityKWh: 5 + rnd.Float64()*50, PowerKW: 1 + rnd.Float64()*12, OneWay: 0.8 + rnd.Float64()*0.2}
		b.ReserveKWh = rnd.Float64() * b.CapacityKWh
		start := rnd.Float64() * b.CapacityKWh
		stored, sum, loss := start, 0.0, 0.0
		for range 300 {
			home, solar := rnd.Float64()*rnd.Float64(), rnd.Float64()*rnd.Float64()
			length := time.Duration(1+rnd.IntN(900)) * time.Second
			next, p := b.Step(stored, home, solar, length)
			if d := solar + p.GridIn + p.Out - home - p.GridOut - p.In; math.Abs(d) > 1e-9 {
				t.Fatalf("%g kWh came from nowhere: %+v", d, p)
			}
			for _, v := range []float64{p.In, p.Out, p.GridIn, p.GridOut, p.Loss} {
				if v < 0 {
					t.Fatalf("%+v", p)
				}
			}
			if most := b.PowerKW * length.Hours(); p.In > most+1e-9 || p.Out > most+1e-9 {
				t.Fatalf("more than %g kWh: %+v", most, p)
			}
			if next > b.CapacityKWh+1e-9 || next < min(stored, b.ReserveKWh)-1e-9 {
				t.Fatalf("from %g to %g kWh with %+v", stored, next, b)
			}
			stored, sum, loss = next, sum+p.In-p.Out, loss+p.Loss
		}
		if d := stored - start - (sum - loss); math.Abs(d) > 1e-6 {
			t.Fatalf("%g kWh came from nowhere in the battery", d)
		}
	}
}

// The battery without powermgr goes on from where it ended, whatever the real
// one has.
func TestTheOtherBatteryGoesOnOverMidnight(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.poll()
	var ended []float64
	for i := range 3 { // until Friday
		h.until("23:55")
		done := h.midnight()
		w, next := done.Without, h.r.Without
		ended = append(ended, *w.EndKWh)
		if *next.StartKWh != *w.EndKWh || *next.EndKWh != *w.EndKWh || next.StartFrom != done.Date {
			t.Errorf("day %d ended with %v kWh, the next begins with %v of %q", i, *w.EndKWh, *next.StartKWh, next.StartFrom)
		}
		if i == 0 && (w.StartFrom != "" || math.Abs(*w.StartKWh-0.9*13.5) > 0.01) {
			t.Errorf("the first day began with %v kWh of %q", *w.StartKWh, w.StartFrom)
		}
		if w.PeakMinutes != 180 || w.OtherMinutes != 1260 || next.Actual != (Grid{}) || next.Alone != (Grid{}) {
			t.Errorf("%v and %v minutes compared, the next begins with %v", w.PeakMinutes, w.OtherMinutes, next.Alone)
		}
		if *w.CapacityKWh != 13.5 {
			t.Errorf("a capacity of %v kWh", *w.CapacityKWh)
		}
		real := done.Charge.End.Value
		if math.Abs(real/100*13.5-*w.EndKWh) < 1 {
			t.Errorf("the real battery has %v %%, as the other: the test shows nothing", real)
		}
	}
	t.Log(ended)
}

// What was not measured is not compared, for neither of the two.
func TestNotCompared(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(p *devices.PowerwallReading)
		want   float64 // minutes
	}{
		{"all is known", func(*devices.PowerwallReading) {}, 5},
		{"the home is not known", func(p *devices.PowerwallReading) { p.Home = nil }, 0},
		{"the sun is not known", func(p *devices.PowerwallReading) { p.Solar = nil }, 0},
		{"the grid is not known", func(p *devices.PowerwallReading) { p.GridImport = nil }, 0},
		{"how much it holds is not known", func(p *devices.PowerwallReading) { p.StoredEnergy = nil }, 0},
		{"it is too empty to tell", func(p *devices.PowerwallReading) { p.ChargePercent = devices.Pointer(devices.Percent(5)) }, 0},
		{"it holds nonsense", func(p *devices.PowerwallReading) { p.StoredEnergy = devices.Pointer(devices.WattHours(1e9)) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 12:00")
			for range 2 {
				p := h.powerwall()
				tt.change(&p)
				h.says(topics.Powerwall("state"), p)
				h.now = h.now.Add(5 * time.Minute)
			}
			w := h.r.Without
			if got := w.PeakMinutes + w.OtherMinutes; got != tt.want {
				t.Errorf("%v minutes compared, want %v", got, tt.want)
			}
			if tt.want == 0 && (w.Actual != Grid{} || w.Alone != Grid{}) {
				t.Errorf("%+v", w)
			}
		})
	}
}

// A battery that holds more gives more.
func TestThePowerOfSeveralPowerwalls(t *testing.T) {
	for _, c := range []struct {
		name      string
		kwh, said float64
		want      float64
	}{
		{"one", 13.5, 0, 5}, {"three", 40.5, 0, 15}, {"as somebody has said", 40.5, 9, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Without{Assumptions: Assumptions{PowerKW: c.said}, CapacityKWh: &c.kwh}
			if got := w.battery().PowerKW; got != c.want {
				t.Errorf("%g kW, want %g", got, c.want)
			}
		})
	}
}

package battery

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestStep(t *testing.T) {
	m := Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 1.7, OneWay: 0.95}
	for _, tt := range []struct {
		name                       string
		stored, reserve, load, sun float64
		want                       string // stored, in, out, grid in, grid out
	}{
		{"gives what the sun does not", 10, 2.7, 2, 1, "8.95 0.00 1.00 0.00 0.00"},
		{"holds at its reserve", 2.7, 2.7, 2, 1, "2.70 0.00 0.00 1.00 0.00"},
		{"gives down to its reserve", 3.7, 2.7, 3, 1, "2.70 0.00 0.95 1.05 0.00"},
		{"fills from the grid below its reserve", 1, 2.7, 2, 1, "2.62 1.70 0.00 2.70 0.00"},
		{"fills no further than its reserve", 2.2, 2.7, 2, 2, "2.70 0.53 0.00 0.53 0.00"},
		{"fills from the sun first", 1, 5, 1, 3, "2.90 2.00 0.00 0.00 0.00"},
		{"fills from the sun, and the grid adds to it", 1, 5, 1, 2, "2.62 1.70 0.00 0.70 0.00"},
		{"takes what is left of the sun, whatever the reserve", 5, 0, 1, 3, "6.90 2.00 0.00 0.00 0.00"},
		{"is full", 13.5, 13.5, 1, 3, "13.50 0.00 0.00 0.00 2.00"},
		{"gives no more than it can", 13, 0, 9, 0, "7.74 0.00 5.00 4.00 0.00"},
		{"takes no more than it can", 2.7, 0, 0, 9, "7.45 5.00 0.00 0.00 4.00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stored, f := m.Step(tt.stored, tt.reserve, tt.load, tt.sun, time.Hour)
			if got := fmt.Sprintf("%.2f %.2f %.2f %.2f %.2f", stored, f.In, f.Out, f.GridIn, f.GridOut); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestABatteryThatMayNotTakeFromTheGridOnlyWaitsForTheSun(t *testing.T) {
	m := Model{CapacityKWh: 13.5, PowerKW: 5, OneWay: 0.95}
	stored, f := m.Step(1, 13.5, 2, 1, time.Hour)
	if stored != 1 || f.In != 0 || f.GridIn != 1 {
		t.Errorf("%.2f stored, %+v", stored, f)
	}
}

func TestEnergyIsConserved(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		m := Model{CapacityKWh: 5 + rnd.Float64()*50, PowerKW: 1 + rnd.Float64()*12, OneWay: 0.8 + rnd.Float64()*0.2}
		if rnd.IntN(3) > 0 {
			m.GridChargeKW = rnd.Float64() * 6
		}
		if rnd.IntN(3) == 0 {
			m.StandbyKW = rnd.Float64() * 0.1
		}
		stored := rnd.Float64() * m.CapacityKWh
		for range 300 {
			load, sun, reserve := rnd.Float64()*rnd.Float64()*5, rnd.Float64()*rnd.Float64()*5, rnd.Float64()*m.CapacityKWh
			length := time.Duration(1+rnd.IntN(3600)) * time.Second
			next, f := m.Step(stored, reserve, load, sun, length)
			if d := sun + f.GridIn + f.Out - load - f.GridOut - f.In; math.Abs(d) > 1e-9 {
				t.Fatalf("%g kWh came from nowhere: %+v", d, f)
			}
			if d := next - stored - f.In + f.Out + f.Loss; math.Abs(d) > 1e-9 {
				t.Fatalf("%g kWh stored came from nowhere: %+v", d, f)
			}
			for _, v := range []float64{f.In, f.Out, f.GridIn, f.GridOut, f.Loss} {
				if v < 0 {
					t.Fatalf("a negative flow: %+v", f)
				}
			}
			if most := m.PowerKW * length.Hours(); f.In > most+1e-9 || f.Out > most+1e-9 {
				t.Fatalf("more than %g kWh: %+v", most, f)
			}
			if next < -1e-9 || next > m.CapacityKWh+1e-9 {
				t.Fatalf("%g kWh in a battery of %g", next, m.CapacityKWh)
			}
			if f.In > 0 && f.Out > 0 || f.GridIn > 0 && f.GridOut > 0 {
				t.Fatalf("both ways at once: %+v", f)
			}
			stored = next
		}
	}
}

func BenchmarkStep(b *testing.B) {
	s := Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95}.Over(30 * time.Minute)
	sum := 0.0
	for i := range b.N {
		next, f := s.Step(float64(i%13), 5, float64(i%7)-3)
		sum += next + f.GridIn
	}
	_ = sum
}

// TestReservesThatComeToTheSame checks the equality that saves a plan most of its work.
func TestReservesThatComeToTheSame(t *testing.T) {
	s := Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 1.7, OneWay: 0.95}.Over(30 * time.Minute)
	for _, tt := range []struct {
		name string
		a, b float64
		same bool
	}{
		{"it gives all it can", 1, 4, true},
		{"it gives as far as the reserve", 8.5, 9, false},
		{"the grid fills as fast as it can", 11, 13.5, true},
		{"the grid fills as far as the reserve", 10.2, 10.4, false},
		{"it gives or fills", 4, 11, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if same := s.Under(10, tt.a) == s.Under(10, tt.b); same != tt.same {
				t.Errorf("%v, want %v", same, tt.same)
			}
			differ := false
			for net := -4.0; net <= 4; net += 0.05 {
				next, grid := s.Grid(10, tt.a, net)
				other, also := s.Grid(10, tt.b, net)
				differ = differ || next != other || grid != also
			}
			if differ == tt.same {
				t.Errorf("what comes of them differs: %v", differ)
			}
		})
	}
}

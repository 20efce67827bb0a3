package plan

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"powermgr/control/battery"
	"powermgr/control/forecast"
)

var powerwall = battery.Model{CapacityKWh: 10, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95}

// day returns a plan's inputs from noon on: power is expensive from 16:00 to 21:00, and
// each course is a load in those hours and a sun before them, in kWh per hour.
func day(courses ...[2]float64) Inputs {
	noon := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	in := Inputs{Battery: powerwall, Length: Length, Options: DefaultOptions()}
	for i := range 48 {
		s := Slot{Start: noon.Add(time.Duration(i) * Length), Import: 0.2}
		if h := s.Start.Hour(); h >= 16 && h < 21 {
			s.Import, s.Expensive = 0.5, true
		}
		in.Slots = append(in.Slots, s)
	}
	for _, c := range courses {
		course := forecast.Course{Weight: 1}
		for _, s := range in.Slots {
			load, sun := 0.25, 0.0
			if s.Expensive {
				load = c[0] / 2
			}
			if s.Start.Hour() >= 12 && s.Start.Hour() < 16 {
				sun = c[1] / 2
			}
			course.Load, course.Sun = append(course.Load, load), append(course.Sun, sun)
		}
		in.Courses = append(in.Courses, course)
	}
	return in
}

func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      Inputs
		slot    int
		stored  float64
		reserve int // in force
		least   int // what may be asked for
		most    int
	}{
		{"nothing to come needs the battery, and it serves the home", day([2]float64{0.2, 0}), 0, 5, 0, 0, 40},
		{"the sun will fill it, and it is not filled from the grid", day([2]float64{1.5, 4}), 0, 5, 0, 0, 50},
		{"without sun it is filled before the hours in which it is needed", day([2]float64{1.5, 0}), 6, 2, 0, 66, 100},
		{"if one day in three is heavy, it is filled for that one", day([2]float64{0.5, 0}, [2]float64{0.5, 0}, [2]float64{1.8, 0}), 7, 2, 0, 43, 100},
		{"in expensive hours it serves the home", day([2]float64{1.5, 0}), 8, 9, 100, 0, 0},
		{"what gains less than it is worth is left", day([2]float64{1.5, 0}), 8, 9, 4, 4, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := Solve(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := v.Ask(Question{Slot: tt.slot, StoredKWh: tt.stored, Reserve: tt.reserve})
			if got < tt.least || got > tt.most {
				t.Errorf("it asks for %d %%, want %d to %d", got, tt.least, tt.most)
			}
		})
	}
}

func TestASiteThatMayNotFillFromTheGridHolds(t *testing.T) {
	in := day([2]float64{1.5, 0})
	in.Battery.GridChargeKW = 0
	v, err := Solve(in)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := v.Ask(Question{StoredKWh: 5})
	if got < 48 {
		t.Errorf("it asks for %d %%, and the home uses up what the evening needs", got)
	}
}

func TestOnlyReservesThatTeslaKeepsAreAskedFor(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		in := day([2]float64{3 * rnd.Float64(), 4 * rnd.Float64()}, [2]float64{3 * rnd.Float64(), 4 * rnd.Float64()})
		in.Options.MinReserve = rnd.IntN(40)
		v, err := Solve(in)
		if err != nil {
			t.Fatal(err)
		}
		now := 0
		for range 40 {
			net := 4*rnd.Float64() - 2
			now, _ = v.Ask(Question{Slot: rnd.IntN(48), StoredKWh: 10 * rnd.Float64(), Reserve: now, NetKWh: &net})
			if now < in.Options.MinReserve || now > highest && now != full {
				t.Fatalf("it asks for %d %% with at least %d", now, in.Options.MinReserve)
			}
		}
	}
}

func TestTheSameInputsGiveTheSamePlan(t *testing.T) {
	in := day([2]float64{1.5, 2}, [2]float64{0.7, 3}, [2]float64{2.5, 0})
	a, err := Solve(in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Solve(in)
	if err != nil {
		t.Fatal(err)
	}
	for slot := range in.Slots {
		q := Question{Slot: slot, StoredKWh: float64(slot%10) + 0.3}
		r, c := a.Ask(q)
		if r2, c2 := b.Ask(q); r2 != r || c2 != c {
			t.Fatalf("slot %d: %d %% for %g, and %d %% for %g", slot, r, c, r2, c2)
		}
	}
}

func TestNothingToPlanWith(t *testing.T) {
	short := day([2]float64{1, 1})
	short.Courses[0].Sun = short.Courses[0].Sun[:3]
	empty := day()
	none := day([2]float64{1, 1})
	none.Battery.CapacityKWh = 0
	for name, in := range map[string]Inputs{"no slots": {}, "no courses": empty, "a course that ends": short, "no battery": none} {
		if _, err := Solve(in); !errors.Is(err, ErrNothing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A plan of 36 hours in half hours over as many courses as a forecast has.
func BenchmarkSolve(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	in := Inputs{Battery: powerwall, Length: Length, Options: DefaultOptions()}
	for i := range Horizon {
		in.Slots = append(in.Slots, Slot{Import: 0.2 + 0.3*float64(i/10%2), Expensive: i/10%2 == 1})
	}
	for range 24 {
		c := forecast.Course{Weight: 1}
		for range in.Slots {
			c.Load, c.Sun = append(c.Load, rnd.Float64()), append(c.Sun, rnd.Float64())
		}
		in.Courses = append(in.Courses, c)
	}
	b.ReportAllocs()
	for range b.N {
		if _, err := Solve(in); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTwoHalvesComeToTheSameAsTheWhole(t *testing.T) {
	in := Inputs{Battery: battery.Model{CapacityKWh: 10, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95}, Length: Length, Levels: 51}
	course := forecast.Course{Weight: 1}
	for i := range 48 {
		in.Slots = append(in.Slots, Slot{Import: 0.2 + 0.3*float64(i/12%2)})
		course.Load, course.Sun = append(course.Load, 1), append(course.Sun, float64(i%5)/2)
	}
	solve := func(from, to int, after []float64) *Values {
		part := in
		part.Slots, part.After = in.Slots[from:to], after
		part.Courses = []forecast.Course{{Weight: 1, Load: course.Load[from:to], Sun: course.Sun[from:to]}}
		v, err := Solve(part)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	whole := solve(0, 48, nil).Beginning()
	halves := solve(0, 20, solve(20, 48, nil).Beginning()).Beginning()
	for i := range whole {
		if math.Abs(whole[i]-halves[i]) > 1e-9 {
			t.Errorf("level %d: %g, and %g in halves", i, whole[i], halves[i])
		}
	}
}

// With an hour of negative prices, the energy left at the end had a negative value, and
// the plan emptied the battery.
func TestAnHourThatPaysIsFilledInAndLeavesTheRestItsWorth(t *testing.T) {
	in := day([2]float64{0.2, 0})
	in.Slots[2].Import = -0.05
	v, err := Solve(in)
	if err != nil {
		t.Fatal(err)
	}
	end := v.cost[len(in.Slots)]
	if got, want := end[len(end)-1], -10*0.95*0.2*leftWorth; math.Abs(got-want) > 1e-9 {
		t.Errorf("a full battery at the end is worth %.3f, want %.3f", -got, -want)
	}
	if reserve, _ := v.Ask(Question{Slot: 2, StoredKWh: 3}); reserve < 54 { // as fast as it fills
		t.Errorf("in the hour that pays the reserve is %d %%", reserve)
	}
}

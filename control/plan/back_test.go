package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"powermgr/control/battery"
	"powermgr/control/forecast"
)

// anyday returns a day of some prices and courses, with a battery of some kind.
func anyday(rnd *rand.Rand) Inputs {
	in := day()
	in.Battery = battery.Model{CapacityKWh: 5 + 20*rnd.Float64(), PowerKW: 2 + 6*rnd.Float64(), OneWay: 0.8 + 0.2*rnd.Float64()}
	in.Battery.GridChargeKW = []float64{0, 1.7, in.Battery.PowerKW}[rnd.IntN(3)]
	in.Battery.StandbyKW = []float64{0, 0.1}[rnd.IntN(2)]
	in.Options.MinReserve = []int{0, rnd.IntN(100)}[rnd.IntN(2)]
	in.Levels = []int{0, 2, 23}[rnd.IntN(3)]
	for range 1 + rnd.IntN(4) {
		c := forecast.Course{Weight: rnd.Float64()}
		for i := range in.Slots {
			c.Load = append(c.Load, 2*rnd.Float64())
			c.Sun = append(c.Sun, max(0, 3*math.Sin(float64(i)/5)*rnd.Float64()))
		}
		in.Courses = append(in.Courses, c)
	}
	return in
}

func TestALevelCostsWhatTheBestChoiceForItDoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		in := anyday(rnd)
		v, err := Solve(in)
		if err != nil {
			t.Fatal(err)
		}
		reach := in.Battery.PowerKW * in.Length.Hours() * in.Battery.OneWay
		for slot := 1; slot < len(in.Slots); slot++ {
			for i := range v.levels {
				stored, want := v.stored(i), math.Inf(1)
				wanted := []float64{0, stored, stored + 0.4*reach, stored + reach}
				if !v.fillable(slot) {
					wanted = wanted[:2]
				}
				for _, reserve := range wanted {
					want = min(want, v.expect(slot, v.step.Under(stored, v.settable(reserve)), v.net[slot]))
				}
				got := 0.0
				for c, w := range v.weight {
					got += w * v.row(slot, c)[i]
				}
				if math.Abs(got-want) > 1e-8 {
					t.Fatalf("%+v with at least %d %%, slot %d, level %d: %g, want %g", in.Battery, in.Options.MinReserve, slot, i, got, want)
				}
			}
		}
	}
}

func TestCoursesThatDifferOnlyAtFirstAreSolvedFromThereOn(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for range 20 {
		in := anyday(rnd)
		before, err := Solve(in)
		if err != nil {
			t.Fatal(err)
		}
		end := rnd.IntN(len(in.Slots) + 1)
		others := make([]forecast.Course, len(in.Courses))
		for i, c := range in.Courses {
			others[i] = c
			others[i].Load = append([]float64{}, c.Load...)
			for slot := range end {
				others[i].Load[slot] += rnd.Float64()
			}
		}
		with := before.With(others, end)
		in.Courses = others
		want, err := Solve(in)
		if err != nil {
			t.Fatal(err)
		}
		for slot := range in.Slots {
			q := Question{Slot: slot, StoredKWh: in.Battery.CapacityKWh * rnd.Float64()}
			got, cost := with.Ask(q)
			if reserve, c := want.Ask(q); reserve != got || c != cost {
				t.Fatalf("slot %d of which %d differ: %d %% for %g, want %d %% for %g", slot, end, got, cost, reserve, c)
			}
		}
	}
}

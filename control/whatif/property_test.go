package whatif

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"powermgr/control/battery"
	"powermgr/control/plan"
)

// A world is what the properties are tried on, read from bytes: the fewer there
// are and the lower they are, the simpler it is, so that the fuzzer's smallest
// failing input is one that can be worked out on paper.
type world struct {
	hours   []hour
	battery battery.Model
	paid    float64 // for exports, as a share of the price
	asked   []int   // a reserve for each hour, percent: as good as any policy
}

func (w world) year() Year {
	y := onPaper(w.hours...)
	for i := range y.Slots {
		y.Slots[i].Export = w.paid * y.Slots[i].Import
	}
	return y
}

const (
	perBattery = 5 // bytes
	perHour    = 3
	maxHours   = 48
)

// worldOf reads a world; ok is false if there are too few bytes.
//
// The battery: 1 + b/8 kWh, 0.5 + b/16 kW, as much of it from the grid as b of 255,
// b/512 lost on each way, and exports paid at b/512 of the price. An hour: the load is
// b/64 kWh; so is the sun, if the lowest bit is 0, else none; the last byte is the
// price, one of four, the two higher ones expensive and one below zero, and a reserve.
func worldOf(b []byte) (w world, ok bool) {
	if len(b) < perBattery+perHour {
		return w, false
	}
	power := 0.5 + float64(b[1])/16
	w.battery = battery.Model{
		CapacityKWh: 1 + float64(b[0])/8, PowerKW: power, GridChargeKW: power * float64(b[2]) / 255, OneWay: 1 - float64(b[3])/512,
	}
	w.paid = float64(b[4]) / 512
	for b = b[perBattery:]; len(b) >= perHour && len(w.hours) < maxHours; b = b[perHour:] {
		h := hour{load: float64(b[0]) / 64, price: []float64{0.2, -0.05, 0.35, 0.5}[b[2]%4], expensive: b[2]%4 > 1}
		if b[1]%2 == 0 {
			h.sun = float64(b[1]) / 64
		}
		w.hours = append(w.hours, h)
		reserve := int(b[2]/4) * 100 / 63
		if reserve > 80 {
			reserve = 100 // Tesla keeps none between
		}
		w.asked = append(w.asked, reserve)
	}
	return w, true
}

// live lives the world under a policy: one of Names, or "any", which asks for the
// reserves of the world.
func (w world) live(t *testing.T, y Year, m battery.Model, name string, each func(SlotOutcome)) Result {
	t.Helper()
	switch name {
	case "any":
		return y.Live(m, func(i int, _ float64) int { return w.asked[i/4] }, each)
	case Planned: // taught, or it would go by the rule
		return y.Live(m, y.taught(m, w.hours[:min(24, len(w.hours))]), each)
	}
	r, err := y.live(name, Setup{Battery: m, OffPeak: 100, Plan: plan.DefaultOptions(), Each: map[string]func(SlotOutcome){name: each}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rough is by how much foresight may miss the best: it asks for whole percents, so
// it is one of the battery, at the highest price.
func (w world) rough(m battery.Model) float64 {
	most := 0.0
	for _, h := range w.hours {
		most = max(most, math.Abs(h.price))
	}
	return most * m.CapacityKWh / 100
}

// draws are so many worlds like those of the fuzzer, for a run without it: homes
// as they are, and some that are not.
func draws(f *testing.F, n int) {
	f.Helper()
	rnd := rand.New(rand.NewPCG(7, 7))
	f.Add([]byte{96, 80, 255, 20, 0, 64, 1, 1, 64, 1, 1}) // two hours that pay for being drawn from
	for i := range n {
		b := []byte{byte(20 + rnd.IntN(100)), byte(rnd.IntN(256)), byte(rnd.IntN(3) * 127), byte(rnd.IntN(100)), byte(i % 3 * 100)}
		for h := range 1 + rnd.IntN(maxHours) {
			sun, price := byte(1), byte(0)
			if at := h % 24; at >= 7 && at < 18 || i%5 == 0 {
				sun = byte(rnd.IntN(128)) * 2
			}
			if at := h % 24; at >= 16 && at < 21 || i%5 == 0 {
				price = byte(rnd.IntN(4))
			}
			b = append(b, byte(rnd.IntN(256)), sun, price|byte(rnd.IntN(64))<<2)
		}
		f.Add(b)
	}
}

// What comes in goes out, is lost or is stored; and the battery keeps its bounds.
func FuzzNoPolicyBeatsPhysics(f *testing.F) {
	draws(f, 40)
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok := worldOf(b)
		if !ok {
			t.Skip()
		}
		y := w.year()
		for _, name := range append(Names(), "any") {
			m := w.battery
			if name == NoBattery {
				m = battery.Model{OneWay: 1}
			}
			stored, in, out, lost := m.CapacityKWh/2, 0.0, 0.0, 0.0
			w.live(t, y, w.battery, name, func(l SlotOutcome) {
				f := l.Flow
				if l.StoredKWh < -1e-9 || l.StoredKWh > m.CapacityKWh+1e-9 {
					t.Fatalf("%s: %g kWh are stored in %g", name, l.StoredKWh, m.CapacityKWh)
				}
				if most := m.PowerKW * Step.Hours(); f.In > most+1e-9 || f.Out > most+1e-9 || l.Charging && f.In > m.GridChargeKW*Step.Hours()+1e-9 {
					t.Fatalf("%s: %+v is more than the battery takes or gives", name, l)
				}
				if f.Loss < -1e-9 || f.GridIn < 0 || f.GridOut < 0 || min(f.In, f.Out) > 0 {
					t.Fatalf("%s: %+v", name, l)
				}
				if want := f.In*(1-m.OneWay) + f.Out*(1/m.OneWay-1); math.Abs(f.Loss-want) > 1e-9 {
					t.Fatalf("%s: %+v, want a loss of %g", name, f, want)
				}
				in, out, lost = in+l.SunKWh+f.GridIn, out+l.LoadKWh+f.GridOut, lost+f.Loss
				if more := stored + in - out - lost - l.StoredKWh; math.Abs(more) > 1e-6 {
					t.Fatalf("%s: at %s %g kWh came from nowhere", name, l.Start.Format("15:04"), -more)
				}
			})
		}
	})
}

// Knowing what comes is never worse than any other way to steer. It is never worse
// than no battery either, as long as exports are not paid: a battery takes in sun
// that would have been paid for, and no reserve keeps it out.
func FuzzForesightIsNeverWorse(f *testing.F) {
	draws(f, 40)
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok := worldOf(b)
		if !ok {
			t.Skip()
		}
		y, m := w.year(), w.battery
		y.Start = len(y.Slots) / 8 * 4 // the second half counts
		best := w.live(t, y, m, Foresight, nil).Bill
		others := []string{Alone, Rule, Planned, "any"}
		if w.paid == 0 {
			others = append(others, NoBattery)
		}
		for _, name := range others {
			if bill := w.live(t, y, m, name, nil).Bill; bill < best-w.rough(m) {
				t.Errorf("%s costs %.4f, foresight %.4f\n%s", name, bill, best, w)
			}
		}
	})
}

// With foresight, more battery is never worse, as long as exports are not paid: a
// reserve cannot keep the sun out of a battery, and a larger one takes in more of what
// would have been paid for. It is a quarter more at least:
// no reserve between 80 and 100 % can be asked for, so that a battery that is
// a little larger cannot be held where the smaller one is full.
func FuzzMoreBatteryIsNeverWorse(f *testing.F) {
	draws(f, 40)
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok := worldOf(b)
		if !ok {
			t.Skip()
		}
		w.paid = 0
		y, m := w.year(), w.battery
		small := w.live(t, y, m, Foresight, nil).Bill
		for _, more := range []float64{1.25, 2, 5} {
			n := m
			n.CapacityKWh *= more
			if bill := w.live(t, y, n, Foresight, nil).Bill; bill > small+w.rough(n) {
				t.Errorf("%g times the battery costs %.4f, and once %.4f\n%s", more, bill, small, w)
			}
		}
	})
}

// String is a world as one would write it on paper.
func (w world) String() string {
	var text strings.Builder
	text.WriteString(fmt.Sprintf("%+v, exports are paid at %g of the price", w.battery, w.paid))
	for i, h := range w.hours {
		text.WriteString(fmt.Sprintf("\n%+v, reserve %d", h, w.asked[i]))
	}
	return text.String()
}

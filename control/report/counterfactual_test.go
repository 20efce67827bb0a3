package report

import (
	"math"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

func TestTheOtherBatteryGoesOnOverMidnight(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.poll()
	var ended []float64
	for i := range 3 { // until Friday
		h.until("23:55")
		done := h.midnight()
		w, next := done.Counterfactual, h.r.Counterfactual
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
		{"it is too empty to tell", func(p *devices.PowerwallReading) { p.ChargePercent = new(devices.Percent(5)) }, 0},
		{"it holds nonsense", func(p *devices.PowerwallReading) { p.StoredEnergy = new(devices.WattHours(1e9)) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 12:00")
			for range 2 {
				p := h.powerwall()
				tt.change(&p)
				h.says(topics.Powerwall("state"), p)
				h.now = h.now.Add(5 * time.Minute)
			}
			w := h.r.Counterfactual
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
			w := Counterfactual{Assumptions: Assumptions{PowerKW: c.said}, CapacityKWh: &c.kwh}
			if got := w.battery().PowerKW; got != c.want {
				t.Errorf("%g kW, want %g", got, c.want)
			}
		})
	}
}

// The battery without powermgr is as the emulated house's is when nobody steers it:
// the two come to the same at the meter.
func TestARealBatteryLeftAloneIsTheOneWithoutPowermgr(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.cloud.Person(func(house *emulator.House) { house.Reserve, house.GridCharging = UsualReserve, false })
	h.poll()
	h.until("23:55")
	w := h.midnight().Counterfactual
	for _, x := range []struct {
		name        string
		real, model float64
	}{{"in the peak", w.Actual.PeakIn, w.Alone.PeakIn}, {"in other hours", w.Actual.OtherIn, w.Alone.OtherIn}, {"fed in", w.Actual.Out, w.Alone.Out}} {
		if math.Abs(x.real-x.model) > 0.3 {
			t.Errorf("%s: %.2f kWh, by the model %.2f", x.name, x.real, x.model)
		}
	}
	if w.Actual.PeakIn+w.Actual.OtherIn < 3 {
		t.Errorf("%+v: too little flows for the test to show anything", w.Actual)
	}
}

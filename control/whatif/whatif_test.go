package whatif

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"powermgr/control/battery"
	"powermgr/control/history"
	"powermgr/control/plan"
)

var noon = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)

// hour is what an hour of a day on paper has.
type hour struct {
	load, sun, price float64
	expensive        bool
}

// onPaper is a year of a few hours, of which all count.
func onPaper(hours ...hour) Year {
	y := Year{Zone: time.UTC, Free: func(time.Time) bool { return false }}
	for _, h := range hours {
		for range 4 {
			y.Slots = append(y.Slots, Slot{
				Start: noon.Add(time.Duration(len(y.Slots)) * Step), Known: true,
				LoadKWh: h.load / 4, SunKWh: h.sun / 4, Import: h.price, Expensive: h.expensive,
			})
		}
	}
	return y
}

// A battery of 4 kWh that begins half full, and three hours: 1 kWh is used, then
// 1 kWh while the sun gives 3, then 4 kWh at five times the price.
func TestThreeHoursThatCanBeWorkedOutOnPaper(t *testing.T) {
	y := onPaper(hour{1, 0, 0.10, false}, hour{1, 3, 0.10, false}, hour{4, 0, 0.50, true})
	lossless := battery.Model{CapacityKWh: 4, PowerKW: 4, GridChargeKW: 4, OneWay: 1}
	lossy := lossless
	lossy.OneWay = 0.8
	noGrid := lossless
	noGrid.GridChargeKW = 0
	for _, tt := range []struct {
		name    string
		battery battery.Model
		policy  string
		want    string // bill, in expensive hours, import, export
	}{
		{"buys all", lossless, NoBattery, "2.10 4.0 5.0 2.0"},
		{"gives 1 of its 2, stores 2, and lacks 1", lossless, Alone, "0.50 1.0 1.0 0.0"},
		{"buys 1 and fills up with 2, so that the sun is wasted", lossless, Rule, "0.30 0.0 3.0 2.0"},
		{"buys 1 and holds, so that the sun fills it", lossless, Foresight, "0.10 0.0 1.0 0.0"},
		{"may not fill from the grid, and holds", noGrid, Rule, "0.10 0.0 1.0 0.0"},
		// Gives 1 (1.25 stored), stores 1.6 of 2, and gives 1.88 of its 2.35.
		{"gives less than it takes", lossy, Alone, "1.06 2.1 2.1 0.0"},
		// Takes 2.5 to fill 2, and gives 3.2 of its 4.
		{"buys what is lost", lossy, Rule, "0.75 0.8 4.3 2.0"},
	} {
		t.Run(tt.policy+" "+tt.name, func(t *testing.T) {
			r, err := y.live(tt.policy, Setup{Battery: tt.battery, OffPeak: 100, Plan: plan.DefaultOptions(), Policies: Names()})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%.2f %.1f %.1f %.1f", r.Bill, r.ExpensiveImport, r.Import, r.Export); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// drawn is a year of some days in which a home and a sun do as they like.
func drawn(rnd *rand.Rand, days int) Year {
	var hours []hour
	for d := range days * 24 {
		h := hour{load: 0.2 + 3*rnd.Float64()*rnd.Float64(), price: 0.2}
		if at := d % 24; at >= 7 && at < 18 {
			h.sun = 4 * rnd.Float64() * math.Sin(float64(at-6)/12*math.Pi)
		}
		if at := d % 24; at >= 16 && at < 21 {
			h.price, h.expensive = 0.5, true
			h.load *= 1.5
		}
		hours = append(hours, h)
	}
	return onPaper(hours...)
}

// worth is what stored energy is worth at most: what it saves buying.
func worth(r Result, m battery.Model) float64 { return r.Bill - r.StoredKWh*m.OneWay*0.2 }

func TestNoPolicyBeatsForesightAndNoneBeatsPhysics(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range 6 {
		y := drawn(rnd, 10)
		m := battery.Model{CapacityKWh: 5 + 10*rnd.Float64(), PowerKW: 3 + 3*rnd.Float64(), GridChargeKW: float64(i%3) * 1.7, OneWay: 0.95}
		s := Setup{Battery: m, OffPeak: 100, Plan: plan.DefaultOptions(), Policies: Names()}
		best, err := y.live(Foresight, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range Names() {
			sun, load, balance := 0.0, 0.0, 0.0
			s.EachOfPlan, s.Policies = func(l Lived) {
				sun, load = sun+l.SunKWh, load+l.LoadKWh
				balance += l.SunKWh + l.Flow.GridIn + l.Flow.Out - l.LoadKWh - l.Flow.GridOut - l.Flow.In
			}, []string{name}
			r, err := y.live(name, s)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(balance) > 1e-6 {
				t.Errorf("%s: %g kWh came from nowhere", name, balance)
			}
			if name == NoBattery {
				if r.Bill < best.Bill {
					t.Errorf("no battery costs %.4f, foresight %.4f", r.Bill, best.Bill)
				}
				continue
			}
			if worth(r, m) < worth(best, m)-0.003*best.Bill {
				t.Errorf("%s costs %.4f, less than foresight's %.4f", name, worth(r, m), worth(best, m))
			}
		}
	}
}

func TestMoreBatteryIsNeverWorse(t *testing.T) {
	y := drawn(rand.New(rand.NewPCG(3, 3)), 10)
	last := math.Inf(1)
	for _, capacity := range []float64{2, 5, 10, 20} {
		m := battery.Model{CapacityKWh: capacity, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95}
		r, err := y.live(Foresight, Setup{Battery: m})
		if err != nil {
			t.Fatal(err)
		}
		cost := r.Bill - (r.StoredKWh+capacity/2)*m.OneWay*0.2 // it began with half of it
		if cost > last+0.01 {
			t.Errorf("%g kWh cost %.3f, a smaller one %.3f", capacity, cost, last)
		}
		last = cost
	}
}

func TestThePlanIsBetweenTheRuleAndForesight(t *testing.T) {
	y := drawn(rand.New(rand.NewPCG(5, 5)), 28)
	y.Start = int(Learning / Step)
	c, err := y.Compare(Setup{
		Battery: battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95},
		OffPeak: 100, Plan: plan.DefaultOptions(), Policies: Names(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Results[Planned].Bill; got > c.Results[Rule].Bill || got > c.Results[Alone].Bill || got < c.Results[Foresight].Bill {
		t.Errorf("the plan costs %.2f: %+v", got, c.Results)
	}
	if way, ok := c.Way(Planned); !ok || way < 0.5 || way > 1 {
		t.Errorf("it went %.2f of the way", way)
	}
	if got := c.Results[Planned].WritesADay; got > 12 {
		t.Errorf("%.1f writes a day", got)
	}
}

func TestWithoutHistoryTheRuleActs(t *testing.T) {
	y := drawn(rand.New(rand.NewPCG(5, 5)), 5)
	s := Setup{Battery: battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95}, OffPeak: 100, Plan: plan.DefaultOptions(), Policies: Names()}
	planned, err := y.live(Planned, s)
	if err != nil {
		t.Fatal(err)
	}
	if rule, _ := y.live(Rule, s); planned != rule {
		t.Errorf("the plan did %+v, the rule %+v", planned, rule)
	}
}

func TestGapsAreCountedAndNothingFlowsInThem(t *testing.T) {
	load := 1.0
	s := history.Series{Length: time.Hour, Zone: time.UTC}
	for i := range 24 * 9 {
		price := 0.2
		slot := history.Slot{Start: noon.Add(time.Duration(i) * time.Hour), LoadKWh: &load, Import: &price}
		if i >= 24*8 && i < 24*8+6 {
			slot.LoadKWh = nil
		}
		s.Slots = append(s.Slots, slot)
	}
	y, err := NewYear(s, func(time.Time) bool { return false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := y.Compare(Setup{Battery: battery.Model{CapacityKWh: 10, PowerKW: 5, OneWay: 1}, Policies: []string{NoBattery, Foresight}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Gaps != 6 || c.Results[NoBattery].Import != 42 || math.Abs(c.Days-1.75) > 1e-9 {
		t.Errorf("%g hours of gaps, %+v", c.Gaps, c)
	}
}

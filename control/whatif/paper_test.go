package whatif

import (
	"fmt"
	"testing"
	"time"

	"powermgr/control/battery"
	"powermgr/control/forecast"
	"powermgr/control/plan"
)

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

// A day on paper: 1 kWh is used, then 1 kWh while the sun gives 3, then 4 kWh at
// five times the price.
var paperDay = []hour{{1, 0, 0.10, false}, {1, 3, 0.10, false}, {4, 0, 0.50, true}}

// taught is the plan of a home that has lived eight days of these hours; nothing
// was used in the rest of each day.
func (y Year) taught(m battery.Model, hours []hour) Policy {
	p := &planner{year: y, battery: m, options: plan.DefaultOptions(), rule: y.Rule(0, 100), past: forecast.NewPast(y.Zone, y.Free)}
	first := y.Slots[0].Start.Add(-8 * 24 * time.Hour)
	for i := range 8 * 24 {
		var h hour
		if at := i % 24; at < len(hours) {
			h = hours[at]
		}
		p.past.Add(forecast.Sample{Start: first.Add(time.Duration(i) * time.Hour), Length: time.Hour, LoadKWh: &h.load, SunKWh: &h.sun})
	}
	return p.reserve
}

// A battery of 4 kWh that begins half full lives the day on paper.
func TestThreeHoursThatCanBeWorkedOutOnPaper(t *testing.T) {
	y := onPaper(paperDay...)
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
		{"has learned that the sun will come, and holds", lossless, Planned, "0.10 0.0 1.0 0.0"},
		{"may not fill from the grid, and holds", noGrid, Rule, "0.10 0.0 1.0 0.0"},
		{"may not fill from the grid, and holds", noGrid, Planned, "0.10 0.0 1.0 0.0"},
		// Gives 1 (1.25 stored), stores 1.6 of 2, and gives 1.88 of its 2.35.
		{"gives less than it takes", lossy, Alone, "1.06 2.1 2.1 0.0"},
		// Takes 2.5 to fill 2, and gives 3.2 of its 4.
		{"buys what is lost", lossy, Rule, "0.75 0.8 4.3 2.0"},
		// Takes 0.5 to fill the 0.4 that the sun will not, which gives 1.6, and gives 3.2 of its 4.
		{"buys what the sun will not bring", lossy, Foresight, "0.55 0.8 2.3 0.0"},
	} {
		t.Run(tt.policy+" "+tt.name, func(t *testing.T) {
			var r Result
			if tt.policy == Planned {
				r = y.Live(tt.battery, y.taught(tt.battery, paperDay), nil)
			} else {
				var err error
				if r, err = y.live(tt.policy, Setup{Battery: tt.battery, OffPeak: 100}, quiet); err != nil {
					t.Fatal(err)
				}
			}
			if got := fmt.Sprintf("%.2f %.1f %.1f %.1f", r.Bill, r.ExpensiveImport, r.Import, r.Export); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// The plan knows what the days before were like, and nothing of this one.
func TestThePlanGoesByWhatItHasLearned(t *testing.T) {
	m := battery.Model{CapacityKWh: 4, PowerKW: 4, GridChargeKW: 4, OneWay: 1}
	for _, tt := range []struct {
		name    string
		learned []hour
		want    string // bill, in expensive hours, import, export
	}{
		// Gives 1, and fills the 3 that it then lacks in three quarters of the second
		// hour, 1.5 of it from the grid: the last 0.5 of the sun is wasted.
		{"no sun", []hour{{1, 0, 0, false}, {1, 0, 0, false}, {4, 0, 0, false}}, "0.15 0.0 1.5 0.5"},
		// Gives 1, stores 2, and has but 3 of the 4.
		{"a quiet evening", []hour{{1, 0, 0, false}, {1, 3, 0, false}, {2, 0, 0, false}}, "0.50 1.0 1.0 0.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := onPaper(paperDay...)
			r := y.Live(m, y.taught(m, tt.learned), func(l SlotOutcome) {
				t.Logf("%s reserve %d stored %.2f grid %.2f", l.Start.Format("15:04"), l.Reserve, l.StoredKWh, l.Flow.GridIn-l.Flow.GridOut)
			})
			if got := fmt.Sprintf("%.2f %.1f %.1f %.1f", r.Bill, r.ExpensiveImport, r.Import, r.Export); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// Four hours of sun that would be paid for, and nothing that needs it later: each
// battery takes in what it has room for, so that the larger one costs more.
func TestMoreBatteryCanBeWorseWhereExportsArePaid(t *testing.T) {
	y := onPaper(hour{0, 2, 0.10, false}, hour{0, 2, 0.10, false}, hour{0, 2, 0.10, false}, hour{0, 2, 0.10, false})
	for i := range y.Slots {
		y.Slots[i].Export = 0.20
	}
	for _, tt := range []struct {
		kWh  float64
		bill string
	}{{2, "-1.40"}, {4, "-1.20"}} { // of 8 kWh, it stores 1 or 2
		r, err := y.live(Foresight, Setup{Battery: battery.Model{CapacityKWh: tt.kWh, PowerKW: 4, OneWay: 1}}, quiet)
		if got := fmt.Sprintf("%.2f", r.Bill); err != nil || got != tt.bill {
			t.Errorf("%g kWh: %s (%v), want %s", tt.kWh, got, err, tt.bill)
		}
	}
}

// The counted days began with what each policy had happened to leave before them:
// the rule with a full battery, and self-consumption with an empty one.
func TestEachPolicyBeginsTheCountedDaysHalfFull(t *testing.T) {
	y := onPaper(hour{1, 0, 0.10, false}, hour{1, 0, 0.10, false}, hour{4, 0, 0.30, true}) // the last one counts
	y.Start = 8
	m := battery.Model{CapacityKWh: 4, PowerKW: 4, GridChargeKW: 4, OneWay: 1}
	for _, name := range []string{Alone, Rule, Foresight} {
		began := -1.0
		r, err := y.live(name, Setup{Battery: m, OffPeak: 100, Each: map[string]func(SlotOutcome){name: func(l SlotOutcome) {
			if began < 0 {
				began = l.StoredKWh - l.Flow.In + l.Flow.Out + l.Flow.Loss
			}
		}}}, quiet)
		if err != nil || began != 2 || fmt.Sprintf("%.2f", r.Bill) != "0.60" || r.StoredKWh != -2 {
			t.Errorf("%s begins with %g kWh and pays %.2f, %g kWh more at the end (%v), want 2, 0.60, -2", name, began, r.Bill, r.StoredKWh, err)
		}
	}
}

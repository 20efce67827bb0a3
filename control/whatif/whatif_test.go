package whatif

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/control/battery"
	"powermgr/control/history"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/tariff"
)

var noon = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)

func quiet() {}

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
	planned, err := y.live(Planned, s, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if rule, _ := y.live(Rule, s, quiet); !reflect.DeepEqual(planned, rule) {
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

// Another model, fed with the trace's reserve and grid charging alone, comes to
// the same bill.
func TestAnotherModelArrivesAtTheBillOfTheTrace(t *testing.T) {
	y := drawn(rand.New(rand.NewPCG(5, 5)), 20)
	m := battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 1.7, OneWay: math.Sqrt(0.9)}
	for _, name := range []string{Alone, Rule, Planned, Foresight} {
		var trace []SlotOutcome
		r, err := y.live(name, Setup{Battery: m, OffPeak: 100, Plan: plan.DefaultOptions(), Each: map[string]func(SlotOutcome){name: func(l SlotOutcome) { trace = append(trace, l) }}}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		stored, bill := 13.5/2, 0.0
		for _, l := range trace {
			surplus, floor := l.SunKWh-l.LoadKWh, float64(l.Reserve)/100*13.5
			var in, out float64 // at the battery's terminals
			switch {
			case l.Charging: // from sun and grid, at the slower rate if the grid has a part in it
				in = min((floor-stored)/math.Sqrt(0.9), 1.7/4)
			case surplus > 0:
				in = min(surplus, 5.0/4, (13.5-stored)/math.Sqrt(0.9))
			case stored > floor:
				out = min(-surplus, 5.0/4, (stored-floor)*math.Sqrt(0.9))
			}
			stored += in*math.Sqrt(0.9) - out/math.Sqrt(0.9)
			if grid := in - out - surplus; grid > 0 {
				bill += grid * l.Import
			} else {
				bill += grid * l.Export
			}
		}
		if len(trace) == 0 || math.Abs(bill-r.Bill) > 0.005*r.Bill {
			t.Errorf("%s: %.3f, and %.3f by the other model", name, r.Bill, bill)
		}
	}
}

func TestTheSentencesOfAMatrix(t *testing.T) {
	one := battery.Model{CapacityKWh: 13.5, PowerKW: 5}
	two := battery.Model{CapacityKWh: 27, PowerKW: 10}
	of := func(tariff string, m battery.Model, none, plan float64) Case {
		return Case{tariff, m, Comparison{Days: 365, Results: map[string]Result{NoBattery: {Bill: none}, Planned: {Bill: plan}}}}
	}
	got := Sentences([]Case{of("A", one, 2000, 1000), of("A", two, 2000, 939), of("B", one, 1900, 786), of("B", two, 1900, 800)}, func(v float64) string { return fmt.Sprintf("$%.0f", v) })
	want := []string{
		"The bill with A and a battery of 13.5 kWh is $1000 a year by the plan, and $2000 without a battery.",
		"The bill with A and a battery of 27 kWh is $939 a year by the plan, and $2000 without a battery.",
		"The bill with B and a battery of 13.5 kWh is $786 a year by the plan, and $1900 without a battery.",
		"The bill with B and a battery of 27 kWh is $800 a year by the plan, and $1900 without a battery.",
		"A second battery of 13.5 kWh saves $61 a year (plan).",
		"With tariff B you pay $214 less a year than with A (plan).",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// From 350 days on it was a year, and nothing was said of the days that it lacked.
func TestAYearIsAWholeOne(t *testing.T) {
	for days, want := range map[float64]string{358: " in 358 days", 364.6: " a year", 366: " a year", 370: " in 370 days"} {
		c := Case{Comparison: Comparison{Days: days}}
		if got := c.time(); got != want {
			t.Errorf("%g days: %q, want %q", days, got, want)
		}
	}
}

// Where self-consumption is as good as it gets, a cent more was thousands of percent
// of the way in the wrong direction.
func TestThereIsNoShareOfHardlyAnyWay(t *testing.T) {
	for _, tt := range []struct {
		none, alone, rule, best float64
		ok                      bool
		share                   float64
	}{
		{100, 50, 45, 40, true, 0.5},
		{100, 50, 190, 49.6, false, 0},
		{100, 2, 3, 1.9, false, 0}, // of none
		{0, 50, 45, 40, true, 0.5}, // none was not lived
		{0, 0, 0, 0, false, 0},
		{-20, -30, -35, -40, true, 0.5},
	} {
		c := Comparison{Days: 30, Results: map[string]Result{Alone: {Bill: tt.alone}, Rule: {Bill: tt.rule}, Foresight: {Bill: tt.best}}}
		if tt.none != 0 {
			c.Results[NoBattery] = Result{Bill: tt.none}
		}
		if share, ok := c.Way(Rule); ok != tt.ok || share != tt.share {
			t.Errorf("%+v: %g, %t", tt, share, ok)
		}
	}
}

// Batteries that differ only in what they take from the grid, or in their power, were
// called the same.
func TestTheSentencesTellBatteriesApart(t *testing.T) {
	for _, tt := range []struct {
		other        battery.Model
		says, answer string
	}{
		{battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 1.7}, "A battery of 13.5 kWh and 5 kW (1.7 kW from the grid) instead of 13.5 kWh and 5 kW saves", "a battery of 13.5 kWh and 5 kW (1.7 kW from the grid) is"},
		{battery.Model{CapacityKWh: 13.5, PowerKW: 10, GridChargeKW: 10}, "A battery of 13.5 kWh and 10 kW instead of 13.5 kWh and 5 kW saves", "a battery of 13.5 kWh and 10 kW is"},
		{battery.Model{CapacityKWh: 27, PowerKW: 10}, "A battery of 27 kWh and 10 kW (nothing from the grid) instead of 13.5 kWh and 5 kW saves", "a battery of 27 kWh is"},
		{battery.Model{CapacityKWh: 27, PowerKW: 10, GridChargeKW: 10}, "A second battery of 13.5 kWh saves", "a battery of 27 kWh is"},
	} {
		of := func(m battery.Model, plan float64) Case {
			return Case{"", m, Comparison{Days: 30, Results: map[string]Result{NoBattery: {Bill: 100}, Planned: {Bill: plan}}}}
		}
		cases := []Case{of(battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 5}, 50), of(tt.other, 40)}
		got := Sentences(cases, func(v float64) string { return fmt.Sprintf("$%.0f", v) })
		if len(got) != 3 || !strings.Contains(got[1], tt.answer) || !strings.HasPrefix(got[2], tt.says) {
			t.Errorf("%q, want %q and %q", got, tt.answer, tt.says)
		}
	}
}

// A week is too short to learn from and to count: it all counts, and the plan
// goes by the rule.
func TestAWeekCounts(t *testing.T) {
	load := 1.0
	s := history.Series{Length: time.Hour, Zone: time.UTC}
	for i := range 24 * 7 {
		s.Slots = append(s.Slots, history.Slot{Start: noon.Add(time.Duration(i) * time.Hour), LoadKWh: &load})
	}
	table := tariff.Table{Zone: time.UTC, Rates: []tariff.Rate{{Import: 2, Span: rules.Span{Start: 960, End: 1200}}, {Import: 1}}}
	y, err := NewYear(s, func(time.Time) bool { return false }, &table)
	if err != nil {
		t.Fatal(err)
	}
	c, err := y.Compare(Setup{Battery: battery.Model{CapacityKWh: 10, PowerKW: 5, OneWay: 1}, Policies: []string{NoBattery}})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Results[NoBattery]; c.Days != 7 || r.Bill != 7*28 || r.ExpensiveImport != 28 {
		t.Errorf("%+v", c)
	}
}

func TestATariffWithoutAPriceForAnHourSaysWhich(t *testing.T) {
	load := 1.0
	s := history.Series{Length: time.Hour, Zone: time.UTC, Slots: []history.Slot{{Start: noon, LoadKWh: &load}}}
	table := tariff.Table{Zone: time.UTC, Rates: []tariff.Rate{{Import: 2, Span: rules.Span{Start: 960, End: 1200}}}}
	if _, err := NewYear(s, nil, &table); err == nil || !strings.Contains(err.Error(), "no price at 2026-07-15 12:00") {
		t.Errorf("%v", err)
	}
}

func TestAYearWithoutAFigureIsNone(t *testing.T) {
	price := 0.2
	s := history.Series{Length: time.Hour, Zone: time.UTC, Slots: []history.Slot{{Start: noon, Import: &price}}}
	if _, err := NewYear(s, nil, nil); err == nil || !strings.Contains(err.Error(), "nothing was measured") {
		t.Errorf("%v", err)
	}
}

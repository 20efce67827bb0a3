package webpage

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"regexp"
	"strings"
	"testing"
	"time"

	"powermgr/control/battery"
	"powermgr/control/plan"
	"powermgr/control/whatif"
)

// lived is a page of days from a date on in a zone: a home with evenings of that
// many kWh an hour, in hours that cost five times as much, and some sun.
func lived(t *testing.T, from time.Time, days int, policies []string, evening func(day int) float64) Page {
	t.Helper()
	y := whatif.Year{Zone: from.Location(), Free: func(day time.Time) bool { return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday }}
	for at := from; at.Before(from.AddDate(0, 0, days)); at = at.Add(whatif.Step) {
		s := whatif.Slot{Start: at, Known: true, LoadKWh: 0.1, Import: 0.1}
		switch h := at.In(from.Location()).Hour(); {
		case h >= 17 && h < 21:
			s.LoadKWh, s.Import, s.Expensive = evening(int(at.Sub(from).Hours()/24))/4, 0.5, true
		case h >= 9 && h < 15:
			s.SunKWh = 0.2
		}
		y.Slots = append(y.Slots, s)
	}
	setup := whatif.Setup{Battery: battery.Model{CapacityKWh: 10, PowerKW: 5, GridChargeKW: 5, OneWay: 0.95}, Plan: plan.DefaultOptions(), OffPeak: 100, Policies: policies, Each: map[string]func(whatif.SlotOutcome){}}
	slots := map[string]*[]whatif.SlotOutcome{}
	for _, name := range policies {
		kept := new([]whatif.SlotOutcome)
		slots[name], setup.Each[name] = kept, func(l whatif.SlotOutcome) { *kept = append(*kept, l) }
	}
	c, err := y.Compare(setup)
	if err != nil {
		t.Fatal(err)
	}
	p := Page{
		Title: "home.csv", Cases: []whatif.Case{{Battery: setup.Battery, Comparison: c}}, Zone: y.Zone, Free: y.Free, Currency: "usd",
		Money: func(v float64) string { return fmt.Sprintf("$%.2f", v) }, Assumptions: []string{"The battery is as it is."}, Notices: []string{"<odd> line 3"},
		Slots: map[string][]whatif.SlotOutcome{},
	}
	for name, kept := range slots {
		p.Slots[name] = *kept
	}
	return p
}

func html(t *testing.T, p Page) string {
	t.Helper()
	b, err := p.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var pictures = regexp.MustCompile(`srcset="data:image/png;base64,([^"]+)"`)

var mondayInMarch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// heavyEachThird makes one evening in three heavy, so that the plan has good days and
// bad ones.
func heavyEachThird(day int) float64 {
	if day%3 == 0 {
		return 4
	}
	return 1
}

func TestThePageAnswersAndShowsWhatItIsMadeOf(t *testing.T) {
	p := lived(t, mondayInMarch, 16, whatif.Names(), heavyEachThird)
	text := html(t, p)
	for _, want := range []string{
		"<h1>The bill is $", "a battery", "<td>self-consumption</td>", "<td>foresight</td>", "bill USD", "of the way",
		"The bill month by month", "The best day, ", "The worst day, ", "The battery is as it is.", "&lt;odd&gt; line 3", "saves most in March 2026",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it has not %q", want)
		}
	}
	found := pictures.FindAllStringSubmatch(text, -1)
	if len(found) != 3*4 {
		t.Fatalf("%d pictures, want three in four versions", len(found))
	}
	widths := map[int]int{}
	for _, f := range found {
		b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(f[1], "&#43;", "+"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := png.DecodeConfig(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		widths[c.Width]++
	}
	if widths[1440] != 6 || widths[720] != 6 {
		t.Errorf("pictures by width: %v", widths)
	}
	if strings.Contains(text, "http://") || strings.Contains(text, "https://") || strings.Contains(text, "ZgotmplZ") {
		t.Error("it needs something from elsewhere, or a picture was refused")
	}
}

func TestThePageGoesWithoutWhatWasNotLived(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policies []string
		pictures int
		not      string
	}{
		{"no battery alone", []string{whatif.NoBattery}, 4, "The best day"},
		{"the plan alone", []string{whatif.Planned}, 4, "The best day"},
		{"nothing to compare the plan with but no battery", []string{whatif.NoBattery, whatif.Planned}, 4, "of the way"},
		{"the rule", []string{whatif.Alone, whatif.Rule}, 12, "of the way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := html(t, lived(t, mondayInMarch, 9, tt.policies, heavyEachThird))
			if n := len(pictures.FindAllString(text, -1)); n != tt.pictures || strings.Contains(text, tt.not) {
				t.Errorf("%d pictures, %q in it: %t", n, tt.not, strings.Contains(text, tt.not))
			}
		})
	}
}

// A battery that has nothing to do had the same day as its best and its worst one.
func TestDaysThatAreAllAlikeAreShownOnce(t *testing.T) {
	p := lived(t, mondayInMarch, 9, []string{whatif.Alone, whatif.Rule}, heavyEachThird)
	p.Cases[0].Results[whatif.Rule], p.Slots[whatif.Rule] = p.Cases[0].Results[whatif.Alone], p.Slots[whatif.Alone]
	text := html(t, p)
	if strings.Contains(text, "The best day") || strings.Contains(text, "The worst day") || strings.Count(text, "One day, as good as any other, ") != 1 {
		t.Error("days that save the same are called the best and the worst")
	}
}

func TestADayOnWhichTheClockIsChangedIsWhole(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip(err)
	}
	for name, tt := range map[string]struct {
		from  time.Time
		hours float64
	}{"begins": {time.Date(2026, 3, 8, 0, 0, 0, 0, zone), 23}, "ends": {time.Date(2026, 11, 1, 0, 0, 0, 0, zone), 25}} {
		t.Run(name, func(t *testing.T) {
			p := lived(t, tt.from, 2, []string{whatif.Alone, whatif.Rule}, heavyEachThird)
			d := day{date: tt.from, slots: p.Slots[whatif.Rule][:int(tt.hours*4)], unaided: p.Slots[whatif.Alone][:int(tt.hours*4)], capacity: 10}
			if e := d.expensive(); d.hours() != tt.hours || len(e) != 1 || e[0] != [2]float64{17 + tt.hours - 24, 21 + tt.hours - 24} {
				t.Errorf("%g hours, expensive %v", d.hours(), e)
			}
			if len(p.Cases[0].Results[whatif.Rule].Daily) != 2 {
				t.Errorf("%d days", len(p.Cases[0].Results[whatif.Rule].Daily))
			}
			html(t, p)
		})
	}
}

func TestTheReasonOfADay(t *testing.T) {
	money := func(v float64) string { return fmt.Sprintf("$%.2f", v) }
	for _, tt := range []struct {
		name       string
		did, would whatif.Day
		saved      float64
		need       float64
		want       string
	}{
		{"carried", whatif.Day{Import: 8}, whatif.Day{Import: 8, ExpensiveImport: 6}, 2.4, 9, "saved $2.40 against self-consumption. What was bought while energy was cheap carried"},
		{"nothing to do", whatif.Day{}, whatif.Day{}, 0, 1, "as a battery does by itself"},
		{"sun that found no room", whatif.Day{Import: 8, Export: 3}, whatif.Day{Import: 4}, -0.8, 9, "cost $0.80 more than self-consumption. It bought what the sun then brought"},
		{"held, and no room", whatif.Day{Export: 3}, whatif.Day{}, -0.8, 9, "left no room for the sun"},
		{"a quiet evening", whatif.Day{Import: 8}, whatif.Day{Import: 4}, -0.4, 2, "needed less than usual. The home used 2.0 kWh in the expensive hours, where 9.0 is usual"},
		{"held for later", whatif.Day{Import: 4, ExpensiveImport: 4}, whatif.Day{Import: 2, ExpensiveImport: 2}, -1, 9, "held back for later"},
		{"left over", whatif.Day{Import: 8, StoredKWh: 3}, whatif.Day{Import: 4}, -0.2, 9, "3.0 kWh more was left for the next day"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := day{name: whatif.Planned, other: whatif.Alone, did: tt.did, would: tt.would, saved: tt.saved, need: tt.need, usual: 9}
			if got := d.reason(money); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %q", got, tt.want)
			}
		})
	}
}

func TestTicksAreRound(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      string
	}{{0, 100, "0 20 40 60 80 100"}, {-2.2, 6.3, "-2 0 2 4 6"}, {0, 278, "0 100 200"}, {0, 1, "0 0.2 0.4 0.6 0.8 1"}} {
		var all []string
		for _, x := range (round{}).Ticks(tt.low, tt.high) {
			all = append(all, x.Label)
		}
		if got := strings.Join(all, " "); got != tt.want {
			t.Errorf("%g to %g: %s, want %s", tt.low, tt.high, got, tt.want)
		}
	}
}

// With several cases, each table said the same and only its small print which one
// it was about.
func TestThePageTellsCasesApart(t *testing.T) {
	p := lived(t, mondayInMarch, 9, []string{whatif.NoBattery, whatif.Alone, whatif.Rule}, heavyEachThird)
	other := p.Cases[0]
	other.Battery.CapacityKWh *= 2
	p.Cases = append(p.Cases, other)
	name := func(c whatif.Case) string { return fmt.Sprintf("%g kWh", c.Battery.CapacityKWh) }
	text := html(t, p)
	for _, want := range []string{
		"<h2>Side by side</h2>", "<th>no battery</th><th>self-consumption</th><th>rule</th>", "<td>" + name(p.Cases[1]) + "</td>",
		"<h2>What it costs: " + name(p.Cases[0]) + "</h2>", "<h2>What flows: " + name(other) + "</h2>",
		"<h2>The bill month by month: " + name(p.Cases[0]) + "</h2>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it has not %q", want)
		}
	}
	if strings.Contains(html(t, lived(t, mondayInMarch, 9, []string{whatif.NoBattery}, heavyEachThird)), "Side by side") {
		t.Error("one case has another beside it")
	}
}

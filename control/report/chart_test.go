package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/control"
	"powermgr/control/rules"
)

func TestChart(t *testing.T) {
	spring := newHome(t, "2026-03-08 00:00")
	spring.poll()
	spring.until("23:55")
	gone := *newHome(t, "2026-07-18 00:00").r
	gone.Samples.Home = Series{math.NaN(), 400, math.NaN()} // a point alone
	for _, tt := range []struct {
		name string
		r    Record
		want map[ink]bool // what is to be seen, or not
	}{
		{"a hot day", hotDay(t, false).midnight(), map[ink]bool{black: true, green: true, blue: true, red: true, orange: true, sky: true, expensive: true, ahead: true}},
		{"23 hours", spring.midnight(), map[ink]bool{blue: true, expensive: true}},
		{"nothing is known", *newHome(t, "2026-07-15 00:00").r, map[ink]bool{expensive: true}},
		{"a week-end, and one sample alone", gone, map[ink]bool{expensive: false}},
		{"everything at once", worst(t), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Chart(tt.r)
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if img.Bounds() != image.Rect(0, 0, ChartWidth, ChartHeight) || len(b) > 400_000 {
				t.Errorf("%v, %d bytes", img.Bounds(), len(b))
			}
			seen := map[color.Color]int{}
			for y := 160; y < ChartHeight; y += 2 { // under the legend of the shades
				for x := 0; x < ChartWidth; x += 2 {
					seen[img.At(x, y)]++
				}
			}
			for i, want := range tt.want {
				if n := seen[img.ColorModel().Convert(i)]; (n > 0) != want {
					t.Errorf("%d pixels of ink %d, want some: %v", n, i, want)
				}
			}
		})
	}
	one, _ := Chart(spring.r.next(spring.now, spring.cal))
	other, _ := Chart(spring.r.next(spring.now, spring.cal))
	if !bytes.Equal(one, other) {
		t.Error("drawn again it is another picture")
	}
}

// Unknown samples interrupt a line: it never falls to zero.
func TestUnknownIsAGap(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name   string
		series Series
		want   string
	}{
		{"all known", Series{1, 2, 3}, "[[{0 1} {0.083 2} {0.167 3}]]"},
		{"in the middle", Series{1, 2, nan, nan, 5, 6}, "[[{0 1} {0.083 2}] [{0.333 5} {0.417 6}]]"},
		{"at first and at last", Series{nan, 2, 3, nan}, "[[{0.083 2} {0.167 3}]]"},
		{"nothing", Series{nan, nan}, "[]"},
		{"not begun", nil, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := line{series: tt.series}.strokes()
			for _, xys := range got {
				for i := range xys {
					xys[i].X = math.Round(xys[i].X*1000) / 1000
				}
			}
			if fmt.Sprint(got) != tt.want {
				t.Errorf("%v, want %s", got, tt.want)
			}
		})
	}
	if got := fmt.Sprint(calm(Series{3, 6, nan, 9, 12, 15})); got != "[4.5 4.5 NaN 10.5 12 13.5]" {
		t.Errorf("the means are %s", got)
	}
}

// Every decision of the report is in the picture by its number, in words that say
// what it is: nobody has the table beside it.
func TestMarks(t *testing.T) {
	type event struct {
		at     string
		kind   rules.NoteType
		reason string
	}
	phase := func(at string) event { return event{at, rules.NotePhase, "peak until 19:00"} }
	for _, tt := range []struct {
		name string
		all  []event
		want string
	}{
		{"apart", []event{phase("03:00"), phase("12:00")}, "1 peak@0 2 peak@0"},
		{"of one minute, the weightiest", []event{phase("12:00"), {"12:00", rules.NoteReserve, "reserve 0 %, was 100 %: peak until 19:00"}, {"12:00", rules.NoteRestored, "x"}}, "1 reserve 0 %@0"},
		{"close to each other", []event{phase("12:00"), phase("12:20"), phase("15:30")}, "1 peak@0 2 peak@1 3 peak@0"},
		{"without room", []event{phase("12:00"), phase("12:10"), phase("12:20"), {"12:25", rules.NoteSetback, "x"}, phase("12:30"), phase("18:00")}, "1 peak@0 2 peak@1 3 peak@2 4–5 setback@3 6 peak@0"},
		{"at the end of the day", []event{{"23:50", rules.NoteReserve, "reserve 100 %, was 0 %"}}, "1 reserve 100 %@0"},
		{"all phases", []event{{"01:00", rules.NotePhase, "the peak starts at 06:00"}, {"08:00", rules.NotePhase, "off peak; the next peak starts at 17:00"}, {"16:00", rules.NotePhase, "of a later version"}}, "1 lead@0 2 off peak@0 3 phase@0"},
		{"of a later version", []event{{"01:00", "landed", "x"}}, "1 landed@0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 00:00")
			for _, e := range tt.all {
				h.now = h.at("2026-07-15 " + e.at)
				h.event(e.kind, "", "%s", e.reason)
			}
			var got []string
			for _, m := range h.r.marks(70, 1060) {
				got = append(got, fmt.Sprintf("%s@%d", m.label(), m.lane))
				if m.from < 70-markEdge || m.to > 1060+markEdge {
					t.Errorf("%s goes from %v to %v", m.label(), m.from, m.to)
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	for _, kind := range rules.NoteTypes() {
		if word, _ := (Decision{Type: kind}).word(); word == string(kind) && strings.Contains(word, "_") || !slices.ContainsFunc(markWords, func(w struct {
			kind rules.NoteType
			word string
		}) bool {
			return w.kind == kind
		}) {
			t.Errorf("%s has no word on the picture", kind)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      string
	}{
		{0, 100, "[0 25 50 75 100]"}, {-2.2, 7.1, "[-2 0 2 4 6]"}, {64.6, 78.4, "[65 70 75]"}, {0, 1, "[0 1]"}, {-0.04, 1.04, "[0 1]"}, {-1e6, 1e6, "[-1000000 0 1000000]"},
	} {
		var got []string
		for _, tick := range (whole{}).Ticks(tt.low, tt.high) {
			got = append(got, tick.Label)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%v to %v: %v, want %s", tt.low, tt.high, got, tt.want)
		}
	}
	r := *newHome(t, "2026-03-08 00:00").r
	if got, want := fmt.Sprint(r.hours()[:3]), "[{0 00} {2 03} {5 06}]"; got != want {
		t.Errorf("on the day with 23 hours: %s, want %s", got, want)
	}
}

// A record is drawn the same whatever zone the machine is in.
func TestTheMachineIsElsewhere(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.control(func(s *control.State) {})
	h.event(rules.NotePhase, "", "something")
	r := again(t, *h.r)
	for i := range r.Decisions {
		r.Decisions[i].At = r.Decisions[i].At.In(time.UTC)
	}
	if Text(r) != Text(*h.r) {
		t.Errorf("%s\n%s", Text(r), Text(*h.r))
	}
}

// On a phone of 360 pixels the labels were 9 pixels high.
func TestLabelsOfThePictureOnAPhone(t *testing.T) {
	const shown = 360 - 2*16 // the padding of the report
	if px := float64(fontSize) * shown / ChartWidth; px < 11 {
		t.Errorf("%.1f pixels", px)
	}
}

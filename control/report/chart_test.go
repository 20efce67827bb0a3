package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
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
		{"a hot day", hotDay(t, false).midnight(), map[ink]bool{black: true, green: true, blue: true, red: true, orange: true, sky: true, dear: true, ahead: true}},
		{"23 hours", spring.midnight(), map[ink]bool{blue: true, dear: true}},
		{"nothing is known", *newHome(t, "2026-07-15 00:00").r, map[ink]bool{dear: true}},
		{"a week-end, and one sample alone", gone, map[ink]bool{dear: false}},
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

// Every decision of the report has its number in the picture.
func TestMarks(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   []string
		want string
	}{
		{"apart", []string{"03:00", "12:00"}, "1@0 2@0"},
		{"of one minute", []string{"12:00", "12:00", "12:00"}, "1@0"},
		{"close to each other", []string{"12:00", "12:20", "13:30"}, "1@0 2@1 3@0"},
		{"without room", []string{"12:00", "12:10", "12:20", "12:25", "15:00"}, "1@0 2–4@1 5@0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 00:00")
			for _, at := range tt.at {
				h.now = h.at("2026-07-15 " + at)
				h.event(rules.NotePhase, "", "something")
			}
			got := ""
			for i, m := range h.r.marks(70, 1060) {
				if i > 0 {
					got += " "
				}
				got += fmt.Sprintf("%s@%d", m.label(), m.lane)
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
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

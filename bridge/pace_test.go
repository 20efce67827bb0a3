package bridge

import (
	"testing"
	"time"

	"powermgr/bridge/bus"
)

// months as long as they are, with peaks on workdays and half an hour before
// each.
var (
	summer  = Ahead{Peak: 22 * 210 * time.Minute, Other: 31*24*time.Hour - 22*210*time.Minute, Peaks: 22}
	winter  = Ahead{Peak: 44 * 210 * time.Minute, Other: 31*24*time.Hour - 44*210*time.Minute, Peaks: 44}
	noPeaks = Ahead{Other: 30 * 24 * time.Hour}
)

// part is what is left of a month after some of it.
func (a Ahead) part(share float64) Ahead {
	return Ahead{time.Duration(float64(a.Peak) * share), time.Duration(float64(a.Other) * share), int(float64(a.Peaks) * share)}
}

func TestCallsAreSpentWhereTheyMatter(t *testing.T) {
	const m = time.Minute
	for _, tt := range []struct {
		name  string
		calls int
		ahead Ahead
		want  Paces
	}{
		{"there are enough", 20_000, winter, quickest},
		{"a month of summer", 5000, summer, Paces{4 * m, 16*m + 12*time.Second, 30 * m, 12 * time.Hour, time.Hour}},
		{"a month of winter", 5000, winter, Paces{4 * m, 30 * m, 30 * m, 12 * time.Hour, time.Hour + 27*m + 3*time.Second}},
		{"no peaks", 5000, noPeaks, Paces{2 * m, 11*m + 15*time.Second, 15 * m, 3 * time.Hour, time.Hour}},
		{"half of a month for half of the calls", 2500, winter.part(0.5), Paces{4 * m, 30 * m, 30 * m, 12 * time.Hour, time.Hour + 27*m + 3*time.Second}},
		{"the first half had more than its share", 2000, winter.part(0.5), Paces{4 * m, 64*m + 45*time.Second, 30 * m, 12 * time.Hour, 4 * time.Hour}},
		{"few a month: peaks still have the calls they need", 2000, winter, Slowest},
		{"none left", 0, winter.part(0.1), Slowest},
		{"more than all are spent", -300, winter.part(0.1), Slowest},
		{"the last minutes of a month", 100, Ahead{Other: 10 * m}, quickest},
		{"the month is over", 100, Ahead{}, quickest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := PacesFor(tt.calls, tt.ahead)
			if got != tt.want {
				t.Errorf("got %v\nwant %v; %d calls", got, tt.want, got.Calls(tt.ahead))
			}
			if n := got.Calls(tt.ahead); got != Slowest && got != quickest && (n > tt.calls || n < tt.calls*9/10) {
				t.Errorf("that comes to %d of %d calls", n, tt.calls)
			}
		})
	}
}

func TestAPaceIsNeverQuickerForFewerCalls(t *testing.T) {
	last := PacesFor(0, winter)
	for calls := 0; calls < 15_000; calls += 37 {
		p := PacesFor(calls, winter)
		if p.Peak > last.Peak || p.Other > last.Other || p.PeakSettings > last.PeakSettings || p.OtherSettings > last.OtherSettings || p.History > last.History {
			t.Fatalf("%d calls: %v after %v", calls, p, last)
		}
		last = p
	}
}

func TestWhatIsDueWhen(t *testing.T) {
	at := func(clock string) time.Time {
		t, _ := time.Parse("15:04", clock)
		return t
	}
	p := Paces{Peak: 5 * time.Minute, Other: 20 * time.Minute, PeakSettings: 30 * time.Minute, OtherSettings: 6 * time.Hour}
	for _, tt := range []struct {
		name              string
		moment            Moment
		last              string
		figures, settings string
	}{
		{"off peak", Moment{}, "12:00", "12:20", "18:00"},
		{"in a peak", Moment{Peak: true}, "16:00", "16:05", "16:30"},
		{"something is to be restored", Moment{Restoring: true}, "12:00", "12:15", "18:00"},
		{"the lead begins with fresh figures", Moment{Fresh: at("15:30"), Change: at("15:30")}, "15:20", "15:30", "15:27"},
		{"they are fresh", Moment{Fresh: at("15:30"), Change: at("15:30")}, "15:30", "15:50", "21:30"},
		{"before the end of a peak", Moment{Peak: true, Change: at("19:00")}, "18:40", "18:45", "18:57"},
		{"once before it", Moment{Peak: true, Change: at("19:00")}, "18:57", "19:02", "19:27"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			last := at(tt.last)
			if got, want := tt.moment.figures(p, last), at(tt.figures); !got.Equal(want) {
				t.Errorf("figures at %s, want %s", got.Format("15:04"), tt.figures)
			}
			if got, want := tt.moment.settings(p, last), at(tt.settings); !got.Equal(want) {
				t.Errorf("settings at %s, want %s", got.Format("15:04"), tt.settings)
			}
		})
	}
}

// shifted is a clock that is off.
type shifted struct {
	bus.Wall
	off time.Duration
}

func (c *shifted) Now() time.Time { return time.Date(2026, 7, 15, 17, 0, 0, 0, time.UTC).Add(c.off) }

// A poll that was planned on a clock that was ahead came as many hours late as the clock
// was set back.
func TestAClockThatIsSetBackDelaysNoPoll(t *testing.T) {
	for _, c := range []struct {
		name  string
		ahead time.Duration
		want  time.Duration // from the right time until the poll
	}{
		{"hours", 14 * time.Hour, 0},
		{"minutes", 20 * time.Minute, 0},
		{"a second", time.Second, 10*time.Minute + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &shifted{off: c.ahead}
			a := newPoller(Shared{Bus: bus.New(clock)}, "powerwall", "a", func(time.Time) time.Duration { return time.Hour }, nil)
			a.next = clock.Now().Add(10 * time.Minute)
			a.due(time.Time{})
			clock.off = 0
			if got := a.due(time.Time{}).Sub(clock.Now()); got != c.want || a.readAll != (c.want == 0) {
				t.Errorf("due in %v, everything %v", got, a.readAll)
			}
		})
	}
}

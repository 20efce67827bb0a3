package report

import (
	"fmt"
	"math"
	"testing"
	"time"

	"powermgr/devices"
)

// The figures of a day, and its phases, are those of the emulator's own books.
func TestBooks(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.poll()
	h.until("16:00")
	before := h.cloud.Truth().Books
	h.until("19:00")
	peak := h.cloud.Truth().Books
	h.until("23:57")
	first := h.midnight()
	day := h.cloud.Truth().Books
	h.until("23:59")
	second := h.midnight()
	two := h.cloud.Truth().Books

	check := func(name string, got *float64, wh float64) {
		t.Helper()
		if got == nil {
			t.Errorf("%s is not known", name)
		} else if want := wh / 1000; math.Abs(*got-want) > 0.002+0.001*want {
			t.Errorf("%s %.3f, the books have %.3f", name, *got, want)
		}
	}
	check("grid in the peak", first.Energy.Peak.GridIn, peak.Import-before.Import)
	check("grid in the peak, by the books' own count", first.Energy.Peak.GridIn, day.PeakImport)
	check("home in the peak", first.Energy.Peak.Home, peak.Home-before.Home)
	check("battery in the peak", first.Energy.Peak.BatteryOut, peak.BatteryOut-before.BatteryOut)
	for i, f := range first.Energy.Day.all() {
		all := []float64{day.Home, day.Solar, day.BatteryIn, day.BatteryOut, day.Import, day.Export}
		// The last minutes of the day are estimated from the power.
		if **f*1000 < 0.99*all[i] || **f*1000 > 1.01*all[i]+1 {
			t.Errorf("energy %d of the first day is %.3f, the books have %.3f", i, **f, all[i]/1000)
		}
		both := round(**f + **second.Energy.Day.all()[i])
		sum := []float64{two.Home, two.Solar, two.BatteryIn, two.BatteryOut, two.Import, two.Export}
		// The two days together are the counters, but for the last estimate.
		check(fmt.Sprintf("energy %d of two days", i), &both, sum[i])
	}
	if m := first.Energy.Day.Minutes; m != 1440 || first.Energy.Peak.Minutes != 180 || first.Energy.PrePeak.Minutes != 30 {
		t.Errorf("%v minutes, %v of them in the peak and %v before it", m, first.Energy.Peak.Minutes, first.Energy.PrePeak.Minutes)
	}
}

// counter is a reading whose counters all show that many kWh.
func counter(h *home, kwh float64) devices.PowerwallReading {
	wh := func() *devices.WattHours { return new(devices.WattHours(kwh * 1000)) }
	return devices.PowerwallReading{PolledAt: h.now, Home: wh(), Solar: wh(), GridImport: wh(), GridExport: wh(), BatteryIn: wh(), BatteryOut: wh()}
}

func TestCounters(t *testing.T) {
	type read struct {
		at  string
		kwh float64
	}
	for _, tt := range []struct {
		name  string
		reads []read
		want  string // peak, pre_peak, off_peak, day; gaps
	}{
		{"within a phase", []read{{"12:00", 5}, {"12:05", 5.5}}, "– – 0.50 0.50 0"},
		{"over the beginning of a peak", []read{{"15:58", 5}, {"16:02", 5.4}}, "0.20 0.20 – 0.40 0"},
		{"over a lead and a peak", []read{{"15:00", 0}, {"20:00", 10}}, "6.00 1.00 3.00 10.00 1"},
		{"over the end, which is exclusive", []read{{"18:55", 0}, {"19:00", 1}, {"19:05", 3}}, "1.00 – 2.00 3.00 0"},
		{"they stand still", []read{{"12:00", 5}, {"12:05", 5}}, "– – 0.00 0.00 0"},
		{"they stood still over a gap: nobody counted", []read{{"12:00", 5}, {"13:00", 5}}, "– – – – 1"},
		{"they went back: another node's", []read{{"12:00", 5}, {"12:05", 4}, {"12:10", 4.5}}, "– – 0.50 0.50 1"},
		{"they jumped: another node's", []read{{"12:00", 5}, {"12:05", 405}, {"12:10", 405.5}}, "– – 0.50 0.50 1"},
		{"a gap is booked, and said", []read{{"12:00", 5}, {"12:41", 8}}, "– – 3.00 3.00 1"},
		{"few calls are left: half an hour is no gap", []read{{"12:00", 5}, {"12:30", 8}}, "– – 3.00 3.00 0"},
		{"the same reading again", []read{{"12:00", 5}, {"12:05", 5.5}, {"12:05", 5.5}}, "– – 0.50 0.50 0"},
		{"the clock was set back", []read{{"12:00", 5}, {"11:00", 5.5}, {"11:05", 6}}, "– – 0.50 0.50 0"},
		{"one reading alone says nothing", []read{{"12:00", 5}}, "– – – – 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 00:00")
			for _, r := range tt.reads {
				h.now = h.at("2026-07-15 " + r.at)
				h.says(topics.Powerwall("state"), counter(h, r.kwh))
			}
			e := h.r.Energy
			for i := range e.Day.all() {
				got := fmt.Sprint(long(*e.Peak.all()[i]), " ", long(*e.PrePeak.all()[i]), " ", long(*e.OffPeak.all()[i]), " ", long(*e.Day.all()[i]), " ", len(h.r.Gaps))
				if got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			}
		})
	}
}

// While a gateway is offline its cloud repeats what it heard last. Nothing was
// measured then: it is a gap, and not a peak without grid.
func TestRepeatedFiguresAreAGap(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	measured := h.at("2026-07-15 15:55")
	for clock := h.at("2026-07-15 15:55"); clock.Before(h.at("2026-07-15 18:00")); clock = clock.Add(5 * time.Minute) {
		h.now = clock
		r := counter(h, 5)
		r.MeasuredAt, r.ChargePercent = &measured, new(devices.Percent(20))
		h.says(topics.Powerwall("state"), r)
	}
	h.now = h.at("2026-07-15 18:00")
	h.says(topics.Powerwall("state"), counter(h, 5))
	if m := h.r.Energy.Peak.Minutes; m > 10 || len(h.r.Gaps) != 1 {
		t.Errorf("%v minutes of the peak are said to be known, and %d gaps", m, len(h.r.Gaps))
	}
	if last := h.r.Samples.Charge[len(h.r.Samples.Charge)-2]; !math.IsNaN(last) {
		t.Errorf("the chart shows %v %% at the end", last)
	}
}

// What the power said before midnight was more than came: the next day makes
// it good, so that both are what the counter says.
func TestTwoDaysAddUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		kw   float64 // as the power was at the last reading
		want string
	}{
		{"the estimate was right", 6, "0.60 0.40"},
		{"it was too high", 30, "3.00 0.00"}, // and is ahead of the first reading
		{"it was too low", 0, "0.00 1.00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, "2026-07-15 00:00")
			h.now = h.at("2026-07-15 23:54")
			p := counter(h, 5)
			p.HomePower = new(devices.Watts(tt.kw * 1000))
			h.says(topics.Powerwall("state"), p)
			first := h.midnight()
			for i, kwh := range []float64{6, 8, 9} {
				h.now = h.at(fmt.Sprintf("2026-07-16 00:%02d", 4+i*5))
				h.says(topics.Powerwall("state"), counter(h, kwh))
				if i == 0 {
					if got := long(first.Energy.Day.Home) + " " + long(h.r.Energy.Day.Home); got != tt.want {
						t.Errorf("%s, want %s", got, tt.want)
					}
				}
			}
			if sum := *first.Energy.Day.Home + *h.r.Energy.Day.Home; math.Abs(sum-4) > 1e-6 {
				t.Errorf("together %v kWh; the counter says 4", sum)
			}
		})
	}
}

func TestDaysOnWhichTheClockChanges(t *testing.T) {
	for _, tt := range []struct {
		name, day string
		hours     float64
		slots     int
		peak      float64 // minutes
	}{
		{"23 hours", "2026-03-08", 23, 276, 360},
		{"24 hours", "2026-03-09", 24, 288, 360},
		{"25 hours", "2026-11-01", 25, 300, 360},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, tt.day+" 00:00")
			h.poll()
			h.until("23:58")
			r := h.midnight()
			if r.slots() != tt.slots || len(r.Samples.Home) != tt.slots {
				t.Errorf("room for %d samples, %d taken, want %d", r.slots(), len(r.Samples.Home), tt.slots)
			}
			if r.Energy.Day.Minutes != tt.hours*60 || r.Energy.Peak.Minutes != tt.peak {
				t.Errorf("%v minutes, %v in peaks", r.Energy.Day.Minutes, r.Energy.Peak.Minutes)
			}
			for i, v := range r.Samples.Home {
				if math.IsNaN(v) {
					t.Errorf("sample %d is not known", i)
				}
			}
			if h.r.Date <= r.Date || !h.r.start.Equal(r.end) {
				t.Errorf("after %s comes %s", r.Date, h.r.Date)
			}
			again(t, r)
		})
	}
}

// A day can begin at one o'clock, and have midnight twice.
func TestMidnight(t *testing.T) {
	for _, tt := range []struct{ name, zone, noon, want string }{
		{"as usual", "America/Los_Angeles", "2026-07-15", "2026-07-15T00:00:00-07:00"},
		{"summer time takes it", "Africa/Cairo", "2026-04-24", "2026-04-24T01:00:00+03:00"},
		{"summer time takes it, in the west", "America/Havana", "2026-03-08", "2026-03-08T01:00:00-04:00"},
		{"it comes twice", "Asia/Amman", "2021-10-29", "2021-10-29T00:00:00+03:00"},
		{"it comes twice, in the west", "America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Skip(err)
			}
			noon, err := time.ParseInLocation("2006-01-02 15", tt.noon+" 12", zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := midnight(noon, zone).Format(time.RFC3339); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			yesterday := Record{}
			if yesterday.locate(noon.AddDate(0, 0, -1), zone); !yesterday.end.Equal(midnight(noon, zone)) {
				t.Errorf("the day before ends at %s", yesterday.end)
			}
			if before := midnight(noon, zone).Add(-time.Second); before.Format(time.DateOnly) == tt.noon {
				t.Errorf("%s is of the same day", before)
			}
		})
	}
}

// Polls drift: a row of samples has no holes for it, and real gaps stay gaps.
func TestSamples(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   []int
		want string
	}{
		{"one after the other", []int{0, 1, 2}, "[0 1 2]"},
		{"twice in one: the last counts", []int{0, 1, 1}, "[0 2]"},
		{"one was skipped", []int{0, 2}, "[0 0 1]"},
		{"few calls are left", []int{0, 6}, "[0 0 0 0 0 0 1]"},
		{"a gap", []int{0, 9}, "[0 NaN NaN NaN NaN NaN NaN NaN NaN 1]"},
		{"it begins later", []int{3}, "[NaN NaN NaN 0]"},
		{"not of the day", []int{-1}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Series
			for v, i := range tt.at {
				s.set(i, new(float64(v)))
			}
			if got := fmt.Sprint(s); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

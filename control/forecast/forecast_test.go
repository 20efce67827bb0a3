package forecast

import (
	"errors"
	"math"
	"testing"
	"time"
)

// lived is a past of whole days of hourly samples.
func lived(zone *time.Location, from time.Time, days int, load, sun func(at time.Time) float64) *Past {
	p := NewPast(zone, func(day time.Time) bool { return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday })
	for at := from; at.Before(from.AddDate(0, 0, days)); at = at.Add(time.Hour) {
		l, s, c := load(at.In(zone)), sun(at.In(zone)), 20.0
		p.Add(Sample{Start: at, Length: time.Hour, LoadKWh: &l, SunKWh: &s, OutdoorC: &c})
	}
	return p
}

func none(time.Time) float64 { return 0 }

// mean is the mean of the courses in a slot.
func meanOf(cs []Course, slot int, of func(Course) []float64) float64 {
	sum := 0.0
	for _, c := range cs {
		sum += c.Weight * of(c)[slot]
	}
	return sum
}

func load(c Course) []float64 { return c.Load }
func sun(c Course) []float64  { return c.Sun }

// 2026-07-13 is a Monday.
var monday = time.Date(2026, 7, 13, 0, 0, 0, 0, time.UTC)

func TestASteadyHomeIsForecastAsItIs(t *testing.T) {
	evening := func(at time.Time) float64 {
		if at.Hour() >= 18 && at.Hour() < 21 {
			return 4
		}
		return 1
	}
	p := lived(time.UTC, monday, 14, evening, none)
	cs, err := p.Courses(monday.AddDate(0, 0, 14), 72, 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, c := range cs {
		total += c.Weight
	}
	if math.Abs(total-1) > 1e-9 {
		t.Errorf("the weights add up to %g", total)
	}
	for slot := range 72 {
		want := 0.5
		if at := slot % 48 / 2; at >= 18 && at < 21 {
			want = 2
		}
		if got := meanOf(cs, slot, load); math.Abs(got-want) > 1e-9 {
			t.Errorf("slot %d: %g, want %g", slot, got, want)
		}
	}
}

func TestWeekEndsDifferFromWorkingDays(t *testing.T) {
	p := lived(time.UTC, monday, 14, func(at time.Time) float64 {
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			return 3
		}
		return 1
	}, none)
	// Friday evening: what comes is two hours of Friday and then Saturday.
	cs, err := p.Courses(monday.AddDate(0, 0, 11).Add(22*time.Hour), 8, 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := meanOf(cs, 0, load); math.Abs(got-0.5) > 0.3 {
		t.Errorf("Friday night: %g", got)
	}
	if got := meanOf(cs, 7, load); math.Abs(got-1.5) > 0.3 {
		t.Errorf("Saturday: %g", got)
	}
}

func TestAHeavyHourRaisesTheNextOnesAndFades(t *testing.T) {
	p := lived(time.UTC, monday, 14, func(time.Time) float64 { return 1 }, none)
	now := monday.AddDate(0, 0, 14)
	for range 3 {
		heavy := 3.0
		p.Add(Sample{Start: now, Length: time.Hour, LoadKWh: &heavy})
		now = now.Add(time.Hour)
	}
	cs, err := p.Courses(now, 24, 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	first, last := meanOf(cs, 0, load), meanOf(cs, 23, load)
	if first < 1 || first > 1.5 || math.Abs(last-0.5) > 0.05 {
		t.Errorf("%g in the next half hour, %g in twelve hours", first, last)
	}
}

func TestTheSunComesAsItCameOnDaysLikeThis(t *testing.T) {
	cloudy := func(at time.Time) bool { return at.YearDay()%3 == 0 }
	noonOf := func(days int) float64 {
		day := monday.AddDate(0, 0, days)
		past := lived(time.UTC, monday, days, func(time.Time) float64 { return 1 }, func(at time.Time) float64 {
			s := max(0, 4*math.Sin(float64(at.Hour()-6)/12*math.Pi))
			if cloudy(at) {
				s *= 0.2
			}
			return s
		})
		for h := range 11 { // the morning says what kind of day it is
			at := day.Add(time.Duration(h) * time.Hour)
			l, s := 1.0, max(0, 4*math.Sin(float64(h-6)/12*math.Pi))
			if cloudy(at) {
				s *= 0.2
			}
			past.Add(Sample{Start: at, Length: time.Hour, LoadKWh: &l, SunKWh: &s})
		}
		cs, err := past.Courses(day.Add(11*time.Hour), 4, 30*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return meanOf(cs, 2, sun)
	}
	var bright, dull float64
	for d := 14; d < 17; d++ {
		if cloudy(monday.AddDate(0, 0, d)) {
			dull = noonOf(d)
		} else {
			bright = noonOf(d)
		}
	}
	if bright < 1.5 || dull > 1.2 {
		t.Errorf("noon of a bright day %.2f, of a dull one %.2f kWh in half an hour; the sun gives 2 and 0.4", bright, dull)
	}
}

func TestAYoungPastMakesNoForecast(t *testing.T) {
	p := lived(time.UTC, monday, 6, func(time.Time) float64 { return 1 }, none)
	if _, err := p.Courses(monday.AddDate(0, 0, 6), 72, 30*time.Minute); !errors.Is(err, ErrTooYoung) {
		t.Errorf("%v", err)
	}
	if _, err := NewPast(time.UTC, func(time.Time) bool { return false }).Courses(monday, 72, 30*time.Minute); !errors.Is(err, ErrTooYoung) {
		t.Errorf("an empty one: %v", err)
	}
}

func TestGapsAreNotZero(t *testing.T) {
	p := lived(time.UTC, monday, 14, func(time.Time) float64 { return 2 }, none)
	p.Add(Sample{Start: monday.AddDate(0, 0, 16), Length: time.Hour}) // two days without anything, and a sample without figures
	cs, err := p.Courses(monday.AddDate(0, 0, 16).Add(time.Hour), 72, 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for slot := range 72 {
		if got := meanOf(cs, slot, load); math.Abs(got-1) > 1e-9 {
			t.Fatalf("slot %d: %g", slot, got)
		}
	}
}

func TestSummerTimeBeginsAndEnds(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip(err)
	}
	evening := func(at time.Time) float64 {
		if at.Hour() == 18 {
			return 5
		}
		return 1
	}
	for name, from := range map[string]time.Time{
		"begins": time.Date(2026, 2, 23, 0, 0, 0, 0, zone),
		"ends":   time.Date(2026, 10, 19, 0, 0, 0, 0, zone),
	} {
		t.Run(name, func(t *testing.T) {
			p := lived(zone, from, 20, evening, none) // the change is on the 14th of these days
			now := time.Date(from.Year(), from.Month(), from.Day()+20, 12, 0, 0, 0, zone)
			cs, err := p.Courses(now, 24, 30*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if got := meanOf(cs, 12, load); got < 2 {
				t.Errorf("18:00 on the wall has %g kWh, want the 2.5 of the evening", got)
			}
		})
	}
}

func TestForgetsWhatIsTooLongAgo(t *testing.T) {
	p := lived(time.UTC, monday, 120, func(time.Time) float64 { return 1 }, none)
	if len(p.days) > keepDays {
		t.Errorf("%d days are kept", len(p.days))
	}
	at := 1.0
	p.Add(Sample{Start: monday.AddDate(3, 0, 0), Length: time.Hour, LoadKWh: &at})
	if p.Days() != 0 {
		t.Errorf("after three years %d days count", p.Days())
	}
	p.Add(Sample{Start: monday, Length: time.Hour, LoadKWh: &at}) // from before: dropped
}

func BenchmarkCourses(b *testing.B) {
	p := lived(time.UTC, monday, 60, func(at time.Time) float64 { return 1 + float64(at.Hour()*at.Day()%7) }, none)
	now := monday.AddDate(0, 0, 60)
	b.ReportAllocs()
	for range b.N {
		if _, err := p.Courses(now, 72, 30*time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAWeatherForecastMovesTheSun(t *testing.T) {
	p := lived(time.UTC, monday, 21, func(time.Time) float64 { return 1 }, func(at time.Time) float64 {
		s := max(0, 4*math.Sin(float64(at.Hour()-6)/12*math.Pi))
		if at.YearDay()%3 == 0 {
			s *= 0.2
		}
		return s
	})
	now := monday.AddDate(0, 0, 21)
	plain, err := p.Courses(now, 48, 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	said := make([]float64, 30) // until 15:00
	for i := 12; i < len(said); i++ {
		said[i] = 0.3
	}
	said[26] = math.NaN()
	told, err := p.Look(Ahead{Now: now, Slots: 48, Length: 30 * time.Minute, Sun: said})
	if err != nil {
		t.Fatal(err)
	}
	spread := func(cs []Course, slot int) float64 {
		low, high := math.Inf(1), 0.0
		for _, c := range cs {
			low, high = min(low, c.Sun[slot]), max(high, c.Sun[slot])
		}
		return high - low
	}
	if got := meanOf(told, 24, sun); math.Abs(got-0.3) > 0.1 { // where a course would fall below 0 it stays there
		t.Errorf("noon: %.2f kWh, and the forecast says 0.3", got)
	}
	if was, is := spread(plain, 24), spread(told, 24); is <= 0.01 || is > 0.7*was {
		t.Errorf("noon: courses are %.2f apart, and were %.2f", is, was)
	}
	for _, slot := range []int{26, 31} {
		if was, is := meanOf(plain, slot, sun), meanOf(told, slot, sun); was != is {
			t.Errorf("slot %d, of which the forecast says nothing: %.2f, was %.2f", slot, is, was)
		}
	}
	if got := meanOf(told, 0, sun); got > 0.3*0.2 {
		t.Errorf("midnight: %.2f kWh already", got)
	}
}

// What a roof makes of the sun is learned half hour by half hour: this one faces west.
func TestARoofIsLearned(t *testing.T) {
	sky := func(at time.Time) float64 {
		return max(0, 800*math.Sin((float64(at.Hour())+float64(at.Minute())/60-6)/12*math.Pi))
	}
	made := func(at time.Time) float64 { return 0.001 * sky(at) * (0.5 + float64(at.Hour())/24) }
	p := NewPast(time.UTC, func(time.Time) bool { return false })
	now := monday.AddDate(0, 0, 10)
	for at := monday; at.Before(now); at = at.Add(30 * time.Minute) {
		load, sun := 0.5, made(at)
		p.Add(Sample{Start: at, Length: 30 * time.Minute, LoadKWh: &load, SunKWh: &sun})
	}
	half := func(from, _ time.Time) (float64, bool) { // half the sun from now on, and nothing is said of noon
		if from.Before(now) {
			return sky(from), true
		}
		return sky(from) / 2, from.Hour() != 12
	}
	a := Ahead{Now: now, Slots: 48, Length: 30 * time.Minute}
	for i, got := range p.Roof(a, half) {
		at := now.Add(time.Duration(i) * a.Length)
		if want := made(at) / 2; at.Hour() == 12 != math.IsNaN(got) || math.Abs(got-want) > 0.05*want+0.005 {
			t.Errorf("%s: %.3f kWh, want %.3f", at.Format("15:04"), got, want)
		}
	}
	young := NewPast(time.UTC, func(time.Time) bool { return false })
	if got := young.Roof(a, half); !math.IsNaN(got[30]) {
		t.Errorf("of a roof of which nothing is known: %g kWh", got[30])
	}
	if got := p.Roof(a, func(time.Time, time.Time) (float64, bool) { return 0, false }); !math.IsNaN(got[30]) {
		t.Errorf("without a forecast: %g kWh", got[30])
	}
}

// In a home that does the same every day but for one evening nothing is off but what
// is said of that evening.
func TestAReviewSaysByHowMuchForecastsWereOff(t *testing.T) {
	var samples []Sample
	for i := range 20 * 48 {
		at := monday.Add(time.Duration(i) * 30 * time.Minute)
		load, sun := 0.5, 0.0
		if at.Day() == monday.AddDate(0, 0, 18).Day() && at.Hour() == 18 {
			load = 2.5
		}
		samples = append(samples, Sample{Start: at, Length: 30 * time.Minute, LoadKWh: &load, SunKWh: &sun})
	}
	samples[len(samples)-1].LoadKWh = nil // not measured: it counts for nothing
	got := Review{
		Zone: time.UTC, Free: func(time.Time) bool { return false }, Samples: samples, From: monday.AddDate(0, 0, 17), Every: 30 * time.Minute,
		Leads: []time.Duration{30 * time.Minute, 24 * time.Hour},
	}.Errors()
	if len(got) != 2 || got[0].N != 3*48-1 || got[1].N != 3*48-47-1 {
		t.Fatalf("%+v", got)
	}
	// Two half hours of three days were off by 2 kWh, both too little.
	if o := got[1]; math.Abs(o.Load-4.0/float64(o.N)) > 0.02 || o.Bias > 0 || o.Sun != 0 || math.Abs(o.Used-(0.5+4.0/float64(o.N))) > 1e-9 {
		t.Errorf("a day ahead: %+v", o)
	}
	if o := got[0]; o.Load < 0.9*2/float64(o.N) || o.Load > 12/float64(o.N) {
		t.Errorf("half an hour ahead: %+v", o)
	}
	if got := (Review{Zone: time.UTC, Free: func(time.Time) bool { return false }, Samples: samples[:96], From: monday, Every: time.Hour, Leads: []time.Duration{time.Hour}}).Errors(); got[0].N != 0 {
		t.Errorf("too young to forecast: %+v", got)
	}
}

package emulator

import (
	"math"
	"time"
)

// Conditions are the weather at a moment.
type Conditions struct {
	OutdoorC float64
	Sun      float64 // relative to what the panels get at noon on a clear day in June, 0–1
}

// Weather returns the weather at a time; it must depend only on the time.
type Weather func(t time.Time) Conditions

// Day is the weather of a clear or cloudy day, the same every day: coldest at sunrise,
// hottest in the afternoon.
type Day struct {
	LowC, HighC float64
	Clear       float64 // the share of the sun that gets through, 0–1
}

// The two days that everything is tested on: Fontana, California, in July at 103 °F, and
// a cold one.
var (
	HotDay  = Day{LowC: 22, HighC: 39.4, Clear: 1}
	ColdDay = Day{LowC: -1, HighC: 11, Clear: 0.7}
)

// latitude is the latitude of the house.
const latitude = 34.1

// In returns weather in which every day in that time zone is d.
func (d Day) In(local *time.Location) Weather {
	return func(t time.Time) Conditions { return d.at(t.In(local)) }
}

func (d Day) at(local time.Time) Conditions {
	hour := float64(local.Hour()) + float64(local.Minute())/60
	if local.IsDST() {
		hour-- // the sun does not follow daylight saving time
	}
	// Two halves of a cosine: up from 5:00 to 15:00, down until the next 5:00.
	since := math.Mod(hour-5+24, 24)
	phase := 0.0
	if since < 10 {
		phase = (1 - math.Cos(math.Pi*since/10)) / 2
	} else {
		phase = (1 + math.Cos(math.Pi*(since-10)/14)) / 2
	}
	return Conditions{OutdoorC: d.LowC + (d.HighC-d.LowC)*phase, Sun: d.Clear * sun(local.YearDay(), hour)}
}

// sun returns the sine of the sun's elevation, relative to that at noon in June.
func sun(yearDay int, hour float64) float64 {
	decl := 23.44 * math.Pi / 180 * math.Sin(2*math.Pi*float64(284+yearDay)/365)
	lat := latitude * math.Pi / 180
	h := (hour - 11.8) * math.Pi / 12
	return max(0, math.Sin(lat)*math.Sin(decl)+math.Cos(lat)*math.Cos(decl)*math.Cos(h)) / 0.983
}

// Seasonal returns weather that is hot from May to October and cold otherwise.
func Seasonal(local *time.Location) Weather {
	return func(t time.Time) Conditions {
		t = t.In(local)
		if m := t.Month(); m >= time.May && m <= time.October {
			return HotDay.at(t)
		}
		return ColdDay.at(t)
	}
}

// Changing is weather that differs from day to day: hotter or colder, clearer or
// cloudier.
type Changing struct {
	Day
	SwingC float64 // by how much a day is hotter or colder, at most
	Clouds float64 // the share of the sun that clouds block on the cloudiest day, 0–1
	Seed   uint64
}

// In returns the weather of c in that time zone.
func (c Changing) In(local *time.Location) Weather {
	return func(t time.Time) Conditions {
		t = t.In(local)
		day := uint64(t.Year()*1000 + t.YearDay())
		// Neighboring days differ less than others, and no day begins with a jump.
		through := (float64(t.Hour()) + float64(t.Minute())/60) / 24
		swing := func(day uint64) float64 { return noise(c.Seed, day) + noise(c.Seed, day+1) - 1 }
		more := c.SwingC * (swing(day)*(1-through) + swing(day+1)*through)
		d := c.Day
		d.LowC, d.HighC = d.LowC+more, d.HighC+more
		cloudy := noise(c.Seed+1, day)
		d.Clear *= 1 - c.Clouds*cloudy*cloudy
		return d.at(t)
	}
}

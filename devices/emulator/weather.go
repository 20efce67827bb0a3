package emulator

import (
	"math"
	"time"
)

// Conditions are the weather at a moment.
type Conditions struct {
	OutdoorC float64
	Sun      float64 // of what the panels get at noon on a clear day in June, 0–1
}

// Weather is the weather at any time; it must depend on the time alone.
type Weather func(t time.Time) Conditions

// Day is a clear or cloudy day's weather, the same every day: coldest at
// sunrise, hottest in the afternoon.
type Day struct {
	LowC, HighC float64
	Clear       float64 // 0–1 of the sun gets through
}

// The two days that everything is tried on: Fontana, California, in July at
// 103 °F, and a cold one.
var (
	HotDay  = Day{LowC: 22, HighC: 39.4, Clear: 1}
	ColdDay = Day{LowC: -1, HighC: 11, Clear: 0.7}
)

// latitude of the house.
const latitude = 34.1

// In makes d the weather of every day there.
func (d Day) In(local *time.Location) Weather {
	return func(t time.Time) Conditions { return d.at(t.In(local)) }
}

func (d Day) at(local time.Time) Conditions {
	hour := float64(local.Hour()) + float64(local.Minute())/60
	if local.IsDST() {
		hour-- // the sun knows no summer time
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

// sun is the sine of the sun's height over the horizon, over that at noon in
// June.
func sun(yearDay int, hour float64) float64 {
	decl := 23.44 * math.Pi / 180 * math.Sin(2*math.Pi*float64(284+yearDay)/365)
	lat := latitude * math.Pi / 180
	h := (hour - 11.8) * math.Pi / 12
	return max(0, math.Sin(lat)*math.Sin(decl)+math.Cos(lat)*math.Cos(decl)*math.Cos(h)) / 0.983
}

// Seasonal is hot from May to October and cold otherwise.
func Seasonal(local *time.Location) Weather {
	return func(t time.Time) Conditions {
		t = t.In(local)
		if m := t.Month(); m >= time.May && m <= time.October {
			return HotDay.at(t)
		}
		return ColdDay.at(t)
	}
}

// Changing is a day that is another one each day: hotter or colder, clearer or
// cloudier.
type Changing struct {
	Day
	SwingC float64 // by which a day is hotter or colder, at most
	Clouds float64 // share of the sun that they take on the cloudiest day, 0–1
	Seed   uint64
}

// In makes c the weather there.
func (c Changing) In(local *time.Location) Weather {
	return func(t time.Time) Conditions {
		t = t.In(local)
		day := uint64(t.Year()*1000 + t.YearDay())
		// Neighboring days differ less than others, and none begins with a jump.
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

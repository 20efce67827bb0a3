package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/control/rules"
)

// Describes the days of a season. The peaks are those that the daemon's calendar derives
// from the season's windows.

// season describes the days of a season, and groups those that are alike.
func (d *description) season(c Config, name string) {
	season := c.Settings.Seasons[name]
	where := fmt.Sprintf("%s (%s), %s", name, season.part(), c.Settings.Timezone)
	if len(season.PeakPeriods) == 0 {
		quiet := dayKind{days: c.Settings.quiet(name)}
		d.line("%s in %s:", quiet.name(), where)
		d.at("all day", "no peak; %s", reserve(c, c.Settings.OffPeakReservePercent))
		return
	}
	kinds := c.week(name)
	for i, k := range kinds {
		d.line("%s in %s:", k.name(), where)
		d.peaks(c, season, k.peaks)
		if i == len(kinds)-1 {
			d.at("no peaks", "%s", c.Settings.without(name))
		}
	}
}

func (d *description) peaks(c Config, season Season, peaks []leadAndPeak) {
	s := c.Settings
	for _, p := range peaks {
		if p.lead.Before(p.Start) {
			d.at(clocks(p.lead, p.Start), "%s", beforePeak(c, season))
		}
		d.at(clocks(p.Start, p.End), "peak: %s", reserve(c, s.PeakReservePercent))
		d.setback(c, p.Peak)
	}
	switch {
	case len(peaks) == 0:
		d.at("", "no peak begins")
	case c.Tesla != nil:
		d.at("otherwise", "%s", reserve(c, s.OffPeakReservePercent))
	}
}

// leadAndPeak is a peak, and when its lead begins.
type leadAndPeak struct {
	rules.Peak
	lead time.Time
}

// dayKind is a group of days of the week on which the same peaks begin.
type dayKind struct {
	days  []time.Weekday
	peaks []leadAndPeak
}

// name writes "Monday", "Tuesday to Thursday", "Monday and Friday", "A weekday", "Every day".
func (k dayKind) name() string {
	var names []string
	work, _ := weekdays([]string{"weekdays"})
	switch {
	case len(k.days) == 7:
		return "Every day"
	case slices.Equal(k.days, work):
		return "A weekday"
	}
	for _, day := range k.days {
		names = append(names, day.String())
	}
	if last := len(names) - 1; last > 1 && (k.days[last]-k.days[0]+7)%7 == time.Weekday(last) {
		return names[0] + " to " + names[last]
	}
	return enumerate(names)
}

// monday begins the sample week, which is in UTC, where clocks never change.
var monday = rules.Date{Year: 2001, Month: time.January, Day: 1}

// week returns the days on which a season's peaks can begin, in a week that lies within
// the season and within those that have their days in the same part of the year.
func (c Config) week(name string) (kinds []dayKind) {
	calendar := c.Calendar()
	calendar.Location, calendar.Holidays, calendar.Public = time.UTC, nil, nil
	calendar.Seasons = slices.DeleteFunc(calendar.Seasons, func(s rules.Season) bool {
		return !c.Settings.Seasons[s.Name].days().InSeason(c.Settings.Seasons[name].first())
	})
	for i := range calendar.Seasons {
		s := &calendar.Seasons[i]
		s.Months, s.From, s.To = nil, 0, 0
	}
	starts := map[rules.Date][]leadAndPeak{}
	var before time.Time // the end of the previous peak
	for p := range calendar.From(time.Date(2000, 12, 31, 0, 0, 0, 0, time.UTC)) {
		day := rules.DateOf(p.Start, time.UTC)
		if day == monday.Add(7) {
			break
		}
		lead := p.Start.Add(-calendar.Lead)
		if lead.Before(before) {
			lead = before
		}
		before = p.End
		if p.Season == name {
			starts[day] = append(starts[day], leadAndPeak{p, lead})
		}
	}
	season := c.Settings.Seasons[name]
	for n := range 7 {
		day := monday.Add(n)
		if !slices.Contains(season.Weekdays(), day.Weekday()) {
			continue
		}
		peaks := starts[day]
		i := slices.IndexFunc(kinds, func(k dayKind) bool { return sameClocks(k.peaks, peaks) })
		if i < 0 {
			kinds = append(kinds, dayKind{peaks: peaks})
			i = len(kinds) - 1
		}
		kinds[i].days = append(kinds[i].days, day.Weekday())
	}
	return kinds
}

// sameClocks reports whether two days have the same peaks.
func sameClocks(a, b []leadAndPeak) bool {
	return slices.EqualFunc(a, b, func(p, q leadAndPeak) bool {
		apart := q.Start.Sub(p.Start)
		return apart%(24*time.Hour) == 0 && q.End.Sub(p.End) == apart && q.lead.Sub(p.lead) == apart
	})
}

// first returns the season's first day in some year.
func (s Season) first() rules.Date {
	day := s.From
	if len(s.Months) > 0 {
		return rules.Date{Year: 2000, Month: s.Months[0], Day: 1}
	}
	return rules.Date{Year: 2000, Month: time.Month(day / 100), Day: int(day % 100)}
}

// part describes the part of the year that the season has.
func (s Season) part() string {
	if len(s.Months) > 0 {
		return months(s.Months)
	}
	day := func(y rules.YearDay) string {
		return fmt.Sprintf("%s %d", time.Month(int(y)/100), int(y)%100)
	}
	return day(s.From) + "–" + day(s.To)
}

// without says on which days of the season's part of the year no peaks begin: another
// season may have the same part, with other days of the week.
func (s Settings) without(name string) string {
	var off, partly, others []string
	for _, day := range fromMonday() {
		if slices.Contains(s.Seasons[name].Weekdays(), day) {
			continue
		}
		switch all, some := s.elsewhere(name, day); {
		case all:
		case len(some) > 0:
			partly = append(partly, day.String())
			others = slices.Compact(slices.Sorted(slices.Values(append(others, some...))))
		default:
			off = append(off, day.String())
		}
	}
	if len(partly) > 0 {
		off = append(off, enumerate(partly)+" outside of "+enumerate(others))
	}
	if off = append(off, s.holidayWords()...); len(off) > 0 {
		return "on " + enumerate(off)
	}
	return "on no day"
}

// quiet returns the days of the week to which a season without windows applies: all
// except those on which other seasons have peaks in its whole part of the year.
func (s Settings) quiet(name string) (days []time.Weekday) {
	for _, day := range fromMonday() {
		if all, _ := s.elsewhere(name, day); !all {
			days = append(days, day)
		}
	}
	return days
}

// elsewhere returns the other seasons with peaks that begin on a day of the week within
// the season's part of the year. all reports whether together they cover all of it.
func (s Settings) elsewhere(name string, day time.Weekday) (all bool, some []string) {
	all = true
	part := s.Seasons[name].days()
	for _, date := range leapYear() {
		if !part.InSeason(date) {
			continue
		}
		found := false
		for _, other := range s.SeasonNames() {
			o := s.Seasons[other]
			if other == name || len(o.PeakPeriods) == 0 || !slices.Contains(o.Weekdays(), day) || !o.days().InSeason(date) {
				continue
			}
			found = true
			if !slices.Contains(some, other) {
				some = append(some, other)
			}
		}
		all = all && found
	}
	return all, some
}

// fromMonday returns the days of the week, beginning with Monday.
func fromMonday() (days []time.Weekday) {
	for n := range 7 {
		days = append(days, time.Weekday((n+1)%7))
	}
	return days
}

// setback says until when each threshold of the peak p applies.
func (d *description) setback(c Config, p rules.Peak) {
	s := c.Settings
	if !controlled(c) || s.ThermostatIncrementF == 0 {
		return
	}
	thresholds := slices.SortedStableFunc(slices.Values(s.BatteryThresholds), func(a, b Threshold) int { return b.TimeRemainingMinutes - a.TimeRemainingMinutes })
	counted := 0
	for _, t := range thresholds {
		until := p.End.Add(-inMinutes(t.TimeRemainingMinutes))
		if until.Before(p.Start) {
			d.at("", "the threshold at %d minutes left never counts: this peak is shorter", t.TimeRemainingMinutes)
			continue
		}
		counted++
		d.at("", "%g %% or less in the battery by %s: cooling %s higher, heating %s lower", t.LevelPercent, until.Format("15:04"), s.difference(s.ThermostatIncrementF), s.difference(s.ThermostatIncrementF))
	}
	if counted == 0 {
		d.at("", "thermostats are not set back")
		return
	}
	most := counted
	if s.MaxThermostatAdjustments > 0 {
		most = min(most, s.MaxThermostatAdjustments)
	}
	if counted > 1 {
		d.at("", "in total at most %s", s.difference(float64(most)*s.ThermostatIncrementF))
	}
}

// months writes [5 6 7 10] as "May–July, October"; a run of months across New Year stays
// one run.
func months(all []time.Month) string {
	in := func(m int) bool { return slices.Contains(all, time.Month((m+11)%12+1)) }
	var runs []string
	for m := 1; m <= 12; m++ {
		if !in(m) || in(m-1) && len(all) < 12 {
			continue
		}
		last := m
		for in(last+1) && last < m+11 {
			last++
		}
		from, to := time.Month(m), time.Month((last-1)%12+1)
		switch {
		case last == m+11:
			return "all year"
		case last == m:
			runs = append(runs, from.String())
		default:
			runs = append(runs, from.String()+"–"+to.String())
		}
	}
	return strings.Join(runs, ", ")
}

// clocks writes "22:00–02:00"; the end of the day on which it begins is 24:00. A window
// of a day or longer is written with the days of the week.
func clocks(from, until time.Time) string {
	const clock = "15:04"
	to := until.Format(clock)
	if to == "00:00" {
		to = "24:00"
	}
	if until.Sub(from) > 24*time.Hour {
		return from.Format("Mon "+clock) + "–" + until.Add(-time.Minute).Format("Mon ") + to
	}
	return from.Format(clock) + "–" + to
}

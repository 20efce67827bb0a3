package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/control/rules"
)

// When power is expensive: time zone, holidays, seasons and windows.

// A Season holds the settings for a part of the year: Months, or From to To.
type Season struct {
	// Months are 1–12. Empty: From and To are given.
	Months []time.Month `koanf:"months"`
	// From and To are its first and its last day, such as 06-15 and 09-30; it continues
	// into the next year if To comes first. Empty, both: Months are given.
	From rules.YearDay `koanf:"from"`
	To   rules.YearDay `koanf:"to"`
	// PeakPeriods are the peaks that begin on each of Days. Empty: there are none.
	PeakPeriods []PeakPeriod `koanf:"peak_periods"`
	// Days are mon…sun, "weekdays", "weekends" or "daily". Empty in the file:
	// weekdays. Load fills it in.
	Days []string `koanf:"days"`
	// Precool says whether a hot forecast leads to precooling. Nil in the file: true for
	// a season named summer. Load fills it in.
	Precool *bool `koanf:"precool"`
}

// A PeakPeriod is a window of wall-clock time in which power is expensive. End is
// exclusive, and at most 24:00; an End that is not after Start is on the next day, so
// 22:00–02:00 crosses midnight.
type PeakPeriod struct {
	Start Minute `koanf:"start"`
	End   Minute `koanf:"end"`
}

// Weekdays returns the days of the season, from Sunday. Load has checked them.
func (s Season) Weekdays() []time.Weekday {
	days, _ := weekdays(s.Days)
	return days
}

// span returns the window in minutes of the day on which it begins.
func (p PeakPeriod) span() rules.Span {
	s := rules.Span{Start: int(p.Start), End: int(p.End)}
	if s.End <= s.Start {
		s.End += 24 * 60
	}
	return s
}

// SeasonNames returns the names of the seasons, sorted by their first day in a year.
func (s Settings) SeasonNames() []string {
	first := func(name string) rules.YearDay {
		switch season := s.Seasons[name]; {
		case len(season.Months) > 0:
			return rules.Date{Month: slices.Min(season.Months), Day: 1}.YearDay()
		case season.From > season.To:
			return 101
		case season.From == 0:
			return 1301
		default:
			return season.From
		}
	}
	names := make([]string, 0, len(s.Seasons))
	for name := range s.Seasons {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := int(first(a)) - int(first(b)); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

// defaultSeasons returns a common tariff: expensive afternoons in summer, expensive
// mornings and evenings in winter.
func defaultSeasons() map[string]Season {
	clock := func(from, to Minute) PeakPeriod { return PeakPeriod{Start: from * 60, End: to * 60} }
	return map[string]Season{
		"summer": {Months: []time.Month{5, 6, 7, 8, 9, 10}, PeakPeriods: []PeakPeriod{clock(16, 19)}},
		"winter": {Months: []time.Month{11, 12, 1, 2, 3, 4}, PeakPeriods: []PeakPeriod{clock(6, 9), clock(17, 20)}},
	}
}

func (l *loader) checkCalendar(c *Config) {
	s := c.Settings
	switch {
	case s.Timezone == "":
		l.problem("settings.timezone", "it is needed: the home's time zone, such as America/Los_Angeles")
	case !ZoneKnown(s.Timezone):
		key := "settings.timezone"
		if s.Timezone == s.Location {
			key = "settings.location"
		}
		l.problem(key, "%s", WrongZone(s.Timezone))
	}
	l.checkHolidays(s)
	before := len(l.problems)
	names := s.SeasonNames()
	for i, name := range names {
		l.checkSeason(s, name)
		l.checkSharedDays(s, names[:i], name)
	}
	if !c.Tariff.hasPeaks() {
		l.checkWholeYear(s)
	}
	if len(l.problems) > before {
		return
	}
	l.checkLongestPeak(c)
	if text := c.Calendar().HolidaysOver(l.now()); text != "" {
		l.notice("settings.holidays", "%s", text)
	}
}

func asciiLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// checkSeason checks one season by itself.
func (l *loader) checkSeason(s Settings, name string) {
	season, key := s.Seasons[name], "settings.seasons."+name
	if strings.ContainsFunc(name, func(r rune) bool { return !nodeRune(r) }) || name == "" || !asciiLetter(name[0]) {
		l.problem(key, "a season's name is a letter, then letters, digits, - and _")
	}
	dates := season.From != 0 || season.To != 0
	switch {
	case len(season.Months) > 0 && dates:
		l.problem(key+".from", "it has months already: give months, or from and to")
	case len(season.Months) == 0 && !dates:
		l.problem(key+".months", "it needs the months of the season, such as [5, 6, 7], or from and to, such as 06-15 and 09-30")
	case dates && season.From == 0:
		l.problem(key+".from", "it goes together with to: the season's first day, such as 06-15")
	case dates && season.To == 0:
		l.problem(key+".to", "it goes together with from: the season's last day, such as 09-30")
	}
	for i, m := range season.Months {
		at := fmt.Sprintf("%s.months[%d]", key, i)
		switch {
		case m < time.January || m > time.December:
			l.problem(at, "%d is not a month, 1–12", int(m))
		case slices.Index(season.Months, m) < i:
			l.problem(at, "%d is in season %s already", int(m), name)
		}
	}
	if _, err := weekdays(season.Days); err != nil {
		l.problem(key+".days", "%s", err)
	}
	l.checkPeaks(key, season.PeakPeriods)
}

// longestOverMidnight is the longest window that may cross midnight, in minutes: a
// longer one is probably a mistake.
const longestOverMidnight = 20 * 60

func (l *loader) checkPeaks(season string, peaks []PeakPeriod) {
	for i, p := range peaks {
		at := fmt.Sprintf("%s.peak_periods[%d]", season, i)
		length := p.span().End - p.span().Start
		switch {
		case p.Start == 24*60:
			l.problem(at+".start", "24:00 is the end of a day: its beginning is 00:00")
			continue
		case p.End == p.Start:
			l.problem(at+".end", "%s is not after start %s; a whole day is 00:00 to 24:00", p.End, p.Start)
			continue
		case p.End != 0 && p.End < p.Start && length > longestOverMidnight:
			l.problem(at+".end", "%s is not after start %s; over midnight it would be a peak of %d h %02d min: if it is meant, write two windows",
				p.End, p.Start, length/60, length%60)
			continue
		}
		for j, q := range peaks[:i] {
			if p.span().Start < q.span().End && q.span().Start < p.span().End {
				l.problem(at, "%s–%s overlaps %s–%s of peak_periods[%d]", p.Start, p.End, q.Start, q.End, j)
			}
		}
	}
}

// days returns the days of a season's peaks.
func (s Season) days() rules.Days {
	return rules.Days{Months: s.Months, From: s.From, To: s.To, Weekdays: s.Weekdays()}
}

// checkSharedDays reports days of a season that an earlier one has, too.
func (l *loader) checkSharedDays(s Settings, earlier []string, name string) {
	days := s.Seasons[name].days()
	if len(days.Months) == 0 && days.From == 0 {
		return // it is not a part of the year
	}
	for _, other := range earlier {
		others := s.Seasons[other].days()
		if !slices.ContainsFunc(days.Weekdays, func(d time.Weekday) bool { return slices.Contains(others.Weekdays, d) }) {
			continue
		}
		for _, date := range leapYear() {
			if !days.InSeason(date) || !others.InSeason(date) {
				continue
			}
			key := "settings.seasons." + name
			if i := slices.Index(days.Months, date.Month); i >= 0 {
				l.problem(fmt.Sprintf("%s.months[%d]", key, i), "%d is in season %s already", int(date.Month), other)
			} else {
				l.problem(key+".from", "%s is in season %s already, with the same days of the week", date.YearDay(), other)
				break
			}
		}
	}
}

// leapYear returns all days of a leap year.
func leapYear() (dates []rules.Date) {
	for date := (rules.Date{Year: 2000, Month: time.January, Day: 1}); date.Year == 2000; date = date.Add(1) {
		dates = append(dates, date)
	}
	return dates
}

// checkWholeYear reports the days of the year that no season has.
func (l *loader) checkWholeYear(s Settings) {
	byMonth := true // whether all seasons are given by month
	for _, season := range s.Seasons {
		byMonth = byMonth && season.From == 0 && season.To == 0
	}
	var parts []string
	last := rules.Date{}
	for _, date := range leapYear() {
		for _, season := range s.Seasons {
			if season.days().InSeason(date) {
				date.Year = 0
				break
			}
		}
		switch {
		case date.Year == 0:
			continue
		case byMonth && date.Month == last.Month:
		case byMonth:
			parts = append(parts, strconv.Itoa(int(date.Month)))
		case last.Year != 0 && last.Add(1) == date:
			parts[len(parts)-1] = parts[len(parts)-1][:len("01-01")] + " to " + date.YearDay().String()
		default:
			parts = append(parts, date.YearDay().String())
		}
		last = date
	}
	what := "days"
	if byMonth {
		what = "months"
	}
	if len(parts) > 0 {
		l.problem("settings.seasons", "no season has the %s %s: add them to one, or a season with peak_periods: [] if they have no peaks", what, strings.Join(parts, ", "))
	}
}

// longestPeak is how long a peak may last at most. The battery needs some time without a
// peak, and thresholds make no sense in a peak without an end.
const longestPeak = 7 * 24 * time.Hour

func (l *loader) checkLongestPeak(c *Config) {
	calendar := c.Calendar()
	calendar.Location = time.UTC
	start := l.now()
	key := "settings.seasons"
	if c.Tariff.hasPeaks() {
		key = "tariff.rates"
	}
	for p := range calendar.From(start) {
		if p.End.Sub(p.Start) > 366*24*time.Hour {
			l.problem(key, "the peak would never end, since its windows touch: leave some time without one")
			return
		}
		if p.End.Sub(p.Start) > longestPeak {
			l.problem(key, "the peak that begins on %s would last %d days without a break, since its windows touch: it may last %d",
				p.Start.Format("2006-01-02 15:04"), int(p.End.Sub(p.Start).Hours()/24), int(longestPeak.Hours()/24))
			return
		}
		if p.Start.Sub(start) > 370*24*time.Hour {
			return
		}
	}
}

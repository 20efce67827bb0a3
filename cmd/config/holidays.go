package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rickar/cal/v2"

	"powermgr/control/rules"
)

// The entries of settings.holidays: a day, a day of every year, or the public holidays
// of a country, all or one of them.

// A holiday is one entry of the list. Either one field is set, or Public and Days.
type holiday struct {
	Day    string // 2026-07-04
	Yearly string // 07-04
	Public string // "United States", "United States: Memorial Day"
	Days   publicDays
}

// parseHoliday parses an entry: 2026-07-04, 07-04, "us", "us Memorial Day".
func parseHoliday(text string) (holiday, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return holiday{Day: day.Format(time.DateOnly)}, nil
	}
	if day, err := rules.ParseYearDay(text); err == nil {
		return holiday{Yearly: day.String()}, nil
	}
	c, which, ok := findCalendar(text)
	if !ok {
		return holiday{}, fmt.Errorf("%s is not a day such as 2026-07-04, nor one of every year such as 12-25, nor the public holidays of a country such as us, nor one of them such as us Memorial Day", quoted(text))
	}
	if letters(which) == "" {
		return holiday{Public: c.name, Days: c.days}, nil
	}
	var names []string
	days := map[string]publicDays{} // a holiday whose rule has changed has two entries
	for _, h := range c.days {
		if days[h.Name] == nil {
			names = append(names, h.Name)
		}
		days[h.Name] = append(days[h.Name], h)
	}
	for _, name := range names {
		if letters(name) == letters(which) || letters(name) == letters(which)+"day" {
			return holiday{Public: c.name + ": " + name, Days: days[name]}, nil
		}
	}
	return holiday{}, fmt.Errorf("%s has no holiday %s: it has %s", c.name, quoted(strings.TrimSpace(which)), strings.Join(names, ", "))
}

// findCalendar returns the calendar whose code or name text begins with, and the rest of
// text.
func findCalendar(text string) (found publicCalendar, rest string, ok bool) {
	lower := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "_", "-")
	usual := map[string]string{"us": "usa", "gb": "uk"}
	for _, c := range publicCalendars() {
		for _, name := range []string{c.code, strings.ToLower(c.name), usual[c.code]} {
			after, begins := strings.CutPrefix(lower, name)
			whole := after == "" || strings.ContainsAny(after[:1], " :/,")
			// The longest one: de-by is not de.
			if name != "" && begins && whole && (!ok || len(after) < len(rest)) {
				found, rest, ok = c, after, true
			}
		}
	}
	return found, rest, ok
}

// letters returns only the letters of a name, so that New Years Day matches New Year's
// Day.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// publicDays are holidays by rule.
type publicDays []*cal.Holiday

// Has reports whether d is one of the holidays, or the day on which one that falls on a
// weekend is observed.
func (p publicDays) Has(d rules.Date) bool {
	for _, h := range p {
		for year := d.Year - 1; year <= d.Year+1; year++ { // it may be observed in the year before or after
			if year != d.Year && (len(h.Observed) == 0 || d.Month != time.January && d.Month != time.December) {
				continue
			}
			if actual, observed := h.Calc(year); day(actual) == d || day(observed) == d {
				return true
			}
		}
	}
	return false
}

// day returns the date of a midnight that the library computed, in whatever time zone
// this machine has. A midnight that daylight saving time skips is one hour early.
func day(midnight time.Time) rules.Date {
	if midnight.IsZero() {
		return rules.Date{}
	}
	noon := midnight.Add(12 * time.Hour)
	return rules.DateOf(noon, noon.Location())
}

// ended reports whether none of the holidays is in the year of now or the next.
func (p publicDays) ended(now time.Time) bool {
	return !slices.ContainsFunc(p, func(h *cal.Holiday) bool {
		this, _ := h.Calc(now.Year())
		next, _ := h.Calc(now.Year() + 1)
		return !this.IsZero() || !next.IsZero()
	})
}

// holidays returns the valid entries; Load has checked them all.
func (s Settings) holidays() (all []holiday) {
	for _, text := range s.Holidays {
		if h, err := parseHoliday(text); err == nil {
			all = append(all, h)
		}
	}
	return all
}

// addHolidays adds the holidays to the calendar.
func (s Settings) addHolidays(c *rules.Calendar) {
	public := publicDays{}
	for _, h := range s.holidays() {
		if text := h.Day + h.Yearly; text != "" {
			c.Holidays = append(c.Holidays, text)
		}
		public = append(public, h.Days...)
	}
	if len(public) > 0 {
		c.Public = public
	}
}

// A holidayList is only the holidays of a calendar, for a tariff.
type holidayList struct{ calendar rules.Calendar }

// Has reports whether d is a holiday.
func (h holidayList) Has(d rules.Date) bool { return h.calendar.IsHoliday(d) }

func (l *loader) checkHolidays(s Settings) {
	seen := map[string]bool{}
	for i, text := range s.Holidays {
		key := fmt.Sprintf("settings.holidays[%d]", i)
		h, err := parseHoliday(text)
		same := h.Day + h.Yearly + h.Public
		switch {
		case err != nil:
			l.problem(key, "%s", err)
		case seen[same]:
			l.notice(key, "%s is listed twice", text)
		case h.Public != "" && h.Days.ended(l.now()):
			l.notice(key, "%s is not a holiday in %d or later: is it on another day now?", h.Public, l.now().Year())
		}
		seen[same] = true
	}
}

// holidayWords says which days are holidays.
func (s Settings) holidayWords() (words []string) {
	var dates, yearly []string
	public := map[string]bool{}
	for _, h := range s.holidays() {
		switch {
		case h.Day != "":
			dates = append(dates, h.Day)
		case h.Yearly != "":
			yearly = append(yearly, h.Yearly)
		default:
			public[h.Public] = true
		}
	}
	switch len(dates) {
	case 0:
	case 1:
		words = append(words, "the holiday "+dates[0])
	default:
		words = append(words, fmt.Sprintf("%d holidays from %s to %s", len(dates), slices.Min(dates), slices.Max(dates)))
	}
	if len(yearly) > 0 {
		words = append(words, enumerate(yearly)+" of every year")
	}
	for _, name := range slices.Sorted(maps.Keys(public)) {
		if strings.Contains(name, ":") {
			words = append(words, name)
		} else {
			words = append(words, "the public holidays of "+name)
		}
	}
	return words
}

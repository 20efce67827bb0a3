package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/control/rules"
)

// The values of the configuration that are read from words.

// Minute is a time of day, in minutes since midnight: 960 is 16:00. The end of
// a window can be 1440, which is 24:00.
type Minute int

// UnmarshalText reads "16:00".
func (m *Minute) UnmarshalText(b []byte) error {
	h, min, ok := strings.Cut(string(b), ":")
	hours, err1 := strconv.ParseUint(h, 10, 8)
	minutes, err2 := strconv.ParseUint(min, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(h) > 2 || len(min) != 2 || minutes > 59 || hours*60+minutes > 24*60 {
		return fmt.Errorf("%s is not a time of day such as 16:00", quoted(string(b)))
	}
	*m = Minute(hours*60 + minutes)
	return nil
}

func (m Minute) String() string { return fmt.Sprintf("%02d:%02d", int(m)/60, int(m)%60) }

// MarshalText writes what String says.
func (m Minute) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Level is the least urgent level that is logged.
type Level slog.Level

// UnmarshalText reads a level's name, of slog or of Python, in any case.
func (l *Level) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "debug", "notset":
		*l = Level(slog.LevelDebug)
	case "info":
		*l = Level(slog.LevelInfo)
	case "warn", "warning":
		*l = Level(slog.LevelWarn)
	case "error", "critical", "fatal":
		*l = Level(slog.LevelError)
	default:
		known := []string{"debug", "info", "warning", "error"}
		return fmt.Errorf("%s is not one of %s%s", quoted(string(b)), strings.Join(known, ", "), DidYouMean(string(b), known))
	}
	return nil
}

func (l Level) String() string { return slog.Level(l).String() }

// Level makes a Level a slog.Leveler.
func (l Level) Level() slog.Level { return slog.Level(l) }

// MarshalText writes what String says.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Weekdays are the days of the season, from Sunday. Load has checked them.
func (s Season) Weekdays() []time.Weekday {
	days, _ := weekdays(s.Days)
	return days
}

// dayWords are those that weekdays reads, beside the days' long names.
var dayWords = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun", "weekdays", "weekends", "daily"}

// weekdays reads words for days; the error names the first that is none, and also
// what else may be there.
func weekdays(words []string, also ...string) ([]time.Weekday, error) {
	var on [7]bool
	for _, word := range words {
		var found bool
		for d := range on {
			day := time.Weekday(d)
			name := strings.ToLower(day.String())
			weekend := day == time.Saturday || day == time.Sunday
			switch w := strings.ToLower(word); {
			case w == "daily", w == "weekdays" && !weekend, w == "weekends" && weekend, w == name, w == name[:3]:
				on[d], found = true, true
			}
		}
		if !found {
			known := slices.Concat(dayWords, also)
			return nil, fmt.Errorf("%s is not one of %s%s", quoted(word), strings.Join(known, ", "), DidYouMean(word, known))
		}
	}
	var days []time.Weekday
	for d, is := range on {
		if is {
			days = append(days, time.Weekday(d))
		}
	}
	return days, nil
}

// span is the window in minutes of the day on which it begins.
func (p PeakPeriod) span() rules.Span {
	s := rules.Span{Start: int(p.Start), End: int(p.End)}
	if s.End <= s.Start {
		s.End += 24 * 60
	}
	return s
}

// SeasonNames are the names of the seasons, by their first day in a year.
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

// quoted shows a value as it was given, at most 40 characters of it. Never for
// a secret.
func quoted(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}

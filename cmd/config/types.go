package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Types of the configuration's values that are parsed from text.

// Minute is a time of day, in minutes since midnight: 960 is 16:00. The end of
// a window can be 1440, which is 24:00.
type Minute int

// UnmarshalText parses "16:00".
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

// MarshalText returns the same text as String.
func (m Minute) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// dayWords are the words that weekdays accepts, besides the days' long names.
var dayWords = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun", "weekdays", "weekends", "daily"}

// weekdays parses words for days. The error names the first word that is not one, and
// lists also as further words that are allowed there.
func weekdays(words []string, also ...string) ([]time.Weekday, error) {
	var on [7]bool
	for _, word := range words {
		var found bool
		is := func(name string) bool { return strings.EqualFold(word, name) }
		for d := range on {
			day := time.Weekday(d)
			name := day.String()
			weekend := day == time.Saturday || day == time.Sunday
			if is("daily") || is("weekdays") && !weekend || is("weekends") && weekend || is(name) || is(name[:3]) {
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

// quoted quotes a value as it was given, at most 40 characters of it. It must not be
// used for a secret.
func quoted(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}

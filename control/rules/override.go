package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

// OverrideKind is what a person asked the controller to do for a while.
type OverrideKind string

// The overrides. Auto means no override.
const (
	Auto            OverrideKind = "auto"
	OverridePeak    OverrideKind = "peak"     // act as if in a peak
	OverrideOffPeak OverrideKind = "off_peak" // act as if off peak
	OverridePrecool OverrideKind = "precool"  // precool now, whatever the forecast
	OverridePause   OverrideKind = "pause"    // restore what powermgr has set, and change nothing
	OverrideSkip    OverrideKind = "skip"     // skip the current or next peak
)

// Resume ends an override, as Auto does, but leaves alone what people have chosen. It is
// a request and never an override in force.
const Resume OverrideKind = "resume"

// OverrideKinds lists all kinds, in the order in which people see them.
func OverrideKinds() []OverrideKind {
	return []OverrideKind{Auto, OverridePeak, OverrideOffPeak, OverridePrecool, OverridePause, OverrideSkip}
}

const (
	// MaxOverride is the longest an override may last.
	MaxOverride = 31 * 24 * time.Hour
	// MaxUnlimited is the longest that an override without a time lasts.
	MaxUnlimited = 12 * time.Hour
)

// An Override is a person's request that is in force. The zero value means none.
type Override struct {
	Kind  OverrideKind `json:"kind,omitempty"`
	Since time.Time    `json:"since,omitzero"`
	Until time.Time    `json:"until,omitzero"`
}

func (o Override) active(now time.Time) bool { return o.Kind != "" && now.Before(o.Until) }

// offPeak reports whether the override acts as if off peak.
func (o Override) offPeak() bool { return o.Kind == OverrideOffPeak || o.Kind == OverrideSkip }

// An OverrideRequest is what a person sent: a kind and, optionally, for how long or until
// when.
type OverrideRequest struct {
	Kind  OverrideKind
	For   time.Duration // 0: not stated
	Until string        // local time: "2026-12-01 08:00", or "19:00" for the next one; empty: not stated
}

// ParseOverride parses "peak", "peak 90m", "pause 2h30m", "pause 7 days" or "pause until
// 2026-12-01 08:00". length is the time if it came in a separate field, such as "90m" or
// "until 19:00"; otherwise it is empty.
func ParseOverride(value, length string) (OverrideRequest, error) {
	words := strings.Fields(strings.ToLower(value))
	if len(words) == 0 {
		return OverrideRequest{}, fmt.Errorf("an override has to be one of %s", overrideWords)
	}
	r := OverrideRequest{Kind: OverrideKind(words[0])}
	if r.Kind != Resume && !slices.Contains(OverrideKinds(), r.Kind) {
		return r, fmt.Errorf("%.40q is not an override: send %s", words[0], overrideWords)
	}
	words = words[1:]
	if length != "" {
		if len(words) > 0 {
			return r, fmt.Errorf("there are two times, %.40q and %.40q: send only one", strings.Join(words, " "), length)
		}
		words = strings.Fields(strings.ToLower(length))
	}
	switch {
	case len(words) == 0:
		return r, nil
	case r.Kind == Auto || r.Kind == Resume || r.Kind == OverrideSkip:
		return r, fmt.Errorf("%s takes no time", r.Kind)
	case words[0] == "until":
		r.Until = strings.Join(words[1:], " ")
		_, err := parseUntil(r.Until, time.UTC, time.Time{})
		return r, err
	}
	var err error
	r.For, err = parseLength(words)
	return r, err
}

const overrideWords = "peak, off_peak, precool, pause, skip, auto or resume"

// parseLength parses "90m", "2h 30m", "7 days".
func parseLength(words []string) (time.Duration, error) {
	text, said := strings.Join(words, ""), strings.Join(words, " ")
	var total float64 // seconds
	for last := time.Duration(0); text != ""; {
		end := strings.IndexFunc(text, func(r rune) bool { return r >= 'a' && r <= 'z' })
		if end < 1 {
			return 0, fmt.Errorf("%.40q is not a time: send it with its unit, such as 90m or 2h", said)
		}
		number, rest := text[:end], text[end:]
		word := strings.TrimRight(rest, "+-.0123456789")
		if digits := strings.IndexAny(rest, "+-.0123456789"); digits >= 0 {
			word = rest[:digits]
		}
		n, err := strconv.ParseFloat(number, 64)
		unit, known := lengthUnit(word)
		switch {
		case err != nil || !known:
			return 0, fmt.Errorf("%.40q is not a time: send it with its unit, such as 90m or 2h", said)
		case last != 0 && unit >= last:
			return 0, fmt.Errorf("%.40q is not one time: send it once, such as 90m or 2h30m", said)
		}
		total += n * unit.Seconds()
		text, last = rest[len(word):], unit
	}
	switch {
	case !(total > 0):
		return 0, fmt.Errorf("an override lasts longer than %s", said)
	case total > MaxOverride.Seconds():
		return 0, errTooLong
	}
	return time.Duration(total * float64(time.Second)), nil
}

var errTooLong = fmt.Errorf("an override lasts at most 31 days; to switch powermgr off for longer send OFF to control/enabled/set")

func lengthUnit(word string) (time.Duration, bool) {
	switch strings.TrimSuffix(word, "s") {
	case "d", "day":
		return 24 * time.Hour, true
	case "h", "hr", "hour":
		return time.Hour, true
	case "m", "min", "minute":
		return time.Minute, true
	case "", "sec", "second":
		return time.Second, word != ""
	}
	return 0, false
}

// parseUntil parses when an override is to end. A time of day means the next one after
// now.
func parseUntil(text string, zone *time.Location, now time.Time) (time.Time, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	if at, err := time.Parse(time.RFC3339, upper); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if wall, err := time.Parse(layout, upper); err == nil {
			at, _ := moments(wall, zone)
			return at, nil
		}
	}
	clock, err := time.Parse("15:04", upper)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.40q is not a time: send until 19:00, or until 2026-12-01 08:00", text)
	}
	today := DateOf(now, zone)
	for day := range 3 {
		if at, _ := moments(today.Add(day).wall(clock.Hour()*60+clock.Minute()), zone); at.After(now) {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("there is no %.40q", text)
}

// Grant returns the override that a request asks for at now; for Auto and Resume that is
// none. The error says why it cannot be granted.
func (r OverrideRequest) Grant(c Calendar, now time.Time) (Override, error) {
	o := Override{Kind: r.Kind, Since: devices.WholeSecond(now)}
	switch {
	case r.Kind == Auto || r.Kind == Resume:
		return Override{}, nil
	case r.Kind == OverrideSkip:
		p, ok := c.Next(now)
		if !ok {
			return Override{}, fmt.Errorf("there is no peak to skip: none is scheduled")
		}
		if p.End.Sub(now) > MaxOverride {
			return Override{}, fmt.Errorf("the next peak does not end until %s: an override lasts at most 31 days", p.End.Format("January 2"))
		}
		o.Until = p.End
	case r.Until != "":
		until, err := parseUntil(r.Until, c.Location, now)
		switch {
		case err != nil:
			return Override{}, err
		case !until.After(now):
			return Override{}, fmt.Errorf("%.40q is in the past: send a time in the future", r.Until)
		case until.Sub(now) > MaxOverride:
			return Override{}, errTooLong
		}
		o.Until = until
	case r.For != 0:
		o.Until = now.Add(max(r.For, time.Second))
	default:
		o.Until = c.unlimited(r.Kind, now)
	}
	o.Until = devices.WholeSecond(o.Until)
	return o, nil
}

// unlimited returns when an override without a time ends.
func (c Calendar) unlimited(kind OverrideKind, now time.Time) time.Time {
	phase, peak := c.At(now)
	switch kind {
	case OverrideOffPeak, OverridePause:
		// It is meant for the current peak, or for one that begins later today or
		// tonight, and would be useless if it ended when the lead of that peak begins.
		midnight, _ := moments(DateOf(now, c.Location).Add(1).wall(0), c.Location)
		if near := latest(midnight, now.Add(MaxUnlimited)); !peak.Start.IsZero() && !peak.Start.Add(-c.Lead).After(near) {
			return peak.End
		}
		return midnight
	case OverridePrecool:
		// Shortly before a peak it lasts until the peak begins, and no longer: precooling
		// into the peak would use the most expensive energy of the day.
		until := now.Add(c.Lead)
		if phase == PrePeak || phase == OffPeak && !peak.Start.IsZero() && !until.Before(peak.Start.Add(-c.Lead)) {
			return peak.Start
		}
		return until
	}
	return c.windowEnd(now)
}

// windowEnd returns when the scheduled phase next changes, at most MaxUnlimited away.
func (c Calendar) windowEnd(now time.Time) time.Time {
	return devices.Earliest(c.Change(now), now.Add(MaxUnlimited))
}

func (st *step) override(r OverrideRequest) {
	o, err := r.Grant(st.Settings.Calendar, st.now)
	switch {
	case err != nil: // the sender has already been told
	case r.Kind == Resume:
		st.endOverride()
	case r.Kind == Auto:
		// A person hands everything back to the rules.
		st.endYield()
		for id, h := range st.Persisted.Thermostats {
			h.Choice, h.Ended = nil, false
			if h.Claim != nil && h.Claim.Mode == h.Claim.Baseline.Mode {
				claim := *h.Claim
				claim.Mode, h.Claim = "", &claim
			}
			st.keep(id, h)
		}
		st.endOverride()
	default:
		if was := st.Persisted.Override; was.offPeak() && o.offPeak() {
			o.Since = was.Since // it has been off peak since then without a break
		}
		st.Persisted.Override = o
		st.note(NoteOverride, "", "override %s until %s", r.Kind, st.clock(o.Until))
	}
}

// endOverride ends the override in force before its time.
func (st *step) endOverride() {
	if o := &st.Persisted.Override; o.Kind != "" {
		st.note(NoteOverride, "", "the override %s has been ended", o.Kind)
		*o, st.Persisted.LastUserInput = Override{}, st.now
	}
}

// restoreAll restores everything that powermgr had set, and changes nothing more for as
// long as a pause without a time would last, and at least until the current window would
// end.
func (st *step) restoreAll() {
	until := latest(st.Settings.Calendar.unlimited(OverridePause, st.now), st.plan.Until)
	o := Override{Kind: OverridePause, Since: devices.WholeSecond(st.now), Until: devices.WholeSecond(devices.Earliest(until, st.now.Add(MaxOverride)))}
	st.Persisted.Override, st.Persisted.LastUserInput = o, st.now
	st.note(NoteOverride, "", "powermgr restores everything that it has set, and changes nothing until %s", st.clock(o.Until))
}

// enable switches the controller on or off.
func (st *step) enable(on bool) {
	if st.Persisted.Disabled == on {
		st.Persisted.Disabled, st.Persisted.LastUserInput = !on, st.now
		st.note(NoteEnabled, "", "the controller is switched %s", map[bool]string{true: "on", false: "off"}[on])
	}
	if !on {
		st.endOverride()
	}
}

package rules

import (
	"fmt"
	"strings"
	"time"
)

// OverrideKind is what a person asked the controller to do for a while.
type OverrideKind string

// The overrides. Auto is none.
const (
	Auto            OverrideKind = "auto"
	OverridePeak    OverrideKind = "peak"     // act as in a peak
	OverrideOffPeak OverrideKind = "off_peak" // act as off peak
	OverridePrecool OverrideKind = "precool"  // precool now, whatever the forecast
	OverridePause   OverrideKind = "pause"    // restore what is ours and touch nothing
)

// OverrideKinds lists all kinds, in the order people see them.
func OverrideKinds() []OverrideKind {
	return []OverrideKind{Auto, OverridePeak, OverrideOffPeak, OverridePrecool, OverridePause}
}

// MaxOverride is the longest an override may last.
const MaxOverride = 12 * time.Hour

// An Override is a person's wish that is in force. The zero value is none.
type Override struct {
	Kind  OverrideKind `json:"kind,omitempty"`
	Since time.Time    `json:"since,omitzero"`
	Until time.Time    `json:"until,omitzero"`
}

func (o Override) active(now time.Time) bool { return o.Kind != "" && now.Before(o.Until) }

// An OverrideRequest is what a person sent: a kind and, optionally, for how
// long.
type OverrideRequest struct {
	Kind OverrideKind
	For  time.Duration // 0: until the next change of phase, at most MaxOverride
}

// ParseOverride reads "peak", "peak 90m", "pause 2h30m". forText is the
// duration when it came in a field of its own, else empty.
func ParseOverride(value, forText string) (OverrideRequest, error) {
	words := strings.Fields(strings.ToLower(value))
	if forText != "" {
		words = append(words, strings.ToLower(strings.TrimSpace(forText)))
	}
	if len(words) == 0 {
		return OverrideRequest{}, fmt.Errorf("an override is one of peak, off_peak, precool, pause, auto")
	}
	r := OverrideRequest{Kind: OverrideKind(words[0])}
	known := false
	for _, k := range OverrideKinds() {
		known = known || k == r.Kind
	}
	switch {
	case !known:
		return r, fmt.Errorf("%.40q is not an override: send peak, off_peak, precool, pause or auto", words[0])
	case len(words) == 1:
		return r, nil
	case r.Kind == Auto:
		return r, fmt.Errorf("auto takes no time")
	}
	d, err := time.ParseDuration(strings.Join(words[1:], ""))
	switch {
	case err != nil:
		return r, fmt.Errorf("%.40q is not a time: send it with its unit, such as 90m or 2h", strings.Join(words[1:], " "))
	case d <= 0:
		return r, fmt.Errorf("an override lasts longer than %v", d)
	case d > MaxOverride:
		return r, fmt.Errorf("an override lasts at most 12 h; to switch powermgr off for longer send OFF to control/enabled/set")
	}
	r.For = d
	return r, nil
}

// A Plan is what holds at some time: the schedule with the override on top.
type Plan struct {
	Phase  Phase
	Peak   Peak // the current or next peak; zero if there is none
	Paused bool // by override or because the controller is disabled
	// Forced is set when precooling was asked for by a person.
	Forced bool
	// Discharge says that the battery is to carry the home: in a peak, also
	// while a person has the home precooled in it.
	Discharge bool
	// Since and Until bound the stretch of pre_peak and peak that now is in:
	// one event. Zero in off_peak.
	Since, Until time.Time
	// Next is when the plan changes; zero if it never does.
	Next time.Time
}

// PlanAt is the plan at now.
func PlanAt(c Calendar, o Override, enabled bool, now time.Time) Plan {
	phase, peak := c.At(now)
	p := Plan{Phase: phase, Peak: peak, Paused: !enabled, Next: c.change(phase, peak)}
	if phase != OffPeak {
		p.Since, p.Until = peak.Start.Add(-c.Lead), peak.End
	}
	p.Discharge = phase == InPeak && enabled
	if !o.active(now) {
		return p
	}
	// What the schedule says the moment the override ends decides whether
	// its peak goes on from there.
	after, next := c.At(o.Until)
	switch o.Kind {
	case OverridePause:
		p.Paused = true
	case OverrideOffPeak:
		p = Plan{Phase: OffPeak, Peak: next}
	case OverridePeak:
		p.Phase, p.Paused = InPeak, false
		p.Since = earliest(p.Since, o.Since)
		end := o.Until
		if after == InPeak {
			end = next.End
		}
		p.Peak = Peak{Season: c.nameOf(now), Start: o.Since, End: end}
		if phase == InPeak {
			p.Peak.Start = earliest(peak.Start, o.Since)
		}
		p.Until = end
		if after == PrePeak {
			p.Until = next.End
		}
	case OverridePrecool:
		p.Phase, p.Paused, p.Forced = PrePeak, false, true
		p.Since = earliest(p.Since, o.Since)
		p.Peak = next
		p.Until = o.Until
		if after != OffPeak {
			p.Until = next.End
		}
	}
	p.Discharge = !p.Paused && (p.Phase == InPeak || p.Forced && phase == InPeak)
	p.Next = earliest(p.Next, o.Until)
	if o.Kind == OverridePeak || o.Kind == OverridePrecool || o.Kind == OverrideOffPeak {
		p.Next = o.Until
	}
	return p
}

func (c Calendar) nameOf(t time.Time) string {
	if s := c.SeasonOf(t); s != nil {
		return s.Name
	}
	return ""
}

// grant turns a request into an override at now.
func grant(c Calendar, r OverrideRequest, now time.Time) Override {
	until := now.Add(r.For)
	if r.For == 0 {
		until = now.Add(MaxOverride)
		if change := c.Change(now); !change.IsZero() {
			until = earliest(until, change)
		}
		if r.Kind == OverridePrecool {
			// In a lead it lasts what is left of it: precooling into the peak
			// would buy the dearest energy of the day.
			until = now.Add(c.Lead)
			if phase, peak := c.At(now); phase == PrePeak {
				until = peak.Start
			}
		}
	}
	return Override{Kind: r.Kind, Since: now, Until: until}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

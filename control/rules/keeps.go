package rules

import (
	"slices"

	"powermgr/devices"
)

// Keeps is what a battery has been seen to keep of what it was asked for. A reserve shown
// after a write could be what the battery makes of that write; if the battery has kept
// lower or higher reserves before, it is a person's choice instead. The zero value:
// nothing is known.
type Keeps struct {
	Least *int `json:"least,omitempty"` // the lowest reserve that it has kept; nil: not known
	More  bool `json:"more,omitempty"`  // it has kept more than the limit for longer than batteries take to fall back to it
}

// with returns what is known of a battery that shows a reserve that it was asked for.
// Whether it keeps a high one is not known that soon.
func (s Keeps) with(reserve int) Keeps {
	if reserve < slices.Max(deviceFloors) && (s.Least == nil || reserve < *s.Least) {
		s.Least = &reserve
	}
	return s
}

// mayLimitTo reports whether reserve may be what the battery makes of a higher one.
func (s Keeps) mayLimitTo(reserve int) bool { return reserve == deviceLimit && !s.More }

// mayRaiseTo reports whether reserve may be what the battery makes of a lower one.
func (s Keeps) mayRaiseTo(reserve int) bool {
	return slices.Contains(deviceFloors, reserve) && (s.Least == nil || *s.Least >= reserve)
}

// keepsMore reports whether a battery still shows the last write, which asked for more
// than the limit, so long after it that it will not fall back to the limit.
func (k BatteryRecord) keepsMore(b Battery) bool {
	since := k.WrittenAt
	if k.ShownAt.After(since) {
		since = k.ShownAt
	}
	return k.Confirmed && k.Wanted.Reserve != nil && *k.Wanted.Reserve > deviceLimit && b.Reserve != nil && *b.Reserve == *k.Wanted.Reserve &&
		!since.IsZero() && b.Polled.Sub(since) > devices.ReserveLimitWithin+devices.AnswerWithin
}

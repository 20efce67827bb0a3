package rules

import (
	"slices"

	"powermgr/devices"
)

// Keeps is what a battery has been seen to keep of what it was asked for. A reserve
// that it would make of a write that has not been shown is a person's choice, if the
// battery has kept lower or higher ones before. The zero value: nothing is known.
type Keeps struct {
	Least *int `json:"least,omitempty"` // the least; nil: not known
	More  bool `json:"more,omitempty"`  // more than the limit, for longer than batteries take to turn it into that
}

// with is what a battery keeps that shows a reserve that it was asked for. Whether it
// keeps a high one is not known as soon as that.
func (s Keeps) with(reserve int) Keeps {
	if reserve < slices.Max(deviceFloors) && (s.Least == nil || reserve < *s.Least) {
		s.Least = &reserve
	}
	return s
}

// mayLimitTo reports whether a reserve may be what the battery makes of a higher one.
func (s Keeps) mayLimitTo(reserve int) bool { return reserve == deviceLimit && !s.More }

// mayRaiseTo reports whether a reserve may be what the battery makes of a lower one.
func (s Keeps) mayRaiseTo(reserve int) bool {
	return slices.Contains(deviceFloors, reserve) && (s.Least == nil || *s.Least >= reserve)
}

// keepsMore reports whether a battery shows the last write, of more than the limit, so
// long after it that it will not turn it into that.
func (k BatteryRecord) keepsMore(b Battery) bool {
	since := k.WrittenAt
	if k.ShownAt.After(since) {
		since = k.ShownAt
	}
	return k.Confirmed && k.Wanted.Reserve != nil && *k.Wanted.Reserve > deviceLimit && b.Reserve != nil && *b.Reserve == *k.Wanted.Reserve &&
		!since.IsZero() && b.Polled.Sub(since) > devices.ReserveLimitWithin+devices.AnswerWithin
}

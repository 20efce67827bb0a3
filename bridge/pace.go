package bridge

import (
	"math"
	"time"

	"powermgr/devices"
)

// How often to ask a vendor whose calls cost money. What is left of a month's
// calls is spread over what is left of the month: commands and what they need
// come first, then peaks, then all other time. All of it is pure.

// Ahead is what is left of a month.
type Ahead struct {
	Peak  time.Duration // in which power is expensive, including the leads
	Other time.Duration
	Peaks int // number of peaks, each of which brings commands
}

// Paces are the times between two calls of one kind.
type Paces struct {
	Peak, Other                 time.Duration // for the figures, in a peak and its lead, and otherwise
	PeakSettings, OtherSettings time.Duration // for the settings
	History                     time.Duration // for the energy history
}

const (
	// callsPerPeak is what a peak and its end take in commands: each is preceded by a
	// read, sent, read back a few times, and read once more later.
	callsPerPeak = 10
	// spared is the share of the calls that is set aside for people's commands, outages
	// and starts.
	spared = 0.04
)

// quickest are the paces while there are plenty of calls.
var quickest = Paces{Peak: 2 * time.Minute, Other: 10 * time.Minute, PeakSettings: 15 * time.Minute, OtherSettings: 3 * time.Hour, History: time.Hour}

// Slowest are the paces when no calls are left. They are no slower than this because
// the rules, which never stop, have to know something, and because a vendor that stops
// answering during a peak has to be noticed.
var Slowest = Paces{Peak: devices.PeakPoll, Other: devices.SlowestFigures, PeakSettings: 30 * time.Minute, OtherSettings: 12 * time.Hour, History: 4 * time.Hour}

// savings lists what to do less often when there are too few calls, least important
// first, and down to which pace.
var savings = []struct {
	of   func(*Paces) *time.Duration
	down time.Duration
}{
	{func(p *Paces) *time.Duration { return &p.Other }, 15 * time.Minute},
	{func(p *Paces) *time.Duration { return &p.OtherSettings }, Slowest.OtherSettings},
	{func(p *Paces) *time.Duration { return &p.PeakSettings }, Slowest.PeakSettings},
	{func(p *Paces) *time.Duration { return &p.Peak }, Slowest.Peak},
	{func(p *Paces) *time.Duration { return &p.Other }, 30 * time.Minute},
	{func(p *Paces) *time.Duration { return &p.History }, Slowest.History},
	{func(p *Paces) *time.Duration { return &p.Other }, Slowest.Other},
}

// PacesFor returns the paces that spread calls over what is ahead.
func PacesFor(calls int, a Ahead) Paces {
	p := quickest
	left := float64(calls)*(1-spared) - float64(a.Peaks*callsPerPeak)
	for _, s := range savings {
		over := p.reads(a) - left
		if over <= 0 {
			break
		}
		of, before := s.of(&p), *s.of(&p)
		*of = s.down
		// Reads are inversely proportional to the pace: a part of the way may do.
		if saved := over + left - p.reads(a); saved > over {
			share := over / saved
			per := (1-share)/before.Seconds() + share/s.down.Seconds()
			*of = min(s.down, time.Duration(math.Ceil(1/per))*time.Second)
		}
	}
	return p
}

// Calls returns roughly how many calls that takes, commands included.
func (p Paces) Calls(a Ahead) int { return int(p.reads(a)) + a.Peaks*callsPerPeak }

func (p Paces) reads(a Ahead) float64 {
	return float64(a.Peak)/float64(p.Peak) + float64(a.Other)/float64(p.Other) +
		float64(a.Peak)/float64(p.PeakSettings) + float64(a.Other)/float64(p.OtherSettings) +
		float64(a.Peak+a.Other)/float64(p.History)
}

// A Moment is what the pace depends on besides the calls.
type Moment struct {
	Peak      bool      // a peak or its lead, by the schedule or by an override
	Fresh     time.Time // figures are needed again at this time, regardless of the pace; zero: no such time
	Restoring bool      // something still has to be restored
	Change    time.Time // of the phase, before which the settings are read; zero: unknown
}

// beforeChange is how long before a change of phase the settings are read: what is
// found then can be read a second time before the controller decides.
const beforeChange = 3 * time.Minute

// restoringPace is the longest time between two readings of the figures while something
// still has to be restored: during a storm, only they show that it is over.
const restoringPace = 15 * time.Minute

// figures returns when to read the figures again after last.
func (m Moment) figures(p Paces, last time.Time) time.Time {
	pace := p.Other
	switch {
	case m.Peak:
		pace = p.Peak
	case m.Restoring:
		pace = min(p.Other, restoringPace)
	}
	return atLatest(last.Add(pace), last, m.Fresh)
}

// settings returns when to read the settings again after last.
func (m Moment) settings(p Paces, last time.Time) time.Time {
	pace := p.OtherSettings
	if m.Peak {
		pace = p.PeakSettings
	}
	if m.Change.IsZero() {
		return last.Add(pace)
	}
	return atLatest(last.Add(pace), last, m.Change.Add(-beforeChange))
}

// atLatest returns at, or by if that is earlier and not before last.
func atLatest(at, last, by time.Time) time.Time {
	if by.After(last) && by.Before(at) {
		return by
	}
	return at
}

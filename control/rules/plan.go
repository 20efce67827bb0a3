package rules

import (
	"time"

	"powermgr/devices"
)

// A Plan is what holds at some time: the schedule with the override applied.
type Plan struct {
	Phase  Phase
	Peak   Peak // the current or next peak; zero if there is none
	Paused bool // by an override, or because the controller is disabled
	// Forced says that a person asked for precooling.
	Forced bool
	// Discharge says that the battery is to power the home: in a peak, even while a
	// person has requested precooling in it.
	Discharge bool
	// Since and Until are the start and end of the current stretch of pre_peak and peak:
	// one window. An override that acts as if off peak does not end the window: what people
	// have chosen is still left alone when it is resumed. Nor does a window begin during
	// such an override. Zero outside a window.
	Since, Until time.Time
	// Next is when the plan changes; zero if it never does.
	Next time.Time
}

// PlanAt returns the plan at now.
func PlanAt(c Calendar, o Override, enabled bool, now time.Time) Plan {
	peak, _ := c.Next(now)
	return planBefore(peak, c, o, enabled, now)
}

// planBefore returns what PlanAt does, given the peak that c.Next returns for now.
func planBefore(peak Peak, c Calendar, o Override, enabled bool, now time.Time) Plan {
	phase := c.phase(peak, now)
	p := Plan{Phase: phase, Peak: peak, Paused: !enabled, Next: c.change(phase, peak)}
	if phase != OffPeak {
		p.Since, p.Until = peak.Start.Add(-c.Lead), peak.End
	}
	p.Discharge = phase == InPeak && enabled
	if !o.active(now) {
		return p
	}
	// What the schedule says at the moment the override ends decides whether its peak
	// continues from there.
	after, next := c.At(o.Until)
	rest := next // the rest of the peak that the override ends in
	if after == InPeak {
		rest.Start = o.Until
	}
	switch o.Kind {
	case OverridePause:
		p.Paused = true
	case OverrideOffPeak, OverrideSkip:
		window := Stretch{Start: p.Since, End: p.Until}
		p = Plan{Phase: OffPeak, Peak: rest}
		if o.Since.After(window.Start) {
			p.Since, p.Until = window.Start, window.End
		}
	case OverridePeak:
		p.Phase, p.Paused = InPeak, false
		p.Since = devices.Earliest(p.Since, o.Since)
		end := o.Until
		if after == InPeak {
			end = next.End
		}
		p.Peak = Peak{Season: c.nameOf(now), Start: o.Since, End: end}
		if phase == InPeak {
			p.Peak.Start = devices.Earliest(peak.Start, o.Since)
		}
		p.Until = end
		if after == PrePeak {
			p.Until = next.End
		}
	case OverridePrecool:
		p.Phase, p.Paused, p.Forced = PrePeak, false, true
		p.Since = devices.Earliest(p.Since, o.Since)
		p.Peak = rest
		p.Until = o.Until
		if after != OffPeak {
			p.Until = next.End
		}
	}
	p.Discharge = !p.Paused && (p.Phase == InPeak || p.Forced && phase == InPeak)
	p.Next = devices.Earliest(p.Next, o.Until)
	if o.Kind != OverridePause {
		p.Next = o.Until
	}
	return p
}

func (c Calendar) nameOf(t time.Time) string {
	if c.Schedule != nil {
		for _, w := range c.Schedule.Windows(DateOf(t, c.Location)) {
			return w.Name
		}
		return ""
	}
	if s := c.SeasonOf(t); s != nil {
		return s.Name
	}
	return ""
}

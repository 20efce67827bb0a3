package report

import (
	"maps"
	"slices"
	"time"

	"powermgr/control/rules"
)

// The day of a record: when it begins and ends, its peaks, and what continues into the
// next one.

// midnight returns when the local day of t begins. If daylight saving time skips the
// midnight, the day begins at the change; if there are two midnights, with the first.
func midnight(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	at := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if at.Day() != d {
		_, at = at.ZoneBounds()
	}
	if before := at.Add(-time.Hour); before.Day() == d {
		at = before
	}
	return at
}

// locate makes r about the local day of t.
func (r *Record) locate(t time.Time, zone *time.Location) {
	y, m, d := t.In(zone).Date()
	r.zone, r.start = zone, midnight(t, zone)
	r.end = midnight(time.Date(y, m, d+1, 12, 0, 0, 0, zone), zone)
}

// begin returns an empty record of the local day of now.
func begin(now time.Time, c rules.Calendar) Record {
	now = second(now)
	r := Record{
		Version: Version, Date: now.In(c.Location).Format(time.DateOnly), Timezone: c.Location.String(),
		From: now.In(c.Location), Until: now.In(c.Location),
	}
	r.fill()
	r.locate(now, c.Location)
	r.schedule(c)
	return r
}

// schedule records the peaks of the day. They are the grid's, by the calendar: an
// override changes what is done, not what energy costs.
func (r *Record) schedule(c rules.Calendar) {
	r.Peaks = []Peak{}
	for p := range c.From(r.start) { // a peak or its lead may reach over midnight
		lead := p.Start.Add(-c.Lead)
		if !lead.Before(r.end) {
			break
		}
		r.Peaks = append(r.Peaks, Peak{Lead: lead, From: p.Start, Until: p.End})
	}
}

// over reports whether now is not in the day of r.
func (r *Record) over(now time.Time) bool { return now.Before(r.start) || !now.Before(r.end) }

// finish ends the day: what is in progress is counted up to midnight, and the last
// reading of the battery stands for the minutes before midnight.
func (r *Record) finish() {
	r.estimate(r.end)
	for _, s := range r.Samples.battery() {
		s.repeat(r.slots())
	}
	for id, t := range r.Thermostats {
		t.accrue(r.end, r.Open.OffsetF)
		r.Thermostats[id] = t
	}
	r.Planned.accrue(r.end)
	for name, v := range r.Vendors {
		v.accrue(r.end)
		r.Vendors[name] = v
	}
	r.Until, r.Complete = r.end, true
}

// next returns the record of the day of now with what continues from r, which has been
// finished: settings of the rules, overrides, what people took over, commands on their
// way, the battery's last samples, and the charge of the battery without powermgr.
func (r *Record) next(now time.Time, c rules.Calendar) Record {
	n := begin(now, c)
	if r.end.Equal(n.start) {
		n.From = n.start
		old := r.Samples.battery()
		for i, s := range n.Samples.battery() {
			if all := *old[i]; len(all) == r.slots() {
				*s = slices.Clone(all[len(all)-1:])
			}
		}
	}
	n.Tariff, n.Open, n.Nodes = r.Tariff, r.Open, slices.Clone(r.Nodes[max(0, len(r.Nodes)-1):])
	n.Planned = r.Planned.next(n.start)
	n.Counterfactual, n.Earlier = r.Counterfactual.next(r.Date), r.earlier(n.Date)
	for id, t := range r.Thermostats {
		n.Thermostats[id] = t.next()
	}
	for name, v := range r.Vendors {
		n.Vendors[name] = v.next()
	}
	for _, o := range r.Overrides {
		if o.Until == nil {
			n.Overrides = append(n.Overrides, o)
		}
	}
	for _, t := range r.Takings {
		if t.Until == nil && t.Held {
			n.Takings = append(n.Takings, t)
		}
	}
	for _, cmd := range r.Commands {
		if !cmd.Final && n.start.Sub(cmd.At) < unansweredFor {
			n.Commands = append(n.Commands, cmd)
		}
	}
	return n
}

// piece is a part of an interval that lies in one phase.
type piece struct {
	phase       rules.Phase
	from, until time.Time
}

// pieces splits an interval where the phase changes. Times outside the day are left out.
func (r *Record) pieces(from, until time.Time) (all []piece) {
	if from.Before(r.start) {
		from = r.start
	}
	if r.end.Before(until) {
		until = r.end
	}
	var cuts []time.Time
	for _, p := range r.Peaks {
		cuts = append(cuts, p.Lead, p.From, p.Until)
	}
	for _, cut := range append(slices.SortedFunc(slices.Values(cuts), time.Time.Compare), until) {
		if cut.After(until) {
			cut = until
		}
		if from.Before(cut) {
			all = append(all, piece{r.phase(from), from, cut})
			from = cut
		}
	}
	return all
}

// phase returns the phase at t.
func (r *Record) phase(t time.Time) rules.Phase {
	phase := rules.OffPeak
	for _, p := range r.Peaks {
		switch {
		case !t.Before(p.From) && t.Before(p.Until):
			return rules.InPeak
		case !t.Before(p.Lead) && t.Before(p.From):
			phase = rules.PrePeak
		}
	}
	return phase
}

// elapsed returns how many minutes of the day up to t were in peaks, and outside.
func (r *Record) elapsed(t time.Time) (peak, other float64) {
	for _, p := range r.pieces(r.start, t) {
		if minutes := p.until.Sub(p.from).Minutes(); p.phase == rules.InPeak {
			peak += minutes
		} else {
			other += minutes
		}
	}
	return peak, other
}

// peaked reports whether any part of the day so far was in a peak.
func (r *Record) peaked() bool {
	until := r.Until
	if r.end.Before(until) {
		until = r.end
	}
	return slices.ContainsFunc(r.Peaks, func(p Peak) bool {
		return p.From.Before(until) && r.start.Before(until) && r.start.Before(p.Until) && p.From.Before(p.Until)
	})
}

// second returns t as records store it: in whole seconds, so that it is the same after
// a round trip through JSON.
func second(t time.Time) time.Time { return t.Round(0).Truncate(time.Second) }

// local returns second in the home's time zone.
func (r *Record) local(t time.Time) time.Time { return second(t).In(r.zone) }

// ids lists the thermostats in the order of their ids.
func (r *Record) ids() []string { return slices.Sorted(maps.Keys(r.Thermostats)) }

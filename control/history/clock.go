package history

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// timeForms and wallForms are the accepted formats of times, with and without an offset.
var (
	timeForms = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00"}
	wallForms = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// parseTime parses a time. wall says that it has no offset.
func parseTime(text string) (at time.Time, wall bool, err error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 1e9 && seconds < 4e9 {
		return time.UnixMilli(int64(math.Round(seconds * 1000))), false, nil
	}
	for _, form := range timeForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, false, nil
		}
	}
	for _, form := range wallForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, true, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("%.40q is not a time such as 2026-07-15T16:00", text)
}

// shown lists the instants at which a clock of that zone shows wall, oldest first: none
// within the hour that daylight saving time skips, and two within the one that is
// repeated when it ends.
func shown(wall time.Time, zone *time.Location) []time.Time {
	y, m, d := wall.Date()
	near := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	from, until := near.ZoneBounds()
	var at []time.Time
	for _, side := range []time.Time{near, from.Add(-1), until} {
		if side.IsZero() || side.Before(near.AddDate(0, 0, -2)) || side.After(near.AddDate(0, 0, 2)) {
			continue // the clock was not changed near it
		}
		_, east := side.In(zone).Zone()
		t := wall.Add(-time.Duration(east) * time.Second).In(zone)
		if _, here := t.Zone(); here == east && !slices.ContainsFunc(at, t.Equal) {
			at = append(at, t)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// clock returns the zone of the times without an offset. A file that contains an hour
// skipped by daylight saving time does not use it.
func (t *table) clock() (zone *time.Location, notice string) {
	for _, r := range t.rows {
		if !r.wall || len(shown(r.start, t.zone)) > 0 {
			continue
		}
		year := r.start.Year()
		_, winter := time.Date(year, 1, 1, 12, 0, 0, 0, t.zone).Zone()
		_, summer := time.Date(year, 7, 1, 12, 0, 0, 0, t.zone).Zone()
		return time.FixedZone("standard time", min(winter, summer)),
			fmt.Sprintf("line %d has %s, an hour that summer time leaves out in %s: its clock is taken to show no summer time", r.line, r.start.Format("2006-01-02 15:04"), t.zone)
	}
	return t.zone, ""
}

// settle turns all times into instants, and checks their order. A file without offsets
// shows an hour twice when daylight saving time ends.
func (t *table) settle() (zone *time.Location, notice string, err error) {
	zone, notice = t.clock()
	if t.byMeter {
		t.interleave(zone)
	}
	apart := t.apart()
	for i := range t.rows {
		r := &t.rows[i]
		clock := r.start
		if r.wall {
			r.start = instant(shown(r.start, zone), t.rows[:i], apart)
		}
		if i > 0 && !r.start.After(t.rows[i-1].start) {
			return nil, "", &CSVError{Line: r.line, Column: "start", Err: fmt.Errorf("%s is not after the line before it: lines have to be in order, each once", clock.Format("2006-01-02 15:04"))}
		}
	}
	return zone, notice, nil
}

// instant returns the one of all that a row refers to: the first that keeps the lines
// evenly spaced, or else the first that is after the row before it, or else the last.
func instant(all []time.Time, before []row, apart time.Duration) time.Time {
	if len(before) == 0 || len(all) == 1 {
		return all[0]
	}
	last := before[len(before)-1].start
	inStep := func(at time.Time) bool { return at.After(last) && apart > 0 && at.Sub(last)%apart == 0 }
	if i := slices.IndexFunc(all, inStep); i >= 0 {
		return all[i]
	}
	if i := slices.IndexFunc(all, last.Before); i >= 0 {
		return all[i]
	}
	return all[len(all)-1]
}

// interleave sorts lines that are grouped by meter by time.
func (t *table) interleave(zone *time.Location) {
	for i := range t.rows {
		if r := &t.rows[i]; r.wall {
			all := shown(r.start, zone)
			r.start, r.wall = all[min(r.nth, len(all)-1)], false
		}
	}
	slices.SortStableFunc(t.rows, func(a, b row) int { return a.start.Compare(b.start) })
}

package report

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/durable"
)

// Role reports what this node is in the pair.
type Role interface {
	Active() bool // false: another node keeps the record
}

// Options are what a Recorder needs; all fields are required but those whose comment
// gives a zero value.
type Options struct {
	Bus      *bus.Bus
	Topics   devices.Topics
	Calendar rules.Calendar // the home's time, and when power is expensive
	// File is where the day's record is kept, on the ramdisk. Finished days are beside
	// it. Empty: it is only in memory.
	File string
	Node string
	Role Role
	Log  *slog.Logger

	// Thermostats are the topic ids of those that are controlled.
	Thermostats []string
	Assumptions Assumptions // of the battery without powermgr
	Tariff      Tariff      // zero: nothing is said in money
	// Unit is what the owner reads temperatures in. Empty: °F, and each thermostat's
	// own unit.
	Unit devices.Unit
	// Before returns the newest record before a date, for a day that has none on the
	// ramdisk: the battery without powermgr, and the results of the month, continue
	// from it. ok is false if there is none. Nil: there never is.
	Before func(date string) (r Record, ok bool)
	// Unfinished returns what is stored elsewhere of a day that has no record on the
	// ramdisk, such as after a reboot in its last half hour; ok is false if there is
	// nothing. Nil: there never is.
	Unfinished func(date string) (r Record, ok bool)
	// Painter draws the day. Nil: it is not drawn.
	Painter *Painter
}

// A Recorder keeps the record of the day while this node is the active one. On standby
// it holds no record, since the other node's file replaces its own.
type Recorder struct {
	Options
	sub          *bus.Subscription
	day          *Record   // nil: on standby
	changed      bool      // since it was last saved
	saved        time.Time // when it was last saved, or that was tried
	urgent       bool      // the change is more than readings, so it is saved soon
	dropped      int       // lost messages that the record already counts
	failing      bool
	todayAt      time.Time // when control/today was last published
	today        *Today    // what it said; nil: nothing yet
	todayCurrent bool      // today covers everything in day
	drawAt       time.Time // when the day is drawn next; zero: it was not drawn yet
}

const (
	saveEvery       = time.Minute
	saveUrgentEvery = 2 * time.Second  // for messages that are not repeated
	checkRoleEvery  = 10 * time.Minute // in case a change of role was missed
	maxFinished     = 3                // days on the ramdisk
)

// New returns a recorder that is already subscribed.
func New(o Options) *Recorder {
	return &Recorder{Options: o, sub: o.Bus.Subscribe("report", append(filters(o.Topics), bus.Role)...)}
}

// Run records until ctx ends, then saves, and returns ctx's error.
func (r *Recorder) Run(ctx context.Context) error {
	defer r.sub.Close()
	defer func() {
		if r.changed {
			r.save()
		}
	}()
	for {
		r.update(r.Bus.Now())
		m, ok, err := r.sub.Next(ctx, r.nextWake(r.Bus.Now()))
		if err != nil {
			return err
		}
		now := r.Bus.Now()
		r.update(now)
		if levels, under := r.Topics.Split(m.Topic); ok && under && r.day != nil {
			r.day.add(message{Message: m, levels: levels, now: now})
			r.todayCurrent = false
			r.changed, r.urgent = true, r.urgent || isUrgent(levels)
			r.phased(levels, now)
		}
	}
}

// isUrgent reports whether a message says something that no later one will repeat.
func isUrgent(levels []string) bool {
	last := "/" + levels[len(levels)-1]
	return last == devices.Set || last == devices.ResultSuffix || last == "/"+devices.EventLeaf
}

// saveInterval returns how long a change may wait to be saved.
func (r *Recorder) saveInterval() time.Duration {
	if r.urgent {
		return saveUrgentEvery
	}
	return saveEvery
}

// nextWake returns when there is something to do even if no message comes.
func (r *Recorder) nextWake(now time.Time) time.Time {
	at := now.Add(checkRoleEvery)
	if r.day == nil {
		return at
	}
	if r.day.end.Before(at) {
		at = r.day.end
	}
	if draw := r.nextDraw(now); !draw.IsZero() && draw.Before(at) {
		at = draw
	}
	if due := r.saved.Add(r.saveInterval()); r.changed && due.Before(at) {
		at = due
	}
	return at
}

// update does what is due at now: a change of the active node, the end of the day, a
// save.
func (r *Recorder) update(now time.Time) {
	if !r.Role.Active() {
		r.day, r.changed, r.dropped, r.drawAt, r.todayAt, r.today, r.todayCurrent = nil, false, r.sub.Dropped(), time.Time{}, time.Time{}, nil, false
		return
	}
	if r.day == nil || r.day.over(now) {
		r.open(now)
		r.todayCurrent = false
	}
	if n := r.sub.Dropped() - r.dropped; n > 0 {
		r.day.LeftOut["messages"] += n
		r.dropped += n
	}
	if r.changed && (now.Sub(r.saved) >= r.saveInterval() || now.Before(r.saved)) {
		r.save()
	}
	r.publishToday(now)
	r.paint(now)
}

// open continues the record of the day of now, or begins one. A record of another day,
// in memory or in the file, is closed first.
func (r *Recorder) open(now time.Time) {
	if r.day == nil {
		r.day = r.load(r.File)
	}
	c, old := r.Calendar, r.day
	today := begin(now, c)
	if old == nil && r.Unfinished != nil {
		if d, ok := r.Unfinished(today.Date); ok {
			old, r.day, r.changed = &d, &d, true
		}
	}
	if old == nil || old.Date != today.Date || old.Timezone != today.Timezone {
		r.day = r.load(r.finished(today.Date)) // the clock was set back over midnight
		if old != nil {
			r.close(old)
		}
		if r.day == nil {
			r.day = r.begin(today, old, now)
		}
		r.changed = true
		r.Log.Info("the record of a day begins", "day", r.day.Date)
	} else {
		r.Log.Info("the record of the day goes on", "day", old.Date, "until", old.Until)
	}
	d := r.day
	d.Complete = false
	d.schedule(c)
	d.Counterfactual.Assumptions, d.Tariff, d.Unit = r.Assumptions.complete(), r.Tariff, r.Unit
	for _, id := range r.Thermostats {
		t := d.Thermostats[id]
		t.Controlled = true
		d.Thermostats[id] = t
	}
	if n := len(d.Nodes); n == 0 || d.Nodes[n-1] != r.Node {
		keep(d, "nodes", &d.Nodes, r.Node, maxNodes)
		d.noteNewProcess()
		r.changed = true
	}
	if r.changed {
		r.save()
	}
}

// begin returns the record of a new day, which continues from the day before: old, or
// the one that Before has.
func (r *Recorder) begin(today Record, old *Record, now time.Time) *Record {
	day := &today
	if old != nil {
		day = new(old.next(now, r.Calendar))
	}
	if r.Before != nil && day.Counterfactual.EndKWh == nil {
		if d, ok := r.Before(today.Date); ok {
			day.Counterfactual, day.Earlier = d.Counterfactual.next(d.Date), d.earlier(today.Date)
		}
	}
	return day
}

// noteNewProcess tells the record that another process continues it, whose call counts
// start over.
func (r *Record) noteNewProcess() {
	for name, v := range r.Vendors {
		v.CallsSeen = nil
		r.Vendors[name] = v
	}
}

// close ends a day and puts it beside the live record. The oldest ones are removed.
func (r *Recorder) close(d *Record) {
	d.finish()
	if r.File == "" {
		return
	}
	r.write(r.finished(d.Date), *d)
	all := Finished(r.File)
	for _, path := range all[:max(0, len(all)-maxFinished)] {
		if err := os.Remove(path); err != nil {
			r.Log.Warn("an old record of a day cannot be removed", "reason", err)
		}
	}
}

// finished returns the file of a day that is over.
func (r *Recorder) finished(date string) string { return beside(r.File, date) }

func beside(live, date string) string {
	ext := filepath.Ext(live)
	return strings.TrimSuffix(live, ext) + "-" + date + ext
}

// Finished lists the files of finished days beside the live record, the oldest first.
func Finished(live string) (all []string) {
	entries, err := os.ReadDir(filepath.Dir(live))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		before, after, _ := strings.Cut(filepath.Base(beside(live, "*")), "*")
		date := strings.TrimSuffix(strings.TrimPrefix(e.Name(), before), after)
		if _, err := time.Parse(time.DateOnly, date); err == nil && e.Name() == before+date+after && e.Type().IsRegular() {
			all = append(all, filepath.Join(filepath.Dir(live), e.Name()))
		}
	}
	slices.Sort(all)
	return all
}

// save writes the record, if it has changed.
func (r *Recorder) save() {
	if r.day == nil || !r.Role.Active() {
		return
	}
	r.saved, r.changed, r.urgent = r.Bus.Now(), !r.write(r.File, *r.day), false
}

// write writes a record, and reports whether it could.
func (r *Recorder) write(path string, d Record) bool {
	if r.File == "" {
		return true
	}
	b, err := Encode(d)
	if err == nil {
		err = durable.Replace(path, b, 0o640)
	}
	if failing := err != nil; failing != r.failing {
		r.failing = failing
		if failing {
			r.Log.Warn("the record of the day cannot be kept; it goes on in memory", "reason", err)
		} else {
			r.Log.Info("the record of the day can be kept again")
		}
	}
	return err == nil
}

// load reads a record; nil: there is none. One that cannot be used is set aside, in
// place of an earlier one.
func (r *Recorder) load(path string) *Record {
	if r.File == "" {
		return nil
	}
	d, err := Load(path)
	switch {
	case err == nil:
		return &d
	case errors.Is(err, fs.ErrNotExist):
	default:
		aside := path + ".unusable"
		r.Log.Warn("the record of the day cannot be used: it is set aside, and another begins", "as", aside, "reason", errors.Join(err, os.Rename(path, aside)))
	}
	return nil
}

// Load reads the record in a file. The error is fs.ErrNotExist when there is none.
func Load(path string) (Record, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Record{}, fmt.Errorf("report: %w", err)
	case !info.Mode().IsRegular() || info.Size() > MaxSize:
		return Record{}, fmt.Errorf("report: %s is no record of a day", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("report: %w", err)
	}
	d, err := Decode(b)
	if err != nil {
		return Record{}, fmt.Errorf("report: %s: %w", path, err)
	}
	return d, nil
}

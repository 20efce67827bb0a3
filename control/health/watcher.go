package health

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// How long a condition may last before it is reported as a fault. Most clear up
// by themselves, and waiting makes the others no worse.
const (
	brokerOutageDelay = 5 * time.Minute  // Home Assistant restarts in less
	restoreDelay      = 20 * time.Minute // covers the retries of a command that had no effect
	refusalLifetime   = 6 * time.Hour    // how long a refused command is reported
)

// Options are what a Watcher needs; all are required but Calendar and Expiring.
type Options struct {
	Bus      *bus.Bus
	Topics   devices.Topics
	Active   func() bool // whether this node is the active one
	Node     string      // this one's name
	Log      *slog.Logger
	Calendar rules.Calendar // its list of holidays may expire; zero: there is none
	// Expiring returns which authorization has to be renewed soon, as text; nil: none
	// expires.
	Expiring func(now time.Time) (problem string)
}

// A Watcher publishes control/health whenever a fault begins, changes or ends.
type Watcher struct {
	Options
	sub        *bus.Subscription
	signs      signs
	answered   map[string]time.Time // when a vendor last answered without a problem, by part
	peak       bool                 // a peak or its lead is under way
	published  *Health              // the last control/health; nil: none yet
	shownEarly []Fault              // what its parts show early
}

// NewWatcher returns a watcher that is already subscribed.
func NewWatcher(o Options) *Watcher {
	t := o.Topics
	return &Watcher{Options: o, signs: signs{}, answered: map[string]time.Time{}, sub: o.Bus.Subscribe("health",
		t.Powerwall(devices.APILeaf), t.Thermostats(devices.APILeaf), t.Weather(devices.APILeaf),
		t.Powerwall("+"+devices.ResultSuffix), t.Thermostat("+", "+"+devices.ResultSuffix),
		t.Control(devices.StateLeaf), t.Control(devices.EventLeaf), bus.LinkHealth, Topic("+"), bus.Role)}
}

// Run watches until ctx ends, and returns ctx's error.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.sub.Close()
	for {
		now := w.Bus.Now()
		w.signs.standing(Configuration+"/holidays", w.Calendar.HolidaysOver(now), now)
		if w.Expiring != nil {
			w.signs.standing(Configuration+"/authorization", w.Expiring(now), now)
		}
		if w.Active() {
			w.publishChanges(w.signs.faults(now), w.early(now), now)
		} else {
			w.published = nil
			maps.DeleteFunc(w.signs, func(_ string, g sign) bool { return !ofThisNode(g.Part) })
		}
		m, ok, err := w.sub.Next(ctx, w.next(now))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		now = w.Bus.Now()
		if zone := w.Calendar.Location; zone != nil {
			now = now.In(zone) // a month is the home's
		}
		if err := w.take(m, now); err != nil {
			w.Log.Warn("a message does not say how a part fares", "topic", m.Topic, "reason", err)
		}
	}
}

// reportMemory is how long a part has, after the configuration was read again, to
// repeat what it reported before. Until then the old report stays.
const reportMemory = time.Minute

// Resume makes w continue from last, which ran in this process and has ended. Parts
// have to repeat what they reported about themselves; a problem of the configuration is
// over unless it was reported again already. Call Resume before Run.
func (w *Watcher) Resume(last *Watcher) {
	if last.published == nil || last.Topics != w.Topics {
		return
	}
	now := w.Bus.Now()
	for key, g := range last.signs {
		if key == g.Part {
			if _, again := w.Bus.Retained(Topic(g.Part)); g.Part == Configuration && !again {
				continue
			}
			g.expires = now.Add(reportMemory)
		}
		w.signs[key] = g
	}
	w.answered, w.peak, w.published, w.shownEarly = maps.Clone(last.answered), last.peak, last.published, last.shownEarly
	w.publish(*w.published)
}

// ofThisNode reports whether a part belongs to each node by itself. The others are up
// to the active node, and the next active one checks them itself.
func ofThisNode(part string) bool {
	return part == Broker || part == Mail || part == Configuration || part == Clock
}

// publishChanges publishes the condition of all parts, given faults in order and those
// that are early, if it differs from what was published last.
func (w *Watcher) publishChanges(faults, early []Fault, now time.Time) {
	same := w.published != nil && slices.Equal(w.published.Faults, faults)
	if same && slices.Equal(w.shownEarly, early) {
		return
	}
	w.shownEarly = early
	h := of(faults, early, devices.WholeSecond(now))
	h.Node = w.Node
	if same && maps.EqualFunc(w.published.Parts, h.Parts, Part.same) {
		return
	}
	if w.published != nil {
		w.log(w.published.Faults, h.Faults)
	}
	w.published = &h
	w.publish(h)
}

func (w *Watcher) publish(h Health) {
	b, err := json.Marshal(h)
	if err != nil {
		w.Log.Error("the health cannot be written", "reason", err)
		return
	}
	w.Bus.Publish(bus.Message{Topic: w.Topics.Control(devices.HealthLeaf), Payload: b, Retain: true})
}

func (w *Watcher) log(before, after []Fault) {
	has := func(all []Fault, key string) bool {
		return slices.ContainsFunc(all, func(f Fault) bool { return f.Key == key })
	}
	for _, f := range after {
		if !has(before, f.Key) {
			w.Log.Warn("fault", "key", f.Key, "level", f.Level, "since", f.Since, "text", f.Text)
		}
	}
	for _, f := range before {
		if !has(after, f.Key) {
			w.Log.Info("fault mended", "key", f.Key, "since", f.Since)
		}
	}
}

// A sign is a condition that may become a fault.
type sign struct {
	Fault
	faultAt time.Time // from when it is a fault
	expires time.Time // when it is forgotten; zero: not until it is cleared
	earlyAt time.Time // from when its part shows it during a peak; zero: not before faultAt
}

// signs are all conditions, by key.
type signs map[string]sign

// observe records that f holds at present. It becomes a fault if it still does after delay.
func (s signs) observe(f Fault, delay time.Duration, now time.Time) {
	f.Since = devices.WholeSecond(now)
	if old, known := s[f.Key]; known {
		f.Since = old.Since
	}
	s[f.Key] = sign{Fault: f, faultAt: f.Since.Add(delay)}
}

// clear records that what key names has ended.
func (s signs) clear(key string) { delete(s, key) }

// faults returns the signs that have lasted long enough, in the order of Health.
func (s signs) faults(now time.Time) []Fault {
	all := []Fault{}
	for key, g := range s {
		switch {
		case !g.expires.IsZero() && !now.Before(g.expires):
			delete(s, key)
		case !now.Before(g.faultAt):
			all = append(all, g.Fault)
		}
	}
	slices.SortFunc(all, func(a, b Fault) int {
		return cmp.Or(-cmp.Compare(slices.Index(Levels(), a.Level), slices.Index(Levels(), b.Level)), strings.Compare(a.Key, b.Key))
	})
	return all
}

// next is when something else is to be said by the passing of time; zero: nothing
// will.
func (w *Watcher) next(now time.Time) (at time.Time) {
	for _, g := range w.signs {
		for _, t := range []time.Time{g.faultAt, g.expires, g.earlyAt} {
			if t.After(now) && (at.IsZero() || t.Before(at)) {
				at = t
			}
		}
	}
	return at
}

// take processes a message.
func (w *Watcher) take(m bus.Message, now time.Time) error {
	s, topics := w.signs, w.Topics
	switch levels, _ := topics.Split(m.Topic); {
	case m.Topic == bus.Role:
		return nil
	case m.Topic == bus.LinkHealth:
		return read(m, func(l link) { s.broker(l, now) })
	case bus.Private(m.Topic):
		part := strings.TrimPrefix(m.Topic, topicRoot)
		return read(m, func(r Report) {
			if r.Problem == "" {
				s.clear(part)
				return
			}
			s.observe(Fault{Key: part, Part: part, Level: r.Level, Text: r.Problem}, 0, now)
		})
	case len(levels) == 2 && levels[1] == devices.APILeaf:
		return read(m, func(a devices.API) { w.vendor(levels[0], a, now) })
	case m.Topic == topics.Control(devices.StateLeaf):
		return read(m, func(c control.State) {
			w.peak = c.Phase == rules.PrePeak || c.Phase == rules.InPeak
			s.controller(c, now)
		})
	case m.Topic == topics.Control(devices.EventLeaf):
		return read(m, func(e control.Event) { s.failed(e, now) })
	case len(levels) == 3:
		return read(m, func(r devices.Result) { s.answered(levels[0], r) })
	case len(levels) == 4:
		return read(m, func(r devices.Result) { s.answered(levels[1], r) })
	}
	return nil
}

// read decodes a message and calls do with the result. An empty message means nothing.
func read[T any](m bus.Message, do func(T)) error {
	if len(m.Payload) == 0 {
		return nil
	}
	v, err := bus.Decode[T](m)
	if err == nil {
		do(v)
	}
	return err
}

// link is the part of LinkHealth that is used here.
type link struct {
	Connected bool   `json:"connected"`
	Broker    string `json:"broker"`
	Problem   string `json:"problem"`
}

func (s signs) broker(l link, now time.Time) {
	connection, rights := Broker+"/connection", Broker+"/rights"
	switch {
	case !l.Connected:
		text := fmt.Sprintf("there is no connection to the broker %s: powermgr keeps controlling your home, but Home Assistant cannot see it", l.Broker)
		if l.Problem != "" {
			text += "; " + l.Problem
		}
		s.observe(Fault{Key: connection, Part: Broker, Level: Warning, Text: text}, brokerOutageDelay, now)
		return
	case l.Problem != "":
		s.observe(Fault{Key: rights, Part: Broker, Level: Warning, Text: l.Problem}, 0, now) // it does not mend itself
	default:
		s.clear(rights)
	}
	s.clear(connection)
}

// standing records a problem of what the owner has set up; an empty text means that
// there is none.
func (s signs) standing(key, text string, now time.Time) {
	if text != "" {
		s.observe(Fault{Key: key, Part: Configuration, Level: Warning, Text: text}, 0, now)
	} else {
		s.clear(key)
	}
}

func (s signs) controller(c control.State, now time.Time) {
	current := map[string]bool{}
	for _, o := range c.Owned {
		if o.What != string(rules.Restore) || o.Waits != "" {
			continue // who has it gives it back first, as Tesla does once a storm is over
		}
		key := Restoring + "/" + o.Target
		current[key] = true
		s.observe(Fault{Key: key, Part: Restoring, Level: Critical, Text: fmt.Sprintf("what %s was set to before the peak could not be restored; powermgr keeps trying, but check it yourself", o.Name)}, restoreDelay, now)
	}
	for _, p := range c.Problems {
		if p.Kind == rules.OldData || p.Kind == rules.NotDone || p.Kind == control.Absent {
			continue // each has a fault of its own: of the vendor's figures, of the command, of the thermostats
		}
		key, f := "control/"+string(p.Kind), Fault{Part: Powerwall, Level: Warning, Text: p.Text}
		switch p.Kind {
		case rules.NoJournal:
			f.Part, f.Level = Journal, Critical
		case control.Contested:
			f.Part, f.Level = Broker, Critical
		}
		f.Key, current[key] = key, true
		s.observe(f, 0, now)
	}
	for key := range maps.Clone(s) {
		if (strings.HasPrefix(key, Restoring+"/") || strings.HasPrefix(key, "control/")) && !current[key] {
			s.clear(key)
		}
	}
}

// failed records that a command of the controller failed. People see the answers to
// their own commands.
func (s signs) failed(e control.Event, now time.Time) {
	if e.Type != rules.NoteProblem || e.Target == "" {
		return
	}
	f := Fault{Key: commandKey(e.Target), Part: Thermostats, Level: Warning, Text: e.Reason}
	if e.Target == rules.Powerwall {
		f.Part = Powerwall
	}
	if _, refused := s[authorizationKey(f.Part)]; refused {
		return // of one cause there is one fault
	}
	s.observe(f, 0, now)
	g := s[f.Key]
	g.expires = now.Add(refusalLifetime)
	s[f.Key] = g
}

// answered records that a device shows what was asked of it, by anyone.
func (s signs) answered(target string, r devices.Result) {
	if r.Final && r.Accepted && r.Reason == "" {
		s.clear(commandKey(target))
	}
}

func commandKey(target string) string { return "command/" + target }

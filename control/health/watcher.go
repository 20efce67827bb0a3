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

// How long something may last before it is called a fault: most of it mends
// itself, and the rest is no worse for the wait.
const (
	vendorPatience  = 15 * time.Minute // three polls
	weatherPatience = 3 * time.Hour    // a forecast is good for as long
	brokerPatience  = 5 * time.Minute  // Home Assistant restarts in less
	restorePatience = 20 * time.Minute // retries of a command that was not taken
	commandMemory   = 6 * time.Hour    // a command that was not taken is history then
)

// Options are what a Watcher needs; all are required but Calendar.
type Options struct {
	Bus      *bus.Bus
	Topics   devices.Topics
	Active   func() bool // whether this node is the one that speaks for the home
	Log      *slog.Logger
	Calendar rules.Calendar // its list of holidays may run out; zero: there is none
}

// A Watcher publishes control/health whenever a fault begins, changes or ends.
type Watcher struct {
	Options
	sub   *bus.Subscription
	signs signs
	told  *Health // the last control/health; nil: none yet
}

// NewWatcher returns a part that has subscribed already.
func NewWatcher(o Options) *Watcher {
	t := o.Topics
	return &Watcher{Options: o, signs: signs{}, sub: o.Bus.Subscribe("health",
		t.Powerwall(devices.APILeaf), t.Thermostats(devices.APILeaf), t.Weather(devices.APILeaf),
		t.Powerwall("+"+devices.ResultSuffix), t.Thermostat("+", "+"+devices.ResultSuffix),
		t.Control(devices.StateLeaf), t.Control(devices.EventLeaf), bus.LinkHealth, Topic("+"), bus.Standing)}
}

// Run watches until ctx ends; its error is ctx's.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.sub.Close()
	for {
		now := w.Bus.Now()
		w.signs.holidays(w.Calendar, now)
		if w.Active() {
			w.tell(w.signs.faults(now), now)
		} else {
			w.told = nil
			maps.DeleteFunc(w.signs, func(_ string, g sign) bool { return !ofThisNode(g.Part) })
		}
		m, ok, err := w.sub.Next(ctx, w.signs.next(now))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := w.signs.take(w.Topics, m, w.Bus.Now()); err != nil {
			w.Log.Warn("a message does not say how a part fares", "topic", m.Topic, "reason", err)
		}
	}
}

// ofThisNode reports whether a part is each node's own. The others are the
// active node's business, and the next one looks for itself.
func ofThisNode(part string) bool {
	return part == Broker || part == Mail || part == Configuration || part == Clock
}

// tell publishes what has changed.
func (w *Watcher) tell(faults []Fault, now time.Time) {
	if w.told != nil && slices.Equal(w.told.Faults, faults) {
		return
	}
	h := of(faults, now.Round(0))
	if w.told != nil {
		w.log(w.told.Faults, h.Faults)
	}
	w.told = &h
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
			w.Log.Warn("something does not work", "fault", f.Key, "level", f.Level, "since", f.Since, "text", f.Text)
		}
	}
	for _, f := range before {
		if !has(after, f.Key) {
			w.Log.Info("it works again", "fault", f.Key, "since", f.Since)
		}
	}
}

// A sign is something that may become a fault.
type sign struct {
	Fault
	shows time.Time // from when it is one
	ends  time.Time // when it is forgotten; zero: when it is said to be over
}

// signs are all there are, by key.
type signs map[string]sign

// see notes that f is so at present, and a fault if it stays so for patience.
func (s signs) see(f Fault, patience time.Duration, now time.Time) {
	f.Since = now.Round(0)
	if old, known := s[f.Key]; known {
		f.Since = old.Since
	}
	s[f.Key] = sign{Fault: f, shows: f.Since.Add(patience)}
}

// over notes that what key names is not so any more.
func (s signs) over(key string) { delete(s, key) }

// faults are the signs that have lasted, in the order of Health.
func (s signs) faults(now time.Time) []Fault {
	all := []Fault{}
	for key, g := range s {
		switch {
		case !g.ends.IsZero() && !now.Before(g.ends):
			delete(s, key)
		case !now.Before(g.shows):
			all = append(all, g.Fault)
		}
	}
	slices.SortFunc(all, func(a, b Fault) int {
		return cmp.Or(-cmp.Compare(slices.Index(Levels(), a.Level), slices.Index(Levels(), b.Level)), strings.Compare(a.Key, b.Key))
	})
	return all
}

// next is when faults may say something else by the passing of time; zero: it
// will not.
func (s signs) next(now time.Time) (at time.Time) {
	for _, g := range s {
		for _, t := range []time.Time{g.shows, g.ends} {
			if t.After(now) && (at.IsZero() || t.Before(at)) {
				at = t
			}
		}
	}
	return at
}

// take learns from a message.
func (s signs) take(topics devices.Topics, m bus.Message, now time.Time) error {
	switch levels, _ := topics.Split(m.Topic); {
	case m.Topic == bus.Standing:
		return nil
	case m.Topic == bus.LinkHealth:
		return read(m, func(l link) { s.broker(l, now) })
	case bus.Private(m.Topic):
		part := strings.TrimPrefix(m.Topic, topicRoot)
		return read(m, func(r Report) {
			if r.Problem == "" {
				s.over(part)
				return
			}
			s.see(Fault{Key: part, Part: part, Level: r.Level, Text: r.Problem}, 0, now)
		})
	case len(levels) == 2 && levels[1] == devices.APILeaf:
		return read(m, func(a api) { s.vendor(levels[0], a, now) })
	case m.Topic == topics.Control(devices.StateLeaf):
		return read(m, func(c control.State) { s.controller(c, now) })
	case m.Topic == topics.Control(devices.EventLeaf):
		return read(m, func(e control.Event) { s.failed(e, now) })
	case len(levels) == 3:
		return read(m, func(r devices.Result) { s.answered(levels[0], r) })
	case len(levels) == 4:
		return read(m, func(r devices.Result) { s.answered(levels[1], r) })
	}
	return nil
}

// read gives what a message says to do. One that is empty says nothing.
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

// link is what is read of the link's health.
type link struct {
	Connected bool   `json:"connected"`
	Broker    string `json:"broker"`
	Problem   string `json:"problem"`
}

func (s signs) broker(l link, now time.Time) {
	connection, rights := Broker+"/connection", Broker+"/rights"
	switch {
	case !l.Connected:
		text := fmt.Sprintf("there is no connection to the broker %s: control goes on, Home Assistant sees nothing of it", l.Broker)
		if l.Problem != "" {
			text += "; " + l.Problem
		}
		s.see(Fault{Key: connection, Part: Broker, Level: Warning, Text: text}, brokerPatience, now)
		return
	case l.Problem != "":
		s.see(Fault{Key: rights, Part: Broker, Level: Warning, Text: l.Problem}, 0, now) // it does not mend itself
	default:
		s.over(rights)
	}
	s.over(connection)
}

// api is what is read of how a vendor's interface fares.
type api struct {
	AgeSeconds  *float64 `json:"age_seconds"`
	Problem     *string  `json:"problem"`
	Reason      *string  `json:"reason"`
	Reauthorise bool     `json:"reauthorise"`
}

// A vendor as people know it, and what authorises powermgr with it again.
var vendors = map[string]struct{ name, command string }{
	Powerwall:   {"Tesla", "powermgr auth tesla"},
	Thermostats: {"Honeywell", "powermgr auth honeywell"},
	Weather:     {"the weather service", ""},
}

func (s signs) vendor(part string, a api, now time.Time) {
	authorisation, answers := part+"/authorisation", part+"/answers"
	v := vendors[part]
	reason := ""
	if a.Reason != nil {
		reason = ": " + *a.Reason
	}
	if a.Reauthorise {
		// The reason says what to do: it is not the same for a token file, an
		// access token and a password.
		if reason == "" {
			reason = ": run " + v.command
		}
		s.see(Fault{Key: authorisation, Part: part, Level: Critical, Text: fmt.Sprintf("%s has to be authorised on this node%s", v.name, reason)}, 0, now)
		s.over(answers)
		return
	}
	s.over(authorisation)
	patience := vendorPatience
	if part == Weather {
		patience = weatherPatience
	}
	if a.Problem == nil {
		s.over(answers)
		s.age(part, a, patience, now)
		return
	}
	s.see(Fault{Key: answers, Part: part, Level: Warning, Text: fmt.Sprintf("%s has not answered as it should for a while (%s): the last figures are kept, and it is asked again%s", v.name, *a.Problem, reason)}, patience, now)
}

// age learns how old the figures were that a vendor has just answered with.
func (s signs) age(part string, a api, limit time.Duration, now time.Time) {
	key := part + "/age"
	if a.AgeSeconds == nil || *a.AgeSeconds < limit.Seconds() {
		s.over(key)
		return
	}
	old := rules.Roughly(time.Duration(min(*a.AgeSeconds, 1e9)) * time.Second)
	s.see(Fault{Key: key, Part: part, Level: Warning, Text: fmt.Sprintf(
		"%s's figures are %s old, though it answers: the device may have lost its connection, or the clock of this machine is wrong; nothing new is decided from them", vendors[part].name, old)}, 0, now)
}

func (s signs) holidays(c rules.Calendar, now time.Time) {
	const key = Configuration + "/holidays"
	if text := c.HolidaysOver(now); text != "" {
		s.see(Fault{Key: key, Part: Configuration, Level: Warning, Text: text}, 0, now)
	} else {
		s.over(key)
	}
}

func (s signs) controller(c control.State, now time.Time) {
	current := map[string]bool{}
	for _, o := range c.Owned {
		if o.What != string(rules.Restore) {
			continue
		}
		key := Restoring + "/" + o.Target
		current[key] = true
		s.see(Fault{Key: key, Part: Restoring, Level: Critical, Text: fmt.Sprintf("%s could not be given back what it had before the peak; powermgr keeps trying, but look at it", o.Name)}, restorePatience, now)
	}
	for _, p := range c.Problems {
		if p.Kind == rules.OldData {
			continue // the vendor's own figures tell it
		}
		key, f := "control/"+string(p.Kind), Fault{Part: Powerwall, Level: Warning, Text: p.Text}
		switch p.Kind {
		case rules.NoJournal:
			f.Part, f.Level = Journal, Critical
		case control.Contested:
			f.Part, f.Level = Broker, Critical
		}
		f.Key, current[key] = key, true
		s.see(f, 0, now)
	}
	for key := range maps.Clone(s) {
		if (strings.HasPrefix(key, Restoring+"/") || strings.HasPrefix(key, "control/")) && !current[key] {
			s.over(key)
		}
	}
}

// failed learns that a command of the controller did not come through. A person
// sees the answer to their own.
func (s signs) failed(e control.Event, now time.Time) {
	if e.Type != rules.NoteProblem || e.Target == "" {
		return
	}
	f := Fault{Key: commandKey(e.Target), Part: Thermostats, Level: Warning, Text: e.Reason}
	if e.Target == rules.Powerwall {
		f.Part = Powerwall
	}
	s.see(f, 0, now)
	g := s[f.Key]
	g.ends = now.Add(commandMemory)
	s[f.Key] = g
}

// answered learns that a device shows what was asked of it, by whomever.
func (s signs) answered(target string, r devices.Result) {
	if r.Final && r.Accepted && r.Reason == "" {
		s.over(commandKey(target))
	}
}

func commandKey(target string) string { return "command/" + target }

package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/journal"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Role says what this node is in the pair.
type Role interface {
	Active() bool       // false: another node is; nothing is decided here
	Generation() uint64 // of the claim this node holds
	Alone() bool        // it is none of a pair
}

// Options are what a Controller needs; all fields are required.
type Options struct {
	Bus      *bus.Bus
	Topics   devices.Topics
	Settings rules.Settings
	Journal  *journal.Journal
	Role     Role
	Log      *slog.Logger
}

// Controller is the peak controller; see Run.
type Controller struct {
	Options
	sub   *bus.Subscription
	state rules.State
	shown *State // the last control/state; nil: none yet

	unread *knownHome // what is read again after another controller; nil: all of it was

	contest string // what is wrong while others command the same devices; empty: none does
	missing string // which thermostats are not on the account, as bus.Missing has it

	lastStep atomic.Int64 // when the loop last turned, Unix seconds on the bus's clock

	userCommands map[string]string // payload of the last command of a person, by topic
	acceptedHere map[string]bool   // topics of the commands on their way that this process has heard of

	heldReadings []rules.Event // readings that came while it waited
	saveBy       time.Time     // what a reading changed is made safe by then; zero: nothing waits for it
	waitUntil    time.Time     // nothing is decided before: a retained journal may come; zero: no waiting
	noJournal    bool          // there was no journal on the disk
	gotRetained  bool          // the broker has delivered what it had stored at the start
}

// journalTimeout is how long a node without a journal of its own, or with one that it
// cannot write, waits for the one that the broker may hold, before it takes what
// it finds for a baseline.
const journalTimeout = 10 * time.Second

// JournalBatchDelay is how long what a reading changed may wait for more of its kind
// before it is made safe, so that the confirmations of several devices are one
// write to the disk. To lose it is to have died before the reading came.
const JournalBatchDelay = time.Second

// New returns a controller that has subscribed already, so that nothing
// published from now on is missed.
func New(o Options) *Controller {
	t := o.Topics
	c := &Controller{Options: o, state: rules.State{Settings: o.Settings}, userCommands: map[string]string{}, acceptedHere: map[string]bool{}}
	c.sub = o.Bus.Subscribe("control",
		t.Powerwall(devices.StateLeaf), t.Powerwall("+"+devices.ResultSuffix), t.Powerwall("+"+devices.Set),
		t.Thermostat("+", devices.StateLeaf), t.Thermostat("+", "+"+devices.ResultSuffix), t.Thermostat("+", "+"+devices.Set),
		t.Weather(devices.StateLeaf), t.Control("+"+devices.Set), t.Control(devices.PlanLeaf),
		t.NodeJournal("+"), bus.LinkState, bus.Role, bus.Contest, bus.Missing)
	return c
}

// Run controls until ctx ends. Its error is ctx's.
func (c *Controller) Run(ctx context.Context) error {
	defer c.sub.Close()
	wake := c.recover()
	for {
		m, ok, err := c.sub.Next(ctx, wake)
		if err != nil {
			c.flush()
			return err
		}
		if !ok {
			wake = c.step(rules.Tick{})
			continue
		}
		if next := c.handle(m); !next.IsZero() {
			wake = next
		}
	}
}

// LastStep is when the loop last turned: at most rules.Beat ago while all is
// well. It may be called from any goroutine.
func (c *Controller) LastStep() time.Time { return time.Unix(c.lastStep.Load(), 0) }

// recover reads the journal and takes the first step. Nothing in a journal can
// keep the controller from starting.
func (c *Controller) recover() time.Time {
	e, found, err := c.Journal.Load()
	if err != nil {
		c.Log.Error("the journal cannot be used", "reason", err)
	}
	if found {
		c.Log.Info("journal read", "generation", e.Generation, "sequence", e.Sequence, "saved_at", e.SavedAt)
		if err := c.Journal.Try(); err != nil { // then an earlier life could not write either
			c.waitUntil = c.Bus.Now().Add(journalTimeout)
		} else {
			c.publishJournal(e)
		}
		c.step(rules.Recovered{Persisted: e.Persisted()})
	} else { // a broker may hold a newer one than the disk
		c.noJournal = true
		c.waitUntil = c.Bus.Now().Add(journalTimeout)
	}
	c.rereadJournal()
	return c.step(rules.Tick{})
}

// step folds ev, makes what it changed safe, and carries the decision out. It
// returns when to step next.
func (c *Controller) step(ev rules.Event) time.Time {
	now := c.Bus.Now()
	c.lastStep.Store(now.Unix())
	if c.awaitsJournal(now) {
		c.state.Standby = true
		if !c.holdReading(ev) {
			c.state, _ = rules.Step(c.state, ev, now)
		}
		return c.waitUntil
	}
	if active := c.Role.Active(); active == c.state.Standby {
		if _, kept := ev.(rules.Recovered); kept && active {
			c.fold(ev, now) // before anything is decided
			ev = rules.Tick{}
		}
		c.fold(rules.Role{Active: active}, now)
	}
	held := c.heldReadings
	c.heldReadings = nil
	for _, read := range held {
		c.fold(read, now)
	}
	return c.fold(ev, now)
}

// maxHeld is how many readings are held: more than there are devices.
const maxHeld = 100

// holdReading keeps a reading until there is a journal to understand it by, and reports
// whether ev is one.
func (c *Controller) holdReading(ev rules.Event) bool {
	switch ev.(type) {
	case rules.BatteryRead, rules.ThermostatRead:
		if len(c.heldReadings) < maxHeld {
			c.heldReadings = append(c.heldReadings, ev)
		}
		return true
	}
	return false
}

// fold is one step of the rules: first what it changes is made safe, then it
// is carried out.
func (c *Controller) fold(ev rules.Event, now time.Time) time.Time {
	next, d := rules.Step(c.state, ev, now)
	if next.Standby {
		c.saveBy = time.Time{} // the journal is the other node's
	} else if !c.batches(ev, next, d, now) {
		c.saveBy = time.Time{}
		e, fresh, err := c.Journal.Save(next.Persisted, c.Role.Generation())
		if err != nil {
			if !c.state.Unwritable {
				c.Log.Error("the journal cannot be written", "reason", err)
				c.state.Unwritable = true
				next, d = rules.Step(c.state, ev, now)
				var other bool
				e, other, _ = c.Journal.Save(next.Persisted, c.Role.Generation())
				fresh = fresh || other
			}
		} else if next.Unwritable {
			c.Log.Info("the journal can be written again")
			next.Unwritable = false
		}
		if fresh {
			c.publishJournal(e)
		}
	}
	c.state = next
	c.carryOut(d, now)
	if !c.saveBy.IsZero() && c.saveBy.Before(d.Wake) {
		return c.saveBy
	}
	return d.Wake
}

// batches reports whether what ev changed may wait for the next save: nothing
// was made of it yet, and the next reading would tell it again.
func (c *Controller) batches(ev rules.Event, next rules.State, d rules.Decision, now time.Time) bool {
	switch ev.(type) {
	case rules.BatteryRead, rules.ThermostatRead:
	default:
		return false
	}
	if len(d.Writes) > 0 || !c.saveBy.IsZero() && !now.Before(c.saveBy) {
		return false
	}
	if c.saveBy.IsZero() && !next.Persisted.Same(c.state.Persisted) && !reflect.DeepEqual(next.Persisted, c.state.Persisted) {
		c.saveBy = now.Add(JournalBatchDelay)
	}
	return !c.saveBy.IsZero()
}

// flush makes safe what still waits for it.
func (c *Controller) flush() {
	if c.saveBy.IsZero() || c.state.Standby {
		return
	}
	if _, _, err := c.Journal.Save(c.state.Persisted, c.Role.Generation()); err != nil {
		c.Log.Error("the journal cannot be written", "reason", err)
	}
}

// awaitsJournal reports whether a journal from the broker may still come. One that
// has come, or the other node's on the disk, may not be the newest there is.
func (c *Controller) awaitsJournal(now time.Time) bool {
	if !c.waitUntil.IsZero() && !now.Before(c.waitUntil) {
		c.waitUntil = time.Time{}
	}
	return !c.waitUntil.IsZero()
}

func (c *Controller) carryOut(d rules.Decision, now time.Time) {
	for _, n := range d.Notes {
		level := slog.LevelInfo
		if n.Type == rules.NoteProblem {
			level = slog.LevelWarn
		}
		c.Log.Log(context.Background(), level, n.Why, "event", string(n.Type), "target", n.Target)
		c.publish(c.Topics.Control(devices.EventLeaf), false, Event{Type: n.Type, Target: n.Target, Reason: n.Why, At: devices.WholeSecond(now)})
	}
	if c.state.Standby {
		return
	}
	state := present(c.state, d, now)
	if c.contest != "" {
		state.Problem, state.Problems = true, append(state.Problems, rules.Problem{Kind: Contested, Text: c.contest})
	}
	if c.missing != "" {
		state.Problem, state.Problems = true, append(state.Problems, rules.Problem{Kind: Absent, Text: c.missing})
	}
	if !(c.shown != nil && state.same(*c.shown) || reflect.DeepEqual(state, c.shown)) && !c.onlyUnread(state, now) {
		c.shown = state
		c.publish(c.Topics.Control(devices.StateLeaf), true, state)
	}
	for _, w := range d.Writes {
		topic, body := command(c.Topics, w)
		payload, ok := c.encode(topic, body)
		if !ok {
			continue
		}
		c.Bus.Publish(bus.Message{
			Topic: topic, Payload: payload, ID: w.ID, Expires: now.Add(devices.CommandLife),
			Source: devices.SourceControl, Node: c.Journal.Node, Generation: c.Role.Generation(),
		})
	}
}

func (c *Controller) publishJournal(e journal.Entry) {
	e.Alone, e.DryRun = c.Role.Alone(), c.Settings.DryRun
	b, err := journal.Encode(e)
	if err != nil {
		c.Log.Error("the journal cannot be published", "reason", err)
		return
	}
	c.Bus.Publish(bus.Message{Topic: c.Topics.NodeJournal(c.Journal.Node), Payload: b, Retain: true})
}

func (c *Controller) publish(topic string, retain bool, v any) {
	if b, ok := c.encode(topic, v); ok {
		c.Bus.Publish(bus.Message{Topic: topic, Payload: b, Retain: retain})
	}
}

// encode writes what is published on topic. It cannot fail but for what came
// from elsewhere, such as a time that JSON does not have.
func (c *Controller) encode(topic string, v any) ([]byte, bool) {
	b, err := json.Marshal(v)
	if err != nil {
		c.Log.Error("a message cannot be written", "topic", topic, "reason", err)
	}
	return b, err == nil
}

// handle folds one message. The zero time means that nothing was stepped.
func (c *Controller) handle(m bus.Message) time.Time {
	switch m.Topic {
	case bus.LinkState:
		// Once the link is up, the broker has delivered what it had retained.
		if string(m.Payload) == "up" {
			c.gotRetained = true
			if !c.waitUntil.IsZero() {
				c.waitUntil = c.Bus.Now()
			}
		}
		return c.step(rules.Tick{})
	case bus.Role:
		c.rereadJournal()
		return c.step(rules.Tick{})
	case bus.Contest:
		c.contest = string(m.Payload)
		return c.step(rules.Tick{})
	case bus.Missing:
		c.missing = string(m.Payload)
		return c.step(rules.Tick{})
	}
	levels, ok := c.Topics.Split(m.Topic)
	if !ok {
		return time.Time{}
	}
	switch {
	case levels[0] == "node":
		return c.handleJournal(levels[1], m)
	case levels[0] == "control" && len(levels) == 2 && levels[1] == devices.PlanLeaf:
		return c.handlePlan(m)
	case levels[0] == "control":
		return c.handleCommand(levels[1], m)
	}
	if strings.HasSuffix(m.Topic, devices.Set) {
		c.noteCommand(m)
		return time.Time{}
	}
	ev, err := event(levels, m)
	if err != nil {
		c.Log.Warn("a message was not understood", "topic", m.Topic, "reason", err)
		return time.Time{}
	}
	if ev == nil {
		return time.Time{}
	}
	if a, ok := ev.(rules.Answer); ok {
		c.noteAnswer(m.Topic, a)
	}
	next := c.step(ev)
	if m.Origin == bus.Local {
		c.resendCommands(ev)
	}
	return next
}

// handleJournal takes over a journal that a node has published, if it is newer than
// the one of this node and may be taken over: that of the node of the pair that
// was active before, or, at the start, what this node has lost.
func (c *Controller) handleJournal(node string, m bus.Message) time.Time {
	if m.Origin == bus.Local || len(m.Payload) == 0 {
		return time.Time{}
	}
	e, err := journal.Decode(m.Payload)
	if err != nil {
		c.Log.Warn("the journal on the broker cannot be used", "topic", m.Topic, "reason", err)
		return time.Time{}
	}
	if !c.adopts(node, e) {
		return time.Time{}
	}
	now, ok := c.Journal.Adopt(e)
	if !ok {
		return time.Time{}
	}
	c.Log.Info("journal taken from the broker", "node", e.Node, "generation", e.Generation, "sequence", e.Sequence)
	return c.step(rules.Recovered{Persisted: now.Persisted()})
}

// adopts reports whether the journal e that a node has published may be taken
// over. Two nodes that did so while both are active would do it without end.
// An active node of a pair takes over what the other one did while they did not
// see each other: one of the two stands by as soon as they do.
func (c *Controller) adopts(node string, e journal.Entry) bool {
	switch {
	case e.DryRun && !c.Settings.DryRun: // nothing in it has reached a device
		return false
	case node == c.Journal.Node: // an earlier life of this node, or another node of its name
		return !c.gotRetained
	case c.Role.Alone(): // a node that has another one's name by now
		return !c.gotRetained && c.noJournal
	}
	return !e.Alone
}

// rereadJournal takes over what the other node's journal says by now, if it came on
// the disk alone.
func (c *Controller) rereadJournal() {
	if e, ok := c.Journal.Reread(); ok {
		c.Log.Info("newer journal found on the disk", "node", e.Node, "generation", e.Generation, "sequence", e.Sequence)
		c.step(rules.Recovered{Persisted: e.Persisted()})
	}
}

// handleCommand handles a command to the controller itself.
func (c *Controller) handleCommand(name string, m bus.Message) time.Time {
	if len(m.Payload) == 0 && m.Retain || !c.Role.Active() {
		return time.Time{} // an empty one clears a retained command
	}
	now := c.Bus.Now()
	req, err := devices.ParseRequest(m.Payload)
	if req.ID == "" {
		req.ID = m.ID
	}
	var ev rules.Event
	switch why := m.Refusal(now, c.Role.Generation()); {
	case why != "":
		err = errors.New(why)
	case err == nil && c.awaitsJournal(now): // what it asks for would be folded into the wrong journal
		err = errors.New("powermgr is just starting: send it again in a moment")
	case err == nil:
		ev, err = settingChange(name, req, c.Settings.Unit)
		if o, ok := ev.(rules.OverrideAsked); ok && err == nil {
			_, err = o.Grant(c.Settings.Calendar, now)
		}
		if a, ok := ev.(rules.ByHandAsked); ok && err == nil {
			err = c.state.Check(a)
		}
	}
	res := devices.Result{ID: req.ID, Final: true, Requested: req.Value}
	if a, ok := ev.(rules.ByHandAsked); ok && a.Value != nil {
		res.Requested = a.Setting.Shown(*a.Value, c.Settings.Unit)
	}
	if m.Retain {
		c.Bus.Publish(bus.Message{Topic: m.Topic, Retain: true}) // or it would come again
	}
	if err != nil {
		c.Log.Warn("command refused", "topic", m.Topic, "reason", err)
		res.Reason = err.Error()
		c.publish(devices.ResultTopic(m.Topic), false, res)
		return time.Time{}
	}
	next := c.step(ev)
	res.Accepted, res.Applied, res.Reason = true, c.applied(name), req.Reason
	c.publish(devices.ResultTopic(m.Topic), false, res)
	return next
}

// handlePlan folds what the planner of this process says.
func (c *Controller) handlePlan(m bus.Message) time.Time {
	if m.Origin != bus.Local || len(m.Payload) == 0 {
		return time.Time{}
	}
	p, err := bus.Decode[plan.Plan](m)
	if err != nil {
		c.Log.Error("the plan was not understood", "reason", err)
		return time.Time{}
	}
	ev := rules.Planned{Reserve: p.Reserve, Made: p.Made, Why: p.Reason}
	switch t := p.Thermostats; {
	case t == nil || p.Reserve == nil:
	case t.Planned:
		ev.Comfort = &rules.Comfort{
			Peak: t.PeakStart, Lead: time.Duration(t.LeadMinutes) * time.Minute, PrecoolF: t.PrecoolF, SetbackF: t.SetbackF, Why: t.Reason,
		}
	default:
		ev.NoComfort = t.Reason
	}
	return c.step(ev)
}

// applied is what holds after a command to the controller.
func (c *Controller) applied(name string) any {
	if name == "strategy"+devices.Set || name == "strategy" {
		return string(c.state.Strategy())
	}
	if name == "enabled"+devices.Set || name == "enabled" {
		return map[bool]string{true: "OFF", false: "ON"}[c.state.Persisted.Disabled]
	}
	switch force := c.state.InForce(); rules.Adjustable(strings.TrimSuffix(name, devices.Set)) {
	case rules.AdjustPeakReserve:
		return force.PeakReserve
	case rules.AdjustOffPeakReserve:
		return force.OffPeakReserve
	case rules.AdjustPrecool:
		return rules.AdjustPrecool.Shown(force.PrecoolAdjustF, c.Settings.Unit)
	case "configured":
		return "configured"
	}
	return overrideText(c.state.Persisted.Override)
}

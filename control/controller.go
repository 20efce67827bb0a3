package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/journal"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Role reports what this node is in the pair.
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

	unread *knownHome // what the controller before this one knew and this one has yet to read; nil: nothing

	following following // the peak that runs

	contest string // what is wrong while other daemons command the same devices; empty: none does
	missing string // the thermostats that are not on the account, in the words of bus.Missing

	lastStep atomic.Int64 // Unix seconds of the last step, on the bus's clock

	userCommands map[string]string // payload of a person's last command, by topic
	acceptedHere map[string]bool   // topics of commands on their way that this process has seen accepted

	heldReadings []rules.Event // readings that arrived while it waited for a journal
	saveBy       time.Time     // when a change made by a reading has to be saved; zero: nothing waits
	waitUntil    time.Time     // nothing is decided before this, since a retained journal may come; zero: no waiting
	noJournal    bool          // there was no journal on the disk
	gotRetained  bool          // the broker has delivered what it had retained at the start
}

// journalTimeout is how long a node that has no journal, or cannot write its own,
// waits for one from the broker before it accepts the settings it finds as the
// baseline.
const journalTimeout = 10 * time.Second

// JournalBatchDelay is how long a change made by a reading may wait before it is
// saved, so that the confirmations of several devices become one write to the disk.
// Losing such a change in a crash is no worse than crashing before the reading.
const JournalBatchDelay = time.Second

// New returns a controller. It subscribes at once, so nothing published from now on
// is missed.
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

// Run runs the control loop until ctx ends, and returns ctx's error.
func (c *Controller) Run(ctx context.Context) error {
	defer c.sub.Close()
	wake, last := c.recover(), c.Bus.Now().Round(0)
	for {
		m, ok, err := c.sub.Next(ctx, devices.Earliest(wake, c.Bus.Now().Add(devices.StepInterval)))
		if err != nil {
			c.flush()
			return err
		}
		now := c.Bus.Now().Round(0) // as the clock on the wall has it
		setBack := now.Before(last)
		last = now
		if setBack || !ok && c.due(now, wake) {
			wake = c.step(rules.Tick{})
		}
		if !ok {
			continue
		}
		if next := c.handle(m); !next.IsZero() {
			wake = next
		}
	}
}

// due reports whether a step is due at now: that of wake, or one for another role of this
// node. If none is, the loop is as good as stepped.
func (c *Controller) due(now, wake time.Time) bool {
	if !wake.IsZero() && !now.Before(wake) || c.Role.Active() == c.state.Standby {
		return true
	}
	c.lastStep.Store(now.Unix())
	return false
}

// LastStep returns when the loop last took a step, or found that none was due: at most
// devices.StepInterval ago while all is well. It may be called from any goroutine.
func (c *Controller) LastStep() time.Time { return time.Unix(c.lastStep.Load(), 0) }

// recover reads the journal and takes the first step. The controller starts whatever
// the journal contains.
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

// step applies ev, saves what it changed, and carries out the decision. It returns
// when to step next.
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

// maxHeld limits the readings that are held: more than there are devices.
const maxHeld = 100

// holdReading keeps a reading until there is a journal to interpret it with, and
// reports whether ev is a reading.
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

// fold applies ev to the state: what changed is saved first, and then the decision is
// carried out.
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
	wake := devices.Earliest(c.saveBy, d.Wake)
	if c.unread != nil && now.Before(c.unread.until) {
		wake = devices.Earliest(wake, c.unread.until)
	}
	return wake
}

// batches reports whether the change made by ev may wait for the next save: nothing
// was decided from it yet, and the next reading would repeat it.
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

// flush saves any change that still waits in the batch.
func (c *Controller) flush() {
	if c.saveBy.IsZero() || c.state.Standby {
		return
	}
	if _, _, err := c.Journal.Save(c.state.Persisted, c.Role.Generation()); err != nil {
		c.Log.Error("the journal cannot be written", "reason", err)
	}
}

// awaitsJournal reports whether to keep waiting for a journal from the broker. The one
// on the disk, or the first that arrives, may not be the newest.
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
	state := present(c.state, d, &c.following, now)
	if c.contest != "" {
		state.Problem, state.Problems = true, append(state.Problems, rules.Problem{Kind: Contested, Text: c.contest})
	}
	if c.missing != "" {
		state.Problem, state.Problems = true, append(state.Problems, rules.Problem{Kind: Absent, Text: c.missing})
	}
	if !(c.shown != nil && state.same(*c.shown) || reflect.DeepEqual(state, c.shown)) && !c.onlyUnread(state, now) {
		c.shown = state
		c.publishState()
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

// publishState says what is shown, which the parts of this process are given as it is.
func (c *Controller) publishState() {
	topic := c.Topics.Control(devices.StateLeaf)
	m, err := bus.Encode(bus.Message{Topic: topic, Retain: true}, *c.shown)
	if err != nil {
		c.Log.Error("a message cannot be written", "topic", topic, "reason", err)
		return
	}
	c.Bus.Publish(bus.Also(m, plan.Reserves{Peak: &c.shown.PeakReserve, OffPeak: &c.shown.OffPeakReserve}))
}

func (c *Controller) publish(topic string, retain bool, v any) {
	if b, ok := c.encode(topic, v); ok {
		c.Bus.Publish(bus.Message{Topic: topic, Payload: b, Retain: retain})
	}
}

// encode returns v as JSON for topic. It fails only for values that came from
// elsewhere, such as a time that JSON cannot represent.
func (c *Controller) encode(topic string, v any) ([]byte, bool) {
	b, err := json.Marshal(v)
	if err != nil {
		c.Log.Error("a message cannot be written", "topic", topic, "reason", err)
	}
	return b, err == nil
}

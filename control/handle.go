package control

import (
	"errors"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/journal"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

// What the controller does with each message.

// handle processes one message. It returns the zero time if no step was taken.
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

// handleJournal takes over a journal published by a node if it is newer than this
// node's and may be taken over: that of the other node of the pair, or, at the start,
// one that this node has lost.
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

// adopts reports whether the journal e, published by node, may be taken over. Two
// active nodes that adopted each other's journal would go on forever. An active node of
// a pair does take over what the other one did while they could not see each other: one
// of the two stands by as soon as they can.
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

// rereadJournal takes over the other node's latest journal if it has arrived on the
// disk but not through the broker.
func (c *Controller) rereadJournal() {
	if e, ok := c.Journal.Reread(); ok {
		c.Log.Info("newer journal found on the disk", "node", e.Node, "generation", e.Generation, "sequence", e.Sequence)
		c.step(rules.Recovered{Persisted: e.Persisted()})
	}
}

// handleCommand handles a command to the controller itself, and answers it.
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

// handlePlan passes the plan of this process's planner to the rules.
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

// applied returns the value in force after a command to the controller.
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

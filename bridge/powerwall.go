package bridge

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// PowerwallOptions are what a Powerwall part needs; all fields are required but Meter,
// Energy, History, Restoring and Budget.
type PowerwallOptions struct {
	Shared
	Device    PowerwallDevice
	Every     func(now time.Time) time.Duration // between polls
	Meter     *Meter                            // nil: calls are not counted
	Energy    *Energy                           // nil: only the lifetime counters that the vendor provides
	Restoring func() bool                       // whether a setting of it still has to be restored; nil: never
	// History is where Energy gets the vendor's own figures. Nil: it uses power alone.
	History EnergyHistory
	// Budget limits the number of calls; Every then is the shortest time between
	// readings. Nil, or a budget without a limit: each poll reads everything, at a
	// fixed interval.
	Budget *Budget
	// Moment returns what the pace depends on when calls are limited; required then.
	Moment func(now time.Time) Moment
}

// Powerwall polls one battery and carries out the commands to it. Polls and writes
// never overlap, and a command interrupts a poll.
type Powerwall struct {
	PowerwallOptions
	poller     *poller
	queue      *commandQueue
	sub        *bus.Subscription
	last       *devices.PowerwallReading
	past       map[string][]any // by setting: values that may still show from before the write in progress; nil first: whatever shows first
	standingBy bool             // another node is the active one
	tariff     []byte           // as it was last published

	commanded map[string]time.Time   // by setting: when the last command for it came
	changed   time.Time              // when a reading last showed a setting that was not asked for here
	rereads   map[string][]time.Time // by setting: when to read the settings regardless of the pace; "": after a change that was not asked for here

	historyAt      time.Time // history is not read before this
	historyProblem string    // why history could not be read, as last logged; empty: it could
}

// NewPowerwall returns a part that is already subscribed.
func NewPowerwall(o PowerwallOptions) *Powerwall {
	p := &Powerwall{
		PowerwallOptions: o, past: map[string][]any{}, rereads: map[string][]time.Time{}, commanded: map[string]time.Time{},
		sub: o.Bus.Subscribe("powerwall", o.Topics.Powerwall("+"+devices.Set), bus.Role, bus.Stored(o.Topics.Powerwall(devices.StateLeaf))),
	}
	p.poller = newPoller(o.Shared, "powerwall", o.Topics.Powerwall(devices.APILeaf), p.pace, o.Meter)
	p.poller.restoring = o.Restoring
	p.queue = &commandQueue{poller: p.poller, usedByOthers: func(key string) bool { return key == "reserve" && p.last != nil && usedByOthers(*p.last) }}
	return p
}

// Run polls and carries out commands until ctx ends, and returns ctx's error.
func (p *Powerwall) Run(ctx context.Context) error {
	defer p.sub.Close()
	defer p.saveCounters()
	p.poller.loadLimits(p.Bus.Now())
	for {
		if len(p.queue.takeRefused()) > 0 && p.last != nil {
			p.show()
		}
		m, ok, err := p.sub.Next(ctx, p.due(p.Bus.Now()))
		switch {
		case err != nil:
			return err
		case ok && p.poller.roleChanged(m):
			p.last = nil // what the other node has read and set since is newer
		case ok && m.Topic == bus.Stored(p.Topics.Powerwall(devices.StateLeaf)):
			p.recallCounters(m)
		case ok:
			p.command(ctx, m)
		case !p.Role.Active():
			p.standBy(ctx)
		default:
			p.standingBy = false
			p.poll(ctx)
		}
	}
}

func (p *Powerwall) standBy(ctx context.Context) {
	if !p.standingBy {
		p.standingBy = true
		p.queue.abandonAll()
		p.saveCounters()
		p.last = nil // the other node's settings and counters are newer
	}
	p.poller.standBy(ctx, p.sub, func(ctx context.Context) error {
		_, err := p.Device.Read(ctx)
		return err
	})
}

// saveCounters saves the counters for whoever continues them.
func (p *Powerwall) saveCounters() {
	if p.Energy != nil {
		p.Energy.StandBy()
	}
	if p.Budget != nil {
		p.Budget.StandBy()
	}
}

// recallCounters continues from the energy counters that the broker has, where they are
// ahead of this node's: Home Assistant has counted up to those. Nothing else in a
// stored state is trusted.
func (p *Powerwall) recallCounters(m bus.Message) {
	defer p.Bus.Publish(bus.Message{Topic: bus.Seen(p.Topics.Powerwall(devices.StateLeaf)), Payload: m.Payload, Retain: true}) // the link waits for it
	r, err := bus.Decode[devices.PowerwallReading](m)
	if err != nil || p.Energy == nil {
		return
	}
	if p.Energy.Recall(r, p.last, p.Bus.Now()) && p.Role.Active() {
		p.show()
	}
}

func (p *Powerwall) poll(ctx context.Context) {
	wanted, now := p.partDue(p.Bus.Now()), p.Bus.Now()
	switch {
	case wanted == nothing:
		return
	case p.poller.readsPaused(now):
		p.queue.afterPoll(ctx, notPolled)
		return
	}
	var r devices.PowerwallReading
	interrupted, err := p.poller.read(ctx, p.sub, func(ctx context.Context) (err error) {
		r, err = p.read(ctx, wanted)
		return err
	})
	if interrupted || ctx.Err() != nil {
		return
	}
	var limit error
	if err == nil && wanted != settings {
		limit = p.syncHistory(ctx) // first, so that what is published counts it
	}
	p.publishRead(r, wanted, err)
	now = p.Bus.Now()
	if limit != nil { // of all reads, although this one was answered
		p.poller.polled(now, r.AsOf(), limit)
	}
	under := len(p.queue.open)
	p.queue.afterPoll(ctx, pollResultOf(err))
	if len(p.queue.open) < under {
		if p.Energy != nil {
			p.Energy.AfterCommand(now)
		}
		if p.Budget != nil {
			p.Budget.AfterCommand()
		}
	}
}

// show publishes the last reading.
func (p *Powerwall) show() {
	r := *p.last
	for _, w := range p.queue.open {
		if !w.automatic && w.look() != shown {
			r.Pending = append(r.Pending, w.key)
		}
	}
	slices.Sort(r.Pending)
	publishReading(p.Shared, p.Topics.Powerwall(devices.StateLeaf), r.Published())
	if len(r.Tariff) > 0 && !bytes.Equal(r.Tariff, p.tariff) {
		p.tariff = r.Tariff
		p.publish(p.Topics.Powerwall(devices.TariffLeaf), true, r.Tariff)
	}
}

func (p *Powerwall) command(ctx context.Context, m bus.Message) {
	now := p.Bus.Now()
	if !p.queue.guard(m, now) {
		return
	}
	levels, _ := p.Topics.Split(m.Topic)
	setting := levels[1]
	req, err := devices.ParseRequest(m.Payload)
	if req.ID == "" {
		req.ID = m.ID
	}
	var cmd devices.PowerwallCommand
	if err == nil {
		err = req.Only(restoresField)
	}
	if err == nil {
		cmd, err = powerwallCommand(setting, req.Value)
	}
	automatic := m.Source == devices.SourceControl
	if err == nil && automatic {
		if err = p.queue.yields(setting, now); err == nil {
			_, restores := req.Fields[restoresField]
			err = p.unchanged(ctx, restores)
			now = p.Bus.Now()
		}
	}
	if err != nil {
		p.queue.refuse(m, req, err)
		return
	}
	want := describePowerwall(cmd)
	a := answer{topic: devices.ResultTopic(m.Topic), id: req.ID, requested: want, shows: func() any { return p.value(setting) }, person: !automatic}
	first := sync.OnceFunc(func() {
		p.Log.Info("command", "device", "powerwall", "setting", setting, "value", want, "source", m.Source, "reason", req.Reason)
		p.queue.accept(a)
	})
	if !automatic {
		p.queue.notePerson(setting, now)
	}
	p.scheduleRereads(setting, cmd, now)
	p.commanded[setting] = now
	w := &write{
		key: setting, asked: want, answers: []answer{a}, answerFirst: first, automatic: automatic, until: lastSend(m, now),
		send: func(ctx context.Context) error { return p.Device.Apply(ctx, cmd) },
		look: func() verdict { return p.look(setting, want) },
	}
	if p.queue.join(w, now) != nil {
		return
	}
	p.supersede(setting)
	p.past[setting] = remember(p.past[setting], want)
	p.queue.start(ctx, w)
}

// lastSend returns until when a command may be sent for the first time.
func lastSend(m bus.Message, now time.Time) time.Time {
	until := now.Add(devices.CommandLife)
	if !m.Expires.IsZero() {
		until = minTime(until, m.Expires)
	}
	return until
}

// supersede ends the write of a setting that is in progress. What it asked for may
// still land, and is then nobody else's change.
func (p *Powerwall) supersede(setting string) {
	if !p.queue.pending(setting) {
		p.past[setting] = []any{p.value(setting)}
	}
	for _, w := range slices.Clone(p.queue.open) {
		if w.key == setting {
			p.queue.finish(w, superseded(!w.automatic || w.wasSent()))
		}
	}
}

// maxPast is how many values of a setting are kept that may still show.
const maxPast = 8

// remember appends v to the values that may still show, and keeps the latest.
func remember[T any](past []T, v T) []T {
	past = append(past, v)
	return past[max(0, len(past)-maxPast):]
}

func (p *Powerwall) look(setting string, want any) verdict {
	got, past := p.value(setting), p.past[setting]
	switch {
	case got == nil:
		return unknown
	case got == want:
		return shown
	case past[0] == nil:
		past[0] = got
		return asBefore
	case slices.Contains(past, got):
		return asBefore
	}
	return shownOther
}

// powerwallCommand parses the value of a command. The accepted forms:
//
//	reserve/set        0–80 or 100, with or without %
//	mode/set           self_consumption, autonomous, backup
//	storm_watch/set    ON, OFF (true, false); so grid_charging
//	export_rule/set    battery_ok, pv_only, never
func powerwallCommand(setting, value string) (cmd devices.PowerwallCommand, err error) {
	value = strings.TrimSpace(value)
	switch setting {
	case "reserve":
		var percent int
		percent, err = devices.ParseReserve(value)
		cmd.Reserve = &percent
	case "mode":
		mode := devices.Mode(strings.ToLower(value))
		if !slices.Contains(devices.Modes(), mode) {
			err = fmt.Errorf("%.40q is not a mode: send self_consumption, autonomous or backup", value)
		}
		cmd.Mode = &mode
	case "export_rule":
		rule := devices.ExportRule(strings.ToLower(value))
		if !slices.Contains(devices.ExportRules(), rule) {
			err = fmt.Errorf("%.40q is not an export rule: send battery_ok, pv_only or never", value)
		}
		cmd.ExportRule = &rule
	case "storm_watch", "grid_charging":
		var on bool
		on, err = devices.ParseSwitch(value)
		if setting == "storm_watch" {
			cmd.StormWatch = &on
		} else {
			cmd.GridCharging = &on
		}
	default:
		err = fmt.Errorf("a Powerwall has no %.40q to set: send to reserve, mode, storm_watch, grid_charging or export_rule", setting)
	}
	return cmd, err
}

// describePowerwall returns the value of a command as it appears in results; nil for a
// command without one.
func describePowerwall(c devices.PowerwallCommand) any {
	switch {
	case c.Reserve != nil:
		return *c.Reserve
	case c.Mode != nil:
		return string(*c.Mode)
	case c.ExportRule != nil:
		return string(*c.ExportRule)
	case c.StormWatch != nil:
		return onOff(*c.StormWatch)
	case c.GridCharging != nil:
		return onOff(*c.GridCharging)
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

// value returns what the last reading shows of a setting, in the form of
// describePowerwall; nil if that is unknown.
func (p *Powerwall) value(setting string) any {
	if p.last == nil {
		return nil
	}
	return p.settingsOf(*p.last)[setting]
}

// settingsOf returns the value of each setting in a reading.
func (p *Powerwall) settingsOf(r devices.PowerwallReading) map[string]any {
	return map[string]any{
		"reserve": describePowerwall(devices.PowerwallCommand{Reserve: r.ReservePercent}), "mode": describePowerwall(devices.PowerwallCommand{Mode: r.Mode}),
		"export_rule": describePowerwall(devices.PowerwallCommand{ExportRule: r.ExportRule}), "storm_watch": describePowerwall(devices.PowerwallCommand{StormWatch: r.StormWatch}),
		"grid_charging": describePowerwall(devices.PowerwallCommand{GridCharging: r.GridCharging}),
	}
}

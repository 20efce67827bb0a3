// Package planner keeps a plan up to date while the daemon runs: it learns from each
// reading, plans every half hour and whenever something changes, and in between
// reconsiders the reserve every five minutes with what it then knows. It publishes
// control/plan and commands nothing: package rules decides what to do with a plan.
//
// Engine is its core, without a bus, a file or a clock of its own. Planner connects it
// to the bus.
package planner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/forecast"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/control/tariff"
	"powermgr/control/thermal"
	"powermgr/devices"
)

// Role reports what this node is in the pair.
type Role interface {
	Active() bool       // false: another node plans
	Generation() uint64 // of the claim this node holds
}

// A Store keeps the prices that were sent by MQTT across a restart.
type Store interface {
	Load(key string, v any) error // fs.ErrNotExist when there is nothing
	Save(key string, v any) error
}

// Options are what a Planner needs; all fields are required but Rooms, Store and
// Learned.
type Options struct {
	Settings
	Bus    *bus.Bus
	Topics devices.Topics
	Role   Role
	Log    *slog.Logger
	// Past returns the home's past up to now, oldest first.
	Past func(now time.Time) ([]forecast.Sample, error)
	// Rooms returns the past of the thermostats' zones up to now; nil: nothing is
	// known, or it is learned while the daemon runs.
	Rooms func(now time.Time) []RoomHistory
	Store Store // nil: prices by MQTT are lost with the process
	// Learned stores what was learned about the house; nil: that is lost with the
	// process.
	Learned Store
}

// Planner runs an Engine on the bus; see Run.
type Planner struct {
	Options
	sub      *bus.Subscription
	engine   *Engine   // nil: on standby
	last     *Engine   // the engine to continue from; nil: there is none
	savedFit time.Time // when the house in the store was learned
}

// New returns a planner that is already subscribed.
func New(o Options) *Planner {
	t := o.Topics
	return &Planner{Options: o, sub: o.Bus.Subscribe("planner",
		t.Powerwall(devices.StateLeaf), t.Powerwall(devices.TariffLeaf), t.Tariff(devices.SetLeaf), t.Weather(devices.StateLeaf), t.Control(devices.StateLeaf), t.Thermostat("+", devices.StateLeaf), t.Control("+"+devices.ResultSuffix), bus.Role)}
}

// Resume makes p continue where last stopped. last ran in this process, perhaps with
// other settings, and has ended. Call Resume before Run.
func (p *Planner) Resume(last *Planner) { p.last = last.engine }

// Run plans until ctx ends, and returns ctx's error.
func (p *Planner) Run(ctx context.Context) error {
	defer p.sub.Close()
	p.followRole()
	for {
		var wake time.Time
		if p.engine != nil {
			wake = p.engine.Next()
		}
		m, ok, err := p.sub.Next(ctx, wake)
		if err != nil {
			return err
		}
		p.followRole()
		if ok {
			p.handle(m)
		}
		if p.engine == nil {
			continue
		}
		if out, ok := p.engine.Step(p.Bus.Now()); ok {
			p.publishPlan(out)
			p.saveHouse()
		}
	}
}

// followRole starts an engine when this node becomes the active one, and drops it when
// it no longer is.
func (p *Planner) followRole() {
	switch active := p.Role.Active(); {
	case !active:
		p.engine = nil
	case p.engine == nil:
		now := p.Bus.Now()
		past, err := p.Past(now)
		if err != nil {
			p.Log.Warn("the plan knows less of the past than it could", "reason", err)
		}
		p.engine = NewEngine(p.Settings, past)
		var kept tariff.Quotes
		if p.Source == FromMQTT && p.Store != nil {
			if err := p.Store.Load(quotesKey, &kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
				p.Log.Warn("the prices kept earlier cannot be read", "reason", err)
				kept = nil
			}
			p.engine.SetQuotes(kept)
		}
		p.loadHouse(now)
		if p.last != nil {
			if p.engine.Resume(p.last); !p.engine.published.Made.IsZero() {
				p.publishPlan(p.engine.published)
			}
		}
		for _, topic := range []string{p.Topics.Powerwall(devices.TariffLeaf), p.Topics.Weather(devices.StateLeaf), p.Topics.Control(devices.StateLeaf), p.Topics.Powerwall(devices.StateLeaf)} {
			if m, ok := p.Bus.Retained(topic); ok {
				p.handle(m)
			}
		}
	}
	p.last = nil
}

// RoomHistory is the past of a thermostat's zone.
type RoomHistory struct {
	ID      string // of the thermostat, as on topics
	Samples []thermal.Sample
	Follows []thermal.Setting // the settings the thermostat would follow by itself, one for each sample
}

// houseKey is the key of what was learned about the house in a Store.
const houseKey = "house"

// loadHouse restores what was learned about the house before the start.
func (p *Planner) loadHouse(now time.Time) {
	var h House
	if p.Learned != nil {
		if err := p.Learned.Load(houseKey, &h); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.Log.Warn("what was learned of the house cannot be read", "reason", err)
			h = House{}
		}
	}
	if now.Sub(h.Fitted) < houseExpires && !h.Fitted.After(now) {
		p.engine.SetHouse(h)
		p.savedFit = h.Fitted
	}
	if p.Rooms != nil {
		for _, l := range p.Rooms(now) {
			p.engine.AddHistory(l)
		}
	}
}

// saveHouse saves what was learned about the house, once a day, when it is learned.
func (p *Planner) saveHouse() {
	h := p.engine.House()
	if p.Learned == nil || h.Fitted.Equal(p.savedFit) {
		return
	}
	p.savedFit = h.Fitted
	if err := p.Learned.Save(houseKey, h); err != nil {
		p.Log.Warn("what was learned of the house is lost with the next restart", "reason", err)
	}
}

// quotesKey is the key of the prices that were sent by MQTT in a Store.
const quotesKey = "tariff_quotes"

// handle processes one message.
func (p *Planner) handle(m bus.Message) {
	switch {
	case p.engine == nil || len(m.Payload) == 0 && (m.Retain || m.Topic != p.Topics.Tariff(devices.SetLeaf)): // every command is answered
	case m.Topic == p.Topics.Powerwall(devices.StateLeaf):
		r, err := bus.Decode[devices.PowerwallReading](m)
		if err != nil {
			p.Log.Warn("a reading was not understood", "reason", err)
			return
		}
		p.engine.ReadPowerwall(r, p.Bus.Now())
	case m.Topic == p.Topics.Weather(devices.StateLeaf):
		f, err := bus.Decode[devices.Forecast](m)
		if err != nil {
			p.Log.Warn("a forecast was not understood", "reason", err)
			return
		}
		p.engine.SetForecast(f)
	case m.Topic == p.Topics.Control(devices.StateLeaf):
		if s, err := bus.Decode[plan.Reserves](m); err == nil && s.Peak != nil && s.OffPeak != nil {
			p.engine.SetRule(plan.Fixed{Peak: *s.Peak, OffPeak: *s.OffPeak})
		}
	case m.Topic == p.Topics.Powerwall(devices.TariffLeaf):
		p.handleTariff(m.Payload)
	case m.Topic == p.Topics.Tariff(devices.SetLeaf):
		p.handleQuotes(m)
	case m.Topic == bus.Role:
	case strings.HasSuffix(m.Topic, "/"+devices.StateLeaf):
		r, err := bus.Decode[devices.ThermostatReading](m)
		if err != nil {
			p.Log.Warn("a reading was not understood", "reason", err)
			return
		}
		p.engine.ReadThermostat(r, p.Bus.Now())
	default:
		res, err := bus.Decode[devices.Result](m)
		if err == nil && res.Accepted && !rules.OwnCommand(res.ID) {
			p.engine.PlanAgain()
		}
	}
}

// handleTariff takes over the tariff that the owner has set in Tesla's app.
func (p *Planner) handleTariff(content []byte) {
	if p.Source != FromTesla {
		return
	}
	t, notices, err := tariff.FromTesla(content, p.Zone)
	if err != nil {
		p.Log.Warn("the tariff in Tesla's app cannot be used", "reason", err)
		p.engine.SetTariff(nil, "the tariff in Tesla's app cannot be used: "+err.Error())
		return
	}
	p.Log.Info("the tariff of Tesla's app is known", "rates", len(t.Rates), "notices", notices)
	p.engine.SetTariff(&t, "")
}

// maxQuotes is the longest list of prices that is parsed, in bytes: a month of quarter
// hours.
const maxQuotes = 1 << 19

// handleQuotes takes over a list of prices, and answers the command.
func (p *Planner) handleQuotes(m bus.Message) {
	now := p.Bus.Now()
	var quotes tariff.Quotes
	var err error
	switch why := m.Refusal(now, p.Role.Generation()); {
	case why != "":
		err = errors.New(why)
	case p.Source != FromMQTT:
		err = fmt.Errorf("tariff.source is %s in the configuration: prices are taken from here if it is mqtt", p.Source)
	case len(m.Payload) > maxQuotes:
		err = fmt.Errorf("the list has %d bytes; %d is the most", len(m.Payload), maxQuotes)
	default:
		quotes, err = tariff.ParseQuotes(m.Payload)
		if end := quotes.End(); err == nil && !end.After(now) {
			err = fmt.Errorf("all of these prices are over: the last ends at %s", end.In(p.Zone).Format("2006-01-02 15:04"))
		}
	}
	if m.Retain {
		p.Bus.Publish(bus.Message{Topic: m.Topic, Retain: true}) // or it would come again
	}
	res := devices.Result{ID: m.ID, Final: true}
	if err != nil {
		p.Log.Warn("command refused", "topic", m.Topic, "reason", err)
		res.Reason = err.Error()
	} else {
		p.engine.SetQuotes(quotes)
		said := fmt.Sprintf("%d prices until %s", len(quotes), quotes.End().In(p.Zone).Format("2006-01-02 15:04"))
		res.Accepted, res.Requested, res.Applied = true, said, said
		if p.Store != nil {
			if err := p.Store.Save(quotesKey, quotes); err != nil {
				p.Log.Warn("the prices are lost with the next restart", "reason", err)
			}
		}
	}
	p.publish(devices.ResultTopic(m.Topic), res)
}

// publishPlan says a plan, which the parts of this process are given as it is.
func (p *Planner) publishPlan(out plan.Plan) {
	topic := p.Topics.Control(devices.PlanLeaf)
	m, err := bus.Encode(bus.Message{Topic: topic, Retain: true}, out)
	if err != nil {
		p.Log.Error("a message cannot be written", "topic", topic, "reason", err)
		return
	}
	if last, ok := p.Bus.Retained(topic); ok && bytes.Equal(last.Payload, m.Payload) {
		return // two plans of one second can be the same
	}
	p.Bus.Publish(m)
}

func (p *Planner) publish(topic string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.Log.Error("a message cannot be written", "topic", topic, "reason", err)
		return
	}
	p.Bus.Publish(bus.Message{Topic: topic, Payload: b})
}

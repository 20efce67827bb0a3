package control

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// LastCommand is the payload of control/last_command: the last command that somebody
// sent to powermgr, and its outcome. The controller's own commands are not included:
// they are decisions, which control/event reports.
type LastCommand struct {
	State  string         `json:"state"` // the command and its outcome as one readable line
	Topic  string         `json:"topic"` // the …/set topic it was sent to
	Value  string         `json:"value"`
	Result CommandOutcome `json:"result"`
	Reason string         `json:"reason"`
	At     time.Time      `json:"time"` // of the answer
}

// A CommandOutcome is what happened to a command.
type CommandOutcome string

// The outcomes of a command.
const (
	OnItsWay   CommandOutcome = "on its way"
	Accepted   CommandOutcome = "accepted" // and the device shows it
	Refused    CommandOutcome = "refused"
	NotApplied CommandOutcome = "not applied" // it was sent, and the device shows something else
	Unclear    CommandOutcome = "not known"   // whether the device has changed
)

// Home Assistant shows a state of at most 255 characters; what people send and what
// they get as a reason is limited too.
const maxState, maxValue, maxReason = 255, 60, 500

// maxOpen limits the topics that are remembered with a command on its way: more than a
// home has settings, and fewer than anyone could make up at the broker.
const maxOpen = 100

// CommandReporter publishes control/last_command, and an event for each command that
// was refused, from the answers of all parts.
type CommandReporter struct {
	bus        *bus.Bus
	topics     devices.Topics
	ownerUnit  devices.Unit // for temperatures that belong to no thermostat
	active     func() bool
	log        *slog.Logger
	sub        *bus.Subscription
	shownTopic string          // the topic of the answer that was shown last
	open       map[string]bool // topics with a command on its way
}

// NewCommandReporter returns a reporter that is already subscribed.
func NewCommandReporter(o Options) *CommandReporter {
	t, every := o.Topics, "+"+devices.ResultSuffix
	return &CommandReporter{
		bus: o.Bus, topics: t, ownerUnit: cmp.Or(o.Settings.Unit, devices.Fahrenheit), active: o.Role.Active, log: o.Log, open: map[string]bool{},
		sub: o.Bus.Subscribe("last command", t.Control(every), t.Powerwall(every), t.Thermostat("+", every), t.Weather(every), t.Tariff(devices.ResultSuffix[1:]), bus.Role),
	}
}

// Run reports until ctx ends, and returns ctx's error.
func (r *CommandReporter) Run(ctx context.Context) error {
	defer r.sub.Close()
	for {
		m, _, err := r.sub.Next(ctx, time.Time{})
		if err != nil {
			return err
		}
		if !r.active() { // what becomes of them is the other node's to tell
			clear(r.open)
			continue
		}
		if m.Topic == bus.Role || len(m.Payload) == 0 || m.Retain { // no answer is retained
			continue
		}
		res, err := bus.Decode[devices.Result](m)
		if err != nil {
			r.log.Warn("an answer to a command was not understood", "topic", m.Topic, "reason", err)
			continue
		}
		if !rules.OwnCommand(res.ID) {
			r.report(m.Topic, res)
		}
	}
}

func (r *CommandReporter) report(topic string, res devices.Result) {
	levels, _ := r.topics.Split(strings.TrimSuffix(topic, devices.ResultSuffix))
	what, setting := levels[0], levels[len(levels)-1]
	became := outcomeOf(what, res)
	wasOpen := r.open[topic]
	if delete(r.open, topic); became == OnItsWay && len(r.open) < maxOpen {
		r.open[topic] = true
	}
	now := devices.WholeSecond(r.bus.Now())
	if became == Refused {
		target := ""
		switch what {
		case "powerwall":
			target = rules.Powerwall
		case "thermostat":
			target = levels[1]
		}
		r.publish(devices.EventLeaf, false, Event{Type: rules.NoteRefused, Target: target, At: now,
			Reason: fmt.Sprintf("%s %.60q was refused: %s", setting, fmt.Sprint(res.Requested), res.Reason)})
	}
	if became == Accepted && wasOpen && r.shownTopic != topic {
		return // another command came after it
	}
	r.shownTopic = topic
	c := LastCommand{
		Topic: strings.TrimSuffix(topic, devices.ResultSuffix) + devices.Set, Value: line(valueOf(res.Requested), maxValue),
		Result: became, Reason: line(res.Reason, maxReason), At: now,
	}
	c.State = line(r.sentence(levels, c, res), maxState)
	r.publish(devices.CommandLeaf, true, c)
}

// outcomeOf returns the outcome that an answer reports. Parts that decide by themselves
// repeat the sender's reason when they accept a command, so a reason means a failure
// only for devices.
func outcomeOf(what string, res devices.Result) CommandOutcome {
	device := what == "powerwall" || what == "thermostat"
	switch {
	case !res.Accepted:
		return Refused
	case !res.Final:
		return OnItsWay
	case res.Unknown:
		return Unclear
	case device && res.Reason != "":
		return NotApplied
	}
	return Accepted
}

// sentence describes a command and its outcome: "override pause until 20:00: accepted".
func (r *CommandReporter) sentence(levels []string, c LastCommand, res devices.Result) string {
	setting := levels[len(levels)-1]
	text := setting + " " + c.Value
	_, number := res.Requested.(float64)
	unit := ""
	switch levels[0] {
	case "control":
		text = r.controlSentence(setting, c, res)
	case "powerwall":
		if setting == "reserve" {
			unit = " %"
		}
	case "weather":
		unit = " °" + string(r.ownerUnit)
	case "thermostat":
		name := levels[1]
		if m, ok := r.bus.Retained(r.topics.Thermostat(levels[1], devices.StateLeaf)); ok {
			if reading, err := bus.Decode[devices.ThermostatReading](m); err == nil && reading.Name != "" {
				name, unit = line(reading.Name, maxValue), " °"+string(reading.Unit)
			}
		}
		text = "thermostat " + name + " " + text
	}
	if number {
		text += unit
	}
	text = strings.TrimSpace(text) + ": " + string(c.Result)
	if c.Result != OnItsWay && c.Result != Accepted {
		text += ": " + c.Reason
	}
	return text
}

// controlSentence describes a command to the controller: "override pause until 20:00".
func (r *CommandReporter) controlSentence(setting string, c LastCommand, res devices.Result) string {
	_, number := res.Requested.(float64)
	switch a := rules.Adjustable(setting); {
	case number && a == rules.AdjustPrecool:
		return a.String() + " " + c.Value + " °" + string(r.ownerUnit)
	case number && slices.Contains(rules.Adjustables(), a):
		return a.String() + " " + c.Value + " %"
	case c.Result != Accepted:
	case setting == "restore" || setting == "configured":
		return setting
	case setting == "override":
		kind, _, _ := strings.Cut(c.Value, " ")
		return setting + " " + kind + r.until()
	}
	return setting + " " + c.Value
}

// until returns the end of the override in force as text; empty: there is none.
func (r *CommandReporter) until() string {
	m, ok := r.bus.Retained(r.topics.Control(devices.StateLeaf))
	if !ok {
		return ""
	}
	s, err := bus.Decode[State](m)
	if err != nil || s.Until == nil {
		return ""
	}
	format := "15:04"
	if now := r.bus.Now().In(s.Until.Location()); now.Format(time.DateOnly) != s.Until.Format(time.DateOnly) {
		format = time.DateOnly + " 15:04"
	}
	return " until " + s.Until.Format(format)
}

func (r *CommandReporter) publish(leaf string, retain bool, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		r.log.Error("what became of a command cannot be written", "reason", err)
		return
	}
	r.bus.Publish(bus.Message{Topic: r.topics.Control(leaf), Payload: b, Retain: retain})
}

// valueOf returns the requested value in the form in which it would be sent.
func valueOf(requested any) string {
	switch v := requested.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "ON", false: "OFF"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(requested)
}

// line returns text on one line of at most most characters.
func line(text string, most int) string {
	all := []rune(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, text))
	if len(all) > most {
		all = append(all[:most-1], '…')
	}
	return string(all)
}

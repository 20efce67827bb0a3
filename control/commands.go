package control

import (
	"maps"
	"strings"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// A person's command outlives the process that has accepted it. A thermostat may need
// two writes for one command, and a process that dies between them leaves it in a mode
// that nobody asked for.

// longestPayload is more bytes than any command needs.
const longestPayload = 500

// noteCommand remembers the payload of a person's command to a device.
func (c *Controller) noteCommand(m bus.Message) {
	if _, again := c.userCommands[m.Topic]; m.Source != devices.SourceControl && !m.Retain && (again || len(c.userCommands) < maxOpen) && len(m.Payload) <= longestPayload {
		c.userCommands[m.Topic] = string(m.Payload)
	}
}

// noteAnswer records a person's command in the journal from its first answer to its
// last.
func (c *Controller) noteAnswer(result string, a rules.Answer) {
	topic := strings.TrimSuffix(result, devices.ResultSuffix) + devices.Set
	payload, heard := c.userCommands[topic]
	k := c.state.Persisted.Commands[topic]
	switch {
	case rules.OwnCommand(a.ID):
	case c.state.Standby && a.Final:
		delete(c.userCommands, topic)
	case c.state.Standby:
	case a.Final && c.acceptedHere[topic] && k.Open > 1:
		k.Open--
		c.recordCommand(topic, &k)
	case a.Final:
		delete(c.userCommands, topic)
		delete(c.acceptedHere, topic)
		c.recordCommand(topic, nil)
	case a.Accepted && heard:
		if !c.acceptedHere[topic] {
			k.Open = 0 // another process's
		}
		c.acceptedHere[topic] = true
		c.recordCommand(topic, &rules.Command{Payload: payload, At: devices.WholeSecond(c.Bus.Now()), Open: k.Open + 1})
	}
}

// recordCommand sets the command of a topic for the next save; nil removes it.
func (c *Controller) recordCommand(topic string, k *rules.Command) {
	all := maps.Clone(c.state.Persisted.Commands)
	if all == nil {
		all = map[string]rules.Command{}
	}
	if k != nil {
		all[topic] = *k
	} else {
		delete(all, topic)
	}
	if len(all) == 0 {
		all = nil
	}
	c.state.Persisted.Commands = all
}

// resendCommands sends a person's commands to the device of ev again if the process
// that accepted them ended without reporting the result. Commands older than
// devices.CommandLife are dropped.
func (c *Controller) resendCommands(ev rules.Event) {
	if c.state.Standby {
		clear(c.acceptedHere)
		return
	}
	device := ""
	switch ev := ev.(type) {
	case rules.BatteryRead:
		device = c.Topics.Powerwall("")
	case rules.ThermostatRead:
		device = c.Topics.Thermostat(ev.ID, "")
	default:
		return
	}
	now := c.Bus.Now()
	for topic, k := range c.state.Persisted.Commands {
		if c.acceptedHere[topic] || !strings.HasPrefix(topic, device) {
			continue
		}
		c.recordCommand(topic, nil)
		if age := now.Sub(k.At); age < 0 || age >= devices.CommandLife {
			continue
		}
		c.Log.Info("a command is sent again: it has had no final answer", "topic", topic, "value", k.Payload)
		c.Bus.Publish(bus.Message{Topic: topic, Payload: []byte(k.Payload), Expires: k.At.Add(devices.CommandLife)})
	}
}

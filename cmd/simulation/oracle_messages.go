package simulation

// What the oracle concludes from each message that a node publishes.

import (
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// message judges every message that the daemon of a node publishes.
func (w *oracle) message(n *node, m bus.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.home.onMessage != nil {
		w.home.onMessage(n.name, m)
	}
	w.secrets("topic", m.Topic, m.Payload)
	if n.stranger {
		return
	}
	levels, ok := devices.Topics{Base: "powermgr"}.Split(m.Topic)
	if !ok {
		return
	}
	switch name := strings.Join(levels[1:], "/"); levels[0] {
	case "node":
		if name == n.name+"/state" {
			w.nodeSays(n.name, m)
		}
	case "control":
		w.controlSays(name, m)
	case "powerwall":
		w.batterySays(name, m)
	case "thermostat":
		id, name, _ := strings.Cut(name, "/")
		if i := slices.IndexFunc(w.homes, func(d *thermostatOracle) bool { return d.id == id }); i >= 0 {
			w.thermostatSays(w.homes[i], name, m)
		}
	}
}

func (w *oracle) controlSays(name string, m bus.Message) {
	switch name {
	case devices.StateLeaf:
		w.controlState(m)
	case "peak_reserve" + devices.ResultSuffix, "off_peak_reserve" + devices.ResultSuffix, "precool_depth" + devices.ResultSuffix, allByHand + devices.ResultSuffix:
		w.line("  %s %s", m.Topic, m.Payload)
		w.answersByHand(strings.TrimSuffix(name, devices.ResultSuffix), m)
	case "override" + devices.ResultSuffix, "enabled" + devices.ResultSuffix, "restore" + devices.ResultSuffix:
		w.line("  %s %s", m.Topic, m.Payload)
	}
}

func (w *oracle) controlState(m bus.Message) {
	s, err := bus.Decode[control.State](m)
	if err != nil {
		return
	}
	if s.Override != w.override {
		w.overridden = time.Now()
	}
	w.changes.act(w.override != "" && s.Override != w.override, !s.Enabled)
	w.paused, w.override = s.Override == string(rules.OverridePause) || !s.Enabled && s.Override == string(rules.Auto), s.Override
	w.judgeLatches(s)
	w.judgeGivesWay(s)
	w.judgeByHand(s)
	if s.Phase != w.phase {
		w.turns(s.Phase)
	}
}

// turns notes that another phase begins.
func (w *oracle) turns(phase rules.Phase) {
	if event, was := phase != rules.OffPeak, w.phase != rules.OffPeak; event != was {
		w.taken, w.choice, w.glimpse = time.Time{}, time.Time{}, glimpse{}
		w.hidden = w.hidden && (event || !w.commanded) // a command ends with its peak, even if it is only shown later
		if event {
			for _, d := range w.homes {
				d.taken = time.Time{}
			}
		}
	}
	w.phase, w.changed = phase, time.Now()
}

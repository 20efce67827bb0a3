package simulation

// What goes wrong in the home.

import (
	"fmt"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices/emulator"
)

// vendorFault is a vendor that fails. It has the fields of emulator.Fault.
type vendorFault struct {
	Endpoint   string         `yaml:"endpoint"`
	Only       emulator.Kind  `yaml:"only,omitempty"`
	Class      emulator.Class `yaml:"class"`
	Count      int            `yaml:"count"` // of requests; -1: until vendorsWell, or for Lasts
	Lasts      float64        `yaml:"lasts,omitempty"`
	Status     int            `yaml:"status,omitempty"`
	Body       string         `yaml:"body,omitempty"`
	RetryAfter int            `yaml:"retry_after,omitempty"`
	Seconds    float64        `yaml:"seconds,omitempty"`
	Fields     []string       `yaml:"fields,omitempty"`
	Values     map[string]any `yaml:"values,omitempty"`
}

func (a vendorFault) do(h *home) {
	if h.world.APIToken && a.Class == emulator.Expire && strings.HasPrefix(a.Endpoint, "tesla.") {
		return // nobody could get another one
	}
	h.fault(emulator.Fault(a))
}

func (a vendorFault) String() string {
	return fmt.Sprintf("fault: %s %s %s %d %.0fs %v%v, %d times, for %.0fs, retry after %ds", a.Endpoint, a.Only, a.Class, a.Status, a.Seconds, a.Fields, a.Values, a.Count, a.Lasts, a.RetryAfter)
}

// vendorsWell ends the faults of the vendors.
type vendorsWell struct{}

func (vendorsWell) do(h *home)     { h.cloud.ClearFaults() }
func (vendorsWell) String() string { return "the faults are over" }

// faultsEnd ends all current and future faults: the quiet begins.
type faultsEnd struct{}

func (faultsEnd) do(h *home)     { h.calm() }
func (faultsEnd) String() string { return "" }

// tokensEnd ends all authorizations with the vendors except the refresh tokens.
type tokensEnd struct{}

func (tokensEnd) do(h *home) {
	if !h.world.APIToken { // nobody could get another one
		h.cloud.Tesla.KillTokens()
	}
	h.cloud.Resideo.KillTokens()
	h.cloud.TCC.EndSessions()
}
func (tokensEnd) String() string { return "all tokens and sessions end" }

// which selects a node by its current role.
type which string

const (
	active which = "active"
	other  which = "other" // or the only one
)

func (w which) of(h *home) *node {
	if w == other {
		return h.other()
	}
	return h.active()
}

// kill is kill -9, or a power cut.
type kill struct {
	Node which         `yaml:"node"`
	Down time.Duration `yaml:"down"`
	// Reboot empties the ramdisk.
	Reboot bool `yaml:"reboot,omitempty"`
}

func (a kill) do(h *home) { a.Node.of(h).end(ending{off: a.Down, reboot: a.Reboot}) }
func (a kill) String() string {
	how := map[bool]string{false: "kill -9", true: "a power cut"}[a.Reboot]
	return fmt.Sprintf("%s of the %s node, up again in %v", how, a.Node, a.Down)
}

// stop is systemctl stop, and a start some time later, perhaps after a reboot.
type stop struct {
	Node   which         `yaml:"node"`
	Down   time.Duration `yaml:"down"`
	Reboot bool          `yaml:"reboot,omitempty"`
}

func (a stop) do(h *home) { a.Node.of(h).end(ending{how: stopped, off: a.Down, reboot: a.Reboot}) }
func (a stop) String() string {
	return fmt.Sprintf("the %s node is stopped, up again in %v, with an empty ramdisk %v", a.Node, a.Down, a.Reboot)
}

// reload is systemctl reload.
type reload struct {
	Node which `yaml:"node"`
}

func (a reload) do(h *home) { a.Node.of(h).end(ending{how: reloaded}) }
func (a reload) String() string {
	return fmt.Sprintf("the %s node reads its configuration again", a.Node)
}

// killWhen kills the active node at the Nth moment of a kind, or stops or reloads it some
// time after that.
type killWhen struct {
	Moment moment        `yaml:"moment"`
	Nth    int           `yaml:"nth"`
	How    how           `yaml:"how,omitempty"`
	After  time.Duration `yaml:"after,omitempty"`
	Down   time.Duration `yaml:"down"`
	Reboot bool          `yaml:"reboot,omitempty"`
}

func (a killWhen) do(h *home) {
	h.active().arm(crashpoint{moment: a.Moment, left: a.Nth, ending: ending{how: a.How, after: a.After, off: a.Down, reboot: a.Reboot}})
}
func (a killWhen) String() string {
	return fmt.Sprintf("a crash is set for time %d that %s", a.Nth, a.Moment)
}

// diskFull fills the disks of the journals, or makes room again.
type diskFull struct {
	Full bool `yaml:"full"`
}

func (a diskFull) do(h *home) { h.full(a.Full) }
func (a diskFull) String() string {
	return map[bool]string{true: "the disk is full", false: "the disk has room again"}[a.Full]
}

// brokerUp starts or stops the broker.
type brokerUp struct {
	Up      bool `yaml:"up"`
	Forgets bool `yaml:"forgets,omitempty"` // what was retained
}

func (a brokerUp) do(h *home) { h.broker.set(a.Up, a.Forgets) }
func (a brokerUp) String() string {
	return map[bool]string{true: "the broker is back", false: "the broker is gone"}[a.Up]
}

// brokerCut disconnects the active node from the broker, or connects all nodes again.
type brokerCut struct {
	Cut bool `yaml:"cut"`
}

func (a brokerCut) do(h *home) {
	if a.Cut {
		h.broker.cut(h.active(), true)
		return
	}
	h.broker.heal()
}

func (a brokerCut) String() string {
	return map[bool]string{true: "the active node has lost the broker", false: "every node has the broker again"}[a.Cut]
}

// clockJumps changes the clock of the active node.
type clockJumps struct {
	By time.Duration `yaml:"by"`
}

func (a clockJumps) do(h *home)     { h.jump(a.By) }
func (a clockJumps) String() string { return fmt.Sprintf("the clock jumps by %v", a.By) }

// clockRight sets all clocks to the right time.
type clockRight struct{}

func (clockRight) do(h *home)     { h.right() }
func (clockRight) String() string { return "the clock is right again" }

// trouble is what can take a device away from powermgr.
type trouble string

const (
	storm        trouble = "storm"
	gridServices trouble = "grid services"
	gridOutage   trouble = "grid outage"
	notAlive     trouble = "not alive" // from here on: of a thermostat
	vacation     trouble = "vacation"
	utilityEvent trouble = "utility event"
)

// deviceAway begins or ends something that takes a device away from powermgr.
type deviceAway struct {
	By         trouble `yaml:"by"`
	Thermostat int     `yaml:"thermostat"` // if the trouble is one of a thermostat
	Begins     bool    `yaml:"begins"`
}

func (a deviceAway) do(h *home) {
	h.device(func(e *emulator.House) {
		t := e.Thermostats[a.Thermostat]
		switch a.By {
		case storm:
			e.StormActive = a.Begins
		case gridServices:
			e.GridServices = a.Begins
		case gridOutage:
			e.OffGrid = a.Begins
		case notAlive:
			t.Alive = !a.Begins
		case vacation:
			t.Vacation = a.Begins
		case utilityEvent:
			t.UtilityEvent = a.Begins
		}
	})
}

func (a deviceAway) String() string {
	return fmt.Sprintf("%s (thermostat %d) %s", a.By, a.Thermostat, map[bool]string{true: "begins", false: "ends"}[a.Begins])
}

// message is one that must not be acted on, or one from Home Assistant.
type message struct {
	Topic   string    `yaml:"topic"`
	Payload string    `yaml:"payload"`
	Retain  bool      `yaml:"retain,omitempty"`
	Expires time.Time `yaml:"expires,omitempty"`
}

func (a message) do(h *home) {
	h.send(bus.Message{Topic: a.Topic, Payload: []byte(a.Payload), Retain: a.Retain, Expires: a.Expires})
}
func (a message) String() string {
	return fmt.Sprintf("message to %s, retained %v: %.60q", a.Topic, a.Retain, a.Payload)
}

// journalIs replaces the active node's journal with other content.
type journalIs struct {
	Content string `yaml:"content"`
}

func (a journalIs) do(h *home)     { h.active().spoil([]byte(a.Content)) }
func (a journalIs) String() string { return fmt.Sprintf("the journal on the disk is %q", a.Content) }

// roleMoves makes keepalived move the active role to the other node.
type roleMoves struct{}

func (roleMoves) do(h *home)     { h.keepalived.handOver() }
func (roleMoves) String() string { return "keepalived moves to the other node" }

// nodesSeparate cuts the connection between the nodes, or restores it.
type nodesSeparate struct {
	Apart bool `yaml:"apart"`
}

func (a nodesSeparate) do(h *home) { h.keepalived.split(a.Apart) }
func (a nodesSeparate) String() string {
	return map[bool]string{true: "the nodes do not see each other", false: "the nodes see each other again"}[a.Apart]
}

package simulation

// What people change by hand.

import (
	"fmt"
	"math/rand/v2"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// adjust is somebody who changes a setting by hand.
type adjust struct {
	Setting rules.Adjustable `yaml:"setting"`
	Payload string           `yaml:"payload"` // a number, or "configured"
}

func (a adjust) do(h *home) { h.byHand(string(a.Setting), a.Payload) }
func (a adjust) String() string {
	return fmt.Sprintf("somebody sets the %s to %s by hand", a.Setting, a.Payload)
}

// configured is the button that undoes everything that was changed by hand.
type configured struct{}

func (configured) do(h *home)     { h.byHand(allByHand, "PRESS") }
func (configured) String() string { return "somebody undoes what was changed by hand" }

// allByHand is the button's name in its topic.
const allByHand = "configured"

// byHand sends a change by hand.
func (h *home) byHand(name, payload string) {
	h.oracle.byHand(name, payload)
	h.send(bus.Message{Topic: "powermgr/control/" + name + devices.Set, Payload: []byte(payload)})
}

// adjusts draws whether people change settings by hand. It uses a separate random stream,
// so that everything else that a seed draws stays the same.
func (w *drawing) adjusts(seed uint64) {
	r := rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15, 0x68616e64)) // consecutive seeds begin almost the same
	if !chance(r, 0.25) {
		return
	}
	own := &drawing{world: w.world, rand: r, date: w.date, hours: w.hours}
	at := own.at()
	for range 1 + r.IntN(3) {
		a := adjust{Setting: pick(r, rules.Adjustables()...)}
		switch a.Setting {
		case rules.AdjustPeakReserve:
			a.Payload = pick(r, "10", "15", "30", "40", "0")
		case rules.AdjustOffPeakReserve:
			a.Payload = pick(r, "100", "80", "75", "60", "50")
		case rules.AdjustPrecool:
			a.Payload = pick(r, "0", "1", "3.5", "5")
		}
		switch {
		case chance(r, 0.1):
			a.Payload = allByHand
		case chance(r, 0.1): // is refused
			a.Payload = pick(r, "85", "-1", "NaN", "much", "{")
		case chance(r, 0.2):
			a.Payload = fmt.Sprintf(`{"value":%s,"id":"person"}`, a.Payload)
		}
		own.add(at, a)
		at = own.later(at, 120)
	}
	if chance(r, 0.6) {
		own.add(at, configured{})
	}
}

// asConfigured returns the value of a setting in the home's configuration.
func asConfigured(a rules.Adjustable) float64 {
	return map[rules.Adjustable]float64{rules.AdjustOffPeakReserve: 100, rules.AdjustPrecool: 2}[a]
}

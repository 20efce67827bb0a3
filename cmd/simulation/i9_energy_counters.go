package simulation

// I9: no energy counter falls, as Home Assistant sees it.

import (
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// counted judges every reading of the battery that reaches the broker, and therefore Home
// Assistant: there, a counter that falls is a meter that has started over, and its energy
// is counted twice.
func (w *oracle) counted(m bus.Message) {
	r, err := bus.Decode[devices.PowerwallReading](m)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, v := range map[string]*devices.WattHours{
		"grid_import": r.GridImport, "grid_export": r.GridExport, "solar": r.Solar, "battery_in": r.BatteryIn, "battery_out": r.BatteryOut, "home": r.Home,
	} {
		if v == nil {
			continue
		}
		// Two nodes that are both active do not hear from each other in time.
		if before := w.counters[name]; *v < before && !w.apart(time.Now()) {
			w.broken(I9, "%s fell from %.3f to %.3f kWh", name, before/1000, *v/1000)
		}
		w.counters[name] = *v
	}
}

// uncounted notes that the broker has forgotten everything: a node whose ramdisk is lost
// at the same time only has its disk left.
func (w *oracle) uncounted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.counters)
}

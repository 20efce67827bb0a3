package simulation

// I2: no reserve and no set point outside its bounds is sent to a vendor.

import (
	"powermgr/devices"
	"powermgr/devices/emulator"
)

func (w *oracle) judgeBounds(sent emulator.Write) {
	if r, ok := sent.Values["reserve"].(int); ok && devices.CheckReserve(r) != nil {
		w.broken(I2, "a reserve of %d %% was sent", r)
	}
	for i, t := range w.home.house.Thermostats {
		if t.LCCID == sent.Device {
			w.judgeSetPoints(w.homes[i], sent.Values)
		}
	}
}

// judgeSetPoints judges the set points of a write, allowing for rounding by the vendor.
func (w *oracle) judgeSetPoints(d *thermostatOracle, sent map[string]any) {
	for _, p := range []struct {
		name    string
		low, up float64
	}{{"cool_setpoint", d.low, d.high}, {"heat_setpoint", d.cold, d.hot}} {
		v, ok := sent[p.name].(float64)
		if f := d.unit.To(devices.Fahrenheit, v); ok && (f < p.low-0.6 || f > p.up+0.6) {
			w.broken(I2, "%s %g °F for %s is outside %g–%g", p.name, f, d.id, p.low, p.up)
		}
	}
}

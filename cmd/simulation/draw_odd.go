package simulation

// What a seed draws that is odd about homes, vendors and people, but hardly a fault.

import (
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// oddities draws what is always odd about the home, and n odd things that happen to it.
func (w *drawing) oddities(n int) {
	r := w.rand
	w.APIToken = chance(r, 0.08)
	w.Echoes = chance(r, 0.08)
	if w.Nodes == 1 && chance(r, 0.08) {
		w.Stranger = stranger{Begins: w.at(), DryRun: chance(r, 0.5)}
	}
	for i := range w.Thermostats {
		if chance(r, 0.15) {
			w.near(&w.Thermostats[i])
		}
	}
	always := w.Begins.Add(time.Second)
	if chance(r, 0.1) {
		w.add(always, vendorFault{Endpoint: "tesla.site_info", Class: emulator.Lag, Seconds: float64(2 + r.IntN(300)), Count: -1})
	}
	if chance(r, 0.1) {
		w.add(always, vendorFault{Endpoint: w.Backend + ".*", Only: emulator.KindRead, Class: emulator.Lag, Seconds: float64(2 + r.IntN(240)), Count: -1})
	}
	for range n {
		w.oddity(w.at())
	}
}

// near sets both set points of a thermostat closer together than its deadband, as
// somebody at the wall can do who uses only one of them.
func (w *drawing) near(t *thermostat) {
	if t.Set.Cool == nil || t.Mode == devices.HeatCool {
		return
	}
	step := 1.0
	if t.Unit == devices.Celsius {
		step = 0.5
	}
	gap := step * float64(w.rand.IntN(3))
	if t.Mode == devices.Heat {
		t.Set.Cool = new(*t.Set.Heat + gap)
		return
	}
	t.Set.Heat = new(*t.Set.Cool - gap)
}

// apart is the least time between two glitches: two consecutive readings that agree have
// to be believed.
const apart = 25 * time.Minute

// oddity draws something odd that happens.
func (w *drawing) oddity(at time.Time) {
	r := w.rand
	seconds := func(least, most int) float64 { return float64(least + r.IntN(most-least)) }
	vendor := pick(r, "tesla", "tesla", w.Backend)
	switch r.IntN(14) {
	case 0, 1:
		if !w.glitched.IsZero() && at.Sub(w.glitched).Abs() < apart {
			return
		}
		w.glitched = at
		w.add(at, vendorFault{Endpoint: "tesla.live_status", Class: emulator.Replace, Count: 1, Values: map[string]any{"percentage_charged": 0, "battery_power": 0}})
	case 2:
		field := pick(r, "response", "percentage_charged", "timestamp", "backup_reserve_percent", "changeableValues", "latestData", "coolSetpoint", "CoolSetpoint")
		w.add(at, vendorFault{Endpoint: vendor + ".*", Only: emulator.KindRead, Class: emulator.Replace, Count: 1, Values: map[string]any{field: nil}})
	case 3:
		w.add(at, vendorFault{Endpoint: "tesla.live_status", Class: emulator.Lag, Count: 1, Seconds: seconds(600, 7200)})
	case 4:
		w.add(at, vendorFault{Endpoint: "tesla.live_status", Class: emulator.Freeze, Count: -1, Lasts: seconds(600, 7200)})
	case 5, 6:
		w.add(at, vendorFault{Endpoint: vendor + ".*", Only: pick(r, emulator.KindRead, emulator.KindWrite), Class: emulator.Status, Status: 401, Count: 1 + r.IntN(2)})
	case 7:
		w.add(at, vendorFault{Endpoint: vendor + ".*", Only: pick(r, "", emulator.KindWrite), Class: emulator.Status, Status: 401, Count: -1, Lasts: seconds(60, 3600)})
	case 8:
		f := vendorFault{Endpoint: vendor + ".*", Only: emulator.KindRead, Class: emulator.Status, Status: 429, Count: 1, RetryAfter: 900 + r.IntN(48_000)}
		if chance(r, 0.5) {
			f.Count, f.Lasts = -1, float64(f.RetryAfter)
		}
		w.add(at, f)
	case 9:
		for on := true; ; on = !on {
			w.add(at, deviceAway{By: gridServices, Begins: on})
			if !on && chance(r, 0.2) || at.Equal(w.Ends) {
				break
			}
			at = w.later(at, 6)
		}
		w.add(w.Ends, deviceAway{By: gridServices})
	case 10:
		w.add(at, reload{pick(r, active, active, other)})
	case 11:
		w.add(at, stop{pick(r, active, active, other), time.Duration(1+r.IntN(600)) * time.Second, chance(r, 0.4)})
	case 12, 13:
		w.renewal(at)
	}
}

// renewal draws a daemon that ends while a new token is on its way to it.
func (w *drawing) renewal(at time.Time) {
	r := w.rand
	vendor := pick(r, "tesla", "resideo")
	takes := between(r, 0.2, 12)
	w.add(at, vendorFault{Endpoint: vendor + ".token", Class: emulator.Latency, Seconds: takes, Count: 1})
	w.add(at, tokensEnd{})
	w.add(at, killWhen{
		Moment: tokenAsked, Nth: 1, How: pick(r, stopped, reloaded), After: time.Duration(between(r, 0, takes) * float64(time.Second)),
		Down: time.Duration(1+r.IntN(60)) * time.Second,
	})
}

// offAndOn draws somebody who switches a thermostat off and on again, at the wall or from
// an automation, for example because a window is open.
func (w *drawing) offAndOn() {
	r := w.rand
	i, at, by := r.IntN(len(w.Thermostats)), w.at(), pick(r, "wall", "publish")
	set := func(at time.Time, m devices.HVACMode) {
		if by == "wall" {
			w.add(at, wall{i, change{Mode: &m}})
		} else {
			w.add(at, publish{&i, "mode", string(m)})
		}
	}
	set(at, devices.Off)
	if chance(r, 0.9) {
		set(w.later(at, 90), w.Thermostats[i].Mode)
	}
}

// stubborn draws a battery that does not do what it is asked to. It is called last, so
// that everything else that a seed draws stays as it was before there were such
// batteries.
func (w *drawing) stubborn(often float64) {
	r := w.rand
	if chance(r, often) {
		w.Powerwall.ReserveFloor = pick(r, 5, 20)
		w.Powerwall.Reserve = max(w.Powerwall.Reserve, w.Powerwall.ReserveFloor)
	}
	if chance(r, often) {
		w.add(w.at(), vendorFault{Endpoint: "tesla.backup", Class: emulator.Idle, Count: 1})
	}
}

// ahead draws faults that powermgr is known not to withstand yet.
func (w *drawing) ahead() {
	r := w.rand
	if chance(r, 0.3) {
		w.add(w.Begins.Add(time.Second), vendorFault{Endpoint: "tesla.site_info", Class: emulator.Lag, Seconds: float64(600 + r.IntN(4*3600)), Count: -1})
	}
}

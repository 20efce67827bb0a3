package simulation

// What the oracle concludes from each request to a vendor, and from each write.

import (
	"fmt"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// wrote judges a node's write to a vendor before it arrives.
func (w *oracle) wrote(n *node, active bool, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writer = n.name
	w.judgeSender(n, active, path)
}

// request judges every request to the vendors. It is called under the cloud's lock.
func (w *oracle) request(q emulator.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.home.onRequest != nil {
		w.home.onRequest(q)
	}
	if q.Fault != "" && !mild(q.Injected) {
		w.trouble = time.Now()
		if q.Vendor == "tesla" {
			w.disturbance = time.Now()
		}
	}
	w.asks(q)
	w.batteryIs(w.home.house)
	if vendors.KindOf(q.Endpoint) == emulator.KindWrite { // the portal may have ended the session
		w.limits.commanded() // a daemon that dies may publish nothing more
	}
	if q.Write != nil {
		w.arrives(*q.Write, q.Fault == "")
	} else if q.Endpoint == "tesla.backup" && q.Fault != "" && (q.Status < 300 || q.Status >= 500) {
		w.unshown = new(-1) // its daemon cannot know that nothing came of it
	}
}

// batteryIs notes the state of the battery at a request.
func (w *oracle) batteryIs(h *emulator.House) {
	w.figures.see(h.Stored)
	if w.idles() {
		w.idleAt = time.Now() // this request may end it, and be noticed later
	}
	w.idle, w.has = h.Idle || h.Mode != devices.SelfConsumption, h.Reserve
	w.reallyOwned = h.StormActive || h.GridServices || h.OffGrid
}

// idles reports whether the battery does something other than what the reserve that it
// shows says: then it may be sent that reserve although it shows it.
func (w *oracle) idles() bool { return w.idle || w.has != w.reserve } // the other reserve is on its way, or is shown late

// arrives judges a write that arrives at a vendor. answered says whether the vendor
// answered it correctly.
func (w *oracle) arrives(sent emulator.Write, answered bool) {
	w.writes++
	w.line("  -> %s %v%s", sent.Device, sent.Values, map[bool]string{false: " (not carried out)"}[sent.Carried])
	w.judgeSending(sent.Device, fmt.Sprint(sent.Values), sent.Carried && answered)
	w.judgeArrival(sent)
	w.judgeBounds(sent)
	if v, ok := sent.Values["reserve"].(int); ok {
		if time.Since(w.reserveSent) > moments {
			w.sentBefore, w.unshownBefore = w.reserveSent, w.unshown
		}
		w.reserveSent = time.Now()
		if sent.Carried && answered && (w.unshown == nil || v != w.reserve) { // what is shown already proves nothing about the one before
			w.unshown = &v
		}
	}
	for i, t := range w.home.house.Thermostats {
		if t.LCCID == sent.Device {
			w.homes[i].arrives(settingOf(t), sent)
		}
	}
}

// arrives notes a write to a thermostat that is set to before.
func (d *thermostatOracle) arrives(before setting, sent emulator.Write) {
	d.written, d.timed = time.Now(), d.timed || sent.Values["hold"] == string(devices.HoldUntil)
	d.covered = d.covered || d.unseen != nil && sent.Carried
	if !d.taken.IsZero() && sent.Carried {
		after := asWritten(before, sent.Values) // the end of its command may never be published
		d.choices = append(d.choices, after)
	}
}

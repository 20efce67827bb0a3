package rules

import (
	"time"

	"powermgr/devices"
)

// This is the only path from what is wanted to a write. It is the same for every device
// and every level: the gates, what to ask the device for next, and at most one write.

// A device is one whose setting the rules want to change or keep, for one of the levels.
type device interface {
	// target returns its id: Powerwall, or that of a thermostat.
	target() string
	// insists reports whether to write to the device although its last reading is in
	// doubt.
	insists(*step) bool
	// known reports whether enough is known of the device to ask it for something.
	known(*step) bool
	// next returns what to ask the device for, and false if the device has what is wanted
	// or will have it without a write.
	next(*step) (request, bool)
	// ready reports whether the device may be asked now.
	ready(*step, request) bool
	// write records a request and sends it.
	write(*step, request)
}

// A request is what a device is to be asked for.
type request struct {
	want  devices.Setting
	goal  Goal
	again bool      // the last write asked for the same
	read  time.Time // when the device was last read; zero: not since the start
	why   string    // a special reason, which is noted; empty: there is none
}

// reconcile sends at most one write to a device.
func (st *step) reconcile(d device) {
	switch id := d.target(); {
	case st.doubted(id) && !d.insists(st):
		// The next reading shows whether a person has chosen something.
	case st.awaits(id):
		// The answer to a person's command shows what there is to write.
	case !d.known(st):
	default:
		r, due := d.next(st)
		if due && (!r.again || st.mayRetry(id, r.goal, r.read)) && d.ready(st, r) {
			d.write(st, r)
		}
	}
}

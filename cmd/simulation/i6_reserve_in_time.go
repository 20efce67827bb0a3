package simulation

// I6: the reserve is lowered within a poll of the peak's start.

import (
	"slices"
	"time"
)

// inTime is how long after a peak's start the reserve has to be that of the peak.
const inTime = 65 * time.Second

// judgeReserveInTime judges the reserve soon after a peak has started, if nothing could
// have kept it from following the clock.
func (w *oracle) judgeReserveInTime(h *home, start time.Time) {
	settle := h.world.Powerwall.SettleDelay
	truth, faulty := h.cloud.Truth(), slices.ContainsFunc(h.cloud.ActiveFaults(), teslas)
	w.mu.Lock()
	defer w.mu.Unlock()
	calm := h.active().well() && start.Sub(w.battery) < 6*time.Minute && start.Sub(w.disturbance) > 15*time.Minute && start.After(w.limits.unread) && w.free(start) && w.taken.IsZero() &&
		!w.touched.After(start.Add(-45*time.Minute)) && !w.owner && !h.world.DryRun && settle < time.Minute && !faulty && start.Sub(w.forgotten) > 3*time.Hour
	limited := !w.jumped.IsZero() && truth.Reserve == 80 // on a wrong clock it looks like a choice
	over := w.far                                        // by that clock it may have been over already, and no peak begins twice
	if calm && w.hand.sure(start) && truth.Reserve != w.peakReserve() && !limited && !over {
		w.broken(I6, "a minute into the peak the reserve is %d %%", truth.Reserve)
	}
}

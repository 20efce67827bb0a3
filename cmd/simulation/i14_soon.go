package simulation

// I14: what is to be restored is restored soon, as long as the vendor accepts commands: a
// failed read, or a limit or refusal that is over, is no reason to wait.

import (
	"context"
	"slices"
	"strings"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// owed is what the oracle needs to know for this.
type owed struct {
	hindered map[string]time.Time // until when a vendor had reasons not to accept commands
	lockouts int                  // how often the portal refused a log-in
	told     map[string]bool      // what has already been reported
	calm     time.Time            // since when people have left everything to the rules; zero: they have not
	owned    time.Time            // when the battery last had an owner, or could not be read correctly
}

// soon is how long after the last reason not to do so something has to be restored: two
// polls outside peaks and the wait between two tries.
const soon = 25 * time.Minute

// look checks the home once a minute until ctx ends. It lets no time pass in the home and
// takes no moment from the scheduler, so that the day is the same without it.
func (w *oracle) look(ctx context.Context) {
	for at := w.home.world.Begins.Add(time.Minute + 2*moments); ctx.Err() == nil; at = at.Add(time.Minute) {
		t := time.NewTimer(time.Until(at))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		faults := w.home.cloud.ActiveFaults()
		var is state
		w.home.cloud.Look(func(e *emulator.House) {
			is.reserve, is.owner = e.Reserve, e.StormActive || e.GridServices || e.OffGrid
			for _, t := range e.Thermostats {
				is.thermostats, is.away = append(is.thermostats, settingOf(t)), append(is.away, unavailable(t))
			}
		})
		w.givenBackSoon(is, faults)
	}
}

// state is what the devices are set to, and which thermostats are unavailable.
type state struct {
	reserve     int
	owner       bool // the battery has an owner
	thermostats []setting
	away        []bool
}

// givenBackSoon judges once a minute what the devices are set to.
func (w *oracle) givenBackSoon(is state, faults []emulator.Fault) {
	well := w.home.active().well()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judgeLimits()
	now := time.Now()
	w.hindrances(is, faults, now)
	calm := well && !w.apart(now) && w.scheduled(now) == rules.OffPeak && w.phase == rules.OffPeak && w.override == string(rules.Auto) && !w.paused && w.free(now) &&
		w.jumped.IsZero() && w.forgotten.IsZero() && !w.home.world.DryRun && now.Before(w.home.world.Ends.Add(grace))
	if !calm {
		w.owed.calm = time.Time{}
		return
	}
	if w.owed.calm.IsZero() {
		w.owed.calm = now
	}
	w.judgeReserveSoon(is, now)
	w.judgeThermostatsSoon(is, now)
}

// hindrances notes what keeps the vendors from accepting commands now.
func (w *oracle) hindrances(is state, faults []emulator.Fault, now time.Time) {
	for _, f := range faults {
		if vendor, _, _ := strings.Cut(f.Endpoint, "."); !mild(f) && now.After(w.owed.hindered[vendor]) {
			w.owed.hindered[vendor] = now
		}
	}
	if slices.ContainsFunc(faults, func(f emulator.Fault) bool {
		return f.Class == emulator.Lag && f.Seconds > devices.ShownWithin.Seconds() && strings.HasPrefix(f.Endpoint, w.home.world.Backend)
	}) {
		w.slow = now
	}
	if is.owner || now.Before(w.limits.unread) || slices.ContainsFunc(faults, func(f emulator.Fault) bool { return strings.HasPrefix(f.Endpoint, "tesla.") }) {
		w.owed.owned = now
	}
}

// unhindered returns for how long nothing has kept a command from reaching a vendor.
func (w *oracle) unhindered(vendor string, now time.Time) time.Duration {
	return now.Sub(slices.MaxFunc([]time.Time{w.owed.calm, w.disturbance, w.overridden, w.chosen, w.changed, w.booted, w.disowned, w.split, w.owed.hindered[vendor]}, time.Time.Compare))
}

func (w *oracle) judgeReserveSoon(is state, now time.Time) {
	if is.reserve != w.peakReserve() || is.reserve == w.offPeakReserve() || !w.hand.sure(now) || w.strategy == rules.StrategyPlan || !w.touched.IsZero() || w.home.tokens.gone("tesla") {
		return
	}
	well := w.unhindered("tesla", now)
	if well <= soon {
		return
	}
	switch over := now.Sub(w.owed.owned); {
	case !w.owner:
		w.late("reserve", "the reserve is still that of the peak after %v in which nothing kept Tesla from being told", well.Round(time.Minute))
	case over > soon:
		w.late("reserve", "the reserve is still that of the peak, %v after Tesla has let go of the battery", over.Round(time.Minute))
	}
}

func (w *oracle) judgeThermostatsSoon(is state, now time.Time) {
	backend := w.home.world.Backend
	if w.home.tokens.gone(backend) {
		return
	}
	well := w.unhindered(backend, now)
	for i, d := range w.homes {
		real := is.thermostats[i]
		wanted := slices.ContainsFunc(d.choices, func(c setting) bool { return slices.ContainsFunc(c.aged(now).taken(d.gap), real.equal) })
		if !wanted && d.byRules(real) && d.chosen.IsZero() && !d.commanded && !is.away[i] && now.Sub(d.written) > soon && well > 2*soon {
			w.late(d.id, "%s is still %s after %v in which nothing kept its vendor from being told", d.id, real, well.Round(time.Minute))
		}
	}
}

// late reports, once, that something is not restored soon.
func (w *oracle) late(key, format string, args ...any) {
	if !w.owed.told[key] {
		w.owed.told[key] = true
		w.broken(I14, format, args...)
	}
}

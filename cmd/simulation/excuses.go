package simulation

// What excuses powermgr from a promise.

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"powermgr/control/rules"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// contested reports whether a promise cannot be kept because a stranger controls the same
// devices.
func (w *oracle) contested(i Invariant) bool {
	s := w.home.world.Stranger
	return s.is() && !s.DryRun && time.Now().After(s.Begins) && !slices.Contains([]Invariant{I2, I7, I8, I10, I12}, i)
}

// apart reports whether both nodes may be active, or have just been: neither knows what
// the other sees.
func (w *oracle) apart(now time.Time) bool {
	return w.home.keepalived.apart.Load() || !w.split.IsZero() && now.Sub(w.split) < 15*time.Minute
}

// muddled reports whether two nodes, or two processes of one, may disagree about which
// request of a person is the latest.
func (w *oracle) muddled() bool { return !w.jumped.IsZero() || w.apart(time.Now()) }

// undisturbed reports whether nothing has happened recently that could keep a thermostat
// from doing what it is told.
func (w *oracle) undisturbed(d *thermostatOracle, now time.Time) bool {
	const lately = 20 * time.Minute
	ends := d.automatic.setting.Until // perhaps the end of its current hold, after which it shows its schedule for a while
	return now.Sub(w.trouble) > lately && now.Sub(w.disturbance) > lately && now.Sub(d.chosen) > lately && !w.apart(now) && w.jumped.IsZero() &&
		ends.Sub(now).Abs() > lately
}

// free reports whether people have left everything to the rules for a while. If it is in
// doubt which of their requests were heard, the daemon's state is trusted.
func (w *oracle) free(now time.Time) bool {
	if w.overrides.doubt || w.overrides.unheard {
		return w.override == string(rules.Auto) && now.Sub(w.overridden) > 10*time.Minute && now.Sub(w.overrides.switched) > 10*time.Minute && !w.paused
	}
	return w.overrides.free(now)
}

// teslas reports whether a fault is one at Tesla that can keep the reserve from following
// the clock. Nothing else may.
func teslas(f emulator.Fault) bool { return strings.HasPrefix(f.Endpoint, "tesla.") && !mild(f) }

// mild reports whether a fault prevents neither sending a command nor its acceptance by
// the vendor: only readings are late, wrong or missing.
func mild(f emulator.Fault) bool {
	reads := f.Only == emulator.KindRead || !strings.HasSuffix(f.Endpoint, "*") && vendors.KindOf(f.Endpoint) == emulator.KindRead
	silent := f.Class == emulator.Status && f.Status == http.StatusTooManyRequests && strings.HasPrefix(f.Endpoint, "tesla.") // thermostats are read before each command
	_, empty := f.Values["response"]                                                                                          // Tesla's whole answer, and nothing is written there unseen
	return reads && !empty && (silent && f.RetryAfter > 900 || slices.Contains([]emulator.Class{emulator.Lag, emulator.Freeze, emulator.Replace}, f.Class))
}

// unavailable reports whether a thermostat is offline or has an owner, so that the rules
// cannot set it.
func unavailable(t *emulator.Thermostat) bool { return !t.Alive || t.Vacation || t.UtilityEvent }

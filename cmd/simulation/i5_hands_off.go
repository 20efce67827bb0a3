package simulation

// I5: nothing is written in a dry run, nor by a node on standby; and while people have
// paused the rules or switched them off, every write restores something.

import (
	"time"

	"powermgr/devices/emulator"
)

// judgeSender judges that a node may write, before its write arrives.
func (w *oracle) judgeSender(n *node, active bool, path string) {
	if n.dry {
		w.broken(I5, "%s is a dry run, and sends %s", n.name, path)
	}
	if since, ok := w.standby[n.name]; ok && since.Before(time.Now()) && !active {
		w.broken(I5, "%s has been standing by since %s, and writes", n.name, since.In(zone()).Format("15:04:05"))
	}
}

// judgeArrival judges a write that has arrived at a vendor.
func (w *oracle) judgeArrival(sent emulator.Write) {
	if w.home.world.DryRun {
		w.broken(I5, "%s was written in dry run: %v", sent.Device, sent.Values)
	}
}

// judgeReserveWhileStopped judges that while people have stopped the rules, the reserve
// is not set lower than what they have chosen, or than it is outside peaks.
func (w *oracle) judgeReserveWhileStopped(c reserveCommand) (broken bool) {
	now := time.Now()
	switch {
	case w.home.world.DryRun:
		w.broken(I5, "a reserve of %d %% was commanded in dry run", c.Value)
	case (w.paused || w.overrides.stopped(now)) && c.Value < min(80, w.minOffPeakReserve()) && !c.restoresChoice && !w.apart(now):
		w.broken(I5, "a reserve of %d %% was commanded while paused", c.Value)
	default:
		return false
	}
	return true
}

// judgeHoldWhileStopped judges that while people have stopped the rules, a thermostat is
// only restored.
func (w *oracle) judgeHoldWhileStopped(d *thermostatOracle, c command) {
	switch {
	case w.home.world.DryRun:
		w.broken(I5, "%s was commanded in dry run: %s", d.id, c.reason)
	case !c.restore && (w.paused || w.overrides.stopped(c.at)) && !w.apart(c.at):
		w.broken(I5, "%s was commanded while paused: %s", d.id, c.reason)
	}
}

package simulation

// I4: commands are spaced, none is repeated without need, and none asks for what the
// device already has.

import (
	"slices"
	"time"
)

// A sending is a write to a vendor.
type sending struct {
	at      time.Time
	node    string
	values  string
	carried bool // the write was carried out, and the vendor told the rules so
}

// A command that is not accepted is sent twice more, two minutes apart.
const (
	maxSendings = 3
	sendingsIn  = 5 * time.Minute
)

// onceIn is the time within which an accepted command must never be sent again.
const onceIn = 20 * time.Second

// judgeSending judges how often the same values are sent to a device.
func (w *oracle) judgeSending(device, values string, carried bool) {
	now := time.Now()
	lately := slices.DeleteFunc(w.sent[device], func(s sending) bool {
		return now.Sub(s.at) > sendingsIn || s.at.Before(w.booted) || s.at.Before(w.split) || s.at.Before(w.jumped)
	})
	// A person's command sends more than it asks for, and the rules do not know what.
	w.sent[device] = append(lately, sending{now, w.writer, values, carried && !w.asked[device]})
	delete(w.asked, device)
	n := 0
	for _, s := range w.sent[device] {
		if s.values == values && s.node == w.writer { // a node that takes over is noticed later
			n++
		}
	}
	if n > maxSendings && !w.apart(now) {
		w.broken(I4, "%s was sent %s %d times in %v", device, values, n, sendingsIn)
	}
	if carried && len(lately) > 0 && len(w.home.nodes) == 1 { // a node of a pair may not know of the other's write yet
		if last := lately[len(lately)-1]; last.values == values && last.carried && now.Sub(last.at) < onceIn {
			w.broken(I4, "%s was sent %s twice in %v, and had taken it the first time", device, values, now.Sub(last.at))
		}
	}
}

// judgeReserveIsNeeded judges that no reserve is commanded that the battery already has,
// as far as its daemon can know.
func (w *oracle) judgeReserveIsNeeded(c reserveCommand) (broken bool) {
	now, sent, unshown := time.Now(), w.reserveSent, w.unshown
	if now.Sub(sent) <= moments { // the write that this command has caused
		sent, unshown = w.sentBefore, w.unshownBefore
	}
	overtakes := unshown != nil && *unshown != c.Value || w.decided.overtakes(sent)
	has := c.Value == w.reserve && !w.idles() && now.Sub(w.idleAt) > moments
	read := !w.hidden && w.reserveAt.Before(now.Add(-moments)) && now.Sub(w.reserveAt) < 10*time.Minute
	settled := w.pending == nil && w.reserveAt.Sub(sent) > 10*time.Minute && now.Sub(w.booted) > 10*time.Minute
	if broken = has && read && settled && !w.apart(now) && w.jumped.IsZero() && !overtakes; broken {
		w.broken(I4, "the reserve is %d %% already: %s", c.Value, c.Reason)
	}
	return broken
}

// judgeHoldIsNeeded judges that no hold is commanded soon after another one, nor one that
// the thermostat already has. last is the automatic command before c.
func (w *oracle) judgeHoldIsNeeded(d *thermostatOracle, c, last command) {
	now := c.at
	if w.apart(now) || !w.jumped.IsZero() && len(w.home.nodes) > 1 {
		return // one node does not know what the other's wrong clock meant
	}
	// Messages arrive a few moments after they were sent.
	if !c.restore && !last.at.IsZero() && now.Sub(last.at) < 10*time.Minute-10*moments && !c.setting.in(last.setting.Mode).same(last.setting) && last.at.After(w.jumped) {
		w.broken(I4, "%s was commanded again after %v: %s", d.id, now.Sub(last.at), c.reason)
	}
	// A hold with a different end is a different hold, apart from rounding by the device.
	otherEnd := c.setting.timed() && roundedUp(c.setting.Until).Compare(d.shown.Until) != 0
	rest := c.restore && !d.shown.alike(c.setting) // it restores what the current mode does not use
	has := d.shown.same(c.setting) && !otherEnd && !rest
	read := d.shownAt.Before(now.Add(-10*moments)) && now.Sub(d.shownAt) < 10*time.Minute
	settled := (last.at.IsZero() || last.shown) && now.Sub(d.written) > 10*time.Minute
	if has && read && settled {
		w.broken(I4, "%s has that already: %s", d.id, c.reason)
	}
}

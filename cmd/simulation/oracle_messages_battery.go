package simulation

// What the oracle concludes from each message about the battery.

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

func (w *oracle) batterySays(name string, m bus.Message) {
	switch {
	case name == devices.StateLeaf:
		w.batteryState(m)
	case name == "reserve"+devices.Set && m.Source == devices.SourceControl:
		w.reserveCommand(m.Payload)
	case strings.HasSuffix(name, devices.ResultSuffix):
		w.batteryResult(name, m)
	}
}

// glimpse is a choice at the battery as one reading shows it.
type glimpse struct {
	reserve int    // -1: the choice is the mode
	mode    string // in that case
	is      bool   // there is one
}

// again reports whether a later reading shows the same choice.
func (g glimpse) again(later glimpse) bool {
	return g.is && (g.reserve == later.reserve || g.reserve < 0 && g.mode == later.mode)
}

func (w *oracle) batteryState(m bus.Message) {
	r, err := bus.Decode[devices.PowerwallReading](m)
	if err != nil {
		return
	}
	if !r.PolledAt.Equal(w.polledAt) { // powermgr repeats a reading after a refused command
		w.battery, w.polledAt = time.Now(), r.PolledAt
	}
	if r.ChargePercent != nil {
		w.figures.says(float64(*r.ChargePercent), r.AsOf())
	}
	fresh := !r.SettingsAsOf().Equal(w.settingsAt) // otherwise it repeats what was read before
	w.settingsAt = r.SettingsAsOf()
	wasTeslas := w.owner
	w.ownerShown(r)
	if fresh {
		w.settingsShown(r, wasTeslas || w.owner)
	}
}

// ownerShown notes whether a reading shows that the battery has an owner.
func (w *oracle) ownerShown(r devices.PowerwallReading) {
	is := func(b *bool) bool { return b != nil && *b }
	owner := is(r.StormActive) || is(r.GridServicesActive) || r.GridConnected != nil && !*r.GridConnected
	if owner && !w.owner {
		w.owned = time.Now()
	}
	if !owner && w.owner {
		w.disowned = time.Now()
	}
	w.owner = owner
}

// settingsShown notes the battery's settings in a reading. What Tesla did while it was
// the battery's owner was not chosen by a person.
func (w *oracle) settingsShown(r devices.PowerwallReading, teslas bool) {
	first, shows := w.glimpse, glimpse{reserve: -1}
	if r.Mode != nil {
		shows.mode = string(*r.Mode)
	}
	if r.ReservePercent != nil {
		shows.reserve = *r.ReservePercent
	}
	// A single reading that no other one confirms decides nothing: a choice counts from
	// the second reading that shows it.
	if w.glimpse = (glimpse{}); !teslas && first.again(shows) && !w.planned[first.reserve] { // a plan may have asked for the same since
		w.choice = time.Now()
	}
	if r.ReservePercent != nil {
		w.reserveShown(*r.ReservePercent, teslas)
	}
	if r.Mode != nil {
		w.modeShown(string(*r.Mode), teslas)
	}
	if w.hidden {
		w.touched, w.hidden = time.Now(), false // a choice counts from the time when it is shown
	}
	if !w.touched.Before(w.changed) && w.taken.IsZero() && !w.touched.IsZero() && !w.owner {
		w.taken = time.Now()
	}
}

func (w *oracle) reserveShown(v int, teslas bool) {
	// No rule asks for such a value, and no plan has asked for it: it is a person's
	// choice.
	if w.hidden && v != w.reserve && !slices.Contains([]int{0, 20, 80, 100}, v) && !w.planned[v] && !w.hand.ever[v] && !teslas {
		w.glimpse = glimpse{reserve: v, is: true}
	}
	w.reserve, w.reserveAt = v, time.Now()
	if w.unshown != nil && *w.unshown == v {
		w.unshown = nil
	}
	if w.pending != nil && *w.pending == w.reserve {
		w.pending = nil
	}
}

func (w *oracle) modeShown(mode string, teslas bool) {
	// No rule asks for a mode either; but a reserve that the rules have set is restored
	// whatever the mode is.
	if w.hidden && mode != w.mode && w.mode != "" && w.phase != rules.OffPeak && !teslas && w.choice.IsZero() && !w.glimpse.is {
		w.glimpse = glimpse{reserve: -1, mode: mode, is: true}
	}
	w.mode = mode
}

// reserveCommand is an automatic command for the reserve.
type reserveCommand struct {
	Value    int    `json:"value"`
	Restores bool   `json:"restores"`
	Reason   string `json:"reason"` // only for the story

	restoresChoice bool // it puts a person's choice back after an automatic write has landed over it
}

func (w *oracle) reserveCommand(payload []byte) {
	var c reserveCommand
	if json.Unmarshal(payload, &c) != nil {
		return
	}
	c.restoresChoice = c.Restores && w.chosenReserve != nil && c.Value == *w.chosenReserve
	w.limits.commanded()
	w.line("  command: %s", c.Reason)
	// If one command breaks several promises, only the first is reported.
	_ = w.judgeReserveWhileStopped(c) || w.judgeReserveIsNeeded(c) || w.judgeReserveIsFree(c)
	w.judgeChange(c.Value, c.restoresChoice)
	if !c.restoresChoice {
		w.planned[c.Value] = true
	}
	w.pending = &c.Value
}

func (w *oracle) batteryResult(name string, m bus.Message) {
	r, err := bus.Decode[devices.Result](m)
	if err != nil || rules.OwnCommand(r.ID) {
		return
	}
	w.line("  %s %s", name, m.Payload)
	if r.Accepted {
		w.touched = time.Now()
	}
	if name == "reserve"+devices.ResultSuffix && r.Final && !r.Accepted {
		w.choice = time.Time{} // it may never have landed, and then the reserve of the rules is restored
	}
}

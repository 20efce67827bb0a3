package emulator

// Past states of the house: vendors' clouds show devices as they were seconds or hours
// ago.

import (
	"slices"
	"sort"
	"time"
)

// moment is the visible state of the house at one time.
type moment struct {
	at          time.Time
	powerwall   Powerwall
	flows       flows
	offGrid     bool
	outdoorC    float64
	thermostats []Thermostat
}

// longestLag is how far back states of the house are kept.
const longestLag = 24 * time.Hour

// remember stores the current state of the house: once a minute, and whenever a setting
// has changed.
func (h *House) remember() {
	n := len(h.past)
	if n > 0 && h.at.Sub(h.past[n-1].at) < time.Minute && h.past[n-1].shows(h) {
		return
	}
	m := moment{at: h.at, powerwall: h.Powerwall, flows: h.flows, offGrid: h.OffGrid, outdoorC: h.OutdoorC, thermostats: make([]Thermostat, 0, len(h.Thermostats))}
	for _, t := range h.Thermostats {
		copied := *t
		copied.queue = slices.Clone(t.queue)
		m.thermostats = append(m.thermostats, copied)
	}
	h.past = append(h.past, m)
	if old := h.at.Add(-longestLag); len(h.past)%1024 == 0 { // only rarely, since the rest has to be moved
		h.past = slices.Delete(h.past, 0, sort.Search(len(h.past), func(i int) bool { return h.past[i].at.After(old) }))
	}
}

// shows reports whether the devices had the same settings then as now.
func (m moment) shows(h *House) bool {
	p := h.Powerwall
	p.Stored = m.powerwall.Stored
	if p != m.powerwall || m.offGrid != h.OffGrid {
		return false
	}
	for i, t := range h.Thermostats {
		if !t.setLike(&m.thermostats[i]) {
			return false
		}
	}
	return true
}

// setLike reports whether two thermostats have the same settings.
func (t *Thermostat) setLike(o *Thermostat) bool {
	return t.Mode == o.Mode && t.EmergencyHeat == o.EmergencyHeat && t.Cool == o.Cool && t.Heat == o.Heat && t.Hold == o.Hold && t.HoldUntil.Equal(o.HoldUntil) &&
		t.Fan == o.Fan && t.Alive == o.Alive && t.Vacation == o.Vacation && t.UtilityEvent == o.UtilityEvent && len(t.queue) == len(o.queue)
}

// IsPast reports whether a fault shows this state of the house instead of the present one.
func (h *House) IsPast() bool { return h.before }

// asOf returns the house as it was at a time, for showing only: it must not be changed.
// For a time before the first known state, it returns that state.
func (h *House) asOf(at time.Time) *House {
	h.remember()
	i := max(0, sort.Search(len(h.past), func(i int) bool { return h.past[i].at.After(at) })-1)
	m := h.past[i]
	then := &House{before: true, Powerwall: m.powerwall, OffGrid: m.offGrid, OutdoorC: m.outdoorC, Books: h.Books, options: h.options, weather: h.weather, local: h.local, at: m.at, flows: m.flows}
	for _, t := range m.thermostats {
		then.Thermostats = append(then.Thermostats, &t)
	}
	return then
}

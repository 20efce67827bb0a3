package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

// Writes are what the rules have asked of one device: the last write, which says what the
// device is expected to show, and those that may still be shown.
type Writes struct {
	Wanted    devices.Setting `json:"wanted,omitzero"`     // what the last write asked for, or what the device already showed when it was wanted; zero: nothing
	Before    devices.Setting `json:"before,omitzero"`     // what the device showed just before the last write
	WrittenAt time.Time       `json:"written_at,omitzero"` // when the last write was last sent; zero: never
	Confirmed bool            `json:"confirmed,omitempty"` // the device has shown it
	Flights   []Flight        `json:"flights,omitempty"`   // the writes that no reading has shown, the oldest first, and people's commands
}

// A Flight is a write that the vendor may have accepted and that no reading has shown.
// What a vendor shows can be hours behind what it does, so a write that a reading does
// not show may still have been carried out.
type Flight struct {
	devices.Setting           // what was asked for; zero if that is not known
	Sender          Sender    `json:"sender,omitempty"`
	Shown           int       `json:"shown,omitempty"` // the reserve at the last reading: a different one can prove that this has landed; after that, what it asked for
	At              time.Time `json:"at"`              // when it was first sent
	// Undone says that a reading has shown this write, and a later one something else.
	// Either that is a person's choice, or the vendor is behind and may show this write
	// once more. Such a flight explains what is shown, but need not be overtaken.
	Undone bool `json:"undone,omitempty"`
}

// A Sender is who asked for a write.
type Sender string

// The senders.
const (
	SentByRules  Sender = ""
	SentByPerson Sender = "person" // by command
)

// sentBy returns the flights of a sender.
func sentBy(sender Sender, flights []Flight) (of []Flight) {
	for _, f := range flights {
		if f.Sender == sender {
			of = append(of, f)
		}
	}
	return of
}

// FlightOf returns the flight of a write of the rules that asks for reserve, sent at the
// given time while shown is shown.
func FlightOf(reserve, shown int, at time.Time) Flight {
	return Flight{Setting: devices.Setting{Reserve: &reserve}, Shown: shown, At: devices.WholeSecond(at)}
}

// maxFlights limits their number: more than a day's changes of the reserve.
const maxFlights = 2 * MaxChanges

// mayShow reports whether a battery that keeps what keeps says may show the reserve v
// because of this write: v is what it asked for, or what the battery makes of that. A
// write that was undone has been shown, and so was kept unchanged.
func (f Flight) mayShow(v int, keeps Keeps) bool {
	asked := *f.Reserve
	return asked == v || !f.Undone && (asked > v && keeps.mayLimitTo(v) || asked < v && keeps.mayRaiseTo(v))
}

// landsWith reports whether a reading that shows the reserve v proves that this write has
// landed.
func (f Flight) landsWith(v int, keeps Keeps) bool { return f.Shown != v && f.mayShow(v, keeps) }

// hasLanded reports whether a reading has shown the result of this write. The flight
// stays on record to explain what is shown until a later write is.
func (f Flight) hasLanded() bool { return f.Shown == *f.Reserve }

// leads reports whether a write results in the reserve want: it asked for that, or for
// more than the limit that the device is believed to have. If the device keeps more after
// all, nothing should stop it.
func (f Flight) leads(want, limit int, keeps Keeps) bool {
	return *f.Reserve == want || want == limit && f.mayShow(want, keeps)
}

// sending returns the flights of w with a write of the rules that is sent now. A
// repetition of the last write is the same flight; a person's command before it no longer
// counts.
func (w Writes) sending(f Flight, now time.Time) []Flight {
	flights := slices.DeleteFunc(w.own(), func(f Flight) bool { return !f.pending(now) })
	if n := len(flights); n == 0 || !sameWrite(flights[n-1].Setting, f.Setting) || flights[n-1].Undone {
		flights = append(flights, f)
	}
	return flights[max(0, len(flights)-maxFlights):]
}

// pending reports whether a flight may still be shown. A write to a thermostat stays on
// record until something is shown.
func (f Flight) pending(now time.Time) bool {
	return f.Reserve == nil || now.Sub(f.At) < devices.ReserveShownWithin
}

// shown returns flights without those that a reading proves to be over. A vendor shows
// writes in the order in which they were carried out: a write that is shown rules out
// those before it, and stays shown itself until a later one is. landed is the index of
// the first flight that the reading shows; -1: it shows none.
func shown(flights []Flight, landed, reserve int, polled time.Time) []Flight {
	if landed == len(flights)-1 {
		return nil
	}
	var left []Flight
	for i, f := range flights[max(0, landed):] {
		if !f.pending(polled) {
			continue
		}
		if i == 0 && landed >= 0 {
			f.Shown = *f.Reserve // whatever the device has made of it
		} else {
			// What was shown when a later one was sent may be from before the earlier ones.
			f.Undone = f.Undone || i == 0 && f.hasLanded() && reserve != *f.Reserve
			f.Shown = reserve
		}
		left = append(left, f)
	}
	return left
}

// united returns the flights of two records of one device.
func united(a, b []Flight) []Flight {
	all := slices.Clone(a)
	for _, f := range b {
		if !slices.ContainsFunc(all, func(o Flight) bool {
			return sameWrite(o.Setting, f.Setting) && o.Sender == f.Sender && o.At.Equal(f.At)
		}) {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b Flight) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-maxFlights):]
}

// mayShow reports whether a write of the rules that has not been shown explains a
// reserve.
func (k BatteryRecord) mayShow(v int) bool {
	return slices.ContainsFunc(k.own(), func(f Flight) bool { return f.mayShow(v, k.Keeps) })
}

// undo notes that the reserve is no longer the one that the last write asked for and a
// reading had shown.
func (k *BatteryRecord) undo(shown int) {
	if k.Wanted.Reserve == nil || !k.Confirmed || k.WrittenAt.IsZero() || *k.Wanted.Reserve == shown || k.unshown() {
		return
	}
	f := FlightOf(*k.Wanted.Reserve, shown, k.WrittenAt)
	f.Undone = true
	k.Flights = append(slices.Clone(k.Flights), f)
}

// asked reports whether a write of the rules that has not been shown asked for a reserve.
func (k BatteryRecord) asked(v int) bool {
	return slices.ContainsFunc(k.own(), func(f Flight) bool { return *f.Reserve == v })
}

// lastSent reports whether the last write of the rules asked for a reserve and has not
// been shown.
func (k BatteryRecord) lastSent(v int) bool {
	own := k.own()
	return len(own) > 0 && *own[len(own)-1].Reserve == v
}

// firstSent returns when the last write of the rules was first sent; zero if it is no
// longer waiting to be shown.
func (k BatteryRecord) firstSent() time.Time {
	if own := k.own(); k.unshown() {
		return own[len(own)-1].At
	}
	return time.Time{}
}

// unshown reports whether the last write has not been shown.
func (k BatteryRecord) unshown() bool {
	return k.Wanted.Reserve != nil && k.lastSent(*k.Wanted.Reserve)
}

// wants reports whether the last write asked for a reserve.
func (k BatteryRecord) wants(v int) bool { return k.Wanted.Reserve != nil && *k.Wanted.Reserve == v }

// mayHaveArrived reports whether the vendor may know of the last write. A write that was
// refused before it reached the vendor explains nothing that the device shows.
func (k BatteryRecord) mayHaveArrived() bool { return k.Confirmed || k.asked(*k.Wanted.Reserve) }

// earlier returns the writes of the rules that no reading has shown and that asked for
// something other than the last one.
func (w Writes) earlier() []Flight {
	return slices.DeleteFunc(w.own(), func(f Flight) bool { return sameWrite(f.Setting, w.Wanted) })
}

// crossed reports whether a write earlier than the last one may still be shown.
func (w Writes) crossed() bool { return len(w.earlier()) > 0 }

// own returns the writes of the rules that no reading has shown.
func (w Writes) own() []Flight { return sentBy(SentByRules, w.Flights) }

// commands returns the commands of people that no reading has shown.
func (w Writes) commands() []Flight { return sentBy(SentByPerson, w.Flights) }

// refused returns the flights without the last write, which the vendor refused when it
// was sent at the given time. If an earlier try of it may have arrived, it stays.
func (w Writes) refused(sent time.Time) []Flight {
	own := w.own()
	if n := len(own); n > 0 && own[n-1].At.Equal(devices.WholeSecond(sent)) {
		return append(own[:n-1], w.commands()...)
	}
	return w.Flights
}

// neverSent returns the flights without an earlier write, sent at the given time, that
// never reached the vendor. next is when another write was sent after it, perhaps within
// the same second, which may have been refused since; zero: none was.
func (w Writes) neverSent(sent, next time.Time) []Flight {
	own, last := w.own(), []Flight(nil)
	if n := len(own) - 1; n >= 0 && own[n].At.Equal(devices.WholeSecond(next)) {
		own, last = own[:n], own[n:]
	}
	own = slices.DeleteFunc(own, func(f Flight) bool { return f.At.Equal(devices.WholeSecond(sent)) })
	return slices.Concat(own, last, w.commands())
}

// mayTurnBack reports whether the device shows the last write but may still fall back to
// its limit.
func (k BatteryRecord) mayTurnBack(now time.Time) bool {
	return k.Wanted.Reserve != nil && *k.Wanted.Reserve > deviceLimit && k.Confirmed && now.Sub(k.WrittenAt) <= devices.ReserveLimitWithin
}

// commanded returns the reserve that a person last asked for by command in this window;
// nil: none. It may not be shown until after the window.
func (k BatteryRecord) commanded() *int {
	if commands := k.commands(); len(commands) > 0 {
		return commands[len(commands)-1].Reserve
	}
	return nil
}

// commandShown reports whether the reserve that is shown is the one that a person asked
// for by command, with no other explanation.
func (k BatteryRecord) commandShown(reserve int) bool {
	landed := func(f Flight) bool { return f.landsWith(reserve, k.Keeps) }
	return slices.ContainsFunc(k.commands(), landed) && !slices.ContainsFunc(k.own(), landed)
}

// command records a person's command for a reserve. If it is first shown after the
// window, it is not a new choice.
func (st *step) command(reserve *int) {
	k := &st.Persisted.Battery
	k.Flights = k.own()
	if reserve == nil {
		return // another process of powermgr, perhaps an older version, did not state it
	}
	f := FlightOf(*reserve, *reserve, st.now)
	f.Sender = SentByPerson
	switch own := k.own(); {
	case st.Battery != nil && st.Battery.Reserve != nil:
		f.Shown = *st.Battery.Reserve
	case len(own) > 0: // the last that an earlier process was shown
		f.Shown = own[len(own)-1].Shown
	}
	k.Flights = append(k.Flights, f)
}

// refused forgets the flight of a write that the vendor refused.
func (st *step) refused(target string, sent time.Time) {
	st.setFlights(target, func(w Writes) []Flight { return w.refused(sent) })
}

// setFlights changes the flights of a device.
func (st *step) setFlights(target string, to func(Writes) []Flight) {
	if target == Powerwall {
		st.Persisted.Battery.Flights = to(st.Persisted.Battery.Writes)
		return
	}
	if h := st.Persisted.Thermostats[target]; h.Claim != nil {
		claim := *h.Claim
		claim.Flights, h.Claim = to(claim.Writes), &claim
		st.Persisted.Thermostats = with(st.Persisted.Thermostats, target, h)
	}
}

// Overtaken is a command that was followed by another one before it was answered. Its
// answer can still say that it never reached the vendor.
type Overtaken struct {
	ID   string
	Sent time.Time
}

// overtake clears the pending command because another one asks for something other than
// the last write, which was sent at the given time.
func (st *step) overtake(target string, sent time.Time) {
	last := st.Pending[target]
	if st.Pending = without(st.Pending, target); last.ID != "" {
		st.Pending = with(st.Pending, target, Pending{Overtaken: Overtaken{last.ID, sent}})
	}
}

// neverSent forgets the flight of an overtaken command that never reached the vendor. If
// no other write of the rules may still land on the battery, a choice that a person made
// in the meantime stands.
func (st *step) neverSent(target string) {
	p := st.Pending[target]
	st.setFlights(target, func(w Writes) []Flight { return w.neverSent(p.Overtaken.Sent, p.Sent) })
	if k := st.Persisted.Battery; target == Powerwall && k.Choice != nil && k.Choice.Reserve != nil && k.Wanted.Reserve != nil && len(k.own()) == 0 {
		st.choiceStands()
	}
}

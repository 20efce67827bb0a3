package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

// Writes are what the rules have asked of one device: the last write, which says what it
// is expected to show, and those that may still be shown.
type Writes struct {
	Wanted    devices.Setting `json:"wanted,omitzero"`     // what the last one asked for, or what the device was found with as it was wanted; zero: nothing
	Before    devices.Setting `json:"before,omitzero"`     // what the device showed just before
	WrittenAt time.Time       `json:"written_at,omitzero"` // when it was last sent; zero: it was not
	Confirmed bool            `json:"confirmed,omitempty"` // the device has shown it
	Flights   []Flight        `json:"flights,omitempty"`   // the writes that no reading has shown, the oldest first, and people's commands
}

// A Flight is a write that the vendor may have accepted and that no reading has
// shown. What a vendor shows can be hours behind what it does, so a reading that says
// nothing of a write does not say that it was not done.
type Flight struct {
	devices.Setting           // asked for; zero where that is not known
	Sender          Sender    `json:"sender,omitempty"`
	Shown           int       `json:"shown,omitempty"` // the reserve at the last reading, from which another one tells that this has landed; then what it asked for
	At              time.Time `json:"at"`              // when it was first sent
	// Undone says that a reading has shown this, and a later one something else. That is a
	// person's choice; or the vendor is behind, and shows this once more. It explains
	// what is shown and need not be overtaken.
	Undone bool `json:"undone,omitempty"`
}

// A Sender is who asked for a write.
type Sender string

// The senders.
const (
	SentByRules  Sender = ""
	SentByPerson Sender = "person" // by command
)

// sentBy are the flights of a sender.
func sentBy(sender Sender, flights []Flight) (of []Flight) {
	for _, f := range flights {
		if f.Sender == sender {
			of = append(of, f)
		}
	}
	return of
}

// FlightOf is a write of the rules of a reserve, sent at a time while another is shown.
func FlightOf(reserve, shown int, at time.Time) Flight {
	return Flight{Setting: devices.Setting{Reserve: &reserve}, Shown: shown, At: devices.WholeSecond(at)}
}

// maxFlights bounds them: more than a day's changes of the reserve.
const maxFlights = 2 * MaxChanges

// mayShow reports whether a battery that keeps so much, with this write on its way, may
// show a reserve: that one, or what it makes of it. One that was shown was kept as it is.
func (f Flight) mayShow(v int, keeps Keeps) bool {
	asked := *f.Reserve
	return asked == v || !f.Undone && (asked > v && keeps.mayLimitTo(v) || asked < v && keeps.mayRaiseTo(v))
}

// landsWith reports whether a reading that shows a reserve says that this has landed.
func (f Flight) landsWith(v int, keeps Keeps) bool { return f.Shown != v && f.mayShow(v, keeps) }

// hasLanded reports whether a reading has shown what became of this. It stays on
// record to explain what is shown until a later write is.
func (f Flight) hasLanded() bool { return f.Shown == *f.Reserve }

// leads reports whether a write ends in a reserve: it asked for that, or for more
// than a limit that the device is taken to have. If the device keeps more after all,
// nothing is to stop it.
func (f Flight) leads(want, limit int, keeps Keeps) bool {
	return *f.Reserve == want || want == limit && f.mayShow(want, keeps)
}

// sending is w with a write of the rules that is sent now. A repetition of the last one is
// the same flight; a person's command before it counts no more.
func (w Writes) sending(f Flight, now time.Time) []Flight {
	flights := slices.DeleteFunc(w.own(), func(f Flight) bool { return !f.pending(now) })
	if n := len(flights); n == 0 || !sameWrite(flights[n-1].Setting, f.Setting) || flights[n-1].Undone {
		flights = append(flights, f)
	}
	return flights[max(0, len(flights)-maxFlights):]
}

// pending reports whether a flight may still be shown. What has been sent to a thermostat
// is on record until something is shown.
func (f Flight) pending(now time.Time) bool {
	return f.Reserve == nil || now.Sub(f.At) < devices.ReserveShownWithin
}

// shown is flights without those that a reading proves to be over. What is shown
// follows what was done in the same order: a write that is shown rules out those
// before it, and stays shown itself until a later one is. The first that it shows is the
// one with the index landed; -1: it shows none.
func shown(flights []Flight, landed, reserve int, polled time.Time) []Flight {
	if landed == len(flights)-1 {
		return nil
	}
	var left []Flight
	for i, f := range flights[max(0, landed):] {
		if !f.pending(polled) {
			continue
		}
		if f.Shown = reserve; i == 0 && landed >= 0 {
			f.Shown = *f.Reserve // whatever the device has made of it
		}
		left = append(left, f)
	}
	return left
}

// united are the flights of two records of one device.
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

// mayShow reports whether a write of the rules that nothing has shown explains a
// reserve.
func (k BatteryRecord) mayShow(v int) bool {
	return slices.ContainsFunc(k.own(), func(f Flight) bool { return f.mayShow(v, k.Keeps) })
}

// undo notes that the reserve is another one than the last write, which a reading had
// shown, asked for.
func (k *BatteryRecord) undo(shown int) {
	if k.Wanted.Reserve == nil || !k.Confirmed || k.WrittenAt.IsZero() || *k.Wanted.Reserve == shown || k.unshown() {
		return
	}
	f := FlightOf(*k.Wanted.Reserve, shown, k.WrittenAt)
	f.Undone = true
	k.Flights = append(slices.Clone(k.Flights), f)
}

// asked reports whether a write of the rules that nothing has shown asked for a
// reserve.
func (k BatteryRecord) asked(v int) bool {
	return slices.ContainsFunc(k.own(), func(f Flight) bool { return *f.Reserve == v })
}

// lastSent reports whether the last write of the rules asked for a reserve, and nothing
// has shown it.
func (k BatteryRecord) lastSent(v int) bool {
	own := k.own()
	return len(own) > 0 && *own[len(own)-1].Reserve == v
}

// firstSent is when the last write of the rules was first sent; zero if nothing is to
// show it any more.
func (k BatteryRecord) firstSent() time.Time {
	if own := k.own(); k.unshown() {
		return own[len(own)-1].At
	}
	return time.Time{}
}

// unshown reports whether nothing has shown the last write.
func (k BatteryRecord) unshown() bool {
	return k.Wanted.Reserve != nil && k.lastSent(*k.Wanted.Reserve)
}

// wants reports whether the last write asked for a reserve.
func (k BatteryRecord) wants(v int) bool { return k.Wanted.Reserve != nil && *k.Wanted.Reserve == v }

// told reports whether the vendor may know of the last write. One that was refused
// before it left says nothing of what the device shows.
func (k BatteryRecord) told() bool { return k.Confirmed || k.asked(*k.Wanted.Reserve) }

// earlier are the writes of the rules that no reading has shown and that asked for
// something else than the last one.
func (w Writes) earlier() []Flight {
	return slices.DeleteFunc(w.own(), func(f Flight) bool { return sameWrite(f.Setting, w.Wanted) })
}

// crossed reports whether an earlier write than the last one may still be shown.
func (w Writes) crossed() bool { return len(w.earlier()) > 0 }

// own are the writes of the rules that no reading has shown.
func (w Writes) own() []Flight { return sentBy(SentByRules, w.Flights) }

// commands are what people have asked for, and no reading has shown.
func (w Writes) commands() []Flight { return sentBy(SentByPerson, w.Flights) }

// refused are the flights without the last write, which the vendor did not take when it
// was sent at a time. If an earlier try of it may have arrived, that stays.
func (w Writes) refused(sent time.Time) []Flight {
	own := w.own()
	if n := len(own); n > 0 && own[n-1].At.Equal(devices.WholeSecond(sent)) {
		return append(own[:n-1], w.commands()...)
	}
	return w.Flights
}

// neverSent are the flights without an earlier write, which the vendor was not told when
// it was sent at a time. Followed says that another one was sent after it, perhaps within
// the same second.
func (w Writes) neverSent(sent time.Time, followed bool) []Flight {
	own, last := w.own(), []Flight(nil)
	if n := len(own) - 1; n >= 0 && followed {
		own, last = own[:n], own[n:]
	}
	own = slices.DeleteFunc(own, func(f Flight) bool { return f.At.Equal(devices.WholeSecond(sent)) })
	return slices.Concat(own, last, w.commands())
}

// mayTurnBack reports whether the device shows the last write and may still turn it
// into its limit.
func (k BatteryRecord) mayTurnBack(now time.Time) bool {
	return k.Wanted.Reserve != nil && *k.Wanted.Reserve > deviceLimit && k.Confirmed && now.Sub(k.WrittenAt) <= devices.ReserveLimitWithin
}

// commanded is the reserve that a person last asked for by command in this window;
// nil: none. It may be shown after the window only.
func (k BatteryRecord) commanded() *int {
	if commands := k.commands(); len(commands) > 0 {
		return commands[len(commands)-1].Reserve
	}
	return nil
}

// commandShown reports whether a reserve that is shown is what a person asked for by
// command, and nothing else explains it.
func (k BatteryRecord) commandShown(reserve int) bool {
	landed := func(f Flight) bool { return f.landsWith(reserve, k.Keeps) }
	return slices.ContainsFunc(k.commands(), landed) && !slices.ContainsFunc(k.own(), landed)
}

// command notes a person's command for a reserve. When it is shown for the first
// time after the window, it is no new choice.
func (st *step) command(reserve *int) {
	k := &st.Persisted.Battery
	k.Flights = k.own()
	if reserve == nil {
		return // another process of powermgr, or an older one, did not say
	}
	f := FlightOf(*reserve, *reserve, st.now)
	f.Sender = SentByPerson
	if st.Battery != nil && st.Battery.Reserve != nil {
		f.Shown = *st.Battery.Reserve
	}
	k.Flights = append(k.Flights, f)
}

// refused forgets the flight of a write that the vendor did not take.
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

// Overtaken is a command after which another was sent before it was answered. Its
// answer can still say that the vendor knows nothing of it.
type Overtaken struct {
	ID   string
	Sent time.Time
}

// overtake clears what is pending for a command that asks for something else than the
// last one, which was sent at that time.
func (st *step) overtake(target string, sent time.Time) {
	last := st.Pending[target]
	if st.Pending = without(st.Pending, target); last.ID != "" {
		st.Pending = with(st.Pending, target, Pending{Overtaken: Overtaken{last.ID, sent}})
	}
}

// neverSent forgets the flight of an overtaken command that the vendor was not told. If
// nothing else of the rules may land on the battery, a choice that a person made meanwhile
// stands.
func (st *step) neverSent(target string) {
	p := st.Pending[target]
	st.setFlights(target, func(w Writes) []Flight { return w.neverSent(p.Overtaken.Sent, !p.Sent.IsZero()) })
	if k := st.Persisted.Battery; target == Powerwall && k.Choice != nil && k.Choice.Reserve != nil && k.Wanted.Reserve != nil && len(k.own()) == 0 {
		st.choiceStands()
	}
}

package rules

import (
	"slices"
	"time"

	"powermgr/devices"
)

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

// flying is flights with a write of the rules that is sent now, while the device
// shows another reserve. A repetition of the last one is the same flight; a person's
// command before it counts no more.
func flying(flights []Flight, reserve, shown int, now time.Time) []Flight {
	flights = slices.DeleteFunc(sentBy(SentByRules, flights), func(f Flight) bool { return !f.pending(now) })
	if n := len(flights); n == 0 || *flights[n-1].Reserve != reserve || flights[n-1].Undone {
		flights = append(flights, FlightOf(reserve, shown, now))
	}
	return flights[max(0, len(flights)-maxFlights):]
}

// pending reports whether a flight may still be shown.
func (f Flight) pending(now time.Time) bool { return now.Sub(f.At) < devices.ReserveShownWithin }

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

// united are the flights of two records of one battery.
func united(a, b []Flight) []Flight {
	all := slices.Clone(a)
	for _, f := range b {
		if !slices.ContainsFunc(all, func(o Flight) bool { return *o.Reserve == *f.Reserve && o.Sender == f.Sender && o.At.Equal(f.At) }) {
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
	if k.Wanted == nil || !k.Confirmed || k.WrittenAt.IsZero() || *k.Wanted == shown || k.unshown() {
		return
	}
	f := FlightOf(*k.Wanted, shown, k.WrittenAt)
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
func (k BatteryRecord) unshown() bool { return k.Wanted != nil && k.lastSent(*k.Wanted) }

// wants reports whether the last write asked for a reserve.
func (k BatteryRecord) wants(v int) bool { return k.Wanted != nil && *k.Wanted == v }

// told reports whether the vendor may know of the last write. One that was refused
// before it left says nothing of what the device shows.
func (k BatteryRecord) told() bool { return k.Confirmed || k.asked(*k.Wanted) }

// crossed reports whether an earlier write than the last one has not been shown.
func (k BatteryRecord) crossed() bool {
	return slices.ContainsFunc(k.own(), func(f Flight) bool { return k.Wanted == nil || *f.Reserve != *k.Wanted })
}

// own are the writes of the rules that no reading has shown.
func (k BatteryRecord) own() []Flight { return sentBy(SentByRules, k.Flights) }

// mayTurnBack reports whether the device shows the last write and may still turn it
// into its limit.
func (k BatteryRecord) mayTurnBack(now time.Time) bool {
	return k.Wanted != nil && *k.Wanted > deviceLimit && k.Confirmed && now.Sub(k.WrittenAt) <= devices.ReserveLimitWithin
}

// commanded is the reserve that a person last asked for by command in this window;
// nil: none. It may be shown after the window only.
func (k BatteryRecord) commanded() *int {
	if commands := sentBy(SentByPerson, k.Flights); len(commands) > 0 {
		return commands[len(commands)-1].Reserve
	}
	return nil
}

// commandShown reports whether a reserve that is shown is what a person asked for by
// command, and nothing else explains it.
func (k BatteryRecord) commandShown(reserve int) bool {
	landed := func(f Flight) bool { return f.landsWith(reserve, k.Keeps) }
	return slices.ContainsFunc(sentBy(SentByPerson, k.Flights), landed) && !slices.ContainsFunc(k.own(), landed)
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

// refused forgets the flight of a write that the vendor did not take, unless an
// earlier try of it may have arrived.
func (st *step) refused(sent time.Time) {
	k := &st.Persisted.Battery
	own := k.own()
	if n := len(own); n > 0 && own[n-1].At.Equal(devices.WholeSecond(sent)) {
		k.Flights = append(own[:n-1], sentBy(SentByPerson, k.Flights)...)
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
	if st.Pending = without(st.Pending, target); last.ID != "" && !last.Maybe {
		st.Pending = with(st.Pending, target, Pending{Overtaken: Overtaken{last.ID, sent}})
	}
}

// neverSent forgets the flight of an overtaken command that the vendor was not told.
func (st *step) neverSent(target string) {
	sent := st.Pending[target].Overtaken.Sent
	if target == Powerwall {
		st.reserveNeverSent(devices.WholeSecond(sent))
		return
	}
	h := st.Persisted.Thermostats[target]
	if h.Claim == nil {
		return
	}
	claim := *h.Claim
	claim.Flights, h.Claim = withoutSent(claim.Flights, sent), &claim
	st.keep(target, h)
}

// reserveNeverSent is neverSent for the battery. If nothing else of the rules may land,
// a choice that a person made meanwhile stands.
func (st *step) reserveNeverSent(at time.Time) {
	k := &st.Persisted.Battery
	own, later := k.own(), []Flight(nil)
	if n := len(own) - 1; n >= 0 && !st.Pending[Powerwall].Sent.IsZero() { // another was sent after it, perhaps within the second
		own, later = own[:n], own[n:]
	}
	k.Flights = slices.Concat(withoutSent(own, at), later, sentBy(SentByPerson, k.Flights))
	if k.Choice != nil && k.Choice.Reserve != nil && k.Wanted != nil && len(k.own()) == 0 {
		st.choiceStands()
	}
}

// withoutSent is flights without what was first sent at a time.
func withoutSent(flights []Flight, at time.Time) (left []Flight) {
	for _, f := range flights {
		if !f.At.Equal(at) {
			left = append(left, f)
		}
	}
	return left
}

package bridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// From a command to its final answer: it is sent, read back until the device
// shows it, and sent again if the device did not change.
//
// The bridge tracks the writes on their way by itself (write, task, past), although the
// rules have their flights: it has to answer every command of a person and of the
// controller, also for settings that the rules do not know, and while the controller is
// off, on standby or in another process. It tracks a write for the few minutes in which it
// is read back, and never saves it. Only the rules decide who a setting belongs to.

// A verdict is what a reading shows about a write.
type verdict int

const (
	unknown     verdict = iota // the reading does not tell
	asBefore                   // the device is still as it was before the write
	partlyShown                // on the way: part of it is as asked, the rest as before
	shown                      // as asked
	shownOther                 // neither: someone has changed it, or the device has a limit
)

// readBacks are the times after sending at which a write is read back.
var readBacks = devices.ReadBacks()

const (
	readLost = 3                // read-backs after a write whose answer was lost, before it is sent again
	maxTries = 2                // attempts to send a write that does not reach the vendor
	tryAgain = 15 * time.Second // between checks whether the vendor answers again
)

// firstAnswer is how long the first answer to a command waits for the vendor's answer.
// By then the request has left this machine. The first answer triggers a save of the
// journal and messages to the broker; on a small machine, a request still on its way
// out would have to wait for those.
const firstAnswer = 10 * time.Millisecond

// A write is one or more commands that are sent as one, from acceptance to the final
// answer.
type write struct {
	key         string // what it sets
	asked       any    // what it asks for
	answers     []answer
	answerFirst func() // gives the first answer, once; may be called from any goroutine; nil: already given
	send        func(context.Context) error
	look        func() verdict // compares the write with the last reading

	automatic   bool      // sent by the controller
	until       time.Time // it is not sent for the first time after this
	next        time.Time // while it is not sent: when to check whether the vendor answers
	sent        time.Time // zero: not yet
	shownBefore bool      // the device showed this before it was sent, so showing it proves nothing
	unconfirmed error     // why it is unknown whether the last attempt arrived; nil: the vendor has accepted it
	sends       int       // attempts so far
	read        int       // read-backs done since it was sent
}

// An answer says where the results of one command are published, and who sent it.
type answer struct {
	topic     string // …/result
	id        string
	requested any
	shows     func() any // what the device shows of it; nil: unknown
	person    bool       // a person sent the command
}

// due returns when the write needs the next reading.
func (w *write) due() time.Time {
	if w.sent.IsZero() {
		return minTime(w.next, w.until)
	}
	return w.sent.Add(readBacks[min(w.read, len(readBacks)-1)])
}

// A commandQueue holds the commands in progress of one account.
type commandQueue struct {
	*poller
	usedByOthers  func(key string) bool // whether what a key sets is in the hands of neither people nor the controller at present, such as in a storm; nil: never
	open          []*write
	personSet     map[string]time.Time // when a person last set a key
	completed     map[string]*write    // the last write of a key, if a person sent it and the device has shown it
	refusedTopics []string             // result topics of refused commands of people: the real state has to be published again
}

// due returns when the next write needs a reading; zero if none does.
func (ws *commandQueue) due() (next time.Time) {
	for i, w := range ws.open {
		if at := w.due(); i == 0 || at.Before(next) {
			next = at
		}
	}
	return next
}

// guard refuses commands that must not be carried out whatever they ask for, and
// removes a retained command from the broker. It reports whether m may be carried out.
func (ws *commandQueue) guard(m bus.Message, now time.Time) bool {
	if !ws.mustAnswer(m) {
		return false
	}
	why := m.Refusal(now, ws.Role.Generation())
	if why == "" {
		return true
	}
	ws.refuse(m, requestOf(m), errors.New(why))
	ws.clearRetained(m)
	return false
}

// gaveWay is the reason for not carrying out a command of the controller because of a
// choice that was made first and that it did not know of.
type gaveWay string

func (g gaveWay) Error() string { return string(g) }

const (
	personCameFirst = gaveWay("a person's command came first")
	leftToOwner     = gaveWay("something else is in control of the device for now, and it is left alone")
)

// refuse answers a command that is not carried out.
func (ws *commandQueue) refuse(m bus.Message, req devices.Request, why error) {
	_, way := errors.AsType[gaveWay](why)
	if m.Source == devices.SourceControl && !way {
		ws.pollSoon()
	}
	if m.Source != devices.SourceControl {
		ws.noteRefused(m.Topic)
	}
	ws.publishRefusal(m, req, why)
}

// pending reports whether a write of key is under way.
func (ws *commandQueue) pending(key string) bool {
	return slices.ContainsFunc(ws.open, func(w *write) bool { return w.key == key })
}

// yields returns why an automatic write has to give way; nil if it does not.
func (ws *commandQueue) yields(key string, now time.Time) error {
	at, ok := ws.personSet[key]
	if ok && now.Sub(at).Abs() <= devices.JustRead || slices.ContainsFunc(ws.open, func(w *write) bool { return w.key == key && !w.automatic }) {
		return personCameFirst
	}
	return nil
}

// notePerson records that a person has set key.
func (ws *commandQueue) notePerson(key string, now time.Time) {
	if ws.personSet == nil {
		ws.personSet = map[string]time.Time{}
	}
	ws.personSet[key] = now
}

// beginAnswer gives the first answer, unless that has been given.
func (w *write) beginAnswer() {
	if w.answerFirst != nil {
		w.answerFirst()
	}
}

// deliver sends the write, and gives the first answer once the request has left.
func (w *write) deliver(ctx context.Context) error {
	if w.answerFirst != nil {
		soon := time.AfterFunc(firstAnswer, w.answerFirst)
		defer w.answerFirst()
		defer soon.Stop()
	}
	return w.send(ctx)
}

// join adds the answers of n to a write that asks for the same, and returns that write;
// nil if n has to be sent. A second write from the controller would start the count of
// attempts from zero. A person's second command counts as the first one again if that
// has just been sent: the broker may deliver a command twice when a daemon starts and
// has sent it again by itself. Later than that, somebody may have chosen otherwise in
// the vendor's app.
func (ws *commandQueue) join(n *write, now time.Time) *write {
	same := func(w *write) bool {
		return w.key == n.key && w.forPerson() == n.forPerson() && reflect.DeepEqual(w.asked, n.asked) && (!w.forPerson() || !w.wasSent() || now.Sub(w.sent) < devices.JustRead)
	}
	if i := slices.IndexFunc(ws.open, same); i >= 0 {
		w := ws.open[i]
		w.answers, w.until = append(w.answers, n.answers...), n.until
		n.beginAnswer()
		return w
	}
	if w := ws.completed[n.key]; w != nil && same(w) && w.look() == shown {
		ws.finish(n, outcome{accepted: true, showing: true})
		return w
	}
	return nil
}

// start sends a write that has been accepted.
func (ws *commandQueue) start(ctx context.Context, w *write) {
	delete(ws.completed, w.key)
	w.shownBefore = w.look() == shown
	ws.open = append(ws.open, w)
	ws.attempt(ctx, w)
}

// accept publishes the first answer. It comes before anything else about the command,
// and before the device is read, so that the controller knows of a person's command
// before it sees its effect.
func (ws *commandQueue) accept(a answer) {
	ws.publishResult(a, devices.Result{Accepted: true, Reason: "on its way to the device"})
}

func (ws *commandQueue) publishResult(a answer, r devices.Result) {
	r.ID, r.Requested = a.id, a.requested
	ws.publish(a.topic, false, r)
}

// An outcome is how a command ended.
type outcome struct {
	accepted bool
	showing  bool // the result includes what the device shows
	unknown  bool // nothing shows whether the device accepted it
	reason   string
	expected bool // the reason does not warrant a warning
	gaveWay  bool // a person's command came first
}

func (ws *commandQueue) isOpen(w *write) bool { return slices.Contains(ws.open, w) }

// close removes a write whose answers somebody else gives.
func (ws *commandQueue) close(w *write) {
	ws.open = slices.DeleteFunc(ws.open, func(x *write) bool { return x == w })
}

func (ws *commandQueue) finish(w *write, o outcome) {
	w.beginAnswer()
	ws.close(w)
	if w.automatic && o.reason != "" && !o.expected {
		ws.pollSoon()
	}
	if w.forPerson() && o.showing && o.reason == "" && w.wasSent() {
		if ws.completed == nil {
			ws.completed = map[string]*write{}
		}
		ws.completed[w.key] = w
	}
	for _, a := range w.answers {
		ws.answerFinal(a, o)
	}
}

// pollSoon brings the next poll forward after an automatic command that failed: the
// controller may have something to restore, and needs a reading.
func (ws *commandQueue) pollSoon() {
	ws.next, ws.readAll = minTime(ws.next, ws.Bus.Now().Add(devices.RereadWithin)), true
}

// answerFinal publishes the final answer.
func (ws *commandQueue) answerFinal(a answer, o outcome) {
	if a.person && o.reason != "" {
		ws.noteRefused(a.topic)
	}
	r := devices.Result{Accepted: o.accepted, Final: true, Reason: o.reason, Unknown: o.unknown, GaveWay: o.gaveWay}
	if o.showing {
		r.Applied = a.shows()
	}
	if o.reason == "" {
		ws.Log.Info("command carried out", "topic", a.topic, "requested", a.requested)
	} else {
		level := ws.Log.Warn
		if o.expected {
			level = ws.Log.Info
		}
		level("command not carried out", "topic", a.topic, "requested", a.requested, "applied", r.Applied, "reason", o.reason)
	}
	ws.publishResult(a, r)
}

// noteRefused records that a person's command on topic was refused. The list stays
// short even for topics that nobody empties it for, such as the forecast's.
func (ws *commandQueue) noteRefused(topic string) {
	if len(ws.refusedTopics) < maxRefusedTopics {
		ws.refusedTopics = append(ws.refusedTopics, topic)
	}
}

// maxRefusedTopics is more than a home has settings.
const maxRefusedTopics = 1000

// takeRefused returns the topics of the commands refused since the last call; none on a
// standby.
func (ws *commandQueue) takeRefused() []string {
	all := ws.refusedTopics
	if ws.refusedTopics = nil; !ws.Role.Active() {
		return nil
	}
	return all
}

// superseded is the outcome of a command that was replaced by a newer one. accepted
// says whether the vendor may know of it; a person's command always counts as accepted.
func superseded(accepted bool) outcome {
	return outcome{accepted: accepted, reason: "superseded by a newer command", expected: true}
}

// wasSent reports whether the vendor may know of the write.
func (w *write) wasSent() bool { return !w.sent.IsZero() }

// forPerson reports whether a person asked for any part of it.
func (w *write) forPerson() bool {
	return slices.ContainsFunc(w.answers, func(a answer) bool { return a.person })
}

// abandonAll ends all writes, on a node that is no longer the active one.
func (ws *commandQueue) abandonAll() {
	for len(ws.open) > 0 {
		ws.finish(ws.open[0], outcome{accepted: true, reason: "another node has taken over before the device showed it", expected: true})
	}
	ws.personSet = nil
	clear(ws.completed)
}

// attempt sends a write once, if it may be sent now.
func (ws *commandQueue) attempt(ctx context.Context, w *write) {
	now := ws.Bus.Now()
	if !ws.Role.Active() {
		ws.abandonAll()
		return
	}
	if ws.usedByOthers != nil && ws.usedByOthers(w.key) && !w.forPerson() {
		// The controller decides again once it is over.
		ws.finish(w, outcome{accepted: w.wasSent(), reason: leftToOwner.Error(), expected: true, gaveWay: true})
		return
	}
	if now.Before(ws.quiet.Writes) {
		ws.postpone(w, ws.quiet.Writes)
		return
	}
	w.sends++
	err := bounded(ctx, w.deliver)
	now = ws.Bus.Now()
	var e *devices.Error
	known := errors.As(err, &e)
	switch {
	case err == nil, known && e.MaybeDone:
		// Unknown counts as sent: the device is read before anything else.
		if err == nil {
			ws.suspect, ws.denied = "", ""
		}
		w.sent, w.read, w.unconfirmed = now, 0, err
	case errors.Is(err, ErrDryRun):
		ws.finish(w, outcome{reason: err.Error(), expected: true})
	case w.sent.IsZero() && known && e.MayRetry() && w.sends < maxTries:
		ws.limit(err, now)
		wait := e.RetryAfter
		if e.OfRead {
			wait = 0
		}
		ws.postpone(w, now.Add(max(tryAgain, wait)))
	default:
		ws.limit(err, now)
		if known && e.Kind == devices.Unauthorized {
			ws.suspect = err.Error() // the next poll shows whether reads are authorized
			ws.next = minTime(ws.next, now)
		}
		ws.finish(w, outcome{accepted: !w.sent.IsZero(), reason: err.Error()})
	}
}

// postpone puts a write off until at, or ends it if that is too late.
func (ws *commandQueue) postpone(w *write, at time.Time) {
	w.beginAnswer()
	switch {
	case !w.sent.IsZero():
		w.sent, w.read = at, 0 // it is a repetition: look again before it
	case !at.Before(w.until):
		ws.finish(w, outcome{reason: fmt.Sprintf("the vendor accepts no commands for another %s: send it again after that", at.Sub(ws.Bus.Now()).Round(time.Second))})
	default:
		w.next = at
	}
}

// A pollResult is the outcome of a poll.
type pollResult int

const (
	notPolled  pollResult = iota // there was no poll: the vendor does not allow reads yet
	pollFailed                   // the vendor did not answer properly
	pollOK
)

func pollResultOf(err error) pollResult {
	if err != nil {
		return pollFailed
	}
	return pollOK
}

// afterPoll continues each write in progress after a poll.
func (ws *commandQueue) afterPoll(ctx context.Context, p pollResult) {
	now := ws.Bus.Now()
	for _, w := range slices.Clone(ws.open) {
		v := unknown
		if p == pollOK {
			v = w.look()
		}
		switch {
		case !ws.isOpen(w): // dropped meanwhile
		case v == shown && (w.unconfirmed == nil || !w.shownBefore):
			ws.finish(w, outcome{accepted: true, showing: true})
		case w.sent.IsZero():
			ws.continueUnsent(ctx, w, p, now)
		case v == shownOther && now.Sub(w.sent) >= readBacks[2]: // before, it may be what an app set since the last poll, or a hold that has just ended
			ws.finish(w, outcome{accepted: true, showing: true, reason: "the device shows something else: someone has changed it, or it has a limit"})
		default:
			ws.continueUnshown(ctx, w, v, p, now)
		}
	}
}

// continueUnsent continues a write that has not reached the vendor.
func (ws *commandQueue) continueUnsent(ctx context.Context, w *write, p pollResult, now time.Time) {
	switch {
	case !now.Before(w.until):
		ws.finish(w, outcome{reason: "the vendor could not be reached in time; send it again"})
	case now.Before(w.next):
	case p == pollFailed:
		w.next = now.Add(tryAgain)
	default:
		ws.attempt(ctx, w)
	}
}

// continueUnshown continues a write that the device does not show.
func (ws *commandQueue) continueUnshown(ctx context.Context, w *write, v verdict, p pollResult, now time.Time) {
	for w.read < len(readBacks) && !now.Before(w.sent.Add(readBacks[w.read])) {
		w.read++
	}
	last := len(readBacks)
	if w.unconfirmed != nil {
		last = readLost
	}
	switch {
	case w.read < last:
	case p == notPolled:
		ws.finish(w, outcome{accepted: true, unknown: true, reason: fmt.Sprintf("it is not known whether the device has changed: the vendor allows no reads for another %s", ws.quiet.Reads.Sub(now).Round(time.Second))})
	case p == pollFailed:
		ws.finish(w, outcome{accepted: true, unknown: true, reason: "it is not known whether the device has changed: the vendor does not answer"})
	case v == unknown:
		ws.finish(w, outcome{accepted: true, reason: "it was sent, but the vendor does not show whether the device has changed"})
	case w.automatic && ws.yields(w.key, now) != nil:
		// What it asks for may be over by now: the controller decides once it has
		// seen what the person has chosen.
		ws.finish(w, outcome{accepted: true, reason: personCameFirst.Error(), expected: true, gaveWay: true})
	case w.sends < devices.MaxSends:
		ws.attempt(ctx, w)
	case w.unconfirmed != nil && v == shown:
		ws.finish(w, outcome{accepted: true, unknown: true, reason: fmt.Sprintf("%v; the device showed this before it was sent, so it is not known whether it arrived", w.unconfirmed)})
	case w.unconfirmed != nil:
		ws.finish(w, outcome{unknown: true, reason: fmt.Sprintf("%v; the device does not show it", w.unconfirmed)})
	default:
		ws.finish(w, outcome{accepted: true, showing: true, reason: fmt.Sprintf("sent %d times, but the device did not change: look at the device", w.sends)})
	}
}

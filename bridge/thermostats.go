package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// ThermostatsOptions are what a Thermostats part needs; all fields are required but
// Meter, Restoring, Controlled, Listed and Missing.
type ThermostatsOptions struct {
	Shared
	Device    ThermostatDevices
	Every     func(now time.Time) time.Duration // between polls
	Meter     *Meter                            // nil: calls are not counted
	Location  *time.Location                    // of the home: "until 19:00" is its time
	Restoring func() bool                       // whether one of them still has to be restored; nil: never
	// Controlled are the vendor's ids of the thermostats that the account has to have.
	// After each good poll, Missing is called with a description of those it lacks,
	// empty if there are none. Listed returns what the account has, readable or not;
	// sure is false if part of the vendor's list made no sense. Missing nil: nobody is
	// told.
	Controlled []string
	Listed     func() (ids []string, sure bool)
	Missing    func(problem string)
}

// Thermostats polls one account and carries out the commands to its thermostats. What a
// person sends within a moment becomes one write: Home Assistant sends the two set
// points of a range as two messages.
type Thermostats struct {
	ThermostatsOptions
	poller      *poller
	queue       *commandQueue
	sub         *bus.Subscription
	byID        map[string]*thermostat
	missedPolls map[string]int // good polls in a row that had no reading of one of Controlled
	standingBy  bool           // another node is the active one
}

// A thermostat is one device.
type thermostat struct {
	last     devices.ThermostatReading
	missing  int       // good polls in a row without it
	changed  time.Time // when a reading last showed a setting that was not asked for here
	gathered []request // a person's requests that have not been sent on yet
	sendAt   time.Time // when those are sent on
	tasks    []*task   // under way
	past     []devices.ThermostatReading
}

// A request is one command to a thermostat.
type request struct {
	answer
	cmd       devices.ThermostatCommand
	automatic bool
	restores  bool      // it restores a setting of people
	until     time.Time // it is not sent for the first time after this
}

// A task is a write and the requests that it carries out.
type task struct {
	*write
	requests []request
	want     devices.ThermostatCommand // merged: everything that the device will show
}

// gatherWithin is how long a person's command waits for more to the same thermostat.
const gatherWithin = 250 * time.Millisecond

// NewThermostats returns a part that is already subscribed.
func NewThermostats(o ThermostatsOptions) *Thermostats {
	a := newPoller(o.Shared, "thermostats", o.Topics.Thermostats(devices.APILeaf), o.Every, o.Meter)
	a.restoring = o.Restoring
	t := &Thermostats{
		ThermostatsOptions: o, poller: a, byID: map[string]*thermostat{}, missedPolls: map[string]int{},
		sub: o.Bus.Subscribe("thermostats", o.Topics.Thermostat("+", "+"+devices.Set), bus.Role),
	}
	t.queue = &commandQueue{poller: a, usedByOthers: func(id string) bool { return t.byID[id].usedByOthers() }}
	return t
}

// usedByOthers reports whether the thermostat is in the hands of a vacation or a
// utility event.
func (h *thermostat) usedByOthers() bool {
	return h.last.UtilityEvent || h.last.Hold != nil && *h.last.Hold == devices.HoldVacation
}

// Resume tells t which thermostats last could not find. last ran in this process and
// has ended. Call Resume before Run.
func (t *Thermostats) Resume(last *Thermostats) { t.missedPolls = maps.Clone(last.missedPolls) }

// Run polls and carries out commands until ctx ends, and returns ctx's error.
func (t *Thermostats) Run(ctx context.Context) error {
	defer t.sub.Close()
	t.poller.loadLimits(t.Bus.Now())
	for {
		for _, topic := range t.queue.takeRefused() {
			levels, _ := t.Topics.Split(topic)
			if h := t.byID[levels[1]]; h != nil && h.last.VendorID != "" {
				t.show(h)
			}
		}
		wake, drafted := t.nextSend()
		if !drafted { // a poll could hold a draft up
			wake = t.poller.due(t.queue.due())
		}
		m, ok, err := t.sub.Next(ctx, wake)
		switch now := t.Bus.Now(); {
		case err != nil:
			return err
		case ok && t.poller.roleChanged(m):
		case ok:
			t.command(ctx, m, now)
		case !t.Role.Active():
			t.standBy(ctx)
		case drafted:
			t.sendGathered(ctx, now)
		default:
			t.standingBy = false
			t.poll(ctx)
		}
	}
}

func (t *Thermostats) standBy(ctx context.Context) {
	if !t.standingBy {
		t.standingBy = true
		t.queue.abandonAll()
		for _, h := range t.byID {
			h.gathered, h.tasks = nil, nil
		}
	}
	t.poller.standBy(ctx, t.sub, func(ctx context.Context) error {
		_, err := t.Device.Read(ctx)
		return err
	})
}

func (t *Thermostats) poll(ctx context.Context) {
	if t.poller.readsPaused(t.Bus.Now()) {
		t.queue.afterPoll(ctx, notPolled)
		return
	}
	var rs []devices.ThermostatReading
	interrupted, err := t.poller.read(ctx, t.sub, func(ctx context.Context) (err error) {
		rs, err = t.Device.Read(ctx)
		return err
	})
	if !interrupted && ctx.Err() == nil {
		t.publishRead(rs, err)
		t.queue.afterPoll(ctx, pollResultOf(err))
	}
}

// publishRead takes in the outcome of a poll, and publishes what it has changed.
func (t *Thermostats) publishRead(rs []devices.ThermostatReading, err error) {
	now := t.Bus.Now()
	oldest := now
	if err == nil {
		for _, h := range t.byID {
			h.missing++
		}
		for i := range rs {
			r := &rs[i]
			r.PolledAt = now
			oldest = minTime(oldest, r.AsOf())
			h := t.byID[r.ID()]
			if h == nil {
				h = &thermostat{}
				t.byID[r.ID()] = h
			}
			if len(r.Holds) == 0 {
				r.Holds = h.last.Holds // an answer may leave them out, but no thermostat loses them
			}
			if h.last.VendorID != "" && !sameSetting(h.last, *r) && !slices.ContainsFunc(h.past, func(p devices.ThermostatReading) bool { return sameSetting(p, *r) }) {
				h.changed = now
			}
			h.last, h.missing = *r, 0
		}
	}
	t.poller.polled(now, oldest, err)
	t.publishAvailabilities()
	if err == nil {
		t.findMissing()
		for _, r := range rs {
			t.show(t.byID[r.ID()])
		}
	}
}

// show publishes the last reading of a thermostat.
func (t *Thermostats) show(h *thermostat) {
	r := h.last
	r.Pending = pendingSettings(h.gathered)
	for _, k := range t.underWay(h.tasks) {
		if k.write.look() != shown {
			r.Pending = append(r.Pending, pendingSettings(k.requests)...)
		}
	}
	slices.Sort(r.Pending)
	r.Pending = slices.Compact(r.Pending)
	publishReading(t.Shared, t.Topics.Thermostat(r.ID(), devices.StateLeaf), r.Published())
}

// unchanged reads the thermostats before an automatic command is sent, and returns why
// it must not be: the controller has decided from an older reading, and somebody may
// have made a choice since. The controller decides again from the new one. A command
// that restores something is sent even while the vendor limits reads.
func (t *Thermostats) unchanged(ctx context.Context, id string, restores bool) error {
	h, now := t.byID[id], t.Bus.Now()
	if now.Sub(h.last.PolledAt).Abs() >= devices.JustRead {
		err := t.poller.noReads(now)
		if err == nil {
			err = t.readNow(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !(restores && devices.KindOf(err) == devices.Throttled) {
			return fmt.Errorf("it could not be read first: %w", err)
		}
	}
	switch {
	case h.missing > 0:
		return errors.New("it was missing from the last reading of the account")
	case t.Bus.Now().Sub(h.changed).Abs() < devices.JustRead:
		return gaveWay("it has just changed, and the decision did not take that into account")
	}
	return nil
}

// readNow reads the thermostats, whether or not a poll is due.
func (t *Thermostats) readNow(ctx context.Context) error {
	var rs []devices.ThermostatReading
	err := bounded(ctx, func(ctx context.Context) (err error) {
		rs, err = t.Device.Read(ctx)
		return err
	})
	if ctx.Err() == nil {
		t.publishRead(rs, err)
	}
	return err
}

// publishAvailabilities publishes which thermostats can be reached: those that the
// vendor's cloud reaches and that are still on the account.
func (t *Thermostats) publishAvailabilities() {
	if t.poller.online == nil {
		return
	}
	for id, h := range t.byID {
		online := *t.poller.online && h.last.Alive && h.missing < failuresOffline && h.last.Age() < devices.TooOld
		t.publishAvailability(t.Topics.Thermostat(id, devices.AvailLeaf), online)
	}
}

func (t *Thermostats) command(ctx context.Context, m bus.Message, now time.Time) {
	if !t.queue.guard(m, now) {
		return
	}
	levels, _ := t.Topics.Split(m.Topic)
	id, setting := levels[1], levels[2]
	req, err := devices.ParseRequest(m.Payload)
	if req.ID == "" {
		req.ID = m.ID
	}
	automatic := m.Source == devices.SourceControl
	_, restores := req.Fields[restoresField]
	restores = restores && automatic
	h, known := t.byID[id]
	var cmd devices.ThermostatCommand
	switch {
	case err != nil:
	case !known:
		err = fmt.Errorf("there is no thermostat %.40q, or it has not been read yet", id)
	default:
		expected := h.expected(now)
		if cmd, err = parseThermostat(parsing{setting: setting, req: req, r: expected, now: now, home: t.Location}); err == nil {
			cmd.Restores = restores
			_, err = expected.Merge(cmd, now)
		}
	}
	if err == nil && automatic {
		if err = t.yields(id, now); err == nil {
			err = t.unchanged(ctx, id, restores)
			now = t.Bus.Now()
		}
	}
	if err != nil {
		t.queue.refuse(m, req, err)
		return
	}
	t.Log.Info("command", "device", id, "setting", setting, "value", req.Value, "source", m.Source, "reason", req.Reason)
	w := request{cmd: cmd, automatic: automatic, restores: restores, until: lastSend(m, now), answer: answer{
		topic: devices.ResultTopic(m.Topic), id: req.ID, requested: asked(setting, cmd),
		shows: func() any { return shows(setting, h.last) }, person: !automatic,
	}}
	t.queue.accept(w.answer)
	if automatic {
		t.start(ctx, id, []request{w}, now)
		return
	}
	if !fanOnly(cmd) {
		t.queue.notePerson(id, now)
	}
	if len(h.gathered) == 0 {
		h.sendAt = now.Add(gatherWithin)
	}
	h.gathered = append(h.gathered, w)
}

// yields returns why the controller's command has to give way. A person's choice of the
// fan is not a choice about the temperature.
func (t *Thermostats) yields(id string, now time.Time) error {
	for _, w := range t.byID[id].gathered {
		if !fanOnly(w.cmd) {
			return personCameFirst
		}
	}
	return t.queue.yields(id, now)
}

// nextSend returns when the first gathered requests are sent on.
func (t *Thermostats) nextSend() (at time.Time, drafted bool) {
	for _, h := range t.byID {
		if len(h.gathered) > 0 && (!drafted || h.sendAt.Before(at)) {
			at, drafted = h.sendAt, true
		}
	}
	return at, drafted
}

// sendGathered sends on the requests that have waited long enough.
func (t *Thermostats) sendGathered(ctx context.Context, now time.Time) {
	for id, h := range t.byID {
		if len(h.gathered) == 0 || now.Before(h.sendAt) {
			continue
		}
		draft := h.gathered
		h.gathered = nil
		t.start(ctx, id, draft, now)
	}
}

// start makes one write of requests that have been accepted. A person's requests that
// are already in progress become part of it, unless the new ones contradict them.
func (t *Thermostats) start(ctx context.Context, id string, requests []request, now time.Time) {
	h := t.byID[id]
	h.tasks = t.underWay(h.tasks)
	if len(h.tasks) == 0 {
		h.past = []devices.ThermostatReading{h.last}
	}
	latest := combined(requests)
	if t.join(h, requests, latest, now) {
		return
	}
	var kept []request
	base, replaced := h.last, false // replaced: a write that may still land
	for _, old := range h.tasks {
		if !touches(old.want, latest) {
			continue
		}
		t.queue.close(old.write)
		if !old.write.automatic || slices.ContainsFunc(old.requests, func(w request) bool { return w.restores }) {
			base = overlay(base, old.want) // they go on from what they have, or have asked for
		}
		for _, w := range old.requests {
			if contradicts(w.cmd, latest) {
				t.queue.answerFinal(w.answer, superseded(!w.automatic || old.wasSent()))
				replaced = true
			} else {
				kept = append(kept, w)
			}
		}
	}
	h.tasks = t.underWay(h.tasks)
	requests = append(kept, t.endReplaced(requests)...)
	cmd := combined(requests)
	expected := h.after(base, now)
	want, err := expected.Merge(cmd, now)
	if err != nil {
		for _, w := range requests {
			t.queue.answerFinal(w.answer, outcome{reason: err.Error()})
		}
		return
	}
	if replaced {
		cmd = want // whole: what it leaves open would be of the write that it replaces
	}
	h.past = remember(h.past, overlay(expected, want))
	w := &write{key: id, asked: latest, automatic: true}
	for i, wi := range requests {
		w.answers = append(w.answers, wi.answer)
		w.automatic = w.automatic && (wi.automatic || fanOnly(wi.cmd))
		if i == 0 || wi.until.After(w.until) {
			w.until = wi.until
		}
	}
	w.send = func(ctx context.Context) error { return t.Device.Apply(ctx, id, cmd) }
	w.look = func() verdict { return compare(cmd, want, h.past, h.last, t.Bus.Now()) }
	h.tasks = append(h.tasks, &task{write: w, requests: requests, want: want})
	t.queue.start(ctx, w)
}

// join reports whether a person's write in progress asks for the same and will give the
// final answers.
func (t *Thermostats) join(h *thermostat, requests []request, latest devices.ThermostatCommand, now time.Time) bool {
	if requests[0].automatic {
		return false
	}
	n := &write{key: h.last.ID(), asked: latest}
	for _, w := range requests {
		n.answers, n.until = append(n.answers, w.answer), w.until
	}
	w := t.queue.join(n, now)
	if i := slices.IndexFunc(h.tasks, func(k *task) bool { return k.write == w }); i >= 0 {
		h.tasks[i].requests = append(h.tasks[i].requests, requests...)
	}
	return w != nil
}

// endReplaced returns the requests that no later one of the same moment replaces, and
// answers the others.
func (t *Thermostats) endReplaced(requests []request) (last []request) {
	for i, w := range requests {
		if i+1 < len(requests) && contradicts(w.cmd, combined(requests[i+1:])) {
			t.queue.answerFinal(w.answer, superseded(true))
		} else {
			last = append(last, w)
		}
	}
	return last
}

// underWay returns the tasks that have had no final answer yet.
func (t *Thermostats) underWay(tasks []*task) (open []*task) {
	for _, k := range tasks {
		if t.queue.isOpen(k.write) {
			open = append(open, k)
		}
	}
	return open
}

// expected returns what the thermostat will show when everything in progress, and
// everything gathered, has landed.
func (h *thermostat) expected(now time.Time) devices.ThermostatReading { return h.after(h.last, now) }

// after is expected for a thermostat that shows r.
func (h *thermostat) after(r devices.ThermostatReading, now time.Time) devices.ThermostatReading {
	for _, k := range h.tasks {
		r = overlay(r, k.want)
	}
	for _, w := range h.gathered {
		if want, err := r.Merge(w.cmd, now); err == nil {
			r = overlay(r, want)
		}
	}
	return r
}

package bridge

import (
	"bytes"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
	"powermgr/discovery"
)

// AnnouncerOptions are what an Announcer needs.
type AnnouncerOptions struct {
	Shared
	Prefix  string // Home Assistant's discovery prefix
	Format  discovery.Format
	Version string
	// Devices are those that always exist.
	Devices []discovery.Device
	// Powerwall describes the battery, which is announced when it has been read: only
	// then is its nameplate known. Nil: there is none.
	Powerwall func(devices.Nameplate) discovery.Device
	// Thermostats says that thermostats are announced as they are read.
	Thermostats bool
	// Controlled are the topic ids of thermostats that stay announced even while the
	// vendor does not list them.
	Controlled []string
	// Disabled removes everything that was announced earlier.
	Disabled bool
}

// Announcer announces the devices to Home Assistant, in retained messages that the link
// publishes again on each connection. It removes what the broker still has from an
// earlier configuration.
type Announcer struct {
	AnnouncerOptions
	sub             *bus.Subscription
	fixed           []discovery.Message                  // of Devices
	powerwall       []discovery.Message                  // nil: not announced yet
	nameplate       devices.Nameplate                    // of the Powerwall, as announced
	announceBy      time.Time                            // when to announce the Powerwall without having read it; zero: it has been
	thermostats     map[string][]discovery.Message       // by the devices' ids
	described       map[string]devices.ThermostatReading // the readings they were last described from, by vendor id
	undescribed     map[string]bool                      // those that were read but could not be described, by id
	retained        map[string][]byte                    // what this program announced, as the broker has it
	removedByPerson map[string]bool                      // topics that a person has emptied
	sent            map[string][]byte
	linked          bool
	due             time.Time // when to announce; zero: nothing to do
}

// Home Assistant drops the rest of a device's message while it is still busy
// with an earlier one, so changes are gathered, and messages kept apart.
const (
	// firstReading is how long to wait for the Powerwall's first reading. A vendor that
	// is down does not keep a device out of Home Assistant for longer.
	firstReading = time.Minute

	gatherDelay    = 2 * time.Second
	messageSpacing = 200 * time.Millisecond
	removalSpacing = configRepeat + time.Second // between two messages on one topic, of which the first removes components
)

// NewAnnouncer returns a part that is already subscribed.
func NewAnnouncer(o AnnouncerOptions) *Announcer {
	a := &Announcer{
		AnnouncerOptions: o, thermostats: map[string][]discovery.Message{}, described: map[string]devices.ThermostatReading{}, undescribed: map[string]bool{}, retained: map[string][]byte{}, removedByPerson: map[string]bool{}, sent: map[string][]byte{},
		sub: o.Bus.Subscribe("announcer", discovery.Filter(o.Prefix), bus.LinkState, o.Topics.Powerwall(devices.StateLeaf), o.Topics.Thermostat("+", devices.StateLeaf)),
	}
	if o.Powerwall != nil {
		a.announceBy = o.Bus.Now().Add(firstReading)
	}
	for _, d := range o.Devices {
		a.fixed = append(a.fixed, a.messages(d)...)
	}
	return a
}

func (a *Announcer) messages(d discovery.Device) []discovery.Message {
	return discovery.Messages(d, a.Format, a.Prefix, discovery.Origin{Version: a.Version})
}

// Run announces until ctx ends, and returns ctx's error.
func (a *Announcer) Run(ctx context.Context) error {
	defer a.sub.Close()
	a.announce() // at once: the link sends it as soon as there is a broker
	for {
		m, ok, err := a.sub.Next(ctx, devices.Earliest(a.due, a.announceBy))
		switch {
		case err != nil:
			return err
		case !ok && !a.announceBy.IsZero() && !a.Bus.Now().Before(a.announceBy):
			a.announceBy = time.Time{}
			if !a.hasStored(powerwallID(a.Topics)) { // that says more of it than is known here
				a.describePowerwall(devices.Nameplate{})
			}
		case !ok:
			a.due = time.Time{}
			if err := a.update(ctx); err != nil {
				return err
			}
		case m.Topic == bus.LinkState:
			a.linked = string(m.Payload) == "up"
			a.scheduleUpdate()
		case m.Topic == a.Topics.Powerwall(devices.StateLeaf):
			a.readPowerwall(m)
		case strings.HasPrefix(m.Topic, a.Topics.Base+"/"):
			a.read(m)
		case m.Origin == bus.Broker:
			a.noteRetained(m)
		}
	}
}

func (a *Announcer) scheduleUpdate() {
	if a.due.IsZero() {
		a.due = a.Bus.Now().Add(gatherDelay)
	}
}

// readPowerwall updates the Powerwall's description from a reading. What its nameplate
// once said stays.
func (a *Announcer) readPowerwall(m bus.Message) {
	r, err := bus.Decode[devices.PowerwallReading](m)
	if a.Powerwall == nil || err != nil || r.PolledAt.IsZero() {
		return
	}
	a.announceBy = time.Time{}
	known := a.nameplate
	if r.Nameplate != (devices.Nameplate{}) {
		known = r.Nameplate
	}
	if a.powerwall == nil || known != a.nameplate {
		a.describePowerwall(known)
	}
}

func (a *Announcer) describePowerwall(n devices.Nameplate) {
	a.nameplate, a.powerwall = n, a.messages(a.Powerwall(n))
	a.announce()
	a.scheduleUpdate()
}

// hasStored reports whether the broker had a device with this id when the connection
// was made.
func (a *Announcer) hasStored(id string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(a.retained)), func(topic string) bool { return isOf(topic, id) })
}

func powerwallID(t devices.Topics) string { return discovery.Slug(t) + "_powerwall" }

// isOf reports whether topic announces a device with this id or one of its entities.
// The topic of a device ends with its id, that of an entity continues after it.
func isOf(topic, id string) bool {
	return strings.Contains(topic, "/"+id+"/") || strings.Contains(topic, "/"+id+"_")
}

// read updates a thermostat's description from a reading.
func (a *Announcer) read(m bus.Message) {
	r, err := bus.Decode[devices.ThermostatReading](m)
	if !a.Thermostats || err != nil || r.VendorID == "" {
		return
	}
	if len(r.Modes) == 0 { // out of its vendor's reach
		a.undescribed[r.ID()] = true
		return
	}
	last, known := a.described[r.VendorID]
	if r.OutdoorTemperature == nil { // reported once, it will be reported again
		r.OutdoorTemperature = last.OutdoorTemperature
	}
	if r.Nameplate == (devices.Nameplate{}) {
		r.Nameplate = last.Nameplate
	}
	if r.Humidity == nil {
		r.Humidity = last.Humidity
	}
	same := stable(r)
	if known && reflect.DeepEqual(last, same) {
		return
	}
	a.described[r.VendorID] = same
	d := discovery.Thermostat(discovery.ThermostatDescription{Topics: a.Topics, Reading: r})
	messages := a.messages(d)
	old, known := a.thermostats[d.ID]
	if known && slices.EqualFunc(old, messages, sameMessage) {
		return
	}
	a.thermostats[d.ID] = messages
	if !known {
		a.announce()
	}
	a.scheduleUpdate()
}

// stable returns a reading without the values that change while the description of the
// thermostat stays the same.
func stable(r devices.ThermostatReading) devices.ThermostatReading {
	r.Mode, r.Action, r.Fan, r.Temperature, r.CoolSetpoint, r.HeatSetpoint = nil, nil, nil, nil, nil, nil
	if r.Hold != nil && slices.Contains(r.Holds, *r.Hold) { // only one that cannot be asked for shows up
		r.Hold = nil
	}
	for _, v := range []**float64{&r.OutdoorTemperature, &r.Humidity} { // only whether it is reported matters
		if *v != nil {
			*v = new(0.0)
		}
	}
	r.Pending, r.HoldUntil, r.MeasuredAt, r.PolledAt, r.ScheduleCool, r.ScheduleHeat, r.SchedulePeriod = nil, nil, nil, time.Time{}, nil, nil, ""
	return r
}

func sameMessage(a, b discovery.Message) bool {
	return a.Topic == b.Topic && bytes.Equal(a.Payload, b.Payload)
}

// noteRetained tracks what this program had announced that the broker retained, and
// what a person has removed in Home Assistant, which empties the topic. Messages
// announced while this node listens come from another node and are left alone: two
// nodes that corrected each other would never stop.
func (a *Announcer) noteRetained(m bus.Message) {
	if len(m.Payload) == 0 {
		if last := a.sent[m.Topic]; len(last) > 0 { // what this node has emptied may come back to it
			a.removedByPerson[m.Topic] = true
			a.Log.Info("removed in Home Assistant; it is announced again after a restart", "topic", m.Topic)
		}
		delete(a.retained, m.Topic)
		return
	}
	if a.linked {
		return
	}
	same := bytes.Equal(a.sent[m.Topic], m.Payload) // nearly always
	if same || discovery.Announced(discovery.Message{Topic: m.Topic, Payload: m.Payload}, a.Prefix, a.Topics) {
		a.retained[m.Topic] = m.Payload
		a.scheduleUpdate()
	}
}

// wanted returns the messages that should be retained.
func (a *Announcer) wanted() []discovery.Message {
	if a.Disabled {
		return nil
	}
	all := slices.Concat(a.fixed, a.powerwall)
	for _, id := range slices.Sorted(maps.Keys(a.thermostats)) {
		all = append(all, a.thermostats[id]...)
	}
	return slices.DeleteFunc(all, func(m discovery.Message) bool { return a.removedByPerson[m.Topic] })
}

// announce publishes the wanted messages that were not published yet.
func (a *Announcer) announce() {
	for _, m := range a.wanted() {
		a.send(m)
	}
}

func (a *Announcer) send(m discovery.Message) {
	if last, ok := a.sent[m.Topic]; ok && string(last) == string(m.Payload) {
		return
	}
	a.sent[m.Topic] = m.Payload
	a.Bus.Publish(bus.Message{Topic: m.Topic, Payload: m.Payload, Retain: true})
}

// update replaces what the broker has retained with what is wanted.
func (a *Announcer) update(ctx context.Context) error {
	if !a.linked {
		a.announce()
		return nil
	}
	var retained []discovery.Message
	for _, topic := range slices.Sorted(maps.Keys(a.retained)) {
		if a.mayRemove(topic) {
			retained = append(retained, discovery.Message{Topic: topic, Payload: a.retained[topic]})
		}
	}
	wanted := a.wanted()
	last := ""
	for _, m := range discovery.Update(retained, wanted) {
		pause := messageSpacing
		switch last {
		case "":
			pause = 0
		case m.Topic:
			pause = removalSpacing
		}
		if err := bus.Sleep(ctx, a.Bus.Clock(), pause); err != nil {
			return err
		}
		last = m.Topic
		a.sent[m.Topic] = m.Payload
		a.Bus.Publish(bus.Message{Topic: m.Topic, Payload: m.Payload, Retain: true})
	}
	for _, m := range retained {
		delete(a.retained, m.Topic)
	}
	for _, m := range wanted {
		a.retained[m.Topic] = m.Payload
	}
	a.announce()
	return nil
}

// mayRemove reports whether the device on topic is known to be gone: a thermostat may
// just not have been read yet, or be out of its vendor's reach, and Home Assistant
// would forget its name and its room.
func (a *Announcer) mayRemove(topic string) bool {
	if a.Powerwall != nil && !a.Disabled && a.powerwall == nil && isOf(topic, powerwallID(a.Topics)) {
		return false
	}
	every := discovery.Slug(a.Topics) + "_thermostat_"
	if !a.Thermostats || a.Disabled || !strings.Contains(topic, "/"+every) {
		return true
	}
	is := func(device string) bool { return isOf(topic, device) }
	for id := range a.thermostats {
		if is(id) {
			return true
		}
	}
	for _, id := range slices.Concat(a.Controlled, slices.Collect(maps.Keys(a.undescribed))) {
		if is(every + id) {
			return false
		}
	}
	return len(a.thermostats) > 0
}

package bridge

import (
	"context"
	"errors"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// Absent answers commands to things that the configuration leaves out, so that whoever
// sends one learns why nothing happens.
type Absent struct {
	Shared
	sub *bus.Subscription
	why error
}

// NewAbsent returns a part that is already subscribed to the commands on filter. why
// says what the configuration leaves out, and what to do.
func NewAbsent(s Shared, filter, why string) *Absent {
	return &Absent{Shared: s, why: errors.New(why), sub: s.Bus.Subscribe("absent", filter)}
}

// Run refuses commands until ctx ends, and returns ctx's error.
func (a *Absent) Run(ctx context.Context) error {
	defer a.sub.Close()
	for {
		m, ok, err := a.sub.Next(ctx, time.Time{})
		switch {
		case err != nil:
			return err
		case ok && a.mustAnswer(m):
			a.publishRefusal(m, requestOf(m), a.why)
			a.clearRetained(m)
		}
	}
}

// mustAnswer reports whether this node has to answer a command: the active node answers
// all but empty retained ones, which only clear a command.
func (s Shared) mustAnswer(m bus.Message) bool {
	return (len(m.Payload) > 0 || !m.Retain) && s.Role.Active()
}

// clearRetained removes a retained command from the broker; otherwise it would come
// again.
func (s Shared) clearRetained(m bus.Message) {
	if m.Retain {
		s.Bus.Publish(bus.Message{Topic: m.Topic, Retain: true})
	}
}

// requestOf returns what can be parsed of a command that is refused in any case.
func requestOf(m bus.Message) devices.Request {
	req, _ := devices.ParseRequest(m.Payload)
	if req.ID == "" {
		req.ID = m.ID
	}
	return req
}

// publishRefusal answers a command that is not carried out.
func (s Shared) publishRefusal(m bus.Message, req devices.Request, why error) {
	_, way := errors.AsType[gaveWay](why)
	level := s.Log.Warn
	if way {
		level = s.Log.Info
	}
	level("command refused", "topic", m.Topic, "source", m.Source, "reason", why)
	var requested any
	if req.Value != "" {
		requested = req.Value
	}
	s.publish(devices.ResultTopic(m.Topic), false, devices.Result{ID: req.ID, Final: true, Requested: requested, Reason: why.Error(), GaveWay: way})
}

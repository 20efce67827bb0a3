package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// What a connection does before anything is said on it: subscribe, prove that
// this user may write and read, take in what the broker had stored, and look
// whether this node is still what its last will says.

// selfTestTopic is the topic on which each connection tests its rights.
func (l *Link) selfTestTopic() string {
	return l.o.Topics.Base + "/node/" + l.o.Node + "/selftest"
}

// defaultBirth is where Home Assistant announces its start by default, whatever its
// discovery prefix is.
const defaultBirth = "homeassistant/status"

// births returns the topics on which Home Assistant may announce its start.
func (l *Link) births() []string {
	switch l.o.StatusTopic {
	case "":
		return nil
	case defaultBirth:
		return []string{defaultBirth}
	}
	return []string{l.o.StatusTopic, defaultBirth}
}

func (l *Link) subscriptions() []subscribing {
	all := []subscribing{{filter: l.selfTestTopic(), echo: true}}
	for _, f := range l.o.Filters {
		all = append(all, subscribing{filter: f, skipRetained: strings.HasSuffix(f, devices.Set), keepRetainFlag: true})
	}
	for _, topic := range l.o.Stored {
		all = append(all, subscribing{filter: topic})
	}
	if !l.o.SecondaryProcess {
		all = append(all, subscribing{filter: l.o.Topics.Status()})
		for _, topic := range l.births() {
			all = append(all, subscribing{filter: topic})
		}
	}
	return all
}

// bringUp subscribes, waits until what the broker had retained is on the bus, and then
// queues everything of this process to be published again.
func (s *serving) bringUp(ctx context.Context, closing <-chan struct{}) error {
	select {
	case <-s.roleChanged: // the will of this connection is checked below
	default:
	}
	s.out.connected()
	wait, cancel := context.WithTimeout(ctx, s.timing.subscribe)
	defer cancel()
	refused, err := s.c.subscribe(wait, s.subscriptions())
	if err != nil {
		return err
	}
	maps.DeleteFunc(s.denied, func(_ string, r refusal) bool { return r.subscribing })
	for _, f := range refused {
		if f == defaultBirth && f != s.o.StatusTopic {
			continue // it may not be needed
		}
		s.refusedBy(f, refusal{subscribing: true, code: codeNotAuthorized})
	}
	if err := s.selfTest(ctx, closing); err != nil {
		return err
	}
	if err := s.awaitSubscribers(ctx, closing); err != nil {
		return err
	}
	if s.willOutdated() {
		return errRoleChanged
	}
	for _, before := range []chan struct{}{s.statusOffline, s.stateOverwritten} { // the replay corrects it
		select {
		case <-before:
		default:
		}
	}
	s.sawRetained.Store(true)
	s.replay()
	return nil
}

// selfTest publishes a nonce and waits for it. It comes back after everything that the
// broker had retained. If it does not come back, this user may not read, which the
// broker does not report: it grants subscriptions that deliver nothing.
func (s *serving) selfTest(ctx context.Context, closing <-chan struct{}) error {
	wait, cancel := context.WithTimeout(ctx, s.timing.publish)
	defer cancel()
	err := s.c.publish(wait, s.c.packet(bus.Message{Topic: s.selfTestTopic(), Payload: s.nonce}, 60))
	var no *publishRefusedError
	switch {
	case errors.As(err, &no):
		return s.noteMissingRights(fmt.Sprintf("the broker does not let this user publish on %s: allow it to read and write %s/# in the broker's access list", s.selfTestTopic(), s.o.Topics.Base))
	case err != nil:
		return err
	}
	late := time.NewTimer(s.timing.selfTest)
	defer late.Stop()
	select {
	case <-s.echoed:
		if s.rightsProblem != "" {
			s.o.Log.Info("the broker now lets this user read and write")
			s.rightsProblem = ""
		}
		return nil
	case <-closing:
		return errClosing
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return s.noteMissingRights(fmt.Sprintf("the broker delivers nothing to this user, though it granted the subscriptions: allow it to read %s/# in the broker's access list", s.o.Topics.Base))
	}
}

// noteMissingRights logs once what this user may not do. The connection is still used
// for what is allowed.
func (s *serving) noteMissingRights(what string) error {
	if s.rightsProblem != what {
		s.o.Log.Warn("the rights at the broker do not suffice", "username", s.o.Username, "reason", what)
	}
	s.rightsProblem = what
	return nil
}

// awaitSubscribers gives the subscribers of the bus time to process what the broker
// had.
func (s *serving) awaitSubscribers(ctx context.Context, closing <-chan struct{}) error {
	for range 20 {
		t := time.NewTimer(s.timing.settleStep)
		select {
		case <-t.C:
		case <-closing:
			t.Stop()
			return errClosing
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		if !s.o.Bus.Queued() {
			return nil
		}
	}
	return nil
}

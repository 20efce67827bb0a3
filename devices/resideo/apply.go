package resideo

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"powermgr/devices"
)

// A command from end to end: find the thermostat, read it, write all its settings, and
// remember the write for as long as the cloud may not show it yet.

// Apply carries out cmd on the thermostat whose ThermostatReading.ID is id: it reads
// the device, completes the command from what it shows, and writes all of it. The cloud
// queues the write; a reading shows it seconds to a minute later. Errors are
// *devices.Error: Refused says what could be sent instead, and MaybeDone means that
// only a reading can show the outcome.
func (c *Client) Apply(ctx context.Context, id string, cmd devices.ThermostatCommand) error {
	select {
	case c.commands <- struct{}{}:
		defer func() { <-c.commands }()
	case <-ctx.Done():
		return failure(opSet, devices.Unreachable, ctx.Err())
	}
	at, err := c.find(ctx, id)
	if err != nil {
		return err
	}
	t, shown, err := c.look(ctx, id, at, cmd.Restores)
	if err != nil {
		return err
	}
	p, err := t.plan(cmd, c.now())
	if err != nil {
		return failure(opSet, devices.Refused, err)
	}
	return c.carryOut(ctx, id, at, p, shown)
}

// carryOut sends the requests of p to a thermostat that shows v.
func (c *Client) carryOut(ctx context.Context, id string, at place, p plan, v changeable) error {
	for i, body := range p.posts {
		var err error
		if i > 0 {
			err = c.pause(ctx)
		}
		if err == nil {
			err = c.post(ctx, at, "", body)
		}
		if err != nil {
			return c.unsure(id, partly(err, i > 0))
		}
	}
	if len(p.posts) > 0 {
		c.written(id, v, p.after)
	}
	if p.fan != nil {
		return partly(c.post(ctx, at, "fan", p.fan), len(p.posts) > 0)
	}
	return nil
}

func (c *Client) pause(ctx context.Context) error {
	if err := c.sleep(ctx, changeoverPause); err != nil {
		return failure(opSet, devices.Unreachable, err)
	}
	return nil
}

// partly sets MaybeDone in err if a part of the command was already carried out.
func partly(err error, done bool) error {
	var e *devices.Error
	if errors.As(err, &e) {
		e.MaybeDone = e.MaybeDone || done
	}
	return err
}

// unsure forgets the last write to a thermostat if err says that another one may have
// been carried out: it is then unknown what may still land.
func (c *Client) unsure(id string, err error) error {
	var e *devices.Error
	if errors.As(err, &e) && e.MaybeDone {
		c.mu.Lock()
		delete(c.writes, id)
		c.mu.Unlock()
	}
	return err
}

// find returns where the thermostat with this id is. If that is unknown, find reads the
// list again, at most every ten minutes.
func (c *Client) find(ctx context.Context, id string) (place, error) {
	for {
		c.mu.Lock()
		at, ok := c.places[id]
		fresh := !c.listed.IsZero() && c.now().Sub(c.listed) < listAgain
		c.mu.Unlock()
		if ok {
			return at, nil
		}
		if fresh {
			return place{}, failure(opSet, devices.Refused, errors.New("the account shows no such thermostat at present"))
		}
		if _, err := c.list(ctx); err != nil {
			return place{}, err
		}
	}
}

// look reads one thermostat. While an earlier write is still queued, t is as it will be
// once that has landed; shown is what the thermostat shows at present. A command that
// restores a setting does not wait for hours until the API accepts reads again: it uses
// the last answer.
func (c *Client) look(ctx context.Context, id string, at place, restores bool) (t thermostat, shown changeable, err error) {
	lastSuffices := restores && at.seen != nil
	body, err := []byte(at.seen), c.limit.Err(c.now())
	if !lastSuffices || err == nil {
		body, err = c.call(ctx, request{op: opLook, method: http.MethodGet, path: thermostatPath(at), location: at.locationID})
	}
	if lastSuffices && devices.KindOf(err) == devices.Throttled {
		c.limit.Met(err, c.now())
		body, err = at.seen, nil
	}
	if err != nil {
		return thermostat{}, changeable{}, err
	}
	d, err := parseDevice(body)
	if err == nil && !strings.EqualFold(d.DeviceID, at.deviceID) {
		err = errors.New("the answer is about another device")
	}
	if err == nil {
		if d.ChangeableValues != nil {
			shown = *d.ChangeableValues
			d.ChangeableValues = c.asWritten(id, shown)
		}
		t, err = d.thermostat(c.now(), at.home)
	}
	if err != nil {
		return thermostat{}, changeable{}, failure(opLook, devices.Nonsense, err)
	}
	return t, shown, nil
}

// asWritten returns what a thermostat that shows v will show once the last write has
// landed; v itself if there is none that may still land.
func (c *Client) asWritten(id string, v changeable) *changeable {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.writes[id]; w.pending(v, c.now()) {
		return &w.after
	}
	return &v
}

// written records a write to a thermostat that shows v, and what it will show.
func (c *Client) written(id string, v, after changeable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := write{at: c.now(), before: []changeable{v}, after: after}
	if w := c.writes[id]; w.pending(v, c.now()) {
		next.before = append(w.before, w.after)
		next.before = next.before[max(0, len(next.before)-8):]
	}
	c.writes[id] = next
}

// write is what was last sent to a thermostat: the cloud takes a while to show it, and
// until then a further command must not build on a reading. The flights of the rules
// cannot replace it: a write is always complete, so a command for one set point is
// completed here, a person's even before the rules hear of it.
type write struct {
	at     time.Time
	before []changeable // earlier values that may still be shown, the latest last
	after  changeable
}

// pending reports whether w may still land on a thermostat that shows v at now.
func (w write) pending(v changeable, now time.Time) bool {
	return now.Sub(w.at) < devices.ShownWithin && slices.ContainsFunc(w.before, v.same)
}

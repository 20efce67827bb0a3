package report

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// The picture of the day is drawn every quarter of an hour, and soon after the
// phase has changed, as Home Assistant shows it.
const (
	drawEvery = 15 * time.Minute
	drawSoon  = 15 * time.Second // to wait for what follows a start or a change of phase
	drawPause = 2 * time.Second  // of the machine's clock, between two: the demo's runs fast
)

// A Painter draws the records that a Recorder passes to it, and publishes the pictures.
// Drawing takes long on a small machine, so it is a part of its own.
type Painter struct {
	bus    *bus.Bus
	topics devices.Topics
	log    *slog.Logger
	drawn  func() // after each picture; nil: nothing is done
	next   chan Record
}

// NewPainter returns a painter that calls a function after each picture, since drawing
// touches a lot of memory.
func NewPainter(b *bus.Bus, topics devices.Topics, log *slog.Logger, drawn func()) *Painter {
	return &Painter{bus: b, topics: topics, log: log, drawn: drawn, next: make(chan Record, 1)}
}

// draw asks for a picture of r, which nobody changes any more.
func (p *Painter) draw(r Record) {
	select {
	case <-p.next: // drops a record that is not being drawn yet
	default:
	}
	p.next <- r
}

// Run draws until ctx ends, and returns ctx's error. A clock that runs faster than the
// machine's does not wait for a picture.
func (p *Painter) Run(ctx context.Context) error {
	var drawing sync.WaitGroup
	drawing.Go(func() { p.paintAll(ctx) })
	_, err := p.bus.Clock().Wait(ctx, time.Time{}, nil)
	drawing.Wait()
	return err
}

// paintAll paints the records that it is given until ctx ends.
func (p *Painter) paintAll(ctx context.Context) {
	for {
		select {
		case r := <-p.next:
			p.paint(r)
		case <-ctx.Done():
			return
		}
		debug.FreeOSMemory()
		if p.drawn != nil {
			p.drawn()
		}
		if bus.Sleep(ctx, bus.Wall{}, drawPause) != nil {
			return
		}
	}
}

// paint publishes the picture of a record.
func (p *Painter) paint(r Record) {
	picture, err := Chart(r)
	if err != nil {
		p.log.Warn("the picture of the day cannot be drawn", "reason", err)
		return
	}
	p.bus.Publish(bus.Message{Topic: p.topics.Control(devices.ChartLeaf), Payload: picture, Retain: true})
}

// nextDraw returns when a Recorder has the next picture drawn; zero: it has no painter.
func (r *Recorder) nextDraw(now time.Time) time.Time {
	if r.Painter == nil || r.day == nil {
		return time.Time{}
	}
	if r.drawAt.IsZero() || r.drawAt.Sub(now) > drawEvery { // it has begun, or the clock was set back
		r.drawAt = now.Add(drawSoon)
	}
	return r.drawAt
}

// paint has the picture drawn if it is due.
func (r *Recorder) paint(now time.Time) {
	at := r.nextDraw(now)
	if at.IsZero() || now.Before(at) {
		return
	}
	r.drawAt = now.Truncate(drawEvery).Add(drawEvery)
	b, err := Encode(*r.day)
	var copied Record
	if err == nil {
		copied, err = Decode(b)
	}
	if err != nil {
		r.Log.Warn("the picture of the day cannot be drawn", "reason", err)
		return
	}
	r.Painter.draw(copied)
}

// phased has the picture drawn soon after a message that says that the phase has
// changed.
func (r *Recorder) phased(levels []string, now time.Time) {
	n := len(r.day.Decisions)
	if levels[len(levels)-1] != devices.EventLeaf || n == 0 || r.day.Decisions[n-1].Type != rules.NotePhase {
		return
	}
	if soon := now.Add(drawSoon); soon.Before(r.nextDraw(now)) {
		r.drawAt = soon
	}
}

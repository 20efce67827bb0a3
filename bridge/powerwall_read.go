package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// What is read of a battery, and when. Without a limit to the calls each poll
// reads everything. With one, the figures and the settings have paces of their
// own, and one call less is made wherever only one of the two is wanted.

// A part is what is read of a battery in one request.
type part int

const (
	nothing part = iota
	figures
	settings
	everything
)

const (
	// paceAgain is how often to check whether the pace has changed, for example by an
	// override.
	paceAgain = time.Minute
	// changedAgain is when settings that nobody asked for here are read a second time:
	// one reading alone decides nothing.
	changedAgain = time.Minute
)

// When the settings are read after a command, besides until it shows.
const (
	rereadSettled = devices.ShownWithin + 30*time.Second     // an earlier write can no longer land over it
	rereadLate    = devices.AnswerWithin + 30*time.Second    // it can no longer land itself
	rereadLimit   = devices.ReserveLimitWithin + time.Minute // by then the device has refused a reserve above snapsBack, if it does
)

// snapsBack is what a Powerwall may turn a higher reserve into, at once or half an hour
// later.
const snapsBack = 80

func (p *Powerwall) limited() bool { return p.Budget != nil && p.Budget.Calls > 0 }

// pace returns how long after now the next poll is due.
func (p *Powerwall) pace(now time.Time) time.Duration {
	every := p.Every(now)
	if p.limited() {
		every = max(every, p.moment(now).figures(p.Budget.Paces(now), now).Sub(now))
	}
	return every
}

// moment returns what the pace depends on at now.
func (p *Powerwall) moment(now time.Time) Moment {
	m := p.Moment(now)
	m.Restoring = p.restoring()
	return m
}

func (p *Powerwall) restoring() bool { return p.Restoring != nil && p.Restoring() }

func (p *Powerwall) historyEvery(now time.Time) time.Duration {
	if p.limited() {
		return p.Budget.Paces(now).History
	}
	return historyEvery
}

// due returns when to act next.
func (p *Powerwall) due(now time.Time) time.Time {
	if !p.paced() {
		return p.poller.due(p.queue.due())
	}
	m := p.moment(now)
	p.advanceNextRead(m, now)
	at := minTime(p.poller.due(p.queue.due()), maxTime(p.settingsDue(m, now), p.poller.quiet.Reads))
	return minTime(at, now.Add(paceAgain))
}

// paced reports whether the pace decides what is read: not on standby, and not while
// the vendor does not answer, when a poll is there to reach it at all.
func (p *Powerwall) paced() bool {
	return p.limited() && p.Role.Active() && p.last != nil && p.poller.problem == "" && !p.poller.readAll
}

// advanceNextRead brings the next reading of the figures forward if the pace has become
// quicker since the last.
func (p *Powerwall) advanceNextRead(m Moment, now time.Time) {
	last := p.last.PolledAt
	p.poller.next = minTime(p.poller.next, maxTime(m.figures(p.Budget.Paces(now), last), last.Add(p.Every(now))))
}

// settingsDue returns when the settings are to be read next.
func (p *Powerwall) settingsDue(m Moment, now time.Time) time.Time {
	at := m.settings(p.Budget.Paces(now), p.last.SettingsAsOf())
	for _, looks := range p.rereads {
		for _, look := range looks {
			at = minTime(at, look)
		}
	}
	return at
}

// partDue returns what is to be read at now.
func (p *Powerwall) partDue(now time.Time) part {
	if !p.paced() {
		return everything
	}
	write := p.queue.due()
	live := !now.Before(p.poller.next)
	set := !now.Before(p.settingsDue(p.moment(now), now)) || !write.IsZero() && !now.Before(write) || live && (p.restoring() || usedByOthers(*p.last))
	switch {
	case live && set:
		return everything
	case live:
		return figures
	case set:
		return settings
	}
	return nothing
}

// usedByOthers reports whether a storm, the utility or an outage is in control of the
// battery, and may change its settings.
func usedByOthers(r devices.PowerwallReading) bool {
	is := func(flag *bool) bool { return flag != nil && *flag }
	return is(r.StormActive) || is(r.GridServicesActive) || r.GridConnected != nil && !*r.GridConnected
}

// read reads a part of the battery. The rest is as in the last reading.
func (p *Powerwall) read(ctx context.Context, wanted part) (r devices.PowerwallReading, err error) {
	switch wanted {
	case figures:
		if r, err = p.Device.ReadLive(ctx); err == nil {
			r = r.WithSettings(*p.last)
		}
	case settings:
		if r, err = p.Device.ReadSettings(ctx); err == nil {
			r = p.last.WithSettings(r)
		}
	default:
		r, err = p.Device.Read(ctx)
	}
	return r, err
}

// publishRead takes in a reading, and publishes what it has changed.
func (p *Powerwall) publishRead(r devices.PowerwallReading, wanted part, err error) {
	now := p.Bus.Now()
	if err == nil {
		if wanted != figures {
			r.SettingsAt = now
			for setting, looks := range p.rereads {
				p.rereads[setting] = slices.DeleteFunc(looks, func(at time.Time) bool { return !now.Before(at) })
			}
			switch {
			case p.last == nil:
				// It may have been changed while powermgr was away, and a change
				// counts with the second reading that shows it.
				p.rereads[""] = []time.Time{now.Add(changedAgain)}
			case p.changedElsewhere(r, now):
				p.changed = now
				p.rereads[""] = []time.Time{now.Add(changedAgain)}
			}
		}
		if wanted != settings {
			r.PolledAt = now
			if p.Energy != nil {
				p.Energy.Add(&r)
			}
		}
		if wanted == everything {
			p.poller.readAll = false
		}
		p.last = &r
	}
	if err == nil && wanted == settings {
		p.poller.good(now)
		p.poller.publishAPI(now)
	} else {
		p.poller.polled(now, r.AsOf(), err)
	}
	if p.Budget != nil {
		p.Budget.Keep()
	}
	// Availability first: Home Assistant drops the states of what is away.
	if online := p.poller.online; online != nil {
		old := p.last != nil && p.last.Age() >= devices.TooOld // then the cloud answers, and not the gateway
		p.publishAvailability(p.Topics.Powerwall(devices.AvailLeaf), *online && !old)
	}
	if err == nil {
		p.show()
	}
}

// changedElsewhere reports whether a reading shows a new reserve or mode that nobody
// asked for here. A value from before a command may show until the write of it can no
// longer land.
func (p *Powerwall) changedElsewhere(r devices.PowerwallReading, now time.Time) bool {
	before := p.settingsOf(*p.last)
	after := p.settingsOf(r)
	for _, setting := range []string{"reserve", "mode"} {
		v := after[setting]
		if v == nil || v == before[setting] || before[setting] == nil {
			continue
		}
		asked := now.Sub(p.commanded[setting]).Abs() < devices.AnswerWithin || p.queue.pending(setting)
		if !(asked && slices.Contains(p.past[setting], v)) {
			return true
		}
	}
	return false
}

// scheduleRereads has the settings read at the times that matter after a command.
func (p *Powerwall) scheduleRereads(setting string, cmd devices.PowerwallCommand, now time.Time) {
	looks := []time.Time{now.Add(rereadLate)}
	if p.queue.pending(setting) {
		looks = append(looks, now.Add(rereadSettled))
	}
	if cmd.Reserve != nil && *cmd.Reserve > snapsBack {
		looks = append(looks, now.Add(rereadLimit))
	}
	p.rereads[setting] = looks
}

// unchanged reads the settings before an automatic command is sent, and returns why it
// must not be: the controller has decided from an older reading, and somebody may have
// made a choice since. The controller decides again from the new one. A command that
// restores something is sent even if the settings cannot be read.
func (p *Powerwall) unchanged(ctx context.Context, restores bool) error {
	now := p.Bus.Now()
	if p.last == nil || now.Sub(p.last.SettingsAsOf()).Abs() >= devices.JustRead {
		err := p.poller.noReads(now)
		if err == nil {
			err = p.readNow(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !restores {
			return fmt.Errorf("it could not be read first: %w", err)
		}
	}
	if p.Bus.Now().Sub(p.changed).Abs() < devices.JustRead {
		return gaveWay("it has just changed, and the decision did not take that into account")
	}
	return nil
}

// readNow reads the settings, whether or not they are due.
func (p *Powerwall) readNow(ctx context.Context) error {
	wanted := settings
	if p.last == nil || p.poller.problem != "" {
		wanted = everything
	}
	var r devices.PowerwallReading
	err := bounded(ctx, func(ctx context.Context) (err error) {
		r, err = p.read(ctx, wanted)
		return err
	})
	if ctx.Err() == nil {
		p.publishRead(r, wanted, err)
	}
	return err
}

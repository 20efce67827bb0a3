package bridge

import (
	"context"
	"errors"
	"time"

	"powermgr/devices"
)

// EnergyHistory is what a vendor's own meters have counted, as an adapter gives
// it.
type EnergyHistory interface {
	// History is the buckets of the local day of day, in day's location.
	History(ctx context.Context, day time.Time) ([]devices.EnergyBucket, error)
}

// How history is read that is not told.
const (
	historyEvery = time.Hour
	historyWait  = 15 * time.Minute // after a failure
	historyNever = 24 * time.Hour   // after a refusal: the interface may have none
)

// syncHistory brings the energy counters up to the vendor's history, as far as that
// is due. Commands go first, and what is not told now is told later. An error
// says that the vendor wants nothing to be read for a while.
func (p *Powerwall) syncHistory(ctx context.Context) error {
	if p.History == nil || p.Energy == nil || len(p.queue.open) > 0 {
		return nil
	}
	for range maxDays + 1 {
		now := p.Bus.Now()
		day, due := p.Energy.HistoryDue(now, p.historyEvery(now))
		if !due || now.Before(p.historyAt) {
			return nil
		}
		free, stop := p.sub.Free(ctx)
		var history []devices.EnergyBucket
		err := bounded(free, func(ctx context.Context) (err error) {
			history, err = p.History.History(ctx, day)
			return err
		})
		interrupted := free.Err() != nil
		stop()
		now = p.Bus.Now()
		switch {
		case err == nil:
			p.Energy.AddHistory(history, day, now)
			p.historyProblem = ""
			continue
		case interrupted:
			return nil
		}
		wait, kind := historyWait, devices.KindOf(err)
		if e, ok := errors.AsType[*devices.Error](err); ok {
			wait = max(wait, e.RetryAfter)
		}
		if kind == devices.Refused {
			wait = historyNever
		}
		p.historyAt = now.Add(wait)
		if kind.String() != p.historyProblem {
			p.historyProblem = kind.String()
			p.Log.Warn("the energy history cannot be read; the counters go by power meanwhile", "reason", err)
		}
		if until, ok := limited(err, now); ok && until.After(now) {
			return err
		}
		return nil
	}
	return nil
}

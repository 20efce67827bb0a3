package bridge

import (
	"context"
	"errors"
	"time"

	"powermgr/devices"
)

// EnergyHistory is what a vendor's own meters have counted, as provided by an adapter.
type EnergyHistory interface {
	// History returns the buckets of the local day of day, in day's location.
	History(ctx context.Context, day time.Time) ([]devices.EnergyBucket, error)
}

// How history is read that is not told.
const (
	historyEvery = time.Hour
	historyWait  = 15 * time.Minute // after a failure
	historyNever = 24 * time.Hour   // after a refusal: the vendor may not offer it
)

// syncHistory updates the energy counters from the vendor's history, if that is due.
// Commands go first; what is not read now is read later. An error says that the vendor
// allows no reads for a while.
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

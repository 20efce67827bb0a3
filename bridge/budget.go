package bridge

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// A Budget counts the calls that a vendor may bill in a calendar month, across
// restarts, and says how often to read with what is left. It may be used by several
// goroutines.
type Budget struct {
	Calls    int                       // a month; 0: no limit
	Account  string                    // the account they are counted for
	Ahead    func(now time.Time) Ahead // what is left of the month; required if Calls is not 0
	Location *time.Location            // of the home, whose month it is; required
	Ramdisk  Store                     // nil: not stored there
	Disk     Store                     // nil: not stored there
	Log      *slog.Logger              // required

	mu        sync.Mutex
	spent     spent
	loaded    bool
	onRamdisk spent // as last saved there
	// as last saved there
	onDisk  spent
	failing bool

	paces   Paces
	pacesAt time.Time // zero: never
}

// spent is what a month has used so far.
type spent struct {
	Month string `json:"month"` // 2026-11
	Calls int    `json:"calls"`
	// Assumed is what was used, at an even rate, in times that this node knows nothing
	// of: before it first ran, while another node was active, or between its last
	// record and a power cut.
	Assumed float64   `json:"assumed,omitempty"`
	At      time.Time `json:"at"` // of the last call
}

const (
	// minUnknown is the shortest time without a call that counts as unknown: a node
	// that polls is never silent for so long.
	minUnknown = 3 * time.Hour
	// pacesLifetime is how long calculated paces are used.
	pacesLifetime = 10 * time.Minute
)

func (b *Budget) key() string { return "calls of " + b.Account }

// Count records a call at now.
func (b *Budget) Count(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.spent.Calls++
	b.spent.At = now.Round(0)
}

// Month returns how many calls this node has made in the month of now.
func (b *Budget) Month(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	return b.spent.Calls
}

// Paces returns the paces for what is left of the month of now.
func (b *Budget) Paces(now time.Time) Paces {
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.pacesAt); b.pacesAt.IsZero() || age < 0 || age >= pacesLifetime {
		b.advance(now)
		b.pacesAt, b.paces = now, PacesFor(b.Calls-b.spent.Calls-int(b.spent.Assumed), b.Ahead(now))
	}
	return b.paces
}

// advance brings the record up to now: it begins a new month, and estimates the calls
// of a time that nothing is known of.
func (b *Budget) advance(now time.Time) {
	if !b.loaded {
		b.loaded = true
		b.load(now)
	}
	local := now.In(b.Location)
	begin := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, b.Location)
	if month := local.Format("2006-01"); month != b.spent.Month {
		b.spent.Month, b.spent.Calls, b.spent.Assumed = month, 0, 0
	}
	from := maxTime(b.spent.At, begin)
	if silent := now.Sub(from); silent >= minUnknown {
		b.spent.Assumed += float64(b.Calls) * silent.Hours() / begin.AddDate(0, 1, 0).Sub(begin).Hours()
		b.spent.At = now.Round(0)
	} else if silent < 0 || b.spent.At.Before(begin) {
		b.spent.At = now.Round(0) // the clock was set back, or the month is young
	}
}

func (b *Budget) load(now time.Time) {
	month := now.In(b.Location).Format("2006-01")
	for i, s := range []Store{b.Ramdisk, b.Disk} {
		if s == nil {
			continue
		}
		var found spent
		switch err := s.Load(b.key(), &found); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil || found.Calls < 0 || !(found.Assumed >= 0) || found.Calls > maxCalls || found.Assumed > maxCalls:
			if err == nil {
				err = errors.New("it cannot be true")
			}
			b.Log.Warn("how many calls there were this month cannot be read: the even rate is assumed", "reason", err)
			continue
		}
		if i == 1 {
			b.onDisk = found
		}
		more := float64(found.Calls)+found.Assumed > float64(b.spent.Calls)+b.spent.Assumed
		if b.spent.Month == "" || found.Month == month && (b.spent.Month != month || more) {
			b.spent = found
		}
	}
	b.onRamdisk = b.spent
}

// maxCalls is more than any home makes in a month.
const maxCalls = 100_000_000

// Keep saves the record for the next start: often to the ramdisk, and seldom to the
// disk. What is lost in a power cut is estimated at an even rate.
func (b *Budget) Keep() { b.keep(diskInterval) }

// AfterCommand saves the record when a command was carried out: the journal is written
// about then, so the disk is not woken for this alone.
func (b *Budget) AfterCommand() { b.keep(diskIntervalAfterCommand) }

// StandBy saves the record to the disk: no more calls follow for a while.
func (b *Budget) StandBy() { b.keep(0) }

func (b *Budget) keep(every time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loaded {
		return
	}
	var err error
	if b.Ramdisk != nil && b.spent != b.onRamdisk {
		if err = b.Ramdisk.Save(b.key(), b.spent); err == nil {
			b.onRamdisk = b.spent
		}
	}
	if b.Disk != nil && b.spent != b.onDisk && (b.spent.Month != b.onDisk.Month || b.spent.At.Sub(b.onDisk.At).Abs() >= every) {
		e := b.Disk.Save(b.key(), b.spent)
		if e == nil {
			b.onDisk = b.spent
		}
		err = errors.Join(err, e)
	}
	if failing := err != nil; failing != b.failing {
		b.failing = failing
		if failing {
			b.Log.Warn("how many calls there were this month cannot be kept", "reason", err)
		}
	}
}

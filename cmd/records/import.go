package records

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/history"
	"powermgr/devices"
)

// Adds to the history what others have measured: Tesla, day by day, or a file.

// Limits for reading past days from Tesla: slowly, since a year takes 365 calls that may
// be billed, and the daemon uses the same account.
const (
	betweenDays    = 3 * time.Second  // between two calls
	throttledWait  = time.Minute      // after a 429 that names no time
	longestWait    = 15 * time.Minute // the import ends instead of waiting longer
	troubleWait    = 30 * time.Second // after a call without an answer
	maxTries       = 5                // for one day
	revisedDays    = 2                // the last days, whose sums Tesla may still correct
	nothingForDays = 30               // after so many days without figures, the rest is from before the battery was installed
)

// An Import reads the days that the history does not have from Tesla. Known figures of a
// day stay where Tesla has none.
type Import struct {
	Config   config.Config
	Read     func(ctx context.Context, day time.Time) ([]devices.EnergyBucket, error) // tesla.Client.History
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error
	Progress func(done, of int, text string) // called for each day; may be nil
}

// Imported is the outcome of an import.
type Imported struct {
	Days  int // days that were read and had figures
	Had   int // days that the history already had
	Empty int // days for which Tesla has nothing
	Calls int
	First string // the earliest day that was added, as 2026-07-15; empty: none
}

// Import reads the n days before today, the last one first. It stops at the first error,
// and when Tesla has had nothing for a month: what was read by then is in the history,
// and the next run continues from there.
func (i Import) Import(ctx context.Context, n int) (done Imported, err error) {
	b := &book{config: i.Config}
	defer func() { err = errors.Join(err, b.close()) }()
	today := i.Now().In(i.Config.Zone())
	nothing := 0
	for k := 1; k <= n && nothing < nothingForDays; k++ {
		day := time.Date(today.Year(), today.Month(), today.Day()-k, 12, 0, 0, 0, today.Location())
		date := day.Format(time.DateOnly)
		if err := b.open(monthOf(date)); err != nil {
			return done, err
		}
		if k > revisedDays && b.has(day) {
			done.Had, nothing = done.Had+1, 0
			i.told(k, n, date+" is there")
			continue
		}
		buckets, err := i.read(ctx, day, &done)
		if err != nil {
			return done, fmt.Errorf("%s: %w", date, err)
		}
		lines := quartersOf(buckets, i.Config.Zone())
		if len(lines) == 0 {
			done.Empty, nothing = done.Empty+1, nothing+1
			i.told(k, n, date+" has nothing")
			continue
		}
		b.add(lines, false)
		done.Days, done.First, nothing = done.Days+1, date, 0
		i.told(k, n, date)
	}
	return done, nil
}

func (i Import) told(done, of int, text string) {
	if i.Progress != nil {
		i.Progress(done, of, text)
	}
}

// read reads a day, and tries again where that may help.
func (i Import) read(ctx context.Context, day time.Time, done *Imported) ([]devices.EnergyBucket, error) {
	for try := 1; ; try++ {
		if done.Calls > 0 && try == 1 {
			if err := i.Sleep(ctx, betweenDays); err != nil {
				return nil, err
			}
		}
		done.Calls++
		buckets, err := i.Read(ctx, day)
		var e *devices.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &e) || !e.MayRetry() || try == maxTries {
			return buckets, err
		}
		wait := troubleWait
		if e.Kind == devices.Throttled {
			wait = max(throttledWait, e.RetryAfter)
		}
		if wait > longestWait {
			return nil, err
		}
		if err := i.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// quarter is the time that a line of the history covers.
const quarter = 15 * time.Minute

// quartersOf converts Tesla's buckets to lines. A quarter is known if its three buckets
// are.
func quartersOf(buckets []devices.EnergyBucket, zone *time.Location) (lines [][]string) {
	const parts = int(quarter / devices.BucketLength)
	for len(buckets) > 0 {
		start := buckets[0].Start.Truncate(quarter)
		n := 0
		for n < len(buckets) && buckets[n].Start.Before(start.Add(quarter)) {
			n++
		}
		if n == parts {
			sum := func(of func(devices.EnergyBucket) *devices.WattHours) *float64 {
				kWh := 0.0
				for _, b := range buckets[:n] {
					v := of(b)
					if v == nil {
						return nil
					}
					kWh += float64(*v) / 1000
				}
				return &kWh
			}
			lines = append(lines, []string{
				start.In(zone).Format(time.RFC3339),
				figure(sum(func(b devices.EnergyBucket) *devices.WattHours { return b.Home })),
				figure(sum(func(b devices.EnergyBucket) *devices.WattHours { return b.Solar })),
				figure(sum(func(b devices.EnergyBucket) *devices.WattHours { return b.GridImport })),
				figure(sum(func(b devices.EnergyBucket) *devices.WattHours { return b.GridExport })),
				figure(sum(func(b devices.EnergyBucket) *devices.WattHours { return b.BatteryIn })),
				figure(sum(func(b devices.EnergyBucket) *devices.WattHours { return b.BatteryOut })),
				"",
			})
		}
		buckets = buckets[n:]
	}
	return lines
}

// ImportSeries adds the series of a file to the history, where that has nothing yet, and
// returns how many quarters of an hour it added.
func ImportSeries(c config.Config, s history.Series) (added int, err error) {
	if s, err = s.In(quarter); err != nil {
		return 0, err
	}
	b := &book{config: c}
	defer func() { err = errors.Join(err, b.close()) }()
	for rest := s.Slots; len(rest) > 0; {
		month := rest[0].Start.In(c.Zone()).Format("2006-01")
		var lines [][]string
		n := 0
		for ; n < len(rest) && rest[n].Start.In(c.Zone()).Format("2006-01") == month; n++ {
			if x := rest[n]; x.LoadKWh != nil {
				lines = append(lines, []string{x.Start.In(c.Zone()).Format(time.RFC3339), figure(x.LoadKWh), figure(x.SunKWh), "", "", "", "", ""})
			}
		}
		if err := b.open(month); err != nil {
			return added, err
		}
		added += b.add(lines, true)
		rest = rest[n:]
	}
	return added, nil
}

// A book is the history while figures are added to it, one month at a time.
type book struct {
	config  config.Config
	month   string // the open month, like 2026-07; empty: none
	lines   [][]string
	changed bool
}

func (b *book) path() string { return filepath.Join(b.config.Paths.HistoryDir, b.month+".csv") }

// open opens a month, and first writes the one that was open if it has changed.
func (b *book) open(month string) error {
	if month == b.month {
		return nil
	}
	if err := b.close(); err != nil {
		return err
	}
	b.month = month
	lines, err := historyLines(b.path())
	b.lines = lines
	return err
}

func (b *book) close() error {
	if !b.changed {
		return nil
	}
	b.changed = false
	return writeHistory(b.config, b.path(), b.lines)
}

// knownShare is the share of a day that has to be known for the history to count as
// having it.
const knownShare = 0.75

func (b *book) has(day time.Time) bool {
	date, known := day.Format(time.DateOnly), 0
	for _, l := range b.lines {
		if l[0][:len(date)] == date && l[1] != "" {
			known++
		}
	}
	whole := devices.NextMidnight(day, day.Location()).Sub(devices.Midnight(day, day.Location()))
	return float64(known) >= knownShare*float64(whole/quarter)
}

// add adds lines to the open month: new figures replace existing ones, unless keep is
// set. It returns how many lines have changed.
func (b *book) add(lines [][]string, keep bool) (changed int) {
	at := map[int64]int{}
	for i, l := range b.lines {
		at[startOf(l).Unix()] = i
	}
	for _, l := range lines {
		i, there := at[startOf(l).Unix()]
		if !there {
			b.lines = append(b.lines, l)
			changed++
			continue
		}
		old := slices.Clone(b.lines[i])
		for c := 1; c < len(l); c++ {
			if l[c] != "" && (!keep || old[c] == "") {
				b.lines[i][c] = l[c]
			}
		}
		if !slices.Equal(old, b.lines[i]) {
			changed++
		}
	}
	slices.SortStableFunc(b.lines, func(a, c []string) int { return startOf(a).Compare(startOf(c)) })
	b.changed = b.changed || changed > 0
	return changed
}

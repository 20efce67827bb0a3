package bridge

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"powermgr/devices"
)

// A book keeps lifetime energies so that nothing is counted twice, although there are
// two sources: power tells at once what is flowing, and the vendor's history tells
// later what really flowed, in buckets of five minutes. A bucket holds the figures from
// history if there are any, and otherwise the sum of the power.
//
// Its methods are pure: each is given the time.
type book struct {
	// Closed is what flowed before Since, and never changes; the buckets follow it.
	Closed counters `json:"closed"`
	// Since is a multiple of the length of a bucket. Zero: nothing was measured
	// yet.
	Since   time.Time `json:"since,omitzero"`
	Buckets []bucket  `json:"-"` // sorted, one for each start; kept as a row
	// Shown is the highest value that was published. Published values never fall: while
	// Shown is ahead of what really flowed, it stays the same.
	Shown counters `json:"-"` // kept next to the book
	// Last is the latest measurement.
	Last measurement `json:"last,omitzero"`
	// HistoryRead is when history was last read, by local day.
	HistoryRead map[string]time.Time `json:"asked,omitempty"`
}

// A measurement is the power at one time, in the order of counters.all; nil is unknown.
type measurement struct {
	At    time.Time   `json:"at"`
	Power [6]*float64 `json:"w"`
}

// A bucket is five minutes of energy.
type bucket struct {
	start       int64 // Unix seconds
	fromHistory [6]bool
	wh          [6]float64 // in the order of counters.all
}

const (
	bucketSeconds = int64(devices.BucketLength / time.Second)
	// settled is how long after its end a bucket of history can be relied on: the
	// gateway reports every few minutes.
	settled = 10 * time.Minute
	// revised is when the history of a day is read for the second time, after its end:
	// by then gaps have been filled and sums corrected.
	revised = 6 * time.Hour
	// maxDays is how many days back history is read after a pause.
	maxDays = 7
	// bridged is the longest pause after which energy known only from the broker is
	// spread over the buckets.
	bridged = 36 * time.Hour
)

// total returns everything that has flowed.
func (b *book) total() counters {
	c := b.Closed
	for _, k := range b.Buckets {
		for i, to := range c.all() {
			*to += devices.WattHours(k.wh[i])
		}
	}
	return c
}

// show returns the counters to publish.
func (b *book) show() counters {
	b.Shown = b.Shown.max(b.total())
	return b.Shown
}

// begin opens the first bucket at the next boundary: the history of the current bucket
// includes what flowed before.
func (b *book) begin(now time.Time) {
	if b.Since.IsZero() {
		b.Since = time.Unix((now.Unix()+bucketSeconds-1)/bucketSeconds*bucketSeconds, 0)
	}
}

// measure takes in the power as of m. Between two measurements that are at most gap
// apart, energy is assumed to flow evenly.
func (b *book) measure(m measurement, polled time.Time, gap time.Duration) {
	b.begin(m.At)
	length := m.At.Sub(b.Last.At)
	switch {
	case b.Last.At.After(polled): // the clock was set back
	case length <= 0:
		return // the same measurement, read again
	case length <= gap:
		var flowed [6]float64
		for i, now := range m.Power {
			if before := b.Last.Power[i]; before != nil && now != nil {
				flowed[i] = (*before + *now) / 2 * length.Hours()
			}
		}
		b.spread(b.Last.At, m.At, flowed)
	}
	b.Last = m
}

// spread adds energy that flowed evenly over a time, wherever history has not provided
// it.
func (b *book) spread(from, until time.Time, flowed [6]float64) {
	length := until.Sub(from).Seconds()
	if length <= 0 {
		return
	}
	share := func(from, until time.Time) float64 { return until.Sub(from).Seconds() / length }
	if end := minTime(until, b.Since); from.Before(end) {
		for i, to := range b.Closed.all() {
			*to += devices.WattHours(flowed[i] * share(from, end))
		}
		from = end
	}
	for from.Before(until) {
		start := from.Unix() - from.Unix()%bucketSeconds
		end := minTime(until, time.Unix(start+bucketSeconds, 0))
		k := b.at(start)
		for i := range flowed {
			if !k.fromHistory[i] {
				k.wh[i] += flowed[i] * share(from, end)
			}
		}
		from = end
	}
}

// at returns the bucket that begins at start, and creates it if necessary.
func (b *book) at(start int64) *bucket {
	i, found := slices.BinarySearchFunc(b.Buckets, bucket{start: start}, byStart)
	if !found {
		b.Buckets = slices.Insert(b.Buckets, i, bucket{start: start})
	}
	return &b.Buckets[i]
}

// addHistory takes in the history of a local day, read at now. It may differ from what
// was read before.
func (b *book) addHistory(history []devices.EnergyBucket, day, now time.Time) {
	b.begin(now)
	for _, h := range history {
		if h.Start.Before(b.Since) || h.Start.Add(devices.BucketLength+settled).After(now) {
			continue
		}
		k := b.at(h.Start.Unix())
		for i, v := range [...]*devices.WattHours{h.GridImport, h.GridExport, h.Solar, h.BatteryIn, h.BatteryOut, h.Home} {
			if v != nil {
				k.fromHistory[i], k.wh[i] = true, float64(*v)
			}
		}
	}
	if b.HistoryRead == nil {
		b.HistoryRead = map[string]time.Time{}
	}
	b.HistoryRead[day.Format(time.DateOnly)] = now.Round(0)
	b.close(now.In(day.Location()))
}

// historyDue returns a day whose history is to be read at now, which is a local time:
// for past days what is still missing, the oldest first, and for today at every
// interval.
func (b *book) historyDue(now time.Time, every time.Duration) (day time.Time, ok bool) {
	today := noon(now, 0)
	if b.Since.IsZero() {
		return today, true
	}
	for back := maxDays; back > 0; back-- {
		day := noon(now, -back)
		end := devices.NextMidnight(day, now.Location())
		asked := b.HistoryRead[day.Format(time.DateOnly)]
		over := now.Sub(end) >= settled && asked.Sub(end) < settled
		again := back == 1 && now.Sub(end) >= revised && asked.Sub(end) < revised
		if end.After(b.Since) && (over || again) {
			return day, true
		}
	}
	return today, now.Sub(b.HistoryRead[today.Format(time.DateOnly)]) >= every
}

// noon returns a time on the local day that is days after that of now.
func noon(now time.Time, days int) time.Time {
	y, m, d := now.Date()
	return time.Date(y, m, d+days, 12, 0, 0, 0, now.Location())
}

// close adds up the buckets of days whose history is complete; today's and yesterday's
// may still change.
func (b *book) close(now time.Time) {
	until := devices.Midnight(noon(now, -1), now.Location())
	for back := maxDays; back > 1 && len(b.HistoryRead) > 0; back-- {
		day := noon(now, -back)
		end := devices.NextMidnight(day, now.Location())
		if end.After(b.Since) && b.HistoryRead[day.Format(time.DateOnly)].Before(end) {
			until = minTime(until, devices.Midnight(day, now.Location()))
		}
	}
	b.closeUntil(until)
	first := b.Since.In(now.Location()).Format(time.DateOnly)
	maps.DeleteFunc(b.HistoryRead, func(day string, _ time.Time) bool { return day < first })
}

func (b *book) closeUntil(until time.Time) {
	if !until.After(b.Since) {
		return
	}
	n := 0
	for n < len(b.Buckets) && b.Buckets[n].start < until.Unix() {
		for i, to := range b.Closed.all() {
			*to += devices.WattHours(b.Buckets[n].wh[i])
		}
		n++
	}
	b.Buckets, b.Since = slices.Clone(b.Buckets[n:]), until
}

// recall continues from counters that were published at at, perhaps by another node,
// where they are ahead of what is known here.
func (b *book) recall(c counters, at time.Time) {
	b.Shown = b.Shown.max(c)
	if !at.After(b.Last.At) {
		return
	}
	b.begin(at)
	var ahead [6]float64
	total := b.total()
	for i, v := range c.all() {
		ahead[i] = max(0, float64(*v-*total.all()[i]))
	}
	if from := b.Last.At; at.Sub(from) <= bridged {
		b.spread(from, at, ahead)
	} else { // too long ago: what there was is counted, and nothing before that is asked again
		b.closeUntil(time.Unix((at.Unix()+bucketSeconds-1)/bucketSeconds*bucketSeconds, 0))
		for i, to := range b.Closed.all() {
			*to += devices.WattHours(ahead[i])
		}
	}
	b.Last = measurement{At: at}
}

// A row holds buckets as JSON does, in whole numbers: there are hundreds of them, and
// they are saved with each reading.
type row []int64

// rowLength is how many numbers a bucket takes in a row: its start, a mask of the
// energies that come from history, and the energies in tenths of Wh.
const rowLength = 8

func rowOf(buckets []bucket) row {
	r := make(row, 0, rowLength*len(buckets))
	for _, k := range buckets {
		mask := int64(0)
		for i, told := range k.fromHistory {
			if told {
				mask |= 1 << i
			}
		}
		r = append(r, k.start, mask)
		for _, wh := range k.wh {
			r = append(r, int64(math.Round(wh*10)))
		}
	}
	return r
}

// buckets returns what rowOf was given.
func (r row) buckets() (all []bucket, err error) {
	if len(r)%rowLength != 0 {
		return nil, errors.New("a bucket is not whole")
	}
	for one := range slices.Chunk(r, rowLength) {
		k := bucket{start: one[0]}
		for i := range k.fromHistory {
			k.fromHistory[i], k.wh[i] = one[1]&(1<<i) != 0, float64(one[2+i])/10
		}
		all = append(all, k)
	}
	return all, nil
}

// later returns the book of the same home that knows more, with the highest values that
// either has shown.
func (b book) later(o book) book {
	shown := b.Shown.max(o.Shown)
	if o.Last.At.Before(b.Last.At) {
		o = b
	}
	o.Shown = shown
	return o
}

// sound reports whether a book that was loaded is usable.
func (b *book) sound() bool {
	return b.Closed.possible() && b.total().possible() && len(b.Buckets) <= 2*maxDays*288 && slices.IsSortedFunc(b.Buckets, byStart)
}

func byStart(a, b bucket) int { return cmp.Compare(a.start, b.start) }

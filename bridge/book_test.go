package bridge

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"powermgr/devices"
)

// A metered is a home whose load starts and stops within minutes, so that a reading
// every quarter of an hour says little about what has flowed.
type metered struct {
	start time.Time
	zone  *time.Location
	flows []float64 // grid import in W, every ten seconds
	sums  []float64 // in Wh, up to each of them
}

const tick = 10 * time.Second

func newMetered(start time.Time, days int, seed uint64) *metered {
	m := &metered{start: start, zone: start.Location()}
	r := rand.New(rand.NewPCG(seed, 1))
	w, left, sum := 800.0, 0, 0.0
	for range days * 8640 {
		if left--; left < 0 {
			w, left = float64(r.IntN(4500)), 20+r.IntN(60)
		}
		m.flows, m.sums = append(m.flows, w), append(m.sums, sum)
		sum += w * tick.Hours()
	}
	return m
}

func (m *metered) at(now time.Time) int { return int(now.Sub(m.start) / tick) }

func (m *metered) truth(now time.Time) float64 { return m.sums[m.at(now)] }

func (m *metered) reading(now time.Time) *devices.PowerwallReading {
	return &devices.PowerwallReading{GridPower: new(devices.Watts(m.flows[m.at(now)])), PolledAt: now}
}

// history returns a day as the vendor reports it at now. quirk changes the value of a
// bucket; a negative one leaves it out. Nil: every bucket has its true value.
func (m *metered) history(day, now time.Time, quirk func(start time.Time, wh float64) float64) (told []devices.EnergyBucket) {
	for at := devices.Midnight(day, m.zone); at.Before(devices.NextMidnight(day, m.zone)) && at.Before(now); at = at.Add(devices.BucketLength) {
		if at.Before(m.start) {
			continue
		}
		wh := m.truth(minTime(at.Add(devices.BucketLength), now)) - m.truth(at)
		if quirk != nil {
			if wh = quirk(at, wh); wh < 0 {
				continue
			}
		}
		told = append(told, devices.EnergyBucket{Start: at, GridImport: new(devices.WattHours(wh))})
	}
	return told
}

// A household follows a metered home: it reads the power and the history, and checks
// that no counter falls.
type household struct {
	*metered
	t      *testing.T
	e      *Energy
	ram    *memoryStore
	card   *memoryStore
	quirk  func(start, now time.Time, wh float64) float64
	deaf   bool // there is no history
	calls  int
	shown  float64
	broker *devices.PowerwallReading // the last that was published
	begun  float64                   // the true counter when it began to count
}

func newHousehold(t *testing.T, m *metered, now time.Time) *household {
	h := &household{metered: m, t: t, ram: &memoryStore{}, card: &memoryStore{}, begun: m.truth(now)}
	h.boot()
	return h
}

func (h *household) boot() {
	h.e = &Energy{Ramdisk: h.ram, Disk: h.card, Log: slog.New(slog.DiscardHandler), Gap: 45 * time.Minute, Location: h.zone}
}

func (h *household) poll(now time.Time) {
	h.t.Helper()
	for range 20 {
		day, ok := h.e.HistoryDue(now, time.Hour)
		if !ok || h.deaf {
			break
		}
		h.calls++
		h.e.AddHistory(h.history(day, now, func(start time.Time, wh float64) float64 {
			if h.quirk == nil {
				return wh
			}
			return h.quirk(start, now, wh)
		}), day, now)
	}
	r := h.reading(now)
	h.e.Add(r)
	got := float64(*r.GridImport)
	if math.Round(got) < math.Round(h.shown) { // as it is published
		h.t.Fatalf("%s: it fell from %.1f to %.1f Wh", now.Format("Mon 15:04"), h.shown, got)
	}
	h.shown, h.broker = got, r
}

// until reads at a fixed interval until a time.
func (h *household) until(now, end time.Time, every time.Duration) time.Time {
	h.t.Helper()
	for ; now.Before(end); now = now.Add(every) {
		h.poll(now)
	}
	return now
}

// off returns by how much the counter is ahead of what has flowed since it began.
func (h *household) off(now time.Time) float64 { return h.shown - (h.truth(now) - h.begun) }

var utcNoon = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)

// The power between two readings gives inaccurate energy; history corrects it, and
// energy that was bridged is not counted again.
func TestEnergyFollowsTheHistory(t *testing.T) {
	pacific, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []time.Time{utcNoon, time.Date(2026, 10, 31, 12, 0, 0, 0, pacific), time.Date(2027, 3, 13, 12, 0, 0, 0, pacific)} {
		for _, every := range []time.Duration{3 * time.Minute, 17 * time.Minute} {
			t.Run(fmt.Sprint(day.Format(time.DateOnly), " every ", every), func(t *testing.T) {
				m := newMetered(day.Add(-time.Hour), 4, 7)
				h := newHousehold(t, m, day)
				h.e.Ramdisk, h.e.Disk = nil, nil
				now := h.until(day, day.Add(60*time.Hour), every)
				// At most an hour is bridged, for which only the power is known.
				if off := h.off(now.Add(-every)); math.Abs(off) > 1200 {
					t.Errorf("it is off by %.0f Wh after 60 hours", off)
				}
				h.deaf = true
				alone := newHousehold(t, m, day)
				alone.deaf, alone.e.Ramdisk, alone.e.Disk = true, nil, nil
				alone.until(day, day.Add(60*time.Hour), every)
				total := h.truth(now) - h.begun
				t.Logf("off by %.0f of %.0f Wh, by power alone %.0f; %d calls", h.off(now.Add(-every)), total, alone.off(now.Add(-every)), h.calls)
				// Once all history is known, the counter is what has flowed.
				h.deaf = false
				h.e.book.HistoryRead = nil
				at := now.Add(20 * time.Minute)
				for back := range 3 {
					d := noon(at.In(h.zone), -back)
					h.e.AddHistory(h.history(d, at, nil), d, at)
				}
				settled := at.Add(-settled - devices.BucketLength).Truncate(devices.BucketLength).Add(devices.BucketLength)
				told := 0.0
				for _, k := range h.e.book.Buckets {
					if k.start < settled.Unix() {
						told += k.wh[0]
					}
				}
				told += float64(h.e.book.Closed.GridImport)
				if want := h.truth(settled) - h.begun; math.Abs(told-want) > 400 { // the first bucket is by power
					t.Errorf("%.0f Wh are told up to %s, of %.0f", told, settled.Format("15:04"), want)
				}
				if h.calls > 25*3+2 {
					t.Errorf("%d calls in 60 hours", h.calls)
				}
			})
		}
	}
}

// With any history, no counter falls and nothing is counted twice.
func TestEnergyFollowsAHistoryWithQuirks(t *testing.T) {
	for name, quirk := range map[string]func(start, now time.Time, wh float64) float64{
		"late": func(start, now time.Time, wh float64) float64 {
			if now.Sub(start) < 40*time.Minute {
				return -1
			}
			return wh
		},
		"revised": func(start, now time.Time, wh float64) float64 {
			if now.Sub(start) < 3*time.Hour {
				return wh / 2
			}
			return wh
		},
		"told too high at first": func(start, now time.Time, wh float64) float64 {
			if now.Sub(start) < 3*time.Hour {
				return wh * 1.1
			}
			return wh
		},
		"with holes that are filled later": func(start, now time.Time, wh float64) float64 {
			if start.Hour() == 20 && now.Sub(start) < 8*time.Hour {
				return -1
			}
			return wh
		},
		"with holes for good": func(start, _ time.Time, wh float64) float64 {
			if start.Unix()/300%7 == 3 {
				return -1
			}
			return wh
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHousehold(t, newMetered(utcNoon.Add(-time.Hour), 5, 9), utcNoon)
			h.quirk, h.e.Ramdisk, h.e.Disk = quirk, nil, nil
			now := h.until(utcNoon, utcNoon.Add(80*time.Hour), 10*time.Minute)
			total := h.truth(now) - h.begun
			if off := h.off(now.Add(-10 * time.Minute)); math.Abs(off) > 0.02*total {
				t.Errorf("off by %.0f of %.0f Wh", off, total)
			}
		})
	}
}

// Energy that one source has counted is not counted again by the other, whichever comes
// first.
func TestEnergyIsCountedOnce(t *testing.T) {
	at := func(clock string) time.Time {
		when, err := time.ParseInLocation("15:04:05", clock, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 7, 15, when.Hour(), when.Minute(), when.Second(), 0, time.UTC)
	}
	type step func(b *book)
	power := func(clock string, w float64) step { // 100 W are 8.33 Wh in five minutes
		return func(b *book) { b.measure(measurement{At: at(clock), Power: [6]*float64{&w}}, at(clock), time.Hour) }
	}
	told := func(now, start string, wh float64) step {
		return func(b *book) {
			b.addHistory([]devices.EnergyBucket{{Start: at(start), GridImport: new(devices.WattHours(wh))}}, at(now), at(now))
		}
	}
	stored := func(clock string, wh float64) step {
		return func(b *book) { b.recall(counters{GridImport: devices.WattHours(wh)}, at(clock)) }
	}
	for _, c := range []struct {
		name  string
		steps []step
		want  float64
	}{
		{"power alone", []step{power("12:00:00", 1200), power("12:30:00", 1200)}, 600},
		{"history after power", []step{power("12:00:00", 1200), power("12:30:00", 1200), told("12:30:00", "12:10:00", 150)}, 650},
		{"power after history", []step{power("12:00:00", 1200), told("12:30:00", "12:10:00", 150), power("12:30:00", 1200)}, 650},
		{"history twice", []step{power("12:00:00", 1200), told("12:30:00", "12:10:00", 150), told("12:40:00", "12:10:00", 170)}, 170},
		{"history of before the beginning", []step{power("12:01:00", 1200), told("12:30:00", "12:00:00", 99), told("12:30:00", "11:55:00", 99)}, 0},
		{"history of what goes on", []step{power("12:00:00", 1200), told("12:19:00", "12:05:00", 99)}, 0},
		{"a measurement older than the last", []step{power("12:00:00", 1200), power("12:30:00", 1200), func(b *book) {
			b.measure(measurement{At: at("12:20:00"), Power: [6]*float64{new(1200.0)}}, at("12:31:00"), time.Hour)
		}, power("12:40:00", 1200)}, 800},
		{"the clock was set back", []step{power("12:30:00", 1200), power("12:00:00", 1200), power("12:10:00", 1200)}, 200},
		{"the broker's, of just now", []step{power("12:00:00", 1200), power("12:30:00", 1200), stored("12:30:00", 601)}, 601},
		{"the broker's, and history of it", []step{power("12:00:00", 1200), stored("12:30:00", 500), told("13:00:00", "12:10:00", 150)}, 150 + 500*5./6},
		{"the broker's, and power", []step{power("12:00:00", 1200), stored("12:30:00", 500), power("12:31:00", 1200), power("12:41:00", 1200)}, 700},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b book
			for _, step := range c.steps {
				step(&b)
			}
			if got := float64(b.show().GridImport); math.Abs(got-c.want) > 0.01 {
				t.Errorf("%.2f Wh, want %.2f", got, c.want)
			}
		})
	}
}

// Whatever is lost, the counter continues, and history fills in what is unknown.
func TestEnergyAfterALoss(t *testing.T) {
	const every = 15 * time.Minute
	m := newMetered(utcNoon.Add(-time.Hour), 9, 3)
	stored := func(h *household) *devices.PowerwallReading {
		b, err := json.Marshal(h.broker)
		var r devices.PowerwallReading
		if err != nil || json.Unmarshal(b, &r) != nil {
			t.Fatal(err)
		}
		return &r
	}
	for _, c := range []struct {
		name    string
		away    time.Duration
		loses   func(h *household)
		recalls bool
		deaf    bool
		most    float64 // Wh that it may be off, beside the hour that is bridged
	}{
		{"a restart", time.Minute, func(*household) {}, false, false, 0},
		{"a restart without history", time.Minute, func(*household) {}, false, true, 0},
		{"an hour away", time.Hour, func(*household) {}, false, false, 0},
		{"three days away", 72 * time.Hour, func(*household) {}, false, false, 0},
		{"the ramdisk is lost, and the broker", 2 * time.Minute, func(h *household) { h.ram.all = nil; h.shown = 0 }, false, false, 0},
		{"the ramdisk is lost", 2 * time.Minute, func(h *household) { h.ram.all = nil }, true, false, 0},
		{"the ramdisk is lost, without history", 2 * time.Minute, func(h *household) { h.ram.all = nil }, true, true, 0},
		{"ramdisk and disk are lost", 2 * time.Minute, func(h *household) { h.ram.all, h.card.all = nil, nil }, true, false, 1200},
		{"ramdisk and disk are lost, and it was away for a day", 24 * time.Hour, func(h *household) { h.ram.all, h.card.all = nil, nil }, true, false, 1200},
		{"the disk is of three days ago", 2 * time.Minute, func(h *household) {
			h.ram.all = nil
			h.card.all = map[string][]byte{energyKey: h.card.all["old"]}
		}, true, false, 1200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, m, utcNoon)
			h.deaf = c.deaf
			now := h.until(utcNoon, utcNoon.Add(14*time.Hour), every)
			h.card.all["old"] = h.card.all[energyKey]
			now = h.until(now, utcNoon.Add(89*time.Hour), every)
			broker, before := stored(h), 0.0
			if c.deaf {
				before = h.off(now.Add(-every)) // the energy from power is inaccurate, and stays so
			}
			now = now.Add(c.away)
			c.loses(h)
			h.boot()
			if c.recalls {
				h.e.Recall(*broker, nil, now)
			}
			now = h.until(now, now.Add(3*time.Hour), every)
			if off := h.off(now.Add(-every)); math.Abs(off-before) > 1200+c.most {
				t.Errorf("it is off by %.0f of %.0f Wh, before by %.0f", off, h.truth(now)-h.begun, before)
			}
			if n := len(h.e.book.Buckets); n > 600 {
				t.Errorf("%d buckets are kept", n)
			}
		})
	}
}

// A node that takes over gets the other's counters as they are published, and counts
// nothing in them again.
func TestEnergyOfTwoNodes(t *testing.T) {
	m := newMetered(utcNoon.Add(-time.Hour), 5, 5)
	a, b := newHousehold(t, m, utcNoon), newHousehold(t, m, utcNoon)
	now := utcNoon
	for turn := range 12 {
		on, off := a, b
		if turn%2 == 1 {
			on, off = b, a
		}
		on.shown = max(on.shown, off.shown)
		for end := now.Add(5 * time.Hour); now.Before(end); now = now.Add(10 * time.Minute) {
			on.poll(now)
			off.e.Recall(*on.broker, nil, now)
		}
		on.e.StandBy()
		if got := on.off(now.Add(-10 * time.Minute)); math.Abs(got) > 2500 {
			t.Fatalf("after %d changes of node it is off by %.0f Wh", turn, got)
		}
	}
}

// A book of an earlier version is a row of sums.
func TestEnergyFromAnEarlierVersion(t *testing.T) {
	h := newHousehold(t, newMetered(utcNoon.Add(-time.Hour), 2, 3), utcNoon)
	h.ram.all = map[string][]byte{energyKey: []byte(`{"grid_import_kwh": 12.5, "home_kwh": 3}`)}
	h.card.all = map[string][]byte{energyKey: []byte(`{"grid_import_kwh": 11, "solar_kwh": 7}`)}
	h.poll(utcNoon)
	if h.shown != 12500 || *h.broker.Solar != 7000 || *h.broker.Home != 3000 {
		t.Errorf("it goes on from %.0f Wh, solar %v, home %v", h.shown, *h.broker.Solar, *h.broker.Home)
	}
	h.begun -= 12500
	now := h.until(utcNoon, utcNoon.Add(3*time.Hour), 10*time.Minute)
	if off := h.off(now.Add(-10 * time.Minute)); math.Abs(off) > 1200 {
		t.Errorf("what had flowed before is counted again: %.0f Wh too many", off)
	}
}

func FuzzBook(f *testing.F) {
	for _, s := range []string{`{}`, `{"book":{}}`, `{"book":{"buckets":[1,1,2,3,4,5,6,7],"since":"2026-07-15T12:00:00Z"}}`, `{"book":{"buckets":[9,1,1]}}`,
		`{"book":{"last":{"at":"2999-01-01T00:00:00Z","w":[1,null]},"asked":{"x":"2026-07-15T12:00:00Z"}}}`, `{"grid_import_kwh":-1}`, `{"book":{"closed":{"grid_import_kwh":1e300}}}`} {
		f.Add([]byte(s))
	}
	m := newMetered(utcNoon.Add(-time.Hour), 2, 3)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := newHousehold(t, m, utcNoon)
		h.ram.all = map[string][]byte{energyKey: b}
		h.poll(utcNoon)
		h.poll(utcNoon.Add(5 * time.Minute))
		if v := h.shown; !(v >= 0 && v <= 2*float64(maxCounted)) {
			t.Fatalf("%s counts %v", b, v)
		}
	})
}

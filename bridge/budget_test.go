package bridge

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCallsAreCountedOverRestarts(t *testing.T) {
	day := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
	}
	type life struct {
		at     time.Time
		calls  int
		kill   bool // the process is not stopped, but loses its power
		before func(ramdisk, disk string)
	}
	lost := func(ramdisk, _ string) { os.Remove(ramdisk) }
	steady := func(days, hours float64) float64 { return 3000 * (days + hours/24) / 30 } // of November
	for _, tt := range []struct {
		name    string
		lives   []life
		calls   int
		assumed float64
	}{
		{"one life from the first of the month on", []life{{at: day(11, 1, 0), calls: 30}}, 30, 0},
		{"what was before the first start is not known", []life{{at: day(11, 16, 0), calls: 30}}, 30, steady(15, 0)},
		{"a loop of restarts", []life{{at: day(11, 1, 0), calls: 7}, {at: day(11, 1, 0), calls: 7}, {at: day(11, 1, 1), calls: 7}}, 21, 0},
		{"a loop of kills", []life{{at: day(11, 1, 0), calls: 7, kill: true}, {at: day(11, 1, 0), calls: 7, kill: true}, {at: day(11, 1, 1), calls: 7}}, 21, 0},
		{"a lost ramdisk", []life{{at: day(11, 1, 0), calls: 120}, {at: day(11, 1, 1), calls: 7, before: lost}}, 127, 0},
		{"a power cut forgets what came since the disk was written", []life{{at: day(11, 1, 0), calls: 120, kill: true}, {at: day(11, 1, 1), calls: 7, before: lost}}, 27, 0},
		{"a new month", []life{{at: day(10, 31, 23), calls: 120}, {at: day(11, 1, 1), calls: 7}}, 7, 0},
		{"another node was active meanwhile", []life{{at: day(11, 1, 0), calls: 120}, {at: day(11, 11, 0), calls: 7}}, 127, steady(10, 0)},
		{"it was off over the turn of the month", []life{{at: day(10, 20, 0), calls: 120}, {at: day(11, 2, 12), calls: 7}}, 7, steady(1, 12)},
		{"a clock that was in another month", []life{{at: day(11, 1, 0), calls: 120}, {at: day(1, 1, 0), calls: 3}, {at: day(11, 4, 0), calls: 7}}, 7, steady(3, 0)},
		{"nonsense on the ramdisk", []life{{at: day(11, 1, 0), calls: 120}, {at: day(11, 1, 1), calls: 7, before: func(ramdisk, _ string) {
			_ = os.WriteFile(ramdisk, []byte(`{"calls of tesla":{"month":"2026-11","calls":-5}}`), 0o600)
		}}}, 127, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ramdisk, disk := filepath.Join(dir, "ramdisk.json"), filepath.Join(dir, "disk.json")
			var b *Budget
			for _, l := range tt.lives {
				if l.before != nil {
					l.before(ramdisk, disk)
				}
				b = &Budget{Calls: 3000, Account: "tesla", Location: time.UTC, Ramdisk: NewFileStore(ramdisk), Disk: NewFileStore(disk), Log: slog.New(slog.DiscardHandler)}
				for i := range l.calls {
					b.Count(l.at)
					if i%20 == 19 || i == l.calls-1 {
						b.Keep()
					}
				}
				if !l.kill {
					b.StandBy()
				}
			}
			if got := b.Month(tt.lives[len(tt.lives)-1].at); got != tt.calls {
				t.Errorf("%d calls, want %d", got, tt.calls)
			}
			if got := b.spent.Assumed; got < tt.assumed-1 || got > tt.assumed+1 {
				t.Errorf("%.1f are assumed, want %.1f", got, tt.assumed)
			}
		})
	}
}

func TestTheDiskIsWrittenRarely(t *testing.T) {
	disk := &countedStore{Store: NewFileStore(filepath.Join(t.TempDir(), "disk.json"))}
	b := &Budget{Calls: 3000, Account: "tesla", Location: time.UTC, Disk: disk, Log: slog.New(slog.DiscardHandler)}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for range 24 * 7 {
		b.Count(now)
		b.Keep()
		now = now.Add(time.Hour / 7)
	}
	if disk.saves > 4 {
		t.Errorf("%d times a day", disk.saves)
	}
}

type countedStore struct {
	Store
	saves int
}

func (c *countedStore) Save(key string, v any) error {
	c.saves++
	return c.Store.Save(key, v)
}

package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What make simulate passes on. Without these flags only a few days are simulated, so
// that go test is quick.
var (
	seed   = flag.Uint64("seed", 1, "the first seed")
	days   = flag.Int("days", 12, "how many days, each of a seed of its own")
	level  = flag.String("faults", "all", "how much goes wrong: none, some, all or ahead")
	replay = flag.Bool("replay", false, "tell the story of the day of -seed")
	file   = flag.String("day", "", "a file: the day of -seed is written there by -write, or the one in it is lived")
	write  = flag.Bool("write", false, "write the day of -seed to -day")
)

// garbage is how much garbage may accumulate, in percent of the memory in use, before it
// is collected: a day produces much and keeps little.
const garbage = 800

// live simulates one day in a bubble.
func live(t *testing.T, o Options) (r Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = Run(o); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// campaign counts the days that its workers have simulated.
type campaign struct {
	mu         sync.Mutex
	next, end  uint64
	lived      int
	writes     int
	violations int
	told       int
	began      time.Time
}

func (c *campaign) take() (seed uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return c.next - 1, c.next <= c.end
}

// storyIsDue reports whether to print the story of a day that went wrong: true for the
// first few.
func (c *campaign) storyIsDue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told++
	return c.told <= 5
}

func (c *campaign) count(r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lived++
	c.writes += r.Writes
	c.violations += len(r.Violations)
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && c.lived%50 == 0 {
		fmt.Fprintf(os.Stderr, "\r%d days, %.1f a second, %d violations ", c.lived, float64(c.lived)/time.Since(c.began).Seconds(), c.violations)
	}
}

func TestCampaign(t *testing.T) {
	l := Level(*level)
	if l != None && l != Some && l != All && l != Ahead {
		t.Fatalf("-faults %s: send none, some, all or ahead", *level)
	}
	n := *days
	if *replay {
		n = 1
	}
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	live(t, Options{}) // so that what the runtime opens only once is already open
	before := descriptors()
	c := &campaign{next: *seed, end: *seed + uint64(n), began: time.Now()}
	t.Run("days", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for s, ok := c.take(); ok; s, ok = c.take() {
					r := live(t, Options{Seed: s, Faults: l})
					c.count(r)
					for _, v := range r.Violations {
						t.Errorf("seed %d: %s\n  replay it: go test ./cmd/simulation -run TestCampaign -v -replay -faults %s -seed %d", s, v, l, s)
					}
					if *replay || len(r.Violations) > 0 && c.storyIsDue() {
						t.Log("\n" + strings.Join(r.Story, "\n"))
					}
				}
			})
		}
	})
	if after := descriptors(); after > before {
		t.Errorf("%s: %d file descriptors are left open", I8, after-before)
	}
	fmt.Printf("%d writes reached the vendors, %.1f days a second\n", c.writes, float64(c.lived)/time.Since(c.began).Seconds())
	outcome = fmt.Sprintf("%d days, %d seeds, %d violations", c.lived, c.lived, c.violations)
}

// outcome is the result of a campaign.
var outcome string

func TestMain(m *testing.M) {
	status := m.Run()
	if outcome != "" {
		fmt.Println(outcome)
	}
	os.Exit(status)
}

// TestASeedIsOneDay simulates days twice, on different numbers of cores: a failure that
// cannot be replayed cannot be understood.
func TestASeedIsOneDay(t *testing.T) {
	for s := uint64(1); s <= 4; s++ {
		first := live(t, Options{Seed: s, Faults: All})
		cores := runtime.GOMAXPROCS(1)
		second := live(t, Options{Seed: s, Faults: All})
		runtime.GOMAXPROCS(cores)
		if a, b := strings.Join(first.Story, "\n"), strings.Join(second.Story, "\n"); a != b {
			t.Errorf("seed %d is two days:\n%s\n\nand\n\n%s", s, a, b)
		}
	}
}

// descriptors returns how many files this process has open.
func descriptors() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

var (
	vary   = flag.Int("vary", 0, "how many variants of a day to live in search of one that breaks a promise")
	breaks = flag.String("breaks", "I", "with -vary: the promise, I1 …")
	found  = flag.String("found", "", "with -vary: the folder for the days that break it")
)

// enough is how many such variants are looked for.
const enough = 8

// TestVariants simulates variants of a day. A day that no longer guards against its bug
// often has a variant that does: for example, the daemon now reads a minute later.
func TestVariants(t *testing.T) {
	if *vary == 0 || *file == "" || *found == "" {
		t.Skip("make mends VARY=500 calls it")
	}
	w, err := load(*file)
	if err != nil {
		t.Fatal(err)
	}
	var all atomic.Int32
	for i := range *vary {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if all.Load() >= enough {
				return
			}
			v, err := w.variant(uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			is := func(v Violation) bool { return string(v.Invariant)[:len(*breaks)] == *breaks }
			if slices.ContainsFunc(live(t, Options{World: v}).Violations, is) {
				all.Add(1)
				if err := v.save(filepath.Join(*found, fmt.Sprintf("%d.yaml", i))); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// variant returns another day like this one: its events come earlier or later, and random
// decisions differ.
func (w *world) variant(seed uint64) (*world, error) {
	b, err := w.encode()
	if err != nil {
		return nil, err
	}
	v, err := decode(b)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 0x76617269616e74))
	v.Seed = r.Uint64N(1 << 32)
	most := pick(r, 5*time.Second, time.Minute, 15*time.Minute)
	for i := range v.Acts {
		a := &v.Acts[i]
		if at := a.at.Add(time.Duration(between(r, -1, 1) * float64(most)).Round(time.Second)); chance(r, 0.6) && a.at.Before(v.Ends) && at.After(v.Begins) && at.Before(v.Ends) {
			a.at = at
		}
	}
	slices.SortStableFunc(v.Acts, func(a, b event) int { return a.at.Compare(b.at) })
	if chance(r, 0.3) {
		v.Polls = polls{pick(r, 300, 600), pick(r, 60, 120, 180), pick(r, 300, 450, 600)}
	}
	if chance(r, 0.3) {
		v.Powerwall.ChargePercent = between(r, 15, 100)
	}
	if chance(r, 0.2) {
		v.Landing = time.Duration(r.IntN(75)) * time.Second
	}
	return v, nil
}

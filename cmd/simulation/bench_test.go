//go:build unix

package simulation

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

// BenchmarkDay lives days of different seeds, one after the other, on top of
// everything that can go wrong. What counts on a busy machine is cpu-ms/op.
func BenchmarkDay(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	b.ReportAllocs()
	before, seed := cpu(b), uint64(0)
	for b.Loop() {
		seed++
		day := testing.InternalTest{Name: "day", F: func(t *testing.T) { live(t, Options{Seed: seed, Faults: All}) }}
		if !testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{day}) { // a bubble wants a test
			b.Fatal("seed", seed)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// cpu is the time that this process has had of any core.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

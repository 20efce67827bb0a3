//go:build unix

package simulation

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

// BenchmarkDay simulates days of different seeds, one after the other, with everything
// that can go wrong. On a busy machine, cpu-ms/op is what counts.
func BenchmarkDay(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	b.ReportAllocs()
	before, seed := cpu(b), uint64(0)
	for b.Loop() {
		seed++
		day := testing.InternalTest{Name: "day", F: func(t *testing.T) { live(t, Options{Seed: seed, Faults: All}) }}
		if !testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{day}) { // a synctest bubble needs a test
			b.Fatal("seed", seed)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// cpu returns the CPU time that this process has used on all cores.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package simulation

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// TestAFileKeepsADay writes many days and reads them again, and checks that each kind of
// event is drawn.
func TestAFileKeepsADay(t *testing.T) {
	missing := kinds()
	for seed := range uint64(400) {
		w := draw(seed, Ahead)
		b, err := w.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(b)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if c, err := again.encode(); err != nil || !bytes.Equal(b, c) {
			t.Fatalf("seed %d: %v\n%s", seed, err, c)
		}
		for name, kind := range missing {
			for _, a := range w.Acts {
				if reflect.TypeOf(a.what) == reflect.TypeOf(kind) {
					delete(missing, name)
				}
			}
		}
	}
	for name := range missing {
		t.Errorf("%s is never drawn", name)
	}
}

// TestADayFromAFileIsTheSameDay simulates the days of some seeds, and the same days from
// files.
func TestADayFromAFileIsTheSameDay(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		b, err := draw(seed, All).encode()
		if err != nil {
			t.Fatal(err)
		}
		w, err := decode(b)
		if err != nil {
			t.Fatal(err)
		}
		drawn, kept := live(t, Options{Seed: seed, Faults: All}), live(t, Options{World: w})
		if a, b := strings.Join(drawn.Story, "\n"), strings.Join(kept.Story, "\n"); a != b {
			t.Errorf("seed %d:\n%s\n\nand from its file\n\n%s", seed, a, b)
		}
	}
}

// TestAFileThatSaysMoreIsRefused: otherwise a different day would be simulated than the
// one in the file.
func TestAFileThatSaysMoreIsRefused(t *testing.T) {
	b, err := hot(1, "tcc").encode()
	if err != nil {
		t.Fatal(err)
	}
	none := "acts: []\n"
	if !strings.HasSuffix(string(b), none) {
		t.Fatalf("%s", b)
	}
	for _, acts := range []string{
		"acts:\n  - {at: '2026-07-15T16:00:00-07:00', kills: {node: active, down: 1s}}\n",
		"acts:\n  - {at: '2026-07-15T16:00:00-07:00', kill: {node: active, down: 1s, twice: true}}\n",
		"acts:\n  - {at: '2026-07-15T16:00:00-07:00'}\n",
		"acts:\n  - {kill: {node: active, down: 1s}}\n",
		"acts: []\nmore: 1\n",
	} {
		if _, err := decode([]byte(strings.TrimSuffix(string(b), none) + acts)); err == nil {
			t.Errorf("it was taken: %s", acts)
		}
	}
	good := "acts:\n  - {at: '2026-07-15T16:00:00-07:00', kill: {node: active, down: 1s}}\n"
	if w, err := decode([]byte(strings.TrimSuffix(string(b), none) + good)); err != nil || w.Acts[0].what != (kill{Node: active, Down: 1e9}) {
		t.Errorf("%v", err)
	}
}

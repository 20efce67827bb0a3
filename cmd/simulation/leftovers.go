package simulation

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"
)

// private are the files that may hold secrets.
var private = []string{"config.yaml", "tesla.json", "resideo.json", "tcc.json"}

// leftovers checks what is left of a day once every daemon has ended: what was written to
// files, and what still runs.
func (h *home) leftovers(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !slices.Contains(private, d.Name()) {
			b, _ := os.ReadFile(path)
			h.oracle.file(d.Name(), b)
		}
		return nil
	})
	for _, n := range h.all() {
		for _, m := range []*memory{n.ram, n.card} {
			m.mu.Lock()
			for key, b := range m.all {
				h.oracle.file(key, b)
			}
			m.mu.Unlock()
		}
	}
	synctest.Wait() // a goroutine that only has to return is not running
	stacks := h.running()
	for _, stack := range stacks {
		h.oracle.stillRuns(stack)
	}
	if len(stacks) > 0 {
		time.Sleep(48 * time.Hour) // the bubble panics if they never end; the story is told if they do
	}
}

// running returns the stacks of the goroutines that the day has started and that have not
// ended: they inherit the label that Run has put on its own goroutine.
func (h *home) running() (stacks []string) {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return []string{err.Error()}
	}
	mine := strconv.Quote(h.label())
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		ended := strings.Contains(stack, "runtime.goexit1") // it was caught while exiting
		if strings.Contains(stack, mine) && !strings.Contains(stack, "(*home).running") && !ended {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

package simulation

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestFoundBugs simulates the days again on which a bug was found that has since been
// fixed: everything in testdata/days. Each file describes its bug.
func TestFoundBugs(t *testing.T) {
	files, err := filepath.Glob("testdata/days/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no days: ", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".yaml"), func(t *testing.T) {
			t.Parallel()
			w, err := load(f)
			if err != nil {
				t.Fatal(err)
			}
			if w.Bug == "" {
				t.Errorf("it does not say which bug was found")
			}
			relive(t, w)
		})
	}
}

// relive simulates a day on which no promise may be broken.
func relive(t *testing.T, w *world) {
	t.Helper()
	r := live(t, Options{World: w})
	for _, v := range r.Violations {
		t.Error(v)
	}
	if t.Failed() || *replay {
		t.Log("\n" + strings.Join(r.Story, "\n"))
	}
}

// TestDay writes the day of a seed to a file, or simulates the day in a file; make day
// and make replay call it.
func TestDay(t *testing.T) {
	switch {
	case *file == "":
		t.Skip("-day names no file")
	case *write:
		if err := draw(*seed, Level(*level)).save(*file); err != nil {
			t.Fatal(err)
		}
	default:
		w, err := load(*file)
		if err != nil {
			t.Fatal(err)
		}
		relive(t, w)
	}
}

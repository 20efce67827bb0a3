package simulation

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var mends = flag.Bool("mends", false, "take out what mended each bug of testdata/mends.yaml, and see its day fail")

// A mend is a piece of the source without which a day in testdata/days breaks a promise.
type mend struct {
	Day    string `yaml:"day"`
	Breaks string `yaml:"breaks"` // I1 …
	File   string `yaml:"file"`
	Mend   string `yaml:"mend"`    // in File, once
	Broken string `yaml:"without"` // what replaces it when it is taken out
}

// theMends are the entries of testdata/mends.yaml.
func theMends(t *testing.T) (all []mend) {
	t.Helper()
	b, err := os.ReadFile("testdata/mends.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEachMendIsNeeded removes one mend after another and checks that its day fails: a
// day that no longer does has stopped guarding against its bug. Each one needs another
// build of the daemon, so only make mends runs it.
func TestEachMendIsNeeded(t *testing.T) {
	if !*mends {
		t.Skip("it takes minutes: make mends")
	}
	for _, m := range theMends(t) {
		t.Run(m.Day, m.isNeeded)
	}
}

// TestEachDayHasItsMend checks that every day has one entry in testdata/mends.yaml, and
// that each entry quotes code that still exists.
func TestEachDayHasItsMend(t *testing.T) {
	entries := map[string]int{}
	for _, m := range theMends(t) {
		entries[m.Day]++
		if _, _, err := m.source(); err != nil {
			t.Errorf("%s: %v", m.Day, err)
		}
		if m.Broken == m.Mend || !strings.HasPrefix(m.Breaks, "I") {
			t.Errorf("%s takes nothing out, or does not say which promise it breaks", m.Day)
		}
	}
	files, err := filepath.Glob("testdata/days/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		day := strings.TrimSuffix(filepath.Base(f), ".yaml")
		if n := entries[day]; n != 1 {
			t.Errorf("the day %s has %d entries in testdata/mends.yaml, want 1: say which code mended its bug", day, n)
		}
		delete(entries, day)
	}
	for day := range entries {
		t.Errorf("testdata/mends.yaml has an entry for %s, and testdata/days has no such day", day)
	}
}

// source is the file that a mend is in, and what it says.
func (m mend) source() (file, text string, err error) {
	if file, err = filepath.Abs(filepath.Join("..", "..", m.File)); err != nil {
		return "", "", err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	if n := strings.Count(string(b), m.Mend); n != 1 {
		return "", "", fmt.Errorf("the mend is %d times in %s, want 1: say in testdata/mends.yaml where it is now\n%s", n, m.File, m.Mend)
	}
	return file, string(b), nil
}

// isNeeded builds the simulator without the mend and simulates the day.
func (m mend) isNeeded(t *testing.T) {
	file, source, err := m.source()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	broken, overlay, binary := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulation.test")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: broken}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{broken: strings.Replace(source, m.Mend, m.Broken, 1), overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("it cannot be built without the mend: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary, "-test.run", fmt.Sprintf("TestFoundBugs/^%s$", m.Day)).CombinedOutput()
	if err == nil {
		t.Errorf("the day goes well without the mend; %s", m.another(t, binary))
		return
	}
	if !strings.Contains(string(out), "VIOLATION of "+m.Breaks) {
		t.Errorf("it does not break %s:\n%s", m.Breaks, out)
	}
}

// another looks for a variant of the day that breaks the promise without the mend but not
// with it; the variant replaces the day.
func (m mend) another(t *testing.T, binary string) string {
	if *vary == 0 {
		return "make mends VARY=500 looks for a variant that does not"
	}
	dir, file := t.TempDir(), filepath.Join("testdata", "days", m.Day+".yaml")
	out, err := exec.CommandContext(t.Context(), binary, "-test.run", "TestVariants", "-day", file, "-vary", fmt.Sprint(*vary), "-breaks", m.Breaks, "-found", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	variants, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants {
		w, err := load(v)
		if err != nil {
			t.Fatal(err)
		}
		if len(live(t, Options{World: w}).Violations) > 0 {
			continue
		}
		if err := w.save(file); err != nil {
			t.Fatal(err)
		}
		return "a variant that does not has taken its place"
	}
	return fmt.Sprintf("nor is there one among %d variants, %d of which go wrong with the mend too", *vary, len(variants))
}

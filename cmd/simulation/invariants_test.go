package simulation

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachInvariantIsJudgedInItsFile checks that each invariant is judged only in the
// file that is named after it.
func TestEachInvariantIsJudgedInItsFile(t *testing.T) {
	declared, err := os.ReadFile("invariants.go")
	if err != nil {
		t.Fatal(err)
	}
	home := map[string]string{} // the file of I1 …
	for _, m := range regexp.MustCompile(`(I\d+) +Invariant = "(.*)"`).FindAllStringSubmatch(string(declared), -1) {
		home[m[1]] = strings.ReplaceAll(strings.ToLower(m[2]), " ", "_") + ".go"
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	judged := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.(?:broken|violation)\((I\d+),`).FindAllStringSubmatch(string(text), -1) {
			judged[m[1]] = true
			if home[m[1]] != file {
				t.Errorf("%s is judged in %s; it belongs in %s", m[1], file, home[m[1]])
			}
		}
	}
	for i, file := range home {
		if !judged[i] {
			t.Errorf("%s is judged nowhere; it belongs in %s", i, file)
		}
	}
}

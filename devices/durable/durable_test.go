package durable

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReplaceSurvivesAPowerCut checks that the new content is synced before it replaces
// the old one, and the directory after that.
func TestReplaceSurvivesAPowerCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		fails int // the call that fails, from 1; 0: none
		calls []string
		holds string
	}{
		{"the content cannot be synced", 1, []string{"sync new"}, "old"},
		{"it cannot be renamed", 2, []string{"sync new", "rename"}, "old"},
		{"the directory cannot be synced", 3, []string{"sync new", "rename", "sync directory"}, "new"},
		{"everything succeeds", 0, []string{"sync new", "rename", "sync directory"}, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			var calls []string
			call := func(what string) error {
				if calls = append(calls, what); len(calls) == c.fails {
					return errors.New("no")
				}
				return nil
			}
			err := disk{
				sync: func(f *os.File) error {
					if info, err := f.Stat(); err == nil && info.IsDir() {
						return call("sync directory")
					}
					b, err := os.ReadFile(f.Name())
					return errors.Join(err, call("sync "+string(b)))
				},
				rename: func(from, to string) error {
					if err := call("rename"); err != nil {
						return err
					}
					return os.Rename(from, to)
				},
			}.replace(path, []byte("new"), 0o640)
			if (err != nil) != (c.fails > 0) || !slices.Equal(calls, c.calls) {
				t.Errorf("%v after %s", err, strings.Join(calls, ", "))
			}
			if b, err := os.ReadFile(path); string(b) != c.holds {
				t.Errorf("it holds %q, %v", b, err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

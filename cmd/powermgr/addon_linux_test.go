package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What root alone can read is named, so that the add-on does not become a user who
// cannot start.
func TestWhatTheAddonsUserCannotRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode os.FileMode
		is   string // in the error; empty: none
	}{{"everybody reads it", 0o644, ""}, {"its owner alone reads it", 0o600, "config.yaml"}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "config.yaml"), nil, tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := closedTo(addonUser, dir)
			if (err == nil) != (tt.is == "") || err != nil && !strings.Contains(err.Error(), tt.is) {
				t.Errorf("got %v", err)
			}
			if err := closedTo(os.Getuid(), dir); err != nil {
				t.Errorf("its own user: %v", err)
			}
		})
	}
	if err := closedTo(addonUser, filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("there is no folder: %v", err)
	}
}

// The folder of an earlier life as root becomes the user's with all that is in it.
func TestTheAddonOwnsItsData(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("root alone can give files away")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "metrics", "2026-07-15.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := own(dir, addonUser); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Dir(file), file} {
		if is, err := ownerOf(path); err != nil || is != addonUser {
			t.Errorf("%s is %d's, %v", path, is, err)
		}
	}
	if err := own(filepath.Join(dir, "none"), addonUser); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}

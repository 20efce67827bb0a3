package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that only root can read is named, and keeps the add-on from changing to a user
// that could not start it.
func TestWhatTheAddonsUserCannotRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode os.FileMode
		is   string // in the error; empty: none
	}{{"readable by everyone", 0o644, ""}, {"readable only by its owner", 0o600, "config.yaml"}} {
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
				t.Errorf("for its owner: %v", err)
			}
		})
	}
	if err := closedTo(addonUser, filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("there is no folder: %v", err)
	}
}

// A folder from the time when the add-on ran as root gets a new owner, with everything in
// it.
func TestTheAddonOwnsItsData(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change the owner of a file")
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

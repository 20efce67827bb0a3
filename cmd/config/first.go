package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"powermgr/devices/durable"
)

// A configuration that has never run on a machine is tried out before it commands
// devices: the service starts it as a dry run, and it stays one across restarts until
// its owner has seen what it would do and runs powermgr live. A file next to the journal
// records that. A configuration that itself asks for a dry run needs no such step:
// whoever removes that key from the file knows what it means.

// The contents of the file next to the journal.
const (
	firstDry  = "dry run"
	firstLive = "live"
)

// HeldBack is the message for people while a configuration is a dry run only because it
// has never controlled devices on this machine.
const HeldBack = "this configuration has not controlled devices on this machine before, so powermgr starts as a dry run and sends nothing to them: " +
	"sudo powermgr status shows what it would do, and sudo powermgr live switches it on"

func (c Config) firstRun() string { return c.Beside("first-run") }

// BeginDry reports whether the configuration has to be a dry run although it does not
// ask for one. The error is about recording that.
func BeginDry(c Config) (bool, error) {
	said, err := os.ReadFile(c.firstRun())
	_, journal := os.Stat(c.Paths.JournalFile)
	known := err == nil
	switch {
	case known && strings.TrimSpace(string(said)) != firstDry:
		return false, nil
	case !known && !errors.Is(err, fs.ErrNotExist):
		return false, err // on a disk that can no longer be read; restoring settings is more important
	case c.Settings.DryRun, !known && journal == nil: // an earlier version has run here
		return false, GoLive(c)
	case known:
		return true, nil
	}
	return true, note(c, firstDry)
}

// GoLive lets the configuration command devices on this machine from the next start on.
func GoLive(c Config) error { return note(c, firstLive) }

func note(c Config, text string) error {
	if err := durable.Replace(c.firstRun(), []byte(text+"\n"), 0o640); err != nil {
		return fmt.Errorf("whether this configuration may command devices cannot be stored: %w", err)
	}
	return nil
}

// DryRun reports whether this configuration commands no device: because it says so, or
// because it has to be tried out on this machine first.
func (c Config) DryRun() bool {
	said, err := os.ReadFile(c.firstRun())
	return c.Settings.DryRun || err == nil && strings.TrimSpace(string(said)) == firstDry
}

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"powermgr/devices/durable"
)

// A configuration that has never run on a machine is tried before it commands
// devices: the service begins it as a dry run, and it stays one over restarts
// until its owner has seen what it would do and says so with powermgr live. A
// file beside the journal keeps that. A configuration that asks for a dry run
// by itself needs no such word: whoever takes that out of the file knows.

// What the file beside the journal says.
const (
	firstDry  = "dry run"
	firstLive = "live"
)

// HeldBack is what people are told while a configuration is a dry run for that
// reason alone.
const HeldBack = "this configuration has not controlled devices on this machine before, so powermgr starts as a dry run and sends nothing to them: " +
	"sudo powermgr status shows what it would do, and sudo powermgr live switches it on"

func (c Config) firstRun() string { return c.Beside("first-run") }

// BeginDry reports whether the configuration has to be a dry run though it does
// not ask for one. The error is about keeping that in mind.
func BeginDry(c Config) (bool, error) {
	said, err := os.ReadFile(c.firstRun())
	_, journal := os.Stat(c.Paths.JournalFile)
	known := err == nil
	switch {
	case known && strings.TrimSpace(string(said)) != firstDry:
		return false, nil
	case !known && !errors.Is(err, fs.ErrNotExist):
		return false, err // on a disk that cannot be read any more; what is to be restored comes first
	case c.Settings.DryRun, !known && journal == nil: // an earlier version has run here
		return false, GoLive(c)
	case known:
		return true, nil
	}
	return true, note(c, firstDry)
}

// GoLive lets the configuration command devices on this machine from its next
// start on.
func GoLive(c Config) error { return note(c, firstLive) }

func note(c Config, text string) error {
	if err := durable.Replace(c.firstRun(), []byte(text+"\n"), 0o640); err != nil {
		return fmt.Errorf("it cannot be kept whether this configuration may command devices: %w", err)
	}
	return nil
}

// DryRun reports whether this configuration commands no device: it says so, or it
// has to be tried first on this machine.
func (c Config) DryRun() bool {
	said, err := os.ReadFile(c.firstRun())
	return c.Settings.DryRun || err == nil && strings.TrimSpace(string(said)) == firstDry
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"powermgr/cmd/config"
)

// addonUser is the user ID of powermgr in the Home Assistant add-on; it owns no other
// files. The Supervisor starts every add-on as root, and writes its options so that
// only root can read them.
const addonUser = 65532

// addonConfig is where the add-on has its configuration file, which it cannot change.
const addonConfig = "/config"

// leaveRoot restarts this program as addonUser if it runs as root in the add-on. The
// daemon makes addonUser the owner of the folder with the options, unless it has to stay
// root. The other commands run as the owner of that folder, so that they reach the daemon
// and it can read the files that they write. An error says why powermgr stays root.
func leaveRoot(args []string) error {
	addon, ok := config.FindAddon(os.Environ())
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	data := filepath.Dir(addon.Options)
	if slices.Contains(args, "run") {
		closed := closedTo(addonUser, addonConfig)
		owner := addonUser
		if closed != nil {
			owner = 0
		}
		if err := errors.Join(own(data, owner), own(runtimeDir(), owner), closed); err != nil {
			return err
		}
	} else if is, err := ownerOf(data); err != nil || is != addonUser {
		return nil
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(addonUser), syscall.Setuid(addonUser)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// A process that has changed its user may no longer read its own /proc; one that was
	// started as that user may.
	return syscall.Exec(self, os.Args, os.Environ())
}

// own makes a user the owner of a folder and everything in it. It does nothing if there is
// no such folder.
func own(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // or it has just been removed
		}
		if err != nil {
			return err
		}
		if is, err := ownerOf(path); err != nil || is == user {
			return err
		}
		return os.Lchown(path, user, user)
	})
}

func ownerOf(path string) (int, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s has no owner", path)
	}
	return int(stat.Uid), nil
}

// closedTo returns an error if a user cannot read something in a folder.
func closedTo(user int, dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(path) // follows links
		if err != nil {
			return nil // nobody can read that
		}
		need := fs.FileMode(0o004)
		if info.IsDir() {
			need = 0o005
		}
		if is, err := ownerOf(path); err == nil && is == user || info.Mode()&need == need {
			return nil
		}
		return fmt.Errorf("only root can read %s: chmod o+r it", path)
	})
}

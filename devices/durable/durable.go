// Package durable writes files so that a power cut leaves either the old or the new
// content, never a mixture, and gives files created by root to the daemon.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// HandOver gives a file or folder that root has made to the owner of the folder
// it is in, so that the daemon, which is not root, can read and replace it.
// Whoever is not root has nothing to give.
func HandOver(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("give %s to the owner of its folder: %w", path, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("give %s to the owner of its folder: %w", path, err)
	}
	return nil
}

// Replace puts data at path so that a power cut leaves the old content or
// the new one, never a mixture: a synced temporary file beside it, a rename,
// and a sync of the directory. The file has mode perm, and what root writes is
// the folder's owner's.
func Replace(path string, data []byte, perm os.FileMode) error {
	return disk{(*os.File).Sync, os.Rename}.replace(path, data, perm)
}

// A disk is what makes a replacement safe, apart for a test that sees the order.
type disk struct {
	sync   func(*os.File) error
	rename func(from, to string) error
}

func (k disk) replace(path string, data []byte, perm os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(perm), HandOver(f.Name()), k.sync(f), f.Close()); err != nil {
		return err
	}
	if err = k.rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(k.sync(d), d.Close())
}

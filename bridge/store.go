package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"powermgr/devices/durable"
)

// A Store keeps small values across restarts, each under a key of its own.
type Store interface {
	// Load decodes what was saved under key into v, as JSON. The error is
	// fs.ErrNotExist when there is nothing; v is then unchanged.
	Load(key string, v any) error
	Save(key string, v any) error
}

// FileStore is a Store in one JSON file, such as on the ramdisk. It caches nothing,
// since rsync may replace the file with the other node's. Its methods may be called
// from several goroutines.
type FileStore struct {
	path string
	mu   sync.Mutex
}

// NewFileStore returns the store at path, which need not exist yet.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// maxKept is the size of the largest file that is read, in bytes.
const maxKept = 1 << 20

// Load reads one value; see Store. A file that is not a JSON object is an error until
// Save has replaced it.
func (f *FileStore) Load(key string, v any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := f.read()
	if err != nil {
		return err
	}
	raw, ok := all[key]
	if !ok {
		return fmt.Errorf("%s has no %q: %w", f.path, key, fs.ErrNotExist)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %q: %w", f.path, key, err)
	}
	return nil
}

// Save replaces one value and leaves the others. Anything unreadable in the file is
// dropped: it would never become readable again.
func (f *FileStore) Save(key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", f.path, key, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := f.read()
	if err != nil {
		all = map[string]json.RawMessage{}
	}
	all[key] = raw
	b, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if len(b) > maxKept {
		return fmt.Errorf("%s would have %d bytes; %d is the most", f.path, len(b), maxKept)
	}
	return durable.Replace(f.path, b, 0o640)
}

func (f *FileStore) read() (map[string]json.RawMessage, error) {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxKept:
		return nil, fmt.Errorf("%s is not a state file", f.path)
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%s is not a state file: %w", f.path, err)
	}
	if all == nil {
		return nil, errors.New(f.path + " is not a state file: it says null")
	}
	return all, nil
}

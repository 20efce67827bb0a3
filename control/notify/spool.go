package notify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"powermgr/control/health"
	"powermgr/devices/durable"
)

// The default limits of a spool. A mail is a few kilobytes, a report with charts a
// hundred or so.
const (
	maxMails    = 200
	maxBytes    = 32 << 20
	maxCritical = 500 // a day of the worst, weeks of what a home has
)

// ErrBusy says that another process is sending at this moment.
var ErrBusy = errors.New("mail: another powermgr is sending at this moment: try again in a minute")

// A Spool keeps mails on disk until they are sent: one file each, with names that sort
// in the order of arrival, and one with the keys of the last mails that were sent.
// Several processes may use one directory. Nothing is written while there is nothing to
// send.
//
// About crashes: before Add has written its file, a mail does not exist, and whoever
// wanted it sent asks again. After that it is sent once: its key is on disk before its
// file is removed. There is one moment in which it would be sent twice, between the
// server's last reply and that key; no mail sender can avoid that, and Message-ID is
// the same for that reason.
type Spool struct {
	Dir string       // made when it is first needed
	Log *slog.Logger // of what is dropped and what cannot be read; required

	// Mails and Bytes are how much of what is not critical is kept: the oldest
	// of info goes first, then the oldest warning. 0: 200, and 32 MiB.
	Mails int
	Bytes int64
	// Critical is how many critical mails have a file of their own. Further
	// ones are joined to the newest, with their subjects; none is dropped. 0:
	// 500.
	Critical int

	mu sync.Mutex
	// unsaved are mails that could not be written. They are sent from memory: a full
	// disk is one of the things to report.
	unsaved []Mail
	// unrecorded is what the server has accepted while that could not be recorded, by
	// key: who has not got it yet; nobody: it is done.
	unrecorded map[string][]string
}

// An entry is a file of the spool: 000000000012-warning-<hash of the key>.mail
type entry struct {
	name string
	size int64
}

const suffix = ".mail"

func (e entry) level() health.Level {
	parts := strings.Split(e.name, "-")
	return health.Level(parts[min(1, len(parts)-1)])
}

func (e entry) hasKey(key string) bool { return strings.HasSuffix(e.name, "-"+hash(key)+suffix) }

// Add adds m to the spool, unless its key is there or was sent before. After an error,
// m is kept in memory, and is lost with this process.
func (s *Spool) Add(m Mail) error {
	b, err := Encode(m)
	if err != nil {
		return err // it would never be sent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(m, b)
}

func (s *Spool) add(m Mail, b []byte) error {
	all, err := s.list()
	if s.known(m.Key, all) {
		return nil
	}
	if err == nil {
		err = s.put(m, b, all)
	}
	if err != nil {
		if !slices.ContainsFunc(s.unsaved, func(o Mail) bool { return o.Key == m.Key }) {
			s.unsaved = s.fit(append(s.unsaved, m))
		}
		return fmt.Errorf("mail: it cannot be spooled, and is kept in memory: %w", err)
	}
	return nil
}

// Waiting returns how many mails are to be sent.
func (s *Spool) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, _ := s.list()
	return len(all) + len(s.unsaved)
}

// list is all entries, in order; none if there is no directory yet.
func (s *Spool) list() ([]entry, error) {
	files, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []entry
	for _, f := range files { // which are sorted by name
		if !strings.HasSuffix(f.Name(), suffix) || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
			all = append(all, entry{f.Name(), info.Size()})
		}
	}
	return all, err
}

// known reports whether a mail with that key is waiting or was sent.
func (s *Spool) known(key string, all []entry) bool {
	if _, done := s.unrecorded[key]; done {
		return true
	}
	return slices.ContainsFunc(all, func(e entry) bool { return e.hasKey(key) }) || slices.Contains(s.sent(), hash(key))
}

// put writes m, whose JSON is b, after all others.
func (s *Spool) put(m Mail, b []byte, all []entry) error {
	if _, err := os.Stat(s.Dir); err != nil {
		if err := os.MkdirAll(s.Dir, 0o700); err != nil {
			return err
		}
		if err := durable.HandOver(s.Dir); err != nil {
			return err
		}
	}
	critical := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.level() != health.Critical })
	if m.Level == health.Critical && len(critical) >= cmp.Or(s.Critical, maxCritical) {
		if done, err := s.join(m, critical[len(critical)-1]); done || err != nil {
			return err
		}
	}
	last := 0
	for _, e := range all {
		number, _, _ := strings.Cut(e.name, "-")
		if n, err := strconv.Atoi(number); err == nil {
			last = max(last, n)
		}
	}
	e := entry{fmt.Sprintf("%012d-%s-%s%s", last+1, m.Level, hash(m.Key), suffix), int64(len(b))}
	if err := s.write(e.name, b); err != nil {
		return err
	}
	s.trim(append(all, e))
	return nil
}

// join adds m to the newest critical mail, unless that is being sent.
func (s *Spool) join(m Mail, newest entry) (done bool, err error) {
	unlock, err := s.lock()
	if err != nil {
		return false, nil // then there is one file more for now
	}
	defer unlock()
	into, err := s.read(newest)
	if err != nil || slices.Contains(into.Joined, m.Key) {
		return err == nil, nil
	}
	into.Joined = append(append(into.Joined, m.Key), m.Joined...)
	if len(into.Text) < 64<<10 {
		into.Text += "\nAlso: " + m.Subject + "\n"
		into.HTML = "" // the plain text has it all
	}
	b, err := Encode(into)
	if err != nil {
		return false, nil
	}
	return true, s.write(newest.name, b)
}

// trim keeps the spool within its limits.
func (s *Spool) trim(all []entry) {
	mails, size := 0, int64(0)
	var others []entry
	for _, e := range all {
		if e.level() != health.Critical {
			others, mails, size = append(others, e), mails+1, size+e.size
		}
	}
	slices.SortStableFunc(others, func(a, b entry) int { return cmp.Compare(urgency(a.level()), urgency(b.level())) })
	for _, e := range others {
		if mails <= cmp.Or(s.Mails, maxMails) && size <= cmp.Or(s.Bytes, maxBytes) {
			return
		}
		_ = s.remove(e) // one that stays is tried again at the next
		s.Log.Warn("a mail is dropped, the spool is full", "level", e.level(), "file", e.name)
		mails, size = mails-1, size-e.size
	}
}

// fit is trim for what is kept in memory.
func (s *Spool) fit(all []Mail) []Mail {
	for _, l := range []health.Level{health.Info, health.Warning} {
		for len(all) > cmp.Or(s.Mails, maxMails) {
			i := slices.IndexFunc(all, func(m Mail) bool { return m.Level == l })
			if i < 0 {
				break
			}
			s.Log.Warn("a mail is dropped, the disk cannot be written", "level", l, "subject", all[i].Subject)
			all = slices.Delete(all, i, i+1)
		}
	}
	return all
}

// read reads an entry. One that is not a mail is set aside, so that it is logged once
// and holds up nothing.
func (s *Spool) read(e entry) (Mail, error) {
	path := filepath.Join(s.Dir, e.name)
	var m Mail
	err := fmt.Errorf("mail: it is longer than %d bytes", MaxMail)
	if e.size <= MaxMail {
		b, unread := os.ReadFile(path)
		if unread != nil {
			return Mail{}, fmt.Errorf("mail: a spooled one cannot be read: %w", unread)
		}
		m, err = Decode(b)
	}
	if err == nil && !e.hasKey(m.Key) {
		err = errors.New("mail: its key is not that of its name")
	}
	if err != nil {
		if moved := os.Rename(path, path+aside); moved != nil {
			return Mail{}, fmt.Errorf("%w; it could not be set aside: %w", err, moved)
		}
		s.Log.Error("a spooled mail cannot be used and is set aside", "file", path+aside, "level", e.level(), "reason", err)
		return Mail{}, errUnusable
	}
	return m, nil
}

const aside = ".unusable"

var errUnusable = errors.New("mail: a spooled one is set aside")

func (s *Spool) remove(e entry) error {
	err := os.Remove(filepath.Join(s.Dir, e.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// write replaces a file of the spool.
func (s *Spool) write(name string, b []byte) error {
	return durable.Replace(filepath.Join(s.Dir, name), b, 0o600)
}

// lock keeps other processes, and this one a second time, from sending. The kernel
// releases it when a process dies.
func (s *Spool) lock() (unlock func(), err error) {
	path := filepath.Join(s.Dir, "lock")
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := durable.HandOver(path); err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

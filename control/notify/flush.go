package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Flush calls send for every mail, in order, until it has tried them all. A mail that
// send accepts is done. After a MailError it continues with the others, and a later
// Flush tries that one again; any other error ends the flush. It returns that error,
// ErrBusy, or what is wrong with the disk.
func (s *Spool) Flush(ctx context.Context, send func(context.Context, Mail) error) error {
	if s.Waiting() == 0 {
		return nil // and nothing is written
	}
	unlock, err := s.lock()
	switch {
	case errors.Is(err, ErrBusy):
		return err
	case err != nil: // the disk fails: what is in memory can be sent all the same
		return errors.Join(err, s.flushMemory(ctx, send))
	}
	defer unlock()
	s.saveMemory()
	tried := map[string]bool{}
	var problems []error
	for {
		untried := s.untried(tried)
		if len(untried) == 0 {
			return errors.Join(append(problems, s.flushMemory(ctx, send))...)
		}
		for _, e := range untried {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			tried[e.name] = true
			stop, err := s.flush(ctx, e, send)
			problems = append(problems, err)
			if stop {
				return errors.Join(problems...)
			}
		}
	}
}

// Deliver adds mails to the spool and sends what is in it. Whatever cannot be sent now
// stays there for the daemon; the error says why. It returns the keys of the mails that
// were sent or are in the spool: any other is lost.
func (s *Spool) Deliver(ctx context.Context, sender *Sender, mails ...Mail) (safe []string, err error) {
	var problems []error
	for _, m := range mails {
		err := s.Add(m)
		if err == nil {
			safe = append(safe, m.Key)
		}
		problems = append(problems, err)
	}
	err = s.Flush(ctx, func(ctx context.Context, m Mail) error {
		err := sender.Send(ctx, m)
		if err == nil {
			safe = append(safe, m.Key)
		}
		if errors.As(err, new(*MailError)) { // the spool goes on to the next one
			problems = append(problems, err)
		}
		return err
	})
	return safe, errors.Join(append(problems, err)...)
}

// untried returns the entries that were not tried; new ones may arrive meanwhile.
func (s *Spool) untried(tried map[string]bool) []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, _ := s.list() // Waiting found some a moment ago
	return slices.DeleteFunc(all, func(e entry) bool { return tried[e.name] })
}

// flush sends one entry. stop says that no other would succeed either.
func (s *Spool) flush(ctx context.Context, e entry, send func(context.Context, Mail) error) (stop bool, err error) {
	s.mu.Lock()
	m, err := s.read(e)
	if err != nil {
		s.mu.Unlock()
		if errors.Is(err, errUnusable) || errors.Is(err, os.ErrNotExist) {
			err = nil // that was said; or it was dropped meanwhile
		}
		return false, err
	}
	left, taken := s.unrecorded[m.Key]
	if taken {
		m.To = left
	}
	done := taken && len(left) == 0
	if slices.Contains(s.sent(), hash(m.Key)) { // it was written down, and then the process died
		m.To, done = nil, true
	}
	s.mu.Unlock()
	if !done {
		if done, stop, err = s.attempt(ctx, &m, send); !done {
			return stop, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// First the key, then the file. If neither can be written, this process
	// remembers; the next one would send it again.
	if err := s.recordOutcome(e, m); err != nil {
		s.noteUnrecorded(m)
		return false, fmt.Errorf("mail: it was sent, and that cannot be written down: %w", err)
	}
	delete(s.unrecorded, m.Key)
	return false, nil
}

// attempt sends m. done says that the outcome has to be recorded: m is finished if
// nobody is left in To.
func (s *Spool) attempt(ctx context.Context, m *Mail, send func(context.Context, Mail) error) (done, stop bool, err error) {
	err = send(ctx, *m)
	var part *MailError
	switch {
	case err == nil:
		m.To = nil
		return true, false, nil
	case !errors.As(err, &part):
		return false, true, err
	case !part.Sent:
		return false, false, nil
	}
	m.To = part.Left
	return true, false, nil
}

// recordOutcome records that m was sent, or who still has to get it.
func (s *Spool) recordOutcome(e entry, m Mail) error {
	if len(m.To) > 0 {
		b, err := Encode(m)
		if err != nil {
			return err
		}
		return s.write(e.name, b)
	}
	if err := s.recordSent(append([]string{m.Key}, m.Joined...)); err != nil {
		_ = s.remove(e) // a full disk still lets go of it
		return err
	}
	return s.remove(e)
}

func (s *Spool) noteUnrecorded(m Mail) {
	if s.unrecorded == nil {
		s.unrecorded = map[string][]string{}
	}
	s.unrecorded[m.Key] = m.To
}

// saveMemory writes what could not be written before, as far as that is possible now.
func (s *Spool) saveMemory() {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails := s.unsaved
	s.unsaved = nil
	for _, m := range mails {
		if b, err := Encode(m); err == nil {
			_ = s.add(m, b) // which keeps it in memory, and Add has said so
		}
	}
}

// flushMemory sends what could not be written.
func (s *Spool) flushMemory(ctx context.Context, send func(context.Context, Mail) error) error {
	s.mu.Lock()
	mails := s.unsaved
	s.mu.Unlock()
	for _, m := range mails {
		done, stop, err := s.attempt(ctx, &m, send)
		s.mu.Lock()
		if i := slices.IndexFunc(s.unsaved, func(o Mail) bool { return o.Key == m.Key }); i >= 0 && done {
			s.unsaved = slices.Clone(s.unsaved)
			if s.unsaved[i] = m; len(m.To) == 0 {
				s.unsaved = slices.Delete(s.unsaved, i, i+1)
				s.noteUnrecorded(m)
			}
		}
		s.mu.Unlock()
		if stop {
			return err
		}
	}
	return nil
}

// maxSentKeys is how many keys of sent mails are kept: enough for months, and for more
// than an hour at the maximum rate.
const maxSentKeys = 1000

const sentFile = "sent.json"

// sent returns the hashes of the keys that were sent lately. If the file cannot be read
// there are none, and it is replaced when something is sent.
func (s *Spool) sent() (hashes []string) {
	b, err := os.ReadFile(filepath.Join(s.Dir, sentFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &hashes)
	}
	if err != nil {
		s.Log.Warn("what mail was sent lately is not known", "file", filepath.Join(s.Dir, sentFile), "reason", err)
		return nil
	}
	return hashes
}

// recordSent adds keys to those that were sent. The caller holds the lock.
func (s *Spool) recordSent(keys []string) error {
	before := s.sent()
	all := before
	for _, k := range keys {
		if h := hash(k); !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	if len(all) == len(before) {
		return nil
	}
	b, err := json.Marshal(all[max(0, len(all)-maxSentKeys):])
	if err != nil {
		return err
	}
	return s.write(sentFile, b)
}

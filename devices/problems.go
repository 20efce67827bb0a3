package devices

import "sync"

// maxProblems limits the things that are remembered: their names come from vendors.
const maxProblems = 128

// KnownProblems remembers what is wrong with each thing, so that it is logged once and
// not at every attempt. The zero value is ready to use, by any goroutine.
type KnownProblems struct {
	mu   sync.Mutex
	last map[string]string
}

// Changed records what is wrong with a thing, empty for nothing, and reports whether
// that differs from the last time. With too many things at once, it never does.
func (s *KnownProblems) Changed(of, wrong string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last[of]
	switch {
	case last == wrong:
		return false
	case wrong == "":
		delete(s.last, of)
	case last == "" && len(s.last) >= maxProblems:
		return false
	case s.last == nil:
		s.last = map[string]string{of: wrong}
	default:
		s.last[of] = wrong
	}
	return true
}

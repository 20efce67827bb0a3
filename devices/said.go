package devices

import "sync"

// maxSaid is of how many things it is remembered what was said: vendors name them.
const maxSaid = 128

// Said remembers what is wrong with each thing, so that it is said once and not at
// every attempt. The zero value has said nothing. Any goroutine may use it.
type Said struct {
	mu   sync.Mutex
	last map[string]string
}

// News notes what is wrong with a thing, empty: nothing, and reports whether that is
// another than the last time. Of too many things at once it is never news.
func (s *Said) News(of, wrong string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last[of]
	switch {
	case last == wrong:
		return false
	case wrong == "":
		delete(s.last, of)
	case last == "" && len(s.last) >= maxSaid:
		return false
	case s.last == nil:
		s.last = map[string]string{of: wrong}
	default:
		s.last[of] = wrong
	}
	return true
}

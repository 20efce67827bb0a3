package bridge

import (
	"net/http"
	"sync"
	"time"
)

// Meter counts calls to a vendor by the home's local day. It is an
// http.RoundTripper around another and may be used by several goroutines.
type Meter struct {
	Next     http.RoundTripper        // required
	Now      func() time.Time         // required
	Location *time.Location           // required: whose midnight begins a day
	Budget   *Budget                  // is told of each call that may be billed; nil: none is
	Billed   func(*http.Request) bool // which calls may be; required with Budget

	mu            sync.Mutex
	day           string
	calls, failed int
}

// RoundTrip counts and passes on.
func (m *Meter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := m.Next.RoundTrip(r)
	if m.Budget != nil && m.Billed(r) {
		m.Budget.Count(m.Now())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.startDay(m.Now())
	m.calls++
	if err != nil || res.StatusCode >= 400 {
		m.failed++
	}
	return res, err
}

// Today is how many calls there were in the local day of now, and how many of
// them came to nothing.
func (m *Meter) Today(now time.Time) (calls, failed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.startDay(now)
	return m.calls, m.failed
}

func (m *Meter) startDay(now time.Time) {
	if day := now.In(m.Location).Format(time.DateOnly); day != m.day {
		m.day, m.calls, m.failed = day, 0, 0
	}
}

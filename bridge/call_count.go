package bridge

import (
	"net/http"
	"sync"
	"time"
)

// Meter counts the calls to a vendor by the home's local day. It is an
// http.RoundTripper that wraps another, and may be used by several goroutines.
type Meter struct {
	Next     http.RoundTripper        // required
	Now      func() time.Time         // required
	Location *time.Location           // required: its midnight begins a day
	Budget   *Budget                  // counts the calls that may be billed; nil: there are none
	Billed   func(*http.Request) bool // which calls may be; required with Budget

	mu            sync.Mutex
	day           string
	calls, failed int
}

// RoundTrip counts a call and makes it.
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

// Today returns how many calls there were on the local day of now, and how many of them
// failed.
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

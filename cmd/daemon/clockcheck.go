package daemon

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"powermgr/control/health"
	"powermgr/control/rules"
)

// A clockCheck compares this machine's clock with that of the vendors' answers: a
// Raspberry Pi has no clock that runs without power, and peaks begin and end by it. The
// clock is wrong if all vendors agree on that several times in a row.
type clockCheck struct {
	report func(health.Report)

	mu          sync.Mutex
	offsets     map[string]time.Duration // by host: how far this clock is behind, at the last answer
	wrongInARow int                      // answers in a row for which all hosts agreed
	reported    bool
}

const (
	maxClockOffset  = 2 * time.Minute // more than networks and vendors differ by
	minWrongAnswers = 3
)

// observe takes in a host's answer, which carries its time, to a request that left at
// sent.
func (c *clockCheck) observe(host string, header http.Header, sent, now time.Time) {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" { // out of a cache, it was made some time ago
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offsets[host] = at.Sub(sent.Add(now.Sub(sent) / 2))
	off, agreed := c.consensus()
	switch {
	case !agreed:
		c.wrongInARow = 0
		if c.reported {
			c.reported = false
			c.report(health.Report{})
		}
	case c.reported:
	default:
		if c.wrongInARow++; c.wrongInARow >= minWrongAnswers {
			c.reported = true
			which := "behind"
			if off < 0 {
				which = "ahead of"
			}
			c.report(health.Report{Level: health.Warning, Problem: fmt.Sprintf("this machine's clock is about %s %s that of the vendors' answers: "+
				"peaks begin and end at the wrong time; look at timedatectl", rules.Roughly(off.Abs()), which)})
		}
	}
}

// consensus reports whether all hosts find this clock wrong in the same direction, and
// by how much at least.
func (c *clockCheck) consensus() (off time.Duration, agreed bool) {
	for _, by := range c.offsets {
		switch {
		case by.Abs() < maxClockOffset, off != 0 && by < 0 != (off < 0):
			return 0, false
		case off == 0 || by.Abs() < off.Abs():
			off = by
		}
	}
	return off, off != 0
}

// timed is a RoundTripper that passes the time of each answer to a clockCheck.
type timed struct {
	next  http.RoundTripper
	check *clockCheck
}

func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := time.Now()
	res, err := t.next.RoundTrip(req)
	if err == nil {
		t.check.observe(req.URL.Host, res.Header, sent, time.Now())
	}
	return res, err
}

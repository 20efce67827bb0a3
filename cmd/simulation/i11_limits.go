package simulation

// I11: no vendor is polled before it wants to be asked again.

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// limits are the times until which a vendor accepts no requests of a kind. A command may
// have to read first, whatever the vendor says; a poll must wait.
type limits struct {
	until   map[limited]time.Time
	command time.Time  // the last one
	early   []tooEarly // requests that only a command that is seen later can excuse
	unread  time.Time  // until when Tesla accepts no reads: a choice in its app cannot be seen, and the reserve is not lowered
}

// tooEarly is a request that came before the vendor accepts requests again.
type tooEarly struct {
	at   time.Time
	what string
}

// Around a command there may be reads for it: it may be seen only after them.
const (
	beforeCommand = time.Minute
	afterCommand  = 5 * time.Minute
)

type limited struct {
	vendor string
	kind   emulator.Kind
}

// asks judges a request by the vendor's earlier answers, and notes its answer to this
// one.
func (w *oracle) asks(q emulator.Request) {
	now, of := time.Now(), limited{q.Vendor, vendors.KindOf(q.Endpoint)}
	alone := len(w.home.all()) == 1
	if until := w.limits.until[of]; alone && now.Before(until.Add(-time.Second)) {
		if now.Sub(w.limits.command) > afterCommand {
			w.limits.early = append(w.limits.early, tooEarly{now, fmt.Sprintf("%s was asked for %s; it wants no %s before %s", q.Vendor, q.Endpoint, of.kind, until.In(zone()).Format("15:04:05"))})
		}
		delete(w.limits.until, of) // once is enough
	}
	if q.Status == http.StatusTooManyRequests && q.Injected.RetryAfter > 0 {
		w.limits.until[of] = now.Add(time.Duration(q.Injected.RetryAfter) * time.Second)
		if of == (limited{"tesla", emulator.KindRead}) {
			w.limits.unread = w.limits.until[of]
		}
	}
	// Another fault does not end a limit. A process that has read nothing yet restores
	// nothing until it may read, since a person may have changed it in the meantime.
	until := now.Add(time.Duration(q.Injected.RetryAfter) * time.Second)
	if q.Vendor == "tcc" && (q.Endpoint == "tcc.login" && q.Fault != "" || q.Fault == emulator.Expire) {
		until = now.Add(lastLogin)
	}
	if q.Vendor == "tcc" && (q.Status == http.StatusForbidden || q.Endpoint == "tcc.login" && (q.Fault == emulator.HTML || q.Status == http.StatusTooManyRequests)) {
		until = now.Add(firstLockout << min(w.owed.lockouts, 6))
		w.owed.lockouts++
	}
	if q.Fault != "" && !mild(q.Injected) && until.After(w.owed.hindered[q.Vendor]) {
		w.owed.hindered[q.Vendor] = until
	}
}

// lastLogin is the longest wait for another log-in after one that led to no data,
// although the portal did not refuse it.
const lastLogin = time.Hour

// firstLockout is how long the portal is left alone after it first refused a log-in; each
// further time is twice as long.
const firstLockout = 15 * time.Minute

// commanded notes a command, which excuses what was read for it.
func (l *limits) commanded() {
	l.command = time.Now()
	l.early = slices.DeleteFunc(l.early, func(e tooEarly) bool { return time.Since(e.at) <= beforeCommand })
}

// judgeLimits judges the requests that came too early, once the command that they were
// part of would have been seen.
func (w *oracle) judgeLimits() {
	w.limits.early = slices.DeleteFunc(w.limits.early, func(e tooEarly) bool {
		seen := time.Since(e.at) > beforeCommand
		if seen {
			w.broken(I11, "%s", e.what)
		}
		return seen
	})
}

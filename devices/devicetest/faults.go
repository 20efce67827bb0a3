package devicetest

import (
	"path"
	"slices"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Everything that goes wrong at a vendor, at every endpoint that an adapter
// asks.

// fault is one thing that goes wrong, and what it usually comes to.
type fault struct {
	name   string
	fault  emulator.Fault
	kind   devices.Kind
	maybe  bool          // of a write: it may have been carried out
	wait   time.Duration // that the error tells
	quotes bool          // the answer has the secrets of the request in it
}

func everything() []fault {
	status := func(status, retryAfter int) emulator.Fault {
		return emulator.Fault{Class: emulator.Status, Status: status, RetryAfter: retryAfter}
	}
	return []fault{
		{name: "400", fault: status(400, 0), kind: devices.Refused},
		{name: "401", fault: status(401, 0), kind: devices.Unreachable}, // one says nothing of the next,
		{name: "403", fault: status(403, 0), kind: devices.Refused},
		{name: "404", fault: status(404, 0), kind: devices.Refused},
		{name: "408", fault: status(408, 0), kind: devices.Unreachable, maybe: true},
		{name: "429", fault: status(429, 0), kind: devices.Throttled},
		{name: "429 with a time", fault: status(429, 90), kind: devices.Throttled, wait: 90 * time.Second},
		{name: "500", fault: status(500, 0), kind: devices.Unreachable, maybe: true},
		{name: "503 with a time", fault: status(503, 30), kind: devices.Unreachable, maybe: true, wait: 30 * time.Second},
		{name: "400 that quotes", fault: status(400, 0), kind: devices.Refused, quotes: true},
		{name: "500 that quotes", fault: status(500, 0), kind: devices.Unreachable, maybe: true, quotes: true},
		{name: "null", fault: emulator.Fault{Class: emulator.Status, Status: 200, Body: `null`}, kind: devices.Nonsense},
		{name: "nothing in it", fault: emulator.Fault{Class: emulator.Status, Status: 200, Body: `{}`}, kind: devices.Nonsense},
		{name: "web page", fault: emulator.Fault{Class: emulator.HTML}, kind: devices.Nonsense, maybe: true},
		{name: "garbage", fault: emulator.Fault{Class: emulator.Garbage}, kind: devices.Nonsense, maybe: true},
		{name: "missing field", fault: emulator.Fault{Class: emulator.Missing}, kind: devices.Nonsense, maybe: true},
		{name: "hang", fault: emulator.Fault{Class: emulator.Hang}, kind: devices.Unreachable, maybe: true},
		{name: "20 s late", fault: emulator.Fault{Class: emulator.Latency, Seconds: 20}, kind: Good},
		{name: "ignored", fault: emulator.Fault{Class: emulator.Ignore}, kind: Good},
	}
}

// kind is what f comes to at e.
func (v suite) kind(e Endpoint, f fault) devices.Kind {
	if i := v.difference(e, f); i >= 0 {
		return v.Differs[i].Kind
	}
	return f.kind
}

// differs reports whether f comes to something else at e than it usually does.
func (v suite) differs(e Endpoint, f fault) bool { return v.difference(e, f) >= 0 }

func (v suite) difference(e Endpoint, f fault) int {
	return slices.IndexFunc(v.Differs, func(d Difference) bool { return fits(d.Endpoint, e.Name) && fits(d.Fault, f.name) })
}

func fits(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func (v suite) everyFault(t *testing.T) {
	for _, e := range v.Endpoints {
		for _, f := range everything() {
			f.fault.Fields = []string{e.Vital}
			switch {
			case f.fault.Class == emulator.Missing && e.Vital == "",
				f.fault.Class == emulator.Ignore && !e.Writes,
				f.fault.Status == 200 && e.Writes: // many say yes to a write in so few words
				continue
			}
			t.Run(e.String()+"/"+f.name, func(t *testing.T) { v.oneFault(t, e, f) })
		}
	}
}

// The most requests of one call: to one endpoint in trouble, and in all.
const (
	maxOfOne = 2
	maxOfAll = 8
)

// oneFault breaks e in one way until a call has met it, and then looks at what
// is left behind.
func (v suite) oneFault(t *testing.T, e Endpoint, f fault) {
	t.Parallel()
	s, a := v.ready(t, e)
	before := ""
	if !e.Cold {
		before = a.shown(t)
	}
	f.fault.Count = -1
	if f.quotes {
		f.fault.Body = `{"error": "` + quote + `", "error_description": "` + quote + `", "message": "` + quote + `", "reason": "` + quote + `"}`
	}
	s.inject(e.Name, f.fault)
	requests, err := s.watch(func() error { return promptly(t, func() error { return a.call(t.Context(), e) }) })
	if n := count(requests, e.Name); n == 0 || n > maxOfOne || len(requests) > maxOfAll {
		t.Errorf("it was asked %d times, and %d requests were made in all", n, len(requests))
	}
	done, want := changed(requests), v.kind(e, f)
	if done && err == nil && want == devices.Nonsense {
		want = Good // the answer to a write that was carried out need not be read
	}
	if failed := v.failure(t, s, err, want); failed != nil {
		if maybe := done || e.Writes && f.maybe; failed.MaybeDone != maybe {
			t.Errorf("MaybeDone is %t: %v", failed.MaybeDone, failed)
		}
		if want == f.kind && !v.differs(e, f) && failed.RetryAfter != f.wait {
			t.Errorf("it says to wait %s: %v", failed.RetryAfter, failed)
		}
		if want == devices.LockedOut || want == devices.Unauthorized && f.fault.Status == 401 && v.SignIn != "" {
			v.leavesAlone(t, s, a, e, want)
		}
	}
	s.cloud.ClearFaults()
	if lost := f.fault.Class == emulator.Garbage || f.fault.Class == emulator.Missing; lost && e.Name == v.SignIn && v.Revoke != nil {
		return // the only refresh token that was good went with the answer
	}
	v.recovers(t, s, a)
	if e.Command != "" && !t.Failed() {
		v.truthful(t, s, a, e, before, done)
	}
}

// leavesAlone holds a to send nothing while it knows the answer.
func (v suite) leavesAlone(t *testing.T, s *stage, a adapter, e Endpoint, want devices.Kind) {
	t.Helper()
	requests, err := s.watch(func() error { return a.call(t.Context(), e) })
	v.check(t, s, err, want)
	if len(requests) > 0 {
		t.Errorf("then it asks %d times all the same", len(requests))
	}
}

// truthful looks at the device after a command that met a fault: it shows the
// command if that was carried out, and else takes it when it is sent again.
func (v suite) truthful(t *testing.T, s *stage, a adapter, e Endpoint, before string, done bool) {
	t.Helper()
	s.pass(v.Settle)
	if shown := a.shown(t); (shown != before) != done {
		t.Errorf("it shows %s, and before %s; carried out: %t", shown, before, done)
	}
	if done {
		return
	}
	if err := a.call(t.Context(), e); err != nil {
		t.Fatalf("when it is over: %v", err)
	}
	s.pass(v.Settle)
	if shown := a.shown(t); shown == before {
		t.Errorf("when it is over it still shows %s", shown)
	}
}

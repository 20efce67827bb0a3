package devicetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// What no adapter may do, whatever it is for.

// adapter is an open adapter as this file sees it.
type adapter struct {
	read  func(context.Context) (shown string, err error) // what is set, in words
	apply func(ctx context.Context, command string) error // nil: it only reads
}

func (a adapter) call(ctx context.Context, e Endpoint) error {
	if e.Command != "" {
		return a.apply(ctx, e.Command)
	}
	_, err := a.read(ctx)
	return err
}

func (a adapter) shown(t *testing.T) string {
	t.Helper()
	shown, err := a.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// suite is what is common to all adapters: how to open one, and its vendor.
type suite struct {
	Vendor
	open func(*stage) adapter
	// house is the emulated one; the zero value is fine.
	house emulator.HouseOptions
}

func (v suite) stage(t *testing.T) *stage {
	return newStage(t, emulator.Options{House: v.house}, vendors.Options{})
}

// warm opens an adapter that has read once and may log in again.
func (v suite) warm(t *testing.T) (*stage, adapter) {
	t.Helper()
	s := v.stage(t)
	a := v.open(s)
	a.shown(t)
	s.pass(v.Rest)
	return s, a
}

// ready opens an adapter whose next call asks e.
func (v suite) ready(t *testing.T, e Endpoint) (*stage, adapter) {
	t.Helper()
	if !e.Cold {
		return v.warm(t)
	}
	s := v.stage(t)
	return s, v.open(s)
}

func (v suite) run(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("Faults", v.everyFault)
	t.Run("Canceled", v.canceled)
	t.Run("TimeOut", v.timeOut)
	t.Run("Restart", v.restart)
	t.Run("ManyAtOnce", v.manyAtOnce)
	if v.SignIn != "" {
		t.Run("DeadToken", v.deadToken)
	}
	if v.Revoke != nil {
		t.Run("Revoked", v.revoked)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// check judges what a call came to.
func (v suite) check(t *testing.T, s *stage, err error, want devices.Kind) {
	t.Helper()
	_ = v.failure(t, s, err, want)
}

// failure judges what a call came to, and returns the error if it is the one
// there is to be.
func (v suite) failure(t *testing.T, s *stage, err error, want devices.Kind) *devices.Error {
	t.Helper()
	if want == Good {
		if err != nil {
			t.Errorf("got %v, want none", err)
		}
		return nil
	}
	var e *devices.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Errorf("got %v, want %s", err, want)
		return nil
	}
	if e.Vendor != v.Name || e.Op == "" || e.Err == nil {
		t.Errorf("it does not say who, what and why: %#v", e)
	}
	text := fmt.Sprintf("%v %+v", err, *e)
	secrets, log := append(s.line.sent(), v.Secrets...), s.log.String()
	in := func(where string) func(string) bool { return func(s string) bool { return strings.Contains(where, s) } }
	if slices.ContainsFunc(append(secrets, "http://", "\n", "<html"), in(text)) {
		t.Errorf("a secret, an address or a page is in the error: %s", text)
	}
	if slices.ContainsFunc(secrets, in(log)) {
		t.Errorf("a secret is in the log: %s", log)
	}
	return e
}

// recovers holds a to be good again: at once, or when the time is over that it
// asks to wait. An authorization that is refused is tried again after an hour.
func (v suite) recovers(t *testing.T, s *stage, a adapter) {
	t.Helper()
	var err error
	for range 3 {
		if _, err = a.read(t.Context()); err == nil {
			return
		}
		var e *devices.Error
		switch {
		case errors.As(err, &e) && e.Kind == devices.Unauthorized:
			s.pass(time.Hour)
		case e != nil && e.RetryAfter > 0:
			s.pass(e.RetryAfter)
		default:
			t.Fatalf("when it is over: %v", err)
		}
	}
	t.Fatalf("long after it is over: %v", err)
}

// canceled holds every call to end when its context does, whatever hangs.
func (v suite) canceled(t *testing.T) {
	for _, e := range v.Endpoints {
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			s, a := v.ready(t, e)
			s.inject(e.Name, emulator.Fault{Class: emulator.Hang, Count: -1})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.whenHung(cancel)
			err := promptly(t, func() error { return a.call(ctx, e) })
			if failed := v.failure(t, s, err, devices.Unreachable); failed != nil && (failed.MaybeDone != e.Writes || !errors.Is(err, context.Canceled)) {
				t.Errorf("MaybeDone is %t: %v", failed.MaybeDone, err)
			}
			s.line.giveUp() // what goes on behind the caller's back ends as well
			s.whenHung(s.line.giveUp)
			s.cloud.ClearFaults()
			_, _ = a.read(t.Context()) // it may have waited for just that
			v.recovers(t, s, a)
		})
	}
	t.Run("before", func(t *testing.T) {
		s, a := v.warm(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, e := range v.Endpoints {
			if e.Cold {
				continue
			}
			requests, err := s.watch(func() error { return a.call(ctx, e) })
			if failed := v.failure(t, s, err, devices.Unreachable); failed != nil && failed.MaybeDone || len(requests) > 0 {
				t.Errorf("%s: %d requests, %v", e, len(requests), err)
			}
		}
	})
}

// timeOut holds the adapter to the time-out of the client it was given.
func (v suite) timeOut(t *testing.T) {
	s := v.stage(t)
	s.HTTP.Timeout = 50 * time.Millisecond
	s.whenHung(func() {})
	s.inject(v.Endpoints[0].Name, emulator.Fault{Class: emulator.Hang, Count: -1})
	a := v.open(s)
	err := promptly(t, func() error { return errorOf(a.read(t.Context())) })
	v.check(t, s, err, devices.Unreachable)
}

// promptly runs call, which has no reason to wait.
func promptly(t *testing.T, call func() error) error {
	t.Helper()
	came := make(chan error, 1)
	go func() { came <- call() }()
	select {
	case err := <-came:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it does not return")
		return nil
	}
}

// restart holds further adapters on the same files to go on where the first
// one was. The last one is sent a command first of all, if it takes any.
func (v suite) restart(t *testing.T) {
	s, a := v.warm(t)
	before := a.shown(t)
	for range 3 {
		again := v.open(s)
		requests, err := s.watch(func() error { return errorOf(again.read(t.Context())) })
		if err != nil || len(requests) > maxOfAll || count(requests, v.SignIn) > 1 {
			t.Fatalf("%d requests, %v", len(requests), err)
		}
		if shown := again.shown(t); shown != before {
			t.Errorf("it shows %s, and before %s", shown, before)
		}
	}
	i := slices.IndexFunc(v.Endpoints, func(e Endpoint) bool { return e.Writes })
	if i < 0 {
		return
	}
	again := v.open(s)
	v.check(t, s, again.call(t.Context(), v.Endpoints[i]), Good)
	s.pass(v.Settle)
	if shown := again.shown(t); shown == before {
		t.Errorf("it still shows %s", shown)
	}
}

// manyAtOnce reads, commands and loses its token all at the same time. It is
// worth most under the race detector.
func (v suite) manyAtOnce(t *testing.T) {
	s, a := v.warm(t)
	before := a.shown(t)
	if v.Kill != nil {
		v.Kill(s.cloud)
	}
	requests, _ := s.watch(func() error {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { v.check(t, s, errorOf(a.read(t.Context())), Good) })
		}
		for _, e := range v.Endpoints {
			if e.Writes {
				wg.Go(func() { v.check(t, s, a.call(t.Context(), e), Good) })
			}
		}
		wg.Wait()
		return nil
	})
	if n := count(requests, v.SignIn); v.Kill != nil && n != 1 {
		t.Errorf("one dead token led to %d new ones", n)
	}
	s.pass(v.Settle)
	if shown := a.shown(t); a.apply != nil && shown == before {
		t.Errorf("it still shows %s", shown)
	}
}

func errorOf(_ string, err error) error { return err }

// deadToken lets the token or the session die just before each request: one new
// one is had, and the call succeeds.
func (v suite) deadToken(t *testing.T) {
	for _, e := range v.Endpoints {
		if e.Cold {
			continue
		}
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			s, a := v.warm(t)
			before := a.shown(t)
			s.inject(e.Name, emulator.Fault{Class: emulator.Expire})
			requests, err := s.watch(func() error { return a.call(t.Context(), e) })
			v.check(t, s, err, Good)
			if n := count(requests, v.SignIn); n != 1 {
				t.Errorf("%d new tokens", n)
			}
			s.pass(v.Settle)
			if shown := a.shown(t); (shown != before) != (e.Command != "") {
				t.Errorf("it shows %s, and before %s", shown, before)
			}
			requests, err = s.watch(func() error { return errorOf(a.read(t.Context())) })
			if err != nil || count(requests, v.SignIn) != 0 {
				t.Errorf("and the next call asks for another one: %v", err)
			}
		})
	}
	if v.Rest == 0 {
		return
	}
	t.Run("too soon after the last one", func(t *testing.T) {
		s := v.stage(t)
		a := v.open(s)
		a.shown(t)
		v.Kill(s.cloud)
		requests, err := s.watch(func() error { return errorOf(a.read(t.Context())) })
		failed := v.failure(t, s, err, devices.Unreachable)
		// A session that comes back by itself is noticed at the next read.
		if failed == nil || failed.RetryAfter > 0 || count(requests, v.SignIn) != 0 {
			t.Errorf("%d log-ins, %v", count(requests, v.SignIn), err)
		}
		s.pass(v.Rest)
		v.recovers(t, s, a)
	})
}

// revoked withdraws the consent: a person is told what to do, and the vendor is
// left alone.
func (v suite) revoked(t *testing.T) {
	s, a := v.warm(t)
	v.Revoke(s.cloud)
	err := errorOf(a.read(t.Context()))
	if failed := v.failure(t, s, err, devices.Unauthorized); failed != nil && !strings.Contains(failed.Error(), "powermgr auth") {
		t.Errorf("it does not say what to do: %v", failed)
	}
	v.leavesAlone(t, s, a, Endpoint{}, devices.Unauthorized)
}

package devicetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"powermgr/devices"
)

// FuzzPowerwall gives an adapter for a battery any answer to anything that it
// asks. The files in testdata are where it starts from.
func FuzzPowerwall(f *testing.F, v Vendor, open func(*testing.T, House) PowerwallDevice) {
	b := batterySuite{suite{Vendor: v}, open}
	b.suite.open = b.adapter
	b.anyAnswer(f)
}

// FuzzThermostats is FuzzPowerwall for the thermostats of an account.
func FuzzThermostats(f *testing.F, v Vendor, open func(*testing.T, House) ThermostatDevice) {
	th := thermostatSuite{suite{Vendor: v}, open}
	th.suite.open = th.adapter
	th.anyAnswer(f)
}

func (v suite) anyAnswer(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	bodies := [][]byte{nil, []byte("null"), []byte("{}"), []byte("[]"), []byte(`{"error":{"message":1}}`), []byte("<html><title>Sorry</title>")}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		bodies = append(bodies, b)
	}
	for i := range v.Endpoints {
		for _, b := range bodies {
			f.Add(uint8(i), uint16(http.StatusOK), b)
		}
		f.Add(uint8(i), uint16(http.StatusForbidden), []byte(`{"error":"see developer.tesla.com"}`))
		f.Add(uint8(i), uint16(http.StatusFound), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, endpoint uint8, status uint16, body []byte) {
		e := v.Endpoints[int(endpoint)%len(v.Endpoints)]
		s, a := v.ready(t, e)
		s.answer(e.Name, 200+int(status)%400, body)
		v.proper(t, s, a.call(t.Context(), e))
		_, err := a.read(t.Context())
		v.proper(t, s, err)
	})
}

// proper holds an error to be one that can be shown.
func (v suite) proper(t *testing.T, s *stage, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *devices.Error
	if !errors.As(err, &e) || e.Vendor != v.Name || e.Op == "" || e.Err == nil {
		t.Fatalf("it does not say who, what and why: %v", err)
	}
	text := fmt.Sprintf("%v %+v", err, *e)
	if secrets := append(s.line.sent(), v.Secrets...); slices.ContainsFunc(append(secrets, "\n"), func(s string) bool { return strings.Contains(text, s) }) {
		t.Fatalf("a secret or a line feed is in the error: %q", text)
	}
	if len(text) > 2000 {
		t.Fatalf("an error of %d bytes: %.200s", len(text), text)
	}
}

// answer lets the vendor's next answer at an endpoint be another one.
func (s *stage) answer(endpoint string, status int, body []byte) {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	s.line.instead = func(res *http.Response) bool {
		s.mu.Lock()
		last := s.requests[len(s.requests)-1]
		s.mu.Unlock()
		if last.Endpoint != endpoint {
			return false
		}
		res.StatusCode, res.Status = status, fmt.Sprintf("%d %s", status, http.StatusText(status))
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return true
	}
}

package main_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
)

// slowSignIn is the emulated clouds behind a token endpoint, or a log-in page, whose first
// answer comes late.
type slowSignIn struct {
	cloud   http.Handler
	release chan struct{} // the first answer

	mu  sync.Mutex
	all int // requests to sign in
}

func (s *slowSignIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/token") && r.URL.Path != "/portal" {
		s.cloud.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	s.all++
	first := s.all == 1
	s.mu.Unlock()
	answer := httptest.NewRecorder()
	s.cloud.ServeHTTP(answer, r)
	if first {
		<-s.release
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (s *slowSignIn) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

func TestASignInThatIsAnsweredAfterTheSignalIsKept(t *testing.T) {
	for _, vendor := range []struct{ name, section, file, api string }{
		{"tesla", `tesla: {client_id: app, client_secret: s, token_file: %[2]s/token.json, base_url: %[1]q, token_url: "%[1]s/oauth2/v3/token", energy_site_id: 1234567890123}`,
			`{"refresh_token":"emulator-refresh"}`, "powermgr/powerwall/api"},
		{"resideo", `honeywell: {client_id: emulator-client, client_secret: emulator-client-secret, token_file: %[2]s/token.json, base_url: %[1]q}`,
			`{"refresh_token":"emulator-resideo-refresh"}`, "powermgr/thermostats/api"},
		{"tcc", `honeywell: {backend: tcc, username: owner@example.com, password: emulator-password, token_file: %[2]s/token.json, base_url: %[1]q}`,
			"", "powermgr/thermostats/api"},
	} {
		prepare := func(t *testing.T) (*home, *slowSignIn, *brokertest.Client) {
			t.Parallel()
			h := newHome(t, "")
			s := &slowSignIn{cloud: h.cloud.Handler(), release: make(chan struct{})}
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			text, err := os.ReadFile(h.config)
			if err == nil {
				section := fmt.Sprintf(vendor.section, server.URL, h.dir)
				text = regexp.MustCompile(`(?m)^`+section[:strings.Index(section, ":")]+`:.*$`).ReplaceAll(text, []byte(section))
				err = os.WriteFile(h.config, text, 0o600)
			}
			if err == nil && vendor.file != "" {
				err = os.WriteFile(filepath.Join(h.dir, "token.json"), []byte(vendor.file), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			person := h.broker.Client(t, brokertest.Login{})
			person.Subscribe(t, vendor.api)
			return h, s, person
		}
		t.Run(vendor.name+"/stop", func(t *testing.T) {
			h, s, person := prepare(t)
			p := h.start()
			h.until("it signs in", func() bool { return s.count() > 0 })
			_ = p.Process.Signal(syscall.SIGTERM)
			select {
			case <-p.done:
				t.Error("it does not wait for the answer")
			case <-time.After(300 * time.Millisecond):
			}
			close(s.release)
			if <-p.done; p.ProcessState.ExitCode() != 0 {
				t.Errorf("exit %d", p.ProcessState.ExitCode())
			}
			h.start()
			h.until("the next start reads", func() bool { return state(person, vendor.api)["age_seconds"] != nil })
		})
		t.Run(vendor.name+"/reload", func(t *testing.T) {
			h, s, person := prepare(t)
			p := h.start()
			h.until("it signs in", func() bool { return s.count() > 0 })
			_ = p.Process.Signal(syscall.SIGHUP)
			h.until("it is reloaded", func() bool { return strings.Contains(p.log.String(), "the configuration was read") })
			time.Sleep(300 * time.Millisecond)
			if n := s.count(); n != 1 {
				t.Errorf("%d requests to sign in at the same time", n)
			}
			close(s.release)
			h.until("it reads", func() bool { return state(person, vendor.api)["age_seconds"] != nil })
			_ = p.Process.Signal(syscall.SIGTERM)
			if <-p.done; strings.Contains(p.log.String(), "login_required") || strings.Contains(p.log.String(), "invalid_grant") {
				t.Error("the old token was used twice")
			}
		})
	}
}

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
)

// powermgr runs a command beside the daemon.
func (h *home) powermgr(args ...string) (out string, code int) {
	h.t.Helper()
	path, err := binary()
	if err != nil {
		h.t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+h.dir)
	b, err := c.CombinedOutput()
	if c.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(b), c.ProcessState.ExitCode()
}

func (h *home) edit(old, text string) {
	h.t.Helper()
	b, err := os.ReadFile(h.config)
	if err == nil && !strings.Contains(string(b), old) {
		h.t.Fatalf("there is no %q in the configuration", old)
	}
	if err == nil {
		err = os.WriteFile(h.config, []byte(strings.Replace(string(b), old, text, 1)), 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestStatusRoleAndHealthOfOneNode(t *testing.T) {
	h := newHome(t, "")
	for _, args := range [][]string{{"status"}, {"role"}, {"health"}} {
		if out, code := h.powermgr(args...); code != 1 || !strings.Contains(out, "powermgr") {
			t.Errorf("%v without a daemon: exit %d, %s", args, code, out)
		}
	}
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	p := h.start()
	h.until("it polls", func() bool { return state(person, "powermgr/thermostat/1000001/state") != nil })
	h.until("it has decided", func() bool { return state(person, "powermgr/control/state") != nil })
	h.until("it is well", func() bool { _, code := h.powermgr("health"); return code == 0 })
	out, code := h.powermgr("status")
	for _, word := range []string{"Powerwall", "DOWNSTAIRS", "reserve 100 %", "test, active", "connected", "off peak"} {
		if !strings.Contains(out, word) || code != 0 {
			t.Errorf("the status lacks %q, exit %d:\n%s", word, code, out)
		}
	}
	if out, code := h.powermgr("role", "standby"); code != 1 || !strings.Contains(out, "alone") {
		t.Errorf("a node alone told to stand by: exit %d, %s", code, out)
	}
	if out, code := h.powermgr("role", "master"); code != 2 || !strings.Contains(out, "active or standby") {
		t.Errorf("an unknown role: exit %d, %s", code, out)
	}
	if info, err := os.Stat(filepath.Join(h.dir, "powermgr.sock")); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	p.end(syscall.SIGTERM)
	if out, code := h.powermgr("health"); code != 1 {
		t.Errorf("health of a daemon that was stopped: %s", out)
	}
}

func TestANodeOfAPair(t *testing.T) {
	h := newHome(t, "")
	h.edit("ha: {node: test}", "ha: {node: test, enabled: true}")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	p := h.start()
	h.until("it stands by", func() bool { return state(person, "powermgr/node/test/state")["role"] == "standby" })
	if n := len(person.Received("powermgr/powerwall/state", "powermgr/status")); n != 0 {
		t.Errorf("a standby publishes %+v", person.Received())
	}
	tell := func(role string) {
		t.Helper()
		if out, code := h.powermgr("role", role); code != 0 {
			t.Fatalf("role %s: exit %d, %s", role, code, out)
		}
	}
	tell("active")
	person.Await(t, "powermgr/status", "online")
	h.until("it polls", func() bool { return state(person, "powermgr/powerwall/state") != nil })
	p.end(syscall.SIGKILL)
	person.Await(t, "powermgr/status", "offline")
	person.Forget()
	h.start()
	person.Await(t, "powermgr/status", "online") // the role outlives a restart
	tell("standby")
	h.until("it stands by again", func() bool { return state(person, "powermgr/node/test/state")["role"] == "standby" })
	if out, _ := h.powermgr("role"); strings.TrimSpace(out) != "standby" {
		t.Errorf("it says it is %s", out)
	}
}

func TestReload(t *testing.T) {
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	p := h.start()
	h.until("it polls", func() bool { return state(person, "powermgr/powerwall/state") != nil })
	h.until("it is well", func() bool { _, code := h.powermgr("health"); return code == 0 })
	unwell := watch(filepath.Join(h.dir, "health"), "0\n")
	h.edit("settings:", "settings:\n  off_peak_reserve_percent: 85")
	_ = p.Process.Signal(syscall.SIGHUP)
	h.until("it says what is wrong", func() bool { return strings.Contains(p.log.String(), "the old one stays in force") })
	if log := p.log.String(); !strings.Contains(log, "off_peak_reserve_percent") {
		t.Errorf("it does not say why:\n%s", log)
	}
	configuration := func() any {
		parts, _ := state(person, "powermgr/control/health")["parts"].(map[string]any)
		part, _ := parts["configuration"].(map[string]any)
		return part["ok"]
	}
	h.until("Home Assistant is told", func() bool { return configuration() == false })
	h.edit("off_peak_reserve_percent: 85", "off_peak_reserve_percent: 60")
	_ = p.Process.Signal(syscall.SIGHUP)
	h.until("the new one is in force", func() bool { return h.cloud.Truth().Reserve == 60 })
	if out, code := h.powermgr("health"); code != 0 {
		t.Errorf("after reading the configuration again: %s", out)
	}
	h.until("and that it is fixed", func() bool { return configuration() == true })
	if said := unwell(); len(said) > 0 {
		t.Errorf("a new configuration looks like a fault to keepalived: the health file said %q", said)
	}
	select {
	case <-p.done:
		t.Error("it ended")
	default:
	}
}

// watch reads a file again and again until the function that it returns is called; that
// returns every content of the file other than expected.
func watch(file, expected string) (others func() []string) {
	stop, done := make(chan struct{}), make(chan []string, 1)
	go func() {
		var said []string
		for {
			text, err := os.ReadFile(file)
			if err != nil {
				text = []byte(err.Error())
			}
			if string(text) != expected {
				said = append(said, string(text))
			}
			select {
			case <-stop:
				done <- said
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	return func() []string { close(stop); return <-done }
}

// powermgr status works with a demo as it does with a service, and a demo prints something
// before its first peak.
func TestStatusBesideADemo(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/run/powermgr/powermgr.sock"); err == nil {
		t.Skip("a service runs here")
	}
	env := slices.DeleteFunc(append(os.Environ(), "TMPDIR="+t.TempDir()), func(v string) bool { return strings.HasPrefix(v, "RUNTIME_DIRECTORY=") })
	c := exec.Command(path, "demo", "--listen", "127.0.0.1:0")
	said := &lockedBuffer{}
	c.Env, c.Stdout = env, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait() // it says that the day was not over
	}()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(said.String(), "\n01:0"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is printed after an hour of the demo:\n%s", said)
		}
	}
	s := exec.Command(path, "status")
	s.Env = env
	out, err := s.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "This is the demo") || !strings.Contains(string(out), "16:00–19:00 (summer)") {
		t.Errorf("%v\n%s", err, out)
	}
	s = exec.Command(path, "status")
	s.Env = append(slices.Clone(env), "RUNTIME_DIRECTORY="+t.TempDir())
	if out, err := s.CombinedOutput(); err == nil {
		t.Errorf("a request for the status of a service gets that of the demo:\n%s", out)
	}
}

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"powermgr/bridge/brokertest"
)

// The first start of the service with an edited configuration, or with one of
// v2.0, commanded the house at once.
func TestTheFirstStartOfAConfigurationIsADryRun(t *testing.T) {
	h := newHome(t, "now")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	dry := func() any { return state(person, "powermgr/control/state")["dry_run"] }
	p := h.start("--begin-dry")
	h.until("it says what it would do", func() bool {
		for _, m := range person.Received("powermgr/control/event") {
			if strings.Contains(m.Payload, "not sent, dry run: reserve 0 %") {
				return dry() == true
			}
		}
		return false
	})
	h.until("it says what to do", func() bool {
		all := person.Received("powermgr/control/health")
		return len(all) > 0 && strings.Contains(all[len(all)-1].Payload, "sudo powermgr live") && strings.Contains(p.log.String(), "sudo powermgr live")
	})
	if out, _ := h.powermgr("status"); !strings.Contains(out, "in dry run") || !strings.Contains(out, "sudo powermgr live") {
		t.Errorf("the status does not say so:\n%s", out)
	}
	p.end(syscall.SIGTERM)
	person.Forget()
	h.start("--begin-dry")
	h.until("a restart changes nothing", func() bool { return dry() == true })
	if n := len(h.writesOf("powerwall")); n != 0 {
		t.Fatalf("%d writes", n)
	}
	if out, code := h.powermgr("live", "--config", h.config); code != 0 {
		t.Fatalf("powermgr live: exit %d, %s", code, out)
	}
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 && dry() == false })
	h.until("and is well", func() bool {
		all := person.Received("powermgr/control/health")
		return len(all) > 0 && strings.Contains(all[len(all)-1].Payload, `"faults":[]`)
	})
}

func TestAnOwnerWhoSaysSoHasNoDryRun(t *testing.T) {
	for name, say := range map[string]func(h *home) []string{
		"on the command line": func(*home) []string { return []string{"--begin-dry", "--live"} },
		"before the start": func(h *home) []string {
			if out, code := h.powermgr("live", "--config", h.config); code != 0 {
				h.t.Fatalf("powermgr live: exit %d, %s", code, out)
			}
			return []string{"--begin-dry"}
		},
		"by an earlier version that ran here": func(h *home) []string {
			if err := os.WriteFile(filepath.Join(h.dir, "journal.json"), []byte(`{"version":1,"node":"test","generation":1,"sequence":1,"kept":{}}`), 0o600); err != nil {
				h.t.Fatal(err)
			}
			return []string{"--begin-dry"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, "now")
			h.start(say(h)...)
			h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
		})
	}
}

func TestADryRunByTheConfigurationEndsByTheSameCommand(t *testing.T) {
	h := newHome(t, "now")
	h.edit("settings:", "settings:\n  dry_run: true")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	h.start("--begin-dry")
	h.until("it is a dry run", func() bool { return state(person, "powermgr/control/state")["dry_run"] == true })
	if out, code := h.powermgr("live", "--config", h.config); code != 0 {
		t.Errorf("powermgr live: exit %d, %s", code, out)
	}
	if text, _ := os.ReadFile(h.config); !strings.Contains(string(text), "settings:\n  dry_run: false\n") {
		t.Errorf("the configuration is\n%s", text)
	}
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
}

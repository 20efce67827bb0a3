package main_test

import (
	"strings"
	"syscall"
	"testing"

	"powermgr/devices/emulator"
)

func TestRestoreWaitsUntilEverythingIsBack(t *testing.T) {
	h := newHome(t, "now")
	if out, code := h.powermgr("restore", "--config", h.config); code != 0 || !strings.Contains(out, "nothing is left") {
		t.Errorf("before the first start: exit %d, %s", code, out)
	}
	p := h.start()
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	h.until("it says so", func() bool { out, _ := h.powermgr("status"); return strings.Contains(out, "Set         Powerwall") })
	out, code := h.powermgr("restore", "--config", h.config)
	said := -1
	for _, want := range []string{"To restore: Powerwall. Waiting for up to 3m0s", "Powerwall is restored", "nothing is left", "changes nothing until "} {
		if at := strings.Index(out, want); at <= said {
			t.Errorf("%q is not next in\n%s", want, out)
		} else {
			said = at
		}
	}
	if code != 0 {
		t.Errorf("exit %d, %s", code, out)
	}
	if reserve := h.cloud.Truth().Reserve; reserve != 100 {
		t.Errorf("the reserve is %d", reserve)
	}
	p.end(syscall.SIGTERM)
}

// The command printed nothing for three minutes, and then one line.
func TestRestoreSaysWhatItWaitsFor(t *testing.T) {
	h := newHome(t, "now")
	h.start()
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	h.until("it says so", func() bool { out, _ := h.powermgr("status"); return strings.Contains(out, "Set         Powerwall") })
	if err := h.cloud.AddFaults(emulator.Fault{Endpoint: "tesla.*", Class: emulator.Status, Status: 503, Count: -1}); err != nil {
		t.Fatal(err)
	}
	out, code := h.powermgr("restore", "--config", h.config, "--wait", "17s")
	for _, want := range []string{"To restore: Powerwall. Waiting for up to 17s", "Still waiting for Powerwall (1", "not restored: Powerwall: the devices have not shown it in time"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != 1 {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestRestoreNamesWhatIsLeft(t *testing.T) {
	h := newHome(t, "now")
	p := h.start()
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	h.until("the journal has it", func() bool { out, _ := h.powermgr("status"); return strings.Contains(out, "reserve 0 %") })
	p.end(syscall.SIGKILL)
	if out, code := h.powermgr("restore", "--config", h.config); code != 1 || !strings.Contains(out, "not restored: the Powerwall's reserve") || !strings.Contains(out, "sudo systemctl start powermgr") {
		t.Errorf("after the daemon was killed: exit %d, %s", code, out)
	}
}

package main_test

import (
	"strings"
	"syscall"
	"testing"
)

func TestRestoreWaitsUntilEverythingIsBack(t *testing.T) {
	h := newHome(t, "now")
	if out, code := h.powermgr("restore", "--config", h.config); code != 0 || !strings.Contains(out, "nothing is left") {
		t.Errorf("before the first start: exit %d, %s", code, out)
	}
	p := h.start()
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	if out, code := h.powermgr("restore", "--config", h.config); code != 0 || !strings.Contains(out, "nothing is left") {
		t.Errorf("exit %d, %s", code, out)
	}
	if reserve := h.cloud.Truth().Reserve; reserve != 100 {
		t.Errorf("the reserve is %d", reserve)
	}
	p.end(syscall.SIGTERM)
}

func TestRestoreNamesWhatIsLeft(t *testing.T) {
	h := newHome(t, "now")
	p := h.start()
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	h.until("the journal has it", func() bool { out, _ := h.powermgr("status"); return strings.Contains(out, "reserve 0 %") })
	p.end(syscall.SIGKILL)
	if out, code := h.powermgr("restore", "--config", h.config); code != 1 || !strings.Contains(out, "not restored: the Powerwall's reserve") || !strings.Contains(out, "sudo systemctl start powermgr") {
		t.Errorf("of a daemon that was killed: exit %d, %s", code, out)
	}
}

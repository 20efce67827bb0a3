package main_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"powermgr/bridge/brokertest"
)

// People without a broker had to configure one anyway, and were warned about it forever.
func TestAHomeWithoutABroker(t *testing.T) {
	h := newHome(t, "now")
	h.edit(fmt.Sprintf("{url: %q}", h.broker.URL()), "{url: none}")
	h.edit("weather: {source: mqtt}", "weather: {}")
	p := h.start()
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	if out, code := h.powermgr("status"); code != 0 || !strings.Contains(out, "Broker      none") || strings.Contains(out, "connection to the broker") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := h.powermgr("restore", "--config", h.config); code != 0 {
		t.Errorf("restore: exit %d\n%s", code, out)
	}
	if reserve := h.cloud.Truth().Reserve; reserve != 100 {
		t.Errorf("the reserve is %d", reserve)
	}
	if strings.Contains(p.log.String(), "broker") {
		t.Errorf("the log mentions a broker:\n%s", p.log)
	}
	if out, code := h.powermgr("discovery", "clean", "--config", h.config); code == 0 || !strings.Contains(out, "mqtt.url is none") {
		t.Errorf("discovery clean: exit %d\n%s", code, out)
	}
	if out, code := h.powermgr("run", "--only", "control", "--config", h.config); code == 0 || !strings.Contains(out, "needs a broker") {
		t.Errorf("--only control: exit %d\n%s", code, out)
	}
}

func TestABrokerThatIsTakenOutOfTheConfiguration(t *testing.T) {
	h := newHome(t, "now")
	h.edit("weather: {source: mqtt}", "weather: {}")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	p := h.start()
	person.Await(t, "powermgr/status", "online")
	h.until("it commands the battery", func() bool { return h.cloud.Truth().Reserve == 0 })
	h.edit(fmt.Sprintf("{url: %q}", h.broker.URL()), "{url: none}")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	person.Await(t, "powermgr/status", "offline")
	h.until("it goes on", func() bool {
		out, code := h.powermgr("status")
		return code == 0 && strings.Contains(out, "Broker      none") && strings.Contains(out, "reserve 0 %")
	})
}

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
)

// second is a home on the same broker with the same devices, whose daemon has
// another name and another folder.
func (h *home) second(more string) *home {
	h.t.Helper()
	text, err := os.ReadFile(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	o := &home{t: h.t, broker: h.broker, cloud: h.cloud, dir: h.t.TempDir()}
	o.config = filepath.Join(o.dir, "config.yaml")
	changed := strings.NewReplacer(h.dir, o.dir, "node: test", "node: other", "settings:\n", "settings:\n"+more).Replace(string(text))
	if err := os.WriteFile(o.config, []byte(changed), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return o
}

// saves returns how often a home's journal was saved, according to the file.
func (h *home) saves() uint64 {
	var e struct {
		Sequence uint64 `json:"sequence"`
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "journal.json"))
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return e.Sequence
}

// Two daemons under one base topic took over each other's journals forever, carried out
// each other's commands, and announced the same devices in turn.
func TestTwoDaemonsOnOneBroker(t *testing.T) {
	h := newHome(t, "now")
	box := newPostbox(t)
	h.edit("ha: {node: test}", "ha: {node: test}\n"+box.config())
	o := h.second("")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	person.Subscribe(t, "homeassistant/#")
	h.start()
	h.until("the first one controls", func() bool { return h.cloud.Truth().Reserve == 0 })
	p := o.start()
	h.until("a mail about each has arrived", func() bool {
		return len(box.with("other runs powermgr under powermgr too")) == 1 && len(box.with("test runs powermgr under powermgr too")) == 1
	})
	h.until("it is in the state", func() bool { s := state(person, "powermgr/control/state"); return s["problem"] == true })
	h.until("it is in the health", func() bool {
		all := person.Received("powermgr/control/health")
		return len(all) > 0 && strings.Contains(all[len(all)-1].Payload, "give one another mqtt.base_topic, or make them a pair")
	})
	time.Sleep(2 * time.Second) // late announcements have arrived by then
	person.Forget()
	before := h.saves() + o.saves()
	time.Sleep(2 * time.Second)
	if n := h.saves() + o.saves() - before; n != 0 {
		t.Errorf("%d saves of the journals in 2 quiet seconds", n)
	}
	if n := len(person.Received("powermgr/node/test/journal")) + len(person.Received("powermgr/node/other/journal")); n != 0 {
		t.Errorf("%d journals published in 2 quiet seconds", n)
	}
	if n := len(person.Received("homeassistant/device/powermgr_powerwall/config")); n != 0 {
		t.Errorf("announced %d times in 2 quiet seconds", n)
	}
	if n := strings.Count(p.log.String(), "fault part=health key=control/contested"); n != 1 {
		t.Errorf("it logs it %d times", n)
	}
}

// A dry run on a laptop made the real daemon carry out what the dry run only decided, and
// overwrote the real daemon's state and journal.
func TestADryRunBesideTheRealOneIsNotHeardOf(t *testing.T) {
	for name, dryFirst := range map[string]bool{"the real one is running": false, "the real one starts later": true} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, "now")
			laptop := h.second("  dry_run: true\n  peak_reserve_percent: 30\n")
			person := h.broker.Client(t, brokertest.Login{})
			person.Subscribe(t, "powermgr/#")
			starts := []*home{h, laptop}
			if dryFirst {
				starts = []*home{laptop, h}
			}
			starts[0].start()
			h.until("the first one controls", func() bool { return len(person.Received("powermgr/control/state")) > 0 })
			starts[1].start()
			h.until("the laptop stands by", func() bool { return state(person, "powermgr/node/other/state")["role"] == "standby" })
			h.until("the real one controls", func() bool { return h.cloud.Truth().Reserve == 0 })
			person.Forget()
			time.Sleep(2 * time.Second)
			for _, m := range person.Received() {
				if strings.Contains(m.Payload, `"dry_run":true`) && !strings.HasPrefix(m.Topic, "powermgr/node/other/") {
					t.Errorf("the laptop publishes %s: %s", m.Topic, m.Payload)
				}
				if m.Topic == "powermgr/control/health" && strings.Contains(m.Payload, "powermgr too") {
					t.Errorf("the real one reports a fault: %s", m.Payload)
				}
			}
			for _, w := range h.writesOf("powerwall") {
				if fmt.Sprint(w["reserve"]) == "30" {
					t.Errorf("the real one carried out the laptop's decision: %v", w)
				}
			}
			if got := h.cloud.Truth().Reserve; got != 0 {
				t.Errorf("the reserve is %d %%", got)
			}
		})
	}
}

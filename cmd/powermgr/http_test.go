package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"powermgr/bridge/brokertest"
)

// get returns a page of the running daemon; empty if there is none.
func get(t testing.TB, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %s, %v", url, res.Status, err)
	}
	return string(b)
}

func TestMetricsAndHealthz(t *testing.T) {
	h := newHome(t, "now")
	h.edit("ha: {node: test}", "ha: {node: test}\nhttp: {listen: ':0'}")
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	p := h.start()
	address := regexp.MustCompile(`metrics and health are served.* address=(127\.0\.0\.1:\d+)`)
	h.until("it serves on loopback", func() bool { return address.MatchString(p.log.String()) })
	url := "http://" + address.FindStringSubmatch(p.log.String())[1]
	h.until("the reserve is 0", func() bool {
		return strings.Contains(get(t, url+"/metrics"), "\npowermgr_powerwall_reserve_percent 0\n")
	})
	h.until("the set points are known", func() bool {
		return strings.Contains(get(t, url+"/metrics"), `powermgr_thermostat_cool_setpoint{thermostat="1000001",unit="f"}`)
	})
	text := get(t, url+"/metrics")
	for _, line := range []string{
		`powermgr_node_active 1`, `powermgr_broker_connected 1`, `powermgr_phase{phase="peak"} 1`, `powermgr_phase{phase="off_peak"} 0`,
		`powermgr_part_ok{part="powerwall"} 1`, `powermgr_vendor_answers{vendor="thermostats"} 1`, `powermgr_owned 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(text, "powermgr_forecast_high_fahrenheit") {
		t.Error("there is a forecast, although none was given")
	}
	if ok := get(t, url+"/healthz"); ok != "ok\n" {
		t.Errorf("health: %q", ok)
	}
	if h := state(person, "powermgr/control/health"); h == nil || len(h["faults"].([]any)) > 0 {
		b, _ := json.Marshal(h)
		t.Errorf("health on the broker: %s", b)
	}
}

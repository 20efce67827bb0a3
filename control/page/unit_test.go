package page

import (
	"strings"
	"testing"

	"powermgr/control"
	"powermgr/devices"
)

func TestThePageInTheOwnersUnit(t *testing.T) {
	for unit, want := range map[devices.Unit][]string{
		"":              {"High 99 °F today", "Setback 2 °F"},
		devices.Celsius: {"High 37.2 °C today", "Setback 1.1 °C"},
	} {
		h := newHouse(t, func(o *Options) { o.Settings.Unit = unit })
		h.full()
		h.publish(topics.Control("state"), control.State{Enabled: true, Override: "auto", OffsetF: 2, ForecastF: new(98.6)})
		page := h.ask("GET", "/", "", nil).Body.String()
		for _, text := range want {
			if !strings.Contains(page, text) {
				t.Errorf("%q: no %q in\n%s", unit, text, page)
			}
		}
		if unit == devices.Celsius && strings.Contains(page, "°F") {
			t.Errorf("an owner who reads °C is shown °F:\n%s", page)
		}
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"powermgr/cmd/local"
)

const planned = `{"made_at": "2026-07-15T12:00:00Z", "decided_at": "2026-07-15T12:05:00Z", "reserve_percent": 62, "reason": "hold 62 %: the expensive hours from 16:00 need 8.4 kWh",
	"currency": "$", "inputs": {"history_days": 31, "courses": 24, "charge_percent": 61.5, "capacity_kwh": 13.5, "power_kw": 5, "grid_charge_kw": 1.7, "prices": "config"},
	"expected": {"hours": 36, "plan": {"bill": 1.2, "peak_import_kwh": 0.3}, "rule": {"bill": 2.345, "peak_import_kwh": 0}, "nothing": {"bill": 1.5, "peak_import_kwh": 2}},
	"slots": [{"start": "2026-07-15T12:00:00Z", "reserve_percent": 62, "charge_percent": 61.5, "load_kwh": 0.5, "sun_kwh": 1, "grid_kwh": -0.5, "price": 0.31, "reason": "hold 62 %"},
		{"start": "2026-07-15T12:30:00Z", "reserve_percent": 62, "charge_percent": 64, "load_kwh": 0.7, "sun_kwh": 1, "grid_kwh": -0.3, "price": 0.31, "reason": "hold on"},
		{"start": "2026-07-15T16:00:00Z", "reserve_percent": 0, "charge_percent": 90, "load_kwh": 2, "price": 0.58, "expensive": true, "reason": "serve the home"}]}`

func TestPlanIsPrinted(t *testing.T) {
	for _, c := range []struct {
		name, state, plan string
		want              []string
	}{
		{"the plan decides", `{"strategy": "plan"}`, planned, []string{
			"Strategy    plan\n", "Made        12:00, last asked 12:05\n", "Now         reserve 62 %: hold 62 %", "31 days of history, 24 courses, prices from config",
			"charges from the grid with 1.7 kW", "rule          $2.35, 0.0 kWh from the grid in the peak", "12:00     62 %    62 %       1.2      2.0      -0.8  $0.31", "$0.58  expensive  serve the home",
		}},
		{"it is only shown", `{"strategy": "rule"}`, planned, []string{"Strategy    rule: the plan is only shown"}},
		{"the rule acts", `{"strategy": "plan", "plan_gives_way": "the plan was made at 10:00"}`, planned, []string{"Strategy    plan; the rule is in charge: the plan was made at 10:00"}},
		{"there is no plan", `{"strategy": "plan", "plan_gives_way": "3 days"}`, `{"made_at": "2026-07-15T12:00:00Z", "reserve_percent": null, "reason": "3 days of history are known", "slots": []}`, []string{"Plan        none: 3 days of history are known"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			p := page{local.Status{Now: time.Date(2026, 7, 15, 12, 10, 0, 0, time.UTC), Topics: map[string]json.RawMessage{
				"control/state": json.RawMessage(c.state), "control/plan": json.RawMessage(c.plan),
			}}, &out}
			if err := p.plan(); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("%q is not in\n%s", w, out.String())
				}
			}
			out.Reset()
			if err := p.print(); err != nil || !strings.Contains(out.String(), "\nPlan        ") {
				t.Errorf("status: %v\n%s", err, out.String())
			}
		})
	}
}

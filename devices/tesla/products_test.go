package tesla

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheOnlyBatteryOfAnAccount(t *testing.T) {
	const (
		car      = `{"id":1,"vehicle_id":2,"vin":"X"}`
		unheard  = `{"energy_site_id":5550001,"resource_type":"battery","site_name":"Home","battery_power":0,"components":{"battery":true,"solar":true}}`
		bare     = `{"energy_site_id":5550002,"resource_type":"battery","site_name":"Home","percentage_charged":50}`
		charged  = `{"energy_site_id":5550003,"resource_type":"battery","site_name":"Home","percentage_charged":50,"components":{"battery":true}}`
		solar    = `{"energy_site_id":5550004,"resource_type":"solar","site_name":"Roof","components":{"battery":false}}`
		solarToo = `{"energy_site_id":5550005,"resource_type":"solar","site_name":"Roof"}`
	)
	for _, tt := range []struct {
		name  string
		all   []string
		want  int64
		wrong string
	}{
		{"its gateway does not report", []string{car, unheard}, 5550001, ""},
		{"without components", []string{bare}, 5550002, ""},
		{"listed twice", []string{charged, charged}, 5550003, ""},
		{"beside a replaced gateway", []string{unheard, charged}, 5550003, ""},
		{"two of them", []string{bare, charged}, 0, "one of 5550002 (Home), 5550003 (Home)"},
		{"none", []string{car, solar, solarToo}, 0, "no Powerwall"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := batteriesOf(json.RawMessage("[" + strings.Join(tt.all, ",") + "]"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := onlyBattery(all)
			if got != tt.want || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
}

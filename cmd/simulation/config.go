package simulation

// The configuration that the daemon of a drawn home starts with.

import (
	"fmt"
	"slices"
	"strings"
)

// config returns the configuration file of a node.
func (w *world) config(dir string, n *node) string {
	days := "[mon, tue, wed, thu, fri]"
	if w.Daily {
		days = "[daily]"
	}
	ids := make([]string, 0, 2)
	account := fmt.Sprintf(`{backend: tcc, username: owner@example.com, password: emulator-password, base_url: "http://127.0.0.1:1", token_file: %s/tcc.json}`, dir)
	for i := range w.Thermostats {
		ids = append(ids, w.vendorID(i))
	}
	if w.Backend == "resideo" {
		account = fmt.Sprintf(`{backend: resideo, client_id: emulator-client, client_secret: emulator-client-secret, base_url: "http://127.0.0.1:1", token_file: %s/resideo.json}`, dir)
	}
	tesla := fmt.Sprintf("token_file: %s/tesla.json", dir)
	if w.APIToken {
		tesla = "api_token: emulator-access" + n.own
	}
	slices.Sort(ids)
	strategy, source := w.Plan.settings()
	return fmt.Sprintf(`
tesla: {%[11]s, calls_per_month: %[12]d, client_id: my-app, base_url: "http://127.0.0.1:1", token_url: "http://127.0.0.1:1/oauth2/v3/token", energy_site_id: 1234567890123}
honeywell: %[2]s
weather: {latitude: 34.1, longitude: -117.4, base_url: "http://127.0.0.1:1"}
mqtt: {url: "mqtt://127.0.0.1:1"}
poll: {powerwall_seconds: %[6]d, powerwall_peak_seconds: %[7]d, thermostat_seconds: %[8]d}
settings:
  dry_run: %[3]v
  strategy: %[13]s
  timezone: America/Los_Angeles
  thermostat_ids: ["%[4]s"]
  seasons:
    summer: {months: [5, 6, 7, 8, 9, 10], days: %[5]s, precool: true, peak_periods: [{start: "16:00", end: "19:00"}]}
    winter: {months: [11, 12, 1, 2, 3, 4], days: %[5]s, peak_periods: [{start: "06:00", end: "09:00"}, {start: "17:00", end: "20:00"}]}
tariff: {source: %[14]s, peak_per_kwh: 0.55, off_peak_per_kwh: 0.2}
paths: {journal_file: %[1]s/journal.json, ramdisk_state_file: %[1]s/state.json, permanent_metrics_dir: %[1]s}
ha: {node: %[9]s, enabled: %[10]v}
`, dir, account, n.dry, strings.Join(ids, `", "`), days, w.Polls.Powerwall, w.Polls.PowerwallPeak, w.Polls.Thermostat, n.name, w.Nodes > 1 && !n.stranger, tesla, w.Calls, strategy, source)
}

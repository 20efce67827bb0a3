package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a golden file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		write(t, path, got, 0o644)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

func TestDescribe(t *testing.T) {
	v2, err := os.ReadFile("testdata/v2-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text string }{
		{"v2", strings.ReplaceAll(string(v2), "token_file: tesla_tokens.json", "token_file: /opt/powermgr/tesla_tokens.json") + "\nhttp: {listen: ''}\n"},
		{"nothing", base},
		{"rates", base + `
tesla: {token_file: /var/lib/powermgr/t.json, client_id: a}
tariff:
  rates:
    - {name: summer peak, price: 0.54, export: 0.08, from: 06-01, to: 09-30, days: weekdays, start: 16:00, end: 21:00, peak: true}
    - {name: night, price: 0.19, start: 23:00, end: 06:00}
    - {name: day, price: 0.26}
`},
		{"pair", `
tesla: {api_token: hunter2, energy_site_id: 7, base_url: https://api.teslemetry.com}
honeywell: {client_id: a, client_secret: b, token_file: /var/lib/powermgr/h.json}
mqtt: {url: mqtts://broker.example, username: powermgr, password: hunter2, base_topic: house/power}
discovery: {format: component}
weather: {latitude: 34.1, longitude: -117.4}
ha: {enabled: true, node: pi1, primary_node_ip: 192.168.1.10, virtual_ip: 192.168.1.12/24}
http: {listen: 127.0.0.1:9469}
poll: {thermostat_seconds: 150}
notifications:
  smtp: {server: localhost, port: 25}
  recipients: {critical: a@example.com}
paths: {metrics_keep_days: 0}
settings:
  dry_run: true
  timezone: Europe/Berlin
  thermostat_ids: [LCC-1]
  max_thermostat_adjustments: 1
  holidays: [2026-12-25]
  eod_battery_warning_threshold: 0
  peak_reserve_percent: 10
  off_peak_reserve_percent: 80
  battery_thresholds:
    - {time_remaining_minutes: 30, level_percent: 20.5}
    - {time_remaining_minutes: 90, level_percent: 60}
    - {time_remaining_minutes: 60, level_percent: 40}
  seasons:
    hot: {months: [6, 7, 8], precool: true, days: daily, peak_periods: [{start: 12:00, end: 13:00}, {start: 00:10, end: 02:00}, {start: 13:10, end: 24:00}]}
    mild: {months: [4, 5, 9, 10], days: [sat, sun]}
    cold: {months: [11, 12, 1, 2, 3], days: [mon, wed], peak_periods: [{start: 17:00, end: 20:00}]}
`},
		{"windows", `
tesla: {api_token: hunter2}
honeywell: {username: a, password: hunter2}
ha: {node: pi1}
settings:
  timezone: Europe/London
  thermostat_ids: ["1"]
  holidays: [gb, 12-24, us Memorial Day]
  seasons:
    night: {from: 06-15, to: 09-30, days: daily, peak_periods: [{start: 05:30, end: 24:00}, {start: 00:00, end: 00:30}]}
    week: {from: 10-01, to: 12-31, peak_periods: [{start: 22:00, end: 02:00}]}
    weekend: {from: 10-01, to: 12-31, days: weekends, peak_periods: [{start: 00:00, end: 03:00}]}
    long: {from: 01-01, to: 03-31, peak_periods: [{start: 00:00, end: 24:00}]}
    rest: {from: 04-01, to: 06-14}
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			if tt.name == "v2" {
				text = strings.Replace(text, "ha:\n", "ha:\n  node: pi1\n", 1)
			}
			c, _, err := load(t, text)
			if err != nil {
				t.Fatal(err)
			}
			got := Describe(c)
			if strings.Contains(got, "hunter2") || strings.Contains(got, "v2-smtp-password") {
				t.Error("a secret is printed")
			}
			golden(t, "describe-"+tt.name+".txt", got)
		})
	}
}

// Prices and peaks may disagree about which hours are expensive: check-config says what
// happens then.
func TestDescribeStrategy(t *testing.T) {
	with := func(settings string) string { return strings.Replace(base, "Los_Angeles", "Los_Angeles, "+settings, 1) }
	const seasons = "seasons: {all: {from: 01-01, to: 12-31, days: daily, peak_periods: [{start: 16:00, end: 19:00}]}}"
	const rates = "  rates: [{name: high, price: 0.5, start: 16:00, end: 21:00}, {name: low, price: 0.2}]\n"
	const tesla = "tesla: {api_token: hunter2}\n"
	for _, tt := range []struct {
		name, text string
		want, not  []string
	}{
		{"the rule", base + tesla, []string{"Strategy     rule: the calendar sets the reserve"}, []string{"differ", "highest prices"}},
		{"a plan", with("strategy: plan") + tesla, []string{"Strategy     plan: looks 36 hours ahead", "between 0 % and 100 %", "at most 12 changes a day"}, []string{"thermostats are planned"}},
		{"no Powerwall", base, nil, []string{"Strategy"}},
		{"rates that differ from the seasons", with(seasons) + tesla + "tariff:\n" + rates, []string{"are at 16:00–21:00, and the peak of settings.seasons is 16:00–19:00", "peak: true"}, nil},
		{"rates that agree", with(strings.Replace(seasons, "19:00", "21:00", 1)) + tesla + "tariff:\n" + rates, []string{"Strategy"}, []string{"highest prices"}},
		{"rates with peaks", base + tesla + "tariff:\n" + strings.Replace(rates, "end: 21:00", "end: 21:00, peak: true", 1), []string{"Strategy"}, []string{"highest prices", "differ"}},
		{"Tesla's prices", base + tesla + "tariff: {source: tesla}\n", []string{"the prices of Tesla's app say which hours are expensive, and settings.seasons say when", "nothing is held back"}, nil},
		{"prices by MQTT", base + tesla + "tariff: {source: mqtt}\n", []string{"upper half of a day's prices"}, nil},
	} {
		c, _, err := load(t, tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := Describe(c)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in\n%s", tt.name, want, got)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: %q is in\n%s", tt.name, not, got)
			}
		}
	}
}

func TestMonths(t *testing.T) {
	for want, all := range map[string][]time.Month{
		"May–October": {5, 6, 7, 8, 9, 10}, "November–April": {11, 12, 1, 2, 3, 4}, "April–May, September–October": {4, 5, 9, 10},
		"July": {7}, "all year": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "December–January": {12, 1},
		"January, July": {7, 1}, "February–December": {12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2},
	} {
		if got := months(all); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Weekends without peaks were described as "a day with peaks", and days on which another
// season has peaks as days without.
func TestDescribeDaysOfTheWeek(t *testing.T) {
	const afternoon = `, peak_periods: [{start: "16:00", end: "21:00"}]}`
	for _, c := range []struct {
		name, seasons string
		says, not     []string
	}{
		{"only weekends have peaks", `{hot: {months: [7], days: weekends` + afternoon,
			[]string{"Saturday and Sunday in hot (July)", "on Monday, Tuesday, Wednesday, Thursday and Friday", "Every day in rest"}, []string{"A day with peaks"}},
		{"weekends have none", `{hot: {months: [7]` + afternoon + `, quiet: {months: [7], days: weekends, peak_periods: []}`,
			[]string{"A weekday in hot", "Saturday and Sunday in quiet (July), America/Los_Angeles:\n  all day      no peak", "on Saturday and Sunday\n"}, []string{"A day with peaks"}},
		{"weekends have their own hours", `{hot: {months: [7]` + afternoon + `, late: {months: [7], days: weekends, peak_periods: [{start: "18:00", end: "20:00"}]}`,
			[]string{"A weekday in hot", "Saturday and Sunday in late", "on no day"}, []string{"on Saturday", "on Monday"}},
		{"weekends have hours in a part of the season", `{hot: {months: [7]` + afternoon + `, late: {from: 07-01, to: 07-20, days: weekends, peak_periods: [{start: "18:00", end: "20:00"}]}`,
			[]string{"on Saturday and Sunday outside of late\n"}, nil},
		{"every day", `{hot: {months: [7], days: daily` + afternoon, []string{"Every day in hot", "on no day"}, []string{"A day with peaks"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "ha: {node: pi1}\nsettings: {timezone: America/Los_Angeles, seasons: " + c.seasons + ", rest: {months: [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12], peak_periods: []}}}\n"
			conf, _, err := load(t, text)
			if err != nil {
				t.Fatal(err)
			}
			got := Describe(conf)
			for _, want := range c.says {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got, not) {
					t.Errorf("%q is in\n%s", not, got)
				}
			}
		})
	}
}

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v3"

	"powermgr/devices"
	"powermgr/devices/tesla"
)

// base is the smallest configuration: a home without devices.
const base = "settings: {timezone: America/Los_Angeles}\nha: {node: pi1}\n"

// load loads text as a configuration that only its owner can read.
func load(t *testing.T, text string, environ ...string) (Config, []Notice, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, text, 0o600)
	return Load(path, environ)
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// problems returns the lines of an *Error.
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is not an *Error: %v", err, err)
	}
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return lines
}

func said(notices []Notice, text string) bool {
	return slices.ContainsFunc(notices, func(n Notice) bool { return strings.Contains(n.String(), text) })
}

func TestLoadV2(t *testing.T) {
	text, err := os.ReadFile("testdata/v2-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, string(text), 0o600)
	c, notices, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	weekdays := []string{"weekdays"}
	wantSettings := Settings{
		Timezone: "America/Los_Angeles", Location: "America/Los_Angeles",
		Holidays: []string{"2026-01-01", "2026-07-04", "2026-12-25"},
		Seasons: map[string]Season{
			"summer": {Months: []time.Month{5, 6, 7, 8, 9, 10}, PeakPeriods: []PeakPeriod{{960, 1140}}, Days: weekdays, Precool: new(true)},
			"winter": {Months: []time.Month{11, 12, 1, 2, 3, 4}, PeakPeriods: []PeakPeriod{{360, 540}, {1020, 1200}}, Days: weekdays, Precool: new(false)},
		},
		OffPeakReservePercent: 100, ThermostatIDs: []string{"1234567", "1234568"},
		PrecoolLeadMinutes: 30, PrecoolThresholdF: 95, PrecoolAdjustmentF: 2, MinThermostatTempF: 67,
		BatteryThresholds: []Threshold{{120, 75}, {60, 50}, {30, 25}}, ThermostatIncrementF: 2, MaxThermostatAdjustments: 3,
		MaxThermostatTempF: 82, MinHeatSetpointF: 62, MaxIndoorF: 86, MinIndoorF: 58, MinWriteIntervalMinutes: 10,
		ReserveWithoutPercent: 20, Strategy: "rule", Plan: Plan{PeakWeightPerKWh: 0.4, BatteryKWh: 13.5, BatteryKW: 5}, EODBatteryWarningThreshold: 20, CheckIntervalSeconds: 300,
	}
	if !reflect.DeepEqual(c.Settings, wantSettings) {
		t.Errorf("settings: got %+v\nwant %+v", c.Settings, wantSettings)
	}
	if want := (&Tesla{
		TokenFile: filepath.Join(dir, "tesla_tokens.json"), EnergySiteID: 2252345678901, ClientID: "ownerapi",
		BaseURL: "https://owner-api.teslamotors.com", TokenURL: "https://auth.tesla.com/oauth2/v3/token", CallsPerMonth: 5000,
	}); !reflect.DeepEqual(c.Tesla, want) {
		t.Errorf("tesla: got %+v\nwant %+v", c.Tesla, want)
	}
	if want := (&Honeywell{
		Backend: BackendTCC, ClientID: "KEY123", ClientSecret: "v2-honeywell-client-secret", Username: "owner@example.com",
		Password: "v2-honeywell-password", BaseURL: "https://mytotalconnectcomfort.com", TokenFile: "/var/lib/powermgr/honeywell_session.json",
	}); !reflect.DeepEqual(c.Honeywell, want) {
		t.Errorf("honeywell: got %+v\nwant %+v", c.Honeywell, want)
	}
	if want := (Notifications{
		SMTP:    SMTP{Server: "smtp.example.com", Port: 587, From: "owner@example.com", Username: "owner@example.com", Password: "v2-smtp-password"},
		PerHour: 10,
		Recipients: Recipients{
			Info: []string{"owner@example.com"}, Warning: []string{"owner@example.com"},
			Critical: []string{"owner@example.com", "Neighbor <neighbor@example.com>"},
		},
	}); !reflect.DeepEqual(c.Notifications, want) {
		t.Errorf("notifications: got %+v\nwant %+v", c.Notifications, want)
	}
	if want := (HA{Node: c.HA.Node, PrimaryNodeIP: "192.168.1.10", BackupNodeIP: "192.168.1.11", VirtualIP: "192.168.1.12"}); c.HA != want || c.HA.Node == "" {
		t.Errorf("ha: got %+v\nwant %+v", c.HA, want)
	}
	if want := (Paths{
		JournalFile: "/var/lib/powermgr/journal.json", RamdiskStateFile: "/mnt/ramdisk/powermgr_state.json",
		PermanentMetricsDir: "/var/log/powermgr/metrics", MetricsKeepDays: 400, HistoryDir: "/var/lib/powermgr/history",
	}); c.Paths != want {
		t.Errorf("paths: got %+v\nwant %+v", c.Paths, want)
	}
	if c.Logging.Level.Level() != slog.LevelInfo || c.Weather.Source != WeatherMQTT || c.Poll != (Poll{60, 300, 300, 3600}) {
		t.Errorf("got %+v, %+v, %+v", c.Logging, c.Weather, c.Poll)
	}
	for _, text := range []string{"weather.api_url are not used", "logging.format: it is Python's", "honeywell.backend: not given", "ha.enabled: it is false", "since June 2026"} {
		if !said(notices, text) {
			t.Errorf("no notice says %q: %v", text, notices)
		}
	}
}

func TestDefaults(t *testing.T) {
	c, notices, err := load(t, base)
	if err != nil {
		t.Fatal(err)
	}
	if c.Tesla != nil || c.Honeywell != nil {
		t.Errorf("there are devices: %+v, %+v", c.Tesla, c.Honeywell)
	}
	if want := (MQTT{URL: "mqtt://127.0.0.1:1883", ClientID: "powermgr-pi1", BaseTopic: "powermgr", KeepaliveSeconds: 20}); c.MQTT != want {
		t.Errorf("got %+v", c.MQTT)
	}
	if want := (Discovery{Enabled: true, Prefix: "homeassistant", Format: "device", StatusTopic: "homeassistant/status"}); c.Discovery != want {
		t.Errorf("got %+v", c.Discovery)
	}
	if c.Settings.DryRun || c.HTTP.Listen != "" || c.HA.Enabled {
		t.Error("something is on by default")
	}
	if c.Settings.PeakReservePercent != 0 || c.Settings.OffPeakReservePercent != 100 {
		t.Error("reserves differ")
	}
	if !reflect.DeepEqual(c.Settings.BatteryThresholds, defaultThresholds()) || len(c.Settings.Seasons) != 2 {
		t.Errorf("got %+v", c.Settings)
	}
	if !said(notices, "neither tesla nor honeywell") {
		t.Errorf("got %v", notices)
	}
}

func TestLoadUnderstands(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		got        func(Config) any
		want       any
	}{
		{"times and days without quotes", "settings: {timezone: UTC, holidays: [2026-12-25], seasons: {all: {months: [1,2,3,4,5,6,7,8,9,10,11,12], peak_periods: [{start: 16:00, end: 24:00}]}}}",
			func(c Config) any { return fmt.Sprint(c.Settings.Holidays, c.Settings.Seasons["all"].PeakPeriods) }, "[2026-12-25] [{16:00 24:00}]"},
		{"a window that crosses midnight", "settings: {timezone: UTC, seasons: {all: {from: 01-01, to: 12-31, peak_periods: [{start: 22:00, end: 02:00}, {start: 12:00, end: 13:00}]}}}",
			func(c Config) any { return fmt.Sprint(c.Calendar().Seasons[0].Peaks) }, "[{1320 1560} {720 780}]"},
		{"a window until midnight", "settings: {timezone: UTC, seasons: {all: {from: 01-01, to: 12-31, peak_periods: [{start: 01:00, end: 00:00}]}}}",
			func(c Config) any { return fmt.Sprint(c.Calendar().Seasons[0].Peaks) }, "[{60 1440}]"},
		{"most of a day, over midnight", "settings: {timezone: UTC, seasons: {all: {from: 01-01, to: 12-31, peak_periods: [{start: 05:30, end: 00:30}]}}}",
			func(c Config) any { return fmt.Sprint(c.Calendar().Seasons[0].Peaks) }, "[{330 1470}]"},
		{"seasons by date", "settings: {timezone: UTC, seasons: {a: {from: 06-15, to: '09-30'}, b: {from: 10-1, to: 6-14}}}",
			func(c Config) any {
				s := c.Settings.Seasons
				return fmt.Sprint(s["a"].From, s["a"].To, s["b"].From, s["b"].To)
			}, "06-15 09-30 10-01 06-14"},
		{"weekends with their own hours", `
settings:
  timezone: America/New_York
  seasons:
    wk: {months: [6,7,8], days: [weekdays], peak_periods: [{start: "16:00", end: "19:00"}]}
    we: {months: [6,7,8], days: [weekends], peak_periods: [{start: "18:00", end: "22:00"}]}
    rest: {months: [1,2,3,4,5,9,10,11,12], peak_periods: []}`,
			func(c Config) any { return peaksOn(c, "2026-07-17", "2026-07-18", "2026-09-05") }, "wk 16:00–19:00, we 18:00–22:00, none"},
		{"holidays of every year, of a country and of one name", "settings: {timezone: UTC, holidays: [12-24, us Thanksgiving, 'United Kingdom: Boxing Day'], seasons: {all: {from: 01-01, to: 12-31, peak_periods: [{start: 16:00, end: 19:00}]}}}",
			func(c Config) any {
				return peaksOn(c, "2026-12-24", "2026-11-26", "2026-12-28", "2026-12-29", "2029-12-24")
			}, "none, none, none, all 16:00–19:00, none"},
		{"days as one word", "settings: {timezone: UTC, seasons: {all: {months: [1,2,3,4,5,6,7,8,9,10,11,12], days: daily}}}",
			func(c Config) any { return len(c.Settings.Seasons["all"].Weekdays()) }, 7},
		{"days as a list", "settings: {timezone: UTC, seasons: {all: {months: [1,2,3,4,5,6,7,8,9,10,11,12], days: [weekends, fri, Monday]}}}",
			func(c Config) any { return fmt.Sprint(c.Settings.Seasons["all"].Weekdays()) }, "[Sunday Monday Friday Saturday]"},
		{"a password of digits keeps its zeros", base + "mqtt: {username: a, password: 0123}",
			func(c Config) any { return c.MQTT.Password.Reveal() }, "0123"},
		{"a password that looks like an exponent", base + "mqtt: {username: a, password: 1e5}",
			func(c Config) any { return c.MQTT.Password.Reveal() }, "1e5"},
		{"a password that looks like a boolean", base + "mqtt: {username: a, password: yes}",
			func(c Config) any { return c.MQTT.Password.Reveal() }, "yes"},
		{"a number that looks octal", base + "poll: {thermostat_seconds: 0300}",
			func(c Config) any { return c.Poll.ThermostatSeconds }, 300},
		{"a boolean in Python's style", "settings: {timezone: UTC, dry_run: Yes}",
			func(c Config) any { return c.Settings.DryRun }, true},
		{"an explicit zero is not the default", "settings: {timezone: UTC, off_peak_reserve_percent: 0, precool_adjustment_f: 0}",
			func(c Config) any {
				return fmt.Sprint(c.Settings.OffPeakReservePercent, c.Settings.PrecoolAdjustmentF)
			}, "0 0"},
		{"an empty list of thresholds is not the default", "settings: {timezone: UTC, battery_thresholds: []}",
			func(c Config) any { return len(c.Settings.BatteryThresholds) }, 0},
		{"fewer thresholds than the default", "settings: {timezone: UTC, battery_thresholds: [{time_remaining_minutes: 90, level_percent: 60}]}",
			func(c Config) any { return fmt.Sprint(c.Settings.BatteryThresholds) }, "[{90 60}]"},
		{"a null counts as not set", base + "http:\n  listen:\ntesla:\n",
			func(c Config) any { return c.HTTP.Listen == "" && c.Tesla == nil }, true},
		{"the time zone has priority over the location", "settings: {timezone: UTC, location: Mars}",
			func(c Config) any { return c.Settings.Timezone }, "UTC"},
		{"one address without a list", base + "notifications: {recipients: {info: a@example.com}}",
			func(c Config) any { return fmt.Sprint(c.Notifications.Recipients.Info) }, "[a@example.com]"},
		{"an alias", "settings: {timezone: UTC, max_indoor_f: &warm 84, precool_threshold_f: *warm}",
			func(c Config) any { return c.Settings.PrecoolThresholdF }, 84.0},
		{"a broker without a port", base + "mqtt: {url: mqtts://broker.example}",
			func(c Config) any { return c.MQTT.URL }, "mqtts://broker.example:8883"},
		{"a broker at an IPv6 address", base + "mqtt: {url: 'mqtt://[fd00::1]'}",
			func(c Config) any { return c.MQTT.URL }, "mqtt://[fd00::1]:1883"},
		{"a forecast where the home is known", base + "weather: {latitude: 0, longitude: 34.1}",
			func(c Config) any { return c.Weather.Source }, "open-meteo"},
		{"v2.0's cycle polls", "settings: {timezone: UTC, check_interval_seconds: 600}",
			func(c Config) any { return c.Poll }, Poll{60, 600, 600, 3600}},
		{"v2.0's cycle is too quick for thermostats", "settings: {timezone: UTC, check_interval_seconds: 60}",
			func(c Config) any { return c.Poll }, Poll{60, 60, 120, 3600}},
		{"a poll interval has priority over the cycle", "settings: {timezone: UTC, check_interval_seconds: 600}\npoll: {powerwall_seconds: 240}",
			func(c Config) any { return c.Poll }, Poll{60, 240, 600, 3600}},
		{"v2.0's cycle does not apply to a Powerwall whose calls are limited", "settings: {timezone: UTC, check_interval_seconds: 60}\ntesla: {api_token: abc}",
			func(c Config) any { return c.Poll }, Poll{60, 300, 120, 3600}},
		{"v2.0's cycle polls a Powerwall without a limit", "settings: {timezone: UTC, check_interval_seconds: 60}\ntesla: {api_token: abc, calls_per_month: 0}",
			func(c Config) any { return c.Poll }, Poll{60, 60, 120, 3600}},
		{"Tesla's calls are limited", base + "tesla: {api_token: abc}",
			func(c Config) any { return c.Tesla.CallsPerMonth }, 5000},
		{"Python's levels", base + "logging: {level: WARNING}",
			func(c Config) any { return c.Logging.Level.Level() }, slog.LevelWarn},
		{"Fleet is the default", base + "tesla: {token_file: /t, client_id: 1234-abcd}",
			func(c Config) any { return c.Tesla.BaseURL + " " + c.Tesla.TokenURL }, tesla.FleetURL + " " + tesla.FleetTokenURL},
		{"ownerapi without a token file is Fleet", base + "tesla: {api_token: abc, client_id: ownerapi}",
			func(c Config) any { return c.Tesla.BaseURL }, tesla.FleetURL},
		{"a configured address has priority", base + "tesla: {api_token: abc, base_url: https://api.teslemetry.com/}",
			func(c Config) any { return c.Tesla.BaseURL }, "https://api.teslemetry.com"},
		{"an emulated cloud on loopback", base + "tesla: {api_token: abc, base_url: http://127.0.0.1:8090, token_url: http://127.0.0.1:8090/oauth2/v3/token}",
			func(c Config) any { return c.Tesla.BaseURL }, "http://127.0.0.1:8090"},
		{"the portal by its keys", base + "honeywell: {username: a, password: b}",
			func(c Config) any { return c.Honeywell.Backend + " " + c.Honeywell.BaseURL }, "tcc https://mytotalconnectcomfort.com"},
		{"Resideo by its keys", base + "honeywell: {client_id: a, client_secret: b}",
			func(c Config) any {
				return c.Honeywell.Backend + " " + c.Honeywell.BaseURL + " " + c.Honeywell.TokenFile
			},
			"resideo https://api.honeywellhome.com /var/lib/powermgr/honeywell_token.json"},
		{"Resideo by its name", base + "honeywell: {backend: resideo, client_id: a, client_secret: b, username: c, password: d}",
			func(c Config) any { return c.Honeywell.Backend }, "resideo"},
		{"a page on any port", base + "\nhttp: {listen: 'localhost:0'}\n",
			func(c Config) any { return c.HTTP.Listen }, "localhost:0"},
		{"metrics stay on this machine", base + "\nhttp: {listen: ':9469'}\n",
			func(c Config) any { return c.HTTP.Listen }, "127.0.0.1:9469"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := load(t, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.got(c); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// peaksOn lists the peaks that begin on each of some days.
func peaksOn(c Config, days ...string) string {
	calendar := c.Calendar()
	var all []string
	for _, day := range days {
		noon, _ := time.ParseInLocation("2006-01-02 15", day+" 12", calendar.Location)
		text := "none"
		for _, p := range calendar.Peaks(noon, 0) {
			text = p.Season + " " + clocks(p.Start, p.End)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// Every reason to refuse a configuration, word for word: people who install powermgr have
// nothing else to go by.
func TestLoadRefuses(t *testing.T) {
	season := func(body string) string {
		return "settings: {timezone: UTC, seasons: {summer: {months: [1,2,3,4,5,6,7,8,9,10,11,12], " + body + "}}}"
	}
	settings := func(body string) string { return "settings: {timezone: UTC, " + body + "}" }
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		// Keys.
		{"a misspelled key", base + "mqtt: {base_topik: x}", []string{"mqtt.base_topik: there is no such key (line 3): did you mean mqtt.base_topic?"}},
		{"letters swapped", "settings:\n  timezone: UTC\n  dry_rnu: true", []string{"settings.dry_rnu: there is no such key (line 3): did you mean settings.dry_run?"}},
		{"a key in the wrong case", base + "MQTT: {url: mqtt://x}", []string{"MQTT: there is no such key (line 3): did you mean mqtt?"}},
		{"a key in the wrong section", base + "mqtt: {dry_run: true}", []string{"mqtt.dry_run: there is no such key (line 3): did you mean settings.dry_run?"}},
		{"a key without its section", base + "timezone: UTC", []string{"timezone: there is no such key (line 3): did you mean settings.timezone?"}},
		{"a misspelled key of a secret's file", base + "mqtt: {username: a, password_flie: /x}", []string{"mqtt.password_flie: there is no such key (line 3): did you mean mqtt.password_file?"}},
		{"a key similar to no other", base + "discovery: {banana: 1}", []string{"discovery.banana: there is no such key (line 3): discovery has enabled, prefix, format, status_topic"}},
		{"a key in a season", season("peaks: []"), []string{"settings.seasons.summer.peaks: there is no such key (line 1): settings.seasons.summer has months, from, to, peak_periods, days, precool"}},
		{"a key in a list", settings("battery_thresholds: [{time_remaining_minutes: 1, level_percnt: 5}]"), []string{"settings.battery_thresholds[0].level_percnt: there is no such key (line 1): did you mean settings.battery_thresholds[0].level_percent?"}},

		// The file.
		{"not YAML", "mqtt: [", []string{"line 1: did not find expected node content: see the lines around it for indentation, colons and quotes"}},
		{"not text", "\x00\x01\x02bin", []string{"it has bytes that are not text: is it a configuration, saved as UTF-8?"}},
		{"not UTF-8", "mqtt:\n  user: Ren\xe9", []string{"it has bytes that are not text: is it a configuration, saved as UTF-8?"}},
		{"tabs", "mqtt:\n\turl: x", []string{"line 2: found character that cannot start any token: indent with spaces, not tabs, and quote a value that begins with @, ` or %"}},
		{"a password that YAML takes for an alias is not printed", "mqtt: {password: *hunter2}", []string{"a value that begins with * must be in quotes"}},
		{"a key twice", "mqtt:\n  url: a\n  url: b", []string{"line 3: mqtt.url is given twice, first in line 2"}},
		{"two documents", base + "---\nmqtt: {}", []string{"there is a second document after a line with ---: the file is one"}},
		{"a list", "- a", []string{"it has no keys: a configuration has sections such as mqtt and settings"}},
		{"empty", "", []string{"settings.timezone: it is needed: the home's time zone, such as America/Los_Angeles"}},
		{"a merge", "a: &a {url: x}\nmqtt:\n  <<: *a", []string{"line 3: << is not supported here: write the keys out"}},

		// Types.
		{"text for a number", base + "poll: {thermostat_seconds: soon}", []string{`poll.thermostat_seconds: "soon" is not a whole number`}},
		{"a fraction for a whole number", base + "poll: {thermostat_seconds: 300.5}", []string{`poll.thermostat_seconds: "300.5" is not a whole number`}},
		{"not a number", settings("max_indoor_f: .nan"), []string{`settings.max_indoor_f: ".nan" is not a number`}},
		{"not a number, in Go", settings("max_indoor_f: NaN"), []string{`settings.max_indoor_f: "NaN" is not a number`}},
		{"text for a boolean", settings("dry_run: maybe"), []string{`settings.dry_run: "maybe" is neither true nor false`}},
		{"a section for a value", base + "mqtt: {url: {host: x}}", []string{"mqtt.url: this is one value, not a list or a section"}},
		{"a value for a section", base + "mqtt: mqtt://x", []string{"mqtt: this is a section: its keys belong below it, indented"}},
		{"a value for a section that may be missing", base + "tesla: abc", []string{"tesla: this is a section: its keys belong below it, indented"}},
		{"wrong types in many sections", `
tesla: {energy_site_id: abc, client_id: x, base_url: "http://example.com"}
mqtt: {url: nowhere, keepalive_seconds: x, password: hunter2}
logging: {level: loud}
settings: {dry_run: maybe, timezone: America/Los_Angeles, seasons: {summer: {months: [5, 6, 7, 8, 9, 10], peak_periods: [{start: 9, end: x}]}}}
`, []string{
			`logging.level: "loud" is not one of debug, info, warning, error`,
			`mqtt.keepalive_seconds: "x" is not a whole number`,
			"mqtt.password: it needs mqtt.username",
			"mqtt.url: it must read like mqtt://192.168.1.10:1883, or mqtts://broker.example:8883 for TLS; write none if there is no broker",
			`settings.dry_run: "maybe" is neither true nor false`,
			`settings.seasons.summer.peak_periods[0].end: "x" is not a time of day such as 16:00`,
			`settings.seasons.summer.peak_periods[0].start: "9" is not a time of day such as 16:00`,
			"tesla.base_url: the base URL must be https, or secrets could be read on the way",
			`tesla.energy_site_id: "abc" is not a whole number`,
		}},
		{"a value for a season", settings("seasons: {summer: hot}"), []string{"settings.seasons.summer: this is a section: its keys belong below it, indented"}},
		{"a section for a list", settings("holidays: {a: b}"), []string{"settings.holidays: this is a list: [a, b], or a line with - for each"}},
		{"a value for a list of sections", settings("battery_thresholds: 75"), []string{"settings.battery_thresholds: this is a list: [a, b], or a line with - for each"}},
		{"a list for a secret is not printed", base + "mqtt: {username: a, password: [hunter2]}", []string{"mqtt.password: this is one value, not a list or a section"}},
		{"not a time", season("peak_periods: [{start: 4pm, end: 19:00}]"), []string{`settings.seasons.summer.peak_periods[0].start: "4pm" is not a time of day such as 16:00`}},
		{"a time past midnight", season("peak_periods: [{start: 16:00, end: 25:00}]"), []string{`settings.seasons.summer.peak_periods[0].end: "25:00" is not a time of day such as 16:00`}},
		{"an unknown log level", base + "logging: {level: loud}", []string{`logging.level: "loud" is not one of debug, info, warning, error`}},

		// The calendar.
		{"a peak backwards", season("peak_periods: [{start: 16:00, end: 15:00}]"), []string{"settings.seasons.summer.peak_periods[0].end: 15:00 is not after start 16:00; over midnight it would be a peak of 23 h 00 min: if it is meant, write two windows"}},
		{"an empty peak", season("peak_periods: [{start: 16:00, end: 16:00}]"), []string{"settings.seasons.summer.peak_periods[0].end: 16:00 is not after start 16:00; a whole day is 00:00 to 24:00"}},
		{"a peak that begins at the end of a day", season("peak_periods: [{start: 24:00, end: 02:00}]"), []string{"settings.seasons.summer.peak_periods[0].start: 24:00 is the end of a day: its beginning is 00:00"}},
		{"peaks over midnight that overlap", season("peak_periods: [{start: 20:00, end: 02:00}, {start: 23:00, end: 01:00}]"), []string{"settings.seasons.summer.peak_periods[1]: 23:00–01:00 overlaps 20:00–02:00 of peak_periods[0]"}},
		{"a peak that never ends", season("days: daily, peak_periods: [{start: 06:00, end: 00:00}, {start: 00:00, end: 06:00}]"), []string{"settings.seasons: the peak would never end, since its windows touch: leave some time without one"}},
		{"peaks that overlap", season("peak_periods: [{start: 16:00, end: 19:00}, {start: 18:00, end: 20:00}]"), []string{"settings.seasons.summer.peak_periods[1]: 18:00–20:00 overlaps 16:00–19:00 of peak_periods[0]"}},
		{"a month in two seasons", settings("seasons: {a: {months: [1,2,3,4,5,6]}, b: {months: [6,7,8,9,10,11,12]}}"), []string{"settings.seasons.b.months[0]: 6 is in season a already"}},
		{"months in no season", settings("seasons: {a: {months: [1,2,3,4,5,6]}, b: {months: [9,10,11,12]}}"), []string{"settings.seasons: no season has the months 7, 8: add them to one, or a season with peak_periods: [] if they have no peaks"}},
		{"a thirteenth month", settings("seasons: {a: {months: [1,2,3,4,5,6,7,8,9,10,11,12,13]}}"), []string{"settings.seasons.a.months[12]: 13 is not a month, 1–12"}},
		{"a season without months", settings("seasons: {a: {months: [1,2,3,4,5,6,7,8,9,10,11,12]}, b: {peak_periods: []}}"), []string{"settings.seasons.b.months: it needs the months of the season, such as [5, 6, 7], or from and to, such as 06-15 and 09-30"}},
		{"days of the year in two seasons", settings("seasons: {a: {from: 06-15, to: 09-30}, b: {from: 09-30, to: 06-14, days: daily}}"), []string{"settings.seasons.a.from: 09-30 is in season b already, with the same days of the week"}},
		{"days of the year in a season of months", settings("seasons: {a: {months: [1,2,3,4,5,6]}, b: {from: 06-30, to: 12-31}}"), []string{"settings.seasons.b.from: 06-30 is in season a already, with the same days of the week"}},
		{"days of the year in no season", settings("seasons: {a: {from: 06-15, to: 09-30}, b: {from: 10-02, to: 06-01}}"), []string{"settings.seasons: no season has the days 06-02 to 06-14, 10-01: add them to one, or a season with peak_periods: [] if they have no peaks"}},
		{"a season with two parts of the year", settings("seasons: {a: {months: [1,2,3,4,5,6,7,8,9,10,11,12], from: 06-15, to: 09-30}}"), []string{"settings.seasons.a.from: it has months already: give months, or from and to"}},
		{"a season without an end", settings("seasons: {a: {from: 01-01}}"), []string{"settings.seasons.a.to: it goes together with from: the season's last day, such as 09-30"}},
		{"not a day of the year", settings("seasons: {a: {from: 01-01, to: 31-12}}"), []string{`settings.seasons.a.to: "31-12" is not a day of the year such as 07-04`}},
		{"not a day", season("days: [mon, mardi]"), []string{`settings.seasons.summer.days: "mardi" is not one of mon, tue, wed, thu, fri, sat, sun, weekdays, weekends, daily`}},
		{"not a holiday", settings("holidays: [2026-07-04, 07/05/2026]"), []string{`settings.holidays[1]: "07/05/2026" is not a day such as 2026-07-04, nor one of every year such as 12-25, nor the public holidays of a country such as us, nor one of them such as us Memorial Day`}},
		{"a holiday that is not in the calendar", settings("holidays: [2026-02-30]"), []string{`settings.holidays[0]: "2026-02-30" is not a day such as 2026-07-04, nor one of every year such as 12-25, nor the public holidays of a country such as us, nor one of them such as us Memorial Day`}},
		{"a holiday of an unknown country", settings("holidays: [atlantis]"), []string{`settings.holidays[0]: "atlantis" is not a day such as 2026-07-04, nor one of every year such as 12-25, nor the public holidays of a country such as us, nor one of them such as us Memorial Day`}},
		{"a holiday that a country does not have", settings("holidays: [se Valborg]"), []string{`settings.holidays[0]: Sweden has no holiday "valborg": it has Nyårsdagen, Trettondedag jul, Långfredagen, Påskdagen, Annandag påsk, Första maj, Kristi himmelsfärdsdag, Pingstdagen, Sveriges nationaldag, Midsommarafton, Midsommardagen, Alla helgons dag, Julafton, Juldagen, Annandag jul, Nyårsafton`}},
		{"not a time zone", "settings: {timezone: California}", []string{`settings.timezone: "California" is not a time zone such as America/Los_Angeles`}},
		{"v2.0's name for the time zone", "settings: {location: California}", []string{`settings.location: "California" is not a time zone such as America/Los_Angeles`}},
		{"the machine's own time zone", "settings: {timezone: Local}", []string{`settings.timezone: "Local" is not a time zone such as America/Los_Angeles`}},

		// Numbers.
		{"a reserve that Tesla changes", settings("off_peak_reserve_percent: 90"), []string{"settings.off_peak_reserve_percent: 90 is not 0–80 or 100; a Powerwall turns 81–99 into 80"}},
		{"a negative reserve", settings("peak_reserve_percent: -1"), []string{"settings.peak_reserve_percent: -1 is not 0–80 or 100; a Powerwall turns 81–99 into 80"}},
		{"reserves in the wrong order", settings("peak_reserve_percent: 60, off_peak_reserve_percent: 20"), []string{"settings.peak_reserve_percent: 60 is above settings.off_peak_reserve_percent 20: the battery would not be used in the peak"}},
		{"temperatures in the wrong order", settings("min_thermostat_temp_f: 80, max_thermostat_temp_f: 75"), []string{"settings.min_thermostat_temp_f: 80 °F is not below settings.max_thermostat_temp_f, 75 °F"}},
		{"a heat limit in Celsius", settings("min_heat_setpoint_f: 17"), []string{"settings.min_heat_setpoint_f: 17 is not between 50 and 75"}},
		{"a step that is too large", settings("thermostat_increment_f: 10"), []string{"settings.thermostat_increment_f: 10 is not between 0 and 5"}},
		{"a threshold above 100 %", settings("battery_thresholds: [{time_remaining_minutes: 60, level_percent: 101}]"), []string{"settings.battery_thresholds[0].level_percent: 101 is not between 0 and 100"}},
		{"a threshold twice", settings("battery_thresholds: [{time_remaining_minutes: 60, level_percent: 50}, {time_remaining_minutes: 60, level_percent: 30}]"), []string{"settings.battery_thresholds[1].time_remaining_minutes: 60 is listed twice: there can be only one threshold for a time"}},
		{"a poll that would be locked out", base + "poll: {thermostat_seconds: 30}", []string{"poll.thermostat_seconds: 30 is not between 120 and 3600"}},
		{"a cycle that is too slow", settings("check_interval_seconds: 7200"), []string{"settings.check_interval_seconds: 7200 is not between 30 and 3600"}},
		{"a thermostat twice", settings("thermostat_ids: [LCC-00A0, lcc-00a0]"), []string{`settings.thermostat_ids[1]: "lcc-00a0" is listed twice`}},

		// MQTT and topics.
		{"a pair without a broker", "settings: {timezone: UTC}\nmqtt: {url: none}\nha: {enabled: true}", []string{"ha.enabled: the nodes of a pair share a broker, and mqtt.url is none"}},
		{"prices over MQTT without a broker", base + "mqtt: {url: none}\ntariff: {source: mqtt}", []string{"tariff.source: prices by mqtt come over a broker, and mqtt.url is none"}},
		{"a forecast over MQTT without a broker", base + "mqtt: {url: None}\nweather: {source: mqtt}", []string{"weather.source: a forecast by mqtt comes over a broker, and mqtt.url is none"}},
		{"a broker over http", base + "mqtt: {url: http://x}", []string{`mqtt.url: "http" is not a scheme for a broker: write mqtt://host:1883, or mqtts://host:8883 for TLS`}},
		{"a broker over WebSockets", base + "mqtt: {url: 'ws://x:9001'}", []string{`mqtt.url: MQTT over WebSockets is not supported: write mqtt://host:1883, or mqtts://host:8883 for TLS`}},
		{"a broker without a scheme", base + "mqtt: {url: '192.168.1.10:1883'}", []string{"mqtt.url: it must read like mqtt://192.168.1.10:1883, or mqtts://broker.example:8883 for TLS; write none if there is no broker"}},
		{"a broker with a password in its address is not printed", base + "mqtt: {url: 'mqtt://me:hunter2@x'}", []string{"mqtt.url: user name and password belong in mqtt.username and mqtt.password, where they are never printed"}},
		{"a certificate without TLS", base + "mqtt: {url: mqtt://x, tls: {ca_file: /nowhere}}", []string{"mqtt.tls.ca_file: it has no effect, since mqtt has no TLS: write mqtts:// in mqtt.url"}},
		{"a certificate that is not there", base + "mqtt: {url: mqtts://x, tls: {ca_file: /nowhere/ca.pem}}", []string{"mqtt.tls.ca_file: /nowhere/ca.pem cannot be read: no such file or directory"}},
		{"a wildcard", base + "mqtt: {base_topic: power/#}", []string{`mqtt.base_topic: "power/#" must not have the wildcards + and #`}},
		{"Home Assistant's own topics", base + "mqtt: {base_topic: homeassistant}", []string{`mqtt.base_topic: "homeassistant" and discovery.prefix "homeassistant" must not contain each other`}},
		{"a topic with a slash at its end", base + "mqtt: {base_topic: power/}", []string{`mqtt.base_topic: "power/" must have words between its slashes, and none at its ends`}},
		{"a password without a user name", base + "mqtt: {password: x}", []string{"mqtt.password: it needs mqtt.username"}},
		{"an unknown format", base + "discovery: {format: xml}", []string{`discovery.format: "xml" is not one of device, component`}},

		// Vendors.
		{"Tesla without a token", base + "tesla: {energy_site_id: 1}", []string{"tesla: it needs token_file, which powermgr auth tesla fills, or api_token; or leave tesla out if there is no Powerwall"}},
		{"a token file without a client", base + "tesla: {token_file: /x}", []string{"tesla.client_id: token_file needs the client id of the app that the token is for, or ownerapi"}},
		{"Tesla without TLS", base + "tesla: {api_token: hunter2, base_url: 'http://example.com'}", []string{"tesla.base_url: the base URL must be https, or secrets could be read on the way"}},
		{"Tesla's tokens without TLS", base + "tesla: {api_token: hunter2, token_url: 'http://example.com'}", []string{"tesla.token_url: the base URL must be https, or secrets could be read on the way"}},
		{"too few calls a month", base + "tesla: {api_token: hunter2, calls_per_month: 500}", []string{"tesla.calls_per_month: 500 is not 0 or 2000–1000000; fewer do not last for the peaks of a month; 0 is for no limit"}},
		{"a negative number of calls a month", base + "tesla: {api_token: hunter2, calls_per_month: -1}", []string{"tesla.calls_per_month: -1 is not 0 or 2000–1000000; fewer do not last for the peaks of a month; 0 is for no limit"}},
		{"Honeywell without TLS", base + "honeywell: {username: a, password: hunter2, base_url: 'http://example.com'}", []string{"honeywell.base_url: the base URL must be https, or secrets could be read on the way"}},
		{"the forecast without TLS", base + "weather: {base_url: 'http://example.com'}", []string{"weather.base_url: the base URL must be https, or secrets could be read on the way"}},
		{"Honeywell without anything", base + "honeywell: {}", []string{"honeywell: it needs client_id and client_secret (Resideo), or username and password (Total Connect Comfort); or leave honeywell out if there are no thermostats"}},
		{"an unknown cloud", base + "honeywell: {backend: nest, username: a, password: b}", []string{`honeywell.backend: "nest" is not one of resideo, tcc`}},
		{"the portal without a password", base + "honeywell: {backend: tcc, username: a}", []string{"honeywell.password: backend tcc needs password"}},
		{"Resideo with the keys of the portal", base + "honeywell: {backend: resideo, username: a, password: b}", []string{"honeywell.client_id: backend resideo needs client_id and client_secret"}},
		{"a latitude alone", base + "weather: {latitude: 34}", []string{"weather: latitude and longitude go together"}},
		{"a latitude beyond the pole", base + "weather: {latitude: 134, longitude: 0}", []string{"weather.latitude: 134 is not between -90 and 90"}},
		{"a forecast without a location", base + "weather: {source: open-meteo}", []string{"weather.source: open-meteo needs weather.latitude and weather.longitude"}},

		// Mail, nodes, paths.
		{"not an address", base + "notifications: {smtp: {server: x}, recipients: {critical: [a@example.com, nobody]}}", []string{`notifications.recipients.critical[1]: "nobody" is not an e-mail address`}},
		{"a mail server with its port", base + "notifications: {smtp: {server: 'x:587'}}", []string{`notifications.smtp.server: "x:587" is not a host name: the port belongs in notifications.smtp.port`}},
		{"a node with a slash", settings("dry_run: true}\nha: {node: a/b"), []string{`ha.node: "a/b" has to be at most 64 letters, digits, - and _`}},
		{"not an IP address", base[:strings.Index(base, "ha:")] + "ha: {node: a, virtual_ip: pi.local}", []string{`ha.virtual_ip: "pi.local" is not an IP address`}},
		{"a port alone", base + "http: {listen: '9469'}", []string{`http.listen: "9469" must read like 127.0.0.1:9469, or be empty`}},
		{"a journal in the state file", base + "paths: {journal_file: /mnt/ramdisk/powermgr_state.json}", []string{"paths.ramdisk_state_file: it must not be paths.journal_file, which has to survive a reboot"}},

		{"everything at once, and each only once",
			"mqtt: {url: http://x, base_topik: y}\nsettings: {timezone: Mars, seasons: {summer: {months: [5], peak_periods: [{start: 16:00, end: x}]}}}\npoll: {weather_seconds: 5}",
			[]string{
				"mqtt.base_topik: there is no such key (line 1): did you mean mqtt.base_topic?",
				`mqtt.url: "http" is not a scheme for a broker: write mqtt://host:1883, or mqtts://host:8883 for TLS`,
				"poll.weather_seconds: 5 is not between 900 and 86400",
				`settings.seasons.summer.peak_periods[0].end: "x" is not a time of day such as 16:00`,
				`settings.timezone: "Mars" is not a time zone such as America/Los_Angeles`,
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(t, tt.text)
			got := problems(t, err)
			for i := range got { // TestAProblemSaysItsLine has those
				got[i] = lineAtEnd.ReplaceAllString(got[i], "")
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is printed")
			}
		})
	}
}

// Both ends of each range are allowed, and values beyond them are not.
func TestRanges(t *testing.T) {
	checked := 0
	var walk func(part reflect.Type, section string)
	walk = func(part reflect.Type, section string) {
		for field := range part.Fields() {
			key := joined(section, field.Tag.Get("koanf"))
			if field.Type.Kind() == reflect.Struct {
				walk(field.Type, key)
			}
			allowed, ok := field.Tag.Lookup("range")
			all, err := intervals(allowed)
			if !ok || err != nil || len(all) > 1 || field.Type.Kind() == reflect.Pointer {
				continue
			}
			checked++
			for _, v := range []struct {
				value float64
				good  bool
			}{{all[0].min - 1, false}, {all[0].min, true}, {all[0].max, true}, {all[0].max + 1, false}} {
				// From the environment, so that the file can stay as it is.
				_, _, err := load(t, base, fmt.Sprintf("%s=%g", variable(key), v.value))
				said := slices.ContainsFunc(problems(t, err), func(p string) bool {
					return strings.HasPrefix(p, fmt.Sprintf("%s: %g is not between %g and %g", key, v.value, all[0].min, all[0].max))
				})
				if said == v.good {
					t.Errorf("%s: %g: got %v", key, v.value, err)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	if checked < 25 {
		t.Errorf("%d keys have a range", checked)
	}
}

func TestConfigErrorCounts(t *testing.T) {
	_, _, err := load(t, "")
	if !strings.HasSuffix(strings.SplitN(err.Error(), "\n", 2)[0], "config.yaml: one problem") {
		t.Errorf("got %v", err)
	}
	_, _, err = load(t, "poll: {weather_seconds: 1}")
	if !strings.HasSuffix(strings.SplitN(err.Error(), "\n", 2)[0], "config.yaml: 2 problems") {
		t.Errorf("got %v", err)
	}
}

func TestLoadFiles(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		_, _, err := Load(filepath.Join(t.TempDir(), "config.yaml"), nil)
		if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0], "copy "+ExampleFile()+" there") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		_, _, err := Load(t.TempDir(), nil)
		if got := problems(t, err); !slices.Equal(got, []string{"it cannot be read: it is not a file"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("one that everybody can read", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config.yaml")
		write(t, path, base, 0o600)
		if _, notices, err := Load(path, nil); err != nil || said(notices, "chmod 640") {
			t.Errorf("private: %v, %v", notices, err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, notices, err := Load(path, nil); err != nil || said(notices, "chmod 640") {
			t.Errorf("for its group: %v, %v", notices, err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, notices, err := Load(path, nil); err != nil || !said(notices, "everybody on this machine can read it: chmod 640") {
			t.Errorf("public: %v, %v", notices, err)
		}
	})
	t.Run("one that is too long", func(t *testing.T) {
		_, _, err := load(t, "# "+strings.Repeat("x", maxFileBytes))
		if got := problems(t, err); !slices.Equal(got, []string{"it cannot be read: it is longer than 1048576 bytes"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("an authorization that can be refreshed has priority over a bare token", func(t *testing.T) {
		dir := t.TempDir()
		path, token := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "tesla.json")
		write(t, path, base+"tesla: {api_token: bare, client_id: ownerapi, token_file: tesla.json}", 0o600)
		c, notices, err := Load(path, nil)
		if err != nil || c.Tesla.APIToken.Reveal() != "bare" || !said(notices, "used until powermgr auth tesla") {
			t.Errorf("without: got %+v, %v, %v", c.Tesla, notices, err)
		}
		write(t, token, `{"access_token":"x","refresh_token":"y"}`, 0o600)
		c, notices, err = Load(path, nil)
		if err != nil || c.Tesla.APIToken != "" || !said(notices, "not used, since there is an authorization") {
			t.Errorf("with: got %+v, %v, %v", c.Tesla, notices, err)
		}
	})
	t.Run("an authorization without the app's keys is not used", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "config.yaml")
		write(t, path, base+"honeywell: {username: c, password: d, token_file: honeywell.json}", 0o600)
		write(t, filepath.Join(dir, "honeywell.json"), `{"access_token":"x","refresh_token":"y"}`, 0o600)
		if c, _, err := Load(path, nil); err != nil || c.Honeywell.Backend != BackendTCC {
			t.Errorf("got %+v, %v", c.Honeywell, err)
		}
	})
	t.Run("a stored authorization decides between the clouds", func(t *testing.T) {
		dir := t.TempDir()
		path, token := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "honeywell.json")
		write(t, path, base+"honeywell: {client_id: a, client_secret: b, username: c, password: d, token_file: honeywell.json}", 0o600)
		for _, tt := range []struct{ content, want string }{
			{"", BackendTCC},
			{`{"host":"mytotalconnectcomfort.com"}`, BackendTCC},
			{`{"access_token":"x"}`, BackendTCC},
			{`{"access_token":"x","refresh_token":"y"}`, BackendResideo},
		} {
			write(t, token, tt.content, 0o600)
			c, _, err := Load(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.Honeywell.Backend != tt.want || c.Honeywell.TokenFile != token {
				t.Errorf("%s: got %s, %s", tt.content, c.Honeywell.Backend, c.Honeywell.TokenFile)
			}
		}
	})
}

// secrets returns a configuration in which every secret is "hunter2" and a number.
func secretConfig(t *testing.T) Config {
	t.Helper()
	c := withDefaults[Config]()
	c.Tesla, c.Honeywell = &Tesla{}, &Honeywell{}
	n := 0
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[devices.Secret]():
			n++
			v.SetString(fmt.Sprintf("hunter2-%d", n))
		case v.Kind() == reflect.Pointer && !v.IsNil():
			fill(v.Elem())
		case v.Kind() == reflect.Struct:
			for _, field := range v.Fields() {
				fill(field)
			}
		}
	}
	fill(reflect.ValueOf(&c))
	if n != 8 {
		t.Fatalf("%d secrets: change the test if that is right", n)
	}
	return c
}

func TestSecretsNeverPrint(t *testing.T) {
	c := secretConfig(t)
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("configuration", "config", c, "tesla", c.Tesla, "honeywell", *c.Honeywell)
	}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v %v %v", c, c.Tesla, c.Honeywell), "%+v": fmt.Sprintf("%+v %+v %+v", c, c.Tesla, c.Honeywell),
		"%#v": fmt.Sprintf("%#v %#v %#v", c, c.Tesla, c.Honeywell), "%q": fmt.Sprintf("%q", c.Honeywell.Password), "%x": fmt.Sprintf("%x", c.MQTT.Password),
		"json": string(j), "yaml": string(y), "slog": log.String(),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s prints a secret: %s", name, text)
		}
	}
}

// A folder in the place of the journal kept the daemon from starting, and so from
// restoring what is in the broker's copy of the journal.
func TestAFolderForAFileIsSaidAndNoMore(t *testing.T) {
	for _, key := range []string{"journal_file", "ramdisk_state_file"} {
		_, notices, err := load(t, base+"paths: {"+key+": "+t.TempDir()+"}")
		if err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if !said(notices, "paths."+key) || !said(notices, "is a folder") {
			t.Errorf("%s: no notice says so: %v", key, notices)
		}
	}
}

var lineAtEnd = regexp.MustCompile(` \(line [0-9]+\)$`)

func TestAProblemSaysItsLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a value", "settings:\n  timezone: UTC\n  max_indoor_f: hot\n", `settings.max_indoor_f: "hot" is not a number (line 3)`},
		{"in a list", "settings:\n  timezone: UTC\n  seasons:\n    all:\n      months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n      peak_periods:\n        - {start: 16:00, end: 19:00}\n        - {start: 20:00,\n           end: x}\n",
			`settings.seasons.all.peak_periods[1].end: "x" is not a time of day such as 16:00 (line 9)`},
		{"a section", "settings: {timezone: UTC}\n\ntesla:\n  base_url: https://x.example\n", "tesla: it needs token_file, which powermgr auth tesla fills, or api_token; or leave tesla out if there is no Powerwall (line 3)"},
		{"an unknown key is reported once", "settings:\n  timezone: UTC\n  dry_rnu: true\n", "settings.dry_rnu: there is no such key (line 3): did you mean settings.dry_run?"},
		{"a missing key has no line", "mqtt: {}\n", "settings.timezone: it is needed: the home's time zone, such as America/Los_Angeles"},
		{"a misspelled level", "settings: {timezone: UTC}\nlogging: {level: warnin}\n", `logging.level: "warnin" is not one of debug, info, warning, error: did you mean warning? (line 2)`},
		{"a misspelled format", "settings: {timezone: UTC}\ndiscovery: {format: devise}\n", `discovery.format: "devise" is not one of device, component: did you mean device? (line 2)`},
		{"a misspelled day", "settings: {timezone: UTC}\ntariff: {rates: [{price: 1, days: [weekday]}]}\n", `tariff.rates[0].days: "weekday" is not one of mon, tue, wed, thu, fri, sat, sun, weekdays, weekends, daily, holidays: did you mean weekdays? (line 2)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(t, tt.text)
			if got := problems(t, err); !slices.Contains(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), tt.want)
			}
		})
	}
}

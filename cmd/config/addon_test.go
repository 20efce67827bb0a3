package config

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v3"

	"powermgr/deploy"
	"powermgr/devices"
)

// supervisor answers about the MQTT service; an empty body: there is none.
type supervisor struct {
	mu   sync.Mutex
	body string
	auth string // of the last request
}

func (s *supervisor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth = r.Header.Get("Authorization")
	switch {
	case r.URL.Path != "/services/mqtt":
		w.WriteHeader(http.StatusNotFound)
	case s.body == "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"result": "error", "message": "Service not enabled"}`)
	case s.body == "down":
		w.WriteHeader(http.StatusBadGateway)
	default:
		fmt.Fprintf(w, `{"result": "ok", "data": %s}`, s.body)
	}
}

func (s *supervisor) says(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = body
}

const mosquitto = `{"addon": "core_mosquitto", "host": "core-mosquitto", "port": 1883, "ssl": false, "protocol": "3.1.1", "username": "addons", "password": "sword fish"}`

// addonLoad loads an add-on's configuration; an empty file: there is none.
func addonLoad(t *testing.T, s *supervisor, options, file string) (Config, []Notice, error) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if file != "" {
		write(t, path, file, 0o644)
	}
	return Load(path, addonEnviron(t, server.URL, options))
}

func addonEnviron(t *testing.T, url, options string) []string {
	at := filepath.Join(t.TempDir(), "options.json")
	write(t, at, options, 0o600)
	return []string{"ADDON_OPTIONS=" + at, "ADDON_SUPERVISOR=" + url, "SUPERVISOR_TOKEN=t0ken", "TZ=America/Denver"}
}

const someOptions = `{"tesla": {"api_token": "abc", "client_id": "", "energy_site_id": 12}, "honeywell": {}, "weather": {"latitude": -33.5, "longitude": 151},
	"settings": {"dry_run": false, "thermostat_ids": [], "holidays": ["12-25"]}, "logging": {"level": "info"}}`

func TestAddonTakesTheOptionsAndTheBroker(t *testing.T) {
	s := &supervisor{body: mosquitto}
	c, notices, err := addonLoad(t, s, someOptions, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.auth != "Bearer t0ken" {
		t.Errorf("the Supervisor was asked with %q", s.auth)
	}
	for _, n := range notices {
		if n.Key == "mqtt.url" {
			t.Error(n)
		}
	}
	m := c.MQTT
	switch {
	case m.URL != "mqtt://core-mosquitto:1883" || m.Username != "addons" || m.Password.Reveal() != "sword fish", LacksBroker(c):
		t.Errorf("broker %s, %s", m.URL, m.Username)
	case c.Tesla == nil || c.Tesla.APIToken.Reveal() != "abc" || c.Tesla.EnergySiteID != 12, c.Honeywell != nil:
		t.Errorf("the devices are %+v and %+v", c.Tesla, c.Honeywell)
	case *c.Weather.Latitude != -33.5 || c.Weather.Source != WeatherOpenMeteo:
		t.Errorf("the weather is %+v", c.Weather)
	case c.Settings.Timezone != "America/Denver" || c.Settings.DryRun || len(c.Settings.Holidays) != 1:
		t.Errorf("the settings are %+v", c.Settings)
	case c.Paths.JournalFile != "/data/journal.json" || c.Paths.HistoryDir != "/data/history" || c.Paths.PermanentMetricsDir != "/data/metrics":
		t.Errorf("the files are %+v", c.Paths)
	case c.HTTP.Listen != "0.0.0.0:8099" || !slices.Equal(c.HTTP.TrustedProxies, []string{"172.30.32.2"}):
		t.Errorf("the page is at %+v", c.HTTP)
	}
}

func TestAddonWithoutABroker(t *testing.T) {
	for body, want := range map[string]string{"": NoBroker, "down": "502 Bad Gateway: powermgr asks again", "nonsense": "cannot be read"} {
		c, notices, err := addonLoad(t, &supervisor{body: body}, someOptions, "")
		if err != nil || !LacksBroker(c) {
			t.Errorf("%q: %v, broker %s", body, err, c.MQTT.URL)
		}
		if !slices.ContainsFunc(notices, func(n Notice) bool { return n.Key == "mqtt.url" && strings.Contains(n.Text, want) }) {
			t.Errorf("%q: %v", body, notices)
		}
	}
}

// The file has priority over the options and the Supervisor's broker, and that broker's
// password is sent to no other broker.
func TestAddonsFileGoesFirst(t *testing.T) {
	c, _, err := addonLoad(t, &supervisor{body: mosquitto}, someOptions, "mqtt: {url: mqtt://elsewhere}\nsettings: {dry_run: true, timezone: UTC}\ntesla: {client_id: mine, api_token: ''}")
	if err != nil {
		t.Fatal(err)
	}
	if c.MQTT.URL != "mqtt://elsewhere:1883" || c.MQTT.Username != "" || c.MQTT.Password != "" || LacksBroker(c) {
		t.Errorf("broker %s, user %q", c.MQTT.URL, c.MQTT.Username)
	}
	if !c.Settings.DryRun || c.Settings.Timezone != "UTC" || c.Tesla.EnergySiteID != 12 || c.Tesla.TokenFile != "/data/tesla_token.json" {
		t.Errorf("settings %+v, %+v", c.Settings, c.Tesla)
	}
}

func TestAddonsProblemsSayWhereTheyAre(t *testing.T) {
	_, _, err := addonLoad(t, &supervisor{}, `{"tesla": {"api_token": "hunter2"}, "settings": {"precool_adjustment_f": 99, "peak_reserve_percent": 90}}`, "settings: {peak_reserve_percent: 91}")
	want := []string{
		"settings.peak_reserve_percent: 91 is not 0–80 or 100; a Powerwall turns 81–99 into 80 (line 1)",
		"settings.precool_adjustment_f: 99 is not between 0 and 5 (the add-on's options)",
	}
	if got := problems(t, err); !slices.Equal(got, want) {
		t.Errorf("got\n  %s", strings.Join(got, "\n  "))
	}
	_, _, err = addonLoad(t, &supervisor{}, "{", "")
	if got := problems(t, err); len(got) == 0 || !strings.Contains(got[0], "the options of the add-on cannot be read") {
		t.Errorf("broken options: %v", got)
	}
}

// stepClock is a clock whose waits end at once, after a call of step and with its error.
type stepClock struct{ step func() error }

func (c stepClock) Now() time.Time { return time.Time{} }

func (c stepClock) Wait(context.Context, time.Time, <-chan struct{}) (bool, error) {
	return false, c.step()
}

func TestAddonFindsABrokerThatComesLater(t *testing.T) {
	s := &supervisor{}
	server := httptest.NewServer(s)
	defer server.Close()
	a, _ := FindAddon(addonEnviron(t, server.URL, someOptions))
	other := strings.Replace(mosquitto, "sword fish", "another", 1)
	for _, tt := range []struct {
		name string
		c    Config
		says []string
		want []int // the number of reloads after each
	}{
		{"none, then one, gone for a while, and with another password", Config{MQTT: MQTT{URL: usualBroker}},
			[]string{"", "down", mosquitto, mosquitto, "", mosquitto, other}, []int{0, 0, 1, 1, 1, 1, 2}},
		{"one from the start", Config{MQTT: MQTT{URL: usualBroker, Username: "addons", Password: devices.Secret("sword fish")}},
			[]string{mosquitto, mosquitto, other}, []int{0, 0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var counts []int
			again, n := 0, 0
			a.Watch(t.Context(), tt.c, stepClock{func() error {
				if n > 0 {
					counts = append(counts, again)
				}
				if n == len(tt.says) {
					return context.Canceled
				}
				s.says(tt.says[n])
				n++
				return nil
			}}, func() { again++ })
			if !slices.Equal(counts, tt.want) {
				t.Errorf("the numbers of reloads are %v, want %v", counts, tt.want)
			}
		})
	}
}

// addonYAML reads a file of the add-on.
func addonYAML(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile("../../deploy/homeassistant/addon/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(data, &all); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return all
}

// optionType matches the types of options that the Supervisor accepts in a schema.
var optionType = regexp.MustCompile(`^(bool|email|url|port|(str|password|int|float)(\((\d+(\.\d+)?)?,(\d+(\.\d+)?)?\))?|match\(.*\)|list\(.+\))\??$`)

// Every option is a key of the configuration, and has a default where the Supervisor asks
// for one, and a name in each language.
func TestAddonsOptionsAreKeys(t *testing.T) {
	addon := addonYAML(t, "powermgr/config.yaml")
	options := addon["options"].(map[string]any)
	keys := allKeys(reflect.TypeFor[Config](), "")
	var schema []string
	for section, of := range addon["schema"].(map[string]any) {
		given, ok := options[section].(map[string]any)
		if !ok {
			t.Errorf("the options have no section %s: the Supervisor refuses that", section)
		}
		for name, kind := range of.(map[string]any) {
			key := section + "." + name
			schema = append(schema, key)
			if !slices.Contains(keys, key) {
				t.Errorf("%s is not a key of the configuration", key)
			}
			if list, ok := kind.([]any); ok {
				kind = list[0]
			}
			if !optionType.MatchString(kind.(string)) {
				t.Errorf("%s: the Supervisor does not know %s", key, kind)
			}
			if _, ok := given[name]; !ok && !strings.HasSuffix(kind.(string), "?") {
				t.Errorf("%s has no default", key)
			}
			secret := strings.HasPrefix(kind.(string), "password")
			if field, _ := fieldType(reflect.TypeFor[Config](), section); secret != isSecret(field, name) {
				t.Errorf("%s is hidden, or shown, by mistake", key)
			}
		}
	}
	slices.Sort(schema)
	for _, language := range []string{"en", "es"} {
		var translated []string
		for section, of := range addonYAML(t, "powermgr/translations/"+language+".yaml")["configuration"].(map[string]any) {
			fields := of.(map[string]any)["fields"].(map[string]any)
			for name, text := range fields {
				translated = append(translated, section+"."+name)
				if text.(map[string]any)["name"] == "" {
					t.Errorf("%s: %s.%s has no name", language, section, name)
				}
			}
		}
		slices.Sort(translated)
		if !slices.Equal(translated, schema) {
			t.Errorf("%s has\n  %v, the options are\n  %v", language, translated, schema)
		}
	}
	// The default options can be used once there is a device.
	defaults, err := json.Marshal(options)
	if err == nil {
		_, _, err = addonLoad(t, &supervisor{}, string(defaults), "tesla: {api_token: a}")
	}
	if err != nil {
		t.Error(err)
	}
}

func isSecret(section reflect.Type, name string) bool {
	field, ok := fieldType(section, name)
	return ok && field == reflect.TypeFor[devices.Secret]()
}

// The add-on's files agree with the daemon about page, watchdog, folders and addresses.
func TestAddonsFilesAgree(t *testing.T) {
	addon, base := addonYAML(t, "powermgr/config.yaml"), addonBase(Addon{})
	for key, want := range map[string]any{
		"watchdog": "http://[HOST]:8099/healthz", "ingress": true, "ingress_port": 8099, "ingress_stream": true,
		"backup": "hot", "apparmor": true, "url": deploy.Repository, "slug": "powermgr",
	} {
		if addon[key] != want {
			t.Errorf("%s is %v, want %v", key, addon[key], want)
		}
	}
	if !strings.HasSuffix(base["http.listen"], ":8099") || !strings.HasPrefix(base["paths.ramdisk_state_file"], "/data/") {
		t.Errorf("the daemon uses %v", base)
	}
	if got := fmt.Sprint(addon["services"], addon["arch"]); got != "[mqtt:want] [amd64 aarch64]" {
		t.Error(got)
	}
	if got := addonYAML(t, "repository.yaml")["url"]; got != deploy.Repository {
		t.Errorf("the repository is %v", got)
	}
}

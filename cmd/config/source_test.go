package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, secret, "from-a-file\r\n", 0o600)
	for _, tt := range []struct {
		name, text string
		environ    []string
		got        func(Config) any
		want       any
		refused    []string
	}{
		{name: "it has priority over the file", text: base + "mqtt: {url: mqtt://file}", environ: []string{"POWERMGR_MQTT__URL=mqtt://env:1"},
			got: func(c Config) any { return c.MQTT.URL }, want: "mqtt://env:1"},
		{name: "a key with underscores", text: base, environ: []string{"POWERMGR_MQTT__BASE_TOPIC=house"},
			got: func(c Config) any { return c.MQTT.BaseTopic }, want: "house"},
		{name: "a number", text: base, environ: []string{"POWERMGR_POLL__THERMOSTAT_SECONDS=600"},
			got: func(c Config) any { return c.Poll.ThermostatSeconds }, want: 600},
		{name: "a boolean", text: base, environ: []string{"POWERMGR_SETTINGS__DRY_RUN=true"},
			got: func(c Config) any { return c.Settings.DryRun }, want: true},
		{name: "empty counts as not set", text: base, environ: []string{"POWERMGR_POLL__THERMOSTAT_SECONDS=", "POWERMGR_SETTINGS__DRY_RUN="},
			got: func(c Config) any { return c.Poll.ThermostatSeconds }, want: 300},
		{name: "a whole section from it", text: base, environ: []string{"POWERMGR_TESLA__API_TOKEN=abc=def"},
			got: func(c Config) any { return c.Tesla.APIToken.Reveal() }, want: "abc=def"},
		{name: "a season's precooling", text: base + "\n", environ: []string{"POWERMGR_SETTINGS__SEASONS__ALL__PRECOOL=true"},
			refused: []string{"settings.seasons.all.months: it needs the months of the season, such as [5, 6, 7], or from and to, such as 06-15 and 09-30"}},
		{name: "other variables are left alone", text: base, environ: []string{"PATH=/bin", "POWERMGRX=1", "POWERMGR_=1", "nonsense"},
			got: func(c Config) any { return c.MQTT.BaseTopic }, want: "powermgr"},
		{name: "a secret's file", text: base + "mqtt: {username: a}", environ: []string{"POWERMGR_MQTT__PASSWORD_FILE=" + secret},
			got: func(c Config) any { return c.MQTT.Password.Reveal() }, want: "from-a-file"},
		{name: "its secret has priority over the file's", text: base + "mqtt: {username: a, password_file: " + secret + "}", environ: []string{"POWERMGR_MQTT__PASSWORD=from-env"},
			got: func(c Config) any { return c.MQTT.Password.Reveal() }, want: "from-env"},

		{name: "a typo", text: base, environ: []string{"POWERMGR_MQTT__URI=mqtt://x"},
			refused: []string{"mqtt.uri: there is no such key (environment variable POWERMGR_MQTT__URI): did you mean POWERMGR_MQTT__URL?"}},
		{name: "one underscore where two belong", text: base, environ: []string{"POWERMGR_TESLA_API_TOKEN=hunter2"},
			refused: []string{"tesla_api_token: there is no such key (environment variable POWERMGR_TESLA_API_TOKEN): did you mean POWERMGR_TESLA__API_TOKEN?"}},
		{name: "a misspelled section", text: base, environ: []string{"POWERMGR_MQQT__URL=x"},
			refused: []string{"mqqt: there is no such key (environment variable POWERMGR_MQQT__URL): did you mean POWERMGR_MQTT?"}},
		{name: "an invalid value names its variable", text: base, environ: []string{"POWERMGR_POLL__THERMOSTAT_SECONDS=soon"},
			refused: []string{`poll.thermostat_seconds: "soon" is not a whole number (environment variable POWERMGR_POLL__THERMOSTAT_SECONDS)`}},
		{name: "a value out of range names its variable", text: base, environ: []string{"POWERMGR_POLL__THERMOSTAT_SECONDS=1"},
			refused: []string{`poll.thermostat_seconds: 1 is not between 120 and 3600 (environment variable POWERMGR_POLL__THERMOSTAT_SECONDS)`}},
		{name: "two that contradict each other", text: base, environ: []string{"POWERMGR_MQTT=1", "POWERMGR_MQTT__URL=mqtt://x"},
			refused: []string{"mqtt: POWERMGR_MQTT and POWERMGR_MQTT__URL cannot both be set: one is the section of the other (environment variable POWERMGR_MQTT)"}},
		{name: "a list", text: base, environ: []string{"POWERMGR_SETTINGS__HOLIDAYS=2026-07-04"},
			refused: []string{"settings.holidays: a list can only be given in the file (environment variable POWERMGR_SETTINGS__HOLIDAYS)"}},
		{name: "an item of a list", text: base, environ: []string{"POWERMGR_SETTINGS__THERMOSTAT_IDS__0=1"},
			refused: []string{"settings.thermostat_ids: a list can only be given in the file (environment variable POWERMGR_SETTINGS__THERMOSTAT_IDS__0)"}},
		{name: "a section as a value", text: base, environ: []string{"POWERMGR_MQTT=x"},
			refused: []string{"mqtt: this is a section: its keys belong below it, indented (environment variable POWERMGR_MQTT)"}},
		{name: "a value as a section", text: base, environ: []string{"POWERMGR_MQTT__URL__HOST=x"},
			refused: []string{"mqtt.url: this is one value, not a list or a section"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // maps have no order
				c, _, err := load(t, tt.text, tt.environ...)
				if got := problems(t, err); !slices.Equal(got, tt.refused) {
					t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.refused, "\n  "))
				}
				if tt.refused == nil {
					if got := tt.got(c); got != tt.want {
						t.Fatalf("got %v, want %v", got, tt.want)
					}
				}
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	environ := []string{"CREDENTIALS_DIRECTORY=" + dir}
	write(t, filepath.Join(dir, "mqtt.password"), "one\n", 0o400)
	write(t, filepath.Join(dir, "powermgr_tesla.api_token"), "two\n", 0o400)
	write(t, filepath.Join(dir, "other"), "three", 0o400)
	write(t, filepath.Join(dir, "other.thing"), "four", 0o400)
	c, _, err := load(t, base+"mqtt: {username: a, password: file}", environ...)
	if err != nil {
		t.Fatal(err)
	}
	if c.MQTT.Password.Reveal() != "one" || c.Tesla == nil || c.Tesla.APIToken.Reveal() != "two" {
		t.Errorf("got %q, %+v", c.MQTT.Password.Reveal(), c.Tesla)
	}
	if c, _, err := load(t, base+"mqtt: {username: a}", append(environ, "POWERMGR_MQTT__PASSWORD=env")...); err != nil || c.MQTT.Password.Reveal() != "env" {
		t.Errorf("the environment has no priority: %v, %v", c.MQTT.Password.Reveal(), err)
	}

	write(t, filepath.Join(dir, "mqtt.pasword"), "x", 0o400)
	write(t, filepath.Join(dir, "settings.holidays"), "x", 0o400)
	_, _, err = load(t, base, environ...)
	want := []string{
		"mqtt.password: it needs mqtt.username (credential mqtt.password)",
		"mqtt.pasword: there is no such key (credential mqtt.pasword): did you mean mqtt.password?",
		"settings.holidays: a list can only be given in the file (credential settings.holidays)",
	}
	if got := problems(t, err); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}

	_, _, err = load(t, base, "CREDENTIALS_DIRECTORY=/nowhere")
	if got := problems(t, err); !slices.Equal(got, []string{"the credentials in /nowhere cannot be read: no such file or directory"}) {
		t.Errorf("got %v", got)
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	write(t, filepath.Join(dir, "token"), "hunter2\n", 0o644)
	write(t, filepath.Join(dir, "empty"), "\n", 0o600)
	for _, tt := range []struct {
		name, text string
		want       string // of tesla.api_token
		notice     string
		refused    []string
	}{
		{name: "one from the configuration's folder, which everybody can read", text: "tesla: {api_token_file: token}", want: "hunter2",
			notice: "tesla.api_token_file: everybody on this machine can read token: chmod 640"},
		{name: "beside an empty value, as v2.0 has them", text: "tesla: {api_token: '', api_token_file: token}", want: "hunter2"},
		{name: "beside a value", text: "tesla: {api_token: a, api_token_file: token}", refused: []string{"tesla.api_token_file: api_token is given too: keep one of them (line 3)"}},
		{name: "not there", text: "tesla: {api_token_file: nothing}", refused: []string{"tesla.api_token_file: nothing cannot be read: no such file or directory (line 3)"}},
		{name: "a device", text: "tesla: {api_token_file: /dev/zero}", refused: []string{"tesla.api_token_file: /dev/zero cannot be read: it is not a file (line 3)"}},
		{name: "empty", text: "tesla: {api_token_file: empty}", refused: []string{"tesla.api_token_file: empty is empty (line 3)"}},
		{name: "a list", text: "tesla: {api_token_file: [hunter2]}", refused: []string{"tesla.api_token_file: this is one value, not a list or a section (line 3)"}},
		{name: "not a secret", text: "tesla: {api_token: a, energy_site_id_file: token}", refused: []string{"tesla.energy_site_id_file: there is no such key (line 3): did you mean tesla.energy_site_id?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, path, base+tt.text, 0o600)
			c, notices, err := Load(path, nil)
			if got := problems(t, err); !slices.Equal(got, tt.refused) {
				t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.refused, "\n  "))
			}
			if err == nil && c.Tesla.APIToken.Reveal() != tt.want {
				t.Errorf("got %q", c.Tesla.APIToken.Reveal())
			}
			if tt.notice != "" && !said(notices, tt.notice) {
				t.Errorf("got %v", notices)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3},
		{"url", "uri", 1}, {"ab", "ba", 1}, {"flie", "file", 1}, {"größe", "große", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for _, tt := range []struct {
		word  string
		known []string
		want  string
	}{
		{"critcal", []string{"info", "warning", "critical"}, ": did you mean critical?"},
		{"warn", []string{"info", "warning", "critical"}, ": did you mean warning?"},
		{"p", []string{"plan", "peak"}, ""},
		{"pea", []string{"peak", "peaks"}, ": did you mean peak?"}, // the nearer one
		{"K", []string{"F", "C"}, ""},                              // any letter is one letter off
		{"fc", []string{"F", "C"}, ": did you mean F?"},
		{"nothing", []string{"plan", "rule"}, ""},
		{"", []string{"plan"}, ""},
	} {
		if got := DidYouMean(tt.word, tt.known); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		bomb.WriteString(fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9)+fmt.Sprintf("*a%d", i)))
	}
	for name, text := range map[string]string{"aliases of aliases": bomb.String(), "an alias in itself": "a: &a [*a]"} {
		if _, _, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whatever is in the file, loading it ends without a panic, with problems or with a
// configuration that can be described.
func FuzzParse(f *testing.F) {
	v2, err := os.ReadFile("testdata/v2-config.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v2)
	for _, text := range []string{
		"", "a", "- a", base, "a: &a [*a]", "settings: {seasons: {summer: {months: [5], peak_periods: [{start: 16:00}]}}}",
		"? [a]\n: b", "!!binary a: b", "tesla: {api_token_file: x}", "mqtt: {url: 'mqtt://[::1'}", "settings: {seasons: {'': {}, a.b: {}, '[0]': {}}}",
		"settings: {timezone: ../../etc/passwd}", "mqtt: {url: \"\\x00\"}", "---\n---\n", "\xef\xbb\xbfsettings:", "\xff\xfe",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := loader{dir: "/", state: stateDir, host: func() (string, error) { return "pi", nil }, now: time.Now, origin: map[string]string{}, cycle: map[string]string{},
			open: func(string) (io.ReadCloser, fs.FileMode, error) { return nil, 0, errors.New("no files here") }}
		c := l.config(data, nil)
		if len(l.problems) > 0 {
			if text := (&Error{Problems: l.problems}).Error(); text == "" {
				t.Error("there is an error without a problem")
			}
			return
		}
		if Describe(c) == "" {
			t.Error("the description is empty")
		}
	})
}

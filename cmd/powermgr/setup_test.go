package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/cmd/config"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/tesla"
	"powermgr/devices/emulator/vendors"
)

// appTariff is what an owner has set in Tesla's app.
const appTariff = `{"currency":"USD","energy_charges":{"ALL":{"rates":{"ALL":0}},
"Summer":{"rates":{"ON_PEAK":0.54,"OFF_PEAK":0.24}},"Winter":{"rates":{"ON_PEAK":0.42,"OFF_PEAK":0.22}}},
"seasons":{"Summer":{"fromDay":1,"fromMonth":6,"toDay":30,"toMonth":9,"tou_periods":{
"ON_PEAK":{"periods":[{"toDayOfWeek":6,"fromHour":16,"toHour":21}]},"OFF_PEAK":{"periods":[{"toDayOfWeek":6,"fromHour":21,"toHour":16}]}}},
"Winter":{"fromDay":1,"fromMonth":10,"toDay":31,"toMonth":5,"tou_periods":{
"ON_PEAK":{"periods":[{"toDayOfWeek":6,"fromHour":17,"toHour":20}]},"OFF_PEAK":{"periods":[{"toDayOfWeek":6,"fromHour":20,"toHour":17}]}}}},
"sell_tariff":{"energy_charges":{"ALL":{"rates":{"ALL":0.05}}},"seasons":{}}}`

// newcomer answers the question on the last line that is shown, as a person reads it; all
// other questions get Enter.
type newcomer struct {
	mu      sync.Mutex
	shown   bytes.Buffer
	answers map[string]func(shown string) string // by words of the question
	rest    []byte
	entered []string // questions that got Enter alone
}

func (n *newcomer) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shown.Write(b)
}

func (n *newcomer) Read(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.rest) == 0 {
		shown := n.shown.String()
		question := shown[strings.LastIndex(shown, "\n")+1:]
		if question == "" {
			return 0, io.EOF
		}
		answer, known := "", false
		for to, says := range n.answers {
			if strings.HasPrefix(question, to) {
				answer, known = says(shown), true
			}
		}
		if !known {
			n.entered = append(n.entered, question)
		}
		n.rest = []byte(answer + "\n")
		n.shown.WriteString("\n")
	}
	c := copy(b, n.rest)
	n.rest = n.rest[c:]
	return c, nil
}

func (n *newcomer) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shown.String()
}

func text(s string) func(string) string { return func(string) string { return s } }

// agree is a person who agrees in a browser, on the page that was shown last.
func agree(t *testing.T) func(string) string {
	return func(shown string) string {
		pages := regexp.MustCompile(`http://\S+/authorize\?\S+`).FindAllString(shown, -1)
		return consent(t, pages[len(pages)-1])
	}
}

// From no configuration to a daemon in a dry run, with each kind of account.
func TestSetupFromNothingToARunningDryRun(t *testing.T) {
	const fleetSecret, broker = "emulator-app-secret", "a broker's password"
	for _, tt := range []struct {
		name    string
		answers map[string]func(string) string
		config  []string // in the configuration
	}{
		{"Teslemetry and Total Connect Comfort", map[string]func(string) string{
			"Access token": text("emulator-access"), "Which one": text("2"), "E-mail address": text("owner@example.com"), "Password": text("emulator-password"),
			"Which of them": text("2"), "Latitude and longitude": text("34.09, -117.43"),
		}, []string{"api_token:", "backend: tcc", `thermostat_ids: ["1000002"]`, "peak: true", "0.54", "export: 0.05", "dry_run: true", "latitude: 34.09"}},
		{"Tesla's Fleet API and Honeywell Home", map[string]func(string) string{
			"Which way": text("2"), "Your domain": text("HOST"), "Client id": text("emulator-app"), "Client secret": text(fleetSecret), "Press Enter to try again": nil,
			"3. Paste": agree(t), "Use it": text("no"), "When is electricity": text("16:00-19:00, 06:00-09:00"), "Price per kWh in those hours": text("0.54"), "Price per kWh at other times": text("0.24"),
			"Which one": text("1"), "Consumer key": text("emulator-client"), "Consumer secret": text("emulator-client-secret"), "Which of them": text("all"),
		}, []string{"client_id: \"emulator-app\"", "token_file:", "backend: resideo", `"LCC-00A01AB10001"`, `{start: "06:00", end: "09:00"}`, "peak_per_kwh: 0.54", "source: none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mqtt := brokertest.StartEmbedded(t, brokertest.Config{Users: map[string]string{"powermgr": broker}})
			cloud := vendors.New(emulator.Options{Now: time.Now}, vendors.Options{Tesla: tesla.Options{Tariff: appTariff}})
			server := httptest.NewServer(cloud.Handler())
			t.Cleanup(server.Close)
			if tt.answers["Client id"] != nil {
				cloud.Tesla.UseApp(&tesla.App{})
				tt.answers["Your domain"] = text(strings.TrimPrefix(server.URL, "http://"))
				tt.answers["Press Enter to try again"] = func(shown string) string {
					cloud.Tesla.HostKey([]byte(regexp.MustCompile(`(?s)-----BEGIN PUBLIC KEY-----.*-----END PUBLIC KEY-----\n`).FindString(shown)))
					return ""
				}
			}
			tt.answers["Address of the broker"] = text(mqtt.URL())
			tt.answers["User name ["] = text("powermgr")
			pass := 0
			own := tt.answers["Password"]
			tt.answers["Password"] = func(s string) string {
				if own != nil && pass == 0 {
					pass++
					return own(s)
				}
				return broker
			}
			zone := 0
			tt.answers["Time zone"] = func(string) string {
				if zone++; zone == 1 {
					return "Los Angelos"
				}
				return ""
			}

			dir := filepath.Join(t.TempDir(), "try") // as in GUIDE.md: setup makes it
			config := filepath.Join(dir, "config.yaml")
			n := &newcomer{answers: tt.answers}
			if code := run(context.Background(), []string{"setup", "--emulator", server.URL, "--files", dir, "--config", config}, streams{in: n, out: n, err: n}); code != 0 {
				t.Fatalf("exit %d\n%s", code, n)
			}
			for _, want := range []string{"did you mean America/Los_Angeles?\n", "It works: the Powerwall is at", "The broker answers", "Dry run: powermgr reads", "\n  powermgr run --config " + config + "\n", "\n  powermgr live --config " + config} {
				if !strings.Contains(n.String(), want) {
					t.Errorf("%q is not in\n%s", want, n)
				}
			}
			written, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.config {
				if !strings.Contains(string(written), want) {
					t.Errorf("%q is not in\n%s", want, written)
				}
			}
			for _, secret := range []string{fleetSecret, broker, "emulator-password", "emulator-client-secret", "emulator-access"} {
				if strings.Contains(n.String(), secret) {
					t.Errorf("%s is shown\n%s", secret, n)
				}
			}
			if info, err := os.Stat(config); err != nil || info.Mode().Perm()&0o007 != 0 {
				t.Errorf("got %v, %v", info.Mode(), err)
			}

			// The daemon runs with it, sees the home, and sends nothing.
			before := cloud.Truth().Reserve
			person := mqtt.Client(t, brokertest.Login{User: "powermgr", Password: broker})
			person.Subscribe(t, "powermgr/#")
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			log := &newcomer{}
			done := make(chan int, 1)
			go func() {
				done <- run(ctx, []string{"run", "--config", config}, streams{in: strings.NewReader(""), out: log, err: log})
			}()
			state := func(topic string) (s map[string]any) {
				if all := person.Received(topic); len(all) > 0 {
					_ = json.Unmarshal([]byte(all[len(all)-1].Payload), &s)
				}
				return s
			}
			for end := time.Now().Add(30 * time.Second); state("powermgr/control/state")["dry_run"] != true || state("powermgr/powerwall/state")["charge_percent"] == nil; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Errorf("it does not run: control %v, powerwall %v\n%s", state("powermgr/control/state"), state("powermgr/powerwall/state"), log)
					break
				}
			}
			stop()
			if code := <-done; code != 0 {
				t.Errorf("exit %d\n%s", code, log)
			}
			if after := cloud.Truth().Reserve; after != before {
				t.Errorf("the reserve went from %d to %d", before, after)
			}
		})
	}
}

// People without a broker could not complete setup.
func TestSetupWithoutABroker(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	n := &newcomer{answers: map[string]func(string) string{
		"Which way": text("none"), "Time zone": text("Europe/Berlin"), "Address of the broker": text("mqtt://127.0.0.1:1"), "How to go on": text("skip"),
	}}
	if code := run(context.Background(), []string{"setup", "--files", dir, "--config", file}, streams{in: n, out: n, err: n}); code != exitDone {
		t.Fatalf("exit %d\n%s", code, n)
	}
	c, _, err := config.Load(file, nil)
	if err != nil || !c.MQTT.Off() || c.Settings.Unit != "C" {
		t.Errorf("got %q, %q, %v", c.MQTT.URL, c.Settings.Unit, err)
	}
	if _, err := os.Stat(file + ".answers"); err == nil {
		t.Error("the answers are left behind")
	}
}

// Three invalid answers, or a refused token, ended setup, and all earlier answers were
// lost.
func TestSetupForgivesAndRemembers(t *testing.T) {
	cloud := vendors.New(emulator.Options{Now: time.Now}, vendors.Options{})
	server := httptest.NewServer(cloud.Handler())
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	inTurn := func(all ...string) func(string) string {
		return func(string) string {
			if len(all) == 0 {
				return ""
			}
			answer := all[0]
			all = all[1:]
			return answer
		}
	}
	setup := func(answers map[string]func(string) string) (*newcomer, int) {
		n := &newcomer{answers: answers}
		return n, run(context.Background(), []string{"setup", "--emulator", server.URL, "--files", dir, "--config", file}, streams{in: n, out: n, err: n})
	}
	n, code := setup(map[string]func(string) string{
		"Access token": inTurn("mixed-up", "emulator-access"), "Time zone": inTurn("Europe/Berln", "Lost", "Nowhere", "Back", "America/Denver"),
		"Latitude": inTurn("somewhere", "here", "there", "skip"), "Address of the broker": text("none"),
		"Which one": text("2"), "E-mail address": inTurn("wrong@example.com", "owner@example.com"), "Password": inTurn("back", "emulator-password"),
		"How to go on": inTurn("", ""), "Mail server": text("none"), "Write": text("no"), "\nWrite": text("no"),
	})
	if code != exitDone {
		t.Fatalf("exit %d\n%s", code, n)
	}
	for _, want := range []string{"does not accept this token", "did you mean Europe/Berlin?", "Type back to change", "Left out.", "Nothing was written", "Your answers are kept"} {
		if !strings.Contains(n.String(), want) {
			t.Errorf("%q is not in\n%s", want, n)
		}
	}
	if info, err := os.Stat(file + ".answers"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the answers: %v, %v", info, err)
	}
	// The next run has them all: Enter is enough.
	n, code = setup(nil)
	c, _, err := config.Load(file, nil)
	if code != exitDone || err != nil || c.Settings.Timezone != "America/Denver" || c.Weather.Latitude != nil || c.Tesla == nil || c.Honeywell == nil || c.Honeywell.Username != "owner@example.com" || c.Notifications.SMTP.Server != "" {
		t.Errorf("exit %d, %v, %+v\n%s", code, err, c, n)
	}
	for _, secret := range []string{"emulator-access", "emulator-password"} {
		if strings.Contains(n.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

func TestSetupByAnswers(t *testing.T) {
	cloud := vendors.New(emulator.Options{Now: time.Now}, vendors.Options{})
	server := httptest.NewServer(cloud.Handler())
	defer server.Close()
	mqtt := brokertest.StartEmbedded(t, brokertest.Config{})
	good := "powerwall: teslemetry\ntesla_token: emulator-access\ntimezone: America/Los_Angeles\nmqtt_url: " + mqtt.URL() + "\n"
	for _, tt := range []struct {
		name, answers, config string
		code                  int
		want                  string
	}{
		{"all that is needed", good, "", exitDone, "is written"},
		{"one is missing", strings.Replace(good, "tesla_token", "x", 1), "", exitFailed, "the answers need tesla_token"},
		{"one is wrong", strings.Replace(good, "teslemetry", "solar", 1), "", exitFailed, "the answer to powerwall: choose a number"},
		{"an invalid token", strings.Replace(good, "emulator-access", "mixed-up", 1), "", exitFailed, "Teslemetry does not accept this token (HTTP 401)"},
		{"a broker that does not answer", strings.Replace(good, mqtt.URL(), "mqtt://127.0.0.1:1", 1), "", exitFailed, "the broker at mqtt://127.0.0.1:1"},
		{"a configuration that must not be replaced", good, "settings: {timezone: UTC}\n", exitDone, "Nothing was written"},
		{"a configuration that may be replaced", good + "replace: yes\n", "settings: {timezone: UTC}\n", exitDone, "is written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file, answers := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "answers.yaml")
			if err := os.WriteFile(answers, []byte(tt.answers), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.config != "" {
				if err := os.WriteFile(file, []byte(tt.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, out, err := call("setup", "--emulator", server.URL, "--files", dir, "--config", file, "--answers", answers)
			if code != tt.code || !strings.Contains(out+err, tt.want) {
				t.Errorf("exit %d, want %d with %q\n%s%s", code, tt.code, tt.want, out, err)
			}
			if strings.Contains(out+err, "mixed-up") || strings.Contains(out+err, "emulator-access") {
				t.Error("a secret is shown")
			}
			_, _, loads := config.Load(file, nil)
			if wrote := strings.Contains(tt.want, "is written"); (loads == nil) != (wrote || tt.config != "") {
				t.Errorf("got %v", loads)
			}
			if old, err := os.ReadFile(file + ".old"); tt.config != "" && strings.Contains(tt.want, "is written") && (err != nil || string(old) != tt.config) {
				t.Errorf("the old one: %q, %v", old, err)
			}
			if _, err := os.Stat(file + ".new"); err == nil {
				t.Error("the trial configuration is left behind")
			}
		})
	}
}

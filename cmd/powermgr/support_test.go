package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every secret of a home is marked, and so is everything that says who lives where; a
// bundle has none of the marks, but still has what helps.
func TestASupportBundleHasNoSecrets(t *testing.T) {
	const config = `# an old password: mark-in-a-comment
tesla: {client_id: my-app, client_secret: mark-client, token_file: tesla.json, energy_site_id: 777000777, base_url: https://tesla.example}
honeywell: {backend: tcc, username: mark-user@example.com, password: "mark-pass\"word/1", token_file: honeywell.json}
mqtt: {url: mqtt://127.0.0.1:1883, username: mark-mqtt-user, password_file: mqtt-password}
weather: {latitude: 34.4242, longitude: -117.4343}
notifications: {smtp: {server: smtp.example.com, username: mark-mail-user, password: mark-mail}, recipients: {critical: [mark-owner@example.com]}}
settings: {timezone: America/Los_Angeles, thermostat_ids: ["1000001"]}
paths: {journal_file: journal.json, ramdisk_state_file: state.json, permanent_metrics_dir: metrics}
`
	token := "eyJhbGciOiJub25lIn0.eyJtYXJrIjoi.mark" // somebody else's
	said := `{"note":"mark-client mark-access-token mark-pass\"word/1 mark-pass%22word%2F1 Bearer mark.abcdefgh https://mark:x@tesla.example ` + token + ` mark-owner@example.com at 34.4242 for 777000777, reserve 20"}`
	for _, tt := range []struct{ name, config string }{
		{"a good configuration", config},
		{"one with typos", strings.Replace(config, "mqtt: {", "mqtt: {passwrod: mark-slip, ", 1)},
		{"one that is not YAML", config + "\n  : [mark"},
		{"a list where a section belongs", config + "http: [{listen: mark-list}]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("RUNTIME_DIRECTORY", dir)
			for name, text := range map[string]string{
				"config.yaml": tt.config, "tesla.json": `{"access_token":"mark-access-token","refresh_token":"mark-refresh-token"}`, "mqtt-password": "mark-mqtt\n",
				"honeywell.json": `{"cookies":[{"value":"mark-session-cookie"}]}`, "journal.json": said, "state.json": strings.ReplaceAll(said, "mark-access-token", "mark-session-cookie mark-mqtt-user mark-mail"),
				"metrics/2026-07-14.json": said, "powermgr_day.json": said,
			} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			bundle := filepath.Join(dir, "bundle.tar.gz")
			if code, out, err := call("support-bundle", "--config", filepath.Join(dir, "config.yaml"), "--output", bundle); code != 0 || strings.Contains(out+err, "mark") {
				t.Fatalf("exit %d: %s%s", code, out, err)
			}
			if info, err := os.Stat(bundle); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("got %v, %v", info, err)
			}
			files := unpack(t, bundle)
			for name, text := range files {
				for _, secret := range []string{"mark", "34.4242", "117.4343", "777000777", "eyJ"} {
					if i := strings.Index(text, secret); i >= 0 {
						t.Errorf("%s has %q: …%s…", name, secret, text[max(0, i-40):min(len(text), i+60)])
					}
				}
			}
			if tt.config != config {
				return
			}
			for name, want := range map[string]string{
				"config.yaml": "client_id: my-app", "check-config.txt": "Not a dry run", "version.txt": "powermgr ", "journal.json": "reserve 20",
				"state.json": "reserve 20", "2026-07-14.json": "reserve 20", "powermgr_day.json": "reserve 20", "status.json": "not there", "powermgr.log": "",
			} {
				text, ok := files["powermgr-support/"+name]
				if !ok || !strings.Contains(text, want) {
					t.Errorf("%s lacks %q: %s", name, want, text)
				}
			}
		})
	}
}

// The bundle included files of the folder in which the command was run.
func TestASupportBundleWithoutAConfigurationTakesNothingElse(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("private.json", []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, err := call("support-bundle", "--config", "nowhere.yaml", "--output", "bundle.tar.gz"); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, err)
	}
	for name := range unpack(t, "bundle.tar.gz") {
		if strings.Contains(name, "private") || strings.HasSuffix(name, "/.") {
			t.Errorf("it has %s", name)
		}
	}
}

func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(b)
	}
}

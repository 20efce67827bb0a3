package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"powermgr/cmd/setup"
	"powermgr/devices/cloud"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// clouds is the emulated vendors, and the forms that their token endpoints received.
type clouds struct {
	url   string
	mu    sync.Mutex
	forms []url.Values
}

func newClouds(t *testing.T) *clouds {
	t.Helper()
	v := &clouds{}
	cloud := vendors.New(emulator.Options{Now: time.Now}, vendors.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			body, _ := io.ReadAll(r.Body)
			form, _ := url.ParseQuery(string(body))
			v.mu.Lock()
			v.forms = append(v.forms, form)
			v.mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		cloud.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	v.url = server.URL
	return v
}

// consent agrees on a page as a person does in a browser, and returns the address that
// they are sent to.
func consent(t *testing.T, page string) string {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound {
		t.Fatalf("the page answers %s", res.Status)
	}
	return res.Header.Get("Location")
}

// terminal is what a person reads and types. Each typed line depends on what was printed
// before.
type terminal struct {
	t     *testing.T
	mu    sync.Mutex
	shown bytes.Buffer
	lines []func(page string) string
	rest  []byte
}

func (c *terminal) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.Write(b)
}

func (c *terminal) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		if len(c.lines) == 0 {
			return 0, io.EOF
		}
		c.rest = []byte(c.lines[0](c.page()) + "\n")
		c.lines = c.lines[1:]
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *terminal) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.String()
}

// page returns the address of the vendor's page that was printed.
func (c *terminal) page() string {
	page := regexp.MustCompile(`http://\S+/authorize\?\S+`).FindString(c.String())
	if page == "" {
		c.t.Fatalf("no page was printed: %s", c)
	}
	return page
}

func powermgr(t *testing.T, c *terminal, args ...string) int {
	t.Helper()
	c.t = t
	return run(context.Background(), args, streams{in: c, out: c, err: c})
}

// configFile writes a configuration for the emulated vendors.
func configFile(t *testing.T, v *clouds, sections string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := strings.ReplaceAll(sections, "VENDOR", v.url) + "\nsettings: {timezone: America/Los_Angeles, thermostat_ids: [lcc-00a01ab10001, LCC-GONE]}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	fleetSection   = "tesla: {client_id: my-app, client_secret: hunter2, token_file: token.json, base_url: VENDOR, token_url: VENDOR/oauth2/v3/token}"
	ownerSection   = "tesla: {client_id: ownerapi, token_file: token.json, base_url: VENDOR, token_url: VENDOR/oauth2/v3/token}"
	resideoSection = "honeywell: {client_id: emulator-client, client_secret: emulator-client-secret, token_file: token.json, base_url: VENDOR}"
	tccSection     = "honeywell: {username: owner@example.com, password: emulator-password, token_file: token.json, base_url: VENDOR}"
)

// stored checks the authorization beside the configuration.
func stored(t *testing.T, config string) {
	t.Helper()
	path := filepath.Join(filepath.Dir(config), "token.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the token file has mode %o", info.Mode().Perm())
	}
	token, err := cloud.TokenFile{Path: path}.Load()
	if err != nil || token.Refresh == "" {
		t.Errorf("there is no refresh token: %v", err)
	}
	if _, err := os.Stat(path + ".pending"); err == nil {
		t.Error("the pending authorization is still there")
	}
}

func TestAuthByPasting(t *testing.T) {
	for _, tt := range []struct{ name, vendor, config, works, redirect string }{
		{"Tesla's Fleet API", "tesla", fleetSection, "It works: the Powerwall is at", "http://localhost:8585/auth"},
		{"Tesla's owner API", "tesla", ownerSection, "It works: the Powerwall is at", "https://auth.tesla.com/void/callback"},
		{"Honeywell Home", "honeywell", resideoSection, "(controlled)", "http://localhost:8585/auth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newClouds(t)
			config := configFile(t, v, tt.config)
			var page string
			c := &terminal{lines: []func(string) string{func(p string) string { page = p; return "  '" + consent(t, p) + "' " }}}
			if code := powermgr(t, c, "auth", tt.vendor, "--config", config); code != 0 {
				t.Fatalf("exit %d: %s", code, c)
			}
			stored(t, config)
			for _, text := range []string{tt.works, "sudo systemctl reload powermgr", "token.json"} {
				if !strings.Contains(c.String(), text) {
					t.Errorf("%q is not in %s", text, c)
				}
			}
			if strings.Contains(c.String(), "hunter2") || strings.Contains(c.String(), "emulator-client-secret") {
				t.Error("a secret is printed")
			}
			asked, _ := url.Parse(page)
			form := v.forms[0]
			if there, back := asked.Query().Get("redirect_uri"), form.Get("redirect_uri"); there != tt.redirect || back != tt.redirect {
				t.Errorf("the redirect is %s, then %s", there, back)
			}
			if challenge := asked.Query().Get("code_challenge"); challenge != "" {
				sum := sha256.Sum256([]byte(form.Get("code_verifier")))
				if base64.RawURLEncoding.EncodeToString(sum[:]) != challenge {
					t.Error("the verifier does not belong to the challenge")
				}
			} else if tt.config == ownerSection {
				t.Error("there is no challenge")
			}
		})
	}
}

func TestAuthNamesThermostats(t *testing.T) {
	v := newClouds(t)
	config := configFile(t, v, resideoSection)
	c := &terminal{lines: []func(string) string{func(p string) string { return consent(t, p) }}}
	if code := powermgr(t, c, "auth", "honeywell", "--config", config); code != 0 {
		t.Fatalf("exit %d: %s", code, c)
	}
	for _, text := range []string{"LCC-00A01AB10001", "(controlled)", "never touched", "LCC-GONE of settings.thermostat_ids is not among them"} {
		if !strings.Contains(c.String(), text) {
			t.Errorf("%q is not in %s", text, c)
		}
	}
}

// powermgr can write neither the options of an add-on, which the Supervisor owns, nor its
// file: it says what to enter, and where.
func TestAuthInTheAddonSaysWhatToEnterWhere(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		says, not  []string
	}{
		{"options", "mqtt: {url: 'mqtt://127.0.0.1:1'}\n", []string{"enter this at Settings: Thermostats", "\n  LCC-00A01AB10001\n", "To apply it at once, restart the add-on"}, []string{"sudo", "config.yaml"}},
		{"file", "mqtt: {url: 'mqtt://127.0.0.1:1'}\nsettings: {thermostat_ids: [x]}\n", []string{"below settings in config.yaml", `thermostat_ids: ["LCC-00A01AB10001"]`}, []string{"sudo", "tab Configuration"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, dir := newClouds(t), t.TempDir()
			file, options := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "options.json")
			for path, text := range map[string]string{file: tt.file, options: fmt.Sprintf(`{"honeywell": {"backend": "resideo", "client_id": "emulator-client",
				"client_secret": "emulator-client-secret", "base_url": %q, "token_file": %q}, "settings": {"timezone": "America/Denver"}}`, v.url, filepath.Join(dir, "token.json"))} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("ADDON_OPTIONS", options)
			c := &terminal{lines: []func(string) string{func(p string) string { return consent(t, p) }, func(string) string { return "1" }}}
			if code := powermgr(t, c, "auth", "honeywell", "--config", file); code != 0 {
				t.Fatalf("exit %d: %s", code, c)
			}
			for _, text := range tt.says {
				if !strings.Contains(c.String(), text) {
					t.Errorf("%q is not in %s", text, c)
				}
			}
			for _, text := range tt.not {
				if strings.Contains(c.String(), text) {
					t.Errorf("%q is in %s", text, c)
				}
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != tt.file {
				t.Errorf("the file is now %s", b)
			}
			c = &terminal{}
			if code := powermgr(t, c, "auth", "tesla", "--config", file); code != exitWrong || !strings.Contains(c.String(), "on the tab Configuration of the add-on") {
				t.Errorf("exit %d: %s", code, c)
			}
		})
	}
}

func TestAuthWithoutATerminal(t *testing.T) {
	for _, section := range []string{fleetSection, ownerSection} {
		v := newClouds(t)
		config := configFile(t, v, section)
		c := &terminal{}
		if code := powermgr(t, c, "auth", "tesla", "--config", config); code != exitFailed {
			t.Fatalf("exit %d: %s", code, c)
		}
		if want := "and then run powermgr auth tesla --code 'ADDRESS' with the one you were sent to, within 1h"; !strings.Contains(c.String(), want) {
			t.Errorf("%q is not in %s", want, c)
		}
		to := consent(t, c.page())
		if code := powermgr(t, &terminal{}, "auth", "tesla", "--config", config, "--code", to); code != 0 {
			t.Fatalf("exit %d", code)
		}
		stored(t, config)
	}
}

func TestAuthWithABareCode(t *testing.T) {
	v := newClouds(t)
	config := configFile(t, v, fleetSection)
	to, _ := url.Parse(consent(t, v.url+"/oauth2/v3/authorize?response_type=code&client_id=my-app&redirect_uri="+url.QueryEscape("https://home.example/back")))
	c := &terminal{}
	if code := powermgr(t, c, "auth", "tesla", "--config", config, "--code", to.Query().Get("code"), "--redirect", "https://home.example/back"); code != 0 {
		t.Fatalf("exit %d: %s", code, c)
	}
	stored(t, config)
	if got := v.forms[0].Get("redirect_uri"); got != "https://home.example/back" {
		t.Errorf("the redirect is %s", got)
	}
}

func TestAuthWrongPastes(t *testing.T) {
	other := func(key, value string) func(string) string {
		return func(page string) string {
			u, _ := url.Parse(setup.LocalRedirect)
			p, _ := url.Parse(page)
			q := url.Values{"code": {"abcdef"}, "state": {p.Query().Get("state")}}
			q.Set(key, value)
			if value == "" {
				q.Del(key)
			}
			u.RawQuery = q.Encode()
			return u.String()
		}
	}
	for _, tt := range []struct {
		name  string
		paste func(string) string
		want  string
		once  bool // it is not asked again
	}{
		{"nothing", func(string) string { return "" }, "This needs an answer", false},
		{"words", func(string) string { return "I agreed" }, "it must be the whole address, with code= in it", false},
		{"the page itself", func(page string) string { return page }, "it is the address to open in the browser", false},
		{"without a code", other("code", ""), "it has no code: it must be the whole address you were sent to", false},
		{"another attempt's", other("state", "old"), "it belongs to another attempt", false},
		{"without a state", other("state", ""), "it belongs to another attempt", false},
		{"cut off", other("code", "a b"), "the code in it is damaged", false},
		{"a consent that was denied", other("error", "access_denied"), "it was refused there (access_denied); run this again and agree", true},
		{"a vendor with an error", other("error", "server_error"), "did not give a consent: server_error", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newClouds(t)
			config := configFile(t, v, fleetSection)
			c := &terminal{lines: []func(string) string{tt.paste, tt.paste, tt.paste, func(page string) string { return consent(t, page) }}}
			if code := powermgr(t, c, "auth", "tesla", "--config", config); code != exitFailed {
				t.Errorf("exit %d: %s", code, c)
			}
			if !strings.Contains(c.String(), tt.want) || !strings.Contains(c.String(), "nothing is stored") {
				t.Errorf("%q is not in %s", tt.want, c)
			}
			if left := map[bool]int{true: 3, false: 1}[tt.once]; len(c.lines) != left {
				t.Errorf("%d lines were not read, want %d", len(c.lines), left)
			}
			if len(v.forms) != 0 {
				t.Error("a code was exchanged")
			}

			// The second answer is right, and that is enough.
			if tt.once {
				return
			}
			c = &terminal{lines: []func(string) string{tt.paste, func(page string) string { return consent(t, page) }}}
			if code := powermgr(t, c, "auth", "tesla", "--config", config); code != 0 {
				t.Errorf("exit %d: %s", code, c)
			}
			stored(t, config)
		})
	}
}

func TestAuthTCC(t *testing.T) {
	v := newClouds(t)
	config := configFile(t, v, tccSection)
	c := &terminal{}
	if code := powermgr(t, c, "auth", "honeywell", "--config", config); code != 0 {
		t.Fatalf("exit %d: %s", code, c)
	}
	if !strings.Contains(c.String(), "1000001") {
		t.Errorf("got %s", c)
	}
	session := filepath.Join(filepath.Dir(config), "token.json")
	b, err := os.ReadFile(session)
	if err != nil || !bytes.Contains(b, []byte("TRUEHOME")) {
		t.Errorf("the session is not there: %v", err)
	}
	if info, err := os.Stat(session); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}

	bad := configFile(t, v, strings.Replace(tccSection, "emulator-password", "hunter2", 1))
	c = &terminal{}
	if code := powermgr(t, c, "auth", "honeywell", "--config", bad); code != exitFailed || !strings.Contains(c.String(), "password is incorrect") || strings.Contains(c.String(), "hunter2") {
		t.Errorf("exit %d: %s", code, c)
	}
}

func TestAuthRefuses(t *testing.T) {
	v := newClouds(t)
	for _, tt := range []struct {
		name, config string
		args         []string
		code         int
		want         string
	}{
		{"no vendor", fleetSection, nil, exitWrong, "powermgr auth tesla, or powermgr auth honeywell"},
		{"an unknown vendor", fleetSection, []string{"nest"}, exitWrong, "powermgr auth tesla, or powermgr auth honeywell"},
		{"a vendor that is not configured", fleetSection, []string{"honeywell"}, exitWrong, "there is no honeywell in"},
		{"an invalid token", "tesla: {api_token: hunter2, base_url: VENDOR}", []string{"tesla"}, exitFailed, "HTTP 401"},
		{"a valid token", "tesla: {api_token: emulator-access, base_url: VENDOR}", []string{"tesla"}, exitDone, "It works: the Powerwall is at"},
		{"a code for a log-in", tccSection, []string{"honeywell", "--code", "abcdef"}, exitWrong, "--code is for a consent"},
		{"a code without a pending authorization", ownerSection, []string{"tesla", "--code", "abcdef"}, exitFailed, "no authorization has been begun here: run powermgr auth tesla for a new address"},
		{"an address without a pending authorization", fleetSection, []string{"tesla", "--code", "http://localhost:8585/auth?code=abcdef&state=x"}, exitFailed, "no authorization has been begun here"},
		{"an invalid code", fleetSection, []string{"tesla", "--code", "abcdef"}, exitFailed, "a code is good once and for minutes"},
		{"a folder that does not exist", strings.Replace(fleetSection, "token.json", "/nowhere/token.json", 1), []string{"tesla"}, exitFailed, "nothing can be stored in /nowhere: no such file or directory: make the folder"},
		{"an invalid configuration", "tesla: {}", []string{"tesla"}, exitWrong, "tesla: it needs token_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &terminal{}
			code := powermgr(t, c, append([]string{"auth", "--config", configFile(t, v, tt.config)}, tt.args...)...)
			if code != tt.code || !strings.Contains(c.String(), tt.want) {
				t.Errorf("exit %d, want %d with %q: %s", code, tt.code, tt.want, c)
			}
			if strings.Contains(c.String(), "hunter2") {
				t.Error("a secret is printed")
			}
		})
	}
}

func TestAuthEndsWithItsContext(t *testing.T) {
	v := newClouds(t)
	config := configFile(t, v, fleetSection)
	ctx, stop := context.WithCancel(context.Background())
	in, typed := io.Pipe()
	defer typed.Close()
	c := &terminal{t: t}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"auth", "tesla", "--config", config}, streams{in: in, out: c, err: c})
	}()
	for !strings.Contains(c.String(), "Paste") {
		select {
		case code := <-done:
			t.Fatalf("it ended by itself, exit %d: %s", code, c)
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	if code := <-done; code != exitFailed || !strings.Contains(c.String(), "nothing is stored") {
		t.Errorf("exit %d: %s", code, c)
	}
}

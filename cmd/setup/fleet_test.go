package setup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"powermgr/cmd/config"
	"powermgr/devices/emulator"
	emulated "powermgr/devices/emulator/tesla"
	"powermgr/devices/emulator/vendors"
	"powermgr/devices/tesla"
)

// world is Tesla's emulated cloud, which also serves the owner's domain.
type world struct {
	cloud *vendors.Cloud
	url   string
	host  string
}

func newWorld(t *testing.T, app emulated.App) world {
	t.Helper()
	return newWorldOf(t, emulated.Options{App: &app})
}

func newWorldOf(t *testing.T, o emulated.Options) world {
	t.Helper()
	cloud := vendors.New(emulator.Options{Now: time.Now}, vendors.Options{Tesla: o})
	server := httptest.NewServer(cloud.Handler())
	t.Cleanup(server.Close)
	return world{cloud, server.URL, strings.TrimPrefix(server.URL, "http://")}
}

// owner answers the questions of a console, each with the first answer that fits
// what was asked last. It fails the test if there is none.
type owner struct {
	t       *testing.T
	shown   bytes.Buffer
	answers []reply
	rest    []byte
}

type reply struct {
	to   string // in the last line that was shown
	says func(shown string) string
}

func says(to, text string) reply { return reply{to, func(string) string { return text }} }

func (o *owner) Write(b []byte) (int, error) { return o.shown.Write(b) }

func (o *owner) Read(b []byte) (int, error) {
	if len(o.rest) == 0 {
		shown := o.shown.String()
		last := shown[strings.LastIndex(shown, "\n")+1:]
		found := -1
		for i, a := range o.answers {
			if strings.Contains(last, a.to) {
				found = i
				break
			}
		}
		if found < 0 {
			o.t.Errorf("there is no answer to %q", last)
			return 0, io.EOF
		}
		text := o.answers[found].says(shown)
		o.answers = append(o.answers[:found:found], o.answers[found+1:]...)
		o.rest = []byte(text + "\n")
		o.shown.WriteString(text + "\n")
	}
	n := copy(b, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// agrees answers with the address that a person is sent to after agreeing in a browser.
func agrees(t *testing.T) reply {
	return reply{"Paste that whole address", func(shown string) string {
		pages := regexp.MustCompile(`http://\S+/authorize\?\S+`).FindAllString(shown, -1)
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.Get(pages[len(pages)-1])
		if err != nil {
			t.Error(err)
			return ""
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusFound {
			body, _ := io.ReadAll(res.Body)
			to, _ := url.Parse(LocalRedirect)
			to.RawQuery = url.Values{"error": {"invalid_request"}, "error_description": {strings.TrimSpace(string(body))}}.Encode()
			return to.String()
		}
		return res.Header.Get("Location")
	}}
}

func (w world) login(t *testing.T, answers ...reply) (Login, *owner) {
	o := &owner{t: t, answers: answers}
	return Login{Console: &Console{In: bufio.NewReader(o), Out: o}, HTTP: &http.Client{Timeout: 10 * time.Second}, Now: time.Now}, o
}

func (w world) config(t *testing.T) config.Tesla {
	return config.Tesla{
		ClientID: "emulator-app", ClientSecret: "emulator-app-secret", TokenFile: filepath.Join(t.TempDir(), "tesla_token.json"),
		BaseURL: w.url, TokenURL: w.url + "/oauth2/v3/token", CallsPerMonth: 5000,
	}
}

// puts answers a question after putting the shown key on the domain.
func (w world) puts(to string) reply {
	return reply{to, func(shown string) string {
		key := regexp.MustCompile(`(?s)-----BEGIN PUBLIC KEY-----.*-----END PUBLIC KEY-----\n`).FindString(shown)
		w.cloud.Tesla.HostKey([]byte(key))
		return ""
	}}
}

func TestAnAppThatWasNeverRegistered(t *testing.T) {
	w := newWorld(t, emulated.App{})
	login, o := w.login(t, agrees(t), says("Your domain", "https://"+w.host), says("Your domain", w.host), w.puts("Press Enter to try again"))
	c := w.config(t)
	got, err := login.Tesla(context.Background(), c)
	if err != nil || got.BaseURL != w.url {
		t.Fatalf("%v\n%s", err, &o.shown)
	}
	for _, text := range []string{
		"The domain alone, without https://", "Tesla knows the app emulator-app", "http://" + w.host + tesla.KeyPath, "Not yet: there is nothing at",
		"The public key is at " + w.host, "The app is registered for " + w.host, "It works: the Powerwall is at", "5000 calls", "three months",
	} {
		if !strings.Contains(o.shown.String(), text) {
			t.Errorf("%q is not in\n%s", text, &o.shown)
		}
	}
	for _, secret := range []string{"emulator-app-secret", "PRIVATE KEY", "emulator-tesla-partner", "emulator-tesla-refresh"} {
		if strings.Contains(o.shown.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	for _, file := range []string{keyFile(c), c.TokenFile} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}

	// Once the app is registered, only the consent is needed.
	login, o = w.login(t, agrees(t))
	if _, err := login.Tesla(context.Background(), c); err != nil || strings.Contains(o.shown.String(), "domain") {
		t.Errorf("%v\n%s", err, &o.shown)
	}
}

// Putting the key on a domain can take longer than the app's token lasts.
func TestAPartnerTokenThatEnds(t *testing.T) {
	w := newWorld(t, emulated.App{})
	puts := w.puts("Press Enter to try again")
	login, o := w.login(t, agrees(t), says("Your domain", w.host), reply{puts.to, func(shown string) string {
		w.cloud.Tesla.ExpirePartnerTokens()
		return puts.says(shown)
	}})
	if _, err := login.Tesla(context.Background(), w.config(t)); err != nil {
		t.Fatalf("%v\n%s", err, &o.shown)
	}
}

// If Tesla refuses a step, the owner is told what to do about it.
func TestWhatTeslaRefuses(t *testing.T) {
	rsa := "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALRiMLAHudeSA2ai3QH0CyAIFTeGZ1IE\nSyGfqe1hr3ZgKAmVnxPUj8EYPEjyxM1GSF5rFRDGfSPaeNKfDe8L2bUCAwEAAQ==\n-----END PUBLIC KEY-----\n"
	for _, tt := range []struct {
		name   string
		app    emulated.App
		change func(*config.Tesla)
		bare   bool   // the account has no Powerwall
		hosted string // empty: what powermgr has made
		domain string // empty: the host of the cloud
		want   []string
	}{
		{name: "a wrong client secret", change: func(c *config.Tesla) { c.ClientSecret = "mixed-up" }, want: []string{"copy client id and client secret again", "unauthorized_client"}},
		{name: "no client secret", change: func(c *config.Tesla) { c.ClientSecret = "" }, want: []string{"set tesla.client_secret"}},
		{name: "a domain that is not the app's", app: emulated.App{Origin: "other.example"}, want: []string{"HTTP 412", "to the allowed origins of your app at developer.tesla.com"}},
		{name: "no public key on the domain", hosted: "none", want: []string{"there is nothing at", ".nojekyll", "nothing is lost"}},
		{name: "a private key on the domain", hosted: "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", want: []string{"only the public key belongs there"}},
		{name: "a page on the domain", hosted: "<html></html>", want: []string{"is not the public key", "-----BEGIN PUBLIC KEY-----"}},
		{name: "a key of another kind", hosted: rsa, want: []string{"is not the public key"}},
		{name: "a domain with capitals", domain: "Example.github.io", want: []string{"lower case"}},
		{name: "a redirect that is not the app's", app: emulated.App{Redirect: "https://elsewhere.example/auth"}, want: []string{"recognize this redirect_uri"}},
		{name: "a client id that is not the app's", change: func(c *config.Tesla) { c.ClientID = "another" }, want: []string{"copy client id and client secret again"}},
		{name: "a scope that the app lacks", app: emulated.App{Scopes: []string{"openid", "offline_access", "energy_device_data"}}, want: []string{"lacks energy_cmds", "tick every box"}},
		{name: "an account without a Powerwall", bare: true, want: []string{"there is no Powerwall on this account", "in whose app you see it"}},
		{name: "scopes that were not ticked", app: emulated.App{Granted: []string{"openid", "offline_access"}}, want: []string{"lacks energy_device_data and energy_cmds", "tick every box"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorldOf(t, emulated.Options{App: &tt.app, NoPowerwall: tt.bare})
			c := w.config(t)
			if tt.change != nil {
				tt.change(&c)
			}
			login, o := w.login(t, agrees(t), says("Press Enter to try again", "stop"))
			switch tt.hosted {
			case "none":
			case "":
				file, _, err := login.publicKey(c)
				if err != nil {
					t.Fatal(err)
				}
				w.cloud.Tesla.HostKey(file)
			default:
				w.cloud.Tesla.HostKey([]byte(tt.hosted))
			}
			if login.Domain = tt.domain; login.Domain == "" {
				login.Domain = w.host
			}
			_, err := login.Tesla(context.Background(), c)
			if err == nil {
				t.Fatalf("it was not refused\n%s", &o.shown)
			}
			for _, want := range tt.want {
				if said := o.shown.String() + err.Error(); !strings.Contains(said, want) {
					t.Errorf("%q is not in\n%s", want, said)
				}
			}
			if strings.Contains(err.Error()+o.shown.String(), "mixed-up") {
				t.Error("a secret is shown")
			}
		})
	}
}

// An account in another region: the same cloud under its other name.
func TestAnAccountOfAnotherRegion(t *testing.T) {
	w := newWorld(t, emulated.App{})
	_, port, err := net.SplitHostPort(w.host)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := net.JoinHostPort("::ffff:127.0.0.1", port) // a name for it that needs no resolver
	w.cloud.Tesla.UseApp(&emulated.App{Region: elsewhere, Origin: w.host})
	login, o := w.login(t, agrees(t), says("Your domain", w.host), w.puts("Press Enter to try again"))
	got, err := login.Tesla(context.Background(), w.config(t))
	if err != nil || got.BaseURL != "http://"+elsewhere {
		t.Fatalf("%s, %v\n%s", got.BaseURL, err, &o.shown)
	}
	if n := strings.Count(o.shown.String(), "The app is registered for"); n != 2 {
		t.Errorf("registered in %d regions\n%s", n, &o.shown)
	}

	// In the wrong region, each call fails with the address of the right one.
	adapter, err := tesla.New(tesla.Options{BaseURL: w.url, TokenURL: w.url + "/oauth2/v3/token", TokenFile: keyFile(got), APIToken: "emulator-access"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := adapter.Read(context.Background()); err == nil || !strings.Contains(err.Error(), "set tesla.base_url to http://"+elsewhere) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherKeyOnTheDomainWillDo(t *testing.T) {
	w := newWorld(t, emulated.App{})
	other, err := tesla.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	file, err := tesla.PublicKey(other)
	if err != nil {
		t.Fatal(err)
	}
	w.cloud.Tesla.HostKey(file)
	login, o := w.login(t, agrees(t))
	login.Domain = w.host
	if _, err := login.Tesla(context.Background(), w.config(t)); err != nil || !strings.Contains(o.shown.String(), "which will do") {
		t.Errorf("%v\n%s", err, &o.shown)
	}
}

func TestAnUnregisteredAppIsKnownByItsError(t *testing.T) {
	w := newWorld(t, emulated.App{})
	adapter, err := tesla.New(tesla.Options{BaseURL: w.url, APIToken: "emulator-access"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := adapter.Read(context.Background()); !errors.Is(err, tesla.ErrUnregistered) || !strings.Contains(err.Error(), "run powermgr auth tesla") {
		t.Errorf("got %v", err)
	}
}

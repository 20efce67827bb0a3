package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"powermgr/cmd/config"
	"powermgr/devices"
	"powermgr/devices/durable"
	"powermgr/devices/tesla"
)

// Registers an app for Fleet API: a domain with a public key, and Tesla's confirmation
// that it has found the key. Each step is checked before the next one.

// appSteps is what to do at developer.tesla.com. It names the domain and the redirect
// URL.
const appSteps = `At https://developer.tesla.com, log in with your Tesla account (it needs multi-factor authentication) and
create an app for yourself ("just for me"):
  grant type:       Authorization Code and Machine-to-Machine
  allowed origin:   https://%s      (no slash at the end)
  allowed redirect: %s
  scopes:           Energy Product Information (energy_device_data), Energy Product Commands (energy_cmds)`

// askDomain asks on which domain to publish the public key.
func (l Login) askDomain(ctx context.Context) (string, error) {
	l.Say(`Tesla serves an app only after it is registered, and for that wants to find a public key on a domain of yours.
Any free static host will do, such as GitHub Pages (NAME.github.io), Cloudflare Pages (NAME.pages.dev) or
Netlify (NAME.netlify.app). Tesla refuses names with "tesla" in them, and tunnels to your home.`)
	return l.Ask(ctx, Question{Key: "tesla_domain", Text: "Your domain, such as NAME.github.io", Check: checkDomain})
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?$`)

func checkDomain(answer string) error {
	switch {
	case strings.Contains(answer, "/"):
		return errors.New("the domain alone, without https:// and without a path")
	case answer != strings.ToLower(answer):
		return errors.New("Tesla wants it in lower case")
	case !hostName.MatchString(answer):
		return errors.New("this is not a domain such as example.github.io")
	}
	return nil
}

// keyFile returns where the private key of the app is stored, next to the authorization.
func keyFile(t config.Tesla) string {
	return filepath.Join(filepath.Dir(t.TokenFile), "tesla_private_key.pem")
}

// publicKey returns the file for the domain, from a pair of keys that is generated if
// there is none.
func (l Login) publicKey(t config.Tesla) (file []byte, made bool, err error) {
	path := keyFile(t)
	b, err := os.ReadFile(path)
	private := devices.Secret(b)
	if errors.Is(err, os.ErrNotExist) {
		if err := writable(path); err != nil {
			return nil, false, err
		}
		if private, err = tesla.NewKey(); err == nil {
			err = durable.Replace(path, []byte(private.Reveal()), 0o600)
		}
		made = true
	}
	if err != nil {
		return nil, false, err
	}
	if file, err = tesla.PublicKey(private); err != nil {
		return nil, false, fmt.Errorf("%s: %w: move it away, and a new pair of keys is made", path, err)
	}
	return file, made, nil
}

// register gets an app accepted in the region of t: it has the owner put the public key
// on the domain, checks that it is there, and registers both.
func (l Login) register(ctx context.Context, t config.Tesla, domain string) error {
	if err := checkDomain(domain); err != nil {
		return fmt.Errorf("%s: %w", domain, err)
	}
	if t.ClientSecret == "" {
		return errors.New("registering the app needs its secret: set tesla.client_secret")
	}
	partner, err := tesla.NewPartner(tesla.Options{BaseURL: t.BaseURL, TokenURL: t.TokenURL, ClientID: t.ClientID, ClientSecret: t.ClientSecret, HTTP: l.HTTP})
	if err != nil {
		return err
	}
	if err := partner.Check(ctx); err != nil {
		return err
	}
	l.Say("Tesla knows the app %s.", t.ClientID)
	hosted, err := l.hostedKey(ctx, t, domain)
	if err != nil {
		return err
	}
	err = l.untilDone(ctx, "tesla_registered", func() error { return partner.Register(ctx, domain) })
	if err != nil {
		return err
	}
	registered, err := partner.RegisteredKey(ctx, domain)
	switch {
	case err != nil:
		return err
	case registered != hosted:
		l.Say("Tesla has taken the registration, but has another public key for %s. For a Powerwall that does not matter.", domain)
	default:
		l.Say("The app is registered for %s.", domain)
	}
	return nil
}

// hostedKey returns the public key on the domain, once there is one. Any key of the
// right kind will do, since a Powerwall accepts unsigned commands.
func (l Login) hostedKey(ctx context.Context, t config.Tesla, domain string) (string, error) {
	file, made, err := l.publicKey(t)
	if err != nil {
		return "", err
	}
	own, err := tesla.KeyPoint(file)
	if err != nil {
		return "", err
	}
	hosted := ""
	shown := false
	err = l.untilDone(ctx, "tesla_key_is_there", func() (err error) {
		if hosted, err = tesla.HostedKey(ctx, l.HTTP, domain); err == nil || shown {
			return err
		}
		if shown = true; made {
			l.Say("A pair of keys is made; the private one is in %s and stays there.", keyFile(t))
		}
		l.Say("Put these lines into a file that everybody can fetch at\n%s:\n\n%s", tesla.KeyURL(domain), file)
		return err
	})
	if err != nil {
		return "", err
	}
	if hosted == own {
		l.Say("The public key is at %s.", domain)
	} else {
		l.Say("There is another public key at %s already, which will do: a Powerwall takes commands that are not signed.", domain)
	}
	return hosted, nil
}

// untilDone tries a step that depends on what the owner does elsewhere, until it
// succeeds or the owner stops.
func (l Login) untilDone(ctx context.Context, key string, try func() error) error {
	for range maxTries {
		err := try()
		var e *devices.Error
		if err == nil || !errors.As(err, &e) {
			return err
		}
		l.Say("Not yet: %v.", e.Err)
		if l.Answers != nil {
			return err // nobody can do anything about it
		}
		answer, asked := l.Ask(ctx, Question{Key: key, Text: "Press Enter to try again, or type stop", Default: "try", Passing: true})
		if leaves(asked) {
			return asked
		}
		if asked != nil || strings.EqualFold(answer, "stop") {
			return fmt.Errorf("%w; nothing is lost: run this again to go on", err)
		}
	}
	return errors.New("this was tried often enough: run it again later")
}

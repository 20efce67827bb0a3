package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/devices"
	"powermgr/devices/resideo"
	"powermgr/devices/tcc"
	"powermgr/devices/tesla"
)

// A Login authorizes powermgr with a vendor, and shows by a reading that it works.
type Login struct {
	*Console
	HTTP *http.Client
	Now  func() time.Time

	Code     string // the code, or the address with it, from an earlier run; empty: ask for it
	Redirect string // the app's redirect URL; empty: LocalRedirect, or the owner API's
	Domain   string // Tesla: registers the app for this domain; empty: only if Tesla asks for it
}

// LocalRedirect is where a browser is redirected after the consent. Nothing listens
// there: only the address itself is needed.
const LocalRedirect = "http://localhost:8585/auth"

// Tesla authorizes powermgr with the Powerwall's account. It returns t adjusted to the
// account: with the base URL of its region.
func (l Login) Tesla(ctx context.Context, t config.Tesla) (config.Tesla, error) {
	if t.TokenFile == "" && t.APIToken != "" {
		l.Say("tesla.api_token needs no authorization: it is only tried.")
		return t, l.tried(ctx, t)
	}
	if l.Domain != "" {
		if err := l.register(ctx, t, l.Domain); err != nil {
			return t, err
		}
	}
	adapter, err := l.tesla(t)
	if err != nil {
		return t, err
	}
	defer func() { CloseAccount(ctx, adapter) }()
	owner := t.ClientID == tesla.OwnerClient
	if l.Redirect == "" && owner {
		l.Redirect = tesla.OwnerRedirect
	}
	err = l.consent(ctx, vendorConsent{
		name: "tesla", file: t.TokenFile, needsVerifier: owner,
		page: func(a attempt) string {
			return adapter.AuthorizeURL(tesla.Consent{Redirect: a.Redirect, State: a.State, Verifier: a.verifier()})
		},
		exchange: func(ctx context.Context, a attempt, code string) error {
			err := adapter.Exchange(ctx, tesla.Consent{Redirect: a.Redirect, State: a.State, Verifier: a.verifier()}, code)
			var e *devices.Error
			if errors.As(err, &e) && !e.MayRetry() {
				err = fmt.Errorf("Tesla does not accept this code (%w): a code is good once and for minutes, the redirect has to be the app's, and client_secret must be right: run powermgr auth tesla again", e.Err) //nolint:staticcheck // a name
			}
			return err
		},
	})
	if err != nil {
		return t, err
	}
	if err := l.scopes(ctx, adapter); err != nil {
		return t, err
	}
	if !owner {
		var moved *tesla.Client
		if t, moved, err = l.region(ctx, t, adapter); err != nil {
			return t, err
		}
		if moved != nil {
			CloseAccount(ctx, adapter)
			adapter = moved
		}
	}
	return t, l.firstReading(ctx, t, adapter)
}

// tesla returns the adapter for an account.
func (l Login) tesla(t config.Tesla) (*tesla.Client, error) {
	return config.Config{Tesla: &t}.TeslaClient(l.HTTP, l.Now, bridge.Shared{})
}

// tried checks that an account works.
func (l Login) tried(ctx context.Context, t config.Tesla) error {
	adapter, err := l.tesla(t)
	if err != nil {
		return err
	}
	defer CloseAccount(ctx, adapter)
	return l.firstReading(ctx, t, adapter)
}

// scopes checks what the owner has ticked. Reading works without energy_cmds, so
// otherwise nobody would notice that it is missing before the first peak.
func (l Login) scopes(ctx context.Context, adapter *tesla.Client) error {
	access, err := adapter.Access(ctx)
	if err != nil {
		return err
	}
	have, ok := tesla.Scopes(access)
	if !ok {
		return nil
	}
	var missing []string
	for _, s := range []string{"energy_device_data", "energy_cmds", "offline_access"} {
		if !slices.Contains(have, s) {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the authorization is stored, but lacks %s: give your app these scopes at developer.tesla.com, run powermgr auth tesla again, and tick every box on Tesla's page",
			strings.Join(missing, " and "))
	}
	return nil
}

// region changes t to the region that serves the account, and registers the app there if
// necessary. The adapter is nil if t has not changed.
func (l Login) region(ctx context.Context, t config.Tesla, adapter *tesla.Client) (config.Tesla, *tesla.Client, error) {
	at, err := adapter.Region(ctx)
	domain := ""
	if errors.Is(err, tesla.ErrUnregistered) {
		if domain, err = l.askDomain(ctx); err == nil {
			err = l.register(ctx, t, domain)
		}
		if err != nil {
			return t, nil, err
		}
		at, err = adapter.Region(ctx)
	}
	if err != nil || at == "" || at == t.BaseURL {
		return t, nil, nil //nolint:nilerr // the first reading says what is wrong
	}
	l.Say("Your account belongs to another region, %s.", at)
	t.BaseURL = at
	moved, err := l.tesla(t)
	if err != nil {
		return t, nil, err
	}
	if _, err = moved.Region(ctx); errors.Is(err, tesla.ErrUnregistered) {
		if domain == "" {
			if domain, err = l.askDomain(ctx); err != nil {
				return t, moved, err
			}
		}
		if err := l.register(ctx, t, domain); err != nil {
			return t, moved, err
		}
	}
	return t, moved, nil
}

// firstReading shows that the account works, and what it costs.
func (l Login) firstReading(ctx context.Context, t config.Tesla, adapter *tesla.Client) error {
	r, err := adapter.Read(ctx)
	if err != nil {
		if t.TokenFile == "" {
			return err
		}
		return fmt.Errorf("the authorization is in %s, but reading with it did not work: %w", t.TokenFile, err)
	}
	charge := "a charge it does not tell"
	if r.ChargePercent != nil {
		charge = fmt.Sprintf("%.0f %%", *r.ChargePercent)
	}
	l.Say("It works: the Powerwall is at %s.", charge)
	if t.TokenFile != "" && t.ClientID != tesla.OwnerClient && t.CallsPerMonth > 0 {
		l.Say("powermgr makes at most %d calls to Tesla a month (tesla.calls_per_month). Tesla's price list has no charge for a\n"+
			"home battery; owners who were billed report about $1 for 500 to 1,000 calls, with a credit of $10 a month.", t.CallsPerMonth)
	}
	if t.TokenFile != "" {
		l.Say("The authorization is renewed while powermgr runs. Left unused for three months, it expires.")
	}
	return nil
}

// Resideo authorizes powermgr with Honeywell Home and returns the account's thermostats.
func (l Login) Resideo(ctx context.Context, c config.Config) ([]devices.ThermostatReading, error) {
	h := c.Honeywell
	adapter, err := resideo.New(resideo.Options{
		BaseURL: h.BaseURL, ClientID: h.ClientID, ClientSecret: h.ClientSecret, TokenFile: h.TokenFile, Location: c.Zone(), HTTP: l.HTTP, Now: l.Now,
	})
	if err != nil {
		return nil, err
	}
	defer CloseAccount(ctx, adapter)
	err = l.consent(ctx, vendorConsent{
		name: "honeywell", file: h.TokenFile,
		page: func(a attempt) string { return adapter.AuthorizeURL(a.State, a.Redirect) },
		exchange: func(ctx context.Context, a attempt, code string) error {
			return adapter.Exchange(ctx, code, a.Redirect)
		},
	})
	if err != nil {
		return nil, err
	}
	all, err := adapter.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("the authorization is in %s, but reading with it did not work: %w", h.TokenFile, err)
	}
	return all, nil
}

// TCC logs in to Total Connect Comfort and returns the account's thermostats. It
// needs no consent: user name and password are in the configuration.
func (l Login) TCC(ctx context.Context, c config.Config) ([]devices.ThermostatReading, error) {
	h := c.Honeywell
	if err := writable(h.TokenFile); err != nil {
		return nil, err
	}
	adapter, err := tcc.New(tcc.Options{
		BaseURL: h.BaseURL, Username: h.Username, Password: h.Password, SessionFile: h.TokenFile, Location: c.Zone(), HTTP: l.HTTP, Now: l.Now,
	})
	if err != nil {
		return nil, err
	}
	defer CloseAccount(ctx, adapter)
	l.Say("Logging in to Total Connect Comfort as %s.", h.Username)
	all, err := adapter.Read(ctx)
	if err != nil {
		return nil, err
	}
	l.Say("The session is in %s.", h.TokenFile)
	return all, nil
}

// Thermostats lists the thermostats of an account and asks which of them powermgr may
// control. It returns their ids, in the vendor's spelling. controlled are those that it
// may control so far; they are the default.
func (l Login) Thermostats(ctx context.Context, all []devices.ThermostatReading, controlled []string) ([]string, error) {
	if len(all) == 0 {
		return nil, errors.New("it works, but the account shows no thermostat: for Honeywell Home run this again and tick them on the vendor's page")
	}
	l.Say("It works: the account has")
	left := slices.Clone(controlled)
	var options, on []string
	for i, t := range all {
		of := func(id string) bool { return devices.TopicID(id) == devices.TopicID(t.VendorID) }
		what := ""
		if len(controlled) > 0 {
			what = " (not in settings.thermostat_ids, so never touched)"
		}
		if slices.ContainsFunc(controlled, of) {
			what = " (controlled)"
			on = append(on, fmt.Sprint(i+1))
		}
		left = slices.DeleteFunc(left, of)
		options = append(options, t.VendorID)
		l.Say("  %d  %s  %s%s", i+1, t.VendorID, t.Name, what)
	}
	for _, id := range left {
		l.Say("  %s of settings.thermostat_ids is not among them", id)
	}
	q := Question{Key: "thermostats", Text: "Which of them may powermgr control? Numbers, all, or none", Default: "all"}
	if len(on) > 0 {
		q.Default = strings.Join(on, " ")
	}
	q.Check = func(answer string) error {
		_, err := chosen(answer, options)
		return err
	}
	answer, err := l.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	return chosen(answer, options)
}

// chosen returns the options named in an answer, by their numbers or themselves,
// separated by spaces or commas.
func chosen(answer string, options []string) ([]string, error) {
	switch strings.ToLower(answer) {
	case "all":
		return options, nil
	case "none":
		return []string{}, nil
	}
	picked := []string{}
	for _, word := range strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' }) {
		i := slices.IndexFunc(options, func(o string) bool { return strings.EqualFold(o, word) })
		for n := range options {
			if word == fmt.Sprint(n+1) {
				i = n
			}
		}
		if i < 0 {
			return nil, fmt.Errorf("%.40q is none of them: answer with numbers from 1 to %d, all, or none", word, len(options))
		}
		if !slices.Contains(picked, options[i]) {
			picked = append(picked, options[i])
		}
	}
	return picked, nil
}

// CloseAccount ends the use of an account. An answer of the vendor that is still to come
// is stored even if the person is gone: it may have the only valid token.
func CloseAccount(ctx context.Context, adapter interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswer)
	defer cancel()
	_ = adapter.Close(ctx) // any problem has already been reported
}

// lastAnswer is how long CloseAccount waits for an answer that must not be lost.
const lastAnswer = 30 * time.Second

// vendorConsent is what differs between vendors.
type vendorConsent struct {
	name          string
	file          string // where the authorization goes
	needsVerifier bool   // the exchange is bound to the address by PKCE
	page          func(attempt) string
	exchange      func(ctx context.Context, a attempt, code string) error
}

// consent guides through one authorization until it is stored.
func (l Login) consent(ctx context.Context, v vendorConsent) error {
	if l.Code != "" {
		return l.resumed(ctx, v)
	}
	redirect := l.Redirect
	if redirect == "" {
		redirect = LocalRedirect
	}
	a, err := begin(v.file, redirect, l.Now())
	if err != nil {
		return err
	}
	l.Say("1. Open this address in a browser, log in and agree:\n\n   %s\n", v.page(a))
	if redirect != tesla.OwnerRedirect {
		l.Say("   Your app at the vendor must have exactly this redirect (callback) URL: %s\n   If it has another one, change it there, or end this and run powermgr auth %s --redirect.\n", redirect, v.name)
	}
	l.Say("2. Your browser is then sent to an address that begins with %s.\n   The page does not open, or says that nothing is there: that is right.\n", redirect)
	code := ""
	_, err = l.Ask(ctx, Question{Key: v.name + "_address", Text: "3. Paste that whole address here", Passing: true, Check: func(pasted string) error {
		text, bare := bareCode(pasted)
		if !bare {
			var err error
			if text, err = codeFrom(pasted, a.State); err != nil {
				return err
			}
		}
		code = text
		return nil
	}})
	switch {
	case errors.Is(err, ErrEnded):
		return fmt.Errorf("nothing was pasted: open the address above, and then run powermgr auth %s --code 'ADDRESS' with the one you were sent to, within %s", v.name, consentTimeout)
	case leaves(err):
		return err
	case err != nil:
		return fmt.Errorf("%w; nothing is stored", err)
	}
	return l.finish(ctx, v, a, code)
}

// resumed completes an authorization that an earlier run started.
func (l Login) resumed(ctx context.Context, v vendorConsent) error {
	a, err := resume(v.file, l.Now())
	code, bare := bareCode(l.Code)
	switch {
	case err == nil && !bare:
		if code, err = codeFrom(l.Code, a.State); err != nil {
			return err
		}
	case err == nil:
	case bare && !v.needsVerifier:
		a = attempt{Redirect: LocalRedirect}
	default:
		return fmt.Errorf("%w: run powermgr auth %s for a new address, and then again with --code", err, v.name)
	}
	if l.Redirect != "" {
		a.Redirect = l.Redirect
	}
	return l.finish(ctx, v, a, code)
}

func (l Login) finish(ctx context.Context, v vendorConsent, a attempt, code string) error {
	if err := v.exchange(ctx, a, code); err != nil {
		return err
	}
	forget(v.file)
	l.Say("\nThe authorization is in %s.", v.file)
	return nil
}

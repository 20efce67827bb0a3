package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/daemon"
	"powermgr/devices"
	"powermgr/devices/resideo"
	"powermgr/devices/tcc"
	"powermgr/devices/tesla"
)

// authOptions are the flags of auth.
type authOptions struct {
	code     string // the code, or the address with it; empty: asked for
	redirect string // the app's redirect URL; empty: localRedirect, or the owner API's
}

// localRedirect is where a browser is sent after the consent. Nothing listens
// there: the address itself is what is wanted.
const localRedirect = "http://localhost:8585/auth"

// attempts at pasting the address.
const attempts = 3

func authCommand(g *globals) *cobra.Command {
	var o authOptions
	c := &cobra.Command{
		Use:   "auth tesla|honeywell",
		Short: "Authorise powermgr with a vendor, and store the authorisation",
		Long: `Prints the address of the vendor's page on which you agree, takes the address that your browser is
sent to afterwards (it will show an error page: only its address matters), and stores the
authorisation, readable by its owner alone, where the configuration says. Then it reads once, to see
that it works. For Total Connect Comfort it tries the log-in and keeps the session.

Without a terminal, run it once to get the address, and again with --code and what you were sent to.`,
		ValidArgs: []string{"tesla", "honeywell"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(cmd.ValidArgs, args[0]) {
				return usage("with whom? powermgr auth tesla, or powermgr auth honeywell")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := daemon.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			d := dialogue{in: bufio.NewReader(cmd.InOrStdin()), out: cmd.OutOrStdout(), o: o, now: time.Now}
			client := &http.Client{Timeout: 30 * time.Second}
			switch {
			case args[0] == "tesla" && config.Tesla == nil, args[0] == "honeywell" && config.Honeywell == nil:
				return wrong(fmt.Errorf("there is no %s in %s: add it first, as in deploy/config.example.yaml", args[0], g.config))
			case args[0] == "tesla":
				return authTesla(cmd.Context(), d, *config.Tesla, client)
			case config.Honeywell.Backend == daemon.BackendTCC:
				return authTCC(cmd.Context(), d, config, client)
			}
			return authResideo(cmd.Context(), d, config, client)
		},
	}
	c.Flags().StringVar(&o.code, "code", "", "the code, or the whole address with it, instead of asking")
	c.Flags().StringVar(&o.redirect, "redirect", "", "the redirect URL that is registered with your app (default "+localRedirect+")")
	return c
}

func authTesla(ctx context.Context, d dialogue, t daemon.Tesla, client *http.Client) error {
	if t.TokenFile == "" {
		return wrong(errors.New("tesla.token_file is not set: say there where the authorisation is to be kept, such as /var/lib/powermgr/tesla_token.json"))
	}
	adapter, err := tesla.New(tesla.Options{
		BaseURL: t.BaseURL, TokenURL: t.TokenURL, SiteID: t.EnergySiteID, ClientID: t.ClientID, ClientSecret: t.ClientSecret,
		TokenFile: t.TokenFile, HTTP: client, Now: d.now,
	})
	if err != nil {
		return wrong(err)
	}
	defer closing(ctx, adapter)
	owner := t.ClientID == tesla.OwnerClient
	if d.o.redirect == "" && owner {
		d.o.redirect = tesla.OwnerRedirect
	}
	err = d.consent(ctx, vendorConsent{
		name: "tesla", file: t.TokenFile, needsVerifier: owner,
		page: func(a attempt) string {
			return adapter.AuthorizeURL(tesla.Consent{Redirect: a.Redirect, State: a.State, Verifier: a.verifier()})
		},
		exchange: func(ctx context.Context, a attempt, code string) error {
			err := adapter.Exchange(ctx, tesla.Consent{Redirect: a.Redirect, State: a.State, Verifier: a.verifier()}, code)
			var e *devices.Error
			if errors.As(err, &e) && !e.MayRetry() {
				err = fmt.Errorf("%w: a code is good once and for minutes, and the redirect has to be the app's: run powermgr auth tesla again", err)
			}
			return err
		},
	})
	if err != nil {
		return err
	}
	r, err := adapter.Read(ctx)
	if err != nil {
		return fmt.Errorf("the authorisation is in %s, but reading with it did not work: %w", t.TokenFile, err)
	}
	charge := "a charge it does not tell"
	if r.ChargePercent != nil {
		charge = fmt.Sprintf("%.0f %%", *r.ChargePercent)
	}
	d.say("It works: the Powerwall is at %s.", charge)
	d.next()
	return nil
}

func authResideo(ctx context.Context, d dialogue, c daemon.Config, client *http.Client) error {
	h := c.Honeywell
	adapter, err := resideo.New(resideo.Options{
		BaseURL: h.BaseURL, ClientID: h.ClientID, ClientSecret: h.ClientSecret, TokenFile: h.TokenFile, Location: c.Zone(), HTTP: client, Now: d.now,
	})
	if err != nil {
		return wrong(err)
	}
	defer closing(ctx, adapter)
	err = d.consent(ctx, vendorConsent{
		name: "honeywell", file: h.TokenFile,
		page: func(a attempt) string { return adapter.AuthorizeURL(a.State, a.Redirect) },
		exchange: func(ctx context.Context, a attempt, code string) error {
			return adapter.Exchange(ctx, code, a.Redirect)
		},
	})
	if err != nil {
		return err
	}
	all, err := adapter.Read(ctx)
	if err != nil {
		return fmt.Errorf("the authorisation is in %s, but reading with it did not work: %w", h.TokenFile, err)
	}
	return d.thermostats(all, c.Settings.ThermostatIDs)
}

// authTCC needs no consent: user name and password are in the configuration.
func authTCC(ctx context.Context, d dialogue, c daemon.Config, client *http.Client) error {
	h := c.Honeywell
	if d.o.code != "" {
		return usage("--code is for a consent; Total Connect Comfort logs in with honeywell.username and honeywell.password (for Resideo set honeywell.backend: resideo)")
	}
	if err := writable(h.TokenFile); err != nil {
		return err
	}
	adapter, err := tcc.New(tcc.Options{
		BaseURL: h.BaseURL, Username: h.Username, Password: h.Password, SessionFile: h.TokenFile, Location: c.Zone(), HTTP: client, Now: d.now,
	})
	if err != nil {
		return wrong(err)
	}
	defer closing(ctx, adapter)
	d.say("Logging in to Total Connect Comfort as %s.", h.Username)
	all, err := adapter.Read(ctx)
	if err != nil {
		return err
	}
	d.say("The session is in %s.", h.TokenFile)
	return d.thermostats(all, c.Settings.ThermostatIDs)
}

// closing ends the use of an account. What the vendor still answers is kept
// though whoever authorises has gone: it may be the only token that is good.
func closing(ctx context.Context, adapter interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswer)
	defer cancel()
	_ = adapter.Close(ctx) // what was to be said of it has been
}

// lastAnswer is how long the end waits for an answer that must not be lost.
const lastAnswer = 30 * time.Second

// dialogue is a talk with whoever authorises.
type dialogue struct {
	in  *bufio.Reader
	out io.Writer
	o   authOptions
	now func() time.Time
}

func (d dialogue) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d dialogue) next() {
	d.say("A daemon that runs takes it up by itself, within ten minutes; at once with sudo systemctl reload powermgr")
}

func (d dialogue) thermostats(all []devices.ThermostatReading, controlled []string) error {
	if len(all) == 0 {
		return errors.New("it works, but the account shows no thermostat: for Honeywell Home run this again and tick them on the vendor's page")
	}
	d.say("It works: the account has")
	left := slices.Clone(controlled)
	for _, t := range all {
		of := func(id string) bool { return devices.TopicID(id) == devices.TopicID(t.VendorID) }
		what := "not in settings.thermostat_ids, so never touched"
		if slices.ContainsFunc(controlled, of) {
			what = "controlled"
		}
		left = slices.DeleteFunc(left, of)
		d.say("  %s  %s (%s)", t.VendorID, t.Name, what)
	}
	for _, id := range left {
		d.say("  %s of settings.thermostat_ids is not among them", id)
	}
	d.next()
	return nil
}

// vendorConsent is what is different from vendor to vendor.
type vendorConsent struct {
	name          string
	file          string // where the authorisation goes
	needsVerifier bool   // the exchange is bound to the address by PKCE
	page          func(attempt) string
	exchange      func(ctx context.Context, a attempt, code string) error
}

// consent leads through one authorisation until it is stored.
func (d dialogue) consent(ctx context.Context, v vendorConsent) error {
	again := "powermgr auth " + v.name
	if d.o.code != "" {
		a, err := resume(v.file, d.now())
		code, bare := bareCode(d.o.code)
		switch {
		case err == nil && !bare:
			if code, err = codeFrom(d.o.code, a.State); err != nil {
				return err
			}
		case err == nil:
		case bare && !v.needsVerifier:
			a = attempt{Redirect: localRedirect}
		default:
			return fmt.Errorf("%w: run %s for a new address, and then again with --code", err, again)
		}
		if d.o.redirect != "" {
			a.Redirect = d.o.redirect
		}
		return d.finish(ctx, v, a, code)
	}

	redirect := d.o.redirect
	if redirect == "" {
		redirect = localRedirect
	}
	a, err := begin(v.file, redirect, d.now())
	if err != nil {
		return err
	}
	d.say("1. Open this address in a browser, log in and agree:\n\n   %s\n", v.page(a))
	if redirect != tesla.OwnerRedirect {
		d.say("   Your app at the vendor must have exactly this redirect (callback) URL: %s\n   If it has another one, end this and give it with --redirect.\n", redirect)
	}
	d.say("2. Your browser is then sent to an address that begins with %s.\n   The page does not open, or says that nothing is there: that is right.\n", redirect)
	fmt.Fprint(d.out, "3. Paste that whole address here: ")
	for left := attempts; ; {
		line, err := d.line(ctx)
		switch {
		case ctx.Err() != nil:
			return errors.New("ended before anything was pasted; nothing is stored")
		case err != nil && strings.TrimSpace(line) == "":
			d.say("")
			return fmt.Errorf("nothing was pasted: open the address above, and then run %s --code 'ADDRESS' with the one you were sent to, within %s", again, patience)
		}
		code, bare := bareCode(line)
		if !bare {
			code, err = codeFrom(line, a.State)
		} else {
			err = nil
		}
		if err == nil {
			return d.finish(ctx, v, a, code)
		}
		var denied deniedError
		if left--; left == 0 || errors.As(err, &denied) {
			return fmt.Errorf("%w; nothing is stored", err)
		}
		d.say("That is not it: %s.", err)
		fmt.Fprint(d.out, "Paste the address: ")
	}
}

// line reads a line, or gives up when ctx ends: a terminal in between stays
// unread.
func (d dialogue) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := d.in.ReadString('\n')
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (d dialogue) finish(ctx context.Context, v vendorConsent, a attempt, code string) error {
	if err := v.exchange(ctx, a, code); err != nil {
		return err
	}
	forget(v.file)
	d.say("\nThe authorisation is in %s.", v.file)
	return nil
}

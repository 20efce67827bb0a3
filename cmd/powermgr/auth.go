package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"powermgr/cmd/config"
	"powermgr/cmd/setup"
	"powermgr/devices"
)

// authOptions are the flags of auth.
type authOptions struct{ code, redirect, domain string }

func authCommand(g *globals) *cobra.Command {
	var o authOptions
	c := &cobra.Command{
		Use:   "auth tesla|honeywell",
		Short: "Authorize powermgr with a vendor, and store the authorization",
		Long: `Prints the address of the vendor's page on which you agree, takes the address that your browser is
sent to afterwards (it will show an error page: only its address matters), and stores the
authorization, readable only by its owner, where the configuration says. Then it reads once, to check
that it works.

Tesla: if Tesla does not know your app in your region yet, it registers it: it makes a pair of keys,
shows the public key that belongs on your domain, and waits until it is there. It checks the scopes
that you granted, and writes tesla.base_url if your account belongs to another region. With
tesla.api_token (Teslemetry) there is nothing to authorize, and it only reads.

Honeywell: it lists the thermostats of the account and writes those that you choose to
settings.thermostat_ids. For Total Connect Comfort it tries the log-in and keeps the session.

In the Home Assistant add-on, nothing is written to the configuration: it says what to enter, and where.

Without a terminal, run it once to get the address, and again with --code and what you were sent to.`,
		Example: `  sudo powermgr auth tesla
  sudo powermgr auth tesla --domain example.github.io
  sudo powermgr auth honeywell --code 'http://localhost:8585/auth?code=…'`,
		ValidArgs: []string{"tesla", "honeywell"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(cmd.ValidArgs, args[0]) {
				return usage("choose one: powermgr auth tesla, or powermgr auth honeywell%s", config.DidYouMean(strings.Join(args, " "), cmd.ValidArgs))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := config.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			login := setup.Login{
				Console: console(cmd), HTTP: &http.Client{Timeout: 30 * time.Second}, Now: time.Now, Code: o.code, Redirect: o.redirect, Domain: o.domain,
			}
			switch {
			case args[0] == "tesla" && config.Tesla == nil, args[0] == "honeywell" && config.Honeywell == nil:
				return wrong(keeperOf(login, g.config).missing(args[0]))
			case len(config.Placeholders(args[0])) > 0:
				return wrong(stillExample(config.Placeholders(args[0]), g.config))
			case args[0] == "tesla":
				return authTesla(cmd, login, config, g.config)
			}
			return authHoneywell(cmd, login, config, g.config)
		},
	}
	c.Flags().StringVar(&o.code, "code", "", "the code, or the whole address with it, instead of asking")
	c.Flags().StringVar(&o.redirect, "redirect", "", "the redirect URL that is registered with your app (default "+setup.LocalRedirect+")")
	c.Flags().StringVar(&o.domain, "domain", "", "Tesla: register the app for this domain first")
	return c
}

// console returns a console for the person at the terminal.
func console(cmd *cobra.Command) *setup.Console {
	c := &setup.Console{In: bufio.NewReader(cmd.InOrStdin()), Out: cmd.OutOrStdout()}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		c.Hidden = func(ctx context.Context) (string, error) {
			defer c.Say("") // the end of the line is not shown either
			return hidden(ctx, int(f.Fd()))
		}
	}
	return c
}

// hidden reads a line from a terminal without showing it. When ctx ends, the terminal
// echoes again, for whoever has interrupted.
func hidden(ctx context.Context, fd int) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err() // the terminal stays as it is
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		got <- answer{b, err}
	}()
	select {
	case a := <-got:
		return string(a.text), a.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

// stillExample returns the error for a log-in with the credentials of the example.
func stillExample(keys []string, file string) error {
	is, value := "is", "value"
	if len(keys) > 1 {
		is, value = "are", "values"
	}
	return fmt.Errorf("%s %s still the example %s in %s: set your own there first", strings.Join(keys, " and "), is, value, file)
}

func authTesla(cmd *cobra.Command, login setup.Login, c config.Config, file string) error {
	t, err := login.Tesla(cmd.Context(), *c.Tesla)
	kept := keeperOf(login, file)
	if t.BaseURL != c.Tesla.BaseURL {
		if err := kept.keep("tesla.base_url", t.BaseURL); err != nil {
			login.Say("%v.", err)
		}
	}
	if err != nil {
		return err
	}
	kept.next()
	return nil
}

func authHoneywell(cmd *cobra.Command, login setup.Login, c config.Config, file string) error {
	ctx := cmd.Context()
	var all []devices.ThermostatReading
	var err error
	switch {
	case c.Honeywell.Backend != config.BackendTCC:
		all, err = login.Resideo(ctx, c)
	case login.Code != "":
		return usage("--code is for a consent; Total Connect Comfort logs in with honeywell.username and honeywell.password (for Resideo set honeywell.backend: resideo)")
	default:
		all, err = login.TCC(ctx, c)
	}
	if err != nil {
		return err
	}
	kept := keeperOf(login, file)
	ids, err := login.Thermostats(ctx, all, c.Settings.ThermostatIDs)
	switch {
	case errors.Is(err, setup.ErrEnded):
		login.Say("settings.thermostat_ids stays as it is.")
	case err != nil:
		return err
	default:
		if err := kept.keep("settings.thermostat_ids", ids); err != nil {
			return err
		}
	}
	kept.next()
	return nil
}

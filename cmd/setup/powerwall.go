package setup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"powermgr/cmd/config"
	"powermgr/devices"
	"powermgr/devices/cloud"
	"powermgr/devices/tesla"
)

func (i Interview) powerwall(ctx context.Context, a *answers) (about tesla.About, err error) {
	i.Say(`There are two ways to reach a Powerwall. Teslemetry is a paid service (a few dollars a month, with a
free trial; teslemetry.com/pricing) that needs one token and five minutes. It has new data once a minute, which is
plenty. Tesla's own Fleet API has no subscription, but needs an app that you register, a domain
with a public key on it, and about an hour.`)
	way, err := i.Choose(ctx, Question{Key: "powerwall", Text: "Which way", Default: "teslemetry"}, []Option{
		{"teslemetry", "Teslemetry (recommended)"}, {"fleet", "Tesla Fleet API"}, {"none", "no Powerwall"},
	})
	if err != nil || way == "none" {
		return about, err
	}
	if way == "teslemetry" {
		a.Tesla, err = i.teslemetry(ctx)
	} else {
		a.Tesla, err = i.fleet(ctx)
	}
	if err != nil {
		return about, err
	}
	adapter, err := i.login().tesla(*a.Tesla)
	if err != nil {
		return about, err
	}
	defer CloseAccount(ctx, adapter)
	return adapter.About(ctx)
}

// teslemetryURL is Teslemetry's API, which has Tesla's paths.
const teslemetryURL = "https://api.teslemetry.com"

// teslemetry asks for a token until one works.
func (i Interview) teslemetry(ctx context.Context) (*config.Tesla, error) {
	i.Say("At https://teslemetry.com, log in, connect your Tesla account, and make an access token in the console.")
	t := config.Tesla{BaseURL: teslemetryURL}
	if i.Emulator != "" {
		t.BaseURL = i.Emulator
	}
	token, err := i.Ask(ctx, Question{Key: "tesla_token", Text: "Access token", Secret: true})
	if err != nil {
		return nil, err
	}
	t.APIToken = devices.Secret(token)
	if t.EnergySiteID, err = i.site(ctx, t); errors.Is(err, cloud.ErrDoubted) {
		return nil, errors.New("Teslemetry does not accept this token (HTTP 401): copy it again, whole, from its console")
	} else if err != nil {
		return nil, err
	}
	return &t, i.login().tried(ctx, t)
}

// fleet guides through creating and registering an app, and authorizes powermgr with it.
func (i Interview) fleet(ctx context.Context) (*config.Tesla, error) {
	t := config.DefaultTesla()
	t.TokenFile, t.BaseURL, t.TokenURL = i.state("tesla_token.json"), tesla.FleetURL, tesla.FleetTokenURL
	if i.Emulator != "" {
		t.BaseURL, t.TokenURL = i.Emulator, i.Emulator+"/oauth2/v3/token"
	}
	login := i.login()
	domain, err := login.askDomain(ctx)
	if err != nil {
		return nil, err
	}
	i.Say("")
	i.Say(appSteps, domain, LocalRedirect)
	i.Say("It then shows a client id and a client secret.")
	id, err := i.Ask(ctx, Question{Key: "tesla_client_id", Text: "Client id"})
	if err != nil {
		return nil, err
	}
	secret, err := i.Ask(ctx, Question{Key: "tesla_client_secret", Text: "Client secret", Secret: true})
	if err != nil {
		return nil, err
	}
	t.ClientID, t.ClientSecret = id, devices.Secret(secret)
	if err := login.register(ctx, t, domain); err != nil {
		return nil, err
	}
	t, err = login.Tesla(ctx, t)
	if err != nil {
		return nil, err
	}
	t.EnergySiteID, err = i.site(ctx, t)
	if i.Emulator == "" {
		t.TokenURL = "" // the usual one
	}
	return &t, err
}

// site asks which home is meant if the account has several; 0: there is only one.
func (i Interview) site(ctx context.Context, t config.Tesla) (int64, error) {
	adapter, err := i.login().tesla(t)
	if err != nil {
		return 0, err
	}
	defer CloseAccount(ctx, adapter)
	all, err := adapter.Sites(ctx)
	if err != nil || len(all) < 2 {
		return 0, err
	}
	q := Question{Key: "tesla_site", Text: "Which home"}
	var options []Option
	for _, s := range all {
		o := Option{strconv.FormatInt(s.ID, 10), strings.TrimSpace(fmt.Sprintf("%s (%d)", s.Name, s.ID))}
		if !s.Reports {
			o.Text += ", which reports nothing at the moment: it cannot be reached, or its gateway was replaced"
		}
		options = append(options, o)
	}
	if all[0].Reports && !all[1].Reports {
		q.Default = options[0].Key // the only home that reports
	}
	id, err := i.Choose(ctx, q, options)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(id, 10, 64)
}

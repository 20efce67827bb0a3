package config

import (
	"net/http"
	"path/filepath"

	"powermgr/bridge"
	"powermgr/devices"
	"powermgr/devices/tesla"
	"strings"
	"time"
)

// The account of the Powerwall.

// Tesla is the account of the Powerwall. It needs TokenFile or APIToken.
type Tesla struct {
	// APIToken is an access token that cannot be refreshed, such as
	// Teslemetry's. Empty: TokenFile is used. Load empties it when there is an
	// authorization in TokenFile.
	APIToken devices.Secret `koanf:"api_token"`
	// TokenFile holds the OAuth answer and is rewritten when it is refreshed.
	// Empty: APIToken is used.
	TokenFile string `koanf:"token_file"`
	// EnergySiteID is the site on the account. 0, the default: the only one; if there
	// are several, the daemon lists them.
	EnergySiteID int64 `koanf:"energy_site_id"`
	// ClientID is the app's, for refreshing the token of TokenFile; "ownerapi" means
	// Tesla's older owner API. Empty: allowed only with APIToken.
	ClientID string `koanf:"client_id"`
	// ClientSecret is the app's, for the first authorization. Empty: none.
	ClientSecret devices.Secret `koanf:"client_secret"`
	// BaseURL is the API, without a slash at its end. Empty in the file: the owner API
	// for client_id ownerapi with a token file, otherwise Fleet in North America. Load
	// fills it in.
	BaseURL string `koanf:"base_url"`
	// TokenURL is the token endpoint. Empty in the file: the one that belongs to
	// the same choice. Load fills it in.
	TokenURL string `koanf:"token_url"`
	// CallsPerMonth is how many calls are allowed in a calendar month. The Powerwall is
	// read as often as they allow; commands and the calls that they need are always
	// made. 0: no limit, and only Poll says how often.
	CallsPerMonth int `koanf:"calls_per_month" default:"5000" range:"0,2000–1000000" why:"fewer do not last for the peaks of a month; 0 is for no limit"`
}

// DefaultTesla returns an account with the defaults of its keys.
func DefaultTesla() Tesla { return withDefaults[Tesla]() }

func (l *loader) completeTesla(t *Tesla) {
	if t.TokenFile == "" && t.APIToken == "" && t.ClientID != "" && l.isAddon() {
		t.TokenFile = filepath.Join(l.state, "tesla_token.json") // an add-on has only one place for it
	}
	t.TokenFile = l.absolute(t.TokenFile)
	if t.TokenFile != "" && t.APIToken != "" {
		if l.authorized(t.TokenFile) {
			t.APIToken = "" // the one that can be refreshed
			l.notice("tesla.api_token", "not used, since there is an authorization in tesla.token_file")
		} else {
			l.notice("tesla.api_token", "used until powermgr auth tesla has filled tesla.token_file")
		}
	}
	owner := t.ClientID == tesla.OwnerClient && t.TokenFile != ""
	if t.BaseURL == "" {
		t.BaseURL = tesla.FleetURL
		if owner {
			t.BaseURL = tesla.OwnerURL
		}
	}
	if t.TokenURL == "" {
		t.TokenURL = tesla.FleetTokenURL
		if owner {
			t.TokenURL = tesla.OwnerTokenURL
		}
	}
	t.BaseURL = strings.TrimRight(t.BaseURL, "/")
}

func (l *loader) checkTesla(t *Tesla) {
	if t == nil {
		return
	}
	switch {
	case t.TokenFile == "" && t.APIToken == "":
		l.problem("tesla", "it needs token_file, which powermgr auth tesla fills, or api_token; or leave tesla out if there is no Powerwall")
	case t.TokenFile != "" && t.ClientID == "":
		l.problem("tesla.client_id", "token_file needs the client id of the app that the token is for, or ownerapi")
	}
	if t.TokenFile == "" && t.ClientID == tesla.OwnerClient {
		l.notice("tesla.client_id", "ownerapi has an effect only with token_file: the API is %s", t.BaseURL)
	}
	if t.EnergySiteID < 0 {
		l.problem("tesla.energy_site_id", "%d is not a site: leave it out if the account has one", t.EnergySiteID)
	}
	l.vendorURL("tesla.base_url", t.BaseURL)
	l.vendorURL("tesla.token_url", t.TokenURL)
	if t.BaseURL == tesla.OwnerURL {
		l.notice("tesla.client_id", "Tesla refuses many clients of the owner API since June 2026: if it does so here, make an app for the Fleet API")
	}
}

// TeslaClient returns the adapter for the account in the configuration.
func (c Config) TeslaClient(client *http.Client, now func() time.Time, s bridge.Shared) (*tesla.Client, error) {
	return tesla.New(tesla.Options{
		BaseURL: c.Tesla.BaseURL, TokenURL: c.Tesla.TokenURL, SiteID: c.Tesla.EnergySiteID, ClientID: c.Tesla.ClientID,
		ClientSecret: c.Tesla.ClientSecret, TokenFile: c.Tesla.TokenFile, APIToken: c.Tesla.APIToken, HTTP: client, Now: now, Log: s.Log,
	})
}

package tesla

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"powermgr/devices"
)

// OwnerRedirect is where the owner API redirects a person after the consent.
const OwnerRedirect = "https://auth.tesla.com/void/callback"

// A Consent is one authorization in progress.
type Consent struct {
	Redirect string         // must be registered with the app; OwnerRedirect for the owner API
	State    string         // comes back with the code
	Verifier devices.Secret // PKCE: 43–128 characters; the owner API requires it
}

// AuthorizeURL returns the page on which a person consents. An emulated cloud has its
// own.
func (c *Client) AuthorizeURL(q Consent) string {
	page := authorizeURL
	if c.base.Scheme == "http" {
		page = c.base.String() + "/oauth2/v3/authorize"
	}
	v := url.Values{"response_type": {"code"}, "client_id": {c.auth.ClientID}, "redirect_uri": {q.Redirect}, "state": {q.State}, "locale": {"en-US"}}
	if c.owner {
		sum := sha256.Sum256([]byte(q.Verifier.Reveal()))
		v.Set("scope", "openid email offline_access")
		v.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		v.Set("code_challenge_method", "S256")
	} else {
		v.Set("scope", "openid offline_access energy_device_data energy_cmds")
		v.Set("prompt_missing_scopes", "true")
	}
	return page + "?" + v.Encode()
}

// Exchange exchanges the code of a consent for the authorization and stores that in the
// token file.
func (c *Client) Exchange(ctx context.Context, q Consent, code string) error {
	more := url.Values{}
	if c.owner {
		more.Set("code_verifier", q.Verifier.Reveal())
	} else {
		more.Set("audience", strings.TrimSuffix(c.base.String(), "/"))
	}
	return c.auth.Exchange(ctx, code, q.Redirect, more)
}

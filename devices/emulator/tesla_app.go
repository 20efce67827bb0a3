package emulator

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A TeslaApp is an app at developer.tesla.com, and what its owner agrees to. A cloud
// with one refuses everything that Fleet API refuses until the app is registered: wrong
// credentials, a redirect or a domain that is not the app's, a missing public key, a
// region that was not registered (412) or is not the account's (421), and scopes that
// were not granted (403).
type TeslaApp struct {
	ClientID     string   // "emulator-app"
	ClientSecret string   // "emulator-app-secret"
	Redirect     string   // the allowed redirect: http://localhost:8585/auth
	Origin       string   // host of the allowed origin; empty: the host of the emulated cloud
	Scopes       []string // the app's scopes; nil: those that powermgr needs
	Granted      []string // the scopes that the owner ticks; nil: all that are requested
	Region       string   // host of the only address that serves the account; empty: any
}

// teslaScopes are the scopes that powermgr needs.
var teslaScopes = []string{"openid", "offline_access", "energy_device_data", "energy_cmds"}

// orDefaults returns the app with its defaults filled in; nil stays nil.
func (a *TeslaApp) orDefaults() *TeslaApp {
	if a == nil {
		return nil
	}
	app := *a
	a = &app
	if a.ClientID == "" {
		a.ClientID = "emulator-app"
	}
	if a.ClientSecret == "" {
		a.ClientSecret = "emulator-app-secret"
	}
	if a.Redirect == "" {
		a.Redirect = "http://localhost:8585/auth"
	}
	if a.Scopes == nil {
		a.Scopes = teslaScopes
	}
	return a
}

// appState is what the developer's side of the cloud knows.
type appState struct {
	hosted     []byte          // the PEM file at wellKnown; nil: there is none
	registered map[string]bool // by the host of the region
	scopes     []string        // of the last consent
	partner    int             // the number of partner tokens issued
	partners   []grant         // the valid partner tokens
}

// wellKnown is where an app's domain publishes its public key.
const wellKnown = "/.well-known/appspecific/com.tesla.3p.public-key.pem"

func (c *Cloud) appRoutes(mux *http.ServeMux) {
	c.handle(mux, "POST /api/1/partner_accounts", "tesla.register", c.appRegister)
	c.handle(mux, "GET /api/1/partner_accounts/public_key", "tesla.public_key", c.appPublicKey)
	c.handle(mux, "GET "+wellKnown, "tesla.hosted_key", func(w http.ResponseWriter, _ *http.Request, _ *House) {
		if c.tesla.app.hosted == nil {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(c.tesla.app.hosted)
	})
	mux.HandleFunc("PUT "+wellKnown, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
		if err != nil {
			http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
			return
		}
		c.HostKey(b)
		w.WriteHeader(http.StatusNoContent)
	})
}

// HostKey puts a file where Tesla looks for the public key on the owner's domain, which
// is the emulated cloud itself. Nil removes it.
func (c *Cloud) HostKey(file []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tesla.app.hosted = file
}

// UseTeslaApp makes the cloud require an app from now on; nil ends that. Registrations
// stay.
func (c *Cloud) UseTeslaApp(app *TeslaApp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options.Tesla.App = app.orDefaults()
}

// appKnows reports whether Tesla knows the app of a request; if not, it answers the
// request.
func (c *Cloud) appKnows(w http.ResponseWriter, id, secret string) bool {
	a := c.options.Tesla.App
	if a == nil || id == a.ClientID && secret == a.ClientSecret {
		return true
	}
	reply(w, http.StatusUnauthorized, map[string]string{
		"error": "unauthorized_client", "error_description": "We don't recognize this client_id and client_secret combination",
	})
	return false
}

// appConsent handles the page on which a person consents; it returns what is wrong with
// the request, as that page does.
func (c *Cloud) appConsent(id, redirect, scope string) (problem string) {
	a := c.options.Tesla.App
	if a == nil {
		return ""
	}
	switch {
	case id != a.ClientID:
		return "We don't recognize this client_id"
	case redirect != a.Redirect:
		return "We don't recognize this redirect_uri"
	}
	c.tesla.app.scopes = nil
	for s := range strings.FieldsSeq(scope) {
		if slices.Contains(a.Scopes, s) && (a.Granted == nil || slices.Contains(a.Granted, s)) {
			c.tesla.app.scopes = append(c.tesla.app.scopes, s)
		}
	}
	return ""
}

// scoped returns an access token of the app in Tesla's format: a JWT whose scp lists the
// granted scopes.
func (c *Cloud) scoped(token string, now time.Time) string {
	if c.options.Tesla.App == nil {
		return token
	}
	claims, err := json.Marshal(map[string]any{"scp": c.tesla.app.scopes, "exp": now.Add(c.options.Tesla.TokenLife).Unix(), "jti": token})
	if err != nil { // impossible for strings and a number
		return token
	}
	part := base64.RawURLEncoding.EncodeToString
	jwt := part([]byte(`{"alg":"none"}`)) + "." + part(claims) + ".emulated"
	c.tesla.tokens.access = add(c.tesla.tokens.access, grant{jwt, now.Add(c.options.Tesla.DiesAfter)})
	return jwt
}

// granted returns the scopes of an access token; ok is false for one without any, which
// may do everything.
func granted(token string) (scopes []string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	var claims struct {
		Scopes []string `json:"scp"`
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &claims) != nil {
		return nil, false
	}
	return claims.Scopes, true
}

// appServes reports whether Fleet API would serve a data call; if not, it answers the
// call.
func (c *Cloud) appServes(w http.ResponseWriter, r *http.Request, token string) bool {
	a := c.options.Tesla.App
	if a == nil {
		return true
	}
	here := "http://" + r.Host
	switch region := r.URL.Path == "/api/1/users/region"; {
	case !c.tesla.app.registered[r.Host]:
		reply(w, http.StatusPreconditionFailed, map[string]any{"error": fmt.Sprintf(
			"Account %s must be registered in the current region %s, please see https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#register", a.ClientID, here)})
		return false
	case a.Region != "" && r.Host != a.Region && !region:
		envelope(w, http.StatusMisdirectedRequest, nil, fmt.Sprintf(
			"user out of region, use base URL: http://%s, see https://developer.tesla.com/docs/fleet-api#regional-requirements", a.Region))
		return false
	case region:
		return true
	}
	needs := "energy_device_data"
	if r.Method == http.MethodPost {
		needs = "energy_cmds"
	}
	if scopes, ok := granted(token); ok && !slices.Contains(scopes, needs) {
		envelope(w, http.StatusForbidden, nil, "Unauthorized missing scopes")
		return false
	}
	return true
}

// partnerToken answers a client_credentials grant.
func (c *Cloud) partnerToken(w http.ResponseWriter, audience string) {
	if audience == "" {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "The audience is missing"})
		return
	}
	c.tesla.app.partner++
	token := fmt.Sprintf("%s%d", partnerPrefix, c.tesla.app.partner)
	c.tesla.app.partners = add(c.tesla.app.partners, grant{token, c.options.Now().Add(c.options.Tesla.TokenLife)})
	reply(w, http.StatusOK, map[string]any{
		"access_token": token, "expires_in": int(c.options.Tesla.TokenLife.Seconds()), "token_type": "Bearer",
	})
}

const partnerPrefix = "emulator-tesla-partner-"

// ExpirePartnerTokens expires the partner tokens issued so far.
func (c *Cloud) ExpirePartnerTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tesla.app.partners = nil
}

// partner reports whether a request has a valid partner token; if not, it answers the
// request.
func (c *Cloud) partner(w http.ResponseWriter, r *http.Request) bool {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !strings.HasPrefix(token, partnerPrefix):
		envelope(w, http.StatusUnauthorized, nil, "Expected partner account")
	case !good(c.tesla.app.partners, token, c.options.Now()):
		envelope(w, http.StatusUnauthorized, nil, "token expired (401)")
	default:
		return true
	}
	return false
}

// appRegister registers the app in the region of the request.
func (c *Cloud) appRegister(w http.ResponseWriter, r *http.Request, _ *House) {
	var body struct {
		Domain string `json:"domain"`
	}
	app := c.options.Tesla.App.orDefaults()
	if app == nil {
		app = (&TeslaApp{}).orDefaults()
	}
	origin := app.Origin
	if origin == "" {
		origin = r.Host
	}
	if !c.partner(w, r) {
		return
	}
	switch err := json.NewDecoder(r.Body).Decode(&body); {
	case err != nil || body.Domain == "" || body.Domain != strings.ToLower(body.Domain) || strings.Contains(body.Domain, "/"):
		envelope(w, http.StatusBadRequest, nil, "Invalid domain: "+body.Domain+". Ensure that domain is lowercase and starts without https://")
	case body.Domain != origin && !strings.HasSuffix(body.Domain, "."+origin):
		envelope(w, http.StatusPreconditionFailed, nil, fmt.Sprintf("Root domain %s must match registered allowed origin on https://developer.tesla.com/dashboard", body.Domain))
	default:
		if _, err := curvePoint(c.tesla.app.hosted); err != nil {
			envelope(w, http.StatusFailedDependency, nil, fmt.Sprintf("Public key download failed for https://%s%s, error: %v", body.Domain, wellKnown, err))
			return
		}
		c.tesla.app.registered[r.Host] = true
		envelope(w, http.StatusOK, map[string]any{"client_id": app.ClientID, "domain": body.Domain}, "")
	}
}

// appPublicKey answers with the key that is registered in the region of the request.
func (c *Cloud) appPublicKey(w http.ResponseWriter, r *http.Request, _ *House) {
	if !c.partner(w, r) {
		return
	}
	point, err := curvePoint(c.tesla.app.hosted)
	switch {
	case err != nil || !c.tesla.app.registered[r.Host]:
		envelope(w, http.StatusNotFound, nil, "not_found")
	default:
		envelope(w, http.StatusOK, map[string]any{"public_key": point}, "")
	}
}

// curvePoint returns the key in a PEM file as Tesla writes it: an uncompressed point of
// P-256, in hexadecimal.
func curvePoint(file []byte) (string, error) {
	if file == nil {
		return "", errors.New("not found")
	}
	block, _ := pem.Decode(file)
	if block == nil {
		return "", errors.New("not a PEM file")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", errors.New("not a public key")
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve.Params().BitSize != 256 {
		return "", errors.New("not a key of the curve prime256v1")
	}
	point, err := public.Bytes()
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(point), nil
}

package tesla

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/oauth"
)

// A App is an app at developer.tesla.com, and what its owner agrees to. A cloud
// with one refuses everything that Fleet API refuses until the app is registered: wrong
// credentials, a redirect or a domain that is not the app's, a missing public key, a
// region that was not registered (412) or is not the account's (421), and scopes that
// were not granted (403).
type App struct {
	ClientID     string   // "emulator-app"
	ClientSecret string   // "emulator-app-secret"
	Redirect     string   // the allowed redirect: http://localhost:8585/auth
	Origin       string   // host of the allowed origin; empty: the host of the emulated cloud
	Scopes       []string // the app's scopes; nil: those that powermgr needs
	Granted      []string // the scopes that the owner ticks; nil: all that are requested
	Region       string   // host of the only address that serves the account; empty: any
}

// neededScopes are the scopes that powermgr needs.
var neededScopes = []string{"openid", "offline_access", "energy_device_data", "energy_cmds"}

// orDefaults returns the app with its defaults filled in; nil stays nil.
func (a *App) orDefaults() *App {
	if a == nil {
		return nil
	}
	app := *a
	if app.ClientID == "" {
		app.ClientID = "emulator-app"
	}
	if app.ClientSecret == "" {
		app.ClientSecret = "emulator-app-secret"
	}
	if app.Redirect == "" {
		app.Redirect = "http://localhost:8585/auth"
	}
	if app.Scopes == nil {
		app.Scopes = neededScopes
	}
	return &app
}

// appState is what the developer's side of the cloud knows.
type appState struct {
	hosted     []byte          // the PEM file at wellKnown; nil: there is none
	registered map[string]bool // by the host of the region
	scopes     []string        // of the last consent
	partner    int             // the number of partner tokens issued
	partners   oauth.Tokens    // the partner tokens, as access tokens
}

// wellKnown is where an app's domain publishes its public key.
const wellKnown = "/.well-known/appspecific/com.tesla.3p.public-key.pem"

func (a *API) appRoutes() {
	c := a.cloud
	c.Handle("POST /api/1/partner_accounts", "tesla.register", a.appRegister)
	c.Handle("GET /api/1/partner_accounts/public_key", "tesla.public_key", a.appPublicKey)
	c.Handle("GET "+wellKnown, "tesla.hosted_key", func(w http.ResponseWriter, _ *http.Request, _ *emulator.House) {
		if a.app.hosted == nil {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(a.app.hosted)
	})
	c.Control("PUT "+wellKnown, func(file []byte) (any, error) {
		a.HostKey(file)
		return nil, nil
	})
}

// HostKey puts a file where Tesla looks for the public key on the owner's domain, which
// is the emulated cloud itself. Nil removes it.
func (a *API) HostKey(file []byte) {
	a.cloud.Locked(func() { a.app.hosted = file })
}

// UseApp makes the cloud require an app from now on; nil ends that. Registrations
// stay.
func (a *API) UseApp(app *App) {
	a.cloud.Locked(func() { a.options.App = app.orDefaults() })
}

// appKnows reports whether Tesla knows the app of a request; if not, it answers the
// request.
func (a *API) appKnows(w http.ResponseWriter, id, secret string) bool {
	app := a.options.App
	if app == nil || id == app.ClientID && secret == app.ClientSecret {
		return true
	}
	emulator.Reply(w, http.StatusUnauthorized, map[string]string{
		"error": "unauthorized_client", "error_description": "We don't recognize this client_id and client_secret combination",
	})
	return false
}

// appConsent handles the page on which a person consents; it returns what is wrong with
// the request, as that page does.
func (a *API) appConsent(id, redirect, scope string) (problem string) {
	app := a.options.App
	if app == nil {
		return ""
	}
	switch {
	case id != app.ClientID:
		return "We don't recognize this client_id"
	case redirect != app.Redirect:
		return "We don't recognize this redirect_uri"
	}
	a.app.scopes = nil
	for s := range strings.FieldsSeq(scope) {
		if slices.Contains(app.Scopes, s) && (app.Granted == nil || slices.Contains(app.Granted, s)) {
			a.app.scopes = append(a.app.scopes, s)
		}
	}
	return ""
}

// scoped returns an access token of the app in Tesla's format: a JWT whose scp lists the
// granted scopes.
func (a *API) scoped(token string, now time.Time) string {
	if a.options.App == nil {
		return token
	}
	claims, err := json.Marshal(map[string]any{"scp": a.app.scopes, "exp": now.Add(a.options.TokenLife).Unix(), "jti": token})
	if err != nil { // impossible for strings and a number
		return token
	}
	part := base64.RawURLEncoding.EncodeToString
	jwt := part([]byte(`{"alg":"none"}`)) + "." + part(claims) + ".emulated"
	a.tokens.Admit(jwt, now.Add(a.options.DiesAfter))
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
func (a *API) appServes(w http.ResponseWriter, r *http.Request, token string) bool {
	app := a.options.App
	if app == nil {
		return true
	}
	here := "http://" + r.Host
	switch region := r.URL.Path == "/api/1/users/region"; {
	case !a.app.registered[r.Host]:
		emulator.Reply(w, http.StatusPreconditionFailed, map[string]any{"error": fmt.Sprintf(
			"Account %s must be registered in the current region %s, please see https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#register", app.ClientID, here)})
		return false
	case app.Region != "" && r.Host != app.Region && !region:
		envelope(w, http.StatusMisdirectedRequest, nil, fmt.Sprintf(
			"user out of region, use base URL: http://%s, see https://developer.tesla.com/docs/fleet-api#regional-requirements", app.Region))
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
func (a *API) partnerToken(w http.ResponseWriter, audience string) {
	if audience == "" {
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "The audience is missing"})
		return
	}
	a.app.partner++
	token := fmt.Sprintf("%s%d", partnerPrefix, a.app.partner)
	a.app.partners.Admit(token, a.cloud.Now().Add(a.options.TokenLife))
	emulator.Reply(w, http.StatusOK, map[string]any{
		"access_token": token, "expires_in": int(a.options.TokenLife.Seconds()), "token_type": "Bearer",
	})
}

const partnerPrefix = "emulator-tesla-partner-"

// ExpirePartnerTokens expires the partner tokens issued so far.
func (a *API) ExpirePartnerTokens() {
	a.cloud.Locked(a.app.partners.Expire)
}

// partner reports whether a request has a valid partner token; if not, it answers the
// request.
func (a *API) partner(w http.ResponseWriter, r *http.Request) bool {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !strings.HasPrefix(token, partnerPrefix):
		envelope(w, http.StatusUnauthorized, nil, "Expected partner account")
	case !a.app.partners.Valid(token, a.cloud.Now()):
		envelope(w, http.StatusUnauthorized, nil, "token expired (401)")
	default:
		return true
	}
	return false
}

// appRegister registers the app in the region of the request.
func (a *API) appRegister(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	var body struct {
		Domain string `json:"domain"`
	}
	app := a.options.App.orDefaults()
	if app == nil {
		app = (&App{}).orDefaults()
	}
	origin := app.Origin
	if origin == "" {
		origin = r.Host
	}
	if !a.partner(w, r) {
		return
	}
	switch err := json.NewDecoder(r.Body).Decode(&body); {
	case err != nil || body.Domain == "" || body.Domain != strings.ToLower(body.Domain) || strings.Contains(body.Domain, "/"):
		envelope(w, http.StatusBadRequest, nil, "Invalid domain: "+body.Domain+". Ensure that domain is lowercase and starts without https://")
	case body.Domain != origin && !strings.HasSuffix(body.Domain, "."+origin):
		envelope(w, http.StatusPreconditionFailed, nil, fmt.Sprintf("Root domain %s must match registered allowed origin on https://developer.tesla.com/dashboard", body.Domain))
	default:
		if _, err := curvePoint(a.app.hosted); err != nil {
			envelope(w, http.StatusFailedDependency, nil, fmt.Sprintf("Public key download failed for https://%s%s, error: %v", body.Domain, wellKnown, err))
			return
		}
		a.app.registered[r.Host] = true
		envelope(w, http.StatusOK, map[string]any{"client_id": app.ClientID, "domain": body.Domain}, "")
	}
}

// appPublicKey answers with the key that is registered in the region of the request.
func (a *API) appPublicKey(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	if !a.partner(w, r) {
		return
	}
	point, err := curvePoint(a.app.hosted)
	switch {
	case err != nil || !a.app.registered[r.Host]:
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

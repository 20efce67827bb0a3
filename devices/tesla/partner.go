package tesla

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// Fleet API serves an app only after it has been registered in the region of the
// account: its domain has to have a public key, and POST /api/1/partner_accounts
// has to be sent with a token of the app itself.
// Source: developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints.

// KeyPath is where the app's domain publishes the public key.
const KeyPath = "/.well-known/appspecific/com.tesla.3p.public-key.pem"

// A Partner is an app at developer.tesla.com that acts for itself and not for an owner.
type Partner struct {
	base, tokens *url.URL
	id           string
	secret       devices.Secret
	http         *http.Client

	token devices.Secret // empty: none was requested yet
}

// NewPartner returns the app that o describes. It makes no request.
func NewPartner(o Options) (*Partner, error) {
	base, err := cloud.BaseURL(o.BaseURL)
	if err != nil {
		return nil, errors.New("tesla: " + err.Error())
	}
	tokens, err := cloud.BaseURL(o.TokenURL)
	if err != nil {
		return nil, errors.New("tesla: token_url: " + err.Error())
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	return &Partner{base: base, tokens: tokens, id: o.ClientID, secret: o.ClientSecret, http: o.HTTP}, nil
}

// Check requests a token for the app from Tesla, which shows that client id and client
// secret are correct.
func (p *Partner) Check(ctx context.Context) error {
	const op = "check the app"
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {p.id}, "client_secret": {p.secret.Reveal()},
		"scope": {"openid energy_device_data energy_cmds"}, "audience": {p.base.String()},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.tokens.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return refused(op, errors.New("the token address is not valid"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := cloud.Do(p.http, vendor, op, req)
	if err != nil {
		return err
	}
	if reply.Status != http.StatusOK {
		var said struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		_ = json.Unmarshal(reply.Body, &said) // the status says enough
		e := cloud.StatusError(vendor, op, reply, false, cloud.Hide(said.Error+" "+said.Description, p.secret))
		if e.Kind == devices.Unauthorized || e.Kind == devices.Refused {
			e.Kind = devices.Refused
			e.Err = fmt.Errorf("%w: copy client id and client secret again from your app at developer.tesla.com (the secret begins with ta-secret); "+
				"its grant type must be Authorization Code and Machine-to-Machine", e.Err)
		}
		return e
	}
	t, err := cloud.ParseToken(reply.Body, time.Time{})
	if err != nil || t.Access == "" {
		return nonsense(op, "the token endpoint answered no token")
	}
	p.token = t.Access
	return nil
}

// Register registers the app and its domain in the region of the base URL. It
// may be repeated.
func (p *Partner) Register(ctx context.Context, domain string) error {
	const op = "register the app"
	body, err := json.Marshal(map[string]string{"domain": domain})
	if err != nil {
		return refused(op, err)
	}
	reply, err := p.call(ctx, op, http.MethodPost, "/api/1/partner_accounts", body)
	if err != nil {
		return err
	}
	if reply.Status/100 == 2 {
		return nil
	}
	said := word(reply.Body)
	e := cloud.StatusError(vendor, op, reply, false, said)
	if advice := registrationAdvice(reply.Status, said, domain); advice != "" {
		e.Kind = devices.Refused
		e.Err = fmt.Errorf("%w: %s", e.Err, advice)
	}
	return e
}

// registrationAdvice returns what to do about a refused registration; empty if that is
// unknown.
func registrationAdvice(status int, said, domain string) string {
	switch lower := strings.ToLower(said); {
	case strings.Contains(lower, "allowed origin"):
		return fmt.Sprintf("add https://%s to the allowed origins of your app at developer.tesla.com, without a slash at its end; save, wait a few minutes, and try again", domain)
	case strings.Contains(lower, "public key download") || status == http.StatusFailedDependency:
		return fmt.Sprintf("Tesla cannot fetch the public key: %s must show it to everybody, without a log-in or a redirect", KeyURL(domain))
	case strings.Contains(lower, "hash has already been taken"):
		return "another app has this public key: make a new pair of keys, and put the new public key on your domain"
	case strings.Contains(lower, "invalid domain"):
		return "the domain is a bare host name in lower case, such as example.github.io"
	case strings.Contains(lower, "expected partner account"):
		return "Tesla needs up to an hour until it knows a new app: try again later"
	}
	return ""
}

// RegisteredKey returns the public key that Tesla has for a domain in the region of the
// base URL, as an uncompressed point in hexadecimal. Empty: none.
func (p *Partner) RegisteredKey(ctx context.Context, domain string) (string, error) {
	const op = "check the registration"
	reply, err := p.call(ctx, op, http.MethodGet, "/api/1/partner_accounts/public_key?domain="+url.QueryEscape(domain), nil)
	if err != nil {
		return "", err
	}
	switch reply.Status {
	case http.StatusNotFound, http.StatusPreconditionFailed, http.StatusMisdirectedRequest:
		return "", nil
	case http.StatusOK:
	default:
		return "", cloud.StatusError(vendor, op, reply, false, word(reply.Body))
	}
	var e struct {
		Response struct {
			Key string `json:"public_key"`
		} `json:"response"`
	}
	if json.Unmarshal(reply.Body, &e) != nil {
		return "", nonsense(op, "the answer is not JSON")
	}
	return strings.ToLower(e.Response.Key), nil
}

// call sends a request to Fleet API. A token that has expired, for example while its
// owner put the public key on a domain, is replaced once.
func (p *Partner) call(ctx context.Context, op, method, path string, body []byte) (cloud.Reply, error) {
	held := p.token != ""
	reply, err := p.send(ctx, op, method, path, body)
	if held && err == nil && reply.Status == http.StatusUnauthorized {
		p.token = ""
		return p.send(ctx, op, method, path, body)
	}
	return reply, err
}

func (p *Partner) send(ctx context.Context, op, method, path string, body []byte) (cloud.Reply, error) {
	if p.token == "" {
		if err := p.Check(ctx); err != nil {
			return cloud.Reply{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base.String()+path, bytes.NewReader(body))
	if err != nil {
		return cloud.Reply{}, refused(op, errors.New("the address cannot be made"))
	}
	req.Header.Set("Authorization", "Bearer "+p.token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	reply, err := cloud.Do(p.http, vendor, op, req)
	reply.Body = []byte(cloud.Hide(string(reply.Body), p.token))
	return reply, err
}

// KeyURL returns the address of a domain's public key. A domain on this machine, such
// as the emulated cloud's, is requested without TLS.
func KeyURL(domain string) string {
	host, _, _ := strings.Cut(domain, ":")
	scheme := "https://"
	if devices.Loopback(host) {
		scheme = "http://"
	}
	return scheme + domain + KeyPath
}

// HostedKey fetches the public key of a domain as Tesla does, and returns it in the
// form of RegisteredKey. The error says what is wrong with the file there.
func HostedKey(ctx context.Context, client *http.Client, domain string) (string, error) {
	const op = "fetch the public key"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, KeyURL(domain), nil)
	if err != nil {
		return "", refused(op, fmt.Errorf("%s is not a host name", cloud.Line(domain)))
	}
	reply, err := cloud.Do(client, vendor, op, req)
	if err != nil {
		return "", err
	}
	switch {
	case reply.Status == http.StatusNotFound:
		return "", refused(op, fmt.Errorf("there is nothing at %s (HTTP 404): on GitHub Pages, an empty file .nojekyll must be beside the folder .well-known", KeyURL(domain)))
	case reply.Status/100 == 3:
		return "", refused(op, fmt.Errorf("%s sends you to another address (HTTP %d), which Tesla does not follow: use that host name instead", KeyURL(domain), reply.Status))
	case reply.Status != http.StatusOK:
		return "", refused(op, fmt.Errorf("%s answers HTTP %d, and must show the file to everybody", KeyURL(domain), reply.Status))
	}
	point, err := KeyPoint(reply.Body)
	if err != nil {
		return "", refused(op, fmt.Errorf("what is at %s is not the public key: %w", KeyURL(domain), err))
	}
	return point, nil
}

// NewKey generates the private key of an app, as PEM. Commands to a battery need not be
// signed with it, but Fleet API requires its public half.
func NewKey() (devices.Secret, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", err
	}
	return devices.Secret(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), nil
}

// PublicKey returns the public key file for a private key.
func PublicKey(private devices.Secret) ([]byte, error) {
	block, _ := pem.Decode([]byte(private.Reveal()))
	if block == nil {
		return nil, errors.New("it is not a PEM file")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it holds no EC private key")
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// KeyPoint returns the public key in a PEM file as Tesla writes it: an uncompressed
// point of the curve prime256v1, in hexadecimal.
func KeyPoint(file []byte) (string, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return "", errors.New("it is not a PEM file, which begins with -----BEGIN PUBLIC KEY-----")
	}
	if block.Type != "PUBLIC KEY" {
		return "", fmt.Errorf("it holds %.40q: only the public key belongs there", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", errors.New("the key in it cannot be read")
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return "", errors.New("the key in it is not one of the curve prime256v1")
	}
	point, err := public.Bytes()
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(point), nil
}

// Scopes returns the scopes that were granted according to an access token; ok is false
// if it does not say, like a token of Teslemetry or of the owner API.
// Source: developer.tesla.com/docs/fleet-api/support/faq.
func Scopes(access devices.Secret) (scopes []string, ok bool) {
	var claims struct {
		Scopes []string `json:"scp"`
	}
	parts := strings.Split(access.Reveal(), ".")
	if len(parts) != 3 {
		return nil, false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.Scopes == nil {
		return nil, false
	}
	return claims.Scopes, true
}

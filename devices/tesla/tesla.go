// Package tesla reads and commands a Powerwall through Tesla's energy API: the Fleet
// API, Teslemetry or the older owner API, which have the same paths and bodies. It
// promises that unknown values stay nil, that a reading is either completely fresh or
// absent, and that it reports a write that may have happened.
package tesla

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

const vendor = "tesla"

// Addresses of Tesla's APIs.
const (
	FleetURL      = "https://fleet-api.prd.na.vn.cloud.tesla.com"
	FleetTokenURL = "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token" //nolint:gosec // an address, no credential
	OwnerURL      = "https://owner-api.teslamotors.com"
	OwnerTokenURL = "https://auth.tesla.com/oauth2/v3/token" //nolint:gosec // an address, no credential
	authorizeURL  = "https://auth.tesla.com/oauth2/v3/authorize"
)

// OwnerClient is the client id of the owner API.
const OwnerClient = "ownerapi"

// Options configure a Client.
type Options struct {
	BaseURL      string         // empty: FleetURL. Without TLS only on loopback
	TokenURL     string         // empty: FleetTokenURL
	SiteID       int64          // 0: the only battery on the account
	ClientID     string         // the app's; OwnerClient for the owner API
	ClientSecret devices.Secret // the app's; empty: none
	TokenFile    string         // the authorization; empty: APIToken
	APIToken     devices.Secret // an access token that cannot be refreshed; empty: TokenFile

	HTTP *http.Client     // nil: the client makes its own
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: no logging
}

// Client is a client for one site. Its methods may be called from several goroutines.
type Client struct {
	base  *url.URL
	auth  *cloud.OAuth
	http  *http.Client
	log   *slog.Logger
	now   func() time.Time
	owner bool
	limit cloud.ReadLimit // on reads, met after a command was refused

	mu   sync.Mutex
	site int64
	has  []battery // the account's batteries, read after a site was not found; nil: not read
	info cloud.Known[answer[siteInfo]]
}

// New returns a client for o, which it checks. It makes no request.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = FleetURL
	}
	if o.TokenURL == "" {
		o.TokenURL = FleetTokenURL
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	base, err := cloud.BaseURL(o.BaseURL)
	if err != nil {
		return nil, errors.New("tesla: " + err.Error())
	}
	if _, err := cloud.BaseURL(o.TokenURL); err != nil {
		return nil, errors.New("tesla: token_url: " + err.Error())
	}
	if o.TokenFile == "" && o.APIToken == "" {
		return nil, errors.New("tesla: give tesla.token_file, and run powermgr auth tesla, or give tesla.api_token")
	}
	c := &Client{base: base, http: o.HTTP, log: o.Log, now: o.Now, site: o.SiteID, owner: o.ClientID == OwnerClient, auth: &cloud.OAuth{
		Vendor: vendor, TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, Style: cloud.InBody,
		HTTP: o.HTTP, Now: o.Now,
	}}
	if o.APIToken != "" {
		c.auth.Use(cloud.Token{Access: o.APIToken})
		c.auth.Advice = "put a new token into tesla.api_token, and reload the service"
	} else {
		c.auth.File = cloud.TokenFile{Path: o.TokenFile}
		c.auth.Advice = "run powermgr auth tesla"
	}
	if c.owner {
		c.auth.Extra = url.Values{"scope": {"openid email offline_access"}}
	}
	return c, nil
}

// Close ends the use of the authorization. It waits, until ctx ends, for the answer to
// a refresh in progress, which may hold the only refresh token that still works.
func (c *Client) Close(ctx context.Context) error { return c.auth.Close(ctx) }

// Read reads figures and settings. On an error there is no reading at all: a partial
// one would look as if all of it were fresh.
func (c *Client) Read(ctx context.Context) (devices.PowerwallReading, error) {
	r, err := c.ReadLive(ctx)
	if err != nil {
		return devices.PowerwallReading{}, err
	}
	settings, err := c.ReadSettings(ctx)
	if err != nil {
		return devices.PowerwallReading{}, err
	}
	return r.WithSettings(settings), nil
}

// ReadLive reads live_status, the figures alone. It makes one call.
func (c *Client) ReadLive(ctx context.Context) (devices.PowerwallReading, error) {
	return read(ctx, c, request{op: opLive, path: "/live_status"}, parse[liveStatus], (*liveStatus).into)
}

// ReadSettings reads site_info, the settings alone. It makes one call.
func (c *Client) ReadSettings(ctx context.Context) (devices.PowerwallReading, error) {
	return read(ctx, c, request{op: opInfo, path: "/site_info"}, c.parseInfo, (*siteInfo).into)
}

// parseInfo is parse for settings, which seldom change: answers that are the same are
// decoded only once.
func (c *Client) parseInfo(body []byte) (answer[siteInfo], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info.Decode(body, parse[siteInfo])
}

func read[T any](ctx context.Context, c *Client, q request, parse func([]byte) (answer[T], error), into func(*T, *devices.PowerwallReading) error) (r devices.PowerwallReading, err error) {
	site, err := c.siteID(ctx)
	if err != nil {
		return r, err
	}
	q.path = site + q.path
	said, err := ask(ctx, c, q, parse)
	if err == nil && said == nil {
		err = nonsense(q.op, "the response is empty: the gateway has not reported")
	}
	if err == nil {
		err = into(said, &r)
	}
	if err != nil {
		return devices.PowerwallReading{}, err
	}
	return r, nil
}

// Data reports whether a request asks for data or sends a command, which are the ones
// that Tesla counts. Authorization is not counted.
func Data(r *http.Request) bool { return strings.Contains(r.URL.Path, "/api/1/") }

// Apply sends one setting. A nil error means that Tesla accepted it, not that the
// battery has it: read it back.
func (c *Client) Apply(ctx context.Context, cmd devices.PowerwallCommand) error {
	q := request{write: true}
	switch {
	case cmd.Reserve != nil:
		if err := devices.CheckReserve(*cmd.Reserve); err != nil {
			return refused("set reserve", err)
		}
		q.op, q.path, q.body = "set reserve", "/backup", map[string]any{"backup_reserve_percent": *cmd.Reserve}
	case cmd.Mode != nil:
		if !slices.Contains(devices.Modes(), *cmd.Mode) {
			return refused("set mode", fmt.Errorf("there is no mode %.20q: send one of %v", *cmd.Mode, devices.Modes()))
		}
		q.op, q.path, q.body = "set mode", "/operation", map[string]any{"default_real_mode": *cmd.Mode}
	case cmd.StormWatch != nil:
		q.op, q.path, q.body = "set storm watch", "/storm_mode", map[string]any{"enabled": *cmd.StormWatch}
	case cmd.GridCharging != nil:
		// The API's flag is inverted.
		q.op, q.path, q.body = "set grid charging", "/grid_import_export", map[string]any{"disallow_charge_from_grid_with_solar_installed": !*cmd.GridCharging}
	case cmd.ExportRule != nil:
		if !slices.Contains(devices.ExportRules(), *cmd.ExportRule) {
			return refused("set export rule", fmt.Errorf("there is no export rule %.20q: send one of %v", *cmd.ExportRule, devices.ExportRules()))
		}
		q.op, q.path, q.body = "set export rule", "/grid_import_export", map[string]any{"customer_preferred_export_rule": *cmd.ExportRule}
	default:
		return refused("apply", errors.New("the command changes nothing"))
	}
	site, err := c.siteID(ctx)
	if err != nil {
		return err
	}
	q.path = site + q.path
	_, err = c.call(ctx, q)
	return err
}

func refused(op string, err error) error {
	return &devices.Error{Vendor: vendor, Op: op, Kind: devices.Refused, Err: err}
}

func nonsense(op, format string, args ...any) error {
	return &devices.Error{Vendor: vendor, Op: op, Kind: devices.Nonsense, Err: fmt.Errorf(format, args...)}
}

// sitesPath is the start of every site's path.
const sitesPath = "/api/1/energy_sites/"

// siteID returns the path of the site; it looks up the site once if the configuration
// does not name it.
func (c *Client) siteID(ctx context.Context) (string, error) {
	c.mu.Lock()
	id := c.site
	c.mu.Unlock()
	if id == 0 {
		all, err := c.batteries(ctx)
		if err != nil {
			return "", err
		}
		if id, err = onlyBattery(all); err != nil {
			return "", err
		}
		c.sayWhich(id, all)
		c.mu.Lock()
		c.site = id
		c.mu.Unlock()
	}
	return sitesPath + strconv.FormatInt(id, 10), nil
}

// request is one request to the API.
type request struct {
	op    string
	path  string
	write bool
	body  map[string]any // of a write
}

// call sends q and returns the response in the envelope without decoding it.
func (c *Client) call(ctx context.Context, q request) (json.RawMessage, error) {
	body, err := c.exchange(ctx, q)
	if err != nil || q.write {
		return nil, err
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, nonsense(q.op, "the answer is not JSON")
	}
	if err := refusal(q, e.Error, body); err != nil {
		return nil, err
	}
	return e.Response, nil
}

// ask sends q, which is not a write, and returns the response. parse decodes it together
// with the envelope. Nil: there is none.
func ask[T any](ctx context.Context, c *Client, q request, parse func([]byte) (answer[T], error)) (*T, error) {
	body, err := c.exchange(ctx, q)
	if err != nil {
		return nil, err
	}
	a, err := parse(body)
	var form *json.UnmarshalTypeError
	if err != nil && (!errors.As(err, &form) || form.Field == "") {
		return nil, nonsense(q.op, "the answer is not JSON")
	}
	if refused := refusal(q, a.Error, body); refused != nil {
		return nil, refused
	}
	switch {
	case err == nil:
		return a.Response, nil
	case form.Field == "response": // it is a list, or a text
		return nil, nil
	}
	return nil, nonsense(q.op, "a field has an unexpected form")
}

// exchange sends q and returns the answer, if its status is a success.
func (c *Client) exchange(ctx context.Context, q request) ([]byte, error) {
	if err := c.limit.Err(c.now()); err != nil && !q.write {
		return nil, err
	}
	r, err := c.auth.Do(ctx, cloud.Call{
		Op:      q.op,
		Send:    func(ctx context.Context, token devices.Secret) (cloud.Reply, error) { return c.send(ctx, q, token) },
		Refuses: c.refuses,
		Why:     func(r cloud.Reply) string { return word(r.Body) },
	})
	if err != nil {
		return nil, err
	}
	if id := r.Header.Get("X-TxId"); id != "" {
		c.log.DebugContext(ctx, "answer", "op", q.op, "status", r.Status, "txid", cloud.Line(id))
	}
	switch {
	case r.Status < 200 || r.Status > 299:
		return nil, c.status(ctx, q, r)
	case q.write:
		return nil, accepted(q.op, r.Body)
	}
	return r.Body, nil
}

// refusal returns the error of an answer that refuses although its status is a success;
// nil: it does not refuse.
func refusal(q request, said json.RawMessage, body []byte) error {
	if !truthy(said) {
		return nil
	}
	return refused(q.op, errors.New(cloud.Line(word(body))))
}

// refuses reports whether an answer may mean that the authorization is not accepted:
// 401, and a 403 that does not mention scopes or clients.
func (c *Client) refuses(r cloud.Reply) bool {
	return r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden && c.forbidden(word(r.Body)) == ""
}

// forbidden returns what to do about a 403; empty if its cause is unclear.
func (c *Client) forbidden(said string) string {
	switch {
	case strings.Contains(said, "developer.tesla.com"):
		return "Tesla has closed the owner API to this client: use the Fleet API or Teslemetry, see tesla.base_url"
	case strings.Contains(strings.ToLower(said), "scope"):
		return "the authorization lacks the scopes energy_device_data and energy_cmds, or one of them: " + c.auth.Advice
	}
	return ""
}

func (c *Client) send(ctx context.Context, q request, token devices.Secret) (cloud.Reply, error) {
	method, body := http.MethodGet, []byte(nil)
	if q.write {
		var err error
		if body, err = json.Marshal(q.body); err != nil {
			return cloud.Reply{}, refused(q.op, err)
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+q.path, bytes.NewReader(body))
	if err != nil {
		return cloud.Reply{}, refused(q.op, errors.New("the address cannot be made"))
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Content-Type", "application/json") // without it a POST is refused with 406
	req.Header.Set("Accept", "application/json")
	reply, err := cloud.Do(c.http, vendor, q.op, req)
	if bytes.Contains(reply.Body, []byte(token.Reveal())) { // gateways quote what they refuse
		reply.Body = []byte(cloud.Hide(string(reply.Body), token))
	}
	return reply, err
}

// envelope wraps every answer.
type envelope struct {
	Response    json.RawMessage `json:"response"`
	Error       json.RawMessage `json:"error"`
	Description string          `json:"error_description"`
}

// word returns Tesla's own description of an error.
func word(body []byte) string {
	var e envelope
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	var s string
	if json.Unmarshal(e.Error, &s) != nil {
		return ""
	}
	return strings.TrimSpace(s + " " + e.Description)
}

// answer is an answer whose response has a known form.
type answer[T any] struct {
	Response *T              `json:"response"`
	Error    json.RawMessage `json:"error"`
}

// parse decodes an answer. If only some field has the wrong form, the others are
// returned along with the error.
func parse[T any](body []byte) (a answer[T], err error) {
	err = json.Unmarshal(body, &a)
	return a, err
}

// ErrUnregistered is Tesla's refusal to serve an app that is not registered in
// the region of the base URL.
var ErrUnregistered = errors.New("the app is not registered in this region: run powermgr auth tesla, which registers it")

// status returns an error that says what an unsuccessful status means and what to do.
func (c *Client) status(ctx context.Context, q request, r cloud.Reply) error {
	said := word(r.Body)
	e := cloud.StatusError(vendor, q.op, r, q.write, said)
	advice, asked := "", error(nil) // asked: why Tesla did not answer a request made for the advice
	if r.Status == http.StatusPreconditionFailed {
		e.Err = fmt.Errorf("%w: %w", e.Err, ErrUnregistered)
	}
	switch r.Status {
	case http.StatusPaymentRequired:
		advice = "the app's billing limit is reached: look at developer.tesla.com"
	case http.StatusForbidden:
		e.Kind = devices.Unauthorized
		advice = c.forbidden(said)
	case http.StatusNotFound:
		advice, asked = c.unknownSite(ctx, q)
	case http.StatusMisdirectedRequest:
		advice, asked = c.otherRegion(ctx, q)
	}
	// The next read has to wait as long as Tesla says, whatever this request has met.
	if limit, ok := errors.AsType[*devices.Error](asked); ok && limit.Kind == devices.Throttled && !q.write {
		return limit
	}
	c.limit.Met(asked, c.now())
	if advice != "" {
		e.Err = fmt.Errorf("%w: %s", e.Err, advice)
	}
	return e
}

// Access returns the access token for the next call.
func (c *Client) Access(ctx context.Context) (devices.Secret, error) { return c.auth.Token(ctx) }

// accepted checks the answer to a write. Several forms of success are in use:
// {"code":201}, {"Code":200}, "" and no body at all; and a refusal can come with status
// 200.
func accepted(op string, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	var e envelope
	if json.Unmarshal(body, &e) != nil {
		return &devices.Error{Vendor: vendor, Op: op, Kind: devices.Nonsense, MaybeDone: true, Err: errors.New("the answer is not JSON")}
	}
	if truthy(e.Error) {
		return refused(op, errors.New(cloud.Line(word(body))))
	}
	var inner struct {
		Code   *float64 `json:"code"`
		Result *bool    `json:"result"`
		Reason string   `json:"reason"`
		Text   string   `json:"message"`
	}
	if len(e.Response) > 0 && e.Response[0] == '{' && json.Unmarshal(e.Response, &inner) != nil {
		return &devices.Error{Vendor: vendor, Op: op, Kind: devices.Nonsense, MaybeDone: true, Err: errors.New("the answer has a form that is not known")}
	}
	if inner.Result != nil && !*inner.Result || inner.Code != nil && (*inner.Code < 200 || *inner.Code > 299) {
		return refused(op, fmt.Errorf("Tesla says no: %s", cloud.Line(inner.Reason+" "+inner.Text)))
	}
	return nil
}

func truthy(raw json.RawMessage) bool {
	switch strings.TrimSpace(string(raw)) {
	case "", "null", `""`, "false", "0", "{}", "[]":
		return false
	}
	return true
}

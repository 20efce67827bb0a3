// Package resideo reads and sets thermostats through the Honeywell Home API of
// Resideo, developer.honeywellhome.com: OAuth with a single consent by a person, one
// call that shows every thermostat, and writes that the cloud queues and carries out
// seconds to a minute later.
//
// It promises that a write changes what was asked for and nothing else: it reads first,
// completes the command, keeps the current hold, never sends a value that the device
// would round, and sends nothing that the device would not allow. It calls the API no
// more than necessary, since a key has some 240 calls an hour, and it neither polls nor
// retries by itself.
//
// Facts come from the vendor's pages, from what public clients of the API (those of
// Home Assistant, Homebridge and Hubitat) do, and from what their users report.
package resideo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// DefaultBaseURL is the API. Its older host, api.honeywell.com, has had no
// valid certificate since May 2026.
const DefaultBaseURL = "https://api.honeywellhome.com"

const (
	vendor    = "resideo"
	timeout   = 30 * time.Second // of one request
	listAgain = 10 * time.Minute // the shortest time between lists, for an unknown id
)

// Options describe the account to use.
type Options struct {
	BaseURL      string         // empty: DefaultBaseURL. Without TLS only on loopback
	ClientID     string         // the app's consumer key; required
	ClientSecret devices.Secret // the app's consumer secret; required

	// TokenFile stores the authorization, mode 0600. Empty: it is kept only in memory,
	// and Exchange has to be called first.
	TokenFile string

	// Location is the time zone of locations that name no known one. nil: time.Local.
	Location *time.Location

	HTTP  *http.Client     // nil: the client makes its own
	Now   func() time.Time // nil: time.Now
	Sleep cloud.Sleep      // nil: cloud.RealSleep
	Log   *slog.Logger     // nil: no logging
}

// Client is a client for one account. Its methods may be called from several
// goroutines; commands are carried out one at a time.
type Client struct {
	base  *url.URL
	id    string
	key   devices.Secret
	oauth *cloud.OAuth
	http  *http.Client
	home  *time.Location
	now   func() time.Time
	sleep cloud.Sleep
	log   *slog.Logger

	commands chan struct{}   // of capacity 1; filled by the command in progress
	limit    cloud.ReadLimit // on reads, for commands that did without one

	listing struct {
		mu sync.Mutex
		listing
	}

	mu       sync.Mutex
	places   map[string]place      // by topic id, as last read
	listed   time.Time             // when the list was last read
	ids      []string              // of the thermostats in the last list
	sure     bool                  // ids has all thermostats of the account
	problems devices.KnownProblems // of a thermostat or a time zone, by its name
	writes   map[string]write      // the last write to a thermostat, by topic id
}

// New returns a client for the account. It sends nothing. The error names the invalid
// option.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	base, err := cloud.BaseURL(o.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("resideo: " + err.Error())
	case strings.TrimSpace(o.ClientID) == "" || o.ClientSecret == "":
		return nil, errors.New("resideo: the API needs honeywell.client_id and honeywell.client_secret: make an app at https://developer.honeywellhome.com")
	}
	c := &Client{
		base: base, id: strings.TrimSpace(o.ClientID), key: o.ClientSecret, http: o.HTTP, home: o.Location, now: o.Now, sleep: o.Sleep, log: o.Log,
		commands: make(chan struct{}, 1), places: map[string]place{}, writes: map[string]write{},
	}
	if c.home == nil {
		c.home = time.Local
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = cloud.RealSleep
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.http == nil {
		c.http = &http.Client{Timeout: timeout}
	}
	c.oauth = &cloud.OAuth{
		Vendor: vendor, TokenURL: base.JoinPath("oauth2/token").String(), ClientID: c.id, ClientSecret: o.ClientSecret,
		Style: cloud.BasicAuth, Advice: "run powermgr auth honeywell", File: cloud.TokenFile{Path: o.TokenFile}, HTTP: c.http, Now: c.now,
	}
	return c, nil
}

// AuthorizeURL returns the page on which the owner logs in, consents and ticks the
// thermostats. The vendor then sends the browser to redirect with a code and state in
// the query; redirect has to be exactly the callback URL of the app.
func (c *Client) AuthorizeURL(state, redirect string) string {
	u := c.base.JoinPath("oauth2/authorize")
	u.RawQuery = url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {redirect}, "state": {state},
	}.Encode()
	return u.String()
}

// Exchange exchanges the code of a consent for an authorization and stores that in the
// token file. A code is valid once and for a few minutes.
func (c *Client) Exchange(ctx context.Context, code, redirect string) error {
	err := c.clean(c.oauth.Exchange(ctx, code, redirect, nil))
	var e *devices.Error
	if errors.As(err, &e) && !e.MayRetry() {
		e.Err = fmt.Errorf("%w: a code is good once and for minutes, and the redirect has to be the app's callback URL: run powermgr auth honeywell again", e.Err)
	}
	return err
}

// Close ends the use of the authorization. It waits, until ctx ends, for the answer to
// a refresh in progress, which may hold the only refresh token that still works.
func (c *Client) Close(ctx context.Context) error { return c.oauth.Close(ctx) }

// Read reads all thermostats of the account with one request. A thermostat with
// impossible figures is left out and logged once; if that leaves none, the error is
// Nonsense. Errors are *devices.Error.
func (c *Client) Read(ctx context.Context) ([]devices.ThermostatReading, error) {
	if err := c.limit.Err(c.now()); err != nil {
		return nil, err
	}
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	var readings []devices.ThermostatReading
	var first error
	for _, f := range all {
		c.logProblem(f.deviceID, "left a thermostat out: its figures cannot be true", f.err)
		if f.err == nil {
			readings = append(readings, f.reading)
		} else if first == nil {
			first = f.err
		}
	}
	if first != nil && len(readings) == 0 {
		return nil, failure(opRead, devices.Nonsense, first)
	}
	var none error
	if len(all) == 0 {
		none = errors.New("run powermgr auth honeywell again and tick the thermostats")
	}
	c.logProblem("account", "the account shows no thermostat", none)
	return readings, nil
}

// list reads all locations and remembers where each thermostat is.
func (c *Client) list(ctx context.Context) ([]found, error) {
	body, err := c.call(ctx, request{op: opRead, method: http.MethodGet, path: []string{"v2/locations"}})
	if err != nil {
		return nil, err
	}
	c.listing.mu.Lock()
	all, err := c.listing.parse(body, c.now(), c.zone)
	c.listing.mu.Unlock()
	if err != nil {
		return nil, failure(opRead, devices.Nonsense, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.places) > 4*maxThermostats {
		clear(c.places)
	}
	c.ids, c.sure = nil, len(all) < maxThermostats
	for _, f := range all {
		if plainID(f.deviceID) {
			c.ids = append(c.ids, f.deviceID)
		} else {
			c.sure = false
		}
	}
	for _, f := range all { // one that is missing today may be back tomorrow
		if f.usable {
			c.places[devices.TopicID(f.deviceID)] = f.place
		}
	}
	c.listed = c.now()
	return all, nil
}

// Listed returns the ids of the thermostats in the API's last list, readable or not.
// sure is false before the first list, for a list that was truncated, and for one with
// a thermostat whose id makes no sense.
func (c *Client) Listed() (ids []string, sure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids, c.sure
}

// zone returns the time zone of a location.
func (c *Client) zone(iana string) *time.Location {
	if iana != "Local" && iana == c.home.String() {
		return c.home // nearly always
	}
	home, err := time.LoadLocation(iana)
	if iana == "" || iana == "Local" {
		err = errors.New("it names none")
	}
	c.logProblem("zone "+iana, "a location's time zone is not known: using the configured one", err)
	if err != nil {
		return c.home
	}
	return home
}

// logProblem logs a problem with what once, and again only when it has changed.
func (c *Client) logProblem(what, message string, problem error) {
	text := ""
	if problem != nil {
		text = problem.Error()
	}
	what = devices.Label(what)
	if c.problems.Changed(what, text) && problem != nil {
		c.log.Warn(message, "what", what, "problem", cloud.Line(text))
	}
}

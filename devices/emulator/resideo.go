package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ResideoOptions say how the emulated Honeywell Home API behaves; zero fields have the
// usual values.
type ResideoOptions struct {
	ClientID     string        // of the app, also its apikey: "emulator-client"
	ClientSecret string        // "emulator-client-secret"
	RefreshToken string        // the first one: "emulator-resideo-refresh"
	LocationID   int64         // 35202000168931, which needs 64 bits
	TokenLife    time.Duration // that expires_in says: 1799 s
	DiesAfter    time.Duration // when an issued token really expires: TokenLife
	Landing      [2]time.Duration
	// Landing is the shortest and the longest time between the acceptance of a command
	// and its arrival at the device: 2 and 20 s.

	HourlyCalls int // further calls within an hour are answered 429; 0: no limit
	RetryAfter  int // seconds, in the header of a 429; 0: no header, like the real API
}

type restState struct {
	tokens   tokens
	redirect string                // where the last consent was sent
	calls    []time.Time           // of the last hour
	stats    map[string]*restStats // by the thermostats' ids
}

// restStats is what the API knows about a thermostat and the device does not.
type restStats struct {
	mode     string    // the last requested mode, carried out or not; empty: none
	woken    time.Time // when it was last requested to leave Off
	partner  bool      // the last change came through the API
	paused   bool      // its schedule
	priority priority
}

type priority struct {
	Type  string `json:"priorityType"`
	Rooms []int  `json:"selectedRooms"`
}

func (o ResideoOptions) defaults() ResideoOptions {
	if o.ClientID == "" {
		o.ClientID = "emulator-client"
	}
	if o.ClientSecret == "" {
		o.ClientSecret = "emulator-client-secret"
	}
	if o.RefreshToken == "" {
		o.RefreshToken = "emulator-resideo-refresh"
	}
	if o.LocationID == 0 {
		o.LocationID = 35202000168931
	}
	if o.TokenLife == 0 {
		o.TokenLife = 1799 * time.Second
	}
	if o.DiesAfter == 0 {
		o.DiesAfter = o.TokenLife
	}
	if o.Landing == [2]time.Duration{} {
		o.Landing = [2]time.Duration{2 * time.Second, 20 * time.Second}
	}
	return o
}

func (c *Cloud) resideo(mux *http.ServeMux) {
	c.options.Resideo = c.options.Resideo.defaults()
	o := c.options.Resideo
	c.rest = restState{tokens: tokens{vendor: "resideo", life: o.TokenLife, dies: o.DiesAfter}, stats: map[string]*restStats{}}
	c.rest.tokens.seed("", o.RefreshToken)
	c.rest.tokens.seed("", o.RefreshToken+second)
	c.expiries["resideo"] = c.rest.tokens.expire
	c.handle(mux, "GET /oauth2/authorize", "resideo.authorize", c.restAuthorize)
	c.handle(mux, "POST /oauth2/token", "resideo.token", c.restToken)

	api := func(pattern, name string, f answerer) { c.handle(mux, pattern, "resideo."+name, c.restAuthorized(f)) }
	api("GET /v2/locations", "locations", c.restLocations)
	api("GET /v2/devices", "devices", c.restDevices)
	api("GET /v2/devices/thermostats", "thermostats", c.restThermostats)

	one := func(pattern, name string, f thermostatAnswerer) { api(pattern, name, c.restThermostat(f)) }
	const path = "/v2/devices/thermostats/{id}"
	one("GET "+path, "thermostat", c.restShow)
	one("POST "+path, "write", c.restWrite)
	one("GET "+path+"/fan", "fan", c.restFan)
	one("POST "+path+"/fan", "fan_write", c.restFanWrite)
	one("GET "+path+"/priority", "priority", c.restPriority)
	one("PUT "+path+"/priority", "priority_write", c.restPriorityWrite)
	one("GET "+path+"/thermostatconfiguration", "configuration", c.restConfiguration)
	one("GET /v2/devices/schedule/{id}/status", "schedule", c.restSchedule)
	one("PUT /v2/devices/schedule/{id}/status/{to}", "schedule_write", c.restScheduleWrite)
}

// refuse answers with a refusal, whose code is a string or a number.
func refuse(w http.ResponseWriter, status int, code any, message string) {
	reply(w, status, map[string]any{"code": code, "message": message})
}

// restAuthorized passes on requests with the app's key and a valid token, as often as
// the limit allows.
func (c *Cloud) restAuthorized(f answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, h *House) {
		o, now := c.options.Resideo, c.options.Now()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Query().Get("apikey") != o.ClientID || !c.rest.tokens.valid(token, now) {
			refuse(w, http.StatusUnauthorized, "Unauthorized", "Authorization has been denied for this request ")
			return
		}
		if o.HourlyCalls > 0 {
			for len(c.rest.calls) > 0 && now.Sub(c.rest.calls[0]) >= time.Hour {
				c.rest.calls = c.rest.calls[1:]
			}
			if len(c.rest.calls) >= o.HourlyCalls {
				if o.RetryAfter > 0 {
					w.Header().Set("Retry-After", fmt.Sprint(o.RetryAfter))
				}
				refuse(w, http.StatusTooManyRequests, "429.02.001", "rate limit has been exhausted")
				return
			}
			c.rest.calls = append(c.rest.calls, now)
		}
		f(w, r, h)
	}
}

// KillResideoTokens expires every access token early, as an Expire fault does; a refresh
// gets a new one.
func (c *Cloud) KillResideoTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest.tokens.expire()
}

// RevokeResideo revokes all tokens, as when a person withdraws the consent.
func (c *Cloud) RevokeResideo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest.tokens.revoke()
}

// restAuthorize grants the owner's consent at once.
func (c *Cloud) restAuthorize(w http.ResponseWriter, r *http.Request, _ *House) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !to.IsAbs() || q.Get("response_type") != "code" || q.Get("client_id") != c.options.Resideo.ClientID {
		refuse(w, http.StatusBadRequest, 400, "invalid_request")
		return
	}
	c.rest.redirect = q.Get("redirect_uri")
	back := to.Query()
	back.Set("code", c.rest.tokens.code(c.options.Now()))
	if q.Has("state") {
		back.Set("state", q.Get("state"))
	}
	to.RawQuery = back.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

// restToken issues tokens. Codes and refresh tokens are valid once.
func (c *Cloud) restToken(w http.ResponseWriter, r *http.Request, _ *House) {
	o, now := c.options.Resideo, c.options.Now()
	if id, secret, ok := r.BasicAuth(); !ok || id != o.ClientID || secret != o.ClientSecret {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	if err := r.ParseForm(); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	var access, refresh string
	ok := false
	switch form := r.PostForm; form.Get("grant_type") {
	case "authorization_code":
		if form.Get("redirect_uri") == c.rest.redirect {
			access, refresh, ok = c.rest.tokens.exchange(form.Get("code"), now)
		}
	case "refresh_token":
		access, refresh, ok = c.rest.tokens.rotate(form.Get("refresh_token"), now)
	}
	if !ok {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"access_token": access, "refresh_token": refresh,
		"expires_in": fmt.Sprint(int(o.TokenLife.Seconds())), "token_type": "Bearer", // a string, like the real API
	})
}

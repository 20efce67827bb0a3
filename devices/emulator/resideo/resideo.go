// Package resideo is the dialect of the Honeywell Home API, with its quirks.
package resideo

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/oauth"
)

// Options say how the emulated Honeywell Home API behaves; zero fields have the
// usual values.
type Options struct {
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

// API is the emulated Honeywell Home API. The cloud's lock guards it.
type API struct {
	oauth.Control

	cloud    *emulator.Cloud
	options  Options
	rand     *rand.Rand
	tokens   oauth.Tokens
	redirect string             // where the last consent was sent
	calls    []time.Time        // of the last hour
	records  map[string]*record // by the thermostats' ids
}

// record is what the API knows about a thermostat and the device does not.
type record struct {
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

func (o Options) defaults() Options {
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

// Kinds are the kinds of the endpoints; those that are not listed are reads.
var Kinds = map[string]emulator.Kind{
	"resideo.write":          emulator.KindWrite,
	"resideo.fan_write":      emulator.KindWrite,
	"resideo.priority_write": emulator.KindWrite,
	"resideo.schedule_write": emulator.KindWrite,
	"resideo.authorize":      emulator.KindLogIn,
	"resideo.token":          emulator.KindLogIn,
}

// Serve puts the Honeywell Home API on a cloud.
func Serve(c *emulator.Cloud, o Options) *API {
	o = o.defaults()
	a := &API{cloud: c, options: o, rand: rand.New(rand.NewPCG(c.Seed(), 0x706f776572)), records: map[string]*record{}}
	a.tokens = oauth.Tokens{Vendor: "resideo", Life: o.TokenLife, Dies: o.DiesAfter}
	a.Control = oauth.ControlOf(&a.tokens, c)
	a.tokens.Seed("", o.RefreshToken)
	c.Add(emulator.Vendor{Name: "resideo", Kinds: Kinds, Expire: a.tokens.Expire})
	c.Handle("GET /oauth2/authorize", "resideo.authorize", a.authorize)
	c.Handle("POST /oauth2/token", "resideo.token", a.token)

	api := func(pattern, name string, f emulator.Answerer) {
		c.Handle(pattern, "resideo."+name, a.authorized(f))
	}
	api("GET /v2/locations", "locations", a.locations)
	api("GET /v2/devices", "devices", a.devices)
	api("GET /v2/devices/thermostats", "thermostats", a.thermostats)

	one := func(pattern, name string, f thermostatAnswerer) {
		api(pattern, name, a.thermostat(f))
	}
	const path = "/v2/devices/thermostats/{id}"
	one("GET "+path, "thermostat", a.show)
	one("POST "+path, "write", a.write)
	one("GET "+path+"/fan", "fan", a.fan)
	one("POST "+path+"/fan", "fan_write", a.writeFan)
	one("GET "+path+"/priority", "priority", a.priority)
	one("PUT "+path+"/priority", "priority_write", a.writePriority)
	one("GET "+path+"/thermostatconfiguration", "configuration", a.configuration)
	one("GET /v2/devices/schedule/{id}/status", "schedule", a.schedule)
	one("PUT /v2/devices/schedule/{id}/status/{to}", "schedule_write", a.writeSchedule)
	return a
}

// refuse answers with a refusal, whose code is a string or a number.
func refuse(w http.ResponseWriter, status int, code any, message string) {
	emulator.Reply(w, status, map[string]any{"code": code, "message": message})
}

// authorized passes on requests with the app's key and a valid token, as often as
// the limit allows.
func (a *API) authorized(f emulator.Answerer) emulator.Answerer {
	return func(w http.ResponseWriter, r *http.Request, h *emulator.House) {
		o, now := a.options, a.cloud.Now()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Query().Get("apikey") != o.ClientID || !a.tokens.Valid(token, now) {
			refuse(w, http.StatusUnauthorized, "Unauthorized", "Authorization has been denied for this request ")
			return
		}
		if o.HourlyCalls > 0 {
			for len(a.calls) > 0 && now.Sub(a.calls[0]) >= time.Hour {
				a.calls = a.calls[1:]
			}
			if len(a.calls) >= o.HourlyCalls {
				if o.RetryAfter > 0 {
					w.Header().Set("Retry-After", fmt.Sprint(o.RetryAfter))
				}
				refuse(w, http.StatusTooManyRequests, "429.02.001", "rate limit has been exhausted")
				return
			}
			a.calls = append(a.calls, now)
		}
		f(w, r, h)
	}
}

// authorize grants the owner's consent at once.
func (a *API) authorize(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !to.IsAbs() || q.Get("response_type") != "code" || q.Get("client_id") != a.options.ClientID {
		refuse(w, http.StatusBadRequest, 400, "invalid_request")
		return
	}
	a.redirect = q.Get("redirect_uri")
	back := to.Query()
	back.Set("code", a.tokens.Code(a.cloud.Now()))
	if q.Has("state") {
		back.Set("state", q.Get("state"))
	}
	to.RawQuery = back.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

// token issues tokens. Codes and refresh tokens are valid once.
func (a *API) token(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	o, now := a.options, a.cloud.Now()
	if id, secret, ok := r.BasicAuth(); !ok || id != o.ClientID || secret != o.ClientSecret {
		emulator.Reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	if err := r.ParseForm(); err != nil {
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	var access, refresh string
	ok := false
	switch form := r.PostForm; form.Get("grant_type") {
	case "authorization_code":
		if form.Get("redirect_uri") == a.redirect {
			access, refresh, ok = a.tokens.Exchange(form.Get("code"), now)
		}
	case "refresh_token":
		access, refresh, ok = a.tokens.Rotate(form.Get("refresh_token"), now)
	}
	if !ok {
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	emulator.Reply(w, http.StatusOK, map[string]any{
		"access_token": access, "refresh_token": refresh,
		"expires_in": fmt.Sprint(int(o.TokenLife.Seconds())), "token_type": "Bearer", // a string, like the real API
	})
}

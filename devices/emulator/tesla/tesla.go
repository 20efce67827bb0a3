// Package tesla is the dialect of Tesla's Fleet API, with its quirks.
package tesla

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/oauth"
)

// Options say how the emulated Fleet API behaves; zero fields have the usual
// values.
type Options struct {
	SiteID       int64         // 1234567890123
	AccessToken  string        // valid until tokens are killed: "emulator-access"
	RefreshToken string        // the first one: "emulator-refresh"
	TokenLife    time.Duration // that expires_in says: 8 h
	DiesAfter    time.Duration // when an issued token really expires: TokenLife
	Grace        time.Duration // for how long a rotated refresh token still works: not at all
	Refresh      time.Duration // how often the figures in live_status are refreshed: 30 s
	History      HistoryQuirks // of calendar_history
	NoPowerwall  bool          // the account has none
	App          *App          // nil: every app counts as registered
	Tariff       string        // the JSON of tariff_content_v2; empty: none is set in the app
}

// API is the emulated Fleet API. The cloud's lock guards it.
type API struct {
	oauth.Control

	cloud   *emulator.Cloud
	options Options
	tokens  oauth.Tokens
	app     appState
	writes  int
	live    *wireLive // the figures of the last refresh
	liveAt  time.Time
}

func (o Options) defaults() Options {
	if o.SiteID == 0 {
		o.SiteID = 1234567890123
	}
	if o.AccessToken == "" {
		o.AccessToken = "emulator-access"
	}
	if o.RefreshToken == "" {
		o.RefreshToken = "emulator-refresh"
	}
	if o.TokenLife == 0 {
		o.TokenLife = 8 * time.Hour
	}
	if o.DiesAfter == 0 {
		o.DiesAfter = o.TokenLife
	}
	if o.Refresh == 0 {
		o.Refresh = 30 * time.Second
	}
	o.App = o.App.orDefaults()
	return o
}

// Kinds are the kinds of the endpoints; those that are not listed are reads.
var Kinds = map[string]emulator.Kind{
	"tesla.backup":             emulator.KindWrite,
	"tesla.operation":          emulator.KindWrite,
	"tesla.storm_mode":         emulator.KindWrite,
	"tesla.grid_import_export": emulator.KindWrite,
	"tesla.register":           emulator.KindLogIn,
	"tesla.public_key":         emulator.KindLogIn,
	"tesla.hosted_key":         emulator.KindLogIn,
	"tesla.authorize":          emulator.KindLogIn,
	"tesla.token":              emulator.KindLogIn,
}

// Serve puts Fleet API on a cloud.
func Serve(c *emulator.Cloud, o Options) *API {
	o = o.defaults()
	a := &API{cloud: c, options: o, app: appState{registered: map[string]bool{}}}
	a.tokens = oauth.Tokens{Vendor: "tesla", Life: o.TokenLife, Dies: o.DiesAfter, Grace: o.Grace}
	a.Control = oauth.ControlOf(&a.tokens, c)
	a.tokens.Seed(o.AccessToken, o.RefreshToken)
	c.Add(emulator.Vendor{Name: "tesla", Kinds: Kinds, Expire: a.tokens.Expire})
	a.appRoutes()
	c.Handle("GET /oauth2/v3/authorize", "tesla.authorize", a.authorize)
	c.Handle("POST /oauth2/v3/token", "tesla.token", a.token)
	c.Handle("GET /status", "tesla.status", func(w http.ResponseWriter, _ *http.Request, _ *emulator.House) { _, _ = io.WriteString(w, "ok") })
	get := func(path, name string, f emulator.Answerer) {
		c.Handle("GET "+path, "tesla."+name, a.authorized(f))
	}
	get("/api/1/products", "products", a.products)
	get("/api/1/users/region", "region", a.region)
	get("/api/1/energy_sites/{site}/live_status", "live_status", a.site(a.liveStatus))
	get("/api/1/energy_sites/{site}/site_info", "site_info", a.site(a.siteInfo))
	get("/api/1/energy_sites/{site}/calendar_history", "calendar_history", a.site(a.history))
	for name, parse := range map[string]parser{"backup": setReserve, "operation": setMode, "storm_mode": setStorm, "grid_import_export": setGrid} {
		c.Handle("POST /api/1/energy_sites/{site}/"+name, "tesla."+name, a.authorized(a.site(a.write(name, parse))))
	}
	c.Control("POST /emulator/history", func(body []byte) (any, error) {
		var q HistoryQuirks
		if err := emulator.Decode(body, &q); err != nil {
			return nil, err
		}
		a.SetHistory(q)
		return q, nil
	})
	return a
}

// envelope writes an answer in the envelope that all of them have.
func envelope(w http.ResponseWriter, status int, response any, problem string) {
	body := struct {
		Response    any     `json:"response"`
		Error       string  `json:"error,omitempty"`
		Description *string `json:"error_description,omitempty"`
	}{Response: response, Error: problem}
	if problem != "" {
		body.Description = new(string)
	}
	w.Header().Set("X-TxId", "emulated")
	emulator.Reply(w, status, body)
}

func (a *API) authorized(f emulator.Answerer) emulator.Answerer {
	return func(w http.ResponseWriter, r *http.Request, h *emulator.House) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !a.tokens.Valid(token, a.cloud.Now()) {
			w.WriteHeader(http.StatusUnauthorized) // often without a body
			return
		}
		if !a.appServes(w, r, token) {
			return
		}
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			envelope(w, http.StatusNotAcceptable, nil, "not acceptable: the Content-Type must be application/json")
			return
		}
		f(w, r, h)
	}
}

func (a *API) site(f emulator.Answerer) emulator.Answerer {
	return func(w http.ResponseWriter, r *http.Request, h *emulator.House) {
		switch id, err := strconv.ParseInt(r.PathValue("site"), 10, 64); {
		case err != nil:
			envelope(w, http.StatusBadRequest, nil, "invalid_request")
		case id == zombieSite:
			envelope(w, http.StatusInternalServerError, nil, "upstream internal error")
		case id != a.options.SiteID:
			envelope(w, http.StatusNotFound, nil, "not_found")
		default:
			f(w, r, h)
		}
	}
}

func (a *API) authorize(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("redirect_uri") == "" || q.Get("response_type") != "code" || q.Get("client_id") == "" {
		http.Error(w, "We don't recognize this request.", http.StatusBadRequest)
		return
	}
	if problem := a.appConsent(q.Get("client_id"), q.Get("redirect_uri"), q.Get("scope")); problem != "" {
		http.Error(w, problem, http.StatusBadRequest)
		return
	}
	back := to.Query()
	back.Set("code", a.tokens.Code(a.cloud.Now()))
	back.Set("state", q.Get("state"))
	to.RawQuery = back.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

func (a *API) token(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("client_id") == "" {
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "client_id is missing"})
		return
	}
	var access, refresh string
	var ok bool
	now := a.cloud.Now()
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		if a.appKnows(w, r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")) {
			a.partnerToken(w, r.PostForm.Get("audience"))
		}
		return
	case "authorization_code":
		if !a.appKnows(w, r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")) {
			return
		}
		access, refresh, ok = a.tokens.Exchange(r.PostForm.Get("code"), now)
	case "refresh_token":
		access, refresh, ok = a.tokens.Rotate(r.PostForm.Get("refresh_token"), now)
	default:
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	if !ok {
		emulator.Reply(w, http.StatusUnauthorized, map[string]string{
			"error": "login_required", "error_description": "The refresh_token is invalid", "referenceID": "emulated",
		})
		return
	}
	emulator.Reply(w, http.StatusOK, map[string]any{
		"access_token": a.scoped(access, now), "refresh_token": refresh, "id_token": "emulated", "expires_in": int(a.options.TokenLife.Seconds()), "token_type": "Bearer",
	})
}

// zombieSite is a site whose gateway was replaced; it stays listed.
const zombieSite = 98765

func (a *API) products(w http.ResponseWriter, _ *http.Request, h *emulator.House) {
	truth := h.Truth()
	products := []any{
		map[string]any{"id": 1234, "vehicle_id": 1234, "vin": "LRW3F7EK4NC700000", "display_name": "Emulated", "state": "asleep"},
		map[string]any{
			"energy_site_id": a.options.SiteID, "resource_type": "battery", "site_name": "Emulated home", "id": "ABC123", "gateway_id": "ABC123",
			"energy_left": h.Stored, "total_pack_energy": h.Options().CapacityWh, "percentage_charged": truth.ChargePercent,
			"battery_type": "ac_powerwall", "backup_capable": true, "battery_power": truth.BatteryW, "storm_mode_enabled": h.StormWatch,
			"components": map[string]any{"battery": true, "battery_type": "ac_powerwall", "solar": true, "grid": true, "load_meter": true},
		},
		map[string]any{
			"energy_site_id": zombieSite, "resource_type": "battery", "id": "OLD", "components": map[string]any{"battery": false, "solar": false, "grid": false},
		},
	}
	if a.options.NoPowerwall {
		products = products[:1]
	}
	envelope(w, http.StatusOK, products, "")
}

func (a *API) region(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	host := r.Host
	if app := a.options.App; app != nil && app.Region != "" {
		host = app.Region
	}
	envelope(w, http.StatusOK, map[string]any{"region": "na", "fleet_api_base_url": "http://" + host}, "")
}

func (a *API) liveStatus(w http.ResponseWriter, _ *http.Request, h *emulator.House) {
	if h.IsPast() {
		envelope(w, http.StatusOK, liveOf(h), "")
		return
	}
	if a.live == nil || h.Now().Sub(a.liveAt) >= a.options.Refresh || h.Now().Before(a.liveAt) {
		a.live, a.liveAt = liveOf(h), h.Now()
	}
	envelope(w, http.StatusOK, a.live, "")
}

func (a *API) siteInfo(w http.ResponseWriter, _ *http.Request, h *emulator.House) {
	info := infoOf(h)
	if a.options.Tariff != "" {
		info.Tariff = json.RawMessage(a.options.Tariff)
	}
	envelope(w, http.StatusOK, info, "")
}

// A parser understands the body of a write: it returns the values for the log, what to do,
// and what is wrong with the request.
type parser func(h *emulator.House, body map[string]json.RawMessage) (values map[string]any, do func(), problem string)

// write answers a write.
func (a *API) write(name string, parse parser) emulator.Answerer {
	messages := map[string]string{"backup": "Backup reserve updated", "operation": "Operation mode updated", "storm_mode": "Storm mode updated"}
	return func(w http.ResponseWriter, r *http.Request, h *emulator.House) {
		var body map[string]json.RawMessage
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			envelope(w, http.StatusBadRequest, nil, "invalid_request")
			return
		}
		values, do, problem := parse(h, body)
		if problem != "" {
			envelope(w, http.StatusBadRequest, nil, problem)
			return
		}
		h.CommandPowerwall(values, do)
		a.writes++
		switch {
		case name == "grid_import_export" && a.writes%2 == 0:
			w.WriteHeader(http.StatusNoContent)
		case name == "grid_import_export":
			envelope(w, http.StatusOK, "", "")
		case a.writes%2 == 0:
			envelope(w, http.StatusOK, map[string]any{"code": 201, "message": "Updated"}, "")
		default:
			envelope(w, http.StatusOK, map[string]any{"Message": messages[name], "Code": 200}, "")
		}
	}
}

func setReserve(h *emulator.House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	var percent int
	if json.Unmarshal(body["backup_reserve_percent"], &percent) != nil || percent < 0 || percent > 100 {
		return nil, nil, "invalid_field"
	}
	return map[string]any{"reserve": percent}, func() { h.SetReserve(percent) }, ""
}

func setMode(h *emulator.House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	var mode devices.Mode
	if json.Unmarshal(body["default_real_mode"], &mode) != nil || (mode != devices.SelfConsumption && mode != devices.Autonomous && mode != devices.Backup) {
		return nil, nil, "invalid_field"
	}
	return map[string]any{"mode": string(mode)}, func() { h.Mode = mode }, ""
}

func setStorm(h *emulator.House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	var on bool
	if json.Unmarshal(body["enabled"], &on) != nil {
		return nil, nil, "invalid_field"
	}
	return map[string]any{"storm_watch": on}, func() { h.StormWatch = on }, ""
}

func setGrid(h *emulator.House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	values, do := map[string]any{}, []func(){}
	if raw, ok := body["disallow_charge_from_grid_with_solar_installed"]; ok {
		var no bool
		if json.Unmarshal(raw, &no) != nil {
			return nil, nil, "invalid_field"
		}
		values["grid_charging"] = !no
		do = append(do, func() { h.GridCharging = !no })
	}
	if raw, ok := body["customer_preferred_export_rule"]; ok {
		var rule devices.ExportRule
		if json.Unmarshal(raw, &rule) != nil || (rule != devices.ExportAll && rule != devices.ExportSolar && rule != devices.ExportNone) {
			return nil, nil, "invalid_field"
		}
		values["export_rule"] = string(rule)
		do = append(do, func() { h.ExportRule = rule })
	}
	if len(do) == 0 {
		return nil, nil, "invalid_request"
	}
	return values, func() {
		for _, f := range do {
			f()
		}
	}, ""
}

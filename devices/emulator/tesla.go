package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

// TeslaOptions say how the emulated Fleet API behaves; zero fields have the usual
// values.
type TeslaOptions struct {
	SiteID       int64         // 1234567890123
	AccessToken  string        // valid until tokens are killed: "emulator-access"
	RefreshToken string        // the first one: "emulator-refresh"
	TokenLife    time.Duration // that expires_in says: 8 h
	DiesAfter    time.Duration // when an issued token really expires: TokenLife
	Grace        time.Duration // for how long a rotated refresh token still works: not at all
	Refresh      time.Duration // how often the figures in live_status are refreshed: 30 s
	History      HistoryQuirks // of calendar_history
	NoPowerwall  bool          // the account has none
	App          *TeslaApp     // nil: every app counts as registered
	Tariff       string        // the JSON of tariff_content_v2; empty: none is set in the app
}

type teslaState struct {
	tokens tokens
	app    appState
	writes int
	live   *wireLive // the figures of the last refresh
	liveAt time.Time
}

func (o TeslaOptions) defaults() TeslaOptions {
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
	return o
}

func (c *Cloud) teslaRoutes(mux *http.ServeMux) {
	c.options.Tesla = c.options.Tesla.defaults()
	c.options.Tesla.App = c.options.Tesla.App.orDefaults()
	o := c.options.Tesla
	c.tesla.app.registered = map[string]bool{}
	c.appRoutes(mux)
	c.tesla.tokens = tokens{vendor: "tesla", life: o.TokenLife, dies: o.DiesAfter, grace: o.Grace}
	c.tesla.tokens.seed(o.AccessToken, o.RefreshToken)
	c.tesla.tokens.seed(o.AccessToken+second, o.RefreshToken+second)
	c.expiries["tesla"] = c.tesla.tokens.expire
	c.handle(mux, "GET /oauth2/v3/authorize", "tesla.authorize", c.teslaAuthorize)
	c.handle(mux, "POST /oauth2/v3/token", "tesla.token", c.teslaToken)
	c.handle(mux, "GET /status", "tesla.status", func(w http.ResponseWriter, _ *http.Request, _ *House) { _, _ = io.WriteString(w, "ok") })
	get := func(path, name string, f answerer) { c.handle(mux, "GET "+path, "tesla."+name, c.teslaAuthorized(f)) }
	get("/api/1/products", "products", c.teslaProducts)
	get("/api/1/users/region", "region", c.teslaRegion)
	get("/api/1/energy_sites/{site}/live_status", "live_status", c.teslaSite(c.teslaLive))
	get("/api/1/energy_sites/{site}/site_info", "site_info", c.teslaSite(c.teslaInfo))
	get("/api/1/energy_sites/{site}/calendar_history", "calendar_history", c.teslaSite(c.teslaHistory))
	for name, f := range map[string]func(*House, map[string]json.RawMessage) (map[string]any, func(), string){
		"backup": c.setReserve, "operation": c.setMode, "storm_mode": c.setStorm, "grid_import_export": c.setGrid,
	} {
		c.handle(mux, "POST /api/1/energy_sites/{site}/"+name, "tesla."+name, c.teslaAuthorized(c.teslaSite(c.teslaWrite(name, f))))
	}
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
	reply(w, status, body)
}

func (c *Cloud) teslaAuthorized(f answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, h *House) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !c.tesla.tokens.valid(token, c.options.Now()) {
			w.WriteHeader(http.StatusUnauthorized) // often without a body
			return
		}
		if !c.appServes(w, r, token) {
			return
		}
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			envelope(w, http.StatusNotAcceptable, nil, "not acceptable: the Content-Type must be application/json")
			return
		}
		f(w, r, h)
	}
}

func (c *Cloud) teslaSite(f answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, h *House) {
		switch id, err := strconv.ParseInt(r.PathValue("site"), 10, 64); {
		case err != nil:
			envelope(w, http.StatusBadRequest, nil, "invalid_request")
		case id == zombieSite:
			envelope(w, http.StatusInternalServerError, nil, "upstream internal error")
		case id != c.options.Tesla.SiteID:
			envelope(w, http.StatusNotFound, nil, "not_found")
		default:
			f(w, r, h)
		}
	}
}

// KillTeslaTokens expires every access token early, as an Expire fault does; a refresh
// gets a new one.
func (c *Cloud) KillTeslaTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tesla.tokens.expire()
}

// RevokeTesla revokes all tokens, as when a person withdraws the consent.
func (c *Cloud) RevokeTesla() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tesla.tokens.revoke()
}

func (c *Cloud) teslaAuthorize(w http.ResponseWriter, r *http.Request, _ *House) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("redirect_uri") == "" || q.Get("response_type") != "code" || q.Get("client_id") == "" {
		http.Error(w, "We don't recognize this request.", http.StatusBadRequest)
		return
	}
	if problem := c.appConsent(q.Get("client_id"), q.Get("redirect_uri"), q.Get("scope")); problem != "" {
		http.Error(w, problem, http.StatusBadRequest)
		return
	}
	back := to.Query()
	back.Set("code", c.tesla.tokens.code(c.options.Now()))
	back.Set("state", q.Get("state"))
	to.RawQuery = back.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

func (c *Cloud) teslaToken(w http.ResponseWriter, r *http.Request, _ *House) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("client_id") == "" {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "client_id is missing"})
		return
	}
	var access, refresh string
	var ok bool
	now := c.options.Now()
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		if c.appKnows(w, r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")) {
			c.partnerToken(w, r.PostForm.Get("audience"))
		}
		return
	case "authorization_code":
		if !c.appKnows(w, r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")) {
			return
		}
		access, refresh, ok = c.tesla.tokens.exchange(r.PostForm.Get("code"), now)
	case "refresh_token":
		access, refresh, ok = c.tesla.tokens.rotate(r.PostForm.Get("refresh_token"), now)
	default:
		reply(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	if !ok {
		reply(w, http.StatusUnauthorized, map[string]string{
			"error": "login_required", "error_description": "The refresh_token is invalid", "referenceID": "emulated",
		})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"access_token": c.scoped(access, now), "refresh_token": refresh, "id_token": "emulated", "expires_in": int(c.options.Tesla.TokenLife.Seconds()), "token_type": "Bearer",
	})
}

// zombieSite is a site whose gateway was replaced; it stays listed.
const zombieSite = 98765

func (c *Cloud) teslaProducts(w http.ResponseWriter, _ *http.Request, h *House) {
	products := []any{
		map[string]any{"id": 1234, "vehicle_id": 1234, "vin": "LRW3F7EK4NC700000", "display_name": "Emulated", "state": "asleep"},
		map[string]any{
			"energy_site_id": c.options.Tesla.SiteID, "resource_type": "battery", "site_name": "Emulated home", "id": "ABC123", "gateway_id": "ABC123",
			"energy_left": h.Stored, "total_pack_energy": h.options.CapacityWh, "percentage_charged": h.charge(),
			"battery_type": "ac_powerwall", "backup_capable": true, "battery_power": h.flows.battery, "storm_mode_enabled": h.StormWatch,
			"components": map[string]any{"battery": true, "battery_type": "ac_powerwall", "solar": true, "grid": true, "load_meter": true},
		},
		map[string]any{
			"energy_site_id": zombieSite, "resource_type": "battery", "id": "OLD", "components": map[string]any{"battery": false, "solar": false, "grid": false},
		},
	}
	if c.options.Tesla.NoPowerwall {
		products = products[:1]
	}
	envelope(w, http.StatusOK, products, "")
}

func (h *House) charge() float64 { return h.Stored / h.options.CapacityWh * 100 }

func (c *Cloud) teslaRegion(w http.ResponseWriter, r *http.Request, _ *House) {
	host := r.Host
	if app := c.options.Tesla.App; app != nil && app.Region != "" {
		host = app.Region
	}
	envelope(w, http.StatusOK, map[string]any{"region": "na", "fleet_api_base_url": "http://" + host}, "")
}

func (c *Cloud) teslaLive(w http.ResponseWriter, _ *http.Request, h *House) {
	if h != c.house { // a past state
		envelope(w, http.StatusOK, h.liveStatus(), "")
		return
	}
	if c.tesla.live == nil || h.at.Sub(c.tesla.liveAt) >= c.options.Tesla.Refresh || h.at.Before(c.tesla.liveAt) {
		c.tesla.live, c.tesla.liveAt = h.liveStatus(), h.at
	}
	envelope(w, http.StatusOK, c.tesla.live, "")
}

func (c *Cloud) teslaInfo(w http.ResponseWriter, _ *http.Request, h *House) {
	info := h.siteInfo()
	if c.options.Tesla.Tariff != "" {
		info.Tariff = json.RawMessage(c.options.Tesla.Tariff)
	}
	envelope(w, http.StatusOK, info, "")
}

// teslaWrite answers a write: parse returns the values for the log, what to do, and what
// is wrong with the request.
func (c *Cloud) teslaWrite(name string, parse func(*House, map[string]json.RawMessage) (map[string]any, func(), string)) answerer {
	messages := map[string]string{"backup": "Backup reserve updated", "operation": "Operation mode updated", "storm_mode": "Storm mode updated"}
	return func(w http.ResponseWriter, r *http.Request, h *House) {
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
		idle := h.hit == Idle
		h.command("powerwall", values, func() {
			h.after(h.options.SettleDelay, func() {
				do()
				h.Idle = idle
			})
		})
		c.tesla.writes++
		switch {
		case name == "grid_import_export" && c.tesla.writes%2 == 0:
			w.WriteHeader(http.StatusNoContent)
		case name == "grid_import_export":
			envelope(w, http.StatusOK, "", "")
		case c.tesla.writes%2 == 0:
			envelope(w, http.StatusOK, map[string]any{"code": 201, "message": "Updated"}, "")
		default:
			envelope(w, http.StatusOK, map[string]any{"Message": messages[name], "Code": 200}, "")
		}
	}
}

func (c *Cloud) setReserve(h *House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	var percent int
	if json.Unmarshal(body["backup_reserve_percent"], &percent) != nil || percent < 0 || percent > 100 {
		return nil, nil, "invalid_field"
	}
	return map[string]any{"reserve": percent}, func() { h.SetReserve(percent) }, ""
}

func (c *Cloud) setMode(h *House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	var mode devices.Mode
	if json.Unmarshal(body["default_real_mode"], &mode) != nil || (mode != devices.SelfConsumption && mode != devices.Autonomous && mode != devices.Backup) {
		return nil, nil, "invalid_field"
	}
	return map[string]any{"mode": string(mode)}, func() { h.Mode = mode }, ""
}

func (c *Cloud) setStorm(h *House, body map[string]json.RawMessage) (map[string]any, func(), string) {
	var on bool
	if json.Unmarshal(body["enabled"], &on) != nil {
		return nil, nil, "invalid_field"
	}
	return map[string]any{"storm_watch": on}, func() { h.StormWatch = on }, ""
}

func (c *Cloud) setGrid(h *House, body map[string]json.RawMessage) (map[string]any, func(), string) {
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

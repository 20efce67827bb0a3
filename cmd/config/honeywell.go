package config

import (
	"net/url"
	"path/filepath"

	"powermgr/devices"
	"powermgr/devices/resideo"
	"powermgr/devices/tcc"
	"strings"
)

// The account of the thermostats.

// The two clouds that Honeywell thermostats can be on.
const (
	BackendResideo = "resideo" // developer.honeywellhome.com: client_id and client_secret
	BackendTCC     = "tcc"     // mytotalconnectcomfort.com, United States: username and password
)

// Honeywell is the account of the thermostats.
type Honeywell struct {
	// Backend is BackendResideo or BackendTCC. Empty in the file: resideo if TokenFile
	// has an authorization; otherwise tcc if there are a user name and a password;
	// otherwise resideo. Load fills it in.
	Backend string `koanf:"backend" oneof:"resideo,tcc"`
	// ClientID and ClientSecret are consumer key and secret of the app; resideo
	// needs both.
	ClientID     string         `koanf:"client_id"`
	ClientSecret devices.Secret `koanf:"client_secret"`
	// Username and Password are those of the Total Connect Comfort portal; tcc
	// needs both.
	Username string         `koanf:"username"`
	Password devices.Secret `koanf:"password"`
	// BaseURL is the address of the API or the portal. Empty in the file: the vendor's.
	// Load fills it in.
	BaseURL string `koanf:"base_url"`
	// TokenFile stores the authorization of resideo, or the session of tcc.
	// Empty in the file: honeywell_token.json or honeywell_session.json in
	// /var/lib/powermgr. Load fills it in.
	TokenFile string `koanf:"token_file"`
}

func (l *loader) completeHoneywell(h *Honeywell) {
	h.TokenFile = l.absolute(h.TokenFile)
	authorization, session := h.TokenFile, h.TokenFile
	if h.TokenFile == "" {
		authorization, session = filepath.Join(l.state, "honeywell_token.json"), filepath.Join(l.state, "honeywell_session.json")
	}
	if h.Backend == "" {
		app, account := h.ClientID != "" && h.ClientSecret != "", h.Username != "" && h.Password != ""
		switch {
		case app && l.authorized(authorization):
			h.Backend = BackendResideo
		case account:
			h.Backend = BackendTCC
		default:
			h.Backend = BackendResideo
		}
		if app && account {
			l.notice("honeywell.backend", "not given, with the keys of both clouds: taking %s", h.Backend)
		}
	}
	h.TokenFile = authorization
	if h.Backend == BackendTCC {
		h.TokenFile = session
	}
	if h.BaseURL == "" {
		h.BaseURL = map[string]string{BackendResideo: resideo.DefaultBaseURL, BackendTCC: tcc.DefaultBaseURL}[h.Backend]
	}
	h.BaseURL = strings.TrimRight(h.BaseURL, "/")
}

func (l *loader) checkHoneywell(h *Honeywell) {
	if h == nil {
		return
	}
	switch missing := h.missing(); {
	case len(missing) == 0:
	case h.ClientID == "" && h.ClientSecret == "" && h.Username == "" && h.Password == "":
		l.problem("honeywell", "it needs client_id and client_secret (Resideo), or username and password (Total Connect Comfort); or leave honeywell out if there are no thermostats")
	default:
		l.problem("honeywell."+missing[0], "backend %s needs %s", h.Backend, strings.Join(missing, " and "))
	}
	if l.knownBackend(h) {
		l.vendorURL("honeywell.base_url", h.BaseURL)
	}
	if u, err := url.Parse(h.BaseURL); err == nil && u.Hostname() == "api.honeywell.com" {
		l.notice("honeywell.base_url", "this host has had no valid certificate since May 2026: leave the key out for the new one")
	}
}

func (l *loader) knownBackend(h *Honeywell) bool {
	return h.Backend == BackendResideo || h.Backend == BackendTCC
}

// missing returns the keys that the backend needs and that are not set.
func (h *Honeywell) missing() []string {
	needs := map[string]bool{}
	switch h.Backend {
	case BackendResideo:
		needs = map[string]bool{"client_id": h.ClientID == "", "client_secret": h.ClientSecret == ""}
	case BackendTCC:
		needs = map[string]bool{"username": h.Username == "", "password": h.Password == ""}
	}
	var keys []string
	for _, key := range []string{"client_id", "client_secret", "username", "password"} {
		if needs[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

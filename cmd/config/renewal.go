package config

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// Finds authorizations that expire by themselves, and that a person has to renew before.
// Tesla's authorization is renewed with each use, several times a day: it expires only
// where nothing uses it, as on a standby node. How long Honeywell Home's lasts without
// being used is undocumented.

// maxUnused is how long Tesla accepts a refresh token that is not used.
// Source: developer.tesla.com/docs/fleet-api/support/faq.
const maxUnused = 90 * 24 * time.Hour

// renewalNotice is how long before the end a person is told.
const renewalNotice = 14 * 24 * time.Hour

// ExpiringHourly returns Expiring as a function that checks the files only once an hour.
func (c Config) ExpiringHourly() func(now time.Time) string {
	var looked time.Time
	problem := ""
	return func(now time.Time) string {
		if age := now.Sub(looked); looked.IsZero() || age < 0 || age >= time.Hour {
			looked, problem = now, c.Expiring(now)
		}
		return problem
	}
}

// Expiring says in a sentence which authorization ends within 14 days of now, or
// has ended, and what to do. Empty: none, as far as that is known.
func (c Config) Expiring(now time.Time) string {
	if c.Tesla == nil {
		return ""
	}
	ends, what := time.Time{}, ""
	if c.Tesla.APIToken != "" {
		ends, what = tokenEnds(c.Tesla.APIToken), "tesla.api_token ends %s: put a new one into the configuration; restart the add-on, or sudo systemctl reload powermgr"
	} else if t, err := (cloud.TokenFile{Path: c.Tesla.TokenFile}).Load(); err == nil && t.Refresh != "" && !t.Filed.IsZero() {
		ends, what = t.Filed.Add(maxUnused), "Tesla's authorization has not been used for a long time and ends %s: run powermgr auth tesla"
	}
	if ends.IsZero() || ends.Sub(now) > renewalNotice {
		return ""
	}
	return fmt.Sprintf(what, "on "+ends.In(c.Zone()).Format("January 2"))
}

// tokenEnds returns when a JSON Web Token expires; zero if it is not one, or does not
// say.
func tokenEnds(token devices.Secret) time.Time {
	var claims struct {
		Expires int64 `json:"exp"`
	}
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.Expires, 0)
}

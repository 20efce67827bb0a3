// Package oauth is the server that issues tokens behind the emulated Tesla and Resideo:
// access tokens that expire, refresh tokens that rotate, and codes for the first
// authorization.
package oauth

import (
	"fmt"
	"slices"
	"time"
)

// Tokens issues and checks the tokens of one vendor. Several clients can be authorized
// at once; each has its own chain of refresh tokens. The cloud's lock guards it.
type Tokens struct {
	Vendor string
	Life   time.Duration // what expires_in says
	Dies   time.Duration // when an access token really expires; 0: Life
	Grace  time.Duration // for how long a rotated refresh token still works; 0: not at all

	issued  int
	access  []grant
	refresh []grant
	codes   []grant
}

// grant is a token, and until when it is valid; the zero time means forever.
type grant struct {
	token string
	until time.Time
}

// maxGrants limits each kind of token; the oldest is dropped first.
const maxGrants = 64

func add(grants []grant, g grant) []grant {
	if len(grants) >= maxGrants {
		grants = slices.Delete(grants, 0, 1)
	}
	return append(grants, g)
}

func good(grants []grant, token string, now time.Time) bool {
	return token != "" && slices.ContainsFunc(grants, func(g grant) bool {
		return g.token == token && (g.until.IsZero() || now.Before(g.until))
	})
}

// second is the suffix of the tokens of a home's second node, which has its own
// authorizations.
const second = "-2"

// Seed makes the tokens of a configuration valid, and those of the home's second node,
// which end in -2. The access token, which may be empty, does not expire until a fault
// ends it.
func (t *Tokens) Seed(access, refresh string) {
	for _, node := range []string{"", second} {
		if access != "" {
			t.access = add(t.access, grant{token: access + node})
		}
		t.refresh = add(t.refresh, grant{token: refresh + node})
	}
}

// Admit makes an access token valid that was not issued here.
func (t *Tokens) Admit(access string, until time.Time) {
	t.access = add(t.access, grant{access, until})
}

// Valid reports whether an access token is valid.
func (t *Tokens) Valid(access string, now time.Time) bool { return good(t.access, access, now) }

// Refreshes reports whether a refresh token still gets new tokens.
func (t *Tokens) Refreshes(refresh string, now time.Time) bool { return good(t.refresh, refresh, now) }

// Expire ends all access tokens at once, as vendors sometimes do early.
func (t *Tokens) Expire() { t.access = nil }

// Revoke ends all refresh tokens as well: a person must authorize again.
func (t *Tokens) Revoke() { t.access, t.refresh = nil, nil }

// Code returns a code for one authorization, valid for ten minutes.
func (t *Tokens) Code(now time.Time) string {
	t.issued++
	code := fmt.Sprintf("emulator-%s-code-%d", t.Vendor, t.issued)
	t.codes = add(t.codes, grant{code, now.Add(10 * time.Minute)})
	return code
}

// Exchange exchanges a code for a first pair of tokens.
func (t *Tokens) Exchange(code string, now time.Time) (access, refresh string, ok bool) {
	if !good(t.codes, code, now) {
		return "", "", false
	}
	t.codes = slices.DeleteFunc(t.codes, func(g grant) bool { return g.token == code })
	access, refresh = t.issue(now), t.next()
	t.refresh = add(t.refresh, grant{token: refresh})
	return access, refresh, true
}

// Rotate exchanges a refresh token for the next pair; the old one is rejected from then
// on, or after the grace period.
func (t *Tokens) Rotate(old string, now time.Time) (access, refresh string, ok bool) {
	if !good(t.refresh, old, now) {
		return "", "", false
	}
	if i := slices.IndexFunc(t.refresh, func(g grant) bool { return g.token == old }); t.Grace > 0 {
		if t.refresh[i].until.IsZero() {
			t.refresh[i].until = now.Add(t.Grace)
		}
	} else {
		t.refresh = slices.Delete(t.refresh, i, i+1)
	}
	refresh = t.next()
	t.refresh = add(t.refresh, grant{token: refresh})
	return t.issue(now), refresh, true
}

func (t *Tokens) issue(now time.Time) string {
	t.issued++
	token := fmt.Sprintf("emulator-%s-access-%d", t.Vendor, t.issued)
	life := t.Life
	if t.Dies > 0 {
		life = t.Dies
	}
	t.access = add(t.access, grant{token, now.Add(life)})
	return token
}

func (t *Tokens) next() string {
	t.issued++
	return fmt.Sprintf("emulator-%s-refresh-%d", t.Vendor, t.issued)
}

// A Cloud answers requests under its lock, by its own clock.
type Cloud interface {
	Locked(do func())
	Now() time.Time
}

// Control is what is done to the tokens of a running cloud from outside.
type Control struct {
	tokens *Tokens
	cloud  Cloud
}

// ControlOf returns the control of the tokens that a cloud issues.
func ControlOf(t *Tokens, c Cloud) Control { return Control{t, c} }

// KillTokens expires every access token early, as an Expire fault does; a refresh gets a
// new one.
func (c Control) KillTokens() { c.cloud.Locked(c.tokens.Expire) }

// Revoke revokes all tokens, as when a person withdraws the consent.
func (c Control) Revoke() { c.cloud.Locked(c.tokens.Revoke) }

// Refreshes reports whether a refresh token still gets new tokens.
func (c Control) Refreshes(token string) (good bool) {
	c.cloud.Locked(func() { good = c.tokens.Refreshes(token, c.cloud.Now()) })
	return good
}

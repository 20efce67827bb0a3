package emulator

// The OAuth server behind Tesla and Resideo: access tokens that expire, refresh tokens
// that rotate, and codes for the first authorization. The cloud's lock guards it.

import (
	"fmt"
	"slices"
	"time"
)

// tokens issues and checks the tokens of one vendor. Several clients can be authorized
// at once; each has its own chain of refresh tokens.
type tokens struct {
	vendor string
	life   time.Duration // what expires_in says
	dies   time.Duration // when an access token really expires; 0: life
	grace  time.Duration // for how long a rotated refresh token still works; 0: not at all
	keeps  bool          // a refresh does not rotate the refresh token

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

// seed makes the token pair of a configuration valid. The access token does not expire
// until a fault ends it.
func (t *tokens) seed(access, refresh string) {
	t.access = add(t.access, grant{token: access})
	t.refresh = add(t.refresh, grant{token: refresh})
}

// valid reports whether an access token is valid.
func (t *tokens) valid(access string, now time.Time) bool { return good(t.access, access, now) }

// expire ends all access tokens at once, as vendors sometimes do early.
func (t *tokens) expire() { t.access = nil }

// revoke ends all refresh tokens as well: a person must authorize again.
func (t *tokens) revoke() { t.access, t.refresh = nil, nil }

// code returns a code for one authorization, valid for ten minutes.
func (t *tokens) code(now time.Time) string {
	t.issued++
	code := fmt.Sprintf("emulator-%s-code-%d", t.vendor, t.issued)
	t.codes = add(t.codes, grant{code, now.Add(10 * time.Minute)})
	return code
}

// exchange exchanges a code for a first pair of tokens.
func (t *tokens) exchange(code string, now time.Time) (access, refresh string, ok bool) {
	if !good(t.codes, code, now) {
		return "", "", false
	}
	t.codes = slices.DeleteFunc(t.codes, func(g grant) bool { return g.token == code })
	access, refresh = t.issue(now), t.next()
	t.refresh = add(t.refresh, grant{token: refresh})
	return access, refresh, true
}

// rotate exchanges a refresh token for the next pair; the old one is rejected from then
// on, or after the grace period.
func (t *tokens) rotate(old string, now time.Time) (access, refresh string, ok bool) {
	if !good(t.refresh, old, now) {
		return "", "", false
	}
	if t.keeps {
		return t.issue(now), old, true
	}
	if i := slices.IndexFunc(t.refresh, func(g grant) bool { return g.token == old }); t.grace > 0 {
		if t.refresh[i].until.IsZero() {
			t.refresh[i].until = now.Add(t.grace)
		}
	} else {
		t.refresh = slices.Delete(t.refresh, i, i+1)
	}
	refresh = t.next()
	t.refresh = add(t.refresh, grant{token: refresh})
	return t.issue(now), refresh, true
}

func (t *tokens) issue(now time.Time) string {
	t.issued++
	token := fmt.Sprintf("emulator-%s-access-%d", t.vendor, t.issued)
	life := t.life
	if t.dies > 0 {
		life = t.dies
	}
	t.access = add(t.access, grant{token, now.Add(life)})
	return token
}

func (t *tokens) next() string {
	t.issued++
	return fmt.Sprintf("emulator-%s-refresh-%d", t.vendor, t.issued)
}

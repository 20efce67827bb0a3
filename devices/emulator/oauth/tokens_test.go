package oauth

import (
	"fmt"
	"testing"
	"time"
)

// However often somebody asks, only the latest tokens of each kind are kept.
func TestTokensAreBounded(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	all := Tokens{Vendor: "tesla", Life: time.Hour}
	all.Seed("", "first")
	refresh := "first"
	for i := range 500 {
		all.Code(now)
		all.Admit(fmt.Sprint("admitted ", i), now.Add(time.Hour))
		var ok bool
		if _, refresh, ok = all.Rotate(refresh, now); !ok {
			t.Fatal("the last refresh token is refused")
		}
	}
	if len(all.codes) > maxGrants || len(all.access) > maxGrants || len(all.refresh) > maxGrants {
		t.Errorf("%d codes, %d access tokens and %d refresh tokens are kept", len(all.codes), len(all.access), len(all.refresh))
	}
	if !all.Refreshes("first-2", now) || !all.Valid("admitted 499", now) || all.Valid("admitted 0", now) {
		t.Error("not the latest ones are kept")
	}
}

// A home without an access token does not have an empty one, or the second node's suffix.
func TestNoTokenIsNoToken(t *testing.T) {
	all := Tokens{}
	all.Seed("", "refresh")
	for _, token := range []string{"", second} {
		if all.Valid(token, time.Now()) {
			t.Errorf("%q is valid", token)
		}
	}
}

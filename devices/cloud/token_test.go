package cloud_test

import (
	"testing"
	"time"

	"powermgr/devices/cloud"
)

// FuzzToken reads a token file, or the answer of a token endpoint, with any content.
func FuzzToken(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `null`, `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":28800}`,
		`{"access_token":"a","expires_in":"1799"}`, `{"refresh_token":"r","expires_in":-1}`, `{"access_token":"a","expires_in":1e999}`,
	} {
		f.Add([]byte(text))
	}
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		token, err := cloud.ParseToken(body, now)
		if err != nil {
			return
		}
		if token.Access == "" && token.Refresh == "" {
			t.Error("a token without an access or refresh token")
		}
		if !token.Expires.IsZero() && token.Expires.Before(now) {
			t.Errorf("it expired %v before it came", now.Sub(token.Expires))
		}
	})
}

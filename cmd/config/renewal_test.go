package config

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

func TestWhatEndsSoonIsSaidFourteenDaysBefore(t *testing.T) {
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	jwt := func(ends time.Time) *Tesla {
		claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, ends.Unix()))
		return &Tesla{APIToken: devices.Secret("eyJh." + claims + ".sig")}
	}
	filed := func(age time.Duration) *Tesla {
		file := cloud.TokenFile{Path: filepath.Join(t.TempDir(), "token.json")}
		if err := file.Save(cloud.Token{Access: "a", Refresh: "hunter2"}, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
		return &Tesla{TokenFile: file.Path}
	}
	for _, tt := range []struct {
		name  string
		tesla *Tesla
		want  string // empty: nothing is reported
	}{
		{"no Powerwall", nil, ""},
		{"a token that does not say when it ends", &Tesla{APIToken: "hunter2"}, ""},
		{"a token of dots", &Tesla{APIToken: "a.b.c"}, ""},
		{"a token that ends in 15 days", jwt(now.Add(15 * day)), ""},
		{"a token that ends in 14 days", jwt(now.Add(14 * day)), "tesla.api_token ends on July 29: put a new one into the configuration; restart the add-on, or sudo systemctl reload powermgr"},
		{"a token that has ended", jwt(now.Add(-day)), "tesla.api_token ends on July 14"},
		{"an authorization used today", filed(0), ""},
		{"an authorization unused for 75 days", filed(75 * day), ""},
		{"an authorization unused for 76 days", filed(76 * day), "ends on July 29: run powermgr auth tesla"},
		{"no authorization", &Tesla{TokenFile: "/nowhere/token.json"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Tesla: tt.tesla, Settings: Settings{Timezone: "UTC"}}
			got := c.Expiring(now)
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) || strings.Contains(got, "hunter2") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if again := c.ExpiringHourly(); again(now) != got || again(now.Add(time.Minute)) != got {
				t.Error("the result differs a minute later")
			}
		})
	}
}

package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAnAttemptGrowsOld(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token.json")
	now := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	a, err := begin(file, LocalRedirect, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Verifier) < 43 || a.State == "" {
		t.Errorf("got %d characters of verifier", len(a.Verifier))
	}
	if info, err := os.Stat(pending(file)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	for _, tt := range []struct {
		after time.Duration
		ok    bool
	}{{0, true}, {time.Hour, true}, {time.Hour + time.Second, false}, {-time.Second, false}} {
		got, err := resume(file, now.Add(tt.after))
		if (err == nil) != tt.ok || tt.ok && fmt.Sprint(got) != fmt.Sprint(a) {
			t.Errorf("after %s: got %v, %v", tt.after, got, err)
		}
	}
}

package simulation

// I10: no daemon loses a token that it can get only once. A refresh token is valid for
// one refresh, and the next one comes with the answer. A daemon that loses it needs a
// person.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/devices/emulator"
)

// tokenWatch tracks which refresh tokens no daemon could have kept.
type tokenWatch struct {
	home *home

	mu   sync.Mutex
	lost map[string]bool // by vendor, or by node and vendor
}

// tokensOf returns the vendor that a request asks for new tokens; "": none.
func tokensOf(path string) string {
	return map[string]string{"/oauth2/v3/token": "tesla", "/oauth2/token": "resideo"}[path]
}

// asking counts the requests for new tokens that are in progress.
func (l *life) asking(vendor string, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks[vendor] += more
}

// killed notes that a daemon dies, perhaps with an answer on its way.
func (t *tokenWatch) killed(n *node, l *life) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for vendor, asks := range l.asks {
		if asks > 0 {
			t.lost[n.name+vendor] = true
		}
	}
}

// refreshTimeout is how long a daemon waits for an answer.
const refreshTimeout = 15 * time.Second

// fault notes which tokens a fault can take away for good.
func (t *tokenWatch) fault(f emulator.Fault) {
	part := func(field string) bool {
		return slices.Contains([]string{"access_token", "refresh_token", "expires_in", "token_type"}, field)
	}
	spoils := f.Class == emulator.Latency && f.Seconds >= refreshTimeout.Seconds() || f.Class == emulator.Garbage || slices.ContainsFunc(f.Fields, part)
	prefix, wild := strings.CutSuffix(f.Endpoint, "*")
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, vendor := range []string{"tesla", "resideo"} {
		endpoint := vendor + ".token"
		if spoils && (f.Endpoint == endpoint || wild && strings.HasPrefix(endpoint, prefix)) {
			t.lost[vendor] = true
		}
	}
}

// gone reports whether a node may have lost its authorization with a vendor.
func (t *tokenWatch) gone(vendor string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost[vendor] || slices.ContainsFunc(t.home.nodes, func(n *node) bool { return t.lost[n.name+vendor] })
}

// finish checks which tokens each node has kept, once all daemons have ended.
func (t *tokenWatch) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.home.all() {
		for _, vendor := range []string{"tesla", "resideo"} {
			if t.lost[vendor] || t.lost[n.name+vendor] {
				continue
			}
			file := filepath.Join(filepath.Dir(n.configFile), vendor+".json")
			var kept struct {
				Refresh string `json:"refresh_token"`
			}
			b, err := os.ReadFile(file)
			if err == nil {
				err = json.Unmarshal(b, &kept)
			}
			if err != nil || !t.home.cloud.Refreshes(vendor, kept.Refresh) {
				t.home.oracle.violation(I10, "%s has lost its authorization with %s: %v", n.name, vendor, err)
			}
		}
	}
}

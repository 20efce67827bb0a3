package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/durable"
)

// A Token is what a token endpoint answered.
type Token struct {
	Access  devices.Secret
	Refresh devices.Secret // empty: a bare access token that cannot be renewed
	Type    string
	Expires time.Time // zero: not known
	Filed   time.Time // when it was put into its file; zero: not known
}

// wire is the OAuth answer as vendors send it and as token files hold it.
// Resideo writes expires_in as a string, everybody else as a number.
type wire struct {
	Access  string  `json:"access_token"`
	Refresh string  `json:"refresh_token,omitempty"`
	Type    string  `json:"token_type,omitempty"`
	Expires seconds `json:"expires_in,omitempty"`
	Filed   string  `json:"filed,omitempty"` // no vendor sends it
}

type seconds int64

func (s *seconds) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !devices.Finite(f) || f < 0 || f > 1e9 {
		return fmt.Errorf("expires_in %.20q is no number of seconds", text)
	}
	*s = seconds(f)
	return nil
}

// ParseToken parses an OAuth answer received at now.
func ParseToken(body []byte, now time.Time) (Token, error) {
	w, err := parse(body)
	if err != nil {
		return Token{}, err
	}
	t := w.token()
	if w.Expires > 0 {
		t.Expires = now.Add(time.Duration(w.Expires) * time.Second)
	}
	return t, nil
}

func parse(body []byte) (w wire, err error) {
	if err := json.Unmarshal(body, &w); err != nil {
		return wire{}, errors.New("not an OAuth token answer")
	}
	if w.Access == "" && w.Refresh == "" {
		return wire{}, errors.New("neither an access_token nor a refresh_token in it")
	}
	return w, nil
}

// token is w without its expiry, which counts from when it was received.
func (w wire) token() Token {
	return Token{Access: devices.Secret(w.Access), Refresh: devices.Secret(w.Refresh), Type: w.Type}
}

// A TokenFile is where an authorization is stored: the OAuth answer as JSON, mode 0600.
type TokenFile struct{ Path string }

// Load reads the file. The access token in it may have expired long ago, so its expiry
// is left unknown. If there is no file, the error is fs.ErrNotExist.
func (f TokenFile) Load() (Token, error) {
	b, err := os.ReadFile(f.Path)
	if err != nil {
		return Token{}, err
	}
	w, err := parse(b)
	if err != nil {
		return Token{}, fmt.Errorf("token file %s: %w", f.Path, err)
	}
	t := w.token()
	t.Filed, _ = time.Parse(time.RFC3339, w.Filed) // one without it is from an earlier version
	return t, nil
}

// Save writes the file, synced, before it returns.
func (f TokenFile) Save(t Token, now time.Time) error {
	w := wire{Access: t.Access.Reveal(), Refresh: t.Refresh.Reveal(), Type: t.Type, Filed: now.UTC().Format(time.RFC3339)}
	if !t.Expires.IsZero() {
		w.Expires = seconds(max(0, t.Expires.Sub(now)/time.Second))
	}
	b, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(f.Path, append(b, '\n'), 0o600)
}

// Missing reports whether err says that there is no token file.
func Missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
